/* client/pump/pump.c - see pump.h. */
#include "client/pump/pump.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/secret.h"

#define READ_MAX    (PUMP_BUFFER / 2 - 64) /* so that a filter may double it */
#define TURN_PIECES 16                     /* buffers each way, then others have a turn */

int pump_init(struct pump *p, struct sluice_channel *c, int in, int out, int err)
{
	*p = (struct pump){.c = c, .in = in, .out = out, .err = err};
	p->up.p = malloc(PUMP_BUFFER);
	p->down.p = malloc(PUMP_BUFFER);
	p->down_err.p = err >= 0 ? malloc(PUMP_BUFFER) : NULL;
	if (p->up.p != NULL && p->down.p != NULL && (err < 0 || p->down_err.p != NULL))
		return 0;
	pump_fini(p);
	return -ENOMEM;
}

static void buf_fini(struct pump_buf *b)
{
	if (b->p != NULL)
		secret_wipe(b->p, PUMP_BUFFER);
	free(b->p);
	*b = (struct pump_buf){0};
}

void pump_fini(struct pump *p)
{
	sluice_channel_free(p->c);
	buf_fini(&p->up);
	buf_fini(&p->down);
	buf_fini(&p->down_err);
	if (p->own && p->in >= 0)
		close(p->in);
	p->c = NULL;
	p->in = p->out = p->err = -1;
}

/* What there is of a terminal or a pipe can be opened again, a socket cannot. */
int pump_open(int fd, int flags, bool *small)
{
	char path[64];
	struct stat st;
	int again;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fcntl(fd, F_DUPFD_CLOEXEC, 3);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (again >= 0)
		return again;
	*small = true;
	return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

/* --- what is waited for -------------------------------------------------------------------------
 */

static bool wants_in(const struct pump *p)
{
	return p->in >= 0 && !p->in_over && p->up.n == 0 && p->opened && !p->closed;
}

/* It is idle from the moment it opens, whether or not anything happens in the turn after that. */
static void idle_wait(struct pump *p, struct turn *t)
{
	if (p->idle_ms == 0 || !p->opened)
		return;
	if (p->moved_ms == 0)
		p->moved_ms = t->now_ms;
	turn_within(t, p->moved_ms + p->idle_ms > t->now_ms
			       ? (int)(p->moved_ms + p->idle_ms - t->now_ms)
			       : 0);
}

void pump_prepare(struct pump *p, struct turn *t)
{
	p->place_in = turn_add(t, wants_in(p) ? p->in : -1, POLLIN);
	p->place_out = turn_add(t, p->down.n > 0 ? p->out : -1, POLLOUT);
	p->place_err = turn_add(t, p->down_err.n > 0 ? p->err : -1, POLLOUT);
	if (p->more)
		turn_within(t, 0);
	idle_wait(p, t);
}

/* --- from the channel
 * ------------------------------------------------------------------------------ */

/* A socket of ours is never a reason for a signal, whose program this may be. */
static ssize_t put(const struct pump *p, int fd, const uint8_t *from, size_t n)
{
	return p->own ? send(fd, from, n, MSG_NOSIGNAL) : write(fd, from, n);
}

/* Writes what waits. False: nobody takes it any more. */
static bool buf_write(const struct pump *p, struct pump_buf *b, int fd)
{
	while (b->n > 0) {
		size_t n = p->small && b->n > PIPE_BUF ? PIPE_BUF : b->n;
		ssize_t w = put(p, fd, b->p + b->at, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return errno == EAGAIN;
		b->at += (size_t)w;
		b->n -= (size_t)w;
		if (p->small)
			break; /* more than that may block */
	}
	return true;
}

/* -1: no more will come; 0: nothing now. */
static int buf_fill(struct pump *p, struct pump_buf *b, bool err)
{
	ssize_t n = sluice_channel_read(p->c, err, b->p, PUMP_BUFFER);

	if (n <= 0)
		return pump_waits(n) ? 0 : -1;
	b->at = 0;
	b->n = (size_t)n;
	p->bytes_down += (size_t)n;
	return 1;
}

/* One of both kinds of data; true when it has come to its end. */
static bool down_one(struct pump *p, struct pump_buf *b, int fd, bool err, short ready)
{
	for (int i = 0; i < TURN_PIECES; i++) {
		if (b->n == 0) {
			int r = buf_fill(p, b, err);

			if (r <= 0)
				return r < 0;
		}
		/* What may block is asked first, and written to once. */
		if (p->small && (i > 0 || (ready & (POLLOUT | POLLERR | POLLHUP)) == 0))
			return false;
		if (fd < 0 || !buf_write(p, b, fd)) {
			b->n = 0; /* dropped: nobody is there */
			p->nobody |= !err;
		}
		if (b->n > 0)
			return false;
	}
	p->more = true;
	return false;
}

static void down(struct pump *p, const struct turn *t)
{
	bool over = down_one(p, &p->down, p->out, false, turn_ready(t, p->place_out));

	if (p->down_err.p != NULL)
		over &= down_one(p, &p->down_err, p->err, true, turn_ready(t, p->place_err));
	if (over && !p->out_over) {
		p->out_over = true;
		if (p->own)
			shutdown(p->out, SHUT_WR);
	}
}

/* --- to the channel
 * ------------------------------------------------------------------------------------ */

static void up_send(struct pump *p)
{
	while (p->up.n > 0) {
		ssize_t n = sluice_channel_send(p->c, p->up.p + p->up.at, p->up.n);

		if (pump_waits(n))
			return;
		if (n < 0) {
			p->up.n = 0;
			p->in_over = true;
			return;
		}
		p->up.at += (size_t)n;
		p->up.n -= (size_t)n;
		p->bytes_up += (size_t)n;
	}
}

/* What is typed may be a password. */
static ssize_t filtered(struct pump *p, uint8_t *raw, size_t n)
{
	ssize_t r = p->filter(p->arg, raw, n, p->up.p);

	secret_wipe(raw, n);
	return r;
}

static void up_read(struct pump *p)
{
	static uint8_t raw[READ_MAX];
	uint8_t *to = p->filter != NULL ? raw : p->up.p;
	ssize_t n = read(p->in, to, READ_MAX);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		p->in_over = true;
		return;
	}
	if (p->filter != NULL)
		n = filtered(p, raw, (size_t)n);
	if (n < 0)
		p->over = true;
	p->up.at = 0;
	p->up.n = n > 0 ? (size_t)n : 0;
}

static void up(struct pump *p, const struct turn *t)
{
	for (int i = 0; i < TURN_PIECES; i++) {
		up_send(p);
		if (p->up.n > 0 || p->in_over || p->over || p->in < 0)
			break;
		/* A descriptor that may block is read once, when it is said to be ready. */
		if (i == 0 ? (turn_ready(t, p->place_in) &
			      (POLLIN | POLLHUP | POLLERR | POLLNVAL)) == 0
			   : !p->own)
			break;
		up_read(p);
		if (p->up.n == 0 && !p->in_over)
			break; /* there is no more */
		/* Who was not asked has nothing to wake us for. */
		p->more |= i == TURN_PIECES - 1;
	}
	if (p->in_over && p->up.n == 0 && !p->eof_sent) {
		int r = sluice_channel_eof(p->c);

		p->eof_sent = !pump_waits(r);
	}
}

/* Bytes that wait for either side are no traffic. */
static void idle_look(struct pump *p, uint64_t now_ms)
{
	uint64_t bytes = p->bytes_up + p->bytes_down;

	if (p->moved_ms == 0 || bytes != p->moved) {
		p->moved = bytes;
		p->moved_ms = now_ms;
	} else if (p->idle_ms > 0 && now_ms - p->moved_ms >= p->idle_ms) {
		p->idle = p->over = true;
	}
}

void pump_run(struct pump *p, const struct turn *t)
{
	p->more = false;
	if (p->c == NULL || !p->opened || p->over)
		return;
	down(p, t);
	up(p, t);
	idle_look(p, t->now_ms);
}

bool pump_over(const struct pump *p)
{
	if (p->over)
		return true;
	if (p->closed && p->out_over)
		return true;
	/* A socket that both sides have done with, or that is gone. */
	return p->own && ((p->out_over && p->eof_sent) || p->nobody);
}
