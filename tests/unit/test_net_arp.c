/* dataplane/net: ARP: who is learnt, who is asked, and what is not believed. */
#include "net_bench.h"

TestSuite(net_arp, .init = start, .fini = end);

Test(net_arp, arp_request_for_us_is_answered_to_the_asker)
{
	arp_in(RTE_ARP_OP_REQUEST, &peer_mac, be4(198, 18, 0, 1), be4(198, 18, 0, 2));
	cr_assert_eq(wire.n, 1);
	cr_expect(rte_is_same_ether_addr(sent_to(&wire, 0), &peer_mac));
	cr_expect_eq(sent_arp(&wire, 0)->arp_opcode, RTE_BE16(RTE_ARP_OP_REPLY));
	cr_expect_eq(sent_arp(&wire, 0)->arp_data.arp_sip, be4(198, 18, 0, 2));
	cr_expect_eq(sent_arp(&wire, 0)->arp_data.arp_tip, be4(198, 18, 0, 1));
	cr_expect(rte_is_same_ether_addr(&sent_arp(&wire, 0)->arp_data.arp_sha, &wire.port.mac));
}

Test(net_arp, arp_probe_for_our_address_is_answered)
{
	arp_in(RTE_ARP_OP_REQUEST, &peer_mac, 0, be4(198, 18, 0, 2));
	cr_expect_eq(wire.n, 1);
}

Test(net_arp, arp_request_for_another_is_not_answered)
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

Test(net_arp, malformed_arp_is_dropped)
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

Test(net_arp, first_packet_asks_and_goes_out_with_the_answer)
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

Test(net_arp, three_packets_wait_and_the_oldest_goes_first)
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

Test(net_arp, silent_neighbour_is_asked_three_times_and_given_up)
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

Test(net_arp, strangers_leave_no_trace_in_the_neighbour_table)
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

Test(net_arp, unsolicited_arp_does_not_move_a_known_neighbour)
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

Test(net_arp, neighbour_that_really_moved_is_found_again)
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

Test(net_arp, old_entry_is_checked_while_it_is_used)
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

Test(net_arp, unused_entry_goes_and_the_gateway_keeps_its_place)
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

Test(net_arp, a_full_table_forgets_who_was_not_needed_for_longest)
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

Test(net_arp, another_host_with_our_address_is_counted_and_answered_once)
{
	for (int i = 0; i < 20; i++)
		arp_in(RTE_ARP_OP_REQUEST, &other_mac, be4(198, 18, 0, 2), be4(198, 18, 0, 2));
	net_timers(net, now);
	net_flush(net);
	cr_expect_eq(dropped(NET_DROP_ARP_CONFLICT), 20);
	cr_expect_eq(wire.n, 1);
}

Test(net_arp, addresses_are_announced_twice)
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
