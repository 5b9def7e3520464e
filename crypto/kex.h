/*
 * crypto/kex.h - key exchange primitives: ephemeral keys and shared secrets.
 *
 * Source  RFC 4253 section 8, RFC 8268 and RFC 4419 (diffie-hellman-*), RFC 8731 and RFC 7748
 *         (curve25519), RFC 5656 section 4 (ecdh-sha2-nistp*), draft-ietf-sshm-mlkem-hybrid-kex
 *         (mlkem768x25519-sha256, mlkem768nistp256-sha256), draft-ietf-sshm-ntruprime-ssh
 *         (sntrup761x25519-sha512).
 * Thread  any; no shared state. Computing is slow: control runs it on its pool.
 * Memory  ephemeral keys and secrets are wiped by _free and by the caller.
 */
#ifndef SLUICE_CRYPTO_KEX_H
#define SLUICE_CRYPTO_KEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/hash.h"

#define KEX_PUBLIC_MAX 1280 /* room for ML-KEM-768 || P-256 */
#define KEX_SECRET_MAX 1024 /* of a group of 8192 bits */
#define KEX_GROUP_MAX  1024 /* bytes of a prime */

/* How a value is sent and hashed: as RFC 4251's mpint, or as a string of its bytes. */
enum kex_form { KEX_MPINT = 1, KEX_STRING };

struct kex_method {
	const char *name; /* as negotiated */
	enum hash_alg hash;
	enum kex_form k_form, q_form; /* of K, and of the public values */
	bool gss;                     /* RFC 4462: authenticated by GSS-API, not by a host key */
	bool group_exchange;          /* RFC 4419: the server chooses a group first */
	uint16_t group_bits;          /* of the method's own group of DH */
	uint16_t client_public_len, server_public_len; /* 0: as long as the group's prime */
	const struct kex_family *family;               /* who computes it */
	const struct kex_parts *parts;                 /* of a hybrid */
};

const struct kex_method *kex_method_find(const char *name);
/* In our order of preference; NULL behind the last. Those of GSS-API have a list of their own. */
const char *kex_method_name_at(unsigned int i);
const char *kex_gss_name_at(unsigned int i);
/* Without the mechanism at its end, as files have them; good until the next call in this thread. */
const char *kex_gss_bare_at(unsigned int i);
/* By SHA-1: in no default list, and worth a warning where it is used. */
bool kex_method_is_legacy(const char *name);

/* A group of DH: a safe prime and a generator, big-endian without leading zeros. */
struct kex_group {
	uint16_t p_len, g_len;
	uint8_t p[KEX_GROUP_MAX], g[KEX_GROUP_MAX];
};

/* RFC 2409's group of 1024 bits, RFC 3526's of 2048, 4096, 8192. */
int kex_group_fixed(unsigned int bits, struct kex_group *ret) __attribute__((warn_unused_result));
unsigned int kex_group_bits(const struct kex_group *g);
/*
 * Of a group somebody else chose: an odd p of so many bits, 1 < g < p - 1. That p is a safe prime
 * is not asked: who may choose it, and chooses a bad one, could as well publish the secret.
 */
int kex_group_check(const struct kex_group *g, unsigned int min_bits, unsigned int max_bits)
	__attribute__((warn_unused_result));

/*
 * Public values are bytes as sent, or for KEX_MPINT a number: big-endian, a peer's without leading
 * zeros, ours padded. group is that of a group exchange, NULL for every other method.
 */

/*
 * Could this be the peer's value: its length; of DH its range, 1 < n < p - 1 (RFC 4253 section 8)?
 * Costs nothing. -EBADMSG: it cannot.
 */
int kex_public_check(const struct kex_method *m, const struct kex_group *group, bool from_client,
		     const uint8_t *pub, size_t len) __attribute__((warn_unused_result));

struct kex_key; /* the initiator's ephemeral key */

/* Initiator (SSH client): make the ephemeral key and the public value to send. */
int kex_init(const struct kex_method *m, const struct kex_group *group, struct kex_key **ret,
	     uint8_t *ret_pub, size_t *ret_len) __attribute__((warn_unused_result));
/* Initiator: shared secret from the responder's public value. -EBADMSG: value refused. */
int kex_finish(const struct kex_method *m, struct kex_key *k, const uint8_t *peer_pub,
	       size_t peer_len, uint8_t *ret_secret, size_t *ret_secret_len)
	__attribute__((warn_unused_result));
/* Responder (SSH server): both at once. -EBADMSG: value refused (length, range, low order). */
int kex_respond(const struct kex_method *m, const struct kex_group *group, const uint8_t *peer_pub,
		size_t peer_len, uint8_t *ret_pub, size_t *ret_len, uint8_t *ret_secret,
		size_t *ret_secret_len) __attribute__((warn_unused_result));
void kex_key_free(struct kex_key *k); /* wipes; NULL is fine */

#endif
