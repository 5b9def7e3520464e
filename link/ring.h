/*
 * link/ring.h - a single-producer, single-consumer ring of messages in shared memory.
 *
 * One sealed memfd per shard holds two rings (up and down). Slots have a fixed size; a
 * message takes as many in a row as it needs. Producer and consumer indices live on
 * cache lines of their own and are read with acquire, written with release.
 * Trust   the other side may write anything at any time: an index out of bounds, a length
 *         that does not fit is -EBADMSG, for which the caller detaches the peer.
 * Thread  one producer thread, one consumer thread.
 */
#ifndef SLUICE_LINK_RING_H
#define SLUICE_LINK_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINK_SLOT_SIZE  256
#define LINK_RING_SLOTS 8192 /* 2 MiB each way */

struct link_ring; /* the shared part */

/* One end of one direction: private to its process, indices it alone believes. */
struct link_producer {
	struct link_ring *ring;
	uint32_t head;        /* ours */
	uint32_t tail_cached; /* the consumer's, as last read and checked */
};
struct link_consumer {
	struct link_ring *ring;
	uint32_t tail;
	uint32_t head_cached;
};

/* Bytes of the memfd for one shard: both rings. */
size_t link_shm_size(void);
/*
 * Creates it, sized and sealed against shrinking and growing, so that a peer that truncates it
 * cannot raise SIGBUS here. -errno, or the descriptor.
 */
int link_shm_create(const char *name);
/* Maps it after checking size and seals; -EBADMSG: not such a memfd. Kept out of core dumps. */
int link_shm_map(int fd, void **ret);
void link_shm_unmap(void *shm);
/*
 * dataplane: up is tx, down is rx; control: the reverse. Both ends begin at index 0, so a memfd
 * serves one attachment: a control that attaches anew gets a new one.
 */
void link_shm_ends(void *shm, bool dataplane, struct link_producer *ret_tx,
		   struct link_consumer *ret_rx);

/*
 * Appends head and body (two pieces, so that nothing is gathered first): head begins with the
 * struct link_hdr, whose len counts both; body may be NULL with length 0. 0; -EAGAIN: full, the
 * caller keeps the item and stops what causes it; -EBADMSG: the peer wrote nonsense.
 */
__attribute__((warn_unused_result)) int link_tx(struct link_producer *tx, const void *head,
						size_t head_len, const void *body, size_t body_len);
/* Slots that a message of len bytes takes. */
static inline uint32_t link_slots(size_t len)
{
	return (uint32_t)((len + LINK_SLOT_SIZE - 1) / LINK_SLOT_SIZE);
}
/*
 * Free slots that a sender may count on. An index that makes no sense reads as a free ring:
 * the next link_tx() says -EBADMSG.
 */
uint32_t link_tx_space(struct link_producer *tx);
/*
 * Copies the next message out (buf of LINK_MSG_MAX, aligned for uint64_t), zeroes its slots, as it
 * may have held keys or a password, and gives them back. Length, -EAGAIN: empty, -EBADMSG. Only
 * its length was looked at: link_msg_check() comes next. Who got secrets wipes buf.
 */
__attribute__((warn_unused_result)) int link_rx(struct link_consumer *rx, void *buf, size_t size);

/*
 * Sleeping. A consumer that is going to wait says so, looks once more, then waits on its
 * eventfd; a producer rings only when the other said so. Asked once after a burst of link_tx();
 * true is said once per sleep, so who gets it rings.
 */
void link_rx_sleep(struct link_consumer *rx);
void link_rx_wake(struct link_consumer *rx);
bool link_tx_needs_bell(struct link_producer *tx);

#endif
