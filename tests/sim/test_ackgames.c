/*
 * Acknowledgements that lie (T-32; Savage et al. 1999): none of them opens the window further than
 * honest ones would, and a peer that takes back what it said gets its bytes all the same.
 */
#include <criterion/criterion.h>

#include "tests/sim/board.h"
#include "tests/sim/raw.h"
#include "tests/util/eal.h"

static void start(void)
{
	eal_start("64");
}

TestSuite(ackgames, .init = start);

#define MSS 1460

/* The stack has ten full segments in flight; SACK as asked. */
static void flight(struct raw *r, bool sack)
{
	struct tcp_opts o = {.has_mss = true, .mss = MSS, .has_sack_perm = sack};

	raw_init(r, (struct tcp_conf){0});
	app_listen(&r->app, 22, 4);
	r->opt_len = (uint32_t)tcp_opts_build(&o, r->opt);
	raw_send(r, SYN, 0);
	r->opt_len = 0;
	raw_send(r, ACK, 0);
	raw_write(r, 40 * MSS);
	cr_assert_eq(raw_conn(r)->snd_nxt - raw_conn(r)->snd_una, 10 * MSS);
	raw_clear(r);
}

/* An acknowledgement of so many bytes, with blocks of these. */
static void say(struct raw *r, uint32_t bytes, const struct tcp_sack *k, unsigned int n)
{
	struct tcp_opts o = {.sack_n = (uint8_t)n};

	for (unsigned int i = 0; i < n; i++)
		o.sack[i] = (struct tcp_sack){r->iss + 1 + k[i].start, r->iss + 1 + k[i].end};
	r->opt_len = n > 0 ? (uint32_t)tcp_opts_build(&o, r->opt) : 0;
	raw_send_at(r, ACK, r->snd_nxt, r->iss + 1 + bytes, 0, 0);
	r->opt_len = 0;
	raw_run(r, 10);
}

static uint32_t cwnd(struct raw *r)
{
	return raw_conn(r)->cwnd;
}

/* What goes on after: honest acknowledgements until nothing is left. */
static void finish(struct raw *r, uint32_t bytes)
{
	for (int i = 0; i < 2000 && raw_conn(r)->snd_una != r->iss + 1 + bytes; i++) {
		say(r, r->rcv_nxt - (r->iss + 1), NULL, 0);
		raw_run(r, 10 * TCP_MS);
		cr_assert_null(board_wrong(raw_conn(r)), "%s", board_wrong(raw_conn(r)));
	}
	cr_expect_eq(raw_conn(r)->snd_una, r->iss + 1 + bytes);
	cr_expect_null(raw_conn(r)->board);
	cr_expect(raw_fini(r));
}

/* RFC 3465: bytes count, not acknowledgements. */
Test(ackgames, division_gains_nothing)
{
	struct raw r;
	uint32_t before;

	flight(&r, true);
	before = cwnd(&r);
	for (uint32_t b = 10; b <= MSS; b += 10)
		say(&r, b, NULL, 0);
	cr_expect_leq(cwnd(&r), before + MSS);
	finish(&r, 40 * MSS);
}

Test(ackgames, acknowledging_what_was_not_sent_gains_nothing)
{
	struct raw r;
	uint32_t before;

	flight(&r, true);
	before = cwnd(&r);
	for (uint32_t i = 1; i < 20; i++)
		say(&r, (10 + i) * MSS, NULL, 0);
	cr_expect_eq(cwnd(&r), before);
	cr_expect_eq(raw_conn(&r)->snd_una, r.iss + 1);
	finish(&r, 40 * MSS);
}

Test(ackgames, blocks_of_what_was_not_sent_gain_nothing)
{
	static const struct tcp_sack bad[] = {{10 * MSS, 11 * MSS},
					      {5 * MSS, 10 * MSS + 1},
					      {3 * MSS, 2 * MSS},
					      {1 * MSS, (UINT32_C(1) << 31) + 5 * MSS}};
	struct raw r;
	uint32_t before;

	flight(&r, true);
	before = cwnd(&r);
	for (size_t i = 0; i < RTE_DIM(bad); i++)
		say(&r, 0, &bad[i], 1);
	cr_expect_eq(cwnd(&r), before);
	cr_expect_eq(raw_conn(&r)->board->sacked, 0);
	cr_expect_eq(raw_count(&r, TCP_C_FAST_RETRANS), 0);
	finish(&r, 40 * MSS);
}

Test(ackgames, blocks_that_were_not_agreed_say_nothing)
{
	struct raw r;

	flight(&r, false);
	for (uint32_t i = 1; i < 8; i++)
		say(&r, 0, &(struct tcp_sack){MSS, i * MSS + MSS}, 1);
	cr_expect_eq(raw_conn(&r)->board->sacked, 0);
	finish(&r, 40 * MSS);
}

/* RFC 6582's recover, of a loss two gigabytes ago, seems to come: numbers compare modulo 2^32. */
Test(ackgames, duplicates_are_a_loss_though_the_last_was_gigabytes_ago)
{
	struct raw r;

	flight(&r, false);
	raw_conn(&r)->recover = raw_conn(&r)->snd_una - (INT32_MAX - 3 * MSS);
	for (uint32_t i = 1; i <= 4; i++)
		say(&r, i * MSS, NULL, 0);
	cr_expect_eq(raw_count(&r, TCP_C_FAST_RETRANS), 0);
	for (int i = 0; i < TCP_DUPACKS; i++)
		say(&r, 4 * MSS, NULL, 0);
	cr_expect_eq(raw_count(&r, TCP_C_FAST_RETRANS), 1);
	finish(&r, 40 * MSS);
}

/* Duplicates let segments out one by one, as RFC 5681 has it, but the window is the smaller one. */
Test(ackgames, duplicates_do_not_open_the_window)
{
	for (int sack = 0; sack < 2; sack++) {
		struct raw r;
		uint32_t before;

		flight(&r, sack);
		before = cwnd(&r);
		for (int i = 0; i < 1000; i++)
			say(&r, 0, NULL, 0);
		if (sack)
			cr_expect_eq(cwnd(&r), before, "without blocks they say nothing");
		else
			cr_expect_leq(raw_conn(&r)->ssthresh, before);
		cr_expect_leq(raw_conn(&r)->snd_nxt - raw_conn(&r)->snd_una, r.wnd);
		say(&r, r.rcv_nxt - (r.iss + 1), NULL, 0);
		if (!sack)
			cr_expect_leq(cwnd(&r), before);
		finish(&r, 40 * MSS);
	}
}

/* RFC 3708: what is taken back is taken back to where it was. */
Test(ackgames, duplicates_reported_give_back_no_more_than_there_was)
{
	struct raw r;
	uint32_t before;

	flight(&r, true);
	before = cwnd(&r);
	say(&r, 0, &(struct tcp_sack){MSS, 5 * MSS}, 1);
	cr_expect_eq(raw_count(&r, TCP_C_FAST_RETRANS), 1);
	cr_expect_lt(raw_conn(&r)->ssthresh, before);
	for (int i = 0; i < 100; i++)
		say(&r, 5 * MSS, &(struct tcp_sack){0, 5 * MSS}, 1);
	cr_expect_eq(raw_count(&r, TCP_C_UNDO), 1);
	cr_expect_leq(cwnd(&r), before + 10 * MSS, "what ten segments earn in slow start");
	finish(&r, 40 * MSS);
}

/* RFC 2018 section 8: all but the first was reported, then only the first is acknowledged. */
Test(ackgames, a_peer_that_reneges_gets_all_again)
{
	struct raw r;

	flight(&r, true);
	say(&r, 0, &(struct tcp_sack){MSS, 10 * MSS}, 1);
	raw_run(&r, 10 * TCP_MS);
	say(&r, MSS, NULL, 0);
	raw_clear(&r);
	raw_run(&r, 3 * TCP_SEC);
	cr_assert_gt(r.out_n, 0);
	cr_expect_eq(raw_count(&r, TCP_C_RENEGED), 1);
	finish(&r, 40 * MSS);
}

/* RFC 3042: the first two duplicates, or blocks, each let a new segment out. */
Test(ackgames, limited_transmit)
{
	for (int sack = 0; sack < 2; sack++) {
		struct raw r;

		flight(&r, sack);
		for (uint32_t i = 1; i <= 2; i++) {
			say(&r, 0, &(struct tcp_sack){MSS, (i + 1) * MSS}, sack ? 1 : 0);
			cr_expect_eq(r.out_n, i, "sack %d: %u", sack, r.out_n);
			cr_expect_eq(raw_last(&r).seq, r.iss + 1 + (9 + i) * MSS);
		}
		cr_expect_eq(raw_count(&r, TCP_C_FAST_RETRANS), 0);
		say(&r, 0, &(struct tcp_sack){MSS, 4 * MSS}, sack ? 1 : 0);
		cr_expect_eq(raw_count(&r, TCP_C_FAST_RETRANS), 1);
		cr_expect_eq(raw_last(&r).seq, r.iss + 1, "and the third the first once more");
		finish(&r, 40 * MSS);
	}
}
