/* crypto/kex.c - key exchange primitives: a table of methods, X25519 by OpenSSL. */
#include "crypto/kex.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "crypto/secret.h"

#define X25519_LEN 32

/* "As our preference": both names are one method (RFC 8731 section 3). */
static const struct kex_method methods[] = {
	{"curve25519-sha256", HASH_SHA256, KEX_K_MPINT, X25519_LEN, X25519_LEN},
	{"curve25519-sha256@libssh.org", HASH_SHA256, KEX_K_MPINT, X25519_LEN, X25519_LEN},
};

#define N_METHODS (sizeof(methods) / sizeof(methods[0]))

struct kex_key {
	EVP_PKEY *pkey;
};

const struct kex_method *kex_method_find(const char *name)
{
	for (size_t i = 0; i < N_METHODS; i++)
		if (strcmp(methods[i].name, name) == 0)
			return &methods[i];
	return NULL;
}

const char *kex_method_name_at(unsigned int i)
{
	return i < N_METHODS ? methods[i].name : NULL;
}

/*
 * An ephemeral key from the kernel's randomness. RFC 7748 section 5: any 32 bytes are a
 * private key; OpenSSL sets the bits that have to be set when it uses them.
 */
static int x25519_new(EVP_PKEY **ret_key, uint8_t ret_pub[X25519_LEN])
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
static int x25519_derive(EVP_PKEY *key, const uint8_t *peer_pub, size_t peer_len,
			 uint8_t ret_secret[X25519_LEN])
{
	static const uint8_t zero[X25519_LEN];
	uint8_t secret[X25519_LEN];
	size_t len = sizeof(secret);
	EVP_PKEY_CTX *ctx = NULL;
	EVP_PKEY *peer = NULL;
	int r = -EIO;

	if (peer_len != X25519_LEN)
		return -EBADMSG;
	peer = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, peer_pub, peer_len);
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

int kex_init(const struct kex_method *m, struct kex_key **ret, uint8_t *ret_pub, size_t *ret_len)
{
	struct kex_key *k;
	int r;

	k = calloc(1, sizeof(*k));
	if (k == NULL)
		return -ENOMEM;
	r = x25519_new(&k->pkey, ret_pub);
	if (r < 0) {
		kex_key_free(k);
		return r;
	}
	*ret_len = m->client_public_len;
	*ret = k;
	return 0;
}

int kex_finish(const struct kex_method *m, struct kex_key *k, const uint8_t *peer_pub,
	       size_t peer_len, uint8_t *ret_secret, size_t *ret_secret_len)
{
	int r;

	if (peer_len != m->server_public_len)
		return -EBADMSG;
	r = x25519_derive(k->pkey, peer_pub, peer_len, ret_secret);
	if (r < 0)
		return r;
	*ret_secret_len = X25519_LEN;
	return 0;
}

int kex_respond(const struct kex_method *m, const uint8_t *peer_pub, size_t peer_len,
		uint8_t *ret_pub, size_t *ret_len, uint8_t *ret_secret, size_t *ret_secret_len)
{
	EVP_PKEY *key = NULL;
	int r;

	if (peer_len != m->client_public_len)
		return -EBADMSG;
	r = x25519_new(&key, ret_pub);
	if (r < 0)
		return r;
	r = x25519_derive(key, peer_pub, peer_len, ret_secret);
	EVP_PKEY_free(key);
	if (r < 0)
		return r;
	*ret_len = m->server_public_len;
	*ret_secret_len = X25519_LEN;
	return 0;
}

void kex_key_free(struct kex_key *k)
{
	if (k == NULL)
		return;
	EVP_PKEY_free(k->pkey); /* wipes the scalar */
	free(k);
}
