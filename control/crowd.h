/*
 * control/crowd.h - agents on their way in: as many as do no harm to people beside them, and when
 * the others should come.
 *
 * Who says that nobody waits for him (PROTOCOL.md, "unattended") can come later, and is told when:
 * in the first second that is not given to as many others as we manage to let in. So thousands who
 * were cut off together are sent away once or twice each, and all are in as soon as can be. Places
 * beyond theirs are left to people, who are behind no more key exchanges than CROWD_BACKLOG_MS of
 * work.
 * A place is held for CROWD_HOLD_S seconds at most: who is not through by then goes on without, or a few
 * who never say another word would have all agents sent away.
 * Clock   the caller's, monotonic, in ms. Memory  embedded, zeroed, nothing to free.
 */
#ifndef SLUICE_CONTROL_CROWD_H
#define SLUICE_CONTROL_CROWD_H

#include <stdbool.h>
#include <stdint.h>

#define CROWD_BACKLOG_MS 250
#define CROWD_HOLD_S     3   /* this one and those before it */
#define CROWD_AHEAD_S    60  /* who finds all of them given away is told to come behind them */
#define CROWD_PER_S      300 /* logins in a second, until it is known */
#define CROWD_PER_S_MIN  10

struct crowd {
	uint32_t inside[CROWD_HOLD_S]; /* on their way in, by the second they came in */
	uint32_t per_s;  /* logins we manage; 0: CROWD_PER_S */
	uint32_t done;   /* of this second */
	uint32_t away;   /* and how many were sent away in it */
	uint64_t second; /* since when we count */
	uint64_t began_ms;
	uint32_t given[CROWD_AHEAD_S]; /* who come in a second, by its number */
};

/*
 * Asks for a place, of so many. backlog: key exchanges that wait. True: it has one until
 * crowd_leave(). False: *ret_s is for how long to stay away.
 */
bool crowd_enter(struct crowd *c, uint32_t places, uint32_t backlog, uint64_t now_ms,
		 uint32_t *ret_s);
/* Who came in at enter_ms; in: it has logged in. */
void crowd_leave(struct crowd *c, uint64_t enter_ms, bool in, uint64_t now_ms);
uint32_t crowd_inside(struct crowd *c, uint64_t now_ms);

#endif
