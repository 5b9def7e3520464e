/*
 * dataplane/port/port.h - one queue pair of one DPDK port, as a shard sees it.
 *
 * Ports are rte_ethdev only: net_tap, net_af_packet, net_memif, net_ring, a PCI address.
 * The burst functions are pointers so that a simulated wire can stand in (tests/sim).
 * Lcore   one shard owns a queue pair. Who owns the first one also asks the device for its link
 *         and its counters, for all.
 *
 * A port with several queue pairs spreads what it receives over them, if it can, by the key and
 * the table of spread.h. That is help, not proof: whatever a queue yields, spread_owner() says
 * whose it is.
 */
#ifndef SLUICE_DATAPLANE_PORT_PORT_H
#define SLUICE_DATAPLANE_PORT_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

#include "dataplane/spread.h"

/*
 * Without a word from the configuration a port has the common MTU, even where the device says
 * more; up to PORT_MTU_MAX packets come in several buffers, where the device can.
 */
#define PORT_MTU_DEFAULT 1500
#define PORT_MTU_MAX     9000
#define PORT_RX_DESC     1024 /* of a queue, unless told otherwise */
#define PORT_MTU_MIN     576  /* RFC 791: every host takes as much */

#define PORT_NO_QUEUE UINT16_MAX /* this shard's packets come by way of others */

/* Of one port: name, meaning to an operator. */
#define PORT_COUNTERS(X)                                                                           \
	X(RX_MISSED, "packets the port dropped: its receive queue was full")                       \
	X(RX_ERRORS, "packets the port received and found bad")                                    \
	X(RX_NO_MBUF, "packets the port dropped: no buffer")                                       \
	X(TX_ERRORS, "packets the port could not send")                                            \
	X(TX_REFUSED, "packets the driver would not take as they are")                             \
	X(LINK_DOWN, "times the link went down")                                                   \
	X(RX_STALL, "times the receive queue stood still with packets in it")                      \
	X(TX_STALL, "times the transmit queue stood still, full")                                  \
	X(STEERED, "packets handed to the shard they belong to")                                   \
	X(STEER_FULL, "packets dropped: too many on their way to one shard")

enum port_counter {
#define X(name, text) PORT_C_##name,
	PORT_COUNTERS(X)
#undef X
		PORT_C_COUNT
};

struct share_end;

struct port {
	/* As rte_eth_rx_burst: m is the caller's from then on. */
	uint16_t (*rx_burst)(struct port *p, struct rte_mbuf **m, uint16_t n);
	/* As rte_eth_tx_burst: takes the first it returns, leaves the rest with the caller. */
	uint16_t (*tx_burst)(struct port *p, struct rte_mbuf **m, uint16_t n);
	uint16_t port_id, queue;
	uint16_t queues; /* pairs of the device, this one among them */
	uint16_t mtu;    /* of the IP layer */
	struct rte_ether_addr mac;
	bool rx_cksum, tx_cksum; /* found by capability: IPv4 and TCP, in hardware */
	/* Buffers of a super-segment that the port cuts itself; 0: it cuts none. */
	uint16_t tso_segs;
	bool rx_vlan, tx_vlan; /* 802.1Q tags are taken off, put on, in hardware */
	bool rx_lro;           /* segments may come joined: RTE_MBUF_F_RX_LRO */
	/* The device took our key and our table: the hash in an mbuf is ours, for spread_owner().
	 */
	bool rss;
	bool link_up;         /* as port_link_poll() found it; true at first */
	char kernel_name[16]; /* of a kernel's interface; "": none */
	uint64_t counters[PORT_C_COUNT];
	bool probed;             /* by us: the device is removed again at the end */
	struct share_end *share; /* share.h; NULL: no other shard has the port */
};

struct port_conf {
	const char *device; /* "net_tap0,iface=x", "net_ring0", "0000:01:00.0", … */
	uint16_t queues;    /* pairs that are wanted, one for each shard; 0: 1 */
	uint16_t rx_desc, tx_desc;
	uint16_t mtu; /* 0: PORT_MTU_DEFAULT or what the device has, whichever is less */
	bool vlan;    /* an interface of it has a tag */
	struct rte_mempool *pool;         /* of queue 0, */
	struct rte_mempool *const *pools; /* or of each queue; NULL: pool for all */
	const struct spread *spread;      /* for queues > 1; NULL: the device does not spread */
};

/*
 * Finds or probes the device, configures and starts it with as many queue pairs as are wanted or
 * as it has: ret->queues, and *ret is the first of them. -errno with text in err: a line an
 * operator understands, without its end.
 */
int port_open(const struct port_conf *conf, struct port *ret, char *err, size_t err_size);
/* Another queue pair of an open port; queue < first->queues. Nothing to be closed. */
void port_queue(const struct port *first, uint16_t queue, struct port *ret);
/* Stops and closes the device; a kernel interface it made is gone afterwards. The first's only. */
void port_close(struct port *p);
/* What was found and is used, as a line for a person: "rx-checksum tx-checksum tso lro rss". */
#define PORT_OFFLOADS_TEXT 64
const char *port_offloads_text(const struct port *p, char *buf, size_t size);
/*
 * A descriptor that becomes readable when a packet arrives, or -ENOTSUP: then the shard polls.
 * The port's own: not to be closed, and not to be read (of a TAP that would take a packet):
 * watch it edge-triggered.
 */
int port_rx_fd(const struct port *p);
/* Arms or disarms the receive interrupt, where there is one. 0, or -ENOTSUP. */
int port_rx_intr(const struct port *p, bool on);
/*
 * Refreshes link_up. A kernel interface that was moved to another namespace cannot be asked any
 * more and counts as up.
 */
void port_link_poll(struct port *p);
/* Packets that wait in the receive queue, where the driver can tell; else 0. */
unsigned int port_rx_waiting(const struct port *p);
/*
 * Asks the device for its own counters: registers of a bus, perhaps, so a few times a second
 * and never in a turn of the hot path.
 */
void port_stats_poll(struct port *p);
const char *port_counter_name(enum port_counter c);
const char *port_counter_text(enum port_counter c);

#endif
