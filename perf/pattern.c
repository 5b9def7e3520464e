/* perf/pattern.c - see pattern.h. */
#include "perf/pattern.h"

#include <string.h>

#define LANES 4 /* of one vector; two of them are a block */
#define BLOCK (2 * sizeof(lanes))

typedef uint64_t lanes __attribute__((vector_size(LANES * sizeof(uint64_t))));

static const lanes first = {0, 1, 2, 3}, second = {4, 5, 6, 7};

/* splitmix64 of the id. */
uint64_t pattern_seed(uint64_t id)
{
	uint64_t z = (id + 1) * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* What is left of the word at stands in, or of n. */
static size_t part(uint64_t at, size_t n)
{
	size_t k = sizeof(uint64_t) - at % sizeof(uint64_t);

	return k < n ? k : n;
}

static void part_fill(uint64_t seed, uint64_t at, void *buf, size_t n)
{
	uint64_t w = (at / sizeof(w)) ^ seed;

	memcpy(buf, (const uint8_t *)&w + at % sizeof(w), n);
}

static bool part_check(uint64_t seed, uint64_t at, const void *buf, size_t n)
{
	uint64_t w = (at / sizeof(w)) ^ seed;

	return memcmp(buf, (const uint8_t *)&w + at % sizeof(w), n) == 0;
}

/* Whole blocks from word i on; how many bytes that was. */
__attribute__((target_clones("avx2", "default"))) static size_t
blocks_fill(uint64_t seed, uint64_t i, uint8_t *p, size_t n)
{
	size_t done = 0;

	for (; done + BLOCK <= n; done += BLOCK, i += 2 * LANES) {
		lanes a = (first + i) ^ seed, b = (second + i) ^ seed;

		memcpy(p + done, &a, sizeof(a));
		memcpy(p + done + sizeof(a), &b, sizeof(b));
	}
	return done;
}

/* The same; anything but zeros in *bad afterwards: a word was wrong. */
__attribute__((target_clones("avx2", "default"))) static size_t
blocks_check(uint64_t seed, uint64_t i, const uint8_t *p, size_t n, uint64_t *bad)
{
	lanes all = {0};
	size_t done = 0;

	for (; done + BLOCK <= n; done += BLOCK, i += 2 * LANES) {
		lanes a, b;

		memcpy(&a, p + done, sizeof(a));
		memcpy(&b, p + done + sizeof(a), sizeof(b));
		all |= (a ^ (first + i) ^ seed) | (b ^ (second + i) ^ seed);
	}
	for (unsigned int k = 0; k < LANES; k++)
		*bad |= all[k];
	return done;
}

void pattern_fill(uint64_t seed, uint64_t at, void *buf, size_t n)
{
	uint8_t *p = buf;
	size_t k = at % sizeof(uint64_t) != 0 ? part(at, n) : 0;

	part_fill(seed, at, p, k);
	k += blocks_fill(seed, (at + k) / sizeof(uint64_t), p + k, n - k);
	for (size_t m; k < n; k += m) {
		m = part(at + k, n - k);
		part_fill(seed, at + k, p + k, m);
	}
}

bool pattern_check(uint64_t seed, uint64_t at, const void *buf, size_t n)
{
	const uint8_t *p = buf;
	size_t k = at % sizeof(uint64_t) != 0 ? part(at, n) : 0;
	uint64_t bad = 0;

	if (!part_check(seed, at, p, k))
		return false;
	k += blocks_check(seed, (at + k) / sizeof(uint64_t), p + k, n - k, &bad);
	for (size_t m; k < n; k += m) {
		m = part(at + k, n - k);
		if (!part_check(seed, at + k, p + k, m))
			return false;
	}
	return bad == 0;
}
