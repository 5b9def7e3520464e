/*
 * perf/load_gate.h - what a gateway under load says of itself: cycles by stage from the snapshots
 * of its shards, CPU time of its other processes from /proc. Reading costs it nothing.
 */
#ifndef SLUICE_PERF_LOAD_GATE_H
#define SLUICE_PERF_LOAD_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/shard.h"
#include "perf/load_conf.h"

struct load_gate {
	const struct shard_snapshot *shard[LOAD_SHARDS_MAX];
	unsigned int n_shards;
	int pid[LOAD_PIDS_MAX];
	unsigned int n_pids;
	const char *path[LOAD_SHARDS_MAX];
	int dataplane; /* its process, whose first thread is the one that polls; 0: not known */
	bool realtime;
};

struct load_gate_mark {
	double stage_s[SHARD_STAGE_COUNT]; /* all shards together */
	double busy_s;                     /* their sum */
	double shard_s[LOAD_SHARDS_MAX];
	double other_s;  /* CPU time of the processes */
	double waited_s; /* how long their threads could have run and did not, all together */
	uint64_t rx_pkts, tx_pkts;
	uint64_t retrans; /* segments sent again */
	uint64_t memory;  /* bytes resident, of all processes */
};

/* False: said why. */
bool load_gate_begin(const struct load_conf *conf, struct load_gate *ret);
void load_gate_mark(const struct load_gate *g, struct load_gate_mark *ret);
/*
 * On a machine that is not quiet: this thread and the dataplane's before all others, the other
 * processes of the gateway behind them. To be switched off again soon: nothing else runs.
 */
void load_gate_realtime(const struct load_gate *g, bool on);
/* CPU time of a process, all its threads; and how long they could have run and did not. */
bool load_cpu_of(int pid, double *ret_ran_s, double *ret_waited_s);

#endif
