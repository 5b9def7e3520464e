/* dataplane/tcp/txq.c - see txq.h. */
#include "dataplane/tcp/internal.h"

static void link_tail(struct tcp_conn *c, struct rte_mbuf *m)
{
	struct tcp_txq *q = &c->busy->txq;

	*tcp_piece(m) = (struct tcp_piece){.off = m->data_off, .len = m->data_len};
	if (q->tail != NULL)
		tcp_piece(q->tail)->next = m;
	else
		q->head = m;
	q->tail = m;
	q->len += m->data_len;
	q->segs++;
	c->busy->tx_cost += pkt_cost(m);
	if (c->busy->tx_cur.m == NULL)
		c->busy->tx_cur = (struct tcp_cursor){m, 0};
}

/* m's bytes behind those of the last mbuf, where nobody else has that. False: no room. */
static bool squeeze(struct tcp_conn *c, const struct rte_mbuf *m)
{
	struct tcp_txq *q = &c->busy->txq;
	struct tcp_piece *p;

	if (q->tail == NULL || !pkt_is_small(m) || !pkt_writable(q->tail))
		return false;
	p = tcp_piece(q->tail);
	if (q->tail->buf_len - p->off - p->len < m->data_len)
		return false;
	memcpy((uint8_t *)q->tail->buf_addr + p->off + p->len, rte_pktmbuf_mtod(m, const void *),
	       m->data_len);
	if (c->busy->tx_cur.m == NULL)
		c->busy->tx_cur = (struct tcp_cursor){q->tail, p->len};
	p->len += m->data_len;
	q->len += m->data_len;
	return true;
}

void tcp_txq_append(struct tcp_conn *c, struct pkt_chain *ch)
{
	struct rte_mbuf *m, *next;

	pkt_chain_compact(ch, c->t->conf.pools->data);
	m = ch->head;
	if (m != NULL && squeeze(c, m)) {
		next = m->next;
		rte_pktmbuf_free_seg(m);
		m = next;
	}
	for (; m != NULL; m = next) {
		next = m->next;
		link_tail(c, m);
	}
	pkt_chain_init(ch);
}

void tcp_txq_drop(struct tcp_conn *c, uint32_t n)
{
	struct tcp_busy *b = c->busy;
	struct tcp_txq *q = &b->txq;

	c->tx_seq += n;
	b->tx_off += n;
	while (q->head != NULL && b->tx_off >= tcp_piece(q->head)->len) {
		struct rte_mbuf *m = q->head;
		struct tcp_piece *p = tcp_piece(m);

		q->head = p->next;
		if (q->head == NULL)
			q->tail = NULL;
		else
			rte_prefetch0(tcp_piece(q->head));
		b->tx_off -= p->len;
		b->tx_cost -= pkt_cost(m);
		q->len -= p->len;
		q->segs--;
		rte_pktmbuf_free_seg(m);
	}
}

void tcp_txq_free(struct tcp_conn *c)
{
	struct rte_mbuf *m, *next;

	if (!tcp_is_busy(c))
		return;
	for (m = c->busy->txq.head; m != NULL; m = next) {
		next = tcp_piece(m)->next;
		rte_pktmbuf_free_seg(m);
	}
	c->busy->txq = (struct tcp_txq){0};
	c->busy->tx_cur = (struct tcp_cursor){NULL, 0};
	c->busy->tx_off = c->busy->tx_cost = 0;
}
