/*
 * dataplane/relay/look.c - channels as they are, for those who look: how much they moved, and what
 * holds them up.
 *
 * Nothing is kept for it: what a channel needs for its work is read when control asks, some
 * channels at a time, so that the shard's turn is not longer for it than for a burst of items.
 */
#include "dataplane/relay/internal.h"

#include <errno.h>

#define LOOK_PLACES 2048 /* of the table, in one answer */
#define LOOK_CONNS  512  /* that one look at all of them sees */

_Static_assert(LINK_LOOK_MAX * sizeof(struct link_look_chan) <= LINK_PAYLOAD_MAX,
	       "an answer is put together where payloads are");

static bool congested(const struct relay *r, const struct stream *s)
{
	return r->conf.stream_congested != NULL && r->conf.stream_congested(s);
}

/* What of it there is to move, but for the channel itself; else LINK_SLOW_NOTHING. */
static enum link_slow conn_holds(const struct conn *c, bool in)
{
	if (in ? c->rx_wait_keys || c->phase.kex != SSH_KEX_NONE : c->tx_kex)
		return LINK_SLOW_REKEY;
	if (in && c->mem_stopped)
		return LINK_SLOW_MEMORY;
	if (in && c->slow_stopped)
		return LINK_SLOW_CONTROL;
	return LINK_SLOW_NOTHING;
}

/* From the client to the target. */
static enum link_slow slow_in(const struct chan *ch)
{
	enum link_slow why = conn_holds(ch->conn, true);
	const struct stream *t = ch->target;

	if (ch->fsm.state == SSH_CHAN_OPENING)
		return ch->ours ? LINK_SLOW_CLIENT : LINK_SLOW_TARGET;
	if (why != LINK_SLOW_NOTHING)
		return why;
	if (ch->conn->capped && cap_stops(ch, LINK_IN))
		return LINK_SLOW_CAP;
	/* The client may not send more than that, and that is in the target's stream. */
	if (t != NULL && ch->in_target > 0 &&
	    (ch->rwin.window_size < SSH_RWIN_LOW || t->ops->tx_space(t) == 0))
		return congested(ch->conn->relay, t) ? LINK_SLOW_CONGESTION : LINK_SLOW_TARGET;
	return ch->fsm.eof_received ? LINK_SLOW_NOTHING : LINK_SLOW_CLIENT;
}

enum link_slow look_slow_out(const struct chan *ch)
{
	const struct conn *c = ch->conn;
	enum link_slow why = conn_holds(c, false);

	if (ch->fsm.state == SSH_CHAN_OPENING)
		return ch->ours ? LINK_SLOW_CLIENT : LINK_SLOW_TARGET;
	if (chan_waiting(ch) == 0)
		return ch->target_eof || ch->target == NULL ? LINK_SLOW_NOTHING : LINK_SLOW_TARGET;
	if (why != LINK_SLOW_NOTHING)
		return why;
	if (ch->swin.window_size == 0)
		return LINK_SLOW_WINDOW;
	if (c->capped && cap_stops(ch, LINK_OUT))
		return LINK_SLOW_CAP;
	if (c->stream != NULL && c->stream->ops->tx_space(c->stream) < RELAY_SPACE_MIN)
		return congested(c->relay, c->stream) ? LINK_SLOW_CONGESTION : LINK_SLOW_CLIENT;
	return LINK_SLOW_CORE;
}

static uint8_t state_of(const struct chan *ch)
{
	if (ch->fsm.state == SSH_CHAN_OPENING)
		return LINK_CHAN_OPENING;
	return ch->fsm.state == SSH_CHAN_OPEN ? LINK_CHAN_OPEN : LINK_CHAN_ENDING;
}

static uint32_t rtt(const struct relay *r, const struct stream *s)
{
	return s != NULL && r->conf.stream_rtt_us != NULL ? r->conf.stream_rtt_us(s) : 0;
}

/* 0 where it has not begun: a channel that opens. */
static uint64_t since(const struct relay *r, uint64_t us)
{
	return us != 0 && us < r->now_us ? r->now_us - us : 0;
}

static struct link_look_chan look_at(const struct chan *ch)
{
	const struct relay *r = ch->conn->relay;
	struct link_look_chan l = {
		.conn = conn_handle(ch->conn),
		.token = ch->token,
		.bytes_in = ch->bytes_from_peer,
		.bytes_out = ch->bytes_to_peer,
		.age_us = since(r, ch->open_us),
		.idle_us = since(r, ch->last_us != 0 ? ch->last_us : ch->open_us),
		.local_channel = ch->local,
		.window_in = ch->rwin.window_size,
		.window_in_max = ch->rwin.initial_window_size,
		.window_out = ch->swin.window_size,
		.held_in = ch->in_target,
		.held_out = chan_waiting(ch),
		.client_rtt_us = rtt(r, ch->conn->stream),
		.target_rtt_us = rtt(r, ch->target),
		.target = ch->target_addr,
		.state = state_of(ch),
		.slow_in = slow_in(ch),
		.slow_out = look_slow_out(ch),
		.ours = ch->ours,
	};

	for (unsigned int way = 0; ch->conn->capped && way < LINK_WAYS; way++) {
		struct cap_wait w = cap_waited(ch, way);

		l.capped_us[way] = w.us;
		l.capped_bytes[way] = w.bytes;
		l.capped[way] = w.by;
	}
	return l;
}

/* conn NULL: of whichever. Returns where to go on. */
static uint32_t look(struct relay *r, const struct conn *conn, uint32_t from,
		     struct link_look_result *ret)
{
	struct link_look_chan *to = (void *)r->payload;
	uint32_t i = from;

	for (; i < r->fresh_chans && i - from < LOOK_PLACES && ret->n < LINK_LOOK_MAX; i++) {
		const struct chan *ch = &r->chans[i];

		if (ch->conn != NULL && (conn == NULL || ch->conn == conn))
			to[ret->n++] = look_at(ch);
	}
	return i < r->fresh_chans ? i : 0;
}

/* Of which bytes waited for rates. */
static uint32_t look_capped(struct relay *r, uint32_t from, struct link_look_result *ret)
{
	struct link_look_conn *to = (void *)r->payload;
	uint32_t i = from, seen = 0;

	for (; i < r->fresh_conns && seen < LOOK_PLACES && ret->n < LINK_LOOK_MAX; i++) {
		const struct conn *c = &r->conns[i];
		struct cap_sum sum;

		seen += LOOK_PLACES / LOOK_CONNS;
		if (c->state == 0 || !c->capped)
			continue;
		seen += c->n_chans; /* each is looked at for the sum */
		sum = cap_sum(c);
		if (sum.us[LINK_IN] == 0 && sum.us[LINK_OUT] == 0)
			continue;
		to[ret->n].conn = conn_handle(c);
		memcpy(to[ret->n].capped_us, sum.us, sizeof(sum.us));
		memcpy(to[ret->n++].capped_bytes, sum.bytes, sizeof(sum.bytes));
	}
	return i < r->fresh_conns ? i : 0;
}

static int look_capped_tell(struct relay *r, const struct link_look *m)
{
	struct link_look_result body = {.id = m->id, .what = m->what};

	body.next = look_capped(r, m->from, &body);
	return up_send(r, LINK_EV_LOOK, NULL, &body, sizeof(body), r->payload,
		       body.n * sizeof(struct link_look_conn));
}

int look_tell(struct relay *r, const struct link_hdr *ask)
{
	const struct link_look *m = link_msg_body(ask);
	struct link_look_result body = {.id = m->id};
	const struct conn *conn = NULL;

	if (m->what == LINK_LOOK_CAPPED)
		return look_capped_tell(r, m);

	if (ask->conn.generation != 0)
		conn = conn_find(r, &ask->conn);
	if (conn != NULL || ask->conn.generation == 0)
		body.next = look(r, conn, m->from, &body);
	return up_send(r, LINK_EV_LOOK, NULL, &body, sizeof(body), r->payload,
		       body.n * sizeof(struct link_look_chan));
}

static struct conn_uses uses_of(const struct conn *c)
{
	struct conn_uses u = {.opening = c->n_opening, .unanswered = c->unanswered};

	if (c->indebted)
		u.flight = debt_of(c, &u.flight_max);
	return u;
}

static const struct conn_uses *look_at_conns(struct relay *r)
{
	struct conn_look *l = &r->conn_look;
	uint32_t end = l->next + LOOK_CONNS;

	for (; l->next < end && l->next < r->fresh_conns; l->next++) {
		struct conn_uses u = {0};

		if (r->conns[l->next].state != 0)
			u = uses_of(&r->conns[l->next]);
		if (u.flight_max != 0 && (l->now.flight_max == 0 || u.flight > l->now.flight)) {
			l->now.flight = u.flight;
			l->now.flight_max = u.flight_max;
		}
		l->now.opening = RTE_MAX(l->now.opening, u.opening);
		l->now.unanswered = RTE_MAX(l->now.unanswered, u.unanswered);
	}
	if (l->next >= r->fresh_conns)
		*l = (struct conn_look){.most = l->now};
	return &l->most;
}

static struct relay_use flight_use(struct relay *r, enum link_flight_group kind)
{
	struct flight_look *l = &r->debts.look[kind];

	flights_look(r->debts.flights, kind, l);
	return (struct relay_use){l->used, l->max};
}

unsigned int relay_conns(const struct relay *r)
{
	return r->n_conns;
}

unsigned int relay_conns_max(const struct relay *r)
{
	return r->conns_limit;
}

void relay_uses(struct relay *r, struct relay_uses *ret)
{
	const struct conn_uses *one = look_at_conns(r);

	*ret = (struct relay_uses){
		.conns = {r->n_conns, r->conns_limit},
		.chans = {r->fresh_chans - r->n_free_chans, r->conf.chans_max},
		.backlog = {r->n_unknown, r->backlog},
		.audit = {r->audit.next - r->audit.acked, r->audit.size},
		.windows = {r->windows, r->windows_max},
		.compression = {zpool_used(r->zpool), r->conf.compression_memory},
		.grants = {r->grants.n, r->grants.size},
		.forwards = {r->forwards.n, r->forwards.size},
		.flight_conn = {one->flight, one->flight_max},
		.flight_user = flight_use(r, LINK_FLIGHT_USER),
		.flight_source = flight_use(r, LINK_FLIGHT_SOURCE),
		.opening = {one->opening, RELAY_OPENING_MAX},
		.unanswered = {one->unanswered, RELAY_UNANSWERED_MAX},
	};
}
