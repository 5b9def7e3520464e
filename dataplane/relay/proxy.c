/*
 * dataplane/relay/proxy.c - headers of the PROXY protocol: what a load balancer says of a client
 * before its first byte, and what a target is told of one before that.
 *
 * Only who is named by ProxyProtocolFrom is read so, and only so: a connection of his without a
 * header is nobody's, and ends. Control hears of it when it is known whose it is; until then it is
 * one of those that wait in the backlog, RELAY_PROXY_MS at most.
 */
#include "dataplane/relay/internal.h"

#include <string.h>

#include "ssh/proxy.h"

bool proxy_awaited(const struct relay *r, const struct link_addr *peer)
{
	return r->conf.proxied != NULL && r->conf.proxied(r->conf.proxied_arg, peer);
}

static void addr_take(const struct ssh_proxy_addr *from, struct link_addr *to)
{
	*to = (struct link_addr){.family = from->family, .port = from->port};
	memcpy(to->addr, from->addr, sizeof(to->addr));
}

/* It ends, and nobody hears of it: what its sender may not say he has not said. */
static void refused(struct conn *c, enum relay_counter why)
{
	relay_count(c->relay, why);
	conn_end(c, -SSH_E_IDENT, 0);
}

bool proxy_read(struct conn *c)
{
	uint8_t head[SSH_PROXY_MAX];
	uint32_t n = RTE_MIN(c->rx.in.len, (uint32_t)sizeof(head));
	struct ssh_proxy h;
	size_t used;
	int r;

	if (n == 0 || !pkt_chain_read(&c->rx.in, 0, head, n))
		return false;
	r = ssh_proxy_parse(head, n, &h, &used);
	if (r == -EAGAIN)
		return false;
	/* It came to some port: control would take no word of one that came to none. */
	if (r < 0 || (!h.local && h.dst.port == 0)) {
		refused(c, RELAY_C_PROXY_BAD);
		return false;
	}
	pkt_chain_trim_head(&c->rx.in, (uint32_t)used);
	if (!h.local) {
		addr_take(&h.src, &c->peer);
		addr_take(&h.dst, &c->local);
	}
	relay_count(c->relay, RELAY_C_PROXIED);
	c->proxy_wait = false;
	c->connect_us = 0;
	return true;
}

void proxy_late(struct conn *c)
{
	refused(c, RELAY_C_PROXY_LATE);
}

static struct ssh_proxy_addr addr_give(const struct link_addr *from)
{
	struct ssh_proxy_addr a = {.family = from->family, .port = from->port};

	memcpy(a.addr, from->addr, sizeof(a.addr));
	return a;
}

int proxy_say(struct chan *ch)
{
	const struct conn *c = ch->conn;
	struct ssh_proxy_addr src = addr_give(&c->peer), dst = addr_give(&c->local);
	uint8_t head[SSH_PROXY_V1_MAX + 1];
	struct pkt_chain chain;
	size_t n = ssh_proxy_build((enum ssh_proxy_version)ch->proxy, &src, &dst, head);
	int r;

	_Static_assert(SSH_PROXY_V1 == 1 && SSH_PROXY_V2 == 2, "as link_chan_connect has them");
	if (n == 0)
		return 0;
	r = pkt_chain_from(head, (uint32_t)n, c->relay->conf.pools->data, &chain);
	return r < 0 ? r : ch->target->ops->tx(ch->target, &chain);
}
