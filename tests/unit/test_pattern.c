/* tests/unit/test_pattern.c - the bytes of perf: what is wrong with them is seen. */
#include <criterion/criterion.h>
#include <string.h>

#include "perf/pattern.h"
#include "tests/util/rnd.h"

#define N 512

static uint8_t buf[N + 64], whole[4096];

Test(pattern, any_piece_is_a_piece_of_the_whole)
{
	uint64_t seed = pattern_seed(7);

	pattern_fill(seed, 0, whole, sizeof(whole));
	for (size_t at = 0; at < 80; at++) {
		for (size_t n = 0; n <= 200; n++) {
			memset(buf, 0xee, sizeof(buf));
			pattern_fill(seed, at, buf, n);
			cr_assert_arr_eq(buf, whole + at, n);
			cr_assert_eq(buf[n], 0xee, "one byte too many at %zu, %zu", at, n);
			cr_assert(pattern_check(seed, at, whole + at, n));
		}
	}
}

Test(pattern, the_first_words_are_as_documented)
{
	uint64_t seed = pattern_seed(1), w[3];

	pattern_fill(seed, 8, w, sizeof(w));
	cr_expect_eq(w[0], 1 ^ seed);
	cr_expect_eq(w[2], 3 ^ seed);
}

Test(pattern, one_wrong_bit_anywhere_is_seen)
{
	uint64_t seed = pattern_seed(3);

	for (size_t at = 0; at < 9; at++) {
		pattern_fill(seed, at, buf, N);
		for (size_t i = 0; i < N; i++) {
			buf[i] ^= 1u << (i % 8);
			cr_assert_not(pattern_check(seed, at, buf, N), "byte %zu at %zu", i, at);
			buf[i] ^= 1u << (i % 8);
		}
		cr_assert(pattern_check(seed, at, buf, N));
	}
}

/* Lost or doubled bytes shift what follows. */
Test(pattern, another_place_is_seen)
{
	uint64_t seed = pattern_seed(3);

	pattern_fill(seed, 1000, buf, N);
	for (uint64_t at = 0; at < 3000; at++) {
		if (at != 1000)
			cr_assert_not(pattern_check(seed, at, buf, N), "taken for %lu", at);
	}
	for (unsigned int bit = 3; bit < 64; bit++)
		cr_assert_not(pattern_check(seed, 1000 + (UINT64_C(1) << bit), buf, N));
}

Test(pattern, another_stream_is_seen)
{
	pattern_fill(pattern_seed(100), 8, buf, 8);
	for (uint64_t id = 0; id < 10000; id++) {
		for (uint64_t at = 0; id != 100 && at < 64; at += 8)
			cr_assert_not(pattern_check(pattern_seed(id), at, buf, 8), "stream %lu",
				      id);
	}
}
