#include "control/timers.h"

#include <errno.h>
#include <stdlib.h>

/* A binary heap; place 1 is the root, place 0 stays empty. */
struct timers {
	struct timer **heap;
	size_t count, size;
};

#define TIMERS_FIRST 64

int timers_new(struct timers **ret)
{
	struct timers *ts = calloc(1, sizeof(*ts));

	if (ts == NULL)
		return -ENOMEM;
	*ret = ts;
	return 0;
}

void timers_free(struct timers *ts)
{
	if (ts == NULL)
		return;
	for (size_t i = 1; i <= ts->count; i++)
		ts->heap[i]->place = 0;
	free(ts->heap);
	free(ts);
}

static void put(struct timers *ts, size_t place, struct timer *t)
{
	ts->heap[place] = t;
	t->place = place;
}

static void sift_up(struct timers *ts, size_t place, struct timer *t)
{
	while (place > 1 && ts->heap[place / 2]->at_ms > t->at_ms) {
		put(ts, place, ts->heap[place / 2]);
		place /= 2;
	}
	put(ts, place, t);
}

static void sift_down(struct timers *ts, size_t place, struct timer *t)
{
	for (;;) {
		size_t child = place * 2;

		if (child > ts->count)
			break;
		if (child < ts->count && ts->heap[child + 1]->at_ms < ts->heap[child]->at_ms)
			child++;
		if (ts->heap[child]->at_ms >= t->at_ms)
			break;
		put(ts, place, ts->heap[child]);
		place = child;
	}
	put(ts, place, t);
}

static int room_for_one(struct timers *ts)
{
	size_t size = ts->size == 0 ? TIMERS_FIRST : ts->size * 2;
	struct timer **heap;

	if (ts->count + 1 < ts->size)
		return 0;
	heap = realloc(ts->heap, size * sizeof(struct timer *));
	if (heap == NULL)
		return -ENOMEM;
	ts->heap = heap;
	ts->size = size;
	return 0;
}

int timer_set(struct timers *ts, struct timer *t, uint64_t at_ms)
{
	if (t->place == 0) {
		int r = room_for_one(ts);

		if (r < 0)
			return r;
		t->at_ms = at_ms;
		sift_up(ts, ++ts->count, t);
		return 0;
	}
	if (at_ms < t->at_ms) {
		t->at_ms = at_ms;
		sift_up(ts, t->place, t);
	} else {
		t->at_ms = at_ms;
		sift_down(ts, t->place, t);
	}
	return 0;
}

void timer_cancel(struct timers *ts, struct timer *t)
{
	size_t place = t->place;
	struct timer *last;

	if (place == 0)
		return;
	t->place = 0;
	last = ts->heap[ts->count--];
	if (last == t)
		return;
	if (last->at_ms < t->at_ms)
		sift_up(ts, place, last);
	else
		sift_down(ts, place, last);
}

unsigned int timers_poll(struct timers *ts, uint64_t now_ms)
{
	unsigned int n = 0;

	while (ts->count > 0 && ts->heap[1]->at_ms <= now_ms) {
		struct timer *t = ts->heap[1];

		timer_cancel(ts, t);
		t->fire(t);
		n++;
	}
	return n;
}

uint64_t timers_next_ms(const struct timers *ts)
{
	return ts->count == 0 ? UINT64_MAX : ts->heap[1]->at_ms;
}
