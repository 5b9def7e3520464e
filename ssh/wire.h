/*
 * ssh/wire.h - the data types of RFC 4251 section 5, read and written.
 *
 * Only these functions move a pointer over foreign bytes. Errors stick: a codec
 * reads like the RFC's table and checks once at its end. A string that was read is
 * a view into the packet: copy what must outlive it.
 */
#ifndef SLUICE_SSH_WIRE_H
#define SLUICE_SSH_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct ssh_str {
	const uint8_t *p;
	uint32_t len;
};

/* A view of a C string literal or variable. */
static inline struct ssh_str ssh_str_c(const char *s)
{
	return (struct ssh_str){(const uint8_t *)s, (uint32_t)strlen(s)};
}

static inline bool ssh_str_eq(struct ssh_str a, const char *b)
{
	size_t n = strlen(b);

	return a.len == n && memcmp(a.p, b, n) == 0;
}

struct key;

/* A public key as messages have it, with its certificate; borrowed from the key. */
struct ssh_str ssh_str_key(const struct key *k);

#define SSH_MPINT_MAX 2049 /* 16384 bits, the largest RSA modulus taken, and a sign byte */

struct ssh_rd {
	const uint8_t *p, *end;
	bool bad; /* sticky: after one short read every read yields 0 or "" */
};

static inline void ssh_rd_init(struct ssh_rd *r, const void *p, size_t len)
{
	r->p = p;
	r->end = r->p + len;
	r->bad = false;
}

static inline const uint8_t *ssh_rd_take(struct ssh_rd *r, size_t n)
{
	if (r->bad || (size_t)(r->end - r->p) < n) {
		r->bad = true;
		return NULL;
	}
	r->p += n;
	return r->p - n;
}

uint8_t ssh_rd_u8(struct ssh_rd *r);
bool ssh_rd_bool(struct ssh_rd *r); /* any value but 0 is true, RFC 4251 section 5 */
uint32_t ssh_rd_u32(struct ssh_rd *r);
uint64_t ssh_rd_u64(struct ssh_rd *r);
struct ssh_str ssh_rd_str(struct ssh_rd *r);
/*
 * The magnitude of a non-negative mpint, without its sign byte; zero is empty. A negative
 * one, one with bytes that carry nothing (RFC 4251 section 5: "MUST NOT be included") and
 * one longer than SSH_MPINT_MAX make r bad (S-63).
 */
struct ssh_str ssh_rd_mpint(struct ssh_rd *r);
/* What is left, whole. */
struct ssh_str ssh_rd_rest(struct ssh_rd *r);
/* Nothing went wrong and nothing is left over. */
static inline bool ssh_rd_done(const struct ssh_rd *r)
{
	return !r->bad && r->p == r->end;
}

/* A writer into memory of the caller's; one write too many makes it bad for good. */
struct ssh_wr {
	uint8_t *p, *end, *start;
	bool bad;
};

void ssh_wr_init(struct ssh_wr *w, void *buf, size_t size);
void ssh_wr_u8(struct ssh_wr *w, uint8_t v);
void ssh_wr_bool(struct ssh_wr *w, bool v);
void ssh_wr_u32(struct ssh_wr *w, uint32_t v);
void ssh_wr_u64(struct ssh_wr *w, uint64_t v);
void ssh_wr_bytes(struct ssh_wr *w, const void *p, size_t len);
void ssh_wr_str(struct ssh_wr *w, struct ssh_str s);
void ssh_wr_cstr(struct ssh_wr *w, const char *s);
/* An unsigned big-endian integer as mpint: leading zeros dropped, sign byte added. */
void ssh_wr_mpint(struct ssh_wr *w, const uint8_t *p, size_t len);
/* Bytes written, or 0 when something did not fit. */
size_t ssh_wr_done(const struct ssh_wr *w);

#endif
