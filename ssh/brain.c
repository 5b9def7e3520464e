/* ssh/brain.c - actions, asks, and the entrance of every message. */
#include "ssh/brain.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/secret.h"
#include "ssh/ident.h"
#include "ssh/internal.h"
#include "ssh/trans_msg.h"

/* Actions --------------------------------------------------------------------------- */

struct act_node *act_node_of(struct ssh_act *act)
{
	return (struct act_node *)((uint8_t *)act - offsetof(struct act_node, act));
}

static struct act_node *node_new(enum ssh_act_kind kind, size_t len)
{
	struct act_node *n = calloc(1, sizeof(*n) + len);

	if (n != NULL) {
		n->act.kind = kind;
		n->len = len;
	}
	return n;
}

static void node_free(struct act_node *n)
{
	if (n == NULL)
		return;
	ssh_job_free(n->job);
	key_free(n->key);
	secret_free(n->keys, sizeof(*n->keys));
	secret_wipe(n->bytes, n->len);
	free(n);
}

static void node_append(struct ssh_brain *b, struct act_node *n)
{
	n->next = NULL;
	*b->tail = n;
	b->tail = &n->next;
	b->n_acts++;
}

static struct act_node *node_shift(struct ssh_brain *b)
{
	struct act_node *n = b->head;

	if (n == NULL)
		return NULL;
	b->head = n->next;
	if (b->head == NULL)
		b->tail = &b->head;
	b->n_acts--;
	return n;
}

struct ssh_act *act_push(struct ssh_brain *b, enum ssh_act_kind kind, size_t len)
{
	struct act_node *n = node_new(kind, len);

	if (n == NULL)
		return NULL;
	node_append(b, n);
	return &n->act;
}

struct ssh_str act_keep(struct ssh_act *act, size_t *used, struct ssh_str s)
{
	struct act_node *n = act_node_of(act);
	uint8_t *to = n->bytes + *used;

	assert(s.len <= n->len - *used);
	if (s.len != 0)
		memcpy(to, s.p, s.len);
	*used += s.len;
	return (struct ssh_str){to, s.len};
}

struct ssh_act *act_push_bytes(struct ssh_brain *b, enum ssh_act_kind kind, struct ssh_str s)
{
	struct ssh_act *act = act_push(b, kind, s.len);
	size_t used = 0;

	if (act != NULL)
		act->bytes = act_keep(act, &used, s);
	return act;
}

int send_begin(struct ssh_brain *b, struct ssh_wr *w, size_t max)
{
	struct act_node *n = node_new(SSH_ACT_SEND, max);

	if (n == NULL)
		return -SSH_E_MEMORY;
	assert(b->building == NULL);
	b->building = n;
	ssh_wr_init(w, n->bytes, max);
	return 0;
}

void send_abort(struct ssh_brain *b)
{
	node_free(b->building);
	b->building = NULL;
}

/* Room is counted by our side, so a writer that ran out of it is our mistake. */
int send_end(struct ssh_brain *b, struct ssh_wr *w)
{
	struct act_node *n = b->building;
	size_t len = ssh_wr_done(w);

	if (len == 0) {
		send_abort(b);
		return -SSH_E_INTERNAL;
	}
	b->building = NULL;
	n->act.bytes = (struct ssh_str){n->bytes, (uint32_t)len};
	n->act.msg = n->bytes[0];
	node_append(b, n);
	return 0;
}

void act_own_keys(struct ssh_brain *b, struct ssh_keys *keys)
{
	struct act_node *last =
		(struct act_node *)((uint8_t *)b->tail - offsetof(struct act_node, next));

	assert(b->head != NULL);
	last->keys = keys;
}

void ask_open(struct ssh_brain *b, struct ask *ask, struct ssh_act *act)
{
	assert(ask->kind == 0);
	if (++b->next_id == 0)
		b->next_id = 1;
	*ask = (struct ask){act->kind, b->next_id};
	act->id = ask->id;
}

int ask_job(struct ssh_brain *b, struct ask *ask, struct ssh_job *job)
{
	struct ssh_act *act = act_push(b, SSH_ACT_JOB, 0);

	if (act == NULL) {
		ssh_job_free(job);
		return -SSH_E_MEMORY;
	}
	ask_open(b, ask, act);
	act->job = job;
	act_node_of(act)->job = job;
	job->id = ask->id;
	memcpy(job->owner, b->owner, sizeof(job->owner));
	return 0;
}

int ssh_brain_next(struct ssh_brain *b, struct ssh_act *ret)
{
	struct act_node *n = node_shift(b);

	node_free(b->current);
	b->current = n;
	if (n == NULL)
		return -EAGAIN;
	n->job = NULL; /* the carrier's from here on */
	*ret = n->act;
	return 0;
}

/* The end --------------------------------------------------------------------------- */

/* No question outlives the connection: its answer would find nobody (S-25). */
static void drop_asks(struct ssh_brain *b)
{
	struct act_node *n = b->head, *next;

	b->kex_ask = b->auth_ask = (struct ask){0};
	b->head = NULL;
	b->tail = &b->head;
	b->n_acts = 0;
	for (; n != NULL; n = next) {
		next = n->next;
		if (n->act.kind >= SSH_ACT_JOB && n->act.kind <= SSH_ACT_LOGIN)
			node_free(n);
		else
			node_append(b, n);
	}
}

/* Its line has come, if only to be refused: our records may follow ours. */
static bool heard_of(const struct ssh_brain *b, int err)
{
	return b->started &&
	       (b->peer_ident != NULL || err == -SSH_E_VERSION || err == -SSH_E_IDENT);
}

static void end_with(struct ssh_brain *b, int err, uint32_t reason, const char *text)
{
	struct act_node *end = b->end_node;
	struct ssh_wr w;

	if (b->ended)
		return;
	b->ended = true;
	drop_asks(b);
	/* Best effort: a peer that is not told is cut off all the same. */
	if (reason != 0 && heard_of(b, err) &&
	    send_begin(b, &w, strlen(text) + 32) == 0) {
		ssh_disconnect_build(&w, reason, text);
		(void)send_end(b, &w);
	}
	b->end_node = NULL;
	end->act.err = err;
	node_append(b, end);
}

void ssh_brain_end(struct ssh_brain *b, int err, const char *text)
{
	end_with(b, err, ssh_err_disconnect(err), text != NULL ? text : ssh_err_text(err));
}

/* What a function returned: a fault ends the connection. */
static int settle(struct ssh_brain *b, int r)
{
	if (r < 0)
		ssh_brain_end(b, r, NULL);
	return r;
}

/* Start ----------------------------------------------------------------------------- */

/* conf's list or the default, when all its names are known. */
static int list_copy(char **ret, const char *list, const char *fallback,
		     bool (*known)(const char *))
{
	struct ssh_str rest = ssh_str_c(list != NULL ? list : fallback), name;
	char buf[SSH_NAME_MAX + 1];

	*ret = strdup(list != NULL ? list : fallback);
	if (*ret == NULL)
		return -ENOMEM;
	if (rest.len == 0)
		return -EINVAL;
	while (ssh_names_next(&rest, &name)) {
		if (name.len == 0 || name.len > SSH_NAME_MAX)
			return -EINVAL;
		memcpy(buf, name.p, name.len);
		buf[name.len] = '\0';
		if (!known(buf))
			return -EINVAL;
	}
	return 0;
}

static bool known_kex(const char *name)
{
	return kex_method_find(name) != NULL;
}

static bool known_sig_alg(const char *name)
{
	const char *have;

	for (unsigned int i = 0; (have = key_sig_alg_at(i)) != NULL; i++)
		if (strcmp(have, name) == 0)
			return true;
	return false;
}

int brain_sig_algs_copy(char **ret, const char *list)
{
	return list_copy(ret, list, SSH_DEFAULT_PUBKEY, known_sig_alg);
}

static bool known_cipher(const char *name)
{
	const char *have;

	for (unsigned int i = 0; (have = cipher_name_at(i)) != NULL; i++)
		if (strcmp(have, name) == 0)
			return true;
	return false;
}

static bool known_mac(const char *name)
{
	const char *have;

	for (unsigned int i = 0; (have = cipher_mac_name_at(i)) != NULL; i++)
		if (strcmp(have, name) == 0)
			return true;
	return false;
}

static bool known_comp(const char *name)
{
	return ssh_comp_find(name) >= 0;
}

static int lists_init(struct brain_lists *l, const struct ssh_brain_conf *c)
{
	const char *kex = c->role == SSH_SERVER ? SSH_DEFAULT_KEX : SSH_DEFAULT_KEX_CLIENT;
	int r;

	r = list_copy(&l->kex, c->kex_algs, kex, known_kex);
	if (r == 0)
		r = list_copy(&l->hostkey, c->hostkey_algs, SSH_DEFAULT_HOSTKEY, known_sig_alg);
	if (r == 0)
		r = list_copy(&l->ciphers, c->ciphers, SSH_DEFAULT_CIPHERS, known_cipher);
	if (r == 0)
		r = list_copy(&l->macs, c->macs, SSH_DEFAULT_MACS, known_mac);
	if (r == 0)
		r = list_copy(&l->comp, c->comp_algs, SSH_DEFAULT_COMP, known_comp);
	if (r == 0)
		r = brain_sig_algs_copy(&l->sig_algs, c->server_sig_algs);
	if (r == 0 && c->server_sig_algs_any != NULL)
		r = brain_sig_algs_copy(&l->sig_algs_any, c->server_sig_algs_any);
	if (r == 0)
		r = brain_sig_algs_copy(&l->hostbased_algs, c->hostbased_algs);
	return r;
}

static void lists_fini(struct brain_lists *l)
{
	free(l->kex);
	free(l->hostkey);
	free(l->ciphers);
	free(l->macs);
	free(l->comp);
	free(l->sig_algs);
	free(l->sig_algs_any);
	free(l->hostbased_algs);
}

static int brain_init(struct ssh_brain *b, const struct ssh_brain_conf *conf)
{
	int r;

	b->tail = &b->head;
	b->phase = (struct ssh_phase){
		.role = conf->role, .kex = SSH_KEX_FIRST_INIT, .svc = SSH_SVC_NONE};
	b->strict = conf->strict;
	b->gex = conf->gex;
	if (b->gex.max == 0)
		b->gex = (struct ssh_gex_bits){SSH_GEX_MIN, SSH_GEX_N, SSH_GEX_MAX};
	b->moduli = conf->moduli;
	b->gss_strict = conf->gss_strict;
	b->gss_delegate = conf->gss_delegate;
	if (conf->open_types != NULL) {
		b->open_types = strdup(conf->open_types);
		if (b->open_types == NULL)
			return -ENOMEM;
	}
	if (conf->gss_server != NULL) {
		b->gss_server = strdup(conf->gss_server);
		if (b->gss_server == NULL)
			return -ENOMEM;
	}
	if (conf->gss_client != NULL) {
		b->gss_client = strdup(conf->gss_client);
		if (b->gss_client == NULL)
			return -ENOMEM;
	}
	if (conf->gss_password != NULL) {
		b->gss_password = secret_new(strlen(conf->gss_password) + 1);
		if (b->gss_password == NULL)
			return -ENOMEM;
		memcpy(b->gss_password, conf->gss_password, strlen(conf->gss_password));
	}
	b->rekey = conf->rekey;
	b->auth_methods = conf->auth_methods;
	b->max_auth_tries = conf->max_auth_tries;
	b->retry_after = conf->retry_after;
	b->end_node = node_new(SSH_ACT_END, 0);
	b->ident = strdup(conf->ident);
	if (b->end_node == NULL || b->ident == NULL)
		return -ENOMEM;
	if (strlen(b->ident) > SSH_IDENT_MAX || strncmp(b->ident, "SSH-2.0-", 8) != 0)
		return -EINVAL;
	r = crypto_random(b->owner, sizeof(b->owner));
	if (r == 0)
		r = crypto_random(&b->next_id, sizeof(b->next_id));
	if (r == 0)
		r = lists_init(&b->lists, conf);
	if (r == 0)
		r = brain_is_server(b) ? auth_server_init(b) : auth_client_init(b, conf->user);
	return r;
}

int ssh_brain_new(const struct ssh_brain_conf *conf, struct ssh_brain **ret)
{
	struct ssh_brain *b;
	int r;

	if ((conf->role != SSH_SERVER && conf->role != SSH_CLIENT) || conf->ident == NULL)
		return -EINVAL;
	b = calloc(1, sizeof(*b));
	if (b == NULL)
		return -ENOMEM;
	r = brain_init(b, conf);
	if (r < 0) {
		ssh_brain_free(b);
		return r;
	}
	*ret = b;
	return 0;
}

void ssh_brain_password_forget(struct ssh_brain *b)
{
	if (b->gss_password != NULL)
		secret_free(b->gss_password, strlen(b->gss_password) + 1);
	b->gss_password = NULL;
}

void ssh_brain_free(struct ssh_brain *b)
{
	struct act_node *n;

	if (b == NULL)
		return;
	while ((n = node_shift(b)) != NULL)
		node_free(n);
	node_free(b->current);
	node_free(b->end_node);
	kex_free(b->kex);
	gss_free(b->gss);
	free(b->gss_server);
	free(b->gss_client);
	ssh_brain_password_forget(b);
	free(b->open_types);
	key_free(b->server_key);
	free(b->server_sig);
	if (brain_is_server(b))
		auth_server_fini(b);
	else
		auth_client_fini(b);
	lists_fini(&b->lists);
	free(b->ident);
	free(b->peer_ident);
	secret_wipe(b, sizeof(*b));
	free(b);
}

int ssh_brain_hostkey_add(struct ssh_brain *b, const struct key *k)
{
	if ((b->started && !b->held) || !brain_is_server(b) || b->n_hostkeys == SSH_HOSTKEYS_MAX)
		return -EINVAL;
	b->hostkey[b->n_hostkeys++] = k;
	return 0;
}

int ssh_brain_start(struct ssh_brain *b)
{
	struct ssh_act *act;
	size_t used = 0;

	if (b->started || (brain_is_server(b) && b->n_hostkeys == 0))
		return -EINVAL;
	act = act_push(b, SSH_ACT_IDENT, strlen(b->ident) + 2);
	if (act == NULL)
		return -ENOMEM;
	act->bytes = act_keep(act, &used, ssh_str_c(b->ident));
	(void)act_keep(act, &used, ssh_str_c("\r\n"));
	act->bytes.len = (uint32_t)used;
	b->started = true;
	return 0;
}

bool ssh_brain_asks(const struct ssh_brain *b)
{
	return b->kex_ask.kind != 0 || b->auth_ask.kind != 0 || b->head != NULL;
}

bool ssh_brain_rests(const struct ssh_brain *b, struct ssh_brain_past *ret)
{
	if (!brain_is_server(b) || b->phase.svc != SSH_SVC_OPEN || b->phase.kex != SSH_KEX_NONE ||
	    b->ended || b->kex != NULL || b->kex_ask.kind != 0 || b->auth_ask.kind != 0 ||
	    b->head != NULL || b->rekey_wanted || b->n_opens > 0 || b->globals_received > 0 ||
	    b->globals_sent > 0)
		return false;
	ret->session_id = ssh_brain_session_id(b);
	ret->peer_ident = ssh_str_c(b->peer_ident);
	ret->strict = b->phase.strict;
	return true;
}

int ssh_brain_resume(struct ssh_brain *b, const struct ssh_brain_past *past)
{
	if (b->started || !brain_is_server(b) || b->n_hostkeys == 0 || past->session_id.len == 0 ||
	    past->session_id.len > sizeof(b->session_id) || past->peer_ident.len > SSH_IDENT_MAX)
		return -EINVAL;
	b->peer_ident = strndup((const char *)past->peer_ident.p, past->peer_ident.len);
	if (b->peer_ident == NULL)
		return -ENOMEM;
	memcpy(b->session_id, past->session_id.p, past->session_id.len);
	b->session_id_len = (uint8_t)past->session_id.len;
	b->phase.kex = SSH_KEX_NONE;
	b->phase.svc = SSH_SVC_OPEN;
	b->phase.strict = past->strict;
	b->ext_infos = 1; /* its time is over (RFC 8308 section 2.4) */
	b->started = true;
	return 0;
}

static bool waits_for_init(const struct ssh_brain *b)
{
	return brain_is_server(b) && b->strict == SSH_STRICT_SAFE;
}

static int ident_take(struct ssh_brain *b, const uint8_t *line, size_t len)
{
	int r;

	if (!b->started || b->peer_ident != NULL)
		return -SSH_E_PROTO;
	if (len > SSH_IDENT_MAX || memchr(line, '\0', len) != NULL)
		return -SSH_E_IDENT;
	r = ssh_ident_check(b->phase.role, line, len);
	if (r == -EAGAIN) /* a line before it is the carrier's to skip */
		return -SSH_E_IDENT;
	if (r < 0)
		return r;
	b->peer_ident = strndup((const char *)line, len);
	if (b->peer_ident == NULL)
		return -SSH_E_MEMORY;
	/*
	 * Both sides send KEXINIT without waiting for each other. A server that gives some
	 * ciphers only to strict peers has to see first whether this is one.
	 */
	if (b->held || waits_for_init(b))
		return 0;
	return kex_send_init(b);
}

int ssh_brain_ident(struct ssh_brain *b, const uint8_t *line, size_t len)
{
	if (b->ended)
		return -SSH_E_CLOSED;
	return settle(b, ident_take(b, line, len));
}

void ssh_brain_hold(struct ssh_brain *b)
{
	b->held = b->peer_ident == NULL;
}

int ssh_brain_offer(struct ssh_brain *b, bool (*keep)(const struct key *k, const void *arg),
		    const void *arg)
{
	const struct key *kept[SSH_HOSTKEYS_MAX];
	unsigned int n = 0;

	if (b->ended || !b->held)
		return 0;
	for (unsigned int i = 0; i < b->n_hostkeys; i++)
		if (keep == NULL || keep(b->hostkey[i], arg))
			kept[n++] = b->hostkey[i];
	if (n == 0)
		return -ENOENT;
	memcpy(b->hostkey, kept, n * sizeof(kept[0]));
	b->n_hostkeys = n;
	b->held = false;
	if (b->peer_ident == NULL || waits_for_init(b))
		return 0;
	return settle(b, kex_send_init(b));
}

/* Messages -------------------------------------------------------------------------- */

static int input_disconnect(struct ssh_brain *b, const uint8_t *p, size_t len)
{
	struct ssh_disconnect_msg m;
	struct ssh_act *act;
	struct ssh_rd r;
	int e;

	ssh_rd_init(&r, p + 1, len - 1);
	e = ssh_disconnect_parse(&r, &m);
	if (e < 0)
		return e;
	if (m.text.len > SSH_TEXT_MAX)
		m.text.len = SSH_TEXT_MAX;
	act = act_push_bytes(b, SSH_ACT_PEER_DISCONNECT, m.text);
	if (act == NULL)
		return -SSH_E_MEMORY;
	act->reason = m.reason;
	if (!brain_is_server(b))
		(void)ssh_retry_after_parse(m.text, &b->retry_after);
	ssh_brain_end(b, -SSH_E_PEER_DISCONNECT, NULL);
	return 0;
}

/*
 * RFC 8308 section 2.4: a client may send it once, a server twice, and ours once more while we
 * authenticate, as we told it (OpenSSH PROTOCOL 1.11).
 */
static int input_ext_info(struct ssh_brain *b, const uint8_t *p, size_t len)
{
	struct ssh_ext_info m;
	struct ssh_rd r;
	int e;

	if (++b->ext_infos > (brain_is_server(b) ? 1 : 3))
		return -SSH_E_PROTO;
	ssh_rd_init(&r, p + 1, len - 1);
	e = ssh_ext_info_parse(&r, &m);
	if (e < 0)
		return e;
	if (brain_is_server(b)) {
		b->info_in_auth = m.info_in_auth;
		return 0;
	}
	b->cli.hostbound |= m.hostbound;
	b->retry_after = m.retry_after;
	return m.has_server_sig_algs ? auth_client_ext_info(b, m.server_sig_algs) : 0;
}

static int send_unimplemented(struct ssh_brain *b, uint32_t seqnr)
{
	struct ssh_wr w;
	int r = send_begin(b, &w, 5);

	if (r < 0)
		return r;
	ssh_unimplemented_build(&w, seqnr);
	return send_end(b, &w);
}

static bool in_first_kex(const struct ssh_brain *b)
{
	return b->phase.kex == SSH_KEX_FIRST_INIT || b->phase.kex == SSH_KEX_FIRST_GUESS ||
	       b->phase.kex == SSH_KEX_FIRST_METHOD || b->phase.kex == SSH_KEX_FIRST_NEWKEYS;
}

/*
 * In a strict first exchange numbers run without a gap: one means that a message was
 * swallowed on the way here (S-06 b).
 */
static int check_first_seqnr(struct ssh_brain *b, uint32_t seqnr)
{
	if (!in_first_kex(b))
		return 0;
	if (b->phase.strict && seqnr != b->first_seqnr)
		return -SSH_E_STRICT;
	b->first_seqnr = seqnr + 1;
	return 0;
}

static int input_accepted(struct ssh_brain *b, uint32_t seqnr, const uint8_t *p, size_t len)
{
	switch (p[0]) {
	case SSH_MSG_DISCONNECT:
		return input_disconnect(b, p, len);
	case SSH_MSG_IGNORE:
	case SSH_MSG_UNIMPLEMENTED:
	case SSH_MSG_DEBUG:
		return 0;
	case SSH_MSG_SERVICE_REQUEST:
		return auth_server_service(b, p, len);
	case SSH_MSG_USERAUTH_REQUEST:
		return auth_server_input(b, p, len);
	case SSH_MSG_USERAUTH_61 ... SSH_MSG_USERAUTH_GSSAPI_MIC:
		return brain_is_server(b) ? auth_server_more(b, p, len)
					  : auth_client_input(b, p, len);
	case SSH_MSG_SERVICE_ACCEPT:
	case SSH_MSG_USERAUTH_FAILURE ... SSH_MSG_USERAUTH_BANNER:
	case SSH_MSG_USERAUTH_PK_OK:
		return auth_client_input(b, p, len);
	case SSH_MSG_EXT_INFO:
		return input_ext_info(b, p, len);
	case SSH_MSG_KEXINIT ... SSH_MSG_KEX_LAST:
		return kex_input(b, seqnr, p, len);
	default:
		return brain_conn_input(b, p, len);
	}
}

static int input(struct ssh_brain *b, uint32_t seqnr, const uint8_t *p, size_t len)
{
	enum ssh_verdict verdict;
	int r;

	if (b->peer_ident == NULL)
		return -SSH_E_PROTO;
	if (len == 0)
		return -SSH_E_FORMAT;
	r = check_first_seqnr(b, seqnr);
	if (r < 0)
		return r;
	verdict = ssh_phase_rx(&b->phase, p[0]);
	if (verdict == SSH_REFUSE)
		return b->phase.strict && in_first_kex(b) ? -SSH_E_STRICT : -SSH_E_PROTO;
	if (verdict == SSH_UNKNOWN)
		return send_unimplemented(b, seqnr);
	if (verdict == SSH_DROP) {
		b->drops++;
		return 0;
	}
	return input_accepted(b, seqnr, p, len);
}

/* A client chooses its method while the server may still speak; all else stops. */
static bool stopped(const struct ssh_brain *b)
{
	return b->kex_ask.kind != 0 || (b->auth_ask.kind != 0 && brain_is_server(b)) ||
	       b->auth_ask.kind == SSH_ACT_JOB || b->n_acts >= SSH_ACTS_MAX ||
	       b->globals_received >= SSH_GLOBALS_MAX;
}

int ssh_brain_input(struct ssh_brain *b, uint32_t seqnr, const uint8_t *payload, size_t len)
{
	if (b->ended)
		return -SSH_E_CLOSED;
	if (stopped(b))
		return -EAGAIN;
	return settle(b, input(b, seqnr, payload, len));
}

int ssh_brain_rekey(struct ssh_brain *b)
{
	if (b->ended)
		return -SSH_E_CLOSED;
	if (b->kex != NULL)
		return 0;
	/* A rekey in the middle of a login would have its replies wait; it can wait itself. */
	if (b->phase.svc != SSH_SVC_OPEN) {
		b->rekey_wanted = true;
		return 0;
	}
	return settle(b, kex_send_init(b));
}

int brain_authenticated(struct ssh_brain *b)
{
	gss_free(b->gss);
	b->gss = NULL;
	b->phase.svc = SSH_SVC_OPEN;
	if (!b->rekey_wanted || b->kex != NULL)
		return 0;
	b->rekey_wanted = false;
	return kex_send_init(b);
}

/* Answers --------------------------------------------------------------------------- */

/* The slot of an open ask, which this closes. NULL: none has this id and kind. */
static struct ask *ask_close(struct ssh_brain *b, enum ssh_act_kind kind, uint32_t id)
{
	struct ask *slot[] = {&b->kex_ask, &b->auth_ask};

	for (int i = 0; i < 2; i++) {
		if (slot[i]->kind == kind && slot[i]->id == id) {
			*slot[i] = (struct ask){0};
			return slot[i];
		}
	}
	return NULL;
}

int ssh_brain_job_done(struct ssh_brain *b, uint32_t id, struct ssh_job *job)
{
	struct ask *ask;
	int r;

	if (job->id != id || memcmp(job->owner, b->owner, sizeof(b->owner)) != 0 ||
	    (ask = ask_close(b, SSH_ACT_JOB, id)) == NULL) {
		ssh_job_free(job);
		return -ENOENT;
	}
	if (ask == &b->kex_ask)
		r = kex_job_done(b, job);
	else
		r = brain_is_server(b) ? auth_server_job_done(b, job)
				       : auth_gss_client_job_done(b, job);
	ssh_job_free(job);
	(void)settle(b, r);
	return 0;
}

int ssh_brain_sign_answer(struct ssh_brain *b, uint32_t id, int err, const uint8_t *sig, size_t len)
{
	struct ask *ask = ask_close(b, SSH_ACT_SIGN, id);
	int r;

	if (ask == NULL)
		return -ENOENT;
	if (len == 0 || len > KEY_SIG_MAX)
		err = err < 0 ? err : -EINVAL;
	if (ask == &b->auth_ask)
		r = auth_client_signed(b, err, sig, len);
	else
		r = err < 0 ? -SSH_E_KEX : kex_signed(b, sig, len);
	(void)settle(b, r);
	return 0;
}

int ssh_brain_hostkey_answer(struct ssh_brain *b, uint32_t id, bool accept)
{
	if (ask_close(b, SSH_ACT_HOSTKEY, id) == NULL)
		return -ENOENT;
	(void)settle(b, accept ? kex_hostkey_accepted(b) : -SSH_E_HOSTKEY);
	return 0;
}

int ssh_brain_auth_answer(struct ssh_brain *b, uint32_t id, bool accept)
{
	struct ssh_auth_decision d = {.verdict = accept ? SSH_AUTH_ACCEPT : SSH_AUTH_REFUSE};

	return ssh_brain_auth_decide(b, id, &d);
}

int ssh_brain_auth_decide(struct ssh_brain *b, uint32_t id, const struct ssh_auth_decision *d)
{
	if (ask_close(b, SSH_ACT_AUTH, id) == NULL)
		return -ENOENT;
	(void)settle(b, auth_server_decide(b, d));
	return 0;
}

/* News ------------------------------------------------------------------------------ */

const struct ssh_phase *ssh_brain_phase(const struct ssh_brain *b)
{
	return &b->phase;
}

bool ssh_brain_authenticated(const struct ssh_brain *b)
{
	return b->phase.svc == SSH_SVC_OPEN;
}

const char *ssh_brain_ident_own(const struct ssh_brain *b)
{
	return b->ident;
}

const char *ssh_brain_ident_peer(const struct ssh_brain *b)
{
	return b->peer_ident;
}

struct ssh_str ssh_brain_session_id(const struct ssh_brain *b)
{
	return (struct ssh_str){b->session_id, b->session_id_len};
}

const struct key *ssh_brain_server_key(const struct ssh_brain *b)
{
	return b->server_sig != NULL ? b->server_key : NULL;
}

struct ssh_str ssh_brain_server_signature(const struct ssh_brain *b)
{
	return b->server_sig != NULL ? (struct ssh_str){b->server_sig, b->server_sig_len}
				     : ssh_str_c("");
}

uint64_t ssh_brain_drops(const struct ssh_brain *b)
{
	return b->drops;
}
