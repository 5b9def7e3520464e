/*
 * control/helper/server.h - the parent: takes connections, starts a child for each job, watches
 * deadlines, kills what is late, tells control what became of who cannot say so itself.
 *
 * It reads one frame of a request, no more of it than who it is for, from where, and how long it
 * may take; everything else happens in the child.
 */
#ifndef SLUICE_CONTROL_HELPER_SERVER_H
#define SLUICE_CONTROL_HELPER_SERVER_H

#include <sys/types.h>

#define HELPER_CONNS_MAX     256 /* connections, their jobs included */
#define HELPER_JOBS_MAX      64  /* that run at once */
#define HELPER_USER_JOBS_MAX 4   /* of them for one user, but for programs */
#define HELPER_FROM_JOBS_MAX 8   /* of them from one source */
#define HELPER_REQUEST_MS    5000

/*
 * Serves on a listening socket until a signal ends it; client: whose processes may ask, besides
 * root's. 0, or -errno when it cannot.
 */
int helper_serve(int listener, uid_t client);

#endif
