#include "conf/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
	uint8_t family, bits;
	int af;
} families[] = {{4, 32, AF_INET}, {6, 128, AF_INET6}};

static uint8_t family_bits(uint8_t family)
{
	return family == 4 ? 32 : 128;
}

int conf_addr_parse(const char *text, struct conf_addr *ret)
{
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		struct conf_addr a = {.family = families[i].family};

		if (inet_pton(families[i].af, text, a.addr) == 1) {
			*ret = a;
			return 0;
		}
	}
	return -EINVAL;
}

/* Decimal without sign or space, at most max. */
static int number_parse(const char *text, uint32_t max, uint32_t *ret)
{
	uint32_t n = 0;

	if (*text == '\0')
		return -EINVAL;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		n = n * 10 + (uint32_t)(*text - '0');
		if (n > max)
			return -EINVAL;
	}
	*ret = n;
	return 0;
}

int conf_listen_port_parse(const char *text, uint16_t *ret)
{
	uint32_t n;

	if (number_parse(text, UINT16_MAX, &n) < 0)
		return -EINVAL;
	*ret = (uint16_t)n;
	return 0;
}

int conf_port_parse(const char *text, uint16_t *ret)
{
	uint16_t n;

	if (conf_listen_port_parse(text, &n) < 0 || n == 0)
		return -EINVAL;
	*ret = n;
	return 0;
}

/* The part of text before end, as a string of its own; what does not fit is no address. */
static int addr_parse_until(const char *text, const char *end, struct conf_addr *ret)
{
	char buf[CONF_ADDR_TEXT];
	size_t n = (size_t)(end - text);

	if (n >= sizeof(buf))
		return -EINVAL;
	memcpy(buf, text, n);
	buf[n] = '\0';
	return conf_addr_parse(buf, ret);
}

int conf_listen_parse(const char *text, struct conf_addr *ret, bool *ret_has_port)
{
	const char *end, *port = NULL;
	bool brackets = *text == '[';
	struct conf_addr a;

	if (brackets) {
		end = strchr(++text, ']');
		if (end == NULL || (end[1] != '\0' && end[1] != ':'))
			return -EINVAL;
		if (end[1] == ':')
			port = end + 2;
	} else {
		end = strchr(text, ':');
		if (end != NULL && strchr(end + 1, ':') == NULL)
			port = end + 1;
		else
			end = text + strlen(text); /* IPv6 without brackets has no port */
	}
	if (addr_parse_until(text, end, &a) < 0)
		return -EINVAL;
	if (brackets && a.family != 6)
		return -EINVAL;
	if (port != NULL && conf_listen_port_parse(port, &a.port) < 0)
		return -EINVAL;
	*ret = a;
	*ret_has_port = port != NULL;
	return 0;
}

int conf_endpoint_parse(const char *text, struct conf_addr *ret)
{
	struct conf_addr a;
	bool has_port;

	if (conf_listen_parse(text, &a, &has_port) < 0 || (has_port && a.port == 0))
		return -EINVAL;
	*ret = a;
	return 0;
}

int conf_prefix_parse(const char *text, struct conf_prefix *ret)
{
	const char *slash = strchr(text, '/');
	const char *end = slash != NULL ? slash : text + strlen(text);
	struct conf_prefix p;
	struct conf_addr a;
	uint32_t len;

	if (addr_parse_until(text, end, &a) < 0)
		return -EINVAL;
	len = family_bits(a.family);
	if (slash != NULL && number_parse(slash + 1, len, &len) < 0)
		return -EINVAL;
	p = (struct conf_prefix){.family = a.family, .len = (uint8_t)len};
	memcpy(p.addr, a.addr, sizeof(p.addr));
	*ret = p;
	return 0;
}

const char *conf_addr_text(const struct conf_addr *a, char *buf)
{
	if (inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->addr, buf, CONF_ADDR_TEXT) == NULL)
		buf[0] = '\0';
	return buf;
}

const char *conf_endpoint_text(const struct conf_addr *a, char *buf)
{
	char addr[INET6_ADDRSTRLEN] = "";

	inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->addr, addr, sizeof(addr));
	snprintf(buf, CONF_ADDR_TEXT, a->family == 4 ? "%s:%u" : "[%s]:%u", addr, a->port);
	return buf;
}

const char *conf_prefix_text(const struct conf_prefix *p, char *buf)
{
	char addr[INET6_ADDRSTRLEN] = "";

	inet_ntop(p->family == 4 ? AF_INET : AF_INET6, p->addr, addr, sizeof(addr));
	snprintf(buf, CONF_ADDR_TEXT, "%s/%u", addr, p->len);
	return buf;
}

bool conf_addr_equal(const struct conf_addr *a, const struct conf_addr *b)
{
	return a->family == b->family && a->scope == b->scope &&
	       memcmp(a->addr, b->addr, family_bits(a->family) / 8) == 0;
}

bool conf_addr_is_link_local(const struct conf_addr *a)
{
	static const uint8_t prefix[8] = {0xfe, 0x80};

	return a->family == 6 && memcmp(a->addr, prefix, sizeof(prefix)) == 0;
}

bool conf_prefix_has(const struct conf_prefix *p, const struct conf_addr *a)
{
	unsigned int whole = p->len / 8, rest = p->len % 8;

	if (p->family != a->family || memcmp(p->addr, a->addr, whole) != 0)
		return false;
	return rest == 0 || ((p->addr[whole] ^ a->addr[whole]) & (0xff00 >> rest) & 0xff) == 0;
}

bool conf_prefix_is_network(const struct conf_prefix *p)
{
	for (unsigned int bit = p->len; bit < family_bits(p->family); bit++) {
		if (p->addr[bit / 8] & (0x80 >> bit % 8))
			return false;
	}
	return true;
}

static bool is_mapped(uint8_t family, const uint8_t addr[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	return family == 6 && memcmp(addr, mapped, sizeof(mapped)) == 0;
}

static void unmap(uint8_t *family, uint8_t addr[16])
{
	memmove(addr, addr + 12, 4);
	memset(addr + 4, 0, 12);
	*family = 4;
}

void conf_addr_unmap(struct conf_addr *a)
{
	if (is_mapped(a->family, a->addr))
		unmap(&a->family, a->addr);
}

void conf_prefix_unmap(struct conf_prefix *p)
{
	if (p->len < 96 || !is_mapped(p->family, p->addr))
		return;
	unmap(&p->family, p->addr);
	p->len = (uint8_t)(p->len - 96);
}
