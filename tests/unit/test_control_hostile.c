/*
 * A control that somebody else has taken over speaks to sluice-helper: what is not configured it
 * does not get, whatever it says.
 */
#include <time.h>

#include "tests/util/helper_bench.h"

#include <grp.h>

#include "tests/util/rnd.h"

TestSuite(control_hostile, .init = setup, .fini = teardown, .timeout = 60);

static enum helper_result ask(size_t len)
{
	struct peer p;

	dial(&p);
	say(&p, len);
	return result(&p, NULL, 0);
}

static enum helper_result ask_pam(const struct helper_job *job)
{
	struct helper_pam m = pam_of("", "right");

	m.job = *job;
	return ask(helper_pam_build(t.buf, &m));
}

static enum helper_result ask_command(const struct helper_job *job, enum helper_entry entry)
{
	struct helper_command m = {.job = *job, .entry = entry, .key = key_text(t.key)};

	return ask(helper_command_build(t.buf, &m));
}

static enum helper_result ask_file(const struct helper_job *job, enum helper_entry entry,
				   uint32_t index)
{
	struct helper_file m = {.job = *job, .entry = entry, .index = index};

	return ask(helper_file_build(t.buf, &m));
}

static enum helper_result read_again(void)
{
	return ask(helper_read_build(t.buf));
}

/* --- entries --------------------------------------------------------------------------------- */

Test(control_hostile, programs_and_services_that_are_not_configured)
{
	static const struct {
		const char *version;
		enum helper_msg what;
		enum helper_entry entry;
		enum helper_result want;
	} c[] = {
		{"", HELPER_PAM, 0, HELPER_DENIED}, /* UsePAM is off */
		{"prog0", HELPER_PAM, 0, HELPER_DENIED},
		{"ok ", HELPER_PAM, 0, HELPER_DENIED},
		{"ok", HELPER_PAM, 0, HELPER_OK},
		{"", HELPER_COMMAND, HELPER_AUTHORIZED_KEYS, HELPER_DENIED},
		{"", HELPER_COMMAND, HELPER_AUTHORIZED_PRINCIPALS, HELPER_DENIED},
		{"ok", HELPER_COMMAND, HELPER_AUTHORIZED_KEYS, HELPER_DENIED},
		{"prog0", HELPER_COMMAND, HELPER_AUTHORIZED_PRINCIPALS, HELPER_DENIED},
		{"roles", HELPER_COMMAND, HELPER_AUTHORIZED_KEYS, HELPER_DENIED},
		{"prog0", HELPER_COMMAND, HELPER_AUTHORIZED_KEYS, HELPER_OK},
		{"prog999", HELPER_COMMAND, HELPER_AUTHORIZED_KEYS, HELPER_DENIED},
		{"prog0", HELPER_COMMAND, 0, HELPER_BAD},
		{"prog0", HELPER_COMMAND, HELPER_ENTRIES, HELPER_BAD},
		{"prog0", HELPER_COMMAND, 255, HELPER_BAD},
	};

	for (size_t i = 0; i < N(c); i++) {
		struct helper_job job = job_of(c[i].version, PATIENCE_MS);

		cr_expect_eq(c[i].what == HELPER_PAM ? ask_pam(&job)
						     : ask_command(&job, c[i].entry),
			     c[i].want, "%zu", i);
	}
}

Test(control_hostile, files_that_are_not_configured)
{
	static const struct {
		enum helper_entry entry;
		uint32_t index;
		enum helper_result want;
	} c[] = {
		{HELPER_AUTHORIZED_KEYS, 0, HELPER_NONE}, /* it could be, and is not there */
		{HELPER_AUTHORIZED_KEYS, 3, HELPER_DENIED},
		{HELPER_AUTHORIZED_KEYS, UINT32_MAX, HELPER_DENIED},
		{HELPER_AUTHORIZED_PRINCIPALS, 0, HELPER_NONE},
		{HELPER_AUTHORIZED_PRINCIPALS, 1, HELPER_DENIED},
		{0, 0, HELPER_BAD},
		{HELPER_ENTRIES, 0, HELPER_BAD},
	};
	struct helper_job job = job_of("", PATIENCE_MS);

	for (size_t i = 0; i < N(c); i++)
		cr_expect_eq(ask_file(&job, c[i].entry, c[i].index), c[i].want, "%zu", i);
}

/* A name is no way to another path, and no option of a program's. */
Test(control_hostile, names_that_are_none)
{
	static const char *const user[] = {
		".",  "..",   "../root", "a/b",  "/etc/passwd",
		"-x", "a..b", "a\nb",    "\x7f", "no-one-here",
	};
	struct helper_job job = job_of("prog0", PATIENCE_MS);

	put("passwd", "nobody's\n", 0644);
	for (size_t i = 0; i < N(user); i++) {
		job.user = ssh_str_c(user[i]);
		cr_expect_eq(ask_file(&job, HELPER_AUTHORIZED_KEYS, 0), HELPER_NONE, "%s", user[i]);
		if (strcmp(user[i], "no-one-here") != 0)
			cr_expect_eq(ask_command(&job, HELPER_AUTHORIZED_KEYS), HELPER_DENIED, "%s",
				     user[i]);
		job.version = ssh_str_c("ok");
		if (strcmp(user[i], "no-one-here") != 0)
			cr_expect_eq(ask_pam(&job), HELPER_NO, "%s: the right password", user[i]);
		job.version = ssh_str_c("prog0");
	}
	job.user.len = 0;
	cr_expect_eq(ask_file(&job, HELPER_AUTHORIZED_KEYS, 0), HELPER_BAD);
}

/* --- for whom --------------------------------------------------------------------------------- */

/* What Match gives one user no other one has, and groups are looked up by the helper. */
Test(control_hostile, entries_of_other_users)
{
	const struct group *gr = getgrgid(getegid());
	struct helper_job mine = job_of("", PATIENCE_MS), his = mine;
	char last[512];

	snprintf(last, sizeof(last),
		 "Match User nobody\nUsePAM yes\nPAMServiceName ok\n"
		 "Match Group %s\nAuthorizedPrincipalsCommand /bin/echo\n"
		 "AuthorizedPrincipalsCommandUser %s\n",
		 gr->gr_name, t.me);
	conf_write("", last);
	cr_assert_eq(read_again(), HELPER_OK);
	his.user = ssh_str_c("nobody");
	cr_expect_eq(ask_pam(&his), HELPER_OK);
	cr_expect_eq(ask_pam(&mine), HELPER_DENIED);
	cr_expect_eq(ask_command(&mine, HELPER_AUTHORIZED_PRINCIPALS), HELPER_OK);
	cr_expect_eq(ask_command(&his, HELPER_AUTHORIZED_PRINCIPALS), HELPER_DENIED);
}

/* What lies where a user's keys should be is read with that user's rights, whoever laid it there.
 */
Test(control_hostile, a_link_to_what_only_root_may_read)
{
	struct helper_job job = job_of("", PATIENCE_MS);
	char path[128];

	if (geteuid() != 0)
		return; /* needs another user */
	job.user = ssh_str_c("nobody");
	put("secret", "root's\n", 0600);
	snprintf(path, sizeof(path), "%s/files/nobody", t.dir);
	cr_assert_eq(symlink("../secret", path), 0);
	cr_expect_eq(ask_file(&job, HELPER_AUTHORIZED_KEYS, 0), HELPER_NO);
	cr_assert_eq(unlink(path), 0);
	put("files/nobody", "his\n", 0644);
	cr_expect_eq(ask_file(&job, HELPER_AUTHORIZED_KEYS, 0), HELPER_OK);
}

/* --- what it says of itself ------------------------------------------------------------------- */

Test(control_hostile, addresses_that_are_none)
{
	static const char *const text[] = {
		"",        "x",     "192.0.2.1/24", "192.0.2.1 ",
		"192.0.2", "$(id)", "fe80::1%lo",   "localhost",
	};

	for (size_t i = 0; i < 2 * N(text); i++) {
		struct helper_job job = job_of("ok", PATIENCE_MS);

		*(i % 2 ? &job.peer : &job.local) = ssh_str_c(text[i / 2]);
		cr_expect_eq(ask_pam(&job), HELPER_BAD, "%s", text[i / 2]);
	}
}

Test(control_hostile, times_that_are_none)
{
	static const uint32_t ms[] = {0, HELPER_TIME_MAX + 1, UINT32_MAX};

	for (size_t i = 0; i < N(ms); i++) {
		struct helper_job job = job_of("ok", ms[i]);

		cr_expect_eq(ask_pam(&job), HELPER_BAD, "%u", ms[i]);
	}
}

/* Requests with a program, a service or a path in them, as they might be wished for. */
Test(control_hostile, words_the_protocol_does_not_have)
{
	static const char *const more[] = {"/bin/sh", "sshd", "/etc/shadow"};

	for (int type = HELPER_PAM; type <= HELPER_FILE; type++) {
		for (size_t i = 0; i < N(more); i++) {
			struct helper_command m = {.job = job_of("prog0", PATIENCE_MS),
						   .entry = HELPER_AUTHORIZED_KEYS,
						   .key = key_text(t.key)};
			size_t len = helper_command_build(t.buf, &m);
			struct ssh_wr w;

			/* The same with one word more, its length mended. */
			ssh_wr_init(&w, t.buf + len, 64);
			ssh_wr_cstr(&w, more[i]);
			len += ssh_wr_done(&w);
			ssh_wr_init(&w, t.buf, 4);
			ssh_wr_u32(&w, (uint32_t)len - 4);
			t.buf[4] = (uint8_t)type;
			cr_expect_eq(ask(len), HELPER_BAD, "%d %s", type, more[i]);
		}
	}
}

/* A conversation begins with a request; answers and what a helper says are none. */
Test(control_hostile, messages_at_the_wrong_time)
{
	const struct ssh_str word = ssh_str_c("right");
	struct ssh_prompts asked = {.n = 1, .prompt = {{word, false}}};
	struct helper_pam m = pam_of("asks", "");

	cr_expect_eq(ask(helper_answer_build(t.buf, 1, &word)), HELPER_BAD);
	cr_expect_eq(ask(helper_ask_build(t.buf, &asked)), HELPER_BAD);
	cr_expect_eq(ask(helper_data_build(t.buf, "x", 1)), HELPER_BAD);
	cr_expect_eq(ask(helper_done_build(t.buf, HELPER_OK, "")), HELPER_BAD);
	/* An answer before the question: behind the request, or in its place. */
	m.conversation = true;
	for (int late = 0; late < 2; late++) {
		size_t len = helper_pam_build(t.buf, &m);
		struct ssh_str body;
		struct peer p;

		dial(&p);
		if (late) {
			say(&p, len);
			cr_assert_eq(hear(&p, &body), HELPER_ASK);
			say(&p, helper_read_build(t.buf));
		} else {
			static uint8_t two[2 * (HELPER_FRAME_MAX + 4)];
			size_t more;

			memcpy(two, t.buf, len);
			more = helper_answer_build(t.buf, 1, &word);
			memcpy(two + len, t.buf, more);
			cr_assert_eq(send(p.fd, two, len + more, MSG_NOSIGNAL),
				     (ssize_t)(len + more));
		}
		cr_expect_eq(result(&p, NULL, 0), HELPER_BAD, "%d", late);
	}
}

/* --- reading again --------------------------------------------------------------------------- */

Test(control_hostile, it_is_not_read_again_and_again)
{
	struct timespec a, b;
	unsigned int n = 0;
	double s;

	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < 10 * HELPER_READS_SAVED; i++)
		n += read_again() == HELPER_OK;
	clock_gettime(CLOCK_MONOTONIC, &b);
	s = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
	cr_expect_geq(n, HELPER_READS_SAVED);
	cr_expect_leq(n, HELPER_READS_SAVED + 1 + s * HELPER_READS_PER_S);
}

/* PAM is switched on by a file of this mode: what is said to that, and whether it is on then. */
static void read_of(const char *first, mode_t mode, enum helper_result want,
		    enum helper_result after)
{
	struct helper_job job = job_of("", PATIENCE_MS);

	conf_write(first, "");
	cr_assert_eq(chmod(t.conf_path, mode), 0);
	cr_expect_eq(read_again(), want);
	cr_expect_eq(ask_pam(&job), after);
}

Test(control_hostile, a_configuration_of_roots_is_believed)
{
	read_of("UsePAM yes\nPAMServiceName ok", 0644, HELPER_OK, HELPER_OK);
}

Test(control_hostile, one_that_a_group_may_write_is_not)
{
	read_of("UsePAM yes\nPAMServiceName ok", 0664, HELPER_NO, HELPER_DENIED);
}

Test(control_hostile, one_that_all_may_write_is_not)
{
	read_of("UsePAM yes\nPAMServiceName ok", 0646, HELPER_NO, HELPER_DENIED);
}

Test(control_hostile, one_with_a_mistake_is_not)
{
	read_of("UsePAM yes\nPAMServiceName ok\nUsePAMs", 0644, HELPER_NO, HELPER_DENIED);
}

Test(control_hostile, included_files_are_not_believed_either)
{
	char first[128];

	snprintf(first, sizeof(first), "Include %s/more", t.dir);
	put("more", "UsePAM yes\n", 0666);
	conf_write(first, "");
	cr_expect_eq(read_again(), HELPER_NO);
}

Test(control_hostile, a_signal_has_it_read_again)
{
	struct helper_job job = job_of("", PATIENCE_MS);
	enum helper_result r = HELPER_DENIED;

	cr_expect_eq(ask_pam(&job), HELPER_DENIED);
	conf_write("UsePAM yes\nPAMServiceName ok", "");
	cr_assert_eq(kill(t.pid, SIGHUP), 0);
	for (int i = 0; i < 200 && (r = ask_pam(&job)) == HELPER_DENIED; i++)
		usleep(5000);
	cr_expect_eq(r, HELPER_OK);
}

/* --- whatever it says ------------------------------------------------------------------------ */

static struct ssh_str pick(struct rnd *r, const char *const *words, size_t n)
{
	return ssh_str_c(words[rnd_below(r, (uint32_t)n)]);
}

/* Requests made up of likely words: none of them runs anything or lets anybody in. */
Test(control_hostile, whatever_it_says)
{
	static const char *const user[] = {"root", "nobody", "..", "no-one", "-h", "%u", ""};
	static const char *const addr[] = {"192.0.2.1", "::1", "%h", "0.0.0.0"};
	static const char *const version[] = {"", "SSH-2.0-x", "*", "prog", "services", "%k"};
	int rounds = test_long() ? 20000 : 150;
	struct rnd rnd = rnd_new(rnd_seed());

	for (int i = 0; i < rounds; i++) {
		struct helper_job job = {.user = pick(&rnd, user, N(user)),
					 .peer = pick(&rnd, addr, N(addr)),
					 .local = pick(&rnd, addr, N(addr)),
					 .peer_port = (uint16_t)rnd_below(&rnd, 65536),
					 .local_port = (uint16_t)rnd_below(&rnd, 65536),
					 .version = pick(&rnd, version, N(version)),
					 .invalid_user = rnd_below(&rnd, 2) != 0,
					 .time_ms = PATIENCE_MS};
		enum helper_result r;

		switch (rnd_below(&rnd, 3)) {
		case 0:
			r = ask_pam(&job);
			break;
		case 1:
			r = ask_command(&job, (enum helper_entry)rnd_below(&rnd, 4));
			break;
		default:
			r = ask_file(&job, (enum helper_entry)rnd_below(&rnd, 4),
				     rnd_below(&rnd, 5));
		}
		cr_expect(r == HELPER_DENIED || r == HELPER_NONE || r == HELPER_BAD, "%d: %d", i,
			  r);
	}
}
