/*
 * dataplane/tcp/kick.c - a link came back: what waits for a time-out is sent now.
 *
 * Where a link was away for longer than a round trip, each connection behind it has backed off its
 * retransmission, for up to a minute. That the link is back is better news than any time-out: one
 * retransmission goes at once, spread over some milliseconds so that not all go together, and the
 * back-off begins anew. Whether the peer is given up is decided by the clock as before.
 */
#include "dataplane/tcp/internal.h"

#define KICK_TURN      1024          /* connections looked at in a turn */
#define KICK_SPREAD_US (32 * TCP_MS) /* a flap of 10 Hz leaves 50 ms */

static bool earlier(struct tcp_conn *c, enum tcp_timer k, uint64_t at_us)
{
	if (!tcp_timer_on(c, k))
		return false;
	tcp_timer_set(c, k, at_us);
	return true;
}

static unsigned int kick(struct tcp_conn *c, uint64_t now_us)
{
	/* Nobody outside knows what it is derived from. */
	uint64_t at_us = now_us + c->ts_offset % KICK_SPREAD_US;
	bool did = false;

	if (c->rxtshift > 0 && earlier(c, TCP_T_REXMT, at_us)) {
		if (tcp_synchronized((enum tcp_state)c->state))
			c->rxtshift = 1; /* not 0: the window before the loss is remembered */
		did = true;
	}
	if (c->persist_shift > 0 && earlier(c, TCP_T_PERSIST, at_us)) {
		c->persist_shift = 1;
		did = true;
	}
	if (did)
		tcp_count(c->t, TCP_C_KICKED);
	return did;
}

void tcp_link_up(struct tcp *t, unsigned int iface)
{
	t->kick_ifaces |= 1u << iface;
	t->kick_left = t->conns_fresh;
}

unsigned int tcp_kick_turn(struct tcp *t, uint64_t now_us)
{
	unsigned int work = 0;

	for (unsigned int i = 0; i < KICK_TURN && t->kick_left > 0; i++) {
		struct tcp_conn *c = &t->conns[--t->kick_left];

		if (c->due_us != 0 && (t->kick_ifaces & 1u << c->path.iface) != 0)
			work += kick(c, now_us);
	}
	if (t->kick_left == 0)
		t->kick_ifaces = 0;
	return work;
}
