/*
 * dataplane/tcp/newreno.c - the congestion control every other is measured by.
 *
 * Source  RFC 5681 (slow start, congestion avoidance), RFC 3465 (byte counting).
 */
#include "dataplane/tcp/internal.h"

struct newreno {
	uint32_t acked; /* bytes since cwnd last grew (RFC 3465 section 2.1) */
};
_Static_assert(sizeof(struct newreno) <= TCP_CC_PRIVATE, "what a connection keeps for it");

static struct newreno *priv(struct tcp_conn *c)
{
	return (struct newreno *)(void *)c->busy->cc_private;
}

/* One segment for each window that was acknowledged. */
static void newreno_acked(struct tcp_conn *c, const struct tcp_cc_ack *a)
{
	struct newreno *p = priv(c);
	uint32_t acked = a->acked;

	if (!a->limited)
		return;
	if (c->cwnd < c->ssthresh)
		acked = tcp_cc_slow_start(c, acked);
	p->acked += min_u64(acked, c->cwnd);
	if (p->acked >= c->cwnd) {
		p->acked -= c->cwnd;
		tcp_cc_grow(c, c->mss);
	}
}

/* RFC 5681 (4). */
static uint32_t newreno_lost(struct tcp_conn *c, enum tcp_cc_loss why, uint32_t pipe,
			     uint64_t now_us)
{
	(void)why, (void)now_us;
	priv(c)->acked = 0;
	return max_u64(pipe / 2, 2u * c->mss);
}

const struct tcp_cc_ops tcp_cc_newreno = {
	.name = "newreno",
	.acked = newreno_acked,
	.lost = newreno_lost,
};
