/* crypto/chacha.c - the first block of ChaCha20 for several keys in one pass. */
#include "crypto/chacha.h"

#include <string.h>

#include "crypto/secret.h"

/* One word of the state in all lanes; the compiler cuts it to what the processor has. */
typedef uint32_t word __attribute__((vector_size(4 * CHACHA_LANES)));

#define WORDS      16
#define HEAD       (CHACHA_HEAD_LEN / 4)
#define ROTL(v, n) ((v) << (n) | (v) >> (32 - (n)))
#define QUARTER(a, b, c, d)                                                                        \
	do {                                                                                       \
		a += b, d ^= a, d = ROTL(d, 16);                                                   \
		c += d, b ^= c, b = ROTL(b, 12);                                                   \
		a += b, d ^= a, d = ROTL(d, 8);                                                    \
		c += d, b ^= c, b = ROTL(b, 7);                                                    \
	} while (0)

static inline __attribute__((always_inline)) void rounds(word head[HEAD], const word key[8],
							 const word *nonce)
{
	static const uint32_t sigma[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
	word x[WORDS];

	for (int i = 0; i < 4; i++)
		x[i] = sigma[i] - (word){0};
	for (int i = 0; i < 8; i++)
		x[4 + i] = key[i];
	/* Counter 0; of the nonce's 64 bits the upper half is 0. */
	x[12] = x[13] = x[14] = (word){0};
	x[15] = *nonce;

	for (int i = 0; i < 10; i++) {
		QUARTER(x[0], x[4], x[8], x[12]);
		QUARTER(x[1], x[5], x[9], x[13]);
		QUARTER(x[2], x[6], x[10], x[14]);
		QUARTER(x[3], x[7], x[11], x[15]);
		QUARTER(x[0], x[5], x[10], x[15]);
		QUARTER(x[1], x[6], x[11], x[12]);
		QUARTER(x[2], x[7], x[8], x[13]);
		QUARTER(x[3], x[4], x[9], x[14]);
	}
	for (int i = 0; i < 4; i++)
		head[i] = x[i] + sigma[i];
	for (int i = 4; i < HEAD; i++)
		head[i] = x[i] + key[i - 4];
}

__attribute__((target("avx512f"))) static void rounds_avx512(word *head, const word *key,
							     const word *nonce)
{
	rounds(head, key, nonce);
}

__attribute__((target("avx2"))) static void rounds_avx2(word *head, const word *key,
							const word *nonce)
{
	rounds(head, key, nonce);
}

static void rounds_any(word *head, const word *key, const word *nonce)
{
	rounds(head, key, nonce);
}

/* The bytes of a word in memory order are those of the stream: x86 is little-endian. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are loaded as they lie");

void chacha_block0(const struct chacha_lane *lane, unsigned int n, uint8_t (*ret)[CHACHA_HEAD_LEN])
{
	word key[8], nonce, head[HEAD];

	for (unsigned int l = 0; l < CHACHA_LANES; l++) {
		/* Lanes without work do the first one's again. */
		const struct chacha_lane *from = &lane[l < n ? l : 0];
		uint32_t k[8];

		memcpy(k, from->key, sizeof(k));
		for (int i = 0; i < 8; i++)
			key[i][l] = k[i];
		nonce[l] = __builtin_bswap32(from->seqnr);
	}
	if (__builtin_cpu_supports("avx512f"))
		rounds_avx512(head, key, &nonce);
	else if (__builtin_cpu_supports("avx2"))
		rounds_avx2(head, key, &nonce);
	else
		rounds_any(head, key, &nonce);

	for (unsigned int l = 0; l < n; l++) {
		uint32_t w[HEAD];

		for (int i = 0; i < HEAD; i++)
			w[i] = head[i][l];
		memcpy(ret[l], w, sizeof(w));
	}
}
