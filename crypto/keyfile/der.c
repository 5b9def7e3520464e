/* crypto/keyfile/der.c - elements of DER. */
#include "crypto/keyfile/der.h"

#define LENGTH_BYTES_MAX 4

static size_t length_take(struct blob_rd *r)
{
	const uint8_t *first = blob_rd_take(r, 1);
	size_t len = 0, n;

	if (first == NULL)
		return 0;
	if (*first < 0x80)
		return *first;
	n = *first & 0x7f; /* 0 is BER's open end */
	if (n == 0 || n > LENGTH_BYTES_MAX) {
		r->bad = true;
		return 0;
	}
	for (size_t i = 0; i < n; i++) {
		const uint8_t *p = blob_rd_take(r, 1);

		if (p == NULL)
			return 0;
		len = len << 8 | *p;
	}
	/* "the minimum number of octets" (X.690, 10.1) */
	if (len < 0x80 || (n > 1 && len >> 8 * (n - 1) == 0))
		r->bad = true;
	return len;
}

bool der_next_is(const struct blob_rd *r, uint8_t tag)
{
	return !r->bad && r->p < r->end && *r->p == tag;
}

struct blob_str der_take(struct blob_rd *r, uint8_t tag)
{
	const uint8_t *p;
	size_t len;

	if (!der_next_is(r, tag))
		r->bad = true;
	blob_rd_take(r, 1);
	len = length_take(r);
	p = blob_rd_take(r, len);
	return p == NULL ? (struct blob_str){(const uint8_t *)"", 0} : (struct blob_str){p, len};
}

struct blob_rd der_enter(struct blob_rd *r, uint8_t tag)
{
	struct blob_str s = der_take(r, tag);
	struct blob_rd inner = blob_rd_init(s.p, s.len);

	inner.bad = r->bad;
	return inner;
}

struct blob_str der_positive(struct blob_rd *r)
{
	return blob_positive(r, der_take(r, DER_INTEGER));
}

uint32_t der_small(struct blob_rd *r)
{
	struct blob_str s = der_take(r, DER_INTEGER);

	if (s.len != 1 || s.p[0] >= 0x80) {
		r->bad = true;
		return 0;
	}
	return s.p[0];
}

struct blob_str der_bits(struct blob_rd *r)
{
	struct blob_str s = der_take(r, DER_BIT_STRING);

	if (s.len == 0 || s.p[0] != 0) {
		r->bad = true;
		return (struct blob_str){(const uint8_t *)"", 0};
	}
	return (struct blob_str){s.p + 1, s.len - 1};
}

void der_wrap(struct blob_wr *w, size_t start, uint8_t tag)
{
	uint8_t head[2 + LENGTH_BYTES_MAX] = {tag};
	size_t len = w->len - start, n = 0, head_len;

	if (w->bad)
		return;
	if (len >= 0x80)
		for (n = 1; len >> 8 * n != 0;)
			n++;
	head[1] = n == 0 ? (uint8_t)len : (uint8_t)(0x80 | n);
	for (size_t i = 0; i < n; i++)
		head[2 + i] = (uint8_t)(len >> 8 * (n - 1 - i));
	head_len = 2 + n;
	blob_wr_put(w, head, head_len); /* makes room, or fails */
	if (w->bad)
		return;
	memmove(w->p + start + head_len, w->p + start, len);
	memcpy(w->p + start, head, head_len);
}

void der_put(struct blob_wr *w, uint8_t tag, const void *p, size_t len)
{
	size_t start = w->len;

	blob_wr_put(w, p, len);
	der_wrap(w, start, tag);
}

void der_put_positive(struct blob_wr *w, struct blob_str magnitude)
{
	size_t start = w->len;

	if (magnitude.len == 0 || (magnitude.p[0] & 0x80) != 0)
		blob_wr_put(w, "", 1);
	blob_wr_put(w, magnitude.p, magnitude.len);
	der_wrap(w, start, DER_INTEGER);
}

void der_put_small(struct blob_wr *w, uint8_t v)
{
	der_put(w, DER_INTEGER, &v, 1);
}
