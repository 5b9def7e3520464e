/* dataplane/stream/tee.c - see tee.h. */
#include "dataplane/stream/tee.h"

#include <errno.h>
#include <string.h>

/* Appends n bytes in fresh mbufs, each filled. False: the pool is empty. */
static bool put(struct pkt_chain *c, const void *p, uint32_t n, struct rte_mempool *pool)
{
	const uint8_t *from = p;

	while (n > 0) {
		struct rte_mbuf *m = c->tail;
		uint32_t k = m != NULL ? RTE_MIN(n, (uint32_t)rte_pktmbuf_tailroom(m)) : 0;

		if (k == 0) {
			m = rte_pktmbuf_alloc(pool);
			if (m == NULL)
				return false;
			k = RTE_MIN(n, (uint32_t)rte_pktmbuf_tailroom(m));
			memcpy(rte_pktmbuf_mtod(m, void *), from, k);
			m->data_len = (uint16_t)k;
			m->pkt_len = k;
			pkt_chain_append(c, m);
		} else {
			memcpy(rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len), from, k);
			m->data_len = (uint16_t)(m->data_len + k);
			c->len += k;
		}
		from += k;
		n -= k;
	}
	return true;
}

static bool put_chain(struct pkt_chain *c, const struct pkt_chain *from, uint32_t off, uint32_t n,
		      struct rte_mempool *pool)
{
	for (const struct rte_mbuf *m = from->head; m != NULL && n > 0; m = m->next) {
		uint32_t skip = RTE_MIN(off, (uint32_t)m->data_len),
			 k = RTE_MIN(n, m->data_len - skip);

		if (!put(c, rte_pktmbuf_mtod_offset(m, const uint8_t *, skip), k, pool))
			return false;
		off -= skip;
		n -= k;
	}
	return true;
}

static bool put_head(struct pkt_chain *c, const struct tee *t, enum tee_kind kind, uint32_t n,
		     struct rte_mempool *pool, uint64_t now_us)
{
	const struct tee_head h = {.at_us = now_us - t->since_us, .len = n, .kind = (uint8_t)kind};

	return put(c, &h, sizeof(h), pool);
}

/* What was lost goes before what is not. */
static bool put_gap(struct pkt_chain *c, const struct tee *t, struct rte_mempool *pool,
		    uint64_t now_us)
{
	const struct tee_gap gap = {t->gap};

	return t->gap == 0 || (put_head(c, t, TEE_GAP, sizeof(gap), pool, now_us) &&
			       put(c, &gap, sizeof(gap), pool));
}

static int lose(struct tee *t, uint32_t n, int err)
{
	t->lost += n;
	t->gap += n;
	return t->strict ? err : 0;
}

/* Is there room for a frame of n bytes? A strict one was asked before, or it is the last of what
 * was under way. */
static bool has_room(const struct tee *t, uint32_t n)
{
	return t->strict || t->to->ops->tx_space(t->to) >= sizeof(struct tee_head) + n;
}

/* Of a chain, or of what lies elsewhere: from is NULL then. */
struct body {
	const struct pkt_chain *from;
	uint32_t off;
	const void *p;
};

static int frame(struct tee *t, enum tee_kind kind, const struct body *b, uint32_t n,
		 struct rte_mempool *pool, uint64_t now_us)
{
	struct pkt_chain c = {0};

	if (t->to == NULL || !has_room(t, n))
		return lose(t, n, -EPIPE);
	if (!put_gap(&c, t, pool, now_us) || !put_head(&c, t, kind, n, pool, now_us) ||
	    !(b->from != NULL ? put_chain(&c, b->from, b->off, n, pool) : put(&c, b->p, n, pool))) {
		pkt_chain_free(&c);
		return lose(t, n, -ENOMEM);
	}
	if (t->to->ops->tx(t->to, &c) < 0)
		return lose(t, n, -EPIPE);
	t->gap = 0;
	t->copied += n;
	return 0;
}

int tee_copy(struct tee *t, enum tee_kind kind, const struct pkt_chain *c, uint32_t off, uint32_t n,
	     struct rte_mempool *pool, uint64_t now_us)
{
	const struct body b = {.from = c, .off = off};

	return frame(t, kind, &b, n, pool, now_us);
}

int tee_say(struct tee *t, enum tee_kind kind, const void *body, uint32_t n,
	    struct rte_mempool *pool, uint64_t now_us)
{
	const struct body b = {.p = body};

	return frame(t, kind, &b, n, pool, now_us);
}

void tee_begin(struct tee *t, struct stream *to, bool strict, uint64_t now_us)
{
	*t = (struct tee){.to = to, .strict = strict, .since_us = now_us};
}

void tee_end(struct tee *t, struct rte_mempool *pool, uint64_t now_us)
{
	const struct tee_end body = {t->lost};
	struct pkt_chain c = {0};

	if (t->to == NULL)
		return;
	if (put_gap(&c, t, pool, now_us) && put_head(&c, t, TEE_END, sizeof(body), pool, now_us) &&
	    put(&c, &body, sizeof(body), pool))
		(void)t->to->ops->tx(t->to, &c); /* beyond its room: it is the last one */
	else
		pkt_chain_free(&c);
	t->to->ops->close(t->to);
	t->to = NULL;
}

void tee_fail(struct tee *t)
{
	if (t->to == NULL)
		return;
	t->to->ops->abort(t->to);
	t->to = NULL;
}
