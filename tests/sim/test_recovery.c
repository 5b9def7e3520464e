/*
 * Loss recovery in virtual time: scripted losses, with bands on completion time and on
 * retransmissions that follow from the RFCs; the scoreboard is checked after every turn.
 */
#include "tests/sim/board.h"
#include "tests/sim/raw.h"
#include "tests/util/eal.h"
#include "tests/util/rnd.h"
#include <criterion/criterion.h>

static void start(void)
{
	eal_start("192");
}

TestSuite(recovery, .init = start);

#define MS     TCP_MS
#define RTT_US (20 * MS)
#define TINY   32   /* bytes of payload in a segment, where only their number counts */
#define SEGS   2000 /* of the usual transfer, about a dozen windows */
#define MSS    1448

/* --- one sender, one receiver, one rule -------------------------------------------------- */

struct path {
	struct vnet v;
	struct app client, server;
	struct apps cs, ss;
	struct vnet_link link;
	/* Data segments of the client by number, from 0. */
	uint32_t lose[16];
	unsigned int lose_n;
	uint32_t burst_from, burst_n;   /* so many in a row */
	uint32_t again_at, again_times; /* byte of the stream that is lost so often */
	uint32_t late_from, late_every, late_until;
	uint64_t late_us;
	bool one_way;  /* acknowledgements are not lost */
	uint64_t seed; /* 0: rnd_seed() */
	uint32_t base;
	uint16_t mss; /* 0: MSS */
	bool has_base;
	uint64_t spike_from_us, spike_to_us; /* acknowledgements of this time wait until its end */
	uint32_t nodes, nodes_max;
	const char *wrong;
};

static enum vnet_fate rule(void *arg, unsigned int from, const struct vseg *s)
{
	struct path *p = arg;
	uint32_t n = s->n_data;

	if (from == 1 && p->v.now_us >= p->spike_from_us && p->v.now_us < p->spike_to_us) {
		p->v.late_us = p->spike_to_us - p->v.now_us;
		return VNET_LATE;
	}
	if (from != 0 || n == UINT32_MAX)
		return VNET_PASS;
	p->v.late_us = p->late_us;
	if (!p->has_base) {
		p->has_base = true;
		p->base = s->seq;
	}
	if (p->again_times > 0 && p->again_at - (s->seq - p->base) < s->len) {
		p->again_times--;
		return VNET_DROP;
	}
	for (unsigned int i = 0; i < p->lose_n; i++)
		if (n == p->lose[i])
			return VNET_DROP;
	if (n >= p->burst_from && n < p->burst_from + p->burst_n)
		return VNET_DROP;
	if (p->late_every != 0 && n >= p->late_from && n < p->late_until && n % p->late_every == 0)
		return VNET_LATE;
	return VNET_PASS;
}

static void path_init(struct path *p, uint64_t bytes)
{
	struct tcp_conf conf = {.rx_budget = 4 << 20, .tx_budget = 4 << 20, .mss_min = p->mss};

	vnet_init(&p->v, p->seed != 0 ? p->seed : rnd_seed(), 8191, 16383);
	p->v.hold_max_us = 500;
	vnet_stack(&p->v, 0, conf);
	vnet_stack(&p->v, 1, conf);
	p->nodes = p->v.host[0].tcp->sent_free;
	if (p->mss != 0) /* IP, TCP and its timestamps around it */
		for (unsigned int i = 0; i < 2; i++)
			vnet_mtu_set(&p->v, i, (uint16_t)(p->mss + 52));
	if (p->link.delay_us == 0)
		p->link.delay_us = RTT_US / 2;
	if (p->link.bits_per_s == 0)
		p->link.bits_per_s = 100000000;
	vnet_link_set(&p->v, 0, 1, p->link);
	if (p->one_way)
		p->v.link[1][0].loss = 0;
	p->v.filter = rule;
	p->v.filter_arg = p;
	vnet_app(&p->v, 0, &p->cs, &p->client, 1, 2, bytes);
	vnet_app(&p->v, 1, &p->ss, &p->server, 2, 1, 0);
	p->client.no_shutdown = p->server.no_shutdown = true;
	cr_assert_eq(app_listen(&p->server, 22, 8), 0);
	cr_assert_eq(vnet_connect(&p->client, 1, 22), 0);
}

/* All came and all is acknowledged; on the way, is the scoreboard right? */
static bool settled(void *arg)
{
	struct path *p = arg;
	const struct tcp_conn *c = tcp_of(p->client.s);

	if (p->wrong == NULL && tcp_synchronized((enum tcp_state)c->state))
		p->wrong = board_wrong(c);
	if (c->board != NULL)
		p->nodes_max = RTE_MAX(p->nodes_max, c->board->n);
	return p->wrong != NULL || (p->server.rx_total == p->client.tx_total &&
				    c->snd_una == c->snd_max && c->snd_una != c->iss + 1);
}

/* How long it took; everything held is back afterwards. */
static uint64_t path_run(struct path *p, uint64_t bytes)
{
	uint64_t from, took;

	path_init(p, bytes);
	from = p->v.now_us;
	/* Bytes beyond what the slowest path carries in that time pass at 10 MB/s at least. */
	cr_expect(vnet_run(&p->v, 600 * TCP_SEC + bytes / 10, settled, p), "it does not end");
	took = p->v.now_us - from;
	cr_expect_null(p->wrong, "%s", p->wrong);
	cr_expect_not(p->server.wrong);
	cr_expect_null(tcp_of(p->client.s)->board, "idle, and a board");
	cr_expect_eq(p->v.host[0].tcp->sent_free, p->nodes, "nodes lost");
	return took;
}

static uint64_t count(const struct path *p, enum tcp_counter c)
{
	return tcp_counters(p->v.host[0].tcp)[c];
}

/* What the same transfer takes when nothing is lost. */
static uint64_t clean_us(const struct path *like, uint32_t bytes)
{
	static struct path p;
	uint64_t us;

	p = (struct path){.link = like->link};
	us = path_run(&p, bytes);
	cr_expect_eq(count(&p, TCP_C_RETRANS), 0);
	cr_expect(vnet_fini(&p.v));
	return us;
}

static void expect_band(const struct path *p, enum tcp_counter c, uint64_t low, uint64_t high)
{
	cr_expect(count(p, c) >= low && count(p, c) <= high, "%s: %lu, not %lu to %lu",
		  tcp_counter_name(c), count(p, c), low, high);
}

#define EXPECT_BAND(p, c, low, high) expect_band(p, TCP_C_##c, low, high)

#define EXPECT_LATER(took, clean, most)                                                            \
	cr_expect((took) <= (clean) + (most), "%lu us later than %lu us without loss",             \
		  (took) - (clean), (uint64_t)(clean))

Test(recovery, without_loss_a_window_is_a_few_nodes)
{
	struct path p = {0};

	path_run(&p, SEGS * MSS);
	EXPECT_BAND(&p, RETRANS, 0, 0);
	EXPECT_BAND(&p, TLP, 0, 0);
	cr_expect_leq(p.nodes_max, 140, "%u nodes", p.nodes_max);
	cr_expect(vnet_fini(&p.v));
}

/* RFC 6675: one segment goes again, a round trip after the duplicates. */
Test(recovery, one_loss_in_a_large_window_is_one_retransmission)
{
	struct path p = {.lose = {700}, .lose_n = 1};
	uint64_t took = path_run(&p, SEGS * MSS);

	EXPECT_BAND(&p, RETRANS, 1, 1);
	EXPECT_BAND(&p, FAST_RETRANS, 1, 1);
	EXPECT_BAND(&p, RTO, 0, 0);
	EXPECT_LATER(took, clean_us(&p, SEGS * MSS), 4 * RTT_US);
	cr_expect(vnet_fini(&p.v));
}

/* RFC 5681 and 6675: the duplicates of seven segments are enough; one more round trip. */
Test(recovery, the_third_data_segment_costs_one_round_trip)
{
	struct path p = {.lose = {2}, .lose_n = 1};
	uint64_t took = path_run(&p, 10 * MSS);

	EXPECT_BAND(&p, RETRANS, 1, 1);
	EXPECT_BAND(&p, RTO, 0, 0);
	EXPECT_LATER(took, clean_us(&p, 10 * MSS), RTT_US + RTT_US / 4);
	cr_expect(vnet_fini(&p.v));
}

/* RFC 6675 section 5: all holes of a window in one recovery, each sent again once. */
Test(recovery, scattered_losses_are_repaired_together)
{
	struct path p = {.lose = {700, 702, 710, 711, 730, 760, 790, 791, 800, 820}, .lose_n = 10};
	uint64_t took = path_run(&p, SEGS * MSS);

	EXPECT_BAND(&p, RETRANS, 10, 10);
	EXPECT_BAND(&p, FAST_RETRANS, 1, 1);
	EXPECT_BAND(&p, RTO, 0, 0);
	EXPECT_LATER(took, clean_us(&p, SEGS * MSS), 4 * RTT_US);
	cr_expect(vnet_fini(&p.v));
}

Test(recovery, half_a_window_lost_in_a_row_needs_no_time_out)
{
	struct path p = {.burst_from = 700, .burst_n = 90};
	uint64_t took = path_run(&p, SEGS * MSS);

	EXPECT_BAND(&p, RETRANS, 90, 92);
	EXPECT_BAND(&p, RTO, 0, 0);
	EXPECT_LATER(took, clean_us(&p, SEGS * MSS), 6 * RTT_US);
	cr_expect(vnet_fini(&p.v));
}

/* RFC 8985 section 3: a retransmission is timed like anything else. */
Test(recovery, a_lost_retransmission_is_sent_again_without_time_out)
{
	struct path p = {.again_at = 700 * MSS, .again_times = 2};
	uint64_t took = path_run(&p, SEGS * MSS);

	EXPECT_BAND(&p, RETRANS, 2, 3);
	EXPECT_BAND(&p, RTO, 0, 0);
	EXPECT_LATER(took, clean_us(&p, SEGS * MSS), 6 * RTT_US);
	cr_expect(vnet_fini(&p.v));
}

Test(recovery, lost_four_times_it_still_arrives)
{
	struct path p = {.again_at = 700 * MSS, .again_times = 4};

	path_run(&p, SEGS * MSS);
	EXPECT_BAND(&p, RETRANS, 4, 10);
	cr_expect(vnet_fini(&p.v));
}

/*
 * RFC 8985 section 7.2: the probe goes two round trips after the last word, which may be a
 * delayed ACK; its SACK shows what else is missing, which PRR sends again in 1, 2, 4 ... segments.
 */
Test(recovery, a_lost_tail_is_probed_after_two_round_trips)
{
	static const struct {
		uint32_t tail, rtts;
	} t[] = {{2, 4}, {4, 5}, {8, 6}, {9, 7}};

	for (size_t i = 0; i < RTE_DIM(t); i++) {
		struct path p = {.burst_from = 10 - t[i].tail, .burst_n = t[i].tail};
		uint64_t took = path_run(&p, 10 * MSS);

		EXPECT_BAND(&p, TLP, 1, 1);
		EXPECT_BAND(&p, RTO, 0, 0);
		EXPECT_BAND(&p, RETRANS, t[i].tail, t[i].tail);
		EXPECT_LATER(took, clean_us(&p, 10 * MSS), t[i].rtts * RTT_US + 50 * MS);
		cr_expect(vnet_fini(&p.v));
	}
}

/* Of one segment alone it waits for a delayed ACK as well (WCDelAckT), but it is no time-out. */
Test(recovery, the_last_segment_alone_is_probed_after_a_delayed_ack)
{
	struct path p = {.lose = {9}, .lose_n = 1};
	uint64_t took = path_run(&p, 10 * MSS);

	EXPECT_BAND(&p, TLP, 1, 1);
	EXPECT_BAND(&p, RTO, 0, 0);
	EXPECT_LATER(took, clean_us(&p, 10 * MSS), 300 * MS);
	cr_expect(vnet_fini(&p.v));
}

/* RFC 6298: all of a flight and the probe are lost. */
Test(recovery, what_nothing_else_repairs_a_time_out_does)
{
	struct path p = {.burst_from = 0, .burst_n = 11};
	uint64_t took = path_run(&p, 10 * MSS);

	EXPECT_BAND(&p, RTO, 1, 1);
	EXPECT_BAND(&p, RETRANS, 11, 12);
	EXPECT_LATER(took, clean_us(&p, 10 * MSS), 1500 * MS);
	cr_expect(vnet_fini(&p.v));
}

/* --- reordering --------------------------------------------------------------------------- */

/* Fewer than three behind it, and back within a quarter of a round trip: nothing is lost. */
Test(recovery, reordering_by_two_sends_nothing_again)
{
	struct path p = {.late_from = 100, .late_every = 50, .late_until = 1900, .late_us = 300};

	path_run(&p, SEGS * MSS);
	EXPECT_BAND(&p, RETRANS, 0, 0);
	cr_expect(vnet_fini(&p.v));
}

/* RFC 8985 section 6.2 step 4: once reordering was seen, a quarter of a round trip is waited. */
Test(recovery, reordering_by_a_dozen_is_learned)
{
	struct path p = {.late_from = 100, .late_every = 50, .late_until = 1900, .late_us = 1500};
	uint64_t took = path_run(&p, SEGS * MSS);

	EXPECT_BAND(&p, RETRANS, 0, 3);
	EXPECT_BAND(&p, RTO, 0, 0);
	EXPECT_LATER(took, clean_us(&p, SEGS * MSS), 3 * RTT_US);
	cr_expect(vnet_fini(&p.v));
}

/* And when that is not enough, DSACK widens it; the window is given back each time. */
Test(recovery, reordering_by_a_hundred_is_learned_by_dsack)
{
	struct path p = {.late_from = 300, .late_every = 100, .late_until = 1900, .late_us = 12000};
	uint64_t took = path_run(&p, SEGS * MSS);

	EXPECT_BAND(&p, RETRANS, 1, 10);
	EXPECT_BAND(&p, DSACK_IN, 1, 10);
	EXPECT_BAND(&p, UNDO, 1, 10);
	EXPECT_BAND(&p, RTO, 0, 0);
	EXPECT_LATER(took, clean_us(&p, SEGS * MSS), 6 * RTT_US);
	cr_expect(vnet_fini(&p.v));
}

/* --- mistakes that are taken back --------------------------------------------------------------
 */

/* RFC 5682, RFC 3522: for 700 ms nothing comes back, then everything does. */
Test(recovery, a_spurious_time_out_is_taken_back)
{
	for (int no_ts = 0; no_ts < 2; no_ts++) {
		struct path p = {.link.no_ts = no_ts};
		uint64_t took;

		p.spike_from_us = TCP_SEC + 300 * MS;
		p.spike_to_us = p.spike_from_us + 700 * MS;
		took = path_run(&p, 2 * SEGS * MSS);
		EXPECT_BAND(&p, RTO, 1, 2);
		EXPECT_BAND(&p, UNDO, 1, 2);
		EXPECT_BAND(&p, RETRANS, 1, 4);
		EXPECT_LATER(took, clean_us(&p, 2 * SEGS * MSS), 800 * MS);
		cr_expect(vnet_fini(&p.v));
	}
}

/*
 * And nothing is taken back that was none: without reordering each loss is one retransmission,
 * also while one recovery follows the other and what the first sent again is still on its way.
 */
Test(recovery, each_loss_is_one_retransmission)
{
	static const uint32_t loss[] = {1000, 2000, 10000};
	uint64_t seeds = test_long() ? 200 : 2;

	for (uint64_t seed = rnd_seed(); seed < rnd_seed() + seeds; seed++)
		for (size_t i = 0; i < RTE_DIM(loss); i++) {
			struct path p = {.link = {.delay_us = 50 * MS,
						  .bits_per_s = 1000000000,
						  .loss = loss[i]},
					 .one_way = true,
					 .seed = seed};

			path_run(&p, 6000 * MSS);
			cr_expect_eq(count(&p, TCP_C_UNDO), 0, "seed %lu", seed);
			cr_expect_eq(count(&p, TCP_C_RTO), 0, "seed %lu", seed);
			/* A probe may go for a tail that was only slow. */
			EXPECT_BAND(&p, RETRANS, p.v.lost, p.v.lost + count(&p, TCP_C_TLP));
			cr_expect(vnet_fini(&p.v));
		}
}

/* --- a peer without SACK: RFC 6582 --------------------------------------------------------------
 */

Test(recovery, without_sack_three_duplicates_are_a_loss)
{
	static const uint32_t bytes[] = {SEGS * MSS, 10 * MSS};
	static const uint32_t at[] = {700, 2};

	for (int i = 0; i < 2; i++) {
		struct path p = {.link.no_sack = true, .lose = {at[i]}, .lose_n = 1};
		uint64_t took = path_run(&p, bytes[i]);

		EXPECT_BAND(&p, RETRANS, 1, 1);
		EXPECT_BAND(&p, FAST_RETRANS, 1, 1);
		EXPECT_BAND(&p, RTO, 0, 0);
		EXPECT_LATER(took, clean_us(&p, bytes[i]), 4 * RTT_US);
		cr_expect(vnet_fini(&p.v));
	}
}

/* A partial acknowledgement sends the next: a round trip for each. */
Test(recovery, without_sack_each_hole_takes_a_round_trip)
{
	struct path p = {.link.no_sack = true, .lose = {700, 702, 710, 720}, .lose_n = 4};
	uint64_t took = path_run(&p, SEGS * MSS);

	EXPECT_BAND(&p, RETRANS, 4, 4);
	EXPECT_BAND(&p, FAST_RETRANS, 1, 1);
	EXPECT_BAND(&p, RTO, 0, 0);
	EXPECT_LATER(took, clean_us(&p, SEGS * MSS), 8 * RTT_US);
	cr_expect(vnet_fini(&p.v));
}

static bool is_repairing(void *arg)
{
	return tcp_of(((struct path *)arg)->client.s)->in_recovery;
}

/*
 * RFC 7323 section 4.1: what was sent twice gives no sample of its own, the echo of its timestamp
 * does. A queue that drained makes the round trip shorter while there is much to repair.
 */
Test(recovery, the_round_trip_is_measured_while_losses_are_repaired)
{
	struct path p = {.link = {.no_sack = true, .delay_us = 50 * MS}, .lose_n = 16};
	const struct tcp_conn *c;

	for (uint32_t i = 0; i < p.lose_n; i++)
		p.lose[i] = 300 + 2 * i;
	path_init(&p, SEGS * MSS);
	cr_assert(vnet_run(&p.v, 60 * TCP_SEC, is_repairing, &p));
	c = tcp_of(p.client.s);
	cr_expect_geq(c->srtt_us, 100 * MS);
	p.link.delay_us = 20 * MS;
	vnet_link_set(&p.v, 0, 1, p.link);
	vnet_run(&p.v, 100 * MS + 12 * 40 * MS, NULL, NULL);
	cr_expect(c->in_recovery, "still, or samples are of what was sent once");
	cr_expect_lt(c->srtt_us, 65 * MS, "%u", c->srtt_us);
	cr_expect(vnet_run(&p.v, 60 * TCP_SEC, settled, &p));
	cr_expect_null(p.wrong, "%s", p.wrong);
	cr_expect_not(p.server.wrong);
	cr_expect(vnet_fini(&p.v));
}

Test(recovery, without_sack_a_lost_tail_is_a_time_out)
{
	struct path p = {.link.no_sack = true, .lose = {9}, .lose_n = 1};
	uint64_t took = path_run(&p, 10 * MSS);

	EXPECT_BAND(&p, RTO, 1, 1);
	EXPECT_BAND(&p, TLP, 0, 0);
	EXPECT_BAND(&p, RETRANS, 1, 1);
	EXPECT_LATER(took, clean_us(&p, 10 * MSS), 350 * MS);
	cr_expect(vnet_fini(&p.v));
}

Test(recovery, without_sack_a_spurious_time_out_is_taken_back_by_timestamps)
{
	struct path p = {.link.no_sack = true};

	p.spike_from_us = TCP_SEC + 300 * MS;
	p.spike_to_us = p.spike_from_us + 700 * MS;
	path_run(&p, 2 * SEGS * MSS);
	EXPECT_BAND(&p, RTO, 1, 2);
	EXPECT_BAND(&p, UNDO, 1, 2);
	EXPECT_BAND(&p, RETRANS, 1, 4);
	cr_expect(vnet_fini(&p.v));
}

/* --- round trips of microseconds (T-40) ---------------------------------------------------------
 */

/* Eight paths: 10^9 segments in all at full size, small ones: bytes are checked one by one. */
static void expect_no_stall(uint32_t loss)
{
	static const uint64_t delay[] = {1, 2, 5, 25};
	uint64_t segs = test_long() ? 125000000 : 1500;

	for (size_t i = 0; i < RTE_DIM(delay); i++) {
		struct path p = {.mss = TINY,
				 .link = {.delay_us = delay[i],
					  .bits_per_s = UINT64_C(40000000000),
					  .loss = loss}};
		uint64_t took = path_run(&p, segs * TINY);

		/* A time-out costs 200 ms: one in a thousand losses may need it. */
		cr_expect_leq(took, segs * 100 + 2 * TCP_SEC, "delay %lu: %lu us", delay[i], took);
		cr_expect_leq(count(&p, TCP_C_RTO), 3 + segs / 10000);
		cr_expect_geq(tcp_counters(p.v.host[0].tcp)[TCP_C_OUT_SEGS], segs);
		cr_expect(vnet_fini(&p.v));
	}
}

Test(recovery, tiny_round_trips_never_stall)
{
	expect_no_stall(0);
}

Test(recovery, tiny_round_trips_with_losses_never_stall)
{
	expect_no_stall(3000);
}

/* --- chance
 * ------------------------------------------------------------------------------------------ */

static uint64_t pick(struct rnd *r, const uint64_t *v, uint32_t n)
{
	return v[rnd_below(r, n)];
}

/* Every path there is: every byte arrives, the scoreboard is right after every turn. */
Test(recovery, any_path)
{
	static const uint64_t delay[] = {1, 20, 300, 5000, 50000, 100000};
	static const uint64_t jitter[] = {0, 0, 1, 10}; /* times the delay, in tenths */
	static const uint64_t loss[] = {0, 1000, 10000, 50000, 200000};
	static const uint64_t dup[] = {0, 0, 10000};
	static const uint64_t rate[] = {2000000, 20000000, 1000000000};
	unsigned int worlds = test_long() ? 3000 : 30;
	uint64_t seed = rnd_seed();

	for (unsigned int i = 0; i < worlds; i++) {
		struct rnd r = {seed + i};
		struct path p = {.link.delay_us = pick(&r, delay, RTE_DIM(delay))};

		p.link.jitter_us = p.link.delay_us * pick(&r, jitter, RTE_DIM(jitter)) / 10;
		p.link.loss = (uint32_t)pick(&r, loss, RTE_DIM(loss));
		p.link.dup = (uint32_t)pick(&r, dup, RTE_DIM(dup));
		p.link.bits_per_s = pick(&r, rate, RTE_DIM(rate));
		p.link.queue_us = rnd_below(&r, 2) ? 2 * p.link.delay_us + 5000 : 0;
		p.link.no_sack = rnd_below(&r, 4) == 0;
		p.link.no_ts = rnd_below(&r, 4) == 0;
		p.seed = seed + i;
		path_run(&p, 1 + rnd_below(&r, 300 * MSS));
		cr_expect(vnet_fini(&p.v), "seed %lu", seed + i);
	}
}
