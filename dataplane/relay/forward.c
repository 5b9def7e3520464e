/*
 * dataplane/relay/forward.c - listeners of connections: what comes in at one becomes a channel that
 * we open towards the client.
 *
 * Source  RFC 4254 sections 7.1 and 7.2.
 *
 * Control decides that there is a listener and where; from then on the shard needs nobody: with
 * control away connections come in as before. What a peer sends before the client has confirmed
 * its channel waits in its stream, whose window is the bound. A client that refuses, or does not
 * answer in time, has the peer reset; it may have RELAY_OPENING_MAX unanswered.
 *
 * A listener ends with its connection. Its channels live on when it is cancelled; those whose OPEN
 * has not left us yet end with it.
 */
#include "dataplane/relay/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "dataplane/table.h"
#include "ssh/forward.h"
#include "ssh/wire.h"

/* An OPEN: its head, the longest address, an originator and two ports. */
#define OPEN_MAX (64 + LINK_HOST_MAX + INET6_ADDRSTRLEN)

struct forward {
	struct conn *conn; /* NULL: free */
	uint64_t token;
	uint32_t next; /* of its connection, or free: index + 1 */
	struct link_addr addr;
	int err;
	bool bound;   /* or being so */
	bool up;      /* connections come in */
	bool to_tell; /* what became of it */
	uint16_t host_len;
	uint8_t host[LINK_HOST_MAX];
};

int forwards_init(struct forwards *all, uint32_t size)
{
	*all = (struct forwards){.size = size};
	all->forward = table_new(size, sizeof(*all->forward));
	return all->forward != NULL ? 0 : -ENOMEM;
}

void forwards_fini(struct forwards *all)
{
	table_free(all->forward, all->size, sizeof(*all->forward));
	all->forward = NULL;
}

static uint32_t id_of(const struct forward *f)
{
	return (uint32_t)(f - f->conn->relay->forwards.forward);
}

static struct forward *forward_at(struct conn *c, uint32_t i)
{
	return &c->relay->forwards.forward[i - 1];
}

static struct forward *forward_new(struct conn *c)
{
	struct forwards *all = &c->relay->forwards;
	uint32_t i = all->free;
	struct forward *f;

	if (i == 0 && all->fresh == all->size)
		return NULL;
	if (i == 0)
		i = ++all->fresh;
	f = forward_at(c, i);
	if (i == all->free)
		all->free = f->next;
	*f = (struct forward){.conn = c, .next = c->forwards};
	c->forwards = i;
	return f;
}

/* Nobody told the client of them, and what they came in by is gone. */
static void drop_unsaid(struct forward *f)
{
	struct chan *ch, *next;

	for (ch = TAILQ_FIRST(&f->conn->chans); ch != NULL; ch = next) {
		next = TAILQ_NEXT(ch, link);
		if (ch->forward != f)
			continue;
		ch->forward = NULL;
		if (ch->pend & CHAN_SAY_OPEN)
			chan_free(ch);
	}
}

/* Takes the one at *at out of its connection's. */
static void forward_free(struct conn *c, uint32_t *at)
{
	uint32_t i = *at;
	struct forward *f = forward_at(c, i);
	struct relay *r = c->relay;

	if (f->bound)
		r->conf.listens.end(r->conf.listens.arg, id_of(f));
	drop_unsaid(f);
	*at = f->next;
	f->conn = NULL;
	f->next = r->forwards.free;
	r->forwards.free = i;
}

void forwards_drop(struct conn *c)
{
	while (c->forwards != 0)
		forward_free(c, &c->forwards);
}

/* --- what control asks for ------------------------------------------------------------------- */

static void told_later(struct forward *f, int err)
{
	f->err = err;
	f->up = err == 0;
	f->to_tell = true;
	f->conn->pend |= CONN_EV_FORWARD;
	if (err < 0)
		f->bound = false;
	else
		relay_count(f->conn->relay, RELAY_C_FORWARDS);
	conn_activate(f->conn);
}

/* There is no place to remember it in: its failure is told now, or the item comes again. */
static int no_place(struct conn *c, uint64_t token)
{
	int r = up_forward(c, token, -ENOBUFS, 0);

	if (r == -EAGAIN)
		return r;
	relay_count(c->relay, RELAY_C_FORWARD_TABLE_FULL);
	return 0;
}

int forward_begin(struct conn *c, const struct link_forward *m)
{
	const struct relay_listens *l = &c->relay->conf.listens;
	struct forward *f;
	int r = -EADDRNOTAVAIL;

	if (c->phase.svc != SSH_SVC_OPEN)
		return -SSH_E_INTERNAL;
	f = forward_new(c);
	if (f == NULL)
		return no_place(c, m->token);
	f->token = m->token;
	f->addr = m->addr;
	f->host_len = m->host_len;
	memcpy(f->host, m->host, m->host_len);
	if (l->begin != NULL) {
		f->bound = true;
		r = l->begin(l->arg, id_of(f), &f->addr, &f->addr.port);
	}
	if (r != -EINPROGRESS)
		told_later(f, r);
	return 0;
}

void relay_listen_done(struct relay *r, uint32_t id, int err, uint16_t port)
{
	struct forward *f = &r->forwards.forward[id];

	f->addr.port = port;
	told_later(f, err);
}

void forward_end(struct conn *c, const struct link_forward_ref *m)
{
	uint32_t *at = &c->forwards;
	struct chan *ch;

	while (*at != 0 && forward_at(c, *at)->token != m->token)
		at = &forward_at(c, *at)->next;
	if (*at != 0)
		forward_free(c, at);
	else
		relay_count(c->relay, RELAY_C_ITEMS_STALE);
	if (m->cut == 0)
		return;
	TAILQ_FOREACH(ch, &c->chans, link)
	{
		if (ch->ours && ch->token == m->token)
			chan_close(ch, -ECANCELED);
	}
}

/* Results that wait; a listener that could not be is forgotten once that is said. */
int forwards_tell(struct conn *c)
{
	for (uint32_t *at = &c->forwards; *at != 0;) {
		struct forward *f = forward_at(c, *at);
		int r;

		if (f->to_tell) {
			r = up_forward(c, f->token, f->err, f->addr.port);
			if (r < 0)
				return r;
			f->to_tell = false;
		}
		if (f->err < 0)
			forward_free(c, at);
		else
			at = &f->next;
	}
	c->pend &= (uint8_t)~CONN_EV_FORWARD;
	return 0;
}

/* --- what comes in -----------------------------------------------------------------------------
 */

bool relay_forward(struct relay *r, struct stream *s, uint32_t id, const struct link_addr *peer,
		   uint64_t now_us)
{
	struct forward *f = &r->forwards.forward[id];
	struct conn *c = f->conn;
	struct chan *ch;

	r->now_us = now_us;
	if (c == NULL || !f->up || c->state != CONN_OPEN)
		return false;
	if (c->n_opening >= RELAY_OPENING_MAX) {
		relay_count(r, RELAY_C_FORWARD_OPENING);
		return false;
	}
	ch = chan_new(c, (enum stream_kind)s->kind);
	if (ch == NULL)
		return false;
	ch->forward = f;
	ch->ours = ch->unanswered = ch->granted = true;
	c->n_opening++;
	ch->token = f->token;
	ch->target = s;
	ch->target_addr = *peer;
	ch->deadline_us = now_us + RELAY_ANSWER_US;
	c->connect_us = timer_min(c->connect_us, ch->deadline_us);
	ch->pend = CHAN_SAY_OPEN;
	s->user = &chan_target_user;
	s->user_ptr = ch;
	relay_count(r, RELAY_C_FORWARDED);
	chan_ready(ch);
	conn_activate(c);
	return true;
}

int forward_say_open(struct chan *ch)
{
	const struct forward *f = ch->forward;
	char from[INET6_ADDRSTRLEN] = "";
	uint8_t rest[OPEN_MAX], payload[2 * OPEN_MAX];
	const struct ssh_forwarded_tcpip to = {
		.address = {f->host, f->host_len},
		.port = f->addr.port,
		.originator_port = ch->target_addr.port,
	};
	struct ssh_forwarded_tcpip m = to;
	struct ssh_chan_open open = {
		.type = ssh_str_c(SSH_OPEN_FORWARDED),
		.sender_channel = ch->local,
		.window_size = ch->rwin.initial_window_size,
		.packet_max = ch->packet_max,
	};
	struct ssh_wr w;
	int r;

	inet_ntop(ch->target_addr.family == 4 ? AF_INET : AF_INET6, ch->target_addr.addr, from,
		  sizeof(from));
	m.originator = ssh_str_c(from);
	ssh_wr_init(&w, rest, sizeof(rest));
	ssh_forwarded_tcpip_build(&w, &m);
	open.rest = (struct ssh_str){rest, (uint32_t)ssh_wr_done(&w)};
	ssh_wr_init(&w, payload, sizeof(payload));
	ssh_chan_open_build(&w, &open);
	r = conn_send(ch->conn, payload, (uint32_t)ssh_wr_done(&w));
	if (r < 0)
		return r;
	ch->pend &= (uint8_t)~CHAN_SAY_OPEN;
	return 0;
}

static struct chan *unanswered(struct conn *c, uint32_t local)
{
	struct chan *ch = chan_at(c, local);

	return ch != NULL && ch->unanswered && !(ch->pend & CHAN_SAY_OPEN) ? ch : NULL;
}

bool forward_awaits(struct conn *c, uint32_t channel)
{
	return unanswered(c, channel) != NULL;
}

void forward_answered(struct chan *ch)
{
	if (!ch->unanswered)
		return;
	ch->unanswered = false;
	ch->conn->n_opening--;
}

static void target_cut(struct chan *ch)
{
	if (ch->target != NULL)
		ch->target->ops->abort(ch->target);
	ch->target = NULL;
}

int forward_confirmed(struct conn *c, const struct ssh_chan_confirm *m)
{
	struct chan *ch = unanswered(c, m->recipient_channel);
	enum ssh_chan_act act;
	int r;

	if (ch == NULL)
		return -SSH_E_CHANNEL; /* never asked for, or answered already (S-18) */
	r = ssh_chan_step(&ch->fsm, SSH_CHAN_EV_CONFIRMED, &act);
	if (r < 0)
		return r;
	forward_answered(ch);
	ch->peer = m->sender_channel;
	ssh_swin_init(&ch->swin, m->window_size, m->packet_max);
	if (act == SSH_CHAN_ACT_SEND_CLOSE) {
		ch->pend |= CHAN_SAY_CLOSE;
	} else {
		ch->open_us = c->relay->now_us;
		ch->pend |= CHAN_EV_OPENED;
		relay_count(c->relay, RELAY_C_CHANS);
		if (ssh_chan_limits_check(m->packet_max) < 0) /* S-50 */
			chan_close(ch, -SSH_E_PACKET_SIZE);
	}
	chan_ready(ch);
	return 0;
}

int forward_refused(struct conn *c, uint32_t channel, uint32_t reason)
{
	struct chan *ch = unanswered(c, channel);
	bool wanted;
	enum ssh_chan_act act;
	int r;

	if (ch == NULL)
		return -SSH_E_CHANNEL;
	wanted = ch->fsm.state == SSH_CHAN_OPENING;
	r = ssh_chan_step(&ch->fsm, SSH_CHAN_EV_REFUSED, &act);
	if (r < 0)
		return r;
	forward_answered(ch);
	target_cut(ch);
	if (wanted)
		forward_chan_failed(ch, -ECONNREFUSED, reason);
	chan_ready(ch);
	return 0;
}

/* News, of which there is one however often it is given up. */
void forward_chan_failed(struct chan *ch, int err, uint32_t reason)
{
	relay_count(ch->conn->relay, RELAY_C_FORWARD_REFUSED);
	ch->connect_err = err;
	/* What a client says is its own matter: control is told one of the four there are. */
	ch->reason = reason >= SSH_OPEN_ADMINISTRATIVELY_PROHIBITED &&
				     reason <= SSH_OPEN_RESOURCE_SHORTAGE
			     ? reason
			     : SSH_OPEN_CONNECT_FAILED;
	ch->pend |= CHAN_EV_FAILED;
}

/* Nobody wants the channel any more, and the client has not answered. */
void forward_give_up(struct chan *ch, int err)
{
	enum ssh_chan_act act;

	if (ch->fsm.state != SSH_CHAN_OPENING)
		return;
	target_cut(ch);
	if (ch->pend & CHAN_SAY_OPEN) { /* it never hears of it */
		ch->pend &= (uint8_t)~CHAN_SAY_OPEN;
		(void)ssh_chan_step(&ch->fsm, SSH_CHAN_EV_REFUSED, &act);
		forward_answered(ch);
	} else {
		(void)ssh_chan_step(&ch->fsm, SSH_CHAN_EV_LOCAL_CLOSE, &act);
	}
	forward_chan_failed(ch, err, SSH_OPEN_CONNECT_FAILED);
	chan_ready(ch);
}

void forward_step(struct chan *ch, uint8_t events)
{
	if (events & STREAM_EV_EOF)
		ch->target_eof = true;
	if (events & STREAM_EV_ERROR)
		ch->target_err = true;
	/* What came before the reset is still the client's. */
	if (ch->target_err && ch->target != NULL && ch->target->ops->rx_len(ch->target) == 0)
		forward_give_up(ch, ch->target->err);
}
