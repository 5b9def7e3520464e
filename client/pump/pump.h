/*
 * client/pump/pump.h - bytes between a channel and descriptors of ours, with the limits of both.
 *
 * Out of the channel go data to one descriptor and standard error to another; into it goes what is
 * read, by way of a filter where there is one (escapes of a terminal). What one side does
 * not take is not read from the other.
 */
#ifndef SLUICE_CLIENT_PUMP_PUMP_H
#define SLUICE_CLIENT_PUMP_PUMP_H

#include <stdbool.h>
#include <stdint.h>

#include "client/pump/turn.h"
#include "client/sluice.h"

#define PUMP_BUFFER (128 * 1024) /* bytes under way, each way */

/* Bytes that wait for someone. */
struct pump_buf {
	uint8_t *p;
	size_t at, n;
};

/*
 * Looks at n bytes from in and writes what goes on to out, which has room for 2 * n + 64; how many.
 * Negative: this pump ends.
 */
typedef ssize_t pump_filter(void *arg, const uint8_t *in, size_t n, uint8_t *out);

struct pump {
	struct sluice_channel *c;
	int in, out, err; /* -1: none */
	bool own;         /* in and out are one socket of ours, closed with the pump */
	bool small;       /* out and err may block: as much as always fits */
	pump_filter *filter;
	void *arg;
	struct pump_buf up, down, down_err;
	bool in_over, eof_sent, out_over, over;
	bool nobody;         /* out takes nothing any more */
	bool more;           /* was left for the next turn */
	bool opened, closed; /* told by callbacks */
	size_t place_in, place_out, place_err;
	uint64_t bytes_up, bytes_down;
	uint32_t idle_ms;         /* it ends when nothing moved for so long; 0: it does not */
	bool idle;                /* and did */
	uint64_t moved, moved_ms; /* bytes both ways, and when they became so many */
	struct pump *next;
};

/* Not now, says the library: later it does. */
static inline bool pump_waits(ssize_t r)
{
	return r == -SLUICE_E_WOULD_BLOCK || r == -SLUICE_E_WOULD_BLOCK_REKEY;
}

/* 0 or -ENOMEM. The channel may come later. */
int pump_init(struct pump *p, struct sluice_channel *c, int in, int out, int err);
/* Frees the channel; wipes. */
void pump_fini(struct pump *p);
void pump_prepare(struct pump *p, struct turn *t);
/* Moves what can be moved. */
void pump_run(struct pump *p, const struct turn *t);
/* Is all of it said and written, in both directions that are left? */
bool pump_over(const struct pump *p);
/*
 * A descriptor for the same file that does not block, without changing it for others: its own, or
 * fd itself with *small when there is none.
 */
int pump_open(int fd, int flags, bool *small);

#endif
