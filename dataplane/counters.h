/*
 * dataplane/counters.h - everything a shard counts, as groups of the rooms that do: for the log
 * and for the snapshot.
 */
#ifndef SLUICE_DATAPLANE_COUNTERS_H
#define SLUICE_DATAPLANE_COUNTERS_H

#include <stdint.h>

#define COUNTER_GROUPS_MAX 64

struct shard;

struct counter_group {
	const char *room;
	const char *object; /* "" or which one */
	const uint64_t *value;
	unsigned int n;
	const char *(*name)(unsigned int i);
	const char *(*text)(unsigned int i);
};

/* The groups of a shard that is made; values stay where they are while it lives. */
unsigned int counters_of(const struct shard *s, struct counter_group ret[COUNTER_GROUPS_MAX]);

/* The same, and what a shard shares besides: where its cycles go, what its limits are. */
unsigned int counters_shared(const struct shard *s, struct counter_group ret[COUNTER_GROUPS_MAX]);

#endif
