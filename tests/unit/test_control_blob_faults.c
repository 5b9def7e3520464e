/* control/blob.c: no call of a library that fails leaves a blob unsealed, or opens one (S-40). */
#include <criterion/criterion.h>
#include <string.h>

#include "control/blob.h"
#include "tests/unit/crypto_faults.h"

static const struct blob_binding to = {{1, 2, 3, 4}, 5};
static const char plain[] = "user demo, may forward to 198.19.0.10:80";
static struct blob_key *key;
static uint8_t sealed[LINK_BLOB_MAX];
static size_t sealed_len;

static int op_seal(const void *arg)
{
	uint8_t out[LINK_BLOB_MAX] = {0};
	size_t len = 0;
	int r;

	(void)arg;
	arm();
	r = disarm(blob_seal(key, &to, plain, sizeof(plain), out, &len));
	cr_expect_null(memmem(out, sizeof(out), "demo", 4), "not sealed");
	if (r < 0)
		cr_expect_eq(len, 0, "a length that nobody may use");
	return r;
}

static int op_open(const void *arg)
{
	uint8_t out[BLOB_PLAIN_MAX], before[BLOB_PLAIN_MAX];
	size_t len = 0;
	int r;

	(void)arg;
	memset(out, 0x5a, sizeof(out));
	memcpy(before, out, sizeof(out));
	arm();
	r = disarm(blob_open(key, &to, sealed, sealed_len, out, &len));
	if (r < 0) {
		cr_expect_eq(len, 0);
		cr_expect_arr_eq(out, before, sizeof(out), "touched on error");
	}
	return r;
}

static int op_key(const void *arg)
{
	struct blob_key *k = NULL;
	int r;

	(void)arg;
	arm();
	r = disarm(blob_key_new(&k));
	if (r < 0)
		cr_expect_null(k);
	blob_key_free(k);
	return r;
}

Test(control_blob_faults, s40_no_failing_call_seals_or_opens)
{
	cr_assert_eq(blob_key_new(&key), 0);
	cr_assert_eq(blob_seal(key, &to, plain, sizeof(plain), sealed, &sealed_len), 0);
	each_call_fails(op_seal, NULL, "blob_seal");
	each_call_fails(op_open, NULL, "blob_open");
	each_call_fails(op_key, NULL, "blob_key_new");
	blob_key_free(key);
}
