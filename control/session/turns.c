/* control/session/turns.c - see turns.h. */
#include "control/session/turns.h"

#include "crypto/secret.h"

/* Multiply and shift (Dietzfelbinger 1996), as sources.c; the top bits of the sum. */
static struct turns_queue *queue_of(struct turns *t, const struct source *from)
{
	uint64_t sum = t->factor[4] * (from->family + 256U * from->bits + 1);

	for (int i = 0; i < 4; i++)
		sum += t->factor[i] * from->word[i];
	return &t->queue[sum >> 56];
}

_Static_assert(TURNS_QUEUES == 256, "eight bits of the hash");

static void ring_append(struct turns *t, struct turns_queue *q)
{
	q->next = NULL;
	if (t->first == NULL)
		t->first = q;
	else
		t->last->next = q;
	t->last = q;
}

int turns_add(struct turns *t, const struct source *from, struct turn *turn)
{
	struct turns_queue *q;
	int r;

	if (!t->drawn) {
		r = crypto_random(t->factor, sizeof(t->factor));
		if (r < 0)
			return r;
		t->drawn = true;
	}
	q = queue_of(t, from);
	turn->next = NULL;
	if (q->head == NULL) {
		q->head = turn;
		ring_append(t, q);
	} else {
		q->last->next = turn;
	}
	q->last = turn;
	t->waiting++;
	return 0;
}

struct turn *turns_take(struct turns *t)
{
	struct turns_queue *q = t->first;
	struct turn *turn;

	if (q == NULL)
		return NULL;
	turn = q->head;
	q->head = turn->next;
	t->first = q->next;
	if (q->head != NULL)
		ring_append(t, q);
	t->waiting--;
	return turn;
}
