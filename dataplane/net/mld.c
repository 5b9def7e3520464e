/*
 * dataplane/net/mld.c - multicast listener reports, so that switches that look let the
 * solicitations for our addresses through.
 *
 * Source  RFC 3810 (RFC 9777) as a listener: every solicited-node group of ours, any source.
 *
 * A change is reported twice (5.2.12, robustness 2), a query once after a random part of the
 * time it allows. Queriers of version 1 are answered in the form of version 2, which they
 * pass on: we do not keep the mode of 8.2.
 */
#include <netinet/icmp6.h>

#include "dataplane/net/internal.h"

#define ROBUSTNESS        2
#define UNSOLICITED_US    1000000u /* 9.11: 1 second */
#define HOP_LIMIT         1
#define MLD2_REPORT       143
#define RECORD_IS_EXCLUDE 2 /* 5.2.12: current state, everything wanted */
#define RECORD_TO_EXCLUDE 4 /* it has just become so */
#define QUERY_LEN_1       24
#define QUERY_LEN_2       28
#define DELAY_MAX_MS      10000u /* whatever a query says */

/* The IPv6 hop-by-hop header with a router alert for MLD (RFC 2711), and padding. */
static const uint8_t router_alert[8] = {IPPROTO_ICMPV6, 0, 5, 2, 0, 0, 1, 0};

static const struct net_addr all_mld2_routers = {.family = 6, .b = {0xff, 0x02, [15] = 0x16}};

struct record {
	uint8_t type, aux_len;
	rte_be16_t n_sources;
	uint8_t group[16];
};

/* The groups of an interface, each once. */
static unsigned int groups(const struct net_iface *ifc, struct net_addr *ret)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < ifc->n_addrs; i++) {
		struct net_addr g = net_solicited_node(&ifc->addr[i].addr);
		unsigned int k = 0;

		if (ifc->addr[i].addr.family != 6)
			continue;
		while (k < n && !net_addr_eq(&ret[k], &g))
			k++;
		if (k == n)
			ret[n++] = g;
	}
	return n;
}

/* RFC 3590: from a link-local address, or while there is none from the unspecified one. */
static struct net_addr source(const struct net_iface *ifc)
{
	for (unsigned int i = 0; i < ifc->n_addrs; i++)
		if (net_v6_is_link_local(&ifc->addr[i].addr) &&
		    ifc->addr[i].state == NET_ADDR_READY)
			return ifc->addr[i].addr;
	return (struct net_addr){.family = 6};
}

static void report(struct net *n, struct net_iface *ifc, uint8_t record_type)
{
	struct net_addr group[NET_IFACE_ADDRS_MAX], src = source(ifc);
	unsigned int k = groups(ifc, group);
	struct rte_ether_addr to = net_group_mac(&all_mld2_routers);
	struct rte_mbuf *m = k > 0 ? rte_pktmbuf_alloc(n->pools->data) : NULL;
	const uint8_t head[8] = {MLD2_REPORT, [7] = (uint8_t)k};

	if (m == NULL) {
		n->drops[NET_DROP_NO_MBUF] += k > 0;
		return;
	}
	memcpy(rte_pktmbuf_append(m, sizeof(head)), head, sizeof(head));
	for (unsigned int i = 0; i < k; i++) {
		struct record r = {.type = record_type};

		memcpy(r.group, group[i].b, sizeof(r.group));
		memcpy(rte_pktmbuf_append(m, sizeof(r)), &r, sizeof(r));
	}
	icmp6_seal(m, &src, &all_mld2_routers);
	memcpy(rte_pktmbuf_prepend(m, sizeof(router_alert)), router_alert, sizeof(router_alert));
	ip6_header(m, &src, &all_mld2_routers, IPPROTO_HOPOPTS, HOP_LIMIT, 0);
	net_eth_output(n, ifc, m, &to, RTE_ETHER_TYPE_IPV6);
}

static uint64_t random_below(struct net *n, uint64_t us)
{
	n->mld_rng = n->mld_rng * 6364136223846793005u + 1442695040888963407u;
	return (n->mld_rng >> 33) % RTE_MAX(us, (uint64_t)1);
}

void mld_changed(struct net_iface *ifc, uint64_t report_us)
{
	ifc->mld.left = ROBUSTNESS;
	ifc->mld.change_us = report_us;
}

/* 5.1.3: from one exponent a number of milliseconds. */
static uint32_t delay_ms(uint16_t code)
{
	if (code < 32768)
		return code;
	return (uint32_t)((code & 0xfff) | 0x1000) << ((code >> 12 & 7) + 3);
}

void mld_input(struct net *n, struct rte_mbuf *m, const struct ip6_packet *p)
{
	struct net_iface *ifc = &n->iface[p->iface];
	struct net_addr group[NET_IFACE_ADDRS_MAX];
	uint8_t buf[QUERY_LEN_1];
	const uint8_t *q = rte_pktmbuf_read(m, 0, QUERY_LEN_1, buf);
	struct net_addr asked = {.family = 6};
	bool ours;
	uint64_t at;

	/* 6.2: of a router of this link, with the alert; a length between the versions is none. */
	if (q == NULL || (m->pkt_len != QUERY_LEN_1 && m->pkt_len < QUERY_LEN_2) ||
	    p->hop_limit != HOP_LIMIT || !net_v6_is_link_local(&p->src) || !p->router_alert) {
		net_drop(n, m, NET_DROP_MLD);
		return;
	}
	memcpy(asked.b, q + 8, sizeof(asked.b));
	ours = asked.b[0] == 0;
	for (unsigned int i = 0, k = groups(ifc, group); i < k; i++)
		ours |= net_addr_eq(&asked, &group[i]);
	if (ours) {
		uint32_t ms = delay_ms((uint16_t)(q[4] << 8 | q[5]));

		at = n->now_us + random_below(n, RTE_MIN(ms, DELAY_MAX_MS) * UINT64_C(1000));
		if (!ifc->mld.asked || at < ifc->mld.answer_us)
			ifc->mld.answer_us = at;
		ifc->mld.asked = true;
	}
	rte_pktmbuf_free(m);
}

unsigned int mld_timers(struct net *n)
{
	unsigned int work = 0;

	for (unsigned int i = 0; i < n->n_ifaces; i++) {
		struct net_iface *ifc = &n->iface[i];

		if (ifc->mld.left > 0 && ifc->mld.change_us <= n->now_us) {
			report(n, ifc, RECORD_TO_EXCLUDE);
			ifc->mld.left--;
			ifc->mld.change_us = n->now_us + random_below(n, UNSOLICITED_US);
			work++;
		}
		if (ifc->mld.asked && ifc->mld.answer_us <= n->now_us) {
			report(n, ifc, RECORD_IS_EXCLUDE);
			ifc->mld.asked = false;
			work++;
		}
	}
	return work;
}

uint64_t mld_next_us(const struct net *n)
{
	uint64_t t = UINT64_MAX;

	for (unsigned int i = 0; i < n->n_ifaces; i++) {
		const struct net_mld *mld = &n->iface[i].mld;

		if (mld->left > 0)
			t = RTE_MIN(t, mld->change_us);
		if (mld->asked)
			t = RTE_MIN(t, mld->answer_us);
	}
	return t;
}
