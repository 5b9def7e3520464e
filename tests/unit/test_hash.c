/* tests/unit/test_hash.c - digests over pieces; vectors of FIPS 180-4 and RFC 1321 ("abc"). */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "crypto/hash.h"

static const struct {
	enum hash_alg alg;
	size_t len;
	const char *abc; /* the first bytes of the digest of "abc" */
} vectors[] = {
	{HASH_SHA1, 20, "\xa9\x99\x3e\x36\x47\x06\x81\x6a"},
	{HASH_SHA256, 32, "\xba\x78\x16\xbf\x8f\x01\xcf\xea"},
	{HASH_SHA384, 48, "\xcb\x00\x75\x3f\x45\xa3\x5e\x8b"},
	{HASH_SHA512, 64, "\xdd\xaf\x35\xa1\x93\x61\x7a\xba"},
	{HASH_MD5, 16, "\x90\x01\x50\x98\x3c\xd2\x4f\xb0"},
};

Test(hash, digests_however_cut)
{
	static const struct hash_piece cuts[][3] = {
		{{"abc", 3}, {"", 0}, {NULL, 0}},
		{{"a", 1}, {"bc", 2}, {"", 0}},
		{{"a", 1}, {"b", 1}, {"c", 1}},
	};
	uint8_t out[HASH_LEN_MAX];

	for (size_t v = 0; v < sizeof(vectors) / sizeof(vectors[0]); v++) {
		cr_expect_eq(hash_len(vectors[v].alg), vectors[v].len);
		for (size_t c = 0; c < 3; c++) {
			cr_assert_eq(hash_digest(vectors[v].alg, cuts[c], 3, out), 0);
			cr_expect_arr_eq(out, vectors[v].abc, 8);
		}
	}
}

Test(hash, empty_input_has_a_digest)
{
	uint8_t out[HASH_LEN_MAX];

	cr_assert_eq(hash_digest(HASH_SHA256, NULL, 0, out), 0);
	cr_expect_arr_eq(out, "\xe3\xb0\xc4\x42\x98\xfc\x1c\x14", 8);
}

/* RFC 2202 section 3, cases 1, 2 and 6; RFC 4231 section 4.3. */
Test(hash, hmac)
{
	static const struct {
		enum hash_alg alg;
		const char *key, *data, *mac;
		size_t key_len;
	} c[] = {
		{HASH_SHA1, "\x0b", "Hi There", "\xb6\x17\x31\x86\x55\x05\x72\x64", 20},
		{HASH_SHA1, "Jefe", "what do ya want for nothing?",
		 "\xef\xfc\xdf\x6a\xe5\xeb\x2f\xa2", 4},
		{HASH_SHA1, "\xaa", "Test Using Larger Than Block-Size Key - Hash Key First",
		 "\xaa\x4a\xe5\xe1\x52\x72\xd0\x0e", 80},
		{HASH_SHA256, "Jefe", "what do ya want for nothing?",
		 "\x5b\xdc\xc1\x46\xbf\x60\x75\x4e", 4},
	};
	uint8_t key[80], out[HASH_LEN_MAX];

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		memset(key, c[i].key[0], sizeof(key));
		if (strlen(c[i].key) > 1)
			memcpy(key, c[i].key, c[i].key_len);
		cr_assert_eq(
			hash_hmac(c[i].alg, key, c[i].key_len, c[i].data, strlen(c[i].data), out),
			0);
		cr_expect_arr_eq(out, c[i].mac, 8, "case %zu", i);
	}
	cr_expect_eq(hash_hmac((enum hash_alg)99, key, 1, "", 0, out), -EINVAL);
}

Test(hash, unknown_algorithm_is_refused)
{
	uint8_t out[HASH_LEN_MAX];

	cr_expect_eq(hash_digest((enum hash_alg)0, NULL, 0, out), -EINVAL);
	cr_expect_eq(hash_digest((enum hash_alg)99, NULL, 0, out), -EINVAL);
	cr_expect_eq(hash_len((enum hash_alg)99), 0);
}
