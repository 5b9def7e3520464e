/*
 * dataplane/tcp/source.h - what the peers of one network hold and ask for.
 *
 * A source is an IPv4 address, or the /64 of an IPv6 one: what one stranger has for himself. Of
 * link-local addresses, which share one /64, it is the address.
 *
 * Two fixed tables, both keyed. Counts of connections are exact: a source that has one has
 * an entry, so twice as many places as connections are enough. Rates are a sketch (count-min
 * of two rows, less what the average place holds): a source that has no connection costs
 * nothing, and the noise of a million random ones is taken off.
 */
#ifndef SLUICE_DATAPLANE_TCP_SOURCE_H
#define SLUICE_DATAPLANE_TCP_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/pkt.h"

#define TCP_SOURCE_CELLS 4096 /* of a row: 32 KiB in all, in a cache */
#define TCP_SOURCE_TURN  4096 /* places that one look sees: 64 KiB, one after the other */

struct tcp_source {
	uint64_t id; /* 0: free */
	uint32_t conns;
	uint32_t half_open; /* of these */
};

struct tcp_source_cell {
	uint16_t second; /* of its count */
	uint16_t n;
};

struct tcp_sources {
	uint64_t key[2];
	struct tcp_source *entry;
	uint32_t mask;
	uint16_t second;
	uint32_t in_second;   /* counted by all */
	uint32_t most, before; /* of one source in this second, in the one before it */
	struct tcp_source_cell cell[2][TCP_SOURCE_CELLS];
};

/* For at most max connections. 0 or -ENOMEM. */
int tcp_sources_init(struct tcp_sources *s, const uint64_t secret[2], uint32_t max);
void tcp_sources_fini(struct tcp_sources *s);

/* The keyed name of addr's source, never 0. */
uint64_t tcp_source_id(const struct tcp_sources *s, const struct net_addr *addr);

/* NULL: it holds nothing. Valid until the next add or drop. */
const struct tcp_source *tcp_source_get(const struct tcp_sources *s, uint64_t id);
/* One more connection, or one less; half_open: it is, or was, half-open. */
void tcp_source_add(struct tcp_sources *s, uint64_t id, bool half_open);
void tcp_source_drop(struct tcp_sources *s, uint64_t id, bool half_open);
/* One of its half-open ones was established. */
void tcp_source_established(struct tcp_sources *s, uint64_t id);

/* Counts one request of the source; false when it is above per_second in this one. */
bool tcp_source_rate(struct tcp_sources *s, uint64_t id, uint32_t per_second, uint64_t now_us);
/* What one source has asked for in a whole second, or in this one so far: the most. */
uint32_t tcp_source_rate_most(const struct tcp_sources *s, uint64_t now_us);

/* A look at all sources, some at a time: what the one has that has most. */
struct tcp_source_look {
	uint32_t next;
	uint32_t conns, half_open;         /* as of the last time that all were seen */
	uint32_t now_conns, now_half_open; /* of those seen since */
};
void tcp_source_look(const struct tcp_sources *s, struct tcp_source_look *l);

#endif
