/*
 * dataplane/team.h - the shards of one dataplane and what lies between them: the ports they share,
 * the buffers, notes from one to another, bells for who sleeps.
 *
 * The first shard has what belongs to no connection (architecture: ARP and neighbour discovery,
 * addresses, links, reassembly) and sends the others what changes; they send it what they want to
 * know. Notes lie in single-producer rings; nothing here is written by two shards.
 * Lcore   team_new() and team_free() while no shard runs; what takes a place is for the shard that
 *         has that place, 0 the first.
 * Memory  pools and ports outlive the shards, so that every buffer is back before its pool goes.
 *         A team of several draws on one pair of pools: who receives for others holds no memory of
 *         theirs, and all see the same shortage.
 */
#ifndef SLUICE_DATAPLANE_TEAM_H
#define SLUICE_DATAPLANE_TEAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/net/net.h"
#include "dataplane/pkt.h"
#include "dataplane/port/port.h"
#include "dataplane/portmap.h"
#include "dataplane/spread.h"

#define TEAM_NOTES 256 /* on their way from one shard to another; a power of two */

struct conf_dataplane;
struct team;

struct team_conf {
	const struct conf_dataplane *conf;
	unsigned int shards;
	const char *name; /* of its pools: unique in the process, at most 16 characters */
};

/*
 * Connections all tables of a dataplane have places for: MaxConnections may grow to it. A place
 * that nobody took costs nothing but address space, so there is room for twice as many, and for the
 * default at least.
 */
uint32_t team_conns_room(const struct conf_dataplane *conf);

/*
 * Pools and ports as the file says. EAL runs already. -errno with a line for an operator in err,
 * and nothing left behind.
 */
int team_new(const struct team_conf *tc, struct team **ret, char *err, size_t err_size);
/* Closes the ports: a TAP goes. */
void team_free(struct team *t);

unsigned int team_shards(const struct team *t);
/* Rates that connections of all of them have in common. */
struct budgets *team_budgets(const struct team *t);
struct flights *team_flights(const struct team *t);
struct pkt_pools team_pools(const struct team *t);
const struct spread *team_spread(const struct team *t);
/* Which listeners belong to one shard alone: the copy of the shard in this place. */
struct spread_steer *team_steer(const struct team *t, unsigned int place);
unsigned int team_ports(const struct team *t);
/* Of the interface, by its index in the file. */
uint16_t team_port_of(const struct team *t, size_t iface);
/* Of a port with several interfaces, the first. */
uint16_t team_iface_of(const struct team *t, unsigned int port);
/* A port as the shard in this place has it. Borrowed: not to be closed. */
struct port team_port(const struct team *t, unsigned int port, unsigned int place);

enum team_note_kind {
	TEAM_NET = 1, /* net.h says what */
	TEAM_LINK,    /* of a port, to the others */
	TEAM_SEGMENT, /* TCP that was put together from fragments, as net_input_burst() gave it */
	TEAM_ICMP,    /* an error that came in fragments */
	TEAM_PORT,    /* about listeners of clients */
};

struct team_note {
	uint32_t kind;
	union {
		struct net_note net;
		struct net_icmp icmp;
		struct port_note port;
		struct rte_mbuf *segment; /* taken by who hears it */
		struct {
			uint16_t port;
			bool up;
		} link;
	};
};

/* Between the first shard and another one. False: the ring is full, nothing was said. */
bool team_tell(struct team *t, unsigned int from, unsigned int to, const struct team_note *note);
/* At most max notes to this place; the number. */
unsigned int team_hear(struct team *t, unsigned int place, struct team_note *note,
		       unsigned int max);

/* Readable when the shard in this place was rung for. */
int team_bell(const struct team *t, unsigned int place);
/* Before and after sleeping on the bell; look once more in between. */
void team_sleep(struct team *t, unsigned int place);
void team_wake(struct team *t, unsigned int place);
/* Something was put before these shards (bits): rings for those that sleep. */
void team_ring(struct team *t, uint64_t places);

#endif
