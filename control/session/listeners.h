/*
 * control/session/listeners.h - all listeners of clients, by what they are sought by.
 *
 * Memory  of a listener: itself and the address its client wrote; of each connection, user and
 * source that has any: a tally.
 */
#ifndef SLUICE_CONTROL_SESSION_LISTENERS_H
#define SLUICE_CONTROL_SESSION_LISTENERS_H

#include "control/session/forward.h"

/* Into all, by its token, and counted; without a port as yet. -ENOMEM: it is in none. */
int listener_link(struct listener *l) __attribute__((warn_unused_result));
/* Out of all. */
void listener_unlink(struct listener *l);
/* It has this port or wants it, or its path; 0: none is known yet. */
void listener_port(struct listener *l, uint16_t port);
/* It wants none any more, but keeps what it had in l->port. */
void listener_port_over(struct listener *l);
/* Who has or wants the port, at whichever address, or the path: one after the other. */
struct listener *listener_at(const struct session_env *env, const struct listener_at *at,
			     uint16_t port);
struct listener *listener_at_port(const struct session_env *env, uint16_t port);
struct listener *listener_at_port_next(const struct listener *l);
/* Of those that count for s: its own, its user's, its source's; those that are over included. */
uint32_t listeners_of(const struct session *s, enum tally_of of);
bool listener_counts_for(const struct listener *l, const struct session *s, enum tally_of of);

#endif
