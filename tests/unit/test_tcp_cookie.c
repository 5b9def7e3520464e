/* dataplane/tcp/cookie.c: T-14, T-15. */
#include <criterion/criterion.h>

#include "dataplane/tcp/cookie.h"
#include "tests/util/rnd.h"

#define NOW (1000 * UINT64_C(1000000))

static const uint64_t secret[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};

static struct tcp_cookies *cookies(void)
{
	static struct tcp_cookies s;

	tcp_cookies_init(&s, secret, 536);
	return &s;
}

static struct tcp_cookie request(void)
{
	return (struct tcp_cookie){.tuple = 0x123456789abcdef0, .irs = 77, .mss = 1460};
}

static bool take(struct tcp_cookies *s, uint32_t iss, uint64_t now_us)
{
	struct tcp_cookie c = request();

	return tcp_cookie_take(s, iss, 0, now_us, &c);
}

Test(tcp_cookie, one_that_was_made_is_taken)
{
	struct tcp_cookies *s = cookies();
	struct tcp_cookie c = request();
	uint32_t iss = tcp_cookie_make(s, &c, NOW, NULL);

	c.mss = 0;
	cr_expect(tcp_cookie_take(s, iss, 0, NOW, &c));
	cr_expect_eq(c.mss, 1460);
	cr_expect_not(c.has_wscale || c.sack || c.ecn);
}

Test(tcp_cookie, it_is_taken_once)
{
	struct tcp_cookies *s = cookies();
	struct tcp_cookie c = request();
	uint32_t iss = tcp_cookie_make(s, &c, NOW, NULL);

	cr_expect(take(s, iss, NOW));
	cr_expect_not(take(s, iss, NOW));
	cr_expect_not(take(s, iss, NOW + TCP_COOKIE_US));
}

Test(tcp_cookie, it_ages)
{
	static const struct {
		uint64_t made, taken; /* seconds */
		bool good;
	} cases[] = {{0, 0, true},       {0, 59, true},    {0, 60, true},     {0, 119, true},
		     {0, 120, false},    {0, 180, false},  {59, 61, true},    {59, 119, true},
		     {59, 120, false},   {61, 179, true},  {61, 180, false},  {61, 240, false},
		     {61, 300, false},   {600, 719, true}, {600, 720, false}, {600, 100000, false},
		     {100000, 60, false}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tcp_cookies *s = cookies();
		struct tcp_cookie c = request();
		uint32_t iss = tcp_cookie_make(s, &c, cases[i].made * 1000000, NULL);

		s->sent_until_us = UINT64_MAX; /* others go out all the time */
		cr_expect_eq(take(s, iss, cases[i].taken * 1000000), cases[i].good,
			     "made at %lu, taken at %lu", cases[i].made, cases[i].taken);
	}
}

Test(tcp_cookie, none_is_out_any_more_after_two_minutes)
{
	struct tcp_cookies *s = cookies();
	struct tcp_cookie c = request();

	cr_expect_not(tcp_cookies_out(s, 0));
	tcp_cookie_make(s, &c, 30 * 1000000, NULL);
	cr_expect(tcp_cookies_out(s, 119 * 1000000));
	cr_expect_not(tcp_cookies_out(s, 120 * 1000000));
}

Test(tcp_cookie, every_flipped_bit_is_refused)
{
	struct tcp_cookies *s = cookies();
	struct tcp_cookie c = request();
	uint32_t iss = tcp_cookie_make(s, &c, NOW, NULL);

	for (int i = 0; i < 32; i++)
		cr_expect_not(take(s, iss ^ UINT32_C(1) << i, NOW), "bit %d", i);
	cr_expect(take(s, iss, NOW));
}

Test(tcp_cookie, it_is_of_one_tuple_and_one_isn)
{
	struct tcp_cookies *s = cookies();
	struct tcp_cookie c = request(), other;
	uint32_t iss = tcp_cookie_make(s, &c, NOW, NULL);

	for (int i = 0; i < 64; i++) {
		other = request();
		other.tuple ^= UINT64_C(1) << i;
		cr_expect_not(tcp_cookie_take(s, iss, 0, NOW, &other));
	}
	for (int i = 0; i < 32; i++) {
		other = request();
		other.irs ^= UINT32_C(1) << i;
		cr_expect_not(tcp_cookie_take(s, iss, 0, NOW, &other));
	}
}

Test(tcp_cookie, another_secret_makes_another)
{
	struct tcp_cookies *s = cookies();
	struct tcp_cookie c = request();
	uint32_t iss = tcp_cookie_make(s, &c, NOW, NULL);

	tcp_cookies_init(s, (const uint64_t[2]){secret[0] ^ 1, secret[1]}, 536);
	s->sent_until_us = UINT64_MAX;
	cr_expect_not(take(s, iss, NOW));
}

Test(tcp_cookie, the_mss_is_the_next_lower_of_a_table)
{
	static const uint16_t cases[][2] = {{0, 536},     {536, 536},   {537, 536},   {1219, 536},
					    {1220, 1220}, {1359, 1220}, {1380, 1360}, {1400, 1400},
					    {1440, 1440}, {1459, 1440}, {1460, 1460}, {8939, 1460},
					    {8940, 8940}, {65535, 8940}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tcp_cookies *s = cookies();
		struct tcp_cookie c = request();
		uint32_t iss;

		c.mss = cases[i][0];
		iss = tcp_cookie_make(s, &c, NOW, NULL);
		cr_expect(tcp_cookie_take(s, iss, 0, NOW, &c));
		cr_expect_eq(c.mss, cases[i][1], "%u: %u", cases[i][0], c.mss);
	}
}

Test(tcp_cookie, a_floor_of_the_mss_is_in_the_table)
{
	static struct tcp_cookies s;
	struct tcp_cookie c = request();
	uint32_t iss;

	tcp_cookies_init(&s, secret, 1300);
	c.mss = 1300;
	iss = tcp_cookie_make(&s, &c, NOW, NULL);
	cr_expect(tcp_cookie_take(&s, iss, 0, NOW, &c));
	cr_expect_eq(c.mss, 1300);
}

/* All options, at timestamps that wrap and at those with every low bit. */
Test(tcp_cookie, options_come_back_in_the_echo)
{
	static const uint32_t at[] = {0, 1, 63, 64, 1000, UINT32_MAX, 0x80000000, 0x7fffffff};

	for (unsigned int bits = 0; bits < 64; bits++)
		for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
			struct tcp_cookies *s = cookies();
			struct tcp_cookie c = request(), got;
			uint32_t ts = at[i], iss;

			c.ts = true;
			c.wscale = bits & 15;
			c.has_wscale = c.wscale < 15;
			c.sack = bits & 16;
			c.ecn = bits & 32;
			iss = tcp_cookie_make(s, &c, NOW, &ts);
			cr_expect_leq(at[i] - ts, 63, "not after now, and not long before");
			got = (struct tcp_cookie){.tuple = c.tuple, .irs = c.irs, .ts = true};
			cr_expect(tcp_cookie_take(s, iss, ts, NOW, &got));
			cr_expect_eq(got.has_wscale, c.has_wscale);
			cr_expect(!c.has_wscale || got.wscale == c.wscale);
			cr_expect_eq(got.sack, c.sack);
			cr_expect_eq(got.ecn, c.ecn);
		}
}

Test(tcp_cookie, options_cannot_be_changed)
{
	struct tcp_cookies *s = cookies();
	struct tcp_cookie c = request();
	uint32_t ts = 100000, iss;

	c.ts = c.has_wscale = true;
	c.wscale = 7;
	iss = tcp_cookie_make(s, &c, NOW, &ts);
	for (int i = 0; i < 6; i++) {
		struct tcp_cookie got = {.tuple = c.tuple, .irs = c.irs, .ts = true};

		cr_expect_not(tcp_cookie_take(s, iss, ts ^ 1u << i, NOW, &got));
	}
	c = (struct tcp_cookie){.tuple = c.tuple, .irs = c.irs};
	cr_expect_not(tcp_cookie_take(s, iss, ts, NOW, &c), "nor left out");
}

/* 16 of 2^32 numbers are good at a time: of 2^24 guesses one in sixteen runs finds one. */
Test(tcp_cookie, guesses_find_nothing)
{
	struct tcp_cookies *s = cookies();
	struct rnd r = rnd_new(rnd_seed());
	unsigned int n = test_long() ? 1 << 24 : 1 << 20, found = 0;
	struct tcp_cookie c = request();

	tcp_cookie_make(s, &c, NOW, NULL);
	for (unsigned int i = 0; i < n; i++) {
		c = (struct tcp_cookie){.tuple = rnd_u64(&r), .irs = rnd_u32(&r)};
		found += tcp_cookie_take(s, rnd_u32(&r), 0, NOW, &c);
	}
	cr_expect_leq(found, 2, "%u of %u", found, n);
}
