/*
 * client/pump/turn.h - one turn of the loop: what is waited for, by poll(2).
 *
 * Standard input may be a file, which epoll(7) does not take; and what is wanted changes with each
 * turn, so it is put together anew: each part of the program adds its descriptors and is then
 * asked to look at them.
 */
#ifndef SLUICE_CLIENT_PUMP_TURN_H
#define SLUICE_CLIENT_PUMP_TURN_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct turn {
	struct pollfd *v;
	size_t n, room;
	int timeout_ms;  /* -1: none */
	uint64_t now_ms; /* when it began, and again when it had waited; monotonic */
	bool no_memory;
};

#define TURN_NONE ((size_t)-1) /* a place of nothing: it is never ready */

void turn_begin(struct turn *t);
/* Waits for events of fd, too. Its place, for turn_ready(). fd below 0 or no events: TURN_NONE. */
size_t turn_add(struct turn *t, int fd, short events);
uint64_t turn_now_ms(void); /* what now_ms is taken from */
/* No longer than this; below 0: no matter. */
void turn_within(struct turn *t, int ms);
/* 0, or -errno; -EINTR is 0. */
int turn_wait(struct turn *t);
short turn_ready(const struct turn *t, size_t place);
/* Is any of these places ready, from the first to before the last? */
bool turn_any(const struct turn *t, size_t first, size_t last);
void turn_fini(struct turn *t);

#endif
