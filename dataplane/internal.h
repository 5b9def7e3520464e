/* dataplane/internal.h - what the files of the shard share. */
#ifndef SLUICE_DATAPLANE_INTERNAL_H
#define SLUICE_DATAPLANE_INTERNAL_H

#include "dataplane/clock.h"
#include "dataplane/idle.h"
#include "dataplane/linkend.h"
#include "dataplane/net/net.h"
#include "dataplane/pkt.h"
#include "dataplane/port/port.h"
#include "dataplane/relay/relay.h"
#include "dataplane/shard.h"
#include "dataplane/snapshot.h"
#include "dataplane/tcp/tcp.h"
#include "link/msg.h"

/* Timers and the link's socket are looked at this often while the shard is busy. */
#define SHARD_TICK_US      100
#define SHARD_HOUSEKEEP_US 1000
/* A new control says again what it wants to listen on; what it did not is closed then. */
#define SHARD_RELISTEN_US 10000000
/* Answers to LISTEN that wait for room on the ring. */
#define SHARD_RESULTS_MAX 64

/* The number TCP knows it by is its index; control's may change with the control. */
struct shard_listener {
	struct link_addr addr;
	uint32_t number; /* control's */
	uint32_t attach; /* of which attachment */
	bool open;
};

struct shard {
	uint64_t now_us;
	uint64_t tick_us, housekeep_us; /* when next */
	struct shard_snapshot stats;
	uint64_t turn_cycles[SHARD_STAGE_COUNT]; /* of the turn that runs */

	struct port port[NET_IFACES_MAX];
	unsigned int n_ports;
	struct net *net;
	struct tcp *tcp;
	struct relay *relay;
	struct linkend *link;

	struct clock clock;
	struct idle idle;
	struct pkt_pools pools;
	struct cipher_engine *engine;
	struct snapshot snapshot;
	const struct conf_dataplane *conf;
	uint16_t dataplane, index;
	uint64_t start_id;

	struct shard_listener listener[SHARD_LISTENERS_MAX];
	uint32_t attach;      /* counts the controls that attached */
	uint64_t relisten_us; /* 0: nothing waits for it */
	struct link_listen_result result[SHARD_RESULTS_MAX];
	unsigned int n_results;
};

/* shard_link.c: the socket, and what control says about no connection. Returns work done. */
unsigned int shard_link_poll(struct shard *s);
uint64_t shard_link_next_timer_us(const struct shard *s);
/* For struct relay_conf. */
void shard_command(void *arg, const struct link_hdr *msg);

#endif
