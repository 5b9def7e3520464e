/*
 * dataplane/port/share.h - a port that several shards use.
 *
 * A packet belongs to the shard that dataplane/spread.h says. Whoever's queue it came in by hands
 * it to that one, at most once, in bursts over a single-producer ring; a shard for which the device
 * has no transmit queue sends over such a ring by way of one that has. A shard sees none of it:
 * its struct port is one as any other.
 * Lcore   share_new() and share_free() while no shard runs; each struct port its own shard's.
 * Memory  packets in the rings are the device's or the shard's that put them there; what does not
 *         fit is freed here and counted. Each ring has one producer and one consumer, and no line
 *         of memory is written by two shards but those of packets that change hands.
 */
#ifndef SLUICE_DATAPLANE_PORT_SHARE_H
#define SLUICE_DATAPLANE_PORT_SHARE_H

#include "dataplane/port/port.h"
#include "dataplane/spread.h"

#define SHARE_RING 1024 /* packets on their way from one shard to another; a power of two */
/*
 * When a ring is nearly full it takes small packets only: acknowledgements, SYNs and what is of no
 * connection come through while one shard drowns in data (T-42).
 */
#define SHARE_RESERVE (SHARE_RING / 8)
#define SHARE_SMALL   128 /* bytes of a frame */

struct share;

struct share_conf {
	unsigned int shards;
	const struct spread *spread; /* of as many; borrowed */
	/* [shards], each that one's own: looked at before the spread. Borrowed; NULL: none. */
	struct spread_steer *const *steer;
	/* The queue pairs of an open port, borrowed for the call; shard i has the i-th, if any. */
	const struct port *queue;
	uint16_t queues; /* pairs; at least 1, at most shards */
	bool rss;        /* the port spreads by the same key and table */
	int socket;
};

/* 0 or -errno. */
int share_new(const struct share_conf *conf, struct share **ret);
void share_free(struct share *sh);

/* What the shard works with. Its queue is PORT_NO_QUEUE where it receives only from others. */
struct port share_port(struct share *sh, unsigned int shard);

/*
 * Sends what others sent by way of this shard, once a turn. Returns how many; what the queue does
 * not take waits.
 */
unsigned int share_carry(struct port *p);
/* Shards, as bits, that something was put before since the last call: whoever sleeps is woken. */
uint64_t share_given(struct port *p);
/* Packets that this shard took from its queue for others since the last call. */
unsigned int share_moved(struct port *p);
/* What others send by way of this shard waits for its queue. */
bool share_waits(const struct port *p);

#endif
