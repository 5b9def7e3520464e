/*
 * crypto/chacha.h - the first block of ChaCha20 for several keys in one pass.
 *
 * Source  the original ChaCha of D. J. Bernstein: 64-bit counter, 64-bit nonce; RFC 8439's
 *         rounds. OpenSSH's nonce is the sequence number as a big-endian uint64.
 * Why     block 0 makes the Poly1305 key and the mask of packet_length, for each record under
 *         two keys. Libraries make it one at a time, at hundreds of nanoseconds each.
 */
#ifndef SLUICE_CRYPTO_CHACHA_H
#define SLUICE_CRYPTO_CHACHA_H

#include <stdint.h>

#define CHACHA_LANES    16
#define CHACHA_HEAD_LEN 32 /* of a block's 64 bytes, what anyone here uses */

struct chacha_lane {
	const uint8_t *key; /* 32 bytes */
	uint32_t seqnr;
};

/* The first half of block 0 of n lanes, n <= CHACHA_LANES. */
void chacha_block0(const struct chacha_lane *lane, unsigned int n, uint8_t (*ret)[CHACHA_HEAD_LEN]);

#endif
