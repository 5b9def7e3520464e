/*
 * dataplane/net/cut.c - see cut.h.
 *
 * The headers of all segments but the last differ in the sequence number, two flags and the
 * checksum, so they are made once, in place of the super-segment's, and copied; what of the
 * checksum they have in common is summed once.
 */
#include "dataplane/net/cut.h"

#include <rte_branch_prediction.h>
#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#define ONLY_FIRST RTE_TCP_CWR_FLAG
#define ONLY_LAST  (RTE_TCP_FIN_FLAG | RTE_TCP_PSH_FLAG)

struct cut {
	uint8_t *hdr;         /* of the first segment; those of others are copies */
	uint16_t len, l3, l4; /* of all headers; where two of them begin */
	uint8_t flags;
	uint32_t seq;
	uint32_t base; /* sum of what all segments share */
	bool sum;
	uint64_t ol_flags;
	struct rte_mbuf *text;   /* what is not cut off yet */
	struct rte_mbuf **piece; /* spare mbufs */
};

static struct rte_tcp_hdr *tcp_at(const struct cut *k, uint8_t *hdr)
{
	return (struct rte_tcp_hdr *)(void *)(hdr + k->l4);
}

/* The IP header of a segment with n bytes of text. */
static void ip_length(const struct cut *k, uint8_t *hdr, uint32_t n)
{
	uint16_t l4_len = (uint16_t)(k->len - k->l4 + n);

	if (hdr[k->l3] >> 4 == 4) {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(void *)(hdr + k->l3);

		ip->total_length = rte_cpu_to_be_16((uint16_t)(k->l4 - k->l3 + l4_len));
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	} else {
		struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)(void *)(hdr + k->l3);

		ip->payload_len = rte_cpu_to_be_16(l4_len);
	}
}

static void cut_init(struct cut *k, struct rte_mbuf *m, bool sum)
{
	struct rte_tcp_hdr *tcp;

	*k = (struct cut){.hdr = rte_pktmbuf_mtod(m, uint8_t *),
			  .len = m->data_len,
			  .l3 = m->l2_len,
			  .l4 = (uint16_t)(m->l2_len + m->l3_len),
			  .sum = sum,
			  .ol_flags =
				  m->ol_flags & ~(RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IP_CKSUM),
			  .text = m->next};
	tcp = tcp_at(k, k->hdr);
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
	ip_length(k, k->hdr, m->tso_segsz);
}

/* n bytes of the text, behind h. */
static void text_cut(struct cut *k, struct rte_mbuf *h, uint32_t n)
{
	struct rte_mbuf *last = h, *m = k->text;

	h->pkt_len = k->len + n;
	h->nb_segs = 1;
	for (; n > 0 && n >= m->data_len; m = m->next) {
		n -= m->data_len;
		last->next = m;
		last = m;
		h->nb_segs++;
	}
	if (n > 0) { /* the cut falls inside m, whose rest is another's */
		struct rte_mbuf *rest = *k->piece++;

		rte_pktmbuf_attach(rest, m);
		rest->data_off = (uint16_t)(m->data_off + n);
		rest->data_len = (uint16_t)(m->data_len - n);
		rest->next = m->next;
		rest->nb_segs = 1;
		m->data_len = (uint16_t)n;
		last->next = m;
		last = m;
		h->nb_segs++;
		m = rest;
	}
	last->next = NULL;
	k->text = m;
}

/* What is this segment's own. h has the headers and n bytes of text. */
static void header_finish(struct cut *k, struct rte_mbuf *h, uint32_t n, uint8_t flags)
{
	struct rte_tcp_hdr *tcp = tcp_at(k, rte_pktmbuf_mtod(h, uint8_t *));
	uint32_t sum = k->base + rte_cpu_to_be_16((uint16_t)(k->len - k->l4 + n));

	h->ol_flags = k->ol_flags;
	h->tso_segsz = 0;
	tcp->sent_seq = rte_cpu_to_be_32(k->seq);
	tcp->tcp_flags = flags;
	k->seq += n;
	if (!k->sum) {
		tcp->cksum = __rte_raw_cksum_reduce(sum);
		return;
	}
	sum += (tcp->sent_seq & UINT16_MAX) + (tcp->sent_seq >> 16) + rte_cpu_to_be_16(flags);
	tcp->cksum = (uint16_t)~__rte_raw_cksum_reduce(sum + pkt_raw_cksum(h->next));
}

/* An empty mbuf becomes the header of a later segment. */
static void header_copy(const struct cut *k, const struct rte_mbuf *from, struct rte_mbuf *h)
{
	h->data_off = from->data_off;
	h->data_len = k->len;
	h->tx_offload = from->tx_offload;
	h->vlan_tci = from->vlan_tci;
	memcpy(rte_pktmbuf_mtod(h, uint8_t *), k->hdr, k->len);
}

unsigned int net_cut(struct rte_mbuf *m, bool sum, struct rte_mempool *pool, struct rte_mbuf **ret)
{
	struct rte_mbuf *spare[2 * NET_SUPER_SEGS];
	uint32_t left = m->pkt_len - m->data_len, size = m->tso_segsz;
	unsigned int n = (left + size - 1) / size;
	struct cut k;

	/* Whether a cut falls between two mbufs is seen when it is made. */
	if (likely(n > 1) && unlikely(rte_pktmbuf_alloc_bulk(pool, spare, 2 * (n - 1)) != 0))
		return 0;
	cut_init(&k, m, sum);
	k.piece = spare + (n - 1);
	ret[0] = m;
	for (unsigned int i = 1; i < n; i++) {
		ret[i] = spare[i - 1];
		header_copy(&k, m, ret[i]);
	}
	for (unsigned int i = 0; i < n; i++, left -= size) {
		bool last = i == n - 1;
		uint8_t flags = k.flags;

		if (i > 0)
			flags &= (uint8_t)~ONLY_FIRST;
		if (!last)
			flags &= (uint8_t)~ONLY_LAST;
		if (last && left < size)
			ip_length(&k, rte_pktmbuf_mtod(ret[i], uint8_t *), left);
		text_cut(&k, ret[i], last ? left : size);
		header_finish(&k, ret[i], last ? left : size, flags);
	}
	rte_pktmbuf_free_bulk(k.piece, (unsigned int)(spare + 2 * (n - 1) - k.piece));
	return n;
}
