/*
 * perf/stages.c - prints where a shard's cycles go, from its shared snapshot.
 *
 *   stages FILE              one line a stage: key, seconds, items, batches
 *   stages FILE --watch N    the difference over N seconds, as a table: cycles of an item and of a
 *                            byte of its kind (shard.h), and how many items came together
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

static double ratio(double a, double b)
{
	return b > 0 ? a / b : 0;
}

static void print_stage(const struct shard_snapshot *a, const struct shard_snapshot *b, int i,
			double core_cycles)
{
	double cycles = (double)(b->stage[i].cycles - a->stage[i].cycles);
	double items = (double)(b->stage[i].items - a->stage[i].items);
	double batches = (double)(b->stage[i].batches - a->stage[i].batches);
	double bytes = (double)(b->stage[i].bytes - a->stage[i].bytes);

	printf("%-8s %-34s %7.2f %11.0f %7.1f %8.0f %9.1f %8.3f\n", key[i], text[i],
	       100 * cycles / core_cycles, items, ratio(items, batches), ratio(cycles, items),
	       bytes / 1e6, ratio(cycles, bytes));
}

static void print_table(const struct shard_snapshot *a, const struct shard_snapshot *b,
			unsigned int seconds)
{
	double core_cycles = (double)b->tsc_hz * seconds, sum = 0;

	printf("%-8s %-34s %7s %11s %7s %8s %9s %8s\n", "stage", "", "core %", "items", "batch",
	       "cyc/item", "MB", "cyc/byte");
	for (int i = 0; i < SHARD_STAGE_COUNT; i++) {
		print_stage(a, b, i, core_cycles);
		sum += (double)(b->stage[i].cycles - a->stage[i].cycles);
	}
	printf("%-8s %-34s %7.2f\n", "all", "", 100 * sum / core_cycles);
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
