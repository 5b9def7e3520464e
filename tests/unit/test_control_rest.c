/* control/session/rest.c: who says nothing costs next to nothing, and goes on where it was. */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/session/forward.h"
#include "control/session/handled_chan.h"
#include "control/session/internal.h"
#include "control/session/keep.h"
#include "control/session/ours.h"
#include "control/session/program.h"
#include "control/session/report.h"
#include "control/session/tally.h"
#include "tests/util/rnd.h"
#include "tests/util/session_bench.h"

#define HOST "203.0.113.5"

static void begin(void)
{
	start_later("LogLevel VERBOSE");
}

/* One time for all, the catalogue's numbers on a busy machine among them. */
#define TIMEOUT 600
TestSuite(control_rest, .init = begin, .fini = teardown, .timeout = TIMEOUT);
TestSuite(control_rest_rules, .timeout = TIMEOUT);
TestSuite(control_kept, .init = begin, .fini = teardown, .timeout = TIMEOUT);

static void pass(uint64_t ms)
{
	later_ms += ms;
	timers_poll(t.env.timers, now_ms());
}

static struct session *session_at(uint32_t index)
{
	cr_assert_not_null(t.table->by_index[index]);
	return t.table->by_index[index];
}

static bool rests(const struct client *c)
{
	return session_at(c->conn.index)->awake == NULL;
}

/* Logged in, and at rest. */
static struct client client_at_rest(uint32_t index)
{
	struct client c = client_in(index, 1);

	pass(REST_MS + 100);
	cr_assert(rests(&c), "it does not rest");
	return c;
}

static void fini(struct client *c)
{
	conn_over(&c->conn);
	items_drop();
	ssh_brain_free(c->brain);
}

static void ask(struct client *c, const char *host, uint16_t port)
{
	uint8_t buf[512];
	struct ssh_str open = {buf, open_build(buf, sizeof(buf), host, port)};

	client_payload(c, &open);
}

Test(control_rest, a_while_after_its_last_word)
{
	struct client c = client_in(1, 1);

	cr_expect_not(rests(&c));
	pass(REST_MS - 1000);
	cr_expect_not(rests(&c));
	ask(&c, HOST, 80);
	pass(REST_MS - 1000);
	cr_expect_not(rests(&c), "it spoke a moment ago");
	pass(1100);
	cr_expect(rests(&c));
	fini(&c);
}

static void passwd_of(const char *user)
{
	struct crypt_data *cd = calloc(1, sizeof(*cd));
	char text[256];

	snprintf(text, sizeof(text), "%s:%s\n", user, crypt_r("secret", "$5$rounds=1000$salt", cd));
	free(cd);
	control_file(t.dir, "passwords", text, 0600);
}

static bool refused(const struct item *i)
{
	const struct link_bytes *b = link_msg_body(i->msg);

	return item_type(i) == LINK_IT_PAYLOAD &&
	       *(const uint8_t *)(b + 1) == SSH_MSG_CHANNEL_OPEN_FAILURE;
}

/* What Match gave who came in holds when it was at rest meanwhile. */
static void expect_rules_after_rest(const char *criterion)
{
	char text[256];
	struct client c;
	struct item *it;
	bool no = false;

	bench_user = "nobody";
	snprintf(text, sizeof(text), "Match %s\nAllowTcpForwarding no", criterion);
	start_later(text);
	passwd_of("nobody");
	client_begin(&c, 1, 1);
	c.opened = true;
	session_at(1)->awake->peer_name = strdup("box.example.org");
	strcpy(session_at(1)->awake->rdomain, "vrf1");
	while (!c.in)
		client_step(&c);
	pass(REST_MS + 100);
	cr_assert(rests(&c));
	items_drop();
	ask(&c, HOST, 80);
	for (; (it = item_next()) != NULL; free(it))
		no |= refused(it);
	cr_expect(no, "%s", criterion);
	fini(&c);
	teardown();
}

Test(control_rest_rules, by_version)
{
	expect_rules_after_rest("Client-Version *test");
}

Test(control_rest_rules, by_group)
{
	expect_rules_after_rest("Group nogroup");
}

Test(control_rest_rules, by_name)
{
	expect_rules_after_rest("Host box.*");
}

Test(control_rest_rules, by_routing_domain)
{
	expect_rules_after_rest("RDomain vrf?");
}

/* By the allocator's own count, with its word in front of each: all that control has of one. */
Test(control_rest, bytes_of_one)
{
	struct client c = client_at_rest(1);
	const struct session *s = session_at(1);
	size_t n = malloc_usable_size(t.table->by_index[1]) + malloc_usable_size(s->past) +
		   2 * sizeof(size_t) + sizeof(s);

	printf("a connection at rest: %zu bytes; awake %zu and its brain more\n", n,
	       sizeof(struct awake));
	cr_expect_leq(n, 256);
	cr_expect_eq(s->opens, NULL);
	cr_expect_eq(s->given, NULL);
	cr_expect_eq(s->grant.permitopen, NULL);
	cr_expect_eq(timers_next_ms(t.env.timers) < now_ms() + 1000, false, "a timer is its");
	fini(&c);
}

/* And nothing else stays behind: many of them leave no more than their own. */
Test(control_rest, nothing_else_is_kept)
{
	const unsigned int n = test_long() ? 10000 : 40;
	size_t most = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct client c = client_in(i % MAX_CONNS, i + 1);
		struct mallinfo2 m;

		pass(REST_MS + 100);
		cr_assert(rests(&c));
		fini(&c);
		m = mallinfo2();
		if (i == n / 2)
			most = m.uordblks + m.uordblks / 4;
		if (i > n / 2)
			cr_expect_leq(m.uordblks, most, "%zu", m.uordblks);
	}
}

Test(control_rest, before_the_login_nobody_rests)
{
	struct client c;

	client_begin(&c, 1, 1);
	pass(REST_MS + 100);
	cr_expect_not(rests(&c));
	while (ssh_brain_phase(c.brain)->kex != SSH_KEX_FIRST_METHOD)
		client_step(&c);
	pass(REST_MS + 100);
	cr_expect_not(rests(&c));
	fini(&c);
}

static void rekey(struct client *c)
{
	unsigned int before = c->exchanges;

	cr_assert_eq(ssh_brain_rekey(c->brain), 0);
	while (c->exchanges == before && !c->done)
		client_step(c);
	cr_expect_not(c->done, "it ended");
}

/*
 * The client verifies the host's signature over the hash of both identification strings, and what
 * is signed is bound to the session: both are what they were.
 */
Test(control_rest, a_client_exchanges_keys_with_one_that_rested)
{
	struct client c = client_at_rest(1);

	rekey(&c);
	cr_expect_eq(c.exchanges, 2);
	pass(REST_MS + 100);
	cr_expect(rests(&c));
	rekey(&c);
	cr_expect_eq(c.exchanges, 3);
	fini(&c);
}

Test(control_rest, what_was_strict_stays_strict)
{
	struct client c;
	const struct link_keys *k;

	bench_strict = SSH_STRICT_ON;
	c = client_at_rest(1);
	cr_assert_eq(ssh_brain_rekey(c.brain), 0);
	for (int i = 0; i < 100 && (t.first == NULL || item_type(t.first) != LINK_IT_TX_KEYS); i++)
		client_step(&c);
	k = item_of(LINK_IT_TX_KEYS);
	cr_assert_not_null(k);
	cr_expect_eq(k->reset_seqnr, 1);
	fini(&c);
}

/* A limit of the keys was passed: the shard says so, and control begins. */
Test(control_rest, it_begins_an_exchange_that_is_due)
{
	static const struct link_conn_ref none;
	struct client c = client_at_rest(1);

	cr_assert_eq(event(&c.conn, LINK_EV_REKEY_DUE, &none, sizeof(none), NULL, 0), 0);
	cr_expect_not(rests(&c));
	while (c.exchanges < 2 && !c.done)
		client_step(&c);
	cr_expect_eq(c.exchanges, 2);
	fini(&c);
}

/* While keys are exchanged nothing is given back, however long the peer thinks. */
Test(control_rest, not_in_the_middle_of_an_exchange)
{
	struct client c = client_at_rest(1);
	static const struct link_conn_ref none;

	cr_assert_eq(event(&c.conn, LINK_EV_REKEY_DUE, &none, sizeof(none), NULL, 0), 0);
	pass(10 * REST_MS);
	cr_expect_not(rests(&c));
	while (c.exchanges < 2 && !c.done)
		client_step(&c);
	pass(REST_MS + 100);
	cr_expect(rests(&c));
	fini(&c);
}

Test(control_rest, channels_are_asked_for_as_ever)
{
	struct client c = client_at_rest(1);
	const struct link_chan_connect *m;
	const struct link_chan_ref opened = {.local_channel = 4,
					     .target = {.family = 4, .port = 80}};
	struct link_chan_ref ev = opened;
	const struct link_chan_end end = {.audit_id = 1, .local_channel = 4, .told = 1};
	struct link_chan_end over = end;

	ask(&c, "127.0.0.1", 80); /* the gateway's own are nobody's */
	cr_expect_null(item_of(LINK_IT_CHAN_CONNECT));
	pass(REST_MS + 100);
	cr_expect(rests(&c));
	ask(&c, HOST, 80);
	m = item_of(LINK_IT_CHAN_CONNECT);
	cr_assert_not_null(m);
	ev.token = over.token = m->token;
	pass(REST_MS + 100);
	cr_expect(rests(&c));
	/* What becomes of it wakes nobody. */
	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_OPENED, &ev, sizeof(ev), NULL, 0), 0);
	cr_expect(logged("channel 4 of user demo from 192.0.2.9 port 9: connected to " HOST
			 " port 80"));
	cr_expect_eq(t.env.stats.channels, 1);
	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_END, &over, sizeof(over), NULL, 0), 0);
	cr_expect(logged("channel end: user demo from 192.0.2.9 port 9 to " HOST " port 80"));
	cr_expect_eq(t.env.stats.channels, 0);
	cr_expect(rests(&c));
	fini(&c);
}

/* A name is being looked up. */
Test(control_rest, not_while_it_decides)
{
	struct client c = client_in(1, 1);

	ask(&c, "localhost", 80);
	if (session_at(1)->opens != NULL) { /* else the answer was there at once */
		pass(REST_MS + 100);
		cr_expect_not(rests(&c));
	}
	fini(&c);
}

/* Every payload is answered for, those that wake, too. */
Test(control_rest, credit_is_given_back)
{
	struct client c = client_at_rest(1);
	const struct link_answered *a;

	ask(&c, HOST, 80);
	a = item_of(LINK_IT_ANSWERED);
	cr_assert_not_null(a);
	cr_expect_eq(a->payloads, 1);
	fini(&c);
}

Test(control_rest, it_is_shown_as_ever)
{
	struct client c = client_at_rest(1);
	struct session_cursor at = {0};
	struct session_view v;

	cr_assert_eq(session_next(&t.env, &at, &v), 0);
	cr_expect_str_eq(v.source, "192.0.2.9");
	cr_expect_eq(v.port, 9);
	cr_expect_str_eq(v.user, "demo");
	cr_expect_eq(t.env.stats.authenticated, 1);
	fini(&c);
	cr_expect_eq(t.env.stats.authenticated, 0);
}

Test(control_rest, its_end_is_recorded)
{
	struct client c = client_at_rest(1);

	fini(&c);
	cr_expect(logged("Connection closed by user demo 192.0.2.9 port 9"));
	cr_expect(logged("connection end: user demo from 192.0.2.9 port 9"));
}

/* Told as others are, and not woken for it. */
Test(control_rest, at_the_end_of_control_it_is_told)
{
	struct client c = client_at_rest(1);
	const struct link_bytes *b;
	const struct link_end *end;

	session_table_shutdown(t.table);
	cr_expect(rests(&c));
	b = item_of(LINK_IT_PAYLOAD);
	cr_assert_not_null(b);
	cr_expect_eq(*(const uint8_t *)(b + 1), SSH_MSG_DISCONNECT);
	end = item_of(LINK_IT_END);
	cr_assert_not_null(end);
	cr_expect_eq(end->cause, -SSH_E_SHUTDOWN);
	ask(&c, HOST, 80);
	cr_expect_null(item_of(LINK_IT_CHAN_CONNECT));
	fini(&c);
}

/* A line twice is a dataplane's mistake that ends one connection, no more. */
/* A payload without a byte would be the end of the link. */
Test(control_rest, what_it_is_told_fits)
{
	char text[LINK_TEXT_MAX + 102] = {0};
	struct client c = client_at_rest(1);
	const struct link_bytes *b;

	items_drop();
	memset(text, 'x', sizeof(text) - 1);
	cr_expect_eq(session_disconnect(session_at(1), text), 0);
	b = item_of(LINK_IT_PAYLOAD);
	cr_assert_not_null(b);
	cr_expect_gt(b->len, 13);
	fini(&c);
}

Test(control_rest, a_second_line_ends_it)
{
	struct client c = client_at_rest(1);
	const struct link_bytes line = {.len = 9};

	cr_assert_eq(event(&c.conn, LINK_EV_IDENT, &line, sizeof(line), "SSH-2.0-x", 9), 0);
	cr_expect_not_null(item_of(LINK_IT_END));
	fini(&c);
}

/* Time flies: after each step it rests if it may, and nothing is lost by it. */
Test(control_rest, at_every_step)
{
	struct client c = client_in(1, 1);
	unsigned int slept = 0;

	for (unsigned int round = 0; round < 3; round++) {
		cr_assert_eq(ssh_brain_rekey(c.brain), 0);
		while (c.exchanges < round + 2 && !c.done) {
			client_step(&c);
			later_ms += REST_MS;
			timers_poll(t.env.timers, now_ms());
			slept += rests(&c);
		}
		cr_assert_eq(c.exchanges, round + 2);
	}
	cr_expect_gt(slept, 0);
	cr_expect_not(c.done);
	fini(&c);
}

/* --- a control that is started again ------------------------------------------------------------
 */

/* Nothing is left of the one before it but what lies with the shard. */
static void restart(void)
{
	session_table_free(t.table);
	table_new();
}

static int kept(const struct client *c, const struct kept_bytes *blob)
{
	const struct link_conn_kept ev = {
		.local = {.family = 4, .port = 22, .addr = {192, 0, 2, 1}},
		.peer = {.family = 4, .port = 9, .addr = {192, 0, 2, 9}},
		.uid = 77,
		.age_us = 1000,
		.len = blob->len};

	return event(&c->conn, LINK_EV_CONN_KEPT, &ev, sizeof(ev), blob->p, blob->len);
}

Test(control_kept, it_is_who_it_was)
{
	struct client c;
	struct session *s;
	uint32_t identity;

	bench_strict = SSH_STRICT_ON;
	c = client_in(1, 1);
	identity = session_identity(session_at(1));
	restart();
	cr_assert_eq(kept(&c, &bench_blob), 0);
	s = session_at(1);
	cr_expect_str_eq(session_user(s), "demo");
	cr_expect(s->authenticated && s->uid == 77 && s->awake == NULL);
	cr_expect_eq(session_identity(s), identity);
	cr_expect(past_strict(s->past));
	cr_expect_eq(t.env.stats.authenticated, 1);
	rekey(&c);
	cr_expect_eq(c.exchanges, 2, "keys are exchanged as ever");
	ask(&c, HOST, 80);
	cr_expect_not_null(item_of(LINK_IT_CHAN_CONNECT), "and it opens what it may");
	fini(&c);
}

/* A login that was let in before is one of its user's and of its source's: MaxConnectionsPerUser. */
Test(control_kept, who_was_in_before_counts)
{
	struct client c = client_in(1, 1);

	cr_expect_eq(t.env.listens.tallies.n, 2);
	restart();
	cr_expect_eq(t.env.listens.tallies.n, 0);
	cr_assert_eq(kept(&c, &bench_blob), 0);
	cr_expect_eq(tally_n(session_at(1), TALLY_USER_CONNECTIONS), 1);
	cr_expect_eq(tally_n(session_at(1), TALLY_SOURCE_CONNECTIONS), 1);
	fini(&c);
}

/* Its agent and its display are a session's to ask for, or not, as what let it in said. */
Test(control_kept, what_it_may_it_still_may)
{
	struct client c = client_in(1, 1);
	struct policy_grant *g = &session_at(1)->grant;

	cr_assert(g->agent && g->x11);
	restart();
	cr_assert_eq(kept(&c, &bench_blob), 0);
	g = &session_at(1)->grant;
	cr_expect(g->agent && g->x11 && g->pty && g->session && g->port_forwarding);
	fini(&c);
}

/* There is room for 4 KiB. Variables go first: without them nothing is forbidden. */
Test(control_kept, what_is_too_much_to_keep)
{
	struct client c = client_in(1, 1);
	struct policy_grant *g = &session_at(1)->grant;
	char variable[4001] = "A=";

	memset(variable + 2, 'x', sizeof(variable) - 3);
	cr_assert_eq(policy_grant_permit(g, "a.test:80"), 0);
	cr_assert_eq(policy_grant_variable(g, variable), 0);
	keep_send(session_at(1));
	restart();
	cr_assert_eq(kept(&c, &bench_blob), 0);
	g = &session_at(1)->grant;
	cr_expect(g->port_forwarding);
	cr_expect_eq(g->n_permitopen, 1);
	cr_expect_eq(g->n_environment, 0);
	cr_assert_eq(session_wake(session_at(1)), 0);
	for (unsigned int i = 0; i < 300; i++) {
		snprintf(variable, sizeof(variable), "host-%u.of.many.test:80", i);
		cr_assert_eq(policy_grant_permit(g, variable), 0);
	}
	keep_send(session_at(1));
	restart();
	cr_assert_eq(kept(&c, &bench_blob), 0);
	g = &session_at(1)->grant;
	cr_expect_not(g->port_forwarding, "more than it had");
	cr_expect_eq(g->n_permitopen, 0);
	fini(&c);
}

static void kept_listener(const struct client *c, enum link_opens opens, uint64_t token)
{
	const struct link_forward_kept ev = {
		.token = token, .host_len = 2, .opens = (uint8_t)opens, .kind = 2, .up = 1};

	cr_assert_eq(event(&c->conn, LINK_EV_FORWARD_KEPT, &ev, sizeof(ev), "/x", 2), 0);
}

static void kept_channel(const struct client *c, const char *name, uint16_t port, uint64_t token)
{
	const struct link_chan_kept ev = {.token = token,
					  .port = port,
					  .name_len = (uint16_t)strlen(name),
					  .up = 1,
					  .local_channel = (uint32_t)token};

	cr_assert_eq(event(&c->conn, LINK_EV_CHAN_KEPT, &ev, sizeof(ev), name, ev.name_len), 0);
}

Test(control_kept, channels_are_of_the_type_they_were_opened_with)
{
	static const struct {
		uint64_t token;
		const char *type;
	} row[] = {{101, "forwarded-tcpip"},
		   {102, "forwarded-streamlocal@openssh.com"},
		   {103, "auth-agent@openssh.com"},
		   {104, "x11"},
		   {111, "direct-tcpip"},
		   {112, "direct-streamlocal@openssh.com"},
		   {113, "x-news@test"},
		   {120, "direct-tcpip"}}; /* of a grant */
	struct client c = client_in(1, 1);

	restart();
	cr_assert_eq(kept(&c, &bench_blob), 0);
	for (enum link_opens o = LINK_OPENS_TCPIP; o < LINK_OPENS_COUNT; o++)
		kept_listener(&c, o, 100 + o);
	kept_channel(&c, HOST, 80, 111);
	kept_channel(&c, "/run/x", 0, 112);
	kept_channel(&c, "x-news@test", 0, 113);
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		cr_expect_str_eq(report_type(session_at(1), row[i].token), row[i].type);
	fini(&c);
}

/* What a program of the operator's has called it another control goes by, too. */
Test(control_kept, its_role_is_what_it_was)
{
	static const char text[] = "ListenAddress 127.0.0.1:22\nMatch Role night*\n"
				   "MaxChannelsPerConnection 7\n";
	static const char marks[] = "rnightly\0"; /* and an empty one */
	struct client c = client_in(1, 1);
	struct conf *was = t.env.conf;
	struct session *s = session_at(1);

	s->awake->marks = malloc(sizeof(marks));
	memcpy(s->awake->marks, marks, sizeof(marks));
	keep_send(s);
	restart();
	t.env.conf = control_conf(text, sizeof(text) - 1);
	cr_assert_eq(kept(&c, &bench_blob), 0);
	s = session_at(1);
	cr_assert_eq(session_wake(s), 0);
	cr_expect_eq(s->awake->conf.max_channels_per_connection, 7);
	session_tire(s);
	fini(&c);
	conf_put(was);
}

/* Nobody is left who could say more of it than its bytes do. */
Test(control_kept, a_channel_of_ours_ends_when_its_program_has)
{
	const struct link_chan_kept ev = {
		.token = 130, .name_len = 11, .up = 1, .program = 1, .ours = 1};
	const struct link_chan_ref drained = {.token = 130}, *m;
	struct client c = client_in(1, 1);

	restart();
	cr_assert_eq(kept(&c, &bench_blob), 0);
	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_KEPT, &ev, sizeof(ev), "x-news@test", 11), 0);
	cr_expect_str_eq(report_type(session_at(1), 130), "x-news@test");
	cr_expect_eq(tally_n(session_at(1), TALLY_USER_CHANNELS), 1);
	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_DRAINED, &drained, sizeof(drained), NULL, 0), 0);
	m = item_of(LINK_IT_CHAN_FINISH);
	cr_assert_not_null(m);
	cr_expect_eq(m->token, 130);
	fini(&c);
}

/* Rules that came with the start of control hold for it, too: EndRevokedSessions. */
Test(control_kept, whom_the_rules_of_now_refuse_goes)
{
	static const char text[] = "ListenAddress 127.0.0.1:22\nDenyUsers demo\n";
	struct client c = client_in(1, 1);
	struct conf *was = t.env.conf;

	restart();
	t.env.conf = control_conf(text, sizeof(text) - 1);
	cr_assert_eq(kept(&c, &bench_blob), 0);
	pass(500);
	cr_expect_not(session_at(1)->ended, "others may be on their way");
	pass(1000);
	cr_expect(session_at(1)->ended);
	cr_expect(logged("you are not let in any more"));
	fini(&c);
	conf_put(was);
}

Test(control_kept, what_is_altered_or_anothers_is_not_taken)
{
	struct client c = client_in(1, 1);
	struct kept_bytes other = bench_blob;

	restart();
	for (uint32_t i = 0; i < other.len; i += 7) {
		other.p[i] ^= 1;
		cr_assert_eq(kept(&c, &other), 0);
		cr_assert_null(t.table->by_index[1], "byte %u", i);
		other.p[i] ^= 1;
	}
	other.len--;
	cr_assert_eq(kept(&c, &other), 0);
	c.conn.generation = 2;
	cr_assert_eq(kept(&c, &bench_blob), 0);
	c.conn = (struct link_handle){.index = 2, .generation = 1};
	cr_assert_eq(kept(&c, &bench_blob), 0);
	cr_expect_eq(session_table_count(t.table), 0);
	c.conn.index = MAX_CONNS;
	cr_expect_eq(kept(&c, &bench_blob), -EBADMSG);
	c.conn.index = 1;
	cr_assert_eq(kept(&c, &bench_blob), 0);
	cr_expect_eq(kept(&c, &bench_blob), -EBADMSG, "one connection is told of once");
	fini(&c);
}

/* The one that stopped had half an exchange: its KEXINIT is known, and what the client said. */
Test(control_kept, an_exchange_goes_on)
{
	struct client c = client_in(1, 1);
	struct link_kex_kept k = {0};
	uint32_t seqnr = c.seqnr;
	uint8_t said[2][2048];
	uint32_t len[2], n = 0;

	cr_assert_eq(ssh_brain_rekey(c.brain), 0);
	while (n < 2) { /* KEXINIT and ECDH_INIT */
		struct ssh_act a;
		struct item *i;

		if (ssh_brain_next(c.brain, &a) == 0) {
			if (a.kind == SSH_ACT_SEND) {
				len[n] = a.bytes.len;
				memcpy(said[n++], a.bytes.p, a.bytes.len);
			}
			client_act(&c, &a);
		} else if ((i = item_next()) != NULL) {
			client_item(&c, i);
			free(i);
		}
	}
	restart();
	items_drop();
	cr_assert_eq(kept(&c, &bench_blob), 0);
	k.len = bench_kexinit.len;
	cr_assert_eq(event(&c.conn, LINK_EV_KEX_KEPT, &k, sizeof(k), bench_kexinit.p, k.len), 0);
	for (uint32_t i = 0; i < 2; i++) {
		const struct link_payload ev = {.seqnr = seqnr + i, .len = len[i]};

		cr_assert_eq(event(&c.conn, LINK_EV_PAYLOAD, &ev, sizeof(ev), said[i], len[i]), 0);
	}
	while (c.exchanges < 2 && !c.done)
		client_step(&c);
	cr_expect_eq(c.exchanges, 2);
	rekey(&c);
	cr_expect_eq(c.exchanges, 3);
	fini(&c);
}

/* Or had said all of its part: the client's keys wait, sealed, for its NEWKEYS. */
Test(control_kept, keys_of_the_client_come_back)
{
	struct client c = client_in(1, 1);
	struct link_kex_kept k = {.sealed = 1};

	cr_assert_eq(ssh_brain_rekey(c.brain), 0);
	while (bench_sealed.len == 0)
		client_step(&c);
	restart();
	cr_assert_eq(kept(&c, &bench_blob), 0);
	k.len = bench_sealed.len;
	cr_assert_eq(event(&c.conn, LINK_EV_KEX_KEPT, &k, sizeof(k), bench_sealed.p, k.len), 0);
	pass(10 * REST_MS);
	cr_expect_not(rests(&c));
	while (c.exchanges < 2 && !c.done)
		client_step(&c);
	cr_assert_eq(c.exchanges, 2);
	cr_expect_not_null(item_of(LINK_IT_RX_KEYS));
	rekey(&c);
	cr_expect_eq(c.exchanges, 3);
	fini(&c);
}

Test(control_kept, its_channels_and_listeners_count)
{
	struct client c = client_in(1, 1);
	const struct link_chan_ref up = {
		.token = 8, .local_channel = 4, .target = {.family = 4, .port = 80}};
	struct link_chan_kept ch = {
		.token = 7, .local_channel = 3, .name_len = 4, .port = 80, .up = 1};
	const struct link_forward_kept f = {.token = 9,
					    .epoch = 5,
					    .port = 8080,
					    .opens = 1,
					    .kind = 1,
					    .up = 1,
					    .addr = {.port = 8080}};
	struct link_chan_end end = {.audit_id = 1, .token = 7, .told = 1};
	struct session *s;

	restart();
	cr_assert_eq(kept(&c, &bench_blob), 0);
	s = session_at(1);
	cr_assert_eq(event(&c.conn, LINK_EV_FORWARD_KEPT, &f, sizeof(f), NULL, 0), 0);
	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_KEPT, &ch, sizeof(ch), "host", 4), 0);
	ch.token = 8;
	ch.up = 0;
	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_KEPT, &ch, sizeof(ch), "host", 4), 0);
	cr_expect_eq(t.env.connecting.n, 1, "one is being connected");
	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_OPENED, &up, sizeof(up), NULL, 0), 0);
	cr_expect_eq(t.env.connecting.n, 0);
	ch.granted = ch.up = 1;
	for (uint64_t token = 9; token <= 10; token++) { /* came in; by a grant */
		ch.token = token;
		cr_assert_eq(event(&c.conn, LINK_EV_CHAN_KEPT, &ch, sizeof(ch), "host", 4), 0);
	}
	cr_expect_eq(s->n_up, 4);
	cr_expect_eq(t.env.stats.channels, 4);
	cr_expect_eq(tally_n(s, TALLY_USER_CHANNELS), 4);
	cr_expect_eq(t.env.n_listeners, 1);
	cr_expect_eq(forward_next(s, NULL)->epoch, 5);
	for (uint64_t token = 7; token <= 10; token++) {
		end.token = token;
		cr_assert_eq(event(&c.conn, LINK_EV_CHAN_END, &end, sizeof(end), "host", 0), 0);
	}
	cr_expect_eq(s->n_up, 0);
	cr_expect_eq(t.env.stats.channels, 0);
	cr_expect_eq(tally_n(s, TALLY_USER_CHANNELS), 0);
	fini(&c);
	cr_expect_eq(t.env.n_listeners, 0);
}

/* --- a helper whose queue is full -------------------------------------------------------------- */

static char helper_dir[] = "/tmp/sluice-rest.XXXXXX";
static struct helper helper;
static int helper_listener, in_queue[2];

static void helper_busy(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	cr_assert_not_null(mkdtemp(helper_dir));
	snprintf(helper.path, sizeof(helper.path), "%s/helper.sock", helper_dir);
	strcpy(sun.sun_path, helper.path);
	helper_listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(helper_listener, (struct sockaddr *)&sun, sizeof(sun)), 0);
	cr_assert_eq(listen(helper_listener, 0), 0);
	for (int i = 0; i < 2; i++) {
		in_queue[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (connect(in_queue[i], (struct sockaddr *)&sun, sizeof(sun)) < 0)
			cr_assert_eq(errno, EAGAIN);
	}
	helper.loop = &t.loop;
	t.env.helper = &helper;
}

static void helper_end(void)
{
	close(helper_listener);
	unlink(helper.path);
	cr_expect_eq(rmdir(helper_dir), 0);
}

/* Nobody waits in its queue any more but who asks next. */
static int helper_takes(void)
{
	int fd = accept4(helper_listener, NULL, NULL, SOCK_CLOEXEC);

	for (int i = 0; i < 2; i++)
		close(in_queue[i]);
	close(fd);
	pass(150);
	return accept4(helper_listener, NULL, NULL, SOCK_CLOEXEC);
}

static struct program *program_runs_at(struct client *c, bool tty)
{
	const struct link_chan_kept ch = {
		.token = 7, .local_channel = 3, .name_len = 4, .up = 1, .program = 1, .tty = tty};

	restart();
	cr_assert_eq(kept(c, &bench_blob), 0);
	cr_assert_eq(event(&c->conn, LINK_EV_CHAN_KEPT, &ch, sizeof(ch), "host", 4), 0);
	return session_at(1)->opens->program;
}

static struct program *program_runs(struct client *c)
{
	return program_runs_at(c, false);
}

/* As before the restart: what has no terminal is asked for a break, or a size, in vain. */
static void asked_of(bool tty)
{
	static const uint8_t rest[16] = {0, 0, 0, 80, 0, 0, 0, 24};
	struct ssh_chan_request m = {
		.recipient_channel = 3, .type = ssh_str_c("break"), .want_reply = true};
	struct client c = client_in(1, 1);
	const struct link_bytes *b;
	uint8_t buf[64];
	struct ssh_wr w;

	(void)program_runs_at(&c, tty);
	items_drop();
	m.rest = (struct ssh_str){rest, 4};
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_request_build(&w, &m);
	client_payload(&c, &(struct ssh_str){buf, (uint32_t)ssh_wr_done(&w)});
	b = item_of(LINK_IT_PAYLOAD);
	cr_assert_not_null(b);
	cr_expect_eq(*(const uint8_t *)(b + 1),
		     tty ? SSH_MSG_CHANNEL_SUCCESS : SSH_MSG_CHANNEL_FAILURE);
	m.type = ssh_str_c("window-change");
	m.want_reply = false;
	m.rest = (struct ssh_str){rest, sizeof(rest)};
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_request_build(&w, &m);
	client_payload(&c, &(struct ssh_str){buf, (uint32_t)ssh_wr_done(&w)});
	cr_expect_eq(item_of(LINK_IT_CHAN_SIZE) != NULL, tty);
	fini(&c);
}

Test(control_kept, its_terminal_is_asked_for_a_break)
{
	asked_of(true);
}

Test(control_kept, what_has_no_terminal_is_not)
{
	asked_of(false);
}

Test(control_kept, a_helper_whose_queue_is_full_is_asked_again)
{
	const struct helper_exit how = {.number = 3};
	struct client c = client_in(1, 1);
	struct ssh_str body;
	enum helper_msg type;
	struct program *p;
	uint8_t buf[256];
	uint64_t id = 0;
	size_t used;
	ssize_t n;
	int fd;

	helper_busy();
	p = program_runs(&c);
	cr_expect_not(p->exited);
	fd = helper_takes();
	cr_assert_geq(fd, 0);
	n = recv(fd, buf, sizeof(buf), 0);
	cr_assert_eq(helper_frame_parse(buf, (size_t)n, &type, &body, &used), 0);
	cr_expect_eq(type, HELPER_RESUME);
	cr_assert_eq(helper_resume_parse(body, &id), 0);
	cr_expect_eq(id, 7);
	n = (ssize_t)helper_exit_build(buf, &how);
	cr_assert_eq(send(fd, buf, (size_t)n, 0), n);
	for (int i = 0; i < 1000 && !p->exited; i++)
		uv_run(&t.loop, UV_RUN_NOWAIT);
	cr_expect(p->told);
	cr_expect_eq(p->how.number, 3);
	close(fd);
	fini(&c);
	helper_end();
}

static unsigned int consoles;

static void console_came(void *arg, const struct session_login *login, const char *user, int fd)
{
	(void)arg;
	cr_expect_eq(session_of_login(&t.env, login), session_at(1));
	cr_expect_str_eq(user, session_user(session_at(1)));
	cr_expect_geq(fcntl(fd, F_GETFD), 0);
	consoles++;
}

/* Its program is the same one; it asks whoever is control, about the same login. */
Test(control_kept, a_console_asks_the_next_control)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} room = {.room = {0}};
	struct client c = client_in(1, 1);
	uint8_t buf[256];
	struct iovec iov = {buf, helper_console_build(buf)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = room.room,
			     .msg_controllen = sizeof(room.room)};
	struct cmsghdr *m = CMSG_FIRSTHDR(&msg);
	int fd;

	t.env.console = console_came;
	helper_busy();
	(void)program_runs(&c);
	fd = helper_takes();
	cr_assert_geq(fd, 0);
	m->cmsg_level = SOL_SOCKET;
	m->cmsg_type = SCM_RIGHTS;
	m->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(m), &fd, sizeof(fd));
	cr_assert_gt(sendmsg(fd, &msg, 0), 0);
	while (consoles == 0)
		uv_run(&t.loop, UV_RUN_ONCE);
	cr_expect_not(session_at(1)->opens->program->exited);
	close(fd);
	fini(&c);
	helper_end();
}

Test(control_kept, a_helper_that_is_gone_took_its_programs_along)
{
	struct client c = client_in(1, 1);
	struct program *p;

	helper_busy();
	p = program_runs(&c);
	close(helper_listener);
	pass(150);
	cr_expect(p->exited);
	cr_expect_not(p->told);
	fini(&c);
	helper_end();
}

/* Its programs are the next one's: what was asked of the helper is all that it hears. */
Test(control_kept, a_control_that_is_stopped_hangs_up_on_nobody)
{
	struct client c = client_in(1, 1);
	enum helper_msg type;
	struct ssh_str body;
	uint8_t buf[256];
	ssize_t n = 0;
	size_t used;
	int fd;

	helper_busy();
	(void)program_runs(&c);
	fd = helper_takes();
	cr_assert_geq(fd, 0);
	t.env.leaving = true;
	restart();
	t.env.leaving = false;
	for (ssize_t more = -1; more != 0; n += more > 0 ? more : 0) {
		uv_run(&t.loop, UV_RUN_NOWAIT);
		more = recv(fd, buf + n, sizeof(buf) - (size_t)n, MSG_DONTWAIT);
	}
	cr_assert_eq(helper_frame_parse(buf, (size_t)n, &type, &body, &used), 0);
	cr_expect_eq(type, HELPER_RESUME);
	cr_expect_eq(used, (size_t)n, "nothing behind it");
	close(fd);
	items_drop();
	ssh_brain_free(c.brain);
	helper_end();
}

Test(control_kept, who_leaves_does_not_ask_again)
{
	struct client c = client_in(1, 1);

	helper_busy();
	(void)program_runs(&c);
	fini(&c);
	pass(150);
	helper_end();
}

/* --- a handler that has a session ----------------------------------------------------------- */

static struct {
	char dir[64], path[96];
	int listener;
} handler = {.dir = "/tmp/sluice-rest.XXXXXX"};

static struct open *channel_comes(const struct client *c, const struct link_chan_kept *ev,
				  const char *name)
{
	cr_assert_eq(event(&c->conn, LINK_EV_CHAN_KEPT, ev, sizeof(*ev), name, ev->name_len), 0);
	return session_at(1)->opens;
}

static struct program *handled_comes(const struct client *c)
{
	static const struct link_chan_kept ev = {.token = 7,
						 .local_channel = 3,
						 .peer_channel = 4,
						 .name_len = 4,
						 .up = 1,
						 .program = LINK_PROGRAM_SESSION};

	return channel_comes(c, &ev, "host")->program;
}

static struct handled_place *handler_place(struct handled_place how)
{
	struct handled_place *p = malloc(sizeof(*p));

	*p = how;
	strcpy(p->name, "5ec4e7");
	strcpy(p->path, handler.path);
	return p;
}

static void handler_begin(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	cr_assert_not_null(mkdtemp(handler.dir));
	snprintf(handler.path, sizeof(handler.path), "%s/sock", handler.dir);
	strcpy(sun.sun_path, handler.path);
	handler.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(handler.listener, (struct sockaddr *)&sun, sizeof(sun)), 0);
	cr_assert_eq(listen(handler.listener, 4), 0);
}

/* Its channel comes back to a control that knows of it by what lies with the shard alone. */
static struct program *handled_again(struct client *c, bool resumes)
{
	handler_begin();
	handled_comes(c)->handled.place = handler_place((struct handled_place){.resumes = resumes});
	keep_send(session_at(1));
	restart();
	cr_assert_eq(kept(c, &bench_blob), 0);
	items_drop();
	return handled_comes(c);
}

static void handler_end(void)
{
	close(handler.listener);
	unlink(handler.path);
	cr_expect_eq(rmdir(handler.dir), 0);
}

static int handler_called(void)
{
	int fd = -1;

	for (unsigned int n = 0; fd < 0; n++) {
		cr_assert_lt(n, 100000, "nobody calls");
		uv_run(&t.loop, UV_RUN_NOWAIT);
		fd = accept4(handler.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	}
	return fd;
}

/* Up to the end of a line, or of all. */
static void handler_hears(int fd, char *buf, size_t size)
{
	size_t have = 0;
	ssize_t n = -1;

	memset(buf, 0, size);
	for (unsigned int i = 0; n != 0 && strchr(buf, '\n') == NULL; i++) {
		cr_assert_lt(i, 100000, "it is told nothing");
		uv_run(&t.loop, UV_RUN_NOWAIT);
		n = recv(fd, buf + have, size - 1 - have, 0);
		have += n > 0 ? (size_t)n : 0;
	}
}

static void handler_says(int fd, const char *text, const bool *until)
{
	cr_assert_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	for (unsigned int i = 0; !*until; i++) {
		cr_assert_lt(i, 100000, "it is not heard");
		uv_run(&t.loop, UV_RUN_NOWAIT);
	}
}

/* Items before it are passed over. */
static bool client_reads(const char *text, size_t len)
{
	const struct link_bytes *b;

	while ((b = item_of(LINK_IT_PAYLOAD)) != NULL)
		if (memmem(b + 1, b->len, text, len) != NULL)
			return true;
	return false;
}

static void drained(const struct client *c)
{
	const struct link_chan_ref m = {.token = 7};

	cr_assert_eq(event(&c->conn, LINK_EV_CHAN_DRAINED, &m, sizeof(m), NULL, 0), 0);
}

Test(control_kept, a_handler_is_called_again)
{
	struct client c = client_in(1, 1);
	struct program *p = handled_again(&c, true);
	int fd = handler_called();
	char told[1024];

	handler_hears(fd, told, sizeof(told));
	cr_expect_not_null(strstr(told, "\"resumed\":true"), "%s", told);
	cr_expect_not_null(strstr(told, "\"role\":\"channel\",\"channel\":\"5ec4e7\""), "%s", told);
	cr_expect_not_null(strstr(told, "\"user\":\"demo\",\"type\":\"session\",\"number\":3"),
			   "%s", told);
	handler_says(fd, "{\"accept\":true}\n{\"exit\":7}\n", &p->exited);
	cr_expect(p->told);
	cr_expect_not(p->finished, "its bytes come first");
	drained(&c);
	cr_expect(client_reads("exit-status\0\0\0\0\7", 16));
	cr_expect_not_null(item_of(LINK_IT_CHAN_FINISH));
	fini(&c);
	handler_hears(fd, told, sizeof(told));
	cr_expect_not_null(strstr(told, "\"kind\":\"closed\""), "%s", told);
	close(fd);
	handler_end();
}

/* What was asked of it stands in for the descriptor: the one after the next has it, too. */
Test(control_kept, a_handler_is_called_again_by_every_control)
{
	struct client c = client_in(1, 1);
	struct program *p = handled_again(&c, true);
	char told[1024];
	int fd;

	for (unsigned int i = 0; i < 2; i++) {
		fd = handler_called();
		handler_hears(fd, told, sizeof(told));
		cr_expect_not_null(strstr(told, "5ec4e7"), "%s", told);
		t.env.leaving = true;
		restart();
		t.env.leaving = false;
		handler_hears(fd, told, sizeof(told));
		cr_expect_str_eq(told, "", "its channel goes on");
		close(fd);
		cr_assert_eq(kept(&c, &bench_blob), 0);
		p = handled_comes(&c);
		cr_expect_not(p->exited);
	}
	fini(&c);
	handler_end();
}

Test(control_kept, a_handler_that_does_not_know_it_any_more)
{
	const struct link_chan_ref *m;
	struct client c = client_in(1, 1);
	struct program *p = handled_again(&c, true);
	int fd = handler_called();

	handler_says(fd, "{\"accept\":false}\n", &p->finished);
	cr_expect(client_reads("its program does not know it any more", 37));
	m = item_of(LINK_CMD_CHAN_CLOSE);
	cr_assert_not_null(m);
	cr_expect_eq(m->token, 7);
	close(fd);
	fini(&c);
	handler_end();
}

/* It is asked as long as a helper would be. */
Test(control_kept, a_handler_that_is_gone)
{
	struct client c = client_in(1, 1);
	struct program *p = handled_again(&c, true);

	handler_end();
	for (unsigned int i = 0; i < 1000 && !p->finished; i++) {
		uv_run(&t.loop, UV_RUN_NOWAIT);
		pass(100);
	}
	cr_expect(p->finished);
	cr_expect_not_null(item_of(LINK_CMD_CHAN_CLOSE));
	fini(&c);
}

/* It has not said that it would take the channel up: its bytes go on, and are all that is known. */
Test(control_kept, a_handler_that_does_not_resume)
{
	struct client c = client_in(1, 1);
	struct program *p = handled_again(&c, false);

	cr_expect(p->exited);
	pass(60000);
	uv_run(&t.loop, UV_RUN_NOWAIT);
	cr_expect_eq(accept(handler.listener, NULL, NULL), -1, "nobody calls");
	cr_expect_not(p->finished);
	drained(&c);
	cr_expect(p->finished);
	cr_expect_not_null(item_of(LINK_IT_CHAN_FINISH));
	fini(&c);
	handler_end();
}

/* --- one that has a channel of another type --------------------------------------------------- */

static struct handled_chan *own_comes(const struct client *c, bool ours)
{
	const struct link_chan_kept ev = {.token = 7,
					  .local_channel = 3,
					  .peer_channel = 4,
					  .name_len = 11,
					  .up = 1,
					  .program = LINK_PROGRAM_CHANNEL,
					  .ours = ours};

	return channel_comes(c, &ev, "x-news@test")->handled;
}

static struct handled_chan *own_again(struct client *c, bool ours, struct handled_place how)
{
	handler_begin();
	own_comes(c, ours)->handled.place = handler_place(how);
	keep_send(session_at(1));
	restart();
	cr_assert_eq(kept(c, &bench_blob), 0);
	items_drop();
	return own_comes(c, ours);
}

/* Its client asks for something, and has a SUCCESS for it from a program that goes on. */
static void own_answers(struct client *c, struct handled_chan *u, int fd)
{
	static const uint8_t request[] = {SSH_MSG_CHANNEL_REQUEST, 0, 0, 0, 3, 0, 0, 0, 1, 'x', 1};
	static const char success[] = {SSH_MSG_CHANNEL_SUCCESS, 0, 0, 0, 4};
	char told[1024];

	client_payload(c, &(struct ssh_str){request, sizeof(request)});
	handler_hears(fd, told, sizeof(told));
	cr_expect_not_null(strstr(told, "\"request\":\"x\",\"want_reply\":true"), "%s", told);
	handler_says(fd, "{\"reply\":true}\n{\"exit\":0}\n", &u->exited);
	cr_expect(client_reads(success, sizeof(success)));
}

static void own_goes_on(bool ours, const char *says)
{
	const struct handled_place how = {.resumes = true, .framed = true};
	struct client c = client_in(1, 1);
	struct handled_chan *u = own_again(&c, ours, how);
	const struct link_chan_cut *cut = NULL;
	int fd = handler_called();
	char told[1024] = "";

	handler_hears(fd, told, sizeof(told));
	cr_expect_not_null(strstr(told, says), "%s", told);
	cr_expect_not_null(strstr(told, "\"channel\":\"5ec4e7\""), "%s", told);
	cr_assert_eq(send(fd, "{\"accept\":true}\n{\"record\":4}\n", 29, MSG_NOSIGNAL), 29);
	for (unsigned int i = 0; cut == NULL; i++) {
		cr_assert_lt(i, 100000, "it is not heard");
		uv_run(&t.loop, UV_RUN_NOWAIT);
		cut = item_of(LINK_IT_CHAN_CUT);
	}
	cr_expect(cut->token == 7 && cut->max == 4);
	cr_expect_not(u->kept);
	own_answers(&c, u, fd);
	drained(&c);
	cr_expect_not_null(item_of(LINK_IT_CHAN_FINISH));
	fini(&c);
	while (strstr(told, "\"kind\":\"closed\"") == NULL) {
		handler_hears(fd, told, sizeof(told));
		cr_assert_neq(*told, '\0', "not told that it is closed");
	}
	close(fd);
	handler_end();
}

Test(control_kept, a_handler_of_a_clients_channel_is_called_again)
{
	own_goes_on(false, "\"type\":\"x-news@test\",\"number\":3,\"peer\":4,\"resumed\":true");
}

Test(control_kept, a_handler_of_a_channel_of_ours_is_called_again)
{
	own_goes_on(true, "\"type\":\"x-news@test\",\"ours\":true,\"number\":3,\"peer\":4,"
			  "\"resumed\":true");
}

/* Its type has no word about how it ended: the channel is closed, and that is all. */
Test(control_kept, a_handler_that_does_not_know_its_channel_any_more)
{
	struct client c = client_in(1, 1);
	struct handled_chan *u = own_again(&c, false, (struct handled_place){.resumes = true});
	int fd = handler_called();
	const struct link_chan_ref *m;

	handler_says(fd, "{\"accept\":false}\n", &u->exited);
	m = item_of(LINK_CMD_CHAN_CLOSE);
	cr_assert_not_null(m);
	cr_expect_eq(m->token, 7);
	close(fd);
	fini(&c);
	handler_end();
}

Test(control_kept, a_handler_of_a_channel_that_is_gone)
{
	struct client c = client_in(1, 1);
	struct handled_chan *u = own_again(&c, false, (struct handled_place){.resumes = true});

	handler_end();
	for (unsigned int i = 0; i < 1000 && !u->exited; i++) {
		uv_run(&t.loop, UV_RUN_NOWAIT);
		pass(100);
	}
	cr_expect(u->exited);
	cr_expect_not_null(item_of(LINK_CMD_CHAN_CLOSE));
	fini(&c);
}

/* MaxSessions counts what handlers had us open, whether they resume or not. */
Test(control_kept, channels_of_handlers_count_as_before)
{
	struct client c = client_in(1, 1);
	struct ours_ask ask = {.of_program = true};
	struct session *s;

	(void)own_again(&c, true, (struct handled_place){.of_program = true});
	s = session_at(1);
	cr_assert_eq(session_wake(s), 0);
	s->awake->conf.max_sessions = 1;
	cr_expect_eq(ours_begin(s, "x-news@test", handler.path, ssh_str_c(""), &ask), -EUSERS);
	session_tire(s);
	fini(&c);
	handler_end();
}

/* What has no room behind who the connection is ends with its bytes. */
Test(control_kept, as_many_places_as_there_is_room_for)
{
	struct client c = client_in(1, 1);
	struct link_chan_kept ev = {.name_len = 11, .up = 1, .program = LINK_PROGRAM_CHANNEL};
	const struct handled_place *p;
	struct handled_place how = {.resumes = true, .framed = true};
	size_t n = 0;

	strcpy(handler.path, "/run/a/path/of/a/programs/that/is/nowhere");
	for (ev.token = 1; ev.token <= 100; ev.token++)
		channel_comes(&c, &ev, "x-news@test")->handled->handled.place = handler_place(how);
	keep_send(session_at(1));
	restart();
	cr_assert_eq(kept(&c, &bench_blob), 0);
	for (p = t.env.places; p != NULL; p = p->next, n++) {
		cr_expect(p->token >= 1 && p->token <= 100 && p->resumes && p->framed);
		cr_expect_str_eq(p->path, handler.path);
	}
	cr_expect(n > 20 && n < 100, "%zu", n);
	fini(&c);
}

/* Channels may end before a control is told of them. */
Test(control_kept, a_place_whose_channel_is_gone)
{
	struct client c = client_in(1, 1);

	(void)handled_again(&c, true);
	restart();
	cr_assert_eq(kept(&c, &bench_blob), 0);
	cr_expect_not_null(t.env.places);
	fini(&c);
	cr_expect_null(t.env.places);
	handler_end();
}

/* Whose they are nobody knows any more; without a program they are nobody's. */
Test(control_kept, agents_and_displays_end_with_the_last_program)
{
	struct client c = client_in(1, 1);
	struct link_chan_kept ch = {
		.token = 7, .local_channel = 3, .name_len = 4, .up = 1, .program = 1};
	struct link_forward_kept f = {
		.token = 20, .opens = LINK_OPENS_TCPIP, .kind = 2, .up = 1, .n_at = 1};
	struct link_chan_end end = {.audit_id = 1, .token = 7, .told = 1};
	struct session *s;

	restart();
	cr_assert_eq(kept(&c, &bench_blob), 0);
	s = session_at(1);
	for (uint8_t opens = LINK_OPENS_TCPIP; opens < LINK_OPENS_COUNT; opens++, f.token++) {
		f.opens = opens;
		cr_assert_eq(event(&c.conn, LINK_EV_FORWARD_KEPT, &f, sizeof(f), "", 0), 0);
	}
	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_KEPT, &ch, sizeof(ch), "host", 4), 0);
	ch.token = 8;
	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_KEPT, &ch, sizeof(ch), "host", 4), 0);
	cr_assert_eq(t.env.n_listeners, 4);
	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_END, &end, sizeof(end), "host", 0), 0);
	cr_expect_eq(t.env.n_listeners, 4, "one of them runs");
	end.token = 8;
	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_END, &end, sizeof(end), "host", 0), 0);
	cr_expect_eq(t.env.n_listeners, 2);
	for (struct listener *l = forward_next(s, NULL); l != NULL; l = forward_next(s, l))
		cr_expect_lt(l->opens, LINK_OPENS_AGENT);
	cr_expect_not_null(item_of(LINK_IT_UNFORWARD));
	fini(&c);
	cr_expect_eq(t.env.n_listeners, 0);
}

/* What it asked for holds in the next control, too. */
Test(control_kept, no_more_sessions_and_its_epoch)
{
	static const uint8_t no_more[] = "\x50\0\0\0\x1cno-more-sessions@openssh.com";
	const struct ssh_str q = {no_more, 1 + 4 + 28 + 1};
	struct client c = client_in(1, 1);

	client_payload(&c, &q);
	restart();
	cr_assert_eq(kept(&c, &bench_blob), 0);
	cr_expect(session_at(1)->no_more_sessions);
	fini(&c);
}
