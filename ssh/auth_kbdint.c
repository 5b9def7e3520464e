/*
 * ssh/auth_kbdint.c - keyboard-interactive, both roles.
 *
 * Source  RFC 4256.
 *
 * Server: the authority is asked, says what to ask, gets the answers, and so on until it
 * accepts or refuses; how many rounds and questions there are is its business. An answer to
 * questions nobody asked ends the connection, answers that are not as many as the questions
 * are a failed try (S-30).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/secret.h"
#include "ssh/internal.h"

#define RESPONSE_MAX 65536 /* of all answers of a round that a client of ours sends */

/* Server ---------------------------------------------------------------------------- */

static void answers_drop(struct auth_server *a)
{
	secret_free(a->answers, a->answers_len);
	a->answers = NULL;
	a->answers_len = 0;
	a->act.n_responses = 0;
	a->act.response = NULL;
}

void auth_kbdint_drop(struct auth_server *a)
{
	answers_drop(a);
	a->prompted = false;
	a->n_prompts = 0;
}

/*
 * The submethods are a hint that "the server may ignore" (section 3.1), and it does: a list of
 * a stranger's decides neither what is asked nor how often (S-29).
 */
int auth_kbdint_begin(struct ssh_brain *b, struct ssh_str rest)
{
	struct ssh_userauth_kbdint m;
	int r = ssh_userauth_kbdint_parse(rest, &m);

	return r < 0 ? r : auth_server_ask(b);
}

int auth_kbdint_prompt(struct ssh_brain *b, const struct ssh_prompts *m)
{
	struct auth_server *a = &b->srv;
	struct ssh_wr w;
	int r;

	if (m->n > SSH_PROMPTS_MAX)
		return -SSH_E_INTERNAL;
	answers_drop(a);
	r = send_begin(b, &w, ssh_userauth_info_request_len(m));
	if (r < 0)
		return r;
	ssh_userauth_info_request_build(&w, m);
	a->prompted = true;
	a->n_prompts = m->n;
	return send_end(b, &w);
}

int auth_kbdint_response(struct ssh_brain *b, const uint8_t *p, size_t len)
{
	struct auth_server *a = &b->srv;
	struct ssh_rd r;
	int e;

	if (!a->prompted)
		return -SSH_E_PROTO;
	a->answers = secret_new(len);
	if (a->answers == NULL)
		return -SSH_E_MEMORY;
	a->answers_len = len;
	memcpy(a->answers, p, len);
	ssh_rd_init(&r, a->answers + 1, len - 1);
	e = ssh_userauth_info_response_parse(&r, a->n_prompts, a->response);
	if (e == -ERANGE)
		return auth_server_refuse(b);
	if (e < 0)
		return e;
	a->prompted = false;
	if (a->act.round < UINT32_MAX)
		a->act.round++;
	a->act.n_responses = a->n_prompts;
	a->act.response = a->response;
	return auth_server_ask(b);
}

/* Client ---------------------------------------------------------------------------- */

int ssh_brain_login_kbdint(struct ssh_brain *b, uint32_t id, const char *submethods)
{
	struct ssh_userauth_request m = auth_client_request(b, "keyboard-interactive");
	struct ssh_userauth_kbdint k = {ssh_str_c(""), ssh_str_c(submethods)};
	struct ssh_wr w;
	int r;

	if (!auth_client_login_open(b, id))
		return -ENOENT;
	b->auth_ask = (struct ask){0};
	r = send_begin(b, &w, auth_client_request_len(&m) + 8 + (size_t)k.submethods.len);
	if (r == 0) {
		ssh_userauth_request_build(&w, &m);
		ssh_userauth_kbdint_build(&w, &k);
		r = auth_client_sent(b, &w, SSH_AUTH_KBDINT);
	}
	return auth_client_finish(b, r);
}

/* The texts are a stranger's: whoever shows them looks at them first. */
int auth_kbdint_request(struct ssh_brain *b, const uint8_t *p, size_t len)
{
	struct auth_info *info;
	struct ssh_act *act;
	struct ssh_rd r;
	int e;

	info = malloc(sizeof(*info) + len);
	if (info == NULL)
		return -SSH_E_MEMORY;
	memcpy(info->payload, p, len);
	free(b->cli.info);
	b->cli.info = info;
	ssh_rd_init(&r, info->payload + 1, len - 1);
	e = ssh_userauth_info_request_parse(&r, &info->prompts);
	if (e < 0)
		return e;
	act = act_push(b, SSH_ACT_PROMPT, 0);
	if (act == NULL)
		return -SSH_E_MEMORY;
	act->prompts = &info->prompts;
	b->cli.sent = false;
	ask_open(b, &b->auth_ask, act);
	return 0;
}

static int response_send(struct ssh_brain *b, unsigned int n, const struct ssh_str *response)
{
	size_t len = 1 + 4;
	struct ssh_wr w;
	int r;

	for (unsigned int i = 0; i < n; i++) {
		if (response[i].len > RESPONSE_MAX - 4 || len > RESPONSE_MAX)
			return -EINVAL;
		len += 4 + (size_t)response[i].len;
	}
	b->auth_ask = (struct ask){0};
	r = send_begin(b, &w, len);
	if (r == 0) {
		ssh_userauth_info_response_build(&w, n, response);
		r = auth_client_sent(b, &w, SSH_AUTH_KBDINT);
	}
	return auth_client_finish(b, r);
}

int ssh_brain_prompt_answer(struct ssh_brain *b, uint32_t id, unsigned int n,
			    const struct ssh_str *response)
{
	if (b->auth_ask.kind != SSH_ACT_PROMPT || b->auth_ask.id != id)
		return -ENOENT;
	return n == b->cli.info->prompts.n ? response_send(b, n, response) : -EINVAL;
}

/*
 * Section 3.4: "If the num-responses field does not match the num-prompts field in the request
 * message, the server MUST send a failure message."
 */
int ssh_brain_prompt_refuse(struct ssh_brain *b, uint32_t id)
{
	const struct ssh_str none = {(const uint8_t *)"", 0};

	if (b->auth_ask.kind != SSH_ACT_PROMPT || b->auth_ask.id != id)
		return -ENOENT;
	return response_send(b, b->cli.info->prompts.n == 0, &none);
}
