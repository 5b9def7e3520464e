/*
 * The path's MTU changes under a transfer, with and without routers that say so: F-17, RFC 1191,
 * RFC 2923, RFC 4821.
 */
#include <criterion/criterion.h>

#include "dataplane/tcp/internal.h"
#include "tests/sim/vnet.h"
#include "tests/util/eal.h"
#include "tests/util/rnd.h"

#define SEC UINT64_C(1000000)

static void start(void)
{
	eal_start("128");
}

TestSuite(pmtu, .init = start);

struct world {
	struct vnet v;
	struct app client, server;
	struct apps cs, ss;
	uint64_t until; /* bytes at the server */
	struct vnet_link link;
};

static void world_init_of(struct world *w, uint8_t family, uint16_t mtu, uint64_t up)
{
	struct net_addr to = vnet_addr_of(1, family, 0);
	uint64_t seed = rnd_seed();

	memset(w, 0, sizeof(*w));
	vnet_init(&w->v, seed, 4095, 8191);
	w->v.host[0].net.mtu = w->v.host[1].net.mtu = mtu;
	vnet_stack(&w->v, 0, (struct tcp_conf){0});
	vnet_stack(&w->v, 1, (struct tcp_conf){0});
	vnet_app(&w->v, 0, &w->cs, &w->client, seed * 2, seed * 2 + 1, up);
	vnet_app(&w->v, 1, &w->ss, &w->server, seed * 2 + 1, seed * 2, 1000);
	w->link = (struct vnet_link){.delay_us = 2000, .bits_per_s = 200000000, .queue_us = 50000};
	vnet_link_set(&w->v, 0, 1, w->link);
	cr_assert_eq(app_listen(&w->server, 22, 8), 0);
	cr_assert_eq(app_connect(&w->client, &to, 22), 0);
}

static void world_init(struct world *w, uint16_t mtu, uint64_t up)
{
	world_init_of(w, 4, mtu, up);
}

static void path(struct world *w, uint16_t mtu, bool black_hole)
{
	w->link.mtu = mtu;
	w->link.black_hole = black_hole;
	vnet_link_set(&w->v, 0, 1, w->link);
}

static bool got_enough(void *arg)
{
	struct world *w = arg;

	return w->server.rx_total >= w->until;
}

/* Virtual time until the server has so many bytes; fails beyond max_us. */
static uint64_t until(struct world *w, uint64_t bytes, uint64_t max_us)
{
	uint64_t from = w->v.now_us;

	w->until = bytes;
	cr_assert(vnet_run(&w->v, max_us, got_enough, w), "stuck at %lu of %lu bytes",
		  w->server.rx_total, bytes);
	return w->v.now_us - from;
}

static bool both_done(void *arg)
{
	struct world *w = arg;

	return w->client.closed && w->server.closed;
}

static void world_end(struct world *w)
{
	cr_expect(vnet_run(&w->v, 100 * SEC, both_done, w));
	cr_expect_not(w->client.wrong || w->server.wrong || w->client.error || w->server.error);
	cr_expect_eq(w->server.rx_total, w->client.tx_total);
	vnet_run(&w->v, 400 * SEC, NULL, NULL);
	cr_expect_eq(tcp_conns(w->v.host[0].tcp), 0);
	cr_expect(vnet_fini(&w->v));
}

/* The sender's connection: the only one of its stack. */
static struct tcp_conn *sender(struct world *w)
{
	return tcp_of(w->client.s);
}

static uint64_t count(const struct world *w, enum tcp_counter c)
{
	return tcp_counters(w->v.host[0].tcp)[c];
}

/* --- F-17 ------------------------------------------------------------------------------------ */

#define MB UINT64_C(1000000)

Test(pmtu, jumbo_then_1280_then_576_with_routers_that_say_so)
{
	struct world w;

	world_init(&w, 9000, 9 * MB);
	until(&w, 3 * MB, 10 * SEC);
	cr_expect_eq(sender(&w)->pmtu.size, 9000);
	path(&w, 1280, false);
	cr_expect_lt(until(&w, 6 * MB, 10 * SEC), 2 * SEC);
	cr_expect_eq(sender(&w)->pmtu.size, 1280);
	path(&w, 576, false);
	cr_expect_lt(until(&w, 8 * MB, 10 * SEC), 2 * SEC);
	cr_expect_eq(sender(&w)->pmtu.size, 576);
	cr_expect_eq(count(&w, TCP_C_PMTU_DOWN), 2);
	cr_expect_eq(count(&w, TCP_C_PMTU_BLACK_HOLE), 0);
	world_end(&w);
}

Test(pmtu, jumbo_then_1280_then_576_in_silence)
{
	struct world w;

	world_init(&w, 9000, 9 * MB);
	until(&w, 3 * MB, 10 * SEC);
	path(&w, 1280, true);
	/* Three time-outs, then a few round trips of search. */
	cr_expect_lt(until(&w, 6 * MB, 20 * SEC), 4 * SEC);
	cr_expect_eq(sender(&w)->pmtu.size, 1280);
	path(&w, 576, true);
	cr_expect_lt(until(&w, 8 * MB, 40 * SEC), 8 * SEC);
	cr_expect_eq(sender(&w)->pmtu.size, 576);
	cr_expect_eq(count(&w, TCP_C_PMTU_DOWN), 0);
	cr_expect_geq(count(&w, TCP_C_PMTU_BLACK_HOLE), 2);
	world_end(&w);
}

/* IPv6: 1280 bytes pass everywhere (RFC 8200 section 5), so nobody goes below. */
Test(pmtu, ipv6_jumbo_then_1400_then_1280)
{
	for (int silent = 0; silent < 2; silent++) {
		struct world w;

		world_init_of(&w, 6, 9000, 6 * MB);
		until(&w, 2 * MB, 10 * SEC);
		path(&w, 1400, silent);
		cr_expect_lt(until(&w, 4 * MB, 20 * SEC), 4 * SEC);
		cr_expect_eq(sender(&w)->pmtu.size, 1400);
		path(&w, 1280, silent);
		cr_expect_lt(until(&w, 5 * MB, 20 * SEC), 4 * SEC);
		cr_expect_eq(sender(&w)->pmtu.size, 1280);
		cr_expect_eq(sender(&w)->mss, 1280 - 40 - 20 - 12);
		world_end(&w);
	}
}

/* RFC 2923 section 2.1: the handshake and small things pass, and the first window never. */
Test(pmtu, a_black_hole_from_the_beginning_is_left)
{
	struct world w;

	world_init(&w, 1500, 3 * MB);
	path(&w, 1400, true);
	cr_expect_lt(until(&w, 1 * MB, 20 * SEC), 5 * SEC);
	cr_expect_eq(sender(&w)->pmtu.size, 1400);
	cr_expect_eq(w.v.host[0].net.pmtu[1], 1400, "the next connection knows");
	world_end(&w);
}

/* What a search finds: the largest common size that passes, whatever the path is. */
Test(pmtu, the_search_ends_at_a_size_that_passes)
{
	static const struct {
		uint16_t path, least;
	} cases[] = {{1499, 1492}, {1492, 1492}, {1480, 1476}, {1450, 1420},
		     {1420, 1420}, {1400, 1400}, {1300, 1280}, {1280, 1280},
		     {1200, 1200}, {1100, 1006}, {700, 576},   {560, 552}};

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct world w;

		world_init(&w, 1500, 2 * MB);
		path(&w, cases[i].path, true);
		until(&w, 3 * MB / 2, 60 * SEC);
		cr_expect_geq(sender(&w)->pmtu.size, cases[i].least, "path %u: %u", cases[i].path,
			      sender(&w)->pmtu.size);
		cr_expect_leq(sender(&w)->pmtu.size, cases[i].path, "path %u: %u", cases[i].path,
			      sender(&w)->pmtu.size);
		world_end(&w);
	}
}

/* --- up again ---------------------------------------------------------------------------- */

Test(pmtu, after_ten_minutes_more_is_tried_and_found)
{
	struct world w;

	world_init(&w, 1500, 8 * MB);
	path(&w, 1280, false);
	until(&w, 1 * MB, 10 * SEC);
	path(&w, 0, false);
	until(&w, 2 * MB, 10 * SEC);
	cr_expect_eq(sender(&w)->pmtu.size, 1280, "not before its time");
	w.server.paused = true;
	vnet_run(&w.v, 601 * SEC, NULL, NULL);
	w.server.paused = false;
	until(&w, 7 * MB, 60 * SEC);
	cr_expect_eq(sender(&w)->pmtu.size, 1500);
	cr_expect_eq(w.v.host[0].net.pmtu[1], 0);
	world_end(&w);
}

/* A router that refuses the probe says what it takes: found in two steps. */
Test(pmtu, a_router_that_refuses_a_probe_is_believed)
{
	struct world w;

	world_init(&w, 1500, 8 * MB);
	path(&w, 1006, true);
	until(&w, 1 * MB, 20 * SEC);
	path(&w, 1433, false);
	w.server.paused = true;
	vnet_run(&w.v, 601 * SEC, NULL, NULL);
	w.server.paused = false;
	until(&w, 7 * MB, 60 * SEC);
	cr_expect_eq(sender(&w)->pmtu.size, 1433);
	world_end(&w);
}

/* An outage is no black hole: what it cost is found again with the first data. */
Test(pmtu, after_an_outage_the_old_size_is_back)
{
	struct world w;

	world_init(&w, 1500, 4 * MB);
	until(&w, 1 * MB, 10 * SEC);
	path(&w, 1, true);
	vnet_run(&w.v, 8 * SEC, NULL, NULL);
	cr_expect_eq(sender(&w)->pmtu.size, 552);
	path(&w, 0, true);
	until(&w, 3 * MB, 30 * SEC);
	cr_expect_eq(sender(&w)->pmtu.size, 1500);
	cr_expect_eq(count(&w, TCP_C_PMTU_UP), 1);
	world_end(&w);
}

/* A lost small segment says nothing of sizes. */
Test(pmtu, small_segments_that_time_out_change_nothing)
{
	struct world w;

	world_init(&w, 1500, 500);
	w.client.no_shutdown = true;
	until(&w, 500, 10 * SEC);
	path(&w, 1, true);
	w.client.tx_total += 500;
	vnet_run(&w.v, 10 * SEC, NULL, NULL);
	cr_expect_geq(count(&w, TCP_C_RTO), 4);
	cr_expect_eq(sender(&w)->pmtu.size, 1500);
	path(&w, 0, true);
	w.client.no_shutdown = false;
	world_end(&w);
}

/* All there is fits the first smaller size, and is too large all the same. */
Test(pmtu, one_segment_that_is_too_large_for_the_path)
{
	struct world w;

	world_init(&w, 1500, 1000);
	path(&w, 700, true);
	cr_expect_lt(until(&w, 1000, 20 * SEC), 5 * SEC);
	world_end(&w);
}

/* --- our own link ------------------------------------------------------------------------ */

Test(pmtu, our_own_link_becomes_smaller)
{
	struct world w;

	world_init(&w, 9000, 6 * MB);
	until(&w, 2 * MB, 10 * SEC);
	vnet_mtu_set(&w.v, 0, 1500);
	cr_expect_lt(until(&w, 4 * MB, 10 * SEC), 2 * SEC);
	cr_expect_eq(sender(&w)->pmtu.size, 1500);
	cr_expect_eq(sender(&w)->path.mtu, 1500);
	world_end(&w);
}

/* A router refused a probe and said 4000; then the link itself takes less than that. */
Test(pmtu, no_probe_is_larger_than_our_own_link)
{
	struct tcp_conn *c;
	struct world w;

	world_init(&w, 9000, 6 * MB);
	path(&w, 1400, true);
	until(&w, 2 * MB, 20 * SEC);
	c = sender(&w);
	cr_assert_eq(c->pmtu.size, 1400);
	c->pmtu.failed = 4001;
	c->pmtu.told = true;
	c->pmtu.search = tcp_tick(w.v.now_us);
	vnet_mtu_set(&w.v, 0, 1500);
	until(&w, 4 * MB, 20 * SEC);
	cr_expect_leq(c->pmtu.size, 1500);
	cr_expect_eq(w.v.bad, 0, "packets the link does not take: %lu", w.v.bad);
	world_end(&w);
}

/* A recovery of small segments ends when larger ones have been found. */
Test(pmtu, a_window_of_small_segments_holds_larger_ones)
{
	struct tcp_conn *c;
	struct world w;

	world_init(&w, 9000, 6 * MB);
	path(&w, 1400, true);
	until(&w, 2 * MB, 60 * SEC);
	c = sender(&w);
	cr_assert_eq(c->pmtu.size, 1400);
	c->ssthresh = 2 * c->mss; /* as two losses in a row leave it */
	c->cwnd = c->mss;
	path(&w, 9000, true);
	c->pmtu.search = tcp_tick(w.v.now_us);
	until(&w, 4 * MB, 60 * SEC);
	cr_assert_eq(c->pmtu.size, 9000);
	cr_expect_geq(c->ssthresh, 2u * c->mss);
	world_end(&w);
}

/* --- generated --------------------------------------------------------------------------- */

/* Any MTU at any time, said or not, with loss: every byte arrives. */
Test(pmtu, generated_changes_of_the_path)
{
	unsigned int rounds = test_long() ? 400 : 6;
	struct rnd r = rnd_new(rnd_seed());

	for (unsigned int i = 0; i < rounds; i++) {
		struct world w;

		world_init(&w, rnd_below(&r, 2) ? 9000 : 1500, MB);
		w.link.loss = rnd_below(&r, 3) == 0 ? 5000 : 0;
		for (uint64_t at = MB / 8; at < MB; at += MB / 8) {
			until(&w, at, 300 * SEC);
			path(&w, (uint16_t)(560 + rnd_below(&r, 1000)), rnd_below(&r, 2));
		}
		world_end(&w);
	}
}
