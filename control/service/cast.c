/* control/service/cast.c - see cast.h. */
#include "control/service/cast.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_CHAR   "\xef\xbf\xbd" /* U+FFFD */
#define PRECISION 15             /* digits that a time is true to */
#define DUMP      (JSON_COMPACT | JSON_REAL_PRECISION(PRECISION))

/* What is dumped is taken. */
static char *line(json_t *v)
{
	char *text = v != NULL ? json_dumps(v, DUMP) : NULL, *whole = NULL;

	json_decref(v);
	if (text != NULL && asprintf(&whole, "%s\n", text) < 0)
		whole = NULL;
	free(text);
	return whole;
}

/*
 * The character that n > 0 bytes begin with (RFC 3629 section 4): its length. 0: it is not whole
 * yet; -1: there is none.
 */
static int character(const uint8_t *p, size_t n)
{
	const uint8_t lead = p[0];
	size_t len = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	/* Of the second byte, where the shortest form and the last character bound it. */
	const uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
	const uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;

	if ((lead >= 0x80 && lead < 0xc2) || lead > 0xf4)
		return -1;
	for (size_t i = 1; i < len && i < n; i++)
		if (p[i] < (i == 1 ? low : 0x80) || p[i] > (i == 1 ? high : 0xbf))
			return -1;
	return len <= n ? (int)len : 0;
}

/*
 * The characters of n bytes into to, which has room for three bytes of each. Returns their length;
 * what is no whole character yet is left.
 */
static size_t characters(const uint8_t *p, size_t n, char *to, size_t *ret_left)
{
	size_t len = 0;

	while (n > 0) {
		int k = character(p, n);

		if (k == 0)
			break;
		memcpy(to + len, k > 0 ? (const char *)p : NO_CHAR, k > 0 ? (size_t)k : 3);
		len += k > 0 ? (size_t)k : 3;
		k = k > 0 ? k : 1;
		p += k;
		n -= (size_t)k;
	}
	*ret_left = n;
	return len;
}

/* For names and commands, which are bytes as well. */
static json_t *clean(const char *text)
{
	const size_t n = strnlen(text, CAST_TEXT_MAX);
	char out[3 * CAST_TEXT_MAX];
	size_t left, len = characters((const uint8_t *)text, n, out, &left);

	return json_stringn(out, len);
}

char *cast_header(const struct cast_about *a)
{
	json_t *v = json_pack("{s:i, s:i, s:i, s:I, s:o*}", "version", 2, "width", (int)a->columns,
			      "height", (int)a->rows, "timestamp", (json_int_t)a->timestamp,
			      "title", clean(a->title));

	if (v != NULL && a->command != NULL)
		(void)json_object_set_new(v, "command", clean(a->command));
	if (v != NULL && *a->term != '\0')
		(void)json_object_set_new(v, "env", json_pack("{s:o*}", "TERM", clean(a->term)));
	return line(v);
}

static json_t *event(uint64_t at_us, const char *code, const char *text, size_t n)
{
	return json_pack("[f, s, s%]", (double)at_us / 1e6, code, text, n);
}

int cast_text(struct cast *c, uint64_t at_us, enum cast_way way, const uint8_t *p, size_t n,
	      bool last, char **ret)
{
	uint8_t in[sizeof(c->rest[0].p) + CAST_TEXT_MAX];
	char out[3 * sizeof(in)];
	size_t had = c->rest[way].n, len, left;

	*ret = NULL;
	memcpy(in, c->rest[way].p, had);
	memcpy(in + had, p, n);
	len = characters(in, had + n, out, &left);
	if (left > 0 && last) {
		memcpy(out + len, NO_CHAR, 3);
		len += 3;
		left = 0;
	}
	c->rest[way].n = left;
	memcpy(c->rest[way].p, in + had + n - left, left);
	if (len == 0)
		return 0;
	*ret = line(event(at_us, way == CAST_IN ? "i" : "o", out, len));
	return *ret != NULL ? 0 : -ENOMEM;
}

char *cast_resize(uint64_t at_us, unsigned int columns, unsigned int rows)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%ux%u", columns, rows);

	return line(event(at_us, "r", text, (size_t)n));
}

char *cast_marker(uint64_t at_us, const char *text)
{
	return line(event(at_us, "m", text, strlen(text)));
}
