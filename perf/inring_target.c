/* perf/inring_target.c - see inring.h. */
#include "perf/inring.h"

#include <stdlib.h>

#define LISTENERS_FIRST 100
#define LISTENERS_MORE  200
#define BACKLOG         65535
#define SOURCE_PIECE    (32 * 1024) /* one write of a source */

struct target {
	struct end e;
	struct targets *all;
	struct target *next, **prev; /* of all */
	enum target_kind kind;
	uint64_t at; /* bytes received, or sent */
};

static void target_free(struct target *t, bool cut)
{
	if (cut)
		t->e.s->ops->abort(t->e.s);
	else
		t->e.s->ops->close(t->e.s);
	*t->prev = t->next;
	if (t->next != NULL)
		t->next->prev = t->prev;
	free(t);
}

static void sink(struct target *t)
{
	struct stream *s = t->e.s;
	struct pkt_chain c = {0};

	if (s->ops->rx_len(s) == 0)
		return;
	s->ops->rx_take(s, UINT32_MAX, &c);
	for (const struct rte_mbuf *m = c.head; m != NULL; m = m->next) {
		if (!pattern_check(t->at, rte_pktmbuf_mtod(m, const uint8_t *), m->data_len))
			t->all->wrong++;
		t->at += m->data_len;
	}
	t->all->bytes += c.len;
	pkt_chain_free(&c);
}

static void source(struct target *t)
{
	struct stream *s = t->e.s;
	uint32_t n = s->ops->tx_space(s);
	struct pkt_chain c;

	while (n > 0) {
		uint32_t k = RTE_MIN(n, (uint32_t)SOURCE_PIECE);

		if (pkt_chain_from(pattern_at(t->at), k, t->e.g->pools->data, &c) < 0 ||
		    s->ops->tx(s, &c) < 0)
			break;
		t->at += k;
		n -= k;
	}
}

static void echo(struct target *t)
{
	struct stream *s = t->e.s;
	struct pkt_chain c = {0};

	if (s->ops->rx_len(s) > 0 && s->ops->tx_space(s) > 0 &&
	    s->ops->rx_take(s, UINT32_MAX, &c) > 0 &&
	    (pkt_chain_own(&c, t->e.g->pools->data) < 0 || s->ops->tx(s, &c) < 0))
		t->all->wrong++;
}

static void step(struct end *e)
{
	struct target *t = (struct target *)(void *)e;
	uint8_t ev = stream_events(e->s);

	if (ev & STREAM_EV_ERROR) {
		target_free(t, false);
		return;
	}
	if (t->kind == TARGET_SINK)
		sink(t);
	else if (t->kind == TARGET_SOURCE)
		source(t);
	else
		echo(t);
	if (ev & STREAM_EV_EOF)
		target_free(t, t->kind == TARGET_SOURCE);
}

static enum target_kind kind_of(uint16_t port)
{
	unsigned int kind = TARGET_SINK + (port - TARGET_SINK) % PORT_STEP;

	return RTE_MIN(kind, (unsigned int)TARGET_ECHO);
}

static bool on_accept(void *arg, struct stream *s, uint32_t listener, const struct net_addr *local,
		      uint16_t local_port, const struct net_addr *peer, uint16_t peer_port)
{
	struct targets *all = arg;
	struct target *t = calloc(1, sizeof(*t));

	(void)listener, (void)local, (void)peer, (void)peer_port;
	if (t == NULL)
		return false;
	t->e.step = step;
	t->all = all;
	t->kind = kind_of(local_port);
	gen_attach(all->g, &t->e, s);
	t->next = all->list;
	t->prev = &all->list;
	if (t->next != NULL)
		t->next->prev = &t->next;
	all->list = t;
	gen_wake(all->g, &t->e);
	return true;
}

int targets_listen(struct targets *t, struct gen_stack *g)
{
	struct net_addr any = {0};
	int r = 0;

	*t = (struct targets){.g = g};
	for (unsigned int i = 0; i < 2 + TARGET_PORTS_ECHO && r == 0; i++)
		r = tcp_listen(g->tcp, &any, (uint16_t)(TARGET_SINK + i), LISTENERS_FIRST + i,
			       BACKLOG, on_accept, t);
	for (unsigned int i = 0; i < 2 * (PORT_SETS - 1) && r == 0; i++) {
		unsigned int port = TARGET_SINK + (i / 2 + 1) * PORT_STEP + i % 2;

		r = tcp_listen(g->tcp, &any, (uint16_t)port, LISTENERS_MORE + i, BACKLOG, on_accept,
			       t);
	}
	return r;
}

void targets_free(struct targets *t)
{
	while (t->list != NULL)
		target_free(t->list, true);
}
