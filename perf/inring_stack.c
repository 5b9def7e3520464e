/* perf/inring_stack.c - see inring.h. */
#include "perf/inring.h"

#include <errno.h>
#include <string.h>

#include "crypto/secret.h"
#include "perf/stack.h"

#define NEIGHBOURS 64
#define STEPS      16

/*
 * Bytes of a connection, each way. What is under way should stay in the cache; but a window of a
 * gateway that is full, and as much again, finds room: a stock sender's buffer is larger. For more
 * than GEN_FEW there is memory for a record and what is left of another.
 */
#define BUDGET_MAX (512u << 10)
#define BUDGET_MIN (128u << 10)
#define BUDGET_LOW (64u << 10)
#define BUDGET_ALL (24u << 20)

static uint8_t pattern[PATTERN_PERIOD + PATTERN_RUN];

void pattern_init(void)
{
	uint64_t x = 88172645463325252u; /* Marsaglia's xorshift */

	for (unsigned int i = 0; i < PATTERN_PERIOD; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		pattern[i] = (uint8_t)(x >> 32);
	}
	for (unsigned int i = 0; i < PATTERN_RUN; i++)
		pattern[PATTERN_PERIOD + i] = pattern[i];
}

const uint8_t *pattern_at(uint64_t position)
{
	return pattern + position % PATTERN_PERIOD;
}

bool pattern_check(uint64_t position, const uint8_t *p, uint32_t n)
{
	return n <= PATTERN_RUN && memcmp(pattern_at(position), p, n) == 0;
}

/* --- who has something to do --------------------------------------------------------------------
 */

void gen_wake(struct gen_stack *g, struct end *e)
{
	if (e->listed)
		return;
	e->listed = true;
	e->next = NULL;
	*g->tail = e;
	g->tail = &e->next;
}

static void ready(struct stream *s)
{
	struct end *e = s->user_ptr;

	gen_wake(e->g, e);
}

const struct stream_user gen_user = {.ready = ready};

void gen_attach(struct gen_stack *g, struct end *e, struct stream *s)
{
	e->g = g;
	e->s = s;
	s->user = &gen_user;
	s->user_ptr = e;
}

/* Some of those who wait, in their order: all of thousands at once would fill every queue. */
static unsigned int steps(struct gen_stack *g)
{
	unsigned int n = 0;

	while (g->head != NULL && n < STEPS) {
		struct end *e = g->head;

		g->head = e->next;
		if (g->head == NULL)
			g->tail = &g->head;
		e->listed = false;
		e->step(e);
		n++;
	}
	return n;
}

unsigned int gen_stack_turn(struct gen_stack *g, uint64_t now_us)
{
	struct port *p = &g->wire->port;
	struct rte_mbuf *m[RING_BURST], *seg[RING_BURST];
	unsigned int n, k, work;

	g->now_us = now_us;
	n = p->rx_burst(p, m, RING_BURST);
	k = net_input_burst(g->net, 0, m, n, now_us, seg);
	tcp_input_burst(g->tcp, seg, k, now_us);
	work = n + tcp_timers(g->tcp, now_us) + net_timers(g->net, now_us);
	work += steps(g);
	work += tcp_output_poll(g->tcp, now_us);
	return work + net_flush(g->net);
}

/* --- coming and going
 * -----------------------------------------------------------------------------
 */

static int net_begin(struct gen_stack *g, const char *own, const char *via)
{
	struct net_conf nc = {.pools = g->pools, .neigh_max = NEIGHBOURS};
	struct net_addr addr = stack_addr(own), gateway = stack_addr(via), any = {.family = 4};
	int r = net_new(&nc, &g->net);

	if (r == 0)
		r = net_iface_add(g->net, "ring", &g->wire->port);
	if (r == 0)
		r = net_addr_add(g->net, 0, &addr, 24);
	if (r == 0)
		r = net_route_add(g->net, &any, 0, &gateway);
	return r;
}

int gen_stack_new(struct gen_stack *g, struct wire *w, const struct pkt_pools *pools,
		  const char *own, const char *via, unsigned int conns)
{
	const uint32_t least = conns > GEN_FEW ? BUDGET_LOW : BUDGET_MIN;
	const uint32_t part = RTE_MAX(least, BUDGET_ALL / conns);
	const uint32_t budget = RTE_MIN(BUDGET_MAX, part);
	struct tcp_conf tc = {
		.pools = pools,
		.conns_max = conns,
		.time_wait_max = 65536,
		.no_pacing = true,       /* as stock TCP under a queue that does not pace, */
		.no_idle_restart = true, /* and that has always something to send */
		.rx_budget = BUDGET_MAX, /* nothing waits unread */
		.tx_budget = budget,
		.half_open_max = 65535,
		.source_half_open = 65535,
		.source_conns = TCP_NO_LIMIT,
		.source_syn_rate = 65535,
	};
	int r;

	*g = (struct gen_stack){.wire = w, .pools = pools};
	g->tail = &g->head;
	r = net_begin(g, own, via);
	if (r < 0)
		return r;
	r = crypto_random(tc.secret, sizeof(tc.secret));
	tc.net = g->net;
	if (r == 0)
		r = tcp_new(&tc, &g->tcp);
	if (r == 0)
		tcp_provider(g->tcp, &g->provider);
	return r;
}

void gen_stack_free(struct gen_stack *g)
{
	tcp_free(g->tcp);
	net_free(g->net);
}
