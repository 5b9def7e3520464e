#include "control/listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 128
/* A port the kernel chose for one address may be taken at the other: then it chooses again. */
#define CHOICES 16

union sockaddr_any {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static const struct link_addr loopback[LISTEN_MAX] = {{.family = 4, .addr = {127, 0, 0, 1}},
						      {.family = 6, .addr = {[15] = 1}}};
static const struct link_addr any[LISTEN_MAX] = {{.family = 4}, {.family = 6}};

bool listen_narrow(uint8_t only, enum policy_where where, struct link_addr *addr)
{
	if (only != 0 && addr->family == 0)
		*addr = (where == POLICY_AT_LOOPBACK ? loopback : any)[only == 6];
	return only == 0 || addr->family == only;
}

size_t listen_places(enum policy_where where, const struct link_addr *addr,
		     struct link_addr ret[LISTEN_MAX])
{
	if (addr->family != 0) {
		ret[0] = *addr;
		return 1;
	}
	memcpy(ret, where == POLICY_AT_LOOPBACK ? loopback : any, sizeof(any));
	return LISTEN_MAX;
}

static socklen_t sockaddr_from(const struct link_addr *a, uint16_t port, union sockaddr_any *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (a->family == 4) {
		ret->in.sin_family = AF_INET;
		ret->in.sin_port = htons(port);
		memcpy(&ret->in.sin_addr, a->addr, 4);
		return sizeof(ret->in);
	}
	ret->in6.sin6_family = AF_INET6;
	ret->in6.sin6_port = htons(port);
	memcpy(&ret->in6.sin6_addr, a->addr, 16);
	return sizeof(ret->in6);
}

static int port_of(int fd, uint16_t *ret)
{
	union sockaddr_any sa;
	socklen_t len = sizeof(sa);

	if (getsockname(fd, &sa.sa, &len) < 0)
		return -errno;
	*ret = ntohs(sa.sa.sa_family == AF_INET ? sa.in.sin_port : sa.in6.sin6_port);
	return 0;
}

/* Two sockets of the kernel's never listen at one address and port, REUSEADDR or not. */
static int listen_one(const struct link_addr *a, uint16_t *port)
{
	const int on = 1;
	union sockaddr_any sa;
	socklen_t len = sockaddr_from(a, *port, &sa);
	int fd = socket(sa.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), r = 0;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    (a->family == 6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0) ||
	    bind(fd, &sa.sa, len) < 0 || listen(fd, BACKLOG) < 0)
		r = -errno;
	if (r == 0)
		r = port_of(fd, port);
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}

/* A machine may be without one of the families, or without its loopback. */
static bool is_missing(int err)
{
	return err == -EAFNOSUPPORT || err == -EADDRNOTAVAIL;
}

static int listen_all(const struct link_addr *addr, size_t n, uint16_t *port,
		      int ret_fd[LISTEN_MAX])
{
	int k = 0, err = -EADDRNOTAVAIL;

	for (size_t i = 0; i < n && i < LISTEN_MAX; i++) {
		int fd = listen_one(&addr[i], port);

		if (fd >= 0) {
			ret_fd[k++] = fd;
			continue;
		}
		err = fd;
		if (is_missing(err))
			continue;
		while (k > 0)
			close(ret_fd[--k]);
		return err;
	}
	return k > 0 ? k : err;
}

int listen_addrs(const struct link_addr *addr, size_t n, uint16_t *port, int ret_fd[LISTEN_MAX])
{
	int r = -EADDRINUSE;

	if (*port != 0)
		return listen_all(addr, n, port, ret_fd);
	for (int i = 0; i < CHOICES && r == -EADDRINUSE; i++) {
		*port = 0;
		r = listen_all(addr, n, port, ret_fd);
	}
	return r;
}
