/*
 * Congestion control over a bottleneck: a link of so many bits and a queue that drops what does
 * not fit. Bands come from the RFCs and from what the link can carry.
 */
#include <criterion/criterion.h>

#include "dataplane/tcp/internal.h"
#include "tests/sim/vnet.h"
#include "tests/util/eal.h"
#include "tests/util/rnd.h"

#define MSS   1448u
#define FLOWS 3
#define MBIT  UINT64_C(1000000)

static void start(void)
{
	eal_start("192");
}

TestSuite(cc, .init = start);

struct world {
	struct vnet v;
	unsigned int flows;
	struct app client[FLOWS], server[FLOWS];
	struct apps cs, ss;
	/* Data packets of the first flow: the most in a millisecond, and in a burst. */
	uint64_t last_us;
	uint32_t burst, burst_max, ms_pkts, ms_max;
	uint64_t ms_from_us;
};

static struct world w;

/* Packets without half a slot of the wheel between them are one burst. */
static enum vnet_fate watch(void *arg, unsigned int from, const struct vseg *s)
{
	uint64_t now = w.v.now_us;

	(void)arg;
	if (from != 0 || s->len == 0)
		return VNET_PASS;
	w.burst = now - w.last_us < 64 ? w.burst + 1 : 1;
	w.burst_max = RTE_MAX(w.burst_max, w.burst);
	w.last_us = now;
	if (now - w.ms_from_us >= 1000) {
		w.ms_from_us = now;
		w.ms_pkts = 0;
	}
	w.ms_max = RTE_MAX(w.ms_max, ++w.ms_pkts);
	return VNET_PASS;
}

static struct tcp *stack(void)
{
	return w.v.host[0].tcp;
}

static uint64_t count(enum tcp_counter c)
{
	return tcp_counters(stack())[c];
}

static struct tcp_conn *conn(unsigned int flow)
{
	return tcp_of(w.client[flow].s);
}

/* Flows that begin together, each with so many bytes to send; 0: for ever. */
static void begin(unsigned int flows, uint64_t bytes, struct vnet_link link, struct tcp_conf conf)
{
	memset(&w, 0, sizeof(w));
	w.flows = flows;
	vnet_init(&w.v, rnd_seed(), 16383, 32767);
	conf.rx_budget = conf.tx_budget = 8 << 20;
	vnet_stack(&w.v, 0, conf);
	vnet_stack(&w.v, 1, conf);
	vnet_link_set(&w.v, 0, 1, link);
	w.v.filter = watch;
	for (unsigned int i = 0; i < flows; i++) {
		vnet_app(&w.v, 0, &w.cs, &w.client[i], 2 * i, 2 * i + 1,
			 bytes != 0 ? bytes : UINT64_MAX / 2);
		vnet_app(&w.v, 1, &w.ss, &w.server[i], 2 * i + 1, 2 * i, 0);
		w.client[i].no_shutdown = w.server[i].no_shutdown = true;
		cr_assert_eq(app_listen(&w.server[i], (uint16_t)(22 + i), 8), 0);
		cr_assert_eq(vnet_connect(&w.client[i], 1, (uint16_t)(22 + i)), 0);
	}
}

static bool all_here(void *arg)
{
	(void)arg;
	for (unsigned int i = 0; i < w.flows; i++)
		if (w.server[i].rx_total < w.client[i].tx_total)
			return false;
	return true;
}

/* Time until all arrived. */
static uint64_t finish(void)
{
	uint64_t from = w.v.now_us;

	cr_assert(vnet_run(&w.v, 1000 * TCP_SEC, all_here, NULL), "it does not end");
	return w.v.now_us - from;
}

static void end(void)
{
	for (unsigned int i = 0; i < w.flows; i++)
		cr_expect_not(w.server[i].wrong);
	cr_expect(vnet_fini(&w.v));
}

static bool left_slow_start(void *arg)
{
	(void)arg;
	return w.client[0].connected && conn(0)->ssthresh != TCP_SSTHRESH_INF;
}

/* --- a bottleneck -------------------------------------------------------------------------- */

/* 20 Mbit/s, 40 ms, a queue of one round trip: nine tenths of it in ten seconds. */
Test(cc, each_algorithm_fills_a_bottleneck)
{
	static const struct tcp_cc_ops *const ops[] = {&tcp_cc_cubic, &tcp_cc_newreno};

	for (size_t i = 0; i < RTE_DIM(ops); i++) {
		uint64_t us, wire = 8000000 * 8 / 20;

		begin(1, 8000000,
		      (struct vnet_link){
			      .delay_us = 20000, .bits_per_s = 20 * MBIT, .queue_us = 40000},
		      (struct tcp_conf){.cc = ops[i]});
		us = finish();
		cr_expect_lt(us, wire * 125 / 100, "%s: %lu ms for %lu ms of wire", ops[i]->name,
			     us / 1000, wire / 1000);
		cr_expect_lt(count(TCP_C_RETRANS), 400, "%s: %lu", ops[i]->name,
			     count(TCP_C_RETRANS));
		cr_expect_eq(count(TCP_C_RTO), 0, "%s", ops[i]->name);
		end();
	}
}

/*
 * RFC 9406: a queue is seen one round after it began (twice the window), one round late for the
 * smallest of a round is looked at (twice), and five rounds follow at a quarter of the pace (three
 * times): a queue of 14 windows is never full, where slow start without it fills any.
 */
Test(cc, hystart_leaves_slow_start_before_a_loss)
{
	static const struct {
		uint64_t delay_us, bits_per_s;
	} path[] = {{5000, 20 * MBIT}, {25000, 10 * MBIT}};
	static const struct tcp_cc_ops *const ops[] = {&tcp_cc_cubic, &tcp_cc_newreno};

	for (size_t i = 0; i < 2 * RTE_DIM(path); i++) {
		const struct tcp_cc_ops *cc = ops[i % 2];
		uint64_t rtt = 2 * path[i / 2].delay_us, bdp, ssthresh;

		bdp = path[i / 2].bits_per_s / 8 * rtt / TCP_SEC;
		begin(1, 0,
		      (struct vnet_link){.delay_us = path[i / 2].delay_us,
					 .bits_per_s = path[i / 2].bits_per_s,
					 .queue_us = 14 * rtt},
		      (struct tcp_conf){.cc = cc});
		cr_expect(vnet_run(&w.v, 20 * TCP_SEC, left_slow_start, NULL));
		ssthresh = conn(0)->ssthresh;
		cr_expect_eq(w.v.lost > 0, cc == &tcp_cc_newreno, "%zu: %lu lost", i, w.v.lost);
		if (cc == &tcp_cc_cubic) {
			cr_expect_geq(ssthresh, bdp, "%zu: but it filled the path", i);
			cr_expect_leq(ssthresh, 14 * bdp, "%zu: %lu of %lu", i, ssthresh, bdp);
		}
		end();
	}
}

/* Jain's index over the second half of a minute: 1 is equal shares. */
Test(cc, flows_share_a_bottleneck_fairly)
{
	static const struct tcp_cc_ops *const ops[] = {&tcp_cc_cubic, &tcp_cc_newreno};

	for (size_t i = 0; i < RTE_DIM(ops); i++) {
		uint64_t seconds = test_long() ? 300 : 14;
		double sum = 0, squares = 0, at[FLOWS];

		begin(FLOWS, 0,
		      (struct vnet_link){
			      .delay_us = 10000, .bits_per_s = 10 * MBIT, .queue_us = 20000},
		      (struct tcp_conf){.cc = ops[i]});
		vnet_run(&w.v, seconds * TCP_SEC / 2, NULL, NULL);
		for (unsigned int k = 0; k < FLOWS; k++)
			at[k] = (double)w.server[k].rx_total;
		vnet_run(&w.v, seconds * TCP_SEC / 2, NULL, NULL);
		for (unsigned int k = 0; k < FLOWS; k++) {
			double got = (double)w.server[k].rx_total - at[k];

			sum += got;
			squares += got * got;
		}
		cr_expect_gt(sum * sum / (FLOWS * squares), 0.85, "%s: %.3f", ops[i]->name,
			     sum * sum / (FLOWS * squares));
		cr_expect_gt(sum * 8, 0.85 * 10 * MBIT * (double)seconds / 2, "%s: %.1f Mbit/s",
			     ops[i]->name, sum * 8 / (double)seconds * 2 / MBIT);
		end();
	}
}

/* RFC 9438: below its own curve CUBIC is no slower than Reno, and not much faster. */
Test(cc, cubic_beside_newreno_where_round_trips_are_short)
{
	uint64_t us[2];
	static const struct tcp_cc_ops *const ops[] = {&tcp_cc_cubic, &tcp_cc_newreno};

	for (size_t i = 0; i < RTE_DIM(ops); i++) {
		begin(1, 6000000,
		      (struct vnet_link){.delay_us = 2500, .loss = 3000}, /* 5 ms, 0.3 % */
		      (struct tcp_conf){.cc = ops[i]});
		us[i] = finish();
		end();
	}
	cr_expect_lt(us[0], us[1] * 115 / 100, "%lu ms and %lu ms", us[0] / 1000, us[1] / 1000);
}

/* --- pacing ----------------------------------------------------------------------------------- */

Test(cc, pacing_spreads_a_window_over_the_round_trip)
{
	uint32_t paced = 0;

	for (int no = 0; no < 2; no++) {
		begin(1, 0, (struct vnet_link){.delay_us = 50000},
		      (struct tcp_conf){.no_pacing = no});
		while (!w.client[0].connected || conn(0)->cwnd < 300 * MSS)
			vnet_run(&w.v, 1000, NULL, NULL);
		w.burst_max = w.ms_max = 0;
		vnet_run(&w.v, 200000, NULL, NULL);
		if (no == 0)
			paced = w.ms_max;
		else
			cr_expect_gt(w.ms_max, 3 * paced, "without it: %u", w.ms_max);
		/*
		 * Up to 1600 segments in flight then, twice that in a round trip: a millisecond's
		 * burst, and what was left of the one before.
		 */
		if (no == 0)
			cr_expect_leq(w.ms_max, 3 * 2 * conn(0)->cwnd / MSS / 100 + 4,
				      "%u in a millisecond of %u", w.ms_max, conn(0)->cwnd / MSS);
		end();
	}
}

/* At a low rate two at a time, and no more, once ten are out. */
Test(cc, slow_paths_see_no_bursts)
{
	begin(1, 0, (struct vnet_link){.delay_us = 50000, .bits_per_s = 3 * MBIT},
	      (struct tcp_conf){0});
	while (!w.client[0].connected || conn(0)->cwnd < 20 * MSS)
		vnet_run(&w.v, 1000, NULL, NULL);
	vnet_run(&w.v, 300000, NULL, NULL);
	w.burst_max = 0;
	vnet_run(&w.v, 2 * TCP_SEC, NULL, NULL);
	cr_expect_geq(w.burst_max, 2);
	cr_expect_leq(w.burst_max, 4, "%u", w.burst_max);
	end();
}

/* A LAN is not held up: nobody there ever waits for the wheel. */
Test(cc, short_round_trips_are_not_paced)
{
	begin(1, 3000000, (struct vnet_link){.delay_us = 200}, (struct tcp_conf){0});
	while (!all_here(NULL)) {
		vnet_run(&w.v, 100, NULL, NULL);
		cr_assert_eq(stack()->wheel.n, 0);
	}
	end();
}

/* --- idle
 * ----------------------------------------------------------------------------------------- */

/* RFC 5681 section 4.1: after a pause ten segments go, not the window of before. */
Test(cc, window_begins_anew_after_a_pause)
{
	uint32_t before;

	begin(1, 3000000, (struct vnet_link){.delay_us = 20000, .bits_per_s = 50 * MBIT},
	      (struct tcp_conf){.no_pacing = true});
	finish();
	before = conn(0)->cwnd;
	cr_expect_gt(before, 100 * MSS);
	vnet_run(&w.v, 10 * TCP_SEC, NULL, NULL);
	w.burst_max = w.burst = 0;
	w.client[0].tx_total += 1000000;
	vnet_run(&w.v, 30000, NULL, NULL);
	cr_expect_eq(w.burst_max, 10);
	finish();
	cr_expect_leq(conn(0)->ssthresh, TCP_SSTHRESH_INF);
	end();
}

/* --- more paths than can be listed
 * ----------------------------------------------------------------- */

/* Whatever the path, all arrives, windows keep their bounds, nobody stays in the wheel. */
Test(cc, seeded_paths)
{
	struct rnd r = rnd_new(rnd_seed());
	unsigned int n = test_long() ? 2000 : 8;

	for (unsigned int i = 0; i < n; i++) {
		struct vnet_link l = {
			.delay_us = 100 + rnd_below(&r, 100000),
			.jitter_us = rnd_below(&r, 2) * rnd_below(&r, 5000),
			.bits_per_s = MBIT * (1 + rnd_below(&r, 100)),
			.queue_us = 5000 + rnd_below(&r, 200000),
			.loss = rnd_below(&r, 3) * rnd_below(&r, 20000),
			.mark_us = rnd_below(&r, 3) * rnd_below(&r, 50000),
		};
		struct tcp_conf conf = {.cc = rnd_below(&r, 3) ? NULL : &tcp_cc_newreno,
					.ecn = (enum tcp_ecn)rnd_below(&r, 3),
					.no_pacing = rnd_below(&r, 4) == 0};

		begin(1 + rnd_below(&r, FLOWS), 1000 + rnd_below(&r, 200000), l, conf);
		finish();
		for (unsigned int k = 0; k < w.flows; k++) {
			cr_expect_geq(conn(k)->cwnd, MSS, "%u", i);
			cr_expect_geq(conn(k)->ssthresh, 2 * MSS, "%u", i);
		}
		vnet_run(&w.v, TCP_SEC, NULL, NULL);
		cr_expect_eq(stack()->wheel.n, 0, "%u", i);
		end();
	}
}
