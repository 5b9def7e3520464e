/* dataplane/relay: what waits for a control that is away, for how long, and how it ends. */
#include "dataplane/relay/internal.h"

#include <time.h>

#define MANY          100000
#define BENCH_CONNS   (test_long() ? MANY : 1200)
#define BENCH_STREAMS (MANY + 64)
#define BENCH_MSGS    (8 * MANY)
#define BENCH_TABLE   64
#include "tests/util/relay_bench.h"

#define WAIT_US 10000000 /* the bench's ControlWait */

TestSuite(relay_wait, .init = bench_start, .fini = bench_end);

/* LoginGraceTime, which limits a rekey too, is not what these tests are about. */
static struct client login(void)
{
	struct link_authenticated a = bench_auth;
	struct client c = client_new("aes128-gcm@openssh.com", "");

	a.kex_timeout_ms = 120000;
	client_ident(&c);
	client_kex(&c);
	client_auth(&c, &a);
	return c;
}

static void control_leaves(void)
{
	bench_link_gone = true;
	relay_link_detached(bench);
	bench_settle();
}

static void control_comes(void)
{
	bench_link_gone = false;
	relay_link_attached(bench);
	bench_settle();
}

/* It has ended by itself; the next control hears why. */
static void ended_meanwhile(struct client *c, int err)
{
	cr_expect(c->f->shut, "it lives on");
	bench_link_gone = false;
	relay_link_attached(bench);
	client_ended(c, err);
}

static void send_open(struct client *c, uint8_t number)
{
	uint8_t open[] = {SSH_MSG_CHANNEL_OPEN, 0, 0, 0, 1, 'x', 0, 0, 0, number};

	client_send(c, open, sizeof(open));
}

static void send_global(struct client *c, bool want_reply)
{
	uint8_t m[] = {SSH_MSG_GLOBAL_REQUEST, 0, 0, 0, 1, 'x', want_reply};

	client_send(c, m, sizeof(m));
}

static void expect_refused(struct client *c, uint8_t number)
{
	struct ssh_chan_failure m;
	const uint8_t *p;
	struct ssh_rd r;
	size_t n;

	cr_assert_eq(client_next(c, &p, &n), SSH_MSG_CHANNEL_OPEN_FAILURE);
	ssh_rd_init(&r, p + 1, n - 1);
	cr_assert_eq(ssh_chan_failure_parse(&r, &m), 0);
	cr_expect_eq(m.recipient_channel, number);
	cr_expect_eq(m.reason, SSH_OPEN_RESOURCE_SHORTAGE);
}

static void expect_nothing(struct client *c)
{
	const uint8_t *p;
	size_t n;

	cr_expect_eq(client_next(c, &p, &n), 0);
}

/* Turns only when the relay asks for one: its own timers must be enough. */
static void pass_to_the_end_of_patience(void)
{
	uint64_t end = bench_now + WAIT_US;

	while (relay_next_timer_us(bench) <= end)
		bench_pass(RTE_MAX(relay_next_timer_us(bench), bench_now + 1) - bench_now);
}

Test(relay_wait, an_open_waits_and_is_refused)
{
	struct client c = login();

	control_leaves();
	bench_pass(3000000);
	send_open(&c, 7);
	bench_settle();
	bench_pass(WAIT_US - 3000001);
	expect_nothing(&c);
	bench_pass(1);
	expect_refused(&c, 7);
	cr_expect_eq(bench_count(RELAY_C_CONTROL_AWAY), 1);
	cr_expect_not(c.f->shut);
	client_free(&c);
}

Test(relay_wait, f04_who_has_waited_for_one_that_stood_still_is_answered_at_once)
{
	struct client c = login();

	send_open(&c, 7);
	bench_settle();
	bench_pass(WAIT_US);
	bench_link_gone = true;
	relay_link_detached(bench);
	relay_link_still(bench, bench_now - WAIT_US);
	bench_settle();
	expect_refused(&c, 7);
	cr_expect_not(c.f->shut);
	client_free(&c);
}

Test(relay_wait, an_open_that_waits_is_the_next_controls)
{
	struct client c = login();

	control_leaves();
	send_open(&c, 7);
	bench_settle();
	bench_pass(WAIT_US - 1);
	control_comes();
	up_payload_expect(&c, SSH_MSG_CHANNEL_OPEN);
	bench_pass(2 * WAIT_US);
	expect_nothing(&c);
	client_free(&c);
}

/* It blocks nothing: more than control may have unanswered are refused one behind the other. */
Test(relay_wait, when_patience_is_over_answers_come_at_once)
{
	struct client c = login();
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);

	control_leaves();
	bench_pass(WAIT_US);
	for (uint8_t i = 0; i < 100; i++)
		send_open(&c, i);
	client_data(&c, ch.local, "hello", 5);
	for (uint8_t i = 0; i < 100; i++)
		expect_refused(&c, i);
	cr_expect_eq(ch.target->tx.len, 5);
	client_free(&c);
}

Test(relay_wait, what_is_behind_the_bound_of_unanswered_is_refused_too)
{
	struct client c = login();
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);

	control_leaves();
	for (uint8_t i = 0; i < 40; i++)
		send_open(&c, i);
	client_data(&c, ch.local, "hello", 5);
	expect_nothing(&c);
	cr_expect_eq(ch.target->tx.len, 0, "order is kept");
	pass_to_the_end_of_patience();
	for (uint8_t i = 0; i < 40; i++)
		expect_refused(&c, i);
	cr_expect_eq(ch.target->tx.len, 5);
	client_free(&c);
}

/* What was decided is not asked again; the rest waits like what came later, and is refused. */
Test(relay_wait, an_open_that_was_being_decided_waits_too)
{
	struct client c = login();

	for (uint8_t i = 1; i <= 3; i++) {
		send_open(&c, i);
		up_payload_expect(&c, SSH_MSG_CHANNEL_OPEN); /* credited: it is being decided */
	}
	down_payload(&c,
		     (uint8_t[]){SSH_MSG_CHANNEL_OPEN_FAILURE, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0,
				 0, 0, 0, 0},
		     17);
	client_expect(&c, SSH_MSG_CHANNEL_OPEN_FAILURE);
	control_leaves();
	send_open(&c, 4);
	expect_nothing(&c);
	pass_to_the_end_of_patience();
	expect_refused(&c, 1);
	expect_refused(&c, 3);
	expect_refused(&c, 4);
	expect_nothing(&c);
	cr_expect_eq(bench_count(RELAY_C_CONTROL_AWAY), 3);
	control_comes();
	bench_pass(WAIT_US);
	cr_expect_not(c.f->shut, "the connection goes on");
	cr_expect_null(up_next());
	client_free(&c);
}

Test(relay_wait, requests_are_answered_with_failure)
{
	struct client c = login();
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);
	uint8_t q[] = {SSH_MSG_CHANNEL_REQUEST, 0, 0, 0, 0, 0, 0, 0, 1, 'x', 1};
	const uint8_t *p;
	size_t n;

	q[1] = (uint8_t)(ch.local >> 24);
	q[2] = (uint8_t)(ch.local >> 16);
	q[3] = (uint8_t)(ch.local >> 8);
	q[4] = (uint8_t)ch.local;
	control_leaves();
	send_global(&c, true);
	send_global(&c, false);
	client_send(&c, q, sizeof(q));
	q[10] = 0;
	client_send(&c, q, sizeof(q));
	expect_nothing(&c);
	pass_to_the_end_of_patience();
	client_expect(&c, SSH_MSG_REQUEST_FAILURE);
	cr_assert_eq(client_next(&c, &p, &n), SSH_MSG_CHANNEL_FAILURE);
	cr_expect_eq(n, 5);
	cr_expect_eq(p[4], 1, "in the peer's number");
	expect_nothing(&c);
	client_free(&c);
}

/* A request whose channel closed while it waited is answered by nothing (S-16). */
Test(relay_wait, a_request_of_a_channel_that_closed_is_dropped)
{
	struct client c = login();
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);
	uint8_t q[] = {SSH_MSG_CHANNEL_REQUEST, 0, 0, 0, 0, 0, 0, 0, 1, 'x', 1};

	q[1] = (uint8_t)(ch.local >> 24);
	q[2] = (uint8_t)(ch.local >> 16);
	q[3] = (uint8_t)(ch.local >> 8);
	q[4] = (uint8_t)ch.local;
	control_leaves();
	client_send(&c, q, sizeof(q));
	client_simple(&c, SSH_MSG_CHANNEL_CLOSE, ch.local);
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
	bench_pass(WAIT_US);
	expect_nothing(&c);
	cr_expect_not(c.f->shut);
	client_free(&c);
}

Test(relay_wait, malformed_requests_end_their_connection)
{
	static const struct {
		uint8_t p[8], n;
	} bad[] = {
		{{SSH_MSG_CHANNEL_OPEN}, 1},
		{{SSH_MSG_CHANNEL_OPEN, 0, 0, 0, 1, 'x', 0, 0}, 8},
		{{SSH_MSG_CHANNEL_OPEN, 255, 255, 255, 255}, 5},
		{{SSH_MSG_GLOBAL_REQUEST}, 1},
		{{SSH_MSG_GLOBAL_REQUEST, 0, 0, 0, 1, 'x'}, 6},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct client c = login();
		struct link_audit_ack ack = {i + 1};

		control_leaves();
		client_send(&c, bad[i].p, bad[i].n);
		bench_pass(WAIT_US);
		ended_meanwhile(&c, -SSH_E_FORMAT);
		down(LINK_CMD_AUDIT_ACK, (struct link_handle){0}, &ack, sizeof(ack), NULL, 0);
		client_free(&c);
	}
}

/* --- rekeys ---------------------------------------------------------------------------------- */

Test(relay_wait, a_rekey_of_the_clients_waits_and_ends_it)
{
	struct client c = login();

	control_leaves();
	bench_pass(5 * WAIT_US);
	client_send_byte(&c, SSH_MSG_KEXINIT); /* its wait begins here */
	bench_settle();
	bench_pass(WAIT_US - 1);
	expect_nothing(&c);
	cr_expect_not(c.f->shut);
	bench_pass(1);
	ended_meanwhile(&c, -SSH_E_UNAVAILABLE);
	client_free(&c);
}

Test(relay_wait, half_a_rekey_ends_when_patience_does)
{
	struct client c = login();

	client_send_byte(&c, SSH_MSG_KEXINIT);
	up_payload_expect(&c, SSH_MSG_KEXINIT);
	down_msg(&c, SSH_MSG_KEXINIT);
	client_expect(&c, SSH_MSG_KEXINIT);
	control_leaves();
	cr_expect_not(c.f->shut);
	pass_to_the_end_of_patience();
	ended_meanwhile(&c, -SSH_E_UNAVAILABLE);
	client_free(&c);
}

/* Our own limits: data goes on until then, and a control that comes in time is asked. */
static struct client with_limit(void)
{
	struct client c = login();
	struct link_keys k;

	/* Another exchange, whose keys are good for a second. */
	client_send_byte(&c, SSH_MSG_KEXINIT);
	up_payload_expect(&c, SSH_MSG_KEXINIT);
	down_msg(&c, SSH_MSG_KEXINIT);
	down_msg(&c, SSH_MSG_NEWKEYS);
	keys_of(&c, c.keys, &k);
	k.limit_seconds = 1;
	down(LINK_IT_TX_KEYS, c.h, &k, sizeof(k), NULL, 0);
	client_expect(&c, SSH_MSG_KEXINIT);
	client_expect(&c, SSH_MSG_NEWKEYS);
	client_dir_keys(&c, &c.flat.rx, c.keys);
	client_send_byte(&c, SSH_MSG_NEWKEYS);
	client_dir_keys(&c, &c.flat.tx, c.keys + 10);
	up_payload_expect(&c, SSH_MSG_NEWKEYS);
	keys_of(&c, c.keys + 10, &k);
	down(LINK_IT_RX_KEYS, c.h, &k, sizeof(k), NULL, 0);
	bench_settle();
	return c;
}

Test(relay_wait, keys_whose_limit_passed_wait_for_control)
{
	struct client c = with_limit();
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);

	control_leaves();
	bench_pass(1000001);
	bench_pass(WAIT_US / 2);
	fake_give(ch.target, "x", 1);
	client_expect(&c, SSH_MSG_CHANNEL_DATA);
	control_comes();
	up_expect(LINK_EV_REKEY_DUE, NULL);
	bench_pass(2 * WAIT_US);
	cr_expect_not(c.f->shut);
	client_free(&c);
}

/* They are being changed already: their limit is no news until that is over. */
Test(relay_wait, a_limit_that_passes_during_a_rekey_wakes_nobody)
{
	struct client c = with_limit();

	client_send_byte(&c, SSH_MSG_KEXINIT);
	up_payload_expect(&c, SSH_MSG_KEXINIT);
	bench_pass(1000001);
	bench_pass(100);
	cr_expect_gt(relay_next_timer_us(bench), bench_now + 1000000);
	cr_expect_null(up_next());
	client_free(&c);
}

Test(relay_wait, keys_whose_limit_passed_end_it)
{
	struct client c = with_limit();

	control_leaves();
	bench_pass(1000001);
	bench_pass(WAIT_US - 1);
	cr_expect_not(c.f->shut);
	bench_pass(1);
	ended_meanwhile(&c, -SSH_E_UNAVAILABLE);
	client_free(&c);
}

/* --- those who are not logged in -------------------------------------------------------------- */

Test(relay_wait, half_a_login_ends_when_patience_does)
{
	struct client c = client_new("aes128-gcm@openssh.com", "");

	client_ident(&c);
	control_leaves();
	bench_pass(WAIT_US - 1);
	cr_expect_not(c.f->shut);
	bench_pass(1);
	ended_meanwhile(&c, -SSH_E_UNAVAILABLE);
	client_free(&c);
}

/* A stranger who has said its line costs no turns until there is somebody to tell. */
Test(relay_wait, a_line_waits_for_control_without_polling)
{
	static const struct link_addr any = {.family = 4, .port = 22};
	struct fake *f = fake_new();

	control_leaves();
	cr_assert(relay_accept(bench, &f->s, 7, &any, &any, bench_now));
	fake_give(f, "SSH-2.0-early\r\n", 15);
	bench_settle();
	bench_pass(2 * WAIT_US);
	cr_expect_eq(relay_next_timer_us(bench), UINT64_MAX);
	control_comes();
	up_expect(LINK_EV_CONN_NEW, NULL);
	up_expect(LINK_EV_IDENT, NULL);
}

/* ListenBacklog, as LISTEN says it. */
Test(relay_wait, new_connections_are_answered_up_to_the_backlog)
{
	static const struct link_addr any = {.family = 4, .port = 22};
	struct link_listen l = {.addr = any, .backlog = 2};
	struct fake *f[4];

	down(LINK_CMD_LISTEN, (struct link_handle){0}, &l, sizeof(l), NULL, 0);
	bench_settle();
	control_leaves();
	for (int i = 0; i < 3; i++) {
		f[i] = fake_new();
		cr_expect_eq(relay_accept(bench, &f[i]->s, 1, &any, &any, bench_now), i < 2);
		bench_settle();
	}
	cr_expect_eq(bench_count(RELAY_C_BACKLOG_FULL), 1);
	bench_pass(3 * WAIT_US);
	cr_expect_not(f[0]->shut || f[1]->shut, "they wait for the next one");

	/* One that goes by itself makes room; nothing of it is for audit. */
	fake_fail(f[0], -ECONNRESET);
	bench_settle();
	f[3] = fake_new();
	cr_expect(relay_accept(bench, &f[3]->s, 1, &any, &any, bench_now));
	control_comes();
	up_expect(LINK_EV_CONN_NEW, NULL);
	up_expect(LINK_EV_CONN_NEW, NULL);
	cr_expect_null(up_next());
	f[0] = fake_new();
	cr_expect(relay_accept(bench, &f[0]->s, 1, &any, &any, bench_now), "room for others again");
	bench_settle();
}

/* --- ends without control -----------------------------------------------------------------------
 */

/* All a client wrote before its end arrives, control or not. */
Test(relay_wait, bytes_before_the_end_of_the_stream_arrive)
{
	static uint8_t buf[30000];
	struct client c = login();
	struct bench_chan ch = client_channel(&c, 1, 1 << 20);

	control_leaves();
	client_data(&c, ch.local, buf, sizeof(buf));
	client_data(&c, ch.local, buf, sizeof(buf));
	client_simple(&c, SSH_MSG_CHANNEL_EOF, ch.local);
	fake_eof(c.f);
	bench_settle();
	cr_expect_eq(ch.target->tx.len, 2 * sizeof(buf));
	cr_expect(ch.target->shut);
	client_free(&c);
}

/* --- what another control is told first
 * ------------------------------------------------------------- */

static void leaves_and_comes(void)
{
	control_leaves();
	bench_kept = true;
	control_comes();
}

/* A channel to a host that was asked for by this name. */
static struct bench_chan named_channel(struct client *c)
{
	struct link_chan_connect m = {.peer_channel = 5,
				      .peer_window = 1 << 20,
				      .peer_packet_max = 32768,
				      .connect_timeout_ms = 1000,
				      .n_addrs = 1,
				      .kind = 1,
				      .token = 55,
				      .addr = {{.family = 4, .port = 80}},
				      .name = {.port = 8080, .len = 6, .bytes = "a.host"}};

	send_open(c, 5);
	up_payload_expect(c, SSH_MSG_CHANNEL_OPEN);
	down(LINK_IT_CHAN_CONNECT, c->h, &m, sizeof(m), NULL, 0);
	bench_settle();
	stream_notify(&fake_last()->s, STREAM_EV_CONNECTED);
	return client_confirmed(c);
}

Test(relay_wait, whose_connections_and_channels_there_are)
{
	struct client c = login(), d = client_new("aes128-gcm@openssh.com", "");
	const struct link_conn_kept *m;
	const struct link_chan_kept *k;
	struct bench_chan ch;
	struct link_handle h;

	down_bytes(LINK_IT_BLOB, c.h, "blob", 4);
	ch = named_channel(&c);
	up_expect(LINK_EV_CHAN_OPENED, NULL);
	leaves_and_comes();
	m = up_expect(LINK_EV_CONN_KEPT, &h);
	cr_expect_eq(h.generation, c.h.generation, "not the one that has not logged in");
	cr_expect(m->len == 4 && memcmp(m + 1, "blob", 4) == 0);
	k = up_expect(LINK_EV_CHAN_KEPT, NULL);
	cr_expect(k->token == 55 && k->peer_channel == 5 && k->local_channel == ch.local);
	cr_expect(k->up == 1 && k->granted == 0 && k->program == 0);
	cr_expect(k->port == 8080 && k->name_len == 6 && memcmp(k + 1, "a.host", 6) == 0);
	client_free(&c);
	client_free(&d);
}

/* Who heard that a direction is at its end may have been killed before that was written. */
Test(relay_wait, ends_of_directions_are_said_to_the_next_one_too)
{
	struct client c = login();
	struct bench_chan ch;
	const struct link_chan_eof *eof;

	down_bytes(LINK_IT_BLOB, c.h, "blob", 4);
	ch = named_channel(&c);
	up_expect(LINK_EV_CHAN_OPENED, NULL);
	client_data(&c, ch.local, "hello", 5);
	client_simple(&c, SSH_MSG_CHANNEL_EOF, ch.local);
	bench_settle();
	up_expect(LINK_EV_CHAN_EOF, NULL);
	leaves_and_comes();
	up_expect(LINK_EV_CONN_KEPT, NULL);
	up_expect(LINK_EV_CHAN_KEPT, NULL);
	eof = up_expect(LINK_EV_CHAN_EOF, NULL);
	cr_expect_eq(eof->way, LINK_EOF_IN);
	cr_expect_eq(eof->bytes, 5);
	cr_expect_eq(eof->local_channel, ch.local);
	cr_expect_null(up_next());
	client_free(&c);
}

/* The next one asks, too, and replies have no numbers. */
Test(relay_wait, replies_to_a_control_that_is_gone_are_nobodys)
{
	static const uint8_t ask[] = {SSH_MSG_GLOBAL_REQUEST, 0, 0, 0, 1, 'x', 1};
	static const uint8_t no[] = {SSH_MSG_REQUEST_FAILURE}, yes[] = {SSH_MSG_REQUEST_SUCCESS};
	struct client c = login();

	down_bytes(LINK_IT_BLOB, c.h, "blob", 4);
	for (int i = 0; i < 2; i++) {
		down_bytes(LINK_IT_PAYLOAD, c.h, ask, sizeof(ask));
		client_expect(&c, SSH_MSG_GLOBAL_REQUEST);
	}
	client_send(&c, no, sizeof(no));
	bench_settle();
	up_expect(LINK_EV_PAYLOAD, NULL); /* and it was killed over it */
	leaves_and_comes();
	up_expect(LINK_EV_CONN_KEPT, NULL);
	down_bytes(LINK_IT_PAYLOAD, c.h, ask, sizeof(ask));
	client_expect(&c, SSH_MSG_GLOBAL_REQUEST);
	client_send(&c, no, sizeof(no));
	client_send(&c, yes, sizeof(yes));
	up_payload_expect(&c, SSH_MSG_REQUEST_SUCCESS);
	cr_expect_null(up_next());
	client_free(&c);
}

/* An end is told with who it was of, and to whom, whoever hears it; and the place waits for that.
 */
Test(relay_wait, what_ended_meanwhile_is_told_whole)
{
	struct client c = login();
	const struct link_chan_end *e;
	const struct link_conn_end *end;
	struct link_audit_ack ack;
	struct link_handle h;

	bench_acks = false;
	down_bytes(LINK_IT_BLOB, c.h, "blob", 4);
	named_channel(&c);
	up_expect(LINK_EV_CHAN_OPENED, NULL);
	bench_link_gone = true;
	relay_link_detached(bench);
	fake_fail(c.f, -ECONNRESET);
	bench_settle();
	bench_kept = true;
	for (int i = 0; i < 2; i++) { /* and once more, as nobody has acknowledged it */
		control_comes();
		up_expect(LINK_EV_CONN_KEPT, &h);
		cr_expect_eq(h.generation, c.h.generation);
		e = up_expect(LINK_EV_CHAN_END, NULL);
		cr_expect(e->token == 55 && e->port == 8080 && e->target.port == 80);
		cr_expect(e->name_len == 6 && memcmp(e + 1, "a.host", 6) == 0);
		end = up_expect(LINK_EV_CONN_END, NULL);
		cr_expect_eq(end->peer.port, 50022);
		cr_expect_null(up_next());
		control_leaves();
	}
	ack.audit_id = end->audit_id;
	down(LINK_CMD_AUDIT_ACK, (struct link_handle){0}, &ack, sizeof(ack), NULL, 0);
	bench_link_gone = false;
	bench_settle();
	control_leaves();
	control_comes();
	cr_expect_null(up_next(), "nothing of it is left");
	client_free(&c);
}

/* What a control said before it went is carried out. */
Test(relay_wait, last_items_hold)
{
	struct client c = login();
	const struct link_conn_kept *m;

	down_bytes(LINK_IT_BLOB, c.h, "last", 4);
	cr_expect_eq(relay_last_items(bench, bench_now), 1);
	leaves_and_comes();
	m = up_expect(LINK_EV_CONN_KEPT, NULL);
	cr_expect(m->len == 4 && memcmp(m + 1, "last", 4) == 0);
	client_free(&c);
}

/* However long it takes to tell a control of it. */
Test(relay_wait, a_target_that_does_not_answer_is_given_up)
{
	struct link_chan_connect m = {.peer_channel = 5,
				      .peer_window = 1 << 20,
				      .peer_packet_max = 32768,
				      .connect_timeout_ms = 1000,
				      .n_addrs = 1,
				      .kind = STREAM_TCP,
				      .token = 55,
				      .addr = {{.family = 4, .addr = {10, 0, 0, 1}, .port = 80}}};
	struct client c = login();

	send_open(&c, 5);
	up_payload_expect(&c, SSH_MSG_CHANNEL_OPEN);
	down(LINK_IT_CHAN_CONNECT, c.h, &m, sizeof(m), NULL, 0);
	bench_settle();
	control_leaves();
	bench_kept = bench_link_full = true;
	control_comes();
	for (int i = 0; i < 12; i++)
		bench_pass(100000);
	client_expect(&c, SSH_MSG_CHANNEL_OPEN_FAILURE);
	bench_link_full = false;
	bench_pass(1000);
	up_expect(LINK_EV_CONN_KEPT, NULL);
	up_expect(LINK_EV_CHAN_KEPT, NULL);
	up_expect(LINK_EV_CHAN_FAILED, NULL);
	client_free(&c);
}

/* Nothing is said of a connection before who it is, however full the link. */
Test(relay_wait, it_comes_first)
{
	struct client c = login();

	named_channel(&c);
	up_expect(LINK_EV_CHAN_OPENED, NULL);
	control_leaves();
	send_open(&c, 9);
	bench_kept = bench_link_full = true;
	control_comes();
	bench_pass(1000);
	cr_expect_null(up_next());
	bench_link_full = false;
	bench_pass(1000);
	up_expect(LINK_EV_CONN_KEPT, NULL);
	up_expect(LINK_EV_CHAN_KEPT, NULL);
	up_payload_expect(&c, SSH_MSG_CHANNEL_OPEN);
	cr_expect_null(up_next());
	client_free(&c);
}

/* --- of many --------------------------------------------------------------------------------- */

static struct link_handle many[MANY];

static void comes(unsigned int i)
{
	static const struct link_addr any = {.family = 4, .port = 22};
	struct fake *f = &fake[i];

	*f = (struct fake){
		.s = {.ops = &fake_ops, .kind = STREAM_TCP}, .used = true, .budget = 1 << 20};
	cr_assert(relay_accept(bench, &f->s, 7, &any, &any, bench_now));
}

/* One that was let in, and rests: of its keys and messages these tests want nothing. */
static void let_in(unsigned int i)
{
	comes(i);
	bench_settle();
	up_expect(LINK_EV_CONN_NEW, &many[i]);
	down(LINK_IT_AUTHENTICATED, many[i], &bench_auth, sizeof(bench_auth), NULL, 0);
	down_bytes(LINK_IT_BLOB, many[i], "blob", 4);
	bench_settle();
}

static uint64_t wall_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Turns until all have been visited; no turn visits more than its part of them. */
static void all_take_note(const char *what, unsigned int all)
{
	uint64_t begin = wall_us(), longest = 0;
	unsigned int turns = 0, before;

	do {
		uint64_t at = wall_us();

		before = bench->handover_left;
		bench_turn();
		longest = RTE_MAX(longest, wall_us() - at);
		cr_assert_leq(before - bench->handover_left, RELAY_HANDOVER_TURN);
		turns++;
	} while (bench->handover_left > 0);
	cr_expect_geq(turns, all / RELAY_HANDOVER_TURN);
	printf("%u connections, %s: %u turns, the longest %llu us, all %llu us\n", all, what, turns,
	       (unsigned long long)longest, (unsigned long long)(wall_us() - begin));
}

Test(relay_wait, f01_of_many_some_take_note_in_a_turn)
{
	unsigned int n = (unsigned int)BENCH_CONNS;
	struct link_handle h;

	for (unsigned int i = 0; i < n; i++)
		let_in(i);
	bench_kept = true;
	for (int i = 0; i < 2; i++) {
		bench_link_gone = true;
		relay_link_detached(bench);
		all_take_note("control goes", n);
		bench_settle();
		cr_expect_null(up_next());
		bench_link_gone = false;
		relay_link_attached(bench);
		all_take_note("control comes", n);
		bench_settle();
		for (unsigned int k = 0; k < n; k++) {
			up_expect(LINK_EV_CONN_KEPT, &h);
			cr_assert_eq(h.index, many[k].index, "each once");
		}
		cr_expect_null(up_next());
	}
}

/* One that comes in a place that nobody had yet, while they take note, is passed over by none. */
Test(relay_wait, f01_who_comes_meanwhile_hides_nobody)
{
	const unsigned int n = RELAY_HANDOVER_TURN + 44;
	const struct link_hdr *h;
	unsigned int kept = 0;

	for (unsigned int i = 0; i < n; i++)
		let_in(i);
	bench_kept = bench_link_gone = true;
	relay_link_detached(bench);
	bench_settle();
	bench_link_gone = false;
	relay_link_attached(bench);
	bench_turn();
	cr_assert_gt(bench->handover_left, 0);
	comes(n);
	bench_settle();
	while ((h = up_next()) != NULL)
		kept += h->type == LINK_EV_CONN_KEPT;
	cr_expect_eq(kept, n, "%u of %u are told of", kept, n);
}

/* --- who comes, goes and moves while a control is told ----------------------------------------
 */

#define CROWD   900
#define MOVERS  6
#define BACKLOG 4096

static void crowd_start(void)
{
	bench_start_with(BACKLOG);
}

TestSuite(relay_crowd, .init = crowd_start, .fini = bench_end);

static struct crowd {
	struct rnd r;
	/* What the control that is there knows, by the place of a connection in the relay. */
	uint32_t told[MANY], ended[MANY]; /* generations; 0: none */
	struct client mover[MOVERS];
	struct bench_chan chan[MOVERS];
	uint32_t given[MOVERS]; /* bytes to its target, which are kept there */
	unsigned int present, opens, refused;
} crowd;

static void is_new(const struct link_hdr *h)
{
	down(LINK_IT_AUTHENTICATED, h->conn, &bench_auth, sizeof(bench_auth), NULL, 0);
	down_bytes(LINK_IT_BLOB, h->conn, "blob", 4);
}

static void asks_for_a_channel(const struct link_hdr *h)
{
	static const uint8_t failure[18] = {SSH_MSG_CHANNEL_OPEN_FAILURE, 0, 0, 0, 9, 0, 0, 0, 1};
	const struct link_payload *m = link_msg_body(h);

	down_bytes(LINK_IT_PAYLOAD, h->conn, failure, 17);
	down_answered(h->conn, 1, m->len);
}

/* Of each connection first who it is, once; of each end that it is, once. */
static void control_hears(void)
{
	const struct link_hdr *h;

	while ((h = up_next()) != NULL) {
		uint32_t *told = &crowd.told[h->conn.index];
		bool first = h->type == LINK_EV_CONN_NEW || h->type == LINK_EV_CONN_KEPT;
		const struct link_conn_end *end =
			h->type == LINK_EV_CONN_END ? link_msg_body(h) : NULL;

		if (end == NULL || end->authenticated)
			cr_assert_neq(first, *told == h->conn.generation, "event %u of %u", h->type,
				      h->conn.index);
		*told = h->conn.generation;
		if (h->type == LINK_EV_CONN_NEW)
			is_new(h);
		else if (h->type == LINK_EV_PAYLOAD)
			asks_for_a_channel(h);
		if (end == NULL)
			continue;
		cr_assert_neq(crowd.ended[h->conn.index], h->conn.generation);
		crowd.ended[h->conn.index] = h->conn.generation;
	}
	while (up_put > 0)
		free(bench_up[--up_put].p);
	up_got = 0;
	if (down_got == down_put)
		down_got = down_put = 0;
}

static void goes_or_comes(void)
{
	if (bench_link_gone) {
		memset(crowd.told, 0, sizeof(crowd.told));
		memset(crowd.ended, 0, sizeof(crowd.ended));
		bench_link_gone = false;
		relay_link_attached(bench);
		return;
	}
	control_hears();
	relay_last_items(bench, bench_now);
	control_hears();
	bench_link_gone = true;
	relay_link_detached(bench);
}

static void somebody_comes_or_leaves(void)
{
	static const struct link_addr any = {.family = 4, .port = 22};
	struct fake *f = &fake[BENCH_STREAMS - 1 - rnd_below(&crowd.r, CROWD)];

	if (f->used && !f->aborted && !f->closed) {
		if (f->s.err != 0)
			return;
		fake_fail(f, -ECONNRESET);
		crowd.present--;
		return;
	}
	pkt_chain_free(&f->tx);
	*f = (struct fake){
		.s = {.ops = &fake_ops, .kind = STREAM_TCP}, .used = true, .budget = 1 << 20};
	if (relay_accept(bench, &f->s, 7, &any, &any, bench_now))
		crowd.present++;
	else
		f->closed = true;
}

static void somebody_moves(void)
{
	static const uint8_t open[] = {SSH_MSG_CHANNEL_OPEN, 0, 0, 0, 1, 'x', 0, 0, 0, 9};
	unsigned int i = rnd_below(&crowd.r, MOVERS);

	if (rnd_below(&crowd.r, 8) == 0) {
		client_send(&crowd.mover[i], open, sizeof(open));
		crowd.opens++;
		return;
	}
	client_data(&crowd.mover[i], crowd.chan[i].local, "0123456789", 10);
	crowd.given[i] += 10;
}

static void crowd_gathers(void)
{
	for (unsigned int i = 0; i < MOVERS; i++) {
		crowd.mover[i] = login();
		crowd.chan[i] = client_channel(&crowd.mover[i], 1, 1 << 20);
		crowd.told[crowd.mover[i].h.index] = crowd.mover[i].h.generation;
	}
	bench_kept = true;
	crowd.present = MOVERS;
	while (crowd.present < CROWD / 3)
		somebody_comes_or_leaves();
	bench_settle();
	control_hears();
	bench_settle();
}

static void all_is_as_it_was(void)
{
	unsigned int known = 0, refused = 0;
	const uint8_t *p;
	size_t n;

	for (unsigned int i = 0; i < bench->fresh_conns; i++)
		known += bench->conns[i].state == CONN_OPEN &&
			 crowd.told[i] == bench->conns[i].generation;
	cr_expect_eq(known, crowd.present, "control knows %u of %u", known, crowd.present);
	cr_expect_eq(bench->n_conns, crowd.present, "an end was lost");
	cr_expect_eq(bench_count(RELAY_C_AUDIT_LOST), 0);
	for (unsigned int i = 0; i < MOVERS; i++) {
		cr_expect_eq(crowd.chan[i].target->tx.len, crowd.given[i]);
		while (client_next(&crowd.mover[i], &p, &n) == SSH_MSG_CHANNEL_OPEN_FAILURE)
			refused++;
	}
	cr_expect_eq(refused, crowd.opens, "%u of %u opens were answered", refused, crowd.opens);
}

Test(relay_crowd, f01_each_is_told_once_whoever_comes_goes_or_moves)
{
	unsigned int steps = test_long() ? 60000 : 6000;

	crowd.r = rnd_new(rnd_seed());
	crowd_gathers();
	for (unsigned int i = 0; i < steps; i++) {
		uint32_t what = rnd_below(&crowd.r, 1000);

		if (what < 8)
			goes_or_comes();
		else if (what < 40)
			bench_link_full = !bench_link_full;
		else if (what < 500)
			somebody_comes_or_leaves();
		else if (what < 550)
			somebody_moves();
		else
			bench_now += rnd_below(&crowd.r, 500), bench_turn();
		if (what % 3 == 0)
			control_hears();
	}
	bench_link_full = false;
	for (int i = 0; i < 2 || bench_link_gone; i++)
		goes_or_comes();
	for (int i = 0; i < 3; i++) {
		bench_pass(1000);
		control_hears();
	}
	bench_settle();
	control_hears();
	all_is_as_it_was();
	for (unsigned int i = 0; i < MOVERS; i++)
		client_free(&crowd.mover[i]);
}
