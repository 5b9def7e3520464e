/* control/admin/web.c - see web.h. */
#include "control/admin/web.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/addr.h"
#include "conf/http.h"
#include "control/admin/metrics.h"
#include "control/count.h"
#include "link/sock.h"

#define BACKLOG         64
#define ACCEPT_RETRY_MS 1000 /* after accept() failed for want of something */

struct client {
	uv_poll_t poll;
	struct web *web;
	unsigned int place;
	int fd;
	struct timer late;
	char in[HTTP_HEAD_MAX];
	size_t in_len;
	struct answer_text out;
	size_t sent;
};

struct door {
	uv_poll_t poll;
	struct web *web;
	int fd;
	struct timer retry;
	char *path; /* of a UNIX socket; NULL: it is none */
};

struct web {
	const struct admin_env *env;
	struct door *door;
	size_t n_doors, n_closing;
	struct client *client[WEB_CLIENTS_MAX];
};

/* --- clients -----------------------------------------------------------------------------------
 */

static void on_client_closed(uv_handle_t *h)
{
	free(h->data);
}

static void client_end(struct client *c)
{
	c->web->client[c->place] = NULL;
	timer_cancel(c->web->env->sessions->timers, &c->late);
	answer_text_free(&c->out);
	uv_poll_stop(&c->poll);
	uv_close((uv_handle_t *)&c->poll, on_client_closed);
	close(c->fd);
}

static void on_late(struct timer *t)
{
	client_end((struct client *)(void *)((char *)t - offsetof(struct client, late)));
}

/* The page behind its head, which says how long it is. */
static int respond(struct client *c, const char *status, const char *type, const char *page,
		   size_t len, bool head)
{
	char text[HTTP_ANSWER_MAX];
	int r = answer_text_add(&c->out, text, http_head(text, status, type, len));

	return r < 0 || head ? r : answer_text_add(&c->out, page, len);
}

static int respond_text(struct client *c, const char *status, const char *text, bool head)
{
	char line[128];
	int n = snprintf(line, sizeof(line), "%s\n", text);

	return respond(c, status, "text/plain; charset=utf-8", line, (size_t)n, head);
}

static int respond_metrics(struct client *c, const struct http_request *q)
{
	struct answer_text page = {0};
	int r = metrics_text(c->web->env, q->open_metrics, &page);

	if (r == 0)
		r = respond(c, "200 OK", http_metrics_type(q->open_metrics), page.p, page.len,
			    q->head);
	answer_text_free(&page);
	return r;
}

static int answer(struct client *c, const struct http_request *q)
{
	const char *why;

	if (http_asks_for(q, "/metrics"))
		return respond_metrics(c, q);
	if (http_asks_for(q, "/healthz"))
		return respond_text(c, "200 OK", "ok", q->head);
	if (!http_asks_for(q, "/readyz"))
		return respond_text(c, "404 Not Found", "/metrics, /healthz, /readyz", q->head);
	why = metrics_not_ready(c->web->env);
	return respond_text(c, why == NULL ? "200 OK" : "503 Service Unavailable",
			    why == NULL ? "ready" : why, q->head);
}

static int refuse(struct client *c, int err)
{
	const char *text, *status = http_refusal(err, &text);

	return respond_text(c, status, text, false);
}

/* 0, or it is over. */
static int client_read(struct client *c)
{
	ssize_t n = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, 0);
	struct http_request q;
	int r;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -EPIPE;
	c->in_len += (size_t)n;
	r = http_parse(c->in, c->in_len, &q);
	if (r == -EAGAIN)
		return 0;
	return r == 0 ? answer(c, &q) : refuse(c, r);
}

static int client_write(struct client *c)
{
	ssize_t n = send(c->fd, c->out.p + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	c->sent += (size_t)n;
	return c->sent == c->out.len ? -EPIPE : 0;
}

static void on_client(uv_poll_t *poll, int status, int events)
{
	struct client *c = poll->data;
	int r = status < 0 ? status : c->out.len > 0 ? client_write(c) : client_read(c);

	(void)events;
	if (r == 0)
		r = uv_poll_start(poll, c->out.len > 0 ? UV_WRITABLE : UV_READABLE, on_client);
	if (r < 0)
		client_end(c);
}

/* Takes fd. */
static void client_new(struct door *d, unsigned int place, int fd)
{
	const struct session_env *e = d->web->env->sessions;
	struct client *c = calloc(1, sizeof(*c));

	if (c == NULL || uv_poll_init(d->poll.loop, &c->poll, fd) < 0) {
		free(c);
		close(fd);
		return;
	}
	c->poll.data = c;
	c->web = d->web;
	c->place = place;
	c->fd = fd;
	c->late.fire = on_late;
	d->web->client[place] = c;
	if (timer_set(e->timers, &c->late, e->now_ms() + WEB_MS) < 0 ||
	    uv_poll_start(&c->poll, UV_READABLE, on_client) < 0)
		client_end(c);
}

/* --- doors
 * ---------------------------------------------------------------------------------------- */

static int door_watch(struct door *d);

/* No descriptors, say: the caller stays where it is and must not keep the loop awake. */
static void door_rest(struct door *d)
{
	const struct session_env *e = d->web->env->sessions;

	uv_poll_stop(&d->poll);
	if (timer_set(e->timers, &d->retry, e->now_ms() + ACCEPT_RETRY_MS) < 0)
		(void)!door_watch(d);
}

static void on_retry(struct timer *t)
{
	(void)!door_watch((struct door *)(void *)((char *)t - offsetof(struct door, retry)));
}

unsigned int web_clients(const struct web *w)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < WEB_CLIENTS_MAX; i++)
		n += w->client[i] != NULL;
	return n;
}

static void on_caller(uv_poll_t *poll, int status, int events)
{
	struct door *d = poll->data;
	int fd = accept4(d->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	unsigned int place = 0;

	(void)status;
	(void)events;
	if (fd < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			door_rest(d);
		return;
	}
	while (place < WEB_CLIENTS_MAX && d->web->client[place] != NULL)
		place++;
	if (place < WEB_CLIENTS_MAX) {
		client_new(d, place, fd);
		return;
	}
	control_count(CONTROL_C_WEB_CLIENTS);
	close(fd);
}

static int door_watch(struct door *d)
{
	return uv_poll_start(&d->poll, UV_READABLE, on_caller);
}

static int bind_loopback(int fd, const struct conf_addr *a)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(a->port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(a->port)};
	const int on = 1;
	int r;

	memcpy(&in.sin_addr, a->addr, sizeof(in.sin_addr));
	memcpy(&in6.sin6_addr, a->addr, sizeof(in6.sin6_addr));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	r = a->family == 4 ? bind(fd, (struct sockaddr *)&in, sizeof(in))
			   : bind(fd, (struct sockaddr *)&in6, sizeof(in6));
	return r < 0 ? -errno : 0;
}

static int listen_loopback(const struct conf_addr *a)
{
	int fd = socket(a->family == 4 ? AF_INET : AF_INET6,
			SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return -errno;
	r = bind_loopback(fd, a);
	if (r == 0 && listen(fd, BACKLOG) < 0)
		r = -errno;
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

/* A socket for whoever may enter its folder: numbers are no secret on this machine. */
static int listen_unix(const char *path)
{
	int fd = link_listen_stream(path);

	if (fd >= 0)
		(void)!chmod(path, 0666);
	return fd;
}

/* A socket that listens at a place of MetricsListen. */
static int listen_at(const char *where)
{
	struct conf_addr a;

	if (where[0] == '/')
		return listen_unix(where);
	return conf_endpoint_parse(where, &a) == 0 ? listen_loopback(&a) : -EINVAL;
}

/* --- life
 * ----------------------------------------------------------------------------------------- */

static void on_door_closed(uv_handle_t *h)
{
	struct door *d = h->data;
	struct web *w = d->web;

	if (--w->n_closing > 0)
		return;
	free(w->door);
	free(w);
}

static void door_close(struct door *d)
{
	if (d->path != NULL)
		unlink(d->path);
	free(d->path);
	timer_cancel(d->web->env->sessions->timers, &d->retry);
	uv_poll_stop(&d->poll);
	uv_close((uv_handle_t *)&d->poll, on_door_closed);
	close(d->fd);
}

static int door_open(uv_loop_t *loop, struct door *d, const char *where)
{
	int r = listen_at(where);

	if (r < 0)
		return r;
	d->fd = r;
	d->path = where[0] == '/' ? strdup(where) : NULL;
	r = where[0] == '/' && d->path == NULL ? -ENOMEM : uv_poll_init(loop, &d->poll, d->fd);
	if (r < 0) {
		free(d->path);
		close(d->fd);
		return r;
	}
	d->poll.data = d;
	d->retry.fire = on_retry;
	return 0;
}

int web_new(uv_loop_t *loop, const struct admin_env *env, const struct conf_strs *where,
	    struct web **ret, const char **ret_where)
{
	struct web *w = calloc(1, sizeof(*w));
	int r = 0;

	*ret_where = "MetricsListen";
	if (w != NULL)
		w->door = calloc(where->n + 1, sizeof(*w->door));
	if (w == NULL || w->door == NULL) {
		free(w);
		return -ENOMEM;
	}
	w->env = env;
	for (size_t i = 0; i < where->n && r == 0; i++) {
		struct door *d = &w->door[i];

		*ret_where = where->v[i];
		d->web = w;
		r = door_open(loop, d, where->v[i]);
		if (r < 0)
			break;
		w->n_doors++;
		r = door_watch(d);
	}
	if (r < 0) {
		web_close(w);
		return r;
	}
	*ret = w;
	return 0;
}

void web_close(struct web *w)
{
	if (w == NULL)
		return;
	for (unsigned int i = 0; i < WEB_CLIENTS_MAX; i++)
		if (w->client[i] != NULL)
			client_end(w->client[i]);
	w->n_closing = w->n_doors;
	for (size_t i = 0; i < w->n_doors; i++)
		door_close(&w->door[i]);
	if (w->n_doors > 0)
		return;
	free(w->door);
	free(w);
}
