/* dataplane/tcp/ack.c - what an acceptable acknowledgement does to the send side. */
#include "dataplane/tcp/internal.h"

/* Gives up the first n queued bytes. The mbufs' own offsets are a driver's business too. */
static void queue_drop(struct tcp_conn *c, uint32_t n)
{
	struct pkt_chain *q = &c->txq;

	c->tx_seq += n;
	c->tx_off += n;
	while (q->head != NULL && c->tx_off >= q->head->data_len) {
		struct rte_mbuf *m = q->head;

		c->tx_off -= m->data_len;
		c->tx_cost -= pkt_cost(m);
		q->head = m->next;
		if (q->head == NULL)
			q->tail = NULL;
		q->len -= m->data_len;
		q->segs--;
		rte_pktmbuf_free_seg(m);
	}
}

/*
 * A time between sending and acknowledgement, if one can be told (RFC 6298 section 3). Returned
 * when it is of a segment sent once, in microseconds; else 0.
 */
static uint32_t rtt_update(struct tcp_conn *c, const struct tcp_seg *g, uint64_t now_us)
{
	if (c->rtt_timing && seq_gt(g->ack, c->rtt_seq)) {
		uint32_t us = max_u64((uint32_t)now_us - c->rtt_start_us, 1u);

		c->rtt_timing = false;
		tcp_rtt_sample(c, us);
		return (uint32_t)min_u64(us, TCP_RTO_MAX_US);
	} else if (c->ts_on && g->opts.has_ts && g->opts.ts_ecr != 0 && c->rxtshift > 0) {
		/* Something was sent twice: the echo says which one arrived. */
		uint32_t ms = tcp_ts_now(c, now_us) - g->opts.ts_ecr;

		if (ms < TCP_RTO_MAX_US / TCP_MS)
			tcp_rtt_sample(c, max_u64(ms, 1u) * TCP_MS);
	}
	return 0;
}

static void new_ack(struct tcp_conn *c, const struct tcp_seg *g, uint64_t now_us)
{
	struct tcp_cc_ack a = {
		.now_us = now_us, .acked = g->ack - c->snd_una, .pipe = c->snd_max - c->snd_una};
	uint32_t bytes = min_u64(g->ack - c->tx_seq, tcp_tx_bytes(c)); /* without the FIN */

	a.rtt_us = rtt_update(c, g, now_us);
	queue_drop(c, bytes);
	c->total_out += bytes;
	c->snd_una = g->ack;
	if (seq_lt(c->snd_nxt, c->snd_una))
		tcp_tx_rewind(c);
	c->rxtshift = 0;
	c->progress = tcp_tick(now_us);

	if (!c->in_recovery) {
		c->dupacks = 0;
		tcp_cc_acked(c, &a);
	} else if (tcp_recovery_ack(c, a.acked)) {
		c->rexmt_due = true;
	}

	if (c->snd_una == c->snd_max)
		tcp_timer_clear(c, TCP_T_REXMT);
	else if (tcp_timer_on(c, TCP_T_REXMT))
		tcp_timer_set(c, TCP_T_REXMT, now_us + tcp_rto(c));
	if (bytes > 0)
		tcp_notify(c, STREAM_EV_WRITABLE);
}

/* RFC 5681 section 2, "duplicate acknowledgment". */
static bool is_dupack(const struct tcp_conn *c, const struct tcp_seg *g)
{
	return g->ack == c->snd_una && c->snd_una != c->snd_max && tcp_seg_space(g) == 0 &&
	       (uint32_t)g->wnd << c->snd_wscale == c->snd_wnd;
}

void tcp_wnd_update(struct tcp_conn *c, const struct tcp_seg *g)
{
	bool syn = (g->flags & RTE_TCP_SYN_FLAG) != 0;

	c->snd_wnd = syn ? g->wnd : (uint32_t)g->wnd << c->snd_wscale; /* RFC 7323 section 2.2 */
	c->snd_wl1 = g->seq;
	c->snd_wl2 = g->ack;
	c->max_snd_wnd = max_u64(c->max_snd_wnd, c->snd_wnd);
	if (c->snd_wnd > 0 && tcp_timer_on(c, TCP_T_PERSIST)) {
		tcp_timer_clear(c, TCP_T_PERSIST); /* output sets it again if it still must */
		c->probe_due = false;
	}
}

bool tcp_ack_input(struct tcp_conn *c, const struct tcp_seg *g, uint64_t now_us)
{
	if (seq_gt(g->ack, c->snd_una))
		new_ack(c, g, now_us);
	else if (is_dupack(c, g) && !tcp_timer_on(c, TCP_T_PERSIST))
		tcp_recovery_dupack(c, now_us);

	if (unlikely((g->flags & RTE_TCP_ECE_FLAG) && c->ecn_ok))
		tcp_ecn_echo(c, g, now_us);

	/* RFC 9293 3.10.7.4: only a segment at least as new as the last update moves it. */
	if (seq_ge(g->ack, c->snd_una) &&
	    (seq_lt(c->snd_wl1, g->seq) || (c->snd_wl1 == g->seq && seq_le(c->snd_wl2, g->ack))))
		tcp_wnd_update(c, g);

	/*
	 * A peer that answers probes lives; but not for ever when nobody waits for it, or when
	 * buffers are short and it holds more than its share (T-22).
	 */
	if (tcp_timer_on(c, TCP_T_PERSIST) && !c->detached &&
	    !(tcp_mem_short(&c->t->mem) && c->tx_cost > tcp_mem_share(&c->t->mem)))
		c->progress = tcp_tick(now_us);
	tcp_output_want(c);
	return c->fin_sent && c->snd_una == c->snd_max;
}
