/*
 * dataplane/relay/timers.c - one deadline a connection.
 *
 * A deadline that moves away is left where it is: it is looked at too early once, and finds its new
 * place then. What is moved nearer is moved at once.
 */
#include "dataplane/relay/internal.h"

static uint32_t number(const struct conn *c)
{
	return (uint32_t)(c - c->relay->conns) + 1;
}

void timer_drop(struct conn *c)
{
	if (c->timer_us == 0)
		return;
	c->timer_us = 0;
	deadlines_remove(&c->relay->due, number(c));
}

static void timer_set(struct conn *c, uint64_t at_us)
{
	c->timer_us = at_us;
	deadlines_set(&c->relay->due, number(c), at_us);
}

static uint64_t after(uint64_t since, uint32_t ms)
{
	return ms == 0 ? 0 : since + (uint64_t)ms * 1000;
}

static uint64_t last_use(const struct conn *c)
{
	return RTE_MAX(c->last_rx_us, c->last_data_us);
}

static uint64_t next_deadline(const struct conn *c)
{
	uint64_t t = c->linger_us;

	if (c->state != CONN_OPEN)
		return t;
	t = timer_min(t, c->kex_deadline_us);
	t = timer_min(t, c->connect_us);
	t = timer_min(t, wait_deadline(c));
	t = timer_min(t, c->alive_us);
	t = timer_min(t, after(c->last_data_us, c->auth.idle_timeout_ms));
	if (kex_may_begin(c))
		t = timer_min(t, c->keys_deadline_us);
	if (!c->keys_idle)
		t = timer_min(t, last_use(c) + RELAY_KEYS_IDLE_US);
	return t;
}

void timer_update(struct conn *c)
{
	uint64_t t = next_deadline(c);

	if (t != 0 && (c->timer_us == 0 || c->timer_us > t))
		timer_set(c, t);
}

/* An idle connection holds raw keys only. */
static void keys_idle(struct conn *c)
{
	if (c->keys_idle || c->relay->now_us < last_use(c) + RELAY_KEYS_IDLE_US)
		return;
	cipher_state_idle(c->relay->conf.engine, &c->rx.dir.cipher);
	cipher_state_idle(c->relay->conf.engine, &c->tx.dir.cipher);
	record_tx_rest(&c->tx, c->relay->zpool);
	c->keys_idle = true;
}

static void conn_timers(struct conn *c)
{
	uint64_t now = c->relay->now_us;
	uint64_t idle = after(c->last_data_us, c->auth.idle_timeout_ms);

	if (c->state != CONN_OPEN)
		return; /* conn_output() looks at linger_us */
	if (c->kex_deadline_us != 0 && now >= c->kex_deadline_us) {
		conn_fail(c, -SSH_E_KEX_TIMEOUT);
		return;
	}
	if (idle != 0 && now >= idle) {
		conn_fail(c, -SSH_E_IDLE);
		return;
	}
	if (c->connect_us != 0 && now >= c->connect_us)
		connect_timers(c);
	conn_alive_poll(c);
	keys_idle(c);
}

unsigned int relay_timers(struct relay *r, uint64_t now_us)
{
	unsigned int n = 0;
	uint32_t first;

	r->now_us = now_us;
	deadlines_advance(&r->due, now_us);
	while ((first = deadlines_due(&r->due, now_us)) != 0) {
		struct conn *c = &r->conns[first - 1];
		uint64_t next = next_deadline(c);

		/* It moved away meanwhile. Without control what has passed is no deadline any more.
		 */
		if (r->attached && next > now_us) {
			timer_set(c, next);
			continue;
		}
		timer_drop(c);
		conn_timers(c);
		conn_activate(c); /* a turn carries out what fell due, and sets the next deadline */
		n++;
	}
	return n;
}

uint64_t relay_next_timer_us(const struct relay *r)
{
	uint64_t t = deadlines_next_us(&r->due);

	return r->retry ? RTE_MIN(t, r->now_us + RELAY_RETRY_US) : t;
}
