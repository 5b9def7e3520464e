/*
 * crypto/cipher_mb_chapoly.c - chacha20-poly1305@openssh.com by ipsec-mb.
 *
 * OpenSSH's PROTOCOL.chacha20poly1305: of the 64 bytes of key the second half encrypts
 * packet_length, the first half the payload from block 1 on; block 0 of the first half is the
 * Poly1305 key; the tag is over both cipher texts, without RFC 8439's padding and lengths.
 *
 * ipsec-mb has ChaCha20 from block 1 on, and Poly1305 of one buffer. A record in one piece is
 * done where it lies; one of several is gathered into scratch and put back.
 */
#include "crypto/chacha.h"
#include "crypto/cipher_internal.h"

#define RECORDS_PER_PASS (CHACHA_LANES / 2)

/* What a record takes from block 0 of its two keys. */
struct record_keys {
	uint8_t poly[POLY_KEY];
	uint8_t length_mask[LENGTH_LEN];
};

static void keys_make(struct cipher_job *const *job, unsigned int n, struct record_keys *ret)
{
	uint8_t head[CHACHA_LANES][CHACHA_HEAD_LEN];
	struct chacha_lane lane[CHACHA_LANES];

	for (unsigned int i = 0; i < n; i++) {
		const uint8_t *key = job[i]->state->key;

		lane[2 * i] = (struct chacha_lane){key, job[i]->seqnr};
		lane[2 * i + 1] = (struct chacha_lane){key + CHACHA_KEY, job[i]->seqnr};
	}
	chacha_block0(lane, 2 * n, head);
	for (unsigned int i = 0; i < n; i++) {
		memcpy(ret[i].poly, head[2 * i], POLY_KEY);
		memcpy(ret[i].length_mask, head[2 * i + 1], LENGTH_LEN);
	}
	secret_wipe(head, sizeof(head));
}

int cipher_mb_peek_chapoly(struct cipher_engine *e, struct cipher_state *st, uint32_t seqnr,
			   const uint8_t *first, uint8_t ret_length[LENGTH_LEN])
{
	const struct chacha_lane lane = {st->key + CHACHA_KEY, seqnr};
	uint8_t head[1][CHACHA_HEAD_LEN];

	(void)e;
	chacha_block0(&lane, 1, head);
	for (int i = 0; i < LENGTH_LEN; i++)
		ret_length[i] = first[i] ^ head[0][i];
	return 0;
}

static void length_mask(uint8_t *record, const struct record_keys *k)
{
	for (int i = 0; i < LENGTH_LEN; i++)
		record[i] ^= k->length_mask[i];
}

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
		     const struct record_keys *k, uint8_t ret_tag[AEAD_TAG])
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
		       const struct record_keys *k)
{
	uint8_t tag[AEAD_TAG];

	length_mask(record, k);
	if (!chacha_run(mb, CIPHER_SEAL, j, record) || !poly_run(mb, j, record, k, tag))
		return -EIO;
	return cipher_tag_settle(CIPHER_SEAL, j, tag);
}

/* Nothing is decrypted before the tag is right. */
static int record_open(IMB_MGR *mb, const struct cipher_job *j, uint8_t *record,
		       const struct record_keys *k)
{
	uint8_t tag[AEAD_TAG];
	int r;

	if (!poly_run(mb, j, record, k, tag))
		return -EIO;
	r = cipher_tag_settle(CIPHER_OPEN, j, tag);
	if (r < 0)
		return r;
	length_mask(record, k);
	return chacha_run(mb, CIPHER_OPEN, j, record) ? 0 : -EIO;
}

static int record_run(struct cipher_engine *e, enum cipher_dir dir, const struct cipher_job *j,
		      const struct record_keys *k)
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

void cipher_mb_chapoly(struct cipher_engine *e, enum cipher_dir dir, struct cipher_job *const *job,
		       unsigned int n)
{
	struct record_keys keys[RECORDS_PER_PASS];

	for (unsigned int done = 0; done < n; done += RECORDS_PER_PASS) {
		unsigned int now = n - done < RECORDS_PER_PASS ? n - done : RECORDS_PER_PASS;

		keys_make(job + done, now, keys);
		for (unsigned int i = 0; i < now; i++) {
			struct cipher_job *j = job[done + i];

			if (j->n_pieces > 1 && j->len > e->scratch_len)
				cipher_ossl_chapoly(e, dir, &j, 1); /* needs no gathering */
			else
				j->result = record_run(e, dir, j, &keys[i]);
		}
	}
	secret_wipe(keys, sizeof(keys));
}
