/*
 * dataplane/relay/weight.c: where there is not enough for all each has its share of it, of turns
 * and of caps, and nobody waits for what another does not take.
 */
#define BENCH_STREAMS 64
#define BENCH_CONNS   20
#define BENCH_MSGS    8192
#define BENCH_TABLE   64
#include "tests/util/relay_flow.h"

#define QUANTUM 16384
#define MANY    8

static struct client client[MANY];
static struct flow flow[MANY];
static unsigned int n_flows;

static void setup(void)
{
	bench_start();
	quantum_init(&bench->quantum, QUANTUM, 0, 1);
}

static void teardown(void)
{
	for (unsigned int i = 0; i < n_flows; i++)
		client_free(&client[i]);
	bench_end();
}

TestSuite(relay_weight, .init = setup, .fini = teardown);

static void told(struct client *c, const struct link_shares *m)
{
	down(LINK_IT_SHARES, c->h, m, sizeof(*m), NULL, 0);
}

/* One that moves as much as it may; shares NULL: nothing is said of it. */
static struct flow *begin(const struct link_shares *shares, const struct link_caps *caps, bool in)
{
	unsigned int i = n_flows++;

	client[i] = client_with(caps);
	client[i].f->budget = 1 << 20;
	if (shares != NULL)
		told(&client[i], shares);
	flow[i] = flow_on(&client[i], i + 1, in ? 8192 : 1448, in, !in);
	return &flow[i];
}

static struct link_shares own(uint16_t share)
{
	return (struct link_shares){.own = share};
}

static struct link_shares of_user(uint64_t key, uint16_t share)
{
	return (struct link_shares){.own = 1, .user_key = key, .user = share};
}

/* So many turns, each of which finds more than it may move. */
static void turns(unsigned int n)
{
	while (n-- > 0) {
		for (unsigned int i = 0; i < n_flows; i++)
			feed(&flow[i]);
		bench_turn();
	}
}

/* What each has moved in between. */
static void measure(uint64_t *ret, unsigned int n, enum link_way way)
{
	turns(100);
	for (unsigned int i = 0; i < n_flows; i++)
		ret[i] = moved(&flow[i], way);
	turns(n);
	for (unsigned int i = 0; i < n_flows; i++)
		ret[i] = moved(&flow[i], way) - ret[i];
}

static void measure_us(uint64_t *ret, uint64_t us, enum link_way way)
{
	pass(flow, n_flows, S / 5);
	for (unsigned int i = 0; i < n_flows; i++)
		ret[i] = moved(&flow[i], way);
	pass(flow, n_flows, us);
	for (unsigned int i = 0; i < n_flows; i++)
		ret[i] = moved(&flow[i], way) - ret[i];
}

/* Within 2 % of so many parts of all. */
static void expect_part(uint64_t bytes, uint64_t all, unsigned int part, unsigned int of)
{
	double off = (double)bytes * of / ((double)all * part) - 1;

	cr_expect(off < 0.02 && off > -0.02, "%llu of %llu: %.2f %% off %u of %u",
		  (unsigned long long)bytes, (unsigned long long)all, 100 * off, part, of);
}

static uint64_t sum(const uint64_t *bytes, unsigned int from, unsigned int n)
{
	uint64_t all = 0;

	for (unsigned int i = from; i < from + n; i++)
		all += bytes[i];
	return all;
}

static const enum link_way ways[] = {LINK_IN, LINK_OUT};

Test(relay_weight, connections_have_their_shares_of_a_turn)
{
	static const uint16_t share[] = {1, 2, 5, 0}; /* 0: nobody said one */
	uint64_t got[MANY];

	for (unsigned int w = 0; w < 2; w++) {
		for (unsigned int i = 0; i < RTE_DIM(share); i++) {
			struct link_shares m = own(share[i]);

			begin(share[i] != 0 ? &m : NULL, NULL, ways[w] == LINK_IN);
		}
		measure(got, 2000, ways[w]);
		for (unsigned int i = 0; i < RTE_DIM(share); i++)
			expect_part(got[i], sum(got, 0, 4), share[i] != 0 ? share[i] : 1, 9);
		for (unsigned int i = 0; i < n_flows; i++)
			go(&client[i]);
		n_flows = 0;
	}
}

/* However many connections he has. */
Test(relay_weight, users_have_their_shares_of_a_turn)
{
	struct link_shares many = of_user(77, 1), one = of_user(78, 1), more = of_user(79, 2);
	uint64_t got[MANY], all;

	for (unsigned int i = 0; i < 4; i++)
		begin(&many, NULL, false);
	begin(&one, NULL, false);
	begin(&more, NULL, false);
	measure(got, 4000, LINK_OUT);
	all = sum(got, 0, 6);
	expect_part(sum(got, 0, 4), all, 1, 4);
	expect_part(got[0], all, 1, 16);
	expect_part(got[4], all, 1, 4);
	expect_part(got[5], all, 2, 4);
}

/* Of a role its users, of a user his connections. */
Test(relay_weight, roles_have_their_shares_of_a_turn)
{
	struct link_shares a = of_user(77, 1), b = of_user(78, 3), c = own(4), d = of_user(79, 1);
	uint64_t got[MANY], all;

	a.role_key = b.role_key = c.role_key = 88;
	a.role = b.role = c.role = 3;
	d.role_key = 89;
	d.role = 1;
	begin(&a, NULL, false);
	begin(&a, NULL, false);
	begin(&b, NULL, false);
	begin(&c, NULL, false); /* for himself, beside users */
	begin(&d, NULL, false);
	measure(got, 4000, LINK_OUT);
	all = sum(got, 0, 5);
	expect_part(sum(got, 0, 4), all, 3, 4);
	expect_part(got[0] + got[1], all, 3, 32);
	expect_part(got[2], all, 9, 32);
	expect_part(got[3], all, 12, 32);
	expect_part(got[4], all, 1, 4);
}

/* Rounds until it may move something. */
static unsigned int rounds_of(unsigned int i, enum link_way way)
{
	struct conn *c = flow[i].inside->conn;
	unsigned int n = 1;

	for (; n < 100000 && weight_part(c, way, QUANTUM) == 0; n++)
		continue;
	return n;
}

/* A part of a part of a part is less than a byte of a round, and still comes. */
Test(relay_weight, who_has_the_least_of_all_waits_and_is_served)
{
	struct link_shares m[] = {of_user(77, 1), of_user(77, 1), of_user(78, 100), own(1)};
	unsigned int n;
	double exact = QUANTUM_BYTES_MIN * 101.0 * 101 * 101 / (RTE_DIM(m) * QUANTUM);

	m[1].own = 100;
	m[0].role_key = m[1].role_key = m[2].role_key = 88;
	m[0].role = m[1].role = m[2].role = 1;
	m[3].role_key = 89;
	m[3].role = 100;
	for (unsigned int i = 0; i < RTE_DIM(m); i++)
		begin(&m[i], NULL, false);
	turns(100);
	n = rounds_of(0, LINK_OUT);
	cr_expect(n > exact * 0.98 && n < exact * 1.02, "after %u rounds, not %.0f", n, exact);
}

/* What one does not take is there for the others, by their shares. */
Test(relay_weight, a_reader_that_is_stuck_slows_nobody)
{
	struct link_shares m[] = {own(100), own(1), own(2)};
	uint64_t got[MANY], all;

	for (unsigned int i = 0; i < 3; i++)
		begin(&m[i], NULL, false);
	turns(10);
	client[0].f->budget = 0;
	flow[0].out = false;
	measure(got, 1000, LINK_OUT);
	all = sum(got, 0, 3);
	cr_expect_leq(got[0], 300000u, "what was on its way");
	expect_part(got[1], all, 1, 3);
	expect_part(got[2], all, 2, 3);
	cr_expect_geq(all, (uint64_t)1000 * 2 * QUANTUM * 98 / 100, "and turns are full");
}

/* A share may change while bytes flow, and end. */
Test(relay_weight, a_share_may_change)
{
	static const uint16_t share[] = {3, 1, 9};
	struct link_shares m[2] = {own(1), of_user(77, 1)}, none = own(1);
	uint64_t got[MANY];

	begin(&m[0], NULL, false);
	begin(&m[1], NULL, false);
	for (unsigned int i = 0; i < RTE_DIM(share); i++) {
		m[1].user = share[i];
		told(&client[1], &m[1]);
		measure(got, 1000, LINK_OUT);
		expect_part(got[1], got[0] + got[1], share[i], share[i] + 1u);
	}
	told(&client[1], &none);
	bench_turn();
	cr_expect_eq(bench->weights.told, 0);
	measure(got, 1000, LINK_OUT);
	expect_part(got[1], got[0] + got[1], 1, 2);
}

/* Beside bulk of a large share what is typed goes in its turn. */
Test(relay_weight, a_keystroke_waits_for_no_share)
{
	struct link_shares m = own(100);
	struct client typist = client_with(NULL);
	struct bench_chan key = client_channel(&typist, 7, BENCH_WINDOW);

	for (unsigned int i = 0; i < 4; i++)
		begin(&m, NULL, i % 2 == 0);
	turns(50);
	for (unsigned int i = 0; i < 200; i++) {
		uint64_t before = inside(&typist, &key)->bytes_to_peer;

		client_data(&typist, key.local, "k", 1);
		fake_give(key.target, "echo", 4);
		turns(1);
		cr_expect_eq(key.target->tx.len, 1);
		cr_expect_eq(inside(&typist, &key)->bytes_to_peer, before + 4);
		fake_drain(key.target, NULL, key.target->tx.len);
		client_pull(&typist);
	}
	client_free(&typist);
}

/* --- of caps ------------------------------------------------------------------------------------
 */

static struct link_caps rate_of(enum link_cap_group i, uint64_t rate)
{
	struct link_caps m = {0};

	m.group[i].key = 55;
	m.group[i].rate[LINK_IN].rate = m.group[i].rate[LINK_OUT].rate = rate;
	return m;
}

Test(relay_weight, connections_have_their_shares_of_a_users_rate)
{
	struct link_caps caps = rate_of(LINK_CAP_USER, 8 * MBIT);
	struct link_shares m[] = {own(1), own(3), own(4)};
	uint64_t got[MANY], all;

	for (unsigned int w = 0; w < 2; w++) {
		for (unsigned int i = 0; i < 3; i++)
			begin(&m[i], &caps, ways[w] == LINK_IN);
		measure_us(got, 4 * S, ways[w]);
		all = sum(got, 0, 3);
		expect_rate(all, 8 * MBIT, 4 * S, "all");
		for (unsigned int i = 0; i < 3; i++) {
			expect_part(got[i], all, m[i].own, 8);
			go(&client[i]);
		}
		n_flows = 0;
	}
}

Test(relay_weight, users_have_their_shares_of_a_roles_rate)
{
	struct link_caps caps = rate_of(LINK_CAP_ROLE, 8 * MBIT);
	struct link_shares a = of_user(77, 1), b = of_user(78, 2);
	uint64_t got[MANY], all;

	a.role_key = b.role_key = 88;
	a.role = b.role = 1;
	for (unsigned int i = 0; i < 3; i++)
		begin(&a, &caps, false);
	begin(&b, &caps, false);
	measure_us(got, 4 * S, LINK_OUT);
	all = sum(got, 0, 4);
	expect_rate(all, 8 * MBIT, 4 * S, "all");
	expect_part(sum(got, 0, 3), all, 1, 3);
	expect_part(got[3], all, 2, 3);
}

/* Who waited and closed his channel wants nothing of his user's part. */
Test(relay_weight, who_closes_what_waited_waits_no_more)
{
	struct link_caps caps = rate_of(LINK_CAP_ROLE, 8 * MBIT);
	struct link_shares a = of_user(77, 1), b = of_user(78, 1);
	uint64_t got[MANY], all;

	begin(&a, &caps, false);
	begin(&a, &caps, false);
	begin(&b, &caps, false);
	pass(flow, 3, S);
	for (unsigned int i = 0; i < 1000 && !flow[0].inside->conn->tx_capped; i++)
		pass(flow, 3, 1000);
	cr_assert(flow[0].inside->conn->tx_capped);
	client_simple(&client[0], SSH_MSG_CHANNEL_CLOSE, flow[0].ch.local);
	bench_turn();
	client_pull(&client[0]);
	for (unsigned int i = 1; i < 3; i++)
		got[i] = moved(&flow[i], LINK_OUT);
	pass(flow + 1, 2, 4 * S);
	for (unsigned int i = 1; i < 3; i++)
		got[i] = moved(&flow[i], LINK_OUT) - got[i];
	all = sum(got, 1, 2);
	expect_part(got[1], all, 1, 2);
	expect_part(got[2], all, 1, 2);
}

Test(relay_weight, channels_have_their_shares_of_a_connections_rate)
{
	static const uint8_t share[] = {1, 4, 0};
	struct link_caps caps = {.conn = {{.rate = 8 * MBIT}, {.rate = 8 * MBIT}}};
	uint64_t got[MANY], all;

	for (unsigned int w = 0; w < 2; w++) {
		struct client c = client_with(&caps);

		for (unsigned int i = 0; i < 3; i++) {
			flow[i] = flow_on(&c, i + 1, 1448, ways[w] == LINK_IN, ways[w] == LINK_OUT);
			flow[i].inside->share = share[i];
		}
		n_flows = 3;
		measure_us(got, 8 * S, ways[w]);
		all = sum(got, 0, 3);
		expect_rate(all, 8 * MBIT, 8 * S, "all");
		for (unsigned int i = 0; i < 3; i++)
			expect_part(got[i], all, share[i] != 0 ? share[i] : 1, 6);
		n_flows = 0;
		go(&c);
	}
}

/* What nobody holds any more is there again. */
Test(relay_weight, groups_are_given_back)
{
	for (unsigned int i = 0; i < 20; i++) {
		struct link_shares m = of_user(1000 + i, 2);

		m.role_key = 5;
		m.role = 2;
		begin(&m, NULL, false);
		turns(4);
		cr_expect_eq(bench->weights.told, 1);
		go(&client[0]);
		n_flows = 0;
		cr_expect_eq(bench->weights.told, 0);
		for (unsigned int kind = 0; kind < WEIGHT_KINDS; kind++)
			cr_expect_eq(bench->weights.top[kind][LINK_OUT], 0);
		cr_expect_eq(bench->weights.n[LINK_OUT], 0);
	}
	cr_expect_eq(relay_counters(bench)[RELAY_C_SHARES_FULL], 0);
}

/* A table is as large as all connections may want; where one is in the way for all of these, who
 * finds no place has no more for it. */
Test(relay_weight, who_finds_no_place_shares_one)
{
	struct link_shares m = of_user(77, 100), role = of_user(79, 100);
	uint64_t got[MANY], all;
	const uint32_t size = bench->weights.size;

	bench->weights.size = 1;
	begin(&m, NULL, false);
	bench_turn();
	m.user_key = 78;
	begin(&m, NULL, false);
	role.role_key = 80;
	role.role = 100;
	begin(&role, NULL, false);
	bench_turn();
	cr_expect_eq(relay_counters(bench)[RELAY_C_SHARES_FULL], 3);
	begin(NULL, NULL, false);
	measure(got, 4000, LINK_OUT);
	all = sum(got, 0, 4);
	expect_part(got[0], all, 100, 102);
	expect_part(sum(got, 1, 2), all, 1, 102);
	expect_part(got[3], all, 1, 102);
	while (n_flows > 0)
		go(&client[--n_flows]);
	cr_expect_eq(bench->weights.told, 0);
	for (unsigned int kind = 0; kind < WEIGHT_KINDS; kind++)
		cr_expect_eq(bench->weights.top[kind][LINK_OUT], 0);
	bench->weights.size = size;
}
