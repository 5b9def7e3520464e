/*
 * Displays: what programs of X11 say first, in a program's own bytes, changes the cookie's bytes
 * alone, and those only when ours was there; names and what xauth says are read within bounds.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "client/shell/display.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cookie k = {.proto = "PROTO", .real = "real", .fake = "fake", .len = 4}, said;
	char *text = strndup((const char *)data, size);
	struct display d;

	hello(&k, data, size);
	if (text != NULL && display_parse(text, &d) &&
	    (memchr(d.end.host, 0, sizeof(d.end.host)) == NULL || d.screen > 255))
		abort();
	if (text != NULL && cookie_parse(text, &said) && said.len > COOKIE_MAX)
		abort();
	free(text);
	return 0;
}
