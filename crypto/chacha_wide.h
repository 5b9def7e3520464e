/*
 * crypto/chacha_wide.h - ChaCha20 over pieces, sixteen blocks at a time.
 *
 * Source  as crypto/chacha.h: 64-bit counter, from block 1 on; OpenSSH's nonce.
 * Why     libraries' streams begin at a block, so that a record in pieces must be copied together
 *         and back; this one goes on in the middle of a block, at the speed of theirs.
 * Needs   AVX-512 F and BW: cipher_wide_usable() of cipher_internal.h.
 * Memory  holds a key and what was made of it: its owner wipes.
 */
#ifndef SLUICE_CRYPTO_CHACHA_WIDE_H
#define SLUICE_CRYPTO_CHACHA_WIDE_H

#include <stdint.h>

#include "crypto/chacha.h"

#define CHACHA_WORDS  16
#define CHACHA_STRIDE (CHACHA_LANES * 64) /* bytes of stream made at once */

struct chacha_wide {
	/* Of the next sixteen blocks, each in its lane. */
	uint32_t word[CHACHA_WORDS][CHACHA_LANES] __attribute__((aligned(64)));
	uint8_t stream[CHACHA_STRIDE]; /* of the last ones; what lies before used is spent */
	uint32_t used;
};

/* key: 32 bytes. */
void chacha_wide_init(struct chacha_wide *c, const uint8_t *key, uint32_t seqnr);
/* Encrypts or decrypts the next len bytes, in place. */
void chacha_wide_xor(struct chacha_wide *c, uint8_t *p, uint32_t len);

#endif
