/*
 * dataplane/tcp/coalesce.c - segments of a burst that say the same but for their text, as one.
 *
 * Only where the steps of RFC 9293 section 3.10.7.4 would do for each what they do for the first:
 * plain text in order, of a connection that misses nothing. What tells the sender something by
 * how often it comes (pure and duplicate ACKs, SACK, marks, text out of order) stays as it came,
 * and so does an acknowledgement of anything new.
 *
 * What fills little of a buffer stays as it came, too: it is copied behind what is queued.
 *
 * Of several timestamps the first counts: RFC 7323 section 4.3 takes that of the segment at
 * Last.ACK.sent.
 */
#include "dataplane/tcp/internal.h"

#define ECN_CE 3
#define LITTLE (PKT_DATA_ROOM / 4) /* what pkt_chain_append_tight() copies */

/* Text and an acknowledgement, no word more. */
static bool is_plain(const struct tcp_seg *g)
{
	return (g->flags & ~RTE_TCP_PSH_FLAG) == RTE_TCP_ACK_FLAG && g->len > 0 &&
	       g->opts.sack_n == 0;
}

static bool may_begin(const struct tcp_conn *c, const struct tcp_seg *g)
{
	return c->state == TCP_ESTABLISHED && g->seq == c->rcv_nxt && is_plain(g) &&
	       c->busy->runs == NULL && !c->detached && !c->rcv_fin &&
	       pkt_meta(g->m)->ecn != ECN_CE && !tcp_mem_short(&c->t->mem) &&
	       (!g->opts.has_ts || seq_ge(g->opts.ts_val, c->ts_recent));
}

static bool joins(const struct tcp_conn *c, const struct tcp_seg *g, const struct tcp_seg *next)
{
	return next->seq == g->seq + g->len && is_plain(next) && next->ack == g->ack &&
	       next->wnd == g->wnd && seq_le(next->seq + next->len, c->rcv_adv) &&
	       next->opts.has_ts == g->opts.has_ts &&
	       (!g->opts.has_ts || (next->opts.ts_ecr == g->opts.ts_ecr &&
				    seq_ge(next->opts.ts_val, g->opts.ts_val))) &&
	       pkt_meta(next->m)->ecn == pkt_meta(g->m)->ecn &&
	       next->m->data_len >= next->hdr_len + LITTLE;
}

unsigned int tcp_coalesce(const struct tcp_conn *c, struct tcp_seg *g, struct tcp_conn *const *conn,
			  unsigned int n)
{
	struct rte_mbuf *tail;
	unsigned int k = 1;

	if (!may_begin(c, g))
		return k;
	tail = rte_pktmbuf_lastseg(g->m);
	for (; k < n && conn[k] == c && joins(c, g, &g[k]); k++) {
		struct rte_mbuf *m = g[k].m;

		rte_pktmbuf_adj(m, g[k].hdr_len);
		tail->next = m;
		tail = rte_pktmbuf_lastseg(m);
		g->m->nb_segs = (uint16_t)(g->m->nb_segs + m->nb_segs);
		g->m->pkt_len += m->pkt_len;
		g->len += g[k].len;
		g->unit = max_u64(g->unit, g[k].unit);
		g->flags |= g[k].flags;
		g[k].m = NULL;
	}
	return k;
}
