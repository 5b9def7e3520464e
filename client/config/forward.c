/* client/config/forward.c - forward specifications and destinations, from words to structs. */
#include "client/config/forward.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client/reach/name.h"
#include "conf/match.h"

#define FIELDS_MAX 4

/* --- fields ---------------------------------------------------------------------------------- */

/* What stands between colons; a colon in [brackets] or behind a backslash is none. */
struct field {
	char text[FORWARD_HOST_MAX];
	bool path, bracket;
};

/* One field at *p, which moves to its end. False: too long, or a bracket is open. */
static bool field_read(const char **p, struct field *f)
{
	const char *s = *p;
	size_t n = 0;

	f->path = *s == '/';
	f->bracket = *s == '[';
	s += f->bracket;
	for (; *s != '\0' && *s != (f->bracket ? ']' : ':'); s++) {
		if (*s == '\\' && (s[1] == ':' || s[1] == '\\'))
			s++;
		if (n + 1 >= sizeof(f->text))
			return false;
		f->text[n++] = *s;
	}
	f->text[n] = '\0';
	if (f->bracket && *s++ != ']')
		return false;
	*p = s;
	return *s == '\0' || *s == ':';
}

static int fields_read(const char *spec, struct field f[FIELDS_MAX], unsigned int *ret_n)
{
	unsigned int n = 0;

	for (;;) {
		if (n == FIELDS_MAX || !field_read(&spec, &f[n]))
			return -EINVAL;
		n++;
		if (*spec++ == '\0')
			break;
	}
	*ret_n = n;
	return 0;
}

/* --- ends ------------------------------------------------------------------------------------ */

static void end_path(const struct field *f, struct forward_end *end)
{
	*end = (struct forward_end){.path = true};
	strcpy(end->host, f->text);
}

/* host may be NULL: not said. */
static int listener(const struct field *host, const struct field *port, struct forward_end *end)
{
	*end = (struct forward_end){0};
	if (port->path || port->bracket || !port_parse(port->text, true, &end->port))
		return -EINVAL;
	if (host == NULL)
		return 0;
	if (host->path)
		return -EINVAL;
	end->any_host = *host->text == '\0' || strcmp(host->text, "*") == 0;
	strcpy(end->host, end->any_host ? "*" : host->text);
	return end->any_host || destination_host_ok(end->host) ? 0 : -EINVAL;
}

static int target(const struct field *host, const struct field *port, struct forward_end *end)
{
	*end = (struct forward_end){0};
	if (host->path || port->path || port->bracket || *host->text == '\0' ||
	    !port_parse(port->text, false, &end->port))
		return -EINVAL;
	strcpy(end->host, host->text);
	return destination_host_ok(end->host) ? 0 : -EINVAL;
}

int forward_target_parse(const char *spec, struct forward_end *ret)
{
	struct field f[FIELDS_MAX];
	unsigned int n;

	if (fields_read(spec, f, &n) < 0)
		return -EINVAL;
	if (n == 1 && f[0].path) {
		end_path(&f[0], ret);
		return 0;
	}
	return n == 2 ? target(&f[0], &f[1], ret) : -EINVAL;
}

/* The fields of a listener at the front: how many, 0: they are none. */
static unsigned int listener_take(const struct field *f, unsigned int n, struct forward_end *end)
{
	if (n == 1 && f[0].path) {
		end_path(&f[0], end);
		return 1;
	}
	if (n == 1 && listener(NULL, &f[0], end) == 0)
		return 1;
	return n == 2 && listener(&f[0], &f[1], end) == 0 ? 2 : 0;
}

static int ends_parse(enum forward_kind kind, const char *spec, struct forward *ret)
{
	struct field f[FIELDS_MAX];
	struct forward fwd = {.kind = kind};
	unsigned int n, t; /* fields in all, of the target */

	if (fields_read(spec, f, &n) < 0)
		return -EINVAL;
	t = f[n - 1].path && (n > 1 || kind == FORWARD_LOCAL) ? 1 : 2;
	if (kind == FORWARD_DYNAMIC || (kind == FORWARD_REMOTE && n <= 2 && t == 2)) {
		/* host:port alone may be a listener; "path:port" and the like are not. */
		fwd.socks = true;
		t = 0;
	}
	if (n < t || listener_take(f, n - t, &fwd.listen) == 0)
		return -EINVAL;
	if (t == 1)
		end_path(&f[n - 1], &fwd.target);
	else if (t == 2 && target(&f[n - 2], &f[n - 1], &fwd.target) < 0)
		return -EINVAL;
	*ret = fwd;
	return 0;
}

/* Origins are addresses, and nothing is looked up: a name in the list would never be met. */
static bool from_take(const char *from, struct forward *f)
{
	if (f->kind != FORWARD_REMOTE || f->listen.path || strlen(from) >= sizeof(f->from) ||
	    !match_addr_list_valid(from) || match_list_names(from))
		return false;
	strcpy(f->from, from);
	return true;
}

int forward_parse(enum forward_kind kind, const char *spec, struct forward *ret)
{
	const char *from = strchr(spec, FORWARD_FROM_MARK);
	char ends[FIELDS_MAX * FORWARD_HOST_MAX];
	size_t n = from != NULL ? (size_t)(from - spec) : 0;
	struct forward f;

	if (from == NULL)
		return ends_parse(kind, spec, ret);
	if (n >= sizeof(ends))
		return -EINVAL;
	memcpy(ends, spec, n);
	ends[n] = '\0';
	if (ends_parse(kind, ends, &f) < 0 || !from_take(from + 1, &f))
		return -EINVAL;
	*ret = f;
	return 0;
}

static int end_text(const struct forward_end *e, bool listen, char *buf, size_t size)
{
	if (e->path)
		return snprintf(buf, size, "%s", e->host);
	if (listen && *e->host == '\0')
		return snprintf(buf, size, "%u", e->port);
	return snprintf(buf, size, "[%s]:%u", e->host, e->port);
}

bool forward_same(const struct forward *a, const struct forward *b)
{
	return a->kind == b->kind && a->listen.path == b->listen.path &&
	       a->listen.any_host == b->listen.any_host && a->listen.port == b->listen.port &&
	       strcmp(a->listen.host, b->listen.host) == 0;
}

const char *forward_text(const struct forward *f, char *buf, size_t size)
{
	int n = end_text(&f->listen, true, buf, size);

	if (n < 0 || (size_t)n + 2 > size)
		return buf;
	if (f->kind == FORWARD_DYNAMIC)
		return buf;
	buf[n++] = ' ';
	if (f->socks)
		snprintf(buf + n, size - (size_t)n, "[socks]:0");
	else
		end_text(&f->target, false, buf + n, size - (size_t)n);
	n = (int)strlen(buf);
	if (*f->from != '\0')
		snprintf(buf + n, size - (size_t)n, " from=%s", f->from);
	return buf;
}

/* --- destinations ---------------------------------------------------------------------------- */

bool destination_host_ok(const char *host)
{
	return reach_host_valid(host);
}

bool destination_user_ok(const char *user)
{
	return reach_user_valid(user);
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* %XX of a URI, in place. */
static bool decode(char *text)
{
	char *to = text;

	for (; *text != '\0'; text++) {
		if (*text != '%') {
			*to++ = *text;
			continue;
		}
		if (hex(text[1]) < 0 || hex(text[2]) < 0 || (text[1] == '0' && text[2] == '0'))
			return false;
		*to++ = (char)(hex(text[1]) * 16 + hex(text[2]));
		text += 2;
	}
	*to = '\0';
	return true;
}

int destination_parse(const char *text, bool port_too, struct destination *ret)
{
	bool uri = strncasecmp(text, "ssh://", 6) == 0;
	char copy[FORWARD_HOST_MAX + 300], *host, *at;
	struct destination d = {0};
	struct field f[FIELDS_MAX];
	const char *p;
	size_t n;

	text += uri ? 6 : 0;
	n = strlen(text);
	if (uri && n > 0 && text[n - 1] == '/')
		n--;
	if (n >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, n);
	copy[n] = '\0';
	at = strrchr(copy, '@');
	host = at != NULL ? at + 1 : copy;
	if (at != NULL) {
		*at = '\0';
		if (uri && strcspn(copy, ";") < strlen(copy))
			copy[strcspn(copy, ";")] = '\0'; /* connection parameters: none is taken */
		if (uri && !decode(copy))
			return -EINVAL;
		if (*copy == '\0' || strlen(copy) >= sizeof(d.user) || !destination_user_ok(copy))
			return -EINVAL;
		strcpy(d.user, copy);
	}
	if (!uri && !port_too) {
		if (strlen(host) >= sizeof(d.host))
			return -EINVAL;
		strcpy(d.host, host);
	} else {
		p = host;
		if (!field_read(&p, &f[0]) || f[0].path)
			return -EINVAL;
		if (*p == ':' && !port_parse(p + 1, false, &d.port))
			return -EINVAL;
		if (uri && !decode(f[0].text))
			return -EINVAL;
		strcpy(d.host, f[0].text);
	}
	if (!destination_host_ok(d.host))
		return -EINVAL;
	*ret = d;
	return 0;
}
