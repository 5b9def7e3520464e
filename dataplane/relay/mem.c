/*
 * dataplane/relay/mem.c - what changes while buffers are short; the relay's half of what
 * dataplane/tcp/mem.c does.
 *
 * What a stream gave away its TCP does not count any more: a record that is not whole, payloads
 * that wait for control or for keys, bytes in the streams of targets. Each is bounded for one
 * connection, and that is no bound for all of them. So below the mark low a connection that
 * holds, in memory, as much as is free above the reserve is not read (dynamic thresholds,
 * Choudhury and Hahne 1998): those that hold most stop first, what they do not take stays in
 * their stream, whose own windows close, and who holds nothing can go on as long as there is a
 * buffer above the reserve.
 *
 * A record that stands still in what others need may never come to its end. Below the mark
 * scarce a connection that holds more than its share, a piece of one with it, and finished none for
 * RELAY_UNFINISHED_US is ended: its peer need not do a thing for it.
 */
#include "dataplane/relay/internal.h"

/* Parts of the data buffers, those of TCP. */
#define LOW_PART     8
#define SCARCE_PART  16
#define RESERVE_PART 32

/* Connections looked at in a turn. */
#define CUT_TURN 256

void mem_init(struct relay *r)
{
	const struct rte_mempool *pool = r->conf.pools->data;

	r->mem = (struct relay_mem){
		.low = pool->size / LOW_PART,
		.scarce = pool->size / SCARCE_PART,
		.reserve = pool->size / RESERVE_PART,
		.buf_cost = PKT_COST(RTE_PKTMBUF_HEADROOM + PKT_DATA_ROOM),
		.share = UINT64_MAX,
	};
}

/* A small payload holds a whole buffer. */
static uint64_t queue_cost(const struct relay_mem *m, const struct record_q *q)
{
	return q->bytes + (uint64_t)q->records * m->buf_cost;
}

static uint64_t held(const struct conn *c)
{
	const struct relay_mem *m = &c->relay->mem;

	return pkt_chain_cost(&c->rx.in) + queue_cost(m, &c->rx.q) + queue_cost(m, &c->up) +
	       queue_cost(m, &c->hold) + c->in_targets;
}

uint32_t mem_room(struct conn *c)
{
	struct relay *r = c->relay;
	uint64_t has;

	has = likely(!r->mem.is_short) ? 0 : held(c);
	if (has < r->mem.share) {
		c->mem_stopped = false;
		return (uint32_t)RTE_MIN(r->mem.share - has, (uint64_t)UINT32_MAX);
	}
	if (!c->mem_stopped)
		relay_count(r, RELAY_C_MEM_STOPPED);
	c->mem_stopped = true;
	c->more = true;
	r->retry = true; /* buffers that come back ring no bell */
	return 0;
}

static bool stands_still(const struct conn *c)
{
	const struct relay *r = c->relay;

	return c->state == CONN_OPEN && c->rx.in.len > 0 && held(c) >= r->mem.share &&
	       r->now_us - c->last_rx_us >= RELAY_UNFINISHED_US;
}

static unsigned int cut_unfinished(struct relay *r)
{
	unsigned int work = 0;

	for (unsigned int n = 0; n < CUT_TURN && n < r->fresh_conns; n++) {
		struct conn *c = &r->conns[r->mem.hand];

		r->mem.hand = (r->mem.hand + 1) % r->fresh_conns;
		if (!stands_still(c))
			continue;
		relay_count(r, RELAY_C_MEM_CUT);
		conn_fail(c, -SSH_E_MEMORY);
		work++;
	}
	return work;
}

unsigned int mem_turn(struct relay *r)
{
	struct relay_mem *m = &r->mem;
	uint32_t free = pkt_pools_left(r->conf.pools);

	m->is_short = free < m->low;
	m->share = UINT64_MAX;
	if (likely(!m->is_short))
		return 0;
	m->share = free > m->reserve ? (uint64_t)(free - m->reserve) * m->buf_cost : 0;
	return free <= m->scarce ? cut_unfinished(r) : 0;
}
