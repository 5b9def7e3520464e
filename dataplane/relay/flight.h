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

#define FLIGHTS_MAX 65536 /* of users, and as many of sources; a power of two */

struct flight;
struct flights;

int flights_new(struct flights **ret);
void flights_free(struct flights *all); /* NULL is nothing */

/* That of the key, from now on with this bound; NULL: too many are in use. To be left, with
 * nothing taken. */
struct flight *flight_of(struct flights *all, enum link_flight_group kind,
			 const struct link_bound *to);
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
