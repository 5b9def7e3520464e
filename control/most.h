/*
 * control/most.h - the largest of many counts that go up and down by one, known at any time.
 *
 * What each user, each source, each connection has is counted where it is; an operator wants the
 * one that has most. How many of them stand at each number is kept, so nobody walks over all.
 * Thread  the caller's. Memory  a zeroed struct is an empty one; 4 bytes for each number up to the
 *         largest there was, given back when all are at 0. Where there is none for it the largest
 *         is not known any more.
 */
#ifndef SLUICE_CONTROL_MOST_H
#define SLUICE_CONTROL_MOST_H

#include <stdbool.h>
#include <stdint.h>

struct most {
	uint32_t *at; /* how many counts stand at each number */
	uint32_t size, n;
	bool lost;
};

/* A count has become n, from one less. */
void most_up(struct most *m, uint32_t n);
/* One has become n, from one more. */
void most_down(struct most *m, uint32_t n);
/* False: it is not known. */
bool most_known(const struct most *m, uint32_t *ret);
void most_fini(struct most *m); /* empty, and known, again */

#endif
