/* tests/sim/vnet.c - the virtual network; see vnet.h. */
#include "tests/sim/vnet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ip.h>
#include <rte_tcp.h>

#include "tests/util/eal.h"

#define TURN_US 1 /* what a turn with work takes */

/* --- chance --------------------------------------------------------------------- */

uint64_t vnet_rand(struct vnet *v)
{
	uint64_t z = (v->rng += 0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

bool vnet_chance(struct vnet *v, uint32_t millionths)
{
	return millionths > 0 && vnet_rand(v) % VNET_MILLION < millionths;
}

static uint64_t rand_below(struct vnet *v, uint64_t n)
{
	return n > 0 ? vnet_rand(v) % n : 0;
}

/* --- the wire -------------------------------------------------------------------- */

static bool before(const struct vpkt *a, const struct vpkt *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void wire_put_back(struct vnet *v, struct vpkt *p)
{
	uint32_t i = ++v->heap_n;

	if (i >= v->heap_size) {
		v->heap_size = v->heap_size * 2 + 64;
		v->heap = realloc(v->heap, v->heap_size * sizeof(*v->heap));
	}
	for (; i > 1 && before(p, v->heap[i / 2]); i /= 2)
		v->heap[i] = v->heap[i / 2];
	v->heap[i] = p;
}

static void wire_put(struct vnet *v, struct vpkt *p)
{
	p->order = v->order++;
	wire_put_back(v, p);
}

static struct vpkt *wire_get(struct vnet *v)
{
	struct vpkt *top = v->heap[1], *last = v->heap[v->heap_n--];
	uint32_t i = 1, kid;

	for (; (kid = i * 2) <= v->heap_n; i = kid) {
		if (kid < v->heap_n && before(v->heap[kid + 1], v->heap[kid]))
			kid++;
		if (!before(v->heap[kid], last))
			break;
		v->heap[i] = v->heap[kid];
	}
	v->heap[i] = last;
	return top;
}

static struct vpkt *vpkt_copy(const struct vpkt *p)
{
	struct vpkt *q = malloc(sizeof(*p) + p->len);

	memcpy(q, p, sizeof(*p) + p->len);
	return q;
}

static uint16_t wire_cksum(const struct vpkt *p)
{
	struct rte_ipv4_hdr ip = {.version_ihl = 0x45,
				  .next_proto_id = 6,
				  .total_length = rte_cpu_to_be_16((uint16_t)(20 + p->len))};
	struct rte_ipv6_hdr ip6 = {.payload_len = rte_cpu_to_be_16((uint16_t)p->len), .proto = 6};

	if (p->dst.family == 6) {
		memcpy(ip6.src_addr, p->src.b, 16);
		memcpy(ip6.dst_addr, p->dst.b, 16);
		return rte_ipv6_udptcp_cksum(&ip6, p->b);
	}
	memcpy(&ip.src_addr, p->src.b, 4);
	memcpy(&ip.dst_addr, p->dst.b, 4);
	return rte_ipv4_udptcp_cksum(&ip, p->b);
}

static bool wire_cksum_ok(const struct vpkt *p)
{
	const struct rte_tcp_hdr *h = (const void *)p->b;
	uint16_t was = h->cksum, is;
	struct vpkt *q = vpkt_copy(p);

	((struct rte_tcp_hdr *)(void *)q->b)->cksum = 0;
	is = wire_cksum(q);
	free(q);
	return was == is;
}

static struct vseg vseg_of(struct net *n, const struct vpkt *p)
{
	const struct rte_tcp_hdr *h = (const void *)p->b;
	struct vseg s = {.src_port = rte_be_to_cpu_16(h->src_port),
			 .dst_port = rte_be_to_cpu_16(h->dst_port),
			 .seq = rte_be_to_cpu_32(h->sent_seq),
			 .ack = rte_be_to_cpu_32(h->recv_ack),
			 .len = p->len - (uint32_t)(h->data_off >> 4) * 4,
			 .flags = h->tcp_flags,
			 .wnd = rte_be_to_cpu_16(h->rx_win),
			 .n = n->sent++,
			 .n_data = UINT32_MAX,
			 .ecn = p->ecn};

	if (s.len > 0)
		s.n_data = n->sent_data++;
	tcp_opts_parse(p->b + sizeof(*h), (size_t)(h->data_off >> 4) * 4 - sizeof(*h), &s.opts);
	return s;
}

static uint32_t ip_hdr_len(const struct net_addr *a)
{
	return a->family == 4 ? 20 : 40;
}

static uint32_t ip_len(const struct vpkt *p)
{
	return p->len + ip_hdr_len(&p->dst);
}

/* A router that has to drop p: it goes back as the quote in an ICMP error. p is taken. */
static void too_big(struct vnet *v, struct vpkt *p, const struct vnet_link *l)
{
	unsigned int from = p->from;

	v->lost++;
	if (l->black_hole) {
		free(p);
		return;
	}
	p->too_big = l->mtu;
	p->from = p->to;
	p->to = from;
	p->at_us = v->now_us + l->delay_us;
	wire_put(v, p);
}

/* Options of this kind become NOPs, as a middlebox does it. */
static void strip_option(struct vpkt *p, uint8_t kind)
{
	struct rte_tcp_hdr *h = (void *)p->b;
	uint8_t *b = p->b + sizeof(*h), *end = p->b + (h->data_off >> 4) * 4;

	while (b < end && *b != 0) {
		uint8_t len = *b == 1 || end - b < 2 ? 1 : b[1];

		if (len == 0 || len > end - b)
			break;
		if (*b == kind)
			memset(b, 1, len);
		b += len;
	}
	h->cksum = 0;
	h->cksum = wire_cksum(p);
}

/* The fate of a packet on its link. p is taken. */
static void wire_send(struct vnet *v, struct vpkt *p)
{
	struct vnet_link *l = &v->link[p->from][p->to];
	struct vseg s = vseg_of(&v->host[p->from].net, p);
	enum vnet_fate fate = VNET_PASS;
	uint64_t start = v->now_us;

	v->sent++;
	if (v->filter != NULL)
		fate = v->filter(v->filter_arg, p->from, &s);
	if (fate == VNET_DROP || vnet_chance(v, l->loss)) {
		v->lost++;
		free(p);
		return;
	}
	if (l->mtu != 0 && ip_len(p) > l->mtu) {
		too_big(v, p, l);
		return;
	}
	if (l->no_sack && (s.flags & RTE_TCP_SYN_FLAG))
		strip_option(p, 4);
	if (l->no_ts && (s.flags & RTE_TCP_SYN_FLAG))
		strip_option(p, 8);
	if (p->ecn != VNET_NOT_ECT && vnet_chance(v, l->mark))
		p->ecn = VNET_CE;
	if (l->bits_per_s > 0) {
		start = l->free_at_us > start ? l->free_at_us : start;
		if (l->queue_us > 0 && start - v->now_us > l->queue_us) {
			v->lost++;
			free(p);
			return;
		}
		if (l->mark_us > 0 && start - v->now_us > l->mark_us && p->ecn != VNET_NOT_ECT)
			p->ecn = VNET_CE;
		start += (uint64_t)(p->len + ip_hdr_len(&p->dst)) * 8 * 1000000 / l->bits_per_s;
		l->free_at_us = start;
	}
	if (fate == VNET_TWICE || vnet_chance(v, l->dup)) {
		struct vpkt *q = vpkt_copy(p);

		q->at_us = start + l->delay_us + rand_below(v, l->jitter_us + 1);
		wire_put(v, q);
	}
	if (vnet_chance(v, l->corrupt))
		p->b[rand_below(v, p->len)] ^= (uint8_t)(1 + rand_below(v, 255));
	p->at_us = start + l->delay_us + rand_below(v, l->jitter_us + 1);
	if (fate == VNET_LATE)
		p->at_us += v->late_us != 0 ? v->late_us : 9 * l->delay_us;
	wire_put(v, p);
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
	(void)n, (void)iface;
	return NET_TX_MAX;
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

int net_output(struct net *n, struct rte_mbuf *m, const struct net_addr *src,
	       const struct net_addr *dst, uint8_t proto, uint8_t ttl, uint8_t tos,
	       const struct net_path *path, uint64_t now_us)
{
	struct vnet *v = n->v;
	struct vpkt *p = malloc(sizeof(*p) + m->pkt_len);
	bool stale = path != NULL && path->version != n->version;
	uint32_t off = 0, segs = 0;

	*p = (struct vpkt){.from = n->index,
			   .to = host_of(dst),
			   .src = *src,
			   .dst = *dst,
			   .ecn = tos & 3,
			   .len = m->pkt_len};
	for (const struct rte_mbuf *s = m; s != NULL; s = s->next, segs++) {
		if (off + s->data_len > p->len)
			break;
		memcpy(p->b + off, rte_pktmbuf_mtod(s, void *), s->data_len);
		off += s->data_len;
	}
	if (off != p->len || segs != m->nb_segs || !pkt_writable(m) ||
	    rte_pktmbuf_headroom(m) < 64 || (!stale && ip_len(p) > n->mtu) || proto != 6 ||
	    ttl == 0 || now_us > v->now_us || !wire_cksum_ok(p)) {
		v->bad++;
		free(p);
		rte_pktmbuf_free(m);
		return -EINVAL;
	}
	if (ip_len(p) > n->mtu) {
		free(p);
		rte_pktmbuf_free(m);
		return -EMSGSIZE;
	}
	/* net/ would write its own headers in front: so is the head-room's owner seen. */
	memset(rte_pktmbuf_prepend(m, 14 + 40), 0xee, 14 + 40);
	hold(v, m);
	if (p->to >= VNET_HOSTS) {
		free(p);
		return -ENETUNREACH;
	}
	wire_send(v, p);
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

static bool deliver(struct vnet *v, unsigned int i)
{
	struct vpkt *keep[64];
	struct rte_mbuf *m[64];
	unsigned int n = 0, k = 0;
	bool any = false;

	while (v->heap_n > 0 && v->heap[1]->at_us <= v->now_us && n < 64 && k < 64) {
		struct vpkt *p = wire_get(v);

		if (p->to != i) {
			keep[k++] = p;
			continue;
		}
		any = true;
		if (p->too_big != 0) {
			if (v->host[i].tcp != NULL)
				told_too_big(v->host[i].tcp, p, v->now_us);
			free(p);
			continue;
		}
		m[n] = v->host[i].tcp != NULL ? to_mbuf(v, p) : NULL;
		if (m[n] != NULL)
			n++;
		else
			v->lost++;
		free(p);
	}
	while (k > 0) /* order among them is kept by their own numbers */
		wire_put_back(v, keep[--k]);
	if (n > 0)
		tcp_input_burst(v->host[i].tcp, m, n, v->now_us);
	return any;
}

bool vnet_turn(struct vnet *v, uint64_t *ret_next_us)
{
	uint64_t next = UINT64_MAX;
	bool busy = false;

	v->turns++;
	release(v, false);
	for (unsigned int i = 0; i < VNET_HOSTS; i++) {
		struct vnet_host *h = &v->host[i];

		busy |= deliver(v, i);
		if (h->tcp == NULL)
			continue;
		busy |= tcp_timers(h->tcp, v->now_us) > 0;
		if (h->app != NULL)
			busy |= h->app(h->app_arg);
		busy |= tcp_output_poll(h->tcp, v->now_us) > 0;
	}
	if (v->heap_n > 0)
		next = v->heap[1]->at_us;
	for (unsigned int i = 0; i < VNET_HOSTS; i++)
		if (v->host[i].tcp != NULL)
			next = RTE_MIN(next, tcp_next_timer_us(v->host[i].tcp));
	*ret_next_us = next;
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
			   .data_mbufs = data_mbufs,
			   .head_mbufs = head_mbufs};
	for (unsigned int i = 0; i < VNET_HOSTS; i++) {
		v->host[i].net = (struct net){.v = v,
					      .index = i,
					      .addr4 = vnet_addr_of(i, 4, 0),
					      .addr6 = vnet_addr_of(i, 6, 0),
					      .link_local = vnet_addr_of(i, 6, 1),
					      .mtu = 1500};
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
	bool ok = v->changed == 0 && v->bad == 0;

	if (!ok)
		fprintf(stderr, "kept mbufs changed: %lu, packets against the contract: %lu\n",
			v->changed, v->bad);
	release(v, true);
	while (v->heap_n > 0)
		free(wire_get(v));
	free(v->heap);
	v->heap = NULL;
	for (unsigned int i = 0; i < VNET_HOSTS; i++) {
		struct vnet_host *h = &v->host[i];
		unsigned int data, head;

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
