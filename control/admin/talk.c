/* control/admin/talk.c - see talk.h. */
#include "control/admin/talk.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void pass_end(struct talk *t)
{
	if (t->answer.pass > 0)
		close(t->answer.pass - 1);
	t->answer.pass = 0;
}

/* Where a descriptor goes with the line, with its first bytes. */
static ssize_t send_some(struct talk *t)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {.room = {0}};
	struct iovec iov = {t->out.p + t->sent, t->out.len - t->sent};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	int fd = t->answer.pass - 1;
	ssize_t n;

	if (fd >= 0) {
		struct cmsghdr *h;

		msg.msg_control = control.room;
		msg.msg_controllen = sizeof(control.room);
		h = CMSG_FIRSTHDR(&msg);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(h), &fd, sizeof(fd));
	}
	n = sendmsg(t->fd, &msg, MSG_NOSIGNAL);
	if (n > 0)
		pass_end(t);
	return n;
}

/* 1: all of it is on its way; 0: the socket is full. */
static int flush(struct talk *t)
{
	while (t->sent < t->out.len) {
		ssize_t n = send_some(t);
		int r;

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		t->sent += (size_t)n;
		r = t->ops->alive(t);
		if (r < 0)
			return r;
	}
	t->sent = t->out.len = 0;
	return 1;
}

/* The bytes of the first line, its end included; 0: there is none as yet. */
static size_t line_len(const struct talk *t)
{
	const char *end = memchr(t->in, '\n', t->in_len);

	return end != NULL ? (size_t)(end - t->in) + 1 : 0;
}

static int ask(struct talk *t, size_t n)
{
	size_t len = n - 1;
	int r;

	if (len > 0 && t->in[len - 1] == '\r')
		len--;
	r = t->ops->ask(t, t->in, len);
	t->in_len -= n;
	memmove(t->in, t->in + n, t->in_len);
	return r < 0 ? r : t->ops->alive(t);
}

static int hear(struct talk *t)
{
	ssize_t n = recv(t->fd, t->in + t->in_len, sizeof(t->in) - t->in_len, 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -EPIPE; /* what was asked before is answered */
	t->in_len += (size_t)n;
	if (t->in_len < sizeof(t->in) || line_len(t) > 0)
		return 0;
	t->last = true; /* where the next line begins nobody knows */
	return answer_error("the line is too long", &t->out);
}

/* One thing a turn, so that nobody takes the loop for longer than a piece of an answer. */
static int step(struct talk *t)
{
	int r = flush(t);
	size_t n;

	if (r <= 0)
		return r;
	if (t->last)
		return -EPIPE;
	if (t->answer.waits)
		return 0;
	if (t->answer.more != NULL)
		return answer_more(&t->answer, t->env, &t->out);
	if (t->rests)
		return 0;
	n = line_len(t);
	return n > 0 ? ask(t, n) : hear(t);
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
	struct talk *t = poll->data;

	(void)events;
	if (status < 0 || step(t) < 0 || talk_hear(t) < 0)
		t->ops->over(t);
}

/*
 * Either there is something to do for it, as soon as it takes bytes, or it is to speak. While its
 * answer waits for others, which is never long, it is not looked at: that it has no more to say is
 * not its end.
 */
int talk_hear(struct talk *t)
{
	bool asks = line_len(t) > 0 && !t->rests;
	bool busy = t->last || t->answer.more != NULL || asks;

	if (t->out.len > 0 || (busy && !t->answer.waits))
		return uv_poll_start(&t->poll, UV_WRITABLE, on_socket);
	if (t->answer.waits || t->rests)
		return uv_poll_stop(&t->poll);
	return uv_poll_start(&t->poll, UV_READABLE, on_socket);
}

/* What its answer waited for came. */
static void on_answer(struct answer *a)
{
	struct talk *t = (struct talk *)(void *)((char *)a - offsetof(struct talk, answer));

	if (a->failed < 0 || talk_hear(t) < 0)
		t->ops->over(t);
}

int talk_begin(struct talk *t, uv_loop_t *loop, const struct admin_env *env,
	       const struct talk_ops *ops, int fd)
{
	int r = uv_poll_init(loop, &t->poll, fd);

	if (r < 0)
		return r;
	t->poll.data = t;
	t->env = env;
	t->ops = ops;
	t->fd = fd;
	t->answer.out = &t->out;
	t->answer.wake = on_answer;
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	struct talk *t = h->data;

	t->closed(t);
}

void talk_end(struct talk *t, void (*closed)(struct talk *t))
{
	answer_over(&t->answer);
	pass_end(t);
	answer_text_free(&t->out);
	t->closed = closed;
	uv_poll_stop(&t->poll);
	uv_close((uv_handle_t *)&t->poll, on_closed);
	close(t->fd);
}
