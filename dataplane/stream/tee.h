/*
 * dataplane/stream/tee.h - a copy of bytes as frames of link/tee.h, to a stream that is only
 * written to: a socket, whose other end says that it is gone.
 *
 * Lcore   the shard's.
 * Memory  embedded in its user; a copy lies in data mbufs, as much of it as the stream has room
 *         for. Who has none costs nothing.
 *
 * One that is strict says when it is full, and its user stops what it copies; one that is not loses
 * what it has no room for, counts that, and says it with the next frame. Either loses all that
 * comes once its stream takes no more.
 */
#ifndef SLUICE_DATAPLANE_STREAM_TEE_H
#define SLUICE_DATAPLANE_STREAM_TEE_H

#include <stdbool.h>

#include "dataplane/stream/stream.h"
#include "link/tee.h"

struct tee {
	struct stream *to; /* NULL: it takes no more */
	bool strict;
	uint64_t since_us;
	uint64_t copied, lost; /* bytes of bodies */
	uint64_t gap;          /* lost, and not said yet */
};

void tee_begin(struct tee *t, struct stream *to, bool strict, uint64_t now_us);
/* END, and the stream is let go. Of one that has ended: nothing. */
void tee_end(struct tee *t, struct rte_mempool *pool, uint64_t now_us);
/* Its stream is of no more use: let go, and what is queued is lost. */
void tee_fail(struct tee *t);

/* What it copies has to stop until the stream says WRITABLE. Of one that is not strict, never. */
static inline bool tee_full(const struct tee *t)
{
	return t->strict && t->to != NULL && t->to->ops->tx_space(t->to) == 0;
}

/*
 * n bytes of c, from off on. 0, also of what is lost; -ENOMEM, -EPIPE of a strict one: they are not
 * copied, and may not go where they were to go.
 */
int tee_copy(struct tee *t, enum tee_kind kind, const struct pkt_chain *c, uint32_t off, uint32_t n,
	     struct rte_mempool *pool, uint64_t now_us) __attribute__((warn_unused_result));
/* The same of a body that lies elsewhere. */
int tee_say(struct tee *t, enum tee_kind kind, const void *body, uint32_t n,
	    struct rte_mempool *pool, uint64_t now_us) __attribute__((warn_unused_result));

#endif
