/*
 * control/helper/session_env.c - the environment of a session's program, what is later in place of
 * what is earlier: the client's, who the user is, his key's, his file's; PAM's; the operator's, and
 * what nobody but us may say.
 *
 * Source  sshd(8), LOGIN PROCESS and ENVIRONMENT; sshd_config(5), PermitUserEnvironment.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/helper/session.h"
#include "control/log.h"

#define FILE_NAME  ".ssh/environment"
#define FILE_BYTES (64 * 1024) /* of the user's file; what is longer is cut off */

/* A client's variables, those that AcceptEnv lets through. */
static int of_client(struct run *r)
{
	struct ssh_str name, value;
	struct ssh_rd rd;
	int e = 0;

	ssh_rd_init(&rd, r->m->env.p, r->m->env.len);
	while (e == 0 && helper_env_next(&rd, &name, &value)) {
		char *n = job_text(r->job, name), *v = job_text(r->job, value);

		if (env_accepted(&r->allow.conf.accept_env, n))
			e = env_set(&r->env, n, v);
		free(n);
		free(v);
	}
	return e == -EINVAL ? 0 : e;
}

static int file_copy = -1; /* of what stands in the user's: a file without a name */

/* A pipe that nobody writes to does not hold us up, nor does anything else that is no file. */
static bool file_read(struct run *r)
{
	char path[4096];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/" FILE_NAME, r->pw.pw_dir);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       sendfile(file_copy, fd, NULL, FILE_BYTES) >= 0;
}

static int of_file(struct run *r, const char *patterns)
{
	char *text = malloc(FILE_BYTES);
	unsigned int bad = 0;
	ssize_t n = 0;
	int e = 0;

	file_copy = memfd_create("environment", MFD_CLOEXEC);
	if (text != NULL && file_copy >= 0 && session_as_user(r, file_read, &file_copy))
		n = pread(file_copy, text, FILE_BYTES, 0);
	if (n > 0)
		e = env_lines(&r->env, text, (size_t)n, patterns, &bad);
	if (bad > 0)
		log_line(LOG_L_INFO, "bad line %u in ~/" FILE_NAME " of %.100s", bad,
			 r->pw.pw_name);
	if (file_copy >= 0)
		close(file_copy);
	free(text);
	return e;
}

static int of_user(struct run *r)
{
	const char *patterns = r->allow.conf.permit_user_environment;
	unsigned int bad;
	int e;

	if (patterns == NULL)
		return 0;
	e = env_lines(&r->env, (const char *)r->m->key_env.p, r->m->key_env.len, patterns, &bad);
	return e == 0 ? of_file(r, patterns) : e;
}

static int of_conf(struct run *r)
{
	const struct conf_strs *set = &r->allow.conf.set_env;
	int e = 0;

	for (size_t i = 0; e == 0 && i < set->n; i++)
		e = env_put(&r->env, set->v[i]);
	return e;
}

/* What nobody but us may say. */
static int of_session(struct run *r)
{
	int e = env_connection(&r->env, r->peer, r->m->job.peer_port, r->local,
			       r->m->job.local_port);

	if (e == 0 && r->may.original != NULL)
		e = env_set(&r->env, "SSH_ORIGINAL_COMMAND", r->may.original);
	if (e == 0 && r->m->tty) {
		char *term = job_text(r->job, r->m->pty.term);

		e = env_set(&r->env, "SSH_TTY", r->tty.name);
		if (e == 0 && *term != '\0')
			e = env_set(&r->env, "TERM", term);
		free(term);
	}
	return e;
}

int session_env_login(struct run *r)
{
	int e = of_client(r);

	/* As with sshd a client's give way to who he is. */
	if (e == 0)
		e = env_login(&r->env, &r->pw);
	return e == 0 ? of_user(r) : e;
}

int session_env_rest(struct run *r)
{
	int e = of_conf(r);

	return e == 0 ? of_session(r) : e;
}
