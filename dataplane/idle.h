/*
 * dataplane/idle.h - when a shard has nothing to do: pause, then sleep on one epoll set.
 *
 * A busy shard never comes here. Ports that have a receive descriptor wake the shard; while one
 * has none the shard naps, longer and longer up to IDLE_NAP_MAX_US, and looks: under 5 % of
 * a core. Any work starts it over.
 */
#ifndef SLUICE_DATAPLANE_IDLE_H
#define SLUICE_DATAPLANE_IDLE_H

#include <stdbool.h>
#include <stdint.h>

#define IDLE_SPIN_US      50 /* of empty turns before the first sleep */
#define IDLE_NAP_MIN_US   50
#define IDLE_NAP_MAX_US   2000
#define IDLE_SLEEP_MAX_US 20000 /* with descriptors for all: a lost edge costs this much */

struct idle {
	int epoll;
	bool enabled; /* IdleSleep */
	bool polled;  /* a port has no descriptor */
	uint32_t nap_us;
	uint64_t busy_us; /* when there was work last */
};

/* 0 or -errno. */
int idle_init(struct idle *i, bool enabled);
/* The thread that will sleep says so first: naps are short. */
void idle_thread(void);
void idle_fini(struct idle *i);
/* Something that shall wake the shard; watched for edges, never read here. */
int idle_watch(struct idle *i, int fd);
static inline void idle_busy(struct idle *i, uint64_t now_us)
{
	i->busy_us = now_us;
	i->nap_us = IDLE_NAP_MIN_US;
}
/* The same where somebody was woken who may want this very core: one empty turn is enough. */
static inline void idle_busy_once(struct idle *i)
{
	idle_busy(i, 0);
}
/* True: it is time to sleep (arm what can wake, look once more, then idle_sleep()). */
bool idle_is_due(const struct idle *i, uint64_t now_us);
/* Until something happens (true) or until_us, whichever is first. */
bool idle_sleep(struct idle *i, uint64_t now_us, uint64_t until_us);

#endif
