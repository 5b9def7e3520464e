/* dataplane/pkt_cksum: each way of summing gives what RFC 1071's definition does. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/pkt_cksum.h"
#include "tests/util/rnd.h"

static bool has_any(void)
{
	return true;
}

static bool has_avx2(void)
{
	return __builtin_cpu_supports("avx2");
}

static bool has_avx512(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
}

static const struct {
	const char *name;
	uint64_t (*sum)(const uint8_t *p, size_t n);
	bool (*there)(void);
} ways[] = {
	{"plain", pkt_sum_plain, has_any},
	{"avx2", pkt_sum_avx2, has_avx2},
	{"avx512", pkt_sum_avx512, has_avx512},
	{"the best", pkt_sum, has_any},
};

static uint16_t fold(uint64_t sum)
{
	while (sum > UINT16_MAX)
		sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)sum;
}

/* Section 1, word by word; in memory order, as little-endian words. */
static uint16_t by_definition(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		sum += (uint32_t)p[i] << (i % 2 * 8);
		sum = (sum & UINT16_MAX) + (sum >> 16);
	}
	return fold(sum);
}

/* From the heap to its very end, so that a byte too many is seen by a sanitizer. */
static void same(const uint8_t *p, size_t n)
{
	uint8_t *copy = malloc(n > 0 ? n : 1);

	memcpy(copy, p, n);
	for (unsigned int i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (ways[i].there())
			cr_assert_eq(fold(ways[i].sum(copy, n)), by_definition(p, n),
				     "%s, %zu bytes", ways[i].name, n);
	free(copy);
}

Test(pkt_cksum, every_length_up_to_a_few_vectors)
{
	struct rnd r = rnd_new(rnd_seed());
	uint8_t buf[512];

	rnd_fill(&r, buf, sizeof(buf));
	for (size_t n = 0; n <= 512; n++)
		same(buf, n);
}

Test(pkt_cksum, the_largest_buffer_of_the_largest_words_overflows_nothing)
{
	uint8_t *p = malloc(PKT_SUM_MAX);

	memset(p, 0xff, PKT_SUM_MAX);
	same(p, PKT_SUM_MAX);
	same(p, PKT_SUM_MAX - 1);
	free(p);
}

/* What says "no checksum" is never made of bytes that are not all zero. */
Test(pkt_cksum, zero_is_the_sum_of_zeros_only)
{
	uint8_t p[256] = {0};

	for (unsigned int i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (!ways[i].there())
			continue;
		cr_expect_eq(ways[i].sum(p, sizeof(p)), 0, "%s", ways[i].name);
		p[7] = p[6] = 0xff;
		cr_expect_eq(fold(ways[i].sum(p, sizeof(p))), UINT16_MAX, "%s", ways[i].name);
		p[7] = p[6] = 0;
	}
}
