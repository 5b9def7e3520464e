/*
 * control/helper/session.h - a session's program and what stands around it: a child of the helper
 * for each, root's, from the judging of what may run to the last word about how it ended.
 *
 *   job_session.c   who, what, with which descriptors; then fork
 *   session_env.c   its environment
 *   session_pam.c   PAM's account and session, around it
 *   session_forwards.c what listens for the client's agent and display
 *   session_record.c who writes its recording
 *   session_watch.c signals of the client's, the end
 *   session_console.c the console's way to control, whichever there is
 *
 * Descriptors go to control, which passes them on to the shard: bytes pass by both. When control
 * goes away the program goes on, and another control that asks for it (RESUME) is heard and told of
 * its end; when the helper goes it is hung up. The line to the helper says once, by a byte, that
 * the program runs, and brings the connections of those who ask.
 */
#ifndef SLUICE_CONTROL_HELPER_SESSION_H
#define SLUICE_CONTROL_HELPER_SESSION_H

#include <pwd.h>
#include <sys/types.h>

#include "control/helper/job.h"
#include "control/service/env.h"
#include "control/service/tty.h"

#define SESSION_WELCOME_MAX 16384 /* of what PAM's modules and files have to say */
#define SESSION_AGAIN_MS    1000  /* a hang-up, once more */
#define SESSION_UNTOLD_MS   20000 /* an end waits for a control that asks for it */
#define SESSION_ENDING_MS   2000  /* between the hang-up and the kill, when the helper ends */
#define SESSION_AS_USER_MS  5000  /* for what is done as the user around his program */
#define SESSION_LEFT_MS     10000 /* a program that was hung up; then it goes on by itself */
#define SESSION_CLOSE_S     30    /* for PAM's modules and the rest of an end */

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
	/* What listens, and is the shard's from STARTED on. -1; x11: n_x11 of them. */
	int agent, x11[2];
	unsigned int n_x11;
	int console[2]; /* our end of what the console asks by, and its own; -1 */
	bool console_asks, console_has; /* for control, and it has this one */
	char agent_dir[32], agent_path[48]; /* "": there is none */
	int tee;                            /* to its recorder, the shard's from STARTED on; -1 */
	char recording[HELPER_TEXT_MAX];    /* "": there is none */
	bool unrecorded;                    /* but there had to be one */
	bool record_full;                   /* there is no room for one */
	void *pam;                          /* pam_handle_t *; NULL */
	char welcome[SESSION_WELCOME_MAX]; /* a shell in a terminal has it */
	size_t welcome_len;
	pid_t pid;
	bool control_gone;
	int signals;          /* a signalfd */
	unsigned int hung_up; /* how often it was told to end */
};

/* Where the console is; NULL: beside this program. A test's. */
extern const char *session_console_path;

/* session_pam.c. False: it may not, with why; nothing stays open. */
bool session_pam_open(struct run *r, char *why, size_t size);
void session_pam_close(struct run *r);
/* A line of what its user reads first, where there is room for it. */
void session_welcome_add(struct run *r, const char *line);

/*
 * session_forwards.c. Those that were asked for and can be had; what cannot is said in the log. The
 * environment knows of them, and xauth of the display.
 */
void session_forwards_open(struct run *r);
/* The agent's folder goes. */
void session_forwards_close(struct run *r);

/*
 * Does f in a process of its own that has become the user, and within a time: he may stop it, or
 * have it look at what does not answer. keep: as in bounded.h. False: it could not.
 */
bool session_as_user(struct run *r, bool (*f)(struct run *r), int *keep);
/* A test's are shorter. */
extern struct session_times {
	unsigned int as_user_ms, left_ms;
} session_times;

/*
 * session_env.c. All of its environment but what stands for who listens for it, in two halves:
 * PAM's comes between. 0 or -errno.
 */
int session_env_login(struct run *r) __attribute__((warn_unused_result));
int session_env_rest(struct run *r) __attribute__((warn_unused_result));

/* session_record.c. False: it cannot be recorded, and may not run without that. */
bool session_record_open(struct run *r);
/* What its user reads of that before anything else; "": nothing. */
const char *session_record_notice(const struct run *r);
/* enum link_tee, of what is recorded. */
uint8_t session_record_how(const struct run *r);

/* session_console.c. It has said something; another control is there. */
void session_console_heard(struct run *r);
void session_console_again(struct run *r);

/*
 * session_watch.c. Before its program is: its end, and ours, are held back until we look (signals).
 * Then its program runs, and control knows; does not come back.
 */
int session_signals_open(struct run *r);
void session_watch(struct run *r) __attribute__((noreturn));

#endif
