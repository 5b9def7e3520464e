/* dataplane/tcp/overload.c - see overload.h. */
#include "dataplane/tcp/overload.h"

#include <rte_common.h>

/* The first limit is below what came. */
static uint32_t fewer(const struct overload *o, uint64_t step_us)
{
	uint64_t asked = o->asked * UINT64_C(1000000) / step_us;
	uint64_t floor = RTE_MAX(asked / OVERLOAD_FLOOR_PART, (uint64_t)OVERLOAD_FLOOR);
	uint64_t now = o->rate != 0 ? o->rate : asked;

	return (uint32_t)RTE_MAX(now - now / 4, floor);
}

/* A limit that was not reached says nothing: it may as well go. */
static uint32_t more(const struct overload *o)
{
	uint32_t rate = o->rate + o->rate / 16;

	return o->rate == 0 || rate > OVERLOAD_NONE ? 0 : rate;
}

void overload_told(struct overload *o, uint64_t busy_us, uint64_t now_us)
{
	uint64_t passed = now_us - o->step_us, busy = busy_us - o->step_busy_us;

	if (passed < OVERLOAD_STEP_US)
		return;
	/* A step that was much longer is of a core that slept or was stopped. */
	if (passed > 20 * OVERLOAD_STEP_US || busy * 1000 < passed * OVERLOAD_PART_SPARE)
		o->rate = more(o);
	else if (busy * 1000 >= passed * OVERLOAD_PART_FULL)
		o->rate = fewer(o, passed);
	o->left = o->rate / (1000000 / OVERLOAD_STEP_US);
	o->asked = 0;
	o->step_us = now_us;
	o->step_busy_us = busy_us;
}
