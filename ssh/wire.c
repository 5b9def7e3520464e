/* ssh/wire.c - the data types of RFC 4251 section 5. */
#include "ssh/wire.h"

#include "crypto/key.h"

struct ssh_str ssh_str_key(const struct key *k)
{
	struct ssh_str blob;
	size_t len;

	blob.p = key_blob(k, &len);
	blob.len = (uint32_t)len; /* at most KEY_BLOB_MAX */
	return blob;
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

uint8_t ssh_rd_u8(struct ssh_rd *r)
{
	const uint8_t *p = ssh_rd_take(r, 1);

	return p ? *p : 0;
}

bool ssh_rd_bool(struct ssh_rd *r)
{
	return ssh_rd_u8(r) != 0;
}

uint32_t ssh_rd_u32(struct ssh_rd *r)
{
	const uint8_t *p = ssh_rd_take(r, 4);

	return p ? be32(p) : 0;
}

uint64_t ssh_rd_u64(struct ssh_rd *r)
{
	const uint8_t *p = ssh_rd_take(r, 8);

	return p ? (uint64_t)be32(p) << 32 | be32(p + 4) : 0;
}

/* The empty string points at something, so that nobody hands NULL to memcmp(). */
static struct ssh_str str_empty(void)
{
	return (struct ssh_str){(const uint8_t *)"", 0};
}

struct ssh_str ssh_rd_str(struct ssh_rd *r)
{
	uint32_t len = ssh_rd_u32(r);
	const uint8_t *p = ssh_rd_take(r, len);

	return p ? (struct ssh_str){p, len} : str_empty();
}

struct ssh_str ssh_rd_mpint(struct ssh_rd *r)
{
	struct ssh_str s = ssh_rd_str(r);

	if (r->bad || s.len == 0)
		return str_empty();

	/* A sign byte that the next byte does not ask for; zero is the empty string. */
	bool padded = s.p[0] == 0 && (s.len == 1 || !(s.p[1] & 0x80));
	bool negative = s.p[0] & 0x80;

	if (padded || negative || s.len > SSH_MPINT_MAX) {
		r->bad = true;
		return str_empty();
	}
	if (s.p[0] == 0) {
		s.p++;
		s.len--;
	}
	return s;
}

struct ssh_str ssh_rd_rest(struct ssh_rd *r)
{
	size_t len = (size_t)(r->end - r->p);

	/* A length that a string cannot have is not cut, it is refused. */
	if (len > UINT32_MAX)
		r->bad = true;
	if (r->bad)
		return str_empty();
	return (struct ssh_str){ssh_rd_take(r, len), (uint32_t)len};
}

void ssh_wr_init(struct ssh_wr *w, void *buf, size_t size)
{
	w->p = w->start = buf;
	w->end = w->start + size;
	w->bad = false;
}

static uint8_t *wr_take(struct ssh_wr *w, size_t n)
{
	if (w->bad || (size_t)(w->end - w->p) < n) {
		w->bad = true;
		return NULL;
	}
	w->p += n;
	return w->p - n;
}

void ssh_wr_u8(struct ssh_wr *w, uint8_t v)
{
	ssh_wr_bytes(w, &v, 1);
}

void ssh_wr_bool(struct ssh_wr *w, bool v)
{
	ssh_wr_u8(w, v ? 1 : 0);
}

void ssh_wr_u32(struct ssh_wr *w, uint32_t v)
{
	uint8_t b[4] = {v >> 24, v >> 16, v >> 8, v};

	ssh_wr_bytes(w, b, sizeof(b));
}

void ssh_wr_u64(struct ssh_wr *w, uint64_t v)
{
	uint8_t b[8] = {v >> 56, v >> 48, v >> 40, v >> 32, v >> 24, v >> 16, v >> 8, v};

	ssh_wr_bytes(w, b, sizeof(b));
}

void ssh_wr_bytes(struct ssh_wr *w, const void *p, size_t len)
{
	uint8_t *to = wr_take(w, len);

	if (to != NULL && len > 0)
		memcpy(to, p, len);
}

void ssh_wr_str(struct ssh_wr *w, struct ssh_str s)
{
	ssh_wr_u32(w, s.len);
	ssh_wr_bytes(w, s.p, s.len);
}

void ssh_wr_cstr(struct ssh_wr *w, const char *s)
{
	ssh_wr_str(w, ssh_str_c(s));
}

void ssh_wr_mpint(struct ssh_wr *w, const uint8_t *p, size_t len)
{
	bool sign;

	while (len > 0 && *p == 0) {
		p++;
		len--;
	}
	sign = len > 0 && (*p & 0x80);
	if (len > SSH_MPINT_MAX - 1) {
		w->bad = true;
		return;
	}
	ssh_wr_u32(w, (uint32_t)len + sign);
	if (sign)
		ssh_wr_u8(w, 0);
	ssh_wr_bytes(w, p, len);
}

size_t ssh_wr_done(const struct ssh_wr *w)
{
	return w->bad ? 0 : (size_t)(w->p - w->start);
}
