/*
 * crypto/sntrup761.h - Streamlined NTRU Prime with p = 761, q = 4591, w = 286: a key encapsulation.
 *
 * Source  NTRU Prime, round 3 submission to NIST (October 2020), section 3; letters are its.
 * Thread  any; no shared state.
 * Random  from crypto_random(), in the order of the submission's implementation: small, short,
 *         rho; so that its known answers can be asked for.
 * Timing  nothing branches on, indexes by or divides a secret. Keys and ciphertexts as they are
 *         sent are no secrets.
 * Errors  -errno; -EIO: randomness or a hash failed, outputs are then not to be used.
 */
#ifndef SLUICE_CRYPTO_SNTRUP761_H
#define SLUICE_CRYPTO_SNTRUP761_H

#include <stdint.h>

#define SNTRUP761_EK_LEN     1158 /* public key: what the initiator sends */
#define SNTRUP761_DK_LEN     1763 /* private key */
#define SNTRUP761_CT_LEN     1039 /* ciphertext: what the responder sends */
#define SNTRUP761_SHARED_LEN 32

int sntrup761_keygen(uint8_t ret_ek[SNTRUP761_EK_LEN], uint8_t ret_dk[SNTRUP761_DK_LEN])
	__attribute__((warn_unused_result));
/* Every string of the right length is a public key (section 4.6: decoding is total). */
int sntrup761_encaps(const uint8_t ek[SNTRUP761_EK_LEN], uint8_t ret_ct[SNTRUP761_CT_LEN],
		     uint8_t ret_shared[SNTRUP761_SHARED_LEN]) __attribute__((warn_unused_result));
/* A wrong ciphertext gives another secret and no error, by design. */
int sntrup761_decaps(const uint8_t dk[SNTRUP761_DK_LEN], const uint8_t ct[SNTRUP761_CT_LEN],
		     uint8_t ret_shared[SNTRUP761_SHARED_LEN]) __attribute__((warn_unused_result));

#endif
