/* client/reach/output.c - see output.h. */
#include "client/reach/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/reach/spawn.h"
#include "crypto/secret.h"

static int start(char *const argv[], int out, bool quiet, pid_t *ret)
{
	posix_spawn_file_actions_t files;
	int r;

	if (posix_spawn_file_actions_init(&files) != 0)
		return -ENOMEM;
	r = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	if (r == 0 && quiet)
		r = posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY,
						     0);
	r = r == 0 ? program_spawn(argv, &files, ret) : -r;
	posix_spawn_file_actions_destroy(&files);
	return r;
}

/* All of it. */
static int read_all(int fd, size_t max, char **ret, size_t *ret_len)
{
	char *p = malloc(max + 1);
	size_t n = 0;
	ssize_t got = 1;

	if (p == NULL)
		return -ENOMEM;
	while (got > 0 && n <= max) {
		got = read(fd, p + n, max + 1 - n);
		if (got < 0 && errno == EINTR)
			got = 1;
		else if (got > 0)
			n += (size_t)got;
	}
	if (got < 0 || n > max) {
		secret_wipe(p, n);
		free(p);
		return got < 0 ? -errno : -E2BIG;
	}
	p[n] = '\0';
	*ret = p;
	*ret_len = n;
	return 0;
}

int output_of(char *const argv[], size_t max, bool quiet, char **ret, size_t *ret_len)
{
	int fd[2], r, status = 0;
	char *text = NULL;
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC) < 0)
		return -errno;
	r = start(argv, fd[1], quiet, &pid);
	close(fd[1]);
	if (r < 0) {
		close(fd[0]);
		return r;
	}
	r = read_all(fd[0], max, &text, ret_len);
	close(fd[0]); /* who says too much is ended by it */
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r == 0 && status != 0)
		r = -EIO;
	if (r < 0 && text != NULL) /* it may be a password */
		secret_wipe(text, *ret_len);
	if (r < 0)
		free(text);
	else
		*ret = text;
	return r;
}
