/*
 * client/shell/listen.h - the sockets of local forwards, and who comes to a socket of ours.
 */
#ifndef SLUICE_CLIENT_SHELL_LISTEN_H
#define SLUICE_CLIENT_SHELL_LISTEN_H

#include <stdbool.h>
#include <sys/stat.h>

#include "client/config/forward.h"
#include "client/pump/turn.h"

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

/*
 * Where nobody can be taken in, for want of descriptors, say, who waits there would have each turn
 * end at once: so nobody is for a while.
 */
#define LISTEN_REST_MS 1000
struct listen_rest {
	uint64_t until_ms;
};
/* It is not over: nothing of those listeners is to be waited for. The turn ends with it. */
bool listen_rests(const struct listen_rest *r, struct turn *t);
/* Who came to fd, as a socket that does not block; -1: nobody, or, and they rest, he cannot be had.
 */
int listen_accept(struct listen_rest *r, int fd, uint64_t now_ms);

#endif
