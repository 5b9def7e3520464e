/* dataplane/tcp/overload.h: answers to SYNs while a core has no time left. */
#include <criterion/criterion.h>

#include "dataplane/tcp/overload.h"

#define MS 1000

struct world {
	struct overload o;
	uint64_t now_us, busy_us;
};

/* A step in which SYNs come at a rate and a part of it, in thousandths, is worked. Answers. */
static unsigned int step(struct world *w, uint32_t syns_s, unsigned int part)
{
	unsigned int n = (unsigned int)(syns_s / (1000000 / OVERLOAD_STEP_US)), yes = 0;

	for (unsigned int i = 0; i < n; i++)
		yes += overload_may_answer(&w->o);
	w->now_us += OVERLOAD_STEP_US;
	w->busy_us += OVERLOAD_STEP_US * part / 1000;
	overload_told(&w->o, w->busy_us, w->now_us);
	return yes;
}

static struct world begin(void)
{
	struct world w = {.now_us = 1, .busy_us = 1};

	step(&w, 0, 500);
	return w;
}

Test(tcp_overload, a_core_that_rests_answers_all)
{
	struct world w = begin();

	for (int i = 0; i < 100; i++)
		cr_assert_eq(step(&w, 2000000, 980), 10000);
}

Test(tcp_overload, a_core_without_rest_answers_fewer_down_to_a_quarter)
{
	struct world w = begin();
	unsigned int was = step(&w, 2000000, 1000), now;

	cr_assert_eq(was, 10000, "the first step knew nothing");
	for (int i = 0; i < 20; i++) {
		now = step(&w, 2000000, 1000);
		cr_assert_leq(now, was);
		was = now;
	}
	cr_expect_eq(was, 10000 / OVERLOAD_FLOOR_PART);
}

Test(tcp_overload, few_syns_are_answered_whatever_the_load)
{
	struct world w = begin();

	for (int i = 0; i < 100; i++)
		cr_assert_eq(step(&w, OVERLOAD_FLOOR, 1000), OVERLOAD_FLOOR / 200);
}

Test(tcp_overload, a_step_takes_a_quarter_away_and_the_way_back_is_shorter_than_a_second)
{
	struct world w = begin();
	int n = 0;

	step(&w, 400000, 1000);
	cr_expect_eq(w.o.rate, 300000);
	step(&w, 400000, 1000);
	cr_expect_eq(w.o.rate, 225000);
	step(&w, 400000, 980);
	cr_expect_eq(w.o.rate, 225000, "between the two it stays");
	while (w.o.rate != 0 && n++ < 1000)
		step(&w, 400000, 900);
	cr_expect_leq(n * OVERLOAD_STEP_US, 1000 * MS);
}

Test(tcp_overload, a_clock_that_jumped_takes_nothing_away)
{
	struct world w = begin();

	w.now_us += 3600 * UINT64_C(1000000);
	w.busy_us += 3600 * UINT64_C(1000000);
	overload_told(&w.o, w.busy_us, w.now_us);
	cr_expect_eq(w.o.rate, 0);
}

Test(tcp_overload, it_is_judged_over_whole_steps)
{
	struct world w = begin();

	for (int i = 0; i < OVERLOAD_STEP_US / MS - 1; i++) {
		w.now_us += MS;
		w.busy_us += MS;
		overload_told(&w.o, w.busy_us, w.now_us);
		cr_assert_eq(w.o.rate, 0);
	}
}
