/*
 * dataplane/relay/weight.h - shares: whose part of what is not enough for all is how large
 * (ConnectionShare, UserShare, RoleShare).
 *
 * A connection has its share among those of its user, a user his among those of his role, a role
 * its own among all; who has no user or role to be with stands for himself. Only who wants more
 * than it got is counted, so nothing is kept for those who are quiet, and a user gets his part by
 * one connection as by twenty.
 *
 * Of a turn the parts are a weighted deficit round robin; of a rate of a user or a role they are
 * how much is asked for at once (cap.c). Nothing here is looked at while nobody of the shard has a
 * share that was said.
 *
 * Lcore   the shard's. Memory: tables, by the places of connections. Users and roles for whom there
 * is no place are one user of share 1 together: nobody has more for it.
 */
#ifndef SLUICE_DATAPLANE_RELAY_WEIGHT_H
#define SLUICE_DATAPLANE_RELAY_WEIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include "link/msg.h"

/* What all who want more move in a round, however many they are. */
#define WEIGHT_ROUND_BYTES (256 * 1024)

struct conn;
struct conn_weight;
struct relay;
struct weight_group;

/* What there is too little of. */
enum weight_kind { WEIGHT_TURN, WEIGHT_CAP, WEIGHT_KINDS };

struct weights {
	struct conn_weight *conn;              /* by place in conns */
	struct weight_group *group;            /* [size], by key, and one for who finds no place */
	uint32_t size;                         /* a power of two */
	uint32_t told;                         /* connections that have a share */
	uint32_t top[WEIGHT_KINDS][LINK_WAYS]; /* of all who want more */
	uint32_t n[LINK_WAYS];                 /* connections that want more of a turn */
};

int weights_init(struct relay *r);
void weights_fini(struct relay *r);

/* Control has said what its share is. */
void weight_take(struct conn *c, const struct link_shares *m);
bool weight_told(const struct conn *c); /* one that is not anybody's */
void weight_over(struct conn *c); /* the connection goes */

/* Bytes of a turn for it, where one that does not want more has quantum; 0: in a later turn. */
uint32_t weight_part(struct conn *c, enum link_way way, uint32_t quantum);
/* n of them were moved; more: and there was more to move. */
void weight_spent(struct conn *c, enum link_way way, uint32_t n, bool more);
/* It waits for bytes of a cap, or does not. */
void weight_waits(struct conn *c, enum link_way way, bool waits);
/* Bytes to ask for of a rate that connections of a user (else: of a role) share. */
uint32_t weight_chunk(const struct conn *c, enum link_way way, bool of_user, uint32_t chunk);

#endif
