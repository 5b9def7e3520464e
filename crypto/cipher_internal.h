/*
 * crypto/cipher_internal.h - what the files of the cipher engine share.
 *
 * cipher_suite.c is the table of suites and the states; cipher.c the engine: it sorts a burst
 * by shape and hands each shape to its backend; cipher_pool.c keeps expanded keys;
 * cipher_mb_*.c are the shapes by intel-ipsec-mb, cipher_wide_chapoly.c one by code of our own,
 * cipher_openssl.c all of them by OpenSSL.
 * Backends are given jobs that were checked (at least 5 bytes, pieces that add up).
 */
#ifndef SLUICE_CRYPTO_CIPHER_INTERNAL_H
#define SLUICE_CRYPTO_CIPHER_INTERNAL_H

#include <errno.h>
#include <string.h>

#include <intel-ipsec-mb.h>
#include <openssl/evp.h>

#include "crypto/blob.h"
#include "crypto/chacha_wide.h"
#include "crypto/cipher.h"
#include "crypto/poly1305_wide.h"
#include "crypto/secret.h"

#define LENGTH_LEN 4 /* packet_length */
#define AES_BLOCK  16
#define GCM_IV_LEN 12
#define AEAD_TAG   16 /* of GCM and Poly1305 */
#define CHACHA_KEY 32 /* each of the two in chacha20-poly1305@openssh.com */
#define POLY_KEY   32

enum cipher_mac { CIPHER_MAC_SHA256, CIPHER_MAC_SHA512, CIPHER_MACS };

static inline enum cipher_mac cipher_suite_mac(const struct cipher_suite *s)
{
	return s->mac_key_len == 64 ? CIPHER_MAC_SHA512 : CIPHER_MAC_SHA256;
}

/* The bytes at the front of a record that are not encrypted with its payload. */
static inline uint32_t cipher_suite_clear(const struct cipher_suite *s)
{
	return s->shape == CIPHER_EAM ? 0 : LENGTH_LEN;
}

/* Where a state's key is expanded: what ipsec-mb wants beside the bytes of a record. */
struct ctr_keys {
	uint8_t enc[15 * AES_BLOCK] __attribute__((aligned(16)));
	/* HMAC's two hashes after their first block. */
	uint8_t ipad[64], opad[64];
};

struct cipher_slot {
	union {
		struct gcm_key_data gcm;
		struct ctr_keys ctr;
	};
	struct cipher_state *owner; /* NULL: free */
	uint16_t newer, older;      /* neighbours in order of use */
};

/* Least recently used goes first; larger than a burst, so one in use is never taken. */
struct cipher_pool {
	struct cipher_slot *slot;
	uint16_t newest, oldest;
};

#define CIPHER_POOL_SLOTS 1024
_Static_assert(CIPHER_POOL_SLOTS > CIPHER_BURST, "a burst must not evict itself");

struct cipher_ossl {
	EVP_CIPHER_CTX *gcm128, *gcm256, *ctr128, *ctr192, *ctr256, *chacha;
	EVP_MAC_CTX *poly;
	EVP_MD_CTX *md[CIPHER_MACS];
};

/* What a record of chacha20-poly1305@openssh.com takes from block 0 of its two keys. */
struct chapoly_keys {
	uint8_t poly[POLY_KEY];
	uint8_t length_mask[LENGTH_LEN];
};

enum cipher_dir { CIPHER_OPEN, CIPHER_SEAL };

typedef void (*cipher_run_fn)(struct cipher_engine *e, enum cipher_dir dir,
			      struct cipher_job *const *job, unsigned int n);
/* The first four bytes of a record in clear. */
typedef int (*cipher_peek_fn)(struct cipher_engine *e, struct cipher_state *st, uint32_t seqnr,
			      const uint8_t *first, uint8_t ret_length[LENGTH_LEN]);

/* Sets each job's result. */
struct cipher_backend {
	cipher_run_fn gcm, chapoly, ctr;
	cipher_peek_fn peek_chapoly, peek_ctr;
};

extern const struct cipher_backend cipher_backend_mb;
extern const struct cipher_backend cipher_backend_ossl;

struct cipher_engine {
	const struct cipher_backend *backend;
	IMB_MGR *mb;     /* NULL without ipsec-mb */
	IMB_MGR *mb_sha; /* hashes SHA-256 by the processor's instructions; NULL without them */
	bool wide;       /* chacha20-poly1305 is done over pieces, by our own code */
	struct cipher_pool pool;
	struct cipher_ossl ossl; /* with both backends: some records go this way */
	uint8_t *scratch;
	size_t scratch_len;
	/* Working memory of one call that holds key material: wiped when a state ends. */
	struct gcm_context_data gcm_ctx;
	struct chacha_wide chacha;
	struct poly1305_wide poly;
	uint8_t unused_dec_keys[15 * AES_BLOCK] __attribute__((aligned(16)));
};

int cipher_ossl_init(struct cipher_ossl *o);
void cipher_ossl_fini(struct cipher_ossl *o);
int cipher_ossl_chapoly(struct cipher_engine *e, enum cipher_dir dir, const struct cipher_job *j);
void cipher_ossl_ctr(struct cipher_engine *e, enum cipher_dir dir, struct cipher_job *const *job,
		     unsigned int n);

void cipher_mb_gcm(struct cipher_engine *e, enum cipher_dir dir, struct cipher_job *const *job,
		   unsigned int n);
void cipher_chapoly(struct cipher_engine *e, enum cipher_dir dir, struct cipher_job *const *job,
		    unsigned int n);
int cipher_chapoly_peek(struct cipher_engine *e, struct cipher_state *st, uint32_t seqnr,
			const uint8_t *first, uint8_t ret_length[LENGTH_LEN]);
int cipher_mb_chapoly(struct cipher_engine *e, enum cipher_dir dir, const struct cipher_job *j,
		      const struct chapoly_keys *k);
/* The processor has what chacha_wide.h and poly1305_wide.h need. */
bool cipher_wide_usable(void);
int cipher_wide_chapoly(struct cipher_engine *e, enum cipher_dir dir, const struct cipher_job *j,
			const struct chapoly_keys *k);
void cipher_mb_ctr(struct cipher_engine *e, enum cipher_dir dir, struct cipher_job *const *job,
		   unsigned int n);
int cipher_mb_peek_ctr(struct cipher_engine *e, struct cipher_state *st, uint32_t seqnr,
		       const uint8_t *first, uint8_t ret_length[LENGTH_LEN]);
void cipher_mb_gcm_expand(struct cipher_engine *e, const struct cipher_state *st,
			  struct gcm_key_data *ret);
void cipher_mb_ctr_expand(struct cipher_engine *e, const struct cipher_state *st,
			  struct ctr_keys *ret);

int cipher_pool_init(struct cipher_pool *p);
void cipher_pool_fini(struct cipher_pool *p);
/* The state's expanded key; makes it if it is not there. */
struct cipher_slot *cipher_pool_get(struct cipher_engine *e, struct cipher_state *st);
void cipher_pool_put(struct cipher_pool *p, struct cipher_state *st);

/* Runs one job that completes at once (nothing else may be queued). */
static inline bool cipher_mb_run_now(IMB_MGR *mb)
{
	const IMB_JOB *done = IMB_SUBMIT_JOB(mb);

	if (done == NULL)
		done = IMB_FLUSH_JOB(mb);
	return done != NULL && done->status == IMB_STATUS_COMPLETED;
}

/* Copies len bytes of the pieces, from the front. */
static inline void cipher_pieces_read(const struct cipher_job *j, uint8_t *to, size_t len)
{
	for (const struct cipher_piece *p = j->piece; len > 0; p++) {
		size_t n = p->len < len ? p->len : len;

		memcpy(to, p->p, n);
		to += n;
		len -= n;
	}
}

static inline void cipher_pieces_write(const struct cipher_job *j, const uint8_t *from, size_t len)
{
	for (const struct cipher_piece *p = j->piece; len > 0; p++) {
		size_t n = p->len < len ? p->len : len;

		memcpy(p->p, from, n);
		from += n;
		len -= n;
	}
}

/* Walks the pieces without the first skip bytes. */
struct cipher_walk {
	const struct cipher_piece *p, *end;
	uint32_t skip;
};

static inline struct cipher_walk cipher_walk_init(const struct cipher_job *j, uint32_t skip)
{
	return (struct cipher_walk){j->piece, j->piece + j->n_pieces, skip};
}

static inline bool cipher_walk_next(struct cipher_walk *w, uint8_t **ret, uint32_t *ret_len)
{
	while (w->p < w->end && w->p->len <= w->skip) {
		w->skip -= w->p->len;
		w->p++;
	}
	if (w->p == w->end)
		return false;
	*ret = w->p->p + w->skip;
	*ret_len = w->p->len - w->skip;
	w->skip = 0;
	w->p++;
	return true;
}

/* A tag that was computed: given away when sealing, compared when opening. */
static inline int cipher_tag_settle(enum cipher_dir dir, const struct cipher_job *j,
				    const uint8_t *tag)
{
	if (dir == CIPHER_SEAL) {
		memcpy(j->tag, tag, j->state->suite->tag_len);
		return 0;
	}
	return secret_equal(tag, j->tag, j->state->suite->tag_len) ? 0 : -EBADMSG;
}

#endif
