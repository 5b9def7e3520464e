/*
 * perf/inring_pace.c - what is due by the shard's clock. See inring.h.
 *
 * That clock is the time the shard's turns took and its driver's work: it stands still while the
 * generator has the core. What falls due during a turn is given to the ring when the turn is over,
 * as a card would have put it there meanwhile, and its time counts from when it was due.
 */
#include "perf/inring_client.h"

#include <rte_common.h>
#include <rte_cycles.h>

#define CREDIT_RECORDS 4 /* at most, of a connection: who could not send does not catch up */

/* --- bulk ---------------------------------------------------------------------------------------
 */

void clients_pace(struct clients *all, double bytes_per_tsc)
{
	all->pace.bytes_per_tsc = bytes_per_tsc;
	all->pace.refilled = all->pace.now;
	all->pace.tokens = 0;
}

bool pace_may(const struct client *c)
{
	return c->all->pace.bytes_per_tsc <= 0 || c->credit >= c->size;
}

void pace_paid(struct client *c)
{
	c->credit -= RTE_MIN(c->credit, c->size);
}

/* A record for one connection after the other. */
static void bulk_due(struct clients *all)
{
	struct pace *p = &all->pace;

	if (p->bytes_per_tsc <= 0)
		return;
	p->tokens += p->bytes_per_tsc * (double)(p->now - p->refilled);
	p->refilled = p->now;
	while (p->tokens >= all->conf.size) {
		struct client *c = &all->client[p->next++ % all->conf.conns];

		p->tokens -= all->conf.size;
		if (c->credit < CREDIT_RECORDS * c->size)
			c->credit += c->size;
		gen_wake(all->g, &c->e);
	}
}

/* --- requests -----------------------------------------------------------------------------------
 */

/* When the n-th of all was due: they go to the clients in turn. */
static uint64_t due_at(const struct pace *p, uint64_t n)
{
	return p->t0 + (uint64_t)((double)n * p->interval);
}

static uint64_t number_of(const struct client *c, uint64_t n)
{
	const struct clients *all = c->all;

	return n * all->conf.beside + (uint64_t)(c - all->client) - all->conf.conns;
}

static void requests_due(struct clients *all)
{
	struct pace *p = &all->pace;

	while (due_at(p, p->due) <= p->now) {
		struct client *c = &all->client[all->conf.conns + p->due % all->conf.beside];

		c->requests.due++;
		p->due++;
		gen_wake(all->g, &c->e);
	}
}

void requests_send(struct client *c)
{
	struct requests *r = &c->requests;

	while (r->sent < r->due && r->sent - r->answered < REQUESTS_UNDER_WAY) {
		if (!client_data(c, &c->chan[0], c->size))
			return;
		r->sent_tsc[r->sent++ % REQUESTS_UNDER_WAY] = rte_rdtsc();
	}
}

void requests_answered(struct client *c)
{
	struct requests *r = &c->requests;
	struct clients *all = c->all;
	const struct pace *p = &all->pace;

	while (r->answered < c->chan[0].received / c->size) {
		uint64_t due = due_at(p, number_of(c, r->answered));
		uint64_t sent_tsc = r->sent_tsc[r->answered++ % REQUESTS_UNDER_WAY];

		if (!p->measure || due < p->measure_from)
			continue;
		hist_add(&all->latency.shard, p->now - due);
		hist_add(&all->latency.whole, rte_rdtsc() - sent_tsc);
	}
}

/* Those that are under way are as old as they are. */
static void count_unanswered(struct clients *all)
{
	const struct pace *p = &all->pace;

	for (unsigned int i = all->conf.conns; i < all->n; i++) {
		const struct client *c = &all->client[i];

		for (uint64_t k = c->requests.answered; k < c->requests.due; k++) {
			uint64_t due = due_at(p, number_of(c, k));

			all->latency.unanswered++;
			hist_add(&all->latency.shard, p->now - due);
		}
	}
}

void clients_measure(struct clients *all, bool on)
{
	all->pace.measure = on;
	if (!on) {
		count_unanswered(all);
		return;
	}
	all->pace.measure_from = all->pace.now;
	all->latency.unanswered = 0;
	hist_init(&all->latency.shard);
	hist_init(&all->latency.whole);
}

const struct latency *clients_latency(const struct clients *all)
{
	return &all->latency;
}

/* --- the clock ----------------------------------------------------------------------------------
 */

void clients_clock(struct clients *all, uint64_t shard_tsc)
{
	struct pace *p = &all->pace;

	p->now = shard_tsc;
	if (!all->go)
		return;
	bulk_due(all);
	if (all->conf.beside == 0)
		return;
	if (p->t0 == 0) {
		p->t0 = shard_tsc;
		p->interval = all->conf.interval_tsc;
	}
	requests_due(all);
}
