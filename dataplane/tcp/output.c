/* dataplane/tcp/output.c - what is due of a connection, and when it may go. */
#include "dataplane/tcp/segment.h"

uint32_t tcp_ts_now(const struct tcp_conn *c, uint64_t now_us)
{
	return c->ts_offset + (uint32_t)(now_us / TCP_MS);
}

void tcp_output_want(struct tcp_conn *c)
{
	struct tcp *t = c->t;

	if (c->on_output || c->state == TCP_CLOSED)
		return;
	c->on_output = true;
	c->out_next = NULL;
	*t->out_tail = c;
	t->out_tail = &c->out_next;
}

void tcp_tx_rewind(struct tcp_conn *c)
{
	c->snd_nxt = c->snd_una;
	c->busy->tx_cur = (struct tcp_cursor){c->busy->txq.head, c->busy->tx_off};
}

/*
 * SND.NXT of a segment without data: the highest sent, but not beyond what the peer takes, or
 * it would not take the acknowledgement either.
 */
static uint32_t bare_seq(const struct tcp_conn *c)
{
	return seq_min(c->snd_max, c->snd_una + c->snd_wnd);
}

bool tcp_send_ack(struct tcp_conn *c, uint64_t now_us)
{
	return tcp_emit(c, bare_seq(c), RTE_TCP_ACK_FLAG, tcp_no_payload, 0, now_us);
}

void tcp_send_rst(struct tcp_conn *c, uint64_t now_us)
{
	if (tcp_emit(c, bare_seq(c), RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG, tcp_no_payload, 0,
		     now_us))
		tcp_count(c->t, TCP_C_RESETS_OUT);
}

void tcp_challenge(struct tcp_conn *c, uint64_t now_us)
{
	if (tcp_since_us(c->challenge_start, now_us) >= TCP_CHALLENGE_US) {
		c->challenge_start = tcp_tick(now_us);
		c->challenges = 0;
	}
	if (c->challenges >= TCP_CHALLENGE_MAX)
		return;
	c->challenges++;
	tcp_count(c->t, TCP_C_CHALLENGE);
	c->ack_now = true;
	tcp_output_want(c);
}

/* Sets the retransmission timer for a SYN. */
static void syn_arm(struct tcp_conn *c, uint64_t now_us)
{
	uint64_t give_up;

	if (tcp_timer_on(c, TCP_T_REXMT))
		return;
	if (c->rxtshift == 0 && c->persist_shift == 0)
		c->progress = tcp_tick(now_us);
	give_up = max_u64(tcp_give_up_at(c), now_us + 1);
	c->rexmt_kind = TCP_REXMT_RTO;
	tcp_timer_set(c, TCP_T_REXMT, min_u64(now_us + tcp_rto(c), give_up));
}

static void persist_arm(struct tcp_conn *c, uint64_t now_us)
{
	uint64_t wait = (uint64_t)c->rto_us << c->persist_shift;

	if (tcp_timer_on(c, TCP_T_PERSIST))
		return;
	if (c->rxtshift == 0 && c->persist_shift == 0)
		c->progress = tcp_tick(now_us);
	tcp_timer_set(c, TCP_T_PERSIST,
		      min_u64(now_us + min_u64(wait, TCP_RTO_MAX_US),
			      max_u64(tcp_give_up_at(c), now_us + 1)));
}

static bool send_syn(struct tcp_conn *c, uint64_t now_us)
{
	uint8_t flags = RTE_TCP_SYN_FLAG;

	if (c->state == TCP_SYN_RCVD)
		flags |= RTE_TCP_ACK_FLAG;
	flags |= tcp_ecn_syn_flags(c);
	if (!tcp_emit(c, c->iss, flags, tcp_no_payload, 0, now_us))
		return false;
	c->syn_due = false;
	if (c->rxtshift > 0) {
		tcp_count(c->t, TCP_C_RETRANS);
	} else if (!c->rtt_timing) {
		c->rtt_timing = true;
		c->rtt_start_us = (uint32_t)now_us;
	}
	syn_arm(c, now_us);
	return true;
}

/* Book-keeping of a segment [seq, seq + space) from cur that went for the first time. */
static void sent(struct tcp_conn *c, uint32_t seq, uint32_t space, struct tcp_cursor cur,
		 uint64_t now_us)
{
	bool again = seq_lt(seq, c->snd_max); /* after the peer's window had come back */

	if (unlikely(again)) {
		tcp_count(c->t, TCP_C_RETRANS);
		tcp_pmtu_resent(c, seq, space);
	}
	if (c->snd_una == c->snd_max)
		tcp_cc_tx_start(c, now_us);
	tcp_sent_new(c, seq, space, cur, again, now_us);
	if (unlikely(c->in_recovery))
		c->board->prr_out += space;
	c->snd_max = seq_max(c->snd_max, seq + space);
	c->last_tx = tcp_tick(now_us);
}

/* Our FIN is out: RFC 9293 3.10.4. */
static void fin_went(struct tcp_conn *c)
{
	if (c->fin_sent)
		return;
	c->fin_sent = true;
	c->state = c->state == TCP_CLOSE_WAIT ? TCP_LAST_ACK : TCP_FIN_WAIT_1;
}

static uint32_t fin_seq(const struct tcp_conn *c)
{
	return c->tx_seq + tcp_tx_bytes(c);
}

enum step { STEP_SENT, STEP_IDLE, STEP_NO_MBUF };

/* s once more, or its first segment, len bytes of payload and a FIN at most. */
static enum step send_again(struct tcp_conn *c, struct tcp_sent *s, uint32_t len, uint64_t now_us)
{
	struct tcp_cursor cur = tcp_sent_cursor(c, s), next;
	bool head = s->seq == c->snd_una, fin;
	uint8_t flags = RTE_TCP_ACK_FLAG;
	uint32_t seq = s->seq;

	len = min_u64(min_u64(len, s->end - seq), fin_seq(c) - seq);
	len = tcp_payload_plan(cur, len, 0, &next);
	fin = c->fin_sent && seq + len == fin_seq(c) && seq_gt(s->end, fin_seq(c));
	if (fin)
		flags |= RTE_TCP_FIN_FLAG;
	if (!tcp_emit(c, seq, flags, cur, len, now_us))
		return STEP_NO_MBUF;
	tcp_count(c->t, TCP_C_RETRANS);
	tcp_pmtu_resent(c, seq, len);
	tcp_sent_again(c, s, len + fin, next, now_us);
	tcp_recovery_rexmit(c, len + fin, now_us);
	if (c->in_recovery)
		c->board->prr_out += len + fin;
	c->last_tx = tcp_tick(now_us);
	tcp_timer_clear(c, TCP_T_PERSIST);
	c->persist_shift = 0;
	tcp_recovery_sent(c, head, now_us);
	return STEP_SENT;
}

/* The first of what is lost, if the windows allow. */
static enum step send_lost(struct tcp_conn *c, uint64_t now_us)
{
	struct tcp_sent *s = tcp_sent_lost(c);
	uint32_t pipe, len, edge = c->snd_una + c->snd_wnd;

	if (likely(s == NULL) || c->board->frto_new)
		return STEP_IDLE;
	pipe = tcp_pipe(c);
	len = min_u64(s->end - s->seq, (uint32_t)c->mss);
	if (pipe > 0 && (uint64_t)pipe + len > c->cwnd)
		return STEP_IDLE;
	/* A peer that takes its window back gets it when it opens again. */
	if (seq_gt(s->seq + len, edge)) {
		if (seq_ge(s->seq, edge))
			return STEP_IDLE;
		len = edge - s->seq;
	}
	return send_again(c, s, len, now_us);
}

/*
 * RFC 9293 section 3.7.4 as Minshall has it: while a segment that was not full is on its way there
 * is no second one; full ones on their way hold nobody back, so that the end of a long
 * write does not wait for the peer's delayed ACK. Behind a FIN nothing comes to be waited for.
 */
static bool nagle_holds(const struct tcp_conn *c)
{
	/* One of long ago may seem to come: numbers wrap. */
	return c->nagle && !c->fin_queued && seq_gt(c->snd_sml, c->snd_una) &&
	       seq_le(c->snd_sml, c->snd_max);
}

/*
 * The sender's side of silly window avoidance, RFC 9293 section 3.8.6.2.1: a full segment, all
 * there is, or half of the largest window ever offered; the latter two as Nagle allows.
 */
static bool worth_sending(const struct tcp_conn *c, uint32_t len, uint32_t queued)
{
	if (likely(len == c->mss))
		return true;
	return (len == queued || len >= (c->max_snd_wnd + 1) / 2) && !nagle_holds(c);
}

/* What the two windows leave; more: beyond that of congestion, for a probe. */
static uint32_t send_room(const struct tcp_conn *c, uint32_t more)
{
	uint32_t flight = c->snd_nxt - c->snd_una, pipe = tcp_pipe(c), cwnd = c->cwnd + more;

	if (cwnd <= pipe || c->snd_wnd <= flight)
		return 0;
	return min_u64(cwnd - pipe, c->snd_wnd - flight);
}

/* Of bytes that may go, how many in one super-segment of at most segs segments. */
static uint32_t super_limit(const struct tcp_conn *c, uint32_t bytes, unsigned int segs)
{
	/* What the rate leaves is rounded up, or a rest of it would never go. */
	uint64_t paced = (uint64_t)c->busy->pace.left + c->mss - 1;

	bytes = min_u64(min_u64(bytes, segs * (uint32_t)c->mss), paced);
	return min_u64(bytes, (uint32_t)NET_SUPER_MAX - TCP_HDR_MAX);
}

/*
 * At snd_nxt one segment, or at most *most full ones, if the windows allow; *most becomes what is
 * left of it. force: the override of the persist timer.
 */
static enum step send_next(struct tcp_conn *c, bool force, uint32_t more, unsigned int *most,
			   uint64_t now_us)
{
	uint32_t end = fin_seq(c), flight = c->snd_nxt - c->snd_una;
	struct tcp_super s = {.next = c->busy->tx_cur};
	uint32_t queued, len, room;
	uint8_t flags = RTE_TCP_ACK_FLAG;
	bool fin, full, watch;

	if (seq_gt(c->snd_nxt, end))
		return STEP_IDLE;
	queued = end - c->snd_nxt;
	room = min_u64(send_room(c, more), queued);
	len = min_u64(room, (uint32_t)c->mss);
	full = len == c->mss;
	if (len > 0 && !force && !worth_sending(c, len, queued))
		return STEP_IDLE;
	if (unlikely(c->pmtu.below) && full)
		len = max_u64(len, tcp_pmtu_probe(c, queued, now_us));
	/* What goes again after the peer's window had come back goes one by one. */
	if (likely(len == c->mss) && likely(c->snd_nxt == c->snd_max)) {
		tcp_super_plan(c->mss, super_limit(c, room, *most), *most, &s);
	} else {
		s.first = s.len = tcp_payload_plan(s.next, len, c->mss, &s.next);
		s.segs = 1;
	}
	fin = c->fin_queued && s.len == queued && flight + s.len < c->snd_wnd;
	if (s.len == 0 && !fin)
		return STEP_IDLE;
	if (s.len == queued)
		flags |= RTE_TCP_PSH_FLAG;
	if (fin)
		flags |= RTE_TCP_FIN_FLAG;
	if (s.len == 0)
		flags &= (uint8_t)~RTE_TCP_PSH_FLAG;

	if (!tcp_sent_reserve(c) ||
	    !tcp_emit_segs(c, c->snd_nxt, flags, c->busy->tx_cur, s.len, s.segs, now_us))
		return STEP_NO_MBUF;
	*most -= s.segs;
	watch = s.first >= c->mss && c->snd_nxt == c->snd_max;
	sent(c, c->snd_nxt, s.len + fin, c->busy->tx_cur, now_us);
	if (unlikely(c->pmtu.confirmed < c->pmtu.size || s.first > c->mss) && watch)
		tcp_pmtu_watch(c, c->snd_nxt, s.first);
	/* One that ends at a seam is full enough: it is not for want of bytes that it ends. */
	if (s.len > 0 && !full)
		c->snd_sml = c->snd_nxt + s.len;
	c->snd_nxt += s.len + fin;
	c->busy->tx_cur = s.next;
	if (fin)
		fin_went(c);
	tcp_timer_clear(c, TCP_T_PERSIST);
	c->persist_shift = 0;
	tcp_recovery_sent(c, false, now_us);
	return STEP_SENT;
}

/* RFC 9293 section 3.8.6.1: one byte, or the FIN, into a window of zero. */
static bool send_probe(struct tcp_conn *c, uint64_t now_us)
{
	struct tcp_cursor cur = {c->busy->txq.head, c->busy->tx_off};
	uint32_t len = min_u64(tcp_tx_bytes(c), 1u);
	uint8_t flags = RTE_TCP_ACK_FLAG;
	bool fin = len == 0 && c->fin_queued;

	if (len == 0 && !fin)
		return true;
	if (fin)
		flags |= RTE_TCP_FIN_FLAG;
	if (!tcp_emit(c, c->snd_una, flags, cur, len, now_us))
		return false;
	c->snd_max = seq_max(c->snd_max, c->snd_una + len + fin);
	if (fin)
		fin_went(c);
	tcp_count(c->t, TCP_C_PERSIST);
	return true;
}

/* Something waits and nothing is on its way whose acknowledgement could free it. */
static bool stalled(const struct tcp_conn *c)
{
	return c->snd_nxt == c->snd_una && !tcp_timer_on(c, TCP_T_REXMT) && !c->busy->pace.waits &&
	       (tcp_tx_bytes(c) > 0 || (c->fin_queued && c->snd_una != fin_seq(c) + 1));
}

/* RFC 8985 section 7.3: one segment of what is new, or else the last once more. */
static bool send_tail_probe(struct tcp_conn *c, uint64_t now_us)
{
	unsigned int most = 1;
	struct tcp_sent *s;
	enum step r;

	c->tlp_due = false;
	if (c->board == NULL || c->in_recovery || c->in_rto)
		return true;
	r = send_next(c, true, c->mss, &most, now_us);
	if (r == STEP_IDLE && (s = tcp_sent_tail(c)) != NULL) {
		r = send_again(c, s, c->mss, now_us);
		if (r == STEP_SENT)
			tcp_tlp_sent(c, true);
	} else if (r == STEP_SENT) {
		tcp_tlp_sent(c, false);
	}
	return r != STEP_NO_MBUF;
}

/* There is something that the windows let go. */
static bool waits_for_port(const struct tcp_conn *c)
{
	if (c->tlp_due || c->probe_due || (c->fin_queued && !c->fin_sent) ||
	    (c->board != NULL && c->board->lost_bytes > 0))
		return true;
	return seq_lt(c->snd_nxt, fin_seq(c)) && send_room(c, 0) > 0;
}

/*
 * What is given to a full port would be lost, and is not late where it is. Acknowledgements go all
 * the same: the next one says what a lost one said.
 */
static bool port_is_behind(const struct tcp_conn *c, bool first)
{
	return (net_tx_room(c->t->conf.net, c->path.iface) == 0 ||
		(!first && tcp_room_is_others(c))) &&
	       waits_for_port(c);
}

static bool send_data(struct tcp_conn *c, uint64_t now_us)
{
	unsigned int most = net_tx_room(c->t->conf.net, c->path.iface), left;
	bool force = c->probe_due && c->snd_wnd > 0, paced;
	enum step r = STEP_SENT;

	if (c->busy->pace.waits)
		return true;
	most = (unsigned int)min_u64(most, TCP_OUT_SEGS);
	if (c->snd_una == c->snd_max)
		tcp_cc_idle(c, now_us);
	tcp_pace_begin(c, now_us);
	left = most;
	while (left > 0 && r == STEP_SENT && c->busy->pace.left > 0) {
		r = send_lost(c, now_us);
		left -= r == STEP_SENT;
	}
	if (r == STEP_IDLE)
		r = STEP_SENT;
	while (left > 0 && r == STEP_SENT && c->busy->pace.left > 0) {
		r = send_next(c, force, 0, &left, now_us);
		force = false;
	}
	paced = tcp_pace_end(c, r == STEP_SENT, now_us);
	if (r == STEP_NO_MBUF)
		return false;
	if (seq_lt(c->snd_nxt, fin_seq(c)) && tcp_pipe(c) + c->mss > c->cwnd)
		c->busy->limited_end = c->snd_max;
	if (r == STEP_SENT && !paced && (most > 0 || waits_for_port(c)))
		tcp_output_want(c); /* its share of this turn is used up */

	/*
	 * A time-out had declared all of it lost, and before it could go again (the port was full,
	 * a pool empty) the peer took its window back: now the window is what is waited for.
	 */
	if (unlikely(r == STEP_IDLE && c->board != NULL && !tcp_timer_on(c, TCP_T_REXMT)))
		tcp_recovery_rewind(c);
	if (c->probe_due && stalled(c) && !send_probe(c, now_us))
		return false;
	c->probe_due = false;
	if (stalled(c))
		persist_arm(c, now_us);
	return true;
}

/* Acknowledgements that no data carried. */
static bool send_acks(struct tcp_conn *c, uint64_t now_us)
{
	if (c->keep_due) {
		if (!tcp_emit(c, c->snd_una - 1, RTE_TCP_ACK_FLAG, tcp_no_payload, 0, now_us))
			return false;
		c->keep_due = false;
	}
	return !c->ack_now || tcp_send_ack(c, now_us);
}

/* RFC 5681 section 4.2: each segment out of order is answered, or the peer cannot count. */
static bool send_dupacks(struct tcp_conn *c, uint64_t now_us)
{
	for (; c->dupacks_due > 0; c->dupacks_due--)
		if (!tcp_send_ack(c, now_us))
			return false;
	return true;
}

static bool output(struct tcp_conn *c, bool first, uint64_t now_us)
{
	if (unlikely(c->path.version != net_routes_version(c->t->conf.net)))
		tcp_pmtu_link(c);
	if (c->syn_due)
		return send_syn(c, now_us);
	if (!tcp_synchronized((enum tcp_state)c->state))
		return !c->ack_now || c->state != TCP_SYN_RCVD || tcp_send_ack(c, now_us);
	tcp_busy_get(c);
	if (!send_dupacks(c, now_us))
		return false;
	if (unlikely(port_is_behind(c, first))) {
		tcp_room_wait(c);
		/* Nothing on its way is timed: the other timer says when the peer is given up. */
		if (!tcp_timer_on(c, TCP_T_REXMT))
			persist_arm(c, now_us);
		return send_acks(c, now_us);
	}
	return (!c->tlp_due || send_tail_probe(c, now_us)) && send_data(c, now_us) &&
	       send_acks(c, now_us);
}

void tcp_conn_output(struct tcp_conn *c, bool first, uint64_t now_us)
{
	if (!output(c, first, now_us))
		tcp_timer_set(c, TCP_T_RETRY, now_us + TCP_RETRY_US);
	tcp_busy_watch(c, now_us);
}

unsigned int tcp_output_poll(struct tcp *t, uint64_t now_us)
{
	struct tcp_conn *c, *next;
	unsigned int work = 0;

	t->now_us = now_us;
	work += tcp_mem_turn(t);
	work += tcp_room_run(t, now_us);
	c = t->out_head;
	/* The list is taken off: who wants more in this turn is served in the next. */
	t->out_head = NULL;
	t->out_tail = &t->out_head;
	for (; c != NULL; c = next) {
		next = c->out_next;
		c->on_output = false;
		if (c->state == TCP_CLOSED)
			continue;
		tcp_conn_output(c, false, now_us);
		work++;
	}
	tcp_reap(t);
	return work;
}
