/*
 * client/tunnel/status.h - where an agent is asked how it stands and told what to do: a UNIX socket
 * (StatusSocket), for its own user and root; and its numbers (MetricsListen), over HTTP.
 *
 * On the socket a request is a line (request.h), and so is each object of the answer: first one
 * with "v", and "hosts", how many follow. Nobody is waited for: an answer is made host by host as
 * it is taken; of events, what a follower does not take is left out and counted.
 * Limits  STATUS_CLIENTS_MAX at once, half of them for each; STATUS_OUT_MAX bytes that wait for one
 * at the socket, STATUS_PAGES_MAX of pages for all others together. A request has STATUS_REQUEST_MS
 * from its first byte, of a page from its connection, its answer STATUS_ANSWER_MS, however little
 * of either comes or goes now and then; who asks nothing, STATUS_IDLE_MS. Who follows may be
 * silent, and as slow as he takes something in STATUS_ANSWER_MS.
 */
#ifndef SLUICE_CLIENT_TUNNEL_STATUS_H
#define SLUICE_CLIENT_TUNNEL_STATUS_H

#include <jansson.h>

#include "client/shell/listen.h"
#include "client/pump/turn.h"

#define STATUS_VERSION     1 /* "v": raised when a field changes its meaning or goes */
#define STATUS_CLIENTS_MAX 16
#define STATUS_OUT_MAX     (256 * 1024)
#define STATUS_PAGES_MAX   (16 * 1024 * 1024) /* one of 20,000 hosts */
#define STATUS_REQUEST_MS  10000
#define STATUS_ANSWER_MS   60000
#define STATUS_IDLE_MS     60000

struct request;
struct status_client;
struct tunnel;

struct status {
	struct tunnel *const *v; /* borrowed */
	size_t n;
	/* Of hosts that are no tunnels yet: stops those that are meant, or wants them. How many. */
	size_t (*early)(void *arg, const struct request *q);
	void *arg;
	uint64_t began_ms;
	uint64_t refused; /* who found no place, or is somebody else; pages there is no room for */
	uint64_t late;    /* who was cut off because his time was over */
	struct status_door {
		struct listener l;
		size_t place;
		struct listen_rest rest;
	} socket, web; /* l.n 0: there is none */
	struct status_client *client[STATUS_CLIENTS_MAX];
};

/* Listens; NULL: not there. 0, or -errno, and what went wrong was said. */
int status_open(struct status *s, const char *socket, const char *metrics)
	__attribute__((warn_unused_result));
void status_prepare(struct status *s, struct turn *t);
void status_go(struct status *s, const struct turn *t);
/* An event, for who follows. Borrowed. */
void status_event(struct status *s, json_t *event);
void status_close(struct status *s);

#endif
