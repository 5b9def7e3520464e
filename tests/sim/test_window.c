/*
 * Windows that follow the path: they grow with what is carried and what is taken, by as much as
 * the shard has for them, never move to the left, and go back when a connection comes to rest.
 */
#include <criterion/criterion.h>

#include "tests/sim/raw.h"
#include "tests/util/eal.h"
#include "tests/util/rnd.h"

static void start(void)
{
	eal_start("256");
}

TestSuite(window, .init = start);

#define MIB       (1u << 20)
#define INITIAL   TCP_RX_INITIAL
#define FLOWS_MAX 16

/* Clients on host 0 that send, servers on host 1 that read: the windows are host 1's. */
struct world {
	struct vnet v;
	struct app client[FLOWS_MAX], server[FLOWS_MAX];
	struct apps cs, ss;
	unsigned int n;
	uint32_t edge[FLOWS_MAX]; /* of the window, as the wire has it */
	bool has_edge[FLOWS_MAX];
	unsigned int left; /* times it moved to the left, by more than the scale rounds */
	uint64_t grown_most;
};

static struct tcp *stack(struct world *w)
{
	return w->v.host[1].tcp;
}

static struct tcp_conn *conn(struct world *w, unsigned int i)
{
	return tcp_of(w->server[i].s);
}

static enum vnet_fate watch(void *arg, unsigned int from, const struct vseg *s)
{
	struct world *w = arg;
	unsigned int i = (unsigned int)s->src_port - 22;
	uint8_t scale = stack(w)->rcv_wscale;
	uint32_t edge = s->ack + ((uint32_t)s->wnd << scale);

	if (from != 1 || (s->flags & (SYN | RST)) || i >= FLOWS_MAX)
		return VNET_PASS;
	if (w->has_edge[i] && seq_lt(edge + (1u << scale) - 1, w->edge[i]))
		w->left++;
	w->edge[i] = w->has_edge[i] ? seq_max(w->edge[i], edge) : edge;
	w->has_edge[i] = true;
	w->grown_most = RTE_MAX(w->grown_most, stack(w)->mem.rx_grown);
	return VNET_PASS;
}

static void world_init(struct world *w, unsigned int n, uint64_t bytes, struct vnet_link link,
		       struct tcp_conf conf)
{
	*w = (struct world){.n = n};
	vnet_init(&w->v, rnd_seed(), 8191, 16383);
	conf.conns_max = 64;
	vnet_stack(&w->v, 0, conf);
	vnet_stack(&w->v, 1, conf);
	vnet_link_set(&w->v, 0, 1, link);
	w->v.filter = watch;
	w->v.filter_arg = w;
	for (unsigned int i = 0; i < n; i++) {
		vnet_app(&w->v, 0, &w->cs, &w->client[i], 2 * i, 2 * i + 1, bytes);
		vnet_app(&w->v, 1, &w->ss, &w->server[i], 2 * i + 1, 2 * i, 0);
		w->client[i].no_shutdown = w->server[i].no_shutdown = true;
		cr_assert_eq(app_listen(&w->server[i], (uint16_t)(22 + i), 8), 0);
		cr_assert_eq(vnet_connect(&w->client[i], 1, (uint16_t)(22 + i)), 0);
	}
}

static bool all_here(void *arg)
{
	struct world *w = arg;

	for (unsigned int i = 0; i < w->n; i++)
		if (!w->server[i].paused && w->server[i].rx_total < w->client[i].tx_total)
			return false;
	return true;
}

static void world_end(struct world *w)
{
	for (unsigned int i = 0; i < w->n; i++) {
		cr_expect_not(w->server[i].wrong);
		if (w->client[i].s != NULL)
			app_close(&w->client[i]);
		if (w->server[i].s != NULL)
			app_close(&w->server[i]);
	}
	vnet_run(&w->v, 1000 * TCP_SEC, NULL, NULL);
	cr_expect_eq(w->left, 0, "a promise was taken back %u times", w->left);
	cr_expect_eq(stack(w)->mem.rx_grown, 0, "of connections that ended");
	cr_expect_eq(stack(w)->busy_n, 0);
	cr_expect(vnet_fini(&w->v));
}

static const struct tcp_conf roomy = {.rx_budget = 16 * MIB, .tx_budget = 16 * MIB};

/* --- what waits to be sent --------------------------------------------------------------- */

/*
 * On a long path what is not sent yet is a few milliseconds of it: what the user says next is not
 * behind another flight. And the path stays full.
 */
Test(window, what_waits_behind_a_flight_is_little)
{
	struct vnet_link path = {.delay_us = 50 * TCP_MS, .bits_per_s = 100 * 1000 * 1000};
	uint64_t size = 8 * MIB, begin;
	uint32_t most = 0, flight = 0;
	struct world w;

	world_init(&w, 1, size, path, roomy);
	begin = w.v.now_us;
	while (!vnet_run(&w.v, TCP_MS, all_here, &w) && w.v.now_us < begin + 20 * TCP_SEC) {
		const struct tcp_conn *c = tcp_of(w.client[0].s);
		uint32_t queued = w.client[0].s->ops->tx_queued(w.client[0].s);
		uint32_t under_way = RTE_MIN(c->snd_nxt - c->snd_una, queued);

		flight = RTE_MAX(flight, under_way);
		most = RTE_MAX(most, queued - under_way);
	}
	cr_expect_gt(flight, 1 * MIB, "the path is full: %u", flight);
	cr_expect_leq(most, TCP_TX_UNSENT_MIN + 64 * 1024, "%u of %u", most, flight);
	cr_expect_leq(w.v.now_us - begin, 2 * TCP_SEC, "%lu us", w.v.now_us - begin);
	world_end(&w);
}

/* --- growth ----------------------------------------------------------------------------- */

/* Both ends' buffers at "auto" fill the bottleneck, whatever the round trip. */
Test(window, the_bottleneck_is_filled)
{
	static const struct {
		uint64_t delay_us, bits_per_s;
	} path[] = {{5000, 200000000}, {50000, 100000000}, {100000, 100000000}};
	uint64_t bytes = test_long() ? 1000000000 : 20000000;

	for (size_t i = 0; i < RTE_DIM(path); i++) {
		static struct world w;
		uint64_t rtt = 2 * path[i].delay_us, wire, began;

		world_init(&w, 1, bytes,
			   (struct vnet_link){.delay_us = path[i].delay_us,
					      .bits_per_s = path[i].bits_per_s,
					      .queue_us = rtt},
			   roomy);
		wire = bytes * 8 * 1000000 / path[i].bits_per_s;
		began = w.v.now_us;
		cr_assert(vnet_run(&w.v, 100 * wire, all_here, &w));
		began = w.v.now_us - began;
		printf("%lu ms, %lu Mbit/s: %lu ms for %lu ms of wire\n", rtt / 1000,
		       path[i].bits_per_s / 1000000, began / 1000, wire / 1000);
		/* Slow start, and the round trip or two in which what it lost is repaired. */
		cr_expect_lt(began, wire * 9 / 8 + 10 * rtt, "%lu ms, %lu ms of wire, RTT %lu ms",
			     began / 1000, wire / 1000, rtt / 1000);
		world_end(&w);
	}
}

Test(window, a_reader_that_reads_nothing_is_promised_no_more_than_at_first)
{
	static struct world w;

	world_init(&w, 1, 4 * MIB, (struct vnet_link){.delay_us = 1000}, roomy);
	w.server[0].paused = true;
	vnet_run(&w.v, 5 * TCP_SEC, NULL, NULL);
	cr_expect_eq(conn(&w, 0)->rx_window, INITIAL);
	cr_expect_leq(conn(&w, 0)->busy->rxq.len, INITIAL);
	cr_expect_lt(conn(&w, 0)->rcv_adv - conn(&w, 0)->rcv_nxt, 1460);
	world_end(&w);
}

Test(window, a_trickle_makes_nothing_grow)
{
	static struct world w;

	world_init(&w, 1, 0, (struct vnet_link){.delay_us = 10000}, roomy);
	for (unsigned int i = 0; i < 100; i++) {
		w.client[0].tx_total += 1000;
		vnet_run(&w.v, 50 * TCP_MS, NULL, NULL);
	}
	cr_expect_eq(w.server[0].rx_total, 100000);
	cr_expect_eq(conn(&w, 0)->rx_window, INITIAL);
	world_end(&w);
}

Test(window, it_ends_at_the_budget)
{
	static const uint32_t budget[] = {30000, 300000, 1 * MIB};

	for (size_t i = 0; i < RTE_DIM(budget); i++) {
		static struct world w;

		world_init(&w, 1, 5000000, (struct vnet_link){.delay_us = 50000},
			   (struct tcp_conf){.rx_budget = budget[i], .tx_budget = 16 * MIB});
		cr_assert(vnet_run(&w.v, 60 * TCP_SEC, all_here, &w));
		cr_expect_eq(conn(&w, 0)->rx_window, budget[i]);
		world_end(&w);
	}
}

/* What it may have is what a core relays in a tick of our timestamps; a far one may have more. */
Test(window, a_near_sender_does_not_fill_the_port)
{
	static const struct {
		uint64_t delay_us;
		bool more;
	} path[] = {{50, false}, {400, false}, {5000, true}};

	for (size_t i = 0; i < RTE_DIM(path); i++) {
		static struct world w;

		world_init(&w, 1, 8 * MIB,
			   (struct vnet_link){.delay_us = path[i].delay_us,
					      .bits_per_s = 8000000000,
					      .queue_us = 20000},
			   roomy);
		cr_assert(vnet_run(&w.v, 60 * TCP_SEC, all_here, &w));
		cr_expect_gt(w.grown_most, 256 * 1024, "%lu us", path[i].delay_us);
		cr_expect_eq(w.grown_most > 768 * 1024, path[i].more, "%lu us: %lu",
			     path[i].delay_us, w.grown_most);
		world_end(&w);
	}
}

/* Its core has no time left, or has as many turns without work. */
static bool core_is_full;

static enum vnet_fate watch_turns(void *arg, unsigned int from, const struct vseg *s)
{
	static uint64_t turns, busy;
	struct world *w = arg;

	turns += 2;
	busy += core_is_full ? 2 : 1;
	if (turns % 32 == 0)
		tcp_turns(stack(w), turns, busy);
	return watch(arg, from, s);
}

/* A near one has little under way, but comes to its end; a far one has what its path takes. */
Test(window, on_a_full_core_only_far_windows_grow)
{
	static const struct {
		uint64_t delay_us, bits_per_s;
		uint32_t least, most;
	} path[] = {{50, 400000000, NEAR_LEAST, 2 * NEAR_LEAST},
		    {450, 8000000000, NEAR_LEAST, NEAR_LEAST},
		    {50000, 200000000, 1 * MIB, 16 * MIB}};

	core_is_full = true;
	for (size_t i = 0; i < RTE_DIM(path); i++) {
		static struct world w;
		uint64_t bytes = path[i].delay_us < 1000 ? 2 * MIB : 12 * MIB;

		world_init(&w, 1, bytes,
			   (struct vnet_link){.delay_us = path[i].delay_us,
					      .bits_per_s = path[i].bits_per_s,
					      .queue_us = 20000},
			   roomy);
		w.v.filter = watch_turns;
		cr_assert(vnet_run(&w.v, 60 * TCP_SEC, all_here, &w));
		cr_expect_geq(conn(&w, 0)->rx_window, path[i].least, "%lu us: %u", path[i].delay_us,
			      conn(&w, 0)->rx_window);
		cr_expect_leq(conn(&w, 0)->rx_window, path[i].most, "%lu us: %u", path[i].delay_us,
			      conn(&w, 0)->rx_window);
		world_end(&w);
	}
}

Test(window, a_core_with_time_lets_near_windows_grow_again)
{
	static struct world w;

	core_is_full = true;
	world_init(&w, 1, 12 * MIB,
		   (struct vnet_link){.delay_us = 450, .bits_per_s = 8000000000, .queue_us = 20000},
		   roomy);
	w.v.filter = watch_turns;
	vnet_run(&w.v, 30000, all_here, &w);
	cr_expect_eq(conn(&w, 0)->rx_window, NEAR_LEAST);
	core_is_full = false;
	cr_assert(vnet_run(&w.v, 60 * TCP_SEC, all_here, &w));
	cr_expect_gt(w.grown_most, 256 * 1024, "%lu", w.grown_most);
	world_end(&w);
}

/* What makes its round trips longer may be the path itself: it has no less than at first. */
Test(window, on_a_full_core_a_far_window_is_no_smaller_than_at_first)
{
	static struct world w;
	struct vnet_link path = {.delay_us = 5000, .bits_per_s = 200000000, .queue_us = 20000};

	core_is_full = true;
	world_init(&w, 1, 8 * MIB, path, roomy);
	w.v.filter = watch_turns;
	vnet_run(&w.v, 200 * TCP_MS, all_here, &w);
	path.delay_us = 60000;
	vnet_link_set(&w.v, 0, 1, path);
	while (!vnet_run(&w.v, 10 * TCP_MS, all_here, &w) && w.v.now_us < 120 * TCP_SEC)
		cr_assert_geq(conn(&w, 0)->rx_window, INITIAL, "%lu us", w.v.now_us);
	cr_expect(all_here(&w));
	world_end(&w);
}

/* A peer without timestamps, which sends a window's worth each 20 ms. */
Test(window, it_grows_without_timestamps)
{
	static const uint8_t wscale[] = {1, 3, 3, 7};
	static struct raw r;

	raw_init(&r, (struct tcp_conf){.rx_budget = 4 * MIB});
	app_listen(&r.app, 22, 4);
	memcpy(r.opt, wscale, r.opt_len = sizeof(wscale));
	raw_send(&r, SYN, 0);
	r.opt_len = 0;
	raw_send(&r, ACK, 0);
	for (unsigned int trip = 0; trip < 8; trip++) {
		uint32_t room = raw_conn(&r)->rcv_adv - raw_conn(&r)->rcv_nxt;

		for (; room >= 1400; room -= 1400) {
			raw_send_at(&r, ACK, r.snd_nxt, r.rcv_nxt,
				    r.snd_nxt - raw_conn(&r)->irs - 1, 1400);
			r.snd_nxt += 1400;
		}
		raw_run(&r, 20 * TCP_MS);
		raw_clear(&r);
	}
	cr_expect_gt(raw_conn(&r)->rx_window, 1 * MIB, "%u", raw_conn(&r)->rx_window);
	cr_expect_not(r.app.wrong);
	cr_expect(raw_fini(&r));
}

/* --- what the shard has for all ------------------------------------------------------------ */

Test(window, all_together_stay_within_the_shards)
{
	static struct world w;
	uint64_t least = UINT64_MAX;

	world_init(&w, FLOWS_MAX, 1500000, (struct vnet_link){.delay_us = 100000},
		   (struct tcp_conf){
			   .rx_budget = 16 * MIB, .tx_budget = 16 * MIB, .rx_shard = 2 * MIB});
	cr_assert(vnet_run(&w.v, 300 * TCP_SEC, all_here, &w));
	cr_expect_leq(w.grown_most, 2 * MIB, "%lu", w.grown_most);
	cr_expect_gt(w.grown_most, 1 * MIB, "%lu", w.grown_most);
	for (unsigned int i = 0; i < w.n; i++)
		least = RTE_MIN(least, conn(&w, i)->rx_window);
	cr_expect_gt(least, INITIAL, "there is something for each: %lu", least);
	world_end(&w);
}

static uint32_t stingy_most;

static uint32_t stingy(struct stream *s, uint32_t was, uint32_t size)
{
	uint32_t most = RTE_MAX(was, stingy_most);

	cr_expect_eq(was, tcp_of(s)->rx_window);
	return RTE_MIN(size, most);
}

static bool accepted(void *arg)
{
	return ((struct world *)arg)->server[0].s != NULL;
}

/* Who reads is asked, and has less than the path would carry. */
Test(window, it_grows_as_far_as_its_user_lets_it)
{
	static struct world w;
	struct stream_user user;

	stingy_most = 256 * 1024;
	world_init(&w, 1, 32 * MIB, (struct vnet_link){.delay_us = 10000}, roomy);
	vnet_run(&w.v, TCP_SEC, accepted, &w);
	user = *w.server[0].s->user;
	user.keep = stingy;
	w.server[0].s->user = &user;
	vnet_run(&w.v, 60 * TCP_SEC, all_here, &w);
	cr_expect_eq(conn(&w, 0)->rx_window, 256 * 1024);
	cr_expect_leq(w.grown_most, 256 * 1024 - INITIAL);
	world_end(&w);
}

static struct {
	uint32_t held;
	bool below;
} counting;

static uint32_t counted(struct stream *s, uint32_t was, uint32_t size)
{
	(void)s;
	counting.below |= was < INITIAL || size < INITIAL;
	if (size > was)
		counting.held += size - was;
	else
		counting.held -= RTE_MIN(was - size, counting.held);
	return size;
}

/* What a core without time left takes of the first window nobody is asked for. */
Test(window, its_user_is_asked_for_what_is_beyond_the_first)
{
	static struct world w;
	struct stream_user user;

	core_is_full = true;
	world_init(&w, 1, 12 * MIB,
		   (struct vnet_link){.delay_us = 450, .bits_per_s = 8000000000, .queue_us = 20000},
		   roomy);
	w.v.filter = watch_turns;
	vnet_run(&w.v, TCP_SEC, accepted, &w);
	user = *w.server[0].s->user;
	user.keep = counted;
	w.server[0].s->user = &user;
	cr_assert(vnet_run(&w.v, 60 * TCP_SEC, all_here, &w));
	cr_expect_eq(conn(&w, 0)->rx_window, NEAR_LEAST);
	vnet_run(&w.v, 10 * TCP_SEC, NULL, NULL);
	cr_expect_eq(conn(&w, 0)->rx_window, INITIAL);
	cr_expect_not(counting.below);
	cr_expect_eq(counting.held, 0, "%u", counting.held);
	world_end(&w);
}

/* Those that were fast and read no more hold what they hold; half of the rest is for the next. */
Test(window, readers_that_stop_leave_something_for_the_next)
{
	static struct world w;

	world_init(&w, 4, 3000000, (struct vnet_link){.delay_us = 50000},
		   (struct tcp_conf){
			   .rx_budget = 16 * MIB, .tx_budget = 16 * MIB, .rx_shard = 4 * MIB});
	w.client[3].tx_total = 0;
	cr_assert(vnet_run(&w.v, 60 * TCP_SEC, all_here, &w));
	for (unsigned int i = 0; i < 3; i++) {
		w.server[i].paused = true;
		w.client[i].tx_total += 10000000;
	}
	vnet_run(&w.v, 2 * TCP_SEC, NULL, NULL);
	w.client[3].tx_total = 6000000;
	cr_assert(vnet_run(&w.v, 60 * TCP_SEC, all_here, &w));
	cr_expect_gt(conn(&w, 3)->rx_window, 4 * INITIAL, "%u", conn(&w, 3)->rx_window);
	cr_expect_leq(w.grown_most, 4 * MIB);
	world_end(&w);
}

/* --- rest ------------------------------------------------------------------------------ */

Test(window, at_rest_nothing_is_held_and_no_promise_is_taken_back)
{
	static struct world w;
	uint32_t promised;

	world_init(&w, 1, 5000000, (struct vnet_link){.delay_us = 50000}, roomy);
	cr_assert(vnet_run(&w.v, 60 * TCP_SEC, all_here, &w));
	cr_expect_gt(conn(&w, 0)->rx_window, 4 * INITIAL);
	vnet_run(&w.v, 10 * TCP_SEC, NULL, NULL);
	promised = conn(&w, 0)->rcv_adv;
	cr_expect_eq(conn(&w, 0)->rx_window, INITIAL);
	cr_expect_eq(stack(&w)->mem.rx_grown, 0);
	for (unsigned int i = 0; i < 2; i++) {
		cr_expect_eq(w.v.host[i].tcp->busy_n, 0);
		cr_expect_eq(eal_out(w.v.host[i].pools.data) + eal_out(w.v.host[i].pools.head), 0);
	}
	w.client[0].tx_total += 5000000;
	cr_assert(vnet_run(&w.v, 60 * TCP_SEC, all_here, &w));
	cr_expect(seq_ge(conn(&w, 0)->rcv_adv, promised));
	cr_expect_gt(conn(&w, 0)->rx_window, 4 * INITIAL, "it grows anew");
	world_end(&w);
}

/* --- the scale (T-21) --------------------------------------------------------------------- */

/* RFC 7323 section 2: 14 at most, not of a SYN; and a field with its top bit set is no sign. */
Test(window, scales_of_the_peer)
{
	static const struct {
		uint8_t offered, used;
		uint16_t field;
	} peer[] = {{0, 0, 0x8000},   {7, 7, 0xffff},   {14, 14, 0x8000},
		    {14, 14, 0xffff}, {15, 14, 0xffff}, {255, 14, 0xffff}};

	for (size_t i = 0; i < RTE_DIM(peer); i++) {
		uint8_t wscale[] = {1, 3, 3, peer[i].offered};
		static struct raw r;

		raw_init(&r, (struct tcp_conf){.rx_budget = 16 * MIB});
		app_listen(&r.app, 22, 4);
		memcpy(r.opt, wscale, r.opt_len = sizeof(wscale));
		r.wnd = peer[i].field;
		raw_send(&r, SYN, 0);
		r.opt_len = 0;
		cr_expect_eq(raw_conn(&r)->snd_wnd, peer[i].field, "of a SYN as it is");
		cr_expect_eq(raw_last(&r).wnd, 65535, "and ours");
		cr_expect_eq(raw_last(&r).opts.wscale, 9, "%u", raw_last(&r).opts.wscale);
		raw_send(&r, ACK, 0);
		cr_expect_eq(raw_conn(&r)->snd_wnd, (uint32_t)peer[i].field << peer[i].used);
		cr_expect_eq(raw_conn(&r)->rcv_wscale, 9, "16 MiB in 16 bits");
		cr_expect(raw_fini(&r));
	}
}

/* A peer that does not scale is not scaled to, and promised no more than 16 bits say. */
Test(window, a_peer_without_a_scale)
{
	static struct raw r;

	raw_accept(&r, (struct tcp_conf){.rx_budget = 16 * MIB});
	cr_expect_eq(raw_conn(&r)->rcv_wscale, 0);
	cr_expect_eq(raw_conn(&r)->snd_wnd, r.wnd);
	for (unsigned int i = 0; i < 400; i++)
		raw_send(&r, ACK, 1400);
	cr_expect_leq(raw_conn(&r)->rcv_adv - raw_conn(&r)->rcv_nxt, 65535);
	cr_expect_eq(r.app.rx_total, 400 * 1400);
	cr_expect_not(r.app.wrong);
	cr_expect(raw_fini(&r));
}
