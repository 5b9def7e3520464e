/*
 * dataplane/relay: listeners of connections, and the channels a shard opens towards a client
 * (RFC 4254 sections 7.1 and 7.2).
 */
#define BENCH_CONNS   4
#define BENCH_STREAMS 400
#define BENCH_MSGS    8192
#define BENCH_TABLE   512
#define BENCH_CHANS   512
#include "tests/util/relay_bench.h"

#include "dataplane/relay/internal.h"
#include "ssh/forward.h"

#define TOKEN 4711

/* --- who listens ------------------------------------------------------------------------------ */

static int listen_err; /* what begin() says */
static unsigned int begun, ended;
static uint32_t last_id, last_ended;
static struct link_addr last_addr;

static int listens_begin(void *arg, uint32_t id, const struct link_addr *addr, uint16_t *ret_port)
{
	(void)arg;
	last_id = id;
	last_addr = *addr;
	begun++;
	if (listen_err == 0)
		*ret_port = addr->port != 0 ? addr->port : 50000;
	return listen_err;
}

static void listens_end(void *arg, uint32_t id)
{
	(void)arg;
	last_ended = id;
	ended++;
}

/* Of the kernel. */
static unsigned int ended_fds;

static int listens_begin_fds(void *arg, uint32_t id, uint64_t fds, uint32_t wait_ms)
{
	(void)arg;
	cr_expect_eq(fds, 99);
	cr_expect_eq(wait_ms, 1000);
	last_id = id;
	return listen_err;
}

static void listens_end_fds(void *arg, uint32_t id)
{
	(void)arg;
	(void)id;
	ended_fds++;
}

static void begin(void)
{
	bench_listens = (struct relay_listens){.begin = listens_begin,
					       .end = listens_end,
					       .begin_fds = listens_begin_fds,
					       .end_fds = listens_end_fds};
	bench_start();
}

TestSuite(relay_forward, .init = begin, .fini = bench_end);

static void listen_for(const struct client *c, uint64_t token, const char *host, uint16_t port)
{
	struct link_forward m = {.token = token,
				 .addr = {.family = 4, .port = port},
				 .kind = 1,
				 .opens = LINK_OPENS_TCPIP};

	m.host_len = (uint16_t)strlen(host);
	memcpy(m.host, host, m.host_len);
	down(LINK_IT_FORWARD, c->h, &m, sizeof(m), NULL, 0);
	bench_settle();
}

static void unlisten(const struct client *c, uint64_t token, bool cut)
{
	const struct link_forward_ref m = {.token = token, .cut = cut};

	down(LINK_IT_UNFORWARD, c->h, &m, sizeof(m), NULL, 0);
	bench_settle();
}

static struct client listening(void)
{
	struct client c = client_login();
	const struct link_forward_result *r;

	listen_for(&c, TOKEN, "example", 8080);
	r = up_expect(LINK_EV_FORWARD, NULL);
	cr_assert_eq(r->token, TOKEN);
	cr_assert_eq(r->err, 0);
	cr_assert_eq(r->port, 8080);
	return c;
}

/* Somebody comes in; NULL: he is reset. */
static struct fake *come(void)
{
	static const struct link_addr peer = {.family = 4, .port = 40000, .addr = {192, 0, 2, 9}};
	struct fake *f = fake_new();

	return relay_forward(bench, &f->s, last_id, &peer, bench_now) ? f : NULL;
}

/* The OPEN a client got; its number. */
static uint32_t opened(struct client *c)
{
	struct ssh_forwarded_tcpip m;
	struct ssh_chan_open o;
	const uint8_t *p;
	struct ssh_rd r;
	size_t n;

	cr_assert_eq(client_next(c, &p, &n), SSH_MSG_CHANNEL_OPEN);
	ssh_rd_init(&r, p + 1, n - 1);
	cr_assert_eq(ssh_chan_open_parse(&r, &o), 0);
	cr_expect(ssh_str_eq(o.type, "forwarded-tcpip"));
	cr_expect_eq(o.window_size, BENCH_WINDOW);
	cr_expect_eq(o.packet_max, BENCH_PACKET);
	ssh_rd_init(&r, o.rest.p, o.rest.len);
	cr_assert_eq(ssh_forwarded_tcpip_parse(&r, &m), 0);
	cr_expect(ssh_str_eq(m.address, "example"), "as it was asked for");
	cr_expect_eq(m.port, 8080);
	cr_expect(ssh_str_eq(m.originator, "192.0.2.9"));
	cr_expect_eq(m.originator_port, 40000);
	return o.sender_channel;
}

static void confirm(struct client *c, uint32_t channel, uint32_t window, uint32_t packet_max)
{
	const struct ssh_chan_confirm m = {.recipient_channel = channel,
					   .sender_channel = 70,
					   .window_size = window,
					   .packet_max = packet_max};
	uint8_t buf[64];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_confirm_build(&w, &m);
	client_send(c, buf, ssh_wr_done(&w));
	bench_settle();
}

static void refuse(struct client *c, uint32_t channel, uint32_t reason)
{
	const struct ssh_chan_failure m = {
		.recipient_channel = channel,
		.reason = reason,
		.description = ssh_str_c("nobody of that name lives here, and never has"),
		.language = ssh_str_c("en")};
	uint8_t buf[128];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_failure_build(&w, &m);
	client_send(c, buf, ssh_wr_done(&w));
	bench_settle();
}

/* The bytes of the next DATA. */
static struct ssh_str data_of(struct client *c)
{
	struct ssh_chan_data d;
	const uint8_t *p;
	struct ssh_rd r;
	size_t n;

	cr_assert_eq(client_next(c, &p, &n), SSH_MSG_CHANNEL_DATA);
	ssh_rd_init(&r, p + 1, n - 1);
	cr_assert_eq(ssh_chan_data_parse(&r, SSH_MSG_CHANNEL_DATA, &d), 0);
	cr_expect_eq(d.recipient_channel, 70);
	return d.data;
}

/* --- listeners -------------------------------------------------------------------------------- */

Test(relay_forward, any_port_is_told)
{
	struct client c = client_login();
	const struct link_forward_result *r;

	listen_for(&c, TOKEN, "", 0);
	r = up_expect(LINK_EV_FORWARD, NULL);
	cr_expect_eq(r->port, 50000);
	cr_expect_eq(bench_count(RELAY_C_FORWARDS), 1);
}

Test(relay_forward, what_cannot_be_is_told_and_forgotten)
{
	struct client c = client_login();

	listen_err = -EADDRINUSE;
	for (int i = 0; i < RELAY_FORWARDS_MAX + 5; i++) {
		const struct link_forward_result *r;

		listen_for(&c, TOKEN, "example", 8080);
		r = up_expect(LINK_EV_FORWARD, NULL);
		cr_assert_eq(r->err, -EADDRINUSE);
		if (i == 7) /* the others are for the table alone */
			i = RELAY_FORWARDS_MAX;
	}
	cr_expect_eq(ended, 0, "what did not begin does not end");
	cr_expect_null(come());
}

Test(relay_forward, it_may_begin_later)
{
	struct client c = client_login();
	const struct link_forward_result *r;

	listen_err = -EINPROGRESS;
	listen_for(&c, TOKEN, "example", 0);
	cr_expect_null(up_next());
	cr_expect_null(come(), "nothing comes in as yet");
	relay_listen_done(bench, last_id, 0, 50001);
	bench_settle();
	r = up_expect(LINK_EV_FORWARD, NULL);
	cr_expect_eq(r->port, 50001);
	cr_expect_not_null(come());
	(void)c;
}

Test(relay_forward, it_waits_for_room_on_the_link)
{
	struct client c = client_login();

	bench_link_full = true;
	listen_for(&c, TOKEN, "example", 8080);
	cr_expect_null(up_next());
	bench_link_full = false;
	bench_settle();
	up_expect(LINK_EV_FORWARD, NULL);
}

Test(relay_forward, s77_it_ends_with_its_connection)
{
	struct client c = listening();

	fake_fail(c.f, -ECONNRESET);
	bench_settle();
	cr_expect_eq(ended, 1);
	cr_expect_null(come());
}

/* --- what comes in -----------------------------------------------------------------------------
 */

Test(relay_forward, who_speaks_first_loses_no_byte)
{
	struct client c = listening();
	struct fake *f = come();
	uint32_t local;

	cr_assert_not_null(f);
	fake_give(f, "220 hello\r\n", 11);
	local = opened(&c);
	fake_give(f, "and more", 8);
	client_expect(&c, 0);
	confirm(&c, local, BENCH_WINDOW, BENCH_PACKET);
	cr_expect(ssh_str_eq(data_of(&c), "220 hello\r\nand more"));
	client_data(&c, local, "answer", 6);
	bench_settle();
	cr_expect_eq(f->tx.len, 6);
}

Test(relay_forward, an_end_before_the_answer_comes_behind_the_bytes)
{
	struct client c = listening();
	struct fake *f = come();
	uint32_t local = opened(&c);

	fake_give(f, "all", 3);
	fake_eof(f);
	bench_settle();
	confirm(&c, local, BENCH_WINDOW, BENCH_PACKET);
	cr_expect(ssh_str_eq(data_of(&c), "all"));
	client_expect(&c, SSH_MSG_CHANNEL_EOF);
	client_simple(&c, SSH_MSG_CHANNEL_EOF, local);
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
	client_simple(&c, SSH_MSG_CHANNEL_CLOSE, local);
	bench_settle();
	cr_expect(f->closed);
}

Test(relay_forward, a_window_of_zero_is_honoured)
{
	struct client c = listening();
	struct fake *f = come();
	uint32_t local = opened(&c);

	fake_give(f, "abcdef", 6);
	confirm(&c, local, 0, BENCH_PACKET);
	client_expect(&c, 0);
	client_adjust(&c, local, 2);
	cr_expect(ssh_str_eq(data_of(&c), "ab"));
	client_expect(&c, 0);
	client_adjust(&c, local, UINT32_MAX - 2);
	cr_expect(ssh_str_eq(data_of(&c), "cdef"));
}

Test(relay_forward, the_largest_window_is_honoured)
{
	struct client c = listening();
	struct fake *f = come();

	confirm(&c, opened(&c), UINT32_MAX, UINT32_MAX);
	fake_give(f, "x", 1);
	cr_expect(ssh_str_eq(data_of(&c), "x"));
}

Test(relay_forward, s50_a_packet_size_that_moves_nothing_is_closed)
{
	struct client c = listening();
	struct fake *f = come();

	fake_give(f, "x", 1);
	confirm(&c, opened(&c), BENCH_WINDOW, 1);
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
	cr_expect(f->aborted);
}

Test(relay_forward, a_refusal_resets)
{
	struct client c = listening();
	struct fake *f = come();
	const struct link_chan_failed *e;

	refuse(&c, opened(&c), 77);
	cr_expect(f->aborted);
	e = up_expect(LINK_EV_CHAN_FAILED, NULL);
	cr_expect_eq(e->token, TOKEN);
	cr_expect_eq(e->reason, SSH_OPEN_CONNECT_FAILED, "its own word is nothing to control");
	cr_expect_eq(bench_count(RELAY_C_FORWARD_REFUSED), 1);
	cr_expect_not_null(come(), "the next one is asked for again");
}

Test(relay_forward, what_became_of_it_is_told)
{
	struct client c = listening();
	struct fake *f = come();
	uint32_t local = opened(&c);
	const struct link_chan_ref *o;
	const struct link_chan_end *e;

	confirm(&c, local, BENCH_WINDOW, BENCH_PACKET);
	o = up_expect(LINK_EV_CHAN_OPENED, NULL);
	cr_expect_eq(o->token, TOKEN);
	cr_expect_eq(o->target.port, 40000, "who came in");
	fake_give(f, "12345", 5);
	bench_settle();
	fake_fail(f, -ECONNRESET);
	bench_settle();
	client_simple(&c, SSH_MSG_CHANNEL_CLOSE, local);
	bench_settle();
	e = up_expect(LINK_EV_CHAN_END, NULL);
	cr_expect_eq(e->token, TOKEN);
	cr_expect_eq(e->bytes_to_peer, 5);
	cr_expect_eq(e->cause, -ECONNRESET);
}

Test(relay_forward, who_leaves_before_the_answer_is_closed_after_it)
{
	struct client c = listening();
	struct fake *f = come();
	uint32_t local = opened(&c);

	fake_fail(f, -ECONNRESET);
	bench_settle();
	cr_expect(f->aborted);
	client_expect(&c, 0);
	confirm(&c, local, BENCH_WINDOW, BENCH_PACKET);
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
	client_simple(&c, SSH_MSG_CHANNEL_CLOSE, local);
	bench_settle();
	up_expect(LINK_EV_CHAN_FAILED, NULL);
	cr_expect_null(up_next(), "it never was open");
}

Test(relay_forward, a_client_that_does_not_answer_is_given_up)
{
	struct client c = listening();
	struct fake *f = come();
	uint32_t local = opened(&c);

	bench_pass(RELAY_ANSWER_US - 1000000);
	cr_expect_not(f->aborted);
	bench_pass(1000001);
	cr_expect(f->aborted);
	refuse(&c, local, 1);
	up_expect(LINK_EV_CHAN_FAILED, NULL);
	cr_expect_null(up_next(), "said once");
}

Test(relay_forward, so_many_may_be_unanswered)
{
	struct client c = listening();
	struct relay_uses u;
	uint32_t first = 0;

	for (unsigned int i = 0; i < RELAY_OPENING_MAX; i++) {
		uint32_t local;

		cr_assert_not_null(come(), "%u", i);
		local = opened(&c);
		first = i == 0 ? local : first;
	}
	cr_expect_null(come());
	cr_expect_eq(bench_count(RELAY_C_FORWARD_OPENING), 1);
	relay_uses(bench, &u);
	cr_expect(u.opening.now == RELAY_OPENING_MAX && u.opening.max == RELAY_OPENING_MAX);
	cr_expect(u.forwards.now == 1 && u.forwards.max == RELAY_FORWARDS_MAX);
	refuse(&c, first, 2);
	cr_expect_not_null(come(), "one was answered");
}

/* He is reset, and control hears why: once, until there was room. */
Test(relay_forward, who_finds_no_place_for_a_channel_is_told_of)
{
	struct link_authenticated a = bench_auth;
	struct client c = client_new("aes128-gcm@openssh.com", "");
	const struct link_chan_failed *f;

	a.max_channels = 1;
	client_ident(&c);
	client_kex(&c);
	client_auth(&c, &a);
	listen_for(&c, TOKEN, "example", 8080);
	(void)up_expect(LINK_EV_FORWARD, NULL);
	for (unsigned int i = 0; i < 2; i++) {
		cr_assert_not_null(come());
		bench_link_full = true;
		cr_expect_null(come());
		bench_link_full = false;
		for (unsigned int again = 0; again < 3; again++)
			cr_expect_null(come());
		f = up_expect(LINK_EV_CHAN_FAILED, NULL);
		cr_expect_eq(f->token, TOKEN);
		cr_expect_eq(f->err, -SSH_E_CHANNELS);
		cr_expect_eq(f->reason, SSH_OPEN_RESOURCE_SHORTAGE);
		refuse(&c, opened(&c), 2);
		f = up_expect(LINK_EV_CHAN_FAILED, NULL);
		cr_expect_eq(f->err, -ECONNREFUSED, "the one that had the place, and nothing else");
	}
	cr_expect_eq(bench_count(RELAY_C_CHANS_CONN), 8);
}

/* --- cancelled ---------------------------------------------------------------------------------
 */

Test(relay_forward, cancelled_its_channels_live)
{
	struct client c = listening();
	struct fake *f = come(), *g;
	uint32_t local = opened(&c), late;

	confirm(&c, local, BENCH_WINDOW, BENCH_PACKET);
	g = come();
	late = opened(&c);
	unlisten(&c, TOKEN, false);
	cr_expect_eq(ended, 1);
	cr_expect_null(come());
	fake_give(f, "x", 1);
	cr_expect(ssh_str_eq(data_of(&c), "x"));
	confirm(&c, late, BENCH_WINDOW, BENCH_PACKET);
	fake_give(g, "y", 1);
	cr_expect(ssh_str_eq(data_of(&c), "y"));
}

Test(relay_forward, s78_taken_over_its_channels_end)
{
	struct client c = listening();
	struct fake *f = come(), *g;
	uint32_t local = opened(&c);

	confirm(&c, local, BENCH_WINDOW, BENCH_PACKET);
	g = come();
	(void)opened(&c);
	unlisten(&c, TOKEN, true);
	cr_expect(f->aborted);
	cr_expect(g->aborted);
	client_expect(&c, SSH_MSG_CHANNEL_CLOSE);
}

/* In a key exchange nothing is said; who came meanwhile is nobody's when the listener goes. */
Test(relay_forward, what_was_not_said_ends_with_the_listener)
{
	struct client c = listening();
	struct fake *f;

	client_send_byte(&c, SSH_MSG_KEXINIT);
	up_payload_expect(&c, SSH_MSG_KEXINIT);
	down_msg(&c, SSH_MSG_KEXINIT);
	client_expect(&c, SSH_MSG_KEXINIT);
	f = come();
	cr_assert_not_null(f);
	client_expect(&c, 0);
	unlisten(&c, TOKEN, false);
	cr_expect(f->aborted);
}

Test(relay_forward, unknown_tokens_are_stale)
{
	struct client c = listening();

	unlisten(&c, TOKEN + 1, false);
	cr_expect_eq(bench_count(RELAY_C_ITEMS_STALE), 1);
	cr_expect_eq(ended, 0);
}

/* --- without control ----------------------------------------------------------------------------
 */

Test(relay_forward, f01_it_goes_on_without_control)
{
	struct client c = listening();
	struct fake *f;
	uint32_t local;

	bench_link_gone = true;
	relay_link_detached(bench);
	f = come();
	cr_assert_not_null(f);
	local = opened(&c);
	confirm(&c, local, BENCH_WINDOW, BENCH_PACKET);
	fake_give(f, "x", 1);
	cr_expect(ssh_str_eq(data_of(&c), "x"));
	f = come();
	refuse(&c, opened(&c), 1);
	cr_expect(f->aborted);
	bench_pass(60000000);
	cr_expect_not_null(come(), "a minute later, too");
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

/* It is over at once; who attaches is told of it before that, until he has written it. */
Test(relay_forward, f01_one_whose_connection_ended_meanwhile_is_told)
{
	struct client c = listening();
	const struct link_conn_end *end;
	const struct link_forward_kept *k;
	struct link_audit_ack ack;
	uint32_t id = last_id;

	bench_acks = false;
	bench_kept = true;
	down_bytes(LINK_IT_BLOB, c.h, "blob", 4);
	listen_err = -EINPROGRESS; /* nobody has heard of that one */
	listen_for(&c, TOKEN + 1, "example", 8081);
	control_leaves();
	fake_fail(c.f, -ECONNRESET);
	bench_settle();
	cr_expect_eq(ended, 2);
	last_id = id;
	cr_expect_null(come());
	for (int i = 0; i < 2; i++) { /* and once more, as nobody has acknowledged it */
		control_comes();
		up_expect(LINK_EV_CONN_KEPT, NULL);
		k = up_expect(LINK_EV_FORWARD_KEPT, NULL);
		cr_expect(k->token == TOKEN && k->up == 1 && k->port == 8080);
		cr_expect(k->host_len == 7 && memcmp(k + 1, "example", 7) == 0);
		end = up_expect(LINK_EV_CONN_END, NULL);
		cr_expect_null(up_next());
		control_leaves();
	}
	cr_expect_eq(ended, 2);
	ack.audit_id = end->audit_id;
	down(LINK_CMD_AUDIT_ACK, (struct link_handle){0}, &ack, sizeof(ack), NULL, 0);
	bench_link_gone = false;
	bench_settle();
	cr_expect_eq(bench->forwards.n, 0);
	client_free(&c);
}

static int result_of(const struct client *c, uint64_t token)
{
	const struct link_forward_result *r;

	listen_for(c, token, "example", 8080);
	r = up_expect(LINK_EV_FORWARD, NULL);
	cr_assert_eq(r->token, token);
	return r->err;
}

/* What only stands to be told of once more gives way to those who listen; and they to nobody. */
Test(relay_forward, a_full_table_has_room_where_connections_are_over)
{
	struct client c = client_login(), d = client_login();
	uint32_t size = bench->forwards.size;

	bench_acks = false;
	bench->forwards.size = 3;
	for (uint64_t i = 0; i < 2; i++)
		cr_expect_eq(result_of(&c, TOKEN + i), 0);
	cr_expect_eq(result_of(&d, TOKEN + 2), 0);
	cr_expect_eq(result_of(&d, TOKEN + 3), -ENOBUFS);
	fake_fail(c.f, -ECONNRESET);
	bench_settle();
	up_expect(LINK_EV_CONN_END, NULL);
	cr_expect_eq(bench->forwards.n, 3);
	for (uint64_t i = 3; i < 5; i++)
		cr_expect_eq(result_of(&d, TOKEN + i), 0);
	cr_expect_eq(result_of(&d, TOKEN + 5), -ENOBUFS);
	cr_expect_eq(ended, 2, "nobody who listens was stopped");
	bench->forwards.size = size;
	client_free(&c);
	client_free(&d);
}

/* --- answers nobody asked for (S-18) -------------------------------------------------------------
 */

Test(relay_forward, s18_a_second_confirmation_disconnects)
{
	struct client c = listening();
	uint32_t local;

	cr_assert_not_null(come());
	local = opened(&c);
	confirm(&c, local, BENCH_WINDOW, BENCH_PACKET);
	confirm(&c, local, BENCH_WINDOW, BENCH_PACKET);
	client_ended(&c, -SSH_E_CHANNEL);
}

Test(relay_forward, s18_a_confirmation_after_a_failure_disconnects)
{
	struct client c = listening();
	uint32_t local;

	cr_assert_not_null(come());
	local = opened(&c);
	refuse(&c, local, 2);
	confirm(&c, local, BENCH_WINDOW, BENCH_PACKET);
	client_ended(&c, -SSH_E_CHANNEL);
}

Test(relay_forward, s18_a_failure_nobody_awaits_disconnects)
{
	struct client c = listening();

	refuse(&c, 0, 2);
	client_ended(&c, -SSH_E_CHANNEL);
}

Test(relay_forward, s18_a_number_that_was_not_said_is_no_number)
{
	struct client c = listening();
	struct bench_chan ch = client_channel(&c, 5, BENCH_WINDOW);

	confirm(&c, ch.local, BENCH_WINDOW, BENCH_PACKET);
	client_ended(&c, -SSH_E_CHANNEL);
}

Test(relay_forward, data_before_the_answer_disconnects)
{
	struct client c = listening();

	cr_assert_not_null(come());
	client_data(&c, opened(&c), "x", 1);
	client_ended(&c, -SSH_E_CHANNEL);
}

Test(relay_forward, short_answers_disconnect)
{
	for (size_t len = 1; len < 17; len++) {
		struct client c = listening();
		uint8_t buf[17];
		struct ssh_wr w;

		cr_assert_not_null(come());
		ssh_wr_init(&w, buf, sizeof(buf));
		ssh_chan_simple_build(&w, SSH_MSG_CHANNEL_OPEN_CONFIRMATION, opened(&c));
		memset(buf + 5, 0, sizeof(buf) - 5);
		client_send(&c, buf, len);
		client_ended(&c, -SSH_E_FORMAT);
		c.f->used = false;
	}
}

/* --- listeners of the kernel's ------------------------------------------------------------------
 */

static struct client listening_fds(enum link_opens opens, const char *host, bool once)
{
	struct client c = client_login();
	struct link_forward m = {.token = TOKEN,
				 .fds = 99,
				 .wait_ms = 1000,
				 .addr = {.family = 4, .port = 8080},
				 .kind = STREAM_HOST,
				 .opens = (uint8_t)opens,
				 .once = once};
	const struct link_forward_result *r;

	m.host_len = (uint16_t)strlen(host);
	memcpy(m.host, host, m.host_len);
	down(LINK_IT_FORWARD, c.h, &m, sizeof(m), NULL, 0);
	bench_settle();
	if (listen_err == -EINPROGRESS) {
		cr_expect_null(come(), "nothing comes in as yet");
		relay_listen_done(bench, last_id, 0, 0);
		bench_settle();
	}
	r = up_expect(LINK_EV_FORWARD, NULL);
	cr_assert_eq(r->err, 0);
	cr_expect_eq(r->port, 8080, "as control knows it");
	return c;
}

/* What stands behind that which all OPENs have. */
static struct ssh_rd rest_of(struct client *c, const char *type, uint32_t *ret_channel)
{
	struct ssh_chan_open o;
	const uint8_t *p;
	struct ssh_rd r;
	size_t n;

	cr_assert_eq(client_next(c, &p, &n), SSH_MSG_CHANNEL_OPEN);
	ssh_rd_init(&r, p + 1, n - 1);
	cr_assert_eq(ssh_chan_open_parse(&r, &o), 0);
	cr_expect(ssh_str_eq(o.type, type), "%s", type);
	ssh_rd_init(&r, o.rest.p, o.rest.len);
	*ret_channel = o.sender_channel;
	return r;
}

Test(relay_forward, kernel_what_a_client_is_told_of_tcp)
{
	struct client c;

	listen_err = -EINPROGRESS;
	c = listening_fds(LINK_OPENS_TCPIP, "example", false);
	cr_assert_not_null(come());
	confirm(&c, opened(&c), BENCH_WINDOW, BENCH_PACKET);
	unlisten(&c, TOKEN, false);
	cr_expect_eq(ended_fds, 1);
	cr_expect_eq(ended + begun, 0, "our own TCP had no part in it");
}

Test(relay_forward, kernel_what_a_client_is_told_of_a_socket)
{
	struct client c = listening_fds(LINK_OPENS_STREAMLOCAL, "/run/me/s", false);
	struct ssh_str path;
	uint32_t local;
	struct ssh_rd r;

	cr_assert_not_null(come());
	r = rest_of(&c, "forwarded-streamlocal@openssh.com", &local);
	cr_assert_eq(ssh_forwarded_streamlocal_parse(&r, &path), 0);
	cr_expect(ssh_str_eq(path, "/run/me/s"));
}

Test(relay_forward, kernel_what_a_client_is_told_of_its_agent)
{
	struct client c = listening_fds(LINK_OPENS_AGENT, "", false);
	uint32_t local;
	struct ssh_rd r;

	cr_assert_not_null(come());
	r = rest_of(&c, "auth-agent@openssh.com", &local);
	cr_expect(ssh_rd_done(&r), "nothing");
}

Test(relay_forward, kernel_one_x_client_and_no_more)
{
	struct client c = listening_fds(LINK_OPENS_X11, "", true);
	struct ssh_x11_open m;
	uint32_t local;
	struct ssh_rd r;
	struct fake *f = come();

	cr_assert_not_null(f);
	cr_expect_eq(ended_fds, 1);
	cr_expect_null(come(), "it was single_connection");
	r = rest_of(&c, "x11", &local);
	cr_assert_eq(ssh_x11_open_parse(&r, &m), 0);
	cr_expect(ssh_str_eq(m.originator, "192.0.2.9"));
	cr_expect_eq(m.originator_port, 40000);
	confirm(&c, local, BENCH_WINDOW, BENCH_PACKET);
	fake_give(f, "x", 1);
	cr_expect(ssh_str_eq(data_of(&c), "x"), "which lives on");
	unlisten(&c, TOKEN, false);
	cr_expect_eq(ended_fds, 1, "once");
}

Test(relay_forward, kernel_it_ends_with_its_connection)
{
	struct client c = listening_fds(LINK_OPENS_AGENT, "", false);

	fake_fail(c.f, -ECONNRESET);
	bench_settle();
	cr_expect_eq(ended_fds, 1);
	cr_expect_null(come());
}

/* --- many ------------------------------------------------------------------------------------- */

/* Tokens of two connections in one place of the table; they go in any order, and no other goes. */
Test(relay_forward, each_of_very_many_is_found_by_its_token)
{
	enum { EACH = 600 };
	struct client c[2] = {client_login(), client_login()};
	uint32_t id[2][EACH];
	struct rnd r = rnd_new(rnd_seed());
	unsigned int left = 2 * EACH;

	for (uint32_t i = 0; i < 2 * EACH; i++) {
		listen_for(&c[i & 1], (uint64_t)(1 + i / 2 / 4) << 16 | (i / 2 % 4), "x", 8080);
		id[i & 1][i / 2] = last_id;
		up_expect(LINK_EV_FORWARD, NULL);
	}
	while (left > 0) {
		uint32_t who = rnd_below(&r, 2), k = rnd_below(&r, EACH);

		if (id[who][k] == UINT32_MAX)
			continue;
		unlisten(&c[who], (uint64_t)(1 + k / 4) << 16 | (k % 4), false);
		left--;
		cr_assert_eq(ended, 2 * EACH - left);
		cr_assert_eq(last_ended, id[who][k], "the one that was named");
		id[who][k] = UINT32_MAX;
	}
	cr_expect_eq(bench_count(RELAY_C_ITEMS_STALE), 0);
	unlisten(&c[0], UINT64_C(1) << 16, false);
	cr_expect_eq(bench_count(RELAY_C_ITEMS_STALE), 1);
	client_free(&c[0]);
	client_free(&c[1]);
}
