/*
 * control/clock.h - drives the timers of control by the event loop.
 */
#ifndef SLUICE_CONTROL_CLOCK_H
#define SLUICE_CONTROL_CLOCK_H

#include <stdint.h>
#include <uv.h>

#include "control/timers.h"

struct clock;

/* Monotonic milliseconds: the time of all timers. */
uint64_t clock_now_ms(void);

int clock_new(uv_loop_t *loop, struct timers *timers, struct clock **ret)
	__attribute__((warn_unused_result));
/* Timers are set by another clock than ours, which runs as fast: a test's. */
void clock_follow(struct clock *c, uint64_t (*now_ms)(void));
/* Gone when the loop has let go of its handles. */
void clock_close(struct clock *c);

#endif
