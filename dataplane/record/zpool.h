/*
 * dataplane/record/zpool.h - the memory of a shard's compressed streams, sized at start.
 *
 * Lcore   the shard's.
 * Memory  mapped at start and touched for as many streams as there were at once; what is given
 *         back is wiped. Streams of both kinds, and promises of one, are within one budget.
 */
#ifndef SLUICE_DATAPLANE_RECORD_ZPOOL_H
#define SLUICE_DATAPLANE_RECORD_ZPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ssh/comp.h"

#define ZPOOL_HEAD          128 /* of its user's, before the stream's memory */
#define ZPOOL_INFLATE_PLACE (ZPOOL_HEAD + SSH_INFLATE_MEM)
#define ZPOOL_DEFLATE_PLACE (ZPOOL_HEAD + SSH_DEFLATE_MEM)

struct zpool;

enum zpool_kind { ZPOOL_INFLATE, ZPOOL_DEFLATE, ZPOOL_KINDS };

/* bytes 0: none is ever to be had. */
int zpool_new(uint64_t bytes, struct zpool **ret);
void zpool_free(struct zpool *z);
/* A place of its kind; NULL: the budget is spent. */
void *zpool_get(struct zpool *z, enum zpool_kind kind);
void zpool_put(struct zpool *z, enum zpool_kind kind, void *place);
/* Keeps room for an inflate; zpool_get() may then be called after zpool_unpromise(). */
bool zpool_promise(struct zpool *z);
void zpool_unpromise(struct zpool *z);
uint64_t zpool_used(const struct zpool *z);
/* How often zpool_get() had none of a kind. */
uint64_t zpool_refused(const struct zpool *z, enum zpool_kind kind);

#endif
