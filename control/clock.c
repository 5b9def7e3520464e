#include "control/clock.h"

#include <errno.h>
#include <stdlib.h>

/* The loop wakes for the earliest timer: looked up each time before it waits. */
struct clock {
	struct timers *timers;
	uint64_t (*now_ms)(void);
	uv_prepare_t before_wait;
	uv_timer_t alarm;
	unsigned int open; /* handles the loop still holds */
};

uint64_t clock_now_ms(void)
{
	return uv_hrtime() / 1000000;
}

static void on_alarm(uv_timer_t *alarm)
{
	struct clock *c = alarm->data;

	timers_poll(c->timers, c->now_ms());
}

static void on_before_wait(uv_prepare_t *prepare)
{
	struct clock *c = prepare->data;
	uint64_t next = timers_next_ms(c->timers), now = c->now_ms();

	if (next == UINT64_MAX) {
		uv_timer_stop(&c->alarm);
		return;
	}
	/* The loop counts from when it last looked at the clock, so it is asked to look. */
	uv_update_time(prepare->loop);
	uv_timer_start(&c->alarm, on_alarm, next > now ? next - now : 0, 0);
}

int clock_new(uv_loop_t *loop, struct timers *timers, struct clock **ret)
{
	struct clock *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return -ENOMEM;
	c->timers = timers;
	c->now_ms = clock_now_ms;
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
