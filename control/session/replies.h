/*
 * control/session/replies.h - what is said of the requests of a channel, in their order.
 *
 * Source  RFC 4254 section 5.4: replies have no numbers, so that one that takes its time holds back
 *         those behind it.
 */
#ifndef SLUICE_CONTROL_SESSION_REPLIES_H
#define SLUICE_CONTROL_SESSION_REPLIES_H

#include "control/session/internal.h"

#define REPLIES_MAX 64 /* that wait: who asks for more has its channel closed */

enum reply { REPLY_WAITS = 1, REPLY_NO, REPLY_YES };

/* Those that wait, the oldest first. Zeroed: there are none. */
struct replies {
	uint8_t n;
	uint8_t what[REPLIES_MAX]; /* enum reply */
};

/* To a request of o's client that wants one. False: REPLIES_MAX are there, and o is closed. */
bool replies_add(struct replies *r, const struct open *o, enum reply what);
/* What the oldest that waits comes to; false: none waits. */
bool replies_know(struct replies *r, bool ok);
/* All that wait come to nothing. */
void replies_give_up(struct replies *r);
/* Says those that are known, as far as none before them waits. o's session is awake. */
void replies_say(struct replies *r, const struct open *o);

/* One that nothing waits before. */
void reply_say(const struct open *o, bool ok);
/* A request of ours, to o's client. -ENOMEM. */
int request_say(const struct open *o, struct ssh_str type, bool want_reply, struct ssh_str rest)
	__attribute__((warn_unused_result));

#endif
