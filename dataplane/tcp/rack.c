/*
 * dataplane/tcp/rack.c - losses found by time, and the probe of a tail.
 *
 * Source  RFC 8985. RACK: what was sent before something that arrived, and longer ago than a round
 *         trip and the reordering window, is lost; the window grows when a DSACK shows that it was
 *         not. TLP: a lost tail leaves nothing that could tell, so after two round trips of silence
 *         one more segment goes. Both need SACK; without it recovery.c counts duplicates.
 */
#include "dataplane/tcp/internal.h"

#define REO_PERSIST      16 /* recoveries a wider reordering window is kept for, section 6.2 */
#define REO_MULT_MAX     255
#define MIN_RTT_US       (300 * TCP_SEC) /* how long a smallest round trip is believed */
#define TLP_DELACK_US    (200 * TCP_MS)  /* WCDelAckT: one segment may wait so long for its ACK */
#define TLP_NO_SRTT_US   (1 * TCP_SEC)
#define SACKED_SEGS_LESS (TCP_DUPACKS - 1)

void tcp_rack_min_rtt(struct tcp_conn *c, uint32_t rtt_us, uint64_t now_us)
{
	if (c->min_rtt_us == 0 || rtt_us <= c->min_rtt_us ||
	    tcp_since_us(c->min_rtt_tick, now_us) > MIN_RTT_US) {
		c->min_rtt_us = rtt_us;
		c->min_rtt_tick = tcp_tick(now_us);
	}
}

void tcp_rack_dsack(struct tcp_conn *c)
{
	struct tcp_board *b = c->board;

	/* Section 6.2 step 4: once a round trip. */
	if (b == NULL || (b->dsack_counted && seq_lt(c->snd_una, b->dsack_round)))
		return;
	b->dsack_counted = true;
	b->dsack_round = c->snd_nxt;
	if (c->reo_mult < REO_MULT_MAX)
		c->reo_mult++;
	c->reo_persist = REO_PERSIST;
}

void tcp_rack_recovered(struct tcp_conn *c)
{
	if (c->reo_persist > 0 && --c->reo_persist == 0)
		c->reo_mult = 0;
}

/* Section 6.2 step 4. */
static uint32_t reo_wnd(const struct tcp_conn *c)
{
	uint64_t wnd = (uint64_t)c->min_rtt_us / 4 * (c->reo_mult + 1u);

	if (!c->reordering &&
	    (c->in_recovery || c->in_rto || c->board->sacked > SACKED_SEGS_LESS * (uint32_t)c->mss))
		return 0;
	return (uint32_t)min_u64(wnd, c->srtt_us);
}

uint32_t tcp_rack_detect(struct tcp_conn *c, uint64_t now_us, bool *ret_lost)
{
	struct tcp_board *b = c->board;
	struct tcp_sent *s;
	uint32_t wait;

	*ret_lost = false;
	if (!b->rack_valid)
		return 0;
	wait = b->rack_rtt_us + reo_wnd(c);
	while ((s = b->flight.head) != NULL &&
	       tcp_sent_after(b->rack_xmit_us, b->rack_end, s->xmit_us, s->end)) {
		uint32_t age = (uint32_t)now_us - s->xmit_us;

		/* The latest of those sent before comes last: one timer for all of them. */
		if (age < wait)
			return max_u64(b->rack_xmit_us + wait - (uint32_t)now_us, 1u);
		tcp_sent_lose(c, s);
		*ret_lost = true;
	}
	return 0;
}

/* --- TLP, section 7 -------------------------------------------------------------------- */

uint64_t tcp_tlp_pto(const struct tcp_conn *c)
{
	uint64_t pto = c->srtt_us != 0 ? 2 * (uint64_t)c->srtt_us : TLP_NO_SRTT_US;

	if (c->snd_nxt - c->snd_una <= c->mss)
		pto += TLP_DELACK_US;
	return pto;
}

void tcp_tlp_sent(struct tcp_conn *c, bool rexmit)
{
	c->tlp_due = false;
	c->tlp_out = true;
	c->tlp_rexmit = rexmit;
	c->tlp_end = c->snd_nxt;
	tcp_count(c->t, TCP_C_TLP);
}

/* Section 7.4: was something lost that the probe repaired? Then the window learns of it. */
bool tcp_tlp_acked(struct tcp_conn *c, const struct tcp_acked *a)
{
	if (seq_lt(c->snd_una, c->tlp_end))
		return false;
	if (!c->tlp_rexmit || a->dsack || (!a->moved && a->dup && a->sacked == 0)) {
		c->tlp_out = false;
		return false;
	}
	if (c->snd_una == c->tlp_end)
		return false; /* either of the two: the next one tells */
	c->tlp_out = false;
	return true;
}
