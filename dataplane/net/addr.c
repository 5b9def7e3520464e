/* dataplane/net/addr.c - addresses: which are ours, which are nobody's, when they are announced. */
#include <errno.h>

#include "dataplane/net/internal.h"

struct net_words net_mask(unsigned int len)
{
	struct net_words m = {{0, 0}};
	uint8_t b[16];

	for (unsigned int i = 0; i < sizeof(b); i++) {
		unsigned int bits = len > i * 8 ? RTE_MIN(len - i * 8, 8u) : 0;

		b[i] = (uint8_t)(0xff << (8 - bits));
	}
	memcpy(m.w, b, sizeof(m.w));
	return m;
}

bool net_v4_is_special(rte_be32_t ip)
{
	uint32_t a = rte_be_to_cpu_32(ip);

	return a >> 24 == 0 || a >> 24 == 127 || a >= 224u << 24;
}

bool net_addr_is_special(const struct net_addr *a)
{
	return a->family != 4 || net_v4_is_special(net_v4(a));
}

/* All bits behind the prefix are zeros, or all are ones. */
static bool is_broadcast_of(rte_be32_t ip, unsigned int len)
{
	uint32_t ones, host;

	if (len > 30) /* RFC 3021: a network of two or one has no broadcast address */
		return false;
	ones = UINT32_MAX >> len;
	host = rte_be_to_cpu_32(ip) & ones;
	return host == 0 || host == ones;
}

bool net_is_subnet_broadcast(const struct net_iface *ifc, const struct net_addr *a)
{
	for (unsigned int i = 0; a->family == 4 && i < ifc->n_addrs; i++) {
		const struct net_ifaddr *own = &ifc->addr[i];

		if (own->addr.family == 4 && is_broadcast_of(net_v4(a), own->len) &&
		    net_match(net_words(a), net_words_and(net_words(&own->addr), own->mask),
			      own->mask))
			return true;
	}
	return false;
}

struct net_ifaddr *net_iface_addr(struct net_iface *ifc, const struct net_addr *a)
{
	struct net_words w = net_words(a);

	for (unsigned int i = 0; i < ifc->n_addrs; i++)
		if (net_words_eq(net_words(&ifc->addr[i].addr), w) &&
		    ifc->addr[i].addr.family == a->family)
			return &ifc->addr[i];
	return NULL;
}

bool net_addr_is_local(const struct net *n, const struct net_addr *addr)
{
	for (unsigned int i = 0; i < n->n_ifaces; i++)
		for (unsigned int k = 0; k < n->iface[i].n_addrs; k++)
			if (net_addr_eq(&n->iface[i].addr[k].addr, addr))
				return true;
	return false;
}

const struct net_addr *net_addr_towards(const struct net_iface *ifc, const struct net_addr *a)
{
	const struct net_addr *first = NULL;

	for (unsigned int i = 0; i < ifc->n_addrs; i++) {
		const struct net_ifaddr *own = &ifc->addr[i];

		if (own->addr.family != a->family)
			continue;
		if (net_match(net_words(a), net_words_and(net_words(&own->addr), own->mask),
			      own->mask))
			return &own->addr;
		if (first == NULL)
			first = &own->addr;
	}
	return first;
}

/* Can a host have it, in a network of this length? */
static bool is_for_host(const struct net_addr *a, unsigned int len)
{
	if (a->family != 4 || len == 0 || len > net_bits(a->family))
		return false;
	return !net_addr_is_special(a) && !is_broadcast_of(net_v4(a), len);
}

/* A second address of the same network on the same interface needs no second route. */
static int route_to_network(struct net *n, unsigned int iface, const struct net_ifaddr *a)
{
	const struct net_route_entry e = {
		.prefix = net_words_and(net_words(&a->addr), a->mask),
		.mask = a->mask,
		.src = a->addr,
		.iface = (uint16_t)iface,
		.len = a->len,
	};
	const struct net_route_entry *have;
	int r = net_route_insert(n, a->addr.family, &e);

	if (r != -EEXIST)
		return r;
	have = net_route_find(n, &a->addr);
	return have != NULL && have->via.family == 0 && have->iface == iface && have->len == a->len
		       ? 0
		       : r;
}

int net_addr_add(struct net *n, unsigned int iface, const struct net_addr *addr, unsigned int len)
{
	struct net_iface *ifc;
	struct net_ifaddr a;
	int r;

	if (iface >= n->n_ifaces || !is_for_host(addr, len))
		return -EINVAL;
	ifc = &n->iface[iface];
	a = (struct net_ifaddr){.addr = *addr,
				.mask = net_mask(len),
				.len = (uint8_t)len,
				.announce = NET_ANNOUNCEMENTS};
	if (net_addr_is_local(n, addr))
		return -EEXIST;
	if (ifc->n_addrs == NET_IFACE_ADDRS_MAX)
		return -ENOSPC;
	r = route_to_network(n, iface, &a);
	if (r < 0)
		return r;
	ifc->addr[ifc->n_addrs++] = a;
	return 0;
}

void net_addr_defend(struct net *n, struct net_ifaddr *a)
{
	if (a->defended_us != 0 && n->now_us - a->defended_us < NET_DEFEND_US)
		return;
	a->defended_us = n->now_us;
	a->announce = 1;
	a->announce_us = n->now_us;
}

unsigned int net_addr_timers(struct net *n)
{
	unsigned int work = 0;

	for (unsigned int i = 0; i < n->n_ifaces; i++) {
		struct net_iface *ifc = &n->iface[i];

		for (unsigned int k = 0; k < ifc->n_addrs; k++) {
			struct net_ifaddr *a = &ifc->addr[k];

			if (a->announce == 0 || a->announce_us > n->now_us)
				continue;
			arp_announce(n, ifc, &a->addr);
			a->announce--;
			a->announce_us = n->now_us + NET_ANNOUNCE_US;
			work++;
		}
	}
	return work;
}

uint64_t net_addr_next_us(const struct net *n)
{
	uint64_t t = UINT64_MAX;

	for (unsigned int i = 0; i < n->n_ifaces; i++)
		for (unsigned int k = 0; k < n->iface[i].n_addrs; k++)
			if (n->iface[i].addr[k].announce > 0)
				t = RTE_MIN(t, n->iface[i].addr[k].announce_us);
	return t;
}
