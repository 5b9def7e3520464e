/*
 * dataplane/tcp/reass.c - received bytes: in order for the user, beyond a gap in runs.
 *
 * A run is a stretch of bytes without a gap, an ordered list of mbufs; what describes it lies
 * in the private area of its first mbuf, where the IP header's facts are not needed any more.
 * So a queue of any length costs nothing but its mbufs, and the work of an insertion is bounded
 * by the number of gaps (T-28). Where bytes overlap, those that came first stay (T-29).
 *
 * The runs are what SACK reports (RFC 2018), those that changed last first; what came twice is
 * reported once, in front of them (RFC 2883).
 */
#include "dataplane/tcp/internal.h"

/* Memory for each byte of the window: what fills less than a quarter of an mbuf is put together. */
#define HOLED_COST 5

struct run {
	struct rte_mbuf *next; /* first mbuf of the next run */
	struct rte_mbuf *tail;
	uint32_t seq, len, segs;
	uint32_t stamp; /* larger: got a segment later */
};
_Static_assert(sizeof(struct run) <= PKT_PRIV_SIZE, "a run lies in the private area");

static struct run *run_of(struct rte_mbuf *m)
{
	return (struct run *)rte_mbuf_to_priv(m);
}

static uint32_t run_end(struct rte_mbuf *m)
{
	return run_of(m)->seq + run_of(m)->len;
}

static struct pkt_chain run_chain(struct rte_mbuf *m)
{
	struct run *r = run_of(m);

	return (struct pkt_chain){m, r->tail, r->len, r->segs};
}

/* Stores ch, which is not empty, as a run; the mbuf that names it from now on. */
static struct rte_mbuf *run_make(struct tcp_conn *c, const struct pkt_chain *ch, uint32_t seq,
				 struct rte_mbuf *next)
{
	*run_of(ch->head) =
		(struct run){next, ch->tail, seq, ch->len, ch->segs, ++c->busy->runs_stamp};
	if (next == NULL)
		c->busy->runs_last = ch->head;
	return ch->head;
}

void tcp_reass_free(struct tcp_conn *c)
{
	if (!tcp_is_busy(c))
		return;
	while (c->busy->runs != NULL) {
		struct pkt_chain ch = run_chain(c->busy->runs);

		c->busy->runs = run_of(c->busy->runs)->next;
		pkt_chain_free(&ch);
	}
	c->busy->runs_last = NULL;
	c->busy->runs_n = 0;
	c->busy->runs_cost = 0;
	tcp_mem_holed(c);
}

/* Joins the run at *at with the next one when they touch. */
static void join_next(struct tcp_conn *c, struct rte_mbuf **at)
{
	struct rte_mbuf *next = run_of(*at)->next;
	struct pkt_chain a, b;

	if (next == NULL || run_end(*at) != run_of(next)->seq)
		return;
	a = run_chain(*at);
	b = run_chain(next);
	next = run_of(next)->next;
	pkt_chain_join(&a, &b);
	run_make(c, &a, run_of(*at)->seq, next);
	c->busy->runs_n--;
}

/* Puts ch behind q, small mbufs into the room of the last one, and counts the memory. */
static void queue_add(struct pkt_chain *q, uint32_t *cost, struct pkt_chain *ch)
{
	while (ch->head != NULL) {
		struct rte_mbuf *m = ch->head, *tail = q->tail;

		ch->head = m->next;
		m->next = NULL;
		pkt_chain_append_tight(q, m);
		if (q->tail != tail)
			*cost += pkt_cost(q->tail);
	}
	pkt_chain_init(ch);
}

/*
 * Puts ch, which begins at seq and overlaps no run, behind *prev (NULL: first) and in front of
 * *at. False when there are too many runs: dropped.
 */
static bool gap_fill(struct tcp_conn *c, struct rte_mbuf **prev, struct rte_mbuf **at, uint32_t seq,
		     struct pkt_chain *ch)
{
	if (prev != NULL && run_end(*prev) == seq) {
		struct pkt_chain a = run_chain(*prev);

		queue_add(&a, &c->busy->runs_cost, ch);
		run_make(c, &a, run_of(*prev)->seq, run_of(*prev)->next);
		join_next(c, prev);
		return true;
	}
	if (*at != NULL && seq + ch->len == run_of(*at)->seq) {
		struct pkt_chain b = run_chain(*at);
		struct rte_mbuf *next = run_of(*at)->next;

		c->busy->runs_cost += (uint32_t)pkt_chain_cost(ch);
		pkt_chain_join(ch, &b);
		*at = run_make(c, ch, seq, next);
		return true;
	}
	/* What is next in order is taken even when the queue is full (T-28). */
	if (c->busy->runs_n >= TCP_RUNS_MAX && seq != c->rcv_nxt) {
		tcp_count(c->t, TCP_C_DROP_OOO);
		pkt_chain_free(ch);
		return false;
	}
	c->busy->runs_cost += (uint32_t)pkt_chain_cost(ch);
	*at = run_make(c, ch, seq, *at);
	c->busy->runs_n++;
	return true;
}

/* The first run that ends behind seq (*ret_at), and the one before it. */
static void runs_find(struct tcp_conn *c, uint32_t seq, struct rte_mbuf ***ret_prev,
		      struct rte_mbuf ***ret_at)
{
	struct rte_mbuf **prev = NULL, **at = &c->busy->runs;

	/* Behind a hole most segments belong to the end. */
	if (c->busy->runs != NULL && seq_le(run_end(c->busy->runs_last), seq)) {
		prev = &c->busy->runs_last;
		at = &run_of(*prev)->next;
	}
	while (*at != NULL && seq_le(run_end(*at), seq)) {
		prev = at;
		at = &run_of(*at)->next;
	}
	*ret_prev = prev;
	*ret_at = at;
}

/* Fills the gaps that ch covers; the rest of it is there already. */
static void runs_insert(struct tcp_conn *c, uint32_t seq, struct pkt_chain *ch)
{
	while (ch->len > 0) {
		struct rte_mbuf **prev, **at;
		struct pkt_chain part = {0};
		uint32_t room;

		runs_find(c, seq, &prev, &at);
		if (*at != NULL && seq_ge(seq, run_of(*at)->seq)) {
			uint32_t have = min_u64(run_end(*at) - seq, ch->len);

			tcp_reass_dup(c, seq, seq + have);
			run_of(*at)->stamp = ++c->busy->runs_stamp;
			pkt_chain_trim_head(ch, have);
			seq += have;
			continue;
		}
		room = *at != NULL ? run_of(*at)->seq - seq : ch->len;
		if (ch->len > room &&
		    pkt_chain_split(ch, room, &part, c->t->conf.pools->data) < 0) {
			tcp_count(c->t, TCP_C_DROP_NO_MBUF);
			pkt_chain_trim_tail(ch, ch->len - room);
		}
		if (part.len == 0)
			pkt_chain_join(&part, ch);
		seq += part.len;
		if (!gap_fill(c, prev, at, seq - part.len, &part))
			break;
	}
	pkt_chain_free(ch);
}

/* The first run, when it has become the next in order. */
static void runs_drain(struct tcp_conn *c)
{
	struct pkt_chain ch;

	if (c->busy->runs == NULL || run_of(c->busy->runs)->seq != c->rcv_nxt)
		return;
	ch = run_chain(c->busy->runs);
	c->busy->runs = run_of(c->busy->runs)->next;
	if (c->busy->runs == NULL)
		c->busy->runs_last = NULL;
	c->busy->runs_n--;
	c->busy->runs_cost -= (uint32_t)pkt_chain_cost(&ch);
	c->rcv_nxt += ch.len;
	c->total_in += ch.len;
	c->busy->rx_cost += (uint32_t)pkt_chain_cost(&ch);
	pkt_chain_join(&c->busy->rxq, &ch);
}

void tcp_reass_dup(struct tcp_conn *c, uint32_t start, uint32_t end)
{
	struct tcp_sack *d = &c->busy->dsack;

	if (unlikely(!tcp_is_busy(c))) /* half-open: it keeps nothing, and may not write here */
		return;
	if (d->start == d->end || seq_lt(end, d->start) || seq_gt(start, d->end))
		*d = (struct tcp_sack){start, end};
	else
		*d = (struct tcp_sack){seq_min(d->start, start), seq_max(d->end, end)};
}

/* Puts a run into the n places ordered by age; how many are taken then. */
static unsigned int sack_rank(const struct run **best, unsigned int k, unsigned int n,
			      const struct run *r)
{
	unsigned int i = k;

	for (; i > 0 && seq_gt(r->stamp, best[i - 1]->stamp); i--)
		if (i < n)
			best[i] = best[i - 1];
	if (i < n)
		best[i] = r;
	return k < n ? k + 1 : n;
}

void tcp_reass_sack(const struct tcp_conn *c, struct tcp_opts *o)
{
	const struct run *best[TCP_SACK_MAX];
	unsigned int k = 0, n = 0, room = TCP_SACK_MAX - (o->has_ts ? 1 : 0);

	if (c->busy->dsack.start != c->busy->dsack.end)
		o->sack[n++] = c->busy->dsack;
	for (struct rte_mbuf *m = c->busy->runs; m != NULL; m = run_of(m)->next)
		k = sack_rank(best, k, room - n, run_of(m));
	for (unsigned int i = 0; i < k; i++)
		o->sack[n++] = (struct tcp_sack){best[i]->seq, best[i]->seq + best[i]->len};
	o->sack_n = (uint8_t)n;
}

/* Small segments that could not be put together on arrival; the work doubles its own bound. */
static void rx_compact(struct tcp_conn *c)
{
	if (c->busy->rx_cost <= max_u64(c->busy->rx_compact_at, c->rx_window) ||
	    c->busy->rxq.len > c->busy->rx_cost / 4)
		return;
	pkt_chain_compact(&c->busy->rxq, c->t->conf.pools->data);
	c->busy->rx_cost = (uint32_t)pkt_chain_cost(&c->busy->rxq);
	c->busy->rx_compact_at = 2 * c->busy->rx_cost;
}

static bool runs_have_room(const struct tcp_conn *c, const struct pkt_chain *ch)
{
	uint64_t limit = HOLED_COST * (uint64_t)max_u64(c->rx_window, c->rcv_adv - c->rcv_nxt);

	return (uint64_t)c->busy->rx_cost + c->busy->runs_cost + pkt_chain_cost(ch) <= limit;
}

bool tcp_reass_input(struct tcp_conn *c, struct tcp_seg *g, uint32_t seq, uint32_t len,
		     uint32_t skip)
{
	struct pkt_chain ch = {0};
	uint32_t was = c->rcv_nxt;

	tcp_mem_queued(c->t, g->m->nb_segs);
	pkt_chain_append(&ch, g->m);
	g->m = NULL;
	pkt_chain_trim_head(&ch, skip);
	if (ch.len > len)
		pkt_chain_trim_tail(&ch, ch.len - len);

	if (likely(seq == c->rcv_nxt && c->busy->runs == NULL)) {
		c->rcv_nxt += ch.len;
		c->total_in += ch.len;
		queue_add(&c->busy->rxq, &c->busy->rx_cost, &ch);
	} else if (seq != c->rcv_nxt && !tcp_mem_keeps_holed(c)) {
		tcp_count(c->t, TCP_C_DROP_MEM);
		pkt_chain_free(&ch);
	} else if (seq != c->rcv_nxt && !runs_have_room(c, &ch)) {
		tcp_count(c->t, TCP_C_DROP_OOO);
		pkt_chain_free(&ch);
	} else {
		runs_insert(c, seq, &ch);
		runs_drain(c);
		tcp_mem_holed(c);
	}
	rx_compact(c);
	return c->rcv_nxt != was;
}

uint32_t tcp_rx_take(struct tcp_conn *c, uint32_t max, struct pkt_chain *ret)
{
	uint32_t n = min_u64(max, c->busy->rxq.len), whole = 0;
	uint64_t before;
	int r;

	for (const struct rte_mbuf *m = c->busy->rxq.head; m != NULL && m->data_len <= n - whole;
	     m = m->next) {
		whole += m->data_len;
		c->busy->rx_cost -= pkt_cost(m);
	}
	r = pkt_chain_split(&c->busy->rxq, whole, ret, c->t->conf.pools->data);
	if (r < 0 || whole == n) /* at a seam nothing is allocated and nothing fails */
		return whole;

	before = pkt_cost(c->busy->rxq.head);
	r = pkt_chain_split(&c->busy->rxq, n - whole, ret, c->t->conf.pools->data);
	if (r < 0)
		return whole;
	c->busy->rx_cost += (uint32_t)(pkt_cost(c->busy->rxq.head) - before);
	return n;
}
