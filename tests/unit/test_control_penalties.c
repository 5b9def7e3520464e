/* control/sources.c and control/penalties.c: what an offence costs whom, and a table that is full.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "control/count.h"
#include "control/log.h"
#include "control/penalties.h"
#include "tests/util/rnd.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static struct conf_global g;
static struct penalties *p;
static char last[512];
static unsigned int lines;

static void sink(void *arg, enum log_level level, const char *line)
{
	(void)arg;
	(void)level;
	snprintf(last, sizeof(last), "%s", line);
	lines++;
}

static void begin(void)
{
	log_sink_set(sink, NULL);
	log_threshold_set(LOG_L_VERBOSE);
	g = (struct conf_global){.source_bits4 = 32,
				 .source_bits6 = 128,
				 .penalties = {.enabled = true,
					       .crash_ms = 90000,
					       .authfail_ms = 5000,
					       .invaliduser_ms = 5000,
					       .noauth_ms = 1000,
					       .grace_exceeded_ms = 10000,
					       .refuseconnection_ms = 10000,
					       .max_ms = 600000,
					       .min_ms = 15000,
					       .max_sources4 = 65536,
					       .max_sources6 = 65536}};
}

static void start(void)
{
	cr_assert_eq(penalties_new(&g, &p), 0);
}

static void end(void)
{
	penalties_free(p);
}

TestSuite(control_penalties, .init = begin, .fini = end);

static struct link_addr addr(const char *text)
{
	struct link_addr a = {.family = strchr(text, ':') != NULL ? 6 : 4};

	cr_assert_eq(inet_pton(a.family == 4 ? AF_INET : AF_INET6, text, a.addr), 1);
	return a;
}

static void add(const char *from, enum penalty why, uint64_t now_ms)
{
	struct link_addr a = addr(from);

	penalties_add(p, &a, why, now_ms);
}

static const char *refused(const char *from, uint64_t now_ms)
{
	struct link_addr a = addr(from);

	return penalties_refuse(p, &a, now_ms);
}

/* --- sources ---------------------------------------------------------------------------------- */

Test(control_sources, a_source_is_an_address_without_its_host_bits)
{
	static const struct {
		const char *addr;
		struct source_bits bits;
		const char *text;
	} c[] = {
		{"198.18.5.7", {32, 128}, "198.18.5.7/32"},
		{"198.18.5.7", {24, 128}, "198.18.5.0/24"},
		{"198.18.255.255", {20, 128}, "198.18.240.0/20"},
		{"198.18.5.7", {0, 128}, "0.0.0.0/0"},
		{"::ffff:198.18.5.7", {24, 8}, "198.18.5.0/24"},
		{"2001:db8::1", {32, 128}, "2001:db8::1/128"},
		{"2001:db8:1:2:3:4:5:6", {32, 64}, "2001:db8:1:2::/64"},
		{"2001:db8:1:2ff:3:4:5:6", {32, 57}, "2001:db8:1:280::/57"},
		{"2001:db8::1", {32, 0}, "::/0"},
	};

	for (size_t i = 0; i < N(c); i++) {
		struct link_addr a = addr(c[i].addr);
		struct source s = source_of(&a, &c[i].bits);
		char buf[SOURCE_TEXT_MAX];

		cr_expect_str_eq(source_text(&s, buf), c[i].text);
	}
}

/* Against a plain array: what was added and not removed is found, under its number. */
Test(control_sources, a_table_holds_what_was_put_into_it)
{
	enum { KEYS = 400, MAX = 300 };
	static uint32_t number[KEYS];
	struct rnd r = rnd_new(rnd_seed());
	struct sources *t = NULL;
	uint32_t count = 0;

	memset(number, 0xff, sizeof(number));
	cr_assert_eq(sources_new(MAX, 8, &t), 0);
	for (unsigned int i = 0; i < 20000; i++) {
		uint32_t k = rnd_below(&r, KEYS), at = SOURCES_NONE;
		struct source key = {.word = {k * 7919, 0, k}, .family = 6, .bits = 128};

		cr_assert_eq(sources_find(t, &key), number[k]);
		if (number[k] != SOURCES_NONE) {
			cr_assert_eq(*(uint64_t *)sources_value(t, number[k]), k);
			sources_remove(t, number[k]);
			cr_assert_null(sources_value(t, number[k]));
			number[k] = SOURCES_NONE;
			count--;
		} else if (count == MAX) {
			cr_assert_eq(sources_add(t, &key, &at), -ENOSPC);
		} else {
			cr_assert_eq(sources_add(t, &key, &at), 0);
			*(uint64_t *)sources_value(t, at) = k;
			number[k] = at;
			count++;
		}
		cr_assert_eq(sources_count(t), count);
	}
	sources_free(t);
}

/* --- penalties ----------------------------------------------------------------------------------
 */

Test(control_penalties, begin_above_min_and_end)
{
	start();
	for (int i = 0; i < 3; i++)
		add("198.18.0.1", PENALTY_AUTHFAIL, 0);
	cr_expect_null(refused("198.18.0.1", 0), "15 s are not more than min");
	add("198.18.0.1", PENALTY_NOAUTH, 0);
	cr_expect_str_eq(refused("198.18.0.1", 0), "penalty: connections without attempting "
						   "authentication");
	cr_expect_str_eq(last,
			 "srclimit_penalise: 198.18.0.1/32: activating ipv4 penalty of 16.000 "
			 "seconds for penalty: connections without attempting "
			 "authentication");
	cr_expect_null(refused("198.18.0.2", 0));
	cr_expect_not_null(refused("198.18.0.1", 15999), "to its end, also below min");
	cr_expect_null(refused("198.18.0.1", 16000));
	cr_expect_eq(penalties_count(p, 4), 0);
}

Test(control_penalties, run_down_while_nothing_happens)
{
	start();
	for (uint64_t now = 0; now < 600000; now += 5000)
		add("198.18.0.1", PENALTY_AUTHFAIL, now);
	cr_expect_null(refused("198.18.0.1", 600000), "one in five seconds is no offence");
}

Test(control_penalties, add_up_to_max)
{
	start();
	for (int i = 0; i < 1000; i++)
		add("198.18.0.1", PENALTY_CRASH, 0);
	cr_expect_str_eq(refused("198.18.0.1", 599999), "penalty: caused crash");
	cr_expect_null(refused("198.18.0.1", 600000));
}

Test(control_penalties, of_no_time_are_none)
{
	g.penalties.authfail_ms = 0;
	g.penalties.min_ms = 0;
	start();
	add("198.18.0.1", PENALTY_AUTHFAIL, 0);
	add("198.18.0.1", PENALTY_NONE, 0);
	cr_expect_eq(penalties_count(p, 4), 0);
}

Test(control_penalties, can_be_off)
{
	g.penalties.enabled = false;
	start();
	add("198.18.0.1", PENALTY_CRASH, 0);
	cr_expect_null(refused("198.18.0.1", 0));
	cr_expect_eq(penalties_count(p, 4), 0);
}

Test(control_penalties, are_of_the_whole_network)
{
	g.source_bits4 = 24;
	g.source_bits6 = 64;
	start();
	add("198.18.0.1", PENALTY_CRASH, 0);
	add("2001:db8:0:1::1", PENALTY_CRASH, 0);
	cr_expect_not_null(refused("198.18.0.200", 0));
	cr_expect_null(refused("198.18.1.1", 0));
	cr_expect_not_null(refused("2001:db8:0:1:ffff::", 0));
	cr_expect_null(refused("2001:db8:0:2::1", 0));
}

Test(control_penalties, are_listed)
{
	struct penalty_view v[3];
	uint64_t at = 0;

	start();
	add("198.18.0.1", PENALTY_CRASH, 0);
	add("198.18.0.2", PENALTY_NOAUTH, 0);
	add("2001:db8::1", PENALTY_GRACE, 0);
	for (size_t i = 0; i < N(v); i++)
		cr_assert(penalties_next(p, &at, 500, &v[i]));
	cr_expect(!penalties_next(p, &at, 500, &v[0]));
	cr_expect_str_eq(v[0].source, "198.18.0.1/32");
	cr_expect_str_eq(v[0].why, "penalty: caused crash");
	cr_expect_eq(v[0].left_ms, 89500);
	cr_expect(v[0].active);
	cr_expect(!v[1].active);
	cr_expect_str_eq(v[2].source, "2001:db8::1/128");
	/* Those that are over are not. */
	at = 0;
	cr_assert(penalties_next(p, &at, 5000, &v[0]));
	cr_assert(penalties_next(p, &at, 5000, &v[1]));
	cr_expect_str_eq(v[1].source, "2001:db8::1/128");
}

static struct link_addr nth4(uint32_t i)
{
	uint32_t be = htonl(0x0a000000 + i);
	struct link_addr a = {.family = 4};

	memcpy(a.addr, &be, 4);
	return a;
}

/* S-47: 10^6 distinct sources (--long), many times what the tables hold. */
static uint32_t flood(uint64_t now_ms)
{
	uint32_t n = test_long() ? 1000000 : 100000;

	for (uint32_t i = 0; i < n; i++) {
		struct link_addr a = nth4(i);

		penalties_add(p, &a, PENALTY_CRASH, now_ms);
	}
	return n;
}

Test(control_penalties, a_flood_of_one_family_leaves_the_other_alone)
{
	uint32_t n;
	struct link_addr a;

	g.penalties.max_sources4 = g.penalties.max_sources6 = 4096;
	g.penalty_exempt = "10.0.0.7,192.0.2.0/24";
	start();
	add("2001:db8::bad", PENALTY_CRASH, 0);
	n = flood(1);
	cr_expect_eq(penalties_count(p, 4), 4096, "memory is bounded");
	cr_expect_not_null(refused("2001:db8::bad", 2));
	cr_expect_null(refused("10.0.0.7", 2));
	cr_expect_null(refused("192.0.2.1", 2));
	a = nth4(n - 1);
	cr_expect_not_null(penalties_refuse(p, &a, 2), "the latest is remembered");
	/* And all of them are free again after their time. */
	cr_expect_null(penalties_refuse(p, &a, 90001));
	cr_expect_eq(penalties_count(p, 4), 0);
}

/* The other way round: a /64 after the other of IPv6, of which there are more than enough. */
Test(control_penalties, a_flood_of_ipv6_leaves_ipv4_alone)
{
	uint32_t n = test_long() ? 1000000 : 10000;

	g.penalties.max_sources4 = g.penalties.max_sources6 = 4096;
	g.penalty_exempt = "2001:db8:ffff::/48";
	start();
	add("198.18.0.1", PENALTY_CRASH, 0);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t be = htonl(i);
		struct link_addr a = {.family = 6, .addr = {0x20, 0x01, 0x0d, 0xb8}};

		memcpy(a.addr + 4, &be, 4);
		penalties_add(p, &a, PENALTY_CRASH, 1);
	}
	cr_expect_eq(penalties_count(p, 6), 4096, "memory is bounded");
	cr_expect_eq(penalties_count(p, 4), 1);
	cr_expect_not_null(refused("198.18.0.1", 2));
	cr_expect_null(refused("198.18.0.2", 2));
	cr_expect_null(refused("2001:db8:ffff::1", 2), "the exempt are let in");
	cr_expect_gt(control_counted(CONTROL_C_PENALTIES_FULL), 0);
}

/* Who has the most time left stays. */
Test(control_penalties, a_full_table_forgets_who_would_be_free_first)
{
	g.penalties.max_sources4 = 64;
	start();
	for (int i = 0; i < 6; i++)
		add("198.18.0.1", PENALTY_CRASH, 0);
	flood(0);
	cr_expect_not_null(refused("198.18.0.1", 539999));
	cr_expect_null(refused("198.18.0.1", 540000));
}

Test(control_penalties, a_full_table_may_deny_all)
{
	g.penalties.max_sources4 = 2;
	g.penalties.deny_all4 = true;
	g.penalty_exempt = "192.0.2.0/24";
	start();
	add("198.18.0.1", PENALTY_NOAUTH, 0);
	cr_expect_null(refused("198.18.0.9", 0));
	add("198.18.0.2", PENALTY_NOAUTH, 500);
	cr_expect_str_eq(refused("198.18.0.9", 500), "too many penalised addresses");
	cr_expect_null(refused("2001:db8::1", 500), "the other family is not concerned");
	cr_expect_null(refused("192.0.2.1", 500));
	add("198.18.0.9", PENALTY_CRASH, 500);
	cr_expect_eq(penalties_count(p, 4), 2);
	cr_expect_null(refused("198.18.0.9", 1000), "there is room again");
}

/* The heap against a plain search: whoever expires does so at its time. */
Test(control_penalties, each_expires_at_its_own_time)
{
	enum { SOURCES = 200 };
	static uint64_t until[SOURCES];
	struct rnd r = rnd_new(rnd_seed());
	uint64_t now = 1;

	g.penalties.min_ms = 0;
	start();
	for (unsigned int i = 0; i < 5000; i++) {
		uint32_t k = rnd_below(&r, SOURCES), live = 0;
		enum penalty why = rnd_below(&r, 2) ? PENALTY_AUTHFAIL : PENALTY_CRASH;
		uint64_t ms = why == PENALTY_CRASH ? 90000 : 5000, left;
		struct link_addr a = nth4(k);

		now += rnd_below(&r, 300);
		left = (until[k] > now ? until[k] - now : 0) + ms;
		until[k] = now + (left < 600000 ? left : 600000);
		penalties_add(p, &a, why, now);
		for (k = 0; k < SOURCES; k++)
			live += until[k] > now;
		k = rnd_below(&r, SOURCES);
		a = nth4(k);
		cr_assert_eq(penalties_refuse(p, &a, now) != NULL, until[k] > now);
		cr_assert_eq(penalties_count(p, 4), live);
	}
}
