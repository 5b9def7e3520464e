/*
 * dataplane/net/arp.c - neighbours of IPv4: who has which MAC, and what waits for the answer.
 *
 * Source  RFC 826, RFC 1122 section 2.3.2, RFC 5227 (announcing and defending an address).
 *
 * Where we depart from RFC 826: a request or an announcement never makes an entry, it only
 * confirms one that says the same already. One that says something else makes us ask the
 * old MAC whether it is still there (T-35): only when that is silent is everybody asked.
 */
#include <errno.h>
#include <stdlib.h>

#include <rte_jhash.h>

#include "dataplane/net/internal.h"

#define RETRY_US     1000000u /* RFC 1122 2.3.2.1: at most one request per second */
#define TRIES        3
#define REACHABLE_US (30 * 1000000u)  /* then the next packet asks again */
#define UNUSED_US    (600 * 1000000u) /* then an entry goes */
#define LOOKED_AT    16u              /* entries, when the table is full */

int neigh_init(struct net *n, unsigned int max)
{
	uint32_t buckets = rte_align32pow2(max);

	n->neigh = calloc(max, sizeof(*n->neigh));
	n->neigh_bucket = malloc(buckets * sizeof(*n->neigh_bucket));
	if (n->neigh == NULL || n->neigh_bucket == NULL)
		return -ENOMEM; /* neigh_fini() frees the half */
	for (uint32_t i = 0; i < buckets; i++)
		n->neigh_bucket[i] = NEIGH_NONE;
	for (uint32_t i = 0; i < max; i++)
		n->neigh[i].next = i + 1 < max ? i + 1 : NEIGH_NONE;
	n->neigh_max = max;
	n->neigh_mask = buckets - 1;
	n->neigh_due_us = UINT64_MAX;
	return 0;
}

void neigh_fini(struct net *n)
{
	for (uint32_t i = 0; n->neigh != NULL && i < n->neigh_max; i++)
		rte_pktmbuf_free_bulk(n->neigh[i].queue, n->neigh[i].queued);
	free(n->neigh);
	free(n->neigh_bucket);
}

static uint32_t *bucket(struct net *n, unsigned int iface, rte_be32_t ip)
{
	return &n->neigh_bucket[rte_jhash_2words(ip, iface, n->neigh_seed) & n->neigh_mask];
}

static struct neigh *find(struct net *n, unsigned int iface, rte_be32_t ip)
{
	for (uint32_t i = *bucket(n, iface, ip); i != NEIGH_NONE; i = n->neigh[i].next)
		if (n->neigh[i].ip == ip && n->neigh[i].iface == iface)
			return &n->neigh[i];
	return NULL;
}

/* NULL when full. */
static struct neigh *add(struct net *n, unsigned int iface, rte_be32_t ip)
{
	uint32_t *b = bucket(n, iface, ip), i = n->neigh_free;
	struct neigh *e;

	if (i == NEIGH_NONE)
		return NULL;
	e = &n->neigh[i];
	n->neigh_free = e->next;
	*e = (struct neigh){.next = *b, .ip = ip, .iface = (uint16_t)iface, .state = NEIGH_IDLE};
	*b = i;
	return e;
}

static void set_state(struct net *n, struct neigh *e, enum neigh_state state)
{
	n->neigh_incomplete -= e->state == NEIGH_INCOMPLETE;
	n->neigh_incomplete += state == NEIGH_INCOMPLETE;
	e->state = (uint8_t)state;
	e->asked = 0;
}

static void drop_queue(struct net *n, struct neigh *e)
{
	n->drops[NET_DROP_NEIGH_TIMEOUT] += e->queued;
	rte_pktmbuf_free_bulk(e->queue, e->queued);
	e->queued = 0;
}

/* Forgets what it knew; a gateway keeps its place. */
static void forget(struct net *n, struct neigh *e)
{
	uint32_t i = (uint32_t)(e - n->neigh), *link;

	drop_queue(n, e);
	set_state(n, e, e->gateway ? NEIGH_IDLE : NEIGH_FREE);
	if (e->gateway)
		return;
	for (link = bucket(n, e->iface, e->ip); *link != i; link = &n->neigh[*link].next)
		;
	*link = e->next;
	e->next = n->neigh_free;
	n->neigh_free = i;
}

/*
 * Forgets, of the next few known ones, who was not needed for longest: hosts of the link that
 * connect once under many addresses shall not keep others out for ten minutes (T-35).
 */
static void make_room(struct net *n)
{
	struct neigh *oldest = NULL;

	for (uint32_t i = 0; i < RTE_MIN(n->neigh_max, LOOKED_AT); i++) {
		struct neigh *e = &n->neigh[n->neigh_hand];

		n->neigh_hand = n->neigh_hand + 1 < n->neigh_max ? n->neigh_hand + 1 : 0;
		if (e->gateway || (e->state != NEIGH_REACHABLE && e->state != NEIGH_PROBE))
			continue;
		if (oldest == NULL || e->used_us < oldest->used_us)
			oldest = e;
	}
	if (oldest != NULL)
		forget(n, oldest);
}

int neigh_add_gateway(struct net *n, unsigned int iface, rte_be32_t ip)
{
	struct neigh *e = find(n, iface, ip);

	if (e == NULL)
		e = add(n, iface, ip);
	if (e == NULL)
		return -ENOSPC;
	e->gateway = true;
	return 0;
}

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

static const struct rte_ether_addr everybody = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
static const struct rte_ether_addr nobody;

/* The address of ours the neighbour should answer to: of its own network where there is one. */
static rte_be32_t ask_from(const struct net_iface *ifc, rte_be32_t ip)
{
	for (unsigned int i = 0; i < ifc->n_addrs; i++)
		if (((ifc->addr[i].addr ^ ip) & ifc->addr[i].mask) == 0)
			return ifc->addr[i].addr;
	return ifc->n_addrs > 0 ? ifc->addr[0].addr : 0;
}

static void ask(struct net *n, struct neigh *e)
{
	struct net_iface *ifc = &n->iface[e->iface];
	const struct rte_ether_addr *to = e->state == NEIGH_PROBE ? &e->mac : &everybody;

	send_arp(n, ifc, RTE_ARP_OP_REQUEST, to, ask_from(ifc, e->ip), &nobody, e->ip);
	e->asked++;
	e->due_us = n->now_us + RETRY_US;
	n->neigh_due_us = RTE_MIN(n->neigh_due_us, e->due_us);
}

static int enqueue(struct net *n, struct neigh *e, struct rte_mbuf *m)
{
	if (e->queued == NET_NEIGH_QUEUE) {
		/* The latest is kept (RFC 1122 2.3.2.2). */
		net_drop(n, e->queue[0], NET_DROP_NEIGH_QUEUE);
		memmove(&e->queue[0], &e->queue[1], sizeof(e->queue) - sizeof(e->queue[0]));
		e->queued--;
	}
	e->queue[e->queued++] = m;
	return 0;
}

int neigh_output(struct net *n, unsigned int iface, rte_be32_t ip, struct rte_mbuf *m)
{
	struct neigh *e = find(n, iface, ip);

	/*
	 * At most half of the table waits for answers: whoever makes us ask for a thousand
	 * hosts that are not there shall not keep us from those that are.
	 */
	if (e == NULL && n->neigh_incomplete < n->neigh_max / 2) {
		if (unlikely(n->neigh_free == NEIGH_NONE))
			make_room(n);
		e = add(n, iface, ip);
	}
	if (e == NULL) {
		net_drop(n, m, NET_DROP_NEIGH_FULL);
		return -ENOBUFS;
	}

	e->used_us = n->now_us;
	switch (e->state) {
	case NEIGH_REACHABLE:
		if (unlikely(n->now_us - e->confirmed_us > REACHABLE_US)) {
			set_state(n, e, NEIGH_PROBE);
			ask(n, e);
		}
		break;
	case NEIGH_PROBE:
		break;
	case NEIGH_IDLE:
		set_state(n, e, NEIGH_INCOMPLETE);
		ask(n, e);
		return enqueue(n, e, m);
	default:
		return enqueue(n, e, m);
	}
	return net_eth_output(n, &n->iface[iface], m, &e->mac, RTE_ETHER_TYPE_IPV4);
}

static void confirm(struct net *n, struct neigh *e, const struct rte_ether_addr *mac)
{
	unsigned int queued = e->queued;

	e->mac = *mac;
	e->confirmed_us = n->now_us;
	set_state(n, e, NEIGH_REACHABLE);
	e->due_us = n->now_us + UNUSED_US;
	n->neigh_due_us = RTE_MIN(n->neigh_due_us, e->due_us);
	e->queued = 0;
	for (unsigned int i = 0; i < queued; i++)
		net_eth_output(n, &n->iface[e->iface], e->queue[i], mac, RTE_ETHER_TYPE_IPV4);
}

/* False: it was said without being asked and is not believed. */
static bool heard(struct net *n, struct neigh *e, const struct rte_ether_addr *mac, bool reply)
{
	bool waiting = e->state == NEIGH_INCOMPLETE || e->state == NEIGH_PROBE;
	bool known = e->state == NEIGH_REACHABLE || e->state == NEIGH_PROBE;
	bool same = known && rte_is_same_ether_addr(&e->mac, mac);

	if (same || (reply && e->state == NEIGH_INCOMPLETE)) {
		confirm(n, e, mac);
		return true;
	}
	if (known && !waiting) {
		set_state(n, e, NEIGH_PROBE);
		ask(n, e);
	}
	return false;
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

/* RFC 5227 2.4 (b): say once that it is ours, and not again for a while. */
static void defend(struct net *n, struct net_ifaddr *a)
{
	if (a->defended_us != 0 && n->now_us - a->defended_us < NET_DEFEND_US)
		return;
	a->defended_us = n->now_us;
	a->announce = 1;
	a->announce_us = n->now_us;
}

static enum net_drop input(struct net *n, unsigned int iface, const struct rte_arp_hdr *h)
{
	struct net_iface *ifc = &n->iface[iface];
	const struct rte_arp_ipv4 *d = &h->arp_data;
	struct net_ifaddr *claimed = net_iface_addr(ifc, d->arp_sip);
	bool for_us = net_iface_addr(ifc, d->arp_tip) != NULL;
	bool reply = h->arp_opcode == RTE_BE16(RTE_ARP_OP_REPLY);
	struct neigh *e;

	if (claimed != NULL) {
		defend(n, claimed);
		return NET_DROP_ARP_CONFLICT;
	}
	e = find(n, iface, d->arp_sip);
	if (e != NULL && !heard(n, e, &d->arp_sha, reply && for_us) && reply)
		return NET_DROP_ARP;
	if (e == NULL && reply)
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

/* One entry whose time has come. */
static void expire(struct net *n, struct neigh *e)
{
	switch (e->state) {
	case NEIGH_INCOMPLETE:
		if (e->asked < TRIES)
			ask(n, e);
		else
			forget(n, e);
		break;
	case NEIGH_PROBE:
		if (e->asked == TRIES)
			set_state(n, e, NEIGH_INCOMPLETE);
		ask(n, e);
		break;
	case NEIGH_REACHABLE:
		if (n->now_us - e->used_us >= UNUSED_US)
			forget(n, e);
		else
			e->due_us = e->used_us + UNUSED_US;
		break;
	default:
		break;
	}
}

unsigned int neigh_timers(struct net *n)
{
	unsigned int work = 0;

	if (n->now_us < n->neigh_due_us)
		return 0;
	n->neigh_due_us = UINT64_MAX;
	for (uint32_t i = 0; i < n->neigh_max; i++) {
		struct neigh *e = &n->neigh[i];

		if (e->state == NEIGH_FREE || e->state == NEIGH_IDLE)
			continue;
		if (e->due_us <= n->now_us) {
			expire(n, e);
			work++;
		}
		if (e->state != NEIGH_FREE && e->state != NEIGH_IDLE)
			n->neigh_due_us = RTE_MIN(n->neigh_due_us, e->due_us);
	}
	return work;
}

unsigned int arp_announce(struct net *n)
{
	unsigned int work = 0;

	for (unsigned int i = 0; i < n->n_ifaces; i++) {
		struct net_iface *ifc = &n->iface[i];

		for (unsigned int k = 0; k < ifc->n_addrs; k++) {
			struct net_ifaddr *a = &ifc->addr[k];

			if (a->announce == 0 || a->announce_us > n->now_us)
				continue;
			send_arp(n, ifc, RTE_ARP_OP_REQUEST, &everybody, a->addr, &nobody, a->addr);
			a->announce--;
			a->announce_us = n->now_us + NET_ANNOUNCE_US;
			work++;
		}
	}
	return work;
}

uint64_t arp_next_announce_us(const struct net *n)
{
	uint64_t t = UINT64_MAX;

	for (unsigned int i = 0; i < n->n_ifaces; i++)
		for (unsigned int k = 0; k < n->iface[i].n_addrs; k++)
			if (n->iface[i].addr[k].announce > 0)
				t = RTE_MIN(t, n->iface[i].addr[k].announce_us);
	return t;
}
