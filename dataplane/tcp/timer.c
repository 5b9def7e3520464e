/*
 * dataplane/tcp/timer.c - deadlines of connections.
 *
 * A connection stands once among the deadlines (deadlines.h), at the earliest time it may have
 * something to do. A deadline that moves later does not move it there (every ACK moves one): it is
 * looked at when its old time comes and put where it belongs then.
 *
 * A connection keeps the low half of each deadline. None is earlier than due_us, nor much more
 * than TIMER_MAX_US later, so due_us gives the other half. What shall come later than that
 * (keep-alive) comes early, finds that it is not time, and sets itself again.
 */
#include "dataplane/tcp/internal.h"

#include <rte_prefetch.h>

#define TIMER_MAX_US (UINT64_C(1) << 31)

static uint64_t deadline_us(const struct tcp_conn *c, int k)
{
	return c->due_us + (uint32_t)(c->deadline[k] - (uint32_t)c->due_us);
}

int tcp_timers_init(struct tcp *t)
{
	return deadlines_init(&t->due, t->conf.conns_max);
}

void tcp_timers_fini(struct tcp *t)
{
	deadlines_fini(&t->due);
}

static void leave(struct tcp_conn *c)
{
	c->due_us = 0;
	deadlines_remove(&c->t->due, tcp_index(c));
}

void tcp_timer_set(struct tcp_conn *c, enum tcp_timer k, uint64_t at_us)
{
	at_us = max_u64(min_u64(at_us, c->t->now_us + TIMER_MAX_US), 1);
	c->deadline[k] = (uint32_t)at_us;
	c->timers_on |= (uint16_t)(1u << k);
	if (c->due_us != 0 && at_us >= c->due_us)
		return;
	c->due_us = at_us;
	deadlines_set(&c->t->due, tcp_index(c), at_us);
}

void tcp_timer_clear_all(struct tcp_conn *c)
{
	c->timers_on = 0;
	if (c->due_us != 0)
		leave(c);
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

/* Everything of c that is due; c leaves them or moves to its next time. */
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
		leave(c);
	} else {
		c->due_us = next;
		deadlines_set(&c->t->due, tcp_index(c), next);
	}
	return work;
}

static void timers_fetch(const struct tcp_conn *c)
{
	rte_prefetch0(&c->state);
	rte_prefetch0(&c->timers_on);
	rte_prefetch0(&c->due_us);
	rte_prefetch0(&c->deadline[TCP_TIMERS - 1]);
}

unsigned int tcp_timers(struct tcp *t, uint64_t now_us)
{
	unsigned int work = 0;
	uint32_t first;

	t->now_us = now_us;
	deadlines_advance(&t->due, now_us);
	while ((first = deadlines_due(&t->due, now_us)) != 0) {
		uint32_t behind[4];

		for (unsigned int n = deadlines_behind(&t->due, behind); n > 0; n--)
			timers_fetch(tcp_at(t, behind[n - 1]));
		work += conn_timers(tcp_at(t, first), now_us);
	}
	if (unlikely(t->kick_left > 0))
		work += tcp_kick_turn(t, now_us);
	if (unlikely(t->listeners_over > 0))
		work += tcp_listen_sweep(t);
	return work + tcp_pace_run(t, now_us) + tcp_tw_expire(t, now_us);
}

uint64_t tcp_next_timer_us(const struct tcp *t)
{
	uint64_t at = min_u64(tcp_tw_next_us(t), tcp_mem_next_us(t));

	at = min_u64(at, tcp_pace_next_us(t));
	if (t->listeners_over > 0)
		at = min_u64(at, t->swept_us + TCP_SWEEP_US);
	/* Work that waits for the next turn. */
	if (t->out_head != NULL || t->kick_left > 0 || tcp_room_is_there(t))
		return t->now_us;
	return min_u64(at, deadlines_next_us(&t->due));
}
