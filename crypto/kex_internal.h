/* crypto/kex_internal.h - what a family of key exchanges is to kex.c. */
#ifndef SLUICE_CRYPTO_KEX_INTERNAL_H
#define SLUICE_CRYPTO_KEX_INTERNAL_H

#include <openssl/evp.h>

#include "crypto/curve25519.h"
#include "crypto/kex.h"

/* An initiator's ephemeral key begins with this. */
struct kex_key {
	const struct kex_family *family;
	const struct kex_group *group; /* of DH; the key's own */
};

/*
 * agreed is the group of a group exchange, else NULL. Values of the peer have passed check() before
 * they come to finish() and respond(). Outputs have room for KEX_PUBLIC_MAX
 * and KEX_SECRET_MAX.
 */
struct kex_family {
	int (*check)(const struct kex_method *m, const struct kex_group *agreed, bool from_client,
		     const uint8_t *pub, size_t len);
	int (*init)(const struct kex_method *m, const struct kex_group *agreed,
		    struct kex_key **ret, uint8_t *ret_pub, size_t *ret_len);
	int (*finish)(const struct kex_method *m, struct kex_key *k, const uint8_t *peer_pub,
		      size_t peer_len, uint8_t *ret_secret, size_t *ret_len);
	int (*respond)(const struct kex_method *m, const struct kex_group *agreed,
		       const uint8_t *peer_pub, size_t peer_len, uint8_t *ret_pub,
		       size_t *ret_pub_len, uint8_t *ret_secret, size_t *ret_len);
	void (*free)(struct kex_key *k); /* wipes */
};

extern const struct kex_family kex_x25519, kex_ecdh, kex_dh, kex_hybrid;

/* check() of methods whose values have one length. */
int kex_length_check(const struct kex_method *m, const struct kex_group *agreed, bool from_client,
		     const uint8_t *pub, size_t len);

/* What of an ephemeral key is its curve's: one of them is in use. fini wipes it. */
struct kex_curve_key {
	EVP_PKEY *pkey;
	uint8_t scalar[X25519_LEN];
};
void kex_curve_key_fini(struct kex_curve_key *key);

/*
 * A curve as part of another method; points as that curve's own method sends them, secrets of 32
 * bytes. -EBADMSG: the peer's point is none, or of low order.
 */
struct kex_curve {
	int (*generate)(struct kex_curve_key *ret_key, uint8_t *ret_pub);
	int (*derive)(struct kex_curve_key *key, const uint8_t *peer_pub, uint8_t *ret_secret);
};

extern const struct kex_curve kex_curve25519, kex_nistp256;
extern const struct kex_parts kex_mlkem768x25519, kex_mlkem768nistp256, kex_sntrup761x25519;

#endif
