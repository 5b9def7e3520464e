/*
 * ssh/auth_gss_client.c - a login by a Kerberos ticket, client role.
 *
 * Source  RFC 4462 sections 3 (gssapi-with-mic) and 4 (gssapi-keyex).
 *
 * keyex: job (MIC) -> REQUEST
 * with-mic: REQUEST; <- RESPONSE, job -> TOKEN; <- TOKEN, job -> TOKEN ...; job (MIC) -> MIC
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ssh/auth_msg.h"
#include "ssh/internal.h"
#include "ssh/trans_msg.h"

void auth_gss_client_drop(struct auth_client *a)
{
	gss_free(a->gss);
	a->gss = NULL;
	a->gss_step = AUTH_GSS_NONE;
}

/* Room for a request in front of its method's own. */
#define REQUEST_MAX (1 + 3 * 4 + SSH_USER_MAX + SSH_METHOD_MAX)

/* A MIC over the session id and the request up to the name of the method. */
static int ask_mic(struct ssh_brain *b, struct gss_ctx *ctx, const char *method)
{
	struct ssh_userauth_request m = auth_client_request(b, method);
	struct ssh_str session_id = ssh_brain_session_id(b);
	size_t n = 4 + session_id.len + REQUEST_MAX;
	struct ssh_job *job = ssh_job_new(SSH_JOB_GSS_MIC, n);
	struct ssh_wr w;

	if (job == NULL) {
		gss_free(ctx);
		return -SSH_E_MEMORY;
	}
	ssh_wr_init(&w, job->store, n);
	ssh_wr_str(&w, session_id);
	ssh_userauth_request_build(&w, &m);
	job->data = (struct ssh_str){job->store, (uint32_t)ssh_wr_done(&w)};
	job->store_used = n;
	job->gss = ctx;
	return ask_job(b, &b->auth_ask, job);
}

static int begin_with_mic(struct ssh_brain *b)
{
	struct ssh_userauth_request m = auth_client_request(b, "gssapi-with-mic");
	struct ssh_wr w;
	int r = send_begin(b, &w, REQUEST_MAX + 8 + GSS_KRB5_OID_LEN);

	if (r < 0)
		return r;
	ssh_userauth_request_build(&w, &m);
	ssh_wr_u32(&w, 1);
	ssh_wr_str(&w, (struct ssh_str){(const uint8_t *)GSS_KRB5_OID, GSS_KRB5_OID_LEN});
	b->cli.gss_step = AUTH_GSS_REQUESTED;
	return auth_client_sent(b, &w, SSH_AUTH_GSSAPI_MIC);
}

/* The context of the key exchange is used up by a try. */
static int begin_keyex(struct ssh_brain *b)
{
	struct gss_ctx *ctx = b->gss;

	b->gss = NULL;
	b->cli.gss_step = AUTH_GSS_KEYEX;
	return ask_mic(b, ctx, "gssapi-keyex");
}

int ssh_brain_login_gssapi(struct ssh_brain *b, uint32_t id, bool keyex)
{
	if (!auth_client_login_open(b, id))
		return -ENOENT;
	if (keyex ? b->gss == NULL : b->gss_server == NULL)
		return -ENOTSUP;
	b->auth_ask = (struct ask){0};
	auth_gss_client_drop(&b->cli);
	return auth_client_finish(b, keyex ? begin_keyex(b) : begin_with_mic(b));
}

static int ask_first(struct ssh_brain *b)
{
	struct ssh_job *job = ssh_job_new(SSH_JOB_GSS_OPEN, gss_names_len(b));

	if (job == NULL)
		return -SSH_E_MEMORY;
	gss_names_keep(b, job);
	return ask_job(b, &b->auth_ask, job);
}

static int ask_step(struct ssh_brain *b, struct ssh_str token)
{
	struct ssh_job *job = ssh_job_new(SSH_JOB_GSS_STEP, token.len);

	if (job == NULL)
		return -SSH_E_MEMORY;
	job->data = ssh_job_keep(job, token);
	job->gss = b->cli.gss;
	b->cli.gss = NULL;
	return ask_job(b, &b->auth_ask, job);
}

static int input_response(struct ssh_brain *b, struct ssh_str oid)
{
	if (oid.len != GSS_KRB5_OID_LEN || memcmp(oid.p, GSS_KRB5_OID, oid.len) != 0)
		return -SSH_E_PROTO;
	b->cli.gss_step = AUTH_GSS_TOKENS;
	return ask_first(b);
}

/* ERROR and ERRTOK say why a FAILURE follows; there is nobody here to tell. */
int auth_gss_client_input(struct ssh_brain *b, uint8_t msg, const uint8_t *body, size_t len)
{
	struct auth_client *a = &b->cli;
	struct ssh_str s;
	struct ssh_rd r;

	if (a->gss_step == AUTH_GSS_NONE || !a->sent)
		return -SSH_E_PROTO;
	if (msg == SSH_MSG_USERAUTH_GSSAPI_ERROR || msg == SSH_MSG_USERAUTH_GSSAPI_ERRTOK)
		return 0;
	ssh_rd_init(&r, body, len);
	s = ssh_rd_str(&r);
	if (!ssh_rd_done(&r))
		return -SSH_E_FORMAT;
	if (msg == SSH_MSG_USERAUTH_GSSAPI_RESPONSE && a->gss_step == AUTH_GSS_REQUESTED)
		return input_response(b, s);
	if (msg != SSH_MSG_USERAUTH_GSSAPI_TOKEN || a->gss_step != AUTH_GSS_TOKENS || s.len == 0 ||
	    s.len > GSS_TOKEN_MAX || gss_established(a->gss))
		return -SSH_E_PROTO;
	return ask_step(b, s);
}

static int send_string(struct ssh_brain *b, uint8_t msg, const uint8_t *p, size_t len)
{
	struct ssh_wr w;
	int r = send_begin(b, &w, 1 + 4 + len);

	if (r < 0)
		return r;
	ssh_wr_u8(&w, msg);
	ssh_wr_str(&w, (struct ssh_str){p, (uint32_t)len});
	return send_end(b, &w);
}

/*
 * Without a ticket, or with a server that is not who it says, this method is over. The server is
 * not told: it has no answer to ERRTOK (section 3.8), and the next request ends the try there.
 */
static int failed(struct ssh_brain *b)
{
	auth_gss_client_drop(&b->cli);
	b->cli.sent = false;
	return auth_client_ask(b);
}

static int stepped(struct ssh_brain *b, struct ssh_job *job)
{
	struct auth_client *a = &b->cli;
	struct gss_ctx *ctx;
	int r = 0;

	a->gss = job->gss;
	job->gss = NULL;
	if (job->token_len > 0)
		r = send_string(b, SSH_MSG_USERAUTH_GSSAPI_TOKEN, job->token, job->token_len);
	if (r < 0 || !gss_established(a->gss))
		return r;
	if (!gss_binds(a->gss))
		return failed(b);
	ctx = a->gss;
	a->gss = NULL;
	a->gss_step = AUTH_GSS_MIC;
	return ask_mic(b, ctx, "gssapi-with-mic");
}

static int send_keyex(struct ssh_brain *b, const struct ssh_job *job)
{
	struct ssh_userauth_request m = auth_client_request(b, "gssapi-keyex");
	struct ssh_wr w;
	int r = send_begin(b, &w, REQUEST_MAX + 4 + job->mic_len);

	if (r < 0)
		return r;
	ssh_userauth_request_build(&w, &m);
	ssh_wr_str(&w, (struct ssh_str){job->mic, (uint32_t)job->mic_len});
	b->cli.gss_step = AUTH_GSS_NONE;
	return auth_client_sent(b, &w, SSH_AUTH_GSSAPI_KEYEX);
}

int auth_gss_client_job_done(struct ssh_brain *b, struct ssh_job *job)
{
	if (job->err < 0)
		return failed(b);
	if (job->kind != SSH_JOB_GSS_MIC)
		return stepped(b, job);
	if (b->cli.gss_step == AUTH_GSS_KEYEX)
		return send_keyex(b, job);
	return send_string(b, SSH_MSG_USERAUTH_GSSAPI_MIC, job->mic, job->mic_len);
}
