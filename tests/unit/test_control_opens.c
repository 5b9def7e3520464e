/*
 * control/session: opens without end on one connection (S-54): each is answered, none leaves
 * anything behind. Opens whose target does not answer (S-58): one user's cost no other's.
 */
#include <malloc.h>

#include "control/admin/limits.h"
#include "control/count.h"
#include "control/session/internal.h"
#include "control/session/tally.h"
#include "tests/util/rnd.h"
#include "tests/util/session_bench.h"

static void begin(void)
{
	start("LogLevel QUIET\nSlowPathRate 0\nMaxChannelsPerConnection 4\nPermitOpen any\n"
	      "Match User demo\nPermitOpen *:80 203.0.113.5:22");
}

TestSuite(control_opens, .init = begin, .fini = teardown, .timeout = 600);

static uint32_t build(uint8_t *buf, size_t size, const char *type, uint32_t number,
		      const char *host, uint16_t port)
{
	struct ssh_direct_tcpip d = {ssh_str_c(host), port, ssh_str_c("::1"), 1};
	struct ssh_chan_open m = {.type = ssh_str_c(type),
				  .sender_channel = number,
				  .window_size = 65536,
				  .packet_max = 32768};
	uint8_t rest[256];
	struct ssh_wr w;

	ssh_wr_init(&w, rest, sizeof(rest));
	if (host[0] != '\0')
		ssh_direct_tcpip_build(&w, &d);
	else
		ssh_wr_bytes(&w, "junk", 4);
	m.rest = (struct ssh_str){rest, (uint32_t)ssh_wr_done(&w)};
	ssh_wr_init(&w, buf, size);
	ssh_chan_open_build(&w, &m);
	return (uint32_t)ssh_wr_done(&w);
}

/* The reason of the next CHANNEL_OPEN_FAILURE, which is about this number. */
static uint32_t refused(uint32_t number)
{
	const struct link_bytes *b = item_of(LINK_IT_PAYLOAD);
	struct ssh_chan_failure f;
	struct ssh_rd r;

	cr_assert_not_null(b, "no answer about %u", number);
	ssh_rd_init(&r, (const uint8_t *)(b + 1) + 1, b->len - 1);
	cr_assert_eq(*(const uint8_t *)(b + 1), SSH_MSG_CHANNEL_OPEN_FAILURE);
	cr_assert_eq(ssh_chan_failure_parse(&r, &f), 0);
	cr_assert_eq(f.recipient_channel, number);
	return f.reason;
}

/* Every way in which an open is refused without a shard having been asked. */
static const struct {
	const char *type, *host;
	uint16_t port;
	uint32_t reason;
} no[] = {
	{"direct-tcpip", "203.0.113.5", 23, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED},
	{"direct-tcpip", "127.0.0.1", 80, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED},
	{"direct-tcpip", "bad host", 80, SSH_OPEN_CONNECT_FAILED},
	{"direct-tcpip", "", 0, SSH_OPEN_CONNECT_FAILED},
	{"session", "", 0, SSH_OPEN_ADMINISTRATIVELY_PROHIBITED},
	{"x11", "", 0, SSH_OPEN_UNKNOWN_CHANNEL_TYPE},
};

#define NO (sizeof(no) / sizeof(no[0]))

Test(control_opens, s54_refused_ones_leave_nothing)
{
	uint32_t times = test_long() ? 10000000 : 10000;
	struct client c = client_in(1, 1);
	size_t held = 0;

	for (uint32_t i = 0; i < times; i++) {
		uint8_t buf[512];
		struct ssh_str open = {buf, build(buf, sizeof(buf), no[i % NO].type, i,
						  no[i % NO].host, no[i % NO].port)};

		client_payload(&c, &open);
		cr_assert_eq(refused(i), no[i % NO].reason, "%u", i);
		items_drop();
		if (i == 1000)
			held = mallinfo2().uordblks;
		if (i % 1000 == 999 && i > 1000)
			cr_assert_leq(mallinfo2().uordblks, held + 4096, "after %u", i);
	}
	cr_expect_eq(t.env.stats.channels, 0);
	conn_over(&c.conn);
	ssh_brain_free(c.brain);
}

/* Those the shard could not connect are gone as well, by its word about them. */
Test(control_opens, s54_failed_ones_leave_nothing)
{
	uint32_t times = test_long() ? 1000000 : 5000;
	struct client c = client_in(1, 1);
	size_t held = 0;

	for (uint32_t i = 0; i < times; i++) {
		uint8_t buf[512];
		struct ssh_str open = {buf, build(buf, sizeof(buf), "direct-tcpip", i,
						  "203.0.113.5", i % 2 != 0 ? 80 : 22)};
		const struct link_chan_connect *m;
		struct link_chan_failed ev = {.err = -ECONNREFUSED,
					      .reason = SSH_OPEN_CONNECT_FAILED};

		client_payload(&c, &open);
		m = item_of(LINK_IT_CHAN_CONNECT);
		cr_assert_not_null(m, "%u", i); /* never "too many channels" */
		ev.token = m->token;
		cr_assert_eq(event(&c.conn, LINK_EV_CHAN_FAILED, &ev, sizeof(ev), NULL, 0), 0);
		items_drop();
		if (i == 1000)
			held = mallinfo2().uordblks;
		if (i % 1000 == 999 && i > 1000)
			cr_assert_leq(mallinfo2().uordblks, held + 4096, "after %u", i);
	}
	conn_over(&c.conn);
	ssh_brain_free(c.brain);
}

/* --- targets that do not answer -------------------------------------------------------------- */

#define OF_USER 8
#define OF_ALL  24

static void begin_black_holes(void)
{
	start("LogLevel QUIET\nSlowPathRate 0\nOpenGrantTime 0\nMaxConnectingPerUser 8\n"
	      "MaxConnecting 24\nMatch User other\nMaxConnectingPerUser 12");
}

TestSuite(control_black_holes, .init = begin_black_holes, .fini = teardown, .timeout = 600);

static struct client user_in(const char *user, uint32_t index)
{
	bench_user = user;
	return client_in(index, index);
}

/* Asks; the token under which its shard connects, or 0 when it is refused for want of a place. */
static uint64_t black_hole(struct client *c, uint32_t number)
{
	uint8_t buf[512];
	struct ssh_str open = {buf,
			       build(buf, sizeof(buf), "direct-tcpip", number, "203.0.113.5", 80)};
	struct item *i;
	uint64_t token = 0;
	bool refusal = false;

	client_payload(c, &open);
	while ((i = item_next()) != NULL) {
		if (item_type(i) == LINK_IT_CHAN_CONNECT)
			token = ((const struct link_chan_connect *)link_msg_body(i->msg))->token;
		if (item_type(i) == LINK_IT_PAYLOAD) {
			const uint8_t *p =
				(const uint8_t *)link_msg_body(i->msg) + sizeof(struct link_bytes);

			cr_assert_eq(p[0], SSH_MSG_CHANNEL_OPEN_FAILURE);
			cr_assert_eq(p[8], SSH_OPEN_RESOURCE_SHORTAGE);
			refusal = true;
		}
		free(i);
	}
	cr_assert_neq(token != 0, refusal, "either connected or refused");
	return token;
}

/* The shard gives one up: OperationTimeout, which came with it, is over. */
static void times_out(const struct client *c, uint64_t token)
{
	const struct link_chan_failed ev = {
		.token = token, .err = -ETIMEDOUT, .reason = SSH_OPEN_CONNECT_FAILED};

	cr_assert_eq(event(&c->conn, LINK_EV_CHAN_FAILED, &ev, sizeof(ev), NULL, 0), 0);
	items_drop();
}

static void answers(const struct client *c, uint64_t token)
{
	const struct link_chan_ref ev = {
		.token = token, .local_channel = 1, .target = {.family = 4, .port = 80}};

	cr_assert_eq(event(&c->conn, LINK_EV_CHAN_OPENED, &ev, sizeof(ev), NULL, 0), 0);
}

static void leaves(struct client *c)
{
	conn_over(&c->conn);
	ssh_brain_free(c->brain);
	items_drop();
}

/* One user, on three connections, asks for black holes without end: the other notices nothing. */
Test(control_black_holes, s58_one_users_black_holes_cost_no_other)
{
	uint32_t times = test_long() ? 100000 : 2000, number = 0;
	struct client c[] = {user_in("demo", 1), user_in("demo", 2), user_in("demo", 3)};
	struct client d = user_in("other", 4);
	struct {
		const struct client *c;
		uint64_t token;
	} open[OF_USER];
	uint64_t refused_before = control_counted(CONTROL_C_CONNECTING_USER);
	size_t held = 0;

	for (uint32_t n = 0; n < OF_USER; n++) {
		open[n].c = &c[n % 3];
		open[n].token = black_hole(&c[n % 3], number++);
		cr_assert_neq(open[n].token, 0);
	}
	for (uint32_t i = 0; i < times; i++) {
		uint64_t token;

		cr_assert_eq(black_hole(&c[i % 3], number++), 0, "%u", i);
		cr_assert_eq(t.env.connecting.n, (uint32_t)OF_USER);
		token = black_hole(&d, number++); /* the other's are not refused */
		cr_assert_neq(token, 0);
		answers(&d, token);
		if (i % 7 == 0) { /* as places are given back, and not before, there are new ones */
			uint32_t k = i % OF_USER;

			times_out(open[k].c, open[k].token);
			open[k].token = black_hole(&c[i % 3], number++);
			open[k].c = &c[i % 3];
			cr_assert_neq(open[k].token, 0);
		}
		if (i % 100 == 99) { /* the other's open ones are not what is counted */
			leaves(&d);
			d = user_in("other", 4);
			if (held == 0)
				held = mallinfo2().uordblks;
			cr_assert_leq(mallinfo2().uordblks, held + 65536, "after %u", i);
		}
	}
	cr_expect_eq(control_counted(CONTROL_C_CONNECTING_USER) - refused_before, times);
	for (uint32_t i = 0; i < 3; i++)
		leaves(&c[i]);
	leaves(&d);
	cr_expect_eq(t.env.connecting.n, 0);
}

Test(control_black_holes, s58_all_users_together_have_a_bound)
{
	static const char *const user[] = {"demo", "other"};
	struct client c[] = {user_in("demo", 1), user_in("other", 2)};
	struct connecting_user *more[OF_ALL];
	uint64_t token, before = control_counted(CONTROL_C_CONNECTING);

	/* Others have all but one. */
	for (uint32_t i = 0; i < OF_ALL - 1; i++) {
		char name[16];

		snprintf(name, sizeof(name), "user%u", i);
		cr_assert_eq(connecting_enter(&t.env.connecting, name, OF_USER, OF_ALL, &more[i]),
			     0);
	}
	token = black_hole(&c[0], 1);
	cr_assert_neq(token, 0);
	cr_expect_eq(black_hole(&c[1], 2), 0, "%s", user[1]);
	cr_expect_eq(black_hole(&c[0], 3), 0, "%s", user[0]);
	cr_expect_eq(control_counted(CONTROL_C_CONNECTING) - before, 2);
	answers(&c[0], token); /* it is connected: it counts no more */
	token = black_hole(&c[1], 4);
	cr_expect_neq(token, 0);
	cr_expect_eq(black_hole(&c[0], 5), 0);
	leaves(&c[1]); /* its end gives the place back */
	cr_expect_neq(black_hole(&c[0], 6), 0);
	leaves(&c[0]);
	cr_expect_eq(t.env.connecting.n, (uint32_t)OF_ALL - 1);
	for (uint32_t i = 0; i < OF_ALL - 1; i++)
		connecting_leave(&t.env.connecting, more[i]);
}

Test(control_black_holes, s58_match_user_sets_the_limit)
{
	struct client c = user_in("demo", 1), d = user_in("other", 2);

	for (uint32_t i = 0; i < 14; i++) {
		cr_expect_eq(black_hole(&c, i) != 0, i < OF_USER, "%u", i);
		cr_expect_eq(black_hole(&d, i) != 0, i < 12, "%u", i);
	}
	leaves(&c);
	leaves(&d);
}

/* A name that is looked up is of those, too. */
Test(control_black_holes, s58_names_that_are_looked_up_count)
{
	struct client c = user_in("demo", 1);
	uint8_t buf[512];

	for (uint32_t i = 0; i < OF_USER; i++) {
		struct ssh_str open = {
			buf, build(buf, sizeof(buf), "direct-tcpip", i, "name.invalid", 80)};

		client_payload(&c, &open);
	}
	cr_expect_eq(t.env.connecting.n, (uint32_t)OF_USER);
	cr_expect_eq(black_hole(&c, 99), 0);
	leaves(&c); /* and the names with it */
	cr_expect_eq(t.env.connecting.n, 0);
}

/* --- how many are open at once ------------------------------------------------------------------
 */

static void begin_channels(void)
{
	start("LogLevel QUIET\nSlowPathRate 0\nMaxChannelsPerConnection 3\nMaxChannelsPerUser 5\n"
	      "MaxChannelsPerSource 7\nPermitOpen any\nMatch User other\nMaxChannelsPerUser 3");
}

/* What is said to be used of a limit. */
static uint64_t used_of(const char *name)
{
	const struct admin_env env = {.sessions = &t.env};
	struct limit_view v = {.name = ""};

	for (unsigned int at = 0; strcmp(v.name, name) != 0;)
		cr_assert(limits_of_control(&env, &at, &v), "%s", name);
	cr_expect(v.has_used, "%s", name);
	return v.used;
}

/* Those that are open count as those that are not connected yet; what ends gives its place back. */
Test(control_channels, a_connection_a_user_and_a_source_have_limits, .init = begin_channels,
     .fini = teardown)
{
	struct client c[] = {user_in("demo", 1), user_in("demo", 2), user_in("other", 3)};
	const uint64_t before[] = {control_counted(CONTROL_C_CHANNELS),
				   control_counted(CONTROL_C_CHANNELS_USER),
				   control_counted(CONTROL_C_CHANNELS_SOURCE)};
	uint64_t first = black_hole(&c[0], 1), last;

	answers(&c[0], first);
	cr_expect_neq(black_hole(&c[0], 2), 0);
	cr_expect_neq(black_hole(&c[0], 3), 0);
	cr_expect_eq(black_hole(&c[0], 4), 0, "the connection has 3");
	cr_expect_eq(control_counted(CONTROL_C_CHANNELS) - before[0], 1);
	cr_expect_neq(black_hole(&c[1], 5), 0);
	last = black_hole(&c[1], 6);
	cr_expect_neq(last, 0);
	cr_expect_eq(black_hole(&c[1], 7), 0, "the user has 5");
	cr_expect_eq(control_counted(CONTROL_C_CHANNELS_USER) - before[1], 1);
	cr_expect_neq(black_hole(&c[2], 8), 0);
	cr_expect_neq(black_hole(&c[2], 9), 0);
	cr_expect_eq(black_hole(&c[2], 10), 0, "the source has 7");
	cr_expect_eq(control_counted(CONTROL_C_CHANNELS_SOURCE) - before[2], 1);
	cr_expect_eq(used_of("MaxChannelsPerConnection"), 3);
	cr_expect_eq(used_of("MaxChannelsPerUser"), 5);
	cr_expect_eq(used_of("MaxChannelsPerSource"), 7);
	cr_expect_eq(used_of("MaxConnectingPerUser"), 4, "the first one is connected");
	times_out(&c[1], last);
	cr_expect_neq(black_hole(&c[2], 11), 0, "one has ended");
	leaves(&c[0]);
	for (uint32_t i = 0; i < 2; i++)
		cr_expect_neq(black_hole(&c[1], 12 + i), 0, "of a connection that went: %u", i);
	cr_expect_eq(black_hole(&c[1], 14), 0);
	for (uint32_t i = 1; i < 3; i++)
		leaves(&c[i]);
	cr_expect_eq(used_of("MaxChannelsPerConnection"), 0);
	cr_expect_eq(used_of("MaxChannelsPerUser"), 0);
	cr_expect_eq(used_of("MaxConnectingPerUser"), 0);
}

/* A listener, as of a control before this one. */
static void listens(const struct client *c, enum link_opens opens, uint64_t token)
{
	const struct link_forward_kept ev = {
		.token = token, .host_len = 2, .opens = (uint8_t)opens, .kind = 2, .up = 1};

	cr_assert_eq(event(&c->conn, LINK_EV_FORWARD_KEPT, &ev, sizeof(ev), "/x", 2), 0);
}

/* Somebody came in and its client has taken it, or a shard has opened it by a grant: closed again?
 */
static bool closed_at_once(const struct client *c, uint64_t token, uint32_t local)
{
	const struct link_chan_ref ev = {
		.token = token, .local_channel = local, .target = {.family = 4, .port = 9}};
	const struct link_chan_ref *m;

	cr_assert_eq(event(&c->conn, LINK_EV_CHAN_OPENED, &ev, sizeof(ev), NULL, 0), 0);
	m = item_of(LINK_CMD_CHAN_CLOSE);
	cr_expect(m == NULL || (m->token == token && m->local_channel == local));
	return m != NULL;
}

static void ends(const struct client *c, uint64_t token, uint32_t local)
{
	const struct link_chan_end ev = {
		.audit_id = 1, .token = token, .local_channel = local, .told = 1};

	cr_assert_eq(event(&c->conn, LINK_EV_CHAN_END, &ev, sizeof(ev), NULL, 0), 0);
}

/* On a hub all channels are of this kind. */
Test(control_channels, what_comes_in_counts_as_what_is_asked_for, .init = begin_channels,
     .fini = teardown)
{
	struct client c[] = {user_in("demo", 1), user_in("demo", 2), user_in("other", 3)};
	const uint64_t before[] = {control_counted(CONTROL_C_CHANNELS_USER),
				   control_counted(CONTROL_C_CHANNELS_SOURCE)};

	for (enum link_opens o = LINK_OPENS_TCPIP; o < LINK_OPENS_COUNT; o++)
		listens(&c[1], o, 100 + o);
	listens(&c[0], LINK_OPENS_TCPIP, 200);
	listens(&c[2], LINK_OPENS_TCPIP, 300);
	for (uint32_t i = 1; i <= 3; i++)
		cr_expect_not(closed_at_once(&c[0], 200, i), "%u", i);
	cr_expect_eq(used_of("MaxChannelsPerConnection"), 3);
	cr_expect_eq(black_hole(&c[0], 1), 0, "the connection has 3");
	cr_expect_not(closed_at_once(&c[1], 100 + LINK_OPENS_AGENT, 4));
	cr_expect_not(closed_at_once(&c[1], 100 + LINK_OPENS_X11, 5));
	cr_expect_eq(used_of("MaxChannelsPerUser"), 5);
	cr_expect_eq(black_hole(&c[1], 2), 0, "the user has 5");
	cr_expect(closed_at_once(&c[1], 100 + LINK_OPENS_STREAMLOCAL, 6));
	cr_expect_eq(control_counted(CONTROL_C_CHANNELS_USER) - before[0], 2);
	cr_expect_neq(black_hole(&c[2], 3), 0);
	cr_expect_eq(used_of("MaxChannelsPerSource"), 7, "until it has ended");
	cr_expect(closed_at_once(&c[2], 300, 7), "the source has 7");
	cr_expect_eq(control_counted(CONTROL_C_CHANNELS_SOURCE) - before[1], 1);
	ends(&c[2], 300, 7);
	ends(&c[1], 100 + LINK_OPENS_STREAMLOCAL, 6);
	cr_expect_not(closed_at_once(&c[2], 300, 8));
	ends(&c[0], 200, 3);
	cr_expect_not(closed_at_once(&c[1], 100 + LINK_OPENS_TCPIP, 9), "one has ended");
	for (uint32_t i = 0; i < 3; i++)
		leaves(&c[i]);
	cr_expect_eq(t.env.listens.tallies.n, 0, "nobody counts any more");
	cr_expect_eq(used_of("MaxChannelsPerConnection"), 0);
}

Test(control_opens, what_a_shard_opens_without_asking_counts)
{
	const struct link_chan_kept by_grant = {
		.token = 400, .port = 80, .local_channel = 1, .name_len = 1, .up = 1, .granted = 1};
	struct client c = client_in(1, 1);

	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_KEPT, &by_grant, sizeof(by_grant), "h", 1), 0);
	for (uint32_t i = 2; i <= 4; i++)
		cr_expect_not(closed_at_once(&c, 400, i));
	cr_expect_eq(used_of("MaxChannelsPerConnection"), 4);
	cr_expect_eq(tally_n(t.table->by_index[1], TALLY_USER_CHANNELS), 4);
	cr_expect_eq(black_hole(&c, 1), 0);
	ends(&c, 400, 2);
	cr_expect_neq(black_hole(&c, 2), 0);
	leaves(&c);
	cr_expect_eq(t.env.listens.tallies.n, 0);
}

Test(control_channels, match_user_sets_them, .init = begin_channels, .fini = teardown)
{
	struct client c = user_in("other", 1), d = user_in("other", 2), e = user_in("demo", 3);
	uint64_t before = control_counted(CONTROL_C_CHANNELS_USER);

	for (uint32_t i = 0; i < 2; i++)
		cr_expect_neq(black_hole(&c, i), 0);
	cr_expect_neq(black_hole(&d, 2), 0);
	cr_expect_eq(black_hole(&d, 3), 0);
	cr_expect_eq(control_counted(CONTROL_C_CHANNELS_USER) - before, 1);
	for (uint32_t i = 4; i < 7; i++)
		cr_expect_neq(black_hole(&e, i), 0);
	leaves(&c);
	leaves(&d);
	leaves(&e);
}

/* A shard that opened without asking would not know of it. */
Test(control_channels, nothing_is_granted_where_it_would_not_be_counted, .init = begin_channels,
     .fini = teardown)
{
	struct client c = user_in("demo", 1);

	for (uint32_t i = 0; i < 3; i++) {
		uint64_t token = black_hole(&c, i);

		cr_assert_neq(token, 0);
		answers(&c, token);
		cr_expect_null(item_of(LINK_CMD_GRANT));
	}
	leaves(&c);
}

/* --- how many are logged in at once -------------------------------------------------------------
 */

static void begin_inside(void)
{
	start("LogLevel QUIET\nMaxConnectionsPerUser 2\nMaxConnectionsPerSource 3\n"
	      "Match User other\nMaxConnectionsPerUser none");
}

/* A DISCONNECT of reason 12, with these words; false: it is another message. */
static bool disconnects(const struct item *i, const char *words)
{
	const struct link_bytes *b = link_msg_body(i->msg);
	struct ssh_disconnect_msg d;
	struct ssh_rd r;

	if (item_type(i) != LINK_IT_PAYLOAD || *(const uint8_t *)(b + 1) != SSH_MSG_DISCONNECT)
		return false;
	ssh_rd_init(&r, (const uint8_t *)(b + 1) + 1, b->len - 1);
	cr_assert_eq(ssh_disconnect_parse(&r, &d), 0);
	cr_expect_eq(d.reason, 12);
	cr_expect(ssh_str_eq(d.text, words), "%.*s", (int)d.text.len, (const char *)d.text.p);
	return true;
}

/* Its password is right, and it is one too many. */
static void turned_away(const char *user, uint32_t index, const char *words)
{
	bool told = false;
	struct ssh_act a;
	struct client c;
	struct item *i;

	bench_user = user;
	client_begin(&c, index, index);
	c.opened = true;
	while (!told) {
		if (ssh_brain_next(c.brain, &a) == 0) {
			client_act(&c, &a);
		} else if ((i = item_next()) != NULL) {
			told = disconnects(i, words);
			if (!told)
				client_item(&c, i);
			free(i);
		} else {
			uv_run(&t.loop, UV_RUN_ONCE);
		}
	}
	cr_expect(t.table->by_index[index]->ended);
	cr_expect_eq(c.logins, 2, "the second was the right one");
	leaves(&c);
}

/* Who is refused gives nobody's place away, and who leaves his own. */
Test(control_inside, a_user_and_a_source_have_so_many_connections, .init = begin_inside,
     .fini = teardown)
{
	const uint64_t before[] = {control_counted(CONTROL_C_CONNECTIONS_USER),
				   control_counted(CONTROL_C_CONNECTIONS_SOURCE)};
	struct client c[3] = {user_in("demo", 1), user_in("demo", 2)};

	turned_away("demo", 3, "too many connections of this user");
	turned_away("demo", 3, "too many connections of this user");
	cr_expect_eq(control_counted(CONTROL_C_CONNECTIONS_USER) - before[0], 2);
	cr_expect_eq(used_of("MaxConnectionsPerUser"), 2);
	c[2] = user_in("other", 4);
	cr_expect_eq(used_of("MaxConnectionsPerSource"), 3);
	leaves(&c[0]);
	c[0] = user_in("demo", 5);
	leaves(&c[2]);
	cr_expect_eq(used_of("MaxConnectionsPerSource"), 2);
	cr_expect_eq(control_counted(CONTROL_C_CONNECTIONS_SOURCE), before[1]);
	leaves(&c[0]);
	leaves(&c[1]);
	cr_expect_eq(used_of("MaxConnectionsPerUser"), 0);
	cr_expect_eq(used_of("MaxConnectionsPerSource"), 0);
}

Test(control_inside, match_user_sets_them, .init = begin_inside, .fini = teardown)
{
	uint64_t before = control_counted(CONTROL_C_CONNECTIONS_SOURCE);
	struct client c[] = {user_in("other", 1), user_in("other", 2), user_in("other", 3)};

	turned_away("other", 4, "too many connections from this address");
	cr_expect_eq(control_counted(CONTROL_C_CONNECTIONS_SOURCE) - before, 1);
	for (unsigned int i = 0; i < 3; i++)
		leaves(&c[i]);
}

/* Another PerSourceNetBlockSize: who is in counts for the network he is in now, and for no other. */
Test(control_inside, networks_that_become_others, .init = begin_inside, .fini = teardown)
{
	static const char text[] = "ListenAddress 127.0.0.1:22\nPerSourceNetBlockSize 8\n";
	struct client c[] = {user_in("demo", 1), user_in("demo", 2)};
	struct conf *was = t.env.conf;

	inside_go_by(&t.env, control_conf(text, sizeof(text) - 1));
	cr_expect_eq(tally_n(t.table->by_index[1], TALLY_SOURCE_CONNECTIONS), 2);
	leaves(&c[0]);
	cr_expect_eq(tally_n(t.table->by_index[2], TALLY_SOURCE_CONNECTIONS), 1);
	leaves(&c[1]);
	cr_expect_eq(t.env.listens.tallies.n, 0, "nobody counts any more");
	conf_put(was);
}
