/*
 * sluice-helper as control sees it: jobs that say yes and no, ask, crash, sleep and are given up;
 * and strangers' bytes. The helper is a process of this test's.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/helper/client.h"
#include "control/helper/job.h"
#include "control/helper/server.h"
#include "control/log.h"

#define N(a)        (sizeof(a) / sizeof((a)[0]))
#define PATIENCE_MS 10000

static struct {
	char dir[64], path[HELPER_PATH_MAX], me[64];
	pid_t pid;
	uint8_t buf[HELPER_FRAME_MAX + 4];
} t = {.dir = "/tmp/sluice-helper-XXXXXX"};

static void put(const char *name, const char *text, mode_t mode)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", t.dir, name);
	f = fopen(path, "w");
	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
	cr_assert_eq(chmod(path, mode), 0);
}

/* A service of PAM: one line a module, with these arguments. */
static void service(const char *name, const char *auth, const char *account)
{
	char text[1024];

	snprintf(text, sizeof(text),
		 "auth required %s %s\naccount required %s %s\npassword required %s %s\n",
		 PAM_MODULE, auth, PAM_MODULE, account, PAM_MODULE, account);
	put(name, text, 0644);
}

static void quiet(void *arg, enum log_level level, const char *line)
{
	(void)arg;
	(void)level;
	(void)line;
}

static void setup(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd;

	cr_assert_not_null(mkdtemp(t.dir));
	cr_assert_eq(chmod(t.dir, 0755), 0);
	snprintf(t.path, sizeof(t.path), "%s/helper.sock", t.dir);
	snprintf(t.me, sizeof(t.me), "%s", getpwuid(geteuid())->pw_name);
	strcpy(sun.sun_path, t.path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	cr_assert_eq(listen(fd, 64), 0);
	service("ok", "password=right", "");
	service("asks", "password=right code=42", "");
	service("expired", "password=right", "expired new=fresh");
	service("crash", "password=right crash", "");
	service("sleep", "sleep", "");
	service("mumble", "mumble password=right", "");
	service("babble", "babble password=right", "");
	service("somebody", "somebody", "");
	t.pid = fork();
	if (t.pid == 0) {
		log_sink_set(quiet, NULL);
		job_pam_dir = t.dir;
		_exit(helper_serve(fd, geteuid()) == 0 ? 0 : 1);
	}
	close(fd);
}

static void teardown(void)
{
	char cmd[128];
	int status;

	cr_expect_eq(kill(t.pid, SIGTERM), 0);
	cr_expect_eq(waitpid(t.pid, &status, 0), t.pid);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the helper ended badly");
	snprintf(cmd, sizeof(cmd), "rm -rf %s", t.dir);
	cr_expect_eq(system(cmd), 0);
}

TestSuite(control_helper, .init = setup, .fini = teardown, .timeout = 60);

/* --- a client that waits --------------------------------------------------------------------- */

struct peer {
	int fd;
	uint8_t in[HELPER_FRAME_MAX + 4];
	size_t have, used;
};

static void dial(struct peer *p)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	*p = (struct peer){.fd = socket(AF_UNIX, SOCK_STREAM, 0)};
	strcpy(sun.sun_path, t.path);
	cr_assert_eq(connect(p->fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
}

static void say(struct peer *p, size_t len)
{
	cr_assert_gt(len, 0);
	cr_assert_eq(send(p->fd, t.buf, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* The next frame; 0: it closed. */
static enum helper_msg hear(struct peer *p, struct ssh_str *body)
{
	enum helper_msg type;

	memmove(p->in, p->in + p->used, p->have - p->used);
	p->have -= p->used;
	p->used = 0;
	while (helper_frame_parse(p->in, p->have, &type, body, &p->used) == -EAGAIN) {
		struct pollfd fd = {p->fd, POLLIN, 0};
		ssize_t n;

		cr_assert_eq(poll(&fd, 1, PATIENCE_MS), 1, "no answer in time");
		n = recv(p->fd, p->in + p->have, sizeof(p->in) - p->have, 0);
		if (n <= 0)
			return 0;
		p->have += (size_t)n;
	}
	return type;
}

/* Data passes by; 0: it closed without a word. */
static enum helper_result result(struct peer *p, char *data, size_t size)
{
	struct helper_done d = {0};
	struct ssh_str body;
	enum helper_msg type;
	size_t len = 0;

	while ((type = hear(p, &body)) == HELPER_DATA) {
		if (data != NULL && len + body.len < size)
			memcpy(data + len, body.p, body.len);
		len += body.len;
	}
	if (data != NULL && len < size)
		data[len] = '\0';
	if (type != 0) {
		cr_assert_eq(type, HELPER_DONE);
		cr_assert_eq(helper_done_parse(body, &d), 0);
	}
	close(p->fd);
	return d.result;
}

static struct helper_job job_of(const char *source, uint32_t ms)
{
	return (struct helper_job){ssh_str_c(t.me), ssh_str_c(source), ms};
}

static struct helper_pam pam_of(const char *name, const char *password)
{
	return (struct helper_pam){.job = job_of("192.0.2.1", PATIENCE_MS),
				   .service = ssh_str_c(name),
				   .possible = true,
				   .password = ssh_str_c(password),
				   .new_password = ssh_str_c("")};
}

static enum helper_result pam(const struct helper_pam *m)
{
	struct peer p;

	dial(&p);
	say(&p, helper_pam_build(t.buf, m));
	return result(&p, NULL, 0);
}

/* --- PAM -----------------------------------------------------------------------------------------
 */

Test(control_helper, passwords)
{
	static const struct {
		const char *service, *password;
		enum helper_result want;
	} c[] = {
		{"ok", "right", HELPER_OK},
		{"ok", "wrong", HELPER_NO},
		{"ok", "", HELPER_NO},
		{"asks", "right", HELPER_NO}, /* a question nobody answers */
		{"mumble", "right", HELPER_OK},
		{"babble", "right", HELPER_OK},
		{"somebody", "right", HELPER_NO},
		{"no-such-service", "right", HELPER_NO},
		{"expired", "right", HELPER_EXPIRED},
		{"expired", "wrong", HELPER_NO},
	};

	for (size_t i = 0; i < N(c); i++) {
		struct helper_pam m = pam_of(c[i].service, c[i].password);

		cr_expect_eq(pam(&m), c[i].want, "%s %s", c[i].service, c[i].password);
	}
}

/* S-32: whoever cannot log in anyway gives a module nothing, and is refused all the same. */
Test(control_helper, who_cannot_log_in_does_not_by_the_right_password)
{
	struct helper_pam m = pam_of("ok", "right");

	m.possible = false;
	cr_expect_eq(pam(&m), HELPER_NO);
}

/* S-31: a change needs the old password and that it has expired. */
Test(control_helper, s31_changes)
{
	static const struct {
		const char *service, *old, *new_one;
		enum helper_result want;
	} c[] = {
		{"expired", "right", "fresh", HELPER_OK},
		{"expired", "wrong", "fresh", HELPER_NO},
		{"expired", "right", "stale", HELPER_NO},
		{"ok", "right", "fresh", HELPER_NO},
	};

	for (size_t i = 0; i < N(c); i++) {
		struct helper_pam m = pam_of(c[i].service, c[i].old);

		m.change = true;
		m.new_password = ssh_str_c(c[i].new_one);
		cr_expect_eq(pam(&m), c[i].want, "%zu", i);
	}
}

/* Answers one round of this many questions. */
static void answer(struct peer *p, const char *question, const char *instruction, const char *text)
{
	const struct ssh_str given[] = {ssh_str_c(text)};
	struct ssh_prompts m;
	struct ssh_str body;

	cr_assert_eq(hear(p, &body), HELPER_ASK);
	cr_assert_eq(helper_ask_parse(body, &m), 0);
	cr_assert_eq(m.n, 1);
	cr_expect(ssh_str_eq(m.prompt[0].text, question), "%.*s", (int)m.prompt[0].text.len,
		  (const char *)m.prompt[0].text.p);
	cr_expect(ssh_str_eq(m.instruction, instruction));
	say(p, helper_answer_build(t.buf, 1, given));
}

Test(control_helper, a_conversation)
{
	struct helper_pam m = pam_of("asks", "");

	for (int wrong = 0; wrong < 3; wrong++) {
		struct peer p;

		m.conversation = true;
		dial(&p);
		say(&p, helper_pam_build(t.buf, &m));
		answer(&p, "Module password: ", "", wrong == 1 ? "x" : "right");
		if (wrong != 1)
			answer(&p, "Code: ", "Look at your token.\n", wrong == 2 ? "43" : "42");
		cr_expect_eq(result(&p, NULL, 0), wrong ? HELPER_NO : HELPER_OK);
	}
}

/* An expired password is changed in the same conversation, as by sshd. */
Test(control_helper, a_conversation_changes_a_password)
{
	struct helper_pam m = pam_of("expired", "");
	struct peer p;

	m.conversation = true;
	dial(&p);
	say(&p, helper_pam_build(t.buf, &m));
	answer(&p, "Module password: ", "", "right");
	answer(&p, "New password: ", "", "fresh");
	cr_expect_eq(result(&p, NULL, 0), HELPER_OK);
}

Test(control_helper, answers_that_do_not_fit_end_the_job)
{
	const struct ssh_str two[] = {ssh_str_c("a"), ssh_str_c("b")};
	struct helper_pam m = pam_of("asks", "");

	for (unsigned int n = 0; n <= 2; n += 2) {
		struct ssh_str body;
		struct peer p;

		m.conversation = true;
		dial(&p);
		say(&p, helper_pam_build(t.buf, &m));
		cr_assert_eq(hear(&p, &body), HELPER_ASK);
		say(&p, helper_answer_build(t.buf, n, two));
		cr_expect_eq(result(&p, NULL, 0), HELPER_BAD);
	}
}

Test(control_helper, a_module_that_crashes_takes_nobody_with_it)
{
	struct helper_pam m = pam_of("crash", "right"), ok = pam_of("ok", "right");

	cr_expect_eq(pam(&m), HELPER_CRASHED);
	cr_expect_eq(pam(&ok), HELPER_OK);
}

Test(control_helper, a_module_that_sleeps_is_killed_and_holds_nobody_up)
{
	struct helper_pam m = pam_of("sleep", "right"), ok = pam_of("ok", "right");
	struct peer p;

	m.job.time_ms = 200;
	dial(&p);
	say(&p, helper_pam_build(t.buf, &m));
	cr_expect_eq(pam(&ok), HELPER_OK, "beside it");
	cr_expect_eq(result(&p, NULL, 0), HELPER_LATE);
}

Test(control_helper, so_many_at_once_for_one_user)
{
	struct helper_pam m = pam_of("sleep", "right"), ok = pam_of("ok", "right");
	struct peer p[HELPER_USER_JOBS_MAX];

	for (size_t i = 0; i < N(p); i++) {
		dial(&p[i]);
		say(&p[i], helper_pam_build(t.buf, &m));
	}
	cr_expect_eq(pam(&ok), HELPER_BUSY);
	/* Who goes takes his jobs along. */
	for (size_t i = 0; i < N(p); i++)
		close(p[i].fd);
	for (int i = 0; i < 200; i++) {
		enum helper_result r = pam(&ok);

		if (r != HELPER_BUSY) {
			cr_expect_eq(r, HELPER_OK);
			return;
		}
		usleep(5000);
	}
	cr_expect(false, "the places are not given back");
}

/* --- programs ----------------------------------------------------------------------------------
 */

static enum helper_result command(const char *const *argv, unsigned int argc, const char *user,
				  char *data, size_t size)
{
	struct helper_command m = {.job = job_of("", PATIENCE_MS), .argc = argc};
	struct peer p;

	if (user != NULL)
		m.job.user = ssh_str_c(user);
	for (unsigned int i = 0; i < argc; i++)
		m.argv[i] = ssh_str_c(argv[i]);
	dial(&p);
	say(&p, helper_command_build(t.buf, &m));
	return result(&p, data, size);
}

Test(control_helper, programs)
{
	static const struct {
		const char *argv[4];
		enum helper_result want;
		const char *data;
	} c[] = {
		{{"/bin/echo", "one", "two three"}, HELPER_OK, "one two three\n"},
		{{"/bin/sh", "-c", "echo $USER-$HOME; pwd"}, HELPER_OK, NULL},
		{{"/bin/sh", "-c", "echo half; exit 1"}, HELPER_NO, "half\n"},
		{{"/bin/sh", "-c", "kill -9 $$"}, HELPER_NO, ""},
		{{"/bin/sh", "-c", "exec 2>&1; cat"}, HELPER_OK, ""}, /* nothing to read */
		{{"/bin/sh", "-c", "ls -l /proc/self/fd | grep -c socket"}, HELPER_NO, "0\n"},
		{{"/bin/sh", "-c", "head -c 2000000 /dev/zero"}, HELPER_NO, NULL},
		{{"/no/such/program"}, HELPER_NO, ""},
		{{"/etc/passwd"}, HELPER_NO, ""},
	};

	for (size_t i = 0; i < N(c); i++) {
		static char data[HELPER_ALL_MAX];
		unsigned int argc = 0;

		while (argc < 4 && c[i].argv[argc] != NULL)
			argc++;
		cr_expect_eq(command(c[i].argv, argc, NULL, data, sizeof(data)), c[i].want,
			     "%zu: %s", i, data);
		if (c[i].data != NULL)
			cr_expect_str_eq(data, c[i].data, "%zu", i);
	}
}

/* All who ask run them as the same user: he is no measure of who asks too much. */
Test(control_helper, programs_of_one_user_run_beside_one_another)
{
	static const char *const waits[] = {"/bin/sleep", "60"}, *const echo[] = {"/bin/echo"};
	struct peer p[HELPER_USER_JOBS_MAX];

	for (size_t i = 0; i < N(p); i++) {
		struct helper_command m = {.job = job_of("", PATIENCE_MS),
					   .argc = 2,
					   .argv = {ssh_str_c(waits[0]), ssh_str_c(waits[1])}};

		dial(&p[i]);
		say(&p[i], helper_command_build(t.buf, &m));
	}
	cr_expect_eq(command(echo, 1, NULL, NULL, 0), HELPER_OK);
	for (size_t i = 0; i < N(p); i++)
		close(p[i].fd);
}

Test(control_helper, so_many_programs_at_once_for_one_source)
{
	static const char *const waits[] = {"/bin/sleep", "60"};
	struct helper_command m = {.job = job_of("192.0.2.1", PATIENCE_MS),
				   .argc = 2,
				   .argv = {ssh_str_c(waits[0]), ssh_str_c(waits[1])}};
	struct peer p[HELPER_FROM_JOBS_MAX], more;

	for (size_t i = 0; i < N(p); i++) {
		dial(&p[i]);
		say(&p[i], helper_command_build(t.buf, &m));
	}
	dial(&more);
	say(&more, helper_command_build(t.buf, &m));
	cr_expect_eq(result(&more, NULL, 0), HELPER_BUSY);
	for (size_t i = 0; i < N(p); i++)
		close(p[i].fd);
}

Test(control_helper, programs_others_may_write_are_not_run)
{
	char path[128];
	const char *argv[] = {path};

	put("program", "#!/bin/sh\necho yes\n", 0777);
	snprintf(path, sizeof(path), "%s/program", t.dir);
	cr_expect_eq(command(argv, 1, NULL, NULL, 0), HELPER_NO);
	cr_assert_eq(chmod(path, 0755), 0);
	cr_expect_eq(command(argv, 1, NULL, NULL, 0), HELPER_OK);
	cr_assert_eq(chmod(t.dir, 0777), 0);
	cr_expect_eq(command(argv, 1, NULL, NULL, 0), HELPER_NO);
	cr_assert_eq(chmod(t.dir, 0755), 0);
}

/* A link is as good as the folder it leads to. */
Test(control_helper, links_to_programs_others_may_replace_are_not_run)
{
	char path[128], folder[128];
	const char *argv[] = {path};

	snprintf(folder, sizeof(folder), "%s/open", t.dir);
	cr_assert_eq(mkdir(folder, 0755), 0);
	put("open/program", "#!/bin/sh\necho yes\n", 0755);
	snprintf(path, sizeof(path), "%s/link", t.dir);
	cr_assert_eq(symlink("open/program", path), 0);
	cr_expect_eq(command(argv, 1, NULL, NULL, 0), HELPER_OK);
	cr_assert_eq(chmod(folder, 0777), 0);
	cr_expect_eq(command(argv, 1, NULL, NULL, 0), HELPER_NO);
}

Test(control_helper, a_program_runs_as_its_user)
{
	static const char *const argv[] = {"/usr/bin/id", "-un"};
	char data[64];

	if (geteuid() != 0)
		return; /* needs another user */
	cr_expect_eq(command(argv, 2, "nobody", data, sizeof(data)), HELPER_OK);
	cr_expect_str_eq(data, "nobody\n");
	cr_expect_eq(command(argv, 2, "no-such-user", NULL, 0), HELPER_NONE);
}

/* --- files
 * ---------------------------------------------------------------------------------------- */

static int read_file(const char *name, char **ret)
{
	char path[128], why[128];
	struct helper_file m = {.job = job_of("", PATIENCE_MS), .strict = true};
	size_t len;

	snprintf(path, sizeof(path), "%s/%s", t.dir, name);
	m.path = ssh_str_c(path);
	return helper_read_file(t.path, &m, ret, &len, why, sizeof(why));
}

Test(control_helper, files)
{
	char *text = NULL;

	put("mine", "lines\n", 0600);
	put("everybodys", "lines\n", 0666);
	put("nothing", "", 0600);
	cr_expect_eq(read_file("mine", &text), 0);
	cr_expect_str_eq(text, "lines\n");
	free(text);
	cr_expect_eq(read_file("nothing", &text), 0);
	cr_expect_str_eq(text, "");
	free(text);
	cr_expect_eq(read_file("everybodys", &text), -EACCES);
	cr_expect_eq(read_file("not-there", &text), -ENOENT);
}

Test(control_helper, without_a_helper_there_is_an_error)
{
	char why[128], *text;
	size_t len;
	struct helper_file m = {.job = job_of("", 1000), .path = ssh_str_c("/etc/passwd")};

	cr_expect_eq(helper_read_file("/no/such/socket", &m, &text, &len, why, sizeof(why)),
		     -ENOENT);
}

/* --- bytes
 * ------------------------------------------------------------------------------------------ */

/* Each is refused or hung up on, and the helper lives. */
Test(control_helper, requests_that_are_none)
{
	static const struct {
		const char *p;
		size_t len;
	} c[] = {
		{"\0\0\0\0", 4},
		{"\xff\xff\xff\xff", 4},
		{"\0\0\0\1\1", 5},
		{"\0\0\0\1\x14", 5},
		{"\0\0\0\x0a\1\0\0\0\0\0\0\0\0\0", 14},
		{"\0\0\0\x0e\1\0\0\0\1u\0\0\0\0\0\0\0\1", 18}, /* no more than a job */
		{"\0\0\0\x0e\1\0\0\0\1u\0\0\0\0\x7f\xff\xff\xff", 18},
		{"\0\0\0\x0e\2\0\0\0\1u\0\0\0\0\0\0\0\1xx", 20},
	};
	struct helper_pam ok = pam_of("ok", "right");

	for (size_t i = 0; i < N(c); i++) {
		struct peer p;
		enum helper_result r;

		dial(&p);
		memcpy(t.buf, c[i].p, c[i].len);
		say(&p, c[i].len);
		shutdown(p.fd, SHUT_WR);
		r = result(&p, NULL, 0);
		cr_expect(r == HELPER_BAD || r == 0, "%zu: %d", i, r);
	}
	cr_expect_eq(pam(&ok), HELPER_OK);
}
