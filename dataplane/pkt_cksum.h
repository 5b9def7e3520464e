/*
 * dataplane/pkt_cksum.h - sums of bytes for the Internet checksum, for each kind of processor.
 *
 * Source  RFC 1071: words of any width may be summed as long as what carries out comes in again.
 * Units   bytes at any address; a last odd one counts as the first of its word.
 * Memory  none. p holds n readable bytes, n at most PKT_SUM_MAX.
 *
 * pkt_sum() takes the best there is; the others are here for tests, and for nobody else.
 */
#ifndef SLUICE_DATAPLANE_PKT_CKSUM_H
#define SLUICE_DATAPLANE_PKT_CKSUM_H

#include <stddef.h>
#include <stdint.h>

#define PKT_SUM_MAX 65535 /* of an mbuf */

/* Congruent modulo 65535 to the sum of the 16-bit words, as they lie in memory. */
uint64_t pkt_sum(const uint8_t *p, size_t n);

uint64_t pkt_sum_plain(const uint8_t *p, size_t n);
uint64_t pkt_sum_avx2(const uint8_t *p, size_t n);   /* where the processor has AVX2 */
uint64_t pkt_sum_avx512(const uint8_t *p, size_t n); /* where it has AVX512F and AVX512BW */

#endif
