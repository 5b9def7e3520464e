/*
 * dataplane/relay/wait.c - what waits for control while there is none, and for how long.
 *
 * Data goes on without control. What only control can answer is kept for ControlWait, counted
 * from its leaving, and after that answered at once: an OPEN with FAILURE (resource shortage),
 * a request with FAILURE, so that a client's own keep-alives do not end it. A rekey waits for
 * ControlWait from its own beginning, because its end is the end of the connection; half a login
 * ends likewise. What the control that left had taken waits in the same way (ask.c).
 */
#include "dataplane/relay/internal.h"

#include <errno.h>

#include "ssh/wire.h"

/* Of a key exchange: what has been said of it is not to be said again, or is not known. */
static bool kex_stuck(const struct conn *c)
{
	if (c->tx_newkeys)
		return true;
	if (c->tx_kex)
		return c->kex_replied || c->kex_own.len == 0;
	return c->kex_tx_done && c->kex_sealed_rx.len == 0;
}

bool conn_orphaned(const struct conn *c)
{
	if (c->pend & CONN_EV_NEW) /* no control has heard of it */
		return false;
	return c->phase.svc != SSH_SVC_OPEN || c->asks_unknown || kex_stuck(c);
}

/* The connection cannot go on until new keys have been agreed, or should not. */
static bool wants_keys(const struct conn *c)
{
	return c->phase.svc == SSH_SVC_OPEN &&
	       (c->phase.kex != SSH_KEX_NONE || c->tx_kex || (c->pend & CONN_EV_REKEY_DUE));
}

uint64_t wait_deadline(const struct conn *c)
{
	const struct relay *r = c->relay;
	bool waits = c->unanswered > 0 || c->n_asks > 0 || c->asks_unknown || c->alone ||
		     c->phase.svc != SSH_SVC_OPEN;
	uint64_t t = 0;

	if (r->attached || (c->pend & CONN_EV_NEW))
		return 0;
	/* One that has passed was looked at: what still waits is short of a buffer. */
	if (waits && r->gone_us > r->now_us)
		t = r->gone_us;
	if (c->rekey_wait_us > r->now_us)
		t = timer_min(t, c->rekey_wait_us);
	return t;
}

static int refuse_open(struct conn *c, uint32_t channel)
{
	struct ssh_chan_failure m = {
		.recipient_channel = channel,
		.reason = SSH_OPEN_RESOURCE_SHORTAGE,
		.description = ssh_str_c(ssh_err_text(-SSH_E_UNAVAILABLE)),
		.language = ssh_str_c(""),
	};
	uint8_t payload[64];
	struct ssh_wr w;

	ssh_wr_init(&w, payload, sizeof(payload));
	ssh_chan_failure_build(&w, &m);
	return conn_send(c, payload, (uint32_t)ssh_wr_done(&w));
}

static int refuse_global(struct conn *c, struct ssh_rd *r)
{
	static const uint8_t failure = SSH_MSG_REQUEST_FAILURE;
	bool want_reply;

	(void)ssh_rd_str(r);
	want_reply = ssh_rd_bool(r);
	if (r->bad)
		return -SSH_E_FORMAT;
	return want_reply ? conn_send(c, &failure, sizeof(failure)) : 0;
}

static int refuse_request(struct conn *c, struct ssh_rd *r)
{
	struct chan *ch = chan_find(c, ssh_rd_u32(r));
	bool want_reply;

	(void)ssh_rd_str(r);
	want_reply = ssh_rd_bool(r);
	if (r->bad)
		return -SSH_E_FORMAT;
	/* It may have closed while the request waited. */
	if (!want_reply || ch == NULL || ch->fsm.state != SSH_CHAN_OPEN)
		return 0;
	return chan_say(ch, SSH_MSG_CHANNEL_FAILURE);
}

/* Answers a payload that control will not look at. */
static int refuse(struct conn *c, const uint8_t *p, uint32_t len)
{
	struct ssh_rd r;
	uint32_t channel;

	ssh_rd_init(&r, p + 1, len - 1);
	switch (p[0]) {
	case SSH_MSG_CHANNEL_OPEN:
		(void)ssh_rd_str(&r);
		channel = ssh_rd_u32(&r);
		return r.bad ? -SSH_E_FORMAT : refuse_open(c, channel);
	case SSH_MSG_GLOBAL_REQUEST:
		return refuse_global(c, &r);
	case SSH_MSG_CHANNEL_REQUEST:
		return refuse_request(c, &r);
	default: /* an answer to a control that is gone */
		return 0;
	}
}

/* 0, or what ends the connection. */
static int refuse_all(struct conn *c, unsigned int *work)
{
	uint8_t *p = c->relay->payload;
	const struct pkt_chain *front;
	const uint8_t *head;

	while (record_q_front(&c->up, &front, &head)) {
		struct pkt_chain chain;
		int r;

		pkt_chain_read(front, 0, p, front->len);
		r = refuse(c, p, front->len);
		if (r == -ENOMEM) {
			conn_short(c, r);
			return 0;
		}
		if (r < 0)
			return r;
		record_q_pop(&c->up, &chain);
		c->unanswered--;
		c->unanswered_bytes -= chain.len;
		pkt_chain_free(&chain);
		relay_count(c->relay, RELAY_C_CONTROL_AWAY);
		(*work)++;
	}
	return 0;
}

/* What the control that left had taken, and not settled. */
static int refuse_asked(struct conn *c, unsigned int *work)
{
	uint8_t *p = c->relay->payload;
	uint32_t len;

	while ((len = ask_first(c, p)) > 0) {
		int r = refuse(c, p, len);

		if (r == -ENOMEM)
			conn_short(c, r);
		if (r < 0)
			return r;
		ask_forget(c);
		c->unanswered -= c->unanswered > c->up.records;
		relay_count(c->relay, RELAY_C_CONTROL_AWAY);
		(*work)++;
	}
	return 0;
}

/* What a control that is away cannot do any more, as far as its time has come. */
static int wait_step(struct conn *c, unsigned int *work)
{
	const struct relay *r = c->relay;
	int err;

	if (!wants_keys(c))
		c->rekey_wait_us = 0;
	else if (c->rekey_wait_us == 0)
		c->rekey_wait_us = r->now_us + (uint64_t)r->conf.control_wait_ms * 1000;
	if (c->rekey_wait_us != 0)
		return r->now_us >= c->rekey_wait_us ? -SSH_E_UNAVAILABLE : 0;
	if (r->now_us < r->gone_us)
		return 0;
	if (conn_orphaned(c))
		return -SSH_E_UNAVAILABLE;
	if (c->alone)
		host_patience_over(c);
	err = refuse_asked(c, work);
	if (err == 0)
		err = refuse_all(c, work);
	return err == -ENOMEM ? 0 : err;
}

unsigned int wait_run(struct conn *c)
{
	unsigned int work = 0;
	int r = 0;

	if (!c->relay->attached && !(c->pend & CONN_EV_NEW))
		r = wait_step(c, &work);
	if (r < 0) {
		record_q_free(&c->up);
		conn_fail(c, r);
		return work + 1;
	}
	if (work > 0) /* what stood behind them */
		c->more = true;
	return work;
}
