/* dataplane/stream/host_door.c - sockets that listen, and who comes in. See host.h. */
#include "dataplane/stream/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connections of one of them in a look; the set tells of the others again. */
#define COME_TURN 64

union sockaddr_any {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_storage room;
};

static struct net_addr addr_from(const union sockaddr_any *sa, uint16_t *ret_port)
{
	struct net_addr a = {0};

	*ret_port = 0;
	if (sa->sa.sa_family == AF_INET) {
		a.family = 4;
		*ret_port = ntohs(sa->in.sin_port);
		memcpy(a.b, &sa->in.sin_addr, 4);
	} else if (sa->sa.sa_family == AF_INET6) {
		a.family = 6;
		*ret_port = ntohs(sa->in6.sin6_port);
		memcpy(a.b, &sa->in6.sin6_addr, 16);
	}
	return a;
}

static void come(struct host_door *d, int fd, const union sockaddr_any *from)
{
	struct host *h = d->h;
	const int on = 1;
	struct stream *s;
	struct net_addr peer;
	uint16_t port;

	peer = addr_from(from, &port);
	if (peer.family != 0)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (host_open_socket(h, fd, &s) < 0)
		return;
	host_count(h, HOST_C_CAME);
	if (d->came(d->arg, (uint32_t)(d - h->door), s, &peer, port))
		return;
	host_count(h, HOST_C_UNWANTED);
	s->ops->abort(s);
}

void host_door_ready(struct host_door *d)
{
	for (unsigned int i = 0; i < COME_TURN && d->h != NULL; i++) {
		union sockaddr_any from = {.sa = {.sa_family = AF_UNSPEC}};
		socklen_t len = sizeof(from);
		int fd = accept4(d->fd, &from.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0) /* none, or (F-11) no descriptor for it: it waits in the kernel */
			return;
		come(d, fd, &from);
	}
}

static bool listens(int fd)
{
	socklen_t len = sizeof(int);
	int on = 0, flags = fcntl(fd, F_GETFL);

	return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 && on != 0;
}

/*
 * Watched for what is there, not for edges: nobody else remembers who was left in its queue, and a
 * shard's own set hears of this one by edges.
 */
int host_door_open(struct host *h, uint32_t door, int fd, host_came *came, void *arg)
{
	struct host_door *d = &h->door[door];
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = (uintptr_t)d};
	int r = 0;

	if (!listens(fd))
		r = -EINVAL;
	else if (epoll_ctl(h->epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
		r = -errno;
	if (r < 0) {
		close(fd);
		return r;
	}
	*d = (struct host_door){.h = h, .fd = fd, .came = came, .arg = arg};
	h->n_doors++;
	return 0;
}

void host_door_close(struct host *h, uint32_t door)
{
	struct host_door *d = &h->door[door];

	if (d->h == NULL)
		return;
	/* Others may hold a copy, and the set would go on telling of it. */
	epoll_ctl(h->epoll, EPOLL_CTL_DEL, d->fd, NULL);
	close(d->fd);
	d->h = NULL;
	h->n_doors--;
}
