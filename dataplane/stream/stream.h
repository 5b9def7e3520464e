/*
 * dataplane/stream/stream.h - the one contract of ordered bytes in and out.
 *
 * Kinds: tcp (dataplane/tcp), host (stream/host.h).
 * Lcore   the shard's.
 * Memory  a stream is its kind's; the user holds a pointer from connect or accept until it
 *         calls close() or abort(); after either it may not touch it again, but in left().
 *
 * News is collected as event bits and the user's ready() is called when bits are added to
 * none; ready() only notes the stream (it runs deep inside the kind): work is done
 * later in the turn, by the user's own pass, which reads and clears the bits with
 * stream_events().
 */
#ifndef SLUICE_DATAPLANE_STREAM_STREAM_H
#define SLUICE_DATAPLANE_STREAM_STREAM_H

#include <stdint.h>

#include "dataplane/pkt.h"

enum stream_kind { STREAM_TCP = 1, STREAM_HOST };

/* Bits. */
enum stream_event {
	STREAM_EV_CONNECTED = 1 << 0,
	STREAM_EV_READABLE = 1 << 1, /* bytes wait */
	STREAM_EV_EOF = 1 << 2,      /* all bytes were taken or wait; no more will come */
	STREAM_EV_WRITABLE = 1 << 3, /* queued bytes were given up: space, or consumption */
	STREAM_EV_ERROR = 1 << 4,    /* err is set; nothing more will move */
	STREAM_EV_DEAF = 1 << 5,     /* takes no more bytes, though some may still come */
};

struct stream;

struct stream_user {
	void (*ready)(struct stream *s); /* events went from none to some */
	/*
	 * So many bytes may wait to be taken, beyond what it began with, where was might until now:
	 * returns how many, from was to size; where size is less, size. Neither is less than what it
	 * began with. NULL: as the kind likes.
	 */
	uint32_t (*keep)(struct stream *s, uint32_t was, uint32_t size);
	/*
	 * Of one that was closed: so many bytes are still queued, no more than the last time. 0 is
	 * said once, whether they have arrived or are dropped; but nothing once its kind ends as a
	 * whole. May be called within close(). NULL: nobody asks.
	 */
	void (*left)(struct stream *s, uint32_t queued);
};

struct stream_ops {
	/* Moves at most max bytes to the end of ret. Taking opens the peer's window again. */
	uint32_t (*rx_take)(struct stream *s, uint32_t max, struct pkt_chain *ret);
	/* Bytes that wait to be taken. */
	uint32_t (*rx_len)(const struct stream *s);
	/* Takes the whole chain, even beyond the space; -EPIPE after shutdown or error. */
	int (*tx)(struct stream *s, struct pkt_chain *c);
	/* The same of bytes of another type than the stream's own (RFC 4254 section 5.2), of a kind
	 * that says which is which; else NULL. */
	int (*tx_ext)(struct stream *s, uint32_t data_type, struct pkt_chain *c);
	/* Bytes the stream would still like to be given; follows peer, congestion and budget. */
	uint32_t (*tx_space)(const struct stream *s);
	/* Bytes given and not yet known to have arrived. */
	uint32_t (*tx_queued)(const struct stream *s);
	/* End of our bytes, behind all that is queued. */
	void (*shutdown)(struct stream *s);
	/* Lets go: what is queued still goes out, in order, with its own time-outs. */
	void (*close)(struct stream *s);
	/* Ends at once (TCP: RST). */
	void (*abort)(struct stream *s);
	/* A second way in, of a kind that has one (a program's standard error); else NULL. EOF is
	 * the end of both. */
	uint32_t (*err_take)(struct stream *s, uint32_t max, struct pkt_chain *ret);
	uint32_t (*err_len)(const struct stream *s);
};

struct stream {
	const struct stream_ops *ops;
	const struct stream_user *user;
	void *user_ptr;
	uint32_t user_val;
	uint8_t kind;
	uint8_t events;
	int err; /* -errno once STREAM_EV_ERROR */
};

static inline uint8_t stream_events(struct stream *s)
{
	uint8_t ev = s->events;

	s->events = 0;
	return ev;
}

/* For kinds. */
static inline void stream_notify(struct stream *s, uint8_t ev)
{
	uint8_t old = s->events;

	s->events = old | ev;
	if (old == 0 && s->user != NULL)
		s->user->ready(s);
}

/* For kinds: it is closed. Its user hears what is left, and nothing else. */
static inline void stream_closed(struct stream *s)
{
	if (s->user != NULL && s->user->left == NULL)
		s->user = NULL;
}

static inline void stream_left(struct stream *s, uint32_t queued)
{
	const struct stream_user *user = s->user;

	if (user == NULL || user->left == NULL)
		return;
	if (queued == 0)
		s->user = NULL;
	user->left(s, queued);
}

/* How a user gets an outgoing stream without knowing the kind. */
struct stream_provider {
	/*
	 * Begins to connect. 0 and a stream that will say CONNECTED or ERROR; or -errno
	 * at once: -ENETUNREACH, -EADDRNOTAVAIL (no free port), -ENOBUFS.
	 */
	int (*connect)(void *arg, const struct net_addr *addr, uint16_t port,
		       const struct stream_user *user, void *user_ptr, struct stream **ret);
	void *arg;
};

#endif
