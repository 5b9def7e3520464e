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
static const struct net_route_entry *link_to(const struct net *n, const struct net_addr *via)
{
	const struct net_route_entry *link;

	if (net_addr_is_special(via) || net_addr_is_local(n, via))
		return NULL;
	link = net_route_find(n, via);
	if (link == NULL || link->via.family != 0 ||
	    net_is_subnet_broadcast(&n->iface[link->iface], via))
		return NULL;
	return link;
}

int net_route_add(struct net *n, const struct net_addr *prefix, unsigned int len,
		  const struct net_addr *via)
{
	const struct net_route_entry *link;
	struct net_route_entry e;
	int r;

	if (prefix->family != 4 || via->family != prefix->family || len > net_bits(prefix->family))
		return -EINVAL;
	e = (struct net_route_entry){.prefix = net_words(prefix),
				     .mask = net_mask(len),
				     .via = *via,
				     .len = (uint8_t)len};
	if (!net_match(e.prefix, e.prefix, e.mask))
		return -EINVAL;
	link = link_to(n, via);
	if (link == NULL)
		return -ENETUNREACH;
	e.iface = link->iface;
	e.src = link->src;

	r = neigh_add_gateway(n, e.iface, via);
	if (r < 0)
		return r;
	return net_route_insert(n, prefix->family, &e);
}

int net_route(const struct net *n, const struct net_addr *dst, struct net_path *ret)
{
	const struct net_route_entry *e;

	if (net_addr_is_special(dst) || net_addr_is_local(n, dst))
		return -ENETUNREACH;
	e = net_route_find(n, dst);
	if (e == NULL || (e->via.family == 0 && net_is_subnet_broadcast(&n->iface[e->iface], dst)))
		return -ENETUNREACH;

	*ret = (struct net_path){.src = e->src,
				 .next_hop = e->via.family != 0 ? e->via : *dst,
				 .iface = e->iface,
				 .mtu = n->iface[e->iface].mtu,
				 .tx_cksum = n->iface[e->iface].port->tx_cksum,
				 .version = n->routes_version};
	return 0;
}
