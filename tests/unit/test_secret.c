/* tests/unit/test_secret.c - memory that holds secrets, and the system's randomness. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto/secret.h"

Test(secret, new_is_zeroed)
{
	uint8_t *p = secret_new(5000);

	cr_assert_not_null(p);
	for (size_t i = 0; i < 5000; i++)
		cr_assert_eq(p[i], 0);
	secret_free(p, 5000);
}

Test(secret, new_of_nothing_can_be_freed)
{
	void *p = secret_new(0);

	cr_expect_not_null(p);
	secret_free(p, 0);
	secret_free(NULL, 100);
}

/* What the kernel says of the mapping: locked (lo), when used only (lf), not in core dumps (dd). */
static bool flags_of(const void *p, char *ret, size_t size, size_t *ret_resident_kb)
{
	char line[512], want[32];
	bool inside = false, seen = false;
	FILE *f = fopen("/proc/self/smaps", "r");

	cr_assert_not_null(f);
	snprintf(want, sizeof(want), "%lx-", (unsigned long)p);
	while (!seen && fgets(line, sizeof(line), f) != NULL) {
		inside |= strncmp(line, want, strlen(want)) == 0;
		if (inside)
			(void)sscanf(line, "Rss: %zu", ret_resident_kb);
		seen = inside && strncmp(line, "VmFlags:", 8) == 0;
	}
	fclose(f);
	snprintf(ret, size, "%s", line);
	return seen;
}

Test(secret, new_is_locked_and_not_dumped)
{
	uint8_t *p = secret_new(100);
	char flags[512];
	size_t kb = 0;

	cr_assert_not_null(p);
	cr_assert(flags_of(p, flags, sizeof(flags), &kb));
	cr_expect_not_null(strstr(flags, " lo"));
	cr_expect_not_null(strstr(flags, " dd"));
	cr_expect_eq(kb, 4);
	secret_free(p, 100);
}

Test(secret, a_page_that_is_used_again_is_wiped_and_locked)
{
	uint8_t *p[100]; /* more than are kept */
	char flags[512];
	size_t kb = 0;

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 100; i++) {
			size_t len = 1 + (size_t)(i * 997 + round * 41) % 4096;

			p[i] = secret_new(len);
			cr_assert_not_null(p[i]);
			for (size_t k = 0; k < 4096; k++)
				cr_assert_eq(p[i][k], 0, "round %d, page %d, byte %zu", round, i,
					     k);
			memset(p[i], 0xa5, len);
		}
		for (int i = 0; i < 100; i++)
			secret_free(p[i], 1 + (size_t)(i * 997 + round * 41) % 4096);
	}
	secret_trim();
	p[0] = secret_new(1);
	secret_free(p[0], 1);
	p[1] = secret_new(4096);
	cr_expect_eq(p[0], p[1], "it is kept");
	cr_assert(flags_of(p[1], flags, sizeof(flags), &kb));
	cr_expect_not_null(strstr(flags, " lo"));
	cr_expect_not_null(strstr(flags, " dd"));
	secret_free(p[1], 4096);
}

Test(secret, a_child_locks_its_own)
{
	char flags[512] = "";
	size_t kb = 0;
	int status;
	pid_t pid;

	secret_free(secret_new(1), 1);
	pid = fork();
	if (pid == 0) {
		void *p = secret_new(1);

		_exit(p == NULL || !flags_of(p, flags, sizeof(flags), &kb) ||
		      strstr(flags, " lo") == NULL);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(status, 0);
}

/* What it had of its parent is not locked, whatever it is used for next. */
Test(secret, a_child_locks_what_its_parent_had)
{
	char flags[512] = "";
	void *parents = secret_new(1);
	size_t kb = 0;
	int status;
	pid_t pid;

	pid = fork();
	if (pid == 0) {
		void *p;

		secret_free(parents, 1);
		p = secret_new(1);
		_exit(p == NULL || !flags_of(p, flags, sizeof(flags), &kb) ||
		      strstr(flags, " lo") == NULL);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(status, 0);
	secret_free(parents, 1);
}

/* Pages that are kept are nobody's reason to go without. */
Test(secret, what_is_kept_makes_way)
{
	struct rlimit some = {4 * 4096, 4 * 4096};
	void *p[4];

	if (setrlimit(RLIMIT_MEMLOCK, &some) < 0 || (geteuid() == 0 && setuid(65534) < 0))
		cr_skip_test("limits cannot be set here");
	for (int i = 0; i < 4; i++)
		p[i] = secret_new(1);
	for (int i = 0; i < 4; i++) {
		cr_assert_not_null(p[i]);
		secret_free(p[i], 1);
	}
	p[0] = secret_new(2 * 4096);
	cr_assert_not_null(p[0]);
	p[1] = secret_table_new(2 * 4096, 2 * 4096);
	cr_assert_not_null(p[1]);
	secret_table_free(p[1], 2 * 4096, 0);
	secret_free(p[0], 2 * 4096);
}

Test(secret, a_table_takes_memory_where_it_was_used)
{
	const size_t len = 1 << 20;
	uint8_t *p = secret_table_new(len, len);
	char flags[512];
	size_t kb = 1;

	cr_assert_not_null(p);
	cr_assert(flags_of(p, flags, sizeof(flags), &kb));
	cr_expect_not_null(strstr(flags, " lo"));
	cr_expect_not_null(strstr(flags, " dd"));
	cr_expect_eq(kb, 0);
	memset(p, 0xaa, 5000);
	cr_assert(flags_of(p, flags, sizeof(flags), &kb));
	cr_expect_not_null(strstr(flags, " lo"));
	cr_expect_eq(kb, 8);
	secret_table_free(p, len, 5000);
	secret_table_free(NULL, len, 0);
}

/* What counts against the limit is what may be used; of what does not fit nothing is. */
Test(secret, a_table_grows_as_far_as_may_be_locked)
{
	const size_t page = 4096, len = 16 * page;
	struct rlimit some = {4 * 4096, 4 * 4096};
	char flags[512];
	size_t kb = 1;
	uint8_t *p;

	if (setrlimit(RLIMIT_MEMLOCK, &some) < 0 || (geteuid() == 0 && setuid(65534) < 0))
		cr_skip_test("limits cannot be set here");
	p = secret_table_new(len, page);
	cr_assert_not_null(p);
	cr_expect_eq(secret_table_more(p, 4 * page), 0);
	cr_expect_eq(secret_table_more(p, 4 * page), 0, "what is locked counts once");
	cr_expect_eq(secret_table_more(p, 5 * page), -ENOMEM);
	cr_assert(flags_of(p, flags, sizeof(flags), &kb));
	cr_expect_not_null(strstr(flags, " lo"));
	cr_assert(flags_of(p + 4 * page, flags, sizeof(flags), &kb));
	cr_expect_null(strstr(flags, " lo"));
	cr_expect_not_null(strstr(flags, " dd"));
	secret_table_free(p, len, 4 * page);
}

Test(secret, more_than_may_be_locked_is_refused)
{
	struct rlimit none = {0, 0};

	if (setrlimit(RLIMIT_MEMLOCK, &none) < 0 || (geteuid() == 0 && setuid(65534) < 0))
		cr_skip_test("limits cannot be set here");
	cr_expect_null(secret_new(100));
	cr_expect_null(secret_table_new(100, 100));
}

Test(secret, wipe_wipes)
{
	uint8_t p[33];

	memset(p, 0xaa, sizeof(p));
	secret_wipe(p, 32);
	for (int i = 0; i < 32; i++)
		cr_expect_eq(p[i], 0);
	cr_expect_eq(p[32], 0xaa);
	secret_wipe(NULL, 0);
}

Test(secret, equal_looks_at_every_byte)
{
	uint8_t a[16] = {0}, b[16] = {0};

	cr_expect(secret_equal(a, b, 16));
	for (int i = 0; i < 16; i++) {
		b[i] = 0x80;
		cr_expect_not(secret_equal(a, b, 16));
		b[i] = 0;
	}
	cr_expect(secret_equal(a, "x", 0));
}

Test(secret, random_is_not_the_same_twice)
{
	uint8_t a[1000] = {0}, b[1000] = {0};

	cr_assert_eq(crypto_random(a, sizeof(a)), 0);
	cr_assert_eq(crypto_random(b, sizeof(b)), 0);
	cr_expect_arr_neq(a, b, sizeof(a));
	cr_expect_arr_neq(a + 980, b + 980, 20); /* filled to the end */
}

Test(secret, the_first_line_of_a_file_that_is_its_owners_alone)
{
	char path[] = "/tmp/sluice-secret.XXXXXX", buf[8];
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, "word\r\nmore\n", 11), 11);
	cr_expect_eq(secret_line(path, buf, sizeof(buf)), 0);
	cr_expect_str_eq(buf, "word");
	cr_expect_eq(secret_line(path, buf, 4), 0);
	cr_expect_str_eq(buf, "wor");
	cr_assert_eq(fchmod(fd, 0640), 0);
	cr_expect_eq(secret_line(path, buf, sizeof(buf)), -EPERM);
	close(fd);
	unlink(path);
	cr_expect_eq(secret_line(path, buf, sizeof(buf)), -ENOENT);
}
