/* crypto/hash.c - digests over pieces, by OpenSSL. */
#include "crypto/hash.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

static const EVP_MD *hash_md(enum hash_alg alg)
{
	switch (alg) {
	case HASH_SHA1:
		return EVP_sha1();
	case HASH_SHA256:
		return EVP_sha256();
	case HASH_SHA384:
		return EVP_sha384();
	case HASH_SHA512:
		return EVP_sha512();
	case HASH_MD5:
		return EVP_md5();
	case HASH_SHA3_256:
		return EVP_sha3_256();
	case HASH_SHA3_512:
		return EVP_sha3_512();
	}
	return NULL;
}

size_t hash_len(enum hash_alg alg)
{
	switch (alg) {
	case HASH_SHA1:
		return 20;
	case HASH_SHA256:
	case HASH_SHA3_256:
		return 32;
	case HASH_SHA384:
		return 48;
	case HASH_SHA512:
	case HASH_SHA3_512:
		return 64;
	case HASH_MD5:
		return 16;
	}
	return 0;
}

static bool hash_update_all(EVP_MD_CTX *ctx, const struct hash_piece *piece, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if (piece[i].len > 0 && EVP_DigestUpdate(ctx, piece[i].p, piece[i].len) != 1)
			return false;
	return true;
}

int hash_digest(enum hash_alg alg, const struct hash_piece *piece, unsigned int n, uint8_t *out)
{
	const EVP_MD *md = hash_md(alg);
	unsigned int len = 0;
	EVP_MD_CTX *ctx;
	int r = -EIO;

	if (md == NULL)
		return -EINVAL;
	ctx = EVP_MD_CTX_new();
	if (ctx == NULL)
		return -ENOMEM;
	if (EVP_DigestInit_ex(ctx, md, NULL) == 1 && hash_update_all(ctx, piece, n) &&
	    EVP_DigestFinal_ex(ctx, out, &len) == 1 && len == hash_len(alg))
		r = 0;
	EVP_MD_CTX_free(ctx);
	return r;
}

int hash_pairs(enum hash_alg alg, const void *p, size_t len, char ret[HASH_PAIRS_MAX])
{
	struct hash_piece piece = {p, len};
	uint8_t digest[HASH_LEN_MAX];
	int r = hash_digest(alg, &piece, 1, digest);

	for (size_t i = 0; r == 0 && i < hash_len(alg); i++)
		ret += sprintf(ret, "%s%02x", i > 0 ? ":" : "", digest[i]);
	return r;
}

int hash_hmac(enum hash_alg alg, const void *key, size_t key_len, const void *p, size_t len,
	      uint8_t *out)
{
	const EVP_MD *md = hash_md(alg);
	unsigned int n = 0;

	if (md == NULL || key_len > INT_MAX)
		return -EINVAL;
	return HMAC(md, key, (int)key_len, p, len, out, &n) != NULL && n == hash_len(alg) ? 0
											  : -EIO;
}

int hash_xof(enum hash_xof_alg alg, const struct hash_piece *piece, unsigned int n, uint8_t *out,
	     size_t len)
{
	const EVP_MD *md = alg == HASH_SHAKE128 ? EVP_shake128() : EVP_shake256();
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int r = -EIO;

	if (ctx == NULL)
		return -ENOMEM;
	if (EVP_DigestInit_ex(ctx, md, NULL) == 1 && hash_update_all(ctx, piece, n) &&
	    EVP_DigestFinalXOF(ctx, out, len) == 1)
		r = 0;
	EVP_MD_CTX_free(ctx);
	return r;
}
