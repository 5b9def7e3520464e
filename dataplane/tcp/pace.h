/*
 * dataplane/tcp/pace.h - pacing: a window leaves over the round trip, not in one burst.
 *
 * Source  RFC 9002 section 7.7 describes it; RFC 9406 and RFC 9438 ask for it. The rate is that
 *         of the congestion control, or cwnd over the smoothed round trip, times a gain.
 * Units   bytes, microseconds.
 * Lcore   the stack's.
 *
 * A connection has a bucket that fills at its rate: it sends until a burst (a millisecond's
 * worth, two segments at least) is used up, and then waits in the wheel until the burst is paid
 * for. A wheel of its own, not that of timer.c: thousands of connections enter and leave it a thousand
 * times a second, and a place in it is the time, nothing is compared. Where it would do no good
 * nobody is paced: short round trips, and windows that are a small burst themselves.
 */
#ifndef SLUICE_DATAPLANE_TCP_PACE_H
#define SLUICE_DATAPLANE_TCP_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define TCP_PACE_RTT_MIN_US 1000 /* below it a window is not longer than a burst */
#define TCP_PACE_BURST_US   1000
#define TCP_PACE_BURST_SEGS 2
#define TCP_PACE_FREE_SEGS  10 /* RFC 6928: a window that small may be a burst */

#define TCP_WHEEL_SHIFT 7 /* a slot is 128 us */
#define TCP_WHEEL_SLOTS 1024

struct tcp;
struct tcp_conn;

struct tcp_wheel {
	uint64_t tick;                       /* the next to be run */
	uint64_t used[TCP_WHEEL_SLOTS / 64]; /* bit map of slots */
	uint32_t slot[TCP_WHEEL_SLOTS];      /* index + 1 of the first connection */
	uint32_t n;
};

/* In struct tcp_busy; all zero is right for who begins. */
struct tcp_pace {
	uint64_t paid_us;    /* what was sent is paid for by then */
	uint32_t rate;       /* bytes in a millisecond; 0: not paced now */
	uint32_t left;       /* bytes that may still go now */
	uint32_t sent;       /* since tcp_pace_begin() */
	uint32_t next, prev; /* in its slot, index + 1 */
	uint16_t slot;
	bool waits; /* in the wheel */
};

/* Is what this connection sends now spread? */
bool tcp_pace_on(const struct tcp_conn *c);

/*
 * Around what is sent in a turn: how much may go; each segment's bytes; what that costs. end
 * puts the connection into the wheel when there was more to send (and returns true).
 */
void tcp_pace_begin(struct tcp_conn *c, uint64_t now_us);
static inline void tcp_pace_count(struct tcp_pace *p, uint32_t bytes)
{
	p->sent += bytes;
	p->left -= bytes < p->left ? bytes : p->left;
}
bool tcp_pace_end(struct tcp_conn *c, bool more, uint64_t now_us);

void tcp_pace_stop(struct tcp_conn *c);
/* Those whose time has come are put on the output list. Returns work done. */
unsigned int tcp_pace_run(struct tcp *t, uint64_t now_us);
uint64_t tcp_pace_next_us(const struct tcp *t); /* UINT64_MAX: none */

#endif
