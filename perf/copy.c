/*
 * perf/copy.c - a relay of the kernel's without any cipher: what bytes cost by themselves.
 *
 *   copy ADDRESS PORT TARGET PORT [--splice]
 *
 * Each connection is joined to one of its own to the target, by read and write through a buffer or
 * by splice through a pipe, both ways, until both ends have shut down; a process for each.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIECE (256 * 1024) /* of one read; of a pipe */

/* One direction. */
struct way {
	int from, to;
	int pipe[2]; /* splice: what was taken and not yet given */
	char *buf;
	size_t at, len; /* not yet given */
	bool eof, done;
};

static bool splices;

static bool way_init(struct way *w, int from, int to)
{
	*w = (struct way){.from = from, .to = to};
	if (!splices) {
		w->buf = malloc(PIECE);
		return w->buf != NULL;
	}
	if (pipe2(w->pipe, O_NONBLOCK) < 0)
		return false;
	fcntl(w->pipe[1], F_SETPIPE_SZ, PIECE);
	return true;
}

static ssize_t take(struct way *w)
{
	if (splices)
		return splice(w->from, NULL, w->pipe[1], NULL, PIECE,
			      SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	w->at = 0;
	return read(w->from, w->buf, PIECE);
}

static ssize_t give(struct way *w)
{
	if (splices)
		return splice(w->pipe[0], NULL, w->to, NULL, w->len,
			      SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	return write(w->to, w->buf + w->at, w->len);
}

static bool again(void)
{
	return errno == EAGAIN || errno == EINTR;
}

/* Moves what moves now. False: broken. */
static bool way_step(struct way *w)
{
	ssize_t n;

	if (w->len == 0 && !w->eof) {
		n = take(w);
		if (n < 0)
			return again();
		w->eof = n == 0;
		w->len = (size_t)n;
	}
	while (w->len > 0) {
		n = give(w);
		if (n <= 0)
			return n < 0 && again();
		w->at += (size_t)n;
		w->len -= (size_t)n;
	}
	if (w->eof && !w->done) {
		shutdown(w->to, SHUT_WR);
		w->done = true;
	}
	return true;
}

static void join(int a, int b)
{
	struct way w[2];

	if (!way_init(&w[0], a, b) || !way_init(&w[1], b, a))
		return;
	while (!w[0].done || !w[1].done) {
		struct pollfd fd[2] = {{.fd = a}, {.fd = b}};

		for (int i = 0; i < 2; i++) {
			if (w[i].len > 0)
				fd[1 - i].events |= POLLOUT;
			else if (!w[i].eof)
				fd[i].events |= POLLIN;
		}
		if (poll(fd, 2, -1) < 0 && errno != EINTR)
			return;
		if (!way_step(&w[0]) || !way_step(&w[1]))
			return;
	}
}

static bool address(const char *host, const char *port, struct sockaddr_in *ret)
{
	*ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	return inet_pton(AF_INET, host, &ret->sin_addr) == 1;
}

static void serve(int a, const struct sockaddr_in *target)
{
	int one = 1, b = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (b < 0 || connect(b, (const struct sockaddr *)target, sizeof(*target)) < 0) {
		perror("copy: target");
		return;
	}
	for (int i = 0; i < 2; i++) {
		int fd = i == 0 ? a : b;

		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	}
	join(a, b);
}

int main(int argc, char **argv)
{
	struct sockaddr_in own, target;
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	splices = argc == 6 && strcmp(argv[5], "--splice") == 0;
	if (argc < 5 || (argc > 5 && !splices) || !address(argv[1], argv[2], &own) ||
	    !address(argv[3], argv[4], &target)) {
		fprintf(stderr, "usage: copy ADDRESS PORT TARGET PORT [--splice]\n");
		return 2;
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&own, sizeof(own)) < 0 || listen(fd, 128) < 0) {
		perror("copy");
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	fprintf(stderr, "ready\n");
	for (;;) {
		int c = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

		if (c < 0)
			continue;
		if (fork() == 0) {
			serve(c, &target);
			_exit(0);
		}
		close(c);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}
