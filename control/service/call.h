/*
 * control/service/call.h - control's side of what sluice-helper opens: a session's program, a UNIX
 * socket. The descriptors come here and go on to the shard.
 *
 * Like helper_call(), but for as long as a program runs, and with descriptors (proto.h, SESSION and
 * SOCKET).
 * Thread  the loop's.
 */
#ifndef SLUICE_CONTROL_SERVICE_CALL_H
#define SLUICE_CONTROL_SERVICE_CALL_H

#include "control/helper/client.h"
#include "control/helper/proto.h"

struct service_call;

struct service_ops {
	/* It runs, or is open; the descriptors are the callee's, in the order m has them. */
	void (*started)(void *arg, const struct helper_started *m, const int *fds);
	void (*exited)(void *arg, const struct helper_exit *how);
	/* The last word; whoever owns the call ends it. */
	void (*done)(void *arg, const struct helper_done *d);
	/* Its console asks at this socket, the callee's; NULL: there is none. */
	void (*console)(void *arg, int fd);
};

/* A frame of helper_session_build() or helper_socket_build(), which is copied. -errno; a call that
 * says nothing more. */
int service_call(struct helper *h, const uint8_t *frame, size_t len, const struct service_ops *ops,
		 void *arg, struct service_call **ret) __attribute__((warn_unused_result));
/* The same of a session of this user that runs since before this control: its end is heard of. */
int service_resume(struct helper *h, uint64_t id, const char *user, const struct service_ops *ops,
		   void *arg, struct service_call **ret) __attribute__((warn_unused_result));
/* Best effort: who is not there any more has no use for it. */
void service_signal(struct service_call *c, struct ssh_str name);
/* Its client is gone: the program is hung up, and nobody is told anything more. NULL: nothing. */
void service_hang_up(struct service_call *c);
/* Nothing more is to be said either way. */
void service_call_end(struct service_call *c);

/* The number of all of them. */
static inline unsigned int service_fds(const struct helper_started *m)
{
	return (unsigned int)m->n + m->agent + m->x11 + m->tee;
}

#endif
