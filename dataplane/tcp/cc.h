/*
 * dataplane/tcp/cc.h - congestion control behind a table: how large the window is, and how fast it
 * is sent. What is lost and what is sent again is recovery's business, not this one's.
 *
 * Source  RFC 5681 (the four algorithms), RFC 9438 (CUBIC), RFC 9406 (HyStart++), RFC 3168
 *         section 6.1 (ECN), RFC 9002 section 7.7 (what pacing is).
 * Units   bytes, microseconds of a monotonic clock that comes in.
 * Lcore   the connection's; no state but the connection's.
 * Memory  an algorithm keeps TCP_CC_PRIVATE bytes in the connection and nothing else, so an idle
 *         one costs what any other does. A new algorithm is a file with one table.
 */
#ifndef SLUICE_DATAPLANE_TCP_CC_H
#define SLUICE_DATAPLANE_TCP_CC_H

#include <stdbool.h>
#include <stdint.h>

#define TCP_CC_PRIVATE 64

/*
 * Segments by which an ACK opens the window in slow start; no limit where they are paced (RFC
 * 9406 section 4.2, the L of RFC 3465).
 */
#define TCP_CC_L_NOT_PACED 8

struct tcp_conn;

/* What an acknowledgement said, after the scoreboard took it. */
struct tcp_cc_ack {
	uint64_t now_us;
	uint32_t acked;   /* bytes that arrived, cumulatively or selectively, known by this ACK */
	uint32_t pipe;    /* bytes in the network before it (RFC 6675 "pipe") */
	uint32_t rtt_us;  /* of a segment that was sent once; 0: not known */
	bool limited;     /* the window, not the application, held the sender back (RFC 7661) */
	bool round_ended; /* what was outstanding when the last round began is acknowledged */
};

enum tcp_cc_loss {
	TCP_CC_FAST, /* a loss found by acknowledgements: recovery begins */
	TCP_CC_ECN,  /* ECN-Echo, at most once a round trip */
	TCP_CC_RTO,  /* first time-out of a flight: all is thought lost */
};

struct tcp_cc_ops {
	const char *name; /* as the configuration names it */
	/* A connection begins; its private state is all zero. May be NULL. */
	void (*init)(struct tcp_conn *c, uint64_t now_us);
	/* Outside recovery: cwnd grows. */
	void (*acked)(struct tcp_conn *c, const struct tcp_cc_ack *a);
	/* Returns the new ssthresh, from cwnd and pipe as they are; cwnd itself is left alone. */
	uint32_t (*lost)(struct tcp_conn *c, enum tcp_cc_loss why, uint32_t pipe, uint64_t now_us);
	/* The last lost() was a mistake (F-RTO, DSACK): its private state as before. May be NULL.
	 */
	void (*undo)(struct tcp_conn *c);
	/* Nothing was in flight for so long: an epoch does not count the pause. May be NULL. */
	void (*idle)(struct tcp_conn *c, uint64_t idle_us);
	/* Bytes per second to pace at; NULL: cwnd over the smoothed round trip, times a gain. */
	uint64_t (*pacing)(const struct tcp_conn *c);
};

extern const struct tcp_cc_ops tcp_cc_newreno, tcp_cc_cubic;

/* By the name the configuration gives; NULL: no such. */
const struct tcp_cc_ops *tcp_cc_find(const char *name);

#endif
