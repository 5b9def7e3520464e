/* dataplane/record/open.c - from bytes of a stream to payloads that are verified. */
#include "dataplane/record/internal.h"

#include <rte_prefetch.h>

#include "ssh/err.h"

void record_rx_init(struct record_rx *rx)
{
	*rx = (struct record_rx){0};
	ssh_dir_init(&rx->dir);
}

void record_rx_fini(struct record_rx *rx, struct cipher_engine *e)
{
	record_q_free(&rx->q);
	pkt_chain_free(&rx->in);
	ssh_dir_fini(&rx->dir, e);
}

uint32_t record_rx_room(const struct record_rx *rx)
{
	uint32_t most = ssh_dir_record_max(&rx->dir);

	return rx->in.len < most ? most - rx->in.len : 0;
}

/* Learns how long the record at the start of in is. 0, -EAGAIN, or what is wrong with it. */
static int rx_peek(struct record_rx *rx, struct cipher_engine *e)
{
	uint8_t first[CIPHER_BLOCK_MAX];
	uint32_t n = RTE_MIN(rx->in.len, (uint32_t)sizeof(first)), need;

	if (n == 0 || !pkt_chain_read(&rx->in, 0, first, n))
		return -EAGAIN;
	return ssh_dir_peek(&rx->dir, e, first, n, &need, &rx->total);
}

/* Moves the whole record at the start of in to *ret, writable. 0 or -ENOMEM, nothing changed. */
static int rx_cut(struct record_rx *rx, struct record_batch *b, struct pkt_chain *ret)
{
	int r;

	pkt_chain_init(ret);
	if (rx->total == rx->in.len) {
		pkt_chain_join(ret, &rx->in);
	} else {
		r = pkt_chain_split(&rx->in, rx->total, ret, b->pools.data);
		if (r < 0)
			return r;
	}
	r = record_chain_own(ret, b->pools.data);
	if (r < 0) {
		pkt_chain_join(ret, &rx->in);
		rx->in = *ret;
	}
	return r;
}

/*
 * A record that did not come at once has bytes that may have left the cache meanwhile, and each of
 * its buffers is found by the one before it: a miss for each, one after the other. So as they
 * come the first buffer of what waits notes in its private area where the next ones are, as
 * distances from itself.
 */
#define NOTES 13

struct rx_note {
	struct rte_mbuf *last; /* of those that were looked at */
	uint32_t n;
	int32_t lines[NOTES]; /* cache lines from the first buffer */
};
_Static_assert(sizeof(struct rx_note) <= PKT_PRIV_SIZE, "lies in the private area");

static struct rx_note *rx_note(struct rte_mbuf *first)
{
	return (struct rx_note *)rte_mbuf_to_priv(first);
}

/* What is there waits for the rest of a record. */
static void rx_wait(struct record_rx *rx)
{
	struct rte_mbuf *first = rx->in.head;
	struct rx_note *note;

	if (first == NULL)
		return;
	note = rx_note(first);
	if (rx->waited == 0)
		*note = (struct rx_note){.last = first};
	while (note->last->next != NULL && note->n < NOTES) {
		note->last = note->last->next;
		note->lines[note->n++] = (int32_t)(((intptr_t)note->last - (intptr_t)first) / 64);
	}
	rx->waited = rx->in.len;
}

void record_rx_compact(struct record_rx *rx, struct rte_mempool *pool)
{
	pkt_chain_compact(&rx->in, pool);
	rx->waited = 0;
}

static void mbuf_prefetch(const struct rte_mbuf *m)
{
	rte_prefetch0(m);
	rte_prefetch0((const uint8_t *)m + 64);
}

void record_rx_prefetch(const struct record_rx *rx)
{
	if (rx->waited == 0 || rx->in.head == NULL)
		return;
	mbuf_prefetch(rx->in.head);
	rte_prefetch0(rx_note(rx->in.head));
	mbuf_prefetch(rx->in.tail);
}

/* All buffers first, then what is in those that waited: the cipher finds all of it. */
static void rx_fetch(struct record_rx *rx)
{
	struct rte_mbuf *first = rx->in.head;
	const struct rx_note *note = rx_note(first);
	uint32_t n = rx->waited;

	for (unsigned int i = 0; i < note->n; i++)
		mbuf_prefetch((const void *)((uintptr_t)first +
					     (uintptr_t)((intptr_t)note->lines[i] * 64)));
	for (const struct rte_mbuf *m = first; m != NULL; m = m->next) {
		const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);

		for (uint32_t at = 0; at < m->data_len; at += 64)
			rte_prefetch0(p + at);
		if (m->data_len >= n)
			break;
		n -= m->data_len;
	}
	rx->waited = 0;
}

static int rx_gather_one(struct record_rx *rx, struct record_batch *b)
{
	struct record_slot *s;
	struct record_meta *meta;
	struct pkt_chain c;
	int r;

	if (rx->total == 0) {
		if (rx->in.len > 0 && record_batch_serial(b, &rx->dir))
			return -ENOSPC;
		r = rx_peek(rx, b->engine);
		if (r < 0)
			return r;
	}
	if (rx->in.len < rx->total)
		return -EAGAIN;
	s = record_batch_slot(b);
	if (s == NULL)
		return -ENOSPC;
	if (rx->waited > 0)
		rx_fetch(rx);
	r = rx_cut(rx, b, &c);
	if (r < 0)
		return r;

	s->rx = rx;
	s->tx = NULL;
	s->first = c.head;
	s->packet_bytes = rx->total - rx->dir.cipher.suite->tag_len;
	record_batch_pieces(b, s, &c, s->packet_bytes);
	pkt_chain_read(&c, s->packet_bytes, s->tag, rx->dir.cipher.suite->tag_len);
	s->job.tag = s->tag;
	s->job.user = s;
	r = ssh_dir_prepare(&rx->dir, &s->job, s->packet_bytes);
	rx->total = 0;
	if (r < 0) {
		pkt_chain_free(&c);
		return r;
	}

	meta = record_meta(c.head);
	*meta = (struct record_meta){.chain = c, .seqnr = s->job.seqnr, .result = -EINPROGRESS};
	record_q_add(&rx->q, c.head);
	record_batch_add(b, s);
	return 0;
}

int record_rx_gather(struct record_rx *rx, struct record_batch *b, unsigned int max)
{
	unsigned int n = 0;

	while (n < max && rx->err == 0) {
		int r = rx_gather_one(rx, b);

		if (r == -EAGAIN) {
			rx_wait(rx);
			break;
		}
		if (r == -ENOSPC || r == -ENOMEM)
			return n > 0 ? (int)n : r;
		if (r < 0)
			rx->err = r;
		else
			n++;
	}
	return (int)n;
}

/* The length of the payload once the tag was verified, or why the record is refused. */
static int slot_result(const struct record_slot *s, const struct pkt_chain *c, uint32_t *ret_len)
{
	uint8_t head[SSH_RECORD_HEAD];
	int r;

	if (s->job.result != 0 && s->job.result != -EBADMSG)
		return -SSH_E_INTERNAL;
	/* Which of its checks a record failed is the engine's secret: -EBADMSG is all. */
	r = -SSH_E_MAC;
	if (s->job.result == 0) {
		pkt_chain_read(c, 0, head, sizeof(head));
		r = ssh_dir_payload(&s->rx->dir, head, s->packet_bytes, ret_len);
	}
	if (r < 0) {
		r = ssh_dir_refused(&s->rx->dir, s->packet_bytes, r);
		return r < 0 ? r : RECORD_DROPPED;
	}
	return 0;
}

unsigned int record_open(struct record_batch *b)
{
	unsigned int n = b->n;

	if (n == 0)
		return 0;
	cipher_open_burst(b->engine, b->job, n);
	for (unsigned int i = 0; i < n; i++) {
		struct record_slot *s = &b->slot[i];
		struct record_meta *meta = record_meta(s->first);

		meta->result = slot_result(s, &meta->chain, &meta->payload_len);
	}
	record_batch_clear(b);
	return n;
}

/*
 * Takes head, padding and tag off the first record. Only here, at the head of the queue: the
 * first mbuf may go, and with it the place of the meta.
 */
static void rx_strip(struct record_rx *rx)
{
	struct record_meta keep = *record_meta(rx->q.head);
	bool last = rx->q.tail == rx->q.head;

	rx->q.bytes -= keep.chain.len - keep.payload_len;
	pkt_chain_trim_tail(&keep.chain, keep.chain.len - SSH_RECORD_HEAD - keep.payload_len);
	pkt_chain_trim_head(&keep.chain, SSH_RECORD_HEAD);
	keep.stripped = true;
	rx->q.head = keep.chain.head;
	if (last)
		rx->q.tail = keep.chain.head;
	*record_meta(rx->q.head) = keep;
}

int record_rx_front(struct record_rx *rx, const struct pkt_chain **ret, uint32_t *ret_seqnr)
{
	const struct record_meta *meta;

	while (rx->q.head != NULL && record_meta(rx->q.head)->result == RECORD_DROPPED) {
		struct pkt_chain c;

		record_q_pop(&rx->q, &c);
		record_payload_free(&c);
	}
	if (rx->q.head == NULL)
		return rx->err < 0 ? rx->err : -EAGAIN;
	meta = record_meta(rx->q.head);
	if (meta->result < 0)
		return meta->result == -EINPROGRESS ? -EAGAIN : meta->result;
	if (!meta->stripped)
		rx_strip(rx);
	if (unlikely(rx->z != NULL) && !record_meta(rx->q.head)->unpacked) {
		int r = record_rx_unpack(rx);

		if (r < 0)
			return r;
	}
	meta = record_meta(rx->q.head);
	*ret = &meta->chain;
	*ret_seqnr = meta->seqnr;
	return 0;
}

void record_rx_pop(struct record_rx *rx, struct pkt_chain *ret)
{
	record_q_pop(&rx->q, ret);
}
