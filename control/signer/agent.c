#include "control/signer/agent.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/clock.h"

struct host_agent {
	pthread_mutex_t lock;
	unsigned int refs;
	int fd; /* -1: there is none */
	uint64_t failed_ms;
	struct sockaddr_un addr;
};

static int dial(struct host_agent *a)
{
	const struct timeval tv = {AGENT_MS / 1000, AGENT_MS % 1000 * 1000};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), r = 0;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) < 0 ||
	    connect(fd, (const struct sockaddr *)&a->addr, sizeof(a->addr)) < 0)
		r = -errno;
	if (r < 0)
		close(fd);
	else
		a->fd = fd;
	return r;
}

static void hang_up(struct host_agent *a)
{
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
}

/* --- a request ------------------------------------------------------------------------------ */

static int send_all(int fd, const uint8_t *p, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EPIPE;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int recv_all(int fd, uint8_t *p, size_t len)
{
	while (len > 0) {
		ssize_t n = recv(fd, p, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EPIPE;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int exchange(int fd, const uint8_t *request, size_t len, uint8_t *reply, size_t size,
		    size_t *ret_len)
{
	uint8_t head[4] = {(uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
			   (uint8_t)len};
	size_t n;
	int r = send_all(fd, head, sizeof(head));

	if (r == 0)
		r = send_all(fd, request, len);
	if (r == 0)
		r = recv_all(fd, head, sizeof(head));
	if (r < 0)
		return r;
	n = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
	if (n == 0 || n > size)
		return -EBADMSG;
	r = recv_all(fd, reply, n);
	if (r == 0)
		*ret_len = n;
	return r;
}

/* Of a connection that fails only one that had gone away before is worth another. */
static int ask_locked(struct host_agent *a, const uint8_t *request, size_t len, uint8_t *reply,
		      size_t size, size_t *ret_len)
{
	bool fresh = a->fd < 0;
	int r = fresh ? dial(a) : 0;

	if (r == 0)
		r = exchange(a->fd, request, len, reply, size, ret_len);
	if (r < 0)
		hang_up(a);
	if (!fresh && (r == -EPIPE || r == -ECONNRESET)) {
		r = dial(a);
		if (r == 0)
			r = exchange(a->fd, request, len, reply, size, ret_len);
		if (r < 0)
			hang_up(a);
	}
	return r;
}

static int agent_ask(void *arg, const uint8_t *request, size_t len, uint8_t *reply, size_t size,
		     size_t *ret_len)
{
	struct host_agent *a = arg;
	int r = -EHOSTDOWN;

	pthread_mutex_lock(&a->lock);
	if (a->failed_ms == 0 || clock_now_ms() - a->failed_ms >= AGENT_REST_MS) {
		r = ask_locked(a, request, len, reply, size, ret_len);
		a->failed_ms = r < 0 ? clock_now_ms() : 0;
	}
	pthread_mutex_unlock(&a->lock);
	return r;
}

/* --- its life ------------------------------------------------------------------------------- */

int host_agent_open(const char *path, struct host_agent **ret)
{
	struct host_agent *a;
	int r;

	if (strcmp(path, "SSH_AUTH_SOCK") == 0)
		path = getenv("SSH_AUTH_SOCK");
	if (path == NULL || *path == '\0')
		return -ENOENT;
	if (strlen(path) >= sizeof(a->addr.sun_path))
		return -ENAMETOOLONG;
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return -ENOMEM;
	a->refs = 1;
	a->fd = -1;
	a->addr.sun_family = AF_UNIX;
	strcpy(a->addr.sun_path, path);
	pthread_mutex_init(&a->lock, NULL);
	r = dial(a);
	if (r < 0)
		host_agent_put(a);
	else
		*ret = a;
	return r;
}

static void agent_put(void *arg)
{
	host_agent_put(arg);
}

int host_agent_use(struct host_agent *a, struct key *k)
{
	const struct key_agent agent = {agent_ask, a, agent_put};
	int r = key_agent_use(k, &agent);

	if (r == 0)
		a->refs++;
	return r;
}

void host_agent_put(struct host_agent *a)
{
	if (a == NULL || --a->refs > 0)
		return;
	hang_up(a);
	pthread_mutex_destroy(&a->lock);
	free(a);
}
