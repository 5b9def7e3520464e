/*
 * dataplane/port/port.h - one queue pair of one DPDK port, as a shard sees it.
 *
 * Ports are rte_ethdev only: net_tap, net_af_packet, net_memif, net_ring, a PCI address.
 * The burst functions are pointers so that a simulated wire can stand in (tests/sim).
 * Lcore   one shard owns a queue pair.
 */
#ifndef SLUICE_DATAPLANE_PORT_PORT_H
#define SLUICE_DATAPLANE_PORT_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

struct port {
	/* As rte_eth_rx_burst: m is the caller's from then on. */
	uint16_t (*rx_burst)(struct port *p, struct rte_mbuf **m, uint16_t n);
	/* As rte_eth_tx_burst: takes the first it returns, leaves the rest with the caller. */
	uint16_t (*tx_burst)(struct port *p, struct rte_mbuf **m, uint16_t n);
	uint16_t port_id, queue;
	uint16_t mtu; /* of the IP layer */
	struct rte_ether_addr mac;
	bool rx_cksum, tx_cksum; /* found by capability */
	bool link_up;
};

struct port_conf {
	const char *device; /* "net_tap0,iface=x", "net_ring0", "0000:01:00.0", … */
	uint16_t queues;
	uint16_t rx_desc, tx_desc;
	struct rte_mempool *pool; /* of queue 0; one shard in this step */
};

/* Finds or probes the device, configures and starts it. -errno with text in err. */
int port_open(const struct port_conf *conf, uint16_t queue, struct port *ret, char *err,
	      size_t err_size);
void port_close(struct port *p);
/* A descriptor that becomes readable when a packet arrives, or -ENOTSUP: then the shard polls. */
int port_rx_fd(const struct port *p);
/* Arms or disarms the receive interrupt, where there is one. */
int port_rx_intr(const struct port *p, bool on);
/* Refreshes link_up. */
void port_link_poll(struct port *p);

#endif
