/* client/shell/say.c - see say.h. */
#include "client/shell/say.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "client/shell/plain.h"

static enum say_level level_now = SAY_INFO;
static FILE *file; /* NULL: standard error */
static bool raw_now;

static const char *const names[] = {"QUIET",   "FATAL", "ERROR",  "INFO",
				    "VERBOSE", "DEBUG", "DEBUG2", "DEBUG3"};

void say_level_set(enum say_level level)
{
	level_now = level;
}

bool say_level_find(const char *name, enum say_level *ret)
{
	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcasecmp(name, names[i]) == 0) {
			*ret = i;
			return true;
		}
	return false;
}

enum say_level say_level(void)
{
	return level_now;
}

int say_file(const char *path)
{
	FILE *f = fopen(path, "ae");

	if (f == NULL)
		return -errno;
	setvbuf(f, NULL, _IOLBF, 0);
	if (file != NULL)
		fclose(file);
	file = f;
	return 0;
}

void say_raw(bool raw)
{
	raw_now = raw;
}

static FILE *to(void)
{
	return file != NULL ? file : stderr;
}

void say(enum say_level level, const char *fmt, ...)
{
	char line[4096];
	va_list ap;

	if (level > level_now)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	/* Names and texts of others may be in it. */
	for (char *p = line; *p != '\0';) {
		size_t n = plain_char(p, strlen(p));

		if (n == 0)
			*p = '?';
		p += n + (n == 0);
	}
	if (level >= SAY_DEBUG)
		fprintf(to(), "debug%d: ", level - SAY_DEBUG + 1);
	fprintf(to(), "%s%s\n", line, raw_now && file == NULL ? "\r" : "");
}

void say_foreign(enum say_level level, const char *text, unsigned long len)
{
	if (level > level_now)
		return;
	for (unsigned long i = 0; i < len;) {
		size_t n = plain_char(text + i, len - i);

		if (text[i] == '\n' && raw_now && file == NULL)
			fputc('\r', to());
		if (n > 0)
			fwrite(text + i, 1, n, to());
		else if (text[i] != '\r')
			fputc('?', to());
		i += n + (n == 0);
	}
	fflush(to());
}
