/* control/timers.c and control/startups.c: deadlines and MaxStartups. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "control/log.h"
#include "control/startups.h"
#include "control/timers.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

struct owner {
	struct timer t;
	unsigned int fired;
};

static uint64_t last_fired;
static struct timers *ts;

static void fire(struct timer *t)
{
	struct owner *o = (struct owner *)(void *)t;

	cr_expect(!timer_armed(t));
	cr_expect_geq(t->at_ms, last_fired, "in order of time");
	last_fired = t->at_ms;
	o->fired++;
}

static void setup(void)
{
	cr_assert_eq(timers_new(&ts), 0);
}

static void teardown(void)
{
	timers_free(ts);
}

TestSuite(control_timers, .init = setup, .fini = teardown);

Test(control_timers, fire_in_order_whatever_the_order_of_arming)
{
	static struct owner o[500];

	srand(1);
	for (size_t i = 0; i < N(o); i++) {
		o[i].t.fire = fire;
		cr_assert_eq(timer_set(ts, &o[i].t, (uint64_t)(rand() % 1000)), 0);
	}
	for (size_t i = 0; i < N(o); i += 3) /* move some, drop some */
		cr_assert_eq(timer_set(ts, &o[i].t, (uint64_t)(rand() % 1000)), 0);
	for (size_t i = 1; i < N(o); i += 3)
		timer_cancel(ts, &o[i].t);
	for (uint64_t now = 0; now <= 1000; now += 7)
		timers_poll(ts, now);
	timers_poll(ts, 1000);
	for (size_t i = 0; i < N(o); i++)
		cr_expect_eq(o[i].fired, i % 3 != 1, "timer %zu", i);
	cr_expect_eq(timers_next_ms(ts), UINT64_MAX);
}

Test(control_timers, not_before_its_time)
{
	struct owner o = {.t.fire = fire};

	cr_assert_eq(timer_set(ts, &o.t, 100), 0);
	cr_expect_eq(timers_poll(ts, 99), 0);
	cr_expect_eq(timers_next_ms(ts), 100);
	cr_expect_eq(timers_poll(ts, 100), 1);
	cr_expect_eq(timers_poll(ts, 1000), 0, "once");
}

Test(control_timers, cancel_of_an_unarmed_one_is_nothing)
{
	struct owner o = {.t.fire = fire};

	timer_cancel(ts, &o.t);
	cr_expect_eq(timers_next_ms(ts), UINT64_MAX);
}

Test(control_startups, percent_rises_from_rate_to_all)
{
	static const struct {
		struct startups_limit l;
		uint32_t n;
		unsigned int percent;
	} c[] = {
		{{10, 30, 100}, 0, 0},     {{10, 30, 100}, 9, 0},   {{10, 30, 100}, 10, 30},
		{{10, 30, 100}, 55, 65},   {{10, 30, 100}, 99, 99}, {{10, 30, 100}, 100, 100},
		{{10, 30, 100}, 101, 100}, {{5, 100, 50}, 4, 0},    {{5, 100, 50}, 5, 100},
		{{10, 100, 10}, 10, 100},  {{10, 100, 10}, 9, 0},   {{0, 50, 100}, 0, 50},
	};

	for (size_t i = 0; i < N(c); i++)
		cr_expect_eq(startups_percent(&c[i].l, c[i].n), c[i].percent, "case %zu", i);
}

static unsigned int logged;

static void sink(void *arg, enum log_level level, const char *text)
{
	(void)arg;
	(void)level;
	(void)text;
	logged++;
}

Test(control_startups, full_means_full_and_places_come_back)
{
	struct startups s = {.limit = {2, 100, 2}};

	log_sink_set(sink, NULL);
	cr_expect(startups_enter(&s, 0));
	cr_expect(startups_enter(&s, 0));
	for (int i = 0; i < 1000; i++)
		cr_expect(!startups_enter(&s, 0));
	startups_leave(&s, 5000);
	cr_expect(startups_enter(&s, 5000));
	cr_expect_eq(logged, 2, "a flood of 1000 writes its beginning and its end");
}

Test(control_startups, a_share_is_refused_between_start_and_full)
{
	unsigned int refused = 0;

	log_sink_set(sink, NULL);
	for (int i = 0; i < 4000; i++) {
		struct startups s = {.limit = {10, 30, 100}, .unauthenticated = 10};

		refused += !startups_enter(&s, 0);
	}
	/* 30 of a hundred: ten standard deviations to either side. */
	cr_expect(refused > 910 && refused < 1490, "%u of 4000", refused);
}
