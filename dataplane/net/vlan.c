/*
 * dataplane/net/vlan.c - IEEE 802.1Q: several interfaces on one port, told apart by a tag.
 *
 * One tag. A port that takes it off in hardware leaves it in the mbuf; else it is taken off here,
 * by moving the two addresses over it. VID 0 only carries a priority: such a frame is untagged
 * (802.1Q section 6.9). Priority and drop eligibility are not looked at.
 */
#include <errno.h>

#include "dataplane/net/internal.h"

#define VID_MASK     0xfffu
#define VID_RESERVED 0xfffu
#define TAG_LEN      sizeof(struct rte_vlan_hdr)
#define ADDRS_LEN    (2 * RTE_ETHER_ADDR_LEN)

static bool find_iface(const struct net *n, const struct port *port, uint16_t vid,
		       unsigned int *ret)
{
	for (unsigned int i = 0; i < n->n_ifaces; i++) {
		if (n->iface[i].port != port || n->iface[i].vlan != vid)
			continue;
		*ret = i;
		return true;
	}
	return false;
}

int net_iface_set(struct net *n, unsigned int iface, uint16_t vlan, uint16_t mtu)
{
	struct net_iface *ifc;
	unsigned int other;

	if (iface >= n->n_ifaces || vlan >= VID_RESERVED)
		return -EINVAL;
	ifc = &n->iface[iface];
	if (mtu != 0 && (mtu < PORT_MTU_MIN || mtu > ifc->port->mtu))
		return -EINVAL;
	ifc->vlan = VID_RESERVED; /* it does not find itself */
	if (find_iface(n, ifc->port, vlan, &other)) {
		ifc->vlan = 0;
		return -EEXIST;
	}
	ifc->vlan = vlan;
	ifc->mtu = mtu != 0 ? mtu : ifc->port->mtu;
	return 0;
}

/* Takes the tag off the bytes. An mbuf that somebody shares is copied first. False: no buffer. */
static bool strip(struct net *n, struct rte_mbuf **mp)
{
	struct rte_mbuf *m = *mp;
	uint8_t *p;

	if (unlikely(!pkt_writable(m))) {
		struct rte_mbuf *copy = rte_pktmbuf_copy(m, n->pools->data, 0, UINT32_MAX);

		if (copy == NULL)
			return false;
		rte_pktmbuf_free(m);
		*mp = m = copy;
	}
	p = rte_pktmbuf_mtod(m, uint8_t *);
	memmove(p + TAG_LEN, p, ADDRS_LEN);
	rte_pktmbuf_adj(m, TAG_LEN);
	return true;
}

/* The VID of a tag in the bytes, which goes. */
static enum net_drop untag(struct net *n, struct rte_mbuf **mp, uint16_t *ret_vid)
{
	struct rte_vlan_hdr tag;

	if ((*mp)->data_len < sizeof(struct rte_ether_hdr) + TAG_LEN)
		return NET_DROP_SHORT;
	memcpy(&tag, rte_pktmbuf_mtod_offset(*mp, void *, sizeof(struct rte_ether_hdr)),
	       sizeof(tag));
	if (!strip(n, mp))
		return NET_DROP_NO_MBUF;
	*ret_vid = rte_be_to_cpu_16(tag.vlan_tci) & VID_MASK;
	return NET_DROP_COUNT;
}

bool vlan_input(struct net *n, unsigned int *iface, struct rte_mbuf **mp, struct rte_ether_hdr *h)
{
	const struct port *port = n->iface[*iface].port;
	enum net_drop why = NET_DROP_COUNT;
	uint16_t vid = 0;

	if ((*mp)->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED)
		vid = (*mp)->vlan_tci & VID_MASK;
	else if (h->ether_type == RTE_BE16(RTE_ETHER_TYPE_VLAN))
		why = untag(n, mp, &vid);
	if (why == NET_DROP_COUNT && !find_iface(n, port, vid, iface))
		why = NET_DROP_VLAN;
	if (why != NET_DROP_COUNT) {
		net_drop(n, *mp, why);
		return false;
	}
	memcpy(h, rte_pktmbuf_mtod(*mp, const void *), sizeof(*h));
	return true;
}

void vlan_output(const struct net_iface *ifc, struct rte_mbuf *m, const struct rte_ether_hdr *h)
{
	struct rte_vlan_hdr tag = {.vlan_tci = rte_cpu_to_be_16(ifc->vlan),
				   .eth_proto = h->ether_type};
	struct rte_ether_hdr outer = *h;

	if (ifc->port->tx_vlan) {
		m->vlan_tci = ifc->vlan;
		m->ol_flags |= RTE_MBUF_F_TX_VLAN;
	} else {
		memcpy(rte_pktmbuf_prepend(m, sizeof(tag)), &tag, sizeof(tag));
		outer.ether_type = RTE_BE16(RTE_ETHER_TYPE_VLAN);
		m->l2_len += sizeof(tag);
	}
	memcpy(rte_pktmbuf_prepend(m, sizeof(outer)), &outer, sizeof(outer));
}
