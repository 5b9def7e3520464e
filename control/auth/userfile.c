#include "control/auth/userfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/secret.h"

static bool owner_ok(const struct userfile_rules *rules, uid_t uid)
{
	return uid == 0 || uid == geteuid() || (rules->owner != (uid_t)-1 && uid == rules->owner);
}

/*
 * May others replace what lies in this folder? Not in root's sticky ones, as /tmp is: what
 * lies in it stays its owner's, and who that is was checked one step below. (sshd refuses
 * them too.)
 */
static bool others_replace(const struct stat *st)
{
	if ((st->st_mode & S_ISVTX) != 0 && st->st_uid == 0)
		return false;
	return (st->st_mode & (S_IWGRP | S_IWOTH)) != 0;
}

/* Every folder from the file up; path is changed. */
static int folders_check(char *path, const struct userfile_rules *rules, char *why, size_t why_size)
{
	struct stat st;
	char *slash;

	while ((slash = strrchr(path, '/')) != NULL) {
		const char *dir = slash == path ? "/" : path;
		bool top = slash == path;

		*slash = '\0';
		if (stat(dir, &st) < 0 || !owner_ok(rules, st.st_uid) || others_replace(&st)) {
			snprintf(why, why_size, "bad ownership or modes for directory %s", dir);
			return -EACCES;
		}
		if (top || (rules->home != NULL && strcmp(rules->home, dir) == 0))
			break;
	}
	return 0;
}

/* Checks the file that is open, by where it really lies: no name is resolved twice. */
static int modes_check(int fd, const char *path, const struct stat *st,
		       const struct userfile_rules *rules, char *why, size_t why_size)
{
	char link[64], real[USERFILE_PATH_MAX];
	ssize_t n;

	if (!owner_ok(rules, st->st_uid) || (st->st_mode & rules->deny) != 0) {
		snprintf(why, why_size, "bad ownership or modes for file %s", path);
		return -EACCES;
	}
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, real, sizeof(real) - 1);
	if (n <= 0) {
		snprintf(why, why_size, "cannot tell where %s is", path);
		return -EACCES;
	}
	real[n] = '\0';
	return folders_check(real, rules, why, why_size);
}

static int read_all(int fd, size_t max, char **ret, size_t *ret_len)
{
	size_t size = 4096, len = 0;
	char *buf = malloc(size), *more;
	ssize_t n = -1;
	int r = 0;

	while (buf != NULL && (n = read(fd, buf + len, size - 1 - len)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			r = -errno;
			break;
		}
		len += (size_t)n;
		if (len > max) {
			r = -EFBIG;
			break;
		}
		if (len < size - 1)
			continue;
		/* Not realloc(): what it leaves behind may be hashes. */
		more = malloc(size * 2);
		if (more != NULL)
			memcpy(more, buf, len);
		userfile_free(buf, len);
		buf = more;
		size *= 2;
	}
	if (buf == NULL)
		return -ENOMEM;
	if (r < 0) {
		userfile_free(buf, len);
		return r;
	}
	buf[len] = '\0';
	*ret = buf;
	*ret_len = len;
	return 0;
}

int userfile_read(const char *path, const struct userfile_rules *rules, size_t max, char **ret,
		  size_t *ret_len, char *why, size_t why_size)
{
	struct stat st;
	int fd, r = 0;

	/* O_NONBLOCK: a FIFO laid in the way must not hold the thread. */
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0) {
		r = -errno;
		if (r != -ENOENT && r != -ENOTDIR)
			snprintf(why, why_size, "cannot open %s: %s", path, strerror(-r));
		return r == -ENOTDIR ? -ENOENT : r;
	}
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode)) {
		snprintf(why, why_size, "%s is not a regular file", path);
		r = -EINVAL;
	} else if (rules->strict)
		r = modes_check(fd, path, &st, rules, why, why_size);
	if (r == 0)
		r = read_all(fd, max, ret, ret_len);
	if (r == -EFBIG)
		snprintf(why, why_size, "%s is larger than %zu bytes", path, max);
	close(fd);
	return r;
}

void userfile_free(char *text, size_t len)
{
	if (text != NULL)
		secret_wipe(text, len);
	free(text);
}
