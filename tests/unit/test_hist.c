/* tests/unit/test_hist.c - the histogram of perf: its error is the one it claims. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "perf/hist.h"
#include "tests/util/rnd.h"

#define N 20000

static struct hist h;

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

Test(hist, of_nothing_all_is_zero)
{
	hist_init(&h);
	cr_expect_eq(hist_at(&h, 0.5), 0);
	cr_expect_eq(hist_at(&h, 1), 0);
	cr_expect_eq(hist_mean(&h), 0);
}

Test(hist, one_value_is_every_percentile)
{
	static const uint64_t value[] = {0, 1, 255, 256, 257, 12345, 1ull << 40, UINT64_MAX};

	for (size_t i = 0; i < sizeof(value) / sizeof(value[0]); i++) {
		hist_init(&h);
		hist_add(&h, value[i]);
		cr_expect_eq(hist_at(&h, 0), value[i]);
		cr_expect_eq(hist_at(&h, 0.5), value[i]);
		cr_expect_eq(hist_at(&h, 1), value[i]);
		cr_expect_eq(h.min, value[i]);
		cr_expect_eq(h.max, value[i]);
	}
}

Test(hist, small_values_are_exact)
{
	hist_init(&h);
	for (uint64_t v = 0; v < 2 * HIST_SUB; v++)
		hist_add(&h, v);
	for (uint64_t v = 0; v < 2 * HIST_SUB; v++)
		cr_expect_eq(hist_at(&h, (double)(v + 1) / (2 * HIST_SUB)), v);
}

/* Never below what was counted, and above it by less than its share; at every edge of a bucket. */
Test(hist, the_error_is_what_it_says)
{
	for (unsigned int bit = 0; bit < 63; bit++) {
		for (int d = -1; d <= 1; d++) {
			uint64_t v = (UINT64_C(1) << bit) + (uint64_t)(int64_t)d, got;

			hist_init(&h);
			hist_add(&h, v);
			hist_add(&h, UINT64_MAX); /* else the greatest would hide the error */
			got = hist_at(&h, 0.5);
			cr_expect_geq(got, v);
			cr_expect_leq(got - v, v / HIST_SUB, "%lu reads as %lu", v, got);
		}
	}
}

Test(hist, percentiles_are_those_of_the_sorted_values)
{
	static const double share[] = {0.01, 0.5, 0.9, 0.99, 0.999, 1};
	struct rnd r = rnd_new(rnd_seed());
	uint64_t *v = calloc(N, sizeof(*v));

	hist_init(&h);
	for (int i = 0; i < N; i++) {
		v[i] = rnd_u64(&r) >> rnd_below(&r, 64);
		hist_add(&h, v[i]);
	}
	qsort(v, N, sizeof(*v), by_value);
	for (size_t i = 0; i < sizeof(share) / sizeof(share[0]); i++) {
		uint64_t want = v[(int)(share[i] * N) - 1], got = hist_at(&h, share[i]);

		cr_expect_geq(got, want);
		cr_expect_leq(got - want, want / HIST_SUB, "%g: %lu for %lu", share[i], got, want);
	}
	free(v);
}

/* One stall of a second among a thousand quick ones is seen where it belongs. */
Test(hist, a_stall_is_not_averaged_away)
{
	hist_init(&h);
	for (int i = 0; i < 999; i++)
		hist_add(&h, 1000);
	hist_add(&h, 1000000000);
	cr_expect_leq(hist_at(&h, 0.999), 1008);
	cr_expect_eq(hist_at(&h, 1), 1000000000);
	cr_expect_float_eq(hist_mean(&h), 1000999, 1);
}
