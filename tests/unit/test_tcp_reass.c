/*
 * dataplane/tcp/reass.c: bytes beyond gaps, against a model that keeps each byte; what SACK says of
 * them; what strangers may make of it (CVE-2018-5390: T-28; rewritten overlaps: T-29).
 */
#include <criterion/criterion.h>
#include <time.h>

#include "dataplane/tcp/internal.h"
#include "tests/util/eal.h"
#include "tests/util/rnd.h"

#define MBUFS  16383
#define WINDOW (UINT32_C(4) << 20)
#define ISS    UINT32_C(0xffffff00) /* numbers wrap soon */

static struct tcp t;
static struct tcp_conn c;
static struct tcp_busy busy;
static struct pkt_pools pools;

static void begin(void)
{
	t = (struct tcp){.conns = &c, .conf.pools = &pools, .mem.free = UINT32_MAX};
	busy = (struct tcp_busy){0};
	c = (struct tcp_conn){.t = &t,
			      .busy = &busy,
			      .sack_ok = true,
			      .rx_window = WINDOW,
			      .rcv_nxt = ISS,
			      .rcv_adv = ISS + WINDOW};
}

static void start(void)
{
	eal_start("96");
	cr_assert_eq(pkt_pools_new("t", MBUFS, 63, SOCKET_ID_ANY, &pools), 0);
	begin();
}

static void finish(void)
{
	tcp_rxq_free(&c);
	cr_assert_eq(busy.runs_n, 0);
	cr_assert_eq(busy.runs_cost, 0);
	cr_assert_null(busy.runs);
	cr_assert_null(busy.runs_last);
	cr_assert_null(busy.runs_tree.rbh_root);
	cr_assert_null(busy.runs_recent[0]);
	cr_assert_not(tcp_listed(&c, TCP_L_HOLED));
	cr_assert_eq(eal_out(pools.data), 0);
}

TestSuite(tcp_reass, .init = start, .fini = finish);

/* len bytes at off from the first there was, all of them `byte`. */
static bool arrive(uint32_t off, uint32_t len, uint8_t byte)
{
	uint32_t seq = ISS + off, skip = 0;
	struct tcp_seg g = {.m = rte_pktmbuf_alloc(pools.data)};

	cr_assert_not_null(g.m);
	memset(rte_pktmbuf_append(g.m, (uint16_t)len), byte, len);
	if (seq_lt(seq, c.rcv_nxt))
		skip = RTE_MIN(c.rcv_nxt - seq, len);
	return tcp_reass_input(&c, &g, seq + skip, len - skip, skip);
}

/* What the next ACK reports, as text: offsets from the first byte there was. */
static const char *reported(bool ts)
{
	static char text[128];
	struct tcp_opts o = {.has_ts = ts};
	int n = 0;

	tcp_reass_sack(&c, &o);
	text[0] = '\0';
	for (unsigned int i = 0; i < o.sack_n; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%s%u-%u", i > 0 ? " " : "",
			      o.sack[i].start - ISS, o.sack[i].end - ISS);
	return text;
}

/* --- SACK ------------------------------------------------------------------------------------ */

/* RFC 2018 section 4: the block that has the latest segment, then those reported before. */
Test(tcp_reass, the_latest_is_reported_first)
{
	arrive(100, 10, 0);
	cr_expect_str_eq(reported(true), "100-110");
	arrive(200, 10, 0);
	cr_expect_str_eq(reported(true), "200-210 100-110");
	arrive(300, 10, 0);
	arrive(400, 10, 0);
	cr_expect_str_eq(reported(true), "400-410 300-310 200-210");
	cr_expect_str_eq(reported(false), "400-410 300-310 200-210 100-110");
	arrive(210, 5, 0);
	cr_expect_str_eq(reported(true), "200-215 400-410 300-310");
	arrive(90, 10, 0);
	cr_expect_str_eq(reported(true), "90-110 200-215 400-410");
}

Test(tcp_reass, what_became_one_is_reported_once)
{
	arrive(100, 10, 0);
	arrive(120, 10, 0);
	arrive(140, 10, 0);
	arrive(160, 10, 0);
	arrive(180, 10, 0);
	arrive(150, 10, 0);
	cr_expect_str_eq(reported(false), "140-170 180-190 120-130 100-110");
	arrive(100, 90, 0);
	busy.dsack = (struct tcp_sack){0, 0};
	cr_expect_str_eq(reported(false), "100-190");
	cr_expect_eq(busy.runs_n, 1);
}

/* Those reported lately are gone; others, forgotten over them, are there. */
Test(tcp_reass, when_the_recent_are_in_order_the_first_are_reported)
{
	for (uint32_t i = 10; i < 16; i++)
		arrive(100 * i, 10, 0);
	for (uint32_t i = 1; i < 6; i++)
		arrive(100 * i, 10, 0);
	cr_expect_str_eq(reported(true), "500-510 400-410 300-310");
	arrive(0, 510, 0);
	busy.dsack = (struct tcp_sack){0, 0};
	cr_expect_eq(c.rcv_nxt, ISS + 510);
	cr_expect_str_eq(reported(true), "1000-1010 1100-1110 1200-1210");
}

/* RFC 2883: a duplicate, then the run it is part of. */
Test(tcp_reass, duplicates_are_reported_in_front)
{
	arrive(100, 50, 0);
	arrive(200, 50, 0);
	arrive(110, 10, 0);
	cr_expect_str_eq(reported(true), "110-120 100-150 200-250");
}

/* --- memory ---------------------------------------------------------------------------------- */

/* Bytes that came alone and then belong together lie together. */
Test(tcp_reass, tiny_pieces_are_put_together)
{
	enum { PIECES = 4000 };

	for (uint32_t i = 0; i < PIECES; i++)
		arrive(2 * i + 1, 1, 0);
	cr_expect_eq(busy.runs_n, PIECES);
	cr_expect_eq(eal_out(pools.data), PIECES);
	for (uint32_t i = PIECES - 1; i > 0; i--)
		arrive(2 * i, 1, 0);
	cr_expect_eq(busy.runs_n, 1);
	cr_expect_leq(eal_out(pools.data), PIECES * 2 / 512 + 2, "%u", eal_out(pools.data));
	arrive(0, 1, 0);
	cr_expect_eq(c.rcv_nxt, ISS + PIECES * 2);
	cr_expect_eq(busy.rx_cost, pkt_chain_cost(&busy.rxq));
}

Test(tcp_reass, a_full_queue_takes_what_is_in_order)
{
	uint32_t off, n;

	for (off = 2; t.counters[TCP_C_DROP_OOO] == 0; off += 2)
		arrive(off, 1, 0);
	n = busy.runs_n;
	cr_expect_geq(n, 5 * WINDOW / (busy.runs_cost / n) - 1);
	cr_expect_not(arrive(1000000, 1, 0));
	cr_expect_eq(t.counters[TCP_C_DROP_OOO], 2);
	cr_expect_eq(busy.runs_n, n);
	cr_expect(arrive(0, 1, 0));
	cr_expect(arrive(1, 1400, 0), "and what reaches over the runs");
	cr_expect_eq(c.rcv_nxt, ISS + 1401);
	cr_expect_eq(busy.runs_n, n - 700);
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* T-28: one byte each, never two that touch, in the order that is worst for a list or for a tree.
 */
Test(tcp_reass, a_million_holes_cost_little)
{
	enum { BATCH = 1000 };
	uint32_t segs = test_long() ? 1000000 : 50000, most = 0;
	struct rnd r = rnd_new(rnd_seed());

	for (int order = 0; order < 3; order++) {
		uint64_t all = cpu_ns(), worst = 0;

		for (uint32_t i = 0; i < segs; i += BATCH) {
			uint64_t from = cpu_ns();

			for (uint32_t k = i; k < i + BATCH; k++) {
				uint32_t at = order == 0   ? k
					      : order == 1 ? segs - k
							   : rnd_below(&r, segs);

				arrive(2 + 2 * at, 1, 0);
			}
			worst = RTE_MAX(worst, (cpu_ns() - from) / BATCH);
		}
		all = (cpu_ns() - all) / segs;
		most = RTE_MAX(most, busy.runs_n);
		printf("%u segments, %u runs: %lu ns each, %lu in the slowest thousand\n", segs,
		       busy.runs_n, all, worst);
		cr_expect_leq(all, 5000);
		cr_expect_leq(worst, 5000);
		cr_expect_leq(busy.runs_cost, 5 * WINDOW);
		tcp_rxq_free(&c);
		cr_expect_eq(eal_out(pools.data), 0);
	}
	cr_expect_gt(most, 8000, "the tree was as large as the window allows");
}

/* --- against a model of each byte ------------------------------------------------------------ */

enum { SPACE = 3000, NONE = 0 };

/* What arrived first, and what the user got. */
struct model {
	uint8_t at[SPACE];
	uint32_t taken;
};

static void take(struct model *m, uint32_t max)
{
	struct pkt_chain ch = {0};
	uint32_t n = tcp_rx_take(&c, max, &ch);
	uint8_t got[SPACE];

	cr_assert_eq(n, ch.len);
	cr_assert(pkt_chain_read(&ch, 0, got, n));
	cr_assert_arr_eq(got, m->at + m->taken, n);
	m->taken += n;
	pkt_chain_free(&ch);
}

/* From off on; *ret_end behind it. False: no more. */
static bool model_run(const struct model *m, uint32_t *off, uint32_t *ret_end)
{
	while (*off < SPACE && m->at[*off] == NONE)
		++*off;
	for (*ret_end = *off; *ret_end < SPACE && m->at[*ret_end] != NONE;)
		++*ret_end;
	return *off < SPACE;
}

static void compare(const struct model *m, uint64_t seed)
{
	struct tcp_opts o = {.has_ts = true};
	uint32_t off = 0, end, n = 0;

	if (m->at[0] != NONE)
		model_run(m, &off, &end);
	else
		end = 0;
	cr_assert_eq(c.rcv_nxt, ISS + end, "seed %lu", seed);
	cr_assert_eq(busy.rxq.len, end - m->taken, "seed %lu", seed);
	cr_assert_eq(busy.rx_cost, pkt_chain_cost(&busy.rxq), "seed %lu", seed);
	for (off = end; model_run(m, &off, &end); off = end)
		n++;
	cr_assert_eq(busy.runs_n, n, "seed %lu", seed);
	cr_assert_eq(eal_out(pools.data) * PKT_COST(rte_pktmbuf_data_room_size(pools.data)),
		     busy.rx_cost + busy.runs_cost, "seed %lu", seed);

	busy.dsack = (struct tcp_sack){0, 0};
	tcp_reass_sack(&c, &o);
	cr_assert_eq(o.sack_n, RTE_MIN(n, 3u), "seed %lu", seed);
	for (unsigned int i = 0; i < o.sack_n; i++) {
		off = o.sack[i].start - ISS;
		cr_assert(model_run(m, &off, &end), "seed %lu", seed);
		cr_assert_eq(o.sack[i].start - ISS, off, "seed %lu", seed);
		cr_assert_eq(o.sack[i].end - ISS, end, "seed %lu", seed);
		cr_assert(m->at[off - 1] == NONE, "seed %lu", seed);
		for (unsigned int k = 0; k < i; k++)
			cr_assert_neq(o.sack[k].start, o.sack[i].start, "seed %lu", seed);
	}
}

/* T-29, whatever comes in whatever order. */
Test(tcp_reass, any_arrivals_are_what_a_model_says)
{
	unsigned int worlds = test_long() ? 20000 : 150;
	uint64_t seed = rnd_seed();

	printf("seeds from %lu\n", seed);
	for (unsigned int i = 0; i < worlds; i++) {
		struct rnd r = {seed + i};
		struct model m = {.taken = 0};
		uint32_t most = 1 + rnd_below(&r, 120);

		begin();
		for (int k = 0; k < 300; k++) {
			uint32_t off = rnd_below(&r, SPACE), n = 1 + rnd_below(&r, most);
			uint8_t byte = (uint8_t)(1 + rnd_below(&r, 255));

			n = RTE_MIN(n, SPACE - off);
			arrive(off, n, byte);
			for (uint32_t b = off; b < off + n; b++)
				if (m.at[b] == NONE)
					m.at[b] = byte;
			if (rnd_below(&r, 4) == 0)
				take(&m, rnd_below(&r, SPACE));
			compare(&m, seed + i);
		}
		arrive(0, 1400, 1);
		arrive(1400, SPACE - 1400, 1);
		for (uint32_t b = 0; b < SPACE; b++)
			if (m.at[b] == NONE)
				m.at[b] = 1;
		compare(&m, seed + i);
		take(&m, SPACE);
		cr_assert_eq(m.taken, SPACE);
		finish();
	}
}
