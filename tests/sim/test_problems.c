/*
 * Known problems of implementations (RFC 2525), by its sections, where no other test shows that we
 * do not have them. A peer played by hand, so that only what is asked for happens.
 */
#include <criterion/criterion.h>

#include "tests/sim/raw.h"
#include "tests/util/eal.h"

static void start(void)
{
	eal_start("64");
}

TestSuite(problems, .init = start);

#define MSS 1460

/* A peer of MSS 1460, with SACK or without; *ret_base is the first number of our bytes. */
static void accept_from(struct raw *r, bool sack, uint32_t *ret_base)
{
	static const uint8_t opt[] = {2, 4, MSS >> 8, MSS & 255, 4, 2, 1, 1};

	raw_init(r, (struct tcp_conf){.tx_budget = 1 << 20});
	app_listen(&r->app, 22, 4);
	memcpy(r->opt, opt, r->opt_len = sack ? 8 : 4);
	raw_send(r, SYN, 0);
	r->opt_len = 0;
	raw_send(r, ACK, 0);
	raw_clear(r);
	*ret_base = r->rcv_nxt;
}

static uint32_t bytes_out(const struct raw *r)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->out_n; i++)
		n += r->out[i].len;
	return n;
}

/* 2.1 No initial slow start, 2.3 Uninitialized CWND: ten segments (RFC 6928), and on the side that
 * connects, too. */
Test(problems, no_initial_slow_start)
{
	static const uint8_t opt[] = {2, 4, MSS >> 8, MSS & 255};
	uint32_t base;
	struct raw r;

	accept_from(&r, true, &base);
	raw_write(&r, 200000);
	cr_expect_leq(bytes_out(&r), 10 * MSS);
	cr_expect_gt(bytes_out(&r), MSS);
	cr_expect(raw_fini(&r));

	raw_init(&r, (struct tcp_conf){.tx_budget = 1 << 20});
	vnet_connect(&r.app, RAW_PEER, RAW_PORT);
	raw_run(&r, 1000);
	memcpy(r.opt, opt, r.opt_len = sizeof(opt));
	raw_send(&r, SYN | ACK, 0);
	r.opt_len = 0;
	raw_clear(&r);
	raw_write(&r, 200000);
	cr_expect_leq(bytes_out(&r), 10 * MSS);
	cr_expect_gt(bytes_out(&r), MSS);
	cr_expect(raw_fini(&r));
}

/*
 * 2.2 No slow start after retransmission timeout, 2.10 Failure to back off, 2.14 Retransmission
 * sends multiple packets: to a peer that fell silent each time-out sends the first segment again
 * and nothing else, each wait twice the last, up to a minute.
 */
static void silence(bool sack)
{
	uint64_t at = 0, wait = 0;
	unsigned int n = 0;
	uint32_t base;
	struct raw r;

	accept_from(&r, sack, &base);
	raw_write(&r, 200000);
	raw_run(&r, 150 * TCP_MS);
	raw_clear(&r);
	raw_run(&r, 280 * TCP_SEC);
	for (uint32_t i = 0; i < r.out_n; i++) {
		uint64_t now_wait = r.out_at[i] - at;

		if (r.out[i].seq != base) { /* a tail's probe, once, before the first time-out */
			cr_expect(sack && n == 0 && raw_count(&r, TCP_C_TLP) == 1, "%u at %lu us",
				  r.out[i].seq - base, r.out_at[i]);
			continue;
		}
		cr_expect_leq(r.out[i].len, MSS);
		if (n > 1)
			cr_expect_geq(now_wait,
				      RTE_MIN(2 * wait - wait / 50, 60 * TCP_SEC - TCP_MS),
				      "%u: %lu us after %lu us", n, now_wait, wait);
		cr_expect_leq(now_wait, n > 0 ? 60 * TCP_SEC + TCP_MS : UINT64_MAX);
		wait = now_wait;
		at = r.out_at[i];
		n++;
	}
	cr_expect_geq(n, 7, "%u time-outs", n);
	cr_expect_eq(raw_conn(&r)->cwnd, raw_conn(&r)->mss);

	/* And it begins with slow start: for one that is acknowledged two may go. */
	raw_clear(&r);
	raw_send_at(&r, ACK, r.snd_nxt, base + MSS, 0, 0);
	raw_run(&r, 10 * TCP_MS);
	cr_expect_leq(bytes_out(&r), 2 * MSS);
	cr_expect_gt(bytes_out(&r), 0);
	cr_expect(raw_fini(&r));
}

Test(problems, no_back_off_or_more_than_one_segment_after_a_time_out)
{
	silence(true);
	silence(false);
}

/* 2.7 Initial RTO too low: nothing is known of the path, so a SYN waits a second (RFC 6298). */
Test(problems, initial_rto_too_low)
{
	struct raw r;

	raw_init(&r, (struct tcp_conf){0});
	vnet_connect(&r.app, RAW_PEER, RAW_PORT);
	raw_run(&r, 10 * TCP_SEC);
	cr_assert_geq(r.out_n, 3);
	cr_expect_geq(r.out_at[1] - r.out_at[0], TCP_SEC);
	cr_expect_geq(r.out_at[2] - r.out_at[1], 2 * TCP_SEC - TCP_MS);
	cr_expect(raw_fini(&r));
}

/* 2.8 Failure of window deflation after loss recovery: behind it the window is ssthresh. */
static void recovered(bool sack)
{
	uint32_t base, i;
	struct raw r;

	accept_from(&r, sack, &base);
	raw_write(&r, 200000);
	raw_run(&r, 100 * TCP_MS);
	for (i = 1; i <= 9; i++) { /* the first is lost; the others are told of */
		struct tcp_opts o = {.sack_n = 1, .sack = {{base + MSS, base + MSS + i * MSS}}};

		r.opt_len = sack ? (uint32_t)tcp_opts_build(&o, r.opt) : 0;
		raw_send_at(&r, ACK, r.snd_nxt, base, 0, 0);
		raw_run(&r, TCP_MS);
	}
	r.opt_len = 0;
	cr_assert(raw_conn(&r)->in_recovery);
	raw_send_at(&r, ACK, r.snd_nxt, r.rcv_nxt, 0, 0);
	raw_run(&r, TCP_MS);
	cr_expect_not(raw_conn(&r)->in_recovery);
	cr_expect_leq(raw_conn(&r)->cwnd, raw_conn(&r)->ssthresh + 2 * MSS);
	cr_expect_leq(raw_conn(&r)->ssthresh, 10 * MSS * 7 / 10 + MSS);
	cr_expect(raw_fini(&r));
}

Test(problems, window_not_deflated_after_recovery)
{
	recovered(true);
	recovered(false);
}
