/*
 * perf/load_chan.c - channels of a client, and what each mode does on them.
 *
 * What comes in only notes what is to be said; all that is said is said in load_chans_run(), where
 * a key exchange, the windows and the stream's room are looked at in one place.
 */
#include <errno.h>
#include <string.h>

#include "perf/load.h"
#include "ssh/err.h"
#include "ssh/wire.h"

#define OPEN_SIZE 512 /* of a direct-tcpip OPEN, at most */

/* What became of a channel that was asked whether it has something to say. */
enum step {
	SAY_NOTHING = 1, /* nothing now */
	SAY_AGAIN,       /* said something, may have more */
	SAY_WAIT,        /* has, but its connection cannot take it now: there will be news of it */
	SAY_LATER,       /* has, but its connection said enough for this turn */
	SAY_SHORT,       /* has, but there are no buffers */
};

void load_chan_init(struct load_conn *c, struct load_chan *ch, uint32_t id)
{
	*ch = (struct load_chan){.conn = c, .id = id, .seed = pattern_seed(id)};
}

void load_chan_ready(struct load_chan *ch)
{
	struct load_conn *c = ch->conn;

	if (!ch->ready) {
		ch->ready = true;
		TAILQ_INSERT_TAIL(&c->ready, ch, link);
	}
	load_conn_ready(c);
}

static uint32_t number_of(const struct load_chan *ch)
{
	return (uint32_t)(ch - ch->conn->chan);
}

static void ask(struct load_conn *c, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		c->chan[i].asked = true;
		load_chan_ready(&c->chan[i]);
	}
}

void load_chans_begin(struct load_conn *c)
{
	const struct load *l = c->load;

	if (!l->met)
		ask(c, 0, 1);
	else if (l->conf.mode != LOAD_OPENS) /* those begin when all are in */
		ask(c, 0, l->conf.chans);
}

/* --- saying -------------------------------------------------------------------------------- */

/* Opens go to the ports in turn: a gateway has one source port for each at a time. */
static uint16_t target_port(struct load *l)
{
	if (l->conf.mode != LOAD_OPENS)
		return LOAD_TARGET_PORT;
	return (uint16_t)(LOAD_TARGET_PORT + l->opens_next++ % LOAD_TARGET_PORTS);
}

static size_t open_build(struct load_chan *ch, uint8_t *buf)
{
	struct load *l = ch->conn->load;
	struct ssh_direct_tcpip d = {.host = ssh_str_c(l->target_text),
				     .port = target_port(l),
				     .originator = ssh_str_c("127.0.0.1"),
				     .originator_port = 1};
	struct ssh_chan_open m = {.type = ssh_str_c("direct-tcpip"),
				  .sender_channel = number_of(ch),
				  .window_size = l->conf.window,
				  .packet_max = 32768};
	uint8_t rest[OPEN_SIZE / 2];
	struct ssh_wr w;

	ssh_wr_init(&w, rest, sizeof(rest));
	ssh_direct_tcpip_build(&w, &d);
	m.rest = (struct ssh_str){rest, (uint32_t)ssh_wr_done(&w)};
	ssh_wr_init(&w, buf, OPEN_SIZE);
	ssh_chan_open_build(&w, &m);
	return ssh_wr_done(&w);
}

static enum step say_open(struct load_chan *ch)
{
	struct load *l = ch->conn->load;
	uint8_t buf[OPEN_SIZE];

	if (load_conn_say(ch->conn, buf, open_build(ch, buf)) < 0)
		return SAY_WAIT;
	ch->asked = false;
	ch->fsm = (struct ssh_chan_fsm){.state = SSH_CHAN_OPENING};
	ch->begun_tsc = rte_rdtsc();
	ch->tx_at = ch->rx_at = ch->sunk = 0;
	ch->adjust = 0;
	ssh_rwin_init(&ch->rwin, l->conf.window);
	return SAY_NOTHING;
}

static bool say_adjust(struct load_chan *ch)
{
	uint8_t buf[16];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_adjust_build(&w, ch->remote, ch->adjust);
	if (!load_conn_send(ch->conn, buf, ssh_wr_done(&w)))
		return false;
	ch->adjust = 0;
	return true;
}

static bool say_close(struct load_chan *ch)
{
	uint8_t buf[8];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_simple_build(&w, SSH_MSG_CHANNEL_CLOSE, ch->remote);
	if (!load_conn_send(ch->conn, buf, ssh_wr_done(&w)))
		return false;
	ch->close_due = false;
	return true;
}

/* n bytes of the way up as one message. False: no mbufs. */
static bool say_data(struct load_chan *ch, uint32_t n)
{
	struct load_conn *c = ch->conn;
	uint8_t head[SSH_CHAN_DATA_HEAD];
	struct pkt_chain chain;
	struct ssh_wr w;
	uint64_t id = ch->id;

	if (!load_bytes(c->load, ch->seed, ch->tx_at, n, PKT_DATA_ROOM, &chain))
		return false;
	if (ch->tx_at == 0 && n >= LOAD_HEAD)
		memcpy(rte_pktmbuf_mtod(chain.head, void *), &id, LOAD_HEAD);
	ssh_wr_init(&w, head, sizeof(head));
	ssh_chan_data_head_build(&w, ch->remote, n);
	record_tx_push(&c->tx, &chain, head, sizeof(head));
	ssh_swin_sent(&ch->swin, n);
	ch->tx_at += n;
	return true;
}

/* Up to want bytes as one message, if windows and stream have room for a whole one. */
static enum step say_some(struct load_chan *ch, uint64_t want, uint32_t *left)
{
	struct load_conn *c = ch->conn;
	uint32_t n = ssh_swin_take(&ch->swin, (uint32_t)RTE_MIN(want, (uint64_t)UINT32_MAX));

	if (n == 0 || (ch->tx_at == 0 && n < LOAD_HEAD))
		return SAY_NOTHING; /* an adjust will come */
	if (*left < n)
		return SAY_LATER;
	if (load_conn_space(c) < n && c->stream->ops->tx_queued(c->stream) + c->tx.q.bytes > 0)
		return SAY_WAIT;
	if (!say_data(ch, n))
		return SAY_SHORT;
	*left -= n;
	return n < want ? SAY_NOTHING : SAY_AGAIN;
}

static enum step bulk(struct load_chan *ch, uint32_t *left)
{
	struct load *l = ch->conn->load;

	return l->generate ? say_some(ch, l->conf.payload, left) : SAY_NOTHING;
}

/* The word that names the channel, and nothing more. */
static enum step name_only(struct load_chan *ch, uint32_t *left)
{
	if (ch->tx_at >= LOAD_HEAD)
		return SAY_NOTHING;
	return say_some(ch, LOAD_HEAD, left);
}

/* What is due of requests, each a message of its own. */
static enum step requests(struct load_chan *ch, uint32_t *left)
{
	const struct load *l = ch->conn->load;
	uint64_t at = ch->tx_at < LOAD_HEAD ? 0 : ch->tx_at - LOAD_HEAD;
	uint64_t begun = at / l->conf.request; /* whole ones that were sent */
	uint64_t end = LOAD_HEAD + (begun + 1) * l->conf.request;

	if (begun >= ch->due)
		return SAY_NOTHING;
	if (at % l->conf.request == 0)
		ch->begun_tsc = rte_rdtsc();
	return say_some(ch, end - ch->tx_at, left);
}

/* One byte and no name: the target sends it back. */
static enum step one_byte(struct load_chan *ch)
{
	struct load_conn *c = ch->conn;
	uint8_t head[SSH_CHAN_DATA_HEAD], byte = (uint8_t)ch->seed;
	struct pkt_chain chain;
	struct ssh_wr w;

	if (ch->tx_at > 0 || ssh_swin_take(&ch->swin, 1) == 0)
		return SAY_NOTHING;
	if (pkt_chain_from(&byte, 1, c->load->s.pools.data, &chain) < 0)
		return SAY_SHORT;
	ssh_wr_init(&w, head, sizeof(head));
	ssh_chan_data_head_build(&w, ch->remote, 1);
	record_tx_push(&c->tx, &chain, head, sizeof(head));
	ssh_swin_sent(&ch->swin, 1);
	ch->tx_at = 1;
	return SAY_NOTHING;
}

static enum step chan_step(struct load_chan *ch, uint32_t *left)
{
	if (ch->conn->in_kex)
		return SAY_WAIT;
	if (ch->close_due && !say_close(ch))
		return SAY_SHORT;
	if (ch->asked)
		return say_open(ch);
	if (ch->fsm.state != SSH_CHAN_OPEN)
		return SAY_NOTHING;
	if (ch->adjust > 0 && !say_adjust(ch))
		return SAY_SHORT;
	switch (ch->conn->load->conf.mode) {
	case LOAD_UP:
	case LOAD_BOTH:
		return bulk(ch, left);
	case LOAD_DOWN:
		return name_only(ch, left);
	case LOAD_TRIPS:
	case LOAD_REQUESTS:
		return requests(ch, left);
	case LOAD_OPENS:
		return one_byte(ch);
	default:
		return SAY_NOTHING;
	}
}

unsigned int load_chans_run(struct load_conn *c)
{
	uint32_t left = LOAD_QUANTUM;
	unsigned int work = 0;
	struct load_chan *ch;

	while (c->stream != NULL && (ch = TAILQ_FIRST(&c->ready)) != NULL) {
		enum step s = chan_step(ch, &left);

		if (s == SAY_WAIT || s == SAY_LATER || s == SAY_SHORT) {
			c->more |= s != SAY_WAIT;
			break;
		}
		work++;
		TAILQ_REMOVE(&c->ready, ch, link);
		ch->ready = false;
		if (s == SAY_AGAIN)
			load_chan_ready(ch);
	}
	return work;
}

/* --- hearing ------------------------------------------------------------------------------- */

static struct load_chan *chan_of(struct load_conn *c, uint32_t channel)
{
	if (channel >= c->load->conf.chans || c->chan[channel].fsm.state == 0)
		return NULL;
	return &c->chan[channel];
}

static int on_confirm(struct load_conn *c, struct ssh_rd *r)
{
	struct load *l = c->load;
	struct ssh_chan_confirm m;
	enum ssh_chan_act act;
	struct load_chan *ch;

	if (ssh_chan_confirm_parse(r, &m) < 0)
		return -SSH_E_FORMAT;
	ch = chan_of(c, m.recipient_channel);
	if (ch == NULL || ssh_chan_step(&ch->fsm, SSH_CHAN_EV_CONFIRMED, &act) < 0)
		return -SSH_E_CHANNEL;
	ch->remote = m.sender_channel;
	ssh_swin_init(&ch->swin, m.window_size, m.packet_max);
	c->chans_open++;
	l->chans_up++;
	load_chan_ready(ch);
	if (!l->met && l->conf.mode != LOAD_OPENS)
		ask(c, 1, l->conf.chans);
	l->met = true;
	return 0;
}

static int on_failure(struct load_conn *c, struct ssh_rd *r)
{
	struct load *l = c->load;
	struct ssh_chan_failure m;
	struct load_chan *ch;

	if (ssh_chan_failure_parse(r, &m) < 0)
		return -SSH_E_FORMAT;
	ch = chan_of(c, m.recipient_channel);
	if (ch == NULL || ch->fsm.state != SSH_CHAN_OPENING)
		return -SSH_E_CHANNEL;
	ch->fsm.state = 0;
	l->refused++;
	if (l->conf.mode != LOAD_OPENS) {
		load_failed(l, "a channel was refused: %u %.*s", m.reason, (int)m.description.len,
			    (const char *)m.description.p);
		return 0;
	}
	ch->asked = l->generate;
	load_chan_ready(ch);
	return 0;
}

static int on_adjust(struct load_conn *c, struct ssh_rd *r)
{
	struct load_chan *ch;
	uint32_t channel, n;

	if (ssh_chan_adjust_parse(r, &channel, &n) < 0)
		return -SSH_E_FORMAT;
	ch = chan_of(c, channel);
	if (ch == NULL)
		return 0; /* it crossed our CLOSE */
	load_chan_ready(ch);
	return ssh_swin_adjust(&ch->swin, n);
}

/* Opens: it was opened, carried its byte, and is closed by both sides. */
static void cycle_done(struct load_chan *ch)
{
	struct load_conn *c = ch->conn;
	struct load *l = c->load;

	c->chans_open--;
	l->chans_up--;
	if (ch->rx_at != 1)
		l->refused++; /* the target's side failed: what that is, the gateway's log says */
	else if (l->phase == LOAD_MEASURE)
		hist_add(&l->latency, load_ns(l, rte_rdtsc() - ch->begun_tsc));
	l->count.opens += ch->rx_at == 1;
	ch->fsm.state = 0;
	ch->asked = l->generate;
	if (ch->asked)
		load_chan_ready(ch);
}

static int on_close(struct load_conn *c, struct load_chan *ch)
{
	enum ssh_chan_act act;
	int r = ssh_chan_step(&ch->fsm, SSH_CHAN_EV_PEER_CLOSE, &act);

	if (r < 0)
		return r;
	if (act == SSH_CHAN_ACT_REPLY_CLOSE) {
		ch->close_due = true;
		load_chan_ready(ch);
	}
	if (c->load->conf.mode != LOAD_OPENS) {
		if (c->load->phase < LOAD_DRAIN)
			load_failed(c->load, "a channel was closed");
		return 0;
	}
	cycle_done(ch);
	return 0;
}

int load_chan_message(struct load_conn *c, const uint8_t *payload, size_t len)
{
	struct load_chan *ch;
	struct ssh_rd r;
	uint32_t channel;

	ssh_rd_init(&r, payload + 1, len - 1);
	switch (payload[0]) {
	case SSH_MSG_CHANNEL_OPEN_CONFIRMATION:
		return on_confirm(c, &r);
	case SSH_MSG_CHANNEL_OPEN_FAILURE:
		return on_failure(c, &r);
	case SSH_MSG_CHANNEL_WINDOW_ADJUST:
		return on_adjust(c, &r);
	case SSH_MSG_CHANNEL_EOF:
	case SSH_MSG_CHANNEL_CLOSE:
		if (ssh_chan_simple_parse(&r, &channel) < 0)
			return -SSH_E_FORMAT;
		ch = chan_of(c, channel);
		if (ch == NULL)
			return -SSH_E_CHANNEL;
		return payload[0] == SSH_MSG_CHANNEL_CLOSE ? on_close(c, ch) : 0;
	default:
		return -SSH_E_PROTO;
	}
}

static void answered(struct load_chan *ch)
{
	struct load *l = ch->conn->load;
	uint64_t now = rte_rdtsc(), from = ch->begun_tsc;

	if (l->conf.mode == LOAD_REQUESTS) {
		uint64_t n = load_request_number(l, ch, ch->answered);

		from = l->t0_tsc + (uint64_t)((double)n * l->interval_tsc);
	}
	if (l->phase == LOAD_MEASURE || (l->phase == LOAD_DRAIN && from >= l->from.tsc))
		hist_add(&l->latency, load_ns(l, now - from));
	ch->answered++;
	l->count.answers++;
	if (l->conf.mode == LOAD_TRIPS && l->generate)
		load_chan_request(ch);
}

static void one_byte_back(struct load_chan *ch, const struct pkt_chain *c)
{
	enum ssh_chan_act act;

	if (c->len != 1 || *rte_pktmbuf_mtod(c->head, uint8_t *) != (uint8_t)ch->seed)
		ch->conn->load->wrong++;
	if (ssh_chan_step(&ch->fsm, SSH_CHAN_EV_LOCAL_CLOSE, &act) == 0) {
		ch->close_due = true;
		load_chan_ready(ch);
	}
}

int load_chan_data(struct load_conn *c, struct pkt_chain *payload)
{
	struct load *l = c->load;
	uint8_t head[SSH_CHAN_DATA_HEAD];
	struct ssh_chan_data d;
	enum ssh_chan_act act;
	struct load_chan *ch;
	uint32_t n = RTE_MIN(payload->len, (uint32_t)sizeof(head)), head_len;
	int r;

	pkt_chain_read(payload, 0, head, n);
	r = ssh_chan_data_head_parse(head, n, payload->len, &d, &head_len);
	ch = r == 0 ? chan_of(c, d.recipient_channel) : NULL;
	if (ch == NULL) {
		pkt_chain_free(payload);
		return r < 0 ? r : -SSH_E_CHANNEL;
	}
	r = ssh_chan_step(&ch->fsm, SSH_CHAN_EV_PEER_DATA, &act);
	if (r == 0)
		r = ssh_rwin_recv(&ch->rwin, d.data.len);
	if (r < 0 || act != SSH_CHAN_ACT_DELIVER) {
		pkt_chain_free(payload);
		return r;
	}
	pkt_chain_trim_head(payload, head_len);
	if (l->conf.mode == LOAD_OPENS)
		one_byte_back(ch, payload);
	else
		load_bytes_check(l, ch->seed, ch->rx_at, payload);
	ch->rx_at += d.data.len;
	l->count.bytes_down += d.data.len;
	pkt_chain_free(payload);
	ch->adjust += ssh_rwin_consume(&ch->rwin, d.data.len);
	if (ch->adjust > 0)
		load_chan_ready(ch);
	while (l->conf.mode >= LOAD_TRIPS && l->conf.mode <= LOAD_REQUESTS &&
	       ch->answered < ch->rx_at / l->conf.response)
		answered(ch);
	return 0;
}

void load_chan_request(struct load_chan *ch)
{
	ch->due++;
	ch->conn->load->count.requests++;
	load_chan_ready(ch);
}
