/*
 * dataplane/deadlines.h - which of many numbered things is due first: connections with timers.
 *
 * What is due within a slot of a few milliseconds stands in a heap, and all that comes later in a
 * wheel of lists (Varghese and Lauck 1987, hierarchical): most deadlines move before they come
 * near, and to put one into a list, or to take it out, touches its neighbours and no more, where a
 * heap of ten thousand connections would have a line for each of its levels. Things themselves are
 * never looked at, which nobody has in a cache.
 *
 * Units   times in microseconds of the shard's clock.
 * Memory  16 bytes for each number, and for each that is near, taken as they come into use.
 * Lcore   the shard's.
 */
#ifndef SLUICE_DATAPLANE_DEADLINES_H
#define SLUICE_DATAPLANE_DEADLINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A slot of the first wheel is 4.1 ms, one of the others a turn of the wheel before. */
#define DEADLINES_SHIFT  12
#define DEADLINES_SLOTS  256
#define DEADLINES_LEVELS 3 /* 19 hours; what is due later comes by once in that time */

#define DEADLINES_MOVES 512 /* between lists, or to the heap, by a call of deadlines_advance() */

struct due {
	uint64_t at_us;
	uint32_t number;
};

/* Where a number stands: in the heap, or in a list of a wheel. */
struct deadline {
	uint64_t at_us; /* in a wheel */
	uint32_t next;  /* in its list; 0: none */
	uint32_t where; /* see deadlines.c; 0: nowhere */
};

struct deadlines {
	struct due *heap;          /* from 1 */
	struct deadline *deadline; /* by number */
	uint32_t n, max;           /* in the heap */
	uint32_t waiting;          /* in wheels */
	uint64_t slot;  /* all that is due in it, or before, is in the heap, or on its way */
	uint8_t begins; /* wheels whose slot begins with it, and was not looked at yet: the shorter
			   ones */
	/* Of each wheel, and of what is on its way from one to the next (DEADLINES_LEVELS, 0). */
	uint64_t used[DEADLINES_LEVELS + 1][DEADLINES_SLOTS / 64]; /* bit map of lists */
	uint32_t list[DEADLINES_LEVELS + 1][DEADLINES_SLOTS];      /* the first of each; 0: none */
};

/* Of numbers 1 to max. -ENOMEM. */
int deadlines_init(struct deadlines *d, uint32_t max) __attribute__((warn_unused_result));
void deadlines_fini(struct deadlines *d); /* zeroed: nothing to do */

/* It is due at that time, whether it stood there before or not. */
void deadlines_set(struct deadlines *d, uint32_t number, uint64_t at_us);
void deadlines_remove(struct deadlines *d, uint32_t number); /* if it is there */

/* When it is due, of times that are not 0; 0: it does not stand there. */
uint64_t deadlines_at_us(const struct deadlines *d, uint32_t number);

/*
 * It is so late; times go on, as far as DEADLINES_MOVES moves reach: where a million begin to be
 * near at once, no turn waits for all of them, and the last are told some turns late.
 * deadlines_next_us() is past then.
 */
void deadlines_advance(struct deadlines *d, uint64_t now_us);

/* The first that is due by then, which was told before; 0: none is. */
static inline uint32_t deadlines_due(const struct deadlines *d, uint64_t now_us)
{
	return d->n > 0 && d->heap[1].at_us <= now_us ? d->heap[1].number : 0;
}

/*
 * When to look next: when the first is due, or earlier where that is more than a second away;
 * UINT64_MAX: there is none.
 */
uint64_t deadlines_next_us(const struct deadlines *d);

/*
 * Those of which one is the next, when the first is gone, of those that are near: what is worth
 * fetching. Returns how many.
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
