/*
 * control/service/cast.h - a recording of a terminal as text: asciicast v2.
 *
 * Source  asciicast v2 (docs.asciinema.org): a line of JSON about the session, then one for each
 *         event: [seconds, "o" | "i" | "r" | "m", text].
 *
 * JSON holds characters, a program says bytes: what is no UTF-8 becomes U+FFFD, and a character
 * that comes in two pieces is one of the second.
 * Thread  any: pure. Memory  a line is the caller's: free().
 */
#ifndef SLUICE_CONTROL_SERVICE_CAST_H
#define SLUICE_CONTROL_SERVICE_CAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CAST_TEXT_MAX (16 * 1024) /* bytes of one event; of more there are several */

/* Whose bytes: each has characters of its own. */
enum cast_way { CAST_IN, CAST_OUT, CAST_ERR, CAST_WAYS };

struct cast_about {
	unsigned int columns, rows;
	int64_t timestamp;   /* Unix time */
	const char *command; /* NULL: a login shell */
	const char *term;    /* "": no terminal */
	const char *title;
};

struct cast {
	struct {
		uint8_t p[3];
		size_t n;
	} rest[CAST_WAYS]; /* a character that has begun */
};

/* Lines with their ends; NULL: no memory. */
char *cast_header(const struct cast_about *a);
/*
 * n <= CAST_TEXT_MAX bytes; last: nothing follows them, and what has begun is none. *ret NULL: no
 * character is whole yet. -ENOMEM.
 */
int cast_text(struct cast *c, uint64_t at_us, enum cast_way way, const uint8_t *p, size_t n,
	      bool last, char **ret) __attribute__((warn_unused_result));
char *cast_resize(uint64_t at_us, unsigned int columns, unsigned int rows);
/* For who looks at it: what is said of the recording itself. */
char *cast_marker(uint64_t at_us, const char *text);

#endif
