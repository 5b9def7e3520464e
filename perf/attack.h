/*
 * perf/attack.h - what the two processes of perf/attack share: the size of their stacks, and a
 * page of numbers.
 *
 *   attack_gate   the one under attack: a tunnel joins each connection to port 22 with one of its
 *                 own to the other side's port 9000, and forwards both ways
 *   attack_load   client and target of the tunnel, and the flood, through the same device
 */
#ifndef SLUICE_PERF_ATTACK_H
#define SLUICE_PERF_ATTACK_H

#include <stdbool.h>
#include <stdint.h>

#include "perf/stack.h"

#define ATTACK_PORT_TUNNEL 22
#define ATTACK_PORT_IDLE   23
#define ATTACK_PORT_TARGET 9000
#define ATTACK_CONNS       4096

/* Of the gate, in a file both map; written by it alone, each field whole. */
struct attack_stats {
	uint64_t tsc_hz, now_tsc;
	uint64_t busy_cycles; /* of turns that did work */
	uint64_t rx_turns;    /* in which something came */
	uint64_t rx_pkts, cookies, cookies_taken, half_open_now, accepted, resets_in, resets_out;
	uint64_t rx_missed, not_answered;
};

/*
 * The stack of either: the device, address own/24 and, if via is not NULL, a default route. False:
 * said why.
 */
bool attack_begin(struct stack *s, const char *core, const char *device, const char *own,
		  const char *via);

/* NULL: said why. */
struct attack_stats *attack_stats_map(const char *path, bool create);

#endif
