/*
 * dataplane/relay/comp.c - when a connection's directions are compressed, and who has memory for
 * it.
 *
 * Source  RFC 4253 section 6.2; zlib@openssh.com: OpenSSH PROTOCOL.
 *
 * To decompress takes memory that must be there when the peer begins: each connection is promised
 * some before control offers compression, until it is known that none is wanted. To compress takes
 * more, but may go on without.
 */
#include "dataplane/relay/internal.h"

static void unpromise(struct conn *c)
{
	if (c->comp_promised)
		zpool_unpromise(c->relay->zpool);
	c->comp_promised = false;
}

bool comp_promise(struct conn *c)
{
	if (c->comp_promised || c->rx.z != NULL)
		return true;
	c->comp_promised = zpool_promise(c->relay->zpool);
	if (!c->comp_promised)
		relay_count(c->relay, RELAY_C_COMP_NONE);
	return c->comp_promised;
}

/* Does a stream begin with these keys? *later: only once authenticated. */
static bool begins(const struct conn *c, uint8_t comp, bool *later)
{
	*later = comp == LINK_COMP_AUTHENTICATED && c->phase.svc != SSH_SVC_OPEN;
	return comp != LINK_COMP_NONE && !*later;
}

static int rx_begin(struct conn *c)
{
	unpromise(c);
	c->rx_comp_later = false;
	return record_rx_inflate(&c->rx, c->relay->zpool, c->relay->conf.pools->data);
}

int comp_rx_keys(struct conn *c, uint8_t comp)
{
	bool later;

	if (begins(c, comp, &later))
		return rx_begin(c);
	c->rx_comp_later = later;
	record_rx_inflate_end(&c->rx, c->relay->zpool);
	if (!later)
		unpromise(c);
	return 0;
}

void comp_tx_keys(struct conn *c, uint8_t comp)
{
	bool later;

	if (begins(c, comp, &later))
		record_tx_deflate(&c->tx, c->relay->zpool);
	else
		record_tx_deflate_end(&c->tx, c->relay->zpool);
	c->tx_comp_later = later;
}

int comp_authenticated(struct conn *c)
{
	if (c->tx_comp_later)
		record_tx_deflate(&c->tx, c->relay->zpool);
	c->tx_comp_later = false;
	return c->rx_comp_later ? rx_begin(c) : 0;
}

void comp_drop(struct conn *c)
{
	unpromise(c);
	record_rx_inflate_end(&c->rx, c->relay->zpool);
	record_tx_deflate_end(&c->tx, c->relay->zpool);
}
