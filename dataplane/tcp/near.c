/* dataplane/tcp/near.c - see near.h. */
#include "dataplane/tcp/near.h"

#include <rte_common.h>

void near_init(struct near *n)
{
	*n = (struct near){.window = NEAR_MOST};
}

void near_told(struct near *n, uint64_t turns, uint64_t busy)
{
	uint64_t passed = turns - n->turns, idle = passed - (busy - n->busy);

	if (passed == 0)
		return;
	n->full = idle * NEAR_PART < passed;
	if (n->full)
		n->window = RTE_MAX(n->window - n->window / 8, NEAR_LEAST);
	else
		n->window = RTE_MIN(n->window + n->window / 4, NEAR_MOST);
	n->turns = turns;
	n->busy = busy;
}
