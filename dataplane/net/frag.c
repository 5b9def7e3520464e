/* dataplane/net/frag.c - datagrams from their fragments; see frag.h. */
#include <errno.h>
#include <stdlib.h>

#include <rte_jhash.h>

#include "dataplane/net/internal.h"

#define FRAG_BUCKETS FRAG_ENTRIES
#define FRAG_UNIT    8

/* What a first fragment must hold of the header above it: none of ours is split (RFC 1858). */
#define TCP_HDR_LEN 20

/* The private area of a piece's first mbuf, until the datagram is handed on. */
struct piece {
	struct rte_mbuf *next;
	uint32_t off;
};
_Static_assert(sizeof(struct piece) <= PKT_PRIV_SIZE, "fits");

static struct piece *piece(struct rte_mbuf *m)
{
	return (struct piece *)rte_mbuf_to_priv(m);
}

struct frag_entry {
	struct net_addr src, dst;
	uint32_t id;
	uint32_t end; /* of the datagram's payload; 0: its last fragment did not come yet */
	uint32_t got; /* bytes */
	struct rte_mbuf *head, *tail; /* pieces by offset */
	uint64_t due_us;
	uint16_t pieces, mbufs;
	uint16_t bucket_next, older, newer; /* index + 1 */
	uint16_t iface;
	uint8_t proto;
	uint8_t first_proto; /* of the piece at 0 */
	uint8_t ecn_seen;    /* 1 << codepoint of every piece */
	bool refused;        /* given up: what still comes of it is dropped (RFC 5722) */
};

struct frag_table {
	uint32_t mbufs, mbufs_max;
	uint16_t free, oldest, newest; /* index + 1 */
	uint16_t bucket[FRAG_BUCKETS]; /* by source alone: so are those of a source counted */
	struct frag_entry entry[FRAG_ENTRIES];
};

int frag_init(struct net *n)
{
	struct frag_table *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return -ENOMEM;
	t->mbufs_max = RTE_MIN(n->pools->data->size / FRAG_POOL_PART, (uint32_t)FRAG_MBUFS_MAX);
	for (unsigned int i = FRAG_ENTRIES; i > 0; i--) {
		t->entry[i - 1].bucket_next = t->free;
		t->free = (uint16_t)i;
	}
	n->frags = t;
	return 0;
}

static void pieces_free(struct frag_table *t, struct frag_entry *e)
{
	struct rte_mbuf *m = e->head, *next;

	for (; m != NULL; m = next) {
		next = piece(m)->next;
		rte_pktmbuf_free(m);
	}
	t->mbufs -= e->mbufs;
	e->head = e->tail = NULL;
	e->mbufs = 0;
}

void frag_fini(struct net *n)
{
	if (n->frags == NULL)
		return;
	for (unsigned int i = 0; i < FRAG_ENTRIES; i++)
		pieces_free(n->frags, &n->frags->entry[i]);
	free(n->frags);
}

/* --- the table --------------------------------------------------------------------------- */

/* Whose share a fragment counts for: IPv4 the address, IPv6 its network, as an end site has one. */
static size_t source_len(const struct net_addr *a)
{
	return a->family == 4 ? 4 : 8;
}

static uint16_t *bucket_of(struct net *n, const struct net_addr *src)
{
	uint32_t w[2] = {0};

	memcpy(w, src->b, source_len(src));
	return &n->frags->bucket[rte_jhash_2words(w[0], w[1], n->neigh_seed) % FRAG_BUCKETS];
}

static bool same_source(const struct net_addr *a, const struct net_addr *b)
{
	return a->family == b->family && memcmp(a->b, b->b, source_len(a)) == 0;
}

/* RFC 791: source, destination, protocol, identification. RFC 8200 leaves the protocol out. */
static bool same_datagram(const struct frag_entry *e, const struct frag *f)
{
	return e->id == f->id && e->src.family == f->src.family &&
	       (f->src.family == 6 || e->proto == f->proto) && e->iface == f->iface &&
	       memcmp(e->src.b, f->src.b, sizeof(f->src.b)) == 0 &&
	       memcmp(e->dst.b, f->dst.b, sizeof(f->dst.b)) == 0;
}

static uint16_t index_of(const struct frag_table *t, const struct frag_entry *e)
{
	return (uint16_t)(e - t->entry + 1);
}

static void entry_free(struct net *n, struct frag_entry *e)
{
	struct frag_table *t = n->frags;
	uint16_t self = index_of(t, e), *at = bucket_of(n, &e->src);

	pieces_free(t, e);
	while (*at != self)
		at = &t->entry[*at - 1].bucket_next;
	*at = e->bucket_next;
	*(e->older ? &t->entry[e->older - 1].newer : &t->oldest) = e->newer;
	*(e->newer ? &t->entry[e->newer - 1].older : &t->newest) = e->older;
	e->bucket_next = t->free;
	t->free = self;
}

/* The datagram will not be whole: its pieces are counted as dropped for that. */
static void pieces_drop(struct net *n, struct frag_entry *e, enum net_drop why)
{
	n->drops[why] += e->pieces;
	pieces_free(n->frags, e);
	e->pieces = 0;
}

static void entry_drop(struct net *n, struct frag_entry *e, enum net_drop why)
{
	pieces_drop(n, e, why);
	entry_free(n, e);
}

/* The oldest of the source when that has its share already. */
static struct frag_entry *source_surplus(struct net *n, const struct net_addr *src)
{
	struct frag_table *t = n->frags;
	struct frag_entry *oldest = NULL;
	unsigned int have = 0;

	for (uint16_t i = *bucket_of(n, src); i != 0; i = t->entry[i - 1].bucket_next) {
		if (!same_source(&t->entry[i - 1].src, src))
			continue;
		oldest = &t->entry[i - 1]; /* newer ones stand in front */
		have++;
	}
	return have >= FRAG_SOURCE_MAX ? oldest : NULL;
}

static struct frag_entry *entry_find(struct net *n, const struct frag *f)
{
	struct frag_table *t = n->frags;

	for (uint16_t i = *bucket_of(n, &f->src); i != 0; i = t->entry[i - 1].bucket_next)
		if (same_datagram(&t->entry[i - 1], f))
			return &t->entry[i - 1];
	return NULL;
}

static struct frag_entry *entry_new(struct net *n, const struct frag *f)
{
	struct frag_table *t = n->frags;
	struct frag_entry *e = source_surplus(n, &f->src);
	uint16_t *bucket = bucket_of(n, &f->src), i;

	if (e != NULL)
		entry_drop(n, e, NET_DROP_FRAG_SOURCE);
	else if (t->free == 0)
		entry_drop(n, &t->entry[t->oldest - 1], NET_DROP_FRAG_FULL);
	i = t->free;
	e = &t->entry[i - 1];
	t->free = e->bucket_next;
	*e = (struct frag_entry){.src = f->src,
				 .dst = f->dst,
				 .id = f->id,
				 .proto = f->proto,
				 .iface = f->iface,
				 .due_us = n->now_us + FRAG_TIME_US,
				 .bucket_next = *bucket,
				 .older = t->newest};
	*(t->newest ? &t->entry[t->newest - 1].newer : &t->oldest) = i;
	t->newest = i;
	*bucket = i;
	return e;
}

/* --- one fragment ------------------------------------------------------------------------ */

/* What no fragment of a whole datagram can be, whatever came before it. */
static enum net_drop check(const struct frag *f, uint32_t len)
{
	if (len == 0 || (f->more && len % FRAG_UNIT != 0) || f->off > f->max ||
	    len > f->max - f->off)
		return NET_DROP_FRAG_LENGTH;
	/*
	 * RFC 1858 section 3 and RFC 3128: no filter on the way saw a header that is cut, and RFC
	 * 7112 forbids it. A path so narrow that it had to be does not exist (RFC 791: 68).
	 */
	if (f->proto == IPPROTO_TCP &&
	    ((f->off == 0 && len < TCP_HDR_LEN) || (f->off > 0 && f->off < TCP_HDR_LEN)))
		return NET_DROP_FRAG_TINY;
	return NET_DROP_COUNT;
}

/* The piece behind which one at off belongs; NULL: it is the first. */
static struct rte_mbuf *piece_before(struct frag_entry *e, uint32_t off)
{
	struct rte_mbuf *prev = NULL;

	if (e->tail != NULL && piece(e->tail)->off < off) /* they come in order, mostly */
		return e->tail;
	for (struct rte_mbuf *m = e->head; m != NULL && piece(m)->off < off; m = piece(m)->next)
		prev = m;
	return prev;
}

/* Does the new piece fit, does it come again, or does it contradict? COUNT: it fits. */
static enum net_drop fits(const struct frag_entry *e, struct rte_mbuf *prev, const struct frag *f,
			  uint32_t len)
{
	struct rte_mbuf *next = prev != NULL ? piece(prev)->next : e->head;
	uint32_t end = f->off + len;

	/* RFC 8200 section 4.5: an exact duplicate need not be taken for an overlap. */
	if (next != NULL && piece(next)->off == f->off && next->pkt_len == len &&
	    f->more == (e->end != end))
		return NET_DROP_FRAG_DUPLICATE;
	if ((prev != NULL && piece(prev)->off + prev->pkt_len > f->off) ||
	    (next != NULL && end > piece(next)->off))
		return NET_DROP_FRAG_OVERLAP;
	/* One end only, and nothing beyond it. */
	if (e->end != 0 && (end > e->end || !f->more))
		return NET_DROP_FRAG_OVERLAP;
	if (!f->more && e->tail != NULL && piece(e->tail)->off + e->tail->pkt_len > end)
		return NET_DROP_FRAG_OVERLAP;
	if (e->pieces == FRAG_PIECES_MAX)
		return NET_DROP_FRAG_PIECES;
	return NET_DROP_COUNT;
}

static void piece_add(struct net *n, struct frag_entry *e, struct rte_mbuf *prev,
		      const struct frag *f, struct rte_mbuf *m)
{
	piece(m)->off = f->off;
	piece(m)->next = prev != NULL ? piece(prev)->next : e->head;
	*(prev != NULL ? &piece(prev)->next : &e->head) = m;
	if (piece(m)->next == NULL)
		e->tail = m;
	if (!f->more)
		e->end = f->off + m->pkt_len;
	if (f->off == 0)
		e->first_proto = f->proto;
	e->got += m->pkt_len;
	e->pieces++;
	e->mbufs = (uint16_t)(e->mbufs + m->nb_segs);
	n->frags->mbufs += m->nb_segs;
	e->ecn_seen |= (uint8_t)(1u << f->ecn);
}

/*
 * RFC 3168 section 5.3: one piece that met congestion marks the datagram; but a packet that was
 * not capable cannot carry the mark, so the two together are dropped. False: that.
 */
static bool ecn_of(const struct frag_entry *e, uint8_t *ret)
{
	const uint8_t not_ect = 1u << 0, ce = 1u << RTE_IPV4_HDR_ECN_CE;

	if ((e->ecn_seen & ce) && (e->ecn_seen & not_ect))
		return false;
	*ret = e->ecn_seen & ce ? RTE_IPV4_HDR_ECN_CE : (uint8_t)rte_bsf32(e->ecn_seen);
	return true;
}

/* All of it is there: the pieces become one packet and the entry ends. */
static struct rte_mbuf *whole(struct net *n, struct frag_entry *e, struct frag *f)
{
	struct rte_mbuf *head = e->head, *last = rte_pktmbuf_lastseg(head), *m, *next;

	if (!ecn_of(e, &f->ecn)) {
		entry_drop(n, e, NET_DROP_FRAG_ECN);
		return NULL;
	}
	f->proto = e->first_proto;
	for (m = piece(head)->next; m != NULL; m = next) {
		next = piece(m)->next;
		last->next = m;
		last = rte_pktmbuf_lastseg(m);
		head->nb_segs = (uint16_t)(head->nb_segs + m->nb_segs);
		head->pkt_len += m->pkt_len;
	}
	n->frags->mbufs -= e->mbufs;
	e->mbufs = 0;
	e->head = e->tail = NULL;
	entry_free(n, e);
	/* What the port said of the checksum was about a piece. */
	head->ol_flags &= ~(RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_NONE);
	(void)rte_pktmbuf_linearize(head); /* where there is room: fewer buffers to hold */
	return head;
}

static struct rte_mbuf *piece_input(struct net *n, struct frag *f, struct rte_mbuf *m)
{
	struct frag_table *t = n->frags;
	struct frag_entry *e = entry_find(n, f);
	struct rte_mbuf *prev;
	enum net_drop why;

	if (e == NULL)
		e = entry_new(n, f);
	if (e->refused) {
		net_drop(n, m, NET_DROP_FRAG_OVERLAP);
		return NULL;
	}
	prev = piece_before(e, f->off);
	why = fits(e, prev, f, m->pkt_len);
	if (why == NET_DROP_FRAG_DUPLICATE) {
		net_drop(n, m, why);
		return NULL;
	}
	if (why != NET_DROP_COUNT) {
		/*
		 * RFC 5722 section 4: the datagram, "including those not yet received", is
		 * silently discarded; IPv4's, too. So the entry stays for its time.
		 */
		net_drop(n, m, why);
		pieces_drop(n, e, why);
		e->refused = true;
		return NULL;
	}
	piece_add(n, e, prev, f, m);
	if (e->end != 0 && e->got == e->end)
		return whole(n, e, f);
	while (t->mbufs > t->mbufs_max)
		entry_drop(n, &t->entry[t->oldest - 1], NET_DROP_FRAG_FULL);
	return NULL;
}

struct rte_mbuf *frag_input(struct net *n, struct frag *f, struct rte_mbuf *m)
{
	enum net_drop why = check(f, m->pkt_len);

	if (n->no_fragments && f->proto != IPPROTO_ICMP && f->proto != IPPROTO_ICMPV6)
		why = NET_DROP_IP_FRAGMENT;
	if (why != NET_DROP_COUNT) {
		net_drop(n, m, why);
		return NULL;
	}
	/* RFC 6946 section 4: on its own, whatever else of this identification there is. */
	if (f->off == 0 && !f->more) {
		m->ol_flags &= ~(RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_NONE);
		return m;
	}
	return piece_input(n, f, m);
}

/* --- time -------------------------------------------------------------------------------- */

unsigned int frag_timers(struct net *n)
{
	struct frag_table *t = n->frags;
	unsigned int work = 0;

	/* All live equally long, so the first that is not due ends the walk. */
	while (t->oldest != 0 && t->entry[t->oldest - 1].due_us <= n->now_us) {
		entry_drop(n, &t->entry[t->oldest - 1], NET_DROP_FRAG_TIMEOUT);
		work++;
	}
	return work;
}

uint64_t frag_next_us(const struct net *n)
{
	const struct frag_table *t = n->frags;

	return t->oldest != 0 ? t->entry[t->oldest - 1].due_us : UINT64_MAX;
}
