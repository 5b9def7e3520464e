/* control/auth/totp.h: RFC 6238's own vectors, files of secrets, codes that count once. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/auth/totp.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
/* "12345678901234567890" of RFC 4226 and 6238, in base32. */
#define SEED "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"

static struct totp_secret secret_of(const char *line)
{
	struct totp_secret s;
	size_t user_len;

	cr_assert_eq(totp_line_parse(line, strlen(line), &user_len, &s), 0, "%s", line);
	return s;
}

/* RFC 6238 appendix B, SHA-1, eight digits. */
Test(control_totp, rfc_6238_appendix_b)
{
	static const struct {
		uint64_t now;
		const char *code;
	} c[] = {
		{59, "94287082"},         {1111111109, "07081804"},
		{1111111111, "14050471"}, {1234567890, "89005924"},
		{2000000000, "69279037"}, {UINT64_C(20000000000), "65353130"},
	};
	struct totp_secret s = secret_of("u:" SEED " 8");
	uint64_t step;

	for (size_t i = 0; i < N(c); i++) {
		cr_expect_eq(totp_check(&s, c[i].code, 8, c[i].now, 0, 0, &step), 0, "%zu", i);
		cr_expect_eq(step, c[i].now / 30);
		cr_expect_eq(totp_check(&s, c[i].code, 7, c[i].now, 0, 0, &step), -EBADMSG);
		cr_expect_eq(totp_check(&s, c[i].code, 8, c[i].now + 60, 1, 0, &step), -EBADMSG);
	}
}

Test(control_totp, the_window_is_so_many_steps_either_way)
{
	struct totp_secret s = secret_of("u:" SEED " 8");
	uint64_t step;

	for (int off = -3; off <= 3; off++) {
		uint64_t now = (uint64_t)(1111111109 + 30 * off);
		int want = off >= -2 && off <= 2 ? 0 : -EBADMSG;

		cr_expect_eq(totp_check(&s, "07081804", 8, now, 2, 0, &step), want, "%d", off);
	}
}

Test(control_totp, a_step_that_was_used_or_is_older_does_not_count)
{
	struct totp_secret s = secret_of("u:" SEED " 8");
	uint64_t at = 1111111109 / 30, step;

	cr_expect_eq(totp_check(&s, "07081804", 8, 1111111109, 1, at - 1, &step), 0);
	cr_expect_eq(totp_check(&s, "07081804", 8, 1111111109, 1, at, &step), -EBADMSG);
	cr_expect_eq(totp_check(&s, "07081804", 8, 1111111109, 1, at + 5, &step), -EBADMSG);
	cr_expect_eq(totp_check(&s, "07081804", 8, 1111111109, 1, UINT64_MAX, &step), -EBADMSG);
}

Test(control_totp, lines)
{
	static const struct {
		const char *line;
		int r;
		unsigned int digits, step;
	} c[] = {
		{"u:" SEED, 0, 6, 30},
		{"u:" SEED " 8", 0, 8, 30},
		{"u:" SEED " 7 60", 0, 7, 60},
		{"u:" SEED "\t6\t1\r", 0, 6, 1},
		{"u:gezdgnbvgy3tqojqgezdgnbvgy3tqojq", 0, 6, 30},
		{"", -ENOENT, 0, 0},
		{"# u:" SEED, -ENOENT, 0, 0},
		{":" SEED, -EINVAL, 0, 0},
		{"u", -EINVAL, 0, 0},
		{"u:", -EINVAL, 0, 0},
		{"u:GEZDGNBV", -EINVAL, 0, 0}, /* five bytes are no secret */
		{"u:01890189018901890189", -EINVAL, 0, 0},
		{"u:" SEED " 5", -EINVAL, 0, 0},
		{"u:" SEED " 9", -EINVAL, 0, 0},
		{"u:" SEED " 6 0", -EINVAL, 0, 0},
		{"u:" SEED " 6 3601", -EINVAL, 0, 0},
		{"u:" SEED " 6 30 x", -EINVAL, 0, 0},
		{"u:" SEED " six", -EINVAL, 0, 0},
		{"u:" SEED " 99999999999999999999", -EINVAL, 0, 0},
	};

	for (size_t i = 0; i < N(c); i++) {
		struct totp_secret s;
		size_t user_len;
		int r = totp_line_parse(c[i].line, strlen(c[i].line), &user_len, &s);

		cr_expect_eq(r, c[i].r, "%s: %d", c[i].line, r);
		if (r == 0 && c[i].r == 0) {
			cr_expect_eq(user_len, 1);
			cr_expect_eq(s.len, 20);
			cr_expect_eq(s.digits, c[i].digits, "%s", c[i].line);
			cr_expect_eq(s.step, c[i].step, "%s", c[i].line);
		}
	}
}

Test(control_totp, who_has_no_secret_gets_one_nobody_knows)
{
	struct totp_secret a, b;

	cr_expect_eq(totp_find("u:" SEED "\n", 35, "v", &a), -ENOENT);
	cr_expect_eq(totp_find("u:" SEED "\n", 35, "v", &b), -ENOENT);
	cr_expect(memcmp(a.key, b.key, a.len) != 0);
	cr_expect_eq(totp_find("u:" SEED "\n", 35, "u", &a), 0);
	cr_expect(memcmp(a.key, "12345678901234567890", 20) == 0);
}

Test(control_totp, the_state_remembers_the_last_step_and_forgets_old_ones)
{
	static const char old[] = "a b 50\nc 7\nnonsense\nd x\nu 40\ne 100\n";
	char *text = NULL;
	size_t len;

	cr_expect_eq(totp_last(old, strlen(old), "u"), 40);
	cr_expect_eq(totp_last(old, strlen(old), "a b"), 50);
	cr_expect_eq(totp_last(old, strlen(old), "d"), 0);
	cr_assert_eq(totp_state_with(old, strlen(old), "u", 60, 45, &text, &len), 0);
	cr_expect_eq(len, strlen("a b 50\ne 100\nu 60\n"));
	cr_expect(memcmp(text, "a b 50\ne 100\nu 60\n", len) == 0, "%.*s", (int)len, text);
	free(text);
}

/* --- files ---------------------------------------------------------------------------- */

static char dir[64], secrets[128], state[128];

/* What is done to the disk, in this order; and which of it fails, counted from 1. */
static char disk[16];
static unsigned int fail_at;

static int disk_call(char what)
{
	size_t n = strlen(disk);

	if (n < sizeof(disk) - 1)
		disk[n] = what;
	if (n + 1 != fail_at)
		return 0;
	errno = EIO;
	return -1;
}

/* In place of the library's, for all of this program: 'f' a file, 'd' a folder, 'r' a new name. */
int fsync(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? disk_call(S_ISDIR(st.st_mode) ? 'd' : 'f') : -1;
}

int rename(const char *from, const char *to)
{
	int r = disk_call('r');

	return r < 0 ? r : renameat(AT_FDCWD, from, AT_FDCWD, to);
}

static void put(const char *path, const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");

	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
	cr_assert_eq(chmod(path, mode), 0);
}

static void setup(void)
{
	strcpy(dir, "/tmp/sluice-totp-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	snprintf(secrets, sizeof(secrets), "%s/secrets", dir);
	snprintf(state, sizeof(state), "%s/state", dir);
	put(secrets, "u:" SEED " 8\nv:" SEED " 8\n", 0600);
}

static void teardown(void)
{
	(void)unlink(secrets);
	(void)unlink(state);
	(void)rmdir(dir);
}

static int use(const char *user, const char *code, uint64_t now)
{
	const struct totp_files files = {secrets, state};
	char why[256] = "";

	return totp_use(&files, user, code, strlen(code), now, 1, why, sizeof(why));
}

TestSuite(control_totp_files, .init = setup, .fini = teardown);

/* Nothing is kept in memory between calls: what holds here holds across restarts. */
Test(control_totp_files, a_code_counts_once)
{
	cr_expect_eq(use("u", "07081804", 1111111109), 0);
	cr_expect_eq(use("u", "07081804", 1111111109), -EBADMSG);
	cr_expect_eq(use("v", "07081804", 1111111109), 0, "another user's is another code");
	cr_expect_eq(use("u", "14050471", 1111111111), 0);
	cr_expect_eq(use("u", "07081804", 1111111111), -EBADMSG, "an older one");
	cr_expect_eq(use("nobody", "07081804", 1111111109), -ENOENT);
	cr_expect_eq(use("u", "00000000", 1111111200), -EBADMSG);
}

/* Whoever is let in, the code is known as used from then on, whatever goes down when. */
/* Each call of liboath fails in turn; 0: none does. */
static unsigned int oath_calls, oath_fail_at;
static int oath_says;

int __real_oath_hotp_generate(const char *secret, size_t len, uint64_t factor, unsigned int digits,
			      bool add_checksum, size_t truncation, char *otp);
int __wrap_oath_hotp_generate(const char *secret, size_t len, uint64_t factor, unsigned int digits,
			      bool add_checksum, size_t truncation, char *otp);
int __wrap_oath_hotp_generate(const char *secret, size_t len, uint64_t factor, unsigned int digits,
			      bool add_checksum, size_t truncation, char *otp)
{
	if (++oath_calls == oath_fail_at)
		return oath_says;
	return __real_oath_hotp_generate(secret, len, factor, digits, add_checksum, truncation,
					 otp);
}

int __real_oath_base32_decode(const char *in, size_t len, char **out, size_t *out_len);
int __wrap_oath_base32_decode(const char *in, size_t len, char **out, size_t *out_len);
int __wrap_oath_base32_decode(const char *in, size_t len, char **out, size_t *out_len)
{
	if (++oath_calls == oath_fail_at)
		return oath_says;
	return __real_oath_base32_decode(in, len, out, out_len);
}

/* Also the call for a step in which the code is not. */
Test(control_totp_files, s40_a_library_that_fails_lets_nobody_in)
{
	unsigned int calls;

	put(secrets, "u:" SEED " 8\n", 0600); /* no other's line that may fail instead */
	oath_calls = 0;
	cr_assert_eq(use("u", "07081804", 1111111109), 0);
	calls = oath_calls;
	cr_assert_gt(calls, 3);
	for (oath_fail_at = 1; oath_fail_at <= calls; oath_fail_at++)
		for (oath_says = -1; oath_says <= 1; oath_says += 2) {
			oath_calls = 0;
			(void)unlink(state);
			cr_expect_lt(use("u", "07081804", 1111111109), 0, "call %u", oath_fail_at);
			cr_expect_eq(access(state, F_OK), -1, "nor is it used up");
		}
	oath_fail_at = 0;
	cr_expect_eq(use("u", "07081804", 1111111109), 0);
}

Test(control_totp_files, a_code_is_on_the_disk_before_it_counts)
{
	cr_expect_eq(use("u", "07081804", 1111111109), 0);
	cr_expect_str_eq(disk, "frd");
}

Test(control_totp_files, a_disk_that_fails_lets_nobody_in_and_no_code_twice)
{
	for (fail_at = 1; fail_at <= 3; fail_at++) {
		int second;

		memset(disk, 0, sizeof(disk));
		(void)unlink(state);
		cr_expect_lt(use("u", "07081804", 1111111109), 0, "%u", fail_at);
		/* Where the new state has its name the code is used up; else nobody had used it. */
		second = use("u", "07081804", 1111111109);
		cr_expect_eq(second, fail_at < 3 ? 0 : -EBADMSG, "%u: %d", fail_at, second);
		cr_expect_eq(use("u", "07081804", 1111111109), -EBADMSG, "%u", fail_at);
	}
}

/* A crash leaves the new file without its name: it is no state, and no hindrance. */
Test(control_totp_files, what_a_crash_left_behind)
{
	char left[160];

	snprintf(left, sizeof(left), "%s.new", state);
	cr_expect_eq(use("u", "07081804", 1111111109), 0);
	put(left, "u 1\n", 0600);
	cr_expect_eq(use("u", "07081804", 1111111109), -EBADMSG);
	cr_expect_eq(use("u", "14050471", 1111111111), 0);
	cr_expect_eq(access(left, F_OK), -1);
}

Test(control_totp_files, without_a_state_that_can_be_written_nobody_gets_in)
{
	snprintf(state, sizeof(state), "%s/no-such-folder/state", dir);
	cr_expect_lt(use("u", "07081804", 1111111109), 0);
}

Test(control_totp_files, files_that_others_can_read_are_refused)
{
	cr_assert_eq(chmod(secrets, 0640), 0);
	cr_expect_eq(use("u", "07081804", 1111111109), -EACCES);
	cr_assert_eq(chmod(secrets, 0600), 0);
	put(state, "", 0644);
	cr_expect_eq(use("u", "07081804", 1111111109), -EACCES);
}
