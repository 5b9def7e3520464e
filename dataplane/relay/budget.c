/* dataplane/relay/budget.c - see budget.h. */
#include "dataplane/relay/budget.h"

#include <errno.h>
#include <stdlib.h>

#include <rte_common.h>
#include <rte_spinlock.h>

#include "dataplane/relay/keyed.h"
#include "dataplane/relay/meter.h"
#include "dataplane/table.h"

/* Times are in parts of a microsecond: a byte at the highest rate is nearly one of them. */
#define UNIT_SHIFT 12
#define UNITS_SEC  (UINT64_C(1000000) << UNIT_SHIFT)
/* Each has one of a user and one of a role; a table half full has no rows of KEYED_PROBES places
 * in use. */
#define PLACES_PER_CONN (2 * LINK_CAP_GROUPS)

struct budget {
	struct keyed of;
	uint64_t passed[LINK_WAYS]; /* when all that was asked for will have passed; in units */
	uint64_t rate[LINK_WAYS];
	uint32_t burst[LINK_WAYS], chunk[LINK_WAYS];
} __rte_cache_aligned;
_Static_assert(sizeof(struct budget) == RTE_CACHE_LINE_SIZE, "who shares one shares a line");

struct budgets {
	struct budget *budget; /* [size], by key, and one for who finds no place */
	uint32_t size;         /* a power of two */
	rte_spinlock_t lock;
};

int budgets_new(uint32_t conns, struct budgets **ret)
{
	struct budgets *all = calloc(1, sizeof(*all));

	if (all == NULL)
		return -ENOMEM;
	rte_spinlock_init(&all->lock);
	all->size = rte_align32pow2(PLACES_PER_CONN * conns);
	all->budget = table_new_keyed(all->size + 1, sizeof(*all->budget));
	if (all->budget == NULL) {
		free(all);
		return -ENOMEM;
	}
	*ret = all;
	return 0;
}

void budgets_free(struct budgets *all)
{
	if (all == NULL)
		return;
	table_free(all->budget, all->size + 1, sizeof(*all->budget));
	free(all);
}

static uint64_t units(uint64_t bytes, uint64_t rate)
{
	return (uint64_t)((unsigned __int128)bytes * UNITS_SEC / rate);
}

/* So many bytes are there, or are owed, as before; by the new rate they are another time. */
static void rescale(struct budget *b, enum link_way way, const struct meter *to, uint64_t now)
{
	uint64_t was = b->rate[way], burst = units(b->burst[way], was);
	uint64_t before = __atomic_load_n(&b->passed[way], __ATOMIC_RELAXED), after;

	do {
		__int128 owed = (__int128)RTE_MAX(before, now) - now - burst;

		owed = owed * was / to->rate + units(to->burst, to->rate);
		after = owed > 0 ? now + (uint64_t)owed : now;
	} while (!__atomic_compare_exchange_n(&b->passed[way], &before, after, true,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

static void rate_set(struct budget *b, enum link_way way, const struct link_rate *to, uint64_t now)
{
	struct meter m = {0};

	meter_set(&m, to->rate, to->burst, 0);
	if (b->rate[way] != 0 && m.rate != 0 && b->rate[way] != m.rate)
		rescale(b, way, &m, now);
	/* Others read them, each for itself: that one is older than the other does no harm. */
	__atomic_store_n(&b->burst[way], m.burst, __ATOMIC_RELAXED);
	__atomic_store_n(&b->chunk[way], m.rate != 0 ? m.chunk : 0, __ATOMIC_RELAXED);
	__atomic_store_n(&b->rate[way], m.rate, __ATOMIC_RELAXED);
}

bool budget_is_shared(const struct budget *b)
{
	return b->of.key == 0;
}

static void begin(struct budget *b, uint64_t now)
{
	for (unsigned int way = 0; way < LINK_WAYS; way++) {
		b->passed[way] = now;
		b->rate[way] = 0;
	}
}

struct budget *budget_of(struct budgets *all, const struct link_group *g, uint64_t now_us)
{
	const uint64_t now = now_us << UNIT_SHIFT;
	struct budget *b;

	rte_spinlock_lock(&all->lock);
	b = keyed_place(all->budget, all->size, sizeof(*b), g->key);
	if (b == NULL) {
		b = &all->budget[all->size];
		if (b->of.refs == 0)
			begin(b, now);
	} else if (b->of.key != g->key) {
		b->of.key = g->key;
		begin(b, now);
	}
	b->of.refs++;
	for (unsigned int way = 0; way < LINK_WAYS; way++) {
		uint64_t rate = g->rate[way].rate, was = b->rate[way];

		if (!budget_is_shared(b) || was == 0 || (rate != 0 && rate < was))
			rate_set(b, way, &g->rate[way], now);
	}
	rte_spinlock_unlock(&all->lock);
	return b;
}

void budget_leave(struct budgets *all, struct budget *b)
{
	rte_spinlock_lock(&all->lock);
	b->of.refs--;
	rte_spinlock_unlock(&all->lock);
}

uint32_t budget_chunk(const struct budget *b, enum link_way way)
{
	return __atomic_load_n(&b->chunk[way], __ATOMIC_RELAXED);
}

static uint64_t burst_units(const struct budget *b, enum link_way way, uint64_t rate)
{
	return units(__atomic_load_n(&b->burst[way], __ATOMIC_RELAXED), rate);
}

uint64_t budget_burst_us(const struct budget *b, enum link_way way)
{
	uint64_t rate = __atomic_load_n(&b->rate[way], __ATOMIC_RELAXED);

	return rate != 0 ? burst_units(b, way, rate) >> UNIT_SHIFT : 0;
}

uint64_t budget_ask(struct budget *b, enum link_way way, uint32_t n, uint64_t now_us)
{
	uint64_t rate = __atomic_load_n(&b->rate[way], __ATOMIC_RELAXED);
	uint64_t was = __atomic_load_n(&b->passed[way], __ATOMIC_RELAXED);
	uint64_t now = now_us << UNIT_SHIFT, burst, next;

	if (rate == 0)
		return now_us;
	burst = burst_units(b, way, rate);
	do {
		next = RTE_MAX(was, now) + units(n, rate);
	} while (!__atomic_compare_exchange_n(&b->passed[way], &was, next, true, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	if (next <= now + burst)
		return now_us;
	return (next - burst + (UINT64_C(1) << UNIT_SHIFT) - 1) >> UNIT_SHIFT;
}
