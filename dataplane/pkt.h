/*
 * dataplane/pkt.h - buffers: pools, the private area, chains, and who may change what.
 *
 * Units   bytes; budgets count memory (a held mbuf costs its whole buffer), not payload.
 * Lcore   a pool and everything in a chain belong to one shard.
 * Memory  `struct rte_mbuf *` and `struct pkt_chain *` are taken, whatever a function
 *         returns, unless its comment says otherwise; const ones are borrowed.
 *
 * Rules of buffers
 *  - Only a direct mbuf with refcnt 1 may be changed in place (opened, sealed, trimmed,
 *    relinked, given a header): pkt_writable(). Otherwise its bytes are copied first.
 *  - While a driver may still hold an mbuf, nobody changes its bytes, data_off,
 *    data_len or next. TCP keeps what it sent, so it remembers offsets and links of its
 *    own, and sends what a driver may have once more through an indirect mbuf.
 *  - Head-room takes headers only when a segment begins with the first byte of the mbuf
 *    and no driver has it.
 *  - RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE stays off.
 */
#ifndef SLUICE_DATAPLANE_PKT_H
#define SLUICE_DATAPLANE_PKT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#define PKT_DATA_ROOM 2048 /* behind RTE_PKTMBUF_HEADROOM, which the packaged DPDK fixes at 128 */
/* Of a wide one: a frame of 9000 bytes with a tag, and padding and tag of a record behind it. */
#define PKT_WIDE_ROOM 9216
/* From this MTU on a full frame fills half of a wide buffer. */
#define PKT_WIDE_MTU 4608

/* An address of either family; IPv4 in the first four bytes, zeros behind it. */
struct net_addr {
	uint8_t family; /* 4 or 6; 0: none */
	/* Of a link-local address (RFC 4007): index of the interface plus 1. Others: 0. */
	uint8_t scope;
	uint8_t pad[2];
	uint8_t b[16];
};

static inline bool net_addr_eq(const struct net_addr *a, const struct net_addr *b)
{
	return a->family == b->family && a->scope == b->scope &&
	       memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

/*
 * The private area of every mbuf: what the parsers below learned. net/ fills the first
 * part when it hands a packet to TCP; TCP uses the second for queued segments.
 */
struct pkt_meta {
	struct net_addr src, dst;
	uint16_t iface; /* arrived on */
	uint8_t ecn;    /* of the IP header */
	uint8_t tcp_flags;
	uint32_t seq; /* of the first byte of data, host order */
	uint32_t reserved[3];
};
_Static_assert(sizeof(struct pkt_meta) <= 64, "one cache line of private area");
#define PKT_PRIV_SIZE 64

static inline struct pkt_meta *pkt_meta(struct rte_mbuf *m)
{
	return (struct pkt_meta *)rte_mbuf_to_priv(m);
}

/*
 * The shard's pools. data: whole buffers; head: header and indirect mbufs (small room); wide: what
 * ports of jumbo frames receive into, or NULL. Only drivers take wide ones, but whoever holds an
 * mbuf may hold one: its room is rte_pktmbuf_tailroom(), not a constant.
 */
struct pkt_pools {
	struct rte_mempool *data;
	struct rte_mempool *head;
	struct rte_mempool *wide;
};

/* -errno (F-37: fewer pages than asked for is a clear refusal). name: unique per shard. */
int pkt_pools_new(const char *name, unsigned int data_mbufs, unsigned int head_mbufs, int socket,
		  struct pkt_pools *ret);
/*
 * The same with so many free mbufs of each pool kept by an lcore beside it, 512
 * (RTE_MEMPOOL_CACHE_MAX_SIZE) at most; 0: none. A pool of less than four times as many goes
 * without. shared: several lcores draw on it, without a lock.
 */
#define PKT_CACHE_DEFAULT 256
int pkt_pools_new_cached(const char *name, unsigned int data_mbufs, unsigned int head_mbufs,
			 unsigned int cache, bool shared, int socket, struct pkt_pools *ret);
/* Adds wide ones. -errno with p as it was. */
int pkt_pools_widen(struct pkt_pools *p, const char *name, unsigned int mbufs, unsigned int cache,
		    bool shared, int socket);
void pkt_pools_free(struct pkt_pools *p);
/* Where a port of this MTU receives into. */
static inline struct rte_mempool *pkt_pool_rx(const struct pkt_pools *p, uint16_t mtu)
{
	return p->wide != NULL && mtu >= PKT_WIDE_MTU ? p->wide : p->data;
}
/* Bytes there is room for, in data and wide ones. */
uint64_t pkt_pools_room(const struct pkt_pools *p);
/*
 * How many mbufs of a pool of pkt_pools_new() this lcore could have. Once a turn it is cheap:
 * rte_mempool_avail_count() walks the caches of every lcore there might be.
 */
unsigned int pkt_pool_free(struct rte_mempool *p);
/*
 * The same of whole buffers, for marks that are parts of data's number: of wide ones, where they
 * are shorter, as many as the same part of data would be.
 */
unsigned int pkt_pools_left(const struct pkt_pools *p);

/*
 * An ordered run of bytes: mbufs linked by next. pkt_len and nb_segs of its mbufs are
 * not kept; len and segs here are. An mbuf of length 0 never stands in a chain.
 */
struct pkt_chain {
	struct rte_mbuf *head, *tail;
	uint32_t len;
	uint32_t segs;
};

static inline bool pkt_writable(const struct rte_mbuf *m)
{
	return RTE_MBUF_DIRECT(m) && rte_mbuf_refcnt_read(m) == 1;
}

static inline void pkt_chain_init(struct pkt_chain *c)
{
	*c = (struct pkt_chain){0};
}

/* Appends one mbuf, or a received packet of several segments. */
void pkt_chain_append(struct pkt_chain *c, struct rte_mbuf *m);
/*
 * Appends a received packet that must be kept: an mbuf that fills less than a quarter of its
 * buffer is copied into the tail where that has room, and freed.
 */
void pkt_chain_append_tight(struct pkt_chain *c, struct rte_mbuf *m);
static inline bool pkt_is_wide(const struct rte_mbuf *m)
{
	return m->buf_len > RTE_PKTMBUF_HEADROOM + PKT_DATA_ROOM;
}
/* Mostly air where it fills a buffer by itself: copied together with others when it is kept. */
static inline bool pkt_is_small(const struct rte_mbuf *m)
{
	return m->data_len < (pkt_is_wide(m) ? PKT_WIDE_ROOM : PKT_DATA_ROOM) / 4;
}
/* Moves all of src behind dst; src is empty afterwards. */
void pkt_chain_join(struct pkt_chain *dst, struct pkt_chain *src);
/*
 * Moves the first n bytes (n <= src->len) behind dst. Where the cut falls inside an mbuf
 * the smaller part is copied to a new one, so that both sides stay direct and owned.
 * 0, or -ENOMEM (pool empty) with nothing changed.
 */
int pkt_chain_split(struct pkt_chain *src, uint32_t n, struct pkt_chain *dst,
		    struct rte_mempool *pool) __attribute__((warn_unused_result));
/* Drop n <= len bytes at one end; mbufs that become empty are freed. Writable chains only. */
void pkt_chain_trim_head(struct pkt_chain *c, uint32_t n);
void pkt_chain_trim_tail(struct pkt_chain *c, uint32_t n);
void pkt_chain_free(struct pkt_chain *c);
/* Copies n bytes from offset off; false when the chain is shorter. */
bool pkt_chain_read(const struct pkt_chain *c, uint32_t off, void *buf, uint32_t n);
/* A chain of fresh mbufs holding n bytes of buf. 0 or -ENOMEM. */
int pkt_chain_from(const void *buf, uint32_t n, struct rte_mempool *pool, struct pkt_chain *ret)
	__attribute__((warn_unused_result));
/* Makes every mbuf of the chain writable, copying those that are not. 0 or -ENOMEM. */
int pkt_chain_own(struct pkt_chain *c, struct rte_mempool *pool)
	__attribute__((warn_unused_result));
/*
 * Copies together neighbours that fill less than a quarter of a buffer, and what does not need a
 * wide one to a smaller; for what must be kept long. Best effort.
 */
void pkt_chain_compact(struct pkt_chain *c, struct rte_mempool *pool);
/*
 * The Internet checksum (RFC 1071), not complemented, of a packet of any number of mbufs of
 * any length; pkt_len is not looked at. rte_raw_cksum_mbuf() of the packaged library loses
 * carries where an mbuf starts at an odd offset of the packet.
 */
uint16_t pkt_raw_cksum(const struct rte_mbuf *m);
#define PKT_COST(buf_len) ((uint32_t)(sizeof(struct rte_mbuf) + PKT_PRIV_SIZE) + (buf_len))
/* Memory an mbuf holds: its whole buffer (of an indirect one, the buffer it points into). */
static inline uint32_t pkt_cost(const struct rte_mbuf *m)
{
	return PKT_COST(m->buf_len);
}
/* Memory the chain holds: the sum of pkt_cost(). */
uint64_t pkt_chain_cost(const struct pkt_chain *c);

#endif
