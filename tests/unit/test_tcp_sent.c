/*
 * dataplane/tcp/sent.c: the scoreboard, against a model that keeps each byte; what strangers may
 * say in SACK blocks (CVE-2019-11477, CVE-2019-11478: T-25, T-26).
 */
#include <criterion/criterion.h>
#include <time.h>

#include "tests/sim/board.h"
#include "tests/util/rnd.h"

#define NODES 4096
#define ISS   UINT32_C(0xfffff000) /* numbers wrap soon */

static struct tcp t;
static struct tcp_conn c;
static struct tcp_busy busy;
static uint64_t now_us;

static void start_with(uint32_t nodes)
{
	memset(&t, 0, sizeof(t));
	memset(&busy, 0, sizeof(busy));
	cr_assert_eq(tcp_sent_pools_new(&t, nodes, 2), 0);
	c = (struct tcp_conn){.t = &t,
			      .busy = &busy,
			      .sack_ok = true,
			      .mss = 1000,
			      .srtt_us = 64000, /* a run is a millisecond */
			      .min_rtt_us = 64000,
			      .snd_una = ISS,
			      .snd_nxt = ISS,
			      .snd_max = ISS};
	now_us = 1000000;
}

static void start(void)
{
	start_with(NODES);
}

static void stop(void)
{
	tcp_sent_free(&c);
	tcp_sent_pools_free(&t);
}

TestSuite(tcp_sent, .init = start, .fini = stop);

static bool put(uint32_t n)
{
	if (!tcp_sent_reserve(&c))
		return false;
	tcp_sent_new(&c, c.snd_nxt, n, (struct tcp_cursor){NULL, 0}, false, now_us);
	c.snd_nxt += n;
	c.snd_max = c.snd_nxt;
	return true;
}

/* Offsets from the first byte there was. */
static struct tcp_acked sack(uint32_t from, uint32_t to)
{
	struct tcp_acked a = {.now_us = now_us};
	struct tcp_sack k = {ISS + from, ISS + to};

	tcp_sent_sacked(&c, &k, 1, &a);
	return a;
}

static struct tcp_acked ack(uint32_t to)
{
	struct tcp_acked a = {.now_us = now_us, .moved = true};

	c.snd_una = ISS + to;
	tcp_sent_acked(&c, &a);
	return a;
}

static void right(void)
{
	cr_assert_null(board_wrong(&c), "%s", board_wrong(&c));
}

Test(tcp_sent, what_goes_at_about_one_time_is_one_node)
{
	for (int i = 0; i < 100; i++, now_us += 10)
		put(1000);
	cr_expect_eq(c.board->n, 1);
	now_us += 2000;
	put(1000);
	cr_expect_eq(c.board->n, 2);
	right();
}

Test(tcp_sent, nothing_in_flight_holds_nothing)
{
	put(5000);
	cr_expect_eq(ack(5000).delivered, 5000);
	tcp_sent_free(&c);
	cr_expect_null(c.board);
	cr_expect_eq(t.sent_free, NODES);
}

Test(tcp_sent, bytes_are_counted_once)
{
	put(10000);
	cr_expect_eq(sack(2000, 4000).sacked, 2000);
	cr_expect_eq(sack(2000, 4000).sacked, 0);
	cr_expect_eq(sack(1000, 5000).sacked, 2000);
	cr_expect_eq(c.board->sacked, 4000);
	cr_expect_eq(tcp_pipe(&c), 6000);
	cr_expect_eq(ack(3000).delivered, 1000, "the rest was known");
	cr_expect_eq(ack(10000).delivered, 5000);
}

Test(tcp_sent, an_edge_that_moves_costs_no_node)
{
	put(100000);
	sack(1000, 2000);
	cr_expect_eq(c.board->n, 3);
	for (uint32_t to = 3000; to < 100000; to += 1000)
		sack(1000, to);
	cr_expect_eq(c.board->n, 3);
	sack(1000, 100000);
	cr_expect_eq(c.board->n, 2);
	right();
}

/* RFC 2018 section 4; DSACK was taken off before. */
Test(tcp_sent, what_cannot_be_is_ignored)
{
	static const struct {
		const char *what;
		uint32_t from, to;
	} bad[] = {
		{"empty", 2000, 2000},
		{"backwards", 3000, 2000},
		{"beyond what was sent", 9000, 10001},
		{"far beyond", 20000, 30000},
		{"below what is acknowledged", 0, 500},
		{"from what is acknowledged on", 1000, 3000},
		{"across it", 500, 3000},
		{"half a space away", 2000, 2000 + (UINT32_C(1) << 31)},
		{"all there is", 1001, 1000},
	};

	put(10000);
	ack(1000);
	for (size_t i = 0; i < RTE_DIM(bad); i++) {
		cr_expect_eq(sack(bad[i].from, bad[i].to).sacked, 0, "%s", bad[i].what);
		cr_expect_eq(c.board->n, 1, "%s", bad[i].what);
	}
	right();
}

Test(tcp_sent, what_is_sent_again_is_not_extended_by_what_is_new)
{
	struct tcp_sent *s;

	put(10000);
	sack(3000, 10000);
	tcp_sent_lose(&c, c.board->all.head);
	s = tcp_sent_lost(&c);
	tcp_sent_again(&c, s, 1000, (struct tcp_cursor){NULL, 0}, now_us);
	put(1000);
	right();
	cr_expect_eq(tcp_pipe(&c), 2000);
	cr_expect_eq(c.board->lost_bytes, 2000);
	s = tcp_sent_lost(&c);
	cr_expect_eq(s->seq, ISS + 1000);
}

/* RFC 6298 with RFC 2018 section 8: what was reported stays, unless it was taken back. */
Test(tcp_sent, a_time_out_keeps_what_was_reported)
{
	put(10000);
	sack(5000, 7000);
	tcp_sent_lose_all(&c);
	right();
	cr_expect_eq(c.board->lost_bytes, 8000);
	cr_expect_eq(tcp_pipe(&c), 0);
	tcp_sent_found(&c);
	right();
	cr_expect_eq(tcp_pipe(&c), 8000);
}

Test(tcp_sent, a_peer_that_takes_its_word_back_gets_all_again)
{
	put(10000);
	sack(5000, 7000);
	ack(5000); /* but not to 7000 */
	tcp_sent_lose_all(&c);
	right();
	cr_expect_eq(c.board->lost_bytes, 5000);
	cr_expect_eq(c.board->sacked, 0);
	cr_expect_eq(t.counters[TCP_C_RENEGED], 1);
}

Test(tcp_sent, an_empty_pool_ignores_blocks_and_goes_on)
{
	uint32_t known;

	stop();
	start_with(4);
	put(100000);
	for (uint32_t at = 1000; at < 50000; at += 2000)
		sack(at, at + 1000);
	right();
	cr_expect_leq(c.board->n, 4);
	cr_expect_gt(t.counters[TCP_C_SACK_IGNORED], 0);
	now_us += 100000;
	cr_expect(put(1000), "the last run takes it");
	right();
	tcp_sent_lose_all(&c);
	while (tcp_sent_lost(&c) != NULL) {
		struct tcp_sent *s = tcp_sent_lost(&c);

		tcp_sent_again(&c, s, RTE_MIN(s->end - s->seq, 1000u), (struct tcp_cursor){NULL, 0},
			       now_us);
		right();
	}
	known = c.board->sacked;
	cr_expect_eq(ack(101000).delivered, 101000 - known);
	tcp_sent_free(&c);
	cr_expect_eq(t.sent_free, 4);
}

Test(tcp_sent, one_connection_does_not_take_the_pool)
{
	put(UINT32_C(1) << 24);
	for (uint32_t at = 1000; at < (UINT32_C(1) << 24) - 1000; at += 2000)
		sack(at, at + 1000);
	right();
	cr_expect_leq(c.board->n, NODES / 2 + 16);
	cr_expect_geq(t.sent_free, NODES / 2 - 16);
}

/* Every second segment of a large window was lost, and the first ones are sent again. */
Test(tcp_sent, what_fills_the_first_of_many_gaps_is_found)
{
	enum { GAPS = 3 * TCP_SENT_STEPS };

	stop();
	start_with(4 * GAPS);
	put(2 * GAPS * 1000);
	for (uint32_t i = 0; i < GAPS; i++)
		sack((2 * i + 1) * 1000, (2 * i + 2) * 1000);
	for (uint32_t i = 2; i < 10; i++) { /* the very first is lost again */
		struct tcp_acked a = {.now_us = now_us};
		struct tcp_sack k[] = {{ISS + 1000, ISS + (2 * i + 1) * 1000},
				       {ISS + (2 * GAPS - 1) * 1000, ISS + 2 * GAPS * 1000}};

		tcp_sent_sacked(&c, k, RTE_DIM(k), &a);
		cr_expect_eq(a.sacked, i == 2 ? 2000 : 1000, "%u: %u", i, a.sacked);
	}
	right();
	cr_expect_eq(t.counters[TCP_C_SACK_IGNORED], 0);
}

/*
 * T-25: a count that overflows was the panic. The largest window in one-byte blocks: every count
 * is of bytes and as wide as the window.
 */
Test(tcp_sent, counts_hold_the_largest_window)
{
	put(TCP_CWND_MAX);
	for (uint32_t i = 0; i < 400; i++)
		sack(1 + 2 * i, 2 + 2 * i);
	right();
	cr_expect_eq(c.board->sacked, 400);
	sack(800, TCP_CWND_MAX);
	right();
	cr_expect_eq(c.board->sacked, TCP_CWND_MAX - 800 + 400);
	ack(TCP_CWND_MAX);
	cr_expect_eq(c.board->sacked, 0);
	cr_expect_eq(c.board->n, 0);
}

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* T-26; and how often all together are measured again, since others use this machine, too. */
#define SLOW_NS    20000
#define AGAIN_LEFT 50000

/* Of an ACK with these blocks, the fastest of a few, and of more while that is slow. */
static uint64_t ack_ns(const struct tcp_sack k[4], unsigned int *again)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 5 || (best > SLOW_NS && *again > 0 && (*again)-- > 0); i++) {
		struct tcp_acked a = {.now_us = now_us};
		uint64_t from = clock_ns();

		tcp_sent_sacked(&c, k, 4, &a);
		best = RTE_MIN(best, clock_ns() - from);
	}
	return best;
}

/*
 * T-26: 10^5 holes, each ACK with four blocks as far from each other and from the last one's as
 * they can be. Past its share of nodes the connection's blocks are ignored.
 */
Test(tcp_sent, a_hundred_thousand_holes_cost_little)
{
	enum { HOLES = 100000, FAR = HOLES / 4 };
	uint64_t worst = 0;
	unsigned int again = AGAIN_LEFT;

	stop();
	start_with(65536);
	put(HOLES * 1000 + 500);
	for (uint32_t i = 0; i < FAR; i++) {
		struct tcp_sack k[4];

		for (uint32_t j = 0; j < 4; j++) {
			uint32_t at = (j * FAR + (i % 2 ? i : FAR - i)) * 1000 + 500;

			k[j] = (struct tcp_sack){ISS + at, ISS + at + 500};
		}
		worst = RTE_MAX(worst, ack_ns(k, &again));
	}
	right();
	cr_expect_gt(c.board->n, 1000, "the walks are long: %u nodes", c.board->n);
	cr_expect_leq(c.board->n, TCP_SENT_MAX + 1);
	cr_expect_gt(t.counters[TCP_C_SACK_IGNORED], 0);
	printf("10^5 holes, %u nodes: an ACK of four blocks takes %lu ns at most\n", c.board->n,
	       worst);
	cr_expect_leq(worst, SLOW_NS);
}

/* --- against a model of each byte ------------------------------------------------------------ */

enum { SPACE = 3000 };
enum mark { NONE, FLIGHT, SACKED, LOST, ACKED };

struct model {
	uint8_t at[SPACE];
	uint32_t una, nxt;
};

static uint32_t marks(const struct model *m, enum mark k)
{
	uint32_t n = 0;

	for (uint32_t i = m->una; i < m->nxt; i++)
		n += m->at[i] == k;
	return n;
}

static void compare(const struct model *m, uint64_t seed)
{
	cr_assert_null(board_wrong(&c), "seed %lu: %s", seed, board_wrong(&c));
	if (c.board == NULL)
		return;
	cr_assert_eq(c.board->sacked, marks(m, SACKED), "seed %lu", seed);
	cr_assert_eq(c.board->lost_bytes, marks(m, LOST), "seed %lu", seed);
	for (struct tcp_sent *s = c.board->all.head; s != NULL; s = s->next)
		for (uint32_t b = s->seq - ISS; b < s->end - ISS; b++)
			cr_assert_eq(m->at[b], FLIGHT + s->state, "seed %lu byte %u", seed, b);
}

static void model_step(struct model *m, struct rnd *r)
{
	uint32_t n = 1 + rnd_below(r, 60), from, to, had;
	struct tcp_sent *s;

	now_us += rnd_below(r, 1500);
	switch (rnd_below(r, 8)) {
	case 0:
	case 1:
		n = RTE_MIN(n, SPACE - m->nxt);
		if (n > 0 && put(n)) {
			memset(m->at + m->nxt, FLIGHT, n);
			m->nxt += n;
		}
		break;
	case 2:
	case 3:
	case 4:
		if (m->nxt - m->una < 3)
			break;
		from = m->una + 1 + rnd_below(r, m->nxt - m->una - 2);
		to = RTE_MIN(from + n, m->nxt);
		had = marks(m, SACKED);
		memset(m->at + from, SACKED, to - from);
		cr_assert_eq(sack(from, to).sacked, marks(m, SACKED) - had);
		break;
	case 5:
		to = m->una + rnd_below(r, m->nxt - m->una + 1) / 4;
		if (c.board == NULL || to == m->una)
			break;
		had = marks(m, FLIGHT) + marks(m, LOST);
		memset(m->at + m->una, ACKED, to - m->una);
		m->una = to;
		cr_assert_eq(ack(to).delivered, had - marks(m, FLIGHT) - marks(m, LOST));
		break;
	case 6:
		if (c.board == NULL || (s = c.board->flight.head) == NULL)
			break;
		memset(m->at + (s->seq - ISS), LOST, s->end - s->seq);
		tcp_sent_lose(&c, s);
		break;
	case 7:
		s = tcp_sent_lost(&c);
		if (s == NULL)
			break;
		n = RTE_MIN(n, s->end - s->seq);
		memset(m->at + (s->seq - ISS), FLIGHT, n);
		tcp_sent_again(&c, s, n, (struct tcp_cursor){NULL, 0}, now_us);
		break;
	}
}

Test(tcp_sent, any_sequence_of_events_is_what_a_model_says)
{
	unsigned int worlds = test_long() ? 20000 : 150;
	uint64_t seed = rnd_seed();

	stop();
	for (unsigned int i = 0; i < worlds; i++) {
		struct rnd r = {seed + i};
		struct model m = {.una = 0};

		start();
		for (int k = 0; k < 400; k++) {
			model_step(&m, &r);
			compare(&m, seed + i);
		}
		stop();
	}
	start();
}
