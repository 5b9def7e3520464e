#include "client/known/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_TRY_MS 10

static int read_all(int fd, size_t size, char **ret, size_t *ret_len)
{
	char *p = malloc(size + 1);
	size_t len = 0;
	ssize_t n = 1;

	if (p == NULL)
		return -ENOMEM;
	while (len < size && n != 0) {
		n = read(fd, p + len, size - len);
		if (n < 0 && errno != EINTR) {
			n = -errno;
			free(p);
			return (int)n;
		}
		len += n > 0 ? (size_t)n : 0;
	}
	p[len] = '\0';
	*ret = p;
	*ret_len = len;
	return 0;
}

int known_file_read(const char *path, char **ret, size_t *ret_len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), r = 0;
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode)) /* /dev/null is an empty one */
		r = -EINVAL;
	else if (st.st_size > KNOWN_FILE_MAX)
		r = -EFBIG;
	if (r == 0)
		r = read_all(fd, (size_t)st.st_size, ret, ret_len);
	close(fd);
	return r;
}

/* --- the lock --------------------------------------------------------------------------- */

static int folder_make(const char *path)
{
	char copy[PATH_MAX];

	if ((size_t)snprintf(copy, sizeof(copy), "%s", path) >= sizeof(copy))
		return -ENAMETOOLONG;
	return mkdir(dirname(copy), 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static int open_it(const char *path, bool make)
{
	/* What is replaced need not be written to. */
	int flags = (make ? O_RDWR | O_CREAT | O_APPEND : O_RDONLY) | O_CLOEXEC | O_NOCTTY;
	int fd = open(path, flags, 0600);

	if (fd >= 0 || errno != ENOENT || !make)
		return fd < 0 ? -errno : fd;
	if (folder_make(path) < 0)
		return -ENOENT;
	fd = open(path, flags, 0600);
	return fd < 0 ? -errno : fd;
}

/* Who replaced the file while we waited has left us the lock of one that is nobody's any more. */
static bool still_there(int fd, const char *path)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

int known_file_lock(const char *path, bool make, int *ret_fd)
{
	for (int waited = 0; waited < KNOWN_LOCK_MS;) {
		int fd = open_it(path, make), r;

		if (fd < 0)
			return fd;
		r = flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
		if (r == 0 && still_there(fd, path)) {
			*ret_fd = fd;
			return 0;
		}
		close(fd);
		if (r < 0 && r != -EWOULDBLOCK && r != -EINTR)
			return r;
		if (r < 0) {
			(void)poll(NULL, 0, LOCK_TRY_MS);
			waited += LOCK_TRY_MS;
		}
	}
	return -EBUSY;
}

/* --- lines ------------------------------------------------------------------------------ */

/* Does something stand behind its last line end? */
static int is_open(int fd, off_t size)
{
	char last;

	if (size == 0)
		return 0;
	return pread(fd, &last, 1, size - 1) == 1 ? last != '\n' : -EIO;
}

int known_file_append(int fd, const char *line)
{
	struct stat st;
	ssize_t n;
	char *p;
	int r, len;

	if (fstat(fd, &st) < 0)
		return -errno;
	r = is_open(fd, st.st_size);
	if (r < 0)
		return r;
	len = asprintf(&p, "%s%s\n", r != 0 ? "\n" : "", line);
	if (len < 0)
		return -ENOMEM;
	do
		n = write(fd, p, (size_t)len);
	while (n < 0 && errno == EINTR);
	r = n < 0 ? -errno : n < len ? -ENOSPC : fsync(fd) < 0 && errno != EINVAL ? -errno : 0;
	if (r < 0 && ftruncate(fd, st.st_size) < 0) {
		/* What is left of the line has no end, and so is none to whoever reads it. */
	}
	free(p);
	return r;
}

bool known_file_line(const char *text, size_t len, size_t *at, const char **ret, size_t *ret_len)
{
	const char *line = text + *at, *end;

	if (*at >= len)
		return false;
	end = memchr(line, '\n', len - *at);
	*ret = line;
	*ret_len = end != NULL ? (size_t)(end - line) : len - *at;
	*at += *ret_len + 1;
	return true;
}
