/* tests/unit/test_control_turns.c - sources take turns with their key exchanges (S-44). */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "control/turns.h"

struct item {
	struct turn turn;
	unsigned int from, n;
};

static struct source source(unsigned int i)
{
	return (struct source){.word = {i * 2654435761U, 0, 0, i}, .family = 6, .bits = 64};
}

static void add(struct turns *t, struct item *it, unsigned int from, unsigned int n)
{
	struct source s = source(from);

	*it = (struct item){.from = from, .n = n};
	cr_assert_eq(turns_add(t, &s, &it->turn), 0);
}

static struct item *take(struct turns *t)
{
	return (struct item *)(void *)turns_take(t);
}

Test(control_turns, nobody_waits_at_first)
{
	static struct turns t;

	cr_expect_null(turns_take(&t));
	cr_expect_eq(t.waiting, 0);
}

Test(control_turns, a_source_alone_is_served_in_order)
{
	static struct turns t;
	static struct item it[100];

	for (unsigned int i = 0; i < 100; i++)
		add(&t, &it[i], 7, i);
	for (unsigned int i = 0; i < 100; i++)
		cr_expect_eq(take(&t), &it[i]);
	cr_expect_null(take(&t));
	cr_expect_eq(t.waiting, 0);
}

/* What this is for: ten thousand of one source, then one of another. */
Test(control_turns, who_sends_one_waits_behind_one_of_each_other_source)
{
	static struct turns t;
	static struct item flood[10000], one;
	unsigned int before = 0;

	for (unsigned int i = 0; i < 10000; i++)
		add(&t, &flood[i], 1, i);
	/* A source whose queue is another's; the hash is drawn anew each time. */
	for (unsigned int from = 2;; from++) {
		add(&t, &one, from, 0);
		if (t.first != t.last)
			break;
		memset(&t, 0, sizeof(t));
		for (unsigned int i = 0; i < 10000; i++)
			add(&t, &flood[i], 1, i);
	}
	while (take(&t) != &one)
		before++;
	cr_expect_leq(before, 1);
	cr_expect_eq(t.waiting, 10000 - before);
}

/* Each source's own order holds, and none is more than a round behind another, hash or not. */
Test(control_turns, all_sources_go_on_together)
{
	enum { SOURCES = 40, EACH = 50 };
	static struct turns t;
	static struct item it[SOURCES][EACH];
	unsigned int done[SOURCES] = {0}, total = 0;
	struct item *i;

	for (unsigned int s = 0; s < SOURCES; s++)
		for (unsigned int n = 0; n < EACH; n++)
			add(&t, &it[s][n], s, n);
	while ((i = take(&t)) != NULL) {
		cr_assert_eq(i->n, done[i->from]++, "in order");
		total++;
	}
	cr_expect_eq(total, SOURCES * EACH);
}

static bool odd(const struct turn *turn, void *arg)
{
	const struct item *i = (const struct item *)(const void *)turn;

	(*(unsigned int *)arg)++;
	return i->n % 2 == 1;
}

/* Who may not go yet keeps his place, and holds up nobody behind him. */
Test(control_turns, who_may_not_go_keeps_his_place)
{
	static struct turns t;
	static struct item it[6];
	unsigned int asked = 0;

	for (unsigned int i = 0; i < 6; i++)
		add(&t, &it[i], 1, i);
	for (unsigned int i = 1; i < 6; i += 2)
		cr_expect_eq((struct item *)(void *)turns_take_if(&t, odd, &asked), &it[i]);
	cr_expect_null(turns_take_if(&t, odd, &asked));
	cr_expect_gt(asked, 6);
	for (unsigned int i = 0; i < 6; i += 2)
		cr_expect_eq(take(&t), &it[i]);
	cr_expect_null(take(&t));
}

/* Come and go at random: nothing is lost, nothing comes twice. */
Test(control_turns, nothing_is_lost)
{
	static struct turns t;
	static struct item it[5000];
	static bool seen[5000];
	unsigned int added = 0, taken = 0;

	srand(1);
	while (taken < 5000) {
		if (added < 5000 && rand() % 3 != 0) {
			add(&t, &it[added], (unsigned int)rand() % 20, added);
			added++;
			continue;
		}
		struct item *i = take(&t);

		cr_assert_eq(i == NULL, added == taken);
		if (i == NULL)
			continue;
		cr_assert(!seen[i->n]);
		seen[i->n] = true;
		taken++;
	}
	cr_expect_eq(t.waiting, 0);
	cr_expect_null(t.first);
}

/* The same, of whom some give up their places: first, last, in between. */
Test(control_turns, who_gives_up_leaves_no_gap)
{
	static struct turns t;
	static struct item it[3000];
	static enum { OUT, IN, GONE } state[3000];
	unsigned int left = 0;

	srand(2);
	for (unsigned int i = 0; i < 3000; i++) {
		add(&t, &it[i], i % 30, i);
		state[i] = IN;
		left++;
		if (rand() % 2 == 0) {
			unsigned int k = (unsigned int)rand() % (i + 1);
			struct source s = source(it[k].from);

			cr_assert_eq(turns_remove(&t, &s, &it[k].turn), state[k] == IN);
			left -= state[k] == IN;
			state[k] = GONE;
		}
		cr_assert_eq(t.waiting, left);
	}
	for (struct item *i; (i = take(&t)) != NULL; left--) {
		cr_assert_eq(state[i->n], IN);
		state[i->n] = OUT;
	}
	cr_expect_eq(left, 0);
	cr_expect_eq(t.waiting, 0);
	cr_expect_null(t.first);
	cr_expect_null(t.last);
	for (unsigned int i = 0; i < 30; i++) {
		struct source s = source(i);

		cr_expect_eq(turns_waiting(&t, &s), 0);
	}
}
