/* client/reach/http.c - CONNECT of an HTTP proxy (RFC 9110 section 9.3.6, RFC 7617). */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client/reach/proxy_internal.h"
#include "conf/addr.h"
#include "crypto/base64.h"
#include "crypto/secret.h"

static int put_text(struct proxy_talk *t, const char *s)
{
	return talk_put(t, s, strlen(s));
}

/* One more line in a header would be one of whoever chose the text. */
static bool is_header(const char *s)
{
	const char *colon = strchr(s, ':');

	if (colon == NULL || colon == s)
		return false;
	for (const char *p = s; *p != '\0'; p++)
		if ((iscntrl((unsigned char)*p) && *p != '\t') || (p < colon && *p == ' '))
			return false;
	return true;
}

/* RFC 7617 section 2: a colon ends the user. */
static int put_basic(struct proxy_talk *t)
{
	char plain[2 * PROXY_WORD_MAX + 2], text[sizeof(plain) / 3 * 4 + 8];
	size_t n;
	int r;

	if (*t->user == '\0')
		return 0;
	if (strchr(t->user, ':') != NULL)
		return -EINVAL;
	n = (size_t)snprintf(plain, sizeof(plain), "%s:%s", t->user, t->password);
	base64_encode((const uint8_t *)plain, n, text);
	r = put_text(t, "Proxy-Authorization: Basic ");
	if (r == 0)
		r = talk_put(t, text, base64_len(n));
	if (r == 0)
		r = put_text(t, "\r\n");
	secret_wipe(plain, sizeof(plain));
	secret_wipe(text, sizeof(text));
	secret_wipe(t->password, sizeof(t->password));
	return r;
}

int http_begin(struct proxy_talk *t)
{
	bool v6 = strchr(t->host, ':') != NULL;
	char line[2 * PROXY_WORD_MAX + 64];
	int r;

	if (strpbrk(t->host, " /?#@[]\"<>\\") != NULL || (*t->user == '\0' && *t->password != '\0'))
		return -EINVAL;
	snprintf(line, sizeof(line),
		 v6 ? "CONNECT [%s]:%u HTTP/1.1\r\nHost: [%s]:%u\r\n"
		    : "CONNECT %s:%u HTTP/1.1\r\nHost: %s:%u\r\n",
		 t->host, t->ask.port, t->host, t->ask.port);
	r = put_text(t, line);
	if (r == 0)
		r = put_basic(t);
	for (unsigned int i = 0; r == 0 && i < t->ask.n_headers; i++) {
		r = is_header(t->ask.header[i]) ? put_text(t, t->ask.header[i]) : -EINVAL;
		if (r == 0)
			r = put_text(t, "\r\n");
	}
	return r < 0 ? r : put_text(t, "\r\n");
}

/* "HTTP/1.1 200 …"; its three digits, or -1. */
static int status_of(const char *p)
{
	if (strncmp(p, "HTTP/1.", 7) != 0 || !isdigit((unsigned char)p[7]) || p[8] != ' ')
		return -1;
	p += 9;
	for (int i = 0; i < 3; i++)
		if (!isdigit((unsigned char)p[i]))
			return -1;
	if (p[3] != ' ' && p[3] != '\r' && p[3] != '\n')
		return -1;
	return (p[0] - '0') * 100 + (p[1] - '0') * 10 + p[2] - '0';
}

int http_step(struct proxy_talk *t)
{
	const char *head = (const char *)t->in;
	int status = status_of(head), text = (int)strcspn(head, "\r\n");

	if (status < 0)
		return talk_fail(t, -EPROTO, "not an HTTP proxy");
	if (status >= 100 && status < 200) { /* RFC 9110 section 15.2: the answer is to come */
		t->in_len = 0;
		return ++t->step > 8 ? talk_fail(t, -EPROTO, "no answer but %d", status) : -EAGAIN;
	}
	if (status >= 200 && status < 300)
		return 0;
	switch (status) {
	case 401:
	case 407:
		return talk_fail(t, -EACCES, "%.*s", text, head);
	case 403:
	case 405:
		return talk_fail(t, -EPERM, "%.*s", text, head);
	case 504:
		return talk_fail(t, -ETIMEDOUT, "%.*s", text, head);
	default:
		return talk_fail(t, -ECONNREFUSED, "%.*s", text, head);
	}
}
