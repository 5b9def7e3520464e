/* client/reach/spawn.c - see spawn.h. */
#include "client/reach/spawn.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

int program_spawn(char *const argv[], const posix_spawn_file_actions_t *files, pid_t *ret)
{
	posix_spawnattr_t attr;
	sigset_t none, usual;
	int r;

	if (posix_spawnattr_init(&attr) != 0)
		return -ENOMEM;
	sigemptyset(&none);
	sigemptyset(&usual);
	sigaddset(&usual, SIGPIPE);
	sigaddset(&usual, SIGCHLD);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &usual);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	r = posix_spawnp(ret, argv[0], files, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	return -r;
}
