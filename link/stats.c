/* link/stats.c - see stats.h. */
#include "link/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool fits(uint64_t at, uint64_t n, size_t size, size_t len)
{
	return at % sizeof(uint64_t) == 0 && at <= len && n <= (len - at) / size;
}

static bool ends(const char *p, size_t size)
{
	return memchr(p, '\0', size) != NULL;
}

static bool info_ok(const struct link_stats_info *i)
{
	return ends(i->room, sizeof(i->room)) && ends(i->object, sizeof(i->object)) &&
	       ends(i->name, sizeof(i->name)) && ends(i->text, sizeof(i->text));
}

static const struct link_stats_info *info_of(const void *file)
{
	const struct link_stats *h = file;

	return (const void *)((const char *)file + h->info_at);
}

int link_stats_check(const void *file, size_t len)
{
	const struct link_stats *h = file;

	if (len < sizeof(*h))
		return -EBADMSG;
	if (h->version != LINK_STATS_VERSION)
		return -EPROTONOSUPPORT;
	if (h->n > LINK_STATS_COUNTERS_MAX || !fits(h->value_at, h->n, sizeof(uint64_t), len) ||
	    !fits(h->info_at, h->n, sizeof(struct link_stats_info), len))
		return -EBADMSG;
	for (size_t i = 0; i < h->n; i++)
		if (!info_ok(&info_of(file)[i]))
			return -EBADMSG;
	return 0;
}

struct link_stats_counter link_stats_at(const void *file, size_t i)
{
	const struct link_stats_info *info = &info_of(file)[i];
	const struct link_stats *h = file;
	uint64_t v;

	memcpy(&v, (const char *)file + h->value_at + i * sizeof(v), sizeof(v));
	return (struct link_stats_counter){info->room, info->object, info->name, info->text, v};
}

/* Read and not mapped: a file that is cut meanwhile is a short read, not a signal. */
static int copy_file(int fd, void *buf, size_t len)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = pread(fd, (char *)buf + got, len - got, (off_t)got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EBADMSG;
		got += (size_t)n;
	}
	return link_stats_check(buf, len);
}

int link_stats_read(const char *path, void **ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), r = 0;
	void *buf = NULL;
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode))
		r = -EBADMSG;
	else if (st.st_size > LINK_STATS_FILE_MAX)
		r = -EFBIG;
	if (r == 0) {
		buf = malloc((size_t)st.st_size + 1);
		r = buf != NULL ? copy_file(fd, buf, (size_t)st.st_size) : -ENOMEM;
	}
	close(fd);
	if (r < 0) {
		free(buf);
		return r;
	}
	*ret = buf;
	return 0;
}
