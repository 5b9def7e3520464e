/*
 * dataplane/stream/internal.h - what host.c (life, and who is served), host_io.c (bytes) and
 * host_door.c (who comes in) share.
 */
#ifndef SLUICE_DATAPLANE_STREAM_INTERNAL_H
#define SLUICE_DATAPLANE_STREAM_INTERNAL_H

#include <sys/queue.h>

#include "dataplane/stream/host.h"

/* Pieces of one readv() or writev(): HOST_TURN_BYTES of data mbufs. */
#define HOST_PIECES 64
/* Left free behind what is read, for padding and tag of a record that ends there. */
#define HOST_TAIL_ROOM 64
/* Streams served in one turn, and bytes of all of them. */
#define HOST_SERVE_TURN       256
#define HOST_SERVE_TURN_BYTES (512 * 1024)

/* Bits: what a descriptor is of its stream. */
enum host_role { HOST_IN = 1, HOST_OUT = 2, HOST_ERR = 4, HOST_ROLES = 7 };

/* Where one may be read. */
struct host_source {
	int fd;
	bool ready; /* the set said so, and no read since has found it empty */
	bool eof;   /* its end was read, or there is no such descriptor */
	struct pkt_chain rx;
};

/* Of one whose bytes are framed. */
struct host_cut {
	struct link_chan_cut how;
	uint64_t eol, mask;    /* the end of a record as a number, and the bits of that */
	uint64_t seen;         /* the latest bytes of the record, likewise */
	struct pkt_chain held; /* a record that is not whole, behind its head */
	uint32_t queued;       /* of what is written next: bytes that were given, at most */
	uint32_t credit;       /* of what it heard that it may say, so much was not taken yet */
	bool stopped;          /* it may be waiting to hear that it may go on */
};

enum host_life {
	HOST_HELD = 1, /* it has a user */
	HOST_FLUSHING, /* it was let go: what is queued is still written */
	HOST_DRAINING, /* a socket, our end was said: until the other end's is read */
};

struct host_stream {
	struct stream s;
	struct host *h; /* NULL: free */
	int in;         /* -1: no more bytes may be given */
	uint8_t life;
	bool listed;    /* stands in h->ready */
	bool socket;    /* in is a socket: its half can be shut down */
	bool nagle;     /* of TCP: small segments wait */
	bool in_ready;  /* as host_source.ready */
	bool shut;      /* our end follows what is queued, */
	bool shut_done; /* and was said */
	bool starved;   /* a take found no buffer for a cut */
	struct host_source out, err;
	struct pkt_chain tx;
	uint64_t bytes_in, bytes_out;
	uint64_t rtt_until_us;
	uint32_t rtt_us;
	uint64_t until_us; /* of one that was let go */
	TAILQ_ENTRY(host_stream) ready_link, life_link;
	struct host_cut cut; /* of few */
};
TAILQ_HEAD(host_list, host_stream);

/* A socket that listens. In the set its place has none of a stream's bits. */
struct host_door {
	struct host *h; /* NULL: free */
	int fd;
	host_came *came;
	void *arg;
};

struct host {
	struct host_conf conf;
	uint64_t now_us, look_us;
	uint32_t turns; /* since the set was asked */
	bool is_short;  /* in this turn: buffers */
	bool put_off;   /* a read waits for buffers */
	uint32_t low;   /* mark of is_short */
	int epoll;
	uint32_t fresh, n; /* places ever used, streams there are */
	uint32_t streams_limit; /* and there may be */
	struct host_stream *stream;
	struct host_door *door;
	uint32_t n_doors; /* that are open */
	struct host_list ready, free;
	struct host_list flushing, draining; /* by until_us */
	struct rte_mbuf *spare[HOST_PIECES];
	uint32_t n_spare;
	uint64_t counters[HOST_C_COUNT];
};

static inline void host_count(struct host *h, enum host_counter c)
{
	h->counters[c]++;
}

/* What nobody has taken: an mbuf of it is a quarter full at least, or the last one. */
static inline bool host_source_full(const struct host_stream *st, const struct host_source *src)
{
	uint32_t max = st->h->conf.rx_max;

	return src->rx.len >= max || src->rx.segs > max / (PKT_DATA_ROOM / 4);
}

static inline bool host_source_wants(const struct host_stream *st, const struct host_source *src)
{
	return src->ready && !src->eof &&
	       (st->life == HOST_DRAINING || (st->life == HOST_HELD && !host_source_full(st, src)));
}

/* host.c */
extern const struct stream_ops host_ops, host_cut_ops;
/* More to be written: c is taken. */
void host_tx_add(struct host_stream *st, struct pkt_chain *c);
/* It has something to do that needs no news. */
void host_ready(struct host_stream *st);
/* Nothing more moves: its user hears why. */
void host_failed(struct host_stream *st, int err);
/* The descriptor that is written to is of no more use. */
void host_deaf(struct host_stream *st);

/* Closed, and out of the set. */
void host_fd_end(struct host_stream *st, int *fd);

/* host_io.c */
/* At most HOST_TURN_BYTES. Number of bytes. */
uint32_t host_read(struct host_stream *st, struct host_source *src);
uint32_t host_write(struct host_stream *st);
/* Says our end once nothing is queued before it. */
void host_say_end(struct host_stream *st);

/* host_cut.c */
int host_cut_tx(struct stream *s, struct pkt_chain *c);
int host_cut_tx_ext(struct stream *s, uint32_t data_type, struct pkt_chain *c);
uint32_t host_cut_queued(const struct stream *s);
uint32_t host_cut_take(struct stream *s, uint32_t max, struct pkt_chain *ret);
void host_cut_shutdown(struct stream *s);
void host_cut_close(struct stream *s);
/* Says that it may go on, if it may. */
void host_cut_ready(struct host_stream *st);

/* host_door.c */
_Static_assert(_Alignof(struct host_door) > HOST_ROLES, "bits of a pointer are free");
/* It has connections: those are taken in, as many as one look may. */
void host_door_ready(struct host_door *d);

#endif
