/*
 * client/shell/run.h - one connection at work: its session, its forwards, and the signals we get.
 */
#ifndef SLUICE_CLIENT_SHELL_RUN_H
#define SLUICE_CLIENT_SHELL_RUN_H

#include "client/shell/conn.h"
#include "client/shell/options.h"
#include "client/shell/progress.h"
#include "client/shell/remote.h"
#include "client/shell/session.h"
#include "client/shell/stdio.h"

struct mux;

struct run {
	struct options *o;
	struct conn *conn;
	struct session session;
	struct stdio stdio; /* -W */
	struct relays relays;
	struct remotes remotes;
	struct x11 x11;
	struct mux *mux; /* others use this connection; NULL: nobody */
	bool remote_failed;
	struct progress progress; /* of a file on standard input */
	struct turn turn;
	int signals; /* signalfd(2); -1: none yet */
	int killed;  /* by this signal */
	size_t place;
	bool leave; /* ~. */
	/* A forward listens: where. NULL: it is said. */
	void (*told)(struct run *r, const struct forward *f, uint16_t port);
	/* Is a forward of the configuration to be had still? NULL: all are. */
	bool (*wanted)(struct run *r, const struct forward *f);
	void *arg; /* of who is told */
};

/* On its way. 0, or EXIT_ERROR, said. */
int run_new(struct run *r, struct options *o);
/* Connects and logs on. 0, or EXIT_ERROR, said. */
int run_begin(struct run *r, struct options *o);
/* What it waits for, and what it does then: for a loop of the caller's. */
void run_prepare(struct run *r, struct turn *t);
void run_go(struct run *r, const struct turn *t);
/* Why it did not get in, as ssh words it. */
void run_failed_text(const struct run *r, char *buf, size_t size);
/* Forwards as the configuration says. 0, or EXIT_ERROR when that ends it (ExitOnForwardFailure). */
int run_forwards(struct run *r);
/* The same without waiting for what the server says (r->remotes). EXIT_ERROR: one cannot be had. */
int run_forwards_ask(struct run *r);
bool run_has_forwards(const struct config *c);
/* One forward more. 0 or an error that was said. */
int run_forward(struct run *r, const struct forward *f);
/* The same; *port is the one a listener here got. */
int run_forward_at(struct run *r, const struct forward *f, uint16_t *port);
/* From now on signals come by the loop: after the last question. */
void run_signals(struct run *r);
/* Turns until over() says so, or the connection or we are. */
void run_until(struct run *r, bool (*over)(struct run *r));
/* Says what ended it, when that was not over(). 0: that was. */
int run_why(struct run *r);
void run_end(struct run *r);
/* Where ForwardAgent leads; false: nowhere. */
bool run_agent_path(struct run *r, char *buf, size_t size);
/* The server brings somebody for the agent. As on_channel_open_request answers. */
int run_agent(struct run *r, struct sluice_channel *c);
/* Goes on in a child; the parent is gone. */
void go_background(void);
/* A child goes on by itself: without a terminal, saying nothing unless it is asked to. */
void go_detached(void);
void run_background(struct run *r);

#endif
