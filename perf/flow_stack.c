/*
 * perf/flow_stack.c - an end of measured flows over Sluice's own port, net and tcp. See flow.h.
 *
 * The turn is the shard's, without record and relay. An idle turn sleeps a little: the machine
 * is shared with the peer and the path between.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "perf/flow.h"
#include "perf/stack.h"

#define DATA_MBUFS 32768
#define HEAD_MBUFS 65536
#define MEMORY_MB  288 /* one mbuf in each 4 KiB page, and the heads */
#define CHUNK      (32 * 1024)
#define IDLE_NS    50000
#define LISTENER   1
#define DRAIN_S    5 /* for the last acknowledgements, once all is done */

struct end {
	struct flow_conf conf;
	struct flow_report report;
	struct stack s;
	struct net_addr peer;
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
	flow_done(&e->conf, &e->report, &e->flow[i], e->s.now_us);
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
	if (pkt_chain_from(buf, n, e->s.pools.data, &c) < 0 || s->ops->tx(s, &c) < 0)
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
		flow_opened(&e->report, f, e->s.now_us);
	flow_note(&e->conf, &e->report, f, e->s.now_us);
	if (ev & STREAM_EV_ERROR) {
		reads(e, i);
		f->err = s->err;
		ended(e, i, false);
		return true;
	}
	if (f->open_us == 0)
		return false;
	if (flow_time_is_up(&e->conf, f, e->s.now_us)) {
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
		flow_opened(&e->report, &e->flow[i], e->s.now_us);
		return true;
	}
	return false;
}

static void connect_more(struct end *e)
{
	for (uint32_t i = 0; i < e->conf.parallel && e->started < e->conf.conns; i++) {
		if (e->stream[i] != NULL)
			continue;
		if (e->s.provider.connect(e->s.provider.arg, &e->peer, e->conf.port, &user, NULL,
					  &e->stream[i]) < 0)
			return; /* the table is full: later */
		e->started++;
	}
}

static bool turn(struct end *e)
{
	struct rte_mbuf *m[STACK_BURST];
	unsigned int n, work;

	stack_now(&e->s);
	n = e->s.port[0].rx_burst(&e->s.port[0], m, STACK_BURST);
	work = stack_input(&e->s, 0, m, n);
	if (!e->conf.listens)
		connect_more(e);
	for (uint32_t i = 0; i < e->conf.parallel; i++)
		if (e->stream[i] != NULL)
			work += step(e, i);
	work += stack_output(&e->s);
	return work > 0;
}

static bool all_done(const struct end *e)
{
	return e->report.done + e->report.failed >= e->conf.conns;
}

/* Until all is done and acknowledged. Connections that wait only for time to pass may stay. */
static void run(struct end *e)
{
	uint64_t end_us = e->s.now_us + (uint64_t)(e->conf.life_s * 1e6), drain_us = 0;
	struct timespec nap = {.tv_nsec = IDLE_NS};

	while (!stop && e->s.now_us < end_us) {
		if (!turn(e))
			nanosleep(&nap, NULL);
		if (!all_done(e))
			continue;
		if (drain_us == 0)
			drain_us = e->s.now_us + DRAIN_S * UINT64_C(1000000);
		if (tcp_conns(e->s.tcp) == 0 || e->s.now_us > drain_us)
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
static bool begin(struct end *e)
{
	const struct stack_conf conf = {
		.name = "flow_stack",
		.core = -1,
		.memory_mb = MEMORY_MB,
		.data_mbufs = DATA_MBUFS - 1,
		.head_mbufs = HEAD_MBUFS - 1,
		.port = {{.device = e->conf.device, .own = e->conf.own}},
		.via = e->conf.via,
		.conns_max = 4 * FLOW_PARALLEL_MAX,
		.time_wait_max = 16384,
		.rx_budget = e->conf.budget,
		.tx_budget = e->conf.budget,
	};
	struct net_addr any = {0};

	if (e->conf.device == NULL) {
		fprintf(stderr, "flow_stack: no --device\n");
		return false;
	}
	if (!stack_begin(&e->s, &conf))
		return false;
	e->peer = stack_addr(e->conf.address);
	if (!e->conf.listens)
		return e->peer.family != 0;
	return tcp_listen(e->s.tcp, &any, e->conf.port, LISTENER, FLOW_PARALLEL_MAX, on_accept,
			  e) == 0;
}

static void counters_print(const struct end *e)
{
	const uint64_t *v = tcp_counters(e->s.tcp), *d = net_drops(e->s.net);

	for (unsigned int i = 0; i < TCP_C_COUNT; i++)
		if (v[i] > 0)
			printf(", \"tcp_%s\": %" PRIu64, tcp_counter_name(i), v[i]);
	for (unsigned int i = 0; i < NET_DROP_COUNT; i++)
		if (d[i] > 0)
			printf(", \"net_%s\": %" PRIu64, net_drop_name(i), d[i]);
}

int main(int argc, char **argv)
{
	static struct end e;
	unsigned int lost;

	if (!flow_parse(argc, argv, &e.conf))
		return 2;
	prctl(PR_SET_TIMERSLACK, 1000);
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	if (!begin(&e))
		return 1;
	fprintf(stderr, "ready\n");
	run(&e);
	printf("{");
	flow_print(&e.report);
	printf(", \"conns_left\": %u", tcp_conns(e.s.tcp));
	if (e.conf.counters)
		counters_print(&e);
	lost = stack_end(&e.s);
	printf(", \"mbufs_lost\": %u}\n", lost);
	return e.report.done == e.conf.conns && lost == 0 ? 0 : 1;
}
