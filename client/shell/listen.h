/*
 * client/shell/listen.h - the sockets of local forwards.
 */
#ifndef SLUICE_CLIENT_SHELL_LISTEN_H
#define SLUICE_CLIENT_SHELL_LISTEN_H

#include <stdbool.h>
#include <sys/stat.h>

#include "client/config/forward.h"

#define LISTEN_FDS_MAX 8 /* addresses of one name */

struct listen_conf {
	bool any;    /* what says no address is for all (GatewayPorts) */
	int family;  /* AF_UNSPEC: both */
	mode_t mask; /* of UNIX sockets */
	bool unlink; /* of those, one that is there already */
};

struct listener {
	struct forward f;
	int fd[LISTEN_FDS_MAX];
	unsigned int n;
	uint16_t port; /* that it listens at */
};

/* 0; or -errno, and what went wrong was said. */
int listener_open(struct listener *l, const struct forward *f, const struct listen_conf *conf);
/* Removes the file of a UNIX socket. */
void listener_close(struct listener *l);

#endif
