/*
 * dataplane/net/icmp.c - ICMP echo (RFC 792, RFC 1122 3.2.2.6), at a bounded rate.
 *
 * Errors about our own packets go to icmp_error.c. None is sent: RFC 1122 section 3.2.2.1 wishes
 * for "protocol unreachable" and "port unreachable", which would tell a scanner what is here and
 * a victim of forged sources what it did not ask; TCP answers with a reset where it must.
 */
#include <rte_icmp.h>

#include "dataplane/net/internal.h"

/* A bucket kept in time: an answer costs its share of a second. */
bool icmp_rate_ok(struct net *n)
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

static void echo_input(struct net *n, struct rte_mbuf *m, const struct net_addr *src,
		       const struct net_addr *dst)
{
	struct rte_icmp_hdr *h = rte_pktmbuf_mtod(m, struct rte_icmp_hdr *);
	uint32_t sum;

	if (!icmp_rate_ok(n)) {
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
	net_output(n, m, dst, src, IPPROTO_ICMP, 64, 0, NULL, n->now_us);
}

void icmp4_input(struct net *n, struct rte_mbuf *m, rte_be32_t src, rte_be32_t dst)
{
	const struct rte_icmp_hdr *h = rte_pktmbuf_mtod(m, const struct rte_icmp_hdr *);
	struct net_addr from = net_v4_addr(src), to = net_v4_addr(dst);

	if (m->data_len < sizeof(*h) || pkt_raw_cksum(m) != UINT16_MAX) {
		net_drop(n, m, NET_DROP_ICMP);
		return;
	}
	switch (h->icmp_type) {
	case RTE_IP_ICMP_ECHO_REQUEST:
		if (h->icmp_code == 0)
			echo_input(n, m, &from, &to);
		else
			net_drop(n, m, NET_DROP_ICMP);
		break;
	case 3:  /* destination unreachable */
	case 4:  /* source quench */
	case 11: /* time exceeded */
	case 12: /* parameter problem */
		icmp_error_input(n, m, &to);
		break;
	default:
		net_drop(n, m, NET_DROP_ICMP);
		break;
	}
}
