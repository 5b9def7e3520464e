/* dataplane/net/route.c - longest prefix first, in a small sorted table for each family. */
#include <errno.h>

#include "dataplane/net/internal.h"

const struct net_route_entry *net_route_find(const struct net *n, const struct net_addr *dst)
{
	const struct net_routes *t = net_routes_of(n, dst->family);
	struct net_words w = net_words(dst);

	for (unsigned int i = 0; i < t->n; i++)
		if (net_match(w, t->e[i].prefix, t->e[i].mask))
			return &t->e[i];
	return NULL;
}

int net_route_insert(struct net *n, uint8_t family, const struct net_route_entry *e)
{
	struct net_routes *t = family == 4 ? &n->routes4 : &n->routes6;
	unsigned int at = 0;

	for (unsigned int i = 0; i < t->n; i++) {
		if (t->e[i].len == e->len && net_words_eq(t->e[i].prefix, e->prefix))
			return -EEXIST;
		if (t->e[i].len >= e->len)
			at = i + 1;
	}
	if (t->n == NET_ROUTES_MAX)
		return -ENOSPC;
	memmove(&t->e[at + 1], &t->e[at], (t->n - at) * sizeof(*e));
	t->e[at] = *e;
	t->n++;
	n->routes_version++;
	return 0;
}

/* A gateway is a neighbour: one that is itself behind a gateway is a mistake. */
static int link_to(const struct net *n, const struct net_addr *via, struct net_route_entry *ret)
{
	const struct net_route_entry *link;

	if (net_addr_is_special(via) || net_addr_is_local(n, via))
		return -ENETUNREACH;
	if (net_v6_is_link_local(via)) {
		if (via->scope == 0 || via->scope > n->n_ifaces)
			return -ENETUNREACH;
		ret->iface = via->scope - 1;
		return 0;
	}
	link = net_route_find(n, via);
	if (link == NULL || link->via.family != 0 ||
	    net_is_subnet_broadcast(&n->iface[link->iface], via))
		return -ENETUNREACH;
	ret->iface = link->iface;
	ret->src = link->src;
	return 0;
}

int net_route_add(struct net *n, const struct net_addr *prefix, unsigned int len,
		  const struct net_addr *via)
{
	struct net_route_entry e;
	int r;

	if ((prefix->family != 4 && prefix->family != 6) || via->family != prefix->family ||
	    len > net_bits(prefix->family))
		return -EINVAL;
	e = (struct net_route_entry){.prefix = net_words(prefix),
				     .mask = net_mask(len),
				     .via = *via,
				     .len = (uint8_t)len};
	if (!net_match(e.prefix, e.prefix, e.mask))
		return -EINVAL;
	r = link_to(n, via, &e);
	if (r < 0)
		return r;
	r = neigh_add_gateway(n, e.iface, via);
	if (r < 0)
		return r;
	return net_route_insert(n, prefix->family, &e);
}

int net_route_del(struct net *n, const struct net_addr *prefix, unsigned int len)
{
	struct net_routes *t = prefix->family == 4 ? &n->routes4 : &n->routes6;

	for (unsigned int i = 0; i < t->n; i++) {
		if (t->e[i].len != len || t->e[i].via.family == 0 ||
		    !net_words_eq(t->e[i].prefix, net_words(prefix)))
			continue;
		t->n--;
		memmove(&t->e[i], &t->e[i + 1], (t->n - i) * sizeof(t->e[0]));
		n->routes_version++;
		return 0;
	}
	return -ENOENT;
}

uint32_t net_routes_version(const struct net *n)
{
	return n->routes_version;
}

/* The way out, without its source. False: none. */
static bool way_to(const struct net *n, const struct net_addr *dst, struct net_path *ret)
{
	const struct net_route_entry *e;

	if (net_v6_is_link_local(dst)) {
		if (dst->scope == 0 || dst->scope > n->n_ifaces)
			return false;
		ret->iface = dst->scope - 1;
		ret->next_hop = *dst;
		return true;
	}
	e = net_route_find(n, dst);
	if (e == NULL || (e->via.family == 0 && net_is_subnet_broadcast(&n->iface[e->iface], dst)))
		return false;
	ret->iface = e->iface;
	ret->next_hop = e->via.family != 0 ? e->via : *dst;
	ret->src = e->src;
	return true;
}

int net_route(const struct net *n, const struct net_addr *dst, struct net_path *ret)
{
	const struct net_iface *ifc;
	struct net_path p = {0};

	if ((dst->family != 4 && dst->family != 6) || net_addr_is_special(dst) ||
	    net_addr_is_local(n, dst) || !way_to(n, dst, &p))
		return -ENETUNREACH;
	ifc = &n->iface[p.iface];
	if (dst->family == 6) {
		const struct net_addr *src = net_addr_towards(ifc, dst);

		if (src == NULL)
			return -EADDRNOTAVAIL;
		p.src = *src;
	}
	p.mtu = ifc->mtu;
	p.tx_cksum = ifc->port->tx_cksum;
	p.version = n->routes_version;
	*ret = p;
	return 0;
}
