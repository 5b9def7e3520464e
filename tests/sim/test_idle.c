/*
 * What an idle connection costs: its place in the tables, by the allocator's own count, and
 * nothing else: no buffer, no place of a busy one, no growing heap.
 */
#include <criterion/criterion.h>
#include <malloc.h>

#include "dataplane/tcp/internal.h"
#include "tests/sim/vnet.h"
#include "tests/util/eal.h"
#include "tests/util/rnd.h"

#define GOAL 512 /* bytes */

static void start(void)
{
	eal_start("128");
}

TestSuite(idle, .init = start);

static size_t allocated(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

/* What a stack with so many places takes. */
static size_t stack_bytes(struct vnet *v, unsigned int conns)
{
	struct tcp_conf conf = {.net = &v->host[0].net,
				.pools = &v->host[0].pools,
				.conns_max = conns,
				.rx_budget = 1 << 20,
				.tx_budget = 1 << 20};
	size_t before = allocated();
	size_t took;
	struct tcp *t;

	cr_assert_eq(tcp_new(&conf, &t), 0);
	took = allocated() - before;
	tcp_free(t);
	return took;
}

/* The worse of table sizes: one that is a power of two, and one just above. */
Test(idle, bytes_of_a_connection)
{
	static const unsigned int n[] = {65536, 65537, 100000};
	struct vnet v;

	vnet_init(&v, 1, 1023, 1023);
	vnet_stack(&v, 0, (struct tcp_conf){0});
	printf("a connection: %zu bytes, and %zu while it moves\n", sizeof(struct tcp_conn),
	       sizeof(struct tcp_busy));
	for (size_t i = 0; i < RTE_DIM(n); i++) {
		size_t one = (stack_bytes(&v, n[i]) - stack_bytes(&v, 1)) / n[i];

		printf("with its places in tables for %u: %zu bytes\n", n[i], one);
		cr_expect_leq(one, GOAL, "%zu", one);
	}
	cr_expect(vnet_fini(&v));
}

/* --- established and left alone ------------------------------------------------------------ */

struct side {
	struct stream **s;
	unsigned int n;
};

static void no_news(struct stream *s)
{
	(void)s;
}

static const struct stream_user user = {.ready = no_news};

static bool take(void *arg, struct stream *s, uint32_t listener, const struct net_addr *local,
		 uint16_t local_port, const struct net_addr *peer, uint16_t peer_port)
{
	struct side *side = arg;

	(void)listener, (void)local, (void)local_port, (void)peer, (void)peer_port;
	s->user = &user;
	side->s[side->n++] = s;
	return true;
}

/* All that a peer sent is taken and answered with as much. */
static void echo(struct side *side)
{
	for (unsigned int i = 0; i < side->n; i++) {
		struct stream *s = side->s[i];
		struct pkt_chain c = {0};

		stream_events(s);
		if (s->ops->rx_take(s, UINT32_MAX, &c) > 0)
			cr_assert_eq(s->ops->tx(s, &c), 0);
	}
}

static void drop(struct side *side)
{
	for (unsigned int i = 0; i < side->n; i++) {
		struct pkt_chain c = {0};

		stream_events(side->s[i]);
		side->s[i]->ops->rx_take(side->s[i], UINT32_MAX, &c);
		pkt_chain_free(&c);
	}
}

#define BATCH 500 /* established, and heard of, at a time */
#define PORTS 8

Test(idle, established_connections_hold_nothing)
{
	unsigned int n = test_long() ? 100000 : 2000;
	struct tcp_conf conf = {.conns_max = n + n / 32,
				.source_conns = TCP_NO_LIMIT,
				.source_half_open = TCP_NO_LIMIT,
				.source_syn_rate = UINT16_MAX};
	struct side client = {0}, server = {0};
	struct stream_provider to;
	struct net_addr addr = vnet_addr(1), any = {0};
	size_t before, after;
	static struct vnet v;

	client.s = calloc(n, sizeof(struct stream *));
	server.s = calloc(n, sizeof(struct stream *));
	vnet_init(&v, 1, 4095, 8191);
	vnet_stack(&v, 0, conf);
	vnet_stack(&v, 1, conf);
	tcp_provider(v.host[0].tcp, &to);
	for (uint16_t p = 0; p < PORTS; p++)
		cr_assert_eq(tcp_listen(v.host[1].tcp, &any, 22 + p, p, 2 * BATCH, take, &server),
			     0);
	before = allocated();
	while (client.n < n) {
		struct side news = {client.s + client.n, 0}, heard;
		unsigned int first = server.n;

		for (unsigned int i = 0; i < BATCH && client.n < n; i++, client.n++, news.n++)
			cr_assert_eq(to.connect(to.arg, &addr, (uint16_t)(22 + client.n % PORTS),
						&user, NULL, &client.s[client.n]),
				     0);
		vnet_run(&v, 20 * TCP_MS, NULL, NULL);
		heard = (struct side){server.s + first, server.n - first};
		for (unsigned int i = 0; i < news.n; i++) {
			struct pkt_chain c;

			cr_assert_eq(pkt_chain_from("hello", 5, v.host[0].pools.data, &c), 0);
			cr_assert_eq(news.s[i]->ops->tx(news.s[i], &c), 0);
		}
		vnet_run(&v, 20 * TCP_MS, NULL, NULL);
		echo(&heard);
		vnet_run(&v, 3 * TCP_SEC, NULL, NULL);
		drop(&news);
	}
	cr_assert_eq(server.n, n);
	vnet_run(&v, 10 * TCP_SEC, NULL, NULL);
	after = allocated();

	for (unsigned int h = 0; h < 2; h++) {
		struct tcp *t = v.host[h].tcp;

		cr_expect_eq(tcp_conns(t), n);
		cr_expect_eq(t->busy_n, 0);
		cr_expect_eq(eal_out(v.host[h].pools.data) + eal_out(v.host[h].pools.head), 0);
		printf("%u connections; of busy ones at most %u at a time\n", n, t->busy_fresh);
		cr_expect_leq(t->busy_fresh, 3 * BATCH);
	}
	/* The wire's own queue, which does not shrink, is all that was allocated since. */
	cr_expect_leq(after - before, v.heap_size * sizeof(*v.heap) + 65536, "%zu", after - before);
	for (unsigned int i = 0; i < n; i++) {
		client.s[i]->ops->abort(client.s[i]);
		server.s[i]->ops->abort(server.s[i]);
		if (i % 64 == 0)
			vnet_run(&v, TCP_MS, NULL, NULL);
	}
	vnet_run(&v, 400 * TCP_SEC, NULL, NULL);
	cr_expect(vnet_fini(&v));
	free(client.s);
	free(server.s);
}
