/* client/shell/listen.c - see listen.h. */
#include "client/shell/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/shell/say.h"

#define BACKLOG 128

static int open_path(struct listener *l, const struct listen_conf *conf)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	const char *path = l->f.listen.host;
	mode_t was;
	int fd, r = 0;

	if (strlen(path) >= sizeof(un.sun_path)) {
		say(SAY_ERROR, "unix_listener: path \"%s\" too long for Unix domain socket", path);
		return -ENAMETOOLONG;
	}
	strcpy(un.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (conf->unlink)
		unlink(path);
	was = umask(conf->mask);
	if (bind(fd, (struct sockaddr *)&un, sizeof(un)) < 0 || listen(fd, BACKLOG) < 0)
		r = -errno;
	umask(was);
	if (r < 0) {
		say(SAY_ERROR, "unix_listener: cannot bind to path %s: %s", path, strerror(-r));
		close(fd);
		return r;
	}
	l->fd[l->n++] = fd;
	return 0;
}

static void port_put(struct sockaddr *sa, uint16_t port)
{
	if (sa->sa_family == AF_INET)
		((struct sockaddr_in *)(void *)sa)->sin_port = htons(port);
	else
		((struct sockaddr_in6 *)(void *)sa)->sin6_port = htons(port);
}

static uint16_t port_of(int fd)
{
	struct sockaddr_storage ss = {0};
	socklen_t len = sizeof(ss);

	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		return 0;
	return ntohs(ss.ss_family == AF_INET ? ((struct sockaddr_in *)&ss)->sin_port
					     : ((struct sockaddr_in6 *)&ss)->sin6_port);
}

static int open_one(struct listener *l, const struct addrinfo *ai)
{
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1, r;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (ai->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	port_put(ai->ai_addr, l->port);
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	l->port = port_of(fd);
	l->fd[l->n++] = fd;
	return 0;
}

/* One of the addresses is enough: a machine may have one family alone. */
static int open_tcp(struct listener *l, const struct listen_conf *conf)
{
	const struct forward_end *e = &l->f.listen;
	bool any = e->any_host || (*e->host == '\0' && conf->any);
	struct addrinfo hints = {.ai_family = conf->family,
				 .ai_socktype = SOCK_STREAM,
				 .ai_flags = any ? AI_PASSIVE : 0};
	const char *host = any ? NULL : *e->host == '\0' ? "localhost" : e->host;
	struct addrinfo *list = NULL;
	char text[INET6_ADDRSTRLEN] = "", service[8];
	int r;

	snprintf(service, sizeof(service), "%u", e->port);
	l->port = e->port;
	r = getaddrinfo(host, service, &hints, &list);
	if (r != 0) {
		say(SAY_ERROR, "local forward: %s: %s", host != NULL ? host : "*", gai_strerror(r));
		return -EADDRNOTAVAIL;
	}
	r = -EADDRNOTAVAIL;
	for (struct addrinfo *ai = list; ai != NULL && l->n < LISTEN_FDS_MAX; ai = ai->ai_next) {
		int one = open_one(l, ai);

		if (one == 0) {
			r = 0;
			continue;
		}
		getnameinfo(ai->ai_addr, ai->ai_addrlen, text, sizeof(text), NULL, 0,
			    NI_NUMERICHOST);
		say(one == -EADDRNOTAVAIL || one == -EAFNOSUPPORT ? SAY_VERBOSE : SAY_ERROR,
		    "bind [%s]:%u: %s", text, e->port, strerror(-one));
		r = l->n > 0 ? 0 : one;
	}
	freeaddrinfo(list);
	return r;
}

bool listen_rests(const struct listen_rest *r, struct turn *t)
{
	if (t->now_ms >= r->until_ms)
		return false;
	turn_within(t, (int)(r->until_ms - t->now_ms));
	return true;
}

int listen_accept(struct listen_rest *r, int fd, uint64_t now_ms)
{
	int s = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (s < 0 && errno != EAGAIN && errno != ECONNABORTED)
		r->until_ms = now_ms + LISTEN_REST_MS;
	return s;
}

int listener_open(struct listener *l, const struct forward *f, const struct listen_conf *conf)
{
	*l = (struct listener){.f = *f};
	return f->listen.path ? open_path(l, conf) : open_tcp(l, conf);
}

void listener_close(struct listener *l)
{
	for (unsigned int i = 0; i < l->n; i++)
		close(l->fd[i]);
	if (l->n > 0 && l->f.listen.path)
		unlink(l->f.listen.host);
	l->n = 0;
}
