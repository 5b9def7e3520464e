/* tests/fuzz/tcp_world.c - see tcp_world.h. */
#include "tests/fuzz/tcp_world.h"

#include <string.h>

#include "tests/sim/audit.h"

#define DATA_MBUFS 255
#define HEAD_MBUFS 511
#define TURNS_MAX  400 /* at one time: more is a loop */
#define STEPS_MAX  48  /* deadlines run in one stretch of time; then it is late */

static struct pkt_pools pools;

/* --- bytes --------------------------------------------------------------------------- */

#define OF_PEER  UINT32_C(0x9e3779b1)
#define OF_STACK UINT32_C(0x85ebca77)

static uint8_t byte_at(uint32_t of, uint32_t seq)
{
	return (uint8_t)((seq * of) >> 24);
}

static void bytes_fill(uint32_t of, uint32_t seq, uint8_t *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		p[i] = byte_at(of, seq + i);
}

static bool bytes_are(uint32_t of, uint32_t seq, const uint8_t *p, uint32_t n)
{
	unsigned int bad = 0;

	for (uint32_t i = 0; i < n; i++)
		bad |= p[i] ^ byte_at(of, seq + i);
	return bad == 0;
}

static struct tcp_conn *conn_at(const struct world *w, uint16_t stack_port, uint16_t port)
{
	struct tcp_key k;

	tcp_key_make(&w->net.addr, stack_port, &w->net.other, port, &k);
	return tcp_lookup(w->tcp, &k, tcp_key_hash(w->tcp, &k));
}

struct tcp_conn *world_conn(const struct world *w, unsigned int peer)
{
	return conn_at(w, w->peer[peer].stack_port, w->peer[peer].port);
}

/* --- what is sent -------------------------------------------------------------------- */

/* One segment as it lies on the wire. */
struct sent {
	uint32_t seq, ack, len, wnd;
	uint8_t flags, ecn;
	const uint8_t *text;
	struct tcp_opts o;
};

static void sack_look(const struct tcp_conn *c, const struct sent *g)
{
	for (unsigned int i = 0; i < g->o.sack_n; i++) {
		const struct tcp_sack *k = &g->o.sack[i];

		check(c->sack_ok && seq_lt(k->start, k->end));
		if (i == 0 && seq_lt(k->start, c->rcv_nxt)) /* came twice, whatever it was */
			continue;
		check(seq_gt(k->start, c->rcv_nxt) && seq_le(k->end, c->rcv_adv));
	}
}

/* RFC 7323: the scale is that of both SYNs, and an edge once promised stays. */
static void window_look(const struct tcp_conn *c, const struct sent *g)
{
	unsigned int scale = g->flags & RTE_TCP_SYN_FLAG ? 0 : c->rcv_wscale;
	uint32_t edge = g->ack + (g->wnd << scale);

	check(g->ack == c->rcv_nxt);
	check(g->wnd == TCP_WND_RAW_MAX || seq_gt(edge + (UINT32_C(1) << scale), c->rcv_adv));
}

static void text_look(const struct tcp_conn *c, const struct sent *g)
{
	uint32_t end = g->seq + g->len, edge = c->snd_una + c->snd_wnd;
	uint32_t queued = c->tx_seq + tcp_tx_bytes(c);
	bool again = seq_le(end, c->snd_max);

	check(seq_ge(g->seq, c->tx_seq) && seq_le(end, queued));
	check(bytes_are(OF_STACK, g->seq, g->text, g->len));
	check(again || seq_le(end, edge) || g->len == 1); /* of a zero window a byte is a probe */
	check(!(g->flags & RTE_TCP_FIN_FLAG) || end == queued);
	check(g->ecn == 0 || c->ecn_ok);
}

static void conn_look(const struct tcp_conn *c, const struct sent *g)
{
	if (g->flags & RTE_TCP_RST_FLAG)
		return;
	check(c->ts_on == g->o.has_ts);
	if (g->flags & RTE_TCP_ACK_FLAG) {
		window_look(c, g);
		check(!g->o.has_ts || g->o.ts_ecr == c->ts_recent);
	}
	if (g->flags & RTE_TCP_SYN_FLAG) {
		check(g->seq == c->iss && g->len == 0 && g->o.has_mss);
		return;
	}
	check(g->flags & RTE_TCP_ACK_FLAG);
	check(c->state == TCP_SYN_RCVD ? g->len == 0 : tcp_synchronized((enum tcp_state)c->state));
	sack_look(c, g);
	if (g->len > 0)
		text_look(c, g);
	else
		check(seq_ge(g->seq, c->snd_una - 1) && seq_le(g->seq, c->snd_max + 1));
}

static void look(struct world *w, const uint8_t *b, uint32_t n, uint8_t ecn)
{
	const struct rte_tcp_hdr *h = (const void *)b;
	uint32_t hdr = (uint32_t)(h->data_off >> 4) * 4;
	unsigned int i = rte_be_to_cpu_16(h->dst_port) - WORLD_PEER;
	struct sent g = {.seq = rte_be_to_cpu_32(h->sent_seq),
			 .ack = rte_be_to_cpu_32(h->recv_ack),
			 .len = n - hdr,
			 .wnd = rte_be_to_cpu_16(h->rx_win),
			 .flags = h->tcp_flags,
			 .ecn = ecn,
			 .text = b + hdr};
	struct tcp_conn *c;
	struct peer *p;

	check(hdr >= TCP_HDR_MIN && hdr <= n && i < WORLD_PEERS);
	tcp_opts_parse(b + TCP_HDR_MIN, hdr - TCP_HDR_MIN, &g.o);
	p = &w->peer[i];
	if (g.flags & RTE_TCP_SYN_FLAG) {
		p->stack_port = rte_be_to_cpu_16(h->src_port);
		p->iss = g.seq;
		p->rcv_nxt = g.seq + 1;
	} else if (!(g.flags & RTE_TCP_RST_FLAG)) {
		p->rcv_nxt = seq_max(p->rcv_nxt, g.seq + g.len + !!(g.flags & RTE_TCP_FIN_FLAG));
	}
	if (g.o.has_ts)
		p->ts_ecr = g.o.ts_val;
	if (g.len == 0 && !(g.flags & (RTE_TCP_SYN_FLAG | RTE_TCP_FIN_FLAG | RTE_TCP_RST_FLAG)))
		w->bare++;
	c = conn_at(w, rte_be_to_cpu_16(h->src_port), p->port);
	if (c != NULL)
		conn_look(c, &g);
}

/* A driver reads its packets late: their bytes must be the same then. */
static void let_go(struct world *w)
{
	for (unsigned int i = 0; i < w->held_n; i++) {
		check(pkt_raw_cksum(w->held[i]) == w->held_sum[i]);
		rte_pktmbuf_free(w->held[i]);
	}
	w->held_n = 0;
}

static void hold(struct world *w, struct rte_mbuf *m)
{
	if (w->held_n == WORLD_HELD)
		let_go(w);
	w->held_sum[w->held_n] = pkt_raw_cksum(m);
	w->held[w->held_n++] = m;
}

/* --- net.h, as far as TCP calls it --------------------------------------------------- */

bool net_addr_is_local(const struct net *n, const struct net_addr *addr)
{
	return net_addr_eq(addr, &n->addr);
}

int net_route(const struct net *n, const struct net_addr *dst, struct net_path *ret)
{
	if (n->unreachable)
		return -ENETUNREACH;
	*ret = (struct net_path){.src = n->addr,
				 .next_hop = *dst,
				 .mtu = n->mtu,
				 .tx_cksum = n->tx_cksum,
				 .version = n->version};
	return 0;
}

uint32_t net_routes_version(const struct net *n)
{
	return n->version;
}

unsigned int net_tx_room(const struct net *n, unsigned int iface)
{
	check(iface == 0);
	return n->full ? 0 : NET_TX_MAX;
}

uint16_t net_pmtu(const struct net *n, const struct net_addr *dst)
{
	check(net_addr_eq(dst, &n->other));
	return n->pmtu;
}

void net_pmtu_set(struct net *n, const struct net_addr *dst, uint16_t mtu)
{
	check(net_addr_eq(dst, &n->other));
	check(mtu >= (dst->family == 4 ? NET_PMTU_MIN_4 : NET_PMTU_MIN_6));
	n->pmtu = mtu;
}

static uint32_t flatten(const struct rte_mbuf *m, uint8_t *b, uint32_t room)
{
	uint32_t n = 0, segs = 0;

	for (const struct rte_mbuf *s = m; s != NULL; s = s->next, segs++) {
		check(n + s->data_len <= room);
		memcpy(b + n, rte_pktmbuf_mtod(s, void *), s->data_len);
		n += s->data_len;
	}
	check(n == m->pkt_len && segs == m->nb_segs);
	return n;
}

static bool super_ok(const struct rte_mbuf *m)
{
	return m->l4_len == m->data_len && m->tso_segsz > 0 && m->pkt_len <= NET_SUPER_MAX &&
	       m->pkt_len > (uint32_t)m->l4_len + m->tso_segsz &&
	       m->pkt_len <= (uint32_t)m->l4_len + m->tso_segsz * NET_SUPER_SEGS;
}

static int fate(const struct net *n, const struct rte_mbuf *m, uint32_t headers,
		const struct net_path *path)
{
	bool super = (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0;
	uint32_t longest = super ? (uint32_t)m->l4_len + m->tso_segsz : m->pkt_len;
	bool stale = path != NULL && path->version != n->version;

	if (n->unreachable && (stale || path == NULL))
		return -ENETUNREACH;
	if (longest + headers > n->mtu) {
		check(stale);
		return -EMSGSIZE;
	}
	/* What it is cut into needs headers. */
	if (super && m->pkt_len / m->tso_segsz >= pkt_pool_free(pools.head))
		return -ENOMEM;
	return 0;
}

int net_output(struct net *n, struct rte_mbuf *m, const struct net_addr *src,
	       const struct net_addr *dst, uint8_t proto, uint8_t ttl, uint8_t tos,
	       const struct net_path *path, uint64_t now_us)
{
	static uint8_t b[NET_SUPER_MAX];
	uint32_t len = flatten(m, b, sizeof(b));
	int r = fate(n, m, dst->family == 4 ? TCP_IP_HDR_4 : TCP_IP_HDR_6, path);

	check(proto == TCP_PROTO && ttl > 0 && now_us == n->w->now);
	check(net_addr_eq(src, &n->addr) && net_addr_eq(dst, &n->other));
	check(RTE_MBUF_DIRECT(m) && rte_pktmbuf_headroom(m) >= NET_HEADROOM);
	if (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG)
		check(super_ok(m));
	else if (m->ol_flags & RTE_MBUF_F_TX_TCP_CKSUM)
		check(path != NULL && path->tx_cksum);
	else
		check(tcp_checksum_ok(m, src, dst));
	if (r != -ENOMEM) /* else nothing of it went */
		look(n->w, b, len, tos & 3);
	memset(rte_pktmbuf_prepend(m, 54), 0xee, 54); /* net's headers: is the room ours? */
	hold(n->w, m);
	return r;
}

/* --- users --------------------------------------------------------------------------- */

static void on_ready(struct stream *s)
{
	(void)s;
}

static const struct stream_user user = {.ready = on_ready};

static bool on_accept(void *arg, struct stream *s, uint32_t listener, const struct net_addr *local,
		      uint16_t local_port, const struct net_addr *peer, uint16_t peer_port)
{
	struct world *w = arg;

	(void)listener, (void)local, (void)peer;
	check(local_port == WORLD_PORT && peer_port - WORLD_PEER < WORLD_PEERS);
	for (unsigned int i = 0; i < WORLD_ENDS && !w->refuse; i++)
		if (w->end[i].s == NULL) {
			w->end[i] = (struct end){.s = s};
			s->user = &user;
			s->user_ptr = &w->end[i];
			return true;
		}
	return false;
}

void world_listen(struct world *w, uint32_t backlog)
{
	const struct net_addr any = {0};

	check(tcp_listen(w->tcp, &any, WORLD_PORT, 1, backlog, on_accept, w) == 0);
}

int world_connect(struct world *w, unsigned int peer)
{
	struct stream_provider p;

	for (unsigned int i = 0; i < WORLD_ENDS; i++) {
		struct end *e = &w->end[i];
		int r;

		if (e->s != NULL)
			continue;
		*e = (struct end){0};
		tcp_provider(w->tcp, &p);
		r = p.connect(p.arg, &w->net.other, w->peer[peer].port, &user, e, &e->s);
		if (r == 0)
			w->peer[peer].stack_port = tcp_local_port(tcp_of(e->s));
		return r;
	}
	return -ENOBUFS;
}

void world_close(struct end *e, bool abort)
{
	if (e->s == NULL)
		return;
	if (abort)
		e->s->ops->abort(e->s);
	else
		e->s->ops->close(e->s);
	e->s = NULL;
}

void world_write(struct world *w, struct end *e, uint32_t n)
{
	static uint8_t b[WORLD_WRITE];
	const struct tcp_conn *c;
	struct pkt_chain ch;

	(void)w;
	if (e->s == NULL)
		return;
	c = tcp_of(e->s);
	n = RTE_MIN(n, e->s->ops->tx_space(e->s));
	n = RTE_MIN(n, (uint32_t)WORLD_WRITE);
	bytes_fill(OF_STACK, c->iss + 1 + (uint32_t)e->written, b, n);
	if (n == 0 || pkt_chain_from(b, n, pools.data, &ch) < 0)
		return;
	check(e->s->ops->tx(e->s, &ch) == 0);
	e->written += n;
	check(c->iss + 1 + (uint32_t)e->written == c->tx_seq + tcp_tx_bytes(c));
}

static void read_all(struct end *e)
{
	struct pkt_chain ch = {0};
	uint32_t n;

	if (e->paused || e->s->ops->rx_len(e->s) == 0)
		return;
	if (!e->numbered)
		e->rx_seq = tcp_of(e->s)->irs + 1;
	e->numbered = true;
	n = e->s->ops->rx_take(e->s, UINT32_MAX, &ch);
	check(n == ch.len);
	for (const struct rte_mbuf *m = ch.head; m != NULL; m = m->next) {
		check(bytes_are(OF_PEER, e->rx_seq, rte_pktmbuf_mtod(m, uint8_t *), m->data_len));
		e->rx_seq += m->data_len;
	}
	pkt_chain_free(&ch);
}

static void ends_turn(struct world *w)
{
	for (unsigned int i = 0; i < WORLD_ENDS; i++) {
		struct end *e = &w->end[i];

		if (e->s == NULL)
			continue;
		read_all(e);
		if (stream_events(e->s) & STREAM_EV_ERROR) {
			check(e->s->err < 0);
			world_close(e, false);
		}
	}
}

/* --- peers --------------------------------------------------------------------------- */

static uint32_t ts_now(const struct world *w, const struct peer *p)
{
	return p->ts_sent + (uint32_t)(w->now / 1000);
}

uint8_t world_options(const struct world *w, const struct peer *p, bool syn, uint8_t *opt)
{
	struct tcp_opts o = {.has_ts = p->ts, .ts_val = ts_now(w, p), .ts_ecr = p->ts_ecr};

	if (syn) {
		o.has_mss = p->mss != 0;
		o.mss = p->mss;
		o.has_wscale = p->wscale_ok;
		o.wscale = p->wscale;
		o.has_sack_perm = p->sack;
	}
	return (uint8_t)tcp_opts_build(&o, opt);
}

static void deliver(struct world *w)
{
	unsigned int n = w->burst_n;

	w->burst_n = 0;
	if (n > 0)
		tcp_input_burst(w->tcp, w->burst, n, w->now);
}

void world_seg(struct world *w, unsigned int peer, const struct world_seg *g)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pools.data), *rest = NULL;
	uint32_t first = g->split ? g->len / 2 : g->len, hdr = TCP_HDR_MIN + g->opt_len;
	uint32_t seq = g->seq + !!(g->flags & RTE_TCP_SYN_FLAG);
	struct rte_tcp_hdr *h;

	if (g->split && m != NULL)
		rest = rte_pktmbuf_alloc(pools.data);
	if (m == NULL || (g->split && rest == NULL)) {
		rte_pktmbuf_free(m);
		return; /* a port without buffers loses it */
	}
	h = (void *)rte_pktmbuf_append(m, (uint16_t)(hdr + first));
	*h = (struct rte_tcp_hdr){
		.src_port = rte_cpu_to_be_16(w->peer[peer].port),
		.dst_port = rte_cpu_to_be_16(w->peer[peer].stack_port),
		.sent_seq = rte_cpu_to_be_32(g->seq),
		.recv_ack = rte_cpu_to_be_32(g->ack),
		.data_off = (uint8_t)(hdr / 4 << 4),
		.tcp_flags = g->flags,
		.rx_win = rte_cpu_to_be_16(g->wnd),
	};
	memcpy(h + 1, g->opt, g->opt_len);
	bytes_fill(OF_PEER, seq, (uint8_t *)h + hdr, first);
	if (rest != NULL) {
		uint8_t *p = (void *)rte_pktmbuf_append(rest, (uint16_t)(g->len - first));

		bytes_fill(OF_PEER, seq + first, p, g->len - first);
		check(rte_pktmbuf_chain(m, rest) == 0);
	}
	m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	*pkt_meta(m) = (struct pkt_meta){
		.src = w->net.other, .dst = w->net.addr, .ecn = w->peer[peer].ecn};
	w->burst[w->burst_n++] = m;
	if (w->burst_n == WORLD_BURST)
		deliver(w);
}

void world_plain(struct world *w, unsigned int peer, uint8_t flags, uint32_t len)
{
	struct peer *p = &w->peer[peer];
	struct world_seg g = {
		.seq = p->snd_nxt, .ack = p->rcv_nxt, .len = len, .wnd = p->wnd, .flags = flags};

	g.opt_len = world_options(w, p, (flags & RTE_TCP_SYN_FLAG) != 0, g.opt);
	world_seg(w, peer, &g);
	p->snd_nxt += len + !!(flags & RTE_TCP_SYN_FLAG) + !!(flags & RTE_TCP_FIN_FLAG);
}

/* --- time ---------------------------------------------------------------------------- */

static void so(const char *why)
{
	if (why == NULL)
		return;
	fprintf(stderr, "not so: %s\n", why);
	abort();
}

/* Every mbuf is in a queue, or on its way in or out. */
static void mbufs_look(struct world *w)
{
	unsigned int out;

	let_go(w);
	out = DATA_MBUFS - pkt_pool_free(pools.data) - w->taken_n[0];
	check(out == tcp_check_mbufs(w->tcp));
	check(pkt_pool_free(pools.head) + w->taken_n[1] == HEAD_MBUFS);
}

void world_settle(struct world *w)
{
	unsigned int turns = 0;

	deliver(w);
	so(tcp_check(w->tcp));
	do {
		check(++turns < TURNS_MAX);
		tcp_timers(w->tcp, w->now);
		ends_turn(w);
		tcp_output_poll(w->tcp, w->now);
	} while (tcp_next_timer_us(w->tcp) <= w->now);
	so(tcp_check(w->tcp));
	so(tcp_check_settled(w->tcp));
	mbufs_look(w);
}

void world_run(struct world *w, uint64_t us)
{
	uint64_t end = w->now + us, next;

	world_settle(w);
	for (int i = 0; i < STEPS_MAX && (next = tcp_next_timer_us(w->tcp)) < end; i++) {
		w->now = next;
		world_settle(w);
	}
	if (w->now == end)
		return;
	w->now = end;
	world_settle(w);
}

void world_take(struct world *w, bool head, unsigned int n)
{
	struct rte_mempool *pool = head ? pools.head : pools.data;

	if (n == 0)
		while (w->taken_n[head] > 0)
			rte_pktmbuf_free(w->taken[head][--w->taken_n[head]]);
	for (; n > 0 && w->taken_n[head] < WORLD_TAKEN; n--) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

		if (m == NULL)
			break;
		w->taken[head][w->taken_n[head]++] = m;
	}
}

/* --- beginning and end --------------------------------------------------------------- */

void world_init(struct world *w, struct tcp_conf conf, uint8_t family, uint32_t backlog,
		uint64_t now)
{
	static const struct net_addr addr[2][2] = {
		{{.family = 4, .b = {198, 18, 0, 2}}, {.family = 4, .b = {198, 18, 0, 1}}},
		{{.family = 6, .b = {0x20, 0x01, 0x0d, 0xb8, [15] = 2}},
		 {.family = 6, .b = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}}}};

	fuzz_start(&pools, DATA_MBUFS, HEAD_MBUFS);
	memset(w, 0, sizeof(*w));
	w->now = now;
	w->net = (struct net){.w = w,
			      .addr = addr[family == 6][0],
			      .other = addr[family == 6][1],
			      .mtu = 1500,
			      .pmtu = UINT16_MAX};
	conf.net = &w->net;
	conf.pools = &pools;
	conf.secret[0] = 1;
	conf.secret[1] = 2;
	check(tcp_new(&conf, &w->tcp) == 0);
	check(tcp_timers(w->tcp, now) == 0);
	world_listen(w, backlog);
	for (unsigned int i = 0; i < WORLD_PEERS; i++)
		w->peer[i] = (struct peer){.port = (uint16_t)(WORLD_PEER + i),
					   .stack_port = WORLD_PORT,
					   .snd_nxt = 1000,
					   .mss = 1460,
					   .wnd = UINT16_MAX};
}

void world_fini(struct world *w)
{
	world_take(w, false, 0);
	world_take(w, true, 0);
	deliver(w);
	for (unsigned int i = 0; i < WORLD_ENDS; i++)
		world_close(&w->end[i], i % 2 == 1);
	w->net.full = false;
	world_settle(w);
	tcp_free(w->tcp);
	let_go(w);
	check(pkt_pool_free(pools.data) == DATA_MBUFS);
	check(pkt_pool_free(pools.head) == HEAD_MBUFS);
}
