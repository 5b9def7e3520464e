/* crypto/mlkem.c - ML-KEM-768: K-PKE and the transform over it. */
#include "crypto/mlkem.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/mlkem_poly.h"
#include "crypto/secret.h"

#define RANK    3 /* k */
#define DU      10
#define DV      4
#define SYM_LEN 32
#define VEC_LEN (RANK * MLKEM_POLY_LEN)
#define DK_EK   VEC_LEN /* where the parts of a decapsulation key begin */
#define DK_HASH (DK_EK + MLKEM_EK_LEN)
#define DK_Z    (DK_HASH + SYM_LEN)

_Static_assert(MLKEM_EK_LEN == VEC_LEN + SYM_LEN, "section 8, table 3");
_Static_assert(MLKEM_DK_LEN == DK_Z + SYM_LEN, "section 8, table 3");
_Static_assert(MLKEM_CT_LEN == 32 * (DU * RANK + DV), "section 8, table 3");

typedef mlkem_poly vec[RANK];

/* What K-PKE.Encrypt holds: all of it is wiped. */
struct encrypt {
	vec y, e1, u;
	mlkem_poly e2, v, t;
};

/* 4.1: G, H and J. */
static int hash_g(const void *a, size_t a_len, const void *b, size_t b_len, uint8_t out[64])
{
	const struct hash_piece piece[] = {{a, a_len}, {b, b_len}};

	return hash_digest(HASH_SHA3_512, piece, 2, out);
}

static int hash_h(const uint8_t *ek, uint8_t out[SYM_LEN])
{
	const struct hash_piece piece = {ek, MLKEM_EK_LEN};

	return hash_digest(HASH_SHA3_256, &piece, 1, out);
}

static int hash_j(const uint8_t *z, const uint8_t *ct, uint8_t out[SYM_LEN])
{
	const struct hash_piece piece[] = {{z, SYM_LEN}, {ct, MLKEM_CT_LEN}};

	return hash_xof(HASH_SHAKE256, piece, 2, out, SYM_LEN);
}

/* A row of noise vectors: PRF by nonce, sampled. */
static int noise(const uint8_t seed[SYM_LEN], uint8_t *nonce, mlkem_poly *p, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		int r = mlkem_sample_cbd(seed, (*nonce)++, p[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * acc += A[row][*] * v, or of the transposed matrix. An entry is made when it is needed and
 * kept nowhere: A is public.
 */
static int matrix_row(const uint8_t rho[SYM_LEN], unsigned int row, bool transposed, const vec v,
		      mlkem_poly acc)
{
	mlkem_poly a;

	for (unsigned int j = 0; j < RANK; j++) {
		int r = mlkem_sample_ntt(rho, (uint8_t)(transposed ? row : j),
					 (uint8_t)(transposed ? j : row), a);

		if (r < 0)
			return r;
		mlkem_mul_add(acc, a, v[j]);
	}
	return 0;
}

static void inner(const vec a, const vec b, mlkem_poly acc)
{
	for (unsigned int i = 0; i < RANK; i++)
		mlkem_mul_add(acc, a[i], b[i]);
}

/* Algorithm 13, K-PKE.KeyGen. */
static int pke_keygen(const uint8_t d[SYM_LEN], uint8_t *ek, uint8_t *dk)
{
	static const uint8_t rank = RANK;
	uint8_t seeds[2 * SYM_LEN], nonce = 0; /* rho, sigma */
	struct {
		vec s, e;
	} k;
	int r;

	r = hash_g(d, SYM_LEN, &rank, 1, seeds);
	if (r == 0)
		r = noise(seeds + SYM_LEN, &nonce, k.s, RANK);
	if (r == 0)
		r = noise(seeds + SYM_LEN, &nonce, k.e, RANK);
	for (unsigned int i = 0; r == 0 && i < RANK; i++) {
		mlkem_ntt(k.s[i]);
		mlkem_ntt(k.e[i]);
	}
	for (unsigned int i = 0; r == 0 && i < RANK; i++) {
		r = matrix_row(seeds, i, false, k.s, k.e[i]);
		mlkem_encode(k.e[i], 12, ek + i * MLKEM_POLY_LEN);
		mlkem_encode(k.s[i], 12, dk + i * MLKEM_POLY_LEN);
	}
	memcpy(ek + VEC_LEN, seeds, SYM_LEN);
	secret_wipe(&k, sizeof(k));
	secret_wipe(seeds, sizeof(seeds));
	return r;
}

/* Algorithm 14, K-PKE.Encrypt. The key has been checked. */
static int encrypt(struct encrypt *x, const uint8_t *ek, const uint8_t m[SYM_LEN],
		   const uint8_t coins[SYM_LEN], uint8_t *ct)
{
	uint8_t nonce = 0;
	int r;

	r = noise(coins, &nonce, x->y, RANK);
	if (r == 0)
		r = noise(coins, &nonce, x->e1, RANK);
	if (r == 0)
		r = noise(coins, &nonce, &x->e2, 1);
	if (r < 0)
		return r;
	for (unsigned int i = 0; i < RANK; i++)
		mlkem_ntt(x->y[i]);
	memset(x->u, 0, sizeof(x->u));
	memset(x->v, 0, sizeof(x->v));
	for (unsigned int i = 0; i < RANK; i++) {
		r = matrix_row(ek + VEC_LEN, i, true, x->y, x->u[i]);
		if (r < 0)
			return r;
		mlkem_inverse_ntt(x->u[i]);
		mlkem_add(x->u[i], x->e1[i]);
		mlkem_compress(x->u[i], DU);
		mlkem_encode(x->u[i], DU, ct + 32 * DU * i);
		mlkem_decode(ek + i * MLKEM_POLY_LEN, 12, x->t);
		mlkem_mul_add(x->v, x->t, x->y[i]);
	}
	mlkem_inverse_ntt(x->v);
	mlkem_decode(m, 1, x->t);
	mlkem_decompress(x->t, 1);
	mlkem_add(x->v, x->e2);
	mlkem_add(x->v, x->t);
	mlkem_compress(x->v, DV);
	mlkem_encode(x->v, DV, ct + 32 * DU * RANK);
	return 0;
}

static int pke_encrypt(const uint8_t *ek, const uint8_t m[SYM_LEN], const uint8_t coins[SYM_LEN],
		       uint8_t *ct)
{
	struct encrypt x;
	int r = encrypt(&x, ek, m, coins, ct);

	secret_wipe(&x, sizeof(x));
	return r;
}

/* Algorithm 15, K-PKE.Decrypt. */
static void pke_decrypt(const uint8_t *dk, const uint8_t *ct, uint8_t m[SYM_LEN])
{
	struct {
		vec s, u;
		mlkem_poly v, w;
	} x;

	for (unsigned int i = 0; i < RANK; i++) {
		mlkem_decode(ct + 32 * DU * i, DU, x.u[i]);
		mlkem_decompress(x.u[i], DU);
		mlkem_ntt(x.u[i]);
		mlkem_decode(dk + i * MLKEM_POLY_LEN, 12, x.s[i]);
	}
	mlkem_decode(ct + 32 * DU * RANK, DV, x.v);
	mlkem_decompress(x.v, DV);
	memset(x.w, 0, sizeof(x.w));
	inner(x.s, x.u, x.w);
	mlkem_inverse_ntt(x.w);
	mlkem_sub(x.v, x.w);
	mlkem_compress(x.v, 1);
	mlkem_encode(x.v, 1, m);
	secret_wipe(&x, sizeof(x));
}

/* Algorithm 16. */
int mlkem_keygen(const uint8_t seed[MLKEM_SEED_LEN], uint8_t ret_ek[MLKEM_EK_LEN],
		 uint8_t ret_dk[MLKEM_DK_LEN])
{
	int r = pke_keygen(seed, ret_ek, ret_dk);

	if (r < 0)
		return r;
	memcpy(ret_dk + DK_EK, ret_ek, MLKEM_EK_LEN);
	memcpy(ret_dk + DK_Z, seed + SYM_LEN, SYM_LEN);
	return hash_h(ret_ek, ret_dk + DK_HASH);
}

/* 7.2, "modulus check": every coefficient is below q. */
static bool ek_valid(const uint8_t ek[MLKEM_EK_LEN])
{
	mlkem_poly p;

	for (unsigned int i = 0; i < RANK; i++) {
		mlkem_decode(ek + i * MLKEM_POLY_LEN, 12, p);
		if (!mlkem_reduced(p))
			return false;
	}
	return true;
}

/* Algorithm 17. */
int mlkem_encaps(const uint8_t ek[MLKEM_EK_LEN], const uint8_t coin[MLKEM_COIN_LEN],
		 uint8_t ret_ct[MLKEM_CT_LEN], uint8_t ret_shared[MLKEM_SHARED_LEN])
{
	uint8_t h[SYM_LEN], kr[2 * SYM_LEN];
	int r;

	if (!ek_valid(ek))
		return -EBADMSG;
	r = hash_h(ek, h);
	if (r == 0)
		r = hash_g(coin, MLKEM_COIN_LEN, h, sizeof(h), kr);
	if (r == 0)
		r = pke_encrypt(ek, coin, kr + SYM_LEN, ret_ct);
	if (r == 0)
		memcpy(ret_shared, kr, MLKEM_SHARED_LEN);
	secret_wipe(kr, sizeof(kr));
	return r;
}

/* Algorithm 18: the ciphertext is made again, and what differs gets a secret nobody knows. */
int mlkem_decaps(const uint8_t dk[MLKEM_DK_LEN], const uint8_t ct[MLKEM_CT_LEN],
		 uint8_t ret_shared[MLKEM_SHARED_LEN])
{
	struct {
		uint8_t m[SYM_LEN], kr[2 * SYM_LEN], rejected[SYM_LEN], again[MLKEM_CT_LEN];
	} x;
	uint8_t same;
	int r;

	pke_decrypt(dk, ct, x.m);
	r = hash_g(x.m, SYM_LEN, dk + DK_HASH, SYM_LEN, x.kr);
	if (r == 0)
		r = hash_j(dk + DK_Z, ct, x.rejected);
	if (r == 0)
		r = pke_encrypt(dk + DK_EK, x.m, x.kr + SYM_LEN, x.again);
	if (r == 0) {
		same = (uint8_t) - (uint8_t)secret_equal(x.again, ct, MLKEM_CT_LEN);
		for (unsigned int i = 0; i < MLKEM_SHARED_LEN; i++)
			ret_shared[i] = (uint8_t)((x.kr[i] & same) | (x.rejected[i] & ~same));
	}
	secret_wipe(&x, sizeof(x));
	return r;
}
