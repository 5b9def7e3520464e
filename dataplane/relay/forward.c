/*
 * dataplane/relay/forward.c - listeners of connections: what comes in at one becomes a channel that
 * we open towards the client.
 *
 * Source  RFC 4254 sections 7.1, 7.2 and 6.3.2, OpenSSH PROTOCOL section 2.4 and its agent
 * channels.
 *
 * Control decides that there is a listener and where; from then on the shard needs nobody: with
 * control away connections come in as before. What a peer sends before the client has confirmed
 * its channel waits in its stream, whose window is the bound. A client that refuses, or does not
 * answer in time, has the peer reset; it may have RELAY_OPENING_MAX unanswered.
 *
 * A listener ends with its connection: nobody comes in any more, but a control that attaches then
 * hears of it, for the audit log, until the end of the connection is acknowledged. Its channels
 * live on when it is cancelled; those whose OPEN has not left us yet end with it.
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
	uint16_t next, prev; /* of its connection, or free: index + 1 */
	uint32_t chain;      /* of those whose tokens have the same place */
	uint32_t n_chans;    /* that came in by it */
	struct link_addr addr;
	int err;
	uint32_t idle_ms; /* of its channels */
	uint8_t opens;    /* enum link_opens */
	uint8_t share;    /* of its channels */
	bool kernel;   /* it listens, not we */
	bool once;     /* until somebody has come in */
	bool bound;    /* or being so */
	bool up;       /* connections come in */
	bool to_tell;  /* what became of it */
	bool settled;  /* its client knows, or asked for no answer */
	bool to_keep;  /* a control that came is to be told of it */
	bool over;     /* its connection is: it stands here to be told of */
	uint16_t asked_port;
	uint64_t epoch;
	uint8_t n_at;
	struct link_addr at[LINK_AT_MAX];
	uint16_t host_len;
	uint8_t host[LINK_HOST_MAX];
};

int forwards_init(struct forwards *all, uint32_t size)
{
	*all = (struct forwards){.size = size};
	all->forward = table_new(size, sizeof(*all->forward));
	all->chain = table_new(FORWARD_CHAINS, sizeof(*all->chain));
	return all->forward != NULL && all->chain != NULL ? 0 : -ENOMEM;
}

void forwards_fini(struct forwards *all)
{
	table_free(all->forward, all->size, sizeof(*all->forward));
	table_free(all->chain, FORWARD_CHAINS, sizeof(*all->chain));
	all->forward = NULL;
	all->chain = NULL;
}

static uint32_t id_of(const struct forward *f)
{
	return (uint32_t)(f - f->conn->relay->forwards.forward);
}

static struct forward *forward_at(struct conn *c, uint32_t i)
{
	return &c->relay->forwards.forward[i - 1];
}

static uint32_t *chain_of(struct forwards *all, uint64_t token)
{
	return &all->chain[token % FORWARD_CHAINS];
}

static struct forward *forward_find(struct conn *c, uint64_t token)
{
	uint32_t i = *chain_of(&c->relay->forwards, token);

	while (i != 0 && (forward_at(c, i)->token != token || forward_at(c, i)->conn != c))
		i = forward_at(c, i)->chain;
	return i != 0 ? forward_at(c, i) : NULL;
}

/* The newest of its connection is the first: it is that which control waits for. */
static void forward_link(struct forward *f)
{
	struct conn *c = f->conn;
	uint32_t i = id_of(f) + 1, *chain = chain_of(&c->relay->forwards, f->token);

	f->next = c->forwards;
	if (f->next != 0)
		forward_at(c, f->next)->prev = (uint16_t)i;
	c->forwards = (uint16_t)i;
	f->chain = *chain;
	*chain = i;
}

static void forward_unlink(struct forward *f)
{
	struct conn *c = f->conn;
	uint32_t *chain = chain_of(&c->relay->forwards, f->token);

	while (*chain != id_of(f) + 1)
		chain = &forward_at(c, *chain)->chain;
	*chain = f->chain;
	if (f->prev != 0)
		forward_at(c, f->prev)->next = f->next;
	else
		c->forwards = f->next;
	if (f->next != 0)
		forward_at(c, f->next)->prev = f->prev;
	c->untold -= f->to_tell;
	c->relay->forwards.n_over -= f->over;
}

static void unbind(struct forward *f)
{
	const struct relay_listens *l = &f->conn->relay->conf.listens;

	if (f->bound && f->kernel)
		l->end_fds(l->arg, id_of(f));
	else if (f->bound)
		l->end(l->arg, id_of(f));
	f->bound = f->up = false;
}

/* Nobody told the client of them, and what they came in by is gone. */
static void drop_unsaid(struct forward *f)
{
	struct chan *ch, *next;

	for (ch = TAILQ_FIRST(&f->conn->chans); ch != NULL && f->n_chans > 0; ch = next) {
		next = TAILQ_NEXT(ch, link);
		if (ch->forward != f)
			continue;
		forward_left(ch);
		if (ch->pend & CHAN_SAY_OPEN)
			chan_free(ch);
	}
}

static void forward_free(struct forward *f)
{
	struct forwards *all = &f->conn->relay->forwards;
	uint32_t i = id_of(f) + 1;

	unbind(f);
	drop_unsaid(f);
	forward_unlink(f);
	f->conn = NULL;
	f->next = (uint16_t)all->free;
	all->free = i;
	all->n--;
}

/* Who listens goes before what only stands here to be told of again, should control be killed. */
static void make_room(struct forwards *all)
{
	struct forward *f;

	if (all->free != 0 || all->fresh < all->size || all->n_over == 0)
		return;
	do
		f = &all->forward[all->hand++ % all->size];
	while (f->conn == NULL || !f->over);
	forward_free(f);
}

static struct forward *forward_new(struct conn *c, uint64_t token)
{
	struct forwards *all = &c->relay->forwards;
	struct forward *f;
	uint32_t i;

	make_room(all);
	i = all->free;
	if (i == 0 && all->fresh == all->size)
		return NULL;
	if (i == 0)
		i = ++all->fresh;
	f = forward_at(c, i);
	if (i == all->free)
		all->free = f->next;
	all->n++;
	*f = (struct forward){.conn = c, .token = token};
	forward_link(f);
	return f;
}

void forwards_drop(struct conn *c)
{
	while (c->forwards != 0)
		forward_free(forward_at(c, c->forwards));
}

/* Not yet bound, or control has not heard of it: nobody misses it. */
static bool never_was(const struct forward *f)
{
	return f->to_tell || (f->bound && !f->up);
}

void forwards_over(struct conn *c)
{
	for (uint32_t i = c->forwards; i != 0;) {
		struct forward *f = forward_at(c, i);

		i = f->next;
		if (never_was(f)) {
			forward_free(f);
			continue;
		}
		unbind(f);
		drop_unsaid(f);
		f->over = true;
		c->relay->forwards.n_over++;
	}
}

/* --- what control asks for ------------------------------------------------------------------- */

static void told_later(struct forward *f, int err)
{
	f->err = err;
	f->up = err == 0;
	f->conn->untold += !f->to_tell;
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

static int bind_it(struct forward *f, const struct link_forward *m)
{
	const struct relay_listens *l = &f->conn->relay->conf.listens;

	f->bound = true;
	if (f->kernel && l->begin_fds != NULL)
		return l->begin_fds(l->arg, id_of(f), m->fds, m->wait_ms);
	if (!f->kernel && l->begin != NULL)
		return l->begin(l->arg, id_of(f), &f->addr, &f->addr.port);
	return -EADDRNOTAVAIL;
}

int forward_begin(struct conn *c, const struct link_forward *m)
{
	struct forward *f;
	int r;

	if (c->phase.svc != SSH_SVC_OPEN)
		return -SSH_E_INTERNAL;
	f = forward_new(c, m->token);
	if (f == NULL)
		return no_place(c, m->token);
	f->epoch = m->epoch;
	f->addr = m->addr;
	f->asked_port = m->addr.port;
	f->n_at = m->n_at;
	memcpy(f->at, m->at, sizeof(f->at));
	f->settled = !asks_reply(c);
	f->opens = m->opens;
	f->idle_ms = m->idle_ms;
	f->share = m->share;
	f->kernel = m->kind == STREAM_HOST;
	f->once = m->once;
	f->host_len = m->host_len;
	memcpy(f->host, m->host, m->host_len);
	r = bind_it(f, m);
	if (r != -EINPROGRESS)
		told_later(f, r);
	return 0;
}

void relay_listen_done(struct relay *r, uint32_t id, int err, uint16_t port)
{
	struct forward *f = &r->forwards.forward[id];

	if (!f->kernel)
		f->addr.port = port;
	told_later(f, err);
}

void forward_end(struct conn *c, const struct link_forward_ref *m)
{
	struct forward *f = forward_find(c, m->token);
	struct chan *ch;

	if (f != NULL)
		forward_free(f);
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
	for (uint32_t i = c->forwards; c->untold > 0;) {
		struct forward *f = forward_at(c, i);
		int r;

		i = f->next;
		if (!f->to_tell)
			continue;
		r = up_forward(c, f->token, f->err, f->addr.port);
		if (r < 0)
			return r;
		f->to_tell = false;
		c->untold--;
		if (f->err < 0)
			forward_free(f);
	}
	c->pend &= (uint8_t)~CONN_EV_FORWARD;
	return 0;
}

void forwards_settled(struct conn *c)
{
	/* The newest is the first, and only that may be awaited. */
	for (uint32_t i = c->forwards; i != 0 && !forward_at(c, i)->settled;
	     i = forward_at(c, i)->next)
		forward_at(c, i)->settled = !forward_at(c, i)->to_tell;
}

/* The request for one that is not settled comes to the next control, which begins again. */
void forwards_lost(struct conn *c)
{
	uint32_t i = c->forwards;

	while (i != 0) {
		struct forward *f = forward_at(c, i);

		i = f->next;
		if (!f->settled)
			forward_free(f);
	}
}

void forwards_keep(struct conn *c)
{
	for (uint32_t i = c->forwards; i != 0; i = forward_at(c, i)->next)
		forward_at(c, i)->to_keep = forward_at(c, i)->err == 0;
}

static int tell_kept(struct forward *f)
{
	struct link_handle h = conn_handle(f->conn);
	bool up = !f->to_tell && (f->up || !f->bound); /* or was */
	struct link_forward_kept body = {
		.token = f->token,
		.epoch = f->epoch,
		.addr = f->addr,
		.port = up ? f->addr.port : 0,
		.host_len = f->host_len,
		.opens = f->opens,
		.kind = f->kernel ? STREAM_HOST : STREAM_TCP,
		.n_at = f->n_at,
		.up = up,
	};

	body.addr.port = f->asked_port;
	memcpy(body.at, f->at, sizeof(body.at));
	return up_send(f->conn->relay, LINK_EV_FORWARD_KEPT, &h, &body, sizeof(body), f->host,
		       f->host_len);
}

int forwards_tell_kept(struct conn *c)
{
	for (uint32_t i = c->forwards; i != 0; i = forward_at(c, i)->next) {
		struct forward *f = forward_at(c, i);
		int r = f->to_keep ? tell_kept(f) : 0;

		if (r < 0)
			return r;
		f->to_keep = false;
	}
	return 0;
}

/* --- what comes in -----------------------------------------------------------------------------
 */

/* Told once, until a channel of its ends: who comes in again and again makes no flood of it. */
static void tell_full(struct conn *c, uint64_t token, int err)
{
	if (c->full_told || (c->pend & CONN_EV_KEPT))
		return;
	c->full_told = up_chan_failed(c, token, err, SSH_OPEN_RESOURCE_SHORTAGE) == 0;
}

bool relay_forward(struct relay *r, struct stream *s, uint32_t id, const struct link_addr *peer,
		   uint64_t now_us)
{
	struct forward *f = &r->forwards.forward[id];
	struct conn *c = f->conn;
	struct chan *ch;
	int err;

	r->now_us = now_us;
	if (c == NULL || !f->up || c->state != CONN_OPEN)
		return false;
	if (c->n_opening >= RELAY_OPENING_MAX) {
		relay_count(r, RELAY_C_FORWARD_OPENING);
		return false;
	}
	if (!audit_admits(r))
		return false;
	err = chan_new(c, (enum stream_kind)s->kind, &ch);
	if (err < 0) {
		tell_full(c, f->token, err);
		return false;
	}
	ch->forward = f;
	ch->idle_ms = f->idle_ms;
	ch->share = f->share;
	f->n_chans++;
	chan_name(ch, f->host, f->host_len, f->addr.port);
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
	if (f->once)
		unbind(f);
	chan_ready(ch);
	conn_activate(c);
	return true;
}

/* What stands behind that which all OPENs have. */
static void open_rest(struct ssh_wr *w, const struct chan *ch)
{
	const struct forward *f = ch->forward;
	char from[INET6_ADDRSTRLEN] = "";

	inet_ntop(ch->target_addr.family == 4 ? AF_INET : AF_INET6, ch->target_addr.addr, from,
		  sizeof(from));
	if (f->opens == LINK_OPENS_TCPIP) {
		const struct ssh_forwarded_tcpip m = {
			.address = {f->host, f->host_len},
			.port = f->addr.port,
			.originator = ssh_str_c(from),
			.originator_port = ch->target_addr.port,
		};

		ssh_forwarded_tcpip_build(w, &m);
	} else if (f->opens == LINK_OPENS_STREAMLOCAL) {
		ssh_forwarded_streamlocal_build(w, (struct ssh_str){f->host, f->host_len});
	} else if (f->opens == LINK_OPENS_X11) {
		const struct ssh_x11_open m = {ssh_str_c(from), ch->target_addr.port};

		ssh_x11_open_build(w, &m);
	}
}

int forward_say_open(struct chan *ch)
{
	static const char *const type[LINK_OPENS_COUNT] = {
		[LINK_OPENS_TCPIP] = SSH_OPEN_FORWARDED,
		[LINK_OPENS_STREAMLOCAL] = SSH_OPEN_FORWARDED_STREAMLOCAL,
		[LINK_OPENS_AGENT] = SSH_OPEN_AGENT,
		[LINK_OPENS_X11] = SSH_OPEN_X11,
	};
	uint8_t rest[OPEN_MAX], payload[2 * OPEN_MAX];
	struct ssh_chan_open open = {
		.type = ssh_str_c(type[ch->forward->opens]),
		.sender_channel = ch->local,
		.window_size = ch->rwin.initial_window_size,
		.packet_max = ch->packet_max,
	};
	struct ssh_wr w;
	int r;

	ssh_wr_init(&w, rest, sizeof(rest));
	open_rest(&w, ch);
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

void forward_left(struct chan *ch)
{
	if (ch->forward != NULL)
		ch->forward->n_chans--;
	ch->forward = NULL;
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
		timer_chan_open(ch);
		ch->pend |= CHAN_EV_OPENED;
		c->n_opened++;
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
