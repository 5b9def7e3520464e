#include "link/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "link/msg.h"

#define LISTEN_BACKLOG 8
#define SHARD_FDS      3

static int address(const char *path, struct sockaddr_un *ret)
{
	size_t n = strlen(path);

	if (n == 0 || n >= sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(ret->sun_path, path, n + 1);
	return 0;
}

static int sock_new(int type)
{
	int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

static int sock_connect(const struct sockaddr_un *sa)
{
	int fd = sock_new(SOCK_SEQPACKET);
	int r;

	if (fd < 0)
		return fd;
	if (connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

/*
 * Removes a socket file that nobody listens on. Whether somebody does is asked of the kernel, not
 * of a pid in a file: pids are used again, listening sockets end with their process. The type asked
 * with does not matter: a live one of another type says -EPROTOTYPE and hears nothing of it.
 */
static int stale_remove(const struct sockaddr_un *sa)
{
	struct stat st;
	int fd;

	if (lstat(sa->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = sock_connect(sa);
	if (fd >= 0) {
		close(fd);
		return -EADDRINUSE;
	}
	if (fd != -ECONNREFUSED) /* alive but busy, or of another kind: not ours to remove */
		return -EADDRINUSE;
	return unlink(sa->sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

/* Two that start at once must not each find the other's file stale: one at a time. */
static int dir_lock(const char *path)
{
	char dir[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	const char *slash = strrchr(path, '/');
	int fd, r;

	if (slash == NULL)
		snprintf(dir, sizeof(dir), ".");
	else
		snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path) + 1, path);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

static int listen_as(const char *path, int type)
{
	struct sockaddr_un sa;
	int lock, fd = -1;
	int r = address(path, &sa);

	if (r < 0)
		return r;
	lock = dir_lock(path);
	if (lock < 0)
		return lock;
	r = stale_remove(&sa);
	if (r < 0)
		goto out;
	fd = sock_new(type);
	if (fd < 0) {
		r = fd;
		goto out;
	}
	/* On Linux the file takes over the mode of the socket, so it is never wider than this. */
	if (fchmod(fd, S_IRUSR | S_IWUSR) < 0 ||
	    bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    listen(fd, LISTEN_BACKLOG) < 0) {
		r = -errno;
		close(fd);
		goto out;
	}
	r = fd;
out:
	close(lock); /* and with it the lock */
	return r;
}

int link_listen_socket(const char *path)
{
	return listen_as(path, SOCK_SEQPACKET);
}

int link_listen_stream(const char *path)
{
	return listen_as(path, SOCK_STREAM);
}

/* The kernel's word for who is on the other end: ourselves or root. */
static int peer_check(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	return cred.uid == geteuid() || cred.uid == 0 ? 0 : -EPERM;
}

static int checked(int fd)
{
	int r = peer_check(fd);

	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

int link_accept(int listen_fd)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	return fd < 0 ? -errno : checked(fd);
}

int link_connect(const char *path)
{
	struct sockaddr_un sa;
	int r = address(path, &sa);

	if (r < 0)
		return r;
	r = sock_connect(&sa);
	return r < 0 ? r : checked(r);
}

int link_hello_send(int fd, const struct link_hello *h)
{
	ssize_t n = send(fd, h, sizeof(*h), MSG_NOSIGNAL);

	return n < 0 ? -errno : 0;
}

static int hello_check(const struct link_hello *h, size_t len)
{
	/* These two keep their place in every version. */
	if (len < offsetof(struct link_hello, version) + sizeof(h->version) ||
	    h->magic != LINK_MAGIC)
		return -EPROTO;
	if (h->version != LINK_VERSION)
		return -EPROTONOSUPPORT;
	if (len != sizeof(*h) || h->shards > LINK_SHARDS_MAX ||
	    strnlen(h->name, sizeof(h->name)) == sizeof(h->name))
		return -EPROTO;
	return 0;
}

int link_hello_recv(int fd, struct link_hello *ret)
{
	struct link_hello h = {0};
	/* MSG_TRUNC: the length as it was sent. Descriptors with it are dropped by the kernel. */
	ssize_t n = recv(fd, &h, sizeof(h), MSG_TRUNC);
	int r;

	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (n == 0)
		return -EPIPE;
	r = hello_check(&h, (size_t)n);
	if (r < 0)
		return r;
	*ret = h;
	return 0;
}

struct shard_msg {
	uint64_t magic;
	uint16_t shard;
	uint16_t reserved[3];
};

#define FDS_MAGIC (LINK_MAGIC ^ 0xfd)

struct fds_msg {
	uint64_t magic;
	uint16_t shard, n;
	uint32_t reserved;
	uint64_t token;
};

/* Room for the descriptors of one message, aligned as a header. */
union fds_buf {
	struct cmsghdr hdr;
	char space[CMSG_SPACE(sizeof(int) * SHARD_FDS)];
};
_Static_assert(LINK_FDS_MAX <= SHARD_FDS, "room for either message");

static int send_with(int fd, void *body, size_t len, const int *fds, unsigned int n)
{
	struct iovec iov = {body, len};
	union fds_buf buf = {0};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &buf,
			     .msg_controllen = CMSG_SPACE(sizeof(int) * n)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * n);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * n);
	return sendmsg(fd, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int link_shard_send(int fd, uint16_t shard, const struct link_shard_fds *fds)
{
	const int list[SHARD_FDS] = {fds->shm, fds->bell_dataplane, fds->bell_control};
	struct shard_msg body = {.magic = LINK_MAGIC, .shard = shard};

	return send_with(fd, &body, sizeof(body), list, SHARD_FDS);
}

int link_fds_send(int fd, uint16_t shard, uint64_t token, const int *fds, unsigned int n)
{
	struct fds_msg body = {
		.magic = FDS_MAGIC, .shard = shard, .n = (uint16_t)n, .token = token};

	if (n == 0 || n > LINK_FDS_MAX || token == 0)
		return -EINVAL;
	return send_with(fd, &body, sizeof(body), fds, n);
}

/* More may come than belong here: CMSG_SPACE() rounds up, and the kernel fills what there is. */
#define FDS_ROOM ((sizeof(union fds_buf) - CMSG_LEN(0)) / sizeof(int))

/* Takes every descriptor that came, so that none is leaked when the message is refused. */
static unsigned int fds_take(struct msghdr *msg, int fds[FDS_ROOM])
{
	unsigned int n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		size_t bytes = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t off = 0; off + sizeof(int) <= bytes && n < FDS_ROOM; off += sizeof(int))
			memcpy(&fds[n++], CMSG_DATA(c) + off, sizeof(int));
	}
	return n;
}

static void fds_close(const int *fds, unsigned int n)
{
	while (n > 0)
		close(fds[--n]);
}

/* What came: a message of len bytes or an error, its descriptors, its flags. */
static ssize_t receive_with(int fd, void *body, size_t len, int fds[FDS_ROOM], unsigned int *ret_n,
			    int *ret_flags)
{
	struct iovec iov = {body, len};
	union fds_buf buf = {0};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &buf,
			     .msg_controllen = sizeof(buf.space)};
	ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);

	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	*ret_n = fds_take(&msg, fds);
	*ret_flags = msg.msg_flags;
	return n;
}

int link_shard_recv(int fd, uint16_t *ret_shard, struct link_shard_fds *ret)
{
	struct shard_msg body = {0};
	int fds[FDS_ROOM], flags = 0;
	unsigned int got = 0;
	ssize_t n = receive_with(fd, &body, sizeof(body), fds, &got, &flags);

	if (n < 0)
		return (int)n;
	if (n == sizeof(body) && got == SHARD_FDS && (flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 &&
	    body.magic == LINK_MAGIC && body.shard < LINK_SHARDS_MAX) {
		*ret_shard = body.shard;
		*ret = (struct link_shard_fds){fds[0], fds[1], fds[2]};
		return 0;
	}
	fds_close(fds, got);
	return n == 0 ? -EPIPE : -EPROTO;
}

static bool fds_msg_ok(const struct fds_msg *m)
{
	return m->magic == FDS_MAGIC && m->shard < LINK_SHARDS_MAX && m->reserved == 0 &&
	       m->n > 0 && m->n <= LINK_FDS_MAX && m->token != 0;
}

int link_fds_recv(int fd, uint16_t *ret_shard, uint64_t *ret_token, int ret_fds[LINK_FDS_MAX])
{
	struct fds_msg body = {0};
	int fds[FDS_ROOM], flags = 0;
	unsigned int got = 0;
	ssize_t n = receive_with(fd, &body, sizeof(body), fds, &got, &flags);

	if (n < 0)
		return (int)n;
	if (n != sizeof(body) || (flags & MSG_TRUNC) || !fds_msg_ok(&body) || got > body.n ||
	    (got < body.n && (flags & MSG_CTRUNC) == 0)) {
		fds_close(fds, got);
		return n == 0 ? -EPIPE : -EPROTO;
	}
	*ret_shard = body.shard;
	*ret_token = body.token;
	if (got < body.n) { /* the kernel had no places for all of them */
		fds_close(fds, got);
		return 0;
	}
	memcpy(ret_fds, fds, got * sizeof(fds[0]));
	return (int)got;
}

int link_bell_new(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

void link_bell_ring(int bell)
{
	const uint64_t one = 1;
	ssize_t n = write(bell, &one, sizeof(one));

	(void)n; /* -EAGAIN: the counter is full, so the bell rings */
}

void link_bell_clear(int bell)
{
	uint64_t count;
	ssize_t n = read(bell, &count, sizeof(count));

	(void)n;
}
