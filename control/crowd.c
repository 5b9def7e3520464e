/* control/crowd.c - see crowd.h. */
#include "control/crowd.h"

/*
 * A second in which few were sent away has seen what was asked for, not what we manage. To think
 * that we manage less lets us idle, as no more come than are told to; to think that it is more
 * sends some away once more: a slow second counts little.
 */
static void reckon(struct crowd *c, uint64_t took_ms)
{
	uint64_t per_s = (uint64_t)c->done * 1000 / took_ms;

	if (per_s > c->per_s)
		c->per_s = (uint32_t)per_s;
	else if (c->away * 2 > c->done)
		c->per_s -= (uint32_t)(c->per_s - per_s) / 8;
	if (c->per_s < CROWD_PER_S_MIN)
		c->per_s = CROWD_PER_S_MIN;
	c->done = c->away = 0;
}

static void clock_to(struct crowd *c, uint64_t now_ms)
{
	uint64_t second = now_ms / 1000;

	if (c->per_s == 0)
		*c = (struct crowd){.per_s = CROWD_PER_S, .second = second, .began_ms = now_ms};
	if (now_ms - c->began_ms >= 1000) {
		reckon(c, now_ms - c->began_ms);
		c->began_ms = now_ms;
	}
	for (unsigned int n = 0; c->second < second && n < CROWD_AHEAD_S; n++) {
		c->given[c->second++ % CROWD_AHEAD_S] = 0;
		c->inside[c->second % CROWD_HOLD_S] = 0;
	}
	c->second = second;
}

uint32_t crowd_inside(struct crowd *c, uint64_t now_ms)
{
	uint32_t n = 0;

	clock_to(c, now_ms);
	for (unsigned int i = 0; i < CROWD_HOLD_S; i++)
		n += c->inside[i];
	return n;
}

/* The next second but this one that has room, in seconds from now. */
static uint32_t give(struct crowd *c)
{
	uint32_t s = 1;

	while (s < CROWD_AHEAD_S && c->given[(c->second + s) % CROWD_AHEAD_S] >= c->per_s)
		s++;
	if (s < CROWD_AHEAD_S)
		c->given[(c->second + s) % CROWD_AHEAD_S]++;
	return s;
}

bool crowd_enter(struct crowd *c, uint32_t places, uint32_t backlog, uint64_t now_ms,
		 uint32_t *ret_s)
{
	if (crowd_inside(c, now_ms) < places &&
	    (uint64_t)backlog * 1000 <= (uint64_t)c->per_s * CROWD_BACKLOG_MS) {
		c->inside[c->second % CROWD_HOLD_S]++;
		return true;
	}
	c->away++;
	*ret_s = give(c);
	return false;
}

void crowd_leave(struct crowd *c, uint64_t enter_ms, bool in, uint64_t now_ms)
{
	uint64_t second = enter_ms / 1000;

	clock_to(c, now_ms);
	if (c->second - second < CROWD_HOLD_S)
		c->inside[second % CROWD_HOLD_S]--;
	c->done += in;
}
