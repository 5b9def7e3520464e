/*
 * control/session/forward.c and forward_take.c: who may have the gateway listen for him, what his
 * client is told, and whose a port is.
 */
#include "tests/util/session_bench.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/count.h"
#include "control/session/listeners.h"
#include "ssh/forward.h"
#include "tests/util/rnd.h"

#define RULES                                                                                      \
	"LogLevel VERBOSE\nGatewayPorts clientspecified\nMaxListenersPerConnection 3\n"            \
	"MaxListenersPerUser 5\n"

static const struct link_addr own[] = {{.family = 4, .addr = {192, 0, 2, 1}}};

static void begin_with(const char *rules)
{
	start_later(rules);
	t.env.own = own;
	t.env.n_own = 1;
}

static void begin(void)
{
	begin_with(RULES);
}

static void end(void)
{
	cr_expect_eq(t.env.n_listeners, 0, "none is left");
	cr_expect_eq(t.env.listens.tokens.n + t.env.listens.ports.n + t.env.listens.tallies.n, 0);
	teardown();
}

TestSuite(control_forward, .init = begin, .fini = end, .timeout = 60);

static void fini(struct client *c)
{
	conn_over(&c->conn);
	ssh_brain_free(c->brain);
}

static struct session *session_of(const struct client *c)
{
	return t.table->by_index[c->conn.index];
}

static void global(struct client *c, const char *type, const char *host, uint32_t port,
		   bool want_reply)
{
	uint8_t buf[600];
	struct ssh_str p = {buf, 0};
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_wr_u8(&w, SSH_MSG_GLOBAL_REQUEST);
	ssh_wr_cstr(&w, type);
	ssh_wr_bool(&w, want_reply);
	ssh_wr_cstr(&w, host);
	ssh_wr_u32(&w, port);
	p.len = (uint32_t)ssh_wr_done(&w);
	client_payload(c, &p);
}

static void ask(struct client *c, const char *host, uint32_t port)
{
	global(c, "tcpip-forward", host, port, true);
}

static void epoch(struct client *c, uint64_t n)
{
	uint8_t buf[128];
	struct ssh_str p = {buf, 0};
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_wr_u8(&w, SSH_MSG_GLOBAL_REQUEST);
	ssh_wr_cstr(&w, SSH_REQUEST_EPOCH);
	ssh_wr_bool(&w, false);
	ssh_wr_u64(&w, n);
	p.len = (uint32_t)ssh_wr_done(&w);
	client_payload(c, &p);
}

static void result(const struct client *c, uint64_t token, int err, uint16_t port)
{
	const struct link_forward_result ev = {.token = token, .err = err, .port = port};

	cr_assert_eq(event(&c->conn, LINK_EV_FORWARD, &ev, sizeof(ev), NULL, 0), 0);
}

/* The next payload for anybody, credit and such passed over: its number, or 0. */
static const uint8_t *said(size_t *ret_len)
{
	const struct link_bytes *b = item_of(LINK_IT_PAYLOAD);

	*ret_len = b != NULL ? b->len : 0;
	return b != NULL ? (const uint8_t *)(b + 1) : NULL;
}

static void expect_refused(const char *what)
{
	size_t n;
	const uint8_t *p = said(&n);

	cr_assert_not_null(p, "%s", what);
	cr_expect_eq(p[0], SSH_MSG_REQUEST_FAILURE, "%s", what);
	cr_expect_eq(n, 1);
}

/* port 0: nothing is said of it. */
static void expect_granted(uint32_t port)
{
	size_t n;
	const uint8_t *p = said(&n);

	cr_assert_not_null(p);
	cr_assert_eq(p[0], SSH_MSG_REQUEST_SUCCESS);
	cr_assert_eq(n, port == 0 ? 1 : 5);
	if (port != 0)
		cr_expect_eq((uint32_t)p[1] << 24 | p[2] << 16 | p[3] << 8 | p[4], port);
}

static struct link_forward bound_of(void)
{
	const struct link_forward *m = item_of(LINK_IT_FORWARD);

	cr_assert_not_null(m);
	return *m;
}

static uint64_t granted(struct client *c, const char *host, uint16_t port)
{
	struct link_forward m;

	ask(c, host, port);
	m = bound_of();
	result(c, m.token, 0, port != 0 ? port : 50000);
	expect_granted(port != 0 ? 0 : 50000);
	return m.token;
}

static void turn(uint64_t ms)
{
	later_ms += ms;
	timers_poll(t.env.timers, now_ms());
}

/* --- what is asked for -------------------------------------------------------------------------
 */

Test(control_forward, addresses_of_all_forms)
{
	static const struct {
		const char *host;
		uint8_t family; /* 0: all */
		uint8_t first;
	} c[] = {{"", 0, 0},   {"*", 0, 0},           {"0.0.0.0", 4, 0},
		 {"::", 6, 0}, {"192.0.2.1", 4, 192}, {"::ffff:192.0.2.1", 4, 192}};
	struct client cl = client_in(1, 1);

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct link_forward m;

		ask(&cl, c[i].host, 8080);
		m = bound_of();
		cr_expect_eq(m.addr.family, c[i].family, "%s", c[i].host);
		cr_expect_eq(m.addr.addr[0], c[i].first, "%s", c[i].host);
		cr_expect_eq(m.addr.port, 8080);
		cr_expect_eq(m.host_len, strlen(c[i].host));
		cr_expect_eq(memcmp(m.host, c[i].host, m.host_len), 0, "as it was written");
		result(&cl, m.token, -EADDRNOTAVAIL, 0);
		expect_refused(c[i].host);
	}
	fini(&cl);
}

Test(control_forward, what_is_refused_at_once)
{
	static const struct {
		const char *host;
		uint32_t port;
	} c[] = {{"localhost", 80}, {"127.0.0.1", 1023}, {"192.0.2.2", 8080}, {"some.name", 8080},
		 {"", 80},          {"", 1023},          {"", 65536},         {"a\nb", 8080},
		 {"192.0.2", 8080}};
	struct client cl = client_in(1, 1);

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		ask(&cl, c[i].host, c[i].port);
		expect_refused(c[i].host);
	}
	global(&cl, "tcpip-forward", "", 0, false);
	cr_expect_null(item_of(LINK_IT_FORWARD), "a port nobody would be told");
	fini(&cl);
}

Test(control_forward, any_port_is_named)
{
	struct client c = client_in(1, 1);

	granted(&c, "", 0);
	fini(&c);
}

Test(control_forward, what_the_shard_refuses_is_refused)
{
	struct client c = client_in(1, 1);

	ask(&c, "", 8080);
	result(&c, bound_of().token, -ENOBUFS, 0);
	expect_refused("ENOBUFS");
	cr_expect(logged("bind [*]:8080: "));
	fini(&c);
}

/* Requests are answered in their order (RFC 4254 section 4). */
Test(control_forward, what_comes_behind_waits)
{
	struct client c = client_in(1, 1);
	uint64_t token;
	size_t n;

	ask(&c, "", 8080);
	token = bound_of().token;
	global(&c, "no-more-sessions@openssh.com", "", 0, true);
	cr_expect_null(said(&n));
	result(&c, token, 0, 8080);
	expect_granted(0);
	cr_expect_not_null(said(&n));
	fini(&c);
}

Test(control_forward, cancelled_by_what_was_asked_or_chosen)
{
	struct client c = client_in(1, 1);
	const struct link_forward_ref *m;
	uint64_t token = granted(&c, "", 0);

	global(&c, "cancel-tcpip-forward", "*", 50000, true);
	expect_refused("another address");
	global(&c, "cancel-tcpip-forward", "", 50001, true);
	expect_refused("another port");
	global(&c, "cancel-tcpip-forward", "", 50000, true);
	m = item_of(LINK_IT_UNFORWARD);
	cr_assert_not_null(m);
	cr_expect_eq(m->token, token);
	cr_expect_eq(m->cut, 0);
	expect_granted(0);
	global(&c, "cancel-tcpip-forward", "", 50000, true);
	expect_refused("twice");
	granted(&c, "", 0);
	global(&c, "cancel-tcpip-forward", "", 0, true);
	expect_granted(0);
	cr_expect(logged("listener open: user demo"));
	cr_expect(logged("listener end: user demo"));
	fini(&c);
}

Test(control_forward, limits_of_a_connection_and_a_user)
{
	struct client c = client_in(1, 1), d = client_in(2, 2);

	for (uint16_t i = 0; i < 3; i++)
		granted(&c, "", (uint16_t)(8000 + i));
	ask(&c, "", 8003);
	expect_refused("MaxListenersPerConnection");
	cr_expect(logged("listener []:8003 of user demo: refused: too many listeners of this "
			 "connection"));
	cr_expect_eq(control_counted(CONTROL_C_LISTENERS_CONNECTION), 1);
	granted(&d, "", 8010);
	granted(&d, "", 8011);
	ask(&d, "", 8012);
	expect_refused("MaxListenersPerUser");
	cr_expect(logged("refused: too many listeners of this user"));
	cr_expect_eq(control_counted(CONTROL_C_LISTENERS_USER), 1);
	global(&c, "cancel-tcpip-forward", "", 8000, false);
	granted(&d, "", 8012);
	fini(&c);
	fini(&d);
}

static void identify(const struct client *c, uint32_t id)
{
	session_of(c)->awake->identity = id;
}

static void by_source(void)
{
	begin_with("GatewayPorts yes\nMaxListenersPerSource 1\nPerSourceNetBlockSize 32:64\n");
}

TestSuite(control_forward_source, .init = by_source, .fini = end, .timeout = 60);

Test(control_forward_source, limits_of_a_source)
{
	struct client c = client_in(1, 1), d = client_in(2, 2);

	granted(&c, "localhost", 8000);
	ask(&d, "", 8001);
	expect_refused("MaxListenersPerSource");
	cr_expect(logged("refused: too many listeners from this address"));
	cr_expect_eq(control_counted(CONTROL_C_LISTENERS_SOURCE), 1);
	fini(&c);
	fini(&d);
}

/* It has come from there. */
static void came_from(const struct client *c, const struct link_addr *from)
{
	struct session *s = session_of(c);

	inside_leave(s);
	s->peer = *from;
	inside_kept(s);
}

/* What PerSourceNetBlockSize calls one: a host has 2^64 addresses of IPv6. */
Test(control_forward_source, a_source_is_a_network)
{
	static const struct link_addr from[] = {
		{.family = 6, .addr = {0x20, 1, 0xd, 0xb8, [15] = 1}},
		{.family = 6, .addr = {0x20, 1, 0xd, 0xb8, [15] = 2}}};
	struct client c = client_in(1, 1), d = client_in(2, 2);

	came_from(&c, &from[0]);
	came_from(&d, &from[1]);
	granted(&c, "", 8000);
	ask(&d, "", 8001);
	expect_refused("MaxListenersPerSource");
	fini(&c);
	fini(&d);
}

/* An agent that is back at its limit has its port again. */
Test(control_forward_source, what_is_taken_over_is_counted_once)
{
	struct client c = client_in(1, 1), d = client_in(2, 2);

	identify(&c, 1);
	identify(&d, 1);
	granted(&c, "", 8000);
	epoch(&d, 1);
	ask(&d, "", 8000);
	result(&d, bound_of().token, 0, 8000);
	expect_granted(0);
	fini(&c);
	fini(&d);
}

static void of_all(void)
{
	begin_with("GatewayPorts yes\nMaxListeners 1\n");
}

Test(control_forward_with, limits_of_all, .init = of_all, .fini = end, .timeout = 60)
{
	struct client c = client_in(1, 1);

	granted(&c, "", 8000);
	ask(&c, "", 8001);
	expect_refused("MaxListeners");
	cr_expect(logged("listener []:8001 of user demo: refused: too many listeners"));
	cr_expect_eq(control_counted(CONTROL_C_LISTENERS), 1);
	fini(&c);
}

/* --- whose a port is (S-77, S-78) ----------------------------------------------------------------
 */

Test(control_forward, s77_a_port_is_one_connections)
{
	struct client c = client_in(1, 1), d = client_in(2, 2);

	granted(&c, "192.0.2.1", 8080);
	ask(&d, "192.0.2.1", 8080);
	expect_refused("the same");
	ask(&d, "", 8080);
	expect_refused("all addresses");
	ask(&d, "0.0.0.0", 8080);
	expect_refused("all of IPv4");
	ask(&c, "192.0.2.1", 8080);
	expect_refused("its own");
	granted(&d, "::", 8080);
	fini(&c);
	granted(&d, "192.0.2.1", 8080);
	fini(&d);
}

Test(control_forward, s78_another_key_takes_nothing)
{
	struct client c = client_in(1, 1), d = client_in(2, 2);

	granted(&c, "", 8080);
	identify(&c, 1);
	identify(&d, 2);
	epoch(&d, UINT64_MAX);
	ask(&d, "", 8080);
	expect_refused("another key");
	identify(&d, 0);
	ask(&d, "", 8080);
	expect_refused("no key");
	identify(&c, 0);
	ask(&d, "", 8080);
	expect_refused("neither has one");
	fini(&c);
	fini(&d);
}

Test(control_forward, s78_a_higher_epoch_takes_it_at_once)
{
	struct client c = client_in(1, 1), d = client_in(2, 2);
	const struct link_forward_ref *m;
	uint64_t token;

	identify(&c, 1);
	identify(&d, 1);
	epoch(&c, 7);
	token = granted(&c, "", 8080);
	epoch(&d, 8);
	ask(&d, "", 8080);
	m = item_of(LINK_IT_UNFORWARD);
	cr_assert_not_null(m);
	cr_expect_eq(m->token, token);
	cr_expect_eq(m->cut, 1, "its channels with it");
	result(&d, bound_of().token, 0, 8080);
	expect_granted(0);
	cr_expect_eq(t.env.n_listeners, 1);
	fini(&c);
	fini(&d);
}

/* What a client answers to the keep-alive of control. */
static void answer(struct client *c)
{
	static const uint8_t failure = SSH_MSG_REQUEST_FAILURE;
	const struct ssh_str p = {&failure, 1};

	client_payload(c, &p);
}

static void expect_asked(void)
{
	size_t n;
	const uint8_t *p = said(&n);

	cr_assert_not_null(p);
	cr_assert_eq(p[0], SSH_MSG_GLOBAL_REQUEST);
	cr_expect_neq(memmem(p, n, "keepalive@openssh.com", 21), NULL);
}

Test(control_forward, s78_who_answers_keeps_it)
{
	struct client c = client_in(1, 1), d = client_in(2, 2);

	identify(&c, 1);
	identify(&d, 1);
	epoch(&c, 7);
	granted(&c, "", 8080);
	epoch(&d, 7);
	ask(&d, "", 8080);
	expect_asked();
	turn(1900);
	answer(&c);
	expect_refused("the old one lives");
	turn(5000);
	cr_expect_eq(t.env.n_listeners, 1);
	fini(&c);
	fini(&d);
}

Test(control_forward, s78_who_does_not_answer_loses_it)
{
	struct client c = client_in(1, 1), d = client_in(2, 2);

	identify(&c, 1);
	identify(&d, 1);
	granted(&c, "", 8080);
	ask(&d, "", 8080);
	expect_asked();
	turn(1500); /* and the real time that a busy machine takes for it */
	cr_expect_null(item_of(LINK_IT_UNFORWARD));
	turn(501);
	cr_assert_not_null(item_of(LINK_IT_UNFORWARD));
	result(&d, bound_of().token, 0, 8080);
	expect_granted(0);
	fini(&c);
	fini(&d);
}

/* Sockets as ports: by their path. */
static void with_sockets(void)
{
	begin_with(RULES "PermitStreamLocalListen /run/*\n");
}

TestSuite(control_forward_socket, .init = with_sockets, .fini = end, .timeout = 60);

static void ask_socket(struct client *c, const char *path)
{
	uint8_t buf[256];
	struct ssh_str p = {buf, 0};
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_wr_u8(&w, SSH_MSG_GLOBAL_REQUEST);
	ssh_wr_cstr(&w, SSH_REQUEST_STREAMLOCAL);
	ssh_wr_bool(&w, true);
	ssh_wr_cstr(&w, path);
	p.len = (uint32_t)ssh_wr_done(&w);
	client_payload(c, &p);
}

Test(control_forward_socket, s78_who_answers_keeps_it)
{
	struct client c = client_in(1, 1), d = client_in(2, 2);
	const struct link_forward_kept f = {
		.token = 77, .opens = LINK_OPENS_STREAMLOCAL, .kind = 2, .up = 1, .host_len = 6};

	identify(&c, 1);
	identify(&d, 1);
	cr_assert_eq(event(&c.conn, LINK_EV_FORWARD_KEPT, &f, sizeof(f), "/run/x", 6), 0);
	ask_socket(&d, "/run/x");
	expect_asked();
	turn(1900);
	answer(&c);
	expect_refused("the old one lives");
	turn(5000);
	cr_expect_eq(t.env.n_listeners, 1);
	cr_expect_null(item_of(LINK_IT_UNFORWARD));
	fini(&c);
	fini(&d);
}

Test(control_forward, who_asks_may_leave_meanwhile)
{
	struct client c = client_in(1, 1), d = client_in(2, 2);

	identify(&c, 1);
	identify(&d, 1);
	granted(&c, "", 8080);
	ask(&d, "", 8080);
	fini(&d);
	turn(3000);
	answer(&c);
	cr_expect_eq(t.env.n_listeners, 1);
	fini(&c);
}

Test(control_forward, the_old_one_may_leave_meanwhile)
{
	struct client c = client_in(1, 1), d = client_in(2, 2);

	identify(&c, 1);
	identify(&d, 1);
	granted(&c, "", 8080);
	ask(&d, "", 8080);
	fini(&c);
	items_drop();
	turn(2001);
	result(&d, bound_of().token, 0, 8080);
	expect_granted(0);
	fini(&d);
}

Test(control_forward, who_asks_may_be_over_meanwhile)
{
	struct client c = client_in(1, 1), d = client_in(2, 2);

	identify(&c, 1);
	identify(&d, 1);
	granted(&c, "", 8080);
	ask(&d, "", 8080);
	session_dismiss(session_of(&d), -SSH_E_SHUTDOWN);
	items_drop();
	turn(3000);
	cr_expect_null(item_of(LINK_IT_UNFORWARD), "nothing is taken for who has ended");
	cr_expect_eq(t.env.n_listeners, 1);
	fini(&c);
	fini(&d);
}

/* What waited behind the question may be the end of the listener that is looked at next. */
Test(control_forward, who_is_refused_goes_on_at_once)
{
	struct client c = client_in(1, 1), d = client_in(2, 2);

	identify(&c, 1);
	identify(&d, 1);
	granted(&c, "", 8080);
	granted(&d, "", 8081);
	ask(&d, "", 8080);
	global(&d, "cancel-tcpip-forward", "", 8081, true);
	ask(&d, "", 8080);
	items_drop();
	answer(&c);
	expect_refused("the old one lives");
	expect_granted(0);
	expect_refused("and has answered");
	cr_expect_eq(t.env.n_listeners, 1);
	fini(&c);
	fini(&d);
}

Test(control_forward, s77_all_who_have_a_port_give_way_or_none)
{
	struct client a = client_in(1, 1), b = client_in(2, 2), c = client_in(3, 3);

	identify(&a, 1);
	identify(&b, 2);
	identify(&c, 2);
	granted(&a, "0.0.0.0", 8080);
	granted(&b, "::", 8080);
	epoch(&c, 1);
	ask(&c, "", 8080);
	cr_expect_null(item_of(LINK_IT_UNFORWARD), "half of it is another's");
	ask(&c, "", 8080);
	expect_refused("half of it is another's");
	identify(&a, 2);
	ask(&c, "", 8080);
	cr_expect_not_null(item_of(LINK_IT_UNFORWARD));
	cr_expect_not_null(item_of(LINK_IT_UNFORWARD));
	result(&c, bound_of().token, 0, 8080);
	expect_granted(0);
	cr_expect_eq(t.env.n_listeners, 1);
	fini(&a);
	fini(&b);
	fini(&c);
}

/* A port whose former connections are still about is given back in a while. */
Test(control_forward, a_port_that_is_being_given_back_is_asked_for_again)
{
	struct client c = client_in(1, 1);
	unsigned int n = 0;

	ask(&c, "", 8080);
	for (;;) {
		const struct link_forward *m = item_of(LINK_IT_FORWARD);

		if (m == NULL)
			break;
		n++;
		result(&c, m->token, -EADDRINUSE, 0);
		turn(100);
		if (n == 3)
			break;
	}
	cr_assert_eq(n, 3);
	turn(2000);
	result(&c, bound_of().token, -EADDRINUSE, 0);
	expect_refused("enough");
	fini(&c);
}

/* --- its channels, and who is told
 * ---------------------------------------------------------------- */

Test(control_forward, channels_are_counted_until_the_last_has_ended)
{
	struct client c = client_in(1, 1);
	uint64_t token = granted(&c, "", 8080);
	const struct link_chan_ref up = {
		.token = token, .local_channel = 3, .target = {.family = 4, .port = 9}};
	const struct link_chan_end down = {
		.audit_id = 7, .token = token, .local_channel = 3, .told = 1};

	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_OPENED, &up, sizeof(up), NULL, 0), 0);
	cr_expect_eq(session_of(&c)->n_up, 1);
	cr_expect(logged("connection to listener []:8080 from"));
	global(&c, "cancel-tcpip-forward", "", 8080, true);
	cr_expect_eq(session_of(&c)->n_up, 1, "it lives on");
	cr_expect_eq(t.env.n_listeners, 1, "and has its port");
	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_END, &down, sizeof(down), NULL, 0), 0);
	cr_expect_eq(session_of(&c)->n_up, 0);
	cr_expect_eq(t.env.n_listeners, 0);
	cr_expect(logged("channel end: user demo"));
	fini(&c);
}

Test(control_forward, what_does_not_come_in_is_said_with_its_reason)
{
	struct client c = client_in(1, 1);
	struct link_chan_failed ev = {.token = granted(&c, "", 8080),
				      .err = -SSH_E_CHANNELS,
				      .reason = SSH_OPEN_RESOURCE_SHORTAGE};

	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_FAILED, &ev, sizeof(ev), NULL, 0), 0);
	cr_expect(logged("connection to listener []:8080 of user demo: refused: too many channels "
			 "of this connection"));
	ev.err = -ECONNREFUSED;
	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_FAILED, &ev, sizeof(ev), NULL, 0), 0);
	cr_expect(logged("connection to listener []:8080 of user demo: refused by the client: "
			 "reason 4"));
	fini(&c);
}

Test(control_forward, results_nobody_awaits_change_nothing)
{
	struct client c = client_in(1, 1);
	uint64_t token = granted(&c, "", 8080);
	size_t n;

	result(&c, token, 0, 8081);
	result(&c, token, -EIO, 0);
	result(&c, token + 1, 0, 8080);
	cr_expect_null(said(&n));
	cr_expect_not_null(listener_at_port(&t.env, 8080));
	fini(&c);
}

Test(control_forward, malformed_requests_are_refused)
{
	static const char *const type[] = {"tcpip-forward", "cancel-tcpip-forward",
					   SSH_REQUEST_EPOCH};
	struct client c = client_in(1, 1);

	for (size_t i = 0; i < 3; i++)
		for (uint32_t extra = 0; extra < 7; extra++) {
			uint8_t buf[128];
			struct ssh_str p = {buf, 0};
			struct ssh_wr w;

			ssh_wr_init(&w, buf, sizeof(buf));
			ssh_wr_u8(&w, SSH_MSG_GLOBAL_REQUEST);
			ssh_wr_cstr(&w, type[i]);
			ssh_wr_bool(&w, true);
			for (uint32_t k = 0; k < extra; k++)
				ssh_wr_u8(&w, 0);
			p.len = (uint32_t)ssh_wr_done(&w);
			client_payload(&c, &p);
			expect_refused(type[i]);
		}
	fini(&c);
}

/* --- how long to stay away
 * ------------------------------------------------------------------------ */

static void with_hint(void)
{
	begin_with("RetryAfter 30\n");
}

static void expect_parting(const char *text)
{
	size_t n;
	const uint8_t *p = said(&n);

	cr_assert_not_null(p);
	cr_assert_eq(p[0], SSH_MSG_DISCONNECT);
	cr_expect_neq(memmem(p, n, text, strlen(text)), NULL);
}

Test(control_forward_with, a_shutdown_says_how_long_to_stay_away, .init = with_hint, .fini = end,
     .timeout = 60)
{
	struct client c = client_in(1, 1);

	session_table_shutdown(t.table);
	expect_parting("shutting down retry-after=30");
	fini(&c);
}

Test(control_forward, a_shutdown_says_nothing_of_it_without)
{
	struct client c = client_in(1, 1);
	size_t n;
	const uint8_t *p;

	session_table_shutdown(t.table);
	p = said(&n);
	cr_assert_not_null(p);
	cr_expect_eq(memmem(p, n, "retry", 5), NULL);
	fini(&c);
}

/* --- the gateway's own kernel -------------------------------------------------------------------
 */

static int sent[LISTEN_MAX];
static unsigned int n_sent;
static uint64_t sent_token;
static int send_err;

/* The shard has a copy of its own. */
static int take_fds(void *arg, uint64_t token, const int *fds, unsigned int n)
{
	(void)arg;
	if (send_err < 0)
		return send_err;
	sent_token = token;
	for (n_sent = 0; n_sent < n; n_sent++)
		sent[n_sent] = dup(fds[n_sent]);
	return 0;
}

static void sent_close(void)
{
	while (n_sent > 0)
		close(sent[--n_sent]);
}

static void with_kernel(const char *rules)
{
	begin_with(rules);
	t.table->link.send_fds = take_fds;
}

static void begin_kernel(void)
{
	with_kernel("LogLevel VERBOSE\n");
}

static void end_kernel(void)
{
	sent_close();
	end();
}

TestSuite(control_forward_kernel, .init = begin_kernel, .fini = end_kernel, .timeout = 60);

static void expect_at(int fd, int family, uint16_t *ret_port)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa), n = sizeof(int);
	int on = 0;

	cr_assert_eq(getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &n), 0);
	cr_expect_eq(on, 1, "it listens");
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	cr_expect_eq(sa.ss_family, family);
	if (family == AF_INET) {
		const struct sockaddr_in *in = (const void *)&sa;

		cr_expect_eq(in->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
		*ret_port = ntohs(in->sin_port);
	} else {
		const struct sockaddr_in6 *in6 = (const void *)&sa;

		cr_expect(IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr));
		*ret_port = ntohs(in6->sin6_port);
	}
}

static uint64_t granted_kernel(struct client *c, const char *host, uint16_t *port)
{
	struct link_forward m;

	ask(c, host, *port);
	m = bound_of();
	cr_expect_eq(m.kind, 2);
	cr_expect_eq(m.opens, LINK_OPENS_TCPIP);
	cr_expect_eq(m.fds, sent_token);
	cr_expect_eq(m.host_len, strlen(host));
	result(c, m.token, 0, m.addr.port);
	expect_granted(*port == 0 ? m.addr.port : 0);
	*port = m.addr.port;
	return m.token;
}

/* GatewayPorts no: whatever is asked for, it is loopback. */
Test(control_forward_kernel, any_name_is_loopback_of_both_families)
{
	static const char *const host[] = {"localhost", "", "*", "192.0.2.77", "some.name"};
	struct client c = client_in(1, 1);

	for (size_t i = 0; i < sizeof(host) / sizeof(host[0]); i++) {
		uint16_t port = 0, at;

		granted_kernel(&c, host[i], &port);
		cr_assert_geq(n_sent, 1);
		expect_at(sent[0], AF_INET, &at);
		cr_expect_eq(at, port);
		if (n_sent == 2)
			expect_at(sent[1], AF_INET6, &at);
		cr_expect_eq(at, port, "the same for both");
		sent_close();
		global(&c, "cancel-tcpip-forward", host[i], port, false);
		cr_expect_not_null(item_of(LINK_IT_UNFORWARD));
	}
	fini(&c);
}

Test(control_forward_kernel, one_family_when_it_is_named)
{
	struct client c = client_in(1, 1);
	uint16_t port = 0, at;

	granted_kernel(&c, "127.0.0.1", &port);
	cr_assert_eq(n_sent, 1);
	expect_at(sent[0], AF_INET, &at);
	cr_expect_eq(at, port);
	fini(&c);
}

Test(control_forward_kernel, what_is_refused)
{
	struct client c = client_in(1, 1);

	ask(&c, "localhost", 1023);
	expect_refused("a privileged port");
	send_err = -EAGAIN;
	ask(&c, "localhost", 0);
	expect_refused("the shard takes no descriptors now");
	send_err = 0;
	t.table->link.send_fds = NULL;
	ask(&c, "localhost", 0);
	expect_refused("nor at all");
	cr_expect_eq(t.env.n_listeners, 0);
	fini(&c);
}

Test(control_forward_kernel, what_another_program_has_is_refused_soon)
{
	struct client c = client_in(1, 1), d = client_in(2, 2);
	uint16_t port = 0;

	granted_kernel(&c, "127.0.0.1", &port);
	fini(&c);
	/* The test's copy listens on. */
	ask(&d, "localhost", port);
	for (int i = 0; i < 3; i++) {
		cr_expect_null(item_of(LINK_IT_FORWARD));
		turn(100);
	}
	expect_refused("in use");
	fini(&d);
}

Test(control_forward_kernel, a_port_that_is_given_back_is_had_again)
{
	struct client c = client_in(1, 1), d = client_in(2, 2);
	uint16_t port = 0;

	granted_kernel(&c, "localhost", &port);
	fini(&c);
	ask(&d, "localhost", port);
	sent_close(); /* as the shard does */
	turn(100);
	result(&d, bound_of().token, 0, port);
	expect_granted(0);
	fini(&d);
}

Test(control_forward_kernel, s77_s78_one_owner_here_too)
{
	struct client c = client_in(1, 1), d = client_in(2, 2);
	const struct link_forward_ref *m;
	uint16_t port = 0;
	uint64_t token = granted_kernel(&c, "localhost", &port);

	ask(&d, "127.0.0.1", port);
	expect_refused("another's");
	identify(&c, 1);
	identify(&d, 1);
	epoch(&d, 1);
	ask(&d, "::1", port);
	m = item_of(LINK_IT_UNFORWARD);
	cr_assert_not_null(m);
	cr_expect_eq(m->token, token);
	cr_expect_eq(m->cut, 1);
	sent_close();
	turn(100);
	result(&d, bound_of().token, 0, port);
	expect_granted(0);
	fini(&c);
	fini(&d);
}

static void begin_mixed(void)
{
	with_kernel("GatewayPorts clientspecified\n");
}

/* Two machines' addresses: what the kernel has is not in the way of what we have. */
Test(control_forward_with, loopback_is_the_kernels_and_the_rest_is_ours, .init = begin_mixed,
     .fini = end_kernel, .timeout = 60)
{
	struct client c = client_in(1, 1);
	uint16_t port = 0;

	granted_kernel(&c, "localhost", &port);
	granted(&c, "", port);
	ask(&c, "127.0.0.1", port);
	expect_refused("that is its own");
	fini(&c);
}

static void begin_alone(void)
{
	with_kernel("GatewayPorts yes\n");
	t.env.host_only = true;
}

Test(control_forward_with, without_interfaces_all_are_the_kernels, .init = begin_alone,
     .fini = end_kernel, .timeout = 60)
{
	struct client c = client_in(1, 1);
	struct sockaddr_in in;
	socklen_t len = sizeof(in);
	uint16_t port = 0;

	granted_kernel(&c, "", &port);
	cr_assert_eq(getsockname(sent[0], (struct sockaddr *)&in, &len), 0);
	cr_expect_eq(in.sin_addr.s_addr, INADDR_ANY);
	fini(&c);
}

static void begin_inet(void)
{
	with_kernel("AddressFamily inet\nGatewayPorts clientspecified\n");
}

Test(control_forward_with, of_one_family_alone, .init = begin_inet, .fini = end_kernel,
     .timeout = 60)
{
	struct client c = client_in(1, 1);
	struct link_forward m;
	uint16_t port = 0, at;

	granted_kernel(&c, "localhost", &port);
	cr_expect_eq(n_sent, 1);
	expect_at(sent[0], AF_INET, &at);
	ask(&c, "", port);
	m = bound_of();
	cr_expect_eq(m.addr.family, 4, "all of it, at the gateway's own addresses");
	result(&c, m.token, 0, port);
	expect_granted(0);
	ask(&c, "::1", port);
	expect_refused("of the other");
	ask(&c, "::", port);
	expect_refused("of the other");
	fini(&c);
}

/* --- a hub ------------------------------------------------------------------------------------ */

#define HUB (test_long() ? 60000 : 3000)

static void of_a_hub(void)
{
	begin_with("LogLevel QUIET\nGatewayPorts yes\nMaxListeners 60000\n"
		   "MaxListenersPerConnection 60000\nMaxListenersPerUser 60000\n"
		   "MaxListenersPerSource 60000\nSlowPathRate 0\n");
}

/* All of one connection: nothing it asks for walks over what it has. */
Test(control_forward_with, as_many_as_may_be, .init = of_a_hub, .fini = end, .timeout = 120)
{
	struct client c = client_in(1, 1), d = client_in(2, 2);
	int n = HUB;

	for (int i = 0; i < n; i++)
		granted(&c, "", (uint16_t)(2000 + i));
	cr_expect_eq(t.env.n_listeners, (uint32_t)n);
	ask(&d, "", 2000 + (uint32_t)n / 2);
	expect_refused("somebody has it");
	for (int i = 1; i < n; i += 2) {
		global(&c, "cancel-tcpip-forward", "", (uint32_t)(2000 + i), true);
		cr_assert_not_null(item_of(LINK_IT_UNFORWARD));
		expect_granted(0);
	}
	cr_expect_eq(t.env.n_listeners, (uint32_t)(n + 1) / 2);
	granted(&d, "", 2001);
	fini(&c);
	cr_expect_eq(t.env.n_listeners, 1);
	fini(&d);
}

/* control/index.h against an array: few numbers, so that many have the same. */
Test(control_forward_with, finds_what_it_has_the_newest_first, .init = begin_alone,
     .fini = end_kernel, .timeout = 60)
{
	enum { THINGS = 1000, KEYS = 300 };
	static struct {
		struct index_node node;
		int born; /* 0: it is not in */
	} thing[THINGS];
	struct rnd r = rnd_new(rnd_seed());
	struct index x = {0};
	uint32_t n = 0;

	for (int turn = 1; turn <= 20000; turn++) {
		unsigned int i = rnd_below(&r, THINGS), newest = 0;
		uint64_t key = rnd_below(&r, KEYS);
		struct index_node *at = index_first(&x, key);
		int before = turn;

		for (unsigned int k = 0; k < THINGS && turn % 64 == 0; k++)
			newest += thing[k].born != 0 && thing[k].node.key == key;
		for (; at != NULL && turn % 64 == 0; at = index_next(at), newest--) {
			int born = ((__typeof__(&thing[0]))(void *)at)->born;

			cr_assert(at->key == key && born < before, "in their order");
			before = born;
		}
		cr_assert_eq(newest, 0, "all of them");
		if (thing[i].born != 0)
			index_del(&x, &thing[i].node);
		else
			index_put(&x, &thing[i].node, key);
		n += thing[i].born != 0 ? UINT32_MAX : 1;
		thing[i].born = thing[i].born != 0 ? 0 : turn;
		cr_assert_eq(x.n, n);
	}
	for (unsigned int i = 0; i < THINGS; i++)
		if (thing[i].born != 0)
			index_del(&x, &thing[i].node);
	cr_expect_null(x.many, "nothing is kept");
}
