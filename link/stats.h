/*
 * link/stats.h - the counters of a shard, in a file that others read: $SLUICE_RUN/shardN.stats.
 *
 * The file says itself what its counters are called and mean, so that whoever shows them knows
 * nothing of the dataplane. It begins with struct link_stats; what the shard keeps there for
 * others of its own build lies behind that.
 * Trust   the shard may be broken: a reader copies (link_stats_read()), then checks.
 */
#ifndef SLUICE_LINK_STATS_H
#define SLUICE_LINK_STATS_H

#include <stddef.h>
#include <stdint.h>

#define LINK_STATS_VERSION      2
#define LINK_STATS_COUNTERS_MAX 4096
#define LINK_STATS_FILE_MAX     (1024 * 1024)

/* Offsets are from the start of the file. */
struct link_stats {
	uint64_t version;  /* LINK_STATS_VERSION */
	uint64_t n;        /* counters */
	uint64_t value_at; /* uint64_t [n], each whole at any time */
	uint64_t info_at;  /* struct link_stats_info [n], written before the version */
};

struct link_stats_info {
	char room[8];    /* "net", "tcp", … */
	char object[32]; /* which one, where a room has several: an interface; or "" */
	char name[32];
	char text[88]; /* what it means to an operator */
};

/* One counter of a copied file; strings are NUL-terminated, bytes of whoever. */
struct link_stats_counter {
	const char *room, *object, *name, *text;
	uint64_t value;
};

/* Is the copy whole, and of this version? 0, -EPROTONOSUPPORT or -EBADMSG. Aligned for uint64_t. */
int link_stats_check(const void *file, size_t len) __attribute__((warn_unused_result));
/* Of a checked copy; i below its n. */
struct link_stats_counter link_stats_at(const void *file, size_t i);
static inline size_t link_stats_n(const void *file)
{
	return (size_t)((const struct link_stats *)file)->n;
}

/* Copies and checks the file: *ret is the caller's to free(). Also -errno, -EFBIG, -ENOMEM. */
int link_stats_read(const char *path, void **ret) __attribute__((warn_unused_result));

#endif
