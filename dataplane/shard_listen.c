/*
 * dataplane/shard_listen.c - the ports a gateway chooses itself, and the kernel's listeners, of one
 * without interfaces of its own: opened at start, since a dataplane that runs may open no socket,
 * and used as control says.
 *
 * Several shards have a socket each for an address: the kernel spreads connections over them.
 */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conf/conf.h"
#include "crypto/secret.h"
#include "dataplane/fail.h"
#include "dataplane/internal.h"
#include "dataplane/portmap.h"

#define ACCEPT_TURN 64 /* of one listener */
/* Linux: MAX_TCP_KEEPIDLE and MAX_TCP_KEEPINTVL, and MAX_TCP_KEEPCNT. */
#define KEEP_S_MAX     32767
#define KEEP_COUNT_MAX 127

union sockaddr_any {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static socklen_t sockaddr_from(const struct link_addr *a, union sockaddr_any *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (a->family == 4) {
		ret->in.sin_family = AF_INET;
		ret->in.sin_port = htons(a->port);
		memcpy(&ret->in.sin_addr, a->addr, 4);
		return sizeof(ret->in);
	}
	ret->in6.sin6_family = AF_INET6;
	ret->in6.sin6_port = htons(a->port);
	memcpy(&ret->in6.sin6_addr, a->addr, 16);
	return sizeof(ret->in6);
}

static struct link_addr addr_from(const union sockaddr_any *sa)
{
	struct link_addr a = {.family = 4};

	if (sa->sa.sa_family == AF_INET) {
		a.port = ntohs(sa->in.sin_port);
		memcpy(a.addr, &sa->in.sin_addr, 4);
	} else {
		a.family = 6;
		a.port = ntohs(sa->in6.sin6_port);
		memcpy(a.addr, &sa->in6.sin6_addr, 16);
	}
	return a;
}

/* --- ports that are chosen -------------------------------------------------------------------- */

static struct shard_at at_of(const struct conf_listen *l)
{
	struct shard_at at = {.addr = {.family = l->addr.family,
				       .scope = l->addr.scope,
				       .port = l->addr.port}};

	_Static_assert(LINK_RDOMAIN_MAX == CONF_RDOMAIN_MAX, "two names of one thing");
	memcpy(at.addr.addr, l->addr.addr, sizeof(at.addr.addr));
	strcpy(at.rdomain, l->rdomain);
	return at;
}

/* Of whatever address: no port is then said twice. */
static bool nobody_has(void *arg, const struct net_addr *addr, uint16_t port)
{
	const struct shard_conf *sc = arg;

	(void)addr;
	for (size_t i = 0; i < sc->n_listens; i++)
		if (sc->listen_ports[i] == port)
			return false;
	return true;
}

int shard_listen_choose(const struct shard_conf *sc, char *err, size_t err_size)
{
	uint32_t seek;
	int r;

	for (size_t i = 0; i < sc->n_listens; i++) {
		if (sc->listen_ports[i] != 0)
			continue;
		r = crypto_random(&seek, sizeof(seek));
		if (r < 0)
			return start_fail(err, err_size, r, "no random numbers: %s", strerror(-r));
		sc->listen_ports[i] = portmap_choose(&seek, nobody_has, (void *)sc, NULL);
		if (sc->listen_ports[i] == 0)
			return start_fail(err, err_size, -EADDRINUSE,
					  "ListenAddress: no free port");
	}
	return 0;
}

uint16_t shard_listen_port(const struct shard *s, const struct shard_at *at)
{
	if (at->addr.port != 0)
		return at->addr.port;
	for (size_t i = 0; i < s->n_listens; i++) {
		struct shard_at is = at_of(&s->listens[i]);

		if (shard_same_at(&is, at))
			return s->listen_ports[i];
	}
	return 0;
}

/* --- at start -------------------------------------------------------------------------------- */

/*
 * SO_REUSEADDR lets nobody in beside who listens: it is for what is left of those before. A device
 * is anybody's to choose for a socket that has none (socket(7)), and who is accepted has it, too.
 */
static int bound_socket(const struct shard_at *at, bool shared)
{
	const int on = 1;
	union sockaddr_any sa;
	socklen_t len = sockaddr_from(&at->addr, &sa);
	int fd = socket(sa.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), r;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0) ||
	    (at->addr.family == 6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0) ||
	    (at->rdomain[0] != '\0' && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, at->rdomain,
						  (socklen_t)strlen(at->rdomain)) < 0) ||
	    bind(fd, &sa.sa, len) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

/*
 * What several shards have in common by SO_REUSEPORT they would have with any other process of
 * the same user, unseen: a socket without it is refused where somebody listens already.
 */
static int nobody_listens(const struct shard_at *at)
{
	int fd = bound_socket(at, false);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int keep_s(uint32_t ms)
{
	const uint32_t s = ms / 1000 + (ms % 1000 != 0);

	return s == 0 ? 1 : (int)RTE_MIN(s, (uint32_t)KEEP_S_MAX);
}

void shard_kernel_keepalive(const struct shard *s, int fd)
{
	const struct conf_dataplane *c = s->conf;
	const int on = c->tcp_keepalive, time = keep_s(c->tcp_keepalive_time_ms);
	const int interval = keep_s(c->tcp_keepalive_interval_ms);
	const int count = (int)RTE_MIN(c->tcp_keepalive_count, (uint32_t)KEEP_COUNT_MAX);

	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &time, sizeof(time));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

/*
 * All but the address is inherited by who is accepted. The buffers have to be there before a SYN is
 * answered, as the window's scale follows them.
 */
static int listen_socket(const struct shard *s, const struct shard_at *at, uint32_t backlog)
{
	const int on = 1;
	int fd = bound_socket(at, shard_is_teamed(s)), r;

	if (fd < 0)
		return fd;
	host_socket_buffers(fd, s->conf->receive_buffer, s->conf->send_buffer);
	shard_kernel_keepalive(s, fd);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	r = shard_kernel_listen(fd, backlog);
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

/* Which port the kernel gave a socket: the shards behind this one have the same. */
static int port_of(int fd, uint16_t *ret)
{
	union sockaddr_any sa;
	socklen_t len = sizeof(sa);

	if (getsockname(fd, &sa.sa, &len) < 0)
		return -errno;
	*ret = addr_from(&sa).port;
	return 0;
}

/* A descriptor or -errno. */
static int listen_kernel(const struct shard *s, const struct shard_conf *sc, size_t i)
{
	struct shard_at at = at_of(&sc->listens[i]);
	int r = 0, fd;

	at.addr.port = sc->listen_ports[i];
	if (sc->listen_exclusive && shard_is_teamed(s) && at.addr.port != 0 && s->place == 0)
		r = nobody_listens(&at);
	if (r < 0)
		return r;
	fd = listen_socket(s, &at, sc->listen_backlog);
	if (fd < 0)
		return fd;
	r = port_of(fd, &sc->listen_ports[i]);
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}

int shard_listen(struct shard *s, const struct shard_conf *sc, char *err, size_t err_size)
{
	char text[CONF_ADDR_TEXT];
	int r = 0;

	s->kernel = calloc(sc->n_listens + 1, sizeof(*s->kernel));
	if (s->kernel == NULL)
		return start_fail(err, err_size, -ENOMEM, "out of memory");
	for (size_t i = 0; r >= 0 && i < sc->n_listens; i++) {
		const struct conf_listen *l = &sc->listens[i];
		struct shard_kernel_listener *k = &s->kernel[i];

		r = listen_kernel(s, sc, i);
		if (r == -ENODEV)
			return start_fail(err, err_size, r,
					  "ListenAddress: rdomain %s is no device here: a VRF or "
					  "an interface has to be made before the start",
					  l->rdomain);
		if (r < 0)
			return start_fail(err, err_size, r, "Bind to port %u on %s failed: %s",
					  l->addr.port, conf_addr_text(&l->addr, text),
					  strerror(-r));
		*k = (struct shard_kernel_listener){.at = at_of(l), .fd = r};
		s->n_kernel++;
		r = idle_watch(&s->idle, k->fd);
	}
	return r < 0 ? start_fail(err, err_size, r, "epoll: %s", strerror(-r)) : 0;
}

int shard_kernel_fd(const struct shard *s, const struct shard_at *at)
{
	for (size_t i = 0; i < s->n_kernel; i++)
		if (shard_same_at(&s->kernel[i].at, at))
			return s->kernel[i].fd;
	return -1;
}

/* The kernel's own bound (net.core.somaxconn) holds, too. */
int shard_kernel_listen(int fd, uint32_t backlog)
{
	return listen(fd, (int)RTE_MIN(backlog, (uint32_t)INT_MAX)) < 0 ? -errno : 0;
}

void shard_kernel_stop(int fd)
{
	(void)shutdown(fd, SHUT_RDWR);
}

void shard_listen_free(struct shard *s)
{
	while (s->n_kernel > 0)
		close(s->kernel[--s->n_kernel].fd);
	free(s->kernel);
	s->kernel = NULL;
}

/* --- connections ----------------------------------------------------------------------------- */

static void take(struct shard *s, const struct shard_listener *l, int fd,
		 const union sockaddr_any *from)
{
	struct link_addr local, peer = addr_from(from);
	union sockaddr_any sa;
	socklen_t len = sizeof(sa);
	struct stream *stream;

	if (getsockname(fd, &sa.sa, &len) < 0) {
		close(fd);
		return;
	}
	local = addr_from(&sa);
	if (host_open_socket(s->host, fd, &stream) < 0)
		return;
	if (!relay_accept(s->relay, stream, l->number, &local, &peer, s->now_us))
		stream->ops->abort(stream);
}

unsigned int shard_accept(struct shard *s)
{
	unsigned int n = 0;

	for (uint32_t i = 0; i < SHARD_LISTENERS_MAX; i++) {
		const struct shard_listener *l = &s->listener[i];

		if (!l->open || l->fd < 0)
			continue;
		for (unsigned int k = 0; k < ACCEPT_TURN; k++) {
			union sockaddr_any from;
			socklen_t len = sizeof(from);
			int fd = accept4(l->fd, &from.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

			if (fd <
			    0) /* none, or (F-11) no descriptor for it: it waits in the kernel */
				break;
			take(s, l, fd, &from);
			n++;
		}
	}
	return n;
}
