/*
 * Local ports of connects: with several shards, those of which the answers come home (spread.h).
 * RFC 6056 says how they follow each other, RFC 6191 when one that was used may be again.
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "tests/sim/raw.h"
#include "tests/util/eal.h"
#include "tests/util/rnd.h"

static struct vnet v;
static struct tcp *t;
static struct spread sp;

static void start(void)
{
	eal_start("64");
	vnet_init(&v, rnd_seed(), 1023, 4095);
	vnet_stack(&v, 0, (struct tcp_conf){.conns_max = 16384, .time_wait_max = 65536});
	t = v.host[0].tcp;
	t->now_us = v.now_us;
}

static void end(void)
{
	cr_expect(vnet_fini(&v));
}

TestSuite(ports, .init = start, .fini = end);

static const struct stream_user nobody;

static int connect_to(const struct net_addr *to, uint16_t port, struct stream **ret)
{
	struct stream_provider p;

	tcp_provider(t, &p);
	return p.connect(p.arg, to, port, &nobody, NULL, ret);
}

/* As one of so many shards. */
static void become(unsigned int shard, unsigned int shards)
{
	if (sp.shards != shards)
		cr_assert_eq(spread_init(&sp, shards, NULL), 0);
	t->conf.spread = &sp;
	t->conf.shard = (uint16_t)shard;
}

/* Where what the peer sends will be brought. */
static unsigned int owner(const struct tcp_conn *c, const struct net_addr *peer, uint16_t port)
{
	struct net_addr local = vnet_addr_of(0, peer->family, 0);

	return spread_owner_flow(&sp, t->conf.steer, peer, &local, port, tcp_local_port(c));
}

/* The stack's table is empty again. */
static void forget(struct stream **s, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		s[i]->ops->abort(s[i]);
	tcp_output_poll(t, t->now_us);
	cr_assert_eq(tcp_conns(t), 0);
}

static void connects_come_home(uint8_t family)
{
	const unsigned int each = test_long() ? 20000 : 1000;
	struct net_addr peer = vnet_addr_of(1, family, 0);
	static struct stream *s[64];

	for (unsigned int n = 1; n <= 8; n++) {
		for (unsigned int k = 0; k < n; k++) {
			become(k, n);
			for (unsigned int i = 0; i < each; i++) {
				uint16_t port = (uint16_t)(1 + i % 7);

				cr_assert_eq(connect_to(&peer, port, &s[i % 64]), 0);
				cr_assert_eq(owner(tcp_of(s[i % 64]), &peer, port), k,
					     "shard %u of %u, connect %u", k, n, i);
				if (i % 64 == 63 || i + 1 == each)
					forget(s, i % 64 + 1);
			}
		}
	}
	cr_expect_eq(tcp_counters(t)[TCP_C_NO_PORT], 0);
}

Test(ports, answers_over_ipv4_come_back_to_the_shard_that_connects)
{
	connects_come_home(4);
}

Test(ports, answers_over_ipv6_come_back_to_the_shard_that_connects)
{
	connects_come_home(6);
}

/* With one shard all there are, each once. */
static void each_port_is_found_once(unsigned int shards)
{
	static struct stream *s[16384];
	static bool used[65536];
	struct net_addr peer = vnet_addr_of(1, 4, 0);
	unsigned int all = 0, n = 0;
	int r;

	become(shards - 1, shards);
	for (unsigned int p = TCP_PORT_MIN; p < 65536; p++) {
		struct net_addr local = vnet_addr_of(0, 4, 0);

		all += spread_owner_flow(&sp, NULL, &peer, &local, 443, (uint16_t)p) == shards - 1;
	}
	while ((r = connect_to(&peer, 443, &s[n])) == 0) {
		uint16_t port = tcp_local_port(tcp_of(s[n]));

		cr_assert(port >= TCP_PORT_MIN && !used[port]);
		used[port] = true;
		n++;
	}
	cr_expect_eq(r, -EADDRNOTAVAIL);
	cr_expect_eq(n, all);
	cr_expect_eq(tcp_counters(t)[TCP_C_NO_PORT], 1);
	cr_expect_eq(connect_to(&peer, 444, &s[n]), 0, "to another port there are as many again");
	forget(s, n + 1);
}

Test(ports, shard_of_eight_finds_each_of_its_ports_and_then_refuses)
{
	each_port_is_found_once(8);
}

Test(ports, shard_of_seven_finds_each_of_its_ports_and_then_refuses)
{
	each_port_is_found_once(7);
}

Test(ports, one_shard_has_the_ports_it_had_without_a_table)
{
	struct net_addr peer = vnet_addr_of(1, 4, 0);
	uint16_t before[256];
	struct stream *s[256];

	for (unsigned int i = 0; i < 256; i++) {
		cr_assert_eq(connect_to(&peer, 443, &s[i]), 0);
		before[i] = tcp_local_port(tcp_of(s[i]));
	}
	forget(s, 256);
	t->port_next -= 256;
	become(0, 1);
	for (unsigned int i = 0; i < 256; i++) {
		cr_assert_eq(connect_to(&peer, 443, &s[i]), 0);
		cr_assert_eq(tcp_local_port(tcp_of(s[i])), before[i]);
	}
	forget(s, 256);
}

/* RFC 6056 section 3.3.3: each target has its own place to begin, which the secret hides. */
Test(ports, targets_begin_at_places_of_their_own)
{
	struct net_addr peer = vnet_addr_of(1, 4, 0);
	struct stream *s[200];
	unsigned int near = 0;

	become(1, 4);
	for (unsigned int i = 0; i < 200; i++) {
		cr_assert_eq(connect_to(&peer, (uint16_t)(1000 + i), &s[i]), 0);
		near += i > 0 &&
			abs(tcp_local_port(tcp_of(s[i])) - tcp_local_port(tcp_of(s[i - 1]))) < 200;
	}
	cr_expect_leq(near, 10, "%u of 200 beside the one before", near);
	forget(s, 200);
}

Test(ports, port_that_a_listener_of_another_shard_has_is_not_picked)
{
	static struct spread_steer st;
	static const struct net_addr any;
	struct net_addr peer = vnet_addr_of(1, 4, 0);
	struct stream *s[512];

	become(1, 4);
	t->conf.steer = &st;
	for (uint16_t i = 0; i < 4096; i++)
		cr_assert_eq(spread_steer_add(&st, &any, (uint16_t)(30000 + i), 2), 0);
	for (unsigned int i = 0; i < 512; i++) {
		cr_assert_eq(connect_to(&peer, 443, &s[i]), 0);
		cr_assert_eq(owner(tcp_of(s[i]), &peer, 443), 1, "port %u",
			     tcp_local_port(tcp_of(s[i])));
		if (i == 0) /* go on just below them */
			t->port_next += 30000u - tcp_local_port(tcp_of(s[0])) - 1;
	}
	forget(s, 512);
}

/* The next connect of the shard has the same port before it again, and its TIME-WAIT. */
Test(ports, port_in_time_wait_is_taken_after_a_second_and_not_before)
{
	struct net_addr peer = vnet_addr_of(1, 4, 0);
	struct stream *s;
	uint32_t next;
	uint16_t port;

	become(2, 4);
	next = t->port_next;
	cr_assert_eq(connect_to(&peer, 443, &s), 0);
	port = tcp_local_port(tcp_of(s));
	tcp_of(s)->detached = true;
	tcp_of(s)->ts_on = true;
	tcp_conn_time_wait(tcp_of(s), t->now_us);
	tcp_output_poll(t, t->now_us);
	t->port_next = next;
	cr_assert_eq(connect_to(&peer, 443, &s), 0);
	cr_expect_neq(tcp_local_port(tcp_of(s)), port);
	cr_expect_eq(owner(tcp_of(s), &peer, 443), 2);
	forget(&s, 1);
	t->now_us += TCP_TW_REUSE_US + 2 * TCP_MS;
	t->port_next = next;
	cr_assert_eq(connect_to(&peer, 443, &s), 0);
	cr_expect_eq(tcp_local_port(tcp_of(s)), port);
	forget(&s, 1);
}
