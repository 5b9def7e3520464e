/*
 * control/session/forward.h - listeners of clients, what the files about them share.
 *
 * forward.c decides and keeps them, forward_take.c finds who else has the port and whether it is
 * to be taken from him.
 */
#ifndef SLUICE_CONTROL_SESSION_FORWARD_H
#define SLUICE_CONTROL_SESSION_FORWARD_H

#include "control/listen.h"
#include "control/service/call.h"
#include "control/session/internal.h"
#include "control/session/tally.h"

enum listener_state {
	LISTENER_ASKING = 1, /* the one who has the port is asked whether he lives */
	LISTENER_BINDING,    /* the shard is */
	LISTENER_WAITING,    /* the port is not free yet: the shard is asked again */
	LISTENER_UP,
	LISTENER_OVER, /* channels of it live */
	LISTENER_HELD, /* a program of the operator's is asked about it, or its session is to begin */
};

/* Why it listens no more. State 0 is illegal. */
enum listener_end {
	LISTENER_CANCELLED = 1, /* by its client */
	LISTENER_TAKEN,   /* by another connection of the same identity: its channels end, too */
	LISTENER_STOPPED, /* by an operator */
	LISTENER_SESSION_OVER, /* the one whose agent or display it is */
	LISTENER_CONNECTION_OVER,
};

/* What it listens at; addr of family 0: any. In the kernel "any" is one of each family. */
struct listener_at {
	struct link_addr addr[LISTEN_MAX];
	uint8_t n;
	bool kernel;      /* the gateway's own kernel does, and the shard accepts there */
	const char *path; /* of a UNIX socket, and no address; NULL: it is none */
};

struct listener {
	struct listener *prev, *next; /* of its connection */
	struct index_node token_node, port_node;
	struct tally *tally[TALLIES];
	struct session *session;
	uint64_t token, epoch;
	uint64_t until_ms; /* it is asked for again, but no later */
	struct timer timer;
	enum listener_state state;
	struct listener_at at;
	struct service_call *call; /* that opens its socket; NULL: there is none, or it has */
	struct channels channels;
	uint32_t max_channels[CHANNEL_TALLIES]; /* of its user and its source, known to it */
	uint16_t asked_port, port;
	uint8_t opens; /* enum link_opens */
	bool want_reply;
	bool fail_open,
		chosen; /* of PolicyHook; the port is ours, though it was not free to be any */
	struct hook_call *asked; /* LISTENER_HELD */
	bool at_port;            /* it is found by its port */
	bool kept; /* a control before this one made it: what holds for it is not looked up yet */
	char *rule;              /* that allowed it; NULL: nobody records it, or it is not known */
	char host[];             /* as the client wrote it */
};

/* forward.c */
void forward_answer(struct session *s, bool want_reply, bool ok, uint32_t port);
/* at and host are copied. NULL: in its limits there is no room, or no memory; that is said. */
struct listener *forward_new(struct session *s, enum link_opens opens, struct ssh_str host,
			     uint16_t port, const struct listener_at *at);
/* Its client hears nothing else until it is answered; l may be gone by then. */
void forward_await(struct listener *l, bool want_reply);
/* What allowed it, for its records. */
void forward_allowed(struct listener *l, const char *rule);
/* The shard has it, by what *m says of where. */
void forward_listens(struct listener *l, struct link_forward *m);
void forward_up(struct listener *l); /* and listens */
/* The shard is asked for it, or the kernel is and the shard has what comes of that. */
void forward_bind(struct listener *l);
/* It ends. */
void forward_unbind(struct listener *l, enum listener_end why);
/* By the rules of now: a program of the operator's may have taken long to answer. */
bool forward_may_still(const struct listener *l);
/* A program of the operator's has chosen the port its client left to us. */
void forward_take_port(struct listener *l, uint16_t port);
/* It cannot be: the client is answered, and l is gone. */
void forward_refuse(struct listener *l, int err);
void forward_refuse_as(struct listener *l, const char *why);
/* The same without a line in the log. */
void forward_drop(struct listener *l);

/* For people. */
const char *forward_state_text(const struct listener *l);

/* listeners.c */
struct listener *forward_find(const struct session *s, uint64_t token);
/* The next one of the session, or the first: *at is where the last one was found. */
struct listener *forward_next(const struct session *s, struct listener *at);

/* forward_kernel.c */
/* Where it is at: the kernel's addresses for what policy_listen_where() said. */
struct listener_at forward_kernel_at(enum policy_where where, const struct link_addr *addr);
/* Opens its sockets and hands them to the shard: *m says which they are. -errno. */
int forward_kernel_open(struct listener *l, struct link_forward *m)
	__attribute__((warn_unused_result));

/* hook_forward.c: forward_contend(), now or once it was asked about, or forward_drop(). */
void hook_listen(struct listener *l);

/* Hands sockets that listen to the shard, which has copies: *m says which they are. -errno. */
int forward_fds_send(struct session *s, const int *fds, unsigned int n, struct link_forward *m)
	__attribute__((warn_unused_result));

/* forward_socket.c: UNIX sockets */
/* streamlocal-forward@openssh.com and its cancel; false: it is about something else. */
bool forward_socket_global(struct session *s, const struct ssh_chan_request *q);

/*
 * forward_helper.c: UNIX sockets and ports below 1024. The helper is asked for it:
 * forward_listens(), forward_again() or forward_refuse() follow.
 */
void forward_helper_bind(struct listener *l);

/* forward_session.c: of sessions. */
void forward_session_result(struct listener *l, int err);

/* forward_take.c */
/* Which limit one more of s at this port (0: any) would be beyond, which is counted; NULL: none. */
const char *forward_limit(const struct session *s, const struct listener_at *at, uint16_t port);
/* A new one: forward_bind(), now or later, or forward_refuse(). */
void forward_contend(struct listener *l);
/* Its timer fired. */
void forward_time(struct listener *l);
/* The port is in use, by nobody known here. True: it is asked for again, later. */
bool forward_again(struct listener *l);

#endif
