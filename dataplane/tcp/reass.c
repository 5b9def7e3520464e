/*
 * dataplane/tcp/reass.c - received bytes: in order for the user, beyond a gap in runs.
 *
 * A run is a stretch of bytes without a gap, an ordered list of mbufs; what describes it lies
 * in the private area of one of them, where the IP header's facts are not needed any more, and is
 * a node of a red-black tree. So runs cost nothing but their mbufs, there may be as many as the
 * window's memory holds, and an insertion takes O(log n) (T-28); behind the last run and before
 * the first, where nearly all segments belong, O(1). Where bytes overlap, those that came first
 * stay (T-29).
 *
 * The runs are what SACK reports (RFC 2018), those that changed last first; what came twice is
 * reported once, in front of them (RFC 2883).
 */
#include "dataplane/tcp/internal.h"

/* Memory for each byte of the window: what fills less than a quarter of an mbuf is put together. */
#define HOLED_COST 5

static int run_cmp(const struct tcp_run *a, const struct tcp_run *b)
{
	return (int)(a->seq - b->seq); /* all of one window */
}

RB_GENERATE_INTERNAL(tcp_runs, tcp_run, rb, run_cmp, static inline __attribute__((unused)))

static uint32_t run_end(const struct tcp_run *r)
{
	return r->seq + r->len;
}

static struct pkt_chain run_chain(const struct tcp_run *r)
{
	return (struct pkt_chain){r->head, r->tail, r->len, r->segs};
}

static void run_set(struct tcp_run *r, uint32_t seq, const struct pkt_chain *ch)
{
	r->head = ch->head;
	r->tail = ch->tail;
	r->seq = seq;
	r->len = ch->len;
	r->segs = ch->segs;
}

uint32_t tcp_reass_end(const struct tcp_conn *c)
{
	return c->busy->runs_last != NULL ? run_end(c->busy->runs_last) : c->rcv_nxt;
}

/* r got the latest segment. */
static void run_touch(struct tcp_conn *c, struct tcp_run *r)
{
	struct tcp_run **recent = c->busy->runs_recent;
	unsigned int i = 0;

	while (i < TCP_SACK_MAX - 1 && recent[i] != r && recent[i] != NULL)
		i++;
	for (; i > 0; i--)
		recent[i] = recent[i - 1];
	recent[0] = r;
}

static void run_forget(struct tcp_conn *c, const struct tcp_run *r)
{
	struct tcp_run **recent = c->busy->runs_recent;
	unsigned int i = 0;

	while (i < TCP_SACK_MAX && recent[i] != r)
		i++;
	for (; i < TCP_SACK_MAX; i++)
		recent[i] = i + 1 < TCP_SACK_MAX ? recent[i + 1] : NULL;
}

/* ch, which is not empty, as a run of its own behind prev (NULL: the first). */
static void run_add(struct tcp_conn *c, struct tcp_run *prev, uint32_t seq,
		    const struct pkt_chain *ch)
{
	struct tcp_busy *b = c->busy;
	struct tcp_run *r = (struct tcp_run *)rte_mbuf_to_priv(ch->head);

	run_set(r, seq, ch);
	RB_INSERT(tcp_runs, &b->runs_tree, r);
	if (prev == NULL)
		b->runs = r;
	if (prev == b->runs_last)
		b->runs_last = r;
	b->runs_n++;
	run_touch(c, r);
}

/* Out of the tree; its mbufs are the caller's. */
static struct pkt_chain run_take(struct tcp_conn *c, struct tcp_run *r)
{
	struct tcp_busy *b = c->busy;

	if (r == b->runs)
		b->runs = RB_NEXT(tcp_runs, &b->runs_tree, r);
	if (r == b->runs_last)
		b->runs_last = RB_PREV(tcp_runs, &b->runs_tree, r);
	RB_REMOVE(tcp_runs, &b->runs_tree, r);
	b->runs_n--;
	run_forget(c, r);
	return run_chain(r);
}

void tcp_reass_free(struct tcp_conn *c)
{
	struct tcp_busy *b = c->busy;

	if (!tcp_is_busy(c))
		return;
	while (b->runs != NULL) {
		struct pkt_chain ch = run_take(c, b->runs);

		pkt_chain_free(&ch);
	}
	b->runs_cost = 0;
	tcp_mem_holed(c);
}

/*
 * Puts src behind dst, small mbufs at its beginning into the room of dst's last one; the memory
 * that became free.
 */
static uint32_t join_tight(struct pkt_chain *dst, struct pkt_chain *src)
{
	uint32_t saved = 0;

	while (src->head != NULL) {
		struct rte_mbuf *m = src->head, *tail = dst->tail;
		uint32_t cost = pkt_cost(m);

		src->head = m->next;
		src->len -= m->data_len;
		src->segs--;
		m->next = NULL;
		pkt_chain_append_tight(dst, m);
		if (dst->tail != tail)
			break;
		saved += cost;
	}
	pkt_chain_join(dst, src);
	pkt_chain_init(src);
	return saved;
}

/* Joins r with the next run when they touch. */
static void join_next(struct tcp_conn *c, struct tcp_run *r)
{
	struct tcp_run *next = RB_NEXT(tcp_runs, &c->busy->runs_tree, r);
	struct pkt_chain a, b;

	if (next == NULL || run_end(r) != next->seq)
		return;
	a = run_chain(r);
	b = run_take(c, next);
	c->busy->runs_cost -= join_tight(&a, &b);
	run_set(r, r->seq, &a);
}

/* Puts ch, which begins at seq and overlaps no run, between the runs prev and at; NULL: none. */
static void gap_fill(struct tcp_conn *c, struct tcp_run *prev, struct tcp_run *at, uint32_t seq,
		     struct pkt_chain *ch)
{
	struct pkt_chain a;

	c->busy->runs_cost += (uint32_t)pkt_chain_cost(ch);
	if (prev != NULL && run_end(prev) == seq) {
		a = run_chain(prev);
		c->busy->runs_cost -= join_tight(&a, ch);
		run_set(prev, prev->seq, &a);
		join_next(c, prev);
		run_touch(c, prev);
	} else if (at != NULL && seq + ch->len == at->seq) {
		/* The node stays in the mbuf that was the first. */
		a = run_chain(at);
		pkt_chain_join(ch, &a);
		run_set(at, seq, ch);
		run_touch(c, at);
	} else {
		run_add(c, prev, seq, ch);
	}
}

/* The first run that ends behind seq, and the one before it; NULL: there is none. */
static struct tcp_run *runs_find(struct tcp_conn *c, uint32_t seq, struct tcp_run **ret_prev)
{
	struct tcp_busy *b = c->busy;
	struct tcp_run *r, *at = NULL;

	*ret_prev = NULL;
	if (b->runs == NULL || seq_lt(seq, run_end(b->runs)))
		return b->runs;
	*ret_prev = b->runs_last;
	if (seq_le(run_end(b->runs_last), seq))
		return NULL;
	for (r = RB_ROOT(&b->runs_tree); r != NULL;) {
		if (seq_lt(seq, run_end(r))) {
			at = r;
			r = RB_LEFT(r, rb);
		} else {
			r = RB_RIGHT(r, rb);
		}
	}
	*ret_prev = RB_PREV(tcp_runs, &b->runs_tree, at);
	return at;
}

/* Fills the gaps that ch covers; the rest of it is there already. */
static void runs_insert(struct tcp_conn *c, uint32_t seq, struct pkt_chain *ch)
{
	while (ch->len > 0) {
		struct tcp_run *prev, *at = runs_find(c, seq, &prev);
		struct pkt_chain part = {0};
		uint32_t room;

		if (at != NULL && seq_ge(seq, at->seq)) {
			uint32_t have = min_u64(run_end(at) - seq, ch->len);

			tcp_reass_dup(c, seq, seq + have);
			run_touch(c, at);
			pkt_chain_trim_head(ch, have);
			seq += have;
			continue;
		}
		room = at != NULL ? at->seq - seq : ch->len;
		if (ch->len > room &&
		    pkt_chain_split(ch, room, &part, c->t->conf.pools->data) < 0) {
			tcp_count(c->t, TCP_C_DROP_NO_MBUF);
			pkt_chain_trim_tail(ch, ch->len - room);
		}
		if (part.len == 0)
			pkt_chain_join(&part, ch);
		seq += part.len;
		gap_fill(c, prev, at, seq - part.len, &part);
	}
	pkt_chain_free(ch);
}

/* The first run, when it has become the next in order. */
static void runs_drain(struct tcp_conn *c)
{
	struct tcp_busy *b = c->busy;
	struct pkt_chain ch;
	uint32_t cost;

	if (b->runs == NULL || b->runs->seq != c->rcv_nxt)
		return;
	ch = run_take(c, b->runs);
	cost = (uint32_t)pkt_chain_cost(&ch);
	b->runs_cost -= cost;
	b->rx_cost += cost;
	c->rcv_nxt += ch.len;
	c->total_in += ch.len;
	b->rx_cost -= join_tight(&b->rxq, &ch);
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

static bool is_recent(const struct tcp_busy *b, const struct tcp_run *r)
{
	for (unsigned int i = 0; i < TCP_SACK_MAX && b->runs_recent[i] != NULL; i++)
		if (b->runs_recent[i] == r)
			return true;
	return false;
}

void tcp_reass_sack(const struct tcp_conn *c, struct tcp_opts *o)
{
	struct tcp_busy *b = c->busy;
	unsigned int n = 0, room = TCP_SACK_MAX - (o->has_ts ? 1 : 0);

	if (b->dsack.start != b->dsack.end)
		o->sack[n++] = b->dsack;
	for (unsigned int i = 0; i < TCP_SACK_MAX && b->runs_recent[i] != NULL && n < room; i++)
		o->sack[n++] =
			(struct tcp_sack){b->runs_recent[i]->seq, run_end(b->runs_recent[i])};
	/* Of those that were recent some became one: the first gaps are the next to be filled. */
	for (struct tcp_run *r = b->runs; r != NULL && n < room;
	     r = RB_NEXT(tcp_runs, &b->runs_tree, r))
		if (!is_recent(b, r))
			o->sack[n++] = (struct tcp_sack){r->seq, run_end(r)};
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
		c->busy->rx_cost += (uint32_t)pkt_chain_cost(&ch);
		c->busy->rx_cost -= join_tight(&c->busy->rxq, &ch);
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

	if (likely(n == c->busy->rxq.len && tcp_is_busy(c))) { /* all: nobody need look at it */
		c->busy->rx_cost = 0;
		pkt_chain_join(ret, &c->busy->rxq);
		return n;
	}
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
