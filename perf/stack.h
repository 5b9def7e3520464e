/*
 * perf/stack.h - a small stack of the project's own port, net and tcp, for instruments that are
 * an end of measured traffic: one core, one queue of each port, no record, no relay.
 *
 *   stack_begin()   EAL, pools, ports with their addresses, a default route, TCP
 *   turn:           stack_now(), stack_input() of each port, the user's own work, stack_output()
 *   stack_end()     from the top down; tells how many mbufs are still out
 */
#ifndef SLUICE_PERF_STACK_H
#define SLUICE_PERF_STACK_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/clock.h"
#include "dataplane/net/net.h"
#include "dataplane/port/port.h"
#include "dataplane/tcp/tcp.h"

#define STACK_BURST 64
#define STACK_PORTS 2

struct stack_conf {
	const char *name; /* in messages */
	int core;         /* to stay on; -1: any */
	unsigned int memory_mb;
	unsigned int data_mbufs, head_mbufs; /* best of the form 2^n - 1 */
	struct stack_port {
		const char *device; /* NULL: no such port */
		const char *own;    /* ADDRESS/LENGTH */
		uint16_t mtu;       /* 0: the device's, as dataplane/port/port.h has it */
	} port[STACK_PORTS];
	const char *via; /* default route; NULL: none */
	unsigned int conns_max, time_wait_max;
	uint32_t rx_budget, tx_budget; /* bytes of a connection */
	bool one_source; /* all who connect are one host, and no stranger: no limit of sources */
};

struct stack {
	struct pkt_pools pools;
	struct port port[STACK_PORTS];
	unsigned int n_ports;
	struct net *net;
	struct tcp *tcp;
	struct stream_provider provider;
	struct clock clock;
	uint64_t now_us;
};

/* False: said why on stderr; the process is to end. */
bool stack_begin(struct stack *s, const struct stack_conf *conf);
/* How many mbufs are lost. */
unsigned int stack_end(struct stack *s);

void stack_now(struct stack *s);
/* What came from a port: all taken. Returns n. */
unsigned int stack_input(struct stack *s, unsigned int port, struct rte_mbuf **m, unsigned int n);
/* What is due: timers, segments, packets. Returns work done. */
unsigned int stack_output(struct stack *s);

/* Of either family; family 0: no address. */
struct net_addr stack_addr(const char *text);

#endif
