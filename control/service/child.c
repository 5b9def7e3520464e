#include "control/service/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/service/env.h"
#include "control/service/rc.h"
#include "control/service/root.h"

#define NOLOGIN_PATH   "/etc/nologin"
#define NOLOGIN_STATUS 254 /* sshd's */
#define REFUSED_STATUS 254

static void fail(const char *what, int err) __attribute__((noreturn));
static void fail(const char *what, int err)
{
	dprintf(STDERR_FILENO, "%s: %s\n", what, strerror(err));
	_exit(1);
}

/* --- where its files are --------------------------------------------------------------------- */

bool child_chroot_safe(const char *path, char *why, size_t size)
{
	char part[PATH_MAX];
	size_t len = strlen(path);
	struct stat st;

	if (path[0] != '/' || len >= sizeof(part)) {
		snprintf(why, size, "chroot path does not begin at root");
		return false;
	}
	/* The root, then up to each slash, then all of it. */
	for (size_t i = 0; i <= len; i++) {
		size_t n = i == 0 ? 1 : i;

		if (i != 0 && path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, n);
		part[n] = '\0';
		if (stat(part, &st) < 0) {
			snprintf(why, size, "%.200s: %s", part, strerror(errno));
			return false;
		}
		if (st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
			snprintf(why, size,
				 "bad ownership or modes for chroot directory %s\"%.200s\"",
				 path[n] == '\0' || n == len ? "" : "component ", part);
			return false;
		}
		if (!S_ISDIR(st.st_mode)) {
			snprintf(why, size, "chroot path %s\"%.200s\" is not a directory",
				 n == len ? "" : "component ", part);
			return false;
		}
	}
	return true;
}

static void root_change(const struct child *c)
{
	char why[512];
	int e = 0;

	if (!child_chroot_safe(c->chroot, why, sizeof(why))) {
		dprintf(STDERR_FILENO, "%s\n", why);
		_exit(1);
	}
	if (c->enter != NULL)
		e = root_hold(c->chroot);
	else if (chdir(c->chroot) < 0 || chroot(c->chroot) < 0)
		e = -errno;
	if (e < 0)
		fail("chroot", -e);
}

/* A home that is not there is worth a word and no more, as with login(1). */
static void home_go(const struct child *c)
{
	if (chdir(c->pw->pw_dir) == 0)
		return;
	if (c->chroot == NULL)
		dprintf(STDERR_FILENO, "Could not chdir to home directory %s: %s\n", c->pw->pw_dir,
			strerror(errno));
	if (chdir("/") < 0)
		fail("/", errno);
}

/* login(1): he does not want to be told. */
static bool hushed(const struct child *c)
{
	char path[PATH_MAX];

	return (size_t)snprintf(path, sizeof(path), "%s/.hushlogin", c->pw->pw_dir) <
		       sizeof(path) &&
	       access(path, F_OK) == 0;
}

/* --- who it is ------------------------------------------------------------------------------- */

/* Groups, then the group, then the user, each while we still may; and there is no way back. */
static void become(const struct child *c)
{
	const struct passwd *pw = c->pw;
	int e = 0;

	if (geteuid() != 0) { /* a test's: as itself alone */
		if (pw->pw_uid != geteuid())
			fail("setuid", EPERM);
		return;
	}
	if (setgid(pw->pw_gid) < 0 ||
	    (!c->has_groups && initgroups(pw->pw_name, pw->pw_gid) < 0))
		fail("initgroups", errno);
	if (c->chroot != NULL)
		root_change(c);
	if (setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0)
		fail("setuid", errno);
	if (c->enter != NULL)
		e = root_hold_alone();
	if (e < 0)
		fail("capset", -e);
	if (pw->pw_uid != 0 && (setuid(0) == 0 || seteuid(0) == 0))
		fail("setuid", EPERM);
}

/* nologin(5): what stands in it is said to who is turned away. */
static void nologin(const struct child *c)
{
	char buf[4096];
	int fd = c->nologin && c->pw->pw_uid != 0 ? open(NOLOGIN_PATH, O_RDONLY | O_CLOEXEC) : -1;
	ssize_t n;

	if (fd < 0)
		return;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		(void)!write(STDERR_FILENO, buf, (size_t)n);
	_exit(NOLOGIN_STATUS);
}

/* --- what it has ------------------------------------------------------------------------------ */

/* Three descriptors, and no other; the terminal, if it has one, is its own. */
static void descriptors(const struct child *c)
{
	int in = c->in, out = c->out, err = c->err, control = c->control;

	/* None of them stands where another one goes. */
	in = fcntl(in, F_DUPFD, CHILD_CONTROL + 1);
	out = fcntl(out, F_DUPFD, CHILD_CONTROL + 1);
	err = fcntl(err, F_DUPFD, CHILD_CONTROL + 1);
	if (control >= 0)
		control = fcntl(control, F_DUPFD, CHILD_CONTROL + 1);
	if (c->control >= 0 && dup2(control, CHILD_CONTROL) < 0)
		_exit(1);
	if (in < 0 || out < 0 || err < 0 || dup2(in, STDIN_FILENO) < 0 ||
	    dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0)
		_exit(1);
	close_range(c->control >= 0 ? CHILD_CONTROL + 1 : CHILD_CONTROL, ~0U, 0);
	if (c->tty && ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0)
		fail("TIOCSCTTY", errno);
}

/* What we ignore or hold back the program does not. */
static void signals(void)
{
	const struct sigaction dfl = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int n = 1; n < NSIG; n++)
		(void)sigaction(n, &dfl, NULL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void start(const struct child *c) __attribute__((noreturn));
static void start(const struct child *c)
{
	const char *shell = env_shell(c->pw), *name = strrchr(shell, '/');
	char arg0[256];

	name = name != NULL ? name + 1 : shell;
	if (c->command != NULL) {
		char *const argv[] = {(char *)name, "-c", (char *)c->command, NULL};

		execve(shell, argv, c->env);
	} else {
		/* The dash makes it a login shell. */
		char *const argv[] = {arg0, NULL};

		snprintf(arg0, sizeof(arg0), "-%s", name);
		execve(shell, argv, c->env);
	}
	fail(shell, errno);
}

static void start_program(const struct child *c) __attribute__((noreturn));
static void start_program(const struct child *c)
{
	execve(c->program, c->argv, c->env);
	fail(c->program, errno);
}

void child_run(const struct child *c)
{
	const struct rc rc = {.user = c->user_rc,
			      .home = c->pw->pw_dir,
			      .shell = env_shell(c->pw),
			      .display = c->display,
			      .env = c->env};

	signals();
	if (setsid() < 0)
		_exit(1);
	descriptors(c);
	nologin(c);
	if (c->refusal != NULL) {
		(void)!write(STDERR_FILENO, c->refusal, strlen(c->refusal));
		_exit(REFUSED_STATUS);
	}
	if (c->notice != NULL && *c->notice != '\0')
		dprintf(STDERR_FILENO, "%s\n", c->notice);
	become(c);
	if (c->enter != NULL)
		fail(c->program, -root_exec(c->enter, c->program, c->argv, c->pw->pw_dir, c->env));
	/* The console looks at no file: where it would find one does not matter. */
	if (c->control < 0)
		home_go(c);
	else if (chdir("/") < 0)
		fail("/", errno);
	if (*c->welcome != '\0' && (c->control >= 0 || !hushed(c)))
		(void)!write(STDOUT_FILENO, c->welcome, strlen(c->welcome));
	if (c->control < 0)
		rc_run(&rc);
	if (c->program != NULL)
		start_program(c);
	start(c);
}
