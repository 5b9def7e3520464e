/*
 * dataplane/stream/host.h - streams over descriptors of the kernel: sockets, pipes, terminals.
 *
 * A stream has up to three: in, what its user's bytes are written to; out, what they are read from;
 * err, a second way to read (a program's standard error). A socket or a terminal is one that is
 * both in and out. Loopback and UNIX targets, programs, and the clients of a gateway without ports
 * of its own come this way; who opened the descriptors is another process.
 *
 * Lcore   the shard's; its process ignores SIGPIPE. System calls are made by host_poll() and by
 * letting go, nowhere else. Memory  streams come from a table of a fixed size; bytes are read
 * straight into data mbufs. One stream holds at most rx_max unread of out and of err each; a user
 * who takes nothing stops whoever writes. Trust   a descriptor may be anything: what cannot be
 * watched (a plain file, /dev/null) is read and written without waiting, what fails ends its stream
 * and no other.
 *
 * All descriptors stand in one epoll set, watched for edges; what is known to be ready is served in
 * every turn, HOST_TURN_BYTES of each at most, and the set is asked again after HOST_LOOK_TURNS
 * turns or HOST_LOOK_US.
 */
#ifndef SLUICE_DATAPLANE_STREAM_HOST_H
#define SLUICE_DATAPLANE_STREAM_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/stream/stream.h"
#include "link/msg.h"

#define HOST_TURN_BYTES (64 * 1024) /* of one descriptor in one turn */
#define HOST_LOOK_TURNS 64
#define HOST_LOOK_US    50
#define HOST_RX_MAX     (128 * 1024) /* read and not taken, of one descriptor */
#define HOST_SAID_MAX   (64 * 1024)  /* of host_stream_say(), beyond that */
#define HOST_TX_MAX     (256 * 1024) /* given and not written: tx_space() is what is left of it */
/* One that was closed goes when nothing was written for so long; */
#define HOST_LINGER_US 30000000
/* a socket's other end may say so long that it saw our end: bytes it sends meanwhile are nobody's.
 */
#define HOST_DRAIN_US 2000000
/* With too few buffers to read into it looks again after. */
#define HOST_RETRY_US 1000

struct host;

struct host_conf {
	const struct pkt_pools *pools;
	uint32_t streams_max;
	uint32_t doors_max;      /* sockets that listen */
	uint32_t rx_max, tx_max; /* 0: HOST_RX_MAX, HOST_TX_MAX */
	uint64_t rcvbuf, sndbuf; /* of the kernel's, for a socket of TCP; 0: as the kernel has it */
};

/* -1: there is none. */
struct host_fds {
	int in, out, err;
};

static const struct host_fds host_no_fds = {-1, -1, -1};

int host_new(const struct host_conf *conf, struct host **ret);
/* Ends all streams; their users are not called any more. */
void host_free(struct host *h);

/*
 * A stream over these; in and out may be the same one. They are its own from here on, whatever is
 * returned: others close their copies. It says CONNECTED at once. -ENOBUFS: the table is full;
 * -EBADF: there is none at all, or one is not open; -errno of the epoll set.
 */
int host_open(struct host *h, const struct host_fds *fds, const struct stream_user *user,
	      void *user_ptr, struct stream **ret);
/* The same of one socket, whose user comes later (relay_accept()). */
static inline int host_open_socket(struct host *h, int fd, struct stream **ret)
{
	const struct host_fds fds = {fd, fd, -1};

	return host_open(h, &fds, NULL, NULL, ret);
}
/* SO_RCVBUF and SO_SNDBUF; what is 0 stays. Of a socket that will listen: of who comes in, too. */
void host_socket_buffers(int fd, uint64_t rcvbuf, uint64_t sndbuf);
/* Closes those that are there; for who cannot give them to a stream. */
void host_fds_close(struct host_fds *fds);

/*
 * A socket that listens, for who has this number, below doors_max: what comes in is said to him as
 * a stream without a user, and who it is; of a UNIX socket family 0. False: he does not want it,
 * and it is reset. The socket is ours whatever is returned: -EINVAL, it does not listen; -errno.
 */
typedef bool host_came(void *arg, uint32_t door, struct stream *s, const struct net_addr *peer,
		       uint16_t peer_port);
int host_door_open(struct host *h, uint32_t door, int fd, host_came *came, void *arg);
/* Nothing more comes in, also while something is being said. One that is not open: nothing. */
void host_door_close(struct host *h, uint32_t door);

/* Reads and writes what is ready; look: asks the set now. Returns the work done. */
unsigned int host_poll(struct host *h, uint64_t now_us, bool look);
/* Readable when host_poll() has something to do: for the set a shard sleeps on. */
int host_fd(const struct host *h);
uint64_t host_next_timer_us(const struct host *h); /* UINT64_MAX: none */
/* So many streams there may be from here on, streams_max at most, as at the beginning; none ends. */
void host_limit(struct host *h, uint32_t streams);
uint32_t host_streams(const struct host *h);
uint32_t host_streams_max(const struct host *h);
uint32_t host_places(const struct host *h); /* as many as that may ever be */

/* Of a stream of this kind. */
void host_stream_totals(const struct stream *s, uint64_t *ret_in, uint64_t *ret_out);
/* Of TCP, as the kernel measured it lately; others: 0, not known. */
uint32_t host_stream_rtt_us(const struct stream *s);
/* The octet of its packets' IP headers, without ECN; of what is no socket of IP nothing. */
void host_stream_qos(struct stream *s, uint8_t qos);
/* Small segments go at once, as of a new one; no: Nagle's algorithm. Of what is not TCP nothing. */
void host_stream_nodelay(struct stream *s, bool on);
/* TIOCSWINSZ of a terminal; others: nothing happens. */
void host_stream_size(struct stream *s, uint16_t columns, uint16_t rows, uint16_t width,
		      uint16_t height);

/*
 * Bytes as if they had been read here and now, of its second way in with err: taken. -ENOBUFS: too
 * many wait to be taken, and they stay the caller's.
 */
int host_stream_say(struct stream *s, bool err, struct pkt_chain *bytes)
	__attribute__((warn_unused_result));
/* Of sockets: what has been written to them so far is all there will be. */
void host_stream_end(struct stream *s);

/*
 * What it is given is framed from here on, and cut into records; one that is framed already is cut
 * otherwise, from what was not whole yet on. A frame is four bytes, most significant first, of how
 * many bytes it has, one of what they are, and those.
 */
enum host_frame {
	HOST_FRAME_DATA = 1, /* a record, or with no records a piece as it came */
	HOST_FRAME_PART,     /* as much of one as may be, without its end; the last, if it is short */
	HOST_FRAME_READY,    /* a number of four bytes: so many are taken of it at once */
	HOST_FRAME_EXT,      /* a piece of extended data, behind its type of four bytes; no record */
};
#define HOST_FRAME_HEAD 5
void host_stream_cut(struct stream *s, const struct link_chan_cut *how);

#define HOST_COUNTERS(X)                                                                           \
	X(OPENED, "streams over descriptors begun")                                                \
	X(CLOSED, "streams over descriptors ended, their descriptors closed")                      \
	X(TABLE_FULL, "streams over descriptors refused: table full")                              \
	X(REFUSED, "streams over descriptors refused: one could not be used")                      \
	X(READS, "reads that brought bytes")                                                       \
	X(READ_BYTES, "bytes read from descriptors")                                               \
	X(WRITES, "writes that took bytes")                                                        \
	X(WRITTEN_BYTES, "bytes written to descriptors")                                           \
	X(LOOKS, "times the set of descriptors was asked")                                         \
	X(DEAF, "streams whose other end takes no more bytes")                                     \
	X(FAILED, "streams ended by an error of a descriptor")                                     \
	X(LINGERED, "streams cut after they were closed: the other end did not end in time")       \
	X(SHORT, "reads put off: buffers are short")                                               \
	X(CAME, "connections accepted from the kernel for a client that has it listen")            \
	X(UNWANTED, "of them reset: their client's connection takes no more now")

enum host_counter {
#define X(name, text) HOST_C_##name,
	HOST_COUNTERS(X)
#undef X
		HOST_C_COUNT
};
const uint64_t *host_counters(const struct host *h);
const char *host_counter_name(enum host_counter c);
const char *host_counter_text(enum host_counter c);

#endif
