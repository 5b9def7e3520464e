/*
 * dataplane/tcp/timer.c - deadlines of connections.
 *
 * A connection stands once in a heap, at the earliest time it may have something to do.
 * A deadline that moves later does not touch the heap (every ACK moves one): the entry is
 * looked at when its old time comes and put where it belongs then.
 *
 * A connection keeps the low half of each deadline. None is earlier than heap_at, nor much more
 * than TIMER_MAX_US later, so heap_at gives the other half. What shall come later than that
 * (keep-alive) comes early, finds that it is not time, and sets itself again.
 */
#include "dataplane/tcp/internal.h"

#include <rte_prefetch.h>

#include "dataplane/table.h"

#define TIMER_MAX_US (UINT64_C(1) << 31)

static uint64_t deadline_us(const struct tcp_conn *c, int k)
{
	return c->heap_at + (uint32_t)(c->deadline[k] - (uint32_t)c->heap_at);
}

/*
 * Four below each, and their times beside them: a walk through the heap of ten thousand looks at a
 * line of it for each level, and at no connection.
 */
static inline uint32_t heap_above(uint32_t pos)
{
	return (pos + 2) / 4;
}

static inline uint32_t heap_below(uint32_t pos)
{
	return 4 * pos - 2;
}

/* So that the four of a place are a line: heap[2] is at the start of one. */
#define HEAP_BEFORE 2

int tcp_timers_init(struct tcp *t)
{
	struct tcp_due *p = table_new(HEAP_BEFORE + 1 + (size_t)t->conf.conns_max, sizeof(*p));

	_Static_assert(4 * sizeof(*p) == 64, "a line");
	if (p == NULL)
		return -ENOMEM;
	t->heap = p + HEAP_BEFORE;
	return 0;
}

void tcp_timers_fini(struct tcp *t)
{
	if (t->heap != NULL)
		table_free(t->heap - HEAP_BEFORE, HEAP_BEFORE + 1 + (size_t)t->conf.conns_max,
			   sizeof(*t->heap));
}

static inline void heap_put(struct tcp *t, uint32_t pos, struct tcp_due due)
{
	t->heap[pos] = due;
	tcp_at(t, due.conn)->heap_pos = pos;
}

static void sift_up(struct tcp *t, uint32_t pos, struct tcp_due due)
{
	for (; pos > 1 && t->heap[heap_above(pos)].at_us > due.at_us; pos = heap_above(pos))
		heap_put(t, pos, t->heap[heap_above(pos)]);
	heap_put(t, pos, due);
}

static void sift_down(struct tcp *t, uint32_t pos, struct tcp_due due)
{
	for (;;) {
		uint32_t kid = heap_below(pos), end = min_u64(kid + 4, t->heap_n + 1u), least = kid;

		if (kid > t->heap_n)
			break;
		for (uint32_t i = kid + 1; i < end; i++)
			if (t->heap[i].at_us < t->heap[least].at_us)
				least = i;
		if (t->heap[least].at_us >= due.at_us)
			break;
		heap_put(t, pos, t->heap[least]);
		pos = least;
	}
	heap_put(t, pos, due);
}

static void heap_remove(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_due last = t->heap[t->heap_n];
	uint32_t pos = c->heap_pos;

	t->heap_n--;
	c->heap_pos = 0;
	if (last.conn == tcp_index(c))
		return;
	sift_up(t, pos, last);
	sift_down(t, tcp_at(t, last.conn)->heap_pos, last);
}

void tcp_timer_set(struct tcp_conn *c, enum tcp_timer k, uint64_t at_us)
{
	at_us = min_u64(at_us, c->t->now_us + TIMER_MAX_US);
	c->deadline[k] = (uint32_t)at_us;
	c->timers_on |= (uint16_t)(1u << k);
	if (c->heap_pos != 0 && at_us >= c->heap_at)
		return;
	c->heap_at = at_us;
	sift_up(c->t, c->heap_pos != 0 ? c->heap_pos : ++c->t->heap_n,
		(struct tcp_due){at_us, tcp_index(c)});
}

void tcp_timer_clear_all(struct tcp_conn *c)
{
	c->timers_on = 0;
	if (c->heap_pos != 0)
		heap_remove(c->t, c);
}

static void give_up(struct tcp_conn *c)
{
	tcp_count(c->t, TCP_C_TIMEOUTS);
	tcp_conn_closed(c, -ETIMEDOUT);
}

static void fire_rexmt(struct tcp_conn *c, uint64_t now_us)
{
	if (now_us < tcp_give_up_at(c) && tcp_recovery_timer(c, now_us))
		return;
	if (now_us >= tcp_give_up_at(c) ||
	    (c->state == TCP_SYN_RCVD && c->passive && c->rxtshift >= TCP_SYNACK_MAX)) {
		give_up(c);
		return;
	}
	if (c->rxtshift < UINT8_MAX)
		c->rxtshift++;
	tcp_count(c->t, TCP_C_RTO);
	if (tcp_synchronized(c->state)) {
		tcp_pmtu_rto(c, now_us);
		tcp_recovery_rto(c, now_us);
	} else {
		c->syn_due = true;
		c->rtt_timing = false;
	}
	tcp_output_want(c);
}

static void fire_persist(struct tcp_conn *c, uint64_t now_us)
{
	if (now_us >= tcp_give_up_at(c)) {
		give_up(c);
		return;
	}
	c->probe_due = true;
	if (c->persist_shift < 16)
		c->persist_shift++;
	tcp_output_want(c); /* which sets the next one */
}

/* RFC 9293 section 3.8.4: never while something waits for an answer anyway. */
static void fire_keep(struct tcp_conn *c, uint64_t now_us)
{
	const struct tcp_conf *conf = &c->t->conf;
	uint64_t idle_at = now_us - tcp_since_us(c->last_rx, now_us) + conf->keepalive_idle_us;

	if (!c->keepalive)
		return;
	if (now_us < idle_at) {
		tcp_timer_set(c, TCP_T_KEEP, idle_at);
		return;
	}
	if (c->keep_probes >= conf->keepalive_count) {
		give_up(c);
		return;
	}
	if (!tcp_timer_on(c, TCP_T_REXMT) && !tcp_timer_on(c, TCP_T_PERSIST)) {
		c->keep_probes++;
		c->keep_due = true;
		tcp_output_want(c);
	}
	tcp_timer_set(c, TCP_T_KEEP, now_us + conf->keepalive_interval_us);
}

static void fire(struct tcp_conn *c, enum tcp_timer k, uint64_t now_us)
{
	switch (k) {
	case TCP_T_REXMT:
		fire_rexmt(c, now_us);
		break;
	case TCP_T_PERSIST:
		fire_persist(c, now_us);
		break;
	case TCP_T_DELACK:
		c->ack_now = true;
		tcp_output_want(c);
		break;
	case TCP_T_RETRY:
		tcp_output_want(c);
		break;
	case TCP_T_KEEP:
		fire_keep(c, now_us);
		break;
	case TCP_T_LINGER:
		tcp_conn_closed(c, 0);
		break;
	case TCP_T_QUIET:
		tcp_busy_fire(c, now_us);
		break;
	case TCP_TIMERS:
		break;
	}
}

/* Everything of c that is due; c leaves the heap or moves to its next time. */
static unsigned int conn_timers(struct tcp_conn *c, uint64_t now_us)
{
	uint64_t next = TCP_NEVER;
	unsigned int work = 0;

	for (int k = 0; k < TCP_TIMERS; k++) {
		if (!tcp_timer_on(c, (enum tcp_timer)k) || deadline_us(c, k) > now_us)
			continue;
		tcp_timer_clear(c, (enum tcp_timer)k);
		fire(c, (enum tcp_timer)k, now_us);
		work++;
		if (c->state == TCP_CLOSED)
			return work;
	}
	for (int k = 0; k < TCP_TIMERS; k++)
		if (tcp_timer_on(c, (enum tcp_timer)k))
			next = min_u64(next, deadline_us(c, k));
	if (next == TCP_NEVER) {
		heap_remove(c->t, c);
	} else {
		c->heap_at = next;
		sift_down(c->t, c->heap_pos, (struct tcp_due){next, tcp_index(c)});
	}
	return work;
}

unsigned int tcp_timers(struct tcp *t, uint64_t now_us)
{
	unsigned int work = 0;

	t->now_us = now_us;
	while (t->heap_n > 0 && t->heap[1].at_us <= now_us) {
		/* One of those below is the next. */
		for (uint32_t i = heap_below(1); i <= min_u64(t->heap_n, heap_below(1) + 3); i++)
			rte_prefetch0(&tcp_at(t, t->heap[i].conn)->heap_at);
		work += conn_timers(tcp_at(t, t->heap[1].conn), now_us);
	}
	if (unlikely(t->kick_left > 0))
		work += tcp_kick_turn(t, now_us);
	return work + tcp_pace_run(t, now_us) + tcp_tw_expire(t, now_us);
}

uint64_t tcp_next_timer_us(const struct tcp *t)
{
	uint64_t at = min_u64(tcp_tw_next_us(t), tcp_mem_next_us(t));

	at = min_u64(at, tcp_pace_next_us(t));
	/* Work that waits for the next turn. */
	if (t->out_head != NULL || t->kick_left > 0 || tcp_room_is_there(t))
		return t->now_us;
	if (t->heap_n > 0)
		at = min_u64(at, t->heap[1].at_us);
	return at;
}
