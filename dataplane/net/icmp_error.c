/*
 * dataplane/net/icmp_error.c - ICMP errors about segments of ours: read, checked, handed to TCP.
 *
 * Source  RFC 792, RFC 1122 section 3.2.2, RFC 1191, RFC 1812 section 5.2.7.1 (codes 13 to 15);
 *         RFC 4443, RFC 8201; RFC 5927 (what an attacker can do with them), RFC 6633 (source
 *         quench is dead). What can be known here is whether the quoted packet is one that this
 *         host could have sent; whether it did, TCP knows.
 */
#include <errno.h>

#include "dataplane/net/internal.h"

#define ICMP_HDR_LEN 8
#define TCP_QUOTED   8 /* ports and sequence number: all that RFC 792 promises */
#define QUOTE_MAX    (ICMP_HDR_LEN + 60 + TCP_QUOTED)

#define ICMP4_UNREACHABLE   3
#define ICMP4_QUENCH        4
#define ICMP4_TIME_EXCEEDED 11
#define ICMP4_PARAMETER     12
#define ICMP4_TOO_BIG       4 /* code: fragmentation needed and DF set */

#define ICMP6_UNREACHABLE   1
#define ICMP6_TOO_BIG       2
#define ICMP6_TIME_EXCEEDED 3
#define ICMP6_PARAMETER     4

/* What a code of "destination unreachable" means to somebody who connects. */
struct meaning {
	int err;
	bool hard; /* RFC 1122 section 4.2.3.9: of IPv4's codes 2 and 3; 4 is not an error here */
};

static const struct meaning unreachable4[] = {
	[0] = {ENETUNREACH, false},                              /* network */
	[1] = {EHOSTUNREACH, false},  [2] = {ENOPROTOOPT, true}, /* protocol */
	[3] = {ECONNREFUSED, true},                              /* port */
	[4] = {EMSGSIZE, false},                                 /* not from here */
	[5] = {EHOSTUNREACH, false}, /* source route failed: we send none */
	[6] = {ENETUNREACH, false},  /* network unknown */
	[7] = {EHOSTUNREACH, false}, /* host unknown */
	[8] = {EHOSTUNREACH, false}, /* source host isolated */
	[9] = {ENETUNREACH, false},  /* prohibited, to this network */
	[10] = {EHOSTUNREACH, false}, [11] = {ENETUNREACH, false},  /* for this type of service */
	[12] = {EHOSTUNREACH, false}, [13] = {EHOSTUNREACH, false}, /* prohibited by a filter */
	[14] = {EHOSTUNREACH, false}, [15] = {EHOSTUNREACH, false},
};

static const struct meaning unreachable6[] = {
	[0] = {ENETUNREACH, false},  /* no route */
	[1] = {EHOSTUNREACH, false}, /* prohibited */
	[2] = {EHOSTUNREACH, false}, /* beyond the scope of the source */
	[3] = {EHOSTUNREACH, false}, /* address */
	[4] = {ECONNREFUSED, true},  /* port */
	[5] = {EHOSTUNREACH, false}, /* source failed a policy */
	[6] = {EHOSTUNREACH, false}, /* route that rejects */
};

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)be16(p) << 16 | be16(p + 2);
}

/* The quoted IP header; where its payload begins, or 0: not a whole TCP packet of any host. */
static size_t quoted4(const uint8_t *p, size_t len, struct net_icmp *ret)
{
	size_t hlen = len > 0 ? (p[0] & 0xfu) * 4 : 0;

	if (len < 20 || p[0] >> 4 != 4 || hlen < 20 || len < hlen + TCP_QUOTED ||
	    p[9] != IPPROTO_TCP || (be16(p + 6) & RTE_IPV4_HDR_OFFSET_MASK) != 0)
		return 0;
	ret->len = be16(p + 2);
	ret->local.family = ret->peer.family = 4;
	memcpy(ret->local.b, p + 12, 4);
	memcpy(ret->peer.b, p + 16, 4);
	return hlen;
}

/* We send no extension headers, so TCP follows at once. */
static size_t quoted6(const uint8_t *p, size_t len, struct net_icmp *ret)
{
	if (len < 40 + TCP_QUOTED || p[0] >> 4 != 6 || p[6] != IPPROTO_TCP)
		return 0;
	ret->len = be16(p + 4) + 40u;
	ret->local.family = ret->peer.family = 6;
	memcpy(ret->local.b, p + 8, 16);
	memcpy(ret->peer.b, p + 24, 16);
	return 40;
}

/*
 * RFC 1191 section 7.1: a router that does not say how much it takes is given the next smaller
 * of the sizes there are.
 */
static uint32_t plateau_below(uint32_t len)
{
	static const uint16_t plateau[] = {32000, 17914, 8166, 4352, 2002, 1492, 1006, 552};
	size_t i = 0;

	while (i + 1 < RTE_DIM(plateau) && plateau[i] >= len)
		i++;
	return plateau[i];
}

static enum net_drop too_big(uint32_t mtu, uint32_t least, struct net_icmp *ret)
{
	/*
	 * T-34: below what every link carries nobody is believed. RFC 5927 section 7.1: nor is one
	 * who complains of a packet that he says would have fitted.
	 */
	if (mtu < least || mtu >= ret->len || mtu > UINT16_MAX)
		return NET_DROP_ICMP_MTU;
	ret->mtu = (uint16_t)mtu;
	ret->err = EMSGSIZE;
	return NET_DROP_COUNT;
}

static enum net_drop mean(struct net_icmp *ret, const struct meaning *table, size_t n, uint8_t code)
{
	if (code >= n)
		return NET_DROP_ICMP_ERROR;
	ret->err = table[code].err;
	ret->hard = table[code].hard;
	return NET_DROP_COUNT;
}

static enum net_drop parse4(const uint8_t *p, struct net_icmp *ret)
{
	uint32_t mtu = be16(p + 6);

	switch (p[0]) {
	case ICMP4_UNREACHABLE:
		if (p[1] != ICMP4_TOO_BIG)
			return mean(ret, unreachable4, RTE_DIM(unreachable4), p[1]);
		return too_big(mtu != 0 ? mtu : plateau_below(ret->len), NET_PMTU_MIN_4, ret);
	case ICMP4_TIME_EXCEEDED:
		ret->err = EHOSTUNREACH;
		return p[1] <= 1 ? NET_DROP_COUNT : NET_DROP_ICMP_ERROR;
	case ICMP4_PARAMETER:
		ret->err = EPROTO;
		return p[1] <= 2 ? NET_DROP_COUNT : NET_DROP_ICMP_ERROR;
	default:
		return NET_DROP_ICMP_ERROR;
	}
}

static enum net_drop parse6(const uint8_t *p, struct net_icmp *ret)
{
	switch (p[0]) {
	case ICMP6_UNREACHABLE:
		return mean(ret, unreachable6, RTE_DIM(unreachable6), p[1]);
	case ICMP6_TOO_BIG: /* RFC 4443 section 3.2: whatever its code */
		return too_big(be32(p + 4), NET_PMTU_MIN_6, ret);
	case ICMP6_TIME_EXCEEDED:
		ret->err = EHOSTUNREACH;
		return p[1] <= 1 ? NET_DROP_COUNT : NET_DROP_ICMP_ERROR;
	case ICMP6_PARAMETER: /* code 1: the host knows no TCP (RFC 5461 section 2) */
		ret->err = EPROTO;
		ret->hard = p[1] == 1;
		return p[1] <= 2 ? NET_DROP_COUNT : NET_DROP_ICMP_ERROR;
	default:
		return NET_DROP_ICMP_ERROR;
	}
}

enum net_drop icmp_error_parse(uint8_t family, const uint8_t *p, size_t len, struct net_icmp *ret)
{
	struct net_icmp e = {0};
	enum net_drop why;
	size_t hlen;

	if (len < ICMP_HDR_LEN)
		return NET_DROP_ICMP;
	if (family == 4 && p[0] == ICMP4_QUENCH) /* RFC 6633: TCP MUST silently discard it */
		return NET_DROP_ICMP_QUENCH;
	hlen = family == 4 ? quoted4(p + ICMP_HDR_LEN, len - ICMP_HDR_LEN, &e)
			   : quoted6(p + ICMP_HDR_LEN, len - ICMP_HDR_LEN, &e);
	if (hlen == 0)
		return NET_DROP_ICMP_ERROR;
	why = family == 4 ? parse4(p, &e) : parse6(p, &e);
	if (why != NET_DROP_COUNT)
		return why;
	p += ICMP_HDR_LEN + hlen;
	e.local_port = be16(p);
	e.peer_port = be16(p + 2);
	e.seq = be32(p + 4);
	*ret = e;
	return NET_DROP_COUNT;
}

void icmp_error_input(struct net *n, struct rte_mbuf *m, const struct net_addr *dst)
{
	uint8_t buf[QUOTE_MAX];
	uint32_t len = RTE_MIN(m->pkt_len, (uint32_t)sizeof(buf));
	const uint8_t *p = rte_pktmbuf_read(m, 0, len, buf);
	struct net_icmp e;
	enum net_drop why = icmp_error_parse(dst->family, p, len, &e);

	if (why == NET_DROP_COUNT &&
	    (n->icmp_fn == NULL || memcmp(e.local.b, dst->b, sizeof(dst->b)) != 0))
		why = NET_DROP_ICMP_ERROR;
	if (why != NET_DROP_COUNT) {
		net_drop(n, m, why);
		return;
	}
	/* It comes to whom the quoted packet came from; a link-local peer is on the same link. */
	e.local.scope = dst->scope;
	if (net_v6_is_link_local(&e.peer))
		e.peer.scope = dst->scope;
	n->icmp_fn(n->icmp_arg, &e, n->now_us);
	rte_pktmbuf_free(m);
}

void net_icmp_to(struct net *n, net_icmp_fn *fn, void *arg)
{
	n->icmp_fn = fn;
	n->icmp_arg = arg;
}
