/*
 * control/admin/http.h - the head of a request of HTTP/1.1 (RFC 9112), as far as it takes to be
 * asked for a page: one GET or HEAD on a connection, without a body.
 *
 * A library would bring threads, time-outs and sockets of its own into a process that has them
 * already, for a request line and one field.
 */
#ifndef SLUICE_CONTROL_ADMIN_HTTP_H
#define SLUICE_CONTROL_ADMIN_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#define HTTP_HEAD_MAX 4096

struct http_request {
	const char *path; /* a view; without its query */
	size_t path_len;
	bool head;        /* HEAD: the same without the page */
	bool open_metrics; /* it takes application/openmetrics-text */
};

/*
 * 0; -EAGAIN: more of it is to come; -EBADMSG: it is none; -EOPNOTSUPP: another method;
 * -EPROTONOSUPPORT: another HTTP; -E2BIG: HTTP_HEAD_MAX bytes are no whole head.
 */
int http_parse(const char *p, size_t len, struct http_request *ret)
	__attribute__((warn_unused_result));

static inline bool http_asks_for(const struct http_request *r, const char *path)
{
	size_t n = 0;

	while (n < r->path_len && path[n] != '\0' && r->path[n] == path[n])
		n++;
	return n == r->path_len && path[n] == '\0';
}

#endif
