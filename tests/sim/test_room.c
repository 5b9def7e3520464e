/*
 * dataplane/tcp/room.c: who has something for a port that is full stands in line, nobody looks at
 * him until there is room, and what he acknowledges does not wait.
 */
#include <criterion/criterion.h>

#include "dataplane/tcp/internal.h"
#include "tests/sim/vnet.h"
#include "tests/util/eal.h"
#include "tests/util/rnd.h"

#define CLIENTS 8
#define PORT    7000
#define BYTES   5000 /* four segments */

struct world {
	struct vnet v;
	struct app client[CLIENTS], server[CLIENTS];
	struct apps cs, ss;
	unsigned int order[256], n; /* whose text went, by client */
	uint32_t acks;              /* of host 0, without text */
};

static struct world w;

static unsigned int client_of(uint16_t port)
{
	for (unsigned int i = 0; i < CLIENTS; i++)
		if (w.client[i].s != NULL && tcp_local_port(tcp_of(w.client[i].s)) == port)
			return i;
	return CLIENTS;
}

static enum vnet_fate note(void *arg, unsigned int from, const struct vseg *s)
{
	(void)arg;
	if (from == 0 && s->len == 0)
		w.acks++;
	if (from == 0 && s->len > 0 && w.n < RTE_DIM(w.order))
		w.order[w.n++] = client_of(s->src_port);
	return VNET_PASS;
}

static enum vnet_fate lose(void *arg, unsigned int from, const struct vseg *s)
{
	(void)arg;
	return from == 0 && s->len > 0 ? VNET_DROP : VNET_PASS;
}

static void start(void)
{
	struct tcp_conf conf = {.conns_max = 64};

	eal_start("64");
	vnet_init(&w.v, rnd_seed(), 2047, 8191);
	vnet_stack(&w.v, 0, conf);
	vnet_stack(&w.v, 1, conf);
	for (unsigned int i = 0; i < CLIENTS; i++) {
		vnet_app(&w.v, 0, &w.cs, &w.client[i], i, 100 + i, 0);
		vnet_app(&w.v, 1, &w.ss, &w.server[i], 100 + i, i, 0);
		w.client[i].no_shutdown = w.server[i].no_shutdown = true;
		cr_assert_eq(app_listen(&w.server[i], (uint16_t)(PORT + i), 1), 0);
		cr_assert_eq(vnet_connect(&w.client[i], 1, (uint16_t)(PORT + i)), 0);
	}
	vnet_run(&w.v, TCP_SEC, NULL, NULL);
	for (unsigned int i = 0; i < CLIENTS; i++)
		cr_assert(w.server[i].accepted && w.client[i].connected);
	w.v.filter = note;
}

static void end(void)
{
	cr_expect(vnet_fini(&w.v));
}

TestSuite(room, .init = start, .fini = end);

static struct net *port(void)
{
	return &w.v.host[0].net;
}

static void run(uint64_t us)
{
	vnet_run(&w.v, us, NULL, NULL);
}

/* Client after client has something to say, and the port is full. */
static void all_ask(void)
{
	port()->full = true;
	for (unsigned int i = 0; i < CLIENTS; i++) {
		w.client[i].tx_total += BYTES;
		run(10);
	}
	cr_assert_eq(w.n, 0);
}

static void expect_all_arrived(void)
{
	for (unsigned int i = 0; i < CLIENTS; i++)
		cr_expect(w.client[i].s == NULL ||
				  (w.server[i].rx_total == BYTES && !w.server[i].wrong),
			  "%u: %lu bytes", i, (unsigned long)w.server[i].rx_total);
}

Test(room, who_waited_longest_goes_first_and_sends_all_it_may)
{
	all_ask();
	port()->full = false;
	run(TCP_MS);
	cr_assert_geq(w.n, CLIENTS * 4);
	for (unsigned int i = 0; i < CLIENTS * 4; i++)
		cr_expect_eq(w.order[i], i / 4, "segment %u is of %u", i, w.order[i]);
	run(TCP_SEC);
	expect_all_arrived();
}

/* A few places at a time: each is used, and nobody has two turns while another has none. */
Test(room, places_that_come_one_by_one_go_round)
{
	unsigned int turns[CLIENTS] = {0};

	all_ask();
	for (unsigned int i = 0; i < 2 * CLIENTS; i++) {
		port()->places = 2;
		run(10);
		cr_expect_eq(port()->places, 0);
	}
	cr_assert_eq(w.n, 4 * CLIENTS);
	for (unsigned int i = 0; i < CLIENTS; i++) {
		cr_expect_eq(w.order[2 * i], i);
		turns[w.order[2 * i]]++;
	}
	for (unsigned int i = 0; i < CLIENTS; i++)
		cr_expect_eq(turns[i], 1);
	run(TCP_SEC);
	expect_all_arrived();
}

/* Somebody new does not pass those who wait, even when there is room by the time he is looked at.
 */
Test(room, who_comes_later_stands_behind)
{
	port()->full = true;
	for (unsigned int i = 1; i < CLIENTS; i++)
		w.client[i].tx_total += BYTES;
	run(10);
	w.client[0].tx_total += BYTES;
	port()->places = 4 * CLIENTS;
	run(10);
	cr_assert_geq(w.n, CLIENTS * 4);
	for (unsigned int i = 0; i < 4 * (CLIENTS - 1); i++)
		cr_expect_neq(w.order[i], 0, "segment %u", i);
}

/* Ten thousand looked at each millisecond would be all that a core does. */
Test(room, nobody_looks_while_it_is_full)
{
	uint64_t turns;

	all_ask();
	run(100);
	turns = w.v.turns;
	run(90 * TCP_MS);
	cr_expect_lt(w.v.turns - turns, 20);
	port()->full = false;
	cr_expect_eq(tcp_next_timer_us(w.v.host[0].tcp), w.v.host[0].tcp->now_us);
}

Test(room, acknowledgements_do_not_wait)
{
	all_ask();
	for (unsigned int i = 0; i < CLIENTS; i++)
		w.server[i].tx_total += BYTES;
	w.acks = 0;
	run(20 * TCP_MS);
	cr_expect_geq(w.acks, CLIENTS);
	cr_expect_eq(w.n, 0);
	for (unsigned int i = 0; i < CLIENTS; i++)
		cr_expect_eq(w.client[i].rx_total, BYTES);
	port()->full = false;
	run(TCP_SEC);
	expect_all_arrived();
}

Test(room, who_ends_leaves_the_line)
{
	static const unsigned int ends[] = {0, 3, CLIENTS - 1};

	all_ask();
	for (unsigned int i = 0; i < RTE_DIM(ends); i++)
		app_abort(&w.client[ends[i]]);
	run(TCP_MS);
	cr_expect_eq(tcp_conns(w.v.host[0].tcp), CLIENTS - RTE_DIM(ends));
	port()->full = false;
	run(TCP_SEC);
	expect_all_arrived();
}

/* The way there has changed: the line of the port it took is not its own any more. */
Test(room, a_new_way_leaves_the_line_and_sends)
{
	all_ask();
	vnet_mtu_set(&w.v, 0, 1400);
	port()->full = false;
	run(TCP_SEC);
	expect_all_arrived();
}

Test(room, a_timeout_while_waiting_sends_once)
{
	all_ask();
	run(3 * TCP_SEC);
	cr_expect_eq(w.n, 0);
	port()->full = false;
	run(TCP_SEC);
	cr_expect_eq(w.n, CLIENTS * 4, "%u segments", w.n);
	expect_all_arrived();
}

/* RFC 9293 section 3.8.3: nothing is acknowledged, whyever; what is held for it is not for ever. */
Test(room, a_port_that_takes_nothing_any_more_ends_who_waits)
{
	struct tcp_conf *conf = &w.v.host[0].tcp->conf;

	all_ask();
	run(conf->user_timeout_us + TCP_RTO_MAX_US);
	cr_expect_eq(tcp_conns(w.v.host[0].tcp), 0);
	for (unsigned int i = 0; i < CLIENTS; i++)
		cr_expect_eq(w.client[i].err, -ETIMEDOUT, "%u: %d", i, w.client[i].err);
}

/* The same of what went, was lost, and cannot go again. */
Test(room, a_port_that_takes_no_second_copy_ends_who_waits)
{
	struct tcp_conf *conf = &w.v.host[0].tcp->conf;

	w.v.filter = lose;
	for (unsigned int i = 0; i < CLIENTS; i++)
		w.client[i].tx_total += BYTES;
	run(TCP_MS);
	port()->full = true;
	run(conf->user_timeout_us + TCP_RTO_MAX_US);
	cr_expect_eq(tcp_conns(w.v.host[0].tcp), 0);
}
