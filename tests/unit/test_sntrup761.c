/*
 * tests/unit/test_sntrup761.c - sntrup761 against the known answers of its submission.
 *
 * The answers are those of the submission's PQCkemKAT_1763.rsp, which is made with the generator
 * NIST gave out for it (SP 800-90A, CTR_DRBG with AES-256, no derivation function): SHA-256 of the
 * file's text, of its first entry and of all hundred, as PQClean and liboqs publish them
 * (nistkat-sha256; kats.json "single" and "all").
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <openssl/evp.h>

#include "crypto/hash.h"
#include "crypto/secret.h"
#include "crypto/sntrup761.h"
#include "crypto/sntrup761_poly.h"

/* NIST's generator in the place of the kernel's (--wrap). */
static struct {
	uint8_t key[32], v[16];
	bool on;
} drbg;

static void drbg_block(uint8_t out[16])
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n;

	for (int i = 15; i >= 0 && ++drbg.v[i] == 0; i--)
		;
	cr_assert_eq(EVP_EncryptInit_ex(c, EVP_aes_256_ecb(), NULL, drbg.key, NULL), 1);
	cr_assert_eq(EVP_EncryptUpdate(c, out, &n, drbg.v, 16), 1);
	EVP_CIPHER_CTX_free(c);
}

static void drbg_update(const uint8_t *data)
{
	uint8_t t[48];

	for (int i = 0; i < 3; i++)
		drbg_block(t + 16 * i);
	for (int i = 0; data != NULL && i < 48; i++)
		t[i] ^= data[i];
	memcpy(drbg.key, t, 32);
	memcpy(drbg.v, t + 32, 16);
}

static void drbg_seed(const uint8_t seed[48])
{
	memset(&drbg, 0, sizeof(drbg));
	drbg_update(seed);
}

static void drbg_read(uint8_t *p, size_t n)
{
	while (n > 0) {
		uint8_t block[16];
		size_t k = n < 16 ? n : 16;

		drbg_block(block);
		memcpy(p, block, k);
		p += k;
		n -= k;
	}
	drbg_update(NULL);
}

ssize_t __real_getrandom(void *buf, size_t len, unsigned int flags);
ssize_t __wrap_getrandom(void *buf, size_t len, unsigned int flags);

ssize_t __wrap_getrandom(void *buf, size_t len, unsigned int flags)
{
	if (!drbg.on)
		return __real_getrandom(buf, len, flags);
	drbg_read(buf, len);
	return (ssize_t)len;
}

struct pair {
	uint8_t ek[SNTRUP761_EK_LEN], dk[SNTRUP761_DK_LEN], ct[SNTRUP761_CT_LEN];
	uint8_t shared[SNTRUP761_SHARED_LEN], opened[SNTRUP761_SHARED_LEN];
};

static void pair_make(struct pair *p)
{
	cr_assert_eq(sntrup761_keygen(p->ek, p->dk), 0);
	cr_assert_eq(sntrup761_encaps(p->ek, p->ct, p->shared), 0);
	cr_assert_eq(sntrup761_decaps(p->dk, p->ct, p->opened), 0);
	cr_assert_arr_eq(p->opened, p->shared, sizeof(p->shared));
}

static void line(FILE *f, const char *name, const uint8_t *p, size_t n)
{
	fprintf(f, "%s = ", name);
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%02X", p[i]);
	fputc('\n', f);
}

/* The text of the first n entries. */
static void answers_digest(unsigned int n, char ret[65])
{
	uint8_t seed[100][48], digest[32];
	struct hash_piece piece;
	struct pair p;
	char *text = NULL;
	FILE *f = open_memstream(&text, &piece.len);

	for (int i = 0; i < 48; i++)
		seed[0][i] = (uint8_t)i;
	drbg_seed(seed[0]);
	for (unsigned int i = 0; i < 100; i++)
		drbg_read(seed[i], 48);
	for (unsigned int i = 0; i < n; i++) {
		fprintf(f, "%scount = %u\n", i > 0 ? "\n" : "", i);
		line(f, "seed", seed[i], 48);
		drbg_seed(seed[i]);
		drbg.on = true;
		pair_make(&p);
		drbg.on = false;
		line(f, "pk", p.ek, sizeof(p.ek));
		line(f, "sk", p.dk, sizeof(p.dk));
		line(f, "ct", p.ct, sizeof(p.ct));
		line(f, "ss", p.shared, sizeof(p.shared));
	}
	fclose(f);
	piece.p = text;
	cr_assert_eq(hash_digest(HASH_SHA256, &piece, 1, digest), 0);
	free(text);
	for (int i = 0; i < 32; i++)
		sprintf(ret + 2 * i, "%02x", digest[i]);
}

Test(sntrup761, known_answers_of_the_submission)
{
	char got[65];

	answers_digest(1, got);
	cr_expect_str_eq(got, "afc42c3a5b10f4ef69654250097ebda9b9564570f4086744b24a6daf2bd1f89a");
	if (getenv("SLUICE_LONG") == NULL)
		return;
	answers_digest(100, got);
	cr_expect_str_eq(got, "36e1e53d4e6e295e8fb804449958ad9a3719aa350e91933c65791b9117382d57");
}

/* One bit anywhere, of either part: no error, another secret, and the same one each time. */
Test(sntrup761, a_ciphertext_that_was_changed_gives_another_secret)
{
	uint8_t again[SNTRUP761_SHARED_LEN];
	struct pair p;

	pair_make(&p);
	for (unsigned int at = 0; at < SNTRUP761_CT_LEN; at += 103) {
		p.ct[at] ^= (uint8_t)(1U << at % 8);
		cr_assert_eq(sntrup761_decaps(p.dk, p.ct, p.opened), 0);
		cr_expect_arr_neq(p.opened, p.shared, sizeof(p.shared), "%u", at);
		cr_assert_eq(sntrup761_decaps(p.dk, p.ct, again), 0);
		cr_expect_arr_eq(p.opened, again, sizeof(again));
		p.ct[at] ^= (uint8_t)(1U << at % 8);
	}
}

/* No encoder writes these; decoding is total all the same, and nothing is read beyond. */
Test(sntrup761, keys_and_ciphertexts_of_ones_are_taken)
{
	struct pair p;

	pair_make(&p);
	memset(p.ct, 0xff, sizeof(p.ct));
	cr_expect_eq(sntrup761_decaps(p.dk, p.ct, p.opened), 0);
	cr_expect_arr_neq(p.opened, p.shared, sizeof(p.shared));
	memset(p.ek, 0xff, sizeof(p.ek));
	cr_expect_eq(sntrup761_encaps(p.ek, p.ct, p.shared), 0);
	memset(p.ek, 0, sizeof(p.ek));
	cr_expect_eq(sntrup761_encaps(p.ek, p.ct, p.shared), 0);
}

Test(sntrup761, encodings_come_back)
{
	uint8_t bytes[SNTRUP_RQ_LEN];
	sntrup_rq a, got;

	for (int round = 0; round < 20; round++) {
		cr_assert_eq(crypto_random(a, sizeof(a)), 0);
		for (int i = 0; i < SNTRUP_P; i++)
			a[i] = (int16_t)((uint16_t)a[i] % SNTRUP_Q - SNTRUP_Q / 2);
		sntrup_rq_encode(a, bytes);
		sntrup_rq_decode(bytes, got);
		cr_expect_arr_eq(got, a, sizeof(a));
		sntrup_round(a);
		sntrup_rounded_encode(a, bytes);
		sntrup_rounded_decode(bytes, got);
		cr_expect_arr_eq(got, a, sizeof(a));
	}
}

static void random_small(sntrup_small ret)
{
	uint32_t word[SNTRUP_P];

	cr_assert_eq(crypto_random(word, sizeof(word)), 0);
	sntrup_small_from(word, ret);
}

Test(sntrup761, reciprocals_are_reciprocals)
{
	sntrup_small a, inverse, one3;
	sntrup_rq inverse_q, one;

	random_small(a);
	cr_assert(sntrup_reciprocal(a, inverse));
	sntrup_mul3(a, inverse, one3);
	sntrup_reciprocal3(a, inverse_q);
	sntrup_mul(inverse_q, a, one); /* a third, as a number mod q */
	for (int i = 0; i < SNTRUP_P; i++) {
		cr_expect_eq(one3[i], i == 0);
		cr_expect_eq((3 * one[i] - (i == 0)) % SNTRUP_Q, 0, "%d", i);
	}
}

/* x^p - x - 1 has factors modulo 3. */
Test(sntrup761, what_has_no_reciprocal_in_r3_is_told)
{
	sntrup_small zero = {0}, ret;

	cr_expect(!sntrup_reciprocal(zero, ret));
}

Test(sntrup761, short_elements_have_their_weight_wherever_it_lies)
{
	unsigned int first = 0;

	for (int round = 0; round < 20; round++) {
		uint32_t word[SNTRUP_P];
		sntrup_small a;

		cr_assert_eq(crypto_random(word, sizeof(word)), 0);
		sntrup_short_from(word, a);
		cr_expect_eq(sntrup_weight_mask(a), 0);
		first += a[0] != 0;
		for (int i = 1; i < SNTRUP_P; i++)
			cr_assert_leq(word[i - 1], word[i], "sorted");
		for (int i = 0; i < SNTRUP_P; i++)
			if (a[i] != 0) {
				a[i] = 0;
				break;
			}
		cr_expect_eq(sntrup_weight_mask(a), -1);
	}
	cr_expect(first > 0 && first < 20);
}
