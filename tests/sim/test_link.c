/*
 * Links that go and come under real stacks with the real net/ (F-12), and ports that take nothing
 * (F-11): a cable between two ports, a virtual clock, no byte lost and nobody given up.
 */
#include <criterion/criterion.h>
#include <rte_arp.h>
#include <rte_ether.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/net/net.h"
#include "tests/sim/app.h"
#include "tests/util/eal.h"
#include "tests/util/rnd.h"

#define MS       UINT64_C(1000)
#define SEC      UINT64_C(1000000)
#define DELAY_US 500
#define QUEUE_US (100 * MS) /* more than this waits before the cable: lost */
#define CONNS    24
#define ENDLESS  (UINT64_C(1) << 40)

struct frame {
	struct frame *next;
	uint64_t at_us;
	uint32_t len;
	uint8_t b[];
};

struct side {
	struct port port;
	struct pkt_pools pools;
	struct net *net;
	struct tcp *tcp;
	struct apps apps;
	struct app app[CONNS];
	struct side *other;
	struct frame *in, **in_end;
	bool stuck;        /* its port takes nothing */
	uint32_t per_call; /* its port takes so many at a time; 0: all */
	unsigned int announced, asked;
	uint32_t sent_at_ms[64]; /* TCP packets, by millisecond since mark_us */
	uint64_t mark_us;
	uint64_t free_at_us; /* when the cable has sent what it was given */
};

static struct side side[2];
static bool plugged;        /* the cable */
static uint64_t bits_per_s; /* of the cable each way; 0: no limit */
static uint64_t now_us;

/* --- the cable -----------------------------------------------------------------------------------
 */

static void note(struct side *s, const uint8_t *b, uint32_t len)
{
	const struct rte_ether_hdr *eth = (const void *)b;
	struct rte_arp_hdr arp;

	if (eth->ether_type != RTE_BE16(RTE_ETHER_TYPE_ARP)) {
		uint64_t ms = (now_us - s->mark_us) / MS;

		if (s->mark_us != 0 && ms < RTE_DIM(s->sent_at_ms))
			s->sent_at_ms[ms]++;
		return;
	}
	cr_assert_geq(len, sizeof(*eth) + sizeof(arp));
	memcpy(&arp, b + sizeof(*eth), sizeof(arp));
	if (arp.arp_data.arp_sip == arp.arp_data.arp_tip)
		s->announced++;
	else if (arp.arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST))
		s->asked++;
}

static uint64_t on_cable(struct side *s, uint32_t len)
{
	if (bits_per_s == 0)
		return now_us + DELAY_US;
	s->free_at_us = RTE_MAX(s->free_at_us, now_us) + len * 8 * SEC / bits_per_s;
	return s->free_at_us + DELAY_US;
}

static uint16_t cable_tx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
	struct side *s = (struct side *)p;

	if (s->stuck)
		return 0;
	if (s->per_call != 0 && n > s->per_call)
		n = (uint16_t)s->per_call;
	for (uint16_t i = 0; i < n; i++) {
		struct frame *f = malloc(sizeof(*f) + m[i]->pkt_len);
		uint32_t at = 0;

		*f = (struct frame){.len = m[i]->pkt_len};
		for (const struct rte_mbuf *k = m[i]; k != NULL; k = k->next) {
			memcpy(f->b + at, rte_pktmbuf_mtod(k, void *), k->data_len);
			at += k->data_len;
		}
		note(s, f->b, f->len);
		rte_pktmbuf_free(m[i]);
		f->at_us = on_cable(s, f->len);
		if (plugged && f->at_us - now_us <= QUEUE_US) {
			*s->other->in_end = f;
			s->other->in_end = &f->next;
		} else {
			free(f);
		}
	}
	return n;
}

static uint16_t cable_rx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
	struct side *s = (struct side *)p;
	uint16_t k = 0;

	while (k < n && s->in != NULL && s->in->at_us <= now_us) {
		struct frame *f = s->in;

		m[k] = rte_pktmbuf_alloc(s->pools.wide != NULL ? s->pools.wide : s->pools.data);
		cr_assert_not_null(m[k]);
		memcpy(rte_pktmbuf_append(m[k], (uint16_t)f->len), f->b, f->len);
		k++;
		s->in = f->next;
		if (s->in == NULL)
			s->in_end = &s->in;
		free(f);
	}
	return k;
}

/* --- sides ---------------------------------------------------------------------------------------
 */

static struct net_addr addr_of(unsigned int i)
{
	return (struct net_addr){.family = 4, .b = {198, 18, 0, (uint8_t)(i + 1)}};
}

static void side_init(unsigned int i, const char *name, uint16_t mtu, bool wide)
{
	struct side *s = &side[i];
	struct net_addr addr = addr_of(i);
	struct tcp_conf conf = {.conns_max = 64,
				.time_wait_max = 64,
				.rx_budget = 128 * 1024,
				.tx_budget = 128 * 1024,
				.secret = {i, 99}};

	*s = (struct side){.port = {.rx_burst = cable_rx,
				    .tx_burst = cable_tx,
				    .mtu = mtu,
				    .link_up = true,
				    .mac = {{2, 0, 0, 0, 0, (uint8_t)i}}},
			   .other = &side[1 - i]};
	s->in_end = &s->in;
	cr_assert_eq(pkt_pools_new(name, 4095, 8191, SOCKET_ID_ANY, &s->pools), 0);
	if (wide)
		cr_assert_eq(pkt_pools_widen(&s->pools, name, 1023, 0, false, SOCKET_ID_ANY), 0);
	cr_assert_eq(net_new(&(struct net_conf){.pools = &s->pools, .neigh_max = 16}, &s->net), 0);
	cr_assert_eq(net_iface_add(s->net, name, &s->port), 0);
	cr_assert_eq(net_addr_add(s->net, 0, &addr, 24), 0);
	conf.net = s->net;
	conf.pools = &s->pools;
	cr_assert_eq(tcp_new(&conf, &s->tcp), 0);
}

static void begin(const char *memory)
{
	eal_start(memory);
	now_us = 1000000;
	plugged = true;
	bits_per_s = 20000000;
}

static void start(void)
{
	begin("64");
	side_init(0, "a", 1500, false);
	side_init(1, "b", 1500, false);
}

static void end(void)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct side *s = &side[i];

		while (s->in != NULL) {
			struct frame *f = s->in;

			s->in = f->next;
			free(f);
		}
		tcp_free(s->tcp);
		net_free(s->net);
		cr_expect_eq(eal_out(s->pools.data), 0, "data mbufs lost");
		cr_expect_eq(eal_out(s->pools.head), 0, "head mbufs lost");
		if (s->pools.wide != NULL)
			cr_expect_eq(eal_out(s->pools.wide), 0, "wide mbufs lost");
		pkt_pools_free(&s->pools);
	}
}

TestSuite(link, .init = start, .fini = end);

/* --- time ----------------------------------------------------------------------------------------
 */

/* True: did something; *next is when it has to again. */
static bool side_turn(struct side *s, uint64_t *next)
{
	struct rte_mbuf *m[64], *seg[64];
	unsigned int n, k, work;

	n = s->port.rx_burst(&s->port, m, 64);
	k = net_input_burst(s->net, 0, m, n, now_us, seg);
	tcp_input_burst(s->tcp, seg, k, now_us);
	work = n + tcp_timers(s->tcp, now_us);
	work += apps_step(&s->apps);
	work += tcp_output_poll(s->tcp, now_us);
	work += net_timers(s->net, now_us);
	work += net_flush(s->net);
	*next = RTE_MIN(*next, tcp_next_timer_us(s->tcp));
	*next = RTE_MIN(*next, net_next_timer_us(s->net));
	if (s->in != NULL)
		*next = RTE_MIN(*next, s->in->at_us);
	return work > 0;
}

/* Until done says so (true), or for so long. */
static bool run(uint64_t us, bool (*done)(void))
{
	uint64_t until = now_us + us;

	while (now_us < until) {
		uint64_t next = until;
		bool busy = side_turn(&side[0], &next);

		busy |= side_turn(&side[1], &next);
		if (done != NULL && done())
			return true;
		now_us = busy || next <= now_us ? now_us + 10 : RTE_MIN(next, until);
	}
	return done == NULL;
}

/* Both ends see it at once; what looks for it in the program comes by every 100 ms. */
static void plug(bool in)
{
	plugged = in;
	for (unsigned int i = 0; i < 2; i++) {
		net_link_set(side[i].net, 0, in, now_us);
		if (in)
			tcp_link_up(side[i].tcp, 0);
	}
}

static unsigned int conns_n;

static void connect_all(unsigned int n, uint64_t up, uint64_t down)
{
	struct net_addr to = addr_of(1);

	conns_n = n;
	for (unsigned int i = 0; i < n; i++) {
		struct app *c = &side[0].app[i], *s = &side[1].app[i];

		app_init(c, side[0].tcp, side[0].pools.data, 1, 2, up);
		app_init(s, side[1].tcp, side[1].pools.data, 2, 1, down);
		apps_add(&side[0].apps, c);
		apps_add(&side[1].apps, s);
		cr_assert_eq(app_listen(s, (uint16_t)(1000 + i), 4), 0);
		cr_assert_eq(app_connect(c, &to, (uint16_t)(1000 + i)), 0);
	}
}

static uint64_t arrived(void)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < conns_n; i++)
		sum += side[0].app[i].rx_total + side[1].app[i].rx_total;
	return sum;
}

static uint64_t arrived_before;

static bool some_arrived(void)
{
	return arrived() > arrived_before;
}

static bool all_done(void)
{
	for (unsigned int i = 0; i < conns_n; i++)
		for (unsigned int k = 0; k < 2; k++)
			if (!side[k].app[i].closed && !side[k].app[i].error)
				return false;
	return true;
}

static void expect_whole(void)
{
	cr_expect(run(4000 * SEC, all_done), "it does not end");
	for (unsigned int i = 0; i < conns_n; i++) {
		const struct app *c = &side[0].app[i], *s = &side[1].app[i];

		cr_expect(c->err == 0 && s->err == 0, "connection %u: %d %d", i, c->err, s->err);
		cr_expect_not(c->wrong || s->wrong);
		cr_expect_eq(s->rx_total, c->tx_total);
		cr_expect_eq(c->rx_total, s->tx_total);
	}
}

/* What is sent already is enough. */
static void stop_sending(void)
{
	for (unsigned int i = 0; i < conns_n; i++)
		for (unsigned int k = 0; k < 2; k++)
			side[k].app[i].tx_total = side[k].app[i].tx_done;
}

static uint64_t dropped(unsigned int i, enum net_drop d)
{
	return net_drops(side[i].net)[d];
}

static uint64_t counted(unsigned int i, enum tcp_counter c)
{
	return tcp_counters(side[i].tcp)[c];
}

/* --- F-12 ----------------------------------------------------------------------------------------
 */

/* Away for so long in the middle of a transfer; how long after it is back until bytes move. */
static uint64_t outage(uint64_t us)
{
	uint64_t back;

	run(20 * MS, NULL);
	cr_assert(arrived() > 0 && !all_done(), "in the middle");
	plug(false);
	run(us, NULL);
	arrived_before = arrived();
	plug(true);
	back = now_us;
	cr_expect(run(120 * SEC, some_arrived), "nothing moves after %lu us", us);
	return now_us - back;
}

Test(link, short_and_long_outages_cost_no_connection)
{
	static const uint64_t us[] = {10 * MS, 100 * MS, 1 * SEC, 10 * SEC, 60 * SEC};

	connect_all(1, ENDLESS, ENDLESS);
	for (unsigned int i = 0; i < RTE_DIM(us); i++) {
		uint64_t took = outage(us[i]);

		/* Back-off would be half as long as the outage again. */
		cr_expect_leq(took, 250 * MS, "after %lu ms: %lu us", us[i] / MS, took);
	}
	cr_expect_gt(dropped(0, NET_DROP_LINK_DOWN), 0);
	cr_expect_gt(counted(0, TCP_C_KICKED) + counted(1, TCP_C_KICKED), 0);
	stop_sending();
	expect_whole();
}

Test(link, addresses_are_announced_and_neighbours_asked_when_it_is_back)
{
	unsigned int announced, asked;

	connect_all(1, ENDLESS, 0);
	run(5 * SEC, NULL);
	announced = side[0].announced;
	asked = side[0].asked;
	cr_expect_eq(announced, 2, "of the start");
	/* Of ours alone: the other's announcement would tell without being asked. */
	net_link_set(side[0].net, 0, false, now_us);
	run(5 * SEC, NULL);
	net_link_set(side[0].net, 0, true, now_us);
	tcp_link_up(side[0].tcp, 0);
	run(5 * SEC, NULL);
	cr_expect_eq(side[0].announced - announced, 2);
	cr_expect_geq(side[0].asked - asked, 1);
	stop_sending();
	expect_whole();
}

Test(link, a_neighbour_with_another_mac_is_found)
{
	connect_all(1, ENDLESS, 0);
	run(20 * MS, NULL);
	plug(false);
	run(2 * SEC, NULL);
	/* Other hardware has the address now; on its side nothing is known of the change. */
	side[1].port.mac.addr_bytes[5] ^= 0x40;
	net_free(side[1].net);
	cr_assert_eq(
		net_new(&(struct net_conf){.pools = &side[1].pools, .neigh_max = 16}, &side[1].net),
		0);
	cr_assert_eq(net_iface_add(side[1].net, "b", &side[1].port), 0);
	cr_assert_eq(net_addr_add(side[1].net, 0,
				  &(struct net_addr){.family = 4, .b = {198, 18, 0, 2}}, 24),
		     0);
	tcp_free(side[1].tcp);
	cr_assert_eq(tcp_new(&(struct tcp_conf){.net = side[1].net,
						.pools = &side[1].pools,
						.conns_max = 4,
						.rx_budget = 65536,
						.tx_budget = 65536},
			     &side[1].tcp),
		     0);
	side[1].apps.n = 0;
	plug(true);
	/* The old MAC is asked alone, then everybody: then the reset of a stack without the
	 * connection. */
	cr_expect(run(10 * SEC, all_done) || side[0].app[0].error);
	cr_expect_eq(side[0].app[0].err, -ECONNRESET);
	conns_n = 0;
}

Test(link, flapping_ten_times_a_second_for_a_minute)
{
	unsigned int announced;
	uint64_t before;

	connect_all(4, ENDLESS, ENDLESS);
	run(20 * MS, NULL);
	announced = side[0].announced;
	before = arrived();
	for (int i = 0; i < 600; i++) {
		plug(false);
		run(50 * MS, NULL);
		plug(true);
		run(50 * MS, NULL);
	}
	cr_expect_gt(arrived(), before, "bytes move all the same");
	cr_expect_leq(side[0].announced - announced, 62, "once a second: %u",
		      side[0].announced - announced);
	stop_sending();
	expect_whole();
}

/* Connections that all wait do not all try in the same millisecond. */
Test(link, no_herd_when_it_is_back)
{
	uint32_t most = 0, sum = 0;

	connect_all(CONNS, ENDLESS, 0);
	run(20 * MS, NULL);
	plug(false);
	run(20 * SEC, NULL);
	plug(true);
	plugged = false; /* so that nothing is sent but what the news of the link brings forward */
	side[0].mark_us = now_us;
	run(40 * MS, NULL);
	for (unsigned int i = 0; i < 40; i++) {
		most = RTE_MAX(most, side[0].sent_at_ms[i]);
		sum += side[0].sent_at_ms[i];
	}
	cr_expect_eq(counted(0, TCP_C_KICKED), CONNS);
	cr_expect_eq(sum, CONNS, "one each: %u", sum);
	cr_expect_leq(most, CONNS / 3, "%u in a millisecond", most);
	plugged = true;
	stop_sending();
	expect_whole();
}

Test(link, seeded_outages)
{
	unsigned int rounds = test_long() ? 2000 : 20;
	struct rnd r = rnd_new(rnd_seed());

	connect_all(3, ENDLESS, ENDLESS);
	run(20 * MS, NULL);
	for (unsigned int i = 0; i < rounds; i++) {
		plug(false);
		run(rnd_below(&r, 3) == 0 ? rnd_below(&r, 60 * SEC) : rnd_below(&r, 100 * MS),
		    NULL);
		plug(true);
		/* Long enough for what is brought forward and its answer: it is up to us then. */
		run(60 * MS + rnd_below(&r, 100 * MS), NULL);
	}
	arrived_before = arrived();
	cr_expect(run(SEC, some_arrived));
	stop_sending();
	expect_whole();
}

/* --- F-11: ENOBUFS of a TAP and every other port that takes nothing ------------------------------
 */

Test(link, a_port_that_takes_nothing_for_a_while_loses_nothing)
{
	bits_per_s = 0;
	connect_all(3, ENDLESS, 0); /* as many SYNs as wait for a neighbour */
	for (int i = 0; i < 10; i++) {
		run(20 * MS, NULL);
		side[0].stuck = true;
		run(60 * MS, NULL);
		cr_expect_neq(net_tx_stuck_us(side[0].net, 0), 0);
		side[0].stuck = false;
	}
	cr_expect_eq(counted(0, TCP_C_RTO), 0);
	stop_sending();
	expect_whole();
	cr_expect_eq(net_tx_stuck_us(side[0].net, 0), 0);
	cr_expect_eq(dropped(0, NET_DROP_TX_FULL), 0);
}

Test(link, a_port_that_takes_one_at_a_time_loses_nothing)
{
	side[0].per_call = side[1].per_call = 1;
	connect_all(8, 300000, 300000);
	expect_whole();
	cr_expect_eq(dropped(0, NET_DROP_TX_FULL), 0);
}

Test(link, a_port_that_takes_nothing_for_ever_ends_in_time_outs)
{
	bits_per_s = 0;
	connect_all(2, ENDLESS, 0);
	run(5 * MS, NULL);
	side[0].stuck = true;
	run(400 * SEC, NULL);
	cr_expect_eq(side[0].app[0].err, -ETIMEDOUT);
	cr_expect_eq(side[0].app[1].err, -ETIMEDOUT);
}

/* --- routes that change
 * ---------------------------------------------------------------------------- */

static struct net_addr a4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	return (struct net_addr){.family = 4, .b = {a, b, c, d}};
}

Test(link, a_connection_follows_its_route)
{
	struct net_addr far = a4(10, 9, 0, 1), prefix = a4(10, 9, 0, 0);
	struct net_addr one = a4(198, 18, 0, 2), two = a4(198, 18, 0, 3);
	struct app *c = &side[0].app[0], *s = &side[1].app[0];
	unsigned int asked;

	/* The other side is both gateways and what lies behind them. */
	cr_assert_eq(net_addr_add(side[1].net, 0, &two, 24), 0);
	cr_assert_eq(net_addr_add(side[1].net, 0, &far, 24), 0);
	cr_assert_eq(net_route_add(side[0].net, &prefix, 24, &one), 0);
	conns_n = 1;
	app_init(c, side[0].tcp, side[0].pools.data, 1, 2, ENDLESS);
	app_init(s, side[1].tcp, side[1].pools.data, 2, 1, 0);
	apps_add(&side[0].apps, c);
	apps_add(&side[1].apps, s);
	cr_assert_eq(app_listen(s, 1000, 4), 0);
	cr_assert_eq(app_connect(c, &far, 1000), 0);
	run(100 * MS, NULL);
	cr_expect_gt(arrived(), 0);

	cr_assert_eq(net_route_del(side[0].net, &prefix, 24), 0);
	run(100 * MS, NULL);
	arrived_before = arrived();
	run(SEC, NULL);
	cr_expect_eq(arrived(), arrived_before, "there is no way");
	cr_expect_gt(dropped(0, NET_DROP_NO_ROUTE), 0);

	asked = side[0].asked;
	cr_assert_eq(net_route_add(side[0].net, &prefix, 24, &two), 0);
	cr_expect(run(20 * SEC, some_arrived), "by the other gateway");
	cr_expect_eq(side[0].asked, asked + 1, "who was not known before");
	stop_sending();
	expect_whole();
}

/* --- wide buffers --------------------------------------------------------------------------------
 */

static void start_jumbo(void)
{
	begin("128");
	side_init(0, "a", 9000, true);
	side_init(1, "b", 9000, true);
}

/* Of two ports that could do more one has frames of 1500 bytes: all segments fill little. */
static void start_mixed(void)
{
	begin("128");
	side_init(0, "a", 9000, true);
	side_init(1, "b", 1500, true);
}

static bool lossy_done(void)
{
	plugged = now_us / MS % 97 != 0;
	return all_done();
}

static void transfer(void)
{
	connect_all(8, 400000, 300000);
	cr_expect(run(4000 * SEC, lossy_done), "it does not end");
	expect_whole();
	cr_expect_gt(counted(0, TCP_C_RETRANS) + counted(1, TCP_C_RETRANS), 0);
}

TestSuite(link_jumbo, .init = start_jumbo, .fini = end);

Test(link_jumbo, full_frames_in_wide_buffers)
{
	transfer();
}

TestSuite(link_mixed, .init = start_mixed, .fini = end);

Test(link_mixed, small_frames_in_wide_buffers)
{
	transfer();
}
