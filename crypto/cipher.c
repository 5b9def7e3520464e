/* crypto/cipher.c - the engine: sorts the records of a burst by shape, and runs each shape. */
#include "crypto/cipher.h"

#include <assert.h>
#include <stdlib.h>

#include "crypto/cipher_internal.h"
#include "crypto/fips.h"

/* Room for 16 records of 32 KiB, as many as ipsec-mb hashes side by side. */
#define SCRATCH_MIN (576 * 1024)

const struct cipher_backend cipher_backend_mb = {
	.gcm = cipher_mb_gcm,
	.chapoly = cipher_chapoly,
	.mac = cipher_mb_mac,
	.peek_chapoly = cipher_chapoly_peek,
	.peek_eam = cipher_mb_peek_eam,
};

static IMB_MGR *mb_new(void)
{
	IMB_MGR *mb = alloc_mb_mgr(0);
	IMB_ARCH arch;

	if (mb == NULL)
		return NULL;
	init_mb_mgr_auto(mb, &arch);
	if (arch == IMB_ARCH_NONE || imb_get_errno(mb) != 0) {
		free_mb_mgr(mb);
		return NULL;
	}
	return mb;
}

/*
 * The first manager hashes in the widest lanes there are; only the one for AVX2 knows the
 * processor's SHA instructions, two records side by side.
 */
static IMB_MGR *mb_sha_new(uint64_t features)
{
	const uint64_t need = IMB_FEATURE_SHANI | IMB_FEATURE_AVX2;
	IMB_MGR *mb = (features & need) == need ? alloc_mb_mgr(0) : NULL;

	if (mb == NULL)
		return NULL;
	init_mb_mgr_avx2(mb);
	if (imb_get_errno(mb) != 0) {
		free_mb_mgr(mb);
		return NULL;
	}
	return mb;
}

/* What ipsec-mb alone needs: its managers, expanded keys, scratch. */
static int engine_init_mb(struct cipher_engine *e, enum cipher_engine_kind kind, size_t scratch_len)
{
	int r;

	e->mb = mb_new();
	if (e->mb == NULL)
		return -ENOTSUP;
	e->mb_sha = mb_sha_new(e->mb->features);
	r = cipher_pool_init(&e->pool, CIPHER_POOL_SLOTS, sizeof(union mb_keys));
	if (r < 0)
		return r;
	e->scratch_len = scratch_len > SCRATCH_MIN ? scratch_len : SCRATCH_MIN;
	e->scratch = aligned_alloc(64, (e->scratch_len + 63) / 64 * 64);
	if (e->scratch == NULL)
		return -ENOMEM;
	e->wide = kind == CIPHER_ENGINE_AUTO && cipher_wide_usable();
	e->backend = &cipher_backend_mb;
	return 0;
}

int cipher_engine_new(enum cipher_engine_kind kind, size_t scratch_len, struct cipher_engine **ret)
{
	struct cipher_engine *e = secret_new(sizeof(*e));
	int r;

	if (e == NULL)
		return -ENOMEM;
	e->backend = &cipher_backend_ossl;
	r = cipher_ossl_init(&e->ossl);
	if (r == 0)
		r = cipher_pool_init(&e->umac, CIPHER_UMAC_SLOTS, sizeof(union umac_keys));
	if (r == 0 && kind != CIPHER_ENGINE_OPENSSL && !fips_on()) {
		r = engine_init_mb(e, kind, scratch_len);
		if (r == -ENOTSUP && kind == CIPHER_ENGINE_AUTO)
			r = 0;
	}
	if (r < 0) {
		cipher_engine_free(e);
		return r;
	}
	*ret = e;
	return 0;
}

void cipher_engine_free(struct cipher_engine *e)
{
	if (e == NULL)
		return;
	if (e->mb != NULL)
		free_mb_mgr(e->mb);
	if (e->mb_sha != NULL)
		free_mb_mgr(e->mb_sha);
	if (e->scratch != NULL)
		secret_wipe(e->scratch, e->scratch_len);
	free(e->scratch);
	cipher_pool_fini(&e->pool);
	cipher_pool_fini(&e->umac);
	cipher_ossl_fini(&e->ossl);
	cipher_legacy_fini(&e->legacy);
	secret_free(e, sizeof(*e));
}

void cipher_state_idle(struct cipher_engine *e, struct cipher_state *st)
{
	if (st->expanded == NULL)
		return;
	if (cipher_suite_is_provided(st->suite))
		cipher_legacy_idle(st);
	else
		cipher_pool_put(cipher_suite_is_umac(st->suite) ? &e->umac : &e->pool, st);
}

/* The last record may have been this state's. */
static void working_memory_wipe(struct cipher_engine *e)
{
	secret_wipe(&e->gcm_ctx, sizeof(e->gcm_ctx));
	secret_wipe(&e->chacha, sizeof(e->chacha));
	secret_wipe(&e->poly, sizeof(e->poly));
	secret_wipe(&e->umac_ctx, sizeof(e->umac_ctx));
}

void cipher_state_fini(struct cipher_engine *e, struct cipher_state *st)
{
	cipher_state_idle(e, st);
	if (st->expanded != NULL)
		cipher_legacy_drop(st);
	if (st->suite != NULL && st->suite->shape != CIPHER_PLAIN)
		working_memory_wipe(e);
	secret_wipe(st, sizeof(*st));
}

int cipher_peek_length(struct cipher_engine *e, struct cipher_state *st, uint32_t seqnr,
		       const uint8_t *first, uint32_t n, uint32_t *ret_need,
		       uint32_t *ret_packet_length)
{
	uint32_t need = st->suite->shape == CIPHER_EAM ? st->suite->block_size : LENGTH_LEN;
	uint8_t length[LENGTH_LEN];
	int r = 0;

	if (n < need) {
		*ret_need = need;
		return -EAGAIN;
	}
	switch (st->suite->shape) {
	case CIPHER_PLAIN:
	case CIPHER_AEAD:
	case CIPHER_ETM:
		memcpy(length, first, LENGTH_LEN);
		break;
	case CIPHER_CHAPOLY:
		r = e->backend->peek_chapoly(e, st, seqnr, first, length);
		break;
	case CIPHER_EAM:
		r = e->backend->peek_eam(e, st, seqnr, first, length);
		break;
	}
	if (r < 0)
		return r;
	*ret_packet_length = blob_load_be32(length);
	return 0;
}

/* Pieces that do not add up would make every loop over them read where it must not. */
static bool job_adds_up(const struct cipher_job *j)
{
	const struct cipher_suite *s = j->state->suite;
	uint64_t sum = 0;

	if (j->n_pieces == 0 || j->n_pieces > CIPHER_PIECES_MAX || j->len <= LENGTH_LEN)
		return false;
	for (uint16_t i = 0; i < j->n_pieces; i++)
		sum += j->piece[i].len;
	if (cipher_suite_is_cbc(s) && (j->len - cipher_suite_clear(s)) % s->iv_len != 0)
		return false;
	return sum == j->len;
}

struct shape_group {
	struct cipher_job *job[CIPHER_BURST];
	unsigned int n;
};

static void group_add(struct shape_group *g, struct cipher_job *job)
{
	g->job[g->n++] = job;
}

static void burst(struct cipher_engine *e, enum cipher_dir dir, struct cipher_job *const *job,
		  unsigned int n)
{
	struct shape_group gcm, chapoly, mac;

	assert(n <= CIPHER_BURST);
	gcm.n = chapoly.n = mac.n = 0;
	for (unsigned int i = 0; i < n; i++) {
		/* Run twice, a prepared job would use its IV twice. */
		assert(job[i]->result == -EINPROGRESS);
		if (!job_adds_up(job[i])) {
			job[i]->result = -EINVAL;
			continue;
		}
		switch (job[i]->state->suite->shape) {
		case CIPHER_PLAIN:
			job[i]->result = 0;
			break;
		case CIPHER_AEAD:
			group_add(&gcm, job[i]);
			break;
		case CIPHER_CHAPOLY:
			group_add(&chapoly, job[i]);
			break;
		case CIPHER_ETM:
		case CIPHER_EAM:
			group_add(&mac, job[i]);
			break;
		}
	}
	if (gcm.n > 0)
		e->backend->gcm(e, dir, gcm.job, gcm.n);
	if (chapoly.n > 0)
		e->backend->chapoly(e, dir, chapoly.job, chapoly.n);
	if (mac.n > 0)
		e->backend->mac(e, dir, mac.job, mac.n);
	/* A library that lost a job has failed it (S-40). */
	for (unsigned int i = 0; i < n; i++)
		if (job[i]->result == -EINPROGRESS)
			job[i]->result = -EIO;
}

void cipher_seal_burst(struct cipher_engine *e, struct cipher_job *const *job, unsigned int n)
{
	burst(e, CIPHER_SEAL, job, n);
}

void cipher_open_burst(struct cipher_engine *e, struct cipher_job *const *job, unsigned int n)
{
	burst(e, CIPHER_OPEN, job, n);
}
