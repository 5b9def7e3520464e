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
 * May a segment of at most size bytes, got of which are together, end before an mbuf of `next`
 * bytes? Where it began with a whole mbuf, that one does not fit, and it is nearly full: to cut an
 * mbuf costs more than it brings, and one cut is followed by others. Whoever counts the segments
 * before counts by this.
 */
static inline bool net_cut_seam(bool whole, uint32_t got, uint32_t next, uint32_t size)
{
	return whole && got + next > size && got >= size - size / 4;
}

/* Bytes of the segment that begins with text, off bytes behind the start of m. */
static inline uint32_t net_cut_len(const struct rte_mbuf *m, uint32_t off, uint32_t size)
{
	bool whole = off == 0 && RTE_MBUF_DIRECT(m);
	uint32_t got = 0;

	for (; m != NULL && got < size; m = m->next, off = 0) {
		uint32_t n = m->data_len - off;

		if (net_cut_seam(whole, got, n, size))
			break;
		got += RTE_MIN(n, size - got);
	}
	return got;
}

/*
 * m is a frame: its first mbuf holds the headers, of l2_len, l3_len and l4_len bytes, and nothing
 * else. Those behind it are the text: their offsets, lengths and links are nobody else's to look at
 * or change, and of a direct one neither is the head-room, though its bytes may be. The checksum
 * field holds the sum of the pseudo-header without a length. Each segment has tso_segsz bytes of
 * text, fewer where it ends at a seam, the last the rest; FIN and PSH go with the last, CWR with
 * the first. sum: by us; else the sum of the pseudo-header is left for the port, and the flags that
 * say so.
 *
 * Headers stand in the head-room of a segment's first mbuf where that is direct and has the room,
 * else in an mbuf of their own. Returns how many frames are in ret (room for NET_SUPER_SEGS, and
 * there are no more), m taken; or 0 with m as it was: the pool is empty.
 */
unsigned int net_cut(struct rte_mbuf *m, bool sum, struct rte_mempool *pool, struct rte_mbuf **ret);

#endif
