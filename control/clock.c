#include "control/clock.h"

#include <errno.h>
#include <stdlib.h>

/* The loop wakes for the earliest timer: looked up each time before it waits. */
struct clock {
	struct timers *timers;
	uint64_t (*now_ms)(void);
	struct stood stood;
	uv_prepare_t before_wait;
	uv_timer_t alarm;
	unsigned int open; /* handles the loop still holds */
};

uint64_t clock_now_ms(void)
{
	return uv_hrtime() / 1000000;
}

uint64_t clock_turn(void)
{
	return uv_hrtime();
}

bool clock_turn_over(uint64_t turn)
{
	return uv_hrtime() - turn >= CLOCK_TURN_US * 1000;
}

uint64_t stood_look(struct stood *s, uint64_t now_ms)
{
	if (now_ms > s->by_ms && now_ms - s->by_ms >= STOOD_MS && s->times < STOOD_TIMES) {
		s->times++;
		s->hears_until_ms = now_ms + STOOD_HEAR_MS;
	}
	s->by_ms = now_ms;
	return now_ms < s->hears_until_ms ? s->hears_until_ms - now_ms : 0;
}

void stood_wait(struct stood *s, uint64_t wait_ms)
{
	s->by_ms = wait_ms < UINT64_MAX - s->by_ms ? s->by_ms + wait_ms : UINT64_MAX;
}

/* A test's clock leaps; that is no standing still. */
static uint64_t must_hear_ms(struct clock *c)
{
	return c->now_ms == clock_now_ms ? stood_look(&c->stood, clock_now_ms()) : 0;
}

static void on_alarm(uv_timer_t *alarm)
{
	struct clock *c = alarm->data;

	if (must_hear_ms(c) > 0)
		return;
	c->stood.times = 0;
	timers_poll(c->timers, c->now_ms());
}

static void on_before_wait(uv_prepare_t *prepare)
{
	struct clock *c = prepare->data;
	uint64_t next = timers_next_ms(c->timers), now = c->now_ms();
	uint64_t hear = must_hear_ms(c), wait = next > now ? next - now : 0;

	if (wait < hear)
		wait = hear;
	stood_wait(&c->stood, next != UINT64_MAX ? wait : UINT64_MAX);
	if (next == UINT64_MAX) {
		uv_timer_stop(&c->alarm);
		return;
	}
	/* The loop counts from when it last looked at the clock, so it is asked to look. */
	uv_update_time(prepare->loop);
	uv_timer_start(&c->alarm, on_alarm, wait, 0);
}

int clock_new(uv_loop_t *loop, struct timers *timers, struct clock **ret)
{
	struct clock *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return -ENOMEM;
	c->timers = timers;
	c->now_ms = clock_now_ms;
	c->stood.by_ms = UINT64_MAX; /* it does not run yet */
	uv_prepare_init(loop, &c->before_wait);
	uv_timer_init(loop, &c->alarm);
	c->before_wait.data = c->alarm.data = c;
	c->open = 2;
	uv_prepare_start(&c->before_wait, on_before_wait);
	*ret = c;
	return 0;
}

void clock_follow(struct clock *c, uint64_t (*now_ms)(void))
{
	c->now_ms = now_ms;
}

static void on_closed(uv_handle_t *h)
{
	struct clock *c = h->data;

	if (--c->open == 0)
		free(c);
}

void clock_close(struct clock *c)
{
	if (c == NULL)
		return;
	uv_close((uv_handle_t *)&c->before_wait, on_closed);
	uv_close((uv_handle_t *)&c->alarm, on_closed);
}
