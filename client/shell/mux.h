/*
 * client/shell/mux.h - one connection for many: a master (ControlMaster) has a socket at which
 * other processes of its user ask it for sessions and forwards, and its guests, who do.
 */
#ifndef SLUICE_CLIENT_SHELL_MUX_H
#define SLUICE_CLIENT_SHELL_MUX_H

#include "client/shell/run.h"

#define GUESTS_MAX 64 /* at a master; more wait to be accepted */

/* --- the master ---------------------------------------------------------------------------- */

/* Listens, where the configuration says so and nobody does; r->mux is NULL where not. */
void mux_listen(struct run *r);
void mux_prepare(struct mux *m, struct turn *t);
void mux_go(struct mux *m, const struct turn *t);
/* The session of a guest that a channel's argument is; NULL: it is none. */
struct session *mux_session(const struct mux *m, const void *arg);
/* Its connection (-W), likewise. */
struct stdio *mux_stdio(const struct mux *m, const void *arg);
/* Are guests there? */
bool mux_busy(const struct mux *m);
/* Nobody is served any more: -O stop, or the time of ControlPersist. */
bool mux_over(struct mux *m, uint64_t now_ms);
void mux_free(struct mux *m); /* its socket goes; NULL is fine */

/* --- its guests ---------------------------------------------------------------------------- */

/*
 * Does what is asked for at a master: a session of this command, forwards, -O. True, with the exit
 * status, where there is one, or where -O wants one.
 */
bool mux_guest(struct options *o, const char *command, bool tty, int *ret_status);
/* The session for which a master was made that goes on (ControlPersist). Its status. */
int mux_first_guest(struct options *o, const char *command, bool tty);
/* Is there a master's socket this one shall use, or make? ControlPath, in buf; false: none. */
bool mux_path(struct config *c, char *buf, size_t size);

#endif
