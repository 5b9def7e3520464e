/*
 * dataplane/watchdog.h - the service manager hears that every shard goes round, or nothing.
 *
 * A thread beside the shards looks at how many turns each has made, several times in the time the
 * manager gives (WatchdogSec=), and gives the beat when all have moved. A shard that sleeps still
 * turns every IDLE_SLEEP_MAX_US. The shards do nothing for it.
 */
#ifndef SLUICE_DATAPLANE_WATCHDOG_H
#define SLUICE_DATAPLANE_WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/notify.h"

struct watchdog;

/* Turns made by a shard, as its lcore counts them; they live as long as the watchdog. */
struct watchdog_conf {
	const struct notify *manager;
	const uint64_t *const *turns;
	unsigned int shards;
};

/* Without a time to keep there is no thread, and *ret is NULL. 0 or -errno. */
int watchdog_start(const struct watchdog_conf *wc, struct watchdog **ret);
void watchdog_stop(struct watchdog *w);

/* Has each moved since it was seen? Those that did are seen anew. For the thread, and tests. */
bool watchdog_look(const struct watchdog_conf *wc, uint64_t *seen);

#endif
