/*
 * dataplane/relay/flight.h - bytes in flight of all connections of a user, of a source, on
 * whichever shard: how much they have together, and at most (MaxBytesInFlightPerUser,
 * ...PerSource).
 *
 * Who wants more asks with one atomic operation, when a window is made or becomes larger, once in a
 * round trip at most; so the sum is exact with any number of shards. Nobody asks per packet, and
 * control, which names key and bound at a login, may die.
 *
 * Lcore   any; flight_of() and flight_leave() take a lock, at login and at the end of a connection.
 * Memory  tables for the process.
 */
#ifndef SLUICE_DATAPLANE_RELAY_FLIGHT_H
#define SLUICE_DATAPLANE_RELAY_FLIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include "link/msg.h"

struct flight;
struct flights;

/* With room for the users and the sources of so many connections. */
int flights_new(uint32_t conns, struct flights **ret);
void flights_free(struct flights *all); /* NULL is nothing */

/*
 * That of the key, from now on with this bound. Those for whom there is no place, because others
 * outlive their connections, have one together, at the least bound of any of them: nobody has more
 * for it than in a place and in that one. To be left, with nothing taken.
 */
struct flight *flight_of(struct flights *all, enum link_flight_group kind,
			 const struct link_bound *to);
bool flight_is_shared(const struct flight *f); /* it is that one */
/* One more, who leaves it by himself. */
void flight_hold(struct flights *all, struct flight *f);
void flight_leave(struct flights *all, enum link_flight_group kind, struct flight *f);

uint64_t flight_left(const struct flight *f);
/* All of n, or false and nothing. */
bool flight_take(struct flight *f, uint64_t n);
/* What is there already, whatever the bound. */
void flight_add(struct flight *f, uint64_t n);
void flight_give(struct flight *f, uint64_t n);

/* A look at all of a kind, some at a time: what the one has that has most, and may have. */
struct flight_look {
	uint32_t next;
	uint64_t used, max;         /* as of the last time that all were seen */
	uint64_t now_used, now_max; /* of those seen since */
};
void flights_look(const struct flights *all, enum link_flight_group kind, struct flight_look *l);

#endif
