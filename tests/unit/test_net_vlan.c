/* dataplane/net/vlan.c: which interface a tag means, and the tag of what is sent. */
#include <criterion/criterion.h>
#include <errno.h>

#include "dataplane/net/internal.h"
#include "tests/util/eal.h"
#include "tests/util/frame.h"

#define SEC 1000000ull

static struct pkt_pools pools;
static struct wire wire;
static struct net *net;
static uint64_t now = 5 * SEC;
static const struct rte_ether_addr peer_mac = {{2, 0, 0, 0, 0, 0x77}};
static const struct rte_ether_addr broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

static void quiet(void)
{
	net_timers(net, now);
	now += 3 * SEC;
	net_timers(net, now);
	net_flush(net);
	wire_clear(&wire);
}

static void iface(uint16_t vlan, uint16_t mtu, uint8_t third)
{
	struct net_addr a = addr4(198, 18, third, 2);
	int i = net_iface_add(net, "x", &wire.port);

	cr_assert_geq(i, 0);
	cr_assert_eq(net_iface_set(net, (unsigned int)i, vlan, mtu), 0);
	cr_assert_eq(net_addr_add(net, (unsigned int)i, &a, 24), 0);
}

static void begin(void)
{
	struct net_conf conf = {.pools = &pools, .neigh_max = 16};

	eal_start("64");
	cr_assert_eq(pkt_pools_new("t", 1023, 1023, SOCKET_ID_ANY, &pools), 0);
	cr_assert_eq(net_new(&conf, &net), 0);
	wire_init(&wire, 1);
}

/* One port: 198.18.0.2 without a tag, 198.18.10.2 with 10 and its own MTU, 198.18.20.2 with 20. */
static void start(void)
{
	begin();
	iface(0, 0, 0);
	iface(10, 1400, 10);
	iface(20, 0, 20);
	quiet();
}

static void end(void)
{
	net_free(net);
	wire_clear(&wire);
	cr_expect_eq(eal_out(pools.data), 0);
	cr_expect_eq(eal_out(pools.head), 0);
}

TestSuite(vlan, .init = start, .fini = end);
TestSuite(vlan_only, .init = begin, .fini = end);

/* A question for 198.18.third.2 behind tags; -1 ends the list. */
static struct rte_mbuf *question(const int *tci, uint8_t third)
{
	struct rte_arp_hdr arp = {.arp_hardware = RTE_BE16(1),
				  .arp_protocol = RTE_BE16(0x0800),
				  .arp_hlen = 6,
				  .arp_plen = 4,
				  .arp_opcode = RTE_BE16(RTE_ARP_OP_REQUEST),
				  .arp_data = {.arp_sha = peer_mac,
					       .arp_sip = be4(198, 18, third, 1),
					       .arp_tip = be4(198, 18, third, 2)}};
	uint8_t f[128];
	size_t n = 12;
	rte_be16_t v;

	memcpy(f, &broadcast, 6);
	memcpy(f + 6, &peer_mac, 6);
	for (; *tci >= 0; tci++) {
		v = RTE_BE16(RTE_ETHER_TYPE_VLAN);
		memcpy(f + n, &v, 2);
		v = rte_cpu_to_be_16((uint16_t)*tci);
		memcpy(f + n + 2, &v, 2);
		n += 4;
	}
	v = RTE_BE16(RTE_ETHER_TYPE_ARP);
	memcpy(f + n, &v, 2);
	memcpy(f + n + 2, &arp, sizeof(arp));
	return frame_bytes(pools.data, f, n + 2 + sizeof(arp));
}

static unsigned int input(struct rte_mbuf *m, unsigned int at)
{
	struct rte_mbuf *ret;
	unsigned int k = net_input_burst(net, at, &m, 1, now, &ret);

	net_flush(net);
	return k;
}

static uint16_t be16_at(const struct rte_mbuf *m, unsigned int off)
{
	rte_be16_t v;

	memcpy(&v, rte_pktmbuf_mtod_offset(m, const void *, off), 2);
	return rte_be_to_cpu_16(v);
}

static uint64_t dropped(enum net_drop why)
{
	return net_drops(net)[why];
}

/* What is asked with the tags is answered with this tag; 0: without. */
static void expect_answer(const int *tci, uint8_t third, unsigned int tag)
{
	const struct rte_mbuf *m;

	cr_expect_eq(input(question(tci, third), 0), 0);
	cr_assert_eq(wire.n, 1, "no answer to 198.18.%u.2", third);
	m = wire.out[0];
	cr_expect_eq(memcmp(rte_pktmbuf_mtod(m, void *), &peer_mac, 6), 0);
	if (tag != 0) {
		cr_expect_eq(be16_at(m, 12), RTE_ETHER_TYPE_VLAN);
		cr_expect_eq(be16_at(m, 14), tag);
		cr_expect_eq(be16_at(m, 16), RTE_ETHER_TYPE_ARP);
		cr_expect_eq(m->pkt_len, 14 + 4 + sizeof(struct rte_arp_hdr));
	} else {
		cr_expect_eq(be16_at(m, 12), RTE_ETHER_TYPE_ARP);
	}
	wire_clear(&wire);
}

static void expect_drop(struct rte_mbuf *m, unsigned int at, enum net_drop why)
{
	uint64_t before = dropped(why);

	cr_expect_eq(input(m, at), 0);
	cr_expect_eq(wire.n, 0);
	cr_expect_eq(dropped(why), before + 1, "%s", net_drop_name(why));
	wire_clear(&wire);
}

Test(vlan, a_tag_means_its_interface_both_ways)
{
	expect_answer((int[]){-1}, 0, 0);
	expect_answer((int[]){10, -1}, 10, 10);
	expect_answer((int[]){20, -1}, 20, 20);
}

Test(vlan, priority_and_eligibility_mean_nothing)
{
	expect_answer((int[]){10 | 7 << 13 | 1 << 12, -1}, 10, 10);
}

Test(vlan, a_tag_of_priority_alone_is_no_tag)
{
	expect_answer((int[]){0, -1}, 0, 0);
	expect_answer((int[]){5 << 13, -1}, 0, 0);
}

Test(vlan, other_tags_are_dropped)
{
	static const int tags[] = {1, 9, 11, 21, 4094, 4095};

	for (unsigned int i = 0; i < RTE_DIM(tags); i++)
		expect_drop(question((int[]){tags[i], -1}, 10), 0, NET_DROP_VLAN);
}

Test(vlan, two_tags_are_one_too_many)
{
	expect_drop(question((int[]){10, 10, -1}, 10), 0, NET_DROP_ETHERTYPE);
	expect_drop(question((int[]){0, 10, -1}, 10), 0, NET_DROP_ETHERTYPE);
}

Test(vlan, an_address_answers_behind_its_own_tag_only)
{
	expect_drop(question((int[]){20, -1}, 10), 0, NET_DROP_NOT_MINE);
	expect_drop(question((int[]){-1}, 10), 0, NET_DROP_NOT_MINE);
	expect_drop(question((int[]){10, -1}, 0), 0, NET_DROP_NOT_MINE);
}

Test(vlan, a_cut_tag_is_short)
{
	for (uint16_t len = 14; len < 18; len++) {
		struct rte_mbuf *m = question((int[]){10, -1}, 10);

		m->data_len = m->pkt_len = len;
		expect_drop(m, 0, NET_DROP_SHORT);
	}
}

Test(vlan, any_interface_of_the_port_may_be_named)
{
	cr_expect_eq(input(question((int[]){10, -1}, 10), 2), 0);
	cr_expect_eq(wire.n, 1);
	wire_clear(&wire);
	cr_expect_eq(input(question((int[]){-1}, 0), 1), 0);
	cr_expect_eq(wire.n, 1);
}

Test(vlan, a_shared_mbuf_keeps_its_bytes)
{
	struct rte_mbuf *m = question((int[]){10, -1}, 10);
	uint8_t before[64];

	memcpy(before, rte_pktmbuf_mtod(m, void *), m->data_len);
	rte_mbuf_refcnt_update(m, 1);
	cr_expect_eq(input(m, 0), 0);
	cr_expect_eq(wire.n, 1);
	cr_expect_eq(memcmp(before, rte_pktmbuf_mtod(m, void *), m->data_len), 0);
	rte_pktmbuf_free(m);
}

Test(vlan, what_the_port_does_is_not_done_again)
{
	struct rte_mbuf *m = question((int[]){-1}, 10);

	wire.port.rx_vlan = wire.port.tx_vlan = true;
	m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	m->vlan_tci = 10 | 3 << 13;
	cr_expect_eq(input(m, 0), 0);
	cr_assert_eq(wire.n, 1);
	cr_expect_eq(be16_at(wire.out[0], 12), RTE_ETHER_TYPE_ARP);
	cr_expect(wire.out[0]->ol_flags & RTE_MBUF_F_TX_VLAN);
	cr_expect_eq(wire.out[0]->vlan_tci, 10);
	wire_clear(&wire);

	m = question((int[]){-1}, 10);
	m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	m->vlan_tci = 11;
	expect_drop(m, 0, NET_DROP_VLAN);
}

/* A packet of ours to the host at .1 of a tag's network, sent without waiting for its MAC. */
static const struct rte_mbuf *output(uint8_t third, uint64_t ol_flags)
{
	struct net_addr src = addr4(198, 18, third, 2), dst = addr4(198, 18, third, 1);
	struct rte_mbuf *m = rte_pktmbuf_alloc(pools.data);
	struct neigh *e;

	rte_pktmbuf_append(m, 40);
	m->ol_flags = ol_flags;
	cr_assert_eq(net_output(net, m, &src, &dst, 6, 64, 0, NULL, now), 0);
	for (uint32_t i = 0; i < net->neigh_max; i++) {
		e = &net->neigh[i];
		if (net_addr_eq(&e->ip, &dst))
			neigh_heard(net, e->iface, &dst, &peer_mac, true);
	}
	net_flush(net);
	cr_assert_eq(wire.n, 2, "the question and the packet");
	return wire.out[1];
}

Test(vlan, packets_go_out_with_the_tag_of_their_route)
{
	const struct rte_mbuf *m = output(20, 0);

	cr_expect_eq(be16_at(m, 12), RTE_ETHER_TYPE_VLAN);
	cr_expect_eq(be16_at(m, 14), 20);
	cr_expect_eq(be16_at(m, 16), RTE_ETHER_TYPE_IPV4);
	cr_expect_eq(m->pkt_len, 14 + 4 + 20 + 40);
}

Test(vlan, the_port_is_told_where_the_ip_header_begins)
{
	const struct rte_mbuf *m = output(20, RTE_MBUF_F_TX_TCP_CKSUM);

	cr_expect_eq(m->l2_len, 18);
	cr_expect_eq(m->l3_len, 20);
}

Test(vlan, mtu_and_source_are_of_the_interface)
{
	struct net_addr src = addr4(198, 18, 10, 2), dst = addr4(198, 18, 10, 1);
	struct net_path path;

	cr_assert_eq(net_route(net, &dst, &path), 0);
	cr_expect_eq(path.iface, 1);
	cr_expect_eq(path.mtu, 1400, "its own");
	cr_expect(net_addr_eq(&path.src, &src));
	dst = addr4(198, 18, 20, 1);
	cr_assert_eq(net_route(net, &dst, &path), 0);
	cr_expect_eq(path.mtu, 1500, "the port's");
}

Test(vlan, bad_settings_are_refused)
{
	int i = net_iface_add(net, "y", &wire.port);

	cr_assert_eq(i, 3);
	cr_expect_eq(net_iface_set(net, 3, 4095, 0), -EINVAL);
	cr_expect_eq(net_iface_set(net, 3, 5000, 0), -EINVAL);
	cr_expect_eq(net_iface_set(net, 4, 1, 0), -EINVAL);
	cr_expect_eq(net_iface_set(net, 3, 1, 575), -EINVAL);
	cr_expect_eq(net_iface_set(net, 3, 1, 1501), -EINVAL, "beyond the port's");
	cr_expect_eq(net_iface_set(net, 3, 10, 0), -EEXIST);
	cr_expect_eq(net_iface_set(net, 3, 0, 0), -EEXIST);
	cr_expect_eq(net_iface_set(net, 3, 11, 0), 0);
	cr_expect_eq(net_iface_set(net, 3, 11, 1500), 0, "its own again");
}

Test(vlan_only, a_port_of_tags_takes_nothing_without)
{
	iface(10, 0, 10);
	quiet();
	expect_drop(question((int[]){-1}, 10), 0, NET_DROP_VLAN);
	expect_drop(question((int[]){0, -1}, 10), 0, NET_DROP_VLAN);
	expect_answer((int[]){10, -1}, 10, 10);
}
