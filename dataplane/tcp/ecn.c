/*
 * dataplane/tcp/ecn.c - explicit congestion notification: a router marks instead of dropping.
 *
 * Source  RFC 3168 section 6.1. A mark of data that came is echoed (ECE) until the peer says that
 *         it slowed down (CWR); an echo of ours slows us down once a round trip.
 */
#include "dataplane/tcp/internal.h"

#define ECN_SETUP (RTE_TCP_ECE_FLAG | RTE_TCP_CWR_FLAG)

enum { ECN_NOT_ECT, ECN_ECT_1, ECN_ECT_0, ECN_CE }; /* section 5 */

/*
 * Section 6.1.1. A SYN that is not tried for the first time asks no more: what ECN is unknown to
 * may have dropped it (section 6.1.1.1). Whoever sent one that does not ask must not mark.
 */
uint8_t tcp_ecn_syn_flags(const struct tcp_conn *c)
{
	if (c->state == TCP_SYN_RCVD)
		return c->ecn_ok ? RTE_TCP_ECE_FLAG : 0;
	return c->t->conf.ecn == TCP_ECN_YES && c->rxtshift == 0 ? ECN_SETUP : 0;
}

/*
 * A SYN that is itself marked as ECN-capable went through something that writes that field for
 * its own purposes: marks would mean nothing.
 */
bool tcp_ecn_asked(const struct tcp *t, const struct tcp_seg *g)
{
	return t->conf.ecn != TCP_ECN_NO && (g->flags & ECN_SETUP) == ECN_SETUP &&
	       pkt_meta(g->m)->ecn == ECN_NOT_ECT;
}

/* Both bits in an answer are an echo of ours, from one who knows nothing of ECN. */
static bool answered(const struct tcp_conn *c, const struct tcp_seg *g)
{
	return c->t->conf.ecn == TCP_ECN_YES && c->rxtshift == 0 &&
	       (g->flags & ECN_SETUP) == RTE_TCP_ECE_FLAG;
}

void tcp_ecn_syn(struct tcp_conn *c, const struct tcp_seg *g)
{
	c->ecn_ok = g->flags & RTE_TCP_ACK_FLAG ? answered(c, g) : tcp_ecn_asked(c->t, g);
}

/* Section 6.1.3; data only, for nothing else may be marked (section 6.1.4). */
void tcp_ecn_data(struct tcp_conn *c, const struct tcp_seg *g)
{
	if (g->flags & RTE_TCP_CWR_FLAG)
		c->ece_on = false;
	if (pkt_meta(g->m)->ecn != ECN_CE)
		return;
	tcp_count(c->t, TCP_C_ECN_MARKED);
	if (!c->ece_on) { /* told at once, and not with the next segment */
		c->ece_on = true;
		c->ack_now = true;
		tcp_output_want(c);
	}
}

/*
 * Section 6.1.2: the reaction is that to a loss, without one, and not again before what was sent
 * after it is acknowledged.
 */
void tcp_ecn_echo(struct tcp_conn *c, const struct tcp_seg *g, uint64_t now_us)
{
	if (!seq_gt(g->ack, c->busy->cwr_end))
		return;
	tcp_cc_lost(c, TCP_CC_ECN, c->snd_max - c->snd_una, now_us);
	c->cwnd = c->ssthresh;
	tcp_count(c->t, TCP_C_ECN_REDUCED);
}

/*
 * The IP header's field for [seq, seq + len): new data of the window is ECN-capable; what is sent
 * again, and probes, are not (sections 6.1.5 and 6.1.6).
 */
uint8_t tcp_ecn_field(const struct tcp_conn *c, uint32_t seq, uint32_t len)
{
	if (len == 0 || seq_lt(seq, c->snd_max) || seq_gt(seq + len, c->snd_una + c->snd_wnd))
		return ECN_NOT_ECT;
	return ECN_ECT_0;
}

/*
 * "the first new data packet after the window reduction" carries CWR (section 6.1.2); every
 * acknowledgement says ECE while it is on (section 6.1.3).
 */
uint8_t tcp_ecn_flags(const struct tcp_conn *c, uint8_t flags, uint8_t field)
{
	uint8_t add = 0;

	if (flags & (RTE_TCP_SYN_FLAG | RTE_TCP_RST_FLAG))
		return 0;
	if (c->ece_on && (flags & RTE_TCP_ACK_FLAG))
		add |= RTE_TCP_ECE_FLAG;
	if (c->cwr_due && field == ECN_ECT_0)
		add |= RTE_TCP_CWR_FLAG;
	return add;
}
