/* Two stacks over a virtual network: every byte once and in order, an end in finite time. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "tests/sim/vnet.h"
#include "tests/util/eal.h"

static void start(void)
{
	eal_start("64");
}

TestSuite(transfer, .init = start);

struct world {
	struct vnet v;
	struct app client, server;
	struct apps cs, ss;
};

static uint64_t seed_first(void)
{
	const char *s = getenv("SLUICE_SEED");

	return s != NULL ? strtoull(s, NULL, 0) : 1;
}

static bool both_done(void *arg)
{
	struct world *w = arg;

	return (w->client.closed || w->client.error) && (w->server.closed || w->server.error);
}

static void world_init(struct world *w, uint64_t seed, uint64_t up, uint64_t down)
{
	struct net_addr to;

	w->cs.n = w->ss.n = 0;
	vnet_init(&w->v, seed, 2047, 4095);
	/* At 30 % loss a dozen tries in a row may fail, which would be the end by R2. */
	vnet_stack(&w->v, 0, (struct tcp_conf){.user_timeout_us = 5000 * UINT64_C(1000000)});
	vnet_stack(&w->v, 1, (struct tcp_conf){.user_timeout_us = 5000 * UINT64_C(1000000)});
	vnet_app(&w->v, 0, &w->cs, &w->client, seed * 2, seed * 2 + 1, up);
	vnet_app(&w->v, 1, &w->ss, &w->server, seed * 2 + 1, seed * 2, down);
	cr_assert_eq(app_listen(&w->server, 22, 8), 0);
	/* Each third over IPv6, each other third over link-local addresses. */
	to = vnet_addr_of(1, seed % 3 == 0 ? 4 : 6, seed % 3 == 2);
	cr_assert_eq(app_connect(&w->client, &to, 22), 0);
}

static void world_check(struct world *w, uint64_t seed)
{
	cr_expect_not(w->client.error, "seed %lu: client error %d", seed, w->client.err);
	cr_expect_not(w->server.error, "seed %lu: server error %d", seed, w->server.err);
	cr_expect_not(w->client.wrong, "seed %lu", seed);
	cr_expect_not(w->server.wrong, "seed %lu", seed);
	cr_expect_eq(w->client.rx_total, w->server.tx_total, "seed %lu: %lu of %lu", seed,
		     w->client.rx_total, w->server.tx_total);
	cr_expect_eq(w->server.rx_total, w->client.tx_total, "seed %lu: %lu of %lu", seed,
		     w->server.rx_total, w->client.tx_total);
}

/* To the end of TIME-WAIT: nothing is left in either stack, and no mbuf is lost. */
static void world_end(struct world *w, uint64_t seed)
{
	vnet_run(&w->v, 400 * UINT64_C(1000000), NULL, NULL);
	cr_expect_eq(tcp_conns(w->v.host[0].tcp), 0, "seed %lu", seed);
	cr_expect_eq(tcp_conns(w->v.host[1].tcp), 0, "seed %lu", seed);
	cr_expect(vnet_fini(&w->v), "seed %lu", seed);
}

Test(transfer, both_ways_without_loss)
{
	struct world w;

	world_init(&w, seed_first(), 1000000, 700000);
	cr_expect(vnet_run(&w.v, 100 * UINT64_C(1000000), both_done, &w));
	world_check(&w, seed_first());
	cr_expect_eq(tcp_counters(w.v.host[0].tcp)[TCP_C_RETRANS], 0);
	cr_expect_eq(tcp_counters(w.v.host[1].tcp)[TCP_C_RETRANS], 0);
	world_end(&w, seed_first());
}

/* The same bytes over IPv4, over IPv6, and between link-local addresses. */
Test(transfer, either_family)
{
	for (uint64_t seed = 0; seed < 3; seed++) {
		struct world w;
		const struct net_addr want = vnet_addr_of(0, seed == 0 ? 4 : 6, seed == 2);

		world_init(&w, seed, 300000, 200000);
		cr_expect(vnet_run(&w.v, 100 * UINT64_C(1000000), both_done, &w));
		world_check(&w, seed);
		cr_expect(net_addr_eq(&w.server.peer, &want), "the peer's address, with its link");
		world_end(&w, seed);
	}
}

static bool note_listener(void *arg, struct stream *s, uint32_t listener,
			  const struct net_addr *local, uint16_t local_port,
			  const struct net_addr *peer, uint16_t peer_port)
{
	*(uint32_t *)arg = listener;
	return false;
}

enum { ANY = 1, ANY4, ANY6, ADDR4, ADDR6, LINK_LOCAL };

static const struct {
	unsigned int listeners; /* bits */
	uint8_t family, scope;
	uint32_t taken; /* 0: none */
} nearest[] = {
	{1 << ANY, 4, 0, ANY},
	{1 << ANY, 6, 0, ANY},
	{1 << ANY, 6, 1, ANY},
	{1 << ANY4, 4, 0, ANY4},
	{1 << ANY4, 6, 0, 0},
	{1 << ANY6, 4, 0, 0},
	{1 << ANY6, 6, 1, ANY6},
	{1 << ANY | 1 << ANY4 | 1 << ANY6, 4, 0, ANY4},
	{1 << ANY6 | 1 << ANY4 | 1 << ANY, 6, 0, ANY6},
	{1 << ADDR4 | 1 << ANY4, 4, 0, ADDR4},
	{1 << ADDR6 | 1 << ANY, 6, 0, ADDR6},
	{1 << ADDR6 | 1 << ANY, 6, 1, ANY},
	{1 << LINK_LOCAL | 1 << ANY6, 6, 1, LINK_LOCAL},
	{1 << LINK_LOCAL, 6, 0, 0},
};

Test(transfer, the_nearest_listener_is_taken)
{
	const struct net_addr addr[] = {
		[ANY4] = {.family = 4},
		[ANY6] = {.family = 6},
		[ADDR4] = vnet_addr_of(1, 4, 0),
		[ADDR6] = vnet_addr_of(1, 6, 0),
		[LINK_LOCAL] = vnet_addr_of(1, 6, 1),
	};

	for (size_t i = 0; i < RTE_DIM(nearest); i++) {
		struct net_addr to = vnet_addr_of(1, nearest[i].family, nearest[i].scope);
		uint32_t taken = 0;
		struct world w;

		w.cs.n = 0;
		vnet_init(&w.v, 1, 255, 255);
		vnet_stack(&w.v, 0, (struct tcp_conf){0});
		vnet_stack(&w.v, 1, (struct tcp_conf){0});
		vnet_app(&w.v, 0, &w.cs, &w.client, 1, 1, 0);
		for (uint32_t k = ANY; k <= LINK_LOCAL; k++)
			if (nearest[i].listeners & 1u << k)
				cr_expect_eq(tcp_listen(w.v.host[1].tcp, &addr[k], 22, k, 4,
							note_listener, &taken),
					     0);
		cr_assert_eq(app_connect(&w.client, &to, 22), 0);
		vnet_run(&w.v, 1000000, NULL, NULL);
		cr_expect_eq(taken, nearest[i].taken, "case %zu: %u", i, taken);
		cr_expect(w.client.error, "refused in either case");
		world_end(&w, 1);
	}
}

static bool long_run(void)
{
	const char *s = getenv("SLUICE_LONG");

	return s != NULL && s[0] == '1';
}

/* One world over one kind of link, seeds from the first on. */
static void over(struct vnet_link l, uint64_t bytes, unsigned int seeds)
{
	uint64_t first = seed_first();

	if (long_run())
		seeds *= 20;
	for (uint64_t seed = first; seed < first + seeds; seed++) {
		struct world w;

		world_init(&w, seed, bytes, bytes / 2);
		vnet_link_set(&w.v, 0, 1, l);
		cr_expect(vnet_run(&w.v, 20000 * UINT64_C(1000000), both_done, &w),
			  "seed %lu does not end", seed);
		world_check(&w, seed);
		world_end(&w, seed);
	}
}

Test(transfer, loss_1_percent)
{
	over((struct vnet_link){.delay_us = 500, .loss = 10000}, 400000, 5);
}

Test(transfer, loss_5_percent)
{
	over((struct vnet_link){.delay_us = 500, .loss = 50000}, 150000, 5);
}

Test(transfer, loss_30_percent)
{
	over((struct vnet_link){.delay_us = 500, .loss = 300000}, 20000, 5);
}

Test(transfer, reordering)
{
	over((struct vnet_link){.delay_us = 200, .jitter_us = 2000}, 400000, 5);
}

Test(transfer, duplication)
{
	over((struct vnet_link){.delay_us = 200, .dup = 200000}, 400000, 5);
}

Test(transfer, corruption_with_bad_checksums)
{
	over((struct vnet_link){.delay_us = 200, .corrupt = 30000}, 200000, 5);
}

Test(transfer, everything_at_once)
{
	over((struct vnet_link){.delay_us = 5000,
				.jitter_us = 20000,
				.loss = 30000,
				.dup = 30000,
				.corrupt = 10000},
	     200000, 5);
}

/* Cuts at odd places: segments that begin and end anywhere in small mbufs. */
Test(transfer, odd_writes_and_reads)
{
	uint64_t first = seed_first();

	for (uint64_t seed = first; seed < first + 5; seed++) {
		struct world w;

		world_init(&w, seed, 100001, 70003);
		w.client.write_max = 1 + (uint32_t)(vnet_rand(&w.v) % 900);
		w.server.write_max = 1 + (uint32_t)(vnet_rand(&w.v) % 900);
		w.client.read_max = 1 + (uint32_t)(vnet_rand(&w.v) % 900);
		w.server.read_max = 1 + (uint32_t)(vnet_rand(&w.v) % 900);
		vnet_link_set(&w.v, 0, 1,
			      (struct vnet_link){.delay_us = 300, .loss = 10000, .jitter_us = 300});
		cr_expect(vnet_run(&w.v, 20000 * UINT64_C(1000000), both_done, &w),
			  "seed %lu does not end", seed);
		world_check(&w, seed);
		world_end(&w, seed);
	}
}

Test(transfer, a_narrow_link_with_a_short_queue)
{
	over((struct vnet_link){.delay_us = 10000, .bits_per_s = 10000000, .queue_us = 20000},
	     1000000, 2);
}
