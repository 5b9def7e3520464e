#include "control/audit/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LOOK_MS 1 /* whether a socket was read */

static int open_socket(struct sink *s, const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int r = 0;

	if (strlen(path) >= sizeof(to.sun_path))
		return -ENAMETOOLONG;
	strcpy(to.sun_path, path);
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0 || connect(s->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		r = -errno;
	return r;
}

/* What a writer before us left unfinished is a line of its own, that no reader can take. */
static int line_end(const struct sink *s, off_t size)
{
	char path[32], last = '\n';
	int fd, r = 0;

	if (size == 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", s->fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == EACCES ? 0 : -errno; /* it may only be written */
	if (pread(fd, &last, 1, size - 1) < 0 || (last != '\n' && write(s->fd, "\n", 1) < 0))
		r = -errno;
	close(fd);
	return r;
}

static int open_file(struct sink *s)
{
	struct stat st;

	s->fd = open(s->where, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
		     SINK_FILE_MODE);
	if (s->fd < 0 || fstat(s->fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	s->regular = S_ISREG(st.st_mode);
	return s->regular ? line_end(s, st.st_size) : 0;
}

int sink_open(struct sink *s)
{
	int r;

	s->socket = strncmp(s->where, AUDIT_UNIX, strlen(AUDIT_UNIX)) == 0;
	s->regular = false;
	r = s->socket ? open_socket(s, s->where + strlen(AUDIT_UNIX)) : open_file(s);
	if (r < 0)
		sink_close(s);
	return r;
}

void sink_close(struct sink *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

ssize_t sink_write(const struct sink *s, const struct iovec *iov, int n, int wait_ms)
{
	struct msghdr m = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n};
	struct pollfd p = {.fd = s->fd, .events = POLLOUT};
	ssize_t done;

	if (!s->regular && poll(&p, 1, wait_ms) == 0)
		return -EAGAIN;
	done = s->socket ? sendmsg(s->fd, &m, MSG_NOSIGNAL) : writev(s->fd, iov, n);
	return done < 0 ? -errno : done;
}

/* A peer that is gone reads no more: what it had not read is to be said again. */
static int socket_sync(const struct sink *s, int wait_ms)
{
	struct pollfd p = {.fd = s->fd, .events = 0};

	for (int waited = 0;; waited += LOOK_MS) {
		int unread = 0;

		if (ioctl(s->fd, SIOCOUTQ, &unread) < 0)
			return -errno;
		if (unread == 0)
			return 0;
		if (waited >= wait_ms)
			return -EAGAIN;
		if (poll(&p, 1, LOOK_MS) > 0)
			return -EPIPE;
	}
}

int sink_sync(const struct sink *s, int wait_ms)
{
	if (s->socket)
		return socket_sync(s, wait_ms);
	if (!s->regular)
		return 0;
	return fdatasync(s->fd) < 0 ? -errno : 0;
}
