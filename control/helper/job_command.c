/*
 * control/helper/job_command.c - a program of the operator's, run as a user: what it writes is
 * what is asked for, and counts only when it ends well.
 *
 * Source  sshd_config(5), AuthorizedKeysCommand: the program belongs to root and nobody else may
 *         write it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/helper/job.h"

#define OUTPUT_MAX (1 << 20)

/* Root's, or that of the user a test runs as; and every folder above where it really lies. */
static bool program_ok(const char *name)
{
	char path[PATH_MAX], *slash;
	struct stat st;

	if (realpath(name, path) == NULL || stat(path, &st) < 0 || !S_ISREG(st.st_mode) ||
	    (st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return false;
	while ((slash = strrchr(path, '/')) != NULL) {
		bool top = slash == path;

		slash[top] = '\0';
		if (stat(path, &st) < 0 || (st.st_uid != 0 && st.st_uid != geteuid()) ||
		    ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0 &&
		     ((st.st_mode & S_ISVTX) == 0 || st.st_uid != 0)))
			return false;
		if (top)
			return true;
	}
	return false;
}

static void exec_child(char **argv, const struct passwd *pw, int out)
{
	char user[300], logname[300], home[1100];
	char *env[] = {user, logname, home, (char[]){"PATH=/usr/bin:/bin:/usr/sbin:/sbin"}, NULL};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	snprintf(user, sizeof(user), "USER=%s", pw->pw_name);
	snprintf(logname, sizeof(logname), "LOGNAME=%s", pw->pw_name);
	snprintf(home, sizeof(home), "HOME=%s", pw->pw_dir);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
	    dup2(null, STDERR_FILENO) < 0 || chdir("/") < 0)
		_exit(127);
	close_range(3, ~0U, 0);
	signal(SIGPIPE, SIG_DFL);
	execve(argv[0], argv, env);
	_exit(127);
}

/* All it writes, as DATA. Too much is an error. */
static bool carry(struct job *j, int in)
{
	char buf[HELPER_DATA_MAX];
	size_t total = 0;
	ssize_t n;

	while ((n = read(in, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		total += (size_t)n;
		if (total > OUTPUT_MAX)
			return false;
		job_send(j, helper_data_build(j->out, buf, (size_t)n));
	}
	return true;
}

void job_command(struct job *j, const struct helper_command *m)
{
	char *argv[HELPER_ARGS_MAX + 1] = {0}, *user = job_text(j, m->job.user);
	const struct passwd *pw = getpwnam(user);
	int fd[2], status = -1;
	pid_t pid;

	for (unsigned int i = 0; i < m->argc; i++)
		argv[i] = job_text(j, m->argv[i]);
	if (pw == NULL)
		job_done(j, HELPER_NONE, "no such user");
	if (!program_ok(argv[0]))
		job_done(j, HELPER_NO, "bad ownership or modes of the program");
	if (job_become(pw) < 0 || pipe2(fd, O_CLOEXEC) < 0)
		job_done(j, HELPER_CRASHED, "cannot run the program");
	pid = fork();
	if (pid < 0)
		job_done(j, HELPER_CRASHED, "cannot run the program");
	if (pid == 0)
		exec_child(argv, pw, fd[1]);
	close(fd[1]);
	if (!carry(j, fd[0])) {
		(void)kill(pid, SIGKILL);
		job_done(j, HELPER_NO, "the program writes too much");
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		job_done(j, HELPER_NO, "the program failed");
	job_done(j, HELPER_OK, "");
}
