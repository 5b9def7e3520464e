/*
 * perf/flow_kernel.c - an end of measured flows over the kernel's TCP. See flow.h.
 *
 * One thread and poll(): each connection reads and writes when it can.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "perf/flow.h"

#define CHUNK   (256 * 1024)
#define TURN_MS 20 /* the longest sleep: time limits are looked at so often */

struct end {
	struct flow_conf conf;
	struct flow_report report;
	struct sockaddr_storage sa;
	socklen_t sa_len;
	int listener;
	uint32_t started;
	struct flow flow[FLOW_PARALLEL_MAX];
	struct pollfd fd[FLOW_PARALLEL_MAX + 1]; /* the last: of the listener */
};

static bool address_parse(const struct flow_conf *c, struct end *e)
{
	struct sockaddr_in *a4 = (struct sockaddr_in *)&e->sa;
	struct sockaddr_in6 *a6 = (struct sockaddr_in6 *)&e->sa;

	if (inet_pton(AF_INET, c->address, &a4->sin_addr) == 1) {
		a4->sin_family = AF_INET;
		a4->sin_port = htons(c->port);
		e->sa_len = sizeof(*a4);
		return true;
	}
	if (inet_pton(AF_INET6, c->address, &a6->sin6_addr) == 1) {
		a6->sin6_family = AF_INET6;
		a6->sin6_port = htons(c->port);
		e->sa_len = sizeof(*a6);
		return true;
	}
	return false;
}

static bool set_int(int fd, int level, int name, uint32_t v)
{
	int i = (int)v;

	return v == 0 || setsockopt(fd, level, name, &i, sizeof(i)) == 0;
}

/* Buffers before the handshake: they decide the window scale. An accepted socket inherits. */
static int socket_new(const struct end *e)
{
	const struct flow_conf *c = &e->conf;
	int fd = socket(e->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || !set_int(fd, SOL_SOCKET, SO_SNDBUF, c->sndbuf) ||
	    !set_int(fd, SOL_SOCKET, SO_RCVBUF, c->rcvbuf) ||
	    (c->cc != NULL &&
	     setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, c->cc, (socklen_t)strlen(c->cc)) < 0)) {
		perror("flow_kernel: socket");
		return -1;
	}
	return fd;
}

static bool listen_start(struct end *e)
{
	int fd = socket_new(e);

	if (fd < 0 || !set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1) ||
	    bind(fd, (struct sockaddr *)&e->sa, e->sa_len) < 0 || listen(fd, 1024) < 0) {
		perror("flow_kernel: listen");
		return false;
	}
	e->listener = fd;
	return true;
}

/* --- one connection ------------------------------------------------------------------------ */

static void ended(struct end *e, uint32_t i, bool cut)
{
	struct linger hard = {.l_onoff = 1};

	if (cut) /* RST: what is queued shall not go on */
		setsockopt(e->fd[i].fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(e->fd[i].fd);
	e->fd[i].fd = -1;
	flow_done(&e->conf, &e->report, &e->flow[i], flow_now_us());
}

static void failed(struct end *e, uint32_t i, int err)
{
	e->flow[i].err = -err;
	ended(e, i, false);
}

static bool reads(struct end *e, uint32_t i)
{
	static uint8_t buf[CHUNK];
	struct flow *f = &e->flow[i];
	ssize_t n = recv(e->fd[i].fd, buf, sizeof(buf), 0);

	if (n < 0) {
		if (errno == EAGAIN)
			return true;
		failed(e, i, errno);
		return false;
	}
	if (n == 0)
		f->eof = true;
	flow_check(f, !e->conf.listens, buf, (size_t)n);
	return true;
}

static bool writes(struct end *e, uint32_t i)
{
	static uint8_t buf[CHUNK];
	struct flow *f = &e->flow[i];
	uint64_t left = flow_left(&e->conf, f);
	size_t want = left < sizeof(buf) ? (size_t)left : sizeof(buf);
	ssize_t n;

	if (left == 0) {
		f->shut = shutdown(e->fd[i].fd, SHUT_WR) == 0;
		return true;
	}
	flow_fill(e->conf.listens, f->sent, buf, want);
	n = send(e->fd[i].fd, buf, want, MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN) {
		failed(e, i, errno);
		return false;
	}
	f->sent += n > 0 ? (uint64_t)n : 0;
	return true;
}

/* The connect call has ended, well or not. */
static bool opens(struct end *e, uint32_t i)
{
	int err = 0;
	socklen_t len = sizeof(err);

	getsockopt(e->fd[i].fd, SOL_SOCKET, SO_ERROR, &err, &len);
	if (err != 0) {
		failed(e, i, err);
		return false;
	}
	flow_opened(&e->report, &e->flow[i], flow_now_us());
	return true;
}

static void step(struct end *e, uint32_t i, short got)
{
	struct flow *f = &e->flow[i];
	uint64_t now;

	if (f->open_us == 0 && (got == 0 || !opens(e, i)))
		return;
	now = flow_now_us();
	flow_note(&e->conf, &e->report, f, now);
	if (flow_time_is_up(&e->conf, f, now)) {
		ended(e, i, true);
		return;
	}
	if ((got & (POLLIN | POLLHUP | POLLERR)) && !f->eof && !reads(e, i))
		return;
	if ((got & (POLLOUT | POLLERR)) && !f->shut && !writes(e, i))
		return;
	if (f->eof && f->shut)
		ended(e, i, false);
}

/* --- all of them ----------------------------------------------------------------------------- */

static void start(struct end *e, uint32_t i)
{
	int fd;

	if (e->conf.listens) {
		fd = accept4(e->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		flow_opened(&e->report, &e->flow[i], flow_now_us());
	} else {
		fd = socket_new(e);
		if (fd < 0)
			return;
		if (connect(fd, (struct sockaddr *)&e->sa, e->sa_len) < 0 && errno != EINPROGRESS) {
			perror("flow_kernel: connect");
			close(fd);
			return;
		}
	}
	e->fd[i].fd = fd;
	e->started++;
}

static void fill_up(struct end *e)
{
	for (uint32_t i = 0; i < e->conf.parallel && e->started < e->conf.conns; i++)
		if (e->fd[i].fd < 0)
			start(e, i);
}

static void wait_for_news(struct end *e)
{
	uint32_t n = e->conf.parallel;

	for (uint32_t i = 0; i < n; i++)
		e->fd[i].events =
			(short)((e->flow[i].eof ? 0 : POLLIN) | (e->flow[i].shut ? 0 : POLLOUT));
	e->fd[n] = (struct pollfd){.fd = e->started < e->conf.conns ? e->listener : -1,
				   .events = POLLIN};
	poll(e->fd, n + 1, TURN_MS);
}

static void run(struct end *e)
{
	uint64_t end_us = flow_now_us() + (uint64_t)(e->conf.life_s * 1e6);

	while (e->report.done + e->report.failed < e->conf.conns && flow_now_us() < end_us) {
		fill_up(e);
		wait_for_news(e);
		for (uint32_t i = 0; i < e->conf.parallel; i++)
			if (e->fd[i].fd >= 0)
				step(e, i, e->fd[i].revents);
	}
	for (uint32_t i = 0; i < e->conf.parallel; i++)
		if (e->fd[i].fd >= 0)
			failed(e, i, ETIMEDOUT);
}

int main(int argc, char **argv)
{
	static struct end e = {.listener = -1};

	if (!flow_parse(argc, argv, &e.conf))
		return 2;
	signal(SIGPIPE, SIG_IGN);
	for (uint32_t i = 0; i < FLOW_PARALLEL_MAX; i++)
		e.fd[i].fd = -1;
	if (!address_parse(&e.conf, &e)) {
		fprintf(stderr, "flow_kernel: %s: no address\n", e.conf.address);
		return 2;
	}
	if (e.conf.listens && !listen_start(&e))
		return 1;
	fprintf(stderr, "ready\n");
	run(&e);
	printf("{");
	flow_print(&e.report);
	printf("}\n");
	return e.report.done == e.conf.conns ? 0 : 1;
}
