/*
 * dataplane/net/internal.h - what the files of net/ share.
 *
 * IPv4 addresses are in network order throughout; masks too.
 */
#ifndef SLUICE_DATAPLANE_NET_INTERNAL_H
#define SLUICE_DATAPLANE_NET_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_arp.h>
#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>

#include "dataplane/net/net.h"

#define NET_IFACE_NAME_MAX  31
#define NET_IFACE_ADDRS_MAX 8
#define NET_ROUTES_MAX      256
#define NET_NEIGH_MAX       65536
#define NET_NEIGH_QUEUE     3 /* packets that wait for one neighbour (RFC 1122 2.3.2.2: >= 1) */
#define NET_ANNOUNCEMENTS   2 /* RFC 5227 1.1: ANNOUNCE_NUM, ANNOUNCE_INTERVAL */
#define NET_ANNOUNCE_US     (2 * 1000000u)
#define NET_DEFEND_US       (10 * 1000000u) /* RFC 5227 1.1: DEFEND_INTERVAL */
#define NET_ICMP_RATE       1000            /* answers per second */
#define NET_ICMP_BURST      100
#define NET_TX_RETRY_US     100 /* a port that took nothing is tried again after */

struct net_ifaddr {
	rte_be32_t addr, mask;
	uint64_t announce_us; /* when due */
	uint64_t defended_us; /* last time another host claimed it */
	uint8_t len;
	uint8_t announce; /* announcements still to be sent */
};

struct net_iface {
	struct port *port;
	struct rte_ether_addr mac;
	uint16_t mtu;
	uint16_t n_addrs, n_tx;
	struct net_ifaddr addr[NET_IFACE_ADDRS_MAX];
	struct rte_mbuf *tx[NET_TX_MAX];
	char name[NET_IFACE_NAME_MAX + 1];
};

struct net_route_entry {
	rte_be32_t prefix, mask;
	rte_be32_t via; /* 0: the destination is on the link */
	rte_be32_t src;
	uint16_t iface;
	uint8_t len;
};

enum neigh_state {
	NEIGH_FREE,
	NEIGH_IDLE,       /* a gateway nobody needed yet */
	NEIGH_INCOMPLETE, /* asked everybody; packets wait */
	NEIGH_REACHABLE,
	NEIGH_PROBE, /* asked it alone whether it is still there; its old MAC is used */
};

struct neigh {
	uint32_t next; /* in its bucket or the free list; NEIGH_NONE ends */
	rte_be32_t ip;
	uint16_t iface;
	uint8_t state;
	uint8_t asked; /* requests sent in this state */
	uint8_t queued;
	bool gateway; /* never given up */
	struct rte_ether_addr mac;
	uint64_t confirmed_us, used_us, due_us;
	struct rte_mbuf *queue[NET_NEIGH_QUEUE]; /* from their IP header on */
};
#define NEIGH_NONE UINT32_MAX

struct net {
	const struct pkt_pools *pools;
	uint64_t now_us; /* of the latest call */
	uint64_t drops[NET_DROP_COUNT];
	struct net_flushed flushed;

	struct net_iface iface[NET_IFACES_MAX];
	unsigned int n_ifaces;

	/* Sorted, longest prefix first. */
	struct net_route_entry route[NET_ROUTES_MAX];
	unsigned int n_routes;
	uint32_t routes_version;

	struct neigh *neigh;
	uint32_t *neigh_bucket;
	uint32_t neigh_max, neigh_mask, neigh_free, neigh_incomplete;
	uint32_t neigh_seed;
	uint32_t neigh_hand;   /* where a place is looked for next */
	uint64_t neigh_due_us; /* the earliest due_us or earlier */

	uint64_t icmp_credit_us; /* bucket, in time: grows to NET_ICMP_BURST answers' worth */
	uint64_t icmp_last_us;
};

static inline rte_be32_t net_v4(const struct net_addr *a)
{
	rte_be32_t v;

	memcpy(&v, a->b, sizeof(v));
	return v;
}

static inline struct net_addr net_v4_addr(rte_be32_t v)
{
	struct net_addr a = {.family = 4};

	memcpy(a.b, &v, sizeof(v));
	return a;
}

static inline rte_be32_t net_v4_mask(unsigned int len)
{
	return len == 0 ? 0 : rte_cpu_to_be_32(UINT32_MAX << (32 - len));
}

/* Counts and frees. */
void net_drop(struct net *n, struct rte_mbuf *m, enum net_drop why);
/* A frame with its Ethernet header onto the transmit list. Taken. */
int net_tx(struct net *n, struct net_iface *ifc, struct rte_mbuf *m);
/* Puts the Ethernet header before m and sends it. Taken. */
int net_eth_output(struct net *n, struct net_iface *ifc, struct rte_mbuf *m,
		   const struct rte_ether_addr *dst, uint16_t ethertype);

/* net.c: is ip an address of this interface; of any? */
struct net_ifaddr *net_iface_addr(struct net_iface *ifc, rte_be32_t ip);
bool net_v4_is_local(const struct net *n, rte_be32_t ip);

/* route.c */
const struct net_route_entry *net_route_find(const struct net *n, rte_be32_t dst);
int net_route_insert(struct net *n, const struct net_route_entry *e);
/* Not one host: this network, loopback, multicast, reserved, limited broadcast. */
bool net_v4_is_special(rte_be32_t ip);
/* The broadcast address of one of our networks, or its all-zeros form. */
bool net_v4_is_subnet_broadcast(const struct net_iface *ifc, rte_be32_t ip);

/*
 * ip4.c: a frame, which may still be somebody else's to change. True: a TCP packet for us,
 * cut and filled in (*m may be another mbuf then); false: taken.
 */
bool ip4_input(struct net *n, unsigned int iface, struct rte_mbuf **m);
/* Puts the header before the L4 header. */
void ip4_header(struct rte_mbuf *m, rte_be32_t src, rte_be32_t dst, uint8_t proto, uint8_t ttl);

/* icmp.c: m starts at the ICMP header and ends with it. Taken. */
void icmp4_input(struct net *n, struct rte_mbuf *m, rte_be32_t src, rte_be32_t dst);

/* arp.c */
int neigh_init(struct net *n, unsigned int max);
void neigh_fini(struct net *n);
/* Reserves the gateway's entry. 0 or -ENOSPC. */
int neigh_add_gateway(struct net *n, unsigned int iface, rte_be32_t ip);
/* m starts at its IPv4 header. Taken: sent, queued or dropped. */
int neigh_output(struct net *n, unsigned int iface, rte_be32_t ip, struct rte_mbuf *m);
/* A frame. Taken. */
void arp_input(struct net *n, unsigned int iface, struct rte_mbuf *m);
unsigned int neigh_timers(struct net *n);
unsigned int arp_announce(struct net *n); /* what is due */
uint64_t arp_next_announce_us(const struct net *n);

#endif
