/* perf/inring_wire.c - see inring.h. */
#include "perf/inring.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ring.h>

#define RING_SIZE     1024
#define DRIVER_MAX_US 50
#define FRAME_SEGS    8 /* buffers of the largest frame */

static struct rte_ring *ring(const char *name, const char *what)
{
	char full[RTE_RING_NAMESIZE];

	snprintf(full, sizeof(full), "%s-%s", name, what);
	return rte_ring_create(full, RING_SIZE, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

static inline uint32_t room_of(const struct rte_mempool *pool)
{
	return rte_pktmbuf_data_room_size((struct rte_mempool *)(uintptr_t)pool) -
	       RTE_PKTMBUF_HEADROOM;
}

/* Copies the bytes of a packet into count fresh buffers of room each. */
static void copy(const struct rte_mbuf *m, struct rte_mbuf **to, unsigned int count, uint32_t room)
{
	uint32_t off = 0, left = m->pkt_len;

	for (unsigned int i = 0; i < count; i++) {
		uint16_t n = (uint16_t)RTE_MIN(left, room);
		void *at = rte_pktmbuf_mtod(to[i], void *);
		const void *p = rte_pktmbuf_read(m, off, n, at);

		if (p != at)
			memcpy(at, p, n);
		to[i]->data_len = n;
		to[i]->next = i + 1 < count ? to[i + 1] : NULL;
		off += n;
		left -= n;
	}
	to[0]->pkt_len = m->pkt_len;
	to[0]->nb_segs = (uint16_t)count;
}

/*
 * What the driver did since tsc. It never takes that long: then somebody else had the core, and a
 * shard's clock that went on meanwhile would tell of him.
 */
static inline void driver_did(struct wire *w, uint64_t tsc)
{
	uint64_t cycles = rte_rdtsc() - tsc;

	w->driver_cycles += RTE_MIN(cycles, rte_get_tsc_hz() / 1000000 * DRIVER_MAX_US);
}

static inline unsigned int segs_of(const struct rte_mbuf *m, uint32_t room)
{
	return (m->pkt_len + room - 1) / room;
}

/* From the generator: frames become the shard's buffers, as a NIC fills those it was given. */
static uint16_t gen_tx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
	struct wire *w = (struct wire *)(void *)p;
	struct rte_mbuf *fresh[RING_BURST * FRAME_SEGS], *out[RING_BURST];
	unsigned int free = rte_ring_free_count(w->to_shard), segs = 0, at = 0;
	uint32_t room = room_of(w->shard_pool);
	uint64_t tsc;
	int r;

	free = RTE_MIN(free, (unsigned int)RING_BURST);
	n = RTE_MIN(n, (uint16_t)free);
	for (unsigned int i = 0; i < n; i++)
		segs += segs_of(m[i], room);
	if (n == 0)
		return 0;
	tsc = rte_rdtsc();
	r = rte_pktmbuf_alloc_bulk(w->shard_pool, fresh, segs);
	driver_did(w, tsc);
	if (r < 0) { /* as a NIC without descriptors */
		w->lost += n;
		rte_pktmbuf_free_bulk(m, n);
		return n;
	}
	for (unsigned int i = 0; i < n; i++) {
		unsigned int k = segs_of(m[i], room);

		copy(m[i], &fresh[at], k, room);
		out[i] = fresh[at];
		at += k;
		w->bytes += m[i]->pkt_len;
	}
	w->frames += n;
	rte_pktmbuf_free_bulk(m, n);
	rte_ring_enqueue_bulk(w->to_shard, (void **)out, n, NULL);
	return n;
}

/* From the shard: what it sent is copied and freed. */
static uint16_t gen_rx(struct port *p, struct rte_mbuf **m, uint16_t n)
{
	struct wire *w = (struct wire *)(void *)p;
	struct rte_mbuf *sent[RING_BURST], *fresh[FRAME_SEGS];
	uint32_t room = room_of(w->gen_pool);
	unsigned int got, k, out = 0;
	uint64_t tsc;

	got = rte_ring_dequeue_burst(w->from_shard, (void **)sent, RTE_MIN(n, (uint16_t)RING_BURST),
				     NULL);
	if (got == 0)
		return 0;
	for (unsigned int i = 0; i < got; i++) {
		k = segs_of(sent[i], room);
		if (rte_pktmbuf_alloc_bulk(w->gen_pool, fresh, k) < 0) {
			w->lost++;
			continue;
		}
		copy(sent[i], fresh, k, room);
		w->bytes += sent[i]->pkt_len;
		m[out++] = fresh[0];
	}
	w->frames += got;
	tsc = rte_rdtsc();
	rte_pktmbuf_free_bulk(sent, got);
	driver_did(w, tsc);
	return (uint16_t)out;
}

int wire_new(const char *name, uint8_t mac, uint16_t mtu, struct rte_mempool *gen_pool,
	     struct wire *w)
{
	struct rte_ether_addr addr = {{2, 0, 0, 0, 1, mac}};
	int id;

	*w = (struct wire){
		.port = {.rx_burst = gen_rx,
			 .tx_burst = gen_tx,
			 .mtu = mtu,
			 .mac = {{2, 0, 0, 0, 2, mac}},
			 .link_up = true},
		.gen_pool = gen_pool,
	};
	w->to_shard = ring(name, "in");
	w->from_shard = ring(name, "out");
	if (w->to_shard == NULL || w->from_shard == NULL)
		return -ENOMEM;
	id = rte_eth_from_rings(name, &w->to_shard, 1, &w->from_shard, 1, SOCKET_ID_ANY);
	if (id < 0)
		return -ENODEV;
	/* The device's own address is all zeros, no host's; the first that is added takes its
	 * place. */
	return rte_eth_dev_mac_addr_add((uint16_t)id, &addr, 0);
}

void wire_free(struct wire *w)
{
	rte_ring_free(w->to_shard);
	rte_ring_free(w->from_shard);
	*w = (struct wire){0};
}
