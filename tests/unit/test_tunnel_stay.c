/* Staying up: when a tunnel is tried again, in virtual time. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/tunnel/request.h"
#include "client/lib/stay.h"
#include "control/crowd.h"

#define AGENTS 10000
#define DAY_MS (24 * 3600 * 1000ULL)

static const struct stay_conf usual = {
	.mode = STAY_ALWAYS, .interval_ms = 10000, .interval_max_ms = 60000, .try_ms = 60000};

static struct stay fresh(enum stay_mode mode, uint32_t tries_max)
{
	struct stay_conf c = usual;
	struct stay s;

	c.mode = mode;
	c.tries_max = tries_max;
	stay_init(&s, &c, 7, 1000);
	cr_assert_eq(stay_step(&s, 1000), STAY_DO_TRY);
	return s;
}

Test(stay, modes_say_what_is_tried_again)
{
	static const struct {
		enum stay_mode mode;
		bool at_first, after_a_break;
	} table[] = {
		{STAY_NEVER, false, false},
		{STAY_BREAK, false, true},
		{STAY_ALWAYS, true, true},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct stay s = fresh(table[i].mode, 0);
		struct stay_attempt a;

		cr_assert_eq(stay_down(&s, 0, 1000, &a), table[i].at_first, "%zu", i);
		s = fresh(table[i].mode, 0);
		stay_up(&s, 1000);
		cr_assert_eq(stay_down(&s, 0, 99000, &a), table[i].after_a_break, "%zu", i);
	}
}

Test(stay, somebody_wants_it_again_whatever_became_of_it)
{
	struct stay s = fresh(STAY_BREAK, 3);
	struct stay_attempt a;

	cr_assert_not(stay_down(&s, 0, 1000, &a));
	stay_again(&s, 5000, &a);
	cr_assert_eq(a.count, 1);
	cr_assert_eq(a.remaining, 2);
	cr_assert_eq(stay_timeout_ms(&s, 5000), 0);
	cr_assert_eq(stay_step(&s, 5000), STAY_DO_TRY);
	stay_up(&s, 5001);
	stay_again(&s, 6000, &a);
	cr_assert_eq(stay_step(&s, 6000), STAY_DO_TRY);
}

Test(stay, a_way_that_is_back_is_tried_within_an_interval)
{
	struct stay s = fresh(STAY_ALWAYS, 0);
	struct stay_attempt a;
	uint64_t at;

	for (int i = 0; i < 8; i++) {
		cr_assert(stay_down(&s, 0, s.at_ms, &a));
		cr_assert_eq(stay_step(&s, s.at_ms), STAY_DO_TRY);
	}
	cr_assert(stay_down(&s, 0, 500000, &a));
	cr_assert_geq(s.at_ms, 530000);
	stay_soon(&s, 500000);
	cr_assert(s.at_ms > 500000 && s.at_ms <= 500000 + usual.interval_ms);
	at = s.at_ms;
	stay_soon(&s, 490000 + usual.interval_ms);
	cr_assert_leq(s.at_ms, at, "never later");
	cr_assert_eq(stay_step(&s, s.at_ms), STAY_DO_TRY);
	cr_assert(stay_down(&s, 100, 600000, &a));
	stay_soon(&s, 600000);
	cr_assert_gt(s.at_ms, 700000, "the server said so");
}

Test(stay, what_may_be_asked_of_an_agent)
{
	static const char *const bad[] = {"",          "stat",   "status ",     "follow x",
					  "stop",      "stop ",  "Status",      " status",
					  "reconnect", "cancel", "cancel gate", "cancel gate ",
					  "cancel  22"};
	static const struct {
		const char *line;
		enum request_what what;
		const char *host, *listen;
	} good[] = {{"status", REQUEST_STATUS, "", ""},
		    {"status gate", REQUEST_STATUS, "gate", ""},
		    {"channels", REQUEST_CHANNELS, "", ""},
		    {"follow", REQUEST_FOLLOW, "", ""},
		    {"reconnect gate", REQUEST_RECONNECT, "gate", ""},
		    {"stop a b", REQUEST_STOP, "a b", ""},
		    {"cancel gate 2201", REQUEST_CANCEL, "gate", "2201"},
		    {"cancel a b [::1]:22", REQUEST_CANCEL, "a b", "[::1]:22"}};
	char long_line[REQUEST_LINE_MAX + 8];
	struct request r;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(request_parse(bad[i], strlen(bad[i]), &r), -EINVAL, "%s", bad[i]);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		cr_assert_eq(request_parse(good[i].line, strlen(good[i].line), &r), 0);
		cr_expect_eq(r.what, good[i].what);
		cr_expect_str_eq(r.host, good[i].host);
		cr_expect_str_eq(r.listen, good[i].listen);
	}
	cr_expect_eq(request_parse("status g\0te", 11, &r), -EINVAL);
	memset(long_line, 'x', sizeof(long_line));
	memcpy(long_line, "stop ", 5);
	cr_expect_eq(request_parse(long_line, REQUEST_LINE_MAX, &r), -EINVAL);
	cr_expect_eq(request_parse(long_line, REQUEST_LINE_MAX - 1, &r), 0);
}

Test(stay, tries_are_counted_and_come_to_an_end)
{
	struct stay s = fresh(STAY_ALWAYS, 3);
	struct stay_attempt a;

	for (uint32_t i = 1; i <= 3; i++) {
		cr_assert(stay_down(&s, 0, s.at_ms, &a));
		cr_assert_eq(a.count, i);
		cr_assert_eq(a.remaining, 3 - i);
		cr_assert_eq(stay_step(&s, s.at_ms - 1), STAY_DO_NOTHING);
		cr_assert_eq(stay_timeout_ms(&s, s.at_ms - 1), 1);
		cr_assert_eq(stay_step(&s, s.at_ms), STAY_DO_TRY);
	}
	cr_assert_not(stay_spent(&s));
	cr_assert_not(stay_down(&s, 0, s.at_ms, &a));
	cr_assert_eq(s.state, STAY_OVER);
	cr_assert(stay_spent(&s));
	cr_assert_eq(stay_timeout_ms(&s, 0), -1);
	cr_assert_eq(stay_step(&s, UINT64_MAX), STAY_DO_NOTHING);
}

Test(stay, the_count_begins_anew_when_it_was_up_for_an_interval)
{
	struct stay s = fresh(STAY_ALWAYS, 2);
	struct stay_attempt a;

	cr_assert(stay_down(&s, 0, 1000, &a));
	stay_up(&s, 2000);
	cr_assert(stay_down(&s, 0, 2001, &a), "at once down again: another try that failed");
	cr_assert_eq(a.count, 2);
	stay_up(&s, 5000);
	cr_assert(stay_down(&s, 0, 15000, &a));
	cr_assert_eq(a.count, 1);
	cr_assert_eq(a.remaining, 1);
}

Test(stay, a_try_that_takes_too_long_is_given_up)
{
	struct stay s = fresh(STAY_ALWAYS, 0);
	struct stay_attempt a;

	cr_assert_eq(stay_step(&s, 60999), STAY_DO_NOTHING);
	cr_assert_eq(stay_step(&s, 61000), STAY_DO_GIVE_UP);
	cr_assert(stay_down(&s, 0, 61000, &a));
	cr_assert_eq(s.state, STAY_WAITING);
}

Test(stay, a_server_says_how_long_to_stay_away_and_not_for_ever)
{
	static const struct {
		uint32_t hint_s, from_s;
	} table[] = {{30, 30}, {STAY_HINT_MAX_S, STAY_HINT_MAX_S}, {UINT32_MAX, STAY_HINT_MAX_S}};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct stay s = fresh(STAY_ALWAYS, 0);
		struct stay_attempt a;

		stay_up(&s, 1000);
		cr_assert(stay_down(&s, table[i].hint_s, 50000, &a));
		cr_assert_gt(a.wait_ms, table[i].from_s * 1000ULL);
		cr_assert_leq(a.wait_ms, table[i].from_s * 1000ULL + usual.interval_ms);
	}
}

Test(stay, who_is_told_to_come_later_has_not_failed)
{
	struct stay s = fresh(STAY_ALWAYS, 2);
	struct stay_attempt a;

	cr_assert(stay_down(&s, 0, 1000, &a));
	for (int i = 0; i < 10; i++) {
		cr_assert_eq(stay_step(&s, s.at_ms), STAY_DO_TRY);
		cr_assert(stay_later(&s, 7, 10000, &a));
		cr_assert_eq(a.count, 1);
		cr_assert(a.wait_ms > 7000 && a.wait_ms <= 7000 + STAY_LATER_MS, "nothing grows");
	}
	cr_assert(stay_down(&s, 0, 20000, &a), "one of two is left");
	cr_assert(stay_later(&s, UINT32_MAX, 20000, &a));
	cr_assert_leq(a.wait_ms, STAY_HINT_MAX_S * 1000ULL + STAY_LATER_MS);
	cr_assert_not(stay_down(&s, 0, 20000, &a));
	cr_assert_not(stay_later(&s, 1, 20000, &a), "it is over");
	s = fresh(STAY_ALWAYS, 1);
	cr_assert(stay_later(&s, 1, 1000, &a), "at first");
	cr_assert_eq(a.count, 1);
	cr_assert_eq(a.remaining, 1);
	cr_assert(stay_down(&s, 0, 9000, &a), "the one that it may have");
	cr_assert_eq(a.count, 1);
	cr_assert_eq(a.remaining, 0);
	cr_assert_leq(a.wait_ms, usual.interval_ms, "nothing has grown");
	cr_assert_not(stay_down(&s, 0, 30000, &a));
	s = fresh(STAY_BREAK, 0);
	cr_assert_not(stay_later(&s, 1, 1000, &a), "it never was up");
	s = fresh(STAY_NEVER, 0);
	cr_assert_not(stay_later(&s, 1, 1000, &a));
}

Test(stay, cancelled_it_is_not_tried_again)
{
	struct stay s = fresh(STAY_ALWAYS, 0);
	struct stay_attempt a;

	cr_assert(stay_down(&s, 0, 1000, &a));
	stay_cancel(&s);
	cr_assert_eq(stay_step(&s, UINT64_MAX), STAY_DO_NOTHING);
	cr_assert_not(stay_down(&s, 0, 2000, &a));
}

Test(stay, waits_grow_to_the_longest_and_no_further)
{
	struct stay s = fresh(STAY_ALWAYS, 0);
	struct stay_attempt a;
	uint64_t longest = 0;

	for (uint32_t i = 1; i < 100000; i++) {
		uint64_t top = i < 4 ? usual.interval_ms << (i - 1) : usual.interval_max_ms;

		cr_assert(stay_down(&s, 0, s.at_ms, &a));
		cr_assert(a.wait_ms > (i > 1 ? top / 2 : 0) && a.wait_ms <= top);
		cr_assert_eq(stay_interval_ms(&s), top);
		longest = a.wait_ms > longest ? a.wait_ms : longest;
		cr_assert_eq(stay_step(&s, s.at_ms), STAY_DO_TRY);
	}
	cr_assert_gt(longest, usual.interval_max_ms * 9 / 10);
}

/* A day of a path that is cut at random, for a moment or for minutes. */
static void day(unsigned int seed)
{
	uint64_t now = 0, cut, back = 0, broken = 0;
	struct stay_attempt a = {0};
	struct stay s;

	srand(seed);
	stay_init(&s, &usual, seed, 0);
	cut = 1 + (uint64_t)rand() % 1200000;
	while (now < DAY_MS) {
		/* The next of what can happen: the path breaks, or a try is due. */
		if (s.state == STAY_UP) {
			bool steady = cut - s.since_ms >= usual.interval_ms;

			now = broken = cut;
			back = now + (rand() % 2 == 0 ? 0 : (uint64_t)rand() % 400000);
			cut = back + 1 + (uint64_t)rand() % 1200000;
			cr_assert(stay_down(&s, 0, now, &a));
			cr_assert(!steady || a.count == 1);
		}
		now = s.at_ms;
		cr_assert_eq(stay_step(&s, now), STAY_DO_TRY);
		if (now < back) {
			cr_assert(stay_down(&s, 0, now, &a));
			continue;
		}
		while (cut <= now)
			cut += 1 + (uint64_t)rand() % 1200000;
		stay_up(&s, now);
		cr_assert_leq(now - back, a.count <= 1 ? usual.interval_ms : usual.interval_max_ms,
			      "seed %u: cut at %llu", seed, (unsigned long long)broken);
	}
}

Test(stay, a_wait_that_is_mostly_steady)
{
	struct stay_conf c = usual;

	for (uint64_t seed = 1; seed < 200; seed++) {
		struct stay_attempt a;
		struct stay s;

		c.steady = seed % 2 == 0 ? 80 : 100;
		stay_init(&s, &c, seed, 0);
		cr_assert_eq(stay_step(&s, 0), STAY_DO_TRY);
		for (uint64_t most = 10000; most <= 40000; most *= 2) {
			cr_assert(stay_down(&s, 0, 0, &a));
			cr_assert_geq(a.wait_ms, most * c.steady / 100);
			cr_assert_leq(a.wait_ms, most + 1);
		}
	}
}

Test(stay, a_day_of_random_cuts_and_back_within_one_interval_of_each)
{
	for (unsigned int seed = 1; seed <= 50; seed++)
		day(seed);
}

/* How many come in the busiest second when all are cut at once and cannot come in for a while. */
static unsigned int busiest(uint64_t down_ms, uint32_t hint_s, uint64_t *ret_last)
{
	static unsigned int seconds[1200];
	unsigned int most = 0;

	*ret_last = 0;
	for (unsigned int i = 0; i < AGENTS; i++) {
		struct stay_attempt a;
		struct stay s;

		stay_init(&s, &usual, i, 0);
		stay_up(&s, 0);
		cr_assert(stay_down(&s, hint_s, 100000, &a));
		for (;;) {
			uint64_t now = s.at_ms;

			cr_assert_eq(stay_step(&s, now), STAY_DO_TRY);
			now -= 100000; /* since all were cut */
			cr_assert_lt(now / 1000, 1200);
			seconds[now / 1000]++;
			*ret_last = now > *ret_last ? now : *ret_last;
			if (now >= down_ms)
				break;
			cr_assert(stay_down(&s, 0, now + 100000, &a));
		}
	}
	for (unsigned int i = 0; i < 1200; i++)
		most = seconds[i] > most ? seconds[i] : most;
	return most;
}

Test(stay, ten_thousand_cut_at_once_do_not_come_at_once)
{
	uint64_t last;

	/* A tenth of them in each second of the interval, and what chance adds. */
	cr_assert_lt(busiest(0, 0, &last), AGENTS / 10 + AGENTS / 50);
	cr_assert_leq(last, usual.interval_ms);
}

Test(stay, nor_do_they_while_the_gateway_is_away)
{
	uint64_t last;

	/* Second and third tries fall among the first of others. */
	cr_assert_lt(busiest(300000, 0, &last), AGENTS / 10 * 3 / 2);
	cr_assert_leq(last, 300000 + usual.interval_max_ms);
}

Test(stay, nor_when_it_said_when_to_come)
{
	uint64_t last;

	cr_assert_lt(busiest(0, 20, &last), AGENTS / 10 + AGENTS / 50);
	cr_assert_leq(last, 20000 + usual.interval_ms);
}

/*
 * F-33 as a whole: agents, their gateway's door and the one thread that its key exchanges have,
 * people beside. A gateway manages a few hundred logins a second.
 */
#define HERD_MS    120000
#define RESTART_MS 2000
#define RTT_MS     100
#define PEOPLE     2000 /* one in 30 ms */
#define ALL        (AGENTS + PEOPLE)
#define START      1000 /* MaxStartups, as conf/samples/reverse-hub.conf has it */
#define REFUSAL_US 200

enum stage { COMES = 1, SAYS_WHO, EXCHANGES, IS_IN };

struct herd {
	uint64_t login_us, busy_us; /* the thread: until then */
	struct crowd crowd;
	struct stay stay[AGENTS];
	uint32_t head[HERD_MS], next[ALL]; /* by when they do something; from 1 */
	enum stage stage[ALL];
	uint64_t waits[PEOPLE], entered_ms[ALL];
	uint32_t in, refused, places, most_places;
	uint64_t last_ms;
};

static struct herd h;

static void at(uint32_t i, uint64_t ms, enum stage stage)
{
	cr_assert_lt(ms, HERD_MS, "%u is not in", i);
	h.stage[i] = stage;
	h.next[i] = h.head[ms];
	h.head[ms] = i + 1;
}

static bool is_person(uint32_t i)
{
	return i >= AGENTS;
}

static void comes(uint32_t i, uint64_t now)
{
	struct stay_attempt a;

	if (!is_person(i)) {
		cr_assert_eq(stay_step(&h.stay[i], now), STAY_DO_TRY);
		if (now < RESTART_MS) {
			cr_assert(stay_down(&h.stay[i], 0, now, &a));
			at(i, h.stay[i].at_ms, COMES);
			return;
		}
	}
	if (++h.places > h.most_places)
		h.most_places = h.places;
	at(i, now + RTT_MS, SAYS_WHO);
}

static void says_who(uint32_t i, uint64_t now)
{
	uint64_t backlog = h.busy_us > now * 1000 ? (h.busy_us - now * 1000) / h.login_us : 0;
	struct stay_attempt a;
	uint32_t away_s;

	if (is_person(i) || crowd_enter(&h.crowd, START / 2, (uint32_t)backlog, now, &away_s)) {
		h.entered_ms[i] = now;
		at(i, now + RTT_MS, EXCHANGES);
		return;
	}
	h.busy_us += REFUSAL_US;
	h.places--;
	h.refused++;
	cr_assert(stay_later(&h.stay[i], away_s, now, &a));
	at(i, h.stay[i].at_ms, COMES);
}

static void exchanges(uint32_t i, uint64_t now)
{
	h.busy_us = (h.busy_us > now * 1000 ? h.busy_us : now * 1000) + h.login_us;
	at(i, h.busy_us / 1000 + 3 * RTT_MS, IS_IN);
}

static void is_in(uint32_t i, uint64_t now)
{
	h.places--;
	if (is_person(i)) {
		h.waits[i - AGENTS] = now - RESTART_MS - (i - AGENTS) * 30;
		return;
	}
	crowd_leave(&h.crowd, h.entered_ms[i], true, now);
	stay_up(&h.stay[i], now);
	h.in++;
	h.last_ms = now;
}

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void herd(uint64_t login_us, unsigned int seed)
{
	static const struct stay_conf by_default = {.mode = STAY_ALWAYS,
						    .interval_ms = 5000,
						    .interval_max_ms = 60000,
						    .try_ms = 60000};
	static void (*const step[])(uint32_t i, uint64_t now) = {
		[COMES] = comes, [SAYS_WHO] = says_who, [EXCHANGES] = exchanges, [IS_IN] = is_in};
	struct stay_attempt a;

	memset(&h, 0, sizeof(h));
	h.login_us = login_us;
	for (uint32_t i = 0; i < AGENTS; i++) {
		stay_init(&h.stay[i], &by_default, seed * AGENTS + i, 0);
		stay_up(&h.stay[i], 0);
		cr_assert(stay_down(&h.stay[i], 0, 0, &a));
		at(i, h.stay[i].at_ms, COMES);
	}
	for (uint32_t i = 0; i < PEOPLE; i++)
		at(AGENTS + i, RESTART_MS + i * 30, COMES);
	for (uint64_t now = 0; now < HERD_MS; now++)
		while (h.head[now] != 0) {
			uint32_t i = h.head[now] - 1;

			h.head[now] = h.next[i];
			step[h.stage[i]](i, now);
		}
	qsort(h.waits, PEOPLE, sizeof(h.waits[0]), by_size);
}

Test(stay, f33_ten_thousand_are_back_within_a_minute_and_people_do_not_wait_for_them)
{
	static const uint64_t costs_us[] = {1000, 2000, 3000, 4000};

	for (unsigned int i = 0; i < 4; i++) {
		herd(costs_us[i], i + 1);
		cr_expect_eq(h.in, AGENTS);
		cr_expect_leq(h.last_ms, 60000, "logins of %llu us: %llu ms",
			      (unsigned long long)costs_us[i], (unsigned long long)h.last_ms);
		cr_expect_leq(h.waits[PEOPLE * 99 / 100], 2000, "logins of %llu us: %llu ms",
			      (unsigned long long)costs_us[i],
			      (unsigned long long)h.waits[PEOPLE * 99 / 100]);
		/* Nobody was refused who cannot be told when to come. */
		cr_expect_lt(h.most_places, START);
		cr_expect_lt(h.refused, 3 * AGENTS);
	}
}

/* Each connection's is larger than all before it, of this start and of earlier ones. */
Test(tunnel_stay, epochs_only_grow)
{
	cr_expect_lt(stay_epoch(1000, 1), stay_epoch(1000, 2));
	cr_expect_lt(stay_epoch(1000, (1u << 20) - 1), stay_epoch(1001, 1));
}
