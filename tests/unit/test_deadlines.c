/* dataplane/deadlines: what is due first, against a plain search. */
#include <criterion/criterion.h>

#include "dataplane/deadlines.h"
#include "tests/util/rnd.h"

#define MAX 300

static struct deadlines d;

static void setup(void)
{
	cr_assert_eq(deadlines_init(&d, MAX), 0);
}

static void teardown(void)
{
	deadlines_fini(&d);
}

TestSuite(deadlines, .init = setup, .fini = teardown);

Test(deadlines, nothing_is_due_where_nothing_stands)
{
	cr_expect_eq(deadlines_next_us(&d), UINT64_MAX);
	cr_expect_eq(deadlines_due(&d, UINT64_MAX), 0);
	cr_expect_eq(deadlines_at_us(&d, 1), 0);
	deadlines_remove(&d, MAX);
	deadlines_advance(&d, UINT64_MAX);
	cr_expect_eq(d.n + d.waiting, 0);
}

Test(deadlines, the_last_number_has_its_place)
{
	deadlines_set(&d, MAX, 5);
	cr_expect_eq(deadlines_due(&d, 5), MAX);
	cr_expect_eq(deadlines_due(&d, 4), 0);
	deadlines_remove(&d, MAX);
	cr_expect_eq(deadlines_at_us(&d, MAX), 0);
}

Test(deadlines, a_time_moves_both_ways)
{
	deadlines_set(&d, 1, 10);
	deadlines_set(&d, 2, 20);
	deadlines_set(&d, 2, 5);
	cr_expect_eq(deadlines_due(&d, 10), 2);
	deadlines_set(&d, 2, 30);
	cr_expect_eq(deadlines_due(&d, 10), 1);
	cr_expect_eq(deadlines_next_us(&d), 10);
	cr_expect_eq(d.n, 2);
}

/* From a heap to each wheel, between them and back. */
Test(deadlines, a_time_moves_between_wheels)
{
	static const uint64_t at_us[] = {
		1, UINT64_C(1) << 13, UINT64_C(1) << 21, UINT64_C(1) << 29, UINT64_C(1) << 40,
		1, UINT64_C(1) << 29, UINT64_C(1) << 13,
	};

	for (unsigned int i = 0; i < sizeof(at_us) / sizeof(*at_us); i++) {
		deadlines_set(&d, 1, at_us[i]);
		cr_expect_eq(d.n + d.waiting, 1, "%u", i);
		cr_expect_leq(deadlines_next_us(&d), at_us[i], "%u", i);
		cr_expect_eq(deadlines_due(&d, UINT64_MAX), i == 0 || i == 5 ? 1 : 0, "%u", i);
	}
	deadlines_remove(&d, 1);
	cr_expect_eq(d.n + d.waiting, 0);
}

/* What leaves from the head, the middle and the end of a list leaves the others where they are. */
Test(deadlines, a_list_is_left_from_anywhere)
{
	static const uint32_t order[][3] = {{1, 2, 3}, {1, 3, 2}, {2, 1, 3},
					    {2, 3, 1}, {3, 1, 2}, {3, 2, 1}};
	const uint64_t at_us = UINT64_C(100) << DEADLINES_SHIFT;

	for (unsigned int i = 0; i < sizeof(order) / sizeof(*order); i++) {
		for (uint32_t k = 1; k <= 3; k++)
			deadlines_set(&d, k, at_us + k);
		deadlines_remove(&d, order[i][0]);
		cr_expect_eq(deadlines_next_us(&d), at_us + (order[i][0] == 1 ? 2 : 1));
		deadlines_remove(&d, order[i][1]);
		cr_expect_eq(deadlines_next_us(&d), at_us + order[i][2]);
		deadlines_remove(&d, order[i][2]);
		cr_expect_eq(deadlines_next_us(&d), UINT64_MAX);
	}
}

/* A shard that starts on a machine that has been up for years does not count every slot. */
Test(deadlines, time_may_pass_at_once)
{
	const uint64_t years_us = UINT64_C(1) << 49;

	deadlines_set(&d, 1, years_us);
	deadlines_set(&d, 2, years_us + 1);
	do
		deadlines_advance(&d, years_us - 1);
	while (deadlines_next_us(&d) < years_us);
	cr_expect_eq(deadlines_due(&d, years_us - 1), 0);
	do /* they come by once in 19 hours */
		deadlines_advance(&d, years_us);
	while (deadlines_next_us(&d) < years_us);
	cr_expect_eq(deadlines_due(&d, years_us), 1);
}

Test(deadlines, the_next_is_one_of_those_behind)
{
	uint32_t behind[4], first;

	for (uint32_t i = 1; i <= MAX; i++) {
		deadlines_set(&d, i, (i * 7919) % 1009);
	}
	while (d.n > 1) {
		unsigned int n = deadlines_behind(&d, behind);
		bool found = false;

		deadlines_remove(&d, deadlines_due(&d, UINT64_MAX));
		first = deadlines_due(&d, UINT64_MAX);
		for (unsigned int i = 0; i < n; i++)
			found |= behind[i] == first;
		cr_assert(found);
	}
	cr_expect_eq(deadlines_behind(&d, behind), 0);
}

/* A crowd that is near at once: no call moves all of it, and who leaves meanwhile is gone. */
Test(deadlines, a_crowd_sets_out_a_part_at_a_time)
{
	const uint32_t crowd = 5 * DEADLINES_MOVES;
	const uint64_t at_us = (UINT64_C(1) << 29) + (1 << 21) + (1 << 13);
	const uint32_t gone[] = {1, crowd / 2, crowd};
	unsigned int calls = 0, n = 0;
	struct deadlines c;
	uint32_t first;

	cr_assert_eq(deadlines_init(&c, crowd), 0);
	for (uint32_t i = 1; i <= crowd; i++)
		deadlines_set(&c, i, at_us);
	while (c.n < crowd - 3) {
		uint32_t near = c.n;

		deadlines_advance(&c, at_us);
		cr_assert_leq(c.n - near, DEADLINES_MOVES);
		if (calls == 0) /* of those on their way, and of those that are not */
			for (uint32_t i = 0; i < 3; i++)
				deadlines_remove(&c, gone[i]);
		cr_assert(c.n == crowd - 3 || deadlines_next_us(&c) <= at_us);
		calls++;
	}
	cr_expect_geq(calls, 3 * 5 - 1); /* two wheels and the heap */
	while ((first = deadlines_due(&c, at_us)) != 0) {
		for (uint32_t i = 0; i < 3; i++)
			cr_assert_neq(first, gone[i]);
		deadlines_remove(&c, first);
		n++;
	}
	cr_expect_eq(n, crowd - 3);
	cr_expect_eq(c.waiting, 0);
	cr_expect_eq(deadlines_next_us(&c), UINT64_MAX);
	deadlines_fini(&c);
}

/* When each number is due; 0: it is not there. */
static uint64_t plain[MAX + 1];

static uint64_t least(void)
{
	uint64_t at = UINT64_MAX;

	for (unsigned int i = 1; i <= MAX; i++)
		if (plain[i] != 0 && plain[i] < at)
			at = plain[i];
	return at;
}

/* All that is due now, and nothing else, by its time. */
static void take_due(uint64_t now_us)
{
	uint32_t first;

	do {
		deadlines_advance(&d, now_us);
		while ((first = deadlines_due(&d, now_us)) != 0) {
			cr_assert_eq(plain[first], least());
			plain[first] = 0;
			deadlines_remove(&d, first);
		}
	} while (deadlines_next_us(&d) <= now_us);
	cr_assert_gt(least(), now_us);
}

/* Times near and far, of which some move or go before they come; sleeps as long as is said. */
Test(deadlines, any_order_agrees_with_a_plain_search)
{
	struct rnd r = rnd_new(rnd_seed());
	unsigned int steps = test_long() ? 10000000 : 20000, early = 0;
	uint64_t now_us = rnd_u64(&r) >> 20;

	for (unsigned int i = 0; i < steps; i++) {
		uint32_t number = 1 + (uint32_t)(rnd_u64(&r) % MAX);
		uint64_t next_us;

		if (rnd_u64(&r) % 3 == 0) {
			deadlines_remove(&d, number);
			plain[number] = 0;
		} else {
			plain[number] = now_us + 1 + (rnd_u64(&r) >> (24 + rnd_u64(&r) % 40));
			deadlines_set(&d, number, plain[number]);
		}
		cr_assert_eq(deadlines_at_us(&d, number), plain[number]);
		next_us = deadlines_next_us(&d);
		cr_assert_leq(next_us, least(), "step %u", i);
		cr_assert_gt(next_us, now_us, "step %u", i);
		early += next_us < least();
		/* What is near is not looked for in vain. */
		if (least() - now_us < UINT64_C(1) << DEADLINES_SHIFT)
			cr_assert_geq(next_us, least() >> DEADLINES_SHIFT << DEADLINES_SHIFT);
		if (rnd_u64(&r) % 4 == 0 && next_us != UINT64_MAX)
			now_us = next_us;
		else if (rnd_u64(&r) % 4 == 0)
			now_us += rnd_u64(&r) >> (40 + rnd_u64(&r) % 24);
		take_due(now_us);
	}
	cr_expect_gt(early, 0);
}
