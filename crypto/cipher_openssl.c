/*
 * crypto/cipher_openssl.c - every suite by OpenSSL's EVP, over the pieces, in place.
 *
 * The second engine, and the first one's way for records that ipsec-mb does less well. The
 * contexts are made once; a record sets key and IV only, which allocates nothing. Each call
 * that does not say 1 has failed, whatever else it says (S-40).
 */
#include <openssl/core_names.h>

#include "crypto/cipher_internal.h"

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

int cipher_ossl_init(struct cipher_ossl *o)
{
	*o = (struct cipher_ossl){
		.gcm128 = cipher_ctx_new(EVP_aes_128_gcm()),
		.gcm256 = cipher_ctx_new(EVP_aes_256_gcm()),
		.ctr128 = cipher_ctx_new(EVP_aes_128_ctr()),
		.ctr192 = cipher_ctx_new(EVP_aes_192_ctr()),
		.ctr256 = cipher_ctx_new(EVP_aes_256_ctr()),
		.chacha = cipher_ctx_new(EVP_chacha20()),
		.poly = poly_ctx_new(),
		.md = {md_ctx_new(EVP_sha256()), md_ctx_new(EVP_sha512())},
	};
	if (o->gcm128 == NULL || o->gcm256 == NULL || o->ctr128 == NULL || o->ctr192 == NULL ||
	    o->ctr256 == NULL || o->chacha == NULL || o->poly == NULL || o->md[0] == NULL ||
	    o->md[1] == NULL)
		return -ENOMEM;
	return 0;
}

void cipher_ossl_fini(struct cipher_ossl *o)
{
	EVP_CIPHER_CTX_free(o->gcm128);
	EVP_CIPHER_CTX_free(o->gcm256);
	EVP_CIPHER_CTX_free(o->ctr128);
	EVP_CIPHER_CTX_free(o->ctr192);
	EVP_CIPHER_CTX_free(o->ctr256);
	EVP_CIPHER_CTX_free(o->chacha);
	EVP_MAC_CTX_free(o->poly);
	EVP_MD_CTX_free(o->md[CIPHER_MAC_SHA256]);
	EVP_MD_CTX_free(o->md[CIPHER_MAC_SHA512]);
}

static bool cipher_start(EVP_CIPHER_CTX *ctx, enum cipher_dir dir, const uint8_t *key,
			 const uint8_t *iv)
{
	return EVP_CipherInit_ex(ctx, NULL, NULL, key, iv, dir == CIPHER_SEAL) == 1;
}

static bool update(EVP_CIPHER_CTX *ctx, uint8_t *out, const uint8_t *in, uint32_t len)
{
	int got = -1;

	return EVP_CipherUpdate(ctx, out, &got, in, (int)len) == 1 && got == (int)len;
}

/* All of the record behind its first skip bytes, in place. */
static bool update_pieces(EVP_CIPHER_CTX *ctx, const struct cipher_job *j, uint32_t skip)
{
	struct cipher_walk w = cipher_walk_init(j, skip);
	uint32_t n;
	uint8_t *p;

	while (cipher_walk_next(&w, &p, &n))
		if (!update(ctx, p, p, n))
			return false;
	return true;
}

/* --- AES-GCM -------------------------------------------------------------------------------- */

static int gcm_one(struct cipher_ossl *o, enum cipher_dir dir, const struct cipher_job *j)
{
	EVP_CIPHER_CTX *ctx = j->state->suite->key_len == 16 ? o->gcm128 : o->gcm256;
	uint8_t length[LENGTH_LEN], none[AES_BLOCK];
	int got = 0;

	cipher_pieces_read(j, length, sizeof(length));
	if (!cipher_start(ctx, dir, j->state->key, j->iv) ||
	    !update(ctx, NULL, length, sizeof(length)) || !update_pieces(ctx, j, LENGTH_LEN))
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
	return cipher_start(o->chacha, CIPHER_SEAL, key, iv);
}

static bool length_crypt(struct cipher_ossl *o, const uint8_t *keys, uint32_t seqnr,
			 const uint8_t *in, uint8_t *out)
{
	return chacha_start(o, keys + CHACHA_KEY, seqnr, 0) &&
	       update(o->chacha, out, in, LENGTH_LEN);
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
	     update(o->chacha, key, zero, sizeof(key)) &&
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
	       update_pieces(o->chacha, j, LENGTH_LEN);
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

/* --- AES-CTR and HMAC ------------------------------------------------------------------------- */

static EVP_CIPHER_CTX *ctr_ctx(struct cipher_ossl *o, const struct cipher_suite *s)
{
	switch (s->key_len) {
	case 16:
		return o->ctr128;
	case 24:
		return o->ctr192;
	default:
		return o->ctr256;
	}
}

static bool ctr_crypt(struct cipher_ossl *o, const struct cipher_job *j)
{
	EVP_CIPHER_CTX *ctx = ctr_ctx(o, j->state->suite);

	return cipher_start(ctx, CIPHER_SEAL, j->state->key, j->iv) &&
	       update_pieces(ctx, j, cipher_suite_clear(j->state->suite));
}

/* Starts the inner or outer hash of RFC 2104 with its block of key. */
static bool hmac_start(EVP_MD_CTX *md, const struct cipher_state *st, uint8_t pad)
{
	size_t block_len = cipher_suite_mac(st->suite) == CIPHER_MAC_SHA512 ? 128 : 64;
	uint8_t block[128];
	bool ok;

	for (size_t i = 0; i < block_len; i++)
		block[i] = (i < st->suite->mac_key_len ? st->mac_key[i] : 0) ^ pad;
	ok = EVP_DigestInit_ex(md, NULL, NULL) == 1 && EVP_DigestUpdate(md, block, block_len) == 1;
	secret_wipe(block, sizeof(block));
	return ok;
}

/*
 * HMAC by its definition: OpenSSL's own allocates two hash contexts for each message. The
 * hash's two additional blocks cost less.
 */
static bool hmac_tag(struct cipher_ossl *o, const struct cipher_job *j,
		     uint8_t ret_tag[CIPHER_TAG_MAX])
{
	EVP_MD_CTX *md = o->md[cipher_suite_mac(j->state->suite)];
	struct cipher_walk w = cipher_walk_init(j, 0);
	unsigned int len = 0, tag_len = j->state->suite->tag_len;
	uint8_t seqnr[4];
	uint32_t n;
	uint8_t *p;

	blob_store_be32(seqnr, j->seqnr);
	if (!hmac_start(md, j->state, 0x36) || EVP_DigestUpdate(md, seqnr, sizeof(seqnr)) != 1)
		return false;
	while (cipher_walk_next(&w, &p, &n))
		if (EVP_DigestUpdate(md, p, n) != 1)
			return false;
	if (EVP_DigestFinal_ex(md, ret_tag, &len) != 1 || len != tag_len)
		return false;
	return hmac_start(md, j->state, 0x5c) && EVP_DigestUpdate(md, ret_tag, len) == 1 &&
	       EVP_DigestFinal_ex(md, ret_tag, &len) == 1 && len == tag_len;
}

static int ctr_one(struct cipher_ossl *o, enum cipher_dir dir, const struct cipher_job *j)
{
	bool crypt_first = (j->state->suite->shape == CIPHER_ETM) == (dir == CIPHER_SEAL);
	uint8_t tag[CIPHER_TAG_MAX];
	int r;

	if (crypt_first && !ctr_crypt(o, j))
		return -EIO;
	if (!hmac_tag(o, j, tag))
		return -EIO;
	r = cipher_tag_settle(dir, j, tag);
	if (r == 0 && !crypt_first && !ctr_crypt(o, j))
		return -EIO;
	return r;
}

void cipher_ossl_ctr(struct cipher_engine *e, enum cipher_dir dir, struct cipher_job *const *job,
		     unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		job[i]->result = ctr_one(&e->ossl, dir, job[i]);
}

static int ossl_peek_ctr(struct cipher_engine *e, struct cipher_state *st, uint32_t seqnr,
			 const uint8_t *first, uint8_t ret_length[LENGTH_LEN])
{
	EVP_CIPHER_CTX *ctx = ctr_ctx(&e->ossl, st->suite);

	(void)seqnr;
	if (!cipher_start(ctx, CIPHER_SEAL, st->key, st->iv) ||
	    !update(ctx, ret_length, first, LENGTH_LEN))
		return -EIO;
	return 0;
}

const struct cipher_backend cipher_backend_ossl = {
	.gcm = ossl_gcm,
	.chapoly = ossl_chapoly,
	.ctr = cipher_ossl_ctr,
	.peek_chapoly = ossl_peek_chapoly,
	.peek_ctr = ossl_peek_ctr,
};
