/*
 * crypto/cipher_mac.c - HMAC (RFC 2104) by OpenSSL's hashes and UMAC (RFC 4418) by nettle, over the
 * pieces of a record.
 */
#include "crypto/cipher_internal.h"

/* Starts the inner or outer hash with its block of key. */
static bool hmac_start(EVP_MD_CTX *md, const struct cipher_state *st, uint8_t pad)
{
	size_t block_len = cipher_hash_block_len(st->suite->mac);
	uint8_t block[HASH_BLOCK_MAX];
	bool ok;

	for (size_t i = 0; i < block_len; i++)
		block[i] = (i < st->suite->mac_key_len ? st->mac_key[i] : 0) ^ pad;
	ok = EVP_DigestInit_ex(md, NULL, NULL) == 1 && EVP_DigestUpdate(md, block, block_len) == 1;
	secret_wipe(block, sizeof(block));
	return ok;
}

/*
 * HMAC by its definition: OpenSSL's own allocates two hash contexts for each message. The
 * hash's two additional blocks cost less. The key is as long as the hash.
 */
static bool hmac_tag(struct cipher_ossl *o, const struct cipher_job *j,
		     uint8_t ret_tag[CIPHER_TAG_MAX])
{
	EVP_MD_CTX *md = o->md[j->state->suite->mac];
	struct cipher_walk w = cipher_walk_init(j, 0);
	unsigned int len = 0, want = j->state->suite->mac_key_len;
	uint8_t seqnr[4];
	uint32_t n;
	uint8_t *p;

	blob_store_be32(seqnr, j->seqnr);
	if (!hmac_start(md, j->state, 0x36) || EVP_DigestUpdate(md, seqnr, sizeof(seqnr)) != 1)
		return false;
	while (cipher_walk_next(&w, &p, &n))
		if (EVP_DigestUpdate(md, p, n) != 1)
			return false;
	if (EVP_DigestFinal_ex(md, ret_tag, &len) != 1 || len != want)
		return false;
	return hmac_start(md, j->state, 0x5c) && EVP_DigestUpdate(md, ret_tag, len) == 1 &&
	       EVP_DigestFinal_ex(md, ret_tag, &len) == 1 && len == want;
}

void cipher_umac_expand(const struct cipher_state *st, union umac_keys *ret)
{
	if (st->suite->mac == CIPHER_MAC_UMAC64)
		umac64_set_key(&ret->u64, st->mac_key);
	else
		umac128_set_key(&ret->u128, st->mac_key);
}

/* draft-miller-secsh-umac-01: the sequence number, as 64 bits, is the nonce and not the text. */
static void umac_tag(struct cipher_engine *e, const struct cipher_job *j, uint8_t *ret_tag)
{
	struct cipher_walk w = cipher_walk_init(j, 0);
	union umac_keys *k = &e->umac_ctx;
	uint8_t nonce[8] = {0};
	uint32_t n;
	uint8_t *p;

	if (cipher_suite_is_provided(j->state->suite))
		cipher_umac_expand(j->state, k); /* its place is taken by the cipher's context */
	else
		k = cipher_pool_umac(e, j->state);
	blob_store_be32(nonce + 4, j->seqnr);
	if (j->state->suite->mac == CIPHER_MAC_UMAC64) {
		umac64_set_nonce(&k->u64, sizeof(nonce), nonce);
		while (cipher_walk_next(&w, &p, &n))
			umac64_update(&k->u64, n, p);
		umac64_digest(&k->u64, UMAC64_DIGEST_SIZE, ret_tag);
	} else {
		umac128_set_nonce(&k->u128, sizeof(nonce), nonce);
		while (cipher_walk_next(&w, &p, &n))
			umac128_update(&k->u128, n, p);
		umac128_digest(&k->u128, UMAC128_DIGEST_SIZE, ret_tag);
	}
}

bool cipher_mac_tag(struct cipher_engine *e, const struct cipher_job *j,
		    uint8_t ret_tag[CIPHER_TAG_MAX])
{
	if (!cipher_suite_is_umac(j->state->suite))
		return hmac_tag(&e->ossl, j, ret_tag);
	umac_tag(e, j, ret_tag);
	return true;
}
