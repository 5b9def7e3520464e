/*
 * crypto/cipher_wide_chapoly.c - a record of chacha20-poly1305@openssh.com over its pieces, where
 * they lie, on processors with AVX-512.
 */
#include "crypto/cipher_internal.h"

bool cipher_wide_usable(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512ifma");
}

static void length_mask(const struct cipher_job *j, const struct chapoly_keys *k)
{
	const struct cipher_piece *p = j->piece;
	uint32_t at = 0;

	for (int i = 0; i < LENGTH_LEN; i++, at++) {
		for (; at == p->len; p++) /* more than once where pieces are empty */
			at = 0;
		p->p[at] ^= k->length_mask[i];
	}
}

static void payload_crypt(struct cipher_engine *e, const struct cipher_job *j)
{
	struct cipher_walk w = cipher_walk_init(j, LENGTH_LEN);
	uint32_t n;
	uint8_t *p;

	chacha_wide_init(&e->chacha, j->state->key, j->seqnr);
	while (cipher_walk_next(&w, &p, &n))
		chacha_wide_xor(&e->chacha, p, n);
}

static void tag_make(struct cipher_engine *e, const struct cipher_job *j,
		     const struct chapoly_keys *k, uint8_t ret_tag[AEAD_TAG])
{
	poly1305_wide_init(&e->poly, k->poly);
	for (uint16_t i = 0; i < j->n_pieces; i++)
		poly1305_wide_update(&e->poly, j->piece[i].p, j->piece[i].len);
	poly1305_wide_final(&e->poly, ret_tag);
}

int cipher_wide_chapoly(struct cipher_engine *e, enum cipher_dir dir, const struct cipher_job *j,
			const struct chapoly_keys *k)
{
	uint8_t tag[AEAD_TAG];
	int r;

	if (dir == CIPHER_SEAL) {
		length_mask(j, k);
		payload_crypt(e, j);
		tag_make(e, j, k, tag);
		return cipher_tag_settle(dir, j, tag);
	}
	/* Nothing is decrypted before the tag is right. */
	tag_make(e, j, k, tag);
	r = cipher_tag_settle(dir, j, tag);
	if (r < 0)
		return r;
	length_mask(j, k);
	payload_crypt(e, j);
	return 0;
}
