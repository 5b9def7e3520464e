/*
 * client/config/forward.c: forwards and destinations as ssh(1) has them; what a master is asked;
 * who comes to a listener when there are no descriptors.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/config/forward.h"
#include "client/shell/mux.h"
#include "client/shell/mux_msg.h"
#include "client/shell/run.h"
#include "client/tunnel/tunnel.h"
#include "tests/util/nofile.h"

TestSuite(client_forward, .timeout = 60);

static const struct {
	enum forward_kind kind;
	const char *spec, *text; /* as ssh -G has it */
} taken[] = {
	{FORWARD_LOCAL, "8080:host:80", "8080 [host]:80"},
	{FORWARD_LOCAL, "127.0.0.1:8080:host:80", "[127.0.0.1]:8080 [host]:80"},
	{FORWARD_LOCAL, "[::1]:8080:[fe80::1]:80", "[::1]:8080 [fe80::1]:80"},
	{FORWARD_LOCAL, "*:8080:host:80", "[*]:8080 [host]:80"},
	{FORWARD_LOCAL, ":8080:host:80", "[*]:8080 [host]:80"},
	{FORWARD_LOCAL, "localhost:0:host:80", "[localhost]:0 [host]:80"},
	{FORWARD_LOCAL, "8080:/run/x.sock", "8080 /run/x.sock"},
	{FORWARD_LOCAL, "a:8080:/run/x.sock", "[a]:8080 /run/x.sock"},
	{FORWARD_LOCAL, "/run/l.sock:host:80", "/run/l.sock [host]:80"},
	{FORWARD_LOCAL, "/run/l.sock:/run/r.sock", "/run/l.sock /run/r.sock"},
	{FORWARD_LOCAL, "/run/l\\:x:/run/r.sock", "/run/l:x /run/r.sock"},
	{FORWARD_LOCAL, "8080:host:http", "8080 [host]:80"},
	{FORWARD_REMOTE, "9000", "9000 [socks]:0"},
	{FORWARD_REMOTE, "0", "0 [socks]:0"},
	{FORWARD_REMOTE, "localhost:9000", "[localhost]:9000 [socks]:0"},
	{FORWARD_REMOTE, "9000:host:80", "9000 [host]:80"},
	{FORWARD_REMOTE, "9000:/run/x.sock", "9000 /run/x.sock"},
	{FORWARD_REMOTE, "/run/x.sock:host:80", "/run/x.sock [host]:80"},
	{FORWARD_REMOTE, "9000:host:80\n198.18.0.0/15,!198.18.3.4",
	 "9000 [host]:80 from=198.18.0.0/15,!198.18.3.4"},
	{FORWARD_REMOTE, "9000\n10.*,2001:db8::/32", "9000 [socks]:0 from=10.*,2001:db8::/32"},
	{FORWARD_DYNAMIC, "1080", "1080"},
	{FORWARD_DYNAMIC, "[::]:1080", "[::]:1080"},
};

Test(client_forward, all_forms_are_read)
{
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		char buf[FORWARD_TEXT_MAX];
		struct forward f;

		cr_assert_eq(forward_parse(taken[i].kind, taken[i].spec, &f), 0, "%s",
			     taken[i].spec);
		cr_expect_str_eq(forward_text(&f, buf, sizeof(buf)), taken[i].text);
	}
}

static const struct {
	enum forward_kind kind;
	const char *spec;
} refused[] = {
	{FORWARD_LOCAL, ""},
	{FORWARD_LOCAL, "8080"},
	{FORWARD_LOCAL, "8080:host"},
	{FORWARD_LOCAL, "8080:host:0"},
	{FORWARD_LOCAL, "8080::80"},
	{FORWARD_LOCAL, "65536:host:80"},
	{FORWARD_LOCAL, "-1:host:80"},
	{FORWARD_LOCAL, "a:b:8080:host:80"},
	{FORWARD_LOCAL, "::1:8080:host:80"},
	{FORWARD_LOCAL, "[::1:8080:host:80"},
	{FORWARD_LOCAL, "[::1]x:8080:host:80"},
	{FORWARD_LOCAL, "/run/l.sock"},
	{FORWARD_LOCAL, "8080:-oX:80"},
	{FORWARD_LOCAL, "8080:$(id):80"},
	{FORWARD_LOCAL, "8080:host:/80:x"},
	{FORWARD_REMOTE, "host"},
	{FORWARD_REMOTE, "9000:host:x"},
	{FORWARD_REMOTE, "9000:host:80\n"},
	{FORWARD_REMOTE, "9000:host:80\n10.0.0.0/8,"},
	{FORWARD_REMOTE, "9000:host:80\n10.0.0.0/33"},
	{FORWARD_REMOTE, "9000:host:80\n10.0.0.1/8"},
	{FORWARD_REMOTE, "9000:host:80\n*.example"},
	{FORWARD_REMOTE, "9000:host:80\n10.*\n10.*"},
	{FORWARD_REMOTE, "/run/x.sock:host:80\n10.*"},
	{FORWARD_REMOTE, "\n10.*"},
	{FORWARD_LOCAL, "8080:host:80\n10.*"},
	{FORWARD_DYNAMIC, "1080\n10.*"},
	{FORWARD_DYNAMIC, "1080:host:80"},
	{FORWARD_DYNAMIC, "host"},
	{FORWARD_DYNAMIC, "/run/x:80"},
};

Test(client_forward, what_is_none_is_refused)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct forward f;

		cr_expect_lt(forward_parse(refused[i].kind, refused[i].spec, &f), 0, "%s",
			     refused[i].spec);
	}
}

Test(client_forward, longer_than_there_is_room_for_is_refused)
{
	static char spec[3 * FORWARD_HOST_MAX];
	struct forward f;
	struct destination d;

	memset(spec, 'a', sizeof(spec) - 1);
	cr_expect_lt(forward_parse(FORWARD_LOCAL, spec, &f), 0);
	memset(spec, '1', FORWARD_FROM_MAX + 5);
	memcpy(spec, "9000\n", 5);
	spec[FORWARD_FROM_MAX + 5] = '\0';
	cr_expect_lt(forward_parse(FORWARD_REMOTE, spec, &f), 0);
	memset(spec, 'a', sizeof(spec) - 1);
	cr_expect_lt(destination_parse(spec, false, &d), 0);
	cr_expect_lt(destination_parse(spec, true, &d), 0);
	memcpy(spec + FORWARD_HOST_MAX, "@host", 6);
	cr_expect_lt(destination_parse(spec, false, &d), 0);
}

static const struct {
	const char *text, *user, *host;
	uint16_t port;
} destinations[] = {
	{"host", "", "host", 0},
	{"u@host", "u", "host", 0},
	{"u@realm@host", "u@realm", "host", 0},
	{"fe80::1", "", "fe80::1", 0},
	{"ssh://host", "", "host", 0},
	{"ssh://host/", "", "host", 0},
	{"ssh://u@host:2222", "u", "host", 2222},
	{"ssh://u%40x@[fe80::1]:22", "u@x", "fe80::1", 22},
	{"ssh://u;fingerprint=x@host", "u", "host", 0},
};

Test(client_forward, destinations)
{
	static const char *const bad[] = {
		"",
		"@host",
		"u@",
		"-oX",
		"ssh://",
		"ssh://h:0",
		"ssh://h:99999",
		"ssh://%zz@host",
		"ssh://u%00@h",
		"h;reboot",
		"`id`",
		"$(id)@h",
		"-l@h",
		"a b",
		"ssh://[::1",
	};
	struct destination d;

	for (size_t i = 0; i < sizeof(destinations) / sizeof(destinations[0]); i++) {
		cr_assert_eq(destination_parse(destinations[i].text, false, &d), 0, "%s",
			     destinations[i].text);
		cr_expect_str_eq(d.user, destinations[i].user);
		cr_expect_str_eq(d.host, destinations[i].host);
		cr_expect_eq(d.port, destinations[i].port);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_lt(destination_parse(bad[i], false, &d), 0, "%s", bad[i]);
	cr_expect_eq(destination_parse("u@jump:2222", true, &d), 0);
	cr_expect_str_eq(d.host, "jump");
	cr_expect_eq(d.port, 2222);
}

/* They stand in ProxyCommand, LocalCommand and Match exec. */
Test(client_forward, s72_what_a_shell_would_make_more_of_is_no_host_and_no_user)
{
	static const char bad[] = "'`\"\\;&<>|(){}\n\r\033\x7f";
	struct destination d;
	char text[64];

	for (const char *p = bad; *p != '\0'; p++) {
		snprintf(text, sizeof(text), "ho%cst", *p);
		cr_expect_not(destination_host_ok(text), "%d", *p);
		cr_expect_lt(destination_parse(text, false, &d), 0, "%d", *p);
		snprintf(text, sizeof(text), "ssh://h%%%02xo", (unsigned char)*p);
		cr_expect_lt(destination_parse(text, false, &d), 0, "%s", text);
		if (*p == '\\') /* a domain's user has one */
			continue;
		snprintf(text, sizeof(text), "us%cer", *p);
		cr_expect_not(destination_user_ok(text), "%d", *p);
		snprintf(text, sizeof(text), "ssh://u%%%02xr@host", (unsigned char)*p);
		cr_expect_lt(destination_parse(text, false, &d), 0, "%s", text);
	}
	cr_expect_not(destination_user_ok("-oProxyCommand=x"));
	cr_expect_lt(destination_parse("ssh://a%00b@host", false, &d), 0);
	cr_expect(destination_user_ok("DOMAIN\\user"));
}

/* --- what a master is asked ---------------------------------------------------------------- */

static int ask(const char *text, struct mux_request *q)
{
	return mux_request_read(text, strlen(text), q);
}

Test(client_forward, a_master_is_asked_for_sessions_and_forwards)
{
	struct mux_request q;

	cr_assert_eq(ask("{\"do\":\"check\"}", &q), 0);
	cr_expect_eq(q.what, MUX_CHECK);
	mux_request_fini(&q);
	cr_assert_eq(ask("{\"do\":\"forward\",\"kind\":\"remote\",\"spec\":\"0:h:2\"}", &q), 0);
	cr_expect_eq(q.forward.kind, FORWARD_REMOTE);
	cr_expect_str_eq(q.forward.target.host, "h");
	mux_request_fini(&q);
	cr_assert_eq(ask("{\"do\":\"session\",\"command\":\"ls\",\"tty\":true,\"escape\":126,"
			 "\"env\":[\"A=b\",\"C=d\"]}",
			 &q),
		     0);
	cr_expect_str_eq(q.command, "ls");
	cr_expect_str_eq(q.term, "");
	cr_expect_str_eq(q.env[1], "C=d");
	cr_expect_null(q.env[2]);
	cr_expect(q.tty && !q.subsystem && q.escape == '~');
	mux_request_fini(&q);
	cr_assert_eq(ask("{\"do\":\"stdio\",\"target\":\"h:22\"}", &q), 0);
	cr_expect_str_eq(q.forward.target.host, "h");
	cr_expect_eq(q.forward.target.port, 22);
	mux_request_fini(&q);
}

Test(client_forward, a_text_for_a_master_has_any_bytes)
{
	static const char *const texts[] = {"", "ls", "\xff", "a\xc3\xa9\xe9 b"};
	struct mux_request q;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		json_t *o = json_pack("{s:s, s:o, s:o, s:[o]}", "do", "session", "command",
				      mux_text(texts[i]), "term", mux_text(texts[i]), "env",
				      mux_text(texts[i]));
		char *text = json_dumps(o, JSON_COMPACT);

		cr_assert_eq(ask(text, &q), 0, "%s", text);
		cr_expect_str_eq(q.command, texts[i]);
		cr_expect_str_eq(q.term, texts[i]);
		cr_expect_str_eq(q.env[0], texts[i]);
		mux_request_fini(&q);
		json_decref(o);
		free(text);
	}
}

Test(client_forward, what_a_master_cannot_be_asked)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"{\"do\":1}",
		"{\"do\":\"x\"}",
		"{\"do\":\"check\"} more",
		"{\"do\":\"forward\"}",
		"{\"do\":\"forward\",\"kind\":\"up\",\"spec\":\"1:h:2\"}",
		"{\"do\":\"cancel\",\"kind\":\"local\",\"spec\":\"1\"}",
		"{\"do\":\"session\",\"subsystem\":true}",
		"{\"do\":\"session\",\"command\":7}",
		"{\"do\":\"session\",\"escape\":256}",
		"{\"do\":\"session\",\"env\":[7]}",
		"{\"do\":\"session\",\"command\":{\"base64\":\"?\"}}",
		"{\"do\":\"session\",\"command\":{\"base64\":\"AA==\"}}",
		"{\"do\":\"session\",\"command\":{\"text\":\"ls\"}}",
		"{\"do\":\"stdio\"}",
		"{\"do\":\"stdio\",\"target\":\"h\"}",
		"{\"do\":\"session\",\"env\":\"A=b\",\"env\":[]}",
	};
	struct mux_request q;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_lt(ask(bad[i], &q), 0, "%s", bad[i]);
}

Test(client_forward, messages_go_whole_with_their_descriptors)
{
	static char buf[MUX_MESSAGE_MAX + 1], long_text[MUX_MESSAGE_MAX];
	int pair[2], fds[MUX_FDS];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	cr_expect(mux_peer_ok(pair[0]));
	cr_assert_eq(mux_send(pair[0], json_pack("{s:i}", "a", 1), (const int[]){0, 1, 2}), 0);
	cr_assert_eq(mux_receive(pair[1], buf, fds), 7);
	cr_expect_str_eq(buf, "{\"a\":1}");
	for (size_t i = 0; i < MUX_FDS; i++)
		cr_expect_gt(fds[i], 2);
	mux_fds_close(fds);
	cr_expect_eq(fds[0], -1);
	memset(long_text, 'x', sizeof(long_text) - 1);
	cr_expect_eq(mux_send(pair[0], json_pack("{s:s}", "a", long_text), NULL), -EMSGSIZE);
	close(pair[0]);
	cr_expect_eq(mux_receive(pair[1], buf, fds), 0);
	cr_expect_eq(fds[0], -1);
	close(pair[1]);
}

/* More than there is room for are not taken, nor is one of them kept. */
Test(client_forward, more_descriptors_than_three_are_none)
{
	static char buf[MUX_MESSAGE_MAX + 1];
	int pair[2], many[MUX_FDS + 1] = {0, 1, 2, 0}, next;
	struct {
		int fds[MUX_FDS], behind;
	} got = {.behind = 4711};
	union {
		char buf[CMSG_SPACE(sizeof(many))];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {"{}", 2};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control.buf,
			   .msg_controllen = sizeof(control.buf)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(many));
	memcpy(CMSG_DATA(c), many, sizeof(many));
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	next = dup(0);
	close(next);
	cr_assert_eq(sendmsg(pair[0], &m, 0), 2);
	cr_expect_eq(mux_receive(pair[1], buf, got.fds), -EMSGSIZE);
	cr_expect_eq(got.behind, 4711);
	cr_expect_eq(got.fds[0], -1);
	cr_assert_eq(dup(0), next, "one was kept");
	close(next);
	close(pair[0]);
	close(pair[1]);
}

/* --- where there are no descriptors --------------------------------------------------------------
 */

#define NOW_MS 5000

static struct {
	char dir[32], path[64];
	struct run r;
	struct options o;
	struct turn turn;
} t;

static int knock(int type)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	strcpy(un.sun_path, t.path);
	cr_assert_eq(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	return fd;
}

static void prepare(uint64_t now_ms)
{
	t.turn.n = 0;
	t.turn.timeout_ms = -1;
	t.turn.now_ms = now_ms;
	relays_prepare(&t.r.relays, &t.turn);
	mux_prepare(t.r.mux, &t.turn);
}

/* The one descriptor that is waited for is ready. */
static void go(void)
{
	cr_assert_eq(t.turn.n, 1);
	t.turn.v[0].revents = POLLIN;
	relays_run(&t.r.relays, &t.turn);
	mux_go(t.r.mux, &t.turn);
}

static bool taken_in(void)
{
	return t.r.relays.n > 0 || mux_busy(t.r.mux);
}

/* Who waits does not have it turn until there is a descriptor for him: it asks once in a rest. */
static void rests(int type)
{
	struct rlimit was;
	uint64_t now_ms = NOW_MS;
	int fd;

	prepare(now_ms);
	go(); /* nobody had come: that is no reason */
	fd = knock(type);
	nofile_begin(&was);
	for (int i = 0; i < 3; i++) {
		prepare(now_ms);
		go();
		cr_expect_not(taken_in());
		prepare(now_ms + 1);
		cr_expect_eq(t.turn.n, 0, "it is waited for, and is there at once");
		cr_expect_eq(t.turn.timeout_ms, LISTEN_REST_MS - 1);
		now_ms += LISTEN_REST_MS;
		prepare(now_ms - 1);
		cr_expect_eq(t.turn.n, 0);
		cr_expect_eq(t.turn.timeout_ms, 1);
	}
	nofile_over(&was);
	prepare(now_ms);
	go();
	cr_expect(taken_in());
	prepare(now_ms);
	cr_expect_eq(t.turn.n, 2, "it goes on, and is heard");
	close(fd);
}

static void setup(void)
{
	strcpy(t.dir, "/tmp/sluice-listen-XXXXXX");
	cr_assert_not_null(mkdtemp(t.dir));
	snprintf(t.path, sizeof(t.path), "%s/s", t.dir);
	t.o.config = config_new(NULL);
	cr_assert_not_null(t.o.config);
	t.r.o = &t.o;
}

static void teardown(void)
{
	mux_free(t.r.mux);
	relays_fini(&t.r.relays);
	config_free(t.o.config);
	turn_fini(&t.turn);
	cr_expect_eq(rmdir(t.dir), 0);
}

Test(client_forward, a_listener_without_descriptors_rests, .init = setup, .fini = teardown)
{
	const struct listen_conf conf = {.mask = 0177};
	struct forward f = {.socks = true, .listen = {.path = true}};
	uint16_t port;

	strcpy(f.listen.host, t.path);
	cr_assert_eq(relays_listen(&t.r.relays, &f, &conf, &port), 0);
	rests(SOCK_STREAM);
}

Test(client_forward, a_master_without_descriptors_rests, .init = setup, .fini = teardown)
{
	cr_assert_eq(config_set(t.o.config, CONFIG_CONTROL_MASTER, "yes"), 0);
	cr_assert_eq(config_set(t.o.config, CONFIG_CONTROL_PATH, t.path), 0);
	cr_assert_eq(config_parse(t.o.config, "host", "", 0), 0);
	mux_listen(&t.r);
	cr_assert_not_null(t.r.mux);
	rests(SOCK_SEQPACKET);
}

/* --- tunnels ------------------------------------------------------------------------------------ */

/* A server that is gone is noticed within twice the interval: one question, and its time. */
Test(client_forward, a_tunnel_asks_every_half_minute_and_once_where_nothing_is_said)
{
	static const char text[] = "ServerAliveInterval 7\nServerAliveCountMax 5\n"
				   "ReconnectJitter 30\n";

	for (int said = 0; said < 2; said++) {
		struct options o = {.config = config_new(NULL)};
		struct tunnel tun;

		cr_assert_eq(config_parse(o.config, "x", text, said ? sizeof(text) - 1 : 0), 0);
		cr_assert_eq(tunnel_init(&tun, "gate", &o, 0), 0);
		cr_expect_eq(config_number(tun.o.config, CONFIG_SERVER_ALIVE_INTERVAL),
			     said ? 7 : 30);
		cr_expect_eq(config_number(tun.o.config, CONFIG_SERVER_ALIVE_COUNT_MAX),
			     said ? 5 : 1);
		cr_expect_eq(tun.conn.conf.steady, said ? 70u : 0u);
		tunnel_fini(&tun);
	}
}

/* What waits after a break, and after many failures once there is a way again. */
Test(client_forward, f18_where_nothing_is_said_a_tunnel_is_back_within_5_s)
{
	struct options o = {.config = config_new(NULL)};
	struct stay_attempt a;
	uint64_t most = 0, now = 0;
	struct tunnel gate;

	cr_assert_eq(config_parse(o.config, "gate", "", 0), 0);
	cr_assert_eq(tunnel_init(&gate, "gate", &o, 0), 0);
	for (uint64_t seed = 0; seed < 10000; seed++) {
		struct stay s;

		stay_init(&s, &gate.conn.conf, seed * UINT64_C(0x9e3779b97f4a7c15), 0);
		stay_up(&s, 0);
		cr_assert(stay_down(&s, 0, 3600000, &a));
		cr_assert_leq(a.wait_ms, 5000);
		most = a.wait_ms > most ? a.wait_ms : most;
		for (int i = 0; i < 10; i++) {
			now = s.at_ms;
			cr_assert_eq(stay_step(&s, now), STAY_DO_TRY);
			cr_assert(stay_down(&s, 0, now, &a));
		}
		stay_soon(&s, now);
		cr_assert_leq(s.at_ms, now + 5000);
	}
	cr_expect_gt(most, 4900, "it is not at once, either");
	tunnel_fini(&gate);
}
