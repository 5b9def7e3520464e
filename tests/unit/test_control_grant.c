/* control/session/grant.c: who opens a target twice needs not ask a third time. */
#include "tests/util/session_bench.h"

#define HOST "203.0.113.5"
#define NAME "LocalHost"

static void begin(void)
{
	start_later("LogLevel VERBOSE\nPermitOpen any\nMatch User demo\nPermitOpen *:*");
}

TestSuite(control_grant, .init = begin, .fini = teardown, .timeout = 60);

static void ask(struct client *c, const char *host, uint16_t port)
{
	uint8_t buf[512];
	struct ssh_str open = {buf, open_build(buf, sizeof(buf), host, port)};

	client_payload(c, &open);
}

static void fini(struct client *c)
{
	conn_over(&c->conn);
	ssh_brain_free(c->brain);
}

/* The grant a second open earns; what came before it is passed over. */
static struct link_grant granted(struct client *c)
{
	const struct link_grant *g;

	ask(c, HOST, 80);
	ask(c, HOST, 80);
	g = item_of(LINK_CMD_GRANT);
	cr_assert_not_null(g);
	return *g;
}

static void chan_opened(const struct client *c, uint64_t token, uint32_t local)
{
	const struct link_chan_ref ev = {
		.token = token, .local_channel = local, .target = {.family = 4, .port = 80}};

	cr_assert_eq(event(&c->conn, LINK_EV_CHAN_OPENED, &ev, sizeof(ev), NULL, 0), 0);
}

static void chan_ended(const struct client *c, uint64_t token, uint32_t local, bool told)
{
	const struct link_chan_end ev = {
		.audit_id = 7, .token = token, .local_channel = local, .told = told};

	cr_assert_eq(event(&c->conn, LINK_EV_CHAN_END, &ev, sizeof(ev), NULL, 0), 0);
}

Test(control_grant, the_second_open_earns_a_grant)
{
	struct client c = client_in(1, 1);
	const struct link_chan_connect *m;
	const struct link_grant *g;
	uint64_t asked[2];

	ask(&c, HOST, 80);
	m = item_of(LINK_IT_CHAN_CONNECT);
	cr_assert_not_null(m);
	asked[0] = m->token;
	cr_expect_null(item_of(LINK_CMD_GRANT));
	ask(&c, HOST, 80);
	m = item_of(LINK_IT_CHAN_CONNECT);
	cr_assert_not_null(m);
	asked[1] = m->token;
	g = item_of(LINK_CMD_GRANT);
	cr_assert_not_null(g);
	cr_expect_eq(g->lifetime_ms, 60000);
	cr_expect_eq(g->connect_timeout_ms, 60000);
	cr_expect_eq(g->port, 80);
	cr_expect_eq(g->host_len, strlen(HOST));
	cr_expect_eq(memcmp(g->host, HOST, strlen(HOST)), 0);
	cr_expect_eq(g->n_addrs, 1);
	cr_expect_eq(g->addr[0].port, 80);
	cr_expect_eq(memcmp(g->addr[0].addr, (uint8_t[]){203, 0, 113, 5}, 4), 0);
	cr_expect(g->token != asked[0] && g->token != asked[1]);
	fini(&c);
}

Test(control_grant, other_targets_are_counted_apart)
{
	struct client c = client_in(1, 1), d = client_in(2, 2);

	ask(&c, HOST, 80);
	ask(&c, HOST, 81);
	ask(&c, "203.0.113.6", 80);
	ask(&d, HOST, 80);
	cr_expect_null(item_of(LINK_CMD_GRANT));
	fini(&c);
	fini(&d);
}

/* Who goes round among many targets opens each of them twice, too. */
Test(control_grant, many_targets_in_turns)
{
	struct client c = client_in(1, 1);
	unsigned int given = 0;

	for (unsigned int i = 0; i < 3 * 32; i++)
		ask(&c, HOST, (uint16_t)(1000 + i % 32));
	while (item_of(LINK_CMD_GRANT) != NULL)
		given++;
	cr_expect_eq(given, 2 * 32);
	fini(&c);
}

/* What a rule refuses is never granted, however often it is asked for. */
Test(control_grant, a_refused_target_earns_none)
{
	struct client c = client_in(1, 1);

	for (int i = 0; i < 5; i++)
		ask(&c, "127.0.0.1", 80);
	cr_expect_null(item_of(LINK_CMD_GRANT));
	fini(&c);
}

static void forbidden(void)
{
	start("Match User demo\nOpenGrantTime 0");
	t.env.now_ms = now_ms;
	clock_follow(t.clock, now_ms);
}

Test(control_grant_off, match_user_forbids_them, .init = forbidden, .fini = teardown)
{
	struct client c = client_in(1, 1);

	for (int i = 0; i < 5; i++)
		ask(&c, HOST, 80);
	cr_expect_null(item_of(LINK_CMD_GRANT));
	fini(&c);
}

/* All that audit has of a channel that is asked for, it has of one that is granted. */
Test(control_grant, its_channels_are_known_by_its_token)
{
	struct client c = client_in(1, 1);
	struct link_grant g = granted(&c);

	chan_opened(&c, g.token, 6);
	chan_opened(&c, g.token, 7);
	cr_expect_eq(t.env.stats.channels, 2);
	cr_expect(logged("channel 7 of user demo from 192.0.2.9 port 9: connected to " HOST
			 " port 80"));
	chan_ended(&c, g.token, 6, true);
	cr_expect_eq(t.env.stats.channels, 1);
	cr_expect(logged("channel end: user demo from 192.0.2.9 port 9 to " HOST " port 80"));
	chan_ended(&c, g.token, 9, false); /* its opening was not told of */
	cr_expect_eq(t.env.stats.channels, 1);
	chan_ended(&c, g.token, 7, true);
	cr_expect_eq(t.env.stats.channels, 0);
	fini(&c);
}

Test(control_grant, a_failure_names_its_target)
{
	struct client c = client_in(1, 1);
	struct link_grant g = granted(&c);
	const struct link_chan_failed ev = {
		.token = g.token, .err = -ECONNREFUSED, .reason = SSH_OPEN_CONNECT_FAILED};

	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_FAILED, &ev, sizeof(ev), NULL, 0), 0);
	cr_expect(logged("connect_to " HOST " port 80: failed: Connection refused."));
	fini(&c);
}

Test(control_grant, channels_of_a_connection_that_ends_are_none_any_more)
{
	struct client c = client_in(1, 1);
	struct link_grant g = granted(&c);

	chan_opened(&c, g.token, 6);
	cr_expect_eq(t.env.stats.channels, 1);
	fini(&c);
	cr_expect_eq(t.env.stats.channels, 0);
}

/* Its time over, the shard asks: the same token again, for the same thing is said. */
Test(control_grant, asked_again_it_is_given_again)
{
	struct client c = client_in(1, 1);
	struct link_grant g = granted(&c);
	const struct link_grant *more;

	chan_opened(&c, g.token, 6);
	later_ms = 61000;
	ask(&c, HOST, 80);
	more = item_of(LINK_CMD_GRANT);
	cr_assert_not_null(more);
	cr_expect_eq(more->token, g.token);
	chan_ended(&c, g.token, 6, true);
	cr_expect(logged("channel end: user demo from 192.0.2.9 port 9 to " HOST " port 80"));
	fini(&c);
}

/* A channel that outlives its grant by far is still attributed. */
Test(control_grant, an_old_channel_is_known_by_it)
{
	struct client c = client_in(1, 1);
	struct link_grant g = granted(&c);

	chan_opened(&c, g.token, 6);
	later_ms = 48 * 3600 * 1000;
	ask(&c, "203.0.113.7", 80);
	ask(&c, "203.0.113.7", 80);
	chan_ended(&c, g.token, 6, true);
	cr_expect(logged("channel end: user demo from 192.0.2.9 port 9 to " HOST " port 80"));
	/* And with its last channel it is forgotten. */
	chan_ended(&c, g.token, 6, true);
	cr_expect(logged("to - port 0"));
	fini(&c);
}

/* Of one connection so many are remembered; behind them it goes on asking. */
Test(control_grant, they_are_bounded)
{
	struct client c = client_in(1, 1);
	unsigned int given = 0;

	for (uint16_t port = 1; port <= 200; port++) {
		ask(&c, HOST, port);
		ask(&c, HOST, port);
	}
	while (item_of(LINK_CMD_GRANT) != NULL)
		given++;
	cr_expect_eq(given, 64);
	later_ms = 200000;
	ask(&c, HOST, 200);
	cr_expect_not_null(item_of(LINK_CMD_GRANT));
	fini(&c);
}

static uint64_t wall_s;

static uint64_t wall(void)
{
	return wall_s;
}

static void by_the_hour(void)
{
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	start("TargetRule allow any time=Mon/08:00-18:00");
	t.env.now_ms = now_ms;
	clock_follow(t.clock, now_ms);
	t.env.sources.wall = wall;
}

/* A grant does not outlive the minute in which a rule may say something else. */
Test(control_grant_hours, it_ends_with_the_minute, .init = by_the_hour, .fini = teardown)
{
	struct client c;
	const struct link_grant *g;

	wall_s = 1774249175; /* Monday, 23 March 2026, 07:59:35 by the clock on the wall */
	c = client_in(1, 1);
	ask(&c, HOST, 80);
	cr_expect_null(item_of(LINK_IT_CHAN_CONNECT));
	wall_s += 50; /* 08:00:25 */
	ask(&c, HOST, 80);
	cr_expect_not_null(item_of(LINK_IT_CHAN_CONNECT));
	ask(&c, HOST, 80);
	g = item_of(LINK_CMD_GRANT);
	cr_assert_not_null(g);
	cr_expect_eq(g->lifetime_ms, 35000);
	/* A week later, when the clocks are an hour ahead: 06:00 UTC is 08:00. */
	wall_s = 1774249175 + 7 * 86400 - 3600;
	ask(&c, HOST, 80);
	cr_expect_null(item_of(LINK_IT_CHAN_CONNECT));
	wall_s += 25;
	ask(&c, HOST, 80);
	cr_expect_not_null(item_of(LINK_IT_CHAN_CONNECT));
	fini(&c);
}

/* Rules may be others for who comes next: a shard that attaches holds none. */
Test(control_grant, all_of_a_shard_are_revoked_at_once)
{
	const struct link_revoke *m;

	session_table_revoke(t.table);
	m = item_of(LINK_CMD_REVOKE);
	cr_assert_not_null(m);
	cr_expect_eq(m->token, 0);
}
