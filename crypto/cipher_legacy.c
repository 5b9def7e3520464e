/*
 * crypto/cipher_legacy.c - RC4, Blowfish and CAST-128 by OpenSSL's legacy provider.
 *
 * Each state has a context of its own: Blowfish's key takes longer to expand than a record to
 * encrypt, and RC4's is the cipher. The provider stands in a library context of its own, so that
 * nothing else in the process comes to know its algorithms.
 */
#include <stdlib.h>

#include "crypto/cipher_internal.h"

#define RC4_DROP 1536 /* RFC 4345 section 4 */

struct legacy_state {
	EVP_CIPHER_CTX *ctx;
	bool ahead; /* RC4: the next bytes of the stream were looked at and are not used */
	uint8_t stream[LENGTH_LEN];
};

int cipher_engine_legacy(struct cipher_engine *e)
{
	struct cipher_legacy *l = &e->legacy;

	if (l->rc4 != NULL)
		return 0;
	l->lib = OSSL_LIB_CTX_new();
	if (l->lib != NULL)
		l->provider = OSSL_PROVIDER_load(l->lib, "legacy");
	if (l->provider != NULL) {
		l->blowfish = EVP_CIPHER_fetch(l->lib, "BF-CBC", NULL);
		l->cast = EVP_CIPHER_fetch(l->lib, "CAST5-CBC", NULL);
		l->rc4 = EVP_CIPHER_fetch(l->lib, "RC4", NULL);
	}
	if (l->blowfish != NULL && l->cast != NULL && l->rc4 != NULL)
		return 0;
	cipher_legacy_fini(l);
	return -ENOTSUP;
}

void cipher_legacy_fini(struct cipher_legacy *l)
{
	EVP_CIPHER_free(l->blowfish);
	EVP_CIPHER_free(l->cast);
	EVP_CIPHER_free(l->rc4);
	if (l->provider != NULL)
		OSSL_PROVIDER_unload(l->provider);
	OSSL_LIB_CTX_free(l->lib);
	*l = (struct cipher_legacy){0};
}

static const EVP_CIPHER *cipher_of(const struct cipher_legacy *l, enum cipher_alg alg)
{
	switch (alg) {
	case CIPHER_ALG_BLOWFISH_CBC:
		return l->blowfish;
	case CIPHER_ALG_CAST_CBC:
		return l->cast;
	default:
		return l->rc4;
	}
}

static bool rc4_drop(EVP_CIPHER_CTX *ctx)
{
	uint8_t dropped[RC4_DROP] = {0};
	bool ok = cipher_ossl_update(ctx, dropped, dropped, sizeof(dropped));

	secret_wipe(dropped, sizeof(dropped));
	return ok;
}

/* CBC's IV is set by each record. */
static bool ctx_init(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher, const struct cipher_state *st)
{
	if (cipher == NULL || EVP_CipherInit_ex(ctx, cipher, NULL, NULL, NULL, 1) != 1 ||
	    EVP_CIPHER_CTX_set_key_length(ctx, st->suite->key_len) != 1 ||
	    EVP_CIPHER_CTX_set_padding(ctx, 0) != 1 ||
	    !cipher_ossl_start(ctx, CIPHER_SEAL, st->key, NULL))
		return false;
	return st->suite->alg != CIPHER_ALG_RC4_DROP || rc4_drop(ctx);
}

static struct legacy_state *state_get(struct cipher_engine *e, struct cipher_state *st)
{
	struct legacy_state *l = st->expanded;

	if (l != NULL)
		return l;
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return NULL;
	l->ctx = EVP_CIPHER_CTX_new();
	if (l->ctx == NULL || !ctx_init(l->ctx, cipher_of(&e->legacy, st->suite->alg), st)) {
		EVP_CIPHER_CTX_free(l->ctx);
		free(l);
		return NULL;
	}
	st->expanded = l;
	return l;
}

EVP_CIPHER_CTX *cipher_legacy_ctx(struct cipher_engine *e, struct cipher_state *st)
{
	struct legacy_state *l = state_get(e, st);

	return l != NULL ? l->ctx : NULL;
}

void cipher_legacy_drop(struct cipher_state *st)
{
	struct legacy_state *l = st->expanded;

	if (l == NULL)
		return;
	EVP_CIPHER_CTX_free(l->ctx);
	secret_wipe(l, sizeof(*l));
	free(l);
	st->expanded = NULL;
}

void cipher_legacy_idle(struct cipher_state *st)
{
	if (!cipher_suite_is_rc4(st->suite)) /* where its stream stands is known nowhere else */
		cipher_legacy_drop(st);
}

/* The bytes of the stream that a peek has taken, then the others. */
static bool rc4_piece(struct legacy_state *l, uint32_t *ahead, uint8_t *p, uint32_t n)
{
	for (; *ahead > 0 && n > 0; n--, p++)
		*p ^= l->stream[LENGTH_LEN - (*ahead)--];
	return n == 0 || cipher_ossl_update(l->ctx, p, p, n);
}

bool cipher_legacy_rc4(struct cipher_engine *e, const struct cipher_job *j)
{
	struct cipher_walk w = cipher_walk_init(j, cipher_suite_clear(j->state->suite));
	struct legacy_state *l = state_get(e, j->state);
	uint32_t ahead, n;
	uint8_t *p;
	bool ok = l != NULL;

	if (!ok)
		return false;
	ahead = l->ahead ? LENGTH_LEN : 0;
	l->ahead = false;
	while (ok && cipher_walk_next(&w, &p, &n))
		ok = rc4_piece(l, &ahead, p, n);
	return ok;
}

bool cipher_legacy_rc4_peek(struct cipher_engine *e, struct cipher_state *st, const uint8_t *first,
			    uint8_t ret_length[LENGTH_LEN])
{
	struct legacy_state *l = state_get(e, st);

	if (l == NULL)
		return false;
	if (!l->ahead) {
		memset(l->stream, 0, sizeof(l->stream));
		if (!cipher_ossl_update(l->ctx, l->stream, l->stream, LENGTH_LEN))
			return false;
		l->ahead = true;
	}
	for (int i = 0; i < LENGTH_LEN; i++)
		ret_length[i] = first[i] ^ l->stream[i];
	return true;
}
