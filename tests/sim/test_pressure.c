/*
 * More windows than buffers (F-07, F-08, F-35, T-22): many connections that never read or never
 * acknowledge against a pool too small for all of them. One that does both keeps moving, the rest
 * go on when they can, and nothing is lost in the end.
 */
#include <criterion/criterion.h>

#include "tests/sim/raw.h"
#include "tests/util/eal.h"
#include "tests/util/thief.h"

static void start(void)
{
	eal_start("64");
}

TestSuite(pressure, .init = start);

/* --- a crowd: host 0 has buffers enough, host 1 has not ------------------------------------ */

#define HOGS 24
#define GOOD HOGS /* the one that behaves */
#define POOL 511

struct crowd {
	struct vnet v;
	struct app client[HOGS + 1], server[HOGS + 1];
	struct apps cs, ss;
	bool deaf;          /* nothing the hogs' clients send arrives */
	unsigned int least; /* buffers of host 1 that were ever free */
};

static enum vnet_fate crowd_rule(void *arg, unsigned int from, const struct vseg *s)
{
	struct crowd *w = arg;

	if (w->deaf && from == 0 && s->dst_port != 22 + GOOD)
		return VNET_DROP;
	return VNET_PASS;
}

static void crowd_init(struct crowd *w, uint64_t up, uint64_t down, uint64_t user_timeout_us)
{
	struct tcp_conf conf = {.conns_max = 64,
				.time_wait_max = 64,
				.rx_initial = 256 * 1024, /* as one who promises much at once */
				.user_timeout_us = user_timeout_us};

	*w = (struct crowd){.least = UINT32_MAX};
	vnet_init(&w->v, 1, 8191, 8191);
	vnet_stack(&w->v, 0, conf);
	w->v.data_mbufs = POOL;
	w->v.head_mbufs = 2 * POOL;
	vnet_stack(&w->v, 1, conf);
	w->v.filter = crowd_rule;
	w->v.filter_arg = w;
	for (unsigned int i = 0; i <= HOGS; i++) {
		vnet_app(&w->v, 0, &w->cs, &w->client[i], 2 * i, 2 * i + 1, up);
		vnet_app(&w->v, 1, &w->ss, &w->server[i], 2 * i + 1, 2 * i, down);
		cr_assert_eq(app_listen(&w->server[i], (uint16_t)(22 + i), 8), 0);
		cr_assert_eq(vnet_connect(&w->client[i], 1, (uint16_t)(22 + i)), 0);
	}
}

static bool ended(const struct app *a)
{
	return a->closed || a->error;
}

static bool good_done(void *arg)
{
	struct crowd *w = arg;

	w->least = RTE_MIN(w->least, rte_mempool_avail_count(w->v.host[1].pools.data));
	return ended(&w->client[GOOD]) && ended(&w->server[GOOD]);
}

static bool all_done(void *arg)
{
	struct crowd *w = arg;

	for (unsigned int i = 0; i <= HOGS; i++)
		if (!ended(&w->client[i]) || !ended(&w->server[i]))
			return false;
	return true;
}

static uint64_t count(const struct crowd *w, enum tcp_counter c)
{
	return tcp_counters(w->v.host[1].tcp)[c];
}

static void expect_whole(const struct app *a, const struct app *b, const char *who)
{
	cr_expect_eq(a->err, 0, "%s: %d", who, a->err);
	cr_expect_eq(b->err, 0, "%s: %d", who, b->err);
	cr_expect_not(a->wrong || b->wrong, "%s", who);
	cr_expect_eq(a->rx_total, b->tx_total, "%s: %lu", who, a->rx_total);
	cr_expect_eq(b->rx_total, a->tx_total, "%s: %lu", who, b->rx_total);
}

/* The good one from here to its end, while the others hold what they hold. */
static void good_moves(struct crowd *w, uint64_t max_us)
{
	cr_expect(vnet_run(&w->v, max_us, good_done, w), "it does not keep moving: %lu, %lu",
		  w->client[GOOD].rx_total, w->server[GOOD].rx_total);
	expect_whole(&w->client[GOOD], &w->server[GOOD], "the good one");
	cr_expect_gt(count(w, TCP_C_MEM_SHORT), 0, "the pool was large enough: no test");
	cr_expect_gt(w->least, 0, "no acknowledgement could have come in");
}

static void crowd_end(struct crowd *w)
{
	for (unsigned int i = 0; i <= HOGS; i++) {
		if (w->client[i].s != NULL)
			app_close(&w->client[i]);
		if (w->server[i].s != NULL)
			app_close(&w->server[i]);
	}
	vnet_run(&w->v, 1000 * TCP_SEC, NULL, NULL);
	cr_expect_eq(tcp_conns(w->v.host[0].tcp) + tcp_conns(w->v.host[1].tcp), 0);
	cr_expect_not(w->v.host[1].tcp->mem.is_short);
	cr_expect(vnet_fini(&w->v), "the pool is not full again");
}

Test(pressure, readers_that_never_read_do_not_stop_the_one_that_does)
{
	static struct crowd w;

	crowd_init(&w, 400000, 100000, 0);
	for (unsigned int i = 0; i < HOGS; i++)
		w.server[i].paused = true;
	w.client[GOOD].no_shutdown = w.server[GOOD].no_shutdown = true;
	w.client[GOOD].tx_total = w.server[GOOD].tx_total = 0;
	vnet_run(&w.v, 5 * TCP_SEC, NULL, NULL); /* they take what there is */
	w.client[GOOD].tx_total = w.server[GOOD].tx_total = 1000000;
	w.client[GOOD].no_shutdown = w.server[GOOD].no_shutdown = false;
	good_moves(&w, 60 * TCP_SEC);

	/* And then they do read: nothing was lost for them either. */
	for (unsigned int i = 0; i < HOGS; i++)
		w.server[i].paused = false;
	cr_expect(vnet_run(&w.v, 600 * TCP_SEC, all_done, &w));
	for (unsigned int i = 0; i < HOGS; i++)
		expect_whole(&w.client[i], &w.server[i], "one that read late");
	crowd_end(&w);
}

Test(pressure, peers_that_never_acknowledge_end_and_give_back_what_they_held)
{
	static struct crowd w;

	crowd_init(&w, 0, 400000, 60 * TCP_SEC);
	w.client[GOOD].tx_total = 600000;
	w.client[GOOD].no_shutdown = w.server[GOOD].no_shutdown = true;
	w.server[GOOD].tx_total = 0;
	for (unsigned int i = 0; i < HOGS; i++) {
		w.client[i].no_shutdown = true;
		w.server[i].tx_total = 0;
		w.server[i].no_shutdown = true;
	}
	vnet_run(&w.v, TCP_SEC, NULL, NULL);
	w.deaf = true;
	for (unsigned int i = 0; i < HOGS; i++)
		w.server[i].tx_total = 400000;
	vnet_run(&w.v, 5 * TCP_SEC, NULL, NULL);
	w.client[GOOD].tx_total = w.server[GOOD].tx_total = 1000000;
	w.client[GOOD].no_shutdown = w.server[GOOD].no_shutdown = false;
	good_moves(&w, 40 * TCP_SEC);

	vnet_run(&w.v, 100 * TCP_SEC, NULL, NULL);
	for (unsigned int i = 0; i < HOGS; i++)
		cr_expect_eq(w.server[i].err, -ETIMEDOUT);
	crowd_end(&w);
}

/* Windows of zero, every probe answered: for ever, if there were buffers enough (T-22). */
Test(pressure, windows_of_zero_are_not_waited_for_when_they_cost_the_others)
{
	static struct crowd w;
	unsigned int given_up = 0;

	crowd_init(&w, 0, 2000000, 60 * TCP_SEC);
	for (unsigned int i = 0; i < HOGS; i++)
		w.client[i].paused = w.client[i].no_shutdown = true;
	w.client[GOOD].no_shutdown = w.server[GOOD].no_shutdown = true;
	w.client[GOOD].tx_total = w.server[GOOD].tx_total = 0;
	vnet_run(&w.v, 5 * TCP_SEC, NULL, NULL);
	for (unsigned int i = 0; i < HOGS; i++)
		cr_expect_not(w.server[i].error, "not before its time");
	w.client[GOOD].no_shutdown = w.server[GOOD].no_shutdown = false;
	w.client[GOOD].tx_total = w.server[GOOD].tx_total = 1000000;
	good_moves(&w, 40 * TCP_SEC);

	vnet_run(&w.v, 100 * TCP_SEC, NULL, NULL);
	for (unsigned int i = 0; i < HOGS; i++)
		given_up += w.server[i].err == -ETIMEDOUT;
	cr_expect_gt(given_up, 0);
	cr_expect_gt(w.v.host[1].tcp->mem.free, w.v.host[1].tcp->mem.scarce);
	crowd_end(&w);
}

/* --- one connection, buffers taken away by hand --------------------------------------------- */

static struct thief thief;

static struct tcp_mem *mem(struct raw *r)
{
	return &r->v.host[RAW_STACK].tcp->mem;
}

static void take(struct raw *r, unsigned int leave)
{
	thief_take(&thief, r->v.host[RAW_STACK].pools.data, leave);
	raw_run(r, 1);
}

/* Buffers are there again; a few turns pass, with timers of their own. */
static void give_back(struct raw *r)
{
	thief_give_back(&thief);
	raw_run(r, 20 * TCP_MS);
}

Test(pressure, marks_have_their_order)
{
	struct raw r;

	raw_init(&r, (struct tcp_conf){0});
	cr_expect_gt(mem(&r)->reserve, 0);
	cr_expect_gt(mem(&r)->scarce, mem(&r)->reserve);
	cr_expect_gt(mem(&r)->low, mem(&r)->scarce);
	cr_expect_gt(mem(&r)->high, mem(&r)->low);
	cr_expect(raw_fini(&r));
}

/* Only a FIN waits for the window: it holds no buffer, so it is not cut, however short they are. */
Test(pressure, who_holds_nothing_is_not_cut)
{
	struct raw r;

	raw_accept(&r, (struct tcp_conf){0});
	r.wnd = 0;
	raw_send(&r, ACK, 0);
	r.app.s->ops->shutdown(r.app.s);
	raw_run(&r, 10 * TCP_SEC);
	take(&r, mem(&r)->scarce / 2);
	r.rcv_nxt = r.iss + 1; /* the FIN was not taken */
	for (int i = 0; i < 60; i++) {
		raw_send(&r, ACK, 0);
		raw_run(&r, TCP_SEC);
	}
	cr_expect_eq(raw_count(&r, TCP_C_STALLED_CUT), 0);
	cr_expect_not_null(raw_conn(&r));
	give_back(&r);
	cr_expect(raw_fini(&r));
}

Test(pressure, the_window_stops_and_is_announced_afterwards)
{
	struct raw r;
	uint32_t edge;

	raw_accept(&r, (struct tcp_conf){.rx_budget = 60000});
	r.app.paused = true;
	for (int i = 0; i < 10; i++)
		raw_send(&r, ACK, 1400);
	edge = raw_conn(&r)->rcv_adv;
	take(&r, mem(&r)->reserve);
	r.app.paused = false;
	raw_clear(&r);
	raw_run(&r, TCP_SEC);
	cr_expect_eq(r.app.rx_total, 14000);
	cr_expect_eq(raw_conn(&r)->rcv_adv, edge, "it is not opened again");
	give_back(&r);
	cr_expect_eq(r.out_n, 1, "announced once: %u", r.out_n);
	cr_expect_eq(raw_conn(&r)->rcv_adv - raw_conn(&r)->rcv_nxt, 60000);
	cr_expect(raw_fini(&r));
}

Test(pressure, the_window_grows_to_a_share_while_buffers_are_short)
{
	static const uint8_t wscale[] = {1, 3, 3, 0};
	struct raw r;

	raw_init(&r, (struct tcp_conf){.rx_budget = 1 << 20, .rx_initial = 1 << 20});
	app_listen(&r.app, 22, 4);
	memcpy(r.opt, wscale, r.opt_len = sizeof(wscale));
	take(&r, mem(&r)->low - 10);
	raw_send(&r, SYN, 0);
	r.opt_len = 0;
	raw_send(&r, ACK, 0);
	cr_expect_leq(raw_conn(&r)->rcv_adv - raw_conn(&r)->rcv_nxt, tcp_mem_share(mem(&r)));
	give_back(&r);
	cr_expect_eq(raw_conn(&r)->rcv_adv - raw_conn(&r)->rcv_nxt, 1 << 20);
	cr_expect(raw_fini(&r));
}

Test(pressure, a_writer_that_was_refused_is_told)
{
	struct raw r;
	uint32_t before;

	raw_accept(&r, (struct tcp_conf){0});
	before = r.app.s->ops->tx_space(r.app.s);
	take(&r, mem(&r)->reserve + 5);
	cr_expect_lt(r.app.s->ops->tx_space(r.app.s), before);
	cr_expect_gt(r.app.s->ops->tx_space(r.app.s), 0, "its share");
	take(&r, mem(&r)->reserve);
	cr_expect_eq(r.app.s->ops->tx_space(r.app.s), 0);
	(void)stream_events(r.app.s);
	r.v.host[RAW_STACK].app = NULL; /* so that the event stays to be seen */
	raw_run(&r, 20 * TCP_MS);
	cr_expect_eq(r.app.s->events, 0, "not before");
	give_back(&r);
	cr_expect(r.app.s->events & STREAM_EV_WRITABLE);
	cr_expect_eq(r.app.s->ops->tx_space(r.app.s), before);
	cr_expect(raw_fini(&r));
}

Test(pressure, bytes_beyond_a_gap_go_first)
{
	struct raw r;

	raw_accept(&r, (struct tcp_conf){0});
	for (uint32_t i = 1; i <= 10; i++)
		raw_send_at(&r, ACK, r.snd_nxt + 1400 * i, r.rcv_nxt, 1400 * i, 1400);
	raw_run(&r, 1000);
	cr_expect_eq(raw_conn(&r)->busy->runs_n, 1);
	take(&r, mem(&r)->low - 10);
	cr_expect_eq(raw_conn(&r)->busy->runs_n, 1, "short is not scarce");
	take(&r, mem(&r)->reserve + 15);
	cr_expect_eq(raw_conn(&r)->busy->runs_n, 0);
	cr_expect_eq(raw_count(&r, TCP_C_MEM_PRUNED), 1);
	for (uint32_t i = 1; i <= 15; i++)
		raw_send_at(&r, ACK, r.snd_nxt + 1400 * i, r.rcv_nxt, 1400 * i, 1400);
	raw_run(&r, 1);
	raw_run(&r, 1000);
	cr_expect_gt(raw_count(&r, TCP_C_DROP_MEM), 0, "and few new ones are kept");
	for (uint32_t i = 0; i < 16; i++)
		raw_send(&r, ACK, 1400);
	cr_expect_eq(r.app.rx_total, 16 * 1400);
	cr_expect_not(r.app.wrong);
	give_back(&r);
	cr_expect(raw_fini(&r));
}

Test(pressure, an_acknowledgement_counts_though_its_bytes_are_not_kept)
{
	struct raw r;

	raw_accept(&r, (struct tcp_conf){0});
	raw_write(&r, 500);
	take(&r, mem(&r)->reserve);
	raw_send_at(&r, ACK, r.snd_nxt, r.iss + 1 + 500, 0, 1400);
	raw_run(&r, 1000);
	cr_expect_eq(r.app.s->ops->tx_queued(r.app.s), 0);
	cr_expect_eq(r.app.rx_total, 0);
	cr_expect_eq(raw_conn(&r)->rcv_nxt, r.snd_nxt, "it must come again");
	give_back(&r);
	raw_send(&r, ACK, 1400);
	cr_expect_eq(r.app.rx_total, 1400);
	cr_expect(raw_fini(&r));
}

Test(pressure, a_reader_whose_take_failed_is_told_again)
{
	struct pkt_chain c = {0};
	struct raw r;

	raw_accept(&r, (struct tcp_conf){0});
	r.app.paused = true;
	raw_send(&r, ACK, 1000);
	thief_take(&thief, r.v.host[RAW_STACK].pools.data, 0);
	(void)stream_events(r.app.s);
	cr_assert_eq(r.app.s->ops->rx_take(r.app.s, 10, &c), 0, "a cut needs a buffer");
	r.v.host[RAW_STACK].app = NULL;
	raw_run(&r, 20 * TCP_MS);
	cr_expect_eq(r.app.s->events, 0);
	give_back(&r);
	cr_expect(r.app.s->events & STREAM_EV_READABLE);
	cr_expect_eq(r.app.s->ops->rx_take(r.app.s, 10, &c), 10);
	pkt_chain_free(&c);
	cr_expect(raw_fini(&r));
}

Test(pressure, connections_nobody_holds_do_not_fill_the_table)
{
	struct raw r;

	raw_init(&r, (struct tcp_conf){.conns_max = 8});
	app_listen(&r.app, 22, 4);
	for (uint16_t i = 0; i < 40; i++) {
		r.peer_port = (uint16_t)(RAW_PORT + i);
		r.snd_nxt = 1000;
		r.app.accepted = false;
		raw_send(&r, SYN, 0);
		raw_send(&r, ACK, 0);
		cr_assert(r.app.accepted, "connection %u", i);
		app_close(&r.app); /* its FIN is never acknowledged */
	}
	cr_expect_gt(raw_count(&r, TCP_C_ORPHAN_CUT), 30);
	cr_expect_eq(raw_count(&r, TCP_C_DROP_TABLE), 0);
	cr_expect(raw_fini(&r));
}

Test(pressure, orphans_that_hold_buffers_are_cut_when_they_are_scarce)
{
	struct raw r;

	raw_accept(&r, (struct tcp_conf){0});
	raw_write(&r, 20000);
	app_close(&r.app);
	raw_run(&r, 2 * TCP_SEC); /* a time-out or two: nobody answers */
	take(&r, mem(&r)->low - 10);
	cr_expect_eq(tcp_conns(r.v.host[RAW_STACK].tcp), 1, "short is not scarce");
	take(&r, mem(&r)->scarce);
	cr_expect_eq(tcp_conns(r.v.host[RAW_STACK].tcp), 0);
	cr_expect(raw_last(&r).flags & RST);
	give_back(&r);
	cr_expect(raw_fini(&r));
}

/* Into a window of zero; probes are answered. */
static void stall(struct raw *r, uint64_t us)
{
	for (uint64_t end = r->v.now_us + us; r->v.now_us < end;) {
		raw_run(r, TCP_SEC);
		raw_send_at(r, ACK, r->snd_nxt, r->iss + 1, 0, 0);
	}
}

Test(pressure, a_window_that_stays_zero_is_given_up_when_buffers_are_scarce)
{
	static const struct {
		uint64_t stalled_s;
		bool scarce, cut;
	} cases[] = {{60, false, false}, {2, true, false}, {60, true, true}};

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct raw r;

		raw_accept(&r, (struct tcp_conf){0});
		r.wnd = 0;
		raw_send(&r, ACK, 0);
		raw_write(&r, 20000);
		stall(&r, cases[i].stalled_s * TCP_SEC);
		cr_expect_not(r.app.error, "probes are answered");
		take(&r, cases[i].scarce ? mem(&r)->scarce : mem(&r)->low - 10);
		raw_run(&r, 100 * TCP_MS);
		cr_expect_eq(r.app.err, cases[i].cut ? -ETIMEDOUT : 0, "case %zu: %d", i,
			     r.app.err);
		cr_expect_eq(raw_count(&r, TCP_C_STALLED_CUT), cases[i].cut);
		give_back(&r);
		cr_expect(raw_fini(&r));
	}
}

/* A round of the hand asks for a probe less: in the turn in which buffers end it is all but nine.
 */
Test(pressure, not_all_stalled_ones_go_in_one_turn)
{
	struct raw r;
	struct tcp *t;

	raw_accept(&r, (struct tcp_conf){0});
	t = r.v.host[RAW_STACK].tcp;
	r.wnd = 0;
	raw_send(&r, ACK, 0);
	raw_write(&r, 20000);
	while (raw_conn(&r)->persist_shift < 6)
		stall(&r, TCP_SEC);
	thief_take(&thief, r.v.host[RAW_STACK].pools.data, mem(&r)->scarce);
	tcp_output_poll(t, r.v.now_us);
	cr_expect_eq(raw_count(&r, TCP_C_STALLED_CUT), 0, "others may have had more");
	for (int i = 0; i < 4; i++)
		tcp_output_poll(t, r.v.now_us);
	cr_expect_eq(raw_count(&r, TCP_C_STALLED_CUT), 1);
	give_back(&r);
	cr_expect(raw_fini(&r));
}

/* The window opens by so much each second: a byte is no progress, a kilobyte is. */
Test(pressure, a_window_that_drips_is_given_up_when_buffers_are_scarce)
{
	static const struct {
		uint16_t wnd;
		bool cut;
	} cases[] = {{1, true}, {1460, false}};

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct raw r;

		raw_accept(&r, (struct tcp_conf){.tx_budget = 1 << 20});
		r.wnd = 0;
		raw_send(&r, ACK, 0);
		raw_write(&r, 200000);
		raw_run(&r, TCP_SEC);
		take(&r, mem(&r)->scarce);
		for (int s = 0; s < 40 && !r.app.error; s++) {
			r.wnd = cases[i].wnd;
			raw_send_at(&r, ACK, r.snd_nxt, raw_conn(&r)->snd_max, 0, 0);
			raw_run(&r, TCP_SEC);
		}
		cr_expect_eq(r.app.err, cases[i].cut ? -ETIMEDOUT : 0, "case %zu: %d", i,
			     r.app.err);
		give_back(&r);
		cr_expect(raw_fini(&r));
	}
}
