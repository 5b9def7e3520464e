/* dataplane/snapshot.c - see snapshot.h. */
#include "dataplane/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int map_file(const char *path, struct shard_snapshot **ret)
{
	int fd, r;
	void *p;

	/* A reader of an earlier start keeps its file; ours is a new one. */
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	r = ftruncate(fd, sizeof(**ret)) < 0 ? -errno : 0;
	p = r < 0 ? MAP_FAILED
		  : mmap(NULL, sizeof(**ret), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
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

int snapshot_open(const char *path, struct snapshot *ret)
{
	struct snapshot s = {0};
	int r;

	if (path != NULL) {
		s.path = strdup(path);
		if (s.path == NULL)
			return -ENOMEM;
		r = map_file(path, &s.shared);
		if (r < 0) {
			free(s.path);
			return r;
		}
	}
	*ret = s;
	return 0;
}

void snapshot_publish(struct snapshot *s, const struct shard_snapshot *now)
{
	const uint64_t *from = (const uint64_t *)now;
	volatile uint64_t *to = (volatile uint64_t *)s->shared;

	if (to == NULL)
		return;
	/* Word by word: each field is whole for whoever reads at the same time. */
	for (size_t i = 0; i < sizeof(*now) / sizeof(*from); i++)
		to[i] = from[i];
}

void snapshot_close(struct snapshot *s)
{
	if (s->shared != NULL) {
		munmap(s->shared, sizeof(*s->shared));
		unlink(s->path);
	}
	free(s->path);
	*s = (struct snapshot){0};
}
