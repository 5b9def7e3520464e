/*
 * dataplane/spread.h - which shard a packet belongs to.
 *
 * Source  Microsoft, "RSS Hashing Functions": the Toeplitz hash over source address, destination
 *         address, source port, destination port, and its indirection table, as NICs have them.
 * Units   ports in host order where an argument is a number; addresses as on the wire.
 * Lcore   any: a struct spread is made once, before the shards, and only read from then on, so that
 *         it may be shared. A struct spread_steer is its shard's own copy.
 * Memory  the caller's. Packets are borrowed.
 *
 * A port that can spread is given this key and this table (port.h), so what it does in hardware is
 * what is computed here for one that cannot. The key is random, made once per start: whoever knows
 * a key can choose flows that all belong to one shard (T-42), and the well-known one is known.
 *
 * A flow is named as its packets arrive: src is the peer, dst is ours.
 */
#ifndef SLUICE_DATAPLANE_SPREAD_H
#define SLUICE_DATAPLANE_SPREAD_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "dataplane/pkt.h"

#define SPREAD_KEY_LEN    40    /* 36 bytes of addresses and ports, and the 32 bits of the hash */
#define SPREAD_ENTRIES    128   /* of the table; a power of two */
#define SPREAD_SHARDS_MAX 64    /* so that each has two of them */
#define SPREAD_STEER_MAX  61440 /* 60,000 listeners, and some that end */
#define SPREAD_PORTS      65536
#define SPREAD_FLOW_MAX   36

struct spread {
	uint8_t shards;
	uint8_t shard[SPREAD_ENTRIES]; /* the table; entry 0 is the first shard's */
	uint8_t key[SPREAD_KEY_LEN];
	/* The hash is linear (its parts are XORed): what a byte of the flow adds to the entry. */
	uint8_t part[SPREAD_FLOW_MAX][256];
};

/*
 * For 1 to SPREAD_SHARDS_MAX shards. key: SPREAD_KEY_LEN bytes, or NULL: random ones. 0; -EINVAL:
 * so many shards are not possible, or a key that leaves entries without a port; -EIO: no
 * random numbers.
 */
int spread_init(struct spread *sp, unsigned int shards, const uint8_t *key);

/* The hash as NICs compute it. For tests and tools: a packet's way has spread_entry(). */
uint32_t spread_hash4(const struct spread *sp, const uint8_t src[4], const uint8_t dst[4],
		      uint16_t sport, uint16_t dport);
uint32_t spread_hash6(const struct spread *sp, const uint8_t src[16], const uint8_t dst[16],
		      uint16_t sport, uint16_t dport);

/* The hash modulo SPREAD_ENTRIES. */
unsigned int spread_entry(const struct spread *sp, const struct net_addr *src,
			  const struct net_addr *dst, uint16_t sport, uint16_t dport);

/*
 * The entry of a flow of which only the local port is still to be chosen: base is
 * spread_entry() with a dport of 0. Two loads, for who looks for a port that comes home.
 */
static inline unsigned int spread_entry_dport(const struct spread *sp, unsigned int base,
					      uint8_t family, uint16_t dport)
{
	unsigned int at = family == 4 ? 10 : 34;

	return base ^ sp->part[at][dport >> 8] ^ sp->part[at + 1][dport & 0xff];
}

/*
 * Listeners that belong to the shard of the connection that made them: looked at before the
 * table. The first shard says what stands in it and sends each change to the others. A port from
 * which some shard may have a connection (TCP_PORT_MIN and above) is to be asked for at all shards
 * first, or the packets of that connection go astray. Memory of zeroes is an empty table; what no
 * listener used was never touched (table.h).
 */
struct spread_steer {
	unsigned int n;
	uint16_t free;                /* index + 1, as all here */
	uint16_t fresh;               /* entries that were ever used */
	uint16_t first[SPREAD_PORTS]; /* of a port: packets to any other cost one load */
	struct spread_steer_entry {
		struct net_addr addr;
		uint16_t next;
		uint8_t shard;
	} e[SPREAD_STEER_MAX];
};

/* addr as in tcp_listen(): of family 0, any; zeros, any of the family. 0, -EEXIST, -ENOSPC. */
int spread_steer_add(struct spread_steer *st, const struct net_addr *addr, uint16_t port,
		     uint8_t shard);
/* 0 or -ENOENT. */
int spread_steer_del(struct spread_steer *st, const struct net_addr *addr, uint16_t port);
/* The nearest one's shard, or -ENOENT. A scope is not looked at. */
int spread_steer_find(const struct spread_steer *st, const struct net_addr *addr, uint16_t port);

enum spread_class {
	SPREAD_OTHER,      /* of no connection, or unreadable: the first shard's */
	SPREAD_FRAGMENT,   /* the first shard puts it together, and looks again */
	SPREAD_TCP,        /* of the flow */
	SPREAD_ICMP_ERROR, /* about a packet of ours: of the flow that it quotes */
};

struct spread_pkt {
	uint8_t class; /* enum spread_class; what follows, of the last two only */
	uint8_t entry;
	uint16_t dport;
	struct net_addr dst;
};

/*
 * Reads an Ethernet frame, with or without one 802.1Q tag. Any bytes, in any number of mbufs;
 * checksums are not looked at.
 */
void spread_read(const struct spread *sp, const struct rte_mbuf *m, struct spread_pkt *ret);

/* Whose a frame is. st may be NULL. */
unsigned int spread_owner_read(const struct spread *sp, const struct spread_steer *st,
			       const struct rte_mbuf *m);

/*
 * The same for one more thing known: rss says that the port has our key (port->rss), so that its
 * hash, where the mbuf has one of TCP, is ours.
 */
static inline unsigned int spread_owner(const struct spread *sp, const struct spread_steer *st,
					const struct rte_mbuf *m, bool rss)
{
	const uint32_t type = RTE_PTYPE_L4_MASK | RTE_PTYPE_TUNNEL_MASK;

	if (rss && (m->ol_flags & RTE_MBUF_F_RX_RSS_HASH) != 0 &&
	    (m->packet_type & type) == RTE_PTYPE_L4_TCP && (st == NULL || st->n == 0))
		return sp->shard[m->hash.rss % SPREAD_ENTRIES];
	return spread_owner_read(sp, st, m);
}

/* Of a flow, as of one that was put together from fragments. */
unsigned int spread_owner_flow(const struct spread *sp, const struct spread_steer *st,
			       const struct net_addr *src, const struct net_addr *dst,
			       uint16_t sport, uint16_t dport);

#endif
