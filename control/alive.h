/*
 * control/alive.h - a program with a loop and the service manager that watches it.
 *
 * The beat is a timer of the loop's, among all others: a loop that hangs gives none, and the
 * manager starts the program again.
 * Thread  the loop's.
 */
#ifndef SLUICE_CONTROL_ALIVE_H
#define SLUICE_CONTROL_ALIVE_H

#include "conf/notify.h"
#include "control/timers.h"

struct alive {
	struct notify to; /* opened by the caller, before privileges are given up */
	struct timers *timers;
	uint64_t (*now_ms)(void);
	struct timer beat;
};

/* Serving: says so, and beats from here on. -ENOMEM, and nothing was said. */
int alive_begin(struct alive *a, struct timers *timers, uint64_t (*now_ms)(void))
	__attribute__((warn_unused_result));
/* Says that it stops, and no more. Without alive_begin(), too. */
void alive_end(struct alive *a);

#endif
