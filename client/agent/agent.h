/*
 * client/agent/agent.h - an agent of keys: one connection to it, by waiting or in an event loop.
 *
 * In a loop: agent_ask() with a message of msg.h, then agent_step() whenever agent_fd() is ready
 * for agent_events(). Waiting: agent_bind(). One question at a time. A signature may take as long
 * as somebody needs to touch a key.
 * Errors  -errno; after one of the connection itself it is of no more use.
 */
#ifndef SLUICE_CLIENT_AGENT_AGENT_H
#define SLUICE_CLIENT_AGENT_AGENT_H

#include "client/agent/msg.h"

struct agent;

/*
 * path NULL or "SSH_AUTH_SOCK": what that variable says; -ENOENT: nothing, or "none". What
 * connect(2) says.
 */
int agent_open(const char *path, struct agent **ret) __attribute__((warn_unused_result));
void agent_close(struct agent *a); /* NULL is fine */
/*
 * For a channel that leads to the agent: the connection itself, non-blocking, the caller's from now
 * on; a is freed. -EBUSY: something is being asked.
 */
int agent_fd_take(struct agent *a) __attribute__((warn_unused_result));

/*
 * Waits up to timeout_ms: -ETIMEDOUT. An agent that does not know of it is no worse for it:
 * -ENOTSUP, -EACCES.
 */
int agent_bind(struct agent *a, const struct agent_bind *b, int timeout_ms)
	__attribute__((warn_unused_result));

/* Says it at once, and leaves the answer to who reads next. -EAGAIN: it does not take it now. */
int agent_tell(struct agent *a, const uint8_t *msg, size_t len) __attribute__((warn_unused_result));

/* Copied. -EBUSY, -EMSGSIZE, -ENOMEM. */
int agent_ask(struct agent *a, const uint8_t *msg, size_t len) __attribute__((warn_unused_result));
/* 0: *ret is the answer, until the next question; -EAGAIN; -EPIPE: it has hung up; -EMSGSIZE. */
int agent_step(struct agent *a, struct ssh_str *ret) __attribute__((warn_unused_result));
int agent_fd(const struct agent *a);
short agent_events(const struct agent *a); /* of poll(2) */

#endif
