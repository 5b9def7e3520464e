/*
 * conf/http.h - the head of a request of HTTP/1.1 (RFC 9112), as far as it takes to be
 * asked for a page: one GET or HEAD on a connection, without a body.
 *
 * A library would bring threads, time-outs and sockets of its own into a process that has them
 * already, for a request line and one field.
 */
#ifndef SLUICE_CONF_HTTP_H
#define SLUICE_CONF_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#define HTTP_HEAD_MAX 4096

struct http_request {
	const char *path; /* a view; without its query */
	size_t path_len;
	bool head;         /* HEAD: the same without the page */
	bool open_metrics; /* it takes application/openmetrics-text */
};

/*
 * 0; -EAGAIN: more of it is to come; -EBADMSG: it is none; -EOPNOTSUPP: another method;
 * -EPROTONOSUPPORT: another HTTP; -E2BIG: HTTP_HEAD_MAX bytes are no whole head.
 */
int http_parse(const char *p, size_t len, struct http_request *ret)
	__attribute__((warn_unused_result));

/*
 * The head of an answer of len bytes behind which the connection is closed, into buf, which is of
 * HTTP_ANSWER_MAX bytes. Its length.
 */
#define HTTP_ANSWER_MAX 512
size_t http_head(char *buf, const char *status, const char *type, size_t len);
/* What a page of metrics is sent as. */
static inline const char *http_metrics_type(bool open_metrics)
{
	return open_metrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
			    : "text/plain; version=0.0.4; charset=utf-8";
}
/* The status line for what http_parse() returned, and words for people. */
const char *http_refusal(int err, const char **ret_text);

static inline bool http_asks_for(const struct http_request *r, const char *path)
{
	size_t n = 0;

	while (n < r->path_len && path[n] != '\0' && r->path[n] == path[n])
		n++;
	return n == r->path_len && path[n] == '\0';
}

#endif
