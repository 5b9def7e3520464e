/*
 * dataplane/tcp/mem.c - what changes while buffers are short.
 *
 * Windows once granted are a debt, and their sum is more than the pool: peers that never
 * acknowledge and readers that never read could take every data buffer, and then no
 * acknowledgement could come in to free one. So the pool has marks, looked at once a turn:
 *
 *   below low      until above high: a connection may hold, each way, as much as is free above
 *                  the reserve (dynamic thresholds, Choudhury and Hahne 1998): those that hold
 *                  most are stopped first, and one that holds nothing can always go on. Bytes
 *                  beyond a gap are kept within half of that
 *   below scarce   what waits beyond a gap and is more than that is dropped; connections nobody
 *                  holds that make no progress are cut, oldest first
 *   reserve        no bytes are kept: the rest is for headers, for what must be said, and for
 *                  the port, so that acknowledgements come in
 *
 * Bytes that are not kept were not acknowledged: to their peer they are lost. Who was refused
 * stands in a list and is told when it is over: a window to announce, WRITABLE, READABLE.
 */
#include "dataplane/tcp/internal.h"

/* Parts of the buffers that were there at the start. */
#define LOW_PART     8
#define SCARCE_PART  16
#define RESERVE_PART 32

/* Connections looked at in one turn. */
#define TOLD_TURN  64
#define PRUNE_TURN 16
#define CUT_TURN   8

/* Of the table, kept free of connections that nobody holds. */
#define SPARE_PART 64

void tcp_mem_init(struct tcp *t)
{
	struct rte_mempool *pool = t->conf.pools->data;
	uint32_t n = rte_mempool_avail_count(pool);

	t->mem = (struct tcp_mem){.low = n / LOW_PART,
				  .high = n / LOW_PART + n / SCARCE_PART,
				  .scarce = n / SCARCE_PART,
				  .reserve = n / RESERVE_PART,
				  .free = n,
				  .buf_cost = PKT_COST(rte_pktmbuf_data_room_size(pool))};
	TAILQ_INIT(&t->mem.refused);
	TAILQ_INIT(&t->mem.holed);
	TAILQ_INIT(&t->mem.orphans);
}

bool tcp_mem_keeps(const struct tcp_conn *c)
{
	const struct tcp_mem *m = &c->t->mem;

	return likely(m->free >= m->low) || c->rx_cost + c->runs_cost < tcp_mem_share(m);
}

bool tcp_mem_keeps_holed(const struct tcp_conn *c)
{
	const struct tcp_mem *m = &c->t->mem;

	return !tcp_mem_short(m) || c->rx_cost + c->runs_cost < tcp_mem_share(m) / 2;
}

void tcp_mem_refused(struct tcp_conn *c)
{
	if (c->on_refused)
		return;
	c->on_refused = true;
	TAILQ_INSERT_TAIL(&c->t->mem.refused, c, refused_link);
	tcp_count(c->t, TCP_C_MEM_REFUSED);
}

void tcp_mem_take_failed(struct tcp_conn *c)
{
	struct tcp_mem *m = &c->t->mem;

	if (c->on_refused)
		TAILQ_REMOVE(&m->refused, c, refused_link);
	c->on_refused = true;
	c->take_failed = true;
	TAILQ_INSERT_HEAD(&m->refused, c, refused_link);
}

void tcp_mem_holed(struct tcp_conn *c)
{
	if (c->on_holed == (c->runs != NULL))
		return;
	c->on_holed = !c->on_holed;
	if (c->on_holed)
		TAILQ_INSERT_TAIL(&c->t->mem.holed, c, holed_link);
	else
		TAILQ_REMOVE(&c->t->mem.holed, c, holed_link);
}

void tcp_mem_orphan(struct tcp_conn *c)
{
	if (c->on_orphans)
		return;
	c->on_orphans = true;
	TAILQ_INSERT_TAIL(&c->t->mem.orphans, c, orphan_link);
}

void tcp_mem_gone(struct tcp_conn *c)
{
	struct tcp_mem *m = &c->t->mem;

	if (c->on_refused)
		TAILQ_REMOVE(&m->refused, c, refused_link);
	if (c->on_orphans)
		TAILQ_REMOVE(&m->orphans, c, orphan_link);
	c->on_refused = c->on_orphans = false;
}

static void tell(struct tcp_conn *c)
{
	uint8_t ev = c->take_failed && c->rxq.len > 0 ? STREAM_EV_READABLE : 0;

	TAILQ_REMOVE(&c->t->mem.refused, c, refused_link);
	c->on_refused = c->take_failed = false;
	tcp_window_opened(c);
	if (c->state != TCP_CLOSED)
		ev |= STREAM_EV_WRITABLE;
	if (ev != 0)
		tcp_notify(c, ev);
}

/* Those whose take failed stand first: a single buffer is enough for them. */
static unsigned int tell_refused(struct tcp *t)
{
	struct tcp_mem *m = &t->mem;
	struct tcp_conn *c;
	unsigned int n;

	for (n = 0; n < TOLD_TURN && (c = TAILQ_FIRST(&m->refused)) != NULL; n++) {
		if (m->is_short && !(c->take_failed && m->free > 0))
			break;
		tell(c);
	}
	return n;
}

static unsigned int prune_holed(struct tcp *t)
{
	struct tcp_conn *c = TAILQ_FIRST(&t->mem.holed), *next;
	unsigned int work = 0;

	for (unsigned int n = 0; n < PRUNE_TURN && c != NULL; n++, c = next) {
		next = TAILQ_NEXT(c, holed_link);
		if (!tcp_mem_keeps_holed(c)) {
			tcp_reass_free(c);
			tcp_count(t, TCP_C_MEM_PRUNED);
			work++;
			continue;
		}
		TAILQ_REMOVE(&t->mem.holed, c, holed_link); /* others have their turn */
		TAILQ_INSERT_TAIL(&t->mem.holed, c, holed_link);
	}
	return work;
}

static void cut(struct tcp_conn *c)
{
	tcp_count(c->t, TCP_C_ORPHAN_CUT);
	tcp_send_rst(c, c->t->now_us);
	tcp_conn_closed(c, 0);
}

static bool makes_progress(const struct tcp_conn *c)
{
	return c->rxtshift == 0 && !tcp_timer_on(c, TCP_T_PERSIST);
}

static unsigned int cut_orphans(struct tcp *t)
{
	struct tcp_conn *c = TAILQ_FIRST(&t->mem.orphans), *next;
	unsigned int work = 0;

	for (unsigned int n = 0; n < CUT_TURN && c != NULL; n++, c = next) {
		next = TAILQ_NEXT(c, orphan_link);
		if (!makes_progress(c)) {
			cut(c);
			work++;
			continue;
		}
		TAILQ_REMOVE(&t->mem.orphans, c, orphan_link);
		TAILQ_INSERT_TAIL(&t->mem.orphans, c, orphan_link);
	}
	return work;
}

/*
 * A peer that opens, takes the first line and is never heard of again leaves a FIN that is
 * repeated for minutes: the table would be full of those. It is free at the end of the turn only,
 * so a few places are kept.
 */
void tcp_mem_make_room(struct tcp *t)
{
	struct tcp_conn *c = TAILQ_FIRST(&t->mem.orphans);

	if (unlikely(t->conf.conns_max - t->conns_n <= t->conf.conns_max / SPARE_PART + 1) &&
	    c != NULL)
		cut(c);
}

unsigned int tcp_mem_turn(struct tcp *t)
{
	struct tcp_mem *m = &t->mem;
	unsigned int work = 0;

	m->free = pkt_pool_free(t->conf.pools->data);
	if (unlikely(!m->is_short && m->free < m->low)) {
		m->is_short = true;
		tcp_count(t, TCP_C_MEM_SHORT);
	} else if (unlikely(m->is_short && m->free > m->high)) {
		m->is_short = false;
	}
	if (unlikely(m->free <= m->scarce))
		work += prune_holed(t) + cut_orphans(t);
	return work + tell_refused(t);
}

uint64_t tcp_mem_next_us(const struct tcp *t)
{
	const struct tcp_mem *m = &t->mem;

	if (TAILQ_EMPTY(&m->refused))
		return TCP_NEVER;
	return m->is_short ? t->now_us + TCP_RETRY_US : t->now_us;
}
