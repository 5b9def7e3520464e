/*
 * ssh/auth_server.c - user authentication, server role.
 *
 * Source  RFC 4252, RFC 8332, OpenSSH's counting of tries.
 *
 * request -> [signature: job] -> authority asked -> SUCCESS, PK_OK or FAILURE. The signature
 * is verified here and first: no answer of the authority stands in for it (S-25). Who the
 * user is does not matter to this file, so it cannot treat those who exist differently
 * (S-32).
 */
#include <stdlib.h>
#include <string.h>

#include "crypto/secret.h"
#include "ssh/auth_msg.h"
#include "ssh/internal.h"
#include "ssh/trans_msg.h"

static const struct {
	const char *name;
	enum ssh_auth_method method;
} methods[] = {
	/* In the order FAILURE lists them; none is never listed (RFC 4252 section 5.2). */
	{"publickey", SSH_AUTH_PUBLICKEY},
	{"password", SSH_AUTH_PASSWORD},
	{"none", SSH_AUTH_NONE},
};
#define N_METHODS (sizeof(methods) / sizeof(methods[0]))

static void methods_list(struct ssh_brain *b)
{
	struct auth_server *a = &b->srv;

	a->methods[0] = '\0';
	for (size_t i = 0; i < N_METHODS; i++) {
		if (!(b->auth_methods & methods[i].method) || methods[i].method == SSH_AUTH_NONE)
			continue;
		if (a->methods[0] != '\0')
			strcat(a->methods, ",");
		strcat(a->methods, methods[i].name);
	}
}

int auth_server_init(struct ssh_brain *b)
{
	methods_list(b);
	return 0;
}

void ssh_brain_user_rules(struct ssh_brain *b, unsigned int auth_methods,
			  unsigned int max_auth_tries, const struct ssh_rekey_limit *rekey)
{
	b->auth_methods = auth_methods;
	b->max_auth_tries = max_auth_tries;
	b->rekey = *rekey;
	methods_list(b);
}

/* The request that was decided leaves nothing behind. */
static void request_drop(struct auth_server *a)
{
	secret_free(a->request, a->request_len);
	a->request = NULL;
	a->request_len = 0;
	key_free(a->key);
	a->key = NULL;
	memset(&a->act, 0, sizeof(a->act));
}

static void promise_drop(struct auth_server *a)
{
	key_free(a->promised);
	a->promised = NULL;
}

void auth_server_fini(struct ssh_brain *b)
{
	request_drop(&b->srv);
	promise_drop(&b->srv);
}

/* Only ssh-userauth can be asked for, and once: the phase table sees to that (S-15). */
int auth_server_service(struct ssh_brain *b, const uint8_t *p, size_t len)
{
	struct ssh_str name;
	struct ssh_rd r;
	struct ssh_wr w;
	int e;

	ssh_rd_init(&r, p + 1, len - 1);
	e = ssh_service_parse(&r, &name);
	if (e < 0)
		return e;
	if (!ssh_str_eq(name, SSH_SERVICE_USERAUTH))
		return -SSH_E_SERVICE;
	e = send_begin(b, &w, 64);
	if (e < 0)
		return e;
	ssh_service_build(&w, SSH_MSG_SERVICE_ACCEPT, SSH_SERVICE_USERAUTH);
	b->phase.svc = SSH_SVC_AUTH;
	return send_end(b, &w);
}

/* Ends of a try --------------------------------------------------------------------- */

/* A copy of the auth of the current request, which gives up its key to the action. */
static int push_auth(struct ssh_brain *b, enum ssh_act_kind kind)
{
	struct auth_server *a = &b->srv;
	struct ssh_act *act;
	size_t used = 0;

	act = act_push(b, kind, a->act.user.len + a->act.service.len + a->act.method_name.len);
	if (act == NULL)
		return -SSH_E_MEMORY;
	act->auth = a->act;
	act->auth.user = act_keep(act, &used, a->act.user);
	act->auth.service = act_keep(act, &used, a->act.service);
	act->auth.method_name = act_keep(act, &used, a->act.method_name);
	act->auth.password = (struct ssh_str){(const uint8_t *)"", 0};
	act->auth.tries = a->tries;
	act->auth.key = act_node_of(act)->key = a->key;
	a->key = NULL;
	return 0;
}

/*
 * Every failed try counts but a first `none`, by which a client asks for the list (S-29).
 * The last one is answered with the end of the connection.
 */
static int refuse(struct ssh_brain *b)
{
	struct auth_server *a = &b->srv;
	struct ssh_wr w;
	int r;

	if (a->requests > 1 || !ssh_str_eq(a->act.method_name, "none"))
		a->tries++;
	r = push_auth(b, SSH_ACT_AUTH_FAILED);
	request_drop(a);
	if (r < 0)
		return r;
	if (a->tries >= b->max_auth_tries)
		return -SSH_E_AUTH_TRIES;
	r = send_begin(b, &w, sizeof(a->methods) + 8);
	if (r < 0)
		return r;
	ssh_userauth_failure_build(&w, a->methods, false);
	return send_end(b, &w);
}

static int succeed(struct ssh_brain *b)
{
	struct ssh_wr w;
	int r;

	r = send_begin(b, &w, 1);
	if (r < 0)
		return r;
	ssh_wr_u8(&w, SSH_MSG_USERAUTH_SUCCESS);
	r = send_end(b, &w);
	if (r == 0)
		r = push_auth(b, SSH_ACT_AUTHENTICATED);
	request_drop(&b->srv);
	promise_drop(&b->srv);
	return r < 0 ? r : brain_authenticated(b);
}

/* PK_OK promises nothing but that a signature by this key is worth making. */
static int promise(struct ssh_brain *b)
{
	struct auth_server *a = &b->srv;
	struct ssh_userauth_pk_ok m;
	struct ssh_wr w;
	size_t blob_len;
	int r;

	m.sig_alg = ssh_str_c(a->act.sig_alg);
	m.blob.p = key_blob(a->key, &blob_len);
	m.blob.len = (uint32_t)blob_len;
	r = send_begin(b, &w, 1 + 4 + m.sig_alg.len + 4 + blob_len);
	if (r < 0)
		return r;
	ssh_userauth_pk_ok_build(&w, &m);
	r = send_end(b, &w);
	a->promised = a->key;
	a->key = NULL;
	request_drop(a);
	return r;
}

/* Methods --------------------------------------------------------------------------- */

static int ask_authority(struct ssh_brain *b)
{
	struct auth_server *a = &b->srv;
	struct ssh_act *act = act_push(b, SSH_ACT_AUTH, 0);

	if (act == NULL)
		return -SSH_E_MEMORY;
	a->act.tries = a->tries;
	a->act.key = a->key;
	act->auth = a->act;
	ask_open(b, &b->auth_ask, act);
	return 0;
}

/* S-31: a request to change the password is refused, and never tried as a login. */
static int input_password(struct ssh_brain *b, struct ssh_str rest)
{
	struct ssh_userauth_password m;
	int r;

	r = ssh_userauth_password_parse(rest, &m);
	if (r < 0)
		return r;
	if (m.change)
		return refuse(b);
	b->srv.act.password = m.password;
	return ask_authority(b);
}

/* The table's own spelling of an accepted signature algorithm, or NULL. */
static const char *accepted_alg(const struct ssh_brain *b, struct ssh_str alg)
{
	const char *name;

	for (unsigned int i = 0; (name = key_sig_alg_at(i)) != NULL; i++)
		if (ssh_str_eq(alg, name))
			return ssh_names_have(ssh_str_c(b->lists.sig_algs), name) ? name : NULL;
	return NULL;
}

/* Over the session id and the request's own bytes up to the signature (RFC 4252 section 7). */
static int verify(struct ssh_brain *b, const struct ssh_userauth_publickey *m)
{
	struct auth_server *a = &b->srv;
	struct ssh_str session_id = ssh_brain_session_id(b);
	struct ssh_str signed_part = {a->request, (uint32_t)a->request_len - 4 - m->signature.len};
	size_t n = 4 + session_id.len + signed_part.len;
	struct ssh_job *job;
	struct ssh_wr w;

	job = ssh_job_new(SSH_JOB_VERIFY, n + m->signature.len);
	if (job == NULL)
		return -SSH_E_MEMORY;
	ssh_wr_init(&w, job->store, n);
	ssh_userauth_signed_build(&w, session_id, signed_part);
	job->data = (struct ssh_str){job->store, (uint32_t)ssh_wr_done(&w)};
	job->store_used = n;
	job->signature = ssh_job_keep(job, m->signature);
	job->sig_alg = a->act.sig_alg;
	job->key = a->key; /* comes back with the job */
	a->key = NULL;
	return ask_job(b, &b->auth_ask, job);
}

static int input_publickey(struct ssh_brain *b, struct ssh_str rest)
{
	struct auth_server *a = &b->srv;
	struct ssh_userauth_publickey m;
	int r;

	r = ssh_userauth_publickey_parse(rest, &m);
	if (r < 0)
		return r;
	a->act.query = !m.has_signature;
	a->act.sig_alg = accepted_alg(b, m.sig_alg);
	if (a->act.sig_alg == NULL || m.blob.len > KEY_BLOB_MAX || m.signature.len > KEY_SIG_MAX ||
	    key_blob_parse(m.blob.p, m.blob.len, &a->key) < 0)
		return refuse(b);
	if (!key_sig_alg_fits(a->key, a->act.sig_alg)) /* S-34 */
		return refuse(b);
	return a->act.query ? ask_authority(b) : verify(b, &m);
}

/* The job's key is the identity: nothing else was signed with (S-23). */
int auth_server_job_done(struct ssh_brain *b, struct ssh_job *job)
{
	struct auth_server *a = &b->srv;

	a->key = job->key;
	job->key = NULL;
	return job->err == 0 ? ask_authority(b) : refuse(b);
}

int auth_server_answer(struct ssh_brain *b, bool accept)
{
	if (!accept)
		return refuse(b);
	return b->srv.act.query ? promise(b) : succeed(b);
}

/* Requests -------------------------------------------------------------------------- */

/*
 * S-27: a client that changes its mind about who it is starts over, by a new connection
 * (RFC 4252 section 5 lets a server disconnect).
 */
static int check_who(struct auth_server *a, const struct ssh_userauth_request *m)
{
	if (!ssh_str_eq(m->service, SSH_SERVICE_CONNECTION))
		return a->have_user ? -SSH_E_AUTH_CHANGED : -SSH_E_SERVICE;
	if (m->user.len > SSH_USER_MAX)
		return -SSH_E_FORMAT;
	if (a->have_user)
		return m->user.len == a->user_len && memcmp(m->user.p, a->user, a->user_len) == 0
			       ? 0
			       : -SSH_E_AUTH_CHANGED;
	memcpy(a->user, m->user.p, m->user.len);
	a->user_len = m->user.len;
	a->have_user = true;
	return 0;
}

/* No account has such a name, whatever accounts there are: it is not asked about. */
static bool user_plain(struct ssh_str user)
{
	for (uint32_t i = 0; i < user.len; i++)
		if (user.p[i] < ' ' || user.p[i] == 0x7f)
			return false;
	return user.len != 0;
}

/*
 * A query that was answered with PK_OK and is not followed by that key's signature was a
 * try that was abandoned, and counts (S-29): else keys could be asked about for ever.
 */
static int settle_promise(struct ssh_brain *b, const struct ssh_userauth_request *m)
{
	struct auth_server *a = &b->srv;
	struct ssh_userauth_publickey pk;
	const uint8_t *blob;
	size_t len;
	bool kept = false;

	if (a->promised == NULL)
		return 0;
	if (ssh_str_eq(m->method, "publickey") && ssh_userauth_publickey_parse(m->rest, &pk) == 0) {
		blob = key_blob(a->promised, &len);
		kept = pk.has_signature && pk.blob.len == len && memcmp(pk.blob.p, blob, len) == 0;
	}
	promise_drop(a);
	if (!kept)
		a->tries++;
	return a->tries >= b->max_auth_tries ? -SSH_E_AUTH_TRIES : 0;
}

static enum ssh_auth_method method_of(const struct ssh_brain *b, struct ssh_str name)
{
	for (size_t i = 0; i < N_METHODS; i++)
		if (ssh_str_eq(name, methods[i].name))
			return b->auth_methods & methods[i].method;
	return 0;
}

/* A copy of our own, in which the views of the request stand. */
static int request_keep(struct auth_server *a, const uint8_t *p, size_t len,
			struct ssh_userauth_request *ret)
{
	struct ssh_rd r;

	a->request = secret_new(len);
	if (a->request == NULL)
		return -SSH_E_MEMORY;
	a->request_len = len;
	memcpy(a->request, p, len);
	ssh_rd_init(&r, a->request + 1, len - 1);
	return ssh_userauth_request_parse(&r, ret);
}

static int decide(struct ssh_brain *b, const struct ssh_userauth_request *m)
{
	struct auth_server *a = &b->srv;

	a->act.user = m->user;
	a->act.service = m->service;
	a->act.method_name = m->method;
	if (m->method.len > SSH_METHOD_MAX)
		a->act.method_name.len = SSH_METHOD_MAX;
	a->act.method = method_of(b, m->method);
	if (!user_plain(m->user))
		return refuse(b);
	switch (a->act.method) {
	case SSH_AUTH_NONE:
		return ask_authority(b);
	case SSH_AUTH_PASSWORD:
		return input_password(b, m->rest);
	case SSH_AUTH_PUBLICKEY:
		return input_publickey(b, m->rest);
	default:
		return refuse(b);
	}
}

int auth_server_input(struct ssh_brain *b, const uint8_t *p, size_t len)
{
	struct auth_server *a = &b->srv;
	struct ssh_userauth_request m;
	int r;

	r = request_keep(a, p, len, &m);
	if (r == 0)
		r = check_who(a, &m);
	if (r == 0)
		r = settle_promise(b, &m);
	if (r < 0) {
		request_drop(a);
		return r;
	}
	if (a->requests < UINT32_MAX)
		a->requests++;
	return decide(b, &m);
}
