/*
 * TIME-WAIT (T-37): what may open a tuple again, from either side, what may not, and what a
 * million of them cost. RFC 9293 section 3.6.1, RFC 1337, RFC 6191.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/sim/raw.h"
#include "tests/util/eal.h"
#include "tests/util/rnd.h"

static void start(void)
{
	eal_start("64");
}

TestSuite(timewait, .init = start);

/* All whose time has come; no turn does more than a little of it. */
static void expire(struct tcp *t, uint64_t now_us)
{
	unsigned int work;

	while ((work = tcp_tw_expire(t, now_us)) > 0)
		cr_assert_leq(work, 1024);
}

/* The stack closed first on its listener's connection, with timestamps or without. */
static void closed_first(struct raw *r, bool ts)
{
	struct tcp_opts o = {.has_ts = true, .ts_val = 5000};

	raw_init(r, (struct tcp_conf){0});
	app_listen(&r->app, 22, 4);
	if (ts)
		r->opt_len = (uint32_t)tcp_opts_build(&o, r->opt);
	raw_send(r, SYN, 0);
	r->opt_len = 0;
	r->ts = ts;
	r->ts_val = 5001;
	r->ts_ecr = raw_last(r).opts.ts_val;
	raw_send(r, ACK, 0);
	r->app.no_shutdown = false;
	raw_run(r, 1000);
	raw_send(r, FIN | ACK, 0);
	cr_assert_eq(raw_get_state(r), TCP_TIME_WAIT);
	r->app.no_shutdown = true;
	r->app.was_shut = r->app.eof = r->app.closed = r->app.accepted = false;
	raw_clear(r);
}

/* RFC 6191 section 2, the whole of it. */
Test(timewait, a_syn_opens_again_by_timestamp_or_number)
{
	static const struct {
		const char *what;
		bool ts_before, ts_now;
		int32_t ts, seq; /* to the last of before */
		bool opens;
	} cases[] = {
		{"both, newer timestamp, older number", true, true, 1, -1000, true},
		{"both, newer timestamp, newer number", true, true, 100, 1000, true},
		{"both, same timestamp, newer number", true, true, 0, 1000, true},
		{"both, same timestamp, older number", true, true, 0, -1000, false},
		{"both, older timestamp, newer number", true, true, -1, 1000, false},
		{"only before, newer number", true, false, 0, 1000, true},
		{"only before, older number", true, false, 0, -1000, false},
		{"only now, older number", false, true, 0, -1000, true},
		{"only now, newer number", false, true, 0, 1000, true},
		{"neither, newer number", false, false, 0, 1000, true},
		{"neither, same number", false, false, 0, 0, false},
		{"neither, older number", false, false, 0, -1000, false},
	};

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		uint32_t seq, old;
		struct raw r;

		closed_first(&r, cases[i].ts_before);
		old = r.rcv_nxt;
		seq = r.snd_nxt + (uint32_t)cases[i].seq;
		r.ts = cases[i].ts_now;
		r.ts_val += (uint32_t)cases[i].ts;
		raw_send_at(&r, SYN, seq, 0, 0, 0);
		raw_run(&r, 1000);
		cr_expect_eq(raw_last(&r).flags, cases[i].opens ? SYN | ACK : ACK, "%s",
			     cases[i].what);
		cr_expect_eq(raw_get_state(&r), cases[i].opens ? TCP_SYN_RCVD : TCP_TIME_WAIT, "%s",
			     cases[i].what);
		if (cases[i].opens)
			cr_expect(seq_gt(raw_last(&r).seq, old + 65535), "%s", cases[i].what);
		cr_expect(raw_fini(&r));
	}
}

/* RFC 1337: the three hazards. */
Test(timewait, nobody_is_assassinated)
{
	static const struct {
		const char *what;
		uint8_t flags;
		int32_t seq, ack;
		uint32_t len;
	} cases[] = {
		{"RST at the next number", RST, 0, 0, 0},
		{"RST and ACK", RST | ACK, 0, 0, 0},
		{"RST in the window", RST, 100, 0, 0},
		{"old data", ACK | PSH, -10, 0, 10},
		{"old acknowledgement", ACK, 0, -10, 0},
		{"acknowledgement of what was never sent", ACK, 0, 100000, 0},
		{"old FIN", FIN | ACK, -100, 0, 0},
		{"nothing", 0, 0, 0, 0},
	};

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct raw r;

		closed_first(&r, false);
		raw_send_at(&r, cases[i].flags, r.snd_nxt + (uint32_t)cases[i].seq,
			    r.rcv_nxt + (uint32_t)cases[i].ack, 0, cases[i].len);
		raw_run(&r, 1000);
		cr_expect_eq(raw_get_state(&r), TCP_TIME_WAIT, "%s", cases[i].what);
		cr_expect_not(raw_last(&r).flags & RST, "%s", cases[i].what);
		cr_expect_leq(r.out_n, 1, "%s", cases[i].what);
		cr_expect(raw_fini(&r));
	}
}

Test(timewait, it_answers_at_a_rate)
{
	struct raw r;

	closed_first(&r, false);
	for (int i = 0; i < 100; i++) {
		raw_send_at(&r, ACK, r.snd_nxt - 5, r.rcv_nxt, 0, 0);
		raw_run(&r, 1000);
	}
	cr_expect_leq(r.out_n, 1);
	cr_expect(raw_fini(&r));
}

/* --- our own connects --------------------------------------------------------------------- */

static const struct net_addr target = {.family = 4, .b = {10, 0, 0, 3}};

static int connect_to(struct tcp *t, uint16_t port, struct stream **ret)
{
	static const struct stream_user nobody;
	struct stream_provider p;

	tcp_provider(t, &p);
	return p.connect(p.arg, &target, port, &nobody, NULL, ret);
}

/* As if it had lived and its end were ours. */
static void into_time_wait(struct tcp *t, struct stream *s, bool ts)
{
	struct tcp_conn *c = tcp_of(s);

	c->detached = true;
	c->ack_now = false;
	c->ts_on = ts;
	tcp_conn_time_wait(c, t->now_us);
}

#define PORTS (65536 - 10240)

static struct tcp *stack_of(struct vnet *v, uint32_t time_wait_max)
{
	vnet_init(v, rnd_seed(), 1023, 4095);
	vnet_stack(v, 0, (struct tcp_conf){.conns_max = 64, .time_wait_max = time_wait_max});
	v->host[0].tcp->now_us = v->now_us;
	return v->host[0].tcp;
}

/* One connection through the tables; its numbers. */
static int one(struct tcp *t, bool ts, uint32_t *ret_iss)
{
	struct stream *s;
	int r = connect_to(t, 443, &s);

	if (r < 0)
		return r;
	*ret_iss = tcp_of(s)->iss;
	r = tcp_local_port(tcp_of(s));
	into_time_wait(t, s, ts);
	tcp_output_poll(t, t->now_us); /* the end of a turn */
	return r;
}

Test(timewait, a_connect_takes_a_tuple_over_after_a_second)
{
	static uint32_t iss[65536];
	struct vnet v;
	struct tcp *t = stack_of(&v, PORTS);
	uint32_t now;
	int port;

	for (unsigned int i = 0; i < PORTS; i++) {
		port = one(t, true, &now);
		cr_assert_geq(port, 10240);
		cr_assert_eq(iss[port], 0, "port %d twice", port);
		iss[port] = now | 1;
	}
	cr_expect_eq(t->tw_n, PORTS);
	cr_expect_eq(one(t, true, &now), -EADDRNOTAVAIL, "none has rested");
	t->now_us += TCP_TW_REUSE_US + 2 * TCP_MS;
	for (unsigned int i = 0; i < 1000; i++) {
		port = one(t, true, &now);
		cr_assert_gt(port, 0);
		cr_expect(seq_gt(now, iss[port] + 65535), "beyond the old numbers");
	}
	cr_expect_eq(tcp_counters(t)[TCP_C_TIME_WAIT_REUSED], 1000);
	vnet_fini(&v);
}

Test(timewait, without_timestamps_it_is_not_taken_over)
{
	struct vnet v;
	struct tcp *t = stack_of(&v, PORTS);
	uint32_t iss;

	for (unsigned int i = 0; i < PORTS; i++)
		cr_assert_gt(one(t, false, &iss), 0);
	t->now_us += 30 * TCP_SEC;
	cr_expect_eq(one(t, false, &iss), -EADDRNOTAVAIL);
	t->now_us += 31 * TCP_SEC;
	expire(t, t->now_us);
	cr_expect_gt(one(t, false, &iss), 0);
	vnet_fini(&v);
}

Test(timewait, fifty_thousand_a_second_from_one_address_to_one_port)
{
	unsigned int seconds = test_long() ? 60 : 3;
	struct vnet v;
	struct tcp *t = stack_of(&v, test_long() ? 1000000 : 100000);
	uint32_t iss;

	for (unsigned int i = 0; i < seconds * 50000; i++) {
		t->now_us += 20;
		cr_assert_gt(one(t, true, &iss), 0, "after %u", i);
	}
	cr_expect_leq(t->tw_n, PORTS);
	cr_expect_geq(tcp_counters(t)[TCP_C_TIME_WAIT_REUSED], (seconds - 2) * 50000);
	vnet_fini(&v);
}

/* The listener's port is not lent to a connect. */
Test(timewait, a_listeners_port_is_not_picked)
{
	static const struct net_addr any;
	struct vnet v;
	struct tcp *t = stack_of(&v, PORTS);
	uint32_t iss;

	for (uint16_t i = 0; i < 32; i++)
		cr_assert_eq(tcp_listen(t, &any, (uint16_t)(20000 + i), i, 1, NULL, NULL), 0);
	for (unsigned int i = 0; i < PORTS - 32; i++) {
		int port = one(t, true, &iss);

		cr_assert_gt(port, 0);
		cr_assert(port < 20000 || port >= 20032);
	}
	vnet_fini(&v);
}

/* A real one, to the end: the peer's answers decide. */
Test(timewait, a_peer_that_missed_our_last_ack_is_reset_and_takes_the_next_syn)
{
	struct raw r;
	uint32_t port;

	raw_init(&r, (struct tcp_conf){0});
	r.v.host[RAW_STACK].tcp->now_us = r.v.now_us;
	vnet_connect(&r.app, RAW_PEER, RAW_PORT);
	raw_run(&r, 1000);
	r.ts = true;
	r.ts_val = 9000;
	r.ts_ecr = raw_last(&r).opts.ts_val;
	raw_send(&r, SYN | ACK, 0);
	r.app.no_shutdown = false;
	raw_run(&r, 1000);
	raw_send(&r, FIN | ACK, 0);
	cr_assert_eq(raw_get_state(&r), TCP_TIME_WAIT);
	port = r.stack_port;
	raw_run(&r, 2 * TCP_SEC);

	/* The same tuple: all other ports are out of the picture. */
	r.v.host[RAW_STACK].tcp->port_next--;
	r.v.host[RAW_STACK].tcp->now_us = r.v.now_us;
	r.app = (struct app){.tcp = r.app.tcp, .pool = r.app.pool, .no_shutdown = true};
	vnet_connect(&r.app, RAW_PEER, RAW_PORT);
	raw_run(&r, 1000);
	cr_assert_eq(r.stack_port, port);
	cr_assert_eq(raw_last(&r).flags, SYN);
	/* It is still in LAST-ACK and says so; the answer makes it forget. */
	raw_send_at(&r, ACK, r.snd_nxt, r.iss - 60000, 0, 0);
	raw_run(&r, 1000);
	cr_expect_eq(raw_last(&r).flags, RST);
	cr_expect_eq(raw_last(&r).seq, r.iss - 60000);
	raw_clear(&r);
	raw_run(&r, 2 * TCP_SEC);
	cr_expect_eq(raw_last(&r).flags, SYN, "it asks again");
	r.ts_ecr = raw_last(&r).opts.ts_val;
	raw_send(&r, SYN | ACK, 0);
	cr_expect(r.app.connected);
	cr_expect(raw_fini(&r));
}

/* --- the table ----------------------------------------------------------------------------- */

Test(timewait, a_million_cost_a_cache_line_each)
{
	unsigned int n = test_long() ? 1000000 : 200000;
	struct vnet v;
	struct tcp *t = stack_of(&v, n);
	struct tcp_conn c = {.key = {.family = 4, .local = {1}}, .ts_on = true};

	cr_expect_eq(sizeof(*t->tw), 64);
	for (unsigned int i = 0; i < n; i++) {
		c.key.peer[0] = i;
		c.key.ports = 22 << 16 | (i & 0xffff);
		tcp_tw_add(t, &c, t->now_us);
	}
	cr_expect_eq(t->tw_n, n);
	for (unsigned int i = 0; i < n; i += 997) {
		c.key.peer[0] = i;
		c.key.ports = 22 << 16 | (i & 0xffff);
		cr_assert_not_null(tcp_tw_lookup(t, &c.key, tcp_key_hash(t, &c.key)));
	}
	tcp_tw_add(t, &c, t->now_us); /* one more: the oldest goes */
	cr_expect_eq(t->tw_n, n);
	cr_expect_eq(tcp_counters(t)[TCP_C_TIME_WAIT_SHORT], 1);
	expire(t, t->now_us + 61 * TCP_SEC);
	cr_expect_eq(t->tw_n, 0);
	vnet_fini(&v);
}
