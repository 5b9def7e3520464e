/*
 * dataplane/tcp/window.c - the windows that TCP offers: how much a peer may send, how much a user
 * should give.
 *
 * Source  RFC 9293 section 3.8.6, RFC 7323 section 2; dynamic right-sizing (Fisk and Feng 2001).
 *
 * A connection begins with TCP_RX_INITIAL. What its user takes in a round trip is what the path and
 * the user together carry; the window is kept at twice that, so that it is never what holds the
 * sender back, and while the sender still speeds up, ahead of it. A user that does not take makes
 * nothing grow.
 *
 * What windows have grown by adds up, over a shard, to at most its rx_shard, and one connection
 * may have half of what the others left (dynamic thresholds, Choudhury and Hahne 1998): there is
 * always something for the next. A connection at rest goes back to where it began and is not
 * counted any more; what it was promised stays promised, which is the over-commitment that mem.c
 * answers for.
 *
 * The user of a stream is asked before its window grows, and told when it is smaller (stream.h).
 *
 * While the core has no time left (near.h) what a round trip carries says how long packets waited
 * for us: a window follows the shortest round trip then, and that of a near peer becomes smaller
 * than it was at first.
 */
#include "dataplane/tcp/internal.h"

/* Segments that may come between two looks of the user (the slack of the measurement). */
#define SLACK_SEGS 16
/* A round trip that takes as much longer than the shortest while the core is full waits for us. */
#define OWN_QUEUE 2

/* Of what is beyond its first window its user says how much. */
static uint32_t window_kept(struct tcp_conn *c, uint32_t w)
{
	const struct stream_user *user = c->s.user;
	uint32_t initial = c->t->rx_initial, was = max_u64(c->rx_window, initial);

	if (user == NULL || user->keep == NULL || max_u64(w, initial) == was)
		return w;
	if (w > initial)
		return user->keep(&c->s, was, w);
	(void)user->keep(&c->s, was, initial);
	return w;
}

static void window_set(struct tcp_conn *c, uint32_t w)
{
	uint64_t initial = c->t->rx_initial;

	w = window_kept(c, w);
	c->t->mem.rx_grown += max_u64(w, initial) - max_u64(c->rx_window, initial);
	c->rx_window = w;
}

void tcp_rwin_init(struct tcp_conn *c)
{
	c->rx_window = c->t->rx_initial;
}

void tcp_rwin_rest(struct tcp_conn *c)
{
	if (c->rx_window != c->t->rx_initial)
		window_set(c, c->t->rx_initial);
}

void tcp_rwin_resume(struct tcp_conn *c)
{
	c->busy->taken_at_us = (uint32_t)c->t->now_us;
	c->busy->fill_at_us = (uint32_t)c->t->now_us;
	c->busy->fill_end = c->rcv_adv;
}

/* While the core is full it may be smaller than at first. */
static uint32_t window_least(const struct tcp *t)
{
	return min_u64(t->rx_initial, t->near.window);
}

/* The most its window may be now. */
static uint32_t window_limit(const struct tcp_conn *c)
{
	const struct tcp *t = c->t;
	uint64_t grown = max_u64(c->rx_window, t->rx_initial) - t->rx_initial;
	uint64_t others = t->mem.rx_grown - grown;
	uint64_t rest = t->conf.rx_shard > others ? t->conf.rx_shard - others : 0;

	return (uint32_t)min_u64(t->conf.rx_budget, t->rx_initial + rest / 2);
}

/*
 * The round trip as a receiver sees it: from an ACK of ours to the segment that echoes its
 * timestamp; without timestamps, the shortest time in which a window was filled.
 */
void tcp_rwin_arrived(struct tcp_conn *c, const struct tcp_seg *g, uint64_t now_us)
{
	struct tcp_busy *b = c->busy;

	if (c->ts_on && g->opts.has_ts) {
		uint32_t ms;

		if (g->opts.ts_ecr == b->rtt_ecr || g->unit < c->rcv_mss)
			return;
		b->rtt_ecr = g->opts.ts_ecr;
		ms = tcp_ts_now(c, now_us) - g->opts.ts_ecr;
		if (ms < TCP_RTO_MAX_US / TCP_MS) {
			uint32_t us = (uint32_t)(max_u64(ms, 1u) * TCP_MS);

			b->rcv_rtt_us = b->rcv_rtt_us == 0 ? us : (7 * b->rcv_rtt_us + us) / 8;
		}
	} else if (seq_ge(c->rcv_nxt, b->fill_end)) {
		uint32_t us = max_u64((uint32_t)now_us - b->fill_at_us, 1u);

		b->rcv_rtt_us = b->rcv_rtt_us == 0 ? us : min_u64(b->rcv_rtt_us, us);
		b->fill_end = c->rcv_adv;
		b->fill_at_us = (uint32_t)now_us;
	}
}

/* What the window should be after a round trip in which so many bytes were taken. */
static uint64_t window_wanted(const struct tcp_conn *c, uint32_t taken, uint32_t before)
{
	uint64_t want = 2 * (uint64_t)taken + SLACK_SEGS * c->rcv_mss;

	/* A sender in slow start sends twice as much in the next one, before it hears of this. */
	if (taken > before)
		want += before == 0 ? want
				    : min_u64(want, want * (uint64_t)(taken - before) / before);
	return want;
}

/*
 * The most that helps. While the core is full a round trip is longer by the time that packets wait
 * for it, and what is beyond so many of the shortest one waits, too. What a far peer's packets wait
 * for may be its path as well: it has no less than at first.
 */
static uint64_t window_useful(const struct tcp_conn *c, uint64_t want, uint32_t rtt)
{
	const struct near *n = &c->t->near;
	uint64_t least = n->window;

	if (c->min_rtt_us > TCP_MS)
		least = max_u64(least, c->t->rx_initial);
	if (n->full && c->min_rtt_us != 0 && rtt / OWN_QUEUE > c->min_rtt_us)
		return max_u64(want * OWN_QUEUE * c->min_rtt_us / rtt, least);
	return rtt <= TCP_MS ? n->window : UINT32_MAX;
}

void tcp_turns(struct tcp *t, uint64_t turns, uint64_t busy)
{
	near_told(&t->near, turns, busy);
}

void tcp_rwin_taken(struct tcp_conn *c, uint32_t n)
{
	struct tcp_busy *b = c->busy;
	uint32_t now = (uint32_t)c->t->now_us, rtt;
	uint64_t want, useful, limit;

	if (!tcp_is_busy(c) || c->state == TCP_CLOSED) /* what is unread can still be taken */
		return;
	b->taken += n;
	rtt = b->rcv_rtt_us != 0 ? b->rcv_rtt_us : c->srtt_us;
	if (rtt == 0 || now - b->taken_at_us < rtt)
		return;
	want = window_wanted(c, b->taken, b->taken_before);
	useful = window_useful(c, want, rtt);
	limit = window_limit(c);
	if (c->t->near.full)
		limit = min_u64(limit, useful);
	want = min_u64(min_u64(want, useful), limit);
	if (want > c->rx_window)
		window_set(c, (uint32_t)want);
	else if (c->rx_window > limit) /* others came; what was promised is kept all the same */
		window_set(c, (uint32_t)max_u64(limit, window_least(c->t)));
	b->taken_before = b->taken;
	b->taken = 0;
	b->taken_at_us = now;
}

/*
 * RFC 9293 section 3.8.6.2.2: the right edge moves only by something worth a segment, and
 * never to the left.
 */
uint32_t tcp_rcv_wnd(struct tcp_conn *c)
{
	const struct tcp_mem *mem = &c->t->mem;
	uint32_t budget = c->rx_window, now = c->rcv_adv - c->rcv_nxt;
	uint64_t room;

	if (tcp_mem_short(mem)) {
		tcp_mem_refused(c);
		/* Half: a full segment fills little more of its buffer, and none shall be dropped.
		 */
		budget = min_u64(budget, tcp_mem_share(mem) / 2);
	}
	room = c->busy->rx_cost < budget ? budget - c->busy->rx_cost : 0;
	room = min_u64(room, (uint64_t)TCP_WND_RAW_MAX << c->rcv_wscale);
	return room < now + (uint64_t)min_u64(budget / 2, c->mss_adv) ? now : (uint32_t)room;
}

void tcp_window_opened(struct tcp_conn *c)
{
	uint32_t now = c->rcv_adv - c->rcv_nxt;

	if (!tcp_synchronized((enum tcp_state)c->state) || c->rcv_fin)
		return;
	if (tcp_rcv_wnd(c) - now >= min_u64(c->rx_window / 2, 2u * c->mss_adv)) {
		c->ack_now = true;
		tcp_output_want(c);
	}
}

/* What is left of want bytes, in memory of twice as much. */
static uint32_t space_left(const struct tcp_conn *c, uint64_t want)
{
	uint64_t by_len, by_cost;

	by_len = tcp_tx_bytes(c) < want ? want - tcp_tx_bytes(c) : 0;
	by_cost = c->busy->tx_cost < 2 * want ? (2 * want - c->busy->tx_cost) / 2 : 0;
	return (uint32_t)min_u64(by_len, by_cost);
}

/*
 * Bytes may wait before there is a window for them, more for a peer that has taken some: one that
 * never reads holds no more of ours than it has to be shown (F-35).
 */
static uint64_t ahead(const struct tcp_conn *c)
{
	if (tcp_timer_on(c, TCP_T_PERSIST))
		return TCP_TX_AHEAD_STALLED;
	return min_u64(TCP_TX_AHEAD_MIN + c->total_out, (uint64_t)TCP_TX_AHEAD_MAX);
}

/*
 * What an ACK finds waiting beside what it acknowledges. The user has his turn in the same turn of
 * the shard, so on a long path a whole flight is not needed for that; and what the user has to say
 * next, a keystroke after a bulk transfer, is behind all of it.
 */
static uint64_t unsent(const struct tcp_conn *c, uint64_t flight)
{
	uint64_t most = flight;

	if (flight > TCP_TX_UNSENT_MIN && c->srtt_us > TCP_TX_UNSENT_US)
		most = max_u64(flight * TCP_TX_UNSENT_US / c->srtt_us, TCP_TX_UNSENT_MIN);
	return most;
}

/* What may be under way, and some more. */
uint32_t tcp_tx_space(struct tcp_conn *c)
{
	const struct tcp_mem *m = &c->t->mem;
	uint64_t flight = min_u64(c->cwnd, c->snd_wnd), want = flight + unsent(c, flight);

	want = min_u64(max_u64(want, ahead(c)), (uint64_t)c->t->conf.tx_budget);
	if (likely(!tcp_mem_short(m)))
		return space_left(c, want);
	if (want > tcp_mem_share(m) / 2)
		tcp_mem_refused(c);
	return space_left(c, min_u64(want, tcp_mem_share(m) / 2));
}
