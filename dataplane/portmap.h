/*
 * dataplane/portmap.h - which shard has which listener of a client's, over all shards.
 *
 * A listener lies on the shard of its connection; what comes to its port anywhere is steered there
 * (spread.h). The first shard keeps the map: a shard asks it, it has all of them hold the port, so
 * that no connect takes it and nobody who has a connection from it loses packets; then all steer;
 * then who asked is answered. Nothing is lost: what has no room on a ring is said again by
 * portmap_poll().
 *
 * Lcore   the first shard's. Pure: what goes to others goes through the caller's tell().
 * Memory  the caller's.
 */
#ifndef SLUICE_DATAPLANE_PORTMAP_H
#define SLUICE_DATAPLANE_PORTMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/pkt.h"
#include "dataplane/spread.h"

#define PORTMAP_MAX SPREAD_STEER_MAX
/* Ports a request for any is answered with (RFC 6335 section 6), and how many are tried. */
#define PORTMAP_DYNAMIC_MIN 49152
#define PORTMAP_TRIES       256
/* Entries with something to say that a turn looks at. */
#define PORTMAP_TURN 256

enum port_note_kind {
	/* to the first shard */
	PORT_ASK = 1, /* addr, port (0: any), place, slot */
	PORT_HELD,    /* entry, place, err */
	PORT_TAKEN,   /* entry, place, err */
	PORT_GIVE,    /* entry */
	/* from it; HOLD and TAKE are answered */
	PORT_HOLD,   /* entry, addr, port, place: whose it will be */
	PORT_TAKE,   /* the same: steer it there */
	PORT_DROP,   /* entry, addr, port: neither any more */
	PORT_ANSWER, /* entry, slot, port, err: to who asked */
};

struct port_note {
	uint8_t kind, place;
	uint16_t port;
	uint32_t entry, slot;
	int32_t err;
	struct net_addr addr; /* of family 0: any */
};

struct portmap_entry {
	struct net_addr addr;
	uint16_t port, tries; /* left */
	uint8_t state;        /* 0: free */
	uint8_t place;
	bool any_port;
	bool listed, waits;  /* among those of its port; in the queue */
	uint16_t prev, next; /* of its port, or free: index + 1 */
	uint16_t queue;      /* behind it in the queue */
	int err;             /* said to who asked */
	uint32_t slot;       /* of who asked */
	uint64_t unsaid;     /* shards that have not been told, as bits */
	uint64_t unheard;
};

struct portmap {
	unsigned int shards;
	uint32_t random;      /* where ports are sought */
	uint32_t end;         /* behind the last that was ever used */
	uint32_t busy;        /* entries that are under way */
	uint16_t free;        /* index + 1, as the next three */
	uint16_t first, last; /* the queue of those with something unsaid */
	/* To a shard, the first one included. False: there is no room now. */
	bool (*tell)(void *arg, unsigned int to, const struct port_note *n);
	/* Would the first shard itself have it? */
	bool (*is_free)(void *arg, const struct net_addr *addr, uint16_t port);
	void *arg;
	uint16_t of[SPREAD_PORTS]; /* the first of a port */
	struct portmap_entry entry[PORTMAP_MAX];
};

/* m is all zeroes (table.h). The functions and arg are set by the caller. */
void portmap_init(struct portmap *m, unsigned int shards, uint32_t random);
/* A note for the first shard. False, of PORT_ASK alone: the map is full. */
bool portmap_hear(struct portmap *m, const struct port_note *n);
/* Says what had no room. Number of notes. */
unsigned int portmap_poll(struct portmap *m);
/*
 * The next of the dynamic ports that is free by is_free(); *seek goes round. 0: none of
 * PORTMAP_TRIES.
 */
uint16_t portmap_choose(uint32_t *seek, bool (*is_free)(void *, const struct net_addr *, uint16_t),
			void *arg, const struct net_addr *addr);

#endif
