/*
 * Two whole shards on one thread, by turns, over net_ring devices of one queue and of two: whose a
 * packet is, what the first shard does for the other, limits that are divided. The device deals
 * packets out to its queues one by one, so that no queue is ever the right one for a flow.
 */
#include <criterion/criterion.h>
#include <poll.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_icmp.h>
#include <rte_ring.h>
#include <rte_stack.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf/conf.h"
#include "dataplane/internal.h"
#include "dataplane/net/internal.h"
#include "dataplane/relay/internal.h"
#include "dataplane/tcp/internal.h"
#include "dataplane/tcp/near.h"
#include "ssh/msg.h"
#include "tests/sim/app.h"
#include "tests/util/control_end.h"
#include "tests/util/eal.h"
#include "tests/util/frame.h"
#include "tests/util/lines.h"

#define SHARDS 2
#define CONNS  APPS_MAX

static char dir[] = "/tmp/sluice-shards.XXXXXX";
static char path[64], err[256];
static const struct rte_ether_addr gw_mac = {{2, 0, 0, 0, 0, 2}};

static struct linkhub *hub;
static struct team *team;
static struct shard *s[SHARDS];
static struct control_end c[SHARDS];
static unsigned int queues;
static struct rte_ring *to_gw[SHARDS], *from_gw[SHARDS];

/* The peer: a stack of its own on the other side of the rings. */
static struct peer {
	struct pkt_pools pools;
	struct port port;
	struct net *net;
	struct tcp *tcp;
	struct clock clock;
	struct app app[CONNS];
	struct apps apps;
	unsigned int sent, arp_asked, arp_announced;
} peer;

static void count_arp(const struct rte_mbuf *m)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const struct rte_arp_hdr *a = (const void *)(eth + 1);

	if (eth->ether_type != RTE_BE16(RTE_ETHER_TYPE_ARP) ||
	    a->arp_opcode != RTE_BE16(RTE_ARP_OP_REQUEST))
		return;
	if (a->arp_data.arp_sip == a->arp_data.arp_tip)
		peer.arp_announced++;
	else
		peer.arp_asked++;
}

static uint16_t peer_rx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
	uint16_t k = 0;

	(void)p;
	for (unsigned int q = 0; q < queues && k < n; q++)
		k = (uint16_t)(k +
			       rte_ring_sc_dequeue_burst(from_gw[q], (void **)&m[k], n - k, NULL));
	for (uint16_t i = 0; i < k; i++)
		count_arp(m[i]);
	return k;
}

static uint16_t peer_tx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
	(void)p;
	for (uint16_t i = 0; i < n; i++)
		cr_assert_eq(rte_ring_sp_enqueue(to_gw[peer.sent++ % queues], m[i]), 0);
	return n;
}

static void peer_make(void)
{
	const struct net_addr addr = addr4(198, 18, 0, 1);
	struct tcp_conf tc = {.conns_max = CONNS,
			      .time_wait_max = CONNS,
			      .rx_budget = 65536,
			      .tx_budget = 65536,
			      .secret = {1, 99}};

	peer.port = (struct port){
		.rx_burst = peer_rx, .tx_burst = peer_tx, .mtu = 1500, .mac = {{2, 0, 0, 0, 0, 1}}};
	cr_assert_eq(pkt_pools_new("peer", 1023, 1023, SOCKET_ID_ANY, &peer.pools), 0);
	cr_assert_eq(net_new(&(struct net_conf){.pools = &peer.pools}, &peer.net), 0);
	cr_assert_eq(net_iface_add(peer.net, "peer", &peer.port), 0);
	cr_assert_eq(net_addr_add(peer.net, 0, &addr, 24), 0);
	tc.net = peer.net;
	tc.pools = &peer.pools;
	cr_assert_eq(tcp_new(&tc, &peer.tcp), 0);
	clock_start(&peer.clock);
}

static void peer_turn(void)
{
	uint64_t now = clock_us(&peer.clock, rte_rdtsc());
	struct rte_mbuf *m[64], *seg[64];
	unsigned int n = peer.port.rx_burst(&peer.port, m, 64);

	n = net_input_burst(peer.net, 0, m, n, now, seg);
	tcp_input_burst(peer.tcp, seg, n, now);
	tcp_timers(peer.tcp, now);
	apps_step(&peer.apps);
	tcp_output_poll(peer.tcp, now);
	net_timers(peer.net, now);
	net_flush(peer.net);
}

/* --- the gateway ------------------------------------------------------------------------- */

static struct {
	struct conf_dataplane conf;
	struct conf_interface iface;
	struct conf_ifaddr addr;
} file;

static void device_make(void)
{
	static char device[RTE_ETH_NAME_MAX_LEN];
	char name[16];
	int id;

	for (unsigned int q = 0; q < queues; q++) {
		snprintf(name, sizeof(name), "to%u", q);
		to_gw[q] =
			rte_ring_create(name, 4096, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
		snprintf(name, sizeof(name), "from%u", q);
		from_gw[q] =
			rte_ring_create(name, 4096, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	}
	id = rte_eth_from_rings("gw", to_gw, queues, from_gw, queues, 0);
	cr_assert_geq(id, 0);
	cr_assert_eq(rte_eth_dev_get_name_by_port((uint16_t)id, device), 0);
	file.iface = (struct conf_interface){.name = "outside", .device = device};
}

static void turns(unsigned int n)
{
	while (n-- > 0)
		for (unsigned int i = 0; i < SHARDS; i++) {
			shard_turn(s[i]);
			shard_link_poll(s[i]);
			shard_ports_poll(s[i]);
		}
}

static const struct link_hdr *hear(unsigned int shard)
{
	static _Alignas(uint64_t) uint8_t msg[LINK_MSG_MAX];

	return link_rx(&c[shard].rx, msg, sizeof(msg)) >= 0 ? (const void *)msg : NULL;
}

static void attach(uint32_t max_conns)
{
	struct link_hello h = control_hello();
	const struct link_addr at = {.family = 4, .port = 22, .addr = {198, 18, 0, 2}};

	cr_assert_eq(control_end_begin(&c[0], path, &h), 0);
	turns(4);
	cr_assert_eq(control_end_finish(&c[0]), 0);
	c[1] = (struct control_end){.fd = -1};
	cr_assert_eq(control_end_rings(&c[1], c[0].fd, 1), 0);
	for (unsigned int i = 0; i < SHARDS; i++) {
		const struct link_hdr *m = hear(i);
		const struct link_listen_result *res;

		cr_assert(m != NULL && m->type == LINK_EV_SHARD_READY);
		cr_expect_eq(m->conn.shard, i);
		cr_expect_eq(((const struct link_ready *)link_msg_body(m))->max_conns, max_conns);
		cr_assert_eq(control_end_listen(&c[i], &at, 7, false), 0);
		turns(2);
		m = hear(i);
		cr_assert(m != NULL && m->type == LINK_EV_LISTEN_RESULT);
		res = link_msg_body(m);
		cr_assert_eq(res->err, 0);
	}
}

static void make(unsigned int n_queues)
{
	struct shard_conf sc = {.conf = &file.conf, .start_id = 42};
	const struct team_conf tc = {.conf = &file.conf, .shards = SHARDS, .name = "two"};

	queues = n_queues;
	device_make();
	file.addr = (struct conf_ifaddr){0, {4, 24, {198, 18, 0, 2}}};
	file.conf.interfaces = &file.iface;
	file.conf.ifaddrs = &file.addr;
	file.conf.n_interfaces = file.conf.n_ifaddrs = 1;
	cr_assert_eq(team_new(&tc, &team, err, sizeof(err)), 0, "%s", err);
	sc.team = team;
	sc.link = hub;
	for (; sc.index < SHARDS; sc.index++) {
		cr_assert_eq(shard_new(&sc, &s[sc.index], err, sizeof(err)), 0, "%s", err);
		/* The device's own is all zero: no host's. */
		s[sc.index]->net->iface[0].mac = gw_mac;
	}
	peer_make();
	attach((file.conf.max_connections + 1) / 2);
}

static void start(void)
{
	const struct linkhub_conf lc = {
		.path = path, .shards = SHARDS, .start_id = 42, .name = "dp"};

	eal_start("160");
	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/link.sock", dir);
	cr_assert_eq(linkhub_new(&lc, &hub), 0);
	file.conf = (struct conf_dataplane){.name = "dp",
					    .memory_mb = 96,
					    .idle_sleep = true,
					    .max_connections = 2 * CONNS,
					    .max_channels = 16,
					    .audit_backlog = 16,
					    .reassemble_fragments = true};
}

static void rings_drain(struct rte_ring *r)
{
	void *m;

	while (r != NULL && rte_ring_sc_dequeue(r, &m) == 0)
		rte_pktmbuf_free(m);
}

static void end(void)
{
	struct pkt_pools pools = team_pools(team);

	for (unsigned int i = 0; i < SHARDS; i++) {
		control_end_close(&c[i]);
		shard_free(s[i]);
	}
	tcp_free(peer.tcp);
	net_free(peer.net);
	for (unsigned int q = 0; q < queues; q++) {
		rings_drain(to_gw[q]);
		rings_drain(from_gw[q]);
	}
	cr_expect_eq(eal_out(peer.pools.data) + eal_out(peer.pools.head), 0);
	cr_expect_eq(eal_out(pools.data) + eal_out(pools.head), 0, "a shard lost a buffer");
	team_free(team);
	linkhub_free(hub);
	cr_expect_eq(rmdir(dir), 0);
}

TestSuite(shards, .init = start, .fini = end);

static uint64_t counter(unsigned int shard, enum tcp_counter k)
{
	return tcp_counters(s[shard]->tcp)[k];
}

static uint64_t steered(unsigned int shard)
{
	return s[shard]->port[0].counters[PORT_C_STEERED];
}

/* --- connections --------------------------------------------------------------------------- */

/* One after the other: of many at once that wait for a neighbour only the latest are kept. */
static void connect_all(void)
{
	const struct net_addr to = addr4(198, 18, 0, 2);

	for (unsigned int i = 0; i < CONNS; i++) {
		struct app *a = &peer.app[i];

		app_init(a, peer.tcp, peer.pools.data, i, i, 0);
		a->no_shutdown = true;
		apps_add(&peer.apps, a);
		/* The hash is linear: of ports in a row all may fall to one side, one time in 32.
		 */
		peer.tcp->port_next = i * 40503;
		cr_assert_eq(app_connect(a, &to, 22), 0);
		for (unsigned int k = 0; k < 1000 && !a->connected; k++) {
			peer_turn();
			turns(1);
		}
		cr_assert(a->connected, "%u", i);
	}
	peer_turn();
	turns(4);
}

/* What each shard said of new connections; all carry its number. */
static unsigned int told_of(unsigned int shard)
{
	const struct link_hdr *m;
	unsigned int n = 0;

	while ((m = hear(shard)) != NULL)
		if (m->type == LINK_EV_CONN_NEW) {
			cr_expect_eq(m->conn.shard, shard);
			n++;
		}
	return n;
}

static void every_packet_finds_its_shard(unsigned int n_queues)
{
	unsigned int conns[SHARDS];

	make(n_queues);
	connect_all();
	for (unsigned int i = 0; i < SHARDS; i++) {
		conns[i] = told_of(i);
		cr_expect_eq(conns[i], tcp_conns(s[i]->tcp));
		cr_expect_eq(counter(i, TCP_C_DROP_NO_CONN), 0);
		cr_expect_eq(counter(i, TCP_C_RESETS_OUT), 0);
		cr_expect_eq(s[i]->port[0].counters[PORT_C_STEER_FULL], 0);
	}
	cr_expect_eq(conns[0] + conns[1], CONNS);
	cr_expect(conns[0] > CONNS / 8 && conns[1] > CONNS / 8, "%u and %u", conns[0], conns[1]);
	cr_expect_gt(steered(0), 0);
	cr_expect_eq(steered(1) > 0, n_queues == 2, "who has no queue hands nothing over");
	/* A packet that was handed over twice would be counted twice. */
	cr_expect_leq(steered(0) + steered(1), peer.sent);
	cr_expect_eq(counter(0, TCP_C_IN_SEGS) + counter(1, TCP_C_IN_SEGS),
		     tcp_counters(peer.tcp)[TCP_C_OUT_SEGS], "%lu and %lu of %lu",
		     counter(0, TCP_C_IN_SEGS), counter(1, TCP_C_IN_SEGS),
		     tcp_counters(peer.tcp)[TCP_C_OUT_SEGS]);
}

Test(shards, connections_spread_over_both_with_one_queue)
{
	every_packet_finds_its_shard(1);
}

Test(shards, connections_spread_over_both_with_two_queues)
{
	every_packet_finds_its_shard(2);
}

Test(shards, what_one_learned_of_a_neighbour_serves_both)
{
	make(1);
	connect_all();
	cr_expect_eq(peer.arp_asked, 1, "asked %u times", peer.arp_asked);
	cr_expect_leq(peer.arp_announced, 2, "by one of them alone");
}

/* --- by hand ------------------------------------------------------------------------------- */

/* A port of the peer's whose packets belong to this shard. */
static uint16_t port_of(unsigned int shard)
{
	const struct net_addr from = addr4(198, 18, 0, 1), to = addr4(198, 18, 0, 2);
	uint16_t port = 40000;

	while (spread_owner_flow(team_spread(team), NULL, &from, &to, port, 22) != shard)
		port++;
	return port;
}

/* Bytes [at, at + len) of an IP payload, more to come or not; from the peer, to queue 0. */
static void inject(uint8_t proto, const void *payload, uint16_t at, uint16_t len, bool more)
{
	const struct rte_ether_hdr eth = {.dst_addr = gw_mac,
					  .src_addr = peer.port.mac,
					  .ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4)};
	struct rte_ipv4_hdr ip = {.version_ihl = 0x45,
				  .total_length = rte_cpu_to_be_16((uint16_t)(sizeof(ip) + len)),
				  .packet_id = RTE_BE16(77),
				  .fragment_offset = rte_cpu_to_be_16(
					  (uint16_t)(at / 8 | (more ? RTE_IPV4_HDR_MF_FLAG : 0))),
				  .time_to_live = 64,
				  .next_proto_id = proto,
				  .src_addr = be4(198, 18, 0, 1),
				  .dst_addr = be4(198, 18, 0, 2)};
	struct rte_mbuf *m = rte_pktmbuf_alloc(peer.pools.data);

	ip.hdr_checksum = rte_ipv4_cksum(&ip);
	memcpy(rte_pktmbuf_append(m, sizeof(eth)), &eth, sizeof(eth));
	memcpy(rte_pktmbuf_append(m, sizeof(ip)), &ip, sizeof(ip));
	memcpy(rte_pktmbuf_append(m, len), (const uint8_t *)payload + at, len);
	cr_assert_eq(rte_ring_sp_enqueue(to_gw[0], m), 0);
}

/* "Host unreachable" about a segment from our port 22 to this one of the peer. */
#define ICMP_LEN 40
static void icmp_about(uint16_t port, uint8_t ret[ICMP_LEN])
{
	const struct rte_ipv4_hdr ip = {.version_ihl = 0x45,
					.total_length = RTE_BE16(40),
					.next_proto_id = IPPROTO_TCP,
					.src_addr = be4(198, 18, 0, 2),
					.dst_addr = be4(198, 18, 0, 1)};
	const struct rte_tcp_hdr tcp = {.src_port = RTE_BE16(22),
					.dst_port = rte_cpu_to_be_16(port)};
	uint16_t sum;

	memset(ret, 0, ICMP_LEN);
	ret[0] = 3;
	ret[1] = 1;
	memcpy(ret + 8, &ip, sizeof(ip));
	memcpy(ret + 28, &tcp, 12);
	sum = (uint16_t)~rte_raw_cksum(ret, ICMP_LEN);
	memcpy(ret + 2, &sum, sizeof(sum));
}

Test(shards, an_icmp_error_comes_to_the_shard_of_what_it_quotes)
{
	uint8_t icmp[ICMP_LEN];

	make(1);
	for (unsigned int i = 0; i < SHARDS; i++) {
		icmp_about(port_of(i), icmp);
		inject(IPPROTO_ICMP, icmp, 0, ICMP_LEN, false);
		turns(2);
		cr_expect_eq(counter(i, TCP_C_ICMP_STRAY), 1);
	}
	cr_expect_eq(counter(0, TCP_C_ICMP_STRAY), 1);
}

Test(shards, an_icmp_error_in_fragments_does_so_too)
{
	uint8_t icmp[ICMP_LEN];

	make(1);
	icmp_about(port_of(1), icmp);
	inject(IPPROTO_ICMP, icmp, 0, 24, true);
	inject(IPPROTO_ICMP, icmp, 24, ICMP_LEN - 24, false);
	turns(3);
	cr_expect_eq(counter(0, TCP_C_ICMP_STRAY), 0);
	cr_expect_eq(counter(1, TCP_C_ICMP_STRAY), 1);
}

/* A SYN with some bytes of data, so that it can be cut behind its header. */
#define SYN_LEN 40
static void syn_from(uint16_t port, uint8_t ret[SYN_LEN])
{
	const struct rte_ipv4_hdr ip = {.version_ihl = 0x45,
					.total_length = RTE_BE16(20 + SYN_LEN),
					.next_proto_id = IPPROTO_TCP,
					.src_addr = be4(198, 18, 0, 1),
					.dst_addr = be4(198, 18, 0, 2)};
	struct rte_tcp_hdr tcp = {.src_port = rte_cpu_to_be_16(port),
				  .dst_port = RTE_BE16(22),
				  .data_off = 5 << 4,
				  .tcp_flags = RTE_TCP_SYN_FLAG,
				  .rx_win = RTE_BE16(1000)};
	uint16_t sum;

	memset(ret, 0, SYN_LEN);
	memcpy(ret, &tcp, sizeof(tcp));
	sum = rte_ipv4_udptcp_cksum(&ip, ret);
	memcpy(ret + offsetof(struct rte_tcp_hdr, cksum), &sum, sizeof(sum));
}

Test(shards, a_segment_in_fragments_is_put_together_by_the_first_and_goes_on)
{
	uint8_t syn[SYN_LEN];

	make(2);
	syn_from(port_of(1), syn);
	inject(IPPROTO_TCP, syn, 0, 24, true);
	inject(IPPROTO_TCP, syn, 24, SYN_LEN - 24, false);
	turns(3);
	cr_expect_eq(counter(0, TCP_C_IN_SEGS), 0);
	cr_expect_eq(counter(1, TCP_C_IN_SEGS), 1);
	cr_expect_eq(counter(1, TCP_C_DROP_CKSUM), 0);
	cr_expect_eq(net_reassembled(s[0]->net), 1);
}

static bool rung(unsigned int place)
{
	struct pollfd p = {.fd = team_bell(team, place), .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

Test(shards, who_sleeps_is_rung_for_and_who_does_not_is_not)
{
	uint8_t syn[SYN_LEN];

	make(1);
	syn_from(port_of(1), syn);
	inject(IPPROTO_TCP, syn, 0, SYN_LEN, false);
	shard_turn(s[0]);
	cr_expect_not(rung(1), "it is awake");
	team_sleep(team, 1);
	inject(IPPROTO_TCP, syn, 0, SYN_LEN, false);
	shard_turn(s[0]);
	cr_expect(rung(1));
	cr_expect_not(rung(0));
	team_wake(team, 1);
	cr_expect_not(rung(1));
	/* What it answers leaves by the first, which is to find the peer before that. */
	team_sleep(team, 0);
	cr_expect_gt(shard_turn(s[1]), 0);
	cr_expect(rung(0));
}

Test(shards, a_link_that_goes_is_gone_for_both)
{
	make(1);
	rte_eth_dev_set_link_down(s[0]->port[0].port_id);
	s[0]->ports_us = 0;
	turns(2);
	for (unsigned int i = 0; i < SHARDS; i++)
		cr_expect(s[i]->net->iface[0].down, "shard %u", i);
	rte_eth_dev_set_link_up(s[0]->port[0].port_id);
	s[0]->ports_us = 0;
	turns(2);
	for (unsigned int i = 0; i < SHARDS; i++)
		cr_expect_not(s[i]->net->iface[0].down, "shard %u", i);
	cr_expect_eq(s[1]->port[0].counters[PORT_C_LINK_DOWN], 0, "counted once, by the first");
}

/* What came for another shard alone proves the link, too: it may say what it likes. */
Test(shards, a_packet_for_another_shard_proves_the_link)
{
	uint8_t syn[SYN_LEN];

	make(1);
	turns(2);
	syn_from(port_of(1), syn);
	inject(IPPROTO_TCP, syn, 0, SYN_LEN, false);
	rte_eth_dev_set_link_down(s[0]->port[0].port_id);
	shard_turn(s[0]);
	s[0]->ports_us = 0;
	shard_ports_poll(s[0]);
	cr_expect_not(s[0]->net->iface[0].down);
	s[0]->ports_us = 0;
	shard_ports_poll(s[0]);
	cr_expect(s[0]->net->iface[0].down, "none came since");
	shard_turn(s[1]);
}

/* Who looks at the device is the first; it is also the one that wakes for it. */
Test(shards, limits_are_divided_and_never_nothing)
{
	file.conf.max_connections = 5;
	file.conf.max_channels = 1;
	file.conf.tcp_half_open = 7;
	make(1);
	for (unsigned int i = 0; i < SHARDS; i++)
		cr_expect_eq(shard_max_conns(s[i]), 3);
	for (unsigned int i = 0; i < SHARDS; i++) {
		shard_limit_conns(s[i], 8);
		cr_expect_eq(shard_max_conns(s[i]), 4);
		shard_limit_conns(s[i], 1);
		cr_expect_eq(shard_max_conns(s[i]), 1);
	}
}

Test(shards, connections_have_numbers_of_their_own_in_each_shard)
{
	uint64_t uid[SHARDS] = {0};

	make(1);
	connect_all();
	for (unsigned int i = 0; i < SHARDS; i++) {
		const struct link_hdr *m = hear(i);
		const struct link_conn_new *ev = link_msg_body(m);

		cr_assert(m != NULL && m->type == LINK_EV_CONN_NEW);
		uid[i] = (uint64_t)ev->uid_high << 32 | ev->uid_low;
	}
	cr_expect_eq(uid[0], 1);
	cr_expect_eq(uid[1], (UINT64_C(1) << 40) + 1);
}

/* --- what clients say ------------------------------------------------------------------------- */

/* What a client says before any key: who it is, and then a message that says nothing. */
static void client_says(struct app *a, const void *bytes, uint32_t len)
{
	struct pkt_chain chain;

	cr_assert_eq(pkt_chain_from(bytes, len, peer.pools.data, &chain), 0);
	cr_assert_geq(a->s->ops->tx(a->s, &chain), 0);
}

static void all_say(const void *bytes, uint32_t len)
{
	for (unsigned int i = 0; i < CONNS; i++)
		client_says(&peer.app[i], bytes, len);
	peer_turn();
}

/* --- who writes what -------------------------------------------------------------------------- */
/* An address sanitizer's own memory is none of a shard's. */
#ifndef __SANITIZE_ADDRESS__

#define ROUNDS 8

/* Buffers and the list of free ones are what shards have in common. */
static void leave_out_chunk(struct rte_mempool *pool, void *arg, struct rte_mempool_memhdr *mem,
			    unsigned int i)
{
	lines_leave_out(arg, mem->addr, mem->len);
}

static void leave_out_pool(struct lines *l, struct rte_mempool *pool)
{
	const struct rte_stack *free_ones = pool->pool_data;

	rte_mempool_mem_iter(pool, leave_out_chunk, l);
	lines_leave_out(l, free_ones->memzone->addr, free_ones->memzone->len);
}

/* What is the driver's: net_ring counts packets of its queues side by side. */
static void leave_out_queues(struct lines *l, uint16_t id)
{
	for (unsigned int q = 0; q < queues; q++) {
		lines_leave_out(l, rte_eth_fp_ops[id].rxq.data[q], RTE_CACHE_LINE_SIZE / 2);
		lines_leave_out(l, rte_eth_fp_ops[id].txq.data[q], RTE_CACHE_LINE_SIZE / 2);
	}
}

static struct lines *lines_of_shards(void)
{
	struct lines *l = lines_new();

	leave_out_pool(l, s[0]->pools.data);
	leave_out_pool(l, s[0]->pools.head);
	leave_out_pool(l, peer.pools.data);
	leave_out_pool(l, peer.pools.head);
	leave_out_queues(l, s[0]->port[0].port_id);
	lines_leave_out(l, &RTE_PER_LCORE(_lcore_id), sizeof(RTE_PER_LCORE(_lcore_id)));
	return l;
}

static void look_at_turns(struct lines *l)
{
	static const uint8_t ignore[16] = {[3] = 12, 6, SSH_MSG_IGNORE};

	all_say("SSH-2.0-x\r\n", 11);
	for (unsigned int r = 0; r < ROUNDS; r++) {
		all_say(ignore, sizeof(ignore));
		lines_look(l, 0);
		for (unsigned int i = 0; i < SHARDS; i++) {
			RTE_PER_LCORE(_lcore_id) = i;
			shard_turn(s[i]);
			lines_look(l, 1u << i);
		}
		RTE_PER_LCORE(_lcore_id) = 0;
	}
	for (unsigned int r = 0; r < ROUNDS; r++) { /* nothing stays under way */
		peer_turn();
		turns(1);
	}
}

static void each_writes_lines_of_its_own(unsigned int n_queues)
{
	struct lines *l;

	make(n_queues);
	connect_all();
	l = lines_of_shards();
	look_at_turns(l);
	for (unsigned int i = 0; i < SHARDS; i++) {
		cr_expect_gt(lines_written(l, 1u << i), 100, "shard %u did something", i);
		cr_expect_gt(relay_counters(s[i]->relay)[RELAY_C_RECORDS_OPENED], 0);
	}
	for (const void *p = lines_next_shared(l, NULL); p != NULL; p = lines_next_shared(l, p))
		cr_expect_fail("both shards wrote the line at %p", p);
	lines_free(l);
}

Test(shards, each_writes_lines_of_its_own_with_one_queue)
{
	each_writes_lines_of_its_own(1);
}

Test(shards, each_writes_lines_of_its_own_with_two_queues)
{
	each_writes_lines_of_its_own(2);
}

#endif

/* --- records ---------------------------------------------------------------------------------- */

static uint64_t records_opened(void)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < SHARDS; i++)
		n += relay_counters(s[i]->relay)[RELAY_C_RECORDS_OPENED];
	return n;
}

/* What relays hold to be the longest packet, as after a login. */
static void lengths_as_after_login(void)
{
	for (unsigned int i = 0; i < SHARDS; i++)
		for (uint32_t k = 0; k < s[i]->relay->fresh_conns; k++)
			s[i]->relay->conns[k].rx.dir.packet_max = SSH_PACKET_MAX;
}

/* However small the windows are, as those of near peers on a full core: a record comes to its end.
 */
Test(shards, the_largest_record_passes_through_the_smallest_window)
{
	static uint8_t record[4 + SSH_PACKET_MAX] = {[4] = 4, SSH_MSG_IGNORE};
	static const uint32_t longest[] = {SSH_PACKET_MAX_PREAUTH, SSH_PACKET_MAX};

	file.conf.receive_buffer = NEAR_LEAST;
	make(2);
	connect_all();
	all_say("SSH-2.0-x\r\n", 11);
	turns(4);
	for (size_t i = 0; i < RTE_DIM(longest); i++) {
		uint32_t len = RTE_ALIGN_FLOOR(longest[i] + 4, 8u), be = rte_cpu_to_be_32(len - 4);
		uint64_t before = records_opened();

		memcpy(record, &be, sizeof(be));
		if (longest[i] == SSH_PACKET_MAX)
			lengths_as_after_login();
		client_says(&peer.app[i], record, len);
		for (unsigned int k = 0; k < 20000 && records_opened() == before; k++) {
			peer_turn();
			turns(1);
		}
		cr_expect_eq(records_opened(), before + 1, "%u bytes", len);
	}
}
