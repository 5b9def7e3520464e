/*
 * tests/util/frame.h - Ethernet frames by hand and a port that ends in an array: for tests and
 * fuzz targets of what lies between a wire and TCP.
 */
#ifndef SLUICE_TESTS_UTIL_FRAME_H
#define SLUICE_TESTS_UTIL_FRAME_H

#include <string.h>

#include <rte_arp.h>
#include <rte_ether.h>
#include <rte_icmp.h>
#include <rte_ip.h>

#include "dataplane/net/net.h"

#define WIRE_MAX 512

/* What a port was given to send; it takes room packets, then no more. */
struct wire {
	struct port port;
	struct rte_mbuf *out[WIRE_MAX];
	unsigned int n, room;
};

static inline uint16_t wire_tx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
	struct wire *w = (struct wire *)p;
	uint16_t k = 0;

	while (k < n && w->n < w->room)
		w->out[w->n++] = m[k++];
	return k;
}

static inline uint16_t wire_rx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
	(void)p;
	(void)m;
	(void)n;
	return 0;
}

static inline void wire_init(struct wire *w, uint8_t last_of_mac)
{
	*w = (struct wire){.port = {.rx_burst = wire_rx,
				    .tx_burst = wire_tx,
				    .mtu = 1500,
				    .mac = {{2, 0, 0, 0, 0, last_of_mac}}},
			   .room = WIRE_MAX};
}

static inline void wire_clear(struct wire *w)
{
	rte_pktmbuf_free_bulk(w->out, w->n);
	w->n = 0;
}

static inline struct net_addr addr4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	return (struct net_addr){.family = 4, .b = {a, b, c, d}};
}

static inline rte_be32_t be4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	return rte_cpu_to_be_32((uint32_t)a << 24 | (uint32_t)b << 16 | (uint32_t)c << 8 | d);
}

static inline struct rte_mbuf *frame_bytes(struct rte_mempool *pool, const void *p, size_t n)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	char *at = m != NULL ? rte_pktmbuf_append(m, (uint16_t)n) : NULL;

	if (at != NULL)
		memcpy(at, p, n);
	return m;
}

#endif
