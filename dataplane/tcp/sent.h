/*
 * dataplane/tcp/sent.h - the scoreboard: what is in flight, when it went, what of it arrived.
 *
 * Source  RFC 2018 section 5, RFC 6675 sections 3 and 4 (pipe), RFC 8985 section 5.1 (what RACK
 *         knows of a segment).
 * Units   sequence numbers, bytes; times are the low half of microseconds and are compared with
 *         others that are less than half an hour away.
 * Lcore   the connection's.
 * Memory  one node for a run of bytes that went at about one time and fared alike, so a window
 *         without loss is a few dozen nodes whatever its size; nodes and boards come from pools of
 *         the shard and are held only while something is in flight. A connection has at most
 *         TCP_SENT_MAX nodes, and fewer when the pool runs low: a SACK block that would need more
 *         is ignored, which costs a retransmission and is never wrong. What one ACK may
 *         cost is bounded by TCP_SENT_STEPS (CVE-2019-11477, -11478).
 */
#ifndef SLUICE_DATAPLANE_TCP_SENT_H
#define SLUICE_DATAPLANE_TCP_SENT_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/tcp/options.h"

#define TCP_SENT_MAX   16384 /* nodes of a connection */
#define TCP_SENT_STEPS 2048  /* nodes looked at for the SACK blocks of one ACK, or a recovery */

struct rte_mbuf;
struct tcp;
struct tcp_conn;
struct tcp_cursor;

enum tcp_sent_state {
	TCP_SENT_FLIGHT, /* as far as we know on its way */
	TCP_SENT_SACKED, /* arrived beyond a gap */
	TCP_SENT_LOST,   /* thought lost and not yet sent again */
};

struct tcp_sent {
	struct tcp_sent *next, *prev;     /* by sequence number */
	struct tcp_sent *q_next, *q_prev; /* in flight, by time; or lost, in order of repair */
	struct rte_mbuf *m;               /* where it begins; NULL: not known */
	uint32_t off;
	uint32_t seq, end; /* a FIN is one number of it */
	uint32_t xmit_us;
	uint8_t state;   /* enum tcp_sent_state */
	uint8_t rexmits; /* times it went again, 255 for more */
};
_Static_assert(sizeof(struct tcp_sent) == 64, "a node is a cache line");

struct tcp_sent_queue {
	struct tcp_sent *head, *tail;
};

/* What a connection with something in flight has beside itself. */
struct tcp_board {
	struct tcp_sent_queue all, flight, lost;
	struct tcp_sent *hint;       /* where the last SACK block ended */
	uint32_t n;                  /* nodes */
	uint32_t sacked, lost_bytes; /* bytes in those states */
	uint32_t fack;               /* the highest that arrived (RFC 8985 section 5.2) */
	uint32_t rto_at;             /* when the retransmission time-out is due */
	uint32_t sampled_us;         /* when the round trip was last measured */
	uint32_t probe_set_us;       /* when the probe of the tail was set, for a flight */
	/* RACK, RFC 8985 section 5.2: of the latest sent among what arrived. */
	uint32_t rack_xmit_us, rack_end, rack_rtt_us;
	/* PRR, RFC 6937 section 3. */
	uint32_t recover_fs, prr_delivered, prr_out;
	/* To find that a recovery was a mistake: what was sent again since, and when first. */
	uint32_t undo_una, undo_bytes, undo_ts;
	uint32_t dsack_round; /* the next DSACK below it is of this round trip */
	bool rack_valid : 1, dsack_counted : 1;
	bool undo : 1;     /* a mistake may still be found */
	bool rexmit : 1;   /* undo_ts is known */
	bool frto : 1;     /* RFC 5682: the time-out may be spurious */
	bool frto_new : 1; /* its step 2b: new data goes before what is lost */
};
_Static_assert(sizeof(struct tcp_board) <= 128, "a board is two cache lines");

/* What one acknowledgement told; filled in while the scoreboard takes it. */
struct tcp_acked {
	uint64_t now_us;
	uint32_t ts_ecr;            /* 0: none */
	uint32_t pipe;              /* before it */
	uint32_t delivered, sacked; /* bytes known to have arrived now; of these by SACK */
	uint32_t rtt_us;     /* of the oldest that arrived, if it was sent once; 0: not known */
	uint32_t rtt_min_us; /* of the latest */
	bool moved;          /* snd_una did */
	bool dup;            /* RFC 5681's duplicate */
	bool dsack;          /* something arrived twice */
	bool rexmit;         /* something that was sent twice arrived */
	bool orig;           /* something sent once, and before the last time-out, did */
	bool lost;           /* something is now thought lost */
};

/* 0 or -ENOMEM. nodes: of all connections; boards: connections with something in flight. */
int tcp_sent_pools_new(struct tcp *t, uint32_t nodes, uint32_t boards);
void tcp_sent_pools_free(struct tcp *t);

/* True: the next tcp_sent_new() has a place to write to. False: pools are empty, later. */
bool tcp_sent_reserve(struct tcp_conn *c);
/* Bytes [seq, seq + space) from cur went for the first time, or (again) after going back. */
void tcp_sent_new(struct tcp_conn *c, uint32_t seq, uint32_t space, struct tcp_cursor cur,
		  bool again, uint64_t now_us);
/* What is to be sent again next; NULL: nothing. */
struct tcp_sent *tcp_sent_lost(const struct tcp_conn *c);
/* The end of what is in flight, mss bytes at most, as a node of its own; NULL: not possible. */
struct tcp_sent *tcp_sent_tail(struct tcp_conn *c);
/* Where in the send queue s begins. */
struct tcp_cursor tcp_sent_cursor(struct tcp_conn *c, struct tcp_sent *s);
/* The first space bytes of s went again; next is the place behind them. */
void tcp_sent_again(struct tcp_conn *c, struct tcp_sent *s, uint32_t space, struct tcp_cursor next,
		    uint64_t now_us);

/* snd_una moved, and the send queue with it. An empty board stays until tcp_sent_free(). */
void tcp_sent_acked(struct tcp_conn *c, struct tcp_acked *a);
/* Blocks of an option, DSACK taken off; what cannot be true of them is ignored. */
void tcp_sent_sacked(struct tcp_conn *c, const struct tcp_sack *block, unsigned int n,
		     struct tcp_acked *a);
/* In flight: thought lost. */
void tcp_sent_lose(struct tcp_conn *c, struct tcp_sent *s);
/* The first segment, without SACK. */
void tcp_sent_lose_head(struct tcp_conn *c);
/* All that did not arrive; and, when the peer took back what it had said, all. */
void tcp_sent_lose_all(struct tcp_conn *c);
/* Bytes that went more than once, of which nothing arrived; false: more nodes than are looked at. */
bool tcp_sent_twice(const struct tcp_conn *c, uint32_t *ret);
/* It was not lost. */
void tcp_sent_found(struct tcp_conn *c);
void tcp_sent_free(struct tcp_conn *c);

#endif
