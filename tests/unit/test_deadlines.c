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
	cr_expect_not(deadlines_has(&d, 1));
	deadlines_remove(&d, MAX);
	cr_expect_eq(d.n, 0);
}

Test(deadlines, the_last_number_has_its_place)
{
	deadlines_set(&d, MAX, 5);
	cr_expect_eq(deadlines_first(&d), MAX);
	deadlines_remove(&d, MAX);
	cr_expect_not(deadlines_has(&d, MAX));
}

Test(deadlines, a_time_moves_both_ways)
{
	deadlines_set(&d, 1, 10);
	deadlines_set(&d, 2, 20);
	deadlines_set(&d, 2, 5);
	cr_expect_eq(deadlines_first(&d), 2);
	deadlines_set(&d, 2, 30);
	cr_expect_eq(deadlines_first(&d), 1);
	cr_expect_eq(deadlines_next_us(&d), 10);
	cr_expect_eq(d.n, 2);
}

Test(deadlines, the_next_is_one_of_those_behind)
{
	uint32_t behind[4];

	for (uint32_t i = 1; i <= MAX; i++) {
		deadlines_set(&d, i, (i * 7919) % 1009);
	}
	while (d.n > 1) {
		unsigned int n = deadlines_behind(&d, behind);
		bool found = false;

		deadlines_remove(&d, deadlines_first(&d));
		for (unsigned int i = 0; i < n; i++)
			found |= behind[i] == deadlines_first(&d);
		cr_assert(found);
	}
	cr_expect_eq(deadlines_behind(&d, behind), 0);
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

Test(deadlines, any_order_agrees_with_a_plain_search)
{
	struct rnd r = rnd_new(rnd_seed());
	unsigned int steps = test_long() ? 10000000 : 20000;

	for (unsigned int i = 0; i < steps; i++) {
		uint32_t number = 1 + (uint32_t)(rnd_u64(&r) % MAX);

		if (rnd_u64(&r) % 3 == 0) {
			deadlines_remove(&d, number);
			plain[number] = 0;
		} else {
			plain[number] = 1 + rnd_u64(&r) % 1000;
			deadlines_set(&d, number, plain[number]);
		}
		cr_assert_eq(deadlines_has(&d, number), plain[number] != 0);
		cr_assert_eq(deadlines_next_us(&d), least(), "step %u", i);
		if (d.n > 0)
			cr_assert_eq(plain[deadlines_first(&d)], least());
	}
}
