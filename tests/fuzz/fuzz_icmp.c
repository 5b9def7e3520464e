/*
 * ICMP errors that quote segments of a living connection, nearly right: through net's parser to
 * TCP and back. RFC 5927 is what must hold.
 *
 * Input: in which state the connection is, then steps of 10 bytes: type and code, MTU, the
 * quoted sequence number relative to what is under way, what is wrong with the quote, its length,
 * where it is cut, and what else happens. Checksums are right unless a bit says so. A connection
 * that is synchronized never ends, its segments stay within bounds, and one that is
 * being opened ends only for its own SYN.
 */
#include "dataplane/net/internal.h"
#include "dataplane/tcp/internal.h"
#include "tests/util/frame.h"
#include "tests/util/fuzz.h"

static struct pkt_pools pools;

struct world {
	struct wire wire;
	struct net *net;
	struct tcp *tcp;
	struct stream *s;
	uint64_t now;
	uint32_t rcv_nxt; /* the peer's */
	bool ended;
	int err;
};

static void ready(struct stream *s)
{
	(void)s;
}

static const struct stream_user user = {.ready = ready};

/* --- the peer, 198.18.0.1 ---------------------------------------------------------------- */

static void input(struct world *w, const void *frame, size_t n)
{
	struct rte_mbuf *m = frame_bytes(pools.data, frame, n), *seg;

	check(m != NULL);
	if (net_input_burst(w->net, 0, &m, 1, w->now, &seg) == 1)
		tcp_input_burst(w->tcp, &seg, 1, w->now);
}

struct frame {
	struct rte_ether_hdr eth;
	struct rte_ipv4_hdr ip;
	uint8_t l4[128];
} __attribute__((packed, aligned(2)));

static void frame_send(struct world *w, uint8_t proto, const void *l4, size_t n)
{
	struct frame f = {
		.eth = {.dst_addr = w->wire.port.mac, .ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4)},
		.ip = {.version_ihl = 0x45,
		       .total_length = rte_cpu_to_be_16((uint16_t)(20 + n)),
		       .time_to_live = 64,
		       .next_proto_id = proto,
		       .src_addr = be4(198, 18, 0, 1),
		       .dst_addr = be4(198, 18, 0, 2)}};
	struct rte_ipv4_hdr ip = f.ip;

	f.ip.hdr_checksum = rte_ipv4_cksum(&ip);
	memcpy(f.l4, l4, n);
	input(w, &f, 34 + n);
}

static void segment(struct world *w, uint8_t flags, uint32_t seq)
{
	struct {
		struct rte_tcp_hdr h;
		uint8_t mss[4];
	} __attribute__((packed, aligned(2)))
	t = {.h = {.src_port = RTE_BE16(22),
		   .dst_port = rte_cpu_to_be_16(tcp_local_port(tcp_of(w->s))),
		   .sent_seq = rte_cpu_to_be_32(seq),
		   .recv_ack = rte_cpu_to_be_32(w->rcv_nxt),
		   .data_off = 0x60,
		   .tcp_flags = flags,
		   .rx_win = 0xffff},
	     .mss = {1, 1, 1, 1}};
	struct rte_ipv4_hdr ip = {.next_proto_id = IPPROTO_TCP,
				  .version_ihl = 0x45,
				  .total_length = RTE_BE16(44),
				  .src_addr = be4(198, 18, 0, 1),
				  .dst_addr = be4(198, 18, 0, 2)};

	if (flags & RTE_TCP_SYN_FLAG)
		memcpy(t.mss, (uint8_t[]){2, 4, 0x05, 0xb4}, 4);
	t.h.cksum = rte_ipv4_udptcp_cksum(&ip, &t);
	frame_send(w, IPPROTO_TCP, &t, sizeof(t));
}

static void arp_reply(struct world *w)
{
	struct {
		struct rte_ether_hdr eth;
		struct rte_arp_hdr arp;
	} __attribute__((packed, aligned(2)))
	f = {.eth = {.dst_addr = w->wire.port.mac, .ether_type = RTE_BE16(RTE_ETHER_TYPE_ARP)},
	     .arp = {.arp_hardware = RTE_BE16(1),
		     .arp_protocol = RTE_BE16(0x0800),
		     .arp_hlen = 6,
		     .arp_plen = 4,
		     .arp_opcode = RTE_BE16(RTE_ARP_OP_REPLY),
		     .arp_data = {.arp_sha = {{2, 0, 0, 0, 0, 9}},
				  .arp_sip = be4(198, 18, 0, 1),
				  .arp_tha = w->wire.port.mac,
				  .arp_tip = be4(198, 18, 0, 2)}}};

	f.eth.src_addr = f.arp.arp_data.arp_sha;
	input(w, &f, sizeof(f));
}

/* What went out: within the MTU, and the peer has it when its ACK is asked for. */
static void turn(struct world *w, uint64_t us)
{
	w->now += us;
	tcp_timers(w->tcp, w->now);
	tcp_output_poll(w->tcp, w->now);
	net_timers(w->net, w->now);
	net_flush(w->net);
	for (unsigned int i = 0; i < w->wire.n; i++)
		check(w->wire.out[i]->pkt_len <= 14 + 1500);
	wire_clear(&w->wire);
}

static void write_some(struct world *w, uint32_t n)
{
	static const uint8_t zeros[8192];
	struct pkt_chain ch;

	if (w->s->ops->tx_space(w->s) >= n && pkt_chain_from(zeros, n, pools.data, &ch) == 0)
		(void)w->s->ops->tx(w->s, &ch);
}

static void world_init(struct world *w, uint8_t mode)
{
	struct net_addr a = addr4(198, 18, 0, 2), peer = addr4(198, 18, 0, 1);
	struct net_conf nc = {.pools = &pools, .neigh_max = 8};
	struct tcp_conf tc = {.pools = &pools,
			      .conns_max = 4,
			      .time_wait_max = 4,
			      .rx_budget = 65536,
			      .tx_budget = 65536,
			      .user_timeout_us = 100000 * TCP_SEC,
			      .connect_timeout_us = 100000 * TCP_SEC};
	struct stream_provider p;

	*w = (struct world){.now = 1000000};
	wire_init(&w->wire, 1);
	check(net_new(&nc, &w->net) == 0 && net_iface_add(w->net, "x", &w->wire.port) == 0);
	check(net_addr_add(w->net, 0, &a, 24) == 0);
	tc.net = w->net;
	check(tcp_new(&tc, &w->tcp) == 0);
	net_icmp_to(w->net, tcp_icmp, w->tcp);
	turn(w, 0);
	tcp_provider(w->tcp, &p);
	check(p.connect(p.arg, &peer, 22, &user, NULL, &w->s) == 0);
	turn(w, 10);
	arp_reply(w);
	turn(w, 10);
	w->rcv_nxt = tcp_of(w->s)->snd_max;
	if (mode == 0)
		return;
	segment(w, RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG, 1000);
	check(tcp_of(w->s)->state == TCP_ESTABLISHED);
	write_some(w, 6000);
	turn(w, 1000);
	if (mode == 2) { /* full segments arrived: the path is proven */
		w->rcv_nxt = tcp_of(w->s)->snd_max;
		segment(w, RTE_TCP_ACK_FLAG, 1001);
		write_some(w, 6000);
		turn(w, 1000);
	}
}

/* --- the attacker ---------------------------------------------------------------------------- */

enum { BAD_SUM = 1, BAD_LOCAL = 2, BAD_PEER = 4, BAD_PORT = 8, BAD_PROTO = 16, BAD_IHL = 32 };

/* Returns the sequence number it quotes. */
static uint32_t error_send(struct world *w, const uint8_t *p)
{
	static const uint8_t types[] = {3, 3, 3, 3, 11, 12, 4, 5};
	const struct tcp_conn *c = tcp_of(w->s);
	uint32_t seq = c->snd_una + (uint32_t)(int32_t)(int8_t)p[4] * (p[9] & 8 ? 1460 : 1);
	uint8_t icmp[36] = {p[0] < 248 ? types[p[0] & 7] : p[0], p[1], 0, 0, 0, 0, p[2], p[3]};
	struct rte_ipv4_hdr q = {.version_ihl = p[5] & BAD_IHL ? p[8] : 0x45,
				 .total_length = rte_cpu_to_be_16((uint16_t)(p[6] << 8 | p[7])),
				 .next_proto_id = p[5] & BAD_PROTO ? IPPROTO_UDP : IPPROTO_TCP,
				 .src_addr = be4(198, 18, 0, p[5] & BAD_LOCAL ? 3 : 2),
				 .dst_addr = be4(198, 18, 0, p[5] & BAD_PEER ? 9 : 1)};
	uint16_t ports[2] = {rte_cpu_to_be_16(tcp_local_port(c)),
			     rte_cpu_to_be_16(p[5] & BAD_PORT ? 23 : 22)};
	uint32_t seq_be = rte_cpu_to_be_32(seq), n = 36 - (p[8] & 64 ? p[8] % 37u : 0);
	uint16_t sum;

	memcpy(icmp + 8, &q, 20);
	memcpy(icmp + 28, ports, 4);
	memcpy(icmp + 32, &seq_be, 4);
	sum = (uint16_t)~rte_raw_cksum(icmp, n);
	memcpy(icmp + 2, &sum, 2);
	icmp[2] ^= p[5] & BAD_SUM;
	frame_send(w, IPPROTO_ICMP, icmp, n);
	return seq;
}

static void invariants(struct world *w, enum tcp_state before, bool about_syn)
{
	const struct tcp_conn *c = tcp_of(w->s);
	struct net_addr peer = addr4(198, 18, 0, 1);

	check(net_pmtu(w->net, &peer) >= NET_PMTU_MIN_4);
	check(c->pmtu.size >= NET_PMTU_MIN_4 && c->pmtu.size <= 1500);
	if (before == TCP_SYN_SENT) {
		check(c->state == TCP_SYN_SENT || (c->state == TCP_CLOSED && about_syn));
		return;
	}
	check(c->state == TCP_ESTABLISHED);
	check(c->mss >= NET_PMTU_MIN_4 - 52 && c->mss <= 1460 && c->cwnd >= c->mss);
}

static void step(struct world *w, const uint8_t *p)
{
	enum tcp_state before = (enum tcp_state)tcp_of(w->s)->state;
	uint32_t una = tcp_of(w->s)->snd_una, seq = error_send(w, p);

	invariants(w, before, seq == una);
	if (tcp_of(w->s)->state == TCP_CLOSED)
		return;
	if (p[9] & 1)
		write_some(w, 3000);
	if ((p[9] & 2) && before == TCP_ESTABLISHED) {
		w->rcv_nxt = tcp_of(w->s)->snd_max;
		segment(w, RTE_TCP_ACK_FLAG, 1001);
	}
	turn(w, UINT64_C(1) << (p[9] >> 4) << (p[9] & 4 ? 10 : 0));
	invariants(w, before, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world w;

	if (size == 0)
		return 0;
	fuzz_start(&pools, 1023, 2047);
	world_init(&w, data[0] % 3);
	for (size_t i = 1; i + 10 <= size && i < 10 * 64; i += 10) {
		step(&w, data + i);
		if (tcp_of(w.s)->state == TCP_CLOSED)
			break;
	}
	w.s->ops->abort(w.s);
	turn(&w, 1);
	tcp_free(w.tcp);
	net_free(w.net);
	wire_clear(&w.wire);
	fuzz_all_back(&pools);
	return 0;
}
