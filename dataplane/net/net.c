/* dataplane/net/net.c - interfaces, Ethernet in and out, the clock of net/. See net.h. */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include <rte_cycles.h>

#include "dataplane/net/cut.h"
#include "dataplane/net/internal.h"

int net_new(const struct net_conf *conf, struct net **ret)
{
	unsigned int max = conf->neigh_max ? conf->neigh_max : 1024;
	struct net *n;
	int r;

	if (max > NET_NEIGH_MAX)
		return -EINVAL;
	n = calloc(1, sizeof(*n));
	if (n == NULL)
		return -ENOMEM;
	n->pools = conf->pools;
	n->no_fragments = conf->no_fragments;
	/* Keyed, so that nobody picks addresses that share a bucket (T-41). */
	if (getrandom(&n->neigh_seed, sizeof(n->neigh_seed), 0) != sizeof(n->neigh_seed) ||
	    getrandom(&n->mld_rng, sizeof(n->mld_rng), 0) != sizeof(n->mld_rng) ||
	    getrandom(n->nd_nonce, sizeof(n->nd_nonce), 0) != sizeof(n->nd_nonce))
		r = -EIO;
	else
		r = neigh_init(n, max);
	if (r == 0)
		r = frag_init(n);
	if (r == 0)
		r = pmtu_init(n);
	if (r < 0) {
		net_free(n);
		return r;
	}
	*ret = n;
	return 0;
}

void net_free(struct net *n)
{
	if (n == NULL)
		return;
	neigh_fini(n);
	frag_fini(n);
	pmtu_fini(n);
	for (unsigned int i = 0; i < n->n_ifaces; i++)
		rte_pktmbuf_free_bulk(n->iface[i].tx, n->iface[i].n_tx);
	free(n);
}

int net_iface_add(struct net *n, const char *name, struct port *port)
{
	struct net_iface *ifc = &n->iface[n->n_ifaces];

	if (n->n_ifaces == NET_IFACES_MAX)
		return -ENOSPC;
	if (strlen(name) > NET_IFACE_NAME_MAX || port->mtu < PORT_MTU_MIN)
		return -EINVAL;
	*ifc = (struct net_iface){.port = port, .mac = port->mac, .mtu = port->mtu};
	strcpy(ifc->name, name);
	return (int)n->n_ifaces++;
}

void net_drop(struct net *n, struct rte_mbuf *m, enum net_drop why)
{
	n->drops[why]++;
	rte_pktmbuf_free(m);
}

/* What the port did not take moves to the front. */
static unsigned int flush(struct net_iface *ifc, uint64_t now_us)
{
	unsigned int sent = 0;

	while (sent < ifc->n_tx) {
		uint16_t k = ifc->port->tx_burst(ifc->port, &ifc->tx[sent],
						 (uint16_t)(ifc->n_tx - sent));

		if (k == 0)
			break;
		sent += k;
	}
	ifc->n_tx = (uint16_t)(ifc->n_tx - sent);
	memmove(ifc->tx, &ifc->tx[sent], ifc->n_tx * sizeof(ifc->tx[0]));
	if (likely(sent > 0))
		ifc->stuck_us = 0;
	else if (ifc->stuck_us == 0)
		ifc->stuck_us = now_us;
	return sent;
}

unsigned int net_flush(struct net *n)
{
	unsigned int sent = 0;

	for (unsigned int i = 0; i < n->n_ifaces; i++)
		if (n->iface[i].n_tx > 0)
			sent += flush(&n->iface[i], n->now_us);
	return sent;
}

static unsigned int flush_full(struct net *n, struct net_iface *ifc)
{
	uint64_t start = rte_rdtsc();
	unsigned int sent = flush(ifc, n->now_us);

	n->flushed.cycles += rte_rdtsc() - start;
	n->flushed.pkts += sent;
	return sent;
}

struct net_flushed net_flushed_take(struct net *n)
{
	struct net_flushed f = n->flushed;

	n->flushed = (struct net_flushed){0};
	return f;
}

uint64_t net_tx_bytes(const struct net *n)
{
	return n->tx_bytes;
}

static int list_add(struct net *n, struct net_iface *ifc, struct rte_mbuf *m)
{
	if (unlikely(ifc->n_tx == NET_TX_MAX) && flush_full(n, ifc) == 0) {
		net_drop(n, m, NET_DROP_TX_FULL);
		return -ENOBUFS;
	}
	n->tx_bytes += m->pkt_len;
	ifc->tx[ifc->n_tx++] = m;
	return 0;
}

/* What a port that cuts super-segments itself wants of the headers: no sum of them all. */
static void super_offload(struct rte_mbuf *m)
{
	m->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
	if (m->ol_flags & RTE_MBUF_F_TX_IPV4) {
		struct rte_ipv4_hdr ip;
		void *at = rte_pktmbuf_mtod_offset(m, void *, m->l2_len);

		memcpy(&ip, at, sizeof(ip)); /* at an odd address, perhaps */
		ip.hdr_checksum = 0;
		memcpy(at, &ip, sizeof(ip));
		m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
	}
}

/* A super-segment as the port takes it, or the frames it stands for. */
static int super_tx(struct net *n, struct net_iface *ifc, struct rte_mbuf *m)
{
	struct rte_mbuf *frame[NET_SUPER_SEGS];
	unsigned int k;
	int r = 0;

	if (m->nb_segs <= ifc->port->tso_segs) {
		super_offload(m);
		return list_add(n, ifc, m);
	}
	k = net_cut(m, !ifc->port->tx_cksum, n->pools->head, frame);
	if (unlikely(k == 0)) {
		net_drop(n, m, NET_DROP_NO_MBUF);
		return -ENOMEM;
	}
	for (unsigned int i = 0; i < k; i++)
		r = list_add(n, ifc, frame[i]);
	return r;
}

int net_tx(struct net *n, struct net_iface *ifc, struct rte_mbuf *m)
{
	if (unlikely(ifc->down)) {
		net_drop(n, m, NET_DROP_LINK_DOWN);
		return -ENETDOWN;
	}
	return net_cut_wants(m) ? super_tx(n, ifc, m) : list_add(n, ifc, m);
}

int net_eth_output(struct net *n, struct net_iface *ifc, struct rte_mbuf *m,
		   const struct rte_ether_addr *dst, uint16_t ethertype)
{
	const struct rte_ether_hdr h = {
		.dst_addr = *dst, .src_addr = ifc->mac, .ether_type = rte_cpu_to_be_16(ethertype)};

	if (unlikely(ifc->vlan != 0)) {
		vlan_output(ifc, m, &h);
		return net_tx(n, ifc, m);
	}
	/* Copied: a segment may start at an odd address. */
	memcpy(rte_pktmbuf_prepend(m, sizeof(h)), &h, sizeof(h));
	return net_tx(n, ifc, m);
}

/* Indirect ones are changed by who has them, others by nobody while they are shared. */
static bool is_ours(const struct rte_mbuf *m)
{
	if (!pkt_writable(m))
		return false;
	if (likely(m->nb_segs == 1)) /* next lies in the second line, which nobody needs yet */
		return true;
	while ((m = m->next) != NULL && (pkt_writable(m) || !RTE_MBUF_DIRECT(m)))
		;
	return m == NULL;
}

/*
 * A shared mbuf, or padding that would have to be cut off a chain, is copied: both are rare. False:
 * pool empty.
 */
bool net_own(struct net *n, struct rte_mbuf **mp, uint32_t len)
{
	struct rte_mbuf *m = *mp, *copy;

	if (likely(is_ours(m) &&
		   (m->nb_segs == 1 || m->pkt_len == sizeof(struct rte_ether_hdr) + len))) {
		rte_pktmbuf_adj(m, sizeof(struct rte_ether_hdr));
		if (m->nb_segs == 1)
			m->data_len = (uint16_t)len;
		m->pkt_len = len;
		return true;
	}
	copy = rte_pktmbuf_copy(m, n->pools->data, sizeof(struct rte_ether_hdr), len);
	if (copy == NULL)
		return false;
	rte_pktmbuf_free(m);
	*mp = copy;
	return true;
}

/* RFC 2464 7; as RFC 1122 3.3.6, a packet for one host does not come to a group. */
static bool is_v6_group(const struct rte_ether_addr *mac, const struct rte_mbuf *m)
{
	const size_t dst = sizeof(struct rte_ether_hdr) + offsetof(struct rte_ipv6_hdr, dst_addr);

	return mac->addr_bytes[0] == 0x33 && mac->addr_bytes[1] == 0x33 && m->data_len > dst &&
	       *rte_pktmbuf_mtod_offset(m, const uint8_t *, dst) == 0xff;
}

/* True: a TCP packet stands in *mp. */
static bool eth_input(struct net *n, unsigned int iface, struct rte_mbuf **mp)
{
	const struct net_iface *ifc = &n->iface[iface];
	struct rte_mbuf *m = *mp;
	struct rte_ether_hdr h;
	bool mine;

	if (unlikely(m->data_len < sizeof(h))) {
		net_drop(n, m, NET_DROP_SHORT);
		return false;
	}
	memcpy(&h, rte_pktmbuf_mtod(m, const void *), sizeof(h));
	/* A tag, or an interface that is one of several: which one it is for. */
	if (unlikely(ifc->vlan != 0 || h.ether_type == RTE_BE16(RTE_ETHER_TYPE_VLAN) ||
		     (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0)) {
		if (!vlan_input(n, &iface, mp, &h))
			return false;
		ifc = &n->iface[iface];
		m = *mp;
	}
	mine = rte_is_same_ether_addr(&h.dst_addr, &ifc->mac);
	if (likely(h.ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4))) {
		/* RFC 1122 3.3.6: unicast IP in a broadcast frame is dropped. */
		if (unlikely(!mine)) {
			net_drop(n, m, NET_DROP_NOT_MINE);
			return false;
		}
		return ip4_input(n, iface, mp);
	}
	if (h.ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV6)) {
		if (unlikely(!mine && !is_v6_group(&h.dst_addr, m))) {
			net_drop(n, m, NET_DROP_NOT_MINE);
			return false;
		}
		return ip6_input(n, iface, mp);
	}
	if (h.ether_type != RTE_BE16(RTE_ETHER_TYPE_ARP)) {
		net_drop(n, m, NET_DROP_ETHERTYPE);
		return false;
	}
	if (!mine && !rte_is_broadcast_ether_addr(&h.dst_addr)) {
		net_drop(n, m, NET_DROP_NOT_MINE);
		return false;
	}
	arp_input(n, iface, m);
	return false;
}

unsigned int net_input_burst(struct net *n, unsigned int iface, struct rte_mbuf **m,
			     unsigned int count, uint64_t now_us, struct rte_mbuf **ret_tcp)
{
	unsigned int k = 0;

	n->now_us = now_us;
	for (unsigned int i = 0; i < count; i++) {
		rte_prefetch0(rte_pktmbuf_mtod(m[i], void *));
		rte_prefetch0(pkt_meta(m[i])); /* a driver does not touch it */
	}
	for (unsigned int i = 0; i < count; i++) {
		struct rte_mbuf *p = m[i];

		if (eth_input(n, iface, &p))
			ret_tcp[k++] = p;
	}
	return k;
}

/* Where to: as the connection remembers, or looked up when that is old or missing. */
static int output_path(struct net *n, const struct net_addr *dst, const struct net_path *path,
		       struct net_path *ret)
{
	if (path == NULL || unlikely(path->version != n->routes_version))
		return net_route(n, dst, ret);
	*ret = *path;
	return 0;
}

/* The longest packet's that leaves, from its L4 header on. */
static uint32_t packet_len(const struct rte_mbuf *m)
{
	return net_cut_wants(m) ? (uint32_t)m->l4_len + m->tso_segsz : m->pkt_len;
}

int net_output(struct net *n, struct rte_mbuf *m, const struct net_addr *src,
	       const struct net_addr *dst, uint8_t proto, uint8_t ttl, uint8_t tos,
	       const struct net_path *path, uint64_t now_us)
{
	struct net_path way;
	int r;

	n->now_us = now_us;
	r = output_path(n, dst, path, &way);
	if (unlikely(r < 0)) {
		net_drop(n, m, NET_DROP_NO_ROUTE);
		return r;
	}
	if (unlikely(packet_len(m) + net_ip_hdr_len(dst->family) > way.mtu)) {
		net_drop(n, m, NET_DROP_TOO_BIG);
		return -EMSGSIZE;
	}
	if (dst->family == 4)
		ip4_header(m, net_v4(src), net_v4(dst), proto, ttl, tos);
	else
		ip6_header(m, src, dst, proto, ttl, tos);
	if (m->ol_flags & (RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_TCP_SEG)) {
		m->ol_flags |= dst->family == 4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6;
		m->l2_len = sizeof(struct rte_ether_hdr);
		m->l3_len = net_ip_hdr_len(dst->family);
	}
	return neigh_output(n, way.iface, &way.next_hop, path != NULL ? path->asker : 0, m);
}

unsigned int net_timers(struct net *n, uint64_t now_us)
{
	unsigned int work;

	n->now_us = now_us;
	work = neigh_timers(n) + frag_timers(n);
	if (!n->follower)
		work += net_addr_timers(n) + mld_timers(n);
	net_note_timers(n);
	return work;
}

uint64_t net_next_timer_us(const struct net *n)
{
	uint64_t t = RTE_MIN(n->neigh_due_us, frag_next_us(n));

	if (!n->follower) {
		t = RTE_MIN(t, net_addr_next_us(n));
		t = RTE_MIN(t, mld_next_us(n));
		if (n->note_fn != NULL)
			t = RTE_MIN(t, n->note_us);
	}

	for (unsigned int i = 0; i < n->n_ifaces; i++)
		if (n->iface[i].n_tx > 0)
			t = RTE_MIN(t, n->now_us + NET_TX_RETRY_US);
	return t;
}

uint64_t net_reassembled(const struct net *n)
{
	return n->reassembled;
}

const uint64_t *net_drops(const struct net *n)
{
	return n->drops;
}

const char *net_drop_name(enum net_drop d)
{
	static const char *const names[] = {
#define X(name, text) #name,
		NET_DROPS(X)
#undef X
	};

	return d < NET_DROP_COUNT ? names[d] : "?";
}

const char *net_drop_text(enum net_drop d)
{
	static const char *const texts[] = {
#define X(name, text) text,
		NET_DROPS(X)
#undef X
	};

	return d < NET_DROP_COUNT ? texts[d] : "?";
}
