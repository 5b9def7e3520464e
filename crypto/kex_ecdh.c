/* crypto/kex_ecdh.c - ecdh-sha2-nistp256, -384 and -521 (RFC 5656 section 4), by OpenSSL. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>

#include "crypto/kex_internal.h"
#include "crypto/secret.h"

struct ecdh_key {
	struct kex_key k;
	EVP_PKEY *pkey;
};

static struct ecdh_key *ecdh_of(struct kex_key *k)
{
	return (struct ecdh_key *)(void *)k; /* its first member */
}

#define P256_POINT 65

/* A point is 4, x, y: its length says which curve. */
static const char *group(size_t point_len)
{
	switch (point_len) {
	case P256_POINT:
		return "P-256";
	case 97:
		return "P-384";
	default:
		return "P-521";
	}
}

static EVP_PKEY *generate(size_t point_len)
{
	if (crypto_reseed() < 0)
		return NULL;
	return EVP_EC_gen(group(point_len));
}

static int ecdh_new(size_t point_len, EVP_PKEY **ret, uint8_t *ret_pub)
{
	EVP_PKEY *key = generate(point_len);
	size_t len = 0;

	if (key == NULL ||
	    EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, ret_pub, point_len,
					    &len) != 1 ||
	    len != point_len) {
		EVP_PKEY_free(key);
		ERR_clear_error();
		return -EIO;
	}
	*ret = key;
	return 0;
}

/* The peer's point on key's curve. -EBADMSG: it is none. */
static int peer_new(EVP_PKEY *key, const uint8_t *pub, size_t len, EVP_PKEY **ret)
{
	EVP_PKEY *peer = EVP_PKEY_new();
	int r = -EIO;

	if (peer == NULL || EVP_PKEY_copy_parameters(peer, key) != 1)
		goto out;
	r = -EBADMSG;
	if (EVP_PKEY_set1_encoded_public_key(peer, pub, len) != 1)
		goto out;
	*ret = peer;
	return 0;
out:
	EVP_PKEY_free(peer);
	return r;
}

/*
 * RFC 5656 section 4: "All elliptic curve public keys MUST be validated after they are received".
 * The library refuses points that are not on the curve when they are decoded; a compressed point,
 * and infinity, have another length and never come here. All points of these curves are of their
 * one large order, so that behind that nothing that fails is the peer's fault.
 */
static int ecdh_derive(size_t point_len, EVP_PKEY *key, const uint8_t *peer_pub,
		       uint8_t *ret_secret, size_t *ret_len)
{
	size_t want = point_len / 2, len = want;
	EVP_PKEY *peer = NULL;
	EVP_PKEY_CTX *ctx = NULL;
	int r;

	if (peer_pub[0] != 4) /* neither hybrid forms */
		return -EBADMSG;
	r = peer_new(key, peer_pub, point_len, &peer);
	if (r < 0)
		goto out;
	r = -EIO;
	ctx = EVP_PKEY_CTX_new(key, NULL);
	if (ctx == NULL || EVP_PKEY_derive_init(ctx) != 1 ||
	    EVP_PKEY_derive_set_peer(ctx, peer) != 1 ||
	    EVP_PKEY_derive(ctx, ret_secret, &len) != 1 || len != want)
		goto out;
	*ret_len = len;
	r = 0;
out:
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(peer);
	if (r < 0)
		ERR_clear_error();
	return r;
}

static int init(const struct kex_method *m, const struct kex_group *agreed, struct kex_key **ret,
		uint8_t *ret_pub, size_t *ret_len)
{
	struct ecdh_key *k = calloc(1, sizeof(*k));
	int r;

	(void)agreed;
	if (k == NULL)
		return -ENOMEM;
	r = ecdh_new(m->client_public_len, &k->pkey, ret_pub);
	if (r < 0) {
		free(k);
		return r;
	}
	*ret_len = m->client_public_len;
	*ret = &k->k;
	return 0;
}

static int finish(const struct kex_method *m, struct kex_key *k, const uint8_t *peer_pub,
		  size_t peer_len, uint8_t *ret_secret, size_t *ret_len)
{
	(void)peer_len;
	return ecdh_derive(m->client_public_len, ecdh_of(k)->pkey, peer_pub, ret_secret, ret_len);
}

static int respond(const struct kex_method *m, const struct kex_group *agreed,
		   const uint8_t *peer_pub, size_t peer_len, uint8_t *ret_pub, size_t *ret_pub_len,
		   uint8_t *ret_secret, size_t *ret_len)
{
	EVP_PKEY *key = NULL;
	int r;

	(void)agreed;
	(void)peer_len;
	*ret_pub_len = m->server_public_len;
	r = ecdh_new(m->client_public_len, &key, ret_pub);
	if (r < 0)
		return r;
	r = ecdh_derive(m->client_public_len, key, peer_pub, ret_secret, ret_len);
	EVP_PKEY_free(key);
	return r;
}

static void ecdh_free(struct kex_key *k)
{
	EVP_PKEY_free(ecdh_of(k)->pkey);
	free(k);
}

static int p256_new(struct kex_curve_key *ret, uint8_t *ret_pub)
{
	return ecdh_new(P256_POINT, &ret->pkey, ret_pub);
}

static int p256_derive(struct kex_curve_key *key, const uint8_t *peer_pub, uint8_t *ret_secret)
{
	size_t len;

	return ecdh_derive(P256_POINT, key->pkey, peer_pub, ret_secret, &len);
}

const struct kex_curve kex_nistp256 = {p256_new, p256_derive};
const struct kex_family kex_ecdh = {kex_length_check, init, finish, respond, ecdh_free};
