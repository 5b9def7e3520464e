/*
 * dataplane/clock.h - microseconds of a monotonic clock, from the TSC: no system call.
 *
 * Starts at CLOCK_MONOTONIC, so that times in events mean something to control.
 */
#ifndef SLUICE_DATAPLANE_CLOCK_H
#define SLUICE_DATAPLANE_CLOCK_H

#include <stdint.h>
#include <time.h>

#include <rte_cycles.h>

struct clock {
	uint64_t tsc0, us0;
	uint64_t mult; /* microseconds per cycle, 32.32 */
	uint64_t hz;
};

static inline void clock_start(struct clock *c)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	c->hz = rte_get_tsc_hz();
	c->tsc0 = rte_rdtsc();
	c->us0 = (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
	c->mult = (UINT64_C(1000000) << 32) / c->hz;
}

static inline uint64_t clock_us(const struct clock *c, uint64_t tsc)
{
	return c->us0 + (uint64_t)(((unsigned __int128)(tsc - c->tsc0) * c->mult) >> 32);
}

#endif
