/* dataplane/deadlines.c - see deadlines.h. */
#include "dataplane/deadlines.h"

#include <errno.h>

#include <rte_common.h>

#include "dataplane/table.h"

/* So that the four of a place are a line: heap[2] is at the start of one. */
#define BEFORE 2

_Static_assert(4 * sizeof(struct due) == 64, "a line");

int deadlines_init(struct deadlines *d, uint32_t max)
{
	struct due *heap = table_new(BEFORE + 1 + (size_t)max, sizeof(*heap));

	*d = (struct deadlines){.place = table_new(1 + (size_t)max, sizeof(*d->place)), .max = max};
	if (heap != NULL)
		d->heap = heap + BEFORE;
	if (d->heap != NULL && d->place != NULL)
		return 0;
	deadlines_fini(d);
	return -ENOMEM;
}

void deadlines_fini(struct deadlines *d)
{
	if (d->heap != NULL)
		table_free(d->heap - BEFORE, BEFORE + 1 + (size_t)d->max, sizeof(*d->heap));
	table_free(d->place, 1 + (size_t)d->max, sizeof(*d->place));
	*d = (struct deadlines){0};
}

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
	d->place[due.number] = place;
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

void deadlines_set(struct deadlines *d, uint32_t number, uint64_t at_us)
{
	uint32_t place = d->place[number];

	settle(d, place != 0 ? place : ++d->n, (struct due){at_us, number});
}

void deadlines_remove(struct deadlines *d, uint32_t number)
{
	uint32_t place = d->place[number];
	struct due last;

	if (place == 0)
		return;
	last = d->heap[d->n--];
	d->place[number] = 0;
	if (last.number != number)
		settle(d, place, last);
}
