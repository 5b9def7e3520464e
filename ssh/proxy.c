#include "ssh/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ssh/err.h"

#define V2_HEAD 16 /* signature, command, family, length */
#define V2_TCP4 12
#define V2_TCP6 36

static const uint8_t signature[12] = "\r\n\r\n\0\r\nQUIT\n";

/* --- version 1: PROXY TCP4 SRC DST SPORT DPORT CR LF ------------------------------------------ */

/* The next word of a line, behind one space. False: there is none, or it is too long. */
static bool word_next(const char **at, const char *end, char buf[INET6_ADDRSTRLEN])
{
	const char *p = *at;
	size_t n = 0;

	if (p == end || *p++ != ' ')
		return false;
	while (p + n < end && p[n] != ' ')
		n++;
	if (n == 0 || n >= INET6_ADDRSTRLEN || memchr(p, 0, n) != NULL)
		return false;
	memcpy(buf, p, n);
	buf[n] = '\0';
	*at = p + n;
	return true;
}

static bool addr_next(const char **at, const char *end, struct ssh_proxy_addr *a)
{
	char word[INET6_ADDRSTRLEN];

	return word_next(at, end, word) &&
	       inet_pton(a->family == 4 ? AF_INET : AF_INET6, word, a->addr) == 1;
}

/* Decimal, without a leading zero. */
static bool port_next(const char **at, const char *end, struct ssh_proxy_addr *a)
{
	char word[INET6_ADDRSTRLEN];
	uint32_t v = 0;

	if (!word_next(at, end, word) || (word[0] == '0' && word[1] != '\0'))
		return false;
	for (const char *p = word; *p != '\0'; p++) {
		if (*p < '0' || *p > '9')
			return false;
		v = v * 10 + (uint32_t)(*p - '0');
		if (v > UINT16_MAX)
			return false;
	}
	a->port = (uint16_t)v;
	return true;
}

/* Is it a line that begins so? What stands behind UNKNOWN is nobody's business. */
static bool begins(const char *line, size_t len, const char *with)
{
	size_t n = strlen(with);

	return len >= n && memcmp(line, with, n) == 0 && (len == n || line[n] == ' ');
}

static int v1_line(const char *line, size_t len, struct ssh_proxy *ret)
{
	struct ssh_proxy h = {.local = false};
	const char *end = line + len, *at;

	if (begins(line, len, "PROXY UNKNOWN")) {
		*ret = (struct ssh_proxy){.local = true};
		return 0;
	}
	if (begins(line, len, "PROXY TCP4"))
		h.src.family = h.dst.family = 4;
	else if (begins(line, len, "PROXY TCP6"))
		h.src.family = h.dst.family = 6;
	else
		return -SSH_E_IDENT;
	at = line + strlen("PROXY TCP4");
	if (!addr_next(&at, end, &h.src) || !addr_next(&at, end, &h.dst) ||
	    !port_next(&at, end, &h.src) || !port_next(&at, end, &h.dst) || at != end)
		return -SSH_E_IDENT;
	*ret = h;
	return 0;
}

static int v1_parse(const uint8_t *p, size_t len, struct ssh_proxy *ret, size_t *ret_used)
{
	size_t max = len < SSH_PROXY_V1_MAX ? len : SSH_PROXY_V1_MAX;
	const uint8_t *lf = memchr(p, '\n', max);
	int r;

	if (lf == NULL)
		return len >= SSH_PROXY_V1_MAX ? -SSH_E_IDENT : -EAGAIN;
	if (lf == p || lf[-1] != '\r')
		return -SSH_E_IDENT;
	r = v1_line((const char *)p, (size_t)(lf - 1 - p), ret);
	if (r == 0)
		*ret_used = (size_t)(lf + 1 - p);
	return r;
}

/* --- version 2 -------------------------------------------------------------------------------- */

static uint16_t u16_at(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* Source and destination, then their ports. What follows (TLVs) is passed over. */
static int v2_addrs(const uint8_t *p, size_t len, uint8_t family, struct ssh_proxy *ret)
{
	size_t n = family == 4 ? 4 : 16;

	if (len < (family == 4 ? V2_TCP4 : V2_TCP6))
		return -SSH_E_IDENT;
	*ret = (struct ssh_proxy){.src.family = family, .dst.family = family};
	memcpy(ret->src.addr, p, n);
	memcpy(ret->dst.addr, p + n, n);
	ret->src.port = u16_at(p + 2 * n);
	ret->dst.port = u16_at(p + 2 * n + 2);
	return 0;
}

static int v2_parse(const uint8_t *p, size_t len, struct ssh_proxy *ret, size_t *ret_used)
{
	size_t body;
	int r = -SSH_E_IDENT;

	if (len < V2_HEAD)
		return -EAGAIN;
	body = u16_at(p + 14);
	if (p[12] >> 4 != 2 || (p[12] & 15) > 1 || body > SSH_PROXY_MAX - V2_HEAD)
		return -SSH_E_IDENT;
	if (len - V2_HEAD < body)
		return -EAGAIN;
	if ((p[12] & 15) == 0 || p[13] == 0) { /* LOCAL; PROXY of a family it does not say */
		*ret = (struct ssh_proxy){.local = true};
		r = 0;
	} else if (p[13] == 0x11) {
		r = v2_addrs(p + V2_HEAD, body, 4, ret);
	} else if (p[13] == 0x21) {
		r = v2_addrs(p + V2_HEAD, body, 6, ret);
	}
	if (r == 0)
		*ret_used = V2_HEAD + body;
	return r;
}

int ssh_proxy_parse(const uint8_t *p, size_t len, struct ssh_proxy *ret, size_t *ret_used)
{
	static const char v1[] = "PROXY ";
	size_t n = len < sizeof(signature) ? len : sizeof(signature);
	size_t n1 = len < sizeof(v1) - 1 ? len : sizeof(v1) - 1;

	if (memcmp(p, signature, n) == 0)
		return n < sizeof(signature) ? -EAGAIN : v2_parse(p, len, ret, ret_used);
	if (memcmp(p, v1, n1) == 0)
		return n1 < sizeof(v1) - 1 ? -EAGAIN : v1_parse(p, len, ret, ret_used);
	return -SSH_E_IDENT;
}

/* --- building --------------------------------------------------------------------------------- */

static size_t v1_build(const struct ssh_proxy_addr *src, const struct ssh_proxy_addr *dst,
		       bool known, uint8_t *buf)
{
	char from[INET6_ADDRSTRLEN] = "", to[INET6_ADDRSTRLEN] = "";
	int family = src->family == 4 ? AF_INET : AF_INET6;

	if (!known)
		return (size_t)sprintf((char *)buf, "PROXY UNKNOWN\r\n");
	inet_ntop(family, src->addr, from, sizeof(from));
	inet_ntop(family, dst->addr, to, sizeof(to));
	return (size_t)snprintf((char *)buf, SSH_PROXY_V1_MAX + 1, "PROXY TCP%u %s %s %u %u\r\n",
				src->family, from, to, src->port, dst->port);
}

static uint8_t *put(uint8_t *to, const void *from, size_t n)
{
	memcpy(to, from, n);
	return to + n;
}

static uint8_t *put_u16(uint8_t *to, unsigned int v)
{
	*to++ = (uint8_t)(v >> 8);
	*to++ = (uint8_t)v;
	return to;
}

static size_t v2_build(const struct ssh_proxy_addr *src, const struct ssh_proxy_addr *dst,
		       bool known, uint8_t *buf)
{
	size_t n = src->family == 4 ? 4 : 16;
	uint8_t *to = put(buf, signature, sizeof(signature));

	*to++ = known ? 0x21 : 0x20;
	*to++ = !known ? 0 : src->family == 4 ? 0x11 : 0x21;
	to = put_u16(to, !known ? 0 : (unsigned int)(2 * n + 4));
	if (known) {
		to = put(to, src->addr, n);
		to = put(to, dst->addr, n);
		to = put_u16(to, src->port);
		to = put_u16(to, dst->port);
	}
	return (size_t)(to - buf);
}

size_t ssh_proxy_build(enum ssh_proxy_version version, const struct ssh_proxy_addr *src,
		       const struct ssh_proxy_addr *dst, uint8_t buf[SSH_PROXY_V1_MAX + 1])
{
	bool known = src->family == dst->family && (src->family == 4 || src->family == 6);

	if (version == SSH_PROXY_V1)
		return v1_build(src, dst, known, buf);
	return version == SSH_PROXY_V2 ? v2_build(src, dst, known, buf) : 0;
}
