/* dataplane/snapshot.c - see snapshot.h. */
#include "dataplane/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* struct shard_snapshot begins with what link/stats.h says; the counters follow it. */
_Static_assert(offsetof(struct shard_snapshot, head) == 0, "the head of the file");
_Static_assert(sizeof(struct shard_snapshot) % sizeof(uint64_t) == 0, "values are aligned");

static int map_file(const char *path, size_t size, struct shard_snapshot **ret)
{
	int fd, r;
	void *p;

	/* A reader of an earlier start keeps its file; ours is a new one. */
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	r = ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
	p = r < 0 ? MAP_FAILED : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (r == 0 && p == MAP_FAILED)
		r = -errno;
	close(fd);
	if (r < 0) {
		unlink(path);
		return r;
	}
	*ret = p;
	return 0;
}

static unsigned int counters_in(const struct snapshot *s)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < s->n_groups; i++)
		n += s->group[i].n;
	return n;
}

/* A text that is too long is cut, not left without an end. */
static void describe(struct link_stats_info *info, const struct counter_group *g, unsigned int i)
{
	snprintf(info->room, sizeof(info->room), "%s", g->room);
	snprintf(info->object, sizeof(info->object), "%s", g->object);
	snprintf(info->name, sizeof(info->name), "%s", g->name(i));
	snprintf(info->text, sizeof(info->text), "%s", g->text(i));
}

/* The version last: until it is there, a reader finds a file of another version. */
static void describe_all(struct snapshot *s, unsigned int n)
{
	struct link_stats *h = &s->shared->head;
	struct link_stats_info *info;

	h->n = n;
	h->value_at = sizeof(*s->shared);
	h->info_at = h->value_at + n * sizeof(uint64_t);
	info = (void *)((char *)s->shared + h->info_at);
	for (unsigned int g = 0; g < s->n_groups; g++)
		for (unsigned int i = 0; i < s->group[g].n; i++)
			describe(info++, &s->group[g], i);
	*(volatile uint64_t *)&h->version = LINK_STATS_VERSION;
}

int snapshot_open(const char *path, const struct counter_group *group, unsigned int n_groups,
		  struct snapshot *ret)
{
	struct snapshot s = {.n_groups = n_groups};
	unsigned int n;
	int r;

	for (unsigned int i = 0; i < n_groups; i++)
		s.group[i] = group[i];
	n = counters_in(&s);
	if (n > LINK_STATS_COUNTERS_MAX)
		return -E2BIG;
	if (path != NULL) {
		s.size = sizeof(struct shard_snapshot) +
			 n * (sizeof(uint64_t) + sizeof(struct link_stats_info));
		s.path = strdup(path);
		if (s.path == NULL)
			return -ENOMEM;
		r = map_file(path, s.size, &s.shared);
		if (r < 0) {
			free(s.path);
			return r;
		}
		describe_all(&s, n);
	}
	*ret = s;
	return 0;
}

/* Word by word: each field is whole for whoever reads at the same time. */
static volatile uint64_t *put(volatile uint64_t *to, const uint64_t *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		*to++ = from[i];
	return to;
}

void snapshot_publish(struct snapshot *s, const struct shard_snapshot *now)
{
	const size_t head = sizeof(now->head);
	volatile uint64_t *to;

	if (s->shared == NULL)
		return;
	to = (volatile uint64_t *)((char *)s->shared + head);
	to = put(to, (const uint64_t *)((const char *)now + head),
		 (sizeof(*now) - head) / sizeof(uint64_t));
	for (unsigned int i = 0; i < s->n_groups; i++)
		to = put(to, s->group[i].value, s->group[i].n);
}

void snapshot_close(struct snapshot *s)
{
	if (s->shared != NULL) {
		munmap(s->shared, s->size);
		unlink(s->path);
	}
	free(s->path);
	*s = (struct snapshot){0};
}
