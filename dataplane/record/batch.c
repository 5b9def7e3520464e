/* dataplane/record/batch.c - the batch of a burst, and queues of payloads in the private areas of
 * mbufs. */
#include "dataplane/record/internal.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/secret.h"

int record_batch_new(struct cipher_engine *engine, const struct pkt_pools *pools,
		     struct record_batch **ret)
{
	struct record_batch *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return -ENOMEM;
	b->engine = engine;
	b->pools = *pools;
	for (unsigned int i = 0; i < CIPHER_BURST; i++)
		b->job[i] = &b->slot[i].job;
	*ret = b;
	return 0;
}

void record_batch_zpool(struct record_batch *b, struct zpool *pool)
{
	b->zpool = pool;
}

void record_batch_free(struct record_batch *b)
{
	free(b);
}

uint64_t record_batch_bytes(const struct record_batch *b)
{
	return b->bytes;
}

struct record_slot *record_batch_slot(struct record_batch *b)
{
	if (b->n == CIPHER_BURST || RECORD_PIECES - b->n_pieces < CIPHER_PIECES_MAX)
		return NULL;
	return &b->slot[b->n];
}

void record_batch_pieces(struct record_batch *b, struct record_slot *s, const struct pkt_chain *c,
			 uint32_t n)
{
	struct cipher_job *job = &s->job;
	uint32_t left = n;

	job->piece = &b->piece[b->n_pieces];
	job->n_pieces = 0;
	job->len = n;
	for (struct rte_mbuf *m = c->head; left > 0; m = m->next) {
		uint32_t len = RTE_MIN((uint32_t)m->data_len, left);

		job->piece[job->n_pieces++] =
			(struct cipher_piece){rte_pktmbuf_mtod(m, uint8_t *), len};
		left -= len;
	}
}

void record_batch_add(struct record_batch *b, struct record_slot *s)
{
	b->n_pieces += s->job.n_pieces;
	b->bytes += s->job.len;
	b->n++;
}

void record_batch_clear(struct record_batch *b)
{
	b->n = 0;
	b->n_pieces = 0;
}

bool record_batch_serial(const struct record_batch *b, const struct ssh_dir *d)
{
	if (likely(!d->cipher.suite->serial))
		return false;
	for (unsigned int i = 0; i < b->n; i++)
		if (b->slot[i].job.state == &d->cipher)
			return true;
	return false;
}

/* Fills dst from src, as much as fits behind its data. */
static void mbuf_fill(struct rte_mbuf *dst, struct rte_mbuf *src)
{
	uint16_t n = RTE_MIN(rte_pktmbuf_tailroom(dst), src->data_len);

	memcpy(rte_pktmbuf_mtod_offset(dst, uint8_t *, dst->data_len),
	       rte_pktmbuf_mtod(src, uint8_t *), n);
	dst->data_len += n;
	src->data_off += n;
	src->data_len -= n;
}

/* What lies in front of the data, headers or bytes that went to another mbuf, is room, too. */
static void mbuf_to_front(struct rte_mbuf *m)
{
	const uint8_t *data = rte_pktmbuf_mtod(m, const uint8_t *);

	if (m->data_off <= RTE_PKTMBUF_HEADROOM)
		return;
	m->data_off = RTE_PKTMBUF_HEADROOM;
	memmove(rte_pktmbuf_mtod(m, uint8_t *), data, m->data_len);
}

/* Writable chains only. Every mbuf but the last is full afterwards, but for its head-room. */
static void chain_pack(struct pkt_chain *c)
{
	struct rte_mbuf *dst = c->head;

	while (dst->next != NULL) {
		struct rte_mbuf *src = dst->next;

		mbuf_to_front(dst);
		mbuf_fill(dst, src);
		if (src->data_len > 0) {
			dst = src;
			continue;
		}
		dst->next = src->next;
		if (c->tail == src)
			c->tail = dst;
		src->next = NULL;
		rte_pktmbuf_free_seg(src);
		c->segs--;
	}
}

int record_chain_own(struct pkt_chain *c, struct rte_mempool *pool)
{
	int r = pkt_chain_own(c, pool);

	if (r < 0)
		return r;
	if (unlikely(c->segs > RECORD_SEGS_MAX))
		chain_pack(c);
	/* 2 KiB in each: the largest record fits by far. */
	return c->segs > RECORD_SEGS_MAX ? -ENOMEM : 0;
}

void record_q_add(struct record_q *q, struct rte_mbuf *first)
{
	struct record_meta *meta = record_meta(first);

	meta->next = NULL;
	if (q->tail != NULL)
		record_meta(q->tail)->next = first;
	else
		q->head = first;
	q->tail = first;
	q->records++;
	q->bytes += meta->chain.len + meta->head_len;
}

struct rte_mbuf *record_q_take(struct record_q *q)
{
	struct rte_mbuf *first = q->head;
	struct record_meta *meta = record_meta(first);

	q->head = meta->next;
	if (q->head == NULL)
		q->tail = NULL;
	q->records--;
	q->bytes -= meta->chain.len + meta->head_len;
	meta->next = NULL;
	return first;
}

void record_q_untake(struct record_q *q, const struct record_meta *meta)
{
	struct rte_mbuf *first = meta->chain.head;

	*record_meta(first) = *meta;
	record_meta(first)->next = q->head;
	if (q->head == NULL)
		q->tail = first;
	q->head = first;
	q->records++;
	q->bytes += meta->chain.len + meta->head_len;
}

void record_q_push(struct record_q *q, struct pkt_chain *payload, const void *head,
		   uint32_t head_len)
{
	struct record_meta *meta = record_meta(payload->head);

	*meta = (struct record_meta){.chain = *payload, .head_len = (uint8_t)head_len};
	if (head_len > 0)
		memcpy(meta->head, head, head_len);
	record_q_add(q, payload->head);
	pkt_chain_init(payload);
}

bool record_q_front(const struct record_q *q, const struct pkt_chain **ret,
		    const uint8_t **ret_head)
{
	if (q->head == NULL)
		return false;
	*ret = &record_meta(q->head)->chain;
	if (ret_head != NULL)
		*ret_head = record_meta(q->head)->head;
	return true;
}

void record_q_pop(struct record_q *q, struct pkt_chain *ret)
{
	*ret = record_meta(record_q_take(q))->chain;
}

void record_q_join(struct record_q *dst, struct record_q *src)
{
	if (src->head == NULL)
		return;
	if (dst->tail != NULL)
		record_meta(dst->tail)->next = src->head;
	else
		dst->head = src->head;
	dst->tail = src->tail;
	dst->records += src->records;
	dst->bytes += src->bytes;
	*src = (struct record_q){0};
}

void record_payload_free(struct pkt_chain *c)
{
	for (struct rte_mbuf *m = c->head; m != NULL; m = m->next) {
		if (pkt_writable(m))
			secret_wipe(rte_pktmbuf_mtod(m, void *), m->data_len);
	}
	pkt_chain_free(c);
}

void record_q_free(struct record_q *q)
{
	struct pkt_chain c;

	while (q->head != NULL) {
		record_q_pop(q, &c);
		record_payload_free(&c);
	}
}
