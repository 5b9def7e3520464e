/* control/timers.c, control/clock.c and control/startups.c: deadlines and MaxStartups. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "control/clock.h"
#include "control/crowd.h"
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

/* F-04. What answered in time is heard before anything is late. */
Test(control_clock, f04_who_stood_still_hears_first)
{
	struct stood s = {.by_ms = UINT64_MAX};

	cr_expect_eq(stood_look(&s, 5000), 0, "it begins");
	stood_wait(&s, 200);
	cr_expect_eq(stood_look(&s, 5200 + STOOD_MS - 1), 0, "a turn may be slow");
	stood_wait(&s, 200);
	cr_expect_eq(stood_look(&s, 5100), 0, "awakened early");
	stood_wait(&s, UINT64_MAX);
	cr_expect_eq(stood_look(&s, 900000), 0, "nothing was due");
	stood_wait(&s, 200);
	cr_expect_eq(stood_look(&s, 960000), STOOD_HEAR_MS);
	stood_wait(&s, STOOD_HEAR_MS);
	cr_expect_eq(stood_look(&s, 960400), STOOD_HEAR_MS - 400);
	stood_wait(&s, STOOD_HEAR_MS - 400);
	cr_expect_eq(stood_look(&s, 960000 + STOOD_HEAR_MS), 0);
}

Test(control_clock, f04_stopped_again_before_it_has_heard_it_hears_again)
{
	struct stood s = {.by_ms = 1000};

	cr_expect_eq(stood_look(&s, 11000), STOOD_HEAR_MS);
	stood_wait(&s, STOOD_HEAR_MS);
	cr_expect_eq(stood_look(&s, 71000), STOOD_HEAR_MS);
}

/* Or its timers would never fire. */
Test(control_clock, one_that_is_slow_all_the_while_is_none_that_stood_still)
{
	struct stood s = {.by_ms = 0};
	unsigned int n = 0;

	for (uint64_t now = 2 * STOOD_MS; stood_look(&s, now) > 0; now += 2 * STOOD_MS)
		n++;
	cr_expect_eq(n, STOOD_TIMES);
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

Test(control_crowd, agents_have_so_many_places_and_those_come_back)
{
	struct crowd c = {0};
	uint32_t away_s = 0;

	cr_expect(crowd_enter(&c, 2, 0, 1000, &away_s));
	cr_expect(crowd_enter(&c, 2, 0, 1000, &away_s));
	cr_expect(!crowd_enter(&c, 2, 0, 1000, &away_s));
	cr_expect_eq(away_s, 1);
	crowd_leave(&c, 1000, false, 1001);
	cr_expect(crowd_enter(&c, 2, 0, 1001, &away_s));
	cr_expect(!crowd_enter(&c, 1, 0, 1001, &away_s), "there are fewer now");
}

/* Who takes all places and never says another word holds them for seconds. */
Test(control_crowd, a_place_is_held_for_seconds_at_most)
{
	struct crowd c = {0};
	uint32_t away_s;

	cr_expect(crowd_enter(&c, 2, 0, 1500, &away_s));
	cr_expect(crowd_enter(&c, 2, 0, 2500, &away_s));
	cr_expect(!crowd_enter(&c, 2, 0, 3999, &away_s));
	cr_expect(crowd_enter(&c, 2, 0, 4000, &away_s));
	cr_expect_eq(crowd_inside(&c, 4000), 2);
	crowd_leave(&c, 1500, false, 4000); /* it had none any more */
	cr_expect_eq(crowd_inside(&c, 4000), 2);
	crowd_leave(&c, 2500, true, 4000);
	cr_expect_eq(crowd_inside(&c, 4000), 1);
	cr_expect_eq(crowd_inside(&c, 7000), 0);
}

Test(control_crowd, who_would_wait_behind_others_is_told_to_come_later)
{
	static const uint32_t most = CROWD_PER_S * CROWD_BACKLOG_MS / 1000;
	struct crowd c = {0};
	uint32_t away_s;

	cr_expect(crowd_enter(&c, 100, most, 1000, &away_s));
	cr_expect(!crowd_enter(&c, 100, most + 1, 1000, &away_s));
	cr_expect(!crowd_enter(&c, 100, UINT32_MAX, 1000, &away_s));
}

Test(control_crowd, each_second_is_given_to_as_many_as_are_let_in)
{
	static const uint32_t all = (CROWD_AHEAD_S - 1) * CROWD_PER_S;
	struct crowd c = {0};
	uint32_t away_s = 0;

	for (uint32_t i = 0; i < all; i++) {
		cr_assert(!crowd_enter(&c, 0, 0, 1000, &away_s));
		cr_assert_eq(away_s, 1 + i / CROWD_PER_S);
	}
	cr_assert(!crowd_enter(&c, 0, 0, 1000, &away_s));
	cr_assert_eq(away_s, CROWD_AHEAD_S, "behind all of them");
	/* A second that is over gives way to another one. */
	c.done = CROWD_PER_S;
	cr_assert(!crowd_enter(&c, 0, 0, 2000, &away_s));
	cr_assert_eq(away_s, CROWD_AHEAD_S - 1);
	/* And after a rest there is nothing left of all that. */
	cr_assert(!crowd_enter(&c, 0, 0, 10000000, &away_s));
	cr_assert_eq(away_s, 1);
}

Test(control_crowd, how_many_are_let_in_is_what_a_second_that_was_full_has_seen)
{
	struct crowd c = {0};
	uint64_t now = 1000;
	uint32_t away_s;

	for (int s = 0; s < 3; s++, now += 1000)
		for (uint32_t i = 0; i < 400; i++) {
			cr_assert(crowd_enter(&c, 1, 0, now + i, &away_s));
			cr_assert(!crowd_enter(&c, 1, 0, now + i, &away_s));
			crowd_leave(&c, now + i, true, now + i);
		}
	cr_expect_eq(c.per_s, 400);
	for (int s = 0; s < 100; s++, now += 1000) { /* few were sent away: nothing is known */
		for (int i = 0; i < 4; i++) {
			cr_assert(crowd_enter(&c, 1, 0, now, &away_s));
			cr_assert(i > 1 || !crowd_enter(&c, 1, 0, now, &away_s));
			crowd_leave(&c, now, true, now);
		}
	}
	cr_expect_eq(c.per_s, 400);
	now += 1000;
	cr_assert(!crowd_enter(&c, 0, 0, now, &away_s));
	cr_assert(!crowd_enter(&c, 0, 0, now + 5000, &away_s));
	cr_expect_eq(c.per_s, 400 - 400 / 8, "one that stood still counts little");
	for (int s = 0; s < 1000; s++, now += 1000)
		cr_assert(!crowd_enter(&c, 0, 0, now + 6000, &away_s));
	cr_expect_eq(c.per_s, CROWD_PER_S_MIN);
}
