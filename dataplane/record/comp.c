/*
 * dataplane/record/comp.c - payloads through the streams of ssh/comp.h, from mbufs to fresh ones.
 *
 * A payload may take longer than a turn has, or than there are buffers: what was done of it lies
 * with its stream, and it stays where it stands in its queue until it is whole.
 */
#include "dataplane/record/internal.h"

#include <string.h>

#include "ssh/err.h"

/* In front of the stream, in its place of the pool. */
struct record_z {
	union {
		struct ssh_inflate *in;
		struct ssh_deflate *de;
	};
	struct rte_mempool *mbufs; /* inflate: for plain payloads */
	struct pkt_chain out;      /* of the payload under work */
	struct rte_mbuf *spare;    /* its next one */
	uint32_t done;             /* bytes of it that were taken */
	uint32_t left;             /* of this turn */
	bool ended;                /* deflate: its end was said, and is being written */
	bool aligned;              /* deflate: the stream stands at a byte's boundary */
	enum ssh_deflate_how how;  /* of that end */
};
_Static_assert(sizeof(struct record_z) <= ZPOOL_HEAD, "stands before its stream");

static struct record_z *z_get(struct zpool *pool, enum zpool_kind kind)
{
	struct record_z *z = zpool_get(pool, kind);

	if (z != NULL)
		*z = (struct record_z){.aligned = true};
	return z;
}

static void *stream_mem(struct record_z *z)
{
	return (uint8_t *)z + ZPOOL_HEAD;
}

/* Room behind what was written; NULL: no mbuf. */
static uint8_t *out_room(struct record_z *z, struct rte_mempool *pool, uint16_t *ret_room)
{
	struct rte_mbuf *m = z->out.tail;

	if (m == NULL || rte_pktmbuf_tailroom(m) == 0) {
		if (z->spare == NULL)
			z->spare = rte_pktmbuf_alloc(pool);
		m = z->spare;
	}
	if (m == NULL)
		return NULL;
	*ret_room = rte_pktmbuf_tailroom(m);
	return rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len);
}

/* No mbuf of a chain is empty: a spare one joins it with its first bytes. */
static void out_wrote(struct record_z *z, uint16_t n)
{
	if (n == 0)
		return;
	if (z->spare != NULL) {
		z->spare->data_len = n;
		pkt_chain_append(&z->out, z->spare);
		z->spare = NULL;
		return;
	}
	z->out.tail->data_len += n;
	z->out.len += n;
}

static void out_free(struct record_z *z)
{
	record_payload_free(&z->out);
	rte_pktmbuf_free(z->spare);
	z->spare = NULL;
}

static void z_put(struct zpool *pool, enum zpool_kind kind, struct record_z *z)
{
	if (z == NULL)
		return;
	out_free(z);
	zpool_put(pool, kind, z);
}

/* The bytes behind the first done ones of a payload, as far as they lie in one piece. */
static size_t in_piece(const struct record_meta *meta, uint32_t done, const uint8_t **ret)
{
	uint32_t skip = done;

	if (skip < meta->head_len) {
		*ret = meta->head + skip;
		return meta->head_len - skip;
	}
	skip -= meta->head_len;
	for (const struct rte_mbuf *m = meta->chain.head; m != NULL; m = m->next) {
		if (skip < m->data_len) {
			*ret = rte_pktmbuf_mtod_offset(m, const uint8_t *, skip);
			return m->data_len - skip;
		}
		skip -= m->data_len;
	}
	return 0;
}

static void spend(struct record_z *z, size_t n)
{
	z->left -= (uint32_t)RTE_MIN(n, (size_t)z->left);
}

/* --- receiving ------------------------------------------------------------------------------ */

int record_rx_inflate(struct record_rx *rx, struct zpool *pool, struct rte_mempool *mbufs)
{
	record_rx_inflate_end(rx, pool);
	rx->z = z_get(pool, ZPOOL_INFLATE);
	if (rx->z == NULL)
		return -SSH_E_MEMORY;
	rx->z->mbufs = mbufs;
	rx->z->left = RECORD_INFLATE_TURN;
	rx->z->in = ssh_inflate_start(stream_mem(rx->z));
	return rx->z->in != NULL ? 0 : -SSH_E_INTERNAL;
}

void record_rx_inflate_end(struct record_rx *rx, struct zpool *pool)
{
	z_put(pool, ZPOOL_INFLATE, rx->z);
	rx->z = NULL;
}

void record_rx_turn(struct record_rx *rx)
{
	if (unlikely(rx->z != NULL))
		rx->z->left = RECORD_INFLATE_TURN;
}

/* The whole payload is in z->out: it takes the place of the compressed one. */
static void inflated(struct record_rx *rx)
{
	struct record_meta keep = *record_meta(rx->q.head);
	bool last = rx->q.tail == rx->q.head;

	rx->q.bytes -= keep.chain.len;
	record_payload_free(&keep.chain);
	keep.chain = rx->z->out;
	keep.payload_len = keep.chain.len;
	keep.unpacked = true;
	pkt_chain_init(&rx->z->out);
	rx->z->done = 0;
	rx->q.bytes += keep.chain.len;
	rx->q.head = keep.chain.head;
	if (last)
		rx->q.tail = keep.chain.head;
	*record_meta(rx->q.head) = keep;
}

int record_rx_unpack(struct record_rx *rx)
{
	struct record_z *z = rx->z;

	for (;;) {
		const struct record_meta *meta = record_meta(rx->q.head);
		const uint8_t *in = NULL;
		size_t n = in_piece(meta, z->done, &in), had = n, got;
		uint16_t room;
		uint8_t *out;
		int r;

		if (z->left == 0)
			return -EINPROGRESS;
		out = out_room(z, z->mbufs, &room);
		if (out == NULL)
			return -ENOMEM;
		r = ssh_inflate_run(z->in, &in, &n, out, room, &got);
		if (r < 0)
			return r;
		out_wrote(z, (uint16_t)got);
		z->done += (uint32_t)(had - n);
		spend(z, had - n + got);
		/* Whatever there is to come: no plain payload is that long (S-42). */
		if (z->out.len > rx->dir.packet_max)
			return -SSH_E_COMP;
		if (z->done < meta->chain.len || got == room)
			continue;
		if (z->out.len == 0)
			return -SSH_E_COMP;
		inflated(rx);
		return 0;
	}
}

/* --- sending -------------------------------------------------------------------------------- */

void record_tx_deflate(struct record_tx *tx, struct zpool *pool)
{
	record_tx_deflate_end(tx, pool);
	tx->comp = RECORD_COMP_FIRST;
	tx->plain = tx->q.records;
}

void record_tx_deflate_end(struct record_tx *tx, struct zpool *pool)
{
	z_put(pool, ZPOOL_DEFLATE, tx->z);
	tx->z = NULL;
	tx->comp = RECORD_COMP_OFF;
	tx->plain = 0;
}

void record_tx_turn(struct record_tx *tx)
{
	if (unlikely(tx->z != NULL))
		tx->z->left = RECORD_DEFLATE_TURN;
}

void record_tx_rest(struct record_tx *tx, struct zpool *pool)
{
	if (tx->z == NULL || tx->q.records > 0 || !tx->z->aligned)
		return;
	z_put(pool, ZPOOL_DEFLATE, tx->z);
	tx->z = NULL;
}

/* Without memory for a stream: the payload as stored blocks. All of it or nothing. */
static int store(struct record_tx *tx, struct record_meta *meta, struct rte_mempool *mbufs)
{
	uint32_t total = meta->head_len + meta->chain.len;
	struct record_z z = {.done = 0};
	uint8_t head[SSH_STORED_HEAD];
	uint32_t block = 0; /* bytes of the block that are to come */
	size_t head_len = 0, head_at = 0;

	while (z.done < total || head_at < head_len) {
		const uint8_t *in = NULL;
		uint16_t room, n;
		uint8_t *out = out_room(&z, mbufs, &room);

		if (out == NULL) {
			out_free(&z);
			return -ENOMEM;
		}
		if (block == 0) {
			block = RTE_MIN(total - z.done, (uint32_t)SSH_STORED_MAX);
			head_len = ssh_stored_head(tx->comp == RECORD_COMP_FIRST && z.done == 0,
						   (uint16_t)block, head);
			head_at = 0;
		}
		if (head_at < head_len) {
			n = (uint16_t)RTE_MIN(head_len - head_at, (size_t)room);
			memcpy(out, head + head_at, n);
			head_at += n;
		} else {
			size_t piece = in_piece(meta, z.done, &in);

			piece = RTE_MIN(piece, (size_t)block);
			n = (uint16_t)RTE_MIN(piece, (size_t)room);
			memcpy(out, in, n);
			z.done += n;
			block -= n;
		}
		out_wrote(&z, n);
	}
	rte_pktmbuf_free(z.spare);
	record_payload_free(&meta->chain);
	meta->chain = z.out;
	return 0;
}

/* One step of the payload under work. 1: it is whole. */
static int deflate_step(struct record_tx *tx, const struct record_meta *meta,
			struct rte_mempool *mbufs)
{
	uint32_t total = meta->head_len + meta->chain.len;
	struct record_z *z = tx->z;
	const uint8_t *in = NULL;
	size_t n = 0, had, got;
	uint16_t room;
	uint8_t *out = out_room(z, mbufs, &room);
	int r;

	if (out == NULL)
		return -ENOMEM;
	/* Of the last piece there may be some left: while there is no room zlib takes nothing. */
	if (z->done < total)
		n = in_piece(meta, z->done, &in);
	if (!z->ended)
		n = RTE_MIN(n, (size_t)z->left);
	had = n;
	if (!z->ended && z->done + n == total) {
		z->ended = true;
		/* Nothing waits: it may be long until there is more, and then without a stream. */
		z->how = tx->q.records == 0 ? SSH_DEFLATE_SYNC : SSH_DEFLATE_PARTIAL;
	}
	r = ssh_deflate_run(z->de, &in, &n, z->ended ? z->how : SSH_DEFLATE_MORE, out, room, &got);
	if (r < 0)
		return r;
	out_wrote(z, (uint16_t)got);
	z->done += (uint32_t)(had - n);
	spend(z, had - n);
	return z->ended && z->done == total && got < room ? 1 : 0;
}

static int deflate_payload(struct record_tx *tx, struct record_meta *meta,
			   struct rte_mempool *mbufs)
{
	struct record_z *z = tx->z;
	int r = 0;

	while (r == 0) {
		if (z->left == 0 && !z->ended)
			return -EINPROGRESS;
		r = deflate_step(tx, meta, mbufs);
	}
	if (r < 0)
		return r;
	record_payload_free(&meta->chain);
	meta->chain = z->out;
	pkt_chain_init(&z->out);
	z->done = 0;
	z->ended = false;
	z->aligned = z->how == SSH_DEFLATE_SYNC;
	return 0;
}

static int deflate_begin(struct record_tx *tx, struct zpool *pool)
{
	tx->z = pool != NULL ? z_get(pool, ZPOOL_DEFLATE) : NULL;
	if (tx->z == NULL)
		return 0;
	tx->z->left = RECORD_DEFLATE_TURN;
	tx->z->de = ssh_deflate_start(stream_mem(tx->z), tx->comp == RECORD_COMP_FIRST);
	return tx->z->de != NULL ? 0 : -SSH_E_INTERNAL;
}

int record_tx_pack(struct record_tx *tx, struct record_meta *meta, struct record_batch *b)
{
	int r = tx->z == NULL ? deflate_begin(tx, b->zpool) : 0;

	if (r < 0)
		return r;
	r = tx->z != NULL ? deflate_payload(tx, meta, b->pools.data)
			  : store(tx, meta, b->pools.data);
	if (r < 0)
		return r;
	tx->comp = RECORD_COMP_ON;
	meta->head_len = 0;
	meta->unpacked = true;
	return 0;
}
