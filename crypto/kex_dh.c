/*
 * crypto/kex_dh.c - Diffie-Hellman modulo a safe prime (RFC 4253 section 8, RFC 8268, RFC 4419),
 * by OpenSSL.
 *
 * Public values and secrets are big-endian numbers as long as p.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/dh.h>
#include <openssl/err.h>

#include "crypto/kex_internal.h"
#include "crypto/secret.h"

/* RFC 4419 section 6.2: at least twice the key material, a cipher's 256 bits, that comes of it. */
#define EXPONENT_BITS 512

struct dh_key {
	struct kex_key k;
	EVP_PKEY *pkey;
	struct kex_group group;
};

static struct dh_key *dh_of(struct kex_key *k)
{
	return (struct dh_key *)(void *)k; /* its first member */
}

/* RFC 2409 section 6.2 and RFC 3526 sections 3, 5 and 7, which RFC 8268 names for SSH. */
static BIGNUM *fixed_prime(unsigned int bits)
{
	switch (bits) {
	case 1024:
		return BN_get_rfc2409_prime_1024(NULL);
	case 2048:
		return BN_get_rfc3526_prime_2048(NULL);
	case 4096:
		return BN_get_rfc3526_prime_4096(NULL);
	case 8192:
		return BN_get_rfc3526_prime_8192(NULL);
	default:
		return NULL;
	}
}

int kex_group_fixed(unsigned int bits, struct kex_group *ret)
{
	BIGNUM *p = fixed_prime(bits);
	int len = (int)(bits / 8), r = -EIO;

	if (p != NULL && BN_bn2binpad(p, ret->p, len) == len) {
		ret->p_len = (uint16_t)len;
		ret->g[0] = 2;
		ret->g_len = 1;
		r = 0;
	}
	BN_free(p);
	return r;
}

unsigned int kex_group_bits(const struct kex_group *g)
{
	unsigned int bits = g->p_len * 8U;

	for (unsigned int top = 0x80; bits > 0 && !(g->p[0] & top); top >>= 1)
		bits--;
	return bits;
}

/* 1 < n < p - 1, without leading zeros; p is odd, so that p - 1 differs in its last byte. */
static bool in_range(const struct kex_group *g, const uint8_t *n, size_t len)
{
	int above;

	if (len == 0 || n[0] == 0 || (len == 1 && n[0] == 1) || len > g->p_len)
		return false;
	if (len < g->p_len)
		return true;
	above = memcmp(n, g->p, len - 1);
	return above < 0 || (above == 0 && n[len - 1] < g->p[len - 1] - 1);
}

int kex_group_check(const struct kex_group *g, unsigned int min_bits, unsigned int max_bits)
{
	unsigned int bits = kex_group_bits(g);

	if (g->p_len == 0 || g->p[0] == 0 || !(g->p[g->p_len - 1] & 1) || bits < min_bits ||
	    bits > max_bits || !in_range(g, g->g, g->g_len))
		return -EBADMSG;
	return 0;
}

#ifdef SLUICE_FUZZING
/* Nothing is computed: what is tried is what is believed before that. */
static int dh_new(const struct kex_group *g, EVP_PKEY **ret, uint8_t *ret_pub)
{
	memset(ret_pub, 0, g->p_len);
	ret_pub[g->p_len - 1] = 3;
	*ret = EVP_PKEY_new();
	return *ret != NULL ? 0 : -ENOMEM;
}

static int dh_derive(const struct kex_group *g, EVP_PKEY *key, const uint8_t *peer_pub,
		     size_t peer_len, uint8_t *ret_secret, size_t *ret_len)
{
	(void)key;
	memset(ret_secret, 0, g->p_len);
	memcpy(ret_secret + g->p_len - peer_len, peer_pub, peer_len);
	*ret_len = g->p_len;
	return 0;
}
#else
/* The library's numbers are as the processor has them: this one's lowest byte comes first. */
static void reverse(const uint8_t *p, size_t len, uint8_t *ret)
{
	for (size_t i = 0; i < len; i++)
		ret[i] = p[len - 1 - i];
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "reverse()");

static int group_params(const struct kex_group *g, EVP_PKEY **ret)
{
	uint8_t p_le[KEX_GROUP_MAX], g_le[KEX_GROUP_MAX];
	int r = -EIO;
	OSSL_PARAM param[] = {
		OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_FFC_P, p_le, g->p_len),
		OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_FFC_G, g_le, g->g_len),
		OSSL_PARAM_construct_end(),
	};
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);

	reverse(g->p, g->p_len, p_le);
	reverse(g->g, g->g_len, g_le);
	if (ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
	    EVP_PKEY_fromdata(ctx, ret, EVP_PKEY_KEY_PARAMETERS, param) == 1)
		r = 0;
	EVP_PKEY_CTX_free(ctx);
	return r;
}

static int generate(const struct kex_group *g, EVP_PKEY *params, EVP_PKEY **ret, uint8_t *ret_pub)
{
	int bits = EXPONENT_BITS;
	const OSSL_PARAM exponent[] = {
		OSSL_PARAM_construct_int(OSSL_PKEY_PARAM_DH_PRIV_LEN, &bits),
		OSSL_PARAM_construct_end(),
	};
	EVP_PKEY_CTX *ctx = NULL;
	EVP_PKEY *key = NULL;
	size_t len = 0;
	int r = -EIO;

	if (crypto_reseed() < 0)
		return -EIO;
	ctx = EVP_PKEY_CTX_new(params, NULL);
	if (ctx == NULL || EVP_PKEY_keygen_init(ctx) != 1 ||
	    EVP_PKEY_CTX_set_params(ctx, exponent) != 1 || EVP_PKEY_generate(ctx, &key) != 1)
		goto out;
	if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, ret_pub,
					    g->p_len, &len) != 1 ||
	    len != g->p_len)
		goto out;
	*ret = key;
	key = NULL;
	r = 0;
out:
	EVP_PKEY_free(key);
	EVP_PKEY_CTX_free(ctx);
	return r;
}

static int dh_new(const struct kex_group *g, EVP_PKEY **ret, uint8_t *ret_pub)
{
	EVP_PKEY *params = NULL;
	int r = group_params(g, &params);

	if (r == 0)
		r = generate(g, params, ret, ret_pub);
	EVP_PKEY_free(params);
	if (r < 0)
		ERR_clear_error();
	return r;
}

static EVP_PKEY *peer_new(const struct kex_group *g, EVP_PKEY *key, const uint8_t *pub, size_t len)
{
	uint8_t padded[KEX_GROUP_MAX] = {0};
	EVP_PKEY *peer = EVP_PKEY_new();

	memcpy(padded + g->p_len - len, pub, len);
	if (peer != NULL && EVP_PKEY_copy_parameters(peer, key) == 1 &&
	    EVP_PKEY_set1_encoded_public_key(peer, padded, g->p_len) == 1)
		return peer;
	EVP_PKEY_free(peer);
	return NULL;
}

/*
 * The peer's value was found in its range by dh_check(). The order of anything in there modulo a
 * safe prime is q or 2 q: raising it to q as well, as the library would, costs more than the
 * exchange and says nothing (RFC 4419 section 5 asks for the range only). All bytes of the secret
 * are kept, so that its length tells nothing while it is computed.
 */
static int dh_derive(const struct kex_group *g, EVP_PKEY *key, const uint8_t *peer_pub,
		     size_t peer_len, uint8_t *ret_secret, size_t *ret_len)
{
	EVP_PKEY *peer = peer_new(g, key, peer_pub, peer_len);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	size_t len = g->p_len;
	int r = -EIO;

	if (peer != NULL && ctx != NULL && EVP_PKEY_derive_init(ctx) == 1 &&
	    EVP_PKEY_CTX_set_dh_pad(ctx, 1) == 1 &&
	    EVP_PKEY_derive_set_peer_ex(ctx, peer, 0) == 1 &&
	    EVP_PKEY_derive(ctx, ret_secret, &len) == 1 && len == g->p_len) {
		*ret_len = len;
		r = 0;
	}
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(peer);
	if (r < 0)
		ERR_clear_error();
	return r;
}

#endif

/* The group that was agreed on, or the method's own. */
static int group_of(const struct kex_method *m, const struct kex_group *agreed,
		    struct kex_group *ret)
{
	if (agreed == NULL)
		return m->group_bits != 0 ? kex_group_fixed(m->group_bits, ret) : -EINVAL;
	*ret = *agreed;
	return 0;
}

static int check(const struct kex_method *m, const struct kex_group *agreed, bool from_client,
		 const uint8_t *pub, size_t len)
{
	struct kex_group g;
	int r = group_of(m, agreed, &g);

	(void)from_client;
	if (r < 0)
		return r;
	return in_range(&g, pub, len) ? 0 : -EBADMSG;
}

static int init(const struct kex_method *m, const struct kex_group *agreed, struct kex_key **ret,
		uint8_t *ret_pub, size_t *ret_len)
{
	struct dh_key *k = calloc(1, sizeof(*k));
	int r;

	if (k == NULL)
		return -ENOMEM;
	r = group_of(m, agreed, &k->group);
	if (r == 0)
		r = dh_new(&k->group, &k->pkey, ret_pub);
	if (r < 0) {
		free(k);
		return r;
	}
	k->k.group = &k->group;
	*ret_len = k->group.p_len;
	*ret = &k->k;
	return 0;
}

static int finish(const struct kex_method *m, struct kex_key *k, const uint8_t *peer_pub,
		  size_t peer_len, uint8_t *ret_secret, size_t *ret_len)
{
	const struct dh_key *d = dh_of(k);

	(void)m;
	return dh_derive(&d->group, d->pkey, peer_pub, peer_len, ret_secret, ret_len);
}

static int respond(const struct kex_method *m, const struct kex_group *agreed,
		   const uint8_t *peer_pub, size_t peer_len, uint8_t *ret_pub, size_t *ret_pub_len,
		   uint8_t *ret_secret, size_t *ret_len)
{
	struct kex_group g;
	EVP_PKEY *key = NULL;
	int r;

	r = group_of(m, agreed, &g);
	if (r == 0)
		r = dh_new(&g, &key, ret_pub);
	if (r == 0)
		r = dh_derive(&g, key, peer_pub, peer_len, ret_secret, ret_len);
	EVP_PKEY_free(key);
	if (r == 0)
		*ret_pub_len = g.p_len;
	return r;
}

static void dh_free(struct kex_key *k)
{
	EVP_PKEY_free(dh_of(k)->pkey); /* wipes the exponent */
	free(k);
}

const struct kex_family kex_dh = {check, init, finish, respond, dh_free};
