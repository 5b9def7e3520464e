/*
 * ssh/auth_client.c - user authentication, client role.
 *
 * Source  RFC 4252, RFC 4256 (auth_kbdint.c), RFC 8308, RFC 8332.
 *
 * One request at a time: what the server says is believed only as the answer to one (S-04).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/passwd.h"
#include "crypto/secret.h"
#include "ssh/auth_msg.h"
#include "ssh/internal.h"
#include "ssh/trans_msg.h"

#define BANNER_MAX 8192 /* of a banner handed up: longer is cut */

int auth_client_init(struct ssh_brain *b, const char *user)
{
	if (user == NULL || strlen(user) > SSH_USER_MAX)
		return -EINVAL;
	strcpy(b->cli.user, user);
	return 0;
}

static void signing_drop(struct auth_client *a)
{
	free(a->signing);
	a->signing = NULL;
	a->key = NULL;
}

void auth_client_fini(struct ssh_brain *b)
{
	signing_drop(&b->cli);
	auth_gss_client_drop(&b->cli);
	free(b->cli.server_sig_algs);
	free(b->cli.info);
}

int auth_client_begin(struct ssh_brain *b)
{
	struct ssh_wr w;
	int r = send_begin(b, &w, 64);

	if (r < 0)
		return r;
	ssh_service_build(&w, SSH_MSG_SERVICE_REQUEST, SSH_SERVICE_USERAUTH);
	b->cli.service_asked = true;
	return send_end(b, &w);
}

int auth_client_ext_info(struct ssh_brain *b, struct ssh_str server_sig_algs)
{
	struct auth_client *a = &b->cli;

	if (server_sig_algs.len > 0 && memchr(server_sig_algs.p, '\0', server_sig_algs.len) != NULL)
		return -SSH_E_FORMAT;
	free(a->server_sig_algs);
	a->server_sig_algs = strndup((const char *)server_sig_algs.p, server_sig_algs.len);
	return a->server_sig_algs != NULL ? 0 : -SSH_E_MEMORY;
}

int auth_client_ask(struct ssh_brain *b)
{
	struct ssh_act *act = act_push(b, SSH_ACT_LOGIN, 0);

	if (act == NULL)
		return -SSH_E_MEMORY;
	ask_open(b, &b->auth_ask, act);
	return 0;
}

/* What the server says -------------------------------------------------------------- */

static int input_accept(struct ssh_brain *b, struct ssh_rd *r)
{
	struct ssh_str name;
	int e = ssh_service_parse(r, &name);

	if (e < 0)
		return e;
	if (!b->cli.service_asked)
		return -SSH_E_PROTO;
	if (!ssh_str_eq(name, SSH_SERVICE_USERAUTH))
		return -SSH_E_SERVICE;
	b->phase.svc = SSH_SVC_AUTH;
	return auth_client_ask(b);
}

static int input_failure(struct ssh_brain *b, struct ssh_rd *r)
{
	struct auth_client *a = &b->cli;
	struct ssh_userauth_failure m;
	int e = ssh_userauth_failure_parse(r, &m);

	if (e < 0)
		return e;
	if (!a->sent)
		return -SSH_E_PROTO;
	if (m.methods.len >= sizeof(a->methods) || memchr(m.methods.p, '\0', m.methods.len) != NULL)
		return -SSH_E_FORMAT;
	a->sent = false;
	auth_gss_client_drop(a);
	a->partial = m.partial_success;
	memcpy(a->methods, m.methods.p, m.methods.len);
	a->methods[m.methods.len] = '\0';
	return auth_client_ask(b);
}

static int input_success(struct ssh_brain *b, struct ssh_rd *r)
{
	struct auth_client *a = &b->cli;

	if (!ssh_rd_done(r))
		return -SSH_E_FORMAT;
	if (!a->sent)
		return -SSH_E_PROTO;
	a->sent = false;
	if (act_push(b, SSH_ACT_AUTHENTICATED, 0) == NULL)
		return -SSH_E_MEMORY;
	return brain_authenticated(b);
}

static int input_banner(struct ssh_brain *b, struct ssh_rd *r)
{
	struct ssh_str text;
	int e = ssh_userauth_banner_parse(r, &text);

	if (e < 0)
		return e;
	if (text.len > BANNER_MAX)
		text.len = BANNER_MAX;
	return act_push_bytes(b, SSH_ACT_BANNER, text) != NULL ? 0 : -SSH_E_MEMORY;
}

/* RFC 4252 section 8: the password was right, and is to be changed; or another method chosen. */
static int input_changereq(struct ssh_brain *b, struct ssh_rd *r)
{
	struct ssh_act *act;
	struct ssh_str text;
	int e = ssh_userauth_changereq_parse(r, &text);

	if (e < 0)
		return e;
	if (text.len > BANNER_MAX)
		text.len = BANNER_MAX;
	act = act_push_bytes(b, SSH_ACT_LOGIN, text);
	if (act == NULL)
		return -SSH_E_MEMORY;
	ask_open(b, &b->auth_ask, act);
	b->cli.sent = false;
	b->cli.change_wanted = true;
	return 0;
}

/* 60 means something else after each method; after a query it would be PK_OK, but we never ask. */
static int input_60(struct ssh_brain *b, const uint8_t *p, size_t len, struct ssh_rd *r)
{
	struct auth_client *a = &b->cli;

	if (a->sent && a->method == SSH_AUTH_PASSWORD)
		return input_changereq(b, r);
	if (a->sent && a->method == SSH_AUTH_KBDINT)
		return auth_kbdint_request(b, p, len);
	if (a->sent && a->method == SSH_AUTH_GSSAPI_MIC)
		return auth_gss_client_input(b, p[0], p + 1, len - 1);
	return -SSH_E_PROTO;
}

/* Of a payload of the program's own: so is what answers it. */
static int input_raw(struct ssh_brain *b, const uint8_t *p, size_t len)
{
	struct ssh_act *act = act_push_bytes(b, SSH_ACT_LOGIN, (struct ssh_str){p, (uint32_t)len});

	if (act == NULL)
		return -SSH_E_MEMORY;
	act->msg = p[0];
	b->cli.sent = false;
	ask_open(b, &b->auth_ask, act);
	return 0;
}

int auth_client_input(struct ssh_brain *b, const uint8_t *p, size_t len)
{
	struct ssh_rd r;

	if (b->cli.raw && b->cli.sent &&
	    (p[0] == SSH_MSG_USERAUTH_FAILURE || p[0] >= SSH_MSG_USERAUTH_60))
		return input_raw(b, p, len);
	ssh_rd_init(&r, p + 1, len - 1);
	switch (p[0]) {
	case SSH_MSG_SERVICE_ACCEPT:
		return input_accept(b, &r);
	case SSH_MSG_USERAUTH_FAILURE:
		return input_failure(b, &r);
	case SSH_MSG_USERAUTH_SUCCESS:
		return input_success(b, &r);
	case SSH_MSG_USERAUTH_BANNER:
		return input_banner(b, &r);
	case SSH_MSG_USERAUTH_GSSAPI_TOKEN:
	case SSH_MSG_USERAUTH_GSSAPI_ERROR ... SSH_MSG_USERAUTH_GSSAPI_ERRTOK:
		return auth_gss_client_input(b, p[0], p + 1, len - 1);
	default:
		return input_60(b, p, len, &r);
	}
}

/* What we say ----------------------------------------------------------------------- */

bool auth_client_login_open(const struct ssh_brain *b, uint32_t id)
{
	return b->auth_ask.kind == SSH_ACT_LOGIN && b->auth_ask.id == id;
}

struct ssh_userauth_request auth_client_request(const struct ssh_brain *b, const char *method)
{
	return (struct ssh_userauth_request){
		.user = ssh_str_c(b->cli.user),
		.service = ssh_str_c(SSH_SERVICE_CONNECTION),
		.method = ssh_str_c(method),
		.rest = {(const uint8_t *)"", 0},
	};
}

/* Bytes of a request in front of its method's own. */
size_t auth_client_request_len(const struct ssh_userauth_request *m)
{
	return 1 + 4 + m->user.len + 4 + m->service.len + 4 + m->method.len;
}

int auth_client_sent(struct ssh_brain *b, struct ssh_wr *w, enum ssh_auth_method method)
{
	int r = send_end(b, w);

	b->cli.sent = r == 0;
	b->cli.method = method;
	b->cli.partial = b->cli.change_wanted = b->cli.raw = false;
	return r;
}

/* Entrances turn a fault of ours into the end; the ask is closed by then. */
int auth_client_finish(struct ssh_brain *b, int r)
{
	if (r < 0)
		ssh_brain_end(b, r, NULL);
	return 0;
}

int ssh_brain_login_none(struct ssh_brain *b, uint32_t id)
{
	struct ssh_userauth_request m = auth_client_request(b, "none");
	struct ssh_wr w;
	int r;

	if (!auth_client_login_open(b, id))
		return -ENOENT;
	b->auth_ask = (struct ask){0};
	r = send_begin(b, &w, auth_client_request_len(&m));
	if (r == 0) {
		ssh_userauth_request_build(&w, &m);
		r = auth_client_sent(b, &w, SSH_AUTH_NONE);
	}
	return auth_client_finish(b, r);
}

int ssh_brain_login_password(struct ssh_brain *b, uint32_t id, const char *pw, size_t len)
{
	struct ssh_userauth_request m = auth_client_request(b, "password");
	struct ssh_userauth_password p = {.password = {(const uint8_t *)pw, (uint32_t)len}};
	struct ssh_wr w;
	int r;

	if (!auth_client_login_open(b, id))
		return -ENOENT;
	if (len > PASSWD_MAX)
		return -EINVAL;
	b->auth_ask = (struct ask){0};
	r = send_begin(b, &w, auth_client_request_len(&m) + 1 + 4 + len);
	if (r == 0) {
		ssh_userauth_request_build(&w, &m);
		ssh_userauth_password_build(&w, &p);
		r = auth_client_sent(b, &w, SSH_AUTH_PASSWORD);
	}
	return auth_client_finish(b, r);
}

int ssh_brain_login_change(struct ssh_brain *b, uint32_t id, const char *old_pw, size_t old_len,
			   const char *new_pw, size_t new_len)
{
	struct ssh_userauth_request m = auth_client_request(b, "password");
	struct ssh_userauth_password p = {
		.change = true,
		.password = {(const uint8_t *)old_pw, (uint32_t)old_len},
		.new_password = {(const uint8_t *)new_pw, (uint32_t)new_len}};
	struct ssh_wr w;
	int r;

	if (!auth_client_login_open(b, id))
		return -ENOENT;
	if (!b->cli.change_wanted || old_len > PASSWD_MAX || new_len > PASSWD_MAX)
		return -EINVAL;
	b->auth_ask = (struct ask){0};
	r = send_begin(b, &w, auth_client_request_len(&m) + 1 + 4 + old_len + 4 + new_len);
	if (r == 0) {
		ssh_userauth_request_build(&w, &m);
		ssh_userauth_password_build(&w, &p);
		r = auth_client_sent(b, &w, SSH_AUTH_PASSWORD);
	}
	return auth_client_finish(b, r);
}

/* Some servers name certificates' algorithms in server-sig-algs, others what is inside them. */
static bool server_takes(const struct ssh_brain *b, const char *alg)
{
	const char *list = b->cli.server_sig_algs;

	return list == NULL || ssh_names_have(ssh_str_c(list), alg) ||
	       ssh_names_have(ssh_str_c(list), key_sig_alg_plain(alg));
}

/*
 * RFC 8332 section 3.3: without server-sig-algs a server may know only what RFC 4253 names,
 * and SHA-1 is not signed with unless its name was added: then the best of the key's own is tried.
 */
static const char *pick_sig_alg(const struct ssh_brain *b, const struct key *k)
{
	const char *alg;

	for (unsigned int i = 0; (alg = key_sig_alg_of(k, i)) != NULL; i++)
		if (ssh_names_have(ssh_str_c(b->lists.sig_algs), alg) && server_takes(b, alg))
			return alg;
	return NULL;
}

/*
 * Session id and request up to the signature, as it will be signed and then sent; the method's own
 * bytes, max at most, come behind.
 */
static int signing_begin(struct ssh_brain *b, struct ssh_wr *w,
			 const struct ssh_userauth_request *m, size_t max)
{
	struct auth_client *a = &b->cli;
	struct ssh_str session_id = ssh_brain_session_id(b);

	max += 4 + session_id.len + auth_client_request_len(m);
	a->signing = malloc(max);
	if (a->signing == NULL)
		return -SSH_E_MEMORY;
	ssh_wr_init(w, a->signing, max);
	ssh_wr_str(w, session_id);
	a->request_at = 4 + session_id.len;
	ssh_userauth_request_build(w, m);
	return 0;
}

static int signing_end(struct ssh_brain *b, struct ssh_wr *w)
{
	struct auth_client *a = &b->cli;
	struct ssh_act *act;

	a->signing_len = (uint32_t)ssh_wr_done(w);
	if (a->signing_len == 0)
		return -SSH_E_INTERNAL;
	act = act_push(b, SSH_ACT_SIGN, 0);
	if (act == NULL)
		return -SSH_E_MEMORY;
	/* A certificate signs nothing: the key in it does. */
	act->sign.key = key_plain(a->key);
	act->sign.sig_alg = key_sig_alg_plain(a->sig_alg);
	act->sign.data = (struct ssh_str){a->signing, a->signing_len};
	ask_open(b, &b->auth_ask, act);
	return 0;
}

static int sign_publickey(struct ssh_brain *b)
{
	struct auth_client *a = &b->cli;
	/* A host that Kerberos vouched for has shown no key to be bound to. */
	bool bound = a->hostbound && b->server_key != NULL;
	struct ssh_userauth_request m =
		auth_client_request(b, bound ? SSH_METHOD_HOSTBOUND : "publickey");
	struct ssh_userauth_publickey p = {.has_signature = true,
					   .sig_alg = ssh_str_c(a->sig_alg),
					   .blob = ssh_str_key(a->key)};
	struct ssh_wr w;
	int r;

	if (bound)
		p.host_key = ssh_str_key(b->server_key);
	r = signing_begin(b, &w, &m, 1 + 4 + p.sig_alg.len + 4 + p.blob.len + 4 + p.host_key.len);
	if (r < 0)
		return r;
	ssh_userauth_publickey_build(&w, &p);
	return signing_end(b, &w);
}

static int sign_hostbased(struct ssh_brain *b, const char *host, const char *user)
{
	struct auth_client *a = &b->cli;
	struct ssh_userauth_request m = auth_client_request(b, "hostbased");
	struct ssh_userauth_hostbased p = {.sig_alg = ssh_str_c(a->sig_alg),
					   .blob = ssh_str_key(a->key),
					   .client_host = ssh_str_c(host),
					   .client_user = ssh_str_c(user)};
	struct ssh_wr w;
	int r;

	r = signing_begin(b, &w, &m,
			  4 + p.sig_alg.len + 4 + p.blob.len + 4 + p.client_host.len + 4 +
				  p.client_user.len);
	if (r < 0)
		return r;
	ssh_userauth_hostbased_build(&w, &p);
	return signing_end(b, &w);
}

/* The key of the next request, and by what it signs. */
static int take_key(struct ssh_brain *b, uint32_t id, const struct key *k, const char *sig_alg,
		    enum ssh_auth_method method)
{
	if (!auth_client_login_open(b, id))
		return -ENOENT;
	if (sig_alg == NULL)
		sig_alg = pick_sig_alg(b, k);
	if (sig_alg == NULL || !key_sig_alg_fits(k, sig_alg))
		return -ENOTSUP;
	b->auth_ask = (struct ask){0};
	signing_drop(&b->cli);
	b->cli.key = k;
	b->cli.sig_alg = sig_alg;
	b->cli.signing_for = method;
	return 0;
}

int ssh_brain_login_publickey(struct ssh_brain *b, uint32_t id, const struct key *k,
			      const char *sig_alg)
{
	int r = take_key(b, id, k, sig_alg, SSH_AUTH_PUBLICKEY);

	return r < 0 ? r : auth_client_finish(b, sign_publickey(b));
}

int ssh_brain_login_hostbased(struct ssh_brain *b, uint32_t id, const struct key *k,
			      const char *sig_alg, const char *client_host, const char *client_user)
{
	int r;

	if (strlen(client_host) > SSH_HOST_MAX || strlen(client_user) > SSH_USER_MAX)
		return -EINVAL;
	r = take_key(b, id, k, sig_alg, SSH_AUTH_HOSTBASED);
	return r < 0 ? r : auth_client_finish(b, sign_hostbased(b, client_host, client_user));
}

int auth_client_signed(struct ssh_brain *b, int err, const uint8_t *sig, size_t len)
{
	struct auth_client *a = &b->cli;
	struct ssh_wr w;
	int r;

	if (err < 0) { /* no signature, no request: another method may do */
		signing_drop(a);
		return auth_client_ask(b);
	}
	r = send_begin(b, &w, a->signing_len - a->request_at + 4 + len);
	if (r < 0)
		return r;
	ssh_wr_bytes(&w, a->signing + a->request_at, a->signing_len - a->request_at);
	ssh_wr_str(&w, (struct ssh_str){sig, (uint32_t)len});
	signing_drop(a);
	return auth_client_sent(b, &w, a->signing_for);
}

int ssh_brain_login_raw(struct ssh_brain *b, uint32_t id, const void *payload, size_t len)
{
	const uint8_t *p = payload;
	struct ssh_wr w;
	int r;

	if (!auth_client_login_open(b, id))
		return -ENOENT;
	if (len == 0 || len > SSH_PACKET_MAX_PREAUTH || p[0] < SSH_MSG_USERAUTH_REQUEST ||
	    p[0] >= SSH_MSG_GLOBAL_REQUEST)
		return -EINVAL;
	b->auth_ask = (struct ask){0};
	r = send_begin(b, &w, len);
	if (r == 0) {
		ssh_wr_bytes(&w, payload, len);
		r = auth_client_sent(b, &w, 0);
		b->cli.raw = true;
	}
	return auth_client_finish(b, r);
}

int ssh_brain_login_give_up(struct ssh_brain *b, uint32_t id)
{
	if (!auth_client_login_open(b, id))
		return -ENOENT;
	ssh_brain_end(b, -SSH_E_AUTH_NONE_LEFT, NULL);
	return 0;
}

const char *ssh_brain_methods(const struct ssh_brain *b)
{
	return brain_is_server(b) ? b->srv.methods : b->cli.methods;
}

bool ssh_brain_partial(const struct ssh_brain *b)
{
	return !brain_is_server(b) && b->cli.partial;
}

uint32_t ssh_brain_retry_after(const struct ssh_brain *b)
{
	return brain_is_server(b) ? 0 : b->retry_after;
}

const char *ssh_brain_server_sig_algs(const struct ssh_brain *b)
{
	return brain_is_server(b) ? NULL : b->cli.server_sig_algs;
}
