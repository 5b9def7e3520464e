/*
 * control/helper/session.h - a session's program and what stands around it: a child of the helper
 * for each, root's, from the judging of what may run to the last word about how it ended.
 *
 *   job_session.c   who, what, with which descriptors; then fork
 *   session_pam.c   PAM's account and session, around it
 *   session_watch.c signals of the client's, the end
 *
 * Descriptors go to control, which passes them on to the shard: bytes pass by both. When control
 * goes away the program goes on; when the helper goes it is hung up.
 */
#ifndef SLUICE_CONTROL_HELPER_SESSION_H
#define SLUICE_CONTROL_HELPER_SESSION_H

#include <pwd.h>
#include <sys/types.h>

#include "control/helper/job.h"
#include "control/service/env.h"
#include "control/service/tty.h"

#define SESSION_WELCOME_MAX 8192 /* of what PAM's modules have to say */
#define SESSION_AGAIN_MS    1000 /* a hang-up, once more */
#define SESSION_ENDING_MS   2000 /* between the hang-up and the kill, when the helper ends */

struct run {
	struct job *job;
	const struct helper_session *m;
	struct allow allow;
	struct allow_session may;
	struct passwd pw; /* views into pw_room: PAM's modules look for others */
	char pw_room[16 * 1024];
	char peer[HELPER_ADDR_MAX + 1], local[HELPER_ADDR_MAX + 1];
	struct env env;
	struct tty tty;
	int ours[3], theirs[3]; /* ends of its pipes; -1 */
	void *pam;              /* pam_handle_t *; NULL */
	char welcome[SESSION_WELCOME_MAX];
	size_t welcome_len;
	pid_t pid;
	bool control_gone;
	unsigned int hung_up; /* how often it was told to end */
};

/* session_pam.c. False: it may not, with why; nothing stays open. */
bool session_pam_open(struct run *r, char *why, size_t size);
void session_pam_close(struct run *r);

/* session_watch.c. Its program runs, and control knows; does not come back. */
void session_watch(struct run *r) __attribute__((noreturn));

#endif
