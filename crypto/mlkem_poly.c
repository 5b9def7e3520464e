/* crypto/mlkem_poly.c - polynomials of ML-KEM. */
#include "crypto/mlkem_poly.h"

#include <errno.h>

#include "crypto/hash.h"
#include "crypto/secret.h"

#define Q 3329

/* 17^BitRev7(i) mod q: 17 is the 256th root of one (appendix A). */
static const uint16_t zetas[128] = {
	1,    1729, 2580, 3289, 2642, 630,  1897, 848,  1062, 1919, 193,  797,  2786, 3260, 569,
	1746, 296,  2447, 1339, 1476, 3046, 56,   2240, 1333, 1426, 2094, 535,  2882, 2393, 2879,
	1974, 821,  289,  331,  3253, 1756, 1197, 2304, 2277, 2055, 650,  1977, 2513, 632,  2865,
	33,   1320, 1915, 2319, 1435, 807,  452,  1438, 2868, 1534, 2402, 2647, 2617, 1481, 648,
	2474, 3110, 1227, 910,  17,   2761, 583,  2649, 1637, 723,  2288, 1100, 1409, 2662, 3281,
	233,  756,  2156, 3015, 3050, 1703, 1651, 2789, 1789, 1847, 952,  1461, 2687, 939,  2308,
	2437, 2388, 733,  2337, 268,  641,  1584, 2298, 2037, 3220, 375,  2549, 2090, 1645, 1063,
	319,  2773, 757,  2099, 561,  2466, 2594, 2804, 1092, 403,  1026, 1143, 2150, 2775, 886,
	1722, 1212, 1874, 1029, 2110, 2935, 885,  2154,
};

/* 17^(2 BitRev7(i) + 1) mod q: the i-th factor of the ring is X^2 less this. */
static const uint16_t gammas[128] = {
	17,   3312, 2761, 568,  583,  2746, 2649, 680,  1637, 1692, 723,  2606, 2288, 1041, 1100,
	2229, 1409, 1920, 2662, 667,  3281, 48,   233,  3096, 756,  2573, 2156, 1173, 3015, 314,
	3050, 279,  1703, 1626, 1651, 1678, 2789, 540,  1789, 1540, 1847, 1482, 952,  2377, 1461,
	1868, 2687, 642,  939,  2390, 2308, 1021, 2437, 892,  2388, 941,  733,  2596, 2337, 992,
	268,  3061, 641,  2688, 1584, 1745, 2298, 1031, 2037, 1292, 3220, 109,  375,  2954, 2549,
	780,  2090, 1239, 1645, 1684, 1063, 2266, 319,  3010, 2773, 556,  757,  2572, 2099, 1230,
	561,  2768, 2466, 863,  2594, 735,  2804, 525,  1092, 2237, 403,  2926, 1026, 2303, 1143,
	2186, 2150, 1179, 2775, 554,  886,  2443, 1722, 1607, 1212, 2117, 1874, 1455, 1029, 2300,
	2110, 1219, 2935, 394,  885,  2444, 2154, 1175,
};

/* a mod q for a below 2^25: the quotient is at most one too small. No division, no branch. */
static inline uint16_t reduce(uint32_t a)
{
	uint32_t quot = (uint32_t)((uint64_t)a * 20642678 >> 36); /* floor(2^36 / q) */
	uint32_t r = a - quot * Q;

	r -= Q & (((r - Q) >> 31) - 1);
	return (uint16_t)r;
}

static inline uint16_t add(uint16_t a, uint16_t b)
{
	return reduce((uint32_t)a + b);
}

static inline uint16_t sub(uint16_t a, uint16_t b)
{
	return reduce((uint32_t)a + Q - b);
}

static inline uint16_t mul(uint16_t a, uint16_t b)
{
	return reduce((uint32_t)a * b);
}

void mlkem_add(mlkem_poly a, const mlkem_poly b)
{
	for (unsigned int i = 0; i < MLKEM_N; i++)
		a[i] = add(a[i], b[i]);
}

void mlkem_sub(mlkem_poly a, const mlkem_poly b)
{
	for (unsigned int i = 0; i < MLKEM_N; i++)
		a[i] = sub(a[i], b[i]);
}

void mlkem_ntt(mlkem_poly p)
{
	unsigned int k = 1;

	for (unsigned int len = 128; len >= 2; len /= 2) {
		for (unsigned int start = 0; start < MLKEM_N; start += 2 * len, k++) {
			for (unsigned int j = start; j < start + len; j++) {
				uint16_t t = mul(zetas[k], p[j + len]);

				p[j + len] = sub(p[j], t);
				p[j] = add(p[j], t);
			}
		}
	}
}

void mlkem_inverse_ntt(mlkem_poly p)
{
	unsigned int k = 127;

	for (unsigned int len = 2; len <= 128; len *= 2) {
		for (unsigned int start = 0; start < MLKEM_N; start += 2 * len, k--) {
			for (unsigned int j = start; j < start + len; j++) {
				uint16_t t = p[j];

				p[j] = add(t, p[j + len]);
				p[j + len] = mul(zetas[k], sub(p[j + len], t));
			}
		}
	}
	for (unsigned int i = 0; i < MLKEM_N; i++)
		p[i] = mul(p[i], 3303); /* 128^-1 */
}

void mlkem_mul_add(mlkem_poly acc, const mlkem_poly a, const mlkem_poly b)
{
	for (unsigned int i = 0; i < MLKEM_N / 2; i++) {
		const uint16_t *x = &a[2 * i], *y = &b[2 * i];
		uint32_t c0 = (uint32_t)x[0] * y[0] + (uint32_t)mul(x[1], y[1]) * gammas[i];
		uint32_t c1 = (uint32_t)x[0] * y[1] + (uint32_t)x[1] * y[0];

		acc[2 * i] = reduce(c0 + acc[2 * i]);
		acc[2 * i + 1] = reduce(c1 + acc[2 * i + 1]);
	}
}

void mlkem_encode(const mlkem_poly p, unsigned int d, uint8_t *out)
{
	uint32_t bits = 0;
	unsigned int have = 0;

	for (unsigned int i = 0; i < MLKEM_N; i++) {
		bits |= (uint32_t)p[i] << have;
		for (have += d; have >= 8; have -= 8, bits >>= 8)
			*out++ = (uint8_t)bits;
	}
}

void mlkem_decode(const uint8_t *in, unsigned int d, mlkem_poly p)
{
	uint32_t bits = 0;
	unsigned int have = 0;

	for (unsigned int i = 0; i < MLKEM_N; i++) {
		for (; have < d; have += 8)
			bits |= (uint32_t)*in++ << have;
		p[i] = (uint16_t)(bits & ((1U << d) - 1));
		bits >>= d;
		have -= d;
	}
}

/* round(2^d x / q) mod 2^d. The quotient by a reciprocal that is exact for d up to 11: a
 * division's time may tell its operands. */
void mlkem_compress(mlkem_poly p, unsigned int d)
{
	for (unsigned int i = 0; i < MLKEM_N; i++) {
		uint64_t n = ((uint32_t)p[i] << d) + Q / 2;

		p[i] = (uint16_t)((n * 330282857 >> 40) & ((1U << d) - 1)); /* ceil(2^40 / q) */
	}
}

void mlkem_decompress(mlkem_poly p, unsigned int d)
{
	for (unsigned int i = 0; i < MLKEM_N; i++)
		p[i] = (uint16_t)(((uint32_t)p[i] * Q + (1U << (d - 1))) >> d);
}

bool mlkem_reduced(const mlkem_poly p)
{
	for (unsigned int i = 0; i < MLKEM_N; i++)
		if (p[i] >= Q)
			return false;
	return true;
}

/* The candidates of three bytes that are below q. How many came: at most 256. */
static unsigned int candidates(const uint8_t *in, unsigned int len, mlkem_poly p)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i + 3 <= len && n < MLKEM_N; i += 3) {
		uint16_t a = (uint16_t)(in[i] | (in[i + 1] & 15) << 8);
		uint16_t b = (uint16_t)(in[i + 1] >> 4 | in[i + 2] << 4);

		if (a < Q)
			p[n++] = a;
		if (b < Q && n < MLKEM_N)
			p[n++] = b;
	}
	return n;
}

/*
 * The library gives the output of a sponge once: four blocks of SHAKE128 are enough for all but one
 * seed in 2^100, and for that one twice as much is asked for, and twice again.
 */
int mlkem_sample_ntt(const uint8_t rho[32], uint8_t i, uint8_t j, mlkem_poly p)
{
	const struct hash_piece piece[] = {{rho, 32}, {&i, 1}, {&j, 1}};
	uint8_t out[8 * 4 * 168];

	for (unsigned int len = 4 * 168; len <= sizeof(out); len *= 2) {
		int r = hash_xof(HASH_SHAKE128, piece, 3, out, len);

		if (r < 0)
			return r;
		if (candidates(out, len, p) == MLKEM_N)
			return 0;
	}
	return -EIO; /* no seed at all */
}

int mlkem_sample_cbd(const uint8_t seed[32], uint8_t nonce, mlkem_poly p)
{
	const struct hash_piece piece[] = {{seed, 32}, {&nonce, 1}};
	uint8_t b[64 * 2];
	int r;

	r = hash_xof(HASH_SHAKE256, piece, 2, b, sizeof(b));
	for (unsigned int i = 0; i < MLKEM_N; i++) {
		unsigned int four = b[i / 2] >> (i % 2 * 4);

		p[i] = sub((uint16_t)((four & 1) + (four >> 1 & 1)),
			   (uint16_t)((four >> 2 & 1) + (four >> 3 & 1)));
	}
	secret_wipe(b, sizeof(b));
	return r;
}
