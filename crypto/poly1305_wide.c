/*
 * crypto/poly1305_wide.c - Poly1305 over pieces, sixteen blocks at a time, with AVX-512 IFMA.
 *
 * The tag is m[0] r^n + m[1] r^(n-1) + ... + m[n-1] r over the blocks m, modulo 2^130 - 5. Lane i
 * of eight adds up blocks i, i + 8, i + 16, ... with powers of r^8 between them; at the end each
 * lane is multiplied by the power of r that its last block is away from the end. Numbers are three
 * limbs of 44, 44 and 42 bits, so that a product of two limbs is what the instructions give in
 * halves of 52 bits, and many products add up before any carry. 2^132 is 20 modulo 2^130 - 5: hence
 * r * 20.
 */
#include "crypto/poly1305_wide.h"

#include <immintrin.h>
#include <string.h>

#define BLOCK  16
#define MASK44 ((UINT64_C(1) << 44) - 1)
#define MASK42 ((UINT64_C(1) << 42) - 1)
#define TOP    (UINT64_C(1) << 40) /* the bit behind a whole block, 2^128, in its third limb */

#define WIDE   __attribute__((target("avx512f,avx512ifma")))
#define INLINE __attribute__((always_inline, target("avx512f,avx512ifma"))) static inline

/* --- one number at a time ------------------------------------------------------------------- */

typedef unsigned __int128 wide;

static uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v)); /* little-endian, as x86 is */
	return v;
}

/* Sums of products become limbs again. */
static struct poly1305_limbs limbs_carry(wide d0, wide d1, wide d2)
{
	struct poly1305_limbs x;

	d1 += (uint64_t)(d0 >> 44);
	d2 += (uint64_t)(d1 >> 44);
	x.v[0] = ((uint64_t)d0 & MASK44) + (uint64_t)(d2 >> 42) * 5;
	x.v[1] = ((uint64_t)d1 & MASK44) + (x.v[0] >> 44);
	x.v[2] = (uint64_t)d2 & MASK42;
	x.v[0] &= MASK44;
	return x;
}

static struct poly1305_limbs limbs_mul(struct poly1305_limbs a, struct poly1305_limbs b)
{
	const uint64_t b1_20 = b.v[1] * 20, b2_20 = b.v[2] * 20;

	return limbs_carry((wide)a.v[0] * b.v[0] + (wide)a.v[1] * b2_20 + (wide)a.v[2] * b1_20,
			   (wide)a.v[0] * b.v[1] + (wide)a.v[1] * b.v[0] + (wide)a.v[2] * b2_20,
			   (wide)a.v[0] * b.v[2] + (wide)a.v[1] * b.v[1] + (wide)a.v[2] * b.v[0]);
}

/* h becomes (h + block) * r. top: TOP, or 0 where the block carries its own last bit. */
static void block_add(struct poly1305_limbs *h, struct poly1305_limbs r, const uint8_t *block,
		      uint64_t top)
{
	const uint64_t lo = load64(block), hi = load64(block + 8);

	h->v[0] += lo & MASK44;
	h->v[1] += (lo >> 44 | hi << 20) & MASK44;
	h->v[2] += hi >> 24 | top;
	*h = limbs_mul(*h, r);
}

/* h modulo 2^130 - 5 itself, plus s, modulo 2^128. */
static void tag_make(struct poly1305_limbs h, const uint8_t s[16], uint8_t ret_tag[16])
{
	uint64_t g0, g1, g2, smaller;
	wide tag, key;

	/* Twice: a carry out of the top comes in again at the bottom. */
	h = limbs_carry(h.v[0], h.v[1], h.v[2]);
	h = limbs_carry(h.v[0], h.v[1], h.v[2]);
	/* g is h - p, or rather h + 5 without 2^130; h it is where that has no bit 130. */
	g0 = h.v[0] + 5;
	g1 = h.v[1] + (g0 >> 44);
	g2 = h.v[2] + (g1 >> 44);
	smaller = (g2 >> 42) - 1;
	g0 = (h.v[0] & smaller) | (g0 & MASK44 & ~smaller);
	g1 = (h.v[1] & smaller) | (g1 & MASK44 & ~smaller);
	g2 = (h.v[2] & smaller) | (g2 & MASK42 & ~smaller);
	memcpy(&key, s, sizeof(key));
	tag = (wide)g0 + ((wide)g1 << 44) + ((wide)g2 << 88) + key;
	memcpy(ret_tag, &tag, sizeof(tag));
}

/* --- eight at a time ------------------------------------------------------------------------ */

typedef __m512i lanes;

/* A factor, and its upper limbs times 20. */
struct factor {
	lanes r0, r1, r2, r1_20, r2_20;
};

/* Products added up, their lower and upper 52 bits apart. */
struct products {
	lanes lo[3], hi[3];
};

INLINE lanes every(uint64_t x)
{
	return _mm512_set1_epi64((long long)x);
}

INLINE struct factor factor_of(lanes r0, lanes r1, lanes r2)
{
	return (struct factor){
		r0,
		r1,
		r2,
		_mm512_add_epi64(_mm512_slli_epi64(r1, 4), _mm512_slli_epi64(r1, 2)),
		_mm512_add_epi64(_mm512_slli_epi64(r2, 4), _mm512_slli_epi64(r2, 2)),
	};
}

INLINE struct factor factor_every(const struct poly1305_limbs *r)
{
	return factor_of(every(r->v[0]), every(r->v[1]), every(r->v[2]));
}

INLINE void product_add(struct products *d, int limb, lanes a, lanes b)
{
	d->lo[limb] = _mm512_madd52lo_epu64(d->lo[limb], a, b);
	d->hi[limb] = _mm512_madd52hi_epu64(d->hi[limb], a, b);
}

INLINE void multiply_add(struct products *d, const lanes x[3], const struct factor *f)
{
	product_add(d, 0, x[0], f->r0);
	product_add(d, 1, x[0], f->r1);
	product_add(d, 2, x[0], f->r2);
	product_add(d, 0, x[1], f->r2_20);
	product_add(d, 1, x[1], f->r0);
	product_add(d, 2, x[1], f->r1);
	product_add(d, 0, x[2], f->r1_20);
	product_add(d, 1, x[2], f->r2_20);
	product_add(d, 2, x[2], f->r0);
}

/*
 * Upper halves belong 52 bits further on: 8 bits into the next limb, or 10 beyond 2^130, which
 * is 5. A limb has six products of at most 46 by 50 bits: halves below 2^55, and nothing here comes
 * to 2^60.
 */
INLINE void products_carry(const struct products *d, lanes ret[3])
{
	const lanes mask44 = every(MASK44);
	lanes x0 = d->lo[0];
	lanes x1 = _mm512_add_epi64(d->lo[1], _mm512_slli_epi64(d->hi[0], 8));
	lanes x2 = _mm512_add_epi64(d->lo[2], _mm512_slli_epi64(d->hi[1], 8));
	lanes top = _mm512_slli_epi64(d->hi[2], 10);

	x1 = _mm512_add_epi64(x1, _mm512_srli_epi64(x0, 44));
	x2 = _mm512_add_epi64(x2, _mm512_srli_epi64(x1, 44));
	top = _mm512_add_epi64(top, _mm512_srli_epi64(x2, 42));
	top = _mm512_add_epi64(top, _mm512_slli_epi64(top, 2));
	x0 = _mm512_add_epi64(_mm512_and_si512(x0, mask44), top);
	x1 = _mm512_add_epi64(_mm512_and_si512(x1, mask44), _mm512_srli_epi64(x0, 44));
	ret[0] = _mm512_and_si512(x0, mask44);
	ret[1] = x1;
	ret[2] = _mm512_and_si512(x2, every(MASK42));
}

/* Eight blocks; lanes hold those numbered 0, 4, 1, 5, 2, 6, 3, 7. */
INLINE void blocks_load(const uint8_t *p, lanes ret[3])
{
	const lanes a = _mm512_loadu_si512(p), b = _mm512_loadu_si512(p + 64);
	const lanes lo = _mm512_unpacklo_epi64(a, b), hi = _mm512_unpackhi_epi64(a, b);
	const lanes mid = _mm512_or_si512(_mm512_srli_epi64(lo, 44), _mm512_slli_epi64(hi, 20));

	ret[0] = _mm512_and_si512(lo, every(MASK44));
	ret[1] = _mm512_and_si512(mid, every(MASK44));
	ret[2] = _mm512_or_si512(_mm512_srli_epi64(hi, 24), every(TOP));
}

static void begin(struct poly1305_wide *c)
{
	static const uint8_t power[POLY1305_LANES] = {8, 4, 7, 3, 6, 2, 5, 1}; /* as loaded */
	struct poly1305_limbs r[9];

	r[1] = c->r;
	for (int i = 2; i <= 8; i++)
		r[i] = limbs_mul(r[i / 2], r[i - i / 2]);
	c->r8 = r[8];
	c->r16 = limbs_mul(r[8], r[8]);
	for (int i = 0; i < 3; i++)
		for (int l = 0; l < POLY1305_LANES; l++)
			c->last[i][l] = r[power[l]].v[i];
	memset(c->sum, 0, sizeof(c->sum));
	c->begun = true;
}

/* sum = sum * r^16 + eight blocks * r^8 + eight blocks, n times. */
WIDE static void strides(struct poly1305_wide *c, const uint8_t *p, uint32_t n)
{
	const struct factor r8 = factor_every(&c->r8), r16 = factor_every(&c->r16);
	const lanes zero = _mm512_setzero_si512();
	lanes sum[3], m[3];

	for (int i = 0; i < 3; i++)
		sum[i] = _mm512_load_si512(c->sum[i]);
	for (; n > 0; n--, p += POLY1305_STRIDE) {
		struct products d = {{zero, zero, zero}, {zero, zero, zero}};

		blocks_load(p, m);
		multiply_add(&d, m, &r8);
		multiply_add(&d, sum, &r16);
		products_carry(&d, sum);
		blocks_load(p + POLY1305_STRIDE / 2, m);
		for (int i = 0; i < 3; i++)
			sum[i] = _mm512_add_epi64(sum[i], m[i]);
	}
	for (int i = 0; i < 3; i++)
		_mm512_store_si512(c->sum[i], sum[i]);
}

/* What the lanes come to. */
WIDE static struct poly1305_limbs join(const struct poly1305_wide *c)
{
	const lanes zero = _mm512_setzero_si512();
	struct products d = {{zero, zero, zero}, {zero, zero, zero}};
	const struct factor last =
		factor_of(_mm512_load_si512(c->last[0]), _mm512_load_si512(c->last[1]),
			  _mm512_load_si512(c->last[2]));
	lanes x[3];

	for (int i = 0; i < 3; i++)
		x[i] = _mm512_load_si512(c->sum[i]);
	multiply_add(&d, x, &last);
	products_carry(&d, x);
	return limbs_carry((uint64_t)_mm512_reduce_add_epi64(x[0]),
			   (uint64_t)_mm512_reduce_add_epi64(x[1]),
			   (uint64_t)_mm512_reduce_add_epi64(x[2]));
}

/* --- all of it -------------------------------------------------------------------------------- */

void poly1305_wide_init(struct poly1305_wide *c, const uint8_t *key)
{
	const uint64_t lo = load64(key), hi = load64(key + 8);

	/* RFC 8439 section 2.5: r &= 0x0ffffffc0ffffffc0ffffffc0fffffff. */
	c->r.v[0] = lo & 0xffc0fffffff;
	c->r.v[1] = (lo >> 44 | hi << 20) & 0xfffffc0ffff;
	c->r.v[2] = hi >> 24 & 0x00ffffffc0f;
	memcpy(c->s, key + 16, sizeof(c->s));
	c->begun = false;
	c->held = 0;
}

static void strides_add(struct poly1305_wide *c, const uint8_t *p, uint32_t n)
{
	if (!c->begun)
		begin(c);
	strides(c, p, n);
}

void poly1305_wide_update(struct poly1305_wide *c, const uint8_t *p, uint32_t len)
{
	if (c->held > 0) {
		const uint32_t left = POLY1305_STRIDE - c->held, n = len < left ? len : left;

		memcpy(c->hold + c->held, p, n);
		c->held += n;
		p += n;
		len -= n;
		if (c->held < POLY1305_STRIDE)
			return;
		strides_add(c, c->hold, 1);
		c->held = 0;
	}
	if (len >= POLY1305_STRIDE) {
		strides_add(c, p, len / POLY1305_STRIDE);
		p += len / POLY1305_STRIDE * POLY1305_STRIDE;
		len %= POLY1305_STRIDE;
	}
	memcpy(c->hold, p, len);
	c->held = len;
}

void poly1305_wide_final(struct poly1305_wide *c, uint8_t ret_tag[16])
{
	struct poly1305_limbs h = {{0, 0, 0}};
	uint32_t at = 0;

	if (c->begun)
		h = join(c);
	for (; at + BLOCK <= c->held; at += BLOCK)
		block_add(&h, c->r, c->hold + at, TOP);
	if (at < c->held) {
		uint8_t rest[BLOCK] = {0};

		memcpy(rest, c->hold + at, c->held - at);
		rest[c->held - at] = 1;
		block_add(&h, c->r, rest, 0);
	}
	tag_make(h, c->s, ret_tag);
}
