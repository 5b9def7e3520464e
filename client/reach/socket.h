/* client/reach/socket.h - a TCP socket as the settings want it, on its way to one address. */
#ifndef SLUICE_CLIENT_REACH_SOCKET_H
#define SLUICE_CLIENT_REACH_SOCKET_H

#include <stdbool.h>

#include "client/reach/race.h"
#include "client/reach/reach.h"

/* Before anything else is done: can such an end be bound? -EINVAL: no address; -ENODEV. */
int socket_bind_check(const struct reach_bind *b) __attribute__((warn_unused_result));
/*
 * Non-blocking, connecting or connected already. -EADDRNOTAVAIL: nothing of that family to bind
 * to; what socket(2), bind(2), connect(2) say. An option the system does not take is left out.
 */
int socket_connect(const struct race_addr *to, const struct reach_bind *b,
		   const struct reach_tcp *tcp, int *ret_fd, bool *ret_there)
	__attribute__((warn_unused_result));

#endif
