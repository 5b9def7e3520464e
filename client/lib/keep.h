/*
 * client/lib/keep.h - a connection that is begun again when it breaks, and what the server
 * listens on for it asked for again: stay.h says when, for the connection and for each forward.
 *
 * Locks  that of the connection.
 */
#ifndef SLUICE_CLIENT_LIB_KEEP_H
#define SLUICE_CLIENT_LIB_KEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "client/lib/stay.h"

struct sluice;
struct forward;

/* Has it one, whether or not it was started? */
bool keep_made(const struct sluice *s);
/* Is the connection kept up now? */
bool keep_on(const struct sluice *s);
/* Does what is due. True: something was done. */
bool keep_turn(struct sluice *s);
uint64_t keep_due(const struct sluice *s);
/* The program ends the connection itself: it does not come again. */
void keep_leave(struct sluice *s);
/* Ends and frees one that its program has given up. */
void keep_sweep(struct sluice *s);
void keep_fini(struct sluice *s);
/* The server listens for f; that it does not is left to the next turn. */
void keep_forwarded(struct sluice *s, struct forward *f);

#endif
