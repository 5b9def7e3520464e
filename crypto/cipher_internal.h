/*
 * crypto/cipher_internal.h - what the files of the cipher engine share.
 *
 * cipher_suite.c is the table of suites and the states; cipher.c the engine: it sorts a burst
 * by shape and hands each shape to its backend; cipher_pool.c keeps expanded keys;
 * cipher_mb_*.c are the shapes by intel-ipsec-mb, cipher_wide_chapoly.c one by code of our own,
 * cipher_openssl.c AEADs and cipher_ossl_mac.c the others by OpenSSL, with cipher_mac.c for
 * HMAC and UMAC and cipher_legacy.c for what its legacy provider has.
 * Backends are given jobs that were checked (at least 5 bytes, pieces that add up).
 */
#ifndef SLUICE_CRYPTO_CIPHER_INTERNAL_H
#define SLUICE_CRYPTO_CIPHER_INTERNAL_H

#include <errno.h>
#include <string.h>

#include <intel-ipsec-mb.h>
#include <nettle/umac.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

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

enum cipher_alg {
	CIPHER_ALG_NONE,
	CIPHER_ALG_GCM,
	CIPHER_ALG_CHAPOLY,
	CIPHER_ALG_AES_CTR,
	CIPHER_ALG_AES_CBC,
	CIPHER_ALG_DES3_CTR,
	CIPHER_ALG_DES3_CBC,
	/* Of the legacy provider, from here on. */
	CIPHER_ALG_BLOWFISH_CBC,
	CIPHER_ALG_CAST_CBC,
	CIPHER_ALG_RC4,      /* "arcfour", with nothing dropped */
	CIPHER_ALG_RC4_DROP, /* RFC 4345 */
};

/* The hashes of HMAC, then UMAC. */
enum cipher_mac {
	CIPHER_MAC_MD5,
	CIPHER_MAC_SHA1,
	CIPHER_MAC_RIPEMD160,
	CIPHER_MAC_SHA256,
	CIPHER_MAC_SHA512,
	CIPHER_HASHES,
	CIPHER_MAC_UMAC64 = CIPHER_HASHES,
	CIPHER_MAC_UMAC128,
	CIPHER_MACS
};

#define HASH_BLOCK_MAX 128

static inline size_t cipher_hash_block_len(enum cipher_mac hash)
{
	return hash == CIPHER_MAC_SHA512 ? 128 : 64;
}

static inline bool cipher_suite_is_cbc(const struct cipher_suite *s)
{
	return s->alg == CIPHER_ALG_AES_CBC || s->alg == CIPHER_ALG_DES3_CBC ||
	       s->alg == CIPHER_ALG_BLOWFISH_CBC || s->alg == CIPHER_ALG_CAST_CBC;
}

static inline bool cipher_suite_is_umac(const struct cipher_suite *s)
{
	return s->mac >= CIPHER_MAC_UMAC64 && s->mac_key_len > 0;
}

static inline bool cipher_suite_is_rc4(const struct cipher_suite *s)
{
	return s->alg == CIPHER_ALG_RC4 || s->alg == CIPHER_ALG_RC4_DROP;
}

/* Its states have a context of their own: cipher_legacy.c. */
static inline bool cipher_suite_is_provided(const struct cipher_suite *s)
{
	return s->alg >= CIPHER_ALG_BLOWFISH_CBC;
}

/* The bytes at the front of a record that are not encrypted with its payload. */
static inline uint32_t cipher_suite_clear(const struct cipher_suite *s)
{
	return s->shape == CIPHER_EAM ? 0 : LENGTH_LEN;
}

/* Where a state's key is expanded: what ipsec-mb wants beside the bytes of a record. */
struct hmac_keys {
	struct {
		uint8_t enc[15 * AES_BLOCK], dec[15 * AES_BLOCK];
	} aes __attribute__((aligned(16)));
	/* HMAC's two hashes after their first block. */
	uint8_t ipad[64], opad[64];
};

union umac_keys {
	struct umac64_ctx u64;
	struct umac128_ctx u128;
};

struct cipher_slot {
	struct cipher_state *owner; /* NULL: free */
	uint16_t self;
	uint16_t newer, older; /* neighbours in order of use */
	uint8_t keys[] __attribute__((aligned(64)));
};

/* Least recently used goes first; larger than a burst, so one in use is never taken. */
struct cipher_pool {
	uint8_t *slots;
	size_t slot_len; /* of each, with its keys */
	uint16_t n, newest, oldest;
};

union mb_keys {
	struct gcm_key_data gcm;
	struct hmac_keys hmac;
};

#define CIPHER_POOL_SLOTS 1024
#define CIPHER_UMAC_SLOTS 128 /* larger, and needed by few */
_Static_assert(CIPHER_POOL_SLOTS > CIPHER_BURST && CIPHER_UMAC_SLOTS > CIPHER_BURST,
	       "a burst must not evict itself");

enum cipher_ctx {
	CIPHER_CTX_GCM128,
	CIPHER_CTX_GCM256,
	CIPHER_CTX_CHACHA,
	CIPHER_CTX_CTR128,
	CIPHER_CTX_CTR192,
	CIPHER_CTX_CTR256,
	CIPHER_CTX_CBC128,
	CIPHER_CTX_CBC192,
	CIPHER_CTX_CBC256,
	CIPHER_CTX_DES3_CBC,
	CIPHER_CTX_DES3_ECB,
	CIPHER_CTXS
};

struct cipher_ossl {
	EVP_CIPHER_CTX *ctx[CIPHER_CTXS];
	EVP_MAC_CTX *poly;
	EVP_MD_CTX *md[CIPHER_HASHES];
};

/* The legacy provider in a library context of its own: nobody else finds what it has. */
struct cipher_legacy {
	OSSL_LIB_CTX *lib;
	OSSL_PROVIDER *provider;
	EVP_CIPHER *blowfish, *cast, *rc4;
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
	cipher_run_fn gcm, chapoly, mac; /* mac: a cipher, and a MAC beside it */
	cipher_peek_fn peek_chapoly, peek_eam;
};

extern const struct cipher_backend cipher_backend_mb;
extern const struct cipher_backend cipher_backend_ossl;

struct cipher_engine {
	const struct cipher_backend *backend;
	IMB_MGR *mb;     /* NULL without ipsec-mb */
	IMB_MGR *mb_sha; /* hashes SHA-256 by the processor's instructions; NULL without them */
	bool wide;       /* chacha20-poly1305 is done over pieces, by our own code */
	struct cipher_pool pool; /* of union mb_keys */
	struct cipher_pool umac; /* of union umac_keys */
	struct cipher_ossl ossl; /* with both backends: some records go this way */
	struct cipher_legacy legacy;
	uint8_t *scratch;
	size_t scratch_len;
	/* Working memory of one call that holds key material: wiped when a state ends. */
	struct gcm_context_data gcm_ctx;
	struct chacha_wide chacha;
	struct poly1305_wide poly;
	union umac_keys umac_ctx; /* of a state that has another place for what it expands */
};

int cipher_ossl_init(struct cipher_ossl *o);
void cipher_ossl_fini(struct cipher_ossl *o);
/* These say whether all was done. iv NULL: the cipher has none, or goes on. */
bool cipher_ossl_start(EVP_CIPHER_CTX *ctx, enum cipher_dir dir, const uint8_t *key,
		       const uint8_t *iv);
bool cipher_ossl_update(EVP_CIPHER_CTX *ctx, uint8_t *out, const uint8_t *in, uint32_t len);
/* All of the record behind its first skip bytes, in place, by a cipher of any length. */
bool cipher_ossl_pieces(EVP_CIPHER_CTX *ctx, const struct cipher_job *j, uint32_t skip);
int cipher_ossl_chapoly(struct cipher_engine *e, enum cipher_dir dir, const struct cipher_job *j);
void cipher_ossl_mac(struct cipher_engine *e, enum cipher_dir dir, struct cipher_job *const *job,
		     unsigned int n);
int cipher_ossl_peek_eam(struct cipher_engine *e, struct cipher_state *st, uint32_t seqnr,
			 const uint8_t *first, uint8_t ret_length[LENGTH_LEN]);

/* The tag over sequence number and record as the pieces hold them; tag_len bytes or more. */
bool cipher_mac_tag(struct cipher_engine *e, const struct cipher_job *j,
		    uint8_t ret_tag[CIPHER_TAG_MAX]);

void cipher_legacy_fini(struct cipher_legacy *l);
/* The context of a state; makes it if it is not there. NULL: no memory or no provider. */
EVP_CIPHER_CTX *cipher_legacy_ctx(struct cipher_engine *e, struct cipher_state *st);
/* RC4 over all of the record that is encrypted. */
bool cipher_legacy_rc4(struct cipher_engine *e, const struct cipher_job *j);
/* The first four bytes, of which the state's stream is not used up. */
bool cipher_legacy_rc4_peek(struct cipher_engine *e, struct cipher_state *st, const uint8_t *first,
			    uint8_t ret_length[LENGTH_LEN]);
void cipher_legacy_idle(struct cipher_state *st);
void cipher_legacy_drop(struct cipher_state *st);

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
void cipher_mb_mac(struct cipher_engine *e, enum cipher_dir dir, struct cipher_job *const *job,
		   unsigned int n);
int cipher_mb_peek_eam(struct cipher_engine *e, struct cipher_state *st, uint32_t seqnr,
		       const uint8_t *first, uint8_t ret_length[LENGTH_LEN]);
void cipher_mb_gcm_expand(struct cipher_engine *e, const struct cipher_state *st,
			  struct gcm_key_data *ret);
void cipher_mb_hmac_expand(struct cipher_engine *e, const struct cipher_state *st,
			   struct hmac_keys *ret);
void cipher_umac_expand(const struct cipher_state *st, union umac_keys *ret);

int cipher_pool_init(struct cipher_pool *p, uint16_t slots, size_t keys_len);
void cipher_pool_fini(struct cipher_pool *p);
/* The state's expanded key; makes it if it is not there. A state uses one of the two pools. */
union mb_keys *cipher_pool_mb(struct cipher_engine *e, struct cipher_state *st);
union umac_keys *cipher_pool_umac(struct cipher_engine *e, struct cipher_state *st);
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

/* The last len bytes of all. */
static inline void cipher_pieces_last(const struct cipher_job *j, uint8_t *to, size_t len)
{
	for (const struct cipher_piece *p = j->piece + j->n_pieces; len > 0;) {
		size_t n = (--p)->len < len ? p->len : len;

		len -= n;
		memcpy(to + len, p->p + p->len - n, n);
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
