/*
 * control/session/program.c: what is asked of a session channel, in what order it is answered, what
 * its shard is told. sluice-helper is played by a process of the test's, which goes by the command.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "control/count.h"
#include "control/helper/client.h"
#include "control/service/call.h"
#include "control/session/internal.h"
#include "ssh/session_msg.h"
#include "tests/util/own_net.h"
#include "tests/util/session_bench.h"

static struct {
	char dir[64];
	struct helper helper;
	pid_t pid;
	unsigned int sent, n_fds; /* sets of descriptors for the shard; of the last one */
	uint64_t token;
} h = {.dir = "/tmp/sluice-program-XXXXXX"};

/* --- a helper ----------------------------------------------------------------------------------
 */

static void say(int fd, const uint8_t *buf, size_t len)
{
	if (send(fd, buf, len, MSG_NOSIGNAL) != (ssize_t)len)
		_exit(1);
}

static void say_fds(int fd, uint8_t *buf, size_t len, unsigned int n)
{
	union {
		char room[CMSG_SPACE(HELPER_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} c = {.room = {0}};
	int fds[HELPER_FDS_MAX] = {0, 1, 2, 0, 1, 2, 0, 1};
	struct iovec iov = {buf, len};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = c.room,
			     .msg_controllen = CMSG_SPACE(n * sizeof(int))};
	struct cmsghdr *m = CMSG_FIRSTHDR(&msg);

	m->cmsg_level = SOL_SOCKET;
	m->cmsg_type = SCM_RIGHTS;
	m->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(m), fds, n * sizeof(int));
	if (sendmsg(fd, &msg, MSG_NOSIGNAL) < 0)
		_exit(1);
}

static void started(int fd, const struct helper_started *with)
{
	static uint8_t buf[HELPER_FRAME_MAX + 4];

	say_fds(fd, buf, helper_started_build(buf, with), service_fds(with));
}

/*
 * "no": it is denied; "by N": so it is by another configuration than that of mark N; "lie": a
 * STARTED without descriptors; "exit N", "kill N"; "ends N": with N, as the helper ends; "taped":
 * it is recorded; "console": one that asks; else it runs.
 */
static void play(int fd, const struct helper_session *m)
{
	static uint8_t buf[HELPER_FRAME_MAX + 4];
	struct helper_exit how = {0};
	char command[64];

	snprintf(command, sizeof(command), "%.*s", (int)m->command.len, (const char *)m->command.p);
	if (strcmp(command, "no") == 0 ||
	    (strncmp(command, "by ", 3) == 0 && strtoull(command + 3, NULL, 10) != m->job.mark)) {
		say(fd, buf, helper_done_build(buf, HELPER_DENIED, "not configured"));
		return;
	}
	if (strcmp(command, "lie") == 0) {
		say(fd, buf, helper_started_build(buf, &(struct helper_started){.n = 3}));
		return;
	}
	started(fd, &(struct helper_started){.n = m->tty ? 1 : 3,
					     .agent = m->agent,
					     .x11 = m->x11 ? 2 : 0,
					     .tee = strcmp(command, "taped") == 0,
					     .tee_how = LINK_TEE_STRICT,
					     .recording = ssh_str_c("/tapes/x.cast")});
	if (strcmp(command, "console") == 0)
		say_fds(fd, buf, helper_console_build(buf), 1);
	if (strncmp(command, "exit ", 5) != 0 && strncmp(command, "kill ", 5) != 0 &&
	    strncmp(command, "ends ", 5) != 0)
		return;
	how.signalled = command[0] == 'k';
	how.ending = command[1] == 'n';
	how.number = (uint32_t)atoi(command + 5);
	say(fd, buf, helper_exit_build(buf, &how));
	say(fd, buf, helper_done_build(buf, HELPER_OK, ""));
}

/* By the name of the socket: "taken", "no", "none"; else it is open. */
static void play_socket(int fd, const struct helper_socket *m)
{
	static const struct {
		const char *path;
		enum helper_result result;
	} no[] = {{"/run/taken", HELPER_TAKEN},
		  {"/run/no", HELPER_NO},
		  {"/run/none", HELPER_NONE},
		  {"/run/denied", HELPER_DENIED}};
	static uint8_t buf[HELPER_FRAME_MAX + 4];

	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		if (ssh_str_eq(m->path, no[i].path)) {
			say(fd, buf, helper_done_build(buf, no[i].result, "so it is"));
			return;
		}
	started(fd, &(struct helper_started){.n = 1});
	say(fd, buf, helper_done_build(buf, HELPER_OK, ""));
}

/* 442 is taken, 444 denied; else it is open, at two addresses. */
static void play_port(int fd, const struct helper_port *m)
{
	static uint8_t buf[HELPER_FRAME_MAX + 4];

	if (m->port == 442 || m->port == 444) {
		say(fd, buf,
		    helper_done_build(buf, m->port == 442 ? HELPER_TAKEN : HELPER_DENIED,
				      "so it is"));
		return;
	}
	started(fd, &(struct helper_started){.n = 2});
	say(fd, buf, helper_done_build(buf, HELPER_OK, ""));
}

static void helper_main(int listener)
{
	static uint8_t in[HELPER_FRAME_MAX + 4];

	for (;;) {
		int fd = accept(listener, NULL, NULL);
		struct helper_session m;
		struct helper_socket sock;
		struct helper_port port;
		struct ssh_str body;
		enum helper_msg type;
		size_t have = 0, used;
		ssize_t n;

		while ((n = recv(fd, in + have, sizeof(in) - have, 0)) > 0) {
			have += (size_t)n;
			if (helper_frame_parse(in, have, &type, &body, &used) == 0)
				break;
		}
		if (n > 0 && type == HELPER_SESSION && helper_session_parse(body, &m) == 0)
			play(fd, &m);
		else if (n > 0 && type == HELPER_SOCKET && helper_socket_parse(body, &sock) == 0)
			play_socket(fd, &sock);
		else if (n > 0 && type == HELPER_PORT && helper_port_parse(body, &port) == 0)
			play_port(fd, &port);
		/* Left open: a program runs until the test is over. */
	}
}

static int send_fds(void *arg, uint64_t token, const int *fds, unsigned int n)
{
	(void)arg;
	for (unsigned int i = 0; i < n; i++)
		cr_assert_geq(fcntl(fds[i], F_GETFD), 0);
	h.sent++;
	h.n_fds = n;
	h.token = token;
	return 0;
}

static void begin_with(const char *text)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_not_null(mkdtemp(h.dir));
	snprintf(h.helper.path, sizeof(h.helper.path), "%s/helper.sock", h.dir);
	strcpy(sun.sun_path, h.helper.path);
	cr_assert_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	cr_assert_eq(listen(fd, 16), 0);
	h.pid = fork();
	if (h.pid == 0) {
		helper_main(fd);
		_exit(0);
	}
	close(fd);
	start_later(text);
	h.helper.loop = &t.loop;
	t.env.helper = &h.helper;
	t.table->link.send_fds = send_fds;
}

static void begin(void)
{
	begin_with("LogLevel QUIET\nPermitSession yes\nMaxSessions 2\nAcceptEnv LC_*");
}

static void end(void)
{
	char cmd[128];

	kill(h.pid, SIGKILL);
	waitpid(h.pid, NULL, 0);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", h.dir);
	cr_expect_eq(system(cmd), 0);
	teardown();
}

TestSuite(control_program, .init = begin, .fini = end, .timeout = 60);

/* --- a client ------------------------------------------------------------------------------------
 */

#define LOCAL 77

static uint64_t opened(struct client *c, uint32_t number)
{
	struct ssh_chan_open m = {.type = ssh_str_c("session"),
				  .sender_channel = number,
				  .window_size = 65536,
				  .packet_max = 32768};
	struct link_chan_ref ev = {.local_channel = LOCAL + number};
	const struct link_chan_host *item;
	uint8_t buf[128];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_open_build(&w, &m);
	client_payload(c, &(struct ssh_str){buf, (uint32_t)ssh_wr_done(&w)});
	item = item_of(LINK_IT_CHAN_HOST);
	if (item == NULL)
		return 0;
	cr_expect_eq(item->program, 1);
	cr_expect_eq(item->fds, 0, "no stream yet");
	cr_expect_eq(item->peer_channel, number);
	ev.token = item->token;
	cr_assert_eq(event(&c->conn, LINK_EV_CHAN_OPENED, &ev, sizeof(ev), NULL, 0), 0);
	return ev.token;
}

static void ask(struct client *c, uint32_t number, const char *type, bool want_reply,
		const void *rest, size_t len)
{
	struct ssh_chan_request m = {.recipient_channel = LOCAL + number,
				     .type = ssh_str_c(type),
				     .want_reply = want_reply,
				     .rest = {rest, (uint32_t)len}};
	uint8_t buf[1024];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_request_build(&w, &m);
	client_payload(c, &(struct ssh_str){buf, (uint32_t)ssh_wr_done(&w)});
}

static void ask_text(struct client *c, uint32_t number, const char *type, const char *text)
{
	uint8_t buf[256];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_wr_cstr(&w, text);
	ask(c, number, type, true, buf, ssh_wr_done(&w));
}

static void ask_pty(struct client *c, uint32_t number)
{
	const struct ssh_pty_req m = {.term = ssh_str_c("vt100"), .modes = ssh_str_c("")};
	uint8_t buf[256];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_pty_req_build(&w, &m);
	ask(c, number, "pty-req", true, buf, ssh_wr_done(&w));
}

/* The loop goes on until something leaves. */
static struct item *leaves(void)
{
	struct item *i;

	for (unsigned int n = 0; (i = item_next()) == NULL; n++) {
		cr_assert_lt(n, 1000, "nothing comes");
		uv_run(&t.loop, UV_RUN_ONCE);
	}
	return i;
}

/* The next payload: its number; *ret: what stands behind its channel. Credit passes by. */
static uint8_t said(struct ssh_str *ret)
{
	static struct item *last;

	free(last);
	for (last = leaves(); item_type(last) == LINK_IT_ANSWERED; last = leaves())
		free(last);
	cr_assert_eq(item_type(last), LINK_IT_PAYLOAD, "type %u", item_type(last));
	{
		const struct link_bytes *b = link_msg_body(last->msg);
		const uint8_t *p = (const uint8_t *)(b + 1);

		if (ret != NULL)
			*ret = (struct ssh_str){p, b->len};
		return p[0];
	}
}

#define YES(c) cr_expect_eq(said(NULL), SSH_MSG_CHANNEL_SUCCESS)
#define NO_(c) cr_expect_eq(said(NULL), SSH_MSG_CHANNEL_FAILURE)

/* The item of this type comes next, but for credit. */
static struct item *comes(enum link_type type)
{
	struct item *i;

	for (i = leaves(); item_type(i) == LINK_IT_ANSWERED; i = leaves())
		free(i);
	cr_assert_eq(item_type(i), type, "type %u", item_type(i));
	return i;
}

static void drained(struct client *c, uint64_t token)
{
	const struct link_chan_ref ev = {.token = token};

	cr_assert_eq(event(&c->conn, LINK_EV_CHAN_DRAINED, &ev, sizeof(ev), NULL, 0), 0);
}

static void fini(struct client *c)
{
	conn_over(&c->conn);
	ssh_brain_free(c->brain);
}

/* --- tests ---------------------------------------------------------------------------------------
 */

/* Its copy's descriptor is there before the program's. */
Test(control_program, a_recorded_one_has_a_tee)
{
	struct client c = client_in(1, 1);
	const struct link_chan_fds *m;
	struct item *i;

	(void)opened(&c, 0);
	h.sent = 0;
	ask_text(&c, 0, "exec", "taped");
	YES(c);
	i = comes(LINK_IT_CHAN_FDS);
	m = link_msg_body(i->msg);
	cr_expect_eq(h.sent, 2);
	cr_expect_eq(m->tee_how, LINK_TEE_STRICT);
	cr_expect_neq(m->tee, 0);
	cr_expect_lt(m->tee, m->fds);
	free(i);
	fini(&c);
}

/* SUCCESS goes before the stream, exit-status before the end. */
Test(control_program, a_command_from_its_start_to_its_end)
{
	struct client c = client_in(1, 1);
	uint64_t token = opened(&c, 0);
	const struct link_chan_fds *m;
	struct ssh_chan_request q;
	struct ssh_str p;
	struct ssh_rd r;
	struct item *i;
	uint32_t n;

	ask_text(&c, 0, "exec", "exit 7");
	YES(c);
	i = comes(LINK_IT_CHAN_FDS);
	m = link_msg_body(i->msg);
	cr_expect_eq(m->token, token);
	cr_expect_eq(m->fds, h.token);
	cr_expect_eq(h.n_fds, 3);
	free(i);
	drained(&c, token);
	cr_assert_eq(said(&p), SSH_MSG_CHANNEL_REQUEST);
	ssh_rd_init(&r, p.p + 1, p.len - 1);
	cr_assert_eq(ssh_chan_request_parse(&r, &q), 0);
	cr_expect(ssh_str_eq(q.type, "exit-status"));
	cr_expect_not(q.want_reply);
	cr_assert_eq(ssh_exit_status_parse(q.rest, &n), 0);
	cr_expect_eq(n, 7);
	free(comes(LINK_IT_CHAN_FINISH));
	fini(&c);
}

static struct ssh_exit_signal exit_signal(void)
{
	struct ssh_exit_signal sig;
	struct ssh_chan_request q;
	struct ssh_str p;
	struct ssh_rd r;

	cr_assert_eq(said(&p), SSH_MSG_CHANNEL_REQUEST);
	ssh_rd_init(&r, p.p + 1, p.len - 1);
	cr_assert_eq(ssh_chan_request_parse(&r, &q), 0);
	cr_expect(ssh_str_eq(q.type, "exit-signal"));
	cr_assert_eq(ssh_exit_signal_parse(q.rest, &sig), 0);
	return sig;
}

Test(control_program, the_signal_it_died_of)
{
	struct client c = client_in(1, 1);
	uint64_t token = opened(&c, 0);
	struct ssh_exit_signal sig;

	ask_text(&c, 0, "exec", "kill 11");
	YES(c);
	free(comes(LINK_IT_CHAN_FDS));
	drained(&c, token);
	sig = exit_signal();
	cr_expect(ssh_str_eq(sig.signal, "SEGV"));
	fini(&c);
}

/* Whatever it says itself, its client hears why it was hung up on. */
Test(control_program, a_helper_that_ends_is_the_reason)
{
	struct client c = client_in(1, 1);
	uint64_t token = opened(&c, 0);
	struct ssh_exit_signal sig;

	ask_text(&c, 0, "exec", "ends 1");
	YES(c);
	free(comes(LINK_IT_CHAN_FDS));
	drained(&c, token);
	sig = exit_signal();
	cr_expect(ssh_str_eq(sig.signal, "HUP"));
	cr_expect(ssh_str_eq(sig.message, "sluice-helper ends"));
	fini(&c);
}

static struct {
	struct session_login login;
	char user[16];
	unsigned int n;
} consoles;

static void console_came(void *arg, const struct session_login *login, const char *user, int fd)
{
	cr_expect_eq(arg, &consoles);
	cr_expect_geq(fcntl(fd, F_GETFD), 0);
	consoles.login = *login;
	snprintf(consoles.user, sizeof(consoles.user), "%s", user);
	consoles.n++;
}

/* Whose it is who asks there the session says, and nobody later. */
Test(control_program, a_console_is_answered_for_its_login)
{
	struct client c = client_in(1, 1);

	t.env.console = console_came;
	t.env.console_arg = &consoles;
	cr_assert_neq(opened(&c, 0), 0);
	ask_text(&c, 0, "exec", "runs");
	YES(c);
	free(comes(LINK_IT_CHAN_FDS));
	cr_expect_eq(consoles.n, 0);
	cr_assert_neq(opened(&c, 1), 0);
	ask_text(&c, 1, "exec", "console");
	YES(c);
	free(comes(LINK_IT_CHAN_FDS));
	while (consoles.n == 0)
		uv_run(&t.loop, UV_RUN_ONCE);
	cr_expect_eq(consoles.n, 1);
	cr_expect_eq(h.n_fds, 3, "the shard has its stream alone");
	cr_expect_str_eq(consoles.user, "demo");
	cr_expect_eq(session_of_login(&t.env, &consoles.login), t.table->by_index[1]);
	fini(&c);
	cr_expect_null(session_of_login(&t.env, &consoles.login));
}

/* RFC 4335: as sshd has it, of a terminal's program alone. */
Test(control_program, a_terminal_may_be_asked_for_a_break)
{
	static const uint8_t half_a_second[] = {0, 0, 1, 244};
	struct client c = client_in(1, 1);

	cr_assert_neq(opened(&c, 0), 0);
	ask_pty(&c, 0);
	YES(c);
	ask(&c, 0, "break", true, half_a_second, 4);
	NO_(c);
	ask_text(&c, 0, "exec", "runs");
	YES(c);
	free(comes(LINK_IT_CHAN_FDS));
	ask(&c, 0, "break", true, half_a_second, 4);
	YES(c);
	ask(&c, 0, "break", true, half_a_second, 3);
	NO_(c);
	cr_assert_neq(opened(&c, 1), 0);
	ask_text(&c, 1, "exec", "runs");
	YES(c);
	free(comes(LINK_IT_CHAN_FDS));
	ask(&c, 1, "break", true, half_a_second, 4);
	NO_(c);
	fini(&c);
}

/* Whose program sends no more is asked for by who can stop: OpenSSH's, by their identification. */
Test(control_program, who_is_told_of_an_end_of_input)
{
	static const struct {
		const char *version;
		bool eow;
	} c[] = {
		{"SSH-2.0-OpenSSH_9.2p1 Debian-2", true},
		{"SSH-2.0-OpenSSH_10.0", true},
		{"SSH-2.0-OpenSSH_5.1", true},
		{"SSH-2.0-OpenSSH_4.9", false},
		{"SSH-2.0-OpenSSH_", false},
		{"SSH-2.0-paramiko_3.0", false},
	};

	for (uint32_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct ssh_chan_open m = {.type = ssh_str_c("session"), .packet_max = 32768};
		struct client peer = client_in(i + 1, 1);
		struct awake *a = t.table->by_index[i + 1]->awake;
		const struct link_chan_host *host;
		uint8_t buf[64];
		struct ssh_wr w;

		free(a->version);
		a->version = strdup(c[i].version);
		ssh_wr_init(&w, buf, sizeof(buf));
		ssh_chan_open_build(&w, &m);
		client_payload(&peer, &(struct ssh_str){buf, (uint32_t)ssh_wr_done(&w)});
		host = item_of(LINK_IT_CHAN_HOST);
		cr_assert_not_null(host);
		cr_expect_eq(host->eow, c[i].eow, "%s", c[i].version);
		fini(&peer);
	}
}

/* RFC 4254 section 5.4: what is asked while it starts is answered behind it. */
Test(control_program, replies_come_in_order)
{
	struct client c = client_in(1, 1);
	uint8_t size[16] = {0, 0, 0, 99, 0, 0, 0, 33};
	const struct link_chan_size *z;
	struct item *i;

	cr_assert_neq(opened(&c, 0), 0);
	ask_pty(&c, 0);
	ask_text(&c, 0, "exec", "runs");
	ask_text(&c, 0, "exec", "again");
	ask(&c, 0, "window-change", true, size, sizeof(size));
	ask_pty(&c, 0);
	ask(&c, 0, "x11-req", true, NULL, 0);
	YES(c); /* the terminal */
	YES(c); /* the command */
	NO_(c);
	NO_(c);
	NO_(c);
	NO_(c);
	free(comes(LINK_IT_CHAN_FDS));
	cr_expect_eq(h.n_fds, 1);
	i = comes(LINK_IT_CHAN_SIZE);
	z = link_msg_body(i->msg);
	cr_expect_eq(z->columns, 99);
	cr_expect_eq(z->rows, 33);
	free(i);
	fini(&c);
}

Test(control_program, what_is_refused)
{
	static const char *const types[] = {"x11-req",
					    "auth-agent-req@openssh.com",
					    "xon-xoff",
					    "break",
					    "unknown@example.com",
					    "window-change",
					    "signal",
					    "env",
					    "pty-req",
					    "exec",
					    "subsystem"};
	struct client c = client_in(1, 1);
	uint8_t env[64];
	struct ssh_wr w;

	cr_assert_neq(opened(&c, 0), 0);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		ask(&c, 0, types[i], true, "\0", 1); /* malformed, where it is known at all */
		NO_(c);
	}
	for (unsigned int i = 0; i < 2; i++) {
		ssh_wr_init(&w, env, sizeof(env));
		ssh_wr_cstr(&w, i == 0 ? "LC_ALL" : "LD_PRELOAD");
		ssh_wr_cstr(&w, "x");
		ask(&c, 0, "env", true, env, ssh_wr_done(&w));
		cr_expect_eq(said(NULL),
			     i == 0 ? SSH_MSG_CHANNEL_SUCCESS : SSH_MSG_CHANNEL_FAILURE);
	}
	fini(&c);
}

/* One that did not start leaves the channel for another try. */
Test(control_program, a_helper_that_says_no_or_lies)
{
	struct client c = client_in(1, 1);

	cr_assert_neq(opened(&c, 0), 0);
	ask_text(&c, 0, "exec", "no");
	NO_(c);
	ask_text(&c, 0, "exec", "lie");
	NO_(c);
	cr_expect_eq(h.sent, 0);
	ask_text(&c, 0, "exec", "runs");
	YES(c);
	free(comes(LINK_IT_CHAN_FDS));
	fini(&c);
}

/* Who came in by an older one, too: the helper does not keep that for ever. */
Test(control_program, a_program_goes_by_what_holds_now)
{
	struct client c = client_in(1, 1);
	struct conf *was = t.env.conf;
	char command[64], *errors;

	cr_assert_eq(conf_parse("now", "# now\n", 6, NULL, &t.env.conf, &errors), 0);
	cr_assert_neq(conf_mark(t.env.conf), conf_mark(was));
	cr_assert_neq(opened(&c, 0), 0);
	snprintf(command, sizeof(command), "by %" PRIu64, conf_mark(was));
	ask_text(&c, 0, "exec", command);
	NO_(c);
	snprintf(command, sizeof(command), "by %" PRIu64, conf_mark(t.env.conf));
	ask_text(&c, 0, "exec", command);
	YES(c);
	conf_put(t.env.conf);
	t.env.conf = was;
	fini(&c);
}

Test(control_program, without_a_helper_nothing_starts)
{
	struct client c = client_in(1, 1);

	snprintf(h.helper.path, sizeof(h.helper.path), "%s/none", h.dir);
	cr_assert_neq(opened(&c, 0), 0);
	ask_text(&c, 0, "exec", "runs");
	NO_(c);
	fini(&c);
}

/* What the connection has that has most. */
static uint32_t most_sessions(void)
{
	uint32_t n = UINT32_MAX;

	cr_expect(most_known(&t.env.most_sessions, &n));
	return n;
}

Test(control_program, more_than_max_sessions_are_refused)
{
	struct client c = client_in(1, 1);
	uint64_t first = opened(&c, 0);
	const struct link_chan_end ev = {.audit_id = 1, .token = first, .told = 1};

	cr_assert_neq(first, 0);
	cr_assert_neq(opened(&c, 1), 0);
	cr_expect_eq(opened(&c, 2), 0);
	cr_expect_eq(opened(&c, 3), 0);
	cr_expect_eq(most_sessions(), 2);
	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_END, &ev, sizeof(ev), NULL, 0), 0);
	cr_expect_eq(most_sessions(), 1);
	cr_expect_neq(opened(&c, 4), 0);
	cr_expect_eq(most_sessions(), 2);
	fini(&c);
}

/* CLOSE and the next open may come in one segment. */
Test(control_program, one_that_was_told_to_close_is_not_counted)
{
	struct client c = client_in(1, 1);
	uint64_t first = opened(&c, 0);

	cr_assert_neq(opened(&c, 1), 0);
	ask_text(&c, 0, "exec", "exit 0");
	YES(c);
	free(comes(LINK_IT_CHAN_FDS));
	drained(&c, first);
	cr_assert_eq(said(NULL), SSH_MSG_CHANNEL_REQUEST);
	free(comes(LINK_IT_CHAN_FINISH));
	cr_expect_eq(most_sessions(), 1);
	cr_expect_neq(opened(&c, 2), 0);
	cr_expect_eq(opened(&c, 3), 0);
	fini(&c);
}

/* What let in: a key for one command, or without terminals. */
Test(control_program, what_a_key_leaves)
{
	struct client c = client_in(1, 1);
	struct session *s = t.table->by_index[1];

	s->grant.pty = false;
	cr_assert_neq(opened(&c, 0), 0);
	ask_pty(&c, 0);
	NO_(c);
	/* The helper plays by the forced command only if it is told of it. */
	cr_assert_eq(policy_grant_force(&s->grant, "one"), 0);
	cr_expect(s->grant.session);
	cr_assert_eq(policy_grant_force(&s->grant, "one"), 0);
	cr_expect(s->grant.session);
	cr_assert_eq(policy_grant_force(&s->grant, "two"), 0);
	cr_expect_not(s->grant.session);
	cr_expect_eq(opened(&c, 1), 0);
	fini(&c);
}

static void begin_without(void)
{
	begin_with("LogLevel QUIET");
}

TestSuite(control_no_program, .init = begin_without, .fini = end, .timeout = 60);

Test(control_no_program, a_gateway_forwards_and_no_more)
{
	struct client c = client_in(1, 1);

	cr_expect_eq(opened(&c, 0), 0);
	cr_expect_eq(h.sent, 0);
	fini(&c);
}

/* --- its client's agent and display --------------------------------------------------------------
 */

static void ask_x11(struct client *c, uint32_t number, const char *protocol, const char *cookie)
{
	const struct ssh_x11_req m = {.single_connection = true,
				      .protocol = ssh_str_c(protocol),
				      .cookie = ssh_str_c(cookie)};
	uint8_t buf[256];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_x11_req_build(&w, &m);
	ask(c, number, "x11-req", true, buf, ssh_wr_done(&w));
}

#define AGENT "auth-agent-req@openssh.com"

Test(control_program, x11_is_not_had_without_a_word_of_the_operator)
{
	struct client c = client_in(1, 1);

	opened(&c, 0);
	ask_x11(&c, 0, "MIT-MAGIC-COOKIE-1", "00");
	NO_(c);
	fini(&c);
}

static void begin_x11(void)
{
	begin_with("LogLevel QUIET\nPermitSession yes\nX11Forwarding yes\n");
}

TestSuite(control_program_x11, .init = begin_x11, .fini = end, .timeout = 60);

Test(control_program_x11, what_listens_begins_and_ends_with_the_session)
{
	struct client c = client_in(1, 1);
	const struct link_forward_ref *gone;
	const struct link_forward *m;
	uint64_t token = opened(&c, 0), listens[2];
	const struct link_chan_end ev = {
		.audit_id = 9, .token = token, .local_channel = LOCAL, .told = 1};
	struct item *i;

	ask(&c, 0, AGENT, true, "", 0);
	YES(c);
	ask_x11(&c, 0, "MIT-MAGIC-COOKIE-1", "00");
	YES(c);
	ask_text(&c, 0, "exec", "x");
	for (int k = 0; k < 2; k++) {
		struct link_forward_result up = {.port = 0};

		i = comes(LINK_IT_FORWARD);
		m = link_msg_body(i->msg);
		cr_expect_eq(m->kind, 2);
		cr_expect_eq(m->opens, k == 0 ? LINK_OPENS_AGENT : LINK_OPENS_X11);
		cr_expect_eq(m->once, k == 1, "single_connection");
		cr_expect_neq(m->fds, 0);
		listens[k] = up.token = m->token;
		free(i);
		cr_assert_eq(event(&c.conn, LINK_EV_FORWARD, &up, sizeof(up), NULL, 0), 0);
	}
	YES(c);
	free(comes(LINK_IT_CHAN_FDS));
	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_END, &ev, sizeof(ev), NULL, 0), 0);
	for (int k = 0; k < 2; k++) {
		i = comes(LINK_IT_UNFORWARD);
		gone = link_msg_body(i->msg);
		cr_expect_eq(gone->token, listens[k]);
		cr_expect_eq(gone->cut, 0, "what is open stays open");
		free(i);
	}
	cr_expect_eq(t.env.n_listeners, 0);
	fini(&c);
}

static void begin_few(void)
{
	begin_with("LogLevel INFO\nPermitSession yes\nX11Forwarding yes\n"
		   "MaxListenersPerConnection 1\n");
	log_sink_set(keep, NULL);
}

/* Its program is not begun with a name of something that nobody hears. */
Test(control_program_few, a_listener_too_many_is_refused_when_it_is_asked_for, .init = begin_few,
     .fini = end, .timeout = 60)
{
	struct client c = client_in(1, 1);
	uint64_t token = opened(&c, 0);
	struct link_chan_end ev = {.audit_id = 9, .token = token, .local_channel = LOCAL, .told = 1};

	ask(&c, 0, AGENT, true, "", 0);
	YES(c);
	ask_x11(&c, 0, "MIT-MAGIC-COOKIE-1", "00");
	NO_(c);
	cr_expect(logged("listener [x11]:0 of user demo: refused: too many listeners of this "
			 "connection"));
	cr_expect_eq(control_counted(CONTROL_C_LISTENERS_CONNECTION), 1);
	cr_assert_eq(event(&c.conn, LINK_EV_CHAN_END, &ev, sizeof(ev), NULL, 0), 0);
	cr_expect_eq(t.env.n_listeners, 0, "it was never begun");
	ev.token = opened(&c, 1);
	ask_x11(&c, 1, "MIT-MAGIC-COOKIE-1", "00");
	YES(c);
	ask(&c, 1, AGENT, true, "", 0);
	NO_(c);
	fini(&c);
	cr_expect_eq(t.env.n_listeners, 0);
}

Test(control_program_x11, what_the_shard_cannot_have_is_forgotten)
{
	struct client c = client_in(1, 1);
	struct link_forward_result down = {.err = -ENOBUFS};
	struct item *i;

	opened(&c, 0);
	ask(&c, 0, AGENT, false, "", 0);
	ask_text(&c, 0, "exec", "x");
	i = comes(LINK_IT_FORWARD);
	down.token = ((const struct link_forward *)link_msg_body(i->msg))->token;
	free(i);
	cr_assert_eq(event(&c.conn, LINK_EV_FORWARD, &down, sizeof(down), NULL, 0), 0);
	cr_expect_eq(t.env.n_listeners, 0);
	YES(c);
	fini(&c);
}

Test(control_program_x11, s38_what_the_login_was_not_left_is_refused)
{
	struct client c = client_in(1, 1);
	struct session *s = t.table->by_index[c.conn.index];

	opened(&c, 0);
	s->grant.agent = s->grant.x11 = false;
	ask(&c, 0, AGENT, true, "", 0);
	NO_(c);
	ask_x11(&c, 0, "MIT-MAGIC-COOKIE-1", "00");
	NO_(c);
	s->grant.agent = s->grant.x11 = true;
	ask(&c, 0, AGENT, true, "x", 1);
	NO_(c);
	ask_x11(&c, 0, "MIT-MAGIC-COOKIE-1", "00\nsource /etc/passwd");
	NO_(c);
	ask_x11(&c, 0, "", "00");
	NO_(c);
	ask(&c, 0, "x11-req", true, "\1", 1);
	NO_(c);
	ask(&c, 0, AGENT, true, "", 0);
	YES(c);
	ask(&c, 0, AGENT, true, "", 0);
	NO_(c);
	ask_x11(&c, 0, "MIT-MAGIC-COOKIE-1", "00");
	YES(c);
	ask_x11(&c, 0, "MIT-MAGIC-COOKIE-1", "00");
	NO_(c);
	fini(&c);
}

static void begin_off(void)
{
	begin_with("LogLevel QUIET\nPermitSession yes\nX11Forwarding yes\nDisableForwarding yes\n"
		   "PermitStreamLocalListen /run/*\n");
}

TestSuite(control_program_off, .init = begin_off, .fini = end, .timeout = 60);

static void ask_listen(struct client *c, const char *type, const char *path)
{
	uint8_t buf[256];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_wr_u8(&w, SSH_MSG_GLOBAL_REQUEST);
	ssh_wr_cstr(&w, type);
	ssh_wr_bool(&w, true);
	ssh_wr_cstr(&w, path);
	client_payload(c, &(struct ssh_str){buf, (uint32_t)ssh_wr_done(&w)});
}

Test(control_program_off, s38_disable_forwarding_is_about_all_of_it)
{
	struct client c = client_in(1, 1);

	opened(&c, 0);
	ask(&c, 0, AGENT, true, "", 0);
	NO_(c);
	ask_x11(&c, 0, "MIT-MAGIC-COOKIE-1", "00");
	NO_(c);
	ask_listen(&c, "streamlocal-forward@openssh.com", "/run/s");
	cr_expect_eq(said(NULL), SSH_MSG_REQUEST_FAILURE);
	fini(&c);
}

/* --- UNIX sockets --------------------------------------------------------------------------------
 */

static void begin_sockets(void)
{
	begin_with("LogLevel QUIET\nPermitStreamLocal /run/*\nPermitStreamLocalListen /run/*\n");
	t.env.sockets_by_helper = true;
}

TestSuite(control_program_sockets, .init = begin_sockets, .fini = end, .timeout = 60);

static uint64_t listens_at(struct client *c, const char *path)
{
	struct link_forward_result up = {.port = 0};
	const struct link_forward *m;
	struct item *i;

	ask_listen(c, "streamlocal-forward@openssh.com", path);
	i = comes(LINK_IT_FORWARD);
	m = link_msg_body(i->msg);
	cr_expect_eq(m->kind, 2);
	cr_expect_eq(m->opens, LINK_OPENS_STREAMLOCAL);
	cr_expect_eq(m->fds, h.token);
	cr_expect_eq(m->host_len, strlen(path));
	up.token = m->token;
	free(i);
	cr_assert_eq(event(&c->conn, LINK_EV_FORWARD, &up, sizeof(up), NULL, 0), 0);
	cr_expect_eq(said(NULL), SSH_MSG_REQUEST_SUCCESS);
	return up.token;
}

Test(control_program_sockets, one_is_listened_at_until_it_is_cancelled)
{
	struct client c = client_in(1, 1);
	uint64_t token = listens_at(&c, "/run/s");
	const struct link_forward_ref *gone;
	struct item *i;

	ask_listen(&c, "cancel-streamlocal-forward@openssh.com", "/run/t");
	cr_expect_eq(said(NULL), SSH_MSG_REQUEST_FAILURE);
	ask_listen(&c, "cancel-streamlocal-forward@openssh.com", "/run/s");
	i = comes(LINK_IT_UNFORWARD);
	gone = link_msg_body(i->msg);
	cr_expect_eq(gone->token, token);
	free(i);
	cr_expect_eq(said(NULL), SSH_MSG_REQUEST_SUCCESS);
	ask_listen(&c, "cancel-streamlocal-forward@openssh.com", "/run/s");
	cr_expect_eq(said(NULL), SSH_MSG_REQUEST_FAILURE);
	fini(&c);
}

Test(control_program_sockets, those_that_are_refused)
{
	static const char *const path[] = {"/var/s",    "/run/no", "/run/none", "/run/denied",
					   "/run/../s", "run/s",   ""};
	struct client c = client_in(1, 1), d = client_in(2, 2);

	for (size_t i = 0; i < sizeof(path) / sizeof(path[0]); i++) {
		ask_listen(&c, "streamlocal-forward@openssh.com", path[i]);
		cr_expect_eq(said(NULL), SSH_MSG_REQUEST_FAILURE, "%s", path[i]);
	}
	listens_at(&c, "/run/s");
	ask_listen(&d, "streamlocal-forward@openssh.com", "/run/s");
	cr_expect_eq(said(NULL), SSH_MSG_REQUEST_FAILURE, "another's");
	cr_expect_eq(t.env.n_listeners, 1);
	fini(&c);
	fini(&d);
}

Test(control_program_sockets, one_that_is_taken_is_asked_for_again_for_a_while)
{
	struct client c = client_in(1, 1);

	ask_listen(&c, "streamlocal-forward@openssh.com", "/run/taken");
	for (int i = 0; i < 4; i++) {
		uv_run(&t.loop, UV_RUN_ONCE);
		later_ms += 100;
		timers_poll(t.env.timers, now_ms());
	}
	cr_expect_eq(said(NULL), SSH_MSG_REQUEST_FAILURE);
	cr_expect_eq(t.env.n_listeners, 0);
	fini(&c);
}

Test(control_program_sockets, who_leaves_meanwhile_waits_for_nothing)
{
	struct client c = client_in(1, 1);

	ask_listen(&c, "streamlocal-forward@openssh.com", "/run/s");
	fini(&c);
	uv_run(&t.loop, UV_RUN_NOWAIT);
	cr_expect_eq(t.env.n_listeners, 0);
}

/* --- ports below 1024
 * ------------------------------------------------------------------------------
 */

/* As control is that serves: whoever started it. */
static void give_up_ports(void)
{
	struct __user_cap_header_struct who = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct set[_LINUX_CAPABILITY_U32S_3];

	cr_assert_eq(syscall(SYS_capget, &who, set), 0);
	set[0].effective &= ~(1u << CAP_NET_BIND_SERVICE);
	cr_assert_eq(syscall(SYS_capset, &who, set), 0);
}

static void begin_ports(void)
{
	(void)own_net(); /* else what the machine has will do */
	begin_with("LogLevel QUIET\nPermitListen *:* localhost:442 localhost:443 localhost:444\n");
	give_up_ports();
}

TestSuite(control_program_ports, .init = begin_ports, .fini = end, .timeout = 60);

static void ask_port(struct client *c, uint32_t port)
{
	uint8_t buf[256];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_wr_u8(&w, SSH_MSG_GLOBAL_REQUEST);
	ssh_wr_cstr(&w, "tcpip-forward");
	ssh_wr_bool(&w, true);
	ssh_wr_cstr(&w, "localhost");
	ssh_wr_u32(&w, port);
	client_payload(c, &(struct ssh_str){buf, (uint32_t)ssh_wr_done(&w)});
}

Test(control_program_ports, the_helper_opens_one_that_is_named)
{
	struct client c = client_in(1, 1);
	struct link_forward_result up = {.port = 443};
	const struct link_forward *m;
	struct item *i;

	ask_port(&c, 443);
	i = comes(LINK_IT_FORWARD);
	m = link_msg_body(i->msg);
	cr_expect_eq(m->kind, 2);
	cr_expect_eq(m->opens, LINK_OPENS_TCPIP);
	cr_expect_eq(m->addr.port, 443);
	cr_expect_eq(m->n_at, 2);
	cr_expect_eq(m->fds, h.token);
	cr_expect_eq(h.n_fds, 2, "of both families");
	up.token = m->token;
	free(i);
	cr_assert_eq(event(&c.conn, LINK_EV_FORWARD, &up, sizeof(up), NULL, 0), 0);
	cr_expect_eq(said(NULL), SSH_MSG_REQUEST_SUCCESS);
	fini(&c);
}

Test(control_program_ports, ports_that_are_refused)
{
	struct client c = client_in(1, 1);

	ask_port(&c, 80);
	cr_expect_eq(said(NULL), SSH_MSG_REQUEST_FAILURE, "by the rules, before it is asked");
	ask_port(&c, 444);
	cr_expect_eq(said(NULL), SSH_MSG_REQUEST_FAILURE, "by the helper");
	cr_assert_eq(unlink(h.helper.path), 0);
	ask_port(&c, 443);
	cr_expect_eq(said(NULL), SSH_MSG_REQUEST_FAILURE, "there is no helper");
	cr_expect_eq(t.env.n_listeners, 0);
	fini(&c);
}

Test(control_program_ports, a_port_that_is_taken_is_asked_for_again_for_a_while)
{
	struct client c = client_in(1, 1);

	ask_port(&c, 442);
	for (int i = 0; i < 4; i++) {
		uv_run(&t.loop, UV_RUN_ONCE);
		later_ms += 100;
		timers_poll(t.env.timers, now_ms());
	}
	cr_expect_eq(said(NULL), SSH_MSG_REQUEST_FAILURE);
	cr_expect_eq(t.env.n_listeners, 0);
	fini(&c);
}

static void lead_to(struct client *c, const char *path)
{
	struct ssh_chan_open m = {.type = ssh_str_c("direct-streamlocal@openssh.com"),
				  .sender_channel = 5,
				  .window_size = 65536,
				  .packet_max = 32768};
	uint8_t buf[256], rest[128];
	struct ssh_wr w;

	ssh_wr_init(&w, rest, sizeof(rest));
	ssh_wr_cstr(&w, path);
	ssh_wr_cstr(&w, "");
	ssh_wr_u32(&w, 0);
	m.rest = (struct ssh_str){rest, (uint32_t)ssh_wr_done(&w)};
	ssh_wr_init(&w, buf, sizeof(buf));
	ssh_chan_open_build(&w, &m);
	client_payload(c, &(struct ssh_str){buf, (uint32_t)ssh_wr_done(&w)});
}

Test(control_program_sockets, one_is_led_to_as_its_user)
{
	static const char *const no[] = {"/var/s", "/run/no", "/run/none", "/run/denied"};
	struct client c = client_in(1, 1);
	const struct link_chan_host *m;
	struct item *i;

	for (size_t k = 0; k < sizeof(no) / sizeof(no[0]); k++) {
		lead_to(&c, no[k]);
		cr_expect_eq(said(NULL), SSH_MSG_CHANNEL_OPEN_FAILURE, "%s", no[k]);
	}
	lead_to(&c, "/run/s");
	i = comes(LINK_IT_CHAN_HOST);
	m = link_msg_body(i->msg);
	cr_expect_eq(m->fds, h.token);
	cr_expect_eq(m->program, 0);
	cr_expect_eq(h.n_fds, 1);
	free(i);
	fini(&c);
}
