/* dataplane/net/route.c - addresses and routes: longest prefix first in a small sorted table. */
#include <errno.h>

#include "dataplane/net/internal.h"

bool net_v4_is_special(rte_be32_t ip)
{
	uint32_t a = rte_be_to_cpu_32(ip);

	return a >> 24 == 0 || a >> 24 == 127 || a >= 224u << 24;
}

bool net_v4_is_subnet_broadcast(const struct net_iface *ifc, rte_be32_t ip)
{
	for (unsigned int i = 0; i < ifc->n_addrs; i++) {
		const struct net_ifaddr *a = &ifc->addr[i];

		/* RFC 3021: a network of two or one has no broadcast address. */
		if (a->len > 30 || ((ip ^ a->addr) & a->mask) != 0)
			continue;
		if ((ip & ~a->mask) == 0 || (ip | a->mask) == UINT32_MAX)
			return true;
	}
	return false;
}

struct net_ifaddr *net_iface_addr(struct net_iface *ifc, rte_be32_t ip)
{
	for (unsigned int i = 0; i < ifc->n_addrs; i++)
		if (ifc->addr[i].addr == ip)
			return &ifc->addr[i];
	return NULL;
}

bool net_v4_is_local(const struct net *n, rte_be32_t ip)
{
	for (unsigned int i = 0; i < n->n_ifaces; i++)
		for (unsigned int k = 0; k < n->iface[i].n_addrs; k++)
			if (n->iface[i].addr[k].addr == ip)
				return true;
	return false;
}

bool net_addr_is_local(const struct net *n, const struct net_addr *addr)
{
	return addr->family == 4 && net_v4_is_local(n, net_v4(addr));
}

const struct net_route_entry *net_route_find(const struct net *n, rte_be32_t dst)
{
	for (unsigned int i = 0; i < n->n_routes; i++)
		if (((dst ^ n->route[i].prefix) & n->route[i].mask) == 0)
			return &n->route[i];
	return NULL;
}

int net_route_insert(struct net *n, const struct net_route_entry *e)
{
	unsigned int at = 0;

	for (unsigned int i = 0; i < n->n_routes; i++) {
		if (n->route[i].len == e->len && n->route[i].prefix == e->prefix)
			return -EEXIST;
		if (n->route[i].len >= e->len)
			at = i + 1;
	}
	if (n->n_routes == NET_ROUTES_MAX)
		return -ENOSPC;
	memmove(&n->route[at + 1], &n->route[at], (n->n_routes - at) * sizeof(*e));
	n->route[at] = *e;
	n->n_routes++;
	n->routes_version++;
	return 0;
}

int net_route_add(struct net *n, const struct net_addr *prefix, unsigned int len,
		  const struct net_addr *via)
{
	const struct net_route_entry *link;
	struct net_route_entry e;
	int r;

	if (prefix->family != 4 || via->family != 4 || len > 32)
		return -EINVAL;
	e = (struct net_route_entry){.prefix = net_v4(prefix),
				     .mask = net_v4_mask(len),
				     .via = net_v4(via),
				     .len = (uint8_t)len};
	if ((e.prefix & ~e.mask) != 0)
		return -EINVAL;

	/* A gateway is a neighbour: one that is itself behind a gateway is a mistake. */
	link = net_route_find(n, e.via);
	if (link == NULL || link->via != 0 || net_v4_is_local(n, e.via) ||
	    net_v4_is_special(e.via) || net_v4_is_subnet_broadcast(&n->iface[link->iface], e.via))
		return -ENETUNREACH;
	e.iface = link->iface;
	e.src = link->src;

	r = neigh_add_gateway(n, e.iface, e.via);
	if (r < 0)
		return r;
	return net_route_insert(n, &e);
}

int net_addr_add(struct net *n, unsigned int iface, const struct net_addr *addr, unsigned int len)
{
	struct net_iface *ifc;
	struct net_ifaddr a;
	int r;

	if (iface >= n->n_ifaces || addr->family != 4 || len == 0 || len > 32)
		return -EINVAL;
	ifc = &n->iface[iface];
	a = (struct net_ifaddr){.addr = net_v4(addr),
				.mask = net_v4_mask(len),
				.len = (uint8_t)len,
				.announce = NET_ANNOUNCEMENTS};
	if (net_v4_is_special(a.addr))
		return -EINVAL;
	if (len <= 30 && ((a.addr & ~a.mask) == 0 || (a.addr | a.mask) == UINT32_MAX))
		return -EINVAL;
	if (net_v4_is_local(n, a.addr))
		return -EEXIST;
	if (ifc->n_addrs == NET_IFACE_ADDRS_MAX)
		return -ENOSPC;

	r = net_route_insert(n, &(struct net_route_entry){.prefix = a.addr & a.mask,
							  .mask = a.mask,
							  .src = a.addr,
							  .iface = (uint16_t)iface,
							  .len = a.len});
	/* A second address of the same network on the same interface needs no second route. */
	if (r == -EEXIST) {
		const struct net_route_entry *e = net_route_find(n, a.addr);

		if (e == NULL || e->via != 0 || e->iface != iface || e->len != a.len)
			return r;
	} else if (r < 0) {
		return r;
	}
	ifc->addr[ifc->n_addrs++] = a;
	return 0;
}

int net_route(const struct net *n, const struct net_addr *dst, struct net_path *ret)
{
	const struct net_route_entry *e;
	rte_be32_t ip;

	if (dst->family != 4)
		return -ENETUNREACH;
	ip = net_v4(dst);
	if (net_v4_is_special(ip) || net_v4_is_local(n, ip))
		return -ENETUNREACH;
	e = net_route_find(n, ip);
	if (e == NULL || (e->via == 0 && net_v4_is_subnet_broadcast(&n->iface[e->iface], ip)))
		return -ENETUNREACH;

	*ret = (struct net_path){.src = net_v4_addr(e->src),
				 .next_hop = net_v4_addr(e->via ? e->via : ip),
				 .iface = e->iface,
				 .mtu = n->iface[e->iface].mtu,
				 .tx_cksum = n->iface[e->iface].port->tx_cksum,
				 .version = n->routes_version};
	return 0;
}
