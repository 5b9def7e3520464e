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

static void timer_move(struct conn *c, uint64_t at_us)
{
	if (at_us != 0)
		timer_set(c, at_us);
	else
		timer_drop(c);
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
	t = timer_min(t, c->blocked_us);
	t = timer_min(t, wait_deadline(c));
	t = timer_min(t, c->alive_us);
	t = timer_min(t, after(c->last_data_us, c->auth.idle_timeout_ms));
	if (unlikely(c->capped))
		t = timer_min(t, cap_deadline(c));
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

/* --- ChannelTimeout, UnusedConnectionTimeout ---------------------------------------------------
 */

static bool chan_up(const struct chan *ch)
{
	return ch->open_us != 0 && ch->fsm.state == SSH_CHAN_OPEN;
}

static uint64_t chan_idle_at(const struct chan *ch)
{
	return after(RTE_MAX(ch->open_us, ch->last_us), ch->idle_ms);
}

/* Of all together: a new one begins the time anew, too. */
static uint64_t all_idle_at(const struct conn *c)
{
	uint64_t last = c->last_data_us;
	const struct chan *ch;

	if (c->auth.chans_idle_ms == 0)
		return 0;
	TAILQ_FOREACH(ch, &c->chans, link)
	{
		if (chan_up(ch))
			last = RTE_MAX(last, ch->open_us);
	}
	return after(last, c->auth.chans_idle_ms);
}

static void chans_idle(struct conn *c)
{
	uint64_t now = c->relay->now_us, all = all_idle_at(c);
	struct chan *ch;

	TAILQ_FOREACH(ch, &c->chans, link)
	{
		uint64_t at = timer_min(chan_idle_at(ch), all);

		if (!chan_up(ch) || at == 0)
			continue;
		if (now < at) {
			c->connect_us = timer_min(c->connect_us, at);
			continue;
		}
		relay_count(c->relay, RELAY_C_CHANS_IDLE);
		chan_close(ch, -SSH_E_IDLE);
	}
}

void timer_chan_open(struct chan *ch)
{
	struct conn *c = ch->conn;
	uint64_t now = c->relay->now_us;

	c->connect_us = timer_min(c->connect_us, after(now, ch->idle_ms));
	c->connect_us = timer_min(c->connect_us, after(now, c->auth.chans_idle_ms));
}

void timer_unused(struct conn *c)
{
	c->connect_us = after(c->relay->now_us, c->auth.unused_ms);
}

/* Its channels' time has come, or that of a connection without any. */
static void chans_timers(struct conn *c)
{
	if (c->n_chans > 0) {
		connect_timers(c);
		chans_idle(c);
	} else if (c->n_asks > 0 || c->asks_unknown) {
		timer_unused(c); /* control decides about one */
	} else if (c->auth.unused_ms > 0) {
		conn_fail(c, -SSH_E_IDLE);
	} else {
		c->connect_us = 0;
	}
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
	if (c->connect_us != 0 && now >= c->connect_us && c->proxy_wait)
		proxy_late(c);
	else if (c->connect_us != 0 && now >= c->connect_us)
		chans_timers(c);
	if (c->state != CONN_OPEN)
		return;
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
		uint64_t next;

		conn_note_links(c);
		if (c->state == CONN_OPEN && c->blocked_us != 0 && now_us >= c->blocked_us)
			blocked_look(c);
		next = next_deadline(c);
		/* It moved away meanwhile, or was that look. Without control what has passed is no
		 * deadline any more. */
		if (r->attached && (next == 0 || next > now_us)) {
			timer_move(c, next);
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

	if (r->trace.conn != NULL)
		t = RTE_MIN(t, r->trace.until_us);
	return r->retry ? RTE_MIN(t, r->now_us + RELAY_RETRY_US) : t;
}
