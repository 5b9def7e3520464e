/*
 * F-35, T-22 at size: thousands of peers that open a connection and never read, so that their
 * windows are zero for ever, beside one that does. A cap on memory holds, and the one keeps its
 * throughput.
 */
#include <criterion/criterion.h>

#include <stdlib.h>

#include "dataplane/tcp/internal.h"
#include "tests/sim/vnet.h"
#include "tests/util/eal.h"
#include "tests/util/rnd.h"

#define GATEWAY 1
#define GOOD    0
#define HOGS    2

#define HOG_PORT  23
#define BATCH     250
#define GOOD_SIZE (8 * 1000 * 1000)
#define HOG_QUEUE (64 * 1024) /* what the gateway would send to each */
#define BUFFERS   6           /* of the gateway, for each hog: a fifth of what they ask for */

static void start(void)
{
	eal_start("768");
}

TestSuite(hogs, .init = start);

struct world {
	struct vnet v;
	struct app client, server;
	struct apps cs, ss;
	struct stream **hog, **held; /* the peers' ends, and the gateway's */
	unsigned int n, hog_n, held_n;
	unsigned int given_up; /* of the gateway's */
	unsigned int most;     /* of the gateway's buffers, out at one time */
};

static void no_news(struct stream *s)
{
	(void)s;
}

static const struct stream_user user = {.ready = no_news};

static bool take(void *arg, struct stream *s, uint32_t listener, const struct net_addr *local,
		 uint16_t local_port, const struct net_addr *peer, uint16_t peer_port)
{
	struct world *w = arg;

	(void)listener, (void)local, (void)local_port, (void)peer, (void)peer_port;
	s->user = &user;
	w->held[w->held_n++] = s;
	return true;
}

/* The gateway has bytes for each of them, and gives what there is room for. */
static void feed(struct world *w)
{
	static const char bytes[1400];

	for (unsigned int i = 0; i < w->held_n; i++) {
		struct stream *s = w->held[i];
		struct pkt_chain c;

		if (s == NULL)
			continue;
		if (stream_events(s) & STREAM_EV_ERROR) {
			w->given_up++;
			s->ops->close(s);
			w->held[i] = NULL;
			continue;
		}
		while (s->ops->tx_queued(s) < HOG_QUEUE && s->ops->tx_space(s) >= sizeof(bytes) &&
		       pkt_chain_from(bytes, sizeof(bytes), w->v.host[GATEWAY].pools.data, &c) == 0)
			cr_assert_eq(s->ops->tx(s, &c), 0);
	}
	w->most = RTE_MAX(w->most, eal_out(w->v.host[GATEWAY].pools.data));
}

static void world_init(struct world *w, unsigned int n)
{
	struct vnet_link path = {.delay_us = 10 * TCP_MS, .bits_per_s = 100 * 1000 * 1000};
	struct tcp_conf conf = {.conns_max = n + n / 32 + 64,
				.user_timeout_us = 60 * TCP_SEC,
				.source_conns = TCP_NO_LIMIT,
				.source_half_open = TCP_NO_LIMIT,
				.source_syn_rate = UINT16_MAX};

	*w = (struct world){.n = n};
	w->hog = calloc(n, sizeof(struct stream *));
	w->held = calloc(n, sizeof(struct stream *));
	vnet_init(&w->v, 1, BUFFERS * n + 1023, 2 * BUFFERS * n + 2047);
	vnet_stack(&w->v, GATEWAY, conf);
	w->v.data_mbufs = w->v.head_mbufs = 2 * n + 4095;
	vnet_stack(&w->v, GOOD, conf);
	conf.rx_initial = conf.rx_budget = 1400; /* one buffer each */
	vnet_stack(&w->v, HOGS, conf);
	vnet_link_set(&w->v, GOOD, GATEWAY, path);
	vnet_link_set(&w->v, HOGS, GATEWAY, path);
}

static void hogs_come(struct world *w)
{
	struct net_addr to = vnet_addr(GATEWAY), any = {0};
	struct stream_provider p;

	tcp_provider(w->v.host[HOGS].tcp, &p);
	cr_assert_eq(tcp_listen(w->v.host[GATEWAY].tcp, &any, HOG_PORT, 1, 4 * BATCH, take, w), 0);
	while (w->hog_n < w->n) {
		for (unsigned int i = 0; i < BATCH && w->hog_n < w->n; i++, w->hog_n++)
			cr_assert_eq(
				p.connect(p.arg, &to, HOG_PORT, &user, NULL, &w->hog[w->hog_n]), 0);
		vnet_run(&w->v, 50 * TCP_MS, NULL, NULL);
		feed(w);
	}
	for (int i = 0; i < 20; i++) {
		vnet_run(&w->v, 100 * TCP_MS, NULL, NULL);
		feed(w);
	}
	cr_assert_eq(w->held_n, w->n);
}

static bool good_done(void *arg)
{
	struct world *w = arg;

	return w->client.closed && w->server.closed;
}

/* A download and an upload of the one that reads: how long they take. */
static uint64_t good_moves(struct world *w, uint16_t port)
{
	uint64_t begin = w->v.now_us;

	w->cs.n = w->ss.n = 0;
	vnet_app(&w->v, GOOD, &w->cs, &w->client, 1, 2, GOOD_SIZE);
	vnet_app(&w->v, GATEWAY, &w->ss, &w->server, 2, 1, GOOD_SIZE);
	cr_assert_eq(app_listen(&w->server, port, 8), 0);
	cr_assert_eq(vnet_connect(&w->client, GATEWAY, port), 0);
	while (!vnet_run(&w->v, 100 * TCP_MS, good_done, w) && !w->client.error &&
	       w->v.now_us < begin + 60 * TCP_SEC)
		feed(w);
	cr_expect_eq(w->client.rx_total, GOOD_SIZE, "%lu", w->client.rx_total);
	cr_expect_eq(w->server.rx_total, GOOD_SIZE, "%lu", w->server.rx_total);
	cr_expect_not(w->client.wrong || w->server.wrong);
	return w->v.now_us - begin;
}

static void world_end(struct world *w)
{
	for (unsigned int i = 0; i < w->n; i++) {
		if (w->held[i] != NULL)
			w->held[i]->ops->abort(w->held[i]);
		w->hog[i]->ops->abort(w->hog[i]);
		if (i % 64 == 0)
			vnet_run(&w->v, TCP_MS, NULL, NULL);
	}
	vnet_run(&w->v, 400 * TCP_SEC, NULL, NULL);
	for (unsigned int h = 0; h < VNET_HOSTS; h++)
		cr_expect_eq(tcp_conns(w->v.host[h].tcp), 0);
	cr_expect(vnet_fini(&w->v));
	free(w->hog);
	free(w->held);
}

Test(hogs, thousands_with_windows_of_zero_cost_the_others_little)
{
	static struct world w;
	const struct rte_mempool *pool;
	uint64_t alone, beside;

	world_init(&w, test_long() ? 10000 : 500);
	pool = w.v.host[GATEWAY].pools.data;
	alone = good_moves(&w, 22);
	hogs_come(&w);
	beside = good_moves(&w, 24);
	printf("%u hogs: %.2f s alone, %.2f s beside them (%.3f); at most %u of %u buffers, %u "
	       "given "
	       "up\n",
	       w.n, (double)alone / 1e6, (double)beside / 1e6, (double)alone / (double)beside,
	       w.most, pool->size, w.given_up);
	cr_expect_leq(beside * 95, alone * 100);
	cr_expect_lt(w.most, pool->size);
	world_end(&w);
}
