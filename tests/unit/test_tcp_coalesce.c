/*
 * dataplane/tcp/coalesce.c: a burst that comes as a burst, and the same segments one by one, leave
 * two stacks in the same state, with the same bytes, and make them send the same.
 */
#include <criterion/criterion.h>

#include "dataplane/tcp/internal.h"
#include "tests/util/eal.h"
#include "tests/util/frame.h"
#include "tests/util/rnd.h"

#define ISS   UINT32_C(0xfffff000) /* the peer's: numbers wrap soon */
#define OURS  UINT32_C(0x7fff0000)
#define MSS   1000
#define BURST 16

struct side {
	struct pkt_pools pools;
	struct wire wire;
	struct net *net;
	struct tcp *tcp;
	struct stream *s;
};

static struct side one, many;
static uint64_t now = 5000000;

static uint32_t iss(void *arg)
{
	(void)arg;
	return OURS;
}

static bool take(void *arg, struct stream *s, uint32_t listener, const struct net_addr *local,
		 uint16_t local_port, const struct net_addr *peer, uint16_t peer_port)
{
	(void)listener, (void)local, (void)local_port, (void)peer, (void)peer_port;
	((struct side *)arg)->s = s;
	return true;
}

static void side_init(struct side *d, const char *name)
{
	struct net_addr us = addr4(198, 18, 0, 2);
	struct tcp_conf conf = {.conns_max = 4,
				.time_wait_max = 4,
				.rx_budget = 1 << 20,
				.tx_budget = 1 << 20,
				.secret = {1, 2},
				.iss_for_test = iss,
				.ecn = TCP_ECN_YES};

	cr_assert_eq(pkt_pools_new(name, 4095, 1023, SOCKET_ID_ANY, &d->pools), 0);
	cr_assert_eq(net_new(&(struct net_conf){.pools = &d->pools, .neigh_max = 16}, &d->net), 0);
	wire_init(&d->wire, 1);
	cr_assert_eq(net_iface_add(d->net, "x", &d->wire.port), 0);
	cr_assert_eq(net_addr_add(d->net, 0, &us, 24), 0);
	conf.net = d->net;
	conf.pools = &d->pools;
	cr_assert_eq(tcp_new(&conf, &d->tcp), 0);
	cr_assert_eq(tcp_listen(d->tcp, &us, 22, 0, 4, take, d), 0);
}

/* A segment of the peer's. */
struct piece {
	uint32_t seq, ack, len, ts;
	uint16_t wnd;
	uint8_t flags, ecn;
	bool bare;  /* without a timestamp */
	bool wrong; /* its checksum is */
};

static uint8_t byte_at(uint32_t seq)
{
	return (uint8_t)((seq - ISS) * 7 + ((seq - ISS) >> 8));
}

static struct rte_mbuf *make(struct side *d, const struct piece *p)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(d->pools.data);
	struct rte_tcp_hdr *h = (void *)rte_pktmbuf_append(m, sizeof(*h));
	struct tcp_opts o = {.has_ts = !p->bare, .ts_val = p->ts, .ts_ecr = 0};
	uint8_t opt[40], *b;
	size_t n;

	if (p->flags & RTE_TCP_SYN_FLAG)
		o.has_mss = o.has_wscale = o.has_sack_perm = true, o.mss = MSS + 12, o.wscale = 4;
	n = tcp_opts_build(&o, opt);
	*h = (struct rte_tcp_hdr){.src_port = RTE_BE16(40000),
				  .dst_port = RTE_BE16(22),
				  .sent_seq = rte_cpu_to_be_32(p->seq),
				  .recv_ack = rte_cpu_to_be_32(p->ack),
				  .data_off = (uint8_t)((20 + n) / 4 << 4),
				  .tcp_flags = p->flags,
				  .rx_win = rte_cpu_to_be_16(p->wnd)};
	memcpy(rte_pktmbuf_append(m, (uint16_t)n), opt, n);
	b = (void *)rte_pktmbuf_append(m, (uint16_t)p->len);
	for (uint32_t i = 0; i < p->len; i++)
		b[i] = byte_at(p->seq + i);
	*pkt_meta(m) = (struct pkt_meta){
		.src = addr4(198, 18, 0, 1), .dst = addr4(198, 18, 0, 2), .ecn = p->ecn};
	if (!p->wrong) /* else it is looked at, and 0 is not it */
		m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	return m;
}

/* To one side as a burst, to the other one by one. */
static void arrive(const struct piece *p, unsigned int n)
{
	struct rte_mbuf *m[BURST], *single;

	for (unsigned int i = 0; i < n; i++)
		m[i] = make(&one, &p[i]);
	tcp_input_burst(one.tcp, m, n, now);
	for (unsigned int i = 0; i < n; i++) {
		single = make(&many, &p[i]);
		tcp_input_burst(many.tcp, &single, 1, now);
	}
}

static void output(struct side *d)
{
	tcp_timers(d->tcp, now);
	tcp_output_poll(d->tcp, now);
	net_timers(d->net, now);
	net_flush(d->net);
	wire_clear(&d->wire);
}

static void start(void)
{
	struct piece syn = {.seq = ISS - 1, .wnd = 60000, .ts = 100, .flags = RTE_TCP_SYN_FLAG};
	struct piece ack = {
		.seq = ISS, .ack = OURS + 1, .wnd = 60000, .ts = 100, .flags = RTE_TCP_ACK_FLAG};

	eal_start("96");
	side_init(&one, "one");
	side_init(&many, "many");
	arrive(&syn, 1);
	output(&one);
	output(&many);
	arrive(&ack, 1);
	cr_assert(one.s != NULL && many.s != NULL);
}

static void finish(struct side *d)
{
	tcp_free(d->tcp);
	net_free(d->net);
	wire_clear(&d->wire);
	cr_expect_eq(eal_out(d->pools.data), 0);
	cr_expect_eq(eal_out(d->pools.head), 0);
	pkt_pools_free(&d->pools);
}

static void end(void)
{
	finish(&one);
	finish(&many);
}

TestSuite(coalesce, .init = start, .fini = end);

static struct tcp_conn *conn_of(const struct side *d)
{
	return (struct tcp_conn *)d->s;
}

#define SAME(field)                                                                                \
	cr_expect_eq(a->field, b->field, #field ": %llu as a burst, %llu one by one",              \
		     (unsigned long long)a->field, (unsigned long long)b->field)

/*
 * SND.WL1 is not compared: as a burst it is the first segment's, and what stands between that and
 * the last comes from below RCV.NXT and does not get as far as to update the window.
 */
static void check_state(void)
{
	const struct tcp_conn *a = conn_of(&one), *b = conn_of(&many);

	SAME(state);
	SAME(rcv_nxt);
	SAME(rcv_adv);
	SAME(rcv_mss);
	SAME(rcv_fin);
	SAME(ts_recent);
	SAME(last_ack_sent);
	SAME(last_rx);
	SAME(unacked_bytes);
	SAME(ack_now);
	SAME(dupacks_due);
	SAME(ece_on);
	SAME(snd_una);
	SAME(snd_wnd);
	SAME(snd_wl2);
	SAME(cwnd);
	SAME(total_in);
	SAME(rx_window);
	SAME(busy->rxq.len);
	SAME(busy->rxq.segs);
	SAME(busy->rx_cost);
	SAME(busy->runs_cost);
	SAME(busy->runs_n);
	SAME(busy->dsack.start);
	SAME(busy->dsack.end);
	SAME(s.events);
}

/* What the turn sent, and waits for. */
static void check_output(void)
{
	const struct tcp_conn *a = conn_of(&one), *b = conn_of(&many);

	SAME(timers_on);
	if (tcp_timer_on(a, TCP_T_DELACK))
		SAME(deadline[TCP_T_DELACK]);
	SAME(rcv_adv);
	SAME(last_ack_sent);
	for (unsigned int i = 0; i < TCP_C_COUNT; i++)
		cr_expect_eq(tcp_counters(one.tcp)[i], tcp_counters(many.tcp)[i], "%s: %lu, %lu",
			     tcp_counter_name(i), tcp_counters(one.tcp)[i],
			     tcp_counters(many.tcp)[i]);
}

/* Takes all that is there; *at is the number of its first byte. */
static void read_all(struct side *d, uint32_t *at)
{
	struct pkt_chain ch = {0};
	uint32_t n = d->s->ops->rx_take(d->s, UINT32_MAX, &ch);

	for (struct rte_mbuf *m = ch.head; m != NULL; m = m->next)
		for (uint32_t i = 0; i < m->data_len; i++, ++*at)
			cr_assert_eq(rte_pktmbuf_mtod(m, uint8_t *)[i], byte_at(*at));
	cr_expect_eq(n, ch.len);
	pkt_chain_free(&ch);
}

/* The segment that would come next. */
static struct piece next_piece(uint32_t seq, uint32_t ts)
{
	return (struct piece){.seq = seq,
			      .ack = OURS + 1,
			      .len = MSS,
			      .ts = ts,
			      .wnd = 60000,
			      .flags = RTE_TCP_ACK_FLAG};
}

Test(coalesce, a_burst_in_order_is_one_segment)
{
	struct piece p[BURST];
	struct tcp_seg g[BURST];
	struct tcp_conn *c = conn_of(&one), *conn[BURST];
	unsigned int k;

	for (unsigned int i = 0; i < BURST; i++) {
		p[i] = next_piece(ISS + i * MSS, 100 + i / 3);
		conn[i] = c;
		cr_assert(tcp_seg_parse(one.tcp, make(&one, &p[i]), &g[i]));
	}
	p[BURST - 1].flags |= RTE_TCP_PSH_FLAG;
	k = tcp_coalesce(c, g, conn, BURST);
	cr_expect_eq(k, BURST);
	cr_expect_eq(g[0].len, BURST * MSS);
	cr_expect_eq(g[0].unit, MSS);
	cr_expect_eq(g[0].opts.ts_val, 100, "RFC 7323 4.3: the first");
	cr_expect_eq(g[0].m->nb_segs, BURST);
	rte_pktmbuf_free(g[0].m);
}

/* What was looked for before is found for those that are left: they move up in the burst. */
Test(coalesce, a_wrong_checksum_costs_its_own_segment_alone)
{
	static const uint16_t wrong[] = {0x0001, 0x8000, 0x0018, 0x5555, 0x7fff, 0xffff};
	uint32_t seq = ISS, at_one = ISS, at_many = ISS;

	for (unsigned int i = 0; i < RTE_DIM(wrong); i++) {
		uint64_t was = tcp_counters(one.tcp)[TCP_C_DROP_CKSUM];
		struct piece p[BURST];

		for (unsigned int k = 0; k < BURST; k++) {
			p[k] = next_piece(seq + k * MSS, 100);
			p[k].wrong = (wrong[i] >> k & 1) != 0;
		}
		arrive(p, BURST);
		check_state();
		cr_expect_eq(tcp_counters(one.tcp)[TCP_C_DROP_CKSUM] - was,
			     (unsigned int)__builtin_popcount(wrong[i]));
		cr_expect_eq(conn_of(&one)->rcv_nxt,
			     seq + (unsigned int)__builtin_ctz(wrong[i]) * MSS);
		for (unsigned int k = 0; k < BURST; k++)
			p[k].wrong = false;
		arrive(p, BURST);
		check_state();
		seq += BURST * MSS;
		cr_expect_eq(conn_of(&one)->rcv_nxt, seq);
		read_all(&one, &at_one);
		read_all(&many, &at_many);
		output(&one);
		output(&many);
		check_output();
	}
}

/* One difference to what would have been next, and it stays by itself. */
Test(coalesce, what_says_something_else_stays_by_itself)
{
	static const struct {
		const char *what;
		struct piece d; /* added to the next */
	} other[] = {
		{"a gap", {.seq = 1}},
		{"seen before", {.seq = -1u}},
		{"an acknowledgement", {.ack = 1}},
		{"a window", {.wnd = 1}},
		{"an older timestamp", {.ts = -1u}},
		{"no text", {.len = -1u * MSS}},
		{"little text", {.len = -1u * (MSS - PKT_DATA_ROOM / 4 + 1)}},
		{"FIN", {.flags = RTE_TCP_FIN_FLAG}},
		{"RST", {.flags = RTE_TCP_RST_FLAG}},
		{"SYN", {.flags = RTE_TCP_SYN_FLAG}},
		{"URG", {.flags = RTE_TCP_URG_FLAG}},
		{"ECE", {.flags = RTE_TCP_ECE_FLAG}},
		{"CWR", {.flags = RTE_TCP_CWR_FLAG}},
		{"a mark", {.ecn = 3}},
		{"no timestamp", {.bare = true}},
	};

	for (unsigned int i = 0; i < RTE_DIM(other); i++) {
		struct tcp_conn *c = conn_of(&one), *conn[2] = {c, c};
		struct piece p = next_piece(ISS, 100), q = next_piece(ISS + MSS, 100);
		const struct piece *d = &other[i].d;
		struct tcp_seg g[2];

		q.seq += d->seq, q.ack += d->ack, q.len += d->len, q.ts += d->ts;
		q.wnd = (uint16_t)(q.wnd + d->wnd);
		q.flags |= d->flags, q.ecn = d->ecn, q.bare = d->bare;
		cr_assert(tcp_seg_parse(one.tcp, make(&one, &p), &g[0]));
		cr_assert(tcp_seg_parse(one.tcp, make(&one, &q), &g[1]));
		cr_expect_eq(tcp_coalesce(c, g, conn, 2), 1, "%s", other[i].what);
		conn[1] = NULL;
		cr_expect_eq(tcp_coalesce(c, g, conn, 2), 1, "another connection");
		rte_pktmbuf_free(g[0].m);
		rte_pktmbuf_free(g[1].m);
	}
}

/*
 * --- a port that joined them (LRO): one frame of the first one's headers and all text, longer
 * than any MTU
 */

static struct rte_mbuf *joined(struct side *d, const struct piece *p, unsigned int n)
{
	struct rte_ether_hdr eth = {.dst_addr = d->wire.port.mac,
				    .src_addr = {{2, 0, 0, 0, 0, 9}},
				    .ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4)};
	struct rte_mbuf *head = make(d, p), *tail = head, *m;
	struct rte_ipv4_hdr ip = {.version_ihl = 0x45,
				  .time_to_live = 64,
				  .next_proto_id = IPPROTO_TCP,
				  .src_addr = be4(198, 18, 0, 1),
				  .dst_addr = be4(198, 18, 0, 2)};

	for (unsigned int i = 1; i < n; i++) {
		m = make(d, &p[i]);
		rte_pktmbuf_adj(m, (uint16_t)(m->data_len - p[i].len));
		tail = tail->next = m;
		head->nb_segs++;
		head->pkt_len += m->pkt_len;
	}
	ip.total_length = rte_cpu_to_be_16((uint16_t)(head->pkt_len + sizeof(ip)));
	memcpy(rte_pktmbuf_prepend(head, sizeof(ip)), &ip, sizeof(ip));
	memcpy(rte_pktmbuf_prepend(head, sizeof(eth)), &eth, sizeof(eth));
	head->ol_flags |= RTE_MBUF_F_RX_LRO | RTE_MBUF_F_RX_IP_CKSUM_GOOD;
	head->tso_segsz = MSS;
	return head;
}

static void arrive_joined(const struct piece *p, unsigned int n)
{
	struct rte_mbuf *m = joined(&one, p, n), *seg, *single;

	cr_assert_eq(net_input_burst(one.net, 0, &m, 1, now, &seg), 1);
	tcp_input_burst(one.tcp, &seg, 1, now);
	for (unsigned int i = 0; i < n; i++) {
		single = make(&many, &p[i]);
		tcp_input_burst(many.tcp, &single, 1, now);
	}
}

Test(coalesce, what_the_port_joined_is_what_its_segments_are)
{
	uint32_t seq = ISS, at[2] = {ISS, ISS};
	struct piece p[BURST];

	for (unsigned int n = 1; n <= BURST; n++) {
		for (unsigned int i = 0; i < n; i++, seq += MSS)
			p[i] = next_piece(seq, 100 + n);
		now += 1000;
		arrive_joined(p, n);
		check_state();
		read_all(&one, &at[0]);
		read_all(&many, &at[1]);
		output(&one);
		output(&many);
	}
	cr_expect(at[0] == seq && at[1] == seq);
	cr_expect_eq(conn_of(&one)->rcv_mss, MSS, "no segment was longer");
}

/* Nor without a word of the port's on how long they were. */
Test(coalesce, joined_segments_of_unknown_size_are_no_longer_than_we_said)
{
	struct piece p[BURST];
	struct rte_mbuf *m, *seg;

	for (unsigned int i = 0; i < BURST; i++)
		p[i] = next_piece(ISS + i * MSS, 100);
	m = joined(&one, p, BURST);
	m->tso_segsz = 0;
	cr_assert_eq(net_input_burst(one.net, 0, &m, 1, now, &seg), 1);
	tcp_input_burst(one.tcp, &seg, 1, now);
	cr_expect_eq(conn_of(&one)->rcv_nxt, ISS + BURST * MSS);
	cr_expect_leq(conn_of(&one)->rcv_mss, 1460);
	cr_expect(conn_of(&one)->ack_now, "two or more are acknowledged at once");
}

/* Mostly what would come next, and now and then all that can happen to it. */
static struct piece random_piece(struct rnd *r, uint32_t *seq, uint32_t *ts)
{
	struct piece p;

	*ts += rnd_below(r, 8) == 0;
	p = next_piece(*seq, *ts);
	switch (rnd_below(r, 40)) {
	case 0: /* lost */
		*seq += MSS;
		p.seq = *seq;
		break;
	case 1: /* again, in part or all */
		p.seq -= rnd_below(r, 3 * MSS);
		break;
	case 2: /* what was lost */
		p.seq = conn_of(&many)->rcv_nxt;
		break;
	case 3:
		p.len = rnd_below(r, MSS);
		break;
	case 4:
		p.flags |= RTE_TCP_PSH_FLAG;
		break;
	case 5:
		p.ts -= rnd_below(r, 3);
		break;
	case 6:
		p.wnd = (uint16_t)rnd_u32(r);
		break;
	case 7:
		p.ecn = (uint8_t)rnd_below(r, 4);
		break;
	case 8:
		p.bare = true;
		break;
	case 9: /* far beyond the window */
		p.seq += 1 << 20;
		return p;
	default:
		break;
	}
	if (seq_gt(p.seq + p.len, *seq))
		*seq = p.seq + p.len;
	return p;
}

Test(coalesce, random_bursts_leave_the_same_state)
{
	unsigned int rounds = test_long() ? 200000 : 700;
	uint32_t seq = ISS, ts = 100, read_one = ISS, read_many = ISS;
	struct rnd r = rnd_new(rnd_seed());

	for (unsigned int i = 0; i < rounds; i++) {
		struct piece p[BURST];
		unsigned int n = 1 + rnd_below(&r, BURST);

		for (unsigned int k = 0; k < n; k++)
			p[k] = random_piece(&r, &seq, &ts);
		arrive(p, n);
		check_state();
		output(&one);
		output(&many);
		check_output();
		if (rnd_below(&r, 4) > 0) {
			read_all(&one, &read_one);
			read_all(&many, &read_many);
		}
		/* The peer learns what arrived. */
		if (conn_of(&many)->busy->runs_n > 8 || rnd_below(&r, 16) == 0)
			seq = conn_of(&many)->rcv_nxt;
		now += rnd_below(&r, 30000);
	}
	cr_expect_gt(conn_of(&one)->total_in, rounds * (uint64_t)MSS, "little arrived: %lu",
		     conn_of(&one)->total_in);
	cr_expect_eq(read_one, read_many);
}
