/*
 * dataplane/tcp/path.c - the way to the peer, as net knows it and as a connection keeps it.
 *
 * A struct net_path repeats what the connection's key says; the connection keeps the rest.
 */
#include "dataplane/tcp/internal.h"

/* A field that net adds to its path is to be kept here, too, or left out on purpose. */
_Static_assert(sizeof(struct net_path) == 52, "every field of a path is known here");

void tcp_path(const struct tcp_conn *c, struct net_path *ret)
{
	*ret = (struct net_path){.src = tcp_local(c),
				 .next_hop = {.family = (uint8_t)c->key.family},
				 .iface = c->path.iface,
				 .mtu = c->path.mtu,
				 .tx_cksum = c->tx_cksum,
				 .asker = c->asker,
				 .version = c->path.version};
	memcpy(ret->next_hop.b, c->path.next_hop, sizeof(ret->next_hop.b));
}

void tcp_path_set(struct tcp_conn *c, const struct net_path *path)
{
	if (unlikely(tcp_listed(c, TCP_L_ROOM))) { /* of another port, maybe */
		tcp_list_remove(c, TCP_L_ROOM);
		tcp_output_want(c);
	}
	c->path =
		(struct tcp_path){.version = path->version, .iface = path->iface, .mtu = path->mtu};
	memcpy(c->path.next_hop, path->next_hop.b, sizeof(c->path.next_hop));
	c->tx_cksum = path->tx_cksum;
}
