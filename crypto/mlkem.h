/*
 * crypto/mlkem.h - ML-KEM-768, the module-lattice key encapsulation.
 *
 * Source  FIPS 203 (August 2024). Names of the algorithms are the standard's.
 * Thread  any; no shared state after the first call.
 * Timing  nothing branches on, indexes by or divides a secret; the matrix is public.
 * Errors  -errno; -EIO: a hash of the library failed, outputs are then not to be used.
 */
#ifndef SLUICE_CRYPTO_MLKEM_H
#define SLUICE_CRYPTO_MLKEM_H

#include <stdint.h>

#define MLKEM_EK_LEN     1184 /* encapsulation key: what the initiator sends */
#define MLKEM_DK_LEN     2400 /* decapsulation key: secret */
#define MLKEM_CT_LEN     1088 /* ciphertext: what the responder sends */
#define MLKEM_SHARED_LEN 32
#define MLKEM_SEED_LEN   64 /* d and z of ML-KEM.KeyGen */
#define MLKEM_COIN_LEN   32 /* m of ML-KEM.Encaps */

/* ML-KEM.KeyGen_internal: both keys follow from the seed, which is the caller's to wipe. */
int mlkem_keygen(const uint8_t seed[MLKEM_SEED_LEN], uint8_t ret_ek[MLKEM_EK_LEN],
		 uint8_t ret_dk[MLKEM_DK_LEN]) __attribute__((warn_unused_result));
/* The checks of section 7.2 and ML-KEM.Encaps_internal. -EBADMSG: no encapsulation key. */
int mlkem_encaps(const uint8_t ek[MLKEM_EK_LEN], const uint8_t coin[MLKEM_COIN_LEN],
		 uint8_t ret_ct[MLKEM_CT_LEN], uint8_t ret_shared[MLKEM_SHARED_LEN])
	__attribute__((warn_unused_result));
/* ML-KEM.Decaps_internal. A wrong ciphertext gives another secret and no error, by design. */
int mlkem_decaps(const uint8_t dk[MLKEM_DK_LEN], const uint8_t ct[MLKEM_CT_LEN],
		 uint8_t ret_shared[MLKEM_SHARED_LEN]) __attribute__((warn_unused_result));

#endif
