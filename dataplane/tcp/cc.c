/*
 * dataplane/tcp/cc.c - congestion window, loss recovery, retransmission time-out.
 *
 * Source  RFC 5681, RFC 6582 (NewReno), RFC 3042 (limited transmit, in output.c), RFC 3465
 *         (byte counting), RFC 6928 (initial window), RFC 6298 (RTO). Pure computation: what
 *         is sent follows in output.c. Another congestion control, and SACK, join here.
 */
#include "dataplane/tcp/internal.h"

#define CWND_MAX (UINT32_C(1) << 30) /* RFC 7323's largest window */

static uint32_t min_ssthresh(const struct tcp_conn *c)
{
	uint32_t half = (c->snd_max - c->snd_una) / 2; /* RFC 5681 (4) */

	return max_u64(half, 2u * c->mss);
}

static void cwnd_add(struct tcp_conn *c, uint32_t n)
{
	c->cwnd = min_u64(c->cwnd + n, CWND_MAX);
}

/* RFC 6928 section 2; RFC 5681 section 3.1: one segment when the SYN had to be sent again. */
static uint32_t initial_window(const struct tcp_conn *c)
{
	return min_u64((uint32_t)TCP_INIT_SEGS * c->mss, max_u64(2u * c->mss, 14600u));
}

void tcp_cc_init(struct tcp_conn *c)
{
	c->cwnd = c->rxtshift > 0 ? c->mss : initial_window(c);
	c->ssthresh = CWND_MAX;
	c->recover = c->snd_una; /* RFC 6582 section 3.2 step 1 */
}

void tcp_cc_acked(struct tcp_conn *c, uint32_t acked, uint32_t flight_before)
{
	c->dupacks = 0;
	/* A window that was not used proves nothing (RFC 7661): it does not grow. */
	if ((uint64_t)flight_before * 2 < c->cwnd)
		return;
	if (c->cwnd < c->ssthresh) {
		/* RFC 3465: L = 2, but 1 while a time-out is repaired. */
		uint32_t limit = seq_lt(c->snd_una, c->recover) ? c->mss : 2u * c->mss;

		cwnd_add(c, min_u64(acked, limit));
	} else {
		uint64_t inc = (uint64_t)c->mss * min_u64(acked, c->cwnd) / c->cwnd;

		cwnd_add(c, max_u64((uint32_t)inc, 1u));
	}
}

void tcp_cc_dupack(struct tcp_conn *c)
{
	if (c->dupacks < UINT16_MAX)
		c->dupacks++;
	if (c->in_recovery) {
		cwnd_add(c, c->mss); /* a segment has left the network */
		return;
	}
	/*
	 * RFC 6582 section 3.2 step 2: only what is above recover shows a new loss, else the
	 * duplicates are of our own go-back after a time-out.
	 */
	if (c->dupacks != TCP_DUPACKS || !seq_gt(c->snd_una, c->recover))
		return;
	c->ssthresh = min_ssthresh(c);
	c->recover = c->snd_max;
	c->cwnd = c->ssthresh + TCP_DUPACKS * c->mss;
	c->in_recovery = true;
	c->rexmt_due = true;
	tcp_count(c->t, TCP_C_FAST_RETRANS);
}

bool tcp_cc_recovery_ack(struct tcp_conn *c, uint32_t acked)
{
	if (seq_ge(c->snd_una, c->recover)) { /* full acknowledgement */
		uint32_t flight = c->snd_max - c->snd_una;

		c->cwnd = min_u64(c->ssthresh, max_u64(flight, (uint32_t)c->mss) + c->mss);
		c->in_recovery = false;
		c->dupacks = 0;
		return false;
	}
	c->cwnd = c->cwnd > acked ? c->cwnd - acked : 0;
	if (acked >= c->mss)
		c->cwnd += c->mss;
	c->cwnd = max_u64(c->cwnd, (uint32_t)c->mss);
	return true;
}

void tcp_cc_rto(struct tcp_conn *c)
{
	if (c->rxtshift == 1) /* RFC 5681: held when the same segment times out again */
		c->ssthresh = min_ssthresh(c);
	c->cwnd = c->mss;
	c->recover = c->snd_max; /* RFC 6582 section 3.2 step 4 */
	c->in_recovery = false;
	c->rexmt_due = false;
	c->dupacks = 0;
	c->rtt_timing = false; /* Karn */
}

/* RFC 5681 section 4.1: after an idle RTO the old window says nothing. */
void tcp_cc_idle(struct tcp_conn *c, uint64_t now_us)
{
	if (now_us - c->last_tx_us > tcp_rto(c))
		c->cwnd = min_u64(c->cwnd, initial_window(c));
}

/* RFC 6298 (2.2), (2.3). */
void tcp_rtt_sample(struct tcp_conn *c, uint64_t rtt_us)
{
	uint32_t r = (uint32_t)min_u64(rtt_us, TCP_RTO_MAX_US);

	if (c->srtt_us == 0) {
		c->srtt_us = max_u64(r, 1u);
		c->rttvar_us = r / 2;
	} else {
		uint32_t delta = c->srtt_us > r ? c->srtt_us - r : r - c->srtt_us;

		c->rttvar_us = (uint32_t)(((uint64_t)c->rttvar_us * 3 + delta) / 4);
		c->srtt_us = (uint32_t)max_u64(((uint64_t)c->srtt_us * 7 + r) / 8, UINT64_C(1));
	}
	/*
	 * RFC 6298 (2.4) wants at least one second. Like the common stacks we floor the
	 * variance term instead, above any usual delayed ACK (PROTOCOL.md).
	 */
	c->rto_us = (uint32_t)min_u64(
		c->srtt_us + max_u64((uint64_t)c->rttvar_us * 4, TCP_RTO_VAR_MIN_US),
		TCP_RTO_MAX_US);
}

uint64_t tcp_rto(const struct tcp_conn *c)
{
	uint64_t rto = (uint64_t)c->rto_us << min_u64(c->rxtshift, (uint16_t)16);

	return min_u64(rto, TCP_RTO_MAX_US);
}
