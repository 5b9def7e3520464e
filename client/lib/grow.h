/*
 * client/lib/grow.h - how a channel's window follows the path.
 *
 * What is granted now cannot be used up before a round trip is over. A sender whom nothing but the
 * window holds up uses it up right then, however large it is; one held up by the line, a disk or
 * our reader takes the longer the more it is. So a window that is used up about as fast as any was
 * before is worth doubling. Clock   the caller's, monotonic. Memory  embedded, nothing to free.
 */
#ifndef SLUICE_CLIENT_GROW_H
#define SLUICE_CLIENT_GROW_H

#include <stdbool.h>
#include <stdint.h>

struct grow {
	uint64_t received;           /* bytes */
	uint64_t until;              /* received when the window is used up; 0: not asked */
	uint64_t began_us, least_us; /* least_us 0: never yet */
	bool worth;
};

/* The peer was granted more: it may send so much now. */
void grow_granted(struct grow *g, uint32_t window_size, uint64_t now_us);
/* Is this the end of what is looked at? Then it is asked what time it is. */
static inline bool grow_wants_time(const struct grow *g, uint32_t n)
{
	return g->until != 0 && g->received + n >= g->until;
}
/* n bytes came. now_us counts if grow_wants_time() said so. */
void grow_received(struct grow *g, uint32_t n, uint64_t now_us);
/* Double it? Said once. */
bool grow_worth(struct grow *g);

#endif
