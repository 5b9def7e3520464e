/* RFC 3168: who may mark what, who is told of it, and what it does to the window. */
#include <criterion/criterion.h>

#include "tests/sim/raw.h"
#include "tests/util/eal.h"

#define ECE RTE_TCP_ECE_FLAG
#define CWR RTE_TCP_CWR_FLAG

static void start(void)
{
	eal_start("64");
}

TestSuite(ecn, .init = start);

/* --- negotiation (section 6.1.1) ------------------------------------------------------- */

/* A listener's answer to a SYN with such flags. */
static struct vseg answer(struct raw *r, uint8_t flags, struct tcp_conf conf)
{
	raw_init(r, conf);
	app_listen(&r->app, 22, 4);
	raw_send(r, SYN | flags, 0);
	return raw_last(r);
}

/* T-04: "SYN with ECE/CWR is accepted", and a host that asks gets it. */
Test(ecn, syn_that_asks_is_answered)
{
	static const struct {
		uint8_t flags, want;
		enum tcp_ecn conf;
	} cases[] = {
		{0, 0, TCP_ECN_ON_DEMAND},     {ECE | CWR, ECE, TCP_ECN_ON_DEMAND},
		{ECE | CWR, ECE, TCP_ECN_YES}, {ECE | CWR, 0, TCP_ECN_NO},
		{ECE, 0, TCP_ECN_ON_DEMAND},   {CWR, 0, TCP_ECN_ON_DEMAND},
	};

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct raw r;
		struct vseg s = answer(&r, cases[i].flags, (struct tcp_conf){.ecn = cases[i].conf});

		cr_expect_eq(s.flags, SYN | ACK | cases[i].want, "%zu: %x", i, s.flags);
		cr_expect_eq(s.ecn, VNET_NOT_ECT, "a SYN-ACK is never marked (6.1.1)");
		raw_send(&r, ACK, 0);
		cr_expect_eq(raw_get_state(&r), TCP_ESTABLISHED, "%zu", i);
		cr_expect_eq(raw_conn(&r)->ecn_ok, cases[i].want != 0, "%zu", i);
		cr_expect(raw_fini(&r));
	}
}

/* T-04: reserved bits, on a SYN and later, are nobody's business. */
Test(ecn, reserved_bits_are_ignored)
{
	struct raw r;

	raw_init(&r, (struct tcp_conf){0});
	app_listen(&r.app, 22, 4);
	r.reserved = 0xf;
	raw_send(&r, SYN, 0);
	cr_expect_eq(raw_last(&r).flags, SYN | ACK);
	raw_send(&r, ACK, 0);
	raw_send(&r, ACK, 100);
	cr_expect_eq(r.app.rx_total, 100);
	cr_expect_not(r.app.wrong);
	cr_expect(raw_fini(&r));
}

/* What marks a SYN does not know what the field is for. */
Test(ecn, marked_syn_does_not_count)
{
	for (uint8_t ecn = VNET_ECT1; ecn <= VNET_CE; ecn++) {
		struct raw r;

		raw_init(&r, (struct tcp_conf){0});
		app_listen(&r.app, 22, 4);
		r.ecn = ecn;
		raw_send(&r, SYN | ECE | CWR, 0);
		cr_expect_eq(raw_last(&r).flags, SYN | ACK, "%u", ecn);
		cr_expect(raw_fini(&r));
	}
}

/* "at least one non-ECN-setup SYN": the peer gave up asking. */
Test(ecn, second_syn_that_does_not_ask_counts)
{
	struct raw r;

	answer(&r, ECE | CWR, (struct tcp_conf){0});
	raw_send_at(&r, SYN, r.snd_nxt - 1, 0, 0, 0);
	raw_run(&r, 1000);
	cr_expect_eq(raw_last(&r).flags, SYN | ACK);
	raw_send(&r, ACK, 0);
	cr_expect_not(raw_conn(&r)->ecn_ok);
	cr_expect(raw_fini(&r));
}

Test(ecn, own_syn_asks_only_when_told_to)
{
	static const struct {
		enum tcp_ecn conf;
		uint8_t syn, answer;
		bool ok;
	} cases[] = {
		{TCP_ECN_ON_DEMAND, 0, ECE, false},         {TCP_ECN_NO, 0, ECE, false},
		{TCP_ECN_YES, ECE | CWR, ECE, true},        {TCP_ECN_YES, ECE | CWR, 0, false},
		{TCP_ECN_YES, ECE | CWR, ECE | CWR, false}, {TCP_ECN_YES, ECE | CWR, CWR, false},
	};

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct raw r;

		raw_init(&r, (struct tcp_conf){.ecn = cases[i].conf});
		vnet_connect(&r.app, RAW_PEER, RAW_PORT);
		raw_run(&r, 1000);
		cr_expect_eq(raw_last(&r).flags, SYN | cases[i].syn, "%zu", i);
		cr_expect_eq(raw_last(&r).ecn, VNET_NOT_ECT);
		raw_send(&r, SYN | ACK | cases[i].answer, 0);
		cr_expect_eq(raw_get_state(&r), TCP_ESTABLISHED, "%zu", i);
		cr_expect_eq(raw_conn(&r)->ecn_ok, cases[i].ok, "%zu", i);
		cr_expect(raw_fini(&r));
	}
}

/* Section 6.1.1.1: a SYN that was not answered asks no more, and then nothing was asked. */
Test(ecn, syn_sent_again_does_not_ask)
{
	struct raw r;

	raw_init(&r, (struct tcp_conf){.ecn = TCP_ECN_YES});
	vnet_connect(&r.app, RAW_PEER, RAW_PORT);
	raw_run(&r, 1500 * TCP_MS);
	cr_expect_eq(r.out_n, 2);
	cr_expect_eq(r.out[0].flags, SYN | ECE | CWR);
	cr_expect_eq(r.out[1].flags, SYN);
	raw_send(&r, SYN | ACK | ECE, 0);
	cr_expect_eq(raw_get_state(&r), TCP_ESTABLISHED);
	cr_expect_not(raw_conn(&r)->ecn_ok);
	cr_expect(raw_fini(&r));
}

/* Without state for the SYN, a cookie remembers (in the timestamp). */
Test(ecn, cookie_remembers_who_asked)
{
	for (int ask = 0; ask < 2; ask++) {
		struct raw r;

		raw_init(&r, (struct tcp_conf){0});
		app_listen(&r.app, 22, 0);
		r.ts = true;
		r.ts_val = 100;
		raw_send(&r, ask ? SYN | ECE | CWR : SYN, 0);
		cr_assert_eq(raw_count(&r, TCP_C_COOKIE_SENT), 1);
		cr_expect_eq(raw_last(&r).flags, ask ? SYN | ACK | ECE : SYN | ACK);
		r.ts_ecr = raw_last(&r).opts.ts_val;
		raw_send(&r, ACK, 0);
		cr_expect_eq(raw_get_state(&r), TCP_ESTABLISHED);
		cr_expect_eq(raw_conn(&r)->ecn_ok, ask);
		cr_expect(raw_fini(&r));
	}
}

/* --- the receiver (section 6.1.3) --------------------------------------------------------- */

static void accept_ecn(struct raw *r)
{
	raw_init(r, (struct tcp_conf){.no_pacing = true});
	app_listen(&r->app, 22, 4);
	raw_send(r, SYN | ECE | CWR, 0);
	raw_send(r, ACK, 0);
	raw_clear(r);
	cr_assert(raw_conn(r)->ecn_ok);
}

/* The class of a stream stands beside what is ECN's, which stays TCP's own. */
Test(ecn, a_class_of_service_stands_beside_it)
{
	struct raw r;

	accept_ecn(&r);
	tcp_stream_qos(r.app.s, 0xb8);
	raw_write(&r, 5000);
	cr_expect_gt(r.out_n, 0);
	for (unsigned int i = 0; i < r.out_n; i++) {
		cr_expect_eq(r.out[i].qos, 0xb8, "%u", i);
		cr_expect_eq(r.out[i].ecn, r.out[i].len > 0 ? VNET_ECT0 : VNET_NOT_ECT, "%u", i);
	}
	raw_clear(&r);
	tcp_stream_qos(r.app.s, 0);
	raw_send(&r, ACK, 100);
	raw_run(&r, 900 * TCP_MS);
	cr_expect_gt(r.out_n, 0);
	for (unsigned int i = 0; i < r.out_n; i++)
		cr_expect_eq(r.out[i].qos, 0, "%u", i);
	cr_expect(raw_fini(&r));
}

Test(ecn, mark_is_echoed_until_the_peer_slowed_down)
{
	struct raw r;

	accept_ecn(&r);
	r.ecn = VNET_CE;
	raw_send(&r, ACK, 100);
	cr_expect_eq(raw_last(&r).flags, ACK | ECE, "at once, not with the second segment");
	r.ecn = VNET_ECT0;
	for (int i = 0; i < 4; i++)
		raw_send(&r, ACK, 1400);
	for (unsigned int i = 0; i < r.out_n; i++)
		cr_expect_eq(r.out[i].flags, ACK | ECE, "%u: lost ones are no loss", i);
	raw_clear(&r);
	raw_send(&r, ACK | CWR, 1400);
	raw_send(&r, ACK, 1400);
	cr_expect_eq(raw_last(&r).flags, ACK);
	cr_expect_eq(raw_count(&r, TCP_C_ECN_MARKED), 1);
	cr_expect(raw_fini(&r));
}

Test(ecn, cwr_that_is_marked_begins_anew)
{
	struct raw r;

	accept_ecn(&r);
	r.ecn = VNET_CE;
	raw_send(&r, ACK, 1400);
	raw_send(&r, ACK | CWR, 1400);
	r.ecn = VNET_ECT0;
	raw_send(&r, ACK, 1400);
	raw_send(&r, ACK, 1400);
	cr_expect_eq(raw_last(&r).flags, ACK | ECE);
	cr_expect(raw_fini(&r));
}

Test(ecn, mark_of_a_bare_acknowledgement_is_none)
{
	struct raw r;

	accept_ecn(&r);
	r.ecn = VNET_CE;
	raw_send(&r, ACK, 0);
	r.ecn = VNET_ECT0;
	raw_send(&r, ACK, 1400);
	raw_send(&r, ACK, 1400);
	cr_expect_eq(raw_last(&r).flags, ACK);
	cr_expect_eq(raw_count(&r, TCP_C_ECN_MARKED), 0);
	cr_expect(raw_fini(&r));
}

/* Out of the window, of nobody's connection: a stranger makes nobody slow down. */
Test(ecn, mark_outside_the_window_is_none)
{
	struct raw r;

	accept_ecn(&r);
	r.ecn = VNET_CE;
	raw_send_at(&r, ACK, r.snd_nxt - 5000, r.rcv_nxt, 0, 100);
	raw_run(&r, 1000);
	cr_expect_eq(raw_count(&r, TCP_C_ECN_MARKED), 0);
	cr_expect(raw_fini(&r));
}

Test(ecn, marks_mean_nothing_where_nobody_asked)
{
	struct raw r;

	raw_accept(&r, (struct tcp_conf){0});
	r.ecn = VNET_CE;
	raw_send(&r, ACK, 1400);
	raw_send(&r, ACK, 1400);
	cr_expect_eq(raw_last(&r).flags, ACK);
	raw_write(&r, 30000);
	cr_expect_eq(r.out[r.out_n - 1].ecn, VNET_NOT_ECT);
	raw_send(&r, ACK | ECE, 0);
	cr_expect_eq(raw_count(&r, TCP_C_ECN_REDUCED), 0);
	cr_expect(raw_fini(&r));
}

/* --- the sender (sections 6.1.2, 6.1.4 to 6.1.6) ------------------------------------------- */

/* The peer acknowledges all it got, with such flags. */
static void ack_all(struct raw *r, uint8_t flags)
{
	raw_send(r, ACK | flags, 0);
}

Test(ecn, only_new_data_may_be_marked)
{
	struct raw r;
	unsigned int data = 0;

	accept_ecn(&r);
	raw_write(&r, 5000);
	for (unsigned int i = 0; i < r.out_n; i++) {
		cr_expect_eq(r.out[i].ecn, r.out[i].len > 0 ? VNET_ECT0 : VNET_NOT_ECT);
		data += r.out[i].len > 0;
	}
	cr_expect_gt(data, 0);
	raw_clear(&r);
	raw_run(&r, 900 * TCP_MS); /* nobody answers */
	cr_expect_gt(r.out_n, 0);
	for (unsigned int i = 0; i < r.out_n; i++)
		cr_expect_eq(r.out[i].ecn, VNET_NOT_ECT, "sent again: %u", i);
	raw_clear(&r);
	raw_send(&r, ACK, 3000);
	cr_expect_eq(raw_last(&r).len, 0);
	cr_expect_eq(raw_last(&r).ecn, VNET_NOT_ECT, "an acknowledgement");
	cr_expect(raw_fini(&r));
}

Test(ecn, probe_of_a_closed_window_may_not_be_marked)
{
	struct raw r;

	accept_ecn(&r);
	r.wnd = 0;
	raw_send(&r, ACK, 0);
	raw_write(&r, 5000);
	raw_run(&r, 2 * TCP_SEC);
	cr_expect_gt(raw_count(&r, TCP_C_PERSIST), 0);
	for (unsigned int i = 0; i < r.out_n; i++)
		cr_expect_eq(r.out[i].ecn, VNET_NOT_ECT);
	cr_expect(raw_fini(&r));
}

Test(ecn, echo_reduces_once_a_round_trip_and_is_answered)
{
	struct raw r;
	struct tcp_conn *c;
	uint32_t cwnd, first;

	accept_ecn(&r);
	c = raw_conn(&r);
	raw_write(&r, 200000);
	ack_all(&r, 0);
	cwnd = c->cwnd;
	first = r.rcv_nxt;
	raw_clear(&r);
	ack_all(&r, ECE);
	cr_expect_eq(raw_count(&r, TCP_C_ECN_REDUCED), 1);
	cr_expect_lt(c->cwnd, cwnd + cwnd / 4);
	cr_expect_eq(c->cwnd, c->ssthresh);
	cr_assert_gt(r.out_n, 1);
	cr_expect_eq(r.out[0].seq, first);
	cr_expect(r.out[0].flags & CWR, "the first new segment says so");
	cr_expect_eq(r.out[0].ecn, VNET_ECT0);
	for (unsigned int i = 1; i < r.out_n; i++)
		cr_expect_not(r.out[i].flags & CWR, "%u", i);
	cwnd = c->cwnd;
	/* The same echo again, of data that left before the reduction. */
	raw_send_at(&r, ACK | ECE, r.snd_nxt, first, 0, 0);
	raw_run(&r, 1000);
	cr_expect_eq(raw_count(&r, TCP_C_ECN_REDUCED), 1);
	cr_expect_eq(c->cwnd, cwnd);
	/* And one of data that left after it. */
	ack_all(&r, ECE);
	cr_expect_eq(raw_count(&r, TCP_C_ECN_REDUCED), 2);
	cr_expect_eq(raw_count(&r, TCP_C_RETRANS), 0);
	cr_expect(raw_fini(&r));
}

/* However often: two segments are left (and never none). */
/* What is two gigabytes ago seems to come: numbers compare modulo 2^32. */
Test(ecn, echo_counts_though_the_last_was_gigabytes_ago)
{
	struct raw r;

	accept_ecn(&r);
	raw_conn(&r)->busy->cwr_end = raw_conn(&r)->snd_una - (INT32_MAX - 5000);
	for (int i = 0; i < 4; i++) {
		raw_write(&r, 3000);
		ack_all(&r, 0);
	}
	cr_expect_eq(raw_count(&r, TCP_C_ECN_REDUCED), 0);
	raw_write(&r, 3000);
	ack_all(&r, ECE);
	cr_expect_eq(raw_count(&r, TCP_C_ECN_REDUCED), 1);
	cr_expect(raw_fini(&r));
}

Test(ecn, echo_for_ever_leaves_two_segments)
{
	struct raw r;

	accept_ecn(&r);
	raw_write(&r, 100000);
	for (int i = 0; i < 50; i++) {
		raw_clear(&r);
		ack_all(&r, ECE);
	}
	cr_expect_eq(raw_conn(&r)->cwnd, 2u * raw_conn(&r)->mss);
	cr_expect_gt(r.out_n, 0, "it still sends");
	cr_expect(raw_fini(&r));
}

/* --- two stacks and a queue that marks ------------------------------------------------------- */

static bool all_read(void *arg)
{
	struct app *server = arg;

	return server->rx_total == 4000000;
}

/* 10 Mbit/s, 20 ms, marks beyond 20 ms of queue: all goes through, and nothing twice. */
static void over_a_queue(enum tcp_ecn ecn, uint64_t *ret_us, uint64_t *ret_reduced,
			 uint64_t *ret_retrans)
{
	static struct vnet v;
	struct app client, server;
	struct apps cs = {.n = 0}, ss = {.n = 0};
	struct tcp_conf conf = {.ecn = ecn};
	uint64_t from;

	vnet_init(&v, 1, 2047, 4095);
	vnet_stack(&v, 0, conf);
	vnet_stack(&v, 1, conf);
	vnet_app(&v, 0, &cs, &client, 1, 2, 4000000);
	vnet_app(&v, 1, &ss, &server, 2, 1, 0);
	client.no_shutdown = server.no_shutdown = true;
	vnet_link_set(&v, 0, 1,
		      (struct vnet_link){.delay_us = 10000,
					 .bits_per_s = 10000000,
					 .queue_us = 100000,
					 .mark_us = 20000});
	cr_assert_eq(app_listen(&server, 22, 8), 0);
	cr_assert_eq(vnet_connect(&client, 1, 22), 0);
	from = v.now_us;
	cr_expect(vnet_run(&v, 100 * TCP_SEC, all_read, &server));
	*ret_us = v.now_us - from;
	*ret_reduced = tcp_counters(v.host[0].tcp)[TCP_C_ECN_REDUCED];
	*ret_retrans = tcp_counters(v.host[0].tcp)[TCP_C_RETRANS];
	cr_expect_not(server.wrong);
	cr_expect(vnet_fini(&v));
}

Test(ecn, queue_that_marks_needs_no_loss)
{
	uint64_t us, reduced, retrans;

	over_a_queue(TCP_ECN_YES, &us, &reduced, &retrans);
	cr_expect_eq(retrans, 0);
	cr_expect_gt(reduced, 0);
	cr_expect_lt(reduced, us / 20000, "not more than once a round trip");
	/* 4 MB at 10 Mbit/s with headers are 3.3 s. */
	cr_expect_lt(us, 3700 * TCP_MS, "%lu ms", us / 1000);
	over_a_queue(TCP_ECN_NO, &us, &reduced, &retrans);
	cr_expect_eq(reduced, 0);
	cr_expect_gt(retrans, 0, "the queue is one that is filled to its end");
}
