/*
 * crypto/blob.h - reading and writing the strings and numbers inside key and signature blobs.
 *
 * Source  RFC 4251 section 5.
 * Errors  stick: after one bad read every read yields nothing, after one write too many
 *         nothing more is written; the caller checks once at the end.
 * Only crypto's own files use this; the protocol's reader is ssh/wire.h, above this room.
 */
#ifndef SLUICE_CRYPTO_BLOB_H
#define SLUICE_CRYPTO_BLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct blob_str {
	const uint8_t *p;
	size_t len;
};

struct blob_rd {
	const uint8_t *p, *end;
	bool bad;
};

struct blob_wr {
	uint8_t *p;
	size_t len, max;
	bool bad;
};

static inline uint32_t blob_load_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void blob_store_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

static inline struct blob_rd blob_rd_init(const uint8_t *p, size_t len)
{
	return (struct blob_rd){.p = p, .end = p + len};
}

static inline const uint8_t *blob_rd_take(struct blob_rd *r, size_t n)
{
	if (r->bad || (size_t)(r->end - r->p) < n) {
		r->bad = true;
		return NULL;
	}
	r->p += n;
	return r->p - n;
}

static inline uint32_t blob_rd_u32(struct blob_rd *r)
{
	const uint8_t *p = blob_rd_take(r, 4);

	return p == NULL ? 0 : blob_load_be32(p);
}

static inline struct blob_str blob_rd_str(struct blob_rd *r)
{
	size_t len = blob_rd_u32(r);
	const uint8_t *p = blob_rd_take(r, len);

	return p == NULL ? (struct blob_str){(const uint8_t *)"", 0} : (struct blob_str){p, len};
}

/* The magnitude of a positive integer of two's complement in its one spelling, as SSH and DER have it;
 * else r->bad. */
static inline struct blob_str blob_positive(struct blob_rd *r, struct blob_str s)
{
	if (s.len == 0 || (s.p[0] & 0x80) != 0 ||
	    (s.p[0] == 0 && (s.len == 1 || (s.p[1] & 0x80) == 0))) {
		r->bad = true;
		return (struct blob_str){(const uint8_t *)"", 0};
	}
	if (s.p[0] == 0) {
		s.p++;
		s.len--;
	}
	return s;
}

/*
 * A number above zero, in its one canonical form ("Unnecessary leading bytes with the value
 * 0 or 255 MUST NOT be included"), given without the byte that keeps it positive. Zero and
 * negative numbers have no place in a key or a signature (S-63).
 */
static inline struct blob_str blob_rd_positive(struct blob_rd *r)
{
	return blob_positive(r, blob_rd_str(r));
}

static inline bool blob_rd_done(const struct blob_rd *r)
{
	return !r->bad && r->p == r->end;
}

static inline bool blob_str_is(struct blob_str s, const char *name)
{
	return s.len == strlen(name) && memcmp(s.p, name, s.len) == 0;
}

static inline struct blob_wr blob_wr_init(uint8_t *p, size_t max)
{
	return (struct blob_wr){.p = p, .max = max};
}

static inline void blob_wr_put(struct blob_wr *w, const void *p, size_t n)
{
	if (w->bad || w->max - w->len < n) {
		w->bad = true;
		return;
	}
	if (n > 0)
		memcpy(w->p + w->len, p, n);
	w->len += n;
}

static inline void blob_wr_u32(struct blob_wr *w, uint32_t v)
{
	uint8_t be[4];

	blob_store_be32(be, v);
	blob_wr_put(w, be, sizeof(be));
}

static inline void blob_wr_str(struct blob_wr *w, const void *p, size_t n)
{
	if (n > UINT32_MAX) {
		w->bad = true;
		return;
	}
	blob_wr_u32(w, (uint32_t)n);
	blob_wr_put(w, p, n);
}

static inline void blob_wr_cstr(struct blob_wr *w, const char *s)
{
	blob_wr_str(w, s, strlen(s));
}

/* A big-endian magnitude as an mpint. */
static inline void blob_wr_mpint(struct blob_wr *w, const uint8_t *p, size_t n)
{
	while (n > 0 && *p == 0) {
		p++;
		n--;
	}
	if (n > 0 && (*p & 0x80) != 0) {
		blob_wr_u32(w, (uint32_t)n + 1);
		blob_wr_put(w, "", 1);
		blob_wr_put(w, p, n);
	} else {
		blob_wr_str(w, p, n);
	}
}

#endif
