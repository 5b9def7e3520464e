/*
 * dataplane/net/internal.h - what the files of net/ share.
 *
 *   net.c      interfaces, Ethernet in and out, the clock     ip4.c    IPv4 headers
 *   addr.c     which addresses are ours, or nobody's          ip6.c    IPv6 headers
 *   route.c    longest prefix                                 icmp.c   ICMP
 *   neigh.c    who has which MAC, of either family            icmp6.c  ICMPv6
 *   arp.c      ARP messages                                   mld.c    groups, for switches
 *   nd.c       neighbour discovery messages               link.c   links down and up
 *   vlan.c     802.1Q tags                            cut.c    super-segments (cut.h)
 *   note.c     what shards of one link tell each other
 *
 * Addresses and masks are in network order throughout.
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

#include "dataplane/net/frag.h"
#include "dataplane/net/net.h"

#define NET_IFACE_NAME_MAX  31
#define NET_IFACE_ADDRS_MAX 8
#define NET_ROUTES_MAX      256
#define NET_NEIGH_MAX       65536
#define NET_NEIGH_QUEUE     3 /* packets that wait for one neighbour (RFC 1122 2.3.2.2: >= 1) */
#define NET_ANNOUNCEMENTS   2 /* RFC 5227 1.1: ANNOUNCE_NUM, ANNOUNCE_INTERVAL */
#define NET_ANNOUNCE_US     (2 * 1000000u)
#define NET_DEFEND_US       (10 * 1000000u) /* RFC 5227 1.1: DEFEND_INTERVAL */
#define NET_DAD_US          1000000u        /* RFC 4861 10: RETRANS_TIMER, asked once */
#define NET_DAD_RETRY_US    (30 * 1000000u) /* an address another had is tried again after */
#define NET_ND_NONCE        6
#define NET_ICMP_RATE       1000 /* answers per second */
#define NET_ICMP_BURST      100
#define NET_TX_RETRY_US     100 /* a port that took nothing is tried again after */

/* An address or a mask as words, for comparing; of IPv4 the first half of the first one. */
struct net_words {
	uint64_t w[2];
};

/* RFC 4862 2: an address of IPv6 is tentative until nobody else was found to have it. */
enum net_addr_state { NET_ADDR_READY, NET_ADDR_TENTATIVE, NET_ADDR_DUPLICATE };

struct net_ifaddr {
	struct net_addr addr;
	struct net_words mask;
	uint8_t state;         /* enum net_addr_state */
	uint8_t told;          /* the state others were told; note.c */
	bool asked;            /* tentative: the question is out */
	uint64_t announce_us;  /* when due */
	uint64_t announced_us; /* last time; 0: never */
	uint64_t defended_us;  /* last time another host claimed it */
	uint8_t len;
	uint8_t announce; /* announcements still to be sent */
};

/* Reports that are due: of a change, and the answer to a query. */
struct net_mld {
	uint64_t change_us, answer_us;
	uint8_t left;
	bool asked;
};

struct net_iface {
	struct port *port;
	struct rte_ether_addr mac;
	uint16_t mtu;
	uint16_t vlan; /* its tag; 0: none */
	uint16_t n_addrs, n_tx;
	bool down;         /* the link */
	uint64_t stuck_us; /* since when the port takes nothing; 0: it takes */
	struct net_ifaddr addr[NET_IFACE_ADDRS_MAX];
	struct net_mld mld;
	struct rte_mbuf *tx[NET_TX_MAX];
	char name[NET_IFACE_NAME_MAX + 1];
};

struct net_route_entry {
	struct net_words prefix, mask;
	struct net_addr via; /* family 0: the destination is on the link */
	struct net_addr src;
	uint16_t iface;
	uint8_t len;
};

/* Of one family; sorted, longest prefix first. */
struct net_routes {
	struct net_route_entry e[NET_ROUTES_MAX];
	unsigned int n;
};

enum neigh_state {
	NEIGH_FREE,
	NEIGH_IDLE,       /* a gateway nobody needed yet */
	NEIGH_INCOMPLETE, /* asked everybody; packets wait */
	NEIGH_REACHABLE,  /* or RFC 4861's STALE, when that was long ago */
	NEIGH_DELAY,      /* IPv6: stale and needed; asked a little later (RFC 4861 7.3.3) */
	NEIGH_PROBE,      /* asked it alone whether it is still there; its old MAC is used */
};

struct neigh {
	uint32_t next; /* in its bucket or the free list; NEIGH_NONE ends */
	uint16_t iface;
	struct net_addr ip;
	uint8_t state;
	uint8_t asked; /* requests sent in this state */
	uint8_t queued;
	bool gateway; /* never given up */
	bool new;     /* asked for and never seen: in the list of those */
	struct rte_ether_addr mac;
	uint32_t new_prev, new_next; /* in that list; NEIGH_NONE ends */
	uint64_t confirmed_us;       /* 0: it was never there */
	uint64_t used_us;            /* for the last time; of one that is asked for, the first */
	uint64_t due_us;
	struct rte_mbuf *queue[NET_NEIGH_QUEUE]; /* from their IP header on */
};
#define NEIGH_NONE UINT32_MAX

/* Askers that share a place share what it may ask. */
#define NET_ASKERS 256

struct net {
	const struct pkt_pools *pools;
	uint64_t now_us; /* of the latest call */
	uint64_t drops[NET_DROP_COUNT];
	struct net_flushed flushed;
	uint64_t tx_bytes;

	struct net_iface iface[NET_IFACES_MAX];
	unsigned int n_ifaces;

	struct net_routes routes4, routes6;
	uint32_t routes_version;

	struct neigh *neigh;
	uint32_t *neigh_bucket;
	uint32_t neigh_max, neigh_mask, neigh_free, neigh_incomplete;
	uint32_t neigh_new_head, neigh_new_tail; /* asked for and never seen, the first first */
	uint32_t neigh_seed;
	uint32_t neigh_hand;           /* where a place is looked for next */
	uint64_t neigh_due_us;         /* the earliest due_us or earlier */
	uint64_t asker_us[NET_ASKERS]; /* up to here what each asked is paid for */

	struct frag_table *frags;
	bool no_fragments;
	struct pmtu_cache *pmtu;

	net_note_fn *note_fn; /* NULL: the only shard of its links */
	void *note_arg;
	bool follower;    /* of the first shard's net */
	uint64_t note_us; /* when all is told again */
	uint64_t reassembled;

	net_icmp_fn *icmp_fn;
	void *icmp_arg;

	uint8_t nd_nonce[NET_ND_NONCE]; /* of our questions whether an address is free */
	uint64_t mld_rng;

	uint64_t icmp_credit_us; /* bucket, in time: grows to NET_ICMP_BURST answers' worth */
	uint64_t icmp_last_us;
};

static inline rte_be32_t net_v4(const struct net_addr *a)
{
	rte_be32_t v;

	memcpy(&v, a->b, sizeof(v));
	return v;
}

/* In words of the size in which addresses are read again soon after: smaller ones would stall that.
 */
static inline void net_v4_set(struct net_addr *a, rte_be32_t v)
{
	const uint64_t w[2] = {v, 0}; /* little endian */

	a->family = 4;
	a->scope = 0;
	memset(a->pad, 0, sizeof(a->pad));
	memcpy(a->b, w, sizeof(w));
}

static inline struct net_addr net_v4_addr(rte_be32_t v)
{
	struct net_addr a;

	net_v4_set(&a, v);
	return a;
}

static inline struct net_words net_words(const struct net_addr *a)
{
	struct net_words w;

	memcpy(w.w, a->b, sizeof(w.w));
	return w;
}

static inline struct net_words net_words_and(struct net_words a, struct net_words b)
{
	return (struct net_words){{a.w[0] & b.w[0], a.w[1] & b.w[1]}};
}

static inline bool net_words_eq(struct net_words a, struct net_words b)
{
	return ((a.w[0] ^ b.w[0]) | (a.w[1] ^ b.w[1])) == 0;
}

/* Do the bits of a under mask stand in prefix, and no others? */
static inline bool net_match(struct net_words a, struct net_words prefix, struct net_words mask)
{
	return (((a.w[0] & mask.w[0]) ^ prefix.w[0]) | ((a.w[1] & mask.w[1]) ^ prefix.w[1])) == 0;
}

static inline unsigned int net_bits(uint8_t family)
{
	return family == 4 ? 32 : 128;
}

static inline uint16_t net_ip_hdr_len(uint8_t family)
{
	return family == 4 ? sizeof(struct rte_ipv4_hdr) : sizeof(struct rte_ipv6_hdr);
}

static inline const struct net_routes *net_routes_of(const struct net *n, uint8_t family)
{
	return family == 4 ? &n->routes4 : &n->routes6;
}

/* Counts and frees. */
void net_drop(struct net *n, struct rte_mbuf *m, enum net_drop why);
/* A frame with its Ethernet header onto the transmit list. Taken. */
int net_tx(struct net *n, struct net_iface *ifc, struct rte_mbuf *m);
/* Puts the Ethernet header before m and sends it. Taken. */
int net_eth_output(struct net *n, struct net_iface *ifc, struct rte_mbuf *m,
		   const struct rte_ether_addr *dst, uint16_t ethertype);

/* addr.c */
extern const struct net_addr net_all_nodes;
struct net_words net_mask(unsigned int len);
/* fe80::/64: what else is in fe80::/10 must be zero (RFC 4291 2.5.6). */
bool net_v6_is_link_local(const struct net_addr *a);
struct net_addr net_solicited_node(const struct net_addr *a);      /* RFC 4291 2.7.1 */
struct rte_ether_addr net_group_mac(const struct net_addr *group); /* RFC 2464 7 */
/* Is it an address of this interface? NULL: no. */
struct net_ifaddr *net_iface_addr(struct net_iface *ifc, const struct net_addr *a);
/* Not one host: this network, loopback, multicast, reserved, limited broadcast. */
bool net_addr_is_special(const struct net_addr *a);
bool net_v4_is_special(rte_be32_t ip);
/* IPv4: the broadcast address of one of our networks, or its all-zeros form. */
bool net_is_subnet_broadcast(const struct net_iface *ifc, const struct net_addr *a);
/*
 * The address to speak to a neighbour, or by way of this interface, from: of the same scope, and
 * of the longest common prefix (RFC 6724 5, rules 2 and 8). Of IPv4 one of its own network, or the
 * first. NULL: none that is ready.
 */
const struct net_addr *net_addr_towards(const struct net_iface *ifc, const struct net_addr *a);
/* Another host claims it (RFC 5227 2.4 (b)): says once that it is ours, not again for a while. */
void net_addr_defend(struct net *n, struct net_ifaddr *a);
/* Announces all again, as fast as RFC 5227 lets. */
void net_addr_link_up(struct net *n, struct net_iface *ifc);
/* Announcements that are due. Returns work done. */
unsigned int net_addr_timers(struct net *n);
uint64_t net_addr_next_us(const struct net *n);

/* route.c */
const struct net_route_entry *net_route_find(const struct net *n, const struct net_addr *dst);
int net_route_insert(struct net *n, uint8_t family, const struct net_route_entry *e);

/*
 * ip4.c: a frame, which may still be somebody else's to change. True: a TCP packet for us,
 * cut and filled in (*m may be another mbuf then); false: taken.
 */
bool ip4_input(struct net *n, unsigned int iface, struct rte_mbuf **m);
/* Puts the header before the L4 header. */
void ip4_header(struct rte_mbuf *m, rte_be32_t src, rte_be32_t dst, uint8_t proto, uint8_t ttl,
		uint8_t tos);

/* pmtu.c */
int pmtu_init(struct net *n);
void pmtu_fini(struct net *n);

/*
 * icmp_error.c: m starts at the header of an ICMP or ICMPv6 error, its checksum proved; it was
 * sent to dst. Taken.
 */
void icmp_error_input(struct net *n, struct rte_mbuf *m, const struct net_addr *dst);
/* The first len bytes of it. COUNT, or why it is worth nothing with *ret untouched. */
enum net_drop icmp_error_parse(uint8_t family, const uint8_t *p, size_t len, struct net_icmp *ret);

/* Makes *mp, a frame, the IP packet alone of len bytes, its first mbuf ours to change. */
bool net_own(struct net *n, struct rte_mbuf **mp, uint32_t len);

/* ip6.c: what the layers above want to know of a packet. */
struct ip6_packet {
	struct net_addr src, dst;
	uint32_t len; /* with its headers */
	uint16_t iface;
	uint8_t hop_limit, proto, ecn;
	bool router_alert; /* RFC 2711 */
	bool reassembled;  /* it came in fragments */
};

/* As ip4_input(). */
bool ip6_input(struct net *n, unsigned int iface, struct rte_mbuf **m);
void ip6_header(struct rte_mbuf *m, const struct net_addr *src, const struct net_addr *dst,
		uint8_t proto, uint8_t hop_limit, uint8_t tos);
/* From bytes; a link-local one is of the interface. */
struct net_addr ip6_addr(const uint8_t *b, unsigned int iface);

/* icmp6.c: m starts at the ICMPv6 header and ends with it. Taken. */
void icmp6_input(struct net *n, struct rte_mbuf *m, const struct ip6_packet *p);
/* Answers a frame with an error, where RFC 4443 2.4 wants one. Borrowed. */
void icmp6_error(struct net *n, const struct rte_mbuf *frame, const struct ip6_packet *p,
		 uint8_t type, uint8_t code, uint32_t pointer);
/* Fills in the checksum of a message that starts at m. */
void icmp6_seal(struct rte_mbuf *m, const struct net_addr *src, const struct net_addr *dst);

/* nd.c: m starts at the ICMPv6 header, checksum right. Taken. */
void nd_input(struct net *n, struct rte_mbuf *m, const struct ip6_packet *p);
/* As arp_ask() and arp_announce(). */
void nd_ask(struct net *n, struct net_iface *ifc, const struct net_addr *ip,
	    const struct rte_ether_addr *to);
void nd_announce(struct net *n, struct net_iface *ifc, const struct net_addr *a);
/* Does another host have a, which we want? */
void nd_probe(struct net *n, struct net_iface *ifc, const struct net_addr *a);

/* mld.c: m as nd_input()'s. Taken. */
void mld_input(struct net *n, struct rte_mbuf *m, const struct ip6_packet *p);
/* Its addresses changed, or its link: reported from report_us on. */
void mld_changed(struct net_iface *ifc, uint64_t report_us);
unsigned int mld_timers(struct net *n);
uint64_t mld_next_us(const struct net *n);

/* icmp.c: may one more be sent? */
bool icmp_rate_ok(struct net *n);
/* icmp.c: m starts at the ICMP header and ends with it. Taken. */
void icmp4_input(struct net *n, struct rte_mbuf *m, rte_be32_t src, rte_be32_t dst);

/* neigh.c */
int neigh_init(struct net *n, unsigned int max);
void neigh_fini(struct net *n);
/* Reserves the gateway's entry. 0 or -ENOSPC. */
int neigh_add_gateway(struct net *n, unsigned int iface, const struct net_addr *ip);
/* m starts at its IP header. Taken: sent, queued or dropped. asker: of struct net_path. */
int neigh_output(struct net *n, unsigned int iface, const struct net_addr *ip, uint16_t asker,
		 struct rte_mbuf *m);
/*
 * ip is said to have this MAC (NULL: the one we know). reply: by an answer to us, as far as can
 * be told. False: it was said without being asked, and is not believed; the one we know is
 * asked again.
 */
bool neigh_heard(struct net *n, unsigned int iface, const struct net_addr *ip,
		 const struct rte_ether_addr *mac, bool reply);
unsigned int neigh_timers(struct net *n);
/* Who was known is asked with the next packet; who is asked is asked at once. */
void neigh_link_up(struct net *n, unsigned int iface);

/* Another shard has a packet for it. */
void neigh_wanted(struct net *n, unsigned int iface, const struct net_addr *ip);
/* The first shard says who has it; NULL: nobody. */
void neigh_told(struct net *n, unsigned int iface, const struct net_addr *ip,
		const struct rte_ether_addr *mac);

/* note.c; the first does nothing when there are no other shards. */
void net_note_neigh(struct net *n, enum net_note_kind kind, unsigned int iface,
		    const struct net_addr *ip, const struct rte_ether_addr *mac);
void net_note_timers(struct net *n);

/* vlan.c */
/*
 * A frame with a tag, or of a port with tags, whose header is *h: gives the interface it is for,
 * and the frame and its header without the tag. False: taken.
 */
bool vlan_input(struct net *n, unsigned int *iface, struct rte_mbuf **m, struct rte_ether_hdr *h);
/* Puts the header with the interface's tag before m, or leaves the tag to the port. */
void vlan_output(const struct net_iface *ifc, struct rte_mbuf *m, const struct rte_ether_hdr *h);

/* arp.c */
/* A frame. Taken. */
void arp_input(struct net *n, unsigned int iface, struct rte_mbuf *m);
/* Asks who has ip: everybody, or the one that is said to. */
void arp_ask(struct net *n, struct net_iface *ifc, const struct net_addr *ip,
	     const struct rte_ether_addr *to);
/* Tells everybody that a is ours (RFC 5227). */
void arp_announce(struct net *n, struct net_iface *ifc, const struct net_addr *a);

#endif
