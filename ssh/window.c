/* ssh/window.c - window accounting of one channel, RFC 4254 section 5.2. */
#include "ssh/window.h"

#include <assert.h>
#include <stdbool.h>

#include "ssh/err.h"

void ssh_rwin_init(struct ssh_rwin *w, uint32_t initial_window_size)
{
	*w = (struct ssh_rwin){
		.initial_window_size = initial_window_size,
		.window_size = initial_window_size,
	};
}

int ssh_rwin_recv(struct ssh_rwin *w, uint32_t n)
{
	if (n > w->window_size)
		return -SSH_E_WINDOW;

	w->window_size -= n;
	return 0;
}

/* An eighth, and of a window of which that is less than two packets a quarter, or two packets. */
static uint32_t worth(uint32_t size)
{
	uint32_t least = size / 4 < SSH_RWIN_WORTH ? size / 4 : SSH_RWIN_WORTH;

	return size / 8 > least ? size / 8 : least;
}

/* While something is held its taking will ask again: an adjust can wait to be worth it. */
static bool adjust_worth(const struct ssh_rwin *w)
{
	if (w->consumed == 0)
		return false;
	if (w->consumed >= worth(w->initial_window_size))
		return true;
	return ssh_rwin_held(w) == 0 && w->window_size < SSH_RWIN_LOW;
}

static uint32_t grant(struct ssh_rwin *w)
{
	uint32_t n = adjust_worth(w) ? w->consumed : 0;

	w->consumed -= n;
	w->window_size += n;
	return n;
}

uint32_t ssh_rwin_consume(struct ssh_rwin *w, uint32_t n)
{
	assert(n <= ssh_rwin_held(w));

	w->consumed += n;
	return grant(w);
}

uint32_t ssh_rwin_raise(struct ssh_rwin *w, uint32_t initial_window_size)
{
	if (initial_window_size <= w->initial_window_size)
		return 0;

	w->consumed += initial_window_size - w->initial_window_size;
	w->initial_window_size = initial_window_size;
	return grant(w);
}

uint32_t ssh_rwin_lower(struct ssh_rwin *w, uint32_t initial_window_size, uint32_t n)
{
	uint32_t less;

	assert(n <= ssh_rwin_held(w));

	w->consumed += n;
	if (w->initial_window_size > initial_window_size) {
		less = w->initial_window_size - initial_window_size;
		if (less > w->consumed)
			less = w->consumed;
		w->consumed -= less;
		w->initial_window_size -= less;
	}
	return grant(w);
}

void ssh_swin_init(struct ssh_swin *w, uint32_t window_size, uint32_t packet_max)
{
	w->window_size = window_size;
	w->packet_max = packet_max < SSH_SWIN_PACKET_CAP ? packet_max : SSH_SWIN_PACKET_CAP;
}

int ssh_swin_adjust(struct ssh_swin *w, uint32_t n)
{
	if (n > UINT32_MAX - w->window_size)
		return -SSH_E_WINDOW_OVERFLOW;

	w->window_size += n;
	return 0;
}

uint32_t ssh_swin_take(const struct ssh_swin *w, uint32_t want)
{
	uint32_t n = want < w->window_size ? want : w->window_size;

	return n < w->packet_max ? n : w->packet_max;
}

void ssh_swin_sent(struct ssh_swin *w, uint32_t n)
{
	assert(n <= w->window_size && n <= w->packet_max);

	w->window_size -= n;
}
