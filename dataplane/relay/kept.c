/*
 * dataplane/relay/kept.c - what a control that attaches is told of connections it does not know:
 * who they are, as an earlier one left it, sealed; their listeners; their channels; half a key
 * exchange; then, what that one had taken and not settled (ask.c). It comes before all else that is
 * said of the connection, and the ends of channels wait for it.
 */
#include "dataplane/relay/internal.h"

#include <errno.h>

void kept_begin(struct conn *c)
{
	struct chan *ch;

	if (c->phase.svc != SSH_SVC_OPEN || (c->pend & CONN_EV_NEW))
		return;
	c->pend |= CONN_EV_KEPT;
	c->kept = KEPT_CONN;
	forwards_keep(c);
	/* Those that come in and are not answered yet begin for control with their answer. */
	TAILQ_FOREACH(ch, &c->chans, link)
	{
		if (!ch->unanswered)
			ch->pend |= CHAN_EV_KEPT;
		if (ch->drained && !ch->finish)
			ch->pend |= CHAN_EV_DRAINED;
		/* Who heard of them may not have got to write of them. */
		ch->eof_due |= (uint8_t)(ch->fsm.eof_received << LINK_EOF_IN |
					 ch->fsm.eof_sent << LINK_EOF_OUT);
	}
}

static int tell_conn(struct conn *c)
{
	struct relay *r = c->relay;
	struct link_handle h = conn_handle(c);
	struct link_conn_kept body = {
		.local = c->local,
		.peer = c->peer,
		.uid = c->uid,
		.age_us = r->now_us - c->open_us,
		.no_comp = !c->comp_promised,
		.rated = c->capped || c->indebted || weight_told(c),
		.len = c->blob.len,
	};

	note_read(r, &c->blob, r->payload);
	return up_send(r, LINK_EV_CONN_KEPT, &h, &body, sizeof(body), r->payload, body.len);
}

static uint8_t program_of(const struct chan *ch)
{
	if (!ch->program)
		return 0;
	return ch->eof_waits ? LINK_PROGRAM_SESSION : LINK_PROGRAM_CHANNEL;
}

static int tell_chan(struct chan *ch)
{
	struct relay *r = ch->conn->relay;
	struct link_handle h = conn_handle(ch->conn);
	struct link_chan_kept body = {
		.token = ch->token,
		.peer_channel = ch->peer,
		.local_channel = ch->local,
		.target = ch->target_addr,
		.port = ch->asked_port,
		.name_len = (uint16_t)ch->name.len,
		.up = ch->open_us != 0 && !(ch->pend & CHAN_EV_OPENED),
		.granted = ch->granted,
		.program = program_of(ch),
		.ours = ch->ours && !ch->granted,
		.tty = ch->tty,
	};
	int err;

	note_read(r, &ch->name, r->payload);
	err = up_send(r, LINK_EV_CHAN_KEPT, &h, &body, sizeof(body), r->payload, body.name_len);
	if (err == 0)
		ch->pend &= (uint8_t)~CHAN_EV_KEPT;
	return err;
}

static int tell_chans(struct conn *c)
{
	struct chan *ch;
	int err = 0;

	TAILQ_FOREACH(ch, &c->chans, link)
	{
		if (ch->pend & CHAN_EV_KEPT)
			err = tell_chan(ch);
		if (err < 0)
			return err;
	}
	return 0;
}

static int tell_kex(struct conn *c)
{
	const struct note *n = c->kex_sealed_rx.len > 0 ? &c->kex_sealed_rx : &c->kex_own;
	struct link_kex_kept body = {.len = n->len, .sealed = n == &c->kex_sealed_rx};
	struct link_handle h = conn_handle(c);
	struct relay *r = c->relay;

	if (n->len == 0)
		return 0;
	note_read(r, n, r->payload);
	return up_send(r, LINK_EV_KEX_KEPT, &h, &body, sizeof(body), r->payload, body.len);
}

static int tell_step(struct conn *c)
{
	switch (c->kept) {
	case KEPT_CONN:
		return tell_conn(c);
	case KEPT_FORWARDS:
		return forwards_tell_kept(c);
	case KEPT_CHANS:
		return tell_chans(c);
	case KEPT_KEX:
		return tell_kex(c);
	default:
		return asks_tell(c);
	}
}

int kept_tell(struct conn *c)
{
	struct chan *ch;

	for (; c->kept <= KEPT_ASKS; c->kept++) {
		int err = tell_step(c);

		if (err < 0)
			return err;
	}
	c->pend &= (uint8_t)~CONN_EV_KEPT;
	TAILQ_FOREACH(ch, &c->chans, link)
	{
		if (ch->pend != 0 || ch->eof_due != 0)
			chan_ready(ch);
	}
	c->more = true; /* what waited for this */
	return 0;
}
