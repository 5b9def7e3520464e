#include "client/reach/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/reach/name.h"
#include "client/reach/spawn.h"

/* --- tokens ----------------------------------------------------------------------------- */

static bool token_put(FILE *f, char token, const char *host, uint16_t port, const char *user)
{
	switch (token) {
	case '%':
		return fputc('%', f) != EOF;
	case 'h':
		return reach_host_valid(host) && fputs(host, f) != EOF;
	case 'p':
		return fprintf(f, "%u", port) > 0;
	case 'r':
		return reach_user_valid(user) && fputs(user, f) != EOF;
	default:
		return false;
	}
}

int command_expand(const char *command, const char *host, uint16_t port, const char *user,
		   char **ret)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	bool ok = true;

	if (f == NULL)
		return -ENOMEM;
	for (const char *p = command; ok && *p != '\0'; p++)
		ok = *p == '%' ? token_put(f, *++p, host, port, user) : fputc(*p, f) != EOF;
	if (fclose(f) != 0 || !ok) {
		free(text);
		return ok ? -ENOMEM : -EINVAL;
	}
	*ret = text;
	return 0;
}

/* --- its life --------------------------------------------------------------------------- */

static int start(const char *line, int fd, int err_fd, pid_t *ret)
{
	const char *shell = getenv("SHELL");
	posix_spawn_file_actions_t files;
	char *argv[] = {NULL, (char[]){"-c"}, (char *)line, NULL};
	int r;

	if (shell == NULL || *shell == '\0')
		shell = "/bin/sh";
	argv[0] = (char *)shell;
	if (posix_spawn_file_actions_init(&files) != 0)
		return -ENOMEM;
	r = posix_spawn_file_actions_adddup2(&files, fd, STDIN_FILENO);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&files, fd, STDOUT_FILENO);
	if (r == 0 && err_fd >= 0)
		r = posix_spawn_file_actions_adddup2(&files, err_fd, STDERR_FILENO);
	r = r == 0 ? program_spawn(argv, &files, ret) : -r;
	posix_spawn_file_actions_destroy(&files);
	return r;
}

int command_run(const char *command, int err_fd, int *ret_fd, pid_t *ret_pid)
{
	int fd[2], r;
	char *line;

	/* The shell is gone once it has run: what is hung up is the program itself. */
	if (asprintf(&line, "exec %s", command) < 0)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) < 0) {
		r = -errno;
		free(line);
		return r;
	}
	/* The program's own end blocks, as programs expect it. */
	r = fcntl(fd[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : start(line, fd[1], err_fd, ret_pid);
	free(line);
	close(fd[1]);
	if (r < 0)
		close(fd[0]);
	else
		*ret_fd = fd[0];
	return r;
}

static void wait_ms(pid_t pid, int ms)
{
	struct pollfd p = {.fd = pidfd_open(pid, 0), .events = POLLIN};

	if (p.fd < 0)
		return;
	(void)poll(&p, 1, ms);
	close(p.fd);
}

int command_end(pid_t pid)
{
	int status;
	pid_t r = waitpid(pid, &status, WNOHANG);

	if (r == 0) {
		kill(pid, SIGHUP);
		wait_ms(pid, COMMAND_GRACE_MS);
		r = waitpid(pid, &status, WNOHANG);
	}
	if (r == 0) {
		kill(pid, SIGKILL);
		do
			r = waitpid(pid, &status, 0);
		while (r < 0 && errno == EINTR);
	}
	return r == pid ? status : -1;
}

void command_status_text(int status, char *buf, size_t size)
{
	if (status < 0)
		snprintf(buf, size, "ended");
	else if (WIFSIGNALED(status))
		snprintf(buf, size, "was ended by signal %d", WTERMSIG(status));
	else
		snprintf(buf, size, "exited with %d", WEXITSTATUS(status));
}
