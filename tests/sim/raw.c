/* tests/sim/raw.c - see raw.h. */
#include "tests/sim/raw.h"

#include <string.h>

#define TX_KEY 88

static enum vnet_fate record(void *arg, unsigned int from, const struct vseg *s)
{
	struct raw *r = arg;

	if (from != RAW_STACK || r->out_n >= RAW_OUT)
		return VNET_DROP;
	r->out_at[r->out_n] = r->v.now_us;
	r->out[r->out_n++] = *s;
	if (s->flags & SYN) {
		r->iss = s->seq;
		r->stack_port = s->src_port;
		r->peer_port = s->dst_port;
	}
	if (seq_gt(s->seq + s->len + !!(s->flags & (SYN | FIN)), r->rcv_nxt) || (s->flags & SYN))
		r->rcv_nxt = s->seq + s->len + !!(s->flags & (SYN | FIN));
	return VNET_DROP;
}

void raw_init(struct raw *r, struct tcp_conf conf)
{
	memset(r, 0, sizeof(*r));
	vnet_init(&r->v, 1, 1023, 2047);
	vnet_stack(&r->v, RAW_STACK, conf);
	r->v.filter = record;
	r->v.filter_arg = r;
	vnet_app(&r->v, RAW_STACK, &r->apps, &r->app, TX_KEY, RAW_RX_KEY, 0);
	r->app.no_shutdown = true;
	r->snd_nxt = 1000;
	r->wnd = 65535;
	r->stack_port = 22;
	r->peer_port = RAW_PORT;
}

bool raw_fini(struct raw *r)
{
	return vnet_fini(&r->v);
}

void raw_run(struct raw *r, uint64_t us)
{
	vnet_run(&r->v, us, NULL, NULL);
}

void raw_clear(struct raw *r)
{
	r->out_n = 0;
}

static struct net_addr peer_of(const struct raw *r)
{
	return r->peer.family != 0 ? r->peer : vnet_addr(RAW_PEER);
}

void raw_send_at(struct raw *r, uint8_t flags, uint32_t seq, uint32_t ack, uint64_t from,
		 uint32_t len)
{
	uint8_t b[VNET_PKT_MAX];
	struct rte_tcp_hdr *h = (void *)b;
	struct tcp_opts o = {.has_ts = r->ts, .ts_val = r->ts_val, .ts_ecr = r->ts_ecr};
	uint32_t n = TCP_HDR_MIN;
	struct net_addr src = peer_of(r), dst = vnet_addr(RAW_STACK);

	memcpy(b + n, r->opt, r->opt_len);
	n += r->opt_len;
	if (r->opt_len == 0)
		n += (uint32_t)tcp_opts_build(&o, b + n);
	*h = (struct rte_tcp_hdr){
		.src_port = rte_cpu_to_be_16(r->peer_port),
		.dst_port = rte_cpu_to_be_16(r->stack_port),
		.sent_seq = rte_cpu_to_be_32(seq),
		.recv_ack = rte_cpu_to_be_32(ack),
		.data_off = (uint8_t)(n / 4 << 4 | r->reserved),
		.tcp_flags = flags,
		.rx_win = rte_cpu_to_be_16(r->wnd),
		.tcp_urp = rte_cpu_to_be_16(r->urg),
	};
	for (uint32_t i = 0; i < len; i++)
		b[n + i] = app_pattern(RAW_RX_KEY, (uint32_t)(from + i));
	r->v.inject_ecn = r->ecn;
	vnet_inject(&r->v, RAW_STACK, &src, &dst, b, n + len, 0);
}

void raw_send(struct raw *r, uint8_t flags, uint32_t len)
{
	/* Where in the pattern these bytes lie: the SYN took number 1000. */
	raw_send_at(r, flags, r->snd_nxt, r->rcv_nxt, (uint64_t)r->snd_nxt - 1001, len);
	r->snd_nxt += len + !!(flags & SYN) + !!(flags & FIN);
	raw_run(r, 1000);
}

void raw_accept(struct raw *r, struct tcp_conf conf)
{
	raw_init(r, conf);
	app_listen(&r->app, 22, 4);
	raw_send(r, SYN, 0);
	raw_send(r, ACK, 0);
	raw_clear(r);
}

void raw_connect(struct raw *r, struct tcp_conf conf)
{
	raw_init(r, conf);
	vnet_connect(&r->app, RAW_PEER, RAW_PORT);
	raw_run(r, 1000);
	raw_send(r, SYN | ACK, 0);
	raw_clear(r);
}

struct tcp_conn *raw_conn(struct raw *r)
{
	struct tcp_key k;
	struct net_addr peer = peer_of(r), local = vnet_addr(RAW_STACK);

	tcp_key_make(&local, r->stack_port, &peer, r->peer_port, &k);
	return tcp_lookup(r->v.host[RAW_STACK].tcp, &k, tcp_key_hash(r->v.host[RAW_STACK].tcp, &k));
}

enum tcp_state raw_get_state(struct raw *r)
{
	struct tcp *t = r->v.host[RAW_STACK].tcp;
	struct tcp_conn *c = raw_conn(r);
	struct net_addr peer = peer_of(r), local = vnet_addr(RAW_STACK);
	struct tcp_key k;

	if (c != NULL)
		return (enum tcp_state)c->state;
	tcp_key_make(&local, r->stack_port, &peer, r->peer_port, &k);
	if (tcp_tw_lookup(t, &k, tcp_key_hash(t, &k)) != NULL)
		return TCP_TIME_WAIT;
	return t->listener[0].used && t->listener[0].port == r->stack_port ? TCP_LISTEN
									   : TCP_CLOSED;
}

uint64_t raw_count(struct raw *r, enum tcp_counter c)
{
	return tcp_counters(r->v.host[RAW_STACK].tcp)[c];
}

void raw_write(struct raw *r, uint32_t n)
{
	r->app.tx_total += n;
	raw_run(r, 1000);
}

struct vseg raw_last(struct raw *r)
{
	return r->out_n > 0 ? r->out[r->out_n - 1] : (struct vseg){0};
}

void raw_state(struct raw *r, enum tcp_state want)
{
	uint32_t before_fin;

	switch (want) {
	case TCP_CLOSED:
		raw_init(r, (struct tcp_conf){0});
		break;
	case TCP_LISTEN:
		raw_init(r, (struct tcp_conf){0});
		app_listen(&r->app, 22, 4);
		break;
	case TCP_SYN_SENT:
		raw_init(r, (struct tcp_conf){0});
		vnet_connect(&r->app, RAW_PEER, RAW_PORT);
		raw_run(r, 1000);
		break;
	case TCP_SYN_RCVD:
		raw_init(r, (struct tcp_conf){0});
		app_listen(&r->app, 22, 4);
		raw_send(r, SYN, 0);
		break;
	case TCP_ESTABLISHED:
		raw_connect(r, (struct tcp_conf){0});
		break;
	case TCP_FIN_WAIT_1:
		raw_connect(r, (struct tcp_conf){0});
		r->app.no_shutdown = false;
		r->app.close_at_eof = false;
		raw_run(r, 1000);
		break;
	case TCP_FIN_WAIT_2:
		raw_state(r, TCP_FIN_WAIT_1);
		raw_send(r, ACK, 0);
		break;
	case TCP_CLOSING:
		raw_connect(r, (struct tcp_conf){0});
		before_fin = r->rcv_nxt;
		r->app.no_shutdown = false;
		r->app.close_at_eof = false;
		raw_run(r, 1000);
		raw_send_at(r, FIN | ACK, r->snd_nxt++, before_fin, 0, 0); /* they cross */
		raw_run(r, 1000);
		break;
	case TCP_TIME_WAIT:
		raw_state(r, TCP_FIN_WAIT_2);
		raw_send(r, FIN | ACK, 0);
		break;
	case TCP_CLOSE_WAIT:
		raw_connect(r, (struct tcp_conf){0});
		raw_send(r, FIN | ACK, 0);
		break;
	case TCP_LAST_ACK:
		raw_state(r, TCP_CLOSE_WAIT);
		r->app.no_shutdown = false;
		r->app.close_at_eof = false;
		raw_run(r, 1000);
		break;
	case TCP_STATES:
		break;
	}
	raw_clear(r);
}
