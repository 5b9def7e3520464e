/*
 * dataplane/relay/budget.h - rates that connections of all shards of a dataplane have in common: of
 * a user, of a role.
 *
 * A budget is a time: that at which all bytes that were asked for will have passed (the theoretical
 * arrival time of ITU-T I.371's generic cell rate algorithm). Who wants bytes puts that time
 * forward by a chunk's worth, one atomic operation, and may move the chunk when its own has come.
 * So the sum is exact with any number of shards and however uneven they are, who asked first is
 * first, and who asks for one chunk at a time has an equal part. Nobody reports, nothing is
 * divided, and control may die: it names the key and the rate when somebody logs in, and no more.
 *
 * Lcore   any; budget_of() and budget_leave() take a lock, at login and at the end of a connection.
 * Memory  a table for the process; a budget outlives its last connection, so that to come again is
 * no way around it, and goes when its place is wanted.
 */
#ifndef SLUICE_DATAPLANE_RELAY_BUDGET_H
#define SLUICE_DATAPLANE_RELAY_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "link/msg.h"


struct budget;
struct budgets;

/* With room for the users and the roles of so many connections. */
int budgets_new(uint32_t conns, struct budgets **ret);
void budgets_free(struct budgets *all); /* NULL is nothing */

/*
 * That of the key, from now on with this rate. Those for whom there is no place have one together,
 * at the least rate of any of them: nobody has more for it. To be left.
 */
struct budget *budget_of(struct budgets *all, const struct link_group *g, uint64_t now_us);
bool budget_is_shared(const struct budget *b); /* it is that one */
void budget_leave(struct budgets *all, struct budget *b);

/* Bytes that are worth asking for at once; 0: this way there is no cap. */
uint32_t budget_chunk(const struct budget *b, enum link_way way);
/* The most that may be asked for ahead of its time. */
uint64_t budget_burst_us(const struct budget *b, enum link_way way);
/* n bytes are ours, from the time that is returned on. */
uint64_t budget_ask(struct budget *b, enum link_way way, uint32_t n, uint64_t now_us);

#endif
