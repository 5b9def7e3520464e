/* dataplane/tcp/ack.c - what an acceptable acknowledgement does to the send side. */
#include "dataplane/tcp/internal.h"

static void new_ack(struct tcp_conn *c, uint32_t ack, struct tcp_acked *a)
{
	uint32_t bytes = min_u64(ack - c->tx_seq, tcp_tx_bytes(c)); /* without the FIN */

	tcp_txq_drop(c, bytes);
	c->total_out += bytes;
	c->snd_una = ack;
	if (seq_lt(c->snd_nxt, c->snd_una))
		tcp_tx_rewind(c);
	if (unlikely((c->busy->watched | c->busy->claimed) != 0))
		tcp_pmtu_acked(c, a->now_us);
	c->progress = tcp_tick(a->now_us);
	tcp_sent_acked(c, a);
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
	struct tcp_acked a = {.now_us = now_us,
			      .ts_ecr = c->ts_on && g->opts.has_ts ? g->opts.ts_ecr : 0,
			      .pipe = tcp_pipe(c),
			      .moved = seq_gt(g->ack, c->snd_una)};
	uint32_t acked = g->ack - c->snd_una;

	if (a.moved)
		new_ack(c, g->ack, &a);
	else
		a.dup = is_dupack(c, g) && !tcp_timer_on(c, TCP_T_PERSIST);
	tcp_recovery_ack(c, g, &a, acked);

	if (unlikely((g->flags & RTE_TCP_ECE_FLAG) && c->ecn_ok))
		tcp_ecn_echo(c, g, now_us);

	/*
	 * RFC 9293 3.10.7.4: only a segment at least as new as the last update moves it. One whose
	 * acknowledgement is new is newer, though its sequence number be that of bytes sent again:
	 * with the window of before, the edge would move beyond what the peer offered.
	 */
	if (a.moved ||
	    (g->ack == c->snd_una &&
	     (seq_lt(c->snd_wl1, g->seq) || (c->snd_wl1 == g->seq && seq_le(c->snd_wl2, g->ack)))))
		tcp_wnd_update(c, g);

	/*
	 * A peer that answers probes lives; but not for ever when nobody waits for it, or when
	 * buffers are short and it holds more than its share (T-22).
	 */
	if (tcp_timer_on(c, TCP_T_PERSIST) && !c->detached &&
	    !(tcp_mem_short(&c->t->mem) && c->busy->tx_cost > tcp_mem_share(&c->t->mem)))
		c->progress = tcp_tick(now_us);
	tcp_output_want(c);
	return c->fin_sent && c->snd_una == c->snd_max;
}
