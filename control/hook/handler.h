/*
 * control/hook/handler.h - a program of the operator's that has a channel (ChannelHandler).
 *
 * Source  docs/sluice-handler.5.
 *
 * It is called as sluice-helper is for a program of a user's (control/service/call.h): it takes the
 * channel or not, hands its streams over, says how it ended. What it is told and says are lines of
 * JSON on one connection to its socket; the bytes of the channel go on another one, and those of
 * standard error on a third, which lead to the shard and no further: no frame stands between them,
 * and whoever does not read is waited for by the kernel. A line with a secret name says on each
 * which channel it is of.
 * Thread  the loop's.
 */
#ifndef SLUICE_CONTROL_HOOK_HANDLER_H
#define SLUICE_CONTROL_HOOK_HANDLER_H

#include <uv.h>

#include "conf/hook.h"
#include "control/hook/handler_line.h"
#include "control/hook/request.h"
#include "control/service/call.h"
#include "control/timers.h"

#define HANDLER_QUEUE_MAX (64 * 1024) /* of what it is told and does not read */
#define HANDLER_START_MS  10000       /* it has to take a channel, where nobody says otherwise */
#define HANDLER_NAME_MAX  33          /* of a channel's, random; with its end */
#define HANDLER_AGAIN_MS  20          /* a socket whose queue is full is asked again after */
#define HANDLER_LINES_MAX 200         /* that are heard of it in a second: the next ones wait */

struct handler_call;
struct ssh_chan_request;

/* What it says of its channel, beside what a program of a user's may. */
struct handler_ops {
	const struct service_ops *service;
	/* A line, and its word is none of the first four. */
	void (*says)(void *arg, const struct handler_line *l);
	/* It has taken its channel up again. */
	void (*resumed)(void *arg);
};

/* What is used of the process. */
struct handler_env {
	uv_loop_t *loop;
	struct timers *timers;
	uint64_t (*now_ms)(void);
	uint32_t start_ms; /* it has to take a channel */
};

/* first: what it is told of the channel; ended in any case. -errno; a call that says no more. */
int handler_call(const struct handler_env *env, const char *path, struct hook_req *first,
		 const struct handler_ops *ops, void *arg, struct handler_call **ret)
	__attribute__((warn_unused_result));
/*
 * The same of one that has the channel of that name since before this control, and its streams: it
 * is asked to go on with what is said about it.
 */
int handler_resume(const struct handler_env *env, const char *path, const char *name,
		   struct hook_req *first, const struct handler_ops *ops, void *arg,
		   struct handler_call **ret) __attribute__((warn_unused_result));
/*
 * What its client asks for, as it stands, and params, which are taken; false: it is not told, and
 * will not answer that.
 */
bool handler_tell_request(struct handler_call *c, const struct ssh_chan_request *m, json_t *params);
/* Its oldest request that waited has its answer: a yes it is told of, for that has gone out. */
void handler_tell_answered(struct handler_call *c, bool ok);
/* What its client answered. As handler_tell(). */
void handler_tell_reply(struct handler_call *c, bool ok);
/* Best effort, as service_signal(). Takes what. */
void handler_tell(struct handler_call *c, struct hook_req *what);
/* Its channel is over; without that word a control is, and another one may call. */
void handler_tell_closed(struct handler_call *c);
/* What it says from here on waits, until it is heard again; its streams are there. */
void handler_hold(struct handler_call *c);
void handler_hear(struct handler_call *c);
/* How what it is given is to be framed; NULL: it is not. Its streams are there. */
const struct link_chan_cut *handler_cut(const struct handler_call *c);
/* What it has refused the channel with, of RFC 4254 section 5.1; 0: it has not, or with none. */
uint32_t handler_code(const struct handler_call *c);
/* The socket it was called at; its channel's name; would it take that up again? */
const char *handler_path(const struct handler_call *c);
const char *handler_name(const struct handler_call *c);
bool handler_resumes(const struct handler_call *c);
/* Nothing more is to be said either way; it finds its connection closed. NULL is nothing. */
void handler_call_end(struct handler_call *c);

#endif
