/*
 * dataplane/record/internal.h - what the files of this room share: jobs, and the meta of a queued
 * record.
 */
#ifndef SLUICE_DATAPLANE_RECORD_INTERNAL_H
#define SLUICE_DATAPLANE_RECORD_INTERNAL_H

#include <errno.h>

#include "dataplane/record/record.h"

/*
 * Pieces are handed out one behind the other, so that a burst of small records touches
 * little memory; room for the largest record is always left or the batch is full.
 */
#define RECORD_PIECES (8 * CIPHER_PIECES_MAX)
/* Of a chain, so that head and tail of a sealed record find a piece each. */
#define RECORD_SEGS_MAX (CIPHER_PIECES_MAX - 2)

/* It was refused, which is told later: ssh_dir_refused(). */
#define RECORD_DROPPED (-ECANCELED)

/*
 * In the private area of the first mbuf of a queued record. A record in the cipher
 * carries its own result and its queue releases only the head, so jobs may finish in any
 * order.
 */
struct record_meta {
	struct pkt_chain chain;
	struct rte_mbuf *next; /* first mbuf of the next record */
	int32_t result;        /* receiving: -EINPROGRESS, 0, what is wrong, or RECORD_DROPPED */
	uint32_t seqnr;
	uint32_t payload_len; /* of an opened record */
	bool stripped;        /* head, padding and tag are off */
	bool unpacked;        /* its way through a compressed stream is done */
	uint8_t head_len;
	uint8_t head[RECORD_HEAD_MAX];
};
_Static_assert(sizeof(struct record_meta) <= PKT_PRIV_SIZE, "lives in the private area");

static inline struct record_meta *record_meta(struct rte_mbuf *m)
{
	return (struct record_meta *)rte_mbuf_to_priv(m);
}

struct record_slot {
	struct cipher_job job;
	struct record_rx *rx;   /* opening */
	struct rte_mbuf *first; /* opening: where the meta lies */
	struct record_tx *tx;   /* sealing */
	struct pkt_chain chain; /* sealing: the whole record */
	uint32_t packet_bytes;  /* opening: 4 + packet_length */
	uint8_t tag[CIPHER_TAG_MAX];
};

struct record_batch {
	struct cipher_engine *engine;
	struct pkt_pools pools;
	struct zpool *zpool;
	unsigned int n, n_pieces;
	uint64_t bytes; /* of all records there ever were */
	struct cipher_job *job[CIPHER_BURST];
	struct record_slot slot[CIPHER_BURST];
	struct cipher_piece piece[RECORD_PIECES];
};

/* A free slot with room for the largest record, or NULL: the batch is full. */
struct record_slot *record_batch_slot(struct record_batch *b);
/* Pieces over the first n bytes of the chain; the job's n_pieces, piece and len are set. */
void record_batch_pieces(struct record_batch *b, struct record_slot *s, const struct pkt_chain *c,
			 uint32_t n);
/* The slot is filled: it counts from here on. */
void record_batch_add(struct record_batch *b, struct record_slot *s);
void record_batch_clear(struct record_batch *b);
/* A record of this direction is in the batch, and no other may be beside it. */
bool record_batch_serial(const struct record_batch *b, const struct ssh_dir *d);

/*
 * Makes every mbuf of c writable and c no longer than RECORD_SEGS_MAX segments: then the bytes of
 * thin mbufs move together. 0, or -ENOMEM with the bytes unchanged.
 */
int record_chain_own(struct pkt_chain *c, struct rte_mempool *pool);

/*
 * The first payload of q through the stream. 0; -EINPROGRESS: this turn's work is done; -ENOMEM;
 * or what is wrong with it.
 */
int record_rx_unpack(struct record_rx *rx);
/*
 * That of a payload that was taken off its queue, likewise: what is left of it stands before
 * all others.
 */
int record_tx_pack(struct record_tx *tx, struct record_meta *meta, struct record_batch *b);

/* Takes the first record off a queue that has one. */
struct rte_mbuf *record_q_take(struct record_q *q);
void record_q_add(struct record_q *q, struct rte_mbuf *first);
/* Puts a record that was taken back in front; the first mbuf of its chain may be another. */
void record_q_untake(struct record_q *q, const struct record_meta *meta);

#endif
