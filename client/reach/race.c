#include "client/reach/race.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

void race_init(struct race *r, uint64_t again_ms)
{
	memset(r, 0, sizeof(*r));
	r->last = -1;
	r->again_ms = again_ms;
}

void race_ask(struct race *r, enum race_family f)
{
	r->list[f].state = RACE_ASKED;
}

void race_answer(struct race *r, enum race_family f, const struct race_addr *v, unsigned int n,
		 uint64_t now_ms)
{
	struct race_list *l = &r->list[f];

	l->state = RACE_ANSWERED;
	l->answered_ms = now_ms;
	l->n = n < RACE_ADDRS_MAX ? n : RACE_ADDRS_MAX;
	if (l->n > 0)
		memcpy(l->addr, v, l->n * sizeof(*v));
}

void race_failed(struct race *r, int err)
{
	r->under_way--;
	if (r->err == 0)
		r->err = err;
}

void race_dropped(struct race *r)
{
	r->under_way--;
}

static bool has_more(const struct race_list *l)
{
	return l->next < l->n;
}

/* Whose turn it is; -1: nobody has an address left. */
static int turn_of(const struct race *r)
{
	enum race_family first = r->last == RACE_V6 ? RACE_V4 : RACE_V6;

	if (has_more(&r->list[first]))
		return (int)first;
	return has_more(&r->list[!first]) ? (int)!first : -1;
}

/* When the next attempt may be; 0: at once. */
static uint64_t due_of(const struct race *r, int turn)
{
	if (r->last < 0)
		return turn == RACE_V4 && r->list[RACE_V6].state == RACE_ASKED
			       ? r->list[RACE_V4].answered_ms + RACE_NAME_MS
			       : 0;
	return r->under_way > 0 ? r->start_ms + RACE_STEP_MS : 0;
}

/* All have been tried, and some have neither failed nor answered. */
static bool waits(const struct race *r)
{
	return r->under_way > 0 && turn_of(r) < 0 && r->list[RACE_V6].state != RACE_ASKED &&
	       r->list[RACE_V4].state != RACE_ASKED;
}

int race_step(struct race *r, uint64_t now_ms, const struct race_addr **ret, uint64_t *ret_due_ms)
{
	bool again = r->again_ms > 0 && waits(r);
	uint64_t due;
	int turn;

	if (again && now_ms >= r->start_ms + r->again_ms)
		r->list[RACE_V6].next = r->list[RACE_V4].next = 0;
	turn = turn_of(r);
	if (turn < 0) {
		*ret_due_ms = again ? r->start_ms + r->again_ms : UINT64_MAX;
		if (r->under_way > 0 || r->list[RACE_V6].state == RACE_ASKED ||
		    r->list[RACE_V4].state == RACE_ASKED)
			return -EAGAIN;
		return r->err != 0 ? r->err : -ENOENT;
	}
	due = due_of(r, turn);
	if (now_ms < due) {
		*ret_due_ms = due;
		return -EAGAIN;
	}
	*ret = &r->list[turn].addr[r->list[turn].next++];
	r->last = turn;
	r->start_ms = now_ms;
	r->under_way++;
	return 0;
}
