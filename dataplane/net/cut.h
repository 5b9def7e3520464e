/*
 * dataplane/net/cut.h - a super-segment, cut into the frames of its segments.
 *
 * Source  RFC 9293 section 3.1, RFC 3168 section 6.1.2 (CWR once), RFC 6864 (atomic datagrams
 *         carry ID 0), as a port with TCP segmentation offload does it.
 * Lcore   any.
 */
#ifndef SLUICE_DATAPLANE_NET_CUT_H
#define SLUICE_DATAPLANE_NET_CUT_H

#include "dataplane/net/net.h"

/* Is m a super-segment, as net_output() takes it? */
static inline bool net_cut_wants(const struct rte_mbuf *m)
{
	return (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0;
}

/*
 * m is a frame: its first mbuf holds the headers, of l2_len, l3_len and l4_len bytes, and nothing
 * else; those behind it, the text, are nobody else's to change. The checksum field holds the sum
 * of the pseudo-header without a length. Each segment has tso_segsz bytes of text, the last the
 * rest; FIN and PSH go with the last, CWR with the first. sum: by us; else the sum of the
 * pseudo-header is left for the port, and the flags that say so.
 *
 * Returns how many frames, m among them, are in ret (room for NET_SUPER_SEGS); or 0 with m as it
 * was: the pool is empty.
 */
unsigned int net_cut(struct rte_mbuf *m, bool sum, struct rte_mempool *pool, struct rte_mbuf **ret);

#endif
