/*
 * tests/util/fuzz.h - what fuzz targets of the dataplane share: EAL once, and a check that says
 * what was not so before it ends the process, whatever the build.
 */
#ifndef SLUICE_TESTS_UTIL_FUZZ_H
#define SLUICE_TESTS_UTIL_FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#include "tests/util/eal.h"

#define check(ok)                                                                                  \
	do {                                                                                       \
		if (!(ok)) {                                                                       \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #ok);           \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Before the first input. pools: NULL, or to be made with so many mbufs. */
static inline void fuzz_start(struct pkt_pools *pools, unsigned int data, unsigned int head)
{
	static bool started;

	if (started)
		return;
	started = true;
	eal_start("64");
	check(pools == NULL || pkt_pools_new("fuzz", data, head, SOCKET_ID_ANY, pools) == 0);
}

/* After each input. */
static inline void fuzz_all_back(const struct pkt_pools *pools)
{
	check(eal_out(pools->data) == 0 && eal_out(pools->head) == 0);
}

#endif
