/*
 * dataplane/tcp/segment.c - a segment as a packet.
 *
 * A segment is a header mbuf followed by the mbufs of the send queue: by themselves where a driver
 * holds nothing of them, which costs a reference and leaves their head-room to net/ (cut.h); else,
 * or from the middle of one, by indirect mbufs. One that is all of an mbuf has its header in that
 * one's head-room. While a driver may hold it nothing that it looks at
 * changes, and the queue looks at nothing of that (txq.h), so an acknowledgement that comes before
 * the driver lets go, or a segment that goes again, costs no copy (dataplane/pkt.h, "Rules of
 * buffers").
 */
#include "dataplane/tcp/segment.h"

#include <rte_ip.h>

#include "dataplane/net/cut.h"

/* The sum of the pseudo-header, RFC 9293 section 3.1; both families sum the same fields. */
static uint32_t pseudo_sum(uint32_t len, const struct net_addr *src, const struct net_addr *dst)
{
	uint64_t sum = (uint64_t)rte_cpu_to_be_32(len) + rte_cpu_to_be_32(TCP_PROTO);
	uint32_t a[4], b[4];

	memcpy(a, src->b, sizeof(a)); /* of IPv4 the rest is 0 */
	memcpy(b, dst->b, sizeof(b));
	for (int i = 0; i < 4; i++)
		sum += (uint64_t)a[i] + b[i];
	sum = (sum & UINT32_MAX) + (sum >> 32);
	return (uint32_t)((sum & UINT16_MAX) + (sum >> 16 & UINT16_MAX) + (sum >> 32));
}

/* m starts at the TCP header. */
static uint16_t checksum(const struct rte_mbuf *m, const struct net_addr *src,
			 const struct net_addr *dst)
{
	uint32_t sum = pseudo_sum(m->pkt_len, src, dst) + pkt_raw_cksum(m);

	return (uint16_t)~__rte_raw_cksum_reduce(sum);
}

bool tcp_checksum_ok(const struct rte_mbuf *m, const struct net_addr *src,
		     const struct net_addr *dst)
{
	return checksum(m, src, dst) == 0;
}

uint16_t tcp_hdr_write(void *at, const struct tcp_hdr *h)
{
	struct rte_tcp_hdr *tcp = at;
	size_t opt_len = tcp_opts_build(&h->opts, (uint8_t *)(tcp + 1));

	*tcp = (struct rte_tcp_hdr){
		.src_port = rte_cpu_to_be_16(h->src_port),
		.dst_port = rte_cpu_to_be_16(h->dst_port),
		.sent_seq = rte_cpu_to_be_32(h->seq),
		.recv_ack = rte_cpu_to_be_32(h->ack),
		.data_off = (uint8_t)((TCP_HDR_MIN + opt_len) / 4 << 4),
		.tcp_flags = h->flags,
		.rx_win = rte_cpu_to_be_16(h->wnd),
	};
	return (uint16_t)(TCP_HDR_MIN + opt_len);
}

int tcp_transmit(struct tcp *t, struct rte_mbuf *m, const struct net_addr *src,
		 const struct net_addr *dst, uint8_t tos, const struct net_path *path,
		 uint64_t now_us)
{
	struct rte_tcp_hdr *tcp = rte_pktmbuf_mtod(m, struct rte_tcp_hdr *);

	if (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) { /* each of its segments has a length */
		tcp->cksum = __rte_raw_cksum_reduce(pseudo_sum(0, src, dst));
	} else if (path != NULL && path->tx_cksum) { /* net_output(): the port does the rest */
		m->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
		tcp->cksum = __rte_raw_cksum_reduce(pseudo_sum(m->pkt_len, src, dst));
	} else {
		tcp->cksum = checksum(m, src, dst);
	}
	return net_output(t->conf.net, m, src, dst, TCP_PROTO, TCP_TTL, tos, path, now_us);
}

/* May the mbuf of cur be handed over itself? */
static bool goes_itself(struct tcp_cursor cur)
{
	return cur.m != NULL && cur.off == 0 && pkt_writable(cur.m);
}

/* The mbuf of cur for a packet, or one that points into it. NULL: the pool is empty. */
static struct rte_mbuf *piece_get(struct tcp *t, struct tcp_cursor cur)
{
	struct rte_mbuf *m = cur.m;

	if (likely(goes_itself(cur))) {
		rte_mbuf_refcnt_update(m, 1);
		m->ol_flags = 0;
	} else {
		m = rte_pktmbuf_alloc(t->conf.pools->head);
		if (unlikely(m == NULL))
			return NULL;
		rte_pktmbuf_attach(m, cur.m);
	}
	m->data_off = (uint16_t)(tcp_piece(cur.m)->off + cur.off);
	m->nb_segs = 1;
	m->next = NULL;
	return m;
}

/* Links len bytes from cur behind head. False: a pool is empty. */
static bool payload_attach(struct tcp *t, struct rte_mbuf *head, struct tcp_cursor cur,
			   uint32_t len)
{
	struct rte_mbuf *last = head;

	while (len > 0) {
		struct rte_mbuf *m = piece_get(t, cur);
		uint32_t n = min_u64(len, tcp_cursor_left(cur));

		if (unlikely(m == NULL))
			return false;
		m->data_len = (uint16_t)n;
		last->next = m;
		last = m;
		head->nb_segs++;
		head->pkt_len += n;
		len -= n;
		cur = tcp_cursor_next(cur);
	}
	return true;
}

uint32_t tcp_payload_plan(struct tcp_cursor cur, uint32_t len, uint32_t size,
			  struct tcp_cursor *ret_next)
{
	bool whole = len == size && goes_itself(cur);
	uint32_t got = 0;

	for (int pieces = 0; got < len && pieces < TCP_OUT_PIECES && cur.m != NULL; pieces++) {
		uint32_t left = tcp_cursor_left(cur), n = min_u64(len - got, left);

		if (net_cut_seam(whole, got, left, size))
			break;
		got += n;
		cur.off += n;
		if (n == left)
			cur = tcp_cursor_next(cur);
	}
	*ret_next = cur;
	return got;
}

void tcp_super_plan(uint32_t mss, uint32_t len, unsigned int most, struct tcp_super *s)
{
	bool full;

	do {
		struct tcp_cursor next;
		uint32_t n = tcp_payload_plan(s->next, mss, mss, &next);

		full = n == mss ||
		       net_cut_seam(goes_itself(s->next), n, tcp_cursor_left(next), mss);
		if (!full && s->segs > 0) /* of too many pieces: by itself */
			break;
		if (s->segs == 0)
			s->first = n;
		s->segs++;
		s->len += n;
		s->next = next;
	} while (full && s->segs < most && s->len + mss <= len);
}

/* Is it all of one mbuf that no driver has, with room in front for the header and net/? */
static bool is_one_mbuf(struct tcp_cursor cur, uint32_t len, uint16_t header)
{
	return len > 0 && goes_itself(cur) && tcp_piece(cur.m)->len == len &&
	       tcp_piece(cur.m)->off >= header + NET_HEADROOM;
}

/* The segment of such a one: itself, once more referred to, with room for the header in front. */
static struct rte_mbuf *segment_of(struct rte_mbuf *m, uint16_t header)
{
	const struct tcp_piece *p = tcp_piece(m);

	rte_mbuf_refcnt_update(m, 1);
	m->ol_flags = 0;
	m->tx_offload = 0;
	m->next = NULL;
	m->nb_segs = 1;
	m->data_off = (uint16_t)(p->off - header);
	m->data_len = (uint16_t)(p->len + header);
	m->pkt_len = m->data_len;
	return m;
}

static unsigned int window_scale(const struct tcp_conn *c, uint8_t flags)
{
	return flags & RTE_TCP_SYN_FLAG ? 0 : c->rcv_wscale; /* RFC 7323 section 2.2 */
}

static uint16_t window_field(struct tcp_conn *c, uint8_t flags)
{
	return (uint16_t)min_u64(tcp_rcv_wnd(c) >> window_scale(c, flags), TCP_WND_RAW_MAX);
}

/*
 * The edge a segment promised. RFC 7323 section 2.4: what the scale cannot express is told a
 * little too small, but accepted up to the edge promised before.
 */
static void window_promise(struct tcp_conn *c, uint8_t flags, uint16_t field)
{
	uint32_t edge = c->rcv_nxt + ((uint32_t)field << window_scale(c, flags));

	c->rcv_adv = seq_max(c->rcv_adv, edge);
}

static void acked_now(struct tcp_conn *c)
{
	c->ack_now = false;
	c->unacked_bytes = 0;
	c->last_ack_sent = c->rcv_nxt;
	if (tcp_is_busy(c))
		c->busy->dsack.end = c->busy->dsack.start;
	tcp_timer_clear(c, TCP_T_DELACK);
}

static void conn_options(const struct tcp_conn *c, uint8_t flags, uint64_t now_us,
			 struct tcp_opts *o)
{
	if (flags & RTE_TCP_SYN_FLAG) {
		o->has_mss = true;
		o->mss = c->mss_adv;
		o->has_wscale = c->wscale_ok;
		o->wscale = c->t->rcv_wscale;
		o->has_sack_perm = c->sack_ok;
	}
	if (c->ts_on) {
		o->has_ts = true;
		o->ts_val = tcp_ts_now(c, now_us);
		o->ts_ecr = flags & RTE_TCP_ACK_FLAG ? c->ts_recent : 0;
	}
}

/* False: a pool is empty, and nothing went. */
static bool conn_transmit(struct tcp_conn *c, struct rte_mbuf *m, uint8_t tos, uint64_t now_us)
{
	struct net_addr peer = tcp_peer(c);
	struct net_path path;
	int r;

	tcp_path(c, &path);
	r = tcp_transmit(c->t, m, &path.src, &peer, tos, &path, now_us);
	if (unlikely(r == -EMSGSIZE))
		tcp_pmtu_link(c);
	return likely(r != -ENOMEM);
}

/* m is cut into segments of mss bytes by net_output(). */
static void super_mark(struct rte_mbuf *m, uint16_t mss)
{
	m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
	m->tso_segsz = mss;
	m->l4_len = m->data_len;
}

/* The packet of a segment, or of segs of them. NULL: a pool is empty. */
static struct rte_mbuf *packet_of(struct tcp_conn *c, const struct tcp_hdr *h,
				  struct tcp_cursor cur, uint32_t len, unsigned int segs)
{
	struct tcp *t = c->t;
	struct rte_mbuf *m;
	uint8_t header[TCP_HDR_MAX];
	uint16_t n = tcp_hdr_write(header, h);

	if (segs == 1 && is_one_mbuf(cur, len, n)) {
		m = segment_of(cur.m, n);
		memcpy(rte_pktmbuf_mtod(m, void *), header, n);
		return m;
	}
	m = rte_pktmbuf_alloc(t->conf.pools->head);
	if (unlikely(m == NULL))
		return NULL;
	m->data_len = n;
	m->pkt_len = n;
	memcpy(rte_pktmbuf_mtod(m, void *), header, n);
	if (segs > 1)
		super_mark(m, c->mss);
	if (likely(payload_attach(t, m, cur, len)))
		return m;
	rte_pktmbuf_free(m);
	return NULL;
}

bool tcp_emit_segs(struct tcp_conn *c, uint32_t seq, uint8_t flags, struct tcp_cursor cur,
		   uint32_t len, unsigned int segs, uint64_t now_us)
{
	struct tcp *t = c->t;
	struct tcp_hdr h = {.src_port = tcp_local_port(c),
			    .dst_port = tcp_peer_port(c),
			    .seq = seq,
			    .wnd = window_field(c, flags),
			    .flags = flags};
	struct rte_mbuf *m;
	uint8_t ecn = 0;

	if (unlikely(c->ecn_ok)) {
		ecn = tcp_ecn_field(c, seq, len);
		h.flags |= tcp_ecn_flags(c, flags, ecn);
	}
	if (flags & RTE_TCP_ACK_FLAG)
		h.ack = c->rcv_nxt;
	conn_options(c, flags, now_us, &h.opts);
	/* RFC 9293 section 3.7.1: a full segment leaves no room for more. */
	if (unlikely(tcp_sack_due(c)) && len == 0 && !(flags & RTE_TCP_RST_FLAG))
		tcp_reass_sack(c, &h.opts);
	m = packet_of(c, &h, cur, len, segs);
	if (unlikely(m == NULL)) {
		tcp_count(t, TCP_C_DROP_NO_MBUF);
		return false;
	}
	if (unlikely(!conn_transmit(c, m, c->qos | ecn, now_us)))
		return false;
	t->counters[TCP_C_OUT_SEGS] += segs;
	t->counters[TCP_C_OUT_BYTES] += len;
	if (flags & RTE_TCP_ACK_FLAG) {
		window_promise(c, flags, h.wnd);
		if (likely(len == 0 || !tcp_sack_due(c)))
			acked_now(c);
	}
	if (len > 0)
		tcp_pace_count(&c->busy->pace, len);
	if (unlikely(h.flags & RTE_TCP_CWR_FLAG))
		c->cwr_due = false;
	return true;
}
