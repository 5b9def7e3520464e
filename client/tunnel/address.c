/* client/tunnel/address.c - see address.h. */
#include "client/tunnel/address.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

int addresses_open(void)
{
	const struct sockaddr_nl to = {.nl_family = AF_NETLINK,
				       .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd >= 0 && bind(fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

unsigned int addresses_read(int fd)
{
	_Alignas(struct nlmsghdr) char buf[8192];
	unsigned int news = 0;
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0 || (n < 0 && errno == ENOBUFS)) {
		const struct nlmsghdr *h = (const void *)buf;

		if (n < 0) {
			news = ADDRESS_CAME | ADDRESS_WENT;
			continue;
		}
		for (size_t left = (size_t)n; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left))
			news |= h->nlmsg_type == RTM_NEWADDR   ? ADDRESS_CAME
				: h->nlmsg_type == RTM_DELADDR ? ADDRESS_WENT
							       : 0U;
	}
	return news;
}

/* Who may bind to it has it; the kernel knows of all the ways to have one. */
bool address_is_gone(const char *text)
{
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_DGRAM};
	struct addrinfo *ai;
	bool gone;
	int fd;

	if (getaddrinfo(text, NULL, &hints, &ai) != 0)
		return false;
	fd = socket(ai->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	gone = fd >= 0 && bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 && errno == EADDRNOTAVAIL;
	if (fd >= 0)
		close(fd);
	freeaddrinfo(ai);
	return gone;
}
