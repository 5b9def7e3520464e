/*
 * ARP and neighbour discovery as hosts of the link might say it, in any order: answers asked for
 * and not, requests, announcements, other hosts' words with a MAC of their choice, links that go
 * down, and packets of ours to whom they are about.
 *
 * Input: steps of 4 bytes: what, which host, which MAC, tenths of a second before it. A neighbour
 * is added only because we send to him, or answer one who does not say his MAC; the gateway keeps
 * its place; each table stays within its bounds; when all is quiet nothing waits, and every mbuf
 * is back in its pool at the end.
 */
#include "tests/util/frame6.h"
#include "tests/util/fuzz.h"
#include "tests/util/neigh.h"

#define NEIGH 8
#define STEP  4

/* What a step is, in its low 3 bits; the others say how. */
enum { SEND_4, SEND_6, ARP_REPLY, ARP_REQUEST, ADVERT, SOLICIT, LINK, QUIET };
#define WITH_MAC 0x08 /* ND: the option with the MAC is there */
#define FLAGS    0xe0 /* of an advertisement: router, solicited, override */
#define TO_ALL   0x10
#define FOR_OURS 0x08 /* ARP: about our address, else about the sender's own (gratuitous) */
#define LINK_UP  0x08
#define QUIET_US (700 * UINT64_C(1000000)) /* whoever is silent for so long is forgotten */
#define QUIET_IN 100

static struct pkt_pools pools;
static struct net *net;
static struct wire wire;

static struct net_addr host4(uint8_t h)
{
	return addr4(198, 18, 0, h & 0x80 ? 254 : 16 + (h & 15));
}

static struct net_addr host6(uint8_t h)
{
	return addr6(1, h & 0x80 ? 0xfe : 16 + (h & 15));
}

static struct rte_ether_addr mac_of(uint8_t m)
{
	return (struct rte_ether_addr){{2, 0, 0, 0, 1, m & 3}};
}

static uint64_t make_net(void)
{
	struct net_conf conf = {.pools = &pools, .neigh_max = NEIGH};
	struct net_addr a4 = addr4(198, 18, 0, 2), any4 = {.family = 4}, gw4 = host4(0x80);
	struct net_addr a6 = addr6(1, 2), any6 = {.family = 6}, gw6 = host6(0x80);
	uint64_t now = 1;

	wire_init(&wire, 1);
	check(net_new(&conf, &net) == 0 && net_iface_add(net, "x", &wire.port) == 0);
	check(net_addr_add(net, 0, &a4, 24) == 0 && net_addr_add(net, 0, &a6, 64) == 0);
	check(net_route_add(net, &any4, 0, &gw4) == 0 && net_route_add(net, &any6, 0, &gw6) == 0);
	for (int i = 0; i < 3; i++, now += 1000000)
		net_timers(net, now);
	return now;
}

static void input(const void *p, size_t n, uint64_t now)
{
	struct rte_mbuf *m = frame_bytes(pools.data, p, n), *tcp;

	check(m != NULL);
	check(net_input_burst(net, 0, &m, 1, now, &tcp) == 0);
}

static void arp(const uint8_t *s, uint64_t now)
{
	const struct rte_ether_addr mac = mac_of(s[2]);
	const bool reply = (s[0] & 7) == ARP_REPLY;
	const struct net_addr from = host4(s[1]), ours = addr4(198, 18, 0, 2);
	struct {
		struct rte_ether_hdr eth;
		struct rte_arp_hdr arp;
	} f = {
		.eth = {.src_addr = mac, .ether_type = RTE_BE16(RTE_ETHER_TYPE_ARP)},
		.arp = {.arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER),
			.arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4),
			.arp_hlen = 6,
			.arp_plen = 4,
			.arp_opcode =
				reply ? RTE_BE16(RTE_ARP_OP_REPLY) : RTE_BE16(RTE_ARP_OP_REQUEST),
			.arp_data = {.arp_sha = mac}},
	};

	memset(&f.eth.dst_addr, 0xff, sizeof(f.eth.dst_addr));
	if (!(s[0] & TO_ALL))
		f.eth.dst_addr = wire.port.mac;
	f.arp.arp_data.arp_tha = f.eth.dst_addr;
	f.arp.arp_data.arp_sip = net_v4(&from);
	f.arp.arp_data.arp_tip = net_v4(s[0] & FOR_OURS ? &ours : &from);
	input(&f, sizeof(f), now);
}

static void nd(const uint8_t *s, uint64_t now)
{
	const struct rte_ether_addr mac = mac_of(s[2]);
	const bool advert = (s[0] & 7) == ADVERT;
	const struct net_addr from = host6(s[1]), ours = addr6(1, 2);
	const struct net_addr group = advert ? net_all_nodes : net_solicited_node(&ours);
	const struct net_addr *dst = s[0] & TO_ALL ? &group : &ours;
	struct rte_ether_addr to = s[0] & TO_ALL ? net_group_mac(&group) : wire.port.mac;
	uint8_t head[8] = {advert ? ND_NEIGHBOR_ADVERT : ND_NEIGHBOR_SOLICIT};
	const uint8_t option[2] = {advert ? ND_OPT_TARGET_LINKADDR : ND_OPT_SOURCE_LINKADDR, 1};
	struct frame6 f;

	head[4] = advert ? s[0] & FLAGS : 0;
	f6_start(&f, &mac, &to, &from, dst, IPPROTO_ICMPV6, 255);
	f6_put(&f, head, sizeof(head));
	f6_put(&f, advert ? from.b : ours.b, 16);
	if (s[0] & WITH_MAC) {
		f6_put(&f, option, sizeof(option));
		f6_put(&f, &mac, sizeof(mac));
	}
	f6_end_icmp(&f);
	input(f.b, f.len, now);
}

static void send_to(const struct net_addr *to, uint64_t now)
{
	struct net_addr src = to->family == 4 ? addr4(198, 18, 0, 2) : addr6(1, 2);
	struct rte_mbuf *m = rte_pktmbuf_alloc(pools.data);

	check(m != NULL);
	memset(rte_pktmbuf_append(m, 20), 0, 20);
	net_output(net, m, &src, to, IPPROTO_TCP, 64, 0, NULL, now);
}

static unsigned int entries(void)
{
	unsigned int n = 0;
	const char *wrong = neigh_wrong(net, &n);

	if (wrong != NULL)
		fprintf(stderr, "%s\n", wrong);
	check(wrong == NULL);
	return n;
}

static uint64_t quiet(uint64_t now)
{
	for (int i = 0; i < QUIET_IN; i++, now += QUIET_US / QUIET_IN) {
		net_timers(net, now);
		net_flush(net);
		wire_clear(&wire);
	}
	check(entries() == 2 && net->neigh_incomplete == 0); /* the gateways */
	return now;
}

/* RFC 4861 section 7.2.4: who asks without a word of its MAC is looked for, to be answered. */
static bool is_to_be_answered(const uint8_t *s)
{
	return (s[0] & 7) == SOLICIT && !(s[0] & WITH_MAC);
}

static uint64_t step(const uint8_t *s, uint64_t now)
{
	const struct net_addr to4 = host4(s[1]), to6 = host6(s[1]);
	unsigned int before = entries();

	switch (s[0] & 7) {
	case SEND_4:
		send_to(&to4, now);
		break;
	case SEND_6:
		send_to(&to6, now);
		break;
	case ARP_REPLY:
	case ARP_REQUEST:
		arp(s, now);
		break;
	case ADVERT:
	case SOLICIT:
		nd(s, now);
		break;
	case LINK:
		net_link_set(net, 0, s[0] & LINK_UP, now);
		break;
	default:
		now = quiet(now);
		break;
	}
	if ((s[0] & 7) != SEND_4 && (s[0] & 7) != SEND_6)
		check(entries() <= before + is_to_be_answered(s));
	net_timers(net, now);
	net_flush(net);
	wire_clear(&wire);
	check(entries() >= 2 && entries() <= NEIGH);
	return now;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t now;

	fuzz_start(&pools, 511, 511);
	now = make_net();
	for (; size >= STEP; data += STEP, size -= STEP)
		now = step(data, now + data[3] * UINT64_C(100000));
	quiet(now);
	net_free(net);
	wire_clear(&wire);
	fuzz_all_back(&pools);
	return 0;
}
