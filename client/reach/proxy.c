#include "client/reach/proxy.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/reach/proxy_internal.h"
#include "conf/addr.h"
#include "crypto/secret.h"

static const struct {
	const char *scheme;
	enum proxy_kind kind;
	uint16_t port;
} kinds[] = {
	{"http", PROXY_HTTP, 80},         {"socks4", PROXY_SOCKS4, 1080},
	{"socks4a", PROXY_SOCKS4A, 1080}, {"socks5", PROXY_SOCKS5, 1080},
	{"socks5h", PROXY_SOCKS5H, 1080},
};

#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* --- where it is ------------------------------------------------------------------------ */

static bool word_copy(const char *p, size_t n, char ret[PROXY_WORD_MAX + 1])
{
	if (n == 0 || n > PROXY_WORD_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isgraph((unsigned char)p[i]))
			return false;
	memcpy(ret, p, n);
	ret[n] = '\0';
	return true;
}

static bool host_port_parse(const char *p, struct proxy_addr *a)
{
	const char *end = p + strcspn(p, ":/");

	if (*p == '[') {
		p++;
		end = strchr(p, ']');
	}
	if (end == NULL || !word_copy(p, (size_t)(end - p), a->host))
		return false;
	end += *end == ']';
	if (*end == ':') {
		char port[8] = "";
		size_t n = strcspn(++end, "/");

		if (n >= sizeof(port))
			return false;
		memcpy(port, end, n);
		if (conf_port_parse(port, &a->port) < 0)
			return false;
		end += n;
	}
	return *end == '\0' || strcmp(end, "/") == 0;
}

int proxy_addr_parse(const char *text, struct proxy_addr *ret)
{
	const char *at = strstr(text, "://"), *user;
	struct proxy_addr a = {0};

	if (strcmp(text, "none") == 0) {
		*ret = a;
		return 0;
	}
	for (size_t i = 0; at != NULL && i < N_KINDS; i++)
		if (strlen(kinds[i].scheme) == (size_t)(at - text) &&
		    strncasecmp(kinds[i].scheme, text, (size_t)(at - text)) == 0) {
			a.kind = kinds[i].kind;
			a.port = kinds[i].port;
		}
	if (a.kind == PROXY_NONE)
		return -EINVAL;
	at += 3;
	user = at;
	at = strrchr(user, '@');
	if (at != NULL && !word_copy(user, (size_t)(at - user), a.user))
		return -EINVAL;
	if (!host_port_parse(at != NULL ? at + 1 : user, &a))
		return -EINVAL;
	*ret = a;
	return 0;
}

bool proxy_takes_names(enum proxy_kind kind)
{
	return kind == PROXY_SOCKS4A || kind == PROXY_SOCKS5H || kind == PROXY_HTTP;
}

/* --- a talk ----------------------------------------------------------------------------- */

int talk_put(struct proxy_talk *t, const void *p, size_t n)
{
	if (sizeof(t->out) - t->out_len < n)
		return -EINVAL;
	memcpy(t->out + t->out_len, p, n);
	t->out_len += n;
	return 0;
}

int talk_fail(struct proxy_talk *t, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(t->why, sizeof(t->why), fmt, ap);
	va_end(ap);
	for (char *p = t->why; *p != '\0'; p++)
		if (!isprint((unsigned char)*p))
			*p = '?';
	return err;
}

static bool copy(const char *from, char ret[PROXY_WORD_MAX + 1])
{
	size_t n = from != NULL ? strlen(from) : 0;

	if (n > PROXY_WORD_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if (iscntrl((unsigned char)from[i]))
			return false;
	memcpy(ret, from != NULL ? from : "", n + 1);
	return true;
}

int proxy_talk_new(const struct proxy_ask *ask, struct proxy_talk **ret)
{
	struct proxy_talk *t = calloc(1, sizeof(*t));
	int r = -EINVAL;

	if (t == NULL)
		return -ENOMEM;
	t->ask = *ask;
	if (copy(ask->host, t->host) && copy(ask->user, t->user) &&
	    copy(ask->password, t->password) && *t->host != '\0' && ask->port != 0)
		r = ask->kind == PROXY_HTTP ? http_begin(t) : socks_begin(t);
	t->ask.host = t->ask.user = t->ask.password = NULL;
	t->ask.header = NULL;
	if (r < 0) {
		proxy_talk_free(t);
		return r;
	}
	*ret = t;
	return 0;
}

void proxy_talk_free(struct proxy_talk *t)
{
	if (t == NULL)
		return;
	secret_wipe(t, sizeof(*t));
	free(t);
}

const uint8_t *proxy_talk_out(const struct proxy_talk *t, size_t *ret_len)
{
	*ret_len = t->out_len - t->out_at;
	return t->out + t->out_at;
}

void proxy_talk_sent(struct proxy_talk *t, size_t n)
{
	t->out_at += n;
	if (t->out_at == t->out_len) {
		secret_wipe(t->out, t->out_len);
		t->out_at = t->out_len = 0;
	}
}

const char *proxy_talk_why(const struct proxy_talk *t)
{
	return t->why;
}

/* A byte at a time of a head whose end only its bytes say; as many as are wanted of a reply. */
static size_t take(struct proxy_talk *t, const uint8_t *p, size_t len)
{
	size_t n = t->need - t->in_len;

	if (t->ask.kind == PROXY_HTTP)
		n = 1;
	else if (n > len)
		n = len;
	memcpy(t->in + t->in_len, p, n);
	t->in_len += n;
	return n;
}

static bool head_ends(const struct proxy_talk *t)
{
	const uint8_t *end = t->in + t->in_len;

	return (t->in_len >= 4 && memcmp(end - 4, "\r\n\r\n", 4) == 0) ||
	       (t->in_len >= 2 && memcmp(end - 2, "\n\n", 2) == 0);
}

static int step(struct proxy_talk *t)
{
	if (t->ask.kind != PROXY_HTTP)
		return t->in_len < t->need ? -EAGAIN : socks_step(t);
	if (t->in_len == sizeof(t->in))
		return talk_fail(t, -EMSGSIZE, "an answer of more than %d bytes", PROXY_REPLY_MAX);
	if (!head_ends(t))
		return -EAGAIN;
	t->in[t->in_len] = '\0';
	return http_step(t);
}

int proxy_talk_input(struct proxy_talk *t, const uint8_t *p, size_t len, size_t *ret_used)
{
	size_t at = 0;
	int r = -EAGAIN;

	if (t->err != 0)
		return t->err < 0 ? t->err : -EPROTO;
	while (r == -EAGAIN && at < len) {
		at += take(t, p + at, len - at);
		r = step(t);
	}
	if (r != -EAGAIN && r != PROXY_ANEW)
		t->err = r == 0 ? 1 : r;
	*ret_used = at;
	return r;
}
