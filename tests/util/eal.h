/*
 * tests/util/eal.h - EAL and pools for a test process: no hugepages, no root, no devices.
 */
#ifndef SLUICE_TESTS_UTIL_EAL_H
#define SLUICE_TESTS_UTIL_EAL_H

#include <stdio.h>
#include <stdlib.h>

#include <rte_eal.h>
#include <rte_log.h>

#include "dataplane/pkt.h"

/*
 * Starts EAL with mb MiB of memory and four drivers: rings and stacks for pools, net_ring and
 * net_tap. Ends the process when it cannot.
 */
void eal_start(const char *mb);

/* How many of the pool's mbufs are out: 0 at the end of every test. */
static inline unsigned int eal_out(const struct rte_mempool *p)
{
	return rte_mempool_in_use_count(p);
}

#endif
