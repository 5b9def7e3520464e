/*
 * dataplane/privs.h - giving up what a dataplane no longer needs once its ports are open.
 */
#ifndef SLUICE_DATAPLANE_PRIVS_H
#define SLUICE_DATAPLANE_PRIVS_H

#include <stdbool.h>
#include <sys/types.h>

#define PRIVS_USER "sluice"

struct privs {
	bool change; /* we are root and the user exists */
	uid_t uid;
	gid_t gid;
};

/* Whom to become: looked up before anything is opened. */
void privs_find(struct privs *ret);
/* No core dumps; limits that root may raise are raised. 0 or -errno. */
int privs_limits(void) __attribute__((warn_unused_result));
/*
 * For good: the user, no_new_privs, then the filter of system calls (no program is started, no
 * socket made, no other process touched from here on). 0 or -errno: the caller ends then.
 */
int privs_drop(const struct privs *p);

#endif
