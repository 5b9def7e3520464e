/*
 * perf/flow.h - what both ends of a measured flow share, whichever TCP is below: the command
 * line, the bytes, and the line of JSON at the end.
 *
 * Each end sends what it was told to and then shuts down, and reads until the peer's end. Every
 * byte is a function of its place and of who sent it, and is checked.
 */
#ifndef SLUICE_PERF_FLOW_H
#define SLUICE_PERF_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define FLOW_PARALLEL_MAX 256
#define FLOW_ENDLESS      UINT64_MAX /* sends until the peer has enough, and lets go */

struct flow_conf {
	bool listens;
	const char *address; /* of the peer, or to listen on */
	uint16_t port;
	uint64_t send;     /* bytes of each connection */
	double seconds;    /* a connection is cut so long after it was opened; 0: never */
	uint32_t conns;    /* in all */
	uint32_t parallel; /* at once */
	double life_s;     /* all is over then, done or not */
	double series_s;   /* received bytes are noted so often; 0: not */
	/* flow_kernel */
	const char *cc;
	uint32_t sndbuf, rcvbuf;
	/* flow_stack */
	const char *device, *own, *via;
	uint32_t budget;
	bool counters;
};

/* One connection. */
struct flow {
	uint64_t sent, received; /* bytes */
	uint64_t open_us;        /* 0: not yet */
	bool shut, eof, wrong;
	int err; /* -errno */
};

#define FLOW_SERIES_MAX 1200
struct flow_report {
	uint32_t done, failed;
	uint64_t sent, received;
	uint64_t first_us, last_us; /* the first opened, the last ended */
	uint64_t series[FLOW_SERIES_MAX];
	uint32_t series_n;
	int err; /* of the first that failed */
};

/* False: said why on stderr. */
bool flow_parse(int argc, char **argv, struct flow_conf *ret);

/* Bytes [at, at + n) of what the listening (or else the connecting) end sends. */
void flow_fill(bool listener, uint64_t at, void *buf, size_t n);
/* Takes n received bytes; the flow is wrong when one of them is. */
void flow_check(struct flow *f, bool from_listener, const void *buf, size_t n);

uint64_t flow_left(const struct flow_conf *c, const struct flow *f); /* to send */
void flow_opened(struct flow_report *r, struct flow *f, uint64_t now_us);
/* Enough was received, by time. */
bool flow_time_is_up(const struct flow_conf *c, const struct flow *f, uint64_t now_us);
/* Notes what was received so far, when it is time to. */
void flow_note(const struct flow_conf *c, struct flow_report *r, const struct flow *f,
	       uint64_t now_us);
/* The flow is over: counts it, and empties it for the next. */
void flow_done(const struct flow_conf *c, struct flow_report *r, struct flow *f, uint64_t now_us);
/* The members of an object, without its braces. */
void flow_print(const struct flow_report *r);
uint64_t flow_now_us(void);

#endif
