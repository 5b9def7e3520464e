/* perf/load_gate.c - see load_gate.h. */
#include "perf/load_gate.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#define RT_POLLING 20
#define RT_OTHERS  10

static const struct shard_snapshot *snapshot_map(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const struct shard_snapshot *s;

	if (fd < 0)
		return NULL;
	s = mmap(NULL, sizeof(*s), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (s == MAP_FAILED)
		return NULL;
	return s->head.version == LINK_STATS_VERSION ? s : NULL;
}

bool load_gate_begin(const struct load_conf *conf, struct load_gate *ret)
{
	*ret = (struct load_gate){
		.n_pids = conf->n_pids, .dataplane = conf->dataplane, .realtime = conf->realtime};
	for (unsigned int i = 0; i < conf->n_pids; i++)
		ret->pid[i] = conf->pid[i];
	for (unsigned int i = 0; i < conf->n_stats; i++) {
		ret->path[i] = conf->stats[i];
		ret->shard[i] = snapshot_map(conf->stats[i]);
		if (ret->shard[i] == NULL) {
			fprintf(stderr, "sluice-load: %s: not a shard's snapshot\n",
				conf->stats[i]);
			return false;
		}
		ret->n_shards++;
	}
	return true;
}

/* /proc/PID/task/TID/schedstat: nanoseconds on a processor, and waiting for one. */
static void cpu_of_task(int pid, const char *tid, double *ran_s, double *waited_s)
{
	char path[300];
	unsigned long long ran, waited;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", pid, tid);
	f = fopen(path, "re");
	if (f == NULL)
		return;
	if (fscanf(f, "%llu %llu", &ran, &waited) == 2) {
		*ran_s += (double)ran / 1e9;
		*waited_s += (double)waited / 1e9;
	}
	fclose(f);
}

bool load_cpu_of(int pid, double *ret_ran_s, double *ret_waited_s)
{
	const struct dirent *d;
	char path[64];
	DIR *dir;

	*ret_ran_s = *ret_waited_s = 0;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (dir == NULL)
		return false;
	while ((d = readdir(dir)) != NULL) {
		if (d->d_name[0] != '.')
			cpu_of_task(pid, d->d_name, ret_ran_s, ret_waited_s);
	}
	closedir(dir);
	return true;
}

static void priority(int tid, int rt)
{
	struct sched_param p = {.sched_priority = rt};

	if (sched_setscheduler(tid, rt > 0 ? SCHED_FIFO : SCHED_OTHER, &p) < 0)
		perror("sluice-load: real-time priority");
}

static void priority_of_all(int pid, int rt)
{
	const struct dirent *d;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (dir == NULL)
		return;
	while ((d = readdir(dir)) != NULL) {
		if (d->d_name[0] != '.')
			priority(atoi(d->d_name), rt);
	}
	closedir(dir);
}

void load_gate_realtime(const struct load_gate *g, bool on)
{
	if (!g->realtime || g->dataplane == 0)
		return;
	for (unsigned int i = 0; i < g->n_pids; i++)
		priority_of_all(g->pid[i], on ? RT_OTHERS : 0);
	priority(g->dataplane, on ? RT_POLLING : 0);
	priority(0, on ? RT_POLLING : 0);
}

/* /proc/PID/status: ordinary and huge pages, and the kernel's tables of them. */
static uint64_t memory_of(int pid)
{
	char path[64], line[256];
	unsigned long long kb, sum = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "VmRSS: %llu", &kb) == 1 ||
		    sscanf(line, "VmPTE: %llu", &kb) == 1 ||
		    sscanf(line, "HugetlbPages: %llu", &kb) == 1)
			sum += kb;
	}
	fclose(f);
	return sum * 1024;
}

/* One counter of a shard's file by its name; 0: it has none such. */
static uint64_t counter_of(const char *path, const char *room, const char *name)
{
	uint64_t v = 0;
	void *file;

	if (link_stats_read(path, &file) < 0)
		return 0;
	for (size_t i = 0; i < link_stats_n(file); i++) {
		struct link_stats_counter c = link_stats_at(file, i);

		if (strcmp(c.room, room) == 0 && strcasecmp(c.name, name) == 0)
			v += c.value;
	}
	free(file);
	return v;
}

void load_gate_mark(const struct load_gate *g, struct load_gate_mark *ret)
{
	*ret = (struct load_gate_mark){0};
	for (unsigned int k = 0; k < g->n_shards; k++) {
		const struct shard_snapshot *s = g->shard[k];

		for (unsigned int i = 0; i < SHARD_STAGE_COUNT; i++) {
			double cpu = (double)s->stage[i].cycles / (double)s->tsc_hz;

			ret->stage_s[i] += cpu;
			ret->shard_s[k] += cpu;
		}
		ret->busy_s += ret->shard_s[k];
		ret->retrans += counter_of(g->path[k], "tcp", "retrans");
		ret->rx_pkts += s->rx_pkts;
		ret->tx_pkts += s->tx_pkts;
	}
	for (unsigned int i = 0; i < g->n_pids; i++) {
		double ran, waited;

		if (load_cpu_of(g->pid[i], &ran, &waited)) {
			ret->other_s += ran;
			ret->waited_s += waited;
		}
		ret->memory += memory_of(g->pid[i]);
	}
	if (g->dataplane != 0)
		ret->memory += memory_of(g->dataplane);
}
