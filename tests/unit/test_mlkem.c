/*
 * tests/unit/test_mlkem.c - ML-KEM-768 against a second implementation, and its parts.
 *
 * The vectors are those of @noble/post-quantum 0.7.1 for these seeds (SHA-256 of what is long).
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "crypto/hash.h"
#include "crypto/mlkem.h"
#include "crypto/mlkem_poly.h"
#include "tests/util/rnd.h"

#define Q 3329

static const struct {
	const char *ek, *dk, *ct, *shared, *rejected;
} vector[] = {
	{"0b7934c83125c788995e2ba6bd761e33046b3e40571be53e023309a29f398cc9",
	 "dac268bde6a8dd238e9887117d6b664e7a7a9350ad6b7c08a948e504809572a5",
	 "090f7fa36cc47927b54f906d60ae5adb6b1b6a033b566ec9cb866edba8dfc9a1",
	 "f2c2678a3be8ba85e9053a0eaffc557661d15f2742caaf272cd93770062b53ca",
	 "21c1e6b315b5a2020c7634e4f0e2c33384a7b55e045aa02cb6b84ef25bfff6a4"},
	{"d0b42e3bee16d414b278df1ddc799f9efda919a20d44be1c410492b21c51fafd",
	 "b00aa0d4432d2534f35ccc0d8e5be47a4b2c453a66a0e5b77f517861f5342681",
	 "36e985334ef9783b97d95156a759b3c0b77696bb306e30a22389a95c2b2166ad",
	 "9cabe11936b655b400da9fdc25277b5fb9e6a9c9667b8e38ffef5696af5422ae",
	 "3afbccda42d2bdf67eb9caf257d1e67c4ce1f8d50dd2f66e0793b8b3ed0a7afa"},
	{"92be0a461e2843dbf6593b9837c6e2a8ec39df6c3db74ce96aa9608a669fc10a",
	 "179ba86ccd14e14f406eba27debb0542d955efb6285cd4e2d073a1df5ed7a2a9",
	 "3972c3956aef3c37834b9716e6352b0b64bb79871b1e959c7305d1cf0919bb29",
	 "eaa233259dd32966d7893410010bae0d3e3332c8020a0b186c7956aa457a5019",
	 "1911dfe0cf11fbf9abb449c56af1fdb189e08eedfc92c49aef148a624880c599"},
	{"ae32188bf914368a729ee2cbf9cc2c29ffb67205eb6f998854c2241d7d110400",
	 "417c135aa6ebc56d27690fa29aa37b334c9732571a29ea86cdd6359b79aa7894",
	 "6695d2d2eda3f921727de076ee1e2960e1a2bf501c50a44a4a90ca60eec110cd",
	 "0e3c235bddfca0f1810dfd976be5d6776ff514bb4fa863748257c90585eb1f90",
	 "37689c4a3c22f553415fc4d3f23178ddfa644eefce67cfbd39e5f2bea2af8411"},
};

#define VECTORS_N (sizeof(vector) / sizeof(vector[0]))

static void hex(const uint8_t *p, size_t n, char *out)
{
	for (size_t i = 0; i < n; i++)
		sprintf(out + 2 * i, "%02x", p[i]);
}

static void expect_hex(const uint8_t p[32], const char *want)
{
	char got[65];

	hex(p, 32, got);
	cr_expect_str_eq(got, want);
}

static void expect_digest(const uint8_t *p, size_t len, const char *want)
{
	const struct hash_piece piece = {p, len};
	uint8_t h[32];

	cr_assert_eq(hash_digest(HASH_SHA256, &piece, 1, h), 0);
	expect_hex(h, want);
}

static void seeds(unsigned int t, uint8_t seed[MLKEM_SEED_LEN], uint8_t coin[MLKEM_COIN_LEN])
{
	for (unsigned int i = 0; i < MLKEM_SEED_LEN; i++)
		seed[i] = (uint8_t)(t == 0 ? i : i * 7 + t * 31);
	for (unsigned int i = 0; i < MLKEM_COIN_LEN; i++)
		coin[i] = (uint8_t)(t == 0 ? 255 - i : i * 13 + t * 17);
}

Test(mlkem, vectors_of_a_second_implementation)
{
	uint8_t seed[MLKEM_SEED_LEN], coin[MLKEM_COIN_LEN], shared[MLKEM_SHARED_LEN];
	uint8_t ek[MLKEM_EK_LEN], dk[MLKEM_DK_LEN], ct[MLKEM_CT_LEN];

	for (unsigned int t = 0; t < VECTORS_N; t++) {
		seeds(t, seed, coin);
		cr_assert_eq(mlkem_keygen(seed, ek, dk), 0);
		expect_digest(ek, sizeof(ek), vector[t].ek);
		expect_digest(dk, sizeof(dk), vector[t].dk);
		cr_assert_eq(mlkem_encaps(ek, coin, ct, shared), 0);
		expect_digest(ct, sizeof(ct), vector[t].ct);
		expect_hex(shared, vector[t].shared);
		memset(shared, 0, sizeof(shared));
		cr_assert_eq(mlkem_decaps(dk, ct, shared), 0);
		expect_hex(shared, vector[t].shared);
		ct[t * 100] ^= (uint8_t)(1 << t);
		cr_assert_eq(mlkem_decaps(dk, ct, shared), 0);
		expect_hex(shared, vector[t].rejected);
	}
}

/* All at once: who draws piece by piece gets the same bytes. */
static void shake128(const uint8_t *in, size_t in_len, uint8_t *out, size_t len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	cr_assert_eq(EVP_DigestInit_ex(ctx, EVP_shake128(), NULL), 1);
	cr_assert_eq(EVP_DigestUpdate(ctx, in, in_len), 1);
	cr_assert_eq(EVP_DigestFinalXOF(ctx, out, len), 1);
	EVP_MD_CTX_free(ctx);
}

/*
 * C2SP's CCTV, ML-KEM "accumulated": seeds, coins and spoiled ciphertexts are what SHAKE128 makes
 * of nothing, and SHAKE128 of all keys, ciphertexts and secrets is compared; so Go and others.
 */
Test(mlkem, accumulated_vectors_of_cctv)
{
	unsigned int n = test_long() ? 10000 : 100;
	const size_t in_len = MLKEM_SEED_LEN + MLKEM_COIN_LEN + MLKEM_CT_LEN;
	const size_t out_len = MLKEM_EK_LEN + MLKEM_CT_LEN + 2 * MLKEM_SHARED_LEN;
	uint8_t *drawn = malloc(n * in_len), *made = malloc(n * out_len), sum[32];

	cr_assert(drawn != NULL && made != NULL);
	shake128(NULL, 0, drawn, n * in_len);
	for (unsigned int i = 0; i < n; i++) {
		const uint8_t *seed = drawn + i * in_len, *coin = seed + MLKEM_SEED_LEN;
		uint8_t *ek = made + i * out_len, *ct = ek + MLKEM_EK_LEN, *k = ct + MLKEM_CT_LEN;
		uint8_t dk[MLKEM_DK_LEN], again[MLKEM_SHARED_LEN];

		cr_assert_eq(mlkem_keygen(seed, ek, dk), 0);
		cr_assert_eq(mlkem_encaps(ek, coin, ct, k), 0);
		cr_assert_eq(mlkem_decaps(dk, ct, again), 0);
		cr_assert_arr_eq(again, k, MLKEM_SHARED_LEN);
		cr_assert_eq(mlkem_decaps(dk, coin + MLKEM_COIN_LEN, k + MLKEM_SHARED_LEN), 0);
	}
	shake128(made, n * out_len, sum, sizeof(sum));
	expect_hex(sum,
		   n == 100 ? "1114b1b6699ed191734fa339376afa7e285c9e6acf6ff0177d346696ce564415"
			    : "8a518cc63da366322a8e7a818c7a0d63483cb3528d34a4cf42f35d5ad73f22fc");
	free(drawn);
	free(made);
}

Test(mlkem, any_bit_of_the_ciphertext_matters)
{
	uint8_t seed[MLKEM_SEED_LEN], coin[MLKEM_COIN_LEN];
	uint8_t shared[MLKEM_SHARED_LEN], got[MLKEM_SHARED_LEN];
	uint8_t ek[MLKEM_EK_LEN], dk[MLKEM_DK_LEN], ct[MLKEM_CT_LEN];

	seeds(1, seed, coin);
	cr_assert_eq(mlkem_keygen(seed, ek, dk), 0);
	cr_assert_eq(mlkem_encaps(ek, coin, ct, shared), 0);
	for (unsigned int bit = 0; bit < 8 * MLKEM_CT_LEN; bit += 37) {
		ct[bit / 8] ^= (uint8_t)(1 << bit % 8);
		cr_assert_eq(mlkem_decaps(dk, ct, got), 0);
		cr_expect_arr_neq(got, shared, sizeof(got), "bit %u", bit);
		ct[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	cr_assert_eq(mlkem_decaps(dk, ct, got), 0);
	cr_expect_arr_eq(got, shared, sizeof(got));
}

/* Section 7.2: each of the 768 coefficients is looked at. */
Test(mlkem, a_key_with_one_coefficient_of_q_is_refused)
{
	uint8_t seed[MLKEM_SEED_LEN], coin[MLKEM_COIN_LEN], shared[MLKEM_SHARED_LEN];
	uint8_t ek[MLKEM_EK_LEN], dk[MLKEM_DK_LEN], ct[MLKEM_CT_LEN], was[3];

	seeds(2, seed, coin);
	cr_assert_eq(mlkem_keygen(seed, ek, dk), 0);
	for (unsigned int i = 0; i < 768; i += 31) {
		uint8_t *p = ek + i / 2 * 3;

		memcpy(was, p, 3);
		if (i % 2 == 0) {
			p[0] = Q & 255;
			p[1] = (uint8_t)((p[1] & 0xf0) | Q >> 8);
		} else {
			p[1] = (uint8_t)((p[1] & 0x0f) | (Q & 15) << 4);
			p[2] = Q >> 4;
		}
		cr_expect_eq(mlkem_encaps(ek, coin, ct, shared), -EBADMSG, "%u", i);
		memcpy(p, was, 3);
	}
	cr_expect_eq(mlkem_encaps(ek, coin, ct, shared), 0);
}

Test(mlkem, transforming_there_and_back_changes_nothing)
{
	mlkem_poly p, was;

	for (unsigned int i = 0; i < MLKEM_N; i++)
		p[i] = was[i] = (uint16_t)(i * i * 13 % Q);
	mlkem_ntt(p);
	mlkem_inverse_ntt(p);
	cr_expect_arr_eq(p, was, sizeof(p));
}

/* Against multiplication by hand in Z_q[X] / (X^256 + 1). */
Test(mlkem, products_are_those_of_the_ring)
{
	mlkem_poly a, b, got = {0};
	uint32_t want[MLKEM_N] = {0};

	for (unsigned int i = 0; i < MLKEM_N; i++) {
		a[i] = (uint16_t)(i * 31 % Q);
		b[i] = (uint16_t)((Q - 1 - i * i) % Q);
	}
	for (unsigned int i = 0; i < MLKEM_N; i++)
		for (unsigned int j = 0; j < MLKEM_N; j++) {
			uint32_t x = (uint32_t)a[i] * b[j] % Q, *w = &want[(i + j) % MLKEM_N];

			*w = (*w + (i + j < MLKEM_N ? x : Q - x)) % Q;
		}
	mlkem_ntt(a);
	mlkem_ntt(b);
	mlkem_mul_add(got, a, b);
	mlkem_inverse_ntt(got);
	for (unsigned int i = 0; i < MLKEM_N; i++)
		cr_expect_eq(got[i], want[i], "%u", i);
}

/* Section 4.2.1 by rational arithmetic, for every value and width that is used. */
Test(mlkem, compression_rounds_as_the_standard_says)
{
	static const unsigned int widths[] = {1, 4, 5, 10, 11};

	for (size_t k = 0; k < sizeof(widths) / sizeof(widths[0]); k++) {
		unsigned int d = widths[k];

		for (unsigned int x = 0; x < Q; x++) {
			mlkem_poly p = {(uint16_t)x};
			uint32_t want = ((x << (d + 1)) + Q) / (2 * Q) % (1U << d);

			mlkem_compress(p, d);
			cr_assert_eq(p[0], want, "%u by %u", x, d);
		}
		for (unsigned int y = 0; y < 1U << d; y++) {
			mlkem_poly p = {(uint16_t)y};

			mlkem_decompress(p, d);
			mlkem_compress(p, d);
			cr_assert_eq(p[0], y);
		}
	}
}

Test(mlkem, encodings_come_back)
{
	static const unsigned int widths[] = {1, 4, 10, 12};
	uint8_t b[32 * 12];
	mlkem_poly p, got;

	for (size_t k = 0; k < sizeof(widths) / sizeof(widths[0]); k++) {
		for (unsigned int i = 0; i < MLKEM_N; i++)
			p[i] = (uint16_t)(i * 2654435761U >> 7 & ((1U << widths[k]) - 1));
		mlkem_encode(p, widths[k], b);
		mlkem_decode(b, widths[k], got);
		cr_expect_arr_eq(got, p, sizeof(p), "%u", widths[k]);
	}
}
