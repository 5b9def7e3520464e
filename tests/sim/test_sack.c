/* What the receiver says of bytes beyond a gap and of bytes that came twice: RFC 2018, RFC 2883. */
#include <criterion/criterion.h>

#include "tests/sim/raw.h"
#include "tests/util/eal.h"
#include "tests/util/rnd.h"

static void start(void)
{
	eal_start("64");
}

TestSuite(sack, .init = start);

/* The stack accepts a peer whose SYN has these options. */
static void accept_with(struct raw *r, const struct tcp_opts *o, struct tcp_conf conf)
{
	raw_init(r, conf);
	app_listen(&r->app, 22, 4);
	r->opt_len = (uint32_t)tcp_opts_build(o, r->opt);
	raw_send(r, SYN, 0);
	r->opt_len = 0;
	r->ts = o->has_ts;
	r->ts_val = o->ts_val;
	cr_assert_eq(raw_last(r).opts.has_sack_perm, o->has_sack_perm);
	raw_send(r, ACK, 0);
	raw_clear(r);
}

static void accept_sack(struct raw *r, bool ts)
{
	accept_with(r, &(struct tcp_opts){.has_sack_perm = true, .has_ts = ts, .ts_val = 5},
		    (struct tcp_conf){0});
}

/* Bytes [off, off + len) of the stream; what the stack says to it. */
static struct tcp_opts put(struct raw *r, uint32_t off, uint32_t len)
{
	raw_clear(r);
	raw_send_at(r, ACK, r->snd_nxt + off, r->rcv_nxt, off, len);
	raw_run(r, 1000);
	return raw_last(r).opts;
}

static void expect_blocks(struct raw *r, struct tcp_opts o, const struct tcp_sack *want,
			  unsigned int n, const char *what)
{
	cr_expect_eq(o.sack_n, n, "%s: %u blocks", what, o.sack_n);
	for (unsigned int i = 0; i < n && i < o.sack_n; i++) {
		cr_expect_eq(o.sack[i].start - r->snd_nxt, want[i].start, "%s: block %u from %u",
			     what, i, o.sack[i].start - r->snd_nxt);
		cr_expect_eq(o.sack[i].end - r->snd_nxt, want[i].end, "%s: block %u to %u", what, i,
			     o.sack[i].end - r->snd_nxt);
	}
}

#define EXPECT_BLOCKS(r, o, ...)                                                                   \
	do {                                                                                       \
		const struct tcp_sack want_[] = {__VA_ARGS__};                                     \
		expect_blocks(r, o, want_, RTE_DIM(want_), #__VA_ARGS__);                          \
	} while (0)

Test(sack, our_syn_permits_it)
{
	struct raw r;

	raw_init(&r, (struct tcp_conf){0});
	vnet_connect(&r.app, RAW_PEER, RAW_PORT);
	raw_run(&r, 1000);
	cr_expect(raw_last(&r).opts.has_sack_perm);
	raw_send(&r, SYN | ACK, 0); /* without it */
	cr_expect_not(raw_conn(&r)->sack_ok);
	put(&r, 100, 100);
	cr_expect_eq(raw_last(&r).opts.sack_n, 0);
	cr_expect(raw_fini(&r));
}

Test(sack, nothing_is_said_to_one_who_did_not_permit)
{
	struct raw r;

	accept_with(&r, &(struct tcp_opts){.has_mss = true, .mss = 1460}, (struct tcp_conf){0});
	cr_expect_eq(put(&r, 100, 100).sack_n, 0);
	cr_expect_eq(put(&r, 100, 100).sack_n, 0, "nor of duplicates");
	cr_expect(raw_fini(&r));
}

Test(sack, the_block_of_the_last_segment_stands_first)
{
	struct raw r;

	accept_sack(&r, false);
	EXPECT_BLOCKS(&r, put(&r, 100, 50), {100, 150});
	EXPECT_BLOCKS(&r, put(&r, 300, 50), {300, 350}, {100, 150});
	EXPECT_BLOCKS(&r, put(&r, 150, 50), {100, 200}, {300, 350});
	EXPECT_BLOCKS(&r, put(&r, 500, 50), {500, 550}, {100, 200}, {300, 350});
	EXPECT_BLOCKS(&r, put(&r, 250, 50), {250, 350}, {500, 550}, {100, 200});
	EXPECT_BLOCKS(&r, put(&r, 200, 50), {100, 350}, {500, 550});
	EXPECT_BLOCKS(&r, put(&r, 0, 100), {500, 550});
	cr_expect_eq(raw_last(&r).ack, r.snd_nxt + 350);
	cr_expect_eq(put(&r, 350, 150).sack_n, 0);
	cr_expect_eq(r.app.rx_total, 550);
	cr_expect(raw_fini(&r));
}

Test(sack, four_blocks_fit_and_three_beside_timestamps)
{
	for (int ts = 0; ts < 2; ts++) {
		struct raw r;
		struct tcp_opts o;

		accept_sack(&r, ts);
		for (uint32_t i = 1; i <= 6; i++)
			o = put(&r, 100 * i, 50);
		cr_expect_eq(o.has_ts, ts);
		cr_expect_eq(o.sack_n, 4 - ts);
		for (uint32_t i = 0; i < o.sack_n; i++)
			cr_expect_eq(o.sack[i].start - r.snd_nxt, 600 - 100 * i);
		cr_expect(raw_fini(&r));
	}
}

Test(sack, what_came_twice_is_told_once)
{
	struct raw r;

	accept_sack(&r, false);
	raw_send(&r, ACK, 1000);
	raw_run(&r, TCP_SEC);
	r.snd_nxt -= 1000; /* offsets stay those of the stream */
	EXPECT_BLOCKS(&r, put(&r, 200, 300), {200, 500});
	EXPECT_BLOCKS(&r, put(&r, 900, 200), {900, 1000});
	cr_expect_eq(raw_last(&r).ack - r.snd_nxt, 1100);
	put(&r, 1100, 1000);
	raw_run(&r, TCP_SEC);
	cr_expect_eq(raw_last(&r).opts.sack_n, 0);
	cr_expect(raw_fini(&r));
}

Test(sack, a_duplicate_beyond_the_gap_is_followed_by_its_run)
{
	struct raw r;

	accept_sack(&r, false);
	put(&r, 500, 100);
	put(&r, 100, 100);
	put(&r, 200, 100);
	EXPECT_BLOCKS(&r, put(&r, 150, 100), {150, 250}, {100, 300}, {500, 600});
	EXPECT_BLOCKS(&r, put(&r, 250, 100), {250, 300}, {100, 350}, {500, 600});
	cr_expect(raw_fini(&r));
}

Test(sack, a_repeated_syn_or_reset_says_nothing)
{
	struct raw r;

	accept_sack(&r, false);
	put(&r, 100, 100);
	app_abort(&r.app);
	raw_run(&r, 1000);
	cr_expect_eq(raw_last(&r).flags, RST | ACK);
	cr_expect_eq(raw_last(&r).opts.sack_n, 0);
	cr_expect(raw_fini(&r));
}

Test(sack, data_of_full_size_leaves_the_blocks_to_a_segment_of_their_own)
{
	struct raw r;
	bool told = false;

	accept_sack(&r, true);
	raw_write(&r, 3000);
	raw_clear(&r);
	raw_send_at(&r, ACK, r.snd_nxt + 100, r.rcv_nxt, 100, 100);
	r.app.tx_total += 3000;
	raw_run(&r, 1000);
	for (uint32_t i = 0; i < r.out_n; i++) {
		cr_expect(r.out[i].len == 0 || r.out[i].opts.sack_n == 0);
		told |= r.out[i].opts.sack_n == 1;
	}
	cr_expect(told);
	cr_expect_eq(r.v.bad, 0, "nothing larger than the MTU");
	cr_expect(raw_fini(&r));
}

/* Every block is of bytes that came, the first of the last segment; sizes at random. */
Test(sack, blocks_are_true)
{
	enum { SPACE = 4000 };
	unsigned int worlds = test_long() ? 2000 : 40;
	uint64_t seed = rnd_seed();

	for (unsigned int i = 0; i < worlds; i++) {
		struct rnd rnd = {seed + i};
		bool have[SPACE] = {false};
		struct raw r;

		accept_sack(&r, rnd_below(&rnd, 2));
		for (unsigned int k = 0; k < 60; k++) {
			uint32_t off = 1 + rnd_below(&rnd, SPACE - 101);
			uint32_t len = 1 + rnd_below(&rnd, 100), at = 0;
			struct tcp_opts o = put(&r, off, len);

			for (uint32_t b = off; b < off + len; b++)
				have[b] = true;
			cr_assert_geq(o.sack_n, 1, "seed %lu", seed + i);
			if (o.sack_n > 1 &&
			    o.sack[0].start - r.snd_nxt >= o.sack[1].start - r.snd_nxt &&
			    o.sack[0].end - r.snd_nxt <= o.sack[1].end - r.snd_nxt)
				at = 1; /* the first is a duplicate */
			cr_expect_leq(o.sack[at].start - r.snd_nxt, off, "seed %lu", seed + i);
			cr_expect_geq(o.sack[at].end - r.snd_nxt, off + len, "seed %lu", seed + i);
			for (unsigned int n = 0; n < o.sack_n; n++)
				for (uint32_t b = o.sack[n].start - r.snd_nxt;
				     b < o.sack[n].end - r.snd_nxt; b++)
					cr_assert(have[b], "seed %lu byte %u", seed + i, b);
		}
		cr_expect(raw_fini(&r));
	}
}
