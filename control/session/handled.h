/*
 * control/session/handled.h - what a program of the operator's that has a channel says of it, be it
 * a session's or another (handled_chan.h).
 *
 * Source  docs/sluice-handler.5.
 *
 * It is its own channel's: what it sends names that one, or is not sent, and of the messages of the
 * protocol those that move windows, bytes and ends stay the gateway's.
 */
#ifndef SLUICE_CONTROL_SESSION_HANDLED_H
#define SLUICE_CONTROL_SESSION_HANDLED_H

#include "control/hook/handler.h"
#include "control/session/internal.h"
#include "control/session/replies.h"

#define HANDLED_OPENS_MAX 8 /* that no client has answered, of one channel's program */

/* What it is told of what cannot be, by the numbers of docs/parity.md, 4. */
enum handled_error {
	HANDLED_E_OPEN = 1020,    /* the client, or the gateway, opens no such channel */
	HANDLED_E_CHANNEL = 1021, /* it is not its own */
	HANDLED_E_DATA = 1022,    /* its client takes no more now */
	HANDLED_E_MESSAGE = 1023, /* a message that is the gateway's to send, or none */
};

struct handled_open;

/* handled_place.c: what another control finds a session's program again by */
struct handled_place {
	struct handled_place *next;    /* of those whose channel is not told of yet, */
	const struct session *session; /* and whose it is */
	uint64_t token;                /* of that channel */
	bool resumes;                  /* it takes it up again, */
	bool framed;                   /* and what it is given is */
	bool of_program;               /* as of struct handled_chan */
	char name[HANDLER_NAME_MAX], path[CONF_SOCKET_MAX];
};

struct handled {
	struct open *open;
	struct handler_call *call; /* NULL: it has said its last word */
	bool framed;               /* what it is given */
	bool ended;                /* it has sent EOF */
	bool closed;               /* it has closed the channel: no word of it counts any more */
	struct replies replies;    /* to its client's requests */
	struct handled_place *place; /* NULL: no other control hears of it */
	struct handled_open *opens;
	unsigned int n_opens;
};

/* A line of it; its session may be at rest, or over. */
void handled_says(struct handled *h, const struct handler_line *l);
/* It has its streams, which the shard is told of next: with frames, if it wants them. */
void handled_streams(struct handled *h);
/* A request of its client's, which it is told of, or none is (may); answered in its place. */
void handled_asked(struct handled *h, const struct ssh_chan_request *m, bool may);
/* Nothing more is said to it or heard of it. */
void handled_fini(struct handled *h);

/* What it says, one thing each; its session is awake, and the channel open. */
void handled_request(const struct handled *h, struct ssh_str type, bool want_reply,
		     struct ssh_str rest);
void handled_reply(struct handled *h, bool ok);
void handled_opens(struct handled *h, struct ssh_str type, uint64_t id, struct ssh_str rest);
void handled_closes(struct handled *h);
/* What cannot be, of what it named by id; 0: by nothing. */
void handled_error(struct handled *h, uint64_t id, enum handled_error code, const char *why);

/* handled_packet.c */
/* A message of the protocol. */
void handled_packet(struct handled *h, const struct handler_line *l);
/* To a global request of its own, which it named by id; 0: by nothing. */
void handled_answered(struct handled *h, uint64_t id, bool ok, struct ssh_str rest);
/* Bytes of that one could not wait any more. */
void handled_unsaid(struct handled *h, uint64_t id);

/* Who has a channel since before this control is called as long as he may take to come back. */
struct again {
	struct timer timer;
	uint8_t tries;
};

/* handled_place.c */
/* False: often enough, or there is no memory. */
bool again_later(struct session_env *env, struct again *a);
/* Another control finds it; its session is awake. */
void handled_place_keep(struct handled *h, bool of_program);
/* Its program is called again, by that. */
int handled_resume(struct handled *h, const struct handler_ops *ops, void *arg)
	__attribute__((warn_unused_result));
/*
 * Those of a session's open channels, as many as there is room for beside so many bytes; what it
 * was left with: -EBADMSG, -ENOMEM.
 */
void handled_places_build(const struct session *s, struct ssh_wr *w, size_t spare);
int handled_places_parse(struct session *s, struct ssh_rd *r) __attribute__((warn_unused_result));
/* The caller's, once; NULL: it is no handler's. */
struct handled_place *handled_place_take(const struct session *s, uint64_t token);
/* Of channels that ended meanwhile. */
void handled_places_forget(const struct session *s);

#endif
