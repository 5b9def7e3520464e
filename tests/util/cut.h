/*
 * tests/util/cut.h - bytes as mbufs of any size: random cuts, head-rooms, and some that others
 * refer to, so that nothing may be changed in place without looking.
 */
#ifndef SLUICE_TESTS_UTIL_CUT_H
#define SLUICE_TESTS_UTIL_CUT_H

#include <string.h>

#include "dataplane/pkt.h"
#include "tests/util/rnd.h"

/* One mbuf with n bytes; foreign: an indirect one, as a segment of another stack is. */
static inline struct rte_mbuf *cut_mbuf(struct rte_mempool *pool, const void *p, uint16_t n,
					uint16_t headroom, bool foreign)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool), *other;

	if (m == NULL)
		abort();
	m->data_off = headroom;
	memcpy(rte_pktmbuf_mtod(m, void *), p, n);
	m->data_len = n;
	m->pkt_len = n;
	if (!foreign)
		return m;
	other = rte_pktmbuf_alloc(pool);
	if (other == NULL)
		abort();
	rte_pktmbuf_attach(other, m);
	other->next = NULL;
	rte_pktmbuf_free_seg(m); /* the buffer lives as long as other does */
	return other;
}

/*
 * Appends all of p in random pieces of at most max bytes; of many bytes no smaller ones than a
 * pool of a test can hold.
 */
static inline void cut_append(struct pkt_chain *c, struct rte_mempool *pool, struct rnd *r,
			      const uint8_t *p, uint32_t n, uint32_t max)
{
	uint32_t least = n / 200 + 1;

	while (n > 0) {
		uint32_t want = RTE_MIN(least + rnd_below(r, max), 1900u);
		uint32_t k = RTE_MIN(n, want);
		uint16_t headroom = (uint16_t)rnd_below(r, RTE_PKTMBUF_HEADROOM + 1);

		pkt_chain_append(c, cut_mbuf(pool, p, (uint16_t)k, headroom, rnd_below(r, 8) == 0));
		p += k;
		n -= k;
	}
}

#endif
