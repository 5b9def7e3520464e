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
 *                  beyond a gap are kept within half of that. Connections into windows that stay
 *                  zero are cut when they hold more, longest first
 *   below scarce   what waits beyond a gap and is more than that is dropped; connections nobody
 *                  holds that make no progress are cut, oldest first; those into windows that
 *                  stay zero are whatever they hold
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
#define STALL_TURN 256

/* Probes into a window of zero that make a connection stalled, while buffers are scarce. */
#define STALL_PROBES_MAX 9
#define STALL_PROBES_MIN 5

/* One that takes less than this in such a time while buffers are short is as good as stalled. */
#define DRIP_BYTES 4096
#define DRIP_US    (10 * TCP_SEC)

/* Of the table, kept free of connections that nobody holds. */
#define SPARE_PART 64

void tcp_mem_init(struct tcp *t)
{
	struct rte_mempool *pool = t->conf.pools->data;
	uint32_t n = rte_mempool_avail_count(pool);

	if (t->conf.rx_shard == 0)
		t->conf.rx_shard = pkt_pools_room(t->conf.pools);
	t->mem = (struct tcp_mem){.low = n / LOW_PART,
				  .high = n / LOW_PART + n / SCARCE_PART,
				  .scarce = n / SCARCE_PART,
				  .reserve = n / RESERVE_PART,
				  .free = n,
				  .stall_min = STALL_PROBES_MAX,
				  .buf_cost = PKT_COST(rte_pktmbuf_data_room_size(pool))};
}

bool tcp_mem_keeps(const struct tcp_conn *c)
{
	const struct tcp_mem *m = &c->t->mem;

	return likely(m->free >= m->low) ||
	       (uint64_t)c->busy->rx_cost + c->busy->runs_cost < tcp_mem_share(m);
}

bool tcp_mem_keeps_holed(const struct tcp_conn *c)
{
	const struct tcp_mem *m = &c->t->mem;

	return !tcp_mem_short(m) ||
	       (uint64_t)c->busy->rx_cost + c->busy->runs_cost < tcp_mem_share(m) / 2;
}

void tcp_mem_refused(struct tcp_conn *c)
{
	if (tcp_listed(c, TCP_L_REFUSED))
		return;
	tcp_list_add(c, TCP_L_REFUSED);
	tcp_count(c->t, TCP_C_MEM_REFUSED);
}

void tcp_mem_take_failed(struct tcp_conn *c)
{
	tcp_list_remove(c, TCP_L_REFUSED);
	tcp_list_add_first(c, TCP_L_REFUSED);
	c->take_failed = true;
}

void tcp_mem_holed(struct tcp_conn *c)
{
	if (c->busy->runs != NULL)
		tcp_list_add(c, TCP_L_HOLED);
	else
		tcp_list_remove(c, TCP_L_HOLED);
}

void tcp_mem_orphan(struct tcp_conn *c)
{
	tcp_list_add(c, TCP_L_ORPHANS);
}

void tcp_mem_gone(struct tcp_conn *c)
{
	tcp_list_remove(c, TCP_L_REFUSED);
	tcp_list_remove(c, TCP_L_ORPHANS);
}

static void tell(struct tcp_conn *c)
{
	uint8_t ev = c->take_failed && c->busy->rxq.len > 0 ? STREAM_EV_READABLE : 0;

	tcp_list_remove(c, TCP_L_REFUSED);
	c->take_failed = false;
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

	for (n = 0; n < TOLD_TURN && (c = tcp_list_first(t, TCP_L_REFUSED)) != NULL; n++) {
		if (m->is_short && !(c->take_failed && m->free > 0))
			break;
		tell(c);
	}
	return n;
}

static unsigned int prune_holed(struct tcp *t)
{
	struct tcp_conn *c = tcp_list_first(t, TCP_L_HOLED), *next;
	unsigned int work = 0;

	for (unsigned int n = 0; n < PRUNE_TURN && c != NULL; n++, c = next) {
		next = tcp_list_next(c, TCP_L_HOLED);
		if (!tcp_mem_keeps_holed(c)) {
			tcp_reass_free(c);
			tcp_busy_watch(c, t->now_us);
			tcp_count(t, TCP_C_MEM_PRUNED);
			work++;
			continue;
		}
		tcp_list_remove(c, TCP_L_HOLED); /* others have their turn */
		tcp_list_add(c, TCP_L_HOLED);
	}
	return work;
}

static void cut(struct tcp_conn *c)
{
	tcp_count(c->t, TCP_C_ORPHAN_CUT);
	tcp_send_rst(c, c->t->now_us);
	tcp_conn_closed(c, 0);
}

/* A window that opens by a byte now and then ends every count of probes, and frees nothing. */
static bool drips(struct tcp_conn *c)
{
	struct tcp_busy *b = c->busy;
	bool looked = b->drip_tick != 0;
	uint32_t took = (uint32_t)c->total_out - b->drip_bytes;

	if (looked && tcp_since_us(b->drip_tick, c->t->now_us) < DRIP_US)
		return false;
	b->drip_bytes = (uint32_t)c->total_out;
	b->drip_tick = tcp_tick(c->t->now_us);
	return looked && took < DRIP_BYTES;
}

/* Where only a FIN waits for the window nothing is held, and maybe no place among the busy. */
static bool is_stalled(const struct tcp *t, struct tcp_conn *c)
{
	const struct tcp_mem *m = &t->mem;

	return c->hashed && !c->detached && tcp_timer_on(c, TCP_T_PERSIST) &&
	       c->busy->tx_cost > 0 &&
	       (m->free <= m->scarce || c->busy->tx_cost > tcp_mem_share(m)) &&
	       (c->persist_shift >= m->stall_min || drips(c));
}

/*
 * Peers whose window stays zero hold what is queued for them for as long as they answer probes
 * (T-22). When buffers are short they go, those first that answered most probes: every time the
 * hand has seen the whole table one probe less is enough, down to some six seconds. That is once a
 * turn at most, so that what they gave back is seen before others go.
 */
static unsigned int cut_stalled(struct tcp *t)
{
	struct tcp_mem *m = &t->mem;
	unsigned int work = 0;
	bool round = false;

	for (unsigned int n = 0; n < STALL_TURN && work < CUT_TURN && !round; n++) {
		struct tcp_conn *c = &t->conns[m->stall_hand];

		round = ++m->stall_hand >= t->conns_fresh;
		if (round) {
			m->stall_hand = 0;
			m->stall_min = (uint8_t)max_u64(m->stall_min - 1u, STALL_PROBES_MIN);
		}
		if (!is_stalled(t, c))
			continue;
		tcp_count(t, TCP_C_STALLED_CUT);
		tcp_send_rst(c, t->now_us);
		tcp_conn_closed(c, -ETIMEDOUT);
		work++;
	}
	return work;
}

static bool makes_progress(const struct tcp_conn *c)
{
	return c->rxtshift == 0 && !tcp_timer_on(c, TCP_T_PERSIST);
}

static unsigned int cut_orphans(struct tcp *t)
{
	struct tcp_conn *c = tcp_list_first(t, TCP_L_ORPHANS), *next;
	unsigned int work = 0;

	for (unsigned int n = 0; n < CUT_TURN && c != NULL; n++, c = next) {
		next = tcp_list_next(c, TCP_L_ORPHANS);
		if (!makes_progress(c)) {
			cut(c);
			work++;
			continue;
		}
		tcp_list_remove(c, TCP_L_ORPHANS);
		tcp_list_add(c, TCP_L_ORPHANS);
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
	struct tcp_conn *c = tcp_list_first(t, TCP_L_ORPHANS);

	if (unlikely(tcp_conns_left(t) <= t->conns_limit / SPARE_PART + 1) && c != NULL)
		cut(c);
}

unsigned int tcp_mem_turn(struct tcp *t)
{
	struct tcp_mem *m = &t->mem;
	unsigned int work = 0;

	m->free = pkt_pools_left(t->conf.pools);
	if (unlikely(!m->is_short && m->free < m->low)) {
		m->is_short = true;
		tcp_count(t, TCP_C_MEM_SHORT);
	} else if (unlikely(m->is_short && m->free > m->high)) {
		m->is_short = false;
		m->stall_min = STALL_PROBES_MAX;
	}
	if (unlikely(m->free <= m->scarce))
		work += prune_holed(t) + cut_orphans(t);
	if (unlikely(m->is_short))
		work += cut_stalled(t);
	return work + tell_refused(t);
}

uint64_t tcp_mem_next_us(const struct tcp *t)
{
	const struct tcp_mem *m = &t->mem;

	if (tcp_list_first(t, TCP_L_REFUSED) == NULL)
		return TCP_NEVER;
	return m->is_short ? t->now_us + TCP_RETRY_US : t->now_us;
}
