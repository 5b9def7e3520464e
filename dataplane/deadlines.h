/*
 * dataplane/deadlines.h - which of many numbered things is due first: connections with timers.
 *
 * A heap whose entries hold their times, four below each, and a table of places by number: a walk
 * through ten thousand looks at a line of the one for each level and at a line of the other for
 * what it moves, never at the things themselves, which nobody has in a cache.
 *
 * Units   times in microseconds of the shard's clock.
 * Memory  20 bytes for each number, taken as they come into use.
 * Lcore   the shard's.
 */
#ifndef SLUICE_DATAPLANE_DEADLINES_H
#define SLUICE_DATAPLANE_DEADLINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct due {
	uint64_t at_us;
	uint32_t number;
};

struct deadlines {
	struct due *heap;        /* from 1 */
	uint32_t *place, n, max; /* place by number; 0: not there */
};

/* Of numbers 1 to max. -ENOMEM. */
int deadlines_init(struct deadlines *d, uint32_t max) __attribute__((warn_unused_result));
void deadlines_fini(struct deadlines *d); /* zeroed: nothing to do */

/* It is due at that time, whether it stood there before or not. */
void deadlines_set(struct deadlines *d, uint32_t number, uint64_t at_us);
void deadlines_remove(struct deadlines *d, uint32_t number); /* if it is there */

static inline bool deadlines_has(const struct deadlines *d, uint32_t number)
{
	return d->place[number] != 0;
}

/* When the first is due; UINT64_MAX: there is none. */
static inline uint64_t deadlines_next_us(const struct deadlines *d)
{
	return d->n > 0 ? d->heap[1].at_us : UINT64_MAX;
}

/* The first; there must be one. */
static inline uint32_t deadlines_first(const struct deadlines *d)
{
	return d->heap[1].number;
}

/* Those of which one is the next, when the first is gone: what is worth fetching. Returns how many.
 */
static inline unsigned int deadlines_behind(const struct deadlines *d, uint32_t ret[4])
{
	unsigned int n = 0;

	while (n < 4 && n + 2 <= d->n) {
		ret[n] = d->heap[n + 2].number;
		n++;
	}
	return n;
}

#endif
