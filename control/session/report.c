/*
 * control/session/report.c - what becomes of connections, as the audit log is told, and programs of
 * the operator's are (news.h).
 */
#include "control/session/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/audit/audit.h"
#include "control/count.h"
#include "control/session/news.h"
#include "control/session/program.h"
#include "crypto/cert.h"
#include "crypto/key.h"
#include "ssh/forward.h"
#include "ssh/session_msg.h"

#define CLOSE_LEN   512 /* of a stranger's conn.close */

static struct audit *audit_of(const struct session *s)
{
	return s->table->env->audit;
}

bool report_works(struct session_env *env)
{
	if (env->audit == NULL || !audit_refuses(env->audit))
		return true;
	control_count(CONTROL_C_AUDIT_REFUSED);
	return false;
}

/* --- whose it is --------------------------------------------------------------------------------
 */

/* As the log has no ids: no two have one, whatever is restarted. */
static uint64_t news_id(struct session_env *env, uint64_t now_us)
{
	uint64_t next = env->news.last_id + 1;

	env->news.last_id = now_us > next ? now_us : next;
	return env->news.last_id;
}

/*
 * A record for the audit log, for a program, or for both; NULL: nobody wants it. id: NULL: a new
 * one. s: NULL where this control does not know the connection: then it is the log's.
 */
static struct audit_record *record_of(const struct session_table *t, const struct session *s,
				      enum audit_event e, const char *id)
{
	struct session_env *env = t->env;
	const struct audit_when now = audit_now();
	char own[REPORT_CONN_MAX + 2];

	env->news.told = s != NULL && news_find(s, e, &env->news.hook);
	if (env->audit != NULL)
		return audit_record(env->audit, e, id);
	if (!env->news.told)
		return NULL;
	snprintf(own, sizeof(own), "%016" PRIx64 "-n%" PRIu64, t->link.start_id,
		 news_id(env, now.mono_us));
	audit_begin(&env->news.record, e, id != NULL ? id : own, &now);
	return &env->news.record;
}

static struct audit_record *record_new(const struct session *s, enum audit_event e)
{
	return record_of(s->table, s, e, NULL);
}

/* To whom it is for, whatever AuditSourceRate says. */
static void put_all(const struct session_table *t, const struct session *s, struct audit_record *r)
{
	struct session_env *env = t->env;

	if (env->news.told)
		news_tell(s, &env->news.hook, r);
	if (env->audit != NULL)
		audit_put(env->audit, r);
}

/* Of somebody who is in, all of it; of a stranger, what AuditSourceRate allows. */
static void put(const struct session *s, struct audit_record *r)
{
	struct session_env *env = s->table->env;
	const struct source from = session_source(s);

	if (s->authenticated || env->audit == NULL) {
		put_all(s->table, s, r);
		return;
	}
	if (env->news.told)
		news_tell(s, &env->news.hook, r);
	(void)audit_put_for(env->audit, r, &from, 0);
}

/* --- whom it is about ---------------------------------------------------------------------------
 */

/* start_id is random, and a dataplane numbers its connections. */
static void conn_id(const struct session_table *t, uint64_t uid, char id[REPORT_CONN_MAX])
{
	snprintf(id, REPORT_CONN_MAX, "%016" PRIx64 "-%" PRIx64, t->link.start_id, uid);
}

void report_conn(const struct session *s, char ret[REPORT_CONN_MAX])
{
	conn_id(s->table, s->uid, ret);
}

static void zoned(struct audit_record *r, enum audit_field f, enum audit_field port,
		  const struct conf *conf, const struct link_addr *a)
{
	char text[CONF_ZONE_TEXT];

	audit_text(r, f, zoned_text(conf, a, text));
	audit_num(r, port, a->port);
}

static void sockets(struct audit_record *r, const struct conf *conf, const struct link_addr *peer,
		    const struct link_addr *local)
{
	zoned(r, AUDIT_F_FROM, AUDIT_F_FROM_PORT, conf, peer);
	zoned(r, AUDIT_F_TO, AUDIT_F_TO_PORT, conf, local);
}

static void who(struct audit_record *r, const struct session *s)
{
	char id[REPORT_CONN_MAX], from[CONF_ZONE_TEXT];

	conn_id(s->table, s->uid, id);
	audit_text(r, AUDIT_F_CONN, id);
	audit_text(r, AUDIT_F_USER, session_user(s));
	audit_text(r, AUDIT_F_FROM, session_peer_text(s, from));
	audit_num(r, AUDIT_F_FROM_PORT, s->peer.port);
}

/* By what it came in. */
static void who_and_key(struct audit_record *r, const struct session *s)
{
	who(r, s);
	audit_text(r, AUDIT_F_KEY, session_key_print(s));
}

/* --- connections --------------------------------------------------------------------------------
 */

static void refused(const struct session_table *t, uint64_t uid, const struct link_addr *peer,
		    const struct link_addr *local, const char *user, const char *why)
{
	struct session_env *env = t->env;
	const struct conf_global *g = conf_global(env->conf);
	const struct source_bits bits = {g->source_bits4, g->source_bits6};
	const struct source from = source_of(peer, &bits);
	struct audit_record *r;
	char id[REPORT_CONN_MAX];

	if (env->audit == NULL)
		return;
	r = audit_record(env->audit, AUDIT_CONN_REFUSED, NULL);
	conn_id(t, uid, id);
	audit_text(r, AUDIT_F_CONN, id);
	sockets(r, env->conf, peer, local);
	audit_text(r, AUDIT_F_USER, user);
	audit_text(r, AUDIT_F_REASON, why);
	(void)audit_put_for(env->audit, r, &from, 0);
}

void report_refused(const struct session_table *t, const struct link_conn_new *ev, const char *why)
{
	refused(t, (uint64_t)ev->uid_high << 32 | ev->uid_low, &ev->peer, &ev->local, "", why);
}

void report_turned_away(const struct session *s, const char *why)
{
	refused(s->table, s->uid, &s->peer, &s->local, session_user(s), why);
}

static struct audit_record *opened(const struct session_table *t, uint64_t uid,
				   const struct link_addr *peer, const struct link_addr *local)
{
	char conn[REPORT_CONN_MAX], id[REPORT_CONN_MAX + 2];
	struct audit_record *r;

	conn_id(t, uid, conn);
	snprintf(id, sizeof(id), "%s-o", conn);
	r = audit_record(t->env->audit, AUDIT_CONN_OPEN, id);
	audit_text(r, AUDIT_F_CONN, conn);
	sockets(r, t->env->conf, peer, local);
	return r;
}

void report_opened(struct session *s)
{
	struct source from;
	size_t more;

	s->reported = true;
	if (audit_of(s) == NULL)
		return;
	from = session_source(s);
	more = audit_wants(audit_of(s), AUDIT_CONN_CLOSE) ? CLOSE_LEN : 0;
	s->hushed = !audit_put_for(audit_of(s), opened(s->table, s->uid, &s->peer, &s->local),
				   &from, more);
}

static const char *cause_name(int cause)
{
	return cause > -SSH_E_BASE ? strerrorname_np(-cause) : ssh_err_counter(cause);
}

static void traffic(struct audit_record *r, uint64_t in, uint64_t out, uint64_t open_us,
		    uint64_t first_us, uint64_t last_us, int cause)
{
	audit_num(r, AUDIT_F_BYTES_IN, in);
	audit_num(r, AUDIT_F_BYTES_OUT, out);
	if (first_us > 0)
		audit_num(r, AUDIT_F_FIRST_US, first_us > open_us ? first_us - open_us : 0);
	if (last_us > 0)
		audit_num(r, AUDIT_F_LAST_US, last_us > open_us ? last_us - open_us : 0);
	audit_text(r, AUDIT_F_CAUSE, cause == 0 ? "closed" : cause_name(cause));
	if (cause != 0)
		audit_int(r, AUDIT_F_CODE, -(int64_t)cause);
}

static void lasted(struct audit_record *r, uint64_t open_us, uint64_t end_us)
{
	audit_num(r, AUDIT_F_END_US, end_us > open_us ? end_us - open_us : 0);
}

/* Whose decision it was; NULL: nobody's, its path has failed. */
static const char *by_whom(int cause)
{
	switch (-cause) {
	case 0:
	case SSH_E_PEER_DISCONNECT:
	case SSH_E_CLOSED:
	case SSH_E_RESET:
		return "client";
	case SSH_E_OPERATOR:
		return "operator";
	case SSH_E_TIMEOUT:
		return NULL;
	default:
		return -cause > SSH_E_BASE ? "gateway" : NULL;
	}
}

/* It began under a control before this one, which may have been killed before it could say so. */
static void opened_before(const struct session_table *t, const struct link_conn_end *ev)
{
	uint64_t uid = (uint64_t)ev->uid_high << 32 | ev->uid_low;
	struct audit_record *r = opened(t, uid, &ev->peer, &ev->local);

	audit_true(r, AUDIT_F_LATE);
	audit_put(t->env->audit, r);
}

static void of_whom(struct audit_record *r, const struct session_table *t, const struct session *s,
		    const char *conn, const struct link_conn_end *ev)
{
	if (s != NULL) {
		who_and_key(r, s);
		return;
	}
	audit_text(r, AUDIT_F_CONN, conn);
	zoned(r, AUDIT_F_FROM, AUDIT_F_FROM_PORT, t->env->conf, &ev->peer);
	audit_true(r, AUDIT_F_LATE);
}

void report_closed(const struct session_table *t, struct session *s, const struct link_conn_end *ev,
		   bool ours)
{
	char conn[REPORT_CONN_MAX], id[REPORT_CONN_MAX + 2];
	struct audit_record *r;

	if (s == NULL ? ours || t->env->audit == NULL : !s->reported)
		return;
	conn_id(t, s != NULL ? s->uid : (uint64_t)ev->uid_high << 32 | ev->uid_low, conn);
	snprintf(id, sizeof(id), "%s-c", conn);
	if (t->env->audit != NULL && ev != NULL && (s == NULL || s->kept))
		opened_before(t, ev);
	if (s != NULL)
		s->reported = false;
	r = record_of(t, s, AUDIT_CONN_CLOSE, id);
	if (r == NULL)
		return;
	of_whom(r, t, s, conn, ev);
	if (ev != NULL) {
		traffic(r, ev->bytes_in, ev->bytes_out, ev->open_us, 0, ev->last_us, ev->cause);
		lasted(r, ev->open_us, ev->end_us);
		audit_num(r, AUDIT_F_CHANNELS, ev->channels);
		audit_text(r, AUDIT_F_BY, by_whom(ev->cause));
	} else {
		audit_text(r, AUDIT_F_CAUSE, "unheard");
	}
	if (s == NULL || !s->hushed || s->authenticated)
		put_all(t, s, r);
	else if (t->env->news.told)
		news_tell(s, &t->env->news.hook, r);
}

/* --- logins -------------------------------------------------------------------------------------
 */

static void about_key(struct audit_record *r, const struct key *k)
{
	const struct cert *c = key_cert(k);
	char print[96] = "";

	(void)!key_fingerprint(k, print, sizeof(print));
	audit_text(r, AUDIT_F_KEY, print);
	audit_text(r, AUDIT_F_KEY_TYPE, key_log_type(k));
	if (c == NULL)
		return;
	audit_text(r, AUDIT_F_CERT_ID, c->key_id);
	audit_num(r, AUDIT_F_CERT_SERIAL, c->serial);
	print[0] = '\0';
	(void)!key_fingerprint(c->ca, print, sizeof(print));
	audit_text(r, AUDIT_F_CA, print);
}

static const char *why_failed(const struct session *s, const struct ssh_act_auth *auth)
{
	if (auth->bad_signature)
		return "bad signature";
	if (auth->method == 0)
		return "method not offered";
	if (s->user_judged && !s->user_valid)
		return s->awake->why_invalid != NULL ? s->awake->why_invalid : "no such user";
	return "not permitted, or not right";
}

static void key_keep(struct session *s, const struct key *k)
{
	char print[96] = "";

	if (k == NULL || key_fingerprint(k, print, sizeof(print)) < 0)
		return;
	free(s->awake->key_print);
	s->awake->key_print = strdup(print); /* without it records have none */
}

/* To whoever may ask his console by which key he came, and to programs of the operator's. */
static bool key_is_told(const struct session *s)
{
	const struct conf_session *c = &s->awake->conf;

	return audit_of(s) != NULL || conf_hook_news(session_conf(s)) || c->policy_hooks.n > 0 ||
	       c->channel_handlers.n > 0 || c->permit_session != CONF_SESSIONS_NO;
}

static struct audit_record *auth_record(struct session *s, enum audit_event e,
					const struct ssh_act_auth *auth)
{
	struct audit_record *r = record_new(s, e);

	if (r == NULL)
		return NULL;
	who(r, s);
	audit_text(r, AUDIT_F_VERSION, s->awake->version);
	audit_str(r, AUDIT_F_METHOD, auth->method_name);
	if (auth->key != NULL)
		about_key(r, auth->key);
	audit_str(r, AUDIT_F_PRINCIPAL, auth->principal);
	audit_str(r, AUDIT_F_CLIENT_HOST, auth->client_host);
	audit_str(r, AUDIT_F_CLIENT_USER, auth->client_user);
	return r;
}

void report_auth(struct session *s, const struct ssh_act_auth *auth, enum words_verdict verdict)
{
	static const enum audit_event event[] = {[WORDS_FAILED] = AUDIT_AUTH_FAIL,
						 [WORDS_PARTIAL] = AUDIT_AUTH_PARTIAL,
						 [WORDS_ACCEPTED] = AUDIT_AUTH_OK};
	struct audit_record *r;

	if (verdict == WORDS_ACCEPTED && key_is_told(s))
		key_keep(s, auth->key);
	/* A first "none" only asks what there is. */
	if (auth->method == SSH_AUTH_NONE && verdict == WORDS_FAILED)
		return;
	r = auth_record(s, event[verdict], auth);
	if (r == NULL)
		return;
	if (verdict == WORDS_FAILED)
		audit_text(r, AUDIT_F_REASON, why_failed(s, auth));
	if (verdict == WORDS_ACCEPTED)
		put_all(s->table, s, r);
	else
		put(s, r);
}

void report_try(struct session *s, const struct ssh_act_auth *auth, const char *outcome)
{
	struct audit_record *r;

	r = auth_record(s, AUDIT_AUTH_TRY, auth);
	if (r == NULL)
		return;
	audit_text(r, AUDIT_F_OUTCOME, outcome);
	put(s, r);
}

void report_signature(struct session *s, const struct ssh_act_auth *auth, bool good)
{
	struct audit_record *r;

	r = auth_record(s, AUDIT_AUTH_SIG, auth);
	if (r == NULL)
		return;
	audit_text(r, AUDIT_F_OUTCOME, good ? "good" : "bad");
	put(s, r);
}

void report_service(const struct session *s, struct ssh_str name, bool accepted)
{
	struct audit_record *r;

	r = record_new(s, AUDIT_SERVICE);
	if (r == NULL)
		return;
	who_and_key(r, s);
	audit_str(r, AUDIT_F_REQUEST, name);
	audit_text(r, AUDIT_F_OUTCOME, accepted ? "accepted" : "refused");
	put(s, r);
}

void report_kex(const struct session *s, const struct ssh_act_kex *k)
{
	struct audit_record *r;

	r = record_new(s, AUDIT_KEX);
	if (r == NULL)
		return;
	who_and_key(r, s);
	audit_text(r, AUDIT_F_METHOD, k->kex);
	audit_text(r, AUDIT_F_HOST_KEY, k->hostkey);
	audit_text(r, AUDIT_F_CIPHER_IN, k->cipher_cs);
	audit_text(r, AUDIT_F_CIPHER_OUT, k->cipher_sc);
	audit_text(r, AUDIT_F_MAC_IN, k->mac_cs);
	audit_text(r, AUDIT_F_MAC_OUT, k->mac_sc);
	if (k->strict)
		audit_true(r, AUDIT_F_STRICT);
	if (k->first)
		audit_true(r, AUDIT_F_FIRST);
	put(s, r);
}

void report_error(const struct session *s, int err)
{
	struct audit_record *r;

	r = record_new(s, AUDIT_ERROR);
	if (r == NULL)
		return;
	who_and_key(r, s);
	audit_text(r, AUDIT_F_CAUSE, cause_name(err));
	audit_int(r, AUDIT_F_CODE, -(int64_t)err);
	audit_text(r, AUDIT_F_TEXT, ssh_err_text(err));
	put(s, r);
}

void report_disconnect(const struct session *s, uint32_t reason, struct ssh_str text)
{
	struct audit_record *r;

	r = record_new(s, AUDIT_DISCONNECT);
	if (r == NULL)
		return;
	who_and_key(r, s);
	audit_num(r, AUDIT_F_CODE, reason);
	audit_str(r, AUDIT_F_TEXT, text);
	put(s, r);
}

void report_hook(const struct session *s, enum conf_hook_kind kind, const char *outcome,
		 const char *why)
{
	struct audit_record *r;

	r = record_new(s, AUDIT_HOOK);
	if (r == NULL)
		return;
	who_and_key(r, s);
	audit_text(r, AUDIT_F_KIND, conf_hook_kind_name(kind));
	audit_text(r, AUDIT_F_OUTCOME, outcome);
	if (*why != '\0')
		audit_text(r, AUDIT_F_REASON, why);
	put(s, r);
}

/* --- channels -----------------------------------------------------------------------------------
 */

static const char *type_of_listener(const struct listener *l)
{
	static const char *const type[LINK_OPENS_COUNT] = {
		[LINK_OPENS_TCPIP] = SSH_OPEN_FORWARDED,
		[LINK_OPENS_STREAMLOCAL] = SSH_OPEN_FORWARDED_STREAMLOCAL,
		[LINK_OPENS_AGENT] = SSH_OPEN_AGENT,
		[LINK_OPENS_X11] = SSH_OPEN_X11,
	};

	return type[l->opens];
}

const char *report_type(const struct session *s, uint64_t token)
{
	const struct open *o = open_find(s, token);
	const struct listener *l = o == NULL ? forward_find(s, token) : NULL;

	if (l != NULL)
		return type_of_listener(l);
	if (o == NULL) /* of a grant */
		return "direct-tcpip";
	if (o->program != NULL)
		return "session";
	if (o->own_type)
		return o->host;
	return o->port != 0 ? "direct-tcpip" : "direct-streamlocal@openssh.com";
}

static void target(struct audit_record *r, const struct session *s, uint64_t token)
{
	const struct open *o = open_find(s, token);
	struct open_target to;

	if (o != NULL)
		audit_num(r, AUDIT_F_PEER, o->peer_channel);
	if (!open_target(s, token, &to))
		return;
	audit_text(r, AUDIT_F_TYPE, report_type(s, token));
	if (o != NULL && (o->program != NULL || o->own_type))
		return;
	audit_text(r, AUDIT_F_HOST, to.host);
	if (to.port != 0)
		audit_num(r, AUDIT_F_PORT, to.port);
}

bool report_rules(const struct session *s)
{
	const struct conf *conf = s->awake != NULL ? session_conf(s) : past_conf(s->past);

	return audit_of(s) != NULL || conf_hook_news(conf);
}

char *report_rule(const struct session *s, const char *rule)
{
	return report_rules(s) ? strdup(rule) : NULL;
}

/* What allowed it, or the listener it came in by. */
static void rule_of(struct audit_record *r, const struct session *s, uint64_t token)
{
	const struct open *o = open_find(s, token);
	const struct listener *l = o == NULL ? forward_find(s, token) : NULL;

	if (o != NULL)
		audit_text(r, AUDIT_F_RULE, o->rule);
	else
		audit_text(r, AUDIT_F_RULE, l != NULL ? l->rule : grant_rule(s, token));
}

static void listener_of(struct audit_record *r, const struct session *s, uint64_t token)
{
	if (forward_find(s, token) != NULL)
		audit_num(r, AUDIT_F_LISTENER, token);
}

void report_chan_refused(const struct session *s, struct ssh_str type, const char *host,
			 uint16_t port, uint32_t reason, const char *why)
{
	struct audit_record *r;

	r = record_new(s, AUDIT_CHAN_REFUSED);
	if (r == NULL)
		return;
	who_and_key(r, s);
	audit_str(r, AUDIT_F_TYPE, type);
	audit_text(r, AUDIT_F_HOST, host);
	if (port != 0)
		audit_num(r, AUDIT_F_PORT, port);
	audit_num(r, AUDIT_F_CODE, reason);
	audit_text(r, AUDIT_F_REASON, why);
	put(s, r);
}

void report_chan_failed(const struct session *s, const struct link_chan_failed *ev)
{
	struct open_target to;

	if (open_target(s, ev->token, &to))
		report_chan_refused(
			s, ssh_str_c(report_type(s, ev->token)), to.host, to.port, ev->reason,
			ev->err > -SSH_E_BASE ? strerror(-ev->err) : ssh_err_text(ev->err));
}

void report_chan_opened(const struct session *s, const struct link_chan_ref *ev)
{
	char conn[REPORT_CONN_MAX], id[REPORT_CONN_MAX + 24];
	struct audit_record *r;

	conn_id(s->table, s->uid, conn);
	snprintf(id, sizeof(id), "%s-b%" PRIx32, conn, ev->local_channel);
	r = record_of(s->table, s, AUDIT_CHAN_OPEN, id);
	if (r == NULL)
		return;
	who_and_key(r, s);
	audit_num(r, AUDIT_F_CHANNEL, ev->local_channel);
	target(r, s, ev->token);
	audit_addr(r, AUDIT_F_ADDRESS, &ev->target);
	if (ev->target.family != 0)
		audit_num(r, AUDIT_F_ADDRESS_PORT, ev->target.port);
	rule_of(r, s, ev->token);
	listener_of(r, s, ev->token);
	put_all(s->table, s, r);
}

/* Of a connection that is over as well, with the control that may have been killed before it wrote.
 */
static void chan_opened_before(const struct session_table *t, const char *conn,
			       const struct link_chan_end *ev)
{
	char id[REPORT_CONN_MAX + 24];
	struct audit_record *r;

	snprintf(id, sizeof(id), "%s-b%" PRIx32, conn, ev->local_channel);
	r = audit_record(t->env->audit, AUDIT_CHAN_OPEN, id);
	audit_text(r, AUDIT_F_CONN, conn);
	audit_num(r, AUDIT_F_CHANNEL, ev->local_channel);
	if (ev->name_len > 0)
		audit_str(r, AUDIT_F_HOST,
			  (struct ssh_str){(const uint8_t *)(ev + 1), ev->name_len});
	if (ev->port != 0)
		audit_num(r, AUDIT_F_PORT, ev->port);
	audit_addr(r, AUDIT_F_ADDRESS, &ev->target);
	if (ev->target.family != 0)
		audit_num(r, AUDIT_F_ADDRESS_PORT, ev->target.port);
	audit_true(r, AUDIT_F_LATE);
	audit_put(t->env->audit, r);
}

/* s: NULL: a control before this one knew it. */
static void eof_put(const struct session_table *t, const struct session *s, const char *conn,
		    const struct link_chan_eof *ev, bool late)
{
	static const struct {
		const char *name;
		enum audit_field bytes;
	} way[] = {[LINK_EOF_IN] = {"in", AUDIT_F_BYTES_IN},
		   [LINK_EOF_OUT] = {"out", AUDIT_F_BYTES_OUT}};
	char id[REPORT_CONN_MAX + 24];
	struct audit_record *r;

	snprintf(id, sizeof(id), "%s-%s%" PRIx32, conn, way[ev->way].name, ev->local_channel);
	r = record_of(t, s, AUDIT_CHAN_EOF, id);
	if (r == NULL)
		return;
	if (s != NULL)
		who_and_key(r, s);
	else
		audit_text(r, AUDIT_F_CONN, conn);
	audit_num(r, AUDIT_F_CHANNEL, ev->local_channel);
	audit_text(r, AUDIT_F_DIRECTION, way[ev->way].name);
	audit_num(r, way[ev->way].bytes, ev->bytes);
	if (late)
		audit_true(r, AUDIT_F_LATE);
	put_all(t, s, r);
}

void report_chan_eof(const struct session *s, const struct link_chan_eof *ev)
{
	char conn[REPORT_CONN_MAX];

	conn_id(s->table, s->uid, conn);
	eof_put(s->table, s, conn, ev, false);
}

/* Those that were not said, or to a control that perhaps did not write them. */
static void eofs_left(const struct session_table *t, const struct session *s, const char *conn,
		      const struct link_chan_end *end, bool again)
{
	for (uint32_t way = LINK_EOF_IN; way <= LINK_EOF_OUT; way++) {
		const struct link_chan_eof ev = {.bytes = way == LINK_EOF_IN ? end->bytes_from_peer
									     : end->bytes_to_peer,
						 .local_channel = end->local_channel,
						 .way = way};

		if (end->eof[way] == LINK_EOF_UNTOLD || (again && end->eof[way] == LINK_EOF_TOLD))
			eof_put(t, s, conn, &ev, s == NULL);
	}
}

static void exited(struct audit_record *r, const struct helper_exit *how)
{
	if (how->signalled)
		audit_text(r, AUDIT_F_SIGNAL, sigabbrev_np((int)how->number));
	else if (!how->lost) /* nobody knows */
		audit_num(r, AUDIT_F_STATUS, how->number);
}

/* Of a session whose program was heard to end. */
static void program_of(struct audit_record *r, const struct session *s, uint64_t token)
{
	const struct open *o = open_find(s, token);

	if (o != NULL && o->program != NULL && o->program->finished && o->program->told)
		exited(r, &o->program->how);
}

void report_chan_closed(const struct session_table *t, const struct session *s,
			const struct link_chan_end *ev)
{
	uint64_t uid = (uint64_t)ev->uid_high << 32 | ev->uid_low;
	char conn[REPORT_CONN_MAX], id[REPORT_CONN_MAX + 24];
	bool before = s == NULL || (s->kept && open_find(s, ev->token) == NULL);
	struct audit_record *r;

	if (s == NULL && t->env->audit == NULL)
		return;
	conn_id(t, uid, conn);
	/*
	 * A channel that was over before it could be said that it is there, or that a control
	 * before this one heard of and perhaps did not write: with its id it is one record.
	 */
	if (s == NULL)
		chan_opened_before(t, conn, ev);
	else if (ev->told == 0 || before)
		report_chan_opened(s, &(struct link_chan_ref){.token = ev->token,
							      .local_channel = ev->local_channel,
							      .target = ev->target});
	eofs_left(t, s, conn, ev, before);
	snprintf(id, sizeof(id), "%s-e%" PRIu64, conn, ev->audit_id);
	r = record_of(t, s, AUDIT_CHAN_CLOSE, id);
	if (r == NULL)
		return;
	if (s != NULL)
		who_and_key(r, s);
	else
		audit_text(r, AUDIT_F_CONN, conn);
	audit_num(r, AUDIT_F_CHANNEL, ev->local_channel);
	if (s != NULL) {
		target(r, s, ev->token);
		listener_of(r, s, ev->token);
	}
	audit_addr(r, AUDIT_F_ADDRESS, &ev->target);
	if (ev->target.family != 0)
		audit_num(r, AUDIT_F_ADDRESS_PORT, ev->target.port);
	traffic(r, ev->bytes_from_peer, ev->bytes_to_peer, ev->open_us, ev->first_us, ev->last_us,
		ev->cause);
	lasted(r, ev->open_us, ev->end_us);
	if (s != NULL)
		program_of(r, s, ev->token);
	if (ev->tee != 0) {
		audit_num(r, AUDIT_F_RECORDED, ev->tee_copied);
		audit_num(r, AUDIT_F_RECORD_LOST, ev->tee_lost);
	}
	if (s == NULL)
		audit_true(r, AUDIT_F_LATE);
	put_all(t, s, r);
}

/* --- sessions and listeners ---------------------------------------------------------------------
 */

static struct audit_record *record(const struct session *s, enum audit_event e)
{
	struct audit_record *r = record_new(s, e);

	if (r != NULL)
		who_and_key(r, s);
	return r;
}

/* What a request wants to be run. */
static struct ssh_str command_of(const struct ssh_chan_request *m)
{
	enum ssh_session_request kind = ssh_session_request_find(m->type);
	struct ssh_str what = ssh_str_c("");
	int r = 0;

	if (kind == SSH_SESSION_EXEC)
		r = ssh_exec_parse(m->rest, &what);
	else if (kind == SSH_SESSION_SUBSYSTEM)
		r = ssh_subsystem_parse(m->rest, &what);
	return r == 0 ? what : ssh_str_c("");
}

void report_request(const struct session *s, const struct open *o, const struct ssh_chan_request *m,
		    bool tty, const char *outcome)
{
	struct audit_record *r;

	r = record(s, AUDIT_REQUEST);
	if (r == NULL)
		return;
	audit_num(r, AUDIT_F_CHANNEL, o->local_channel);
	audit_str(r, AUDIT_F_REQUEST, m->type);
	audit_str(r, AUDIT_F_COMMAND, command_of(m));
	if (tty)
		audit_true(r, AUDIT_F_TTY);
	audit_text(r, AUDIT_F_OUTCOME, outcome);
	put_all(s->table, s, r);
}

void report_recording(const struct session *s, const struct open *o, struct ssh_str path)
{
	struct audit_record *r;

	r = record(s, AUDIT_RECORDING);
	if (r == NULL)
		return;
	audit_num(r, AUDIT_F_CHANNEL, o->local_channel);
	audit_str(r, AUDIT_F_FILE, path);
	put_all(s->table, s, r);
}

void report_exit(const struct session *s, const struct open *o, const struct helper_exit *how)
{
	struct audit_record *r;

	r = record(s, AUDIT_EXIT);
	if (r == NULL)
		return;
	audit_num(r, AUDIT_F_CHANNEL, o->local_channel);
	exited(r, how);
	if (how->ending || how->lost)
		audit_text(r, AUDIT_F_TEXT, helper_exit_why(how));
	put_all(s->table, s, r);
}

/* A kept one's beginning is said again, and its end perhaps: with the same id it is one record. */
static struct audit_record *about_listener(const struct listener *l, enum audit_event e)
{
	const struct session *s = l->session;
	char conn[REPORT_CONN_MAX], id[REPORT_CONN_MAX + 24];
	struct audit_record *r;

	conn_id(s->table, s->uid, conn);
	snprintf(id, sizeof(id), "%s-%c%" PRIx64, conn, e == AUDIT_LISTENER_OPEN ? 'l' : 'm',
		 l->token);
	r = record_of(s->table, s, e, id);
	if (r == NULL)
		return NULL;
	who_and_key(r, s);
	audit_text(r, AUDIT_F_HOST, l->host);
	audit_num(r, AUDIT_F_PORT, l->port);
	audit_num(r, AUDIT_F_LISTENER, l->token);
	return r;
}

void report_listener_opened(const struct listener *l)
{
	struct audit_record *r = about_listener(l, AUDIT_LISTENER_OPEN);

	if (r == NULL)
		return;
	audit_text(r, AUDIT_F_RULE, l->rule);
	put_all(l->session->table, l->session, r);
}

void report_listener_closed(const struct listener *l, enum listener_end why)
{
	static const char *const cause[] = {[LISTENER_CANCELLED] = "cancelled",
					    [LISTENER_TAKEN] = "taken",
					    [LISTENER_STOPPED] = "operator",
					    [LISTENER_SESSION_OVER] = "session",
					    [LISTENER_CONNECTION_OVER] = "connection"};
	struct audit_record *r = about_listener(l, AUDIT_LISTENER_CLOSE);

	if (r == NULL)
		return;
	audit_text(r, AUDIT_F_CAUSE, cause[why]);
	put_all(l->session->table, l->session, r);
}

void report_listener_refused(const struct session *s, const char *host, uint16_t port,
			     const char *why)
{
	struct audit_record *r;

	r = record(s, AUDIT_LISTENER_REFUSED);
	if (r == NULL)
		return;
	audit_text(r, AUDIT_F_HOST, host);
	audit_num(r, AUDIT_F_PORT, port);
	audit_text(r, AUDIT_F_REASON, why);
	put_all(s->table, s, r);
}
