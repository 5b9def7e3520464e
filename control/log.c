#include "control/log.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/match.h"
#include "control/errors.h"

#define ESCAPE_MAX 4   /* "\ooo" */
#define FROM_MAX   128 /* FILE:FUNCTION():LINE, each cut as sshd does */
#define PREFIX_MAX (FROM_MAX + 64)

static struct {
	enum log_level threshold;
	log_sink_fn *sink;
	void *arg;
	struct conf_strs verbose;
} logger = {.threshold = LOG_L_INFO};

void log_threshold_set(enum log_level threshold)
{
	logger.threshold = threshold;
}

enum log_level log_threshold(void)
{
	return logger.threshold;
}

void log_sink_set(log_sink_fn *sink, void *arg)
{
	logger.sink = sink;
	logger.arg = arg;
}

/* Writes what stands for one byte and returns its length. */
static size_t escape_byte(uint8_t c, char out[ESCAPE_MAX])
{
	if (c == '\\') {
		out[0] = out[1] = '\\';
		return 2;
	}
	if (c >= 0x20 && c < 0x7f) {
		out[0] = (char)c;
		return 1;
	}
	out[0] = '\\';
	out[1] = (char)('0' + (c >> 6));
	out[2] = (char)('0' + (c >> 3 & 7));
	out[3] = (char)('0' + (c & 7));
	return 4;
}

size_t log_escape(const void *p, size_t n, char *buf, size_t size)
{
	const uint8_t *in = p;
	size_t used = 0;

	if (size == 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		char e[ESCAPE_MAX];
		size_t len = escape_byte(in[i], e);

		if (len >= size - used)
			break;
		memcpy(buf + used, e, len);
		used += len;
	}
	buf[used] = '\0';
	return used;
}

static const char *level_prefix(enum log_level level)
{
	switch (level) {
	case LOG_L_DEBUG1:
		return "debug1: ";
	case LOG_L_DEBUG2:
		return "debug2: ";
	case LOG_L_DEBUG3:
		return "debug3: ";
	default:
		return "";
	}
}

/* --- LogVerbose ---------------------------------------------------------------------------------
 */

static void verbose_free(struct conf_strs *s)
{
	for (size_t i = 0; i < s->n; i++)
		free((char *)(uintptr_t)s->v[i]);
	free((void *)(uintptr_t)s->v);
	*s = (struct conf_strs){0};
}

void log_verbose_set(const struct conf_strs *patterns)
{
	const char **v = calloc(patterns->n + 1, sizeof(*v));

	verbose_free(&logger.verbose);
	if (v == NULL)
		return;
	logger.verbose.v = v;
	for (size_t i = 0; i < patterns->n; i++)
		if ((v[logger.verbose.n] = strdup(patterns->v[i])) != NULL)
			logger.verbose.n++;
	if (logger.verbose.n == 0)
		verbose_free(&logger.verbose);
}

static void from_text(const struct log_from *from, char *buf, size_t size)
{
	const char *slash = strrchr(from->file, '/');

	snprintf(buf, size, "%.48s:%.48s():%d", slash != NULL ? slash + 1 : from->file, from->func,
		 from->line);
}

bool log_forced(const struct log_from *from, const struct conf_strs *patterns)
{
	char text[FROM_MAX];

	if (patterns == NULL)
		patterns = &logger.verbose;
	if (patterns->n == 0)
		return false;
	from_text(from, text, sizeof(text));
	for (size_t i = 0; i < patterns->n; i++)
		if (match_list(text, patterns->v[i], false) == MATCH_YES)
			return true;
	return false;
}

/* --- a line -------------------------------------------------------------------------------------
 */

/* As sshd: what was asked for by its place says which that is. */
static size_t put_prefix(char *line, size_t size, const struct log_from *from, bool forced,
			 enum log_level level)
{
	char text[FROM_MAX];

	if (!forced)
		return (size_t)snprintf(line, size, "%s", level_prefix(level));
	from_text(from, text, sizeof(text));
	return (size_t)snprintf(line, size, "%s%s (pid=%ld): ", level_prefix(level), text,
				(long)getpid());
}

static void emit(const struct log_from *from, bool forced, enum log_level level, const char *fmt,
		 va_list ap)
{
	char plain[LOG_LINE_MAX], line[LOG_LINE_MAX * ESCAPE_MAX + PREFIX_MAX];
	size_t len = put_prefix(line, PREFIX_MAX, from, forced, level);
	int n = vsnprintf(plain, sizeof(plain), fmt, ap);

	if (n < 0)
		return;
	if ((size_t)n >= sizeof(plain))
		n = sizeof(plain) - 1;
	len += log_escape(plain, (size_t)n, line + len, sizeof(line) - len - 1);
	if (level == LOG_L_ERROR || level == LOG_L_FATAL)
		errors_note_line(line);
	if (logger.sink != NULL) {
		logger.sink(logger.arg, level, line);
		return;
	}
	/* One write for one line: lines of several processes do not mix. */
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0) {
		/* A log that cannot be written must not stop the gateway. */
	}
}

void log_line_from(const struct log_from *from, enum log_level level, const char *fmt, ...)
{
	bool forced = log_forced(from, NULL);
	va_list ap;

	if (level > logger.threshold && !forced)
		return;
	va_start(ap, fmt);
	emit(from, forced, level, fmt, ap);
	va_end(ap);
}

void log_lines(enum log_level level, const char *text)
{
	while (*text != '\0') {
		size_t n = strcspn(text, "\n");

		log_line(level, "%.*s", (int)n, text);
		text += n + (text[n] == '\n');
	}
}

void log_line_at_from(const struct log_from *from, enum log_level threshold, enum log_level level,
		      const char *fmt, ...)
{
	bool forced = log_forced(from, NULL);
	va_list ap;

	if (level > threshold && !forced)
		return;
	va_start(ap, fmt);
	emit(from, forced, level, fmt, ap);
	va_end(ap);
}

void log_put(const struct log_from *from, bool forced, enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit(from, forced, level, fmt, ap);
	va_end(ap);
}
