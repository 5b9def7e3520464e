/* dataplane/privs.c - see privs.h. */
#include "dataplane/privs.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/resource.h>
#include <unistd.h>

#include "crypto/confine.h"

void privs_find(struct privs *ret)
{
	const struct passwd *pw = geteuid() == 0 ? getpwnam(PRIVS_USER) : NULL;

	*ret = (struct privs){0};
	if (pw != NULL)
		*ret = (struct privs){.change = true, .uid = pw->pw_uid, .gid = pw->pw_gid};
}

int privs_limits(void)
{
	const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};

	/* Locked memory is for keys; an unprivileged user keeps the limit it has. */
	setrlimit(RLIMIT_MEMLOCK, &all);
	return confine_dumps();
}

/* Besides what no process that holds keys does: its ports and its socket are open. */
static const int never[] = {SCMP_SYS(socket), SCMP_SYS(bind), SCMP_SYS(connect), SCMP_SYS(chmod)};

int privs_drop(const struct privs *p)
{
	int r;

	if (p->change &&
	    (initgroups(PRIVS_USER, p->gid) < 0 || setresgid(p->gid, p->gid, p->gid) < 0 ||
	     setresuid(p->uid, p->uid, p->uid) < 0))
		return -errno;
	/* After this nothing may bring root back. */
	if (p->change && setuid(0) == 0)
		return -EPERM;
	/* The change of user switched it on again. */
	r = confine_dumps();
	return r < 0 ? r : confine_calls(never, sizeof(never) / sizeof(never[0]));
}
