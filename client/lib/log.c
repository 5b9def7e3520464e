/* client/lib/log.c - what a program may want to print. */
#include <stdarg.h>
#include <stdio.h>

#include "client/lib/internal.h"

/* No secret is ever an argument of it; texts of the server lose their control characters. */
void note(struct sluice *s, enum sluice_log_level level, const char *fmt, ...)
{
	char text[LOG_TEXT_MAX];
	va_list ap;

	if (s->ops.on_log == NULL || level > s->set.log_level)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = ' ';
	CALL(s, on_log, s, level, text);
}
