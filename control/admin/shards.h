/*
 * control/admin/shards.h - what shards share (link/stats.h), as control reads it: their counters by
 * room, object and name, of all shards at one moment, nearly.
 */
#ifndef SLUICE_CONTROL_ADMIN_SHARDS_H
#define SLUICE_CONTROL_ADMIN_SHARDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/linkpeer.h"
#include "link/stats.h"

/* A shard's file, and its counters: views of the copy. */
struct shards_file {
	const char *dataplane;
	unsigned int shard;
	void *copy;
	size_t first, n; /* of struct shards.counter */
};

struct shards {
	struct shards_file *file;
	size_t n_files;
	struct link_stats_counter *counter;
	size_t n;
};

/* Files that cannot be read are left out. -ENOMEM. */
int shards_read(struct linkpeer *const *peers, unsigned int n_peers, struct shards *ret)
	__attribute__((warn_unused_result));
void shards_free(struct shards *s);
/* 0 when it is not there. */
uint64_t shards_value(const struct shards *s, size_t file, const char *room, const char *object,
		      const char *name);

#endif
