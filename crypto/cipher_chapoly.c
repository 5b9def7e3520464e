/*
 * crypto/cipher_chapoly.c - chacha20-poly1305@openssh.com, a burst at a time.
 *
 * OpenSSH's PROTOCOL.chacha20poly1305: of the 64 bytes of key the second half encrypts
 * packet_length, the first half the payload from block 1 on; block 0 of the first half is the
 * Poly1305 key; the tag is over both cipher texts, without RFC 8439's padding and lengths.
 *
 * What a record takes from block 0 is made for some records at once; then each is done over its
 * pieces where the processor can (cipher_wide_chapoly.c), or in one piece by ipsec-mb.
 */
#include "crypto/chacha.h"
#include "crypto/cipher_internal.h"

#define RECORDS_PER_PASS (CHACHA_LANES / 2)
/* Below, what is left over of sixteen blocks costs more than copying pieces together. */
#define WIDE_MIN 4096

static void keys_make(struct cipher_job *const *job, unsigned int n, struct chapoly_keys *ret)
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

int cipher_chapoly_peek(struct cipher_engine *e, struct cipher_state *st, uint32_t seqnr,
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

static int record_run(struct cipher_engine *e, enum cipher_dir dir, struct cipher_job *j,
		      const struct chapoly_keys *k)
{
	if (e->wide && j->len >= WIDE_MIN)
		return cipher_wide_chapoly(e, dir, j, k);
	if (j->n_pieces > 1 && j->len > e->scratch_len)
		return cipher_ossl_chapoly(e, dir, j); /* needs no gathering */
	return cipher_mb_chapoly(e, dir, j, k);
}

void cipher_chapoly(struct cipher_engine *e, enum cipher_dir dir, struct cipher_job *const *job,
		    unsigned int n)
{
	struct chapoly_keys keys[RECORDS_PER_PASS];

	for (unsigned int done = 0; done < n; done += RECORDS_PER_PASS) {
		unsigned int now = n - done < RECORDS_PER_PASS ? n - done : RECORDS_PER_PASS;

		keys_make(job + done, now, keys);
		for (unsigned int i = 0; i < now; i++)
			job[done + i]->result = record_run(e, dir, job[done + i], &keys[i]);
	}
	secret_wipe(keys, sizeof(keys));
}
