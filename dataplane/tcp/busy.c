/*
 * dataplane/tcp/busy.c - what a connection holds only while something moves.
 *
 * There is a place for each connection, so getting one cannot fail, but most of a shard's
 * connections are idle: places are reserved address space, handed out last in, first out, and only
 * those that were ever used together take memory.
 *
 * A connection gets its place with the first segment after it was idle, either way, and gives it
 * back when it was quiet for TCP_QUIET_US, or for an RTO that is longer. Until then c->busy is a place of zeroes that nobody may write.
 */
#include "dataplane/tcp/internal.h"

#include "dataplane/table.h"

const struct tcp_busy tcp_busy_none;

int tcp_busy_init(struct tcp *t)
{
	t->busy = table_new(t->conf.conns_max, sizeof(*t->busy));
	return t->busy != NULL ? 0 : -ENOMEM;
}

void tcp_busy_fini(struct tcp *t)
{
	table_free(t->busy, t->conf.conns_max, sizeof(*t->busy));
	t->busy = NULL;
}

void tcp_busy_take(struct tcp_conn *c)
{
	struct tcp *t = c->t;
	struct tcp_busy *b = t->busy_free;

	if (b != NULL)
		t->busy_free = b->next_free;
	else
		b = &t->busy[t->busy_fresh++];
	t->busy_n++;
	*b = (struct tcp_busy){0};
	c->busy = b;
	tcp_rwin_resume(c);
	tcp_cc_resume(c, t->now_us);
}

void tcp_busy_put(struct tcp_conn *c)
{
	struct tcp *t = c->t;

	if (!tcp_is_busy(c))
		return;
	tcp_pace_stop(c);
	c->busy->next_free = t->busy_free;
	t->busy_free = c->busy;
	t->busy_n--;
	c->busy = tcp_idle_place();
}

void tcp_rxq_free(struct tcp_conn *c)
{
	if (!tcp_is_busy(c))
		return;
	pkt_chain_free(&c->busy->rxq);
	c->busy->rx_cost = 0;
	tcp_reass_free(c);
}

static bool is_quiet(const struct tcp_conn *c)
{
	return c->snd_una == c->snd_max && c->busy->txq.len == 0 && c->busy->rxq.len == 0 &&
	       c->busy->runs == NULL;
}

static uint64_t quiet_for(const struct tcp_conn *c)
{
	return max_u64(tcp_rto(c), TCP_QUIET_US);
}

void tcp_busy_watch(struct tcp_conn *c, uint64_t now_us)
{
	if (c->state == TCP_CLOSED) { /* the last unread byte was taken, or not yet */
		if (c->busy->rxq.len == 0)
			tcp_busy_put(c);
		return;
	}
	if (tcp_is_busy(c) && !tcp_timer_on(c, TCP_T_QUIET) && is_quiet(c))
		tcp_timer_set(c, TCP_T_QUIET, now_us + quiet_for(c));
}

void tcp_busy_fire(struct tcp_conn *c, uint64_t now_us)
{
	uint64_t rest = min_u64(tcp_since_us(c->last_rx, now_us), tcp_since_us(c->last_tx, now_us));
	uint64_t want = quiet_for(c);

	if (!is_quiet(c))
		return; /* watched again when it is */
	if (rest < want) {
		tcp_timer_set(c, TCP_T_QUIET, now_us + want - rest);
		return;
	}
	tcp_rwin_rest(c);
	tcp_busy_put(c);
}
