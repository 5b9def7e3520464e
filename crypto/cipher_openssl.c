/*
 * crypto/cipher_openssl.c - the AEADs by OpenSSL's EVP, over the pieces, in place, and the contexts
 * of all its ciphers and hashes.
 *
 * Of the second engine, and the first one's way for records that ipsec-mb does less well. The
 * contexts are made once; a record sets key and IV only, which allocates nothing. Each call
 * that does not say 1 has failed, whatever else it says (S-40).
 */
#include <openssl/core_names.h>

#include "crypto/cipher_internal.h"
#include "crypto/fips.h"

static EVP_CIPHER_CTX *cipher_ctx_new(const EVP_CIPHER *cipher)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	if (ctx != NULL && EVP_CipherInit_ex(ctx, cipher, NULL, NULL, NULL, 1) != 1) {
		EVP_CIPHER_CTX_free(ctx);
		ctx = NULL;
	}
	return ctx;
}

static EVP_MD_CTX *md_ctx_new(const EVP_MD *md)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (ctx != NULL && EVP_DigestInit_ex(ctx, md, NULL) != 1) {
		EVP_MD_CTX_free(ctx);
		ctx = NULL;
	}
	return ctx;
}

static EVP_MAC_CTX *poly_ctx_new(void)
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "POLY1305", NULL);
	EVP_MAC_CTX *ctx = mac == NULL ? NULL : EVP_MAC_CTX_new(mac);

	EVP_MAC_free(mac); /* the context holds it */
	return ctx;
}

static bool ciphers_make(struct cipher_ossl *o)
{
	static const EVP_CIPHER *(*const make[CIPHER_CTXS])(void) = {
		[CIPHER_CTX_GCM128] = EVP_aes_128_gcm,    [CIPHER_CTX_GCM256] = EVP_aes_256_gcm,
		[CIPHER_CTX_CHACHA] = EVP_chacha20,       [CIPHER_CTX_CTR128] = EVP_aes_128_ctr,
		[CIPHER_CTX_CTR192] = EVP_aes_192_ctr,    [CIPHER_CTX_CTR256] = EVP_aes_256_ctr,
		[CIPHER_CTX_CBC128] = EVP_aes_128_cbc,    [CIPHER_CTX_CBC192] = EVP_aes_192_cbc,
		[CIPHER_CTX_CBC256] = EVP_aes_256_cbc,    [CIPHER_CTX_DES3_CBC] = EVP_des_ede3_cbc,
		[CIPHER_CTX_DES3_ECB] = EVP_des_ede3_ecb,
	};

	for (int i = 0; i < CIPHER_CTXS; i++) {
		if (fips_on() && (i == CIPHER_CTX_CHACHA || i == CIPHER_CTX_DES3_CBC ||
				  i == CIPHER_CTX_DES3_ECB))
			continue; /* no suite has it then */
		o->ctx[i] = cipher_ctx_new(make[i]());
		/* Whole blocks come and go: SSH pads by itself. */
		if (o->ctx[i] == NULL || EVP_CIPHER_CTX_set_padding(o->ctx[i], 0) != 1)
			return false;
	}
	return true;
}

static bool hashes_make(struct cipher_ossl *o)
{
	static const EVP_MD *(*const make[CIPHER_HASHES])(void) = {
		[CIPHER_MAC_MD5] = EVP_md5,
		[CIPHER_MAC_SHA1] = EVP_sha1,
		[CIPHER_MAC_RIPEMD160] = EVP_ripemd160,
		[CIPHER_MAC_SHA256] = EVP_sha256,
		[CIPHER_MAC_SHA512] = EVP_sha512,
	};

	for (int i = 0; i < CIPHER_HASHES; i++) {
		if (fips_on() && (i == CIPHER_MAC_MD5 || i == CIPHER_MAC_RIPEMD160))
			continue;
		o->md[i] = md_ctx_new(make[i]());
		if (o->md[i] == NULL)
			return false;
	}
	return true;
}

int cipher_ossl_init(struct cipher_ossl *o)
{
	*o = (struct cipher_ossl){.poly = fips_on() ? NULL : poly_ctx_new()};
	return (o->poly != NULL || fips_on()) && ciphers_make(o) && hashes_make(o) ? 0 : -ENOMEM;
}

void cipher_ossl_fini(struct cipher_ossl *o)
{
	for (int i = 0; i < CIPHER_CTXS; i++)
		EVP_CIPHER_CTX_free(o->ctx[i]);
	EVP_MAC_CTX_free(o->poly);
	for (int i = 0; i < CIPHER_HASHES; i++)
		EVP_MD_CTX_free(o->md[i]);
}

bool cipher_ossl_start(EVP_CIPHER_CTX *ctx, enum cipher_dir dir, const uint8_t *key,
		       const uint8_t *iv)
{
	return EVP_CipherInit_ex(ctx, NULL, NULL, key, iv, dir == CIPHER_SEAL) == 1;
}

bool cipher_ossl_update(EVP_CIPHER_CTX *ctx, uint8_t *out, const uint8_t *in, uint32_t len)
{
	int got = -1;

	return EVP_CipherUpdate(ctx, out, &got, in, (int)len) == 1 && got == (int)len;
}

bool cipher_ossl_pieces(EVP_CIPHER_CTX *ctx, const struct cipher_job *j, uint32_t skip)
{
	struct cipher_walk w = cipher_walk_init(j, skip);
	uint32_t n;
	uint8_t *p;

	while (cipher_walk_next(&w, &p, &n))
		if (!cipher_ossl_update(ctx, p, p, n))
			return false;
	return true;
}

/* --- AES-GCM -------------------------------------------------------------------------------- */

static int gcm_one(struct cipher_ossl *o, enum cipher_dir dir, const struct cipher_job *j)
{
	EVP_CIPHER_CTX *ctx =
		o->ctx[j->state->suite->key_len == 16 ? CIPHER_CTX_GCM128 : CIPHER_CTX_GCM256];
	uint8_t length[LENGTH_LEN], none[AES_BLOCK];
	int got = 0;

	cipher_pieces_read(j, length, sizeof(length));
	if (!cipher_ossl_start(ctx, dir, j->state->key, j->iv) ||
	    !cipher_ossl_update(ctx, NULL, length, sizeof(length)) ||
	    !cipher_ossl_pieces(ctx, j, LENGTH_LEN))
		return -EIO;
	if (dir == CIPHER_SEAL) {
		if (EVP_CipherFinal_ex(ctx, none, &got) != 1 ||
		    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG, j->tag) != 1)
			return -EIO;
		return 0;
	}
	/* Compared there, in constant time. */
	if (EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG, j->tag) != 1)
		return -EIO;
	return EVP_CipherFinal_ex(ctx, none, &got) == 1 ? 0 : -EBADMSG;
}

static void ossl_gcm(struct cipher_engine *e, enum cipher_dir dir, struct cipher_job *const *job,
		     unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		job[i]->result = gcm_one(&e->ossl, dir, job[i]);
}

/* --- chacha20-poly1305@openssh.com ------------------------------------------------------------ */

/* OpenSSL's IV is the block counter, little-endian, and the nonce: here the sequence number. */
static bool chacha_start(struct cipher_ossl *o, const uint8_t *key, uint32_t seqnr, uint8_t block)
{
	uint8_t iv[16] = {block};

	blob_store_be32(iv + 12, seqnr);
	return cipher_ossl_start(o->ctx[CIPHER_CTX_CHACHA], CIPHER_SEAL, key, iv);
}

static bool length_crypt(struct cipher_ossl *o, const uint8_t *keys, uint32_t seqnr,
			 const uint8_t *in, uint8_t *out)
{
	return chacha_start(o, keys + CHACHA_KEY, seqnr, 0) &&
	       cipher_ossl_update(o->ctx[CIPHER_CTX_CHACHA], out, in, LENGTH_LEN);
}

static bool poly_tag(struct cipher_ossl *o, const struct cipher_job *j, uint8_t ret_tag[AEAD_TAG])
{
	static const uint8_t zero[POLY_KEY];
	struct cipher_walk w = cipher_walk_init(j, 0);
	uint8_t key[POLY_KEY];
	size_t len = 0;
	uint32_t n;
	uint8_t *p;
	bool ok;

	ok = chacha_start(o, j->state->key, j->seqnr, 0) &&
	     cipher_ossl_update(o->ctx[CIPHER_CTX_CHACHA], key, zero, sizeof(key)) &&
	     EVP_MAC_init(o->poly, key, sizeof(key), NULL) == 1;
	while (ok && cipher_walk_next(&w, &p, &n))
		ok = EVP_MAC_update(o->poly, p, n) == 1;
	ok = ok && EVP_MAC_final(o->poly, ret_tag, &len, AEAD_TAG) == 1 && len == AEAD_TAG;
	secret_wipe(key, sizeof(key));
	return ok;
}

static bool chapoly_crypt(struct cipher_ossl *o, const struct cipher_job *j)
{
	uint8_t length[LENGTH_LEN];

	cipher_pieces_read(j, length, sizeof(length));
	if (!length_crypt(o, j->state->key, j->seqnr, length, length))
		return false;
	cipher_pieces_write(j, length, sizeof(length));
	return chacha_start(o, j->state->key, j->seqnr, 1) &&
	       cipher_ossl_pieces(o->ctx[CIPHER_CTX_CHACHA], j, LENGTH_LEN);
}

static int chapoly_one(struct cipher_ossl *o, enum cipher_dir dir, const struct cipher_job *j)
{
	uint8_t tag[AEAD_TAG];
	int r;

	if (dir == CIPHER_SEAL && !chapoly_crypt(o, j))
		return -EIO;
	if (!poly_tag(o, j, tag))
		return -EIO;
	r = cipher_tag_settle(dir, j, tag);
	if (r == 0 && dir == CIPHER_OPEN && !chapoly_crypt(o, j))
		return -EIO;
	return r;
}

int cipher_ossl_chapoly(struct cipher_engine *e, enum cipher_dir dir, const struct cipher_job *j)
{
	return chapoly_one(&e->ossl, dir, j);
}

static void ossl_chapoly(struct cipher_engine *e, enum cipher_dir dir,
			 struct cipher_job *const *job, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		job[i]->result = chapoly_one(&e->ossl, dir, job[i]);
}

static int ossl_peek_chapoly(struct cipher_engine *e, struct cipher_state *st, uint32_t seqnr,
			     const uint8_t *first, uint8_t ret_length[LENGTH_LEN])
{
	return length_crypt(&e->ossl, st->key, seqnr, first, ret_length) ? 0 : -EIO;
}

const struct cipher_backend cipher_backend_ossl = {
	.gcm = ossl_gcm,
	.chapoly = ossl_chapoly,
	.mac = cipher_ossl_mac,
	.peek_chapoly = ossl_peek_chapoly,
	.peek_eam = cipher_ossl_peek_eam,
};
