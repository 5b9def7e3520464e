/*
 * What nearly every file of the room reads, parsed once: DPDK's inline functions and the vector
 * intrinsics behind them are 60,000 of a file's 70,000 lines. Only where -Db_pch=true asks for it,
 * as the builds of scripts/test do: any other build, and scripts/rooms, show that every file
 * includes what it uses.
 */
#include <rte_mbuf.h>
