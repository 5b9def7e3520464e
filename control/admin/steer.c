/* control/admin/steer.c - see steer.h. */
#include "control/admin/steer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/audit/audit.h"
#include "control/log.h"
#include "control/reload.h"
#include "control/session/review.h"
#include "crypto/base64.h"

#define GRACE_MAX_S (7 * 86400)
#define TOUCHED_SHOWN 1000 /* connections that a reload would change; the others are counted */
#define REASON_MAX  LINK_TEXT_MAX

/* All of its words: what was to be done, to whom. */
static void asked(const struct answer *a, char *buf, size_t size)
{
	size_t n = 0;

	*buf = '\0';
	for (unsigned int i = 0; i < a->request.n && n < size; i++)
		n += (size_t)snprintf(buf + n, size - n, "%s%s", i > 0 ? " " : "",
				      request_word(&a->request, i));
}

static void record(const struct answer *a, const char *text)
{
	char request[REQUEST_LINE_MAX];
	struct audit_record *r;

	if (a->caller.audit == NULL)
		return;
	asked(a, request, sizeof(request));
	r = audit_record(a->caller.audit, AUDIT_OPERATOR, NULL);
	audit_num(r, AUDIT_F_OPERATOR, a->caller.uid);
	audit_text(r, AUDIT_F_REQUEST, request);
	audit_text(r, AUDIT_F_TEXT, text);
	audit_put(a->caller.audit, r);
}

void steer_said(const struct answer *a, const char *fmt, ...)
{
	char text[LOG_LINE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_line(LOG_L_INFO, "operator uid %u pid %d: %s: %s", (unsigned int)a->caller.uid,
		 (int)a->caller.pid, request_word(&a->request, 0), text);
	record(a, text);
}

/* Of one that waits. */
static int nothing_yet(struct answer *a, const struct admin_env *env, struct answer_text *out)
{
	(void)a;
	(void)env;
	(void)out;
	return 0;
}

/* --- disconnect, rekey: connections by number or filter -----------------------------------------
 */

/* A number, all, filters; of disconnect also a reason behind them. */
static int whom(struct answer *a)
{
	const struct request *q = &a->request;
	const char *one = request_word(q, 1);
	unsigned int n = q->n;
	struct request rest = *q;

	a->reason = NULL;
	if (strncmp(request_word(q, n - 1), "reason=", 7) == 0) {
		a->reason = request_word(q, n - 1) + 7;
		rest.n = --n;
	}
	a->filter = (struct request_filter){0};
	if (n == 2 && strcmp(one, "all") == 0)
		return 0;
	if (n == 2 && request_number(one, strlen(one), INT64_MAX, &a->filter.uid)) {
		a->filter.has_uid = true;
		return 0;
	}
	if (n < 2 || request_filter(&rest, 1, &a->filter) < 0)
		return -EINVAL;
	/* Views of the words of the request that stays. */
	if (a->filter.user != NULL)
		a->filter.user = q->text + (a->filter.user - rest.text);
	return 0;
}

static bool disconnect_one(struct answer *a, const struct session_view *v)
{
	return session_disconnect(v->session, a->reason) == 0;
}

static bool rekey_one(struct answer *a, const struct session_view *v)
{
	(void)a;
	return session_rekey(v->session) == 0;
}

static int count_tell(struct answer *a, struct answer_text *out)
{
	const char *name = request_word(&a->request, 0);
	uint64_t n = a->next;

	a->more = NULL;
	if (n == 0)
		return answer_error("there is no such connection", out);
	steer_said(a, "%llu connections", (unsigned long long)n);
	return answer_text_line(out, json_pack("{s:i, s:s, s:o}", "v", ANSWER_VERSION, "did", name,
					       "connections", admin_count(n)));
}

static int walk(struct answer *a, const struct admin_env *env, struct answer_text *out)
{
	unsigned int looked = 0;
	struct session_view v;
	int r;

	while ((r = answer_next_session(a, env, &looked, &v)) == 0)
		a->next += a->act(a, &v);
	return r == -ENOENT ? count_tell(a, out) : 0;
}

static int walk_begin(struct answer *a, struct answer_text *out,
		      bool (*act)(struct answer *a, const struct session_view *v))
{
	if (whom(a) < 0)
		return answer_error("which: a number, all, user=NAME, address=ADDRESS[/BITS], "
				    "conn=NUMBER",
				    out);
	if (a->reason != NULL && strlen(a->reason) > REASON_MAX)
		return answer_error("a reason has 255 bytes at most", out);
	a->act = act;
	a->more = walk;
	return 0;
}

static int disconnect(struct answer *a, const struct admin_env *env, struct answer_text *out)
{
	(void)env;
	return walk_begin(a, out, disconnect_one);
}

static int rekey(struct answer *a, const struct admin_env *env, struct answer_text *out)
{
	(void)env;
	return walk_begin(a, out, rekey_one);
}

/* --- close
 * ---------------------------------------------------------------------------------------- */

static int closed_tell(struct answer *a, struct answer_text *out, const char *what)
{
	uint64_t n = a->next;

	answer_over(a);
	if (n == 0)
		return answer_error("there is no such channel or listener", out);
	steer_said(a, "%s %s", what, request_word(&a->request, 1));
	return answer_text_line(out, json_pack("{s:i, s:s, s:o}", "v", ANSWER_VERSION, "did",
					       "close", what, admin_count(n)));
}

static int close_one(struct answer *a, const struct look_view *v, const struct link_look_chan *c)
{
	if (c->local_channel != a->number)
		return 0;
	session_close_channel(v->conn.session, c->token, c->local_channel);
	a->closed++;
	return 0;
}

static int close_channel(struct answer *a, const struct admin_env *env, struct answer_text *out)
{
	int r = a->closed == 0 ? look_more(a, env) : -ENOENT;

	if (r != -ENOENT)
		return r;
	a->next = a->closed;
	return closed_tell(a, out, "channels");
}

static int close_listeners(struct answer *a, const struct admin_env *env, struct answer_text *out)
{
	unsigned int looked = 0;
	struct session_view v;
	int r;

	while ((r = answer_next_session(a, env, &looked, &v)) == 0)
		a->next += session_close_listeners(v.session, (uint16_t)a->number);
	return r == -ENOENT ? closed_tell(a, out, "listeners") : 0;
}

/* UID.NUMBER is a channel, UID:PORT listeners. */
static int close_begin(struct answer *a, const struct admin_env *env, struct answer_text *out)
{
	const char *name = request_word(&a->request, 1);
	size_t at = strcspn(name, ".:");
	bool listener = name[at] == ':';

	(void)env;
	a->filter = (struct request_filter){.has_uid = true};
	a->closed = 0;
	if (name[at] == '\0' || !request_number(name, at, INT64_MAX, &a->filter.uid) ||
	    !request_number(name + at + 1, strlen(name + at + 1),
			    listener ? UINT16_MAX : UINT32_MAX, &a->number))
		return answer_error("a channel is CONN.NUMBER, a listener CONN:PORT", out);
	a->each = close_one;
	a->more = listener ? close_listeners : close_channel;
	return 0;
}

/* --- open: a channel of ours, for a program
 * ------------------------------------------------------------------------------------------- */

static void open_over(struct ours_ask *o, int err, uint32_t number)
{
	struct answer *a = (struct answer *)(void *)((char *)o - offsetof(struct answer, opens));
	uint64_t uid = a->filter.uid;
	char text[64];

	snprintf(text, sizeof(text), "the client refused it, with reason %u", number);
	if (err == 0) {
		steer_said(a, "channel %llu.%u", (unsigned long long)uid, number);
		a->failed = answer_text_line(
			a->out, json_pack("{s:i, s:s, s:o}", "v", ANSWER_VERSION, "did", "open",
					  "channel",
					  json_sprintf("%llu.%u", (unsigned long long)uid, number)));
	} else {
		a->failed = answer_error(err == -ECONNREFUSED ? text
					 : err == -ETIMEDOUT  ? "the client did not answer"
					 : err == -ECONNRESET ? "the connection is over"
							      : "there are too many channels",
					 a->out);
	}
	answer_over(a);
	a->wake(a);
}

/* What is particular to the type, in base64 behind raw=. */
static int raw_of(const struct answer *a, uint8_t buf[OURS_RAW_MAX], struct ssh_str *ret)
{
	const char *word = request_word(&a->request, 4);
	size_t len = 0;

	if (*word != '\0' &&
	    (strncmp(word, "raw=", 4) != 0 ||
	     base64_decode(word + 4, strlen(word + 4), buf, OURS_RAW_MAX, &len) < 0))
		return -EINVAL;
	*ret = (struct ssh_str){buf, (uint32_t)len};
	return 0;
}

static const char *open_one(struct answer *a, const struct session_view *v)
{
	uint8_t buf[OURS_RAW_MAX];
	struct ssh_str raw;
	int r = raw_of(a, buf, &raw);

	a->opens.done = open_over;
	if (r == 0)
		r = ours_begin(v->session, request_word(&a->request, 2),
			       request_word(&a->request, 3), raw, &a->opens);
	switch (r) {
	case 0:
		return NULL;
	case -EINVAL:
		return "a type, the path of a socket, raw=BASE64";
	case -EUSERS:
		return "it has MaxChannelsPerConnection";
	case -ENOENT:
		return "it is not logged in, or over";
	default:
		return strerror(-r);
	}
}

static int open_walk(struct answer *a, const struct admin_env *env, struct answer_text *out)
{
	unsigned int looked = 0;
	struct session_view v;
	const char *why = "there is no such connection";
	int r = answer_next_session(a, env, &looked, &v);

	if (r < 0 && r != -ENOENT)
		return 0;
	a->more = NULL;
	if (r == 0)
		why = open_one(a, &v);
	if (why != NULL)
		return answer_error(why, out);
	a->more = nothing_yet;
	a->waits = true;
	return 0;
}

static int open_begin(struct answer *a, const struct admin_env *env, struct answer_text *out)
{
	const char *conn = request_word(&a->request, 1);

	(void)env;
	a->filter = (struct request_filter){.has_uid = true};
	if (!request_number(conn, strlen(conn), INT64_MAX, &a->filter.uid))
		return answer_error("a connection is a number", out);
	a->more = open_walk;
	return 0;
}

/* --- the gateway
 * ------------------------------------------------------------------------------------ */

static int state_tell(struct answer *a, const struct admin_env *env, struct answer_text *out)
{
	return answer_text_line(out, json_pack("{s:i, s:s, s:b, s:I}", "v", ANSWER_VERSION, "did",
					       request_word(&a->request, 0), "draining",
					       (int)env->sessions->draining, "connections",
					       (json_int_t)env->sessions->stats.connections));
}

static int drain(struct answer *a, const struct admin_env *env, struct answer_text *out)
{
	bool on = strcmp(request_word(&a->request, 0), "undrain") != 0; /* shutdown drains */

	env->sessions->draining = on;
	for (unsigned int i = 0; i < env->n_peers; i++)
		linkpeer_drain(env->peers[i], on);
	steer_said(a, "%u connections live", env->sessions->stats.connections);
	return state_tell(a, env, out);
}

static int shut_down(struct answer *a, const struct admin_env *env, struct answer_text *out)
{
	const char *word = request_word(&a->request, 1);
	uint64_t seconds = 0;
	int r;

	if (a->request.n > 1 && !request_number(word, strlen(word), GRACE_MAX_S, &seconds))
		return answer_error("a grace is seconds, a week at most", out);
	if (env->shut_down == NULL)
		return answer_error("it cannot be shut down from here", out);
	r = drain(a, env, out);
	if (r == 0)
		env->shut_down(env->owner, seconds * 1000);
	return r;
}

/* --- reload
 * ------------------------------------------------------------------------------------------ */

static void differs(void *arg, const struct conf_keyword_info *kw)
{
	static const char *const when[] = {
		[CONF_WHEN_NEXT] = "now",
		[CONF_WHEN_SIGNER] = "sluice-signer -r",
		[CONF_WHEN_CONTROL] = "start of sluice-control",
		[CONF_WHEN_DATAPLANE] = "start of sluice-dataplane, then sluice-control"};

	(void)json_array_append_new(arg, json_pack("{s:s, s:s}", "keyword", kw->name, "from",
						   when[conf_keyword_when(kw)]));
}

static void reload_judged(struct reload_wish *w, struct conf *was, struct conf *is,
			  struct revoked_lists **lists)
{
	struct answer *a = w->arg;

	a->sums = json_array();
	if (a->sums == NULL || conf_diff(was, is, differs, a->sums) < 0)
		a->failed = -ENOMEM;
	a->conns = conf_dataplane(is)->max_connections;
	a->conns_room = session_conns_room(w->of->env);
	if (!w->dry)
		return;
	a->then = conf_get(is);
	a->then_lists = *lists;
	*lists = NULL;
}

#define CONN_BYTES 2339 /* at rest, of the dataplane and control (docs/performance.md) */

/* Tables are made at the start and filled as connections come: what larger ones would take. */
static json_t *reload_note(const struct answer *a)
{
	if (a->conns <= a->conns_room)
		return json_null();
	return json_sprintf("MaxConnections is %" PRIu32 " (%" PRIu64
			    " MiB when all are there) until "
			    "sluice-dataplane starts again with %" PRIu32 " (%" PRIu64 " MiB)",
			    a->conns_room, (uint64_t)a->conns_room * CONN_BYTES >> 20, a->conns,
			    (uint64_t)a->conns * CONN_BYTES >> 20);
}

static int reload_tell(struct answer *a, bool dry, struct answer_text *out)
{
	int r;

	steer_said(a, "%zu keywords differ%s", json_array_size(a->sums),
		   dry ? ", nothing was changed" : "");
	r = answer_text_line(out, json_pack("{s:i, s:s, s:b, s:O, s:O, s:o, s:o, s:O, s:o, s:o}", "v",
					    ANSWER_VERSION, "did", "reload", "dry_run", (int)dry,
					    "differs", a->sums, "cuts", a->cuts, "cuts_all",
					    admin_count(a->n_cuts), "cuts_unknown",
					    admin_count(a->n_cuts_unknown), "rates", a->rates,
					    "rates_all", admin_count(a->n_rates), "note", reload_note(a)));
	answer_over(a);
	return r;
}

static int touched_add(json_t *to, const struct session_view *v)
{
	return json_array_append_new(to,
				     json_pack("{s:I, s:o, s:s}", "uid", (json_int_t)v->uid, "user",
					       admin_text(v->user), "source", v->source)) < 0
		       ? -ENOMEM
		       : 0;
}

static int touched_note(struct answer *a, const struct session_view *v)
{
	enum review_change change;

	a->n_cuts_unknown += review_would(v->session, a->then, a->then_lists, &change) == -EAGAIN;
	if (change == REVIEW_GOES && a->n_cuts++ < TOUCHED_SHOWN)
		return touched_add(a->cuts, v);
	if (change == REVIEW_RATES && a->n_rates++ < TOUCHED_SHOWN)
		return touched_add(a->rates, v);
	return 0;
}

/* Whom the file would make go (EndRevokedSessions) or give other rates, before it does. */
static int touched_walk(struct answer *a, const struct admin_env *env, struct answer_text *out)
{
	unsigned int looked = 0;
	struct session_view v;
	int r;

	while ((r = answer_next_session(a, env, &looked, &v)) == 0) {
		if (v.user != NULL && touched_note(a, &v) < 0)
			return -ENOMEM;
	}
	return r == -ENOENT ? reload_tell(a, true, out) : 0;
}

static void reload_over(struct reload_wish *w, int err, const char *errors)
{
	struct answer *a = w->arg;
	char text[LOG_LINE_MAX];

	a->waits = false;
	a->more = NULL;
	a->wishes = false;
	if (err < 0) {
		snprintf(text, sizeof(text), "not taken: %.*s",
			 (int)(errors != NULL ? strcspn(errors, "\n") : strlen(strerror(-err))),
			 errors != NULL ? errors : strerror(-err));
		log_escape(text, strlen(text), w->text, sizeof(w->text));
		a->failed = answer_error(w->text, a->out);
		answer_over(a);
	} else if (a->failed == 0 && w->dry) {
		a->filter = (struct request_filter){0};
		a->more = touched_walk;
	} else if (a->failed == 0) {
		a->failed = reload_tell(a, false, a->out);
	}
	a->wake(a);
}

static int reload(struct answer *a, const struct admin_env *env, struct answer_text *out)
{
	const char *how = request_word(&a->request, 1);

	if (a->request.n > 1 && strcmp(how, "dry-run") != 0)
		return answer_error("reload, or reload dry-run", out);
	if (env->reload == NULL)
		return answer_error("it cannot be reloaded from here", out);
	a->cuts = json_array();
	a->rates = json_array();
	a->n_cuts = a->n_cuts_unknown = a->n_rates = 0;
	a->wish = (struct reload_wish){
		.judged = reload_judged, .over = reload_over, .arg = a, .dry = a->request.n > 1};
	if (reload_ask(env->reload, &a->wish) < 0)
		return answer_error("it is being reloaded: ask again", out);
	a->wishes = a->waits = true;
	a->more = nothing_yet;
	return 0;
}

/* ------------------------------------------------------------------------------------------------------
 */

static const struct steer_request requests[] = {
	{"disconnect", "disconnect NUMBER|FILTER...|all [reason=TEXT]", 2, 6, disconnect},
	{"close", "close CONN.NUMBER|CONN:PORT", 2, 2, close_begin},
	{"open", "open CONN TYPE SOCKET [raw=BASE64]", 4, 5, open_begin},
	{"rekey", "rekey NUMBER|FILTER...|all", 2, 5, rekey},
	{"trace", "trace NUMBER SECONDS MESSAGES", 4, 4, steer_trace},
	{"drain", "drain", 1, 1, drain},
	{"undrain", "undrain", 1, 1, drain},
	{"shutdown", "shutdown [SECONDS]", 1, 2, shut_down},
	{"reload", "reload [dry-run]", 1, 2, reload},
};

const struct steer_request *steer_at(size_t i)
{
	return i < sizeof(requests) / sizeof(requests[0]) ? &requests[i] : NULL;
}
