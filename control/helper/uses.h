/*
 * control/helper/uses.h - what control has sluice-helper do now, for those who look at limits.
 *
 * The helper bounds its jobs; control, which asks for all of them, knows how many there are, also
 * those that were asked for and have not begun; not those it has given up, of which one that cannot
 * be killed keeps its place.
 * Thread  any. Memory  within each call.
 */
#ifndef SLUICE_CONTROL_HELPER_USES_H
#define SLUICE_CONTROL_HELPER_USES_H

#include <stddef.h>
#include <stdint.h>

#include "control/helper/proto.h"
#include "control/sources.h"

/* One of them, where its call is; zeroed at its beginning. */
struct helper_use {
	struct helper_use *next, **at; /* at NULL: it is none, or over */
	enum helper_msg type;
	uint64_t user; /* stands for the name; 0: nobody's */
	struct link_addr peer;
};

/* A request as it is built. One that is no job counts for nothing. */
void helper_use_begin(struct helper_use *u, const uint8_t *frame, size_t len);
/* A session of this user that runs since before this control. */
void helper_use_resume(struct helper_use *u, const char *user);
void helper_use_end(struct helper_use *u); /* also again, and of what counts for nothing */

/* How many there are, by the limits of server.h; of each user and source what one has at most. */
struct helper_uses {
	uint32_t jobs, talks, user_talks, source_jobs;
	uint32_t sessions, user_sessions;
};
/* bits: what a source is. -ENOMEM. */
int helper_uses(const struct source_bits *bits, struct helper_uses *ret)
	__attribute__((warn_unused_result));

#endif
