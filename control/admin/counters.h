/*
 * control/admin/counters.h - `show counters`: what the shards count, read from the files they
 * share, and what control does.
 *
 * The shards are not asked and notice nothing (link/stats.h).
 */
#ifndef SLUICE_CONTROL_ADMIN_COUNTERS_H
#define SLUICE_CONTROL_ADMIN_COUNTERS_H

#include <jansson.h>

#include "control/linkpeer.h"

/*
 * {"dataplane":name,"shard":n,"counters":[…]}, or with "error" instead when the file cannot be
 * read. NULL: no memory.
 */
json_t *counters_of_shard(const struct linkpeer *peer, unsigned int shard);
/* The copy of a shard's file, the caller's to free(). -errno. */
int counters_file(const struct linkpeer *peer, unsigned int shard, void **ret)
	__attribute__((warn_unused_result));
/* [{"room","name","limit","value","text"},…] of control itself. NULL: no memory. */
json_t *counters_of_control(void);

#endif
