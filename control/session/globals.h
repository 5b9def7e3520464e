/*
 * control/session/globals.h - global requests of ours, and who hears of the replies.
 *
 * Source  RFC 4254 section 4: replies have no numbers and come in the order of the requests.
 *
 * Programs of the operator's (handled.h) may have some on their way, and we always have room for our
 * own. Who never answers is a matter of the shard's keep-alives, which stand in the same order.
 */
#ifndef SLUICE_CONTROL_SESSION_GLOBALS_H
#define SLUICE_CONTROL_SESSION_GLOBALS_H

#include <stdbool.h>
#include <stdint.h>

#include "ssh/brain.h"

#define GLOBALS_OF_PROGRAMS (SSH_GLOBALS_MAX / 2) /* unanswered, of one connection */

struct handled;
struct session;

/* Unanswered, the oldest first. Zeroed: there are none. */
struct globals {
	uint8_t n;
	struct {
		struct handled *of; /* NULL: ours, or its program is gone */
		uint64_t id;        /* as of struct handler_line */
		bool program;       /* a program's, be it there or gone */
	} ask[SSH_GLOBALS_MAX];
};

/*
 * s is awake, and pumped by the caller. of: a program's; NULL: ours. -EAGAIN: too many are
 * unanswered; -ENOMEM; -SSH_E_*.
 */
int global_say(struct session *s, struct ssh_str type, bool want_reply, struct ssh_str rest,
	       struct handled *of, uint64_t id) __attribute__((warn_unused_result));
/* The client has answered the oldest; payload: its message. */
void globals_replied(struct session *s, struct ssh_str payload);
/* Nobody hears of what that one has asked. */
void globals_forget(struct session *s, const struct handled *of);

#endif
