/*
 * perf/attack_load.c - both ends of a tunnel, and a flood of SYNs beside it. See attack.h.
 *
 *   attack_load CORE DEVICE OWN PEER STATS-FILE SECONDS RATE [SEARCH-MAX]
 *
 * Sends at the rate that keeps the gate's core half busy, measures SECONDS without and SECONDS with
 * RATE SYNs a second, then looks for the highest rate up to SEARCH-MAX at which the tunnel keeps
 * nine tenths. Each measurement is a line of JSON. After the last it waits to be killed: net_memif
 * frees the queues of a process whose peer goes while they are polled. Connections to the gate's
 * other port are opened all the time and held: none may be reset.
 *
 * The SYNs come from random addresses of 198.18.0.0/15 and ports, have random numbers, and the
 * options of Linux, which cost the gate most. Answers are counted and dropped, as by hosts that are
 * not there.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_ip.h>
#include <rte_tcp.h>

#include "perf/attack.h"
#include "tests/util/rnd.h"

#define PATTERN      65521 /* a prime: what is lost shifts what follows */
#define CHUNK        16384
#define ROUNDS       3 /* of the flood; the median counts */
#define CHECKED      64
#define SEARCH_DEPTH 64
#define IDLE_MAX     1024
#define IDLE_US      20000  /* between two new ones */
#define SETTLE_US    300000 /* before a measurement */
#define SYN_OPTIONS  20
#define SYN_LEN      (sizeof(struct rte_tcp_hdr) + SYN_OPTIONS)
#define FRAME_LEN    (sizeof(struct rte_ether_hdr) + sizeof(struct rte_ipv4_hdr) + SYN_LEN)

struct load {
	struct stack s;
	struct net_addr peer;
	const struct attack_stats *stats;
	struct rnd rnd;
	uint8_t pattern[2 * PATTERN];

	struct stream *client, *target;
	uint64_t sent, received;
	double pace; /* bytes per second; 0: all there is room for */
	double pace_from_us;
	uint64_t pace_sent;
	bool broken;

	struct stream *idle[IDLE_MAX];
	unsigned int idle_n, idle_connected;
	uint64_t idle_next_us;

	bool has_frame; /* of the gate's, so its MAC is known */
	uint8_t frame[FRAME_LEN];
	uint32_t ip_sum, tcp_sum; /* of the headers and the pseudo-header, without what is random */
	struct rte_mbuf *syn[STACK_BURST];
	double rate, rate_from_us;
	uint64_t rate_sent, syns, answers, refused;
};

/* --- the flood -------------------------------------------------------------------------------- */

static const uint8_t syn_options[SYN_OPTIONS] = {2,    4,    0x05, 0xb4, 4, 2, 8, 10, 0x12, 0x34,
						 0x56, 0x78, 0,    0,    0, 0, 1, 3,  3,    7};

static struct rte_ipv4_hdr *frame_ip(uint8_t *frame)
{
	return (void *)(frame + sizeof(struct rte_ether_hdr));
}

static struct rte_tcp_hdr *frame_tcp(uint8_t *frame)
{
	return (void *)(frame_ip(frame) + 1);
}

/* The devices copy what they send, so the same buffers go again and again. */
static bool syn_buffers(struct load *l)
{
	if (rte_pktmbuf_alloc_bulk(l->s.pools.head, l->syn, STACK_BURST) < 0)
		return false;
	for (unsigned int i = 0; i < STACK_BURST; i++)
		memcpy(rte_pktmbuf_append(l->syn[i], FRAME_LEN), l->frame, FRAME_LEN);
	return true;
}

/* The template, back along the way a frame of the gate came. */
static void frame_learn(struct load *l, const struct rte_mbuf *m)
{
	const struct rte_ether_hdr *in = rte_pktmbuf_mtod(m, const void *);
	struct rte_ether_hdr *eth = (void *)l->frame;
	struct rte_ipv4_hdr *ip = frame_ip(l->frame);
	struct rte_tcp_hdr *tcp = frame_tcp(l->frame);

	eth->dst_addr = in->src_addr;
	eth->src_addr = l->s.port[0].mac;
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	*ip = (struct rte_ipv4_hdr){.version_ihl = RTE_IPV4_VHL_DEF,
				    .total_length = rte_cpu_to_be_16(sizeof(*ip) + SYN_LEN),
				    .time_to_live = 64,
				    .next_proto_id = 6};
	memcpy(&ip->dst_addr, l->peer.b, 4);
	*tcp = (struct rte_tcp_hdr){.data_off = SYN_LEN / 4 << 4,
				    .tcp_flags = RTE_TCP_SYN_FLAG,
				    .rx_win = RTE_BE16(64240)};
	memcpy(tcp + 1, syn_options, SYN_OPTIONS);
	l->ip_sum = rte_raw_cksum(ip, sizeof(*ip));
	l->tcp_sum = rte_raw_cksum(tcp, SYN_LEN) + rte_ipv4_phdr_cksum(ip, 0);
	l->has_frame = syn_buffers(l);
}

/* What is random of a SYN, and the sums with it. */
static void syn_change(struct load *l, uint8_t *p)
{
	uint64_t r = rnd_u64(&l->rnd);
	struct rte_ipv4_hdr *ip = frame_ip(p);
	struct rte_tcp_hdr *tcp = frame_tcp(p);
	/* Not of the network itself: 198.18.1.0 and above. */
	uint32_t src = 0xc6120100 + (uint32_t)(((r & 0xffffffff) * (0x20000 - 0x200)) >> 32);
	uint32_t sum;

	ip->src_addr = rte_cpu_to_be_32(src);
	sum = (ip->src_addr & 0xffff) + (ip->src_addr >> 16);
	ip->hdr_checksum = (rte_be16_t)~__rte_raw_cksum_reduce(l->ip_sum + sum);
	tcp->src_port = (rte_be16_t)(r >> 32 | 1);
	tcp->sent_seq = (rte_be32_t)(r >> 24);
	tcp->dst_port = (r >> 63) != 0 ? RTE_BE16(ATTACK_PORT_TUNNEL) : RTE_BE16(ATTACK_PORT_IDLE);
	sum += l->tcp_sum + tcp->dst_port + tcp->src_port + (tcp->sent_seq & 0xffff) +
	       (tcp->sent_seq >> 16);
	tcp->cksum = (rte_be16_t)~__rte_raw_cksum_reduce(sum);
}

static void flood(struct load *l)
{
	double due = l->rate * ((double)l->s.now_us - l->rate_from_us) / 1e6 - (double)l->rate_sent;
	unsigned int n, sent;

	if (due < 1 || !l->has_frame)
		return;
	if (due > 64 * STACK_BURST) /* what could not be sent is not made up for */
		l->rate_sent += (uint64_t)due - 64 * STACK_BURST;
	n = due < STACK_BURST ? (unsigned int)due : STACK_BURST;
	for (unsigned int i = 0; i < n; i++) {
		syn_change(l, rte_pktmbuf_mtod(l->syn[i], uint8_t *));
		rte_mbuf_refcnt_update(l->syn[i], 1);
	}
	sent = l->s.port[0].tx_burst(&l->s.port[0], l->syn, (uint16_t)n);
	rte_pktmbuf_free_bulk(l->syn + sent, n - sent);
	l->rate_sent += n;
	l->syns += sent;
	l->refused += n - sent;
}

static void flood_set(struct load *l, double rate)
{
	l->rate = rate;
	l->rate_from_us = (double)l->s.now_us;
	l->rate_sent = 0;
}

/* --- the tunnel's ends
 * ---------------------------------------------------------------------------- */

static void ready(struct stream *s) /* all are looked at each turn */
{
	(void)s;
}

static const struct stream_user user = {.ready = ready};

static bool on_target(void *arg, struct stream *s, uint32_t listener, const struct net_addr *local,
		      uint16_t local_port, const struct net_addr *peer, uint16_t peer_port)
{
	struct load *l = arg;

	(void)listener, (void)local, (void)local_port, (void)peer, (void)peer_port;
	if (l->target != NULL)
		return false;
	l->target = s;
	s->user = &user;
	return true;
}

static void target_read(struct load *l)
{
	struct stream *s = l->target;
	struct pkt_chain c = {0};

	if (s->ops->rx_len(s) == 0)
		return;
	s->ops->rx_take(s, UINT32_MAX, &c);
	for (const struct rte_mbuf *m = c.head; m != NULL; m = m->next) {
		/* Its beginning tells what was lost, doubled or put elsewhere. */
		if (memcmp(rte_pktmbuf_mtod(m, const void *), l->pattern + l->received % PATTERN,
			   RTE_MIN(m->data_len, CHECKED)) != 0)
			l->broken = true;
		l->received += m->data_len;
	}
	pkt_chain_free(&c);
}

static void pace_set(struct load *l, double bytes_per_s)
{
	l->pace = bytes_per_s;
	l->pace_from_us = (double)l->s.now_us;
	l->pace_sent = 0;
}

static uint32_t pace_due(struct load *l)
{
	double due = l->pace * ((double)l->s.now_us - l->pace_from_us) / 1e6 - (double)l->pace_sent;

	if (l->pace == 0)
		return CHUNK;
	if (due > l->pace / 5) /* what stood still for long is not made up for */
		pace_set(l, l->pace);
	return due >= CHUNK ? CHUNK : 0;
}

static void client_write(struct load *l)
{
	struct stream *s = l->client;
	struct pkt_chain c;

	for (int i = 0; i < 4; i++) {
		uint32_t n = pace_due(l);

		if (n == 0 || s->ops->tx_space(s) < n ||
		    pkt_chain_from(l->pattern + l->sent % PATTERN, n, l->s.pools.data, &c) < 0)
			return;
		if (s->ops->tx(s, &c) < 0)
			return;
		l->sent += n;
		l->pace_sent += n;
	}
}

static void idle_step(struct load *l)
{
	if (l->s.now_us >= l->idle_next_us && l->idle_n < IDLE_MAX && l->rate > 0) {
		l->idle_next_us = l->s.now_us + IDLE_US;
		if (l->s.provider.connect(l->s.provider.arg, &l->peer, ATTACK_PORT_IDLE, &user,
					  NULL, &l->idle[l->idle_n]) == 0)
			l->idle_n++;
	}
	for (unsigned int i = 0; i < l->idle_n; i++) {
		uint8_t ev;

		if (l->idle[i]->events == 0)
			continue;
		ev = stream_events(l->idle[i]);
		l->idle_connected += (ev & STREAM_EV_CONNECTED) != 0;
		if (ev & (STREAM_EV_ERROR | STREAM_EV_EOF))
			l->broken = true;
	}
}

/* --- a turn
 * ------------------------------------------------------------------------------------------ */

/* An answer to somebody who is not there. */
static bool is_answer(const struct load *l, const struct rte_mbuf *m)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const void *);
	const struct rte_ipv4_hdr *ip = (const void *)(eth + 1);

	return m->data_len >= sizeof(*eth) + sizeof(*ip) &&
	       eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4) &&
	       (rte_be_to_cpu_32(ip->dst_addr) & 0xffffff00) !=
		       (0xc6120000 | (uint32_t)l->peer.b[2] << 8);
}

static void input(struct load *l)
{
	struct rte_mbuf *m[STACK_BURST], *away[STACK_BURST];
	unsigned int n = l->s.port[0].rx_burst(&l->s.port[0], m, STACK_BURST), k = 0, gone = 0;

	for (unsigned int i = 0; i < n; i++) {
		if (!l->has_frame)
			frame_learn(l, m[i]);
		if (is_answer(l, m[i]))
			away[gone++] = m[i];
		else
			m[k++] = m[i];
	}
	rte_pktmbuf_free_bulk(away, gone);
	l->answers += gone;
	stack_input(&l->s, 0, m, k);
}

static void turn(struct load *l)
{
	stack_now(&l->s);
	input(l);
	flood(l);
	if (l->target != NULL)
		target_read(l);
	if (l->target != NULL)
		client_write(l);
	idle_step(l);
	stack_output(&l->s);
	if (l->client != NULL && l->client->events & STREAM_EV_ERROR)
		l->broken = true;
}

static void run_for(struct load *l, uint64_t us)
{
	uint64_t end_us = l->s.now_us + us;

	while (l->s.now_us < end_us && !l->broken)
		turn(l);
}

/* --- measuring
 * ------------------------------------------------------------------------------------------ */

struct result {
	double goodput; /* bytes per second */
	double busy;    /* of the gate's core */
	double syns, answers;
	double batch; /* packets the gate got at a time */
};

static struct result measure(struct load *l, double rate, uint64_t us)
{
	struct attack_stats a, b;
	struct result r;
	uint64_t start_us, received, syns, answers;
	double s;

	flood_set(l, rate);
	run_for(l, SETTLE_US);
	a = *l->stats;
	start_us = l->s.now_us;
	received = l->received;
	syns = l->syns;
	answers = l->answers;
	run_for(l, us);
	b = *l->stats;
	s = (double)(l->s.now_us - start_us) / 1e6;
	r = (struct result){
		.goodput = (double)(l->received - received) / s,
		.busy = (double)(b.busy_cycles - a.busy_cycles) / (double)(b.now_tsc - a.now_tsc),
		.syns = (double)(l->syns - syns) / s,
		.answers = (double)(l->answers - answers) / s,
		.batch = (double)(b.rx_pkts - a.rx_pkts) / (double)(b.rx_turns - a.rx_turns + 1),
	};
	flood_set(l, 0);
	return r;
}

static void print(const struct load *l, const char *what, double asked, const struct result *r)
{
	printf("{\"what\": \"%s\", \"asked\": %.0f, \"syns\": %.0f, \"answers\": %.0f, "
	       "\"goodput\": %.0f, \"busy\": %.3f, \"batch\": %.1f, \"alive\": %s, "
	       "\"opened\": %u, \"connected\": %u, \"cookies\": %" PRIu64
	       ", \"cookies_taken\": %" PRIu64 ", \"resets\": %" PRIu64 "}\n",
	       what, asked, r->syns, r->answers, r->goodput, r->busy, r->batch,
	       l->broken ? "false" : "true", l->idle_n, l->idle_connected, l->stats->cookies,
	       l->stats->cookies_taken, l->stats->resets_in + l->stats->resets_out);
	fflush(stdout);
}

/* The pace at which half of the gate's core is used. */
static bool calibrate(struct load *l)
{
	struct result r = measure(l, 0, SETTLE_US);

	print(l, "unpaced", 0, &r);
	for (int i = 0; i < 3; i++) {
		pace_set(l, r.goodput * 0.5 / (r.busy > 0.05 ? r.busy : 0.05));
		r = measure(l, 0, SETTLE_US);
	}
	return !l->broken && r.goodput > 0;
}

static bool holds(const struct load *l, const struct result *r, const struct result *calm,
		  double rate)
{
	return !l->broken && r->goodput >= 0.9 * calm->goodput && r->syns >= 0.95 * rate;
}

/* Doubles, then halves the difference: to a twentieth, or until nothing seems to hold. */
static void search(struct load *l, const struct result *calm, double from, double max, uint64_t us)
{
	double good = 0, bad = 0;

	for (double rate = from; !l->broken && rate <= max && rate >= from / SEARCH_DEPTH;) {
		struct result r = measure(l, rate, us);

		print(l, "search", rate, &r);
		if (holds(l, &r, calm, rate))
			good = rate;
		else
			bad = rate;
		if (bad == 0)
			rate = good * 2 <= max ? good * 2 : good < max ? max : max + 1;
		else
			rate = (good + bad) / 2;
		if (bad != 0 && bad - good < 0.05 * bad)
			break;
	}
	printf("{\"what\": \"highest\", \"asked\": %.0f}\n", good);
}

static bool begin(struct load *l)
{
	static const struct net_addr any;
	uint64_t end_us = l->s.now_us + 10 * 1000000;

	for (size_t i = 0; i < sizeof(l->pattern); i++)
		l->pattern[i] = (uint8_t)((i % PATTERN) * 2654435761u >> 11);
	if (tcp_listen(l->s.tcp, &any, ATTACK_PORT_TARGET, 1, 16, on_target, l) < 0)
		return false;
	l->s.provider.connect(l->s.provider.arg, &l->peer, ATTACK_PORT_TUNNEL, &user, NULL,
			      &l->client);
	while (l->client != NULL && l->target == NULL && l->s.now_us < end_us && !l->broken)
		turn(l);
	return l->target != NULL && !l->broken;
}

int main(int argc, char **argv)
{
	static struct load l;
	struct result calm, r;
	uint64_t us;
	double rate;

	if (argc != 8 && argc != 9) {
		fprintf(stderr, "usage: attack_load CORE DEVICE OWN PEER STATS-FILE SECONDS RATE "
				"[SEARCH-MAX]\n");
		return 2;
	}
	us = (uint64_t)(atof(argv[6]) * 1e6);
	rate = atof(argv[7]);
	l.rnd = (struct rnd){rnd_seed()};
	l.peer = stack_addr(argv[4]);
	l.stats = attack_stats_map(argv[5], false);
	if (l.stats == NULL || !attack_begin(&l.s, argv[1], argv[2], argv[3], NULL))
		return 1;
	if (!begin(&l) || !calibrate(&l)) {
		fprintf(stderr, "attack_load: no tunnel\n");
		return 1;
	}
	calm = measure(&l, 0, us);
	print(&l, "calm", 0, &calm);
	for (int i = 0; i < ROUNDS; i++) {
		r = measure(&l, rate, us);
		print(&l, "flood", rate, &r);
	}
	if (argc == 9)
		search(&l, &calm, rate / 2, atof(argv[8]), us);
	calm = measure(&l, 0, us);
	print(&l, "after", 0, &calm);
	printf("{\"what\": \"done\"}\n");
	fflush(stdout);
	pause();
	return 0;
}
