/* control/alive.c - see alive.h. */
#include "control/alive.h"

static int beat_again(struct alive *a)
{
	if (a->to.watchdog_ms == 0)
		return 0;
	return timer_set(a->timers, &a->beat, a->now_ms() + (a->to.watchdog_ms + 2) / 3);
}

static void beat(struct timer *t)
{
	struct alive *a = (struct alive *)(void *)((char *)t - offsetof(struct alive, beat));

	notify_beat(&a->to);
	(void)beat_again(a); /* its place in the heap has just become free */
}

int alive_begin(struct alive *a, struct timers *timers, uint64_t (*now_ms)(void))
{
	int r;

	a->timers = timers;
	a->now_ms = now_ms;
	a->beat.fire = beat;
	r = beat_again(a);
	if (r == 0)
		notify_ready(&a->to, "serving");
	return r;
}

void alive_end(struct alive *a)
{
	if (a->timers != NULL)
		timer_cancel(a->timers, &a->beat);
	notify_stopping(&a->to);
	notify_close(&a->to);
}
