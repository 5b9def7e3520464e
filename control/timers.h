/*
 * control/timers.h - deadlines of many objects over one clock.
 *
 * A heap of timers that live inside their owners. An owner may go at any time: it
 * cancels its timer and is freed, which a handle of the event loop's does not allow.
 * The clock is the caller's, so tests have a virtual one.
 * Units   milliseconds, monotonic.
 * Thread  the loop's.
 */
#ifndef SLUICE_CONTROL_TIMERS_H
#define SLUICE_CONTROL_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timers;

struct timer {
	uint64_t at_ms;
	size_t place; /* in the heap, from 1; 0: not armed */
	void (*fire)(struct timer *t);
};

int timers_new(struct timers **ret) __attribute__((warn_unused_result));
/* Nothing fires any more; owners need not cancel. */
void timers_free(struct timers *ts);

/* Arms or moves. 0 or -ENOMEM, which leaves the timer as it was. */
int timer_set(struct timers *ts, struct timer *t, uint64_t at_ms)
	__attribute__((warn_unused_result));
void timer_cancel(struct timers *ts, struct timer *t);
static inline bool timer_armed(const struct timer *t)
{
	return t->place != 0;
}

/* Fires what is due; a timer is disarmed before it fires. Returns how many. */
unsigned int timers_poll(struct timers *ts, uint64_t now_ms);
/* When the next is due; UINT64_MAX: none. */
uint64_t timers_next_ms(const struct timers *ts);

#endif
