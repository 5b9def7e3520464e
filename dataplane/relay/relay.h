/*
 * dataplane/relay/relay.h - SSH connections and their channels on one shard, between
 * streams and the link.
 *
 * Lcore   the shard's.
 * Memory  connections and channels come from tables sized at start; named by
 *         link_handle (index and generation) to the outside.
 *
 * A turn calls the three stages in order; each returns the work it did. open takes bytes
 * from client streams and opens records, a batch over many connections; run dispatches
 * payloads (channel data to targets, the rest to control), takes bytes from targets and
 * carries out control's items; seal seals what run queued, a batch, and gives it to
 * the client streams.
 */
#ifndef SLUICE_DATAPLANE_RELAY_RELAY_H
#define SLUICE_DATAPLANE_RELAY_RELAY_H

#include <stdint.h>

#include "crypto/cipher.h"
#include "dataplane/pkt.h"
#include "dataplane/stream/stream.h"
#include "link/msg.h"

struct budgets;
struct flights;
struct relay;

/*
 * How the relay speaks to control. Both return -EAGAIN when they cannot take or have nothing;
 * -ENOTCONN while no control is attached. The shard implements them over link/ring.h, a test
 * in memory.
 */
struct relay_link {
	int (*send)(void *arg, const void *head, size_t head_len, const void *body,
		    size_t body_len);
	int (*recv)(void *arg, void *buf, size_t size);
	void *arg;
};

#define RELAY_GRANTS_MAX   16384
#define RELAY_FORWARDS_MAX 61440 /* listeners of connections: 60,000, and some that end */
/* Channels we open towards one client that it has not answered, and for how long they wait. */
#define RELAY_OPENING_MAX 256
#define RELAY_ANSWER_US   60000000

/*
 * Who listens for connections of clients. id: which it is, below RELAY_FORWARDS_MAX.
 */
struct relay_listens {
	/*
	 * 0 and the port; -EINPROGRESS: relay_listen_done() says it later; or why not. addr of
	 * family 0: any; port 0: one is chosen, and it is no privileged one.
	 */
	int (*begin)(void *arg, uint32_t id, const struct link_addr *addr, uint16_t *ret_port);
	/* Not after an error. What was begun and is not done is never done. */
	void (*end)(void *arg, uint32_t id);
	/*
	 * The same of descriptors that control sends with this token and that listen already:
	 * -EINPROGRESS as long as they have not come, wait_ms at most. NULL: there are none here.
	 */
	int (*begin_fds)(void *arg, uint32_t id, uint64_t fds, uint32_t wait_ms);
	void (*end_fds)(void *arg, uint32_t id);
	void *arg;
};

/* Of a connection's uid: which of its shard's it is; above them stands the shard. */
#define RELAY_UID_BITS 40

struct relay_conf {
	uint16_t dataplane, shard;
	unsigned int conns_max, chans_max; /* places there are; */
	unsigned int conns; /* as many of them may be taken, until relay_limit(); 0: all */
	unsigned int streams_max; /* targets there may be, closed ones included; 0: chans_max */
	unsigned int audit_backlog;
	bool audit_refuse;            /* nothing new while half of that waits for control */
	unsigned int grants_max;      /* of all connections; 0: RELAY_GRANTS_MAX */
	struct relay_listens listens; /* begin NULL: nobody does */
	struct budgets *budgets;      /* of all shards, borrowed; NULL: this one's own */
	struct flights *flights;      /* likewise */
	/* Does who comes from there say first for whom he speaks (ProxyProtocolFrom)? NULL: nobody. */
	bool (*proxied)(void *arg, const struct link_addr *peer);
	void *proxied_arg;
	uint64_t compression_memory;  /* of streams; 0: nothing is compressed */
	uint32_t control_wait_ms;     /* what needs control waits so long while there is none */
	/* What one connection may read, and send, in a turn: bytes or a time; both 0: no limit. */
	uint32_t read_quantum, read_quantum_us;
	const struct pkt_pools *pools;
	unsigned int pool_shards; /* that draw on those; 0: this one alone */
	struct cipher_engine *engine;
	struct relay_link link;
	struct stream_provider tcp; /* for targets */
	/*
	 * The descriptors that control has sent with this token as a stream, which says CONNECTED;
	 * -EAGAIN: they are not there yet, relay_fds_came() says when. NULL: there are none here.
	 */
	int (*host_claim)(void *arg, uint64_t fds, const struct stream_user *user, void *user_ptr,
			  struct stream **ret);
	void (*host_size)(struct stream *s, uint16_t columns, uint16_t rows, uint16_t width,
			  uint16_t height); /* of a terminal */
	void (*host_cut)(struct stream *s, const struct link_chan_cut *how);
	int (*host_say)(struct stream *s, bool err, struct pkt_chain *bytes);
	void (*host_end)(struct stream *s);
	void *host_arg;
	/* Commands that are the shard's (LISTEN, CONNS) go to it; of LISTEN the backlog is ours. */
	void (*command)(void *arg, const struct link_hdr *msg);
	void *command_arg;
	/* Totals of a client stream for audit; kinds differ. */
	void (*stream_totals)(const struct stream *s, uint64_t *ret_in, uint64_t *ret_out);
	/* Smoothed round trip of a stream, 0: not known. NULL: windows stay as they begin. */
	uint32_t (*stream_rtt_us)(const struct stream *s);
	/* TCPNoDelay of a client stream, where its kind has such a thing. */
	/* Is it the network that holds its bytes back, and not who takes them? NULL: not known. */
	bool (*stream_congested)(const struct stream *s);
	void (*stream_nodelay)(struct stream *s, bool on);
	void (*stream_qos)(struct stream *s,
			   uint8_t qos); /* IPQoS; as of struct link_authenticated */
	void (*stream_asker)(struct stream *s, uint16_t asker); /* whose target it is; NULL: none */
};

int relay_new(const struct relay_conf *conf, struct relay **ret);
void relay_free(struct relay *r);

/*
 * So many connections there may be from here on, of conns_max at most; where there are more nobody
 * is cut, and nobody comes in until there are fewer. -ENOMEM: so much memory cannot be kept from
 * swap (RLIMIT_MEMLOCK), and as many may be as before.
 */
int relay_limit(struct relay *r, unsigned int conns);

/*
 * A client's connection. False: the caller resets it. The table is full, or as many as the
 * backlog of the latest LISTEN wait for a control to hear of them.
 */
bool relay_accept(struct relay *r, struct stream *s, uint32_t listener,
		  const struct link_addr *local, const struct link_addr *peer, uint64_t now_us);

/* From here on nobody is accepted. */
void relay_drain(struct relay *r);
/* Every connection is told to go, and how many seconds to stay away, and has gone soon after. */
void relay_part(struct relay *r, uint32_t retry_after_s, uint64_t now_us);

/* Listening began, or could not, as begin() left open. port: of begin_fds() nothing. */
void relay_listen_done(struct relay *r, uint32_t id, int err, uint16_t port);
/* Somebody came in there. False: the caller resets it. */
bool relay_forward(struct relay *r, struct stream *s, uint32_t id, const struct link_addr *peer,
		   uint64_t now_us);

unsigned int relay_open(struct relay *r, uint64_t now_us);
unsigned int relay_run(struct relay *r, uint64_t now_us);
unsigned int relay_seal(struct relay *r, uint64_t now_us);
unsigned int relay_timers(struct relay *r, uint64_t now_us);
uint64_t relay_next_timer_us(const struct relay *r); /* UINT64_MAX: none */

/* Descriptors of control's came with this token: who waits for them looks again. */
void relay_fds_came(struct relay *r, uint64_t token, uint64_t now_us);
/* Control is about to go: what it has said is carried out still. Number of items. */
unsigned int relay_last_items(struct relay *r, uint64_t now_us);

/* The peer of the link changed: an attached control gets what was not acknowledged again. */
void relay_link_attached(struct relay *r);
/*
 * Control is gone: data goes on; what needs control waits for control_wait_ms and is then
 * refused, or the connection ends where it cannot go on.
 */
void relay_link_detached(struct relay *r);
/* It stood still since then before it was detached: so long has been waited already. */
void relay_link_still(struct relay *r, uint64_t since_us);

/* What is used of what there may be; max 0: there is no such thing here. */
struct relay_use {
	uint64_t now, max;
};
struct relay_uses {
	struct relay_use conns, chans, backlog, audit, windows, compression;
	struct relay_use grants, forwards;
	/*
	 * What the connection, the user, the source has that has most; some of all are seen at a
	 * time. Of bytes in flight max is its own, 0: nobody has a bound.
	 */
	struct relay_use flight_conn, flight_user, flight_source, opening, unanswered;
};
void relay_uses(struct relay *r, struct relay_uses *ret);
/* The first of them alone, for who asks each turn; and how many may be. */
unsigned int relay_conns(const struct relay *r);
unsigned int relay_conns_max(const struct relay *r);

/* Counters: per SSH error, and of the relay; names for an operator. */
#define RELAY_COUNTERS(X)                                                                          \
	X(CONNS, "connections accepted")                                                           \
	X(CHANS, "channels opened")                                                                \
	X(CHANS_IDLE, "channels closed: idle for ChannelTimeout")                                  \
	X(CHANS_TARGET_BLOCKED, "channels closed: target took no byte for OperationTimeout")       \
	X(CHANS_CLIENT_BLOCKED, "channels closed: client took no byte for OperationTimeout")       \
	X(RECORDS_OPENED, "records opened")                                                        \
	X(RECORDS_SEALED, "records sealed")                                                        \
	X(RECORD_BYTES_OPENED, "bytes of records opened")                                          \
	X(RECORD_BYTES_SEALED, "bytes of records sealed")                                          \
	X(BYTES_FROM_CLIENTS, "bytes of channel data from clients")                                \
	X(BYTES_TO_CLIENTS, "bytes of channel data to clients")                                    \
	X(ITEMS_STALE, "items for a connection or channel that is gone")                           \
	X(UNIMPLEMENTED, "messages answered with UNIMPLEMENTED")                                   \
	X(ADJUST_GONE, "window adjusts for a channel that is gone")                                \
	X(REPLIES_UNASKED, "replies nobody asked for")                                             \
	X(CONN_TABLE_FULL, "connections refused: table full")                                      \
	X(BACKLOG_FULL, "connections refused: enough wait for control")                            \
	X(CHANS_CONN, "channels refused: their connection has as many as it may")                  \
	X(CHAN_TABLE_FULL, "channels refused: table full")                                         \
	X(WINDOWS_FULL, "of these, because more windows may not be granted")                       \
	X(FLIGHT_CONN, "windows kept smaller or refused: their connection has enough in flight")   \
	X(FLIGHT_USER, "windows kept smaller or refused: their user has enough in flight")         \
	X(FLIGHT_SOURCE, "windows kept smaller or refused: their source has enough in flight")     \
	X(FLIGHTS_FULL, "bounds of users or sources that others keep with them: table full")       \
	X(LEFT_FULL, "targets of closed channels reset: no place to count what is left for them")  \
	X(MEM_STOPPED, "connections not read for a while: they hold too much of short buffers")    \
	X(MEM_CUT, "connections ended: an unfinished record in short buffers for too long")        \
	X(CONTROL_AWAY, "opens and requests refused: no control to ask")                           \
	X(GRANTED, "channels opened without asking, by a grant of control's")                      \
	X(GRANT_HELD, "opens asked for though granted: many ends wait for control")                \
	X(GRANT_CONNECTING, "opens asked for though granted: many are being connected")            \
	X(GRANT_TABLE_FULL, "grants of control's not kept: table full")                            \
	X(HOST, "channels opened over descriptors")                                                \
	X(TEES, "channels of which somebody has a copy: recordings")                               \
	X(TEE_FAILED, "of these, whose copy could not be made, or not any more")                   \
	X(TRACES, "connections that an operator looked at, message by message")                    \
	X(HOST_LATE, "channels ended: their descriptors did not come in time")                     \
	X(UNSAID, "messages of handlers with bytes refused: too many wait for the client")         \
	X(FORWARDS, "listeners made for clients")                                                  \
	X(FORWARD_TABLE_FULL, "listeners refused: table full")                                     \
	X(FORWARDED, "connections that came in at listeners of clients")                           \
	X(FORWARD_OPENING, "of these, reset: the client has enough to answer")                     \
	X(FORWARD_REFUSED, "of these, reset: the client refused, or did not answer in time")       \
	X(AUDIT_REFUSED, "connections refused, also to listeners: many ends wait for control")     \
	X(NOTES_FULL, "things not kept for another control: no room")                              \
	X(AUDIT_LOST, "ends not recorded: backlog full")                                           \
	X(SLOW_PATH_STOPPED, "connections not read for a while: control has enough of theirs")     \
	X(COMP_NONE, "connections not offered compression: no memory for it")                      \
	X(COMP_STORED, "payloads stored, not compressed: no memory for it")                        \
	X(BUDGETS_FULL, "users or roles given a cap with others: no place in the table")           \
	X(SHARES_FULL, "users or roles given a share with others: no place in the table")          \
	X(CAPPED, "times that bytes waited for a cap")                                             \
	X(CAP_CHANNEL_TIME, "microseconds that channels waited for ChannelRate")                   \
	X(CAP_CONNECTION_TIME, "microseconds that channels waited for ConnectionRate")             \
	X(CAP_USER_TIME, "microseconds that channels waited for UserRate")                         \
	X(CAP_ROLE_TIME, "microseconds that channels waited for RoleRate")                         \
	X(CAP_CHANNEL_BYTES, "bytes that had waited for ChannelRate")                              \
	X(CAP_CONNECTION_BYTES, "bytes that had waited for ConnectionRate")                        \
	X(CAP_USER_BYTES, "bytes that had waited for UserRate")                                    \
	X(CAP_ROLE_BYTES, "bytes that had waited for RoleRate")                                    \
	X(SHARED, "times that a connection waited for a later turn: its part by shares was used")  \
	X(DRAINING, "connections refused: the dataplane is to stop")                               \
	X(PARTED, "connections told to go because the dataplane stops")                            \
	X(PROXIED, "connections whose client a header of the PROXY protocol has named")            \
	X(PROXY_BAD, "connections from ProxyProtocolFrom ended: no such header")                   \
	X(PROXY_LATE, "of these, because it did not come in time")                                 \
	X(NO_MBUF, "buffer pool empty")

enum relay_counter {
#define X(name, text) RELAY_C_##name,
	RELAY_COUNTERS(X)
#undef X
		RELAY_C_COUNT
};
const uint64_t *relay_counters(const struct relay *r);
const uint64_t *relay_error_counters(const struct relay *r); /* SSH_E_COUNT, by enum ssh_err */
const char *relay_counter_name(enum relay_counter c);
const char *relay_counter_text(enum relay_counter c);

#endif
