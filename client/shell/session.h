/*
 * client/shell/session.h - a session at the server: its terminal, its environment, its program, and
 * what became of that.
 */
#ifndef SLUICE_CLIENT_SHELL_SESSION_H
#define SLUICE_CLIENT_SHELL_SESSION_H

#include "client/shell/conn.h"
#include "client/shell/escape.h"
#include "client/pump/pump.h"
#include "client/shell/x11.h"

struct session {
	struct conn *conn;
	struct pump pump;
	struct escape escape;
	bool used, tty, subsystem;
	bool agent;             /* our agent is offered to it */
	const struct x11 *x11;  /* our display is; NULL: it is not */
	bool failed;            /* it did not begin */
	const char *command;    /* NULL: a shell; or the subsystem */
	const char *const *env; /* "NAME=VALUE", NULL behind the last; NULL: what is configured */
	/* Another process's, at a master: its terminal is this one, of this kind. */
	bool guest;
	int terminal;
	const char *term;
	char why[256]; /* of a guest's: what is in the way, which is not said here */
	/* What is typed behind the escape character. False: this session ends. */
	bool (*act)(void *arg, int act);
	void *arg;
};

/*
 * Asks for it. in, out, err: the descriptors, -1: none; they stay the caller's. 0, or an error that
 * was said.
 */
int session_open(struct session *s, int in, int out, int err);
/* For on_channel_opened, _closed and _requested of its channel. */
void session_opened(struct session *s, int err, const char *text);
void session_requested(struct session *s, const char *type, int err);
/* What goes into the environment there, of ours and of SetEnv's; to be freed, its texts not. */
const char **session_environment(const struct config *c);
void session_break(struct session *s);
/* The window has another size. */
void session_resized(struct session *s);
bool session_over(const struct session *s);
/* The program's status; 255 when there is none, with *ret_signal "" or what ended it. */
int session_status(struct session *s, char ret_signal[65]);
void session_fini(struct session *s);

#endif
