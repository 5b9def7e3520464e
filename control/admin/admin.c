#include "control/admin/admin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/admin/console.h"
#include "control/admin/talk.h"
#include "control/count.h"
#include "control/log.h"
#include "link/sock.h"

#define ACCEPT_RETRY_MS 1000 /* after accept() failed for want of something */

/* One caller. */
struct client {
	struct talk talk;
	struct admin *admin; /* whose place `place` it has */
	unsigned int place;
	struct timer idle;
};

struct admin {
	uv_poll_t poll;
	const struct admin_env *env;
	char *path;
	int fd;
	struct timer retry;
	struct client *client[ADMIN_CLIENTS_MAX];
	struct consoles consoles;
};

/* --- clients --------------------------------------------------------------------- */

static struct client *client_of(struct talk *t)
{
	return (struct client *)(void *)((char *)t - offsetof(struct client, talk));
}

static void on_client_closed(struct talk *t)
{
	free(client_of(t));
}

static void client_end(struct client *c)
{
	c->admin->client[c->place] = NULL;
	timer_cancel(c->admin->env->sessions->timers, &c->idle);
	talk_end(&c->talk, on_client_closed);
}

static void on_idle(struct timer *t)
{
	client_end((struct client *)(void *)((char *)t - offsetof(struct client, idle)));
}

/* From here on it may be silent again. */
static int alive(struct talk *t)
{
	const struct session_env *e = t->env->sessions;

	return timer_set(e->timers, &client_of(t)->idle, e->now_ms() + ADMIN_IDLE_MS);
}

static int ask(struct talk *t, const char *line, size_t len)
{
	return answer_begin(&t->answer, t->env, line, len, &t->out);
}

static void over(struct talk *t)
{
	client_end(client_of(t));
}

static const struct talk_ops client_ops = {ask, alive, over};

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

unsigned int admin_clients(const struct admin *a)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < ADMIN_CLIENTS_MAX; i++)
		n += a->client[i] != NULL;
	return n;
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
	if (c == NULL || talk_begin(&c->talk, a->poll.loop, a->env, &client_ops, fd) < 0) {
		free(c);
		close(fd);
		return;
	}
	c->admin = a;
	c->place = place;
	c->idle.fire = on_idle;
	(void)caller_of(fd, &c->talk.answer);
	a->client[place] = c;
	if (alive(&c->talk) < 0 || talk_hear(&c->talk) < 0)
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
	consoles_begin(&a->consoles, loop, env);
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
	if (a->consoles.env != NULL)
		consoles_end(&a->consoles);
	timer_cancel(a->env->sessions->timers, &a->retry);
	/* In this order: while we listen, the file at path is nobody's but ours. */
	unlink(a->path);
	uv_poll_stop(&a->poll);
	uv_close((uv_handle_t *)&a->poll, on_admin_closed);
	close(a->fd);
}
