/*
 * tests/util/thief.h - takes the mbufs of a pool away and gives them back.
 */
#ifndef SLUICE_TESTS_UTIL_THIEF_H
#define SLUICE_TESTS_UTIL_THIEF_H

#include <rte_mbuf.h>

struct thief {
	struct rte_mbuf *m[4096];
	unsigned int n;
};

/* All but some. */
static inline void thief_take(struct thief *t, struct rte_mempool *p, unsigned int leave)
{
	while (t->n < RTE_DIM(t->m) && rte_mempool_avail_count(p) > leave &&
	       (t->m[t->n] = rte_pktmbuf_alloc(p)) != NULL)
		t->n++;
}

static inline void thief_give_back(struct thief *t)
{
	while (t->n > 0)
		rte_pktmbuf_free(t->m[--t->n]);
}

#endif
