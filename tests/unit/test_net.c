/* dataplane/net: what is answered, what is dropped and why, where packets go. */
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
static void start(void)
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

static void end(void)
{
	net_free(net);
	wire_clear(&wire);
	wire_clear(&inside);
	cr_expect_eq(eal_out(pools.data), 0);
	cr_expect_eq(eal_out(pools.head), 0);
}

TestSuite(net, .init = start, .fini = end);

/* --- frames --------------------------------------------------------------------- */

struct ip_frame {
	struct rte_ether_hdr eth;
	struct rte_ipv4_hdr ip;
	uint8_t rest[1500];
};

/* From the peer to us: a header of 20 bytes and n bytes of payload behind it. */
static struct ip_frame ip_frame(uint8_t proto, uint16_t n)
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

static void ip_sum(struct ip_frame *f)
{
	f->ip.hdr_checksum = 0;
	f->ip.hdr_checksum = (uint16_t)~rte_raw_cksum(&f->ip, (f->ip.version_ihl & 0xfu) * 4);
}

static unsigned int input(struct rte_mbuf *m, struct rte_mbuf **ret)
{
	unsigned int k = net_input_burst(net, 0, &m, 1, now, ret);

	net_flush(net);
	return k;
}

static unsigned int input_bytes(const void *p, size_t n, struct rte_mbuf **ret)
{
	return input(frame_bytes(pools.data, p, n), ret);
}

static uint64_t dropped(enum net_drop why)
{
	return net_drops(net)[why];
}

static void arp_fill(struct rte_ether_hdr *eth, struct rte_arp_hdr *a, uint16_t op,
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

static void arp_in(uint16_t op, const struct rte_ether_addr *sha, rte_be32_t sip, rte_be32_t tip)
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

static struct rte_arp_hdr *sent_arp(const struct wire *w, unsigned int i)
{
	return rte_pktmbuf_mtod_offset(w->out[i], struct rte_arp_hdr *, 14);
}

static bool is_arp(const struct wire *w, unsigned int i)
{
	return rte_pktmbuf_mtod(w->out[i], struct rte_ether_hdr *)->ether_type ==
	       RTE_BE16(RTE_ETHER_TYPE_ARP);
}

static const struct rte_ether_addr *sent_to(const struct wire *w, unsigned int i)
{
	return &rte_pktmbuf_mtod(w->out[i], struct rte_ether_hdr *)->dst_addr;
}

/* One packet of n bytes of L4 to 198.18.0.x. */
static int send_to(uint8_t last, uint16_t n)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pools.data);
	struct net_addr src = addr4(198, 18, 0, 2), dst = addr4(198, 18, 0, last);

	memset(rte_pktmbuf_append(m, n), last, n);
	return net_output(net, m, &src, &dst, IPPROTO_TCP, 64, 0, NULL, now);
}

static void learn(uint8_t last, const struct rte_ether_addr *mac)
{
	send_to(last, 20);
	arp_in(RTE_ARP_OP_REPLY, mac, be4(198, 18, 0, last), be4(198, 18, 0, 2));
	net_flush(net);
	wire_clear(&wire);
}

/* --- IPv4 ----------------------------------------------------------------------- */

Test(net, tcp_packet_is_cut_to_its_ip_length_and_described)
{
	struct ip_frame f = ip_frame(IPPROTO_TCP, 20);
	struct rte_mbuf *m;

	f.ip.type_of_service = 0x03;
	ip_sum(&f);
	/* 6 bytes of Ethernet padding behind it */
	cr_assert_eq(input_bytes(&f, 60, &m), 1);
	cr_expect_eq(m->pkt_len, 20);
	cr_expect_eq(m->data_len, 20);
	cr_expect_eq(memcmp(rte_pktmbuf_mtod(m, void *), f.rest, 20), 0);
	cr_expect_eq(memcmp(pkt_meta(m)->src.b, (uint8_t[]){198, 18, 0, 1}, 4), 0);
	cr_expect_eq(memcmp(pkt_meta(m)->dst.b, (uint8_t[]){198, 18, 0, 2}, 4), 0);
	cr_expect_eq(pkt_meta(m)->ecn, 3);
	cr_expect_eq(pkt_meta(m)->iface, 0);
	rte_pktmbuf_free(m);
}

Test(net, harmless_ip_options_are_skipped)
{
	struct ip_frame f = ip_frame(IPPROTO_TCP, 28);
	struct rte_mbuf *m;

	f.ip.version_ihl = 0x47;
	memcpy(f.rest, (uint8_t[]){1, 7, 3, 4, 0, 0xff, 0xff, 0xff}, 8); /* NOP, RR, EOL, junk */
	ip_sum(&f);
	cr_assert_eq(input_bytes(&f, 62, &m), 1);
	cr_expect_eq(m->pkt_len, 20);
	rte_pktmbuf_free(m);
}

enum ip_fault {
	F_VERSION,
	F_IHL_SHORT,
	F_IHL_LONG,
	F_TOTAL_SHORT,
	F_TOTAL_LONG,
	F_CKSUM,
	F_DST_OTHER,
	F_DST_BROADCAST,
	F_DST_OTHER_IFACE,
	F_SRC_OURS,
	F_SRC_OURS_INSIDE,
	F_SRC_LOOPBACK,
	F_SRC_MULTICAST,
	F_SRC_ANY,
	F_SRC_BROADCAST,
	F_SRC_SUBNET_BROADCAST,
	F_OPT_LSRR,
	F_OPT_SSRR,
	F_OPT_LEN_0,
	F_OPT_LEN_1,
	F_OPT_PAST_END,
	F_OPT_NO_LEN,
	F_PROTO_IPIP,
	F_PROTO_UDP,
	F_MAC_OTHER,
	F_MAC_BROADCAST,
	F_ETHERTYPE,
	F_VLAN,
};

static const struct {
	enum ip_fault fault;
	enum net_drop why;
} faults[] = {
	{F_VERSION, NET_DROP_IP_HEADER},         {F_IHL_SHORT, NET_DROP_IP_HEADER},
	{F_IHL_LONG, NET_DROP_IP_HEADER},        {F_TOTAL_SHORT, NET_DROP_IP_HEADER},
	{F_TOTAL_LONG, NET_DROP_IP_HEADER},      {F_CKSUM, NET_DROP_IP_CKSUM},
	{F_DST_OTHER, NET_DROP_NOT_MINE},        {F_DST_BROADCAST, NET_DROP_NOT_MINE},
	{F_DST_OTHER_IFACE, NET_DROP_NOT_MINE},  {F_SRC_OURS, NET_DROP_IP_SOURCE},
	{F_SRC_OURS_INSIDE, NET_DROP_IP_SOURCE}, {F_SRC_LOOPBACK, NET_DROP_IP_SOURCE},
	{F_SRC_MULTICAST, NET_DROP_IP_SOURCE},   {F_SRC_ANY, NET_DROP_IP_SOURCE},
	{F_SRC_BROADCAST, NET_DROP_IP_SOURCE},   {F_SRC_SUBNET_BROADCAST, NET_DROP_IP_SOURCE},
	{F_OPT_LSRR, NET_DROP_IP_OPTIONS},       {F_OPT_SSRR, NET_DROP_IP_OPTIONS},
	{F_OPT_LEN_0, NET_DROP_IP_OPTIONS},      {F_OPT_LEN_1, NET_DROP_IP_OPTIONS},
	{F_OPT_PAST_END, NET_DROP_IP_OPTIONS},   {F_OPT_NO_LEN, NET_DROP_IP_OPTIONS},
	{F_PROTO_IPIP, NET_DROP_IP_PROTO},       {F_PROTO_UDP, NET_DROP_IP_PROTO},
	{F_MAC_OTHER, NET_DROP_NOT_MINE},        {F_MAC_BROADCAST, NET_DROP_NOT_MINE},
	{F_ETHERTYPE, NET_DROP_ETHERTYPE},       {F_VLAN, NET_DROP_VLAN},
};

static void options(struct ip_frame *f, uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	f->ip.version_ihl = 0x46;
	memcpy(f->rest, (uint8_t[]){a, b, c, d}, 4);
}

static void spoil(struct ip_frame *f, enum ip_fault fault)
{
	static const struct rte_ether_addr stranger = {{2, 9, 9, 9, 9, 9}};

	switch (fault) {
	case F_VERSION:
		f->ip.version_ihl = 0x65;
		break;
	case F_IHL_SHORT:
		f->ip.version_ihl = 0x44;
		break;
	case F_IHL_LONG:
		f->ip.version_ihl = 0x4f;
		break;
	case F_TOTAL_SHORT:
		f->ip.total_length = RTE_BE16(19);
		break;
	case F_TOTAL_LONG:
		f->ip.total_length = RTE_BE16(60);
		break;
	case F_CKSUM:
		break;
	case F_DST_OTHER:
		f->ip.dst_addr = be4(198, 18, 0, 3);
		break;
	case F_DST_BROADCAST:
		f->ip.dst_addr = be4(198, 18, 0, 255);
		break;
	case F_DST_OTHER_IFACE:
		f->ip.dst_addr = be4(198, 19, 0, 2);
		break;
	case F_SRC_OURS:
		f->ip.src_addr = be4(198, 18, 0, 2);
		break;
	case F_SRC_OURS_INSIDE:
		f->ip.src_addr = be4(198, 19, 0, 2);
		break;
	case F_SRC_LOOPBACK:
		f->ip.src_addr = be4(127, 0, 0, 1);
		break;
	case F_SRC_MULTICAST:
		f->ip.src_addr = be4(224, 0, 0, 1);
		break;
	case F_SRC_ANY:
		f->ip.src_addr = 0;
		break;
	case F_SRC_BROADCAST:
		f->ip.src_addr = UINT32_MAX;
		break;
	case F_SRC_SUBNET_BROADCAST:
		f->ip.src_addr = be4(198, 18, 0, 255);
		break;
	case F_OPT_LSRR:
		options(f, 131, 4, 4, 0);
		break;
	case F_OPT_SSRR:
		options(f, 137, 4, 4, 0);
		break;
	case F_OPT_LEN_0:
		options(f, 7, 0, 0, 0);
		break;
	case F_OPT_LEN_1:
		options(f, 7, 1, 0, 0);
		break;
	case F_OPT_PAST_END:
		options(f, 7, 5, 0, 0);
		break;
	case F_OPT_NO_LEN:
		options(f, 1, 1, 1, 7);
		break;
	case F_PROTO_IPIP:
		f->ip.next_proto_id = IPPROTO_IPIP;
		break;
	case F_PROTO_UDP:
		f->ip.next_proto_id = IPPROTO_UDP;
		break;
	case F_MAC_OTHER:
		f->eth.dst_addr = stranger;
		break;
	case F_MAC_BROADCAST:
		f->eth.dst_addr = broadcast;
		break;
	case F_ETHERTYPE:
		f->eth.ether_type = RTE_BE16(0x88cc);
		break;
	case F_VLAN:
		f->eth.ether_type = RTE_BE16(RTE_ETHER_TYPE_VLAN);
		break;
	}
	ip_sum(f);
	if (fault == F_CKSUM)
		f->ip.hdr_checksum ^= RTE_BE16(0x0100);
}

Test(net, bad_ip_packets_are_dropped_each_for_its_reason)
{
	for (size_t i = 0; i < RTE_DIM(faults); i++) {
		struct ip_frame f = ip_frame(IPPROTO_TCP, 24);
		uint64_t before = dropped(faults[i].why);
		struct rte_mbuf *m;

		spoil(&f, faults[i].fault);
		cr_expect_eq(input_bytes(&f, 58, &m), 0, "case %zu", i);
		cr_expect_eq(dropped(faults[i].why), before + 1, "case %zu", i);
	}
	cr_expect_eq(wire.n, 0, "nothing is answered");
}

Test(net, every_short_frame_is_dropped)
{
	struct ip_frame f = ip_frame(IPPROTO_TCP, 24);
	struct rte_mbuf *m;

	ip_sum(&f);
	for (size_t n = 0; n < 58; n++)
		cr_expect_eq(input_bytes(&f, n, &m), 0, "%zu bytes", n);
	cr_expect_eq(dropped(NET_DROP_SHORT) + dropped(NET_DROP_IP_HEADER), 58);
}

Test(net, shared_packet_is_copied_and_its_owner_sees_no_change)
{
	struct ip_frame f = ip_frame(IPPROTO_TCP, 24);
	struct rte_mbuf *m, *mine, copy;

	ip_sum(&f);
	mine = frame_bytes(pools.data, &f, 58);
	rte_pktmbuf_refcnt_update(mine, 1);
	memset(pkt_meta(mine), 0xaa, PKT_PRIV_SIZE);
	copy = *mine;
	cr_assert_eq(input(mine, &m), 1);
	cr_expect_neq(m, mine);
	cr_expect(pkt_writable(m));
	cr_expect_eq(m->pkt_len, 24);
	cr_expect_eq(rte_mbuf_refcnt_read(mine), 1);
	cr_expect_eq(mine->data_off, copy.data_off);
	cr_expect_eq(mine->data_len, copy.data_len);
	cr_expect_eq(((uint8_t *)pkt_meta(mine))[0], 0xaa);
	rte_pktmbuf_free(m);
	rte_pktmbuf_free(mine);
}

/* --- ICMP ----------------------------------------------------------------------- */

static struct ip_frame echo(uint16_t n, uint8_t type)
{
	struct ip_frame f = ip_frame(IPPROTO_ICMP, n);
	uint16_t sum;

	memset(f.rest, 0, 8);
	f.rest[0] = type;
	f.rest[5] = 7; /* identifier */
	sum = (uint16_t)~rte_raw_cksum(f.rest, n);
	memcpy(f.rest + 2, &sum, 2);
	ip_sum(&f);
	return f;
}

static const uint16_t echo_sizes[] = {8, 9, 63, 64, 999, 1480};

Test(net, echo_is_answered_with_the_same_bytes)
{
	learn(1, &peer_mac);
	for (size_t i = 0; i < RTE_DIM(echo_sizes); i++) {
		uint16_t n = echo_sizes[i];
		struct ip_frame f = echo(n, 8);
		struct rte_ipv4_hdr *ip;
		struct rte_mbuf *m;
		uint8_t *icmp;

		cr_expect_eq(input_bytes(&f, 34u + n, &m), 0);
		cr_assert_eq(wire.n, 1, "size %u", n);
		cr_expect(rte_is_same_ether_addr(sent_to(&wire, 0), &peer_mac));
		ip = rte_pktmbuf_mtod_offset(wire.out[0], struct rte_ipv4_hdr *, 14);
		icmp = (uint8_t *)(ip + 1);
		cr_expect_eq(ip->src_addr, f.ip.dst_addr);
		cr_expect_eq(ip->dst_addr, f.ip.src_addr);
		cr_expect_eq(rte_raw_cksum(ip, 20), 0xffff);
		cr_expect_eq(icmp[0], 0);
		cr_expect_eq(rte_raw_cksum(icmp, n), 0xffff);
		cr_expect_eq(memcmp(icmp + 4, f.rest + 4, n - 4u), 0);
		wire_clear(&wire);
	}
}

static const uint8_t icmp_types[] = {0, 3, 4, 5, 9, 10, 11, 12, 13, 15, 17, 255};

Test(net, other_icmp_is_not_answered)
{
	learn(1, &peer_mac);
	for (size_t i = 0; i < RTE_DIM(icmp_types); i++) {
		struct ip_frame f = echo(64, icmp_types[i]);
		struct rte_mbuf *m;

		cr_expect_eq(input_bytes(&f, 98, &m), 0);
	}
	/* Four are errors; of those the source quench has a counter of its own. */
	cr_expect_eq(dropped(NET_DROP_ICMP), RTE_DIM(icmp_types) - 4);
	cr_expect_eq(dropped(NET_DROP_ICMP_ERROR), 3);
	cr_expect_eq(dropped(NET_DROP_ICMP_QUENCH), 1);
	cr_expect_eq(wire.n, 0);
}

Test(net, echo_with_a_bad_checksum_is_not_answered)
{
	struct ip_frame f = echo(64, 8);
	struct rte_mbuf *m;

	learn(1, &peer_mac);
	f.rest[20] ^= 1;
	cr_expect_eq(input_bytes(&f, 98, &m), 0);
	cr_expect_eq(dropped(NET_DROP_ICMP), 1);
	cr_expect_eq(wire.n, 0);
}

Test(net, echo_answers_have_a_rate)
{
	struct ip_frame f = echo(64, 8);
	struct rte_mbuf *m;

	learn(1, &peer_mac);
	for (int i = 0; i < 300; i++)
		input_bytes(&f, 98, &m);
	cr_expect_eq(wire.n, NET_ICMP_BURST);
	cr_expect_eq(dropped(NET_DROP_ICMP_RATE), 300 - NET_ICMP_BURST);
	now += 10000; /* ten answers' worth */
	for (int i = 0; i < 300; i++)
		input_bytes(&f, 98, &m);
	cr_expect_eq(wire.n, NET_ICMP_BURST + 10);
}

/* --- ARP ------------------------------------------------------------------------ */

Test(net, arp_request_for_us_is_answered_to_the_asker)
{
	arp_in(RTE_ARP_OP_REQUEST, &peer_mac, be4(198, 18, 0, 1), be4(198, 18, 0, 2));
	cr_assert_eq(wire.n, 1);
	cr_expect(rte_is_same_ether_addr(sent_to(&wire, 0), &peer_mac));
	cr_expect_eq(sent_arp(&wire, 0)->arp_opcode, RTE_BE16(RTE_ARP_OP_REPLY));
	cr_expect_eq(sent_arp(&wire, 0)->arp_data.arp_sip, be4(198, 18, 0, 2));
	cr_expect_eq(sent_arp(&wire, 0)->arp_data.arp_tip, be4(198, 18, 0, 1));
	cr_expect(rte_is_same_ether_addr(&sent_arp(&wire, 0)->arp_data.arp_sha, &wire.port.mac));
}

Test(net, arp_probe_for_our_address_is_answered)
{
	arp_in(RTE_ARP_OP_REQUEST, &peer_mac, 0, be4(198, 18, 0, 2));
	cr_expect_eq(wire.n, 1);
}

Test(net, arp_request_for_another_is_not_answered)
{
	arp_in(RTE_ARP_OP_REQUEST, &peer_mac, be4(198, 18, 0, 1), be4(198, 18, 0, 3));
	arp_in(RTE_ARP_OP_REQUEST, &peer_mac, be4(198, 18, 0, 1), be4(198, 19, 0, 2));
	cr_expect_eq(wire.n, 0);
	cr_expect_eq(dropped(NET_DROP_NOT_MINE), 2);
}

static const struct {
	uint8_t at, value;
} arp_faults[] = {
	{15, 2},                         /* hardware */
	{16, 0x86},                      /* protocol */
	{18, 8},                         /* hlen */
	{19, 16},                        /* plen */
	{21, 0},                         /* opcode */
	{21, 3},    {21, 9}, {22, 0x03}, /* multicast sender */
};

Test(net, malformed_arp_is_dropped)
{
	struct rte_ether_hdr eth;
	struct rte_arp_hdr a;
	struct rte_mbuf *m;
	uint8_t f[42];

	arp_fill(&eth, &a, RTE_ARP_OP_REQUEST, &peer_mac, be4(198, 18, 0, 1), be4(198, 18, 0, 2));
	for (size_t i = 0; i < RTE_DIM(arp_faults); i++) {
		memcpy(f, &eth, 14);
		memcpy(f + 14, &a, 28);
		f[arp_faults[i].at] = arp_faults[i].value;
		cr_expect_eq(input_bytes(f, 42, &m), 0);
		cr_expect_eq(dropped(NET_DROP_ARP), i + 1, "case %zu", i);
	}
	memcpy(f, &eth, 14);
	memcpy(f + 14, &a, 28);
	cr_expect_eq(input_bytes(f, 41, &m), 0);
	cr_expect_eq(wire.n, 0);
}

Test(net, first_packet_asks_and_goes_out_with_the_answer)
{
	cr_expect_eq(send_to(1, 20), 0);
	net_flush(net);
	cr_assert_eq(wire.n, 1);
	cr_expect(is_arp(&wire, 0));
	cr_expect(rte_is_broadcast_ether_addr(sent_to(&wire, 0)));
	cr_expect_eq(sent_arp(&wire, 0)->arp_data.arp_tip, be4(198, 18, 0, 1));
	arp_in(RTE_ARP_OP_REPLY, &peer_mac, be4(198, 18, 0, 1), be4(198, 18, 0, 2));
	cr_assert_eq(wire.n, 2);
	cr_expect(rte_is_same_ether_addr(sent_to(&wire, 1), &peer_mac));
	cr_expect_eq(send_to(1, 20), 0);
	net_flush(net);
	cr_expect_eq(wire.n, 3, "known now");
}

Test(net, three_packets_wait_and_the_oldest_goes_first)
{
	struct rte_ipv4_hdr *ip;

	for (uint16_t i = 0; i < 5; i++)
		send_to(1, (uint16_t)(20 + i));
	cr_expect_eq(dropped(NET_DROP_NEIGH_QUEUE), 2);
	arp_in(RTE_ARP_OP_REPLY, &peer_mac, be4(198, 18, 0, 1), be4(198, 18, 0, 2));
	cr_assert_eq(wire.n, 1 + 3);
	ip = rte_pktmbuf_mtod_offset(wire.out[1], struct rte_ipv4_hdr *, 14);
	cr_expect_eq(rte_be_to_cpu_16(ip->total_length), 20 + 22);
}

Test(net, silent_neighbour_is_asked_three_times_and_given_up)
{
	send_to(1, 20);
	for (int i = 0; i < 10; i++) {
		now += SEC;
		net_timers(net, now);
		net_flush(net);
	}
	cr_expect_eq(wire.n, 3);
	cr_expect_eq(dropped(NET_DROP_NEIGH_TIMEOUT), 1);
	cr_expect_eq(net_next_timer_us(net), UINT64_MAX);
}

Test(net, strangers_leave_no_trace_in_the_neighbour_table)
{
	unsigned int n = test_long() ? 1000000 : 20000;

	learn(254, &peer_mac);
	for (unsigned int i = 0; i < n; i++) {
		rte_be32_t ip = rte_cpu_to_be_32(RTE_IPV4(10, 0, 0, 0) + i);

		arp_in(i & 1 ? RTE_ARP_OP_REPLY : RTE_ARP_OP_REQUEST, &other_mac, ip,
		       be4(198, 18, 0, 2));
		wire_clear(&wire);
	}
	cr_expect_eq(dropped(NET_DROP_ARP), n / 2, "replies nobody asked for");
	send_to(254, 20);
	net_flush(net);
	cr_assert_eq(wire.n, 1);
	cr_expect(rte_is_same_ether_addr(sent_to(&wire, 0), &peer_mac), "the gateway's is kept");
	for (uint8_t i = 10; i < 18; i++)
		cr_expect_eq(send_to(i, 20), 0);
	cr_expect_eq(dropped(NET_DROP_NEIGH_FULL), 0);
}

Test(net, unsolicited_arp_does_not_move_a_known_neighbour)
{
	learn(1, &peer_mac);
	arp_in(RTE_ARP_OP_REPLY, &other_mac, be4(198, 18, 0, 1), be4(198, 18, 0, 2));
	arp_in(RTE_ARP_OP_REQUEST, &other_mac, be4(198, 18, 0, 1), be4(198, 18, 0, 1));
	wire_clear(&wire);
	send_to(1, 20);
	net_flush(net);
	cr_assert_eq(wire.n, 1);
	cr_expect(rte_is_same_ether_addr(sent_to(&wire, 0), &peer_mac));
	/* The old MAC was asked and answers: it stays. */
	arp_in(RTE_ARP_OP_REPLY, &peer_mac, be4(198, 18, 0, 1), be4(198, 18, 0, 2));
	now += 10 * SEC;
	net_timers(net, now);
	wire_clear(&wire);
	send_to(1, 20);
	net_flush(net);
	cr_expect(rte_is_same_ether_addr(sent_to(&wire, 0), &peer_mac));
}

Test(net, neighbour_that_really_moved_is_found_again)
{
	learn(1, &peer_mac);
	arp_in(RTE_ARP_OP_REQUEST, &other_mac, be4(198, 18, 0, 1), be4(198, 18, 0, 1));
	for (int i = 0; i < 3; i++) {
		now += SEC;
		net_timers(net, now);
	}
	arp_in(RTE_ARP_OP_REPLY, &other_mac, be4(198, 18, 0, 1), be4(198, 18, 0, 2));
	net_flush(net);
	wire_clear(&wire);
	send_to(1, 20);
	net_flush(net);
	cr_expect(rte_is_same_ether_addr(sent_to(&wire, 0), &other_mac));
}

Test(net, old_entry_is_checked_while_it_is_used)
{
	learn(1, &peer_mac);
	now += 31 * SEC;
	send_to(1, 20);
	net_flush(net);
	cr_assert_eq(wire.n, 2);
	cr_expect(is_arp(&wire, 0));
	cr_expect(rte_is_same_ether_addr(sent_to(&wire, 0), &peer_mac), "it alone is asked");
	cr_expect(!is_arp(&wire, 1), "and the packet does not wait");
}

Test(net, unused_entry_goes_and_the_gateway_keeps_its_place)
{
	learn(1, &peer_mac);
	learn(254, &other_mac);
	now += 601 * SEC;
	net_timers(net, now);
	/* Half of 16 may wait for answers; the gateway's place is not one of them. */
	for (uint8_t i = 10; i < 40; i++)
		send_to(i, 20);
	cr_expect_eq(dropped(NET_DROP_NEIGH_FULL), 30 - 8);
	cr_expect_eq(send_to(254, 20), 0);
}

Test(net, a_full_table_forgets_who_was_not_needed_for_longest)
{
	for (uint8_t i = 10; i < 40; i++) {
		now += SEC;
		learn(i, &peer_mac);
		now += SEC;
		send_to(10, 20); /* always needed */
	}
	cr_expect_eq(dropped(NET_DROP_NEIGH_FULL), 0);
	net_flush(net);
	wire_clear(&wire);
	send_to(10, 20);
	send_to(39, 20);
	net_flush(net);
	cr_expect_eq(wire.n, 2, "both are known: nobody is asked");
	cr_expect(rte_is_same_ether_addr(sent_to(&wire, 0), &peer_mac));
	cr_expect(rte_is_same_ether_addr(sent_to(&wire, 1), &peer_mac));
}

Test(net, another_host_with_our_address_is_counted_and_answered_once)
{
	for (int i = 0; i < 20; i++)
		arp_in(RTE_ARP_OP_REQUEST, &other_mac, be4(198, 18, 0, 2), be4(198, 18, 0, 2));
	net_timers(net, now);
	net_flush(net);
	cr_expect_eq(dropped(NET_DROP_ARP_CONFLICT), 20);
	cr_expect_eq(wire.n, 1);
}

Test(net, addresses_are_announced_twice)
{
	struct net_addr a = addr4(198, 18, 0, 9);

	cr_assert_eq(net_addr_add(net, 0, &a, 24), 0);
	for (int i = 0; i < 10; i++) {
		net_timers(net, now);
		now += SEC;
	}
	net_flush(net);
	cr_assert_eq(wire.n, 2);
	cr_expect_eq(sent_arp(&wire, 0)->arp_data.arp_sip, be4(198, 18, 0, 9));
	cr_expect_eq(sent_arp(&wire, 0)->arp_data.arp_tip, be4(198, 18, 0, 9));
}

/* --- routes and output ---------------------------------------------------------- */

static const struct {
	uint8_t dst[4], hop[4];
	int iface; /* -1: none */
} routes[] = {
	{{198, 18, 0, 1}, {198, 18, 0, 1}, 0},
	{{198, 19, 0, 1}, {198, 19, 0, 1}, 1},
	{{8, 8, 8, 8}, {198, 18, 0, 254}, 0},
	{{10, 1, 2, 3}, {198, 19, 0, 7}, 1},
	{{10, 1, 3, 3}, {198, 19, 0, 8}, 1},
	{{198, 18, 0, 2}, {0}, -1},   /* ours */
	{{198, 18, 0, 255}, {0}, -1}, /* broadcast */
	{{198, 18, 0, 0}, {0}, -1},
	{{255, 255, 255, 255}, {0}, -1},
	{{224, 0, 0, 1}, {0}, -1},
	{{127, 0, 0, 1}, {0}, -1},
	{{0, 0, 0, 0}, {0}, -1},
};

Test(net, longest_prefix_wins)
{
	struct net_addr p16 = addr4(10, 1, 0, 0), p24 = addr4(10, 1, 2, 0);
	struct net_addr a = addr4(198, 19, 0, 8), b = addr4(198, 19, 0, 7);
	struct net_path path;

	cr_assert_eq(net_route_add(net, &p16, 16, &a), 0);
	cr_assert_eq(net_route_add(net, &p24, 24, &b), 0);
	for (size_t i = 0; i < RTE_DIM(routes); i++) {
		struct net_addr dst = {.family = 4};

		memcpy(dst.b, routes[i].dst, 4);
		if (routes[i].iface < 0) {
			cr_expect_eq(net_route(net, &dst, &path), -ENETUNREACH, "case %zu", i);
			continue;
		}
		cr_assert_eq(net_route(net, &dst, &path), 0, "case %zu", i);
		cr_expect_eq(path.iface, routes[i].iface, "case %zu", i);
		cr_expect_eq(memcmp(path.next_hop.b, routes[i].hop, 4), 0, "case %zu", i);
		cr_expect_eq(path.src.b[1], routes[i].iface == 0 ? 18 : 19, "case %zu", i);
		cr_expect_eq(path.mtu, 1500);
	}
}

Test(net, bad_addresses_and_routes_are_refused)
{
	struct net_addr host = addr4(10, 0, 0, 1), p = addr4(10, 0, 0, 0),
			gw = addr4(198, 18, 0, 9);
	struct net_addr far = addr4(9, 9, 9, 9), ours = addr4(198, 18, 0, 2);
	struct net_addr bc = addr4(198, 18, 0, 255), lo = addr4(127, 0, 0, 1);
	struct net_addr six = {.family = 6};

	cr_expect_eq(net_route_add(net, &host, 8, &gw), -EINVAL, "bits behind the prefix");
	cr_expect_eq(net_route_add(net, &p, 33, &gw), -EINVAL);
	cr_expect_eq(net_route_add(net, &six, 0, &gw), -EINVAL);
	cr_expect_eq(net_route_add(net, &p, 8, &far), -ENETUNREACH, "behind a gateway itself");
	cr_expect_eq(net_route_add(net, &p, 8, &ours), -ENETUNREACH);
	cr_expect_eq(net_route_add(net, &p, 8, &bc), -ENETUNREACH);
	cr_expect_eq(net_addr_add(net, 0, &ours, 24), -EEXIST);
	cr_expect_eq(net_addr_add(net, 1, &bc, 24), -EINVAL);
	cr_expect_eq(net_addr_add(net, 0, &lo, 8), -EINVAL);
	cr_expect_eq(net_addr_add(net, 0, &six, 24), -EINVAL);
	cr_expect_eq(net_addr_add(net, 2, &host, 24), -EINVAL);
	cr_expect_eq(net_addr_add(net, 0, &host, 0), -EINVAL);
	cr_expect_eq(net_addr_add(net, 0, &host, 33), -EINVAL);
	cr_expect_eq(net_route_add(net, &p, 8, &gw), 0);
	cr_expect_eq(net_route_add(net, &p, 8, &gw), -EEXIST);
}

Test(net, remembered_path_is_used_until_routes_change)
{
	struct net_addr dst = addr4(198, 19, 0, 1), p = addr4(10, 0, 0, 0),
			gw = addr4(198, 18, 0, 9);
	struct net_path path;
	struct rte_mbuf *m = rte_pktmbuf_alloc(pools.data);

	cr_assert_eq(net_route(net, &dst, &path), 0);
	path.iface = 0; /* a way that is not the table's, to see it taken */
	rte_pktmbuf_append(m, 20);
	net_output(net, m, &path.src, &dst, IPPROTO_TCP, 64, 0, &path, now);
	net_flush(net);
	cr_expect_eq(wire.n, 1);
	cr_assert_eq(net_route_add(net, &p, 8, &gw), 0);
	m = rte_pktmbuf_alloc(pools.data);
	rte_pktmbuf_append(m, 20);
	net_output(net, m, &path.src, &dst, IPPROTO_TCP, 64, 0, &path, now);
	net_flush(net);
	cr_expect_eq(wire.n, 1);
	cr_expect_eq(inside.n, 1);
}

/* RFC 3168: what TCP says of ECN stands in the header, and in nothing else of it. */
Test(net, octet_of_ecn_and_dscp_is_sent_as_told)
{
	struct net_addr src = addr4(198, 18, 0, 2), dst = addr4(198, 18, 0, 1);
	struct rte_mbuf *m = rte_pktmbuf_alloc(pools.data);
	const struct rte_ipv4_hdr *h;

	learn(1, &peer_mac);
	rte_pktmbuf_append(m, 20);
	cr_assert_eq(net_output(net, m, &src, &dst, IPPROTO_TCP, 64, 0xba, NULL, now), 0);
	net_flush(net);
	cr_assert_eq(wire.n, 1);
	h = rte_pktmbuf_mtod_offset(wire.out[0], const struct rte_ipv4_hdr *,
				    sizeof(struct rte_ether_hdr));
	cr_expect_eq(h->type_of_service, 0xba);
	cr_expect_eq(rte_raw_cksum(h, sizeof(*h)), 0xffff);
}

Test(net, too_long_and_unroutable_packets_are_dropped)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pools.data);
	struct net_addr src = addr4(198, 18, 0, 2), dst = addr4(224, 1, 1, 1);

	rte_pktmbuf_append(m, 20);
	cr_expect_eq(net_output(net, m, &src, &dst, IPPROTO_TCP, 64, 0, NULL, now), -ENETUNREACH);
	cr_expect_eq(send_to(1, 1481), -EMSGSIZE);
	cr_expect_eq(send_to(1, 1480), 0);
	cr_expect_eq(dropped(NET_DROP_NO_ROUTE), 1);
	cr_expect_eq(dropped(NET_DROP_TOO_BIG), 1);
}

Test(net, full_port_keeps_a_bounded_list_in_order)
{
	learn(1, &peer_mac);
	wire.room = 10;
	for (int i = 0; i < 300; i++)
		send_to(1, (uint16_t)(20 + i));
	net_flush(net);
	cr_expect_eq(wire.n, 10);
	cr_expect_eq(dropped(NET_DROP_TX_FULL), 300 - NET_TX_MAX - 10);
	cr_expect_leq(net_next_timer_us(net), now + NET_TX_RETRY_US);
	wire.room = WIRE_MAX;
	net_flush(net);
	cr_assert_eq(wire.n, 10 + NET_TX_MAX);
	for (unsigned int i = 0; i < wire.n; i++)
		cr_expect_eq(wire.out[i]->pkt_len, 14 + 20 + 20 + i);
}

Test(net, no_buffer_for_an_answer_is_counted)
{
	struct rte_mbuf *m[1023];
	unsigned int n = 0;

	while (n < RTE_DIM(m) && (m[n] = rte_pktmbuf_alloc(pools.head)) != NULL)
		n++;
	arp_in(RTE_ARP_OP_REQUEST, &peer_mac, be4(198, 18, 0, 1), be4(198, 18, 0, 2));
	cr_expect_eq(dropped(NET_DROP_NO_MBUF), 1);
	cr_expect_eq(wire.n, 0);
	rte_pktmbuf_free_bulk(m, n);
}

Test(net, a_route_goes_and_the_next_best_is_taken)
{
	struct net_addr any = addr4(0, 0, 0, 0), ten = addr4(10, 0, 0, 0), dst = addr4(10, 1, 2, 3);
	struct net_addr via = addr4(198, 19, 0, 9), own = addr4(198, 19, 0, 0);
	uint32_t version;
	struct net_path p;

	cr_assert_eq(net_route_add(net, &ten, 8, &via), 0);
	cr_assert_eq(net_route(net, &dst, &p), 0);
	cr_expect_eq(p.iface, 1);
	version = net_routes_version(net);
	cr_expect_eq(p.version, version);
	cr_expect_eq(net_route_del(net, &ten, 9), -ENOENT);
	cr_expect_eq(net_route_del(net, &own, 24), -ENOENT, "a network of ours stays");
	cr_expect_eq(net_routes_version(net), version, "nothing changed");
	cr_assert_eq(net_route_del(net, &ten, 8), 0);
	cr_expect_neq(net_routes_version(net), version);
	cr_assert_eq(net_route(net, &dst, &p), 0);
	cr_expect_eq(p.iface, 0, "the default");
	cr_assert_eq(net_route_del(net, &any, 0), 0);
	cr_expect_eq(net_route(net, &dst, &p), -ENETUNREACH);
}

/* RFC 1122 3.3.4.3: the address of the network the next hop lies in. */
Test(net, the_source_is_of_the_network_that_leads_there)
{
	static const struct {
		uint8_t to[4], src[4];
	} cases[] = {
		{{198, 18, 0, 9}, {198, 18, 0, 2}},   {{192, 0, 2, 9}, {192, 0, 2, 7}},
		{{198, 18, 128, 9}, {198, 18, 0, 2}}, /* by the default gateway */
		{{10, 0, 0, 9}, {192, 0, 2, 7}},      /* by a gateway of the second network */
		{{198, 19, 0, 9}, {198, 19, 0, 2}},
	};
	struct net_addr second = addr4(192, 0, 2, 7), third = addr4(192, 0, 2, 8);
	struct net_addr ten = addr4(10, 0, 0, 0), via = addr4(192, 0, 2, 1);

	cr_assert_eq(net_addr_add(net, 0, &second, 24), 0);
	cr_assert_eq(net_addr_add(net, 0, &third, 24),
		     0); /* another of the same network: not first */
	cr_assert_eq(net_route_add(net, &ten, 8, &via), 0);
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		const uint8_t *t = cases[i].to;
		struct net_addr to = addr4(t[0], t[1], t[2], t[3]);
		struct net_path p;

		cr_assert_eq(net_route(net, &to, &p), 0, "case %zu", i);
		cr_expect_eq(memcmp(p.src.b, cases[i].src, 4), 0, "case %zu: %u.%u.%u.%u", i,
			     p.src.b[0], p.src.b[1], p.src.b[2], p.src.b[3]);
	}
}

/* --- super-segments ------------------------------------------------------------------------- */

/* Text of len bytes for segments of segsz, to 198.18.0.1: net_output()'s answer. */
static int send_super(uint32_t len, uint16_t segsz)
{
	struct net_addr src = addr4(198, 18, 0, 2), dst = addr4(198, 18, 0, 1);
	struct rte_ipv4_hdr ip = {
		.src_addr = net_v4(&src), .dst_addr = net_v4(&dst), .next_proto_id = IPPROTO_TCP};
	struct rte_mbuf *m = rte_pktmbuf_alloc(pools.head), *last = m;
	struct rte_tcp_hdr *h = (void *)rte_pktmbuf_append(m, sizeof(*h));

	*h = (struct rte_tcp_hdr){.data_off = 5 << 4, .tcp_flags = RTE_TCP_ACK_FLAG};
	h->cksum = rte_ipv4_phdr_cksum(&ip, RTE_MBUF_F_TX_TCP_SEG);
	m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
	m->l4_len = sizeof(*h);
	m->tso_segsz = segsz;
	for (uint32_t off = 0; off < len; off += PKT_DATA_ROOM) {
		uint16_t n = (uint16_t)RTE_MIN(len - off, (uint32_t)PKT_DATA_ROOM);

		last->next = rte_pktmbuf_alloc(pools.data);
		last = last->next;
		memset(rte_pktmbuf_append(last, n), (int)off + 1, n);
		m->nb_segs++;
		m->pkt_len += n;
	}
	return net_output(net, m, &src, &dst, IPPROTO_TCP, 64, 0, NULL, now);
}

static void expect_frames(unsigned int n, uint32_t len)
{
	uint8_t flat[2048];

	net_flush(net);
	cr_assert_eq(wire.n, n, "%u frames", wire.n);
	for (unsigned int i = 0; i < n; i++) {
		const uint8_t *b = rte_pktmbuf_read(wire.out[i], 0, len, flat);
		const struct rte_ipv4_hdr *ip = (const void *)(b + 14);
		uint32_t sum;

		cr_assert_not_null(b);
		cr_expect(rte_is_same_ether_addr(sent_to(&wire, i), &peer_mac));
		cr_expect_eq(wire.out[i]->pkt_len, len);
		cr_expect_eq(rte_raw_cksum(ip, sizeof(*ip)), 0xffff);
		sum = rte_ipv4_phdr_cksum(ip, 0) + rte_raw_cksum(b + 34, len - 34);
		cr_expect_eq(__rte_raw_cksum_reduce(sum), 0xffff);
	}
}

Test(net, super_segment_leaves_as_frames)
{
	learn(1, &peer_mac);
	cr_expect_eq(send_super(5 * 1460, 1460), 0);
	expect_frames(5, 1514);
}

/* RFC 9293 section 3.1 is the port's business then; ours is to say where what stands. */
Test(net, a_port_that_cuts_gets_the_super_segment)
{
	uint8_t flat[64];
	const uint8_t *b;
	const struct rte_mbuf *m;

	learn(1, &peer_mac);
	wire.port.tx_cksum = true;
	wire.port.tso_segs = 8;
	cr_expect_eq(send_super(5 * 1460, 1460), 0);
	net_flush(net);
	cr_assert_eq(wire.n, 1, "%u frames", wire.n);
	m = wire.out[0];
	cr_expect_eq(m->pkt_len, 14 + 20 + 20 + 5 * 1460);
	cr_expect_eq(m->l2_len, 14);
	cr_expect_eq(m->l3_len, 20);
	cr_expect_eq(m->l4_len, 20);
	cr_expect_eq(m->tso_segsz, 1460);
	cr_expect_eq(m->ol_flags & (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IP_CKSUM |
				    RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_IPV4),
		     RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_TCP_CKSUM |
			     RTE_MBUF_F_TX_IPV4);
	b = rte_pktmbuf_read(m, 0, 54, flat);
	cr_expect_eq(b[24] | b[25], 0, "the header's sum is the port's, too");
}

Test(net, a_super_segment_of_more_pieces_than_the_port_takes_is_cut)
{
	learn(1, &peer_mac);
	wire.port.tso_segs = 4; /* a header and four buffers are five */
	cr_expect_eq(send_super(5 * 1460, 1460), 0);
	expect_frames(5, 1514);
}

Test(net, super_segment_of_too_long_segments_is_dropped)
{
	learn(1, &peer_mac);
	cr_expect_eq(send_super(5 * 1461, 1461), -EMSGSIZE);
	expect_frames(0, 0);
	cr_expect_eq(dropped(NET_DROP_TOO_BIG), 1);
}

/* TCP sends it again: for it nothing went. */
Test(net, super_segment_without_buffers_goes_not_in_part)
{
	static struct rte_mbuf *held[1024];
	unsigned int n = 0;

	learn(1, &peer_mac);
	while (n < 1023 - 8)
		held[n++] = rte_pktmbuf_alloc(pools.head);
	cr_expect_eq(send_super(5 * 1460, 1460), -ENOMEM, "7 are left, 8 are needed");
	expect_frames(0, 0);
	cr_expect_eq(dropped(NET_DROP_NO_MBUF), 1);
	rte_pktmbuf_free_bulk(held, n);
	cr_expect_eq(send_super(5 * 1460, 1460), 0);
	expect_frames(5, 1514);
}

Test(net, super_segment_waits_for_a_neighbour_as_one)
{
	cr_expect_eq(send_super(5 * 1460, 1460), 0);
	net_flush(net);
	cr_expect_eq(wire.n, 1);
	cr_expect(is_arp(&wire, 0));
	wire_clear(&wire);
	arp_in(RTE_ARP_OP_REPLY, &peer_mac, be4(198, 18, 0, 1), be4(198, 18, 0, 2));
	expect_frames(5, 1514);
}
