/* dataplane/relay/flight.c - see flight.h. */
#include "dataplane/relay/flight.h"

#include <errno.h>
#include <stdlib.h>

#include <rte_common.h>
#include <rte_spinlock.h>

#include "dataplane/relay/keyed.h"
#include "dataplane/table.h"

#define LOOK_TURN 256 /* that one look sees */
/* A table half full has no rows of KEYED_PROBES places in use. */
#define PLACES_PER_CONN 2

struct flight {
	struct keyed of;
	uint64_t used, max;
	uint32_t at; /* in kind.in_use */
} __rte_cache_aligned;

struct kind {
	struct flight *flight; /* [size], by key, and one for who finds no place */
	uint32_t *in_use;      /* places in flight, of which there are n */
	uint32_t n;
};

struct flights {
	struct kind kind[LINK_FLIGHT_GROUPS];
	uint32_t size; /* a power of two */
	rte_spinlock_t lock;
};

int flights_new(uint32_t conns, struct flights **ret)
{
	struct flights *all = calloc(1, sizeof(*all));

	if (all == NULL)
		return -ENOMEM;
	rte_spinlock_init(&all->lock);
	all->size = rte_align32pow2(PLACES_PER_CONN * conns);
	for (unsigned int i = 0; i < LINK_FLIGHT_GROUPS; i++) {
		struct kind *k = &all->kind[i];

		k->flight = table_new_keyed(all->size + 1, sizeof(*k->flight));
		k->in_use = table_new(all->size + 1, sizeof(*k->in_use));
		if (k->flight == NULL || k->in_use == NULL) {
			flights_free(all);
			return -ENOMEM;
		}
	}
	*ret = all;
	return 0;
}

void flights_free(struct flights *all)
{
	if (all == NULL)
		return;
	for (unsigned int i = 0; i < LINK_FLIGHT_GROUPS; i++) {
		table_free(all->kind[i].flight, all->size + 1, sizeof(*all->kind[i].flight));
		table_free(all->kind[i].in_use, all->size + 1, sizeof(*all->kind[i].in_use));
	}
	free(all);
}

/* Who looks reads both without a lock, and sees one twice or not at all, once. */
static void list_add(struct kind *k, struct flight *f)
{
	f->at = k->n;
	__atomic_store_n(&k->in_use[k->n], (uint32_t)(f - k->flight), __ATOMIC_RELAXED);
	__atomic_store_n(&k->n, k->n + 1, __ATOMIC_RELEASE);
}

static void list_del(struct kind *k, const struct flight *f)
{
	uint32_t last = k->in_use[k->n - 1];

	__atomic_store_n(&k->in_use[f->at], last, __ATOMIC_RELAXED);
	k->flight[last].at = f->at;
	__atomic_store_n(&k->n, k->n - 1, __ATOMIC_RELEASE);
}

struct flight *flight_of(struct flights *all, enum link_flight_group kind,
			 const struct link_bound *to)
{
	struct kind *k = &all->kind[kind];
	uint64_t max = to->max;
	struct flight *f;

	rte_spinlock_lock(&all->lock);
	f = keyed_place(k->flight, all->size, sizeof(*f), to->key);
	if (f != NULL)
		f->of.key = to->key;
	else
		f = &k->flight[all->size];
	if (flight_is_shared(f) && f->of.refs > 0)
		max = RTE_MIN(max, f->max);
	__atomic_store_n(&f->max, max, __ATOMIC_RELAXED);
	if (f->of.refs++ == 0)
		list_add(k, f);
	rte_spinlock_unlock(&all->lock);
	return f;
}

bool flight_is_shared(const struct flight *f)
{
	return f->of.key == 0;
}

void flight_hold(struct flights *all, struct flight *f)
{
	rte_spinlock_lock(&all->lock);
	f->of.refs++;
	rte_spinlock_unlock(&all->lock);
}

void flight_leave(struct flights *all, enum link_flight_group kind, struct flight *f)
{
	rte_spinlock_lock(&all->lock);
	if (--f->of.refs == 0)
		list_del(&all->kind[kind], f);
	rte_spinlock_unlock(&all->lock);
}

uint64_t flight_left(const struct flight *f)
{
	uint64_t max = __atomic_load_n(&f->max, __ATOMIC_RELAXED);
	uint64_t used = __atomic_load_n(&f->used, __ATOMIC_RELAXED);

	return max > used ? max - used : 0;
}

bool flight_take(struct flight *f, uint64_t n)
{
	uint64_t used = __atomic_load_n(&f->used, __ATOMIC_RELAXED);
	uint64_t max = __atomic_load_n(&f->max, __ATOMIC_RELAXED);

	do {
		if (used > max || n > max - used)
			return false;
	} while (!__atomic_compare_exchange_n(&f->used, &used, used + n, true, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	return true;
}

void flight_add(struct flight *f, uint64_t n)
{
	__atomic_fetch_add(&f->used, n, __ATOMIC_RELAXED);
}

void flight_give(struct flight *f, uint64_t n)
{
	__atomic_fetch_sub(&f->used, n, __ATOMIC_RELAXED);
}

void flights_look(const struct flights *all, enum link_flight_group kind, struct flight_look *l)
{
	const struct kind *k = &all->kind[kind];
	uint32_t n = __atomic_load_n(&k->n, __ATOMIC_ACQUIRE), end = l->next + LOOK_TURN;

	for (; l->next < n && l->next < end; l->next++) {
		uint32_t at = __atomic_load_n(&k->in_use[l->next], __ATOMIC_RELAXED);
		const struct flight *f = &k->flight[at];
		uint64_t used = __atomic_load_n(&f->used, __ATOMIC_RELAXED);

		if (l->now_max != 0 && used <= l->now_used)
			continue;
		l->now_used = used;
		l->now_max = __atomic_load_n(&f->max, __ATOMIC_RELAXED);
	}
	if (l->next < n)
		return;
	*l = (struct flight_look){.used = l->now_used, .max = l->now_max};
}
