/*
 * ssh/auth_gss.c - who a Kerberos ticket says the user is, server role.
 *
 * Source  RFC 4462 sections 3 (gssapi-with-mic) and 4 (gssapi-keyex).
 *
 * keyex: REQUEST with a MIC by the context of the key exchange -> job -> authority asked
 * with-mic: REQUEST -> RESPONSE; TOKEN -> job -> TOKEN ...; MIC -> job -> authority asked
 *
 * The MIC binds the ticket to this connection and to the name that is asked for; without
 * integrity there is none, and nobody is believed (section 3.9: "MUST NOT" otherwise where it is
 * to be had, and Kerberos always has it).
 */
#include <string.h>

#include "ssh/auth_msg.h"
#include "ssh/internal.h"
#include "ssh/trans_msg.h"

#define OIDS_MAX 32

void auth_gss_drop(struct auth_server *a)
{
	gss_free(a->gss);
	a->gss = NULL;
	a->gss_step = AUTH_GSS_NONE;
}

/*
 * The session id, and of the request all but what is behind its last tail bytes, under the MIC. The
 * context of the job is the one that may know it.
 */
static int ask_mic(struct ssh_brain *b, struct gss_ctx **ctx, struct ssh_str mic, uint32_t tail)
{
	const struct auth_server *a = &b->srv;
	struct ssh_str session_id = ssh_brain_session_id(b);
	struct ssh_str signed_part = {a->request, (uint32_t)a->request_len - tail};
	size_t n = 4 + session_id.len + signed_part.len;
	struct ssh_job *job = ssh_job_new(SSH_JOB_GSS_NAME, n + mic.len);
	struct ssh_wr w;

	if (job == NULL)
		return -SSH_E_MEMORY;
	ssh_wr_init(&w, job->store, n);
	ssh_userauth_signed_build(&w, session_id, signed_part);
	job->data = (struct ssh_str){job->store, (uint32_t)ssh_wr_done(&w)};
	job->store_used = n;
	job->signature = ssh_job_keep(job, mic);
	job->gss = *ctx;
	*ctx = NULL;
	return ask_job(b, &b->auth_ask, job);
}

/* Once: a context that a login was tried by is used up. */
int auth_gss_keyex(struct ssh_brain *b, struct ssh_str rest)
{
	struct ssh_str mic;
	struct ssh_rd r;

	ssh_rd_init(&r, rest.p, rest.len);
	mic = ssh_rd_str(&r);
	if (!ssh_rd_done(&r))
		return -SSH_E_FORMAT;
	if (b->gss == NULL || mic.len == 0 || mic.len > GSS_MIC_MAX)
		return auth_server_refuse(b);
	return ask_mic(b, &b->gss, mic, 4 + mic.len);
}

/* Section 3.2: mechanisms in the client's order, of which we have one. */
int auth_gss_begin(struct ssh_brain *b, struct ssh_str rest)
{
	struct auth_server *a = &b->srv;
	struct ssh_rd r;
	struct ssh_wr w;
	uint32_t n;
	bool ours = false;
	int e;

	ssh_rd_init(&r, rest.p, rest.len);
	n = ssh_rd_u32(&r);
	if (n > OIDS_MAX)
		return -SSH_E_FORMAT;
	for (uint32_t i = 0; i < n; i++) {
		struct ssh_str oid = ssh_rd_str(&r);

		ours |= oid.len == GSS_KRB5_OID_LEN && memcmp(oid.p, GSS_KRB5_OID, oid.len) == 0;
	}
	if (!ssh_rd_done(&r))
		return -SSH_E_FORMAT;
	if (!ours)
		return auth_server_refuse(b);
	e = send_begin(b, &w, 1 + 4 + GSS_KRB5_OID_LEN);
	if (e < 0)
		return e;
	ssh_wr_u8(&w, SSH_MSG_USERAUTH_GSSAPI_RESPONSE);
	ssh_wr_str(&w, (struct ssh_str){(const uint8_t *)GSS_KRB5_OID, GSS_KRB5_OID_LEN});
	a->gss_tail = rest.len;
	a->gss_step = AUTH_GSS_TOKENS;
	return send_end(b, &w);
}

static int input_token(struct ssh_brain *b, struct ssh_str token)
{
	struct auth_server *a = &b->srv;
	struct ssh_job *job;

	if (a->gss_step != AUTH_GSS_TOKENS || token.len == 0 || token.len > GSS_TOKEN_MAX)
		return auth_server_refuse(b);
	job = ssh_job_new(SSH_JOB_GSS_LOGIN, token.len);
	if (job == NULL)
		return -SSH_E_MEMORY;
	job->data = ssh_job_keep(job, token);
	job->gss_strict = b->gss_strict;
	job->gss = a->gss;
	a->gss = NULL;
	return ask_job(b, &b->auth_ask, job);
}

/*
 * Sections 3.5 and 3.6: EXCHANGE_COMPLETE is for contexts without integrity, ERRTOK the client's
 * word that it failed. Either ends the try.
 */
int auth_gss_input(struct ssh_brain *b, uint8_t msg, const uint8_t *body, size_t len)
{
	struct auth_server *a = &b->srv;
	struct ssh_str s = {0};
	struct ssh_rd r;

	ssh_rd_init(&r, body, len);
	if (msg != SSH_MSG_USERAUTH_GSSAPI_EXCHANGE_COMPLETE)
		s = ssh_rd_str(&r);
	if (!ssh_rd_done(&r))
		return -SSH_E_FORMAT;
	if (msg == SSH_MSG_USERAUTH_GSSAPI_TOKEN)
		return input_token(b, s);
	if (msg != SSH_MSG_USERAUTH_GSSAPI_MIC || a->gss_step != AUTH_GSS_MIC || s.len == 0 ||
	    s.len > GSS_MIC_MAX)
		return auth_server_refuse(b);
	return ask_mic(b, &a->gss, s, a->gss_tail);
}

static int stepped(struct ssh_brain *b, struct ssh_job *job)
{
	struct auth_server *a = &b->srv;
	struct ssh_wr w;
	int r;

	a->gss = job->gss;
	job->gss = NULL;
	if (job->err < 0 || (gss_established(a->gss) && !gss_binds(a->gss)))
		return auth_server_refuse(b);
	if (gss_established(a->gss))
		a->gss_step = AUTH_GSS_MIC;
	if (job->token_len == 0)
		return 0;
	r = send_begin(b, &w, 1 + 4 + job->token_len);
	if (r < 0)
		return r;
	ssh_wr_u8(&w, SSH_MSG_USERAUTH_GSSAPI_TOKEN);
	ssh_wr_str(&w, (struct ssh_str){job->token, (uint32_t)job->token_len});
	return send_end(b, &w);
}

int auth_gss_job_done(struct ssh_brain *b, struct ssh_job *job)
{
	struct auth_server *a = &b->srv;

	if (job->kind == SSH_JOB_GSS_LOGIN)
		return stepped(b, job);
	a->gss_step = AUTH_GSS_NONE;
	if (job->err < 0)
		return auth_server_refuse(b);
	memcpy(a->principal, job->principal, sizeof(a->principal));
	memcpy(a->local_user, job->local_user, sizeof(a->local_user));
	a->act.principal = ssh_str_c(a->principal);
	a->act.local_user = ssh_str_c(a->local_user);
	return auth_server_ask(b);
}
