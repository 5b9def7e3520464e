/*
 * dataplane/net/icmp.c - ICMP echo (RFC 792, RFC 1122 3.2.2.6), at a bounded rate.
 *
 * Errors about our own packets are counted and dropped: TCP here does without them.
 */
#include <rte_icmp.h>

#include "dataplane/net/internal.h"

/* A bucket kept in time: an answer costs its share of a second. */
static bool rate_ok(struct net *n)
{
	const uint64_t cost = 1000000 / NET_ICMP_RATE;

	n->icmp_credit_us += n->now_us - n->icmp_last_us;
	n->icmp_last_us = n->now_us;
	if (n->icmp_credit_us > NET_ICMP_BURST * cost)
		n->icmp_credit_us = NET_ICMP_BURST * cost;
	if (n->icmp_credit_us < cost)
		return false;
	n->icmp_credit_us -= cost;
	return true;
}

void icmp4_input(struct net *n, struct rte_mbuf *m, rte_be32_t src, rte_be32_t dst)
{
	struct rte_icmp_hdr *h = rte_pktmbuf_mtod(m, struct rte_icmp_hdr *);
	struct net_addr from = net_v4_addr(dst), to = net_v4_addr(src);
	uint32_t sum;

	if (m->data_len < sizeof(*h) || h->icmp_type != RTE_IP_ICMP_ECHO_REQUEST ||
	    h->icmp_code != 0 || pkt_raw_cksum(m) != UINT16_MAX) {
		net_drop(n, m, NET_DROP_ICMP);
		return;
	}
	if (!rate_ok(n)) {
		net_drop(n, m, NET_DROP_ICMP_RATE);
		return;
	}

	/* RFC 1624: the type falls by 8 in the high byte of its word. */
	sum = (uint16_t)~rte_be_to_cpu_16(h->icmp_cksum);
	sum += (uint16_t) ~(RTE_IP_ICMP_ECHO_REQUEST << 8);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	h->icmp_type = RTE_IP_ICMP_ECHO_REPLY;
	h->icmp_cksum = rte_cpu_to_be_16((uint16_t)~sum);
	m->ol_flags = 0;
	net_output(n, m, &from, &to, IPPROTO_ICMP, 64, 0, NULL, n->now_us);
}
