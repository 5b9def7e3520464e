/*
 * crypto/mlkem_poly.h - polynomials of ML-KEM: the ring, sampling and encoding.
 *
 * Source  FIPS 203 section 4.2 and 4.3, with q = 3329, n = 256, eta = 2.
 * Values  coefficients are below q at every call and return, except where it is said.
 */
#ifndef SLUICE_CRYPTO_MLKEM_POLY_H
#define SLUICE_CRYPTO_MLKEM_POLY_H

#include <stdbool.h>
#include <stdint.h>

#define MLKEM_N        256
#define MLKEM_POLY_LEN 384 /* encoded by 12 bits */

typedef uint16_t mlkem_poly[MLKEM_N];

void mlkem_add(mlkem_poly a, const mlkem_poly b);
void mlkem_sub(mlkem_poly a, const mlkem_poly b);
/* Algorithms 9 and 10, in place. */
void mlkem_ntt(mlkem_poly p);
void mlkem_inverse_ntt(mlkem_poly p);
/* acc += a * b, all three in the NTT domain (algorithms 11, 12). */
void mlkem_mul_add(mlkem_poly acc, const mlkem_poly a, const mlkem_poly b);

/* d bits of each coefficient, 32 * d bytes (algorithms 5, 6). By 12 bits decoding gives what is
 * there: below 4096, see mlkem_reduced(). */
void mlkem_encode(const mlkem_poly p, unsigned int d, uint8_t *out);
void mlkem_decode(const uint8_t *in, unsigned int d, mlkem_poly p);
/* Section 4.2.1; d is at most 11. Compressed values are below 2^d. */
void mlkem_compress(mlkem_poly p, unsigned int d);
void mlkem_decompress(mlkem_poly p, unsigned int d);
bool mlkem_reduced(const mlkem_poly p);

/* Algorithm 7 over rho || i || j; algorithm 8 over PRF(seed, nonce). -EIO: the library failed. */
int mlkem_sample_ntt(const uint8_t rho[32], uint8_t i, uint8_t j, mlkem_poly p)
	__attribute__((warn_unused_result));
int mlkem_sample_cbd(const uint8_t seed[32], uint8_t nonce, mlkem_poly p)
	__attribute__((warn_unused_result));

#endif
