/*
 * dataplane/net/arp.c - ARP messages: asking, answering, announcing and defending an address.
 *
 * Source  RFC 826, RFC 5227.
 *
 * Where we depart from RFC 826: a request or an announcement never makes an entry, it only
 * confirms one that says the same already (neigh.c).
 */
#include "dataplane/net/internal.h"

static const struct rte_ether_addr everybody = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
static const struct rte_ether_addr nobody;

/* tha only matters to a reader of traces in a request. */
static void send_arp(struct net *n, struct net_iface *ifc, uint16_t op,
		     const struct rte_ether_addr *to, rte_be32_t sip,
		     const struct rte_ether_addr *tha, rte_be32_t tip)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(n->pools->head);
	struct rte_arp_hdr h;

	if (m == NULL) {
		n->drops[NET_DROP_NO_MBUF]++;
		return;
	}
	h = (struct rte_arp_hdr){
		.arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER),
		.arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4),
		.arp_hlen = RTE_ETHER_ADDR_LEN,
		.arp_plen = sizeof(rte_be32_t),
		.arp_opcode = rte_cpu_to_be_16(op),
		.arp_data = {.arp_sha = ifc->mac, .arp_sip = sip, .arp_tha = *tha, .arp_tip = tip}};
	memcpy(rte_pktmbuf_append(m, sizeof(h)), &h, sizeof(h));
	net_eth_output(n, ifc, m, to, RTE_ETHER_TYPE_ARP);
}

void arp_ask(struct net *n, struct net_iface *ifc, const struct net_addr *ip,
	     const struct rte_ether_addr *to)
{
	const struct net_addr *from = net_addr_towards(ifc, ip);

	send_arp(n, ifc, RTE_ARP_OP_REQUEST, to != NULL ? to : &everybody,
		 from != NULL ? net_v4(from) : 0, &nobody, net_v4(ip));
}

void arp_announce(struct net *n, struct net_iface *ifc, const struct net_addr *a)
{
	send_arp(n, ifc, RTE_ARP_OP_REQUEST, &everybody, net_v4(a), &nobody, net_v4(a));
}

static bool well_formed(const struct rte_arp_hdr *h)
{
	return h->arp_hardware == RTE_BE16(RTE_ARP_HRD_ETHER) &&
	       h->arp_protocol == RTE_BE16(RTE_ETHER_TYPE_IPV4) &&
	       h->arp_hlen == RTE_ETHER_ADDR_LEN && h->arp_plen == sizeof(rte_be32_t) &&
	       (h->arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST) ||
		h->arp_opcode == RTE_BE16(RTE_ARP_OP_REPLY)) &&
	       rte_is_valid_assigned_ether_addr(&h->arp_data.arp_sha);
}

static enum net_drop input(struct net *n, unsigned int iface, const struct rte_arp_hdr *h)
{
	struct net_iface *ifc = &n->iface[iface];
	const struct rte_arp_ipv4 *d = &h->arp_data;
	struct net_addr sender = net_v4_addr(d->arp_sip), target = net_v4_addr(d->arp_tip);
	struct net_ifaddr *claimed = net_iface_addr(ifc, &sender);
	bool for_us = net_iface_addr(ifc, &target) != NULL;
	bool reply = h->arp_opcode == RTE_BE16(RTE_ARP_OP_REPLY);

	if (claimed != NULL) {
		net_addr_defend(n, claimed);
		return NET_DROP_ARP_CONFLICT;
	}
	if (!neigh_heard(n, iface, &sender, &d->arp_sha, reply && for_us) && reply)
		return NET_DROP_ARP;
	if (!reply && !for_us)
		return NET_DROP_NOT_MINE;
	if (!reply)
		send_arp(n, ifc, RTE_ARP_OP_REPLY, &d->arp_sha, d->arp_tip, &d->arp_sha,
			 d->arp_sip);
	return NET_DROP_COUNT;
}

void arp_input(struct net *n, unsigned int iface, struct rte_mbuf *m)
{
	const size_t at = sizeof(struct rte_ether_hdr);
	enum net_drop why = NET_DROP_ARP;
	struct rte_arp_hdr h;

	if (m->data_len >= at + sizeof(h)) {
		memcpy(&h, rte_pktmbuf_mtod_offset(m, const uint8_t *, at), sizeof(h));
		if (well_formed(&h))
			why = input(n, iface, &h);
	}
	if (why != NET_DROP_COUNT)
		net_drop(n, m, why);
	else
		rte_pktmbuf_free(m);
}
