/*
 * crypto/sntrup761_poly.h - rings, sampling and encodings of sntrup761.
 *
 * R/3 = (Z/3)[x]/(x^p - x - 1) has coefficients -1, 0, 1; R/q those from -2295 to 2295.
 */
#ifndef SLUICE_CRYPTO_SNTRUP761_POLY_H
#define SLUICE_CRYPTO_SNTRUP761_POLY_H

#include <stdbool.h>
#include <stdint.h>

#define SNTRUP_P 761
#define SNTRUP_Q 4591
#define SNTRUP_W 286

#define SNTRUP_SMALL_LEN   191  /* encoded, four coefficients a byte */
#define SNTRUP_RQ_LEN      1158 /* encoded */
#define SNTRUP_ROUNDED_LEN 1007 /* encoded, all coefficients multiples of 3 */

typedef int8_t sntrup_small[SNTRUP_P];
typedef int16_t sntrup_rq[SNTRUP_P];

/* ret = a * b in R/q. */
void sntrup_mul(const sntrup_rq a, const sntrup_small b, sntrup_rq ret);
/* ret = a * b in R/3. */
void sntrup_mul3(const sntrup_small a, const sntrup_small b, sntrup_small ret);
/* ret = 1 / (3 a) in R/q, a field: a is not 0. */
void sntrup_reciprocal3(const sntrup_small a, sntrup_rq ret);
/* ret = 1 / a in R/3; false: there is none. */
bool sntrup_reciprocal(const sntrup_small a, sntrup_small ret);
/* a * 3 in R/q, then its coefficients mod 3. */
void sntrup_triple_mod3(const sntrup_rq a, sntrup_small ret);
/* Each coefficient becomes the nearest multiple of 3. */
void sntrup_round(sntrup_rq a);
/* 0 when a has weight w, else -1. */
int sntrup_weight_mask(const sntrup_small a);

/* From 761 random words: any small element; one of weight w. The words are changed. */
void sntrup_small_from(const uint32_t word[SNTRUP_P], sntrup_small ret);
void sntrup_short_from(uint32_t word[SNTRUP_P], sntrup_small ret);

void sntrup_small_encode(const sntrup_small a, uint8_t ret[SNTRUP_SMALL_LEN]);
void sntrup_small_decode(const uint8_t in[SNTRUP_SMALL_LEN], sntrup_small ret);
void sntrup_rq_encode(const sntrup_rq a, uint8_t ret[SNTRUP_RQ_LEN]);
void sntrup_rq_decode(const uint8_t in[SNTRUP_RQ_LEN], sntrup_rq ret);
void sntrup_rounded_encode(const sntrup_rq a, uint8_t ret[SNTRUP_ROUNDED_LEN]);
void sntrup_rounded_decode(const uint8_t in[SNTRUP_ROUNDED_LEN], sntrup_rq ret);

#endif
