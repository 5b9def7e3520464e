#include "control/service/rc.h"

#include <errno.h>
#include <paths.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define RC_SYSTEM "/etc/ssh/sshrc"

/* What it does not read it does not need. */
static void run(char *const argv[], const struct rc *r)
{
	int fd[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) < 0)
		return;
	pid = fork();
	if (pid == 0) {
		if (dup2(fd[1], STDIN_FILENO) == STDIN_FILENO)
			execve(argv[0], argv, r->env);
		_exit(127);
	}
	close(fd[1]);
	(void)!send(fd[0], r->display, strlen(r->display), MSG_NOSIGNAL);
	close(fd[0]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

void rc_run(const struct rc *r)
{
	char path[4096], line[4096 + 32];
	char *users[] = {(char *)r->shell, (char *)"-c", line, NULL};
	char *const systems[] = {(char *)_PATH_BSHELL, (char *)RC_SYSTEM, NULL};
	struct stat st;

	/* By the user's shell, which may be one that runs nothing. */
	if (r->user && (size_t)snprintf(path, sizeof(path), "%s/.ssh/rc", r->home) < sizeof(path) &&
	    stat(path, &st) == 0) {
		snprintf(line, sizeof(line), _PATH_BSHELL " .ssh/rc");
		run(users, r);
	} else if (stat(RC_SYSTEM, &st) == 0) {
		run(systems, r);
	}
}
