#include "client/agent/agent.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "crypto/secret.h"

#define HEAD 4 /* bytes of a length */

struct agent {
	int fd;
	bool asked;
	uint8_t *out; /* with its length in front */
	size_t out_len, out_at;
	uint8_t head[HEAD], *in;
	size_t in_len, in_at; /* of both, head included; in_len 0: not known yet */
};

/* --- a connection ----------------------------------------------------------------------- */

static int dial(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd, r;

	if (strlen(path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	strcpy(sa.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0)
		return fd;
	r = errno == EAGAIN ? -EBUSY : -errno; /* too many are waiting for it */
	close(fd);
	return r;
}

int agent_open(const char *path, struct agent **ret)
{
	struct agent *a;
	int fd;

	if (path == NULL || strcmp(path, "SSH_AUTH_SOCK") == 0)
		path = getenv("SSH_AUTH_SOCK");
	if (path == NULL || *path == '\0' || strcmp(path, "none") == 0)
		return -ENOENT;
	fd = dial(path);
	if (fd < 0)
		return fd;
	a = calloc(1, sizeof(*a));
	if (a == NULL) {
		close(fd);
		return -ENOMEM;
	}
	a->fd = fd;
	*ret = a;
	return 0;
}

/* What is signed, and how, is nobody else's. */
static void forget(struct agent *a)
{
	if (a->out != NULL)
		secret_wipe(a->out, a->out_len);
	if (a->in != NULL)
		secret_wipe(a->in, a->in_len - HEAD);
	free(a->out);
	free(a->in);
	a->out = a->in = NULL;
	a->out_len = a->out_at = a->in_len = a->in_at = 0;
}

void agent_close(struct agent *a)
{
	if (a == NULL)
		return;
	forget(a);
	if (a->fd >= 0)
		close(a->fd);
	free(a);
}

int agent_fd_take(struct agent *a)
{
	int fd = a->fd;

	if (a->asked)
		return -EBUSY;
	a->fd = -1;
	agent_close(a);
	return fd;
}

int agent_fd(const struct agent *a)
{
	return a->fd;
}

short agent_events(const struct agent *a)
{
	return a->asked && a->out_at < a->out_len ? POLLIN | POLLOUT : POLLIN;
}

/* --- a question ------------------------------------------------------------------------- */

int agent_ask(struct agent *a, const uint8_t *msg, size_t len)
{
	struct ssh_wr w;

	if (a->asked)
		return -EBUSY;
	if (len == 0 || len > AGENT_MSG_MAX)
		return -EMSGSIZE;
	forget(a);
	a->out = malloc(HEAD + len);
	if (a->out == NULL)
		return -ENOMEM;
	a->out_len = HEAD + len;
	ssh_wr_init(&w, a->out, a->out_len);
	ssh_wr_str(&w, (struct ssh_str){msg, (uint32_t)len});
	a->asked = true;
	return 0;
}

static int write_some(struct agent *a)
{
	while (a->out_at < a->out_len) {
		ssize_t n = send(a->fd, a->out + a->out_at, a->out_len - a->out_at, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return -errno;
		a->out_at += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int agent_tell(struct agent *a, const uint8_t *msg, size_t len)
{
	int r = agent_ask(a, msg, len);

	if (r == 0)
		r = write_some(a);
	if (r == 0)
		a->asked = false;
	return r;
}

static int read_into(struct agent *a, uint8_t *p, size_t len)
{
	ssize_t n = recv(a->fd, p, len, 0);

	if (n == 0)
		return -EPIPE;
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	a->in_at += (size_t)n;
	return 0;
}

static int head_done(struct agent *a)
{
	struct ssh_rd rd;
	uint32_t len;

	ssh_rd_init(&rd, a->head, HEAD);
	len = ssh_rd_u32(&rd);
	if (len == 0 || len > AGENT_MSG_MAX)
		return -EMSGSIZE;
	a->in = malloc(len);
	if (a->in == NULL)
		return -ENOMEM;
	a->in_len = HEAD + len;
	return 0;
}

static int read_some(struct agent *a)
{
	int r = 0;

	while (r == 0 && a->in_at < HEAD) {
		r = read_into(a, a->head + a->in_at, HEAD - a->in_at);
		if (r == 0 && a->in_at == HEAD)
			r = head_done(a);
	}
	while (r == 0 && a->in_at < a->in_len)
		r = read_into(a, a->in + a->in_at - HEAD, a->in_len - a->in_at);
	return r;
}

int agent_step(struct agent *a, struct ssh_str *ret)
{
	int r;

	if (!a->asked)
		return -EINVAL;
	r = write_some(a);
	if (r == 0 || r == -EAGAIN)
		r = read_some(a);
	if (r < 0)
		return r;
	a->asked = false;
	*ret = (struct ssh_str){a->in, (uint32_t)(a->in_len - HEAD)};
	return 0;
}

/* --- by waiting ------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* What comes after its time would be taken for the next answer: the connection is of no more use.
 */
static int call(struct agent *a, const uint8_t *msg, size_t len, int timeout_ms,
		struct ssh_str *ret)
{
	int64_t end = now_ms() + timeout_ms;
	int r = agent_ask(a, msg, len);

	while (r == 0) {
		struct pollfd p = {.fd = a->fd, .events = agent_events(a)};
		int64_t left = timeout_ms < 0 ? -1 : end - now_ms();

		r = agent_step(a, ret);
		if (r != -EAGAIN)
			return r;
		if (timeout_ms >= 0 && left <= 0)
			return -ETIMEDOUT;
		r = poll(&p, 1, (int)left) < 0 && errno != EINTR ? -errno : 0;
	}
	return r;
}

int agent_bind(struct agent *a, const struct agent_bind *b, int timeout_ms)
{
	size_t size = KEY_BLOB_MAX + KEY_SIG_MAX + b->session_id.len + 128;
	uint8_t *msg = malloc(size);
	struct ssh_str reply;
	int r;

	if (msg == NULL)
		return -ENOMEM;
	r = call(a, msg, agent_bind_build(b, msg, size), timeout_ms, &reply);
	if (r == 0)
		r = agent_done_parse(reply);
	free(msg);
	return r;
}
