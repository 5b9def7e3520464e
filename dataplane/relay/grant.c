/*
 * dataplane/relay/grant.c - channels a rule has allowed already: opened without asking.
 *
 * Control decides; what it said of a host and a port holds for one connection until its time is
 * over or it is revoked. Here nothing is judged, only compared: the host as the bytes the client
 * wrote, the port as a number. What no grant names, in whatever way, is control's.
 *
 * One under which a channel could not be opened is over: control asks for the addresses anew, and
 * who makes opens fail, each of which is news to control, is again at the rate at which control
 * reads its payloads (SlowPathRate). Nor does one that nobody answers escape control's limits:
 * RELAY_GRANT_CONNECTING of a connection are opened without asking, the next is asked for (S-58).
 *
 * A grant is found through its connection, which has few. Places of those that are over and
 * that nobody asked for again are found by a hand that goes round when a place is wanted.
 */
#include "dataplane/relay/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ssh/wire.h"

/* An OPEN for the longest host and originator, and some more. */
#define OPEN_MAX 1024
/* Places the hand looks at for one grant. */
#define SWEEP 64

struct grant {
	uint64_t token; /* 0: free */
	uint64_t expires_us;
	struct conn *conn;
	struct grant *next; /* of its connection, or free */
	uint32_t connect_timeout_ms, idle_ms;
	uint16_t port, n_addrs, host_len;
	uint8_t share;
	uint8_t host[LINK_HOST_MAX];
	struct link_addr addr[LINK_ADDRS_MAX];
};

int grants_init(struct grants *g, uint32_t size)
{
	*g = (struct grants){.size = size};
	g->grant = calloc(size, sizeof(*g->grant));
	return g->grant != NULL ? 0 : -ENOMEM;
}

void grants_fini(struct grants *g)
{
	free(g->grant);
	g->grant = NULL;
}

/* Takes the one at *at out of its connection's. */
static void grant_drop(struct grants *all, struct grant **at)
{
	struct grant *g = *at;

	*at = g->next;
	g->conn->n_grants--;
	all->n--;
	g->token = 0;
	g->conn = NULL;
	g->next = all->free;
	all->free = g;
}

static void grant_forget(struct grants *all, struct grant *g)
{
	struct grant **at = &g->conn->grants;

	while (*at != g)
		at = &(*at)->next;
	grant_drop(all, at);
}

void grants_drop(struct conn *c)
{
	while (c->grants != NULL)
		grant_drop(&c->relay->grants, &c->grants);
}

static void sweep(struct relay *r)
{
	struct grants *all = &r->grants;

	for (uint32_t i = 0; i < SWEEP && all->free == NULL && all->fresh > 0; i++) {
		struct grant *g = &all->grant[all->hand++ % all->fresh];

		if (g->token != 0 && r->now_us >= g->expires_us)
			grant_forget(all, g);
	}
}

static struct grant *place(struct relay *r)
{
	struct grants *all = &r->grants;
	struct grant *g;

	if (all->free == NULL && all->fresh < all->size)
		return &all->grant[all->fresh++];
	sweep(r);
	g = all->free;
	if (g != NULL)
		all->free = g->next;
	return g;
}

/* The one for this target, or where it would stand. */
static struct grant **find(struct conn *c, const void *host, uint32_t len, uint16_t port)
{
	struct grant **at = &c->grants;

	while (*at != NULL && ((*at)->port != port || (*at)->host_len != len ||
			       memcmp((*at)->host, host, len) != 0))
		at = &(*at)->next;
	return at;
}

/* Who goes on to other targets does not come back to these, and needs their places. */
static void drop_over(struct conn *c)
{
	for (struct grant **at = &c->grants; *at != NULL;) {
		if (c->relay->now_us >= (*at)->expires_us)
			grant_drop(&c->relay->grants, at);
		else
			at = &(*at)->next;
	}
}

void grant_take(struct conn *c, const struct link_grant *m)
{
	struct relay *r = c->relay;
	struct grant **at = find(c, m->host, m->host_len, m->port), *g;

	if (*at != NULL)
		grant_drop(&r->grants, at);
	if (c->n_grants == RELAY_GRANTS_CONN)
		drop_over(c);
	g = c->n_grants < RELAY_GRANTS_CONN ? place(r) : NULL;
	if (g == NULL) {
		relay_count(r, RELAY_C_GRANT_TABLE_FULL);
		return;
	}
	*g = (struct grant){
		.token = m->token,
		.expires_us = r->now_us + (uint64_t)m->lifetime_ms * 1000,
		.conn = c,
		.next = c->grants,
		.connect_timeout_ms = m->connect_timeout_ms,
		.port = m->port,
		.idle_ms = m->idle_ms,
		.share = m->share,
		.n_addrs = m->n_addrs,
		.host_len = m->host_len,
	};
	memcpy(g->host, m->host, m->host_len);
	memcpy(g->addr, m->addr, sizeof(g->addr));
	c->grants = g;
	c->n_grants++;
	r->grants.n++;
}

void grants_revoke(struct relay *r, struct conn *c, uint64_t token)
{
	struct grants *all = &r->grants;

	for (uint32_t i = 0; c == NULL && i < all->fresh; i++) {
		struct grant *g = &all->grant[i];

		if (g->token != 0 && (token == 0 || g->token == token))
			grant_forget(all, g);
	}
	for (struct grant **at = c != NULL ? &c->grants : NULL; at != NULL && *at != NULL;) {
		if (token == 0 || (*at)->token == token)
			grant_drop(all, at);
		else
			at = &(*at)->next;
	}
}

/* What the client asks for, when it is of the kind that is granted; views into buf. */
static bool parse(const struct pkt_chain *payload, uint8_t buf[OPEN_MAX], struct ssh_chan_open *ret,
		  struct ssh_direct_tcpip *ret_to)
{
	struct ssh_rd r;

	if (payload->len > OPEN_MAX || !pkt_chain_read(payload, 0, buf, payload->len))
		return false;
	ssh_rd_init(&r, buf + 1, payload->len - 1);
	if (ssh_chan_open_parse(&r, ret) < 0 || !ssh_str_eq(ret->type, "direct-tcpip"))
		return false;
	ssh_rd_init(&r, ret->rest.p, ret->rest.len);
	return ssh_direct_tcpip_parse(&r, ret_to) == 0;
}

bool grant_find(struct conn *c, const struct pkt_chain *payload, struct link_chan_connect *ret)
{
	struct ssh_direct_tcpip to;
	struct ssh_chan_open open;
	uint8_t buf[OPEN_MAX];
	struct grant **at, *g;

	if (c->grants == NULL || !parse(payload, buf, &open, &to))
		return false;
	at = find(c, to.host.p, to.host.len, to.port);
	g = *at;
	if (g == NULL)
		return false;
	if (c->relay->now_us >= g->expires_us) {
		grant_drop(&c->relay->grants, at);
		return false;
	}
	if (c->n_grant_connecting >= RELAY_GRANT_CONNECTING) {
		relay_count(c->relay, RELAY_C_GRANT_CONNECTING);
		return false;
	}
	/* Each open becomes an end: no client may make more of them than control records. */
	if (audit_lags(&c->relay->audit)) {
		relay_count(c->relay, RELAY_C_GRANT_HELD);
		return false;
	}
	ret->peer_channel = open.sender_channel;
	ret->peer_window = open.window_size;
	ret->peer_packet_max = open.packet_max;
	ret->connect_timeout_ms = g->connect_timeout_ms;
	ret->n_addrs = g->n_addrs;
	ret->kind = STREAM_TCP;
	ret->proxy = 0; /* a target that wants a header is never granted */
	ret->idle_ms = g->idle_ms;
	ret->share = g->share;
	ret->token = g->token;
	ret->name.port = g->port;
	ret->name.len = g->host_len;
	memcpy(ret->name.bytes, g->host, g->host_len);
	memcpy(ret->addr, g->addr, g->n_addrs * sizeof(g->addr[0]));
	return true;
}
