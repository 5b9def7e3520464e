/*
 * crypto/poly1305_wide.h - Poly1305 over pieces, sixteen blocks at a time.
 *
 * Source  RFC 8439 section 2.5.
 * Why     ipsec-mb has it for one buffer only, OpenSSL's update costs as much as 1 KiB.
 * Needs   AVX-512 F and IFMA: cipher_wide_usable() of cipher_internal.h.
 * Time    depends on lengths alone.
 * Memory  holds the one-time key: its owner wipes.
 */
#ifndef SLUICE_CRYPTO_POLY1305_WIDE_H
#define SLUICE_CRYPTO_POLY1305_WIDE_H

#include <stdbool.h>
#include <stdint.h>

#define POLY1305_LANES  8
#define POLY1305_STRIDE 256 /* two blocks in each lane */

/* A number modulo 2^130 - 5 in limbs of 44, 44 and 42 bits; the middle one may have a bit more. */
struct poly1305_limbs {
	uint64_t v[3];
};

struct poly1305_wide {
	/* What lane after lane adds up to, each block times r^8 for every block behind it. */
	uint64_t sum[3][POLY1305_LANES] __attribute__((aligned(64)));
	uint64_t last[3][POLY1305_LANES]; /* the power of r a lane is still to be multiplied by */
	struct poly1305_limbs r, r8, r16;
	uint8_t s[16];
	bool begun; /* sum, last, r8 and r16 are there: some stride was full */
	uint32_t held;
	uint8_t hold[POLY1305_STRIDE];
};

/* key: 32 bytes, used once. */
void poly1305_wide_init(struct poly1305_wide *c, const uint8_t *key);
void poly1305_wide_update(struct poly1305_wide *c, const uint8_t *p, uint32_t len);
void poly1305_wide_final(struct poly1305_wide *c, uint8_t ret_tag[16]);

#endif
