/*
 * control/startups.h - MaxStartups: random early drop of unauthenticated connections.
 *
 * Source  sshd_config(5), MaxStartups "start:rate:full".
 * Thread  the loop's.
 */
#ifndef SLUICE_CONTROL_STARTUPS_H
#define SLUICE_CONTROL_STARTUPS_H

#include <stdbool.h>
#include <stdint.h>

struct startups_limit {
	uint32_t start; /* from here on some are refused … */
	uint32_t rate;  /* … this many of a hundred, rising linearly … */
	uint32_t full;  /* … to all of them here */
};

struct startups {
	struct startups_limit limit;
	uint32_t unauthenticated; /* connections that hold a place now */
	uint32_t refused;         /* since throttling began */
	uint64_t since_ms;        /* when it began */
	uint64_t said_ms;         /* and when it was last spoken of */
	bool throttling;
};

/* How many of a hundred are refused while n hold a place. */
unsigned int startups_percent(const struct startups_limit *l, uint32_t n);

/* Of the places before any is refused agents may have half (control/crowd.h), one at least. */
uint32_t startups_unattended(const struct startups_limit *l);

#define STARTUPS_LOG_MS (5 * 60 * 1000) /* how often a throttling that lasts says so */

/*
 * Asks for a place. True: it is held until startups_leave(). Logs the beginning and the
 * end of throttling as sshd does, so a flood writes two lines, and
 * one in five minutes.
 */
bool startups_enter(struct startups *s, uint64_t now_ms);
/* Authenticated, or gone before that. */
void startups_leave(struct startups *s, uint64_t now_ms);

#endif
