/*
 * dataplane/net/cut.c - see cut.h.
 *
 * The headers of all segments but the last differ in the sequence number, two flags and the
 * checksum, so they are made once and copied; what of the checksum they have in common is summed
 * once.
 */
#include "dataplane/net/cut.h"

#include <rte_branch_prediction.h>
#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#define ONLY_FIRST RTE_TCP_CWR_FLAG
#define ONLY_LAST  (RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG)
#define HDR_MAX    (14 + 4 + 40 + 60)

struct cut {
	uint8_t hdr[HDR_MAX];
	uint16_t len, l3, l4; /* of all headers; where two of them begin */
	uint16_t size, told;  /* of a full segment; of the one hdr's length is for */
	uint8_t flags;
	uint32_t seq;
	uint32_t base; /* sum of what all segments share */
	bool sum;
	uint64_t ol_flags, tx_offload;
	uint16_t vlan_tci;
	struct rte_mbuf *text;   /* what is not cut off yet */
	struct rte_mbuf **spare; /* empty mbufs: for headers, and for what is cut off */
};

static struct rte_tcp_hdr *tcp_at(struct cut *k)
{
	return (struct rte_tcp_hdr *)(void *)(k->hdr + k->l4);
}

/* The IP header is to be of a segment with n bytes of text. */
static void ip_length(struct cut *k, uint16_t n)
{
	uint16_t l4_len = (uint16_t)(k->len - k->l4 + n);

	k->told = n;
	if (k->hdr[k->l3] >> 4 == 4) {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(void *)(k->hdr + k->l3);

		ip->total_length = rte_cpu_to_be_16((uint16_t)(k->l4 - k->l3 + l4_len));
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	} else {
		struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)(void *)(k->hdr + k->l3);

		ip->payload_len = rte_cpu_to_be_16(l4_len);
	}
}

static void cut_init(struct cut *k, const struct rte_mbuf *m, bool sum)
{
	struct rte_tcp_hdr *tcp;

	k->len = m->data_len;
	memcpy(k->hdr, rte_pktmbuf_mtod(m, uint8_t *), k->len);
	k->l3 = m->l2_len;
	k->l4 = (uint16_t)(m->l2_len + m->l3_len);
	k->size = m->tso_segsz;
	k->sum = sum;
	k->ol_flags = m->ol_flags & ~(RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IP_CKSUM);
	k->tx_offload = m->l2_len | (uint64_t)m->l3_len << RTE_MBUF_L2_LEN_BITS |
			(uint64_t)m->l4_len << (RTE_MBUF_L2_LEN_BITS + RTE_MBUF_L3_LEN_BITS);
	k->vlan_tci = m->vlan_tci;
	k->text = m->next;
	tcp = tcp_at(k);
	k->seq = rte_be_to_cpu_32(tcp->sent_seq);
	k->flags = tcp->tcp_flags;
	k->base = tcp->cksum; /* the pseudo-header's */
	tcp->sent_seq = 0;
	tcp->tcp_flags = 0;
	tcp->cksum = 0;
	if (sum) {
		k->base += rte_raw_cksum(tcp, k->len - k->l4);
		k->ol_flags &= ~(RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6);
	} else {
		k->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
	}
	ip_length(k, k->size);
}

static bool has_room(const struct rte_mbuf *m, uint16_t hdr)
{
	return RTE_MBUF_DIRECT(m) && rte_pktmbuf_headroom(m) >= hdr;
}

/* The number of segments, and of mbufs for those that begin or end inside one. */
static unsigned int count(const struct rte_mbuf *head, unsigned int *ret_spare)
{
	const struct rte_mbuf *m = head->next;
	uint32_t off = 0, n;
	unsigned int segs = 0, spare = 0;

	for (; m != NULL; segs++) {
		if (off > 0 || !has_room(m, head->data_len))
			spare++;
		n = net_cut_len(m, off, head->tso_segsz);
		for (n += off; m != NULL && n >= m->data_len; m = m->next)
			n -= m->data_len;
		off = n;
		spare += off > 0;
	}
	*ret_spare = spare;
	return segs;
}

/* n bytes of the text as a chain of their own; it begins with the mbuf returned. */
static struct rte_mbuf *text_cut(struct cut *k, uint32_t n, uint16_t *ret_mbufs)
{
	struct rte_mbuf *first = k->text, *last = NULL, *m = first;
	uint16_t mbufs = 0;

	for (; n > 0 && n >= m->data_len; m = m->next, mbufs++) {
		n -= m->data_len;
		last = m;
	}
	if (n > 0) { /* the cut falls inside m, whose rest is another's */
		struct rte_mbuf *rest = *k->spare++;

		rte_pktmbuf_attach(rest, m);
		rest->data_off = (uint16_t)(m->data_off + n);
		rest->data_len = (uint16_t)(m->data_len - n);
		rest->next = m->next;
		rest->nb_segs = 1;
		m->data_len = (uint16_t)n;
		last = m;
		mbufs++;
		m = rest;
	}
	last->next = NULL;
	k->text = m;
	*ret_mbufs = mbufs;
	return first;
}

/* What is the segment's own, of n bytes whose sum is sum. */
static void header_finish(struct cut *k, uint16_t n, uint8_t flags, uint16_t text_sum)
{
	struct rte_tcp_hdr *tcp = tcp_at(k);
	uint32_t sum = k->base + rte_cpu_to_be_16((uint16_t)(k->len - k->l4 + n));

	if (unlikely(n != k->told))
		ip_length(k, n);
	tcp->sent_seq = rte_cpu_to_be_32(k->seq);
	tcp->tcp_flags = flags;
	k->seq += n;
	if (!k->sum) {
		tcp->cksum = __rte_raw_cksum_reduce(sum);
		return;
	}
	sum += (tcp->sent_seq & UINT16_MAX) + (tcp->sent_seq >> 16) + rte_cpu_to_be_16(flags);
	tcp->cksum = (uint16_t)~__rte_raw_cksum_reduce(sum + text_sum);
}

/* The frame of n bytes of text, mbufs from text on. */
static struct rte_mbuf *frame(struct cut *k, struct rte_mbuf *text, uint16_t mbufs, uint32_t n)
{
	struct rte_mbuf *h = text;

	if (likely(has_room(text, k->len))) {
		h->data_off = (uint16_t)(h->data_off - k->len);
		h->data_len = (uint16_t)(h->data_len + k->len);
	} else {
		h = *k->spare++;
		h->data_off = (uint16_t)(RTE_PKTMBUF_HEADROOM - k->l4);
		h->data_len = k->len;
		h->next = text;
		mbufs++;
	}
	h->ol_flags = k->ol_flags;
	h->tx_offload = k->tx_offload;
	h->vlan_tci = k->vlan_tci;
	h->pkt_len = k->len + n;
	h->nb_segs = mbufs;
	memcpy(rte_pktmbuf_mtod(h, uint8_t *), k->hdr, k->len);
	return h;
}

unsigned int net_cut(struct rte_mbuf *m, bool sum, struct rte_mempool *pool, struct rte_mbuf **ret)
{
	struct rte_mbuf *spare[2 * NET_SUPER_SEGS];
	unsigned int wanted, n = count(m, &wanted);
	struct cut k;

	if (wanted > 0 && unlikely(rte_pktmbuf_alloc_bulk(pool, spare, wanted) != 0))
		return 0;
	cut_init(&k, m, sum);
	k.spare = spare;
	for (unsigned int i = 0; i < n; i++) {
		uint32_t len = net_cut_len(k.text, 0, k.size);
		uint8_t flags = k.flags;
		uint16_t mbufs;
		struct rte_mbuf *text;

		if (i > 0)
			flags &= (uint8_t)~ONLY_FIRST;
		if (i < n - 1)
			flags &= (uint8_t)~ONLY_LAST;
		text = text_cut(&k, len, &mbufs);
		header_finish(&k, (uint16_t)len, flags, sum ? pkt_raw_cksum(text) : 0);
		ret[i] = frame(&k, text, mbufs, len);
	}
	m->next = NULL;
	m->nb_segs = 1;
	rte_pktmbuf_free_seg(m);
	return n;
}
