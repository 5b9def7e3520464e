/* client/lib/dial.c - see dial.h. */
#include "client/lib/dial.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/sluice.h"

struct dial {
	struct addrinfo *all, *next;
	int fd, err;
};

static void dial_next(struct dial *d)
{
	while (d->next != NULL) {
		const struct addrinfo *a = d->next;

		d->next = a->ai_next;
		d->fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (d->fd >= 0 &&
		    (connect(d->fd, a->ai_addr, a->ai_addrlen) == 0 || errno == EINPROGRESS))
			return;
		d->err = -errno;
		if (d->fd >= 0)
			close(d->fd);
		d->fd = -1;
	}
}

int dial_new(const char *host, uint16_t port, struct dial **ret)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
	struct dial *d = calloc(1, sizeof(*d));
	char service[8];

	if (d == NULL)
		return -ENOMEM;
	snprintf(service, sizeof(service), "%u", port);
	if (getaddrinfo(host, service, &hints, &d->all) != 0) {
		free(d);
		return -SLUICE_E_RESOLVE;
	}
	d->next = d->all;
	d->fd = -1;
	dial_next(d);
	*ret = d;
	return 0;
}

int dial_step(struct dial *d, int *ret_fd)
{
	while (d->fd >= 0) {
		struct pollfd p = {d->fd, POLLOUT, 0};
		socklen_t len = sizeof(int);
		int err = 0;

		if (poll(&p, 1, 0) <= 0)
			return -EAGAIN;
		if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &err, &len) == 0 && err == 0) {
			*ret_fd = d->fd;
			d->fd = -1;
			return 0;
		}
		d->err = -err;
		close(d->fd);
		d->fd = -1;
		dial_next(d);
	}
	return d->err < 0 ? d->err : -SLUICE_E_RESOLVE;
}

int dial_fd(const struct dial *d)
{
	return d->fd;
}

void dial_free(struct dial *d)
{
	if (d == NULL)
		return;
	if (d->fd >= 0)
		close(d->fd);
	freeaddrinfo(d->all);
	free(d);
}
