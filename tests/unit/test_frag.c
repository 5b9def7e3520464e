/* dataplane/net/frag.c: what becomes whole, what is given up and why, and that limits hold. */
#include <criterion/criterion.h>

#include "dataplane/net/internal.h"
#include "tests/util/eal.h"
#include "tests/util/frame.h"
#include "tests/util/rnd.h"

#define SEC  1000000ull
#define POOL 10000

static struct pkt_pools pools;
static struct wire wire;
static struct net *net;
static uint64_t now = 5 * SEC;

static void start_with(bool no_fragments)
{
	struct net_conf conf = {.pools = &pools, .neigh_max = 16, .no_fragments = no_fragments};
	struct net_addr a = addr4(198, 18, 0, 2);

	cr_assert_eq(net_new(&conf, &net), 0);
	wire_init(&wire, 1);
	cr_assert_eq(net_iface_add(net, "x", &wire.port), 0);
	cr_assert_eq(net_addr_add(net, 0, &a, 24), 0);
}

static void start(void)
{
	eal_start("64");
	cr_assert_eq(pkt_pools_new("t", POOL, 255, SOCKET_ID_ANY, &pools), 0);
	start_with(false);
}

static void end(void)
{
	net_free(net);
	wire_clear(&wire);
	cr_expect_eq(eal_out(pools.data), 0);
	cr_expect_eq(eal_out(pools.head), 0);
}

TestSuite(frag, .init = start, .fini = end);

static uint64_t dropped(enum net_drop why)
{
	return net_drops(net)[why];
}

static uint8_t pattern(uint32_t i)
{
	return (uint8_t)(i * 7 + (i >> 8));
}

static struct rte_mbuf *payload(uint32_t off, uint32_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pools.data);

	cr_assert_not_null(m);
	for (uint32_t i = 0; i < len; i++)
		*(uint8_t *)rte_pktmbuf_append(m, 1) = pattern(off + i);
	return m;
}

/* Is it the pattern from 0 to n? Frees it. */
static void expect_pattern(struct rte_mbuf *m, uint32_t n)
{
	uint32_t i = 0;
	const char *why;

	cr_assert_not_null(m);
	cr_expect_eq(rte_mbuf_check(m, 1, &why), 0);
	cr_expect_eq(m->pkt_len, n);
	for (const struct rte_mbuf *s = m; s != NULL; s = s->next)
		for (uint32_t k = 0; k < s->data_len; k++, i++)
			cr_assert_eq(rte_pktmbuf_mtod(s, const uint8_t *)[k], pattern(i));
	rte_pktmbuf_free(m);
}

/* --- through IPv4 ------------------------------------------------------------------------ */

struct v4 {
	uint32_t off, len;
	uint16_t id;
	uint8_t src, proto, tos;
	bool more;
};

static struct rte_mbuf *v4_input(struct v4 f)
{
	struct rte_mbuf *m = payload(f.off, f.len), *ret = NULL;
	struct rte_ipv4_hdr ip = {
		.version_ihl = 0x45,
		.type_of_service = f.tos,
		.total_length = rte_cpu_to_be_16((uint16_t)(20 + f.len)),
		.packet_id = rte_cpu_to_be_16(f.id),
		.fragment_offset = rte_cpu_to_be_16(
			(uint16_t)(f.off / 8 | (f.more ? RTE_IPV4_HDR_MF_FLAG : 0))),
		.time_to_live = 64,
		.next_proto_id = f.proto ? f.proto : IPPROTO_TCP,
		.src_addr = be4(198, 18, 0, f.src ? f.src : 1),
		.dst_addr = be4(198, 18, 0, 2)};
	struct rte_ether_hdr eth = {.dst_addr = wire.port.mac,
				    .ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4)};

	ip.hdr_checksum = rte_ipv4_cksum(&ip);
	memcpy(rte_pktmbuf_prepend(m, sizeof(ip)), &ip, sizeof(ip));
	memcpy(rte_pktmbuf_prepend(m, sizeof(eth)), &eth, sizeof(eth));
	return net_input_burst(net, 0, &m, 1, now, &ret) == 1 ? ret : NULL;
}

static const struct {
	const char *name;
	uint32_t order[4];
} orders[] = {
	{"in order", {0, 1, 2, 3}},
	{"from the end", {3, 2, 1, 0}},
	{"last first", {3, 0, 1, 2}},
	{"mixed", {2, 0, 3, 1}},
};

Test(frag, four_pieces_in_any_order_become_the_datagram)
{
	static const struct v4 part[] = {{.off = 0, .len = 1000, .more = true},
					 {.off = 1000, .len = 1000, .more = true},
					 {.off = 2000, .len = 1000, .more = true},
					 {.off = 3000, .len = 3}};

	for (size_t i = 0; i < RTE_DIM(orders); i++) {
		struct rte_mbuf *m = NULL;

		for (int k = 0; k < 4; k++) {
			cr_expect_null(m, "%s: whole too soon", orders[i].name);
			m = v4_input(part[orders[i].order[k]]);
		}
		cr_assert_not_null(m, "%s", orders[i].name);
		cr_expect_eq(pkt_meta(m)->src.b[3], 1);
		cr_expect_eq(pkt_meta(m)->dst.b[3], 2);
		cr_expect_eq(pkt_meta(m)->src.family, 4);
		expect_pattern(m, 3003);
	}
}

Test(frag, a_small_datagram_is_put_into_one_buffer)
{
	struct rte_mbuf *m;

	v4_input((struct v4){.off = 0, .len = 48, .more = true});
	v4_input((struct v4){.off = 48, .len = 48, .more = true});
	m = v4_input((struct v4){.off = 96, .len = 10});
	cr_assert_not_null(m);
	cr_expect_eq(m->nb_segs, 1);
	expect_pattern(m, 106);
	cr_expect_eq(eal_out(pools.data), 0);
}

Test(frag, datagrams_that_differ_in_any_part_of_the_key_are_kept_apart)
{
	static const struct v4 first = {.off = 0, .len = 40, .more = true};
	static const struct v4 other[] = {{.off = 40, .len = 8, .id = 1},
					  {.off = 40, .len = 8, .src = 3},
					  {.off = 40, .len = 8, .proto = IPPROTO_ICMP}};

	v4_input(first);
	for (size_t i = 0; i < RTE_DIM(other); i++)
		cr_expect_null(v4_input(other[i]), "case %zu", i);
	expect_pattern(v4_input((struct v4){.off = 40, .len = 8}), 48);
}

/* Codepoints of the pieces; what the datagram carries, or -1: dropped. RFC 3168 section 5.3. */
static const struct {
	uint8_t a, b;
	int want;
} marks[] = {{0, 0, 0}, {1, 1, 1}, {2, 2, 2}, {2, 3, 3},  {3, 1, 3},
	     {3, 3, 3}, {0, 2, 0}, {1, 2, 1}, {0, 3, -1}, {3, 0, -1}};

Test(frag, congestion_marks_of_the_pieces_are_joined)
{
	uint64_t refused = 0;

	for (size_t i = 0; i < RTE_DIM(marks); i++) {
		struct rte_mbuf *m;

		v4_input((struct v4){.off = 0, .len = 40, .more = true, .tos = marks[i].a});
		m = v4_input((struct v4){.off = 40, .len = 8, .tos = marks[i].b});
		if (marks[i].want < 0) {
			cr_expect_null(m, "case %zu", i);
			refused += 2;
			continue;
		}
		cr_assert_not_null(m, "case %zu", i);
		cr_expect_eq(pkt_meta(m)->ecn, marks[i].want, "case %zu", i);
		rte_pktmbuf_free(m);
	}
	cr_expect_eq(dropped(NET_DROP_FRAG_ECN), refused);
}

/* --- what is not a fragment of anything -------------------------------------------------- */

static const struct {
	const char *name;
	struct v4 f;
	enum net_drop why;
} bad[] = {
	{"empty", {.off = 0, .len = 0, .more = true}, NET_DROP_FRAG_LENGTH},
	{"empty at the end", {.off = 80, .len = 0}, NET_DROP_FRAG_LENGTH},
	{"not whole units", {.off = 0, .len = 41, .more = true}, NET_DROP_FRAG_LENGTH},
	{"ping of death", {.off = 65528, .len = 8}, NET_DROP_FRAG_LENGTH},
	{"ping of death, longer", {.off = 65528, .len = 1400}, NET_DROP_FRAG_LENGTH},
	{"one byte past the end", {.off = 65504, .len = 12}, NET_DROP_FRAG_LENGTH},
	{"tiny first fragment", {.off = 0, .len = 8, .more = true}, NET_DROP_FRAG_TINY},
	{"tiny by four", {.off = 0, .len = 16, .more = true}, NET_DROP_FRAG_TINY},
	{"second inside the header", {.off = 8, .len = 40, .more = true}, NET_DROP_FRAG_TINY},
	{"and at its end", {.off = 16, .len = 40}, NET_DROP_FRAG_TINY},
};

Test(frag, impossible_fragments_are_dropped_alone)
{
	for (size_t i = 0; i < RTE_DIM(bad); i++) {
		uint64_t before = dropped(bad[i].why);

		cr_expect_null(v4_input(bad[i].f), "%s", bad[i].name);
		cr_expect_eq(dropped(bad[i].why), before + 1, "%s", bad[i].name);
		cr_expect_eq(eal_out(pools.data), 0, "%s: kept", bad[i].name);
	}
	v4_input((struct v4){.off = 0, .len = 40, .more = true});
	expect_pattern(v4_input((struct v4){.off = 40, .len = 8}), 48);
}

/* --- contradictions ---------------------------------------------------------------------- */

static const struct {
	const char *name;
	struct v4 a, b, c;
	enum net_drop why;
} contradiction[] = {
	{"teardrop: inside the first",
	 {.off = 0, .len = 80, .more = true},
	 {.off = 24, .len = 16},
	 {.off = 80, .len = 8},
	 NET_DROP_FRAG_OVERLAP},
	{"tail over the next",
	 {.off = 80, .len = 40, .more = true},
	 {.off = 0, .len = 88, .more = true},
	 {.off = 120, .len = 8},
	 NET_DROP_FRAG_OVERLAP},
	{"head under the one before",
	 {.off = 0, .len = 80, .more = true},
	 {.off = 72, .len = 16, .more = true},
	 {.off = 80, .len = 8},
	 NET_DROP_FRAG_OVERLAP},
	{"same place, longer",
	 {.off = 0, .len = 80, .more = true},
	 {.off = 0, .len = 88, .more = true},
	 {.off = 80, .len = 8},
	 NET_DROP_FRAG_OVERLAP},
	{"same place, shorter (RFC 3128)",
	 {.off = 0, .len = 80, .more = true},
	 {.off = 0, .len = 40, .more = true},
	 {.off = 80, .len = 8},
	 NET_DROP_FRAG_OVERLAP},
	{"covers all",
	 {.off = 40, .len = 40, .more = true},
	 {.off = 0, .len = 160, .more = true},
	 {.off = 160, .len = 8},
	 NET_DROP_FRAG_OVERLAP},
	{"beyond the end",
	 {.off = 80, .len = 8},
	 {.off = 88, .len = 8, .more = true},
	 {.off = 0, .len = 80, .more = true},
	 NET_DROP_FRAG_OVERLAP},
	{"a second end",
	 {.off = 80, .len = 8},
	 {.off = 40, .len = 8},
	 {.off = 0, .len = 40, .more = true},
	 NET_DROP_FRAG_OVERLAP},
	{"an end before what came",
	 {.off = 80, .len = 8, .more = true},
	 {.off = 40, .len = 8},
	 {.off = 0, .len = 40, .more = true},
	 NET_DROP_FRAG_OVERLAP},
	{"the last, but not the end",
	 {.off = 80, .len = 8},
	 {.off = 80, .len = 8, .more = true},
	 {.off = 0, .len = 80, .more = true},
	 NET_DROP_FRAG_OVERLAP},
};

Test(frag, overlap_ends_the_datagram_and_what_still_comes_of_it)
{
	for (size_t i = 0; i < RTE_DIM(contradiction); i++) {
		uint64_t before = dropped(contradiction[i].why);
		struct v4 a = contradiction[i].a, b = contradiction[i].b, c = contradiction[i].c;

		a.id = b.id = c.id = (uint16_t)(i + 1);
		cr_expect_null(v4_input(a), "%s", contradiction[i].name);
		cr_expect_null(v4_input(b), "%s", contradiction[i].name);
		cr_expect_eq(eal_out(pools.data), 0, "%s", contradiction[i].name);
		cr_expect_null(v4_input(c), "%s", contradiction[i].name);
		cr_expect_eq(dropped(contradiction[i].why), before + 3, "%s",
			     contradiction[i].name);
	}
}

Test(frag, identification_is_free_again_after_the_time_of_an_overlap)
{
	v4_input((struct v4){.off = 0, .len = 80, .more = true});
	v4_input((struct v4){.off = 40, .len = 80, .more = true});
	now += FRAG_TIME_US;
	net_timers(net, now);
	v4_input((struct v4){.off = 0, .len = 80, .more = true});
	expect_pattern(v4_input((struct v4){.off = 80, .len = 8}), 88);
}

Test(frag, exact_duplicates_are_dropped_and_the_datagram_is_whole)
{
	struct rte_mbuf *m;

	for (int i = 0; i < 3; i++)
		cr_expect_null(v4_input((struct v4){.off = 0, .len = 80, .more = true}));
	for (int i = 0; i < 2; i++)
		cr_expect_null(v4_input((struct v4){.off = 160, .len = 5}));
	m = v4_input((struct v4){.off = 80, .len = 80, .more = true});
	expect_pattern(m, 165);
	cr_expect_eq(dropped(NET_DROP_FRAG_DUPLICATE), 3);
}

/* --- limits ------------------------------------------------------------------------------ */

Test(frag, a_datagram_has_a_limit_of_pieces)
{
	for (uint32_t i = 0; i < FRAG_PIECES_MAX; i++)
		cr_expect_null(v4_input((struct v4){.off = 24 + i * 16, .len = 8, .more = true}));
	cr_expect_eq(eal_out(pools.data), FRAG_PIECES_MAX);
	cr_expect_null(v4_input((struct v4){.off = 8000, .len = 8, .more = true}));
	cr_expect_eq(dropped(NET_DROP_FRAG_PIECES), FRAG_PIECES_MAX + 1);
	cr_expect_eq(eal_out(pools.data), 0);
}

Test(frag, a_source_has_its_share_and_its_own_oldest_gives_way)
{
	v4_input((struct v4){.off = 0, .len = 40, .more = true, .src = 7});
	for (uint16_t id = 0; id < 1000; id++)
		v4_input((struct v4){.off = 0, .len = 40, .more = true, .id = id, .src = 66});
	cr_expect_eq(dropped(NET_DROP_FRAG_SOURCE), 1000 - FRAG_SOURCE_MAX);
	cr_expect_eq(eal_out(pools.data), FRAG_SOURCE_MAX + 1);
	cr_expect_null(v4_input((struct v4){.off = 40, .len = 8, .id = 0, .src = 66}));
	expect_pattern(v4_input((struct v4){.off = 40, .len = 8, .id = 999, .src = 66}), 48);
	expect_pattern(v4_input((struct v4){.off = 40, .len = 8, .src = 7}), 48);
}

/* From a source of its own: the fourth number of 10.x.y.z counts. */
static struct frag from(uint32_t source, uint32_t off, bool more)
{
	struct frag f = {
		.src = addr4(10, (uint8_t)(source >> 16), (uint8_t)(source >> 8), (uint8_t)source),
		.dst = addr4(198, 18, 0, 2),
		.off = off,
		.max = 65515,
		.proto = IPPROTO_TCP,
		.more = more};
	return f;
}

Test(frag, the_table_is_full_and_the_oldest_of_all_gives_way)
{
	struct frag f;

	for (uint32_t i = 0; i < FRAG_ENTRIES + 10; i++) {
		f = from(i, 0, true);
		cr_expect_null(frag_input(net, &f, payload(0, 40)));
	}
	cr_expect_eq(dropped(NET_DROP_FRAG_FULL), 10);
	f = from(9, 40, false);
	cr_expect_null(frag_input(net, &f, payload(40, 8)));
	f = from(200, 40, false);
	expect_pattern(frag_input(net, &f, payload(40, 8)), 48);
}

/* A 32nd of the pool may wait here. */
Test(frag, memory_is_bounded_whoever_sends)
{
	const uint32_t max = POOL / FRAG_POOL_PART;
	uint32_t n = test_long() ? 1000000 : 100000;
	struct rnd r = rnd_new(rnd_seed());

	for (uint32_t i = 0; i < n; i++) {
		struct frag f = from(rnd_below(&r, 300), 24 + 16 * rnd_below(&r, 4000), true);
		struct rte_mbuf *m = rte_pktmbuf_alloc(pools.data);

		cr_assert_not_null(m);
		rte_pktmbuf_append(m, 8);
		f.id = rnd_below(&r, 3);
		cr_assert_null(frag_input(net, &f, m));
		cr_assert_leq(eal_out(pools.data), max);
	}
	cr_expect_gt(dropped(NET_DROP_FRAG_FULL), 0);
}

Test(frag, an_unfinished_datagram_ends_in_time)
{
	v4_input((struct v4){.off = 0, .len = 40, .more = true});
	v4_input((struct v4){.off = 48, .len = 40, .more = true});
	cr_expect_leq(net_next_timer_us(net), now + FRAG_TIME_US);
	now += FRAG_TIME_US - 1;
	net_timers(net, now);
	cr_expect_eq(eal_out(pools.data), 2);
	now += 1;
	cr_expect_gt(net_timers(net, now), 0);
	cr_expect_eq(eal_out(pools.data), 0);
	cr_expect_eq(dropped(NET_DROP_FRAG_TIMEOUT), 2);
}

/* --- policy, IPv6 ------------------------------------------------------------------------ */

Test(frag, policy_drops_fragments_of_tcp_and_no_others)
{
	struct frag f = from(1, 0, true);

	net_free(net);
	start_with(true);
	cr_expect_null(v4_input((struct v4){.off = 0, .len = 40, .more = true}));
	cr_expect_null(v4_input((struct v4){.off = 40, .len = 8}));
	cr_expect_eq(dropped(NET_DROP_IP_FRAGMENT), 2);
	f.proto = IPPROTO_ICMP;
	cr_expect_null(frag_input(net, &f, payload(0, 40)));
	f.off = 40;
	f.more = false;
	expect_pattern(frag_input(net, &f, payload(40, 8)), 48);
}

static struct frag v6(uint32_t id, uint8_t last, uint32_t off, bool more)
{
	return (struct frag){
		.src = {.family = 6, .b = {0x20, 1, 0x0d, 0xb8, 0, 0, 0, 1, [15] = last}},
		.dst = {.family = 6, .b = {0x20, 1, 0x0d, 0xb8, [15] = 2}},
		.id = id,
		.off = off,
		.max = UINT16_MAX,
		.proto = IPPROTO_TCP,
		.more = more};
}

Test(frag, ipv6_takes_the_protocol_of_the_first_fragment)
{
	struct frag f = v6(70000, 1, 1000, false);

	f.proto = 59;
	cr_expect_null(frag_input(net, &f, payload(1000, 77)));
	f = v6(70000, 1, 0, true);
	expect_pattern(frag_input(net, &f, payload(0, 1000)), 1077);
	cr_expect_eq(f.proto, IPPROTO_TCP);
}

/* RFC 6946: it neither joins nor disturbs the datagram that has its identification. */
Test(frag, an_atomic_fragment_is_whole_on_its_own)
{
	struct frag f = v6(5, 1, 0, true);

	cr_expect_null(frag_input(net, &f, payload(0, 40)));
	f = v6(5, 1, 0, false);
	expect_pattern(frag_input(net, &f, payload(0, 33)), 33);
	f = v6(5, 1, 40, false);
	expect_pattern(frag_input(net, &f, payload(40, 8)), 48);
}

Test(frag, the_hosts_of_one_ipv6_network_share_their_part)
{
	for (uint8_t i = 0; i < 100; i++) {
		struct frag f = v6(i, i, 0, true);

		cr_expect_null(frag_input(net, &f, payload(0, 40)));
	}
	cr_expect_eq(eal_out(pools.data), FRAG_SOURCE_MAX);
}

/* --- generated --------------------------------------------------------------------------- */

#define CUTS 30

/* Pieces of one datagram, a few of them twice. */
static uint32_t cut_and_shuffle(struct rnd *r, struct frag *f, uint32_t *len, uint32_t *ret_total)
{
	uint32_t n = 2 + rnd_below(r, CUTS - 2), at = 0;

	for (uint32_t i = 0; i < n; i++) {
		bool more = i + 1 < n;

		f[i] = from(1, at, more);
		len[i] = 24 + rnd_below(r, 1800);
		len[i] = more ? len[i] & ~7u : len[i];
		at += len[i];
	}
	*ret_total = at;
	for (uint32_t i = n - 1; i > 0; i--) {
		uint32_t k = rnd_below(r, i + 1);

		RTE_SWAP(f[i], f[k]);
		RTE_SWAP(len[i], len[k]);
	}
	return n;
}

Test(frag, generated_datagrams_become_whole_once_in_any_order)
{
	struct rnd r = rnd_new(rnd_seed());
	uint32_t rounds = test_long() ? 100000 : 500, len[CUTS], total, dups = 0;
	struct frag f[CUTS];

	for (uint32_t round = 0; round < rounds; round++) {
		uint32_t n = cut_and_shuffle(&r, f, len, &total);
		struct rte_mbuf *m = NULL;

		for (uint32_t i = 0; i < n; i++) {
			struct frag again;

			f[i].id = round;
			cr_assert_null(m);
			m = frag_input(net, &f[i], payload(f[i].off, len[i]));
			if (i + 1 == n || rnd_below(&r, 4) != 0)
				continue;
			again = f[i];
			cr_assert_null(frag_input(net, &again, payload(again.off, len[i])));
			dups++;
		}
		expect_pattern(m, total);
	}
	cr_expect_eq(dropped(NET_DROP_FRAG_DUPLICATE), dups);
	cr_expect_eq(dropped(NET_DROP_FRAG_OVERLAP), 0);
}
