#include "control/hook/handler.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/count.h"
#include "crypto/secret.h"
#include "ssh/chan.h"

#define NAME_BYTES ((HANDLER_NAME_MAX - 1) / 2)
#define SECOND_MS  1000 /* of HANDLER_LINES_MAX */

enum stream { STREAM_DATA, STREAM_ERR, STREAMS };

struct line {
	uv_write_t req;
	char text[];
};

struct handler_call {
	uv_pipe_t pipe;
	uv_connect_t connect;
	struct handler_env env;
	const struct handler_ops *ops; /* NULL: it is over, or was ended */
	void *arg;
	struct timer timer; /* until its streams are there; then until it is heard again */
	uint64_t until_ms;
	uint64_t lines_ms; /* since when so many lines were heard */
	uint32_t lines;
	bool held;                /* it has said too much in too short a time, or shall wait */
	uint64_t asked, answered; /* requests of its client's that want a reply */
	struct line *first;       /* until it is connected */
	size_t first_len;
	bool taken, running;
	bool again;   /* it has the channel since before this control */
	bool resumes; /* it would take it up again */
	bool has_err, framed;
	struct link_chan_cut cut;
	uint32_t code; /* of its refusal */
	int fd[STREAMS];
	char name[HANDLER_NAME_MAX], path[CONF_SOCKET_MAX];
	char in[HANDLER_LINE_MAX];
	size_t have;
};

/* --- the end ---------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *h)
{
	struct handler_call *c = h->data;

	free(c->first);
	free(c);
}

void handler_call_end(struct handler_call *c)
{
	if (c == NULL)
		return;
	c->ops = NULL;
	timer_cancel(c->env.timers, &c->timer);
	for (int i = 0; i < STREAMS; i++) {
		if (c->fd[i] >= 0)
			close(c->fd[i]);
		c->fd[i] = -1;
	}
	if (!uv_is_closing((uv_handle_t *)&c->pipe))
		uv_close((uv_handle_t *)&c->pipe, on_closed);
}

static void over(struct handler_call *c, enum helper_result result, const char *why)
{
	const struct handler_ops *ops = c->ops;
	const struct helper_done d = {result, ssh_str_c(why)};

	if (ops == NULL)
		return;
	c->ops = NULL;
	timer_cancel(c->env.timers, &c->timer);
	ops->service->done(c->arg, &d);
}

static void failed(struct handler_call *c, const char *why)
{
	over(c, HELPER_CRASHED, why);
}

/* --- streams ---------------------------------------------------------------------------------- */

/* Its first line says which channel it is of. The socket is empty: all of it goes at once. */
static int stream_open(struct handler_call *c, enum stream which, int *ret)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	char text[128];
	int n = snprintf(text, sizeof(text), "{\"v\":1,\"role\":\"%s\",\"channel\":\"%s\"}\n",
			 which == STREAM_ERR ? "stderr" : "data", c->name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), r = 0;

	if (fd < 0)
		return -errno;
	strcpy(sun.sun_path, c->path);
	if (connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) < 0)
		r = -errno;
	else if (send(fd, text, (size_t)n, MSG_NOSIGNAL) != n)
		r = -EIO;
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret = fd;
	return 0;
}

/* In and out are one socket; where there is a third they are two descriptors of it. */
static void streams_hand_over(struct handler_call *c)
{
	const struct helper_started started = {.n = c->has_err ? 3 : 1};
	int fds[3] = {c->fd[STREAM_DATA], -1, c->fd[STREAM_ERR]};

	c->running = true;
	timer_cancel(c->env.timers, &c->timer);
	if (c->has_err) {
		fds[1] = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
		if (fds[1] < 0) {
			failed(c, strerror(errno));
			return;
		}
	}
	c->fd[STREAM_DATA] = c->fd[STREAM_ERR] = -1; /* handed over */
	c->ops->service->started(c->arg, &started, fds);
}

static void streams_open(struct handler_call *c)
{
	for (int i = 0; i < (c->has_err ? STREAMS : STREAM_ERR); i++) {
		int r = c->fd[i] < 0 ? stream_open(c, (enum stream)i, &c->fd[i]) : 0;

		/* It has many to accept: again, as long as there is time. */
		if (r == -EAGAIN &&
		    timer_set(c->env.timers, &c->timer, c->env.now_ms() + HANDLER_AGAIN_MS) == 0)
			return;
		if (r < 0) {
			failed(c, strerror(-r));
			return;
		}
	}
	streams_hand_over(c);
}

static void hear_on(struct handler_call *c);

static void on_timer(struct timer *t)
{
	struct handler_call *c =
		(struct handler_call *)(void *)((char *)t - offsetof(struct handler_call, timer));

	if (c->held)
		hear_on(c);
	else if (c->taken && c->env.now_ms() < c->until_ms)
		streams_open(c);
	else
		over(c, c->again ? HELPER_LATE : HELPER_CRASHED,
		     "it did not take the channel in time");
}

/* --- what it says ----------------------------------------------------------------------------- */

static void taken(struct handler_call *c, const struct handler_line *l)
{
	c->taken = true;
	c->resumes = c->again || l->resumes;
	if (c->again) {
		c->running = true;
		timer_cancel(c->env.timers, &c->timer);
		c->ops->resumed(c->arg);
		return;
	}
	c->has_err = l->yes;
	c->framed = l->framed;
	c->cut = l->cut;
	streams_open(c);
}

static void line_heard(struct handler_call *c, const struct handler_line *l)
{
	switch (l->word) {
	case HANDLER_TAKES:
		taken(c, l);
		break;
	case HANDLER_DECLINES:
		c->code = l->code;
		over(c, HELPER_DENIED,
		     l->reason != NULL ? l->reason : "it does not take the channel");
		break;
	case HANDLER_EXITED:
		c->ops->service->exited(c->arg, &l->how);
		break;
	default:
		c->ops->says(c->arg, l);
		break;
	}
}

static void line_came(struct handler_call *c, const char *text, size_t len)
{
	struct handler_line l;

	if (handler_line_parse(text, len, !c->taken, &l) < 0) {
		failed(c, "what it said means nothing");
		return;
	}
	if (!c->taken || c->running) /* else too early to mean anything */
		line_heard(c, &l);
	handler_line_free(&l);
}

/* One that talks without end is heard as far as its client's connection is served for it. */
static bool may_hear(struct handler_call *c)
{
	uint64_t now = c->env.now_ms();

	if (!c->running)
		return true;
	if (c->held)
		return false;
	if (now - c->lines_ms >= SECOND_MS) {
		c->lines_ms = now;
		c->lines = 0;
	}
	if (c->lines++ < HANDLER_LINES_MAX)
		return true;
	c->held = true;
	control_count(CONTROL_C_HANDLER_LINES);
	uv_read_stop((uv_stream_t *)&c->pipe);
	if (timer_set(c->env.timers, &c->timer, c->lines_ms + SECOND_MS) < 0)
		failed(c, "no memory");
	return false;
}

static void lines_came(struct handler_call *c)
{
	size_t at = 0;
	const char *end;

	while (c->ops != NULL && (end = memchr(c->in + at, '\n', c->have - at)) != NULL &&
	       may_hear(c)) {
		size_t len = (size_t)(end - c->in) - at;

		line_came(c, c->in + at, len);
		at += len + 1;
	}
	memmove(c->in, c->in + at, c->have - at);
	c->have -= at;
	if (c->ops != NULL && !c->held && c->have == sizeof(c->in))
		failed(c, "a line of it is too long");
}

static void on_room(uv_handle_t *h, size_t wanted, uv_buf_t *ret)
{
	struct handler_call *c = h->data;

	(void)wanted;
	*ret = uv_buf_init(c->in + c->have, (unsigned int)(sizeof(c->in) - c->have));
}

static void on_read(uv_stream_t *st, ssize_t n, const uv_buf_t *buf)
{
	struct handler_call *c = st->data;

	(void)buf;
	if (c->ops == NULL || n == 0)
		return;
	if (n > 0) {
		c->have += (size_t)n;
		lines_came(c);
	} else if (c->running) {
		over(c, HELPER_OK, "");
	} else {
		failed(c, "it hung up");
	}
}

static void hear_on(struct handler_call *c)
{
	c->held = false;
	lines_came(c);
	if (c->ops != NULL && !c->held &&
	    uv_read_start((uv_stream_t *)&c->pipe, on_room, on_read) < 0)
		failed(c, "it cannot be read");
}

void handler_hold(struct handler_call *c)
{
	c->held = true;
	uv_read_stop((uv_stream_t *)&c->pipe);
}

void handler_hear(struct handler_call *c)
{
	if (c->ops != NULL && c->held)
		hear_on(c);
}

/* --- what it is told -------------------------------------------------------------------------- */

static void on_written(uv_write_t *req, int status)
{
	(void)status; /* it reads, or finds the connection closed */
	free((struct line *)(void *)req);
}

static bool line_send(struct handler_call *c, struct line *l, size_t len)
{
	uv_buf_t buf = uv_buf_init(l->text, (unsigned int)len);
	int r = uv_write(&l->req, (uv_stream_t *)&c->pipe, &buf, 1, on_written);

	if (r < 0)
		free(l);
	return r == 0;
}

/* Ends r. */
static int line_new(struct hook_req *r, struct line **ret, size_t *ret_len)
{
	char *room;
	int e = hook_req_line(r, NULL, 0, offsetof(struct line, text), HANDLER_QUEUE_MAX, &room,
			      ret_len);

	hook_req_end(r);
	if (e == 0)
		*ret = (struct line *)(void *)room;
	return e;
}

/* False: it reads too little, or too much would have to be told. */
static bool tell(struct handler_call *c, struct hook_req *what)
{
	struct line *l = NULL;
	size_t len;

	if (line_new(what, &l, &len) < 0)
		return false;
	if (c->ops == NULL || c->first != NULL ||
	    uv_stream_get_write_queue_size((uv_stream_t *)&c->pipe) > HANDLER_QUEUE_MAX) {
		free(l);
		return false;
	}
	return line_send(c, l, len);
}

void handler_tell(struct handler_call *c, struct hook_req *what)
{
	(void)tell(c, what);
}

bool handler_tell_request(struct handler_call *c, const struct ssh_chan_request *m, json_t *params)
{
	struct hook_req r;
	bool told;

	hook_req_begin(&r, "request");
	hook_req_text(&r, "request", m->type);
	hook_req_bool(&r, "want_reply", m->want_reply);
	if (m->want_reply)
		hook_req_int(&r, "n", c->asked + 1);
	hook_req_json(&r, "params", params);
	hook_req_bytes(&r, "raw", m->rest.p, m->rest.len);
	told = tell(c, &r);
	c->asked += told && m->want_reply;
	return told;
}

void handler_tell_answered(struct handler_call *c, bool ok)
{
	struct hook_req r;

	c->answered++;
	if (!ok)
		return;
	hook_req_begin(&r, "request");
	hook_req_int(&r, "n", c->answered);
	hook_req_bool(&r, "accepted", true);
	handler_tell(c, &r);
}

void handler_tell_reply(struct handler_call *c, bool ok)
{
	struct hook_req r;

	hook_req_begin(&r, "reply");
	hook_req_bool(&r, "reply", ok);
	handler_tell(c, &r);
}

void handler_tell_closed(struct handler_call *c)
{
	struct hook_req r;

	if (!c->running || !c->resumes)
		return;
	hook_req_begin(&r, "closed");
	handler_tell(c, &r);
}

static void on_connected(uv_connect_t *req, int status)
{
	struct handler_call *c = req->data;
	struct line *first = c->first;

	if (c->ops == NULL)
		return;
	if (status == 0)
		status = uv_read_start((uv_stream_t *)&c->pipe, on_room, on_read);
	if (status < 0) {
		failed(c, uv_strerror(status));
		return;
	}
	c->first = NULL;
	(void)line_send(c, first, c->first_len);
}

const struct link_chan_cut *handler_cut(const struct handler_call *c)
{
	return c->framed ? &c->cut : NULL;
}

uint32_t handler_code(const struct handler_call *c)
{
	return c->code;
}

const char *handler_path(const struct handler_call *c)
{
	return c->path;
}

const char *handler_name(const struct handler_call *c)
{
	return c->name;
}

bool handler_resumes(const struct handler_call *c)
{
	return c->resumes;
}

static int name_make(struct handler_call *c)
{
	uint8_t random[NAME_BYTES];

	if (crypto_random(random, sizeof(random)) < 0)
		return -EIO;
	for (unsigned int i = 0; i < NAME_BYTES; i++)
		sprintf(c->name + 2 * i, "%02x", random[i]);
	return 0;
}

/* name NULL: it has none yet. */
static int begin(const struct handler_env *env, const char *path, const char *name,
		 struct hook_req *first, const struct handler_ops *ops, void *arg,
		 struct handler_call **ret)
{
	struct handler_call *c = calloc(1, sizeof(*c));
	int r = c != NULL && strlen(path) < sizeof(c->path) ? 0 : -ENOMEM;

	if (r == 0 && name != NULL)
		snprintf(c->name, sizeof(c->name), "%s", name);
	else if (r == 0)
		r = name_make(c);
	if (r < 0) {
		hook_req_end(first);
		free(c);
		return r;
	}
	c->env = *env;
	c->ops = ops;
	c->arg = arg;
	c->fd[STREAM_DATA] = c->fd[STREAM_ERR] = -1;
	c->again = name != NULL;
	c->timer.fire = on_timer;
	c->until_ms = env->now_ms() + env->start_ms;
	strcpy(c->path, path);
	hook_req_text(first, "role", ssh_str_c("channel"));
	hook_req_text(first, "channel", ssh_str_c(c->name));
	r = line_new(first, &c->first, &c->first_len);
	if (r == 0)
		r = timer_set(env->timers, &c->timer, c->until_ms);
	if (r == 0)
		r = uv_pipe_init(env->loop, &c->pipe, 0);
	if (r < 0) {
		timer_cancel(env->timers, &c->timer);
		free(c->first);
		free(c);
		return r;
	}
	c->pipe.data = c->connect.data = c;
	uv_pipe_connect(&c->connect, &c->pipe, c->path, on_connected);
	*ret = c;
	return 0;
}

int handler_call(const struct handler_env *env, const char *path, struct hook_req *first,
		 const struct handler_ops *ops, void *arg, struct handler_call **ret)
{
	return begin(env, path, NULL, first, ops, arg, ret);
}

int handler_resume(const struct handler_env *env, const char *path, const char *name,
		   struct hook_req *first, const struct handler_ops *ops, void *arg,
		   struct handler_call **ret)
{
	hook_req_bool(first, "resumed", true);
	return begin(env, path, name, first, ops, arg, ret);
}
