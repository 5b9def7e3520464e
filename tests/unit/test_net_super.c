/* dataplane/net: super-segments, cut by the port or here. */
#include "net_bench.h"

TestSuite(net_super, .init = start, .fini = end);

/* Text of len bytes for segments of segsz, to 198.18.0.1: net_output()'s answer. */
static int send_super(uint32_t len, uint16_t segsz)
{
	struct net_addr src = addr4(198, 18, 0, 2), dst = addr4(198, 18, 0, 1);
	struct rte_ipv4_hdr ip = {
		.src_addr = net_v4(&src), .dst_addr = net_v4(&dst), .next_proto_id = IPPROTO_TCP};
	struct rte_mbuf *m = rte_pktmbuf_alloc(pools.head), *last = m;
	struct rte_tcp_hdr *h = (void *)rte_pktmbuf_append(m, sizeof(*h));

	*h = (struct rte_tcp_hdr){.data_off = 5 << 4, .tcp_flags = RTE_TCP_ACK_FLAG};
	h->cksum = rte_ipv4_phdr_cksum(&ip, RTE_MBUF_F_TX_TCP_SEG);
	m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
	m->l4_len = sizeof(*h);
	m->tso_segsz = segsz;
	for (uint32_t off = 0; off < len; off += PKT_DATA_ROOM) {
		uint16_t n = (uint16_t)RTE_MIN(len - off, (uint32_t)PKT_DATA_ROOM);

		last->next = rte_pktmbuf_alloc(pools.data);
		last = last->next;
		memset(rte_pktmbuf_append(last, n), (int)off + 1, n);
		m->nb_segs++;
		m->pkt_len += n;
	}
	return net_output(net, m, &src, &dst, IPPROTO_TCP, 64, 0, NULL, now);
}

static void expect_frames(unsigned int n, uint32_t len)
{
	uint8_t flat[2048];

	net_flush(net);
	cr_assert_eq(wire.n, n, "%u frames", wire.n);
	for (unsigned int i = 0; i < n; i++) {
		const uint8_t *b = rte_pktmbuf_read(wire.out[i], 0, len, flat);
		const struct rte_ipv4_hdr *ip = (const void *)(b + 14);
		uint32_t sum;

		cr_assert_not_null(b);
		cr_expect(rte_is_same_ether_addr(sent_to(&wire, i), &peer_mac));
		cr_expect_eq(wire.out[i]->pkt_len, len);
		cr_expect_eq(rte_raw_cksum(ip, sizeof(*ip)), 0xffff);
		sum = rte_ipv4_phdr_cksum(ip, 0) + rte_raw_cksum(b + 34, len - 34);
		cr_expect_eq(__rte_raw_cksum_reduce(sum), 0xffff);
	}
}

Test(net_super, super_segment_leaves_as_frames)
{
	learn(1, &peer_mac);
	cr_expect_eq(send_super(5 * 1460, 1460), 0);
	expect_frames(5, 1514);
}

/* RFC 9293 section 3.1 is the port's business then; ours is to say where what stands. */
Test(net_super, a_port_that_cuts_gets_the_super_segment)
{
	uint8_t flat[64];
	const uint8_t *b;
	const struct rte_mbuf *m;

	learn(1, &peer_mac);
	wire.port.tx_cksum = true;
	wire.port.tso_segs = 8;
	cr_expect_eq(send_super(5 * 1460, 1460), 0);
	net_flush(net);
	cr_assert_eq(wire.n, 1, "%u frames", wire.n);
	m = wire.out[0];
	cr_expect_eq(m->pkt_len, 14 + 20 + 20 + 5 * 1460);
	cr_expect_eq(m->l2_len, 14);
	cr_expect_eq(m->l3_len, 20);
	cr_expect_eq(m->l4_len, 20);
	cr_expect_eq(m->tso_segsz, 1460);
	cr_expect_eq(m->ol_flags & (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IP_CKSUM |
				    RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_IPV4),
		     RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_TCP_CKSUM |
			     RTE_MBUF_F_TX_IPV4);
	b = rte_pktmbuf_read(m, 0, 54, flat);
	cr_expect_eq(b[24] | b[25], 0, "the header's sum is the port's, too");
}

Test(net_super, a_super_segment_of_more_pieces_than_the_port_takes_is_cut)
{
	learn(1, &peer_mac);
	wire.port.tso_segs = 4; /* a header and four buffers are five */
	cr_expect_eq(send_super(5 * 1460, 1460), 0);
	expect_frames(5, 1514);
}

Test(net_super, super_segment_of_too_long_segments_is_dropped)
{
	learn(1, &peer_mac);
	cr_expect_eq(send_super(5 * 1461, 1461), -EMSGSIZE);
	expect_frames(0, 0);
	cr_expect_eq(dropped(NET_DROP_TOO_BIG), 1);
}

/* TCP sends it again: for it nothing went. */
Test(net_super, super_segment_without_buffers_goes_not_in_part)
{
	static struct rte_mbuf *held[1024];
	unsigned int n = 0;

	learn(1, &peer_mac);
	while (n < 1023 - 8)
		held[n++] = rte_pktmbuf_alloc(pools.head);
	cr_expect_eq(send_super(5 * 1460, 1460), -ENOMEM, "7 are left, 8 are needed");
	expect_frames(0, 0);
	cr_expect_eq(dropped(NET_DROP_NO_MBUF), 1);
	rte_pktmbuf_free_bulk(held, n);
	cr_expect_eq(send_super(5 * 1460, 1460), 0);
	expect_frames(5, 1514);
}

Test(net_super, super_segment_waits_for_a_neighbour_as_one)
{
	cr_expect_eq(send_super(5 * 1460, 1460), 0);
	net_flush(net);
	cr_expect_eq(wire.n, 1);
	cr_expect(is_arp(&wire, 0));
	wire_clear(&wire);
	arp_in(RTE_ARP_OP_REPLY, &peer_mac, be4(198, 18, 0, 1), be4(198, 18, 0, 2));
	expect_frames(5, 1514);
}
