/*
 * dataplane/tcp/txq.h - the send queue: mbufs whose bytes stay until they are acknowledged.
 *
 * Units   bytes.
 * Lcore   the connection's.
 * Memory  what is linked is held. An mbuf may at the same time be in a driver's hands, as part of a
 *         packet, so the queue needs nothing that a driver looks at: order, place and length of the
 *         bytes lie in the private area, and next, data_off and data_len of the mbuf are the
 *         packet's. Whoever else refers to the mbuf leaves its private area alone.
 */
#ifndef SLUICE_DATAPLANE_TCP_TXQ_H
#define SLUICE_DATAPLANE_TCP_TXQ_H

#include "dataplane/pkt.h"

struct tcp_conn;

/* In the private area of an mbuf of the queue. */
struct tcp_piece {
	struct rte_mbuf *next;
	uint16_t off, len; /* of the bytes, in its buffer */
};
_Static_assert(sizeof(struct tcp_piece) <= PKT_PRIV_SIZE, "a piece lies in the private area");

static inline struct tcp_piece *tcp_piece(const struct rte_mbuf *m)
{
	return (struct tcp_piece *)rte_mbuf_to_priv((struct rte_mbuf *)(uintptr_t)m);
}

struct tcp_txq {
	struct rte_mbuf *head, *tail;
	uint32_t len, segs;
};

/* A place in the send queue. m is NULL at its end. */
struct tcp_cursor {
	struct rte_mbuf *m;
	uint32_t off; /* less than the length of its bytes */
};

static inline struct tcp_cursor tcp_cursor_next(struct tcp_cursor cur)
{
	return (struct tcp_cursor){tcp_piece(cur.m)->next, 0};
}

/* Bytes from the place to the end of its mbuf. */
static inline uint32_t tcp_cursor_left(struct tcp_cursor cur)
{
	return tcp_piece(cur.m)->len - cur.off;
}

/*
 * All of ch, taken, behind the queue of c; tx_cur and tx_cost follow. A small first mbuf goes into
 * the room of the last one, so that many small writes cost few buffers.
 */
void tcp_txq_append(struct tcp_conn *c, struct pkt_chain *ch);
/* The first n bytes were acknowledged. */
void tcp_txq_drop(struct tcp_conn *c, uint32_t n);
void tcp_txq_free(struct tcp_conn *c);

#endif
