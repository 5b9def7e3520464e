/*
 * dataplane/tcp/cc.c - what every congestion control shares: the initial window, whether the
 * window was used, rounds, undo, idle restart. See cc.h.
 *
 * Source  RFC 5681, RFC 3465 (byte counting), RFC 6928 (initial window), RFC 7661 (a window that
 *         was not used).
 */
#include "dataplane/tcp/internal.h"

#include <string.h>

static const struct tcp_cc_ops *const known[] = {&tcp_cc_cubic, &tcp_cc_newreno};

const struct tcp_cc_ops *tcp_cc_find(const char *name)
{
	for (size_t i = 0; i < RTE_DIM(known); i++)
		if (strcmp(known[i]->name, name) == 0)
			return known[i];
	return NULL;
}

void tcp_cc_grow(struct tcp_conn *c, uint32_t n)
{
	c->cwnd = min_u64((uint64_t)c->cwnd + n, TCP_CWND_MAX);
}

/*
 * RFC 3465 section 2.3: an ACK opens the window by what it acknowledges, L segments at most, and
 * 1 while a time-out is repaired: what it acknowledges may have been there before.
 */
uint32_t tcp_cc_slow_start(struct tcp_conn *c, uint32_t acked)
{
	uint32_t room = c->ssthresh - c->cwnd, grow = min_u64(acked, room);

	if (seq_lt(c->snd_una, c->recover) && !c->sack_ok)
		grow = min_u64(grow, c->mss);
	else if (!tcp_pace_on(c))
		grow = min_u64(grow, (uint32_t)TCP_CC_L_NOT_PACED * c->mss);
	tcp_cc_grow(c, grow);
	return grow == room ? acked - grow : 0;
}

/* RFC 6928 section 2; RFC 5681 section 3.1: one segment when the SYN had to be sent again. */
static uint32_t initial_window(const struct tcp_conn *c)
{
	return min_u64((uint32_t)TCP_INIT_SEGS * c->mss, max_u64(2u * c->mss, 14600u));
}

void tcp_cc_init(struct tcp_conn *c, uint64_t now_us)
{
	c->cwnd = c->rxtshift > 0 ? c->mss : initial_window(c);
	c->ssthresh = TCP_SSTHRESH_INF;
	c->recover = c->snd_una - 1; /* RFC 6582 section 3.2 step 1 */
	if (tcp_is_busy(c))
		tcp_cc_resume(c, now_us);
	else
		tcp_busy_take(c);
}

void tcp_cc_resume(struct tcp_conn *c, uint64_t now_us)
{
	c->busy->round_end = c->busy->cwr_end = c->snd_una;
	c->busy->limited_end = c->snd_una - 1;
	if (tcp_cc_ops(c)->init != NULL)
		tcp_cc_ops(c)->init(c, now_us);
}

/*
 * A window that was not used proves nothing (RFC 7661 section 4.3): it does not grow. Full it was
 * when output had to stop at it; while the window doubles, half full is enough.
 */
static bool was_limited(const struct tcp_conn *c, const struct tcp_cc_ack *a)
{
	return seq_le(c->snd_una, c->busy->limited_end) ||
	       (c->cwnd < c->ssthresh && (uint64_t)a->pipe * 2 >= c->cwnd);
}

/* Old marks must not seem new when numbers wrap: what is past stays just behind snd_una. */
static void marks_follow(struct tcp_conn *c, bool limited)
{
	uint32_t past = c->snd_una - 1;

	if (!limited)
		c->busy->limited_end = past;
	c->busy->cwr_end = seq_max(c->busy->cwr_end, past);
	c->recover = seq_max(c->recover, past);
}

void tcp_cc_acked(struct tcp_conn *c, struct tcp_cc_ack *a)
{
	a->limited = was_limited(c, a);
	a->round_ended = seq_ge(c->snd_una, c->busy->round_end);
	if (a->round_ended) {
		c->busy->round_end = c->snd_max;
		marks_follow(c, a->limited);
	}
	tcp_cc_ops(c)->acked(c, a);
}

void tcp_cc_lost(struct tcp_conn *c, enum tcp_cc_loss why, uint32_t pipe, uint64_t now_us)
{
	c->busy->cwr_end = c->snd_max;
	c->cwr_due = c->ecn_ok; /* RFC 3168 section 6.1.2, whatever the reason */
	c->busy->prior_cwnd = c->cwnd;
	c->busy->prior_ssthresh = c->ssthresh;
	c->ssthresh = tcp_cc_ops(c)->lost(c, why, pipe, now_us);
}

void tcp_cc_undo(struct tcp_conn *c)
{
	c->cwnd = max_u64(c->cwnd, c->busy->prior_cwnd);
	c->ssthresh = max_u64(c->ssthresh, c->busy->prior_ssthresh);
	if (tcp_cc_ops(c)->undo != NULL)
		tcp_cc_ops(c)->undo(c);
}

/*
 * How long a window that is not used says something: an RTO. On a path on which all of it is not
 * longer than a burst (pace.h) beginning anew protects nobody, and each record of somebody who
 * speaks now and then would take two round trips: there it is RFC 7661's five minutes.
 */
static uint64_t window_holds_us(const struct tcp_conn *c)
{
	bool near = c->min_rtt_us != 0 && c->min_rtt_us <= TCP_PACE_RTT_MIN_US;

	return near ? TCP_NVP_US : tcp_rto(c);
}

/*
 * RFC 5681 section 4.1: after that it begins anew; what was known of the path is kept as the end of
 * slow start (RFC 7661 section 4.4.3).
 */
void tcp_cc_idle(struct tcp_conn *c, uint64_t now_us)
{
	uint32_t restart = initial_window(c);

	if (c->cwnd <= restart || c->t->conf.no_idle_restart ||
	    tcp_since_us(c->last_tx, now_us) <= window_holds_us(c))
		return;
	c->ssthresh = max_u64(c->ssthresh, c->cwnd / 4 * 3);
	c->cwnd = restart;
}

void tcp_cc_tx_start(struct tcp_conn *c, uint64_t now_us)
{
	if (tcp_cc_ops(c)->idle != NULL)
		tcp_cc_ops(c)->idle(c, tcp_since_us(c->last_tx, now_us));
}
