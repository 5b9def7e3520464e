/*
 * dataplane/tcp/tcp.h - the TCP of one shard.
 *
 * Source  RFC 9293; RFC 7323 (timestamps, window scale), RFC 6298 (RTO), RFC 5681 (fast
 *         retransmit), RFC 6528 (ISN), RFC 5961 (challenge ACK), RFC 6691 (MSS), RFC 3168 (ECN),
 *         RFC 9438 and 9406 (CUBIC, HyStart++: cc.h).
 * Units   bytes; times in microseconds of a monotonic clock that comes in.
 * Lcore   the shard's; no locks, nothing global: two stacks may live in one process.
 * Memory  connections come from a table sized at start; an empty table refuses. TCP keeps
 *         sent mbufs until they are acknowledged, by the rules of dataplane/pkt.h. When less
 *         than an eighth of the data mbufs that were there at tcp_new() is free, tx_space and
 *         receive windows follow what is free, and who was refused is told afterwards; a
 *         thirty-second holds no bytes at all, so that acknowledgements come in (mem.c).
 */
#ifndef SLUICE_DATAPLANE_TCP_TCP_H
#define SLUICE_DATAPLANE_TCP_TCP_H

#include <stdint.h>

#include "dataplane/net/net.h"
#include "dataplane/pkt.h"
#include "dataplane/spread.h"
#include "dataplane/stream/stream.h"

struct tcp;
struct tcp_cc_ops;

#define TCP_NO_LIMIT UINT32_MAX
#define TCP_PORT_MIN 10240 /* local ports of connects begin here */

enum tcp_ecn {
	TCP_ECN_ON_DEMAND, /* for who asks */
	TCP_ECN_YES,       /* asked for, too */
	TCP_ECN_NO,
};

struct tcp_conf {
	struct net *net;
	const struct pkt_pools *pools;
	unsigned int conns_max;
	unsigned int time_wait_max;
	uint32_t rx_budget;  /* bytes a connection may have queued unread: its window's bound */
	uint32_t tx_budget;  /* bytes a connection may have queued unacknowledged */
	uint32_t rx_initial; /* bytes a window begins with; 0: TCP_RX_INITIAL */
	/* All that receive windows may have grown by, together. 0: the room of all data mbufs,
	 * which is twice what receiving should ever hold of it. */
	uint64_t rx_shard;
	uint64_t secret[2]; /* of ISNs and hash; random */
	/* Times; 0 takes the default of tcp.c's table. */
	uint64_t msl_us, connect_timeout_us, user_timeout_us;
	uint64_t keepalive_idle_us, keepalive_interval_us;
	uint32_t keepalive_count;
	const struct tcp_cc_ops *cc; /* cc.h; NULL: the default */
	/* Limits; 0 takes the default of tcp.c's table. */
	uint32_t half_open_max;    /* of a listener; beyond it SYNs are answered by cookies */
	uint32_t source_half_open; /* of one source (source.h); beyond it by cookies, too */
	uint32_t source_conns;     /* accepted and half-open ones of one source; TCP_NO_LIMIT */
	uint32_t source_syn_rate;  /* SYNs of one source in a second; at most 65535 */
	uint32_t rst_rate;         /* resets in a second that answer for no connection */
	uint16_t mss_min;          /* a peer that offers less is taken to have said this (T-27) */
	enum tcp_ecn ecn;
	bool no_pacing;
	bool no_idle_restart; /* cwnd stays what it was, however long nothing was sent */
	/*
	 * Of several shards: which this is, and whose a packet is (spread.h). A connect then takes
	 * a port of which the answers come here. NULL: there is one shard. Both are borrowed.
	 */
	const struct spread *spread;
	const struct spread_steer *steer;
	uint16_t shard;
	/* Tests only: where sequence numbers begin instead of RFC 6528's hash. NULL: the hash. */
	uint32_t (*iss_for_test)(void *arg);
	void *iss_arg;
};

/* Events and drops an operator may ask about: name, meaning. */
#define TCP_COUNTERS(X)                                                                            \
	X(IN_SEGS, "segments received")                                                            \
	X(OUT_SEGS, "segments sent, retransmissions included")                                     \
	X(IN_BYTES, "bytes of text in them, as they came")                                         \
	X(OUT_BYTES, "bytes of text sent, retransmissions included")                               \
	X(RETRANS, "segments retransmitted")                                                       \
	X(FAST_RETRANS, "recoveries from a loss that acknowledgements showed")                     \
	X(TLP, "probes of a tail (RFC 8985)")                                                      \
	X(UNDO, "recoveries that were mistakes, taken back")                                       \
	X(DSACK_IN, "duplicates reported by peers (RFC 2883)")                                     \
	X(SACK_IGNORED, "acknowledgements with SACK blocks not noted: too many gaps")              \
	X(RENEGED, "peers that took SACK blocks back")                                             \
	X(RTO, "retransmission time-outs")                                                         \
	X(PERSIST, "zero-window probes sent")                                                      \
	X(ACCEPTED, "connections accepted")                                                        \
	X(CONNECTED, "connections opened")                                                         \
	X(NO_PORT, "connects refused: no local port is free whose answers come to this shard")     \
	X(ICMP_IN, "ICMP errors about a segment under way")                                        \
	X(ICMP_STRAY, "ICMP errors that match no connection or nothing under way (RFC 5927)")      \
	X(ICMP_ABORT, "opening connections ended by an ICMP error")                                \
	X(PMTU_DOWN, "path MTU lowered on a router's word")                                        \
	X(PMTU_BLACK_HOLE, "path MTU lowered because full segments vanished")                      \
	X(PMTU_PROBE, "probes for a larger path MTU sent")                                         \
	X(PMTU_UP, "of these, arrived")                                                            \
	X(RESETS_IN, "resets believed")                                                            \
	X(RESETS_OUT, "resets sent")                                                               \
	X(CHALLENGE, "challenge ACKs sent (RFC 5961)")                                             \
	X(ECN_MARKED, "data that came with a congestion mark (RFC 3168)")                          \
	X(ECN_REDUCED, "windows reduced for a mark the peer echoed")                               \
	X(TIMEOUTS, "connections given up")                                                        \
	X(DROP_CKSUM, "bad checksum")                                                              \
	X(DROP_HEADER, "bad header or options")                                                    \
	X(DROP_NO_CONN, "no connection or listener")                                               \
	X(DROP_WINDOW, "outside the window")                                                       \
	X(DROP_ACK, "unacceptable acknowledgement")                                                \
	X(DROP_PAWS, "old timestamp")                                                              \
	X(DROP_OOO, "out-of-order queue full")                                                     \
	X(DROP_STATE, "not acceptable in this state")                                              \
	X(DROP_CLOSED, "data for a connection that was let go")                                    \
	X(COOKIE_SENT, "SYNs answered by a cookie")                                                \
	X(COOKIE_TAKEN, "connections made from a cookie")                                          \
	X(COOKIE_BAD, "acknowledgements that were no cookie of ours, while some were out")         \
	X(SOURCE_HALF_OPEN, "of the cookies, for a source with its share of half-open ones")       \
	X(DROP_SOURCE_CONNS, "source has as many connections as it may")                           \
	X(DROP_SOURCE_RATE, "source sends more SYNs than it may")                                  \
	X(DROP_OVERLOAD, "SYNs not answered: the core has no time left")                           \
	X(RST_LIMITED, "resets not sent: above their rate")                                        \
	X(MSS_RAISED, "peers that offered a smaller MSS than the least used")                      \
	X(DROP_TABLE, "connection table full")                                                     \
	X(TIME_WAIT_REUSED, "tuples in TIME-WAIT taken over by a connect (RFC 6191)")              \
	X(TIME_WAIT_SHORT, "TIME-WAIT cut short: its table is full")                               \
	X(DROP_NO_MBUF, "buffer pool empty")                                                       \
	X(DROP_MEM, "bytes not kept: buffers are short")                                           \
	X(MEM_SHORT, "times that buffers became short")                                            \
	X(MEM_REFUSED, "connections held to their share while buffers were short")                 \
	X(MEM_PRUNED, "out-of-order queues dropped because buffers were short")                    \
	X(STALLED_CUT, "connections into a window of zero cut: buffers scarce")                    \
	X(ORPHAN_CUT, "closed connections cut: buffers or table short")                            \
	X(KICKED, "retransmissions and probes brought forward because a link came up")

enum tcp_counter {
#define X(name, text) TCP_C_##name,
	TCP_COUNTERS(X)
#undef X
		TCP_C_COUNT
};

int tcp_new(const struct tcp_conf *conf, struct tcp **ret);
void tcp_free(struct tcp *t); /* aborts what lives, silently */

/* A connection was established on a listener: take it (return true) or it is reset. */
typedef bool tcp_accept_fn(void *arg, struct stream *s, uint32_t listener,
			   const struct net_addr *local, uint16_t local_port,
			   const struct net_addr *peer, uint16_t peer_port);

/*
 * addr of family 0: any address of ours; 0.0.0.0 and ::, any of that family. The nearest listener
 * is taken.
 *
 * 0, -EADDRINUSE, -EADDRNOTAVAIL, -ENOBUFS. backlog: half-open connections, if that is less than
 * conf's half_open_max; beyond it a SYN is answered by a cookie and holds nothing.
 */
int tcp_listen(struct tcp *t, const struct net_addr *addr, uint16_t port, uint32_t listener,
	       uint32_t backlog, tcp_accept_fn *accept, void *arg);
int tcp_listen_close(struct tcp *t, uint32_t listener);
/* 0 or -ENOENT. Half-open connections above a smaller one stay. */
int tcp_listen_backlog(struct tcp *t, uint32_t listener, uint32_t backlog);
/*
 * Is there no listener on it, nor one that its address would take from, or that would take from it?
 * 0.0.0.0 and :: overlap with all of their family, one of family 0 with all.
 */
bool tcp_port_is_free(const struct tcp *t, const struct net_addr *addr, uint16_t port);
/*
 * A port that is to be listened on here or at another shard: no connect takes it from now on, and
 * nothing comes in by it. tcp_listen_close() lets it go. 0, -EADDRINUSE, -ENOBUFS.
 */
int tcp_port_hold(struct tcp *t, const struct net_addr *addr, uint16_t port, uint32_t listener);
/* Of several shards: connections of this one whose local port it is. A single one does not count.
 */
uint32_t tcp_port_users(const struct tcp *t, uint16_t port);
/* Resets connections that nobody holds any more, of local ports that is_to() says. Walks the table.
 */
void tcp_orphans_cut(struct tcp *t, bool (*is_to)(void *arg, uint16_t port), void *arg);
/* For the user's connects: arg is the struct tcp *. */
void tcp_provider(struct tcp *t, struct stream_provider *ret);

/* An ICMP error from net_icmp_to(); tcp is a struct tcp *. */
void tcp_icmp(void *tcp, const struct net_icmp *e, uint64_t now_us);
/* Segments from net_input_burst(). All taken. */
void tcp_input_burst(struct tcp *t, struct rte_mbuf **m, unsigned int n, uint64_t now_us);
/* Builds what is due: data, ACKs, probes, FINs, of connections that asked. Returns work done. */
unsigned int tcp_output_poll(struct tcp *t, uint64_t now_us);
unsigned int tcp_timers(struct tcp *t, uint64_t now_us);
uint64_t tcp_next_timer_us(const struct tcp *t); /* UINT64_MAX: none */
/*
 * The time this core has worked since it began, for every millisecond or so: while nothing is left
 * of it, answers to SYNs that hold no place give way (overload.h).
 */
void tcp_busy_time(struct tcp *t, uint64_t busy_us, uint64_t now_us);
/*
 * Turns of this core since it began, and those that found work, as often: while nearly all do, near
 * peers have less under way (near.h).
 */
void tcp_turns(struct tcp *t, uint64_t turns, uint64_t busy);
/* The link of an interface came up: connections over it that wait for a time-out try at once. */
void tcp_link_up(struct tcp *t, unsigned int iface);

/*
 * Keep-alive and totals for audit: bytes of the stream each way.
 */
void tcp_stream_keepalive(struct stream *s, bool on);
/* On, as a new stream is: small writes go out at once. Off: Nagle (RFC 9293 section 3.7.4). */
void tcp_stream_nodelay(struct stream *s, bool on);
/* The octet of its packets' IP headers from here on, without ECN, which is TCP's own (RFC 2474). */
void tcp_stream_qos(struct stream *s, uint8_t qos);
/*
 * Whose wish a connect is, before the turn it is made in ends: a number of the user's, not 0. Who
 * makes us look for many hosts of a link that are not there is refused further ones for a while.
 */
void tcp_stream_asker(struct stream *s, uint16_t asker);
/* Smoothed round trip in microseconds, of our segments or else of the peer's; 0: not known. */
uint32_t tcp_stream_rtt_us(const struct stream *s);
/* Its bytes wait for the congestion window; else for the window of the peer. */
bool tcp_stream_congested(const struct stream *s);
void tcp_stream_totals(const struct stream *s, uint64_t *ret_in, uint64_t *ret_out);

/*
 * So many connections there may be from here on, conns_max at most, as at the beginning: where
 * there are more none is cut, and none comes until there are fewer.
 */
void tcp_limit(struct tcp *t, unsigned int conns);
unsigned int tcp_conns(const struct tcp *t);
unsigned int tcp_conns_max(const struct tcp *t);
unsigned int tcp_places(const struct tcp *t); /* as many as that may ever be */
/*
 * What the source, of half-open ones the listener, has that has most; of SYNs within a second. Some
 * of all are seen at a time: of many, it is as of a few calls ago.
 */
struct tcp_uses {
	uint32_t source_conns, source_half_open, source_syns, half_open;
	/* And what it may have here, where others are not full; source_conns_max may be TCP_NO_LIMIT. */
	uint32_t source_conns_max, source_half_open_max, source_syns_max, half_open_max;
};
void tcp_uses(struct tcp *t, struct tcp_uses *ret);
const uint64_t *tcp_counters(const struct tcp *t);
const char *tcp_counter_name(enum tcp_counter c);
const char *tcp_counter_text(enum tcp_counter c);

#endif
