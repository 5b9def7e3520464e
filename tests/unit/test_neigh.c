/*
 * dataplane/net/neigh: hosts of the link that are not there, and whoever makes us look for them
 * (RFC 6583; T-35, T-36).
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "tests/util/eal.h"
#include "tests/util/frame.h"
#include "tests/util/neigh.h"
#include "tests/util/rnd.h"

#define NEIGH 1024
#define SEC   UINT64_C(1000000)

static struct pkt_pools pools;
static struct wire wire;
static struct net *net;
static uint64_t now = SEC;
static struct net_addr us;

static void start(void)
{
	struct net_conf conf = {.pools = &pools, .neigh_max = NEIGH};
	struct net_addr gateway = addr4(198, 18, 255, 254), any = {.family = 4};

	eal_start("64");
	cr_assert_eq(pkt_pools_new("t", 4095, 2047, SOCKET_ID_ANY, &pools), 0);
	wire_init(&wire, 1);
	cr_assert_eq(net_new(&conf, &net), 0);
	cr_assert_eq(net_iface_add(net, "x", &wire.port), 0);
	us = addr4(198, 18, 0, 2);
	cr_assert_eq(net_addr_add(net, 0, &us, 16), 0);
	cr_assert_eq(net_route_add(net, &any, 0, &gateway), 0);
}

static void end(void)
{
	net_free(net);
	wire_clear(&wire);
	cr_expect_eq(eal_out(pools.data), 0);
	cr_expect_eq(eal_out(pools.head), 0);
}

TestSuite(neigh, .init = start, .fini = end);

static uint64_t dropped(enum net_drop why)
{
	return net_drops(net)[why];
}

static int send_for(uint16_t asker, const struct net_addr *to)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pools.data);
	struct net_path path;

	cr_assert_eq(net_route(net, to, &path), 0);
	cr_expect_eq(path.asker, 0);
	path.asker = asker;
	memset(rte_pktmbuf_append(m, 20), 0, 20);
	return net_output(net, m, &us, to, IPPROTO_TCP, 64, 0, &path, now);
}

/* 198.18.x.y of which nobody has one; and of which each is there. */
static struct net_addr dead(unsigned int i)
{
	return addr4(198, 18, (uint8_t)(64 + i / 250 % 128), (uint8_t)(1 + i % 250));
}

static struct net_addr alive(unsigned int i)
{
	return addr4(198, 18, (uint8_t)(8 + i / 250 % 32), (uint8_t)(1 + i % 250));
}

static void answer(const struct net_addr *a)
{
	struct {
		struct rte_ether_hdr eth;
		struct rte_arp_hdr arp;
	} f = {
		.eth = {.dst_addr = wire.port.mac,
			.src_addr = {{2, 0, 0, 0, 1, a->b[3]}},
			.ether_type = RTE_BE16(RTE_ETHER_TYPE_ARP)},
		.arp = {.arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER),
			.arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4),
			.arp_hlen = 6,
			.arp_plen = 4,
			.arp_opcode = RTE_BE16(RTE_ARP_OP_REPLY),
			.arp_data = {.arp_sha = {{2, 0, 0, 0, 1, a->b[3]}},
				     .arp_tha = wire.port.mac}},
	};
	struct rte_mbuf *m, *tcp;

	memcpy(&f.arp.arp_data.arp_sip, a->b, 4);
	memcpy(&f.arp.arp_data.arp_tip, us.b, 4);
	m = frame_bytes(pools.data, &f, sizeof(f));
	cr_assert_eq(net_input_burst(net, 0, &m, 1, now, &tcp), 0);
	net_flush(net);
	wire_clear(&wire);
}

static void turn(void)
{
	const char *wrong;
	unsigned int n;

	net_timers(net, now);
	net_flush(net);
	wire_clear(&wire);
	wrong = neigh_wrong(net, &n);
	cr_assert_null(wrong, "%s", wrong);
}

/* A packet for it leaves at once. */
static bool is_known(const struct net_addr *a)
{
	bool left;

	wire_clear(&wire);
	cr_expect_eq(send_for(0, a), 0);
	net_flush(net);
	left = wire.n == 1 && wire.out[0]->pkt_len == 14 + 20 + 20;
	wire_clear(&wire);
	return left;
}

/* Each waits for three questions, a second apart: 512 of them were 170 a second. */
Test(neigh, hosts_that_are_not_there_do_not_keep_us_from_those_that_are)
{
	const unsigned int seconds = test_long() ? 120 : 5, rate = 2000;

	for (unsigned int i = 0; i < seconds * rate; i++, now += SEC / rate) {
		struct net_addr a = dead(i), b = alive(i / 100);

		send_for(0, &a);
		if (i % 100 == 0)
			cr_assert_eq(send_for(0, &b), 0, "after %u", i);
		if (i % 100 == 2) { /* a millisecond later */
			answer(&b);
			cr_assert(is_known(&b), "after %u", i);
		}
		turn();
	}
	cr_expect_eq(dropped(NET_DROP_NEIGH_FULL), 0);
	cr_expect_gt(dropped(NET_DROP_NEIGH_GAVE_WAY), seconds * rate / 2);
}

/* Whatever stands where one looks for a place in a table that is full of both. */
Test(neigh, new_neighbour_has_a_place_among_known_ones_and_dead_ones)
{
	for (unsigned int i = 0; i < 600; i++, now += 1000) {
		struct net_addr a = alive(i);

		cr_assert_eq(send_for(0, &a), 0);
		answer(&a);
		turn();
	}
	for (unsigned int i = 0; i < 20000; i++, now += 1000) {
		struct net_addr a = dead(i);

		cr_assert_eq(send_for(0, &a), 0, "after %u", i);
		if (i % 16 == 0) {
			struct net_addr b = alive(600 + i / 16 % 400);

			cr_assert_eq(send_for(0, &b), 0, "after %u", i);
			answer(&b);
		}
		if (i % 10 == 0)
			turn();
	}
	cr_expect_eq(dropped(NET_DROP_NEIGH_FULL), 0);
}

/* Above the rate at which questions can be answered at all, those asked first are. */
Test(neigh, no_question_gives_way_before_it_could_be_answered)
{
	struct net_addr first = alive(0);

	cr_assert_eq(send_for(0, &first), 0);
	for (unsigned int i = 0; i < 20000; i++, now += 4) { /* 250,000 a second, for 80 ms */
		struct net_addr a = dead(i);

		send_for(0, &a);
		if (i % 100 == 0)
			turn();
	}
	cr_expect_eq(dropped(NET_DROP_NEIGH_GAVE_WAY), 0);
	cr_expect_gt(dropped(NET_DROP_NEIGH_FULL), 19000);
	answer(&first);
	cr_expect(is_known(&first));
}

Test(neigh, gateway_and_who_was_known_before_do_not_give_way)
{
	struct net_addr far = addr4(203, 0, 113, 1), gateway = addr4(198, 18, 255, 254);
	struct net_addr known = alive(0);

	cr_assert_eq(send_for(0, &known), 0);
	answer(&known);
	now += 40 * SEC; /* long not heard of, it is asked alone, then everybody */
	cr_assert_eq(send_for(0, &known), 0);
	for (int i = 0; i < 4; i++, now += SEC)
		turn();
	cr_assert_eq(send_for(0, &far), 0);
	for (unsigned int i = 0; i < 3000; i++, now += 500) {
		struct net_addr a = dead(i);

		send_for(0, &a);
		turn();
	}
	answer(&gateway);
	cr_expect(is_known(&far), "its packets go by way of the gateway");
	answer(&known);
	cr_expect(is_known(&known));
}

/* --- askers ------------------------------------------------------------------------------- */

static unsigned int granted(uint16_t asker, unsigned int from, unsigned int n)
{
	unsigned int ok = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct net_addr a = dead(from + i);

		ok += send_for(asker, &a) == 0;
	}
	return ok;
}

Test(neigh, one_asker_makes_us_look_for_so_many_and_no_more)
{
	cr_expect_eq(granted(7, 0, 300), 64);
	cr_expect_eq(dropped(NET_DROP_NEIGH_ASKER), 300 - 64);
	cr_expect_eq(granted(8, 300, 64), 64, "another is not held to that");
	cr_expect_eq(granted(0, 400, 100), 100, "nor who answers strangers");
	now += SEC / 10;
	cr_expect_eq(granted(7, 600, 100), 5, "fifty a second");
	cr_expect_eq(dropped(NET_DROP_NEIGH_FULL), 0);
}

Test(neigh, asker_who_asked_too_much_reaches_whom_we_know)
{
	struct net_addr a = alive(1), b = dead(1000);

	cr_assert_eq(send_for(0, &a), 0);
	answer(&a);
	granted(7, 0, 300);
	cr_expect_eq(send_for(7, &a), 0);
	cr_expect_eq(send_for(7, &b), -ENOBUFS);
}

Test(neigh, asker_who_rested_has_his_burst_and_not_more)
{
	granted(7, 0, 300);
	now += 100 * SEC;
	turn();
	cr_expect_eq(granted(7, 1000, 300), 64);
}
