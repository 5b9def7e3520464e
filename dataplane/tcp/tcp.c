/* dataplane/tcp/tcp.c - the instance, the life of a connection, the stream calls. */
#include "dataplane/tcp/internal.h"

#include "dataplane/table.h"

#include <stdlib.h>
#include <string.h>

/* Defaults of tcp_conf's times. */
#define MSL_US             (30 * TCP_SEC)   /* TIME-WAIT of a minute, as common stacks */
#define CONNECT_TIMEOUT_US (180 * TCP_SEC)  /* MUST-23: at least three minutes */
#define USER_TIMEOUT_US    (300 * TCP_SEC)  /* RFC 9293 section 3.9.1 */
#define KEEP_IDLE_US       (7200 * TCP_SEC) /* MUST-27: no less than two hours */
#define KEEP_INTERVAL_US   (75 * TCP_SEC)
#define KEEP_COUNT         9

/* What is in flight holds a data mbuf, but for a FIN: so many boards, and these. */
#define BOARDS_SPARE 16

/* And of its limits. */
#define HALF_OPEN_MAX    1024 /* some 600 KiB, and what a second of logins needs */
#define HALF_OPEN_PART   4    /* of the table at most */
#define SOURCE_HALF_OPEN 32
#define SOURCE_SYN_RATE  10000 /* a balancer in front of us is one source */
#define RST_RATE         1000
#define MSS_MIN          536 /* what every IPv4 host takes (RFC 9293 MUST-15) */
#define MSS_LEAST        64  /* the options of each segment, and some bytes */

/* --- the instance ------------------------------------------------------------------ */

static void conf_defaults(struct tcp_conf *c)
{
	if (c->msl_us == 0)
		c->msl_us = MSL_US;
	if (c->connect_timeout_us == 0)
		c->connect_timeout_us = CONNECT_TIMEOUT_US;
	if (c->user_timeout_us == 0)
		c->user_timeout_us = USER_TIMEOUT_US;
	if (c->keepalive_idle_us == 0)
		c->keepalive_idle_us = KEEP_IDLE_US;
	if (c->keepalive_interval_us == 0)
		c->keepalive_interval_us = KEEP_INTERVAL_US;
	if (c->keepalive_count == 0)
		c->keepalive_count = KEEP_COUNT;
	if (c->cc == NULL)
		c->cc = &tcp_cc_cubic;
}

static void conf_limits(struct tcp_conf *c)
{
	if (c->half_open_max == 0)
		c->half_open_max = HALF_OPEN_MAX;
	if (c->source_half_open == 0)
		c->source_half_open = SOURCE_HALF_OPEN;
	if (c->source_conns == 0)
		c->source_conns = TCP_NO_LIMIT;
	if (c->source_syn_rate == 0)
		c->source_syn_rate = SOURCE_SYN_RATE;
	if (c->rst_rate == 0)
		c->rst_rate = RST_RATE;
	if (c->mss_min == 0)
		c->mss_min = MSS_MIN;
	c->mss_min = (uint16_t)max_u64(c->mss_min, (uint16_t)MSS_LEAST);
}

/* The smallest scale that can say the whole budget. */
static uint8_t wscale_for(uint32_t budget)
{
	uint8_t s = 0;

	while (s < TCP_WSCALE_MAX && (uint64_t)TCP_WND_RAW_MAX << s < budget)
		s++;
	return s;
}

static bool tables_new(struct tcp *t)
{
	uint32_t conns = t->conf.conns_max, tw = t->conf.time_wait_max, nodes, boards;

	t->bucket_mask = rte_align32pow2(conns) - 1;
	t->tw_mask = rte_align32pow2(max_u64(tw, 1u)) - 1;
	t->conns = table_new(conns, sizeof(*t->conns));
	t->buckets = table_new(t->bucket_mask + 1, sizeof(*t->buckets));
	t->listener = table_new(TCP_LISTENERS, sizeof(*t->listener));
	t->listeners_of = table_new(TCP_PORTS, sizeof(*t->listeners_of));
	t->listeners_by_id = table_new(TCP_PORTS, sizeof(*t->listeners_by_id));
	if (t->conf.spread != NULL)
		t->port_users = table_new(TCP_PORTS, sizeof(*t->port_users));
	t->tw = table_new(tw, sizeof(*t->tw));
	t->tw_buckets = table_new_keyed(t->tw_mask + 1, sizeof(*t->tw_buckets));
	nodes = rte_mempool_avail_count(t->conf.pools->data);
	if (t->conf.pools->wide != NULL)
		nodes += rte_mempool_avail_count(t->conf.pools->wide);
	boards = min_u64(conns, nodes) + BOARDS_SPARE;
	if (t->conns == NULL || t->buckets == NULL || tcp_timers_init(t) < 0 || t->tw == NULL ||
	    (t->conf.spread != NULL && t->port_users == NULL) || t->listener == NULL ||
	    t->listeners_of == NULL || t->listeners_by_id == NULL || t->tw_buckets == NULL ||
	    tcp_sources_init(&t->sources, t->conf.secret, conns) < 0 ||
	    tcp_sent_pools_new(t, boards + nodes, boards) < 0)
		return false;
	return true;
}

int tcp_new(const struct tcp_conf *conf, struct tcp **ret)
{
	struct tcp *t;

	if (conf->conns_max == 0 || conf->conns_max > UINT32_MAX / 4 ||
	    conf->time_wait_max > UINT32_MAX / 4 || conf->rx_budget == 0 || conf->tx_budget == 0)
		return -EINVAL;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return -ENOMEM;
	t->conf = *conf;
	conf_defaults(&t->conf);
	conf_limits(&t->conf);
	tcp_limit(t, conf->conns_max);
	tcp_cookies_init(&t->cookies, t->conf.secret, t->conf.mss_min);
	t->rcv_wscale = wscale_for(conf->rx_budget);
	t->rx_initial =
		min_u64(conf->rx_budget, conf->rx_initial != 0 ? conf->rx_initial : TCP_RX_INITIAL);
	t->out_tail = &t->out_head;
	tcp_mem_init(t);
	near_init(&t->near);
	if (!tables_new(t) || tcp_busy_init(t) < 0) {
		tcp_free(t);
		return -ENOMEM;
	}
	*ret = t;
	return 0;
}

static void buffers_free(struct tcp_conn *c)
{
	tcp_sent_free(c);
	tcp_txq_free(c);
	tcp_rxq_free(c);
	tcp_busy_put(c);
}

void tcp_free(struct tcp *t)
{
	if (t == NULL)
		return;
	for (uint32_t i = 0; i < t->conns_fresh; i++)
		buffers_free(&t->conns[i]);
	tcp_busy_fini(t);
	table_free(t->conns, t->conf.conns_max, sizeof(*t->conns));
	table_free(t->buckets, t->bucket_mask + 1, sizeof(*t->buckets));
	tcp_timers_fini(t);
	tcp_sent_pools_free(t);
	table_free(t->listener, TCP_LISTENERS, sizeof(*t->listener));
	table_free(t->listeners_of, TCP_PORTS, sizeof(*t->listeners_of));
	table_free(t->listeners_by_id, TCP_PORTS, sizeof(*t->listeners_by_id));
	table_free(t->port_users, TCP_PORTS, sizeof(*t->port_users));
	table_free(t->tw, t->conf.time_wait_max, sizeof(*t->tw));
	table_free(t->tw_buckets, t->tw_mask + 1, sizeof(*t->tw_buckets));
	tcp_sources_fini(&t->sources);
	memset(t, 0, sizeof(*t)); /* the secret with it */
	free(t);
}

void tcp_limit(struct tcp *t, unsigned int conns)
{
	t->conns_limit = min_u64(conns, t->conf.conns_max);
	t->half_open_max = min_u64(t->conf.half_open_max, t->conns_limit / HALF_OPEN_PART + 1);
}

unsigned int tcp_conns(const struct tcp *t)
{
	return t->conns_n;
}

unsigned int tcp_conns_max(const struct tcp *t)
{
	return t->conns_limit;
}

unsigned int tcp_places(const struct tcp *t)
{
	return t->conf.conns_max;
}

const uint64_t *tcp_counters(const struct tcp *t)
{
	return t->counters;
}

static const struct {
	const char *name, *text;
} counter_info[TCP_C_COUNT] = {
#define X(n, t) [TCP_C_##n] = {#n, t},
	TCP_COUNTERS(X)
#undef X
};

const char *tcp_counter_name(enum tcp_counter c)
{
	return c < TCP_C_COUNT ? counter_info[c].name : "";
}

const char *tcp_counter_text(enum tcp_counter c)
{
	return c < TCP_C_COUNT ? counter_info[c].text : "";
}

/* --- the life of a connection -------------------------------------------------------- */

struct tcp_conn *tcp_conn_get(struct tcp *t)
{
	struct tcp_conn *c = tcp_at(t, t->free_list);

	tcp_mem_make_room(t);
	if (tcp_conns_left(t) == 0)
		return NULL;
	if (c != NULL)
		t->free_list = c->next;
	else
		c = &t->conns[t->conns_fresh++];
	t->conns_n++;
	*c = (struct tcp_conn){.s = {.ops = &tcp_stream_ops, .kind = STREAM_TCP},
			       .t = t,
			       .busy = tcp_idle_place(),
			       .rto_us = TCP_RTO_INIT_US};
	return c;
}

void tcp_conn_iss(struct tcp_conn *c, uint32_t iss)
{
	c->iss = iss;
	c->snd_una = iss;
	c->snd_sml = iss;
	c->snd_nxt = iss + 1;
	c->snd_max = iss + 1;
	c->tx_seq = iss + 1;
}

void tcp_conn_open(struct tcp_conn *c, const struct net_addr *local, uint16_t local_port,
		   const struct net_addr *peer, uint16_t peer_port, const struct net_path *path,
		   uint64_t now_us)
{
	tcp_path_set(c, path);
	tcp_key_make(local, local_port, peer, peer_port, &c->key);
	c->ts_offset = tcp_ts_offset(c->t, tcp_key_hash(c->t, &c->key));
	tcp_conn_iss(c, tcp_iss(c->t, &c->key, now_us));
	c->mss_adv = tcp_mss_adv(path, peer->family);
	tcp_pmtu_init(c);
	c->progress = tcp_tick(now_us);
	tcp_rwin_init(c);
	c->last_rx = tcp_tick(now_us);
	c->oow_last = c->last_rx - tcp_tick(TCP_OOW_ACK_US) - 1;
	tcp_hash_insert(c->t, c);
}

void tcp_conn_established(struct tcp_conn *c, uint64_t now_us)
{
	c->state = TCP_ESTABLISHED;
	c->established = true;
	c->syn_due = false;
	c->snd_una = c->iss + 1;
	if (c->rtt_timing) {
		tcp_rtt_sample(c, (uint32_t)now_us - c->rtt_start_us);
		tcp_rack_min_rtt(c, max_u64((uint32_t)now_us - c->rtt_start_us, 1u), now_us);
	} else if (c->rxtshift > 0) {
		c->rto_us = TCP_RTO_SYN_US; /* RFC 6298 (5.7) */
	}
	c->rtt_timing = false;
	tcp_cc_init(c, now_us);
	c->rxtshift = 0;
	c->progress = tcp_tick(now_us);
	c->busy->tx_cur = (struct tcp_cursor){c->busy->txq.head, c->busy->tx_off};
	tcp_timer_clear(c, TCP_T_REXMT);
	tcp_output_want(c);
	if (c->passive)
		return;
	tcp_count(c->t, TCP_C_CONNECTED);
	tcp_notify(c, STREAM_EV_CONNECTED | STREAM_EV_WRITABLE);
}

void tcp_notify(struct tcp_conn *c, uint8_t ev)
{
	if (likely(!c->detached))
		stream_notify(&c->s, ev);
	else
		stream_left(&c->s, tcp_tx_bytes(c));
}

/* To be freed at the end of the turn: pointers of this burst still lead here. */
static void conn_dead(struct tcp_conn *c)
{
	if (c->on_dead)
		return;
	stream_left(&c->s, 0);
	tcp_mem_gone(c);
	c->on_dead = true;
	c->next = c->t->dead_list;
	c->t->dead_list = tcp_index(c);
}

void tcp_conn_closed(struct tcp_conn *c, int err)
{
	if (c->state == TCP_CLOSED)
		return;
	c->state = TCP_CLOSED;
	tcp_listen_gone(c);
	tcp_hash_remove(c->t, c);
	tcp_list_remove(c, TCP_L_ROOM);
	tcp_timer_clear_all(c);
	tcp_rwin_rest(c);
	tcp_sent_free(c);
	tcp_txq_free(c);
	tcp_reass_free(c);
	if (c->busy->rxq.len == 0 || c->detached) /* else what is unread can still be taken */
		buffers_free(c);
	if (c->detached) {
		conn_dead(c);
	} else if (err != 0) {
		c->s.err = err;
		tcp_notify(c, STREAM_EV_ERROR);
	}
}

void tcp_conn_time_wait(struct tcp_conn *c, uint64_t now_us)
{
	/* A lost one is sent again when the peer's FIN comes again. */
	if (c->ack_now)
		(void)tcp_send_ack(c, now_us);
	tcp_tw_add(c->t, c, now_us);
	tcp_conn_closed(c, 0);
}

void tcp_reap(struct tcp *t)
{
	struct tcp_conn *c = tcp_at(t, t->dead_list), *next;

	t->dead_list = 0;
	for (; c != NULL; c = next) {
		next = tcp_at(t, c->next);
		if (c->on_output) { /* still in the list of the next turn */
			c->next = t->dead_list;
			t->dead_list = tcp_index(c);
			continue;
		}
		buffers_free(c);
		c->on_dead = false;
		c->next = t->free_list;
		t->free_list = tcp_index(c);
		t->conns_n--;
	}
}

/* --- the stream ------------------------------------------------------------------------ */

static uint32_t op_rx_take(struct stream *s, uint32_t max, struct pkt_chain *ret)
{
	struct tcp_conn *c = tcp_of(s);
	uint32_t n;

	if (c->busy->rxq.len == 0)
		return 0;
	n = tcp_rx_take(c, max, ret);
	if (unlikely(n < max && c->busy->rxq.len > 0)) /* no buffer for a cut */
		tcp_mem_take_failed(c);
	tcp_rwin_taken(c, n);
	tcp_window_opened(c);
	tcp_busy_watch(c, c->t->now_us);
	return n;
}

static uint32_t op_rx_len(const struct stream *s)
{
	return tcp_of(s)->busy->rxq.len;
}

static bool takes_data(const struct tcp_conn *c)
{
	return !c->fin_queued && (c->state == TCP_SYN_SENT || c->state == TCP_SYN_RCVD ||
				  c->state == TCP_ESTABLISHED || c->state == TCP_CLOSE_WAIT);
}

static int op_tx(struct stream *s, struct pkt_chain *ch)
{
	struct tcp_conn *c = tcp_of(s);

	if (!takes_data(c)) {
		pkt_chain_free(ch);
		return -EPIPE;
	}
	if (ch->head == NULL)
		return 0;
	tcp_busy_get(c);
	tcp_mem_queued(c->t, ch->segs);
	tcp_txq_append(c, ch);
	tcp_output_want(c);
	return 0;
}

static uint32_t op_tx_space(const struct stream *s)
{
	struct tcp_conn *c = tcp_of(s);

	return takes_data(c) ? tcp_tx_space(c) : 0;
}

static uint32_t op_tx_queued(const struct stream *s)
{
	return tcp_tx_bytes(tcp_of(s));
}

static void op_shutdown(struct stream *s)
{
	struct tcp_conn *c = tcp_of(s);

	if (!takes_data(c))
		return;
	c->fin_queued = true;
	tcp_output_want(c);
}

/*
 * Unread bytes are thrown away, but no RST is sent for them while something of ours is on its
 * way: it would overtake and destroy it (a DISCONNECT, say). See text_unread().
 */
static void op_close(struct stream *s)
{
	struct tcp_conn *c = tcp_of(s);

	c->detached = true;
	stream_closed(&c->s);
	tcp_rxq_free(c);
	tcp_mem_orphan(c);
	if (c->state == TCP_CLOSED) {
		conn_dead(c);
	} else if (c->state == TCP_SYN_SENT && c->busy->txq.len == 0) {
		tcp_conn_closed(c, 0);
	} else if (c->state == TCP_FIN_WAIT_2) {
		tcp_timer_set(c, TCP_T_LINGER, c->t->now_us + TCP_FIN_WAIT_2_US);
		tcp_busy_watch(c, c->t->now_us); /* nothing will be sent that asks for it */
	} else {
		c->fin_queued = true;
		tcp_output_want(c);
	}
}

/* RFC 9293 section 3.10.5: once both have closed there is nothing to reset. */
static bool abort_resets(const struct tcp_conn *c)
{
	return c->state != TCP_CLOSED && c->state != TCP_SYN_SENT && c->state != TCP_CLOSING &&
	       c->state != TCP_LAST_ACK;
}

static void op_abort(struct stream *s)
{
	struct tcp_conn *c = tcp_of(s);

	if (abort_resets(c))
		tcp_send_rst(c, c->t->now_us);
	c->detached = true;
	c->s.user = NULL;
	tcp_rxq_free(c);
	if (c->state == TCP_CLOSED)
		conn_dead(c);
	else
		tcp_conn_closed(c, 0);
}

const struct stream_ops tcp_stream_ops = {
	.rx_take = op_rx_take,
	.rx_len = op_rx_len,
	.tx = op_tx,
	.tx_space = op_tx_space,
	.tx_queued = op_tx_queued,
	.shutdown = op_shutdown,
	.close = op_close,
	.abort = op_abort,
};

/* --- beyond the stream contract ---------------------------------------------------------- */

static int provider_connect(void *arg, const struct net_addr *addr, uint16_t port,
			    const struct stream_user *user, void *user_ptr, struct stream **ret)
{
	struct tcp *t = arg;
	struct tcp_tw *old;
	struct net_path path;
	struct tcp_conn *c;
	uint16_t local_port;
	int r;

	r = net_route(t->conf.net, addr, &path);
	if (r < 0)
		return r;
	local_port = tcp_port_pick(t, &path.src, addr, port, &old);
	if (local_port == 0)
		return -EADDRNOTAVAIL;
	c = tcp_conn_get(t);
	if (c == NULL) {
		tcp_count(t, TCP_C_DROP_TABLE);
		return -ENOBUFS;
	}
	c->s.user = user;
	c->s.user_ptr = user_ptr;
	c->state = TCP_SYN_SENT;
	tcp_conn_open(c, &path.src, local_port, addr, port, &path, t->now_us);
	if (old != NULL)
		tcp_conn_iss(c, tcp_tw_reuse(t, old));
	c->ts_on = c->wscale_ok = c->sack_ok = true; /* offered; the answer decides */
	c->syn_due = true;
	tcp_output_want(c);
	*ret = &c->s;
	return 0;
}

void tcp_provider(struct tcp *t, struct stream_provider *ret)
{
	*ret = (struct stream_provider){.connect = provider_connect, .arg = t};
}

void tcp_stream_keepalive(struct stream *s, bool on)
{
	struct tcp_conn *c = tcp_of(s);

	c->keepalive = on;
	c->keep_probes = 0;
	if (!on || c->state == TCP_CLOSED)
		tcp_timer_clear(c, TCP_T_KEEP);
	else
		tcp_timer_set(c, TCP_T_KEEP, c->t->now_us + c->t->conf.keepalive_idle_us);
}

void tcp_stream_nodelay(struct stream *s, bool on)
{
	struct tcp_conn *c = tcp_of(s);

	c->nagle = !on;
	if (on)
		tcp_output_want(c); /* what was held back goes */
}

void tcp_stream_qos(struct stream *s, uint8_t qos)
{
	tcp_of(s)->qos = qos;
}

void tcp_stream_asker(struct stream *s, uint16_t asker)
{
	tcp_of(s)->asker = asker;
}

void tcp_stream_totals(const struct stream *s, uint64_t *ret_in, uint64_t *ret_out)
{
	*ret_in = tcp_of(s)->total_in;
	*ret_out = tcp_of(s)->total_out;
}

bool tcp_stream_congested(const struct stream *s)
{
	const struct tcp_conn *c = tcp_of(s);

	return s->kind == STREAM_TCP && c->cwnd < c->snd_wnd;
}

uint32_t tcp_stream_rtt_us(const struct stream *s)
{
	const struct tcp_conn *c = tcp_of(s);

	if (s->kind != STREAM_TCP)
		return 0;
	return c->srtt_us != 0 ? c->srtt_us : c->busy->rcv_rtt_us;
}
