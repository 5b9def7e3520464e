/* dataplane/tcp/listen.c - listeners, and segments that belong to no connection. */
#include "dataplane/tcp/internal.h"

#include <string.h>

static bool addr_eq(const struct net_addr *a, const struct net_addr *b)
{
	return a->family == b->family && memcmp(a->b, b->b, a->family == 4 ? 4 : 16) == 0;
}

/* A listener on the very address goes before one on any. */
static struct tcp_listener *listener_find(struct tcp *t, const struct net_addr *addr, uint16_t port)
{
	struct tcp_listener *any = NULL;

	for (unsigned int i = 0; i < TCP_LISTENERS; i++) {
		struct tcp_listener *l = &t->listener[i];

		if (!l->used || l->port != port)
			continue;
		if (addr_eq(&l->addr, addr))
			return l;
		if (l->addr.family == 0)
			any = l;
	}
	return any;
}

int tcp_listen(struct tcp *t, const struct net_addr *addr, uint16_t port, uint32_t listener,
	       uint32_t backlog, tcp_accept_fn *accept, void *arg)
{
	struct tcp_listener *slot = NULL;

	if (addr->family != 0 && !net_addr_is_local(t->conf.net, addr))
		return -EADDRNOTAVAIL;
	for (unsigned int i = 0; i < TCP_LISTENERS; i++) {
		struct tcp_listener *l = &t->listener[i];

		if (!l->used) {
			if (slot == NULL)
				slot = l;
		} else if (l->id == listener || (l->port == port && addr_eq(&l->addr, addr))) {
			return -EADDRINUSE;
		}
	}
	if (slot == NULL)
		return -ENOBUFS;
	*slot = (struct tcp_listener){.addr = *addr,
				      .port = port,
				      .used = true,
				      .id = listener,
				      .backlog = backlog,
				      .accept = accept,
				      .arg = arg};
	return 0;
}

/* Half-open connections end with their listener; accepted ones are the user's. */
int tcp_listen_close(struct tcp *t, uint32_t listener)
{
	for (unsigned int i = 0; i < TCP_LISTENERS; i++) {
		if (!t->listener[i].used || t->listener[i].id != listener)
			continue;
		for (unsigned int k = 0; k < t->conf.conns_max; k++) {
			struct tcp_conn *c = &t->conns[k];

			if (c->hashed && c->listener == (int)i) {
				tcp_send_rst(c, t->now_us);
				tcp_conn_closed(c, 0);
			}
		}
		t->listener[i].used = false;
		return 0;
	}
	return -ENOENT;
}

void tcp_listen_done(struct tcp_conn *c)
{
	if (c->listener < 0)
		return;
	c->t->listener[c->listener].half_open--;
	c->listener = -1;
}

bool tcp_listen_accept(struct tcp_conn *c)
{
	struct tcp_listener *l = &c->t->listener[c->listener];
	struct net_addr local = tcp_local(c), peer = tcp_peer(c);

	tcp_listen_done(c);
	c->detached = false;
	tcp_count(c->t, TCP_C_ACCEPTED);
	if (l->accept(l->arg, &c->s, l->id, &local, tcp_local_port(c), &peer, tcp_peer_port(c)))
		return c->state != TCP_CLOSED;
	if (c->state != TCP_CLOSED)
		c->s.ops->abort(&c->s);
	return false;
}

/* RFC 9293 3.10.7.2, third: a connection in SYN-RECEIVED. iss: 0 when a hash is to choose. */
static void passive_open(struct tcp *t, struct tcp_listener *l, struct tcp_seg *g, bool has_iss,
			 uint32_t iss, uint64_t now_us)
{
	const struct pkt_meta *meta = pkt_meta(g->m);
	struct net_path path;
	struct tcp_conn *c;

	if (l->half_open >= l->backlog) {
		tcp_count(t, TCP_C_DROP_BACKLOG);
		return;
	}
	if (net_route(t->conf.net, &meta->src, &path) < 0) {
		tcp_count(t, TCP_C_DROP_NO_CONN);
		return;
	}
	c = tcp_conn_get(t);
	if (c == NULL) {
		tcp_count(t, TCP_C_DROP_TABLE);
		return;
	}
	c->state = TCP_SYN_RCVD;
	c->passive = true;
	c->detached = true; /* until the user takes it */
	c->listener = (int16_t)(l - t->listener);
	l->half_open++;
	tcp_conn_open(c, &meta->dst, (uint16_t)(g->key.ports >> 16), &meta->src,
		      (uint16_t)g->key.ports, &path, now_us);
	if (has_iss)
		tcp_conn_iss(c, iss);
	tcp_conn_syn(c, g, now_us);
	c->syn_due = true;
	tcp_output_want(c);
}

static void listen_step(struct tcp *t, struct tcp_seg *g, uint64_t now_us)
{
	struct tcp_listener *l =
		listener_find(t, &pkt_meta(g->m)->dst, (uint16_t)(g->key.ports >> 16));
	struct tcp_tw *w = tcp_tw_lookup(t, &g->key, g->hash);
	uint32_t iss = 0;

	if (w != NULL && !tcp_tw_input(t, w, g, l != NULL, now_us, &iss))
		return;
	if (l == NULL) {
		tcp_count(t, TCP_C_DROP_NO_CONN);
		tcp_reply_rst(t, g, now_us);
	} else if (g->flags & (RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG)) {
		tcp_count(t, TCP_C_DROP_NO_CONN);
		tcp_reply_rst(t, g, now_us);
	} else if (!(g->flags & RTE_TCP_SYN_FLAG)) {
		tcp_count(t, TCP_C_DROP_STATE);
	} else {
		/* Text and FIN of a SYN are not acknowledged: they come again. */
		passive_open(t, l, g, w != NULL, iss, now_us);
	}
}

void tcp_listen_input(struct tcp *t, struct tcp_seg *g, uint64_t now_us)
{
	listen_step(t, g, now_us);
	rte_pktmbuf_free(g->m);
}
