/* crypto/chacha_wide.c - ChaCha20 over pieces, sixteen blocks at a time, with AVX-512. */
#include "crypto/chacha_wide.h"

#include <immintrin.h>
#include <string.h>

#define WIDE   __attribute__((target("avx512f,avx512bw")))
#define INLINE __attribute__((always_inline, target("avx512f,avx512bw"))) static inline

typedef __m512i word; /* one of the state's, in all lanes */

/* x[d] = (x[d] ^ (x[a] += x[b])) <<< n in four columns or diagonals at once: one waits for none. */
#define QUARTERS(a0, a1, a2, a3, b0, b1, b2, b3, d0, d1, d2, d3, n)                                \
	do {                                                                                       \
		x[a0] = _mm512_add_epi32(x[a0], x[b0]);                                            \
		x[a1] = _mm512_add_epi32(x[a1], x[b1]);                                            \
		x[a2] = _mm512_add_epi32(x[a2], x[b2]);                                            \
		x[a3] = _mm512_add_epi32(x[a3], x[b3]);                                            \
		x[d0] = _mm512_rol_epi32(_mm512_xor_si512(x[d0], x[a0]), n);                       \
		x[d1] = _mm512_rol_epi32(_mm512_xor_si512(x[d1], x[a1]), n);                       \
		x[d2] = _mm512_rol_epi32(_mm512_xor_si512(x[d2], x[a2]), n);                       \
		x[d3] = _mm512_rol_epi32(_mm512_xor_si512(x[d3], x[a3]), n);                       \
	} while (0)

/* RFC 8439 section 2.3: a round over the columns, one over the diagonals. */
INLINE void double_round(word x[CHACHA_WORDS])
{
	QUARTERS(0, 1, 2, 3, 4, 5, 6, 7, 12, 13, 14, 15, 16);
	QUARTERS(8, 9, 10, 11, 12, 13, 14, 15, 4, 5, 6, 7, 12);
	QUARTERS(0, 1, 2, 3, 4, 5, 6, 7, 12, 13, 14, 15, 8);
	QUARTERS(8, 9, 10, 11, 12, 13, 14, 15, 4, 5, 6, 7, 7);
	QUARTERS(0, 1, 2, 3, 5, 6, 7, 4, 15, 12, 13, 14, 16);
	QUARTERS(10, 11, 8, 9, 15, 12, 13, 14, 5, 6, 7, 4, 12);
	QUARTERS(0, 1, 2, 3, 5, 6, 7, 4, 15, 12, 13, 14, 8);
	QUARTERS(10, 11, 8, 9, 15, 12, 13, 14, 5, 6, 7, 4, 7);
}

/*
 * Four words of sixteen blocks become sixteen bytes of each: of the four blocks whose numbers
 * are equal modulo 4, in the order of their numbers.
 */
INLINE void transpose_words(word x[4])
{
	const word ab_lo = _mm512_unpacklo_epi32(x[0], x[1]);
	const word ab_hi = _mm512_unpackhi_epi32(x[0], x[1]);
	const word cd_lo = _mm512_unpacklo_epi32(x[2], x[3]);
	const word cd_hi = _mm512_unpackhi_epi32(x[2], x[3]);

	x[0] = _mm512_unpacklo_epi64(ab_lo, cd_lo);
	x[1] = _mm512_unpackhi_epi64(ab_lo, cd_lo);
	x[2] = _mm512_unpacklo_epi64(ab_hi, cd_hi);
	x[3] = _mm512_unpackhi_epi64(ab_hi, cd_hi);
}

INLINE void put(uint8_t *to, const uint8_t *from, word stream)
{
	if (from != NULL)
		stream = _mm512_xor_si512(stream, _mm512_loadu_si512(from));
	_mm512_storeu_si512(to, stream);
}

/* The quarters of blocks i, i + 4, i + 8 and i + 12, from their words 0-3, 4-7, 8-11, 12-15. */
INLINE void put_blocks(uint8_t *to, const uint8_t *from, word w0, word w4, word w8, word w12)
{
	const word left_01 = _mm512_shuffle_i32x4(w0, w4, 0x44);
	const word right_01 = _mm512_shuffle_i32x4(w8, w12, 0x44);
	const word left_23 = _mm512_shuffle_i32x4(w0, w4, 0xee);
	const word right_23 = _mm512_shuffle_i32x4(w8, w12, 0xee);
	const size_t next = CHACHA_STRIDE / 4;

	put(to, from, _mm512_shuffle_i32x4(left_01, right_01, 0x88));
	put(to + next, from ? from + next : NULL, _mm512_shuffle_i32x4(left_01, right_01, 0xdd));
	put(to + 2 * next, from ? from + 2 * next : NULL,
	    _mm512_shuffle_i32x4(left_23, right_23, 0x88));
	put(to + 3 * next, from ? from + 3 * next : NULL,
	    _mm512_shuffle_i32x4(left_23, right_23, 0xdd));
}

/* n times sixteen blocks of stream to to; xored with from, where that is not NULL. */
INLINE void strides(struct chacha_wide *c, uint8_t *to, const uint8_t *from, uint32_t n)
{
	word x[CHACHA_WORDS];

	for (; n > 0; n--, to += CHACHA_STRIDE) {
#pragma GCC unroll 16
		for (int i = 0; i < CHACHA_WORDS; i++)
			x[i] = _mm512_load_si512(c->word[i]);
		for (int i = 0; i < 10; i++)
			double_round(x);
#pragma GCC unroll 16
		for (int i = 0; i < CHACHA_WORDS; i++)
			x[i] = _mm512_add_epi32(x[i], _mm512_load_si512(c->word[i]));
#pragma GCC unroll 4
		for (int i = 0; i < CHACHA_WORDS; i += 4)
			transpose_words(x + i);
#pragma GCC unroll 4
		for (int i = 0; i < 4; i++)
			put_blocks(to + 64 * i, from != NULL ? from + 64 * i : NULL, x[i], x[4 + i],
				   x[8 + i], x[12 + i]);
		if (from != NULL)
			from += CHACHA_STRIDE;
		/* A record has fewer than 2^32 blocks by far: word 13 stays 0. */
		_mm512_store_si512(c->word[12], _mm512_add_epi32(_mm512_load_si512(c->word[12]),
								 _mm512_set1_epi32(CHACHA_LANES)));
	}
}

WIDE static void strides_xor(struct chacha_wide *c, uint8_t *p, uint32_t n)
{
	strides(c, p, p, n);
}

WIDE static void stride_keep(struct chacha_wide *c)
{
	strides(c, c->stream, NULL, 1);
	c->used = 0;
}

WIDE static void bytes_xor(uint8_t *p, const uint8_t *stream, uint32_t len)
{
	for (; len >= 64; len -= 64, p += 64, stream += 64)
		put(p, p, _mm512_loadu_si512(stream));
	if (len > 0) {
		const __mmask64 some = ~UINT64_C(0) >> (64 - len);

		_mm512_mask_storeu_epi8(p, some,
					_mm512_xor_si512(_mm512_maskz_loadu_epi8(some, stream),
							 _mm512_maskz_loadu_epi8(some, p)));
	}
}

/* Bytes of the stride that was begun. */
static uint32_t begun_xor(struct chacha_wide *c, uint8_t *p, uint32_t len)
{
	const uint32_t left = CHACHA_STRIDE - c->used, n = len < left ? len : left;

	bytes_xor(p, c->stream + c->used, n);
	c->used += n;
	return n;
}

WIDE void chacha_wide_init(struct chacha_wide *c, const uint8_t *key, uint32_t seqnr)
{
	static const uint32_t sigma[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
	uint32_t k[8];

	memcpy(k, key, sizeof(k));
	for (int i = 0; i < 4; i++)
		_mm512_store_si512(c->word[i], _mm512_set1_epi32((int)sigma[i]));
	for (int i = 0; i < 8; i++)
		_mm512_store_si512(c->word[4 + i], _mm512_set1_epi32((int)k[i]));
	_mm512_store_si512(c->word[12],
			   _mm512_set_epi32(16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1));
	_mm512_store_si512(c->word[13], _mm512_setzero_si512());
	_mm512_store_si512(c->word[14], _mm512_setzero_si512());
	_mm512_store_si512(c->word[15], _mm512_set1_epi32((int)__builtin_bswap32(seqnr)));
	c->used = CHACHA_STRIDE;
}

void chacha_wide_xor(struct chacha_wide *c, uint8_t *p, uint32_t len)
{
	uint32_t n = begun_xor(c, p, len);

	p += n;
	len -= n;
	if (len >= CHACHA_STRIDE) {
		strides_xor(c, p, len / CHACHA_STRIDE);
		p += len / CHACHA_STRIDE * CHACHA_STRIDE;
		len %= CHACHA_STRIDE;
	}
	if (len > 0) {
		stride_keep(c);
		begun_xor(c, p, len);
	}
}
