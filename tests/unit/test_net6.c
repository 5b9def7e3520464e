/* dataplane/net: IPv6 on its way in and out: headers, extension headers, echo, routes. */
#include <criterion/criterion.h>
#include <errno.h>

#include "dataplane/net/internal.h"
#include "tests/util/eal.h"
#include "tests/util/frame6.h"

#define SEC 1000000ull

static struct pkt_pools pools;
static struct wire wire, inside;
static struct net *net;
static uint64_t now = 5 * SEC;
static const struct rte_ether_addr peer_mac = {{2, 0, 0, 0, 0, 0x77}};
static struct net_addr us, peer, gateway;

static void wire_wipe(void)
{
	net_flush(net);
	wire_clear(&wire);
	wire_clear(&inside);
}

/*
 * outside 2001:db8:1::2/64 and fe80::ff:fe00:1 with a default gateway ::fe, inside
 * 2001:db8:2::2/64; the peer is 2001:db8:1::1. Both are proved and announced.
 */
static void start(void)
{
	struct net_conf conf = {.pools = &pools, .neigh_max = 16};
	struct net_addr any = {.family = 6}, in = addr6(2, 2);

	us = addr6(1, 2);
	peer = addr6(1, 1);
	gateway = addr6(1, 0xfe);
	eal_start("64");
	cr_assert_eq(pkt_pools_new("t", 1023, 1023, SOCKET_ID_ANY, &pools), 0);
	cr_assert_eq(net_new(&conf, &net), 0);
	wire_init(&wire, 1);
	wire_init(&inside, 2);
	cr_assert_eq(net_iface_add(net, "outside", &wire.port), 0);
	cr_assert_eq(net_iface_add(net, "inside", &inside.port), 1);
	cr_assert_eq(net_addr_add(net, 0, &us, 64), 0);
	cr_assert_eq(net_addr_add(net, 1, &in, 64), 0);
	cr_assert_eq(net_route_add(net, &any, 0, &gateway), 0);
	for (int i = 0; i < 6; i++, now += SEC)
		net_timers(net, now);
	wire_wipe();
}

static void end(void)
{
	net_free(net);
	wire_clear(&wire);
	wire_clear(&inside);
	cr_expect_eq(eal_out(pools.data), 0);
	cr_expect_eq(eal_out(pools.head), 0);
}

TestSuite(net6, .init = start, .fini = end);

static uint64_t dropped(enum net_drop why)
{
	return net_drops(net)[why];
}

static unsigned int input(struct frame6 *f, struct rte_mbuf **ret)
{
	struct rte_mbuf *m = frame_bytes(pools.data, f->b, f->len);
	unsigned int k = net_input_burst(net, 0, &m, 1, now, ret);

	net_flush(net);
	return k;
}

/* From the peer to us, up to the IPv6 header. */
static struct frame6 from_peer(uint8_t next)
{
	struct frame6 f;

	f6_start(&f, &peer_mac, &wire.port.mac, &peer, &us, next, 64);
	return f;
}

static void put_tcp(struct frame6 *f)
{
	static const uint8_t tcp[24] = {[12] = 0x60};

	f6_put(f, tcp, sizeof(tcp));
	f6_length(f);
}

static void learn(const struct net_addr *a, const struct rte_ether_addr *mac)
{
	struct frame6 f;
	struct rte_mbuf *m = rte_pktmbuf_alloc(pools.data), *ret;

	rte_pktmbuf_append(m, 20);
	net_output(net, m, &us, a, IPPROTO_TCP, 64, 0, NULL, now);
	f6_start(&f, mac, &wire.port.mac, a, &us, IPPROTO_ICMPV6, 255);
	f6_nd(&f, ND_NEIGHBOR_ADVERT, ND_NA_FLAG_SOLICITED, a, ND_OPT_TARGET_LINKADDR, mac);
	cr_assert_eq(input(&f, &ret), 0);
	wire_wipe();
}

static struct rte_ipv6_hdr *sent_ip(unsigned int i)
{
	return rte_pktmbuf_mtod_offset(wire.out[i], struct rte_ipv6_hdr *, F6_L2);
}

/* The type, the code and what follows of ICMPv6. */
static const uint8_t *sent_icmp(unsigned int i)
{
	return rte_pktmbuf_mtod_offset(wire.out[i], const uint8_t *, F6_L2 + F6_IP);
}

static uint32_t sent_pointer(unsigned int i)
{
	rte_be32_t v;

	memcpy(&v, sent_icmp(i) + 4, sizeof(v));
	return rte_be_to_cpu_32(v);
}

/* The checksum of what we sent, as its receiver does it. */
static bool sent_cksum_ok(unsigned int i)
{
	struct frame6 f = {.len = wire.out[i]->pkt_len, .l4 = F6_L2 + F6_IP};
	uint16_t was, is;

	rte_memcpy(f.b, rte_pktmbuf_mtod(wire.out[i], void *), f.len);
	memcpy(&was, f.b + f.l4 + 2, 2);
	f6_cksum(&f, IPPROTO_ICMPV6, 2);
	memcpy(&is, f.b + f.l4 + 2, 2);
	return was == is;
}

/* --- in ------------------------------------------------------------------------------ */

Test(net6, a_tcp_packet_comes_out_cut_to_its_length_and_described)
{
	struct frame6 f = from_peer(IPPROTO_TCP);
	struct rte_mbuf *m;

	f.b[F6_L2 + 1] = 0x30; /* traffic class 3: congestion experienced */
	put_tcp(&f);
	f.len += 6; /* Ethernet's padding */
	cr_assert_eq(input(&f, &m), 1);
	cr_expect_eq(m->pkt_len, 24);
	cr_expect_eq(m->data_len, 24);
	cr_expect(net_addr_eq(&pkt_meta(m)->src, &peer));
	cr_expect(net_addr_eq(&pkt_meta(m)->dst, &us));
	cr_expect_eq(pkt_meta(m)->ecn, 3);
	cr_expect_eq(pkt_meta(m)->iface, 0);
	rte_pktmbuf_free(m);
}

Test(net6, a_link_local_peer_is_known_with_its_interface)
{
	struct net_addr ll = addr6(0, 0x77), own = net->iface[0].addr[0].addr;
	struct rte_mbuf *m;
	struct frame6 f;

	cr_assert(net_v6_is_link_local(&own));
	f6_start(&f, &peer_mac, &wire.port.mac, &ll, &own, IPPROTO_TCP, 64);
	put_tcp(&f);
	cr_assert_eq(input(&f, &m), 1);
	cr_expect_eq(pkt_meta(m)->src.scope, 1);
	cr_expect_eq(pkt_meta(m)->dst.scope, 1);
	rte_pktmbuf_free(m);
}

static const struct {
	const char *what;
	uint8_t at, value; /* of the frame */
	enum net_drop why;
} header_faults[] = {
	{"version 4", F6_L2, 0x45, NET_DROP_IP_HEADER},
	{"longer than the frame", F6_L2 + 5, 25, NET_DROP_IP_HEADER},
	{"much longer", F6_L2 + 4, 0xff, NET_DROP_IP_HEADER},
	{"jumbogram", F6_L2 + 5, 0, NET_DROP_IP_HEADER},
	{"not our address", F6_L2 + 39, 9, NET_DROP_NOT_MINE},
	{"our other interface's address", F6_L2 + 29, 2, NET_DROP_NOT_MINE},
	{"a group we are not in", F6_L2 + 24, 0xff, NET_DROP_NOT_MINE},
	{"a multicast source", F6_L2 + 8, 0xff, NET_DROP_IP_SOURCE},
	{"our own source", F6_L2 + 23, 2, NET_DROP_IP_SOURCE},
	{"somebody else's MAC", 5, 0x99, NET_DROP_NOT_MINE},
	{"one host's packet to a group's MAC", 0, 0x33, NET_DROP_NOT_MINE},
	{"UDP", F6_L2 + 6, IPPROTO_UDP, NET_DROP_IP_PROTO},
	{"AH", F6_L2 + 6, IPPROTO_AH, NET_DROP_IP_PROTO},
	{"IPv6 in IPv6", F6_L2 + 6, IPPROTO_IPV6, NET_DROP_IP_PROTO},
	{"IPv4 in IPv6", F6_L2 + 6, IPPROTO_IPIP, NET_DROP_IP_PROTO},
	{"no next header", F6_L2 + 6, IPPROTO_NONE, NET_DROP_IP_PROTO},
};

Test(net6, bad_headers_are_dropped_each_for_its_reason)
{
	for (size_t i = 0; i < RTE_DIM(header_faults); i++) {
		struct frame6 f = from_peer(IPPROTO_TCP);
		uint64_t before = dropped(header_faults[i].why);
		struct rte_mbuf *m;

		put_tcp(&f);
		f.b[header_faults[i].at] = header_faults[i].value;
		cr_expect_eq(input(&f, &m), 0, "%s", header_faults[i].what);
		cr_expect_eq(dropped(header_faults[i].why), before + 1, "%s",
			     header_faults[i].what);
	}
}

static const struct {
	const char *what;
	uint8_t a[16];
} bad_sources[] = {
	{"unspecified", {0}},
	{"loopback", {[15] = 1}},
	{"compatible", {[12] = 198, 18, 0, 1}},
	{"mapped", {[10] = 0xff, 0xff, 198, 18, 0, 1}},
	{"link-local with bits that must be zero", {0xfe, 0x80, 1, [15] = 1}},
	{"link-local beyond /64", {0xfe, 0x90, [15] = 1}},
};

Test(net6, nobodys_address_sends_no_tcp)
{
	for (size_t i = 0; i < RTE_DIM(bad_sources); i++) {
		struct frame6 f = from_peer(IPPROTO_TCP);
		struct rte_mbuf *m;

		put_tcp(&f);
		memcpy(f.b + F6_L2 + 8, bad_sources[i].a, 16);
		cr_expect_eq(input(&f, &m), 0, "%s", bad_sources[i].what);
		cr_expect_eq(dropped(NET_DROP_IP_SOURCE), i + 1, "%s", bad_sources[i].what);
	}
}

Test(net6, every_short_frame_is_dropped)
{
	static const uint8_t opts[8] = {IPPROTO_TCP, 0, 1, 4};
	struct frame6 f = from_peer(IPPROTO_DSTOPTS);
	struct rte_mbuf *m;
	uint32_t whole;

	f6_ext(&f, opts, sizeof(opts));
	put_tcp(&f);
	whole = f.len;
	for (f.len = 0; f.len < whole; f.len++)
		cr_expect_eq(input(&f, &m), 0, "%u", f.len);
	cr_expect_eq(input(&f, &m), 1);
	rte_pktmbuf_free(m);
}

/* --- extension headers (T-31) ------------------------------------------------------------ */

enum { PASS = -1, SILENT = -2 };

static const struct {
	const char *what;
	uint8_t next; /* of the IPv6 header */
	uint8_t ext[40];
	uint8_t len;
	int code; /* of the Parameter Problem, PASS or SILENT */
	uint8_t pointer;
} exts[] = {
	{"padding", 60, {6, 0, 1, 4}, 8, PASS, 0},
	{"hop-by-hop first", 0, {6, 0, 1, 4}, 8, PASS, 0},
	{"hop-by-hop, then destination", 0, {60, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4}, 16, PASS, 0},
	{"an option to be skipped", 60, {6, 0, 0x1e, 4}, 8, PASS, 0},
	{"an option to discard for", 60, {6, 0, 0x40, 4}, 8, SILENT, 0},
	{"an option to report", 60, {6, 0, 0x80, 4}, 8, 2, 42},
	{"a jumbo payload", 0, {6, 0, 0xc2, 4, 0, 1, 0, 0}, 8, 2, 42},
	{"an option past the end", 60, {6, 0, 1, 5}, 8, 0, 42},
	{"an option without length", 60, {6, 0, 0, 0, 0, 0, 0, 1}, 8, 0, 47},
	{"hop-by-hop not first", 60, {0, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4}, 16, 1, 40},
	{"source route, type 0", 43, {6, 2, 0, 1}, 24, 0, 42},
	{"type 0 at its end", 43, {6, 2, 0, 0}, 24, PASS, 0},
	{"type 2", 43, {6, 2, 2, 1}, 24, 0, 42},
	{"a header nobody knows", 60, {253, 0, 1, 4}, 8, 1, 40},
	{"header longer than the packet", 60, {6, 99, 1, 4}, 8, SILENT, 0},
};

Test(net6, extension_headers_pass_or_are_answered_as_the_rfc_says)
{
	learn(&peer, &peer_mac);
	for (size_t i = 0; i < RTE_DIM(exts); i++) {
		struct frame6 f = from_peer(exts[i].next);
		unsigned int answers = exts[i].code >= 0;
		struct rte_mbuf *m;

		f6_ext(&f, exts[i].ext, exts[i].len);
		put_tcp(&f);
		if (exts[i].code == PASS) {
			cr_assert_eq(input(&f, &m), 1, "%s", exts[i].what);
			cr_expect_eq(m->pkt_len, 24, "%s", exts[i].what);
			rte_pktmbuf_free(m);
		} else {
			cr_expect_eq(input(&f, &m), 0, "%s", exts[i].what);
		}
		cr_assert_eq(wire.n, answers, "%s", exts[i].what);
		if (answers) {
			cr_expect_eq(sent_icmp(0)[0], ICMP6_PARAM_PROB);
			cr_expect_eq(sent_icmp(0)[1], exts[i].code, "%s", exts[i].what);
			cr_expect_eq(sent_pointer(0), exts[i].pointer, "%s", exts[i].what);
			cr_expect(sent_cksum_ok(0), "%s", exts[i].what);
			cr_expect_eq(memcmp(sent_icmp(0) + 8, f.b + F6_L2, f.len - F6_L2), 0,
				     "what was wrong comes with it: %s", exts[i].what);
		}
		wire_wipe();
	}
}

Test(net6, long_chains_of_headers_end_early)
{
	static const uint8_t opts[8] = {60, 0, 1, 4}, last[8] = {6, 0, 1, 4};
	struct rte_mbuf *m;

	for (unsigned int n = 1; n <= 100; n++) {
		struct frame6 f = from_peer(60);

		for (unsigned int i = 0; i + 1 < n; i++)
			f6_ext(&f, opts, sizeof(opts));
		f6_ext(&f, last, sizeof(last));
		put_tcp(&f);
		cr_expect_eq(input(&f, &m), n <= 8, "%u headers", n);
		if (n <= 8)
			rte_pktmbuf_free(m);
	}
	cr_expect_eq(dropped(NET_DROP_IP6_EXT), 92);
}

Test(net6, large_headers_and_many_options_are_dropped)
{
	uint8_t large[512] = {6, 63, 1, 255, [259] = 1, 249}, many[32] = {6, 3};
	struct frame6 f = from_peer(60);
	struct rte_mbuf *m;

	f6_ext(&f, large, sizeof(large));
	put_tcp(&f);
	cr_expect_eq(input(&f, &m), 0);
	for (unsigned int n = 0; n < 15; n++)
		many[2 + 2 * n] = n < 9 ? 0x1e : 1;
	f = from_peer(60);
	f6_ext(&f, many, sizeof(many));
	put_tcp(&f);
	cr_expect_eq(input(&f, &m), 0);
	cr_expect_eq(dropped(NET_DROP_IP6_EXT), 2);
	cr_expect_eq(wire.n, 0);
}

Test(net6, fragments_become_a_packet_again)
{
	static const uint8_t first[8] = {60, 0, 0, 1, 0, 0, 0, 7},
			     second[8] = {60, 0, 0, 8, 0, 0, 0, 7};
	static const uint8_t opts[8] = {6, 0, 1, 4}, tcp[24] = {[12] = 0x60};
	struct frame6 f = from_peer(44);
	struct rte_mbuf *m;

	/* The options and the TCP header in different fragments: RFC 7112 wants them in one. */
	f6_ext(&f, first, sizeof(first));
	f6_put(&f, opts, sizeof(opts));
	f6_length(&f);
	cr_expect_eq(input(&f, &m), 0);
	f = from_peer(44);
	f6_ext(&f, second, sizeof(second));
	f6_put(&f, tcp, sizeof(tcp));
	f6_length(&f);
	if (input(&f, &m) == 1) {
		cr_expect_eq(m->pkt_len, 24);
		cr_expect(net_addr_eq(&pkt_meta(m)->src, &peer));
		rte_pktmbuf_free(m);
	} else {
		cr_expect_eq(dropped(NET_DROP_FRAG_TINY), 1);
	}
}

Test(net6, a_packet_in_two_fragments_is_put_together)
{
	uint8_t h[8] = {6, 0, 0, 1, 0, 0, 0, 7};
	uint8_t tcp[64] = {[12] = 0x60, [63] = 0xaa};
	struct frame6 f = from_peer(44);
	struct rte_mbuf *m;

	f6_ext(&f, h, sizeof(h));
	f6_put(&f, tcp, 40);
	f6_length(&f);
	cr_expect_eq(input(&f, &m), 0);
	h[3] = 40;
	f = from_peer(44);
	f6_ext(&f, h, sizeof(h));
	f6_put(&f, tcp + 40, 24);
	f6_length(&f);
	cr_assert_eq(input(&f, &m), 1);
	cr_expect_eq(m->pkt_len, 64);
	rte_pktmbuf_free(m);
}

Test(net6, an_atomic_fragment_is_a_packet)
{
	static const uint8_t h[8] = {6, 0, 0, 0, 0, 0, 0, 7};
	struct frame6 f = from_peer(44);
	struct rte_mbuf *m;

	f6_ext(&f, h, sizeof(h));
	put_tcp(&f);
	cr_assert_eq(input(&f, &m), 1);
	cr_expect_eq(m->pkt_len, 24);
	rte_pktmbuf_free(m);
}

Test(net6, a_fragment_of_odd_length_is_answered)
{
	static const uint8_t h[8] = {6, 0, 0, 1, 0, 0, 0, 7};
	struct frame6 f = from_peer(44);
	struct rte_mbuf *m;

	learn(&peer, &peer_mac);
	f6_ext(&f, h, sizeof(h));
	f6_put(&f, h, 7);
	f6_length(&f);
	cr_expect_eq(input(&f, &m), 0);
	cr_assert_eq(wire.n, 1);
	cr_expect_eq(sent_pointer(0), 4, "payload length");
	cr_expect_eq(dropped(NET_DROP_FRAG_LENGTH), 1);
}

Test(net6, a_fragment_in_a_fragment_is_dropped)
{
	static const uint8_t outer[8] = {44, 0, 0, 0, 0, 0, 0, 7},
			     inner[8] = {6, 0, 0, 0, 0, 0, 0, 8};
	struct frame6 f = from_peer(44);
	struct rte_mbuf *m;

	f6_ext(&f, outer, sizeof(outer));
	f6_ext(&f, inner, sizeof(inner));
	put_tcp(&f);
	cr_expect_eq(input(&f, &m), 0);
	cr_expect_eq(dropped(NET_DROP_IP6_EXT), 1);
}

/* --- ICMPv6 ------------------------------------------------------------------------------ */

static struct frame6 echo(const struct net_addr *src, const struct net_addr *dst)
{
	static const uint8_t h[16] = {
		ICMP6_ECHO_REQUEST, 0, 0, 0, 0x12, 0x34, 0, 1, 'd', 'a', 't', 'a'};
	struct rte_ether_addr to = wire.port.mac;
	struct frame6 f;

	if (dst->b[0] == 0xff)
		to = net_group_mac(dst);
	f6_start(&f, &peer_mac, &to, src, dst, IPPROTO_ICMPV6, 64);
	f6_put(&f, h, sizeof(h));
	f6_end_icmp(&f);
	return f;
}

Test(net6, echo_is_answered)
{
	struct frame6 f = echo(&peer, &us);
	struct rte_mbuf *m;

	learn(&peer, &peer_mac);
	cr_expect_eq(input(&f, &m), 0);
	cr_assert_eq(wire.n, 1);
	cr_expect_eq(memcmp(sent_ip(0)->src_addr, us.b, 16), 0);
	cr_expect_eq(memcmp(sent_ip(0)->dst_addr, peer.b, 16), 0);
	cr_expect_eq(sent_icmp(0)[0], ICMP6_ECHO_REPLY);
	cr_expect_eq(memcmp(sent_icmp(0) + 8, "data", 4), 0);
	cr_expect(sent_cksum_ok(0));
}

Test(net6, echo_to_all_nodes_is_answered_from_an_address_of_ours)
{
	struct frame6 f = echo(&peer, &net_all_nodes);
	struct rte_mbuf *m;

	learn(&peer, &peer_mac);
	cr_expect_eq(input(&f, &m), 0);
	cr_assert_eq(wire.n, 1);
	cr_expect_eq(memcmp(sent_ip(0)->src_addr, us.b, 16), 0);
}

Test(net6, echo_has_a_rate)
{
	struct frame6 f = echo(&peer, &us);
	struct rte_mbuf *m;

	learn(&peer, &peer_mac);
	for (int i = 0; i < 300; i++)
		input(&f, &m);
	cr_expect_eq(wire.n, NET_ICMP_BURST);
	cr_expect_eq(dropped(NET_DROP_ICMP_RATE), 200);
}

static const struct {
	const char *what;
	uint8_t at, value; /* of the frame, before the checksum is made */
	bool bad_cksum;
	enum net_drop why;
} icmp_faults[] = {
	{"checksum", F6_L2 + F6_IP + 5, 0x34, true, NET_DROP_ICMP},
	{"code", F6_L2 + F6_IP + 1, 1, false, NET_DROP_ICMP},
	{"an answer", F6_L2 + F6_IP, ICMP6_ECHO_REPLY, false, NET_DROP_ICMP},
	{"unknown", F6_L2 + F6_IP, 200, false, NET_DROP_ICMP},
	{"an unknown error", F6_L2 + F6_IP, 100, false, NET_DROP_ICMP_ERROR},
	{"router solicitation", F6_L2 + F6_IP, ND_ROUTER_SOLICIT, false, NET_DROP_ND_ROUTER},
	{"router advertisement", F6_L2 + F6_IP, ND_ROUTER_ADVERT, false, NET_DROP_ND_ROUTER},
	{"redirect", F6_L2 + F6_IP, ND_REDIRECT, false, NET_DROP_ND_ROUTER},
	{"from a group", F6_L2 + 8, 0xff, false, NET_DROP_IP_SOURCE},
	{"from our own address", F6_L2 + 23, 2, false, NET_DROP_ICMP},
};

Test(net6, icmp_that_is_not_answered)
{
	learn(&peer, &peer_mac);
	for (size_t i = 0; i < RTE_DIM(icmp_faults); i++) {
		struct frame6 f = echo(&peer, &us);
		uint64_t before = dropped(icmp_faults[i].why);
		struct rte_mbuf *m;

		f.b[icmp_faults[i].at] = icmp_faults[i].value;
		f6_end_icmp(&f);
		f.b[F6_L2 + F6_IP + 2] ^= icmp_faults[i].bad_cksum;
		cr_expect_eq(input(&f, &m), 0, "%s", icmp_faults[i].what);
		cr_expect_eq(dropped(icmp_faults[i].why), before + 1, "%s", icmp_faults[i].what);
		cr_expect_eq(wire.n, 0, "%s", icmp_faults[i].what);
	}
}

Test(net6, errors_are_not_answered_with_errors)
{
	static const uint8_t opts[8] = {6, 0, 0x80, 4};
	struct net_addr group = net_solicited_node(&us);
	struct rte_ether_addr group_mac = net_group_mac(&group);
	struct net_addr nobody = {.family = 6};
	struct frame6 f;
	struct rte_mbuf *m;

	learn(&peer, &peer_mac);
	/* Unknown next header to a group: RFC 4443 2.4 (e.3). */
	f6_start(&f, &peer_mac, &group_mac, &peer, &group, 253, 64);
	put_tcp(&f);
	input(&f, &m);
	cr_expect_eq(wire.n, 0);
	/* From nobody. */
	f6_start(&f, &peer_mac, &wire.port.mac, &nobody, &us, 253, 64);
	put_tcp(&f);
	input(&f, &m);
	cr_expect_eq(wire.n, 0);
	/* But an option that asks for it is answered to a group, too. */
	f6_start(&f, &peer_mac, &group_mac, &peer, &group, 60, 64);
	f6_ext(&f, opts, sizeof(opts));
	put_tcp(&f);
	input(&f, &m);
	cr_expect_eq(wire.n, 1);
}

static void count_error(void *arg, const struct net_icmp *e, uint64_t now_us)
{
	(void)e, (void)now_us;
	++*(unsigned int *)arg;
}

/* An error comes from a host (RFC 4291 sections 2.5.2 and 2.7), and we send ourselves none. */
Test(net6, errors_from_nobody_or_ourselves_are_not_believed)
{
	const struct net_addr from[] = {peer, {.family = 6}, us};
	const uint8_t head[8] = {ICMP6_PACKET_TOO_BIG, [6] = 1280 >> 8, 1280 & 0xff};
	unsigned int heard = 0;
	struct rte_mbuf *m;

	net_icmp_to(net, count_error, &heard);
	for (size_t i = 0; i < RTE_DIM(from); i++) {
		struct rte_ipv6_hdr quoted = {.vtc_flow = RTE_BE32(6u << 28),
					      .payload_len = RTE_BE16(1460),
					      .proto = IPPROTO_TCP};
		static const uint8_t tcp[20] = {0, 22, 0x12, 0x34};
		struct frame6 f;

		memcpy(quoted.src_addr, us.b, 16);
		memcpy(quoted.dst_addr, peer.b, 16);
		f6_start(&f, &peer_mac, &wire.port.mac, &from[i], &us, IPPROTO_ICMPV6, 64);
		f6_put(&f, head, sizeof(head));
		f6_put(&f, &quoted, sizeof(quoted));
		f6_put(&f, tcp, sizeof(tcp));
		f6_end_icmp(&f);
		cr_expect_eq(input(&f, &m), 0);
		cr_expect_eq(heard, 1, "from %zu", i);
	}
	cr_expect_eq(dropped(NET_DROP_ICMP), 2);
}

/* RFC 4443 2.4 (e.1), whatever headers stand before the error. */
static const struct {
	const char *what;
	uint8_t next, ext[24], len, type;
	bool answered;
} reported[] = {
	{"a question", 60, {58, 0, 0x80, 4}, 8, ICMP6_ECHO_REQUEST, true},
	{"an error", 60, {58, 0, 0x80, 4}, 8, ICMP6_DST_UNREACH, false},
	{"an error behind hop-by-hop",
	 0,
	 {60, 0, 0x80, 4, 0, 0, 0, 0, 58},
	 16,
	 ICMP6_PARAM_PROB,
	 false},
	{"an error behind a route", 43, {58, 0, 2, 1}, 8, ICMP6_TIME_EXCEEDED, false},
	{"an error in a first fragment",
	 60,
	 {44, 0, 0x80, 4, 0, 0, 0, 0, 58, 0, 0, 1},
	 16,
	 ICMP6_PACKET_TOO_BIG,
	 false},
	{"what is not shown of a message",
	 60,
	 {44, 0, 0x80, 4, 0, 0, 0, 0, 58, 0, 0, 9},
	 16,
	 ICMP6_ECHO_REQUEST,
	 false},
	{"a header that is cut",
	 60,
	 {60, 0, 0x80, 4, 0, 0, 0, 0, 58, 9},
	 16,
	 ICMP6_ECHO_REQUEST,
	 false},
};

Test(net6, an_error_behind_other_headers_is_not_answered)
{
	static const uint8_t rest[7];
	struct rte_mbuf *m;

	learn(&peer, &peer_mac);
	for (size_t i = 0; i < RTE_DIM(reported); i++) {
		struct frame6 f = from_peer(reported[i].next);

		f6_ext(&f, reported[i].ext, reported[i].len);
		f6_put(&f, &reported[i].type, 1);
		f6_put(&f, rest, sizeof(rest));
		f6_end_icmp(&f);
		input(&f, &m);
		cr_expect_eq(wire.n, reported[i].answered, "%s", reported[i].what);
		wire_wipe();
	}
}

/* --- out --------------------------------------------------------------------------------- */

static const struct {
	uint16_t net, host, hop_net, hop_host;
	int iface;
	uint16_t src_net;
} routes[] = {
	{1, 1, 1, 1, 0, 1},    {2, 9, 2, 9, 1, 2},    {9, 1, 1, 0xfe, 0, 1},
	{0x30, 1, 2, 7, 1, 2}, {0x31, 1, 2, 8, 1, 2},
};

Test(net6, longest_prefix_wins)
{
	struct net_addr p44 = addr6(0x30, 0), p48 = addr6(0x31, 0);
	struct net_addr a = addr6(2, 7), b = addr6(2, 8);
	struct net_path path;

	cr_assert_eq(net_route_add(net, &p44, 44, &a), 0);
	cr_assert_eq(net_route_add(net, &p48, 48, &b), 0);
	for (size_t i = 0; i < RTE_DIM(routes); i++) {
		struct net_addr dst = addr6(routes[i].net, routes[i].host);
		struct net_addr hop = addr6(routes[i].hop_net, routes[i].hop_host);
		struct net_addr src = addr6(routes[i].src_net, 2);

		cr_assert_eq(net_route(net, &dst, &path), 0, "case %zu", i);
		cr_expect_eq(path.iface, routes[i].iface, "case %zu", i);
		cr_expect(net_addr_eq(&path.next_hop, &hop), "case %zu", i);
		cr_expect(net_addr_eq(&path.src, &src), "case %zu", i);
	}
}

Test(net6, a_link_local_destination_goes_where_it_was_met)
{
	struct net_addr ll = addr6(0, 0x77);
	struct net_path path;

	cr_expect_eq(net_route(net, &ll, &path), -ENETUNREACH, "on which link?");
	for (uint8_t i = 1; i <= 2; i++) {
		ll.scope = i;
		cr_assert_eq(net_route(net, &ll, &path), 0);
		cr_expect_eq(path.iface, i - 1);
		cr_expect(net_v6_is_link_local(&path.src));
		cr_expect_eq(path.src.scope, i);
	}
	ll.scope = 3;
	cr_expect_eq(net_route(net, &ll, &path), -ENETUNREACH, "no such interface");
}

Test(net6, a_link_local_gateway_says_its_interface)
{
	struct net_addr gw = addr6(0, 1), p = addr6(0x40, 0), dst = addr6(0x40, 5);
	struct net_addr in = addr6(2, 2);
	struct net_path path;

	cr_expect_eq(net_route_add(net, &p, 48, &gw), -ENETUNREACH);
	gw.scope = 2;
	cr_assert_eq(net_route_add(net, &p, 48, &gw), 0);
	cr_assert_eq(net_route(net, &dst, &path), 0);
	cr_expect_eq(path.iface, 1);
	cr_expect(net_addr_eq(&path.next_hop, &gw));
	cr_expect(net_addr_eq(&path.src, &in), "a global address speaks for us");
}

Test(net6, bad_addresses_and_routes_are_refused)
{
	struct net_addr net1 = addr6(1, 0), p = addr6(0x50, 0), gw = addr6(1, 9);
	struct net_addr far = addr6(0x60, 1), odd = addr6(0x50, 1), four = addr4(198, 18, 0, 1);
	struct net_addr group = {.family = 6, .b = {0xff, 2, [15] = 1}};
	struct net_addr mapped = {.family = 6, .b = {[10] = 0xff, 0xff, 1, 2, 3, 4}};
	struct net_addr ll = addr6(0, 5);

	cr_expect_eq(net_addr_add(net, 0, &us, 64), -EEXIST);
	cr_expect_eq(net_addr_add(net, 0, &net1, 64), -EINVAL, "the routers' address");
	cr_expect_eq(net_addr_add(net, 0, &gw, 0), -EINVAL);
	cr_expect_eq(net_addr_add(net, 0, &gw, 129), -EINVAL);
	cr_expect_eq(net_addr_add(net, 0, &group, 64), -EINVAL);
	cr_expect_eq(net_addr_add(net, 0, &mapped, 96), -EINVAL);
	cr_expect_eq(net_addr_add(net, 0, &ll, 10), -EINVAL);
	cr_expect_eq(net_route_add(net, &odd, 64, &gw), -EINVAL, "bits behind the prefix");
	cr_expect_eq(net_route_add(net, &p, 129, &gw), -EINVAL);
	cr_expect_eq(net_route_add(net, &p, 48, &four), -EINVAL, "two families");
	cr_expect_eq(net_route_add(net, &p, 48, &far), -ENETUNREACH);
	cr_expect_eq(net_route_add(net, &p, 48, &us), -ENETUNREACH);
	cr_expect_eq(net_route_add(net, &p, 48, &gw), 0);
	cr_expect_eq(net_route_add(net, &p, 48, &gw), -EEXIST);
	net->iface[0].mtu = 1279;
	cr_expect_eq(net_addr_add(net, 0, &gw, 64), -EINVAL, "RFC 8200 5 wants 1280");
}

Test(net6, output_has_the_right_header_and_stays_within_the_mtu)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pools.data);

	learn(&peer, &peer_mac);
	rte_pktmbuf_append(m, 1460);
	cr_expect_eq(net_output(net, m, &us, &peer, IPPROTO_TCP, 64, 2, NULL, now), 0);
	m = rte_pktmbuf_alloc(pools.data);
	rte_pktmbuf_append(m, 1461);
	cr_expect_eq(net_output(net, m, &us, &peer, IPPROTO_TCP, 64, 0, NULL, now), -EMSGSIZE);
	net_flush(net);
	cr_assert_eq(wire.n, 1);
	cr_expect_eq(sent_ip(0)->vtc_flow, RTE_BE32(0x60200000));
	cr_expect_eq(sent_ip(0)->payload_len, RTE_BE16(1460));
	cr_expect_eq(sent_ip(0)->proto, IPPROTO_TCP);
	cr_expect_eq(sent_ip(0)->hop_limits, 64);
	cr_expect_eq(wire.out[0]->pkt_len, 14 + 1500);
}

Test(net6, a_port_that_sums_is_told_where)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pools.data);

	learn(&peer, &peer_mac);
	rte_pktmbuf_append(m, 20);
	m->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
	net_output(net, m, &us, &peer, IPPROTO_TCP, 64, 0, NULL, now);
	net_flush(net);
	cr_assert_eq(wire.n, 1);
	cr_expect(wire.out[0]->ol_flags & RTE_MBUF_F_TX_IPV6);
	cr_expect(!(wire.out[0]->ol_flags & RTE_MBUF_F_TX_IPV4));
	cr_expect_eq(wire.out[0]->l3_len, 40);
}
