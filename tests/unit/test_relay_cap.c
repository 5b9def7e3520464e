/*
 * dataplane/relay/cap.c, meter.c: so many bytes a second pass and no more, and nothing else waits
 * for them. Time is virtual; between turns it goes on as a shard that sleeps sees it.
 */
#include "dataplane/relay/budget.h"
#include "dataplane/relay/internal.h"
#define BENCH_STREAMS 64
#define BENCH_CONNS   20
#define BENCH_MSGS    8192
#define BENCH_TABLE   64
#include "tests/util/relay_flow.h"

TestSuite(relay_cap, .init = bench_start, .fini = bench_end);

static struct link_caps caps_of(enum link_way way, bool channel, uint64_t rate)
{
	struct link_caps m = {0};

	if (channel)
		m.channel[way].rate = rate;
	else
		m.conn[way].rate = rate;
	return m;
}

static const struct {
	uint64_t rate;
	uint32_t size;
	uint64_t us; /* 0: only in long runs */
} rates[] = {
	{64 * KBIT, 1, S},         {64 * KBIT, 1448, 10 * S}, {1 * MBIT, 64, S},
	{10 * MBIT, 8948, S},      {100 * MBIT, 1448, S},     {1 * GBIT, 8948, S / 10},
	{64 * KBIT, 8948, 10 * S}, {10 * MBIT, 1, 0},         {100 * MBIT, 64, 0},
	{1 * GBIT, 1448, 0},       {10 * GBIT, 32768, 0},
};

static void table(enum link_way way, bool channel)
{
	for (unsigned int i = 0; i < RTE_DIM(rates); i++) {
		struct link_caps m = caps_of(way, channel, rates[i].rate);
		uint64_t us = test_long() ? S : rates[i].us, before;
		struct client c;
		struct flow f;
		char what[64];

		/* A client of the bench cannot seal more. */
		if (us == 0 || (way == LINK_IN && rates[i].us == 0))
			continue;
		c = client_with(&m);
		f = flow_on(&c, 1, RTE_MIN(rates[i].size, (uint32_t)BENCH_PACKET), way == LINK_IN,
			    way == LINK_OUT);
		pass(&f, 1, S / 20); /* its burst */
		before = moved(&f, way);
		pass(&f, 1, us);
		snprintf(what, sizeof(what), "case %u", i);
		expect_rate(moved(&f, way) - before, rates[i].rate, us, what);
		if (test_long()) {
			pass(&f, 1, rates[i].rate >= GBIT ? 0 : 9 * S);
			us = rates[i].rate >= GBIT ? S : 10 * S;
			expect_rate(moved(&f, way) - before, rates[i].rate, us, what);
		}
		go(&c);
	}
}

Test(relay_cap, a_channel_sends_at_its_rate)
{
	table(LINK_OUT, true);
}

Test(relay_cap, a_channel_receives_at_its_rate)
{
	table(LINK_IN, true);
}

Test(relay_cap, a_connection_has_its_rate_both_ways)
{
	table(LINK_OUT, false);
	table(LINK_IN, false);
}

/* The channels of a connection share what it may, to the byte's worth, with one cap or two. */
Test(relay_cap, channels_share_what_their_connection_may)
{
	struct link_caps m = caps_of(LINK_OUT, false, 8 * MBIT);
	struct client c;
	struct flow f[4];
	uint64_t all = 0;

	m.conn[LINK_IN].rate = 4 * MBIT;
	c = client_with(&m);
	for (unsigned int i = 0; i < 4; i++)
		f[i] = flow_on(&c, i + 1, i % 2 ? 1448 : 300, true, true);
	pass(f, 4, S);
	for (enum link_way way = 0; way < LINK_WAYS; way++, all = 0) {
		for (unsigned int i = 0; i < 4; i++)
			all += moved(&f[i], way);
		for (unsigned int i = 0; i < 4; i++)
			cr_expect(moved(&f[i], way) * 4 > all * 85 / 100 &&
					  moved(&f[i], way) * 4 < all * 115 / 100,
				  "way %u: channel %u has %llu of %llu", way, i,
				  (unsigned long long)moved(&f[i], way), (unsigned long long)all);
		expect_rate(all, m.conn[way].rate * 102 / 100, S, "all");
	}
	client_free(&c);
}

/* From idle no more than the rate and the burst, whatever the burst is. */
Test(relay_cap, a_burst_is_what_was_said)
{
	static const uint32_t burst[] = {1000, 20000, 1 << 20};

	for (unsigned int i = 0; i < RTE_DIM(burst); i++) {
		struct link_caps m = caps_of(LINK_OUT, true, 1 * MBIT);
		struct client c;
		struct flow f;
		uint64_t n;

		m.channel[LINK_OUT].burst = burst[i];
		c = client_with(&m);
		f = flow_on(&c, 1, 1448, false, true);
		bench_now += 20 * S; /* what was not used is not saved up */
		pass(&f, 1, S / 2);
		n = moved(&f, LINK_OUT);
		cr_expect_leq(n, MBIT / 2 + burst[i]);
		cr_expect_geq(n + METER_CHUNK_MAX + MBIT / 50, MBIT / 2 + burst[i], "%u: %llu",
			      burst[i], (unsigned long long)n);
		client_free(&c);
	}
}

/* A target whose channel is capped is not in the way of the one beside it. */
Test(relay_cap, a_capped_channel_stops_no_other)
{
	static uint8_t data[8000];
	struct link_caps m = caps_of(LINK_IN, true, 64 * KBIT);
	struct client c = client_with(&m);
	struct bench_chan a = client_channel(&c, 1, BENCH_WINDOW);
	struct bench_chan b = client_channel(&c, 2, BENCH_WINDOW);

	for (unsigned int i = 0; i < 4; i++)
		client_data(&c, a.local, data, sizeof(data));
	client_data(&c, b.local, data, 100);
	bench_settle();
	cr_expect_leq(a.target->tx.len, 200);
	cr_expect_eq(b.target->tx.len, 100);
	client_free(&c);
}

/* In order, all of it, and its end behind it. */
Test(relay_cap, nothing_is_lost_and_the_end_comes_last)
{
	static uint8_t data[30000], got[30000];
	struct link_caps m = caps_of(LINK_IN, true, 1 * MBIT);
	struct client c = client_with(&m);
	struct bench_chan ch = client_channel(&c, 1, BENCH_WINDOW);

	for (unsigned int i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
	for (unsigned int i = 0; i < sizeof(data); i += 100)
		client_data(&c, ch.local, data + i, 100);
	client_simple(&c, SSH_MSG_CHANNEL_EOF, ch.local);
	bench_settle();
	cr_expect(!ch.target->shut);
	for (unsigned int i = 0; i < 300 && !ch.target->shut; i++)
		bench_pass(1000);
	cr_expect(ch.target->shut);
	cr_assert_eq(ch.target->tx.len, sizeof(data));
	fake_drain(ch.target, got, sizeof(got));
	cr_expect_arr_eq(got, data, sizeof(data));
	client_free(&c);
}

/* What was sent before CLOSE arrives, at once; it is paid for by what comes next. */
Test(relay_cap, a_close_lets_go_of_what_is_held)
{
	static uint8_t data[20000];
	struct link_caps m = caps_of(LINK_IN, false, 64 * KBIT);
	struct client c = client_with(&m);
	struct bench_chan a = client_channel(&c, 1, BENCH_WINDOW), b;

	client_data(&c, a.local, data, sizeof(data));
	client_simple(&c, SSH_MSG_CHANNEL_CLOSE, a.local);
	bench_settle();
	cr_expect_eq(a.target->tx.len, sizeof(data));
	cr_expect(a.target->closed);
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
	up_expect(LINK_EV_CHAN_END, NULL);
	b = client_channel(&c, 2, BENCH_WINDOW);
	client_data(&c, b.local, data, 10000);
	bench_pass(2 * S);
	cr_expect_eq(b.target->tx.len, 0);
	bench_pass(S);
	cr_expect_gt(b.target->tx.len, 0);
	client_free(&c);
}

/* What cannot arrive is given back. */
Test(relay_cap, a_target_that_fails_leaves_nothing)
{
	static uint8_t data[20000];
	struct link_caps m = caps_of(LINK_IN, true, 64 * KBIT);
	struct client c = client_with(&m);
	struct bench_chan a = client_channel(&c, 1, BENCH_WINDOW);

	client_data(&c, a.local, data, sizeof(data));
	bench_settle();
	fake_fail(a.target, -ECONNRESET);
	bench_settle();
	cr_expect(a.target->aborted);
	cr_expect_eq(conn_find(bench, &c.h)->in_targets, 0);
	client_free(&c);
}

/* A connection that ends takes what it held with it: the pool is full at the end of each test. */
Test(relay_cap, a_connection_that_is_cut_holds_nothing)
{
	static uint8_t data[20000];
	struct link_caps m = caps_of(LINK_IN, true, 64 * KBIT);
	struct client c = client_with(&m);
	struct bench_chan a = client_channel(&c, 1, BENCH_WINDOW);

	client_data(&c, a.local, data, sizeof(data));
	bench_settle();
	fake_fail(c.f, -ECONNRESET);
	bench_settle();
	cr_expect(a.target->aborted);
	client_free(&c);
}

/* Its window is what it can use: no minutes' worth waits in the gateway. */
Test(relay_cap, a_slow_channel_is_granted_little)
{
	struct link_caps m = caps_of(LINK_IN, true, 64 * KBIT);
	struct client c = client_with(&m), free = client_with(NULL);

	cr_expect_eq(client_channel(&c, 1, BENCH_WINDOW).window, SSH_RWIN_LOW);
	cr_expect_gt(client_channel(&free, 1, BENCH_WINDOW).window, SSH_RWIN_LOW);
	client_free(&c);
	client_free(&free);
}

/* Beside bulk that has all of the connection's rate a keystroke goes at once, both ways. */
Test(relay_cap, a_keystroke_does_not_wait_for_bulk)
{
	struct link_caps m = caps_of(LINK_OUT, false, 1 * MBIT);
	struct client c;
	struct flow f;
	struct bench_chan key;

	m.conn[LINK_IN].rate = 1 * MBIT;
	c = client_with(&m);
	f = flow_on(&c, 1, 1448, true, true);
	key = client_channel(&c, 2, BENCH_WINDOW);
	for (unsigned int i = 0; i < 20; i++) {
		uint64_t to = inside(&c, &key)->bytes_to_peer;

		pass(&f, 1, 37000);
		client_data(&c, key.local, "k", 1);
		fake_give(key.target, "echo", 4);
		bench_turn();
		bench_turn();
		cr_expect_eq(key.target->tx.len, 1);
		fake_drain(key.target, NULL, key.target->tx.len);
		cr_expect_eq(inside(&c, &key)->bytes_to_peer, to + 4);
	}
	client_free(&c);
}

/* But it is not a way around the cap: what went ahead is owed. */
Test(relay_cap, many_that_send_little_have_no_more)
{
	static uint8_t data[600];
	struct link_caps m = caps_of(LINK_OUT, false, 64 * KBIT);
	struct client c = client_with(&m);
	struct bench_chan ch[BENCH_CHANS];
	uint64_t sum = 0;

	for (uint32_t i = 0; i < BENCH_CHANS; i++)
		ch[i] = client_channel(&c, i + 1, UINT32_MAX);
	for (unsigned int n = 0; n < 10000; n++, bench_now += 1000) {
		for (unsigned int i = 0; i < BENCH_CHANS; i++)
			if (ch[i].target->rx.len == 0)
				fake_give(ch[i].target, data, sizeof(data));
		bench_turn();
		client_pull(&c);
	}
	for (unsigned int i = 0; i < BENCH_CHANS; i++)
		sum += inside(&c, &ch[i])->bytes_to_peer;
	expect_rate(sum, 64 * KBIT, 10 * S, "all");
	client_free(&c);
}

/* Waiting for bytes is no work: one that waits does not keep a shard awake. */
Test(relay_cap, who_waits_sleeps)
{
	struct link_caps m = caps_of(LINK_OUT, true, 64 * KBIT);
	struct client c = client_with(&m);
	struct flow f = flow_on(&c, 1, 1448, false, true);
	unsigned int turns = 0;

	feed(&f);
	bench_settle();
	for (uint64_t end = bench_now + S; bench_now < end;) {
		uint64_t next = relay_next_timer_us(bench);

		cr_assert_gt(next, bench_now);
		bench_now = next;
		feed(&f);
		bench_turn();
		turns++;
	}
	cr_expect_leq(turns, 300, "%u turns for 8000 bytes", turns);
	client_free(&c);
}

/* A cap can come, change and go while bytes flow. */
Test(relay_cap, a_cap_may_change_while_it_holds)
{
	struct link_caps m = caps_of(LINK_OUT, true, 1 * MBIT), none = {0};
	struct client c = client_with(NULL);
	struct flow f = flow_on(&c, 1, 1448, true, true);
	uint64_t before;

	pass(&f, 1, 10000);
	m.channel[LINK_IN].rate = 1 * MBIT;
	for (unsigned int i = 0; i < 3; i++) {
		down(LINK_IT_CAPS, c.h, &m, sizeof(m), NULL, 0);
		pass(&f, 1, S / 20);
		before = moved(&f, LINK_OUT);
		pass(&f, 1, S / 2);
		expect_rate(moved(&f, LINK_OUT) - before, m.channel[LINK_OUT].rate, S / 2, "out");
		m.channel[LINK_OUT].rate *= 4;
		m.channel[LINK_IN].rate /= 4;
	}
	down(LINK_IT_CAPS, c.h, &none, sizeof(none), NULL, 0);
	before = moved(&f, LINK_OUT);
	pass(&f, 1, 1000);
	cr_expect_gt(moved(&f, LINK_OUT) - before, 100000);
	client_free(&c);
}

/* What it held goes, with the end behind it, and no packet is asked about; nobody waits who did. */
Test(relay_cap, a_cap_that_is_lifted_leaves_nothing)
{
	struct link_caps m = caps_of(LINK_IN, false, 64 * KBIT), none = {0};
	struct client c = client_with(&m);
	const struct conn *conn = &bench->conns[c.h.index];
	struct bench_chan a = client_channel(&c, 1, 1 << 20), b = client_channel(&c, 2, 1 << 20);
	static const uint8_t buf[BENCH_PACKET];

	m.group[LINK_CAP_USER] = (struct link_group){.key = 77, .rate = {{.rate = 1 * MBIT}}};
	down(LINK_IT_CAPS, c.h, &m, sizeof(m), NULL, 0);
	client_data(&c, a.local, buf, sizeof(buf));
	client_data(&c, b.local, buf, 20000);
	client_simple(&c, SSH_MSG_CHANNEL_EOF, a.local);
	bench_settle();
	cr_assert(a.target->tx.len < sizeof(buf) && b.target->tx.len < 20000 && !a.target->shut);
	cr_assert_neq(cap_deadline(conn), 0);
	down(LINK_IT_CAPS, c.h, &none, sizeof(none), NULL, 0);
	bench_settle();
	cr_expect_not(conn->capped);
	cr_expect_eq(a.target->tx.len, sizeof(buf));
	cr_expect_eq(b.target->tx.len, 20000);
	cr_expect(a.target->shut && !b.target->shut);
	down(LINK_IT_CAPS, c.h, &none, sizeof(none), NULL, 0);
	bench_settle();
	cr_expect_not(conn->capped, "who had none is not asked for what there is none of");
	down(LINK_IT_CAPS, c.h, &m, sizeof(m), NULL, 0);
	client_data(&c, b.local, buf, sizeof(buf));
	bench_settle();
	cr_expect_lt(b.target->tx.len, 20000 + sizeof(buf), "as before");
	client_free(&c);
}

/* What is said again changes nothing: nobody has a burst of it. */
Test(relay_cap, the_same_again_gives_no_more)
{
	struct link_caps m = caps_of(LINK_OUT, false, 8 * MBIT);
	struct client c;
	struct flow f;
	uint64_t before;

	m.group[0] =
		(struct link_group){.key = 77, .rate = {{.rate = 4 * MBIT}, {.rate = 4 * MBIT}}};
	c = client_with(&m);
	f = flow_on(&c, 1, 1448, true, true);
	pass(&f, 1, S / 20);
	before = moved(&f, LINK_OUT);
	for (unsigned int i = 0; i < 200; i++) {
		down(LINK_IT_CAPS, c.h, &m, sizeof(m), NULL, 0);
		pass(&f, 1, S / 200);
	}
	expect_rate(moved(&f, LINK_OUT) - before, 4 * MBIT, S, "out");
	client_free(&c);
}

/* Whoever asked by the old rate of his user waits by the new one, from the next turn on. */
Test(relay_cap, a_user_has_another_rate_at_once)
{
	static const uint64_t rate[] = {64 * KBIT, 80 * MBIT, 8 * MBIT};
	struct link_caps m = {.group[0].key = 77};
	struct client c[2];
	struct flow f[2];
	uint64_t before;

	for (unsigned int k = 0; k < RTE_DIM(rate); k++) {
		m.group[0].rate[LINK_OUT].rate = rate[k];
		for (unsigned int i = 0; i < 2; i++) {
			if (k > 0) {
				down(LINK_IT_CAPS, c[i].h, &m, sizeof(m), NULL, 0);
				continue;
			}
			c[i] = client_with(&m);
			f[i] = flow_on(&c[i], i + 1, 1448, false, true);
		}
		pass(f, 2, S / 20);
		before = moved(&f[0], LINK_OUT) + moved(&f[1], LINK_OUT);
		pass(f, 2, k == 0 ? 4 * S : S);
		expect_rate(moved(&f[0], LINK_OUT) + moved(&f[1], LINK_OUT) - before, rate[k],
			    k == 0 ? 4 * S : S, "both");
	}
	for (unsigned int i = 0; i < 2; i++)
		client_free(&c[i]);
}

/* --- budget.c, what users and roles have ---------------------------------------------------------
 */

static struct link_caps group_caps(unsigned int i, uint64_t key, uint64_t rate)
{
	struct link_caps m = {0};

	m.group[i].key = key;
	m.group[i].rate[LINK_IN].rate = m.group[i].rate[LINK_OUT].rate = rate;
	return m;
}

/* Equal parts for each, of all of it; one that wants little gets that, and the others the rest. */
Test(relay_cap, connections_share_what_their_user_may)
{
	struct link_caps m = group_caps(0, 77, 8 * MBIT), slow = m;
	struct client c[4];
	struct flow f[4];
	uint64_t before[4], all = 0, n;

	slow.conn[LINK_OUT].rate = 400 * KBIT;
	for (unsigned int i = 0; i < 4; i++) {
		c[i] = client_with(i == 3 ? &slow : &m);
		f[i] = flow_on(&c[i], i + 1, 1448, false, true);
	}
	pass(f, 4, S / 20);
	for (unsigned int i = 0; i < 4; i++)
		before[i] = moved(&f[i], LINK_OUT);
	pass(f, 4, S);
	for (unsigned int i = 0; i < 4; i++)
		all += moved(&f[i], LINK_OUT) - before[i];
	expect_rate(all, 8 * MBIT, S, "all");
	expect_rate(moved(&f[3], LINK_OUT) - before[3], 400 * KBIT, S, "who wants little");
	for (unsigned int i = 0; i < 3; i++) {
		n = moved(&f[i], LINK_OUT) - before[i];
		cr_expect(n > 8 * MBIT * 95 / 100 / 3 * 95 / 100 && n < 8 * MBIT / 3, "%u: %llu", i,
			  (unsigned long long)n);
	}
	for (unsigned int i = 0; i < 4; i++)
		client_free(&c[i]);
}

Test(relay_cap, a_user_receives_at_its_rate)
{
	struct link_caps m = group_caps(0, 77, 2 * MBIT);
	struct client c[2] = {client_with(&m), client_with(&m)};
	struct flow f[2] = {flow_on(&c[0], 1, 1448, true, false),
			    flow_on(&c[1], 2, 64, true, false)};
	uint64_t before;

	pass(f, 2, S / 5);
	before = moved(&f[0], LINK_IN) + moved(&f[1], LINK_IN);
	pass(f, 2, S);
	expect_rate(moved(&f[0], LINK_IN) + moved(&f[1], LINK_IN) - before, 2 * MBIT, S, "both");
	client_free(&c[0]);
	client_free(&c[1]);
}

Test(relay_cap, a_user_and_a_role_hold_at_once)
{
	struct link_caps m = group_caps(0, 77, 3 * MBIT), other;
	struct client c[2];
	struct flow f[2];
	uint64_t a, b;

	m.group[1] = group_caps(1, 88, 4 * MBIT).group[1];
	other = m;
	other.group[0].key = 78;
	c[0] = client_with(&m);
	c[1] = client_with(&other);
	f[0] = flow_on(&c[0], 1, 1448, false, true);
	f[1] = flow_on(&c[1], 2, 1448, false, true);
	pass(&f[0], 1, S / 20);
	a = moved(&f[0], LINK_OUT);
	pass(&f[0], 1, S);
	expect_rate(moved(&f[0], LINK_OUT) - a, 3 * MBIT, S, "a user alone");
	pass(f, 2, S / 20);
	a = moved(&f[0], LINK_OUT);
	b = moved(&f[1], LINK_OUT);
	pass(f, 2, S);
	expect_rate(moved(&f[0], LINK_OUT) - a + moved(&f[1], LINK_OUT) - b, 4 * MBIT, S, "a role");
	client_free(&c[0]);
	client_free(&c[1]);
}

/* To come again is no way around it. */
Test(relay_cap, a_user_that_comes_again_has_no_more)
{
	struct link_caps m = group_caps(0, 77, 1 * MBIT);
	uint64_t all = 0, from = bench_now;

	for (unsigned int i = 0; i < 10; i++) {
		struct client c = client_with(&m);
		struct flow f = flow_on(&c, 1, 1448, false, true);

		pass(&f, 1, S / 20);
		all += moved(&f, LINK_OUT);
		go(&c);
	}
	cr_expect_leq(all, MBIT * (bench_now - from) / S + MBIT / METER_BURST_PART);
}

/* Beside other connections of the user that have all of it. */
Test(relay_cap, a_keystroke_does_not_wait_for_other_connections)
{
	struct link_caps m = group_caps(0, 77, 4 * MBIT);
	struct client c = client_with(&m), typist = client_with(&m);
	struct flow f = flow_on(&c, 1, 1448, true, true);
	struct bench_chan key = client_channel(&typist, 2, BENCH_WINDOW);

	for (unsigned int i = 0; i < 20; i++) {
		pass(&f, 1, 37000);
		client_data(&typist, key.local, "k", 1);
		fake_give(key.target, "echo", 4);
		bench_turn();
		bench_turn();
		cr_expect_eq(key.target->tx.len, 1);
		cr_expect_eq(inside(&typist, &key)->bytes_to_peer, 4 * (i + 1));
		fake_drain(key.target, NULL, key.target->tx.len);
	}
	client_free(&c);
	client_free(&typist);
}

static struct link_look_chan look_one(void)
{
	const struct link_look_result *res;
	struct link_look ask = {.id = 1};
	struct link_handle none = {0};

	down(LINK_CMD_LOOK, none, &ask, sizeof(ask), NULL, 0);
	bench_turn();
	res = up_expect(LINK_EV_LOOK, NULL);
	cr_assert_eq(res->n, 1);
	return *(const struct link_look_chan *)(res + 1);
}

/* Connections of which bytes waited for rates, n of them. */
static const struct link_look_conn *look_capped(uint32_t n)
{
	const struct link_look ask = {.id = 2, .what = LINK_LOOK_CAPPED};
	const struct link_look_result *res;
	struct link_handle none = {0};

	down(LINK_CMD_LOOK, none, &ask, sizeof(ask), NULL, 0);
	bench_turn();
	res = up_expect(LINK_EV_LOOK, NULL);
	cr_assert(res->what == LINK_LOOK_CAPPED && res->n == n && res->next == 0);
	return (const void *)(res + 1);
}

/* The sum of all its channels', those that are over included. */
Test(relay_cap, what_a_connection_waited_is_summed)
{
	struct link_caps m = caps_of(LINK_OUT, true, 8 * MBIT);
	struct client c = client_with(&m), other = client_with(&m);
	struct flow f = flow_on(&c, 1, 1448, false, true), g = flow_on(&c, 2, 1448, false, true);
	struct link_look_conn one;
	uint64_t us, bytes;

	(void)look_capped(0);
	pass(&f, 1, S / 20);
	pass(&g, 1, S / 20);
	one = look_capped(1)[0];
	us = one.capped_us[LINK_OUT];
	bytes = one.capped_bytes[LINK_OUT];
	cr_expect_eq(one.conn.index, c.h.index);
	cr_expect(us >= S / 10 * 8 / 10 && us <= 2 * S / 10, "%lu us", us);
	cr_expect_eq(one.capped_us[LINK_IN] + one.capped_bytes[LINK_IN], 0);
	client_simple(&c, SSH_MSG_CHANNEL_CLOSE, f.ch.local);
	bench_settle();
	while (up_next() != NULL)
		; /* its end */
	one = look_capped(1)[0];
	cr_expect_geq(one.capped_us[LINK_OUT], us, "what is over stays");
	cr_expect_geq(one.capped_bytes[LINK_OUT], bytes);
	client_free(&other);
	client_free(&c);
}

/* Who looks sees what a channel waits for. */
Test(relay_cap, who_looks_sees_the_cap)
{
	struct link_caps m = group_caps(1, 88, 64 * KBIT);
	struct client c = client_with(&m);
	struct flow f = flow_on(&c, 1, 1448, true, true);
	struct link_look_chan ch;

	pass(&f, 1, 30000);
	ch = look_one();
	cr_expect_eq(ch.slow_in, LINK_SLOW_CAP);
	cr_expect_eq(ch.slow_out, LINK_SLOW_CAP);
	client_free(&c);
}

/* For which of them, for how long, and how much: nearly all the time, and nearly all of it. */
Test(relay_cap, what_waits_for_a_cap_is_counted)
{
	for (enum link_capped by = LINK_CAPPED_CHANNEL; by < LINK_CAPPED_COUNT; by++) {
		const enum relay_counter us = RELAY_C_CAP_CHANNEL_TIME + by - LINK_CAPPED_CHANNEL,
					 bytes = RELAY_C_CAP_CHANNEL_BYTES + by -
						 LINK_CAPPED_CHANNEL;
		struct link_caps m = caps_of(LINK_OUT, true, 80 * MBIT);
		struct link_look_chan ch;
		struct client c;
		struct flow f;

		/* Another one is wider, and never in the way. */
		if (by == LINK_CAPPED_CHANNEL)
			m = caps_of(LINK_OUT, true, 8 * MBIT);
		else if (by == LINK_CAPPED_CONNECTION)
			m.conn[LINK_OUT].rate = 8 * MBIT;
		else
			m.group[by - LINK_CAPPED_USER] =
				group_caps(by - LINK_CAPPED_USER, 70 + by, 8 * MBIT)
					.group[by - LINK_CAPPED_USER];
		c = client_with(&m);
		f = flow_on(&c, 1, 1448, false, true);
		pass(&f, 1, S / 5);
		ch = look_one();
		cr_expect_eq(ch.capped[LINK_OUT], by);
		cr_expect(ch.capped_us[LINK_OUT] > S / 5 * 80 / 100 &&
				  ch.capped_us[LINK_OUT] <= S / 5,
			  "%u: %llu us", by, (unsigned long long)ch.capped_us[LINK_OUT]);
		cr_expect(ch.capped_bytes[LINK_OUT] > MBIT && ch.capped_bytes[LINK_OUT] <= 2 * MBIT,
			  "%u: %llu bytes", by, (unsigned long long)ch.capped_bytes[LINK_OUT]);
		cr_expect_eq(ch.capped[LINK_IN], LINK_CAPPED_NOT);
		cr_expect_eq(ch.capped_us[LINK_IN] + ch.capped_bytes[LINK_IN], 0);
		cr_expect_geq(bench_count(bytes), ch.capped_bytes[LINK_OUT]);
		go(&c);
		cr_expect_geq(bench_count(us), ch.capped_us[LINK_OUT],
			      "with its last, once it is gone");
	}
	cr_expect_leq(bench_count(RELAY_C_CAP_CHANNEL_TIME), S / 5);
}

/* --- of several shards: each looks when it looks, one of them at every chance, one seldom -------
 */

static void share_budget(unsigned int shards, bool one_is_idle, uint64_t rate)
{
	static const unsigned int every_us[] = {1, 100, 700, 5000};
	static const uint64_t want[] = {UINT64_MAX, UINT64_MAX, UINT64_MAX, 20};
	struct link_group g = {.key = 5};
	uint64_t now = 1, ready[4] = {0}, got[4] = {0}, asked[4] = {0}, all = 0, us = S;
	struct budgets *b;
	struct budget *of;

	cr_assert_eq(budgets_new(4, &b), 0);
	g.rate[LINK_OUT].rate = rate;
	of = budget_of(b, &g, now);
	(void)budget_ask(of, LINK_OUT, (uint32_t)RTE_MAX(rate / METER_BURST_PART, 128u), now);
	/* What is under way at the end was at the beginning. */
	for (; now <= S / 5 + us; now++) {
		for (unsigned int i = 0; now == S / 5 && i < 4; i++)
			all = got[i] = 0;
		for (unsigned int i = 0; i < shards; i++) {
			uint32_t chunk = budget_chunk(of, LINK_OUT);

			if (now % every_us[i] != 0 || ready[i] > now ||
			    (one_is_idle && got[i] >= rate / want[i] && want[i] != UINT64_MAX))
				continue;
			got[i] += asked[i];
			all += asked[i];
			asked[i] = chunk;
			ready[i] = budget_ask(of, LINK_OUT, chunk, now);
		}
	}
	expect_rate(all, rate, us, "all shards");
	for (unsigned int i = 0; i < shards && !one_is_idle && every_us[i] <= 700; i++)
		cr_expect_geq(got[i] * shards * 100, all * 80, "%u of %u: %llu of %llu", i, shards,
			      (unsigned long long)got[i], (unsigned long long)all);
	budget_leave(b, of);
	budgets_free(b);
}

Test(relay_cap, shards_share_a_budget_however_uneven_they_are)
{
	for (unsigned int shards = 1; shards <= 4; shards *= 2) {
		share_budget(shards, false, 1 * MBIT);
		share_budget(shards, true, 1 * MBIT);
		share_budget(shards, false, 10 * MBIT);
		share_budget(shards, true, 100 * MBIT);
	}
}

/* As many as there are places where one is looked for; one that was left makes room. Who finds none
 * has no more for it: they are one, at the least rate. */
Test(relay_cap, budgets_are_bounded)
{
	struct link_group g = {.key = 1000, .rate = {{MBIT, 0, 0}, {MBIT, 0, 0}}};
	struct budget *first = NULL, *b, *late;
	struct budgets *all;
	uint64_t now = 1, least;

	cr_assert_eq(budgets_new(64, &all), 0);
	for (unsigned int i = 0; i < 64; i++, g.key += 1 << 20) {
		b = budget_of(all, &g, now);
		cr_assert_not_null(b);
		cr_assert_not(budget_is_shared(b));
		first = first != NULL ? first : b;
	}
	late = budget_of(all, &g, now);
	cr_assert(budget_is_shared(late));
	least = budget_ask(late, LINK_IN, MBIT, now);
	cr_expect_gt(least, now + S / 2);
	g.key += 1 << 20;
	g.rate[LINK_IN].rate = 10 * MBIT;
	g.rate[LINK_OUT].rate = MBIT / 10;
	cr_expect_eq(budget_of(all, &g, now), late);
	cr_expect_geq(budget_ask(late, LINK_IN, MBIT, now), least + S / 2, "no faster for another");
	cr_expect_gt(budget_ask(late, LINK_OUT, MBIT, now), now + 5 * S, "but slower");
	g.rate[LINK_OUT].rate = 0;
	cr_expect_eq(budget_of(all, &g, now), late);
	cr_expect_gt(budget_chunk(late, LINK_OUT), 0, "nor without end");
	budget_leave(all, first);
	b = budget_of(all, &g, now);
	cr_expect_eq(b, first);
	cr_expect_not(budget_is_shared(b));
	g.key = 1000;
	cr_expect_eq(budget_of(all, &g, now), late);
	/* Once nobody is left of them it is what the next one says. */
	for (unsigned int i = 0; i < 4; i++)
		budget_leave(all, late);
	g.rate[LINK_IN].rate = 10 * MBIT;
	cr_expect_eq(budget_of(all, &g, now), late);
	cr_expect_lt(budget_ask(late, LINK_IN, MBIT, now), now + S / 2);
	budgets_free(all);
}

/* --- meter.c -----------------------------------------------------------------------------------
 */

Test(relay_cap, a_meter_is_exact_however_often_it_is_looked_at)
{
	for (unsigned int step = 1; step <= 1000; step *= 10) {
		struct meter m = {0};
		uint64_t now = 1, sum = 0;

		meter_set(&m, 333333, 20000, now);
		meter_take(&m, 20000);
		for (; now < S; now += step) {
			int64_t n = meter_room(&m, now);

			if (n >= 100) {
				meter_take(&m, (uint32_t)n);
				sum += (uint64_t)n;
			}
		}
		cr_expect(sum <= 333333 && sum >= 333333 - 700, "%u us: %llu", step,
			  (unsigned long long)sum);
	}
}

Test(relay_cap, a_meter_does_not_overflow)
{
	struct meter m = {0};

	meter_set(&m, UINT64_MAX, UINT32_MAX, 0);
	cr_expect_eq(m.rate, METER_RATE_MAX);
	meter_take(&m, UINT32_MAX);
	cr_expect_lt(meter_room(&m, 0), 0);
	cr_expect_eq(meter_room(&m, UINT64_MAX - 1), METER_BURST_MAX);
	meter_set(&m, 1000, 1, UINT64_MAX - 1);
	cr_expect_eq(m.burst, METER_BURST_MIN);
	cr_expect_geq(m.chunk, 1);
	cr_expect_eq(meter_room(&m, UINT64_MAX - 1), METER_BURST_MIN);
}

/* A chunk is always there in the end. */
Test(relay_cap, what_is_waited_for_comes)
{
	for (uint64_t rate = 1000; rate <= METER_RATE_MAX; rate = rate * 7 / 2) {
		for (uint32_t burst = 0; burst <= METER_BURST_MAX / 2; burst = burst * 5 + 1) {
			struct meter m = {0};

			meter_set(&m, rate, burst, 0);
			cr_assert_leq(m.chunk, m.burst, "%llu %u", (unsigned long long)rate, burst);
			cr_assert_geq(m.chunk, 1);
			meter_take(&m, m.burst);
			cr_assert_geq(meter_room(&m, meter_ready_us(&m, m.chunk)),
				      (int64_t)m.chunk);
			cr_assert_lt(meter_room(&m, 0), (int64_t)m.chunk + m.burst + 1);
		}
	}
}
