/*
 * dataplane/snapshot.h - where the counters of a shard can be read from outside: a file that others
 * map (perf/) or read (control, link/stats.h). The shard counts in its own memory and copies now
 * and then: a page of a file may fault.
 */
#ifndef SLUICE_DATAPLANE_SNAPSHOT_H
#define SLUICE_DATAPLANE_SNAPSHOT_H

#include <stddef.h>

#include "dataplane/counters.h"
#include "dataplane/shard.h"

struct snapshot {
	struct shard_snapshot *shared; /* NULL: not shared */
	size_t size;                   /* of the file */
	char *path;
	struct counter_group group[COUNTER_GROUPS_MAX];
	unsigned int n_groups;
};

/*
 * Makes the file anew, readable by all who may enter its folder. 0 or -errno. path may be NULL.
 * The groups' values are read with each snapshot_publish().
 */
int snapshot_open(const char *path, const struct counter_group *group, unsigned int n_groups,
		  struct snapshot *ret);
void snapshot_publish(struct snapshot *s, const struct shard_snapshot *now);
void snapshot_close(struct snapshot *s); /* removes the file */

#endif
