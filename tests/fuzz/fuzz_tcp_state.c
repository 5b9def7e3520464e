/*
 * A TCP connection in any state, and then anything: a program of segments, errors of the network,
 * user's calls, time, empty pools and links that change.
 *
 * Input: 5 bytes of world, which say the state, the peer's options and what waits in the queues,
 * then steps of 12 bytes. Numbers of a segment are relative to something the connection knows
 * (windows' edges, gaps, nodes of the scoreboard), so that most are nearly right. After each step
 * all that tests/sim/audit.h and tcp_world.c compare must hold, and at the end every mbuf, node
 * and connection must be back.
 */
#include "tests/fuzz/tcp_world.h"

#define HEAD  5
#define STEP  12
#define STEPS 48

/* --- numbers from bytes -------------------------------------------------------------- */

/* Small numbers stay small, large ones reach everywhere. */
static uint32_t offset(uint8_t v)
{
	int32_t s = (int8_t)v;
	uint32_t m = (uint32_t)(s < 0 ? -s : s);

	if (m >= 96)
		m = UINT32_C(1) << RTE_MIN(m - 96, 31u);
	else if (m >= 48)
		m = (m - 47) * 500;
	return s < 0 ? 0 - m : m;
}

static uint32_t length(uint8_t v)
{
	return RTE_MIN(v < 64 ? v : (v - 63u) * 12, (uint32_t)WORLD_SEG);
}

static uint64_t duration(uint8_t v)
{
	return v % 32 == 0 ? 0 : UINT64_C(1) << (v % 32 - 1) % 28;
}

/* The k-th node of what is in flight, counted round. */
static uint32_t node_seq(const struct tcp_conn *c, unsigned int k)
{
	const struct tcp_sent *s;

	if (c->board == NULL || c->board->n == 0)
		return c->snd_una;
	s = c->board->all.head;
	for (k %= c->board->n; k > 0; k--)
		s = s->next;
	return s->seq;
}

static uint32_t seq_anchor(const struct peer *p, const struct tcp_conn *c, uint8_t what)
{
	if (c == NULL || c->state == TCP_SYN_SENT)
		return p->snd_nxt;
	switch (what & 7) {
	case 1:
		return c->rcv_adv;
	case 2:
		return c->irs;
	case 3:
		return c->last_ack_sent;
	case 4:
		return c->busy->runs != NULL ? c->busy->runs->seq : c->rcv_nxt;
	case 5:
		return tcp_reass_end(c);
	case 6:
		return c->rcv_fin ? c->rcv_fin_seq : c->rcv_nxt;
	default:
		return c->rcv_nxt;
	}
}

static uint32_t ack_anchor(const struct peer *p, const struct tcp_conn *c, uint8_t what)
{
	if (c == NULL)
		return p->rcv_nxt;
	switch (what & 7) {
	case 1:
		return c->snd_una;
	case 2:
		return c->snd_nxt;
	case 3:
		return c->iss + 1;
	case 4:
		return node_seq(c, what >> 3);
	case 5:
		return c->recover;
	case 6:
		return c->tx_seq + tcp_tx_bytes(c);
	default:
		return c->snd_max;
	}
}

/* --- segments ------------------------------------------------------------------------ */

static void sack_add(struct tcp_opts *o, uint32_t start, uint32_t end)
{
	o->sack[o->sack_n++] = (struct tcp_sack){start, end};
}

static void sack_options(const struct tcp_conn *c, const uint8_t *b, struct tcp_opts *o)
{
	for (unsigned int i = 0; i < 3 && (i == 0 || b[i] != 0); i++) {
		uint32_t from = node_seq(c, b[i] >> 4) + (b[i] & 8 ? c->mss : 0);

		sack_add(o, from, from + (b[i] & 7) * (b[i] & 4 ? c->mss : 100u));
	}
}

/* What a well-behaved peer never says, and what one may; returns the length. */
static uint8_t odd_options(struct world *w, const struct peer *p, const struct tcp_conn *c,
			   const uint8_t *b, uint8_t mode, uint8_t *opt)
{
	struct tcp_opts o = {.has_ts = p->ts,
			     .ts_val = p->ts_sent + (uint32_t)(w->now / 1000),
			     .ts_ecr = p->ts_ecr};

	switch (mode) {
	case 1: /* timestamps from elsewhere */
		o.has_ts = true;
		o.ts_val += offset(b[0]);
		o.ts_ecr = b[2] != 0 ? o.ts_ecr + offset(b[1]) : 0;
		break;
	case 2:
		if (c != NULL)
			sack_options(c, b, &o);
		break;
	case 3: /* a duplicate first */
		if (c == NULL)
			break;
		sack_add(&o, c->snd_una - length(b[0]), c->snd_una - length(b[0]) + length(b[1]));
		sack_add(&o, node_seq(c, b[2] >> 4), node_seq(c, b[2] & 15));
		break;
	case 4: /* bytes */
		for (unsigned int i = 0; i < TCP_OPTIONS_MAX; i++)
			opt[i] = b[i % 3];
		return (uint8_t)(b[2] % 11 * 4);
	case 5: /* of a SYN */
		o.has_mss = o.has_wscale = true;
		o.mss = (uint16_t)(b[0] << 8 | b[1]);
		o.wscale = b[2];
		o.has_sack_perm = (b[2] & 16) != 0;
		break;
	case 6: /* none, whatever was agreed */
		return 0;
	case 7:
		if (c != NULL)
			sack_add(&o, c->snd_una + offset(b[0]), c->snd_max + offset(b[1]));
		break;
	default:
		break;
	}
	return (uint8_t)tcp_opts_build(&o, opt);
}

static void op_segment(struct world *w, unsigned int peer, const uint8_t *b)
{
	struct peer *p = &w->peer[peer];
	const struct tcp_conn *c = world_conn(w, peer);
	struct world_seg g = {
		.seq = seq_anchor(p, c, b[2]) + offset(b[3]),
		.ack = ack_anchor(p, c, (uint8_t)(b[2] >> 3 & 7) | (uint8_t)(b[5] << 3)) +
		       offset(b[4]),
		.len = length(b[5]),
		.wnd = (uint16_t)(b[6] < 128 ? b[6] * 8u : (b[6] - 127u) * 511),
		.flags = b[1],
		.split = (b[7] & 8) != 0};
	uint8_t mode = b[7] & 7;

	p->ecn = b[2] >> 6;
	if (mode == 0)
		g.opt_len = world_options(w, p, (b[1] & RTE_TCP_SYN_FLAG) != 0, g.opt);
	else
		g.opt_len = odd_options(w, p, c, b + 8, mode, g.opt);
	world_seg(w, peer, &g);
}

/* Several at once, in some order: n with text, each one's end the next one's beginning or not. */
static void op_burst(struct world *w, unsigned int peer, const uint8_t *b)
{
	struct peer *p = &w->peer[peer];
	const struct tcp_conn *c = world_conn(w, peer);
	uint32_t from = seq_anchor(p, c, b[2]) + offset(b[3]), n = 1 + b[1] % WORLD_BURST;
	uint32_t stride = length(b[5]) + (b[2] & 64 ? 0 - (uint32_t)(b[4] & 63) : b[4] & 63);
	struct world_seg g = {.ack = ack_anchor(p, c, (uint8_t)(b[2] >> 3)),
			      .len = length(b[5]),
			      .wnd = p->wnd,
			      .flags = RTE_TCP_ACK_FLAG};

	g.opt_len = world_options(w, p, false, g.opt);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = b[6] & 1 ? n - 1 - i : i;

		if (b[6] & 2) /* every other one first */
			at = at * 2 < n ? at * 2 : (at * 2 - n) | 1;
		if ((b[8] | b[9] << 8) >> at & 1) /* lost */
			continue;
		g.seq = from + at * stride;
		g.split = (b[6] & 4) != 0;
		world_seg(w, peer, &g);
	}
}

/*
 * An honest receiver: of what is in flight, in segments, those of a bit mask arrived; it
 * acknowledges the first of them and reports the others.
 */
static void op_honest(struct world *w, unsigned int peer, const uint8_t *b)
{
	struct peer *p = &w->peer[peer];
	const struct tcp_conn *c = world_conn(w, peer);
	uint32_t mask = b[1] | (uint32_t)b[2] << 8 | (uint32_t)b[3] << 16, i = 0, n;
	struct world_seg g = {.wnd = p->wnd, .flags = RTE_TCP_ACK_FLAG};
	struct tcp_opts o = {.has_ts = p->ts,
			     .ts_val = p->ts_sent + (uint32_t)(w->now / 1000),
			     .ts_ecr = p->ts_ecr};

	if (c == NULL || !tcp_synchronized((enum tcp_state)c->state)) {
		world_plain(w, peer, RTE_TCP_ACK_FLAG, 0);
		return;
	}
	n = (c->snd_max - c->snd_una + c->mss - 1) / c->mss;
	for (; i < n && mask >> i % 24 & 1; i++)
		continue;
	g.seq = c->rcv_nxt;
	g.ack = i < n ? c->snd_una + i * c->mss : c->snd_max;
	for (; i < n && o.sack_n < 3 && p->sack; i++) {
		uint32_t start = c->snd_una + i * c->mss, end = seq_min(start + c->mss, c->snd_max);

		if (!(mask >> i % 24 & 1))
			continue;
		if (o.sack_n > 0 && o.sack[o.sack_n - 1].end == start)
			o.sack[o.sack_n - 1].end = end;
		else
			sack_add(&o, start, end);
	}
	if (b[4] & 1)
		g.flags |= RTE_TCP_ECE_FLAG;
	g.opt_len = (uint8_t)tcp_opts_build(&o, g.opt);
	for (i = 0; i <= (b[4] >> 1 & 3); i++) /* once, or with duplicates */
		world_seg(w, peer, &g);
}

static void op_icmp(struct world *w, unsigned int peer, const uint8_t *b)
{
	struct peer *p = &w->peer[peer];
	const struct tcp_conn *c = world_conn(w, peer);
	uint16_t least = w->net.addr.family == 4 ? NET_PMTU_MIN_4 : NET_PMTU_MIN_6;
	struct net_icmp e = {.local = w->net.addr,
			     .peer = w->net.other,
			     .local_port = p->stack_port,
			     .peer_port = p->port,
			     .seq = ack_anchor(p, c, b[2]) + offset(b[3]),
			     .len = 1500,
			     .hard = (b[1] & 1) != 0,
			     .err = b[1] & 2 ? ECONNREFUSED : EHOSTUNREACH};

	if (b[1] & 4) { /* net/ believes none below the least */
		e.mtu = (uint16_t)(least + (b[4] << 8 | b[5]) % (1501 - least));
		e.err = EMSGSIZE;
	}
	tcp_icmp(w->tcp, &e, w->now);
}

/* --- users, and the world around ----------------------------------------------------- */

static void op_user(struct world *w, const uint8_t *b)
{
	struct end *e = &w->end[b[1] & 8 ? b[1] & 7 : 0];

	if (e->s == NULL)
		return;
	switch (b[2] & 7) {
	case 0:
		e->paused = !e->paused;
		break;
	case 1:
		e->s->ops->shutdown(e->s);
		break;
	case 2:
		world_close(e, false);
		break;
	case 3:
		world_close(e, true);
		break;
	case 4:
		tcp_stream_nodelay(e->s, b[3] & 1);
		break;
	case 5:
		tcp_stream_keepalive(e->s, b[3] & 1);
		break;
	default:
		world_write(w, e, (uint32_t)b[3] << (b[4] & 7));
		break;
	}
}

static void op_net(struct world *w, const uint8_t *b)
{
	static const uint16_t mtus[2][4] = {{1500, 576, 9000, 1280}, {1500, 1280, 9000, 1400}};

	switch (b[1] & 7) {
	case 0:
		w->net.full = !w->net.full;
		break;
	case 1:
		w->net.unreachable = !w->net.unreachable;
		w->net.version++;
		break;
	case 2:
		w->net.mtu = mtus[w->net.addr.family == 6][b[2] & 3];
		w->net.version++;
		break;
	case 3:
		w->net.tx_cksum = !w->net.tx_cksum;
		w->net.version++;
		break;
	case 4:
		tcp_link_up(w->tcp, 0);
		break;
	case 5:
		w->net.pmtu = UINT16_MAX; /* net/ forgot */
		break;
	default:
		world_take(w, b[2] & 1, b[3]);
		break;
	}
}

static void op_open(struct world *w, unsigned int peer, const uint8_t *b)
{
	switch (b[1] & 3) {
	case 0:
		(void)world_connect(w, peer);
		break;
	case 1:
		if (tcp_listen_close(w->tcp, 1) < 0)
			world_listen(w, b[2] & 3);
		break;
	case 2:
		w->refuse = !w->refuse;
		break;
	default: /* the listener's port again */
		w->peer[peer].stack_port = WORLD_PORT;
		world_plain(w, peer, RTE_TCP_SYN_FLAG, b[2]);
		break;
	}
}

static void step(struct world *w, const uint8_t *b)
{
	unsigned int peer = b[0] & 16 ? b[0] >> 5 & 3 : 0;
	const struct tcp_conn *c;

	w->bare = 0;
	switch (b[0] & 15) {
	case 0:
		op_burst(w, peer, b);
		break;
	case 1:
	case 2:
		op_honest(w, peer, b);
		break;
	case 3:
	case 4:
		op_user(w, b);
		break;
	case 5:
		op_icmp(w, peer, b);
		break;
	case 6:
		op_net(w, b);
		break;
	case 7:
		op_open(w, peer, b);
		break;
	case 8: /* an honest sender */
		world_plain(w, peer, RTE_TCP_ACK_FLAG, length(b[1]));
		break;
	default:
		op_segment(w, peer, b);
		break;
	}
	world_run(w, duration(b[11]));
	c = world_conn(w, peer);
	if (c != NULL && c->state != TCP_SYN_SENT)
		w->peer[peer].snd_nxt = c->rcv_nxt;
}

/* --- the beginning ------------------------------------------------------------------- */

static void opened(struct world *w, bool active)
{
	if (active) {
		check(world_connect(w, 0) == 0);
		world_run(w, 1000);
		world_plain(w, 0, RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG, 0);
	} else {
		world_plain(w, 0, RTE_TCP_SYN_FLAG, 0);
		world_run(w, 1000);
		world_plain(w, 0, RTE_TCP_ACK_FLAG, 0);
	}
	world_run(w, 1000);
	check(w->end[0].s != NULL);
}

/* What waits in the queues of a connection that stands. */
static void filled(struct world *w, uint8_t what)
{
	struct peer *p = &w->peer[0];

	w->end[0].paused = (what & 1) != 0;
	if (what & 2) {
		world_plain(w, 0, RTE_TCP_ACK_FLAG, 1000);
		p->snd_nxt += 500;
		world_plain(w, 0, RTE_TCP_ACK_FLAG, 1000);
		p->snd_nxt += 500;
		world_plain(w, 0, RTE_TCP_ACK_FLAG, 1000);
		p->snd_nxt -= 3000;
	}
	if (what & 4) {
		p->wnd = 0;
		world_plain(w, 0, RTE_TCP_ACK_FLAG, 0);
	}
	if (what & 8)
		world_write(w, &w->end[0], 8000);
	tcp_stream_nodelay(w->end[0].s, (what & 16) == 0);
	tcp_stream_keepalive(w->end[0].s, (what & 32) != 0);
	world_run(w, 1000);
	p->wnd = UINT16_MAX;
}

static void shut(struct world *w, bool let_go)
{
	if (let_go)
		world_close(&w->end[0], false);
	else
		w->end[0].s->ops->shutdown(w->end[0].s);
	world_run(w, 1000);
}

static void brought(struct world *w, enum tcp_state want, bool active, uint8_t queues)
{
	bool let_go = (queues & 64) != 0;
	struct peer *p = &w->peer[0];
	uint32_t before;

	if (want == TCP_CLOSED || want == TCP_LISTEN || want >= TCP_STATES) {
		p->stack_port = want == TCP_LISTEN ? WORLD_PORT : WORLD_PORT + 1;
		return;
	}
	if (want == TCP_SYN_SENT || (want == TCP_SYN_RCVD && active)) {
		check(world_connect(w, 0) == 0);
		world_run(w, 1000);
	}
	if (want == TCP_SYN_SENT || want == TCP_SYN_RCVD) {
		if (want == TCP_SYN_RCVD)
			world_plain(w, 0, RTE_TCP_SYN_FLAG, 0);
		world_run(w, 1000);
		return;
	}
	opened(w, active);
	filled(w, queues);
	before = p->rcv_nxt;
	if (want == TCP_CLOSE_WAIT || want == TCP_LAST_ACK)
		world_plain(w, 0, RTE_TCP_FIN_FLAG | RTE_TCP_ACK_FLAG, 0);
	world_run(w, 1000);
	if (want != TCP_ESTABLISHED && want != TCP_CLOSE_WAIT)
		shut(w, let_go);
	if (want == TCP_FIN_WAIT_2 || want == TCP_TIME_WAIT)
		world_plain(w, 0, RTE_TCP_ACK_FLAG, 0);
	if (want == TCP_CLOSING) /* they cross */
		p->rcv_nxt = before;
	if (want == TCP_CLOSING || want == TCP_TIME_WAIT)
		world_plain(w, 0, RTE_TCP_FIN_FLAG | RTE_TCP_ACK_FLAG, 0);
	world_run(w, 1000);
}

static void begin(struct world *w, const uint8_t *h)
{
	/* Clocks about to wrap: 32 bits of microseconds, and of ticks of 1.024 ms. */
	static const uint64_t times[] = {1000000, 1000000, (UINT64_C(1) << 32) - 20000000,
					 (UINT64_C(1) << 42) - 20000000};
	static const uint16_t mss[] = {1460, 536, 1, 65535, 64, 0, 1220, 8960};
	struct tcp_conf conf = {.conns_max = 6,
				.time_wait_max = 3,
				.rx_budget = h[4] & 1 ? 1 << 20 : 1 << 15,
				.tx_budget = h[4] & 2 ? 1 << 18 : 1 << 15,
				.keepalive_idle_us = 5 * TCP_SEC,
				.keepalive_interval_us = TCP_SEC,
				.user_timeout_us = 100 * TCP_SEC,
				.cc = h[4] & 4 ? &tcp_cc_newreno : &tcp_cc_cubic,
				.source_half_open = h[4] & 8 ? 1 : 0,
				.source_conns = h[4] & 8 ? 2 : 0,
				.mss_min = h[4] & 16 ? 1 : 0,
				.no_pacing = (h[4] & 32) != 0,
				.ecn = h[1] & 8 ? TCP_ECN_YES : TCP_ECN_ON_DEMAND};
	struct peer *p = &w->peer[0];
	bool active = (h[1] & 32) != 0;

	world_init(w, conf, h[1] & 16 ? 6 : 4, h[1] & 64 ? 0 : 4, times[h[4] >> 6]);
	p->ts = (h[1] & 1) != 0;
	p->sack = (h[1] & 2) != 0;
	p->wscale_ok = (h[1] & 4) != 0;
	p->wscale = h[3] & 15;
	p->mss = mss[h[3] >> 4 & 7];
	p->snd_nxt = h[1] & 128 ? 0 - UINT32_C(3000) : 1000;
	w->net.tx_cksum = (h[2] & 128) != 0;
	brought(w, (enum tcp_state)(h[0] % TCP_STATES), active, h[2]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world w;

	if (size < HEAD)
		return 0;
	begin(&w, data);
	for (size_t i = HEAD; i + STEP <= size && i < STEP * STEPS; i += STEP)
		step(&w, data + i);
	world_fini(&w);
	return 0;
}
