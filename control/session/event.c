/*
 * control/session/event.c - what shards say of their connections.
 */
#include <errno.h>
#include <string.h>

#include "control/audit/words.h"
#include "control/session/internal.h"
#include "control/session/look.h"
#include "control/session/report.h"
#include "ssh/trans_msg.h"

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

/* A program's channel of a control before this one: how it ended only that one could have heard. */
static void stray_finish(struct session_table *t, const struct link_handle *conn,
			 const struct link_chan_ref *ev)
{
	const struct link_chan_ref m = {.token = ev->token};
	struct link_hdr hdr = {
		.len = sizeof(hdr) + sizeof(m), .type = LINK_IT_CHAN_FINISH, .conn = *conn};

	t->link.send(t->link.arg, &hdr, sizeof(hdr), &m, sizeof(m));
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
	if (t->first_uid == 0)
		t->first_uid = (uint64_t)ev->uid_high << 32 | ev->uid_low;
	s = t->by_index[conn->index];
	if (s != NULL && s->ref.conn.generation == conn->generation)
		return -EBADMSG; /* one connection begins once */
	if (s != NULL)
		end_unheard(s);
	if (!door_enter(t, ev)) {
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
	gate_connection(s);
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
	char host[LINK_HOST_MAX + 1];
	struct open_target to;

	memcpy(host, ev + 1, ev->name_len);
	host[ev->name_len] = '\0';
	of.host = host;
	of.target_port = ev->port;
	/* What was opened without a name is known by its token. */
	if (ev->name_len == 0 && s != NULL && open_target(s, ev->token, &to)) {
		of.host = to.host;
		of.target_port = to.port;
	}
	audit_log_chan(&of, ev);
	report_chan_closed(t, s, ev);
	if (s != NULL) {
		open_ended(s, ev);
		forward_session_tidy(s);
	}
	if (ev->audit_id > t->audit_seen)
		t->audit_seen = ev->audit_id;
}

static uint64_t uid_of(const struct link_conn_end *ev)
{
	return (uint64_t)ev->uid_high << 32 | ev->uid_low;
}

static void conn_end(struct session_table *t, struct session *s, const struct link_conn_end *ev)
{
	char from[CONF_ZONE_TEXT];
	struct audit_subject of = subject_of(s, from);

	if (s != NULL) {
		gate_drop(s);
		words_end(s, ev->cause);
		door_leave(s, ev->cause);
	}
	/* Of one that was refused all is said. */
	if (s != NULL || ev->authenticated)
		audit_log_conn(&of, ev);
	report_closed(t, s, ev, s == NULL && uid_of(ev) >= t->first_uid && t->first_uid != 0);
	if (s != NULL)
		session_free(s);
	if (ev->audit_id > t->audit_seen)
		t->audit_seen = ev->audit_id;
}

static int payload(struct session *s, const struct link_payload *ev)
{
	int r;

	if (!session_awaken(s))
		return 0;
	if (!s->authenticated)
		s->awake->heard_ms = s->table->env->now_ms();
	r = session_inbox_push(s, ev);
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
	ssh_brain_hold(s->awake->brain); /* which host keys it is offered may be said */
	if (ssh_brain_ident(s->awake->brain, line, len) < 0)
		return;
	r = rules_version_known(s, line, len);
	if (r < 0 || s->awake->conf.refuse_connection)
		gate_offer(s);
	if (r < 0)
		session_end(s, r, NULL);
	else if (s->awake->conf.refuse_connection)
		login_refuse(s, "RefuseConnection");
	else if (door_ident(s, line, len))
		gate_established(s);
}

static int event_of(struct session *s, const struct link_hdr *h, const void *body)
{
	const struct link_bytes *bytes = body;

	switch (h->type) {
	case LINK_EV_IDENT:
		if (session_awaken(s))
			ident(s, (const uint8_t *)(bytes + 1), bytes->len);
		break;
	case LINK_EV_PAYLOAD:
		return payload(s, body);
	case LINK_EV_REKEY_DUE:
		if (session_awaken(s))
			(void)ssh_brain_rekey(s->awake->brain);
		break;
	case LINK_EV_CHAN_OPENED:
		open_opened(s, body);
		report_chan_opened(s, body);
		forward_bound(s, body);
		break;
	case LINK_EV_CHAN_FAILED:
		report_chan_failed(s, body);
		open_failed(s, body);
		break;
	case LINK_EV_CHAN_EOF:
		report_chan_eof(s, body);
		return 0;
	case LINK_EV_CHAN_DRAINED:
		open_drained(s, body);
		break;
	case LINK_EV_CHAN_UNSAID:
		open_unsaid(s, body);
		break;
	case LINK_EV_FORWARD:
		forward_result(s, body);
		break;
	case LINK_EV_FORWARD_KEPT:
		forward_kept(s, body);
		break;
	case LINK_EV_CHAN_KEPT:
		kept_chan(s, body);
		break;
	case LINK_EV_KEX_KEPT:
		kept_kex(s, body);
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
	struct session *s = session_table_find(t, &h->conn);

	switch (h->type) {
	case LINK_EV_CONN_NEW:
		return conn_new(t, &h->conn, body);
	case LINK_EV_CHAN_END:
		chan_end(t, s, body);
		return 0;
	case LINK_EV_CONN_END:
		conn_end(t, s, body);
		return 0;
	case LINK_EV_CONN_KEPT:
		return kept_conn(t, &h->conn, body);
	case LINK_EV_CONN_FULL:
		door_full(t, body);
		return 0;
	case LINK_EV_LOOK:
		look_came(t, body);
		return 0;
	case LINK_EV_PAYLOAD:
	case LINK_EV_REKEY_DUE:
		if (s == NULL) {
			forgotten(t, &h->conn);
			return 0;
		}
		break;
	case LINK_EV_CHAN_DRAINED:
		if (s == NULL)
			stray_finish(t, &h->conn, body);
		break;
	default:
		break;
	}
	return s != NULL ? event_of(s, h, body) : 0;
}
