/* crypto/keyfile/disk.c - key files on disk: reading with care for modes, writing all or nothing.
 */
#include "crypto/keyfile/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/keyfile.h"
#include "crypto/secret.h"

#define TRIES 16

static int file_check(int fd, size_t *ret_size, mode_t *ret_mode)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size > KEYFILE_MAX)
		return -EFBIG;
	*ret_size = (size_t)st.st_size;
	*ret_mode = st.st_mode & 07777;
	return 0;
}

static int read_all(int fd, uint8_t *buf, size_t len)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = read(fd, buf + got, len - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EBADMSG; /* it shrank under us */
		got += (size_t)n;
	}
	return 0;
}

int disk_read(const char *path, uint8_t **ret, size_t *ret_len, mode_t *ret_mode)
{
	uint8_t *buf = NULL;
	mode_t mode = 0;
	size_t len = 0;
	int fd, r;

	/* Not to wait for a writer should the name be a pipe. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	r = file_check(fd, &len, &mode);
	if (r == 0) {
		buf = secret_new(len);
		r = buf == NULL ? -ENOMEM : read_all(fd, buf, len);
	}
	close(fd);
	if (r < 0) {
		secret_free(buf, len);
		return r;
	}
	*ret = buf;
	*ret_len = len;
	*ret_mode = mode;
	return 0;
}

static int write_all(int fd, const uint8_t *p, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* A file nobody has, beside the one it is to become. */
static int temp_open(const char *path, char *name, size_t size)
{
	uint8_t rnd[8];
	int fd, r;

	for (int i = 0; i < TRIES; i++) {
		r = crypto_random(rnd, sizeof(rnd));
		if (r < 0)
			return r;
		if ((size_t)snprintf(name, size, "%s.%02x%02x%02x%02x%02x%02x%02x%02x", path,
				     rnd[0], rnd[1], rnd[2], rnd[3], rnd[4], rnd[5], rnd[6],
				     rnd[7]) >= size)
			return -ENAMETOOLONG;
		fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd >= 0)
			return fd;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

/* The name itself is on disk once its folder is. A folder that cannot be synced is not an error. */
static void folder_sync(const char *path)
{
	char copy[PATH_MAX];
	int fd;

	snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	fsync(fd);
	close(fd);
}

static int publish(const char *temp, const char *path, bool replace)
{
	if (replace)
		return rename(temp, path) < 0 ? -errno : 0;
	/* A link fails where there is something already; a rename would swallow it. */
	if (link(temp, path) < 0)
		return -errno;
	unlink(temp);
	return 0;
}

int keyfile_write(const char *path, const void *p, size_t len, mode_t mode, bool replace)
{
	char temp[PATH_MAX];
	int fd = temp_open(path, temp, sizeof(temp));
	int r;

	if (fd < 0)
		return fd;
	r = fchmod(fd, mode) < 0 ? -errno : write_all(fd, p, len);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0)
		r = publish(temp, path, replace);
	if (r < 0)
		unlink(temp);
	else
		folder_sync(path);
	return r;
}
