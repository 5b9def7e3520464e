/*
 * perf/flood.h - packets of strangers, at a rate: what perf/pktgen sends, without Pktgen.
 *
 * They leave past the stack, straight to the port, and so fast that there is no allocation: a ring
 * of buffers is changed in place and sent again, which needs a device that copies (net_memif
 * without zero-copy, net_af_packet). Answers go to hosts that are not there; flood_is_answer()
 * tells them from the rest.
 * Sources are of 198.18.0.0/15 (RFC 2544), but for imix, which forges the generator's own.
 */
#ifndef SLUICE_PERF_FLOOD_H
#define SLUICE_PERF_FLOOD_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>

#include "dataplane/net/net.h"
#include "dataplane/port/port.h"
#include "perf/load_conf.h"
#include "tests/util/rnd.h"

#define FLOOD_BURST     64
#define FLOOD_FRAME_MAX 1518
#define FLOOD_RAMP_S    10 /* from nothing to the whole rate */

struct flood {
	enum flood_kind kind;
	struct port *port;
	struct rte_mempool *pool;
	struct rnd rnd;
	uint32_t own, gate;           /* addresses, host order */
	uint16_t gate_port, own_port; /* own_port: of a standing connection; imix */
	bool ready;                   /* the gateway's MAC is known, buffers are made */
	struct rte_ether_hdr eth;
	struct rte_mbuf *ring[FLOOD_BURST];
	double rate;
	uint64_t from_us;
	double sent_by_rate;
	uint64_t sent, refused, answers;
};

/* own, gate: IPv4. */
void flood_init(struct flood *f, enum flood_kind kind, double rate, struct port *port,
		struct rte_mempool *pool, const struct net_addr *own, const struct net_addr *gate,
		uint16_t gate_port);
/* A frame of the gateway's: where to send to. False: no buffers. */
bool flood_learn(struct flood *f, const struct rte_mbuf *m);
/* A later one: of imix, which connection is forged. */
void flood_note(struct flood *f, const struct rte_mbuf *m);
/* The rate counts from now on. */
void flood_start(struct flood *f, uint64_t now_us);
/* What is due. Returns packets. */
unsigned int flood_poll(struct flood *f, uint64_t now_us);
/* Is it for nobody here? */
bool flood_is_answer(const struct flood *f, const struct rte_mbuf *m);
void flood_end(struct flood *f);

/* Builds the next frame, behind the Ethernet header too; returns its length. For tests. */
uint16_t flood_build(struct flood *f, uint8_t *frame);

#endif
