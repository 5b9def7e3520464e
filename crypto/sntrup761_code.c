/*
 * crypto/sntrup761_code.c - elements of sntrup761 as bytes, and back.
 *
 * A sequence of numbers r[i], each below its m[i], becomes bytes by joining neighbours (section
 * 4.6 of the submission): r + r' m of two numbers is one number below m m', whose low bytes leave
 * while that is 2^14 or more; what remains is a sequence half as long. The moduli are the same for
 * every element, so that which bytes leave when is no secret.
 */
#include <string.h>

#include "crypto/secret.h"
#include "crypto/sntrup761_poly.h"

#define P     SNTRUP_P
#define HALF  ((SNTRUP_Q - 1) / 2)
#define M_MAX 16384 /* a modulus is below it when a sequence is joined */

/* r and m are used up. */
static void encode(uint16_t r[P], uint16_t m[P], uint8_t *out)
{
	unsigned int n = P;

	while (n > 1) {
		for (unsigned int i = 0; i + 1 < n; i += 2) {
			uint32_t both = r[i] + (uint32_t)r[i + 1] * m[i];
			uint32_t below = (uint32_t)m[i] * m[i + 1];

			while (below >= M_MAX) {
				*out++ = (uint8_t)both;
				both >>= 8;
				below = (below + 255) >> 8;
			}
			r[i / 2] = (uint16_t)both;
			m[i / 2] = (uint16_t)below;
		}
		if (n & 1) {
			r[n / 2] = r[n - 1];
			m[n / 2] = m[n - 1];
		}
		n = (n + 1) / 2;
	}
	for (uint32_t below = m[0]; below > 1; below = (below + 255) >> 8) {
		*out++ = (uint8_t)r[0];
		r[0] >>= 8;
	}
}

/* The sequences that encode() went through, the longest first; what left each pair as bytes. */
#define LEVELS  11
#define NUMBERS (2 * P + LEVELS)

struct levels {
	unsigned int n[LEVELS], at[LEVELS];
	uint16_t m[NUMBERS];
	uint32_t low[NUMBERS];
	uint8_t bits[NUMBERS]; /* of low */
};

static const uint8_t *levels_read(struct levels *l, const uint8_t *in)
{
	for (unsigned int k = 0; k + 1 < LEVELS; k++) {
		uint16_t *m = l->m + l->at[k];
		unsigned int n = l->n[k], next = l->at[k] + n;

		for (unsigned int i = 0; i + 1 < n; i += 2) {
			uint32_t below = (uint32_t)m[i] * m[i + 1];
			unsigned int at = next + i / 2;

			l->low[at] = 0;
			l->bits[at] = 0;
			while (below >= M_MAX) {
				l->low[at] |= (uint32_t)*in++ << l->bits[at];
				l->bits[at] = (uint8_t)(l->bits[at] + 8);
				below = (below + 255) >> 8;
			}
			l->m[at] = (uint16_t)below;
		}
		if (n & 1)
			l->m[next + n / 2] = m[n - 1];
		l->at[k + 1] = next;
		l->n[k + 1] = (n + 1) / 2;
	}
	return in;
}

/* A number that is too large, which no encoder writes, is taken modulo its m. */
static void decode(const uint8_t *in, uint16_t modulus, uint16_t ret[P])
{
	struct levels l;
	uint32_t last = 0;
	uint16_t r[P];

	l.n[0] = P;
	l.at[0] = 0;
	for (unsigned int i = 0; i < P; i++)
		l.m[i] = modulus;
	in = levels_read(&l, in);

	for (uint32_t below = l.m[l.at[LEVELS - 1]], shift = 0; below > 1; shift += 8) {
		last |= (uint32_t)*in++ << shift;
		below = (below + 255) >> 8;
	}
	r[0] = (uint16_t)(last % l.m[l.at[LEVELS - 1]]);
	for (unsigned int k = LEVELS - 1; k-- > 0;) {
		const uint16_t *m = l.m + l.at[k];
		unsigned int n = l.n[k];

		/* From the end: a pair lies behind the number it came from. */
		if (n & 1)
			r[n - 1] = r[n / 2];
		for (unsigned int i = n & ~1U; i > 0;) {
			unsigned int at;
			uint32_t both;

			i -= 2;
			at = l.at[k + 1] + i / 2;
			both = l.low[at] + ((uint32_t)r[i / 2] << l.bits[at]);
			r[i + 1] = (uint16_t)(both / m[i] % m[i + 1]);
			r[i] = (uint16_t)(both % m[i]);
		}
	}
	memcpy(ret, r, sizeof(r));
}

static void encode_all(uint16_t r[P], uint16_t modulus, uint8_t *out)
{
	uint16_t m[P];

	for (unsigned int i = 0; i < P; i++)
		m[i] = modulus;
	encode(r, m, out);
	secret_wipe(r, P * sizeof(r[0]));
}

void sntrup_rq_encode(const sntrup_rq a, uint8_t ret[SNTRUP_RQ_LEN])
{
	uint16_t r[P];

	for (int i = 0; i < P; i++)
		r[i] = (uint16_t)(a[i] + HALF);
	encode_all(r, SNTRUP_Q, ret);
}

void sntrup_rq_decode(const uint8_t in[SNTRUP_RQ_LEN], sntrup_rq ret)
{
	uint16_t r[P];

	decode(in, SNTRUP_Q, r);
	for (int i = 0; i < P; i++)
		ret[i] = (int16_t)(r[i] - HALF);
}

/* -HALF is a multiple of 3, and 10923 / 2^15 is near enough to a third. */
void sntrup_rounded_encode(const sntrup_rq a, uint8_t ret[SNTRUP_ROUNDED_LEN])
{
	uint16_t r[P];

	for (int i = 0; i < P; i++)
		r[i] = (uint16_t)(((a[i] + HALF) * 10923) >> 15);
	encode_all(r, (SNTRUP_Q + 2) / 3, ret);
}

void sntrup_rounded_decode(const uint8_t in[SNTRUP_ROUNDED_LEN], sntrup_rq ret)
{
	uint16_t r[P];

	decode(in, (SNTRUP_Q + 2) / 3, r);
	for (int i = 0; i < P; i++)
		ret[i] = (int16_t)(r[i] * 3 - HALF);
}

void sntrup_small_encode(const sntrup_small a, uint8_t ret[SNTRUP_SMALL_LEN])
{
	memset(ret, 0, SNTRUP_SMALL_LEN);
	for (int i = 0; i < P; i++)
		ret[i / 4] = (uint8_t)(ret[i / 4] | (a[i] + 1) << 2 * (i % 4));
}

void sntrup_small_decode(const uint8_t in[SNTRUP_SMALL_LEN], sntrup_small ret)
{
	for (int i = 0; i < P; i++)
		ret[i] = (int8_t)((in[i / 4] >> 2 * (i % 4) & 3) - 1);
}
