/* control/ctl/ask.c - the socket of sluice-control. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/ctl/ctl.h"

#define ANSWER_S    60 /* without a byte of an answer */
#define REQUEST_MAX 1024

static void unreached(const char *path, int err)
{
	const char *hint = "";

	if (err == ENOENT || err == ECONNREFUSED)
		hint = "\nsluice-control does not run, or has its socket elsewhere: see -s and "
		       "SLUICE_RUN";
	else if (err == EACCES || err == EPERM)
		hint = "\nit serves root and the user it runs as: try sudo";
	fprintf(stderr, "sluicectl: %s: %s%s\n", path, strerror(err), hint);
}

int ctl_connect(const struct ctl *c)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	const struct timeval tv = {.tv_sec = ANSWER_S};
	int fd;

	if (strlen(c->socket) >= sizeof(sa.sun_path)) {
		unreached(c->socket, ENAMETOOLONG);
		return -1;
	}
	strcpy(sa.sun_path, c->socket);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) < 0) {
		unreached(c->socket, errno);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

static bool say(int fd, const char *request)
{
	char line[REQUEST_MAX + 1];
	int n = snprintf(line, sizeof(line), "%s\n", request);

	return n > 0 && (size_t)n < sizeof(line) && send(fd, line, (size_t)n, MSG_NOSIGNAL) == n;
}

/* 1: a line is there; 0: the end came before; negative: -errno. */
static int hear(int fd, char **buf, size_t *size, size_t *len)
{
	for (;;) {
		char *more;
		ssize_t n;

		if (*len + 1 >= *size) {
			more = realloc(*buf, *size * 2 + 65536);
			if (more == NULL)
				return -ENOMEM;
			*buf = more;
			*size = *size * 2 + 65536;
		}
		n = recv(fd, *buf + *len, *size - *len - 1, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 ? 0 : -errno;
		*len += (size_t)n;
		if ((*buf)[*len - 1] != '\n')
			continue;
		(*buf)[*len - 1] = '\0';
		return 1;
	}
}

char *ctl_ask_line(const struct ctl *c, int fd, const char *request)
{
	char *buf = NULL;
	size_t size = 0, len = 0;
	int r = say(fd, request) ? hear(fd, &buf, &size, &len) : -errno;

	if (r == 1)
		return buf;
	free(buf);
	if (r == 0 || r == -EPIPE || r == -ECONNRESET)
		fprintf(stderr,
			"sluicectl: %s: closed without an answer: it serves root and the user "
			"sluice-control runs as\n",
			c->socket);
	else
		fprintf(stderr, "sluicectl: %s: %s\n", c->socket,
			r == -EAGAIN ? "no answer in time" : strerror(-r));
	return NULL;
}

int ctl_ask(const struct ctl *c, const char *request, json_t **ret)
{
	int fd = ctl_connect(c);
	json_t *v = NULL;
	const char *err;
	char *line;

	if (fd < 0)
		return CTL_UNREACHED;
	line = ctl_ask_line(c, fd, request);
	close(fd);
	if (line == NULL)
		return CTL_UNREACHED;
	v = json_loads(line, 0, NULL);
	free(line);
	err = json_string_value(json_object_get(v, "error"));
	if (v == NULL || err != NULL) {
		fprintf(stderr, "sluicectl: %s\n", err != NULL ? err : "what it said is no answer");
		json_decref(v);
		return err != NULL ? CTL_REFUSED : CTL_UNREACHED;
	}
	*ret = v;
	return CTL_OK;
}

/* Blanks part words; what a line cannot have is escaped, but for escapes that are there already. */
static size_t escape(const char *word, char *out, size_t size)
{
	size_t n = 0;

	for (const unsigned char *p = (const unsigned char *)word; *p != '\0' && n + 5 < size;
	     p++) {
		if (*p > ' ' && *p < 0x7f)
			out[n++] = (char)*p;
		else
			n += (size_t)snprintf(out + n, size - n, "\\%03o", *p);
	}
	out[n] = '\0';
	return n;
}

char *ctl_request(char *const *word, int n)
{
	char *line = calloc(1, REQUEST_MAX);
	size_t used = 0;

	for (int i = 0; line != NULL && i < n; i++) {
		if (used > 0)
			line[used++] = ' ';
		if (4 * strlen(word[i]) + 8 > REQUEST_MAX - used) {
			fprintf(stderr, "sluicectl: that is too long\n");
			free(line);
			return NULL;
		}
		used += escape(word[i], line + used, REQUEST_MAX - used);
	}
	return line;
}
