/* client/lib/grow.c - see grow.h. */
#include "client/lib/grow.h"

void grow_granted(struct grow *g, uint32_t window_size, uint64_t now_us)
{
	if (g->until != 0)
		return;
	g->until = g->received + window_size;
	g->began_us = now_us;
}

void grow_received(struct grow *g, uint32_t n, uint64_t now_us)
{
	bool used_up = grow_wants_time(g, n);
	uint64_t took_us = now_us - g->began_us;

	g->received += n;
	if (!used_up)
		return;
	g->until = 0;
	if (g->least_us == 0 || took_us < g->least_us)
		g->least_us = took_us;
	g->worth = took_us <= g->least_us + g->least_us / 2;
}

bool grow_worth(struct grow *g)
{
	bool worth = g->worth;

	g->worth = false;
	return worth;
}
