/* tests/sim/vnet.c - the virtual network; see vnet.h. */
#include "tests/sim/audit.h"
#include "tests/sim/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ip.h>
#include <rte_tcp.h>

#include "dataplane/net/cut.h"
#include "tests/util/eal.h"

#define TURN_US 1 /* what a turn with work takes */
/* The stacks are looked at as a whole after so many turns, more for what there is to see; and at
 * the end. */
#define AUDIT_TURNS 61

uint64_t vnet_clock(const struct vnet *v, unsigned int i)
{
	return v->host[i].frozen_us != 0 ? v->host[i].frozen_us : v->now_us;
}

/* --- what a driver keeps ----------------------------------------------------------- */

struct vnet_held {
	struct vnet_held *next;
	struct rte_mbuf *m;
	uint64_t until_us;
	uint64_t sum;
};

/* Of everything a driver may look at: bytes, offsets, lengths, links. */
static uint64_t mbuf_sum(const struct rte_mbuf *m)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; m != NULL; m = m->next) {
		const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);

		h = (h ^ m->data_off) * 0x100000001b3;
		h = (h ^ m->data_len) * 0x100000001b3;
		h = (h ^ (uintptr_t)m->buf_addr) * 0x100000001b3;
		h = (h ^ (uintptr_t)m->next) * 0x100000001b3;
		for (uint32_t i = 0; i < m->data_len; i++)
			h = (h ^ p[i]) * 0x100000001b3;
	}
	return h;
}

static void hold(struct vnet *v, struct rte_mbuf *m)
{
	struct vnet_held *h = malloc(sizeof(*h));

	*h = (struct vnet_held){v->held, m, v->now_us + rand_below(v, v->hold_max_us + 1),
				mbuf_sum(m)};
	v->held = h;
}

static void release(struct vnet *v, bool all)
{
	struct vnet_held **at = &v->held;

	while (*at != NULL) {
		struct vnet_held *h = *at;

		if (!all && h->until_us > v->now_us) {
			at = &h->next;
			continue;
		}
		if (mbuf_sum(h->m) != h->sum)
			v->changed++;
		rte_pktmbuf_free(h->m);
		*at = h->next;
		free(h);
	}
}

/* --- net.h, as far as TCP calls it -------------------------------------------------- */

struct net_addr vnet_addr_of(unsigned int i, uint8_t family, uint8_t scope)
{
	if (family == 4)
		return (struct net_addr){.family = 4, .b = {10, 0, 0, (uint8_t)(i + 1)}};
	if (scope != 0)
		return (struct net_addr){
			.family = 6, .scope = scope, .b = {0xfe, 0x80, [15] = (uint8_t)(i + 1)}};
	return (struct net_addr){.family = 6,
				 .b = {0x20, 0x01, 0x0d, 0xb8, [15] = (uint8_t)(i + 1)}};
}

struct net_addr vnet_addr(unsigned int i)
{
	const char *s = getenv("SLUICE_FAMILY");

	return vnet_addr_of(i, s != NULL && s[0] == '6' ? 6 : 4, 0);
}

static unsigned int host_of(const struct net_addr *a)
{
	return a->b[a->family == 4 ? 3 : 15] - 1u;
}

bool net_addr_is_local(const struct net *n, const struct net_addr *addr)
{
	return net_addr_eq(addr, &n->addr4) || net_addr_eq(addr, &n->addr6) ||
	       net_addr_eq(addr, &n->link_local);
}

int net_route(const struct net *n, const struct net_addr *dst, struct net_path *ret)
{
	if (n->unreachable || host_of(dst) >= VNET_HOSTS)
		return -ENETUNREACH;
	*ret = (struct net_path){.src = dst->family == 4  ? n->addr4
					: dst->scope != 0 ? n->link_local
							  : n->addr6,
				 .next_hop = *dst,
				 .mtu = n->mtu,
				 .version = n->version};
	return 0;
}

uint32_t net_routes_version(const struct net *n)
{
	return n->version;
}

unsigned int net_tx_room(const struct net *n, unsigned int iface)
{
	(void)iface;
	return n->full ? n->places : NET_TX_MAX;
}

uint16_t net_pmtu(const struct net *n, const struct net_addr *dst)
{
	uint16_t mtu = host_of(dst) < VNET_HOSTS ? n->pmtu[host_of(dst)] : 0;

	return mtu != 0 ? mtu : UINT16_MAX;
}

void net_pmtu_set(struct net *n, const struct net_addr *dst, uint16_t mtu)
{
	if (host_of(dst) < VNET_HOSTS)
		n->pmtu[host_of(dst)] = mtu == UINT16_MAX ? 0 : mtu;
}

void vnet_mtu_set(struct vnet *v, unsigned int i, uint16_t mtu)
{
	v->host[i].net.mtu = mtu;
	v->host[i].net.version++;
}

/* Does the super-segment p, of mbufs from m on, keep the contract? Its checksum is made whole. */
static bool super_ok(const struct rte_mbuf *m, struct vpkt *p)
{
	struct rte_tcp_hdr *h = (void *)p->b;
	struct rte_ipv6_hdr ip6 = {.proto = 6};
	struct rte_ipv4_hdr ip = {.next_proto_id = 6};
	uint16_t want;

	memcpy(ip6.src_addr, p->src.b, 16);
	memcpy(ip6.dst_addr, p->dst.b, 16);
	memcpy(&ip.src_addr, p->src.b, 4);
	memcpy(&ip.dst_addr, p->dst.b, 4);
	/* With this flag both leave the length out, as a port wants it. */
	want = p->dst.family == 4 ? rte_ipv4_phdr_cksum(&ip, RTE_MBUF_F_TX_TCP_SEG)
				  : rte_ipv6_phdr_cksum(&ip6, RTE_MBUF_F_TX_TCP_SEG);
	if (h->cksum != want || m->l4_len != m->data_len || m->l4_len != (h->data_off >> 4) * 4 ||
	    m->tso_segsz == 0 || p->len > NET_SUPER_MAX || p->len <= m->l4_len ||
	    p->len - m->l4_len > NET_SUPER_SEGS * (uint32_t)m->tso_segsz)
		return false;
	h->cksum = 0;
	h->cksum = wire_cksum(p);
	return true;
}

/* One segment of the super-segment p: n bytes of its text from off on. */
static struct vpkt *super_part(const struct vpkt *p, uint32_t hdr, uint32_t off, uint32_t n)
{
	struct vpkt *q = malloc(sizeof(*q) + hdr + n);
	struct rte_tcp_hdr *h = (void *)q->b;

	memcpy(q, p, sizeof(*p) + hdr);
	memcpy(q->b + hdr, p->b + hdr + off, n);
	q->len = hdr + n;
	h->sent_seq = rte_cpu_to_be_32(rte_be_to_cpu_32(h->sent_seq) + off);
	if (off > 0)
		h->tcp_flags &= (uint8_t)~RTE_TCP_CWR_FLAG;
	if (hdr + off + n < p->len)
		h->tcp_flags &= (uint8_t) ~(RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG);
	h->cksum = 0;
	h->cksum = wire_cksum(q);
	return q;
}

/* p is taken; m is what it was made of, which may be a super-segment. */
static void wire_send_all(struct vnet *v, struct vpkt *p, const struct rte_mbuf *m, uint32_t hdr)
{
	const struct rte_mbuf *at = m->next;
	uint32_t skip = 0, n;

	if (!(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG)) {
		wire_send(v, p);
		return;
	}
	v->supers++;
	for (uint32_t off = 0; hdr + off < p->len; off += n) {
		n = net_cut_len(at, skip, m->tso_segsz);
		wire_send(v, super_part(p, hdr, off, n));
		for (skip += n; at != NULL && skip >= at->data_len; at = at->next)
			skip -= at->data_len;
	}
	free(p);
}

int net_output(struct net *n, struct rte_mbuf *m, const struct net_addr *src,
	       const struct net_addr *dst, uint8_t proto, uint8_t ttl, uint8_t tos,
	       const struct net_path *path, uint64_t now_us)
{
	struct vnet *v = n->v;
	struct vpkt *p = malloc(sizeof(*p) + m->pkt_len);
	bool stale = path != NULL && path->version != n->version;
	bool super = m->ol_flags & RTE_MBUF_F_TX_TCP_SEG;
	uint32_t off = 0, segs = 0, hdr = m->data_len, most;

	*p = (struct vpkt){.from = n->index,
			   .to = host_of(dst),
			   .src = *src,
			   .dst = *dst,
			   .ecn = tos & 3,
			   .qos = tos & 0xfc,
			   .len = m->pkt_len};
	for (const struct rte_mbuf *s = m; s != NULL; s = s->next, segs++) {
		if (off + s->data_len > p->len)
			break;
		memcpy(p->b + off, rte_pktmbuf_mtod(s, void *), s->data_len);
		off += s->data_len;
	}
	most = ip_hdr_len(dst) + (super ? (uint32_t)m->l4_len + m->tso_segsz : m->pkt_len);
	if (off != p->len || segs != m->nb_segs || !RTE_MBUF_DIRECT(m) ||
	    rte_pktmbuf_headroom(m) < NET_HEADROOM || (!stale && most > n->mtu) || proto != 6 ||
	    ttl == 0 || now_us > vnet_clock(v, n->index) || (super && !super_ok(m, p)) ||
	    !wire_cksum_ok(p)) {
		v->bad++;
		free(p);
		rte_pktmbuf_free(m);
		return -EINVAL;
	}
	if (most > n->mtu) {
		free(p);
		rte_pktmbuf_free(m);
		return -EMSGSIZE;
	}
	/* net/ would write its own headers in front: so is the head-room's owner seen. */
	memset(rte_pktmbuf_prepend(m, 14 + 40), 0xee, 14 + 40);
	for (struct rte_mbuf *s = super ? m->next : NULL; s != NULL; s = s->next)
		if (RTE_MBUF_DIRECT(s))
			memset(s->buf_addr, 0xee, s->data_off);
	hold(v, m);
	if (p->to >= VNET_HOSTS) {
		free(p);
		return -ENETUNREACH;
	}
	wire_send_all(v, p, m, hdr);
	return 0;
}

/* --- turns -------------------------------------------------------------------------- */

static struct rte_mbuf *to_mbuf(struct vnet *v, const struct vpkt *p)
{
	struct rte_mempool *pool = v->host[p->to].pools.data;
	struct rte_mbuf *m = NULL;
	uint32_t off = 0;

	/* Of a jumbo frame a port fills several buffers. */
	do {
		uint32_t n = RTE_MIN(p->len - off, (uint32_t)PKT_DATA_ROOM);
		struct rte_mbuf *part = rte_pktmbuf_alloc(pool);

		if (part == NULL) {
			rte_pktmbuf_free(m);
			return NULL;
		}
		memcpy(rte_pktmbuf_append(part, (uint16_t)n), p->b + off, n);
		off += n;
		if (m == NULL)
			m = part;
		else
			rte_pktmbuf_chain(m, part);
	} while (off < p->len);
	pkt_meta(m)->ecn = p->ecn;
	pkt_meta(m)->src = p->src;
	pkt_meta(m)->dst = p->dst;
	return m;
}

static void told_too_big(struct tcp *tcp, const struct vpkt *p, uint64_t now_us)
{
	const struct rte_tcp_hdr *h = (const void *)p->b;
	struct net_icmp e = {.local = p->src,
			     .peer = p->dst,
			     .local_port = rte_be_to_cpu_16(h->src_port),
			     .peer_port = rte_be_to_cpu_16(h->dst_port),
			     .seq = rte_be_to_cpu_32(h->sent_seq),
			     .len = ip_len(p),
			     .mtu = p->too_big,
			     .err = EMSGSIZE};

	tcp_icmp(tcp, &e, now_us);
}

/* What has arrived goes to its host's port, which keeps so much and no more. */
static void arrive(struct vnet *v)
{
	struct vpkt *p;

	while ((p = wire_get(v)) != NULL) {
		struct vnet_rx *rx = &v->host[p->to].rx;

		if (v->host[p->to].tcp == NULL || rx->n >= VNET_RX_MAX) {
			v->lost += v->host[p->to].tcp != NULL;
			free(p);
			continue;
		}
		p->next = NULL;
		*rx->tail = p;
		rx->tail = &p->next;
		rx->n++;
	}
}

static struct vpkt *rx_get(struct vnet_rx *rx)
{
	struct vpkt *p = rx->head;

	if (p == NULL)
		return NULL;
	rx->head = p->next;
	if (rx->head == NULL)
		rx->tail = &rx->head;
	rx->n--;
	return p;
}

static bool deliver(struct vnet *v, unsigned int i)
{
	struct vnet_host *h = &v->host[i];
	struct rte_mbuf *m[64];
	unsigned int n = 0;
	bool any = false;
	struct vpkt *p;

	while (n < 64 && (p = rx_get(&h->rx)) != NULL) {
		any = true;
		if (p->too_big != 0) {
			told_too_big(h->tcp, p, vnet_clock(v, i));
			free(p);
			continue;
		}
		m[n] = to_mbuf(v, p);
		if (m[n] != NULL) {
			check_arrived(v, p);
			n++;
		} else {
			v->lost++;
		}
		free(p);
	}
	if (n > 0)
		tcp_input_burst(h->tcp, m, n, vnet_clock(v, i));
	return any;
}

static bool host_turn(struct vnet *v, unsigned int i)
{
	struct vnet_host *h = &v->host[i];
	uint64_t now_us = vnet_clock(v, i);
	bool busy;

	arrive(v);
	if (h->tcp == NULL || h->stopped)
		return false;
	busy = deliver(v, i);
	busy |= tcp_timers(h->tcp, now_us) > 0;
	if (h->app != NULL)
		busy |= h->app(h->app_arg);
	busy |= tcp_output_poll(h->tcp, now_us) > 0;
	return busy;
}

/* When the host has something to do by itself. A clock that stands brings nothing. */
static uint64_t host_next_us(const struct vnet *v, unsigned int i)
{
	const struct vnet_host *h = &v->host[i];
	uint64_t next;

	if (h->tcp == NULL || h->stopped)
		return UINT64_MAX;
	next = tcp_next_timer_us(h->tcp);
	if (h->frozen_us != 0)
		next = next <= h->frozen_us ? v->now_us : UINT64_MAX;
	if (h->rx.n > 0)
		next = v->now_us;
	return h->wake_us != 0 ? RTE_MIN(next, h->wake_us) : next;
}

/* The first thing that is not so is what the world fails for. */
static void audit(struct vnet *v)
{
	v->audit_at = v->turns + AUDIT_TURNS;
	for (unsigned int i = 0; i < VNET_HOSTS && v->broken == NULL; i++) {
		const struct vnet_host *h = &v->host[i];

		if (h->tcp == NULL)
			continue;
		v->broken = tcp_check(h->tcp);
		v->audit_at += tcp_conns(h->tcp) + tcp_check_mbufs(h->tcp);
	}
}

bool vnet_turn(struct vnet *v, uint64_t *ret_next_us)
{
	bool busy = false;

	v->turns++;
	release(v, false);
	for (unsigned int i = 0; i < VNET_HOSTS; i++)
		busy |= host_turn(v, i);
	if (v->turns >= v->audit_at)
		audit(v);
	*ret_next_us = wire_next_us(v);
	for (unsigned int i = 0; i < VNET_HOSTS; i++)
		*ret_next_us = RTE_MIN(*ret_next_us, host_next_us(v, i));
	return busy;
}

bool vnet_run(struct vnet *v, uint64_t max_us, bool (*done)(void *arg), void *arg)
{
	uint64_t end = v->now_us + max_us, next;

	while (v->now_us < end) {
		bool busy = vnet_turn(v, &next);

		if (done != NULL && done(arg))
			return true;
		if (busy || next <= v->now_us)
			v->now_us += TURN_US;
		else if (next == UINT64_MAX && done != NULL)
			return false; /* nothing will ever happen again */
		else
			v->now_us = next;
	}
	v->now_us = end;
	return done == NULL;
}

void vnet_inject(struct vnet *v, unsigned int to, const struct net_addr *src,
		 const struct net_addr *dst, const void *tcp, uint32_t len, uint64_t after_us)
{
	struct vpkt *p = malloc(sizeof(*p) + len);
	struct rte_tcp_hdr *h = (void *)p->b;

	*p = (struct vpkt){.at_us = v->now_us + after_us,
			   .from = host_of(src) % VNET_HOSTS,
			   .to = to,
			   .src = *src,
			   .dst = *dst,
			   .ecn = v->inject_ecn,
			   .len = len};
	memcpy(p->b, tcp, len);
	h->cksum = 0;
	h->cksum = wire_cksum(p);
	wire_put(v, p);
}

/* --- beginning and end ---------------------------------------------------------------- */

void vnet_init(struct vnet *v, uint64_t seed, unsigned int data_mbufs, unsigned int head_mbufs)
{
	*v = (struct vnet){.rng = seed,
			   .now_us = 1000000 + seed % 1000,
			   .hold_max_us = 3000,
			   .trace = getenv("SLUICE_TRACE") != NULL,
			   .data_mbufs = data_mbufs,
			   .head_mbufs = head_mbufs};
	for (unsigned int i = 0; i < VNET_HOSTS; i++) {
		v->host[i].net = (struct net){.v = v,
					      .index = i,
					      .addr4 = vnet_addr_of(i, 4, 0),
					      .addr6 = vnet_addr_of(i, 6, 0),
					      .link_local = vnet_addr_of(i, 6, 1),
					      .mtu = 1500};
		v->host[i].rx.tail = &v->host[i].rx.head;
		for (unsigned int k = 0; k < VNET_HOSTS; k++)
			v->link[i][k].delay_us = 100;
	}
}

void vnet_stack(struct vnet *v, unsigned int i, struct tcp_conf conf)
{
	static unsigned int instance;
	char name[16];

	snprintf(name, sizeof(name), "v%u", instance++);
	if (pkt_pools_new(name, v->data_mbufs, v->head_mbufs, SOCKET_ID_ANY, &v->host[i].pools) <
	    0) {
		fprintf(stderr, "no pools\n");
		exit(2);
	}
	conf.net = &v->host[i].net;
	conf.pools = &v->host[i].pools;
	conf.secret[0] = vnet_rand(v);
	conf.secret[1] = vnet_rand(v);
	if (conf.conns_max == 0)
		conf.conns_max = 16;
	if (conf.time_wait_max == 0)
		conf.time_wait_max = 16;
	if (conf.rx_budget == 0)
		conf.rx_budget = 256 * 1024;
	if (conf.tx_budget == 0)
		conf.tx_budget = 256 * 1024;
	if (tcp_new(&conf, &v->host[i].tcp) < 0) {
		fprintf(stderr, "no stack\n");
		exit(2);
	}
}

void vnet_app(struct vnet *v, unsigned int i, struct apps *set, struct app *a, uint64_t tx_key,
	      uint64_t rx_key, uint64_t tx_total)
{
	struct vnet_host *h = &v->host[i];

	app_init(a, h->tcp, h->pools.data, tx_key, rx_key, tx_total);
	apps_add(set, a);
	h->app = apps_step;
	h->app_arg = set;
}

int vnet_connect(struct app *a, unsigned int to, uint16_t port)
{
	struct net_addr addr = vnet_addr(to);

	return app_connect(a, &addr, port);
}

void vnet_link_set(struct vnet *v, unsigned int a, unsigned int b, struct vnet_link l)
{
	v->link[a][b] = l;
	v->link[b][a] = l;
}

bool vnet_fini(struct vnet *v)
{
	bool ok;

	audit(v);
	ok = v->changed == 0 && v->bad == 0 && v->overrun == 0 && v->shrunk == 0 &&
	     v->broken == NULL;
	if (v->broken != NULL)
		fprintf(stderr, "after %lu turns: %s\n", v->turns, v->broken);
	if (!ok)
		fprintf(stderr,
			"kept mbufs changed: %lu, packets against the contract: %lu, "
			"beyond the window: %lu, windows taken back: %lu\n",
			v->changed, v->bad, v->overrun, v->shrunk);
	release(v, true);
	wire_free(v);
	free(v->check);
	v->check = NULL;
	for (unsigned int i = 0; i < VNET_HOSTS; i++) {
		struct vnet_host *h = &v->host[i];
		unsigned int data, head;
		struct vpkt *p;

		while ((p = rx_get(&h->rx)) != NULL)
			free(p);
		if (h->tcp == NULL)
			continue;
		tcp_free(h->tcp);
		data = eal_out(h->pools.data);
		head = eal_out(h->pools.head);
		if (data != 0 || head != 0) {
			fprintf(stderr, "host %u lost %u data and %u head mbufs\n", i, data, head);
			ok = false;
		}
		pkt_pools_free(&h->pools);
	}
	return ok;
}
