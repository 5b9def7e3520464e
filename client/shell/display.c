/* client/shell/display.c - see display.h. */
#include "client/shell/display.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/secret.h"

#define SOCKET_PATH "/tmp/.X11-unix/X%u"
#define TCP_BASE    6000
#define HELLO_HEAD  12
#define NUMBER_MAX  (UINT16_MAX - TCP_BASE)

/* A number and what is behind it. */
static bool number(const char **p, unsigned int max, unsigned int *ret)
{
	char *end;
	unsigned long n;

	if (**p < '0' || **p > '9')
		return false;
	n = strtoul(*p, &end, 10);
	*p = end;
	*ret = (unsigned int)n;
	return n <= max;
}

bool display_parse(const char *text, struct display *ret)
{
	const char *colon = strrchr(text, ':'), *p;
	struct display d = {0};
	unsigned int n;
	size_t host;

	/* It becomes a word of a command. */
	if (colon == NULL || *text == '-' ||
	    strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:/.-_") !=
		    strlen(text))
		return false;
	p = colon + 1;
	if (!number(&p, NUMBER_MAX, &n) || (*p == '.' && (p++, !number(&p, 255, &d.screen))) ||
	    *p != '\0')
		return false;
	host = (size_t)(colon - text);
	if (host >= sizeof(d.end.host) || strlen(text) + 8 > sizeof(d.xauth))
		return false;
	d.end.path = host == 0 || (host == 4 && strncmp(text, "unix", 4) == 0);
	if (d.end.path) {
		snprintf(d.end.host, sizeof(d.end.host), SOCKET_PATH, n);
	} else {
		memcpy(d.end.host, text, host);
		d.end.port = (uint16_t)(TCP_BASE + n);
	}
	/* A forwarded one is in its file by the host's own name. */
	if (host == 9 && strncmp(text, "localhost", 9) == 0)
		snprintf(d.xauth, sizeof(d.xauth), "unix%s", colon);
	else
		snprintf(d.xauth, sizeof(d.xauth), "%s", text);
	*ret = d;
	return true;
}

static int hex(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

bool cookie_parse(const char *text, struct cookie *ret)
{
	struct cookie k = {0};
	char data[2 * COOKIE_MAX + 1];
	size_t n;
	bool ok;

	ok = sscanf(text, "%*[^ \t\n]%*[ \t]%64[^ \t\n]%*[ \t]%512[0-9a-fA-F]", k.proto, data) == 2;
	n = ok ? strlen(data) : 0;
	for (size_t i = 0; i + 1 < n; i += 2)
		k.real[k.len++] = (uint8_t)(hex(data[i]) << 4 | hex(data[i + 1]));
	if (ok && n % 2 == 0)
		*ret = k;
	secret_wipe(data, sizeof(data));
	secret_wipe(&k, sizeof(k));
	return ok && n % 2 == 0;
}

enum display_step display_hello(const struct cookie *k, uint8_t *p, size_t n)
{
	size_t name, data, at;
	bool big = n > 0 && p[0] == 'B';

	if (n > 0 && p[0] != 'B' && p[0] != 'l')
		return DISPLAY_BAD;
	if (n < HELLO_HEAD)
		return DISPLAY_MORE;
	name = big ? (size_t)p[6] << 8 | p[7] : (size_t)p[7] << 8 | p[6];
	data = big ? (size_t)p[8] << 8 | p[9] : (size_t)p[9] << 8 | p[8];
	if (name != strlen(k->proto) || data != k->len)
		return DISPLAY_BAD;
	at = HELLO_HEAD + ((name + 3) & ~(size_t)3);
	if (n < at + data)
		return DISPLAY_MORE;
	if (memcmp(p + HELLO_HEAD, k->proto, name) != 0 || !secret_equal(p + at, k->fake, data))
		return DISPLAY_BAD;
	memcpy(p + at, k->real, data);
	return DISPLAY_OK;
}
