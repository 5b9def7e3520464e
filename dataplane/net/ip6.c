/*
 * dataplane/net/ip6.c - the checks of an IPv6 packet on its way in, and its header on the
 * way out.
 *
 * Source  RFC 8200, RFC 5095 (routing header of type 0), RFC 4291 (addresses), RFC 4007 (zones).
 *
 * Extension headers are walked within limits that RFC 8504 section 5.3 allows a host; nobody
 * who wants TCP of us needs more (T-31).
 */
#include <netinet/icmp6.h>
#include <netinet/ip6.h>

#include "dataplane/net/internal.h"

#define L2_LEN sizeof(struct rte_ether_hdr)
#define HDR    sizeof(struct rte_ipv6_hdr)

#define FRAGMENT_LEN sizeof(struct ip6_frag)

#define EXT_MAX       8   /* extension headers of a packet */
#define EXT_BYTES_MAX 256 /* all of them together */
#define OPTIONS_MAX   8   /* of one header, padding not counted */

#define OPT_PAD1         0
#define OPT_ROUTER_ALERT 5

/* Where the walk stands: offsets are from the IPv6 header. */
struct walk {
	const uint8_t *ip;
	uint32_t len; /* of what lies in the first mbuf */
	uint32_t packet_len;
	uint32_t off;     /* of the header next says */
	uint32_t next_at; /* of the byte that says next */
	uint8_t next, n;  /* n: headers so far */
	bool multicast, router_alert;
	bool whole; /* behind a fragment header: there is no second one */
	/* The Parameter Problem to answer with; code -1: none. */
	int problem;
	uint32_t pointer;
};

static enum net_drop refuse(struct walk *w, int code, uint32_t pointer)
{
	w->problem = code;
	w->pointer = pointer;
	return NET_DROP_IP6_EXT;
}

/* RFC 8200 4.2: what the two high bits of an option we do not know ask for. */
static enum net_drop unknown_option(struct walk *w, uint32_t at)
{
	switch (w->ip[at] >> 6) {
	case 0:
		return NET_DROP_COUNT;
	case 1:
		return NET_DROP_IP6_EXT;
	case 2:
		return refuse(w, ICMP6_PARAMPROB_OPTION, at);
	default:
		return w->multicast ? NET_DROP_IP6_EXT : refuse(w, ICMP6_PARAMPROB_OPTION, at);
	}
}

/* The options of a header that ends at end. */
static enum net_drop options(struct walk *w, uint32_t at, uint32_t end)
{
	unsigned int n = 0;

	while (at < end) {
		enum net_drop why = NET_DROP_COUNT;
		uint8_t type = w->ip[at];

		if (type == OPT_PAD1) {
			at++;
			continue;
		}
		if (end - at < 2 || w->ip[at + 1] > end - at - 2)
			return refuse(w, ICMP6_PARAMPROB_HEADER, at);
		if (type == OPT_ROUTER_ALERT)
			w->router_alert = true;
		else if (type != IP6OPT_PADN)
			why = unknown_option(w, at);
		if (why != NET_DROP_COUNT)
			return why;
		if (type != IP6OPT_PADN && ++n > OPTIONS_MAX)
			return NET_DROP_IP6_EXT;
		at += 2u + w->ip[at + 1];
	}
	return NET_DROP_COUNT;
}

/* RFC 8200 4.4: no type is known here, and type 0 is to be treated so (RFC 5095). */
static enum net_drop routing(struct walk *w)
{
	if (w->ip[w->off + 3] == 0) /* segments left */
		return NET_DROP_COUNT;
	return refuse(w, ICMP6_PARAMPROB_HEADER, w->off + 2);
}

static enum net_drop extension(struct walk *w)
{
	enum net_drop why;
	uint32_t len;

	if (w->len - w->off < 8)
		return NET_DROP_SHORT;
	len = (w->ip[w->off + 1] + 1u) * 8;
	if (len > w->len - w->off)
		return NET_DROP_SHORT;
	if (w->off + len > HDR + EXT_BYTES_MAX)
		return NET_DROP_IP6_EXT;
	why = w->next == IPPROTO_ROUTING ? routing(w) : options(w, w->off + 2, w->off + len);
	w->next_at = w->off;
	w->next = w->ip[w->off];
	w->off += len;
	return why;
}

/*
 * RFC 8200 4.5: what cannot be a fragment is answered; frag.c looks at the rest. Its header is
 * where the walk stops for now.
 */
static enum net_drop fragment(struct walk *w)
{
	uint16_t field;
	uint32_t len;

	if (w->whole)
		return NET_DROP_IP6_EXT;
	if (w->len - w->off < FRAGMENT_LEN)
		return NET_DROP_SHORT;
	field = (uint16_t)(w->ip[w->off + 2] << 8 | w->ip[w->off + 3]);
	len = w->packet_len - w->off - FRAGMENT_LEN;
	if ((field & 1) && len % 8 != 0) {
		refuse(w, ICMP6_PARAMPROB_HEADER, offsetof(struct rte_ipv6_hdr, payload_len));
		return NET_DROP_FRAG_LENGTH;
	}
	if (w->off - HDR + (field & 0xfff8u) + len > UINT16_MAX) {
		refuse(w, ICMP6_PARAMPROB_HEADER, w->off + 2);
		return NET_DROP_FRAG_LENGTH;
	}
	return NET_DROP_COUNT;
}

/* From where it stands to what we serve: TCP, ICMPv6 or a fragment header at off. */
static enum net_drop walk_headers(struct walk *w)
{
	for (; w->next != IPPROTO_TCP && w->next != IPPROTO_ICMPV6; w->n++) {
		enum net_drop why;

		switch (w->next) {
		case IPPROTO_HOPOPTS:
			if (w->n > 0) /* RFC 8200 4.1: in the first place only */
				return refuse(w, ICMP6_PARAMPROB_NEXTHEADER, w->next_at);
			break;
		case IPPROTO_DSTOPTS:
		case IPPROTO_ROUTING:
			break;
		case IPPROTO_FRAGMENT:
			return fragment(w);
		case IPPROTO_NONE:
			return NET_DROP_IP_PROTO;
		default:
			refuse(w, ICMP6_PARAMPROB_NEXTHEADER, w->next_at);
			return NET_DROP_IP_PROTO;
		}
		if (w->n == EXT_MAX)
			return NET_DROP_IP6_EXT;
		why = extension(w);
		if (why != NET_DROP_COUNT)
			return why;
	}
	return NET_DROP_COUNT;
}

struct net_addr ip6_addr(const uint8_t *b, unsigned int iface)
{
	struct net_addr a = {.family = 6};

	memcpy(a.b, b, sizeof(a.b));
	if (net_v6_is_link_local(&a))
		a.scope = (uint8_t)(iface + 1);
	return a;
}

/* All nodes, or the solicited-node group of an address of ours (RFC 4291 2.8). */
static bool is_group_of(const struct net_iface *ifc, const struct net_addr *a)
{
	if (net_addr_eq(a, &net_all_nodes))
		return true;
	for (unsigned int i = 0; i < ifc->n_addrs; i++) {
		struct net_addr g = net_solicited_node(&ifc->addr[i].addr);

		if (ifc->addr[i].addr.family == 6 && net_addr_eq(a, &g))
			return true;
	}
	return false;
}

/* An address that is not ours yet takes part in neighbour discovery alone (RFC 4862 5.4). */
static bool is_for_us(struct net_iface *ifc, const struct net_addr *dst, uint8_t proto)
{
	const struct net_ifaddr *a;

	if (dst->b[0] == 0xff)
		return proto == IPPROTO_ICMPV6 && is_group_of(ifc, dst);
	a = net_iface_addr(ifc, dst);
	return a != NULL && (a->state == NET_ADDR_READY || proto == IPPROTO_ICMPV6);
}

/*
 * Nobody's address may not send, but for the unspecified one and our own in neighbour
 * discovery: there they mean that two hosts want the same (nd.c).
 */
static bool source_ok(const struct net *n, const struct net_addr *src, uint8_t proto)
{
	static const struct net_addr unspecified = {.family = 6};

	if (proto == IPPROTO_ICMPV6 && net_addr_eq(src, &unspecified))
		return true;
	if (net_addr_is_special(src))
		return false;
	return proto == IPPROTO_ICMPV6 || !net_addr_is_local(n, src);
}

/* Now that it is known what is in it. */
static enum net_drop check_ends(struct net *n, const struct ip6_packet *p)
{
	if (!is_for_us(&n->iface[p->iface], &p->dst, p->proto))
		return NET_DROP_NOT_MINE;
	return source_ok(n, &p->src, p->proto) ? NET_DROP_COUNT : NET_DROP_IP_SOURCE;
}

static enum net_drop check(struct net *n, unsigned int iface, const struct rte_mbuf *m,
			   struct ip6_packet *ret, struct walk *w)
{
	const struct rte_ipv6_hdr *h =
		rte_pktmbuf_mtod_offset(m, const struct rte_ipv6_hdr *, L2_LEN);
	enum net_drop why;

	if (m->data_len < L2_LEN + HDR)
		return NET_DROP_SHORT;
	ret->len = (uint32_t)HDR + rte_be_to_cpu_16(h->payload_len);
	/* A length of 0 would be a jumbogram's (RFC 2675): no link here carries one. */
	if (*(const uint8_t *)h >> 4 != 6 || ret->len == HDR || ret->len > m->pkt_len - L2_LEN)
		return NET_DROP_IP_HEADER;
	ret->src = ip6_addr(h->src_addr, iface);
	ret->dst = ip6_addr(h->dst_addr, iface);
	ret->hop_limit = h->hop_limits;
	ret->ecn = (uint8_t)(rte_be_to_cpu_32(h->vtc_flow) >> 20 & RTE_IPV4_HDR_ECN_MASK);

	*w = (struct walk){.ip = (const uint8_t *)h,
			   .len = RTE_MIN(ret->len, m->data_len - (uint32_t)L2_LEN),
			   .packet_len = ret->len,
			   .off = HDR,
			   .next_at = offsetof(struct rte_ipv6_hdr, proto),
			   .next = h->proto,
			   .multicast = ret->dst.b[0] == 0xff,
			   .problem = -1};
	/* Strangers' packets are not worth the walk. */
	ret->proto = IPPROTO_ICMPV6; /* for which the most is allowed */
	why = check_ends(n, ret);
	if (why != NET_DROP_COUNT)
		return why;
	why = walk_headers(w);
	if (why != NET_DROP_COUNT)
		return why;
	ret->proto = w->next;
	ret->router_alert = w->router_alert;
	return w->next == IPPROTO_FRAGMENT ? NET_DROP_COUNT : check_ends(n, ret);
}

/*
 * m starts at its fragment header. Taken: NULL, or the datagram from its TCP or ICMPv6 header on.
 */
static struct rte_mbuf *reassemble(struct net *n, struct rte_mbuf *m, struct ip6_packet *p,
				   const struct walk *at)
{
	const uint32_t before = at->off - HDR; /* headers of each fragment */
	struct walk w = {.n = (uint8_t)(at->n + 1), .multicast = at->multicast, .whole = true};
	enum net_drop why;
	struct ip6_frag h;
	uint16_t field;
	struct frag f;

	memcpy(&h, rte_pktmbuf_mtod(m, const void *), sizeof(h));
	field = rte_be_to_cpu_16(h.ip6f_offlg);
	f = (struct frag){.src = p->src,
			  .dst = p->dst,
			  .id = h.ip6f_ident,
			  .off = field & 0xfff8u,
			  .max = UINT16_MAX - before,
			  .iface = p->iface,
			  .proto = h.ip6f_nxt,
			  .ecn = p->ecn,
			  .more = field & 1};
	rte_pktmbuf_adj(m, FRAGMENT_LEN);
	m = frag_input(n, &f, m);
	if (m == NULL)
		return NULL;
	n->reassembled++;

	w.ip = rte_pktmbuf_mtod(m, const uint8_t *);
	w.len = m->data_len;
	w.packet_len = m->pkt_len;
	w.next = f.proto;
	why = walk_headers(&w);
	p->proto = w.next;
	p->ecn = f.ecn;
	p->reassembled = true;
	if (why == NET_DROP_COUNT)
		why = check_ends(n, p);
	if (why != NET_DROP_COUNT) {
		net_drop(n, m, why);
		return NULL;
	}
	rte_pktmbuf_adj(m, (uint16_t)w.off);
	return m;
}

bool ip6_input(struct net *n, unsigned int iface, struct rte_mbuf **mp)
{
	struct ip6_packet p = {.iface = (uint16_t)iface};
	struct walk w = {.problem = -1};
	enum net_drop why = check(n, iface, *mp, &p, &w);
	struct rte_mbuf *m;

	if (unlikely(why != NET_DROP_COUNT)) {
		if (w.problem >= 0)
			icmp6_error(n, *mp, &p, ICMP6_PARAM_PROB, (uint8_t)w.problem, w.pointer);
		net_drop(n, *mp, why);
		return false;
	}
	if (unlikely(!net_own(n, mp, p.len))) {
		net_drop(n, *mp, NET_DROP_NO_MBUF);
		return false;
	}
	m = *mp;
	rte_pktmbuf_adj(m, (uint16_t)w.off);
	if (unlikely(p.proto == IPPROTO_FRAGMENT)) {
		m = reassemble(n, m, &p, &w);
		if (m == NULL)
			return false;
	}
	if (p.proto == IPPROTO_ICMPV6) {
		icmp6_input(n, m, &p);
		return false;
	}
	*mp = m;
	*pkt_meta(m) = (struct pkt_meta){
		.src = p.src, .dst = p.dst, .iface = (uint16_t)iface, .ecn = p.ecn};
	return true;
}

void ip6_header(struct rte_mbuf *m, const struct net_addr *src, const struct net_addr *dst,
		uint8_t proto, uint8_t hop_limit, uint8_t tos)
{
	struct rte_ipv6_hdr h = {.vtc_flow = rte_cpu_to_be_32(6u << 28 | (uint32_t)tos << 20),
				 .payload_len = rte_cpu_to_be_16((uint16_t)m->pkt_len),
				 .proto = proto,
				 .hop_limits = hop_limit};

	memcpy(h.src_addr, src->b, sizeof(h.src_addr));
	memcpy(h.dst_addr, dst->b, sizeof(h.dst_addr));
	memcpy(rte_pktmbuf_prepend(m, sizeof(h)), &h, sizeof(h));
}
