/*
 * dataplane/tcp/siphash.h - SipHash over 64-bit words.
 *
 * Source  Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012. The input is a
 *         whole number of words, read as little-endian bytes would be.
 *
 * Two strengths: 2-4 where what it yields goes out and must not be guessed; 1-3, which its authors
 * name for hash tables, where it only must not be steered, and which costs six tenths.
 */
#ifndef SLUICE_DATAPLANE_TCP_SIPHASH_H
#define SLUICE_DATAPLANE_TCP_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash_state {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t siphash_rotl(uint64_t x, unsigned int n)
{
	return x << n | x >> (64 - n);
}

static inline void siphash_round(struct siphash_state *s)
{
	s->v0 += s->v1;
	s->v1 = siphash_rotl(s->v1, 13) ^ s->v0;
	s->v0 = siphash_rotl(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = siphash_rotl(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = siphash_rotl(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = siphash_rotl(s->v1, 17) ^ s->v2;
	s->v2 = siphash_rotl(s->v2, 32);
}

static inline void siphash_word(struct siphash_state *s, uint64_t w, int rounds)
{
	s->v3 ^= w;
#pragma GCC unroll 4
	for (int i = 0; i < rounds; i++)
		siphash_round(s);
	s->v0 ^= w;
}

static inline uint64_t siphash_c_d(const uint64_t key[2], const uint64_t *w, size_t n, int c, int d)
{
	struct siphash_state s = {key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
				  key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573};

	for (size_t i = 0; i < n; i++)
		siphash_word(&s, w[i], c);
	siphash_word(&s, (uint64_t)n << 59, c); /* the length in bytes, modulo 256, on top */
	s.v2 ^= 0xff;
#pragma GCC unroll 4
	for (int i = 0; i < d; i++)
		siphash_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

static inline uint64_t siphash_words(const uint64_t key[2], const uint64_t *w, size_t n)
{
	return siphash_c_d(key, w, n, 2, 4);
}

static inline uint64_t siphash_table(const uint64_t key[2], const uint64_t *w, size_t n)
{
	return siphash_c_d(key, w, n, 1, 3);
}

#endif
