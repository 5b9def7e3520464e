/*
 * client/lib/hop.c - jump hosts: a connection whose stream is a channel of another one, its hop.
 *
 * The hop is logged on by its own settings, has turns when the connection has one, and ends with
 * it; it may have a hop itself. Whoever waits for a connection waits for the socket at the end of
 * the chain. Locks: the connection's, then its hop's. While the hop has its turn the connection is
 * busy as in a callback, since callbacks of the hop's may be about it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "client/lib/internal.h"
#include "ssh/err.h"

/* --- the way there ---------------------------------------------------------------------------- */

int hop_begin(struct sluice *s)
{
	struct sluice *h = s->hop;
	int r;

	enter(h);
	h->again_ms = s->again_ms;
	r = logon_begin(h);
	leave(h);
	return r == -SLUICE_E_ALREADY ? 0 : r;
}

/* It failed, with its hop or at it. */
static void way_lost(struct sluice *s, int err)
{
	char text[sizeof(s->text)];

	snprintf(text, sizeof(text), "jump host %.100s: %.140s", s->hop->set.hostname,
		 *s->hop->text != '\0' ? s->hop->text : sluice_strerror(err));
	connection_over(s, err, text);
}

/* A step of a connection that is CONNECTING; the hop is locked. True: something was done. */
static bool way_step(struct sluice *s)
{
	struct sluice *h = s->hop;
	int r;

	if (h->state == STATE_NONE) {
		way_lost(s, connection_gone(h));
		return true;
	}
	if (h->state != STATE_UP || (s->way != NULL && s->way->fsm.state == SSH_CHAN_OPENING))
		return false;
	if (s->way == NULL) {
		r = chan_open_tcp(h, s->set.hostname, (uint16_t)s->set.port, NULL, 0, &s->way);
		if (r == 0)
			s->way->carries = true;
		flush(h);
	} else if (s->way->fsm.state != SSH_CHAN_OPEN || s->way->err < 0) {
		r = s->way->err < 0 ? s->way->err : -SLUICE_E_DROPPED;
	} else {
		r = connection_begin(s);
		if (r < 0)
			connection_over(s, r, s->text);
		return true;
	}
	if (r < 0)
		way_lost(s, r);
	return true;
}

bool hop_turn(struct sluice *s)
{
	struct sluice *h = s->hop;
	bool did;

	enter(h);
	s->callbacks++;
	did = turn(h);
	s->callbacks--;
	if (s->state == STATE_CONNECTING && !s->cut)
		did |= way_step(s);
	leave(h);
	return did;
}

void hop_end(struct sluice *s)
{
	struct sluice *h = s->hop;

	enter(h);
	if (s->way != NULL) {
		s->way->carries = false;
		s->way->given_up = true;
		chan_close_begin(s->way);
		h->swept = true;
		s->way = NULL;
	}
	if (h->brain != NULL && h->callbacks == 0) {
		h->leaving = true;
		ssh_brain_end(h->brain, -SSH_E_SHUTDOWN, "logged off");
		step(h);
	}
	connection_over(h, 0, "where it led to is left");
	leave(h);
}

void hop_dropped(struct sluice *s)
{
	if (s->hop->state == STATE_NONE)
		way_lost(s, connection_gone(s->hop));
	else
		connection_over(s, -SLUICE_E_DROPPED, "the server closed the connection");
}

/* --- its bytes, as of a socket ---------------------------------------------------------------- */

static bool way_is_over(const struct sluice_channel *c)
{
	return c->fsm.eof_received || c->close_received || c->fsm.state == SSH_CHAN_CLOSED;
}

ssize_t stream_recv(struct sluice *s, void *buf, size_t size)
{
	struct sluice_channel *c = s->way;
	ssize_t n = 0;

	if (c == NULL)
		return recv(s->fd, buf, size, 0);
	enter(c->s);
	if (c->in.len > 0) {
		n = (ssize_t)inbox_get(&c->in, buf, size);
		chan_took(c, (size_t)n);
		flush(c->s);
	} else if (!way_is_over(c)) {
		errno = EAGAIN;
		n = -1;
	}
	leave(c->s);
	return n;
}

ssize_t stream_send(struct sluice *s, const void *p, size_t len)
{
	struct sluice_channel *c = s->way;
	ssize_t n;

	if (c == NULL)
		return send(s->fd, p, len, MSG_NOSIGNAL);
	enter(c->s);
	n = chan_send_some(c, p, len);
	flush(c->s);
	leave(c->s);
	if (n > 0)
		return n;
	errno = n == 0 ? EAGAIN : EPIPE;
	return -1;
}

/* --- what is waited for ----------------------------------------------------------------------- */

int hop_fd(const struct sluice *s)
{
	int fd;

	enter(s->hop);
	fd = wanted_fd(s->hop);
	leave(s->hop);
	return fd;
}

short hop_events(const struct sluice *s)
{
	short events;

	enter(s->hop);
	events = wanted_events(s->hop);
	leave(s->hop);
	return events;
}

/* Bytes of ours that the hop has read in somebody's call are due at once. */
uint64_t hop_due(const struct sluice *s, bool may_read)
{
	uint64_t due;

	enter(s->hop);
	due = due_ms(s->hop);
	if (s->pump_made && s->way != NULL &&
	    ((s->way->in.len > 0 && may_read) || (way_is_over(s->way) && !s->eof_in)))
		due = 0;
	leave(s->hop);
	return due;
}

/* --- whose it is ------------------------------------------------------------------------------ */

static unsigned int length(const struct sluice *hop, const struct sluice *s)
{
	unsigned int n = 0;

	for (; hop != NULL; hop = hop->hop) {
		if (hop == s)
			return UINT32_MAX;
		n++;
	}
	return n;
}

int sluice_jump_set(struct sluice *s, struct sluice *hop)
{
	struct sluice *old = NULL;
	int r = 0;

	enter(s);
	if (s->state != STATE_NONE)
		r = fail(s, -SLUICE_E_FROZEN, "the jump host cannot change while connected");
	else if (hop != NULL && (hop->is_hop || hop->tunnel != NULL || length(hop, s) > HOPS_MAX))
		r = -EINVAL;
	if (r == 0) {
		old = s->hop;
		s->hop = hop;
		if (hop != NULL)
			hop->is_hop = true;
	}
	leave(s);
	sluice_free(old);
	return r;
}
