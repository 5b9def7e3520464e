/* dataplane/log.c - see log.h. */
#include "dataplane/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

void dp_log(const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	/* One write, so that lines of several processes do not mix. */
	fprintf(stderr, "sluice-dataplane[%d]: %s\n", (int)getpid(), line);
}
