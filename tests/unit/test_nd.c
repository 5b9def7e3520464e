/* dataplane/net: neighbour discovery, whether our addresses are free, listener reports. */
#include <criterion/criterion.h>

#include "dataplane/net/internal.h"
#include "tests/util/eal.h"
#include "tests/util/frame6.h"
#include "tests/util/rnd.h"

#define SEC   1000000ull
#define MS    1000ull
#define NEIGH 16

static struct pkt_pools pools;
static struct wire wire;
static struct net *net;
static uint64_t now = 5 * SEC;
static const struct rte_ether_addr peer_mac = {{2, 0, 0, 0, 0, 0x77}};
static const struct rte_ether_addr other_mac = {{2, 0, 0, 0, 0, 0x78}};
static struct net_addr us, peer, gateway;

static void run(uint64_t us_more)
{
	uint64_t end = now + us_more;

	while (now < end) {
		uint64_t next = net_next_timer_us(net);

		now = next > now && next < end ? next : next <= now ? now + 1 : end;
		net_timers(net, now);
		net_flush(net);
	}
}

/* 2001:db8:1::2/64, not yet proved; the peer is ::1, the gateway ::fe. */
static void start(void)
{
	struct net_conf conf = {.pools = &pools, .neigh_max = NEIGH};
	struct net_addr any = {.family = 6};

	us = addr6(1, 2);
	peer = addr6(1, 1);
	gateway = addr6(1, 0xfe);
	eal_start("64");
	cr_assert_eq(pkt_pools_new("t", 2047, 2047, SOCKET_ID_ANY, &pools), 0);
	cr_assert_eq(net_new(&conf, &net), 0);
	wire_init(&wire, 1);
	cr_assert_eq(net_iface_add(net, "outside", &wire.port), 0);
	cr_assert_eq(net_addr_add(net, 0, &us, 64), 0);
	cr_assert_eq(net_route_add(net, &any, 0, &gateway), 0);
}

static void settled(void)
{
	start();
	run(10 * SEC);
	wire_clear(&wire);
}

static void end(void)
{
	net_free(net);
	wire_clear(&wire);
	cr_expect_eq(eal_out(pools.data), 0);
	cr_expect_eq(eal_out(pools.head), 0);
}

TestSuite(nd, .init = settled, .fini = end);
TestSuite(nd_start, .init = start, .fini = end);

static uint64_t dropped(enum net_drop why)
{
	return net_drops(net)[why];
}

static unsigned int input(struct frame6 *f)
{
	struct rte_mbuf *m = frame_bytes(pools.data, f->b, f->len), *ret;
	unsigned int k = net_input_burst(net, 0, &m, 1, now, &ret);

	if (k == 1)
		rte_pktmbuf_free(ret);
	net_flush(net);
	return k;
}

static int send_from(const struct net_addr *dst, uint16_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pools.data);
	int r;

	rte_pktmbuf_append(m, len);
	r = net_output(net, m, &us, dst, IPPROTO_TCP, 64, 0, NULL, now);
	net_flush(net);
	return r;
}

static struct net_addr group_of(const struct net_addr *a)
{
	return net_solicited_node(a);
}

static struct frame6 solicitation(const struct net_addr *src, const struct net_addr *target,
				  const struct rte_ether_addr *mac)
{
	struct net_addr g = group_of(target);
	struct rte_ether_addr to = net_group_mac(&g);
	struct frame6 f;

	f6_start(&f, mac, &to, src, &g, IPPROTO_ICMPV6, 255);
	f6_nd(&f, ND_NEIGHBOR_SOLICIT, 0, target, ND_OPT_SOURCE_LINKADDR, mac);
	return f;
}

static struct frame6 probe(const struct net_addr *target, const void *nonce)
{
	struct net_addr g = group_of(target), nobody = {.family = 6};
	struct rte_ether_addr to = net_group_mac(&g);
	struct frame6 f;

	f6_start(&f, &other_mac, &to, &nobody, &g, IPPROTO_ICMPV6, 255);
	f6_nd(&f, ND_NEIGHBOR_SOLICIT, 0, target, nonce != NULL ? 14 : 0, nonce);
	return f;
}

static struct frame6 advertisement(const struct net_addr *target, const struct rte_ether_addr *mac,
				   uint32_t flags)
{
	struct frame6 f;
	struct rte_ether_addr to = wire.port.mac;
	const struct net_addr *dst = &us;

	if (!(flags & ND_NA_FLAG_SOLICITED)) {
		dst = &net_all_nodes;
		to = net_group_mac(dst);
	}
	f6_start(&f, mac, &to, target, dst, IPPROTO_ICMPV6, 255);
	f6_nd(&f, ND_NEIGHBOR_ADVERT, flags, target, ND_OPT_TARGET_LINKADDR, mac);
	return f;
}

static void advertised(const struct net_addr *target, const struct rte_ether_addr *mac,
		       uint32_t flags)
{
	struct frame6 f = advertisement(target, mac, flags);

	cr_expect_eq(input(&f), 0);
}

static void learn(const struct net_addr *a, const struct rte_ether_addr *mac)
{
	send_from(a, 20);
	advertised(a, mac, ND_NA_FLAG_SOLICITED);
	wire_clear(&wire);
}

static const struct rte_ether_addr *sent_to(unsigned int i)
{
	return &rte_pktmbuf_mtod(wire.out[i], const struct rte_ether_hdr *)->dst_addr;
}

static const uint8_t *sent(unsigned int i, uint32_t off)
{
	return rte_pktmbuf_mtod_offset(wire.out[i], const uint8_t *, off);
}

/* Its ICMPv6 type; 0: another packet. */
static uint8_t sent_type(unsigned int i)
{
	return sent(i, F6_L2)[6] == IPPROTO_ICMPV6 ? *sent(i, F6_L2 + F6_IP) : 0;
}

static bool sent_target_is(unsigned int i, const struct net_addr *a)
{
	return memcmp(sent(i, F6_L2 + F6_IP + 8), a->b, 16) == 0;
}

static unsigned int count_type(uint8_t type, const struct net_addr *target)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < wire.n; i++)
		n += sent_type(i) == type && (target == NULL || sent_target_is(i, target));
	return n;
}

static bool known_to_be_at(const struct net_addr *a, const struct rte_ether_addr *mac)
{
	bool yes;

	wire_clear(&wire);
	send_from(a, 20);
	yes = wire.n >= 1 && sent_type(wire.n - 1) == 0 &&
	      rte_is_same_ether_addr(sent_to(wire.n - 1), mac);
	wire_clear(&wire);
	return yes;
}

/* --- our own addresses (RFC 4862) ----------------------------------------------------------- */

Test(nd_start, an_address_is_proved_before_it_is_used_and_then_announced)
{
	struct net_addr own = net->iface[0].addr[0].addr;
	struct net_path path;

	cr_expect_eq(net_route(net, &peer, &path), -EADDRNOTAVAIL);
	net_timers(net, now);
	net_flush(net);
	cr_expect_eq(count_type(ND_NEIGHBOR_SOLICIT, &us), 1);
	cr_expect_eq(count_type(ND_NEIGHBOR_SOLICIT, &own), 1, "the link-local one, too");
	for (unsigned int i = 0; i < wire.n; i++)
		if (sent_type(i) == ND_NEIGHBOR_SOLICIT)
			cr_expect_eq(sent(i, F6_L2 + 8)[0], 0, "from the unspecified address");
	wire_clear(&wire);
	run(999 * MS);
	cr_expect_eq(net_route(net, &peer, &path), -EADDRNOTAVAIL);
	cr_expect_eq(count_type(ND_NEIGHBOR_ADVERT, NULL), 0);
	run(2 * MS);
	cr_expect_eq(net_route(net, &peer, &path), 0);
	run(10 * SEC);
	cr_expect_eq(count_type(ND_NEIGHBOR_ADVERT, &us), 2);
	for (unsigned int i = 0; i < wire.n; i++)
		if (sent_type(i) == ND_NEIGHBOR_ADVERT) {
			cr_expect_eq(sent(i, F6_L2)[7], 255);
			cr_expect_eq(sent(i, F6_L2 + F6_IP)[4], 0x20, "override, not solicited");
			cr_expect_eq(sent_to(i)->addr_bytes[0], 0x33);
		}
}

Test(nd_start, a_question_nobody_can_hear_proves_nothing)
{
	struct net_path path;

	net_link_set(net, 0, false, now);
	run(10 * SEC);
	cr_expect_eq(net_route(net, &peer, &path), -EADDRNOTAVAIL);
	net_link_set(net, 0, true, now);
	wire_clear(&wire);
	net_timers(net, now);
	net_flush(net);
	cr_expect_eq(count_type(ND_NEIGHBOR_SOLICIT, &us), 1);
	run(500 * MS);
	/* It goes again before the second is over: nothing is known. */
	net_link_set(net, 0, false, now);
	run(10 * SEC);
	cr_expect_eq(net_route(net, &peer, &path), -EADDRNOTAVAIL);
	net_link_set(net, 0, true, now);
	run(1001 * MS);
	cr_expect_eq(net_route(net, &peer, &path), 0);
}

Test(nd_start, the_link_local_address_is_of_the_mac)
{
	static const uint8_t want[16] = {0xfe, 0x80, [11] = 0xff, 0xfe, 0, 0, 1};

	cr_expect_eq(memcmp(net->iface[0].addr[0].addr.b, want, 16), 0);
	cr_expect_eq(net->iface[0].addr[0].addr.scope, 1);
}

Test(nd_start, a_tentative_address_takes_no_packet)
{
	static const uint8_t tcp[24] = {[12] = 0x60};
	struct frame6 f;

	net_timers(net, now);
	f6_start(&f, &peer_mac, &wire.port.mac, &peer, &us, IPPROTO_TCP, 64);
	f6_put(&f, tcp, sizeof(tcp));
	f6_length(&f);
	cr_expect_eq(input(&f), 0);
	cr_expect_eq(dropped(NET_DROP_NOT_MINE), 1);
	f = solicitation(&peer, &us, &peer_mac);
	net_flush(net);
	wire_clear(&wire);
	input(&f);
	cr_expect_eq(count_type(ND_NEIGHBOR_ADVERT, NULL), 0, "nor does it answer");
	run(2 * SEC);
	f6_start(&f, &peer_mac, &wire.port.mac, &peer, &us, IPPROTO_TCP, 64);
	f6_put(&f, tcp, sizeof(tcp));
	f6_length(&f);
	cr_expect_eq(input(&f), 1);
}

Test(nd_start, an_address_another_has_is_not_taken_until_it_is_free)
{
	struct net_path path;

	net_timers(net, now);
	run(500 * MS);
	advertised(&us, &other_mac, 0);
	cr_expect_eq(dropped(NET_DROP_ND_CONFLICT), 1);
	run(20 * SEC);
	cr_expect_eq(net_route(net, &peer, &path), -EADDRNOTAVAIL);
	cr_expect_eq(count_type(ND_NEIGHBOR_ADVERT, &us), 0);
	run(12 * SEC);
	cr_expect_eq(net_route(net, &peer, &path), 0, "asked again, and nobody answered");
}

Test(nd_start, two_that_ask_at_once_are_a_duplicate_but_our_own_question_is_none)
{
	struct net_addr own = net->iface[0].addr[0].addr;
	static const uint8_t theirs[6] = {1, 2, 3, 4, 5, 6};
	struct net_path path;
	struct frame6 f;

	net_timers(net, now);
	f = probe(&own, net->nd_nonce); /* looped back */
	input(&f);
	cr_expect_eq(dropped(NET_DROP_ND_CONFLICT), 0);
	f = probe(&us, theirs);
	input(&f);
	cr_expect_eq(dropped(NET_DROP_ND_CONFLICT), 1);
	run(5 * SEC);
	cr_expect_eq(net_route(net, &peer, &path), -EADDRNOTAVAIL);
	cr_expect_eq(net->iface[0].addr[0].state, NET_ADDR_READY);
}

Test(nd, who_asks_for_our_address_is_told_that_it_is_taken)
{
	struct frame6 f = probe(&us, NULL);

	input(&f);
	cr_expect_eq(count_type(ND_NEIGHBOR_ADVERT, &us), 1);
	cr_expect_eq(sent(0, F6_L2 + 24)[0], 0xff, "told to everybody");
	cr_expect_eq(dropped(NET_DROP_ND_CONFLICT), 1);
	cr_expect(net->iface[0].addr[1].state == NET_ADDR_READY);
}

Test(nd, an_address_in_use_is_defended_and_kept)
{
	for (int i = 0; i < 100; i++)
		advertised(&us, &other_mac, ND_NA_FLAG_OVERRIDE);
	run(MS);
	cr_expect_eq(dropped(NET_DROP_ND_CONFLICT), 100);
	cr_expect_eq(count_type(ND_NEIGHBOR_ADVERT, &us), 1, "said once");
	cr_expect(net->iface[0].addr[1].state == NET_ADDR_READY);
}

/* --- answering ------------------------------------------------------------------------------ */

Test(nd, a_solicitation_is_answered_to_its_sender)
{
	struct frame6 f = solicitation(&peer, &us, &peer_mac);

	input(&f);
	cr_assert_eq(wire.n, 1);
	cr_expect(rte_is_same_ether_addr(sent_to(0), &peer_mac));
	cr_expect_eq(sent_type(0), ND_NEIGHBOR_ADVERT);
	cr_expect_eq(sent(0, F6_L2 + F6_IP)[4], 0x60, "solicited, override");
	cr_expect(sent_target_is(0, &us));
	cr_expect_eq(memcmp(sent(0, F6_L2 + 8), us.b, 16), 0);
	cr_expect_eq(memcmp(sent(0, F6_L2 + 24), peer.b, 16), 0);
	cr_expect_eq(memcmp(sent(0, F6_L2 + F6_IP + 26), wire.port.mac.addr_bytes, 6), 0);
}

Test(nd, a_solicitation_without_a_mac_is_answered_by_way_of_the_table)
{
	struct frame6 f;

	learn(&peer, &peer_mac);
	f6_start(&f, &peer_mac, &wire.port.mac, &peer, &us, IPPROTO_ICMPV6, 255);
	f6_nd(&f, ND_NEIGHBOR_SOLICIT, 0, &us, 0, NULL);
	input(&f);
	cr_assert_eq(wire.n, 1);
	cr_expect_eq(sent_type(0), ND_NEIGHBOR_ADVERT);
	cr_expect(rte_is_same_ether_addr(sent_to(0), &peer_mac));
}

static const struct {
	const char *what;
	uint32_t at;
	uint8_t value;
	uint32_t len; /* of the frame, 0: as it is */
	enum net_drop why;
} faults[] = {
	{"hop limit 254: from beyond the link", F6_L2 + 7, 254, 0, NET_DROP_ND},
	{"hop limit 64", F6_L2 + 7, 64, 0, NET_DROP_ND},
	{"code", F6_L2 + F6_IP + 1, 1, 0, NET_DROP_ND},
	{"multicast target", F6_L2 + F6_IP + 8, 0xff, 0, NET_DROP_ND},
	{"option of length 0", F6_L2 + F6_IP + 25, 0, 0, NET_DROP_ND},
	{"option past the end", F6_L2 + F6_IP + 25, 2, 0, NET_DROP_ND},
	{"MAC of a group", F6_L2 + F6_IP + 26, 0x33, 0, NET_DROP_ND},
	{"half an option", 0, 0x33, F6_L2 + F6_IP + 28, NET_DROP_ND},
	{"no target", 0, 0x33, F6_L2 + F6_IP + 23, NET_DROP_ND},
	{"a target that is not ours", F6_L2 + F6_IP + 22, 9, 0, NET_DROP_NOT_MINE},
};

Test(nd, malformed_solicitations_are_dropped_without_a_word)
{
	for (size_t i = 0; i < RTE_DIM(faults); i++) {
		struct frame6 f = solicitation(&peer, &us, &peer_mac);
		uint64_t before = dropped(faults[i].why);

		f.b[faults[i].at] = faults[i].value;
		f.len = faults[i].len != 0 ? faults[i].len : f.len;
		f6_end_icmp(&f);
		cr_expect_eq(input(&f), 0, "%s", faults[i].what);
		cr_expect_eq(dropped(faults[i].why), before + 1, "%s", faults[i].what);
		cr_expect_eq(wire.n, 0, "%s", faults[i].what);
	}
}

Test(nd, a_message_in_fragments_is_not_read)
{
	static const uint8_t atomic[8] = {IPPROTO_ICMPV6, 0, 0, 0, 0, 0, 0, 7};
	struct frame6 f;

	f6_start(&f, &peer_mac, &wire.port.mac, &peer, &us, IPPROTO_FRAGMENT, 255);
	f6_ext(&f, atomic, sizeof(atomic));
	f6_nd(&f, ND_NEIGHBOR_SOLICIT, 0, &us, ND_OPT_SOURCE_LINKADDR, &peer_mac);
	input(&f);
	cr_expect_eq(dropped(NET_DROP_ND), 1);
	cr_expect_eq(wire.n, 0);
}

Test(nd, a_message_that_fills_a_packet_is_bounded)
{
	uint8_t opt[1400];
	struct frame6 f;

	memset(opt, 0, sizeof(opt));
	for (size_t i = 0; i < sizeof(opt); i += 8)
		opt[i + 1] = 1;
	f6_start(&f, &peer_mac, &wire.port.mac, &peer, &us, IPPROTO_ICMPV6, 255);
	f6_nd(&f, ND_NEIGHBOR_SOLICIT, 0, &us, 0, NULL);
	f6_put(&f, opt, sizeof(opt));
	f6_end_icmp(&f);
	input(&f);
	cr_expect_eq(dropped(NET_DROP_ND), 1);
}

/* --- asking ------------------------------------------------------------------------------------
 */

Test(nd, first_packet_asks_the_group_and_goes_out_with_the_answer)
{
	struct net_addr g = group_of(&peer);
	struct rte_ether_addr to = net_group_mac(&g);

	cr_expect_eq(send_from(&peer, 20), 0);
	cr_assert_eq(wire.n, 1);
	cr_expect_eq(sent_type(0), ND_NEIGHBOR_SOLICIT);
	cr_expect(rte_is_same_ether_addr(sent_to(0), &to));
	cr_expect(sent_target_is(0, &peer));
	cr_expect_eq(memcmp(sent(0, F6_L2 + F6_IP + 26), wire.port.mac.addr_bytes, 6), 0);
	advertised(&peer, &peer_mac, ND_NA_FLAG_SOLICITED | ND_NA_FLAG_OVERRIDE);
	cr_assert_eq(wire.n, 2);
	cr_expect(rte_is_same_ether_addr(sent_to(1), &peer_mac));
	cr_expect_eq(sent_type(1), 0);
}

Test(nd, three_packets_wait_and_the_oldest_goes_first)
{
	for (uint16_t i = 0; i < 5; i++)
		send_from(&peer, (uint16_t)(20 + i));
	cr_expect_eq(dropped(NET_DROP_NEIGH_QUEUE), 2);
	advertised(&peer, &peer_mac, ND_NA_FLAG_SOLICITED);
	cr_assert_eq(wire.n, 1 + 3);
	cr_expect_eq(wire.out[1]->pkt_len, F6_L2 + F6_IP + 22);
}

Test(nd, a_silent_neighbour_is_asked_three_times_and_given_up)
{
	send_from(&peer, 20);
	run(10 * SEC);
	cr_expect_eq(count_type(ND_NEIGHBOR_SOLICIT, &peer), 3);
	cr_expect_eq(dropped(NET_DROP_NEIGH_TIMEOUT), 1);
}

Test(nd, stale_is_asked_alone_after_a_delay_and_packets_do_not_wait)
{
	learn(&peer, &peer_mac);
	run(46 * SEC); /* longer than any reachable time */
	cr_expect(known_to_be_at(&peer, &peer_mac));
	run(4 * SEC);
	cr_expect_eq(wire.n, 0, "not yet");
	run(1500 * MS);
	cr_assert_eq(count_type(ND_NEIGHBOR_SOLICIT, &peer), 1);
	cr_expect(rte_is_same_ether_addr(sent_to(0), &peer_mac), "it alone");
	advertised(&peer, &peer_mac, ND_NA_FLAG_SOLICITED);
	wire_clear(&wire);
	run(10 * SEC);
	cr_expect_eq(wire.n, 0, "reachable again");
}

Test(nd, a_neighbour_that_went_is_looked_for_among_all_and_then_forgotten)
{
	learn(&peer, &peer_mac);
	run(46 * SEC);
	send_from(&peer, 20);
	wire_clear(&wire);
	run(30 * SEC);
	cr_assert_eq(count_type(ND_NEIGHBOR_SOLICIT, &peer), 6);
	cr_expect(rte_is_same_ether_addr(sent_to(2), &peer_mac));
	cr_expect_eq(sent_to(3)->addr_bytes[0], 0x33);
	cr_expect_eq(net->neigh_incomplete, 0);
}

Test(nd, an_answer_may_leave_out_the_mac_we_know)
{
	struct frame6 f;

	learn(&peer, &peer_mac);
	run(46 * SEC);
	send_from(&peer, 20);
	run(6 * SEC);
	f6_start(&f, &peer_mac, &wire.port.mac, &peer, &us, IPPROTO_ICMPV6, 255);
	f6_nd(&f, ND_NEIGHBOR_ADVERT, ND_NA_FLAG_SOLICITED, &peer, 0, NULL);
	input(&f);
	wire_clear(&wire);
	run(10 * SEC);
	cr_expect_eq(wire.n, 0);
	cr_expect(known_to_be_at(&peer, &peer_mac));
}

Test(nd, a_link_local_neighbour_is_asked_from_our_link_local_address)
{
	struct net_addr ll = addr6(0, 0x77), own = net->iface[0].addr[0].addr;

	ll.scope = 1;
	cr_expect_eq(send_from(&ll, 20), 0);
	cr_assert_eq(wire.n, 1);
	cr_expect_eq(memcmp(sent(0, F6_L2 + 8), own.b, 16), 0);
}

/* --- what strangers say (T-35, T-36, F-34)
 * -------------------------------------------------------- */

Test(nd, what_nobody_asked_for_makes_no_entry)
{
	for (unsigned int i = 0; i < 2000; i++) {
		struct net_addr a = addr6(1, (uint16_t)(0x1000 + i));
		struct frame6 f = solicitation(&a, &us, &other_mac);

		input(&f);
		advertised(&a, &other_mac, i & 1 ? ND_NA_FLAG_SOLICITED : ND_NA_FLAG_OVERRIDE);
		wire_clear(&wire);
	}
	cr_expect_eq(dropped(NET_DROP_ND_UNASKED), 2000);
	for (uint16_t i = 10; i < 18; i++) {
		struct net_addr a = addr6(1, i);

		cr_expect_eq(send_from(&a, 20), 0);
	}
	cr_expect_eq(dropped(NET_DROP_NEIGH_FULL), 0);
}

static const struct {
	const char *what;
	uint32_t flags;
	bool solicitation;
} spoofs[] = {
	{"advertisement, override", ND_NA_FLAG_OVERRIDE, false},
	{"advertisement as if solicited", ND_NA_FLAG_SOLICITED | ND_NA_FLAG_OVERRIDE, false},
	{"advertisement of a router", ND_NA_FLAG_ROUTER | ND_NA_FLAG_OVERRIDE, false},
	{"solicitation from its address", 0, true},
};

Test(nd, a_known_neighbour_is_not_moved_by_a_word)
{
	for (size_t i = 0; i < RTE_DIM(spoofs); i++) {
		learn(&peer, &peer_mac);
		for (int k = 0; k < 20; k++) {
			struct frame6 f =
				spoofs[i].solicitation
					? solicitation(&peer, &us, &other_mac)
					: advertisement(&peer, &other_mac, spoofs[i].flags);

			input(&f);
		}
		cr_expect(known_to_be_at(&peer, &peer_mac), "%s", spoofs[i].what);
		/* The one we know was asked, and answers. */
		advertised(&peer, &peer_mac, ND_NA_FLAG_SOLICITED);
		run(10 * SEC);
		cr_expect(known_to_be_at(&peer, &peer_mac), "%s", spoofs[i].what);
	}
}

Test(nd, a_neighbour_that_really_moved_is_found_again)
{
	learn(&peer, &peer_mac);
	advertised(&peer, &other_mac, ND_NA_FLAG_OVERRIDE);
	run(4 * SEC);
	advertised(&peer, &other_mac, ND_NA_FLAG_SOLICITED | ND_NA_FLAG_OVERRIDE);
	cr_expect(known_to_be_at(&peer, &other_mac));
}

/*
 * T-36: answers to a scan of our /64 are sought for half of the table at most; who is known is
 * reached all the while, and the gateway's place is kept.
 */
Test(nd, a_scan_of_the_network_leaves_the_known_ones_alone)
{
	unsigned int n = test_long() ? 1000000 : 20000;
	struct rnd r = rnd_new(rnd_seed());
	unsigned int most = 0;

	learn(&peer, &peer_mac);
	learn(&gateway, &other_mac);
	for (unsigned int i = 0; i < n; i++) {
		struct net_addr a = addr6(1, 0);

		rnd_fill(&r, a.b + 8, 8);
		send_from(&a, 20);
		most = RTE_MAX(most, net->neigh_incomplete);
		now += 10;
		net_timers(net, now);
		wire_clear(&wire);
		if (i % 1000 == 0) {
			cr_assert_leq(eal_out(pools.data), NEIGH / 2 * NET_NEIGH_QUEUE);
			cr_assert(known_to_be_at(&peer, &peer_mac));
			cr_assert(known_to_be_at(&gateway, &other_mac));
			advertised(&peer, &peer_mac, ND_NA_FLAG_SOLICITED);
			advertised(&gateway, &other_mac, ND_NA_FLAG_SOLICITED);
		}
	}
	cr_expect_eq(most, NEIGH / 2);
	cr_expect_gt(dropped(NET_DROP_NEIGH_FULL), n / 2);
	run(5 * SEC);
	cr_expect_eq(net->neigh_incomplete, 0);
}

/* --- listener reports (RFC 3810)
 * -------------------------------------------------------------------- */

static bool is_report(unsigned int i, uint8_t record, unsigned int groups)
{
	const uint8_t *p = sent(i, F6_L2 + F6_IP);

	return sent(i, F6_L2)[6] == IPPROTO_HOPOPTS && sent(i, F6_L2)[7] == 1 &&
	       memcmp(p, (uint8_t[]){IPPROTO_ICMPV6, 0, 5, 2, 0, 0}, 6) == 0 && p[8] == 143 &&
	       p[15] == groups && p[16] == record;
}

static unsigned int reports(uint8_t record, unsigned int groups)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < wire.n; i++)
		n += is_report(i, record, groups);
	return n;
}

Test(nd_start, groups_are_reported_on_start_twice_and_again_with_a_source)
{
	net_timers(net, now);
	net_flush(net);
	cr_expect_eq(reports(4, 2), 1, "::2 and the link-local one");
	run(1000 * MS - 1);
	cr_expect_eq(reports(4, 2), 2);
	cr_expect_eq(sent(0, F6_L2 + 8)[0], 0, "from the unspecified address so far");
	wire_clear(&wire);
	run(5 * SEC);
	cr_expect_eq(reports(4, 2), 2);
	for (unsigned int i = 0; i < wire.n; i++)
		if (is_report(i, 4, 2))
			cr_expect_eq(sent(i, F6_L2 + 8)[0], 0xfe);
}

Test(nd, groups_are_reported_when_a_link_is_back_however_soon)
{
	net_link_set(net, 0, false, now);
	net_link_set(net, 0, true, now);
	run(2500 * MS); /* announced at 0 and 2 seconds, reported within the first */
	cr_expect_eq(reports(4, 2), 2);
	wire_clear(&wire);
	net_link_set(net, 0, false, now);
	net_link_set(net, 0, true, now);
	run(400 * MS);
	cr_expect_eq(reports(4, 2), 0, "no more often than addresses are announced");
	run(2 * SEC);
	cr_expect_eq(reports(4, 2), 2);
}

static struct frame6 query(const struct net_addr *src, const struct net_addr *group, uint16_t ms,
			   bool alert, uint8_t hops)
{
	static const uint8_t with[8] = {IPPROTO_ICMPV6, 0, 5, 2, 0, 0, 1, 0};
	static const uint8_t without[8] = {IPPROTO_ICMPV6, 0, 1, 4, 0, 0, 0, 0};
	struct rte_ether_addr to = net_group_mac(&net_all_nodes);
	uint8_t q[28] = {130, [4] = (uint8_t)(ms >> 8), (uint8_t)ms};
	struct frame6 f;

	memcpy(q + 8, group->b, 16);
	f6_start(&f, &peer_mac, &to, src, &net_all_nodes, IPPROTO_HOPOPTS, hops);
	f6_ext(&f, alert ? with : without, 8);
	f6_put(&f, q, sizeof(q));
	f6_end_icmp(&f);
	return f;
}

Test(nd, queries_are_answered_once_within_their_time)
{
	struct net_addr router = addr6(0, 1), all = {.family = 6}, group = group_of(&us);
	struct frame6 f = query(&router, &all, 1000, true, 1);

	input(&f);
	input(&f);
	run(1001 * MS);
	cr_expect_eq(reports(2, 2), 1);
	wire_clear(&wire);
	f = query(&router, &group, 1000, true, 1);
	input(&f);
	run(1001 * MS);
	cr_expect_eq(reports(2, 2), 1);
}

Test(nd, queries_that_are_not_a_routers_of_this_link_are_dropped)
{
	struct net_addr router = addr6(0, 1), all = {.family = 6};
	struct frame6 f[] = {
		query(&peer, &all, 100, true, 1),
		query(&router, &all, 100, false, 1),
		query(&router, &all, 100, true, 64),
		query(&router, &all, 100, true, 1),
	};

	f[3].len -= 2; /* between the versions */
	f6_end_icmp(&f[3]);
	for (size_t i = 0; i < RTE_DIM(f); i++) {
		input(&f[i]);
		cr_expect_eq(dropped(NET_DROP_MLD), i + 1, "case %zu", i);
	}
	run(SEC);
	cr_expect_eq(wire.n, 0);
}

Test(nd, no_buffer_for_an_answer_is_counted)
{
	struct frame6 f = solicitation(&peer, &us, &peer_mac);
	struct rte_mbuf *m[2047];
	unsigned int n = 0;

	while (n < RTE_DIM(m) && (m[n] = rte_pktmbuf_alloc(pools.head)) != NULL)
		n++;
	input(&f);
	cr_expect_eq(dropped(NET_DROP_NO_MBUF), 1);
	cr_expect_eq(wire.n, 0);
	rte_pktmbuf_free_bulk(m, n);
}
