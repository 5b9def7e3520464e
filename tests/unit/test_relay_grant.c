/* dataplane/relay: channels a rule has allowed already are opened without asking, and no others. */
#define BENCH_CONNS   4
#define BENCH_STREAMS 64
#define BENCH_MSGS    8192
#define BENCH_TABLE   64
#include "tests/util/relay_bench.h"

#define LIFETIME_MS 60000

TestSuite(relay_grant, .init = bench_start, .fini = bench_end);

/* To "db" port 5432 at addresses that end in 1 and 2, as tokens are numbered. */
static struct link_grant grant_of(uint64_t token)
{
	return (struct link_grant){
		.token = token,
		.lifetime_ms = LIFETIME_MS,
		.connect_timeout_ms = 1000,
		.port = 5432,
		.n_addrs = 2,
		.kind = 1,
		.host_len = 2,
		.addr = {{.family = 4, .port = 5432, .addr = {192, 0, 2, 1}},
			 {.family = 4, .port = 5433, .addr = {192, 0, 2, 2}}},
		.host = "db",
	};
}

static void give(const struct client *c, const struct link_grant *g)
{
	down(LINK_CMD_GRANT, c->h, g, sizeof(*g), NULL, 0);
	bench_settle();
}

static void revoke(struct link_handle h, uint64_t token)
{
	struct link_revoke m = {.token = token};

	down(LINK_CMD_REVOKE, h, &m, sizeof(m), NULL, 0);
}

static struct client login_granted(void)
{
	struct link_grant g = grant_of(77);
	struct client c = client_login();

	give(&c, &g);
	return c;
}

static uint32_t open_build(uint8_t *buf, size_t size, const char *type, const char *host,
			   uint32_t port, uint32_t number, uint32_t packet_max)
{
	uint8_t rest[512];
	struct ssh_chan_open m = {.type = ssh_str_c(type),
				  .sender_channel = number,
				  .window_size = BENCH_WINDOW,
				  .packet_max = packet_max};
	struct ssh_wr w;

	ssh_wr_init(&w, rest, sizeof(rest));
	ssh_wr_cstr(&w, host);
	ssh_wr_u32(&w, port);
	ssh_wr_cstr(&w, "127.0.0.1");
	ssh_wr_u32(&w, 40000);
	m.rest = (struct ssh_str){rest, (uint32_t)ssh_wr_done(&w)};
	ssh_wr_init(&w, buf, size);
	ssh_chan_open_build(&w, &m);
	return (uint32_t)ssh_wr_done(&w);
}

static void ask(struct client *c, const char *type, const char *host, uint32_t port,
		uint32_t number)
{
	uint8_t buf[1024];

	client_send(c, buf, open_build(buf, sizeof(buf), type, host, port, number, 32768));
	bench_settle();
}

static void ask_db(struct client *c, uint32_t number)
{
	ask(c, "direct-tcpip", "db", 5432, number);
}

/* One that ask_db() began, connected and confirmed. */
static struct bench_chan opened(struct client *c)
{
	stream_notify(&fake_last()->s, STREAM_EV_CONNECTED);
	return client_confirmed(c);
}

static uint32_t refused(struct client *c)
{
	struct ssh_chan_failure m;
	const uint8_t *p;
	struct ssh_rd r;
	size_t n;

	cr_assert_eq(client_next(c, &p, &n), SSH_MSG_CHANNEL_OPEN_FAILURE);
	ssh_rd_init(&r, p + 1, n - 1);
	cr_assert_eq(ssh_chan_failure_parse(&r, &m), 0);
	return m.reason;
}

static void expect_asked(struct client *c)
{
	up_payload_expect(c, SSH_MSG_CHANNEL_OPEN);
	cr_expect_eq(bench_count(RELAY_C_GRANTED), 0);
	cr_expect_eq(bench_targets, 0);
}

Test(relay_grant, is_opened_without_asking_and_told_of)
{
	struct client c = login_granted();
	const struct link_chan_ref *ref;
	const struct link_chan_end *end;
	struct bench_chan ch;

	ask_db(&c, 9);
	cr_assert_eq(bench_targets, 1);
	cr_expect_eq(fake_last()->port, 5432);
	ch = opened(&c);
	cr_expect_eq(ch.number, 9);
	ref = up_expect(LINK_EV_CHAN_OPENED, NULL);
	cr_expect_eq(ref->token, 77);
	cr_expect_eq(ref->local_channel, ch.local);
	cr_expect_eq(ref->target.addr[3], 1);

	client_data(&c, ch.local, "x", 1);
	bench_settle();
	cr_expect_eq(ch.target->tx.len, 1);
	client_simple(&c, SSH_MSG_CHANNEL_CLOSE, ch.local);
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
	end = up_expect(LINK_EV_CHAN_END, NULL);
	cr_expect_eq(end->token, 77);
	cr_expect_eq(end->local_channel, ch.local);
	cr_expect_eq(end->bytes_from_peer, 1);
	cr_expect_eq(bench_count(RELAY_C_GRANTED), 1);
	cr_expect_null(up_next(), "control was asked something");
	client_free(&c);
}

Test(relay_grant, many_channels_of_one_grant_are_told_apart)
{
	struct client c = login_granted();
	struct bench_chan a, b;

	ask_db(&c, 1);
	a = opened(&c);
	ask_db(&c, 2);
	b = opened(&c);
	cr_expect_neq(a.local, b.local);
	cr_expect_eq(
		((const struct link_chan_ref *)up_expect(LINK_EV_CHAN_OPENED, NULL))->local_channel,
		a.local);
	cr_expect_eq(
		((const struct link_chan_ref *)up_expect(LINK_EV_CHAN_OPENED, NULL))->local_channel,
		b.local);
	client_free(&c);
}

Test(relay_grant, the_next_address_is_tried)
{
	struct client c = login_granted();
	const struct link_chan_failed *ev;

	ask_db(&c, 1);
	fake_fail(fake_last(), -ECONNREFUSED);
	bench_settle();
	cr_assert_eq(bench_targets, 2);
	cr_expect_eq(fake_last()->port, 5433);
	fake_fail(fake_last(), -ECONNREFUSED);
	cr_expect_eq(refused(&c), SSH_OPEN_CONNECT_FAILED);
	ev = up_expect(LINK_EV_CHAN_FAILED, NULL);
	cr_expect_eq(ev->token, 77);
	cr_expect_eq(ev->err, -ECONNREFUSED);
	client_free(&c);
}

/* The addresses may be others by now; and no client makes news of failures faster than it asks. */
Test(relay_grant, is_over_when_an_open_fails)
{
	struct client c = login_granted();
	struct link_grant other = grant_of(78);

	other.port = 1;
	give(&c, &other);
	ask_db(&c, 1);
	fake_fail(fake_last(), -ECONNREFUSED);
	bench_settle();
	fake_fail(fake_last(), -ECONNREFUSED);
	cr_expect_eq(refused(&c), SSH_OPEN_CONNECT_FAILED);
	up_expect(LINK_EV_CHAN_FAILED, NULL);
	ask_db(&c, 2);
	up_payload_expect(&c, SSH_MSG_CHANNEL_OPEN);
	ask(&c, "direct-tcpip", "db", 1, 3);
	cr_expect_eq(bench_targets, 3, "the other one still holds");
	client_free(&c);
}

Test(relay_grant, is_over_when_there_is_no_room_for_a_channel)
{
	struct client c = login_granted();

	for (uint32_t i = 0; i < BENCH_CHANS; i++) {
		ask_db(&c, i);
		(void)opened(&c);
		up_expect(LINK_EV_CHAN_OPENED, NULL);
	}
	ask_db(&c, BENCH_CHANS);
	cr_expect_eq(refused(&c), SSH_OPEN_RESOURCE_SHORTAGE);
	up_expect(LINK_EV_CHAN_FAILED, NULL);
	ask_db(&c, BENCH_CHANS + 1);
	up_payload_expect(&c, SSH_MSG_CHANNEL_OPEN);
	client_free(&c);
}

/* Whatever is not exactly what was granted is asked for. */
Test(relay_grant, other_targets_are_asked_for)
{
	static char long_host[300];
	static const struct {
		const char *type, *host;
		uint32_t port;
	} other[] = {
		{"direct-tcpip", "db", 5433},
		{"direct-tcpip", "db", 0},
		{"direct-tcpip", "db", 65536 + 5432},
		{"direct-tcpip", "DB", 5432},
		{"direct-tcpip", "d", 5432},
		{"direct-tcpip", "db.", 5432},
		{"direct-tcpip", "", 5432},
		{"direct-tcpip", "192.0.2.1", 5432},
		{"direct-tcpip", long_host, 5432},
		{"direct-tcpi", "db", 5432},
		{"direct-tcpip2", "db", 5432},
		{"direct-streamlocal@openssh.com", "db", 5432},
		{"session", "db", 5432},
	};
	struct client c = login_granted();

	memset(long_host, 'd', sizeof(long_host) - 1);
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		ask(&c, other[i].type, other[i].host, other[i].port, 5);
		expect_asked(&c);
	}
	client_free(&c);
}

/* Control says what is wrong with it, as of any other. */
Test(relay_grant, a_malformed_open_is_asked_for)
{
	struct client c = login_granted();
	uint8_t buf[1100];
	uint32_t n = open_build(buf, sizeof(buf), "direct-tcpip", "db", 5432, 1, 32768);

	memset(buf + n, 0, sizeof(buf) - n);
	for (uint32_t len = 2; len < n; len += 7) {
		client_send(&c, buf, len);
		expect_asked(&c);
	}
	client_send(&c, buf, n + 1);
	expect_asked(&c);
	client_send(&c, buf, sizeof(buf));
	expect_asked(&c);
	client_free(&c);
}

Test(relay_grant, is_one_connections)
{
	struct client a = login_granted(), b = client_login();

	ask_db(&b, 1);
	expect_asked(&b);
	client_free(&a);
	client_free(&b);
}

Test(relay_grant, its_time_is_over)
{
	struct client c = login_granted();

	bench_pass(LIFETIME_MS * UINT64_C(1000) - 1);
	ask_db(&c, 1);
	(void)opened(&c);
	up_expect(LINK_EV_CHAN_OPENED, NULL);
	bench_pass(1);
	ask_db(&c, 2);
	up_payload_expect(&c, SSH_MSG_CHANNEL_OPEN);
	cr_expect_eq(bench_count(RELAY_C_GRANTED), 1);
	client_free(&c);
}

static const struct link_handle nobody;

/* In the turn that reads it; the OPEN came first, and is asked for all the same. */
Test(relay_grant, revoked_it_is_asked_for_in_the_same_turn)
{
	static const struct {
		bool conn;
		uint64_t token;
	} by[] = {{true, 77}, {true, 0}, {false, 77}, {false, 0}};
	struct client c = client_login();

	for (size_t i = 0; i < sizeof(by) / sizeof(by[0]); i++) {
		struct link_grant g = grant_of(77);
		uint8_t buf[256];

		give(&c, &g);
		client_send(&c, buf,
			    open_build(buf, sizeof(buf), "direct-tcpip", "db", 5432, 1, 32768));
		revoke(by[i].conn ? c.h : nobody, by[i].token);
		bench_turn();
		expect_asked(&c);
	}
	client_free(&c);
}

Test(relay_grant, revoking_another_changes_nothing)
{
	struct client c = login_granted();
	struct link_handle gone = c.h;

	gone.generation++;
	revoke(c.h, 78);
	revoke(nobody, 78);
	revoke(gone, 77);
	revoke(gone, 0);
	ask_db(&c, 1);
	cr_expect_eq(bench_targets, 1);
	client_free(&c);
}

Test(relay_grant, what_is_open_outlives_it)
{
	struct client c = login_granted();
	struct bench_chan ch;

	ask_db(&c, 1);
	ch = opened(&c);
	revoke(nobody, 0);
	bench_settle();
	client_data(&c, ch.local, "more", 4);
	bench_settle();
	cr_expect_eq(ch.target->tx.len, 4);
	client_free(&c);
}

Test(relay_grant, the_same_target_again_takes_its_place)
{
	struct client c = login_granted();
	struct link_grant g = grant_of(78);

	g.addr[0].port = 6000;
	for (int i = 0; i < 3 * 32; i++)
		give(&c, &g);
	ask_db(&c, 1);
	cr_expect_eq(fake_last()->port, 6000);
	(void)opened(&c);
	cr_expect_eq(((const struct link_chan_ref *)up_expect(LINK_EV_CHAN_OPENED, NULL))->token,
		     78);
	cr_expect_eq(bench_count(RELAY_C_GRANT_TABLE_FULL), 0);
	client_free(&c);
}

/* A connection has few; what there is no room for is counted and asked for. */
Test(relay_grant, a_connection_has_so_many)
{
	struct client c = client_login();
	struct relay_uses u;

	for (unsigned int i = 0; i < 33; i++) {
		struct link_grant g = grant_of(100 + i);

		g.port = (uint16_t)(1000 + i);
		give(&c, &g);
	}
	cr_expect_eq(bench_count(RELAY_C_GRANT_TABLE_FULL), 1);
	ask(&c, "direct-tcpip", "db", 1032, 1);
	expect_asked(&c);
	ask(&c, "direct-tcpip", "db", 1000, 1);
	cr_expect_eq(bench_targets, 1);
	ask(&c, "direct-tcpip", "db", 1031, 2);
	cr_expect_eq(bench_targets, 2);
	relay_uses(bench, &u);
	cr_expect(u.grants.now == 32 && u.grants.max == RELAY_GRANTS_MAX);
	fake_eof(c.f);
	bench_settle();
	relay_uses(bench, &u);
	cr_expect_eq(u.grants.now, 0);
	client_free(&c);
}

/* Those it will not ask for again are in nobody's way. */
Test(relay_grant, those_that_are_over_are_none_of_so_many)
{
	struct client c = client_login();

	for (unsigned int i = 0; i < 2 * 32; i++) {
		struct link_grant g = grant_of(100 + i);

		g.port = (uint16_t)(1000 + i);
		g.lifetime_ms = i == 5 ? 2 * LIFETIME_MS : LIFETIME_MS;
		if (i == 32)
			bench_pass(LIFETIME_MS * UINT64_C(1000));
		give(&c, &g);
	}
	cr_expect_eq(bench_count(RELAY_C_GRANT_TABLE_FULL), 1, "one still holds");
	ask(&c, "direct-tcpip", "db", 1005, 1);
	cr_expect_eq(bench_targets, 1);
	ask(&c, "direct-tcpip", "db", 1062, 2);
	cr_expect_eq(bench_targets, 2);
	client_free(&c);
}

Test(relay_grant, without_control_it_holds_until_its_time_is_over)
{
	struct client c = login_granted();
	struct bench_chan ch;

	bench_link_gone = true;
	relay_link_detached(bench);
	bench_pass(20000000); /* beyond ControlWait */
	ask_db(&c, 1);
	ch = opened(&c);
	client_simple(&c, SSH_MSG_CHANNEL_CLOSE, ch.local);
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
	bench_pass(LIFETIME_MS * UINT64_C(1000));
	ask_db(&c, 2);
	cr_expect_eq(refused(&c), SSH_OPEN_RESOURCE_SHORTAGE);
	cr_expect_eq(bench_count(RELAY_C_CONTROL_AWAY), 1);
	bench_link_gone = false;
	relay_link_attached(bench);
	bench_settle();
	up_expect(LINK_EV_CHAN_END, NULL); /* audit lost nothing */
	client_free(&c);
}

/* S-58: targets that do not answer are opened without asking up to a bound, then control counts. */
Test(relay_grant, s58_those_nobody_answers_are_asked_for_at_the_bound)
{
	struct link_authenticated a = bench_auth;
	struct client c = client_new("aes128-gcm@openssh.com", "");
	struct link_grant g = grant_of(77);
	struct bench_chan ch;

	g.n_addrs = 1;
	a.max_channels = 64;
	client_ident(&c);
	client_kex(&c);
	client_auth(&c, &a);
	give(&c, &g);
	for (uint32_t i = 0; i < 16; i++)
		ask_db(&c, i);
	cr_assert_eq(bench_targets, 16);
	ask_db(&c, 16);
	up_payload_expect(&c, SSH_MSG_CHANNEL_OPEN);
	cr_expect_eq(bench_targets, 16);
	cr_expect_eq(bench_count(RELAY_C_GRANT_CONNECTING), 1);

	/* One has answered: there is room for one. */
	ch = opened(&c);
	ask_db(&c, 17);
	cr_expect_eq(bench_targets, 17);
	ask_db(&c, 18);
	cr_expect_eq(bench_count(RELAY_C_GRANT_CONNECTING), 2);
	client_simple(&c, SSH_MSG_CHANNEL_CLOSE, ch.local);
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
	ask_db(&c, 19);
	cr_expect_eq(bench_count(RELAY_C_GRANT_CONNECTING), 3, "what was open was not counted");

	/* All time out, and with them the grant ends; under a new one the count begins anew. */
	bench_pass(1000001);
	for (uint32_t i = 0; i < 16; i++)
		cr_expect_eq(refused(&c), SSH_OPEN_CONNECT_FAILED);
	give(&c, &g);
	ask_db(&c, 20);
	cr_expect_eq(bench_targets, 18);
	cr_expect_eq(bench_count(RELAY_C_GRANT_CONNECTING), 3);
	client_free(&c);
}

Test(relay_grant, channels_of_it_count_as_any)
{
	struct client c = login_granted();
	const struct link_chan_failed *ev;

	for (uint32_t i = 0; i < BENCH_CHANS; i++) {
		ask_db(&c, i);
		(void)opened(&c);
		up_expect(LINK_EV_CHAN_OPENED, NULL);
	}
	ask_db(&c, BENCH_CHANS);
	cr_expect_eq(refused(&c), SSH_OPEN_RESOURCE_SHORTAGE);
	ev = up_expect(LINK_EV_CHAN_FAILED, NULL);
	cr_expect_eq(ev->token, 77);
	cr_expect_eq(ev->err, -SSH_E_CHANNELS);
	cr_expect_eq(bench_count(RELAY_C_CHANS_CONN), 1);
	cr_expect_eq(bench_targets, BENCH_CHANS);
	client_free(&c);
}

Test(relay_grant, a_packet_size_too_small_is_refused)
{
	struct client c = login_granted();
	uint8_t buf[256];

	client_send(&c, buf,
		    open_build(buf, sizeof(buf), "direct-tcpip", "db", 5432, 1,
			       SSH_CHAN_PACKET_MIN - 1));
	cr_expect_eq(refused(&c), SSH_OPEN_RESOURCE_SHORTAGE);
	cr_expect_eq(bench_targets, 0);
	up_expect(LINK_EV_CHAN_FAILED, NULL);
	ask_db(&c, 2);
	up_payload_expect(&c, SSH_MSG_CHANNEL_OPEN);
	client_free(&c);
}

/* The ring that takes the news is full: nothing is lost, nothing is opened twice. */
Test(relay_grant, a_refusal_waits_for_room_on_the_link)
{
	struct client c = login_granted();

	for (uint32_t i = 0; i < BENCH_CHANS; i++) {
		ask_db(&c, i);
		(void)opened(&c);
		up_expect(LINK_EV_CHAN_OPENED, NULL);
	}
	bench_link_full = true;
	{
		uint8_t buf[256];

		client_send(&c, buf,
			    open_build(buf, sizeof(buf), "direct-tcpip", "db", 5432, 50, 32768));
	}
	for (int i = 0; i < 100; i++)
		bench_turn();
	bench_link_full = false;
	cr_expect_eq(refused(&c), SSH_OPEN_RESOURCE_SHORTAGE);
	up_expect(LINK_EV_CHAN_FAILED, NULL);
	cr_expect_null(up_next());
	client_free(&c);
}

static void request(struct client *c, uint32_t channel, bool want_reply, uint32_t cut)
{
	uint8_t buf[256];
	struct ssh_chan_request q = {.recipient_channel = channel,
				     .type = ssh_str_c("keepalive@openssh.com"),
				     .want_reply = want_reply};
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_request_build(&w, &q);
	client_send(c, buf, (uint32_t)ssh_wr_done(&w) - cut);
}

Test(relay_grant, requests_of_its_channels_are_answered_here)
{
	struct client c = login_granted();
	struct bench_chan ch;
	const uint8_t *p;
	size_t n;

	ask_db(&c, 6);
	ch = opened(&c);
	up_expect(LINK_EV_CHAN_OPENED, NULL);
	request(&c, ch.local, false, 0);
	cr_expect_eq(client_next(&c, &p, &n), 0);
	request(&c, ch.local, true, 0);
	cr_assert_eq(client_next(&c, &p, &n), SSH_MSG_CHANNEL_FAILURE);
	cr_expect_eq(p[4], 6);
	cr_expect_null(up_next());
	request(&c, ch.local, true, 1);
	client_ended(&c, -SSH_E_FORMAT);
	client_free(&c);
}

/* The CONFIRMATION waits for the end of a key exchange, as all of its kind. */
Test(relay_grant, nothing_of_it_is_sealed_during_a_rekey)
{
	struct client c = login_granted();
	struct link_keys k;

	ask_db(&c, 1);
	down_msg(&c, SSH_MSG_KEXINIT);
	bench_settle();
	stream_notify(&fake_last()->s, STREAM_EV_CONNECTED);
	client_expect(&c, SSH_MSG_KEXINIT);
	client_send_byte(&c, SSH_MSG_KEXINIT);
	up_payload_expect(&c, SSH_MSG_KEXINIT);
	client_send_byte(&c, SSH_MSG_KEX_ECDH_INIT);
	up_payload_expect(&c, SSH_MSG_KEX_ECDH_INIT);
	down_msg(&c, SSH_MSG_KEX_ECDH_REPLY);
	down_msg(&c, SSH_MSG_NEWKEYS);
	keys_of(&c, c.keys, &k);
	down(LINK_IT_TX_KEYS, c.h, &k, sizeof(k), NULL, 0);
	client_expect(&c, SSH_MSG_KEX_ECDH_REPLY);
	client_expect(&c, SSH_MSG_NEWKEYS);
	client_dir_keys(&c, &c.flat.rx, c.keys);
	client_expect(&c, SSH_MSG_CHANNEL_OPEN_CONFIRMATION);
	client_free(&c);
}

Test(relay_grant, before_the_login_it_is_controls_mistake)
{
	struct client c = client_new("aes128-gcm@openssh.com", "");
	struct link_grant g = grant_of(77);

	client_ident(&c);
	client_kex(&c);
	give(&c, &g);
	client_ended(&c, -SSH_E_INTERNAL);
	client_free(&c);
}

Test(relay_grant, goes_with_its_connection)
{
	struct client c = login_granted();
	uint8_t disconnect[13] = {SSH_MSG_DISCONNECT};

	client_send(&c, disconnect, sizeof(disconnect));
	bench_pass(5000000);
	cr_expect(c.f->closed || c.f->aborted);
	revoke(nobody, 77); /* walks over its place */
	bench_settle();
	client_free(&c);
}

/* --- ends that nobody records ------------------------------------------------------------------
 */

static void few_ends(void)
{
	bench_start_with(4);
}

/* Otherwise a client that opens and closes would push ends, its own and others', out of audit. */
Test(relay_grant_ends, while_many_wait_opens_are_asked_for, .init = few_ends, .fini = bench_end)
{
	struct link_audit_ack ack = {2};
	struct client c = login_granted();

	for (uint32_t i = 0; i < 2; i++) {
		struct bench_chan ch;

		ask_db(&c, i);
		ch = opened(&c);
		up_expect(LINK_EV_CHAN_OPENED, NULL);
		client_simple(&c, SSH_MSG_CHANNEL_CLOSE, ch.local);
		client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
		up_expect(LINK_EV_CHAN_END, NULL);
	}
	ask_db(&c, 2);
	up_payload_expect(&c, SSH_MSG_CHANNEL_OPEN);
	cr_expect_eq(bench_count(RELAY_C_GRANT_HELD), 1);
	cr_expect_eq(bench_count(RELAY_C_AUDIT_LOST), 0);
	down(LINK_CMD_AUDIT_ACK, nobody, &ack, sizeof(ack), NULL, 0);
	bench_settle();
	ask_db(&c, 3);
	cr_expect_eq(bench_count(RELAY_C_GRANTED), 3, "the grant still holds");
	client_free(&c);
}

/* --- a table of four --------------------------------------------------------------------------
 */

static void small(void)
{
	bench_grants_max = 4;
	bench_start();
}

Test(relay_grant_table, full_it_is_counted, .init = small, .fini = bench_end)
{
	struct client c = client_login(), d = client_login();

	for (unsigned int i = 0; i < 6; i++) {
		struct link_grant g = grant_of(100 + i);

		g.port = (uint16_t)(1000 + i);
		give(i < 3 ? &c : &d, &g);
	}
	cr_expect_eq(bench_count(RELAY_C_GRANT_TABLE_FULL), 2);
	ask(&d, "direct-tcpip", "db", 1003, 1);
	cr_expect_eq(bench_targets, 1);
	ask(&d, "direct-tcpip", "db", 1004, 2);
	up_payload_expect(&d, SSH_MSG_CHANNEL_OPEN);
	client_free(&c);
	client_free(&d);
}

Test(relay_grant_table, places_of_those_that_are_over_are_used_again, .init = small,
     .fini = bench_end)
{
	struct client c = client_login(), d = client_login();

	for (unsigned int i = 0; i < 4; i++) {
		struct link_grant g = grant_of(100 + i);

		g.port = (uint16_t)(1000 + i);
		give(&c, &g);
	}
	bench_pass(LIFETIME_MS * UINT64_C(1000));
	for (unsigned int i = 0; i < 4; i++) {
		struct link_grant g = grant_of(200 + i);

		g.port = (uint16_t)(1000 + i);
		give(&d, &g);
	}
	cr_expect_eq(bench_count(RELAY_C_GRANT_TABLE_FULL), 0);
	ask(&d, "direct-tcpip", "db", 1003, 1);
	cr_expect_eq(bench_targets, 1);
	ask(&c, "direct-tcpip", "db", 1003, 1);
	up_payload_expect(&c, SSH_MSG_CHANNEL_OPEN);
	client_free(&c);
	client_free(&d);
}
