/* dataplane/pkt.c: chains, cuts, ownership; the pools are full again at the end of each test. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "dataplane/pkt.h"
#include "tests/util/eal.h"

static struct pkt_pools pools;
static uint8_t pattern[16384];

static void start(void)
{
	eal_start("64");
	cr_assert_eq(pkt_pools_new("t", 63, 63, SOCKET_ID_ANY, &pools), 0);
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i * 7 + (i >> 8));
}

static void end(void)
{
	cr_expect_eq(eal_out(pools.data), 0);
	cr_expect_eq(eal_out(pools.head), 0);
}

TestSuite(pkt, .init = start, .fini = end);

/* A chain of mbufs with the given lengths, filled with the pattern. */
static struct pkt_chain chain_of(const uint16_t *len, unsigned int n)
{
	struct pkt_chain c = {0};
	uint32_t off = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pools.data);

		memcpy(rte_pktmbuf_append(m, len[i]), pattern + off, len[i]);
		off += len[i];
		pkt_chain_append(&c, m);
	}
	return c;
}

/* The chain is whole: its counts match its mbufs and its bytes are the pattern's from off. */
static void check(const struct pkt_chain *c, uint32_t off)
{
	uint32_t len = 0, segs = 0;
	const struct rte_mbuf *last = NULL;

	for (const struct rte_mbuf *m = c->head; m != NULL; m = m->next) {
		cr_expect_gt(m->data_len, 0);
		cr_expect_eq(memcmp(rte_pktmbuf_mtod(m, void *), pattern + off + len, m->data_len),
			     0);
		len += m->data_len;
		segs++;
		last = m;
	}
	cr_expect_eq(c->len, len);
	cr_expect_eq(c->segs, segs);
	cr_expect_eq(c->tail, last);
}

static struct rte_mbuf *indirect_to(struct rte_mbuf *m)
{
	struct rte_mbuf *i = rte_pktmbuf_alloc(pools.head);

	rte_pktmbuf_attach(i, m);
	return i;
}

Test(pkt, empty_mbufs_never_stand_in_a_chain)
{
	struct pkt_chain c = chain_of((uint16_t[]){0, 10, 0, 20, 0}, 5);

	cr_expect_eq(c.segs, 2);
	check(&c, 0);
	pkt_chain_free(&c);
}

Test(pkt, a_packet_of_several_segments_is_appended_whole)
{
	struct pkt_chain c = {0};
	struct rte_mbuf *a = rte_pktmbuf_alloc(pools.data), *b = rte_pktmbuf_alloc(pools.data);

	memcpy(rte_pktmbuf_append(a, 100), pattern, 100);
	memcpy(rte_pktmbuf_append(b, 50), pattern + 100, 50);
	cr_assert_eq(rte_pktmbuf_chain(a, b), 0);
	pkt_chain_append(&c, a);
	cr_expect_eq(c.segs, 2);
	check(&c, 0);
	pkt_chain_free(&c);
}

Test(pkt, split_at_every_place)
{
	for (uint32_t n = 0; n <= 60; n++) {
		struct pkt_chain a = chain_of((uint16_t[]){30, 1, 29}, 3), b = {0};

		cr_assert_eq(pkt_chain_split(&a, n, &b, pools.data), 0);
		cr_expect_eq(b.len, n);
		cr_expect_eq(a.len, 60 - n);
		check(&b, 0);
		check(&a, n);
		pkt_chain_join(&b, &a);
		cr_expect_null(a.head);
		check(&b, 0);
		pkt_chain_free(&b);
	}
}

Test(pkt, split_copies_the_smaller_side_only)
{
	struct pkt_chain a = chain_of((uint16_t[]){1000}, 1), b = {0};
	struct rte_mbuf *m = a.head;

	cr_assert_eq(pkt_chain_split(&a, 10, &b, pools.data), 0);
	cr_expect_eq(a.head, m, "the larger side stays where it lies");
	pkt_chain_free(&b);
	cr_assert_eq(pkt_chain_split(&a, 980, &b, pools.data), 0);
	cr_expect_eq(b.head, m);
	check(&b, 10);
	check(&a, 990);
	pkt_chain_free(&a);
	pkt_chain_free(&b);
}

Test(pkt, split_leaves_shared_bytes_alone)
{
	struct pkt_chain a = chain_of((uint16_t[]){1000}, 1), b = {0};
	struct rte_mbuf *i = indirect_to(a.head);

	cr_assert_eq(pkt_chain_split(&a, 10, &b, pools.data), 0);
	check(&b, 0);
	check(&a, 10);
	cr_expect_eq(i->data_len, 1000);
	cr_expect_eq(memcmp(rte_pktmbuf_mtod(i, void *), pattern, 1000), 0);
	pkt_chain_free(&a);
	pkt_chain_free(&b);
	rte_pktmbuf_free(i);
}

Test(pkt, split_with_an_empty_pool_changes_nothing)
{
	struct pkt_chain a = chain_of((uint16_t[]){30, 30, 30}, 3), b = {0};
	struct rte_mbuf *held[63];
	unsigned int n = 0;

	while ((held[n] = rte_pktmbuf_alloc(pools.data)) != NULL)
		n++;
	cr_expect_eq(pkt_chain_split(&a, 45, &b, pools.data), -ENOMEM);
	cr_expect_null(b.head);
	cr_expect_eq(a.len, 90);
	check(&a, 0);
	cr_expect_eq(pkt_chain_split(&a, 60, &b, pools.data), 0, "at a seam nothing is needed");
	pkt_chain_free(&a);
	pkt_chain_free(&b);
	while (n > 0)
		rte_pktmbuf_free(held[--n]);
}

Test(pkt, trims_at_both_ends)
{
	for (uint32_t n = 0; n <= 60; n++) {
		struct pkt_chain a = chain_of((uint16_t[]){30, 1, 29}, 3);
		struct pkt_chain b = chain_of((uint16_t[]){30, 1, 29}, 3);

		pkt_chain_trim_head(&a, n);
		check(&a, n);
		cr_expect_eq(a.len, 60 - n);
		pkt_chain_trim_tail(&b, n);
		check(&b, 0);
		cr_expect_eq(b.len, 60 - n);
		pkt_chain_free(&a);
		pkt_chain_free(&b);
	}
}

Test(pkt, read_refuses_what_is_not_there)
{
	struct pkt_chain a = chain_of((uint16_t[]){30, 1, 29}, 3);
	uint8_t buf[61];
	static const struct {
		uint32_t off, n;
		bool ok;
	} cases[] = {{0, 60, true},          {29, 3, true},         {60, 0, true},
		     {0, 61, false},         {60, 1, false},        {61, 0, false},
		     {UINT32_MAX, 2, false}, {1, UINT32_MAX, false}};

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		cr_expect_eq(pkt_chain_read(&a, cases[i].off, buf, cases[i].n), cases[i].ok);
		if (cases[i].ok)
			cr_expect_eq(memcmp(buf, pattern + cases[i].off, cases[i].n), 0);
	}
	pkt_chain_free(&a);
}

Test(pkt, from_spans_buffers)
{
	struct pkt_chain a;

	cr_assert_eq(pkt_chain_from(pattern, sizeof(pattern), pools.data, &a), 0);
	cr_expect_eq(a.len, sizeof(pattern));
	check(&a, 0);
	pkt_chain_free(&a);
}

Test(pkt, from_with_too_small_a_pool_takes_nothing)
{
	static uint8_t big[64 * PKT_DATA_ROOM];
	struct pkt_chain a = {0};

	cr_expect_eq(pkt_chain_from(big, sizeof(big), pools.data, &a), -ENOMEM);
	cr_expect_eq(eal_out(pools.data), 0);
}

Test(pkt, own_copies_what_others_see_and_nothing_else)
{
	struct pkt_chain a = chain_of((uint16_t[]){100, 200}, 2);
	struct pkt_chain c = {0};
	struct rte_mbuf *second = a.head->next, *i = indirect_to(a.head);

	cr_assert_eq(pkt_chain_own(&a, pools.data), 0);
	check(&a, 0);
	cr_expect(pkt_writable(a.head));
	cr_expect_eq(a.tail, second);

	pkt_chain_append(&c, i); /* indirect: its bytes are not its own */
	cr_assert_eq(pkt_chain_own(&c, pools.data), 0);
	cr_expect(pkt_writable(c.head));
	check(&c, 0);
	pkt_chain_free(&a);
	pkt_chain_free(&c);
}

Test(pkt, compact_gathers_small_ones)
{
	uint16_t len[40];
	struct pkt_chain a;

	for (unsigned int i = 0; i < RTE_DIM(len); i++)
		len[i] = 100;
	a = chain_of(len, RTE_DIM(len));
	pkt_chain_compact(&a, pools.data);
	cr_expect_eq(a.len, 4000);
	cr_expect_leq(a.segs, 3);
	check(&a, 0);
	pkt_chain_free(&a);
}

Test(pkt, compact_gathers_indirect_ones)
{
	struct pkt_chain a = {0};

	for (uint32_t i = 0; i < 20; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pools.data);

		memcpy(rte_pktmbuf_append(m, 50), pattern + 50 * i, 50);
		pkt_chain_append(&a, indirect_to(m));
		rte_pktmbuf_free(m);
	}
	pkt_chain_compact(&a, pools.data);
	cr_expect_eq(a.segs, 1);
	cr_expect_lt(pkt_chain_cost(&a), 2 * (PKT_DATA_ROOM + 512));
	check(&a, 0);
	pkt_chain_free(&a);
}

Test(pkt, compact_leaves_full_ones)
{
	struct pkt_chain a = chain_of((uint16_t[]){1448, 1448, 1448}, 3);
	struct rte_mbuf *head = a.head;

	pkt_chain_compact(&a, pools.data);
	cr_expect_eq(a.head, head);
	cr_expect_eq(a.segs, 3);
	check(&a, 0);
	pkt_chain_free(&a);
}

Test(pkt, compact_with_an_empty_pool_keeps_every_byte)
{
	struct pkt_chain a = {0};
	struct rte_mbuf *held[63];
	unsigned int n = 0;

	for (uint32_t i = 0; i < 3; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pools.data);

		memcpy(rte_pktmbuf_append(m, 50), pattern + 50 * i, 50);
		pkt_chain_append(&a, indirect_to(m));
		rte_pktmbuf_free(m);
	}
	while ((held[n] = rte_pktmbuf_alloc(pools.data)) != NULL)
		n++;
	pkt_chain_compact(&a, pools.data);
	check(&a, 0);
	cr_expect_eq(a.len, 150);
	pkt_chain_free(&a);
	while (n > 0)
		rte_pktmbuf_free(held[--n]);
}

Test(pkt, a_pool_that_cannot_be_had_is_refused)
{
	struct pkt_pools p;

	cr_expect_eq(pkt_pools_new("big", 1 << 20, 64, SOCKET_ID_ANY, &p), -ENOMEM);
	cr_expect_eq(
		pkt_pools_new("a_name_that_is_far_too_long_for_a_pool", 63, 63, SOCKET_ID_ANY, &p),
		-ENAMETOOLONG);
}

/* RFC 1071, a byte at a time. */
static uint16_t cksum_of(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (sum > UINT16_MAX)
		sum = (sum & UINT16_MAX) + (sum >> 16);
	return __builtin_bswap16((uint16_t)sum);
}

static const uint16_t cuts[][4] = {
	{1, 0},       {2, 0},         {31, 0},          {1448, 0},
	{33, 1448},   {1447, 1, 1},   {5, 700, 3, 740}, {2047, 2047, 2047, 2047},
	{1, 1, 1, 1}, {20, 13, 1415}, {32, 1001, 447},  {64, 64, 64, 63},
};

Test(pkt, checksum_does_not_depend_on_where_a_packet_is_cut)
{
	for (size_t i = 0; i < RTE_DIM(cuts); i++) {
		unsigned int n = 0;
		struct pkt_chain a;

		while (n < 4 && cuts[i][n] != 0)
			n++;
		a = chain_of(cuts[i], n);
		cr_expect_eq(pkt_raw_cksum(a.head), cksum_of(pattern, a.len), "case %zu", i);
		pkt_chain_free(&a);
	}
}

Test(pkt, checksum_of_all_ones_carries_everywhere)
{
	const uint16_t len[] = {2047, 2047, 2047, 2047};
	struct pkt_chain a;

	memset(pattern, 0xff, sizeof(pattern));
	a = chain_of(len, 4);
	cr_expect_eq(pkt_raw_cksum(a.head), 0xffff);
	pkt_chain_free(&a);
}

/* --- wide ones ------------------------------------------------------------------------ */

#define WIDE 31

static void start_wide(void)
{
	start();
	cr_assert_eq(pkt_pools_widen(&pools, "t", WIDE, 0, false, SOCKET_ID_ANY), 0);
}

static void end_wide(void)
{
	end();
	cr_expect_eq(eal_out(pools.wide), 0);
}

TestSuite(pkt_wide, .init = start_wide, .fini = end_wide);

/* A wide mbuf with n bytes of the pattern from off. */
static struct rte_mbuf *wide_of(uint32_t off, uint16_t n)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pools.wide);

	memcpy(rte_pktmbuf_append(m, n), pattern + off, n);
	return m;
}

static bool is_whole(const struct pkt_chain *c)
{
	const struct rte_mbuf *m = c->head;

	while (m != NULL && pkt_writable(m))
		m = m->next;
	return m == NULL;
}

Test(pkt_wide, a_cut_leaves_both_sides_whole)
{
	static const uint16_t at[] = {1, 2047, 2048, 2049, 4500, 4501, 6000, 6953, 8999};

	for (unsigned int i = 0; i < RTE_DIM(at); i++) {
		struct pkt_chain a = {0}, b = {0};

		pkt_chain_append(&a, wide_of(0, 9000));
		cr_assert_eq(pkt_chain_split(&a, at[i], &b, pools.data), 0);
		cr_expect_eq(b.len, at[i]);
		check(&b, 0);
		check(&a, at[i]);
		cr_expect(is_whole(&a) && is_whole(&b), "cut at %u", at[i]);
		pkt_chain_free(&a);
		pkt_chain_free(&b);
	}
}

/* Of one that is shared both sides are copied: three buffers and two, or nothing is changed. */
Test(pkt_wide, a_cut_without_buffers_changes_nothing)
{
	struct rte_mbuf *m = wide_of(0, 9000), *held[63];
	struct pkt_chain a = {0}, b = {0};

	cr_assert_eq(rte_pktmbuf_alloc_bulk(pools.data, held, 60), 0);
	rte_mbuf_refcnt_update(m, 1);
	pkt_chain_append(&a, m);
	cr_expect_eq(pkt_chain_split(&a, 5000, &b, pools.data), -ENOMEM);
	cr_expect_eq(a.len, 9000);
	cr_expect_eq(a.head, m);
	cr_expect_eq(b.len, 0);
	check(&a, 0);
	rte_pktmbuf_free_bulk(held, 60);
	pkt_chain_free(&a);
	rte_pktmbuf_free(m);
}

Test(pkt_wide, what_others_see_is_copied_to_smaller_ones)
{
	struct rte_mbuf *m = wide_of(0, 9000);
	struct pkt_chain a = {0};

	pkt_chain_append(&a, indirect_to(m));
	rte_pktmbuf_free(m);
	cr_assert_eq(pkt_chain_own(&a, pools.data), 0);
	cr_expect(is_whole(&a));
	cr_expect_eq(a.segs, 5);
	cr_expect_eq(eal_out(pools.wide), 0);
	check(&a, 0);
	pkt_chain_free(&a);
}

/* Six full segments of an Ethernet without jumbo frames are one buffer; those of half a jumbo not.
 */
Test(pkt_wide, what_fills_little_of_one_goes_behind_the_last)
{
	static const struct {
		uint16_t len;
		uint32_t n, segs;
	} cases[] = {{1, 31, 1},   {536, 17, 1}, {1448, 6, 1},
		     {2303, 4, 1}, {2304, 4, 4}, {4000, 4, 4}};

	for (unsigned int i = 0; i < RTE_DIM(cases); i++) {
		struct pkt_chain a = {0};

		for (uint32_t k = 0; k < cases[i].n; k++)
			pkt_chain_append_tight(&a, wide_of(k * cases[i].len, cases[i].len));
		cr_expect_eq(a.segs, cases[i].segs, "%u of %u: %u", cases[i].n, cases[i].len,
			     a.segs);
		check(&a, 0);
		pkt_chain_free(&a);
	}
}

Test(pkt_wide, compact_gives_back_what_a_smaller_one_can_hold)
{
	static const struct {
		uint16_t len;
		bool stays;
	} cases[] = {{1, false}, {1448, false}, {2048, false}, {2049, true}, {9000, true}};

	for (unsigned int i = 0; i < RTE_DIM(cases); i++) {
		struct pkt_chain a = {0};

		pkt_chain_append(&a, wide_of(0, cases[i].len));
		pkt_chain_compact(&a, pools.data);
		cr_expect_eq(pkt_is_wide(a.head), cases[i].stays, "%u", cases[i].len);
		check(&a, 0);
		pkt_chain_free(&a);
	}
}

/* Marks are parts of the number of data mbufs: whichever is shorter says how short they are. */
Test(pkt_wide, what_is_left_is_the_scarcer_of_both)
{
	struct rte_mbuf *wide[WIDE], *data[63];

	cr_expect_eq(pkt_pools_left(&pools), 63);
	cr_assert_eq(rte_pktmbuf_alloc_bulk(pools.wide, wide, WIDE), 0);
	cr_expect_eq(pkt_pools_left(&pools), 0);
	rte_pktmbuf_free_bulk(wide + 15, WIDE - 15);
	cr_expect_eq(pkt_pools_left(&pools), 16 * 63 / WIDE);
	cr_assert_eq(rte_pktmbuf_alloc_bulk(pools.data, data, 43), 0);
	cr_expect_eq(pkt_pools_left(&pools), 20);
	rte_pktmbuf_free_bulk(wide, 15);
	cr_expect_eq(pkt_pools_left(&pools), 20);
	rte_pktmbuf_free_bulk(data, 43);
	cr_expect_eq(pkt_pools_left(&pools), 63);
}

Test(pkt_wide, only_jumbo_ports_receive_into_them)
{
	struct pkt_pools none = {.data = pools.data, .head = pools.head};

	cr_expect_eq(pkt_pool_rx(&pools, 1500), pools.data);
	cr_expect_eq(pkt_pool_rx(&pools, 4000), pools.data);
	cr_expect_eq(pkt_pool_rx(&pools, 9000), pools.wide);
	cr_expect_eq(pkt_pool_rx(&none, 9000), pools.data);
	cr_expect_eq(pkt_pools_room(&none), 63 * PKT_DATA_ROOM);
	cr_expect_eq(pkt_pools_room(&pools), 63 * PKT_DATA_ROOM + WIDE * PKT_WIDE_ROOM);
}
