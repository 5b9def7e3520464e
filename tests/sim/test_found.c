/* What the scenarios found (test_scenario.c), each in the few segments that it takes. */
#include <criterion/criterion.h>

#include "tests/sim/raw.h"
#include "tests/util/eal.h"

static void start(void)
{
	eal_start("64");
}

TestSuite(found, .init = start);

/* The furthest that was sent since raw_clear(), counted from base. */
static uint32_t reached(const struct raw *r, uint32_t base)
{
	uint32_t end = base;

	for (uint32_t i = 0; i < r->out_n; i++)
		end = seq_max(end, r->out[i].seq + r->out[i].len);
	return end - base;
}

static void accept_from(struct raw *r, uint16_t mss, uint16_t wnd)
{
	const uint8_t opt[] = {2, 4, (uint8_t)(mss >> 8), (uint8_t)mss, 4, 2, 1, 1}; /* and SACK */

	raw_init(r, (struct tcp_conf){0});
	app_listen(&r->app, 22, 4);
	r->wnd = wnd;
	memcpy(r->opt, opt, r->opt_len = sizeof(opt));
	raw_send(r, SYN, 0);
	r->opt_len = 0;
	raw_send(r, ACK, 0);
	raw_clear(r);
}

/* A window of less than a segment, more to send than fits: the tail's probe is the tail. */
Test(found, a_tail_probe_stays_within_the_window)
{
	uint32_t base;
	struct raw r;

	accept_from(&r, 1460, 1000);
	base = r.rcv_nxt;
	raw_write(&r, 5000);
	cr_assert_eq(reached(&r, base), 1000);
	raw_run(&r, 10 * TCP_SEC);
	cr_expect_geq(raw_count(&r, TCP_C_TLP), 1);
	cr_expect_eq(reached(&r, base), 1000, "%u bytes", reached(&r, base));
	cr_expect(raw_fini(&r));
}

/*
 * Bytes of the peer were lost and come again, with a new acknowledgement: the window that they
 * name counts from there, though segments with higher numbers named another before.
 */
Test(found, a_new_acknowledgement_brings_its_window_though_its_bytes_are_older)
{
	uint32_t base;
	struct raw r;

	accept_from(&r, 1460, 4000);
	base = r.rcv_nxt;
	raw_write(&r, 20000);
	cr_assert_leq(reached(&r, base), 4000);
	raw_send_at(&r, ACK, r.snd_nxt + 20, base, 0, 0); /* SND.WL1 is there */
	raw_run(&r, 1000);
	r.wnd = 4000 - 1460; /* the edge stays */
	raw_send_at(&r, ACK, r.snd_nxt, base + 1460, 0, 20);
	raw_run(&r, 10 * TCP_SEC);
	cr_expect_eq(raw_conn(&r)->snd_una, base + 1460);
	cr_expect_leq(reached(&r, base), 4000, "%u bytes", reached(&r, base));
	cr_expect(raw_fini(&r));
}

/*
 * A time-out takes all for lost, the port is too full to send it again, and when it is not the peer
 * has taken its window back: its window is asked for until it opens.
 */
Test(found, a_window_taken_back_after_a_time_out_is_asked_for)
{
	uint32_t base;
	struct raw r;

	accept_from(&r, 536, 8000);
	base = r.rcv_nxt;
	raw_write(&r, 5000);
	cr_assert_eq(reached(&r, base), 5000);
	r.v.host[RAW_STACK].net.full = true;
	raw_run(&r, 2 * TCP_SEC);
	cr_assert_geq(raw_count(&r, TCP_C_RTO), 1);
	r.rcv_nxt = base;
	r.wnd = 0;
	raw_send(&r, ACK, 0);
	r.v.host[RAW_STACK].net.full = false;
	raw_clear(&r);
	raw_run(&r, 5 * TCP_SEC);
	cr_expect_geq(raw_count(&r, TCP_C_PERSIST), 1);
	r.rcv_nxt = base;
	r.wnd = 8000;
	raw_send(&r, ACK, 0);
	raw_run(&r, TCP_SEC);
	cr_expect_eq(reached(&r, base), 536, "%u bytes", reached(&r, base));
	cr_expect(raw_fini(&r));
}
