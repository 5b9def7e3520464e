/*
 * dataplane/tcp/segment.h - a segment as a packet: its header, and mbufs of the send queue.
 *
 * Source  RFC 9293 section 3.1, RFC 7323 section 2.
 * Memory  a packet refers to the mbufs of the send queue and copies nothing of them; what it needs
 *         besides is a header mbuf, and an indirect one where a driver holds what it points into.
 */
#ifndef SLUICE_DATAPLANE_TCP_SEGMENT_H
#define SLUICE_DATAPLANE_TCP_SEGMENT_H

#include "dataplane/tcp/internal.h"

/* Of a header, what is not the same in all of them. */
struct tcp_hdr {
	uint16_t src_port, dst_port;
	uint32_t seq, ack;
	uint16_t wnd;
	uint8_t flags;
	struct tcp_opts opts;
};

/* Segments that go together: of the first its length, of all the place behind them. */
struct tcp_super {
	unsigned int segs;
	uint32_t len, first;
	struct tcp_cursor next;
};

static const struct tcp_cursor tcp_no_payload = {NULL, 0};

/* Writes the header to at, room for TCP_HDR_MAX; its length. */
uint16_t tcp_hdr_write(void *at, const struct tcp_hdr *h);
/*
 * m starts at a TCP header whose checksum is 0. As net_output(): m is taken; path may be NULL. A
 * packet that could not go is a lost packet, counted there.
 */
int tcp_transmit(struct tcp *t, struct rte_mbuf *m, const struct net_addr *src,
		 const struct net_addr *dst, uint8_t tos, const struct net_path *path,
		 uint64_t now_us);
/*
 * How many of len bytes from cur fit into one segment's pieces, and the place behind them. One of
 * size bytes may end at a seam, as one of a super-segment does.
 */
uint32_t tcp_payload_plan(struct tcp_cursor cur, uint32_t len, uint32_t size,
			  struct tcp_cursor *ret_next);
/* Of len bytes from s->next as many full segments as there are, one to most; s was zero else. */
void tcp_super_plan(uint32_t mss, uint32_t len, unsigned int most, struct tcp_super *s);
/*
 * A segment of the connection, or segs of mss bytes at once: with len bytes from cur. False: a
 * pool is empty.
 */
bool tcp_emit_segs(struct tcp_conn *c, uint32_t seq, uint8_t flags, struct tcp_cursor cur,
		   uint32_t len, unsigned int segs, uint64_t now_us);
static inline bool tcp_emit(struct tcp_conn *c, uint32_t seq, uint8_t flags, struct tcp_cursor cur,
			    uint32_t len, uint64_t now_us)
{
	return tcp_emit_segs(c, seq, flags, cur, len, 1, now_us);
}

#endif
