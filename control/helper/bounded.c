#include "control/helper/bounded.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool gone_within(int pidfd, unsigned int ms)
{
	const uint64_t until = now_ms() + ms;
	uint64_t now = now_ms();
	int n = 0;

	do {
		struct pollfd p = {pidfd, POLLIN, 0};

		n = poll(&p, 1, (int)(until - now));
		now = now_ms();
	} while (n < 0 && errno == EINTR && now < until);
	return n > 0;
}

/* What is open is ours: a socket that listens would do so as long as this hangs. */
static int child(int (*f)(void *arg), void *arg, int *keep)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (keep != NULL && *keep != 3 && dup3(*keep, 3, O_CLOEXEC) < 0)
		return 1;
	if (keep != NULL)
		*keep = 3;
	if (close_range(keep != NULL ? 4 : 3, ~0U, 0) < 0)
		return 1;
	return f(arg);
}

int bounded_run(int (*f)(void *arg), void *arg, int *keep, unsigned int ms)
{
	int status = 0, pidfd, err = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(child(f, arg, keep));
	if (pid < 0)
		return -errno;
	pidfd = pidfd_open(pid, 0);
	if (pidfd < 0)
		err = -errno;
	else if (!gone_within(pidfd, ms))
		err = -ETIMEDOUT;
	if (err < 0)
		(void)kill(pid, SIGKILL);
	if (err < 0 && pidfd >= 0)
		(void)gone_within(pidfd, BOUNDED_KILL_MS);
	if (pidfd >= 0)
		close(pidfd);
	if (waitpid(pid, &status, WNOHANG) != pid || err < 0)
		return err < 0 ? err : -ECHILD;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -ECHILD;
}
