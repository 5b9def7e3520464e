#include "control/auth/source.h"

#include <string.h>

/* In the order they are preferred where one alone decides. */
static const struct auth_source *const sources[] = {&auth_source_pam, &auth_source_password,
						    &auth_source_totp};
#define N_SOURCES (sizeof(sources) / sizeof(sources[0]))

const struct auth_source *auth_source_find(const char *name, size_t len,
					   const struct conf_session *c)
{
	for (size_t i = 0; i < N_SOURCES; i++)
		if (strlen(sources[i]->name) == len && memcmp(sources[i]->name, name, len) == 0)
			return sources[i]->wanted(c) ? sources[i] : NULL;
	return NULL;
}

const struct auth_source *auth_source_of_passwords(const struct conf_session *c)
{
	for (size_t i = 0; i < N_SOURCES; i++)
		if (sources[i]->password && sources[i]->wanted(c))
			return sources[i];
	return NULL;
}

unsigned int auth_source_plan(const struct conf_session *c,
			      const struct auth_source *plan[SOURCE_PLAN_MAX])
{
	const struct auth_source *first = auth_source_of_passwords(c);
	unsigned int n = 0;

	/* A code alone is half of a login: it is enough only where AuthenticationMethods says so.
	 */
	if (first == NULL)
		return 0;
	plan[n++] = first;
	if (auth_source_totp.wanted(c))
		plan[n++] = &auth_source_totp;
	return n;
}

int auth_call_begin(struct auth_call *call, const struct auth_source *source,
		    const struct auth_try *t)
{
	call->source = source;
	call->state = NULL;
	call->prompts = NULL;
	return source->begin(call, t);
}

int auth_call_answer(struct auth_call *call, const struct ssh_str *response, unsigned int n)
{
	if (call->source->answer == NULL)
		return SOURCE_NO;
	return call->source->answer(call, response, n);
}

void auth_call_end(struct auth_call *call)
{
	if (call->source != NULL)
		call->source->end(call);
	call->source = NULL;
	call->state = NULL;
	call->prompts = NULL;
}
