/* crypto/kex.c - key exchange primitives: the table of methods. */
#include "crypto/kex.h"

#include <errno.h>
#include <string.h>

#include "crypto/kex_internal.h"
#include "crypto/mlkem.h"
#include "crypto/sntrup761.h"

#define P256_LEN 65 /* a point as it stands: 4, x, y (RFC 5656 section 4) */
#define P384_LEN 97
#define P521_LEN 133

#define HYBRID(name_, hash_, kem, point_len, parts_)                                               \
	{                                                                                          \
		.name = (name_), .hash = (hash_), .k_form = KEX_K_STRING,                          \
		.client_public_len = kem##_EK_LEN + (point_len),                                   \
		.server_public_len = kem##_CT_LEN + (point_len), .family = &kex_hybrid,            \
		.parts = &(parts_)                                                                 \
	}
#define CURVE(name_, hash_, point_len, family_)                                                    \
	{                                                                                          \
		.name = (name_), .hash = (hash_), .k_form = KEX_K_MPINT,                           \
		.client_public_len = (point_len), .server_public_len = (point_len),                \
		.family = &(family_)                                                               \
	}

/*
 * As OpenSSH prefers them; which of them are offered without being asked for is ssh/kexinit.h's.
 * Names with @ are what their method was called before it had one.
 */
static const struct kex_method methods[] = {
	HYBRID("mlkem768x25519-sha256", HASH_SHA256, MLKEM, X25519_LEN, kex_mlkem768x25519),
	HYBRID("sntrup761x25519-sha512", HASH_SHA512, SNTRUP761, X25519_LEN, kex_sntrup761x25519),
	HYBRID("sntrup761x25519-sha512@openssh.com", HASH_SHA512, SNTRUP761, X25519_LEN,
	       kex_sntrup761x25519),
	CURVE("curve25519-sha256", HASH_SHA256, X25519_LEN, kex_x25519),
	CURVE("curve25519-sha256@libssh.org", HASH_SHA256, X25519_LEN, kex_x25519),
	CURVE("ecdh-sha2-nistp256", HASH_SHA256, P256_LEN, kex_ecdh),
	CURVE("ecdh-sha2-nistp384", HASH_SHA384, P384_LEN, kex_ecdh),
	CURVE("ecdh-sha2-nistp521", HASH_SHA512, P521_LEN, kex_ecdh),
	HYBRID("mlkem768nistp256-sha256", HASH_SHA256, MLKEM, P256_LEN, kex_mlkem768nistp256),
};

#define N_METHODS (sizeof(methods) / sizeof(methods[0]))

_Static_assert(MLKEM_EK_LEN + P256_LEN <= KEX_PUBLIC_MAX, "the longest public value");

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

int kex_init(const struct kex_method *m, struct kex_key **ret, uint8_t *ret_pub, size_t *ret_len)
{
	int r = m->family->init(m, ret, ret_pub);

	if (r < 0)
		return r;
	(*ret)->family = m->family;
	*ret_len = m->client_public_len;
	return 0;
}

int kex_finish(const struct kex_method *m, struct kex_key *k, const uint8_t *peer_pub,
	       size_t peer_len, uint8_t *ret_secret, size_t *ret_secret_len)
{
	if (peer_len != m->server_public_len)
		return -EBADMSG;
	return m->family->finish(m, k, peer_pub, ret_secret, ret_secret_len);
}

int kex_respond(const struct kex_method *m, const uint8_t *peer_pub, size_t peer_len,
		uint8_t *ret_pub, size_t *ret_len, uint8_t *ret_secret, size_t *ret_secret_len)
{
	if (peer_len != m->client_public_len)
		return -EBADMSG;
	*ret_len = m->server_public_len;
	return m->family->respond(m, peer_pub, ret_pub, ret_secret, ret_secret_len);
}

void kex_key_free(struct kex_key *k)
{
	if (k != NULL)
		k->family->free(k);
}
