/*
 * dataplane/pkt_cksum.c - see pkt_cksum.h.
 *
 * Both halves of each 32-bit lane are added to a lane of 32 bits: of PKT_SUM_MAX bytes a lane gets
 * less than 2^32 however narrow the vector. The bytes of a packet are in the first cache or on
 * their way there, so four instructions for a vector are what counts.
 */
#include "dataplane/pkt_cksum.h"

#include <immintrin.h>
#include <string.h>

_Static_assert((uint64_t)(PKT_SUM_MAX / 32 + 1) * 2 * UINT16_MAX <= UINT32_MAX,
	       "a lane of 32 bits does not overflow");

uint64_t pkt_sum_plain(const uint8_t *p, size_t n)
{
	uint64_t sum = 0;
	uint32_t w[2];
	uint16_t half, last = 0;

	for (; n >= sizeof(w); p += sizeof(w), n -= sizeof(w)) {
		memcpy(w, p, sizeof(w));
		sum += (uint64_t)w[0] + w[1];
	}
	for (; n >= sizeof(half); p += sizeof(half), n -= sizeof(half)) {
		memcpy(&half, p, sizeof(half));
		sum += half;
	}
	if (n > 0)
		memcpy(&last, p, 1); /* the first of its word in either byte order */
	return sum + last;
}

__attribute__((target("avx2"))) uint64_t pkt_sum_avx2(const uint8_t *p, size_t n)
{
	const __m256i low = _mm256_set1_epi32(UINT16_MAX);
	__m256i sum = _mm256_setzero_si256();
	uint32_t lane[8];
	uint64_t all = 0;

	for (; n >= sizeof(lane); p += sizeof(lane), n -= sizeof(lane)) {
		__m256i v = _mm256_loadu_si256((const __m256i *)(const void *)p);

		sum = _mm256_add_epi32(
			sum, _mm256_add_epi32(_mm256_and_si256(v, low), _mm256_srli_epi32(v, 16)));
	}
	_mm256_storeu_si256((__m256i *)(void *)lane, sum);
	for (unsigned int i = 0; i < 8; i++)
		all += lane[i];
	return all + pkt_sum_plain(p, n);
}

#define AVX512 __attribute__((target("avx512f,avx512bw")))

AVX512 static inline __m512i halves(__m512i v)
{
	return _mm512_add_epi32(_mm512_and_si512(v, _mm512_set1_epi32(UINT16_MAX)),
				_mm512_srli_epi32(v, 16));
}

/* What is left over is read with a mask, so short headers take one load. */
AVX512 uint64_t pkt_sum_avx512(const uint8_t *p, size_t n)
{
	__m512i a = _mm512_setzero_si512(), b = a;

	for (; n >= 128; p += 128, n -= 128) {
		a = _mm512_add_epi32(a, halves(_mm512_loadu_si512(p)));
		b = _mm512_add_epi32(b, halves(_mm512_loadu_si512(p + 64)));
	}
	if (n >= 64) {
		a = _mm512_add_epi32(a, halves(_mm512_loadu_si512(p)));
		p += 64;
		n -= 64;
	}
	if (n > 0) {
		__mmask64 mask = _cvtu64_mask64(UINT64_MAX >> (64 - n));

		b = _mm512_add_epi32(b, halves(_mm512_maskz_loadu_epi8(mask, p)));
	}
	/* Two halves of 256 bits, then lanes of 64: the sum of 16 lanes may need more than 32. */
	a = _mm512_add_epi64(_mm512_and_si512(a, _mm512_set1_epi64(UINT32_MAX)),
			     _mm512_srli_epi64(a, 32));
	b = _mm512_add_epi64(_mm512_and_si512(b, _mm512_set1_epi64(UINT32_MAX)),
			     _mm512_srli_epi64(b, 32));
	return (uint64_t)_mm512_reduce_add_epi64(_mm512_add_epi64(a, b));
}

uint64_t pkt_sum(const uint8_t *p, size_t n)
{
	if (__builtin_cpu_supports("avx512bw"))
		return pkt_sum_avx512(p, n);
	return __builtin_cpu_supports("avx2") ? pkt_sum_avx2(p, n) : pkt_sum_plain(p, n);
}
