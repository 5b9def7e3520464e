#include "client/reach/socket.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/reach/lookup.h"

static void set(int fd, int level, int name, int value)
{
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

/* Buffers before the handshake, where the scale of windows is settled. */
static void options_set(int fd, int family, const struct reach_tcp *tcp)
{
	if (tcp->rcvbuf > 0)
		set(fd, SOL_SOCKET, SO_RCVBUF, tcp->rcvbuf);
	if (tcp->sndbuf > 0)
		set(fd, SOL_SOCKET, SO_SNDBUF, tcp->sndbuf);
	if (!tcp->delay)
		set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (tcp->keepalive) {
		set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
		if (tcp->keep_idle_s > 0)
			set(fd, IPPROTO_TCP, TCP_KEEPIDLE, tcp->keep_idle_s);
		if (tcp->keep_interval_s > 0)
			set(fd, IPPROTO_TCP, TCP_KEEPINTVL, tcp->keep_interval_s);
		if (tcp->keep_count > 0)
			set(fd, IPPROTO_TCP, TCP_KEEPCNT, tcp->keep_count);
	}
	if (tcp->tos > 0)
		set(fd, family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6,
		    family == AF_INET ? IP_TOS : IPV6_TCLASS, tcp->tos);
}

/* --- our end ---------------------------------------------------------------------------- */

static bool link_local(const struct sockaddr *sa)
{
	return sa->sa_family == AF_INET6 &&
	       IN6_IS_ADDR_LINKLOCAL(&((const struct sockaddr_in6 *)sa)->sin6_addr);
}

/* An address of the interface, one that is good beyond the link first. */
static int of_interface(const char *name, int family, bool local, struct race_addr *ret)
{
	struct ifaddrs *list, *found = NULL;
	bool named = false;

	if (getifaddrs(&list) < 0)
		return -errno;
	for (struct ifaddrs *i = list; i != NULL; i = i->ifa_next) {
		named |= strcmp(i->ifa_name, name) == 0;
		if (i->ifa_addr == NULL || strcmp(i->ifa_name, name) != 0 ||
		    i->ifa_addr->sa_family != family)
			continue;
		if (found == NULL || link_local(found->ifa_addr) != local)
			found = i;
	}
	if (found != NULL) {
		memset(ret, 0, sizeof(*ret));
		ret->len = family == AF_INET ? sizeof(struct sockaddr_in)
					     : sizeof(struct sockaddr_in6);
		memcpy(&ret->sa, found->ifa_addr, ret->len);
	}
	freeifaddrs(list);
	return found != NULL ? 0 : named ? -EADDRNOTAVAIL : -ENODEV;
}

static int own_address(const struct reach_bind *b, const struct race_addr *to,
		       struct race_addr *ret)
{
	int family = to->sa.ss_family, r = 0;

	*ret = (struct race_addr){.sa.ss_family = (sa_family_t)family, .len = to->len};
	if (b->addr != NULL && lookup_numeric(b->addr, family, 0, ret) < 0)
		return -EADDRNOTAVAIL;
	if (b->addr == NULL && b->interface != NULL)
		r = of_interface(b->interface, family, link_local((const struct sockaddr *)&to->sa),
				 ret);
	if (r == 0 && family == AF_INET)
		((struct sockaddr_in *)&ret->sa)->sin_port = htons(b->port);
	else if (r == 0)
		((struct sockaddr_in6 *)&ret->sa)->sin6_port = htons(b->port);
	return r;
}

int socket_bind_check(const struct reach_bind *b)
{
	struct race_addr a;

	if (b->addr != NULL)
		return lookup_numeric(b->addr, AF_INET, 0, &a) < 0
			       ? lookup_numeric(b->addr, AF_INET6, 0, &a)
			       : 0;
	if (b->interface != NULL && of_interface(b->interface, AF_UNSPEC, false, &a) == -ENODEV)
		return -ENODEV;
	return 0;
}

/* A port of our choice is taken again while the connection before this one rests in TIME_WAIT. */
static int bind_own(int fd, const struct race_addr *to, const struct reach_bind *b)
{
	struct race_addr own;
	int r;

	if (b->addr == NULL && b->interface == NULL && b->port == 0)
		return 0;
	r = own_address(b, to, &own);
	if (r < 0)
		return r;
	if (b->port != 0)
		set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	else
		set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	return bind(fd, (const struct sockaddr *)&own.sa, own.len) < 0 ? -errno : 0;
}

int socket_connect(const struct race_addr *to, const struct reach_bind *b,
		   const struct reach_tcp *tcp, int *ret_fd, bool *ret_there)
{
	int fd = socket(to->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;

	if (fd < 0)
		return -errno;
	options_set(fd, to->sa.ss_family, tcp);
	r = bind_own(fd, to, b);
	if (r == 0 && connect(fd, (const struct sockaddr *)&to->sa, to->len) < 0)
		r = -errno;
	if (r < 0 && r != -EINPROGRESS) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	*ret_there = r == 0;
	return 0;
}
