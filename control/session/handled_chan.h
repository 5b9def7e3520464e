/*
 * control/session/handled_chan.h - channels that are no sessions and are a program's of the
 * operator's: its client has opened one (ChannelHandler, open_handler.c), or we towards him
 * (ours.c).
 *
 * Source  docs/sluice-handler.5.
 *
 * What a client opens is confirmed when the program has taken it and has its streams, or is refused
 * with the program's own reason. What we open has its program once the client has agreed. From then
 * on they are the same: the program has the channel's bytes and requests, and says when it is over.
 */
#ifndef SLUICE_CONTROL_SESSION_HANDLED_CHAN_H
#define SLUICE_CONTROL_SESSION_HANDLED_CHAN_H

#include "control/session/handled.h"
#include "ssh/wire.h"

struct ours_ask;

struct handled_chan {
	struct open *open;
	struct handled handled; /* call NULL: not yet, or it has said its last word */
	struct ours_ask *ask;   /* who had us open it, and waits; NULL: nobody */
	bool ours;              /* we have opened it; else its client */
	bool of_program;        /* a handler has asked for it: no more of those than MaxSessions */
	bool runs;              /* it has its streams */
	bool kept;              /* since before this control, and its program has not come back */
	bool exited, drained, finished;
	uint8_t share;
	uint32_t idle_ms;
	struct again again; /* of one that is kept */
	char path[CONF_SOCKET_MAX];
	size_t raw_len;
	uint8_t raw[]; /* what is particular to its type, of ours: until the client has agreed */
};

/* Of o, whose type it goes by; its session is awake. NULL: no memory. */
struct handled_chan *handled_chan_new(struct open *o, const char *type, const char *path,
				      struct ssh_str raw);
/* o is its client's, and may be one: its program is asked. It may be gone when this returns. */
void handled_chan_begin(struct open *o, const char *path, struct ssh_str raw);
bool handled_chan_is_ours(const struct open *o);
/* Of those that handlers have asked for. */
uint32_t handled_chans_of_programs(const struct session *s);
/* NULL: it has none, or is as good as over. */
const struct handled_place *handled_chan_place(const struct open *o);

/* open.c, kept.c: what becomes of it */
void handled_chan_opened(struct open *o);
void handled_chan_failed(struct open *o, int err, uint32_t reason);
void handled_chan_drained(struct open *o);
void handled_chan_request(struct open *o, const struct ssh_chan_request *m, bool may);
void handled_chan_reply(struct open *o, bool ok); /* to a request of its program's */
void handled_chan_unsaid(struct open *o, uint64_t id); /* bytes that it has named so */
/* It is there since before this control. */
void handled_chan_kept(struct open *o, bool ours);
void handled_chan_free(struct handled_chan *u); /* its channel is over; NULL is nothing */

#endif
