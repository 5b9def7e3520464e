/* crypto/kex.c - key exchange primitives: the table of methods. */
#include "crypto/kex.h"

#include <errno.h>
#include <string.h>

#include "crypto/kex_internal.h"
#include "crypto/mlkem.h"

#define P256_LEN 65 /* a point as it stands: 4, x, y (RFC 5656 section 4) */
#define P384_LEN 97
#define P521_LEN 133
#define MLKEM_C  (MLKEM_EK_LEN + X25519_LEN)
#define MLKEM_S  (MLKEM_CT_LEN + X25519_LEN)

/* As OpenSSH prefers them. Both names of curve25519 are one method (RFC 8731 section 3). */
static const struct kex_method methods[] = {
	{"mlkem768x25519-sha256", HASH_SHA256, KEX_K_STRING, MLKEM_C, MLKEM_S, &kex_hybrid},
	{"curve25519-sha256", HASH_SHA256, KEX_K_MPINT, X25519_LEN, X25519_LEN, &kex_x25519},
	{"curve25519-sha256@libssh.org", HASH_SHA256, KEX_K_MPINT, X25519_LEN, X25519_LEN,
	 &kex_x25519},
	{"ecdh-sha2-nistp256", HASH_SHA256, KEX_K_MPINT, P256_LEN, P256_LEN, &kex_ecdh},
	{"ecdh-sha2-nistp384", HASH_SHA384, KEX_K_MPINT, P384_LEN, P384_LEN, &kex_ecdh},
	{"ecdh-sha2-nistp521", HASH_SHA512, KEX_K_MPINT, P521_LEN, P521_LEN, &kex_ecdh},
};

#define N_METHODS (sizeof(methods) / sizeof(methods[0]))

_Static_assert(MLKEM_C <= KEX_PUBLIC_MAX, "the longest public value");

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
