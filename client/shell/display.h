/*
 * client/shell/display.h - an X11 display: its name, its cookie, and what its clients say first,
 * where a cookie that we made up gives way to the display's own.
 *
 * Source  X Window System Protocol, section 8 (connection setup); X(7), DISPLAY NAMES; ssh(1).
 */
#ifndef SLUICE_CLIENT_SHELL_DISPLAY_H
#define SLUICE_CLIENT_SHELL_DISPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/config/forward.h"

#define COOKIE_MAX       256 /* bytes */
#define COOKIE_PROTO_MAX 64
#define DISPLAY_COOKIE   "MIT-MAGIC-COOKIE-1"
/* The most that is said before it is known whether it fits. */
#define DISPLAY_HELLO_MAX (12 + COOKIE_PROTO_MAX + COOKIE_MAX)

struct display {
	struct forward_end end;
	unsigned int screen;
	char xauth[FORWARD_HOST_MAX]; /* what xauth(1) calls it */
};

struct cookie {
	char proto[COOKIE_PROTO_MAX + 1];
	uint8_t real[COOKIE_MAX], fake[COOKIE_MAX];
	size_t len;
};

enum display_step { DISPLAY_MORE, DISPLAY_OK, DISPLAY_BAD };

/* "[host]:number[.screen]" of DISPLAY. False: it is none. */
bool display_parse(const char *text, struct display *ret);
/* The first line of "xauth list": display, protocol, data. False: there is none. */
bool cookie_parse(const char *text, struct cookie *ret);
/* n bytes that a client began with: OK has them with the display's cookie. BAD: it has not ours. */
enum display_step display_hello(const struct cookie *k, uint8_t *p, size_t n);

#endif
