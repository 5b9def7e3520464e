/*
 * What a driver still holds: for as long as it likes nothing of it changes, and whatever is
 * acknowledged, reported, cut differently or sent again meanwhile arrives as it was written. The
 * head-room of what is handed over directly is overwritten at once, as net/ does with headers.
 */
#include <criterion/criterion.h>

#include "tests/sim/raw.h"
#include "tests/util/eal.h"
#include "tests/util/rnd.h"

#define BYTES 300000

static void start(void)
{
	eal_start("192");
}

TestSuite(held, .init = start);

struct world {
	struct vnet v;
	struct app client, server;
	struct apps cs, ss;
	unsigned int every; /* so many data segments are lost; 0: none */
	bool no_sack;
};

static enum vnet_fate lose(void *arg, unsigned int from, const struct vseg *s)
{
	const struct world *w = arg;

	if (w->every == 0 || from != 0 || s->n_data == UINT32_MAX)
		return VNET_PASS;
	return s->n_data % w->every == 3 ? VNET_DROP : VNET_PASS;
}

static bool over(void *arg)
{
	const struct world *w = arg;

	return w->server.rx_total == BYTES &&
	       tcp_of(w->client.s)->snd_una == tcp_of(w->client.s)->snd_max;
}

/* Writes of write bytes: so long are the mbufs, but for what is copied together. */
static void world_init(struct world *w, uint32_t write)
{
	struct vnet_link link = {.delay_us = 5000, .no_sack = w->no_sack};

	vnet_init(&w->v, rnd_seed(), 2047, 4095);
	w->v.hold_max_us = 2 * TCP_SEC;
	vnet_stack(&w->v, 0, (struct tcp_conf){0});
	vnet_stack(&w->v, 1, (struct tcp_conf){0});
	vnet_link_set(&w->v, 0, 1, link);
	w->v.filter = lose;
	w->v.filter_arg = w;
	vnet_app(&w->v, 0, &w->cs, &w->client, 1, 2, BYTES);
	vnet_app(&w->v, 1, &w->ss, &w->server, 2, 1, 0);
	w->client.no_shutdown = w->server.no_shutdown = true;
	w->client.write_max = write;
	cr_assert_eq(app_listen(&w->server, 22, 4), 0);
	cr_assert_eq(vnet_connect(&w->client, 1, 22), 0);
}

static void world_end(struct world *w, const char *what, uint32_t write)
{
	cr_expect(vnet_run(&w->v, 600 * TCP_SEC, over, w), "%s, writes of %u: it does not end",
		  what, write);
	cr_expect_not(w->server.wrong, "%s, writes of %u: other bytes arrived", what, write);
	cr_expect_eq(w->v.changed, 0, "%s, writes of %u: %lu changed in the driver's hands", what,
		     write, w->v.changed);
	cr_expect_eq(w->v.bad, 0);
	cr_expect(vnet_fini(&w->v));
}

/* Mbufs that are a segment, nearly one, a little more, more, and many in one. */
static const uint32_t writes[] = {1448, 1400, 1462, 2048, 16384, 1086, 100};

Test(held, acknowledged_before_the_driver_lets_go)
{
	for (unsigned int i = 0; i < RTE_DIM(writes); i++) {
		struct world w = {.every = 0};

		world_init(&w, writes[i]);
		world_end(&w, "no loss", writes[i]);
	}
}

Test(held, sent_again_while_the_driver_has_the_first)
{
	for (unsigned int i = 0; i < RTE_DIM(writes); i++) {
		struct world w = {.every = 17};

		world_init(&w, writes[i]);
		world_end(&w, "with SACK", writes[i]);
	}
}

Test(held, sent_again_without_sack)
{
	for (unsigned int i = 0; i < RTE_DIM(writes); i++) {
		struct world w = {.every = 29, .no_sack = true};

		world_init(&w, writes[i]);
		world_end(&w, "without SACK", writes[i]);
	}
}

/* What went as one goes again as several, of which some are acknowledged. */
Test(held, sent_again_in_smaller_segments)
{
	static const uint16_t mtu[] = {1499, 1300, 1000, 576};

	for (unsigned int i = 0; i < RTE_DIM(writes); i++) {
		struct world w = {.every = 11};

		world_init(&w, writes[i]);
		for (unsigned int k = 0; k < RTE_DIM(mtu); k++) {
			vnet_run(&w.v, 8000, NULL, NULL);
			vnet_mtu_set(&w.v, 0, mtu[k]);
		}
		world_end(&w, "smaller MTU", writes[i]);
	}
}

/* A peer by hand: in the middle of a segment acknowledgements and blocks end, too. */
Test(held, acknowledged_by_halves)
{
	for (unsigned int i = 0; i < RTE_DIM(writes); i++) {
		struct tcp_opts permit = {.has_sack_perm = true, .has_mss = true, .mss = 1448},
				o = {0};
		struct raw r;

		raw_init(&r, (struct tcp_conf){0});
		r.v.hold_max_us = 60 * TCP_SEC;
		r.app.write_max = writes[i];
		app_listen(&r.app, 22, 4);
		r.opt_len = (uint32_t)tcp_opts_build(&permit, r.opt);
		raw_send(&r, SYN, 0);
		r.opt_len = 0;
		raw_send(&r, ACK, 0);
		raw_write(&r, 8 * 1448);
		for (uint32_t at = 700; at < 8 * 1448; at += 977) {
			uint32_t una = r.iss + 1 + at;

			o = (struct tcp_opts){.sack_n = 1, .sack = {{una + 1500, una + 2100}}};
			r.opt_len = (uint32_t)tcp_opts_build(&o, r.opt);
			raw_send_at(&r, ACK, r.snd_nxt, una, 0, 0);
			raw_run(&r, 300000);
			r.opt_len = 0;
		}
		cr_expect_gt(raw_count(&r, TCP_C_RETRANS), 3);
		for (int k = 0; k < 8; k++) /* what was not sent for want of a window */
			raw_send(&r, ACK, 0);
		cr_expect_eq(raw_conn(&r)->snd_una, raw_conn(&r)->snd_max);
		cr_expect_eq(r.v.changed, 0);
		cr_expect_eq(r.v.bad, 0);
		cr_expect(raw_fini(&r));
	}
}

/* Its header stands in front of it, and no mbuf is taken from a pool. */
Test(held, a_segment_that_is_an_mbuf_needs_no_other)
{
	struct raw r;
	struct rte_mempool *head;

	raw_accept(&r, (struct tcp_conf){0});
	head = r.v.host[RAW_STACK].pools.head;
	raw_run(&r, TCP_SEC); /* what the handshake sent is let go */
	cr_assert_eq(eal_out(head), 0);
	r.v.hold_max_us = 60 * TCP_SEC;
	raw_write(&r, 100);
	cr_expect_eq(raw_last(&r).len, 100);
	cr_expect_eq(eal_out(head), 0, "%u besides it", eal_out(head));
	/* The driver has it still: what goes again goes by another. */
	raw_run(&r, 3 * TCP_SEC);
	cr_expect_geq(raw_count(&r, TCP_C_RETRANS), 1);
	cr_expect_eq(eal_out(head), 2 * raw_count(&r, TCP_C_RETRANS));
	raw_send(&r, ACK, 0);
	cr_expect_eq(r.v.changed, 0);
	cr_expect_eq(r.v.bad, 0);
	cr_expect(raw_fini(&r));
}
