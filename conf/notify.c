/* conf/notify.c - see notify.h. */
#include "conf/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define TEXT_MAX 256

/* A path, or '@' and a name of the abstract ones. -1: there is none, or it is no such name. */
static int socket_to(const char *name)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	size_t len = name != NULL ? strlen(name) : 0;
	int fd;

	if (len < 2 || len >= sizeof(sun.sun_path) || (name[0] != '/' && name[0] != '@'))
		return -1;
	memcpy(sun.sun_path, name, len);
	if (name[0] == '@')
		sun.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&sun,
			       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static uint64_t number(const char *text)
{
	unsigned long long n;
	char *end;

	if (text == NULL || text[0] < '0' || text[0] > '9')
		return 0;
	errno = 0;
	n = strtoull(text, &end, 10);
	return *end == '\0' && errno == 0 ? n : 0;
}

void notify_open(struct notify *ret)
{
	const char *pid = getenv("WATCHDOG_PID");

	ret->fd = socket_to(getenv("NOTIFY_SOCKET"));
	ret->watchdog_ms = 0;
	/* It may be meant for the shell that started us. */
	if (ret->fd >= 0 && (pid == NULL || number(pid) == (uint64_t)getpid()))
		ret->watchdog_ms = number(getenv("WATCHDOG_USEC")) / 1000;
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

void notify_close(struct notify *n)
{
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
}

static void say(const struct notify *n, const char *text)
{
	if (n->fd >= 0)
		(void)!send(n->fd, text, strlen(text), MSG_NOSIGNAL);
}

void notify_ready(const struct notify *n, const char *text)
{
	char buf[TEXT_MAX];

	snprintf(buf, sizeof(buf), "READY=1\nSTATUS=%s", text);
	say(n, buf);
}

void notify_reloading(const struct notify *n)
{
	struct timespec now;
	char buf[TEXT_MAX];

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(buf, sizeof(buf), "RELOADING=1\nMONOTONIC_USEC=%llu",
		 (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000);
	say(n, buf);
}

void notify_stopping(const struct notify *n)
{
	say(n, "STOPPING=1");
}

void notify_extend(const struct notify *n, uint64_t us)
{
	char buf[TEXT_MAX];

	snprintf(buf, sizeof(buf), "EXTEND_TIMEOUT_USEC=%llu", (unsigned long long)us);
	say(n, buf);
}

void notify_beat(const struct notify *n)
{
	say(n, "WATCHDOG=1");
}
