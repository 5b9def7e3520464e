/*
 * dataplane/park.h - descriptors that control has passed, until a message claims them.
 *
 * They come by the socket, and what says whose they are by the ring: neither waits for the other.
 * What nobody claims within PARK_US is closed. A token names descriptors once.
 *
 * Lcore   the shard's.
 */
#ifndef SLUICE_DATAPLANE_PARK_H
#define SLUICE_DATAPLANE_PARK_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/stream/host.h"

#define PARK_MAX 256 /* tokens of one shard */
#define PARK_US  5000000

#define PARK_COUNTERS(X)                                                                           \
	X(FULL, "sets of descriptors closed: too many wait to be claimed")                         \
	X(TWICE, "sets of descriptors closed: their token is there already")                       \
	X(LATE, "sets of descriptors closed: nobody claimed them in time")                         \
	X(LOST, "sets of descriptors that could not be received: no descriptors, or no room")

enum park_counter {
#define X(name, text) PARK_C_##name,
	PARK_COUNTERS(X)
#undef X
		PARK_C_COUNT
};
const char *park_counter_name(enum park_counter c);
const char *park_counter_text(enum park_counter c);

struct park_entry {
	uint64_t token, until_us;
	struct host_fds fds;
};

struct park {
	struct park_entry entry[PARK_MAX]; /* by until_us */
	unsigned int n;
	uint64_t counters[PARK_C_COUNT];
};

/* n descriptors: one that is both ways, or in, out, and err. Taken, whatever becomes of them. */
void park_put(struct park *p, uint64_t token, const int *fds, unsigned int n, uint64_t now_us);
/* False: they are not there, or not any more. Else they are the caller's. */
bool park_claim(struct park *p, uint64_t token, struct host_fds *ret);
/* Closes what is late. Number of sets. */
unsigned int park_expire(struct park *p, uint64_t now_us);
uint64_t park_next_timer_us(const struct park *p); /* UINT64_MAX: none */
void park_clear(struct park *p);

#endif
