/* perf/flood.c - see flood.h. */
#include "perf/flood.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#define L2            sizeof(struct rte_ether_hdr)
#define L3            sizeof(struct rte_ipv4_hdr)
#define SYN_OPTIONS   20
#define BACKLOG_TURNS 64          /* bursts that are made up for after a pause */
#define SOURCE_FIRST  0xc6120100u /* 198.18.1.0: behind the network of the lab itself */
#define SOURCE_N      (0x20000 - 0x200)

struct parts {
	struct rte_ipv4_hdr *ip;
	struct rte_tcp_hdr *tcp;
	uint8_t *data; /* behind the TCP header */
};

static struct parts parts_of(uint8_t *frame)
{
	struct rte_ipv4_hdr *ip = (void *)(frame + L2);
	struct rte_tcp_hdr *tcp = (void *)(ip + 1);

	return (struct parts){ip, tcp, (uint8_t *)(tcp + 1)};
}

/* --- one packet ------------------------------------------------------------------------------- */

/* Headers of a segment with so many bytes behind the TCP header; checksums come last. */
static struct parts segment(struct flood *f, uint8_t *frame, uint16_t options, uint16_t data)
{
	struct parts p = parts_of(frame);
	uint64_t r = rnd_u64(&f->rnd);
	uint16_t l4 = (uint16_t)(sizeof(*p.tcp) + options + data);

	memcpy(frame, &f->eth, L2);
	*p.ip = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16((uint16_t)(L3 + l4)),
		.packet_id = (rte_be16_t)r,
		.time_to_live = 64,
		.next_proto_id = IPPROTO_TCP,
		.src_addr = rte_cpu_to_be_32(SOURCE_FIRST + rnd_below(&f->rnd, SOURCE_N)),
		.dst_addr = rte_cpu_to_be_32(f->gate)};
	*p.tcp = (struct rte_tcp_hdr){.src_port = (rte_be16_t)(r >> 16) | RTE_BE16(1024),
				      .dst_port = rte_cpu_to_be_16(f->gate_port),
				      .sent_seq = (rte_be32_t)(r >> 32),
				      .data_off = (uint8_t)((sizeof(*p.tcp) + options) / 4 << 4),
				      .tcp_flags = RTE_TCP_SYN_FLAG,
				      .rx_win = RTE_BE16(64240)};
	return p;
}

static uint16_t finish(struct parts p)
{
	uint16_t total = rte_be_to_cpu_16(p.ip->total_length);

	p.tcp->cksum = rte_ipv4_udptcp_cksum(p.ip, p.tcp);
	p.ip->hdr_checksum = rte_ipv4_cksum(p.ip);
	return (uint16_t)(L2 + total);
}

/* MSS 1460, SACK, timestamps, window scale 7: what costs a listener most. */
static struct parts syn(struct flood *f, uint8_t *frame)
{
	static const uint8_t options[SYN_OPTIONS] = {
		2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0, 1, 3, 3, 7};
	struct parts p = segment(f, frame, SYN_OPTIONS, 0);

	memcpy(p.data, options, SYN_OPTIONS);
	return p;
}

/* What is wrong with it. */
enum fault {
	IP_VERSION,
	IP_LENGTH_SHORT,
	IP_TOTAL_LONG,
	IP_TOTAL_SHORT,
	IP_CKSUM,
	IP_FRAGMENT,
	IP_SOURCE_OURS,
	IP_SOURCE_MULTICAST,
	IP_PROTO,
	TCP_CKSUM,
	TCP_OFFSET_SHORT,
	TCP_OFFSET_LONG,
	TCP_OPTION_ZERO,
	TCP_OPTION_LONG,
	TCP_NO_FLAGS,
	TCP_ALL_FLAGS,
	TCP_SYN_FIN,
	TCP_PORT_ZERO,
	FRAME_SHORT,
	FAULTS
};

/* Before the checksums. */
static void fault_make(struct flood *f, struct parts p, enum fault fault)
{
	switch (fault) {
	case IP_FRAGMENT:
		p.ip->fragment_offset =
			rte_cpu_to_be_16(RTE_IPV4_HDR_MF_FLAG | rnd_below(&f->rnd, 8191));
		break;
	case IP_SOURCE_OURS:
		p.ip->src_addr = p.ip->dst_addr;
		break;
	case IP_SOURCE_MULTICAST:
		p.ip->src_addr |= RTE_BE32(0xe0000000);
		break;
	case IP_PROTO:
		p.ip->next_proto_id = (uint8_t)(7 + rnd_below(&f->rnd, 9));
		break;
	case TCP_OPTION_ZERO:
		p.data[1] = 0;
		break;
	case TCP_OPTION_LONG:
		p.data[1] = 200;
		break;
	case TCP_NO_FLAGS:
		p.tcp->tcp_flags = 0;
		break;
	case TCP_ALL_FLAGS:
		p.tcp->tcp_flags = 0xff;
		break;
	case TCP_SYN_FIN:
		p.tcp->tcp_flags = RTE_TCP_SYN_FLAG | RTE_TCP_FIN_FLAG;
		break;
	case TCP_PORT_ZERO:
		p.tcp->src_port = 0;
		break;
	default:
		break;
	}
}

/* What a right checksum, or a length it covers, would have mended. */
static uint16_t fault_break(struct flood *f, struct parts p, enum fault fault, uint16_t len)
{
	switch (fault) {
	case IP_VERSION:
		p.ip->version_ihl = (uint8_t)(rnd_below(&f->rnd, 4) << 4 | 5);
		break;
	case IP_LENGTH_SHORT:
		p.ip->version_ihl = 0x40 | (uint8_t)rnd_below(&f->rnd, 5);
		break;
	case IP_TOTAL_LONG:
		p.ip->total_length = RTE_BE16(1500);
		break;
	case IP_TOTAL_SHORT:
		p.ip->total_length = rte_cpu_to_be_16((uint16_t)rnd_below(&f->rnd, 39));
		break;
	case TCP_OFFSET_SHORT:
		p.tcp->data_off = (uint8_t)(rnd_below(&f->rnd, 5) << 4);
		break;
	case TCP_OFFSET_LONG:
		p.tcp->data_off = 0xf0;
		break;
	case TCP_CKSUM:
		p.tcp->cksum ^= RTE_BE16(1);
		return len;
	case IP_CKSUM:
		p.ip->hdr_checksum ^= RTE_BE16(1);
		return len;
	case FRAME_SHORT:
		return (uint16_t)rnd_below(&f->rnd, len);
	default:
		return len;
	}
	/* The header's sum is right all the same: what is wrong is to be found by itself. */
	p.ip->hdr_checksum = 0;
	p.ip->hdr_checksum = rte_ipv4_cksum(p.ip);
	return len;
}

static uint16_t malformed(struct flood *f, uint8_t *frame)
{
	enum fault fault = (enum fault)rnd_below(&f->rnd, FAULTS);
	struct parts p = syn(f, frame);

	fault_make(f, p, fault);
	return fault_break(f, p, fault, finish(p));
}

static uint16_t random_segment(struct flood *f, uint8_t *frame)
{
	uint16_t n = (uint16_t)rnd_below(&f->rnd, 256);
	struct parts p = segment(f, frame, 0, n);

	p.tcp->tcp_flags = (uint8_t)rnd_u32(&f->rnd);
	p.tcp->recv_ack = rnd_u32(&f->rnd);
	rnd_fill(&f->rnd, p.data, n);
	return finish(p);
}

/* Of a standing connection by its addresses and ports; its numbers are guessed. */
static uint16_t imix(struct flood *f, uint8_t *frame)
{
	static const uint16_t size[12] = {64, 64, 64, 64, 64, 64, 64, 594, 594, 594, 594, 1518};
	/* With the frame check sequence, as IMIX counts. */
	uint16_t data = size[rnd_below(&f->rnd, 12)] - 4 - L2 - L3 - sizeof(struct rte_tcp_hdr);
	struct parts p = segment(f, frame, 0, data);

	p.ip->src_addr = rte_cpu_to_be_32(f->own);
	p.tcp->src_port = rte_cpu_to_be_16(f->own_port);
	p.tcp->tcp_flags = RTE_TCP_ACK_FLAG | RTE_TCP_PSH_FLAG;
	p.tcp->recv_ack = rnd_u32(&f->rnd);
	memset(p.data, 0x5a, data);
	return finish(p);
}

uint16_t flood_build(struct flood *f, uint8_t *frame)
{
	switch (f->kind) {
	case FLOOD_MALFORMED:
		return malformed(f, frame);
	case FLOOD_RANDOM:
		return random_segment(f, frame);
	case FLOOD_IMIX:
		return imix(f, frame);
	default:
		return finish(syn(f, frame));
	}
}

/* --- the stream of them ----------------------------------------------------------------------- */

static uint32_t v4(const struct net_addr *a)
{
	return (uint32_t)a->b[0] << 24 | (uint32_t)a->b[1] << 16 | (uint32_t)a->b[2] << 8 | a->b[3];
}

void flood_init(struct flood *f, enum flood_kind kind, double rate, struct port *port,
		struct rte_mempool *pool, const struct net_addr *own, const struct net_addr *gate,
		uint16_t gate_port)
{
	*f = (struct flood){.kind = kind,
			    .rate = rate,
			    .port = port,
			    .pool = pool,
			    .rnd = {rnd_seed()},
			    .own = v4(own),
			    .gate = v4(gate),
			    .gate_port = gate_port};
}

bool flood_learn(struct flood *f, const struct rte_mbuf *m)
{
	const struct rte_ether_hdr *in = rte_pktmbuf_mtod(m, const void *);
	struct rte_ether_hdr *eth = &f->eth;

	if (rte_pktmbuf_alloc_bulk(f->pool, f->ring, FLOOD_BURST) < 0)
		return false;
	eth->dst_addr = in->src_addr;
	eth->src_addr = f->port->mac;
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	f->ready = true;
	return true;
}

void flood_start(struct flood *f, uint64_t now_us)
{
	f->from_us = now_us;
	f->sent_by_rate = 0;
}

/* Packets that should have left by now. */
static double due_by(const struct flood *f, uint64_t now_us)
{
	double s = (double)(now_us - f->from_us) / 1e6;

	if (f->kind != FLOOD_RAMP)
		return f->rate * s;
	if (s < FLOOD_RAMP_S)
		return f->rate * s * s / (2 * FLOOD_RAMP_S);
	return f->rate * (s - FLOOD_RAMP_S / 2.0);
}

unsigned int flood_poll(struct flood *f, uint64_t now_us)
{
	double due;
	unsigned int n, sent;

	if (!f->ready || f->from_us == 0)
		return 0;
	due = due_by(f, now_us) - f->sent_by_rate;
	if (due < 1)
		return 0;
	if (due > BACKLOG_TURNS * FLOOD_BURST) /* what could not be sent is not made up for */
		f->sent_by_rate += due - BACKLOG_TURNS * FLOOD_BURST;
	n = due < FLOOD_BURST ? (unsigned int)due : FLOOD_BURST;
	for (unsigned int i = 0; i < n; i++) {
		struct rte_mbuf *m = f->ring[i];

		m->data_len = flood_build(f, rte_pktmbuf_mtod(m, uint8_t *));
		m->pkt_len = m->data_len;
		rte_mbuf_refcnt_update(m, 1);
	}
	sent = f->port->tx_burst(f->port, f->ring, (uint16_t)n);
	for (unsigned int i = sent; i < n; i++)
		rte_mbuf_refcnt_update(f->ring[i], -1);
	f->sent_by_rate += n;
	f->sent += sent;
	f->refused += n - sent;
	return n;
}

void flood_note(struct flood *f, const struct rte_mbuf *m)
{
	struct parts p = parts_of(rte_pktmbuf_mtod(m, uint8_t *));

	if (f->own_port == 0 && m->data_len >= L2 + L3 + sizeof(*p.tcp) &&
	    p.ip->version_ihl == RTE_IPV4_VHL_DEF && p.ip->next_proto_id == IPPROTO_TCP &&
	    p.ip->dst_addr == rte_cpu_to_be_32(f->own))
		f->own_port = rte_be_to_cpu_16(p.tcp->dst_port);
}

bool flood_is_answer(const struct flood *f, const struct rte_mbuf *m)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const void *);
	const struct rte_ipv4_hdr *ip = (const void *)(eth + 1);

	return m->data_len >= L2 + L3 && eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4) &&
	       rte_be_to_cpu_32(ip->dst_addr) != f->own &&
	       (rte_be_to_cpu_32(ip->dst_addr) & 0xfffe0000) == 0xc6120000;
}

void flood_end(struct flood *f)
{
	if (f->ready)
		rte_pktmbuf_free_bulk(f->ring, FLOOD_BURST);
	f->ready = false;
}
