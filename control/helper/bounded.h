/*
 * control/helper/bounded.h - what may hang, in a process of its own that has a time.
 *
 * A user can stop a process that has become him, and mount what never answers: neither may hold up
 * who waits. Over its time it is killed; one that sleeps in the kernel even then is left behind.
 * It has none of our descriptors, so that nothing of ours stays open with it.
 */
#ifndef SLUICE_CONTROL_HELPER_BOUNDED_H
#define SLUICE_CONTROL_HELPER_BOUNDED_H

#define BOUNDED_KILL_MS 1000 /* for one that was killed to be gone */

/*
 * What f returns in the other process, 0 to 255, or the status of what it has become. keep: a
 * descriptor that goes along, under another number, which is put there; NULL: none does.
 * -ETIMEDOUT; -ECHILD: it was killed; -errno.
 */
int bounded_run(int (*f)(void *arg), void *arg, int *keep, unsigned int ms)
	__attribute__((warn_unused_result));

#endif
