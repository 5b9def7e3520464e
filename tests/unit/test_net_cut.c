/*
 * dataplane/net/cut.c: what leaves for a super-segment is, byte by byte, what each of its segments
 * would have been by itself; with any cut of the text over mbufs, ours alone or somebody's too, and
 * with no mbuf to be had.
 */
#include <criterion/criterion.h>

#include <rte_tcp.h>

#include "dataplane/net/cut.h"
#include "tests/util/eal.h"
#include "tests/util/frame6.h"
#include "tests/util/rnd.h"

#define TEXT_MAX 65536
#define FRAME    (14 + 4 + 40 + 60)
#define ALL      0xff /* every flag, CWR, PSH and FIN among them */

static struct pkt_pools pools;
static uint8_t text[TEXT_MAX];

static void start(void)
{
	struct rnd r = rnd_new(rnd_seed());

	eal_start("64");
	cr_assert_eq(pkt_pools_new("t", 2047, 1023, SOCKET_ID_ANY, &pools), 0);
	rnd_fill(&r, text, sizeof(text));
}

static void end(void)
{
	cr_expect_eq(eal_out(pools.data), 0);
	cr_expect_eq(eal_out(pools.head), 0);
	pkt_pools_free(&pools);
}

TestSuite(cut, .init = start, .fini = end);

struct shape {
	uint8_t family, flags;
	uint16_t l2, opts; /* bytes of TCP options */
	uint32_t len, segsz;
	uint32_t seq;
	/* Text lies in pieces of first, then of then bytes; 0: of any size. */
	uint32_t first, then;
	/* What stands before the text of an mbuf that is there itself; 0: indirect ones, or, of any
	 * size, either. */
	uint16_t head_room;
};

/* The text as it was made: its pieces, and who keeps the mbufs as TCP does. */
static uint32_t piece[TEXT_MAX];
static bool direct[TEXT_MAX];
static struct rte_mbuf *kept[TEXT_MAX];
static unsigned int pieces;

/* Where segment i ends, by the words of cut.h. */
static uint32_t seam_or_size(const struct shape *s, uint32_t off)
{
	bool whole = false;
	uint32_t end = 0;

	for (unsigned int k = 0; k < pieces; k++) {
		if (end == off)
			whole = direct[k];
		if (whole && end > off && end + piece[k] > off + s->segsz &&
		    (end - off) * 4 >= s->segsz * 4 - s->segsz / 4 * 4)
			return end;
		end += piece[k];
		if (end >= off + s->segsz)
			return off + s->segsz;
	}
	return end;
}

static uint16_t l3_of(const struct shape *s)
{
	return s->family == 4 ? 20 : 40;
}

/* The headers of a packet with n bytes of text; 0 in every checksum. Their length. */
static uint16_t headers(const struct shape *s, uint8_t *b, uint32_t seq, uint8_t flags, uint32_t n)
{
	struct rte_ipv4_hdr ip = {.version_ihl = 0x45,
				  .type_of_service = 2,
				  .fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG),
				  .time_to_live = 64,
				  .next_proto_id = 6,
				  .src_addr = be4(198, 18, 0, 1),
				  .dst_addr = be4(198, 19, 255, 254)};
	struct rte_ipv6_hdr ip6 = {.vtc_flow = RTE_BE32(6u << 28), .proto = 6, .hop_limits = 64};
	struct rte_tcp_hdr tcp = {.src_port = RTE_BE16(22),
				  .dst_port = RTE_BE16(54321),
				  .sent_seq = rte_cpu_to_be_32(seq),
				  .recv_ack = RTE_BE32(0xfffefdfc),
				  .data_off = (uint8_t)((20 + s->opts) / 4 << 4),
				  .tcp_flags = flags,
				  .rx_win = RTE_BE16(0xabcd)};
	struct net_addr src = addr6(1, 2), dst = addr6(0xffff, 0xfffe);
	uint16_t l4 = (uint16_t)(s->l2 + l3_of(s));

	for (uint16_t i = 0; i < s->l2; i++)
		b[i] = (uint8_t)(0x80 + i);
	ip.total_length = rte_cpu_to_be_16((uint16_t)(20 + 20 + s->opts + n));
	ip6.payload_len = rte_cpu_to_be_16((uint16_t)(20 + s->opts + n));
	memcpy(ip6.src_addr, src.b, 16);
	memcpy(ip6.dst_addr, dst.b, 16);
	if (s->family == 4)
		memcpy(b + s->l2, &ip, sizeof(ip));
	else
		memcpy(b + s->l2, &ip6, sizeof(ip6));
	memcpy(b + l4, &tcp, sizeof(tcp));
	for (uint16_t i = 0; i < s->opts; i++)
		b[l4 + 20 + i] = (uint8_t)(0xc1 + 7 * i);
	return (uint16_t)(l4 + 20 + s->opts);
}

static uint16_t phdr(const struct shape *s, const uint8_t *ip, uint64_t flags)
{
	return s->family == 4 ? rte_ipv4_phdr_cksum((const void *)ip, flags)
			      : rte_ipv6_phdr_cksum((const void *)ip, flags);
}

/* The frame of the segment at off as it would have been by itself, in flat bytes; its length. */
static uint32_t expected(const struct shape *s, uint32_t off, bool sum, uint8_t *b)
{
	uint32_t n = seam_or_size(s, off) - off;
	uint8_t flags = s->flags;
	struct rte_tcp_hdr *tcp;
	uint16_t hdr;

	if (off > 0)
		flags &= (uint8_t)~RTE_TCP_CWR_FLAG;
	if (off + n < s->len)
		flags &= (uint8_t) ~(RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG);
	hdr = headers(s, b, s->seq + off, flags, n);
	memcpy(b + hdr, text + off, n);
	tcp = (void *)(b + s->l2 + l3_of(s));
	if (!sum)
		tcp->cksum = phdr(s, b + s->l2, 0);
	else if (s->family == 4)
		tcp->cksum = rte_ipv4_udptcp_cksum((const void *)(b + s->l2), tcp);
	else
		tcp->cksum = rte_ipv6_udptcp_cksum((const void *)(b + s->l2), tcp);
	if (s->family == 4) {
		struct rte_ipv4_hdr *ip = (void *)(b + s->l2);

		ip->hdr_checksum = rte_ipv4_cksum(ip);
	}
	return hdr + n;
}

/* As TCP does, which keeps what it gives. */
static void text_append(struct rte_mbuf *m, uint32_t off, uint32_t n, uint16_t head_room)
{
	struct rte_mbuf *d = rte_pktmbuf_alloc(pools.data), *i = d;
	struct rte_mbuf *last = rte_pktmbuf_lastseg(m);

	cr_assert(d != NULL);
	if (head_room > 0)
		d->data_off = RTE_MIN(head_room, (uint16_t)(d->buf_len - n));
	memset(d->buf_addr, 0xaa, d->data_off);
	memcpy(rte_pktmbuf_append(d, (uint16_t)n), text + off, n);
	if (head_room == 0) {
		i = rte_pktmbuf_alloc(pools.head);
		cr_assert(i != NULL);
		rte_pktmbuf_attach(i, d);
	} else {
		rte_mbuf_refcnt_update(d, 1);
	}
	kept[pieces] = d;
	direct[pieces] = head_room > 0;
	piece[pieces++] = n;
	last->next = i;
	m->nb_segs++;
	m->pkt_len += n;
}

static void text_free(void)
{
	for (unsigned int i = 0; i < pieces; i++) {
		cr_expect_eq(rte_mbuf_refcnt_read(kept[i]), 1);
		rte_pktmbuf_free_seg(kept[i]);
	}
	pieces = 0;
}

static struct rte_mbuf *super(const struct shape *s, struct rnd *r)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pools.head);
	struct rte_tcp_hdr *tcp;

	m->data_off = (uint16_t)(RTE_PKTMBUF_HEADROOM - s->l2 - l3_of(s));
	m->data_len = headers(s, rte_pktmbuf_mtod(m, uint8_t *), s->seq, s->flags, s->len);
	m->pkt_len = m->data_len;
	m->l2_len = s->l2;
	m->l3_len = l3_of(s);
	m->l4_len = (uint16_t)(20 + s->opts) & 0xff;
	m->tso_segsz = (uint16_t)s->segsz;
	m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_VLAN |
		       (s->family == 4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6);
	m->vlan_tci = 77;
	tcp = rte_pktmbuf_mtod_offset(m, struct rte_tcp_hdr *, s->l2 + l3_of(s));
	tcp->cksum = phdr(s, rte_pktmbuf_mtod_offset(m, uint8_t *, s->l2), RTE_MBUF_F_TX_TCP_SEG);
	for (uint32_t off = 0, n = s->first; off < s->len; off += n, n = s->then) {
		if (n == 0)
			n = 1 + rnd_below(r, PKT_DATA_ROOM);
		n = RTE_MIN(n, s->len - off);
		text_append(m, off, n,
			    s->then != 0           ? s->head_room
			    : rnd_below(r, 4) == 0 ? 0
						   : (uint16_t)(1 + rnd_below(r, 200)));
	}
	return m;
}

/* Of the segment at text_off; returns where the next one begins. */
static uint32_t check_frame(const struct shape *s, uint32_t text_off, bool sum, struct rte_mbuf *m)
{
	static uint8_t want[FRAME + TEXT_MAX], got[FRAME + TEXT_MAX];
	uint32_t len = expected(s, text_off, sum, want), off = 0, segs = 0;

	for (const struct rte_mbuf *p = m; p != NULL; p = p->next, segs++) {
		cr_assert_gt(p->data_len, 0);
		memcpy(got + off, rte_pktmbuf_mtod(p, void *), p->data_len);
		off += p->data_len;
	}
	cr_assert_eq(off, len, "segment at %u: %u bytes for %u", text_off, off, len);
	cr_expect_eq(m->pkt_len, len);
	cr_expect_eq(m->nb_segs, segs);
	cr_expect_arr_eq(got, want, len, "segment at %u", text_off);
	cr_expect_eq(m->vlan_tci, 77);
	cr_expect_eq(m->tso_segsz, 0);
	cr_expect_eq(m->l2_len, s->l2);
	cr_expect_eq(m->l3_len, l3_of(s));
	cr_expect_eq(m->ol_flags & RTE_MBUF_F_TX_OFFLOAD_MASK,
		     RTE_MBUF_F_TX_VLAN | (sum ? 0
					       : RTE_MBUF_F_TX_TCP_CKSUM |
							   (s->family == 4 ? RTE_MBUF_F_TX_IPV4
									   : RTE_MBUF_F_TX_IPV6)));
	return seam_or_size(s, text_off);
}

/* Whoever keeps the text finds it as it was. */
static void check_kept(const struct shape *s)
{
	uint32_t off = 0;

	for (unsigned int i = 0; i < pieces; off += piece[i++]) {
		const uint8_t *end = (uint8_t *)kept[i]->buf_addr + kept[i]->buf_len, *at;

		/* Where it lay nobody says any more: it stands in the buffer somewhere. */
		at = memmem(kept[i]->buf_addr, kept[i]->buf_len, text + off, piece[i]);
		cr_assert(at != NULL && at + piece[i] <= end);
	}
	cr_assert_eq(off, s->len);
}

static unsigned int frames_of(const struct shape *s)
{
	unsigned int n = 0;

	for (uint32_t off = 0; off < s->len; off = seam_or_size(s, off))
		n++;
	return n;
}

static void check(const struct shape *s, struct rnd *r)
{
	for (int sum = 0; sum < 2; sum++) {
		struct rte_mbuf *frame[NET_SUPER_SEGS];
		struct rte_mbuf *m = super(s, r);
		uint32_t off = 0;
		unsigned int n;

		n = frames_of(s) <= NET_SUPER_SEGS ? net_cut(m, sum, pools.head, frame) : 0;
		if (n == 0) { /* by chance more than may be asked for */
			cr_assert_eq(s->then, 0);
			rte_pktmbuf_free(m);
			text_free();
			continue;
		}
		cr_assert_eq(n, frames_of(s), "%u frames of %u bytes by %u", n, s->len, s->segsz);
		for (unsigned int i = 0; i < n; i++)
			off = check_frame(s, off, sum, frame[i]);
		cr_expect_eq(off, s->len);
		check_kept(s);
		rte_pktmbuf_free_bulk(frame, n);
		text_free();
	}
}

Test(cut, segments_are_those_that_would_have_gone_one_by_one)
{
	static const struct shape s[] = {
		{4, ALL, 14, 12, 3 * 1448, 1448, 1, 1448, 1448, 0},  /* at seams */
		{4, ALL, 14, 12, 3 * 1448, 1448, 1, 2048, 2048, 0},  /* inside */
		{4, ALL, 14, 12, 3 * 1448 + 1, 1448, 1, 1, 2048, 0}, /* one byte in the last */
		{4, ALL, 14, 0, 63 * 1000, 1000, 0xffffff00, 999, 2048, 0}, /* numbers wrap */
		{4, 0x10, 14, 12, 1449, 1448, 7, 1447, 1, 0},               /* no flag to move */
		{4, ALL, 14, 40, 5 * 1448, 1448, 1, 2000, 3 * 16, 0},       /* many small pieces */
		{4, ALL, 18, 12, 5 * 1448, 1448, 1, 2000, 2000, 0},         /* a tag in the bytes */
		{6, ALL, 14, 12, 44 * 1428, 1428, 0x80000000, 1111, 2048, 0},
		{6, 0x18, 18, 12, 2 * 1428, 1428, 0, 3, 2047, 0},
		{6, ALL, 14, 40, 7 * 8001, 8001, 9, 2048, 2048, 0}, /* of a jumbo link, odd */
		{4, ALL, 14, 12, 1448, 1448, 1, 700, 2000, 0},      /* one: nothing to cut */
		/* The mbufs themselves: their head-room takes the headers, or is a byte too small.
		 */
		{4, ALL, 14, 12, 3 * 1448, 1448, 1, 1448, 1448, 14 + 20 + 20 + 12},
		{4, ALL, 14, 12, 3 * 1448, 1448, 1, 1448, 1448, 14 + 20 + 20 + 12 - 1},
		{4, ALL, 18, 12, 3 * 1448, 1448, 1, 1448, 1448, 18 + 20 + 20 + 12 - 1},
		{6, ALL, 14, 12, 3 * 1428, 1428, 1, 1428, 1428, 14 + 40 + 20 + 12},
		{6, ALL, 14, 12, 3 * 1428, 1428, 1, 1428, 1428, 14 + 40 + 20 + 12 - 1},
		{4, ALL, 14, 12, 5 * 1448, 1448, 1, 2048, 2048, 128}, /* cut inside */
		{4, ALL, 14, 12, 5 * 1448, 1448, 1, 1462, 1448, 128}, /* each a little too long */
		{4, ALL, 14, 12, 5 * 1430, 1448, 1, 1430, 1430, 128}, /* each a little too short */
		{4, ALL, 14, 12, 5 * 1086, 1448, 1, 1086, 1086, 128}, /* the least that fills */
		{4, ALL, 14, 12, 5 * 1085, 1448, 1, 1085, 1085, 128}, /* and what does not */
		{4, ALL, 14, 12, 4 * 8948, 8948, 1, 1982, 2048, 128}, /* of a jumbo link */
	};

	for (unsigned int i = 0; i < RTE_DIM(s); i++)
		check(&s[i], NULL);
}

/* Pieces of any length at any place: sums of odd bytes among them. */
Test(cut, random_cuts_of_random_text)
{
	unsigned int n = test_long() ? 100000 : 1000;

	for (unsigned int i = 0; i < n; i++) {
		struct rnd r = {rnd_seed() + i};
		struct shape s = {.family = rnd_below(&r, 2) ? 4 : 6,
				  .flags = (uint8_t)rnd_u32(&r),
				  .l2 = rnd_below(&r, 4) ? 14 : 18,
				  .opts = (uint16_t)(4 * rnd_below(&r, 11)),
				  .seq = rnd_u32(&r),
				  .segsz = 1 + rnd_below(&r, 3000)};

		s.len = 1 + rnd_below(&r, RTE_MIN(NET_SUPER_SEGS * 3 / 4 * s.segsz, 20000u));
		check(&s, &r);
	}
}

/* All that a pool has, down to some. */
static unsigned int drain(struct rte_mempool *pool, unsigned int leave, struct rte_mbuf **held)
{
	unsigned int n = 0;

	while ((held[n] = rte_pktmbuf_alloc(pool)) != NULL)
		n++;
	while (leave-- > 0)
		rte_pktmbuf_free(held[--n]);
	return n;
}

Test(cut, empty_pool_leaves_all_as_it_was)
{
	static const struct shape s = {4, ALL, 14, 12, 4 * 1448, 1448, 1, 2048, 2048, 0};
	static struct rte_mbuf *held[2048];
	struct rte_mbuf *frame[NET_SUPER_SEGS];

	for (unsigned int left = 0; left < 9; left++) {
		struct rte_mbuf *m = super(&s, NULL);
		uint16_t off = m->data_off, segs = m->nb_segs;
		uint8_t hdr[FRAME];
		unsigned int n, k;
		uint32_t at = 0;

		memcpy(hdr, rte_pktmbuf_mtod(m, void *), m->data_len);
		n = drain(pools.head, left, held);
		k = net_cut(m, true, pools.head, frame);
		/* A header each, and a rest wherever a cut falls inside. */
		cr_assert_eq(k, left < 7 ? 0 : 4, "%u are left: %u frames", left, k);
		if (k == 0) {
			cr_expect_eq(rte_mempool_avail_count(pools.head), left);
			cr_expect_eq(m->data_off, off);
			cr_expect_eq(m->nb_segs, segs);
			cr_expect_arr_eq(rte_pktmbuf_mtod(m, uint8_t *), hdr, m->data_len);
			rte_pktmbuf_free_bulk(held, n);
			k = net_cut(m, true, pools.head, frame);
			n = 0;
		}
		for (unsigned int i = 0; i < k; i++)
			at = check_frame(&s, at, true, frame[i]);
		rte_pktmbuf_free_bulk(frame, k);
		rte_pktmbuf_free_bulk(held, n);
		text_free();
	}
}
