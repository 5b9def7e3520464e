/*
 * control/own.h - the addresses the gateway has, as they are now: no tunnel leads to them unless an
 * operator names them.
 *
 * Those of its interfaces are the configuration's. The machine's kernel has others, which come and
 * go: they are read again when it tells of one (rtnetlink(7)). Without interfaces of its own the
 * gateway listens at the kernel's and connects from there; else they are only what nobody is to
 * reach, from outside or by a port that leads back to the machine.
 * Thread  the loop's.
 */
#ifndef SLUICE_CONTROL_OWN_H
#define SLUICE_CONTROL_OWN_H

#include <stddef.h>
#include <uv.h>

#include "conf/conf.h"
#include "control/session/session.h"
#include "link/msg.h"

#define OWN_AGAIN_MS 100 /* from one look to the next, however many come */

struct own_addrs {
	struct link_addr *addr; /* for free() */
	size_t n;               /* the gateway's */
	size_t n_kernel;        /* behind them: of a kernel that is not the gateway's network */
};

/* As they are at this moment. -ENOMEM, -errno. */
int own_addrs_read(const struct conf *conf, struct own_addrs *ret)
	__attribute__((warn_unused_result));

struct own;
/*
 * Reads env's, and again with each that comes or goes: then shards ask again before they connect.
 * env has its configuration, timers and clock. -ENOMEM, -errno.
 */
int own_new(uv_loop_t *loop, struct session_env *env, struct own **ret)
	__attribute__((warn_unused_result));
/* env's stay until own_free(). NULL is nothing. */
void own_close(struct own *o);
void own_free(struct own *o); /* the loop has run since */

#endif
