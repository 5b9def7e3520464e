/* Sequence arithmetic, the keyed hash, ISNs (T-06), ports, checksums (T-01). */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include <rte_ip.h>

#include "dataplane/tcp/internal.h"
#include "dataplane/tcp/siphash.h"
#include "tests/util/eal.h"
#include "tests/util/rnd.h"

Test(tcp_seq, order_over_the_wrap)
{
	static const struct {
		uint32_t a, b;
		bool lt;
	} cases[] = {
		{0, 1, true},          {1, 0, false},          {5, 5, false},
		{0xffffffff, 0, true}, {0, 0xffffffff, false}, {0xfffffff0, 0x10, true},
		{0, 0x7fffffff, true}, {0x7fffffff, 0, false}, {0x80000001, 0, true},
	};

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		uint32_t a = cases[i].a, b = cases[i].b;

		cr_expect_eq(seq_lt(a, b), cases[i].lt, "%zu", i);
		cr_expect_eq(seq_ge(a, b), !cases[i].lt, "%zu", i);
		cr_expect_eq(seq_le(a, b), cases[i].lt || a == b, "%zu", i);
		cr_expect_eq(seq_gt(a, b), !(cases[i].lt || a == b), "%zu", i);
		cr_expect_eq(seq_max(a, b), cases[i].lt ? b : a);
		cr_expect_eq(seq_min(a, b), cases[i].lt ? a : b);
	}
}

/* Vectors of the reference: key 00 01 … 0f, input 00 01 … */
Test(tcp_seq, siphash_vectors)
{
	uint8_t key_b[16], in_b[16];
	uint64_t key[2], in[2];

	for (uint8_t i = 0; i < 16; i++)
		key_b[i] = in_b[i] = i;
	memcpy(key, key_b, 16);
	memcpy(in, in_b, 16);
	cr_expect_eq(siphash_words(key, in, 0), 0x726fdb47dd0e0e31);
	cr_expect_eq(siphash_words(key, in, 1), 0x93f5f5799a932462);
	cr_expect_eq(siphash_words(key, in, 2), 0x3f2acc7f57c29bdb);
	cr_expect_eq(siphash_table(key, in, 0), 0xabac0158050fc4dc);
}

static struct net_addr addr(uint8_t last)
{
	return (struct net_addr){.family = 4, .b = {10, 0, 0, last}};
}

static struct tcp_key key(uint8_t peer, uint16_t port)
{
	struct net_addr a = addr(1), b = addr(peer);
	struct tcp_key k;

	tcp_key_make(&a, 22, &b, port, &k);
	return k;
}

Test(tcp_seq, isn_is_monotone_for_a_tuple)
{
	struct tcp t = {.conf.secret = {1, 2}};
	struct tcp_key k = key(2, 1000);
	uint32_t last = tcp_iss(&t, &k, 0);

	/* Over a wrap of the clock too: 2^32 times 4 us are 4.8 hours. */
	for (uint64_t now = 1000; now < UINT64_C(20000) * 1000000; now += 1000 * 1000000) {
		uint32_t iss = tcp_iss(&t, &k, now);

		cr_expect(seq_gt(iss, last));
		last = iss;
	}
}

Test(tcp_seq, isn_depends_on_tuple_and_secret)
{
	struct tcp t = {.conf.secret = {1, 2}}, u = {.conf.secret = {1, 3}};
	struct tcp_key a = key(2, 1000), b = key(2, 1001), c = key(3, 1000);

	cr_expect_neq(tcp_iss(&t, &a, 0), tcp_iss(&t, &b, 0));
	cr_expect_neq(tcp_iss(&t, &a, 0), tcp_iss(&t, &c, 0));
	cr_expect_neq(tcp_iss(&t, &a, 0), tcp_iss(&u, &a, 0));
}

/* T-06 at size: each bit of the steps between ISNs is set half of the time, within six deviations.
 */
Test(tcp_seq, isns_of_a_million_tuples_are_spread)
{
	struct tcp t = {.conf.secret = {3, 4}};
	uint32_t n = test_long() ? 1000000 : 100000, bits[32] = {0}, last = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct tcp_key k = key((uint8_t)(i >> 16), (uint16_t)i);
		uint32_t iss = tcp_iss(&t, &k, 0), step = iss - last;

		for (int b = 0; b < 32; b++)
			bits[b] += step >> b & 1;
		last = iss;
	}
	for (int b = 0; b < 32; b++)
		cr_expect_lt(fabs(2.0 * bits[b] - n), 6 * sqrt(n), "bit %d: %u", b, bits[b]);
}

/* T-41: who knows the secret can fill one bucket; with another it is spread like any. */
Test(tcp_seq, tuples_that_collide_without_a_key_do_not_with_one)
{
	struct tcp known = {.conf.secret = {0, 0}}, t = {.conf.secret = {5, 6}};
	uint32_t want = test_long() ? 100000 : 2000, found = 0, most = 0;
	static uint32_t bucket[256];

	for (uint64_t i = 0; found < want; i++) {
		struct tcp_key k = {.local = {1}, .peer = {i >> 16}, .family = 4};

		k.ports = 22 << 16 | (i & 0xffff);
		if ((tcp_key_hash(&known, &k) & 0xff) != 0)
			continue;
		found++;
		most = RTE_MAX(most, ++bucket[tcp_key_hash(&t, &k) & 0xff]);
	}
	cr_expect_lt(most, want / 256.0 + 6 * sqrt(want / 256.0) + 8, "%u of %u in one", most,
		     want);
}

/* Increments between neighbouring ports tell nothing: few of them meet. */
Test(tcp_seq, isn_increments_are_not_predictable)
{
	struct tcp t = {.conf.secret = {1, 2}};
	static uint32_t seen[1 << 16];
	unsigned int same = 0;
	uint32_t last = 0;

	for (uint32_t i = 1; i < 60000; i++) {
		struct tcp_key k = key(2, (uint16_t)i);
		uint32_t iss = tcp_iss(&t, &k, i), step = iss - last;

		last = iss;
		same += seen[step >> 16 & 0xffff] == step;
		seen[step >> 16 & 0xffff] = step;
	}
	cr_expect_leq(same, 5);
}

/* T-41: 2^16 tuples spread over 2^10 buckets; another secret spreads them otherwise. */
Test(tcp_seq, the_table_hash_is_keyed_and_even)
{
	struct tcp t = {.conf.secret = {1, 2}}, u = {.conf.secret = {3, 4}};
	static unsigned int n[1024];
	unsigned int moved = 0;

	for (uint32_t i = 0; i < 65536; i++) {
		struct tcp_key k = key(2, (uint16_t)i);
		uint64_t h = tcp_key_hash(&t, &k);

		n[h & 1023]++;
		moved += (h & 1023) != (tcp_key_hash(&u, &k) & 1023);
	}
	for (unsigned int i = 0; i < 1024; i++)
		cr_expect(n[i] > 20 && n[i] < 120, "%u in bucket %u", n[i], i);
	cr_expect_gt(moved, 65000);
}

/* --- checksums ------------------------------------------------------------------------ */

static struct pkt_pools pools;

static void start(void)
{
	eal_start("64");
	cr_assert_eq(pkt_pools_new("s", 63, 63, SOCKET_ID_ANY, &pools), 0);
}

TestSuite(tcp_cksum, .init = start);

static struct rte_mbuf *segment(unsigned int first, unsigned int total, uint16_t *cksum_at)
{
	struct rte_ipv4_hdr ip = {.version_ihl = 0x45, .next_proto_id = 6};
	uint8_t b[1500] = {0};
	struct rte_mbuf *m = rte_pktmbuf_alloc(pools.data);
	struct net_addr src = addr(1), dst = addr(2);

	for (unsigned int i = 0; i < total; i++)
		b[i] = (uint8_t)(i * 31 + 7);
	b[16] = b[17] = 0;
	ip.total_length = rte_cpu_to_be_16((uint16_t)(20 + total));
	memcpy(&ip.src_addr, src.b, 4);
	memcpy(&ip.dst_addr, dst.b, 4);
	*cksum_at = rte_ipv4_udptcp_cksum(&ip, b);
	memcpy(b + 16, cksum_at, 2);
	memcpy(rte_pktmbuf_append(m, (uint16_t)first), b, first);
	if (first < total) {
		struct rte_mbuf *rest = rte_pktmbuf_alloc(pools.data);

		memcpy(rte_pktmbuf_append(rest, (uint16_t)(total - first)), b + first,
		       total - first);
		rte_pktmbuf_chain(m, rest);
	}
	return m;
}

Test(tcp_cksum, right_ones_over_mbufs_of_any_length)
{
	struct net_addr src = addr(1), dst = addr(2);

	for (unsigned int total = 20; total < 80; total++)
		for (unsigned int first = 18; first <= total; first++) {
			uint16_t sum;
			struct rte_mbuf *m = segment(first, total, &sum);

			cr_expect(tcp_checksum_ok(m, &src, &dst), "%u of %u", first, total);
			rte_pktmbuf_free(m);
		}
}

Test(tcp_cksum, wrong_ones_are_seen)
{
	struct net_addr src = addr(1), dst = addr(2), other = addr(3);
	uint16_t sum, zero = 0, pseudo;
	struct rte_mbuf *m = segment(40, 60, &sum);
	uint8_t *b = rte_pktmbuf_mtod(m, uint8_t *);

	cr_expect_not(tcp_checksum_ok(m, &src, &other), "another address");
	memcpy(b + 16, &zero, 2);
	cr_expect_not(tcp_checksum_ok(m, &src, &dst), "zero");
	pseudo = (uint16_t)~sum;
	memcpy(b + 16, &pseudo, 2);
	cr_expect_not(tcp_checksum_ok(m, &src, &dst), "the complement");
	memcpy(b + 16, &sum, 2);
	for (unsigned int i = 0; i < 40; i++) {
		b[i] ^= 0x40;
		cr_expect_not(tcp_checksum_ok(m, &src, &dst), "byte %u", i);
		b[i] ^= 0x40;
	}
	rte_pktmbuf_free(m);
}
