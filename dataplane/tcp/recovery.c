/*
 * dataplane/tcp/recovery.c - what is thought lost, and the window while it is repaired.
 *
 * Source  RFC 5681 section 3.2, RFC 6582 (NewReno), RFC 3042 (limited transmit, in output.c).
 */
#include "dataplane/tcp/internal.h"

void tcp_recovery_dupack(struct tcp_conn *c, uint64_t now_us)
{
	if (c->dupacks < UINT16_MAX)
		c->dupacks++;
	if (c->in_recovery) {
		tcp_cc_grow(c, c->mss); /* a segment has left the network */
		return;
	}
	/*
	 * RFC 6582 section 3.2 step 2: only what is above recover shows a new loss, else the
	 * duplicates are of our own go-back after a time-out.
	 */
	if (c->dupacks != TCP_DUPACKS || !seq_gt(c->snd_una, c->recover))
		return;
	tcp_cc_lost(c, TCP_CC_FAST, c->snd_max - c->snd_una, now_us);
	c->recover = c->snd_max;
	c->cwnd = c->ssthresh + TCP_DUPACKS * c->mss;
	c->in_recovery = true;
	c->rexmt_due = true;
	tcp_count(c->t, TCP_C_FAST_RETRANS);
}

bool tcp_recovery_ack(struct tcp_conn *c, uint32_t acked)
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

void tcp_recovery_rto(struct tcp_conn *c, uint64_t now_us)
{
	if (c->rxtshift == 1) /* RFC 5681: held when the same segment times out again */
		tcp_cc_lost(c, TCP_CC_RTO, c->snd_max - c->snd_una, now_us);
	c->cwnd = c->mss;
	c->recover = c->snd_max; /* RFC 6582 section 3.2 step 4 */
	c->in_recovery = false;
	c->rexmt_due = false;
	c->dupacks = 0;
	c->rtt_timing = false; /* Karn */
}
