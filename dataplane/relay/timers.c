/*
 * dataplane/relay/timers.c - one deadline a connection, in a heap.
 *
 * A deadline that moves away is left where it is: the connection is looked at too early
 * once, and finds its new place then. What is moved nearer is moved at once.
 */
#include "dataplane/relay/internal.h"

static void heap_put(struct relay *r, uint32_t i, struct conn *c)
{
	r->heap[i] = c;
	c->timer_at = i;
}

static void heap_up(struct relay *r, uint32_t i, struct conn *c)
{
	while (i > 0 && r->heap[(i - 1) / 2]->timer_us > c->timer_us) {
		heap_put(r, i, r->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_put(r, i, c);
}

static void heap_down(struct relay *r, uint32_t i, struct conn *c)
{
	for (;;) {
		uint32_t kid = 2 * i + 1;

		if (kid >= r->n_heap)
			break;
		if (kid + 1 < r->n_heap && r->heap[kid + 1]->timer_us < r->heap[kid]->timer_us)
			kid++;
		if (r->heap[kid]->timer_us >= c->timer_us)
			break;
		heap_put(r, i, r->heap[kid]);
		i = kid;
	}
	heap_put(r, i, c);
}

void timer_drop(struct conn *c)
{
	struct relay *r = c->relay;
	struct conn *last;

	if (c->timer_us == 0)
		return;
	c->timer_us = 0;
	last = r->heap[--r->n_heap];
	if (last == c)
		return;
	if (c->timer_at > 0 && r->heap[(c->timer_at - 1) / 2]->timer_us > last->timer_us)
		heap_up(r, c->timer_at, last);
	else
		heap_down(r, c->timer_at, last);
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
	struct relay *r = c->relay;
	uint64_t t = next_deadline(c);

	if (t == 0 || (c->timer_us != 0 && c->timer_us <= t))
		return;
	if (c->timer_us == 0)
		c->timer_at = r->n_heap++;
	c->timer_us = t;
	heap_up(r, c->timer_at, c);
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

	r->now_us = now_us;
	while (r->n_heap > 0 && r->heap[0]->timer_us <= now_us) {
		struct conn *c = r->heap[0];

		timer_drop(c);
		conn_timers(c);
		conn_activate(c); /* a turn carries out what fell due, and sets the next deadline */
		n++;
	}
	return n;
}

uint64_t relay_next_timer_us(const struct relay *r)
{
	uint64_t t = r->n_heap > 0 ? r->heap[0]->timer_us : UINT64_MAX;

	return r->retry ? RTE_MIN(t, r->now_us + RELAY_RETRY_US) : t;
}
