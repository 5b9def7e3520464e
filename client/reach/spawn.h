/* client/reach/spawn.h - how a program of a client's is started. */
#ifndef SLUICE_CLIENT_REACH_SPAWN_H
#define SLUICE_CLIENT_REACH_SPAWN_H

#include <spawn.h>
#include <sys/types.h>

/*
 * Starts argv, which is looked for in PATH where it has no slash, with these files; no signal is
 * blocked for it, and SIGPIPE and SIGCHLD are as usual, whatever they are here. 0 or -errno.
 */
int program_spawn(char *const argv[], const posix_spawn_file_actions_t *files, pid_t *ret)
	__attribute__((warn_unused_result));

#endif
