/* dataplane/tcp/listen.c - listeners, and segments that belong to no connection. */
#include "dataplane/tcp/internal.h"

#include <string.h>

#define LOOK_TURN 1024 /* listeners that one look sees */

/* Any address, or with a family any of that family: 0.0.0.0 and ::. */
static bool is_any(const struct net_addr *a)
{
	const struct net_addr any = {.family = a->family};

	return net_addr_eq(a, &any);
}

/*
 * A listener on the very address goes before one on any of its family, and that before one on
 * any of both.
 */
static struct tcp_listener *listener_find(struct tcp *t, const struct net_addr *addr, uint16_t port)
{
	struct tcp_listener *any = NULL, *l;

	for (uint16_t i = t->listeners_of[port]; i != 0; i = l->next) {
		l = &t->listener[i - 1];
		if (l->held)
			continue;
		if (net_addr_eq(&l->addr, addr))
			return l;
		if (is_any(&l->addr) &&
		    (l->addr.family == addr->family || (l->addr.family == 0 && any == NULL)))
			any = l;
	}
	return any;
}

static uint16_t *chain_of(struct tcp *t, uint32_t listener)
{
	return &t->listeners_by_id[listener % TCP_PORTS];
}

static struct tcp_listener *listener_by_id(struct tcp *t, uint32_t listener)
{
	uint16_t i = *chain_of(t, listener);

	while (i != 0 && t->listener[i - 1].id != listener)
		i = t->listener[i - 1].next_id;
	return i != 0 ? &t->listener[i - 1] : NULL;
}

/* 0; -EADDRINUSE: its number is taken; -ENOBUFS. */
static int listener_put(struct tcp *t, const struct tcp_listener *l)
{
	uint16_t i = t->listeners_free;
	struct tcp_listener *slot;

	if (listener_by_id(t, l->id) != NULL)
		return -EADDRINUSE;
	if (i == 0 && t->listeners_end == TCP_LISTENERS)
		return -ENOBUFS;
	if (i == 0)
		i = (uint16_t)++t->listeners_end;
	slot = &t->listener[i - 1];
	if (i == t->listeners_free)
		t->listeners_free = slot->next;
	*slot = *l;
	slot->used = true;
	slot->next = t->listeners_of[l->port];
	t->listeners_of[l->port] = i;
	slot->next_id = *chain_of(t, l->id);
	*chain_of(t, l->id) = i;
	return 0;
}

static void listener_drop(struct tcp *t, struct tcp_listener *l)
{
	uint16_t *at = &t->listeners_of[l->port], i = (uint16_t)(l - t->listener + 1);

	while (*at != i)
		at = &t->listener[*at - 1].next;
	*at = l->next;
	at = chain_of(t, l->id);
	while (*at != i)
		at = &t->listener[*at - 1].next_id;
	*at = l->next_id;
}

static void listener_free(struct tcp *t, struct tcp_listener *l)
{
	l->used = false;
	l->next = t->listeners_free;
	t->listeners_free = (uint16_t)(l - t->listener + 1);
}

int tcp_listen(struct tcp *t, const struct net_addr *addr, uint16_t port, uint32_t listener,
	       uint32_t backlog, tcp_accept_fn *accept, void *arg)
{
	const struct tcp_listener l = {.addr = *addr,
				       .port = port,
				       .id = listener,
				       .backlog = backlog,
				       .accept = accept,
				       .arg = arg};

	if (!is_any(addr) && !net_addr_is_local(t->conf.net, addr))
		return -EADDRNOTAVAIL;
	for (uint16_t i = t->listeners_of[port]; i != 0; i = t->listener[i - 1].next)
		if (net_addr_eq(&t->listener[i - 1].addr, addr))
			return -EADDRINUSE;
	return listener_put(t, &l);
}

int tcp_port_hold(struct tcp *t, const struct net_addr *addr, uint16_t port, uint32_t listener)
{
	const struct tcp_listener l = {.addr = *addr, .port = port, .id = listener, .held = true};

	if (!tcp_port_is_free(t, addr, port))
		return -EADDRINUSE;
	return listener_put(t, &l);
}

/* Would who connects to one come to the other? */
static bool overlap(const struct net_addr *a, const struct net_addr *b)
{
	if (a->family != 0 && b->family != 0 && a->family != b->family)
		return false;
	return is_any(a) || is_any(b) || net_addr_eq(a, b);
}

bool tcp_port_is_free(const struct tcp *t, const struct net_addr *addr, uint16_t port)
{
	const struct tcp_listener *l;

	for (uint16_t i = t->listeners_of[port]; i != 0; i = l->next) {
		l = &t->listener[i - 1];
		if (overlap(&l->addr, addr))
			return false;
	}
	return true;
}

int tcp_listen_backlog(struct tcp *t, uint32_t listener, uint32_t backlog)
{
	struct tcp_listener *l = listener_by_id(t, listener);

	if (l == NULL)
		return -ENOENT;
	l->backlog = backlog;
	return 0;
}

static void half_open_end(struct tcp_conn *c)
{
	tcp_send_rst(c, c->t->now_us);
	tcp_conn_closed(c, 0);
}

/* One look at all connections is for all listeners that are over: there may be thousands. */
unsigned int tcp_listen_sweep(struct tcp *t)
{
	unsigned int n = 0;

	if (t->swept_us != 0 && t->now_us - t->swept_us < TCP_SWEEP_US)
		return 0;
	t->swept_us = t->now_us;
	for (unsigned int k = 0; k < t->conns_fresh && t->listeners_over > 0; k++) {
		struct tcp_conn *c = &t->conns[k];

		if (!c->hashed || c->listener == 0 || !t->listener[c->listener - 1].over)
			continue;
		half_open_end(c);
		n++;
	}
	return n;
}

/* Half-open connections end with their listener, soon; accepted ones are the user's. */
int tcp_listen_close(struct tcp *t, uint32_t listener)
{
	struct tcp_listener *l = listener_by_id(t, listener);

	if (l == NULL)
		return -ENOENT;
	listener_drop(t, l);
	if (l->half_open == 0) {
		listener_free(t, l);
		return 0;
	}
	l->over = true;
	t->listeners_over++;
	(void)tcp_listen_sweep(t);
	return 0;
}

static void look_at_listeners(struct tcp *t)
{
	uint32_t end = t->listener_look.next + LOOK_TURN;

	for (; t->listener_look.next < end && t->listener_look.next < t->listeners_end;
	     t->listener_look.next++) {
		const struct tcp_listener *l = &t->listener[t->listener_look.next];

		if (l->used)
			t->listener_look.now = RTE_MAX(t->listener_look.now, l->half_open);
	}
	if (t->listener_look.next < t->listeners_end)
		return;
	t->listener_look.most = t->listener_look.now;
	t->listener_look.next = t->listener_look.now = 0;
}

void tcp_uses(struct tcp *t, struct tcp_uses *ret)
{
	tcp_source_look(&t->sources, &t->source_look);
	look_at_listeners(t);
	*ret = (struct tcp_uses){
		.source_conns = t->source_look.conns,
		.source_half_open = t->source_look.half_open,
		.source_syns = tcp_source_rate_most(&t->sources, t->now_us),
		.half_open = t->listener_look.most,
		.source_conns_max = t->conf.source_conns,
		.source_half_open_max = t->conf.source_half_open,
		.source_syns_max = t->conf.source_syn_rate,
		.half_open_max = t->half_open_max,
	};
}

uint32_t tcp_port_users(const struct tcp *t, uint16_t port)
{
	return t->port_users != NULL ? t->port_users[port] : 0;
}

void tcp_orphans_cut(struct tcp *t, bool (*is_to)(void *arg, uint16_t port), void *arg)
{
	for (unsigned int k = 0; k < t->conns_fresh; k++) {
		struct tcp_conn *c = &t->conns[k];

		if (!c->hashed || !c->detached || !is_to(arg, (uint16_t)(c->key.ports >> 16)))
			continue;
		tcp_count(t, TCP_C_ORPHAN_CUT);
		tcp_send_rst(c, t->now_us);
		tcp_conn_closed(c, 0);
	}
}

static uint64_t source_of(const struct tcp_conn *c)
{
	struct net_addr peer = tcp_peer(c);

	return tcp_source_id(&c->t->sources, &peer);
}

void tcp_listen_done(struct tcp_conn *c)
{
	struct tcp_listener *l;

	if (c->listener == 0)
		return;
	l = &c->t->listener[c->listener - 1];
	if (--l->half_open == 0 && l->over) {
		c->t->listeners_over--;
		listener_free(c->t, l);
	}
	c->listener = 0;
	tcp_source_established(&c->t->sources, source_of(c));
}

void tcp_listen_gone(struct tcp_conn *c)
{
	if (!c->passive)
		return;
	tcp_listen_done(c);
	tcp_source_drop(&c->t->sources, source_of(c), false);
}

bool tcp_listen_accept(struct tcp_conn *c)
{
	struct tcp_listener *l = &c->t->listener[c->listener - 1];
	struct net_addr local = tcp_local(c), peer = tcp_peer(c);
	bool over = l->over;

	tcp_listen_done(c);
	c->detached = false;
	tcp_count(c->t, TCP_C_ACCEPTED);
	if (!over &&
	    l->accept(l->arg, &c->s, l->id, &local, tcp_local_port(c), &peer, tcp_peer_port(c)))
		return c->state != TCP_CLOSED;
	if (c->state != TCP_CLOSED)
		c->s.ops->abort(&c->s);
	return false;
}

/* A connection in SYN-RECEIVED, that g or what g completes asked for. NULL: counted. */
static struct tcp_conn *half_open_new(struct tcp *t, struct tcp_listener *l,
				      const struct tcp_seg *g, uint64_t now_us)
{
	const struct pkt_meta *meta = pkt_meta(g->m);
	struct net_path path;
	struct tcp_conn *c;

	if (net_route(t->conf.net, &meta->src, &path) < 0) {
		tcp_count(t, TCP_C_DROP_NO_CONN);
		return NULL;
	}
	c = tcp_conn_get(t);
	if (c == NULL) {
		tcp_count(t, TCP_C_DROP_TABLE);
		return NULL;
	}
	c->state = TCP_SYN_RCVD;
	c->passive = true;
	c->detached = true; /* until the user takes it */
	c->listener = (uint16_t)(l - t->listener + 1);
	l->half_open++;
	tcp_source_add(&t->sources, tcp_source_id(&t->sources, &meta->src), true);
	tcp_conn_open(c, &meta->dst, (uint16_t)(g->key.ports >> 16), &meta->src,
		      (uint16_t)g->key.ports, &path, now_us);
	return c;
}

static bool source_full(struct tcp *t, const struct tcp_seg *g)
{
	const struct tcp_source *src =
		tcp_source_get(&t->sources, tcp_source_id(&t->sources, &pkt_meta(g->m)->src));

	if (src == NULL || src->conns < t->conf.source_conns)
		return false;
	tcp_count(t, TCP_C_DROP_SOURCE_CONNS);
	return true;
}

/* --- SYN cookies, RFC 4987 section 3.6 ------------------------------------------------- */

/* The window of a SYN-ACK, which is never scaled. */
static uint16_t cookie_wnd(const struct tcp *t)
{
	return (uint16_t)min_u64(t->conf.rx_budget, TCP_WND_RAW_MAX);
}

static void cookie_send(struct tcp *t, struct tcp_seg *g, uint64_t now_us)
{
	const struct pkt_meta *meta = pkt_meta(g->m);
	struct tcp_cookie k = {.tuple = g->hash,
			       .irs = g->seq,
			       .mss = tcp_syn_mss(t, g, meta->src.family),
			       .ts = g->opts.has_ts,
			       .has_wscale = g->opts.has_wscale,
			       .wscale = g->opts.wscale,
			       .sack = g->opts.has_sack_perm,
			       .ecn = tcp_ecn_asked(t, g)};
	uint8_t flags = RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG;
	struct tcp_opts o = {.has_mss = true, .has_ts = k.ts, .ts_ecr = g->opts.ts_val};
	struct net_path path;
	uint32_t iss;

	if (net_route(t->conf.net, &meta->src, &path) < 0) {
		tcp_count(t, TCP_C_DROP_NO_CONN);
		return;
	}
	o.mss = tcp_mss_adv(&path, meta->src.family);
	if (k.ts) {
		o.ts_val = tcp_ts_offset(t, g->hash) + (uint32_t)(now_us / TCP_MS);
		o.has_wscale = k.has_wscale;
		o.wscale = t->rcv_wscale;
		o.has_sack_perm = k.sack;
		flags |= k.ecn ? RTE_TCP_ECE_FLAG : 0;
	}
	iss = tcp_cookie_make(&t->cookies, &k, now_us, &o.ts_val);
	tcp_count(t, TCP_C_COOKIE_SENT);
	tcp_reply(t, g, flags, iss, g->seq + 1, cookie_wnd(t), &o, &path, now_us);
}

/* What its SYN was, as far as the cookie and this segment tell. */
static struct tcp_seg syn_of(const struct tcp_seg *g, const struct tcp_cookie *k)
{
	struct tcp_seg syn = *g;

	syn.flags = RTE_TCP_SYN_FLAG;
	syn.seq = k->irs;
	syn.len = 0;
	syn.opts = (struct tcp_opts){.has_mss = true,
				     .mss = k->mss,
				     .has_wscale = k->has_wscale,
				     .wscale = k->wscale,
				     .has_sack_perm = k->sack,
				     .has_ts = k->ts,
				     .ts_val = g->opts.ts_val};
	return syn;
}

/*
 * An acknowledgement that may complete a cookie: it alone, with data or without. True: taken,
 * g is done with. A table that is full now says nothing: the peer sends it again.
 */
static bool cookie_complete(struct tcp *t, struct tcp_listener *l, struct tcp_seg *g,
			    uint64_t now_us)
{
	struct tcp_cookie k = {.tuple = g->hash, .irs = g->seq - 1, .ts = g->opts.has_ts};
	struct tcp_seg syn;
	struct tcp_conn *c;

	if ((g->flags & TCP_FLAGS) != RTE_TCP_ACK_FLAG || !tcp_cookies_out(&t->cookies, now_us))
		return false;
	if (tcp_conns_left(t) == 0) {
		tcp_count(t, TCP_C_DROP_TABLE);
		return true;
	}
	if (!tcp_cookie_take(&t->cookies, g->ack - 1, g->opts.ts_ecr, now_us, &k)) {
		tcp_count(t, TCP_C_COOKIE_BAD);
		return false;
	}
	if (source_full(t, g))
		return false;
	c = half_open_new(t, l, g, now_us);
	if (c == NULL)
		return true;
	tcp_count(t, TCP_C_COOKIE_TAKEN);
	tcp_conn_iss(c, g->ack - 1);
	syn = syn_of(g, &k);
	tcp_conn_syn(c, &syn, now_us);
	c->ecn_ok = k.ecn;
	c->rcv_adv = c->rcv_nxt + cookie_wnd(t); /* what our SYN-ACK promised */
	tcp_conn_input(c, g, now_us);
	g->m = NULL;
	return true;
}

/* --- section 3.10.7.2 --------------------------------------------------------------------- */

/* Places left when requests get none any more: connections that exist go before them. */
#define TABLE_SPARE_PART 16

static bool is_crowded(const struct tcp *t, const struct tcp_listener *l)
{
	return l->half_open >= l->backlog || l->half_open >= t->half_open_max ||
	       tcp_conns_left(t) < t->conns_limit / TABLE_SPARE_PART ||
	       t->mem.free <= t->mem.scarce;
}

enum syn_answer { SYN_DROP, SYN_COOKIE, SYN_STATE };

/* What a SYN is worth. Nothing was taken for it so far. */
static enum syn_answer syn_judge(struct tcp *t, const struct tcp_listener *l,
				 const struct tcp_seg *g, uint64_t now_us)
{
	uint64_t id = tcp_source_id(&t->sources, &pkt_meta(g->m)->src);
	bool crowded = is_crowded(t, l);
	const struct tcp_source *src;

	if (crowded && !overload_may_answer(&t->overload)) {
		tcp_count(t, TCP_C_DROP_OVERLOAD);
		return SYN_DROP;
	}
	if (!tcp_source_rate(&t->sources, id, t->conf.source_syn_rate, now_us)) {
		tcp_count(t, TCP_C_DROP_SOURCE_RATE);
		return SYN_DROP;
	}
	if (crowded)
		return SYN_COOKIE;
	src = tcp_source_get(&t->sources, id);
	if (src == NULL)
		return SYN_STATE;
	if (src->conns >= t->conf.source_conns) {
		tcp_count(t, TCP_C_DROP_SOURCE_CONNS);
		return SYN_DROP;
	}
	if (src->half_open < t->conf.source_half_open)
		return SYN_STATE;
	tcp_count(t, TCP_C_SOURCE_HALF_OPEN);
	return SYN_COOKIE;
}

static void half_open(struct tcp *t, struct tcp_listener *l, const struct tcp_seg *g,
		      const uint32_t *iss, uint64_t now_us)
{
	struct tcp_conn *c = half_open_new(t, l, g, now_us);

	if (c == NULL)
		return;
	if (iss != NULL)
		tcp_conn_iss(c, *iss);
	tcp_conn_syn(c, g, now_us);
	c->syn_due = true;
	tcp_output_want(c);
}

/* Third: a SYN. Its text and FIN are not acknowledged: they come again. */
static void passive_open(struct tcp *t, struct tcp_listener *l, struct tcp_seg *g, uint64_t now_us)
{
	switch (syn_judge(t, l, g, now_us)) {
	case SYN_STATE:
		half_open(t, l, g, NULL, now_us);
		break;
	case SYN_COOKIE:
		/* Of a full table nothing could come: better no answer than one that binds. */
		if (tcp_conns_left(t) == 0)
			tcp_count(t, TCP_C_DROP_TABLE);
		else
			cookie_send(t, g, now_us);
		break;
	case SYN_DROP:
		break;
	}
}

static void listen_step(struct tcp *t, struct tcp_seg *g, uint64_t now_us)
{
	struct tcp_listener *l =
		listener_find(t, &pkt_meta(g->m)->dst, (uint16_t)(g->key.ports >> 16));
	struct tcp_tw *w = tcp_tw_lookup(t, &g->key, g->hash);
	uint32_t iss = 0;

	if (w != NULL) {
		/* Who was connected before is no spoofed source, and its ISS must be beyond the
		 * old. */
		if (tcp_tw_input(t, w, g, l != NULL, now_us, &iss) && !source_full(t, g))
			half_open(t, l, g, &iss, now_us);
	} else if (l == NULL) {
		tcp_count(t, TCP_C_DROP_NO_CONN);
		tcp_reply_rst(t, g, now_us);
	} else if (g->flags & (RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG)) {
		if (cookie_complete(t, l, g, now_us))
			return;
		tcp_count(t, TCP_C_DROP_NO_CONN);
		tcp_reply_rst(t, g, now_us);
	} else if (g->flags & RTE_TCP_SYN_FLAG) {
		passive_open(t, l, g, now_us);
	} else {
		tcp_count(t, TCP_C_DROP_STATE);
	}
}

void tcp_busy_time(struct tcp *t, uint64_t busy_us, uint64_t now_us)
{
	overload_told(&t->overload, busy_us, now_us);
}

void tcp_listen_input(struct tcp *t, struct tcp_seg *g, uint64_t now_us)
{
	listen_step(t, g, now_us);
	rte_pktmbuf_free(g->m); /* NULL when a connection, or the answer, took it */
}
