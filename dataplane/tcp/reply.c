/* dataplane/tcp/reply.c - segments of no connection: resets, ACKs and cookies. */
#include "dataplane/tcp/segment.h"

/* Writes the header into an empty header mbuf. */
static void header_build(struct rte_mbuf *m, const struct tcp_hdr *h)
{
	m->data_len = tcp_hdr_write(rte_pktmbuf_mtod(m, void *), h);
	m->pkt_len = m->data_len;
}

/*
 * The segment's own buffer turned around: nothing is taken from a pool for an answer, and its
 * lines are warm. One that somebody shares, or of several pieces, stays.
 */
static struct rte_mbuf *reply_mbuf(struct tcp *t, struct tcp_seg *g)
{
	struct rte_mbuf *m = g->m;

	if (unlikely(!pkt_writable(m) || m->nb_segs != 1))
		return rte_pktmbuf_alloc(t->conf.pools->head);
	g->m = NULL;
	m->data_off = RTE_PKTMBUF_HEADROOM;
	m->ol_flags = 0;
	m->tx_offload = 0;
	return m;
}

void tcp_reply(struct tcp *t, struct tcp_seg *g, uint8_t flags, uint32_t seq, uint32_t ack,
	       uint16_t wnd, const struct tcp_opts *opts, const struct net_path *path,
	       uint64_t now_us)
{
	struct net_addr local = pkt_meta(g->m)->dst, peer = pkt_meta(g->m)->src;
	struct tcp_hdr h = {
		(uint16_t)(g->key.ports >> 16), (uint16_t)g->key.ports, seq, ack, wnd, flags, {0}};
	struct rte_mbuf *m = reply_mbuf(t, g);

	if (m == NULL) {
		tcp_count(t, TCP_C_DROP_NO_MBUF);
		return;
	}
	if (opts != NULL)
		h.opts = *opts;
	header_build(m, &h);
	tcp_count(t, TCP_C_OUT_SEGS);
	(void)tcp_transmit(t, m, &local, &peer, 0, path, now_us);
}

/*
 * A bucket, kept as the time up to which resets are paid for: a scan, or a storm of segments
 * from forged sources, makes no storm of answers (T-17).
 */
static bool rst_allowed(struct tcp *t, uint64_t now_us)
{
	uint64_t oldest = now_us > TCP_RST_BURST_US ? now_us - TCP_RST_BURST_US : 0;
	uint64_t paid = max_u64(t->rst_paid_us, oldest) + TCP_SEC / t->conf.rst_rate;

	if (paid > now_us)
		return false;
	t->rst_paid_us = paid;
	return true;
}

void tcp_reply_rst(struct tcp *t, struct tcp_seg *g, uint64_t now_us)
{
	if (g->flags & RTE_TCP_RST_FLAG)
		return;
	if (!rst_allowed(t, now_us)) {
		tcp_count(t, TCP_C_RST_LIMITED);
		return;
	}
	tcp_count(t, TCP_C_RESETS_OUT);
	if (g->flags & RTE_TCP_ACK_FLAG)
		tcp_reply(t, g, RTE_TCP_RST_FLAG, g->ack, 0, 0, NULL, NULL, now_us);
	else
		tcp_reply(t, g, RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG, 0, g->seq + tcp_seg_space(g),
			  0, NULL, NULL, now_us);
}
