/*
 * perf/load_ssh.c - one SSH client: a stream of our TCP, records over mbufs, and the brain of ssh/.
 *
 * The carrier ssh/brain.h asks for, as relay/ is one for control; jobs are computed at once. Data,
 * adjusts, EOF and CLOSE of channels never reach the brain.
 */
#include <errno.h>
#include <string.h>

#include "perf/load.h"
#include "ssh/err.h"
#include "ssh/ident.h"

#define PULL_MAX    (256 * 1024) /* bytes of a connection in a turn */
#define OPEN_MAX    CIPHER_BURST /* records likewise */
#define CONNECT_MAX 64           /* begun in a turn */

static void conn_ready(struct stream *s)
{
	load_conn_ready(s->user_ptr);
}

static const struct stream_user user = {.ready = conn_ready};

void load_conn_ready(struct load_conn *c)
{
	c->fresh = true;
	if (c->active)
		return;
	c->active = true;
	TAILQ_INSERT_TAIL(&c->load->active, c, link);
}

void load_conn_init(struct load *l, struct load_conn *c, struct load_chan *chan)
{
	*c = (struct load_conn){.load = l, .chan = chan};
	TAILQ_INIT(&c->ready);
	record_rx_init(&c->rx);
	record_tx_init(&c->tx);
}

uint32_t load_conn_space(const struct load_conn *c)
{
	uint32_t space = c->stream->ops->tx_space(c->stream), made = c->tx.q.bytes + c->tx.out.len;

	return space > made ? space - made : 0;
}

/* --- beginning and end --------------------------------------------------------------------- */

static bool conn_brain(struct load_conn *c)
{
	const struct load_conf *conf = &c->load->conf;
	struct ssh_brain_conf bc = {
		.role = SSH_CLIENT,
		.ident = "SSH-2.0-sluice_load",
		.kex_algs = conf->kex,
		.ciphers = conf->cipher,
		.macs = conf->mac,
		.strict = SSH_STRICT_ON,
		.user = conf->user,
	};
	int r = ssh_brain_new(&bc, &c->brain);

	if (r < 0)
		load_failed(c->load, "--cipher, --mac or --kex: %s",
			    r <= -SSH_E_BASE ? ssh_err_text(r) : strerror(-r));
	return r == 0;
}

/* False: not now. */
static bool conn_begin(struct load_conn *c)
{
	struct load *l = c->load;
	uint16_t port = (uint16_t)(l->conf.gate_port + (c - l->conns) % l->conf.gate_ports);
	int r = l->s.provider.connect(l->s.provider.arg, &l->gate, port, &user, c, &c->stream);

	if (r < 0) {
		c->stream = NULL;
		return false;
	}
	if (!conn_brain(c)) {
		c->stream->ops->abort(c->stream);
		c->stream = NULL;
		l->to_begin--;
		c->state = LOAD_CONN_OVER;
		return false;
	}
	l->to_begin--;
	c->state = LOAD_CONN_CONNECTING;
	c->begun_tsc = rte_rdtsc();
	l->in_login++;
	if (c->stream->events != 0)
		load_conn_ready(c);
	return true;
}

unsigned int load_conns_begin(struct load *l)
{
	unsigned int n = 0;

	if (!l->met && l->next_conn > 0)
		return 0;
	/* Those that ended to begin again stand anywhere; the others in order. */
	for (uint32_t looked = 0; looked < load_conns_all(l) && l->to_begin > 0; looked++) {
		struct load_conn *c = &l->conns[l->next_conn];

		if (l->in_login >= (l->met ? l->conf.logins : 1) || n == CONNECT_MAX)
			break;
		if (c->state == LOAD_CONN_NONE && !c->active) {
			if (!conn_begin(c))
				break;
			n++;
		}
		l->next_conn = (l->next_conn + 1) % load_conns_all(l);
	}
	return n;
}

void load_conn_end(struct load_conn *c, bool graceful)
{
	struct load *l = c->load;

	if (c->stream == NULL)
		return;
	if (graceful)
		c->stream->ops->close(c->stream);
	else
		c->stream->ops->abort(c->stream);
	c->stream = NULL;
	l->in_login -= c->state == LOAD_CONN_CONNECTING || c->state == LOAD_CONN_LOGIN;
	l->conns_up -= c->state == LOAD_CONN_UP;
	l->chans_up -= c->chans_open;
	c->chans_open = 0;
	c->state = LOAD_CONN_OVER;
	load_conn_ready(c); /* what it holds is freed at the end of the turn */
}

static void conn_lost(struct load_conn *c, const char *what)
{
	if (c->load->phase < LOAD_DRAIN)
		load_failed(c->load, "connection %u: %s", (unsigned int)(c - c->load->conns), what);
	load_conn_end(c, false);
}

/* Everything back; in mode logins it begins anew. */
static void conn_fini(struct load_conn *c)
{
	struct load *l = c->load;
	struct load_chan *chan = c->chan;

	record_q_free(&c->held);
	record_rx_fini(&c->rx, l->engine);
	record_tx_fini(&c->tx, l->engine);
	ssh_brain_free(c->brain);
	TAILQ_REMOVE(&l->active, c, link);
	load_conn_init(l, c, chan);
	c->state = l->conf.mode == LOAD_LOGINS && l->phase < LOAD_DRAIN ? LOAD_CONN_NONE
									: LOAD_CONN_OVER;
	l->to_begin += c->state == LOAD_CONN_NONE;
}

/* --- what the brain wants --------------------------------------------------------------------- */

static bool push_bytes(struct load_conn *c, struct record_q *held, const uint8_t *p, uint32_t len)
{
	struct pkt_chain chain;

	if (pkt_chain_from(p, len, c->load->s.pools.data, &chain) < 0) {
		conn_lost(c, "no buffers");
		return false;
	}
	if (held != NULL)
		record_q_push(held, &chain, NULL, 0);
	else
		record_tx_push(&c->tx, &chain, NULL, 0);
	return true;
}

static void brain_send(struct load_conn *c, struct ssh_str payload)
{
	uint8_t msg = payload.p[0];

	if (c->in_kex && !ssh_phase_tx(true, msg)) {
		push_bytes(c, &c->held, payload.p, payload.len);
		return;
	}
	push_bytes(c, NULL, payload.p, payload.len);
	if (msg == SSH_MSG_KEXINIT)
		c->in_kex = true;
	else if (msg == SSH_MSG_NEWKEYS)
		c->in_kex = false;
}

static unsigned int conn_gather_tx(struct load_conn *c)
{
	struct load *l = c->load;
	unsigned int sealed = 0;

	while (c->tx.q.records > 0) {
		int n = record_tx_gather(&c->tx, l->sealing);

		if (n == -ENOSPC)
			sealed += record_seal(l->sealing);
		else if (n < 0)
			break; /* no mbufs: again in the next turn */
	}
	return sealed;
}

/* NEWKEYS and all before it go under the old keys, so they are sealed first. */
static void tx_keys(struct load_conn *c, const struct ssh_act_keys *k)
{
	struct load *l = c->load;

	conn_gather_tx(c);
	record_seal(l->sealing);
	if (c->tx.q.records > 0 || ssh_dir_rekey(&c->tx.dir, l->engine, k->suite, k->key, k->iv,
						 k->mac_key, k->reset_seqnr, &k->limit) < 0) {
		conn_lost(c, "keys");
		return;
	}
	while (c->held.records > 0) {
		struct pkt_chain chain;

		record_q_pop(&c->held, &chain);
		record_tx_push(&c->tx, &chain, NULL, 0);
	}
}

static void rx_keys(struct load_conn *c, const struct ssh_act_keys *k)
{
	c->await_keys = false;
	if (ssh_dir_rekey(&c->rx.dir, c->load->engine, k->suite, k->key, k->iv, k->mac_key,
			  k->reset_seqnr, &k->limit) < 0)
		conn_lost(c, "keys");
}

static void brain_ident(struct load_conn *c, struct ssh_str line)
{
	struct pkt_chain chain;

	if (pkt_chain_from(line.p, line.len, c->load->s.pools.data, &chain) < 0)
		conn_lost(c, "no buffers");
	else
		pkt_chain_join(&c->tx.out, &chain);
}

static void brain_sign(struct load_conn *c, const struct ssh_act *a)
{
	uint8_t sig[KEY_SIG_MAX];
	size_t len = sizeof(sig);
	int r = key_sign(c->load->key, a->sign.sig_alg, a->sign.data.p, a->sign.data.len, sig,
			 &len);

	(void)ssh_brain_sign_answer(c->brain, a->id, r, sig, len);
}

static void brain_login(struct load_conn *c, const struct ssh_act *a)
{
	if (c->load->conf.mode == LOAD_FLOOD) /* it stands there, and that is all */
		return;
	if (c->tried || ssh_brain_login_publickey(c->brain, a->id, c->load->key, NULL) < 0)
		(void)ssh_brain_login_give_up(c->brain, a->id);
	c->tried = true;
}

/* Raw keys and the stream are all that an idle one keeps. */
static void conn_idle(struct load_conn *c)
{
	struct load *l = c->load;

	ssh_brain_free(c->brain);
	c->brain = NULL;
	cipher_state_idle(l->engine, &c->rx.dir.cipher);
	cipher_state_idle(l->engine, &c->tx.dir.cipher);
}

static void conn_in(struct load_conn *c)
{
	struct load *l = c->load;

	c->rx.dir.packet_max = SSH_PACKET_MAX;
	c->state = LOAD_CONN_UP;
	l->in_login--;
	l->conns_up++;
	l->count.logins++;
	if (l->conf.mode == LOAD_LOGINS || load_conn_rests(c)) {
		if (l->phase == LOAD_MEASURE || l->conf.mode == LOAD_IDLE)
			hist_add(&l->latency, load_ns(l, rte_rdtsc() - c->begun_tsc));
		if (l->conf.mode == LOAD_LOGINS)
			load_conn_end(c, true);
		return;
	}
	load_chans_begin(c);
}

static void brain_act(struct load_conn *c, const struct ssh_act *a)
{
	switch (a->kind) {
	case SSH_ACT_IDENT:
		brain_ident(c, a->bytes);
		break;
	case SSH_ACT_SEND:
		brain_send(c, a->bytes);
		break;
	case SSH_ACT_TX_KEYS:
		tx_keys(c, &a->keys);
		break;
	case SSH_ACT_RX_KEYS:
		rx_keys(c, &a->keys);
		break;
	case SSH_ACT_JOB:
		ssh_job_run(a->job);
		(void)ssh_brain_job_done(c->brain, a->id, a->job);
		break;
	case SSH_ACT_SIGN:
		brain_sign(c, a);
		break;
	case SSH_ACT_HOSTKEY: /* whoever it is, it is to be loaded */
		(void)ssh_brain_hostkey_answer(c->brain, a->id, true);
		break;
	case SSH_ACT_LOGIN:
		brain_login(c, a);
		break;
	case SSH_ACT_AUTHENTICATED:
		conn_in(c);
		break;
	case SSH_ACT_CHANNEL_OTHER:
		if (load_chan_message(c, a->bytes.p, a->bytes.len) < 0)
			conn_lost(c, "a message of a channel that it must not send");
		break;
	case SSH_ACT_CHANNEL_OPEN:
		(void)ssh_brain_open_refuse(c->brain, a->open.sender_channel,
					    SSH_OPEN_ADMINISTRATIVELY_PROHIBITED, NULL);
		break;
	case SSH_ACT_GLOBAL_REQUEST:
		if (a->request.want_reply)
			(void)ssh_brain_global_answer(c->brain, false, NULL, 0);
		break;
	case SSH_ACT_PEER_DISCONNECT:
		load_failed(c->load, "the gateway disconnects: %.*s", (int)a->bytes.len,
			    (const char *)a->bytes.p);
		break;
	case SSH_ACT_END:
		conn_lost(c, ssh_err_text(a->err));
		break;
	default:
		break;
	}
}

static void brain_run(struct load_conn *c)
{
	struct ssh_act act;

	while (c->state != LOAD_CONN_OVER && ssh_brain_next(c->brain, &act) == 0)
		brain_act(c, &act);
	if (c->state == LOAD_CONN_UP && load_conn_rests(c) && !c->in_kex)
		conn_idle(c);
}

/* --- receiving -----------------------------------------------------------------------------------
 */

/* RFC 4253 section 4.2: lines, of which one is the identification, then records. */
static void conn_ident(struct load_conn *c)
{
	uint8_t line[SSH_IDENT_LINE_MAX + 2];
	size_t len, used;

	while (!c->ident_done && c->rx.in.len > 0) {
		uint32_t n = RTE_MIN(c->rx.in.len, (uint32_t)sizeof(line));
		int r;

		pkt_chain_read(&c->rx.in, 0, line, n);
		r = ssh_ident_line(SSH_CLIENT, line, n, &len, &used);
		if (r == -EAGAIN)
			return;
		if (r == 0 && pkt_chain_own(&c->rx.in, c->load->s.pools.data) < 0)
			return;
		if (r == 0) {
			pkt_chain_trim_head(&c->rx.in, (uint32_t)used);
			r = ssh_ident_check(SSH_CLIENT, line, len);
		}
		if (r == -EAGAIN && ++c->lines < UINT8_MAX)
			continue;
		if (r < 0) {
			conn_lost(c, "no SSH server");
			return;
		}
		c->ident_done = true;
		(void)ssh_brain_ident(c->brain, line, len);
		brain_run(c);
	}
}

/*
 * Of the exchange of keys one record at a time: the next may be opened only when it is known that
 * this one was not NEWKEYS. Outside of it NEWKEYS cannot come: it answers messages of ours.
 */
static unsigned int may_open(const struct load_conn *c)
{
	if (!c->ident_done || c->await_keys || c->rx.q.records > 0)
		return 0;
	return c->brain == NULL || ssh_brain_phase(c->brain)->kex == SSH_KEX_NONE ? OPEN_MAX : 1;
}

static unsigned int conn_gather_rx(struct load_conn *c)
{
	struct record_batch *b = c->load->opening;
	unsigned int max = may_open(c), n = 0;

	while (n < max) {
		int r = record_rx_gather(&c->rx, b, max - n);

		if (r == -ENOSPC) {
			record_open(b);
			continue;
		}
		if (r == -ENOMEM)
			c->more = true;
		if (r <= 0)
			break;
		n += (unsigned int)r;
	}
	if (n == max && n > 0 && c->rx.in.len > 0)
		c->more = true;
	return n;
}

static unsigned int conn_input(struct load_conn *c)
{
	struct stream *s = c->stream;
	uint32_t came = 0, room;
	uint8_t ev;

	c->fresh = c->more = false;
	if (s == NULL)
		return 0;
	ev = stream_events(s);
	if (ev & STREAM_EV_ERROR) {
		conn_lost(c, strerror(-s->err));
		return 1;
	}
	if (ev & STREAM_EV_CONNECTED) {
		c->state = LOAD_CONN_LOGIN;
		c->load->met |= c->load->conf.mode >= LOAD_LOGINS;
		(void)ssh_brain_start(c->brain);
		brain_run(c);
	}
	c->eof |= (ev & STREAM_EV_EOF) != 0;
	room = RTE_MIN(record_rx_room(&c->rx), (uint32_t)PULL_MAX);
	if (room > 0 && c->rx.q.records == 0)
		came = s->ops->rx_take(s, room, &c->rx.in);
	if (came > 0 && s->ops->rx_len(s) > 0)
		c->more = true;
	if (!c->ident_done)
		conn_ident(c);
	if (c->stream == NULL)
		return 1;
	return conn_gather_rx(c) + (came > 0);
}

unsigned int load_conns_open(struct load *l)
{
	struct load_conn *c;
	unsigned int work = 0;

	TAILQ_FOREACH(c, &l->active, link)
	work += conn_input(c);
	return work + record_open(l->opening);
}

/* --- messages
 * -------------------------------------------------------------------------------------- */

static int to_brain(struct load_conn *c, const struct pkt_chain *payload, uint32_t seqnr)
{
	static uint8_t flat[SSH_PACKET_MAX];
	const uint8_t *p = rte_pktmbuf_mtod(payload->head, const uint8_t *);
	int r;

	if (c->brain == NULL) /* an idle one answers nothing */
		return 0;
	if (payload->segs > 1) {
		pkt_chain_read(payload, 0, flat, payload->len);
		p = flat;
	}
	c->await_keys = p[0] == SSH_MSG_NEWKEYS;
	r = ssh_brain_input(c->brain, seqnr, p, payload->len);
	brain_run(c);
	return r;
}

/* One that is settled here: the messages of channels that are no answer to an OPEN. */
static bool is_ours(const struct load_conn *c, uint8_t msg)
{
	return c->state == LOAD_CONN_UP && c->brain != NULL &&
	       (msg == SSH_MSG_CHANNEL_WINDOW_ADJUST || msg == SSH_MSG_CHANNEL_EOF ||
		msg == SSH_MSG_CHANNEL_CLOSE);
}

static int dispatch(struct load_conn *c, struct pkt_chain *payload, uint32_t seqnr)
{
	uint8_t msg = *rte_pktmbuf_mtod(payload->head, const uint8_t *), head[16];
	uint32_t n = RTE_MIN(payload->len, (uint32_t)sizeof(head));
	int r;

	if (msg == SSH_MSG_CHANNEL_DATA && c->state == LOAD_CONN_UP)
		return load_chan_data(c, payload);
	if (is_ours(c, msg)) {
		pkt_chain_read(payload, 0, head, n);
		r = load_chan_message(c, head, n);
	} else {
		r = to_brain(c, payload, seqnr);
	}
	pkt_chain_free(payload);
	return r;
}

static unsigned int conn_run(struct load_conn *c)
{
	const struct pkt_chain *front;
	struct pkt_chain payload;
	unsigned int work = 0;
	uint32_t seqnr;
	int r = 0;

	while (r == 0 && c->stream != NULL) {
		r = record_rx_front(&c->rx, &front, &seqnr);
		if (r < 0)
			break;
		record_rx_pop(&c->rx, &payload);
		r = dispatch(c, &payload, seqnr);
		work++;
	}
	if (c->stream == NULL)
		return work;
	if (r < 0 && r != -EAGAIN) {
		conn_lost(c, ssh_err_text(r));
		return work;
	}
	if (c->rx.in.len > 0 && may_open(c) > 0 && work > 0)
		c->more = true;
	if (c->eof && c->rx.q.records == 0 && !c->more) {
		conn_lost(c, "closed by the gateway");
		return work;
	}
	if (c->brain != NULL && (ssh_dir_rekey_due(&c->rx.dir) || ssh_dir_rekey_due(&c->tx.dir))) {
		(void)ssh_brain_rekey(c->brain);
		brain_run(c);
	}
	if (c->state == LOAD_CONN_UP && c->brain != NULL)
		work += load_chans_run(c);
	return work;
}

unsigned int load_conns_run(struct load *l)
{
	struct load_conn *c;
	unsigned int work = 0;

	TAILQ_FOREACH(c, &l->active, link)
	work += conn_run(c);
	return work;
}

/* --- sending
 * --------------------------------------------------------------------------------------- */

int load_conn_say(struct load_conn *c, const uint8_t *payload, size_t len)
{
	int r = ssh_brain_send(c->brain, payload, len);

	if (r == 0)
		brain_run(c);
	return r;
}

bool load_conn_send(struct load_conn *c, const uint8_t *payload, size_t len)
{
	return push_bytes(c, NULL, payload, (uint32_t)len);
}

static void conn_output(struct load_conn *c)
{
	if (c->stream == NULL || c->tx.out.len == 0)
		return;
	(void)c->stream->ops->tx(c->stream, &c->tx.out);
	pkt_chain_init(&c->tx.out);
}

unsigned int load_conns_seal(struct load *l)
{
	struct load_conn *c, *next;
	unsigned int work = 0;

	TAILQ_FOREACH(c, &l->active, link)
	{
		if (c->stream != NULL)
			work += conn_gather_tx(c);
	}
	work += record_seal(l->sealing);
	for (c = TAILQ_FIRST(&l->active); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		conn_output(c);
		if (c->stream == NULL) {
			conn_fini(c);
		} else if (!c->fresh && !c->more && c->tx.q.records == 0) {
			TAILQ_REMOVE(&l->active, c, link);
			c->active = false;
		}
	}
	return work;
}
