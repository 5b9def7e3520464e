/*
 * tests/unit/test_wide.c - ChaCha20 and Poly1305 over pieces, by AVX-512.
 *
 * Poly1305: RFC 8439 section 2.5.2 and the edges of modulo 2^130 - 5 in A.3; they are short, so
 * that what lanes do is compared with OpenSSL, of random and of extreme bytes, at random lengths
 * and cuts. ChaCha20 likewise; and whole records over pieces.
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

/* A record long enough for the wide way, its pieces as they are in len[], up to the rest. */
static struct rec *rec_cut(struct cipher_state *st, const uint8_t *bytes, uint32_t total,
			   const uint32_t *len, unsigned int n)
{
	struct rec *r = rec_new(st, 7, bytes, 0, 0);
	uint32_t at = 0;

	for (unsigned int i = 0; i < n; at += len[i++])
		rec_piece_add(r, bytes + at, len[i]);
	rec_piece_add(r, bytes + at, total - at);
	return r;
}

static const struct cipher_suite *chapoly(void)
{
	return cipher_suite_find("chacha20-poly1305@openssh.com", "");
}

/* Empty ones too, wherever: a segment may have been taken to its end. */
Test(wide, pieces_of_odd_lengths, .init = need_wide)
{
	static const uint32_t cuts[][8] = {
		{0, 0, 5},
		{1, 0, 1, 0, 0, 2, 0},
		{2, 0, 0, 2, 0},
		{3, 0, 1, 0, 0},
		{4, 0, 63, 0, 64, 65},
		{4, 1, 63, 64, 65, 1023, 1},
		{5, 1023, 1024, 1025},
		{0, 1, 0, 1, 0, 1, 0, 1},
		{67, 1, 255, 256, 257, 1},
		{68, 1024, 15, 17, 240},
		{4096, 0, 0, 0, 1, 2, 3, 4},
	};
	static uint8_t plain[LEN_MAX], want[LEN_MAX], got[LEN_MAX];
	struct cipher_engine *e = engine_new(CIPHER_ENGINE_AUTO);
	struct cipher_engine *plain_e = engine_new(CIPHER_ENGINE_OPENSSL);
	struct cipher_state st = state_of(chapoly(), 3);
	struct rec *one = rec_new(&st, 7, plain, LEN_MAX, 0);

	cr_assert_eq(seal_one(plain_e, one), 0);
	rec_bytes(one, want);
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		struct rec *r = rec_cut(&st, plain, LEN_MAX, cuts[i], 8);

		cr_assert_eq(seal_one(e, r), 0);
		rec_bytes(r, got);
		cr_expect_arr_eq(got, want, LEN_MAX, "cut %zu", i);
		cr_expect_arr_eq(r->tag, one->tag, 16, "cut %zu", i);
		cr_expect_eq(open_one(e, r), 0);
		rec_bytes(r, got);
		cr_expect_arr_eq(got, plain, LEN_MAX, "cut %zu", i);
		rec_free(r);
	}
	rec_free(one);
	cipher_state_fini(e, &st);
	cipher_engine_free(plain_e);
	cipher_engine_free(e);
}

/* Those refused stay as they came, those beside them are opened. */
Test(wide, bad_records_among_good_ones, .init = need_wide)
{
	enum { N = 19 };
	static uint8_t plain[LEN_MAX], sealed[N][LEN_MAX], got[LEN_MAX];
	struct cipher_engine *e = engine_new(CIPHER_ENGINE_AUTO);
	struct cipher_state st = state_of(chapoly(), 4);
	struct cipher_job *job[N];
	struct rec *rec[N];

	for (unsigned int i = 0; i < N; i++) {
		rec[i] = rec_new(&st, i, plain, LEN_MAX, 1448);
		cr_assert_eq(seal_one(e, rec[i]), 0);
		if (i % 3 == 1)
			rec[i]->tag[i % 16] ^= 1;
		if (i % 3 == 2)
			rec[i]->piece[i % 4].p[i] ^= 0x80;
		rec_bytes(rec[i], sealed[i]);
		job[i] = &rec[i]->job;
		cipher_job_prepare(job[i]);
	}
	cipher_open_burst(e, job, N);
	for (unsigned int i = 0; i < N; i++) {
		cr_expect_eq(job[i]->result, i % 3 == 0 ? 0 : -EBADMSG, "record %u", i);
		rec_bytes(rec[i], got);
		cr_expect_arr_eq(got, i % 3 == 0 ? plain : sealed[i], LEN_MAX, "record %u", i);
		rec_free(rec[i]);
	}
	cipher_state_fini(e, &st);
	cipher_engine_free(e);
}

static bool all_zero(const void *p, size_t n)
{
	static const uint8_t zero[sizeof(struct chacha_wide) + sizeof(struct poly1305_wide) +
				  sizeof(union umac_keys)];

	return memcmp(p, zero, n) == 0;
}

/* What the last record left in the engine goes when its key does. */
Test(wide, no_key_outlives_its_state, .init = need_wide)
{
	static uint8_t plain[30000];
	struct cipher_engine *e = engine_new(CIPHER_ENGINE_AUTO);

	for (unsigned int i = 0; suite_at(i) != NULL; i++) {
		struct cipher_state st = state_of(suite_at(i), 5);
		struct rec *r =
			rec_new(&st, 0, plain, suite_fits(suite_at(i), sizeof(plain) - 64), 0);

		cr_assert_eq(seal_one(e, r), 0);
		cipher_state_fini(e, &st);
		cr_expect(all_zero(&e->chacha, sizeof(e->chacha)), "%u", i);
		cr_expect(all_zero(&e->poly, sizeof(e->poly)), "%u", i);
		cr_expect(all_zero(&e->gcm_ctx, sizeof(e->gcm_ctx)), "%u", i);
		cr_expect(all_zero(&e->umac_ctx, sizeof(e->umac_ctx)), "%u", i);
		rec_free(r);
	}
	cipher_engine_free(e);
}
