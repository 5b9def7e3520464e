/*
 * perf/knock.c - clients that log in and go away, over the kernel's sockets, for what is compared
 * with a gateway.
 *
 *   knock STATS ADDRESS PORT USER KEY [KEX [CONNS]]
 *
 * CONNS connections at once, 8: each asks for a key exchange of KEX, logs in with the key, which is
 * the first thing it tries, closes and begins again, until the process is ended. The file STATS
 * holds two numbers, for whoever measures a part of it: logins, and connections that ended without
 * one.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ssh/pump.h"

#define CONNS_MAX 1024
#define EVENTS    64

struct stats {
	uint64_t logins, failed;
};

struct client {
	int fd;
	struct ssh_brain *brain;
	struct ssh_pump pump;
	bool tried, in, ended;
};

static struct stats *stats;
static struct sockaddr_in server = {.sin_family = AF_INET};
static const char *user, *kex;
static struct key *key;
static struct cipher_engine *engine;
static int ep;
static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static void *stats_map(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	void *p;

	if (fd < 0 || ftruncate(fd, sizeof(struct stats)) < 0)
		die("%s: %m", path);
	p = mmap(NULL, sizeof(struct stats), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		die("%s: %m", path);
	return p;
}

/* --- one client ------------------------------------------------------------------------------ */

static void client_begin(struct client *c)
{
	struct ssh_brain_conf conf = {.role = SSH_CLIENT,
				      .ident = "SSH-2.0-Sluice_knock",
				      .kex_algs = kex,
				      .strict = SSH_STRICT_ON,
				      .user = user};
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
	int one = 1;

	*c = (struct client){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&server, sizeof(server)) < 0)
		die("connect: %m");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	if (ssh_brain_new(&conf, &c->brain) < 0 || ssh_pump_init(&c->pump, engine, c->brain) < 0 ||
	    ssh_brain_start(c->brain) < 0)
		die("no memory, or no such key exchange: %s", kex);
	if (epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev) < 0)
		die("epoll: %m");
}

static void client_end(struct client *c)
{
	ssh_pump_fini(&c->pump);
	ssh_brain_free(c->brain);
	close(c->fd); /* and leaves the epoll set */
}

static void sign(struct client *c, const struct ssh_act *a)
{
	uint8_t sig[KEY_SIG_MAX];
	size_t len = sizeof(sig);
	int r = key_sign(key, a->sign.sig_alg, a->sign.data.p, a->sign.data.len, sig, &len);

	(void)ssh_brain_sign_answer(c->brain, a->id, r, sig, len);
}

static void login(struct client *c, const struct ssh_act *a)
{
	if (c->tried || ssh_brain_login_publickey(c->brain, a->id, key, NULL) < 0)
		(void)ssh_brain_login_give_up(c->brain, a->id);
	c->tried = true;
}

static void act(struct client *c, const struct ssh_act *a)
{
	switch (a->kind) {
	case SSH_ACT_JOB:
		ssh_job_run(a->job);
		(void)ssh_brain_job_done(c->brain, a->id, a->job);
		break;
	case SSH_ACT_SIGN:
		sign(c, a);
		break;
	case SSH_ACT_HOSTKEY: /* whoever it is, it is to be loaded */
		(void)ssh_brain_hostkey_answer(c->brain, a->id, true);
		break;
	case SSH_ACT_LOGIN:
		login(c, a);
		break;
	case SSH_ACT_AUTHENTICATED:
		c->in = true;
		break;
	case SSH_ACT_END:
		c->ended = true;
		break;
	default:
		break;
	}
}

static void client_flush(struct client *c)
{
	size_t len;
	const uint8_t *p = ssh_pump_out(&c->pump, &len);

	/* What a client says until it is in fits any socket's buffer. */
	while (len > 0) {
		ssize_t n = send(c->fd, p, len, MSG_NOSIGNAL);

		if (n <= 0) {
			c->ended = true;
			return;
		}
		ssh_pump_sent(&c->pump, (size_t)n);
		p = ssh_pump_out(&c->pump, &len);
	}
}

static void client_read(struct client *c)
{
	static uint8_t buf[65536];
	ssize_t n = recv(c->fd, buf, sizeof(buf), 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 || ssh_pump_feed(&c->pump, buf, (size_t)n) < 0)
		c->ended = true;
}

static void client_turn(struct client *c)
{
	struct ssh_act a;

	client_read(c);
	while (!c->ended && !c->in && ssh_pump_step(&c->pump, &a) == 0)
		act(c, &a);
	if (!c->ended)
		client_flush(c);
	if (!c->in && !c->ended)
		return;
	stats->logins += c->in;
	stats->failed += !c->in;
	client_end(c);
	client_begin(c);
}

/* --- all of them ------------------------------------------------------------------------------ */

int main(int argc, char **argv)
{
	static struct client client[CONNS_MAX];
	struct epoll_event ev[EVENTS];
	unsigned long conns = 8;

	if (argc < 6 || argc > 8 || inet_pton(AF_INET, argv[2], &server.sin_addr) != 1)
		die("usage: knock STATS ADDRESS PORT USER KEY [KEX [CONNS]]");
	stats = stats_map(argv[1]);
	server.sin_port = htons((uint16_t)strtoul(argv[3], NULL, 10));
	user = argv[4];
	kex = argc > 6 ? argv[6] : NULL;
	conns = argc > 7 ? strtoul(argv[7], NULL, 10) : conns;
	if (conns == 0 || conns > CONNS_MAX)
		die("CONNS is 1 to %d", CONNS_MAX);
	if (key_file_load(argv[5], &key) < 0)
		die("%s: not a key", argv[5]);
	if (cipher_engine_new(CIPHER_ENGINE_AUTO, SSH_PACKET_MAX + 64, &engine) < 0)
		die("no memory");
	ep = epoll_create1(EPOLL_CLOEXEC);
	signal(SIGTERM, on_signal);
	for (unsigned long i = 0; i < conns; i++)
		client_begin(&client[i]);
	printf("ready\n");
	fflush(stdout);
	while (!stop) {
		int n = epoll_wait(ep, ev, EVENTS, -1);

		for (int i = 0; i < n; i++)
			client_turn(ev[i].data.ptr);
	}
	for (unsigned long i = 0; i < conns; i++)
		client_end(&client[i]);
	close(ep);
	cipher_engine_free(engine);
	key_free(key);
	return 0;
}
