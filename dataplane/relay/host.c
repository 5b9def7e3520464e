/*
 * dataplane/relay/host.c - channels over descriptors of the kernel, which control opened.
 *
 * What says whose the descriptors are comes by the ring, they come by the socket: a channel waits
 * for them, and nobody waits for the channel. One of a program may be opened before there is any:
 * its window is 0 until then, as OpenSSH's server has it.
 */
#include "dataplane/relay/internal.h"

#include <errno.h>

void host_over(struct chan *ch)
{
	if (ch->fds == 0)
		return;
	TAILQ_REMOVE(&ch->conn->relay->fds_awaited, ch, fds_link);
	chan_forget_early(ch);
	ch->fds = 0;
}

/* For one that is open already: its window, and what its peer has said meanwhile. */
static void begin_open(struct chan *ch)
{
	uint32_t adjust = window_begin(ch, STREAM_HOST);

	if (adjust == 0) {
		relay_count(ch->conn->relay, RELAY_C_WINDOWS_FULL);
		chan_close(ch, -ENOBUFS);
		return;
	}
	ch->adjust += adjust;
	if (ch->fsm.eof_received)
		ch->target->ops->shutdown(ch->target);
}

/* For one that is about to be confirmed without: it goes with that. */
static void begin_opening(struct chan *ch)
{
	if (window_begin(ch, STREAM_HOST) > 0)
		return;
	relay_count(ch->conn->relay, RELAY_C_WINDOWS_FULL);
	connect_fail(ch, -ENOBUFS, SSH_OPEN_RESOURCE_SHORTAGE);
}

static void claim_failed(struct chan *ch, int err)
{
	if (ch->fsm.state == SSH_CHAN_OPENING)
		connect_fail(ch, err, SSH_OPEN_CONNECT_FAILED);
	else
		chan_close(ch, err);
}

/* Are they there now? Then it has a stream, or has failed. */
static void claim(struct chan *ch)
{
	struct relay *r = ch->conn->relay;
	int err = -EPROTONOSUPPORT;

	if (r->conf.host_claim != NULL)
		err = r->conf.host_claim(r->conf.host_arg, ch->fds, &chan_target_user, ch,
					 &ch->target);
	if (err == -EAGAIN)
		return;
	if (err == 0)
		chan_say_early(ch);
	host_over(ch);
	if (err < 0)
		ch->target = NULL;
	else if (ch->tee_fds != 0)
		err = chan_tee_begin(ch, ch->tee_fds, ch->tee_how);
	if (err < 0) {
		claim_failed(ch, err);
	} else {
		relay_count(r, RELAY_C_HOST);
		if (ch->cut.token != 0)
			r->conf.host_cut(ch->target, &ch->cut);
		if (ch->fsm.state == SSH_CHAN_OPEN)
			begin_open(ch);
		else if (ch->pend & CHAN_SAY_CONFIRM)
			begin_opening(ch);
		chan_ready(ch);
	}
	conn_activate(ch->conn);
}

static void await(struct chan *ch, uint64_t fds, uint32_t wait_ms)
{
	struct conn *c = ch->conn;

	ch->fds = fds;
	ch->deadline_us = ch->attempt_us = c->relay->now_us + (uint64_t)wait_ms * 1000;
	c->connect_us = timer_min(c->connect_us, ch->deadline_us);
	TAILQ_INSERT_TAIL(&c->relay->fds_awaited, ch, fds_link);
	claim(ch);
}

void host_late(struct chan *ch)
{
	relay_count(ch->conn->relay, RELAY_C_HOST_LATE);
	host_over(ch);
	claim_failed(ch, -ETIMEDOUT);
}

void relay_fds_came(struct relay *r, uint64_t token, uint64_t now_us)
{
	struct chan *ch = TAILQ_FIRST(&r->fds_awaited);

	r->now_us = now_us;
	trace_fds_came(r, token);
	while (ch != NULL && ch->fds != token)
		ch = TAILQ_NEXT(ch, fds_link);
	if (ch != NULL) /* a token is one channel's */
		claim(ch);
}

int host_begin(struct conn *c, const struct link_chan_host *m)
{
	struct chan *ch;
	int r = chan_new(c, m->program ? STREAM_HOST : STREAM_TCP, &ch);

	if (r < 0)
		return connect_refuse(c, m->peer_channel, m->token, r);
	ch->peer = m->peer_channel;
	ch->token = m->token;
	ch->program = m->program != 0;
	ch->eof_waits = m->program == LINK_PROGRAM_SESSION;
	ch->eow = m->program && m->eow;
	ch->target_addr = m->target;
	chan_name(ch, m->name.bytes, m->name.len, m->name.port);
	ch->idle_ms = m->idle_ms;
	ch->share = m->share;
	r = ssh_chan_limits_check(m->peer_packet_max);
	if (r < 0) {
		connect_fail(ch, r, SSH_OPEN_RESOURCE_SHORTAGE);
		return 0;
	}
	ssh_swin_init(&ch->swin, m->peer_window, m->peer_packet_max);
	if (m->fds != 0) {
		await(ch, m->fds, m->wait_ms);
		return 0;
	}
	window_none(ch);
	ch->pend |= CHAN_SAY_CONFIRM;
	chan_ready(ch);
	return 0;
}

/* The channel of an item; NULL: it is gone, and the item with it. */
static struct chan *host_find(struct conn *c, uint64_t token)
{
	struct chan *ch = chan_of_token(c, token);

	if (ch == NULL || ch->granted) {
		relay_count(c->relay, RELAY_C_ITEMS_STALE);
		return NULL;
	}
	return ch;
}

int host_fds(struct conn *c, const struct link_chan_fds *m)
{
	struct chan *ch = host_find(c, m->token);

	if (ch == NULL || !ch->program || ch->target != NULL || ch->fds != 0 ||
	    (ch->fsm.state != SSH_CHAN_OPEN && ch->fsm.state != SSH_CHAN_OPENING))
		return 0; /* what was sent for it is closed when nobody claims it */
	ch->idle_ms = m->idle_ms;
	ch->share = m->share;
	ch->tty = m->tty;
	conn_ttys(c, ch->tty);
	ch->tee_fds = m->tee;
	ch->tee_how = m->tee_how;
	if (ch->open_us != 0)
		timer_chan_open(ch);
	await(ch, m->fds, m->wait_ms);
	return 0;
}

int host_finish(struct conn *c, const struct link_chan_ref *m)
{
	struct chan *ch = host_find(c, m->token);

	if (ch == NULL || !ch->program)
		return 0;
	ch->finish = true;
	chan_ready(ch);
	return 0;
}

int host_size(struct conn *c, const struct link_chan_size *m)
{
	const struct relay_conf *conf = &c->relay->conf;
	struct chan *ch = host_find(c, m->token);

	/* Another's target has no terminal, and may be of a kind that host_size() does not know. */
	if (ch == NULL || !ch->program || ch->target == NULL || conf->host_size == NULL)
		return 0;
	conf->host_size(ch->target, m->columns, m->rows, m->width, m->height);
	chan_tee_size(ch, m->columns, m->rows);
	return 0;
}

int host_cut(struct conn *c, const struct link_chan_cut *m)
{
	const struct relay_conf *conf = &c->relay->conf;
	struct chan *ch = host_find(c, m->token);

	if (ch == NULL || !ch->program || conf->host_cut == NULL)
		return 0;
	ch->cut = *m;
	if (ch->target != NULL)
		conf->host_cut(ch->target, m);
	return 0;
}

void host_control_gone(struct conn *c)
{
	struct chan *ch;

	TAILQ_FOREACH(ch, &c->chans, link)
	{
		if (!ch->program)
			continue;
		c->alone = ch->alone = true;
		chan_ready(ch);
	}
}

void host_patience_over(struct conn *c)
{
	struct chan *ch;

	TAILQ_FOREACH(ch, &c->chans, link)
	{
		if (ch->alone && !ch->finish && (ch->target_eof || ch->target_err))
			chan_ready(ch);
	}
}

/* Those that have something to run are its own from now on. */
void host_control_came(struct conn *c)
{
	struct chan *ch;

	c->alone = false;
	TAILQ_FOREACH(ch, &c->chans, link)
	{
		if (ch->target != NULL)
			ch->alone = false;
	}
}
