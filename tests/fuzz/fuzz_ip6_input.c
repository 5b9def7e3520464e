/*
 * net_input_burst() and net_output() over IPv6, knowing what it builds: lengths and addresses are
 * right, checksums when the input wants them so, and what is behind the IPv6 header is free. So
 * extension headers, fragments, neighbour discovery, listener queries and echo are reached.
 *
 * Input: steps, each behind a head of 4 bytes: what (below), tenths of a second before it, next
 * header, length of the bytes that follow. What comes out must be well-formed, from an address of
 * ours and not too long; the table of neighbours stays within its bounds; every mbuf is back in
 * its pool at the end.
 */
#include "tests/util/frame6.h"
#include "tests/util/fuzz.h"
#include "tests/util/neigh.h"

#define NEIGH 8

/* Bits of a step. */
#define TO(what)   ((what)&3)        /* ours, all nodes, our group, our link-local */
#define FROM(what) ((what) >> 2 & 3) /* a peer, a link-local peer, nobody, ourselves */
#define HOPS_255   0x10
#define HOPS_1     0x20
#define SEAL       0x40 /* the checksum of ICMPv6, behind one extension header of 8 if there is one */
#define SEND       0x80 /* we send to a neighbour of the input's choice */

static struct pkt_pools pools;
static struct net *net;
static struct wire wire;
static const struct rte_ether_addr peer_mac = {{2, 0, 0, 0, 0, 0x77}};

static uint64_t make_net(void)
{
	struct net_conf conf = {.pools = &pools, .neigh_max = NEIGH};
	struct net_addr a = addr6(1, 2), any = {.family = 6}, gw = addr6(1, 0xfe);
	uint64_t now = 1;

	wire_init(&wire, 1);
	check(net_new(&conf, &net) == 0 && net_iface_add(net, "x", &wire.port) == 0);
	check(net_addr_add(net, 0, &a, 64) == 0 && net_route_add(net, &any, 0, &gw) == 0);
	for (int i = 0; i < 3; i++, now += 1000000)
		net_timers(net, now);
	net_flush(net);
	wire_clear(&wire);
	return now;
}

static struct net_addr own(int link_local)
{
	return net->iface[0].addr[link_local ? 0 : 1].addr;
}

/* What we sent: an IPv6 packet of ours, whole, with the right checksum where we make one. */
static void check_sent(const struct rte_mbuf *m)
{
	struct frame6 f = {.len = m->pkt_len, .l4 = F6_L2 + F6_IP};
	static const struct net_addr nobody = {.family = 6};
	struct rte_ipv6_hdr ip;
	struct net_addr src;
	uint16_t sum;

	check(m->pkt_len <= F6_L2 + 1500 && m->pkt_len >= F6_L2 + F6_IP);
	check(rte_pktmbuf_read(m, 0, m->pkt_len, f.b) != NULL);
	if (m->nb_segs == 1)
		memcpy(f.b, rte_pktmbuf_mtod(m, void *), m->pkt_len);
	memcpy(&ip, f.b + F6_L2, sizeof(ip));
	check(f.b[12] == 0x86 && f.b[F6_L2] >> 4 == 6 && ip.hop_limits > 0);
	check(rte_be_to_cpu_16(ip.payload_len) == m->pkt_len - F6_L2 - F6_IP);
	src = ip6_addr(ip.src_addr, 0);
	check(net_addr_is_local(net, &src) || net_addr_eq(&src, &nobody));
	if (ip.proto != IPPROTO_ICMPV6)
		return;
	memcpy(&sum, f.b + f.l4 + 2, 2);
	f6_cksum(&f, IPPROTO_ICMPV6, 2);
	check(memcmp(&sum, f.b + f.l4 + 2, 2) == 0);
}

static void check_table(void)
{
	unsigned int entries;

	check(neigh_wrong(net, &entries) == NULL && entries <= NEIGH);
}

static void receive(uint8_t what, uint8_t next, const uint8_t *p, size_t len, uint64_t now)
{
	const struct net_addr to[] = {own(0), net_all_nodes, net_solicited_node(&to[0]), own(1)};
	const struct net_addr from[] = {addr6(1, 1), addr6(0, 1), {.family = 6}, own(0)};
	const struct net_addr *dst = &to[TO(what)];
	struct rte_ether_addr mac = dst->b[0] == 0xff ? net_group_mac(dst) : wire.port.mac;
	struct rte_mbuf *m, *tcp;
	struct frame6 f;
	const char *why;

	f6_start(&f, &peer_mac, &mac, &from[FROM(what)], dst, next,
		 what & HOPS_255 ? 255
		 : what & HOPS_1 ? 1
				 : 64);
	f6_put(&f, p, (uint32_t)len);
	f6_length(&f);
	if (next == IPPROTO_HOPOPTS || next == IPPROTO_DSTOPTS)
		f.l4 += 8;
	if ((what & SEAL) && f.len >= f.l4 + 4)
		f6_cksum(&f, IPPROTO_ICMPV6, 2);
	m = frame_bytes(pools.data, f.b, f.len);
	check(m != NULL);
	if (net_input_burst(net, 0, &m, 1, now, &tcp) == 1) {
		check(rte_mbuf_check(tcp, 1, &why) == 0 && pkt_writable(tcp));
		check(pkt_meta(tcp)->src.family == 6 && pkt_meta(tcp)->dst.family == 6);
		check(net_addr_is_local(net, &pkt_meta(tcp)->dst));
		check(!net_addr_is_local(net, &pkt_meta(tcp)->src));
		rte_pktmbuf_free(tcp);
	}
}

static void send_one(uint8_t host, uint64_t now)
{
	struct net_addr dst = addr6(host & 0x80 ? 0 : 1, host & 0x7f), src = own(host >> 7);
	struct rte_mbuf *m = rte_pktmbuf_alloc(pools.data);

	if (host & 0x80)
		dst.scope = 1;
	check(m != NULL);
	rte_pktmbuf_append(m, 20);
	memset(rte_pktmbuf_mtod(m, void *), 0, 20);
	net_output(net, m, &src, &dst, IPPROTO_TCP, 64, 0, NULL, now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t now;

	fuzz_start(&pools, 511, 511);
	now = make_net();
	while (size >= 4) {
		uint8_t what = data[0], next = data[2];
		size_t len = RTE_MIN((size_t)data[3], size - 4);

		now += data[1] * UINT64_C(100000);
		if (what & SEND)
			send_one(next, now);
		else
			receive(what, next, data + 4, len, now);
		net_timers(net, now);
		net_flush(net);
		for (unsigned int i = 0; i < wire.n; i++)
			check_sent(wire.out[i]);
		wire_clear(&wire);
		check_table();
		data += 4 + len;
		size -= 4 + len;
	}
	net_free(net);
	fuzz_all_back(&pools);
	return 0;
}
