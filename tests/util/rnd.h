/*
 * tests/util/rnd.h - the randomness of tests: from a seed that is printed, so that what
 * failed can be run again with `./scripts/test --seed N`.
 */
#ifndef SLUICE_TESTS_UTIL_RND_H
#define SLUICE_TESTS_UTIL_RND_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct rnd {
	uint64_t s;
};

/* The first seed of this run; a test that uses several counts up from it. */
static inline uint64_t rnd_seed(void)
{
	const char *s = getenv("SLUICE_SEED");

	return s != NULL ? strtoull(s, NULL, 0) : 1;
}

/* At full size (--long), or what fits ten minutes. */
static inline bool test_long(void)
{
	return getenv("SLUICE_LONG") != NULL;
}

static inline struct rnd rnd_new(uint64_t seed)
{
	printf("seed %llu\n", (unsigned long long)seed);
	return (struct rnd){seed};
}

/* splitmix64: every seed is as good as another. */
static inline uint64_t rnd_u64(struct rnd *r)
{
	uint64_t z = r->s += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static inline uint32_t rnd_u32(struct rnd *r)
{
	return (uint32_t)(rnd_u64(r) >> 32);
}

/* 0 .. n - 1; n > 0. */
static inline uint32_t rnd_below(struct rnd *r, uint32_t n)
{
	return (uint32_t)(((uint64_t)rnd_u32(r) * n) >> 32);
}

static inline void rnd_fill(struct rnd *r, void *p, size_t len)
{
	uint8_t *b = p;

	for (size_t i = 0; i < len; i++)
		b[i] = (uint8_t)rnd_u64(r);
}

#endif
