/*
 * crypto/cipher_mb_chapoly.c - a record of chacha20-poly1305@openssh.com by ipsec-mb.
 *
 * ipsec-mb has ChaCha20 from block 1 on, and Poly1305 of one buffer. A record in one piece is
 * done where it lies; one of several is gathered into scratch and put back.
 */
#include "crypto/cipher_internal.h"

static bool chacha_run(IMB_MGR *mb, enum cipher_dir dir, const struct cipher_job *j,
		       uint8_t *record)
{
	uint8_t iv[12] = {0};
	IMB_JOB *m = IMB_GET_NEXT_JOB(mb);

	blob_store_be32(iv + 8, j->seqnr);
	m->cipher_mode = IMB_CIPHER_CHACHA20;
	m->cipher_direction = dir == CIPHER_SEAL ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
	m->chain_order = IMB_ORDER_CIPHER_HASH;
	m->hash_alg = IMB_AUTH_NULL;
	m->enc_keys = j->state->key;
	m->dec_keys = j->state->key;
	m->key_len_in_bytes = CHACHA_KEY;
	m->iv = iv;
	m->iv_len_in_bytes = sizeof(iv);
	m->src = record;
	m->dst = record + LENGTH_LEN;
	m->cipher_start_src_offset_in_bytes = LENGTH_LEN;
	m->msg_len_to_cipher_in_bytes = j->len - LENGTH_LEN;
	return cipher_mb_run_now(mb);
}

static bool poly_run(IMB_MGR *mb, const struct cipher_job *j, const uint8_t *record,
		     const struct chapoly_keys *k, uint8_t ret_tag[AEAD_TAG])
{
	IMB_JOB *m = IMB_GET_NEXT_JOB(mb);

	m->cipher_mode = IMB_CIPHER_NULL;
	m->chain_order = IMB_ORDER_HASH_CIPHER;
	m->hash_alg = IMB_AUTH_POLY1305;
	m->src = record;
	m->hash_start_src_offset_in_bytes = 0;
	m->msg_len_to_hash_in_bytes = j->len;
	m->u.POLY1305._key = k->poly;
	m->auth_tag_output = ret_tag;
	m->auth_tag_output_len_in_bytes = AEAD_TAG;
	return cipher_mb_run_now(mb);
}

static int record_seal(IMB_MGR *mb, const struct cipher_job *j, uint8_t *record,
		       const struct chapoly_keys *k)
{
	uint8_t tag[AEAD_TAG];

	for (int i = 0; i < LENGTH_LEN; i++)
		record[i] ^= k->length_mask[i];
	if (!chacha_run(mb, CIPHER_SEAL, j, record) || !poly_run(mb, j, record, k, tag))
		return -EIO;
	return cipher_tag_settle(CIPHER_SEAL, j, tag);
}

/* Nothing is decrypted before the tag is right. */
static int record_open(IMB_MGR *mb, const struct cipher_job *j, uint8_t *record,
		       const struct chapoly_keys *k)
{
	uint8_t tag[AEAD_TAG];
	int r;

	if (!poly_run(mb, j, record, k, tag))
		return -EIO;
	r = cipher_tag_settle(CIPHER_OPEN, j, tag);
	if (r < 0)
		return r;
	for (int i = 0; i < LENGTH_LEN; i++)
		record[i] ^= k->length_mask[i];
	return chacha_run(mb, CIPHER_OPEN, j, record) ? 0 : -EIO;
}

int cipher_mb_chapoly(struct cipher_engine *e, enum cipher_dir dir, const struct cipher_job *j,
		      const struct chapoly_keys *k)
{
	bool gather = j->n_pieces > 1;
	uint8_t *record = gather ? e->scratch : j->piece[0].p;
	int r;

	if (gather)
		cipher_pieces_read(j, record, j->len);
	r = dir == CIPHER_SEAL ? record_seal(e->mb, j, record, k)
			       : record_open(e->mb, j, record, k);
	if (gather && r == 0)
		cipher_pieces_write(j, record, j->len);
	return r;
}
