/*
 * RFC 9293 section 3.10.7 by table: every combination of flags in every state (T-07), RST and
 * SYN by RFC 5961, and what must not be believed.
 */
#include <criterion/criterion.h>

#include "tests/sim/raw.h"
#include "tests/util/eal.h"

static void start(void)
{
	eal_start("64");
}

TestSuite(states, .init = start);

/* What a segment at RCV.NXT that acknowledges all does: the answer, and the state after. */
struct outcome {
	uint8_t reply; /* flags of the answer, 0: none */
	enum tcp_state state;
};

#define NO_REPLY 0

/* PSH and URG never matter; the rest by the order of the checks in the RFC. */
static struct outcome expected(enum tcp_state s, uint8_t flags)
{
	bool ack = flags & ACK, rst = flags & RST, syn = flags & SYN, fin = flags & FIN;

	switch (s) {
	case TCP_CLOSED:
		if (rst)
			return (struct outcome){NO_REPLY, s};
		return (struct outcome){ack ? RST : RST | ACK, s};
	case TCP_LISTEN:
		if (rst)
			return (struct outcome){NO_REPLY, s};
		if (ack)
			return (struct outcome){RST, s};
		if (syn)
			return (struct outcome){SYN | ACK, TCP_SYN_RCVD};
		return (struct outcome){NO_REPLY, s};
	case TCP_SYN_SENT:
		if (rst)
			return (struct outcome){NO_REPLY, ack ? TCP_CLOSED : s};
		if (syn && ack)
			return (struct outcome){ACK, fin ? TCP_CLOSE_WAIT : TCP_ESTABLISHED};
		if (syn)
			return (struct outcome){SYN | ACK, TCP_SYN_RCVD};
		return (struct outcome){NO_REPLY, s};
	case TCP_TIME_WAIT:
		if (rst || (!ack && !syn))
			return (struct outcome){NO_REPLY, s};
		return (struct outcome){syn || fin ? ACK : NO_REPLY, s};
	default:
		break;
	}
	if (rst)
		return (struct outcome){NO_REPLY, s == TCP_SYN_RCVD ? TCP_LISTEN : TCP_CLOSED};
	if (syn)
		return (struct outcome){ACK, s}; /* challenge */
	if (!ack)
		return (struct outcome){NO_REPLY, s};
	switch (s) {
	case TCP_SYN_RCVD:
	case TCP_ESTABLISHED:
		return fin ? (struct outcome){ACK, TCP_CLOSE_WAIT}
			   : (struct outcome){NO_REPLY, TCP_ESTABLISHED};
	case TCP_FIN_WAIT_1:
	case TCP_FIN_WAIT_2:
		return fin ? (struct outcome){ACK, TCP_TIME_WAIT}
			   : (struct outcome){NO_REPLY, TCP_FIN_WAIT_2};
	case TCP_CLOSING:
		return (struct outcome){NO_REPLY, TCP_TIME_WAIT};
	case TCP_LAST_ACK:
		return (struct outcome){NO_REPLY, TCP_CLOSED};
	default:
		return (struct outcome){NO_REPLY, s};
	}
}

static void all_flags(enum tcp_state s)
{
	for (uint8_t flags = 0; flags < 64; flags++) {
		struct outcome want = expected(s, flags);
		struct raw r;

		raw_state(&r, s);
		cr_assert_eq(raw_get_state(&r), s, "state %d is not reached", s);
		r.urg = 5;
		raw_send_at(&r, flags, r.snd_nxt, r.rcv_nxt, 0, 0);
		raw_run(&r, 5000);
		cr_expect_eq(raw_last(&r).flags, want.reply,
			     "state %d flags %#x: reply %#x not %#x", s, flags, raw_last(&r).flags,
			     want.reply);
		cr_expect_leq(r.out_n, 1, "state %d flags %#x: %u replies", s, flags, r.out_n);
		cr_expect_eq(raw_get_state(&r), want.state, "state %d flags %#x: then %d not %d", s,
			     flags, raw_get_state(&r), want.state);
		cr_expect(raw_fini(&r));
	}
}

Test(states, all_flags_in_closed)
{
	all_flags(TCP_CLOSED);
}
Test(states, all_flags_in_listen)
{
	all_flags(TCP_LISTEN);
}
Test(states, all_flags_in_syn_sent)
{
	all_flags(TCP_SYN_SENT);
}
Test(states, all_flags_in_syn_rcvd)
{
	all_flags(TCP_SYN_RCVD);
}
Test(states, all_flags_in_established)
{
	all_flags(TCP_ESTABLISHED);
}
Test(states, all_flags_in_fin_wait_1)
{
	all_flags(TCP_FIN_WAIT_1);
}
Test(states, all_flags_in_fin_wait_2)
{
	all_flags(TCP_FIN_WAIT_2);
}
Test(states, all_flags_in_closing)
{
	all_flags(TCP_CLOSING);
}
Test(states, all_flags_in_time_wait)
{
	all_flags(TCP_TIME_WAIT);
}
Test(states, all_flags_in_close_wait)
{
	all_flags(TCP_CLOSE_WAIT);
}
Test(states, all_flags_in_last_ack)
{
	all_flags(TCP_LAST_ACK);
}

/* RFC 9293 3.10.7.4, first: beyond the window all but RST is answered and nothing is believed. */
Test(states, all_flags_beyond_the_window)
{
	static const enum tcp_state s[] = {TCP_SYN_RCVD,   TCP_ESTABLISHED, TCP_FIN_WAIT_1,
					   TCP_FIN_WAIT_2, TCP_CLOSING,     TCP_CLOSE_WAIT,
					   TCP_LAST_ACK};

	for (size_t i = 0; i < RTE_DIM(s); i++)
		for (uint8_t flags = 0; flags < 64; flags++) {
			struct raw r;

			raw_state(&r, s[i]);
			raw_send_at(&r, flags, r.snd_nxt + (1 << 24), r.rcv_nxt, 0, 0);
			raw_run(&r, 5000);
			cr_expect_eq(raw_last(&r).flags, flags & RST ? NO_REPLY : ACK,
				     "state %d flags %#x: %#x", s[i], flags, raw_last(&r).flags);
			cr_expect_eq(raw_get_state(&r), s[i], "state %d flags %#x", s[i], flags);
			cr_expect(raw_fini(&r));
		}
}

/* --- what a stranger may try ------------------------------------------------------- */

static const enum tcp_state synchronized[] = {TCP_ESTABLISHED, TCP_FIN_WAIT_1, TCP_FIN_WAIT_2,
					      TCP_CLOSING,     TCP_CLOSE_WAIT, TCP_LAST_ACK};

Test(states, rst_in_the_window_is_challenged)
{
	for (size_t i = 0; i < RTE_DIM(synchronized); i++) {
		struct raw r;

		raw_state(&r, synchronized[i]);
		raw_send_at(&r, RST, r.snd_nxt + 1, 0, 0, 0);
		raw_run(&r, 1000);
		cr_expect_eq(raw_get_state(&r), synchronized[i]);
		cr_expect_eq(raw_last(&r).flags, ACK);
		cr_expect_eq(raw_count(&r, TCP_C_CHALLENGE), 1);
		cr_expect(raw_fini(&r));
	}
}

Test(states, rst_outside_the_window_is_dropped)
{
	for (size_t i = 0; i < RTE_DIM(synchronized); i++) {
		struct raw r;

		raw_state(&r, synchronized[i]);
		raw_send_at(&r, RST, r.snd_nxt - 1, 0, 0, 0);
		raw_send_at(&r, RST, r.snd_nxt + (1 << 24), 0, 0, 0);
		raw_run(&r, 1000);
		cr_expect_eq(raw_get_state(&r), synchronized[i]);
		cr_expect_eq(r.out_n, 0);
		cr_expect(raw_fini(&r));
	}
}

Test(states, syn_anywhere_is_challenged)
{
	static const int32_t at[] = {-100, 0, 100, 1 << 24};

	for (size_t i = 0; i < RTE_DIM(synchronized); i++)
		for (size_t k = 0; k < RTE_DIM(at); k++) {
			struct raw r;

			raw_state(&r, synchronized[i]);
			raw_send_at(&r, SYN, r.snd_nxt + (uint32_t)at[k], 0, 0, 0);
			raw_run(&r, 1000);
			cr_expect_eq(raw_get_state(&r), synchronized[i]);
			cr_expect_eq(raw_last(&r).flags, ACK);
			cr_expect_eq(raw_last(&r).ack, r.snd_nxt);
			cr_expect(raw_fini(&r));
		}
}

Test(states, ack_from_nowhere_is_challenged_and_its_data_dropped)
{
	static const int32_t at[] = {1, 1 << 20, -(1 << 20), INT32_MIN};

	for (size_t k = 0; k < RTE_DIM(at); k++) {
		struct raw r;

		raw_accept(&r, (struct tcp_conf){0});
		raw_send_at(&r, ACK, r.snd_nxt, r.rcv_nxt + (uint32_t)at[k], 0, 10);
		raw_run(&r, 1000);
		cr_expect_eq(r.app.rx_total, 0);
		cr_expect_eq(raw_last(&r).ack, r.snd_nxt);
		cr_expect_eq(raw_count(&r, TCP_C_DROP_ACK), 1);
		cr_expect(raw_fini(&r));
	}
}

Test(states, challenges_have_a_rate_of_their_connection)
{
	struct raw r;

	raw_accept(&r, (struct tcp_conf){0});
	for (int i = 0; i < 100; i++) {
		raw_send_at(&r, RST, r.snd_nxt + 5, 0, 0, 0);
		raw_run(&r, 1000);
	}
	cr_expect_eq(r.out_n, TCP_CHALLENGE_MAX);
	raw_run(&r, TCP_CHALLENGE_US);
	raw_clear(&r);
	raw_send_at(&r, RST, r.snd_nxt + 5, 0, 0, 0);
	raw_run(&r, 1000);
	cr_expect_eq(r.out_n, 1, "and they come back: %u", r.out_n);
	cr_expect(raw_fini(&r));
}

Test(states, acks_outside_the_window_cause_no_storm)
{
	struct raw r;

	raw_accept(&r, (struct tcp_conf){0});
	for (int i = 0; i < 100; i++) {
		raw_send_at(&r, ACK, r.snd_nxt - 10, r.rcv_nxt, 0, 0);
		raw_run(&r, 1000);
	}
	cr_expect_eq(r.out_n, 1);
	cr_expect(raw_fini(&r));
}

Test(states, syn_sent_refuses_a_wrong_ack)
{
	struct raw r;

	raw_state(&r, TCP_SYN_SENT);
	raw_send_at(&r, SYN | ACK, 5000, r.iss, 0, 0);
	raw_run(&r, 1000);
	cr_expect_eq(raw_last(&r).flags, RST);
	cr_expect_eq(raw_last(&r).seq, r.iss);
	cr_expect_eq(raw_get_state(&r), TCP_SYN_SENT);
	cr_expect(raw_fini(&r));
}

Test(states, a_refused_connection_says_so)
{
	struct raw r;

	raw_state(&r, TCP_SYN_SENT);
	raw_send_at(&r, RST | ACK, 0, r.iss + 1, 0, 0);
	raw_run(&r, 1000);
	cr_expect(r.app.error);
	cr_expect_eq(r.app.err, -ECONNREFUSED);
	cr_expect(raw_fini(&r));
}

Test(states, a_reset_connection_says_so)
{
	struct raw r;

	raw_accept(&r, (struct tcp_conf){0});
	raw_send(&r, RST, 0);
	cr_expect_eq(r.app.err, -ECONNRESET);
	cr_expect_eq(tcp_conns(r.v.host[0].tcp), 0);
	cr_expect(raw_fini(&r));
}

Test(states, a_syn_sent_again_is_answered_again)
{
	struct raw r;

	raw_state(&r, TCP_SYN_RCVD);
	r.snd_nxt--;
	raw_send(&r, SYN, 0);
	cr_expect_eq(raw_last(&r).flags, SYN | ACK);
	cr_expect_eq(r.out_n, 1);
	cr_expect(raw_fini(&r));
}

Test(states, half_open_wrong_ack_is_reset)
{
	struct raw r;

	raw_state(&r, TCP_SYN_RCVD);
	raw_send_at(&r, ACK, r.snd_nxt, r.iss + 2, 0, 0);
	raw_run(&r, 1000);
	cr_expect_eq(raw_last(&r).flags, RST);
	cr_expect_eq(raw_last(&r).seq, r.iss + 2);
	cr_expect_eq(raw_get_state(&r), TCP_SYN_RCVD);
	cr_expect(raw_fini(&r));
}

Test(states, half_open_ends_after_five_repeats)
{
	struct raw r;

	raw_state(&r, TCP_SYN_RCVD);
	raw_run(&r, 200 * TCP_SEC);
	cr_expect_eq(r.out_n, TCP_SYNACK_MAX);
	cr_expect_eq(raw_get_state(&r), TCP_LISTEN);
	cr_expect_eq(tcp_conns(r.v.host[0].tcp), 0);
	cr_expect_eq(raw_count(&r, TCP_C_TIMEOUTS), 1);
	cr_expect(raw_fini(&r));
}

/* --- URG (T-05) ---------------------------------------------------------------------- */

Test(states, urgent_data_is_in_line)
{
	static const uint16_t at[] = {0, 1, 3, 10, 11, 1000, 65535};

	for (size_t i = 0; i < RTE_DIM(at); i++) {
		struct raw r;

		raw_accept(&r, (struct tcp_conf){0});
		r.urg = at[i];
		raw_send(&r, ACK | URG | PSH, 10);
		raw_send(&r, ACK | URG, 0);
		raw_send(&r, ACK, 10);
		cr_expect_eq(r.app.rx_total, 20, "pointer %u", at[i]);
		cr_expect_not(r.app.wrong);
		cr_expect(raw_fini(&r));
	}
}

/* --- simultaneous open and close ------------------------------------------------------- */

Test(states, simultaneous_open)
{
	struct raw r;

	raw_state(&r, TCP_SYN_SENT);
	raw_send(&r, SYN, 0);
	cr_expect_eq(raw_get_state(&r), TCP_SYN_RCVD);
	cr_expect_eq(raw_last(&r).flags, SYN | ACK);
	cr_expect_eq(raw_last(&r).seq, r.iss);
	/* The peer's own SYN-ACK: its SYN came before, the rest is an acknowledgement. */
	raw_send_at(&r, SYN | ACK, r.snd_nxt - 1, r.iss + 1, 0, 0);
	raw_run(&r, 1000);
	cr_expect_eq(raw_get_state(&r), TCP_ESTABLISHED);
	raw_send(&r, ACK, 100);
	cr_expect(r.app.connected);
	cr_expect_eq(r.app.rx_total, 100);
	cr_expect(raw_fini(&r));
}

/* RFC 7323 section 2.2: "in a segment with SYN" the window is not scaled, whichever SYN that is. */
Test(states, simultaneous_open_has_windows_without_scale)
{
	static const uint8_t scale7[] = {1, 3, 3, 7}, mss[] = {2, 4, 5, 0xb4};
	struct raw r;

	raw_state(&r, TCP_SYN_SENT);
	memcpy(r.opt, scale7, 4);
	memcpy(r.opt + 4, mss, 4);
	r.opt_len = 8;
	r.wnd = 2000;
	raw_send(&r, SYN, 0);
	raw_send_at(&r, SYN | ACK, r.snd_nxt - 1, r.iss + 1, 0, 0);
	raw_run(&r, 1000);
	cr_assert_eq(raw_get_state(&r), TCP_ESTABLISHED);
	raw_write(&r, 10000);
	raw_run(&r, 10000);
	cr_expect_gt(r.rcv_nxt, r.iss + 1, "something goes");
	cr_expect(seq_le(r.rcv_nxt, r.iss + 1 + 2000), "%u", r.rcv_nxt - r.iss - 1);
	r.opt_len = 0;
	raw_send(&r, ACK, 0);
	raw_run(&r, 10000);
	cr_expect_eq(r.rcv_nxt, r.iss + 1 + 10000, "from now on it is");
	cr_expect(raw_fini(&r));
}

Test(states, simultaneous_close)
{
	struct raw r;

	raw_state(&r, TCP_CLOSING);
	raw_send(&r, ACK, 0);
	cr_expect_eq(raw_get_state(&r), TCP_TIME_WAIT);
	cr_expect_not(r.app.error);
	cr_expect(raw_fini(&r));
}

/* --- TIME-WAIT --------------------------------------------------------------------------- */

Test(states, time_wait_answers_a_fin_again)
{
	struct raw r;

	raw_state(&r, TCP_TIME_WAIT);
	raw_send_at(&r, FIN | ACK, r.snd_nxt - 1, r.rcv_nxt, 0, 0);
	raw_run(&r, 1000);
	cr_expect_eq(raw_last(&r).flags, ACK);
	cr_expect_eq(raw_last(&r).ack, r.snd_nxt);
	cr_expect(raw_fini(&r));
}

Test(states, time_wait_survives_rst)
{
	struct raw r;

	raw_state(&r, TCP_TIME_WAIT);
	raw_send_at(&r, RST, r.snd_nxt, 0, 0, 0);
	raw_run(&r, 1000);
	cr_expect_eq(raw_get_state(&r), TCP_TIME_WAIT);
	cr_expect(raw_fini(&r));
}

Test(states, time_wait_ends)
{
	struct raw r;

	raw_state(&r, TCP_TIME_WAIT);
	raw_run(&r, 59 * TCP_SEC);
	cr_expect_eq(raw_get_state(&r), TCP_TIME_WAIT);
	raw_run(&r, 2 * TCP_SEC);
	cr_expect_eq(raw_get_state(&r), TCP_CLOSED);
	cr_expect(raw_fini(&r));
}

/* The stack closed first, so TIME-WAIT is on the listener's side. */
static void listener_time_wait(struct raw *r)
{
	raw_accept(r, (struct tcp_conf){0});
	r->app.no_shutdown = false;
	raw_run(r, 1000);
	raw_send(r, FIN | ACK, 0);
	cr_assert_eq(raw_get_state(r), TCP_TIME_WAIT);
	r->app.no_shutdown = true;
	r->app.was_shut = r->app.eof = r->app.closed = false;
	raw_clear(r);
}

Test(states, time_wait_opens_again_for_a_newer_syn)
{
	struct raw r;
	uint32_t old;

	listener_time_wait(&r);
	old = r.rcv_nxt;
	r.snd_nxt += 1;
	raw_send(&r, SYN, 0);
	cr_expect_eq(raw_last(&r).flags, SYN | ACK);
	cr_expect(seq_gt(raw_last(&r).seq, old), "the new ISS is beyond the old numbers");
	raw_send(&r, ACK, 0);
	cr_expect_eq(raw_get_state(&r), TCP_ESTABLISHED);
	cr_expect(raw_fini(&r));
}

Test(states, time_wait_refuses_an_older_syn)
{
	struct raw r;

	listener_time_wait(&r);
	raw_send_at(&r, SYN, r.snd_nxt - 100, 0, 0, 0);
	raw_run(&r, 1000);
	cr_expect_eq(raw_last(&r).flags, ACK);
	cr_expect_eq(raw_get_state(&r), TCP_TIME_WAIT);
	cr_expect(raw_fini(&r));
}
