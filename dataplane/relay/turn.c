/*
 * dataplane/relay/turn.c - which connections a turn serves, and how much it moves.
 *
 * Each connection has its quantum (quantum.h) in a turn, so who moves much is equal to whoever
 * moves as much. With many of them turns would become long, and whatever comes in between would
 * wait for all: so a turn moves QUANTUM_TURN_BYTES each way, those that found nothing left come
 * first in the next, and the round goes on where it was. That is a deficit round robin whose
 * quanta can be cut to the byte, so nothing is owed.
 *
 * A connection that moved less than its quantum the last time is not held up: for it there are
 * always some bytes.
 */
#include "dataplane/relay/internal.h"

unsigned int turn_visit(struct relay *r, struct turn *t, unsigned int (*visit)(struct conn *))
{
	struct conn *from = t->from, *c;
	unsigned int work = 0;

	*t = (struct turn){.left = quantum_turn(&r->quantum)};
	for (c = from != NULL ? from : TAILQ_FIRST(&r->active); c != NULL; c = TAILQ_NEXT(c, link))
		work += visit(c);
	if (from == NULL)
		return work;
	for (c = TAILQ_FIRST(&r->active); c != from; c = TAILQ_NEXT(c, link))
		work += visit(c);
	return work;
}

uint32_t turn_share(struct conn *c, struct turn *t, bool much)
{
	uint32_t quantum = c->relay->quantum.bytes;

	if (t->left > 0)
		return quantum;
	if (t->from == NULL)
		t->from = c;
	if (!much)
		return RTE_MIN(quantum, (uint32_t)QUANTUM_SPARSE);
	c->more = true;
	return 0;
}

void turn_leave(struct conn *c)
{
	struct relay *r = c->relay;

	if (!c->active)
		return;
	if (r->rx_turn.from == c)
		r->rx_turn.from = TAILQ_NEXT(c, link);
	if (r->tx_turn.from == c)
		r->tx_turn.from = TAILQ_NEXT(c, link);
	TAILQ_REMOVE(&r->active, c, link);
	c->active = false;
}
