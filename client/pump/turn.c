/* client/pump/turn.c - see turn.h. */
#include "client/pump/turn.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

uint64_t turn_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void turn_begin(struct turn *t)
{
	t->n = 0;
	t->timeout_ms = -1;
	t->now_ms = turn_now_ms();
}

size_t turn_add(struct turn *t, int fd, short events)
{
	if (fd < 0 || events == 0)
		return TURN_NONE;
	if (t->n == t->room) {
		size_t room = t->room > 0 ? 2 * t->room : 16;
		struct pollfd *v = reallocarray(t->v, room, sizeof(*v));

		if (v == NULL) {
			t->no_memory = true;
			return TURN_NONE;
		}
		t->v = v;
		t->room = room;
	}
	t->v[t->n] = (struct pollfd){.fd = fd, .events = events};
	return t->n++;
}

void turn_within(struct turn *t, int ms)
{
	if (ms >= 0 && (t->timeout_ms < 0 || ms < t->timeout_ms))
		t->timeout_ms = ms;
}

int turn_wait(struct turn *t)
{
	int n;

	if (t->no_memory)
		return -ENOMEM;
	n = poll(t->v, t->n, t->timeout_ms);
	t->now_ms = turn_now_ms();
	if (n >= 0)
		return 0;
	for (size_t i = 0; i < t->n; i++)
		t->v[i].revents = 0;
	return errno == EINTR ? 0 : -errno;
}

short turn_ready(const struct turn *t, size_t place)
{
	return place < t->n ? t->v[place].revents : 0;
}

bool turn_any(const struct turn *t, size_t first, size_t last)
{
	for (size_t i = first; i < last; i++)
		if (turn_ready(t, i) != 0)
			return true;
	return false;
}

void turn_fini(struct turn *t)
{
	free(t->v);
	*t = (struct turn){0};
}
