/*
 * dataplane/tcp/near.h - how much near peers may have under way while a core has no time left.
 *
 * A core that works without a rest has packets waiting in its ports' queues: windows that are
 * larger than what it relays in a round trip only make these longer, and a byte that waited there
 * is fetched from memory again by the checksum, the cipher and the way out, instead of from the
 * cache. So while nearly all turns find work the window of a near connection becomes less, until
 * some turns find none: then nothing waits, and it becomes more again. Multiplicative both ways:
 * within a few tens of milliseconds it is where it should be, whatever the machine and the paths.
 *
 * Units   bytes, turns.
 * Lcore   the shard's.
 */
#ifndef SLUICE_DATAPLANE_TCP_NEAR_H
#define SLUICE_DATAPLANE_TCP_NEAR_H

#include <stdbool.h>
#include <stdint.h>

/*
 * In a tick of our timestamps, which is what a shorter round trip reads as, a core relays about as
 * much as the first: half of what stays in its cache. The other is a record of the usual size and a
 * half: one that comes after another is mostly there when it is looked at, and less waits for the
 * rest of it. With thousands of connections that is worth more than the cache that it takes.
 */
#define NEAR_MOST  (768u * 1024)
#define NEAR_LEAST (48u * 1024)
#define NEAR_PART  8 /* full: fewer than one in so many turns found nothing to do */

struct near {
	uint64_t turns, busy; /* when it was told last */
	uint32_t window;
	bool full;
};

void near_init(struct near *n);
/* Turns there were since the start, and those of them that found work; each millisecond or so. */
void near_told(struct near *n, uint64_t turns, uint64_t busy);

#endif
