/* dataplane/tcp/sent.c - see sent.h. */
#include "dataplane/tcp/internal.h"

#include <stdlib.h>

/* Of the pool, free for everybody: what SACK may split depends on it (Choudhury and Hahne). */
#define SPLIT_PART 1
#define SPLIT_MIN  16
/* Bytes that go within this part of a round trip are one run. */
#define RUN_SHIFT 6

/* --- pools ------------------------------------------------------------------------- */

int tcp_sent_pools_new(struct tcp *t, uint32_t nodes, uint32_t boards)
{
	t->sent_mem = calloc(nodes, sizeof(*t->sent_mem));
	t->board_mem = calloc(boards, sizeof(*t->board_mem));
	if (t->sent_mem == NULL || t->board_mem == NULL)
		return -ENOMEM;
	for (uint32_t i = nodes; i > 0; i--) {
		t->sent_mem[i - 1].next = t->sent_pool;
		t->sent_pool = &t->sent_mem[i - 1];
	}
	t->sent_free = nodes;
	t->boards = boards;
	return 0;
}

void tcp_sent_pools_free(struct tcp *t)
{
	free(t->sent_mem);
	free(t->board_mem);
}

static struct tcp_sent *node_get(struct tcp_conn *c)
{
	struct tcp_sent *s = c->t->sent_pool;

	if (unlikely(s == NULL))
		return NULL;
	c->t->sent_pool = s->next;
	c->t->sent_free--;
	c->board->n++;
	return s;
}

static void node_put(struct tcp_conn *c, struct tcp_sent *s)
{
	if (c->board->hint == s)
		c->board->hint = NULL;
	s->next = c->t->sent_pool;
	c->t->sent_pool = s;
	c->t->sent_free++;
	c->board->n--;
}

static bool board_get(struct tcp_conn *c)
{
	struct tcp *t = c->t;
	struct tcp_board *b = t->board_pool;

	if (likely(b != NULL))
		t->board_pool = (void *)b->all.head;
	else if (t->boards_fresh < t->boards)
		b = &t->board_mem[t->boards_fresh++];
	else
		return false;
	*b = (struct tcp_board){.fack = c->snd_una};
	c->board = b;
	return true;
}

/* One that is free is linked where its first list would begin. */
static void board_put(struct tcp_conn *c)
{
	c->board->all.head = (void *)c->t->board_pool;
	c->t->board_pool = c->board;
	c->board = NULL;
}

/* --- lists -------------------------------------------------------------------------- */

static void q_append(struct tcp_sent_queue *q, struct tcp_sent *s)
{
	s->q_next = NULL;
	s->q_prev = q->tail;
	if (q->tail != NULL)
		q->tail->q_next = s;
	else
		q->head = s;
	q->tail = s;
}

static void q_prepend(struct tcp_sent_queue *q, struct tcp_sent *s)
{
	s->q_prev = NULL;
	s->q_next = q->head;
	if (q->head != NULL)
		q->head->q_prev = s;
	else
		q->tail = s;
	q->head = s;
}

static void q_insert_after(struct tcp_sent_queue *q, struct tcp_sent *at, struct tcp_sent *s)
{
	s->q_prev = at;
	s->q_next = at->q_next;
	if (at->q_next != NULL)
		at->q_next->q_prev = s;
	else
		q->tail = s;
	at->q_next = s;
}

static void q_remove(struct tcp_sent_queue *q, struct tcp_sent *s)
{
	if (s->q_prev != NULL)
		s->q_prev->q_next = s->q_next;
	else
		q->head = s->q_next;
	if (s->q_next != NULL)
		s->q_next->q_prev = s->q_prev;
	else
		q->tail = s->q_prev;
}

static void all_insert_after(struct tcp_sent_queue *q, struct tcp_sent *at, struct tcp_sent *s)
{
	s->prev = at;
	s->next = at != NULL ? at->next : NULL;
	if (s->next != NULL)
		s->next->prev = s;
	else
		q->tail = s;
	if (at != NULL)
		at->next = s;
	else
		q->head = s;
}

static void all_remove(struct tcp_sent_queue *q, struct tcp_sent *s)
{
	if (s->prev != NULL)
		s->prev->next = s->next;
	else
		q->head = s->next;
	if (s->next != NULL)
		s->next->prev = s->prev;
	else
		q->tail = s->prev;
}

static struct tcp_sent_queue *queue_of(struct tcp_board *b, const struct tcp_sent *s)
{
	return s->state == TCP_SENT_FLIGHT ? &b->flight : &b->lost;
}

/* s leaves the queue and the count of its state. */
static void state_leave(struct tcp_board *b, struct tcp_sent *s)
{
	if (s->state == TCP_SENT_SACKED) {
		b->sacked -= s->end - s->seq;
		return;
	}
	if (s->state == TCP_SENT_LOST)
		b->lost_bytes -= s->end - s->seq;
	q_remove(queue_of(b, s), s);
}

static void drop(struct tcp_conn *c, struct tcp_sent *s)
{
	state_leave(c->board, s);
	all_remove(&c->board->all, s);
	node_put(c, s);
}

/* s ends at `at` from now on; what follows is the node returned. NULL: none is to be had. */
static struct tcp_sent *split(struct tcp_conn *c, struct tcp_sent *s, uint32_t at)
{
	struct tcp_board *b = c->board;
	struct tcp_sent *r = node_get(c);

	if (r == NULL)
		return NULL;
	*r = *s;
	r->seq = at;
	r->m = NULL;
	s->end = at;
	all_insert_after(&b->all, s, r);
	if (s->state != TCP_SENT_SACKED)
		q_insert_after(queue_of(b, s), s, r);
	return r;
}

/* --- sending ------------------------------------------------------------------------ */

/* s went about now, so what goes now may join it. */
static bool is_recent(const struct tcp_conn *c, const struct tcp_sent *s, uint64_t now_us)
{
	return (uint32_t)now_us - s->xmit_us <= c->srtt_us >> RUN_SHIFT;
}

static bool can_extend(const struct tcp_sent *tail)
{
	return tail != NULL && tail->state == TCP_SENT_FLIGHT && tail->rexmits == 0;
}

bool tcp_sent_reserve(struct tcp_conn *c)
{
	if (unlikely(c->board == NULL) && !board_get(c))
		return false;
	if (likely(c->t->sent_pool != NULL && c->board->n < 2 * TCP_SENT_MAX) ||
	    can_extend(c->board->all.tail))
		return true;
	if (c->board->n == 0)
		board_put(c);
	return false;
}

void tcp_sent_new(struct tcp_conn *c, uint32_t seq, uint32_t space, struct tcp_cursor cur,
		  bool again, uint64_t now_us)
{
	struct tcp_board *b = c->board;
	struct tcp_sent *tail = b->all.tail, *s;

	/* Only what went last: RACK must not take it for older than what went in between. */
	if (likely(can_extend(tail) && !again) &&
	    ((tail == b->flight.tail && is_recent(c, tail, now_us)) || b->n >= TCP_SENT_MAX)) {
		tail->end += space;
		return;
	}
	s = node_get(c);
	if (s == NULL) { /* tail can be extended: see tcp_sent_reserve() */
		tail->end += space;
		return;
	}
	*s = (struct tcp_sent){.m = cur.m,
			       .off = cur.off,
			       .seq = seq,
			       .end = seq + space,
			       .xmit_us = (uint32_t)now_us,
			       .rexmits = again};
	all_insert_after(&b->all, tail, s);
	q_append(&b->flight, s);
}

struct tcp_sent *tcp_sent_lost(const struct tcp_conn *c)
{
	return c->board != NULL ? c->board->lost.head : NULL;
}

struct tcp_sent *tcp_sent_tail(struct tcp_conn *c)
{
	struct tcp_sent *s = c->board != NULL ? c->board->all.tail : NULL;

	if (s == NULL || s->state != TCP_SENT_FLIGHT)
		return NULL;
	if (s->end - s->seq > c->mss)
		s = split(c, s, s->end - c->mss);
	return s;
}

struct tcp_cursor tcp_sent_cursor(struct tcp_conn *c, struct tcp_sent *s)
{
	struct tcp_cursor cur = {c->busy->txq.head, c->busy->tx_off};
	struct tcp_sent *from = s;
	uint32_t n;

	while (from->m == NULL && from->prev != NULL)
		from = from->prev;
	if (from->m != NULL)
		cur = (struct tcp_cursor){from->m, from->off};
	for (n = s->seq - from->seq; cur.m != NULL && n >= tcp_cursor_left(cur);) {
		n -= tcp_cursor_left(cur);
		cur = tcp_cursor_next(cur);
	}
	if (cur.m != NULL)
		cur.off += n;
	s->m = cur.m;
	s->off = cur.off;
	return cur;
}

/* In front of s stands what went again a moment ago: these bytes join it. */
static bool join_again(struct tcp_conn *c, struct tcp_sent *s, uint32_t space,
		       struct tcp_cursor next, uint64_t now_us)
{
	struct tcp_board *b = c->board;
	struct tcp_sent *p = s->prev;

	if (p == NULL || p != b->flight.tail || p->rexmits != s->rexmits + 1 ||
	    !is_recent(c, p, now_us))
		return false;
	if (s->state == TCP_SENT_LOST)
		b->lost_bytes -= space;
	p->end += space;
	s->seq += space;
	s->m = next.m;
	s->off = next.off;
	if (s->seq == s->end)
		drop(c, s);
	return true;
}

void tcp_sent_again(struct tcp_conn *c, struct tcp_sent *s, uint32_t space, struct tcp_cursor next,
		    uint64_t now_us)
{
	struct tcp_board *b = c->board;

	if (join_again(c, s, space, next, now_us))
		return;
	if (space < s->end - s->seq) {
		struct tcp_sent *rest = split(c, s, s->seq + space);

		/* Without a node all of s counts as sent: the rest is found lost once more. */
		if (likely(rest != NULL)) {
			rest->m = next.m;
			rest->off = next.off;
		}
	}
	state_leave(b, s);
	s->state = TCP_SENT_FLIGHT;
	s->xmit_us = (uint32_t)now_us;
	if (s->rexmits < UINT8_MAX)
		s->rexmits++;
	q_append(&b->flight, s);
}

/* --- what arrives --------------------------------------------------------------------- */

/* Bytes [from, to) of s, not reported before, arrived. */
static void delivered(struct tcp_conn *c, const struct tcp_sent *s, uint32_t from, uint32_t to,
		      struct tcp_acked *a)
{
	struct tcp_board *b = c->board;
	uint32_t rtt = max_u64((uint32_t)a->now_us - s->xmit_us, 1u);

	a->delivered += to - from;
	if (likely(s->rexmits == 0)) {
		if (rtt > a->rtt_us)
			a->rtt_us = rtt;
		a->rtt_min_us = rtt;
		if (seq_le(to, c->recover))
			a->orig = true;
		if (unlikely(seq_lt(to, b->fack)))
			c->reordering = true;
	} else {
		a->rexmit = true;
	}
	b->fack = seq_max(b->fack, to);
	tcp_rack_update(c, s, to, rtt);
}

void tcp_sent_acked(struct tcp_conn *c, struct tcp_acked *a)
{
	struct tcp_board *b = c->board;
	uint32_t una = c->snd_una;
	struct tcp_sent *s;

	if (b == NULL)
		return;
	while ((s = b->all.head) != NULL && seq_le(s->end, una)) {
		if (s->state != TCP_SENT_SACKED)
			delivered(c, s, s->seq, s->end, a);
		drop(c, s);
	}
	if (s != NULL && seq_lt(s->seq, una)) {
		uint32_t n = una - s->seq;

		if (s->state != TCP_SENT_SACKED)
			delivered(c, s, s->seq, una, a);
		else
			b->sacked -= n;
		if (s->state == TCP_SENT_LOST)
			b->lost_bytes -= n;
		s->seq = una;
		s->m = c->busy->txq.head;
		s->off = c->busy->tx_off;
	}
}

/* May a SACK block cost this connection a node? */
static bool may_split(const struct tcp_conn *c)
{
	return c->board->n < min_u64(TCP_SENT_MAX, c->t->sent_free / SPLIT_PART + SPLIT_MIN);
}

static uint32_t distance(const struct tcp_sent *s, uint32_t seq)
{
	return seq_lt(s->seq, seq) ? seq - s->seq : s->seq - seq;
}

/*
 * What arrives next is next to what arrived last, at the end of what was sent, or, sent again,
 * near its beginning: never far from the nearest of the three.
 */
static struct tcp_sent *nearest(const struct tcp_board *b, uint32_t seq)
{
	struct tcp_sent *s = b->all.tail;

	if (distance(b->all.head, seq) < distance(s, seq))
		s = b->all.head;
	if (b->hint != NULL && distance(b->hint, seq) < distance(s, seq))
		s = b->hint;
	return s;
}

/* The node that has seq. NULL: the steps are used up. */
static struct tcp_sent *find(struct tcp_board *b, uint32_t seq, unsigned int *steps)
{
	struct tcp_sent *s = nearest(b, seq);

	while (s != NULL && seq_gt(s->seq, seq) && *steps > 0) {
		s = s->prev;
		--*steps;
	}
	while (s != NULL && seq_le(s->end, seq) && *steps > 0) {
		s = s->next;
		--*steps;
	}
	return *steps > 0 ? s : NULL;
}

/* s arrived, all of it; one node with the neighbours that did. The node it is part of. */
static struct tcp_sent *node_sacked(struct tcp_conn *c, struct tcp_sent *s, struct tcp_acked *a)
{
	struct tcp_board *b = c->board;
	struct tcp_sent *p = s->prev, *n = s->next;

	delivered(c, s, s->seq, s->end, a);
	a->sacked += s->end - s->seq;
	state_leave(b, s);
	b->sacked += s->end - s->seq;
	s->state = TCP_SENT_SACKED;
	if (n != NULL && n->state == TCP_SENT_SACKED) {
		s->end = n->end;
		all_remove(&b->all, n);
		node_put(c, n);
	}
	if (p != NULL && p->state == TCP_SENT_SACKED) {
		p->end = s->end;
		all_remove(&b->all, s);
		node_put(c, s);
		return p;
	}
	return s;
}

/* Behind what arrived, so much more of s did: no node is needed for it. */
static void edge_moved(struct tcp_conn *c, struct tcp_sent *s, uint32_t to, struct tcp_acked *a)
{
	struct tcp_board *b = c->board;
	uint32_t n = to - s->seq;

	delivered(c, s, s->seq, to, a);
	a->sacked += n;
	b->sacked += n;
	if (s->state == TCP_SENT_LOST)
		b->lost_bytes -= n;
	s->prev->end = to;
	s->seq = to;
	s->m = NULL;
}

/* One block. False: no node, or no steps, for all of it. */
static bool block_sacked(struct tcp_conn *c, const struct tcp_sack *k, unsigned int *steps,
			 struct tcp_acked *a)
{
	struct tcp_board *b = c->board;
	struct tcp_sent *s = find(b, k->start, steps);

	for (; s != NULL && seq_lt(s->seq, k->end) && *steps > 0; s = s->next, --*steps) {
		if (s->state == TCP_SENT_SACKED) {
			b->hint = s;
			continue;
		}
		if (seq_lt(s->seq, k->start)) {
			if (!may_split(c) || (s = split(c, s, k->start)) == NULL)
				return false;
		}
		if (seq_gt(s->end, k->end)) {
			if (s->prev != NULL && s->prev->state == TCP_SENT_SACKED) {
				edge_moved(c, s, k->end, a);
				b->hint = s->prev;
				return true;
			}
			if (!may_split(c) || split(c, s, k->end) == NULL)
				return false;
		}
		s = node_sacked(c, s, a);
		b->hint = s;
	}
	return *steps > 0;
}

/* RFC 2018 section 4: of what is outstanding, or it is no block for us. */
static bool block_valid(const struct tcp_conn *c, const struct tcp_sack *k)
{
	return seq_lt(k->start, k->end) && seq_gt(k->start, c->snd_una) &&
	       seq_le(k->end, c->snd_nxt) && seq_lt(k->start, c->snd_nxt);
}

void tcp_sent_sacked(struct tcp_conn *c, const struct tcp_sack *block, unsigned int n,
		     struct tcp_acked *a)
{
	struct tcp_sack sorted[TCP_SACK_MAX];
	unsigned int k = 0, steps = TCP_SENT_STEPS;

	if (c->board == NULL || c->board->all.head == NULL)
		return;
	/* In order, or a later block of the same ACK would look like reordering. */
	for (unsigned int i = 0; i < n; i++) {
		unsigned int at = k;

		if (!block_valid(c, &block[i]))
			continue;
		for (; at > 0 && seq_gt(sorted[at - 1].start, block[i].start); at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = block[i];
		k++;
	}
	for (unsigned int i = 0; i < k; i++)
		if (!block_sacked(c, &sorted[i], &steps, a)) {
			tcp_count(c->t, TCP_C_SACK_IGNORED);
			break;
		}
}

/* --- what is lost ----------------------------------------------------------------------- */

void tcp_sent_lose(struct tcp_conn *c, struct tcp_sent *s)
{
	struct tcp_board *b = c->board;

	q_remove(&b->flight, s);
	s->state = TCP_SENT_LOST;
	b->lost_bytes += s->end - s->seq;
	if (s->prev == NULL) /* all else waits for it */
		q_prepend(&b->lost, s);
	else
		q_append(&b->lost, s);
}

void tcp_sent_lose_head(struct tcp_conn *c)
{
	struct tcp_sent *s = c->board != NULL ? c->board->all.head : NULL;

	if (s == NULL || s->state != TCP_SENT_FLIGHT)
		return;
	if (s->end - s->seq > c->mss)
		(void)split(c, s, s->seq + c->mss); /* without a node all of it */
	tcp_sent_lose(c, s);
}

void tcp_sent_lose_all(struct tcp_conn *c)
{
	struct tcp_board *b = c->board;
	bool reneged;

	if (b == NULL || b->all.head == NULL) /* a board waits for its first segment: no buffer */
		return;
	/* RFC 2018 section 8: the first was said to have arrived and is not acknowledged. */
	reneged = b->all.head->state == TCP_SENT_SACKED;
	if (reneged)
		tcp_count(c->t, TCP_C_RENEGED);
	b->flight = b->lost = (struct tcp_sent_queue){NULL, NULL};
	b->lost_bytes = 0;
	for (struct tcp_sent *s = b->all.head; s != NULL; s = s->next) {
		if (s->state == TCP_SENT_SACKED && !reneged)
			continue;
		s->state = TCP_SENT_LOST;
		b->lost_bytes += s->end - s->seq;
		q_append(&b->lost, s);
	}
	if (reneged)
		b->sacked = 0;
}

bool tcp_sent_twice(const struct tcp_conn *c, uint32_t *ret)
{
	const struct tcp_sent *s = c->board->all.head;
	unsigned int steps = TCP_SENT_STEPS;

	*ret = 0;
	for (; s != NULL && steps > 0; s = s->next, steps--)
		if (s->rexmits > 0 && s->state != TCP_SENT_SACKED)
			*ret += s->end - s->seq;
	return s == NULL;
}

/* Into what is in flight by its time; without steps left to the front, where RACK looks first. */
static void found(struct tcp_board *b, struct tcp_sent *s, unsigned int *steps)
{
	struct tcp_sent *at = b->flight.head, *before = NULL;

	for (; at != NULL && *steps > 0 && seq_gt(s->xmit_us, at->xmit_us); --*steps) {
		before = at;
		at = at->q_next;
	}
	s->state = TCP_SENT_FLIGHT;
	if (before == NULL || *steps == 0)
		q_prepend(&b->flight, s);
	else
		q_insert_after(&b->flight, before, s);
}

void tcp_sent_found(struct tcp_conn *c)
{
	struct tcp_board *b = c->board;
	unsigned int steps = TCP_SENT_STEPS;
	struct tcp_sent *s;

	/* From its end: most are older than all that is in flight, and than those found before. */
	while ((s = b->lost.tail) != NULL) {
		q_remove(&b->lost, s);
		found(b, s, &steps);
	}
	b->lost_bytes = 0;
}

void tcp_sent_free(struct tcp_conn *c)
{
	struct tcp_sent *s;

	if (c->board == NULL)
		return;
	while ((s = c->board->all.head) != NULL) {
		c->board->all.head = s->next;
		node_put(c, s);
	}
	board_put(c);
}
