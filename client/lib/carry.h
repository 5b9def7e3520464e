/*
 * client/lib/carry.h - channels the server opens for who connected there, which the library itself
 * carries to a target here: it connects, and copies both ways (client/pump/pump.h).
 *
 * Each has a socket of its own, beside that of the connection: while there are any, one epoll set
 * stands for all of them and the connection's, and is what sluice_fd() says.
 * Locks  that of the connection.
 */
#ifndef SLUICE_CLIENT_LIB_CARRY_H
#define SLUICE_CLIENT_LIB_CARRY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "client/pump/turn.h"

struct sluice;
struct sluice_channel;
struct carry;

/* What the epoll set knows of one of its members. */
struct carry_watch {
	int fd; /* -1: nothing */
	short events;
};

struct carries {
	TAILQ_HEAD(, carry) list; /* empty, too, before the first one */
	unsigned int n;
	struct turn turn;
	int epoll; /* while there were any, ever; 0: none yet */
	struct carry_watch stream;
};

/* The channel, undecided, is carried to host and port; else -errno, and it is the caller's. */
int carry_begin(struct sluice_channel *c, const char *host, uint16_t port);
/* The channel is gone, or its connection. */
void carry_end(struct carry *y);
/* The server sends no more: what came is still written. */
void carry_closed(struct carry *y);
/* Moves what can be moved. True: something was done. */
bool carries_turn(struct sluice *s);
/* When there is something to do, whatever descriptors say; UINT64_MAX: there is not. */
uint64_t carries_due(const struct sluice *s);
/* One descriptor for all of them and fd, of which events are wanted. fd itself, where there are
 * none. */
int carries_fd(struct sluice *s, int fd, short events);
void carries_fini(struct sluice *s);

#endif
