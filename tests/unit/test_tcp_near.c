/* dataplane/tcp/near.h: what near peers may have under way while a core has no time left. */
#include <criterion/criterion.h>

#include "dataplane/tcp/near.h"

static void steps(struct near *n, unsigned int count, uint64_t turns, uint64_t busy)
{
	for (unsigned int i = 0; i < count; i++)
		near_told(n, n->turns + turns, n->busy + busy);
}

Test(tcp_near, at_first_it_is_the_most)
{
	struct near n;

	near_init(&n);
	cr_expect_eq(n.window, NEAR_MOST);
	cr_expect_not(n.full);
}

Test(tcp_near, a_full_core_ends_at_the_least)
{
	struct near n;

	near_init(&n);
	steps(&n, 10, 20, 20);
	cr_expect(n.full);
	cr_expect_lt(n.window, NEAR_MOST / 3);
	steps(&n, 90, 20, 20);
	cr_expect_eq(n.window, NEAR_LEAST);
}

Test(tcp_near, with_time_left_it_is_soon_the_most_again)
{
	struct near n;

	near_init(&n);
	steps(&n, 100, 20, 20);
	steps(&n, 20, 20, 10);
	cr_expect_not(n.full);
	cr_expect_eq(n.window, NEAR_MOST);
}

Test(tcp_near, where_full_begins)
{
	static const struct {
		uint64_t turns, busy;
		bool full;
	} c[] = {{1, 1, true},     {1, 0, false},     {8, 8, true},
		 {8, 7, false},    {80, 71, true},    {80, 70, false},
		 {1000, 0, false}, {1000, 876, true}, {1000, 875, false}};

	for (size_t i = 0; i < sizeof(c) / sizeof(*c); i++) {
		struct near n;

		near_init(&n);
		near_told(&n, c[i].turns, c[i].busy);
		cr_expect_eq(n.full, c[i].full, "%zu: %lu of %lu", i, c[i].busy, c[i].turns);
	}
}

/* A core that slept, or is told of twice: nothing was learned. */
Test(tcp_near, no_turns_say_nothing)
{
	struct near n, was;

	near_init(&n);
	steps(&n, 5, 20, 20);
	was = n;
	steps(&n, 5, 0, 0);
	cr_expect_eq(n.window, was.window);
	cr_expect(n.full);
}
