/* control/turns.c - see turns.h. */
#include "control/turns.h"

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

static int draw(struct turns *t)
{
	int r = t->drawn ? 0 : crypto_random(t->factor, sizeof(t->factor));

	t->drawn |= r == 0;
	return r;
}

int turns_add(struct turns *t, const struct source *from, struct turn *turn)
{
	struct turns_queue *q;
	int r = draw(t);

	if (r < 0)
		return r;
	q = queue_of(t, from);
	turn->next = NULL;
	if (q->head == NULL) {
		q->head = turn;
		ring_append(t, q);
	} else {
		q->last->next = turn;
	}
	q->last = turn;
	q->waiting++;
	t->waiting++;
	return 0;
}

/* Takes what stands behind prev (NULL: at the head) out of its queue. */
static void unlink_turn(struct turns *t, struct turns_queue *q, struct turn *prev)
{
	struct turn *turn = prev != NULL ? prev->next : q->head;

	if (prev != NULL)
		prev->next = turn->next;
	else
		q->head = turn->next;
	if (q->last == turn)
		q->last = prev;
	q->waiting--;
	t->waiting--;
}

/* Out of the ring, where it stands behind prev (NULL: first). */
static void ring_unlink(struct turns *t, struct turns_queue *q, struct turns_queue *prev)
{
	if (prev != NULL)
		prev->next = q->next;
	else
		t->first = q->next;
	if (t->last == q)
		t->last = prev;
}

struct turn *turns_take_if(struct turns *t, bool (*may)(const struct turn *turn, void *arg),
			   void *arg)
{
	struct turns_queue *before = NULL;

	for (struct turns_queue *q = t->first; q != NULL; before = q, q = q->next) {
		struct turn *prev = NULL, *turn = q->head;

		while (turn != NULL && !may(turn, arg)) {
			prev = turn;
			turn = turn->next;
		}
		if (turn == NULL)
			continue;
		unlink_turn(t, q, prev);
		ring_unlink(t, q, before);
		if (q->head != NULL)
			ring_append(t, q);
		return turn;
	}
	return NULL;
}

static bool anybody(const struct turn *turn, void *arg)
{
	(void)turn;
	(void)arg;
	return true;
}

struct turn *turns_take(struct turns *t)
{
	return turns_take_if(t, anybody, NULL);
}

bool turns_remove(struct turns *t, const struct source *from, struct turn *turn)
{
	struct turns_queue *q = queue_of(t, from), *before = NULL;
	struct turn *prev = NULL, *at = q->head;

	while (at != NULL && at != turn) {
		prev = at;
		at = at->next;
	}
	if (at == NULL)
		return false;
	unlink_turn(t, q, prev);
	if (q->head == NULL) {
		for (struct turns_queue *r = t->first; r != q; r = r->next)
			before = r;
		ring_unlink(t, q, before);
	}
	return true;
}

unsigned int turns_waiting(struct turns *t, const struct source *from)
{
	return t->drawn ? queue_of(t, from)->waiting : 0;
}

unsigned int turns_ahead(struct turns *t, const struct source *from)
{
	unsigned int own = turns_waiting(t, from), n = 0;

	for (const struct turns_queue *q = t->first; q != NULL; q = q->next)
		n += q->waiting <= own ? q->waiting : own + 1;
	return n;
}
