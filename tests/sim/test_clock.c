/*
 * Clocks and pauses: a process that was stopped (F-04), a clock that stands still (F-20), time
 * stamps that wrap (T-19).
 */
#include <criterion/criterion.h>

#include "dataplane/tcp/internal.h"
#include "tests/sim/vnet.h"
#include "tests/util/eal.h"
#include "tests/util/rnd.h"

static void start(void)
{
	eal_start("64");
}

TestSuite(clocks, .init = start);

#define SEC   TCP_SEC
#define FLOWS 8
#define DAY   (86400 * SEC)

struct world {
	struct vnet v;
	struct app client[FLOWS], server[FLOWS];
	struct apps cs, ss;
	unsigned int n;
};

static void world_init(struct world *w, unsigned int n, uint64_t bytes, uint64_t delay_us,
		       uint64_t begin_us)
{
	*w = (struct world){.n = n};
	vnet_init(&w->v, rnd_seed(), 2047, 4095);
	if (begin_us != 0)
		w->v.now_us = begin_us;
	vnet_check_windows(&w->v);
	for (unsigned int i = 0; i < 2; i++)
		vnet_stack(&w->v, i,
			   (struct tcp_conf){.rx_budget = 64 * 1024, .tx_budget = 64 * 1024});
	vnet_link_set(&w->v, 0, 1, (struct vnet_link){.delay_us = delay_us});
	for (unsigned int i = 0; i < n; i++) {
		vnet_app(&w->v, 0, &w->cs, &w->client[i], 2 * i, 2 * i + 1, bytes);
		vnet_app(&w->v, 1, &w->ss, &w->server[i], 2 * i + 1, 2 * i, bytes / 2);
		cr_assert_eq(app_listen(&w->server[i], (uint16_t)(22 + i), 4), 0);
		cr_assert_eq(vnet_connect(&w->client[i], 1, (uint16_t)(22 + i)), 0);
	}
}

static bool over(void *arg)
{
	struct world *w = arg;

	for (unsigned int i = 0; i < w->n; i++)
		if (!w->client[i].closed || !w->server[i].closed)
			return false;
	return true;
}

static void expect_whole(struct world *w)
{
	for (unsigned int i = 0; i < w->n; i++) {
		const struct app *c = &w->client[i], *s = &w->server[i];

		cr_expect(!c->wrong && !s->wrong && !c->error && !s->error, "flow %u: %d %d", i,
			  c->err, s->err);
		cr_expect_eq(c->rx_total, s->tx_total);
		cr_expect_eq(s->rx_total, c->tx_total);
	}
	vnet_run(&w->v, 400 * SEC, NULL, NULL);
	cr_expect_eq(tcp_conns(w->v.host[0].tcp) + tcp_conns(w->v.host[1].tcp), 0);
	cr_expect(vnet_fini(&w->v));
}

static uint64_t count(const struct world *w, unsigned int host, enum tcp_counter c)
{
	return tcp_counters(w->v.host[host].tcp)[c];
}

/* --- F-04: stopped, and on ----------------------------------------------------------------- */

/*
 * A sender is stopped in the middle of its transfers; what its peer sent meanwhile waits in the
 * port. All its deadlines are over when it runs again, and the answers are there already: nothing
 * is worth sending again, and what is fires once.
 */
static void stop_sender(uint64_t for_us)
{
	uint64_t rto, retrans, turn_us;
	struct world w;

	world_init(&w, FLOWS, 400000, 10 * TCP_MS, 0);
	vnet_run(&w.v, 70 * TCP_MS, NULL, NULL);
	cr_assert_not(over(&w));
	rto = count(&w, 0, TCP_C_RTO);
	retrans = count(&w, 0, TCP_C_RETRANS);
	w.v.host[0].stopped = true;
	vnet_run(&w.v, for_us, NULL, NULL);
	w.v.host[0].stopped = false;
	turn_us = w.v.now_us;
	vnet_run(&w.v, 5 * TCP_MS, NULL, NULL); /* before any answer */
	cr_expect_leq(count(&w, 0, TCP_C_RTO) - rto, FLOWS, "%lu s: %lu time-outs at once",
		      for_us / SEC, count(&w, 0, TCP_C_RTO) - rto);
	cr_expect_leq(count(&w, 0, TCP_C_RETRANS) - retrans, FLOWS, "%lu s: %lu sent again at once",
		      for_us / SEC, count(&w, 0, TCP_C_RETRANS) - retrans);
	cr_expect(vnet_run(&w.v, 100 * SEC, over, &w), "%lu s", for_us / SEC);
	cr_expect_leq(w.v.now_us - turn_us, 10 * SEC, "%lu s: %lu us to the end", for_us / SEC,
		      w.v.now_us - turn_us);
	expect_whole(&w);
}

Test(clocks, a_sender_that_was_stopped_sends_little_again)
{
	static const uint64_t s[] = {1, 10, 60};

	for (size_t i = 0; i < RTE_DIM(s); i++)
		stop_sender(s[i] * SEC);
}

/*
 * F-30: a process that gets a tenth of a core, for a minute. What comes while it does not run
 * waits in its port, every deadline is looked at late, and the round trips it sees are ten times
 * those of the path: all goes on, more slowly, and nothing is taken for lost again and again.
 */
static void steal(unsigned int host)
{
	struct vnet_link path = {.delay_us = 10 * TCP_MS, .bits_per_s = 2 * 1000 * 1000};
	uint64_t least = 0, end;
	struct world w;

	world_init(&w, 4, 4000000, 10 * TCP_MS, 0);
	vnet_link_set(&w.v, 0, 1, path);
	for (end = w.v.now_us + 60 * SEC; w.v.now_us < end;) {
		w.v.host[host].stopped = true;
		vnet_run(&w.v, 90 * TCP_MS, NULL, NULL);
		w.v.host[host].stopped = false;
		vnet_run(&w.v, 10 * TCP_MS, NULL, NULL);
	}
	cr_assert_not(over(&w), "it was under load for all of the time");
	for (unsigned int i = 0; i < w.n; i++) {
		least = i == 0 ? w.server[i].rx_total : RTE_MIN(least, w.server[i].rx_total);
		cr_expect_not(w.client[i].error || w.server[i].error);
	}
	cr_expect_geq(least * 4, UINT64_C(60) * 250000 / 2, "host %u: %lu bytes of each", host,
		      least);
	for (unsigned int h = 0; h < 2; h++) {
		cr_expect_leq(count(&w, h, TCP_C_RTO), 2 * w.n, "host %u, %u: %lu time-outs", host,
			      h, count(&w, h, TCP_C_RTO));
		cr_expect_eq(count(&w, h, TCP_C_TIMEOUTS), 0);
	}
	cr_expect(vnet_run(&w.v, 200 * SEC, over, &w));
	expect_whole(&w);
}

Test(clocks, a_tenth_of_a_core_for_a_minute_is_slow_and_no_more)
{
	steal(0);
	steal(1);
}

/* And the other end: the sender's time-outs back off, and all goes on when it is back. */
Test(clocks, a_receiver_that_was_stopped_finds_its_bytes)
{
	static const uint64_t s[] = {1, 10, 60};

	for (size_t i = 0; i < RTE_DIM(s); i++) {
		struct world w;

		world_init(&w, FLOWS, 400000, 10 * TCP_MS, 0);
		vnet_run(&w.v, 70 * TCP_MS, NULL, NULL);
		cr_assert_not(over(&w));
		w.v.host[1].stopped = true;
		vnet_run(&w.v, s[i] * SEC, NULL, NULL);
		/* RFC 6298: 0.2, 0.4, ... s: eight doublings make a minute; a probe before. */
		cr_expect_leq(count(&w, 0, TCP_C_RETRANS), FLOWS * 10, "%lu s", s[i]);
		w.v.host[1].stopped = false;
		cr_expect(vnet_run(&w.v, 100 * SEC, over, &w), "%lu s", s[i]);
		expect_whole(&w);
	}
}

/* --- F-20: the same value again and again ----------------------------------------------------- */

/*
 * Packets come and go, and the clock of one stack, or of both, says the same a million times. What
 * needs no time goes on, nothing divides by the time that passed, and all goes on afterwards.
 */
static void stand_still(bool both, uint64_t delay_us)
{
	uint32_t turns = test_long() ? 1000000 : 20000;
	uint64_t next, before;
	struct world w;

	world_init(&w, 2, 4000000, delay_us, 0);
	vnet_run(&w.v, 5 * delay_us, NULL, NULL);
	cr_assert_not(over(&w));
	before = w.server[0].rx_total;
	w.v.host[0].frozen_us = w.v.now_us;
	if (both)
		w.v.host[1].frozen_us = w.v.now_us;
	for (uint32_t i = 0; i < turns; i++) {
		vnet_turn(&w.v, &next);
		w.v.now_us++;
	}
	if (delay_us < TCP_MS) /* else sending is paced, by a clock that stands */
		cr_expect_gt(w.server[0].rx_total, before, "nothing moved");
	cr_expect_eq(count(&w, 0, TCP_C_RTO), 0, "a timer without time");
	w.v.host[0].frozen_us = w.v.host[1].frozen_us = 0;
	cr_expect(vnet_run(&w.v, 100 * SEC, over, &w));
	expect_whole(&w);
}

Test(clocks, a_clock_that_stands_still_stops_nothing_for_good)
{
	stand_still(false, 50);
	stand_still(true, 50);
	stand_still(true, 3 * TCP_MS);
}

/* --- T-19: time stamps -------------------------------------------------------------------------
 */

#define TS_WRAP_US ((UINT64_C(1) << 32) * TCP_MS)

/* Data on its way while TSval passes 2^32, which a connection of ours does after 49.7 days. */
Test(clocks, timestamps_wrap_under_a_transfer)
{
	struct tcp_conn *c;
	uint32_t first;
	struct world w;

	world_init(&w, 1, 2000, 1 * TCP_MS, 0);
	w.client[0].no_shutdown = true;
	vnet_run(&w.v, 1 * SEC, NULL, NULL);
	c = tcp_of(w.client[0].s);
	cr_assert(c->ts_on);
	/* To a few milliseconds before: ts_offset is not known beforehand. */
	vnet_run(&w.v, (UINT64_C(0xffffffff) - tcp_ts_now(c, w.v.now_us)) * TCP_MS - 50 * TCP_MS,
		 NULL, NULL);
	first = tcp_ts_now(c, w.v.now_us);
	w.client[0].tx_total += 3000000;
	vnet_run(&w.v, 100 * TCP_MS, NULL, NULL);
	cr_expect_lt(tcp_ts_now(c, w.v.now_us), first, "it has not wrapped");
	w.client[0].no_shutdown = false;
	cr_expect(vnet_run(&w.v, 10 * SEC, over, &w));
	cr_expect_eq(count(&w, 1, TCP_C_DROP_PAWS), 0);
	cr_expect_eq(count(&w, 0, TCP_C_RTO), 0);
	expect_whole(&w);
}

/* RFC 7323 section 5.5: after 24.8 days of rest TS.Recent says nothing. 2^31 ms and more. */
Test(clocks, a_rest_of_more_than_24_days_stalls_nothing)
{
	static const uint64_t days[] = {24, 25, 26, 49, 50, 75, 100};

	for (size_t i = 0; i < RTE_DIM(days); i++) {
		uint64_t before;
		struct world w;

		world_init(&w, 1, 2000, 1 * TCP_MS, 0);
		w.client[0].no_shutdown = w.server[0].no_shutdown = true;
		vnet_run(&w.v, days[i] * DAY, NULL, NULL);
		before = w.v.now_us;
		w.client[0].tx_total += 100000;
		w.server[0].tx_total += 100000;
		w.client[0].no_shutdown = w.server[0].no_shutdown = false;
		cr_expect(vnet_run(&w.v, 10 * SEC, over, &w), "%lu days", days[i]);
		cr_expect_leq(w.v.now_us - before, SEC, "%lu days: %lu us", days[i],
			      w.v.now_us - before);
		cr_expect_eq(count(&w, 0, TCP_C_DROP_PAWS) + count(&w, 1, TCP_C_DROP_PAWS), 0,
			     "%lu days", days[i]);
		expect_whole(&w);
	}
}

/* Connections begin at any time of a clock that counts for years. */
Test(clocks, the_clock_itself_may_be_large)
{
	static const uint64_t at[] = {UINT64_C(1) << 32, TS_WRAP_US, 400 * 365 * DAY};

	for (size_t i = 0; i < RTE_DIM(at); i++) {
		struct world w;

		world_init(&w, 2, 300000, 1 * TCP_MS, at[i] - 30 * TCP_MS);
		cr_expect(vnet_run(&w.v, 100 * SEC, over, &w), "%lu", at[i]);
		cr_expect_eq(count(&w, 0, TCP_C_RETRANS), 0, "%lu", at[i]);
		expect_whole(&w);
	}
}
