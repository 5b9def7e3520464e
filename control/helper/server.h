/*
 * control/helper/server.h - the parent: takes connections, starts a child for each job, watches
 * deadlines, kills what is late, tells control what became of who cannot say so itself.
 *
 * It reads one frame of a request, no more of it than who it is for, from where, how long it may
 * take, and by which configuration the login goes; everything else happens in the child. The
 * configuration is read here, and a child has what it was when its job began: control and the
 * helper read it one after the other, and a login of one is not answered for by another. So those
 * before the newest are kept for a while, for logins that began under them; one that is
 * not known may be one that is not read yet, and the file is looked at again.
 *
 * Limits  of one source PerSourceMaxHelperJobs run at once, of all HELPER_JOBS_MAX; who is refused
 * hears which one it was (proto.h). A user is counted by where he comes from, too: who knows a name
 * keeps nobody else out by it. But for jobs that cannot even be killed: they are those of whom the
 * files are.
 */
#ifndef SLUICE_CONTROL_HELPER_SERVER_H
#define SLUICE_CONTROL_HELPER_SERVER_H

#include <sys/types.h>

#include "conf/conf.h"

#define HELPER_ASKING_MAX 256 /* connections, their jobs included, but no sessions */
/*
 * That run at once, and of them one user's. Each is two descriptors of ours, which we let ourselves
 * have, and one of control's: a process has 1024 where nobody says otherwise.
 */
#define HELPER_SESSIONS_MAX      512
#define HELPER_USER_SESSIONS_MAX 128
#define HELPER_CONNS_MAX         (HELPER_ASKING_MAX + HELPER_SESSIONS_MAX)
#define HELPER_FILES_OTHER       64 /* descriptors that are no connection's */
#define HELPER_JOBS_MAX          64 /* that run at once */
#define HELPER_TALKS_MAX         48 /* of them conversations with PAM, which last: others pass by */
#define HELPER_USER_JOBS_MAX     4  /* of these for one user from one source */
/* Of one user that were killed and sleep in the kernel, on files that do not answer. */
#define HELPER_USER_STUCK_MAX    16
#define HELPER_REQUEST_MS        5000
/* How often control has the configuration read, a second, and so often at once. */
#define HELPER_READS_PER_S 10
#define HELPER_READS_SAVED 10
#define HELPER_BEFORE      4      /* configurations kept besides the newest … */
#define HELPER_BEFORE_MS   120000 /* … so long */

/* What jobs are judged by. */
struct helper_rules {
	struct conf *conf; /* one reference, the server's */
	/* Reads it again, at SIGHUP or control's word; negative: the old one stays. NULL: never. */
	int (*read)(struct conf **ret);
	struct log_out *log; /* where lines go; NULL: to stderr, as they are */
	struct alive *alive; /* whose service manager is told; NULL: none is */
};

/*
 * Serves on a listening socket until a signal ends it; client: whose processes may ask, besides
 * root's. 0, or -errno when it cannot.
 */
int helper_serve(int listener, uid_t client, struct helper_rules *rules);

#endif
