/*
 * tests/unit/net_bench.h - a net with two interfaces and their wires, and frames of a peer's for
 * it.
 */
#ifndef SLUICE_TESTS_UNIT_NET_BENCH_H
#define SLUICE_TESTS_UNIT_NET_BENCH_H

#include <criterion/criterion.h>
#include <errno.h>

#include "dataplane/net/internal.h"
#include "tests/util/eal.h"
#include "tests/util/frame.h"
#include "tests/util/rnd.h"

#include <rte_icmp.h>
#include <rte_tcp.h>

#define SEC 1000000ull

static struct pkt_pools pools;
static struct wire wire, inside;
static struct net *net;
static uint64_t now = 5 * SEC;
static const struct rte_ether_addr peer_mac = {{2, 0, 0, 0, 0, 0x77}};
static const struct rte_ether_addr other_mac = {{2, 0, 0, 0, 0, 0x78}};
static const struct rte_ether_addr broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

/* outside 198.18.0.2/24 with a default gateway .254, inside 198.19.0.2/24; the peer is .1. */
static inline void start(void)
{
	struct net_conf conf = {.pools = &pools, .neigh_max = 16};
	struct net_addr out = addr4(198, 18, 0, 2), in = addr4(198, 19, 0, 2);
	struct net_addr any = addr4(0, 0, 0, 0), gw = addr4(198, 18, 0, 254);

	eal_start("64");
	cr_assert_eq(pkt_pools_new("t", 1023, 1023, SOCKET_ID_ANY, &pools), 0);
	cr_assert_eq(net_new(&conf, &net), 0);
	wire_init(&wire, 1);
	wire_init(&inside, 2);
	cr_assert_eq(net_iface_add(net, "outside", &wire.port), 0);
	cr_assert_eq(net_iface_add(net, "inside", &inside.port), 1);
	cr_assert_eq(net_addr_add(net, 0, &out, 24), 0);
	cr_assert_eq(net_addr_add(net, 1, &in, 24), 0);
	cr_assert_eq(net_route_add(net, &any, 0, &gw), 0);
	net_timers(net, now);
	now += 3 * SEC;
	net_timers(net, now);
	net_flush(net);
	wire_clear(&wire);
	wire_clear(&inside);
}

static inline void end(void)
{
	net_free(net);
	wire_clear(&wire);
	wire_clear(&inside);
	cr_expect_eq(eal_out(pools.data), 0);
	cr_expect_eq(eal_out(pools.head), 0);
}

/* --- frames --------------------------------------------------------------------- */

struct ip_frame {
	struct rte_ether_hdr eth;
	struct rte_ipv4_hdr ip;
	uint8_t rest[1500];
};

/* From the peer to us: a header of 20 bytes and n bytes of payload behind it. */
static inline struct ip_frame ip_frame(uint8_t proto, uint16_t n)
{
	struct ip_frame f = {.eth = {.dst_addr = wire.port.mac,
				     .src_addr = peer_mac,
				     .ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4)},
			     .ip = {.version_ihl = 0x45,
				    .total_length = rte_cpu_to_be_16((uint16_t)(20 + n)),
				    .time_to_live = 64,
				    .next_proto_id = proto,
				    .src_addr = be4(198, 18, 0, 1),
				    .dst_addr = be4(198, 18, 0, 2)}};
	for (uint16_t i = 0; i < n; i++)
		f.rest[i] = (uint8_t)i;
	return f;
}

static inline void ip_sum(struct ip_frame *f)
{
	f->ip.hdr_checksum = 0;
	f->ip.hdr_checksum = (uint16_t)~rte_raw_cksum(&f->ip, (f->ip.version_ihl & 0xfu) * 4);
}

static inline unsigned int input(struct rte_mbuf *m, struct rte_mbuf **ret)
{
	unsigned int k = net_input_burst(net, 0, &m, 1, now, ret);

	net_flush(net);
	return k;
}

static inline unsigned int input_bytes(const void *p, size_t n, struct rte_mbuf **ret)
{
	return input(frame_bytes(pools.data, p, n), ret);
}

static inline uint64_t dropped(enum net_drop why)
{
	return net_drops(net)[why];
}

static inline void arp_fill(struct rte_ether_hdr *eth, struct rte_arp_hdr *a, uint16_t op,
			    const struct rte_ether_addr *sha, rte_be32_t sip, rte_be32_t tip)
{
	*eth = (struct rte_ether_hdr){.dst_addr =
					      op == RTE_ARP_OP_REQUEST ? broadcast : wire.port.mac,
				      .src_addr = *sha,
				      .ether_type = RTE_BE16(RTE_ETHER_TYPE_ARP)};
	*a = (struct rte_arp_hdr){.arp_hardware = RTE_BE16(1),
				  .arp_protocol = RTE_BE16(0x0800),
				  .arp_hlen = 6,
				  .arp_plen = 4,
				  .arp_opcode = rte_cpu_to_be_16(op),
				  .arp_data = {.arp_sha = *sha, .arp_sip = sip, .arp_tip = tip}};
}

static inline void arp_in(uint16_t op, const struct rte_ether_addr *sha, rte_be32_t sip,
			  rte_be32_t tip)
{
	uint8_t f[42];
	struct rte_ether_hdr eth;
	struct rte_arp_hdr a;
	struct rte_mbuf *ret;

	arp_fill(&eth, &a, op, sha, sip, tip);
	memcpy(f, &eth, sizeof(eth));
	memcpy(f + sizeof(eth), &a, sizeof(a));
	cr_expect_eq(input_bytes(f, sizeof(f), &ret), 0);
}

static inline struct rte_arp_hdr *sent_arp(const struct wire *w, unsigned int i)
{
	return rte_pktmbuf_mtod_offset(w->out[i], struct rte_arp_hdr *, 14);
}

static inline bool is_arp(const struct wire *w, unsigned int i)
{
	return rte_pktmbuf_mtod(w->out[i], struct rte_ether_hdr *)->ether_type ==
	       RTE_BE16(RTE_ETHER_TYPE_ARP);
}

static inline const struct rte_ether_addr *sent_to(const struct wire *w, unsigned int i)
{
	return &rte_pktmbuf_mtod(w->out[i], struct rte_ether_hdr *)->dst_addr;
}

/* One packet of n bytes of L4 to 198.18.0.x. */
static inline int send_to(uint8_t last, uint16_t n)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pools.data);
	struct net_addr src = addr4(198, 18, 0, 2), dst = addr4(198, 18, 0, last);

	memset(rte_pktmbuf_append(m, n), last, n);
	return net_output(net, m, &src, &dst, IPPROTO_TCP, 64, 0, NULL, now);
}

static inline void learn(uint8_t last, const struct rte_ether_addr *mac)
{
	send_to(last, 20);
	arp_in(RTE_ARP_OP_REPLY, mac, be4(198, 18, 0, last), be4(198, 18, 0, 2));
	net_flush(net);
	wire_clear(&wire);
}

#endif
