/*
 * perf/attack.h - what the two processes of perf/attack share: a small stack of the project's
 * own port, net and tcp, and a page of numbers.
 *
 *   attack_gate   the one under attack: a tunnel joins each connection to port 22 with one of its
 *                 own to the other side's port 9000, and forwards both ways
 *   attack_load   client and target of the tunnel, and the flood, through the same device
 */
#ifndef SLUICE_PERF_ATTACK_H
#define SLUICE_PERF_ATTACK_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/clock.h"
#include "dataplane/net/net.h"
#include "dataplane/port/port.h"
#include "dataplane/tcp/tcp.h"

#define ATTACK_BURST       64
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
	uint64_t rx_missed;
};

struct attack_stack {
	struct pkt_pools pools;
	struct port port;
	struct net *net;
	struct tcp *tcp;
	struct stream_provider provider;
	struct clock clock;
	uint64_t now_us;
};

/*
 * EAL on one core, pools, the device with address own/24 and, if via is not NULL, a default
 * route. False: said why.
 */
bool attack_stack_begin(struct attack_stack *s, const char *core, const char *device,
			const char *own, const char *via);
/* How many mbufs are lost. */
unsigned int attack_stack_end(struct attack_stack *s);
void attack_now(struct attack_stack *s);
/* What came in, and what is due after it. Both return work done. */
unsigned int attack_input(struct attack_stack *s, struct rte_mbuf **m, unsigned int n);
unsigned int attack_output(struct attack_stack *s);
struct net_addr attack_addr(const char *text);

/* NULL: said why. */
struct attack_stats *attack_stats_map(const char *path, bool create);

#endif
