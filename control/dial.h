/*
 * control/dial.h - sockets of the gateway's own kernel, connected for a channel: to loopback
 * addresses, to UNIX sockets, and where the gateway has no interfaces of its own to anywhere.
 *
 * What comes of it is a connected, non-blocking descriptor, or why there is none. Who may go where
 * was judged before; only the sockets of Sluice's own folder are nobody's, whatever a rule says.
 * Thread  the loop's.
 */
#ifndef SLUICE_CONTROL_DIAL_H
#define SLUICE_CONTROL_DIAL_H

#include <uv.h>

#include "control/resolve.h"
#include "control/timers.h"
#include "link/msg.h"

struct dialer;

/* fd: the callee's; or -errno. to: the address that answered; family 0 of a UNIX socket. */
typedef void dial_done(const struct resolve_caller *caller, int fd, const struct link_addr *to);

/* run_dir: where our own sockets are; now_ms as timers has it. */
int dialer_new(uv_loop_t *loop, struct timers *timers, uint64_t (*now_ms)(void),
	       const char *run_dir, struct dialer **ret) __attribute__((warn_unused_result));
/* What is under way ends without an answer. NULL is nothing. */
void dialer_close(struct dialer *d);

/*
 * In this order, each with its part of the time; at most LINK_ADDRS_MAX. done is called exactly
 * once, never before this returns 0; not at all when it fails.
 */
int dial_addrs(struct dialer *d, const struct link_addr *addr, size_t n, uint64_t deadline_ms,
	       const struct resolve_caller *caller, dial_done *done)
	__attribute__((warn_unused_result));
/* As the user this process runs as. -EACCES also: it is one of our own. */
int dial_unix(struct dialer *d, const char *path, uint64_t deadline_ms,
	      const struct resolve_caller *caller, dial_done *done)
	__attribute__((warn_unused_result));

#endif
