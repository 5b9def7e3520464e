/* control/blob.c: what a dataplane keeps and cannot read, alter or use elsewhere. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/blob.h"

static const struct blob_binding to = {{1, 2, 3, 4}, 0x0102030405060708};
static const char plain[] = "user demo, may forward to 198.19.0.10:80";
static struct blob_key *key;
static uint8_t sealed[LINK_BLOB_MAX];
static size_t sealed_len;
static char dir[] = "/tmp/sluice-blob-XXXXXX", path[64];

static void setup(void)
{
	cr_assert_eq(blob_key_new(&key), 0);
	cr_assert_eq(blob_seal(key, &to, plain, sizeof(plain), sealed, &sealed_len), 0);
	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/blob.key", dir);
}

static void teardown(void)
{
	blob_key_free(key);
	unlink(path);
	rmdir(dir);
}

TestSuite(control_blob, .init = setup, .fini = teardown);

static int open_as(const struct blob_key *k, const struct blob_binding *b, const uint8_t *p,
		   size_t n)
{
	uint8_t out[BLOB_PLAIN_MAX];
	size_t len;

	return blob_open(k, b, p, n, out, &len);
}

Test(control_blob, comes_back)
{
	uint8_t out[BLOB_PLAIN_MAX];
	size_t len = 0;

	cr_assert_eq(blob_open(key, &to, sealed, sealed_len, out, &len), 0);
	cr_expect_eq(len, sizeof(plain));
	cr_expect_arr_eq(out, plain, sizeof(plain));
	cr_expect_null(memmem(sealed, sealed_len, "demo", 4), "and is not readable on the way");
}

Test(control_blob, no_bit_may_flip)
{
	for (size_t bit = 0; bit < sealed_len * 8; bit++) {
		sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
		cr_assert_eq(open_as(key, &to, sealed, sealed_len), -EBADMSG, "bit %zu", bit);
		sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

Test(control_blob, no_length_but_its_own)
{
	for (size_t n = 0; n < sealed_len; n++)
		cr_assert_eq(open_as(key, &to, sealed, n), -EBADMSG, "length %zu", n);
	cr_expect_eq(open_as(key, &to, sealed, sealed_len + 1), -EBADMSG);
}

Test(control_blob, no_other_connection_or_start)
{
	static const struct blob_binding other[] = {
		{{0, 2, 3, 4}, 0x0102030405060708}, {{1, 0, 3, 4}, 0x0102030405060708},
		{{1, 2, 0, 4}, 0x0102030405060708}, {{1, 2, 3, 5}, 0x0102030405060708},
		{{1, 2, 3, 4}, 0x0102030405060709},
	};

	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
		cr_expect_eq(open_as(key, &other[i], sealed, sealed_len), -EBADMSG, "case %zu", i);
}

Test(control_blob, no_other_key)
{
	struct blob_key *k = NULL;

	cr_assert_eq(blob_key_new(&k), 0);
	cr_expect_eq(open_as(k, &to, sealed, sealed_len), -EBADMSG);
	blob_key_free(k);
}

Test(control_blob, never_the_same_bytes_twice)
{
	uint8_t again[LINK_BLOB_MAX];
	size_t len;

	cr_assert_eq(blob_seal(key, &to, plain, sizeof(plain), again, &len), 0);
	cr_expect_arr_neq(again, sealed, sealed_len);
}

Test(control_blob, too_long_is_refused)
{
	uint8_t big[BLOB_PLAIN_MAX + 1] = {0};
	size_t len;

	cr_expect_eq(blob_seal(key, &to, big, sizeof(big), sealed, &len), -EMSGSIZE);
	cr_expect_eq(blob_seal(key, &to, big, sizeof(big) - 1, sealed, &len), 0);
	cr_expect_eq(len, LINK_BLOB_MAX);
}

Test(control_blob, the_key_file_outlives_a_restart)
{
	struct blob_key *a = NULL, *b = NULL;
	struct stat st;

	cr_assert_eq(blob_key_open(path, &a), 0);
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0600);
	cr_assert_eq(blob_key_open(path, &b), 0);
	cr_assert_eq(blob_seal(a, &to, plain, sizeof(plain), sealed, &sealed_len), 0);
	cr_expect_eq(open_as(b, &to, sealed, sealed_len), 0);
	blob_key_free(a);
	blob_key_free(b);
}

Test(control_blob, a_key_file_others_may_read_is_refused)
{
	struct blob_key *k = NULL;

	cr_assert_eq(blob_key_open(path, &k), 0);
	blob_key_free(k);
	k = NULL;
	cr_assert_eq(chmod(path, 0644), 0);
	cr_expect_eq(blob_key_open(path, &k), -EACCES);
	cr_assert_eq(chmod(path, 0600), 0);
	cr_assert_eq(truncate(path, 31), 0);
	cr_expect_eq(blob_key_open(path, &k), -EINVAL);
	cr_expect_null(k);
}
