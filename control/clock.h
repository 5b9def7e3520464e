/*
 * control/clock.h - drives the timers of control by the event loop.
 *
 * A process that was stopped finds its deadlines passed and, behind them, the answers that came in
 * time: it hears for a while before anything is late.
 */
#ifndef SLUICE_CONTROL_CLOCK_H
#define SLUICE_CONTROL_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "control/timers.h"

struct clock;

#define STOOD_MS      1000 /* so late a loop stood still */
#define STOOD_HEAR_MS 1000
#define STOOD_TIMES   3 /* before timers fire: a loop may be as slow all the while */

struct stood {
	uint64_t by_ms;          /* when it was to look again */
	uint64_t hears_until_ms; /* 0: it did not stand still */
	unsigned int times;      /* that it did, since timers fired */
};

/* The loop looks: how long it is to hear yet. */
uint64_t stood_look(struct stood *s, uint64_t now_ms);
/* It waits from then on, so long at most. */
void stood_wait(struct stood *s, uint64_t wait_ms);

/* Monotonic milliseconds: the time of all timers. */
uint64_t clock_now_ms(void);

#define CLOCK_TURN_US 1000 /* of who goes through many; then others have the loop */

/* One such turn begins; is its time over? By the machine's clock, in tests, too. */
uint64_t clock_turn(void);
bool clock_turn_over(uint64_t turn);

int clock_new(uv_loop_t *loop, struct timers *timers, struct clock **ret)
	__attribute__((warn_unused_result));
/* Timers are set by another clock than ours, which runs as fast: a test's. */
void clock_follow(struct clock *c, uint64_t (*now_ms)(void));
/* Gone when the loop has let go of its handles. */
void clock_close(struct clock *c);

#endif
