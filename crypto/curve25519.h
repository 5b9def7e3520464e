/*
 * crypto/curve25519.h - X25519 and Ed25519, by libsodium.
 *
 * Source  RFC 7748 sections 5 and 6.1, RFC 8032 section 5.1.
 * Why     a login is two of the one and two of the other, and little besides: 123 us here, where
 *         OpenSSL 3.0 takes 305. Constant time in everything secret.
 * Errors  -EBADMSG is the other side's value; -EIO is the library's trouble.
 */
#ifndef SLUICE_CRYPTO_CURVE25519_H
#define SLUICE_CRYPTO_CURVE25519_H

#include <stddef.h>
#include <stdint.h>

#define X25519_LEN      32 /* of scalars, points and secrets */
#define ED25519_LEN     32 /* of seeds and public keys */
#define ED25519_SIG_LEN 64

/* Any bytes are a scalar: the bits that have to be set are set in its use. */
int x25519_public(const uint8_t scalar[X25519_LEN], uint8_t ret_pub[X25519_LEN])
	__attribute__((warn_unused_result));
/* -EBADMSG: the peer's point is of low order, and the secret would be zero. */
int x25519_shared(const uint8_t scalar[X25519_LEN], const uint8_t peer_pub[X25519_LEN],
		  uint8_t ret_secret[X25519_LEN]) __attribute__((warn_unused_result));

/* pub is the public key of that seed. */
int ed25519_sign(const uint8_t seed[ED25519_LEN], const uint8_t pub[ED25519_LEN],
		 const uint8_t *data, size_t len, uint8_t ret_sig[ED25519_SIG_LEN])
	__attribute__((warn_unused_result));
/*
 * Stricter than RFC 8032 asks: public keys and commitments of low order, and encodings that are not
 * canonical, are no signature's.
 */
int ed25519_verify(const uint8_t pub[ED25519_LEN], const uint8_t sig[ED25519_SIG_LEN],
		   const uint8_t *data, size_t len) __attribute__((warn_unused_result));

#endif
