/*
 * perf/sock.c - clients and targets over the kernel's sockets, for what is compared with a shard.
 *
 *   sock serve STATS ADDRESS PORT      PORT takes bytes, PORT + 1 gives them, PORT + 2 echoes
 *   sock up|down|trips|open STATS [OPTION VALUE]… ADDRESS PORT | -- COMMAND ARG…
 *     --conns N    at once; 1           --ports N    spread over so many ports; 1
 *     --size N     of a request; 64      --rate N     bytes a second of one up; as much as goes
 *
 * up and down move bytes until the process is ended, trips sends a request on each connection and
 * the next when it came back, open connects, sends a byte, reads it and closes. With a COMMAND its
 * standard input and output are the one connection. Every byte is checked: the pattern
 * repeats after a prime number of bytes. What was done so far stands in the file STATS, for
 * whoever measures a part of it; clients print latencies at the end (SIGTERM), as JSON.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PERIOD      65521
#define PIECE       (256 * 1024)
#define SAMPLES_MAX (1 << 20)
#define CONNS_MAX   16384
#define EVENTS      64
#define PACED_PIECE 32768
#define PACED_NS    200000 /* between two looks at what is due */

enum kind { LISTENER, SINK, SOURCE, ECHO, TRIPS, OPEN };

/* In the file; written by this process alone. */
struct stats {
	uint64_t bytes; /* received and right */
	uint64_t ops;
	uint64_t wrong;
};

struct conn {
	enum kind kind; /* of a listener: SINK and so on is in serves */
	enum kind serves;
	int fd;
	uint64_t sent, received;
	uint64_t start_ns;
	double tokens; /* of a paced source: bytes, at start_ns */
	size_t held;   /* echo: bytes in buf that were not taken back yet */
	uint8_t *buf;
};

static struct stats *stats;
static uint8_t pattern[PERIOD + PIECE];
static uint32_t *sample; /* ns */
static size_t samples;
static int ep;
static volatile sig_atomic_t stop;
static struct sockaddr_in server;
static unsigned int conns = 1, ports = 1, opened;
static size_t size = 64;
static double rate;
static struct conn *paced;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "sock: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void pattern_init(void)
{
	uint32_t x = 2463534242u; /* Marsaglia's xorshift */

	for (size_t i = 0; i < sizeof(pattern); i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		pattern[i] = i < PERIOD ? (uint8_t)(x >> 16) : pattern[i - PERIOD];
	}
}

static void check(struct conn *c, const uint8_t *p, size_t n)
{
	if (memcmp(pattern + c->received % PERIOD, p, n) != 0)
		stats->wrong++;
	c->received += n;
	stats->bytes += n;
}

static void watch(struct conn *c, uint32_t events, bool first)
{
	struct epoll_event ev = {.events = events, .data.ptr = c};

	if (epoll_ctl(ep, first ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, c->fd, &ev) < 0)
		die("epoll");
}

static struct conn *conn_new(int fd, enum kind kind, uint32_t events)
{
	struct conn *c = calloc(1, sizeof(*c));
	int one = 1;

	if (c == NULL)
		die("memory");
	c->fd = fd;
	c->kind = kind;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	watch(c, events, true);
	return c;
}

static void conn_free(struct conn *c)
{
	close(c->fd);
	free(c->buf);
	free(c);
}

/* --- moving
 * ---------------------------------------------------------------------------------------
 */

/* Bytes, 0: the end, -1: not now. A broken connection ends. */
static ssize_t receive(struct conn *c, uint8_t *buf, size_t n)
{
	ssize_t r = read(c->fd, buf, n);

	if (r < 0 && (errno == EAGAIN || errno == EINTR))
		return -1;
	return r < 0 ? 0 : r;
}

static bool sink(struct conn *c)
{
	static uint8_t buf[PIECE];
	ssize_t n = receive(c, buf, sizeof(buf));

	if (n > 0)
		check(c, buf, (size_t)n);
	return n != 0;
}

static bool source(struct conn *c)
{
	ssize_t n = write(c->fd, pattern + c->sent % PERIOD, PIECE);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	c->sent += (size_t)n;
	return true;
}

/* What is due by the clock; who could not send does not catch up later. */
static bool source_paced(struct conn *c)
{
	uint64_t now = now_ns();

	c->tokens += rate * (double)(now - c->start_ns) / 1e9;
	c->tokens = c->tokens < PIECE ? c->tokens : PIECE;
	c->start_ns = now;
	while (c->tokens >= PACED_PIECE) {
		ssize_t n = write(c->fd, pattern + c->sent % PERIOD, PACED_PIECE);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		c->sent += (size_t)n;
		c->tokens -= (double)n;
	}
	return true;
}

/* What could not be given back stays, and nothing more is read until it is. */
static bool echo(struct conn *c)
{
	uint8_t small[4096];
	ssize_t n, w;

	if (c->held > 0) {
		w = write(c->fd, c->buf, c->held);
		if (w < 0)
			return errno == EAGAIN;
		memmove(c->buf, c->buf + w, c->held - (size_t)w);
		c->held -= (size_t)w;
		if (c->held == 0)
			watch(c, EPOLLIN, false);
		return true;
	}
	n = receive(c, small, sizeof(small));
	if (n <= 0)
		return n < 0;
	stats->ops++;
	w = write(c->fd, small, (size_t)n);
	if (w == n)
		return true;
	if (w < 0 && errno != EAGAIN)
		return false;
	w = w < 0 ? 0 : w;
	if (c->buf == NULL && (c->buf = malloc(sizeof(small))) == NULL)
		return false;
	c->held = (size_t)(n - w);
	memcpy(c->buf, small + w, c->held);
	watch(c, EPOLLOUT, false);
	return true;
}

static void accept_all(struct conn *l)
{
	int fd;

	while ((fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		conn_new(fd, l->serves, l->serves == SOURCE ? EPOLLOUT : EPOLLIN);
}

static void request(struct conn *c, size_t n)
{
	c->start_ns = now_ns();
	if (write(c->fd, pattern + c->sent % PERIOD, n) != (ssize_t)n)
		stats->wrong++;
	c->sent += n;
}

static void answered(struct conn *c)
{
	uint64_t ns = now_ns() - c->start_ns;

	stats->ops++;
	if (samples < SAMPLES_MAX)
		sample[samples++] = ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
}

static bool trips(struct conn *c)
{
	static uint8_t buf[65536];
	ssize_t n = receive(c, buf, sizeof(buf));

	if (n <= 0)
		return n < 0;
	check(c, buf, (size_t)n);
	if (c->received == c->sent) {
		answered(c);
		request(c, size);
	}
	return true;
}

static void open_one(void)
{
	struct sockaddr_in to = server;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	uint64_t start = now_ns();

	to.sin_port = htons((uint16_t)(ntohs(server.sin_port) + opened++ % ports));
	if (fd < 0 || (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS))
		die("connect");
	conn_new(fd, OPEN, EPOLLOUT)->start_ns = start;
}

/* Connected: a byte; it came back: the end, and the next. */
static bool open_step(struct conn *c, uint32_t events)
{
	uint8_t byte;
	ssize_t n;

	if (events & EPOLLOUT && c->sent == 0) {
		if (write(c->fd, pattern, 1) != 1)
			die("connection refused");
		c->sent = 1;
		watch(c, EPOLLIN, false);
		return true;
	}
	n = receive(c, &byte, 1);
	if (n < 0)
		return true;
	if (n == 0)
		stats->wrong++;
	else
		check(c, &byte, 1);
	answered(c);
	open_one();
	return false;
}

static bool step(struct conn *c, uint32_t events)
{
	switch (c->kind) {
	case LISTENER:
		accept_all(c);
		return true;
	case SINK:
		return sink(c);
	case SOURCE:
		return source(c);
	case ECHO:
		return echo(c);
	case TRIPS:
		return trips(c);
	default:
		return open_step(c, events);
	}
}

/* --- the two roles
 * --------------------------------------------------------------------------------
 */

static void listen_on(uint16_t port, enum kind kind)
{
	struct sockaddr_in a = server;
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_port = htons(port);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 4096) < 0)
		die("listen");
	conn_new(fd, LISTENER, EPOLLIN)->serves = kind;
}

static int command(char **argv)
{
	pid_t self = getpid();
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		die("socketpair");
	if (fork() == 0) {
		/* However we end: an ssh whose other side is stuck does not go by an end of file.
		 */
		if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != self)
			_exit(1);
		dup2(pair[1], 0);
		dup2(pair[1], 1);
		close(pair[0]);
		close(pair[1]);
		execvp(argv[0], argv);
		die(argv[0]);
	}
	close(pair[1]);
	return pair[0];
}

static int connected(unsigned int i)
{
	struct sockaddr_in to = server;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_port = htons((uint16_t)(ntohs(server.sin_port) + i % ports));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		die("connect");
	return fd;
}

static void begin(enum kind kind, char **argv)
{
	for (unsigned int i = 0; i < conns; i++) {
		struct conn *c;

		if (kind == OPEN) {
			open_one();
			continue;
		}
		c = conn_new(argv != NULL ? command(argv) : connected(i), kind,
			     kind != SOURCE ? EPOLLIN
			     : rate > 0     ? 0
					    : EPOLLOUT);
		if (kind == SOURCE && rate > 0) {
			c->start_ns = now_ns();
			paced = c;
		}
		if (kind == TRIPS)
			request(c, size);
	}
}

static void run(bool serves)
{
	const struct timespec look = {.tv_nsec = PACED_NS};
	struct epoll_event ev[EVENTS];

	while (!stop) {
		int n = epoll_pwait2(ep, ev, EVENTS, paced != NULL ? &look : NULL, NULL);

		if (paced != NULL && !source_paced(paced))
			stop = 1;

		for (int i = 0; i < n; i++) {
			struct conn *c = ev[i].data.ptr;

			if (step(c, ev[i].events))
				continue;
			if (!serves && c->kind != OPEN) {
				fprintf(stderr, "sock: a connection ended\n");
				exit(1);
			}
			conn_free(c);
		}
	}
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void print(void)
{
	qsort(sample, samples, sizeof(*sample), by_value);
	printf("{\"bytes\": %" PRIu64 ", \"ops\": %" PRIu64 ", \"wrong\": %" PRIu64, stats->bytes,
	       stats->ops, stats->wrong);
	if (samples > 0)
		printf(", \"p50_us\": %.3f, \"p99_us\": %.3f", sample[samples / 2] / 1e3,
		       sample[samples * 99 / 100] / 1e3);
	printf("}\n");
}

static void stats_map(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, sizeof(*stats)) < 0)
		die(path);
	stats = mmap(NULL, sizeof(*stats), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	sample = malloc(SAMPLES_MAX * sizeof(*sample));
	if (stats == MAP_FAILED || sample == NULL)
		die(path);
}

static int kind_of(const char *what)
{
	static const struct {
		const char *name;
		enum kind kind;
	} all[] = {{"serve", LISTENER},
		   {"up", SOURCE},
		   {"down", SINK},
		   {"trips", TRIPS},
		   {"open", OPEN}};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (strcmp(what, all[i].name) == 0)
			return (int)all[i].kind;
	return -1;
}

static int usage(void)
{
	fprintf(stderr,
		"usage: sock serve STATS ADDRESS PORT\n"
		"       sock up|down|trips|open STATS [--conns N] [--ports N] [--size N] [--rate N]"
		" ADDRESS PORT | -- COMMAND ARG...\n");
	return 2;
}

/* Index of what follows the options, or -1. */
static int options(int argc, char **argv)
{
	int i = 3;

	for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0 && argv[i][2] != '\0'; i += 2) {
		unsigned int v = (unsigned int)atoi(argv[i + 1]);

		if (strcmp(argv[i], "--conns") == 0 && v > 0 && v <= CONNS_MAX)
			conns = v;
		else if (strcmp(argv[i], "--ports") == 0 && v > 0 && v <= CONNS_MAX)
			ports = v;
		else if (strcmp(argv[i], "--size") == 0 && v > 0 && v <= 4096)
			size = v;
		else if (strcmp(argv[i], "--rate") == 0 && v > 0)
			rate = v;
		else
			return -1;
	}
	return i;
}

int main(int argc, char **argv)
{
	int kind = argc > 4 ? kind_of(argv[1]) : -1, i = kind < 0 ? -1 : options(argc, argv);
	char **run_argv = NULL;

	if (i < 0 || i + 1 >= argc)
		return usage();
	if (strcmp(argv[i], "--") == 0)
		run_argv = &argv[i + 1];
	else if (inet_pton(AF_INET, argv[i], &server.sin_addr) != 1)
		return usage();
	else
		server.sin_port = htons((uint16_t)atoi(argv[i + 1]));
	server.sin_family = AF_INET;
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	pattern_init();
	stats_map(argv[2]);
	ep = epoll_create1(EPOLL_CLOEXEC);
	if (kind == LISTENER)
		for (int k = 0; k < 3; k++)
			listen_on((uint16_t)(ntohs(server.sin_port) + k), (enum kind)(SINK + k));
	else
		begin((enum kind)kind, run_argv);
	fprintf(stderr, "ready\n");
	run(kind == LISTENER);
	print();
	return stats->wrong == 0 ? 0 : 1;
}
