/*
 * control/session/connecting.h - opens that lead nowhere yet: their name is looked up, or their
 * target has not answered.
 *
 * Such a one costs a place here and one of its shard, a port, and packets to whoever is asked; a
 * target that never answers costs all that for as long as OperationTimeout allows. Of one user at
 * most MaxConnectingPerUser are under way, of all MaxConnecting: beyond that an open is refused,
 * and no other user waits for the many of one. Memory  an entry for each user who has one under
 * way: at most MaxConnecting. Thread  the loop's.
 */
#ifndef SLUICE_CONTROL_SESSION_CONNECTING_H
#define SLUICE_CONTROL_SESSION_CONNECTING_H

#include <stdint.h>

#include "control/most.h"

#define CONNECTING_CHAINS 1024

struct connecting_user;

/* Zeroed at its beginning; nothing is left of it when nothing is under way. */
struct connecting {
	uint32_t n;
	struct most of_user;
	struct connecting_user *chain[CONNECTING_CHAINS];
};

/*
 * One more of this user's; *ret stands for it. -EUSERS: the user has per_user of them already;
 * -EBUSY: all together are max; -ENOMEM.
 */
int connecting_enter(struct connecting *c, const char *user, uint32_t per_user, uint32_t max,
		     struct connecting_user **ret) __attribute__((warn_unused_result));
void connecting_leave(struct connecting *c, struct connecting_user *u);

#endif
