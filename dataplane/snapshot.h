/*
 * dataplane/snapshot.h - where the counters of a shard can be read from outside: a file that others
 * map. The shard counts in its own memory and copies now and then: a page of a file may fault.
 */
#ifndef SLUICE_DATAPLANE_SNAPSHOT_H
#define SLUICE_DATAPLANE_SNAPSHOT_H

#include "dataplane/shard.h"

struct snapshot {
	struct shard_snapshot *shared; /* NULL: not shared */
	char *path;
};

/* Makes the file anew, readable by all who may enter its folder. 0 or -errno. path may be NULL. */
int snapshot_open(const char *path, struct snapshot *ret);
void snapshot_publish(struct snapshot *s, const struct shard_snapshot *now);
void snapshot_close(struct snapshot *s); /* removes the file */

#endif
