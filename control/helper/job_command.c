/*
 * control/helper/job_command.c - a program of the operator's, run as a user: what it writes is
 * what is asked for, and counts only when it ends well.
 *
 * Source  sshd_config(5), AuthorizedKeysCommand: the program belongs to root and nobody else may
 *         write it.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/helper/job.h"
#include "control/helper/tokens.h"

#define OUTPUT_MAX    (1 << 20)
#define ARG_MAX_BYTES (64 * 1024) /* of one argument, with its end */

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

/* Of the key, which is a stranger's: by now we are who the program runs as. */
static struct key *key_of(struct job *j, const struct helper_command *m)
{
	struct key *k = NULL;

	if (m->key.len > KEY_BLOB_MAX || key_blob_parse_any(m->key.p, m->key.len, &k) < 0)
		job_done(j, HELPER_BAD, "bad key");
	return k;
}

/* As it is configured; without arguments it is given the user's name, as by sshd. */
static char **args_make(struct job *j, const struct tokens *t, const struct conf_strs *words)
{
	char **argv = calloc(words->n + 2, sizeof(*argv)), *room = malloc(ARG_MAX_BYTES);

	if (argv == NULL || room == NULL)
		job_done(j, HELPER_CRASHED, "no memory");
	for (size_t i = 0; i < words->n; i++) {
		if (tokens_expand(t, words->v[i], room, ARG_MAX_BYTES) < 0)
			job_done(j, HELPER_NO, "its arguments cannot be made");
		argv[i] = job_text(j, ssh_str_c(room));
	}
	if (words->n == 1)
		argv[1] = job_text(j, ssh_str_c(t->who->user));
	free(room);
	return argv;
}

/* Runs it and says how it ended. */
static void run(struct job *j, char **argv, const struct passwd *pw) __attribute__((noreturn));
static void run(struct job *j, char **argv, const struct passwd *pw)
{
	int fd[2], status = -1;
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC) < 0)
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

void job_command(struct job *j, const struct helper_command *m)
{
	struct tokens tokens = {.job = &m->job};
	struct allow_program program;
	const struct passwd *pw;
	struct allow allow;

	job_allow(j, &m->job, &allow);
	if (allow_program(&allow, m->entry, &program) < 0)
		job_denied(j, &m->job, "such a program");
	pw = getpwnam(program.user);
	if (pw == NULL)
		job_done(j, HELPER_NONE, "no such user");
	if (!allow_path_safe(program.argv->v[0]))
		job_done(j, HELPER_NO, "bad ownership or modes of the program");
	if (job_become(pw) < 0)
		job_done(j, HELPER_CRASHED, "cannot become its user");
	tokens.who = &allow;
	tokens.key = key_of(j, m);
	run(j, args_make(j, &tokens, program.argv), pw);
}
