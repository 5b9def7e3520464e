/*
 * perf/attack_gate.c - the stack under attack, with tunnels. See attack.h.
 *
 *   attack_gate CORE DEVICE OWN PEER STATS-FILE SECONDS
 *
 * The turn is the shard's without records; what it costs is told by TSC, as there.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "perf/attack.h"

#define TUNNELS  16
#define STATS_US 1000

struct tunnel {
	struct stream *a, *b; /* accepted, connected */
};

struct gate {
	struct stack s;
	struct net_addr peer;
	struct tunnel tunnel[TUNNELS];
	struct attack_stats *stats;
	uint64_t stats_us, told_us, busy, busy_turns, rx_pkts;
};

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static void ready(struct stream *s) /* all are looked at each turn */
{
	(void)s;
}

static const struct stream_user user = {.ready = ready};

static bool on_tunnel(void *arg, struct stream *s, uint32_t listener, const struct net_addr *local,
		      uint16_t local_port, const struct net_addr *peer, uint16_t peer_port)
{
	struct gate *g = arg;

	(void)listener, (void)local, (void)local_port, (void)peer, (void)peer_port;
	for (int i = 0; i < TUNNELS; i++) {
		struct tunnel *t = &g->tunnel[i];

		if (t->a != NULL ||
		    g->s.provider.connect(g->s.provider.arg, &g->peer, ATTACK_PORT_TARGET, &user,
					  NULL, &t->b) < 0)
			continue;
		t->a = s;
		s->user = &user;
		return true;
	}
	return false;
}

/* Held and never read: there to be reset, if anything is. */
static bool on_idle(void *arg, struct stream *s, uint32_t listener, const struct net_addr *local,
		    uint16_t local_port, const struct net_addr *peer, uint16_t peer_port)
{
	(void)arg, (void)listener, (void)local, (void)local_port, (void)peer, (void)peer_port;
	s->user = &user;
	return true;
}

static unsigned int forward(struct stream *from, struct stream *to)
{
	uint32_t len = from->ops->rx_len(from), space;
	struct pkt_chain c = {0};

	if (len == 0)
		return 0;
	space = to->ops->tx_space(to);
	if (space == 0 || from->ops->rx_take(from, len < space ? len : space, &c) == 0)
		return 0;
	return to->ops->tx(to, &c) == 0;
}

static unsigned int tunnel_step(struct tunnel *t)
{
	uint8_t a = stream_events(t->a), b = stream_events(t->b);

	if ((a | b) & (STREAM_EV_ERROR | STREAM_EV_EOF)) {
		t->a->ops->abort(t->a);
		t->b->ops->abort(t->b);
		*t = (struct tunnel){0};
		return 1;
	}
	return forward(t->a, t->b) + forward(t->b, t->a);
}

static void publish(struct gate *g)
{
	const uint64_t *c = tcp_counters(g->s.tcp);
	struct attack_stats *st = g->stats;

	st->tsc_hz = g->s.clock.hz;
	st->busy_cycles = g->busy;
	st->rx_turns = g->busy_turns;
	st->rx_pkts = g->rx_pkts;
	st->cookies = c[TCP_C_COOKIE_SENT];
	st->cookies_taken = c[TCP_C_COOKIE_TAKEN];
	st->accepted = c[TCP_C_ACCEPTED];
	st->resets_in = c[TCP_C_RESETS_IN];
	st->resets_out = c[TCP_C_RESETS_OUT];
	st->half_open_now = tcp_conns(g->s.tcp);
	st->not_answered = c[TCP_C_DROP_OVERLOAD];
	st->now_tsc = rte_rdtsc();
	g->stats_us = g->s.now_us + STATS_US;
}

static void turn(struct gate *g)
{
	struct rte_mbuf *m[STACK_BURST];
	uint64_t start = rte_rdtsc();
	unsigned int n, work;

	g->s.now_us = clock_us(&g->s.clock, start);
	n = g->s.port[0].rx_burst(&g->s.port[0], m, STACK_BURST);
	work = stack_input(&g->s, 0, m, n);
	g->busy_turns += n > 0;
	g->rx_pkts += n;
	for (int i = 0; i < TUNNELS; i++)
		if (g->tunnel[i].a != NULL)
			work += tunnel_step(&g->tunnel[i]);
	work += stack_output(&g->s);
	if (work > 0)
		g->busy += rte_rdtsc() - start;
	if (g->s.now_us >= g->stats_us)
		publish(g);
	if (g->s.now_us >= g->told_us) {
		tcp_busy_time(g->s.tcp, g->busy / (g->s.clock.hz / 1000000), g->s.now_us);
		g->told_us = g->s.now_us + STATS_US;
	}
}

int main(int argc, char **argv)
{
	static struct gate g;
	static const struct net_addr any;
	uint64_t end_us;
	unsigned int lost;

	if (argc != 7) {
		fprintf(stderr, "usage: attack_gate CORE DEVICE OWN PEER STATS-FILE SECONDS\n");
		return 2;
	}
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	g.peer = stack_addr(argv[4]);
	g.stats = attack_stats_map(argv[5], true);
	if (g.stats == NULL || !attack_begin(&g.s, argv[1], argv[2], argv[3], argv[4]))
		return 1;
	if (tcp_listen(g.s.tcp, &any, ATTACK_PORT_TUNNEL, 1, 4096, on_tunnel, &g) < 0 ||
	    tcp_listen(g.s.tcp, &any, ATTACK_PORT_IDLE, 2, 4096, on_idle, &g) < 0)
		return 1;
	fprintf(stderr, "ready\n");
	end_us = g.s.now_us + (uint64_t)atoi(argv[6]) * 1000000;
	while (!stop && g.s.now_us < end_us)
		turn(&g);
	publish(&g);
	lost = stack_end(&g.s);
	if (lost > 0)
		fprintf(stderr, "attack_gate: %u mbufs lost\n", lost);
	return lost == 0 ? 0 : 1;
}
