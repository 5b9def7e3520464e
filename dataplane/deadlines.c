/* dataplane/deadlines.c - see deadlines.h. */
#include "dataplane/deadlines.h"

#include <errno.h>

#include <rte_common.h>
#include <rte_prefetch.h>

#include "dataplane/table.h"

#define SLOT_BITS 8
#define SLOT_MASK (DEADLINES_SLOTS - 1)

/*
 * Of struct deadline's where: a place in the heap; or in a list, who stands before it: a number, or
 * the list itself.
 */
#define IN_LIST (UINT32_C(1) << 31)
#define AT_HEAD (UINT32_C(1) << 30)

/* The list of those between two others. */
#define MOVING ((uint32_t)DEADLINES_LEVELS)

_Static_assert(DEADLINES_SLOTS == 1 << SLOT_BITS, "a slot is an index of that many bits");
_Static_assert((DEADLINES_LEVELS + 1) << SLOT_BITS < AT_HEAD, "a list is an index below the marks");

/* So that the four of a place are a line: heap[2] is at the start of one. */
#define BEFORE 2

_Static_assert(4 * sizeof(struct due) == 64, "a line");

int deadlines_init(struct deadlines *d, uint32_t max)
{
	struct due *heap = table_new(BEFORE + 1 + (size_t)max, sizeof(*heap));

	*d = (struct deadlines){.deadline = table_new(1 + (size_t)max, sizeof(*d->deadline)),
				.max = max};
	if (heap != NULL)
		d->heap = heap + BEFORE;
	if (d->heap != NULL && d->deadline != NULL)
		return 0;
	deadlines_fini(d);
	return -ENOMEM;
}

void deadlines_fini(struct deadlines *d)
{
	if (d->heap != NULL)
		table_free(d->heap - BEFORE, BEFORE + 1 + (size_t)d->max, sizeof(*d->heap));
	table_free(d->deadline, 1 + (size_t)d->max, sizeof(*d->deadline));
	*d = (struct deadlines){0};
}

/* --- the heap ------------------------------------------------------------------------------- */

static inline uint32_t above(uint32_t place)
{
	return (place + 2) / 4;
}

static inline uint32_t below(uint32_t place)
{
	return 4 * place - 2;
}

static inline void put(struct deadlines *d, uint32_t place, struct due due)
{
	d->heap[place] = due;
	d->deadline[due.number].where = place;
}

/* From this place, which is free, to where it belongs. */
static void settle(struct deadlines *d, uint32_t place, struct due due)
{
	for (; place > 1 && d->heap[above(place)].at_us > due.at_us; place = above(place))
		put(d, place, d->heap[above(place)]);
	for (;;) {
		uint32_t kid = below(place), end = RTE_MIN(kid + 4, d->n + 1), least = kid;

		if (kid > d->n)
			break;
		for (uint32_t i = kid + 1; i < end; i++)
			if (d->heap[i].at_us < d->heap[least].at_us)
				least = i;
		if (d->heap[least].at_us >= due.at_us)
			break;
		put(d, place, d->heap[least]);
		place = least;
	}
	put(d, place, due);
}

static void heap_leave(struct deadlines *d, uint32_t place)
{
	struct due last = d->heap[d->n--];

	if (place <= d->n)
		settle(d, place, last);
}

/* --- the wheels ----------------------------------------------------------------------------- */

static void list_enter(struct deadlines *d, unsigned int level, uint64_t slot, uint32_t number,
		       uint64_t at_us)
{
	uint32_t i = (uint32_t)(slot & SLOT_MASK), first = d->list[level][i];

	d->deadline[number] = (struct deadline){
		.at_us = at_us,
		.next = first,
		.where = IN_LIST | AT_HEAD | level << SLOT_BITS | i,
	};
	if (first != 0)
		d->deadline[first].where = IN_LIST | number;
	d->list[level][i] = number;
	d->used[level][i / 64] |= UINT64_C(1) << i % 64;
	d->waiting++;
}

static void list_leave(struct deadlines *d, const struct deadline *of)
{
	uint32_t before = of->where & ~(IN_LIST | AT_HEAD);

	if (of->next != 0)
		d->deadline[of->next].where = of->where;
	d->waiting--;
	if (!(of->where & AT_HEAD)) {
		d->deadline[before].next = of->next;
		return;
	}
	d->list[before >> SLOT_BITS][before & SLOT_MASK] = of->next;
	if (of->next == 0)
		d->used[before >> SLOT_BITS][(before & SLOT_MASK) / 64] &=
			~(UINT64_C(1) << before % 64);
}

/* It stands nowhere; the wheel whose slots are short enough to tell when it comes near. */
static void enter(struct deadlines *d, uint32_t number, uint64_t at_us)
{
	uint64_t slot = at_us >> DEADLINES_SHIFT, now = d->slot;

	if (slot <= now) {
		settle(d, ++d->n, (struct due){at_us, number});
		return;
	}
	for (unsigned int level = 0; level < DEADLINES_LEVELS; level++) {
		if (slot - now < DEADLINES_SLOTS) {
			list_enter(d, level, slot, number, at_us);
			return;
		}
		slot >>= SLOT_BITS;
		now >>= SLOT_BITS;
	}
	list_enter(d, DEADLINES_LEVELS - 1, (d->slot >> (DEADLINES_LEVELS - 1) * SLOT_BITS) - 1,
		   number, at_us);
}

static void leave(struct deadlines *d, uint32_t number)
{
	uint32_t where = d->deadline[number].where;

	if (where & IN_LIST)
		list_leave(d, &d->deadline[number]);
	else
		heap_leave(d, where);
}

void deadlines_set(struct deadlines *d, uint32_t number, uint64_t at_us)
{
	uint32_t where = d->deadline[number].where;

	if (where != 0 && !(where & IN_LIST) && at_us >> DEADLINES_SHIFT <= d->slot) {
		settle(d, where, (struct due){at_us, number});
		return;
	}
	if (where != 0)
		leave(d, number);
	enter(d, number, at_us);
}

void deadlines_remove(struct deadlines *d, uint32_t number)
{
	if (d->deadline[number].where == 0)
		return;
	leave(d, number);
	d->deadline[number].where = 0;
}

uint64_t deadlines_at_us(const struct deadlines *d, uint32_t number)
{
	const struct deadline *e = &d->deadline[number];

	if (e->where == 0)
		return 0;
	return e->where & IN_LIST ? e->at_us : d->heap[e->where].at_us;
}

/* All of the slot that begins now sets out: to a shorter wheel, or to the heap. Nobody else is on
 * the way. */
static void slot_begin(struct deadlines *d, unsigned int level)
{
	uint32_t i = (uint32_t)(d->slot >> level * SLOT_BITS & SLOT_MASK);
	uint32_t first = d->list[level][i];

	if (first == 0)
		return;
	d->list[level][i] = 0;
	d->used[level][i / 64] &= ~(UINT64_C(1) << i % 64);
	d->list[MOVING][0] = first;
	d->deadline[first].where = IN_LIST | AT_HEAD | MOVING << SLOT_BITS;
}

/* Whether all of them are where they belong. */
static bool move(struct deadlines *d, unsigned int *moves)
{
	uint32_t number;

	while ((number = d->list[MOVING][0]) != 0) {
		struct deadline was = d->deadline[number];

		if (*moves == 0)
			return false;
		--*moves;
		rte_prefetch0(&d->deadline[was.next]);
		list_leave(d, &was);
		enter(d, number, was.at_us);
	}
	return true;
}

/* How far behind slot i the next is that is used, 1 to DEADLINES_SLOTS - 1; 0: none is. */
static unsigned int slot_next(const struct deadlines *d, unsigned int level, uint64_t slot)
{
	unsigned int ahead = 1;

	while (ahead < DEADLINES_SLOTS) {
		unsigned int i = (unsigned int)((slot + ahead) & SLOT_MASK);
		uint64_t rest = d->used[level][i / 64] >> i % 64;

		if (rest != 0) {
			ahead += (unsigned int)__builtin_ctzll(rest);
			return ahead < DEADLINES_SLOTS ? ahead : 0;
		}
		ahead += 64 - i % 64;
	}
	return 0;
}

/* The slot of the first wheel with which the next used one of these wheels begins. */
static uint64_t stop_next(const struct deadlines *d, unsigned int from, unsigned int to)
{
	uint64_t stop = UINT64_MAX;

	for (unsigned int level = from; level < to; level++) {
		unsigned int shift = level * SLOT_BITS;
		unsigned int ahead = slot_next(d, level, d->slot >> shift);
		uint64_t begins = ((d->slot >> shift) + ahead) << shift;

		if (ahead != 0 && begins < stop)
			stop = begins;
	}
	return stop;
}

/* A slot of a wheel begins with every slot of the longer ones: the longest sets out first. */
static bool slots_begin(struct deadlines *d, unsigned int *moves)
{
	while (move(d, moves)) {
		if (d->begins == 0)
			return true;
		d->begins--;
		if ((d->slot & ((UINT64_C(1) << d->begins * SLOT_BITS) - 1)) == 0)
			slot_begin(d, d->begins);
	}
	return false;
}

static bool under_way(const struct deadlines *d)
{
	return d->list[MOVING][0] != 0 || d->begins > 0;
}

void deadlines_advance(struct deadlines *d, uint64_t now_us)
{
	uint64_t now = now_us >> DEADLINES_SHIFT, stop;
	unsigned int moves = DEADLINES_MOVES;

	if (now <= d->slot && !under_way(d))
		return;
	while (slots_begin(d, &moves)) {
		if (d->waiting == 0 || (stop = stop_next(d, 0, DEADLINES_LEVELS)) > now) {
			d->slot = RTE_MAX(d->slot, now);
			return;
		}
		d->slot = stop;
		d->begins = DEADLINES_LEVELS;
	}
}

/* Of the next slot of the first wheel. */
static uint64_t list_first_us(const struct deadlines *d, uint64_t slot)
{
	uint64_t at_us = UINT64_MAX;

	for (uint32_t k = d->list[0][slot & SLOT_MASK]; k != 0; k = d->deadline[k].next)
		at_us = RTE_MIN(at_us, d->deadline[k].at_us);
	return at_us;
}

uint64_t deadlines_next_us(const struct deadlines *d)
{
	uint64_t near, far;

	if (under_way(d))
		return d->slot << DEADLINES_SHIFT;
	if (d->n > 0)
		return d->heap[1].at_us;
	if (d->waiting == 0)
		return UINT64_MAX;
	near = stop_next(d, 0, 1);
	far = stop_next(d, 1, DEADLINES_LEVELS);
	return near < far ? list_first_us(d, near) : far << DEADLINES_SHIFT;
}
