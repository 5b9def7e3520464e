/*
 * sluice-helper's sessions: what is configured runs, as who it is for, with the descriptors and the
 * environment that it should have, and nothing else of ours; and how it ends is told.
 */
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "control/helper/session.h"
#include "link/msg.h"
#include "link/tee.h"
#include "tests/util/helper_bench.h"
#include "tests/util/own_net.h"

/* A shell that is not the first one reads no file of its user's, which could take its time. */
#define HOLDS "PermitSession yes\nSetEnv COLOUR=blue SHLVL=3\n"

/* Folders of tests: ours is Sluice's own, where no client's socket is. */
#define SOCKETS "/tmp/sluice-helper-*/"

/* In the configuration: a folder of this process's, made by the test that has one. */
#define TAPES "/tmp/sluice-tapes-XXXXXX"
static char tapes[] = TAPES;

static char conf[] =
	"Match client-version run\n" HOLDS "AcceptEnv LC_*\n"
	"Subsystem greet /bin/echo hello\n"
	"Match client-version forced\n" HOLDS ""
	"ForceCommand echo forced:$SSH_ORIGINAL_COMMAND\nSubsystem greet /bin/echo hello\n"
	"Match client-version sftp\n" HOLDS "ForceCommand internal-sftp\n"
	"Match client-version any-name\n" HOLDS "AcceptEnv *\n"
	"Match client-version no-tty\n" HOLDS "PermitTTY no\n"
	"Match client-version denied\n" HOLDS "DenyUsers *\n"
	"Match client-version groups\n" HOLDS "AllowGroups no-such-group\n"
	"Match client-version no-root\n" HOLDS "PermitRootLogin no\n"
	"Match client-version root-forced\n" HOLDS ""
	"PermitRootLogin forced-commands-only\n"
	"Match client-version no-agent\n" HOLDS "AllowAgentForwarding no\n"
	"Match client-version x11\n" HOLDS "X11Forwarding yes\nX11DisplayOffset 200\n"
	"Match client-version no-forwarding\n" HOLDS "X11Forwarding yes\nDisableForwarding yes\n"
	"Match client-version console\nPermitSession console\n"
	"Subsystem greet /bin/echo hello\nSubsystem console internal-console\n"
	"Match client-version console-x11\nPermitSession console\n"
	"X11Forwarding yes\nX11DisplayOffset 200\n"
	"Match client-version console-forced\n" HOLDS "ForceCommand internal-console\n"
	"Match client-version console-status\n" HOLDS "ForceCommand internal-console status\n"
	"Match client-version console-shells\n" HOLDS "ConsoleShells /no/such *sh /none\n"
	"Subsystem greet /bin/echo hello\n"
	"Match client-version console-other\n" HOLDS "ConsoleShells */nologin */false\n"
	"Match client-version taped\n" HOLDS "RecordSession yes\nRecordDirectory " TAPES "\n"
	"RecordReserve 0\nSubsystem greet /bin/echo hello\n"
	"Match client-version tapeless\n" HOLDS "RecordSession yes\nRecordDirectory " TAPES
	"-none\n"
	"Match client-version console-tapeless\nPermitSession console\nRecordSession yes\n"
	"RecordDirectory " TAPES "-none\n"
	"Match client-version taped-loose\n" HOLDS "RecordSession input\nRecordDirectory " TAPES
	"-none\nRecordFailure continue\n"
	"Match client-version taped-hushed\n" HOLDS "RecordSession yes\nRecordDirectory " TAPES
	"\nRecordReserve 0\nRecordNotice none\n"
	"Match client-version taped-once\n" HOLDS "RecordSession yes\nRecordDirectory " TAPES
	"\nRecordReserve 0\nRecordDirectoryFiles 1\nRecordNotice none\nRecordFailure continue\n"
	"Match client-version taped-open\n" HOLDS "RecordSession yes\nRecordDirectory /tmp\n"
	"Match role taped\n" HOLDS "RecordSession yes\nRecordDirectory " TAPES
	"\nRecordReserve 0\nRecordNotice none\nSubsystem greet /bin/echo hello\n"
	"Match client-version socket\nPermitStreamLocal " SOCKETS "*\n"
	"PermitStreamLocalListen " SOCKETS "*\nStreamLocalBindMask 0111\n"
	"Match client-version socket-remote\nPermitStreamLocal " SOCKETS "*\n"
	"PermitStreamLocalListen " SOCKETS "*\nAllowStreamLocalForwarding remote\n"
	"StreamLocalBindUnlink yes\n"
	"Match client-version socket-off\nPermitStreamLocal " SOCKETS "*\n"
	"PermitStreamLocalListen " SOCKETS "*\nDisableForwarding yes\n"
	"Match client-version socket-denied\nPermitStreamLocal " SOCKETS "*\n"
	"PermitStreamLocalListen " SOCKETS "*\nDenyUsers *\n"
	"Match client-version socket-rule\n"
	"TargetRule allow " SOCKETS "s key=SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
	"Match client-version port\nPermitListen *:* localhost:443\n"
	"Match client-version port-all\nPermitListen *:443\nGatewayPorts yes\n"
	"Match client-version port-client\nPermitListen *:443\nGatewayPorts clientspecified\n"
	"Match client-version port-off\nPermitListen *:443\nDisableForwarding yes\n"
	"Match client-version port-local\nPermitListen *:443\nAllowTcpForwarding local\n"
	"Match client-version port-denied\nPermitListen *:443\nDenyUsers *\n"
	"Match client-version port-groups\nPermitListen *:443\nAllowGroups no-such-group\n"
	"Match client-version port-no-root\nPermitListen *:443\nPermitRootLogin no\n"
	"Match client-version port-rule\nListenRule allow localhost:443 principal=web\n"
	"Match client-version port-rule-any\nListenRule allow *:*\n";

static char run_dir[] = "/tmp/sluice-run-XXXXXX";

static void with_sessions(void)
{
	cr_assert_not_null(mkdtemp(run_dir));
	cr_assert_eq(setenv("SLUICE_RUN", run_dir, 1), 0);
	/* Whoever has the one name has the other. */
	memcpy(strrchr(tapes, '-'), strrchr(run_dir, '-'), sizeof("-XXXXXX") - 1);
	for (char *at = conf; (at = strstr(at, TAPES)) != NULL; at++)
		memcpy(at, tapes, sizeof(tapes) - 1);
	setup_with(conf);
}

static void without_sessions(void)
{
	char marks[64];

	teardown();
	snprintf(marks, sizeof(marks), "%s/agents", run_dir);
	(void)rmdir(marks);
	(void)rmdir(run_dir);
}

TestSuite(helper_session, .init = with_sessions, .fini = without_sessions, .timeout = 60);

static void with_short_times(void)
{
	session_times = (struct session_times){200, 50};
	with_sessions();
}

TestSuite(helper_session_times, .init = with_short_times, .fini = without_sessions, .timeout = 60);

/* --- a client ----------------------------------------------------------------------------------
 */

struct prog {
	struct peer p;
	int fd[HELPER_FDS_MAX], n;
	struct helper_started with;
};

static struct helper_session ask(const char *version, const char *command)
{
	return (struct helper_session){.job = job_of(version, PATIENCE_MS),
				       .kind = HELPER_RUN_EXEC,
				       .command = ssh_str_c(command),
				       .forced_command = ssh_str_c(""),
				       .pty = {.term = ssh_str_c("")},
				       .env = ssh_str_c("")};
}

/* The first frame, and what came with it. */
static enum helper_msg first(struct prog *g, struct ssh_str *body)
{
	union {
		char room[CMSG_SPACE(HELPER_FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} c;
	struct iovec iov = {g->p.in, sizeof(g->p.in)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = c.room,
			     .msg_controllen = sizeof(c.room)};
	struct pollfd fd = {g->p.fd, POLLIN, 0};
	struct cmsghdr *h;
	enum helper_msg type;
	ssize_t n;

	cr_assert_eq(poll(&fd, 1, PATIENCE_MS), 1, "no answer in time");
	n = recvmsg(g->p.fd, &msg, MSG_CMSG_CLOEXEC);
	cr_assert_gt(n, 0);
	g->p.have = (size_t)n;
	h = CMSG_FIRSTHDR(&msg);
	if (h != NULL) {
		g->n = (int)((h->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(g->fd, CMSG_DATA(h), (size_t)g->n * sizeof(int));
	}
	cr_assert_eq(helper_frame_parse(g->p.in, g->p.have, &type, body, &g->p.used), 0);
	return type;
}

static void begin(struct prog *g, const struct helper_session *m)
{
	struct helper_started n;
	struct ssh_str body;

	*g = (struct prog){.n = 0};
	dial(&g->p);
	say(&g->p, helper_session_build(t.buf, m));
	cr_assert_eq(first(g, &body), HELPER_STARTED);
	cr_assert_eq(helper_started_parse(body, &n), 0);
	cr_assert_eq(n.n + n.agent + n.x11 + n.tee, g->n);
	cr_assert_eq(n.n, m->tty ? 1 : 3);
	g->with = n;
}

/* All that comes until its end. */
static size_t read_all(int fd, char *buf, size_t size)
{
	size_t len = 0;

	for (;;) {
		struct pollfd p = {fd, POLLIN, 0};
		ssize_t n;

		cr_assert_eq(poll(&p, 1, PATIENCE_MS), 1, "it does not end");
		n = read(fd, buf + len, size - 1 - len);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	buf[len] = '\0';
	return len;
}

static struct helper_exit over(struct prog *g)
{
	struct helper_exit how = {0};
	struct ssh_str body;

	cr_assert_eq(hear(&g->p, &body), HELPER_EXIT);
	cr_assert_eq(helper_exit_parse(body, &how), 0);
	cr_assert_eq(hear(&g->p, &body), HELPER_DONE);
	for (int i = 0; i < g->n; i++)
		close(g->fd[i]);
	close(g->p.fd);
	return how;
}

/* Output of a command, and its status. */
static uint32_t output(const struct helper_session *m, char *buf, size_t size)
{
	struct prog g;
	struct helper_exit how;

	begin(&g, m);
	close(g.fd[0]);
	g.fd[0] = g.fd[--g.n];
	(void)read_all(g.fd[1], buf, size);
	how = over(&g);
	cr_assert_not(how.signalled);
	return how.number;
}

static enum helper_result refusal(const struct helper_session *m)
{
	struct peer p;

	dial(&p);
	say(&p, helper_session_build(t.buf, m));
	return result(&p, NULL, 0);
}

/* One user's do not keep others' out. */
Test(helper_session, a_user_has_so_many_at_once)
{
	struct helper_session m = ask("run", "exec cat");
	static struct prog g[HELPER_USER_SESSIONS_MAX];

	for (size_t i = 0; i < N(g); i++)
		begin(&g[i], &m);
	cr_expect_eq(refusal(&m), HELPER_BUSY);
	cr_expect_eq(t.full, HELPER_LIMIT_USER_SESSIONS);
	m.job.user = ssh_str_c("no-such-user-here");
	cr_expect_eq(refusal(&m), HELPER_DENIED, "of another it is looked at");
	for (size_t i = 0; i < N(g); i++) {
		close(g[i].fd[0]);
		g[i].fd[0] = g[i].fd[--g[i].n];
	}
	for (size_t i = 0; i < N(g); i++)
		(void)over(&g[i]);
}

/* --- what may run ------------------------------------------------------------------------------
 */

Test(helper_session, nothing_runs_that_is_not_configured)
{
	static const char *const versions[] = {"none", "denied", "groups"};
	struct helper_session m;

	for (size_t i = 0; i < N(versions); i++) {
		m = ask(versions[i], "true");
		cr_expect_eq(refusal(&m), HELPER_DENIED, "%s", versions[i]);
	}
	m = ask("run", "true");
	m.job.user = ssh_str_c("no-such-user-here");
	cr_expect_eq(refusal(&m), HELPER_DENIED);
	m.job.user = ssh_str_c("../root");
	cr_expect_eq(refusal(&m), HELPER_DENIED);
	m = ask("run", "other");
	m.kind = HELPER_RUN_SUBSYSTEM;
	cr_expect_eq(refusal(&m), HELPER_DENIED);
	m = ask("no-tty", "true");
	m.tty = true;
	cr_expect_eq(refusal(&m), HELPER_DENIED);
	m.tty = false;
	cr_expect_eq(output(&m, (char[16]){0}, 16), 0);
}

Test(helper_session, who_is_forced_to_sftp_has_nothing_else)
{
	struct helper_session m = ask("sftp", "echo $0");
	char buf[256];

	cr_expect_eq(output(&m, buf, sizeof(buf)), 254);
	cr_expect_str_eq(buf, "");
	m.kind = HELPER_RUN_SHELL;
	cr_expect_eq(output(&m, buf, sizeof(buf)), 254);
	cr_expect_str_eq(buf, "");
}

Test(helper_session, root_runs_what_permit_root_login_leaves)
{
	struct helper_session m = ask("no-root", "true");

	m.job.user = ssh_str_c("root");
	cr_expect_eq(refusal(&m), HELPER_DENIED);
	m = ask("root-forced", "true");
	m.job.user = ssh_str_c("root");
	cr_expect_eq(refusal(&m), HELPER_DENIED);
}

Test(helper_session, a_forced_command_goes_before_all_others)
{
	struct helper_session m = ask("forced", "rm -rf x");
	char buf[256];

	cr_expect_eq(output(&m, buf, sizeof(buf)), 0);
	cr_expect_str_eq(buf, "forced:rm -rf x\n");
	m.forced = true; /* the key's gives way to the operator's */
	m.forced_command = ssh_str_c("echo key");
	cr_expect_eq(output(&m, buf, sizeof(buf)), 0);
	cr_expect_str_eq(buf, "forced:rm -rf x\n");
	m.job.version = ssh_str_c("run");
	cr_expect_eq(output(&m, buf, sizeof(buf)), 0);
	cr_expect_str_eq(buf, "key\n");
	m.kind = HELPER_RUN_SUBSYSTEM;
	m.command = ssh_str_c("greet");
	cr_expect_eq(output(&m, buf, sizeof(buf)), 0);
	cr_expect_str_eq(buf, "key\n");
	/* As sshd has it: what the subsystem would have run, and no subsystem is none. */
	m.job.version = ssh_str_c("forced");
	cr_expect_eq(output(&m, buf, sizeof(buf)), 0);
	cr_expect_str_eq(buf, "forced:/bin/echo hello\n");
	m.command = ssh_str_c("other");
	cr_expect_eq(refusal(&m), HELPER_DENIED);
}

Test(helper_session, a_subsystem_is_what_is_configured)
{
	struct helper_session m = ask("run", "greet");
	char buf[64];

	m.kind = HELPER_RUN_SUBSYSTEM;
	cr_expect_eq(output(&m, buf, sizeof(buf)), 0);
	cr_expect_str_eq(buf, "hello\n");
}

/* What control goes by and we cannot read may be what forces a command. */
Test(helper_session, what_control_goes_by_holds_or_nothing_runs)
{
	struct helper_session m = ask("run", "true");
	struct conf *read;

	cr_assert_eq(rules_read(&read), 0);
	m.job.mark = conf_mark(read);
	conf_put(read);
	cr_expect_eq(output(&m, (char[16]){0}, 16), 0);
	m.job.mark++;
	cr_expect_eq(refusal(&m), HELPER_DENIED);
}

/* --- the console ---------------------------------------------------------------------------------
 */

static void with_console(void)
{
	session_console_path = "/bin/echo"; /* of what it is told */
	with_sessions();
}

TestSuite(helper_console, .init = with_console, .fini = without_sessions, .timeout = 60);

/* Its output, by which it is told apart: of a console "-c" and the command. */
static void console_says(const char *version, enum helper_run kind, const char *command,
			 const char *want)
{
	struct helper_session m = ask(version, command);
	struct helper_exit how;
	struct prog g;
	char buf[256];

	m.kind = kind;
	begin(&g, &m);
	(void)read_all(g.fd[1], buf, sizeof(buf));
	how = over(&g);
	cr_expect_eq(how.number, 0);
	cr_expect_str_eq(buf, want, "%s: %s", version, command);
}

Test(helper_console, it_runs_where_it_is_configured)
{
	console_says("console", HELPER_RUN_EXEC, "status", "-c status\n");
	console_says("console", HELPER_RUN_SHELL, "", "\n");
	console_says("console", HELPER_RUN_SUBSYSTEM, "console", "\n");
	console_says("console-forced", HELPER_RUN_EXEC, "rm -rf x", "-c rm -rf x\n");
	console_says("console-forced", HELPER_RUN_SHELL, "", "\n");
	console_says("console-status", HELPER_RUN_EXEC, "tunnels", "-c status\n");
	console_says("console-shells", HELPER_RUN_EXEC, "status", "-c status\n");
	console_says("console-shells", HELPER_RUN_SUBSYSTEM, "greet", "hello\n");
	console_says("console-other", HELPER_RUN_EXEC, "echo shell", "shell\n");
	console_says("run", HELPER_RUN_EXEC, "echo internal-console", "internal-console\n");
}

Test(helper_console, nothing_else_runs_where_it_is_alone)
{
	struct helper_session m = ask("console", "greet");

	m.kind = HELPER_RUN_SUBSYSTEM;
	cr_expect_eq(refusal(&m), HELPER_DENIED);
	m = ask("console", "true");
	m.forced = true;
	m.forced_command = ssh_str_c("echo key");
	cr_expect_eq(refusal(&m), HELPER_DENIED);
	m.forced_command = ssh_str_c("internal-console");
	cr_expect_eq(output(&m, (char[64]){0}, 64), 0);
}

/* xauth is a program as well, and would have variables that are the client's. */
Test(helper_console, nothing_is_listened_for_beside_it)
{
	struct helper_session m = ask("console-x11", "status");
	struct prog g;
	char path[128];

	put("xauth", "#!/bin/sh\n: >${0%/*}/ran\n", 0755);
	m.agent = m.x11 = true;
	m.display = (struct ssh_x11_req){.protocol = ssh_str_c("MIT-MAGIC-COOKIE-1"),
					 .cookie = ssh_str_c("0123456789abcdef")};
	begin(&g, &m);
	cr_expect_eq(g.with.agent, 0);
	cr_expect_eq(g.with.x11, 0);
	cr_expect_eq(over(&g).number, 0);
	snprintf(path, sizeof(path), "%s/ran", t.dir);
	cr_expect_eq(access(path, F_OK), -1, "xauth was run");
}

Test(helper_console, it_does_not_run_where_it_cannot_be_recorded)
{
	struct helper_session m = ask("console-tapeless", "status");
	char buf[256];
	struct prog g;

	begin(&g, &m);
	(void)read_all(g.fd[2], buf, sizeof(buf));
	cr_expect_not_null(strstr(buf, "cannot be"), "%s", buf);
	cr_expect_eq(read_all(g.fd[1], buf, sizeof(buf)), 0);
	cr_expect_eq(over(&g).number, 254);
}

static void with_env(void)
{
	session_console_path = "/usr/bin/env";
	with_sessions();
}

TestSuite(helper_console_env, .init = with_env, .fini = without_sessions, .timeout = 60);

/* LD_PRELOAD would be somebody else's code. */
Test(helper_console_env, it_has_no_variables)
{
	console_says("console", HELPER_RUN_SHELL, "", "");
}

static void with_shell(void)
{
	session_console_path = "/bin/sh";
	with_sessions();
}

TestSuite(helper_console_shell, .init = with_shell, .fini = without_sessions, .timeout = 60);

/* Control's end of what the console asks at. */
static int console_comes(struct prog *g)
{
	static struct prog asked;
	struct ssh_str body;

	asked = (struct prog){.p.fd = g->p.fd};
	cr_assert_eq(first(&asked, &body), HELPER_CONSOLE);
	cr_assert_eq(asked.n, 1);
	return asked.fd[0];
}

/* It ends, and another one asks for this session. */
static void control_again(struct prog *g, uint64_t id)
{
	close(g->p.fd);
	dial(&g->p);
	say(&g->p, helper_resume_build(t.buf, id));
}

/* However often it asks: a user has no more of control's descriptors. */
Test(helper_console_shell, it_has_one_socket_with_each_control)
{
	struct helper_session m =
		ask("console", "[ -S /proc/self/fd/3 ] && for i in 1 2 3; do printf x >&3; done;"
			       "echo asked; read x");
	struct prog g;
	char buf[16];

	m.job.id = 60;
	begin(&g, &m);
	close(console_comes(&g));
	cr_assert_eq(read(g.fd[1], buf, sizeof(buf)), 6);
	control_again(&g, 60);
	close(console_comes(&g));
	cr_assert_eq(write(g.fd[0], "x\n", 2), 2);
	cr_expect_eq(over(&g).number, 0);
}

static void with_real(void)
{
	session_console_path = CONSOLE;
	with_sessions();
}

TestSuite(helper_console_real, .init = with_real, .fini = without_sessions, .timeout = 60);

static void asks(int fd, const char *want)
{
	char buf[64];
	size_t len = 0;

	while (len == 0 || buf[len - 1] != '\n') {
		struct pollfd p = {fd, POLLIN, 0};
		ssize_t n;

		cr_assert_eq(poll(&p, 1, PATIENCE_MS), 1, "nothing is asked");
		n = read(fd, buf + len, sizeof(buf) - 1 - len);
		cr_assert_gt(n, 0);
		len += (size_t)n;
	}
	buf[len] = '\0';
	cr_expect_str_eq(buf, want);
}

static void tell(int fd, const char *text)
{
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* Half an answer of one that is gone is no answer, and what was heard by it is not lost. */
Test(helper_console_real, another_control_is_asked_again)
{
	struct helper_session m = ask("console", "");
	char buf[1024];
	struct prog g;
	int fd;

	m.job.id = 61;
	m.kind = HELPER_RUN_SHELL;
	begin(&g, &m);
	tell(g.fd[0], "status\n");
	fd = console_comes(&g);
	asks(fd, "status\n");
	tell(fd, "{\"connections\":[{\"user\":\"half");
	close(fd);
	control_again(&g, 61);
	fd = console_comes(&g);
	asks(fd, "status\n");
	tell(fd, "{\"connections\":[{\"user\":\"first\"}]}\n");
	tell(g.fd[0], "status\n");
	asks(fd, "status\n");
	close(fd);
	tell(g.fd[0], "targets\nquit\n");
	control_again(&g, 61);
	fd = console_comes(&g);
	asks(fd, "status\n");
	tell(fd, "{\"connections\":[{\"user\":\"second\"}]}\n");
	asks(fd, "targets\n");
	tell(fd, "{\"targets\":[]}\n");
	(void)read_all(g.fd[1], buf, sizeof(buf));
	cr_expect_null(strstr(buf, "half"), "%s", buf);
	cr_expect_not_null(strstr(buf, "first"), "%s", buf);
	cr_expect_not_null(strstr(buf, "second"), "%s", buf);
	(void)read_all(g.fd[2], buf, sizeof(buf));
	cr_expect_null(strstr(buf, "any more"), "%s", buf);
	cr_expect_eq(over(&g).number, 0);
	close(fd);
}

/* --- how it runs --------------------------------------------------------------------------------
 */

Test(helper_session, it_is_its_user_in_his_home_with_his_environment)
{
	struct helper_session m =
		ask("run", "id -un; pwd; umask; echo $SSH_CLIENT/$COLOUR/$LC_X/$EVIL/$$");
	const struct passwd *pw = getpwuid(geteuid());
	char buf[512], want[256];
	uint8_t env[128];
	struct ssh_wr w;

	ssh_wr_init(&w, env, sizeof(env));
	ssh_wr_cstr(&w, "LC_X");
	ssh_wr_cstr(&w, "yes");
	ssh_wr_cstr(&w, "EVIL");
	ssh_wr_cstr(&w, "no");
	m.env = (struct ssh_str){env, (uint32_t)ssh_wr_done(&w)};
	cr_expect_eq(output(&m, buf, sizeof(buf)), 0);
	snprintf(want, sizeof(want), "%s\n%s\n0022\n192.0.2.1 4711 22/blue/yes//", t.me,
		 pw->pw_dir);
	cr_expect_eq(strncmp(buf, want, strlen(want)), 0, "%s", buf);
}

/* It leads its own session, and has three descriptors. */
/* AcceptEnv does not make him another. */
Test(helper_session, a_client_does_not_say_who_he_is)
{
	struct helper_session m = ask("any-name", "echo $USER$HOME$MORE");
	const struct passwd *pw = getpwuid(geteuid());
	static const char *const names[] = {"USER", "HOME", "MORE"};
	char buf[512], want[512];
	uint8_t env[128];
	struct ssh_wr w;

	ssh_wr_init(&w, env, sizeof(env));
	for (size_t i = 0; i < N(names); i++) {
		ssh_wr_cstr(&w, names[i]);
		ssh_wr_cstr(&w, "/more");
	}
	m.env = (struct ssh_str){env, (uint32_t)ssh_wr_done(&w)};
	cr_expect_eq(output(&m, buf, sizeof(buf)), 0);
	snprintf(want, sizeof(want), "%s%s/more\n", t.me, pw->pw_dir);
	cr_expect_str_eq(buf, want);
}

Test(helper_session, nothing_of_ours_is_left_to_it)
{
	struct helper_session m =
		ask("run", "ls /proc/self/fd | wc -l; ps -o sid= -p $$ | tr -d ' '; echo $$; "
			   "grep -E 'Sig(Blk|Ign)' /proc/self/status | cut -f2");
	char buf[256];
	long fds, sid, pid;
	unsigned long long blocked, ignored;

	cr_expect_eq(output(&m, buf, sizeof(buf)), 0);
	cr_assert_eq(sscanf(buf, "%ld %ld %ld %llx %llx", &fds, &sid, &pid, &blocked, &ignored), 5,
		     "%s", buf);
	cr_expect_eq(fds, 4); /* and the folder that is listed */
	cr_expect_eq(sid, pid);
	cr_expect_eq(blocked, 0);
	cr_expect_eq(ignored, 0);
}

Test(helper_session, out_and_err_are_apart)
{
	struct helper_session m = ask("run", "cat; echo two >&2; exit 7");
	struct helper_exit how;
	struct prog g;
	char buf[64];

	begin(&g, &m);
	cr_assert_eq(write(g.fd[0], "one\n", 4), 4);
	close(g.fd[0]);
	(void)read_all(g.fd[1], buf, sizeof(buf));
	cr_expect_str_eq(buf, "one\n");
	(void)read_all(g.fd[2], buf, sizeof(buf));
	cr_expect_str_eq(buf, "two\n");
	g.fd[0] = g.fd[--g.n];
	how = over(&g);
	cr_expect_not(how.signalled);
	cr_expect_eq(how.number, 7);
}

/* One that is over before anybody looks is not lost. */
Test(helper_session, how_it_ended_is_told)
{
	static const struct {
		const char *command;
		bool signalled;
		uint32_t number;
	} c[] = {{"true", false, 0},
		 {"exit 255", false, 255},
		 {"kill -9 $$", true, SIGKILL},
		 {"kill -TERM $$", true, SIGTERM}};

	for (size_t i = 0; i < N(c); i++) {
		struct helper_session m = ask("run", c[i].command);
		struct helper_exit how;
		struct prog g;

		begin(&g, &m);
		how = over(&g);
		cr_expect_eq(how.signalled, c[i].signalled, "%s", c[i].command);
		cr_expect_eq(how.number, c[i].number, "%s", c[i].command);
		cr_expect_not(how.ending, "%s", c[i].command);
	}
}

/* --- terminals, signals, the end of its client --------------------------------------------------
 */

Test(helper_session, a_terminal_is_its_own)
{
	struct helper_session m =
		ask("run", "stty size; tty; echo $TERM $SSH_TTY; read x; echo got $x");
	struct helper_exit how;
	struct prog g;
	char buf[512], name[64], name2[64];

	m.tty = true;
	m.pty = (struct ssh_pty_req){.term = ssh_str_c("vt100"), .size = {132, 43, 0, 0}};
	begin(&g, &m);
	cr_assert_eq(write(g.fd[0], "word\n", 5), 5);
	(void)read_all(g.fd[0], buf, sizeof(buf));
	cr_expect_not_null(strstr(buf, "43 132"), "%s", buf);
	cr_expect_not_null(strstr(buf, "got word"), "%s", buf);
	cr_expect_eq(sscanf(strstr(buf, "/dev/"), "%63s vt100 %63s", name, name2), 2, "%s", buf);
	cr_expect_str_eq(name, name2);
	how = over(&g);
	cr_expect_eq(how.number, 0);
}

Test(helper_session, a_login_shell_knows_that_it_is_one)
{
	struct helper_session m = ask("run", "");
	struct prog g;
	char buf[4096];

	m.kind = HELPER_RUN_SHELL;
	begin(&g, &m);
	cr_assert_gt(write(g.fd[0], "echo $0; exit 3\n", 16), 0);
	(void)read_all(g.fd[1], buf, sizeof(buf));
	cr_expect_eq(buf[0], '-', "%s", buf);
	cr_expect_eq(over(&g).number, 3);
}

static void signal_say(struct prog *g, const char *name)
{
	say(&g->p, helper_signal_build(t.buf, ssh_str_c(name)));
}

Test(helper_session, its_group_gets_the_signals_that_have_a_name)
{
	struct helper_session m =
		ask("run", "trap 'echo caught' USR1; echo ready; while :; do sleep 0.05; done");
	struct helper_exit how;
	struct prog g;
	char buf[64] = "";

	begin(&g, &m);
	cr_assert_eq(read(g.fd[1], buf, sizeof(buf) - 1), 6);
	signal_say(&g, "STOP"); /* has none in RFC 4254 */
	signal_say(&g, "INFO@openssh.com"); /* nor is there one on Linux */
	signal_say(&g, "USR1");
	memset(buf, 0, sizeof(buf));
	cr_assert_eq(read(g.fd[1], buf, sizeof(buf) - 1), 7, "%s", buf);
	cr_expect_str_eq(buf, "caught\n");
	signal_say(&g, "TERM");
	how = over(&g);
	cr_expect(how.signalled);
	cr_expect_eq(how.number, SIGTERM);
}

/* sshd's: who did not choose the program does not signal it. */
Test(helper_session, a_forced_command_is_not_signalled)
{
	struct helper_session m = ask("run", "x");
	struct prog g;
	char buf[8];

	m.forced = true;
	m.forced_command = ssh_str_c("echo ready; read x; exit 5");
	begin(&g, &m);
	cr_assert_eq(read(g.fd[1], buf, sizeof(buf)), 6);
	signal_say(&g, "KILL");
	cr_assert_eq(write(g.fd[0], "go\n", 3), 3);
	cr_expect_eq(over(&g).number, 5);
}

Test(helper_session, a_client_that_is_gone_hangs_it_up)
{
	struct helper_session m = ask("run", "echo ready; sleep 60");
	struct helper_exit how;
	struct prog g;
	char buf[8];

	begin(&g, &m);
	cr_assert_eq(read(g.fd[1], buf, sizeof(buf)), 6);
	say(&g.p, helper_hangup_build(t.buf));
	how = over(&g);
	cr_expect(how.signalled);
	cr_expect_eq(how.number, SIGHUP);
}

Test(helper_session, it_is_hung_up_however_soon_its_client_goes)
{
	struct helper_session m = ask("run", "sleep 60");

	for (unsigned int i = 0; i < 20; i++) {
		struct helper_exit how;
		struct prog g;

		begin(&g, &m);
		say(&g.p, helper_hangup_build(t.buf));
		how = over(&g);
		cr_expect(how.signalled);
		cr_expect_eq(how.number, SIGHUP);
	}
}

/* Control may be restarted: what runs goes on. */
Test(helper_session, a_control_that_is_gone_does_not)
{
	struct helper_session m = ask("run", "echo ready; read x; echo still $x");
	struct prog g;
	char buf[64];

	begin(&g, &m);
	cr_assert_eq(read(g.fd[1], buf, sizeof(buf)), 6);
	close(g.p.fd);
	cr_assert_eq(write(g.fd[0], "here\n", 5), 5);
	(void)read_all(g.fd[1], buf, sizeof(buf));
	cr_expect_str_eq(buf, "still here\n");
	for (int i = 0; i < 3; i++)
		close(g.fd[i]);
}

Test(helper_session, a_helper_that_ends_hangs_all_up)
{
	struct helper_session m =
		ask("run", "trap 'echo bye; exit 1' HUP; echo ready; while :; do sleep 0.05; done");
	struct helper_exit how;
	struct prog g;
	char buf[64];

	begin(&g, &m);
	cr_assert_eq(read(g.fd[1], buf, sizeof(buf)), 6);
	cr_assert_eq(kill(t.pid, SIGTERM), 0);
	(void)read_all(g.fd[1], buf, sizeof(buf));
	cr_expect_str_eq(buf, "bye\n");
	how = over(&g);
	cr_expect(how.ending && !how.signalled && how.number == 1, "its word, and why");
	waitpid(t.pid, NULL, 0);
	unlink(t.path);
	helper_start(); /* whom teardown() ends */
}

/* --- its codec
 * ------------------------------------------------------------------------------------ */

Test(helper_session, what_is_no_request_is_refused)
{
	struct helper_session m = ask("run", "true");
	size_t len = helper_session_build(t.buf, &m);
	struct helper_session got;
	uint8_t body[1024];

	cr_assert_lt(len, sizeof(body));
	memcpy(body, t.buf + 5, len - 5);
	for (size_t cut = 0; cut < len - 5; cut++)
		cr_assert_eq(helper_session_parse((struct ssh_str){body, (uint32_t)cut}, &got),
			     -EBADMSG);
	cr_assert_eq(helper_session_parse((struct ssh_str){body, (uint32_t)(len - 5)}, &got), 0);
	cr_assert(ssh_str_eq(got.command, "true"));
}

/* --- what listens for its client ---------------------------------------------------------------
 */

static bool is_listening(int fd)
{
	socklen_t len = sizeof(int);
	int on = 0;

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 && on == 1;
}

Test(helper_session, an_agent_is_its_users_alone_and_goes_with_the_session)
{
	struct helper_session m = ask("run", "stat -c %a ${SSH_AUTH_SOCK%/*} $SSH_AUTH_SOCK; "
					     "echo $SSH_AUTH_SOCK; cat");
	char buf[256], path[64];
	struct prog g;

	m.agent = true;
	begin(&g, &m);
	cr_assert_eq(g.with.agent, 1);
	cr_expect(is_listening(g.fd[3]));
	close(g.fd[0]);
	g.fd[0] = g.fd[--g.n];
	(void)read_all(g.fd[1], buf, sizeof(buf));
	cr_assert_eq(sscanf(buf, "700 600 %63s", path), 1, "%s", buf);
	cr_expect_eq(strncmp(path, "/tmp/ssh-", 9), 0);
	cr_expect_eq(over(&g).number, 0);
	cr_expect_eq(access(path, F_OK), -1);
	*strrchr(path, '/') = '\0';
	cr_expect_eq(access(path, F_OK), -1, "nor its folder");
}

static bool is_marked(const char *folder)
{
	char mark[128];

	snprintf(mark, sizeof(mark), "%s/agents%s", run_dir, strrchr(folder, '/'));
	return access(mark, F_OK) == 0;
}

/* Whatever he has made of it: marks do not become more with his sessions. */
Test(helper_session, a_folder_of_an_agent_that_its_user_took_away_leaves_no_mark)
{
	static const char *const does[] = {"rm -r $d", "touch $d/x"};
	char command[256], buf[256], path[64];

	for (unsigned int i = 0; i < 2; i++) {
		struct helper_session m;
		struct prog g;

		snprintf(command, sizeof(command), "d=${SSH_AUTH_SOCK%%/*}; echo $d; read x; %s",
			 does[i]);
		m = ask("run", command);
		m.agent = true;
		begin(&g, &m);
		cr_assert_gt(read(g.fd[1], buf, sizeof(buf)), 0);
		cr_assert_eq(sscanf(buf, "%63s", path), 1);
		cr_expect(is_marked(path), "while it runs");
		cr_assert_eq(write(g.fd[0], "\n", 1), 1);
		cr_expect_eq(over(&g).number, 0);
		cr_expect_not(is_marked(path), "%s", does[i]);
		strcat(path, "/x");
		(void)unlink(path);
		*strrchr(path, '/') = '\0';
		(void)rmdir(path);
	}
}

static struct helper_session ask_x11(const char *version, const char *command)
{
	struct helper_session m = ask(version, command);

	m.x11 = true;
	m.display = (struct ssh_x11_req){.protocol = ssh_str_c("MIT-MAGIC-COOKIE-1"),
					 .cookie = ssh_str_c("0123456789abcdef"),
					 .screen = 7};
	return m;
}

static void xauth_put(const char *and_then)
{
	char text[256];

	snprintf(text, sizeof(text), "#!/bin/sh\necho $* $USER >%s/words\ncat >>%s/words\n%s\n",
		 t.dir, t.dir, and_then);
	put("xauth", text, 0755);
}

Test(helper_session, a_display_and_its_cookie)
{
	struct helper_session m = ask_x11("x11", "echo $DISPLAY; cat");
	char buf[256], path[128], want[256];
	unsigned int number = 0;
	struct prog g;

	xauth_put("");
	begin(&g, &m);
	cr_assert_geq(g.with.x11, 1);
	cr_expect(is_listening(g.fd[3]));
	close(g.fd[0]);
	g.fd[0] = g.fd[--g.n];
	(void)read_all(g.fd[1], buf, sizeof(buf));
	cr_expect_eq(over(&g).number, 0);
	cr_assert_eq(sscanf(buf, "localhost:%u.7", &number), 1, "%s", buf);
	cr_expect_geq(number, 200);
	snprintf(path, sizeof(path), "%s/words", t.dir);
	(void)read_all(open(path, O_RDONLY), buf, sizeof(buf));
	snprintf(want, sizeof(want),
		 "-q - %s\nremove unix:%u.7\nadd unix:%u.7 MIT-MAGIC-COOKIE-1 0123456789abcdef\n",
		 t.me, number, number);
	cr_expect_str_eq(buf, want);
}

Test(helper_session, a_display_has_the_addresses_of_the_family)
{
	struct helper_session m = ask_x11("x11", "true");
	struct sockaddr_storage at;
	socklen_t len = sizeof(at);
	struct conf *read;
	struct prog g;

	xauth_put("");
	conf_write("AddressFamily inet", conf);
	cr_assert_eq(rules_read(&read), 0);
	m.job.mark = conf_mark(read);
	conf_put(read);
	begin(&g, &m);
	cr_assert_eq(g.with.x11, 1);
	cr_assert_eq(getsockname(g.fd[3], (struct sockaddr *)&at, &len), 0);
	cr_expect_eq(at.ss_family, AF_INET);
	cr_expect_eq(over(&g).number, 0);
}

/* The program runs all the same, and listens to nobody. */
Test(helper_session, what_is_not_configured_is_not_listened_for)
{
	static const char *const version[] = {"no-agent", "no-forwarding", "run"};
	char buf[256];

	xauth_put("");
	for (size_t i = 0; i < 3; i++) {
		struct helper_session m =
			ask_x11(version[i], "echo $SSH_AUTH_SOCK/$DISPLAY; exec cat");
		struct prog g;

		m.agent = i < 2;
		begin(&g, &m);
		cr_expect_eq(g.with.agent + g.with.x11, 0, "%s", version[i]);
		close(g.fd[0]);
		g.fd[0] = g.fd[--g.n];
		(void)read_all(g.fd[1], buf, sizeof(buf));
		cr_expect_str_eq(buf, "/\n", "%s", version[i]);
		(void)over(&g);
	}
}

Test(helper_session, without_xauth_there_is_no_display)
{
	struct helper_session m = ask_x11("x11", "echo $DISPLAY");
	char buf[64];

	cr_expect_eq(output(&m, buf, sizeof(buf)), 0, "there is none");
	cr_expect_str_eq(buf, "\n");
	xauth_put("exit 1");
	cr_expect_eq(output(&m, buf, sizeof(buf)), 0, "it fails");
	cr_expect_str_eq(buf, "\n");
	xauth_put("");
	chmod(t.dir, 0777);
	cr_expect_eq(output(&m, buf, sizeof(buf)), 0, "anybody may have put it there");
	cr_expect_str_eq(buf, "\n");
	chmod(t.dir, 0755);
}

/* What a user does to a process that has become him holds up nobody. */
Test(helper_session_times, an_xauth_that_its_user_stops_is_not_waited_for)
{
	struct helper_session m = ask_x11("x11", "echo $DISPLAY.");
	char buf[64], path[128];
	struct prog g;

	xauth_put("echo $$ >$0.pid; kill -STOP $$");
	begin(&g, &m);
	cr_expect_eq(g.with.x11, 0);
	(void)read_all(g.fd[1], buf, sizeof(buf)); /* nobody else has the other end */
	cr_expect_str_eq(buf, ".\n");
	(void)over(&g);
	snprintf(path, sizeof(path), "%s/xauth.pid", t.dir);
	(void)read_all(open(path, O_RDONLY), buf, sizeof(buf));
	if (atoi(buf) > 0)
		cr_expect(kill(atoi(buf), 0) < 0, "it is gone");
}

/* As with sshd: nohup. Its place is another's, and its end is nobody's news. */
Test(helper_session_times, who_does_not_mind_the_hang_up_goes_on_by_himself)
{
	struct helper_session m = ask("run", "trap '' HUP; echo $$; read x");
	struct prog g;
	char buf[64];
	int pid;

	begin(&g, &m);
	cr_assert_gt(read(g.fd[1], buf, sizeof(buf)), 0);
	pid = atoi(buf);
	say(&g.p, helper_hangup_build(t.buf));
	say(&g.p, helper_hangup_build(t.buf));
	while (read(g.p.fd, buf, sizeof(buf)) > 0) /* until its job is over */
		;
	cr_expect_eq(kill(pid, 0), 0, "it runs");
	close(g.fd[0]);
	cr_expect_eq(read_all(g.fd[1], buf, sizeof(buf)), 0, "until it has read its end");
	close(g.fd[1]);
	close(g.fd[2]);
}

Test(helper_session, words_that_are_more_than_words_are_refused)
{
	struct helper_session m = ask_x11("x11", "true");

	m.display.cookie = ssh_str_c("00\nsource /etc/shadow");
	cr_expect_eq(refusal(&m), HELPER_BAD);
	m = ask_x11("x11", "true");
	m.display.protocol = ssh_str_c("");
	cr_expect_eq(refusal(&m), HELPER_BAD);
}

/* --- UNIX sockets --------------------------------------------------------------------------------
 */

/* *ret_fd: what came, when it is HELPER_OK. */
static enum helper_result ask_socket(const char *version, bool listen, const char *path,
				     int *ret_fd)
{
	const struct helper_socket m = {
		.job = job_of(version, PATIENCE_MS), .listen = listen, .path = ssh_str_c(path)};
	struct helper_started started;
	struct ssh_str body;
	struct prog g = {.n = 0};
	struct helper_done done;
	enum helper_msg type;

	dial(&g.p);
	say(&g.p, helper_socket_build(t.buf, &m));
	type = first(&g, &body);
	if (type == HELPER_DONE) {
		cr_assert_eq(helper_done_parse(body, &done), 0);
		close(g.p.fd);
		return done.result;
	}
	cr_assert_eq(type, HELPER_STARTED);
	cr_assert_eq(helper_started_parse(body, &started), 0);
	cr_assert_eq(g.n, 1);
	*ret_fd = g.fd[0];
	return result(&g.p, NULL, 0);
}

static char folder[64];

static const char *in_folder(const char *name)
{
	static char path[128];

	if (folder[0] == '\0') {
		strcpy(folder, "/tmp/sluice-helper-s-XXXXXX");
		cr_assert_not_null(mkdtemp(folder));
	}
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void folder_remove(void)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", folder);
	cr_expect_eq(system(cmd), 0);
}

static int connect_to(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(sun.sun_path, path);
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0)
		return fd;
	close(fd);
	return -1;
}

Test(helper_session, a_socket_is_listened_at_and_connected_to)
{
	const char *path = in_folder("s");
	int l = -1, c = -1, a;
	struct stat st;

	cr_assert_eq(ask_socket("socket", true, path, &l), HELPER_OK);
	cr_expect(is_listening(l));
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0666, "StreamLocalBindMask");
	cr_assert_eq(ask_socket("socket", false, path, &c), HELPER_OK);
	a = accept(l, NULL, NULL);
	cr_assert_geq(a, 0);
	cr_expect_eq(write(c, "x", 1), 1);
	cr_expect_eq(read(a, t.buf, 4), 1);
	close(a);
	close(c);
	close(l);
	folder_remove();
}

Test(helper_session, one_that_somebody_has_is_taken_until_he_is_gone)
{
	const char *path = in_folder("s");
	int l = -1, again = -1, c;

	cr_assert_eq(ask_socket("socket", true, path, &l), HELPER_OK);
	cr_expect_eq(ask_socket("socket", true, path, &again), HELPER_TAKEN);
	cr_assert_eq(ask_socket("socket-remote", true, path, &again), HELPER_OK,
		     "StreamLocalBindUnlink");
	close(l);
	c = connect_to(path);
	cr_expect_geq(c, 0, "the newer one's");
	close(c);
	close(again);
	cr_expect_eq(connect_to(path), -1);
	cr_expect_eq(ask_socket("socket", true, path, &l), HELPER_OK, "nobody listens there");
	close(l);
	folder_remove();
}

/* As with sshd: who has it listen and does not accept keeps no job of the helper's. */
Test(helper_session, one_whose_queue_is_full_is_not_waited_for)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int l = socket(AF_UNIX, SOCK_STREAM, 0), c = -1, first = -1;

	strcpy(sun.sun_path, in_folder("s"));
	cr_assert_eq(bind(l, (struct sockaddr *)&sun, sizeof(sun)), 0);
	cr_assert_eq(listen(l, 0), 0);
	cr_assert_eq(ask_socket("socket", false, in_folder("s"), &first), HELPER_OK);
	cr_expect_eq(ask_socket("socket", false, in_folder("s"), &c), HELPER_NO);
	close(first);
	close(l);
	folder_remove();
}

Test(helper_session, what_is_no_socket_stays)
{
	const char *path = in_folder("s");
	int fd = open(path, O_CREAT | O_WRONLY, 0600), l;

	close(fd);
	cr_expect_eq(ask_socket("socket", true, path, &l), HELPER_TAKEN);
	cr_expect_eq(ask_socket("socket-remote", true, path, &l), HELPER_TAKEN);
	cr_expect_eq(ask_socket("socket", false, path, &l), HELPER_NO);
	cr_expect_eq(access(path, F_OK), 0);
	folder_remove();
}

Test(helper_session, sockets_that_are_refused)
{
	static const struct {
		const char *version;
		bool listen;
		enum helper_result want;
	} c[] = {
		{"none", false, HELPER_DENIED},          {"none", true, HELPER_DENIED},
		{"socket-remote", false, HELPER_DENIED}, {"socket-off", true, HELPER_DENIED},
		{"socket-off", false, HELPER_DENIED},    {"socket-denied", true, HELPER_DENIED},
		{"socket-rule", true, HELPER_DENIED},    {"socket", false, HELPER_NO},
		{"socket-rule", false, HELPER_NO},
	};
	struct helper_socket m = {.job = job_of("socket", PATIENCE_MS),
				  .path = ssh_str_c("/tmp/sluice-helper-/../x")};
	struct peer p;
	int fd;

	for (size_t i = 0; i < N(c); i++)
		cr_expect_eq(ask_socket(c[i].version, c[i].listen, in_folder("s"), &fd), c[i].want,
			     "%zu", i);
	cr_expect_eq(ask_socket("socket", true, "/tmp/other", &fd), HELPER_DENIED);
	cr_expect_eq(ask_socket("socket", true, in_folder("no/s"), &fd), HELPER_NO);
	dial(&p);
	say(&p, helper_socket_build(t.buf, &m));
	cr_expect_eq(result(&p, NULL, 0), HELPER_BAD, "no plain path");
	m.path = ssh_str_c(in_folder("s"));
	m.job.user = ssh_str_c("no-such-user-here");
	dial(&p);
	say(&p, helper_socket_build(t.buf, &m));
	cr_expect_eq(result(&p, NULL, 0), HELPER_NONE, "control is to know what then");
	folder_remove();
}

/* Whatever a rule says: not those in the folder our own sockets stand in, nor by a link. */
Test(helper_session, sluices_own_sockets_are_nobodys)
{
	char path[128];
	int fd;

	cr_expect_eq(ask_socket("socket", false, t.path, &fd), HELPER_NO);
	snprintf(path, sizeof(path), "%s/mine", t.dir);
	cr_expect_eq(ask_socket("socket", true, path, &fd), HELPER_NO);
	cr_assert_eq(symlink(t.dir, in_folder("link")), 0);
	cr_expect_eq(ask_socket("socket", false, in_folder("link/helper.sock"), &fd), HELPER_NO);
	cr_expect_eq(ask_socket("socket", true, in_folder("link/mine"), &fd), HELPER_NO);
	folder_remove();
}

/* --- ports below 1024
 * ------------------------------------------------------------------------------
 */

static bool own_ports; /* the helper has a network of its own, where it may have all of them */

static void with_ports(void)
{
	own_ports = own_net();
	with_sessions();
}

TestSuite(helper_ports, .init = with_ports, .fini = without_sessions, .timeout = 60);

/* g: what came, when it is HELPER_OK. */
static enum helper_result ask_port(const char *version, const char *user, const char *host,
				   uint16_t port, struct prog *g)
{
	struct helper_port m = {
		.job = job_of(version, PATIENCE_MS), .host = ssh_str_c(host), .port = port};
	struct helper_done done;
	struct ssh_str body;
	enum helper_msg type;

	m.job.user = ssh_str_c(user);
	*g = (struct prog){.n = 0};
	dial(&g->p);
	say(&g->p, helper_port_build(t.buf, &m));
	type = first(g, &body);
	if (type == HELPER_DONE) {
		cr_assert_eq(helper_done_parse(body, &done), 0);
		close(g->p.fd);
		return done.result;
	}
	cr_assert_eq(type, HELPER_STARTED);
	cr_assert_eq(helper_started_parse(body, &g->with), 0);
	cr_assert_eq(g->with.n, g->n);
	return result(&g->p, NULL, 0);
}

static void ports_close(struct prog *g)
{
	while (g->n > 0)
		close(g->fd[--g->n]);
}

/* By number for whoever is let in, account or none, by any for root; at loopback, or all of it. */
Test(helper_ports, ports_that_are_permitted)
{
	static const struct {
		const char *version, *user, *host;
		bool all;
	} c[] = {
		{"port", "nobody", "localhost", false},
		{"port", "no-such-user-here", "localhost", false},
		{"none", "root", "localhost", false},
		{"port-rule", "nobody", "localhost", false},
		{"port-rule-any", "root", "", false},
		{"port-all", "nobody", "localhost", true},
		{"port-client", "nobody", "localhost", false},
		{"port-client", "nobody", "127.0.0.1", false},
		{"port-client", "nobody", "*", true},
	};
	struct sockaddr_in in;
	struct prog g;

	if (!own_ports)
		cr_skip_test("a network of its own needs root");
	for (size_t i = 0; i < N(c); i++) {
		socklen_t len = sizeof(in);

		cr_assert_eq(ask_port(c[i].version, c[i].user, c[i].host, 443, &g), HELPER_OK,
			     "%zu", i);
		cr_expect(is_listening(g.fd[0]));
		cr_assert_eq(getsockname(g.fd[0], (struct sockaddr *)&in, &len), 0);
		cr_expect_eq(ntohs(in.sin_port), 443, "%zu", i);
		cr_expect_eq(ntohl(in.sin_addr.s_addr), c[i].all ? INADDR_ANY : INADDR_LOOPBACK,
			     "%zu", i);
		ports_close(&g);
	}
}

Test(helper_ports, a_port_that_somebody_has_is_taken)
{
	struct prog g, again;

	if (!own_ports)
		cr_skip_test("a network of its own needs root");
	cr_assert_eq(ask_port("port", "nobody", "localhost", 443, &g), HELPER_OK);
	cr_expect_eq(ask_port("port", "nobody", "localhost", 443, &again), HELPER_TAKEN);
	ports_close(&g);
	cr_expect_eq(ask_port("port", "nobody", "localhost", 443, &again), HELPER_OK);
	ports_close(&again);
}

Test(helper_ports, ports_that_are_refused)
{
	static const struct {
		const char *version, *user, *host;
		uint16_t port;
		enum helper_result want;
	} c[] = {
		{"none", "nobody", "localhost", 443, HELPER_DENIED}, /* any names none */
		{"port", "nobody", "localhost", 444, HELPER_DENIED},
		{"port", "nobody", "*", 443, HELPER_DENIED},
		{"port-all", "nobody", "", 444, HELPER_DENIED},
		{"port-client", "nobody", "192.0.2.77", 443, HELPER_NO}, /* not the kernel's */
		{"port-off", "root", "localhost", 443, HELPER_DENIED},
		{"port-local", "root", "localhost", 443, HELPER_DENIED},
		{"port-denied", "nobody", "localhost", 443, HELPER_DENIED},
		{"port-denied", "no-such-user-here", "localhost", 443, HELPER_DENIED},
		{"port-groups", "no-such-user-here", "localhost", 443, HELPER_DENIED},
		{"port-no-root", "root", "localhost", 443, HELPER_DENIED},
		{"port-rule", "nobody", "localhost", 444, HELPER_DENIED},
		{"port-rule", "root", "localhost", 444, HELPER_DENIED}, /* no rule is about it */
		{"port-rule-any", "nobody", "localhost", 443, HELPER_DENIED},
		{"port", "../nobody", "localhost", 443, HELPER_DENIED},
		{"port", "nobody", "localhost", 0, HELPER_BAD},
		{"port", "nobody", "localhost", 1024, HELPER_BAD},
	};
	struct prog g;

	for (size_t i = 0; i < N(c); i++)
		cr_expect_eq(ask_port(c[i].version, c[i].user, c[i].host, c[i].port, &g), c[i].want,
			     "%zu", i);
}

static void also(const char *lines)
{
	struct peer p;

	conf_write(lines, conf);
	dial(&p);
	say(&p, helper_read_build(t.buf));
	cr_assert_eq(result(&p, NULL, 0), HELPER_OK);
}

Test(helper_ports, of_one_family_where_there_is_one)
{
	struct prog g;

	if (!own_ports)
		cr_skip_test("a network of its own needs root");
	also("AddressFamily inet");
	cr_assert_eq(ask_port("port", "nobody", "localhost", 443, &g), HELPER_OK);
	cr_expect_eq(g.n, 1);
	ports_close(&g);
	cr_expect_eq(ask_port("port-client", "nobody", "::1", 443, &g), HELPER_DENIED);
}

/* Its other addresses are the dataplane's. */
Test(helper_ports, a_gateway_with_interfaces_has_loopback_alone)
{
	struct prog g;

	also("Interface outside net_null0\nInterfaceAddress outside 192.0.2.1/24");
	cr_expect_eq(ask_port("port-all", "nobody", "localhost", 443, &g), HELPER_DENIED);
	cr_expect_eq(ask_port("port-client", "nobody", "192.0.2.1", 443, &g), HELPER_DENIED);
	if (own_ports)
		cr_expect_eq(ask_port("port", "nobody", "localhost", 443, &g), HELPER_OK);
	ports_close(&g);
}

/* However few descriptors we are given at first; a program has as few as ever. */
Test(helper_session, as_many_as_there_may_be)
{
	enum { SESSIONS = 60, FILES = 64 };
	static struct prog g[SESSIONS];
	struct helper_session m = ask("run", "ulimit -n; read x");
	struct rlimit was, few;
	char buf[64];

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
	cr_assert_eq(kill(t.pid, SIGTERM), 0);
	cr_assert_eq(waitpid(t.pid, NULL, 0), t.pid);
	cr_assert_eq(unlink(t.path), 0);
	few = (struct rlimit){FILES, was.rlim_max};
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	helper_start();
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
	for (unsigned int i = 0; i < SESSIONS; i++) {
		begin(&g[i], &m);
		cr_assert_eq(read(g[i].fd[1], buf, sizeof(buf)), 3, "%u", i);
		cr_expect_eq(memcmp(buf, "64\n", 3), 0);
	}
	for (unsigned int i = 0; i < SESSIONS; i++) {
		cr_assert_eq(write(g[i].fd[0], "x\n", 2), 2);
		(void)over(&g[i]);
	}
}

/* --- another control -----------------------------------------------------------------------------
 */

/* HELPER_OK: it is known. Nothing is said before its end, or that is what is said, or (0) it just
 * went. */
static enum helper_result resume(uint64_t id, struct peer *p)
{
	struct helper_done d = {.result = HELPER_BAD};
	struct ssh_str body;
	enum helper_msg type;

	dial(p);
	say(p, helper_resume_build(t.buf, id));
	if (poll(&(struct pollfd){p->fd, POLLIN, 0}, 1, 200) == 0)
		return HELPER_OK;
	type = hear(p, &body);
	if (type == HELPER_EXIT || type == 0)
		return HELPER_OK;
	cr_assert_eq(type, HELPER_DONE);
	cr_assert_eq(helper_done_parse(body, &d), 0);
	close(p->fd);
	return d.result;
}

Test(helper_session, another_control_hears_how_it_ends)
{
	struct helper_session m = ask("run", "echo ready; read x; exit 7");
	struct prog g;
	struct peer other;
	char buf[64];

	m.job.id = 55;
	begin(&g, &m);
	cr_assert_eq(read(g.fd[1], buf, sizeof(buf)), 6);
	cr_expect_eq(resume(54, &other), HELPER_NONE);
	close(g.p.fd);
	cr_assert_eq(resume(55, &g.p), HELPER_OK);
	cr_assert_eq(write(g.fd[0], "x\n", 2), 2);
	cr_expect_eq(over(&g).number, 7);
}

/* Also one that comes when it is over already. */
Test(helper_session, an_end_waits_for_another_control)
{
	struct helper_session m = ask("run", "echo ready; read x; exit 8");
	struct prog g;
	char buf[64];

	m.job.id = 56;
	begin(&g, &m);
	cr_assert_eq(read(g.fd[1], buf, sizeof(buf)), 6);
	close(g.p.fd);
	cr_assert_eq(write(g.fd[0], "x\n", 2), 2);
	(void)read_all(g.fd[1], buf, sizeof(buf));
	dial(&g.p);
	say(&g.p, helper_resume_build(t.buf, 56));
	cr_expect_eq(over(&g).number, 8);
}

/* What is cleared away behind it, by a process of the user's, is no reason not to wait. */
Test(helper_session, an_end_waits_also_where_an_agent_goes_with_it)
{
	struct helper_session m = ask("run", "echo $SSH_AUTH_SOCK; read x; exit 9");
	struct prog g;
	char path[64] = "", buf[64];
	ssize_t n;

	m.job.id = 58;
	m.agent = true;
	begin(&g, &m);
	n = read(g.fd[1], path, sizeof(path) - 1);
	cr_assert_gt(n, 1);
	path[n - 1] = '\0';
	close(g.p.fd);
	cr_assert_eq(write(g.fd[0], "x\n", 2), 2);
	(void)read_all(g.fd[1], buf, sizeof(buf));
	while (access(path, F_OK) == 0)
		usleep(1000);
	usleep(200000); /* it is over in all but the telling */
	dial(&g.p);
	say(&g.p, helper_resume_build(t.buf, 58));
	cr_expect_eq(over(&g).number, 9);
}

Test(helper_session, one_that_was_hung_up_waits_for_nobody)
{
	struct helper_session m = ask("run", "echo ready; read x");
	struct prog g;
	struct peer other;
	char buf[64];

	m.job.id = 57;
	begin(&g, &m);
	cr_assert_eq(read(g.fd[1], buf, sizeof(buf)), 6);
	say(&g.p, helper_hangup_build(t.buf));
	close(g.p.fd);
	(void)read_all(g.fd[1], buf, sizeof(buf));
	for (int i = 0; i < 3; i++)
		close(g.fd[i]);
	while (resume(57, &other) == HELPER_OK) /* until it is waited for */
		close(other.fd);
}

/* --- recordings --------------------------------------------------------------------------------
 */

static bool tapes_made;

static void tapes_drop(void)
{
	char cmd[64];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", tapes);
	if (tapes_made)
		cr_expect_eq(system(cmd), 0);
}

/* The one file there is, as it says. */
static void tape_read(char *path, size_t size, char *buf, size_t buf_size)
{
	DIR *d = opendir(tapes);
	struct dirent *e;
	unsigned int n = 0;

	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.') {
			snprintf(path, size, "%s/%s", tapes, e->d_name);
			n++;
		}
	closedir(d);
	cr_assert_eq(n, 1);
	(void)read_all(open(path, O_RDONLY | O_CLOEXEC), buf, buf_size);
}

/* What the shard would say of it comes from here. */
Test(helper_session, a_recording_is_its_own_file, .fini = tapes_drop)
{
	static const struct tee_head head = {.at_us = 500000, .len = 2, .kind = TEE_OUT};
	static const struct tee_head last = {.len = sizeof(struct tee_end), .kind = TEE_END};
	static const struct tee_end none = {0};
	struct helper_session m = ask("taped", "true");
	char path[256], buf[1024] = "";
	struct stat st;
	struct prog g;

	cr_assert_eq(mkdir(tapes, 0700), 0);
	tapes_made = true;
	m.conn = ssh_str_c("5f-1");
	m.channel = 3;
	begin(&g, &m);
	cr_assert_eq(g.with.tee, 1);
	cr_expect_eq(g.with.tee_how, LINK_TEE_STRICT);
	cr_expect_eq(write(g.fd[3], &head, sizeof(head)), (ssize_t)sizeof(head));
	cr_expect_eq(write(g.fd[3], "hi", 2), 2);
	cr_expect_eq(write(g.fd[3], &last, sizeof(last)), (ssize_t)sizeof(last));
	cr_expect_eq(write(g.fd[3], &none, sizeof(none)), (ssize_t)sizeof(none));
	shutdown(g.fd[3], SHUT_WR);
	(void)read_all(g.fd[3], buf, sizeof(buf)); /* until its recorder is gone */
	(void)over(&g);
	tape_read(path, sizeof(path), buf, sizeof(buf));
	cr_expect_not_null(strstr(path, "-5f-1-3-"), "%s", path);
	cr_expect_not_null(strstr(buf, "\"version\":2"), "%s", buf);
	cr_expect_not_null(strstr(buf, "\n[0.5,\"o\",\"hi\"]\n"), "%s", buf);
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0600);
	m.kind = HELPER_RUN_SUBSYSTEM;
	m.command = ssh_str_c("greet");
	begin(&g, &m);
	cr_expect_eq(g.with.tee, 0, "a subsystem is not");
	(void)over(&g);
}

/* Whose role asks for it, and nobody else. */
Test(helper_session, a_role_is_recorded, .fini = tapes_drop)
{
	struct helper_session m = ask("run", "true");
	struct prog g;

	cr_assert_eq(mkdir(tapes, 0700), 0);
	tapes_made = true;
	m.conn = ssh_str_c("5f-2");
	for (unsigned int taped = 0; taped < 2; taped++) {
		m.job.role = ssh_str_c(taped ? "taped" : "");
		begin(&g, &m);
		cr_expect_eq(g.with.tee, taped);
		shutdown(g.fd[3], SHUT_WR);
		(void)over(&g);
	}
}

Test(helper_session, where_nothing_can_be_recorded_nothing_runs)
{
	struct helper_session m = ask("tapeless", "echo it runs");
	char buf[256];
	struct prog g;

	begin(&g, &m);
	cr_expect_eq(g.with.tee, 0);
	(void)read_all(g.fd[2], buf, sizeof(buf));
	cr_expect_not_null(strstr(buf, "cannot be"), "%s", buf);
	cr_expect_eq(read_all(g.fd[1], buf, sizeof(buf)), 0);
	cr_expect_eq(over(&g).number, 254);
	m = ask("taped-open", "echo it runs");
	cr_expect_eq(output(&m, buf, sizeof(buf)), 254, "a folder that others write");
	cr_expect_str_eq(buf, "");
	m = ask("taped-loose", "echo it runs");
	cr_expect_eq(output(&m, buf, sizeof(buf)), 0);
	cr_expect_str_eq(buf, "it runs\n");
}

/* There is one, and no room for another, which control hears. */
Test(helper_session, a_folder_of_recordings_is_full, .fini = tapes_drop)
{
	struct helper_session m = ask("taped-once", "echo it runs");
	char buf[256];
	struct prog g;

	cr_assert_eq(mkdir(tapes, 0700), 0);
	tapes_made = true;
	begin(&g, &m);
	cr_expect(g.with.tee == 1 && !g.with.record_full);
	(void)read_all(g.fd[1], buf, sizeof(buf));
	shutdown(g.fd[3], SHUT_WR);
	(void)read_all(g.fd[3], buf, sizeof(buf));
	(void)over(&g);
	begin(&g, &m);
	cr_expect(g.with.tee == 0 && g.with.record_full);
	(void)read_all(g.fd[1], buf, sizeof(buf));
	cr_expect_str_eq(buf, "it runs\n", "RecordFailure continue");
	(void)over(&g);
}

Test(helper_session, who_is_recorded_reads_so_first, .fini = tapes_drop)
{
	static const char *const version[] = {"taped", "taped-hushed"};
	static const char *const want[] = {"This session is recorded.\nbeside\n", "beside\n"};
	char buf[256];

	cr_assert_eq(mkdir(tapes, 0700), 0);
	tapes_made = true;
	for (size_t i = 0; i < 2; i++) {
		struct helper_session m = ask(version[i], "echo beside >&2");
		struct prog g;

		begin(&g, &m);
		(void)read_all(g.fd[2], buf, sizeof(buf));
		cr_expect_str_eq(buf, want[i]);
		shutdown(g.fd[3], SHUT_WR);
		(void)read_all(g.fd[3], buf, sizeof(buf));
		(void)over(&g);
	}
}
