/*
 * dataplane/stream/host_cut.c - what a descriptor is given cut into records, each a frame of its
 * own (host.h), and news of when it may say more.
 *
 * A record is written when it is whole. Until then it counts as given and not taken, so that the
 * window of who sends it stays as it was; LINK_RECORD_MAX is half of the least window there is,
 * and so none waits for bytes that may not come.
 *
 * Bytes are copied together here: of records of a byte each a frame costs no buffer.
 */
#include "dataplane/stream/internal.h"

#include <errno.h>
#include <rte_byteorder.h>

/* The frames of one call, the last of which may have no end yet. */
struct cutter {
	struct host_stream *st;
	struct pkt_chain out;
	uint8_t *head;  /* of the one that was begun; NULL: none */
	uint32_t len;   /* bytes in it */
	uint32_t done;  /* in those before it */
	uint32_t whole; /* of out, up to its beginning */
};

static void head_write(uint8_t *head, uint8_t kind, uint32_t len)
{
	const rte_be32_t be = rte_cpu_to_be_32(len);

	memcpy(head, &be, sizeof(be));
	head[sizeof(be)] = kind;
}

/* Room for n bytes in one piece; NULL: there is no buffer. */
static uint8_t *grow(struct cutter *k, uint32_t n)
{
	struct rte_mbuf *m = k->out.tail;

	if (m != NULL && rte_pktmbuf_tailroom(m) >= n) {
		m->data_len = (uint16_t)(m->data_len + n);
		m->pkt_len = m->data_len;
		k->out.len += n;
		return rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len - n);
	}
	m = rte_pktmbuf_alloc(k->st->h->conf.pools->data);
	if (m == NULL)
		return NULL;
	m->data_len = (uint16_t)n;
	m->pkt_len = n;
	pkt_chain_append(&k->out, m);
	return rte_pktmbuf_mtod(m, uint8_t *);
}

static bool put(struct cutter *k, const uint8_t *p, uint32_t n)
{
	while (n > 0) {
		uint32_t room = k->out.tail != NULL ? rte_pktmbuf_tailroom(k->out.tail) : 0;
		uint32_t now = RTE_MIN(n, room > 0 ? room : (uint32_t)PKT_DATA_ROOM);
		uint8_t *to = grow(k, now);

		if (to == NULL)
			return false;
		memcpy(to, p, now);
		p += now;
		n -= now;
	}
	return true;
}

static bool record_begin(struct cutter *k)
{
	if (k->head == NULL) {
		k->len = 0;
		k->st->cut.seen = 0;
		k->head = grow(k, HOST_FRAME_HEAD);
	}
	return k->head != NULL;
}

static void record_end(struct cutter *k, enum host_frame kind)
{
	head_write(k->head, kind, k->len);
	k->head = NULL;
	k->done += k->len;
	k->whole = k->out.len;
}

/* Of these bytes so many are the record's; *ret_kind: it ends with them, 0: it does not. */
static uint32_t record_part(const struct cutter *k, const uint8_t *p, uint32_t n, uint8_t *ret_kind)
{
	struct host_cut *cut = &k->st->cut;
	uint32_t room = cut->how.max - k->len, eol_len = cut->how.eol_len;
	uint64_t seen = cut->seen;

	*ret_kind = 0;
	if (cut->how.max == 0)
		return n;
	n = RTE_MIN(n, room);
	for (uint32_t i = 0; eol_len > 0 && i < n; i++) {
		seen = seen << 8 | p[i];
		if ((seen & cut->mask) != cut->eol || k->len + i + 1 < eol_len)
			continue;
		*ret_kind = HOST_FRAME_DATA;
		return i + 1;
	}
	cut->seen = seen;
	if (n == room)
		*ret_kind = eol_len > 0 ? HOST_FRAME_PART : HOST_FRAME_DATA;
	return n;
}

static bool mbuf_cut(struct cutter *k, const struct rte_mbuf *m)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t n = m->data_len;

	while (n > 0) {
		uint8_t kind;
		uint32_t part;

		if (!record_begin(k))
			return false;
		part = record_part(k, p, n, &kind);
		if (!put(k, p, part))
			return false;
		k->len += part;
		p += part;
		n -= part;
		if (kind != 0)
			record_end(k, kind);
	}
	return true;
}

/* What is whole goes to be written, the rest is held. */
static int cut_settle(struct cutter *k)
{
	struct host_stream *st = k->st;
	struct host_cut *cut = &st->cut;
	struct pkt_chain whole = {0};
	int r = 0;

	if (k->head != NULL && cut->how.max == 0)
		record_end(k, HOST_FRAME_DATA);
	if (k->head == NULL)
		pkt_chain_join(&whole, &k->out);
	else if (k->whole > 0)
		r = pkt_chain_split(&k->out, k->whole, &whole, st->h->conf.pools->data);
	if (r < 0)
		return r;
	pkt_chain_join(&cut->held, &k->out);
	cut->queued = RTE_MIN(cut->queued, st->tx.len) + k->done;
	host_tx_add(st, &whole);
	return 0;
}

/* A frame of what is lost would be none. */
static int no_buffers(struct host_stream *st)
{
	host_failed(st, -ENOBUFS);
	return -EPIPE;
}

/* c is taken. */
static int chain_cut(struct host_stream *st, struct pkt_chain *c)
{
	struct cutter k = {.st = st};
	bool ok = true;
	int r;

	pkt_chain_join(&k.out, &st->cut.held);
	if (k.out.len > 0) {
		k.head = rte_pktmbuf_mtod(k.out.head, uint8_t *);
		k.len = k.out.len - HOST_FRAME_HEAD;
	}
	for (const struct rte_mbuf *m = c->head; m != NULL && ok; m = m->next)
		ok = mbuf_cut(&k, m);
	pkt_chain_free(c);
	r = ok ? cut_settle(&k) : -ENOMEM;
	if (r == 0)
		return 0;
	pkt_chain_free(&k.out);
	return no_buffers(st);
}

/* c is taken. What is held of a record stays so: its type is another. */
static int chain_frame(struct host_stream *st, uint32_t data_type, struct pkt_chain *c)
{
	uint8_t head[HOST_FRAME_HEAD + sizeof(rte_be32_t)];
	const rte_be32_t be = rte_cpu_to_be_32(data_type);
	uint32_t n = c->len;
	struct pkt_chain out;

	head_write(head, HOST_FRAME_EXT, n + (uint32_t)sizeof(be));
	memcpy(head + HOST_FRAME_HEAD, &be, sizeof(be));
	if (pkt_chain_from(head, sizeof(head), st->h->conf.pools->data, &out) < 0) {
		pkt_chain_free(c);
		return no_buffers(st);
	}
	pkt_chain_join(&out, c);
	st->cut.queued = RTE_MIN(st->cut.queued, st->tx.len) + n;
	host_tx_add(st, &out);
	return 0;
}

/* A record that will not be whole. */
static void rest_flush(struct host_stream *st)
{
	struct host_cut *cut = &st->cut;

	if (cut->held.len == 0)
		return;
	head_write(rte_pktmbuf_mtod(cut->held.head, uint8_t *), HOST_FRAME_PART,
		   cut->held.len - HOST_FRAME_HEAD);
	cut->queued = RTE_MIN(cut->queued, st->tx.len) + cut->held.len - HOST_FRAME_HEAD;
	host_tx_add(st, &cut->held);
}

/* --- the contract ----------------------------------------------------------------------------- */

/* False: it takes no more, and c is freed. */
static bool may_tx(const struct host_stream *st, struct pkt_chain *c)
{
	bool may = st->in >= 0 && !st->shut && st->s.err == 0;

	if (!may)
		pkt_chain_free(c);
	return may;
}

int host_cut_tx(struct stream *s, struct pkt_chain *c)
{
	struct host_stream *st = (struct host_stream *)(void *)s;

	return may_tx(st, c) ? chain_cut(st, c) : -EPIPE;
}

int host_cut_tx_ext(struct stream *s, uint32_t data_type, struct pkt_chain *c)
{
	struct host_stream *st = (struct host_stream *)(void *)s;

	return may_tx(st, c) ? chain_frame(st, data_type, c) : -EPIPE;
}

/* Heads are nobody's bytes: at most as many as were given, and none when all is written. */
uint32_t host_cut_queued(const struct stream *s)
{
	const struct host_stream *st = (const struct host_stream *)(const void *)s;
	const struct host_cut *cut = &st->cut;
	uint32_t held = cut->held.len > 0 ? cut->held.len - HOST_FRAME_HEAD : 0;

	return RTE_MIN(cut->queued, st->tx.len) + held;
}

void host_cut_shutdown(struct stream *s)
{
	rest_flush((struct host_stream *)(void *)s);
	host_ops.shutdown(s);
}

void host_cut_close(struct stream *s)
{
	rest_flush((struct host_stream *)(void *)s);
	host_ops.close(s);
}

/*
 * It may say so much before it is waited for again. Of one that reads nothing it is not said, until
 * it does.
 */
void host_cut_ready(struct host_stream *st)
{
	uint8_t frame[HOST_FRAME_HEAD + sizeof(rte_be32_t)];
	const uint32_t max = st->h->conf.rx_max, room = max - RTE_MIN(st->out.rx.len, max);
	const rte_be32_t credit = rte_cpu_to_be_32(room);
	struct pkt_chain c;

	if (room < max / 2 || host_ops.tx_space(&st->s) == 0)
		return;
	head_write(frame, HOST_FRAME_READY, sizeof(credit));
	memcpy(frame + HOST_FRAME_HEAD, &credit, sizeof(credit));
	if (pkt_chain_from(frame, sizeof(frame), st->h->conf.pools->data, &c) < 0)
		return;
	st->cut.stopped = false;
	st->cut.credit = room;
	st->cut.queued = RTE_MIN(st->cut.queued, st->tx.len);
	host_tx_add(st, &c);
}

uint32_t host_cut_take(struct stream *s, uint32_t max, struct pkt_chain *ret)
{
	struct host_stream *st = (struct host_stream *)(void *)s;
	uint32_t n;

	st->cut.stopped |= host_source_full(st, &st->out);
	n = host_ops.rx_take(s, max, ret);
	st->cut.credit -= RTE_MIN(n, st->cut.credit);
	st->cut.stopped |= st->cut.credit == 0;
	if (st->cut.stopped)
		host_cut_ready(st);
	return n;
}

void host_stream_cut(struct stream *s, const struct link_chan_cut *how)
{
	struct host_stream *st = (struct host_stream *)(void *)s;
	struct pkt_chain held = {0};
	bool first = s->ops != &host_cut_ops;

	s->ops = &host_cut_ops;
	st->cut.how = *how;
	st->cut.eol = st->cut.mask = 0;
	for (unsigned int i = 0; i < how->eol_len; i++) {
		st->cut.eol = st->cut.eol << 8 | how->eol[i];
		st->cut.mask = st->cut.mask << 8 | UINT8_MAX;
	}
	if (first) {
		st->cut.stopped = true;
		host_cut_ready(st);
		return;
	}
	pkt_chain_join(&held, &st->cut.held);
	if (held.len == 0)
		return;
	pkt_chain_trim_head(&held, HOST_FRAME_HEAD);
	(void)chain_cut(st, &held);
}
