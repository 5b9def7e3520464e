/*
 * control/session/program.h - session channels, what the files about them share.
 *
 * program.c is what is asked of one, what runs for it and its end; program_handler.c has programs
 * of the operator's run in the place of a user's.
 */
#ifndef SLUICE_CONTROL_SESSION_PROGRAM_H
#define SLUICE_CONTROL_SESSION_PROGRAM_H

#include "control/service/call.h"
#include "control/session/handled.h"
#include "control/session/internal.h"
#include "ssh/session_msg.h"

enum program_state { PROGRAM_ASKED = 1, PROGRAM_STARTING, PROGRAM_RUNS };

struct program {
	struct session *session;
	struct open *open;
	struct service_call *call;    /* NULL: none runs, or it has said its last word */
	struct handled handled;       /* the same of one of the operator's, in its place */
	char *given;                  /* whose it is, as PolicyHook says; NULL: not said */
	enum program_state state;
	enum helper_run asked; /* of one of the operator's: what its client started */
	bool tty, start_reply;
	bool exited, drained, finished;
	bool counted;           /* of MaxSessions */
	bool told;              /* how has been said; else nobody knows how it ended */
	bool resized;           /* while it was being started */
	bool kept;              /* it runs since before this control, which nobody told of it yet */
	struct again again;     /* to hear of one that is kept */
	uint32_t idle_ms;       /* ChannelTimeout of what runs */
	uint8_t share;          /* ChannelShare */
	unsigned int owed;      /* refusals behind the answer to the start */
	struct helper_exit how; /* once exited and told */
	struct ssh_tty_size size;
	char *term;
	uint8_t *modes, *env;
	uint32_t modes_len, env_len;
	bool agent, x11_single; /* it shall have its client's; one X client and no more */
	uint8_t *x11;           /* rest of an x11-req; NULL: none was asked for */
	uint32_t x11_len;
	uint64_t listener[2]; /* tokens of what listens for them; 0 */
};

/* program.c: what becomes of it, whoever runs it */
extern const struct service_ops program_ops;
/* Nothing more is heard of it. */
void program_over(struct program *p);

/* program_kept.c: of one that runs since before this control; false: it is not asked any more */
bool program_ask_again(struct program *p);

/* program_handler.c */
bool program_handled(const struct session *s); /* may any session be a handler's? */
/* Whose this start is; false: a user's own. */
bool program_handler_for(const struct program *p, enum helper_run kind, struct ssh_str what,
			 char ret[CONF_SOCKET_MAX]);
int program_handler_start(struct program *p, const char *path, enum helper_run kind,
			  struct ssh_str what) __attribute__((warn_unused_result));
/* A request whose meaning is between its client and its program. */
bool program_handler_hears(struct program *p, const struct ssh_chan_request *m);
/* One that runs since before this control is called again. */
int program_handler_resume(struct program *p) __attribute__((warn_unused_result));
/* The request that started it was answered: it may write. */
void program_handler_started(struct program *p);
void program_handler_signal(struct program *p, struct ssh_str name);
void program_handler_size(struct program *p);

#endif
