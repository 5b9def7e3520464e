/* dataplane/tcp/options.c - reading and writing of the options, neighbours. */
#include "dataplane/tcp/options.h"

#include <rte_byteorder.h>
#include <string.h>

enum {
	OPT_EOL = 0,
	OPT_NOP = 1,
	OPT_MSS = 2,
	OPT_WSCALE = 3,
	OPT_SACK_PERM = 4,
	OPT_SACK = 5,
	OPT_TS = 8
};
enum { LEN_MSS = 4, LEN_WSCALE = 3, LEN_SACK_PERM = 2, LEN_SACK = 2, LEN_TS = 10 };

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static uint8_t *put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
	return p + 2;
}

static uint8_t *put32(uint8_t *p, uint32_t v)
{
	return put16(put16(p, (uint16_t)(v >> 16)), (uint16_t)v);
}

/* n bytes of blocks; the header has no room for more than TCP_SACK_MAX of them. */
static void sack_take(const uint8_t *v, unsigned int n, struct tcp_opts *o)
{
	o->sack_n = (uint8_t)(n / TCP_SACK_LEN);
	for (unsigned int i = 0; i < o->sack_n; i++, v += TCP_SACK_LEN)
		o->sack[i] = (struct tcp_sack){get32(v), get32(v + 4)};
}

/* One option of which the length was proved to lie inside the header. */
static void opt_take(uint8_t kind, uint8_t len, const uint8_t *v, struct tcp_opts *o)
{
	if (kind == OPT_MSS && len == LEN_MSS) {
		o->mss = get16(v);
		o->has_mss = true;
	} else if (kind == OPT_WSCALE && len == LEN_WSCALE) {
		o->wscale = v[0] > TCP_WSCALE_MAX ? TCP_WSCALE_MAX : v[0];
		o->has_wscale = true;
	} else if (kind == OPT_TS && len == LEN_TS) {
		o->ts_val = get32(v);
		o->ts_ecr = get32(v + 4);
		o->has_ts = true;
	} else if (kind == OPT_SACK_PERM && len == LEN_SACK_PERM) {
		o->has_sack_perm = true;
	} else if (kind == OPT_SACK && len <= LEN_SACK + TCP_SACK_MAX * TCP_SACK_LEN &&
		   (len - LEN_SACK) % TCP_SACK_LEN == 0) {
		sack_take(v, len - LEN_SACK, o);
	}
}

void tcp_opts_parse(const uint8_t *p, size_t n, struct tcp_opts *ret)
{
	*ret = (struct tcp_opts){0};

	/* What nearly every segment of a connection with timestamps carries. */
	if (n == TCP_OPT_TS_LEN &&
	    get32(p) == (OPT_NOP << 24 | OPT_NOP << 16 | OPT_TS << 8 | LEN_TS)) {
		opt_take(OPT_TS, LEN_TS, p + 4, ret);
		return;
	}
	while (n > 0) {
		uint8_t len;

		if (p[0] == OPT_EOL)
			return;
		if (p[0] == OPT_NOP) {
			p++;
			n--;
			continue;
		}
		if (n < 2)
			return;
		len = p[1];
		if (len < 2 || len > n) /* 0 would never end, the rest would read past it */
			return;
		opt_take(p[0], len, p + 2, ret);
		p += len;
		n -= len;
	}
}

static uint8_t *sack_put(const struct tcp_opts *o, uint8_t *p, size_t room)
{
	size_t n = room < TCP_OPT_SACK_LEN ? 0 : (room - TCP_OPT_SACK_LEN) / TCP_SACK_LEN;

	if (n > o->sack_n)
		n = o->sack_n;
	if (n == 0)
		return p;
	*p++ = OPT_NOP;
	*p++ = OPT_NOP;
	*p++ = OPT_SACK;
	*p++ = (uint8_t)(LEN_SACK + n * TCP_SACK_LEN);
	for (size_t i = 0; i < n; i++)
		p = put32(put32(p, o->sack[i].start), o->sack[i].end);
	return p;
}

/* Timestamps leave two bytes to pad, and SACK-permitted has two: they stand together. */
static uint8_t *sack_perm_put(const struct tcp_opts *o, uint8_t *p)
{
	if (o->has_sack_perm) {
		*p++ = OPT_SACK_PERM;
		*p++ = LEN_SACK_PERM;
	}
	if (o->has_sack_perm != o->has_ts) {
		*p++ = OPT_NOP;
		*p++ = OPT_NOP;
	}
	return p;
}

size_t tcp_opts_build(const struct tcp_opts *o, uint8_t *buf)
{
	uint8_t *p = buf;

	if (o->has_mss) {
		*p++ = OPT_MSS;
		*p++ = LEN_MSS;
		p = put16(p, o->mss);
	}
	if (o->has_wscale) {
		*p++ = OPT_NOP;
		*p++ = OPT_WSCALE;
		*p++ = LEN_WSCALE;
		*p++ = o->wscale;
	}
	p = sack_perm_put(o, p);
	if (o->has_ts) {
		*p++ = OPT_TS;
		*p++ = LEN_TS;
		p = put32(p, o->ts_val);
		p = put32(p, o->ts_ecr);
	}
	if (o->sack_n > 0)
		p = sack_put(o, p, TCP_OPTIONS_MAX - (size_t)(p - buf));
	return (size_t)(p - buf);
}
