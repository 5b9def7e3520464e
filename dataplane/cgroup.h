/*
 * dataplane/cgroup.h - what the control groups we are in let us have of memory.
 *
 * Source  Linux' cgroup-v2 (memory.max, memory.current) and cgroup-v1 (memory.limit_in_bytes):
 *         a limit of any group on the way up holds, and counts what all below it have.
 * Once, at start: the kernel's files are read as they stand.
 */
#ifndef SLUICE_DATAPLANE_CGROUP_H
#define SLUICE_DATAPLANE_CGROUP_H

#include <stdint.h>

#define CGROUP_PATH_MAX 1024

struct cgroup_memory {
	uint64_t limit;
	uint64_t used; /* without what the kernel gives back when asked: files' pages */
	char file[CGROUP_PATH_MAX]; /* which sets it */
};

/*
 * The group that leaves least. root: "", or in tests where proc and sys stand instead.
 * -ENOENT: none of them has a limit, or the kernel has no groups of memory.
 */
int cgroup_memory_find(const char *root, struct cgroup_memory *ret)
	__attribute__((warn_unused_result));
/* What is left of it, in bytes. */
uint64_t cgroup_memory_left(const struct cgroup_memory *m);

#endif
