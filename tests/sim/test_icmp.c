/* What an ICMP error does to a connection: RFC 1122 section 4.2.3.9, RFC 5927, RFC 5461. */
#include <criterion/criterion.h>
#include <errno.h>

#include <rte_cycles.h>

#include "tests/sim/raw.h"
#include "tests/util/eal.h"
#include "tests/util/rnd.h"

#define MS  UINT64_C(1000)
#define SEC UINT64_C(1000000)

static void start(void)
{
	eal_start("64");
}

TestSuite(icmp, .init = start);

/* As net tells it, about a segment of the connection at seq. */
static struct net_icmp about(const struct raw *r, uint32_t seq)
{
	return (struct net_icmp){.local = vnet_addr(RAW_STACK),
				 .peer = vnet_addr(RAW_PEER),
				 .local_port = r->stack_port,
				 .peer_port = r->peer_port,
				 .seq = seq,
				 .len = 1500,
				 .err = EHOSTUNREACH};
}

static void tell(struct raw *r, struct net_icmp e)
{
	tcp_icmp(r->v.host[RAW_STACK].tcp, &e, r->v.now_us);
	raw_run(r, MS);
}

static void tell_mtu(struct raw *r, uint32_t seq, uint16_t mtu)
{
	struct net_icmp e = about(r, seq);

	e.mtu = mtu;
	e.err = EMSGSIZE;
	tell(r, e);
}

/* An idle connection has nothing under way, not even half the sequence space away. */
Test(icmp, nothing_is_under_way_of_a_connection_at_rest)
{
	static const uint32_t far[] = {
		0, 1, UINT32_MAX, INT32_MAX, UINT32_C(1) << 31, (UINT32_C(1) << 31) + 1};
	struct raw r;

	raw_connect(&r, (struct tcp_conf){0});
	raw_run(&r, 10 * TCP_SEC);
	cr_assert(!tcp_is_busy(raw_conn(&r)));
	for (size_t i = 0; i < RTE_DIM(far); i++)
		tell_mtu(&r, raw_conn(&r)->snd_una + far[i], 560);
	cr_expect_eq(raw_count(&r, TCP_C_ICMP_STRAY), RTE_DIM(far));
	cr_expect_eq(raw_count(&r, TCP_C_PMTU_DOWN), 0);
	cr_expect(raw_fini(&r));
}

/* --- connections that are being opened --------------------------------------------------- */

static const struct {
	int err;
	bool hard;
} errors[] = {{ECONNREFUSED, true},
	      {ENOPROTOOPT, true},
	      {ENETUNREACH, false},
	      {EHOSTUNREACH, false},
	      {EPROTO, false}};

Test(icmp, a_connect_fails_at_once_and_says_why)
{
	for (size_t i = 0; i < RTE_DIM(errors); i++) {
		struct net_icmp e;
		struct raw r;

		raw_state(&r, TCP_SYN_SENT);
		e = about(&r, r.iss);
		e.err = errors[i].err;
		e.hard = errors[i].hard;
		tell(&r, e);
		cr_expect(r.app.error, "case %zu", i);
		cr_expect_eq(r.app.err, -errors[i].err, "case %zu: %d", i, r.app.err);
		cr_expect_eq(raw_count(&r, TCP_C_ICMP_ABORT), 1);
		cr_expect(raw_fini(&r));
	}
}

static const int32_t not_the_syn[] = {1, -1, 2, 1000, -1000, INT32_MAX, INT32_MIN};

Test(icmp, a_connect_does_not_fail_for_a_guessed_number)
{
	struct raw r;

	raw_state(&r, TCP_SYN_SENT);
	for (size_t i = 0; i < RTE_DIM(not_the_syn); i++)
		tell(&r, about(&r, r.iss + (uint32_t)not_the_syn[i]));
	cr_expect_not(r.app.error);
	cr_expect_eq(raw_count(&r, TCP_C_ICMP_STRAY), RTE_DIM(not_the_syn));
	raw_send(&r, SYN | ACK, 0);
	cr_expect(r.app.connected);
	cr_expect(raw_fini(&r));
}

Test(icmp, an_error_about_another_tuple_is_stray)
{
	struct net_icmp e;
	struct raw r;

	raw_state(&r, TCP_SYN_SENT);
	e = about(&r, r.iss);
	e.local_port++;
	tell(&r, e);
	e = about(&r, r.iss);
	e.peer_port--;
	tell(&r, e);
	e = about(&r, r.iss);
	e.peer.b[0] ^= 1;
	tell(&r, e);
	e = about(&r, r.iss);
	e.peer.family = e.local.family = 6;
	tell(&r, e);
	cr_expect_not(r.app.error);
	cr_expect_eq(raw_count(&r, TCP_C_ICMP_STRAY), 4);
	cr_expect(raw_fini(&r));
}

Test(icmp, a_half_open_connection_ends_by_a_hard_error_only)
{
	struct net_icmp e;
	struct raw r;

	raw_state(&r, TCP_SYN_RCVD);
	e = about(&r, r.iss);
	tell(&r, e);
	cr_expect_eq(raw_get_state(&r), TCP_SYN_RCVD);
	e.hard = true;
	e.seq++;
	tell(&r, e);
	cr_expect_eq(raw_get_state(&r), TCP_SYN_RCVD);
	e.seq--;
	tell(&r, e);
	cr_expect_eq(raw_get_state(&r), TCP_LISTEN);
	cr_expect_eq(r.v.host[RAW_STACK].tcp->listener[0].half_open, 0);
	cr_expect(raw_fini(&r));
}

/* --- synchronized ------------------------------------------------------------------------ */

Test(icmp, no_error_ends_a_synchronized_connection)
{
	static const enum tcp_state states[] = {TCP_ESTABLISHED, TCP_FIN_WAIT_1, TCP_FIN_WAIT_2,
						TCP_CLOSING,     TCP_TIME_WAIT,  TCP_CLOSE_WAIT,
						TCP_LAST_ACK};

	for (size_t i = 0; i < RTE_DIM(states); i++) {
		struct raw r;

		raw_state(&r, states[i]);
		if (states[i] == TCP_ESTABLISHED || states[i] == TCP_CLOSE_WAIT)
			raw_write(&r, 3000);
		for (size_t k = 0; k < RTE_DIM(errors); k++) {
			struct net_icmp e = about(&r, r.rcv_nxt - 1);

			e.err = errors[k].err;
			e.hard = errors[k].hard;
			tell(&r, e);
		}
		cr_expect_eq(raw_get_state(&r), states[i], "state %d", states[i]);
		cr_expect_not(r.app.error, "state %d", states[i]);
		cr_expect_eq(raw_count(&r, TCP_C_ICMP_ABORT), 0);
		cr_expect(raw_fini(&r));
	}
}

/* 3000 bytes are under way from the peer's point of view at rcv_nxt - 3000. */
static const struct {
	int32_t from_una;
	bool is;
} places[] = {{0, true},   {1, true},   {1460, true},  {2999, true},    {3000, false},
	      {-1, false}, {-2, false}, {3001, false}, {100000, false}, {INT32_MIN, false}};

Test(icmp, only_what_is_under_way_is_listened_to)
{
	struct raw r;
	uint32_t una;

	raw_state(&r, TCP_ESTABLISHED);
	una = r.rcv_nxt;
	raw_write(&r, 3000);
	for (size_t i = 0; i < RTE_DIM(places); i++) {
		uint64_t in = raw_count(&r, TCP_C_ICMP_IN), out = raw_count(&r, TCP_C_ICMP_STRAY);

		tell(&r, about(&r, una + (uint32_t)places[i].from_una));
		cr_expect_eq(raw_count(&r, TCP_C_ICMP_IN) - in, places[i].is, "case %zu", i);
		cr_expect_eq(raw_count(&r, TCP_C_ICMP_STRAY) - out, !places[i].is, "case %zu", i);
	}
	raw_send(&r, ACK, 0);
	tell(&r, about(&r, una));
	cr_expect_eq(raw_count(&r, TCP_C_ICMP_STRAY), 7, "all is acknowledged");
	cr_expect(raw_fini(&r));
}

/* Who guesses hits a window of 14,600 bytes once in 300,000 messages (RFC 5927 section 4.1). */
Test(icmp, blind_messages_hit_nothing)
{
	uint32_t n = test_long() ? 1000000 : 20000;
	struct rnd rnd = rnd_new(rnd_seed());
	struct raw r;

	raw_state(&r, TCP_ESTABLISHED);
	raw_write(&r, 14600);
	for (uint32_t i = 0; i < n; i++) {
		struct net_icmp e = about(&r, rnd_u32(&rnd));

		e.mtu = 552;
		tcp_icmp(r.v.host[RAW_STACK].tcp, &e, r.v.now_us);
	}
	cr_expect_leq(raw_count(&r, TCP_C_ICMP_IN), n / 30000 + 3);
	cr_expect(raw_fini(&r));
}

/* --- packet too big ---------------------------------------------------------------------- */

/* The largest segment of what was sent since raw_clear(), and the smallest of full ones. */
static uint32_t largest(const struct raw *r)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->out_n; i++)
		n = RTE_MAX(n, r->out[i].len);
	return n;
}

/* To a peer that takes 1460 bytes; pmtu: what net knows before, 0 for nothing. */
static void established(struct raw *r, uint16_t pmtu)
{
	raw_init(r, (struct tcp_conf){0});
	r->v.host[RAW_STACK].net.pmtu[RAW_PEER] = pmtu;
	vnet_connect(&r->app, RAW_PEER, RAW_PORT);
	raw_run(r, MS);
	cr_assert_eq(raw_last(r).opts.mss, 1460, "RFC 6691: what is offered is the link's");
	memcpy(r->opt, (uint8_t[]){2, 4, 1460 >> 8, 1460 & 0xff}, r->opt_len = 4);
	raw_send(r, SYN | ACK, 0);
	r->opt_len = 0;
	raw_clear(r);
}

Test(icmp, too_big_at_the_start_is_believed_and_sent_again_at_once)
{
	uint32_t una, cwnd;
	struct raw r;

	established(&r, 0);
	una = r.rcv_nxt;
	raw_write(&r, 8000);
	cr_expect_eq(largest(&r), 1460);
	cwnd = raw_conn(&r)->cwnd;
	raw_clear(&r);
	tell_mtu(&r, una, 1000);
	cr_expect_eq(largest(&r), 960);
	cr_assert_gt(r.out_n, 0);
	cr_expect_eq(r.out[0].seq, una);
	cr_expect_eq(raw_conn(&r)->cwnd, cwnd, "no sign of congestion");
	cr_expect_eq(raw_count(&r, TCP_C_RTO), 0);
	cr_expect_eq(raw_count(&r, TCP_C_PMTU_DOWN), 1);
	/* The others of the flight are told of, too: once is enough. */
	tell_mtu(&r, una + 1460, 1000);
	cr_expect_eq(raw_count(&r, TCP_C_PMTU_DOWN), 1);
	cr_expect(raw_fini(&r));
}

/* RFC 5927 section 7.2: a path that carried more is not made smaller by a message alone. */
static void proven(struct raw *r)
{
	established(r, 0);
	raw_write(r, 2920);
	raw_send(r, ACK, 0);
	cr_assert_eq(raw_conn(r)->pmtu.confirmed, 1500);
	raw_clear(r);
}

Test(icmp, too_big_on_a_proven_path_waits_and_an_acknowledgement_refutes_it)
{
	uint32_t una;
	struct raw r;

	proven(&r);
	una = r.rcv_nxt;
	raw_write(&r, 2920);
	tell_mtu(&r, una, 552);
	cr_expect_eq(raw_conn(&r)->mss, 1460);
	raw_send(&r, ACK, 0);
	raw_clear(&r);
	raw_write(&r, 2920);
	raw_run(&r, 500 * MS);
	cr_expect_geq(raw_count(&r, TCP_C_RTO), 1);
	cr_expect_eq(raw_conn(&r)->mss, 1460, "the claim was forgotten");
	cr_expect_eq(raw_count(&r, TCP_C_PMTU_DOWN), 0);
	cr_expect(raw_fini(&r));
}

Test(icmp, too_big_on_a_proven_path_is_believed_with_a_time_out)
{
	uint32_t una;
	struct raw r;

	proven(&r);
	una = r.rcv_nxt;
	raw_write(&r, 2920);
	tell_mtu(&r, una, 1006);
	tell_mtu(&r, una, 552); /* later ones do not replace it */
	raw_clear(&r);
	raw_run(&r, 500 * MS);
	cr_expect_eq(raw_count(&r, TCP_C_PMTU_DOWN), 1);
	cr_expect_eq(largest(&r), 966);
	cr_expect_eq(r.out[0].seq, una);
	cr_expect(raw_fini(&r));
}

/* T-34: whoever sees the path could have all sent again for each byte less. */
Test(icmp, too_big_step_by_step_is_believed_a_few_times_only)
{
	uint32_t una;
	struct raw r;

	established(&r, 0);
	una = r.rcv_nxt;
	raw_write(&r, 4000);
	raw_clear(&r);
	for (uint16_t mtu = 1499; mtu > 1400; mtu--)
		tell_mtu(&r, una, mtu);
	cr_expect_eq(raw_count(&r, TCP_C_PMTU_DOWN), 8);
	cr_expect_leq(r.out_n, 8 * 4);
	cr_expect_eq(raw_conn(&r)->pmtu.size, 1492);
	cr_expect(raw_fini(&r));
}

Test(icmp, too_big_that_is_not_smaller_says_nothing)
{
	uint32_t una;
	struct raw r;

	established(&r, 0);
	una = r.rcv_nxt;
	raw_write(&r, 2920);
	tell_mtu(&r, una, 1500);
	tell_mtu(&r, una, 9000);
	cr_expect_eq(raw_conn(&r)->mss, 1460);
	cr_expect_eq(raw_count(&r, TCP_C_PMTU_DOWN), 0);
	cr_expect(raw_fini(&r));
}

Test(icmp, what_one_connection_learned_the_next_begins_with)
{
	struct raw r;

	established(&r, 1280);
	raw_write(&r, 4000);
	cr_expect_eq(largest(&r), 1240);
	cr_expect(raw_fini(&r));
}

Test(icmp, what_another_connection_learned_helps_with_a_time_out)
{
	struct raw r;

	established(&r, 0);
	raw_write(&r, 4000);
	r.v.host[RAW_STACK].net.pmtu[RAW_PEER] = 1280;
	raw_clear(&r);
	raw_run(&r, 1100 * MS);
	cr_expect_eq(largest(&r), 1240);
	cr_expect(raw_fini(&r));
}

/* T-34: a flood costs other connections little; printed, so that a change is seen. */
Test(icmp, a_flood_of_messages_is_cheap)
{
	uint32_t n = test_long() ? 10000000 : 200000;
	struct rnd rnd = rnd_new(rnd_seed());
	uint64_t tsc, cycles;
	struct raw r;

	established(&r, 0);
	raw_write(&r, 2920);
	tsc = rte_rdtsc();
	for (uint32_t i = 0; i < n; i++) {
		struct net_icmp e = about(&r, rnd_u32(&rnd));

		e.mtu = 552;
		e.local_port = (uint16_t)(i & 1 ? e.local_port : i);
		tcp_icmp(r.v.host[RAW_STACK].tcp, &e, r.v.now_us);
	}
	cycles = (rte_rdtsc() - tsc) / n;
	printf("%lu cycles a message in TCP\n", cycles);
	cr_expect_lt(cycles, 20000);
	cr_expect(raw_fini(&r));
}

/* A window that opens into an empty pool: nothing of the stream is in flight but a probe's byte. */
Test(icmp, too_big_is_believed_of_a_probe_while_nothing_can_be_sent)
{
	struct rte_mbuf *taken[2048];
	unsigned int n = 0;
	struct raw r;

	raw_accept(&r, (struct tcp_conf){0});
	r.wnd = 0;
	raw_send(&r, ACK, 0);
	raw_write(&r, 5000);
	raw_run(&r, 2 * SEC);
	cr_assert_eq(raw_last(&r).len, 1);
	raw_run(&r, 100 * MS); /* what a driver kept is back */
	while (n < RTE_DIM(taken) &&
	       (taken[n] = rte_pktmbuf_alloc(r.v.host[RAW_STACK].pools.head)) != NULL)
		n++;
	r.wnd = 65535;
	raw_send_at(&r, ACK, r.snd_nxt, r.iss + 1, 0, 0);
	raw_run(&r, MS);
	cr_assert_gt(raw_count(&r, TCP_C_DROP_NO_MBUF), 0);
	tell_mtu(&r, r.iss + 1, 560); /* no MSS option came: less than the default */
	cr_expect_eq(raw_count(&r, TCP_C_PMTU_DOWN), 1);
	rte_pktmbuf_free_bulk(taken, n);
	raw_clear(&r);
	raw_run(&r, SEC);
	cr_expect_eq(r.rcv_nxt, r.iss + 5001);
	cr_expect_leq(r.out[0].len, 560 - 40);
	cr_expect(raw_fini(&r));
}
