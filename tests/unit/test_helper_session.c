/*
 * sluice-helper's sessions: what is configured runs, as who it is for, with the descriptors and the
 * environment that it should have, and nothing else of ours; and how it ends is told.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>

#include "tests/util/helper_bench.h"

/* A shell that is not the first one reads no file of its user's, which could take its time. */
#define HOLDS "PermitSession yes\nSetEnv COLOUR=blue SHLVL=3\n"

static const char conf[] =
	"Match client-version run\n" HOLDS "AcceptEnv LC_*\n"
	"Subsystem greet /bin/echo hello\n"
	"Match client-version forced\n" HOLDS ""
	"ForceCommand echo forced:$SSH_ORIGINAL_COMMAND\nSubsystem greet /bin/echo hello\n"
	"Match client-version any-name\n" HOLDS "AcceptEnv *\n"
	"Match client-version no-tty\n" HOLDS "PermitTTY no\n"
	"Match client-version denied\n" HOLDS "DenyUsers *\n"
	"Match client-version groups\n" HOLDS "AllowGroups no-such-group\n"
	"Match client-version no-root\n" HOLDS "PermitRootLogin no\n"
	"Match client-version root-forced\n" HOLDS ""
	"PermitRootLogin forced-commands-only\n";

static void with_sessions(void)
{
	setup_with(conf);
}

TestSuite(helper_session, .init = with_sessions, .fini = teardown, .timeout = 60);

/* --- a client ----------------------------------------------------------------------------------
 */

struct prog {
	struct peer p;
	int fd[3], n;
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
		char room[CMSG_SPACE(3 * sizeof(int))];
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
	struct ssh_str body;
	uint8_t n;

	*g = (struct prog){.n = 0};
	dial(&g->p);
	say(&g->p, helper_session_build(t.buf, m));
	cr_assert_eq(first(g, &body), HELPER_STARTED);
	cr_assert_eq(helper_started_parse(body, &n), 0);
	cr_assert_eq(n, g->n);
	cr_assert_eq(n, m->tty ? 1 : 3);
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
	struct conf *conf;

	cr_assert_eq(rules_read(&conf), 0);
	m.job.mark = conf_mark(conf);
	conf_put(conf);
	cr_expect_eq(output(&m, (char[16]){0}, 16), 0);
	m.job.mark++;
	cr_expect_eq(refusal(&m), HELPER_DENIED);
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
	struct prog g;
	char buf[64];

	begin(&g, &m);
	cr_assert_eq(read(g.fd[1], buf, sizeof(buf)), 6);
	cr_assert_eq(kill(t.pid, SIGTERM), 0);
	(void)read_all(g.fd[1], buf, sizeof(buf));
	cr_expect_str_eq(buf, "bye\n");
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
