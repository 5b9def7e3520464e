/*
 * dataplane/tcp/recovery.c - what is done about a loss, and when it was none.
 *
 * Source  RFC 6675 and RFC 6582 (recovery with SACK and without), RFC 8985 (what is lost: rack.c),
 *         RFC 6937 (the window meanwhile), RFC 5682 (F-RTO), RFC 3522 and RFC 4015 (Eifel), RFC
 *         3708 (DSACK), RFC 6298 section 5 (the timer).
 *
 * Three states: nothing is wrong; in_recovery, a loss was found by acknowledgements and PRR meters
 * what goes; in_rto, a time-out declared all lost and slow start sends it again. Both end when all
 * that was outstanding at their beginning (recover) is acknowledged.
 */
#include "dataplane/tcp/internal.h"

/* From this round trip on the milliseconds of a timestamp say enough. */
#define TS_RTT_MIN_US (16 * TCP_MS)

/* --- the timer: one deadline, three reasons -------------------------------------------- */

static void timer_at(struct tcp_conn *c, enum tcp_rexmt_kind kind, uint64_t at_us, uint64_t now_us)
{
	c->rexmt_kind = kind;
	tcp_timer_set(c, TCP_T_REXMT, min_u64(at_us, max_u64(tcp_give_up_at(c), now_us + 1)));
}

/* The time-out, or the tail's probe where that comes first. */
static void timer_next(struct tcp_conn *c, uint64_t now_us)
{
	int32_t left = (int32_t)(c->board->rto_at - (uint32_t)now_us);

	if (left < 1)
		left = 1;
	if (c->snd_nxt - c->snd_una > c->mss)
		c->board->probe_set_us = (uint32_t)now_us;
	if (tcp_tlp_allowed(c))
		timer_at(c, TCP_REXMT_TLP, now_us + min_u64(tcp_tlp_pto(c), (uint32_t)left),
			 now_us);
	else
		timer_at(c, TCP_REXMT_RTO, now_us + (uint32_t)left, now_us);
}

static void rto_restart(struct tcp_conn *c, uint64_t now_us)
{
	c->board->rto_at = (uint32_t)(now_us + tcp_rto(c));
}

void tcp_recovery_sent(struct tcp_conn *c, bool head, uint64_t now_us)
{
	bool on = tcp_timer_on(c, TCP_T_REXMT);

	if (!on && c->rxtshift == 0 && c->persist_shift == 0)
		c->progress = tcp_tick(now_us);
	if (!on || head)
		rto_restart(c, now_us);
	else if (c->rexmt_kind != TCP_REXMT_TLP || c->board->probe_set_us == (uint32_t)now_us)
		return; /* of segments that go together the second sets it */
	timer_next(c, now_us);
}

/* --- was it a mistake? ------------------------------------------------------------------- */

/*
 * What the recovery before sent again and nobody has acknowledged still counts, and so does when:
 * its acknowledgement would look like that of something sent before this one began. Where that is
 * too much to count, the recovery stands.
 */
static void undo_arm(struct tcp_conn *c)
{
	struct tcp_board *b = c->board;

	b->undo = tcp_sent_twice(c, &b->undo_bytes);
	b->undo_una = c->snd_una;
	b->rexmit = b->rexmit && b->undo_bytes > 0;
}

void tcp_recovery_rexmit(struct tcp_conn *c, uint32_t bytes, uint64_t now_us)
{
	struct tcp_board *b = c->board;

	if (!b->rexmit)
		b->undo_ts = tcp_ts_now(c, now_us);
	b->rexmit = true;
	b->undo_bytes += bytes;
}

/* Eifel: the ACK that moves snd_una was caused by something sent before we sent it again. */
static bool was_delayed(const struct tcp_conn *c, const struct tcp_acked *a)
{
	return a->moved && a->ts_ecr != 0 && seq_lt(a->ts_ecr, c->board->undo_ts);
}

/* All that was sent again since has been reported to have come twice, or none was needed. */
static bool may_undo(const struct tcp_conn *c, const struct tcp_acked *a)
{
	const struct tcp_board *b = c->board;

	return b->undo && b->rexmit && (b->undo_bytes == 0 || was_delayed(c, a));
}

static void undo(struct tcp_conn *c)
{
	tcp_count(c->t, TCP_C_UNDO);
	if (c->in_recovery) /* it had only been overtaken */
		c->reordering = true;
	tcp_sent_found(c);
	tcp_cc_undo(c);
	c->board->undo = c->board->frto = c->board->frto_new = false;
	c->in_recovery = c->in_rto = false;
	c->dupacks = 0;
}

/* --- the window while it is repaired: RFC 6937 -------------------------------------------- */

static void prr(struct tcp_conn *c, uint32_t delivered, bool safe)
{
	struct tcp_board *b = c->board;
	uint32_t pipe = tcp_pipe(c), mss = c->mss;
	int64_t send;

	b->prr_delivered += delivered;
	if (pipe > c->ssthresh) { /* proportionally */
		send = (int64_t)(((uint64_t)b->prr_delivered * c->ssthresh + b->recover_fs - 1) /
				 b->recover_fs) -
		       b->prr_out;
	} else { /* slow start reduction bound, or what was delivered when more is lost */
		int64_t limit = (int64_t)b->prr_delivered - b->prr_out;

		if (limit < delivered)
			limit = delivered;
		if (safe)
			limit += mss;
		send = c->ssthresh - pipe;
		if (send > limit)
			send = limit;
	}
	if ((b->prr_out == 0 || pipe == 0) && send < mss) /* the fast retransmission itself */
		send = mss;
	c->cwnd = (uint32_t)max_u64(pipe + (uint64_t)(send > 0 ? send : 0), mss);
}

/* --- beginnings and ends ------------------------------------------------------------------ */

static void recovery_enter(struct tcp_conn *c, const struct tcp_acked *a)
{
	struct tcp_board *b = c->board;

	undo_arm(c);
	tcp_cc_lost(c, TCP_CC_FAST, a->pipe, a->now_us);
	c->recover = c->snd_nxt;
	c->in_recovery = true;
	c->tlp_out = false;
	b->recover_fs = max_u64(a->pipe, (uint32_t)c->mss);
	b->prr_delivered = b->prr_out = 0;
	tcp_count(c->t, TCP_C_FAST_RETRANS);
}

static void recovery_leave(struct tcp_conn *c, const struct tcp_acked *a)
{
	if (may_undo(c, a)) {
		undo(c);
		return;
	}
	if (c->in_recovery)
		c->cwnd = min_u64(c->ssthresh, TCP_CWND_MAX);
	c->in_recovery = c->in_rto = false;
	c->dupacks = 0;
	c->board->frto = c->board->frto_new = false;
	tcp_rack_recovered(c);
}

/* The peer's window came back behind what was sent: as if the rest had never been. */
static bool window_shrunk(const struct tcp_conn *c)
{
	return c->snd_nxt - c->snd_una > c->snd_wnd;
}

void tcp_recovery_rewind(struct tcp_conn *c)
{
	tcp_sent_free(c);
	tcp_tx_rewind(c);
	c->in_recovery = c->in_rto = false;
	c->recover = c->snd_max;
}

void tcp_recovery_rto(struct tcp_conn *c, uint64_t now_us)
{
	struct tcp_board *b = c->board;
	/* RFC 5681: once for the same segment, and not again for what recovery had answered. */
	bool again = c->in_recovery || c->rxtshift > 1;

	if (!again)
		tcp_cc_lost(c, TCP_CC_RTO, tcp_pipe(c), now_us);
	c->cwnd = c->mss;
	c->dupacks = 0;
	c->tlp_out = c->tlp_due = false;
	c->rtt_timing = false; /* Karn */
	if (b == NULL || b->all.head == NULL || window_shrunk(c)) {
		tcp_recovery_rewind(c);
		return;
	}
	/* RFC 5682 section 3.1 step 1: a recovery under way sends again what is not known. */
	b->frto = !c->in_recovery || c->rxtshift > 1;
	b->frto_new = false;
	if (!b->undo || !again)
		undo_arm(c);
	tcp_sent_lose_all(c);
	c->in_recovery = false;
	c->in_rto = true;
	c->recover = c->snd_nxt;
}

/* --- losses --------------------------------------------------------------------------------- */

/* RFC 6582, RFC 5681: without SACK three duplicates are a loss, a partial ACK is another. */
static void reno_detect(struct tcp_conn *c, struct tcp_acked *a, uint32_t acked)
{
	struct tcp_board *b = c->board;

	if (a->dup && !c->in_rto) {
		if ((c->dupacks + 1) * (uint32_t)c->mss < c->snd_nxt - c->snd_una)
			c->dupacks++; /* not more than there can be behind the gap (T-32) */
		if (c->in_recovery)
			a->delivered = c->mss; /* RFC 6937 section 3: one segment has left */
	} else if (a->moved && c->dupacks > 0) {
		uint32_t segs = (acked + c->mss - 1) / c->mss;
		uint32_t counted = min_u64(c->dupacks, segs - 1);

		/* The first filled the gap; those behind it were counted when they came. */
		c->dupacks = c->in_recovery ? (uint16_t)(c->dupacks - counted) : 0;
		a->delivered -= min_u64(a->delivered, counted * (uint32_t)c->mss);
	}
	if (b->all.head == NULL || b->lost.head != NULL)
		return;
	/* RFC 6582 section 3.2 step 2: duplicates of what a time-out sent again are no loss. */
	if (c->in_recovery
		    ? a->moved
		    : !c->in_rto && c->dupacks >= TCP_DUPACKS && seq_gt(c->snd_una, c->recover)) {
		tcp_sent_lose_head(c);
		a->lost = b->lost.head != NULL;
	}
}

/* What is lost now; and when to look again, 0: no need. */
static uint32_t detect(struct tcp_conn *c, struct tcp_acked *a, uint32_t acked)
{
	if (c->sack_ok)
		return tcp_rack_detect(c, a->now_us, &a->lost);
	reno_detect(c, a, acked);
	return 0;
}

/* RFC 5682 section 3.1, while a time-out is repaired. */
static void frto_step(struct tcp_conn *c, const struct tcp_acked *a)
{
	struct tcp_board *b = c->board;

	b->frto_new = false;
	if (!b->frto)
		return;
	/* Step 3 (b): what was not sent again arrived. Without SACK it may have waited there. */
	if (a->orig && (c->sack_ok || !a->rexmit)) {
		undo(c);
		return;
	}
	if (seq_gt(c->snd_nxt, c->recover)) {
		if (a->sacked > 0 || a->dup)
			b->frto = false; /* step 3 (a) */
	} else if (a->moved && seq_lt(c->snd_una, c->recover)) {
		/* Step 2 (b): something new tells whether the old is on its way. */
		b->frto = b->frto_new = tcp_tx_bytes(c) > c->snd_nxt - c->snd_una &&
					c->snd_wnd > c->snd_nxt - c->snd_una;
		c->recover = c->snd_nxt;
	}
}

/* An ACK while something was wrong: does that end, or was it never so? */
static void repair_step(struct tcp_conn *c, const struct tcp_acked *a)
{
	struct tcp_board *b = c->board;

	if (c->in_rto)
		frto_step(c, a);
	if (!c->in_recovery && !c->in_rto)
		return;
	if (seq_ge(c->snd_una, c->recover))
		recovery_leave(c, a);
	else if (b->undo && b->rexmit && was_delayed(c, a))
		undo(c);
}

/* RFC 8985 section 7.4: a loss the probe repaired is one for the window all the same. */
static void tlp_step(struct tcp_conn *c, const struct tcp_acked *a)
{
	if (!tcp_tlp_acked(c, a) || c->in_recovery || c->in_rto)
		return;
	tcp_cc_lost(c, TCP_CC_FAST, a->pipe, a->now_us);
	c->cwnd = min_u64(c->cwnd, c->ssthresh);
}

static void rtt_step(struct tcp_conn *c, const struct tcp_acked *a)
{
	/* Karn: and without SACK what stands behind a gap may have waited there. */
	if (a->rtt_us != 0 && !a->rexmit) {
		if (likely(c->board->sampled_us == (uint32_t)a->now_us))
			return; /* one of a burst of ACKs is enough */
		c->board->sampled_us = (uint32_t)a->now_us;
		tcp_rtt_sample(c, a->rtt_us);
		tcp_rack_min_rtt(c, a->rtt_min_us, a->now_us);
	} else if (a->moved && a->ts_ecr != 0 && (c->rxtshift > 0 || c->srtt_us >= TS_RTT_MIN_US)) {
		/* Something was sent twice: the echo says which one arrived. */
		uint32_t ms = tcp_ts_now(c, a->now_us) - a->ts_ecr;

		if (ms < TCP_RTO_MAX_US / TCP_MS)
			tcp_rtt_sample(c, max_u64(ms, 1u) * TCP_MS);
	}
}

static void grow(struct tcp_conn *c, const struct tcp_acked *a)
{
	struct tcp_cc_ack k = {.now_us = a->now_us,
			       .acked = a->delivered,
			       .pipe = a->pipe,
			       .rtt_us = a->rexmit ? 0 : a->rtt_min_us};

	tcp_cc_acked(c, &k);
}

/* DSACK: RFC 3708, for the window, and RFC 8985 for what counts as late. */
static void dsack_step(struct tcp_conn *c, const struct tcp_sack *d)
{
	struct tcp_board *b = c->board;

	tcp_count(c->t, TCP_C_DSACK_IN);
	tcp_rack_dsack(c);
	if (!b->undo || !b->rexmit || seq_le(d->end, b->undo_una))
		return;
	b->undo_bytes -= min_u64(b->undo_bytes, d->end - d->start);
	if (c->in_recovery)
		c->reordering = true;
}

/* RFC 2883 section 4: the first block is below the ACK, or within the second. */
static bool is_dsack(const struct tcp_opts *o, uint32_t ack)
{
	const struct tcp_sack *k = o->sack;

	if (seq_ge(k[0].start, k[0].end))
		return false;
	return seq_lt(k[0].start, ack) ||
	       (o->sack_n > 1 && seq_ge(k[0].start, k[1].start) && seq_le(k[0].end, k[1].end));
}

static void sack_step(struct tcp_conn *c, const struct tcp_seg *g, struct tcp_acked *a)
{
	const struct tcp_opts *o = &g->opts;

	a->dsack = is_dsack(o, g->ack);
	if (a->dsack)
		dsack_step(c, &o->sack[0]);
	tcp_sent_sacked(c, o->sack + a->dsack, o->sack_n - a->dsack, a);
}

/* Everything in flight was looked at: when is there something to do next? */
static void timer_step(struct tcp_conn *c, const struct tcp_acked *a, uint32_t reo_us)
{
	struct tcp_board *b = c->board;
	uint64_t now_us = a->now_us;

	if (b->all.head == NULL) {
		tcp_sent_free(c);
		tcp_timer_clear(c, TCP_T_REXMT);
		return;
	}
	if (likely(a->moved)) { /* RFC 6298 (5.3) */
		uint32_t was = b->rto_at;

		rto_restart(c, now_us);
		/* In a burst of ACKs the first has set it. */
		if (likely(was == b->rto_at && reo_us == 0 && c->rexmt_kind == TCP_REXMT_TLP &&
			   tcp_tlp_allowed(c) && c->snd_nxt - c->snd_una > c->mss))
			return;
	}
	if (reo_us > 0 && (int32_t)(b->rto_at - (uint32_t)now_us) > (int32_t)reo_us)
		timer_at(c, TCP_REXMT_REO, now_us + reo_us, now_us);
	else
		timer_next(c, now_us);
}

/* A probe of the window was acknowledged, or a late word about what was. */
static void nothing_in_flight(struct tcp_conn *c, const struct tcp_seg *g,
			      const struct tcp_acked *a)
{
	if (a->moved)
		c->rxtshift = 0;
	if (c->tlp_out && c->sack_ok && g->opts.sack_n > 0 && is_dsack(&g->opts, g->ack))
		c->tlp_out = false; /* the tail had arrived, and its probe */
}

void tcp_recovery_ack(struct tcp_conn *c, const struct tcp_seg *g, struct tcp_acked *a,
		      uint32_t acked)
{
	uint32_t reo_us;

	if (c->board == NULL) {
		nothing_in_flight(c, g, a);
		return;
	}
	if (unlikely(g->opts.sack_n > 0 && c->sack_ok))
		sack_step(c, g, a);
	if (!a->moved && a->delivered == 0 && !a->dup && !a->dsack)
		return;
	rtt_step(c, a);
	if (a->moved)
		c->rxtshift = 0;
	if (unlikely(c->tlp_out))
		tlp_step(c, a);
	if (unlikely(c->in_recovery || c->in_rto))
		repair_step(c, a);
	reo_us = detect(c, a, acked);
	if (a->lost && !c->in_recovery && !c->in_rto)
		recovery_enter(c, a);
	if (unlikely(c->in_recovery))
		prr(c, a->delivered, a->moved && !a->lost);
	else if (likely(a->moved) || (c->reordering && a->delivered > 0))
		grow(c, a); /* RFC 3042: not with duplicates, but where they are the rule */
	/* RFC 3708: each of them came twice, so none had been lost. */
	if (unlikely(a->dsack) && !a->moved && may_undo(c, a))
		undo(c);
	timer_step(c, a, reo_us);
}

/* --- the timer fires --------------------------------------------------------------------- */

bool tcp_recovery_timer(struct tcp_conn *c, uint64_t now_us)
{
	struct tcp_acked a = {.now_us = now_us, .pipe = tcp_pipe(c)};
	uint32_t reo_us;

	if (c->board == NULL)
		return false;
	switch ((enum tcp_rexmt_kind)c->rexmt_kind) {
	case TCP_REXMT_TLP:
		c->tlp_due = true;
		rto_restart(c, now_us); /* RFC 8985 section 7.3 */
		timer_at(c, TCP_REXMT_RTO, now_us + tcp_rto(c), now_us);
		tcp_output_want(c);
		return true;
	case TCP_REXMT_REO:
		reo_us = tcp_rack_detect(c, now_us, &a.lost);
		if (a.lost && !c->in_recovery && !c->in_rto)
			recovery_enter(c, &a);
		if (c->in_recovery)
			prr(c, 0, false);
		timer_step(c, &a, reo_us);
		tcp_output_want(c);
		return true;
	case TCP_REXMT_RTO:
		break;
	}
	return false;
}
