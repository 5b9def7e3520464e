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

/* Starts EAL with mb MiB of memory; ends the process when it cannot. */
static inline void eal_start(const char *mb)
{
	char *argv[] = {(char *)"test",
			(char *)"--no-huge",
			(char *)"-m",
			(char *)mb,
			(char *)"--no-pci",
			(char *)"--no-shconf",
			(char *)"--no-telemetry",
			(char *)"-l",
			(char *)"0",
			(char *)"--log-level=error",
			NULL};

	/* Only where the caller has none: EAL wants a writable run-time directory. */
	setenv("XDG_RUNTIME_DIR", "/tmp", 0);
	if (rte_eal_init(10, argv) < 0) {
		fprintf(stderr, "EAL does not start\n");
		exit(2);
	}
}

/* How many of the pool's mbufs are out: 0 at the end of every test. */
static inline unsigned int eal_out(const struct rte_mempool *p)
{
	return rte_mempool_in_use_count(p);
}

#endif
