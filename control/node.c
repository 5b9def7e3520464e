#include "control/node.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG 128

int node_own(const char *dir, char **ret)
{
	char *real = realpath(dir, NULL), *own = NULL;
	int r = real != NULL ? 0 : -errno;

	if (r == 0 && asprintf(&own, "%s/", real) < 0)
		r = -ENOMEM;
	free(real);
	if (r == 0)
		*ret = own;
	return r;
}

/* By where the node really lies: a link to one of our own is one of our own. dir: it is a folder.
 */
static int own_check(int node, bool dir, const char *own)
{
	char at[64], path[NODE_PATH_MAX + 1];
	ssize_t n;

	snprintf(at, sizeof(at), "/proc/self/fd/%d", node);
	n = readlink(at, path, sizeof(path) - 1);
	if (n < 0)
		return -errno;
	if ((size_t)n >= sizeof(path) - 1)
		return -ENAMETOOLONG;
	path[n] = '\0';
	if (dir)
		strcat(path, "/");
	return strncmp(path, own, strlen(own)) == 0 ? -EACCES : 0;
}

static int socket_check(int node)
{
	struct stat st;

	if (fstat(node, &st) < 0)
		return -errno;
	return S_ISSOCK(st.st_mode) ? 0 : -ECONNREFUSED;
}

int node_open(const char *path, const char *own)
{
	int node = open(path, O_PATH | O_CLOEXEC), r;

	if (node < 0)
		return -errno;
	r = socket_check(node);
	if (r == 0)
		r = own_check(node, false, own);
	if (r < 0) {
		close(node);
		return r;
	}
	return node;
}

socklen_t node_sockaddr(int node, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d", node);
	return sizeof(*ret);
}

/* --- listening ---------------------------------------------------------------------------------
 */

/* Its folder (O_PATH), and its name there. */
static int parent_open(const char *path, const char *own, const char **ret_name)
{
	char dir[NODE_PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t len = slash != NULL ? (size_t)(slash - path) : 0;
	int fd, r;

	if (slash == NULL || slash[1] == '\0' || len >= sizeof(dir))
		return -EINVAL;
	snprintf(dir, sizeof(dir), "%.*s/", (int)len, path);
	fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = own_check(fd, true, own);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_name = slash + 1;
	return fd;
}

/* One of the caller's own that refuses: whoever listened there is gone. */
static bool is_stale(int dir, const char *name, const struct sockaddr_un *sun)
{
	struct stat st;
	int fd, r;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISSOCK(st.st_mode) ||
	    st.st_uid != geteuid())
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	r = connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) < 0 ? -errno : 0;
	close(fd);
	return r == -ECONNREFUSED;
}

static bool is_socket(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(st.st_mode);
}

static int bind_listen(int fd, int dir, const char *name, bool unlink)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int n = snprintf(sun.sun_path, sizeof(sun.sun_path), "/proc/self/fd/%d/%s", dir, name), r;

	if (n < 0 || (size_t)n >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	r = bind(fd, (const struct sockaddr *)&sun, sizeof(sun)) < 0 ? -errno : 0;
	if (r == -EADDRINUSE && (unlink ? is_socket(dir, name) : is_stale(dir, name, &sun))) {
		if (unlinkat(dir, name, 0) < 0)
			return -errno;
		r = bind(fd, (const struct sockaddr *)&sun, sizeof(sun)) < 0 ? -errno : 0;
	}
	if (r == 0 && listen(fd, BACKLOG) < 0)
		r = -errno;
	return r;
}

int node_listen(const char *path, const char *own, bool unlink)
{
	const char *name;
	int dir = parent_open(path, own, &name), fd, r;

	if (dir < 0)
		return dir;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	r = fd < 0 ? -errno : bind_listen(fd, dir, name, unlink);
	close(dir);
	if (r < 0 && fd >= 0)
		close(fd);
	return r < 0 ? r : fd;
}
