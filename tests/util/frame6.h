/*
 * tests/util/frame6.h - IPv6 frames by hand: built from front to back, lengths and the checksum
 * of ICMPv6 filled in at the end.
 */
#ifndef SLUICE_TESTS_UTIL_FRAME6_H
#define SLUICE_TESTS_UTIL_FRAME6_H

#include <netinet/icmp6.h>

#include "tests/util/frame.h"

#define F6_L2 14
#define F6_IP 40

struct frame6 {
	uint8_t b[2048];
	uint32_t len;
	uint32_t l4; /* where ICMPv6 or TCP begins */
};

/* 2001:db8:net::host; fe80::host for net 0. */
static inline struct net_addr addr6(uint16_t net, uint16_t host)
{
	struct net_addr a = {.family = 6,
			     .b = {0x20, 0x01, 0x0d, 0xb8, (uint8_t)(net >> 8),
				   (uint8_t)net, [14] = (uint8_t)(host >> 8), (uint8_t)host}};
	static const uint8_t link_local[8] = {0xfe, 0x80};

	if (net == 0)
		memcpy(a.b, link_local, sizeof(link_local));
	return a;
}

static inline void f6_start(struct frame6 *f, const struct rte_ether_addr *from,
			    const struct rte_ether_addr *to, const struct net_addr *src,
			    const struct net_addr *dst, uint8_t next, uint8_t hops)
{
	struct rte_ether_hdr eth = {
		.dst_addr = *to, .src_addr = *from, .ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV6)};
	struct rte_ipv6_hdr ip = {
		.vtc_flow = RTE_BE32(6u << 28), .proto = next, .hop_limits = hops};

	memcpy(ip.src_addr, src->b, 16);
	memcpy(ip.dst_addr, dst->b, 16);
	memcpy(f->b, &eth, sizeof(eth));
	memcpy(f->b + F6_L2, &ip, sizeof(ip));
	f->len = f->l4 = F6_L2 + F6_IP;
}

static inline void f6_put(struct frame6 *f, const void *p, uint32_t n)
{
	memcpy(f->b + f->len, p, n);
	f->len += n;
}

/* An extension header that says what follows. */
static inline void f6_ext(struct frame6 *f, const void *p, uint32_t n)
{
	f6_put(f, p, n);
	f->l4 = f->len;
}

static inline void f6_length(struct frame6 *f)
{
	rte_be16_t len = rte_cpu_to_be_16((uint16_t)(f->len - F6_L2 - F6_IP));

	memcpy(f->b + F6_L2 + 4, &len, sizeof(len));
}

/* The checksum of what stands at l4, its field off bytes into it. */
static inline void f6_cksum(struct frame6 *f, uint8_t proto, uint32_t off)
{
	const rte_be32_t tail[2] = {rte_cpu_to_be_32(f->len - f->l4), rte_cpu_to_be_32(proto)};
	uint32_t sum;
	uint16_t c;

	memset(f->b + f->l4 + off, 0, 2);
	sum = __rte_raw_cksum(f->b + F6_L2 + 8, 32, 0);
	sum = __rte_raw_cksum(tail, sizeof(tail), sum);
	sum = __rte_raw_cksum(f->b + f->l4, f->len - f->l4, sum);
	c = (uint16_t)~__rte_raw_cksum_reduce(sum);
	memcpy(f->b + f->l4 + off, &c, sizeof(c));
}

static inline void f6_end_icmp(struct frame6 *f)
{
	f6_length(f);
	f6_cksum(f, IPPROTO_ICMPV6, 2);
}

/* A solicitation or an advertisement, with an option that holds six bytes (opt 0: none). */
static inline void f6_nd(struct frame6 *f, uint8_t type, uint32_t flags,
			 const struct net_addr *target, uint8_t opt, const void *value)
{
	struct nd_neighbor_solicit h = {.nd_ns_type = type, .nd_ns_reserved = flags};
	const uint8_t head[2] = {opt, 1};

	memcpy(&h.nd_ns_target, target->b, 16);
	f6_put(f, &h, sizeof(h));
	if (opt != 0) {
		f6_put(f, head, 2);
		f6_put(f, value, 6);
	}
	f6_end_icmp(f);
}

#endif
