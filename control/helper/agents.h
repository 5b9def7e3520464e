/*
 * control/helper/agents.h - which folders of agents' sockets below /tmp are ours, so that what a
 * helper left behind that was killed goes when the next one starts.
 *
 * Each has a mark while it is there: an empty file of its name in $SLUICE_RUN/agents, which is the
 * helper's alone. What is removed is what a session would have removed: the socket and its folder,
 * of a name like ours, that holds nothing else.
 */
#ifndef SLUICE_CONTROL_HELPER_AGENTS_H
#define SLUICE_CONTROL_HELPER_AGENTS_H

#include <stdbool.h>

#define AGENTS_TMP     "/tmp"
#define AGENTS_PREFIX  "ssh-"
#define AGENTS_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef"
#define AGENTS_RANDOM  10 /* letters behind the prefix */
#define AGENTS_SOCKET  "agent"
#define AGENTS_CLEAN_MS 5000

/* Before the folder is made, and when it is gone. run: where run-time files are. False: no mark. */
bool agents_mark(const char *run, const char *name);
void agents_unmark(const char *run, const char *name);
/*
 * At the start, when no session of ours is there. How many folders went, as far as they can be
 * counted; negative: they could not be looked at, or not in AGENTS_CLEAN_MS.
 */
int agents_clean(const char *run) __attribute__((warn_unused_result));

#endif
