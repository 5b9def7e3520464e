/*
 * control/session/tally.h - how many of something a connection, a user, a source has.
 *
 * A source is the network PerSourceNetBlockSize made of the address when it was asked.
 * Thread  the loop's. Memory  an entry for each who has any.
 */
#ifndef SLUICE_CONTROL_SESSION_TALLY_H
#define SLUICE_CONTROL_SESSION_TALLY_H

#include <stddef.h>
#include <stdint.h>

#include "control/index.h"

struct listener;
struct session;
struct session_env;

/* What is counted, and of whom: listeners, channels, who is logged in. */
enum tally_of {
	TALLY_CONNECTION,
	TALLY_USER,
	TALLY_SOURCE,
	TALLY_USER_CHANNELS,
	TALLY_SOURCE_CHANNELS,
	TALLY_USER_CONNECTIONS,
	TALLY_SOURCE_CONNECTIONS,
	TALLY_KINDS
};
#define TALLIES 3 /* of a listener */

/* How many somebody has. */
struct tally {
	struct index_node node;
	uint32_t n;
	uint8_t of;             /* enum tally_of */
	struct listener *first; /* TALLY_CONNECTION: its listeners, the newest first */
	size_t len;
	uint8_t name[]; /* whose it is */
};

/* NULL: there are none. */
struct tally *tally_find(const struct session *s, enum tally_of of);
uint32_t tally_n(const struct session *s, enum tally_of of);
/* One more; NULL: no memory. */
struct tally *tally_add(const struct session *s, enum tally_of of);
/* One more of one that is there; NULL is nothing. */
void tally_more(struct session_env *env, struct tally *t);
/* One less; NULL is nothing. */
void tally_sub(struct session_env *env, struct tally *t);
/* What bytes are found by in an index; of: which kind of them. */
uint64_t tally_key(unsigned int of, const void *p, size_t len);

#endif
