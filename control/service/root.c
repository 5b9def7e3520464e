#include "control/service/root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#define ASSIGNMENT_MAX 4200 /* a name, and a path behind it */

int root_hold(const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC), e = 0;

	if (fd < 0)
		return -errno;
	if (dup2(fd, ROOT_DIR) < 0 || prctl(PR_SET_KEEPCAPS, 1L, 0L, 0L, 0L) < 0)
		e = -errno;
	close(fd);
	return e;
}

int root_hold_alone(void)
{
	if (getuid() == 0) /* it has them all, and keeps them */
		return 0;
	if (root_caps(1U << CAP_SYS_CHROOT) < 0 ||
	    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, (long)CAP_SYS_CHROOT, 0L, 0L) < 0)
		return -errno;
	return 0;
}

static char *find(char *const env[], const char *name)
{
	size_t n = strlen(name);

	for (; *env != NULL; env++)
		if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
			return *env;
	return NULL;
}

static int descriptors(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(STDIN_FILENO, ROOT_IN) < 0 || dup2(STDOUT_FILENO, ROOT_OUT) < 0 ||
	    dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
		return -errno;
	return 0;
}

int root_exec(const char *library, const char *program, char *const argv[], const char *home,
	      char *const env[])
{
	char load[ASSIGNMENT_MAX], where[ASSIGNMENT_MAX], zone[ASSIGNMENT_MAX];
	char *clean[5] = {load, where}, *from = find(env, "SSH_CONNECTION");
	const char *tz = getenv("TZ"); /* the helper's */
	size_t n = 2;
	int e;

	if ((size_t)snprintf(load, sizeof(load), "LD_PRELOAD=%s", library) >= sizeof(load) ||
	    (size_t)snprintf(where, sizeof(where), "HOME=%s", home) >= sizeof(where))
		return -ENAMETOOLONG;
	if (from != NULL)
		clean[n++] = from;
	if (tz != NULL && (size_t)snprintf(zone, sizeof(zone), "TZ=%s", tz) < sizeof(zone))
		clean[n++] = zone;
	if (access(library, R_OK) < 0) /* the loader would only warn */
		return -errno;
	e = descriptors();
	if (e < 0)
		return e;
	execve(program, argv, clean);
	return -errno;
}
