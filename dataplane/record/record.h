/*
 * dataplane/record/record.h - carries SSH records over chains of mbufs, in batches.
 *
 * Source  RFC 4253 section 6; the rules themselves are ssh/record.h's.
 * Units   bytes; a record is packet_length to tag.
 * Lcore   the shard's.
 * Memory  a record_rx and a record_tx are embedded in their connection; a batch belongs
 *         to the shard. What waits in a queue is remembered in the private area of its
 *         own first mbuf: a connection that moves nothing holds no buffer and no queue.
 *
 * Receive: bytes are appended to in; record_rx_gather() finds whole records, makes their
 * mbufs writable and puts them into the batch; record_open() opens the batch in place, records
 * of many connections at once; record_rx_front() releases payloads in the order of the
 * connection, and only those whose tag was verified.
 *
 * Send: record_tx_push() queues payloads; record_tx_gather() gives them head, padding and
 * room for the tag and puts them into the batch; record_seal() seals and appends what is
 * ready to out.
 *
 * Between a gather and the record_open() or record_seal() that follows it the connection must
 * stay, and its keys must not change.
 */
#ifndef SLUICE_DATAPLANE_RECORD_RECORD_H
#define SLUICE_DATAPLANE_RECORD_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/pkt.h"
#include "dataplane/record/zpool.h"
#include "ssh/record.h"

#define RECORD_HEAD_MAX 14 /* of a message header that record_tx_push() puts before a chain */

/* Payloads in order, each with a few bytes of head beside it. */
struct record_q {
	struct rte_mbuf *head, *tail;
	uint32_t records;
	uint32_t bytes;
};

/* head: at most RECORD_HEAD_MAX bytes, copied. payload has at least one byte. Needs no memory. */
void record_q_push(struct record_q *q, struct pkt_chain *payload, const void *head,
		   uint32_t head_len);
/* What stands first, still queued; false: nothing. ret_head (may be NULL): RECORD_HEAD_MAX bytes.
 */
bool record_q_front(const struct record_q *q, const struct pkt_chain **ret,
		    const uint8_t **ret_head);
/* Takes the first of a queue that has one. */
void record_q_pop(struct record_q *q, struct pkt_chain *ret);
void record_q_join(struct record_q *dst, struct record_q *src);
/* Frees a payload that may be a password: what nobody else refers to is wiped. */
void record_payload_free(struct pkt_chain *c);
/* Frees all of them likewise: they were never carried out. */
void record_q_free(struct record_q *q);

/* Jobs and pieces of one burst; either for opening or for sealing. */
struct record_batch;

int record_batch_new(struct cipher_engine *engine, const struct pkt_pools *pools,
		     struct record_batch **ret);
void record_batch_free(struct record_batch *b); /* empty; NULL is fine */
/* Where the memory for what a sealing batch compresses comes from; none: it does without. */
void record_batch_zpool(struct record_batch *b, struct zpool *pool);
/* Of all records that were put into it, without their tags. */
uint64_t record_batch_bytes(const struct record_batch *b);

/*
 * Of one connection in one turn, bytes in and out together, and in: 200 us of a core, as zlib does
 * at least 300 and 60 MB/s.
 */
#define RECORD_INFLATE_TURN (64 * 1024)
#define RECORD_DEFLATE_TURN (12 * 1024)

struct record_z; /* a compressed stream, and the payload it is at */

struct record_rx {
	struct ssh_dir dir;
	struct pkt_chain in; /* bytes as they came, from the start of a record */
	struct record_q q;   /* gathered: being opened, or opened and not yet released */
	uint32_t total;      /* of the record in begins with; 0: not known yet */
	int err;             /* what is wrong behind the end of q */
	uint32_t waited;     /* bytes of in that were there before the others came; see open.c */
	struct record_z *z;  /* payloads are compressed; NULL: they are not */
};

void record_rx_init(struct record_rx *rx);
void record_rx_fini(struct record_rx *rx, struct cipher_engine *e); /* its stream ended before */

/* Thin buffers of in are copied together: pkt_chain_compact(). */
void record_rx_compact(struct record_rx *rx, struct rte_mempool *pool);
/* More is about to come: what finds the bytes that wait is worth fetching. */
void record_rx_prefetch(const struct record_rx *rx);
/* The most bytes in may hold: one largest record. */
uint32_t record_rx_room(const struct record_rx *rx);
/*
 * Puts whole records of in into the batch, at most max. Number of records. -ENOSPC: the batch is
 * full, or holds a record that must be opened before the next (open it, come again); -ENOMEM: no
 * mbuf (nothing is lost, come again later). A bad length is kept in err until everything before it
 * was released (S-49).
 */
int record_rx_gather(struct record_rx *rx, struct record_batch *b, unsigned int max);
/* Opens what was gathered. The batch is empty afterwards. Returns the number of records. */
unsigned int record_open(struct record_batch *b);
/*
 * From here on payloads are compressed, as one new stream; 0, -SSH_E_MEMORY, -SSH_E_INTERNAL. Plain
 * ones lie in mbufs of the pool. _end() gives the stream back, or does nothing.
 */
int record_rx_inflate(struct record_rx *rx, struct zpool *pool, struct rte_mempool *mbufs);
void record_rx_inflate_end(struct record_rx *rx, struct zpool *pool);
/* A turn begins: there is work for it again. */
void record_rx_turn(struct record_rx *rx);
/*
 * The first payload, still queued: *ret is for looking at. -EAGAIN: none; -EINPROGRESS: of the
 * work of this turn no more is left; -ENOMEM: no mbuf, come again; otherwise the error that
 * ends the connection, again and again.
 */
int record_rx_front(struct record_rx *rx, const struct pkt_chain **ret, uint32_t *ret_seqnr);
/* Takes the payload that record_rx_front() showed. */
void record_rx_pop(struct record_rx *rx, struct pkt_chain *ret);

/* How far the compressed stream of a direction is: its header goes first. */
enum record_comp { RECORD_COMP_OFF, RECORD_COMP_FIRST, RECORD_COMP_ON };

struct record_tx {
	struct ssh_dir dir;
	struct record_q q;    /* payloads to be sealed */
	struct pkt_chain out; /* sealed, in order, for the stream */
	int err;              /* the cipher failed or the numbers ran out: nothing more goes out */
	uint32_t comp : 2;    /* enum record_comp */
	uint32_t plain : 30;  /* so many at the head of q go out as they are */
	struct record_z *z;   /* what compresses them; NULL: nothing does now */
};

void record_tx_init(struct record_tx *tx);
void record_tx_fini(struct record_tx *tx, struct cipher_engine *e);

/* Queues a payload: head, then the bytes of the chain. */
void record_tx_push(struct record_tx *tx, struct pkt_chain *payload, const void *head,
		    uint32_t head_len);
/*
 * What is pushed from here on goes through a new compressed stream. Its memory comes with the first
 * payload; while there is none payloads are stored blocks of the same stream. _end() likewise.
 */
void record_tx_deflate(struct record_tx *tx, struct zpool *pool);
void record_tx_deflate_end(struct record_tx *tx, struct zpool *pool);
void record_tx_turn(struct record_tx *tx);
/* Nothing is sent for a while: the stream's memory is given back, and the stream goes on without.
 */
void record_tx_rest(struct record_tx *tx, struct zpool *pool);
/*
 * Number of records put into the batch; -ENOSPC, -ENOMEM and -EINPROGRESS as for receiving; or
 * err.
 */
int record_tx_gather(struct record_tx *tx, struct record_batch *b);
/* Seals what was gathered and appends it to the out of each. */
unsigned int record_seal(struct record_batch *b);

#endif
