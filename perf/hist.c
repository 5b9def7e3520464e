/* perf/hist.c - see hist.h. */
#include "perf/hist.h"

#include <string.h>

void hist_init(struct hist *h)
{
	memset(h, 0, sizeof(*h));
	h->min = UINT64_MAX;
}

/* By how many bits the buckets of this value are wider than one. */
static unsigned int shift_of(uint64_t v)
{
	return v < 2 * HIST_SUB ? 0 : 63 - HIST_SUB_BITS - (unsigned int)__builtin_clzll(v);
}

static unsigned int bucket_of(uint64_t v)
{
	unsigned int shift = shift_of(v);

	return shift * HIST_SUB + (unsigned int)(v >> shift);
}

/* The greatest value of a bucket. */
static uint64_t bucket_end(unsigned int b)
{
	unsigned int shift = b < 2 * HIST_SUB ? 0 : b / HIST_SUB - 1;
	uint64_t first = (uint64_t)(b - shift * HIST_SUB) << shift;

	return first + ((UINT64_C(1) << shift) - 1);
}

void hist_add(struct hist *h, uint64_t value)
{
	h->bucket[bucket_of(value)]++;
	h->n++;
	h->sum += (double)value;
	h->max = value > h->max ? value : h->max;
	h->min = value < h->min ? value : h->min;
}

uint64_t hist_at(const struct hist *h, double share)
{
	double want = share * (double)h->n;
	uint64_t seen = 0;

	if (h->n == 0)
		return 0;
	for (unsigned int b = 0; b < HIST_BUCKETS; b++) {
		seen += h->bucket[b];
		if (seen > 0 && (double)seen >= want)
			return bucket_end(b) < h->max ? bucket_end(b) : h->max;
	}
	return h->max;
}

double hist_mean(const struct hist *h)
{
	return h->n > 0 ? h->sum / (double)h->n : 0;
}
