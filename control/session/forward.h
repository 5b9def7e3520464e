/*
 * control/session/forward.h - listeners of clients, what the files about them share.
 *
 * forward.c decides and keeps them, forward_take.c finds who else has the port and whether it is
 * to be taken from him.
 */
#ifndef SLUICE_CONTROL_SESSION_FORWARD_H
#define SLUICE_CONTROL_SESSION_FORWARD_H

#include "control/session/internal.h"

enum listener_state {
	LISTENER_ASKING = 1, /* the one who has the port is asked whether he lives */
	LISTENER_BINDING,    /* the shard is */
	LISTENER_WAITING,    /* the port is not free yet: the shard is asked again */
	LISTENER_UP,
	LISTENER_OVER, /* channels of it live */
};

struct listener {
	struct listener *prev, *next; /* of all */
	struct listener *chain;       /* of those whose token has the same place */
	struct session *session;
	uint64_t token, epoch;
	uint64_t until_ms; /* it is asked for again, but no later */
	struct timer timer;
	enum listener_state state;
	struct link_addr at; /* of family 0: any */
	uint32_t n_up;       /* channels */
	uint16_t asked_port, port;
	bool want_reply;
	char host[]; /* as the client wrote it */
};

/* forward.c */
struct listener *forward_find(const struct session *s, uint64_t token);
/* The shard is asked for it. */
void forward_bind(struct listener *l);
/* It ends; cut: and its channels. */
void forward_unbind(struct listener *l, bool cut);
/* It cannot be: the client is answered, and l is gone. */
void forward_refuse(struct listener *l, int err);

/* The next one of the session, or the first: *at is where the last one was found. */
struct listener *forward_next(const struct session *s, struct listener *at);

/* forward_take.c */
struct forward_counts {
	uint32_t connection, user, source, all;
};
struct forward_counts forward_count(const struct session_env *env, const struct session *s);
/* A new one: forward_bind(), now or later, or forward_refuse(). */
void forward_contend(struct listener *l);
/* Its timer fired. */
void forward_time(struct listener *l);
/* The port is in use, by nobody known here. True: it is asked for again, later. */
bool forward_again(struct listener *l);

#endif
