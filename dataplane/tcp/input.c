/*
 * dataplane/tcp/input.c - a segment's way: header checks, lookup by bursts, and the walk of
 * RFC 9293 section 3.10.7 through the steps of its state.
 */
#include "dataplane/tcp/internal.h"

#include <rte_prefetch.h>

#define FETCH_AHEAD 2    /* packets */
#define FETCH_TEXT  2048 /* bytes of each at most: behind them the processor sees it itself */

/* --- the header ------------------------------------------------------------------- */

/* Checksums that a port proved, or that never left the machine, are not computed again. */
static bool checksum_known(const struct rte_mbuf *m)
{
	uint64_t f = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;

	return f == RTE_MBUF_F_RX_L4_CKSUM_GOOD || f == RTE_MBUF_F_RX_L4_CKSUM_NONE;
}

/* The longest segment that arrived in it: a port may have joined several. */
static uint32_t unit_of(const struct rte_mbuf *m, uint32_t len)
{
	if (likely(!(m->ol_flags & RTE_MBUF_F_RX_LRO)) || m->tso_segsz == 0)
		return len;
	return min_u64(len, m->tso_segsz);
}

bool tcp_seg_parse(struct tcp *t, struct rte_mbuf *m, struct tcp_seg *ret)
{
	uint8_t buf[TCP_HDR_MAX];
	const struct pkt_meta *meta = pkt_meta(m);
	const struct rte_tcp_hdr *h = rte_pktmbuf_read(m, 0, TCP_HDR_MIN, buf);
	uint16_t hdr_len;

	if (h == NULL || (hdr_len = (uint16_t)((h->data_off >> 4) * 4)) < TCP_HDR_MIN ||
	    (h = rte_pktmbuf_read(m, 0, hdr_len, buf)) == NULL || h->src_port == 0 ||
	    h->dst_port == 0) {
		tcp_count(t, TCP_C_DROP_HEADER);
		return false;
	}
	ret->m = m;
	ret->seq = rte_be_to_cpu_32(h->sent_seq);
	ret->ack = rte_be_to_cpu_32(h->recv_ack);
	ret->wnd = rte_be_to_cpu_16(h->rx_win);
	ret->flags = h->tcp_flags;
	ret->hdr_len = hdr_len;
	ret->len = m->pkt_len - hdr_len;
	ret->unit = unit_of(m, ret->len);
	tcp_opts_parse((const uint8_t *)h + TCP_HDR_MIN, hdr_len - TCP_HDR_MIN, &ret->opts);
	tcp_key_make(&meta->dst, rte_be_to_cpu_16(h->dst_port), &meta->src,
		     rte_be_to_cpu_16(h->src_port), &ret->key);
	return true;
}

static bool seg_verify(struct tcp *t, const struct rte_mbuf *m)
{
	const struct pkt_meta *meta = pkt_meta((struct rte_mbuf *)(uintptr_t)m);

	if (likely(checksum_known(m) || tcp_checksum_ok(m, &meta->src, &meta->dst)))
		return true;
	tcp_count(t, TCP_C_DROP_CKSUM);
	return false;
}

/* --- steps of section 3.10.7.4 ------------------------------------------------------ */

enum verdict { NEXT, DONE };

struct walk {
	struct tcp_conn *c;
	struct tcp_seg *g;
	uint64_t now_us;
};

static bool in_window(const struct tcp_conn *c, uint32_t seq)
{
	return seq_le(c->rcv_nxt, seq) && seq_lt(seq, c->rcv_adv);
}

/* The four cases of "first, check sequence number". */
static bool acceptable(const struct tcp_conn *c, const struct tcp_seg *g)
{
	uint32_t space = tcp_seg_space(g);

	/*
	 * "If the RCV.WND is zero, no segments will be acceptable, but special allowance
	 * should be made to accept valid ACKs, URGs, and RSTs": the text is cut off later.
	 */
	if (c->rcv_nxt == c->rcv_adv)
		return g->seq == c->rcv_nxt;
	if (space == 0)
		return in_window(c, g->seq) ||
		       g->seq == c->rcv_adv; /* an ACK of one who filled the window */
	return in_window(c, g->seq) || in_window(c, g->seq + space - 1) ||
	       (seq_lt(g->seq, c->rcv_nxt) && seq_ge(g->seq + space, c->rcv_adv));
}

/* What is not acceptable is answered, but segments without data not often (T-12). */
static void answer_unacceptable(struct walk *w)
{
	struct tcp_conn *c = w->c;

	if (w->g->flags & RTE_TCP_RST_FLAG)
		return;
	if (tcp_seg_space(w->g) == 0) {
		if (tcp_since_us(c->oow_last, w->now_us) < TCP_OOW_ACK_US)
			return;
		c->oow_last = tcp_tick(w->now_us);
	} else if (seq_lt(w->g->seq, c->rcv_nxt)) { /* our ACK was lost, or it was sent in vain */
		tcp_reass_dup(c, w->g->seq, seq_min(w->g->seq + w->g->len, c->rcv_nxt));
	}
	c->ack_now = true;
	tcp_output_want(c);
}

static uint64_t ts_age_us(const struct tcp_conn *c, uint64_t now_us)
{
	uint32_t ticks = (uint32_t)(now_us >> TCP_AGE_SHIFT) - c->ts_recent_age;

	return (uint64_t)ticks << TCP_AGE_SHIFT;
}

/* RFC 7323 section 5.5: after 24 days the one we know may be ahead of all there are. */
static bool ts_is_old(const struct walk *w)
{
	return seq_lt(w->g->opts.ts_val, w->c->ts_recent) &&
	       ts_age_us(w->c, w->now_us) <= TCP_PAWS_IDLE_US;
}

/* RFC 7323 section 5.3, R1. A missing timestamp is no reason to drop (T-18). */
static enum verdict step_paws(struct walk *w)
{
	struct tcp_conn *c = w->c;
	const struct tcp_seg *g = w->g;

	if (!c->ts_on || !g->opts.has_ts || (g->flags & RTE_TCP_RST_FLAG) || !ts_is_old(w))
		return NEXT;
	tcp_count(c->t, TCP_C_DROP_PAWS);
	answer_unacceptable(w);
	return DONE;
}

/* A SYN that repeats the one that made this connection: our answer was lost, or crossed it. */
static enum verdict syn_again(struct walk *w)
{
	struct tcp_conn *c = w->c;

	if (w->g->flags & (RTE_TCP_RST_FLAG | RTE_TCP_FIN_FLAG))
		return DONE;
	if (w->g->flags & RTE_TCP_ACK_FLAG) {
		/* Simultaneous open (RFC 9293 figure 7): the rest of it is an acknowledgement. */
		w->g->flags &= (uint8_t)~RTE_TCP_SYN_FLAG;
		w->g->seq++;
		w->g->wnd >>= c->snd_wscale; /* which a SYN's is not: RFC 7323 section 2.2 */
		return NEXT;
	}
	if (c->ecn_ok) /* not if this one does not ask (RFC 3168 section 6.1.1) */
		tcp_ecn_syn(c, w->g);
	c->syn_due = true;
	tcp_output_want(c);
	return DONE;
}

static enum verdict step_seq(struct walk *w)
{
	struct tcp_conn *c = w->c;
	const struct tcp_seg *g = w->g;

	if (c->state == TCP_SYN_RCVD && (g->flags & RTE_TCP_SYN_FLAG) && g->seq == c->irs)
		return syn_again(w);
	if (unlikely(!acceptable(c, g))) {
		tcp_count(c->t, TCP_C_DROP_WINDOW);
		answer_unacceptable(w);
		return DONE;
	}
	return NEXT;
}

/* RFC 5961 section 3.2: only the exact next number resets. */
static enum verdict step_rst(struct walk *w)
{
	struct tcp_conn *c = w->c;

	if (likely(!(w->g->flags & RTE_TCP_RST_FLAG)))
		return NEXT;
	if (w->g->seq != c->rcv_nxt) {
		tcp_challenge(c, w->now_us);
		return DONE;
	}
	tcp_count(c->t, TCP_C_RESETS_IN);
	/* A half-open connection of a listener goes back to LISTEN: nobody is told. */
	tcp_conn_closed(c, c->state == TCP_SYN_RCVD && !c->passive ? -ECONNREFUSED : -ECONNRESET);
	return DONE;
}

/* RFC 5961 section 4.2. */
static enum verdict step_syn(struct walk *w)
{
	struct tcp_conn *c = w->c;

	if (likely(!(w->g->flags & RTE_TCP_SYN_FLAG)))
		return NEXT;
	tcp_count(c->t, TCP_C_DROP_STATE);
	tcp_challenge(c, w->now_us);
	return DONE;
}

/* SYN-RECEIVED, fifth step. */
static enum verdict ack_in_syn_rcvd(struct walk *w)
{
	struct tcp_conn *c = w->c;
	struct tcp_seg *g = w->g;

	if (seq_le(g->ack, c->snd_una) || seq_gt(g->ack, c->snd_max)) {
		tcp_count(c->t, TCP_C_DROP_ACK);
		tcp_reply_rst(c->t, g, w->now_us);
		return DONE;
	}
	tcp_conn_established(c, w->now_us);
	tcp_wnd_update(c, g);
	if (c->passive && !tcp_listen_accept(c))
		return DONE;
	return NEXT;
}

/* What the acknowledgement of our FIN ends. */
static enum verdict fin_was_acked(struct walk *w)
{
	struct tcp_conn *c = w->c;

	switch (c->state) {
	case TCP_FIN_WAIT_1:
		c->state = TCP_FIN_WAIT_2;
		if (c->detached)
			tcp_timer_set(c, TCP_T_LINGER, w->now_us + TCP_FIN_WAIT_2_US);
		return NEXT;
	case TCP_CLOSING:
		tcp_conn_time_wait(c, w->now_us);
		return DONE;
	case TCP_LAST_ACK:
		tcp_conn_closed(c, 0);
		return DONE;
	default:
		return NEXT;
	}
}

/*
 * Its numbers are those of the peer. What anybody could have sent is no sign of life, and its
 * timestamp would make the peer's own look old (RFC 7323 section 4.3 (2) asks for its place only).
 */
static void believe(struct walk *w)
{
	struct tcp_conn *c = w->c;
	const struct tcp_seg *g = w->g;

	c->last_rx = tcp_tick(w->now_us);
	c->keep_probes = 0;
	if (c->ts_on && g->opts.has_ts && seq_le(g->seq, c->last_ack_sent)) {
		c->ts_recent = g->opts.ts_val;
		c->ts_recent_age = (uint32_t)(w->now_us >> TCP_AGE_SHIFT);
	}
}

static enum verdict step_ack(struct walk *w)
{
	struct tcp_conn *c = w->c;
	struct tcp_seg *g = w->g;
	uint32_t old;

	if (unlikely(!(g->flags & RTE_TCP_ACK_FLAG))) {
		tcp_count(c->t, TCP_C_DROP_STATE);
		return DONE;
	}
	if (unlikely(c->state == TCP_SYN_RCVD) && ack_in_syn_rcvd(w) == DONE)
		return DONE;
	/*
	 * RFC 5961 section 5.2: nobody who sees the connection is further off than this, and
	 * nobody can acknowledge what is in front of the first byte.
	 */
	old = min_u64(c->max_snd_wnd, c->total_out);
	if (unlikely(seq_gt(g->ack, c->snd_max) || seq_lt(g->ack, c->snd_una - old))) {
		tcp_count(c->t, TCP_C_DROP_ACK);
		tcp_challenge(c, w->now_us);
		return DONE;
	}
	believe(w);
	if (tcp_ack_input(c, g, w->now_us))
		return fin_was_acked(w);
	return NEXT;
}

/* RFC 6093: the urgent pointer says nothing; the bytes are in line (T-05). No step for it. */

/* Acknowledge now, or with what comes soon: RFC 9293 section 3.8.6.3. */
static void ack_later(struct tcp_conn *c, uint32_t len, uint32_t unit, uint64_t now_us)
{
	c->unacked_bytes += len;
	c->rcv_mss = (uint16_t)max_u64(c->rcv_mss, min_u64(min_u64(len, unit), c->mss_adv));
	/* A gap, filled or left, is told at once (RFC 5681 section 4.2). */
	if (c->unacked_bytes >= 2u * c->rcv_mss || c->busy->runs != NULL) {
		c->ack_now = true;
		tcp_output_want(c);
	} else if (!tcp_timer_on(c, TCP_T_DELACK)) {
		tcp_timer_set(c, TCP_T_DELACK, now_us + TCP_DELACK_US);
	}
}

/* Bytes for a connection nobody reads any more. */
static enum verdict text_unread(struct walk *w, uint32_t seq, uint32_t len)
{
	struct tcp_conn *c = w->c;

	tcp_count(c->t, TCP_C_DROP_CLOSED);
	/* RFC 9293 section 3.6.1: all of ours has arrived, so nothing is lost by saying so. */
	if (c->state == TCP_FIN_WAIT_2) {
		tcp_send_rst(c, w->now_us);
		tcp_conn_closed(c, 0);
		return DONE;
	}
	if (seq == c->rcv_nxt)
		c->rcv_nxt += len;
	ack_later(c, len, w->g->unit, w->now_us);
	return NEXT;
}

static bool receives(const struct tcp_conn *c)
{
	return (c->state == TCP_ESTABLISHED || c->state == TCP_FIN_WAIT_1 ||
		c->state == TCP_FIN_WAIT_2);
}

static enum verdict step_text(struct walk *w)
{
	struct tcp_conn *c = w->c;
	struct tcp_seg *g = w->g;
	uint32_t seq = g->seq, len = g->len, skip = 0, edge = c->rcv_adv;

	if (len == 0 || !receives(c))
		return NEXT;
	if (c->ecn_ok)
		tcp_ecn_data(c, g);
	if (seq_lt(seq, c->rcv_nxt)) { /* the part that came before */
		skip = min_u64(c->rcv_nxt - seq, len);
		tcp_reass_dup(c, seq, seq + skip);
		c->ack_now = true; /* it was sent again: the peer waits */
		tcp_output_want(c);
		seq += skip;
		len -= skip;
	}
	if (c->rcv_fin)
		edge = seq_min(edge, c->rcv_fin_seq);
	if (seq_gt(seq + len, edge)) { /* the part beyond the window, or beyond the end */
		len = seq_lt(seq, edge) ? edge - seq : 0;
		g->flags &= (uint8_t)~RTE_TCP_FIN_FLAG;
		c->ack_now = true;
		tcp_output_want(c);
	}
	if (len == 0) {
		c->ack_now = true;
		tcp_output_want(c);
		return NEXT;
	}
	if (unlikely(c->detached))
		return text_unread(w, seq, len);
	if (unlikely(!tcp_mem_keeps(c))) { /* lost, as far as the peer can tell; its FIN, too */
		tcp_count(c->t, TCP_C_DROP_MEM);
		return DONE;
	}

	tcp_rwin_arrived(c, g, w->now_us);
	if (tcp_reass_input(c, g, seq, len, g->hdr_len + skip)) {
		ack_later(c, len, g->unit, w->now_us);
		tcp_notify(c, STREAM_EV_READABLE);
	} else {
		/* SACK says which: then a few are enough for those who count all the same. */
		if (c->dupacks_due < (c->sack_ok ? TCP_DUPACKS : TCP_DUPACKS_OUT))
			c->dupacks_due++;
		tcp_output_want(c);
	}
	return NEXT;
}

/*
 * In the window, and not in front of bytes that came already, which would stand behind the end; but
 * the next in order is believed, and they are not.
 */
static bool fin_fits(const struct tcp_conn *c, uint32_t seq)
{
	return in_window(c, seq) && (seq == c->rcv_nxt || seq_ge(seq, tcp_reass_end(c)));
}

static enum verdict step_fin(struct walk *w)
{
	struct tcp_conn *c = w->c;
	const struct tcp_seg *g = w->g;

	if ((g->flags & RTE_TCP_FIN_FLAG) && receives(c) && !c->rcv_fin) {
		if (fin_fits(c, g->seq + g->len)) {
			c->rcv_fin = true;
			c->rcv_fin_seq = g->seq + g->len;
		} else { /* a probe of a window of zero (section 3.8.6.1) */
			c->ack_now = true;
			tcp_output_want(c);
		}
	}
	if (likely(!c->rcv_fin) || !receives(c))
		return DONE;
	if (c->rcv_nxt != c->rcv_fin_seq) {
		if (g->flags & RTE_TCP_FIN_FLAG) { /* beyond a gap: told at once, as bytes are */
			c->ack_now = true;
			tcp_output_want(c);
		}
		return DONE;
	}

	tcp_reass_free(c);
	c->rcv_nxt++;
	c->rcv_adv = seq_max(c->rcv_adv, c->rcv_nxt);
	c->ack_now = true;
	tcp_output_want(c);
	tcp_notify(c, STREAM_EV_EOF);
	if (c->state == TCP_ESTABLISHED)
		c->state = TCP_CLOSE_WAIT;
	else if (c->state == TCP_FIN_WAIT_1)
		c->state = TCP_CLOSING; /* had our FIN been acknowledged, it were FIN-WAIT-2 */
	else
		tcp_conn_time_wait(c, w->now_us);
	return DONE;
}

static enum verdict (*const steps[])(struct walk *) = {
	step_paws, step_seq, step_rst, step_syn, step_ack, step_text, step_fin,
};

static void walk_from(struct walk *w, size_t first)
{
	for (size_t i = first; i < RTE_DIM(steps); i++)
		if (steps[i](w) == DONE)
			return;
}

/* --- section 3.10.7.3: SYN-SENT ------------------------------------------------------ */

/*
 * MUST-15, MUST-16; but not below a floor, or a peer that says 1 makes a thousand packets of
 * each of ours (CVE-2019-11479). Every host takes the default floor, whatever it says.
 */
uint16_t tcp_syn_mss(struct tcp *t, const struct tcp_seg *g, uint8_t family)
{
	if (!g->opts.has_mss)
		return family == 4 ? TCP_MSS_DEFAULT : TCP_MSS_DEFAULT_6;
	if (likely(g->opts.mss >= t->conf.mss_min))
		return g->opts.mss;
	tcp_count(t, TCP_C_MSS_RAISED);
	return t->conf.mss_min;
}

/* The peer's SYN: what it offers and what we offered too. */
void tcp_conn_syn(struct tcp_conn *c, const struct tcp_seg *g, uint64_t now_us)
{
	c->irs = g->seq;
	c->rcv_nxt = g->seq + 1;
	c->rcv_adv = c->rcv_nxt;
	c->last_ack_sent = c->rcv_nxt;
	c->ts_on = g->opts.has_ts;
	c->ts_recent = g->opts.ts_val;
	c->ts_recent_age = (uint32_t)(now_us >> TCP_AGE_SHIFT);
	c->wscale_ok = g->opts.has_wscale;
	c->sack_ok = g->opts.has_sack_perm;
	c->snd_wscale = g->opts.has_wscale ? g->opts.wscale : 0;
	c->rcv_wscale = g->opts.has_wscale ? c->t->rcv_wscale : 0;
	c->mss_peer = tcp_syn_mss(c->t, g, (uint8_t)c->key.family);
	c->rcv_mss = TCP_MSS_DEFAULT;
	tcp_ecn_syn(c, g);
	tcp_conn_mss(c);
	tcp_wnd_update(c, g);
}

static void syn_sent_input(struct walk *w)
{
	struct tcp_conn *c = w->c;
	struct tcp_seg *g = w->g;
	bool ack = (g->flags & RTE_TCP_ACK_FLAG) != 0;

	if (ack && (seq_le(g->ack, c->iss) || seq_gt(g->ack, c->snd_max))) {
		tcp_count(c->t, TCP_C_DROP_ACK);
		tcp_reply_rst(c->t, g, w->now_us);
		return;
	}
	if (g->flags & RTE_TCP_RST_FLAG) {
		if (!ack) { /* anybody could have sent it */
			tcp_count(c->t, TCP_C_DROP_STATE);
			return;
		}
		tcp_count(c->t, TCP_C_RESETS_IN);
		tcp_conn_closed(c, -ECONNREFUSED);
		return;
	}
	if (!(g->flags & RTE_TCP_SYN_FLAG)) {
		tcp_count(c->t, TCP_C_DROP_STATE);
		return;
	}
	tcp_conn_syn(c, g, w->now_us);
	/* Without ACK both opened at once: what else it carries comes again. */
	if (!ack) {
		c->state = TCP_SYN_RCVD;
		c->syn_due = true;
		tcp_output_want(c);
		return;
	}
	tcp_conn_established(c, w->now_us);
	c->ack_now = true;
	tcp_output_want(c);

	/* "continue processing at the sixth step", behind the SYN. */
	g->flags &= (uint8_t)~RTE_TCP_SYN_FLAG;
	g->seq++;
	c->rcv_adv = c->rcv_nxt + tcp_rcv_wnd(c); /* what the window of our SYN allowed */
	if (g->len > 0 || (g->flags & RTE_TCP_FIN_FLAG))
		walk_from(w, 5);
}

/* --- bursts -------------------------------------------------------------------------- */

void tcp_conn_input(struct tcp_conn *c, struct tcp_seg *g, uint64_t now_us)
{
	struct walk w = {c, g, now_us};

	if (unlikely(c->state == TCP_SYN_SENT)) {
		syn_sent_input(&w);
	} else {
		if (likely(tcp_synchronized((enum tcp_state)c->state)) &&
		    unlikely(!tcp_is_busy(c))) {
			tcp_busy_take(c);
			tcp_busy_watch(c, now_us); /* what is dropped asks for no output */
		}
		walk_from(&w, 0);
	}
	if (g->m != NULL)
		rte_pktmbuf_free(g->m);
}

/* A burst is mostly runs of one connection: one hash for each run. */
static uint64_t hash_in_burst(const struct tcp *t, const struct tcp_seg *seg, unsigned int k)
{
	if (k > 0 && tcp_key_eq(&seg[k].key, &seg[k - 1].key))
		return seg[k - 1].hash;
	return tcp_key_hash(t, &seg[k].key);
}

/*
 * With thousands of connections at work nothing of one is in a cache when its segments come, and
 * what is loaded in turn is waited for in turn. So each step of finding it is made for all of the
 * burst before the next: the keys that decide, the lines each segment reads, and what these point
 * to. Between two steps a part of the burst is summed, and what the one fetched is there for the
 * other.
 */
typedef void burst_step_fn(const struct tcp *t, const struct tcp_seg *seg, struct tcp_conn **conn,
			   unsigned int k);

static void fetch_keys(const struct tcp *t, const struct tcp_seg *seg, struct tcp_conn **conn,
		       unsigned int k)
{
	(void)conn;
	for (unsigned int i = 0; i < k; i++) {
		uint32_t at = t->buckets[seg[i].hash & t->bucket_mask];

		if (at != 0 && (i == 0 || seg[i].hash != seg[i - 1].hash))
			rte_prefetch0(&t->conns[at - 1].key);
	}
}

static void find_conns(const struct tcp *t, const struct tcp_seg *seg, struct tcp_conn **conn,
		       unsigned int k)
{
	for (unsigned int i = 0; i < k; i++) {
		if (i > 0 && conn[i - 1] != NULL && seg[i].hash == seg[i - 1].hash &&
		    tcp_key_eq(&seg[i].key, &seg[i - 1].key)) {
			conn[i] = conn[i - 1];
			continue;
		}
		conn[i] = tcp_lookup(t, &seg[i].key, seg[i].hash);
		if (conn[i] != NULL)
			for (size_t at = 0; at < offsetof(struct tcp_conn, key); at += 64)
				rte_prefetch0((const uint8_t *)conn[i] + at);
	}
}

static void fetch_users(const struct tcp *t, const struct tcp_seg *seg, struct tcp_conn **conn,
			unsigned int k)
{
	(void)t, (void)seg;
	for (unsigned int i = 0; i < k; i++) {
		if (conn[i] == NULL || (i > 0 && conn[i] == conn[i - 1]))
			continue;
		rte_prefetch0(conn[i]->s.user_ptr);
		for (size_t at = 0; at < sizeof(struct tcp_busy); at += 64)
			rte_prefetch0((const uint8_t *)conn[i]->busy + at);
	}
}

static burst_step_fn *const burst_steps[] = {fetch_keys, find_conns, fetch_users};

static unsigned int burst_parse(struct tcp *t, struct rte_mbuf **m, unsigned int n,
				struct tcp_seg *seg)
{
	unsigned int k = 0;

	for (unsigned int i = 0; i < n; i++) {
		if (unlikely(!tcp_seg_parse(t, m[i], &seg[k]))) {
			rte_pktmbuf_free(m[i]);
			continue;
		}
		seg[k].hash = hash_in_burst(t, seg, k);
		rte_prefetch0(&t->buckets[seg[k].hash & t->bucket_mask]);
		k++;
	}
	return k;
}

/* Of a packet that is summed soon; what a processor fetches by itself it has to see begin. */
static inline void text_prefetch(const struct rte_mbuf *m)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t n = min_u64(m->data_len, (uint32_t)FETCH_TEXT);

	for (uint32_t at = 64; at < n; at += 64)
		rte_prefetch1(p + at);
}

/* Those from..to of the burst; one whose checksum is wrong is freed, and has no mbuf any more. */
static unsigned int verify(struct tcp *t, struct tcp_seg *seg, unsigned int from, unsigned int to,
			   unsigned int n)
{
	unsigned int wrong = 0;

	for (unsigned int i = from; i < to; i++) {
		if (i + FETCH_AHEAD < n && !checksum_known(seg[i + FETCH_AHEAD].m))
			text_prefetch(seg[i + FETCH_AHEAD].m);
		if (unlikely(!seg_verify(t, seg[i].m))) {
			rte_pktmbuf_free(seg[i].m);
			seg[i].m = NULL;
			wrong++;
			continue;
		}
		t->counters[TCP_C_IN_BYTES] += seg[i].len;
	}
	return wrong;
}

/* Those that are left move to the front. */
static unsigned int burst_pack(struct tcp_seg *seg, struct tcp_conn **conn, unsigned int n)
{
	unsigned int k = 0;

	for (unsigned int i = 0; i < n; i++) {
		if (seg[i].m == NULL)
			continue;
		seg[k] = seg[i];
		conn[k++] = conn[i];
	}
	return k;
}

/* Looks all up and sums all, by turns: nothing is changed by what is found for a wrong one. */
static unsigned int burst_find(struct tcp *t, struct tcp_seg *seg, struct tcp_conn **conn,
			       unsigned int k)
{
	const unsigned int parts = RTE_DIM(burst_steps) + 1;
	unsigned int wrong = 0, from = 0;

	for (unsigned int i = 0; i < parts; i++) {
		unsigned int to = k * (i + 1) / parts;

		wrong += verify(t, seg, from, to, k);
		from = to;
		if (i < RTE_DIM(burst_steps))
			burst_steps[i](t, seg, conn, k);
	}
	return unlikely(wrong > 0) ? burst_pack(seg, conn, k) : k;
}

static void burst_input(struct tcp *t, struct rte_mbuf **m, unsigned int n, uint64_t now_us)
{
	struct tcp_seg seg[TCP_BURST];
	struct tcp_conn *conn[TCP_BURST];
	unsigned int k = burst_parse(t, m, n, seg);

	k = burst_find(t, seg, conn, k);
	for (unsigned int i = 0, as_one; i < k; i += as_one) {
		struct tcp_conn *c = conn[i];

		as_one = 1;

		/*
		 * Connections are freed at the end of the turn, so the pointer holds; but one may
		 * have died or been born earlier in this burst.
		 */
		if (c == NULL || c->state == TCP_CLOSED)
			c = tcp_lookup(t, &seg[i].key, seg[i].hash);
		if (k - i > 1 && c != NULL && c == conn[i + 1])
			as_one = tcp_coalesce(c, &seg[i], &conn[i], k - i);
		if (likely(c != NULL))
			tcp_conn_input(c, &seg[i], now_us);
		else
			tcp_listen_input(t, &seg[i], now_us);
	}
}

void tcp_input_burst(struct tcp *t, struct rte_mbuf **m, unsigned int n, uint64_t now_us)
{
	t->now_us = now_us;
	t->counters[TCP_C_IN_SEGS] += n;
	for (unsigned int i = 0; i < n; i += TCP_BURST)
		burst_input(t, m + i, min_u64(n - i, (unsigned int)TCP_BURST), now_us);
}
