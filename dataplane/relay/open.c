/*
 * dataplane/relay/open.c - channels that control has us open towards a client, of a type it names.
 *
 * Source  RFC 4254 section 5.1.
 *
 * As a session's its descriptors come once it is open: its window is 0 until then, and its end is
 * control's to say. What its type means is nothing here.
 */
#include "dataplane/relay/internal.h"

#include <errno.h>

#define OPEN_HEAD_MAX (1 + 4 + LINK_HOST_MAX + 4 + 4 + 4)

static int say_open(const struct chan *ch, const struct link_chan_open *m)
{
	const struct ssh_chan_open open = {
		.type = {m->type.bytes, m->type.len},
		.sender_channel = ch->local,
		.window_size = ch->rwin.initial_window_size,
		.packet_max = ch->packet_max,
		.rest = {(const uint8_t *)(m + 1), m->rest_len},
	};
	uint8_t payload[OPEN_HEAD_MAX + LINK_REST_MAX];
	struct ssh_wr w;

	ssh_wr_init(&w, payload, sizeof(payload));
	ssh_chan_open_build(&w, &open);
	return conn_send(ch->conn, payload, (uint32_t)ssh_wr_done(&w));
}

/* Its failure is told now, or the item comes again. */
static int no_place(struct conn *c, uint64_t token, int err)
{
	int r = up_chan_failed(c, token, err, SSH_OPEN_RESOURCE_SHORTAGE);

	return r == -EAGAIN ? r : 0;
}

int chan_open_begin(struct conn *c, const struct link_chan_open *m)
{
	struct chan *ch;
	int r;

	if (c->phase.svc != SSH_SVC_OPEN)
		return -SSH_E_INTERNAL;
	if (c->n_opening >= RELAY_OPENING_MAX)
		return no_place(c, m->token, -SSH_E_UNAVAILABLE);
	r = chan_new(c, STREAM_HOST, &ch);
	if (r < 0)
		return no_place(c, m->token, r);
	window_none(ch);
	r = say_open(ch, m);
	if (r < 0) {
		chan_free(ch);
		return r;
	}
	ch->token = m->token;
	ch->program = ch->ours = ch->unanswered = true;
	c->n_opening++;
	ch->idle_ms = m->idle_ms;
	ch->deadline_us = c->relay->now_us + RELAY_ANSWER_US;
	c->connect_us = timer_min(c->connect_us, ch->deadline_us);
	chan_name(ch, m->type.bytes, m->type.len, 0);
	return 0;
}
