/*
 * dataplane/pkt.c - pools and chains of mbufs.
 *
 * The mbufs of a chain are linked by next alone, and each is the chain's by itself: its own
 * refcnt is 1 or the other references are indirect mbufs that never look at its next.
 */
#include "dataplane/pkt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_errno.h>

#include "dataplane/pkt_cksum.h"

/* Room of a header mbuf behind the head-room: a TCP header with options, or glue of a record. */
#define PKT_HEAD_ROOM 128
/*
 * What was freed last is taken first, so what a shard works in is what is in flight and stays in
 * its cache. The library's ring hands out the coldest, and goes round the whole pool.
 */
#define PKT_POOL_OPS    "stack"
#define PKT_POOL_SHARED "lf_stack"

static struct rte_mempool *pool_new(const char *name, const char *suffix, unsigned int n,
				    unsigned int cache, uint16_t room, int socket, const char *ops)
{
	char full[RTE_MEMPOOL_NAMESIZE];
	int r = snprintf(full, sizeof(full), "%s_%s", name, suffix);

	if (r < 0 || (size_t)r >= sizeof(full)) {
		rte_errno = ENAMETOOLONG;
		return NULL;
	}
	if (n < 4 * cache)
		cache = 0;
	return rte_pktmbuf_pool_create_by_ops(full, n, cache, PKT_PRIV_SIZE,
					      RTE_PKTMBUF_HEADROOM + room, socket, ops);
}

/* 1650 cycles less than rte_mempool_avail_count(): of the caches only our own is looked at. */
unsigned int pkt_pool_free(struct rte_mempool *p)
{
	const struct rte_mempool_cache *cache = rte_mempool_default_cache(p, rte_lcore_id());

	return rte_mempool_get_ops(p->ops_index)->get_count(p) + (cache != NULL ? cache->len : 0);
}

unsigned int pkt_pools_left(const struct pkt_pools *p)
{
	unsigned int n = pkt_pool_free(p->data), wide;

	if (likely(p->wide == NULL))
		return n;
	wide = (unsigned int)((uint64_t)pkt_pool_free(p->wide) * p->data->size / p->wide->size);
	return RTE_MIN(n, wide);
}

uint64_t pkt_pools_room(const struct pkt_pools *p)
{
	uint64_t wide = p->wide != NULL ? p->wide->size : 0;

	return (uint64_t)p->data->size * PKT_DATA_ROOM + wide * PKT_WIDE_ROOM;
}

int pkt_pools_new(const char *name, unsigned int data_mbufs, unsigned int head_mbufs, int socket,
		  struct pkt_pools *ret)
{
	return pkt_pools_new_cached(name, data_mbufs, head_mbufs, PKT_CACHE_DEFAULT, false, socket,
				    ret);
}

int pkt_pools_new_cached(const char *name, unsigned int data_mbufs, unsigned int head_mbufs,
			 unsigned int cache, bool shared, int socket, struct pkt_pools *ret)
{
	const char *ops = shared ? PKT_POOL_SHARED : PKT_POOL_OPS;
	struct pkt_pools p = {0};

	p.data = pool_new(name, "data", data_mbufs, cache, PKT_DATA_ROOM, socket, ops);
	if (p.data != NULL)
		p.head = pool_new(name, "head", head_mbufs, cache, PKT_HEAD_ROOM, socket, ops);
	if (p.head == NULL) {
		int err = rte_errno;

		pkt_pools_free(&p);
		return err > 0 ? -err : -ENOMEM;
	}
	*ret = p;
	return 0;
}

int pkt_pools_widen(struct pkt_pools *p, const char *name, unsigned int mbufs, unsigned int cache,
		    bool shared, int socket)
{
	const char *ops = shared ? PKT_POOL_SHARED : PKT_POOL_OPS;

	p->wide = pool_new(name, "wide", mbufs, cache, PKT_WIDE_ROOM, socket, ops);
	if (p->wide == NULL)
		return rte_errno > 0 ? -rte_errno : -ENOMEM;
	return 0;
}

void pkt_pools_free(struct pkt_pools *p)
{
	rte_mempool_free(p->wide);
	rte_mempool_free(p->data);
	rte_mempool_free(p->head);
	*p = (struct pkt_pools){0};
}

/* Puts one mbuf with bytes behind the tail. */
static void link_tail(struct pkt_chain *c, struct rte_mbuf *m)
{
	m->next = NULL;
	if (c->tail != NULL)
		c->tail->next = m;
	else
		c->head = m;
	c->tail = m;
	c->len += m->data_len;
	c->segs++;
}

/* Takes the first mbuf out of the chain; the caller owns it. */
static struct rte_mbuf *unlink_head(struct pkt_chain *c)
{
	struct rte_mbuf *m = c->head;

	c->head = m->next;
	if (c->head == NULL)
		c->tail = NULL;
	c->len -= m->data_len;
	c->segs--;
	m->next = NULL;
	return m;
}

/* Moves the first segs mbufs, of len bytes, up to last, behind dst: as a block, none is touched. */
static void move_head(struct pkt_chain *c, struct rte_mbuf *last, uint32_t len, uint32_t segs,
		      struct pkt_chain *dst)
{
	struct pkt_chain part = {c->head, last, len, segs};

	c->head = last->next;
	if (c->head == NULL)
		c->tail = NULL;
	c->len -= len;
	c->segs -= segs;
	last->next = NULL;
	pkt_chain_join(dst, &part);
}

void pkt_chain_append(struct pkt_chain *c, struct rte_mbuf *m)
{
	struct rte_mbuf *next;

	for (; m != NULL; m = next) {
		next = m->next;
		m->nb_segs = 1;
		m->next = NULL;
		if (m->data_len == 0)
			rte_pktmbuf_free_seg(m);
		else
			link_tail(c, m);
	}
}

void pkt_chain_join(struct pkt_chain *dst, struct pkt_chain *src)
{
	if (src->head == NULL)
		return;
	if (dst->tail != NULL)
		dst->tail->next = src->head;
	else
		dst->head = src->head;
	dst->tail = src->tail;
	dst->len += src->len;
	dst->segs += src->segs;
	pkt_chain_init(src);
}

void pkt_chain_free(struct pkt_chain *c)
{
	while (c->head != NULL)
		rte_pktmbuf_free_seg(unlink_head(c));
}

int pkt_chain_from(const void *buf, uint32_t n, struct rte_mempool *pool, struct pkt_chain *ret)
{
	struct pkt_chain c = {0};
	const uint8_t *p = buf;

	while (n > 0) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
		uint32_t k;

		if (m == NULL) {
			pkt_chain_free(&c);
			return -ENOMEM;
		}
		k = RTE_MIN(n, (uint32_t)rte_pktmbuf_tailroom(m));
		memcpy(rte_pktmbuf_mtod(m, void *), p, k);
		m->data_len = (uint16_t)k;
		m->pkt_len = k;
		link_tail(&c, m);
		p += k;
		n -= k;
	}
	*ret = c;
	return 0;
}

/*
 * Cuts the first mbuf of src at n, 0 < n < its length: the piece before the cut goes behind
 * *pre, the rest stays at the head of src. The smaller side is copied; of an mbuf that others
 * refer to both are, because its offsets are not ours to change.
 */
static int cut_head(struct pkt_chain *src, uint16_t n, struct pkt_chain *pre,
		    struct rte_mempool *pool)
{
	struct rte_mbuf *m = src->head;
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	uint16_t rest = m->data_len - n;
	bool ours = rte_mbuf_refcnt_read(m) == 1;
	struct pkt_chain a = {0}, b = {0};
	int r = 0;

	if (!ours || n <= rest)
		r = pkt_chain_from(p, n, pool, &a);
	if (r == 0 && (!ours || n > rest))
		r = pkt_chain_from(p + n, rest, pool, &b);
	if (r < 0) {
		pkt_chain_free(&a);
		return r;
	}

	unlink_head(src);
	if (!ours) {
		rte_pktmbuf_free_seg(m);
	} else if (n <= rest) {
		m->data_off += n;
		m->data_len = rest;
		link_tail(&b, m);
	} else {
		m->data_len = n;
		link_tail(&a, m);
	}
	pkt_chain_join(pre, &a);
	pkt_chain_join(&b, src); /* the rest goes before what followed it */
	*src = b;
	return 0;
}

int pkt_chain_split(struct pkt_chain *src, uint32_t n, struct pkt_chain *dst,
		    struct rte_mempool *pool)
{
	struct rte_mbuf *last = NULL;
	struct pkt_chain pre = {0};
	uint32_t len = 0, segs = 0;

	if (n >= src->len) {
		pkt_chain_join(dst, src);
		return 0;
	}
	for (struct rte_mbuf *m = src->head; m->data_len <= n - len; m = m->next) {
		len += m->data_len;
		segs++;
		last = m;
	}
	if (last != NULL)
		move_head(src, last, len, segs, &pre);
	if (len < n) {
		int r = cut_head(src, (uint16_t)(n - len), &pre, pool);

		if (r < 0) { /* back as it was */
			pkt_chain_join(&pre, src);
			*src = pre;
			return r;
		}
	}
	pkt_chain_join(dst, &pre);
	return 0;
}

void pkt_chain_trim_head(struct pkt_chain *c, uint32_t n)
{
	while (n > 0 && c->head != NULL) {
		struct rte_mbuf *m = c->head;

		if (m->data_len > n) {
			m->data_off += (uint16_t)n;
			m->data_len -= (uint16_t)n;
			c->len -= n;
			return;
		}
		n -= m->data_len;
		rte_pktmbuf_free_seg(unlink_head(c));
	}
}

void pkt_chain_trim_tail(struct pkt_chain *c, uint32_t n)
{
	struct rte_mbuf *m = c->head, *last = NULL;
	struct pkt_chain keep = {0};
	uint32_t left, len = 0, segs = 0;

	if (n == 0)
		return;
	if (likely(c->tail != NULL && n < c->tail->data_len)) { /* no mbuf goes */
		c->tail->data_len -= (uint16_t)n;
		c->len -= n;
		return;
	}
	left = n < c->len ? c->len - n : 0;
	for (; len < left; m = m->next) {
		len += m->data_len;
		segs++;
		last = m;
	}
	if (last != NULL) {
		move_head(c, last, len, segs, &keep);
		last->data_len -= (uint16_t)(len - left);
		keep.len = left;
	}
	pkt_chain_free(c);
	*c = keep;
}

bool pkt_chain_read(const struct pkt_chain *c, uint32_t off, void *buf, uint32_t n)
{
	const struct rte_mbuf *m = c->head;
	uint8_t *p = buf;

	if (off > c->len || n > c->len - off)
		return false;
	for (; n > 0; m = m->next) {
		uint32_t k;

		if (off >= m->data_len) {
			off -= m->data_len;
			continue;
		}
		k = RTE_MIN(n, m->data_len - off);
		memcpy(p, rte_pktmbuf_mtod_offset(m, const void *, off), k);
		p += k;
		n -= k;
		off = 0;
	}
	return true;
}

static bool is_owned(const struct pkt_chain *c)
{
	const struct rte_mbuf *m = c->head;

	while (m != NULL && pkt_writable(m))
		m = m->next;
	return m == NULL;
}

int pkt_chain_own(struct pkt_chain *c, struct rte_mempool *pool)
{
	struct pkt_chain done = {0};
	int r = 0;

	if (likely(is_owned(c)))
		return 0;
	while (c->head != NULL) {
		struct rte_mbuf *m = c->head;

		if (!pkt_writable(m)) {
			struct pkt_chain copy;

			r = pkt_chain_from(rte_pktmbuf_mtod(m, const void *), m->data_len, pool,
					   &copy);
			if (r < 0)
				break;
			rte_pktmbuf_free_seg(unlink_head(c));
			pkt_chain_join(&done, &copy);
			continue;
		}
		link_tail(&done, unlink_head(c));
	}
	pkt_chain_join(&done, c);
	*c = done;
	return r;
}

/* Copies m behind the bytes of the tail, when that may be changed and has the room. */
static bool squeeze(struct pkt_chain *c, struct rte_mbuf *m)
{
	struct rte_mbuf *t = c->tail;

	if (t == NULL || !pkt_writable(t) || rte_pktmbuf_tailroom(t) < m->data_len)
		return false;
	memcpy(rte_pktmbuf_mtod_offset(t, void *, t->data_len), rte_pktmbuf_mtod(m, const void *),
	       m->data_len);
	t->data_len += m->data_len;
	c->len += m->data_len;
	rte_pktmbuf_free_seg(m);
	return true;
}

void pkt_chain_append_tight(struct pkt_chain *c, struct rte_mbuf *m)
{
	struct rte_mbuf *next;

	for (; m != NULL; m = next) {
		next = m->next;
		m->nb_segs = 1;
		m->next = NULL;
		if (m->data_len == 0)
			rte_pktmbuf_free_seg(m);
		else if (!pkt_is_small(m) || !squeeze(c, m))
			link_tail(c, m);
	}
}

/* A new mbuf with the bytes of m, which is freed; m itself where there is none to be had. */
static struct rte_mbuf *to_fresh(struct rte_mbuf *m, struct rte_mempool *pool)
{
	struct rte_mbuf *fresh = rte_pktmbuf_alloc(pool);

	if (fresh == NULL)
		return m;
	if (rte_pktmbuf_tailroom(fresh) < m->data_len) {
		rte_pktmbuf_free_seg(fresh);
		return m;
	}
	memcpy(rte_pktmbuf_mtod(fresh, void *), rte_pktmbuf_mtod(m, const void *), m->data_len);
	fresh->data_len = m->data_len;
	fresh->pkt_len = m->data_len;
	rte_pktmbuf_free_seg(m);
	return fresh;
}

static bool has_small(const struct pkt_chain *c)
{
	const struct rte_mbuf *m = c->head;

	while (m != NULL && !pkt_is_small(m))
		m = m->next;
	return m != NULL;
}

void pkt_chain_compact(struct pkt_chain *c, struct rte_mempool *pool)
{
	struct pkt_chain done = {0};

	if (likely(!has_small(c)))
		return;
	while (c->head != NULL) {
		struct rte_mbuf *m = unlink_head(c);

		if (pkt_is_small(m)) {
			if (squeeze(&done, m))
				continue;
			/* It cannot take in a small neighbour where it lies, or has no need to. */
			if (pkt_is_wide(m) ||
			    (c->head != NULL && pkt_is_small(c->head) &&
			     (!pkt_writable(m) || rte_pktmbuf_tailroom(m) < c->head->data_len)))
				m = to_fresh(m, pool);
		}
		link_tail(&done, m);
	}
	*c = done;
}

uint64_t pkt_chain_cost(const struct pkt_chain *c)
{
	uint64_t sum = 0;

	for (const struct rte_mbuf *m = c->head; m != NULL; m = m->next)
		sum += pkt_cost(m);
	return sum;
}

static uint16_t fold(uint64_t sum)
{
	while (sum > UINT16_MAX)
		sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)sum;
}

uint16_t pkt_raw_cksum(const struct rte_mbuf *m)
{
	uint64_t sum = 0;
	bool odd = false;

	for (; m != NULL; m = m->next) {
		uint16_t part = fold(pkt_sum(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len));

		sum += odd ? __builtin_bswap16(part) : part;
		odd ^= m->data_len & 1;
	}
	return fold(sum);
}
