/*
 * crypto/sntrup761.c - the key encapsulation: section 3 of the submission, "core" and "KEM".
 *
 * Keys are, in this order: f and 1/g, small and encoded, then the public key, rho, and the hash
 * of the public key. rho takes the place of what was encapsulated when a ciphertext is wrong.
 */
#include "crypto/sntrup761.h"

#include <string.h>

#include "crypto/hash.h"
#include "crypto/secret.h"
#include "crypto/sntrup761_poly.h"

#define HASH_LEN 32 /* the first half of SHA-512 */

#define DK_F    0
#define DK_GINV (DK_F + SNTRUP_SMALL_LEN)
#define DK_EK   (DK_GINV + SNTRUP_SMALL_LEN)
#define DK_RHO  (DK_EK + SNTRUP761_EK_LEN)
#define DK_HASH (DK_RHO + SNTRUP_SMALL_LEN)

_Static_assert(DK_HASH + HASH_LEN == SNTRUP761_DK_LEN, "the private key");
_Static_assert(SNTRUP_ROUNDED_LEN + HASH_LEN == SNTRUP761_CT_LEN, "the ciphertext");

/* Hash_b(a || c): each use of the hash has its number in front. */
static int hash(uint8_t b, const void *a, size_t a_len, const void *c, size_t c_len,
		uint8_t ret[HASH_LEN])
{
	const struct hash_piece piece[] = {{&b, 1}, {a, a_len}, {c, c_len}};
	uint8_t full[HASH_LEN_MAX];
	int r = hash_digest(HASH_SHA512, piece, 3, full);

	if (r == 0)
		memcpy(ret, full, HASH_LEN);
	secret_wipe(full, sizeof(full));
	return r;
}

static int draw(uint32_t word[SNTRUP_P])
{
	return crypto_random(word, SNTRUP_P * sizeof(word[0]));
}

/* A small g that has a reciprocal; nearly all have. */
static int draw_g(sntrup_small ret_g, sntrup_small ret_inverse)
{
	uint32_t word[SNTRUP_P];
	int r;

	do {
		r = draw(word);
		if (r == 0)
			sntrup_small_from(word, ret_g);
	} while (r == 0 && !sntrup_reciprocal(ret_g, ret_inverse));
	secret_wipe(word, sizeof(word));
	return r;
}

static int draw_short(sntrup_small ret)
{
	uint32_t word[SNTRUP_P];
	int r = draw(word);

	if (r == 0)
		sntrup_short_from(word, ret);
	secret_wipe(word, sizeof(word));
	return r;
}

int sntrup761_keygen(uint8_t ret_ek[SNTRUP761_EK_LEN], uint8_t ret_dk[SNTRUP761_DK_LEN])
{
	sntrup_small f, g, inverse;
	sntrup_rq h;
	int r;

	r = draw_g(g, inverse);
	if (r == 0)
		r = draw_short(f);
	if (r == 0)
		r = crypto_random(ret_dk + DK_RHO, SNTRUP_SMALL_LEN);
	if (r == 0) {
		sntrup_reciprocal3(f, h);
		sntrup_mul(h, g, h);
		sntrup_rq_encode(h, ret_ek);
		sntrup_small_encode(f, ret_dk + DK_F);
		sntrup_small_encode(inverse, ret_dk + DK_GINV);
		memcpy(ret_dk + DK_EK, ret_ek, SNTRUP761_EK_LEN);
		r = hash(4, ret_ek, SNTRUP761_EK_LEN, NULL, 0, ret_dk + DK_HASH);
	}
	secret_wipe(f, sizeof(f));
	secret_wipe(g, sizeof(g));
	secret_wipe(inverse, sizeof(inverse));
	return r;
}

/*
 * What is sent for r, which r_enc is the encoding of: Round(h r) and a hash that confirms r.
 * ret_r_hash is what the session key is made of, too.
 */
static int hide(const sntrup_small r, const uint8_t r_enc[SNTRUP_SMALL_LEN],
		const uint8_t ek[SNTRUP761_EK_LEN], const uint8_t ek_hash[HASH_LEN],
		uint8_t ret_ct[SNTRUP761_CT_LEN])
{
	uint8_t r_hash[HASH_LEN];
	sntrup_rq c;
	int e;

	sntrup_rq_decode(ek, c);
	sntrup_mul(c, r, c);
	sntrup_round(c);
	sntrup_rounded_encode(c, ret_ct);
	e = hash(3, r_enc, SNTRUP_SMALL_LEN, NULL, 0, r_hash);
	if (e == 0)
		e = hash(2, r_hash, HASH_LEN, ek_hash, HASH_LEN, ret_ct + SNTRUP_ROUNDED_LEN);
	secret_wipe(r_hash, sizeof(r_hash));
	secret_wipe(c, sizeof(c));
	return e;
}

/* b: 1, or 0 for a ciphertext that was refused. */
static int session_key(uint8_t b, const uint8_t r_enc[SNTRUP_SMALL_LEN],
		       const uint8_t ct[SNTRUP761_CT_LEN], uint8_t ret[SNTRUP761_SHARED_LEN])
{
	uint8_t r_hash[HASH_LEN];
	int e = hash(3, r_enc, SNTRUP_SMALL_LEN, NULL, 0, r_hash);

	if (e == 0)
		e = hash(b, r_hash, HASH_LEN, ct, SNTRUP761_CT_LEN, ret);
	secret_wipe(r_hash, sizeof(r_hash));
	return e;
}

int sntrup761_encaps(const uint8_t ek[SNTRUP761_EK_LEN], uint8_t ret_ct[SNTRUP761_CT_LEN],
		     uint8_t ret_shared[SNTRUP761_SHARED_LEN])
{
	uint8_t r_enc[SNTRUP_SMALL_LEN], ek_hash[HASH_LEN];
	sntrup_small r;
	int e;

	e = draw_short(r);
	if (e == 0)
		e = hash(4, ek, SNTRUP761_EK_LEN, NULL, 0, ek_hash);
	if (e == 0) {
		sntrup_small_encode(r, r_enc);
		e = hide(r, r_enc, ek, ek_hash, ret_ct);
	}
	if (e == 0)
		e = session_key(1, r_enc, ret_ct, ret_shared);
	secret_wipe(r, sizeof(r));
	secret_wipe(r_enc, sizeof(r_enc));
	return e;
}

/* r of the ciphertext; what is not of weight w becomes w ones and then zeros. */
static void decrypt(const uint8_t dk[SNTRUP761_DK_LEN], const uint8_t ct[SNTRUP761_CT_LEN],
		    sntrup_small ret)
{
	sntrup_small f, inverse, e;
	sntrup_rq c;
	int wrong;

	sntrup_small_decode(dk + DK_F, f);
	sntrup_small_decode(dk + DK_GINV, inverse);
	sntrup_rounded_decode(ct, c);
	sntrup_mul(c, f, c);
	sntrup_triple_mod3(c, e);
	sntrup_mul3(e, inverse, ret);
	wrong = sntrup_weight_mask(ret);
	for (int i = 0; i < SNTRUP_P; i++) {
		int one = i < SNTRUP_W;

		ret[i] = (int8_t)(((ret[i] ^ one) & ~wrong) ^ one);
	}
	secret_wipe(f, sizeof(f));
	secret_wipe(inverse, sizeof(inverse));
	secret_wipe(e, sizeof(e));
	secret_wipe(c, sizeof(c));
}

int sntrup761_decaps(const uint8_t dk[SNTRUP761_DK_LEN], const uint8_t ct[SNTRUP761_CT_LEN],
		     uint8_t ret_shared[SNTRUP761_SHARED_LEN])
{
	uint8_t again[SNTRUP761_CT_LEN], r_enc[SNTRUP_SMALL_LEN], differ = 0, mask;
	sntrup_small r;
	int e;

	decrypt(dk, ct, r);
	sntrup_small_encode(r, r_enc);
	e = hide(r, r_enc, dk + DK_EK, dk + DK_HASH, again);
	if (e == 0) {
		for (int i = 0; i < SNTRUP761_CT_LEN; i++)
			differ |= (uint8_t)(ct[i] ^ again[i]);
		mask = (uint8_t)((int)(differ + 255U) >> 8); /* 1 when any bit differs */
		mask = (uint8_t)-mask;
		for (int i = 0; i < SNTRUP_SMALL_LEN; i++)
			r_enc[i] ^= (uint8_t)(mask & (r_enc[i] ^ dk[DK_RHO + i]));
		e = session_key((uint8_t)(1 + mask), r_enc, ct, ret_shared);
	}
	secret_wipe(again, sizeof(again));
	secret_wipe(r, sizeof(r));
	secret_wipe(r_enc, sizeof(r_enc));
	return e;
}
