/*
 * client/reach/reach.h - a connection to a server: by name, by either family, through a proxy or a
 * command.
 *
 * One descriptor stands for all that is under way (reach_fd(): an epoll set), so that it fits into
 * any event loop; reach_step() goes on as far as it can and never blocks. reach_wait() is the same
 * for who has nothing else to do.
 * Thread  one at a time.
 * Memory  the settings are borrowed until reach_free(); secrets in them are the caller's to wipe.
 */
#ifndef SLUICE_CLIENT_REACH_REACH_H
#define SLUICE_CLIENT_REACH_REACH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/reach/proxy.h"
#include "client/reach/race.h"

#define REACH_WHY_MAX 400

/* 0 or false: as the system has it. */
struct reach_tcp {
	bool delay; /* without TCP_NODELAY, which is else set */
	bool keepalive;
	int keep_idle_s, keep_interval_s, keep_count;
	int rcvbuf, sndbuf; /* bytes */
	int tos;            /* of IPv4's TOS or IPv6's traffic class */
};

/* Our end of it: an address as text, or one of an interface; a port, 0: any. */
struct reach_bind {
	const char *addr, *interface;
	uint16_t port;
};

struct reach_conf {
	/* A name or an address. "*name" is looked up by the proxy, whatever kind it is of. */
	const char *host;
	uint16_t port;
	int family;              /* AF_UNSPEC: both */
	unsigned int timeout_ms; /* of all of it; 0: as long as it takes */
	unsigned int again_ms;   /* race.h */
	struct reach_bind bind;
	struct reach_tcp tcp;
	struct proxy_addr proxy;    /* PROXY_NONE: none */
	const char *proxy_password; /* NULL: none */
	const char *const *proxy_header;
	unsigned int n_proxy_headers;
	/* client/reach/command.h; NULL: none. Nothing above but the time counts then. */
	const char *command;
	int command_err_fd; /* its error output; -1: ours */
};

/* What it failed at. */
enum reach_stage { REACH_NAME = 1, REACH_CONNECT, REACH_PROXY, REACH_COMMAND };

/* A connection, which is the caller's. */
struct reach_link {
	int fd;                /* non-blocking, close-on-exec */
	pid_t command;         /* command_end() once fd is closed; 0: none */
	struct race_addr peer; /* of the server or the proxy; len 0: a command's */
};

struct reach;

/* -EINVAL: a host that is none (client/reach/name.h), or what a proxy cannot be told; -ENODEV,
 * -ENOMEM, -errno. Nothing is asked or sent yet. */
int reach_new(const struct reach_conf *c, struct reach **ret) __attribute__((warn_unused_result));
int reach_fd(const struct reach *r);
/*
 * 0: there it is; -EAGAIN: when reach_fd() is readable again; -ENOENT: no such name or no address
 * of it; -ETIMEDOUT; what connect(2) said of the first address, what proxy_talk_input() says.
 */
int reach_step(struct reach *r, struct reach_link *ret) __attribute__((warn_unused_result));
int reach_wait(struct reach *r, struct reach_link *ret) __attribute__((warn_unused_result));
/* After it failed: where, EAI_* of a name that was not found (else 0), and all of it for people. */
enum reach_stage reach_stage(const struct reach *r);
int reach_gai(const struct reach *r);
const char *reach_why(const struct reach *r);
/* Is it connected to a proxy, or through one? */
bool reach_at_proxy(const struct reach *r);
void reach_free(struct reach *r); /* ends what is under way; NULL is fine */

#endif
