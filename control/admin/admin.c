#include "control/admin/admin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/admin/answer.h"
#include "control/count.h"
#include "control/log.h"
#include "link/sock.h"

#define ACCEPT_RETRY_MS 1000 /* after accept() failed for want of something */

/* One caller. What it sends is read only while nothing is on its way to it. */
struct client {
	uv_poll_t poll;
	struct admin *admin; /* whose place `place` it has */
	unsigned int place;
	int fd;
	struct timer idle;
	char in[ADMIN_LINE_MAX];
	size_t in_len;
	bool last; /* closed once its answer is sent */
	struct answer answer;
	struct answer_text out;
	size_t sent; /* of out */
};

struct admin {
	uv_poll_t poll;
	const struct admin_env *env;
	char *path;
	int fd;
	struct timer retry;
	struct client *client[ADMIN_CLIENTS_MAX];
};

/* --- clients --------------------------------------------------------------------- */

static void on_client_closed(uv_handle_t *h)
{
	free(h->data);
}

static void client_end(struct client *c)
{
	c->admin->client[c->place] = NULL;
	timer_cancel(c->admin->env->sessions->timers, &c->idle);
	answer_over(&c->answer);
	answer_text_free(&c->out);
	uv_poll_stop(&c->poll);
	uv_close((uv_handle_t *)&c->poll, on_client_closed);
	close(c->fd);
}

static void on_idle(struct timer *t)
{
	client_end((struct client *)(void *)((char *)t - offsetof(struct client, idle)));
}

/* It has asked or taken something: from here on it may be silent again. */
static int alive(struct client *c)
{
	const struct session_env *e = c->admin->env->sessions;

	return timer_set(e->timers, &c->idle, e->now_ms() + ADMIN_IDLE_MS);
}

/* 1: all of it is on its way; 0: the socket is full. */
static int client_flush(struct client *c)
{
	while (c->sent < c->out.len) {
		ssize_t n = send(c->fd, c->out.p + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);
		int r;

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		c->sent += (size_t)n;
		r = alive(c);
		if (r < 0)
			return r;
	}
	c->sent = c->out.len = 0;
	return 1;
}

/* The bytes of the first line, its end included; 0: there is none as yet. */
static size_t line_len(const struct client *c)
{
	const char *end = memchr(c->in, '\n', c->in_len);

	return end != NULL ? (size_t)(end - c->in) + 1 : 0;
}

static int client_ask(struct client *c, size_t n)
{
	size_t len = n - 1;
	int r;

	if (len > 0 && c->in[len - 1] == '\r')
		len--;
	r = answer_begin(&c->answer, c->admin->env, c->in, len, &c->out);
	c->in_len -= n;
	memmove(c->in, c->in + n, c->in_len);
	return r < 0 ? r : alive(c);
}

static int client_read(struct client *c)
{
	ssize_t n = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -EPIPE; /* what was asked before is answered */
	c->in_len += (size_t)n;
	if (c->in_len < sizeof(c->in) || line_len(c) > 0)
		return 0;
	c->last = true; /* where the next line begins nobody knows */
	return answer_error("the line is too long", &c->out);
}

/* One thing a turn, so that no client takes the loop for longer than a piece of an answer. */
static int client_step(struct client *c)
{
	int r = client_flush(c);
	size_t n;

	if (r <= 0)
		return r;
	if (c->last)
		return -EPIPE;
	if (c->answer.waits)
		return 0;
	if (c->answer.more != NULL)
		return answer_more(&c->answer, c->admin->env, &c->out);
	n = line_len(c);
	return n > 0 ? client_ask(c, n) : client_read(c);
}

static void on_client(uv_poll_t *poll, int status, int events);

/*
 * Either there is something to do for it, as soon as it takes bytes, or it is to speak. While its
 * answer waits for others, which is never long, it is not looked at: that it has no more to say is
 * not its end.
 */
static int client_watch(struct client *c)
{
	bool busy = c->last || c->answer.more != NULL || line_len(c) > 0;

	if (c->out.len > 0 || (busy && !c->answer.waits))
		return uv_poll_start(&c->poll, UV_WRITABLE, on_client);
	if (c->answer.waits)
		return uv_poll_stop(&c->poll);
	return uv_poll_start(&c->poll, UV_READABLE, on_client);
}

/* What its answer waited for came. */
static void on_answer(struct answer *a)
{
	struct client *c = (struct client *)(void *)((char *)a - offsetof(struct client, answer));

	if (a->failed < 0 || client_watch(c) < 0)
		client_end(c);
}

static void on_client(uv_poll_t *poll, int status, int events)
{
	struct client *c = poll->data;

	(void)events;
	if (status < 0 || client_step(c) < 0 || client_watch(c) < 0)
		client_end(c);
}

/* --- the listener ---------------------------------------------------------------- */

static bool place_find(const struct admin *a, unsigned int *ret)
{
	for (unsigned int i = 0; i < ADMIN_CLIENTS_MAX; i++) {
		if (a->client[i] != NULL)
			continue;
		*ret = i;
		return true;
	}
	return false;
}

/* A socket that is new takes a line without waiting; if not, it goes without. */
static void turn_away(int fd)
{
	struct answer_text out = {0};

	if (answer_error("too many clients", &out) == 0)
		(void)!send(fd, out.p, out.len, MSG_NOSIGNAL);
	answer_text_free(&out);
	close(fd);
}

/* For the log: who may call at all was looked at before (link_accept()). */
static int caller_of(int fd, struct answer *a)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
		return -errno;
	a->caller.uid = who.uid;
	a->caller.pid = who.pid;
	return 0;
}

/* Takes fd. */
static void client_new(struct admin *a, int fd)
{
	struct client *c;
	unsigned int place;

	if (!place_find(a, &place)) {
		control_count(CONTROL_C_ADMIN_CLIENTS);
		turn_away(fd);
		return;
	}
	c = calloc(1, sizeof(*c));
	if (c == NULL || uv_poll_init(a->poll.loop, &c->poll, fd) < 0) {
		free(c);
		close(fd);
		return;
	}
	c->poll.data = c;
	c->admin = a;
	c->place = place;
	c->fd = fd;
	c->idle.fire = on_idle;
	c->answer.out = &c->out;
	(void)caller_of(fd, &c->answer);
	c->answer.wake = on_answer;
	a->client[place] = c;
	if (alive(c) < 0 || client_watch(c) < 0)
		client_end(c);
}

static int listener_watch(struct admin *a);

static void on_caller(uv_poll_t *poll, int status, int events)
{
	struct admin *a = poll->data;
	const struct session_env *e = a->env->sessions;
	int fd = link_accept(a->fd);

	(void)status;
	(void)events;
	if (fd >= 0) {
		client_new(a, fd);
		return;
	}
	if (fd == -EPERM)
		log_line(LOG_L_ERROR, "%s: a caller of another user was turned away", a->path);
	if (fd == -EPERM || fd == -EAGAIN || fd == -EINTR || fd == -ECONNABORTED)
		return;
	/* No descriptors, say: the caller stays where it is and must not keep the loop awake. */
	log_line(LOG_L_ERROR, "%s: accept: %s", a->path, strerror(-fd));
	uv_poll_stop(&a->poll);
	if (timer_set(e->timers, &a->retry, e->now_ms() + ACCEPT_RETRY_MS) < 0)
		(void)listener_watch(a);
}

static int listener_watch(struct admin *a)
{
	return uv_poll_start(&a->poll, UV_READABLE, on_caller);
}

static void on_retry(struct timer *t)
{
	struct admin *a = (struct admin *)(void *)((char *)t - offsetof(struct admin, retry));

	if (listener_watch(a) < 0)
		log_line(LOG_L_ERROR, "%s: nobody can be heard there any more", a->path);
}

/* --- life ------------------------------------------------------------------------ */

static void on_admin_closed(uv_handle_t *h)
{
	struct admin *a = h->data;

	free(a->path);
	free(a);
}

int admin_new(uv_loop_t *loop, const struct admin_env *env, const char *path, struct admin **ret)
{
	struct admin *a = calloc(1, sizeof(*a));
	int r;

	if (a == NULL)
		return -ENOMEM;
	a->env = env;
	a->retry.fire = on_retry;
	a->path = strdup(path);
	a->fd = a->path != NULL ? link_listen_stream(path) : -ENOMEM;
	if (a->fd < 0) {
		r = a->fd;
		goto out;
	}
	r = uv_poll_init(loop, &a->poll, a->fd);
	if (r < 0) {
		unlink(path);
		close(a->fd);
		goto out;
	}
	a->poll.data = a;
	r = listener_watch(a);
	if (r < 0) {
		admin_close(a);
		return r;
	}
	*ret = a;
	return 0;
out:
	free(a->path);
	free(a);
	return r;
}

void admin_close(struct admin *a)
{
	if (a == NULL)
		return;
	for (unsigned int i = 0; i < ADMIN_CLIENTS_MAX; i++)
		if (a->client[i] != NULL)
			client_end(a->client[i]);
	timer_cancel(a->env->sessions->timers, &a->retry);
	/* In this order: while we listen, the file at path is nobody's but ours. */
	unlink(a->path);
	uv_poll_stop(&a->poll);
	uv_close((uv_handle_t *)&a->poll, on_admin_closed);
	close(a->fd);
}
