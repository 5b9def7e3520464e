/*
 * control/resolve.h - names of targets to addresses, asynchronously, with a deadline.
 *
 * c-ares on the loop; it asks the servers of the host's resolv.conf through the kernel's
 * network and reads /etc/hosts first where nsswitch.conf says so.
 * Thread  the loop's.
 */
#ifndef SLUICE_CONTROL_RESOLVE_H
#define SLUICE_CONTROL_RESOLVE_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "control/ref.h"
#include "control/timers.h"
#include "link/msg.h"

#define RESOLVE_ADDRS_MAX 32 /* of one answer; more are left out */

struct resolver;

struct resolve_caller {
	void *arg; /* outlives the resolver */
	struct conn_ref conn;
	uint64_t token;
};
/* err: 0 with n >= 1 addresses (ports 0, unsorted), -ENOENT, -ETIMEDOUT, -EIO. */
typedef void resolve_done(const struct resolve_caller *caller, int err,
			  const struct link_addr *addr, size_t n);

/* The name of an address, "" with err; errors as above. */
typedef void resolve_named(const struct resolve_caller *caller, int err, const char *name);

int resolver_new(uv_loop_t *loop, struct timers *timers, struct resolver **ret)
	__attribute__((warn_unused_result));
/* Open questions end without an answer. */
void resolver_close(struct resolver *r);

/* done is called exactly once, never before this returns 0; not at all when it fails. */
int resolver_ask(struct resolver *r, const char *host, uint64_t deadline_ms,
		 const struct resolve_caller *caller, resolve_done *done)
	__attribute__((warn_unused_result));
/* The same of what an address is called; whether that name leads back to it is asked next. */
int resolver_name(struct resolver *r, const struct link_addr *addr, uint64_t deadline_ms,
		  const struct resolve_caller *caller, resolve_named *named)
	__attribute__((warn_unused_result));

#endif
