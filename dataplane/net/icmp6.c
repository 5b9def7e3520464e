/*
 * dataplane/net/icmp6.c - ICMPv6 (RFC 4443): the checksum, echo, and the errors a host owes.
 *
 * What we send unasked or in answer shares the one rate of icmp.c.
 */
#include <netinet/icmp6.h>

#include "dataplane/net/internal.h"

#define ERROR_PACKET_MAX 1280 /* RFC 4443 2.4 (c): the minimum MTU */

/* RFC 8200 8.1: over the pseudo-header and the message; m starts at it. */
static uint16_t checksum(const struct rte_mbuf *m, const struct net_addr *src,
			 const struct net_addr *dst)
{
	const rte_be32_t tail[2] = {rte_cpu_to_be_32(m->pkt_len), RTE_BE32(IPPROTO_ICMPV6)};
	uint32_t sum = pkt_raw_cksum(m);

	sum = __rte_raw_cksum(src->b, sizeof(src->b), sum);
	sum = __rte_raw_cksum(dst->b, sizeof(dst->b), sum);
	sum = __rte_raw_cksum(tail, sizeof(tail), sum);
	return (uint16_t)~__rte_raw_cksum_reduce(sum);
}

void icmp6_seal(struct rte_mbuf *m, const struct net_addr *src, const struct net_addr *dst)
{
	struct icmp6_hdr h;
	uint8_t *at = rte_pktmbuf_mtod(m, uint8_t *);

	memcpy(&h, at, sizeof(h));
	h.icmp6_cksum = 0;
	memcpy(at, &h, sizeof(h));
	h.icmp6_cksum = checksum(m, src, dst);
	memcpy(at, &h, sizeof(h));
}

/* RFC 4443 4.2: from the address that was asked, or one of ours for a group that was. */
static void echo(struct net *n, struct rte_mbuf *m, const struct ip6_packet *p)
{
	struct net_addr from = p->dst;
	uint8_t *type = rte_pktmbuf_mtod(m, uint8_t *);

	if (from.b[0] == 0xff) {
		const struct net_addr *own = net_addr_towards(&n->iface[p->iface], &p->src);

		if (own == NULL) {
			net_drop(n, m, NET_DROP_ICMP);
			return;
		}
		from = *own;
	}
	if (!icmp_rate_ok(n)) {
		net_drop(n, m, NET_DROP_ICMP_RATE);
		return;
	}
	*type = ICMP6_ECHO_REPLY;
	m->ol_flags = 0;
	icmp6_seal(m, &from, &p->src);
	net_output(n, m, &from, &p->src, IPPROTO_ICMPV6, 64, 0, NULL, n->now_us);
}

/* Somebody who may be answered (RFC 4443 2.4 (e)), and who can have met a packet of ours. */
static bool is_one_host(const struct net *n, const struct net_addr *a)
{
	return !net_addr_is_special(a) && !net_addr_is_local(n, a);
}

void icmp6_input(struct net *n, struct rte_mbuf *m, const struct ip6_packet *p)
{
	const uint8_t *h = rte_pktmbuf_mtod(m, const uint8_t *); /* at any address */
	enum net_drop why = NET_DROP_ICMP;

	if (m->data_len < sizeof(struct icmp6_hdr) || checksum(m, &p->src, &p->dst) != 0) {
		net_drop(n, m, why);
		return;
	}
	switch (h[0]) {
	case ICMP6_ECHO_REQUEST:
		if (h[1] == 0 && is_one_host(n, &p->src)) {
			echo(n, m, p);
			return;
		}
		break;
	case ND_NEIGHBOR_SOLICIT:
	case ND_NEIGHBOR_ADVERT:
		nd_input(n, m, p);
		return;
	case MLD_LISTENER_QUERY:
		mld_input(n, m, p);
		return;
	case ND_ROUTER_SOLICIT:
	case ND_ROUTER_ADVERT:
	case ND_REDIRECT:
		why = NET_DROP_ND_ROUTER;
		break;
	default:
		if ((h[0] & ICMP6_INFOMSG_MASK) || !is_one_host(n, &p->src))
			break;
		icmp_error_input(n, m, &p->dst);
		return;
	}
	net_drop(n, m, why);
}

static bool is_header_before(uint8_t next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_DSTOPTS || next == IPPROTO_ROUTING ||
	       next == IPPROTO_FRAGMENT;
}

/*
 * Is the packet an ICMPv6 error itself, behind whatever headers, or something we cannot tell it
 * from? Each header is of 8 bytes at least, so the first buffer bounds the walk.
 */
static bool is_error(const struct rte_mbuf *frame)
{
	const uint8_t *b = rte_pktmbuf_mtod(frame, const uint8_t *);
	uint32_t at = sizeof(struct rte_ether_hdr) + sizeof(struct rte_ipv6_hdr);
	uint8_t next = b[sizeof(struct rte_ether_hdr) + offsetof(struct rte_ipv6_hdr, proto)];
	bool is_rest = false;

	while (is_header_before(next) && at + 8 <= frame->data_len) {
		const bool fragment = next == IPPROTO_FRAGMENT;

		is_rest |= fragment && (b[at + 2] != 0 || (b[at + 3] & 0xf8) != 0);
		next = b[at];
		at += fragment ? 8u : (b[at + 1] + 1u) * 8;
	}
	if (next != IPPROTO_ICMPV6)
		return is_header_before(next);
	return is_rest || at >= frame->data_len || !(b[at] & ICMP6_INFOMSG_MASK);
}

void icmp6_error(struct net *n, const struct rte_mbuf *frame, const struct ip6_packet *p,
		 uint8_t type, uint8_t code, uint32_t pointer)
{
	const bool multicast = p->dst.b[0] == 0xff;
	const uint32_t room =
		ERROR_PACKET_MAX - sizeof(struct rte_ipv6_hdr) - sizeof(struct icmp6_hdr);
	const uint32_t len = RTE_MIN(p->len, room), at = sizeof(struct rte_ether_hdr);
	struct icmp6_hdr h = {.icmp6_type = type, .icmp6_code = code};
	const struct net_addr *from = &p->dst;
	struct rte_mbuf *m;
	uint8_t *b;

	h.icmp6_pptr = rte_cpu_to_be_32(pointer);
	if (multicast) { /* 2.4 (e.3), but for its second exception */
		if (type != ICMP6_PARAM_PROB || code != ICMP6_PARAMPROB_OPTION)
			return;
		from = net_addr_towards(&n->iface[p->iface], &p->src);
	}
	if (from == NULL || !is_one_host(n, &p->src) || is_error(frame))
		return;
	if (!icmp_rate_ok(n)) {
		n->drops[NET_DROP_ICMP_RATE]++;
		return;
	}
	m = rte_pktmbuf_alloc(n->pools->data);
	if (m == NULL) {
		n->drops[NET_DROP_NO_MBUF]++;
		return;
	}
	b = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(sizeof(h) + len));
	memcpy(b, &h, sizeof(h));
	for (uint32_t off = 0; off < len; off += 64) {
		uint8_t buf[64];
		uint32_t k = RTE_MIN(len - off, (uint32_t)sizeof(buf));

		memcpy(b + sizeof(h) + off, rte_pktmbuf_read(frame, at + off, k, buf), k);
	}
	icmp6_seal(m, from, &p->src);
	net_output(n, m, from, &p->src, IPPROTO_ICMPV6, 64, 0, NULL, n->now_us);
}
