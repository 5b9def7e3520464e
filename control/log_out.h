/*
 * control/log_out.h - a descriptor for lines that never holds up who writes them.
 *
 * A pipe or a terminal whose reader has stopped would block the loop, and with it all that is
 * served. Here lines wait in a bounded memory, whole and in their order, and are tried again by
 * time; where that is full they are lost, and the first line that gets through again says how
 * many. A regular file takes what it is given, and nothing is kept.
 * Units   milliseconds of the timers.
 * Thread  the loop's.
 */
#ifndef SLUICE_CONTROL_LOG_OUT_H
#define SLUICE_CONTROL_LOG_OUT_H

#include <stddef.h>
#include <stdint.h>

#include "control/timers.h"

#define LOG_OUT_KEEP     (1024 * 1024) /* bytes that wait */
#define LOG_OUT_RETRY_MS 20

struct log_out;

/*
 * fd stays the caller's. A pipe is opened a second time, as O_NONBLOCK on what others write to as
 * well would be theirs too; that may need the rights the process has at its start.
 */
int log_out_new(int fd, struct log_out **ret) __attribute__((warn_unused_result));
/* With timers what waits is tried again by itself, as long as they are given; NULL: not any more.
 */
void log_out_timers(struct log_out *o, struct timers *timers, uint64_t (*now_ms)(void));
/* Tries once more what waits. */
void log_out_free(struct log_out *o);

/* line has no end of its own. */
void log_out_line(struct log_out *o, const char *line);
/* What log.h writes goes here from now on; NULL: to stderr again. */
void log_out_use(struct log_out *o);
/*
 * In a child of ours: what waits is its parent's to write, and nothing is tried again by time. A
 * line of a child that ends before there is room for it is lost.
 */
void log_out_forked(struct log_out *o);
/* How many were lost so far. */
uint64_t log_out_lost(const struct log_out *o);

#endif
