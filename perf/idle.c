/*
 * perf/idle.c - what an idle authenticated connection costs, everything counted.
 *
 *   idle [--conns N] [--listeners N] [--json FILE] [--smoke]
 *
 * By owner; what the processes of a gateway have in all, with a hundred times as many, is
 * perf/compare's row "idle memory" (idlelab.py).
 *
 * The relay of a shard and the sessions of control in one process, over a link in memory, and
 * clients that log in one after the other by real key exchange; then all of them say nothing.
 * Bytes are those of the process: resident before there was a table, and after all rest and free
 * memory was given back. TCP's part is what its tables take (mallinfo), since what a connection of
 * it holds at rest is its place there. The owners are shown beside. Streams and clients are ours
 * and not counted. With --listeners each has as many (tcpip-forward) by the time it rests: how long
 * a request takes, with policy and the shard's tables, and what a listener costs is told. No
 * MaxStartups, no password: the login is by "none" of a user with an empty one.
 */
#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include <rte_eal.h>

#include "control/clock.h"
#include "control/log.h"
#include "control/session/forward.h"
#include "dataplane/net/net.h"
#include "dataplane/relay/relay.h"
#include "dataplane/tcp/tcp.h"
#include "ssh/forward.h"
#include "ssh/kexinit.h"
#include "ssh/pump.h"

#define GOAL_MUST     8192 /* bytes */
#define LISTENER_PORT 2000
#define PEER          1992294.0 /* sshd: 1.9 MiB (1.7 to 2.1), measured on this class of machine */
#define TICK_MS       10        /* who waits for a thread of control's looks this often at least */
#define LOGIN_MS      60000     /* it does not end */

static void die(const char *what, int err)
{
	fprintf(stderr, "perf/idle: %s: %s\n", what,
		err <= -SSH_E_BASE ? ssh_err_text(err) : strerror(-err));
	exit(1);
}

static void must(int r, const char *what)
{
	if (r < 0)
		die(what, r);
}

/* --- a message on its way ------------------------------------------------------------------- */

struct msg {
	struct msg *next;
	size_t len;
	_Alignas(uint64_t) uint8_t bytes[];
};

static struct {
	struct msg *first, **last;
} down = {NULL, &down.first};

static struct {
	uv_loop_t loop;
	uv_timer_t tick;
	struct clock *clock;
	struct session_env env;
	struct session_table *table;
	struct relay *relay;
	struct net *net;
	struct tcp *tcp; /* listens */
	uint32_t n_listening;
	double listen_us; /* all requests together */
	struct pkt_pools pools;
	struct cipher_engine *engine, *client_engine;
	uint64_t later_ms;
	char dir[64];
} w = {.dir = "/tmp/sluice-idle-XXXXXX"};

static uint64_t now_ms(void)
{
	return clock_now_ms() + w.later_ms;
}

/* Control sends. */
static void link_down(void *arg, const void *head, size_t head_len, const void *body,
		      size_t body_len)
{
	struct msg *m = malloc(sizeof(*m) + head_len + body_len);

	(void)arg;
	if (m == NULL)
		die("link", -ENOMEM);
	m->next = NULL;
	m->len = head_len + body_len;
	memcpy(m->bytes, head, head_len);
	if (body_len > 0)
		memcpy(m->bytes + head_len, body, body_len);
	*down.last = m;
	down.last = &m->next;
}

static int link_recv(void *arg, void *buf, size_t size)
{
	struct msg *m = down.first;
	int len;

	(void)arg;
	if (m == NULL || m->len > size)
		return -EAGAIN;
	down.first = m->next;
	if (down.first == NULL)
		down.last = &down.first;
	memcpy(buf, m->bytes, m->len);
	len = (int)m->len;
	free(m);
	return len;
}

/* The shard sends. */
static int link_up(void *arg, const void *head, size_t head_len, const void *body, size_t body_len)
{
	_Alignas(uint64_t) static uint8_t msg[LINK_MSG_MAX];

	(void)arg;
	memcpy(msg, head, head_len);
	if (body_len > 0)
		memcpy(msg + head_len, body, body_len);
	must(session_table_event(w.table, msg), "control refuses an event");
	return 0;
}

/* --- the client's stream ---------------------------------------------------------------------- */

struct pipe_end {
	struct stream s;
	struct pkt_chain rx, tx;
};

static struct pipe_end *end_of(const struct stream *s)
{
	return (struct pipe_end *)(uintptr_t)s;
}

static uint32_t end_rx_take(struct stream *s, uint32_t max, struct pkt_chain *ret)
{
	struct pipe_end *e = end_of(s);
	uint32_t n = RTE_MIN(max, e->rx.len);

	return n == 0 || pkt_chain_split(&e->rx, n, ret, w.pools.data) < 0 ? 0 : n;
}

static uint32_t end_rx_len(const struct stream *s)
{
	return end_of(s)->rx.len;
}

static int end_tx(struct stream *s, struct pkt_chain *c)
{
	pkt_chain_join(&end_of(s)->tx, c);
	return 0;
}

static uint32_t end_tx_space(const struct stream *s)
{
	(void)s;
	return 1 << 20;
}

static uint32_t end_tx_queued(const struct stream *s)
{
	(void)s;
	return 0;
}

static void end_over(struct stream *s)
{
	pkt_chain_free(&end_of(s)->rx);
	pkt_chain_free(&end_of(s)->tx);
}

static const struct stream_ops end_ops = {
	.rx_take = end_rx_take,
	.rx_len = end_rx_len,
	.tx = end_tx,
	.tx_space = end_tx_space,
	.tx_queued = end_tx_queued,
	.shutdown = end_over,
	.close = end_over,
	.abort = end_over,
};

/* --- a login ---------------------------------------------------------------------------------- */

struct client {
	struct pipe_end *end;
	struct ssh_brain *brain;
	struct ssh_pump pump;
	uint32_t in, answers;
};

static bool client_send(struct client *c)
{
	size_t n;
	const uint8_t *p = ssh_pump_out(&c->pump, &n);
	struct pkt_chain chain;

	if (n == 0)
		return false;
	must(pkt_chain_from(p, (uint32_t)n, w.pools.data, &chain), "buffers");
	pkt_chain_join(&c->end->rx, &chain);
	ssh_pump_sent(&c->pump, n);
	stream_notify(&c->end->s, STREAM_EV_READABLE);
	return true;
}

static void client_hear(struct client *c)
{
	struct pkt_chain *tx = &c->end->tx;
	uint8_t *buf;

	if (tx->len == 0)
		return;
	buf = malloc(tx->len);
	if (buf == NULL)
		die("client", -ENOMEM);
	pkt_chain_read(tx, 0, buf, tx->len);
	must(ssh_pump_feed(&c->pump, buf, tx->len), "client");
	free(buf);
	pkt_chain_free(tx);
}

static void client_act(struct client *c, const struct ssh_act *a)
{
	switch (a->kind) {
	case SSH_ACT_JOB:
		ssh_job_run(a->job);
		(void)ssh_brain_job_done(c->brain, a->id, a->job);
		break;
	case SSH_ACT_HOSTKEY:
		(void)ssh_brain_hostkey_answer(c->brain, a->id, true);
		break;
	case SSH_ACT_LOGIN:
		must(ssh_brain_login_none(c->brain, a->id), "login");
		break;
	case SSH_ACT_AUTHENTICATED:
		c->in = 1;
		break;
	case SSH_ACT_GLOBAL_REPLY:
		if (a->msg != SSH_MSG_REQUEST_SUCCESS)
			die("a listener was refused", -EACCES);
		c->answers++;
		break;
	case SSH_ACT_END:
		die("a client was sent away", a->err);
		break;
	default:
		break;
	}
}

static unsigned int shard_turn(void)
{
	uint64_t now = now_ms() * 1000;

	return relay_timers(w.relay, now) + relay_open(w.relay, now) + relay_run(w.relay, now) +
	       relay_seal(w.relay, now);
}

/* Until *count is as much as is wanted. */
static void client_until(struct client *c, const uint32_t *count, uint32_t wanted)
{
	const uint64_t end_ms = now_ms() + LOGIN_MS;
	struct ssh_act a;

	while (*count < wanted) {
		unsigned int work = shard_turn();

		client_hear(c);
		while (ssh_pump_step(&c->pump, &a) == 0)
			client_act(c, &a);
		/* Nobody has anything to do: a thread of control's computes, on this very core. */
		if (*count < wanted && !client_send(c) && work == 0 && down.first == NULL)
			uv_run(&w.loop, UV_RUN_ONCE);
		if (now_ms() > end_ms)
			die("a login does not end", -ETIMEDOUT);
	}
}

static double us_between(const struct timespec *t0, const struct timespec *t1)
{
	return ((double)(t1->tv_sec - t0->tv_sec) * 1e9 + (double)(t1->tv_nsec - t0->tv_nsec)) /
	       1e3;
}

/* One request after the other, as OpenSSH's. */
static void client_listens(struct client *c, uint32_t n)
{
	struct timespec t0, t1;
	uint8_t buf[64];
	struct ssh_wr wr;

	clock_gettime(CLOCK_MONOTONIC, &t0);
	for (uint32_t i = 1; i <= n; i++) {
		ssh_wr_init(&wr, buf, sizeof(buf));
		ssh_wr_u8(&wr, SSH_MSG_GLOBAL_REQUEST);
		ssh_wr_cstr(&wr, SSH_REQUEST_FORWARD);
		ssh_wr_bool(&wr, true);
		ssh_wr_cstr(&wr, "");
		ssh_wr_u32(&wr, LISTENER_PORT + w.n_listening);
		must(ssh_brain_send(c->brain, buf, ssh_wr_done(&wr)), "request");
		client_until(c, &c->answers, i);
	}
	clock_gettime(CLOCK_MONOTONIC, &t1);
	w.listen_us += us_between(&t0, &t1);
}

static void client_login(struct pipe_end *end, uint32_t i, uint32_t listeners)
{
	static const struct link_addr local = {.family = 4, .port = 22, .addr = {192, 0, 2, 1}};
	const struct link_addr peer = {.family = 4,
				       .port = (uint16_t)(1024 + i % 60000),
				       .addr = {198, 18, (uint8_t)(i >> 8), (uint8_t)i}};
	const struct ssh_brain_conf conf = {.role = SSH_CLIENT,
					    .ident = "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7",
					    .strict = SSH_STRICT_ON,
					    .user = "demo"};
	struct client c = {.end = end};

	*end = (struct pipe_end){.s = {.ops = &end_ops, .kind = STREAM_TCP}};
	must(ssh_brain_new(&conf, &c.brain), "client");
	must(ssh_brain_start(c.brain), "client");
	must(ssh_pump_init(&c.pump, w.client_engine, c.brain), "client");
	if (!relay_accept(w.relay, &end->s, 0, &local, &peer, now_ms() * 1000))
		die("connection", -ENOBUFS);
	client_until(&c, &c.in, 1);
	client_listens(&c, listeners);
	ssh_pump_fini(&c.pump);
	ssh_brain_free(c.brain);
}

/* --- begin and end ------------------------------------------------------------------------------
 */

static void on_tick(uv_timer_t *t)
{
	(void)t;
}

static void control_begin(uint32_t n)
{
	const struct conf_algs algs = {
		.ciphers = {.dflt = SSH_DEFAULT_CIPHERS, .all = SSH_DEFAULT_CIPHERS},
		.macs = {.dflt = SSH_DEFAULT_MACS, .all = SSH_DEFAULT_MACS},
		.kex = {.dflt = SSH_DEFAULT_KEX, .all = SSH_DEFAULT_KEX},
		.hostkey = {.dflt = SSH_DEFAULT_HOSTKEY, .all = SSH_DEFAULT_HOSTKEY},
		.pubkey_accepted = {.dflt = SSH_DEFAULT_HOSTKEY, .all = SSH_DEFAULT_HOSTKEY},
	};
	const struct session_link link = {.send = link_down, .start_id = 1};
	struct session_env *e = &w.env;
	struct key *host = NULL;
	char text[512], path[128], *errors = NULL;
	FILE *f;
	int len;

	if (mkdtemp(w.dir) == NULL || chmod(w.dir, 0755) < 0)
		die(w.dir, -errno);
	snprintf(path, sizeof(path), "%s/passwords", w.dir);
	f = fopen(path, "w");
	if (f == NULL)
		die(path, -errno);
	fputs("demo:\n", f);
	fclose(f);
	(void)!chmod(path, 0600);
	len = snprintf(text, sizeof(text),
		       "ListenAddress 127.0.0.1:22\nAuthorizedKeysFile none\nPasswordHashFile %s\n"
		       "PermitEmptyPasswords yes\nLoginGraceTime 0\nLogLevel QUIET\n"
		       "GatewayPorts yes\nMaxListeners 60000\nMaxListenersPerConnection 60000\n"
		       "MaxListenersPerUser 60000\nMaxListenersPerSource 60000\nSlowPathRate 0\n",
		       path);
	must(conf_parse("idle", text, (size_t)len, &algs, &e->conf, &errors), "configuration");
	log_threshold_set(LOG_L_QUIET);
	uv_loop_init(&w.loop);
	uv_timer_init(&w.loop, &w.tick);
	uv_timer_start(&w.tick, on_tick, TICK_MS, TICK_MS);
	e->startups.limit = (struct startups_limit){n + 1, 100, n + 1};
	e->ident = "SSH-2.0-Sluice";
	e->now_ms = now_ms;
	must(timers_new(&e->timers), "timers");
	must(clock_new(&w.loop, e->timers, &w.clock), "clock");
	must(pool_new(&w.loop, e->timers, 2, 64, &e->compute), "threads");
	must(pool_new(&w.loop, e->timers, 2, 64, &e->files), "threads");
	must(signer_new(e->compute, &e->keys.set[0].signer), "signer");
	must(resolver_new(&w.loop, e->timers, &e->resolver), "resolver");
	must(key_generate("ssh-ed25519", 0, &host), "host key");
	must(signer_add(e->keys.set[0].signer, host), "host key");
	must(blob_key_new(&e->blob_key), "blob key");
	must(session_table_new(e, &link, 0, 0, n, &w.table), "table");
}

static bool nobody(void *arg, struct stream *s, uint32_t listener, const struct net_addr *local,
		   uint16_t local_port, const struct net_addr *peer, uint16_t peer_port)
{
	(void)arg, (void)s, (void)listener, (void)local, (void)local_port, (void)peer;
	(void)peer_port;
	return false;
}

static int listen_begin(void *arg, uint32_t id, const struct link_addr *addr, uint16_t *ret_port)
{
	const struct net_addr any = {.family = 0};

	(void)arg;
	(void)ret_port;
	w.n_listening++;
	return tcp_listen(w.tcp, &any, addr->port, id, 1, nobody, NULL);
}

static void listen_end(void *arg, uint32_t id)
{
	(void)arg;
	(void)tcp_listen_close(w.tcp, id);
}

static void tcp_begin(void)
{
	const struct net_conf nc = {.pools = &w.pools};
	struct tcp_conf conf = {
		.pools = &w.pools, .conns_max = 1, .rx_budget = 1 << 20, .tx_budget = 1 << 20};

	must(net_new(&nc, &w.net), "net");
	conf.net = w.net;
	must(tcp_new(&conf, &w.tcp), "tcp");
}

static void relay_begin(uint32_t n)
{
	const struct relay_conf conf = {
		.conns_max = n,
		.chans_max = 4 * n,
		.audit_backlog = 1024,
		.control_wait_ms = 10000,
		.pools = &w.pools,
		.engine = w.engine,
		.link = {.send = link_up, .recv = link_recv},
		.listens = {.begin = listen_begin, .end = listen_end},
	};

	tcp_begin();
	must(relay_new(&conf, &w.relay), "relay");
	relay_link_attached(w.relay);
}

static void eal_begin(void)
{
	static char *argv[] = {(char *)"idle",
			       (char *)"--no-huge",
			       (char *)"-m",
			       (char *)"128",
			       (char *)"--no-pci",
			       (char *)"--no-shconf",
			       (char *)"--no-telemetry",
			       (char *)"-l",
			       (char *)"0",
			       (char *)"--log-level=error",
			       NULL};

	setenv("XDG_RUNTIME_DIR", "/tmp", 0);
	if (rte_eal_init(RTE_DIM(argv) - 1, argv) < 0)
		die("EAL", -EIO);
	must(pkt_pools_new("idle", 8191, 1023, SOCKET_ID_ANY, &w.pools), "pools");
	must(cipher_engine_new(CIPHER_ENGINE_AUTO, SSH_PACKET_MAX + 4096, &w.engine), "engine");
	must(cipher_engine_new(CIPHER_ENGINE_OPENSSL, SSH_PACKET_MAX, &w.client_engine), "engine");
}

static void the_end(struct pipe_end *ends)
{
	char path[128];

	relay_free(w.relay);
	tcp_free(w.tcp);
	net_free(w.net);
	session_table_free(w.table);
	while (down.first != NULL) {
		struct msg *m = down.first;

		down.first = m->next;
		free(m);
	}
	resolver_close(w.env.resolver);
	pool_close(w.env.files);
	pool_close(w.env.compute);
	clock_close(w.clock);
	uv_close((uv_handle_t *)&w.tick, NULL);
	uv_run(&w.loop, UV_RUN_DEFAULT);
	uv_loop_close(&w.loop);
	keysets_fini(&w.env.keys);
	blob_key_free(w.env.blob_key);
	timers_free(w.env.timers);
	conf_put(w.env.conf);
	cipher_engine_free(w.engine);
	cipher_engine_free(w.client_engine);
	pkt_pools_free(&w.pools);
	free(ends);
	snprintf(path, sizeof(path), "%s/passwords", w.dir);
	unlink(path);
	rmdir(w.dir);
}

/* --- counting -----------------------------------------------------------------------------------
 */

static size_t resident(void)
{
	unsigned long size, pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f == NULL || fscanf(f, "%lu %lu", &size, &pages) != 2)
		die("/proc/self/statm", -EIO);
	fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static size_t allocated(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

/* TCP's tables for n, without what they have for one. */
static double tcp_bytes(uint32_t n)
{
	struct net_conf nc = {.pools = &w.pools};
	size_t took[2];
	struct net *net;

	must(net_new(&nc, &net), "net");
	for (int i = 0; i < 2; i++) {
		struct tcp_conf conf = {.net = net,
					.pools = &w.pools,
					.conns_max = i == 0 ? 1 : n,
					.rx_budget = 1 << 20,
					.tx_budget = 1 << 20};
		size_t before = allocated();
		struct tcp *t;

		must(tcp_new(&conf, &t), "tcp");
		took[i] = allocated() - before;
		tcp_free(t);
	}
	net_free(net);
	return (double)(took[1] - took[0]) / n;
}

/* Deadlines of jobs that are done, and the rest of who spoke last. */
static void rest(uint32_t n)
{
	for (unsigned int i = 0; i < 4; i++) {
		w.later_ms += REST_MS;
		timers_poll(w.env.timers, now_ms());
		while (shard_turn() > 0)
			;
	}
	w.later_ms += 120000;
	timers_poll(w.env.timers, now_ms());
	for (uint32_t i = 0; i < n; i++)
		if (w.table->by_index[i] == NULL || w.table->by_index[i]->awake != NULL)
			die("a connection does not rest", -EBUSY);
	malloc_trim(0);
}

static double control_bytes(uint32_t n)
{
	size_t sum = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct session *s = w.table->by_index[i];

		sum += malloc_usable_size(s) + malloc_usable_size(s->past) + 2 * sizeof(size_t);
	}
	return (double)sum / n + sizeof(struct session *);
}

static void report(const char *json, uint32_t n, double tcp, double tables, double all,
		   double control, double login_us)
{
	double total = tcp + all;
	FILE *f;

	printf("idle authenticated connections: %u, bytes of each\n", n);
	printf("  %-44s %8.0f\n", "TCP: its place in the tables", tcp);
	printf("  %-44s %8.0f\n", "relay: its place in the tables", tables);
	printf("  %-44s %8.0f\n", "control: session, what it was", control);
	printf("  %-44s %8.0f\n", "blob, pages begun, free memory between", all - tables - control);
	printf("  %-44s %8.0f  (must: %d)\n", "all", total, GOAL_MUST);
	printf("  %-44s %8.1f us\n", "a login, both sides and control", login_us);
	if (json == NULL)
		return;
	f = fopen(json, "w");
	if (f == NULL)
		die(json, -errno);
	fprintf(f,
		"[{\"what\": \"idle memory by owner\", \"unit\": \"bytes\", \"sluice\": %.0f, "
		"\"peer\": "
		"%.0f, "
		"\"ratio\": %.0f, \"note\": \"%u connections: tcp %.0f, relay %.0f, control %.0f, "
		"the "
		"blob and the rest of pages %.0f; sshd's is as measured before\"}]\n",
		total, PEER, PEER / total, n, tcp, tables, control, all - tables - control);
	fclose(f);
}

static void report_listeners(void)
{
	if (w.n_listening == 0)
		return;
	printf("listeners: %u, their memory is in what is all the rest\n", w.n_listening);
	printf("  %-44s %8.1f us\n", "a request, both sides and control",
	       w.listen_us / w.n_listening);
	printf("  %-44s %8zu\n", "control: a listener", sizeof(struct listener));
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {{"conns", required_argument, NULL, 'n'},
					      {"listeners", required_argument, NULL, 'l'},
					      {"json", required_argument, NULL, 'j'},
					      {"smoke", no_argument, NULL, 's'},
					      {NULL, 0, NULL, 0}};
	const char *json = NULL;
	struct pipe_end *ends;
	struct timespec t0, t1;
	uint32_t n = 2000, listeners = 0;
	size_t before, empty;
	double tcp, tables, all, us;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'n' && atoi(optarg) > 0)
			n = (uint32_t)atoi(optarg);
		else if (c == 'l' && atoi(optarg) > 0)
			listeners = (uint32_t)atoi(optarg);
		else if (c == 'j')
			json = optarg;
		else if (c == 's')
			n = 100;
		else {
			fprintf(stderr, "usage: idle [--conns N] [--listeners N] [--json FILE] "
					"[--smoke]\n");
			return 2;
		}
	}
	eal_begin();
	tcp = tcp_bytes(n);
	ends = malloc(n * sizeof(*ends));
	if (ends == NULL)
		die("streams", -ENOMEM);
	memset(ends, 0, n * sizeof(*ends));
	control_begin(n + 1);
	malloc_trim(0);
	before = resident();
	relay_begin(n);
	empty = resident();
	clock_gettime(CLOCK_MONOTONIC, &t0);
	for (uint32_t i = 0; i < n; i++) {
		client_login(&ends[i], i, listeners);
		if (i % 64 == 0)
			timers_poll(w.env.timers, now_ms());
	}
	clock_gettime(CLOCK_MONOTONIC, &t1);
	us = (us_between(&t0, &t1) - w.listen_us) / n;
	rest(n);
	all = (double)(resident() - before) / n;
	tables = (double)(empty - before) / n;
	report(json, n, tcp, tables, all, control_bytes(n), us);
	report_listeners();
	the_end(ends);
	return tcp + all <= GOAL_MUST || n < 1000 || listeners > 0 ? 0 : 1;
}
