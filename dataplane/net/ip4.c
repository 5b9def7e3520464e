/*
 * dataplane/net/ip4.c - the checks of an IPv4 packet on its way in, and its header on the
 * way out.
 *
 * Source  RFC 791, RFC 1122 section 3.2.1, RFC 6864 (atomic datagrams carry ID 0).
 */
#include "dataplane/net/internal.h"

#define L2_LEN sizeof(struct rte_ether_hdr)

#define IP4_OPT_END  0
#define IP4_OPT_NOP  1
#define IP4_OPT_LSRR 131
#define IP4_OPT_SSRR 137

/* RFC 791 3.1. A source route is refused (T-31); others mean nothing to us. */
static bool options_ok(const uint8_t *p, unsigned int len)
{
	unsigned int i = 0;

	while (i < len) {
		if (p[i] == IP4_OPT_END)
			return true;
		if (p[i] == IP4_OPT_NOP) {
			i++;
			continue;
		}
		if (p[i] == IP4_OPT_LSRR || p[i] == IP4_OPT_SSRR)
			return false;
		/* A length below 2 would not advance: the classic endless loop. */
		if (len - i < 2 || p[i + 1] < 2 || p[i + 1] > len - i)
			return false;
		i += p[i + 1];
	}
	return true;
}

static bool header_ok(const struct rte_mbuf *m, const struct rte_ipv4_hdr *h)
{
	unsigned int hlen = (h->version_ihl & 0xfu) * 4;
	unsigned int total = rte_be_to_cpu_16(h->total_length);

	return h->version_ihl >> 4 == 4 && hlen >= sizeof(*h) && hlen <= m->data_len - L2_LEN &&
	       total >= hlen && total <= m->pkt_len - L2_LEN;
}

/* What the port says is good is good; what it calls bad, or does not know, is summed here. */
static bool cksum_ok(const struct rte_mbuf *m, const struct rte_ipv4_hdr *h)
{
	if ((m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD)
		return true;
	return rte_raw_cksum(h, (h->version_ihl & 0xfu) * 4) == 0xffff;
}

static enum net_drop check(struct net *n, unsigned int iface, const struct rte_mbuf *m)
{
	const struct rte_ipv4_hdr *h =
		rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, L2_LEN);
	struct net_iface *ifc = &n->iface[iface];
	struct net_addr src, dst;

	if (m->data_len < L2_LEN + sizeof(*h))
		return NET_DROP_SHORT;
	if (!header_ok(m, h))
		return NET_DROP_IP_HEADER;
	if (!cksum_ok(m, h))
		return NET_DROP_IP_CKSUM;
	/* RFC 1122 3.3.4.2, the strong model: an address answers on its own interface only. */
	dst = net_v4_addr(h->dst_addr);
	if (net_iface_addr(ifc, &dst) == NULL)
		return NET_DROP_NOT_MINE;
	src = net_v4_addr(h->src_addr);
	if (net_v4_is_special(h->src_addr) || net_addr_is_local(n, &src) ||
	    net_is_subnet_broadcast(ifc, &src))
		return NET_DROP_IP_SOURCE;
	if (!options_ok((const uint8_t *)(h + 1), (h->version_ihl & 0xfu) * 4 - sizeof(*h)))
		return NET_DROP_IP_OPTIONS;
	if (h->next_proto_id != IPPROTO_TCP && h->next_proto_id != IPPROTO_ICMP)
		return NET_DROP_IP_PROTO;
	return NET_DROP_COUNT;
}

static bool is_fragment(const struct rte_ipv4_hdr *h)
{
	return h->fragment_offset & RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK);
}

/* m behind its IP header h. Taken: NULL, or the datagram's payload and its mark. */
static struct rte_mbuf *reassemble(struct net *n, unsigned int iface, struct rte_mbuf *m,
				   const struct rte_ipv4_hdr *h, uint8_t *ecn)
{
	uint16_t field = rte_be_to_cpu_16(h->fragment_offset);
	struct frag f = {.src = net_v4_addr(h->src_addr),
			 .dst = net_v4_addr(h->dst_addr),
			 .id = h->packet_id,
			 .off = (field & RTE_IPV4_HDR_OFFSET_MASK) * RTE_IPV4_HDR_OFFSET_UNITS,
			 .max = UINT16_MAX - (h->version_ihl & 0xfu) * 4,
			 .iface = (uint16_t)iface,
			 .proto = h->next_proto_id,
			 .ecn = *ecn,
			 .more = field & RTE_IPV4_HDR_MF_FLAG};

	m = frag_input(n, &f, m);
	n->reassembled += m != NULL;
	*ecn = f.ecn;
	return m;
}

bool ip4_input(struct net *n, unsigned int iface, struct rte_mbuf **mp)
{
	enum net_drop why = check(n, iface, *mp);
	const struct rte_ipv4_hdr *h =
		rte_pktmbuf_mtod_offset(*mp, const struct rte_ipv4_hdr *, L2_LEN);
	struct pkt_meta *meta;
	struct rte_mbuf *m;
	rte_be32_t src, dst;
	uint8_t proto, ecn;

	if (unlikely(why != NET_DROP_COUNT)) {
		net_drop(n, *mp, why);
		return false;
	}
	if (unlikely(!net_own(n, mp, rte_be_to_cpu_16(h->total_length)))) {
		net_drop(n, *mp, NET_DROP_NO_MBUF);
		return false;
	}
	m = *mp;
	h = rte_pktmbuf_mtod(m, const struct rte_ipv4_hdr *);
	src = h->src_addr;
	dst = h->dst_addr;
	proto = h->next_proto_id;
	ecn = h->type_of_service & RTE_IPV4_HDR_ECN_MASK;
	rte_pktmbuf_adj(m, (h->version_ihl & 0xf) * 4);
	if (unlikely(is_fragment(h))) {
		m = reassemble(n, iface, m, h, &ecn);
		if (m == NULL)
			return false;
	}

	if (proto == IPPROTO_ICMP) {
		icmp4_input(n, m, src, dst);
		return false;
	}
	*mp = m;
	meta = pkt_meta(m);
	net_v4_set(&meta->src, src);
	net_v4_set(&meta->dst, dst);
	meta->iface = (uint16_t)iface;
	meta->ecn = ecn;
	return true;
}

void ip4_header(struct rte_mbuf *m, rte_be32_t src, rte_be32_t dst, uint8_t proto, uint8_t ttl,
		uint8_t tos)
{
	uint16_t total = (uint16_t)(m->pkt_len + sizeof(struct rte_ipv4_hdr));
	struct rte_ipv4_hdr *h;

	h = (struct rte_ipv4_hdr *)(void *)rte_pktmbuf_prepend(m, sizeof(*h));
	*h = (struct rte_ipv4_hdr){.version_ihl = RTE_IPV4_VHL_DEF,
				   .type_of_service = tos,
				   .total_length = rte_cpu_to_be_16(total),
				   .fragment_offset = rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG),
				   .time_to_live = ttl,
				   .next_proto_id = proto,
				   .src_addr = src,
				   .dst_addr = dst};
	h->hdr_checksum = rte_ipv4_cksum(h);
}
