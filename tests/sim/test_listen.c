/*
 * Strangers at a listener: SYN cookies, limits of a source, and what is answered to whom (T-12
 * to T-17, T-27, F-08).
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

TestSuite(listen, .init = start);

static unsigned int conns(const struct raw *r)
{
	return tcp_conns(r->v.host[RAW_STACK].tcp);
}

/* A stranger: vnet's host 2 is every address that ends in 3. */
static struct net_addr stranger(uint32_t i)
{
	return (struct net_addr){
		.family = 4, .b = {(uint8_t)(100 + (i >> 16)), (uint8_t)(i >> 8), (uint8_t)i, 3}};
}

static void syn_from(struct raw *r, const struct net_addr *from, uint16_t port)
{
	r->peer = *from;
	r->peer_port = port;
	raw_send_at(r, SYN, 1000, 0, 0, 0);
	raw_run(r, 200);
}

/* A listener whose backlog others hold; what comes now is answered by cookies. */
static void crowded(struct raw *r, struct tcp_conf conf)
{
	struct net_addr other;

	if (conf.conns_max == 0)
		conf.conns_max = 64;
	raw_init(r, conf);
	app_listen(&r->app, 22, 4);
	for (uint32_t i = 0; i < 4; i++) {
		other = stranger(i);
		syn_from(r, &other, RAW_PORT);
	}
	cr_assert_eq(conns(r), 4);
	r->peer.family = 0;
	raw_clear(r);
}

/* The peer's SYN to it; the SYN-ACK is the last segment sent. */
static void cookie_syn(struct raw *r, const struct tcp_opts *o)
{
	r->opt_len = (uint32_t)tcp_opts_build(o, r->opt);
	r->snd_nxt = 1000;
	raw_send(r, SYN, 0);
	r->opt_len = 0;
	cr_assert_eq(raw_last(r).flags, SYN | ACK);
	cr_assert_eq(raw_last(r).ack, 1001);
	cr_assert_eq(raw_count(r, TCP_C_COOKIE_SENT), 1);
	cr_assert_null(raw_conn(r), "nothing is held for it");
	r->ts = o->has_ts;
	r->ts_val = o->ts_val + 1;
	r->ts_ecr = raw_last(r).opts.ts_val;
}

static const struct tcp_opts no_options;

/* --- cookies (T-14, T-15) ----------------------------------------------------------------- */

Test(listen, an_acknowledged_cookie_is_a_connection)
{
	struct raw r;

	crowded(&r, (struct tcp_conf){0});
	cookie_syn(&r, &no_options);
	raw_send(&r, ACK, 0);
	cr_expect(r.app.accepted);
	cr_expect_eq(raw_get_state(&r), TCP_ESTABLISHED);
	cr_expect_eq(raw_count(&r, TCP_C_COOKIE_TAKEN), 1);
	raw_write(&r, 3000);
	cr_expect_eq(r.rcv_nxt, r.iss + 3001);
	raw_send(&r, ACK, 500);
	cr_expect_eq(r.app.rx_total, 500);
	cr_expect_not(r.app.wrong);
	cr_expect(raw_fini(&r));
}

Test(listen, data_with_the_acknowledgement_is_kept)
{
	struct raw r;

	crowded(&r, (struct tcp_conf){0});
	cookie_syn(&r, &no_options);
	raw_send(&r, ACK | PSH, 700);
	cr_expect_eq(r.app.rx_total, 700);
	cr_expect_not(r.app.wrong);
	cr_expect(raw_fini(&r));
}

Test(listen, options_are_kept_by_those_with_timestamps)
{
	static const struct tcp_opts cases[] = {
		{.has_mss = true, .mss = 1460, .has_ts = true, .ts_val = 5},
		{.has_mss = true, .mss = 1400, .has_ts = true, .has_wscale = true, .wscale = 0},
		{.has_mss = true, .mss = 1220, .has_ts = true, .has_wscale = true, .wscale = 14},
		{.has_mss = true,
		 .mss = 1440,
		 .has_ts = true,
		 .has_wscale = true,
		 .wscale = 7,
		 .has_sack_perm = true},
		{.has_ts = true, .has_sack_perm = true},
	};

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct tcp_conn *c;
		struct raw r;

		crowded(&r, (struct tcp_conf){0});
		cookie_syn(&r, &cases[i]);
		cr_expect_eq(raw_last(&r).opts.has_wscale, cases[i].has_wscale);
		cr_expect_eq(raw_last(&r).opts.has_sack_perm, cases[i].has_sack_perm);
		cr_expect_eq(raw_last(&r).opts.ts_ecr, cases[i].ts_val);
		raw_send(&r, ACK, 0);
		c = raw_conn(&r);
		cr_assert_not_null(c);
		cr_expect(c->ts_on);
		cr_expect_eq(c->sack_ok, cases[i].has_sack_perm);
		cr_expect_eq(c->snd_wscale, cases[i].wscale);
		cr_expect_eq(c->rcv_wscale, cases[i].has_wscale ? c->t->rcv_wscale : 0);
		cr_expect_eq(c->mss_peer, cases[i].has_mss ? cases[i].mss : TCP_MSS_DEFAULT);
		/* Our clock goes on from what the cookie said. */
		raw_write(&r, 10);
		cr_expect(seq_ge(raw_last(&r).opts.ts_val, r.ts_ecr));
		cr_expect(raw_fini(&r));
	}
}

Test(listen, without_timestamps_only_the_mss_is_kept)
{
	struct tcp_opts o = {.has_mss = true,
			     .mss = 1400,
			     .has_wscale = true,
			     .wscale = 7,
			     .has_sack_perm = true};
	struct raw r;

	crowded(&r, (struct tcp_conf){0});
	cookie_syn(&r, &o);
	cr_expect_not(raw_last(&r).opts.has_wscale || raw_last(&r).opts.has_sack_perm,
		      "what cannot be kept is not agreed to");
	raw_send(&r, ACK, 0);
	cr_assert_not_null(raw_conn(&r));
	cr_expect_eq(raw_conn(&r)->mss_peer, 1400);
	cr_expect_eq(raw_conn(&r)->snd_wscale, 0);
	cr_expect_not(raw_conn(&r)->sack_ok);
	cr_expect(raw_fini(&r));
}

/* Everything but the plain acknowledgement of the plain cookie. */
Test(listen, nothing_else_completes_a_cookie)
{
	static const struct {
		const char *what;
		uint8_t flags;
		int32_t seq, ack;
	} cases[] = {
		{"RST", RST, 0, 0},
		{"RST and ACK", RST | ACK, 0, 0},
		{"SYN and ACK", SYN | ACK, 0, 0},
		{"ACK and FIN", ACK | FIN, 0, 0},
		{"no ACK", PSH, 0, 0},
		{"the byte before", ACK, -1, 0},
		{"the byte after", ACK, 1, 0},
		{"another ISN", ACK, 0, 1},
		{"the ISN itself", ACK, 0, -1},
		{"a bit of the secret's number", ACK, 0, INT32_MIN},
		{"a bit of the MSS", ACK, 0, 1 << 28},
		{"a bit of the hash", ACK, 0, 1 << 27},
	};

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct raw r;

		crowded(&r, (struct tcp_conf){0});
		cookie_syn(&r, &no_options);
		raw_clear(&r);
		raw_send_at(&r, cases[i].flags, r.snd_nxt + (uint32_t)cases[i].seq,
			    r.rcv_nxt + (uint32_t)cases[i].ack, 0, 0);
		raw_run(&r, 1000);
		cr_expect_null(raw_conn(&r), "%s", cases[i].what);
		cr_expect_not(r.app.accepted, "%s", cases[i].what);
		cr_expect_leq(r.out_n, 1, "%s", cases[i].what);
		cr_expect(raw_fini(&r));
	}
}

Test(listen, a_cookie_of_another_port_or_address_is_refused)
{
	struct net_addr other = stranger(99);
	struct raw r;

	crowded(&r, (struct tcp_conf){0});
	cookie_syn(&r, &no_options);
	r.peer_port++;
	raw_send_at(&r, ACK, r.snd_nxt, r.rcv_nxt, 0, 0);
	r.peer_port--;
	r.peer = other;
	raw_send_at(&r, ACK, r.snd_nxt, r.rcv_nxt, 0, 0);
	raw_run(&r, 1000);
	cr_expect_not(r.app.accepted);
	cr_expect_eq(raw_count(&r, TCP_C_COOKIE_BAD), 2);
	cr_expect(raw_fini(&r));
}

Test(listen, a_cookie_is_good_for_less_than_two_minutes)
{
	static const struct {
		uint64_t after_s;
		bool good;
	} cases[] = {{30, true},   {59, true},   {120, false},
		     {125, false}, {200, false}, {1000, false}};

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		uint32_t iss;
		struct raw r;

		crowded(&r, (struct tcp_conf){0});
		cookie_syn(&r, &no_options);
		iss = r.iss; /* others are answered meanwhile */
		raw_run(&r, cases[i].after_s * TCP_SEC);
		raw_send_at(&r, ACK, r.snd_nxt, iss + 1, 0, 0);
		raw_run(&r, 1000);
		cr_expect_eq(r.app.accepted, cases[i].good, "after %lu s", cases[i].after_s);
		cr_expect(raw_fini(&r));
	}
}

Test(listen, an_acknowledgement_played_again_opens_nothing)
{
	struct raw r;

	crowded(&r, (struct tcp_conf){0});
	cookie_syn(&r, &no_options);
	raw_send(&r, ACK, 0);
	cr_assert(r.app.accepted);
	raw_send_at(&r, ACK, 1001, r.rcv_nxt, 0, 0); /* of a known tuple: an old ACK */
	raw_run(&r, 1000);
	cr_expect_eq(raw_count(&r, TCP_C_COOKIE_TAKEN), 1);
	raw_send(&r, RST, 0); /* of one that was closed: refused */
	cr_assert_null(raw_conn(&r));
	raw_clear(&r);
	raw_send_at(&r, ACK, 1001, r.rcv_nxt, 0, 0);
	raw_run(&r, 1000);
	cr_expect_eq(raw_last(&r).flags, RST);
	cr_expect_eq(raw_count(&r, TCP_C_COOKIE_TAKEN), 1);
	cr_expect(raw_fini(&r));
}

Test(listen, a_full_table_waits_for_the_acknowledgement_to_come_again)
{
	static struct app more[12];
	uint32_t iss;
	struct raw r;

	crowded(&r, (struct tcp_conf){.conns_max = 16});
	cookie_syn(&r, &no_options);
	iss = r.iss;
	for (size_t i = 0; i < RTE_DIM(more); i++) { /* these take the other places */
		more[i].tcp = r.v.host[RAW_STACK].tcp;
		cr_assert_eq(vnet_connect(&more[i], RAW_PEER, 99), 0);
	}
	raw_clear(&r);
	raw_send_at(&r, ACK, r.snd_nxt, iss + 1, 0, 0);
	raw_run(&r, 1000);
	cr_expect_eq(raw_count(&r, TCP_C_DROP_TABLE), 1);
	cr_expect_not(raw_last(&r).flags & RST, "no reset");
	raw_run(&r, 80 * TCP_SEC); /* the half-open end */
	r.stack_port = 22;
	r.peer_port = RAW_PORT;
	raw_send_at(&r, ACK, r.snd_nxt, iss + 1, 0, 20);
	raw_run(&r, 1000);
	cr_expect(r.app.accepted);
	cr_expect_eq(r.app.rx_total, 20);
	cr_expect(raw_fini(&r));
}

/* Fewer may be there than are: they stay, and who comes waits until there may be more. */
Test(listen, a_limit_that_changes_cuts_nobody)
{
	uint32_t iss;
	struct raw r;

	crowded(&r, (struct tcp_conf){0});
	cookie_syn(&r, &no_options);
	iss = r.iss;
	tcp_limit(r.v.host[RAW_STACK].tcp, 2);
	raw_clear(&r);
	raw_send_at(&r, ACK, r.snd_nxt, iss + 1, 0, 0);
	raw_run(&r, 1000);
	cr_expect_eq(raw_count(&r, TCP_C_DROP_TABLE), 1);
	cr_expect_eq(conns(&r), 4, "more than there may be");
	cr_expect_not(r.app.accepted);
	tcp_limit(r.v.host[RAW_STACK].tcp, 5);
	raw_send_at(&r, ACK, r.snd_nxt, iss + 1, 0, 20);
	raw_run(&r, 1000);
	cr_expect(r.app.accepted);
	cr_expect_eq(r.app.rx_total, 20);
	cr_expect_eq(conns(&r), 5);
	cr_expect(raw_fini(&r));
}

Test(listen, a_user_that_refuses_a_cookie_resets_it)
{
	struct raw r;

	crowded(&r, (struct tcp_conf){0});
	cookie_syn(&r, &no_options);
	r.app.refuse = true;
	raw_send(&r, ACK, 0);
	cr_expect(raw_last(&r).flags & RST);
	cr_expect_null(raw_conn(&r));
	cr_expect_eq(conns(&r), 4);
	cr_expect(raw_fini(&r));
}

/* A flood: no state, no buffer, one small packet for each; who comes meanwhile is served. */
Test(listen, a_flood_costs_nothing_and_strangers_are_served)
{
	unsigned int n = test_long() ? 1000000 : 20000;
	struct pkt_pools *pools;
	struct raw r;

	crowded(&r, (struct tcp_conf){0});
	pools = &r.v.host[RAW_STACK].pools;
	for (uint32_t i = 0; i < n; i++) {
		struct net_addr from = stranger(0x40000 + i / 4);

		r.peer = from;
		r.peer_port = (uint16_t)(1024 + i % 60000);
		raw_send_at(&r, SYN, i, 0, 0, 0);
		if (i % 32 == 31) {
			raw_run(&r, 120);
			cr_assert_leq(r.out_n, 32 + 4, "more than one packet for each");
			for (uint32_t k = 0; k < r.out_n; k++)
				cr_assert_eq(r.out[k].len, 0);
			raw_clear(&r);
		}
	}
	raw_run(&r, 10 * TCP_MS);
	cr_expect_eq(conns(&r), 4);
	cr_expect_geq(raw_count(&r, TCP_C_COOKIE_SENT), n - 4);
	r.peer.family = 0;
	r.peer_port = RAW_PORT;
	raw_send(&r, SYN, 0);
	raw_send(&r, ACK, 0);
	cr_expect(r.app.accepted);
	cr_expect_lt(eal_out(pools->data) + eal_out(pools->head), 16,
		     "what the wire holds of the latest");
	cr_expect(raw_fini(&r));
}

/* While the core has no time left, some of the requests that would get a cookie get nothing. */
Test(listen, a_core_without_a_rest_answers_fewer_and_each_drop_has_its_reason)
{
	struct raw r;
	struct tcp *t;
	uint64_t us;

	crowded(&r, (struct tcp_conf){0});
	t = r.app.tcp;
	us = r.v.now_us;
	for (uint32_t i = 0; i < 20480; i++) {
		r.peer = stranger(0x40000 + i / 4);
		r.peer_port = (uint16_t)(1024 + i % 60000);
		raw_send_at(&r, SYN, i, 0, 0, 0);
		if (i % 64 != 63)
			continue;
		raw_run(&r, 120);
		raw_clear(&r);
		tcp_busy_time(t, r.v.now_us - us, r.v.now_us);
	}
	raw_run(&r, 10 * TCP_MS);
	cr_expect_gt(raw_count(&r, TCP_C_DROP_OVERLOAD), 1000);
	cr_expect_gt(raw_count(&r, TCP_C_COOKIE_SENT), 20480 / 5, "a quarter at least");
	cr_expect_eq(raw_count(&r, TCP_C_DROP_OVERLOAD) + raw_count(&r, TCP_C_COOKIE_SENT), 20480);
	cr_expect(raw_fini(&r));
}

/* --- what a source may have (T-16) ------------------------------------------------------- */

static struct tcp_uses uses(struct raw *r)
{
	struct tcp_uses u;

	tcp_uses(r->v.host[RAW_STACK].tcp, &u);
	return u;
}

Test(listen, a_source_with_its_share_gets_cookies_and_others_places)
{
	struct net_addr greedy = stranger(1), other = stranger(2);
	struct raw r;

	raw_init(&r, (struct tcp_conf){.conns_max = 64, .source_half_open = 3});
	app_listen(&r.app, 22, 16);
	for (uint16_t i = 0; i < 20; i++)
		syn_from(&r, &greedy, (uint16_t)(5000 + i));
	cr_expect_eq(conns(&r), 3);
	cr_expect_eq(raw_count(&r, TCP_C_SOURCE_HALF_OPEN), 17);
	cr_expect_eq(raw_count(&r, TCP_C_COOKIE_SENT), 17);
	syn_from(&r, &other, 5000);
	cr_expect_eq(conns(&r), 4, "the other has a place");
	cr_expect_eq(uses(&r).source_half_open, 3, "who has most");
	cr_expect_eq(uses(&r).half_open, 4, "of one listener");
	cr_expect_eq(uses(&r).source_syns, 20);
	raw_run(&r, 100 * TCP_SEC);
	cr_expect_eq(conns(&r), 0, "they expire");
	cr_expect(uses(&r).source_half_open == 0 && uses(&r).half_open == 0);
	cr_expect_eq(uses(&r).source_syns, 0, "nor has anybody asked lately");
	syn_from(&r, &greedy, 6000);
	cr_expect_eq(conns(&r), 1, "and are not counted any more");
	cr_expect(raw_fini(&r));
}

Test(listen, a_source_has_only_so_many_connections)
{
	struct net_addr greedy = stranger(1), other = stranger(2);
	struct raw r;

	raw_init(&r, (struct tcp_conf){.conns_max = 64, .source_conns = 2});
	app_listen(&r.app, 22, 16);
	for (uint16_t i = 0; i < 5; i++)
		syn_from(&r, &greedy, (uint16_t)(5000 + i));
	cr_expect_eq(conns(&r), 2);
	cr_expect_eq(raw_count(&r, TCP_C_DROP_SOURCE_CONNS), 3);
	syn_from(&r, &other, 5000);
	cr_expect_eq(conns(&r), 3);
	cr_expect_eq(uses(&r).source_conns, 2);
	cr_expect(raw_fini(&r));
}

Test(listen, a_cookie_does_not_get_around_it)
{
	struct raw r;

	crowded(&r, (struct tcp_conf){.source_conns = 1});
	cookie_syn(&r, &no_options);
	raw_send(&r, ACK, 0);
	cr_assert(r.app.accepted);
	r.peer_port++;
	r.snd_nxt = 1000;
	raw_send(&r, SYN, 0);
	raw_clear(&r);
	raw_send(&r, ACK, 0);
	cr_expect_eq(raw_last(&r).flags, RST);
	cr_expect_eq(raw_count(&r, TCP_C_DROP_SOURCE_CONNS), 1);
	cr_expect_eq(raw_count(&r, TCP_C_COOKIE_TAKEN), 1);
	cr_expect(raw_fini(&r));
}

Test(listen, a_source_sends_only_so_many_syns_in_a_second)
{
	struct net_addr greedy = stranger(10), other = stranger(20);
	struct raw r;

	crowded(&r, (struct tcp_conf){.source_syn_rate = 10});
	raw_run(&r, TCP_SEC);
	raw_clear(&r);
	for (uint16_t i = 0; i < 30; i++)
		syn_from(&r, &greedy, (uint16_t)(5000 + i));
	cr_expect_leq(r.out_n, 10);
	cr_expect_geq(raw_count(&r, TCP_C_DROP_SOURCE_RATE), 20);
	raw_clear(&r);
	syn_from(&r, &other, 5000);
	cr_expect_eq(r.out_n, 1);
	raw_run(&r, TCP_SEC);
	raw_clear(&r);
	syn_from(&r, &greedy, 7000);
	cr_expect_eq(r.out_n, 1, "and in the next again");
	cr_expect(raw_fini(&r));
}

/* --- what is answered (T-17) --------------------------------------------------------------- */

Test(listen, no_more_than_six_small_packets_for_a_syn)
{
	struct raw r;

	raw_init(&r, (struct tcp_conf){0});
	app_listen(&r.app, 22, 4);
	raw_write(&r, 10000);
	raw_send(&r, SYN, 500); /* with data */
	raw_run(&r, 300 * TCP_SEC);
	cr_expect_eq(r.out_n, 1 + TCP_SYNACK_MAX);
	for (uint32_t i = 0; i < r.out_n; i++) {
		cr_expect_eq(r.out[i].flags, SYN | ACK);
		cr_expect_eq(r.out[i].len, 0);
		cr_expect_eq(r.out[i].ack, 1001, "its data is not acknowledged");
	}
	cr_expect(raw_fini(&r));
}

Test(listen, a_port_scan_is_answered_at_a_rate)
{
	struct raw r;

	raw_init(&r, (struct tcp_conf){.rst_rate = 100});
	raw_run(&r, TCP_SEC);
	raw_clear(&r);
	for (uint16_t port = 1; port <= 400; port++) {
		r.stack_port = port;
		raw_send_at(&r, port & 1 ? SYN : ACK, 1000, 0, 0, 0);
		if (port % 20 == 0)
			raw_run(&r, 1000);
	}
	raw_run(&r, 1000);
	cr_expect_leq(r.out_n, 25);
	cr_expect_geq(r.out_n, 20);
	cr_expect_eq(raw_count(&r, TCP_C_RST_LIMITED), 400 - r.out_n);
	raw_run(&r, TCP_SEC);
	raw_clear(&r);
	raw_send_at(&r, SYN, 1000, 0, 0, 0);
	raw_run(&r, 1000);
	cr_expect_eq(raw_last(&r).flags, RST | ACK, "and later again");
	cr_expect(raw_fini(&r));
}

Test(listen, resets_are_never_answered)
{
	struct raw r;

	raw_init(&r, (struct tcp_conf){0});
	app_listen(&r.app, 22, 4);
	for (uint32_t i = 0; i < 1000; i++) {
		r.stack_port = i & 1 ? 22 : 23;
		raw_send_at(&r, i & 2 ? RST : RST | ACK, i, i, 0, 0);
		if (i % 50 == 0)
			raw_run(&r, 1000);
	}
	raw_run(&r, 1000);
	cr_expect_eq(r.out_n, 0);
	cr_expect(raw_fini(&r));
}

/* --- what an observer beside the path learns (T-11) ---------------------------------------- */

/* How many of his own challenges he gets while he guesses at somebody else's connection. */
static uint32_t own_challenges(bool guess_is_right)
{
	struct net_addr observer = stranger(7);
	uint32_t seq, own, n = 0;
	static struct app second;
	struct raw r;

	raw_accept(&r, (struct tcp_conf){0}); /* the victim's */
	seq = r.snd_nxt;
	vnet_app(&r.v, RAW_STACK, &r.apps, &second, 1, 2, 0);
	second.no_shutdown = true;
	app_listen(&second, 23, 4);
	r.stack_port = 23;
	r.peer = observer;
	r.snd_nxt = 1000;
	raw_send(&r, SYN, 0);
	raw_send(&r, ACK, 0);
	own = r.snd_nxt;
	for (int i = 0; i < 100; i++) {
		r.peer.family = 0; /* forged: in the window, or far from it */
		r.stack_port = 22;
		raw_send_at(&r, RST, seq + (guess_is_right ? 10 : 1 << 28), 0, 0, 0);
		raw_run(&r, 500);
		r.peer = observer;
		r.stack_port = 23;
		raw_clear(&r);
		raw_send_at(&r, RST, own + 5, 0, 0, 0);
		raw_run(&r, 500);
		n += r.out_n;
	}
	cr_expect(raw_fini(&r));
	return n;
}

Test(listen, a_right_guess_looks_like_a_wrong_one)
{
	cr_expect_eq(own_challenges(false), TCP_CHALLENGE_MAX);
	cr_expect_eq(own_challenges(true), TCP_CHALLENGE_MAX);
}

/* --- two stacks that disagree (T-12) --------------------------------------------------------- */

static struct tcp_conn *only_conn(struct tcp *t)
{
	for (unsigned int i = 0; i < t->conf.conns_max; i++)
		if (t->conns[i].hashed)
			return &t->conns[i];
	return NULL;
}

Test(listen, stacks_out_of_step_do_not_answer_each_other_for_ever)
{
	static struct app client, server;
	static struct apps cs, ss;
	static struct vnet v;
	struct tcp_conn *c;
	uint64_t before;

	vnet_init(&v, 1, 1023, 4095);
	vnet_stack(&v, 0, (struct tcp_conf){0});
	vnet_stack(&v, 1, (struct tcp_conf){0});
	vnet_app(&v, 0, &cs, &client, 1, 2, 1000);
	vnet_app(&v, 1, &ss, &server, 2, 1, 1000);
	client.no_shutdown = server.no_shutdown = true;
	cr_assert_eq(app_listen(&server, 22, 8), 0);
	cr_assert_eq(vnet_connect(&client, 1, 22), 0);
	vnet_run(&v, TCP_SEC, NULL, NULL);
	c = only_conn(v.host[0].tcp);
	cr_assert_not_null(c);
	c->rcv_nxt += 1 << 24; /* each says what the other thinks is far out */
	c->rcv_adv += 1 << 24;
	c->snd_una += 1 << 24;
	c->snd_nxt += 1 << 24;
	c->snd_max += 1 << 24;
	before = v.sent;
	tcp_send_ack(c, v.now_us);
	vnet_run(&v, 60 * TCP_SEC, NULL, NULL);
	cr_expect_gt(v.sent - before, 1, "nobody answered: no test");
	cr_expect_leq(v.sent - before, 2 * 120 + 2, "%lu", v.sent - before);
	vnet_fini(&v);
}
