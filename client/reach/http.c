/* client/reach/http.c - CONNECT of an HTTP proxy (RFC 9110 section 9.3.6). */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client/reach/proxy_internal.h"
#include "conf/addr.h"
#include "crypto/secret.h"

#define ANSWERS_MAX 3

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

void http_authority(const struct proxy_talk *t, char *buf, size_t size)
{
	bool v6 = strchr(t->host, ':') != NULL;

	snprintf(buf, size, v6 ? "[%s]:%u" : "%s:%u", t->host, t->ask.port);
}

/* c NULL: it has not asked who we are. */
static int request_put(struct proxy_talk *t, const struct http_challenge *c)
{
	int r;

	secret_wipe(t->out, t->out_len); /* it answered before it was told all of it */
	t->out_at = t->out_len = 0;
	r = talk_put(t, t->request, t->request_len);
	if (r == 0 && c != NULL)
		r = http_answer_put(t, c);
	return r < 0 ? r : put_text(t, "\r\n");
}

int http_begin(struct proxy_talk *t)
{
	char line[2 * PROXY_WORD_MAX + 96], authority[PROXY_WORD_MAX + 16];
	int r;

	if (strpbrk(t->host, " /?#@[]\"<>\\") != NULL || strchr(t->user, ':') != NULL ||
	    (*t->user == '\0' && *t->password != '\0'))
		return -EINVAL;
	http_authority(t, authority, sizeof(authority));
	snprintf(line, sizeof(line), "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", authority, authority);
	r = put_text(t, line);
	for (unsigned int i = 0; r == 0 && i < t->ask.n_headers; i++) {
		r = is_header(t->ask.header[i]) ? put_text(t, t->ask.header[i]) : -EINVAL;
		if (r == 0)
			r = put_text(t, "\r\n");
	}
	if (r < 0)
		return r;
	memcpy(t->request, t->out, t->out_len);
	t->request_len = t->out_len;
	return request_put(t, NULL);
}

/* It wants to know who we are: told once, and again where that came too late. */
static int asked(struct proxy_talk *t, const char *head, int text)
{
	struct http_challenge c;

	http_challenge_find(head, &c);
	if (*t->user == '\0' || c.rank == HTTP_NOTHING || t->answers == ANSWERS_MAX ||
	    (t->answers > 0 && !c.stale))
		return talk_fail(t, -EACCES, "%.*s", text, head);
	if (request_put(t, &c) < 0)
		return talk_fail(t, -EACCES, "%.*s; what it asks cannot be answered", text, head);
	t->answers++;
	t->in_len = 0;
	t->step = 0;
	return PROXY_ANEW;
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
	case 407:
		return asked(t, head, text);
	case 401:
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
