/*
 * control/admin/web.h - MetricsListen: /metrics, /healthz and /readyz over HTTP/1.1, on addresses of
 * loopback and UNIX sockets.
 *
 * One request a connection, then it is closed. Nothing can be changed here and nothing is said of
 * clients but how many there are. A page is put together at once: some 100 us a shard.
 * Limits  WEB_CLIENTS_MAX at a time, of all listeners; HTTP_HEAD_MAX bytes of a request; WEB_MS from
 *         the first byte to the last of the answer.
 * Thread  the loop's.
 */
#ifndef SLUICE_CONTROL_ADMIN_WEB_H
#define SLUICE_CONTROL_ADMIN_WEB_H

#include <uv.h>

#include "control/admin/admin.h"

#define WEB_CLIENTS_MAX 16
#define WEB_MS          5000

struct web;

/* Listens everywhere, or nowhere: -errno, and *ret_where is the place that is at fault. */
int web_new(uv_loop_t *loop, const struct admin_env *env, const struct conf_strs *where,
	    struct web **ret, const char **ret_where) __attribute__((warn_unused_result));
/* NULL is nothing. Freed when the loop has let go of its handles. */
void web_close(struct web *w);
unsigned int web_clients(const struct web *w);

#endif
