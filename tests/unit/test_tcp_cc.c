/*
 * Congestion control without a network: the arithmetic of CUBIC against the formula of RFC 9438,
 * and the algorithms under acknowledgements that a test makes, one round trip after the other.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/tcp/cubic.h"
#include "dataplane/tcp/hystart.h"
#include "dataplane/tcp/internal.h"
#include "tests/util/rnd.h"

#define MSS 1448u

/* --- arithmetic ------------------------------------------------------------------------- */

Test(tcp_cc, cube_root_of_cubes_and_their_neighbours)
{
	for (uint64_t r = 1; r < 2642245; r += 1 + r / 50) {
		cr_expect_eq(tcp_cubic_root(r * r * r), r, "%lu", r);
		cr_expect_eq(tcp_cubic_root(r * r * r - 1), r - 1, "%lu", r);
		cr_expect_eq(tcp_cubic_root(r * r * r + 1), r + (r == 0), "%lu", r);
	}
	cr_expect_eq(tcp_cubic_root(0), 0);
	cr_expect_eq(tcp_cubic_root(7), 1);
	cr_expect_eq(tcp_cubic_root(8), 2);
	cr_expect_eq(tcp_cubic_root(UINT64_MAX), 2642245);
}

Test(tcp_cc, cube_root_of_anything)
{
	struct rnd r = rnd_new(rnd_seed());

	for (unsigned int i = 0; i < (test_long() ? 10000000u : 100000u); i++) {
		uint64_t x = rnd_u64(&r) >> rnd_below(&r, 64);
		unsigned __int128 q = tcp_cubic_root(x);

		cr_assert(q * q * q <= x && (q + 1) * (q + 1) * (q + 1) > x, "%lu", x);
	}
}

/* W_cubic(t) in floating point, of bytes. */
static double curve(double w_max, double cwnd_epoch, double mss, double t)
{
	double k = w_max > cwnd_epoch ? cbrt((w_max - cwnd_epoch) / mss / 0.4) : 0;

	return (0.4 * pow(t - k, 3)) * mss + w_max;
}

Test(tcp_cc, curve_is_that_of_the_formula)
{
	struct rnd r = rnd_new(rnd_seed());

	for (unsigned int i = 0; i < 20000; i++) {
		uint32_t mss = 64 + rnd_below(&r, 9000);
		uint32_t w_max = 10 * mss + rnd_below(&r, 100u << 20);
		uint32_t cwnd = (uint32_t)(w_max * 0.7), t_ms = rnd_below(&r, 60000);
		uint32_t k_ms = tcp_cubic_k_ms(w_max - cwnd, mss);
		double want = curve(w_max, cwnd, mss, t_ms / 1e3);
		double got = (double)tcp_cubic_window(w_max, mss, t_ms, k_ms);

		if (want > 0) /* K is told to a millisecond: that much time, at the slope there */
			cr_assert_float_eq(got, want,
					   mss + mss * 1.2 * pow(t_ms / 1e3 - k_ms / 1e3, 2) *
							   0.002,
					   "mss %u w_max %u t %u", mss, w_max, t_ms);
	}
}

Test(tcp_cc, curve_at_its_bounds_does_not_overflow)
{
	static const uint32_t mss[] = {1, 64, 1448, 65535};

	for (size_t i = 0; i < RTE_DIM(mss); i++) {
		uint32_t k = tcp_cubic_k_ms(TCP_CWND_MAX, mss[i]);

		cr_expect_eq(tcp_cubic_window(TCP_CWND_MAX, mss[i], k, k), TCP_CWND_MAX);
		cr_expect_gt(tcp_cubic_window(TCP_CWND_MAX, mss[i], INT64_C(1) << 32, 0),
			     TCP_CWND_MAX);
		cr_expect_eq(tcp_cubic_window(1, mss[i], 0, UINT32_MAX), 0);
	}
}

/* --- a connection of nothing but its windows ---------------------------------------------- */

struct path {
	struct tcp t;
	struct tcp_conn c;
	struct tcp_busy busy;
	uint64_t now_us;
	uint32_t rtt_us;
};

static void path_init(struct path *p, const struct tcp_cc_ops *cc, uint32_t rtt_us)
{
	*p = (struct path){.now_us = 5 * TCP_SEC, .rtt_us = rtt_us};
	p->t.conf.cc = cc;
	p->c.t = &p->t;
	p->c.busy = &p->busy;
	p->c.mss = MSS;
	p->c.srtt_us = rtt_us;
	p->c.rto_us = TCP_RTO_INIT_US;
	p->c.snd_una = p->c.snd_nxt = p->c.snd_max = 1;
	tcp_cc_init(&p->c, p->now_us);
}

/* One ACK of n bytes, of a window that was full or not. */
static void ack(struct path *p, uint32_t n, bool full, uint32_t rtt_us)
{
	struct tcp_conn *c = &p->c;
	struct tcp_cc_ack a = {
		.now_us = p->now_us, .acked = n, .pipe = full ? c->cwnd : n, .rtt_us = rtt_us};

	c->snd_una += n;
	c->snd_max = c->snd_una + c->cwnd;
	c->busy->limited_end = full ? c->snd_max : c->snd_una - 1;
	tcp_cc_acked(c, &a);
}

/* A round trip of full windows, an ACK for every second segment, evenly spread. */
static void round_trip(struct path *p, bool full)
{
	uint32_t left = p->c.cwnd, n = left / (2 * MSS) + 1;
	uint64_t start = p->now_us;

	for (uint32_t i = 1; left > 0; i++) {
		uint32_t k = min_u64(left, 2u * MSS);

		p->now_us = start + min_u64((uint64_t)p->rtt_us * i / n, p->rtt_us);
		ack(p, k, full, p->rtt_us);
		left -= k;
	}
	p->now_us = start + p->rtt_us;
}

/* A loss as recovery tells it, repaired within a round trip. */
static void lose(struct path *p, enum tcp_cc_loss why)
{
	tcp_cc_lost(&p->c, why, p->c.cwnd, p->now_us);
	p->c.cwnd = why == TCP_CC_RTO ? MSS : p->c.ssthresh;
	p->c.recover = p->c.snd_una;
	p->now_us += p->rtt_us;
}

static double segs(uint32_t bytes)
{
	return bytes / (double)MSS;
}

/* Puts it into congestion avoidance, at such a window before a loss. */
static void lose_at(struct path *p, uint32_t cwnd)
{
	p->c.cwnd = cwnd;
	lose(p, TCP_CC_FAST);
}

/* --- CUBIC ---------------------------------------------------------------------------------- */

/* RFC 9438 figures 1 and 2, in the region that is neither Reno's nor clamped. */
Test(tcp_cc, cubic_follows_its_curve_after_a_loss)
{
	const uint32_t w_max = 2000 * MSS;
	struct path p;
	uint64_t epoch;

	path_init(&p, &tcp_cc_cubic, 100000);
	lose_at(&p, w_max);
	cr_expect_float_eq(segs(p.c.cwnd), 1400, 1);
	epoch = p.now_us;
	while (p.now_us - epoch < 20 * TCP_SEC) {
		double want;

		round_trip(&p, true);
		/* What is aimed at lies a round trip ahead, and is reached in one. */
		want = curve(w_max, w_max * 0.7, MSS, (double)(p.now_us - epoch) / 1e6);
		cr_expect_float_eq(segs(p.c.cwnd), want / MSS, 0.03 * want / MSS, "%.1f s: %.0f",
				   (double)(p.now_us - epoch) / 1e6, segs(p.c.cwnd));
	}
	cr_expect_gt(segs(p.c.cwnd), 2200, "beyond the old window after K = 11.4 s");
}

/* K = cbrt(0.3 * W_max / 0.4): where the curve is flat. */
Test(tcp_cc, cubic_waits_at_the_window_of_the_last_loss)
{
	struct path p;
	double k = cbrt(0.3 * 1000 / 0.4);
	uint64_t epoch;

	path_init(&p, &tcp_cc_cubic, 50000);
	lose_at(&p, 1000 * MSS);
	epoch = p.now_us;
	while (p.now_us - epoch < (uint64_t)((k - 1) * 1e6))
		round_trip(&p, true);
	cr_expect_float_eq(segs(p.c.cwnd), 1000, 10);
	while (p.now_us - epoch < (uint64_t)((k + 1) * 1e6))
		round_trip(&p, true);
	cr_expect_float_eq(segs(p.c.cwnd), 1000, 10);
}

Test(tcp_cc, cubic_grows_by_half_in_a_round_trip_at_most)
{
	struct path p;

	path_init(&p, &tcp_cc_cubic, 2000000); /* so long that the curve leaps */
	lose_at(&p, 20 * MSS);
	for (int i = 0; i < 8; i++) {
		uint32_t before = p.c.cwnd;

		round_trip(&p, true);
		cr_expect_leq(p.c.cwnd, before * 8 / 5 + MSS);
	}
}

/* Section 4.7: a flow that lost before it came as far as last time aims lower. */
Test(tcp_cc, cubic_fast_convergence)
{
	struct path p;
	const double plateau = 600 * 0.85, k = cbrt((plateau - 420) / 0.4);
	uint64_t epoch;

	path_init(&p, &tcp_cc_cubic, 50000);
	lose_at(&p, 1000 * MSS);
	lose_at(&p, 600 * MSS);
	cr_expect_float_eq(segs(p.c.cwnd), 420, 1);
	epoch = p.now_us;
	while (p.now_us - epoch < (uint64_t)(k * 1e6))
		round_trip(&p, true);
	cr_expect_float_eq(segs(p.c.cwnd), plateau, 0.02 * plateau);
}

Test(tcp_cc, cubic_that_came_farther_aims_at_all_of_it)
{
	struct path p;
	const double k = cbrt(0.3 * 800 / 0.4);
	uint64_t epoch;

	path_init(&p, &tcp_cc_cubic, 50000);
	lose_at(&p, 600 * MSS);
	lose_at(&p, 800 * MSS);
	epoch = p.now_us;
	while (p.now_us - epoch < (uint64_t)(k * 1e6))
		round_trip(&p, true);
	cr_expect_float_eq(segs(p.c.cwnd), 800, 8);
}

/*
 * Section 4.3: where round trips are short, cubic time is slow; it has to be as fast as Reno
 * with the same average: 9/17 of a segment in a round trip, one above the old window.
 */
Test(tcp_cc, cubic_is_as_fast_as_reno_where_reno_is_faster)
{
	struct path p;
	unsigned int n = 0;

	path_init(&p, &tcp_cc_cubic, 1000);
	lose_at(&p, 100 * MSS);
	for (; p.c.cwnd < 99 * MSS; n++)
		round_trip(&p, true);
	cr_expect_float_eq((double)n, 29 / (9 / 17.0), 5, "%u round trips", n);
	n = 0;
	for (; p.c.cwnd < 130 * MSS; n++)
		round_trip(&p, true);
	cr_expect_float_eq((double)n, 31, 4, "%u round trips", n);
}

/* Section 4.9: all of it as before, and the curve goes on where it was. */
Test(tcp_cc, cubic_undo_brings_back_window_and_curve)
{
	struct path p, q;

	path_init(&p, &tcp_cc_cubic, 100000);
	lose_at(&p, 1000 * MSS);
	for (int i = 0; i < 30; i++)
		round_trip(&p, true);
	q = p;
	q.c.t = &q.t;
	q.c.busy = &q.busy;
	lose(&p, TCP_CC_FAST);
	cr_expect_lt(p.c.cwnd, q.c.cwnd);
	tcp_cc_undo(&p.c);
	cr_expect_eq(p.c.cwnd, q.c.cwnd);
	cr_expect_eq(p.c.ssthresh, q.c.ssthresh);
	q.now_us += q.rtt_us;
	for (int i = 0; i < 50; i++) {
		round_trip(&p, true);
		round_trip(&q, true);
	}
	cr_expect_float_eq(segs(p.c.cwnd), segs(q.c.cwnd), 2);
}

Test(tcp_cc, cubic_undo_of_the_first_loss_is_slow_start_again)
{
	struct path p;
	uint32_t cwnd;

	path_init(&p, &tcp_cc_cubic, 100000);
	round_trip(&p, true);
	cwnd = p.c.cwnd;
	lose(&p, TCP_CC_RTO);
	for (int i = 0; i < 2; i++)
		round_trip(&p, true);
	tcp_cc_undo(&p.c);
	cr_expect_geq(p.c.cwnd, cwnd);
	cr_expect_eq(p.c.ssthresh, TCP_SSTHRESH_INF);
	cwnd = p.c.cwnd;
	round_trip(&p, true);
	cr_expect_float_eq(segs(p.c.cwnd), 2 * segs(cwnd), 2);
}

/* Section 4.8: slow start to ssthresh, then from the plateau: the old W_max says nothing. */
Test(tcp_cc, cubic_after_a_time_out)
{
	struct path p;
	uint64_t epoch;

	path_init(&p, &tcp_cc_cubic, 100000);
	lose_at(&p, 1000 * MSS);
	lose(&p, TCP_CC_RTO);
	cr_expect_eq(p.c.cwnd, MSS);
	cr_expect_float_eq(segs(p.c.ssthresh), 490, 1);
	while (p.c.cwnd < p.c.ssthresh)
		round_trip(&p, true);
	epoch = p.now_us;
	for (int i = 0; i < 50; i++)
		round_trip(&p, true);
	cr_expect_float_eq(segs(p.c.cwnd),
			   curve(490 * MSS, 490 * MSS, MSS, (double)(p.now_us - epoch) / 1e6) / MSS,
			   30, "%.0f segments", segs(p.c.cwnd));
}

/* Section 5.8 and RFC 7661: time and windows that were not used prove nothing. */
Test(tcp_cc, cubic_that_does_not_use_its_window_does_not_grow_nor_leap_later)
{
	struct path p;
	uint32_t cwnd;

	path_init(&p, &tcp_cc_cubic, 100000);
	lose_at(&p, 100 * MSS);
	for (int i = 0; i < 5; i++)
		round_trip(&p, true);
	cwnd = p.c.cwnd;
	for (int i = 0; i < 600; i++) { /* a minute */
		ack(&p, 2 * MSS, false, p.rtt_us);
		p.now_us += p.rtt_us;
	}
	cr_expect_eq(p.c.cwnd, cwnd);
	round_trip(&p, true);
	cr_expect_leq(p.c.cwnd, cwnd + 4 * MSS, "%.0f of %.0f", segs(p.c.cwnd), segs(cwnd));
}

Test(tcp_cc, cubic_does_not_count_a_pause)
{
	struct path p;
	uint32_t cwnd;

	path_init(&p, &tcp_cc_cubic, 100000);
	lose_at(&p, 100 * MSS);
	for (int i = 0; i < 5; i++)
		round_trip(&p, true);
	cwnd = p.c.cwnd;
	p.c.last_tx = tcp_tick(p.now_us);
	p.now_us += 60 * TCP_SEC;
	tcp_cc_tx_start(&p.c, p.now_us);
	round_trip(&p, true);
	cr_expect_leq(p.c.cwnd, cwnd + 4 * MSS, "%.0f of %.0f", segs(p.c.cwnd), segs(cwnd));
}

/* --- HyStart++ ------------------------------------------------------------------------------- */

/* Rounds of slow start with such a smallest round trip. */
static void ss_round(struct path *p, uint32_t rtt_us)
{
	p->rtt_us = rtt_us;
	round_trip(p, true);
}

Test(tcp_cc, hystart_doubles_while_the_round_trip_does_not_grow)
{
	struct path p;

	path_init(&p, &tcp_cc_cubic, 50000);
	for (int i = 0; i < 6; i++) {
		double before = segs(p.c.cwnd);

		ss_round(&p, 50000 + (uint32_t)i % 2 * 3000);
		cr_expect_float_eq(segs(p.c.cwnd), 2 * before, 2);
	}
	cr_expect_eq(p.c.ssthresh, TCP_SSTHRESH_INF);
}

/* RTT + max(4 ms, min(RTT / 8, 16 ms)) is where conservative slow start begins. */
Test(tcp_cc, hystart_thresholds)
{
	static const struct {
		uint32_t rtt_us, more_us;
		bool css;
	} cases[] = {
		{8000, 3900, false},  {8000, 4100, true},     {80000, 9900, false},
		{80000, 10100, true}, {400000, 15900, false}, {400000, 16100, true},
		{1000, 3900, false},  {1000, 4100, true},
	};

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct path p;
		double before;

		path_init(&p, &tcp_cc_cubic, cases[i].rtt_us);
		for (int k = 0; k < 3; k++)
			ss_round(&p, cases[i].rtt_us);
		ss_round(&p, cases[i].rtt_us + cases[i].more_us);
		before = segs(p.c.cwnd);
		ss_round(&p, cases[i].rtt_us + cases[i].more_us);
		cr_expect_float_eq(segs(p.c.cwnd), before * (cases[i].css ? 1.25 : 2), 3, "%zu", i);
	}
}

Test(tcp_cc, hystart_needs_eight_samples)
{
	struct path p;

	path_init(&p, &tcp_cc_cubic, 50000);
	p.c.cwnd = 12 * MSS; /* six ACKs */
	ss_round(&p, 50000);
	p.c.cwnd = 12 * MSS;
	ss_round(&p, 90000);
	cr_expect_float_eq(segs(p.c.cwnd), 24, 1);
}

/* Section 4.2: five rounds of conservative slow start, then ssthresh = cwnd. */
Test(tcp_cc, hystart_ends_after_five_conservative_rounds)
{
	struct path p;
	unsigned int n = 0;

	path_init(&p, &tcp_cc_cubic, 50000);
	for (int k = 0; k < 3; k++)
		ss_round(&p, 50000);
	for (; p.c.ssthresh == TCP_SSTHRESH_INF && n < 20; n++)
		ss_round(&p, 60000);
	cr_expect_geq(n, 5);
	cr_expect_leq(n, 6, "%u", n);
	cr_expect_eq(p.c.ssthresh, p.c.cwnd);
	cr_expect_lt(segs(p.c.cwnd), 80 * 2 * 1.25 * 1.25 * 1.25 * 1.25 * 1.25 + 3);
}

/* "the RTT shrinks": the jitter was no queue, slow start goes on. */
Test(tcp_cc, hystart_resumes_when_the_round_trip_falls_back)
{
	struct path p;
	double before;

	path_init(&p, &tcp_cc_cubic, 50000);
	for (int k = 0; k < 3; k++)
		ss_round(&p, 50000);
	ss_round(&p, 60000);
	ss_round(&p, 60000);
	ss_round(&p, 50000);
	before = segs(p.c.cwnd);
	ss_round(&p, 50000);
	cr_expect_float_eq(segs(p.c.cwnd), 2 * before, 3);
	cr_expect_eq(p.c.ssthresh, TCP_SSTHRESH_INF);
}

Test(tcp_cc, hystart_is_for_the_first_slow_start_only)
{
	struct path p;

	path_init(&p, &tcp_cc_cubic, 50000);
	p.c.cwnd = 1000 * MSS;
	lose(&p, TCP_CC_RTO);
	for (int i = 0; i < 3; i++)
		ss_round(&p, 50000);
	for (int i = 0; i < 3; i++) {
		double before = segs(p.c.cwnd);

		ss_round(&p, 90000);
		cr_expect_float_eq(segs(p.c.cwnd), 2 * before, 2);
	}
}

/* --- NewReno and what all share ------------------------------------------------------------------
 */

Test(tcp_cc, newreno_grows_one_segment_a_window)
{
	struct path p;

	path_init(&p, &tcp_cc_newreno, 100000);
	lose_at(&p, 100 * MSS);
	cr_expect_eq(p.c.cwnd, 50 * MSS, "half (RFC 5681 (4))");
	for (unsigned int i = 1; i <= 20; i++) {
		round_trip(&p, true);
		cr_expect_float_eq(segs(p.c.cwnd), 50 + i, 1, "%u: %.1f", i, segs(p.c.cwnd));
	}
}

/* T-32, RFC 3465: a segment acknowledged in a hundred pieces counts as one. */
Test(tcp_cc, ack_division_gains_nothing)
{
	static const struct tcp_cc_ops *const ops[] = {&tcp_cc_newreno, &tcp_cc_cubic};

	for (size_t i = 0; i < RTE_DIM(ops); i++) {
		struct path whole, pieces;

		path_init(&whole, ops[i], 100000);
		path_init(&pieces, ops[i], 100000);
		ack(&whole, MSS, true, 0);
		for (uint32_t k = 0; k < 8; k++)
			ack(&pieces, MSS / 8, true, 0);
		cr_expect_eq(whole.c.cwnd, pieces.c.cwnd, "%s in slow start", ops[i]->name);
		lose_at(&whole, 100 * MSS);
		lose_at(&pieces, 100 * MSS);
		for (uint32_t n = 0; n < 400; n++) {
			ack(&whole, MSS, true, 0);
			for (uint32_t k = 0; k < 8; k++)
				ack(&pieces, MSS / 8, true, 0);
			whole.now_us = pieces.now_us += 1000;
		}
		cr_expect_float_eq(segs(pieces.c.cwnd), segs(whole.c.cwnd), 1, "%s: %.1f %.1f",
				   ops[i]->name, segs(pieces.c.cwnd), segs(whole.c.cwnd));
	}
}

Test(tcp_cc, least_ssthresh_is_two_segments)
{
	static const struct tcp_cc_ops *const ops[] = {&tcp_cc_newreno, &tcp_cc_cubic};

	for (size_t i = 0; i < RTE_DIM(ops); i++) {
		struct path p;

		path_init(&p, ops[i], 100000);
		p.c.cwnd = MSS;
		lose(&p, TCP_CC_FAST);
		cr_expect_eq(p.c.ssthresh, 2 * MSS, "%s", ops[i]->name);
	}
}

/* RFC 6928 section 2. */
Test(tcp_cc, initial_window)
{
	static const struct {
		uint16_t mss, rxtshift;
		uint32_t segs;
	} cases[] = {{536, 0, 10}, {1448, 0, 10}, {1460, 0, 10}, {8948, 0, 2}, {1448, 1, 1}};

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct path p;

		path_init(&p, &tcp_cc_cubic, 1000);
		p.c.mss = cases[i].mss;
		p.c.rxtshift = (uint8_t)cases[i].rxtshift;
		tcp_cc_init(&p.c, 0);
		cr_expect_eq(p.c.cwnd / p.c.mss, cases[i].segs, "%zu", i);
	}
}

/* RFC 5681 section 4.1, RFC 7661: the window begins anew, the path is remembered. */
Test(tcp_cc, idle_restart)
{
	struct path p;

	path_init(&p, &tcp_cc_cubic, 100000);
	p.c.cwnd = 400 * MSS;
	p.c.ssthresh = 200 * MSS;
	p.c.last_tx = tcp_tick(p.now_us);
	tcp_cc_idle(&p.c, p.now_us + TCP_RTO_INIT_US / 2);
	cr_expect_eq(p.c.cwnd, 400 * MSS, "not yet an RTO");
	tcp_cc_idle(&p.c, p.now_us + TCP_RTO_INIT_US * 2);
	cr_expect_eq(p.c.cwnd / MSS, 10);
	cr_expect_eq(p.c.ssthresh, 300 * MSS);

	p.c.cwnd = 400 * MSS;
	p.t.conf.no_idle_restart = true;
	tcp_cc_idle(&p.c, p.now_us + TCP_RTO_INIT_US * 2);
	cr_expect_eq(p.c.cwnd, 400 * MSS, "not asked for");
}

/* RFC 7661 section 4.2: where a window is no longer than a burst it is kept for five minutes. */
Test(tcp_cc, idle_near)
{
	static const struct {
		uint32_t min_rtt_us;
		uint64_t idle_us;
		uint32_t segs;
	} c[] = {
		{1000, 2 * TCP_RTO_INIT_US, 400}, {1000, 299 * TCP_SEC, 400},
		{1000, 301 * TCP_SEC, 10},        {1001, 2 * TCP_RTO_INIT_US, 10},
		{0, 2 * TCP_RTO_INIT_US, 10}, /* not known */
	};

	for (size_t i = 0; i < RTE_DIM(c); i++) {
		struct path p;

		path_init(&p, &tcp_cc_cubic, c[i].min_rtt_us);
		p.c.min_rtt_us = c[i].min_rtt_us;
		p.c.cwnd = 400 * MSS;
		p.c.last_tx = tcp_tick(p.now_us);
		tcp_cc_idle(&p.c, p.now_us + c[i].idle_us);
		cr_expect_eq(p.c.cwnd / MSS, c[i].segs, "%zu", i);
	}
}

Test(tcp_cc, algorithms_by_name)
{
	cr_expect_eq(tcp_cc_find("cubic"), &tcp_cc_cubic);
	cr_expect_eq(tcp_cc_find("newreno"), &tcp_cc_newreno);
	cr_expect_eq(tcp_cc_find("reno"), NULL);
	cr_expect_eq(tcp_cc_find(""), NULL);
}
