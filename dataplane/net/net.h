/*
 * dataplane/net/net.h - Ethernet, ARP and ND, IPv4 and IPv6, ICMP, routes: what is between a port
 * and TCP.
 *
 * Source  RFC 826, RFC 791, RFC 792, RFC 1122 section 3; RFC 8200, RFC 4443, RFC 4861, RFC 4862;
 *         RFC 5927 (ICMP errors).
 * Lcore   the shard's; no locks. Time comes in.
 * Memory  packets that net answers or drops are freed here, with a counter for each reason.
 *
 * Nothing above names a family. A link-local address (IPv6) carries its interface in scope.
 */
#ifndef SLUICE_DATAPLANE_NET_NET_H
#define SLUICE_DATAPLANE_NET_NET_H

#include <stdint.h>

#include "dataplane/pkt.h"
#include "dataplane/port/port.h"

#define NET_IFACES_MAX 8

/* Why a packet was dropped: name, meaning to an operator. */
#define NET_DROPS(X)                                                                               \
	X(SHORT, "frame or header shorter than it says")                                           \
	X(ETHERTYPE, "neither ARP nor IP")                                                         \
	X(VLAN, "tag of no interface of the port, or none where each has one")                     \
	X(NOT_MINE, "destination MAC or IP address is not ours")                                   \
	X(IP_HEADER, "bad version, header length or total length")                                 \
	X(IP_CKSUM, "bad IPv4 header checksum")                                                    \
	X(IP_SOURCE, "source address is ours, loopback, multicast or broadcast (T-13)")            \
	X(IP_OPTIONS, "source route or malformed option (T-31)")                                   \
	X(IP6_EXT, "IPv6 extension header: malformed, unknown or above the limits (T-31)")         \
	X(IP_FRAGMENT, "fragment, refused by policy")                                              \
	X(FRAG_LENGTH, "fragment empty, not of whole units or past 65535 bytes (ping of death)")   \
	X(FRAG_TINY, "first fragment that cuts the TCP header (RFC 1858)")                         \
	X(FRAG_OVERLAP, "fragments that overlap or contradict: datagram given up (RFC 5722)")      \
	X(FRAG_DUPLICATE, "fragment came twice")                                                   \
	X(FRAG_PIECES, "datagram in too many fragments")                                           \
	X(FRAG_ECN, "congestion mark among fragments not capable of it (RFC 3168)")                \
	X(FRAG_SOURCE, "too many unfinished datagrams of one source: its oldest given up")         \
	X(FRAG_FULL, "too many unfinished datagrams: the oldest given up")                         \
	X(FRAG_TIMEOUT, "datagram not whole in time")                                              \
	X(IP_PROTO, "protocol not served")                                                         \
	X(ICMP, "ICMP message not answered or malformed")                                          \
	X(ICMP_RATE, "ICMP answers above their rate")                                              \
	X(ICMP_ERROR, "ICMP error that quotes nothing we could have sent")                         \
	X(ICMP_MTU, "packet too big: below the least MTU, or not below the packet (T-34)")         \
	X(ICMP_QUENCH, "ICMP source quench (RFC 6633)")                                            \
	X(ARP, "malformed or unsolicited ARP")                                                     \
	X(ARP_CONFLICT, "ARP from another host that claims our address")                           \
	X(ND, "malformed neighbour discovery, or from beyond the link")                            \
	X(ND_UNASKED, "neighbour advertisement nobody asked for")                                  \
	X(ND_CONFLICT, "neighbour discovery from another host that claims our address")            \
	X(ND_ROUTER, "router discovery or redirect: routes are configured (T-36)")                 \
	X(MLD, "malformed multicast listener query")                                               \
	X(NEIGH_FULL, "neighbour table full")                                                      \
	X(NEIGH_GAVE_WAY, "no answer to ARP or ND yet when another had to be asked for")           \
	X(NEIGH_ASKER, "connections of one user to more new neighbours than he may (RFC 6583)")    \
	X(NEIGH_TIMEOUT, "no answer to ARP or ND, queued packet given up")                         \
	X(NEIGH_QUEUE, "too many packets wait for one neighbour")                                  \
	X(NO_ROUTE, "no route")                                                                    \
	X(TOO_BIG, "longer than the MTU")                                                          \
	X(TX_FULL, "port's transmit queue full")                                                   \
	X(LINK_DOWN, "link of the interface down")                                                 \
	X(NO_MBUF, "buffer pool empty")

enum net_drop {
#define X(name, text) NET_DROP_##name,
	NET_DROPS(X)
#undef X
		NET_DROP_COUNT
};

struct net;

struct net_conf {
	const struct pkt_pools *pools;
	unsigned int neigh_max; /* entries; 1024 */
	bool no_fragments;      /* TCP in fragments is dropped, not reassembled (T-30) */
};

/* Which way a destination lies; remembered by a connection and checked by its version. */
struct net_path {
	struct net_addr src; /* the address of the interface */
	struct net_addr next_hop;
	uint16_t iface;
	uint16_t mtu;  /* of the IP packet */
	bool tx_cksum; /* the port fills in TCP checksums: see net_output() */
	/* Whose wish it is that something is sent: who makes us look for many neighbours that are
	 * not there is refused (RFC 6583). 0: nobody's; net_route() says so. */
	uint16_t asker;
	uint32_t version; /* of the routing table */
};

int net_new(const struct net_conf *conf, struct net **ret);
void net_free(struct net *n);
/* Index of the interface, -ENOSPC or -EINVAL. port is borrowed for the life of n. */
int net_iface_add(struct net *n, const char *name, struct port *port);
/*
 * What tells it from others on the same port: an 802.1Q tag, 0 for none; and its MTU, 0 for the
 * port's. Before addresses are added. 0, -EINVAL (no such tag, MTU beyond the port's), -EEXIST
 * (another interface of the port has the tag: each port has one interface without, at most).
 */
int net_iface_set(struct net *n, unsigned int iface, uint16_t vlan, uint16_t mtu);
/*
 * An address of the interface and the route to its network; it is announced (RFC 5227) from
 * the next net_timers() on. One of IPv6 is ours a second later, if nobody else has it (RFC 4862),
 * and brings the link-local one that the MAC gives (RFC 2464). 0, -EINVAL (not an address for a
 * host; an MTU below 1280 for IPv6), -EEXIST, -ENOSPC.
 */
int net_addr_add(struct net *n, unsigned int iface, const struct net_addr *addr, unsigned int len);
/*
 * 0, -EINVAL (bits behind the prefix), -ENETUNREACH (via is on no interface's network; a
 * link-local one says its interface by its scope),
 * -EEXIST, -ENOSPC. Add addresses first. A gateway keeps its place among the neighbours.
 */
int net_route_add(struct net *n, const struct net_addr *prefix, unsigned int len,
		  const struct net_addr *via);
/* Takes a route with a gateway away again: 0 or -ENOENT. */
int net_route_del(struct net *n, const struct net_addr *prefix, unsigned int len);
/* Raised by every change: a path of an earlier one is to be asked for again. */
uint32_t net_routes_version(const struct net *n);
bool net_addr_is_local(const struct net *n, const struct net_addr *addr);

/*
 * Longest prefix. 0; -ENETUNREACH: also for our own, broadcast and multicast addresses;
 * -EADDRNOTAVAIL: no address of ours fits, or none is proved ours yet.
 */
int net_route(const struct net *n, const struct net_addr *dst, struct net_path *ret);

/*
 * A burst as it came from the port of iface, which is any of the port's. ARP and ICMP are answered.
 * TCP packets that passed every check of the IP layer are put into ret_tcp (room for n) with
 * data_off at the TCP header, lengths cut to the IP total length and pkt_meta filled; their number
 * is returned. Their first mbuf is writable: one that somebody still shares (net_ring hands over
 * the very mbuf) was copied. ol_flags tell what the port found of the L4 checksum.
 */
unsigned int net_input_burst(struct net *n, unsigned int iface, struct rte_mbuf **m,
			     unsigned int count, uint64_t now_us, struct rte_mbuf **ret_tcp);

/*
 * Sends one packet that starts at its L4 header (checksum already right; head-room of at
 * least NET_HEADROOM bytes in the first mbuf, a direct one whose offsets and head-room are the
 * packet's, whoever refers to its bytes besides; further segments linked, pkt_len and nb_segs
 * right). Puts it on the port's transmit list, or in the neighbour's queue while ARP
 * asks. Taken in any case; a drop is counted. path may be NULL or old: routed here.
 * Where path->tx_cksum, RTE_MBUF_F_TX_TCP_CKSUM in ol_flags and the sum of the
 * pseudo-header in the segment leave the checksum to the port. tos is the octet of RFC 2474 and
 * RFC 3168 in the IP header (IPv6: Traffic Class): DSCP, and ECN in its low two bits.
 * 0, or why it was dropped: -ENETUNREACH, -EMSGSIZE, -ENOBUFS, -ENOMEM.
 *
 * A super-segment has RTE_MBUF_F_TX_TCP_SEG in ol_flags, l4_len, tso_segsz, at most NET_SUPER_SEGS
 * times that of text, a header mbuf with nothing else in it and in its checksum field the sum of
 * the pseudo-header without a length; those behind may be changed, but for their bytes. It leaves
 * as the segments it stands for (cut.h), routed once. -ENOMEM: the pool is empty, nothing of it
 * went.
 */
#define NET_HEADROOM   64 /* what a packet needs in front */
#define NET_SUPER_SEGS 64
#define NET_SUPER_MAX  (UINT16_MAX - 60) /* bytes from the L4 header on */
int net_output(struct net *n, struct rte_mbuf *m, const struct net_addr *src,
	       const struct net_addr *dst, uint8_t proto, uint8_t ttl, uint8_t tos,
	       const struct net_path *path, uint64_t now_us);

/*
 * Hands what net_output() collected to the ports and returns how many they took. What does
 * not fit waits for the next call; beyond NET_TX_MAX an interface's packets are dropped.
 */
#define NET_TX_MAX 256
unsigned int net_flush(struct net *n);
/*
 * What net_output() itself handed over because a list was full: packets and TSC cycles since
 * the last call, so that the port's cost is not counted as TCP's.
 */
struct net_flushed {
	uint64_t cycles, pkts;
};
struct net_flushed net_flushed_take(struct net *n);
/* Of all frames that were put on a list for a port. */
uint64_t net_tx_bytes(const struct net *n);
/*
 * The link of the interface went down: what is to be sent is dropped, with a counter. Or it came
 * up: addresses are announced again (once a second at most), neighbours asked with the next
 * packet to each. Links are up at first.
 */
void net_link_set(struct net *n, unsigned int iface, bool up, uint64_t now_us);
/* Since when the port has taken nothing though there is something for it; 0: it takes. */
uint64_t net_tx_stuck_us(const struct net *n, unsigned int iface);
/*
 * How many packets the interface still has room for: back-pressure for who would rather wait than
 * have them dropped.
 */
unsigned int net_tx_room(const struct net *n, unsigned int iface);
/* ARP retries, ageing, announcements. Returns work done. */
unsigned int net_timers(struct net *n, uint64_t now_us);
uint64_t net_next_timer_us(const struct net *n); /* UINT64_MAX: none */

/*
 * An ICMP error about a TCP segment that this host could have sent, by its quoted part. Whether
 * it did, and whether that is under way, is TCP's to check (RFC 5927 section 4) before it
 * believes anything.
 */
struct net_icmp {
	struct net_addr local, peer;
	uint16_t local_port, peer_port;
	uint32_t seq;
	uint32_t len; /* of the quoted IP packet, as the quote says */
	uint16_t mtu; /* not 0: the packet was too big, and this is what would have fitted */
	bool hard;    /* RFC 1122 section 4.2.3.9 */
	int err;      /* errno that says it to somebody who connects */
};
typedef void net_icmp_fn(void *arg, const struct net_icmp *e, uint64_t now_us);
/* Who is told. Before the first packet; NULL: nobody. */
void net_icmp_to(struct net *n, net_icmp_fn *fn, void *arg);

/*
 * The largest packet that reaches dst, where something smaller than the link's MTU is known:
 * else UINT16_MAX. Kept for ten minutes, for about a thousand destinations. Setting is for who
 * has proof; UINT16_MAX forgets.
 */
#define NET_PMTU_MIN_4 552 /* an MSS of 512: as small as anybody is believed (T-34) */
#define NET_PMTU_MIN_6 1280
uint16_t net_pmtu(const struct net *n, const struct net_addr *dst);
void net_pmtu_set(struct net *n, const struct net_addr *dst, uint16_t mtu);

/*
 * Several shards on one link (note.c). The first one's net owns neighbours and addresses; each
 * other one asks it by a note and keeps a copy of what it answers. Notes are lost without harm.
 */
enum net_note_kind {
	NET_NOTE_WANT = 1, /* to the first: somebody has a packet for ip */
	NET_NOTE_KNOWN,    /* to the others: it has this MAC */
	NET_NOTE_GONE,     /* nobody knows any more, or nobody answered */
	NET_NOTE_ADDR,     /* the address of ours is in this state */
};
struct net_note {
	uint8_t kind, state;
	uint16_t iface;
	struct net_addr ip;
	struct rte_ether_addr mac;
};
/* From a follower to the first, from the first to each follower. */
typedef void net_note_fn(void *arg, const struct net_note *note);
/*
 * When addresses and routes are there, before the first packet. One that is not the first does
 * not announce, claim or report anything, and is given no ARP and neighbour discovery.
 */
void net_share(struct net *n, bool first, net_note_fn *tell, void *arg);
/* A note of a shard of this process. */
void net_note_input(struct net *n, const struct net_note *note, uint64_t now_us);
/* Counts datagrams of TCP that were put together from fragments: their shard is to be looked up. */
uint64_t net_reassembled(const struct net *n);

const uint64_t *net_drops(const struct net *n); /* NET_DROP_COUNT counters */
const char *net_drop_name(enum net_drop d);
const char *net_drop_text(enum net_drop d);

#endif
