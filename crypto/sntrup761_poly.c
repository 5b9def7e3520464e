/*
 * crypto/sntrup761_poly.c - arithmetic in the rings of sntrup761, and sampling.
 *
 * The loops over coefficients are plain, without a branch, and as long as the compiler can see:
 * it makes vectors of them, once for each kind of processor.
 */
#include "crypto/sntrup761_poly.h"

#include <string.h>

#include "crypto/secret.h"

#define P SNTRUP_P
#define Q SNTRUP_Q

/* ifuncs are resolved before a sanitizer has its memory. */
#if defined(__SANITIZE_ADDRESS__) || defined(__clang__)
#define WIDE
#else
#pragma GCC optimize("O3")
#define WIDE __attribute__((target_clones("arch=skylake-avx512", "avx2", "default")))
#endif

/*
 * The representative of a in -2295..2295, for |a| below 2^25. The first estimate of the quotient,
 * by 57 / 2^18, is at most 13 off; that leaves less than 2^16, and for those 29235 / 2^27 is near
 * enough to 1 / q for the rounded quotient to be exact.
 */
static inline int32_t freeze(int32_t a)
{
	a -= Q * ((a * 57) >> 18);
	a -= Q * ((a * 29235 + (1 << 26)) >> 27);
	return a;
}

/* For |a| up to 2^14. */
static inline int16_t freeze3(int32_t a)
{
	return (int16_t)(a - 3 * ((a * 10923 + (1 << 14)) >> 15));
}

/* All ones when a is below 0. */
static inline int32_t negative_mask(int32_t a)
{
	return a >> 31;
}

static inline int32_t nonzero_mask(int32_t a)
{
	return (a | -a) >> 31;
}

/* x^p = x + 1: what stands above p - 1 is added twice, one place apart. */
WIDE void sntrup_mul(const sntrup_rq a, const sntrup_small b, sntrup_rq ret)
{
	int32_t acc[2 * P];

	memset(acc, 0, sizeof(acc));
	for (int j = 0; j < P; j++)
		for (int i = 0; i < P; i++)
			acc[i + j] += a[i] * b[j];
	ret[0] = (int16_t)freeze(acc[0] + acc[P]);
	for (int i = 1; i < P; i++)
		ret[i] = (int16_t)freeze(acc[i] + acc[i + P] + acc[i + P - 1]);
	secret_wipe(acc, sizeof(acc));
}

WIDE void sntrup_mul3(const sntrup_small a, const sntrup_small b, sntrup_small ret)
{
	int16_t acc[2 * P];

	memset(acc, 0, sizeof(acc));
	for (int j = 0; j < P; j++)
		for (int i = 0; i < P; i++)
			acc[i + j] = (int16_t)(acc[i + j] + a[i] * b[j]);
	ret[0] = (int8_t)freeze3(acc[0] + acc[P]);
	for (int i = 1; i < P; i++)
		ret[i] = (int8_t)freeze3(acc[i] + acc[i + P] + acc[i + P - 1]);
	secret_wipe(acc, sizeof(acc));
}

/*
 * Reciprocals by division steps (Bernstein and Yang, "Fast constant-time gcd computation and
 * modular inversion", 2019, section 6): f begins as the modulus and g as the element, both
 * reversed. A step swaps them when delta > 0 and g(0) != 0, takes a multiple of f from g so that
 * g(0) = 0, and divides g by x; v and r follow, multiplied by x instead. 2p - 1 steps bring any
 * element to its end, whatever it is. There f is a constant, and v / f the reversed reciprocal.
 *
 * Arrays have a place more than coefficients; that of index P of f is used by the modulus.
 */
struct steps3 {
	int8_t f[P + 1], g[P + 1], v[P + 1], r[P + 1];
};

WIDE static int32_t divide3(struct steps3 *s)
{
	int32_t delta = 1;

	for (int loop = 0; loop < 2 * P - 1; loop++) {
		int8_t sign = (int8_t)(-s->g[0] * s->f[0]);
		int32_t swap = negative_mask(-delta) & nonzero_mask(s->g[0]);
		int8_t mask = (int8_t)swap;

		memmove(s->v + 1, s->v, P);
		s->v[0] = 0;
		delta ^= swap & (delta ^ -delta);
		delta++;
		for (int i = 0; i < P + 1; i++) {
			int8_t t = (int8_t)(mask & (s->f[i] ^ s->g[i]));
			int8_t u = (int8_t)(mask & (s->v[i] ^ s->r[i]));

			s->f[i] ^= t;
			s->g[i] ^= t;
			s->v[i] ^= u;
			s->r[i] ^= u;
			s->g[i] = (int8_t)freeze3(s->g[i] + sign * s->f[i]);
			s->r[i] = (int8_t)freeze3(s->r[i] + sign * s->v[i]);
		}
		memmove(s->g, s->g + 1, P);
		s->g[P] = 0;
	}
	return delta;
}

bool sntrup_reciprocal(const sntrup_small a, sntrup_small ret)
{
	struct steps3 s = {.f[0] = 1, .f[P - 1] = -1, .f[P] = -1, .r[0] = 1};
	int32_t delta;

	for (int i = 0; i < P; i++)
		s.g[P - 1 - i] = a[i];
	delta = divide3(&s);
	for (int i = 0; i < P; i++)
		ret[i] = (int8_t)(s.f[0] * s.v[P - 1 - i]);
	secret_wipe(&s, sizeof(s));
	/* An element without one is thrown away; that there was one may be seen. */
	return delta == 0;
}

/* a^(q - 2). */
static int32_t reciprocal_q(int32_t a)
{
	int32_t r = a;

	for (int i = 1; i < Q - 2; i++)
		r = freeze(r * a);
	return r;
}

struct steps_q {
	int16_t f[P + 1], g[P + 1], v[P + 1], r[P + 1];
};

/* f is multiplied by g(0) of before and g by f(0): a constant factor, which scale takes out. */
WIDE static void divide_q(struct steps_q *s)
{
	int32_t delta = 1;

	for (int loop = 0; loop < 2 * P - 1; loop++) {
		int32_t swap = negative_mask(-delta) & nonzero_mask(s->g[0]);
		int16_t mask = (int16_t)swap;
		int32_t f0, g0;

		memmove(s->v + 1, s->v, P * sizeof(s->v[0]));
		s->v[0] = 0;
		delta ^= swap & (delta ^ -delta);
		delta++;
		f0 = s->f[0] ^ (mask & (s->f[0] ^ s->g[0]));
		g0 = s->g[0] ^ (mask & (s->f[0] ^ s->g[0]));
		for (int i = 0; i < P + 1; i++) {
			int16_t t = (int16_t)(mask & (s->f[i] ^ s->g[i]));
			int16_t u = (int16_t)(mask & (s->v[i] ^ s->r[i]));

			s->f[i] ^= t;
			s->g[i] ^= t;
			s->v[i] ^= u;
			s->r[i] ^= u;
			s->g[i] = (int16_t)freeze(f0 * s->g[i] - g0 * s->f[i]);
			s->r[i] = (int16_t)freeze(f0 * s->r[i] - g0 * s->v[i]);
		}
		memmove(s->g, s->g + 1, P * sizeof(s->g[0]));
		s->g[P] = 0;
	}
}

void sntrup_reciprocal3(const sntrup_small a, sntrup_rq ret)
{
	struct steps_q s = {.f[0] = 1, .f[P - 1] = -1, .f[P] = -1};
	int32_t scale;

	s.r[0] = (int16_t)reciprocal_q(3);
	for (int i = 0; i < P; i++)
		s.g[P - 1 - i] = a[i];
	divide_q(&s);
	scale = reciprocal_q(s.f[0]);
	for (int i = 0; i < P; i++)
		ret[i] = (int16_t)freeze(scale * s.v[P - 1 - i]);
	secret_wipe(&s, sizeof(s));
}

void sntrup_triple_mod3(const sntrup_rq a, sntrup_small ret)
{
	for (int i = 0; i < P; i++)
		ret[i] = (int8_t)freeze3(freeze(3 * a[i]));
}

void sntrup_round(sntrup_rq a)
{
	for (int i = 0; i < P; i++)
		a[i] = (int16_t)(a[i] - freeze3(a[i]));
}

int sntrup_weight_mask(const sntrup_small a)
{
	int32_t weight = 0;

	for (int i = 0; i < P; i++)
		weight += a[i] & 1;
	return nonzero_mask(weight - SNTRUP_W);
}

/* Sampling -------------------------------------------------------------------------- */

/* 30 bits of a word, times 3: the two bits above are 0, 1 or 2. */
void sntrup_small_from(const uint32_t word[SNTRUP_P], sntrup_small ret)
{
	for (int i = 0; i < P; i++)
		ret[i] = (int8_t)((int32_t)((word[i] & 0x3fffffff) * 3 >> 30) - 1);
}

static inline void order(uint32_t *a, uint32_t *b)
{
	uint32_t less = (uint32_t)(((uint64_t)*b - *a) >> 32); /* all ones when b < a */
	uint32_t swap = (*a ^ *b) & less;

	*a ^= swap;
	*b ^= swap;
}

/*
 * Batcher's merge exchange (Knuth, The Art of Computer Programming, volume 3, algorithm 5.2.2 M):
 * which places are compared depends on their number alone.
 */
WIDE static void sort(uint32_t *k)
{
	for (int p = 512; p > 0; p /= 2) {
		int q = 512, r = 0, d = p;

		for (;;) {
			for (int i = r; i < P - d; i += 2 * p) {
				int end = i + p < P - d ? i + p : P - d;

				for (int j = i; j < end; j++)
					order(&k[j], &k[j + d]);
			}
			if (q == p)
				break;
			d = q - p;
			q /= 2;
			r = p;
		}
	}
}

/*
 * The last two bits are the coefficient and one; the 30 above them, sorted, put w coefficients
 * that are not 0 anywhere among the others.
 */
void sntrup_short_from(uint32_t word[SNTRUP_P], sntrup_small ret)
{
	for (int i = 0; i < SNTRUP_W; i++)
		word[i] &= ~UINT32_C(1);
	for (int i = SNTRUP_W; i < P; i++)
		word[i] = (word[i] & ~UINT32_C(3)) | 1;
	sort(word);
	for (int i = 0; i < P; i++)
		ret[i] = (int8_t)((int32_t)(word[i] & 3) - 1);
}
