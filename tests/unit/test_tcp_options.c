/* dataplane/tcp/options.c: T-02, T-03, T-21; SACK (RFC 2018). */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/tcp/options.h"

/* A copy of exactly n bytes, so that a sanitizer sees a read past the end. */
static struct tcp_opts parse(const uint8_t *p, size_t n)
{
	uint8_t *exact = malloc(n > 0 ? n : 1);
	struct tcp_opts o;

	memcpy(exact, p, n);
	tcp_opts_parse(exact, n, &o);
	free(exact);
	return o;
}

struct opt_case {
	const char *what;
	uint8_t b[TCP_OPTIONS_MAX];
	size_t n;
	struct tcp_opts want;
};

static void check(const struct opt_case *c, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct tcp_opts o = parse(c[i].b, c[i].n);

		cr_expect_eq(o.has_mss, c[i].want.has_mss, "%s", c[i].what);
		cr_expect_eq(o.mss, c[i].want.mss, "%s", c[i].what);
		cr_expect_eq(o.has_wscale, c[i].want.has_wscale, "%s", c[i].what);
		cr_expect_eq(o.wscale, c[i].want.wscale, "%s", c[i].what);
		cr_expect_eq(o.has_ts, c[i].want.has_ts, "%s", c[i].what);
		cr_expect_eq(o.ts_val, c[i].want.ts_val, "%s", c[i].what);
		cr_expect_eq(o.ts_ecr, c[i].want.ts_ecr, "%s", c[i].what);
		cr_expect_eq(o.has_sack_perm, c[i].want.has_sack_perm, "%s", c[i].what);
		cr_expect_eq(o.sack_n, c[i].want.sack_n, "%s", c[i].what);
		cr_expect_eq(memcmp(o.sack, c[i].want.sack, sizeof(o.sack)), 0, "%s", c[i].what);
	}
}

#define CHECK(c) check(c, sizeof(c) / sizeof((c)[0]))

Test(tcp_options, known_ones_stand_anywhere)
{
	static const struct opt_case c[] = {
		{"none", {0}, 0, {0}},
		{"MSS", {2, 4, 5, 180}, 4, {.has_mss = true, .mss = 1460}},
		{"NOP MSS", {1, 1, 1, 2, 4, 5, 180, 0}, 8, {.has_mss = true, .mss = 1460}},
		{"unaligned", {1, 2, 4, 2, 24, 0, 0, 0}, 8, {.has_mss = true, .mss = 536}},
		{"scale", {3, 3, 7, 0}, 4, {.has_wscale = true, .wscale = 7}},
		{"ends with the header", {1, 3, 3, 7}, 4, {.has_wscale = true, .wscale = 7}},
		{"the usual timestamps",
		 {1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8},
		 12,
		 {.has_ts = true, .ts_val = 0x01020304, .ts_ecr = 0x05060708}},
		{"timestamps first",
		 {8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1},
		 12,
		 {.has_ts = true, .ts_val = 0x01020304, .ts_ecr = 0x05060708}},
		{"the last of two counts",
		 {2, 4, 1, 0, 2, 4, 2, 0},
		 8,
		 {.has_mss = true, .mss = 512}},
	};

	CHECK(c);
}

Test(tcp_options, sack_is_read)
{
	static const struct opt_case c[] = {
		{"permitted",
		 {4, 2, 3, 3, 1, 0},
		 6,
		 {.has_sack_perm = true, .has_wscale = true, .wscale = 1}},
		{"one block",
		 {1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2},
		 12,
		 {.sack_n = 1, .sack = {{1, 2}}}},
		{"two blocks, unaligned",
		 {5, 18, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 1, 0, 0, 0, 0, 9},
		 18,
		 {.sack_n = 2, .sack = {{1, 2}, {256, 9}}}},
		{"four blocks and a scale",
		 {5, 34, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0,
		  0, 5,  0, 0, 0, 6, 0, 0, 0, 7, 0, 0, 0, 8, 3, 3, 5, 0, 0, 0},
		 40,
		 {.sack_n = 4,
		  .sack = {{1, 2}, {3, 4}, {5, 6}, {7, 8}},
		  .has_wscale = true,
		  .wscale = 5}},
	};

	CHECK(c);
}

Test(tcp_options, sack_of_a_wrong_length_is_skipped)
{
	static const struct opt_case c[] = {
		{"permitted with a byte", {4, 3, 0, 3, 3, 1}, 6, {.has_wscale = true, .wscale = 1}},
		{"no block", {5, 2, 3, 3, 1, 0}, 6, {.has_wscale = true, .wscale = 1}},
		{"half a block",
		 {5, 6, 0, 0, 0, 1, 3, 3, 1, 0},
		 10,
		 {.has_wscale = true, .wscale = 1}},
		{"a block and a byte",
		 {5, 11, 0, 0, 0, 1, 0, 0, 0, 2, 7, 3, 3, 1},
		 14,
		 {.has_wscale = true, .wscale = 1}},
		{"past the end", {5, 18, 0, 0, 0, 1, 0, 0, 0, 2}, 10, {0}},
	};

	CHECK(c);
}

Test(tcp_options, blocks_without_room_are_left_out)
{
	struct tcp_opts o = {.has_ts = true, .sack_n = 4, .sack = {{1, 2}, {3, 4}, {5, 6}, {7, 8}}},
			p;
	uint8_t b[TCP_OPTIONS_MAX];

	cr_expect_eq(tcp_opts_build(&o, b), 40);
	p = parse(b, 40);
	cr_expect_eq(p.sack_n, 3);
	cr_expect_eq(memcmp(p.sack, o.sack, 3 * sizeof(o.sack[0])), 0);
	o.has_mss = o.has_wscale = o.has_sack_perm = true;
	cr_expect_eq(tcp_opts_build(&o, b), 40);
	cr_expect_eq(parse(b, 40).sack_n, 2);
}

Test(tcp_options, unknown_ones_are_skipped_by_their_length)
{
	static const struct opt_case c[] = {
		{"experimental",
		 {253, 6, 1, 2, 3, 4, 2, 4, 5, 180},
		 10,
		 {.has_mss = true, .mss = 1460}},
		{"of length 2", {99, 2, 99, 2, 3, 3, 1, 0}, 8, {.has_wscale = true, .wscale = 1}},
		{"MSS of a wrong length is unknown",
		 {2, 5, 5, 180, 0, 3, 3, 1},
		 8,
		 {.has_wscale = true, .wscale = 1}},
		{"scale of a wrong length",
		 {3, 4, 1, 0, 2, 4, 5, 180},
		 8,
		 {.has_mss = true, .mss = 1460}},
	};

	CHECK(c);
}

Test(tcp_options, a_bad_length_ends_the_reading)
{
	static const struct opt_case c[] = {
		{"unknown, 0", {99, 0, 2, 4, 5, 180, 0, 0}, 8, {0}},
		{"unknown, 1", {99, 1, 2, 4, 5, 180, 0, 0}, 8, {0}},
		{"MSS, 0", {2, 0, 5, 180}, 4, {0}},
		{"timestamps, 0", {8, 0, 0, 0}, 4, {0}},
		{"past the end", {2, 5, 5, 180}, 4, {0}},
		{"255", {99, 255, 0, 0}, 4, {0}},
		{"kind without length", {1, 1, 1, 2}, 4, {0}},
		{"MSS cut off", {1, 1, 2, 4}, 4, {0}},
		{"what stood before counts",
		 {3, 3, 4, 99, 0, 2, 4, 5},
		 8,
		 {.has_wscale = true, .wscale = 4}},
		{"EOL hides the rest", {0, 2, 4, 5, 180, 0, 0, 0}, 8, {0}},
	};

	CHECK(c);
}

Test(tcp_options, a_scale_above_14_means_14)
{
	static const struct opt_case c[] = {
		{"14", {3, 3, 14, 0}, 4, {.has_wscale = true, .wscale = 14}},
		{"15", {3, 3, 15, 0}, 4, {.has_wscale = true, .wscale = 14}},
		{"255", {3, 3, 255, 0}, 4, {.has_wscale = true, .wscale = 14}},
	};

	CHECK(c);
}

/* Every string of forty bytes ends: the bytes that matter, at every place. */
Test(tcp_options, no_input_loops)
{
	static const uint8_t v[] = {0, 1, 2, 3, 4, 8, 10, 99, 255};
	uint8_t b[TCP_OPTIONS_MAX];

	for (size_t i = 0; i < sizeof(v) * sizeof(v) * sizeof(v); i++)
		for (size_t n = 0; n <= sizeof(b); n += 4) {
			for (size_t k = 0; k < sizeof(b); k += 3) {
				b[k] = v[i % 9];
				b[(k + 1) % 40] = v[i / 9 % 9];
				b[(k + 2) % 40] = v[i / 81];
			}
			parse(b, n);
		}
}

Test(tcp_options, what_is_built_is_read_again)
{
	for (unsigned int bits = 0; bits < 32; bits++) {
		struct tcp_opts o = {.has_mss = bits & 1,
				     .has_wscale = bits & 2,
				     .has_ts = bits & 4,
				     .has_sack_perm = bits & 8,
				     .sack_n = bits & 16 ? 2 : 0,
				     .sack = {{0xfffffff0, 5}, {100, 200}}},
				p;
		uint8_t b[TCP_OPTIONS_MAX];
		size_t n;

		o.mss = o.has_mss ? 1234 : 0;
		o.wscale = o.has_wscale ? 9 : 0;
		o.ts_val = o.has_ts ? 0xfffffffe : 0;
		o.ts_ecr = o.has_ts ? 7 : 0;
		n = tcp_opts_build(&o, b);
		cr_expect_eq(n % 4, 0);
		cr_assert_leq(n, sizeof(b));
		p = parse(b, n);
		cr_expect_eq(p.mss, o.mss);
		cr_expect_eq(p.wscale, o.wscale);
		cr_expect_eq(p.ts_val, o.ts_val);
		cr_expect_eq(p.ts_ecr, o.ts_ecr);
		cr_expect_eq(p.has_mss, o.has_mss);
		cr_expect_eq(p.has_wscale, o.has_wscale);
		cr_expect_eq(p.has_ts, o.has_ts);
		cr_expect_eq(p.has_sack_perm, o.has_sack_perm);
		cr_expect_eq(p.sack_n, o.sack_n);
	}
}
