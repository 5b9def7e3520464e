/* crypto/kex_x25519.c - curve25519-sha256 (RFC 8731), by OpenSSL. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "crypto/kex_internal.h"
#include "crypto/secret.h"

struct x25519_key {
	struct kex_key k;
	EVP_PKEY *pkey;
};

static struct x25519_key *x25519_of(struct kex_key *k)
{
	return (struct x25519_key *)(void *)k; /* its first member */
}

/*
 * An ephemeral key from the kernel's randomness. RFC 7748 section 5: any 32 bytes are a
 * private key; OpenSSL sets the bits that have to be set when it uses them.
 */
static int x25519_new(EVP_PKEY **ret_key, uint8_t *ret_pub)
{
	uint8_t scalar[X25519_LEN];
	size_t len = X25519_LEN;
	EVP_PKEY *key;
	int r;

	r = crypto_random(scalar, sizeof(scalar));
	if (r < 0)
		return r;
	key = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, scalar, sizeof(scalar));
	secret_wipe(scalar, sizeof(scalar));
	if (key == NULL)
		return -EIO;
	if (EVP_PKEY_get_raw_public_key(key, ret_pub, &len) != 1 || len != X25519_LEN) {
		EVP_PKEY_free(key);
		return -EIO;
	}
	*ret_key = key;
	return 0;
}

/*
 * RFC 8731 section 3: "clients and servers MUST fail the key exchange if the length of the
 * received public keys are not the expected lengths or if the derived shared secret only
 * consists of zero bits". OpenSSL refuses the zero secret too, in the same call that could
 * fail for other reasons, so every failure there is the peer's value refused.
 */
static int x25519_derive(EVP_PKEY *key, const uint8_t *peer_pub, uint8_t *ret_secret)
{
	static const uint8_t zero[X25519_LEN];
	uint8_t secret[X25519_LEN];
	size_t len = sizeof(secret);
	EVP_PKEY_CTX *ctx = NULL;
	EVP_PKEY *peer = NULL;
	int r = -EIO;

	peer = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, peer_pub, X25519_LEN);
	ctx = EVP_PKEY_CTX_new(key, NULL);
	if (peer == NULL || ctx == NULL)
		goto out;
	if (EVP_PKEY_derive_init(ctx) != 1 || EVP_PKEY_derive_set_peer(ctx, peer) != 1)
		goto out;
	r = -EBADMSG;
	if (EVP_PKEY_derive(ctx, secret, &len) != 1 || len != sizeof(secret))
		goto out;
	if (secret_equal(secret, zero, sizeof(zero)))
		goto out;
	memcpy(ret_secret, secret, sizeof(secret));
	r = 0;
out:
	secret_wipe(secret, sizeof(secret));
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(peer);
	if (r < 0)
		ERR_clear_error();
	return r;
}

static int init(const struct kex_method *m, const struct kex_group *agreed, struct kex_key **ret,
		uint8_t *ret_pub, size_t *ret_len)
{
	struct x25519_key *k = calloc(1, sizeof(*k));
	int r;

	(void)agreed;
	if (k == NULL)
		return -ENOMEM;
	r = x25519_new(&k->pkey, ret_pub);
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
	(void)m;
	(void)peer_len;
	*ret_len = X25519_LEN;
	return x25519_derive(x25519_of(k)->pkey, peer_pub, ret_secret);
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
	r = x25519_new(&key, ret_pub);
	if (r < 0)
		return r;
	r = x25519_derive(key, peer_pub, ret_secret);
	EVP_PKEY_free(key);
	*ret_len = X25519_LEN;
	return r;
}

static void x25519_free(struct kex_key *k)
{
	EVP_PKEY_free(x25519_of(k)->pkey); /* wipes the scalar */
	free(k);
}

const struct kex_curve kex_curve25519 = {x25519_new, x25519_derive};
const struct kex_family kex_x25519 = {kex_length_check, init, finish, respond, x25519_free};
