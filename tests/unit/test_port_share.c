/* dataplane/port/share.c: packets go to the shard they belong to, and leave by who has a queue. */
#include <criterion/criterion.h>

#include <rte_ip.h>
#include <rte_ring.h>
#include <rte_tcp.h>

#include "dataplane/port/share.h"
#include "tests/util/eal.h"
#include "tests/util/frame.h"

#define SHARDS_MAX 4
#define QUEUE_MAX  4096

/* A device of two queues that gives what was put into it and keeps what it was given. */
struct queue {
	struct rte_mbuf *rx[QUEUE_MAX], *tx[QUEUE_MAX];
	unsigned int rx_at, rx_n, tx_n, tx_room;
};

static struct pkt_pools pools;
static struct spread spread;
static struct share *share;
static struct port port[SHARDS_MAX];
static struct queue dev[2];
static unsigned int shards;

static uint16_t dev_rx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
	struct queue *q = &dev[p->queue];
	uint16_t k = 0;

	while (k < n && q->rx_at < q->rx_n)
		m[k++] = q->rx[q->rx_at++];
	return k;
}

static uint16_t dev_tx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
	struct queue *q = &dev[p->queue];
	uint16_t k = 0;

	while (k < n && q->tx_n < q->tx_room)
		q->tx[q->tx_n++] = m[k++];
	return k;
}

static void make(unsigned int n, uint16_t queues)
{
	const struct port queue[2] = {{.rx_burst = dev_rx, .tx_burst = dev_tx, .queue = 0},
				      {.rx_burst = dev_rx, .tx_burst = dev_tx, .queue = 1}};
	const struct share_conf sc = {.shards = n,
				      .spread = &spread,
				      .queue = queue,
				      .queues = queues,
				      .socket = SOCKET_ID_ANY};

	shards = n;
	dev[0].tx_room = dev[1].tx_room = QUEUE_MAX;
	cr_assert_eq(spread_init(&spread, n, NULL), 0);
	cr_assert_eq(share_new(&sc, &share), 0);
	for (unsigned int i = 0; i < n; i++)
		port[i] = share_port(share, i);
}

static void start(void)
{
	eal_start("64");
	cr_assert_eq(pkt_pools_new("t", 8191, 1023, SOCKET_ID_ANY, &pools), 0);
}

static void end(void)
{
	share_free(share);
	for (unsigned int i = 0; i < 2; i++) {
		rte_pktmbuf_free_bulk(&dev[i].rx[dev[i].rx_at], dev[i].rx_n - dev[i].rx_at);
		rte_pktmbuf_free_bulk(dev[i].tx, dev[i].tx_n);
	}
	cr_expect_eq(eal_out(pools.data), 0, "%u lost", eal_out(pools.data));
}

TestSuite(port_share, .init = start, .fini = end);

/* A segment from 198.18.0.1 and this port to 198.18.0.2 port 22, with so much data. */
static struct rte_mbuf *segment(uint16_t from, uint16_t data)
{
	const struct rte_ether_hdr eth = {.ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4)};
	const struct rte_ipv4_hdr ip = {.version_ihl = 0x45,
					.total_length = rte_cpu_to_be_16((uint16_t)(40 + data)),
					.next_proto_id = IPPROTO_TCP,
					.src_addr = be4(198, 18, 0, 1),
					.dst_addr = be4(198, 18, 0, 2)};
	const struct rte_tcp_hdr tcp = {
		.src_port = rte_cpu_to_be_16(from), .dst_port = RTE_BE16(22), .data_off = 5 << 4};
	struct rte_mbuf *m = rte_pktmbuf_alloc(pools.data);

	cr_assert_not_null(m);
	memcpy(rte_pktmbuf_append(m, sizeof(eth)), &eth, sizeof(eth));
	memcpy(rte_pktmbuf_append(m, sizeof(ip)), &ip, sizeof(ip));
	memcpy(rte_pktmbuf_append(m, sizeof(tcp)), &tcp, sizeof(tcp));
	if (data > 0)
		memset(rte_pktmbuf_append(m, data), 0, data);
	return m;
}

static struct rte_mbuf *arp(void)
{
	uint8_t b[60] = {[12] = 0x08, [13] = 0x06};

	return frame_bytes(pools.data, b, sizeof(b));
}

static void arrive(unsigned int queue, struct rte_mbuf *m)
{
	cr_assert_lt(dev[queue].rx_n, QUEUE_MAX);
	dev[queue].rx[dev[queue].rx_n++] = m;
}

/* A port of a peer whose segments belong to this shard, from `from` on. */
static uint16_t port_of(unsigned int shard, uint16_t from)
{
	const struct net_addr peer = addr4(198, 18, 0, 1), us = addr4(198, 18, 0, 2);

	while (spread_owner_flow(&spread, NULL, &peer, &us, from, 22) != shard)
		from++;
	return from;
}

/* All that the shard is given in so many bursts; freed, if they are its own. */
static unsigned int receive(unsigned int shard, unsigned int bursts)
{
	struct rte_mbuf *m[64];
	unsigned int sum = 0;

	for (unsigned int b = 0; b < bursts; b++) {
		uint16_t n = port[shard].rx_burst(&port[shard], m, 64);

		for (uint16_t i = 0; i < n; i++)
			cr_assert_eq(spread_owner(&spread, NULL, m[i], false), shard);
		rte_pktmbuf_free_bulk(m, n);
		sum += n;
	}
	return sum;
}

static uint64_t counter(unsigned int shard, enum port_counter c)
{
	return port[shard].counters[c];
}

Test(port_share, every_packet_comes_to_its_shard_in_one_hop)
{
	static const unsigned int queues[] = {1, 2};

	for (unsigned int q = 0; q < RTE_DIM(queues); q++) {
		unsigned int sum = 0, steered = 0, own = 0;

		dev[0].rx_at = dev[0].rx_n = dev[1].rx_at = dev[1].rx_n = 0;
		make(4, (uint16_t)queues[q]);
		for (uint16_t i = 0; i < 512; i++)
			arrive(i % queues[q], segment((uint16_t)(1024 + i * 7), i));
		for (unsigned int turn = 0; turn < 32; turn++)
			for (unsigned int s = 0; s < shards; s++)
				sum += receive(s, 1);
		for (unsigned int s = 0; s < shards; s++)
			steered += (unsigned int)counter(s, PORT_C_STEERED);
		cr_expect_eq(sum, 512);
		own = 512 - steered;
		cr_expect(own > 512 / 16 && steered > 512 / 2, "%u of 512 steered", steered);
		cr_expect_eq(counter(3, PORT_C_STEERED), 0, "who has no queue steers nothing");
		share_free(share);
		share = NULL;
	}
}

Test(port_share, what_belongs_to_no_connection_is_the_firsts)
{
	make(3, 2);
	for (int i = 0; i < 10; i++)
		arrive(1, arp());
	cr_expect_eq(receive(1, 2), 0);
	cr_expect_eq(receive(2, 2), 0);
	cr_expect_eq(receive(0, 2), 10);
	cr_expect_eq(counter(1, PORT_C_STEERED), 10);
}

Test(port_share, who_moves_packets_for_others_was_not_idle)
{
	uint16_t p;

	make(2, 1);
	p = port_of(1, 1024);
	for (int i = 0; i < 5; i++)
		arrive(0, segment(p, 0));
	cr_expect_eq(receive(0, 1), 0);
	cr_expect_eq(share_moved(&port[0]), 5);
	cr_expect_eq(share_moved(&port[0]), 0);
	cr_expect_eq(share_given(&port[0]), 2, "the second shard has something");
	cr_expect_eq(share_given(&port[0]), 0);
	cr_expect_eq(receive(1, 1), 5);
}

Test(port_share, packets_of_a_flow_stay_in_order)
{
	struct rte_mbuf *sent[200], *m[64];
	unsigned int at = 0;
	uint16_t p, n;

	make(2, 1);
	p = port_of(1, 2000);
	for (unsigned int i = 0; i < RTE_DIM(sent); i++) {
		sent[i] = segment(p, (uint16_t)(i * 7));
		arrive(0, sent[i]);
	}
	while (receive(0, 1) + share_moved(&port[0]) > 0)
		;
	while ((n = port[1].rx_burst(&port[1], m, 64)) > 0) {
		for (uint16_t i = 0; i < n; i++)
			cr_expect_eq(m[i], sent[at + i]);
		rte_pktmbuf_free_bulk(m, n);
		at += n;
	}
	cr_expect_eq(at, RTE_DIM(sent));
}

/* T-42: all data comes for one shard that does not keep up. */
Test(port_share, a_shard_that_drowns_hears_small_packets_and_slows_nobody)
{
	uint16_t drowned, other;

	make(3, 1);
	drowned = port_of(1, 1024);
	other = port_of(2, 1024);
	for (unsigned int i = 0; i < 2 * SHARE_RING; i++)
		arrive(0, segment(drowned, 1000));
	for (unsigned int i = 0; i < 2 * SHARE_RING / 64; i++)
		receive(0, 1);
	cr_expect_eq(counter(0, PORT_C_STEERED), SHARE_RING - SHARE_RESERVE);
	cr_expect_eq(counter(0, PORT_C_STEER_FULL), SHARE_RING + SHARE_RESERVE);

	for (unsigned int i = 0; i < SHARE_RESERVE; i++)
		arrive(0, segment(drowned, 0));
	for (unsigned int i = 0; i < 64; i++)
		arrive(0, segment(other, 1000));
	arrive(0, arp());
	cr_expect_eq(receive(0, SHARE_RESERVE / 64 + 2), 1, "ARP comes");
	cr_expect_eq(counter(0, PORT_C_STEER_FULL), SHARE_RING + SHARE_RESERVE, "none more lost");
	cr_expect_eq(receive(2, 2), 64, "the third has all of its own");
	cr_expect_eq(receive(1, 2 * SHARE_RING / 64), SHARE_RING, "acknowledgements, too");

	arrive(0, segment(drowned, 1000));
	receive(0, 1);
	cr_expect_eq(receive(1, 1), 1, "over");
}

Test(port_share, a_ring_that_is_full_to_the_brim_drops_small_ones_too)
{
	uint16_t p;

	make(2, 1);
	p = port_of(1, 1024);
	for (unsigned int i = 0; i < SHARE_RING + 10; i++)
		arrive(0, segment(p, 0));
	while (receive(0, 1) + share_moved(&port[0]) > 0)
		;
	cr_expect_eq(counter(0, PORT_C_STEERED), SHARE_RING);
	cr_expect_eq(counter(0, PORT_C_STEER_FULL), 10);
}

Test(port_share, own_queue_and_others_have_half_a_burst_each)
{
	struct rte_mbuf *m[64];
	uint16_t p, n, theirs = 0;

	make(2, 2);
	p = port_of(0, 1024);
	for (int i = 0; i < 256; i++) {
		arrive(0, segment(p, 1));
		arrive(1, segment(p, 2));
	}
	for (int i = 0; i < 4; i++)
		cr_expect_eq(receive(1, 1), 0);
	n = port[0].rx_burst(&port[0], m, 64);
	cr_expect_eq(n, 64);
	for (uint16_t i = 0; i < n; i++)
		theirs = (uint16_t)(theirs + (m[i]->pkt_len == 54 + 2));
	cr_expect_eq(theirs, 32);
	rte_pktmbuf_free_bulk(m, n);
}

/* --- sending ------------------------------------------------------------------------------- */

static uint16_t give(unsigned int shard, unsigned int n)
{
	struct rte_mbuf *m[256];
	uint16_t k;

	for (unsigned int i = 0; i < n; i++)
		m[i] = segment((uint16_t)i, 10);
	k = port[shard].tx_burst(&port[shard], m, (uint16_t)n);
	rte_pktmbuf_free_bulk(&m[k], n - k);
	return k;
}

/* RxBurst 1: of one packet there is no half. */
Test(port_share, a_burst_of_one_hears_both_ways)
{
	struct rte_mbuf *m;
	unsigned int own = 0, others = 0;
	uint16_t p1;

	make(2, 2);
	p1 = port_of(1, 1024);
	for (unsigned int i = 0; i < 8; i++)
		arrive(0, segment(p1, 0));
	cr_assert_eq(receive(0, 1), 0);
	for (unsigned int i = 0; i < 8; i++)
		arrive(1, segment(p1, 1));
	for (unsigned int turn = 0; turn < 16; turn++) {
		cr_assert_eq(port[1].rx_burst(&port[1], &m, 1), 1, "turn %u", turn);
		*(m->pkt_len & 1 ? &own : &others) += 1;
		rte_pktmbuf_free(m);
		cr_expect_leq(own > others ? own - others : others - own, 1,
			      "one does not wait for the other");
	}
	cr_expect_eq(own, 8);
	cr_expect_eq(others, 8);
}

/* Whoever goes to sleep has looked into both. */
Test(port_share, a_burst_of_one_overlooks_nothing)
{
	struct rte_mbuf *m;
	uint16_t p1;

	make(2, 2);
	p1 = port_of(1, 1024);
	for (unsigned int i = 0; i < 4; i++) {
		arrive(0, segment(p1, 0));
		cr_assert_eq(receive(0, 1), 0);
		cr_assert_eq(port[1].rx_burst(&port[1], &m, 1), 1);
		rte_pktmbuf_free(m);
	}
}

Test(port_share, who_has_no_queue_sends_by_way_of_who_has)
{
	make(4, 2);
	cr_expect_eq(give(0, 10), 10);
	cr_expect_eq(give(1, 20), 20);
	cr_expect_eq(dev[0].tx_n, 10);
	cr_expect_eq(dev[1].tx_n, 20);
	cr_expect_eq(give(2, 30), 30);
	cr_expect_eq(give(3, 40), 40);
	cr_expect(share_given(&port[2]) == 1 && share_given(&port[3]) == 2);
	cr_expect_eq(dev[0].tx_n, 10);
	cr_expect_eq(share_carry(&port[0]), 30);
	cr_expect_eq(share_carry(&port[1]), 40);
	cr_expect(dev[0].tx_n == 40 && dev[1].tx_n == 60);
	cr_expect_eq(share_carry(&port[2]), 0);
}

Test(port_share, what_the_queue_does_not_take_waits_in_order)
{
	make(2, 1);
	dev[0].tx_room = 5;
	cr_expect_eq(give(1, 100), 100);
	cr_expect_eq(share_carry(&port[0]), 5);
	cr_expect_eq(share_carry(&port[0]), 0);
	dev[0].tx_room = QUEUE_MAX;
	while (share_carry(&port[0]) > 0)
		;
	cr_assert_eq(dev[0].tx_n, 100);
	for (unsigned int i = 0; i < 100; i++)
		cr_expect_eq(
			rte_pktmbuf_mtod_offset(dev[0].tx[i], struct rte_tcp_hdr *, 34)->src_port,
			rte_cpu_to_be_16((uint16_t)i));
}

Test(port_share, a_full_ring_leaves_packets_with_who_sends)
{
	unsigned int sum = 0;

	make(2, 1);
	for (int i = 0; i < 6; i++)
		sum += give(1, 200);
	cr_expect_eq(sum, SHARE_RING);
}

/* Packets under way when it ends are not lost: the fixture counts. */
Test(port_share, what_is_under_way_is_freed_at_the_end)
{
	make(3, 1);
	for (uint16_t i = 0; i < 100; i++)
		arrive(0, segment((uint16_t)(1024 + i), 10));
	receive(0, 2);
	give(1, 50);
	give(2, 50);
	dev[0].tx_room = 3;
	share_carry(&port[0]);
}

Test(port_share, no_line_of_memory_is_written_by_two_shards)
{
	make(4, 2);
	for (unsigned int i = 0; i < 4; i++) {
		cr_expect_eq((uintptr_t)port[i].share % (2 * RTE_CACHE_LINE_SIZE), 0);
		for (unsigned int k = 0; k < i; k++)
			cr_expect_neq(port[i].share, port[k].share);
	}
	/* A ring's two ends, of which each shard writes one, are lines apart as well. */
	cr_expect_geq(offsetof(struct rte_ring, cons) - offsetof(struct rte_ring, prod),
		      2 * RTE_CACHE_LINE_SIZE);
}
