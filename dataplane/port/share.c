/* dataplane/port/share.c - see share.h. */
#include "dataplane/port/share.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_errno.h>
#include <rte_ring.h>

#define BURST 64 /* packets that are sorted at once */

/* Packets that wait for one other shard while a burst is sorted. */
struct out {
	struct rte_ring *ring;
	unsigned int n;
	struct rte_mbuf *m[BURST];
};

/* What another shard sends by way of this one. */
struct carried {
	struct rte_ring *ring;
	uint16_t at, n; /* of those below, which the queue did not take */
	struct rte_mbuf *m[BURST];
};

/* One shard's: allocated apart, so that no two write one line. */
struct share_end {
	/* The device's own, NULL: no such queue. */
	uint16_t (*rx)(struct port *p, struct rte_mbuf **m, uint16_t n);
	uint16_t (*tx)(struct port *p, struct rte_mbuf **m, uint16_t n);
	const struct spread *spread;
	uint8_t shard, shards;
	bool rss;
	uint8_t n_in, next_in, n_carried;
	bool odd; /* whose the odd one of a burst is */
	uint64_t given;
	unsigned int moved;
	struct rte_ring *in[SPREAD_SHARDS_MAX]; /* from those with a receive queue */
	struct rte_ring *tx_out;                /* no queue: to who sends for us */
	uint8_t tx_by;
	const struct spread_steer *steer;
	struct out *out;         /* [shards]; with a receive queue */
	struct carried *carried; /* [n_carried] */
};

struct share {
	unsigned int shards;
	uint16_t queues;
	struct port *port; /* [shards], as they are handed out */
	struct share_end *end[SPREAD_SHARDS_MAX];
	/* To free: [from][to], and of each that has no transmit queue. */
	struct rte_ring **ring, **tx_ring;
};

/* --- receiving ----------------------------------------------------------------------------- */

/* What may go in when there is little room: all that is small while there is any. */
static unsigned int squeeze_in(struct out *o, unsigned int room, struct port *p)
{
	unsigned int k = 0, lost = 0;
	struct rte_mbuf *drop[BURST];

	for (unsigned int i = 0; i < o->n; i++) {
		struct rte_mbuf *m = o->m[i];

		if (room > (m->pkt_len <= SHARE_SMALL ? 0 : SHARE_RESERVE)) {
			o->m[k++] = m;
			room--;
		} else {
			drop[lost++] = m;
		}
	}
	p->counters[PORT_C_STEER_FULL] += lost;
	rte_pktmbuf_free_bulk(drop, lost);
	return k;
}

static void hand_over(struct port *p, unsigned int to)
{
	struct share_end *e = p->share;
	struct out *o = &e->out[to];
	unsigned int room = rte_ring_free_count(o->ring), n = o->n;

	if (unlikely(room < SHARE_RESERVE + n))
		n = squeeze_in(o, room, p);
	/* The only producer: the room cannot have become less. */
	(void)rte_ring_sp_enqueue_burst(o->ring, (void **)o->m, n, NULL);
	p->counters[PORT_C_STEERED] += n;
	e->given |= UINT64_C(1) << to;
	e->moved += o->n;
	o->n = 0;
}

/* Keeps what is ours at the front of m. */
static uint16_t sort(struct port *p, struct rte_mbuf **m, uint16_t n)
{
	struct share_end *e = p->share;
	uint64_t others = 0;
	uint16_t k = 0;

	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(m[i], void *));
	for (uint16_t i = 0; i < n; i++) {
		unsigned int to = spread_owner(e->spread, e->steer, m[i], e->rss);
		struct out *o;

		if (to == e->shard) {
			m[k++] = m[i];
			continue;
		}
		o = &e->out[to];
		o->m[o->n++] = m[i];
		others |= UINT64_C(1) << to;
	}
	for (; others != 0; others &= others - 1)
		hand_over(p, (unsigned int)__builtin_ctzll(others));
	return k;
}

/* Another one begins each time, so that a busy shard does not keep the rest from being heard. */
static uint16_t from_others(struct share_end *e, struct rte_mbuf **m, uint16_t n)
{
	uint16_t k = 0;

	for (unsigned int i = 0; i < e->n_in && k < n; i++) {
		unsigned int at = e->next_in + i;
		struct rte_ring *r = e->in[at < e->n_in ? at : at - e->n_in];

		k = (uint16_t)(k + rte_ring_sc_dequeue_burst(r, (void **)&m[k], n - k, NULL));
	}
	if (++e->next_in >= e->n_in)
		e->next_in = 0;
	return k;
}

/*
 * Half of a burst may come from others: neither way waits for the other. What the queue does not
 * fill they may have, too.
 */
static uint16_t rx_shared(struct port *p, struct rte_mbuf **m, uint16_t n)
{
	struct share_end *e = p->share;
	uint16_t half, k, got;

	if (e->rx == NULL)
		return from_others(e, m, n);
	e->odd = !e->odd;
	half = (uint16_t)((n + e->odd) / 2);
	k = from_others(e, m, half);
	got = e->rx(p, &m[k], (uint16_t)RTE_MIN(n - k, BURST));
	if (got == 0 && k == half)
		return (uint16_t)(k + from_others(e, &m[k], (uint16_t)(n - k)));
	return (uint16_t)(k + sort(p, &m[k], got));
}

/* --- sending ------------------------------------------------------------------------------- */

static uint16_t tx_shared(struct port *p, struct rte_mbuf **m, uint16_t n)
{
	struct share_end *e = p->share;
	unsigned int k = rte_ring_sp_enqueue_burst(e->tx_out, (void **)m, n, NULL);

	if (k > 0)
		e->given |= UINT64_C(1) << e->tx_by;
	return (uint16_t)k;
}

static unsigned int carry(struct port *p, struct carried *c)
{
	uint16_t k;

	if (c->at == c->n) {
		c->at = 0;
		c->n = (uint16_t)rte_ring_sc_dequeue_burst(c->ring, (void **)c->m, BURST, NULL);
	}
	if (c->n == 0)
		return 0;
	k = p->share->tx(p, &c->m[c->at], (uint16_t)(c->n - c->at));
	c->at = (uint16_t)(c->at + k);
	return k;
}

unsigned int share_carry(struct port *p)
{
	struct share_end *e = p->share;
	unsigned int sent = 0;

	for (unsigned int i = 0; e != NULL && i < e->n_carried; i++)
		sent += carry(p, &e->carried[i]);
	return sent;
}

uint64_t share_given(struct port *p)
{
	uint64_t given = 0;

	if (p->share != NULL) {
		given = p->share->given;
		p->share->given = 0;
	}
	return given;
}

unsigned int share_moved(struct port *p)
{
	unsigned int moved = 0;

	if (p->share != NULL) {
		moved = p->share->moved;
		p->share->moved = 0;
	}
	return moved;
}

bool share_waits(const struct port *p)
{
	const struct share_end *e = p->share;

	for (unsigned int i = 0; e != NULL && i < e->n_carried; i++)
		if (e->carried[i].at < e->carried[i].n)
			return true;
	return false;
}

/* --- coming and going ---------------------------------------------------------------------- */

static void *lines_new(size_t size)
{
	size_t all = RTE_ALIGN_CEIL(size, 2 * RTE_CACHE_LINE_SIZE);
	void *p = aligned_alloc(2 * RTE_CACHE_LINE_SIZE, all);

	if (p != NULL)
		memset(p, 0, all);
	return p;
}

/* Names of rings are the process's: the port's number and the two shards. */
static int ring_new(char kind, uint16_t port, unsigned int from, unsigned int to, int socket,
		    struct rte_ring **ret)
{
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "sl%c_%u_%u_%u", kind, port, from, to);
	*ret = rte_ring_create(name, SHARE_RING, socket,
			       RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
	return *ret != NULL ? 0 : -rte_errno;
}

/* From every shard with a receive queue to every other one. */
static int make_rx_rings(struct share *sh, const struct share_conf *conf)
{
	int r = 0;

	for (unsigned int from = 0; from < sh->queues; from++) {
		for (unsigned int to = 0; r == 0 && to < sh->shards; to++) {
			struct rte_ring **ring = &sh->ring[from * sh->shards + to];

			if (to == from)
				continue;
			r = ring_new('r', conf->queue[0].port_id, from, to, conf->socket, ring);
			sh->end[from]->out[to].ring = *ring;
			sh->end[to]->in[sh->end[to]->n_in++] = *ring;
		}
	}
	return r;
}

static int make_tx_rings(struct share *sh, const struct share_conf *conf)
{
	int r = 0;

	for (unsigned int i = sh->queues; r == 0 && i < sh->shards; i++) {
		struct share_end *e = sh->end[i], *by;

		e->tx_by = (uint8_t)(i % sh->queues);
		by = sh->end[e->tx_by];
		r = ring_new('t', conf->queue[0].port_id, i, e->tx_by, conf->socket,
			     &sh->tx_ring[i]);
		e->tx_out = by->carried[by->n_carried++].ring = sh->tx_ring[i];
	}
	return r;
}

/* How many send by way of the i-th. */
static unsigned int carries(const struct share *sh, unsigned int i)
{
	return i < sh->queues ? (sh->shards - 1 - i) / sh->queues : 0;
}

static int end_new(const struct share *sh, const struct share_conf *conf, unsigned int i,
		   struct share_end **ret)
{
	struct share_end *e = lines_new(sizeof(*e));

	if (e == NULL)
		return -ENOMEM;
	*ret = e;
	e->spread = conf->spread;
	e->shard = (uint8_t)i;
	e->shards = (uint8_t)sh->shards;
	e->rss = conf->rss;
	if (conf->steer != NULL)
		e->steer = conf->steer[i];
	if (i < sh->queues) {
		e->rx = conf->queue[i].rx_burst;
		e->tx = conf->queue[i].tx_burst;
		e->out = lines_new(sh->shards * sizeof(e->out[0]));
	}
	if (carries(sh, i) > 0)
		e->carried = lines_new(carries(sh, i) * sizeof(e->carried[0]));
	return (e->rx != NULL && e->out == NULL) || (carries(sh, i) > 0 && e->carried == NULL)
		       ? -ENOMEM
		       : 0;
}

static void make_port(struct share *sh, const struct share_conf *conf, unsigned int i)
{
	struct port *p = &sh->port[i];

	*p = conf->queue[i < sh->queues ? i : 0];
	p->share = sh->end[i];
	p->rx_burst = rx_shared;
	if (i >= sh->queues) {
		p->queue = PORT_NO_QUEUE;
		p->tx_burst = tx_shared;
	}
}

int share_new(const struct share_conf *conf, struct share **ret)
{
	struct share *sh = calloc(1, sizeof(*sh));
	int r = 0;

	if (sh == NULL)
		return -ENOMEM;
	sh->shards = conf->shards;
	sh->queues = conf->queues;
	sh->port = calloc(sh->shards, sizeof(*sh->port));
	sh->ring = calloc((size_t)sh->queues * sh->shards, sizeof(*sh->ring));
	sh->tx_ring = calloc(sh->shards, sizeof(*sh->tx_ring));
	if (sh->port == NULL || sh->ring == NULL || sh->tx_ring == NULL)
		r = -ENOMEM;
	for (unsigned int i = 0; r == 0 && i < sh->shards; i++)
		r = end_new(sh, conf, i, &sh->end[i]);
	if (r == 0)
		r = make_rx_rings(sh, conf);
	if (r == 0)
		r = make_tx_rings(sh, conf);
	if (r < 0) {
		share_free(sh);
		return r;
	}
	for (unsigned int i = 0; i < sh->shards; i++)
		make_port(sh, conf, i);
	*ret = sh;
	return 0;
}

static void ring_free(struct rte_ring *r)
{
	void *m;

	while (r != NULL && rte_ring_sc_dequeue(r, &m) == 0)
		rte_pktmbuf_free(m);
	rte_ring_free(r);
}

static void end_free(struct share_end *e)
{
	if (e == NULL)
		return;
	for (unsigned int i = 0; i < e->n_carried; i++)
		rte_pktmbuf_free_bulk(&e->carried[i].m[e->carried[i].at],
				      e->carried[i].n - e->carried[i].at);
	free(e->out);
	free(e->carried);
	free(e);
}

void share_free(struct share *sh)
{
	if (sh == NULL)
		return;
	for (unsigned int i = 0; i < sh->shards; i++)
		end_free(sh->end[i]);
	for (size_t i = 0; sh->ring != NULL && i < (size_t)sh->queues * sh->shards; i++)
		ring_free(sh->ring[i]);
	for (unsigned int i = 0; sh->tx_ring != NULL && i < sh->shards; i++)
		ring_free(sh->tx_ring[i]);
	free(sh->ring);
	free(sh->tx_ring);
	free(sh->port);
	free(sh);
}

struct port share_port(struct share *sh, unsigned int shard)
{
	return sh->port[shard];
}
