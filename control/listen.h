/*
 * control/listen.h - sockets of the gateway's own kernel that listen for a client: at loopback
 * addresses, and where the gateway has no interfaces of its own anywhere. Who may have one was
 * judged before. A port below 1024 the kernel refuses to control: sluice-helper opens it.
 */
#ifndef SLUICE_CONTROL_LISTEN_H
#define SLUICE_CONTROL_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/policy/policy.h"
#include "link/msg.h"

#define LISTEN_MAX 2 /* addresses of one listener: "localhost" is both families */

/* conf_family(): what stands for both families is of the one; false: it is of the other. */
bool listen_narrow(uint8_t only, enum policy_where where, struct link_addr *addr);
/* The kernel's addresses for what policy_listen_where() said; their number. */
size_t listen_places(enum policy_where where, const struct link_addr *addr,
		     struct link_addr ret[LISTEN_MAX]);
/*
 * Listens at each address of a family that the machine has, at the same port; *port of 0 is chosen.
 * Number of sockets, which are the caller's, non-blocking; or -errno: none is left open then. One
 * that is taken makes it -EADDRINUSE, also when another was free.
 */
int listen_addrs(const struct link_addr *addr, size_t n, uint16_t *port, int ret_fd[LISTEN_MAX])
	__attribute__((warn_unused_result));

#endif
