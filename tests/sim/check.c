/*
 * tests/sim/check.c - is what stacks send within what they were offered?
 *
 * Read from the segments alone: the edge a receiver named, and of these the furthest that has
 * arrived at the sender. One byte, or a FIN, beyond it is the probe of RFC 9293 section 3.8.6.1.
 */
#include "tests/sim/wire.h"

#include <stdlib.h>

#include <rte_tcp.h>

#include "dataplane/tcp/seq.h"

#define FLOWS 64

/* One end of a connection, and what it says of its window. */
struct end {
	unsigned int host;
	uint16_t port;
	uint32_t iss;
	bool synced, has_wscale, fin;
	uint8_t wscale;
	bool told, heard; /* an edge was sent; one arrived at the other end */
	uint32_t edge_told, edge_heard;
};

struct flow {
	uint8_t family;
	struct end end[2];
};

struct vnet_check {
	struct flow flow[FLOWS];
	unsigned int n;
};

void vnet_check_windows(struct vnet *v)
{
	v->check = calloc(1, sizeof(*v->check));
}

static bool is_end(const struct end *e, unsigned int host, uint16_t port)
{
	return e->host == host && e->port == port;
}

/* The connection of a segment, and which end sent it; NULL: began before we looked. */
static struct flow *flow_of(struct vnet_check *k, const struct vpkt *p, const struct vseg *s,
			    unsigned int *ret_end)
{
	for (unsigned int i = 0; i < k->n; i++) {
		struct flow *f = &k->flow[i];

		if (f->family != p->dst.family)
			continue;
		for (unsigned int a = 0; a < 2; a++) {
			*ret_end = a;
			if (is_end(&f->end[a], p->from, s->src_port) &&
			    is_end(&f->end[!a], p->to, s->dst_port))
				return f;
		}
	}
	if (!(s->flags & RTE_TCP_SYN_FLAG) || k->n == FLOWS)
		return NULL;
	*ret_end = 0;
	k->flow[k->n] = (struct flow){.family = p->dst.family,
				      .end = {{.host = p->from, .port = s->src_port},
					      {.host = p->to, .port = s->dst_port}}};
	return &k->flow[k->n++];
}

static unsigned int scale(const struct flow *f, unsigned int end, uint8_t flags)
{
	if ((flags & RTE_TCP_SYN_FLAG) || !f->end[0].has_wscale || !f->end[1].has_wscale)
		return 0;
	return f->end[end].wscale;
}

static uint32_t edge(const struct flow *f, unsigned int end, const struct vseg *s)
{
	return s->ack + ((uint32_t)s->wnd << scale(f, end, s->flags));
}

static void note_syn(struct flow *f, unsigned int a, const struct vseg *s)
{
	struct end *e = &f->end[a];

	if (e->synced && e->iss == s->seq)
		return;
	/* A SYN-ACK may answer an old SYN, while the other end still says its last words. */
	if (!(s->flags & RTE_TCP_ACK_FLAG))
		f->end[!a] = (struct end){.host = f->end[!a].host, .port = f->end[!a].port};
	*e = (struct end){.host = e->host,
			  .port = e->port,
			  .iss = s->seq,
			  .synced = true,
			  .has_wscale = s->opts.has_wscale,
			  .wscale = s->opts.wscale,
			  .fin = e->fin && (s->flags & RTE_TCP_ACK_FLAG)};
}

/* The right edge never moves to the left, but for what the scale cannot say. */
static void check_told(struct vnet *v, struct flow *f, unsigned int a, const struct vseg *s)
{
	struct end *e = &f->end[a];
	uint32_t to = edge(f, a, s), slack = (1u << scale(f, a, s->flags)) - 1;

	if (e->told && !f->end[!a].fin && seq_lt(to + slack, e->edge_told))
		v->shrunk++;
	e->edge_told = e->told ? seq_max(e->edge_told, to) : to;
	e->told = true;
}

void check_sent(struct vnet *v, const struct vpkt *p, const struct vseg *s)
{
	uint32_t space = s->len + !!(s->flags & RTE_TCP_FIN_FLAG);
	unsigned int a;
	struct flow *f;

	if (v->check == NULL || (s->flags & RTE_TCP_RST_FLAG))
		return;
	f = flow_of(v->check, p, s, &a);
	if (f == NULL)
		return;
	if (s->flags & RTE_TCP_SYN_FLAG)
		note_syn(f, a, s);
	if (!f->end[a].synced)
		return;
	if (space > 1 && f->end[!a].heard && seq_gt(s->seq + space, f->end[!a].edge_heard))
		v->overrun++;
	if (s->flags & RTE_TCP_ACK_FLAG)
		check_told(v, f, a, s);
	f->end[a].fin |= (s->flags & RTE_TCP_FIN_FLAG) != 0;
}

void check_arrived(struct vnet *v, const struct vpkt *p)
{
	struct vseg s;
	unsigned int a;
	struct flow *f;
	struct end *e;
	uint32_t to;

	if (v->check == NULL || p->damaged)
		return;
	s = vseg_parse(p);
	if ((s.flags & (RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG)) != RTE_TCP_ACK_FLAG)
		return;
	f = flow_of(v->check, p, &s, &a);
	if (f == NULL || !f->end[a].synced)
		return;
	e = &f->end[a];
	to = edge(f, a, &s);
	e->edge_heard = e->heard ? seq_max(e->edge_heard, to) : to;
	e->heard = true;
}
