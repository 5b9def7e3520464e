/* TCPNoDelay, RFC 9293 section 3.7.4: which small segments wait, and for what; TCPUserTimeout. */
#include <criterion/criterion.h>

#include "tests/sim/raw.h"
#include "tests/util/eal.h"

static void start(void)
{
	eal_start("64");
}

TestSuite(nagle, .init = start);

/* Established, Nagle as said; nothing is on its way. */
static void begin(struct raw *r, bool nodelay)
{
	raw_accept(r, (struct tcp_conf){0});
	tcp_stream_nodelay(r->app.s, nodelay);
	raw_clear(r);
}

/* The peer acknowledges all that the stack has sent. */
static void ack_all(struct raw *r)
{
	r->rcv_nxt = raw_conn(r)->snd_max;
	raw_send(r, ACK, 0);
}

static uint32_t data_segs(const struct raw *r)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->out_n; i++)
		n += r->out[i].len > 0;
	return n;
}

Test(nagle, without_it_each_write_goes_at_once)
{
	struct raw r;

	begin(&r, true);
	for (int i = 0; i < 5; i++)
		raw_write(&r, 10);
	cr_expect_eq(data_segs(&r), 5);
	cr_expect(raw_fini(&r));
}

Test(nagle, a_new_stream_goes_without)
{
	struct raw r;

	raw_accept(&r, (struct tcp_conf){0});
	raw_clear(&r);
	raw_write(&r, 10);
	raw_write(&r, 10);
	cr_expect_eq(data_segs(&r), 2);
	cr_expect(raw_fini(&r));
}

Test(nagle, small_writes_wait_for_the_acknowledgement_of_the_first)
{
	struct raw r;

	begin(&r, false);
	for (int i = 0; i < 5; i++)
		raw_write(&r, 10);
	cr_expect_eq(data_segs(&r), 1);
	cr_expect_eq(r.out[0].len, 10);
	ack_all(&r);
	cr_expect_eq(data_segs(&r), 2);
	cr_expect_eq(raw_last(&r).len, 40, "together");
	cr_expect(raw_fini(&r));
}

Test(nagle, full_segments_go_and_hold_back_no_end)
{
	struct raw r;
	uint32_t mss;

	begin(&r, false);
	mss = raw_conn(&r)->mss;
	raw_write(&r, 2 * mss + 7);
	cr_expect_eq(data_segs(&r), 3, "Minshall: the end of a write waits for no full one");
	cr_expect_eq(raw_last(&r).len, 7);
	raw_write(&r, 7);
	cr_expect_eq(data_segs(&r), 3, "but for one that was small");
	raw_write(&r, mss);
	cr_expect_eq(data_segs(&r), 4, "a full one never waits");
	cr_expect_eq(raw_last(&r).len, mss);
	cr_expect(raw_fini(&r));
}

/* What is two gigabytes ago seems to come: numbers compare modulo 2^32. */
Test(nagle, a_small_one_of_gigabytes_ago_holds_nobody_back)
{
	struct raw r;

	begin(&r, false);
	raw_write(&r, 10);
	ack_all(&r);
	raw_conn(&r)->snd_sml = raw_conn(&r)->snd_una - (INT32_MAX - 1000);
	raw_write(&r, 2u * raw_conn(&r)->mss);
	ack_all(&r);
	raw_clear(&r);
	raw_write(&r, 10);
	cr_expect_eq(data_segs(&r), 1);
	cr_expect(raw_fini(&r));
}

Test(nagle, what_is_held_goes_when_it_is_switched_off)
{
	struct raw r;

	begin(&r, false);
	raw_write(&r, 10);
	raw_write(&r, 10);
	cr_expect_eq(data_segs(&r), 1);
	tcp_stream_nodelay(r.app.s, true);
	raw_run(&r, 1000);
	cr_expect_eq(data_segs(&r), 2);
	cr_expect(raw_fini(&r));
}

Test(nagle, an_end_waits_for_nothing)
{
	struct raw r;

	begin(&r, false);
	raw_write(&r, 10);
	r.app.no_shutdown = false;
	raw_write(&r, 10);
	cr_expect_eq(data_segs(&r), 2);
	cr_expect(raw_last(&r).flags & FIN);
	cr_expect(raw_fini(&r));
}

Test(nagle, a_lost_small_one_is_sent_again_and_the_rest_follows)
{
	struct raw r;

	begin(&r, false);
	raw_write(&r, 10);
	raw_write(&r, 30);
	raw_run(&r, 3 * TCP_SEC); /* the time-out sends all there is, in one segment */
	cr_expect_gt(data_segs(&r), 1);
	ack_all(&r);
	raw_run(&r, TCP_SEC);
	ack_all(&r);
	cr_expect_eq(tcp_tx_bytes(raw_conn(&r)), 0);
	cr_expect(raw_fini(&r));
}

/* RFC 5482: the time is the connection's whole budget for silence. */
Test(nagle, user_timeout_bounds_unacknowledged_bytes)
{
	static const uint64_t s[] = {1, 7, 100};

	for (unsigned int i = 0; i < RTE_DIM(s); i++) {
		struct raw r;

		raw_accept(&r, (struct tcp_conf){.user_timeout_us = s[i] * TCP_SEC});
		raw_write(&r, 10);
		raw_run(&r, s[i] * TCP_SEC - 100 * TCP_MS);
		cr_expect_not(r.app.error, "%lu s: too early", s[i]);
		raw_run(&r, 200 * TCP_MS);
		cr_expect_eq(r.app.err, -ETIMEDOUT, "%lu s", s[i]);
		cr_expect(raw_fini(&r));
	}
}
