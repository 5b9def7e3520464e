/*
 * tests/util/own_net.h - a network of the test's own: its loopback is up and nothing else, no port
 * is taken, and those below 1024 are privileged, whatever the machine has made of them.
 */
#ifndef SLUICE_TESTS_UTIL_OWN_NET_H
#define SLUICE_TESTS_UTIL_OWN_NET_H

#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* For this process and those it starts from now on. False: it may not have one. */
static inline bool own_net(void)
{
	struct ifreq req = {.ifr_flags = IFF_UP};
	int fd;
	bool up;

	if (unshare(CLONE_NEWNET) < 0)
		return false;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	strcpy(req.ifr_name, "lo");
	up = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &req) == 0;
	close(fd);
	return up;
}

#endif
