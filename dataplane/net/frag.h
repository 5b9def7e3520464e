/*
 * dataplane/net/frag.h - reassembly of datagrams of either family, within limits.
 *
 * Source  RFC 791 section 3.2, RFC 815, RFC 1122 section 3.3.2; RFC 8200 section 4.5, RFC 5722
 *         (overlaps), RFC 6946 (atomic fragments); RFC 1858, RFC 3128 (tiny fragments); RFC 3168
 *         section 5.3 (ECN); RFC 8900 (what reassembly is worth).
 * Units   bytes; offsets of the datagram's payload (what is behind the IPv4 header, or behind
 *         the fragment header).
 * Lcore   the shard's; no locks, nothing is allocated after net_new().
 * Memory  fragments of unfinished datagrams are kept as they came: at most FRAG_MBUFS_MAX mbufs
 *         (a small pool: a 32nd of it) in FRAG_ENTRIES datagrams, FRAG_SOURCE_MAX of one source,
 *         each for FRAG_TIME_US. Who comes last is served, the oldest gives way: of the same
 *         source where that has its share, else of all.
 *
 * Nothing Sluice serves needs fragments: a TCP peer knows the MSS, and finds the path's MTU. They
 * come from tunnels on the way that cut what we were sent, and from attackers.
 */
#ifndef SLUICE_DATAPLANE_NET_FRAG_H
#define SLUICE_DATAPLANE_NET_FRAG_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/pkt.h"

#define FRAG_ENTRIES    256
#define FRAG_SOURCE_MAX 16 /* datagrams of one IPv4 address or IPv6 /64 */
#define FRAG_PIECES_MAX 64 /* a 1500-byte datagram over the smallest path of RFC 791 has 31 */
#define FRAG_MBUFS_MAX  4096
#define FRAG_POOL_PART  32
/*
 * RFC 1122 section 3.3.2 and RFC 8200 say a minute or two; that is how long an attacker's
 * fragments would sit in the place of others. What belongs together comes within a round trip.
 */
#define FRAG_TIME_US (15 * 1000000u)

struct net;

/* One fragment, from the IP header of its family. */
struct frag {
	struct net_addr src, dst;
	uint32_t id;
	uint32_t off; /* of its first byte */
	uint32_t max; /* what the payload may be long at most: 65535 less IPv4's header */
	uint16_t iface;
	uint8_t proto; /* IPv6: next header of the fragment header */
	uint8_t ecn;
	bool more;
};

int frag_init(struct net *n);
void frag_fini(struct net *n);

/*
 * m starts at the fragment's payload, ends with it and is writable. Taken. NULL, or the
 * datagram's payload, writable in its first mbuf, checksums unknown to the port; f->proto and
 * f->ecn are then the datagram's.
 */
struct rte_mbuf *frag_input(struct net *n, struct frag *f, struct rte_mbuf *m);

unsigned int frag_timers(struct net *n);
uint64_t frag_next_us(const struct net *n); /* UINT64_MAX: none */

#endif
