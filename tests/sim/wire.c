/* tests/sim/wire.c - the links of the virtual network: what happens to a packet on its way. */
#include "tests/sim/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ip.h>
#include <rte_tcp.h>

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

uint64_t rand_below(struct vnet *v, uint64_t n)
{
	return n > 0 ? vnet_rand(v) % n : 0;
}

/* --- the wire -------------------------------------------------------------------- */

static bool before(const struct vpkt *a, const struct vpkt *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void heap_put(struct vnet *v, struct vpkt *p)
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

void wire_put(struct vnet *v, struct vpkt *p)
{
	p->order = v->order++;
	heap_put(v, p);
}

static struct vpkt *heap_get(struct vnet *v)
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

/* What is late and comes by its time waits for nobody any more. */
static void late_forget(struct vnet *v, const struct vpkt *p)
{
	struct vnet_way *w = &v->way[p->from][p->to];

	for (unsigned int i = 0; i < VNET_LATE_MAX; i++)
		if (w->late[i] == p)
			w->late[i] = NULL;
}

uint64_t wire_next_us(struct vnet *v)
{
	while (v->heap_n > 0 && v->heap[1]->gone)
		free(heap_get(v));
	return v->heap_n > 0 ? v->heap[1]->at_us : UINT64_MAX;
}

struct vpkt *wire_get(struct vnet *v)
{
	struct vpkt *p;

	if (wire_next_us(v) > v->now_us)
		return NULL;
	p = heap_get(v);
	if (p->late)
		late_forget(v, p);
	return p;
}

void wire_free(struct vnet *v)
{
	while (v->heap_n > 0)
		free(heap_get(v));
	free(v->heap);
	v->heap = NULL;
}

static struct vpkt *vpkt_copy(const struct vpkt *p)
{
	struct vpkt *q = malloc(sizeof(*p) + p->len);

	memcpy(q, p, sizeof(*p) + p->len);
	return q;
}

uint16_t wire_cksum(const struct vpkt *p)
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

bool wire_cksum_ok(const struct vpkt *p)
{
	const struct rte_tcp_hdr *h = (const void *)p->b;
	uint16_t was = h->cksum, is;
	struct vpkt *q = vpkt_copy(p);

	((struct rte_tcp_hdr *)(void *)q->b)->cksum = 0;
	is = wire_cksum(q);
	free(q);
	return was == is;
}

struct vseg vseg_parse(const struct vpkt *p)
{
	const struct rte_tcp_hdr *h = (const void *)p->b;
	struct vseg s = {.src_port = rte_be_to_cpu_16(h->src_port),
			 .dst_port = rte_be_to_cpu_16(h->dst_port),
			 .seq = rte_be_to_cpu_32(h->sent_seq),
			 .ack = rte_be_to_cpu_32(h->recv_ack),
			 .len = p->len - (uint32_t)(h->data_off >> 4) * 4,
			 .flags = h->tcp_flags,
			 .wnd = rte_be_to_cpu_16(h->rx_win),
			 .n_data = UINT32_MAX,
			 .ecn = p->ecn,
			 .qos = p->qos};

	tcp_opts_parse(p->b + sizeof(*h), (size_t)(h->data_off >> 4) * 4 - sizeof(*h), &s.opts);
	return s;
}

static struct vseg vseg_of(struct net *n, const struct vpkt *p)
{
	struct vseg s = vseg_parse(p);

	s.n = n->sent++;
	if (s.len > 0) {
		s.n_data = n->sent_data++;
		n->places -= n->places > 0;
	}
	return s;
}

uint32_t ip_hdr_len(const struct net_addr *a)
{
	return a->family == 4 ? 20 : 40;
}

uint32_t ip_len(const struct vpkt *p)
{
	return p->len + ip_hdr_len(&p->dst);
}

/* RFC 8200 section 5: a link that takes less than 1280 hides it. */
static uint16_t path_mtu(const struct vnet_link *l, const struct net_addr *dst)
{
	return dst->family == 6 ? RTE_MAX(l->mtu, (uint16_t)1280) : l->mtu;
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
	p->too_big = path_mtu(l, &p->dst);
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

/* --- faults by chance ----------------------------------------------------------------- */

/* Alone, or one of a burst (Gilbert and Elliott's two states, the bad one bounded). */
static bool is_lost(struct vnet *v, const struct vnet_link *l, struct vnet_way *w)
{
	if (w->burst_left > 0) {
		w->burst_left--;
		return true;
	}
	if (vnet_chance(v, l->burst)) {
		w->burst_left = (uint16_t)rand_below(v, l->burst_max);
		return true;
	}
	return l->down || vnet_chance(v, l->loss);
}

/* Bytes that change on the way; with forge, where only a MAC would see it. */
static void damage(struct vnet *v, const struct vnet_link *l, struct vpkt *p, uint32_t payload)
{
	struct rte_tcp_hdr *h = (void *)p->b;

	if (vnet_chance(v, l->corrupt)) {
		p->b[rand_below(v, p->len)] ^= (uint8_t)(1 + rand_below(v, 255));
		p->damaged = true;
	}
	if (payload > 0 && vnet_chance(v, l->forge)) {
		p->b[p->len - 1 - rand_below(v, payload)] ^= (uint8_t)(1 + rand_below(v, 255));
		h->cksum = 0;
		h->cksum = wire_cksum(p);
		v->forged++;
	}
}

/* p waits until reorder_max packets, or fewer, have overtaken it; not longer than reorder_us. */
static void make_late(struct vnet *v, const struct vnet_link *l, struct vnet_way *w, struct vpkt *p)
{
	for (unsigned int i = 0; i < VNET_LATE_MAX; i++) {
		if (w->late[i] != NULL)
			continue;
		w->late[i] = p;
		w->late_left[i] = (uint16_t)(1 + rand_below(v, l->reorder_max));
		p->late = true;
		p->at_us += l->reorder_us;
		return;
	}
}

/* Another one went past those that wait. */
static void overtake(struct vnet *v, struct vnet_way *w, uint64_t at_us)
{
	for (unsigned int i = 0; i < VNET_LATE_MAX; i++) {
		struct vpkt *p = w->late[i], *q;

		if (p == NULL || --w->late_left[i] > 0)
			continue;
		q = vpkt_copy(p);
		p->gone = true; /* it stays in the heap, which cannot take it out */
		w->late[i] = NULL;
		q->late = false;
		q->at_us = at_us;
		wire_put(v, q);
	}
}

/* The queue before the link: when p is through, or UINT64_MAX when it is full. */
static uint64_t queue(struct vnet *v, struct vnet_link *l, struct vpkt *p)
{
	uint64_t start = RTE_MAX(l->free_at_us, v->now_us);

	if (l->bits_per_s == 0)
		return v->now_us;
	if (l->queue_us > 0 && start - v->now_us > l->queue_us)
		return UINT64_MAX;
	if (l->mark_us > 0 && start - v->now_us > l->mark_us && p->ecn != VNET_NOT_ECT)
		p->ecn = VNET_CE;
	l->free_at_us = start + (uint64_t)ip_len(p) * 8 * 1000000 / l->bits_per_s;
	return l->free_at_us;
}

static void drop(struct vnet *v, struct vpkt *p)
{
	v->lost++;
	free(p);
}

static void trace(const struct vnet *v, const struct vpkt *p, const struct vseg *s)
{
	fprintf(stderr, "%10lu %u:%u>%u:%u %c%c%c%c %u+%u ack %u wnd %u", v->now_us, p->from,
		s->src_port, p->to, s->dst_port, s->flags & RTE_TCP_SYN_FLAG ? 'S' : '.',
		s->flags & RTE_TCP_FIN_FLAG ? 'F' : '.', s->flags & RTE_TCP_RST_FLAG ? 'R' : '.',
		s->flags & RTE_TCP_ACK_FLAG ? 'A' : '.', s->seq, s->len, s->ack, s->wnd);
	for (unsigned int i = 0; i < s->opts.sack_n; i++)
		fprintf(stderr, " %u-%u", s->opts.sack[i].start, s->opts.sack[i].end);
	fprintf(stderr, "%s\n", v->check != NULL && v->overrun ? " overrun" : "");
}

void wire_send(struct vnet *v, struct vpkt *p)
{
	struct vnet_link *l = &v->link[p->from][p->to];
	struct vnet_way *w = &v->way[p->from][p->to];
	struct vseg s = vseg_of(&v->host[p->from].net, p);
	enum vnet_fate fate = VNET_PASS;
	uint64_t through;

	v->sent++;
	check_sent(v, p, &s);
	if (v->trace)
		trace(v, p, &s);
	if (v->filter != NULL)
		fate = v->filter(v->filter_arg, p->from, &s);
	if (fate == VNET_DROP || is_lost(v, l, w)) {
		drop(v, p);
		return;
	}
	if (l->mtu != 0 && ip_len(p) > path_mtu(l, &p->dst)) {
		too_big(v, p, l);
		return;
	}
	if (l->no_sack && (s.flags & RTE_TCP_SYN_FLAG))
		strip_option(p, 4);
	if (l->no_ts && (s.flags & RTE_TCP_SYN_FLAG))
		strip_option(p, 8);
	if (p->ecn != VNET_NOT_ECT && vnet_chance(v, l->mark))
		p->ecn = VNET_CE;
	through = queue(v, l, p);
	if (through == UINT64_MAX) {
		drop(v, p);
		return;
	}
	if (fate == VNET_TWICE || vnet_chance(v, l->dup)) {
		struct vpkt *q = vpkt_copy(p);

		q->at_us = through + l->delay_us + rand_below(v, l->jitter_us + 1);
		wire_put(v, q);
	}
	damage(v, l, p, s.len);
	p->at_us = through + l->delay_us + rand_below(v, l->jitter_us + 1);
	if (fate == VNET_LATE)
		p->at_us += v->late_us != 0 ? v->late_us : 9 * l->delay_us;
	overtake(v, w, p->at_us);
	if (vnet_chance(v, l->reorder))
		make_late(v, l, w, p);
	wire_put(v, p);
}
