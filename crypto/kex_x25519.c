/* crypto/kex_x25519.c - curve25519-sha256 (RFC 8731). */
#include <errno.h>
#include <stdlib.h>

#include "crypto/curve25519.h"
#include "crypto/kex_internal.h"
#include "crypto/secret.h"

struct x25519_key {
	struct kex_key k;
	struct kex_curve_key own;
};

static struct x25519_key *x25519_of(struct kex_key *k)
{
	return (struct x25519_key *)(void *)k; /* its first member */
}

/* An ephemeral key from the kernel's randomness, which is the scalar as it comes (S-66). */
static int x25519_new(struct kex_curve_key *ret_key, uint8_t *ret_pub)
{
	int r = crypto_random(ret_key->scalar, sizeof(ret_key->scalar));

	return r == 0 ? x25519_public(ret_key->scalar, ret_pub) : r;
}

/*
 * RFC 8731 section 3: "clients and servers MUST fail the key exchange if the length of the
 * received public keys are not the expected lengths or if the derived shared secret only
 * consists of zero bits".
 */
static int x25519_derive(struct kex_curve_key *key, const uint8_t *peer_pub, uint8_t *ret_secret)
{
	return x25519_shared(key->scalar, peer_pub, ret_secret);
}

static void x25519_free(struct kex_key *k)
{
	kex_curve_key_fini(&x25519_of(k)->own);
	free(k);
}

static int init(const struct kex_method *m, const struct kex_group *agreed, struct kex_key **ret,
		uint8_t *ret_pub, size_t *ret_len)
{
	struct x25519_key *k = calloc(1, sizeof(*k));
	int r;

	(void)agreed;
	if (k == NULL)
		return -ENOMEM;
	r = x25519_new(&k->own, ret_pub);
	if (r < 0) {
		x25519_free(&k->k);
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
	return x25519_derive(&x25519_of(k)->own, peer_pub, ret_secret);
}

static int respond(const struct kex_method *m, const struct kex_group *agreed,
		   const uint8_t *peer_pub, size_t peer_len, uint8_t *ret_pub, size_t *ret_pub_len,
		   uint8_t *ret_secret, size_t *ret_len)
{
	struct kex_curve_key key = {0};
	int r;

	(void)agreed;
	(void)peer_len;
	*ret_pub_len = m->server_public_len;
	r = x25519_new(&key, ret_pub);
	if (r == 0)
		r = x25519_derive(&key, peer_pub, ret_secret);
	kex_curve_key_fini(&key);
	*ret_len = X25519_LEN;
	return r;
}

const struct kex_curve kex_curve25519 = {x25519_new, x25519_derive};
const struct kex_family kex_x25519 = {kex_length_check, init, finish, respond, x25519_free};
