/*
 * crypto/cipher_ossl_mac.c - the ciphers that have a MAC beside them, by OpenSSL's EVP, over the
 * pieces, in place: counter modes, CBC and RC4.
 */
#include "crypto/cipher_internal.h"

/* Of the ciphers whose contexts serve all states; a record sets its key. */
static EVP_CIPHER_CTX *shared_ctx(struct cipher_ossl *o, const struct cipher_suite *s)
{
	unsigned int bigger = (s->key_len - 16u) / 8; /* than 128 bits: 0, 1 or 2 steps */

	switch (s->alg) {
	case CIPHER_ALG_AES_CTR:
		return o->ctx[CIPHER_CTX_CTR128 + bigger];
	case CIPHER_ALG_AES_CBC:
		return o->ctx[CIPHER_CTX_CBC128 + bigger];
	case CIPHER_ALG_DES3_CTR:
		return o->ctx[CIPHER_CTX_DES3_ECB];
	default:
		return o->ctx[CIPHER_CTX_DES3_CBC];
	}
}

/* --- counters ---------------------------------------------------------------------------- */

#define DES_BLOCK 8
#define DES_AHEAD 512 /* bytes of key stream at a time */

/* The next blocks of RFC 4344's key stream, and the counter behind them. */
static bool des3_stream(EVP_CIPHER_CTX *ctx, uint64_t *counter, uint8_t stream[DES_AHEAD])
{
	for (uint32_t i = 0; i < DES_AHEAD; i += DES_BLOCK) {
		blob_store_be32(stream + i, (uint32_t)(*counter >> 32));
		blob_store_be32(stream + i + 4, (uint32_t)*counter);
		++*counter;
	}
	return cipher_ossl_update(ctx, stream, stream, DES_AHEAD);
}

static uint64_t des3_counter(const uint8_t *iv)
{
	return (uint64_t)blob_load_be32(iv) << 32 | blob_load_be32(iv + 4);
}

/* OpenSSL has no counter mode of 3DES: single blocks, and an XOR. */
static bool des3_ctr(struct cipher_ossl *o, const struct cipher_job *j)
{
	struct cipher_walk w = cipher_walk_init(j, cipher_suite_clear(j->state->suite));
	EVP_CIPHER_CTX *ctx = o->ctx[CIPHER_CTX_DES3_ECB];
	uint64_t counter = des3_counter(j->iv);
	uint8_t stream[DES_AHEAD];
	uint32_t used = DES_AHEAD, n;
	uint8_t *p;
	bool ok = cipher_ossl_start(ctx, CIPHER_SEAL, j->state->key, NULL);

	while (ok && cipher_walk_next(&w, &p, &n))
		for (uint32_t i = 0; ok && i < n; i++) {
			if (used == DES_AHEAD) {
				ok = des3_stream(ctx, &counter, stream);
				used = 0;
			}
			p[i] ^= stream[used++];
		}
	secret_wipe(stream, sizeof(stream));
	return ok;
}

static bool aes_ctr(struct cipher_ossl *o, const struct cipher_job *j)
{
	EVP_CIPHER_CTX *ctx = shared_ctx(o, j->state->suite);

	return cipher_ossl_start(ctx, CIPHER_SEAL, j->state->key, j->iv) &&
	       cipher_ossl_pieces(ctx, j, cipher_suite_clear(j->state->suite));
}

/* --- CBC --------------------------------------------------------------------------------- */

/* The context with the state's key, at the start of a record. */
static EVP_CIPHER_CTX *cbc_start(struct cipher_engine *e, enum cipher_dir dir,
				 struct cipher_state *st, const uint8_t *iv)
{
	bool own = cipher_suite_is_provided(st->suite);
	EVP_CIPHER_CTX *ctx = own ? cipher_legacy_ctx(e, st) : shared_ctx(&e->ossl, st->suite);

	if (ctx == NULL)
		return NULL;
	return cipher_ossl_start(ctx, dir, own ? NULL : st->key, iv) ? ctx : NULL;
}

/* A block whose bytes lie in several pieces. */
struct straddle {
	uint8_t block[CIPHER_BLOCK_MAX], *at[CIPHER_BLOCK_MAX];
	uint32_t n;
};

/* Takes bytes of p into the block, and does it when it is whole. Number of bytes, or -EIO. */
static int straddle_fill(struct straddle *s, EVP_CIPHER_CTX *ctx, uint32_t block, uint8_t *p,
			 uint32_t n)
{
	uint32_t take = 0;

	for (; take < n && s->n < block; take++, s->n++) {
		s->block[s->n] = p[take];
		s->at[s->n] = p + take;
	}
	if (s->n < block)
		return (int)take;
	if (!cipher_ossl_update(ctx, s->block, s->block, block))
		return -EIO;
	for (uint32_t i = 0; i < block; i++)
		*s->at[i] = s->block[i];
	s->n = 0;
	return (int)take;
}

/* Whole blocks where they lie, and those that straddle two pieces or more. */
static bool cbc_pieces(EVP_CIPHER_CTX *ctx, const struct cipher_job *j, uint32_t block)
{
	struct cipher_walk w = cipher_walk_init(j, cipher_suite_clear(j->state->suite));
	struct straddle s = {.n = 0};
	uint32_t n, whole;
	uint8_t *p;
	bool ok = true;

	while (ok && cipher_walk_next(&w, &p, &n)) {
		int r = s.n > 0 ? straddle_fill(&s, ctx, block, p, n) : 0;

		ok = r >= 0;
		if (!ok || (uint32_t)r == n)
			continue;
		p += r;
		n -= (uint32_t)r;
		whole = n / block * block;
		if (whole > 0)
			ok = cipher_ossl_update(ctx, p, p, whole);
		if (ok && n > whole)
			ok = straddle_fill(&s, ctx, block, p + whole, n - whole) >= 0;
	}
	secret_wipe(&s, sizeof(s));
	return ok;
}

static bool cbc_crypt(struct cipher_engine *e, enum cipher_dir dir, const struct cipher_job *j)
{
	struct cipher_state *st = j->state;
	uint32_t block = st->suite->iv_len;
	EVP_CIPHER_CTX *ctx = cbc_start(e, dir, st, j->iv);

	if (ctx == NULL)
		return false;
	/* The last block of cipher text, which is there before or behind, is the next IV. */
	if (dir == CIPHER_OPEN)
		cipher_pieces_last(j, st->iv, block);
	if (!cbc_pieces(ctx, j, block))
		return false;
	if (dir == CIPHER_SEAL)
		cipher_pieces_last(j, st->iv, block);
	return true;
}

/* --- records ----------------------------------------------------------------------------- */

static bool crypt_record(struct cipher_engine *e, enum cipher_dir dir, const struct cipher_job *j)
{
	switch (j->state->suite->alg) {
	case CIPHER_ALG_AES_CTR:
		return aes_ctr(&e->ossl, j);
	case CIPHER_ALG_DES3_CTR:
		return des3_ctr(&e->ossl, j);
	case CIPHER_ALG_RC4:
	case CIPHER_ALG_RC4_DROP:
		return cipher_legacy_rc4(e, j);
	default:
		return cbc_crypt(e, dir, j);
	}
}

static int run_one(struct cipher_engine *e, enum cipher_dir dir, const struct cipher_job *j)
{
	bool crypt_first = (j->state->suite->shape == CIPHER_ETM) == (dir == CIPHER_SEAL);
	uint8_t tag[CIPHER_TAG_MAX];
	int r;

	if (crypt_first && !crypt_record(e, dir, j))
		return -EIO;
	if (!cipher_mac_tag(e, j, tag))
		return -EIO;
	r = cipher_tag_settle(dir, j, tag);
	if (r == 0 && !crypt_first && !crypt_record(e, dir, j))
		return -EIO;
	return r;
}

void cipher_ossl_mac(struct cipher_engine *e, enum cipher_dir dir, struct cipher_job *const *job,
		     unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		job[i]->result = run_one(e, dir, job[i]);
}

int cipher_ossl_peek_eam(struct cipher_engine *e, struct cipher_state *st, uint32_t seqnr,
			 const uint8_t *first, uint8_t ret_length[LENGTH_LEN])
{
	const struct cipher_suite *s = st->suite;
	uint8_t block[CIPHER_BLOCK_MAX];
	EVP_CIPHER_CTX *ctx;
	bool ok;

	(void)seqnr;
	switch (s->alg) {
	case CIPHER_ALG_RC4:
	case CIPHER_ALG_RC4_DROP:
		return cipher_legacy_rc4_peek(e, st, first, ret_length) ? 0 : -EIO;
	case CIPHER_ALG_AES_CTR:
		ctx = shared_ctx(&e->ossl, s);
		ok = cipher_ossl_start(ctx, CIPHER_SEAL, st->key, st->iv) &&
		     cipher_ossl_update(ctx, block, first, LENGTH_LEN);
		break;
	case CIPHER_ALG_DES3_CTR:
		ctx = shared_ctx(&e->ossl, s);
		ok = cipher_ossl_start(ctx, CIPHER_SEAL, st->key, NULL) &&
		     cipher_ossl_update(ctx, block, st->iv, DES_BLOCK);
		for (int i = 0; i < LENGTH_LEN; i++)
			block[i] ^= first[i];
		break;
	default:
		ctx = cbc_start(e, CIPHER_OPEN, st, st->iv);
		ok = ctx != NULL && cipher_ossl_update(ctx, block, first, s->block_size);
		break;
	}
	memcpy(ret_length, block, LENGTH_LEN);
	secret_wipe(block, sizeof(block));
	return ok ? 0 : -EIO;
}
