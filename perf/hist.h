/*
 * perf/hist.h - a histogram of what takes time: log-linear, of a known error.
 *
 * Values below 2 * HIST_SUB have a bucket each; above, every power of two is cut into HIST_SUB
 * buckets of one width, so a value read back is at most 1/HIST_SUB (0.8 %) above the one that was
 * counted and never below it. Adding costs a few instructions and no memory but its own.
 */
#ifndef SLUICE_PERF_HIST_H
#define SLUICE_PERF_HIST_H

#include <stdint.h>

#define HIST_SUB_BITS 7
#define HIST_SUB      (1u << HIST_SUB_BITS)
#define HIST_BUCKETS  ((64 - HIST_SUB_BITS + 1) * HIST_SUB)

struct hist {
	uint64_t n, max, min; /* min: of an empty one, UINT64_MAX */
	double sum;
	uint64_t bucket[HIST_BUCKETS];
};

void hist_init(struct hist *h);
void hist_add(struct hist *h, uint64_t value);
/*
 * The value that a share of all (0 to 1) does not exceed, as the upper end of its bucket, and never
 * above the greatest that was counted; 0 of an empty one.
 */
uint64_t hist_at(const struct hist *h, double share);
double hist_mean(const struct hist *h);

#endif
