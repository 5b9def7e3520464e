/*
 * crypto/hash.h - running hashes and HMAC for exchange hashes, key derivation, fingerprints.
 *
 * Errors  -errno; a failing library is -EIO and is never ignored.
 */
#ifndef SLUICE_CRYPTO_HASH_H
#define SLUICE_CRYPTO_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_LEN_MAX 64

enum hash_alg {
	HASH_SHA1 = 1,
	HASH_SHA256,
	HASH_SHA384,
	HASH_SHA512,
	HASH_MD5,
	HASH_SHA3_256,
	HASH_SHA3_512,
};
enum hash_xof_alg { HASH_SHAKE128 = 1, HASH_SHAKE256 };

struct hash_piece {
	const void *p;
	size_t len;
};

size_t hash_len(enum hash_alg alg);
/* One digest over n pieces; out has hash_len(alg) bytes. */
int hash_digest(enum hash_alg alg, const struct hash_piece *piece, unsigned int n, uint8_t *out)
	__attribute__((warn_unused_result));
/* The digest of one piece as RFC 4716 section 4 writes it: "aa:bb:…". */
#define HASH_PAIRS_MAX (3 * HASH_LEN_MAX)
int hash_pairs(enum hash_alg alg, const void *p, size_t len, char ret[HASH_PAIRS_MAX])
	__attribute__((warn_unused_result));
/* RFC 2104; out has hash_len(alg) bytes. */
int hash_hmac(enum hash_alg alg, const void *key, size_t key_len, const void *p, size_t len,
	      uint8_t *out) __attribute__((warn_unused_result));
/* The first len bytes of an extendable output (FIPS 202). */
int hash_xof(enum hash_xof_alg alg, const struct hash_piece *piece, unsigned int n, uint8_t *out,
	     size_t len) __attribute__((warn_unused_result));

#endif
