/* dataplane/relay/meter.c - see meter.h. */
#include "dataplane/relay/meter.h"

#define MICRO 1000000

static uint64_t at_least(uint64_t n, uint64_t least)
{
	return n < least ? least : n;
}

static uint64_t at_most(uint64_t n, uint64_t most)
{
	return n > most ? most : n;
}

static void refill(struct meter *m, uint64_t now_us)
{
	uint64_t room = (uint64_t)((int64_t)m->burst * MICRO - m->level), more;

	if (now_us <= m->at_us)
		return;
	if (__builtin_mul_overflow(now_us - m->at_us, m->rate, &more) || more > room)
		more = room;
	m->level += (int64_t)more;
	m->at_us = now_us;
}

void meter_set(struct meter *m, uint64_t rate, uint32_t burst, uint64_t now_us)
{
	bool had = m->rate != 0;
	uint64_t b;

	if (had)
		refill(m, now_us);
	rate = at_most(rate, METER_RATE_MAX);
	b = burst != 0 ? burst : rate / METER_BURST_PART;
	b = at_least(b, rate * 2 / METER_CHUNK_PART);
	b = at_most(at_least(b, METER_BURST_MIN), METER_BURST_MAX);
	m->rate = rate;
	m->burst = (uint32_t)b;
	m->chunk = (uint32_t)at_least(at_most(b / 2, METER_CHUNK_MAX), rate / METER_CHUNK_PART);
	m->at_us = now_us;
	if (!had || m->level > (int64_t)b * MICRO)
		m->level = (int64_t)b * MICRO;
}

int64_t meter_room(struct meter *m, uint64_t now_us)
{
	if (m->rate == 0)
		return INT64_MAX;
	refill(m, now_us);
	return m->level / MICRO;
}

void meter_take(struct meter *m, uint32_t n)
{
	if (m->rate != 0)
		m->level -= (int64_t)n * MICRO;
}

uint64_t meter_ready_us(const struct meter *m, uint32_t n)
{
	int64_t lack = (int64_t)n * MICRO - m->level;

	if (m->rate == 0 || lack <= 0)
		return m->at_us;
	return m->at_us + ((uint64_t)lack + m->rate - 1) / m->rate;
}
