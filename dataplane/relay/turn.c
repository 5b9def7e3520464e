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
 *
 * Where somebody has a share of his own (weight.h) the quanta of those who want more are what their
 * shares are; what is left of one goes on in the next turn, which begins with it.
 */
#include "dataplane/relay/internal.h"

#include <rte_prefetch.h>

#define FETCH_STREAM 256 /* bytes of a stream that a write to it looks at */

/*
 * What the next one's visit begins with, fetched while this one has his. Before records are opened:
 * the bytes that wait for the rest of one, its channel; then the channel's target.
 */
void turn_fetch_input(const struct conn *c)
{
	const struct chan *ch;

	record_rx_prefetch(&c->rx);
	ch = TAILQ_FIRST(&c->chans);
	if (ch == NULL)
		return;
	for (size_t at = 0; at < offsetof(struct chan, generation); at += 64)
		rte_prefetch0((const uint8_t *)ch + at);
}

void turn_fetch_target(const struct conn *c)
{
	const struct chan *ch = TAILQ_FIRST(&c->chans);

	if (ch == NULL || ch->target == NULL)
		return;
	for (size_t at = 0; at < FETCH_STREAM; at += 64)
		rte_prefetch0((const uint8_t *)ch->target + at);
}

static unsigned int visit_from(struct conn *c, const struct conn *end, turn_visit_fn *visit,
			       turn_fetch_fn *fetch)
{
	unsigned int work = 0;

	for (; c != end; c = TAILQ_NEXT(c, link)) {
		const struct conn *next = TAILQ_NEXT(c, link);

		if (next != NULL)
			fetch(next);
		work += visit(c);
	}
	return work;
}

unsigned int turn_visit(struct relay *r, struct turn *t, turn_visit_fn *visit, turn_fetch_fn *fetch)
{
	struct conn *from = t->from;
	unsigned int work;

	*t = (struct turn){.left = quantum_turn(&r->quantum)};
	work = visit_from(from != NULL ? from : TAILQ_FIRST(&r->active), NULL, visit, fetch);
	if (from != NULL)
		work += visit_from(TAILQ_FIRST(&r->active), from, visit, fetch);
	return work;
}

static enum link_way way_of(const struct relay *r, const struct turn *t)
{
	return t == &r->rx_turn ? LINK_IN : LINK_OUT;
}

static uint32_t weighed(struct conn *c, struct turn *t, uint32_t quantum)
{
	uint32_t n = weight_part(c, way_of(c->relay, t), quantum);
	uint32_t most = RTE_MAX(t->left, (uint32_t)QUANTUM_BYTES_MIN);

	if (n == 0)
		c->more = true;
	if (n > most && t->from == NULL)
		t->from = c;
	return RTE_MIN(n, most);
}

uint32_t turn_share(struct conn *c, struct turn *t, bool much)
{
	struct relay *r = c->relay;
	uint32_t quantum = r->quantum.bytes;

	if (t->left > 0)
		return likely(r->weights.told == 0) ? quantum : weighed(c, t, quantum);
	if (t->from == NULL)
		t->from = c;
	if (!much)
		return RTE_MIN(quantum, (uint32_t)QUANTUM_SPARSE);
	c->more = true;
	return 0;
}

void turn_spent(struct conn *c, struct turn *t, uint32_t n, bool more)
{
	t->left -= RTE_MIN(n, t->left);
	if (unlikely(c->relay->weights.told > 0))
		weight_spent(c, way_of(c->relay, t), n, more);
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
