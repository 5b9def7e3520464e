/* perf/inring_client.c - logins, channels, bytes. See inring_client.h. */
#include "perf/inring_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "perf/stack.h"

#define LOGINS_AT_ONCE 32
#define AGAIN_US       10000
#define WINDOW         (2 * 1024 * 1024) /* granted for a channel */
#define PACKET_MAX     32768
#define PIECE          (64 * 1024) /* of what was sealed, given to the stream at once */

static void fail(struct client *c, const char *what, int r)
{
	struct clients *all = c->all;

	all->counts.failed++;
	if (all->error[0] == '\0')
		snprintf(all->error, sizeof(all->error), "%s: %s", what,
			 r <= -SSH_E_BASE ? ssh_err_text(r) : strerror(-r));
}

/* --- channels
 * -------------------------------------------------------------------------------------
 */

static void say(struct client *c, const void *payload, size_t n)
{
	int r = c->all->conf.keyed ? ssh_flat_send(&c->pump.flat, payload, n)
				   : ssh_brain_send(c->brain, payload, n);

	if (r < 0)
		fail(c, "send", r);
}

static void say_simple(struct client *c, uint8_t msg, const struct chan *ch)
{
	uint8_t buf[8];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_simple_build(&w, msg, ch->peer);
	say(c, buf, ssh_wr_done(&w));
}

static unsigned int port_set(const struct client *c)
{
	return (unsigned int)(c - c->all->client) / PORT_CONNS % PORT_SETS;
}

static uint16_t target_port(struct client *c)
{
	unsigned int set = port_set(c) * PORT_STEP;

	switch (c->work) {
	case WORK_UP:
		return (uint16_t)(TARGET_SINK + set);
	case WORK_DOWN:
		return (uint16_t)(TARGET_SOURCE + set);
	default:
		return (uint16_t)(TARGET_ECHO + c->opened++ % TARGET_PORTS_ECHO);
	}
}

static void chan_open(struct client *c, unsigned int i)
{
	struct chan *ch = &c->chan[i];
	struct ssh_direct_tcpip d = {.host = ssh_str_c(c->all->conf.target),
				     .port = target_port(c),
				     .originator = ssh_str_c("127.0.0.1"),
				     .originator_port = 1};
	struct ssh_chan_open m = {ssh_str_c("direct-tcpip"), i, WINDOW, PACKET_MAX, ssh_str_c("")};
	uint8_t rest[128], buf[256];
	struct ssh_wr w;

	ssh_wr_init(&w, rest, sizeof(rest));
	ssh_direct_tcpip_build(&w, &d);
	m.rest = (struct ssh_str){rest, (uint32_t)ssh_wr_done(&w)};
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_open_build(&w, &m);
	*ch = (struct chan){.state = CHAN_OPENING};
	ssh_rwin_init(&ch->rwin, WINDOW);
	say(c, buf, ssh_wr_done(&w));
}

bool client_data(struct client *c, struct chan *ch, uint32_t n)
{
	static __thread uint8_t buf[SSH_CHAN_DATA_HEAD + PACKET_MAX];
	struct ssh_wr w;
	int r;

	if (ssh_swin_take(&ch->swin, n) < n)
		return false;
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_data_head_build(&w, ch->peer, n);
	ssh_wr_bytes(&w, pattern_at(ch->sent), n);
	if (c->all->conf.keyed)
		r = ssh_flat_send(&c->pump.flat, buf, ssh_wr_done(&w));
	else
		r = ssh_pump_send(&c->pump, buf, ssh_wr_done(&w));
	if (r < 0) {
		if (r != -EAGAIN)
			fail(c, "data", r);
		return false;
	}
	ssh_swin_sent(&ch->swin, n);
	ch->sent += n;
	return true;
}

/* What a channel does first. */
static void chan_begin(struct client *c, struct chan *ch)
{
	if (c->work == WORK_TRIPS)
		client_data(c, ch, c->size);
	else if (c->work == WORK_OPEN)
		client_data(c, ch, 1);
}

static void chan_confirmed(struct client *c, struct chan *ch, const struct ssh_chan_confirm *m)
{
	struct clients *all = c->all;

	ch->state = CHAN_OPEN;
	ch->peer = m->sender_channel;
	ssh_swin_init(&ch->swin, m->window_size, m->packet_max);
	c->open++;
	if (all->go)
		chan_begin(c, ch);
	else if (c->open == c->chans)
		all->ready++;
}

static void chan_received(struct client *c, struct chan *ch, const struct ssh_str *data)
{
	struct clients *all = c->all;
	uint32_t add;
	uint8_t buf[16];
	struct ssh_wr w;

	if (ssh_rwin_recv(&ch->rwin, data->len) < 0 ||
	    !pattern_check(ch->received, data->p, data->len))
		fail(c, "wrong bytes", -EBADMSG);
	ch->received += data->len;
	all->counts.bytes += c->work == WORK_REQUESTS ? 0 : data->len;
	add = ssh_rwin_consume(&ch->rwin, data->len);
	if (add > 0) {
		ssh_wr_init(&w, buf, sizeof(buf));
		ssh_chan_adjust_build(&w, ch->peer, add);
		say(c, buf, ssh_wr_done(&w));
	}
	if (c->work == WORK_REQUESTS) {
		requests_answered(c);
	} else if (c->work == WORK_TRIPS && ch->received == ch->sent) {
		all->counts.ops++;
		client_data(c, ch, c->size);
	} else if (c->work == WORK_OPEN) {
		say_simple(c, SSH_MSG_CHANNEL_EOF, ch);
		ch->state = CHAN_EOF_SENT;
	}
}

static void chan_closed(struct client *c, struct chan *ch)
{
	say_simple(c, SSH_MSG_CHANNEL_CLOSE, ch);
	if (c->work != WORK_OPEN || ch->state != CHAN_EOF_SENT) {
		fail(c, "channel closed", -ECONNRESET);
		return;
	}
	c->all->counts.ops++;
	c->open--;
	chan_open(c, (unsigned int)(ch - c->chan));
}

static void chan_adjusted(struct client *c, struct chan *ch, uint32_t n)
{
	if (ssh_swin_adjust(&ch->swin, n) < 0)
		fail(c, "window", -ERANGE);
	/* A request that the window had no room for. */
	if (c->all->go && c->work == WORK_TRIPS && ch->received == ch->sent)
		client_data(c, ch, c->size);
}

static struct chan *chan_of(struct client *c, uint32_t number)
{
	return number < c->chans ? &c->chan[number] : NULL;
}

static void on_data(struct client *c, struct ssh_rd *r)
{
	struct ssh_chan_data m;
	struct chan *ch;

	if (ssh_chan_data_parse(r, SSH_MSG_CHANNEL_DATA, &m) == 0 &&
	    (ch = chan_of(c, m.recipient_channel)) != NULL)
		chan_received(c, ch, &m.data);
}

static void on_confirm(struct client *c, struct ssh_rd *r)
{
	struct ssh_chan_confirm m;
	struct chan *ch;

	if (ssh_chan_confirm_parse(r, &m) == 0 && (ch = chan_of(c, m.recipient_channel)) != NULL)
		chan_confirmed(c, ch, &m);
}

static void on_channel(struct client *c, const struct ssh_str *payload)
{
	struct chan *ch = NULL;
	uint32_t number, n;
	struct ssh_rd r;

	ssh_rd_init(&r, payload->p + 1, payload->len - 1);
	switch (payload->p[0]) {
	case SSH_MSG_CHANNEL_DATA:
		on_data(c, &r);
		break;
	case SSH_MSG_CHANNEL_OPEN_CONFIRMATION:
		on_confirm(c, &r);
		break;
	case SSH_MSG_CHANNEL_WINDOW_ADJUST:
		if (ssh_chan_adjust_parse(&r, &number, &n) == 0 &&
		    (ch = chan_of(c, number)) != NULL)
			chan_adjusted(c, ch, n);
		break;
	case SSH_MSG_CHANNEL_OPEN_FAILURE:
		fail(c, "open refused", -ECONNREFUSED);
		break;
	case SSH_MSG_CHANNEL_CLOSE:
		if (ssh_chan_simple_parse(&r, &number) == 0 && (ch = chan_of(c, number)) != NULL)
			chan_closed(c, ch);
		break;
	default:
		break;
	}
}

/* --- what the brain asks
 * --------------------------------------------------------------------------
 */

static int sign(struct client *c, const struct ssh_act *a)
{
	uint8_t sig[KEY_SIG_MAX];
	size_t len = sizeof(sig);
	int r = key_sign(c->all->conf.key, a->sign.sig_alg, a->sign.data.p, a->sign.data.len, sig,
			 &len);

	return ssh_brain_sign_answer(c->brain, a->id, r, sig, len);
}

static void authenticated(struct client *c)
{
	c->in = true;
	c->all->logged_in++;
	if (c->chans == 0 || c->work == WORK_OPEN)
		c->all->ready++; /* opening is the work */
	else
		for (unsigned int i = 0; i < c->chans; i++)
			chan_open(c, i);
}

static void on_act(struct client *c, const struct ssh_act *a)
{
	int r = 0;

	switch (a->kind) {
	case SSH_ACT_JOB:
		ssh_job_run(a->job);
		r = ssh_brain_job_done(c->brain, a->id, a->job);
		break;
	case SSH_ACT_SIGN:
		r = sign(c, a);
		break;
	case SSH_ACT_HOSTKEY:
		r = ssh_brain_hostkey_answer(c->brain, a->id, true);
		break;
	case SSH_ACT_LOGIN:
		r = ssh_brain_login_publickey(c->brain, a->id, c->all->conf.key,
					      key_sig_alg_of(c->all->conf.key, 0));
		break;
	case SSH_ACT_AUTHENTICATED:
		authenticated(c);
		break;
	case SSH_ACT_CHANNEL_OTHER:
		on_channel(c, &a->bytes);
		break;
	case SSH_ACT_GLOBAL_REQUEST:
		if (a->request.want_reply)
			r = ssh_brain_global_answer(c->brain, false, NULL, 0);
		break;
	case SSH_ACT_KEX_DONE:
		c->all->counts.rekeys += c->in;
		break;
	case SSH_ACT_END:
		fail(c, "connection ended", a->err);
		break;
	default:
		break;
	}
	if (r < 0)
		fail(c, "brain", r);
}

static void keyed_acts(struct client *c)
{
	struct ssh_str payload;
	int r;

	while ((r = keyed_next(c, &payload)) >= 0)
		if (r == 1)
			authenticated(c);
		else
			on_channel(c, &payload);
	if (r != -EAGAIN)
		fail(c, "records", r);
}

static void acts(struct client *c)
{
	struct ssh_act a;
	int r;

	if (c->all->conf.keyed) {
		keyed_acts(c);
		return;
	}

	while ((r = ssh_pump_step(&c->pump, &a)) == 0)
		on_act(c, &a);
	if (r != -EAGAIN)
		fail(c, "records", r);
}

/* --- bytes
 * ----------------------------------------------------------------------------------------
 */

static void receive(struct client *c)
{
	struct stream *s = c->e.s;
	struct pkt_chain in = {0};

	if (s->ops->rx_len(s) == 0)
		return;
	s->ops->rx_take(s, UINT32_MAX, &in);
	for (const struct rte_mbuf *m = in.head; m != NULL; m = m->next)
		if (ssh_pump_feed(&c->pump, rte_pktmbuf_mtod(m, const void *), m->data_len) < 0)
			fail(c, "feed", -ENOMEM);
	pkt_chain_free(&in);
	acts(c);
}

static size_t waiting(const struct client *c)
{
	size_t n;

	(void)ssh_pump_out(&c->pump, &n);
	return n;
}

/*
 * One place to seal in for all: whoever has sealed gives it to the stream and back. Who could not
 * give all of it keeps the place, and the next one begins another.
 */
static void out_lend(struct client *c)
{
	struct ssh_flat *f = &c->pump.flat;

	if (f->out != NULL)
		return;
	f->out = c->all->out;
	f->out_size = c->all->out_size;
	f->out_len = f->out_off = 0;
	c->all->out = NULL;
	c->all->out_size = 0;
}

static void out_back(struct client *c)
{
	struct ssh_flat *f = &c->pump.flat;

	if (f->out == NULL || waiting(c) > 0)
		return;
	if (c->all->out == NULL) {
		c->all->out = f->out;
		c->all->out_size = f->out_size;
	} else {
		free(f->out);
	}
	f->out = NULL;
	f->out_size = f->out_len = f->out_off = 0;
}

/* All of the next record finds room, or nothing is before it. */
static bool room_for_record(const struct client *c, uint32_t space)
{
	size_t n = waiting(c);

	return n + c->size <= space || (n == 0 && space > 0 && c->e.s->ops->tx_queued(c->e.s) == 0);
}

/* Records for as much as the stream wants, from the channels in turn. */
static void fill(struct client *c)
{
	uint32_t space = c->e.s->ops->tx_space(c->e.s);
	unsigned int blocked = 0;

	while (room_for_record(c, space) && blocked < c->chans) {
		struct chan *ch = &c->chan[c->turn++ % c->chans];

		if (!pace_may(c))
			return;
		if (client_data(c, ch, c->size)) {
			pace_paid(c);
			blocked = 0;
		} else {
			blocked++;
		}
	}
}

static void transmit(struct client *c)
{
	struct stream *s = c->e.s;
	uint32_t space = s->ops->tx_space(s);

	for (;;) {
		struct pkt_chain out;
		size_t n;
		const uint8_t *p = ssh_pump_out(&c->pump, &n);

		n = RTE_MIN(n, (size_t)space);
		n = RTE_MIN(n, (size_t)PIECE);
		if (n == 0 || pkt_chain_from(p, (uint32_t)n, c->e.g->pools->data, &out) < 0 ||
		    s->ops->tx(s, &out) < 0)
			return;
		ssh_pump_sent(&c->pump, n);
		space -= (uint32_t)n;
	}
}

static void client_free(struct client *c)
{
	if (c->e.s != NULL)
		c->e.s->ops->abort(c->e.s);
	if (c->brain != NULL || c->pump.flat.engine != NULL)
		ssh_pump_fini(&c->pump);
	ssh_brain_free(c->brain);
	free(c->chan);
}

static void step(struct end *e)
{
	struct client *c = (struct client *)(void *)e;
	uint8_t ev = stream_events(e->s);

	if (ev & STREAM_EV_ERROR && e->s->err == -ECONNREFUSED && c->all->logged_in == 0) {
		c->all->again_us = c->all->g->now_us + AGAIN_US;
		c->all->begun = 0;
		client_free(c);
		*c = (struct client){0};
		return;
	}
	out_lend(c);
	if (ev & STREAM_EV_CONNECTED &&
	    (c->all->conf.keyed ? keyed_begin(c) : ssh_brain_start(c->brain)) == 0)
		acts(c);
	receive(c);
	if (c->all->go && c->work == WORK_UP)
		fill(c);
	if (c->work == WORK_REQUESTS)
		requests_send(c);
	acts(c); /* what that gave the brain to say */
	transmit(c);
	out_back(c);
	if (ev & (STREAM_EV_ERROR | STREAM_EV_EOF))
		fail(c, "connection", ev & STREAM_EV_ERROR ? e->s->err : -ECONNRESET);
}

/* --- all of them
 * ----------------------------------------------------------------------------------
 */

int clients_new(const struct client_conf *conf, struct gen_stack *g, struct clients **ret)
{
	struct clients *all = calloc(1, sizeof(*all));

	if (all != NULL)
		all->client = calloc(conf->conns + conf->beside, sizeof(*all->client));
	if (all == NULL || all->client == NULL) {
		free(all);
		return -ENOMEM;
	}
	all->conf = *conf;
	all->n = conf->conns + conf->beside;
	all->g = g;
	all->gateway = stack_addr(conf->gateway);
	*ret = all;
	return 0;
}

void clients_free(struct clients *all)
{
	if (all == NULL)
		return;
	for (unsigned int i = 0; i < all->n; i++)
		client_free(&all->client[i]);
	free(all->client);
	free(all->out);
	free(all);
}

static int client_begin(struct clients *all, struct client *c)
{
	struct ssh_brain_conf bc = {
		.role = SSH_CLIENT,
		.ident = "SSH-2.0-Sluice_inring",
		.ciphers = all->conf.cipher,
		.strict = SSH_STRICT_ON,
		.user = all->conf.user,
	};
	struct stream *s;
	int r;

	c->all = all;
	c->e.step = step;
	c->work = c < all->client + all->conf.conns ? all->conf.work : WORK_REQUESTS;
	c->chans = c->work == WORK_REQUESTS ? 1 : all->conf.chans;
	c->size = c->work == WORK_REQUESTS ? all->conf.request : all->conf.size;
	c->chan = calloc(c->chans + 1, sizeof(*c->chan));
	r = c->chan == NULL ? -ENOMEM : 0;
	if (r == 0 && !all->conf.keyed)
		r = ssh_brain_new(&bc, &c->brain);
	if (r == 0)
		r = ssh_pump_init(&c->pump, all->conf.engine, c->brain);
	if (r == 0)
		r = all->g->provider.connect(all->g->provider.arg, &all->gateway,
					     (uint16_t)(all->conf.port + port_set(c)), &gen_user,
					     &c->e, &s);
	if (r == 0)
		gen_attach(all->g, &c->e, s);
	return r;
}

void clients_more(struct clients *all)
{
	unsigned int at_once = all->logged_in == 0 ? 1 : LOGINS_AT_ONCE;

	if (all->g->now_us < all->again_us)
		return;
	while (all->begun < all->n && all->begun - all->logged_in < at_once) {
		struct client *c = &all->client[all->begun++];
		int r = client_begin(all, c);

		if (r < 0)
			fail(c, "connect", r);
	}
}

unsigned int clients_ready(const struct clients *all)
{
	return all->ready;
}

void clients_go(struct clients *all)
{
	all->go = true;
	for (unsigned int i = 0; i < all->n; i++) {
		struct client *c = &all->client[i];

		for (unsigned int k = 0; k < c->chans; k++) {
			if (c->work == WORK_OPEN)
				chan_open(c, k);
			else
				chan_begin(c, &c->chan[k]);
		}
		gen_wake(all->g, &c->e);
	}
}

const struct client_counts *clients_counts(const struct clients *all)
{
	return &all->counts;
}

const char *clients_error(const struct clients *all)
{
	return all->error[0] != '\0' ? all->error : NULL;
}
