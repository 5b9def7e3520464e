/*
 * tests/util/lines.h - which lines of memory a piece of code wrote.
 *
 * All that the process may write is compared with a copy of it, by cache lines: heap, tables,
 * DPDK's memory, what is shared with other processes. A line that was written with what it had is
 * not seen, so one looks often, while counters count. The stack of the caller is left out, and what
 * is asked for.
 */
#ifndef SLUICE_TESTS_LINES_H
#define SLUICE_TESTS_LINES_H

#include <stddef.h>
#include <stdint.h>

struct lines;

struct lines *lines_new(void);
void lines_free(struct lines *l);
/* Not looked at from here on. */
void lines_leave_out(struct lines *l, const void *p, size_t len);
/* Notes what was written since the last call: by who, a bit; 0: it does not matter by whom. */
void lines_look(struct lines *l, unsigned int who);
/* Lines that this one wrote, of which others wrote none. */
size_t lines_written(const struct lines *l, unsigned int who);
/* The next line behind p that several wrote, or NULL; p NULL: the first. */
const void *lines_next_shared(const struct lines *l, const void *p);

#endif
