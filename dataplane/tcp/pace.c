/* dataplane/tcp/pace.c - see pace.h. */
#include "dataplane/tcp/internal.h"

#include <rte_prefetch.h>

/* Linux's gains: room to double in a round trip, and a little to find out that there is more. */
#define GAIN_SLOW_START 200
#define GAIN            120

/* --- the rate --------------------------------------------------------------------------- */

bool tcp_pace_on(const struct tcp_conn *c)
{
	return !c->t->conf.no_pacing && c->srtt_us >= TCP_PACE_RTT_MIN_US &&
	       c->cwnd > (uint32_t)TCP_PACE_FREE_SEGS * c->mss;
}

/* Bytes in a millisecond. */
static uint32_t rate_of(const struct tcp_conn *c)
{
	uint32_t gain = c->cwnd < c->ssthresh / 2 ? GAIN_SLOW_START : GAIN;
	uint64_t rate;

	if (tcp_cc_ops(c)->pacing != NULL)
		rate = tcp_cc_ops(c)->pacing(c) / 1000;
	else
		rate = (uint64_t)c->cwnd * (gain * TCP_MS / 100) / c->srtt_us;
	return (uint32_t)max_u64(min_u64(rate, UINT32_MAX), UINT64_C(1));
}

static uint32_t burst_of(const struct tcp_conn *c, uint32_t rate)
{
	return max_u64((uint64_t)rate * TCP_PACE_BURST_US / TCP_MS,
		       (uint32_t)TCP_PACE_BURST_SEGS * c->mss);
}

/* --- the wheel --------------------------------------------------------------------------- */

static void wheel_insert(struct tcp_wheel *w, struct tcp_conn *c, uint16_t slot)
{
	struct tcp_pace *p = &c->busy->pace;
	uint32_t self = tcp_index(c), next = w->slot[slot];

	p->slot = slot;
	p->prev = 0;
	p->next = next;
	if (next != 0)
		tcp_at(c->t, next)->busy->pace.prev = self;
	w->slot[slot] = self;
	w->used[slot / 64] |= UINT64_C(1) << slot % 64;
	w->n++;
	p->waits = true;
}

static void wheel_remove(struct tcp_wheel *w, struct tcp_conn *c)
{
	struct tcp_pace *p = &c->busy->pace;

	if (p->prev != 0)
		tcp_at(c->t, p->prev)->busy->pace.next = p->next;
	else
		w->slot[p->slot] = p->next;
	if (p->next != 0)
		tcp_at(c->t, p->next)->busy->pace.prev = p->prev;
	if (w->slot[p->slot] == 0)
		w->used[p->slot / 64] &= ~(UINT64_C(1) << p->slot % 64);
	w->n--;
	p->waits = false;
}

/* Who has to wait for longer than a turn of the wheel is looked at when that is over. */
static void pace_wait(struct tcp_conn *c, uint64_t now_us)
{
	struct tcp_wheel *w = &c->t->wheel;
	uint64_t now = now_us >> TCP_WHEEL_SHIFT;
	uint64_t due = (c->busy->pace.paid_us >> TCP_WHEEL_SHIFT) + 1;

	w->tick = max_u64(w->tick, w->n == 0 ? now + 1 : 0);
	due = min_u64(max_u64(due, now + 1), w->tick + TCP_WHEEL_SLOTS - 1);
	wheel_insert(w, c, (uint16_t)(due % TCP_WHEEL_SLOTS));
}

void tcp_pace_stop(struct tcp_conn *c)
{
	if (c->busy->pace.waits)
		wheel_remove(&c->t->wheel, c);
}

/* The first tick from w->tick on in which somebody waits; there is one. */
static uint64_t next_tick(const struct tcp_wheel *w)
{
	uint32_t at = w->tick % TCP_WHEEL_SLOTS, word = at / 64;
	uint64_t bits = w->used[word] & UINT64_MAX << at % 64;

	while (bits == 0) { /* once around at most: the word it began with is whole then */
		word = (word + 1) % RTE_DIM(w->used);
		bits = w->used[word];
	}
	at = word * 64 + (uint32_t)__builtin_ctzll(bits) - at;
	return w->tick + at % TCP_WHEEL_SLOTS;
}

/* Everybody of a slot at once: nobody has to be taken from between two others. */
static unsigned int run_slot(struct tcp *t, uint32_t slot)
{
	struct tcp_wheel *w = &t->wheel;
	struct tcp_conn *c = tcp_at(t, w->slot[slot]), *next;
	unsigned int work = 0;

	w->slot[slot] = 0;
	w->used[slot / 64] &= ~(UINT64_C(1) << slot % 64);
	for (; c != NULL; c = next, work++) {
		next = tcp_at(t, c->busy->pace.next);
		if (next != NULL)
			rte_prefetch0(next->busy);
		c->busy->pace.waits = false;
		tcp_output_want(c);
	}
	w->n -= work;
	return work;
}

unsigned int tcp_pace_run(struct tcp *t, uint64_t now_us)
{
	struct tcp_wheel *w = &t->wheel;
	uint64_t now = now_us >> TCP_WHEEL_SHIFT;
	unsigned int work = 0;

	for (uint64_t tick; w->n > 0 && (tick = next_tick(w)) <= now;)
		work += run_slot(t, tick % TCP_WHEEL_SLOTS);
	w->tick = max_u64(w->tick, now + 1); /* nobody is left up to now */
	return work;
}

uint64_t tcp_pace_next_us(const struct tcp *t)
{
	return t->wheel.n > 0 ? next_tick(&t->wheel) << TCP_WHEEL_SHIFT : UINT64_MAX;
}

/* --- around a turn's segments --------------------------------------------------------------- */

void tcp_pace_begin(struct tcp_conn *c, uint64_t now_us)
{
	struct tcp_pace *p = &c->busy->pace;
	uint64_t debt = 0;

	p->sent = 0;
	p->rate = 0;
	p->left = UINT32_MAX;
	if (!tcp_pace_on(c))
		return;
	p->rate = rate_of(c);
	if (p->paid_us > now_us)
		debt = (p->paid_us - now_us) * p->rate / TCP_MS;
	p->left = burst_of(c, p->rate);
	p->left -= min_u64(debt, p->left);
}

/* Who was woken late has that time to its credit, but not more than half a burst's. */
bool tcp_pace_end(struct tcp_conn *c, bool more, uint64_t now_us)
{
	struct tcp_pace *p = &c->busy->pace;

	if (likely(p->rate == 0))
		return false;
	if (p->sent > 0) {
		p->paid_us = max_u64(p->paid_us, now_us - TCP_PACE_BURST_US / 2) +
			     p->sent * TCP_MS / p->rate;
	}
	if (p->left > 0 || !more)
		return false;
	pace_wait(c, now_us);
	return true;
}
