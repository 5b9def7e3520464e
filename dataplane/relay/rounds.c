/*
 * dataplane/relay/rounds.c - which channel of a connection is sealed next: deficit round robin
 * (Shreedhar and Varghese 1995), in which who was idle goes first (DRR++, MacGregor and Shi 2000).
 *
 * A channel with something to do stands in one of two lists. One that had nothing to do before
 * stands in sparse, and is served before all others with RELAY_SPARSE bytes, a terminal with
 * RELAY_INTERACTIVE: a keystroke, a screen, a request. What sends more goes behind those in bulk,
 * which have a quantum of bytes each in a round, whatever the size of their messages. A channel
 * that was served from sparse and is empty stays in bulk for the rest of the round: nobody is first
 * twice in one.
 *
 * The quantum is what the client's stream has room for, a message at most: on a slow path rounds
 * are short, on a fast one records are large.
 *
 * Room for the stream of the client is what bulk waits for. Bytes of sparse channels may go
 * beyond it, bounded, when they are all that waits in theirs: they need not wait for an
 * acknowledgement that only says that there is room. Nothing is reordered within a channel, or once
 * it is sealed.
 */
#include "dataplane/relay/internal.h"

static void enter(struct chan *ch, enum chan_queue q)
{
	struct conn *c = ch->conn;

	ch->queued = (uint8_t)q;
	if (q == CHAN_Q_SPARSE)
		TAILQ_INSERT_TAIL(&c->sparse, ch, ready_link);
	else
		TAILQ_INSERT_TAIL(&c->bulk, ch, ready_link);
}

void rounds_leave(struct chan *ch)
{
	struct conn *c = ch->conn;

	if (ch->queued == CHAN_Q_SPARSE)
		TAILQ_REMOVE(&c->sparse, ch, ready_link);
	else if (ch->queued == CHAN_Q_BULK)
		TAILQ_REMOVE(&c->bulk, ch, ready_link);
	ch->queued = CHAN_Q_NONE;
}

void chan_ready(struct chan *ch)
{
	if (ch->queued != CHAN_Q_NONE)
		return;
	ch->deficit = ch->tty ? RELAY_INTERACTIVE : RELAY_SPARSE;
	enter(ch, CHAN_Q_SPARSE);
}

uint32_t rounds_room(const struct chan *ch, const struct share *s, uint32_t want)
{
	uint32_t most = RTE_MAX((uint32_t)ch->deficit, (uint32_t)RELAY_SPACE_MIN);

	if (ch->queued != CHAN_Q_SPARSE)
		return s->space;
	if (want <= most)
		return RTE_MAX(s->space, s->ahead);
	/* Much comes: its first bytes pass the others, where there are any. */
	return TAILQ_EMPTY(&ch->conn->bulk) ? s->space : RTE_MIN(s->space, most);
}

void rounds_spent(struct chan *ch, struct share *s, uint32_t n)
{
	uint32_t beyond = n > s->space ? n - s->space : 0;

	s->space -= n - beyond;
	s->ahead -= RTE_MIN(beyond, s->ahead);
	ch->deficit -= (int32_t)n;
}

/* Bytes of data the client's stream should be given in this turn. */
static uint32_t conn_space(const struct conn *c)
{
	uint32_t space = c->stream->ops->tx_space(c->stream);
	uint32_t waiting = c->tx.q.bytes + c->tx.out.len;

	/* However small its budget: a stream that holds nothing takes a message. */
	if (waiting == 0 && c->stream->ops->tx_queued(c->stream) == 0)
		space = RTE_MAX(space, (uint32_t)RELAY_SPACE_MIN);
	return space > waiting ? space - waiting : 0;
}

static struct share conn_share(struct conn *c)
{
	uint32_t turn = turn_share(c, &c->relay->tx_turn, c->tx_much), space = conn_space(c);
	struct share s = {.space = RTE_MIN(space, turn), .cut = turn <= space};
	uint32_t over = c->over + c->tx.q.bytes;

	if (!c->relay->mem.is_short && over < RELAY_AHEAD_MAX)
		s.ahead = RTE_MIN(RELAY_AHEAD_MAX - over, (uint32_t)RELAY_SPARSE);
	s.quantum = RTE_MAX(s.space, (uint32_t)RELAY_SPACE_MIN);
	s.quantum = RTE_MIN(s.quantum, (uint32_t)SSH_SWIN_PACKET_CAP);
	return s;
}

bool chan_could_go_on(const struct conn *c)
{
	return (!TAILQ_EMPTY(&c->sparse) || !TAILQ_EMPTY(&c->bulk)) && kex_quiet(c) &&
	       !c->tx_capped && conn_space(c) >= RELAY_SPACE_MIN;
}

static void hear_all(struct conn *c)
{
	struct chan *ch;

	TAILQ_FOREACH(ch, &c->sparse, ready_link)
	{
		chan_hear(ch);
	}
	TAILQ_FOREACH(ch, &c->bulk, ready_link)
	{
		chan_hear(ch);
	}
}

static unsigned int run_sparse(struct conn *c, struct share *s)
{
	struct chan *ch, *next;
	unsigned int n = 0;

	for (ch = TAILQ_FIRST(&c->sparse); ch != NULL; ch = next) {
		enum visit v;

		next = TAILQ_NEXT(ch, ready_link);
		v = chan_visit(ch, s);
		n += v == VISIT_MORE || v == VISIT_GONE;
		if (v == VISIT_BLOCKED || v == VISIT_GONE)
			continue;
		if (v == VISIT_MORE && ch->deficit > 0) {
			next = ch;
			continue;
		}
		rounds_leave(ch);
		if (v == VISIT_MORE || !TAILQ_EMPTY(&c->bulk))
			enter(ch, CHAN_Q_BULK);
	}
	return n;
}

/* What is blocked keeps its place, and whoever is empty behind it waits for the round to end. */
static unsigned int run_bulk(struct conn *c, struct share *s)
{
	struct chan *ch, *next;
	bool blocked = false;
	unsigned int n = 0;

	for (ch = TAILQ_FIRST(&c->bulk); ch != NULL; ch = next) {
		enum visit v;

		if (ch->deficit <= 0) {
			next = TAILQ_NEXT(ch, ready_link);
			next = next != NULL ? next : ch;
			ch->deficit += (int32_t)(s->quantum * chan_weight(ch));
			rounds_leave(ch);
			enter(ch, CHAN_Q_BULK);
			continue;
		}
		next = TAILQ_NEXT(ch, ready_link);
		v = chan_visit(ch, s);
		n += v == VISIT_MORE || v == VISIT_GONE;
		if (v == VISIT_MORE)
			next = ch;
		else if (v == VISIT_BLOCKED)
			blocked = true;
		else if (v == VISIT_DONE && !blocked)
			rounds_leave(ch);
	}
	return n;
}

unsigned int chan_run(struct conn *c)
{
	struct share s;
	unsigned int n;
	uint32_t space;

	if (unlikely(c->auth.send_timeout_ms != 0))
		blocked_watch(c);
	if (TAILQ_EMPTY(&c->sparse) && TAILQ_EMPTY(&c->bulk)) {
		c->tx_much = c->tx_capped = false;
		turn_spent(c, &c->relay->tx_turn, 0, false);
		if (unlikely(c->capped) && c->relay->weights.told > 0)
			weight_waits(c, LINK_OUT, false);
		return 0;
	}
	s = conn_share(c);
	space = s.space;
	hear_all(c);
	n = run_sparse(c, &s);
	n += run_bulk(c, &s);
	c->tx_capped = c->capped && s.space >= RELAY_SPACE_MIN;
	c->tx_much = !TAILQ_EMPTY(&c->bulk);
	turn_spent(c, &c->relay->tx_turn, space - s.space,
		   s.cut && c->tx_much && s.space < RELAY_SPACE_MIN);
	if (unlikely(c->capped) && c->relay->weights.told > 0)
		weight_waits(c, LINK_OUT, c->tx_capped);
	return n;
}
