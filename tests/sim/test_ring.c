/*
 * Two real stacks with the real net/ below: over DPDK's net_ring, which hands over the very mbuf,
 * and over a port that keeps every mbuf it was given for a random time and looks whether a
 * byte of it changed. Copying devices hide every mistake of this kind.
 */
#include <criterion/criterion.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/port/port.h"
#include "tests/sim/app.h"
#include "tests/util/eal.h"

#define KEPT 4096

TestSuite(ring);

struct side;

struct kept {
	struct rte_mbuf *m;
	uint64_t until, sum;
};

struct side {
	struct pkt_pools pools;
	struct port port;
	struct net *net;
	struct tcp *tcp;
	struct app app;
	struct apps apps;
	/* Of the port that keeps. */
	struct side *other;
	struct rte_mbuf *in[1024];
	unsigned int in_n;
	struct kept kept[KEPT];
	unsigned int kept_n;
	uint64_t rng, changed, turn;
};

static struct side a, b;
static uint64_t now_us = 1000000;

static void side_init(struct side *s, const char *name, uint8_t host)
{
	struct net_addr addr = {.family = 4, .b = {198, 18, 0, host}};
	struct tcp_conf conf = {.conns_max = 8,
				.time_wait_max = 8,
				.rx_budget = 256 * 1024,
				.tx_budget = 256 * 1024,
				.secret = {host, 99}};

	cr_assert_eq(net_new(&(struct net_conf){.pools = &s->pools, .neigh_max = 16}, &s->net), 0);
	cr_assert_eq(net_iface_add(s->net, name, &s->port), 0);
	cr_assert_eq(net_addr_add(s->net, 0, &addr, 24), 0);
	conf.net = s->net;
	conf.pools = &s->pools;
	cr_assert_eq(tcp_new(&conf, &s->tcp), 0);
}

static void side_turn(struct side *s)
{
	struct rte_mbuf *m[64], *tcp[64];
	unsigned int n;

	s->turn++;
	n = s->port.rx_burst(&s->port, m, 64);
	n = net_input_burst(s->net, 0, m, n, now_us, tcp);
	tcp_input_burst(s->tcp, tcp, n, now_us);
	tcp_timers(s->tcp, now_us);
	apps_step(&s->apps);
	tcp_output_poll(s->tcp, now_us);
	net_timers(s->net, now_us);
	net_flush(s->net);
}

static bool done(const struct side *s)
{
	return s->app.closed || s->app.error;
}

static void transfer(uint64_t up, uint64_t down)
{
	struct net_addr to = {.family = 4, .b = {198, 18, 0, 2}};

	app_init(&a.app, a.tcp, a.pools.data, 1, 2, up);
	app_init(&b.app, b.tcp, b.pools.data, 2, 1, down);
	apps_add(&a.apps, &a.app);
	apps_add(&b.apps, &b.app);
	cr_assert_eq(app_listen(&b.app, 22, 4), 0);
	cr_assert_eq(app_connect(&a.app, &to, 22), 0);
	for (unsigned int i = 0; i < 2000000 && !(done(&a) && done(&b)); i++) {
		side_turn(&a);
		side_turn(&b);
		now_us += 10;
	}
	cr_expect(done(&a) && done(&b), "it does not end");
	cr_expect_eq(a.app.err, 0);
	cr_expect_eq(b.app.err, 0);
	cr_expect_not(a.app.wrong || b.app.wrong);
	cr_expect_eq(a.app.rx_total, down);
	cr_expect_eq(b.app.rx_total, up);
	for (unsigned int i = 0; i < 100; i++) { /* to TIME-WAIT's end */
		now_us += 1000000;
		side_turn(&a);
		side_turn(&b);
	}
	cr_expect_eq(tcp_conns(a.tcp) + tcp_conns(b.tcp), 0);
}

static void side_fini(struct side *s)
{
	tcp_free(s->tcp);
	net_free(s->net);
}

static void pools_fini(struct side *s)
{
	cr_expect_eq(eal_out(s->pools.data), 0, "%u data mbufs lost", eal_out(s->pools.data));
	cr_expect_eq(eal_out(s->pools.head), 0, "%u head mbufs lost", eal_out(s->pools.head));
	pkt_pools_free(&s->pools);
}

static void pools_init(void)
{
	eal_start("64");
	cr_assert_eq(pkt_pools_new("a", 4095, 8191, SOCKET_ID_ANY, &a.pools), 0);
	cr_assert_eq(pkt_pools_new("b", 4095, 8191, SOCKET_ID_ANY, &b.pools), 0);
}

/* --- net_ring ------------------------------------------------------------------------- */

static void ring_port(struct side *s, const char *name, struct rte_ring *rx, struct rte_ring *tx,
		      uint16_t mtu)
{
	char device[RTE_ETH_NAME_MAX_LEN], err[256] = "";
	int id = rte_eth_from_rings(name, &rx, 1, &tx, 1, 0);
	struct port_conf conf = {
		.queues = 1, .rx_desc = 256, .tx_desc = 256, .pool = s->pools.data, .mtu = mtu};

	cr_assert_geq(id, 0);
	cr_assert_eq(rte_eth_dev_get_name_by_port((uint16_t)id, device), 0);
	conf.device = device;
	cr_assert_eq(port_open(&conf, &s->port, err, sizeof(err)), 0, "%s", err);
	/* The device's own is all zero: no host's. */
	s->port.mac = (struct rte_ether_addr){{2, 0, 0, 0, 0, (uint8_t)name[0]}};
}

/* Segments the first side sent. */
static uint64_t over_net_ring(uint16_t mtu)
{
	struct rte_ring *up, *down;
	uint64_t segs;

	pools_init();
	up = rte_ring_create("up", 1024, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	down = rte_ring_create("down", 1024, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	cr_assert(up != NULL && down != NULL);
	ring_port(&a, "a", down, up, mtu);
	ring_port(&b, "b", up, down, mtu);
	side_init(&a, "outside", 1);
	side_init(&b, "inside", 2);
	transfer(3000000, 2000000);
	segs = tcp_counters(a.tcp)[TCP_C_OUT_SEGS];
	side_fini(&a);
	side_fini(&b);
	port_close(&a.port);
	port_close(&b.port);
	pools_fini(&a);
	pools_fini(&b);
	return segs;
}

Test(ring, two_stacks_over_net_ring)
{
	over_net_ring(0);
}

/* Packets of several buffers both ways, and a sixth of the segments. */
Test(ring, jumbo_frames_over_net_ring)
{
	uint64_t segs = over_net_ring(9000);

	cr_expect_lt(segs, 3000000 / 4000, "%lu segments", segs);
}

/* --- a port that keeps ------------------------------------------------------------------ */

static uint64_t rnd(struct side *s)
{
	s->rng = s->rng * 6364136223846793005 + 1442695040888963407;
	return s->rng >> 33;
}

/* Of everything a driver may look at. */
static uint64_t mbuf_sum(const struct rte_mbuf *m)
{
	uint64_t h = 1469598103934665603;

	for (; m != NULL; m = m->next) {
		const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);

		h = (h ^ m->data_off ^ (uint64_t)m->data_len << 16) * 1099511628211;
		h = (h ^ (uintptr_t)m->next) * 1099511628211;
		for (uint32_t i = 0; i < m->data_len; i++)
			h = (h ^ p[i]) * 1099511628211;
	}
	return h;
}

static void let_go(struct side *s, bool all)
{
	for (unsigned int i = 0; i < s->kept_n;) {
		struct kept *k = &s->kept[i];

		if (!all && k->until > s->turn) {
			i++;
			continue;
		}
		s->changed += mbuf_sum(k->m) != k->sum;
		rte_pktmbuf_free(k->m);
		*k = s->kept[--s->kept_n];
	}
}

static uint16_t keep_tx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
	struct side *s = p == &a.port ? &a : &b;
	uint16_t i;

	let_go(s, false);
	for (i = 0; i < n && s->kept_n < KEPT; i++) {
		struct rte_mbuf *copy = NULL;

		if (s->other->in_n < RTE_DIM(s->other->in))
			copy = rte_pktmbuf_copy(m[i], s->other->pools.data, 0, UINT32_MAX);
		if (copy != NULL)
			s->other->in[s->other->in_n++] = copy;
		s->kept[s->kept_n++] = (struct kept){m[i], s->turn + rnd(s) % 50, mbuf_sum(m[i])};
	}
	return i;
}

static uint16_t keep_rx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
	struct side *s = p == &a.port ? &a : &b;
	uint16_t k = (uint16_t)RTE_MIN(n, s->in_n);

	let_go(s, false);
	memcpy(m, s->in, k * sizeof(m[0]));
	memmove(s->in, s->in + k, (s->in_n - k) * sizeof(m[0]));
	s->in_n -= k;
	return k;
}

static void keep_port(struct side *s, struct side *other, uint8_t host)
{
	s->port = (struct port){.rx_burst = keep_rx,
				.tx_burst = keep_tx,
				.mtu = 1500,
				.mac = {{2, 0, 0, 0, 0, host}},
				.link_up = true};
	s->other = other;
	s->rng = host;
}

Test(ring, a_port_that_keeps_every_mbuf_for_a_while)
{
	pools_init();
	keep_port(&a, &b, 1);
	keep_port(&b, &a, 2);
	side_init(&a, "outside", 1);
	side_init(&b, "inside", 2);
	transfer(3000000, 2000000);
	let_go(&a, true);
	let_go(&b, true);
	cr_expect_eq(a.changed + b.changed, 0, "%lu kept packets changed", a.changed + b.changed);
	side_fini(&a);
	side_fini(&b);
	while (a.in_n > 0)
		rte_pktmbuf_free(a.in[--a.in_n]);
	while (b.in_n > 0)
		rte_pktmbuf_free(b.in[--b.in_n]);
	pools_fini(&a);
	pools_fini(&b);
}
