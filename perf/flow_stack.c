/*
 * perf/flow_stack.c - an end of measured flows over Sluice's own port, net and tcp. See flow.h.
 *
 * The turn is the shard's, without record and relay. An idle turn sleeps a little: the machine
 * is shared with the peer and the path between.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_mempool.h>

#include "dataplane/clock.h"
#include "dataplane/net/net.h"
#include "dataplane/port/port.h"
#include "dataplane/tcp/tcp.h"
#include "perf/flow.h"

#define DATA_MBUFS 32768
#define HEAD_MBUFS 65536
#define MEMORY_MB  "288" /* one mbuf in each 4 KiB page, and the heads */
#define BURST      64
#define CHUNK      (32 * 1024)
#define IDLE_NS    50000
#define LISTENER   1
#define DRAIN_S    5 /* for the last acknowledgements, once all is done */

struct end {
	struct flow_conf conf;
	struct flow_report report;
	struct pkt_pools pools;
	struct port port;
	struct net *net;
	struct tcp *tcp;
	struct stream_provider provider;
	struct net_addr peer;
	struct clock clock;
	uint64_t now_us;
	uint32_t started;
	struct flow flow[FLOW_PARALLEL_MAX];
	struct stream *stream[FLOW_PARALLEL_MAX];
};

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static bool addr_parse(const char *text, struct net_addr *ret)
{
	*ret = (struct net_addr){.family = 4};
	if (inet_pton(AF_INET, text, ret->b) == 1)
		return true;
	ret->family = 6;
	return inet_pton(AF_INET6, text, ret->b) == 1;
}

/* --- one connection ----------------------------------------------------------------------------
 */

static void ready(struct stream *s) /* every connection is looked at each turn */
{
	(void)s;
}

static const struct stream_user user = {.ready = ready};

static void ended(struct end *e, uint32_t i, bool cut)
{
	struct stream *s = e->stream[i];

	if (cut)
		s->ops->abort(s);
	else
		s->ops->close(s);
	e->stream[i] = NULL;
	flow_done(&e->conf, &e->report, &e->flow[i], e->now_us);
}

static bool reads(struct end *e, uint32_t i)
{
	struct stream *s = e->stream[i];
	struct pkt_chain c = {0};

	if (s->ops->rx_len(s) == 0)
		return false;
	s->ops->rx_take(s, UINT32_MAX, &c);
	for (const struct rte_mbuf *m = c.head; m != NULL; m = m->next)
		flow_check(&e->flow[i], !e->conf.listens, rte_pktmbuf_mtod(m, const void *),
			   m->data_len);
	pkt_chain_free(&c);
	return true;
}

static bool writes(struct end *e, uint32_t i)
{
	static uint8_t buf[CHUNK];
	struct stream *s = e->stream[i];
	struct flow *f = &e->flow[i];
	uint64_t left = flow_left(&e->conf, f);
	uint32_t n = s->ops->tx_space(s);
	struct pkt_chain c;

	if (f->shut)
		return false;
	if (left == 0) {
		s->ops->shutdown(s);
		f->shut = true;
		return true;
	}
	n = n > sizeof(buf) ? sizeof(buf) : n;
	n = n > left ? (uint32_t)left : n;
	if (n == 0)
		return false;
	flow_fill(e->conf.listens, f->sent, buf, n);
	if (pkt_chain_from(buf, n, e->pools.data, &c) < 0 || s->ops->tx(s, &c) < 0)
		return false;
	f->sent += n;
	return true;
}

static bool step(struct end *e, uint32_t i)
{
	struct stream *s = e->stream[i];
	struct flow *f = &e->flow[i];
	uint8_t ev = stream_events(s);
	bool did;

	if (ev & STREAM_EV_CONNECTED)
		flow_opened(&e->report, f, e->now_us);
	flow_note(&e->conf, &e->report, f, e->now_us);
	if (ev & STREAM_EV_ERROR) {
		reads(e, i);
		f->err = s->err;
		ended(e, i, false);
		return true;
	}
	if (f->open_us == 0)
		return false;
	if (flow_time_is_up(&e->conf, f, e->now_us)) {
		ended(e, i, true);
		return true;
	}
	did = reads(e, i);
	while (writes(e, i))
		did = true;
	f->eof |= (ev & STREAM_EV_EOF) != 0;
	if (f->eof && f->shut && s->ops->rx_len(s) == 0) {
		ended(e, i, false);
		did = true;
	}
	return did;
}

/* --- all of them ---------------------------------------------------------------------------------
 */

static bool on_accept(void *arg, struct stream *s, uint32_t listener, const struct net_addr *local,
		      uint16_t local_port, const struct net_addr *peer, uint16_t peer_port)
{
	struct end *e = arg;

	(void)listener, (void)local, (void)local_port, (void)peer, (void)peer_port;
	for (uint32_t i = 0; i < e->conf.parallel && e->started < e->conf.conns; i++) {
		if (e->stream[i] != NULL)
			continue;
		e->stream[i] = s;
		s->user = &user;
		e->started++;
		flow_opened(&e->report, &e->flow[i], e->now_us);
		return true;
	}
	return false;
}

static void connect_more(struct end *e)
{
	for (uint32_t i = 0; i < e->conf.parallel && e->started < e->conf.conns; i++) {
		if (e->stream[i] != NULL)
			continue;
		if (e->provider.connect(e->provider.arg, &e->peer, e->conf.port, &user, NULL,
					&e->stream[i]) < 0)
			return; /* the table is full: later */
		e->started++;
	}
}

static bool turn(struct end *e)
{
	struct rte_mbuf *m[BURST], *seg[BURST];
	unsigned int n, k, work;

	e->now_us = clock_us(&e->clock, rte_rdtsc());
	n = e->port.rx_burst(&e->port, m, BURST);
	k = net_input_burst(e->net, 0, m, n, e->now_us, seg);
	tcp_input_burst(e->tcp, seg, k, e->now_us);
	work = n + tcp_timers(e->tcp, e->now_us) + net_timers(e->net, e->now_us);
	if (!e->conf.listens)
		connect_more(e);
	for (uint32_t i = 0; i < e->conf.parallel; i++)
		if (e->stream[i] != NULL)
			work += step(e, i);
	work += tcp_output_poll(e->tcp, e->now_us);
	work += net_flush(e->net);
	return work > 0;
}

static bool all_done(const struct end *e)
{
	return e->report.done + e->report.failed >= e->conf.conns;
}

/* Until all is done and acknowledged. Connections that wait only for time to pass may stay. */
static void run(struct end *e)
{
	uint64_t end_us = e->now_us + (uint64_t)(e->conf.life_s * 1e6), drain_us = 0;
	struct timespec nap = {.tv_nsec = IDLE_NS};

	while (!stop && e->now_us < end_us) {
		if (!turn(e))
			nanosleep(&nap, NULL);
		if (!all_done(e))
			continue;
		if (drain_us == 0)
			drain_us = e->now_us + DRAIN_S * UINT64_C(1000000);
		if (tcp_conns(e->tcp) == 0 || e->now_us > drain_us)
			break;
	}
	for (uint32_t i = 0; i < e->conf.parallel; i++) {
		if (e->stream[i] == NULL)
			continue;
		e->flow[i].err = -ETIMEDOUT;
		ended(e, i, true);
	}
	turn(e);
}

/* --- the stack
 * ------------------------------------------------------------------------------------- */

/* Any processor: two stacks, a path and a peer share what there is. */
static bool eal_begin(void)
{
	static char cores[32];
	char *argv[] = {(char *)"flow_stack",
			(char *)"--no-huge",
			(char *)"-m",
			(char *)MEMORY_MB,
			(char *)"--no-pci",
			(char *)"--no-shconf",
			(char *)"--no-telemetry",
			(char *)"--lcores",
			cores,
			(char *)"--log-level=error",
			NULL};

	snprintf(cores, sizeof(cores), "0@(0-%ld)", sysconf(_SC_NPROCESSORS_ONLN) - 1);
	setenv("XDG_RUNTIME_DIR", "/tmp", 0);
	return rte_eal_init(10, argv) >= 0;
}

static bool own_parse(const char *text, struct net_addr *ret, unsigned int *ret_len)
{
	char buf[64], *slash;

	snprintf(buf, sizeof(buf), "%s", text != NULL ? text : "");
	slash = strchr(buf, '/');
	if (slash == NULL)
		return false;
	*slash = '\0';
	*ret_len = (unsigned int)atoi(slash + 1);
	return addr_parse(buf, ret);
}

static int net_begin(struct end *e)
{
	struct net_conf nc = {.pools = &e->pools};
	struct port_conf pc = {.device = e->conf.device, .queues = 1, .pool = e->pools.data};
	struct net_addr own, via, any;
	unsigned int len;
	char err[256] = "";
	int r;

	if (e->conf.device == NULL || !own_parse(e->conf.own, &own, &len))
		return -EINVAL;
	r = port_open(&pc, 0, &e->port, err, sizeof(err));
	if (r < 0) {
		fprintf(stderr, "flow_stack: %s\n", err);
		return r;
	}
	r = net_new(&nc, &e->net);
	if (r == 0)
		r = net_iface_add(e->net, "wan", &e->port);
	if (r == 0)
		r = net_addr_add(e->net, 0, &own, len);
	if (r == 0 && e->conf.via != NULL) {
		if (!addr_parse(e->conf.via, &via))
			return -EINVAL;
		any = (struct net_addr){.family = via.family};
		r = net_route_add(e->net, &any, 0, &via);
	}
	return r;
}

static int tcp_begin(struct end *e)
{
	struct tcp_conf tc = {.net = e->net,
			      .pools = &e->pools,
			      .conns_max = 4 * FLOW_PARALLEL_MAX,
			      .time_wait_max = 16384,
			      .rx_budget = e->conf.budget,
			      .tx_budget = e->conf.budget,
			      .secret = {e->now_us, (uint64_t)getpid()}};
	struct net_addr any = {0};
	int r = tcp_new(&tc, &e->tcp);

	if (r < 0)
		return r;
	tcp_provider(e->tcp, &e->provider);
	if (e->conf.listens)
		return tcp_listen(e->tcp, &any, e->conf.port, LISTENER, FLOW_PARALLEL_MAX,
				  on_accept, e);
	return addr_parse(e->conf.address, &e->peer) ? 0 : -EINVAL;
}

static int begin(struct end *e)
{
	int r;

	if (!eal_begin())
		return -ENODEV;
	clock_start(&e->clock);
	e->now_us = clock_us(&e->clock, rte_rdtsc());
	r = pkt_pools_new("flow", DATA_MBUFS - 1, HEAD_MBUFS - 1, SOCKET_ID_ANY, &e->pools);
	if (r == 0)
		r = net_begin(e);
	if (r == 0)
		r = tcp_begin(e);
	return r;
}

static void counters_print(const struct end *e)
{
	const uint64_t *v = tcp_counters(e->tcp), *d = net_drops(e->net);

	for (unsigned int i = 0; i < TCP_C_COUNT; i++)
		if (v[i] > 0)
			printf(", \"tcp_%s\": %" PRIu64, tcp_counter_name(i), v[i]);
	for (unsigned int i = 0; i < NET_DROP_COUNT; i++)
		if (d[i] > 0)
			printf(", \"net_%s\": %" PRIu64, net_drop_name(i), d[i]);
}

/* From the top down; what is then still out of a pool was lost. */
static unsigned int finish(struct end *e)
{
	unsigned int lost;

	tcp_free(e->tcp);
	net_free(e->net);
	port_close(&e->port);
	lost = rte_mempool_in_use_count(e->pools.data) + rte_mempool_in_use_count(e->pools.head);
	pkt_pools_free(&e->pools);
	return lost;
}

int main(int argc, char **argv)
{
	static struct end e;
	unsigned int lost;
	int r;

	if (!flow_parse(argc, argv, &e.conf))
		return 2;
	prctl(PR_SET_TIMERSLACK, 1000);
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	r = begin(&e);
	if (r < 0) {
		fprintf(stderr, "flow_stack: %s\n", strerror(-r));
		return 1;
	}
	fprintf(stderr, "ready\n");
	run(&e);
	printf("{");
	flow_print(&e.report);
	printf(", \"conns_left\": %u", tcp_conns(e.tcp));
	if (e.conf.counters)
		counters_print(&e);
	lost = finish(&e);
	printf(", \"mbufs_lost\": %u}\n", lost);
	return e.report.done == e.conf.conns && lost == 0 ? 0 : 1;
}
