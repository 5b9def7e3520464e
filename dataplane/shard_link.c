/*
 * dataplane/shard_link.c - what control and a shard say to each other about no connection:
 * that the shard is ready, and its listeners.
 *
 * Listeners outlive a control. A new one says again what it wants; an address that is listened
 * on already only changes its number and backlog, so no SYN is refused in between. What it does
 * not say again within SHARD_RELISTEN_US is closed.
 */
#include <errno.h>
#include <string.h>

#include "conf/conf.h"
#include "dataplane/internal.h"
#include "dataplane/log.h"

static int send_up(struct shard *s, uint16_t type, const void *body, size_t len)
{
	struct link_hdr h = {.len = (uint32_t)(sizeof(h) + len),
			     .type = type,
			     .conn = {.dataplane = s->dataplane, .shard = s->index}};

	return linkend_send(s->link, &h, sizeof(h), body, len);
}

/* The ring is new and empty: there is room. */
static void attached(struct shard *s)
{
	struct link_ready ready = {.max_conns = shard_max_conns(s),
				   .places = shard_conns_room(s),
				   .start_id_low = (uint32_t)s->start_id,
				   .start_id_high = (uint32_t)(s->start_id >> 32)};

	strncpy(ready.name, s->conf->name, sizeof(ready.name) - 1);
	s->attach++;
	s->relisten_us = s->now_us + SHARD_RELISTEN_US;
	s->n_results = 0;
	send_up(s, LINK_EV_SHARD_READY, &ready, sizeof(ready));
	relay_link_attached(s->relay);
}

void shard_close_listener(struct shard *s, uint32_t slot)
{
	if (s->listener[slot].fd < 0)
		tcp_listen_close(s->tcp, slot);
	else
		shard_kernel_stop(s->listener[slot].fd);
	s->listener[slot].open = false;
}

static unsigned int close_unclaimed(struct shard *s)
{
	unsigned int n = 0;

	for (uint32_t i = 0; i < SHARD_LISTENERS_MAX; i++) {
		if (!s->listener[i].open || s->listener[i].attach == s->attach)
			continue;
		shard_close_listener(s, i);
		n++;
	}
	return n;
}

static unsigned int send_results(struct shard *s)
{
	unsigned int n = 0;

	while (n < s->n_results &&
	       send_up(s, LINK_EV_LISTEN_RESULT, &s->result[n], sizeof(s->result[n])) == 0)
		n++;
	s->n_results -= n;
	memmove(&s->result[0], &s->result[n], s->n_results * sizeof(s->result[0]));
	return n;
}

unsigned int shard_link_poll(struct shard *s)
{
	unsigned int work = 0;
	enum linkend_news news;

	if (s->hub != NULL)
		work += linkhub_poll(s->hub, s->now_us);
	/* It has gone, but what it said before that holds. */
	if (linkend_leaves(s->link))
		work += relay_last_items(s->relay, s->now_us);
	linkend_watch(s->link, s->now_us);
	while ((news = linkend_poll(s->link)) != LINKEND_NONE) {
		work++;
		if (news == LINKEND_ATTACHED) {
			attached(s);
		} else {
			s->relisten_us = 0;
			park_clear(&s->park); /* the next one's tokens may be the same */
			relay_link_detached(s->relay);
			if (linkend_still_us(s->link) != 0)
				relay_link_still(s->relay, linkend_still_us(s->link));
		}
	}
	if (s->relisten_us != 0 && s->now_us >= s->relisten_us) {
		s->relisten_us = 0;
		work += close_unclaimed(s);
	}
	if (s->n_results > 0)
		work += send_results(s);
	if (s->n_kernel > 0)
		work += shard_accept(s);
	return work;
}

uint64_t shard_link_next_timer_us(const struct shard *s)
{
	uint64_t t = linkend_next_timer_us(s->link), u;

	u = s->hub != NULL ? linkhub_next_timer_us(s->hub) : UINT64_MAX;
	t = u < t ? u : t;

	if (s->relisten_us != 0 && s->relisten_us < t)
		t = s->relisten_us;
	return t;
}

static struct link_addr link_addr_of(const struct net_addr *a, uint16_t port)
{
	struct link_addr l = {.family = a->family, .scope = a->scope, .port = port};

	memcpy(l.addr, a->b, sizeof(l.addr));
	return l;
}

static bool accept_stream(void *arg, struct stream *stream, uint32_t listener,
			  const struct net_addr *local, uint16_t local_port,
			  const struct net_addr *peer, uint16_t peer_port)
{
	struct shard *s = arg;
	struct link_addr l = link_addr_of(local, local_port), p = link_addr_of(peer, peer_port);

	tcp_stream_keepalive(stream, s->conf->tcp_keepalive);
	return relay_accept(s->relay, stream, s->listener[listener].number, &l, &p, s->now_us);
}

bool shard_same_at(const struct shard_at *at, const struct shard_at *other)
{
	const struct link_addr *a = &at->addr, *b = &other->addr;

	return a->family == b->family && a->scope == b->scope && a->port == b->port &&
	       memcmp(a->addr, b->addr, a->family == 4 ? 4 : 16) == 0 &&
	       strcmp(at->rdomain, other->rdomain) == 0;
}

static struct shard_at at_of(const struct link_listen *c)
{
	struct shard_at at = {.addr = c->addr};

	strcpy(at.rdomain, c->rdomain);
	return at;
}

static int listen_on(struct shard *s, const struct link_listen *c)
{
	struct net_addr addr = {.family = c->addr.family, .scope = c->addr.scope};
	const struct shard_at at = at_of(c);
	const uint16_t port = shard_listen_port(s, &at);
	uint32_t slot = SHARD_LISTENERS_MAX;
	int fd, r;

	if (s->drain != SHARD_SERVING)
		return -ECANCELED;
	if (port == 0) /* none was asked for there when the dataplane started */
		return -EADDRNOTAVAIL;
	memcpy(addr.b, c->addr.addr, addr.family == 4 ? 4 : 16);
	for (uint32_t i = 0; i < SHARD_LISTENERS_MAX; i++) {
		struct shard_listener *l = &s->listener[i];

		if (!l->open) {
			slot = i < slot ? i : slot;
		} else if (shard_same_at(&l->at, &at)) {
			if (l->attach == s->attach)
				return -EADDRINUSE;
			l->number = c->listener;
			l->attach = s->attach;
			return l->fd >= 0 ? shard_kernel_listen(l->fd, c->backlog)
					  : tcp_listen_backlog(s->tcp, i, c->backlog);
		}
	}
	if (slot == SHARD_LISTENERS_MAX)
		return -ENOBUFS;
	fd = shard_kernel_fd(s, &at);
	r = fd >= 0 ? shard_kernel_listen(fd, c->backlog)
		    : tcp_listen(s->tcp, &addr, port, slot, c->backlog, accept_stream, s);
	if (r < 0)
		return r;
	s->listener[slot] = (struct shard_listener){.at = at,
						    .number = c->listener,
						    .fd = fd,
						    .attach = s->attach,
						    .open = true};
	return 0;
}

static int unlisten(struct shard *s, uint32_t number)
{
	for (uint32_t i = 0; i < SHARD_LISTENERS_MAX; i++) {
		struct shard_listener *l = &s->listener[i];

		if (!l->open || l->attach != s->attach || l->number != number)
			continue;
		shard_close_listener(s, i);
		return 0;
	}
	return -ENOENT;
}

void shard_command(void *arg, const struct link_hdr *msg)
{
	const struct link_listen *c = link_msg_body(msg);
	const struct link_conns *conns = link_msg_body(msg);
	struct shard *s = arg;
	struct shard_at at;
	int err;

	if (msg->type == LINK_CMD_CONNS)
		shard_limit_conns(s, conns->max);
	if (msg->type != LINK_CMD_LISTEN)
		return;
	at = at_of(c);
	err = c->close ? unlisten(s, c->listener) : listen_on(s, c);
	if (s->n_results == SHARD_RESULTS_MAX) {
		dp_log("link: control asks for listeners and does not read the answers");
		return;
	}
	s->result[s->n_results++] = (struct link_listen_result){
		.listener = c->listener, .err = err, .port = shard_listen_port(s, &at)};
	send_results(s);
}
