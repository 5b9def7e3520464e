/*
 * crypto/cipher_mb_gcm.c - AES-GCM by ipsec-mb's direct calls, over the pieces, in place.
 *
 * RFC 5647, with the length as additional data (OpenSSH's PROTOCOL section 1.6). The direct
 * calls move 10 GB/s over pieces of an MTU, where jobs and copies do less. They return nothing:
 * all that can fail in them is a null pointer, and none here can be null.
 */
#include "crypto/cipher_internal.h"

#define KEY128 16

void cipher_mb_gcm_expand(struct cipher_engine *e, const struct cipher_state *st,
			  struct gcm_key_data *ret)
{
	if (st->suite->key_len == KEY128)
		IMB_AES128_GCM_PRE(e->mb, st->key, ret);
	else
		IMB_AES256_GCM_PRE(e->mb, st->key, ret);
}

static void run128(IMB_MGR *mb, enum cipher_dir dir, const struct gcm_key_data *key,
		   struct gcm_context_data *ctx, const struct cipher_job *j, const uint8_t *length,
		   uint8_t *ret_tag)
{
	struct cipher_walk w = cipher_walk_init(j, LENGTH_LEN);
	uint32_t n;
	uint8_t *p;

	IMB_AES128_GCM_INIT(mb, key, ctx, j->iv, length, LENGTH_LEN);
	if (dir == CIPHER_SEAL) {
		while (cipher_walk_next(&w, &p, &n))
			IMB_AES128_GCM_ENC_UPDATE(mb, key, ctx, p, p, n);
		IMB_AES128_GCM_ENC_FINALIZE(mb, key, ctx, ret_tag, AEAD_TAG);
	} else {
		while (cipher_walk_next(&w, &p, &n))
			IMB_AES128_GCM_DEC_UPDATE(mb, key, ctx, p, p, n);
		IMB_AES128_GCM_DEC_FINALIZE(mb, key, ctx, ret_tag, AEAD_TAG);
	}
}

static void run256(IMB_MGR *mb, enum cipher_dir dir, const struct gcm_key_data *key,
		   struct gcm_context_data *ctx, const struct cipher_job *j, const uint8_t *length,
		   uint8_t *ret_tag)
{
	struct cipher_walk w = cipher_walk_init(j, LENGTH_LEN);
	uint32_t n;
	uint8_t *p;

	IMB_AES256_GCM_INIT(mb, key, ctx, j->iv, length, LENGTH_LEN);
	if (dir == CIPHER_SEAL) {
		while (cipher_walk_next(&w, &p, &n))
			IMB_AES256_GCM_ENC_UPDATE(mb, key, ctx, p, p, n);
		IMB_AES256_GCM_ENC_FINALIZE(mb, key, ctx, ret_tag, AEAD_TAG);
	} else {
		while (cipher_walk_next(&w, &p, &n))
			IMB_AES256_GCM_DEC_UPDATE(mb, key, ctx, p, p, n);
		IMB_AES256_GCM_DEC_FINALIZE(mb, key, ctx, ret_tag, AEAD_TAG);
	}
}

void cipher_mb_gcm(struct cipher_engine *e, enum cipher_dir dir, struct cipher_job *const *job,
		   unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct cipher_job *j = job[i];
		const struct gcm_key_data *key = &cipher_pool_mb(e, j->state)->gcm;
		uint8_t length[LENGTH_LEN], tag[AEAD_TAG];

		cipher_pieces_read(j, length, sizeof(length));
		if (j->state->suite->key_len == KEY128)
			run128(e->mb, dir, key, &e->gcm_ctx, j, length, tag);
		else
			run256(e->mb, dir, key, &e->gcm_ctx, j, length, tag);
		j->result = cipher_tag_settle(dir, j, tag);
	}
}
