/*
 * dataplane/net/nd.c - neighbour discovery messages: asking, answering, whether an address is
 * free, telling everybody that it is ours.
 *
 * Source  RFC 4861 sections 4.3, 4.4, 7; RFC 4862 section 5.4 (duplicate addresses); RFC 7527
 *         (the nonce that tells our own solicitation, looped back, from somebody else's).
 *
 * Routers and prefixes are configured: advertisements of routers and redirects are not read
 * (icmp6.c drops and counts them, T-36).
 *
 * Where we depart from RFC 4861 7.2.3 and 7.2.5: a solicitation never makes an entry, and
 * nothing moves a known one, whatever its override flag says, before the old MAC was asked and is
 * silent (neigh.c).
 */
#include <netinet/icmp6.h>

#include "dataplane/net/internal.h"

#define HOP_LIMIT   255 /* 7.1: nobody beyond the link can send it */
#define MSG_LEN     24  /* header, flags, target */
#define MSG_LEN_MAX 512 /* with options; longer ones are not ours to read */
#define OPT_NONCE   14
#define OPT_LEN     8 /* of the options we send */

struct opts {
	bool has_mac, has_nonce;
	struct rte_ether_addr mac;
	uint8_t nonce[NET_ND_NONCE];
};

/* 4.6: each says its length in units of 8; 0 would be without end. */
static bool options(const uint8_t *p, size_t len, uint8_t mac_type, struct opts *ret)
{
	*ret = (struct opts){0};
	while (len > 0) {
		size_t n;

		if (len < 8 || p[1] == 0 || (n = p[1] * 8u) > len)
			return false;
		if (p[0] == mac_type) {
			if (n != OPT_LEN)
				return false;
			memcpy(&ret->mac, p + 2, sizeof(ret->mac));
			ret->has_mac = true;
		} else if (p[0] == OPT_NONCE && n == OPT_LEN) {
			memcpy(ret->nonce, p + 2, sizeof(ret->nonce));
			ret->has_nonce = true;
		}
		p += n;
		len -= n;
	}
	return !ret->has_mac || rte_is_valid_assigned_ether_addr(&ret->mac);
}

/* --- what we say --------------------------------------------------------------------- */

struct message {
	uint8_t type;
	uint32_t flags;
	const struct net_addr *target;
	uint8_t opt;
	const uint8_t *opt_value; /* 6 bytes */
};

/* NULL and counted when there is no buffer. */
static struct rte_mbuf *build(struct net *n, const struct message *msg, const struct net_addr *src,
			      const struct net_addr *dst)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(n->pools->head);
	struct nd_neighbor_solicit h = {.nd_ns_type = msg->type, .nd_ns_reserved = msg->flags};
	const uint8_t opt_head[2] = {msg->opt, OPT_LEN / 8};
	uint8_t *b;

	if (m == NULL) {
		n->drops[NET_DROP_NO_MBUF]++;
		return NULL;
	}
	memcpy(&h.nd_ns_target, msg->target->b, sizeof(h.nd_ns_target));
	b = (uint8_t *)rte_pktmbuf_append(m, MSG_LEN + OPT_LEN);
	memcpy(b, &h, MSG_LEN);
	memcpy(b + MSG_LEN, opt_head, sizeof(opt_head));
	memcpy(b + MSG_LEN + sizeof(opt_head), msg->opt_value, OPT_LEN - sizeof(opt_head));
	icmp6_seal(m, src, dst);
	ip6_header(m, src, dst, IPPROTO_ICMPV6, HOP_LIMIT, 0);
	return m;
}

static void send_message(struct net *n, struct net_iface *ifc, const struct message *msg,
			 const struct net_addr *src, const struct net_addr *dst,
			 const struct rte_ether_addr *to)
{
	struct rte_mbuf *m = build(n, msg, src, dst);

	if (m != NULL)
		net_eth_output(n, ifc, m, to, RTE_ETHER_TYPE_IPV6);
}

void nd_ask(struct net *n, struct net_iface *ifc, const struct net_addr *ip,
	    const struct rte_ether_addr *to)
{
	const struct message msg = {ND_NEIGHBOR_SOLICIT, 0, ip, ND_OPT_SOURCE_LINKADDR,
				    ifc->mac.addr_bytes};
	const struct net_addr *from = net_addr_towards(ifc, ip);
	struct net_addr group = net_solicited_node(ip);
	struct rte_ether_addr group_mac = net_group_mac(&group);

	if (from == NULL) /* every address of ours still has to be proved free */
		return;
	if (to != NULL)
		send_message(n, ifc, &msg, from, ip, to);
	else
		send_message(n, ifc, &msg, from, &group, &group_mac);
}

void nd_probe(struct net *n, struct net_iface *ifc, const struct net_addr *a)
{
	static const struct net_addr unspecified = {.family = 6};
	const struct message msg = {ND_NEIGHBOR_SOLICIT, 0, a, OPT_NONCE, n->nd_nonce};
	struct net_addr group = net_solicited_node(a);
	struct rte_ether_addr to = net_group_mac(&group);

	send_message(n, ifc, &msg, &unspecified, &group, &to);
}

static void advertise(struct net *n, struct net_iface *ifc, const struct net_addr *target,
		      const struct net_addr *dst, const struct rte_ether_addr *to, uint32_t flags)
{
	const struct message msg = {ND_NEIGHBOR_ADVERT, flags, target, ND_OPT_TARGET_LINKADDR,
				    ifc->mac.addr_bytes};
	struct rte_mbuf *m;

	if (to != NULL) {
		send_message(n, ifc, &msg, target, dst, to);
		return;
	}
	m = build(n, &msg, target, dst);
	if (m != NULL)
		neigh_output(n, (unsigned int)(ifc - n->iface), dst, 0, m);
}

void nd_announce(struct net *n, struct net_iface *ifc, const struct net_addr *a)
{
	struct rte_ether_addr to = net_group_mac(&net_all_nodes);

	advertise(n, ifc, a, &net_all_nodes, &to, ND_NA_FLAG_OVERRIDE);
}

/* --- what we hear --------------------------------------------------------------------- */

/* A message of a kind we read, as it lies in buf. */
struct heard {
	const struct ip6_packet *p;
	struct net_iface *ifc;
	struct net_addr target;
	uint32_t flags;
	struct opts o;
};

static bool is_unspecified(const struct net_addr *a)
{
	static const struct net_addr unspecified = {.family = 6};

	return net_addr_eq(a, &unspecified);
}

/* RFC 4862 5.4.3: somebody else uses, or wants, what we are about to take. */
static enum net_drop duplicate(struct net *n, struct net_ifaddr *a)
{
	a->state = NET_ADDR_DUPLICATE;
	a->announce_us = n->now_us + NET_DAD_RETRY_US;
	return NET_DROP_ND_CONFLICT;
}

/* Somebody asks whether the address is free. */
static enum net_drop probed(struct net *n, const struct heard *h, struct net_ifaddr *a)
{
	if (h->o.has_mac || h->p->dst.b[0] != 0xff) /* 7.1.1 */
		return NET_DROP_ND;
	if (h->o.has_nonce && memcmp(h->o.nonce, n->nd_nonce, NET_ND_NONCE) == 0)
		return NET_DROP_COUNT; /* our own, looped back */
	if (a->state == NET_ADDR_TENTATIVE)
		return duplicate(n, a);
	if (a->state == NET_ADDR_READY) /* 7.2.4: to all nodes, each time */
		nd_announce(n, h->ifc, &a->addr);
	return NET_DROP_ND_CONFLICT;
}

static enum net_drop solicitation(struct net *n, const struct heard *h)
{
	struct net_ifaddr *a = net_iface_addr(h->ifc, &h->target);

	if (a == NULL)
		return NET_DROP_NOT_MINE;
	if (is_unspecified(&h->p->src))
		return probed(n, h, a);
	if (a->state != NET_ADDR_READY)
		return NET_DROP_NOT_MINE;
	if (net_addr_is_local(n, &h->p->src)) {
		net_addr_defend(n, a);
		return NET_DROP_ND_CONFLICT;
	}
	if (h->o.has_mac)
		neigh_heard(n, h->p->iface, &h->p->src, &h->o.mac, false);
	advertise(n, h->ifc, &a->addr, &h->p->src, h->o.has_mac ? &h->o.mac : NULL,
		  ND_NA_FLAG_SOLICITED | ND_NA_FLAG_OVERRIDE);
	return NET_DROP_COUNT;
}

static enum net_drop advertisement(struct net *n, const struct heard *h)
{
	struct net_ifaddr *a = net_iface_addr(h->ifc, &h->target);
	bool solicited = (h->flags & ND_NA_FLAG_SOLICITED) != 0;

	if (is_unspecified(&h->p->src) || (solicited && h->p->dst.b[0] == 0xff)) /* 7.1.2 */
		return NET_DROP_ND;
	if (a != NULL && a->state == NET_ADDR_TENTATIVE)
		return duplicate(n, a);
	if (a != NULL) {
		if (a->state == NET_ADDR_READY)
			net_addr_defend(n, a);
		return NET_DROP_ND_CONFLICT;
	}
	if (!neigh_heard(n, h->p->iface, &h->target, h->o.has_mac ? &h->o.mac : NULL, solicited))
		return NET_DROP_ND_UNASKED;
	return NET_DROP_COUNT;
}

static bool parse(struct net *n, const struct rte_mbuf *m, const struct ip6_packet *p,
		  struct heard *ret)
{
	uint8_t buf[MSG_LEN_MAX];
	const uint8_t *b = rte_pktmbuf_read(m, 0, m->pkt_len, buf);
	struct nd_neighbor_solicit h;

	/* RFC 6980: never in fragments. */
	if (p->hop_limit != HOP_LIMIT || p->reassembled || m->pkt_len < MSG_LEN || b == NULL)
		return false;
	memcpy(&h, b, sizeof(h));
	*ret = (struct heard){.p = p,
			      .ifc = &n->iface[p->iface],
			      .target = ip6_addr(h.nd_ns_target.s6_addr, p->iface),
			      .flags = h.nd_ns_reserved};
	if (h.nd_ns_code != 0 || net_addr_is_special(&ret->target))
		return false;
	return options(b + MSG_LEN, m->pkt_len - MSG_LEN,
		       h.nd_ns_type == ND_NEIGHBOR_SOLICIT ? ND_OPT_SOURCE_LINKADDR
							   : ND_OPT_TARGET_LINKADDR,
		       &ret->o);
}

void nd_input(struct net *n, struct rte_mbuf *m, const struct ip6_packet *p)
{
	enum net_drop why = NET_DROP_ND;
	struct heard h;

	if (m->pkt_len <= MSG_LEN_MAX && parse(n, m, p, &h))
		why = *rte_pktmbuf_mtod(m, const uint8_t *) == ND_NEIGHBOR_SOLICIT
			      ? solicitation(n, &h)
			      : advertisement(n, &h);
	if (why != NET_DROP_COUNT)
		net_drop(n, m, why);
	else
		rte_pktmbuf_free(m);
}
