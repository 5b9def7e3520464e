/*
 * control/turns.h - whose work is done next: sources take turns.
 *
 * An exchange costs us up to twenty milliseconds (a group of 8192 bits), the hash of a password
 * more than that, and its client next to nothing: who sends many (CVE-2002-20001) would have all
 * others wait behind them. Each source has a queue of its own, and the next one is the first of the
 * source that has waited longest; a source alone is held up by nothing.
 *
 * Sources share TURNS_QUEUES queues by a hash nobody outside knows: some meet, and wait for each
 * other as they would have without.
 * Memory  the caller's, zeroed; the entries are the callers', too.
 * Thread  one at a time.
 */
#ifndef SLUICE_CONTROL_TURNS_H
#define SLUICE_CONTROL_TURNS_H

#include <stdbool.h>
#include <stdint.h>

#include "control/sources.h"

#define TURNS_QUEUES 256

struct turn {
	struct turn *next;
};

struct turns_queue {
	struct turn *head, *last;
	unsigned int waiting;
	struct turns_queue *next; /* whose turn is after this one's */
};

struct turns {
	bool drawn;
	uint64_t factor[5]; /* of the hash */
	unsigned int waiting;
	struct turns_queue *first, *last; /* those that are not empty */
	struct turns_queue queue[TURNS_QUEUES];
};

/* Behind the others of its source. -EIO: no randomness for the hash; it is not taken. */
int turns_add(struct turns *t, const struct source *from, struct turn *turn)
	__attribute__((warn_unused_result));
/* The next one; NULL: nobody waits. */
struct turn *turns_take(struct turns *t);
/*
 * The next one that may go by what may() says; who may not keeps his place. NULL: nobody may.
 */
struct turn *turns_take_if(struct turns *t, bool (*may)(const struct turn *turn, void *arg),
			   void *arg);
/* Gives up its place. False: it has none. */
bool turns_remove(struct turns *t, const struct source *from, struct turn *turn);
/* How many of this source wait, and of those it shares a queue with. */
unsigned int turns_waiting(struct turns *t, const struct source *from);
/* How many go before one of this source that comes now. */
unsigned int turns_ahead(struct turns *t, const struct source *from);

#endif
