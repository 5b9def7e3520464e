/* conf/http.c - see http.h. */
#include "conf/http.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* The next line of [*at, end), without CR LF; LF alone ends one, too (RFC 9112 section 2.2). */
static bool line_next(const char **at, const char *end, const char **ret, size_t *ret_len)
{
	const char *lf = memchr(*at, '\n', (size_t)(end - *at));

	if (lf == NULL)
		return false;
	*ret = *at;
	*ret_len = (size_t)(lf - *at);
	if (*ret_len > 0 && (*ret)[*ret_len - 1] == '\r')
		--*ret_len;
	*at = lf + 1;
	return true;
}

/* Does the comma list of a field name this type, whatever its weight? */
static bool takes(const char *value, size_t len, const char *type)
{
	const size_t n = strlen(type);

	for (size_t i = 0; i + n <= len; i++)
		if (strncasecmp(value + i, type, n) == 0)
			return true;
	return false;
}

static int request_line(const char *line, size_t len, struct http_request *ret)
{
	const char *end = line + len, *path, *version;

	for (const char *p = line; p < end; p++)
		if (*p < ' ' || *p > '~')
			return -EBADMSG;
	path = memchr(line, ' ', len);
	if (path == NULL)
		return -EBADMSG;
	path++;
	version = memchr(path, ' ', (size_t)(end - path));
	if (version == NULL || path == version || *path != '/' || end - version - 1 != 8 ||
	    memcmp(version + 1, "HTTP/", 5) != 0)
		return -EBADMSG;
	if (memcmp(version + 6, "1.", 2) != 0)
		return -EPROTONOSUPPORT;
	ret->head = path - line == 5 && memcmp(line, "HEAD", 4) == 0;
	if (!ret->head && (path - line != 4 || memcmp(line, "GET", 3) != 0))
		return -EOPNOTSUPP;
	ret->path = path;
	ret->path_len = (size_t)(version - path);
	for (size_t i = 0; i < ret->path_len; i++)
		if (path[i] == '?')
			ret->path_len = i;
	return 0;
}

static void field(const char *line, size_t len, struct http_request *r)
{
	if (len > 7 && strncasecmp(line, "accept:", 7) == 0)
		r->open_metrics |= takes(line + 7, len - 7, "application/openmetrics-text");
}

/* Whether the head is whole is known by its empty line; then it is looked at. */
static bool is_whole(const char *p, size_t len)
{
	const char *at = p, *line;
	size_t n = 1;

	while (line_next(&at, p + len, &line, &n) && n > 0)
		;
	return n == 0;
}

int http_parse(const char *p, size_t len, struct http_request *ret)
{
	struct http_request r = {0};
	const char *at = p, *line;
	size_t n;
	int err;

	if (!is_whole(p, len))
		return len < HTTP_HEAD_MAX ? -EAGAIN : -E2BIG;
	if (!line_next(&at, p + len, &line, &n))
		return -EBADMSG;
	err = request_line(line, n, &r);
	if (err < 0)
		return err;
	while (line_next(&at, p + len, &line, &n) && n > 0)
		field(line, n, &r);
	*ret = r;
	return 0;
}

size_t http_head(char *buf, const char *status, const char *type, size_t len)
{
	int n = snprintf(buf, HTTP_ANSWER_MAX,
			 "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
			 "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
			 "Connection: close\r\n\r\n",
			 status, type, len);

	return n < HTTP_ANSWER_MAX ? (size_t)n : HTTP_ANSWER_MAX - 1;
}

const char *http_refusal(int err, const char **ret_text)
{
	switch (err) {
	case -EOPNOTSUPP:
		*ret_text = "GET or HEAD";
		return "405 Method Not Allowed";
	case -EPROTONOSUPPORT:
		*ret_text = "HTTP/1.1";
		return "505 HTTP Version Not Supported";
	case -E2BIG:
		*ret_text = "too long";
		return "431 Request Header Fields Too Large";
	default:
		*ret_text = "no request";
		return "400 Bad Request";
	}
}
