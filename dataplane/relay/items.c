/*
 * dataplane/relay/items.c - what control asks for, in its order. An item that cannot be
 * carried out yet (no buffer, a full ring) is kept and everything behind it waits.
 */
#include "dataplane/relay/internal.h"

#include <errno.h>
#include <string.h>

#include "crypto/secret.h"
#include "ssh/wire.h"

static int it_ident(struct conn *c, const struct link_bytes *m)
{
	struct pkt_chain chain;
	int r = pkt_chain_from(m + 1, m->len, c->relay->conf.pools->data, &chain);

	if (r < 0)
		return r;
	pkt_chain_join(&c->tx.out, &chain);
	c->ident_sent = true;
	return 0;
}

/* A request of control's that wants a reply takes its place in the one queue (RFC 4254, 4). */
static int note_global_request(struct conn *c, const uint8_t *payload, uint32_t len)
{
	struct ssh_rd r;
	bool want_reply;

	ssh_rd_init(&r, payload + 1, len - 1);
	(void)ssh_rd_str(&r);
	want_reply = ssh_rd_bool(&r);
	if (r.bad)
		return -SSH_E_INTERNAL;
	if (!want_reply)
		return 0;
	if (c->n_globals == RELAY_GLOBALS_MAX)
		return -SSH_E_KEEPALIVE; /* the peer answers none of them */
	c->globals |= UINT64_C(1) << c->n_globals++;
	return 0;
}

/* A message about a channel whose CLOSE is sealed already would be a fault of ours. */
static int note_channel_message(struct conn *c, const uint8_t *payload, uint32_t len)
{
	struct ssh_chan_request q;
	struct ssh_rd r;
	struct chan *ch;

	ssh_rd_init(&r, payload + 1, len - 1);
	ch = chan_find_peer(c, ssh_rd_u32(&r));
	if (r.bad || ch == NULL)
		return -ENOENT;
	if (payload[0] != SSH_MSG_CHANNEL_REQUEST)
		return 0;
	ssh_rd_init(&r, payload + 1, len - 1);
	if (ssh_chan_request_parse(&r, &q) < 0)
		return -SSH_E_INTERNAL;
	ch->replies_due += q.want_reply;
	return 0;
}

static int note_payload(struct conn *c, const uint8_t *payload, uint32_t len)
{
	struct ssh_rd r;

	switch (payload[0]) {
	case SSH_MSG_USERAUTH_SUCCESS:
		c->rx_wait_auth = c->phase.svc != SSH_SVC_OPEN;
		return 0;
	case SSH_MSG_GLOBAL_REQUEST:
		return note_global_request(c, payload, len);
	case SSH_MSG_CHANNEL_OPEN_FAILURE:
		ssh_rd_init(&r, payload + 1, len - 1);
		ask_decided(c, ssh_rd_u32(&r));
		return 0;
	case SSH_MSG_REQUEST_SUCCESS:
		forwards_settled(c);
		ask_replied(c);
		return 0;
	case SSH_MSG_REQUEST_FAILURE:
		ask_replied(c);
		return 0;
	case SSH_MSG_CHANNEL_REQUEST:
	case SSH_MSG_CHANNEL_SUCCESS:
	case SSH_MSG_CHANNEL_FAILURE:
		return note_channel_message(c, payload, len);
	default:
		return 0;
	}
}

static int it_payload(struct conn *c, const struct link_bytes *m)
{
	const uint8_t *payload = (const uint8_t *)(m + 1);
	struct pkt_chain chain;
	int r;

	if (m->len == 0)
		return -SSH_E_INTERNAL;
	r = pkt_chain_from(payload, m->len, c->relay->conf.pools->data, &chain);
	if (r < 0)
		return r;
	r = note_payload(c, payload, m->len);
	if (r == 0) {
		kex_said(c, payload, m->len);
		return conn_send_chain(c, &chain, payload[0]);
	}
	pkt_chain_free(&chain);
	if (r != -ENOENT)
		return r;
	relay_count(c->relay, RELAY_C_ITEMS_STALE);
	return 0;
}

static int it_chan_connect(struct conn *c, const struct link_chan_connect *m)
{
	int r;

	if (c->phase.svc != SSH_SVC_OPEN)
		return -SSH_E_INTERNAL;
	r = connect_begin(c, m, false);
	if (r == 0)
		ask_decided(c, m->peer_channel);
	return r;
}

static int it_chan_host(struct conn *c, const struct link_chan_host *m)
{
	int r;

	if (c->phase.svc != SSH_SVC_OPEN)
		return -SSH_E_INTERNAL;
	r = host_begin(c, m);
	if (r == 0)
		ask_decided(c, m->peer_channel);
	return r;
}

static int it_authenticated(struct conn *c, const struct link_authenticated *m)
{
	c->auth = *m;
	c->auth.window_size = RTE_MIN(m->window_size, (uint32_t)RELAY_WINDOW_MAX);
	c->auth.packet_max = RTE_MIN(m->packet_max, (uint32_t)RELAY_PACKET_MAX);
	c->phase.svc = SSH_SVC_OPEN;
	c->rx_wait_auth = false;
	c->rx.dir.packet_max = SSH_PACKET_MAX;
	c->tx.dir.packet_max = SSH_PACKET_MAX;
	c->last_data_us = c->relay->now_us;
	timer_unused(c);
	if (c->stream != NULL && c->relay->conf.stream_nodelay != NULL)
		c->relay->conf.stream_nodelay(c->stream, m->nagle == 0);
	conn_ttys(c, 0);
	if (m->alive_interval_ms != 0)
		c->alive_us = c->relay->now_us + (uint64_t)m->alive_interval_ms * 1000;
	return comp_authenticated(c);
}

static int it_blob(struct conn *c, const struct link_bytes *m)
{
	/* Without room for it a control that is restarted cannot go on with the connection. */
	(void)note_put(c->relay, &c->blob, m + 1, m->len);
	return 0;
}

static int it_rx_sealed(struct conn *c, const struct link_bytes *m)
{
	(void)note_put(c->relay, &c->kex_sealed_rx, m + 1, m->len);
	return 0;
}

static int it_answered(struct conn *c, const struct link_answered *m)
{
	/* What still waits here cannot have been answered. */
	uint32_t out = c->unanswered - c->up.records;

	asks_credit(c, RTE_MIN(m->payloads, out), out);
	c->unanswered -= RTE_MIN(m->payloads, out);
	c->unanswered_bytes -= RTE_MIN(m->bytes, c->unanswered_bytes);
	if (c->unanswered == 0)
		c->unanswered_bytes = 0;
	return 0;
}

static int cmd_chan_close(struct conn *c, const struct link_chan_ref *m)
{
	struct chan *ch;

	TAILQ_FOREACH(ch, &c->chans, link)
	{
		if (ch->local == m->local_channel && ch->token == m->token) {
			chan_close(ch, -ECANCELED);
			return 0;
		}
	}
	relay_count(c->relay, RELAY_C_ITEMS_STALE);
	return 0;
}

static int cmd_grant(struct conn *c, const struct link_grant *m)
{
	if (c->phase.svc != SSH_SVC_OPEN)
		return -SSH_E_INTERNAL;
	grant_take(c, m);
	return 0;
}

static void cmd_revoke(struct relay *r, const struct link_handle *h, const struct link_revoke *m)
{
	struct conn *c = h->generation != 0 ? conn_find(r, h) : NULL;

	if (h->generation == 0 || c != NULL)
		grants_revoke(r, c, m->token);
}

static int conn_item(struct conn *c, uint16_t type, const void *m)
{
	const struct link_end *end = m;

	switch (type) {
	case LINK_IT_IDENT:
		return it_ident(c, m);
	case LINK_IT_PAYLOAD:
		return it_payload(c, m);
	case LINK_IT_TX_KEYS:
		return kex_tx_keys(c, m);
	case LINK_IT_RX_KEYS:
		return kex_rx_keys(c, m);
	case LINK_IT_FIRST_KEX_STRICT:
		c->phase.strict = true;
		return 0;
	case LINK_IT_AUTHENTICATED:
		return it_authenticated(c, m);
	case LINK_IT_CAPS:
		cap_take(c, m);
		return 0;
	case LINK_IT_SHARES:
		weight_take(c, m);
		return 0;
	case LINK_IT_FLIGHT:
		debt_told(c, m);
		return 0;
	case LINK_IT_BLOB:
		return it_blob(c, m);
	case LINK_IT_RX_SEALED:
		return it_rx_sealed(c, m);
	case LINK_IT_CHAN_CONNECT:
		return it_chan_connect(c, m);
	case LINK_IT_END:
		conn_end(c, end->cause, end->linger_ms);
		return 0;
	case LINK_IT_ANSWERED:
		return it_answered(c, m);
	case LINK_IT_CHAN_HOST:
		return it_chan_host(c, m);
	case LINK_IT_CHAN_OPEN:
		return chan_open_begin(c, m);
	case LINK_IT_CHAN_FDS:
		return host_fds(c, m);
	case LINK_IT_CHAN_FINISH:
		return host_finish(c, m);
	case LINK_IT_CHAN_SIZE:
		return host_size(c, m);
	case LINK_IT_CHAN_CUT:
		return host_cut(c, m);
	case LINK_IT_CHAN_SAY:
		return chan_say_for(c, m);
	case LINK_IT_FORWARD:
		return forward_begin(c, m);
	case LINK_IT_UNFORWARD:
		forward_end(c, m);
		return 0;
	case LINK_CMD_CHAN_CLOSE:
		return cmd_chan_close(c, m);
	case LINK_CMD_TRACE:
		trace_begin(c, m);
		return 0;
	case LINK_CMD_GRANT:
		return cmd_grant(c, m);
	default:
		return 0;
	}
}

/* -EAGAIN: it must be carried out again. */
static int item(struct relay *r, const struct link_hdr *hdr)
{
	const struct link_audit_ack *ack = link_msg_body(hdr);
	const struct link_listen *listen = link_msg_body(hdr);
	struct conn *c;
	int err;

	switch (hdr->type) {
	case LINK_CMD_LISTEN:
	case LINK_CMD_CONNS:
		if (hdr->type == LINK_CMD_LISTEN && !listen->close)
			r->backlog = listen->backlog;
		if (r->conf.command != NULL)
			r->conf.command(r->conf.command_arg, hdr);
		return 0;
	case LINK_CMD_AUDIT_ACK:
		audit_ack(r, ack->audit_id);
		return 0;
	case LINK_CMD_REVOKE:
		cmd_revoke(r, &hdr->conn, link_msg_body(hdr));
		return 0;
	case LINK_CMD_LOOK:
		return look_tell(r, hdr) == -EAGAIN ? -EAGAIN : 0;
	default:
		break;
	}
	c = conn_find(r, &hdr->conn);
	if (c != NULL)
		conn_note_links(c);
	if (c == NULL || c->state != CONN_OPEN) {
		relay_count(r, RELAY_C_ITEMS_STALE);
		return 0;
	}
	conn_activate(c);
	err = conn_item(c, hdr->type, link_msg_body(hdr));
	if (err == -ENOMEM)
		conn_short(c, err);
	if (err == -ENOMEM || err == -EAGAIN)
		return -EAGAIN;
	if (err < 0)
		conn_fail(c, err);
	return 0;
}

static bool holds_keys(const struct link_hdr *hdr)
{
	return hdr->type == LINK_IT_TX_KEYS || hdr->type == LINK_IT_RX_KEYS;
}

unsigned int items_run(struct relay *r)
{
	const struct link_hdr *hdr = (const struct link_hdr *)r->msg;
	unsigned int n;

	for (n = 0; n < RELAY_ITEMS_TURN; n++) {
		if (r->msg_len == 0) {
			int len = r->conf.link.recv(r->conf.link.arg, r->msg, LINK_MSG_MAX);

			if (len <= 0)
				break;
			/* The shard detaches a peer that says nonsense; here it is passed over. */
			if (link_msg_check(r->msg, (size_t)len) < 0 || link_type_is_up(hdr->type))
				continue;
			r->msg_len = (size_t)len;
		}
		if (item(r, hdr) == -EAGAIN) {
			r->retry = true;
			break;
		}
		if (holds_keys(hdr))
			secret_wipe(r->msg, r->msg_len);
		r->msg_len = 0;
	}
	return n;
}
