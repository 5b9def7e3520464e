/*
 * Faults by rule, and what a peer played by hand may do: loss of one segment, windows of every
 * size, probes, time-outs, keep-alive, full tables and empty pools.
 */
#include <criterion/criterion.h>

#include "tests/sim/raw.h"
#include "tests/util/eal.h"
#include "tests/util/rnd.h"
#include "tests/util/thief.h"

static void start(void)
{
	eal_start("64");
}

TestSuite(rules, .init = start);

/* --- two stacks, one rule ------------------------------------------------------------ */

struct pair {
	struct vnet v;
	struct app client, server;
	struct apps cs, ss;
	uint32_t lose[8]; /* which data segments of the client are lost, from 0 */
	unsigned int lose_n;
	uint32_t lose_from, lose_to; /* all packets of both, by time in ms */
};

static enum vnet_fate rule(void *arg, unsigned int from, const struct vseg *s)
{
	struct pair *p = arg;

	for (unsigned int i = 0; i < p->lose_n; i++)
		if (from == 0 && s->n_data == p->lose[i])
			return VNET_DROP;
	if (p->lose_to > 0 && p->v.now_us / 1000 >= p->lose_from && p->v.now_us / 1000 < p->lose_to)
		return VNET_DROP;
	return VNET_PASS;
}

static void pair_init(struct pair *p, uint64_t up, uint64_t down, struct tcp_conf conf)
{
	*p = (struct pair){0};
	vnet_init(&p->v, 1, 1023, 4095);
	vnet_stack(&p->v, 0, conf);
	vnet_stack(&p->v, 1, conf);
	p->v.filter = rule;
	p->v.filter_arg = p;
	vnet_app(&p->v, 0, &p->cs, &p->client, 1, 2, up);
	vnet_app(&p->v, 1, &p->ss, &p->server, 2, 1, down);
	cr_assert_eq(app_listen(&p->server, 22, 8), 0);
	cr_assert_eq(vnet_connect(&p->client, 1, 22), 0);
}

static bool pair_done(void *arg)
{
	struct pair *p = arg;

	return (p->client.closed || p->client.error) && (p->server.closed || p->server.error);
}

static void pair_end(struct pair *p)
{
	cr_expect(vnet_run(&p->v, 3000 * TCP_SEC, pair_done, p), "it does not end");
	cr_expect_eq(p->client.err, 0);
	cr_expect_eq(p->server.err, 0);
	cr_expect_not(p->client.wrong);
	cr_expect_not(p->server.wrong);
	cr_expect_eq(p->server.rx_total, p->client.tx_total);
	cr_expect_eq(p->client.rx_total, p->server.tx_total);
	vnet_run(&p->v, 400 * TCP_SEC, NULL, NULL);
	cr_expect(vnet_fini(&p->v));
}

static uint64_t count(struct pair *p, unsigned int host, enum tcp_counter c)
{
	return tcp_counters(p->v.host[host].tcp)[c];
}

Test(rules, the_third_data_segment_lost_is_a_fast_retransmit)
{
	struct pair p;

	pair_init(&p, 100000, 0, (struct tcp_conf){0});
	p.lose[0] = 2;
	p.lose_n = 1;
	cr_expect(vnet_run(&p.v, 100 * TCP_SEC, pair_done, &p));
	cr_expect_eq(count(&p, 0, TCP_C_FAST_RETRANS), 1);
	cr_expect_eq(count(&p, 0, TCP_C_RTO), 0);
	cr_expect_eq(count(&p, 0, TCP_C_RETRANS), 1, "only what was lost: %lu",
		     count(&p, 0, TCP_C_RETRANS));
	pair_end(&p);
}

Test(rules, three_lost_of_one_window_need_no_time_out)
{
	struct pair p;

	pair_init(&p, 200000, 0, (struct tcp_conf){0});
	p.lose[0] = 12;
	p.lose[1] = 14;
	p.lose[2] = 17;
	p.lose_n = 3;
	cr_expect(vnet_run(&p.v, 100 * TCP_SEC, pair_done, &p));
	cr_expect_eq(count(&p, 0, TCP_C_RTO), 0);
	cr_expect_eq(count(&p, 0, TCP_C_FAST_RETRANS), 1, "one recovery (RFC 6582)");
	cr_expect_eq(count(&p, 0, TCP_C_RETRANS), 3);
	pair_end(&p);
}

/* RACK, RFC 8985: what was sent again is timed like what was sent first. */
Test(rules, a_lost_retransmission_needs_no_time_out)
{
	struct pair p;

	pair_init(&p, 20000, 0, (struct tcp_conf){0});
	p.lose[0] = 2;
	p.lose[1] = 14; /* of 14 segments the first again */
	p.lose_n = 2;
	cr_expect(vnet_run(&p.v, 100 * TCP_SEC, pair_done, &p));
	cr_expect_eq(count(&p, 0, TCP_C_RTO), 0);
	pair_end(&p);
}

/* TLP, section 7 there: of one segment nothing tells but time. */
Test(rules, the_last_segment_lost_is_probed)
{
	struct pair p;

	pair_init(&p, 1000, 0, (struct tcp_conf){0});
	p.lose[0] = 0;
	p.lose_n = 1;
	cr_expect(vnet_run(&p.v, 100 * TCP_SEC, pair_done, &p));
	cr_expect_eq(count(&p, 0, TCP_C_RTO), 0);
	cr_expect_eq(count(&p, 0, TCP_C_TLP), 1);
	pair_end(&p);
}

Test(rules, a_black_hole_of_ten_seconds_is_survived)
{
	struct pair p;

	pair_init(&p, 3000000, 100000, (struct tcp_conf){0});
	p.lose_from = 1004;
	p.lose_to = 11004;
	pair_end(&p);
}

Test(rules, a_black_hole_for_ever_ends_in_a_time_out)
{
	struct pair p;

	pair_init(&p, 3000000, 100000, (struct tcp_conf){.user_timeout_us = 20 * TCP_SEC});
	p.lose_from = 1003;
	p.lose_to = UINT32_MAX;
	vnet_run(&p.v, 25 * TCP_SEC, NULL, NULL);
	cr_expect_eq(p.client.err, -ETIMEDOUT);
	cr_expect_eq(tcp_conns(p.v.host[0].tcp), 0);
	vnet_fini(&p.v);
}

Test(rules, nobody_answers_a_connect)
{
	struct pair p;

	pair_init(&p, 1, 1, (struct tcp_conf){.connect_timeout_us = 10 * TCP_SEC});
	p.lose_to = UINT32_MAX;
	vnet_run(&p.v, 11 * TCP_SEC, NULL, NULL);
	cr_expect_eq(p.client.err, -ETIMEDOUT);
	cr_expect_eq(count(&p, 0, TCP_C_OUT_SEGS), 4, "at 0, 1, 3 and 7 seconds");
	cr_expect(vnet_fini(&p.v));
}

/* --- sequence numbers that wrap (T-20) -------------------------------------------------- */

static uint32_t iss_fixed(void *arg)
{
	return *(uint32_t *)arg;
}

/* A wrap per round, at a place that moves on with the round; both directions wrap. */
Test(rules, sequence_numbers_wrap)
{
	static const uint32_t back[] = {0, 1, 1448, 1460, 65536, 2};
	unsigned int rounds = test_long() ? 1000 : 12;

	for (unsigned int i = 0; i < rounds; i++) {
		uint32_t iss = 0 - (back[i % RTE_DIM(back)] + i / RTE_DIM(back));
		struct pair p;

		pair_init(&p, 150000, 150000,
			  (struct tcp_conf){.iss_for_test = iss_fixed, .iss_arg = &iss});
		p.lose[0] = 1;
		p.lose[1] = 20;
		p.lose_n = 2;
		pair_end(&p);
	}
}

/* --- windows ------------------------------------------------------------------------------ */

Test(rules, a_reader_that_stops_closes_the_window_and_goes_on)
{
	struct pair p;

	pair_init(&p, 2000000, 0, (struct tcp_conf){0});
	p.server.paused = true;
	vnet_run(&p.v, 300 * TCP_SEC, NULL, NULL);
	cr_expect_not(p.client.error, "a peer that answers probes is not given up");
	cr_expect_gt(count(&p, 0, TCP_C_PERSIST), 5);
	cr_expect_lt(count(&p, 0, TCP_C_PERSIST), 20, "with back-off");
	cr_expect_leq(p.server.s->ops->rx_len(p.server.s), 256 * 1024);
	p.server.paused = false;
	pair_end(&p);
}

Test(rules, a_slow_reader_of_small_pieces)
{
	struct pair p;

	pair_init(&p, 100000, 0, (struct tcp_conf){.rx_budget = 8192});
	p.server.read_max = 100;
	pair_end(&p);
}

Test(rules, a_budget_of_sixteen_mebibytes)
{
	struct pair p;

	pair_init(&p, 8000000, 0, (struct tcp_conf){.rx_budget = 16 << 20, .tx_budget = 16 << 20});
	vnet_link_set(&p.v, 0, 1, (struct vnet_link){.delay_us = 1000});
	pair_end(&p);
}

Test(rules, many_small_writes_cost_few_buffers)
{
	struct pair p;

	pair_init(&p, 50000, 0, (struct tcp_conf){0});
	p.client.write_max = 1;
	p.server.paused = true;
	vnet_run(&p.v, 2 * TCP_SEC, NULL, NULL);
	cr_expect_lt(eal_out(p.v.host[1].pools.data), 200);
	p.server.paused = false;
	pair_end(&p);
}

Test(rules, a_window_of_a_few_bytes)
{
	for (uint16_t wnd = 1; wnd <= 10; wnd++) {
		struct raw r;
		uint32_t got = 0;

		raw_accept(&r, (struct tcp_conf){0});
		r.wnd = wnd;
		raw_send(&r, ACK, 0);
		raw_clear(&r);
		raw_write(&r, 50);
		for (int turn = 0; turn < 1000 && got < 50; turn++) {
			for (uint32_t i = 0; i < r.out_n; i++)
				cr_expect_leq(r.out[i].seq + r.out[i].len - (r.iss + 1), got + wnd,
					      "beyond the window");
			cr_expect_leq(r.out_n, 2, "no storm of tiny segments");
			got = r.rcv_nxt - (r.iss + 1);
			if (r.out_n > 0)
				raw_send(&r, ACK, 0);
			raw_clear(&r);
			raw_run(&r, 100 * TCP_MS); /* the persist timer overrides */
		}
		cr_expect_eq(r.rcv_nxt - (r.iss + 1), 50, "window %u: %u", wnd,
			     r.rcv_nxt - (r.iss + 1));
		cr_expect(raw_fini(&r));
	}
}

Test(rules, a_window_of_zero_is_probed_with_one_byte)
{
	struct raw r;

	raw_accept(&r, (struct tcp_conf){0});
	r.wnd = 0;
	raw_send(&r, ACK, 0);
	raw_write(&r, 1000);
	cr_expect_eq(r.out_n, 0, "nothing goes at once");
	raw_run(&r, 2 * TCP_SEC);
	cr_assert_geq(r.out_n, 1);
	cr_expect_eq(r.out[0].len, 1);
	cr_expect_eq(r.out[0].seq, r.iss + 1);
	r.wnd = 5000;
	raw_clear(&r);
	raw_send_at(&r, ACK, r.snd_nxt, r.iss + 1, 0, 0); /* the probe's byte was not taken */
	raw_run(&r, 1000);
	cr_expect_eq(r.out[0].seq, r.iss + 1);
	cr_expect_eq(r.rcv_nxt, r.iss + 1001);
	cr_expect(raw_fini(&r));
}

Test(rules, a_taken_probe_is_not_sent_again)
{
	struct raw r;

	raw_accept(&r, (struct tcp_conf){0});
	r.wnd = 0;
	raw_send(&r, ACK, 0);
	raw_write(&r, 1000);
	raw_run(&r, 2 * TCP_SEC);
	r.wnd = 5000;
	raw_clear(&r);
	raw_send_at(&r, ACK, r.snd_nxt, r.iss + 2, 0, 0);
	raw_run(&r, 1000);
	cr_expect_eq(r.out[0].seq, r.iss + 2);
	cr_expect_eq(r.rcv_nxt, r.iss + 1001);
	cr_expect(raw_fini(&r));
}

/* RFC 9293 section 3.8.6.1: an end that does not fit any more is a probe, too. */
Test(rules, a_fin_into_our_window_of_zero_is_answered)
{
	struct raw r;
	uint32_t edge;

	raw_accept(&r, (struct tcp_conf){.rx_budget = 8 * 1460});
	r.app.paused = true;
	for (int i = 0; i < 40 && raw_conn(&r)->rcv_adv != raw_conn(&r)->rcv_nxt; i++)
		raw_send(&r, ACK, RTE_MIN(1460u, raw_conn(&r)->rcv_adv - raw_conn(&r)->rcv_nxt));
	edge = raw_conn(&r)->rcv_nxt;
	cr_assert_eq(raw_conn(&r)->rcv_adv, edge);
	raw_run(&r, TCP_SEC);
	raw_clear(&r);
	raw_send_at(&r, FIN | ACK, edge, r.rcv_nxt, 0, 0);
	raw_run(&r, 1000);
	cr_assert_eq(r.out_n, 1);
	cr_expect_eq(raw_last(&r).ack, edge, "not taken");
	cr_expect_eq(raw_last(&r).wnd, 0);
	r.app.paused = false;
	r.app.news = true;
	raw_run(&r, 1000);
	raw_send_at(&r, FIN | ACK, edge, r.rcv_nxt, 0, 0);
	raw_run(&r, 1000);
	cr_expect(r.app.eof);
	cr_expect_eq(raw_last(&r).ack, edge + 1);
	cr_expect(raw_fini(&r));
}

Test(rules, probes_nobody_answers_end_in_a_time_out)
{
	struct raw r;

	raw_accept(&r, (struct tcp_conf){.user_timeout_us = 30 * TCP_SEC});
	r.wnd = 0;
	raw_send(&r, ACK, 0);
	raw_write(&r, 1000);
	raw_run(&r, 31 * TCP_SEC);
	cr_expect_eq(r.app.err, -ETIMEDOUT);
	cr_expect(raw_fini(&r));
}

Test(rules, a_window_that_shrinks_loses_nothing)
{
	struct raw r;

	raw_accept(&r, (struct tcp_conf){0});
	raw_write(&r, 5000);
	cr_expect_eq(r.rcv_nxt, r.iss + 1 + 5000);
	r.wnd = 100; /* 1000 bytes came, the rest is refused */
	raw_send_at(&r, ACK, r.snd_nxt, r.iss + 1001, 0, 0);
	raw_run(&r, 5 * TCP_SEC);
	r.wnd = 60000;
	raw_clear(&r);
	raw_send_at(&r, ACK, r.snd_nxt, r.iss + 1001, 0, 0);
	raw_run(&r, 5 * TCP_SEC);
	cr_expect_eq(r.out[0].seq, r.iss + 1001);
	cr_expect_eq(r.rcv_nxt, r.iss + 1 + 5000);
	cr_expect(raw_fini(&r));
}

Test(rules, our_window_never_shrinks)
{
	struct raw r;
	uint32_t edge = 0;

	raw_accept(&r, (struct tcp_conf){.rx_budget = 32768});
	r.app.paused = true;
	for (int i = 0; i < 100; i++) {
		raw_send(&r, ACK, 300);
		for (uint32_t k = 0; k < r.out_n; k++) {
			uint32_t e = r.out[k].ack + r.out[k].wnd;

			cr_expect(edge == 0 || seq_ge(e, edge), "%u then %u", edge, e);
			edge = e;
		}
		raw_clear(&r);
	}
	r.app.paused = false;
	raw_run(&r, TCP_SEC);
	cr_expect_eq(r.app.rx_total, 30000);
	cr_expect(raw_fini(&r));
}

Test(rules, bytes_beyond_the_window_are_cut)
{
	struct raw r;

	raw_accept(&r, (struct tcp_conf){.rx_budget = 1000});
	r.app.paused = true;
	raw_send(&r, ACK, 1400);
	cr_expect_eq(r.app.s->ops->rx_len(r.app.s), 1000);
	raw_run(&r, 100 * TCP_MS);
	cr_expect_eq(raw_last(&r).wnd, 0);
	cr_expect_eq(raw_last(&r).ack, 1001 + 1000);
	cr_expect(raw_fini(&r));
}

/* --- out of order (T-28, T-29) ------------------------------------------------------------- */

Test(rules, holes_are_filled_in_any_order)
{
	/* Offsets of hundred-byte pieces; overlaps and repeats among them. */
	static const struct {
		uint32_t off, len;
	} piece[] = {{900, 100}, {300, 100}, {350, 200}, {100, 100}, {0, 50},   {700, 300},
		     {50, 50},   {200, 100}, {0, 1000},  {550, 100}, {640, 70}, {0, 1}};
	struct raw r;

	raw_accept(&r, (struct tcp_conf){0});
	for (size_t i = 0; i < RTE_DIM(piece); i++) {
		raw_send_at(&r, ACK, r.snd_nxt + piece[i].off, r.rcv_nxt, piece[i].off,
			    piece[i].len);
		raw_run(&r, 1000);
	}
	cr_expect_eq(r.app.rx_total, 1000);
	cr_expect_not(r.app.wrong);
	cr_expect(raw_fini(&r));
}

Test(rules, each_segment_behind_a_hole_is_answered)
{
	struct raw r;

	raw_accept(&r, (struct tcp_conf){0});
	for (uint32_t i = 1; i <= 3; i++)
		raw_send_at(&r, ACK, r.snd_nxt + 100 * i, r.rcv_nxt, 100 * i, 100);
	raw_run(&r, 1000);
	cr_expect_eq(r.out_n, 3);
	for (uint32_t i = 0; i < 3; i++)
		cr_expect_eq(r.out[i].ack, r.snd_nxt);
	cr_expect(raw_fini(&r));
}

/* T-28: by the memory they hold, which is some times the window. */
Test(rules, tiny_pieces_with_gaps_are_bounded)
{
	enum { WINDOW = 1 << 18, PIECES = 2000, LIMIT = 5 * WINDOW };
	struct tcp_busy *b;
	struct raw r;

	raw_accept(&r, (struct tcp_conf){.rx_budget = WINDOW, .rx_initial = WINDOW});
	b = raw_conn(&r)->busy;
	for (uint32_t i = 1; i <= PIECES; i++) {
		raw_send_at(&r, ACK, r.snd_nxt + 2 * i, r.rcv_nxt, 2 * i, 1);
		if (i % 32 == 0)
			raw_run(&r, 100);
	}
	raw_run(&r, 1000);
	cr_expect_leq(b->runs_cost, LIMIT);
	cr_expect_gt(b->runs_cost, LIMIT - b->runs_cost / b->runs_n, "and no less");
	cr_expect_leq(eal_out(r.v.host[0].pools.data), b->runs_n + 1);
	cr_expect_eq(raw_count(&r, TCP_C_DROP_OOO), PIECES - b->runs_n);
	raw_send(&r, ACK, 1400); /* in order it is taken all the same */
	cr_expect_geq(r.app.rx_total, 1400);
	cr_expect_not(r.app.wrong);
	cr_expect(raw_fini(&r));
}

Test(rules, a_fin_before_its_bytes_waits)
{
	struct raw r;

	raw_accept(&r, (struct tcp_conf){0});
	raw_send_at(&r, FIN | ACK, r.snd_nxt + 100, r.rcv_nxt, 100, 100);
	raw_run(&r, 1000);
	cr_expect_not(r.app.eof);
	raw_send(&r, ACK, 100);
	cr_expect(r.app.eof);
	cr_expect_eq(r.app.rx_total, 200);
	cr_expect_eq(raw_last(&r).ack, r.snd_nxt + 100 + 1);
	cr_expect(raw_fini(&r));
}

/* --- acknowledging --------------------------------------------------------------------------- */

Test(rules, one_small_segment_is_acknowledged_late_two_full_ones_at_once)
{
	struct raw r;

	raw_accept(&r, (struct tcp_conf){0});
	raw_send(&r, ACK, 1400); /* the largest seen tells what full is */
	raw_run(&r, TCP_SEC);
	raw_clear(&r);
	raw_send(&r, ACK, 100);
	cr_expect_eq(r.out_n, 0);
	raw_run(&r, TCP_DELACK_US);
	cr_expect_eq(r.out_n, 1);
	raw_clear(&r);
	raw_send(&r, ACK, 1400);
	raw_send(&r, ACK, 1400);
	cr_expect_eq(r.out_n, 1);
	cr_expect(raw_fini(&r));
}

/* --- MSS (T-03) --------------------------------------------------------------------------------
 */

static uint32_t largest(struct raw *r)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->out_n; i++)
		n = r->out[i].len > n ? r->out[i].len : n;
	return n;
}

Test(rules, mss_default_and_limits)
{
	static const struct {
		uint16_t mss; /* 0: no option */
		uint16_t mtu;
		uint32_t want;
	} cases[] = {{0, 1500, 536},     {536, 1500, 536}, {1460, 1500, 1460}, {9000, 1500, 1460},
		     {1460, 1400, 1360}, {535, 1500, 536}, {1, 1500, 536}};

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct raw r;

		raw_init(&r, (struct tcp_conf){0});
		r.v.host[0].net.mtu = cases[i].mtu;
		app_listen(&r.app, 22, 4);
		if (cases[i].mss != 0)
			r.opt_len = (uint32_t)tcp_opts_build(
				&(struct tcp_opts){.has_mss = true, .mss = cases[i].mss}, r.opt);
		raw_send(&r, SYN, 0);
		r.opt_len = 0;
		raw_send(&r, ACK, 0);
		raw_clear(&r);
		raw_write(&r, 10000);
		cr_expect_eq(largest(&r), cases[i].want, "mss %u mtu %u: %u", cases[i].mss,
			     cases[i].mtu, largest(&r));
		cr_expect(raw_fini(&r));
	}
}

Test(rules, mss_leaves_room_for_timestamps)
{
	struct raw r;

	raw_init(&r, (struct tcp_conf){0});
	app_listen(&r.app, 22, 4);
	r.opt_len = (uint32_t)tcp_opts_build(
		&(struct tcp_opts){.has_mss = true, .mss = 1460, .has_ts = true, .ts_val = 7},
		r.opt);
	raw_send(&r, SYN, 0);
	r.opt_len = 0;
	r.ts = true;
	r.ts_val = 8;
	raw_send(&r, ACK, 0);
	raw_clear(&r);
	raw_write(&r, 10000);
	cr_expect_eq(largest(&r), 1448);
	cr_expect(raw_fini(&r));
}

/* --- timestamps (T-18) ----------------------------------------------------------------------- */

static void accept_ts(struct raw *r)
{
	raw_init(r, (struct tcp_conf){0});
	app_listen(&r->app, 22, 4);
	r->ts = true;
	r->ts_val = 1000;
	raw_send(r, SYN, 0);
	raw_send(r, ACK, 0);
	raw_clear(r);
}

Test(rules, an_old_timestamp_is_dropped_and_answered)
{
	struct raw r;

	accept_ts(&r);
	r.ts_val = 999;
	raw_send(&r, ACK, 100);
	cr_expect_eq(r.app.rx_total, 0);
	cr_expect_eq(raw_last(&r).flags, ACK);
	cr_expect_eq(raw_count(&r, TCP_C_DROP_PAWS), 1);
	cr_expect(raw_fini(&r));
}

Test(rules, an_old_timestamp_after_24_days_is_taken)
{
	struct raw r;

	accept_ts(&r);
	raw_run(&r, TCP_PAWS_IDLE_US + TCP_SEC);
	r.ts_val = 999;
	raw_send(&r, ACK, 100);
	cr_expect_eq(r.app.rx_total, 100);
	cr_expect_eq(raw_conn(&r)->ts_recent, 999, "it is echoed from now on");
	r.ts_val = 998;
	raw_send(&r, ACK, 100);
	cr_expect_eq(r.app.rx_total, 100, "and what is older than that is old");
	cr_expect(raw_fini(&r));
}

/* RFC 5961 section 5: what acknowledges nothing of ours came from nobody we know. */
Test(rules, the_timestamp_of_a_wrong_acknowledgement_is_not_kept)
{
	struct raw r;

	accept_ts(&r);
	r.ts_val = 1000 + (1u << 30);
	raw_send_at(&r, ACK, r.snd_nxt, r.rcv_nxt + 5000, 0, 10);
	raw_send_at(&r, ACK, r.snd_nxt, r.rcv_nxt - 100000, 0, 10);
	raw_send_at(&r, SYN, r.snd_nxt, 0, 0, 0);
	raw_send_at(&r, 0, r.snd_nxt, 0, 0, 10);
	raw_run(&r, 1000);
	cr_expect_eq(raw_conn(&r)->ts_recent, 1000);
	r.ts_val = 1001;
	raw_send(&r, ACK, 100);
	cr_expect_eq(r.app.rx_total, 100);
	cr_expect_eq(raw_count(&r, TCP_C_DROP_PAWS), 0);
	cr_expect_eq(raw_conn(&r)->ts_recent, 1001);
	cr_expect(raw_fini(&r));
}

Test(rules, a_missing_timestamp_is_taken)
{
	struct raw r;

	accept_ts(&r);
	r.ts = false;
	raw_send(&r, ACK, 100);
	cr_expect_eq(r.app.rx_total, 100);
	cr_expect(raw_fini(&r));
}

/* --- keep-alive --------------------------------------------------------------------------------
 */

Test(rules, keep_alive_finds_a_dead_peer)
{
	struct raw r;

	raw_accept(&r, (struct tcp_conf){.keepalive_idle_us = 60 * TCP_SEC,
					 .keepalive_interval_us = 10 * TCP_SEC,
					 .keepalive_count = 3});
	tcp_stream_keepalive(r.app.s, true);
	raw_run(&r, 59 * TCP_SEC);
	cr_expect_eq(r.out_n, 0);
	raw_run(&r, 2 * TCP_SEC);
	cr_expect_eq(r.out_n, 1);
	cr_expect_eq(raw_last(&r).seq, r.rcv_nxt - 1);
	cr_expect_eq(raw_last(&r).len, 0);
	raw_run(&r, 30 * TCP_SEC);
	cr_expect_eq(r.out_n, 3);
	cr_expect_eq(r.app.err, -ETIMEDOUT);
	cr_expect(raw_fini(&r));
}

Test(rules, what_anybody_could_send_keeps_no_connection_alive)
{
	struct raw r;

	raw_accept(&r, (struct tcp_conf){.keepalive_idle_us = 60 * TCP_SEC,
					 .keepalive_interval_us = 10 * TCP_SEC,
					 .keepalive_count = 3});
	tcp_stream_keepalive(r.app.s, true);
	for (int i = 0; i < 50; i++) {
		raw_send_at(&r, ACK, r.snd_nxt + (1u << 30), r.rcv_nxt, 0, 0);
		raw_run(&r, 2 * TCP_SEC);
	}
	cr_expect_eq(r.app.err, -ETIMEDOUT);
	cr_expect(raw_fini(&r));
}

Test(rules, keep_alive_leaves_a_living_peer)
{
	struct raw r;

	raw_accept(&r, (struct tcp_conf){.keepalive_idle_us = 60 * TCP_SEC,
					 .keepalive_interval_us = 10 * TCP_SEC,
					 .keepalive_count = 3});
	tcp_stream_keepalive(r.app.s, true);
	for (int i = 0; i < 10; i++) {
		raw_run(&r, 65 * TCP_SEC);
		raw_send(&r, ACK, 0);
	}
	cr_expect_not(r.app.error);
	cr_expect(raw_fini(&r));
}

Test(rules, a_keep_alive_of_the_peer_is_answered)
{
	struct raw r;

	raw_accept(&r, (struct tcp_conf){0});
	raw_send_at(&r, ACK, r.snd_nxt - 1, r.rcv_nxt, 0, 0);
	raw_run(&r, 1000);
	cr_expect_eq(raw_last(&r).flags, ACK);
	cr_expect_eq(raw_last(&r).ack, r.snd_nxt);
	cr_expect(raw_fini(&r));
}

/* --- tables and pools that are full (F-07, F-08) -----------------------------------------------
 */

Test(rules, a_full_table_refuses_the_new_and_keeps_the_old)
{
	struct stream_provider p;
	struct net_addr to = vnet_addr(RAW_PEER);
	struct stream *s;
	struct raw r;

	raw_accept(&r, (struct tcp_conf){.conns_max = 1});
	tcp_provider(r.v.host[0].tcp, &p);
	cr_expect_eq(p.connect(p.arg, &to, 80, NULL, NULL, &s), -ENOBUFS);
	r.peer_port++;
	raw_send_at(&r, SYN, 1000, 0, 0, 0);
	raw_run(&r, 1000);
	r.peer_port--;
	cr_expect_eq(r.out_n, 0);
	cr_expect_eq(raw_count(&r, TCP_C_DROP_TABLE), 2);
	raw_send(&r, ACK, 100);
	cr_expect_eq(r.app.rx_total, 100);
	cr_expect(raw_fini(&r));
}

Test(rules, no_route_is_said_at_once)
{
	struct stream_provider p;
	struct net_addr to = vnet_addr(RAW_PEER);
	struct stream *s;
	struct raw r;

	raw_init(&r, (struct tcp_conf){0});
	r.v.host[0].net.unreachable = true;
	tcp_provider(r.v.host[0].tcp, &p);
	cr_expect_eq(p.connect(p.arg, &to, 80, NULL, NULL, &s), -ENETUNREACH);
	cr_expect(raw_fini(&r));
}

/* What the port of the new way does (checksums, say) is not what that of the old one did. */
Test(rules, a_request_sent_again_takes_the_way_of_now)
{
	static const enum tcp_state state[] = {TCP_SYN_SENT, TCP_SYN_RCVD};

	for (size_t i = 0; i < RTE_DIM(state); i++) {
		struct raw r;

		raw_state(&r, state[i]);
		r.v.host[RAW_STACK].net.version++;
		raw_run(&r, 1500 * TCP_MS);
		cr_assert_geq(r.out_n, 1);
		cr_expect_eq(raw_conn(&r)->path.version, r.v.host[RAW_STACK].net.version);
		cr_expect(raw_fini(&r));
	}
}

Test(rules, listeners_are_one_to_an_address)
{
	struct net_addr any = {0}, mine = vnet_addr(0), other = vnet_addr(1);
	struct raw r;
	struct tcp *t;

	raw_init(&r, (struct tcp_conf){0});
	t = r.v.host[0].tcp;
	cr_expect_eq(tcp_listen(t, &any, 22, 1, 4, NULL, NULL), 0);
	cr_expect_eq(tcp_listen(t, &any, 22, 2, 4, NULL, NULL), -EADDRINUSE);
	cr_expect_eq(tcp_listen(t, &any, 23, 1, 4, NULL, NULL), -EADDRINUSE, "the same id");
	cr_expect_eq(tcp_listen(t, &mine, 22, 3, 4, NULL, NULL), 0, "the very address goes before");
	cr_expect_eq(tcp_listen(t, &other, 22, 4, 4, NULL, NULL), -EADDRNOTAVAIL);
	cr_expect_eq(tcp_listen_close(t, 1), 0);
	cr_expect_eq(tcp_listen_close(t, 1), -ENOENT);
	cr_expect(raw_fini(&r));
}

Test(rules, a_refused_accept_is_reset)
{
	struct raw r;

	raw_init(&r, (struct tcp_conf){0});
	r.app.refuse = true;
	app_listen(&r.app, 22, 4);
	raw_send(&r, SYN, 0);
	raw_send(&r, ACK, 0);
	cr_expect_eq(raw_last(&r).flags, RST | ACK);
	cr_expect_eq(tcp_conns(r.v.host[0].tcp), 0);
	cr_expect(raw_fini(&r));
}

Test(rules, closing_a_listener_resets_the_half_open_and_keeps_the_accepted)
{
	struct raw r;

	raw_accept(&r, (struct tcp_conf){0});
	r.peer_port++;
	raw_send_at(&r, SYN, 1000, 0, 0, 0);
	raw_run(&r, 1000);
	cr_expect_eq(tcp_listen_close(r.v.host[0].tcp, 22), 0);
	raw_run(&r, 1000);
	cr_expect(raw_last(&r).flags & RST);
	cr_expect_eq(tcp_conns(r.v.host[0].tcp), 1);
	cr_expect(raw_fini(&r));
}

/* Thousands of listeners end with one look at all connections in a tenth of a second. */
Test(rules, half_open_ones_of_listeners_that_end_together_are_reset_soon)
{
	struct net_addr any = {0};
	struct raw r;
	struct tcp *t;

	raw_accept(&r, (struct tcp_conf){0});
	t = r.v.host[0].tcp;
	cr_assert_eq(tcp_listen(t, &any, 23, 5, 4, NULL, NULL), 0);
	raw_run(&r, 1000);
	r.peer_port++;
	raw_send_at(&r, SYN, 1000, 0, 0, 0);
	r.stack_port = 23;
	raw_send_at(&r, SYN, 2000, 0, 0, 0);
	raw_run(&r, 1000);
	cr_assert_eq(tcp_conns(t), 3);
	cr_expect_eq(tcp_listen_close(t, 22), 0);
	cr_expect_eq(t->listeners_over, 0);
	cr_expect_eq(tcp_listen_close(t, 5), 0);
	cr_expect_eq(t->listeners_over, 1, "the second waits for its turn");
	cr_expect(tcp_port_is_free(t, &any, 23), "but its port is free");
	cr_expect_eq(tcp_listen(t, &any, 23, 5, 4, NULL, NULL), 0);
	raw_run(&r, 200000);
	cr_expect(raw_last(&r).flags & RST);
	cr_expect_eq(tcp_conns(t), 1);
	cr_expect_eq(t->listeners_over, 0);
	cr_expect_eq(tcp_listen_close(t, 5), 0);
	cr_expect(raw_fini(&r));
}

/* Takes every mbuf of a pool for a while. */
static void starve(bool head, unsigned int leave)
{
	static struct thief thief;
	struct pair p;

	pair_init(&p, 2000000, 500000, (struct tcp_conf){0});
	vnet_run(&p.v, 5000, NULL, NULL);
	for (int round = 0; round < 3; round++) {
		thief_take(&thief, head ? p.v.host[0].pools.head : p.v.host[0].pools.data, leave);
		vnet_run(&p.v, 2 * TCP_SEC, NULL, NULL);
		thief_give_back(&thief);
		vnet_run(&p.v, 1000, NULL, NULL);
	}
	pair_end(&p);
}

Test(rules, an_empty_header_pool_is_survived)
{
	starve(true, 0);
	starve(true, 1);
	starve(true, 3);
}

Test(rules, an_empty_data_pool_is_survived)
{
	starve(false, 0);
	starve(false, 1);
	starve(false, 64);
}

/* --- half-close, lingering, abort --------------------------------------------------------------
 */

Test(rules, half_close_leaves_the_other_way_open)
{
	struct raw r;

	raw_accept(&r, (struct tcp_conf){0});
	r.app.no_shutdown = false;
	r.app.close_at_eof = false;
	raw_run(&r, 1000);
	cr_expect_eq(raw_last(&r).flags, FIN | ACK);
	raw_send(&r, ACK, 0);
	cr_expect_eq(raw_get_state(&r), TCP_FIN_WAIT_2);
	raw_send(&r, ACK, 1000);
	raw_run(&r, 1000 * TCP_SEC); /* as long as somebody holds it */
	raw_send(&r, ACK, 1000);
	cr_expect_eq(r.app.rx_total, 2000);
	raw_send(&r, FIN | ACK, 0);
	cr_expect(r.app.eof);
	cr_expect_eq(raw_get_state(&r), TCP_TIME_WAIT);
	cr_expect(raw_fini(&r));
}

Test(rules, half_close_of_the_peer_leaves_ours_open)
{
	struct raw r;

	raw_accept(&r, (struct tcp_conf){0});
	raw_send(&r, FIN | ACK, 100);
	cr_expect(r.app.eof);
	cr_expect_eq(r.app.rx_total, 100);
	raw_run(&r, 1000 * TCP_SEC);
	raw_clear(&r);
	raw_write(&r, 500);
	cr_expect_eq(raw_last(&r).len, 500);
	cr_expect_eq(raw_get_state(&r), TCP_CLOSE_WAIT);
	cr_expect(raw_fini(&r));
}

Test(rules, close_sends_what_is_queued_though_unread_bytes_wait)
{
	struct raw r;

	raw_accept(&r, (struct tcp_conf){0});
	r.app.paused = true;
	raw_send(&r, ACK, 100);
	raw_write(&r, 500);
	app_close(&r.app);
	raw_run(&r, 1000);
	cr_expect_eq(raw_last(&r).flags & (FIN | RST), FIN);
	cr_expect_eq(r.rcv_nxt, r.iss + 1 + 500 + 1);
	raw_clear(&r);
	raw_send_at(&r, ACK, r.snd_nxt, r.iss + 1, 0, 100); /* crosses our FIN: no reset */
	raw_run(&r, 100 * TCP_MS);
	cr_expect_eq(raw_last(&r).flags, ACK);
	cr_expect(raw_fini(&r));
}

Test(rules, data_for_nobody_is_reset_once_all_of_ours_arrived)
{
	struct raw r;

	raw_accept(&r, (struct tcp_conf){0});
	app_close(&r.app);
	raw_run(&r, 1000);
	raw_send(&r, ACK, 0);
	raw_send(&r, ACK, 100);
	cr_expect(raw_last(&r).flags & RST);
	cr_expect_eq(tcp_conns(r.v.host[0].tcp), 0);
	cr_expect(raw_fini(&r));
}

Test(rules, fin_wait_2_that_nobody_holds_ends)
{
	struct raw r;

	raw_accept(&r, (struct tcp_conf){0});
	app_close(&r.app);
	raw_run(&r, 1000);
	raw_send(&r, ACK, 0);
	cr_expect_eq(tcp_conns(r.v.host[0].tcp), 1);
	raw_run(&r, TCP_FIN_WAIT_2_US + TCP_SEC);
	cr_expect_eq(tcp_conns(r.v.host[0].tcp), 0);
	cr_expect(raw_fini(&r));
}

Test(rules, a_closed_stream_that_probes_for_ever_is_given_up)
{
	struct raw r;

	raw_accept(&r, (struct tcp_conf){.user_timeout_us = 60 * TCP_SEC});
	r.wnd = 0;
	raw_send(&r, ACK, 0);
	raw_write(&r, 500);
	app_close(&r.app);
	for (int i = 0; i < 130; i++) { /* sockstress: every probe is answered (T-22) */
		raw_run(&r, TCP_SEC);
		raw_send_at(&r, ACK, r.snd_nxt, r.iss + 1, 0, 0);
	}
	raw_run(&r, TCP_SEC);
	cr_expect_eq(tcp_conns(r.v.host[0].tcp), 0);
	cr_expect(raw_fini(&r));
}

/* Unread bytes wait for their reader as long as that takes; nothing else does. */
Test(rules, a_reset_with_unread_bytes_gives_the_scoreboard_back)
{
	struct raw r;
	struct tcp *t;
	uint32_t nodes;

	raw_accept(&r, (struct tcp_conf){0});
	t = r.v.host[RAW_STACK].tcp;
	nodes = t->sent_free;
	r.app.paused = true;
	raw_send(&r, ACK, 100);
	raw_write(&r, 5000);
	cr_assert_lt(t->sent_free, nodes);
	r.v.host[RAW_STACK].app = NULL; /* who knows nothing of it yet */
	raw_send(&r, RST, 0);
	cr_assert_eq(r.app.s->ops->rx_len(r.app.s), 100);
	cr_expect_eq(t->sent_free, nodes);
	cr_expect(raw_fini(&r));
}

Test(rules, abort_resets)
{
	struct raw r;

	raw_accept(&r, (struct tcp_conf){0});
	app_abort(&r.app);
	raw_run(&r, 1000);
	cr_expect_eq(r.out_n, 1);
	cr_expect_eq(raw_last(&r).flags, RST | ACK);
	cr_expect_eq(raw_last(&r).seq, r.rcv_nxt);
	cr_expect_eq(tcp_conns(r.v.host[0].tcp), 0);
	cr_expect(raw_fini(&r));
}

Test(rules, writing_after_the_end_is_refused)
{
	struct pkt_chain c;
	struct raw r;

	raw_state(&r, TCP_FIN_WAIT_1);
	cr_assert_eq(pkt_chain_from("x", 1, r.v.host[0].pools.data, &c), 0);
	cr_expect_eq(r.app.s->ops->tx(r.app.s, &c), -EPIPE);
	cr_expect_eq(r.app.s->ops->tx_space(r.app.s), 0);
	cr_expect(raw_fini(&r));
}

/* A repeat that comes when nothing moves any more (its first answer was lost). */
Test(rules, a_repeat_to_a_connection_at_rest_is_answered)
{
	struct raw r;

	raw_accept(&r, (struct tcp_conf){0});
	raw_send(&r, ACK, 500);
	raw_run(&r, 10 * TCP_SEC);
	cr_assert_not(tcp_is_busy(raw_conn(&r)));
	raw_clear(&r);
	raw_send_at(&r, ACK, r.snd_nxt - 500, r.rcv_nxt, 0, 500);
	raw_run(&r, 1000);
	cr_expect_eq(raw_last(&r).flags, ACK);
	cr_expect_eq(raw_last(&r).ack, r.snd_nxt);
	raw_run(&r, 10 * TCP_SEC);
	cr_expect_not(tcp_is_busy(raw_conn(&r)), "and it rests again");
	cr_expect(raw_fini(&r));
}

/* --- an end in front of bytes that came ------------------------------------------------------ */

/* Beyond a gap: it cannot be the end, those that came first stay. */
Test(rules, fin_in_front_of_held_bytes_is_not_believed)
{
	struct raw r;

	raw_connect(&r, (struct tcp_conf){0});
	raw_send_at(&r, ACK, r.snd_nxt + 200, r.rcv_nxt, 200, 100);
	raw_send_at(&r, FIN | ACK, r.snd_nxt + 100, r.rcv_nxt, 0, 0);
	raw_run(&r, 1000);
	cr_expect(!raw_conn(&r)->rcv_fin);
	raw_send(&r, ACK, 200);
	cr_expect_eq(r.app.rx_total, 300);
	cr_expect(!r.app.eof);
	r.snd_nxt += 100;
	raw_send(&r, FIN | ACK, 0);
	cr_expect(r.app.eof && !r.app.wrong);
	cr_expect(raw_fini(&r));
}

/* Next in order it ends the stream, and nothing of what lies behind it is kept. */
Test(rules, fin_in_order_drops_what_lies_behind_it)
{
	struct raw r;

	raw_connect(&r, (struct tcp_conf){0});
	raw_send_at(&r, ACK, r.snd_nxt, r.rcv_nxt, 0, 100);
	raw_send_at(&r, ACK, r.snd_nxt + 200, r.rcv_nxt, 200, 100);
	raw_send_at(&r, FIN | ACK, r.snd_nxt + 100, r.rcv_nxt, 0, 0);
	raw_run(&r, 1000);
	cr_expect(r.app.eof);
	cr_expect_eq(r.app.rx_total, 100);
	cr_expect_eq(raw_get_state(&r), TCP_CLOSE_WAIT);
	cr_expect_eq(raw_conn(&r)->busy->runs_n, 0);
	cr_expect(raw_fini(&r));
}

/* The way to a half-open peer changes: what it is sent once it stands fits the new one. */
Test(rules, link_becomes_smaller_while_half_open)
{
	struct raw r;

	raw_init(&r, (struct tcp_conf){0});
	app_listen(&r.app, 22, 4);
	memcpy(r.opt, (uint8_t[]){2, 4, 0x05, 0xb4}, 4);
	r.opt_len = 4;
	raw_send(&r, SYN, 0);
	vnet_mtu_set(&r.v, RAW_STACK, 1280);
	raw_send_at(&r, SYN, r.snd_nxt - 1, 0, 0, 0);
	raw_run(&r, 1000);
	r.opt_len = 0;
	raw_send(&r, ACK, 0);
	cr_assert_eq(raw_get_state(&r), TCP_ESTABLISHED);
	cr_expect_eq(raw_conn(&r)->path.mtu, 1280);
	cr_expect_leq(raw_conn(&r)->pmtu.size, 1280);
	cr_expect(raw_fini(&r));
}
