/* crypto/kex.c - key exchange primitives: the table of methods. */
#include "crypto/kex.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "crypto/fips.h"
#include "crypto/gss.h"
#include "crypto/kex_internal.h"
#include "crypto/mlkem.h"
#include "crypto/secret.h"
#include "crypto/sntrup761.h"

#define P256_LEN 65 /* a point as it stands: 4, x, y (RFC 5656 section 4) */
#define P384_LEN 97
#define P521_LEN 133

/* Initialisers of a method's members. */
#define HYBRID(name_, hash_, kem, point_len, parts_)                                               \
	.name = (name_), .hash = (hash_), .k_form = KEX_STRING, .q_form = KEX_STRING,              \
	.client_public_len = kem##_EK_LEN + (point_len),                                           \
	.server_public_len = kem##_CT_LEN + (point_len), .family = &kex_hybrid, .parts = &(parts_)
#define CURVE(name_, hash_, point_len, family_)                                                    \
	.name = (name_), .hash = (hash_), .k_form = KEX_MPINT, .q_form = KEX_STRING,               \
	.client_public_len = (point_len), .server_public_len = (point_len), .family = &(family_)
#define GROUP(name_, hash_, bits)                                                                  \
	.name = (name_), .hash = (hash_), .k_form = KEX_MPINT, .q_form = KEX_MPINT,                \
	.group_bits = (bits), .group_exchange = (bits) == 0, .client_public_len = (bits) / 8,      \
	.server_public_len = (bits) / 8, .family = &kex_dh

/*
 * As OpenSSH prefers them; which of them are offered without being asked for is ssh/kexinit.h's.
 * Names with @ are what their method was called before it had one.
 */
static const struct kex_method methods[] = {
	{HYBRID("mlkem768x25519-sha256", HASH_SHA256, MLKEM, X25519_LEN, kex_mlkem768x25519)},
	{HYBRID("sntrup761x25519-sha512", HASH_SHA512, SNTRUP761, X25519_LEN, kex_sntrup761x25519)},
	{HYBRID("sntrup761x25519-sha512@openssh.com", HASH_SHA512, SNTRUP761, X25519_LEN,
		kex_sntrup761x25519)},
	{CURVE("curve25519-sha256", HASH_SHA256, X25519_LEN, kex_x25519)},
	{CURVE("curve25519-sha256@libssh.org", HASH_SHA256, X25519_LEN, kex_x25519)},
	{CURVE("ecdh-sha2-nistp256", HASH_SHA256, P256_LEN, kex_ecdh)},
	{CURVE("ecdh-sha2-nistp384", HASH_SHA384, P384_LEN, kex_ecdh)},
	{CURVE("ecdh-sha2-nistp521", HASH_SHA512, P521_LEN, kex_ecdh)},
	{HYBRID("mlkem768nistp256-sha256", HASH_SHA256, MLKEM, P256_LEN, kex_mlkem768nistp256)},
	{GROUP("diffie-hellman-group-exchange-sha256", HASH_SHA256, 0)},
	{GROUP("diffie-hellman-group16-sha512", HASH_SHA512, 4096)},
	{GROUP("diffie-hellman-group18-sha512", HASH_SHA512, 8192)},
	{GROUP("diffie-hellman-group14-sha256", HASH_SHA256, 2048)},
	{GROUP("diffie-hellman-group-exchange-sha1", HASH_SHA1, 0)},
	{GROUP("diffie-hellman-group14-sha1", HASH_SHA1, 2048)},
	{GROUP("diffie-hellman-group1-sha1", HASH_SHA1, 1024)},
};

/* The same exchanges, authenticated by Kerberos (RFC 4462 section 2, RFC 8732 sections 4 and 5). */
#define GSS_NAME(name) "gss-" name "-" GSS_KRB5_SUFFIX

static const struct kex_method gss_methods[] = {
	{GROUP(GSS_NAME("group14-sha256"), HASH_SHA256, 2048), .gss = true},
	{GROUP(GSS_NAME("group16-sha512"), HASH_SHA512, 4096), .gss = true},
	{CURVE(GSS_NAME("nistp256-sha256"), HASH_SHA256, P256_LEN, kex_ecdh), .gss = true},
	{CURVE(GSS_NAME("curve25519-sha256"), HASH_SHA256, X25519_LEN, kex_x25519), .gss = true},
	{GROUP(GSS_NAME("gex-sha1"), HASH_SHA1, 0), .gss = true},
	{GROUP(GSS_NAME("group14-sha1"), HASH_SHA1, 2048), .gss = true},
};

#define N_GSS (sizeof(gss_methods) / sizeof(gss_methods[0]))

#define N_METHODS (sizeof(methods) / sizeof(methods[0]))

_Static_assert(MLKEM_EK_LEN + P256_LEN <= KEX_PUBLIC_MAX, "the longest public value");

const struct kex_method *kex_method_find(const char *name)
{
	if (!fips_allows(name))
		return NULL;
	for (size_t i = 0; i < N_METHODS; i++)
		if (strcmp(methods[i].name, name) == 0)
			return &methods[i];
	for (size_t i = 0; i < N_GSS; i++)
		if (strcmp(gss_methods[i].name, name) == 0)
			return &gss_methods[i];
	return NULL;
}

const char *kex_method_name_at(unsigned int i)
{
	return i < N_METHODS ? methods[i].name : NULL;
}

const char *kex_gss_name_at(unsigned int i)
{
	return i < N_GSS ? gss_methods[i].name : NULL;
}

const char *kex_gss_bare_at(unsigned int i)
{
	static _Thread_local char name[64];
	const char *whole = kex_gss_name_at(i);

	if (whole == NULL)
		return NULL;
	snprintf(name, sizeof(name), "%.*s", (int)(strlen(whole) - strlen(GSS_KRB5_SUFFIX)), whole);
	return name;
}

bool kex_method_is_legacy(const char *name)
{
	const struct kex_method *m = kex_method_find(name);

	return m != NULL && m->hash == HASH_SHA1;
}

void kex_curve_key_fini(struct kex_curve_key *key)
{
	EVP_PKEY_free(key->pkey); /* wipes its scalar */
	secret_wipe(key, sizeof(*key));
}

int kex_length_check(const struct kex_method *m, const struct kex_group *agreed, bool from_client,
		     const uint8_t *pub, size_t len)
{
	(void)agreed;
	(void)pub;
	return len == (from_client ? m->client_public_len : m->server_public_len) ? 0 : -EBADMSG;
}

int kex_public_check(const struct kex_method *m, const struct kex_group *group, bool from_client,
		     const uint8_t *pub, size_t len)
{
	return m->family->check(m, group, from_client, pub, len);
}

int kex_init(const struct kex_method *m, const struct kex_group *group, struct kex_key **ret,
	     uint8_t *ret_pub, size_t *ret_len)
{
	int r = m->family->init(m, group, ret, ret_pub, ret_len);

	if (r == 0)
		(*ret)->family = m->family;
	return r;
}

int kex_finish(const struct kex_method *m, struct kex_key *k, const uint8_t *peer_pub,
	       size_t peer_len, uint8_t *ret_secret, size_t *ret_secret_len)
{
	int r = kex_public_check(m, k->group, false, peer_pub, peer_len);

	if (r < 0)
		return r;
	return m->family->finish(m, k, peer_pub, peer_len, ret_secret, ret_secret_len);
}

int kex_respond(const struct kex_method *m, const struct kex_group *group, const uint8_t *peer_pub,
		size_t peer_len, uint8_t *ret_pub, size_t *ret_len, uint8_t *ret_secret,
		size_t *ret_secret_len)
{
	int r = kex_public_check(m, group, true, peer_pub, peer_len);

	if (r < 0)
		return r;
	return m->family->respond(m, group, peer_pub, peer_len, ret_pub, ret_len, ret_secret,
				  ret_secret_len);
}

void kex_key_free(struct kex_key *k)
{
	if (k != NULL)
		k->family->free(k);
}
