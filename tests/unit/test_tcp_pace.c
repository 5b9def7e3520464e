/* The wheel of pacing: nobody early, nobody forgotten, whatever the waits. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "dataplane/tcp/internal.h"
#include "tests/util/rnd.h"

#define CONNS 64
#define MSS   1448

struct bench {
	struct tcp t;
	struct tcp_conn conn[CONNS];
	struct tcp_busy busy[CONNS];
	uint64_t now_us;
};

static struct bench *bench_new(void)
{
	struct bench *b = calloc(1, sizeof(*b));

	b->now_us = 77777777;
	b->t.conf.cc = &tcp_cc_cubic;
	b->t.conf.conns_max = CONNS;
	b->t.conns = b->conn;
	b->t.out_tail = &b->t.out_head;
	for (unsigned int i = 0; i < CONNS; i++)
		b->conn[i] = (struct tcp_conn){.t = &b->t,
					       .state = TCP_ESTABLISHED,
					       .busy = &b->busy[i],
					       .mss = MSS,
					       .cwnd = 100 * MSS,
					       .ssthresh = 100 * MSS,
					       .srtt_us = 50000};
	return b;
}

/* It sends so much at once, and has more: it waits until that is paid for. */
static void send(struct bench *b, unsigned int i, uint32_t bytes)
{
	tcp_pace_begin(&b->conn[i], b->now_us);
	tcp_pace_count(&b->busy[i].pace, bytes);
	cr_assert(tcp_pace_end(&b->conn[i], true, b->now_us), "%u bytes", bytes);
	cr_assert(b->busy[i].pace.waits);
}

/* Who is on the output list leaves it. */
static unsigned int woken(struct bench *b)
{
	unsigned int n = 0;

	for (struct tcp_conn *c = b->t.out_head; c != NULL; c = c->out_next, n++)
		c->on_output = false;
	b->t.out_head = NULL;
	b->t.out_tail = &b->t.out_head;
	return n;
}

Test(tcp_pace, burst_is_paid_for_at_the_rate)
{
	struct bench *b = bench_new();

	/* 100 segments in 50 ms with a gain of 1.2: 2.4 segments in a millisecond. */
	tcp_pace_begin(&b->conn[0], b->now_us);
	cr_expect_eq(b->busy[0].pace.rate, (uint32_t)(100 * MSS * 1.2 / 50));
	cr_expect_eq(b->busy[0].pace.left, b->busy[0].pace.rate, "a millisecond's worth");
	send(b, 0, 24 * MSS);
	cr_expect_eq(b->busy[0].pace.paid_us, b->now_us - TCP_PACE_BURST_US / 2 + 10000);
	b->conn[1].ssthresh = TCP_SSTHRESH_INF;
	send(b, 1, 40 * MSS);
	cr_expect_eq(b->busy[1].pace.paid_us, b->now_us - TCP_PACE_BURST_US / 2 + 10000,
		     "slow start");
	free(b);
}

/* A lower rate than two segments in a millisecond: two go all the same. */
Test(tcp_pace, burst_is_two_segments_at_least)
{
	struct bench *b = bench_new();

	b->conn[0].srtt_us = 500000;
	tcp_pace_begin(&b->conn[0], b->now_us);
	cr_expect_eq(b->busy[0].pace.left, 2 * MSS);
	free(b);
}

Test(tcp_pace, short_round_trips_and_small_windows_are_not_paced)
{
	static const struct {
		uint32_t srtt_us, segs;
		bool off, want;
	} cases[] = {
		{999, 1000, false, false}, {1000, 1000, false, true},  {100000, 10, false, false},
		{100000, 11, false, true}, {100000, 100, true, false}, {0, 100, false, false},
	};

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct bench *b = bench_new();

		b->t.conf.no_pacing = cases[i].off;
		b->conn[0].srtt_us = cases[i].srtt_us;
		b->conn[0].cwnd = cases[i].segs * MSS;
		cr_expect_eq(tcp_pace_on(&b->conn[0]), cases[i].want, "%zu", i);
		tcp_pace_begin(&b->conn[0], b->now_us);
		cr_expect_eq(b->busy[0].pace.left == UINT32_MAX, !cases[i].want, "%zu", i);
		cr_expect_not(cases[i].want ? false : tcp_pace_end(&b->conn[0], true, b->now_us));
		free(b);
	}
}

/* While a burst is not paid for there is nothing to send. */
Test(tcp_pace, debt_leaves_nothing)
{
	struct bench *b = bench_new();

	tcp_pace_begin(&b->conn[0], b->now_us);
	tcp_pace_count(&b->busy[0].pace, 24 * MSS);
	cr_expect_not(tcp_pace_end(&b->conn[0], false, b->now_us), "it has no more: no wait");
	tcp_pace_begin(&b->conn[0], b->now_us + 1000);
	cr_expect_eq(b->busy[0].pace.left, 0);
	tcp_pace_begin(&b->conn[0], b->now_us + 20000);
	cr_expect_eq(b->busy[0].pace.left, b->busy[0].pace.rate);
	free(b);
}

Test(tcp_pace, nobody_early_nobody_forgotten)
{
	struct bench *b = bench_new();
	struct rnd r = rnd_new(rnd_seed());
	uint64_t worst = 0;

	for (unsigned int round = 0; round < (test_long() ? 200000u : 5000u); round++) {
		uint64_t next;

		for (unsigned int i = 0; i < CONNS; i++)
			if (!b->busy[i].pace.waits && rnd_below(&r, 4) == 0)
				send(b, i, 3 * MSS + rnd_below(&r, 250 * MSS));
			else if (b->busy[i].pace.waits && rnd_below(&r, 200) == 0) {
				tcp_pace_stop(&b->conn[i]);
				b->busy[i].pace.paid_us = 0;
			}
		next = tcp_pace_next_us(&b->t);
		b->now_us = rnd_below(&r, 2) && next != UINT64_MAX
				    ? max_u64(b->now_us, next)
				    : b->now_us + rnd_below(&r, 3000);
		tcp_pace_run(&b->t, b->now_us);
		for (unsigned int i = 0; i < CONNS; i++) {
			const struct tcp_pace *p = &b->busy[i].pace;

			if (b->conn[i].on_output)
				cr_assert_leq(p->paid_us, b->now_us, "%u early", i);
			if (p->waits && p->paid_us < b->now_us)
				worst = max_u64(worst, b->now_us - p->paid_us);
		}
		woken(b);
	}
	cr_expect_leq(worst, UINT64_C(2) << TCP_WHEEL_SHIFT, "%lu us late", worst);
	free(b);
}

/* Longer than the wheel turns: looked at when it is around, and then waits again. */
Test(tcp_pace, long_waits)
{
	struct bench *b = bench_new();
	const uint64_t around = (uint64_t)TCP_WHEEL_SLOTS << TCP_WHEEL_SHIFT;

	b->conn[0].srtt_us = 10 * TCP_SEC;
	send(b, 0, 30 * MSS);
	cr_expect_gt(b->busy[0].pace.paid_us, b->now_us + around);
	cr_expect_leq(tcp_pace_next_us(&b->t), b->now_us + around);
	b->now_us = tcp_pace_next_us(&b->t);
	cr_expect_eq(tcp_pace_run(&b->t, b->now_us), 1);
	cr_expect_eq(woken(b), 1);
	tcp_pace_begin(&b->conn[0], b->now_us);
	cr_expect_eq(b->busy[0].pace.left, 0);
	cr_expect(tcp_pace_end(&b->conn[0], true, b->now_us));
	free(b);
}

Test(tcp_pace, wheel_that_was_empty_for_long_begins_at_now)
{
	struct bench *b = bench_new();

	cr_expect_eq(tcp_pace_next_us(&b->t), UINT64_MAX);
	b->now_us += 1000 * TCP_SEC;
	cr_expect_eq(tcp_pace_run(&b->t, b->now_us), 0);
	for (unsigned int i = 0; i < CONNS; i++)
		send(b, i, 3 * MSS + i * MSS);
	cr_expect_gt(tcp_pace_next_us(&b->t), b->now_us);
	cr_expect_eq(tcp_pace_run(&b->t, b->now_us + 200000), CONNS);
	cr_expect_eq(tcp_pace_next_us(&b->t), UINT64_MAX);
	free(b);
}
