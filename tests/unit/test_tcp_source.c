/* dataplane/tcp/source.c: T-16, T-41. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/tcp/source.h"
#include "tests/util/rnd.h"

static const uint64_t secret[2] = {1, 2};

static struct tcp_sources *sources(uint32_t max)
{
	static struct tcp_sources s;

	tcp_sources_fini(&s);
	cr_assert_eq(tcp_sources_init(&s, secret, max), 0);
	return &s;
}

static struct net_addr v4(uint32_t a)
{
	struct net_addr n = {.family = 4};

	memcpy(n.b, &a, 4);
	return n;
}

static struct net_addr v6(const uint8_t b[16])
{
	struct net_addr n = {.family = 6};

	memcpy(n.b, b, 16);
	return n;
}

Test(tcp_source, an_ipv4_address_is_one)
{
	struct tcp_sources *s = sources(4);
	struct net_addr a = v4(0x01020304), b = v4(0x01020305);

	cr_expect_eq(tcp_source_id(s, &a), tcp_source_id(s, &a));
	cr_expect_neq(tcp_source_id(s, &a), tcp_source_id(s, &b));
	a.b[7] = 9; /* behind the address */
	b = v4(0x01020304);
	cr_expect_eq(tcp_source_id(s, &a), tcp_source_id(s, &b));
	tcp_sources_fini(s);
}

Test(tcp_source, an_ipv6_64_is_one)
{
	static const struct {
		uint8_t a[16], b[16];
		bool same;
	} cases[] = {
		{{0x20, 1, 0xd, 0xb8, [15] = 1}, {0x20, 1, 0xd, 0xb8, [15] = 2}, true},
		{{0x20, 1, 0xd, 0xb8, [8] = 1}, {0x20, 1, 0xd, 0xb8, [8] = 0xff}, true},
		{{0x20, 1, 0xd, 0xb8, [7] = 1}, {0x20, 1, 0xd, 0xb8, [7] = 2}, false},
		{{0xfe, 0x80, [15] = 1}, {0xfe, 0x80, [15] = 2}, false},
		{{0xfe, 0xbf, [15] = 1}, {0xfe, 0xbf, [15] = 2}, false},
		{{0xfe, 0xc0, [15] = 1}, {0xfe, 0xc0, [15] = 2}, true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tcp_sources *s = sources(4);
		struct net_addr a = v6(cases[i].a), b = v6(cases[i].b);

		cr_expect_eq(tcp_source_id(s, &a) == tcp_source_id(s, &b), cases[i].same,
			     "case %zu", i);
		tcp_sources_fini(s);
	}
}

Test(tcp_source, counts_come_and_go)
{
	struct tcp_sources *s = sources(4);

	cr_expect_null(tcp_source_get(s, 7));
	tcp_source_add(s, 7, true);
	tcp_source_add(s, 7, true);
	tcp_source_established(s, 7);
	cr_expect_eq(tcp_source_get(s, 7)->conns, 2);
	cr_expect_eq(tcp_source_get(s, 7)->half_open, 1);
	tcp_source_drop(s, 7, true);
	cr_expect_eq(tcp_source_get(s, 7)->conns, 1);
	cr_expect_eq(tcp_source_get(s, 7)->half_open, 0);
	tcp_source_drop(s, 7, false);
	cr_expect_null(tcp_source_get(s, 7));
	tcp_sources_fini(s);
}

/* Against plain counters, with names that crowd few places. */
Test(tcp_source, it_is_exact_when_the_table_is_full)
{
	enum { MAX = 64, IDS = 24 };
	struct tcp_sources *s = sources(MAX);
	struct rnd r = rnd_new(rnd_seed());
	uint32_t have[IDS] = {0}, total = 0;
	unsigned int rounds = test_long() ? 10000000 : 200000;

	for (unsigned int i = 0; i < rounds; i++) {
		uint32_t k = rnd_below(&r, IDS);
		uint64_t id = 120 + k % 5 + (uint64_t)(k / 5) * 128; /* five homes, at the end */

		if (total < MAX && (rnd_u32(&r) & 1)) {
			tcp_source_add(s, id, false);
			have[k]++;
			total++;
		} else if (have[k] > 0) {
			tcp_source_drop(s, id, false);
			have[k]--;
			total--;
		}
		cr_assert_eq(tcp_source_get(s, id) != NULL ? tcp_source_get(s, id)->conns : 0,
			     have[k]);
	}
	for (uint32_t k = 0; k < IDS; k++)
		for (; have[k] > 0; have[k]--)
			tcp_source_drop(s, 120 + k % 5 + (uint64_t)(k / 5) * 128, false);
	for (uint32_t i = 0; i <= s->mask; i++)
		cr_assert_eq(s->entry[i].id, 0);
	tcp_sources_fini(s);
}

/* Wherever its place is, and however many looks that takes. */
Test(tcp_source, who_has_most_is_seen)
{
	struct tcp_sources *s = sources(4 * TCP_SOURCE_TURN);
	struct tcp_source_look l = {0};
	const uint64_t ids[] = {1, 3 * TCP_SOURCE_TURN, s->mask};

	for (uint64_t i = 0; i < 3; i++)
		for (uint64_t n = 0; n <= i; n++)
			tcp_source_add(s, ids[i], n == 0 || i < 2);
	tcp_source_look(s, &l);
	cr_expect(l.conns == 0 && l.now_conns == 1, "not all was seen");
	for (uint32_t i = TCP_SOURCE_TURN; i <= s->mask; i += TCP_SOURCE_TURN)
		tcp_source_look(s, &l);
	cr_expect(l.conns == 3 && l.half_open == 2);
	for (int i = 0; i < 3; i++)
		tcp_source_drop(s, ids[2], i == 0);
	for (uint32_t i = 0; i <= s->mask; i += TCP_SOURCE_TURN)
		tcp_source_look(s, &l);
	cr_expect(l.conns == 2 && l.half_open == 2);
	tcp_sources_fini(s);
}

Test(tcp_source, the_highest_rate_is_of_a_whole_second_or_of_this_one)
{
	struct tcp_sources *s = sources(4);
	const uint64_t one = 1000000;

	cr_expect_eq(tcp_source_rate_most(s, one), 0);
	for (int i = 0; i < 7; i++)
		(void)tcp_source_rate(s, 42, 5, one);
	(void)tcp_source_rate(s, 0xabcdef12345678, 5, one);
	cr_expect_eq(tcp_source_rate_most(s, one), 7, "those above it included");
	cr_expect_eq(tcp_source_rate_most(s, 2 * one), 7);
	(void)tcp_source_rate(s, 42, 5, 2 * one);
	cr_expect_eq(tcp_source_rate_most(s, 2 * one), 7);
	cr_expect_eq(tcp_source_rate_most(s, 3 * one), 1);
	cr_expect_eq(tcp_source_rate_most(s, 4 * one), 0, "nobody asks any more");
	(void)tcp_source_rate(s, 42, 5, 9 * one);
	cr_expect_eq(tcp_source_rate_most(s, 9 * one), 1, "what was long ago is over");
	tcp_sources_fini(s);
}

Test(tcp_source, a_rate_is_of_one_second)
{
	struct tcp_sources *s = sources(4);

	for (int second = 1; second < 4; second++)
		for (int i = 0; i < 20; i++)
			cr_expect_eq(tcp_source_rate(s, 0xabcdef12345678, 10,
						     (uint64_t)second * 1000000 + (uint64_t)i),
				     i < 10);
	tcp_sources_fini(s);
}

/* A million random sources in a second: one that is below its rate is not held for them. */
Test(tcp_source, noise_of_others_is_taken_off)
{
	struct tcp_sources *s = sources(4);
	struct rnd r = rnd_new(rnd_seed());
	unsigned int refused = 0, held = 0, n = test_long() ? 4000000 : 1000000;

	for (unsigned int i = 0; i < n; i++) {
		refused += !tcp_source_rate(s, rnd_u64(&r), 100, 1000000);
		if (i % (n / 50) == 0)
			held += !tcp_source_rate(s, 42, 100, 1000000);
	}
	cr_expect_eq(held, 0);
	cr_expect_lt(refused, n / 10000);
	held = 0;
	for (int i = 0; i < 1000; i++) /* and one that is above is held */
		held += !tcp_source_rate(s, 43, 100, 1000000);
	cr_expect_gt(held, 800);
	tcp_sources_fini(s);
}
