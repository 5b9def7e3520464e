/* dataplane/net/note.c: one shard asks and learns, the others copy. */
#include <criterion/criterion.h>
#include <errno.h>

#include "dataplane/net/internal.h"
#include "tests/util/eal.h"
#include "tests/util/frame.h"

#define SEC       1000000ull
#define NOTES_MAX 64

static struct pkt_pools pools;
static struct wire wire[2]; /* of each shard's queue */
static struct net *net[2];  /* the first, a follower */
static uint64_t now = 5 * SEC;
static const struct rte_ether_addr mac = {{2, 0, 0, 0, 0, 0x77}};
static const struct rte_ether_addr other_mac = {{2, 0, 0, 0, 0, 0x78}};

/* What each was told and has not looked at. */
static struct mail {
	struct net_note note[NOTES_MAX];
	unsigned int n;
} mail[2];

static void tell(void *arg, const struct net_note *note)
{
	struct mail *to = arg;

	if (to->n < NOTES_MAX)
		to->note[to->n++] = *note;
}

static void deliver(unsigned int to)
{
	unsigned int n = mail[to].n;

	for (unsigned int i = 0; i < n; i++)
		net_note_input(net[to], &mail[to].note[i], now);
	memmove(&mail[to].note[0], &mail[to].note[n], (mail[to].n - n) * sizeof(mail[to].note[0]));
	mail[to].n -= n;
}

static void make(unsigned int i, const struct net_addr *addr, unsigned int len)
{
	const struct net_conf conf = {.pools = &pools, .neigh_max = 16};
	const struct net_addr gw = addr4(198, 18, 0, 254), any = addr4(0, 0, 0, 0);

	cr_assert_eq(net_new(&conf, &net[i]), 0);
	wire_init(&wire[i], 1);
	cr_assert_eq(net_iface_add(net[i], "outside", &wire[i].port), 0);
	cr_assert_eq(net_addr_add(net[i], 0, addr, len), 0);
	if (addr->family == 4)
		cr_assert_eq(net_route_add(net[i], &any, 0, &gw), 0);
	net_share(net[i], i == 0, tell, &mail[!i]);
}

static void timers(uint64_t us)
{
	now += us;
	for (unsigned int i = 0; i < 2; i++) {
		net_timers(net[i], now);
		net_flush(net[i]);
	}
}

static void start(void)
{
	const struct net_addr out = addr4(198, 18, 0, 2);

	eal_start("64");
	cr_assert_eq(pkt_pools_new("t", 1023, 1023, SOCKET_ID_ANY, &pools), 0);
	make(0, &out, 24);
	make(1, &out, 24);
	timers(0);
	timers(3 * SEC);
	wire_clear(&wire[0]);
}

static void end(void)
{
	for (unsigned int i = 0; i < 2; i++) {
		net_free(net[i]);
		wire_clear(&wire[i]);
	}
	cr_expect_eq(eal_out(pools.data), 0);
	cr_expect_eq(eal_out(pools.head), 0);
}

TestSuite(net_note, .init = start, .fini = end);

/* 40 bytes of shard i to 198.18.0.last. */
static void give(unsigned int i, uint8_t last)
{
	const struct net_addr us = addr4(198, 18, 0, 2), to = addr4(198, 18, 0, last);
	struct rte_mbuf *m = rte_pktmbuf_alloc(pools.data);

	rte_pktmbuf_append(m, 40);
	(void)net_output(net[i], m, &us, &to, 6, 64, 0, NULL, now);
	net_flush(net[i]);
}

/* The answer to ARP comes to the first shard. */
static void answer(uint8_t last, const struct rte_ether_addr *is_at)
{
	const struct net_addr ip = addr4(198, 18, 0, last);

	neigh_heard(net[0], 0, &ip, is_at, true);
	net_flush(net[0]);
}

static uint16_t type_of(const struct wire *w, unsigned int i)
{
	return rte_be_to_cpu_16(
		rte_pktmbuf_mtod(w->out[i], const struct rte_ether_hdr *)->ether_type);
}

Test(net_note, a_follower_does_not_announce_its_addresses)
{
	cr_expect_eq(wire[1].n, 0);
}

Test(net_note, a_follower_asks_the_first_and_not_the_link)
{
	give(1, 1);
	cr_expect_eq(wire[1].n, 0, "it waits");
	cr_assert_eq(mail[0].n, 1);
	cr_expect_eq(mail[0].note[0].kind, NET_NOTE_WANT);
	deliver(0);
	net_flush(net[0]);
	cr_assert_eq(wire[0].n, 1);
	cr_expect_eq(type_of(&wire[0], 0), RTE_ETHER_TYPE_ARP);
	mail[1].n = 0; /* of addresses */
	answer(1, &mac);
	cr_assert_eq(mail[1].n, 1);
	deliver(1);
	net_flush(net[1]);
	cr_assert_eq(wire[1].n, 1);
	cr_expect_eq(type_of(&wire[1], 0), RTE_ETHER_TYPE_IPV4);
	cr_expect(rte_is_same_ether_addr(
		&rte_pktmbuf_mtod(wire[1].out[0], struct rte_ether_hdr *)->dst_addr, &mac));
	give(1, 1);
	cr_expect_eq(wire[1].n, 2, "from then on it knows");
	cr_expect_eq(mail[0].n, 0);
}

Test(net_note, what_the_first_knows_is_told_at_once)
{
	give(0, 1);
	answer(1, &mac);
	wire_clear(&wire[0]);
	mail[1].n = 0;
	give(1, 1);
	deliver(0);
	net_flush(net[0]);
	cr_expect_eq(wire[0].n, 0, "nobody is asked");
	deliver(1);
	net_flush(net[1]);
	cr_expect_eq(wire[1].n, 1);
}

Test(net_note, a_mac_that_changes_changes_for_all)
{
	give(1, 1);
	deliver(0);
	answer(1, &mac);
	deliver(1);
	wire_clear(&wire[1]);
	/* The host is gone and comes back with another: asked alone, then everybody is. */
	neigh_heard(net[0], 0, &(struct net_addr){.family = 4, .b = {198, 18, 0, 1}}, &other_mac,
		    true);
	for (int i = 0; i < 4; i++)
		timers(SEC);
	answer(1, &other_mac);
	deliver(1);
	give(1, 1);
	cr_assert_geq(wire[1].n, 1);
	cr_expect(rte_is_same_ether_addr(
		&rte_pktmbuf_mtod(wire[1].out[wire[1].n - 1], struct rte_ether_hdr *)->dst_addr,
		&other_mac));
}

Test(net_note, what_others_need_takes_no_place_with_a_follower)
{
	for (uint8_t i = 1; i < 8; i++) {
		give(0, i);
		answer(i, &mac);
		deliver(1);
	}
	cr_expect_eq(net[1]->neigh_free, 1, "only the gateway's place is taken");
}

Test(net_note, nobody_answers_and_the_packets_are_given_up)
{
	give(1, 9);
	give(1, 9);
	for (int i = 0; i < 5; i++) {
		deliver(0);
		timers(SEC);
		deliver(1);
	}
	cr_expect_eq(net_drops(net[1])[NET_DROP_NEIGH_TIMEOUT], 2);
	cr_expect_eq(net_drops(net[0])[NET_DROP_NEIGH_TIMEOUT], 0, "the first had nothing to send");
}

Test(net_note, a_note_that_is_lost_is_sent_again)
{
	give(1, 1);
	mail[0].n = 0;
	timers(SEC);
	cr_assert_eq(mail[0].n, 1);
	deliver(0);
	mail[1].n = 0;
	answer(1, &mac);
	mail[1].n = 0; /* the answer is lost */
	timers(SEC);
	deliver(0);
	deliver(1);
	net_flush(net[1]);
	cr_expect_eq(wire[1].n, 1);
}

/* Who floods the link with the truth about himself keeps no other note from being told. */
Test(net_note, what_is_known_already_is_no_news)
{
	give(1, 1);
	deliver(0);
	mail[1].n = 0;
	answer(1, &mac);
	cr_expect_eq(mail[1].n, 1);
	for (int i = 0; i < 10; i++)
		answer(1, &mac);
	cr_expect_eq(mail[1].n, 1);
}

/* A neighbour in use by a follower alone is asked about all the same, by the first. */
Test(net_note, what_a_follower_uses_is_kept_fresh_by_the_first)
{
	give(1, 1);
	deliver(0);
	answer(1, &mac);
	deliver(1);
	wire_clear(&wire[0]);
	for (int i = 0; i < 31; i++)
		timers(SEC);
	give(1, 1);
	deliver(0);
	net_flush(net[0]);
	cr_assert_geq(wire[0].n, 1);
	cr_expect_eq(type_of(&wire[0], wire[0].n - 1), RTE_ETHER_TYPE_ARP);
	cr_expect_eq(wire[1].n, 2, "meanwhile what it knew is used");
}

Test(net_note, a_link_that_was_down_is_asked_about_through_the_first)
{
	give(1, 1);
	deliver(0);
	answer(1, &mac);
	deliver(1);
	net_link_set(net[1], 0, false, now);
	net_link_set(net[1], 0, true, now);
	timers(0);
	wire_clear(&wire[1]);
	cr_expect_eq(mail[0].n, 0);
	give(1, 1);
	cr_expect_eq(wire[1].n, 1);
	cr_expect_eq(mail[0].n, 1);
	timers(5 * SEC);
	cr_expect_eq(wire[1].n, 1, "and it announces nothing");
}

Test(net_note, an_address_is_ours_when_the_first_has_proved_it)
{
	const struct net_addr a = {.family = 6, .b = {0x20, 1, 0x0d, 0xb8, [15] = 2}};
	const struct net_addr peer = {.family = 6, .b = {0x20, 1, 0x0d, 0xb8, [15] = 1}};
	struct net_path way;

	for (unsigned int i = 0; i < 2; i++) {
		net_free(net[i]);
		wire_clear(&wire[i]);
		make(i, &a, 64);
	}
	mail[0].n = mail[1].n = 0;
	timers(0);
	deliver(1);
	cr_expect_eq(net_route(net[1], &peer, &way), -EADDRNOTAVAIL);
	timers(2 * SEC);
	cr_expect_eq(net_route(net[0], &peer, &way), 0);
	cr_expect_eq(net_route(net[1], &peer, &way), -EADDRNOTAVAIL, "not yet told");
	deliver(1);
	cr_expect_eq(net_route(net[1], &peer, &way), 0);
	cr_expect_eq(wire[1].n, 0, "the follower asked and announced nothing");
}

Test(net_note, all_addresses_are_told_again_each_second)
{
	mail[1].n = 0;
	timers(SEC / 2);
	cr_expect_leq(mail[1].n, 1);
	mail[1].n = 0;
	timers(SEC);
	cr_assert_eq(mail[1].n, 1);
	cr_expect_eq(mail[1].note[0].kind, NET_NOTE_ADDR);
}

Test(net_note, a_net_without_others_tells_nobody)
{
	net_share(net[0], true, NULL, NULL);
	mail[1].n = 0;
	give(0, 1);
	answer(1, &mac);
	timers(2 * SEC);
	cr_expect_eq(mail[1].n, 0);
}
