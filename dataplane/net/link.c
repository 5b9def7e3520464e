/*
 * dataplane/net/link.c - links that go and come, and ports that take nothing.
 *
 * Source  RFC 5227 section 2.3 (announcing after a link came up), RFC 4861 section 7.3.
 *
 * While a link is down nothing is kept for it: what TCP sends again is newer than what would wait
 * here. When it is up again, what was known of the neighbours is used at once and asked about with
 * the first packet to each, so that a switch that was exchanged costs nobody a connection.
 */
#include "dataplane/net/internal.h"

static void drop_list(struct net *n, struct net_iface *ifc)
{
	n->drops[NET_DROP_LINK_DOWN] += ifc->n_tx;
	rte_pktmbuf_free_bulk(ifc->tx, ifc->n_tx);
	ifc->n_tx = 0;
	ifc->stuck_us = 0;
}

void net_link_set(struct net *n, unsigned int iface, bool up, uint64_t now_us)
{
	struct net_iface *ifc = &n->iface[iface];

	n->now_us = now_us;
	if (ifc->down != up)
		return;
	ifc->down = !up;
	if (up) {
		neigh_link_up(n, iface);
		net_addr_link_up(n, ifc);
	} else {
		drop_list(n, ifc);
	}
}

uint64_t net_tx_stuck_us(const struct net *n, unsigned int iface)
{
	return n->iface[iface].stuck_us;
}

unsigned int net_tx_room(const struct net *n, unsigned int iface)
{
	const struct net_iface *ifc = &n->iface[iface];

	/* On a link that is down all is dropped: nobody is to wait for it here. */
	return likely(!ifc->down) ? (unsigned int)(NET_TX_MAX - ifc->n_tx) : NET_TX_MAX;
}
