#include "control/session/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/audit.h"
#include "control/session/internal.h"
#include "crypto/secret.h"
#include "ssh/kexinit.h"
#include "ssh/trans_msg.h"

/* --- logging --------------------------------------------------------------------------- */

void session_log(const struct session *s, enum log_level level, const char *fmt, ...)
{
	char text[LOG_LINE_MAX];
	va_list ap;

	if (level > s->log_level)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_line_at(s->log_level, level, "%s", text);
}

/* --- finding --------------------------------------------------------------------------- */

static struct session *table_find(const struct session_table *t, const struct link_handle *h)
{
	struct session *s;

	if (h->dataplane != t->dataplane || h->shard != t->shard || h->index >= t->max)
		return NULL;
	s = t->by_index[h->index];
	return s != NULL && s->ref.conn.generation == h->generation ? s : NULL;
}

struct session *session_find(struct session_env *env, const struct conn_ref *ref)
{
	for (struct session_table *t = env->tables; t != NULL; t = t->next) {
		struct session *s = table_find(t, &ref->conn);

		if (s != NULL)
			return s->ref.serial == ref->serial && s->awake != NULL ? s : NULL;
	}
	return NULL;
}

/* --- inbox and credit -------------------------------------------------------------------- */

void session_inbox_clear(struct session *s)
{
	while (s->awake->inbox != NULL) {
		struct inbox_item *i = s->awake->inbox;

		s->awake->inbox = i->next;
		secret_wipe(i->payload, i->len); /* a password may be among them */
		free(i);
	}
	s->awake->inbox_last = &s->awake->inbox;
	s->awake->inbox_n = s->awake->inbox_bytes = 0;
}

static int inbox_push(struct session *s, const struct link_payload *ev)
{
	struct inbox_item *i;

	if (s->awake->inbox_n >= INBOX_MAX || ev->len > INBOX_BYTES_MAX - s->awake->inbox_bytes)
		return -EBADMSG; /* more than a shard may leave unanswered */
	i = malloc(sizeof(*i) + ev->len);
	if (i == NULL)
		return -ENOMEM;
	i->next = NULL;
	i->seqnr = ev->seqnr;
	i->len = ev->len;
	memcpy(i->payload, ev + 1, ev->len);
	*s->awake->inbox_last = i;
	s->awake->inbox_last = &i->next;
	s->awake->inbox_n++;
	s->awake->inbox_bytes += i->len;
	return 0;
}

static void inbox_pop(struct session *s)
{
	struct inbox_item *i = s->awake->inbox;

	s->awake->inbox = i->next;
	if (s->awake->inbox == NULL)
		s->awake->inbox_last = &s->awake->inbox;
	s->awake->inbox_n--;
	s->awake->inbox_bytes -= i->len;
	s->awake->owed_payloads++;
	s->awake->owed_bytes += i->len;
	s->awake->tokens_milli -= 1000;
	secret_wipe(i->payload, i->len);
	free(i);
}

/*
 * Gives the shard its credit back, unless the connection asks for more than SlowPathRate:
 * then the credit waits until the rate is met, and the shard stops reading for so long.
 */
void session_credit(struct session *s)
{
	struct session_env *env = s->table->env;
	int64_t rate = conf_global(s->awake->conf.conf)->slow_path_rate;
	uint64_t now = env->now_ms();
	struct link_answered m = {s->awake->owed_payloads, s->awake->owed_bytes};

	if (s->awake->owed_payloads == 0 || s->ended)
		return;
	if (rate > 0) {
		/* rate payloads a second are rate thousandths a millisecond; at most a second's
		 * worth is saved up. */
		s->awake->tokens_milli += (int64_t)(now - s->awake->tokens_at_ms) * rate;
		s->awake->tokens_at_ms = now;
		if (s->awake->tokens_milli > rate * 1000)
			s->awake->tokens_milli = rate * 1000;
		if (s->awake->tokens_milli < 0 &&
		    timer_set(env->timers, &s->awake->credit,
			      now + 1 + (uint64_t)(-s->awake->tokens_milli / rate)) == 0)
			return;
	}
	s->awake->owed_payloads = s->awake->owed_bytes = 0;
	item_body(s, LINK_IT_ANSWERED, &m, sizeof(m));
}

/* --- what the brain wants ----------------------------------------------------------------- */

static void name_keep(char *to, size_t size, const char *from)
{
	strncpy(to, from != NULL ? from : "", size - 1);
	to[size - 1] = '\0';
}

/* What nobody uses by default is worth a line, once a connection. */
static void warn_of_legacy(struct session *s, const struct ssh_act_kex *k)
{
	const char *const cipher[] = {k->cipher_cs, k->cipher_sc};
	const char *const mac[] = {k->mac_cs, k->mac_sc};
	const char *const comp[] = {k->comp_cs, k->comp_sc};

	for (int dir = 0; k->first && dir < 2; dir++) {
		if (cipher_is_legacy(cipher[dir]))
			session_log(s, LOG_L_INFO, "warning: legacy cipher %s %s", cipher[dir],
				    dir == 0 ? "in" : "out");
		if (cipher_mac_is_legacy(mac[dir]))
			session_log(s, LOG_L_INFO, "warning: legacy MAC %s %s", mac[dir],
				    dir == 0 ? "in" : "out");
		if (ssh_comp_find(comp[dir]) == SSH_COMP_ZLIB)
			session_log(s, LOG_L_INFO, "warning: legacy compression %s %s", comp[dir],
				    dir == 0 ? "in" : "out");
	}
}

static void kex_done(struct session *s, const struct ssh_act_kex *k)
{
	s->awake->kex_done = true;
	name_keep(s->awake->kex.kex, sizeof(s->awake->kex.kex), k->kex);
	name_keep(s->awake->kex.hostkey, sizeof(s->awake->kex.hostkey), k->hostkey);
	name_keep(s->awake->kex.cipher_cs, sizeof(s->awake->kex.cipher_cs), k->cipher_cs);
	name_keep(s->awake->kex.cipher_sc, sizeof(s->awake->kex.cipher_sc), k->cipher_sc);
	name_keep(s->awake->kex.mac_cs, sizeof(s->awake->kex.mac_cs), k->mac_cs);
	name_keep(s->awake->kex.mac_sc, sizeof(s->awake->kex.mac_sc), k->mac_sc);
	if (k->first && k->session_id.len <= sizeof(s->awake->kex.session_id)) {
		memcpy(s->awake->kex.session_id, k->session_id.p, k->session_id.len);
		s->awake->kex.session_id_len = k->session_id.len;
	}
	session_log(s, LOG_L_DEBUG1, "kex: %s %s %s/%s %s/%s%s", s->awake->kex.kex,
		    s->awake->kex.hostkey, s->awake->kex.cipher_cs, s->awake->kex.cipher_sc,
		    s->awake->kex.mac_cs, s->awake->kex.mac_sc, k->strict ? " strict" : "");
	warn_of_legacy(s, k);
}

static void ended(struct session *s, int err)
{
	struct session_env *env = s->table->env;

	words_end(s, err);
	item_end(s, err);
	s->ended = true;
	timer_cancel(env->timers, &s->awake->grace);
	timer_cancel(env->timers, &s->awake->credit);
	timer_cancel(env->timers, &s->awake->silence);
	door_leave(s, err);
	session_inbox_clear(s);
	login_clear(s);
}

/*
 * The shard settles these for every channel it has, so there is no such channel. An ADJUST
 * may cross our CLOSE and replies to nothing are dropped (S-16, S-17); the rest is a fault.
 */
static void channel_other(struct session *s, uint8_t msg)
{
	if (msg != SSH_MSG_CHANNEL_WINDOW_ADJUST && msg != SSH_MSG_CHANNEL_SUCCESS &&
	    msg != SSH_MSG_CHANNEL_FAILURE)
		session_end(s, -SSH_E_CHANNEL, NULL);
}

static void act(struct session *s, const struct ssh_act *a)
{
	switch (a->kind) {
	case SSH_ACT_IDENT:
		item_bytes(s, LINK_IT_IDENT, a->bytes.p, a->bytes.len);
		break;
	case SSH_ACT_SEND:
		item_bytes(s, LINK_IT_PAYLOAD, a->bytes.p, a->bytes.len);
		break;
	case SSH_ACT_STRICT:
		item_body(s, LINK_IT_FIRST_KEX_STRICT, &(struct link_conn_ref){0},
			  sizeof(struct link_conn_ref));
		break;
	case SSH_ACT_TX_KEYS:
		item_keys(s, LINK_IT_TX_KEYS, &a->keys);
		break;
	case SSH_ACT_RX_KEYS:
		item_keys(s, LINK_IT_RX_KEYS, &a->keys);
		break;
	case SSH_ACT_AUTHENTICATED:
		login_done(s, &a->auth);
		break;
	case SSH_ACT_END:
		ended(s, a->err);
		break;
	case SSH_ACT_JOB:
		compute_job(s, a->job, a->id);
		break;
	case SSH_ACT_SIGN:
		compute_sign(s, a);
		break;
	case SSH_ACT_AUTH:
		login_begin(s, a);
		break;
	case SSH_ACT_CHANNEL_OPEN:
		open_begin(s, &a->open);
		break;
	case SSH_ACT_CHANNEL_REQUEST:
		open_request(s, &a->request);
		break;
	case SSH_ACT_GLOBAL_REQUEST:
		open_global(s, &a->request);
		break;
	case SSH_ACT_CHANNEL_OTHER:
		channel_other(s, a->msg);
		break;
	case SSH_ACT_KEX_DONE:
		kex_done(s, &a->kex);
		break;
	case SSH_ACT_AUTH_FAILED:
		login_failed(s, &a->auth);
		break;
	case SSH_ACT_AUTH_PARTIAL:
		login_partial(s, &a->auth);
		break;
	case SSH_ACT_PEER_DISCONNECT:
		words_peer_disconnect(s, a->reason, a->bytes);
		break;
	case SSH_ACT_GLOBAL_REPLY: /* to nothing: control asks nothing (S-16) */
	case SSH_ACT_HOSTKEY:      /* these four are a client's */
	case SSH_ACT_PROMPT:
	case SSH_ACT_LOGIN:
	case SSH_ACT_BANNER:
		break;
	}
}

static void acts(struct session *s)
{
	struct ssh_act a;

	while (!s->ended && ssh_brain_next(s->awake->brain, &a) == 0)
		act(s, &a);
}

void session_pump(struct session *s)
{
	if (s->pumping || s->ended || s->awake == NULL)
		return;
	s->pumping = true;
	acts(s);
	while (!s->ended && s->awake->inbox != NULL && !hostkeys_busy(s)) {
		struct inbox_item *i = s->awake->inbox;
		int r = ssh_brain_input(s->awake->brain, i->seqnr, i->payload, i->len);

		if (r == -EAGAIN)
			break;
		if (r < 0)
			words_no_match(s, r, i->payload, i->len);
		inbox_pop(s);
		acts(s);
	}
	session_credit(s);
	s->pumping = false;
	session_tire(s);
}

void session_end(struct session *s, int err, const char *text)
{
	ssh_brain_end(s->awake->brain, err, text);
}

/* --- life of a session ---------------------------------------------------------------------- */

/* Counted from the beginning, whenever it becomes known what holds. */
int session_silence_begin(struct session *s)
{
	struct session_env *env = s->table->env;
	uint32_t limit = conf_global(env->conf)->handshake_timeout_ms;

	s->awake->heard_ms = env->now_ms();
	if (limit == 0 || timer_armed(&s->awake->silence))
		return 0;
	return timer_set(env->timers, &s->awake->silence, s->awake->heard_ms + limit);
}

int session_grace_begin(struct session *s)
{
	struct timers *timers = s->table->env->timers;

	if (s->awake->conf.login_grace_time_ms > 0)
		return timer_set(timers, &s->awake->grace,
				 s->began_ms + s->awake->conf.login_grace_time_ms);
	timer_cancel(timers, &s->awake->grace);
	return 0;
}

static void session_free(struct session *s)
{
	struct session_env *env = s->table->env;

	door_leave(s, 0); /* who leaves for a reason of his own has left */
	free(s->user);    /* or its past */
	awake_free(s);
	policy_grant_fini(&s->grant);
	open_fini(s);
	grant_fini(s);
	s->table->by_index[s->ref.conn.index] = NULL;
	s->table->count--;
	env->stats.connections--;
	if (s->authenticated)
		env->stats.authenticated--;
	free(s);
}

unsigned int session_auth_methods(const struct session *s)
{
	const struct conf_session *c = &s->awake->conf;
	const struct auth_source *plan[SOURCE_PLAN_MAX];
	bool asks = auth_source_plan(c, plan) > 0 || auth_source_totp.wanted(c);

	return SSH_AUTH_NONE | (c->password_authentication ? SSH_AUTH_PASSWORD : 0) |
	       (c->pubkey_authentication ? SSH_AUTH_PUBLICKEY : 0) |
	       (c->kbdint_authentication && asks ? SSH_AUTH_KBDINT : 0) |
	       (c->gssapi_authentication ? SSH_AUTH_GSSAPI_KEYEX | SSH_AUTH_GSSAPI_MIC : 0);
}

struct ssh_rekey_limit session_rekey_limit(const struct session *s)
{
	return (struct ssh_rekey_limit){.bytes = s->awake->conf.rekey_bytes,
					.seconds = s->awake->conf.rekey_ms / 1000 +
						   (s->awake->conf.rekey_ms % 1000 > 0)};
}

/* The list, where one was given, goes before Compression. */
static const char *comp_algs(const struct session *s, const struct conf_global *g)
{
	const char *list = g->compression_algorithms;

	if (s->no_comp)
		return "none";
	if (g->compression == CONF_COMPRESSION_NO &&
	    (list == NULL || strcmp(list, SSH_DEFAULT_COMP) == 0))
		return "none";
	return list;
}

int session_brain_new(struct session *s)
{
	struct session_env *env = s->table->env;
	const struct conf_global *g = conf_global(env->conf);
	struct ssh_brain_conf c = {
		.role = SSH_SERVER,
		.ident = env->ident,
		.kex_algs = env->kex != NULL ? env->kex : g->kex,
		.gss_strict = g->gssapi_strict,
		.hostkey_algs = g->hostkey_algorithms,
		.ciphers = g->ciphers,
		.macs = g->macs,
		.comp_algs = comp_algs(s, g),
		.strict = (enum ssh_strict)g->strict_kex,
		.gex = {g->gex_min, g->gex_n, g->gex_max},
		.moduli = env->moduli,
		.rekey = session_rekey_limit(s),
		.server_sig_algs = g->pubkey_accepted,
		/* Which of them is known with the user, who is named by the first request. */
		.auth_methods = SSH_AUTH_NONE | SSH_AUTH_PASSWORD | SSH_AUTH_PUBLICKEY |
				SSH_AUTH_KBDINT | SSH_AUTH_GSSAPI_KEYEX | SSH_AUTH_GSSAPI_MIC,
		.max_auth_tries = s->awake->conf.max_auth_tries,
	};
	int r;

	_Static_assert((int)SSH_STRICT_OFF == (int)CONF_STRICT_KEX_OFF &&
			       (int)SSH_STRICT_REQUIRE == (int)CONF_STRICT_KEX_REQUIRE,
		       "two names of one thing");
	r = ssh_brain_new(&c, &s->awake->brain);
	for (unsigned int i = 0; r == 0 && i < signer_count(env->signer); i++)
		r = ssh_brain_hostkey_add(s->awake->brain, signer_public(env->signer, i));
	for (unsigned int i = 0; r == 0 && i < env->n_host_certs; i++)
		r = ssh_brain_hostkey_add(s->awake->brain, env->host_cert[i]);
	return r;
}

const char *zoned_text(const struct conf *conf, const struct link_addr *a, char buf[CONF_ZONE_TEXT])
{
	struct conf_addr c = {.family = a->family, .scope = a->scope};

	memcpy(c.addr, a->addr, sizeof(c.addr));
	return conf_zone_text(conf_dataplane(conf), &c, buf);
}

const char *session_peer_text(const struct session *s, char buf[CONF_ZONE_TEXT])
{
	if (s->awake != NULL)
		return s->awake->peer_text;
	return zoned_text(s->table->env->conf, &s->peer, buf);
}

const char *session_user(const struct session *s)
{
	if (s->user == NULL)
		return "";
	return s->awake != NULL ? s->user : past_user(s->past);
}

static int session_fill(struct session *s, const struct link_conn_new *ev)
{
	struct session_env *env = s->table->env;
	struct conf_match_ctx ctx = {0};
	int r;

	s->uid = (uint64_t)ev->uid_high << 32 | ev->uid_low;
	s->no_comp = ev->no_comp != 0;
	s->peer = ev->peer;
	s->local = ev->local;
	addr_unmap(&s->peer);
	addr_unmap(&s->local);
	s->began_ms = env->now_ms();
	r = awake_new(s);
	if (r < 0)
		return r;
	ctx.addr = s->awake->peer_addr;
	ctx.laddr = s->awake->local_addr;
	ctx.lport = s->local.port;
	r = conf_session_for(env->conf, &ctx, &s->awake->conf);
	if (r < 0)
		return r;
	s->log_level = (uint8_t)s->awake->conf.log_level & 15;
	r = session_brain_new(s);
	if (r == 0)
		r = ssh_brain_start(s->awake->brain);
	if (r == 0)
		r = session_silence_begin(s);
	return r == 0 ? session_grace_begin(s) : r;
}

static struct session *session_new(struct session_table *t, const struct link_handle *conn)
{
	struct session *s = calloc(1, sizeof(*s));

	_Static_assert((int)LOG_L_QUIET == (int)CONF_LOG_QUIET &&
			       (int)LOG_L_DEBUG3 == (int)CONF_LOG_DEBUG3,
		       "two names of one thing");
	if (s == NULL)
		return NULL;
	s->table = t;
	s->ref = (struct conn_ref){*conn, ++t->env->last_serial};
	s->log_level = (uint8_t)log_threshold();
	t->by_index[conn->index] = s;
	t->count++;
	t->env->stats.connections++;
	t->env->stats.accepted++;
	return s;
}

/* --- events --------------------------------------------------------------------------------- */

/* Items for a connection there is no session for. */
static void stray_send(struct session_table *t, const struct link_handle *conn, enum link_type type,
		       const void *p, size_t len)
{
	struct {
		struct link_hdr hdr;
		struct link_bytes bytes;
	} m = {.hdr = {.len = (uint32_t)(sizeof(m) + len), .type = (uint16_t)type, .conn = *conn},
	       .bytes = {(uint32_t)len}};

	t->link.send(t->link.arg, &m, sizeof(m), p, len);
}

static void stray_end(struct session_table *t, const struct link_handle *conn, int err)
{
	struct link_end end = {.cause = err, .linger_ms = LINGER_MS};
	struct link_hdr hdr = {
		.len = sizeof(hdr) + sizeof(end), .type = LINK_IT_END, .conn = *conn};

	t->link.send(t->link.arg, &hdr, sizeof(hdr), &end, sizeof(end));
}

/*
 * A connection of a control before this one: its channels moved on without us, now it needs
 * a brain, and that is gone. Its client is told before it is cut off.
 */
static void forgotten(struct session_table *t, const struct link_handle *conn)
{
	static const char text[] = "the gateway was restarted: please connect again";
	uint8_t buf[sizeof(text) + 32];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_disconnect_build(&w, ssh_err_disconnect(-SSH_E_UNAVAILABLE), text);
	stray_send(t, conn, LINK_IT_PAYLOAD, buf, ssh_wr_done(&w));
	stray_end(t, conn, -SSH_E_UNAVAILABLE);
}

/*
 * A shard whose AuditBacklog is full counts an end and cannot tell it. That the index has another
 * connection says it, too; only what that end would have told is lost.
 */
static void end_unheard(struct session *s)
{
	char from[CONF_ZONE_TEXT];

	session_log(s, LOG_L_ERROR,
		    "the end of the connection from %s port %u was not recorded: "
		    "AuditBacklog was full",
		    session_peer_text(s, from), s->peer.port);
	words_end(s, -SSH_E_CLOSED);
	session_free(s);
}

static int conn_new(struct session_table *t, const struct link_handle *conn,
		    const struct link_conn_new *ev)
{
	static const char not_allowed[] = "Not allowed at this time\r\n";
	struct session_env *env = t->env;
	char peer[CONF_ZONE_TEXT];
	struct session *s;
	int r;

	if (conn->dataplane != t->dataplane || conn->shard != t->shard || conn->index >= t->max)
		return -EBADMSG;
	s = t->by_index[conn->index];
	if (s != NULL && s->ref.conn.generation == conn->generation)
		return -EBADMSG; /* one connection begins once */
	if (s != NULL)
		end_unheard(s);
	if (!door_enter(env, ev)) {
		stray_send(t, conn, LINK_IT_IDENT, not_allowed, sizeof(not_allowed) - 1);
		stray_end(t, conn, -SSH_E_UNAVAILABLE);
		return 0;
	}
	s = session_new(t, conn);
	if (s == NULL) {
		door_give_back(env, &ev->peer);
		stray_end(t, conn, -SSH_E_MEMORY);
		return 0;
	}
	s->holds_place = true;
	r = session_fill(s, ev);
	if (r < 0) {
		session_log(s, LOG_L_ERROR,
			    "connection from %s port %u: cannot be served: error %d",
			    session_peer_text(s, peer), s->peer.port, -r);
		session_free(s);
		stray_end(t, conn, -SSH_E_INTERNAL);
		return 0;
	}
	words_connection(s);
	if (s->awake->conf.refuse_connection)
		login_refuse(s);
	session_pump(s);
	return 0;
}

static struct audit_subject subject_of(const struct session *s, char buf[CONF_ZONE_TEXT])
{
	if (s == NULL)
		return (struct audit_subject){.threshold = log_threshold()};
	return (struct audit_subject){.threshold = s->log_level,
				      .user = session_user(s),
				      .addr = session_peer_text(s, buf),
				      .port = s->peer.port};
}

static void chan_end(struct session_table *t, struct session *s, const struct link_chan_end *ev)
{
	char from[CONF_ZONE_TEXT];
	struct audit_subject of = subject_of(s, from);
	struct open_target to;

	if (s != NULL && open_target(s, ev->token, &to)) {
		of.host = to.host;
		of.target_port = to.port;
	}
	audit_log_chan(&of, ev);
	if (s != NULL)
		open_ended(s, ev);
	if (ev->audit_id > t->audit_seen)
		t->audit_seen = ev->audit_id;
}

static void conn_end(struct session_table *t, struct session *s, const struct link_conn_end *ev)
{
	char from[CONF_ZONE_TEXT];
	struct audit_subject of = subject_of(s, from);

	if (s != NULL) {
		words_end(s, ev->cause);
		door_leave(s, ev->cause);
	}
	/* Of one that was refused all is said. */
	if (s != NULL || ev->authenticated)
		audit_log_conn(&of, ev);
	if (s != NULL)
		session_free(s);
	if (ev->audit_id > t->audit_seen)
		t->audit_seen = ev->audit_id;
}

/* It cannot say why: what would is what there is no memory for. */
static void cannot_wake(struct session *s, int err)
{
	session_log(s, LOG_L_ERROR, "a connection that rested cannot go on: error %d", -err);
	words_end(s, -SSH_E_MEMORY);
	item_end(s, -SSH_E_MEMORY);
	s->ended = true;
}

/* False: it is over. */
static bool awaken(struct session *s)
{
	int r;

	if (s->ended)
		return false;
	r = session_wake(s);
	if (r < 0)
		cannot_wake(s, r);
	return r == 0;
}

static int payload(struct session *s, const struct link_payload *ev)
{
	int r;

	if (!awaken(s))
		return 0;
	if (!s->authenticated)
		s->awake->heard_ms = s->table->env->now_ms();
	r = inbox_push(s, ev);
	if (r == -ENOMEM) {
		session_end(s, -SSH_E_MEMORY, NULL);
		r = 0;
	}
	session_pump(s);
	return r;
}

/* Whose version is not one of ours, or is refused for it, is told so by DISCONNECT. */
static void ident(struct session *s, const uint8_t *line, size_t len)
{
	int r;

	s->awake->heard_ms = s->table->env->now_ms();
	if (ssh_brain_ident(s->awake->brain, line, len) < 0)
		return;
	r = rules_version_known(s, line, len);
	if (r < 0)
		session_end(s, r, NULL);
	else if (s->awake->conf.refuse_connection)
		login_refuse(s);
}

static int event_of(struct session *s, const struct link_hdr *h, const void *body)
{
	const struct link_bytes *bytes = body;

	switch (h->type) {
	case LINK_EV_IDENT:
		if (awaken(s))
			ident(s, (const uint8_t *)(bytes + 1), bytes->len);
		break;
	case LINK_EV_PAYLOAD:
		return payload(s, body);
	case LINK_EV_REKEY_DUE:
		if (awaken(s))
			(void)ssh_brain_rekey(s->awake->brain);
		break;
	case LINK_EV_CHAN_OPENED:
		open_opened(s, body);
		break;
	case LINK_EV_CHAN_FAILED:
		open_failed(s, body);
		break;
	default:
		return -EBADMSG;
	}
	session_pump(s);
	return 0;
}

int session_table_event(struct session_table *t, const void *msg)
{
	const struct link_hdr *h = msg;
	const void *body = link_msg_body(msg);
	struct session *s = table_find(t, &h->conn);

	switch (h->type) {
	case LINK_EV_CONN_NEW:
		return conn_new(t, &h->conn, body);
	case LINK_EV_CHAN_END:
		chan_end(t, s, body);
		return 0;
	case LINK_EV_CONN_END:
		conn_end(t, s, body);
		return 0;
	case LINK_EV_BLOB: /* nobody asked for one as yet */
		return 0;
	case LINK_EV_PAYLOAD:
	case LINK_EV_REKEY_DUE:
		if (s == NULL) {
			forgotten(t, &h->conn);
			return 0;
		}
		break;
	default:
		break;
	}
	return s != NULL ? event_of(s, h, body) : 0;
}

/* --- tables ------------------------------------------------------------------------------------
 */

int session_table_new(struct session_env *env, const struct session_link *link, uint16_t dataplane,
		      uint16_t shard, uint32_t max_conns, struct session_table **ret)
{
	struct session_table *t;

	if (max_conns == 0 || max_conns > SESSION_TABLE_MAX)
		return -EBADMSG;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return -ENOMEM;
	t->by_index = calloc(max_conns, sizeof(struct session *));
	if (t->by_index == NULL) {
		free(t);
		return -ENOMEM;
	}
	t->env = env;
	t->link = *link;
	t->dataplane = dataplane;
	t->shard = shard;
	t->max = max_conns;
	t->next = env->tables;
	env->tables = t;
	*ret = t;
	return 0;
}

void session_table_free(struct session_table *t)
{
	struct session_table **at;

	if (t == NULL)
		return;
	for (uint32_t i = 0; i < t->max && t->count > 0; i++)
		if (t->by_index[i] != NULL)
			session_free(t->by_index[i]);
	for (at = &t->env->tables; *at != t; at = &(*at)->next)
		;
	*at = t->next;
	if (t->env->tables == NULL)
		compute_drop(t->env);
	free(t->by_index);
	free(t);
}

void session_table_flush(struct session_table *t)
{
	struct link_audit_ack ack = {t->audit_seen};
	struct link_hdr hdr = {.len = sizeof(hdr) + sizeof(ack),
			       .type = LINK_CMD_AUDIT_ACK,
			       .conn = {.dataplane = t->dataplane, .shard = t->shard}};

	if (t->audit_seen == 0)
		return;
	t->audit_seen = 0;
	t->link.send(t->link.arg, &hdr, sizeof(hdr), &ack, sizeof(ack));
}

void session_table_revoke(struct session_table *t)
{
	struct link_revoke m = {0};
	struct link_hdr hdr = {.len = sizeof(hdr) + sizeof(m),
			       .type = LINK_CMD_REVOKE,
			       .conn = {.dataplane = t->dataplane, .shard = t->shard}};

	t->link.send(t->link.arg, &hdr, sizeof(hdr), &m, sizeof(m));
}

/* One that rests is not woken to be told, but told what its brain would say. */
static void dismiss(struct session *s, int err)
{
	uint8_t buf[256];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_disconnect_build(&w, ssh_err_disconnect(err), ssh_err_text(err));
	item_bytes(s, LINK_IT_PAYLOAD, buf, ssh_wr_done(&w));
	words_end(s, err);
	item_end(s, err);
	s->ended = true;
}

void session_table_shutdown(struct session_table *t)
{
	for (uint32_t i = 0; i < t->max; i++) {
		struct session *s = t->by_index[i];

		if (s == NULL || s->ended)
			continue;
		if (s->awake == NULL) {
			dismiss(s, -SSH_E_SHUTDOWN);
			continue;
		}
		session_end(s, -SSH_E_SHUTDOWN, NULL);
		session_pump(s);
	}
}

uint32_t session_table_count(const struct session_table *t)
{
	return t->count;
}

/* --- a walk over all ---------------------------------------------------------------------------
 */

#define PLACES_PER_LOOK 4096 /* a table may have millions, nearly all empty */

/* Tables come and go in any order: the walk takes them by number. */
static bool table_before(const struct session_table *t, uint16_t dataplane, uint16_t shard)
{
	return t->dataplane < dataplane || (t->dataplane == dataplane && t->shard < shard);
}

static const struct session_table *table_from(const struct session_env *env, uint16_t dataplane,
					      uint16_t shard)
{
	const struct session_table *first = NULL;

	for (const struct session_table *t = env->tables; t != NULL; t = t->next)
		if (!table_before(t, dataplane, shard) &&
		    (first == NULL || table_before(t, first->dataplane, first->shard)))
			first = t;
	return first;
}

static void view_fill(const struct session *s, struct session_view *ret)
{
	ret->uid = s->uid;
	ret->shard = s->ref.conn.shard;
	ret->source = session_peer_text(s, ret->text);
	ret->port = s->peer.port;
	ret->user = s->authenticated ? session_user(s) : NULL;
	ret->began_ms = s->began_ms;
	ret->channels = s->n_up;
}

/* Behind the last place of a table: the next one's first. False: the numbers are used up. */
static bool cursor_next_table(struct session_cursor *at)
{
	at->index = 0;
	if (++at->shard == 0)
		return ++at->dataplane != 0;
	return true;
}

int session_next(const struct session_env *env, struct session_cursor *at, struct session_view *ret)
{
	const struct session_table *t = table_from(env, at->dataplane, at->shard);

	if (t == NULL)
		return -ENOENT;
	if (t->dataplane != at->dataplane || t->shard != at->shard)
		*at = (struct session_cursor){t->dataplane, t->shard, 0};
	for (unsigned int looked = 0; at->index < t->max; looked++) {
		const struct session *s;

		if (looked == PLACES_PER_LOOK)
			return -EAGAIN;
		s = t->by_index[at->index++];
		if (s == NULL)
			continue;
		view_fill(s, ret);
		return 0;
	}
	return cursor_next_table(at) ? -EAGAIN : -ENOENT;
}
