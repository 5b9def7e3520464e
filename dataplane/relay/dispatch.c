/*
 * dataplane/relay/dispatch.c - what a client sends: settled here, or handed to control.
 *
 * A message that must wait (control has enough unanswered) stays at the head of the opened
 * ones, and with it everything behind it. Checks come before changes: what returns
 * -EAGAIN has changed nothing.
 */
#include "dataplane/relay/internal.h"

#include <errno.h>

#include "ssh/wire.h"

#define HEAD_MAX 16 /* of any message that is settled here, but PING's data */

/* A message under judgement: still queued, its first bytes read. */
struct msg {
	const struct pkt_chain *chain;
	uint32_t seqnr;
	uint8_t type;
	uint8_t head[HEAD_MAX];
	uint32_t head_len;
};

/* Takes the message off the queue. */
static struct pkt_chain take(struct conn *c)
{
	struct pkt_chain chain;

	record_rx_pop(&c->rx, &chain);
	return chain;
}

static int drop(struct conn *c)
{
	struct pkt_chain chain = take(c);

	pkt_chain_free(&chain);
	return 0;
}

static int to_control(struct conn *c, const struct msg *m)
{
	struct pkt_chain chain;

	if (m->chain->len > LINK_PAYLOAD_MAX)
		return -SSH_E_LENGTH;
	if (!up_may(c, m->chain->len)) {
		if (!c->slow_stopped)
			relay_count(c->relay, RELAY_C_SLOW_PATH_STOPPED);
		c->slow_stopped = true;
		return -EAGAIN;
	}
	c->slow_stopped = false;
	chain = take(c);
	up_payload(c, m->seqnr, &chain);
	kex_received(c, m->type);
	return 0;
}

/* The reader behind the message number; for messages that fit the head. */
static struct ssh_rd body(const struct msg *m)
{
	struct ssh_rd r;

	ssh_rd_init(&r, m->head + 1, m->head_len - 1);
	if (m->chain->len > m->head_len)
		r.bad = true;
	return r;
}

static int on_data(struct conn *c, const struct msg *m)
{
	struct ssh_chan_data d;
	struct pkt_chain chain;
	struct chan *ch;
	uint32_t head_len;
	int r;

	r = ssh_chan_data_head_parse(m->head, m->head_len, m->chain->len, &d, &head_len);
	if (r < 0)
		return r;
	ch = chan_find(c, d.recipient_channel);
	if (ch == NULL)
		return -SSH_E_CHANNEL;
	chain = take(c);
	return chan_data(ch, &d, head_len, &chain);
}

static int on_adjust(struct conn *c, const struct msg *m)
{
	struct ssh_rd r = body(m);
	uint32_t channel, n;
	struct chan *ch;
	int err = ssh_chan_adjust_parse(&r, &channel, &n);

	if (err < 0)
		return err;
	drop(c);
	ch = chan_find(c, channel);
	if (ch == NULL || ch->fsm.state == SSH_CHAN_CLOSED) { /* it may have crossed our CLOSE */
		relay_count(c->relay, RELAY_C_ADJUST_GONE);
		return 0;
	}
	return chan_adjust(ch, n);
}

static int on_eof_or_close(struct conn *c, const struct msg *m)
{
	struct ssh_rd r = body(m);
	uint32_t channel;
	struct chan *ch;
	int err = ssh_chan_simple_parse(&r, &channel);

	if (err < 0)
		return err;
	ch = chan_find(c, channel);
	if (ch == NULL)
		return -SSH_E_CHANNEL;
	drop(c);
	return m->type == SSH_MSG_CHANNEL_EOF ? chan_peer_eof(ch) : chan_peer_close(ch);
}

/* Of a target that control has allowed already; any other is asked for. */
static int on_open(struct conn *c, const struct msg *m)
{
	struct link_chan_connect to;
	int r;

	if (!grant_find(c, m->chain, &to))
		return to_control(c, m);
	r = connect_begin(c, &to, true);
	if (r == -EAGAIN) /* the ring that takes the news of a refusal is full */
		conn_short(c, r);
	if (r < 0)
		return r;
	relay_count(c->relay, RELAY_C_GRANTED);
	return drop(c);
}

/* The answers to opens of ours, once each (S-18): is it one? */
static int asked_for(struct conn *c, const struct msg *m)
{
	struct ssh_rd r;
	uint32_t channel;

	ssh_rd_init(&r, m->head + 1, m->head_len - 1);
	channel = ssh_rd_u32(&r);
	if (r.bad)
		return -SSH_E_FORMAT;
	return forward_awaits(c, channel) ? 0 : -SSH_E_CHANNEL;
}

static int on_confirmation(struct conn *c, const struct msg *m)
{
	struct ssh_chan_confirm confirm;
	uint8_t buf[1 + 4 * 4]; /* what the type may say behind it is nothing here */
	struct ssh_rd r;
	int err = asked_for(c, m);

	if (err < 0)
		return err;
	if (!pkt_chain_read(m->chain, 0, buf, sizeof(buf)))
		return -SSH_E_FORMAT;
	ssh_rd_init(&r, buf + 1, sizeof(buf) - 1);
	err = ssh_chan_confirm_parse(&r, &confirm);
	if (err == 0)
		err = forward_confirmed(c, &confirm);
	return err < 0 ? err : drop(c);
}

static int on_open_failure(struct conn *c, const struct msg *m)
{
	struct ssh_rd r;
	uint32_t channel, reason;
	int err = asked_for(c, m);

	if (err < 0)
		return err;
	ssh_rd_init(&r, m->head + 1, m->head_len - 1);
	channel = ssh_rd_u32(&r);
	reason = ssh_rd_u32(&r);
	if (r.bad) /* its text is nobody's here */
		return -SSH_E_FORMAT;
	err = forward_refused(c, channel, reason);
	return err < 0 ? err : drop(c);
}

/* A channel to a target understands none (RFC 4254 section 5.4). */
static int refuse_request(struct conn *c, const struct msg *m, const struct chan *ch)
{
	uint8_t buf[1 + 4 + 4 + SSH_TYPE_MAX + 1];
	uint32_t n = RTE_MIN(m->chain->len, (uint32_t)sizeof(buf));
	bool want_reply;
	struct ssh_rd r;
	int err = 0;

	pkt_chain_read(m->chain, 0, buf, n);
	ssh_rd_init(&r, buf + 1, n - 1);
	(void)ssh_rd_u32(&r);
	(void)ssh_rd_str(&r);
	want_reply = ssh_rd_bool(&r);
	if (r.bad)
		return -SSH_E_FORMAT;
	if (want_reply)
		err = chan_say(ch, SSH_MSG_CHANNEL_FAILURE);
	return err < 0 ? err : drop(c);
}

/*
 * CHANNEL_REQUEST and its answers: control's, once the channel may say such things, but for
 * channels it was not asked for.
 */
static int on_request(struct conn *c, const struct msg *m)
{
	struct ssh_rd r;
	uint32_t channel;
	enum ssh_chan_act act;
	struct chan *ch;
	int err;

	ssh_rd_init(&r, m->head + 1, m->head_len - 1);
	channel = ssh_rd_u32(&r);
	if (r.bad)
		return -SSH_E_FORMAT;
	ch = chan_find(c, channel);
	if (ch == NULL)
		return -SSH_E_CHANNEL;
	err = ssh_chan_step(&ch->fsm, SSH_CHAN_EV_PEER_REQUEST, &act);
	if (err < 0)
		return err;
	if (act != SSH_CHAN_ACT_DELIVER)
		return drop(c);
	if (m->type == SSH_MSG_CHANNEL_REQUEST)
		return ch->granted ? refuse_request(c, m, ch) : to_control(c, m);
	if (ch->replies_due == 0) {
		relay_count(c->relay, RELAY_C_REPLIES_UNASKED);
		return drop(c);
	}
	err = to_control(c, m);
	ch->replies_due -= err == 0;
	return err;
}

/* RFC 4254 section 4: replies come in the order of the requests (S-16). */
static int on_global_reply(struct conn *c, const struct msg *m)
{
	int r;

	if (c->n_globals == 0) {
		relay_count(c->relay, RELAY_C_REPLIES_UNASKED);
		return drop(c);
	}
	r = c->globals & 1 ? to_control(c, m) : drop(c);
	if (r == 0) {
		c->globals >>= 1;
		c->n_globals--;
	}
	return r;
}

/* OpenSSH PROTOCOL section 1.9: PONG carries the string of the PING, in the very mbufs. */
static int on_ping(struct conn *c, const struct msg *m)
{
	struct pkt_chain chain;
	struct ssh_rd r;
	uint32_t len;

	ssh_rd_init(&r, m->head + 1, m->head_len - 1);
	len = ssh_rd_u32(&r);
	if (r.bad || len != m->chain->len - 5)
		return -SSH_E_FORMAT;
	chain = take(c);
	*rte_pktmbuf_mtod(chain.head, uint8_t *) = SSH_MSG_PONG;
	return conn_send_chain(c, &chain, SSH_MSG_PONG);
}

static int on_disconnect(struct conn *c, const struct msg *m)
{
	struct pkt_chain chain;

	/* Its last word; what control has not answered no longer matters. */
	if (m->chain->len <= LINK_PAYLOAD_MAX) {
		chain = take(c);
		up_payload(c, m->seqnr, &chain);
	}
	return -SSH_E_PEER_DISCONNECT;
}

/* RFC 4253 section 11.4, at a bounded rate (S-22). */
static int on_unknown(struct conn *c, const struct msg *m)
{
	uint64_t now = c->relay->now_us;
	uint64_t more = (now - c->unimplemented_us) * RELAY_UNIMPLEMENTED_RATE / 1000000;
	uint8_t payload[5];
	struct ssh_wr w;
	int r;

	if (more > 0) {
		c->unimplemented = (uint32_t)RTE_MIN(c->unimplemented + more,
						     (uint64_t)RELAY_UNIMPLEMENTED_BURST);
		c->unimplemented_us = now;
	}
	if (c->unimplemented == 0)
		return -SSH_E_FLOOD;
	ssh_wr_init(&w, payload, sizeof(payload));
	ssh_wr_u8(&w, SSH_MSG_UNIMPLEMENTED);
	ssh_wr_u32(&w, m->seqnr);
	r = conn_send(c, payload, (uint32_t)ssh_wr_done(&w));
	if (r < 0)
		return r;
	c->unimplemented--;
	relay_count(c->relay, RELAY_C_UNIMPLEMENTED);
	return drop(c);
}

static enum ssh_verdict verdict(const struct conn *c, uint8_t type)
{
	struct ssh_phase ph = c->phase;
	enum ssh_verdict v = ssh_phase_rx(&ph, type);

	/* Whether a service runs already is control's knowledge: here either will do. */
	if (v == SSH_REFUSE && ph.svc == SSH_SVC_NONE) {
		ph.svc = SSH_SVC_AUTH;
		v = ssh_phase_rx(&ph, type);
	}
	return v;
}

static int settle(struct conn *c, const struct msg *m)
{
	switch (m->type) {
	case SSH_MSG_DISCONNECT:
		return on_disconnect(c, m);
	case SSH_MSG_IGNORE:
	case SSH_MSG_DEBUG:
		return drop(c);
	case SSH_MSG_REQUEST_SUCCESS:
	case SSH_MSG_REQUEST_FAILURE:
		return on_global_reply(c, m);
	case SSH_MSG_CHANNEL_OPEN:
		return on_open(c, m);
	case SSH_MSG_CHANNEL_OPEN_CONFIRMATION:
		return on_confirmation(c, m);
	case SSH_MSG_CHANNEL_OPEN_FAILURE:
		return on_open_failure(c, m);
	case SSH_MSG_CHANNEL_WINDOW_ADJUST:
		return on_adjust(c, m);
	case SSH_MSG_CHANNEL_DATA:
	case SSH_MSG_CHANNEL_EXTENDED_DATA:
		return on_data(c, m);
	case SSH_MSG_CHANNEL_EOF:
	case SSH_MSG_CHANNEL_CLOSE:
		return on_eof_or_close(c, m);
	case SSH_MSG_CHANNEL_REQUEST:
	case SSH_MSG_CHANNEL_SUCCESS:
	case SSH_MSG_CHANNEL_FAILURE:
		return on_request(c, m);
	case SSH_MSG_PING:
		return on_ping(c, m);
	case SSH_MSG_PONG: /* we send no PING */
		relay_count(c->relay, RELAY_C_REPLIES_UNASKED);
		return drop(c);
	default:
		return to_control(c, m);
	}
}

static int dispatch(struct conn *c, const struct msg *m)
{
	/* Every message of the first exchange is control's: it knows what strict means for it. */
	if (c->phase.kex == SSH_KEX_FIRST_INIT || c->phase.kex == SSH_KEX_FIRST_METHOD) {
		if (m->type == SSH_MSG_DISCONNECT)
			return on_disconnect(c, m);
		return to_control(c, m);
	}
	switch (verdict(c, m->type)) {
	case SSH_ACCEPT:
		return settle(c, m);
	case SSH_UNKNOWN:
		return on_unknown(c, m);
	case SSH_DROP:
		return drop(c);
	default:
		return -SSH_E_PROTO;
	}
}

unsigned int dispatch_run(struct conn *c)
{
	unsigned int n = 0;

	record_rx_turn(&c->rx);
	while (c->state == CONN_OPEN && !c->rx_wait_keys && !c->rx_wait_auth &&
	       c->over <= RELAY_OVER_MAX) {
		struct msg m;
		int r = record_rx_front(&c->rx, &m.chain, &m.seqnr);

		if (r == 0) {
			m.head_len = RTE_MIN(m.chain->len, (uint32_t)sizeof(m.head));
			pkt_chain_read(m.chain, 0, m.head, m.head_len);
			m.type = m.head[0];
			if (traced(c))
				trace_received(c, m.chain, m.seqnr);
			r = dispatch(c, &m);
		}
		if (r == -EINPROGRESS)
			c->more = true;
		if (r == -EAGAIN || r == -EINPROGRESS)
			break;
		if (r == -ENOMEM) {
			conn_short(c, r);
			break;
		}
		if (r < 0)
			conn_fail(c, r);
		n++;
	}
	return n;
}
