/*
 * perf/inring.h - a shard and all its traffic in one process: the parts of perf/inring.
 *
 * A world is one lcore's: a shard as the dataplane has it, with two ports of net_ring, a stack for
 * the clients on one and a stack for the targets on the other. The wire between the rings is
 * what a NIC's DMA is: each frame is copied to buffers of the receiver's own pool, so that
 * neither side sees the other's references. What a driver does for a shard, giving it fresh
 * buffers and freeing those that were sent, is done here too, and counted as the shard's
 * ("driver").
 *
 *   inring_wire.c    rings, frames, what they cost
 *   inring_stack.c   net and tcp of the generator, and who has something to do
 *   inring_target.c  sinks, sources, echoes
 *   inring_client.c  SSH clients: logins, channels, work
 *   inring_pace.c    their work by the shard's clock
 *   inring_keys.c    connections without logins: control's part, and a client's
 *   inring.c         worlds on lcores, measuring, the line of JSON
 */
#ifndef SLUICE_PERF_INRING_H
#define SLUICE_PERF_INRING_H

#include <stdbool.h>
#include <stdint.h>

#include "crypto/cipher.h"
#include "crypto/key.h"
#include "dataplane/clock.h"
#include "dataplane/net/net.h"
#include "dataplane/pkt.h"
#include "dataplane/port/port.h"
#include "dataplane/tcp/tcp.h"
#include "perf/hist.h"

struct rte_ring;

#define RING_BURST 64

/* --- the wire --------------------------------------------------------------------------------- */

/* Between a port of the shard and a port of the generator. */
struct wire {
	struct port port; /* the generator's end, for net_iface_add(): its burst functions copy */
	struct rte_ring *to_shard, *from_shard;
	struct rte_mempool *shard_pool; /* once the shard has it */
	struct rte_mempool *gen_pool;
	uint64_t driver_cycles; /* the shard's: buffers given to it, and those it sent freed */
	uint64_t frames, bytes, lost;
};

/*
 * Rings and the shard's port: device "net_ring_NAME" for its configuration. 0 or -errno.
 */
int wire_new(const char *name, uint8_t mac, uint16_t mtu, struct rte_mempool *gen_pool,
	     struct wire *w);
void wire_free(struct wire *w);

/* --- the generator's stacks ----------------------------------------------------------------------
 */

/* Something that has a stream and is called when there is news. */
struct end {
	struct gen_stack *g;
	struct stream *s;
	struct end *next;
	bool listed;
	void (*step)(struct end *e);
};

struct gen_stack {
	struct wire *wire;
	struct net *net;
	struct tcp *tcp;
	struct stream_provider provider;
	const struct pkt_pools *pools;
	struct end *head, **tail;
	uint64_t now_us;
};

#define GEN_FEW 50000 /* streams: each of more has less room for what it sends */

int gen_stack_new(struct gen_stack *g, struct wire *w, const struct pkt_pools *pools,
		  const char *own, const char *via, unsigned int conns);
void gen_stack_free(struct gen_stack *g);
/* One turn: what came, who has news, what goes. Returns work done. */
unsigned int gen_stack_turn(struct gen_stack *g, uint64_t now_us);
/* Calls step() in this turn or the next. */
void gen_wake(struct gen_stack *g, struct end *e);
extern const struct stream_user gen_user; /* user_ptr: the end */
void gen_attach(struct gen_stack *g, struct end *e, struct stream *s);

/* Bytes that repeat after a prime number of them: what is lost, doubled or late shows. */
#define PATTERN_PERIOD 65521
#define PATTERN_RUN    (64 * 1024) /* as much can be had in one piece */
void pattern_init(void);
const uint8_t *pattern_at(uint64_t position);
bool pattern_check(uint64_t position, const uint8_t *p, uint32_t n);

/* --- targets ---------------------------------------------------------------------------------- */

/* From one address to a port there is no room for more connections: then the next is taken. */
#define PORT_CONNS 50000
#define PORT_SETS  4   /* of targets: sinks and sources listen on so many ports each, */
#define PORT_STEP  100 /* so far from each other */

enum target_kind { TARGET_SINK = 9000, TARGET_SOURCE, TARGET_ECHO }; /* their ports */
#define TARGET_PORTS_ECHO 16 /* echoes listen on so many, for many short connections */

struct target;
struct targets {
	struct gen_stack *g;
	struct target *list;
	uint64_t bytes; /* checked, of sinks */
	uint64_t wrong; /* pieces with a wrong byte */
};

int targets_listen(struct targets *t, struct gen_stack *g);
void targets_free(struct targets *t);

/* --- clients ---------------------------------------------------------------------------------- */

enum work { WORK_UP, WORK_DOWN, WORK_TRIPS, WORK_OPEN, WORK_IDLE, WORK_REQUESTS };

struct client_conf {
	enum work work;
	const char *cipher, *user, *gateway;
	const char *target; /* address, as the client names it */
	const struct key *key;
	struct cipher_engine *engine;
	bool keyed; /* without logins */
	uint16_t port;
	unsigned int conns, chans;
	uint32_t size; /* of a request, or of a record's data */
	/* Connections beside those, of one channel each, on which requests are due by the clock. */
	unsigned int beside;
	uint32_t request;    /* bytes */
	double interval_tsc; /* between two requests of all */
};

struct clients;
int clients_new(const struct client_conf *conf, struct gen_stack *g, struct clients **ret);
void clients_free(struct clients *c);
/* Logs in some more while not all are there. */
void clients_more(struct clients *c);
unsigned int clients_ready(const struct clients *c); /* logged in, with all their channels */
/* Work begins. */
void clients_go(struct clients *c);
struct client_counts {
	uint64_t bytes; /* of bulk, received and checked */
	uint64_t ops;   /* round trips; channels opened, used and closed */
	uint64_t failed;
	uint64_t rekeys;
};
const struct client_counts *clients_counts(const struct clients *c);
/*
 * The shard's clock, once in each turn: TSC cycles the shard had for itself, with its driver's
 * work. It stands still while the generator works, so that what waits for that is not the shard's.
 */
void clients_clock(struct clients *c, uint64_t shard_tsc);
/* Bulk up is made at that rate by the shard's clock; 0: as much as goes. */
void clients_pace(struct clients *c, double bytes_per_tsc);
/* Requests that are due from now on are counted; until now, and what is under way is as old as it
 * is. */
void clients_measure(struct clients *c, bool on);
struct latency {
	struct hist
		shard; /* cycles by the shard's clock, from when it was due until it was answered */
	struct hist whole; /* cycles of the core from when it was sent, the generator's included */
	uint64_t unanswered; /* under way at the end: counted by the shard's clock alone */
};
const struct latency *clients_latency(const struct clients *c);
/* The first thing that went wrong, or NULL. */
const char *clients_error(const struct clients *c);

/* --- without logins ---------------------------------------------------------------------------
 */

/*
 * Attaches to the one shard's dataplane in control's place. Keys are the same for all; who asks
 * for a target gets it at one address.
 */
struct keys_conf {
	const char *socket, *cipher, *gateway, *target;
	uint16_t port;
};
struct keys;
int keys_new(const struct keys_conf *conf, struct keys **ret); /* conf stays the caller's */
void keys_free(struct keys *k);
unsigned int keys_turn(struct keys *k);
int keys_error(const struct keys *k); /* of a link that broke */

#endif
