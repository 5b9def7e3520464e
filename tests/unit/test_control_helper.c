/*
 * sluice-helper as control sees it: jobs that say yes and no, ask, crash, sleep and are given up;
 * what is not configured; and strangers' bytes. The helper is a process of this test's.
 */
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <sys/mount.h>

#include "tests/util/helper_bench.h"

#define FROM_JOBS 8 /* PerSourceMaxHelperJobs by default */

TestSuite(control_helper, .init = setup, .fini = teardown, .timeout = 60);

/* --- PAM ------------------------------------------------------------------------------------- */

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

/* Places come back a moment after who held them has gone. */
static enum helper_result pam_in_time(const struct helper_pam *m)
{
	enum helper_result r = HELPER_BUSY;

	for (int i = 0; i < 400 && (r = pam(m)) == HELPER_BUSY; i++)
		usleep(5000);
	return r;
}

/* Conversations that never end: with whom, and from where. */
static void talk(struct peer *p, const char *user, const char *from)
{
	struct helper_pam m = pam_of("sleep", "right");

	m.job.user = ssh_str_c(user);
	m.job.peer = ssh_str_c(from);
	dial(p);
	say(p, helper_pam_build(t.buf, &m));
}

static enum helper_result login_of(const char *user, const char *from)
{
	struct helper_pam m = pam_of("ok", "right");

	m.job.user = ssh_str_c(user);
	m.job.peer = ssh_str_c(from);
	return pam(&m);
}

Test(control_helper, so_many_conversations_at_once_for_one_user_from_one_source)
{
	struct helper_pam ok = pam_of("ok", "right");
	struct peer p[HELPER_USER_JOBS_MAX];

	for (size_t i = 0; i < N(p); i++)
		talk(&p[i], t.me, "192.0.2.1");
	cr_expect_eq(pam(&ok), HELPER_BUSY);
	cr_expect_eq(t.full, HELPER_LIMIT_USER_JOBS);
	cr_expect_eq(login_of("somebody-else", "192.0.2.1"), HELPER_OK);
	/* Who goes takes his jobs along. */
	for (size_t i = 0; i < N(p); i++)
		close(p[i].fd);
	cr_expect_eq(pam_in_time(&ok), HELPER_OK, "the places are not given back");
}

/* Whoever knows a name and has many conversations by it keeps nobody out who comes from elsewhere.
 */
Test(control_helper, slow_conversations_of_others_keep_no_user_out)
{
	struct peer p[2 * HELPER_USER_JOBS_MAX];

	for (size_t i = 0; i < N(p); i++)
		talk(&p[i], t.me, i % 2 ? "192.0.2.66" : "2001:db8::66");
	cr_expect_eq(login_of(t.me, "192.0.2.66"), HELPER_BUSY);
	cr_expect_eq(login_of(t.me, "2001:db8::66"), HELPER_BUSY);
	cr_expect_eq(login_of(t.me, "192.0.2.1"), HELPER_OK);
	cr_expect_eq(login_of(t.me, "2001:db8::1"), HELPER_OK);
	for (size_t i = 0; i < N(p); i++)
		close(p[i].fd);
}

Test(control_helper, so_many_at_once_from_one_source_whoever_is_named)
{
	struct peer p[FROM_JOBS];
	char user[32];

	for (size_t i = 0; i < N(p); i++) {
		snprintf(user, sizeof(user), "user%zu", i);
		talk(&p[i], user, "192.0.2.66");
	}
	cr_expect_eq(login_of("another", "192.0.2.66"), HELPER_BUSY);
	cr_expect_eq(t.full, HELPER_LIMIT_SOURCE_JOBS);
	cr_expect_eq(login_of("another", "192.0.2.67"), HELPER_OK);
	for (size_t i = 0; i < N(p); i++)
		close(p[i].fd);
}

static void use(struct helper_use *u, const char *user, const char *from, bool session)
{
	struct helper_session m = {.job = job_of("", 1000), .kind = HELPER_RUN_SHELL};
	struct helper_pam p = pam_of("ok", "right");

	m.job.user = p.job.user = ssh_str_c(user);
	m.job.peer = p.job.peer = ssh_str_c(from);
	helper_use_begin(u, t.buf,
			 session ? helper_session_build(t.buf, &m) : helper_pam_build(t.buf, &p));
}

/* Of what runs, and of what each user and network has, as control counts it. */
Test(control_helper, what_is_used_is_known)
{
	const struct source_bits bits = {.v4 = 24, .v6 = 64};
	struct helper_use u[8] = {{0}};
	struct helper_uses now;

	cr_assert_eq(helper_uses(&bits, &now), 0);
	cr_expect(now.jobs == 0 && now.sessions == 0 && now.source_jobs == 0);
	use(&u[0], "eve", "192.0.2.1", false);
	use(&u[1], "eve", "192.0.2.9", false);
	use(&u[2], "bob", "192.0.2.9", false);
	use(&u[3], "eve", "198.51.100.1", false);
	use(&u[4], "eve", "192.0.2.1", true);
	use(&u[5], "bob", "192.0.2.1", true);
	helper_use_resume(&u[6], "bob");
	helper_use_begin(&u[7], t.buf, helper_read_build(t.buf)); /* no job */
	cr_assert_eq(helper_uses(&bits, &now), 0);
	cr_expect(now.jobs == 4 && now.talks == 4 && now.sessions == 3);
	cr_expect_eq(now.source_jobs, 3);
	cr_expect_eq(now.user_talks, 2, "one user from one source");
	cr_expect_eq(now.user_sessions, 2);
	for (size_t i = 0; i < N(u); i += 2)
		helper_use_end(&u[i]);
	helper_use_end(&u[0]);
	cr_assert_eq(helper_uses(&bits, &now), 0);
	cr_expect(now.jobs == 2 && now.source_jobs == 1 && now.sessions == 1);
	for (size_t i = 1; i < N(u); i += 2)
		helper_use_end(&u[i]);
	cr_assert_eq(helper_uses(&bits, &now), 0);
	cr_expect(now.jobs == 0 && now.sessions == 0);
}

static uint64_t mark_of_file(void)
{
	struct conf *conf;
	uint64_t mark;

	cr_assert_eq(rules_read(&conf), 0);
	mark = conf_mark(conf);
	conf_put(conf);
	return mark;
}

/* The answer to a login that goes by what has this mark: PAM is asked by that. */
static enum helper_result pam_by(uint64_t mark, const char *version)
{
	struct helper_pam m = pam_of(version, "right");

	m.job.mark = mark;
	return pam(&m);
}

/* PerSourceMaxHelperJobs, as the file has it now: those that run stay. */
Test(control_helper, a_source_may_be_given_less_and_more)
{
	struct peer p[3];

	for (size_t i = 0; i < N(p); i++)
		talk(&p[i], i == 0 ? "one" : i == 1 ? "two" : "three", "192.0.2.66");
	conf_write("PerSourceMaxHelperJobs 3", "");
	cr_expect_eq(pam_by(mark_of_file(), "ok"), HELPER_OK, "from elsewhere");
	cr_expect_eq(login_of("another", "192.0.2.66"), HELPER_BUSY);
	conf_write("PerSourceMaxHelperJobs 4", "");
	cr_expect_eq(pam_by(mark_of_file(), "ok"), HELPER_OK);
	cr_expect_eq(login_of("another", "192.0.2.66"), HELPER_OK);
	for (size_t i = 0; i < N(p); i++)
		close(p[i].fd);
}

/* However many talk, there is room for files and programs, which take no time. */
Test(control_helper, so_many_conversations_in_all)
{
	struct helper_command m = {.job = job_of("prog0", PATIENCE_MS),
				   .entry = HELPER_AUTHORIZED_KEYS,
				   .key = key_text(t.key)};
	struct peer p[HELPER_TALKS_MAX], other;
	char from[32];

	for (size_t i = 0; i < N(p); i++) {
		snprintf(from, sizeof(from), "198.18.%zu.1", i);
		talk(&p[i], "one", from);
	}
	cr_expect_eq(login_of("another", "192.0.2.1"), HELPER_BUSY);
	cr_expect_eq(t.full, HELPER_LIMIT_TALKS);
	dial(&other);
	say(&other, helper_command_build(t.buf, &m));
	cr_expect_eq(result(&other, NULL, 0), HELPER_OK);
	for (size_t i = 0; i < N(p); i++)
		close(p[i].fd);
}

/* --- programs ------------------------------------------------------------------------------- */

static enum helper_result command(const char *version, char *data, size_t size)
{
	struct helper_command m = {.job = job_of(version, PATIENCE_MS),
				   .entry = HELPER_AUTHORIZED_KEYS,
				   .key = key_text(t.key)};
	struct peer p;

	dial(&p);
	say(&p, helper_command_build(t.buf, &m));
	return result(&p, data, size);
}

Test(control_helper, programs)
{
	for (size_t i = 0; i < N(programs); i++) {
		static char data[HELPER_ALL_MAX];
		char version[16];

		if (programs[i].want == HELPER_LATE)
			continue;
		snprintf(version, sizeof(version), "prog%zu", i);
		cr_expect_eq(command(version, data, sizeof(data)), programs[i].want, "%s: %s",
			     programs[i].line, data);
		if (programs[i].data != NULL)
			cr_expect_str_eq(data, programs[i].data, "%s", programs[i].line);
	}
}

Test(control_helper, tokens_are_filled_in_by_the_helper)
{
	const struct passwd *pw = getpwuid(geteuid());
	char data[1024], want[1024];

	snprintf(want, sizeof(want), "%s %u %s ssh-ed25519 %% 192.0.2.1 4711 198.51.100.1 22 vrf1", t.me,
		 pw->pw_uid, pw->pw_dir);
	cr_expect_eq(command("prog10", data, sizeof(data)), HELPER_OK);
	cr_expect_str_eq(data, want);
	snprintf(want, sizeof(want), "%s\n", t.me);
	cr_expect_eq(command("prog11", data, sizeof(data)), HELPER_OK);
	cr_expect_str_eq(data, want);
}

/* Of a bare key there is no authority to tell of: such a program is not run. */
Test(control_helper, tokens_of_certificates)
{
	struct helper_command m = {.job = job_of("roles", PATIENCE_MS),
				   .entry = HELPER_AUTHORIZED_PRINCIPALS,
				   .key = key_text(t.cert)};
	char data[256];
	struct peer p;

	dial(&p);
	say(&p, helper_command_build(t.buf, &m));
	cr_expect_eq(result(&p, data, sizeof(data)), HELPER_OK);
	cr_expect_str_eq(data, "an id 7 ssh-ed25519");
	m.key = key_text(t.key);
	dial(&p);
	say(&p, helper_command_build(t.buf, &m));
	cr_expect_eq(result(&p, NULL, 0), HELPER_NO);
}

Test(control_helper, a_key_that_is_none)
{
	static const uint8_t bad[] = {0, 0, 0, 11, 's', 's', 'h', '-', 'e', 'd', '2', '5'};
	struct helper_command m = {.job = job_of("prog0", PATIENCE_MS),
				   .entry = HELPER_AUTHORIZED_KEYS,
				   .key = {bad, sizeof(bad)}};
	struct peer p;

	for (; m.key.len > 0; m.key.len /= 2) {
		dial(&p);
		say(&p, helper_command_build(t.buf, &m));
		cr_expect_eq(result(&p, NULL, 0), HELPER_BAD);
	}
}

/* For one user there may be as many as its source may have: none of them lasts. */
Test(control_helper, so_many_programs_at_once_for_one_source)
{
	struct helper_command m = {.job = job_of(SLEEPS, PATIENCE_MS),
				   .entry = HELPER_AUTHORIZED_KEYS,
				   .key = key_text(t.key)};
	struct peer p[FROM_JOBS];

	for (size_t i = 0; i < N(p); i++) {
		dial(&p[i]);
		say(&p[i], helper_command_build(t.buf, &m));
	}
	cr_expect_eq(command("prog0", NULL, 0), HELPER_BUSY);
	for (size_t i = 0; i < N(p); i++)
		close(p[i].fd);
}

Test(control_helper, programs_others_may_write_are_not_run)
{
	char path[128];

	put("program", "#!/bin/sh\necho yes\n", 0777);
	snprintf(path, sizeof(path), "%s/program", t.dir);
	cr_expect_eq(command("own", NULL, 0), HELPER_NO);
	cr_assert_eq(chmod(path, 0755), 0);
	cr_expect_eq(command("own", NULL, 0), HELPER_OK);
	cr_assert_eq(chmod(t.dir, 0777), 0);
	cr_expect_eq(command("own", NULL, 0), HELPER_NO);
	cr_assert_eq(chmod(t.dir, 0755), 0);
}

/* A link is as good as the folder it leads to. */
Test(control_helper, links_to_programs_others_may_replace_are_not_run)
{
	char path[128], folder[128];

	snprintf(folder, sizeof(folder), "%s/open", t.dir);
	cr_assert_eq(mkdir(folder, 0755), 0);
	put("open/program", "#!/bin/sh\necho yes\n", 0755);
	snprintf(path, sizeof(path), "%s/link", t.dir);
	cr_assert_eq(symlink("open/program", path), 0);
	cr_expect_eq(command("link", NULL, 0), HELPER_OK);
	cr_assert_eq(chmod(folder, 0777), 0);
	cr_expect_eq(command("link", NULL, 0), HELPER_NO);
}

Test(control_helper, a_program_runs_as_its_user)
{
	char data[64];

	if (geteuid() != 0)
		return; /* needs another user */
	cr_expect_eq(command("nobody", data, sizeof(data)), HELPER_OK);
	cr_expect_str_eq(data, "nobody\n");
	cr_expect_eq(command("nobody-here", NULL, 0), HELPER_NONE);
}

/* --- files ---------------------------------------------------------------------------------- */

static int read_file(enum helper_entry entry, uint32_t index, char **ret)
{
	struct helper_file m = {.job = job_of("", PATIENCE_MS), .entry = entry, .index = index};
	char why[128];
	size_t len;

	return helper_read_file(t.path, &m, ret, &len, why, sizeof(why));
}

Test(control_helper, files)
{
	char *text = NULL, name[100];

	snprintf(name, sizeof(name), "files/%.64s", t.me);
	put(name, "lines\n", 0600);
	cr_expect_eq(read_file(HELPER_AUTHORIZED_KEYS, 0, &text), 0);
	cr_expect_str_eq(text, "lines\n");
	free(text);
	put(name, "", 0600);
	cr_expect_eq(read_file(HELPER_AUTHORIZED_KEYS, 0, &text), 0);
	cr_expect_str_eq(text, "");
	free(text);
	snprintf(name, sizeof(name), "principals/%.64s", t.me);
	put(name, "role\n", 0600);
	cr_expect_eq(read_file(HELPER_AUTHORIZED_PRINCIPALS, 0, &text), 0);
	cr_expect_str_eq(text, "role\n");
	free(text);
	snprintf(name, sizeof(name), "loose-%.64s", t.me);
	put(name, "lines\n", 0666);
	cr_expect_eq(read_file(HELPER_AUTHORIZED_KEYS, 1, &text), -EACCES);
	cr_expect_eq(read_file(HELPER_AUTHORIZED_KEYS, 2, &text), -ENOENT);
}

Test(control_helper, without_a_helper_there_is_an_error)
{
	struct helper_file m = {.job = job_of("", 1000), .entry = HELPER_AUTHORIZED_KEYS};
	char why[128], *text;
	size_t len;

	cr_expect_eq(helper_read_file("/no/such/socket", &m, &text, &len, why, sizeof(why)),
		     -ENOENT);
}

/* A thread that reads files is not kept by a helper that hangs, however many wait for it. */
Test(control_helper, one_that_takes_nobody_is_late)
{
	struct helper_file m = {.job = job_of("", 100), .entry = HELPER_AUTHORIZED_KEYS};
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), fd[16], n = 0;
	char why[128], *text;
	size_t len;

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/hangs.sock", t.dir);
	cr_assert_eq(bind(listener, (struct sockaddr *)&sun, sizeof(sun)), 0);
	cr_assert_eq(listen(listener, 0), 0);
	cr_expect_eq(helper_read_file(sun.sun_path, &m, &text, &len, why, sizeof(why)), -ETIMEDOUT,
		     "it is asked");
	do {
		cr_assert_lt(n, 16);
		fd[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	} while (connect(fd[n++], (struct sockaddr *)&sun, sizeof(sun)) == 0);
	cr_assert_eq(errno, EAGAIN);
	cr_expect_eq(helper_read_file(sun.sun_path, &m, &text, &len, why, sizeof(why)), -ETIMEDOUT,
		     "it cannot even be asked");
	while (n > 0)
		close(fd[--n]);
	close(listener);
}

/* --- folders that never answer ---------------------------------------------------------------- */

/* Their file system is the test, which takes what it is asked and says nothing. */
static int fuse = -1;
static bool apart; /* mounts are ours alone */

static void hung_setup(void)
{
	apart = unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
	setup();
}

/* What the kernel asks next. */
static struct fuse_in_header asked(void)
{
	static union {
		struct fuse_in_header head;
		uint8_t room[FUSE_MIN_READ_BUFFER];
	} in;
	struct pollfd p = {fuse, POLLIN, 0};

	cr_assert_eq(poll(&p, 1, 20000), 1, "it is not asked");
	cr_assert_geq(read(fuse, &in, sizeof(in)), (ssize_t)sizeof(in.head));
	return in.head;
}

/* False: there is no such thing here. */
static bool hang(void)
{
	struct {
		struct fuse_out_header head;
		struct fuse_init_out init;
	} out = {.init = {.major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 4096}};
	char how[96], path[128];
	struct fuse_in_header in;

	if (apart)
		fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	snprintf(how, sizeof(how), "fd=%d,rootmode=40755,user_id=0,group_id=0,allow_other", fuse);
	snprintf(path, sizeof(path), "%s/files", t.dir);
	if (fuse < 0 || mount("hangs", path, "fuse", MS_NOSUID | MS_NODEV, how) < 0)
		return false;
	in = asked();
	cr_assert_eq(in.opcode, FUSE_INIT);
	out.head = (struct fuse_out_header){.len = sizeof(out), .unique = in.unique};
	cr_assert_eq(write(fuse, &out, sizeof(out)), (ssize_t)sizeof(out));
	return true;
}

/* Then whoever waits hears that it is gone. */
static void let_go(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/files", t.dir);
	if (fuse < 0)
		return;
	close(fuse);
	fuse = -1;
	(void)umount2(path, MNT_DETACH);
}

static void hung_teardown(void)
{
	let_go();
	teardown();
}

/* Does every child of the helper sleep in the kernel? */
static bool all_asleep(void)
{
	char path[64], children[4096] = "", *p = children, *end;
	bool all = true;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", t.pid, t.pid);
	f = fopen(path, "r");
	cr_assert_not_null(f);
	(void)!fgets(children, sizeof(children), f);
	fclose(f);
	for (long pid = strtol(p, &end, 10); end != p; pid = strtol(p, &end, 10)) {
		char state = 0;

		p = end;
		snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
		f = fopen(path, "r");
		if (f == NULL)
			continue;
		all &= fscanf(f, "%*d (%*[^)]) %c", &state) == 1 && state == 'D';
		fclose(f);
	}
	return all;
}

/* A job for a file of mine from this source, which nobody waits for once it hangs. Or it is busy.
 */
static bool file_is_busy(struct helper_file *m, unsigned int source)
{
	struct pollfd answer = {.events = POLLIN};
	char from[32];
	struct peer p;

	snprintf(from, sizeof(from), "192.0.2.%u", 2 + source % 250);
	m->job.peer = ssh_str_c(from);
	dial(&p);
	say(&p, helper_file_build(t.buf, m));
	if (source == 0)
		(void)asked(); /* the others wait for what this one asked, which is not answered */
	answer.fd = p.fd;
	for (unsigned int i = 0; i < 20000 && poll(&answer, 1, 1) == 0; i++)
		if (source == 0 || all_asleep())
			break;
	if (answer.revents != 0)
		return result(&p, NULL, 0) == HELPER_BUSY;
	close(p.fd);
	return false;
}

TestSuite(control_helper_hung, .init = hung_setup, .fini = hung_teardown, .timeout = 60);

/* Not even killed is he gone who waits there: he has a part of the places, and nobody waits. */
Test(control_helper_hung, a_folder_that_never_answers_is_its_users_alone)
{
	struct helper_file m = {.job = job_of("", 60000), .entry = HELPER_AUTHORIZED_KEYS};
	struct helper_file other = {.job = job_of("", 20000),
				    .entry = HELPER_AUTHORIZED_PRINCIPALS};
	char why[128], *text = NULL;
	unsigned int n = 0;
	size_t len;

	if (!hang())
		cr_skip_test("no such file system here");
	cr_expect_eq(pam_by(0, "ok"), HELPER_OK);
	put("principals/nobody", "role\n", 0644);
	other.job.user = ssh_str_c("nobody");
	while (!file_is_busy(&m, n) && n < 20000)
		n++;
	cr_expect_geq(n, HELPER_USER_STUCK_MAX, "%u", n);
	cr_assert_eq(helper_read_file(t.path, &other, &text, &len, why, sizeof(why)), 0, "%s", why);
	cr_expect_str_eq(text, "role\n");
	free(text);
}

/* --- one configuration of two programs ------------------------------------------------------- */

Test(control_helper, a_login_goes_by_one_configuration)
{
	uint64_t first = mark_of_file(), second;

	cr_expect_eq(pam_by(first, "ok"), HELPER_OK);
	cr_expect_eq(pam_by(first + 1, "ok"), HELPER_DENIED, "one that was never there");
	cr_expect_eq(pam_by(0, "ok"), HELPER_OK, "whatever holds");
	/* Control reads first: the helper, which has the older one, does not answer by it. */
	conf_write("", "Match client-version new\nUsePAM yes\nPAMServiceName ok\n");
	second = mark_of_file();
	cr_expect_eq(pam_by(second, "new"), HELPER_OK, "it looks itself");
	/* Who began under the one before is still judged by it. */
	cr_expect_eq(pam_by(first, "new"), HELPER_DENIED);
	cr_expect_eq(pam_by(first, "ok"), HELPER_OK);
	cr_expect_eq(pam_by(second, "ok"), HELPER_OK);
}

/* A file with an error is nobody's: what control has stays what the helper has. */
Test(control_helper, a_broken_file_changes_nothing)
{
	uint64_t first = mark_of_file();

	conf_write("Nonsense\n", "");
	cr_expect_eq(pam_by(first + 1, "ok"), HELPER_DENIED, "it was looked at");
	cr_expect_eq(pam_by(first, "ok"), HELPER_OK);
	cr_expect_eq(pam_by(0, "ok"), HELPER_OK);
}

/* Of many changes the first is over. */
Test(control_helper, only_the_last_ones_are_kept_beside)
{
	uint64_t mark[HELPER_BEFORE + 2];
	unsigned int last = HELPER_BEFORE + 1;

	mark[0] = mark_of_file();
	cr_assert_eq(pam_by(mark[0], "ok"), HELPER_OK, "it takes signals once it serves");
	for (unsigned int i = 1; i <= last; i++) {
		char text[32];

		snprintf(text, sizeof(text), "# %u\n", i);
		conf_write(text, "");
		mark[i] = mark_of_file();
		cr_assert_eq(kill(t.pid, SIGHUP), 0);
		for (int k = 0; k < 200 && pam_by(mark[i], "ok") != HELPER_OK; k++)
			usleep(10000);
	}
	cr_expect_eq(pam_by(mark[0], "ok"), HELPER_DENIED);
	for (unsigned int i = 1; i <= last; i++)
		cr_expect_eq(pam_by(mark[i], "ok"), HELPER_OK, "%u", i);
}

/* --- bytes ---------------------------------------------------------------------------------- */

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
		{"\0\0\0\2\5x", 6}, /* READ says nothing */
		{"\0\0\0\1\6", 5},
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
