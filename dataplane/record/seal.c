/* dataplane/record/seal.c - from payloads to sealed records, in the mbufs they lie in. */
#include "dataplane/record/internal.h"

#include <string.h>

#include "ssh/err.h"

void record_tx_init(struct record_tx *tx)
{
	*tx = (struct record_tx){0};
	ssh_dir_init(&tx->dir);
}

void record_tx_fini(struct record_tx *tx, struct cipher_engine *e)
{
	record_q_free(&tx->q);
	pkt_chain_free(&tx->out);
	ssh_dir_fini(&tx->dir, e);
}

void record_tx_push(struct record_tx *tx, struct pkt_chain *payload, const void *head,
		    uint32_t head_len)
{
	record_q_push(&tx->q, payload, head, head_len);
}

/* n bytes in front of the chain: head-room of its first mbuf, or a glue mbuf. NULL: no mbuf. */
static uint8_t *chain_prepend(struct pkt_chain *c, uint16_t n, struct rte_mempool *pool)
{
	struct rte_mbuf *m = c->head;

	if (rte_pktmbuf_headroom(m) < n) {
		m = rte_pktmbuf_alloc(pool);
		if (m == NULL)
			return NULL;
		m->next = c->head;
		c->head = m;
		c->segs++;
		/* Behind it there is nothing to grow into: the head starts where data would. */
		m->data_len = n;
	} else {
		m->data_off -= n;
		m->data_len += n;
	}
	c->len += n;
	return rte_pktmbuf_mtod(m, uint8_t *);
}

/* n bytes in a row behind the chain, likewise. */
static uint8_t *chain_extend(struct pkt_chain *c, uint16_t n, struct rte_mempool *pool)
{
	struct rte_mbuf *m = c->tail;
	uint8_t *p;

	if (rte_pktmbuf_tailroom(m) < n) {
		m = rte_pktmbuf_alloc(pool);
		if (m == NULL)
			return NULL;
		c->tail->next = m;
		c->tail = m;
		c->segs++;
	}
	p = rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len);
	m->data_len += n;
	c->len += n;
	return p;
}

/*
 * The payload of meta becomes a whole record in plain text with room for its tag. On
 * -ENOMEM it is the payload it was.
 */
static int tx_frame(struct record_meta *meta, const struct ssh_layout *lay,
		    struct rte_mempool *pool, uint8_t **ret_tag)
{
	struct pkt_chain *c = &meta->chain;
	uint16_t before = SSH_RECORD_HEAD + meta->head_len, behind = lay->padding + lay->tag_len;
	uint8_t *head, *tail;

	tail = chain_extend(c, behind, pool);
	if (tail == NULL)
		return -ENOMEM;
	head = chain_prepend(c, before, pool);
	if (head == NULL) {
		pkt_chain_trim_tail(c, behind);
		return -ENOMEM;
	}
	memcpy(head, lay->head, SSH_RECORD_HEAD);
	memcpy(head + SSH_RECORD_HEAD, meta->head, meta->head_len);
	memset(tail, 0, lay->padding); /* why zero: ssh/record.h, struct ssh_layout */
	*ret_tag = tail + lay->padding;
	return 0;
}

static int tx_pack(struct record_tx *tx, struct record_meta *meta, struct record_batch *b)
{
	if (likely(tx->comp == RECORD_COMP_OFF) || tx->plain > 0 || meta->unpacked)
		return 0;
	return record_tx_pack(tx, meta, b);
}

static int tx_gather_one(struct record_tx *tx, struct record_batch *b)
{
	struct record_slot *s = record_batch_slot(b);
	struct record_meta meta;
	struct ssh_layout lay;
	int r;

	if (s == NULL || record_batch_serial(b, &tx->dir))
		return -ENOSPC;
	meta = *record_meta(record_q_take(&tx->q));
	r = tx_pack(tx, &meta, b);
	if (r == 0)
		r = ssh_dir_layout(&tx->dir, meta.chain.len + meta.head_len, &lay);
	if (r == 0)
		r = record_chain_own(&meta.chain, b->pools.data);
	if (r == 0)
		r = tx_frame(&meta, &lay, b->pools.data, &s->job.tag);
	if (r < 0) {
		record_q_untake(&tx->q, &meta);
		return r;
	}

	tx->plain -= tx->plain > 0;
	s->rx = NULL;
	s->tx = tx;
	s->chain = meta.chain;
	record_batch_pieces(b, s, &s->chain, lay.packet_bytes);
	r = ssh_dir_prepare(&tx->dir, &s->job, lay.packet_bytes);
	if (r < 0) {
		pkt_chain_free(&s->chain);
		return r;
	}
	record_batch_add(b, s);
	return 0;
}

int record_tx_gather(struct record_tx *tx, struct record_batch *b)
{
	int n = 0;

	if (tx->err < 0)
		return tx->err;
	while (tx->q.head != NULL) {
		int r = tx_gather_one(tx, b);

		if (r == -ENOSPC || r == -ENOMEM || r == -EINPROGRESS)
			return n > 0 ? n : r;
		if (r < 0) {
			tx->err = r;
			return n > 0 ? n : r;
		}
		n++;
	}
	return n;
}

unsigned int record_seal(struct record_batch *b)
{
	unsigned int n = b->n;

	if (n == 0)
		return 0;
	cipher_seal_burst(b->engine, b->job, n);
	for (unsigned int i = 0; i < n; i++) {
		struct record_slot *s = &b->slot[i];

		/* Behind a record that could not be sealed nothing makes sense to the peer. */
		if (s->job.result != 0 && s->tx->err == 0)
			s->tx->err = -SSH_E_INTERNAL;
		if (s->tx->err == -SSH_E_INTERNAL)
			pkt_chain_free(&s->chain);
		else
			pkt_chain_join(&s->tx->out, &s->chain);
	}
	record_batch_clear(b);
	return n;
}
