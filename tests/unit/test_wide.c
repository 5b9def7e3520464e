/*
 * tests/unit/test_wide.c - ChaCha20 and Poly1305 over pieces, by AVX-512.
 *
 * Poly1305: RFC 8439 section 2.5.2 and the edges of modulo 2^130 - 5 in A.3; they are short, so
 * that what lanes do is compared with OpenSSL, of random and of extreme bytes, at random lengths
 * and cuts. ChaCha20 likewise.
 */
#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "crypto/blob.h"
#include "crypto/cipher_internal.h"
#include "tests/unit/cipher_util.h"

#define LEN_MAX 5000

static void need_wide(void)
{
	if (!cipher_wide_usable())
		cr_skip_test("this processor has no AVX-512 IFMA");
}

static void hex(const char *text, uint8_t *out)
{
	for (; *text != '\0'; text += 2)
		sscanf(text, "%2hhx", out++);
}

/* Bytes up to len in pieces of at most most. */
static uint32_t cut(uint64_t *seed, uint32_t left, uint32_t most)
{
	uint32_t n = 1 + rnd_below(seed, most);

	return n < left ? n : left;
}

static void poly_pieces(const uint8_t key[32], const uint8_t *p, uint32_t len, uint32_t most,
			uint64_t *seed, uint8_t ret_tag[16])
{
	struct poly1305_wide c;

	poly1305_wide_init(&c, key);
	for (uint32_t n; len > 0; p += n, len -= n) {
		n = cut(seed, len, most);
		poly1305_wide_update(&c, p, n);
	}
	poly1305_wide_final(&c, ret_tag);
}

#define Z8  "0000000000000000"
#define Z16 Z8 Z8
#define F8  "ffffffffffffffff"
#define F16 F8 F8

Test(wide, poly1305_of_rfc_8439, .init = need_wide)
{
	static const struct {
		const char *key, *message, *tag;
	} v[] = {
		{"85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b",
		 "43727970746f6772617068696320466f72756d2052657365617263682047726f7570",
		 "a8061dc1305136c6c22b8baf0c0127a9"},
		{"02" Z8 "00000000000000" Z16, F16, "03" Z8 "00000000000000"},
		{"02" Z8 "00000000000000" F16, "02" Z8 "00000000000000", "03" Z8 "00000000000000"},
		{"01" Z8 "00000000000000" Z16, F16 "f0" F8 "ffffffffffffff11" Z8 "00000000000000",
		 "05" Z8 "00000000000000"},
		{"01" Z8 "00000000000000" Z16,
		 F16 "fbfefefefefefefefefefefefefefefe01010101010101010101010101010101", Z16},
		{"02" Z8 "00000000000000" Z16, "fd" F8 "ffffffffffffff", "fa" F8 "ffffffffffffff"},
		{"01000000000000000400000000000000" Z16,
		 "e33594d7505e43b9" Z8 "3394d7505e4379cd0100000000000000" Z16 "01" Z8
		 "00000000000000",
		 "14000000000000005500000000000000"},
		{"01000000000000000400000000000000" Z16,
		 "e33594d7505e43b9" Z8 "3394d7505e4379cd0100000000000000" Z16,
		 "13" Z8 "00000000000000"},
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		uint8_t key[32], message[64], want[16], got[16];
		uint32_t len = (uint32_t)strlen(v[i].message) / 2;
		uint64_t seed = 1 + i;

		hex(v[i].key, key);
		hex(v[i].message, message);
		hex(v[i].tag, want);
		for (uint32_t most = 1; most <= 64; most++) {
			poly_pieces(key, message, len, most, &seed, got);
			cr_expect_arr_eq(got, want, 16, "vector %zu", i);
		}
	}
}

/* Random bytes, or those that carry most: all ones, under a key whose r is the largest there is. */
static void extreme(uint64_t *seed, uint8_t *p, size_t n)
{
	if (rnd_below(seed, 3) == 0)
		memset(p, 0xff, n);
	else
		rnd_fill(seed, p, n);
}

Test(wide, poly1305_agrees_with_openssl, .init = need_wide)
{
	static uint8_t message[LEN_MAX];
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "POLY1305", NULL);
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
	uint64_t seed = 20240011;

	for (int i = 0; i < 3000; i++) {
		uint32_t len = rnd_below(&seed, i % 2 ? LEN_MAX : 600);
		uint8_t key[32], want[16], got[16];
		size_t n;

		extreme(&seed, key, sizeof(key));
		if (i % 16 == 0)
			extreme(&seed, message, sizeof(message));
		cr_assert_eq(EVP_MAC_init(ctx, key, sizeof(key), NULL), 1);
		cr_assert_eq(EVP_MAC_update(ctx, message, len), 1);
		cr_assert_eq(EVP_MAC_final(ctx, want, &n, sizeof(want)), 1);
		poly_pieces(key, message, len, i % 3 ? 1500 : 40, &seed, got);
		cr_assert_arr_eq(got, want, 16, "%u bytes", len);
	}
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
}

Test(wide, chacha20_agrees_with_openssl, .init = need_wide)
{
	static const uint32_t most[] = {3, 70, 1448, 2 * LEN_MAX};
	static uint8_t want[LEN_MAX], got[LEN_MAX];
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint64_t seed = 20240012;

	for (int i = 0; i < 500; i++) {
		uint32_t len = 1 + rnd_below(&seed, LEN_MAX - 1), seqnr = (uint32_t)rnd(&seed);
		uint8_t key[32], iv[16] = {1};
		struct chacha_wide c;
		int n;

		rnd_fill(&seed, key, sizeof(key));
		rnd_fill(&seed, got, len);
		blob_store_be32(iv + 12, seqnr);
		cr_assert_eq(EVP_EncryptInit_ex(ctx, EVP_chacha20(), NULL, key, iv), 1);
		cr_assert_eq(EVP_EncryptUpdate(ctx, want, &n, got, (int)len), 1);
		chacha_wide_init(&c, key, seqnr);
		for (uint32_t at = 0, k; at < len; at += k) {
			k = cut(&seed, len - at, most[i % 4]);
			chacha_wide_xor(&c, got + at, k);
		}
		cr_assert_arr_eq(got, want, len, "%u bytes", len);
	}
	EVP_CIPHER_CTX_free(ctx);
}
