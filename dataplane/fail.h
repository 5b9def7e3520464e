/*
 * dataplane/fail.h - why something does not start, for the one who asked, into his own bytes.
 */
#ifndef SLUICE_DATAPLANE_FAIL_H
#define SLUICE_DATAPLANE_FAIL_H

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

static inline int start_fail(char *err, size_t err_size, int r, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Returns r. */
static inline int start_fail(char *err, size_t err_size, int r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, err_size, fmt, ap);
	va_end(ap);
	return r;
}

#endif
