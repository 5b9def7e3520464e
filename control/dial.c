#include "control/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/node.h"

/* A UNIX socket whose queue is full says so at once: asked again after. */
#define AGAIN_MS 20

struct call {
	struct call *next;
	struct dialer *d;
	uv_poll_t *poll; /* on fd; NULL: none is connecting */
	int fd;
	struct timer timer; /* of this address; of the next try */
	uint64_t deadline_ms;
	struct link_addr addr[LINK_ADDRS_MAX];
	size_t n, at; /* at: the one that is tried, or the next */
	int node;     /* O_PATH of the UNIX socket; -1: addresses */
	int err;      /* of the last one */
	struct resolve_caller caller;
	dial_done *done;
};

struct dialer {
	uv_loop_t *loop;
	struct timers *timers;
	uint64_t (*now_ms)(void);
	char *own; /* our folder, as it really is called, with a slash behind it */
	struct call *calls;
};

/* --- one call ------------------------------------------------------------------------------ */

static void on_closed(uv_handle_t *h)
{
	free(h);
}

static void poll_end(struct call *c)
{
	if (c->poll == NULL)
		return;
	uv_poll_stop(c->poll);
	uv_close((uv_handle_t *)c->poll, on_closed);
	c->poll = NULL;
}

static void socket_end(struct call *c)
{
	poll_end(c);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static void call_free(struct call *c)
{
	struct call **at = &c->d->calls;

	while (*at != NULL && *at != c)
		at = &(*at)->next;
	if (*at == c)
		*at = c->next;
	timer_cancel(c->d->timers, &c->timer);
	socket_end(c);
	if (c->node >= 0)
		close(c->node);
	free(c);
}

/* The answer; fd is handed over. */
static void call_over(struct call *c, int fd)
{
	static const struct link_addr none;
	const struct link_addr to = c->n > 0 && c->at < c->n ? c->addr[c->at] : none;
	struct resolve_caller caller = c->caller;
	dial_done *done = c->done;

	call_free(c);
	done(&caller, fd, &to);
}

static void connected(struct call *c)
{
	int fd = c->fd;

	poll_end(c);
	c->fd = -1;
	call_over(c, fd);
}

static void try_next(struct call *c);

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct call *c = poll->data;
	socklen_t len = sizeof(int);
	int err = 0;

	(void)events;
	/* libuv says of any error that the descriptor is bad: the socket knows. */
	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		err = errno;
	if (err == 0)
		err = -status;
	if (err == 0) {
		connected(c);
		return;
	}
	socket_end(c);
	c->err = -err;
	c->at++;
	try_next(c);
}

/* Also of one that is connected already: who called hears of it later. */
static int wait_writable(struct call *c)
{
	int r;

	c->poll = calloc(1, sizeof(*c->poll));
	if (c->poll == NULL)
		return -ENOMEM;
	r = uv_poll_init(c->d->loop, c->poll, c->fd);
	if (r < 0) {
		free(c->poll);
		c->poll = NULL;
		return r;
	}
	c->poll->data = c;
	return uv_poll_start(c->poll, UV_WRITABLE, on_poll);
}

static socklen_t sockaddr_of(const struct call *c, struct sockaddr_storage *ret)
{
	const struct link_addr *a = &c->addr[c->at];
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *in = (struct sockaddr_in *)ret;

	memset(ret, 0, sizeof(*ret));
	if (c->node >= 0)
		return node_sockaddr(c->node, (struct sockaddr_un *)ret);
	if (a->family == 4) {
		in->sin_family = AF_INET;
		in->sin_port = htons(a->port);
		memcpy(&in->sin_addr, a->addr, 4);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(a->port);
	memcpy(&in6->sin6_addr, a->addr, 16);
	return sizeof(*in6);
}

static int socket_connect(struct call *c)
{
	struct sockaddr_storage sa;
	socklen_t len = sockaddr_of(c, &sa);
	int one = 1;

	c->fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return -errno;
	if (c->node < 0)
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(c->fd, (const struct sockaddr *)&sa, len) < 0 && errno != EINPROGRESS)
		return -errno;
	return wait_writable(c);
}

/* The next that can be tried at all; none is the end. Its answer is the last one's error. */
static void try_next(struct call *c)
{
	uint64_t now = c->d->now_ms();

	while (c->at < c->n && now < c->deadline_ms) {
		uint64_t part = (c->deadline_ms - now) / (c->n - c->at);
		bool again;
		int r = socket_connect(c);

		again = r == -EAGAIN && c->node >= 0;
		if (r == 0 || again) {
			if (again)
				socket_end(c);
			r = timer_set(c->d->timers, &c->timer,
				      now + (again      ? AGAIN_MS
					     : part > 0 ? part
							: 1));
			if (r == 0)
				return;
		}
		socket_end(c);
		c->err = r;
		c->at++;
	}
	call_over(c, now < c->deadline_ms ? c->err : -ETIMEDOUT);
}

/* An address has had its time, or the queue of a UNIX socket may have room now. */
static void on_timer(struct timer *t)
{
	struct call *c = (struct call *)(void *)((char *)t - offsetof(struct call, timer));

	if (c->fd >= 0) {
		c->err = -ETIMEDOUT;
		c->at++;
	}
	socket_end(c);
	try_next(c);
}

static struct call *call_new(struct dialer *d, uint64_t deadline_ms,
			     const struct resolve_caller *caller, dial_done *done)
{
	struct call *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	*c = (struct call){.d = d,
			   .fd = -1,
			   .node = -1,
			   .err = -EADDRNOTAVAIL,
			   .timer.fire = on_timer,
			   .deadline_ms = deadline_ms,
			   .caller = *caller,
			   .done = done,
			   .next = d->calls};
	d->calls = c;
	return c;
}

/* Begun by the timer, so that whoever calls has returned first. */
static int call_begin(struct call *c)
{
	int r = timer_set(c->d->timers, &c->timer, c->d->now_ms());

	if (r < 0)
		call_free(c);
	return r;
}

int dial_addrs(struct dialer *d, const struct link_addr *addr, size_t n, uint64_t deadline_ms,
	       const struct resolve_caller *caller, dial_done *done)
{
	struct call *c = call_new(d, deadline_ms, caller, done);

	if (c == NULL)
		return -ENOMEM;
	c->n = n < LINK_ADDRS_MAX ? n : LINK_ADDRS_MAX;
	memcpy(c->addr, addr, c->n * sizeof(*addr));
	return call_begin(c);
}

/* --- UNIX sockets -------------------------------------------------------------------------- */

int dial_unix(struct dialer *d, const char *path, uint64_t deadline_ms,
	      const struct resolve_caller *caller, dial_done *done)
{
	int node = node_open(path, d->own);
	struct call *c;

	if (node < 0)
		return node;
	c = call_new(d, deadline_ms, caller, done);
	if (c == NULL) {
		close(node);
		return -ENOMEM;
	}
	c->node = node;
	c->n = 1;
	return call_begin(c);
}

/* --- life -------------------------------------------------------------------------------- */

int dialer_new(uv_loop_t *loop, struct timers *timers, uint64_t (*now_ms)(void),
	       const char *run_dir, struct dialer **ret)
{
	struct dialer *d = calloc(1, sizeof(*d));
	int r = d != NULL ? node_own(run_dir, &d->own) : -ENOMEM;

	if (r < 0) {
		free(d);
		return r;
	}
	d->loop = loop;
	d->timers = timers;
	d->now_ms = now_ms;
	*ret = d;
	return 0;
}

void dialer_close(struct dialer *d)
{
	if (d == NULL)
		return;
	while (d->calls != NULL)
		call_free(d->calls);
	free(d->own);
	free(d);
}
