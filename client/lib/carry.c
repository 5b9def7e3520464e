/* client/lib/carry.c - see carry.h. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/lib/internal.h"
#include "client/pump/pump.h"
#include "client/reach/reach.h"
#include "ssh/forward.h"

#define CARRY_IDLE "idle for too long"

struct carry {
	TAILQ_ENTRY(carry) link;
	struct sluice_channel *c;
	struct reach *reach; /* the target is being connected to; NULL: it is */
	char *from;          /* of reach, which borrows it: the setting may change meanwhile */
	struct pump pump;    /* then */
	size_t place;        /* of reach, in this turn */
	struct carry_watch watch;
	char target[SSH_HOST_MAX + 16]; /* in words */
};

/* --- the target ----------------------------------------------------------------------------------
 */

int carry_begin(struct sluice_channel *c, const char *host, uint16_t port)
{
	struct sluice *s = c->s;
	struct reach_conf conf = {.host = host, .port = port};
	struct carry *y = calloc(1, sizeof(*y));
	int r = y != NULL ? 0 : -ENOMEM;

	if (r == 0 && *s->set.forward_bind != '\0') {
		conf.bind.addr = y->from = strdup(s->set.forward_bind);
		r = y->from != NULL ? 0 : -ENOMEM;
	}
	if (r == 0)
		r = reach_new(&conf, &y->reach);
	if (r < 0) {
		if (y != NULL)
			free(y->from);
		free(y);
		return r;
	}
	if (s->carries.n++ == 0)
		TAILQ_INIT(&s->carries.list);
	TAILQ_INSERT_TAIL(&s->carries.list, y, link);
	y->c = c;
	y->watch.fd = -1;
	y->pump.in = y->pump.out = y->pump.err = -1;
	y->place = TURN_NONE;
	snprintf(y->target, sizeof(y->target), "%s port %u", host, port);
	snprintf(c->target, sizeof(c->target), "%s", host);
	c->target_port = port;
	c->carry = y;
	return 0;
}

/* What a target that was cut off has is not all of it: it is told by a reset. */
static void target_reset(const struct carry *y)
{
	const struct linger at_once = {.l_onoff = 1};

	if (y->pump.in >= 0 && !y->pump.out_over)
		(void)setsockopt(y->pump.in, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

void carry_end(struct carry *y)
{
	struct sluice *s = y->c->s;

	TAILQ_REMOVE(&s->carries.list, y, link);
	s->carries.n--;
	target_reset(y);
	y->c->carry = NULL;
	if (y->c->fsm.state == SSH_CHAN_CLOSED)
		chan_give_up(y->c);
	y->pump.c = NULL; /* the caller's */
	reach_free(y->reach);
	pump_fini(&y->pump);
	free(y->from);
	free(y);
}

void carry_closed(struct carry *y)
{
	y->pump.closed = true;
}

/* It cannot be had: said to the server, and to the program that let it in. */
static void failed(struct carry *y)
{
	struct sluice_channel *c = y->c;
	char why[REACH_WHY_MAX];

	snprintf(why, sizeof(why), "%s", reach_why(y->reach));
	note(c->s, SLUICE_LOG_INFO, "channel %u: connect to %s: %s", c->id, y->target, why);
	carry_end(y);
	CALL(c->s, on_channel_opened, c, -SLUICE_E_CHANNEL_OPEN, why);
	if (c->undecided)
		chan_refuse(c, SSH_OPEN_CONNECT_FAILED, why);
}

/* It is there: the server's side may speak. */
static void reached(struct carry *y, int fd)
{
	struct sluice_channel *c = y->c;

	int r;

	reach_free(y->reach);
	y->reach = NULL;
	y->watch.fd = -1; /* it left the set as it was closed */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	r = pump_init(&y->pump, NULL, fd, fd, -1); /* where that fails the channel is still ours */
	if (r < 0)
		close(fd);
	else
		y->pump.c = c;
	y->pump.own = y->pump.opened = r == 0;
	if (r == 0)
		r = chan_confirm(c);
	if (c->carry != y) /* the connection ended in it */
		return;
	if (r < 0) {
		carry_end(y);
		chan_refuse(c, SSH_OPEN_RESOURCE_SHORTAGE, "out of memory");
		return;
	}
	y->pump.idle_ms = settings_channel_timeout(&c->s->set, c->type);
	note(c->s, SLUICE_LOG_VERBOSE, "channel %u: carried to %s", c->id, y->target);
	CALL(c->s, on_channel_opened, c, 0, "OK");
}

static bool reach_on(struct carry *y)
{
	struct reach_link link;
	int r = reach_step(y->reach, &link);

	if (r == -EAGAIN)
		return false;
	if (r < 0)
		failed(y);
	else
		reached(y, link.fd);
	return true;
}

/* --- bytes
 * ----------------------------------------------------------------------------------------- */

/* Calls of the pump wait for nothing, as in a callback. */
static bool pump_on(struct carry *y)
{
	struct sluice_channel *c = y->c;
	struct sluice *s = c->s;
	uint64_t before = y->pump.bytes_up + y->pump.bytes_down;

	s->callbacks++;
	pump_run(&y->pump, &s->carries.turn);
	s->callbacks--;
	if (!pump_over(&y->pump))
		return y->pump.bytes_up + y->pump.bytes_down != before;
	if (y->pump.idle)
		note(s, SLUICE_LOG_INFO, "channel %u: %s", c->id, CARRY_IDLE);
	carry_end(y);
	chan_close_begin(c);
	return true;
}

/* What is waited for, for all of them. */
static void prepare(struct sluice *s)
{
	struct turn *t = &s->carries.turn;
	struct carry *y;

	t->n = 0;
	t->timeout_ms = -1;
	t->now_ms = now_ms();
	TAILQ_FOREACH(y, &s->carries.list, link)
	{
		if (y->reach != NULL)
			y->place = turn_add(t, reach_fd(y->reach), POLLIN);
		else
			pump_prepare(&y->pump, t);
	}
}

bool carries_turn(struct sluice *s)
{
	struct carry *y, *next;
	bool did = false;

	if (s->carries.n == 0)
		return false;
	prepare(s);
	(void)poll(s->carries.turn.v, s->carries.turn.n, 0);
	/* None is left where the connection ends meanwhile. */
	for (y = TAILQ_FIRST(&s->carries.list); y != NULL && s->carries.n > 0; y = next) {
		next = TAILQ_NEXT(y, link);
		if (y->c->given_up) {
			carry_end(y);
			did = true;
		} else if (y->reach != NULL) {
			did |= reach_on(y);
		} else {
			did |= pump_on(y);
		}
	}
	return did;
}

/* Bytes that lie here and have somewhere to go: no descriptor tells of them. */
static bool can_go_on(const struct carry *y)
{
	const struct sluice_channel *c = y->c;

	if (y->reach != NULL)
		return false;
	return y->pump.more || (c->in.len > 0 && y->pump.down.n == 0) ||
	       (y->pump.up.n > 0 && c->swin.window_size > 0 && send_room(c->s) > 0 &&
		c->s->pump_made && !c->s->pump.in_kex);
}

uint64_t carries_due(const struct sluice *s)
{
	const struct carry *y;
	uint64_t due = UINT64_MAX;

	if (s->carries.n == 0)
		return due;
	TAILQ_FOREACH(y, &s->carries.list, link)
	{
		if (y->c->given_up || can_go_on(y))
			return 0;
		if (y->pump.idle_ms > 0 && y->pump.moved_ms > 0 &&
		    y->pump.moved_ms + y->pump.idle_ms < due)
			due = y->pump.moved_ms + y->pump.idle_ms;
	}
	return due;
}

/* --- one descriptor for all ---------------------------------------------------------------------
 */

/* -errno: it is not watched. */
static int watch(int epoll, struct carry_watch *w, int fd, short events)
{
	struct epoll_event e = {.events = (uint32_t)events}; /* of the same values */
	int r = 0;

	if (fd < 0 || events == 0) {
		if (w->fd >= 0)
			(void)epoll_ctl(epoll, EPOLL_CTL_DEL, w->fd, NULL);
		w->fd = -1;
		return 0;
	}
	if (epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &e) < 0)
		r = epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
	*w = (struct carry_watch){r == 0 ? fd : -1, events};
	return r;
}

/* The stream's descriptor was closed, and its number may be another's: nothing is known any more.
 */
static int epoll_renew(struct sluice *s)
{
	struct carry *y;

	if (s->carries.epoll > 0)
		close(s->carries.epoll);
	s->carries.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (s->carries.epoll < 0)
		s->carries.epoll = 0;
	s->carries.stream.fd = -1;
	TAILQ_FOREACH(y, &s->carries.list, link)
	y->watch.fd = -1;
	return s->carries.epoll > 0 ? 0 : -errno;
}

static short wanted_at(const struct turn *t, size_t place)
{
	return place < t->n ? t->v[place].events : 0;
}

/* True: as it was. */
static bool watched(const struct carry_watch *w, int fd, short events)
{
	return w->fd == fd && w->events == events;
}

int carries_fd(struct sluice *s, int fd, short events)
{
	const struct turn *t = &s->carries.turn;
	struct carry *y;
	int r = 0;

	if (s->carries.n == 0)
		return fd;
	if (s->carries.epoll == 0 || (s->carries.stream.fd >= 0 && s->carries.stream.fd != fd))
		r = epoll_renew(s);
	if (r == 0) /* of the same number it may be another one */
		r = watch(s->carries.epoll, &s->carries.stream, fd, events);
	prepare(s);
	TAILQ_FOREACH(y, &s->carries.list, link)
	{
		int at = y->reach != NULL ? reach_fd(y->reach) : y->pump.in;
		short wanted = y->reach != NULL ? POLLIN
						: wanted_at(t, y->pump.place_in) |
							  wanted_at(t, y->pump.place_out);

		if (wanted == 0)
			at = -1;
		if (r == 0 && !watched(&y->watch, at, wanted))
			r = watch(s->carries.epoll, &y->watch, at, wanted);
	}
	return r == 0 ? s->carries.epoll : fd;
}

void carries_fini(struct sluice *s)
{
	while (s->carries.n > 0)
		carry_end(TAILQ_FIRST(&s->carries.list));
	if (s->carries.epoll > 0)
		close(s->carries.epoll);
	turn_fini(&s->carries.turn);
}
