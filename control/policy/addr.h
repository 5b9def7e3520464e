/*
 * control/policy/addr.h - addresses of targets: text, kinds, order.
 *
 * Source  RFC 6890 (special addresses), RFC 4291, RFC 6724 and RFC 8305 (order).
 * Units   struct link_addr; a v4-mapped IPv6 address is turned into the IPv4 address it
 *         means before anything else looks at it.
 */
#ifndef SLUICE_CONTROL_POLICY_ADDR_H
#define SLUICE_CONTROL_POLICY_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "link/msg.h"

#define ADDR_TEXT_MAX 46

/* A literal address, nothing else: no names, ports, zones, or short forms. */
bool addr_parse(const char *text, struct link_addr *ret);
/* Without the port. buf has ADDR_TEXT_MAX bytes; returns buf. */
const char *addr_text(const struct link_addr *a, char buf[ADDR_TEXT_MAX]);
/* Same address; ports do not count. */
bool addr_equal(const struct link_addr *a, const struct link_addr *b);
/* ::ffff:a.b.c.d becomes a.b.c.d; others stay. */
void addr_unmap(struct link_addr *a);

/*
 * Is this an address no tunnel leads to unless the operator named it: loopback,
 * link-local (the metadata services of clouds live there, and at a few others), multicast,
 * unspecified, reserved, or an IPv6 address by which a translator or a 6to4 tunnel leads to such a
 * one?
 */
bool addr_is_special(const struct link_addr *a);
/*
 * How long a network must at least be to name this address: that of the special one it lies in, the
 * smallest of several; all bits of an own address, and of one where a cloud says who somebody is.
 * 0: it is like others.
 */
unsigned int addr_named_by(const struct link_addr *a, const struct link_addr *own, size_t n_own);
/* 127.0.0.0/8 and ::1: the gateway's own kernel. */
bool addr_is_loopback(const struct link_addr *a);
/* 127.0.0.1 and ::1: what that name means. */
bool addr_is_localhost(const struct link_addr *a);
/* Is this one of them, ports aside? */
bool addr_is_one_of(const struct link_addr *a, const struct link_addr *set, size_t n);
/* Or is it one by which a translator or a tunnel leads to one of them? Whoever has it is another.
 */
bool addr_leads_to_one_of(const struct link_addr *a, const struct link_addr *set, size_t n);

/*
 * Orders n addresses for connecting: families the gateway has an address in first, then
 * matching label, then precedence (RFC 6724 rules 1, 5, 6), equal ones as they came; the
 * families then take turns (RFC 8305 section 4).
 */
void addr_sort(struct link_addr *a, size_t n, const struct link_addr *own, size_t n_own);

#endif
