/*
 * control/service/root_enter.c - sluice-root.so: takes the program it is loaded into below its
 * root, at the program's first getpwuid(3); see root.h. Nothing has been read of a client's until
 * then.
 */
#include <dlfcn.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "control/service/root.h"

typedef struct passwd *getpwuid_fn(uid_t uid);

static void fail(const char *what) __attribute__((noreturn));
static void fail(const char *what)
{
	perror(what);
	_exit(1);
}

/* A home that is not there is none: it stays where it is, at the root. */
static void enter(void)
{
	const char *home = getenv("HOME");

	tzset(); /* times are told in the host's zone */
	if (fchdir(ROOT_DIR) < 0 || chroot(".") < 0)
		fail("chroot");
	if (getuid() != 0 && (root_caps(0) < 0 || chroot(".") == 0))
		fail("capset");
	if (home != NULL)
		(void)!chdir(home);
	if (dup2(ROOT_IN, STDIN_FILENO) < 0 || dup2(ROOT_OUT, STDOUT_FILENO) < 0 ||
	    close_range(STDERR_FILENO + 1, ~0U, 0) < 0)
		fail("descriptors");
	unsetenv("LD_PRELOAD");
}

/* The first answer is the host's, later ones are of files in the root. */
struct passwd *getpwuid(uid_t uid)
{
	static getpwuid_fn *next;
	struct passwd *pw;

	if (next != NULL)
		return next(uid);
	next = (getpwuid_fn *)dlsym(RTLD_NEXT, "getpwuid");
	pw = next != NULL ? next(uid) : NULL;
	if (pw != NULL)
		enter();
	return pw;
}
