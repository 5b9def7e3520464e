/* crypto/bcrypt_pbkdf.c - eks-Blowfish, bcrypt with wide inputs, and the derivation around them. */
#include "crypto/bcrypt_pbkdf.h"

#include <errno.h>
#include <string.h>

#include "crypto/blob.h"
#include "crypto/fips.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

#define P_WORDS     18
#define ROUNDS      16
#define INPUT_LEN   64 /* SHA-512 of the passphrase, and of the salt */
#define OUT_WORDS   8
#define OUT_LEN     (OUT_WORDS * 4)
#define FINAL_LOOPS 64

/* An explorer looks for faults in the parsers around this, and not for a passphrase. */
#ifdef SLUICE_FUZZING
#define COST_LOOPS   0
#define rounds_of(n) ((void)(n), 1U)
#else
#define COST_LOOPS   64 /* bcrypt's cost of 6 */
#define rounds_of(n) (n)
#endif

struct blowfish {
	uint32_t p[P_WORDS];
	uint32_t s[4][256];
};

#include "crypto/blowfish_start.h"

/* One call's memory: everything in it is secret. */
struct work {
	struct blowfish bf;
	uint8_t pass[INPUT_LEN], salt[INPUT_LEN];
	uint8_t out[OUT_LEN], sum[OUT_LEN];
};

static inline uint32_t f(const struct blowfish *bf, uint32_t x)
{
	return ((bf->s[0][x >> 24] + bf->s[1][x >> 16 & 0xff]) ^ bf->s[2][x >> 8 & 0xff]) +
	       bf->s[3][x & 0xff];
}

static inline void encipher(const struct blowfish *bf, uint32_t *left, uint32_t *right)
{
	uint32_t l = *left, r = *right;

	for (int i = 0; i < ROUNDS; i += 2) {
		l ^= bf->p[i];
		r ^= f(bf, l);
		r ^= bf->p[i + 1];
		l ^= f(bf, r);
	}
	*left = r ^ bf->p[ROUNDS + 1];
	*right = l ^ bf->p[ROUNDS];
}

/* The words of an input, over and over. */
struct words {
	const uint8_t *p;
	unsigned int at;
};

static inline uint32_t words_next(struct words *w)
{
	uint32_t v = blob_load_be32(w->p + w->at);

	w->at = (w->at + 4) % INPUT_LEN;
	return v;
}

static void refill(struct blowfish *bf, uint32_t *table, int n, uint32_t *l, uint32_t *r,
		   struct words *salt)
{
	for (int i = 0; i < n; i += 2) {
		if (salt != NULL) {
			*l ^= words_next(salt);
			*r ^= words_next(salt);
		}
		encipher(bf, l, r);
		table[i] = *l;
		table[i + 1] = *r;
	}
}

/* ExpandKey(state, salt, key); without a salt it is Blowfish's own key schedule. */
static void expand(struct blowfish *bf, const uint8_t *salt, const uint8_t *key)
{
	struct words salt_words = {salt, 0}, key_words = {key, 0};
	struct words *salted = salt == NULL ? NULL : &salt_words;
	uint32_t l = 0, r = 0;

	for (int i = 0; i < P_WORDS; i++)
		bf->p[i] ^= words_next(&key_words);
	refill(bf, bf->p, P_WORDS, &l, &r, salted);
	for (int i = 0; i < 4; i++)
		refill(bf, bf->s[i], 256, &l, &r, salted);
}

/* bcrypt with 64-byte inputs, a text of twice the usual length and little-endian output. */
static void bcrypt_hash(struct work *w)
{
	static const uint8_t text[OUT_LEN + 1] = "OxychromaticBlowfishSwatDynamite";
	uint32_t c[OUT_WORDS];

	w->bf = blowfish_start;
	expand(&w->bf, w->salt, w->pass);
	for (int i = 0; i < COST_LOOPS; i++) {
		expand(&w->bf, NULL, w->salt);
		expand(&w->bf, NULL, w->pass);
	}
	for (int i = 0; i < OUT_WORDS; i++)
		c[i] = blob_load_be32(text + 4 * i);
	for (int i = 0; i < FINAL_LOOPS; i++)
		for (int k = 0; k < OUT_WORDS; k += 2)
			encipher(&w->bf, &c[k], &c[k + 1]);
	for (int i = 0; i < OUT_LEN; i++)
		w->out[i] = (uint8_t)(c[i / 4] >> 8 * (i % 4));
	secret_wipe(c, sizeof(c));
}

/* F of RFC 8018 section 5.2: U_1 ^ U_2 ^ … of one block. */
static int block_make(struct work *w, const uint8_t *salt, size_t salt_len, uint32_t count,
		      unsigned int rounds)
{
	uint8_t count_be[4];
	struct hash_piece first[] = {{salt, salt_len}, {count_be, sizeof(count_be)}};
	struct hash_piece again = {w->out, OUT_LEN};
	int r;

	blob_store_be32(count_be, count);
	r = hash_digest(HASH_SHA512, first, 2, w->salt);
	if (r < 0)
		return r;
	bcrypt_hash(w);
	memcpy(w->sum, w->out, OUT_LEN);
	for (unsigned int i = 1; i < rounds_of(rounds); i++) {
		r = hash_digest(HASH_SHA512, &again, 1, w->salt);
		if (r < 0)
			return r;
		bcrypt_hash(w);
		for (int k = 0; k < OUT_LEN; k++)
			w->sum[k] ^= w->out[k];
	}
	return 0;
}

int bcrypt_pbkdf(const void *pass, size_t pass_len, const uint8_t *salt, size_t salt_len,
		 unsigned int rounds, uint8_t *out, size_t len)
{
	struct hash_piece phrase = {pass, pass_len};
	size_t stride = (len + OUT_LEN - 1) / OUT_LEN;
	struct work *w;
	int r;

	if (pass_len == 0 || salt_len == 0 || salt_len > BCRYPT_SALT_MAX || rounds == 0 ||
	    rounds > BCRYPT_ROUNDS_MAX || len == 0 || len > BCRYPT_KEY_MAX)
		return -EINVAL;
	if (fips_on()) /* Blowfish is our own */
		return -ENOTSUP;
	w = secret_new(sizeof(*w));
	if (w == NULL)
		return -ENOMEM;
	r = hash_digest(HASH_SHA512, &phrase, 1, w->pass);
	/* Each block gives every stride-th byte: no part of the key is had with less work. */
	for (size_t count = 1; count <= stride && r == 0; count++) {
		r = block_make(w, salt, salt_len, (uint32_t)count, rounds);
		for (size_t i = 0; i < OUT_LEN && i * stride + count - 1 < len && r == 0; i++)
			out[i * stride + count - 1] = w->sum[i];
	}
	secret_free(w, sizeof(*w));
	return r;
}
