/*
 * dataplane/relay/blocked.c - OperationTimeout of a blocked send: a channel of which bytes wait to
 * go one way, and whose client or target has taken none of them for so long, is closed.
 *
 * No packet asks for it. A connection whose channels have something to do is watched: its channels
 * are looked at a few times in the time that one has, as long as bytes wait in any of them, and
 * what has moved is read from the counters that are there anyway. So one is closed after its time
 * and at the most a part of it more.
 *
 * What we hold ourselves is nobody's fault: a cap, a key exchange, a copy that is full, messages of
 * the client that we have not read, among which a window may be. Then the time begins anew once we
 * go on. Of a shard that stood still itself the time it stood counts for nobody.
 */
#include "dataplane/relay/internal.h"

/* A look every so many parts of the time, but not more often than that. */
#define PARTS       8
#define PART_MIN_US 10000

static uint64_t limit_us(const struct conn *c)
{
	return (uint64_t)c->auth.send_timeout_ms * 1000;
}

static uint64_t part_us(const struct conn *c)
{
	return RTE_MAX(limit_us(c) / PARTS, (uint64_t)PART_MIN_US);
}

void blocked_watch(struct conn *c)
{
	if (c->blocked_us != 0)
		return;
	if (c->in_targets > 0 || !TAILQ_EMPTY(&c->sparse) || !TAILQ_EMPTY(&c->bulk))
		c->blocked_us = c->relay->now_us + part_us(c);
}

/* Of a channel one way. */
struct state {
	uint32_t waiting; /* bytes */
	bool blocked;     /* and it is the peer that does not take them */
	uint64_t moved;   /* until now; nothing but whether it changes means anything */
};

static struct state state_in(const struct chan *ch)
{
	uint32_t held = ch->conn->capped ? cap_held(ch) : 0;
	uint32_t queued = ch->target->ops->tx_queued(ch->target);

	return (struct state){
		.waiting = held + queued,
		.blocked = queued > 0,
		.moved = ch->bytes_from_peer - held - queued,
	};
}

/* What the client says is carried out: there is nothing of it, or some of it was a moment ago. */
static bool is_heard(const struct conn *c)
{
	bool unread = c->rx.q.records > 0 || c->stream->ops->rx_len(c->stream) > 0;

	if (c->rx_wait_keys || c->phase.kex != SSH_KEX_NONE)
		return false;
	return !unread || c->relay->now_us - c->last_rx_us <= part_us(c);
}

/* What its stream has got rid of: channels that wait for room in it wait for each other. */
static uint64_t stream_moved(const struct conn *c)
{
	uint64_t in = 0, out = 0;

	if (c->relay->conf.stream_totals != NULL)
		c->relay->conf.stream_totals(c->stream, &in, &out);
	return out;
}

static struct state state_out(const struct chan *ch)
{
	struct state s = {.waiting = chan_waiting(ch), .moved = ch->bytes_to_peer};
	const struct stream *stream = ch->conn->stream;

	if (ch->fsm.eof_sent || s.waiting == 0 || chan_tee_full(ch))
		return s;
	switch (look_slow_out(ch)) {
	case LINK_SLOW_WINDOW:
		s.blocked = is_heard(ch->conn);
		break;
	case LINK_SLOW_CLIENT:
	case LINK_SLOW_CONGESTION:
		/* Else it is for want of buffers, which are ours. */
		s.blocked = stream->ops->tx_queued(stream) > 0;
		s.moved += stream_moved(ch->conn);
		break;
	default:
		break;
	}
	return s;
}

/* Since when it is blocked; 0: it is not. stood_us: so long nobody was looked at. */
static uint64_t since(struct chan *ch, enum link_way way, const struct state *s, uint64_t stood_us)
{
	const struct conn *c = ch->conn;
	struct chan_blocked *b = &ch->blocked[way];
	uint64_t now = c->relay->now_us;

	if (!s->blocked)
		b->since_us = 0;
	else if (b->since_us == 0 || b->moved != s->moved)
		*b = (struct chan_blocked){now, s->moved};
	else if (stood_us > 0) /* and what came meanwhile is read before it is over */
		b->since_us = RTE_MAX(b->since_us + stood_us, now + part_us(c) - limit_us(c));
	return b->since_us;
}

static void look_at(struct chan *ch, uint64_t stood_us)
{
	static const struct {
		enum relay_counter counter;
		int cause;
	} of[LINK_WAYS] = {
		[LINK_IN] = {RELAY_C_CHANS_TARGET_BLOCKED, -SSH_E_TARGET_BLOCKED},
		[LINK_OUT] = {RELAY_C_CHANS_CLIENT_BLOCKED, -SSH_E_CLIENT_BLOCKED},
	};
	const struct state s[LINK_WAYS] = {[LINK_IN] = state_in(ch), [LINK_OUT] = state_out(ch)};
	struct conn *c = ch->conn;
	uint64_t now = c->relay->now_us;

	for (unsigned int way = 0; way < LINK_WAYS; way++) {
		uint64_t began = since(ch, (enum link_way)way, &s[way], stood_us);

		if (began != 0 && now >= began + limit_us(c)) {
			relay_count(c->relay, of[way].counter);
			chan_close(ch, of[way].cause);
			return;
		}
		if (s[way].waiting > 0)
			c->blocked_us = timer_min(c->blocked_us, now + part_us(c));
		if (began != 0)
			c->blocked_us = timer_min(c->blocked_us, began + limit_us(c));
	}
}

void blocked_look(struct conn *c)
{
	uint64_t late_us = c->relay->now_us - c->blocked_us;
	struct chan *ch;

	c->blocked_us = 0;
	TAILQ_FOREACH(ch, &c->chans, link)
	{
		if (ch->fsm.state == SSH_CHAN_OPEN && ch->target != NULL)
			look_at(ch, late_us > part_us(c) ? late_us : 0);
	}
}
