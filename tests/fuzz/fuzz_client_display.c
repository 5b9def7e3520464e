/*
 * Displays: what programs of X11 say first, in a program's own bytes, changes the cookie's bytes
 * alone, and those only when ours was there; names and what xauth says are read within bounds.
 * Texts of a server that are shown steer no terminal.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "client/shell/display.h"
#include "client/shell/plain.h"

static void hello(const struct cookie *k, const uint8_t *data, size_t size)
{
	uint8_t *p = malloc(size + 1);
	size_t changed = 0;

	if (p == NULL)
		return;
	if (size > 0)
		memcpy(p, data, size);
	switch (display_hello(k, p, size)) {
	case DISPLAY_MORE:
		if (size >= DISPLAY_HELLO_MAX)
			abort();
		break;
	case DISPLAY_OK:
		for (size_t i = 0; i < size; i++)
			changed += p[i] != data[i];
		if (changed > k->len)
			abort();
		break;
	case DISPLAY_BAD:
		if (memcmp(p, data, size) != 0)
			abort();
	}
	free(p);
}

static void shown(const uint8_t *p, size_t len)
{
	while (len > 0) {
		size_t n = plain_char((const char *)p, len);

		if (n > 4 || n > len || (n == 1 && *p >= 0x7f) ||
		    (n == 1 && *p < ' ' && *p != '\n' && *p != '\t') ||
		    (n == 2 && *p == 0xc2 && p[1] < 0xa0))
			abort();
		for (size_t i = 1; i < n; i++)
			if ((p[i] & 0xc0) != 0x80)
				abort();
		p += n > 0 ? n : 1;
		len -= n > 0 ? n : 1;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cookie k = {.proto = "PROTO", .real = "real", .fake = "fake", .len = 4}, said;
	char *text = strndup((const char *)data, size);
	struct display d;

	hello(&k, data, size);
	shown(data, size);
	if (text != NULL && display_parse(text, &d) &&
	    (memchr(d.end.host, 0, sizeof(d.end.host)) == NULL || d.screen > 255))
		abort();
	if (text != NULL && cookie_parse(text, &said) && said.len > COOKIE_MAX)
		abort();
	free(text);
	return 0;
}
