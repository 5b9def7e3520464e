/*
 * crypto/kex.h - key exchange primitives: ephemeral keys and shared secrets.
 *
 * Source  RFC 8731 and RFC 7748 (curve25519), RFC 5656 section 4 (ecdh-sha2-nistp*),
 *         draft-ietf-sshm-mlkem-hybrid-kex (mlkem768x25519-sha256, mlkem768nistp256-sha256),
 *         draft-ietf-sshm-ntruprime-ssh (sntrup761x25519-sha512).
 * Thread  any; no shared state. Computing is slow: control runs it on its pool.
 * Memory  ephemeral keys and secrets are wiped by _free and by the caller.
 */
#ifndef SLUICE_CRYPTO_KEX_H
#define SLUICE_CRYPTO_KEX_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/hash.h"

#define KEX_PUBLIC_MAX 1280 /* room for ML-KEM-768 || P-256 */
#define KEX_SECRET_MAX 66   /* the x of a point of P-521 */

struct kex_method {
	const char *name; /* as negotiated */
	enum hash_alg hash;
	/* How K enters the exchange hash and the KDF. */
	enum { KEX_K_MPINT = 1, KEX_K_STRING } k_form;
	uint16_t client_public_len, server_public_len;
	const struct kex_family *family; /* who computes it */
	const struct kex_parts *parts;   /* of a hybrid */
};

const struct kex_method *kex_method_find(const char *name);
const char *
kex_method_name_at(unsigned int i); /* in our order of preference; NULL behind the last */

struct kex_key; /* the initiator's ephemeral key */

/* Initiator (SSH client): make the ephemeral key and the public value to send. */
int kex_init(const struct kex_method *m, struct kex_key **ret, uint8_t *ret_pub, size_t *ret_len)
	__attribute__((warn_unused_result));
/* Initiator: shared secret from the responder's public value. -EBADMSG: value refused. */
int kex_finish(const struct kex_method *m, struct kex_key *k, const uint8_t *peer_pub,
	       size_t peer_len, uint8_t *ret_secret, size_t *ret_secret_len)
	__attribute__((warn_unused_result));
/* Responder (SSH server): both at once. -EBADMSG: value refused (length, low order). */
int kex_respond(const struct kex_method *m, const uint8_t *peer_pub, size_t peer_len,
		uint8_t *ret_pub, size_t *ret_len, uint8_t *ret_secret, size_t *ret_secret_len)
	__attribute__((warn_unused_result));
void kex_key_free(struct kex_key *k); /* wipes; NULL is fine */

#endif
