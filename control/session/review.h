/*
 * control/session/review.h - who is in is looked at again when other rules are in force.
 *
 * EndRevokedSessions: whom AllowUsers, DenyUsers, AllowGroups, DenyGroups or RefuseConnection of
 * the configuration of now do not let in goes, with his channels and listeners. For who stays its
 * list of revoked keys holds from then on (lapse.c), and he moves what it says (ChannelRate and its
 * like); nothing else changes. All connections are gone through, for CLOCK_TURN_US in a turn of
 * the loop; groups are read where files are, once for each user. What cannot be told of somebody
 * leaves him in. Thread  the loop's.
 */
#ifndef SLUICE_CONTROL_SESSION_REVIEW_H
#define SLUICE_CONTROL_SESSION_REVIEW_H

#include "control/session/revoked.h"
#include "control/session/session.h"

/* From the first connection on; one under way is over. Without memory for it nobody goes. */
void review_begin(struct session_env *env);
/* The same soon: one came of a control before this one, under whose rules it was let in. */
void review_kept(struct session_env *env);
/* This one has come in by a configuration that is not in force any more: it is looked at, too. */
void review_late(struct session *s);
/* What a configuration would do to it that is not in force, by the groups of its login. */
enum review_change { REVIEW_NOTHING, REVIEW_RATES, REVIEW_GOES };
/*
 * lists: conf's. 0; -EAGAIN: it may be more: its user's groups would have to be asked for, and *ret
 * is as if he had none; or its list is none of those.
 */
int review_would(struct session *s, struct conf *conf, const struct revoked_lists *lists,
		 enum review_change *ret) __attribute__((warn_unused_result));
/* What is under way is given up: no dataplane is left. */
void review_free(struct session_env *env);

#endif
