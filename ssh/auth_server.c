/*
 * ssh/auth_server.c - user authentication, server role.
 *
 * Source  RFC 4252, RFC 4256 (auth_kbdint.c), RFC 4462 (auth_gss.c), RFC 8332, OpenSSH's counting
 * of tries.
 *
 * request -> [signature: job] -> authority asked -> SUCCESS, FAILURE, with or without partial
 * success, or what the method says in between, after which it is asked again. The signature
 * is verified here and first: no answer of the authority stands in for it (S-25). Who the
 * user is does not matter to this file, so it cannot treat those who exist differently
 * (S-32).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/secret.h"
#include "ssh/auth_msg.h"
#include "ssh/ident.h"
#include "ssh/internal.h"
#include "ssh/trans_msg.h"

static const struct {
	const char *name;
	enum ssh_auth_method method;
} methods[] = {
	/* In the order FAILURE lists them; none is never listed (RFC 4252 section 5.2). */
	{"publickey", SSH_AUTH_PUBLICKEY},
	{"password", SSH_AUTH_PASSWORD},
	{"keyboard-interactive", SSH_AUTH_KBDINT},
	{"hostbased", SSH_AUTH_HOSTBASED},
	{"gssapi-keyex", SSH_AUTH_GSSAPI_KEYEX},
	{"gssapi-with-mic", SSH_AUTH_GSSAPI_MIC},
	{"none", SSH_AUTH_NONE},
};
#define N_METHODS (sizeof(methods) / sizeof(methods[0]))

unsigned int ssh_auth_method_find(struct ssh_str name)
{
	for (size_t i = 0; i < N_METHODS; i++)
		if (ssh_str_eq(name, methods[i].name))
			return methods[i].method;
	return 0;
}

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

/* OpenSSH PROTOCOL 1.11: the list of the user, who was not known when the first was sent. */
int ssh_brain_user_sig_algs(struct ssh_brain *b, const char *list)
{
	bool changed = strcmp(list, b->lists.sig_algs) != 0;
	char *copy = NULL;
	int r;

	if (!brain_is_server(b) || b->phase.svc != SSH_SVC_AUTH)
		return -EINVAL;
	r = changed ? brain_sig_algs_copy(&copy, list) : 0;
	if (r < 0) {
		free(copy);
		return r;
	}
	free(b->lists.sig_algs_any);
	b->lists.sig_algs_any = NULL;
	if (!changed)
		return 0;
	free(b->lists.sig_algs);
	b->lists.sig_algs = copy;
	if (!b->info_in_auth)
		return 0;
	b->info_in_auth = false; /* "sent" at most once */
	r = kex_send_ext_info(b);
	return r == -SSH_E_MEMORY ? -ENOMEM : r;
}

/* The request that was decided leaves nothing behind. */
static void request_drop(struct auth_server *a)
{
	secret_free(a->request, a->request_len);
	a->request = NULL;
	a->request_len = 0;
	auth_kbdint_drop(a);
	auth_gss_drop(a);
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

/*
 * Only ssh-userauth can be asked for, and by most clients once: the phase table sees to that
 * (S-15).
 */
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
	b->phase.again = false;
	return send_end(b, &w);
}

/* Ends of a try --------------------------------------------------------------------- */

/*
 * A copy of the auth of the current request, without what is secret; the request gives up its key
 * to the action.
 */
static int push_auth(struct ssh_brain *b, enum ssh_act_kind kind)
{
	struct auth_server *a = &b->srv;
	const struct ssh_act_auth *of = &a->act;
	struct ssh_act *act;
	size_t used = 0;

	act = act_push(b, kind,
		       of->user.len + of->service.len + of->method_name.len + of->client_host.len +
			       of->client_user.len);
	if (act == NULL)
		return -SSH_E_MEMORY;
	act->auth = (struct ssh_act_auth){
		.method = of->method,
		.sig_alg = of->sig_alg,
		.query = of->query,
		.bad_signature = of->bad_signature,
		.change = of->change,
		.round = of->round,
		.user = act_keep(act, &used, of->user),
		.service = act_keep(act, &used, of->service),
		.method_name = act_keep(act, &used, of->method_name),
		.password = {(const uint8_t *)"", 0},
		.client_host = act_keep(act, &used, of->client_host),
		.client_user = act_keep(act, &used, of->client_user),
		.tries = a->tries,
	};
	act->auth.key = act_node_of(act)->key = a->key;
	a->key = NULL;
	return 0;
}

static int send_failure(struct ssh_brain *b, bool partial)
{
	struct ssh_wr w;
	int r = send_begin(b, &w, sizeof(b->srv.methods) + 8);

	if (r < 0)
		return r;
	ssh_userauth_failure_build(&w, b->srv.methods, partial);
	b->phase.again =
		ssh_ident_asks_again((const uint8_t *)b->peer_ident, strlen(b->peer_ident));
	return send_end(b, &w);
}

/*
 * Every failed try counts but a first `none`, by which a client asks for the list (S-29).
 * The last one is answered with the end of the connection.
 */
int auth_server_refuse(struct ssh_brain *b)
{
	struct auth_server *a = &b->srv;
	int r;

	if (a->requests > 1 || !ssh_str_eq(a->act.method_name, "none"))
		a->tries++;
	r = push_auth(b, SSH_ACT_AUTH_FAILED);
	request_drop(a);
	if (r < 0)
		return r;
	if (a->tries >= b->max_auth_tries)
		return -SSH_E_AUTH_TRIES;
	return send_failure(b, false);
}

/* RFC 4252 section 5.1: no failure that counts; what can continue is another list now. */
static int continue_with(struct ssh_brain *b, unsigned int more)
{
	int r;

	b->auth_methods = more | SSH_AUTH_NONE; /* none asks for the list, and is refused */
	methods_list(b);
	r = push_auth(b, SSH_ACT_AUTH_PARTIAL);
	request_drop(&b->srv);
	promise_drop(&b->srv);
	return r < 0 ? r : send_failure(b, true);
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
	int r;

	m.sig_alg = ssh_str_c(a->act.sig_alg);
	m.blob = ssh_str_key(a->key);
	r = send_begin(b, &w, 1 + 4 + m.sig_alg.len + 4 + m.blob.len);
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

int auth_server_ask(struct ssh_brain *b)
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

/*
 * S-31: a change is taken only as the answer to our asking for it, once, and is never tried as a
 * login with the old password: the authority is told that it is a change.
 */
static int input_password(struct ssh_brain *b, struct ssh_str rest)
{
	struct auth_server *a = &b->srv;
	struct ssh_userauth_password m;
	bool asked = a->change_asked;
	int r;

	a->change_asked = false;
	r = ssh_userauth_password_parse(rest, &m);
	if (r < 0)
		return r;
	if (m.change && !asked)
		return auth_server_refuse(b);
	a->act.password = m.password;
	a->act.new_password = m.new_password;
	a->act.change = m.change;
	return auth_server_ask(b);
}

static int ask_for_change(struct ssh_brain *b, struct ssh_str text)
{
	struct ssh_wr w;
	int r;

	request_drop(&b->srv);
	r = send_begin(b, &w, 1 + 4 + (size_t)text.len + 4);
	if (r < 0)
		return r;
	ssh_userauth_changereq_build(&w, text);
	b->srv.change_asked = true;
	return send_end(b, &w);
}

/* The table's own spelling of an accepted signature algorithm, or NULL. */
static const char *accepted_alg(const struct ssh_brain *b, struct ssh_str alg)
{
	const char *list = b->lists.sig_algs_any, *name;

	if (b->srv.act.method == SSH_AUTH_HOSTBASED)
		list = b->lists.hostbased_algs;
	if (list == NULL)
		list = b->lists.sig_algs;
	for (unsigned int i = 0; (name = key_sig_alg_at(i)) != NULL; i++)
		if (ssh_str_eq(alg, name))
			return ssh_names_have(ssh_str_c(list), name) ? name : NULL;
	return NULL;
}

/*
 * Over the session id and the request's own bytes up to the signature (RFC 4252 sections 7 and 9).
 */
static int verify(struct ssh_brain *b, struct ssh_str signature)
{
	struct auth_server *a = &b->srv;
	struct ssh_str session_id = ssh_brain_session_id(b);
	struct ssh_str signed_part = {a->request, (uint32_t)a->request_len - 4 - signature.len};
	size_t n = 4 + session_id.len + signed_part.len;
	struct ssh_job *job;
	struct ssh_wr w;

	job = ssh_job_new(SSH_JOB_VERIFY, n + signature.len);
	if (job == NULL)
		return -SSH_E_MEMORY;
	ssh_wr_init(&w, job->store, n);
	ssh_userauth_signed_build(&w, session_id, signed_part);
	job->data = (struct ssh_str){job->store, (uint32_t)ssh_wr_done(&w)};
	job->store_used = n;
	job->signature = ssh_job_keep(job, signature);
	job->sig_alg = a->act.sig_alg;
	job->key = a->key; /* comes back with the job */
	a->key = NULL;
	return ask_job(b, &b->auth_ask, job);
}

/* The key and algorithm of a request into it. False: not ones that could do. */
static bool take_key(struct ssh_brain *b, struct ssh_str sig_alg, struct ssh_str blob)
{
	struct auth_server *a = &b->srv;

	a->act.sig_alg = accepted_alg(b, sig_alg);
	return a->act.sig_alg != NULL && blob.len <= KEY_BLOB_MAX &&
	       key_blob_parse_for(a->act.sig_alg, blob.p, blob.len, &a->key) == 0 &&
	       key_sig_alg_fits(a->key, a->act.sig_alg); /* S-34 */
}

/* The request of either method; without a host key it is the plain one. */
static int publickey_parse(struct ssh_str method, struct ssh_str rest,
			   struct ssh_userauth_publickey *ret)
{
	if (ssh_str_eq(method, SSH_METHOD_HOSTBOUND))
		return ssh_userauth_hostbound_parse(rest, ret);
	return ssh_userauth_publickey_parse(rest, ret);
}

/*
 * PROTOCOL, publickey-hostbound: the signature names the host key of the first exchange, so
 * that an agent knows where it leads; one made for another host is none for this one.
 */
static bool bound_to_us(const struct ssh_brain *b, const struct ssh_userauth_publickey *m)
{
	const uint8_t *blob;
	size_t len;

	if (m->host_key.p == NULL)
		return true;
	if (b->first_host == NULL)
		return false;
	blob = key_blob(b->first_host, &len);
	return m->host_key.len == len && memcmp(m->host_key.p, blob, len) == 0;
}

static int input_publickey(struct ssh_brain *b, struct ssh_str rest)
{
	struct auth_server *a = &b->srv;
	struct ssh_userauth_publickey m;
	int r;

	r = publickey_parse(a->act.method_name, rest, &m);
	if (r < 0)
		return r;
	a->act.method_name = ssh_str_c("publickey");
	a->act.query = !m.has_signature;
	if (m.signature.len > KEY_SIG_MAX || !take_key(b, m.sig_alg, m.blob) || !bound_to_us(b, &m))
		return auth_server_refuse(b);
	return a->act.query ? auth_server_ask(b) : verify(b, m.signature);
}

/* The key is the client host's. */
static int input_hostbased(struct ssh_brain *b, struct ssh_str rest)
{
	struct auth_server *a = &b->srv;
	struct ssh_userauth_hostbased m;
	int r;

	r = ssh_userauth_hostbased_parse(rest, &m);
	if (r < 0)
		return r;
	if (m.client_host.len > SSH_HOST_MAX || m.client_user.len > SSH_USER_MAX ||
	    m.signature.len > KEY_SIG_MAX || !take_key(b, m.sig_alg, m.blob))
		return auth_server_refuse(b);
	a->act.client_host = m.client_host;
	a->act.client_user = m.client_user;
	return verify(b, m.signature);
}

/* The job's key is the identity: nothing else was signed with (S-23). */
int auth_server_job_done(struct ssh_brain *b, struct ssh_job *job)
{
	struct auth_server *a = &b->srv;

	if (job->kind != SSH_JOB_VERIFY)
		return auth_gss_job_done(b, job);
	a->key = job->key;
	job->key = NULL;
	a->act.presence = job->presence;
	a->act.bad_signature = job->err != 0;
	return job->err == 0 ? auth_server_ask(b) : auth_server_refuse(b);
}

int auth_server_decide(struct ssh_brain *b, const struct ssh_auth_decision *d)
{
	const struct ssh_act_auth *a = &b->srv.act;

	switch (d->verdict) {
	case SSH_AUTH_ACCEPT:
		return a->query ? promise(b) : succeed(b);
	case SSH_AUTH_PARTIAL:
		return a->query ? promise(b) : continue_with(b, d->methods);
	case SSH_AUTH_PROMPT:
		if (a->method == SSH_AUTH_KBDINT && d->prompts != NULL)
			return auth_kbdint_prompt(b, d->prompts);
		break;
	case SSH_AUTH_CHANGE:
		if (a->method == SSH_AUTH_PASSWORD && !a->change)
			return ask_for_change(b, d->text);
		break;
	case SSH_AUTH_REFUSE:
		break;
	}
	return auth_server_refuse(b);
}

int ssh_brain_auth_banner(struct ssh_brain *b, const char *text, size_t len)
{
	struct ssh_str s = {(const uint8_t *)text, (uint32_t)len};
	struct ssh_wr w;
	int r;

	if (!brain_is_server(b) || b->auth_ask.kind != SSH_ACT_AUTH || b->srv.banner_sent ||
	    len > SSH_BANNER_MAX)
		return -EINVAL;
	r = send_begin(b, &w, 1 + 4 + len + 4);
	if (r < 0)
		return r;
	ssh_userauth_banner_build(&w, s);
	b->srv.banner_sent = true;
	return send_end(b, &w);
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

static bool is_publickey(struct ssh_str method)
{
	return ssh_str_eq(method, "publickey") || ssh_str_eq(method, SSH_METHOD_HOSTBOUND);
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
	if (is_publickey(m->method) && publickey_parse(m->method, m->rest, &pk) == 0) {
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
	if (is_publickey(name))
		return b->auth_methods & SSH_AUTH_PUBLICKEY;
	return b->auth_methods & ssh_auth_method_find(name);
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
		return auth_server_refuse(b);
	switch (a->act.method) {
	case SSH_AUTH_NONE:
		return auth_server_ask(b);
	case SSH_AUTH_PASSWORD:
		return input_password(b, m->rest);
	case SSH_AUTH_PUBLICKEY:
		return input_publickey(b, m->rest);
	case SSH_AUTH_KBDINT:
		return auth_kbdint_begin(b, m->rest);
	case SSH_AUTH_HOSTBASED:
		return input_hostbased(b, m->rest);
	case SSH_AUTH_GSSAPI_KEYEX:
		return auth_gss_keyex(b, m->rest);
	case SSH_AUTH_GSSAPI_MIC:
		return auth_gss_begin(b, m->rest);
	default:
		return auth_server_refuse(b);
	}
}

/*
 * RFC 4256 section 3.1: questions that are answered by another request are given up; so are tokens.
 * That was a try (S-29), of which whoever asked is told.
 */
static int give_up_prompts(struct ssh_brain *b)
{
	struct auth_server *a = &b->srv;
	int r;

	if (!a->prompted && a->gss_step == AUTH_GSS_NONE)
		return 0;
	a->tries++;
	r = push_auth(b, SSH_ACT_AUTH_FAILED);
	request_drop(a);
	if (r < 0)
		return r;
	return a->tries >= b->max_auth_tries ? -SSH_E_AUTH_TRIES : 0;
}

int auth_server_more(struct ssh_brain *b, const uint8_t *p, size_t len)
{
	if (b->srv.gss_step != AUTH_GSS_NONE)
		return auth_gss_input(b, p[0], p + 1, len - 1);
	return p[0] == SSH_MSG_USERAUTH_INFO_RESPONSE ? auth_kbdint_response(b, p, len)
						      : -SSH_E_PROTO;
}

int auth_server_input(struct ssh_brain *b, const uint8_t *p, size_t len)
{
	struct auth_server *a = &b->srv;
	struct ssh_userauth_request m;
	int r;

	b->phase.again = false;
	r = give_up_prompts(b);
	if (r == 0)
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
