/*
 * client/lib/agent.c - identities that an agent of keys has (client/agent/agent.h): behind those of
 * the program, for one connection. It is told where that leads, so that keys for some hosts alone
 * serve there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/agent/agent.h"
#include "client/lib/internal.h"

/* As long as somebody needs to touch a key, within OperationTimeout. */
static int patience_ms(const struct sluice *s)
{
	uint32_t ms = s->set.operation_timeout;

	return ms == 0 || ms > INT32_MAX ? -1 : (int)ms;
}

static int sign_by_agent(void *arg, const struct sluice_key *pub, const char *alg, const void *data,
			 size_t len, uint8_t *sig, size_t *sig_len)
{
	struct sluice *s = arg;

	return agent_sign(s->agent, pub->key, alg, (struct ssh_str){data, (uint32_t)len},
			  patience_ms(s), sig, sig_len);
}

/* One that does not know of it is no worse for it. */
static void tell_where(struct sluice *s)
{
	const struct agent_bind b = {
		.host = ssh_brain_server_key(s->brain),
		.session_id = ssh_brain_session_id(s->brain),
		.signature = ssh_brain_server_signature(s->brain),
	};
	int r;

	if (b.host == NULL)
		return;
	r = agent_bind(s->agent, &b, patience_ms(s));
	if (r < 0)
		note(s, SLUICE_LOG_VERBOSE, "agent: session-bind: %s", sluice_strerror(r));
}

/* Takes the key out of the list. */
static int identity_take(struct sluice *s, struct agent_key *from)
{
	struct keyfile *file = NULL;
	struct sluice_key *k = NULL;
	int r = keyfile_new(from->key, from->comment, &file);

	if (r < 0)
		return r;
	from->key = NULL;
	r = key_wrap(file, &k);
	if (r == 0)
		s->identity[s->n_identities++] = (struct identity){k, sign_by_agent, s};
	return r;
}

static int agent_meet(struct sluice *s)
{
	const char *path = *s->set.identity_agent != '\0' ? s->set.identity_agent : NULL;
	struct agent_keys keys = {0};
	int r = agent_open(path, &s->agent);

	if (r < 0)
		return r;
	tell_where(s);
	r = agent_list(s->agent, patience_ms(s), &keys);
	for (unsigned int i = 0; r == 0 && i < keys.n && s->n_identities < IDENTITIES_MAX; i++)
		r = identity_take(s, &keys.v[i]);
	if (r == 0)
		note(s, SLUICE_LOG_VERBOSE, "the agent has %u keys", keys.n);
	agent_keys_free(&keys);
	return r;
}

int agent_identities(struct sluice *s)
{
	unsigned int own = s->n_identities;
	int r;

	if (s->set.agent_auth == AGENT_NO || s->login.agent_asked)
		return 0;
	s->login.agent_asked = true;
	r = agent_meet(s);
	if (r < 0)
		note(s, SLUICE_LOG_INFO, "agent: %s", sluice_strerror(r));
	if (s->set.agent_auth != AGENT_REQUIRE)
		return 0;
	s->login.next_key = own; /* no others */
	return r < 0 ? r : s->n_identities > own ? 0 : -ENOKEY;
}

void agent_drop(struct sluice *s)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < s->n_identities; i++) {
		if (s->identity[i].sign == sign_by_agent)
			sluice_key_free((struct sluice_key *)s->identity[i].key);
		else
			s->identity[n++] = s->identity[i];
	}
	s->n_identities = n;
	agent_close(s->agent);
	s->agent = NULL;
}
