#include "control/helper/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "control/count.h"
#include "control/helper/uses.h"
#include "control/log.h"
#include "crypto/secret.h"

/* Frames of answers, and the request, lie here until they are written. */
struct out {
	uv_write_t req;
	size_t len;
	uint8_t bytes[];
};

struct helper_call {
	uv_pipe_t pipe;
	uv_connect_t connect;
	const struct helper_ops *ops; /* NULL: it is over, or was ended */
	void *arg;
	struct out *request; /* until it is connected */
	uint8_t in[HELPER_FRAME_MAX + 4];
	size_t have;
	char *data;
	size_t data_len;
	struct helper_use use;
};

/* --- the end of a call ---------------------------------------------------------------------- */

static void on_closed(uv_handle_t *h)
{
	struct helper_call *c = h->data;

	if (c->request != NULL) {
		secret_wipe(c->request->bytes, c->request->len);
		free(c->request);
	}
	if (c->data != NULL)
		secret_wipe(c->data, c->data_len);
	free(c->data);
	secret_wipe(c, sizeof(*c));
	free(c);
}

void helper_call_end(struct helper_call *c)
{
	if (c == NULL)
		return;
	c->ops = NULL;
	helper_use_end(&c->use);
	if (!uv_is_closing((uv_handle_t *)&c->pipe))
		uv_close((uv_handle_t *)&c->pipe, on_closed);
}

void helper_count(const struct helper_done *d)
{
	static const enum control_counter full[] = {
		[HELPER_LIMIT_JOBS] = CONTROL_C_HELPER_JOBS,
		[HELPER_LIMIT_TALKS] = CONTROL_C_HELPER_TALKS,
		[HELPER_LIMIT_USER_JOBS] = CONTROL_C_HELPER_USER_JOBS,
		[HELPER_LIMIT_SOURCE_JOBS] = CONTROL_C_HELPER_SOURCE_JOBS,
		[HELPER_LIMIT_SESSIONS] = CONTROL_C_HELPER_SESSIONS,
		[HELPER_LIMIT_USER_SESSIONS] = CONTROL_C_HELPER_USER_SESSIONS,
		[HELPER_LIMIT_COUNT] = CONTROL_C_HELPER_BUSY,
	};

	if (d->result == HELPER_BUSY)
		control_count(full[helper_limit_of(d->text)]);
	else if (d->result == HELPER_LATE)
		control_count(CONTROL_C_HELPER_LATE);
	else if (d->result == HELPER_CRASHED)
		control_count(CONTROL_C_HELPER_LOST);
}

static void over(struct helper_call *c, const struct helper_done *d)
{
	const struct helper_ops *ops = c->ops;

	if (ops == NULL)
		return;
	c->ops = NULL;
	helper_use_end(&c->use);
	helper_count(d);
	ops->done(c->arg, d, c->data != NULL ? c->data : "", c->data_len);
}

static void failed(struct helper_call *c, const char *why)
{
	const struct helper_done d = {HELPER_CRASHED, ssh_str_c(why)};

	over(c, &d);
}

/* --- what it says ---------------------------------------------------------------- */

static bool data_add(char **data, size_t *len, struct ssh_str more)
{
	char *to;

	if (more.len > HELPER_ALL_MAX - *len) {
		control_count(CONTROL_C_HELPER_DATA);
		return false;
	}
	/* Not realloc(): what it leaves behind may be somebody's. */
	to = malloc(*len + more.len + 1);
	if (to == NULL)
		return false;
	if (*len > 0)
		memcpy(to, *data, *len);
	memcpy(to + *len, more.p, more.len);
	if (*data != NULL)
		secret_wipe(*data, *len);
	free(*data);
	*len += more.len;
	to[*len] = '\0';
	*data = to;
	return true;
}

static void frame(struct helper_call *c, enum helper_msg type, struct ssh_str body)
{
	struct helper_done done;
	struct ssh_prompts ask;

	if (type == HELPER_ASK && c->ops->ask != NULL && helper_ask_parse(body, &ask) == 0)
		c->ops->ask(c->arg, &ask);
	else if (type == HELPER_DONE && helper_done_parse(body, &done) == 0)
		over(c, &done);
	else if (type != HELPER_DATA || !data_add(&c->data, &c->data_len, body))
		failed(c, "bad message of the helper");
}

static void frames(struct helper_call *c)
{
	struct ssh_str body;
	enum helper_msg type;
	size_t at = 0, used;
	int r = 0;

	while (c->ops != NULL &&
	       (r = helper_frame_parse(c->in + at, c->have - at, &type, &body, &used)) == 0) {
		frame(c, type, body);
		at += used;
	}
	if (c->ops == NULL)
		return;
	if (r == -EBADMSG) {
		failed(c, "bad message of the helper");
		return;
	}
	memmove(c->in, c->in + at, c->have - at);
	c->have -= at;
}

static void on_room(uv_handle_t *h, size_t wanted, uv_buf_t *ret)
{
	struct helper_call *c = h->data;

	(void)wanted;
	*ret = uv_buf_init((char *)c->in + c->have, (unsigned int)(sizeof(c->in) - c->have));
}

static void on_read(uv_stream_t *st, ssize_t n, const uv_buf_t *buf)
{
	struct helper_call *c = st->data;

	(void)buf;
	if (c->ops == NULL || n == 0)
		return;
	if (n < 0) {
		failed(c, "the helper went away");
		return;
	}
	c->have += (size_t)n;
	frames(c);
}

/* --- what it is told ------------------------------------------------------------- */

static void on_written(uv_write_t *req, int status)
{
	struct out *o = (struct out *)(void *)req; /* its first member */
	struct helper_call *c = req->handle->data;

	secret_wipe(o->bytes, o->len);
	free(o);
	if (status < 0 && status != UV_ECANCELED)
		failed(c, "the helper does not listen");
}

static struct out *out_new(const uint8_t *p, size_t len)
{
	struct out *o = malloc(sizeof(*o) + len);

	if (o != NULL) {
		o->len = len;
		memcpy(o->bytes, p, len);
	}
	return o;
}

static int out_write(struct helper_call *c, struct out *o)
{
	uv_buf_t buf = uv_buf_init((char *)o->bytes, (unsigned int)o->len);
	int r = uv_write(&o->req, (uv_stream_t *)&c->pipe, &buf, 1, on_written);

	if (r < 0) {
		secret_wipe(o->bytes, o->len);
		free(o);
	}
	return r;
}

static void on_connected(uv_connect_t *req, int status)
{
	struct helper_call *c = req->data;
	struct out *o = c->request;

	if (c->ops == NULL)
		return;
	c->request = NULL;
	if (status < 0) {
		secret_wipe(o->bytes, o->len);
		free(o);
		failed(c, "sluice-helper is not running");
		return;
	}
	if (out_write(c, o) < 0 || uv_read_start((uv_stream_t *)&c->pipe, on_room, on_read) < 0)
		failed(c, "the helper does not listen");
}

int helper_call(struct helper *h, const uint8_t *frame_, size_t len, const struct helper_ops *ops,
		void *arg, struct helper_call **ret)
{
	struct helper_call *c;
	int r;

	if (len == 0)
		return -EMSGSIZE;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return -ENOMEM;
	c->request = out_new(frame_, len);
	if (c->request == NULL) {
		free(c);
		return -ENOMEM;
	}
	r = uv_pipe_init(h->loop, &c->pipe, 0);
	if (r < 0) {
		free(c->request);
		free(c);
		return r;
	}
	c->pipe.data = c->connect.data = c;
	c->ops = ops;
	c->arg = arg;
	helper_use_begin(&c->use, frame_, len);
	uv_pipe_connect(&c->connect, &c->pipe, h->path, on_connected);
	*ret = c;
	return 0;
}

int helper_call_answer(struct helper_call *c, unsigned int n, const struct ssh_str *answer)
{
	uint8_t *buf = secret_new(HELPER_FRAME_MAX + 4);
	struct out *o = NULL;
	size_t len;

	if (buf == NULL)
		return -ENOMEM;
	len = helper_answer_build(buf, n, answer);
	if (len > 0)
		o = out_new(buf, len);
	secret_free(buf, HELPER_FRAME_MAX + 4);
	if (len == 0)
		return -EMSGSIZE;
	return o != NULL ? out_write(c, o) : -ENOMEM;
}

static void on_read_again(void *arg, const struct helper_done *d, const char *data, size_t len)
{
	struct helper *h = arg;

	(void)data;
	(void)len;
	/* Whoever needs none has none running. */
	if (d->result != HELPER_OK)
		log_line(d->result == HELPER_CRASHED ? LOG_L_VERBOSE : LOG_L_ERROR,
			 "the helper did not read the configuration: %.*s", (int)d->text.len,
			 (const char *)d->text.p);
	helper_read_end(h);
}

void helper_read_again(struct helper *h)
{
	static const struct helper_ops ops = {NULL, on_read_again};
	uint8_t *buf = malloc(HELPER_FRAME_MAX + 4);
	int r = -ENOMEM;

	helper_read_end(h);
	if (buf != NULL)
		r = helper_call(h, buf, helper_read_build(buf), &ops, h, &h->telling);
	free(buf);
	if (r < 0)
		log_line(LOG_L_ERROR, "the helper cannot be asked: error %d", -r);
}

void helper_read_end(struct helper *h)
{
	helper_call_end(h->telling);
	h->telling = NULL;
}

/* --- for threads that may wait --------------------------------------------------- */

struct waiting {
	int fd;
	uint64_t until_ms;
	struct helper_use use;
	uint8_t buf[HELPER_FRAME_MAX + 4];
	size_t have;
};

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int wait_more(struct waiting *w)
{
	uint64_t now = now_ms();
	struct pollfd fd = {w->fd, POLLIN, 0};
	ssize_t n;

	if (now >= w->until_ms || poll(&fd, 1, (int)(w->until_ms - now)) == 0) {
		control_count(CONTROL_C_HELPER_LATE);
		return -ETIMEDOUT;
	}
	n = recv(w->fd, w->buf + w->have, sizeof(w->buf) - w->have, MSG_DONTWAIT);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n <= 0)
		return -EPIPE;
	w->have += (size_t)n;
	return 0;
}

static int result_error(const struct helper_done *d, char *why, size_t why_size)
{
	helper_count(d);
	if (d->result == HELPER_OK)
		return 0;
	if (d->result == HELPER_NONE)
		return -ENOENT;
	snprintf(why, why_size, "%.*s", (int)d->text.len, (const char *)d->text.p);
	return d->result == HELPER_NO ? -EACCES : -EIO;
}

static int wait_done(struct waiting *w, char **data, size_t *len, char *why, size_t why_size)
{
	struct helper_done done;
	struct ssh_str body;
	enum helper_msg type;
	size_t used;
	int r;

	for (;;) {
		while ((r = helper_frame_parse(w->buf, w->have, &type, &body, &used)) == -EAGAIN) {
			r = wait_more(w);
			if (r < 0)
				return r;
		}
		if (r < 0)
			return r;
		if (type == HELPER_DONE && helper_done_parse(body, &done) == 0)
			return result_error(&done, why, why_size);
		if (type != HELPER_DATA || !data_add(data, len, body))
			return -EBADMSG;
		memmove(w->buf, w->buf + used, w->have - used);
		w->have -= used;
	}
}

/* A helper that hangs takes nobody, and once its queue is full connect() waits, too. */
static int dial(const char *path, uint32_t time_ms)
{
	const struct timeval tv = {time_ms / 1000, time_ms % 1000 * 1000};
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	strcpy(sun.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) < 0 ||
	    connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) < 0) {
		int r = errno == EAGAIN ? -ETIMEDOUT : -errno;

		if (r == -ETIMEDOUT)
			control_count(CONTROL_C_HELPER_LATE);
		close(fd);
		return r;
	}
	return fd;
}

int helper_read_file(const char *socket_path, const struct helper_file *file, char **ret,
		     size_t *ret_len, char *why, size_t why_size)
{
	struct waiting *w = calloc(1, sizeof(*w));
	char *data = NULL;
	size_t len = 0, n;
	int r = 0;

	if (w == NULL)
		return -ENOMEM;
	w->until_ms = now_ms() + file->job.time_ms;
	w->fd = dial(socket_path, file->job.time_ms);
	n = helper_file_build(w->buf, file);
	helper_use_begin(&w->use, w->buf, n);
	if (w->fd < 0)
		r = w->fd;
	else if (n == 0)
		r = -EMSGSIZE;
	else if (send(w->fd, w->buf, n, MSG_NOSIGNAL) != (ssize_t)n)
		r = -EPIPE;
	if (r == 0)
		r = wait_done(w, &data, &len, why, why_size);
	if (r == 0 && data == NULL)
		r = data_add(&data, &len, (struct ssh_str){(const uint8_t *)"", 0}) ? 0 : -ENOMEM;
	if (w->fd >= 0)
		close(w->fd);
	helper_use_end(&w->use);
	secret_wipe(w, sizeof(*w));
	free(w);
	if (r < 0) {
		free(data);
		return r;
	}
	*ret = data;
	*ret_len = len;
	return 0;
}
