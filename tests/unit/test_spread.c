/* dataplane/spread: the hash, the key, the table, listeners that belong to a shard. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include <rte_common.h>

#include "dataplane/spread.h"
#include "tests/util/frame6.h"
#include "tests/util/rnd.h"

static struct spread sp;

/* Microsoft, "Verifying the RSS Hash Calculation": the key and what it gives. */
static const uint8_t known_key[SPREAD_KEY_LEN] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

static const struct {
	uint8_t dst[4];
	uint16_t dport;
	uint8_t src[4];
	uint16_t sport;
	uint32_t hash;
} known4[] = {
	{{161, 142, 100, 80}, 1766, {66, 9, 149, 187}, 2794, 0x51ccc178},
	{{65, 69, 140, 83}, 4739, {199, 92, 111, 2}, 14230, 0xc626b0ea},
	{{12, 22, 207, 184}, 38024, {24, 19, 198, 95}, 12898, 0x5c2b394a},
	{{209, 142, 163, 6}, 2217, {38, 27, 205, 30}, 48228, 0xafc7327f},
	{{202, 188, 127, 2}, 1303, {153, 39, 163, 191}, 44251, 0x10e828a2},
};

/* 3ffe:2501:200:3::1 and ::1fff::7; ff02::1 and 3ffe:501:8::260:97ff:fe40:efab; and so on. */
static const struct {
	uint8_t dst[16];
	uint16_t dport;
	uint8_t src[16];
	uint16_t sport;
	uint32_t hash;
} known6[] = {
	{{0x3f, 0xfe, 0x25, 0x01, 0x02, 0x00, 0x00, 0x03, [15] = 1},
	 1766,
	 {0x3f, 0xfe, 0x25, 0x01, 0x02, 0x00, 0x1f, 0xff, [15] = 7},
	 2794,
	 0x40207d3d},
	{{0xff, 0x02, [15] = 1},
	 4739,
	 {0x3f, 0xfe, 0x05, 0x01, 0x00, 0x08, 0, 0, 0x02, 0x60, 0x97, 0xff, 0xfe, 0x40, 0xef, 0xab},
	 14230,
	 0xdde51bbf},
	{{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x02, 0x00, 0xf8, 0xff, 0xfe, 0x21, 0x67, 0xcf},
	 38024,
	 {0x3f, 0xfe, 0x19, 0x00, 0x45, 0x45, 0x00, 0x03, 0x02, 0x00, 0xf8, 0xff, 0xfe, 0x21, 0x67,
	  0xcf},
	 44251,
	 0x02d1feef},
};

Test(spread, hash_is_the_one_of_the_rss_specification)
{
	cr_assert_eq(spread_init(&sp, 4, known_key), 0);
	for (size_t i = 0; i < RTE_DIM(known4); i++)
		cr_expect_eq(spread_hash4(&sp, known4[i].src, known4[i].dst, known4[i].sport,
					  known4[i].dport),
			     known4[i].hash, "IPv4, vector %zu", i);
	for (size_t i = 0; i < RTE_DIM(known6); i++)
		cr_expect_eq(spread_hash6(&sp, known6[i].src, known6[i].dst, known6[i].sport,
					  known6[i].dport),
			     known6[i].hash, "IPv6, vector %zu", i);
}

static struct net_addr random_addr(struct rnd *r, uint8_t family)
{
	struct net_addr a = {.family = family};

	rnd_fill(r, a.b, family == 4 ? 4 : 16);
	return a;
}

Test(spread, entry_is_the_end_of_the_hash)
{
	struct rnd r = rnd_new(rnd_seed());

	for (int i = 0; i < 4000; i++) {
		uint8_t family = i & 1 ? 4 : 6;
		struct net_addr a = random_addr(&r, family), b = random_addr(&r, family);
		uint16_t p = (uint16_t)rnd_u32(&r), q = (uint16_t)rnd_u32(&r);
		uint32_t hash;

		if (i % 500 == 0)
			cr_assert_eq(spread_init(&sp, 8, NULL), 0);
		hash = family == 4 ? spread_hash4(&sp, a.b, b.b, p, q)
				   : spread_hash6(&sp, a.b, b.b, p, q);
		cr_assert_eq(spread_entry(&sp, &a, &b, p, q), hash % SPREAD_ENTRIES);
		cr_assert_eq(spread_entry_dport(&sp, spread_entry(&sp, &a, &b, p, 0), family, q),
			     hash % SPREAD_ENTRIES);
	}
}

Test(spread, each_entry_has_as_many_ports_as_any_other)
{
	struct rnd r = rnd_new(rnd_seed());

	for (int i = 0; i < 8; i++) {
		uint8_t family = i & 1 ? 4 : 6;
		struct net_addr a = random_addr(&r, family), b = random_addr(&r, family);
		unsigned int local[SPREAD_ENTRIES] = {0}, peer[SPREAD_ENTRIES] = {0};

		cr_assert_eq(spread_init(&sp, 8, NULL), 0);
		for (unsigned int p = 0; p < 65536; p++) {
			local[spread_entry(&sp, &a, &b, 443, (uint16_t)p)]++;
			peer[spread_entry(&sp, &a, &b, (uint16_t)p, 22)]++;
		}
		for (unsigned int e = 0; e < SPREAD_ENTRIES; e++)
			cr_assert(local[e] == 65536 / SPREAD_ENTRIES &&
				  peer[e] == 65536 / SPREAD_ENTRIES);
	}
}

/* So a connect never has to look far for a port whose answers come home. */
Test(spread, each_run_of_ports_has_one_for_each_entry)
{
	struct rnd r = rnd_new(rnd_seed());

	for (int i = 0; i < 16; i++) {
		uint8_t family = i & 1 ? 4 : 6;
		struct net_addr a = random_addr(&r, family), b = random_addr(&r, family);

		cr_assert_eq(spread_init(&sp, 8, NULL), 0);
		for (unsigned int run = 0; run < 65536; run += SPREAD_ENTRIES) {
			bool seen[SPREAD_ENTRIES] = {0};

			for (unsigned int p = run; p < run + SPREAD_ENTRIES; p++)
				seen[spread_entry(&sp, &a, &b, 443, (uint16_t)p)] = true;
			for (unsigned int e = 0; e < SPREAD_ENTRIES; e++)
				cr_assert(seen[e], "ports from %u", run);
		}
	}
}

Test(spread, shards_share_the_table_evenly_and_the_first_has_entry_0)
{
	for (unsigned int n = 1; n <= SPREAD_SHARDS_MAX; n++) {
		unsigned int of[SPREAD_SHARDS_MAX] = {0};

		cr_assert_eq(spread_init(&sp, n, known_key), 0);
		cr_expect_eq(sp.shard[0], 0);
		for (unsigned int e = 0; e < SPREAD_ENTRIES; e++)
			of[sp.shard[e]]++;
		for (unsigned int s = 0; s < n; s++)
			cr_expect(of[s] == SPREAD_ENTRIES / n || of[s] == SPREAD_ENTRIES / n + 1,
				  "%u of %u", s, n);
	}
}

Test(spread, keys_of_two_starts_differ)
{
	struct spread other;

	cr_assert_eq(spread_init(&sp, 2, NULL), 0);
	cr_assert_eq(spread_init(&other, 2, NULL), 0);
	cr_expect_neq(memcmp(sp.key, other.key, sizeof(sp.key)), 0);
}

Test(spread, keys_that_reach_no_entry_or_few_are_refused)
{
	uint8_t key[SPREAD_KEY_LEN] = {0};

	cr_expect_eq(spread_init(&sp, 2, key), -EINVAL, "all zeros");
	memset(key, 0xff, sizeof(key));
	cr_expect_eq(spread_init(&sp, 2, key), -EINVAL, "all ones");
	memset(key, 0x55, sizeof(key));
	cr_expect_eq(spread_init(&sp, 2, key), -EINVAL, "two values");
	/* The places of IPv4's ports good, those of IPv6's not. */
	memcpy(key, known_key, sizeof(key));
	memset(key + 32, 0, 8);
	cr_expect_eq(spread_init(&sp, 2, key), -EINVAL, "IPv6 alone");
}

Test(spread, numbers_of_shards_that_are_not_possible_are_refused)
{
	cr_expect_eq(spread_init(&sp, 0, known_key), -EINVAL);
	cr_expect_eq(spread_init(&sp, SPREAD_SHARDS_MAX + 1, known_key), -EINVAL);
}

/* --- listeners -------------------------------------------------------------------------- */

static struct spread_steer st;

Test(steer, nearest_listener_is_found)
{
	const struct net_addr any = {0}, any4 = {.family = 4}, one = addr4(198, 18, 0, 2),
			      other = addr4(198, 18, 0, 3), six = addr6(1, 2);

	cr_assert_eq(spread_steer_add(&st, &any, 2222, 1), 0);
	cr_assert_eq(spread_steer_add(&st, &any4, 2222, 2), 0);
	cr_assert_eq(spread_steer_add(&st, &one, 2222, 3), 0);
	cr_expect_eq(spread_steer_find(&st, &one, 2222), 3);
	cr_expect_eq(spread_steer_find(&st, &other, 2222), 2);
	cr_expect_eq(spread_steer_find(&st, &six, 2222), 1);
	cr_expect_eq(spread_steer_find(&st, &one, 2222 + 4096), -ENOENT);
	cr_expect_eq(spread_steer_find(&st, &one, 22), -ENOENT);
}

Test(steer, one_place_has_one_shard)
{
	const struct net_addr one = addr4(198, 18, 0, 2), other = addr4(198, 18, 0, 3);

	cr_assert_eq(spread_steer_add(&st, &one, 2222, 1), 0);
	cr_expect_eq(spread_steer_add(&st, &one, 2222, 2), -EEXIST);
	cr_expect_eq(spread_steer_find(&st, &one, 2222), 1);
	cr_expect_eq(spread_steer_del(&st, &other, 2222), -ENOENT);
	cr_expect_eq(spread_steer_del(&st, &one, 2223), -ENOENT);
	cr_expect_eq(spread_steer_del(&st, &one, 2222), 0);
	cr_expect_eq(spread_steer_del(&st, &one, 2222), -ENOENT);
	cr_expect_eq(spread_steer_find(&st, &one, 2222), -ENOENT);
	cr_expect_eq(st.n, 0);
}

/* Against a plain array, over many changes. */
Test(steer, table_keeps_what_it_was_told_and_no_more)
{
	struct rnd r = rnd_new(rnd_seed());
	int model[1024], n = 0;

	memset(model, -1, sizeof(model));
	for (int i = 0; i < 20000; i++) {
		unsigned int k = rnd_below(&r, 1024);
		struct net_addr a = addr4(198, 18, 0, (uint8_t)(k & 3));
		uint16_t port = (uint16_t)(2000 + (k >> 2));
		uint8_t shard = (uint8_t)rnd_below(&r, 8);

		cr_assert_eq(spread_steer_find(&st, &a, port), model[k] < 0 ? -ENOENT : model[k]);
		if (rnd_below(&r, 100) < 60) {
			int want = model[k] >= 0 ? -EEXIST : n == SPREAD_STEER_MAX ? -ENOSPC : 0;

			cr_assert_eq(spread_steer_add(&st, &a, port, shard), want);
			if (want == 0) {
				model[k] = shard;
				n++;
			}
		} else {
			cr_assert_eq(spread_steer_del(&st, &a, port), model[k] < 0 ? -ENOENT : 0);
			n -= model[k] >= 0;
			model[k] = -1;
		}
		cr_assert_eq(st.n, (unsigned int)n);
	}
}

/* --- frames ----------------------------------------------------------------------------- */

struct frame {
	uint8_t b[512];
	uint32_t len;
	struct rte_mbuf m[2];
};

static const struct rte_ether_addr mac = {{2, 0, 0, 0, 0, 1}};

static void put(struct frame *f, const void *p, uint32_t n)
{
	memcpy(f->b + f->len, p, n);
	f->len += n;
}

static void put16(struct frame *f, uint16_t v)
{
	const uint8_t b[2] = {(uint8_t)(v >> 8), (uint8_t)v};

	put(f, b, 2);
}

static void ether(struct frame *f, uint16_t type)
{
	f->len = 0;
	put(f, &mac, 6);
	put(f, &mac, 6);
	put16(f, type);
}

static void ip4(struct frame *f, const struct net_addr *src, const struct net_addr *dst,
		uint8_t proto, uint8_t options, uint16_t fragment)
{
	const uint8_t head[4] = {(uint8_t)(0x45 + options), 0, 0, 60}, zeros[40] = {0};

	put(f, head, 4);
	put16(f, 1);
	put16(f, fragment);
	put(f, (uint8_t[4]){64, proto}, 4);
	put(f, src->b, 4);
	put(f, dst->b, 4);
	put(f, zeros, options * 4u);
}

static void ip6(struct frame *f, const struct net_addr *src, const struct net_addr *dst,
		uint8_t next)
{
	put(f, (uint8_t[8]){0x60, 0, 0, 0, 0, 60, next, 64}, 8);
	put(f, src->b, 16);
	put(f, dst->b, 16);
}

static void tcp(struct frame *f, uint16_t sport, uint16_t dport)
{
	put16(f, sport);
	put16(f, dport);
	put(f, (uint8_t[16]){0}, 16);
}

/* The frame as an mbuf, or as two of them cut at `cut`, each in memory of exactly its size. */
static struct spread_pkt read_cut(struct frame *f, uint32_t len, uint32_t cut)
{
	struct spread_pkt p = {.class = 99};
	uint8_t *first = malloc(cut + 1), *rest = malloc(len - cut + 1);

	memcpy(first, f->b, cut);
	memcpy(rest, f->b + cut, len - cut);
	f->m[0] = (struct rte_mbuf){.buf_addr = first,
				    .data_len = (uint16_t)cut,
				    .pkt_len = len,
				    .nb_segs = 2,
				    .next = &f->m[1]};
	f->m[1] = (struct rte_mbuf){.buf_addr = rest,
				    .data_len = (uint16_t)(len - cut),
				    .pkt_len = len - cut,
				    .nb_segs = 1};
	spread_read(&sp, f->m, &p);
	free(first);
	free(rest);
	return p;
}

static struct net_addr peer4, own4, peer6, own6;

static void start(void)
{
	cr_assert_eq(spread_init(&sp, 8, NULL), 0);
	peer4 = addr4(198, 18, 0, 1);
	own4 = addr4(198, 18, 0, 2);
	peer6 = addr6(1, 1);
	own6 = addr6(1, 2);
}

TestSuite(spread_read, .init = start);

/* However the frame is cut, and not a byte earlier than its ports are there. */
static void expect_flow(struct frame *f, enum spread_class class, const struct net_addr *src,
			const struct net_addr *dst, uint16_t sport, uint16_t dport, uint32_t least)
{
	for (uint32_t cut = 0; cut <= f->len; cut++) {
		struct spread_pkt p = read_cut(f, f->len, cut);

		cr_assert_eq(p.class, class, "cut at %u: class %u", cut, p.class);
		cr_assert_eq(p.entry, spread_entry(&sp, src, dst, sport, dport), "cut at %u", cut);
		cr_assert_eq(p.dport, dport);
		cr_assert(net_addr_eq(&p.dst, dst));
	}
	for (uint32_t len = 0; len < least; len++)
		cr_assert_eq(read_cut(f, len, len / 2).class, SPREAD_OTHER, "%u bytes of it", len);
}

Test(spread_read, tcp_over_ipv4_belongs_to_its_flow)
{
	struct frame f;

	ether(&f, RTE_ETHER_TYPE_IPV4);
	ip4(&f, &peer4, &own4, IPPROTO_TCP, 0, RTE_IPV4_HDR_DF_FLAG);
	tcp(&f, 443, 50000);
	expect_flow(&f, SPREAD_TCP, &peer4, &own4, 443, 50000, 14 + 20 + 4);
}

Test(spread_read, options_of_ipv4_are_passed_over)
{
	struct frame f;

	ether(&f, RTE_ETHER_TYPE_IPV4);
	ip4(&f, &peer4, &own4, IPPROTO_TCP, 10, 0);
	tcp(&f, 443, 50000);
	expect_flow(&f, SPREAD_TCP, &peer4, &own4, 443, 50000, 14 + 60 + 4);
}

Test(spread_read, tag_of_a_vlan_is_passed_over)
{
	struct frame f;

	ether(&f, RTE_ETHER_TYPE_VLAN);
	put16(&f, 7);
	put16(&f, RTE_ETHER_TYPE_IPV6);
	ip6(&f, &peer6, &own6, IPPROTO_TCP);
	tcp(&f, 443, 50000);
	expect_flow(&f, SPREAD_TCP, &peer6, &own6, 443, 50000, 18 + 40 + 4);
}

Test(spread_read, extension_headers_of_ipv6_are_passed_over)
{
	struct frame f;

	ether(&f, RTE_ETHER_TYPE_IPV6);
	ip6(&f, &peer6, &own6, IPPROTO_HOPOPTS);
	put(&f, (uint8_t[8]){IPPROTO_ROUTING, 0, 1, 4}, 8);
	put(&f, (uint8_t[16]){IPPROTO_DSTOPTS, 1}, 16);
	put(&f, (uint8_t[8]){IPPROTO_TCP, 0, 1, 4}, 8);
	tcp(&f, 443, 50000);
	expect_flow(&f, SPREAD_TCP, &peer6, &own6, 443, 50000, 14 + 40 + 32 + 4);
}

Test(spread_read, icmp_error_belongs_to_the_flow_it_quotes)
{
	static const uint8_t type[] = {3, 11, 12};
	struct net_addr router = addr4(192, 0, 2, 1);
	struct frame f;

	for (size_t i = 0; i < RTE_DIM(type); i++) {
		ether(&f, RTE_ETHER_TYPE_IPV4);
		ip4(&f, &router, &own4, IPPROTO_ICMP, 0, 0);
		put(&f, (uint8_t[8]){type[i], 1}, 8);
		ip4(&f, &own4, &peer4, IPPROTO_TCP, 2, RTE_IPV4_HDR_DF_FLAG);
		tcp(&f, 50000, 443);
		expect_flow(&f, SPREAD_ICMP_ERROR, &peer4, &own4, 443, 50000, 14 + 20 + 8 + 28 + 4);
	}
}

Test(spread_read, icmpv6_error_belongs_to_the_flow_it_quotes)
{
	struct net_addr router = addr6(9, 9);
	struct frame f;

	for (uint8_t type = 1; type <= 4; type++) {
		ether(&f, RTE_ETHER_TYPE_IPV6);
		ip6(&f, &router, &own6, IPPROTO_ICMPV6);
		put(&f, (uint8_t[8]){type, 0}, 8);
		ip6(&f, &own6, &peer6, IPPROTO_TCP);
		tcp(&f, 50000, 443);
		expect_flow(&f, SPREAD_ICMP_ERROR, &peer6, &own6, 443, 50000, 14 + 40 + 8 + 40 + 4);
	}
}

static void expect(struct frame *f, enum spread_class class, const char *what)
{
	for (uint32_t cut = 0; cut <= f->len; cut++)
		cr_assert_eq(read_cut(f, f->len, cut).class, class, "%s, cut at %u", what, cut);
}

Test(spread_read, fragments_are_for_who_puts_them_together)
{
	struct frame f;

	ether(&f, RTE_ETHER_TYPE_IPV4);
	ip4(&f, &peer4, &own4, IPPROTO_TCP, 0, RTE_IPV4_HDR_MF_FLAG);
	tcp(&f, 443, 50000);
	expect(&f, SPREAD_FRAGMENT, "the first of IPv4");
	ether(&f, RTE_ETHER_TYPE_IPV4);
	ip4(&f, &peer4, &own4, IPPROTO_ICMP, 0, 185);
	put(&f, (uint8_t[8]){3, 1}, 8);
	expect(&f, SPREAD_FRAGMENT, "the last of IPv4");
	ether(&f, RTE_ETHER_TYPE_IPV6);
	ip6(&f, &peer6, &own6, IPPROTO_FRAGMENT);
	put(&f, (uint8_t[8]){IPPROTO_TCP}, 8);
	tcp(&f, 443, 50000);
	expect(&f, SPREAD_FRAGMENT, "an atomic one of IPv6 (RFC 6946)");
}

Test(spread_read, what_is_of_no_flow_is_the_first_shards)
{
	struct frame f;

	ether(&f, RTE_ETHER_TYPE_ARP);
	put(&f, (uint8_t[28]){0}, 28);
	expect(&f, SPREAD_OTHER, "ARP");
	ether(&f, RTE_ETHER_TYPE_VLAN);
	put16(&f, 7);
	put16(&f, RTE_ETHER_TYPE_VLAN);
	put16(&f, 8);
	put16(&f, RTE_ETHER_TYPE_IPV4);
	ip4(&f, &peer4, &own4, IPPROTO_TCP, 0, 0);
	tcp(&f, 443, 50000);
	expect(&f, SPREAD_OTHER, "two tags");
	ether(&f, RTE_ETHER_TYPE_IPV4);
	ip4(&f, &peer4, &own4, IPPROTO_UDP, 0, 0);
	tcp(&f, 443, 50000);
	expect(&f, SPREAD_OTHER, "UDP");
	ether(&f, RTE_ETHER_TYPE_IPV4);
	ip4(&f, &peer4, &own4, IPPROTO_TCP, 0, 0);
	f.b[14] = 0x44;
	tcp(&f, 443, 50000);
	expect(&f, SPREAD_OTHER, "a header shorter than a header");
	ether(&f, RTE_ETHER_TYPE_IPV4);
	ip6(&f, &peer6, &own6, IPPROTO_TCP);
	tcp(&f, 443, 50000);
	expect(&f, SPREAD_OTHER, "IPv6 said to be IPv4");
	ether(&f, RTE_ETHER_TYPE_IPV6);
	ip4(&f, &peer4, &own4, IPPROTO_TCP, 10, 0);
	tcp(&f, 443, 50000);
	expect(&f, SPREAD_OTHER, "IPv4 said to be IPv6");
}

Test(spread_read, icmp_that_is_no_error_or_quotes_no_flow_is_the_first_shards)
{
	struct frame f;

	ether(&f, RTE_ETHER_TYPE_IPV4);
	ip4(&f, &peer4, &own4, IPPROTO_ICMP, 0, 0);
	put(&f, (uint8_t[8]){8}, 8);
	ip4(&f, &own4, &peer4, IPPROTO_TCP, 0, 0);
	tcp(&f, 50000, 443);
	expect(&f, SPREAD_OTHER, "echo");
	ether(&f, RTE_ETHER_TYPE_IPV4);
	ip4(&f, &peer4, &own4, IPPROTO_ICMP, 0, 0);
	put(&f, (uint8_t[8]){3, 1}, 8);
	ip4(&f, &own4, &peer4, IPPROTO_UDP, 0, 0);
	tcp(&f, 50000, 443);
	expect(&f, SPREAD_OTHER, "about UDP");
	ether(&f, RTE_ETHER_TYPE_IPV4);
	ip4(&f, &peer4, &own4, IPPROTO_ICMP, 0, 0);
	put(&f, (uint8_t[8]){3, 1}, 8);
	ip4(&f, &own4, &peer4, IPPROTO_TCP, 0, 100);
	tcp(&f, 50000, 443);
	expect(&f, SPREAD_OTHER, "about a later fragment");
	ether(&f, RTE_ETHER_TYPE_IPV6);
	ip6(&f, &peer6, &own6, IPPROTO_ICMPV6);
	put(&f, (uint8_t[8]){135}, 8);
	ip6(&f, &own6, &peer6, IPPROTO_TCP);
	tcp(&f, 50000, 443);
	expect(&f, SPREAD_OTHER, "neighbour solicitation");
}

Test(spread_read, chain_of_extension_headers_is_not_followed_for_ever)
{
	struct frame f;

	ether(&f, RTE_ETHER_TYPE_IPV6);
	ip6(&f, &peer6, &own6, IPPROTO_DSTOPTS);
	for (int i = 0; i < 40; i++)
		put(&f, (uint8_t[8]){IPPROTO_DSTOPTS}, 8);
	expect(&f, SPREAD_OTHER, "forty");
	ether(&f, RTE_ETHER_TYPE_IPV6);
	ip6(&f, &peer6, &own6, IPPROTO_DSTOPTS);
	put(&f, (uint8_t[8]){IPPROTO_TCP, 255}, 8);
	tcp(&f, 443, 50000);
	expect(&f, SPREAD_OTHER, "one past the end");
}

/* --- whose it is ------------------------------------------------------------------------ */

static struct rte_mbuf *whole(struct frame *f)
{
	f->m[0] = (struct rte_mbuf){
		.buf_addr = f->b, .data_len = (uint16_t)f->len, .pkt_len = f->len, .nb_segs = 1};
	return f->m;
}

Test(spread_read, owner_is_by_table_and_before_that_by_listener)
{
	unsigned int by_hash;
	struct rte_mbuf *m;
	struct frame f;
	uint8_t other;

	ether(&f, RTE_ETHER_TYPE_IPV4);
	ip4(&f, &peer4, &own4, IPPROTO_TCP, 0, 0);
	tcp(&f, 50000, 2222);
	m = whole(&f);
	by_hash = sp.shard[spread_entry(&sp, &peer4, &own4, 50000, 2222)];
	other = (uint8_t)((by_hash + 1) % 8);
	cr_expect_eq(spread_owner(&sp, NULL, m, false), by_hash);
	cr_expect_eq(spread_owner(&sp, &st, m, false), by_hash);
	cr_expect_eq(spread_owner_flow(&sp, &st, &peer4, &own4, 50000, 2222), by_hash);
	cr_assert_eq(spread_steer_add(&st, &own4, 2222, other), 0);
	cr_expect_eq(spread_owner(&sp, &st, m, false), other);
	cr_expect_eq(spread_owner_flow(&sp, &st, &peer4, &own4, 50000, 2222), other);
	cr_expect_eq(spread_owner_flow(&sp, &st, &peer4, &own4, 50000, 22),
		     sp.shard[spread_entry(&sp, &peer4, &own4, 50000, 22)]);
}

Test(spread_read, hash_of_the_port_is_taken_for_tcp_alone)
{
	unsigned int by_hash, other;
	struct rte_mbuf *m;
	struct frame f;

	ether(&f, RTE_ETHER_TYPE_IPV4);
	ip4(&f, &peer4, &own4, IPPROTO_TCP, 0, 0);
	tcp(&f, 50000, 22);
	m = whole(&f);
	by_hash = sp.shard[spread_entry(&sp, &peer4, &own4, 50000, 22)];
	other = (by_hash + 1) % 8;
	m->hash.rss = 0xabcd0000u + SPREAD_ENTRIES - 8 + other; /* entry 120 + other */
	m->packet_type = RTE_PTYPE_L2_ETHER | RTE_PTYPE_L3_IPV4 | RTE_PTYPE_L4_TCP;
	cr_expect_eq(spread_owner(&sp, NULL, m, true), by_hash, "the mbuf says it has none");
	m->ol_flags = RTE_MBUF_F_RX_RSS_HASH;
	cr_expect_eq(spread_owner(&sp, NULL, m, true), other);
	cr_expect_eq(spread_owner(&sp, NULL, m, false), by_hash, "not of our key");
	m->packet_type = RTE_PTYPE_L2_ETHER | RTE_PTYPE_L3_IPV4;
	cr_expect_eq(spread_owner(&sp, NULL, m, true), by_hash, "not known what it is of");
	m->packet_type |= RTE_PTYPE_L4_TCP | RTE_PTYPE_TUNNEL_IP;
	cr_expect_eq(spread_owner(&sp, NULL, m, true), by_hash, "of what is in a tunnel, perhaps");
	m->packet_type = RTE_PTYPE_L2_ETHER | RTE_PTYPE_L3_IPV4 | RTE_PTYPE_L4_FRAG;
	cr_expect_eq(spread_owner(&sp, NULL, m, true), by_hash, "of a fragment");
}
