/*
 * client/shell/escape.h - the escape character of a terminal: what is typed behind it at the begin
 * of a line steers sluice and does not go on. Source ssh(1), ESCAPE CHARACTERS.
 */
#ifndef SLUICE_CLIENT_SHELL_ESCAPE_H
#define SLUICE_CLIENT_SHELL_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum escape_act {
	ESCAPE_DISCONNECT = 1, /* . */
	ESCAPE_BREAK,          /* B */
	ESCAPE_COMMAND,        /* C */
	ESCAPE_REKEY,          /* R */
	ESCAPE_LESS,           /* V: to be said */
	ESCAPE_MORE,           /* v */
	ESCAPE_SUSPEND,        /* ^Z */
	ESCAPE_LIST,           /* # */
	ESCAPE_BACKGROUND,     /* & */
	ESCAPE_HELP,           /* ? */
};

struct escape {
	int character; /* -1: none, all goes through */
	bool middle;   /* of a line; a session begins with one */
	bool seen;     /* the character was the last */
};

/* EscapeChar: a character, "^X", or "none". */
int escape_character(const char *value);
/*
 * Up to the first thing to do: what goes on is written to out, which has room for 2 * n; *ret_used
 * bytes were looked at. 0, or what is to be done.
 */
int escape_feed(struct escape *e, const uint8_t *in, size_t n, uint8_t *out, size_t *ret_out,
		size_t *ret_used);

#endif
