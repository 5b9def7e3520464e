/*
 * conf/addr.h - addresses, ports and prefixes as text. Numeric only: names are not resolved.
 */
#ifndef SLUICE_CONF_ADDR_H
#define SLUICE_CONF_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONF_ADDR_TEXT 64 /* of "[address]:port" or "address/length", with its end */

/*
 * 4 in the first 4 bytes, network order; the rest is 0. Port in host order, 0: none. scope, of a
 * link-local address: index of the Interface plus 1; text has none.
 */
struct conf_addr {
	uint8_t family; /* 4 or 6 */
	uint8_t scope;
	uint16_t port;
	uint8_t addr[16];
};
struct conf_prefix {
	uint8_t family, len;
	uint8_t addr[16]; /* host bits as written */
};

struct conf_prefixes {
	const struct conf_prefix *v;
	size_t n;
};

/* All parsers: 0, or -EINVAL with *ret untouched. */
int conf_addr_parse(const char *text, struct conf_addr *ret);
/* "a.b.c.d", "a.b.c.d:port", "v6", "[v6]", "[v6]:port"; without a port it is 0. */
int conf_endpoint_parse(const char *text, struct conf_addr *ret);
/* The same, and port 0 is one, too: any that is free. */
int conf_listen_parse(const char *text, struct conf_addr *ret, bool *ret_has_port);
/* ADDR/LEN, or ADDR alone: its full length. */
int conf_prefix_parse(const char *text, struct conf_prefix *ret);
/* Decimal 1 to 65535. */
int conf_port_parse(const char *text, uint16_t *ret);
/* The same, or 0. */
int conf_listen_port_parse(const char *text, uint16_t *ret);

/* An address without its port, as text, into buf of CONF_ADDR_TEXT; returns buf. */
const char *conf_addr_text(const struct conf_addr *a, char *buf);
/* With its port: "a.b.c.d:port" or "[v6]:port". */
const char *conf_endpoint_text(const struct conf_addr *a, char *buf);
const char *conf_prefix_text(const struct conf_prefix *p, char *buf);

/* Same family, address and scope; ports are not looked at. */
bool conf_addr_equal(const struct conf_addr *a, const struct conf_addr *b);
/* Are the first len bits of a those of p? */
bool conf_prefix_has(const struct conf_prefix *p, const struct conf_addr *a);
/* fe80::/64 (RFC 4291 section 2.5.6) */
bool conf_addr_is_link_local(const struct conf_addr *a);
/* ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2) becomes a.b.c.d, a network of such likewise; others stay.
 */
void conf_addr_unmap(struct conf_addr *a);
void conf_prefix_unmap(struct conf_prefix *p);
/* Are all bits behind the first len 0? */
bool conf_prefix_is_network(const struct conf_prefix *p);

#endif
