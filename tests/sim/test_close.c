/*
 * The end of a connection (T-38): who closes, how, in which order, and with which packet of
 * it lost. Whatever happens both stacks end, and nothing is lost for a side that waited.
 */
#include <criterion/criterion.h>

#include "dataplane/tcp/internal.h"
#include "tests/sim/vnet.h"
#include "tests/util/eal.h"

static void start(void)
{
	eal_start("64");
}

TestSuite(closing, .init = start);

enum how { SHUTDOWN, CLOSE, ABORT, FOLLOW, HOWS }; /* FOLLOW: shuts when the other's end came */

struct scene {
	struct vnet v;
	struct app client, server;
	struct apps cs, ss;
	uint32_t n, lose; /* the lose-th of them, and of its repeats none */
	bool closing;
};

static enum vnet_fate rule(void *arg, unsigned int from, const struct vseg *s)
{
	struct scene *w = arg;

	(void)from, (void)s;
	if (!w->closing)
		return VNET_PASS;
	return w->n++ == w->lose ? VNET_DROP : VNET_PASS;
}

static void end(struct app *a, enum how how)
{
	if (a->s == NULL)
		return;
	if (how == SHUTDOWN)
		a->no_shutdown = false;
	else if (how == CLOSE)
		app_close(a);
	else if (how == ABORT)
		app_abort(a);
}

static bool over(void *arg)
{
	struct scene *w = arg;

	/* Who waits shuts down after the other's end. */
	if (w->client.eof)
		w->client.no_shutdown = false;
	if (w->server.eof)
		w->server.no_shutdown = false;
	return (w->client.closed || w->client.error) && (w->server.closed || w->server.error);
}

static void play(enum how a, enum how b, uint64_t gap_us, uint32_t lose, uint64_t bytes)
{
	struct scene w = {.lose = lose};
	bool aborted = a == ABORT || b == ABORT;
	const uint64_t limit = 3000 * TCP_SEC;

	vnet_init(&w.v, 1, 1023, 1023);
	vnet_stack(&w.v, 0, (struct tcp_conf){.conns_max = 4});
	vnet_stack(&w.v, 1, (struct tcp_conf){.conns_max = 4});
	w.v.filter = rule;
	w.v.filter_arg = &w;
	vnet_app(&w.v, 0, &w.cs, &w.client, 1, 2, bytes);
	vnet_app(&w.v, 1, &w.ss, &w.server, 2, 1, bytes);
	w.client.no_shutdown = w.server.no_shutdown = true;
	app_listen(&w.server, 22, 4);
	vnet_connect(&w.client, 1, 22);
	vnet_run(&w.v, TCP_SEC, NULL, NULL);
	cr_assert(w.client.rx_total == bytes && w.server.rx_total == bytes);

	w.closing = true;
	end(&w.client, a);
	vnet_run(&w.v, gap_us, NULL, NULL);
	end(&w.server, b);
	(void)over(&w); /* ends that came during the gap */
	/* An abort that is lost leaves the other side to find out: it has nothing to say. */
	if (!vnet_run(&w.v, limit, over, &w) && !aborted)
		cr_expect(false, "%d %d gap %lu lost %u: does not end", a, b, gap_us, lose);
	if (!aborted) {
		cr_expect_eq(w.client.err, 0, "%d %d gap %lu lost %u: %d", a, b, gap_us, lose,
			     w.client.err);
		cr_expect_eq(w.server.err, 0, "%d %d gap %lu lost %u: %d", a, b, gap_us, lose,
			     w.server.err);
	}
	cr_expect_not(w.client.wrong || w.server.wrong);
	if (w.client.s != NULL)
		app_close(&w.client);
	if (w.server.s != NULL)
		app_close(&w.server);
	vnet_run(&w.v, limit, NULL, NULL);
	cr_expect_eq(tcp_conns(w.v.host[0].tcp) + tcp_conns(w.v.host[1].tcp), 0,
		     "%d %d gap %lu lost %u: a connection is left", a, b, gap_us, lose);
	cr_expect(vnet_fini(&w.v));
}

static void all_of(enum how a)
{
	static const uint64_t gap[] = {0, 50, 150, 250, 2 * TCP_SEC};

	for (int b = 0; b < HOWS; b++) {
		if (a == FOLLOW && b == FOLLOW)
			continue; /* nobody ends */
		for (size_t g = 0; g < RTE_DIM(gap); g++)
			for (uint32_t lose = 0; lose < 6; lose++)
				play(a, (enum how)b, gap[g], lose, 2000);
	}
}

Test(closing, the_client_shuts_down)
{
	all_of(SHUTDOWN);
}

Test(closing, the_client_closes)
{
	all_of(CLOSE);
}

Test(closing, the_client_aborts)
{
	all_of(ABORT);
}

Test(closing, the_client_waits)
{
	all_of(FOLLOW);
}

/* --- what is queued when it is closed ------------------------------------------------------- */

/* What becomes of it, with a peer that does not read until then. */
enum fate { IS_READ, IS_RESET, IS_LOST, IS_CUT, IS_FREED, FATES };

static uint32_t left, left_ends;

static void on_left(struct stream *s, uint32_t queued)
{
	cr_expect_leq(queued, left);
	cr_expect_eq(queued, s->ops->tx_queued(s));
	left = queued;
	left_ends += queued == 0;
}

static enum vnet_fate lost(void *arg, unsigned int from, const struct vseg *s)
{
	(void)arg, (void)from, (void)s;
	return VNET_DROP;
}

static bool any_port(void *arg, uint16_t port)
{
	(void)arg, (void)port;
	return true;
}

static void come_to(struct scene *w, enum fate fate)
{
	if (fate == IS_READ)
		w->server.paused = false;
	else if (fate == IS_RESET)
		app_abort(&w->server);
	else if (fate == IS_LOST)
		w->v.filter = lost;
	else if (fate == IS_CUT)
		tcp_orphans_cut(w->v.host[0].tcp, any_port, NULL);
	if (fate != IS_FREED)
		vnet_run(&w->v, 3000 * TCP_SEC, NULL, NULL);
}

/* Whoever closed hears of every byte of it, and once that there is none. */
Test(closing, what_is_left_is_told_until_it_is_gone)
{
	static const struct stream_user leaving = {.left = on_left};

	for (enum fate fate = 0; fate < FATES; fate++) {
		struct scene w = {0};

		vnet_init(&w.v, 1, 1023, 1023);
		vnet_stack(&w.v, 0, (struct tcp_conf){.conns_max = 4});
		vnet_stack(&w.v, 1, (struct tcp_conf){.conns_max = 4, .rx_budget = 32768});
		vnet_app(&w.v, 0, &w.cs, &w.client, 1, 2, 150000);
		vnet_app(&w.v, 1, &w.ss, &w.server, 2, 1, 0);
		w.client.no_shutdown = w.server.paused = true;
		app_listen(&w.server, 22, 4);
		vnet_connect(&w.client, 1, 22);
		vnet_run(&w.v, 10 * TCP_SEC, NULL, NULL);
		left = w.client.s->ops->tx_queued(w.client.s);
		left_ends = 0;
		cr_assert_gt(left, 10000);
		w.client.s->user = &leaving;
		app_close(&w.client);
		vnet_run(&w.v, 10 * TCP_SEC, NULL, NULL);
		cr_expect(left > 10000 && left_ends == 0, "%d: it waits", fate);
		come_to(&w, fate);
		cr_expect_eq(left == 0, fate != IS_FREED, "%d: %u", fate, left);
		cr_expect_eq(left_ends, fate != IS_FREED, "%d", fate);
		cr_expect(fate != IS_READ || w.server.rx_total == w.client.tx_done);
		cr_expect_eq(vnet_fini(&w.v), true, "%d", fate);
	}
}

/* --- both open at once ------------------------------------------------------------------- */

static uint16_t port_only(struct tcp *t)
{
	for (unsigned int i = 0; i < t->conf.conns_max; i++)
		if (t->conns[i].state == TCP_SYN_SENT)
			return tcp_local_port(&t->conns[i]);
	return 0;
}

/*
 * Two stacks choose their ports by themselves, so the second connects to the port the
 * first has chosen and its object is given the port the first connects to.
 */
static void simultaneous(uint32_t lose)
{
	struct scene w = {.lose = lose, .closing = true};
	struct tcp_conn *c;

	vnet_init(&w.v, 1, 1023, 1023);
	vnet_stack(&w.v, 0, (struct tcp_conf){.conns_max = 4});
	vnet_stack(&w.v, 1, (struct tcp_conf){.conns_max = 4});
	w.v.filter = rule;
	w.v.filter_arg = &w;
	vnet_app(&w.v, 0, &w.cs, &w.client, 1, 2, 5000);
	vnet_app(&w.v, 1, &w.ss, &w.server, 2, 1, 3000);
	cr_assert_eq(vnet_connect(&w.client, 1, 7777), 0);
	cr_assert_eq(vnet_connect(&w.server, 0, port_only(w.v.host[0].tcp)), 0);
	c = (struct tcp_conn *)w.server.s;
	tcp_hash_remove(c->t, c);
	c->key.ports = 7777u << 16 | tcp_peer_port(c);
	tcp_hash_insert(c->t, c);
	cr_expect(vnet_run(&w.v, 1000 * TCP_SEC, over, &w), "lost %u", lose);
	cr_expect(w.client.connected && w.server.connected, "lost %u", lose);
	cr_expect_eq(w.client.rx_total, 3000);
	cr_expect_eq(w.server.rx_total, 5000);
	vnet_run(&w.v, 1000 * TCP_SEC, NULL, NULL);
	cr_expect(vnet_fini(&w.v));
}

Test(closing, simultaneous_open_with_each_packet_lost)
{
	for (uint32_t lose = 0; lose < 10; lose++)
		simultaneous(lose);
}
