/*
 * perf/knock.c - clients that log in and go away, over the kernel's sockets, for what is compared
 * with a gateway.
 *
 *   knock [-b] [-f FROM] [-r RATE] STATS ADDRESS PORT USER KEY [KEX [CONNS]]
 *
 * CONNS connections at once, 8: each asks for a key exchange of KEX, logs in with the key, which is
 * the first thing it tries, closes and begins again, until the process is ended. The file STATS
 * holds numbers, for whoever measures a part of it: logins, connections that ended without one,
 * signatures, and how long the last logins took.
 *   -b  signatures are as long as right ones, and wrong; KEY may be a public one, and is tried
 *       until the server has enough
 *   -f  the address it comes from
 *   -r  so many connections a second at most
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
#include <time.h>
#include <unistd.h>

#include "crypto/blob.h"
#include "crypto/secret.h"
#include "ssh/pump.h"

#define CONNS_MAX 1024
#define EVENTS    64
#define TOOK      4096 /* logins whose time is kept */

struct stats {
	uint64_t logins, failed, signatures;
	uint64_t took_us[TOOK]; /* of login n at n % TOOK */
};

struct client {
	int fd;
	struct ssh_brain *brain;
	struct ssh_pump pump;
	bool tried, in, ended;
	bool idle; /* it waits to begin */
	uint64_t began_us;
};

static struct stats *stats;
static struct sockaddr_in server = {.sin_family = AF_INET};
static const char *user, *kex;
static struct key *key;
static struct cipher_engine *engine;
static struct sockaddr_in from = {.sin_family = AF_INET};
static bool wrong;
static uint64_t every_us, next_us; /* between two beginnings; of the next */
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

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* --- wrong signatures ------------------------------------------------------------------------ */

/* Bytes of a number below any modulus of that length: nothing is refused for its size. */
static void number(struct blob_wr *w, size_t len, bool mpint)
{
	uint8_t n[KEY_SIG_MAX];

	if (crypto_random(n, len) < 0)
		die("no randomness");
	n[0] = mpint ? 1 : 0;
	if (mpint)
		blob_wr_mpint(w, n, len);
	else
		blob_wr_str(w, n, len);
}

/* What a verifier has to compute before it knows better. */
static size_t wrong_signature(const char *alg, uint8_t sig[KEY_SIG_MAX])
{
	struct blob_wr w = blob_wr_init(sig, KEY_SIG_MAX);
	uint8_t raw[64], inner[512];
	struct blob_wr rs = blob_wr_init(inner, sizeof(inner));

	blob_wr_cstr(&w, alg);
	if (strstr(alg, "ed25519") != NULL) {
		if (crypto_random(raw, sizeof(raw)) < 0)
			die("no randomness");
		raw[63] &= 0x0f; /* S below the order */
		blob_wr_str(&w, raw, sizeof(raw));
	} else if (strncmp(alg, "rsa", 3) == 0) {
		number(&w, key_bits(key) / 8, false);
	} else {
		number(&rs, key_bits(key) / 8, true);
		number(&rs, key_bits(key) / 8, true);
		blob_wr_str(&w, inner, rs.len);
	}
	if (key_is_sk(key)) { /* touched, and used for the first time */
		const uint8_t flags_and_counter[5] = {1, 0, 0, 0, 1};

		blob_wr_put(&w, flags_and_counter, sizeof(flags_and_counter));
	}
	return w.len;
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

	*c = (struct client){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
			     .began_us = now_us()};
	if (c->fd < 0 || bind(c->fd, (struct sockaddr *)&from, sizeof(from)) < 0 ||
	    connect(c->fd, (struct sockaddr *)&server, sizeof(server)) < 0)
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
	int r = 0;

	if (wrong)
		len = wrong_signature(a->sign.sig_alg, sig);
	else
		r = key_sign(key, a->sign.sig_alg, a->sign.data.p, a->sign.data.len, sig, &len);
	stats->signatures++;
	(void)ssh_brain_sign_answer(c->brain, a->id, r, sig, len);
}

static void login(struct client *c, const struct ssh_act *a)
{
	if ((c->tried && !wrong) || ssh_brain_login_publickey(c->brain, a->id, key, NULL) < 0)
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
	if (c->in)
		stats->took_us[stats->logins % TOOK] = now_us() - c->began_us;
	stats->logins += c->in;
	stats->failed += !c->in;
	client_end(c);
	if (every_us > 0)
		c->idle = true;
	else
		client_begin(c);
}

/* Those whose time has come; milliseconds until the next, or -1. */
static int begin_due(struct client *client, unsigned long n)
{
	for (unsigned long i = 0; i < n; i++) {
		uint64_t now = now_us();

		if (!client[i].idle)
			continue;
		if (now < next_us)
			return (int)((next_us - now) / 1000 + 1);
		next_us = (now > next_us + 10 * every_us ? now : next_us) + every_us;
		client_begin(&client[i]);
	}
	return -1;
}

static void options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "bf:r:")) != -1) {
		unsigned long rate = c == 'r' ? strtoul(optarg, NULL, 10) : 0;

		if (c == 'b')
			wrong = true;
		else if (c == 'r' && rate > 0)
			every_us = 1000000 / rate;
		else if (c != 'f' || inet_pton(AF_INET, optarg, &from.sin_addr) != 1)
			die("knock: bad option");
	}
}

static void key_load(const char *path)
{
	char line[KEY_BLOB_MAX * 2] = "";
	FILE *f;

	if (key_file_load(path, &key) == 0)
		return;
	f = fopen(path, "re");
	if (f == NULL || fgets(line, sizeof(line), f) == NULL ||
	    key_public_line_parse(line, strcspn(line, "\n"), &key) < 0)
		die("%s: not a key", path);
	fclose(f);
}

/* --- all of them ------------------------------------------------------------------------------ */

int main(int argc, char **argv)
{
	static struct client client[CONNS_MAX];
	struct epoll_event ev[EVENTS];
	unsigned long conns = 8;

	options(argc, argv);
	argc -= optind - 1;
	argv += optind - 1;
	if (argc < 6 || argc > 8 || inet_pton(AF_INET, argv[2], &server.sin_addr) != 1)
		die("usage: knock [-b] [-f FROM] [-r RATE] STATS ADDRESS PORT USER KEY [KEX "
		    "[CONNS]]");
	stats = stats_map(argv[1]);
	server.sin_port = htons((uint16_t)strtoul(argv[3], NULL, 10));
	user = argv[4];
	kex = argc > 6 ? argv[6] : NULL;
	conns = argc > 7 ? strtoul(argv[7], NULL, 10) : conns;
	if (conns == 0 || conns > CONNS_MAX)
		die("CONNS is 1 to %d", CONNS_MAX);
	key_load(argv[5]);
	if (cipher_engine_new(CIPHER_ENGINE_AUTO, SSH_PACKET_MAX + 64, &engine) < 0)
		die("no memory");
	ep = epoll_create1(EPOLL_CLOEXEC);
	signal(SIGTERM, on_signal);
	for (unsigned long i = 0; i < conns; i++)
		client[i].idle = true;
	printf("ready\n");
	fflush(stdout);
	while (!stop) {
		int due = begin_due(client, conns);
		int n = epoll_wait(ep, ev, EVENTS, due);

		for (int i = 0; i < n; i++)
			client_turn(ev[i].data.ptr);
	}
	for (unsigned long i = 0; i < conns; i++)
		if (!client[i].idle)
			client_end(&client[i]);
	close(ep);
	cipher_engine_free(engine);
	key_free(key);
	return 0;
}
