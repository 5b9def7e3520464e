/*
 * control/service/call.c - see call.h. libuv's pipes pass no terminals, so the socket is ours.
 */
#include "control/service/call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/helper/uses.h"

#define FDS_MAX HELPER_FDS_MAX

struct service_call {
	uv_poll_t poll;
	const struct service_ops *ops; /* NULL: it is over, or was ended */
	void *arg;
	int fd;
	int fds[FDS_MAX]; /* that came with STARTED */
	unsigned int n_fds;
	struct helper_use use;
	size_t have;
	uint8_t in[4096]; /* every frame of a session's is short */
};

static void fds_close(struct service_call *c)
{
	while (c->n_fds > 0)
		close(c->fds[--c->n_fds]);
}

static void on_closed(uv_handle_t *h)
{
	struct service_call *c = h->data;

	close(c->fd);
	free(c);
}

void service_call_end(struct service_call *c)
{
	if (c == NULL)
		return;
	c->ops = NULL;
	helper_use_end(&c->use);
	fds_close(c);
	if (!uv_is_closing((uv_handle_t *)&c->poll))
		uv_close((uv_handle_t *)&c->poll, on_closed);
}

static void over(struct service_call *c, const struct helper_done *d)
{
	const struct service_ops *ops = c->ops;

	c->ops = NULL;
	(void)uv_poll_stop(&c->poll);
	helper_use_end(&c->use);
	helper_count(d);
	ops->done(c->arg, d);
}

static void failed(struct service_call *c, const char *why)
{
	const struct helper_done d = {HELPER_CRASHED, ssh_str_c(why)};

	over(c, &d);
}

/* --- what it says ------------------------------------------------------------------------------
 */

static void frame(struct service_call *c, enum helper_msg type, struct ssh_str body)
{
	struct helper_done done;
	struct helper_exit how;
	struct helper_started started;
	int fds[FDS_MAX];

	if (type == HELPER_STARTED && helper_started_parse(body, &started) == 0 &&
	    service_fds(&started) == c->n_fds) {
		memcpy(fds, c->fds, sizeof(fds));
		c->n_fds = 0;
		c->ops->started(c->arg, &started, fds);
	} else if (type == HELPER_EXIT && c->ops->exited != NULL &&
		   helper_exit_parse(body, &how) == 0) {
		c->ops->exited(c->arg, &how);
	} else if (type == HELPER_CONSOLE && c->ops->console != NULL && body.len == 0 &&
		   c->n_fds == 1) {
		c->n_fds = 0;
		c->ops->console(c->arg, c->fds[0]);
	} else if (type == HELPER_DONE && helper_done_parse(body, &done) == 0) {
		over(c, &done);
	} else {
		failed(c, "bad message of the helper");
	}
}

static void frames(struct service_call *c)
{
	struct ssh_str body;
	enum helper_msg type;
	size_t used;
	int r;

	while (c->ops != NULL &&
	       (r = helper_frame_parse(c->in, c->have, &type, &body, &used)) == 0) {
		uint8_t copy[sizeof(c->in)];

		memcpy(copy, body.p, body.len);
		c->have -= used;
		memmove(c->in, c->in + used, c->have);
		frame(c, type, (struct ssh_str){copy, body.len});
	}
	if (c->ops != NULL && (r == -EBADMSG || c->have == sizeof(c->in)))
		failed(c, "bad message of the helper");
}

/* Descriptors beyond what a session has are nobody's. */
static void fds_take(struct service_call *c, struct msghdr *msg)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h != NULL; h = CMSG_NXTHDR(msg, h)) {
		size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(fd));
			if (c->n_fds < FDS_MAX)
				c->fds[c->n_fds++] = fd;
			else
				close(fd);
		}
	}
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct service_call *c = poll->data;
	union {
		char room[CMSG_SPACE(FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {c->in + c->have, sizeof(c->in) - c->have};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.room,
			     .msg_controllen = sizeof(control.room)};
	ssize_t n;

	(void)status;
	(void)events;
	if (c->ops == NULL)
		return;
	n = recvmsg(c->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		failed(c, "the helper went away");
		return;
	}
	fds_take(c, &msg);
	c->have += (size_t)n;
	frames(c);
}

/* --- what it is told ----------------------------------------------------------------------------
 */

/* One whose queue is full would make us wait: connect() says EAGAIN then. */
static int dial(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	strcpy(sun.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

static int call_new(struct helper *h, int fd, const struct service_ops *ops, void *arg,
		    struct service_call **ret)
{
	struct service_call *c = calloc(1, sizeof(*c));
	int r = c != NULL ? uv_poll_init(h->loop, &c->poll, fd) : -ENOMEM;

	if (r < 0) {
		free(c);
		return r;
	}
	c->poll.data = c;
	c->ops = ops;
	c->arg = arg;
	c->fd = fd;
	*ret = c;
	return 0;
}

int service_call(struct helper *h, const uint8_t *frame_, size_t len, const struct service_ops *ops,
		 void *arg, struct service_call **ret)
{
	struct service_call *c;
	int fd, r;

	if (len == 0)
		return -EMSGSIZE;
	fd = dial(h->path);
	if (fd < 0)
		return fd;
	/* A fresh socket has room for all of it. */
	if (send(fd, frame_, len, MSG_NOSIGNAL) != (ssize_t)len) {
		close(fd);
		return -EPIPE;
	}
	r = call_new(h, fd, ops, arg, &c);
	if (r < 0) {
		close(fd);
		return r;
	}
	r = uv_poll_start(&c->poll, UV_READABLE | UV_DISCONNECT, on_readable);
	if (r < 0) {
		service_call_end(c);
		return r;
	}
	helper_use_begin(&c->use, frame_, len);
	*ret = c;
	return 0;
}

int service_resume(struct helper *h, uint64_t id, const char *user, const struct service_ops *ops,
		   void *arg, struct service_call **ret)
{
	uint8_t buf[32];
	int r = service_call(h, buf, helper_resume_build(buf, id), ops, arg, ret);

	if (r == 0)
		helper_use_resume(&(*ret)->use, user);
	return r;
}

static void say(const struct service_call *c, const uint8_t *frame_, size_t len)
{
	(void)!send(c->fd, frame_, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void service_signal(struct service_call *c, struct ssh_str name)
{
	uint8_t buf[SSH_SIGNAL_MAX + 16];
	struct ssh_wr w;

	ssh_wr_init(&w, buf, sizeof(buf));
	helper_frame_begin(&w, HELPER_SIGNAL);
	ssh_wr_str(&w, name);
	say(c, buf, helper_frame_end(&w));
}

void service_hang_up(struct service_call *c)
{
	uint8_t buf[16];
	struct ssh_wr w;

	if (c == NULL)
		return;
	ssh_wr_init(&w, buf, sizeof(buf));
	helper_frame_begin(&w, HELPER_HANGUP);
	say(c, buf, helper_frame_end(&w));
	service_call_end(c);
}
