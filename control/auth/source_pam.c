/*
 * control/auth/source_pam.c - PAM as a source. Its modules run in a child of sluice-helper: one
 * that waits or dies is none of ours.
 */
#include <errno.h>
#include <string.h>

#include "control/auth/source.h"
#include "control/helper/client.h"
#include "control/log.h"
#include "crypto/secret.h"

static bool wanted(const struct conf_session *c)
{
	return c->use_pam;
}

static void on_ask(void *arg, const struct ssh_prompts *p)
{
	struct auth_call *call = arg;

	call->prompts = p;
	call->done(call, SOURCE_ASK);
}

static void on_done(void *arg, const struct helper_done *d, const char *data, size_t len)
{
	struct auth_call *call = arg;
	enum source_verdict verdict = SOURCE_NO;

	(void)data;
	(void)len;
	if (d->result == HELPER_OK)
		verdict = SOURCE_YES;
	else if (d->result == HELPER_EXPIRED)
		verdict = SOURCE_CHANGE;
	else if (d->text.len > 0)
		log_line(d->result == HELPER_NO ? LOG_L_DEBUG1 : LOG_L_ERROR, "PAM: %.*s",
			 (int)d->text.len, (const char *)d->text.p);
	call->done(call, verdict);
}

static int begin(struct auth_call *call, const struct auth_try *t)
{
	static const struct helper_ops ops = {on_ask, on_done};
	struct helper_pam m = {
		.job = t->about,
		.possible = t->possible,
		.conversation = t->conversation,
		.change = t->change,
		.password = t->secret,
		.new_password = t->new_secret,
	};
	struct helper_call *helping = NULL;
	uint8_t *frame;
	int r;

	m.job.time_ms = SOURCE_PAM_MS;
	if (call->env->helper == NULL)
		return -ENOENT;
	frame = secret_new(HELPER_FRAME_MAX + 4);
	if (frame == NULL)
		return -ENOMEM;
	r = helper_call(call->env->helper, frame, helper_pam_build(frame, &m), &ops, call,
			&helping);
	secret_free(frame, HELPER_FRAME_MAX + 4);
	call->state = helping;
	return r;
}

static int answer(struct auth_call *call, const struct ssh_str *response, unsigned int n)
{
	return helper_call_answer(call->state, n, response);
}

static void end(struct auth_call *call)
{
	helper_call_end(call->state);
}

const struct auth_source auth_source_pam = {
	.name = "pam",
	.wanted = wanted,
	.password = true,
	.begin = begin,
	.answer = answer,
	.end = end,
};
