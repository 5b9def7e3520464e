/*
 * perf/stages.c - prints where a shard's cycles go, from its shared snapshot.
 *
 *   stages FILE              one line a stage: key, seconds, items, batches
 *   stages FILE --watch N    the difference over N seconds, as a table
 *
 * Reading costs the shard nothing. FILE is $SLUICE_RUN/shard0.stats.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dataplane/shard.h"

static const char *const key[] = {
#define X(name, k, text) k,
	SHARD_STAGES(X)
#undef X
};
static const char *const text[] = {
#define X(name, k, t) t,
	SHARD_STAGES(X)
#undef X
};

static const struct shard_snapshot *snapshot_map(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *p;

	if (fd < 0)
		return NULL;
	p = mmap(NULL, sizeof(struct shard_snapshot), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	return p == MAP_FAILED ? NULL : p;
}

static void print_plain(const struct shard_snapshot *s)
{
	double hz = (double)s->tsc_hz;

	for (int i = 0; i < SHARD_STAGE_COUNT; i++)
		printf("%s %.9f %" PRIu64 " %" PRIu64 "\n", key[i], (double)s->stage[i].cycles / hz,
		       s->stage[i].items, s->stage[i].batches);
}

static void print_table(const struct shard_snapshot *a, const struct shard_snapshot *b, unsigned int seconds)
{
	double hz = (double)b->tsc_hz, sum = 0;

	printf("%-8s %-34s %8s %12s %8s %10s\n", "stage", "", "core %", "items", "batch", "ns/item");
	for (int i = 0; i < SHARD_STAGE_COUNT; i++) {
		double cpu = (double)(b->stage[i].cycles - a->stage[i].cycles) / hz;
		uint64_t items = b->stage[i].items - a->stage[i].items;
		uint64_t batches = b->stage[i].batches - a->stage[i].batches;

		sum += cpu;
		printf("%-8s %-34s %8.2f %12" PRIu64 " %8.1f %10.1f\n", key[i], text[i],
		       100 * cpu / seconds, items, batches ? (double)items / (double)batches : 0.0,
		       items ? 1e9 * cpu / (double)items : 0.0);
	}
	printf("%-8s %-34s %8.2f\n", "all", "", 100 * sum / seconds);
}

int main(int argc, char **argv)
{
	const struct shard_snapshot *s;
	struct shard_snapshot before, after;
	unsigned int seconds;

	if (argc != 2 && !(argc == 4 && strcmp(argv[2], "--watch") == 0)) {
		fprintf(stderr, "usage: stages FILE [--watch SECONDS]\n");
		return 2;
	}
	s = snapshot_map(argv[1]);
	if (s == NULL) {
		perror(argv[1]);
		return 1;
	}
	if (s->head.version != LINK_STATS_VERSION) {
		fprintf(stderr, "%s: written by another version\n", argv[1]);
		return 1;
	}
	if (argc == 2) {
		print_plain(s);
		return 0;
	}
	seconds = (unsigned int)atoi(argv[3]);
	if (seconds == 0)
		seconds = 1;
	before = *s;
	sleep(seconds);
	after = *s;
	print_table(&before, &after, seconds);
	return 0;
}
