/* dataplane/net: IPv4 and ICMP: what is answered, what is dropped and why. */
#include "net_bench.h"

TestSuite(net, .init = start, .fini = end);

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
