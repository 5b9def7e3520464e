/*
 * dataplane/tcp/overload.h - what gives way when a core has no time left: answers to SYNs.
 *
 * A flood of SYNs costs no memory (cookies), yet each answer costs its cycles, and where a port is
 * a kernel's device a system call. Connections that exist go before requests: while the core has
 * worked without a rest, fewer of the SYNs that would get a cookie are answered (the others come
 * again, RFC 6298 section 2), down to a floor at which strangers still get in with one of their
 * tries; when it rests again, more. Multiplicative both ways: within a tenth of a second it is
 * where it should be.
 *
 * Units   microseconds, answers per second.
 * Lcore   the shard's.
 */
#ifndef SLUICE_DATAPLANE_TCP_OVERLOAD_H
#define SLUICE_DATAPLANE_TCP_OVERLOAD_H

#include <stdbool.h>
#include <stdint.h>

#define OVERLOAD_STEP_US    5000
#define OVERLOAD_FLOOR      50000   /* answers a second at least, */
#define OVERLOAD_FLOOR_PART 4       /* and one of so many SYNs */
#define OVERLOAD_NONE       8000000 /* beyond it nothing is limited */
#define OVERLOAD_PART_FULL  995     /* worked this many thousandths of a step: no time left */
#define OVERLOAD_PART_SPARE 970     /* fewer: some is */

/* All zero: nothing is limited. */
struct overload {
	uint64_t step_us, step_busy_us; /* where the step began */
	uint32_t rate;                  /* answers a second; 0: no limit */
	uint32_t left;                  /* answers in this step */
	uint32_t asked;                 /* in this step */
};

/* busy_us: time worked since the start, rising; told each millisecond or so. */
void overload_told(struct overload *o, uint64_t busy_us, uint64_t now_us);

/* May one more SYN be answered? */
static inline bool overload_may_answer(struct overload *o)
{
	o->asked++;
	if (o->rate == 0)
		return true;
	if (o->left == 0)
		return false;
	o->left--;
	return true;
}

#endif
