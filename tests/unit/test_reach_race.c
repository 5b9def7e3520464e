/* client/reach/race.c: which address is tried when, in virtual time (RFC 8305). */
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "client/reach/race.h"

static struct race race;
static uint64_t due;

/* Addresses 1..n of a family; what says which one was chosen. */
static void answer(enum race_family f, unsigned int n, uint64_t now)
{
	struct race_addr v[2 * RACE_ADDRS_MAX] = {0};

	for (unsigned int i = 0; i < n; i++) {
		v[i].sa.ss_family = f == RACE_V6 ? AF_INET6 : AF_INET;
		v[i].len = i + 1;
	}
	race_answer(&race, f, v, n, now);
}

/* 6 and its number, 4 and its number; 0: not now; else the error. */
static int next(uint64_t now)
{
	const struct race_addr *a;
	int r = race_step(&race, now, &a, &due);

	if (r < 0)
		return r == -EAGAIN ? 0 : r;
	return (a->sa.ss_family == AF_INET6 ? 600 : 400) + (int)a->len;
}

static void both_asked(void)
{
	race_init(&race, 0);
	race_ask(&race, RACE_V6);
	race_ask(&race, RACE_V4);
}

Test(reach_race, families_by_turns_a_quarter_of_a_second_apart)
{
	static const int order[] = {601, 401, 602, 402, 603};

	both_asked();
	cr_expect_eq(next(0), 0);
	cr_expect_eq(due, UINT64_MAX);
	answer(RACE_V6, 3, 10);
	answer(RACE_V4, 2, 10);
	for (unsigned int i = 0; i < 5; i++) {
		cr_expect_eq(next(10 + i * RACE_STEP_MS), order[i]);
		cr_expect_eq(next(10 + i * RACE_STEP_MS + RACE_STEP_MS - 1), 0);
		cr_expect_eq(due, i < 4 ? 10 + (i + 1) * RACE_STEP_MS : UINT64_MAX);
	}
	cr_expect_eq(next(100000), 0, "all are under way still");
}

Test(reach_race, what_does_not_answer_is_begun_with_again_where_that_is_wanted)
{
	race_init(&race, 5000);
	race_ask(&race, RACE_V6);
	race_ask(&race, RACE_V4);
	answer(RACE_V6, 1, 0);
	cr_expect_eq(next(0), 601);
	cr_expect_eq(next(6000), 0, "a name is looked up still");
	answer(RACE_V4, 1, 6000);
	cr_expect_eq(next(6000), 401);
	for (uint64_t now = 11000; now < 60000; now += 5000 + RACE_STEP_MS) {
		cr_expect_eq(next(now - 1), 0);
		cr_expect_eq(due, now);
		cr_expect_eq(next(now), 601);
		cr_expect_eq(next(now), 0);
		cr_expect_eq(due, now + RACE_STEP_MS);
		race_failed(&race, -ENETUNREACH);
		cr_expect_eq(next(now + RACE_STEP_MS), 401);
	}
	while (race.under_way > 0)
		race_failed(&race, -ETIMEDOUT);
	cr_expect_eq(next(100000), -ENETUNREACH, "nothing is under way: it is over");
}

Test(reach_race, one_that_failed_makes_room_at_once)
{
	both_asked();
	answer(RACE_V6, 2, 0);
	answer(RACE_V4, 2, 0);
	cr_expect_eq(next(0), 601);
	race_failed(&race, -ENETUNREACH);
	cr_expect_eq(next(0), 401);
	cr_expect_eq(next(1), 0);
	race_failed(&race, -ECONNREFUSED);
	cr_expect_eq(next(1), 602);
	cr_expect_eq(next(251), 402);
	race_failed(&race, -ETIMEDOUT);
	cr_expect_eq(next(252), 0);
	race_failed(&race, -ETIMEDOUT);
	cr_expect_eq(next(253), -ENETUNREACH, "why the first failed");
}

Test(reach_race, ipv4_alone_waits_a_little_for_ipv6)
{
	both_asked();
	answer(RACE_V4, 1, 100);
	cr_expect_eq(next(100), 0);
	cr_expect_eq(due, 100 + RACE_NAME_MS);
	cr_expect_eq(next(100 + RACE_NAME_MS), 401);
	/* A late answer takes part. */
	answer(RACE_V6, 1, 5000);
	cr_expect_eq(next(5000), 601);

	both_asked();
	answer(RACE_V4, 1, 100);
	answer(RACE_V6, 0, 110);
	cr_expect_eq(next(110), 401, "there is no IPv6 to wait for");

	both_asked();
	answer(RACE_V6, 1, 100);
	cr_expect_eq(next(100), 601, "IPv6 waits for nobody");
}

Test(reach_race, a_name_without_an_address)
{
	both_asked();
	answer(RACE_V6, 0, 0);
	cr_expect_eq(next(0), 0);
	answer(RACE_V4, 0, 0);
	cr_expect_eq(next(0), -ENOENT);
	race_init(&race, 0);
	cr_expect_eq(next(0), -ENOENT, "nobody was asked");
}

Test(reach_race, one_family_alone)
{
	race_init(&race, 0);
	race_ask(&race, RACE_V4);
	answer(RACE_V4, 2 * RACE_ADDRS_MAX, 0);
	for (int i = 1; i <= RACE_ADDRS_MAX; i++)
		cr_expect_eq(next((uint64_t)i * RACE_STEP_MS), 400 + i);
	for (int i = 1; i < RACE_ADDRS_MAX; i++)
		race_failed(&race, -ECONNREFUSED);
	cr_expect_eq(next(9999), 0);
	race_failed(&race, -ECONNREFUSED);
	cr_expect_eq(next(9999), -ECONNREFUSED, "more than the bound are left out");
}
