/* What the comparison with Linux (test_diff.c) found: answers that were missing or too many. */
#include <criterion/criterion.h>

#include "tests/sim/raw.h"
#include "tests/util/eal.h"

static void init(void)
{
	eal_start("64");
}

TestSuite(answers, .init = init);

static struct raw r;

/* RFC 5681 section 4.2: out of order is told at once; a FIN takes a number as bytes do. */
Test(answers, fin_beyond_a_gap_is_told_at_once)
{
	raw_accept(&r, (struct tcp_conf){0});
	raw_send_at(&r, FIN | ACK, r.snd_nxt + 100, r.rcv_nxt, 0, 0);
	raw_run(&r, 1000);
	cr_expect_eq(r.out_n, 1);
	cr_expect_eq(raw_last(&r).flags, ACK);
	cr_expect_eq(raw_last(&r).ack, r.snd_nxt);
	raw_clear(&r);
	raw_send(&r, ACK, 0); /* and once only */
	cr_expect_eq(r.out_n, 0);
	raw_send(&r, ACK, 100); /* the gap is filled: it counts */
	cr_expect_eq(raw_get_state(&r), TCP_CLOSE_WAIT);
	cr_expect(raw_fini(&r));
}

/* RFC 5961 section 5.2, bounded by what there is: nobody was ever sent what is before the ISS. */
Test(answers, bytes_that_acknowledge_what_never_was_are_refused)
{
	raw_accept(&r, (struct tcp_conf){0});
	raw_send_at(&r, ACK, r.snd_nxt, r.iss - 16, 0, 50);
	raw_run(&r, 1000);
	cr_expect_eq(r.app.rx_total, 0);
	cr_expect_eq(raw_count(&r, TCP_C_DROP_ACK), 1);
	cr_expect_eq(raw_last(&r).flags, ACK);
	cr_expect_eq(raw_last(&r).ack, r.snd_nxt);
	cr_expect(raw_fini(&r));
}

/* A half-open connection has no place to note in what came twice. */
Test(answers, old_bytes_for_a_half_open_connection)
{
	raw_state(&r, TCP_SYN_RCVD);
	raw_send_at(&r, ACK, r.snd_nxt - 100, r.rcv_nxt, 0, 50);
	raw_run(&r, 1000);
	cr_expect_eq(r.out_n, 1);
	cr_expect_eq(raw_last(&r).flags, ACK);
	cr_expect_eq(raw_get_state(&r), TCP_SYN_RCVD);
	cr_expect(raw_fini(&r));
}

/* One that is only late is taken. */
Test(answers, bytes_with_a_late_acknowledgement_are_taken)
{
	raw_accept(&r, (struct tcp_conf){0});
	raw_write(&r, 1000);
	raw_send(&r, ACK, 0);
	raw_send_at(&r, ACK, r.snd_nxt, r.rcv_nxt - 900, 0, 50);
	raw_run(&r, 1000);
	cr_expect_eq(r.app.rx_total, 50);
	cr_expect(raw_fini(&r));
}

/* RFC 9293 section 3.10.5: ABORT in CLOSING and LAST-ACK only deletes. */
Test(answers, abort_after_both_have_closed_sends_nothing)
{
	static const enum tcp_state state[] = {TCP_CLOSING, TCP_LAST_ACK};

	for (size_t i = 0; i < RTE_DIM(state); i++) {
		raw_state(&r, state[i]);
		cr_assert_eq(raw_get_state(&r), state[i]);
		app_abort(&r.app);
		raw_run(&r, 1000);
		cr_expect_eq(r.out_n, 0);
		cr_expect_eq(raw_get_state(&r), TCP_CLOSED);
		cr_expect(raw_fini(&r));
	}
}

Test(answers, abort_of_an_open_connection_resets)
{
	static const enum tcp_state state[] = {TCP_ESTABLISHED, TCP_FIN_WAIT_1, TCP_FIN_WAIT_2,
					       TCP_CLOSE_WAIT};

	for (size_t i = 0; i < RTE_DIM(state); i++) {
		raw_state(&r, state[i]);
		app_abort(&r.app);
		raw_run(&r, 1000);
		cr_expect_eq(r.out_n, 1);
		cr_expect(raw_last(&r).flags & RST);
		cr_expect(raw_fini(&r));
	}
}
