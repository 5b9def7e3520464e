/*
 * control/log.h - lines for the operator, in sshd's wording and levels.
 *
 * Safety  the whole line is escaped after it was formatted, so no string of a stranger can
 *         begin a new line, move a cursor or pass for another (S-82): bytes outside
 *         printable ASCII become \ooo, a backslash becomes two. Escaping can be undone.
 * Thread  the loop's.
 */
#ifndef SLUICE_CONTROL_LOG_H
#define SLUICE_CONTROL_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "conf/conf.h"

#define LOG_LINE_MAX 1024 /* before escaping; what is longer is cut */

enum log_level {
	LOG_L_QUIET = 0, /* as a threshold: nothing is written */
	LOG_L_FATAL,
	LOG_L_ERROR,
	LOG_L_INFO,
	LOG_L_VERBOSE,
	LOG_L_DEBUG1,
	LOG_L_DEBUG2,
	LOG_L_DEBUG3,
};

/* The threshold for events that belong to no connection. */
void log_threshold_set(enum log_level threshold);
enum log_level log_threshold(void);

/* Where in the source a line is written: LogVerbose knows it by that, "FILE:FUNCTION():LINE". */
struct log_from {
	const char *file, *func;
	int line;
};
#define LOG_FROM (&(const struct log_from){__FILE__, __func__, __LINE__})

/* LogVerbose for what belongs to no connection; a copy is taken. */
void log_verbose_set(const struct conf_strs *patterns);
/* Is it to be written whatever its level? patterns: of a connection; NULL: those that were set. */
bool log_forced(const struct log_from *from, const struct conf_strs *patterns);

#define log_line(level, ...) log_line_from(LOG_FROM, level, __VA_ARGS__)
void log_line_from(const struct log_from *from, enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Without a threshold: the caller has looked. forced: it says where it comes from. */
void log_put(const struct log_from *from, bool forced, enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* A text of several lines, each as one. */
void log_lines(enum log_level level, const char *text);
/* With the threshold of a connection (LogLevel may stand in a Match block). */
#define log_line_at(threshold, level, ...) log_line_at_from(LOG_FROM, threshold, level, __VA_ARGS__)
void log_line_at_from(const struct log_from *from, enum log_level threshold, enum log_level level,
		      const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Where lines go instead of stderr; NULL: stderr again. Lines come without their end. */
typedef void log_sink_fn(void *arg, enum log_level level, const char *line);
void log_sink_set(log_sink_fn *sink, void *arg);

/*
 * Escapes n bytes into buf, always terminated; what does not fit is left out, never half
 * an escape. Returns the length written.
 */
size_t log_escape(const void *p, size_t n, char *buf, size_t size);

#endif
