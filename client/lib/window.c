/*
 * client/lib/window.c - how much a server may send us that nobody has read.
 *
 * What a program reads is granted again, and not before. Windows that follow the path
 * (ChannelWindow auto, grow.h) share WINDOWS_MAX: a channel grows into what the others left, and
 * begins with a part of it, so that a program that stops to read holds so much, however many
 * channels it has.
 */
#include <time.h>

#include "client/lib/internal.h"

/* Of what is left, for the first window of a channel. */
#define FIRST_PART 16

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static uint64_t rest(const struct sluice *s)
{
	return s->windows < WINDOWS_MAX ? WINDOWS_MAX - s->windows : 0;
}

void window_init(struct sluice_channel *c)
{
	struct sluice *s = c->s;
	uint64_t size = s->set.window, part = rest(s) / FIRST_PART;

	if (s->set.window_auto && part < size)
		size = part > WINDOW_LEAST ? part : WINDOW_LEAST;
	ssh_rwin_init(&c->rwin, (uint32_t)size);
	s->windows += size;
}

void window_fini(struct sluice_channel *c)
{
	c->s->windows -= c->rwin.initial_window_size;
}

void window_raise(struct sluice_channel *c, uint32_t size)
{
	c->s->windows -= c->rwin.initial_window_size;
	c->adjust += ssh_rwin_raise(&c->rwin, size);
	c->s->windows += c->rwin.initial_window_size;
}

int window_received(struct sluice_channel *c, uint32_t n)
{
	int r = ssh_rwin_recv(&c->rwin, n);

	if (r == 0)
		grow_received(&c->grow, n, grow_wants_time(&c->grow, n) ? now_us() : 0);
	return r;
}

/* Whom our reader holds up a larger window does not help. */
static void follow(struct sluice_channel *c)
{
	uint64_t size = c->rwin.initial_window_size, more = rest(c->s);

	if (grow_worth(&c->grow) && ssh_rwin_held(&c->rwin) <= size / 8)
		window_raise(c, (uint32_t)(size + (more < size ? more : size)));
}

void window_taken(struct sluice_channel *c, uint32_t n)
{
	bool is_auto = c->s->set.window_auto;

	c->adjust += ssh_rwin_consume(&c->rwin, n);
	if (is_auto)
		follow(c);
	if (c->adjust == 0)
		return;
	chan_flush(c);
	if (is_auto)
		grow_granted(&c->grow, c->rwin.window_size, now_us());
}
