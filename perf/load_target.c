/*
 * perf/load_target.c - the targets behind the gateway: each connection names its channel with its
 * first word, then its bytes are checked, and what the mode wants goes back.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "perf/load.h"

#define LISTENER     100
#define BACKLOG      16384
#define SPARE        1024 /* targets beyond one a channel: those of the last opens still close */
#define SOURCE_CHUNK (32 * 1024)
#define FULL_SEGMENT 1448 /* one mbuf, one segment, where that is the MTU */

static void target_ready(struct stream *s)
{
	struct load_target *t = s->user_ptr;

	if (t->ready)
		return;
	t->ready = true;
	STAILQ_INSERT_TAIL(&t->load->ready, t, link);
}

static const struct stream_user user = {.ready = target_ready};

static bool on_accept(void *arg, struct stream *s, uint32_t listener, const struct net_addr *local,
		      uint16_t local_port, const struct net_addr *peer, uint16_t peer_port)
{
	struct load *l = arg;
	struct load_target *t = STAILQ_FIRST(&l->free);

	(void)listener, (void)local, (void)local_port, (void)peer, (void)peer_port;
	if (t == NULL)
		return false;
	STAILQ_REMOVE_HEAD(&l->free, link);
	*t = (struct load_target){.load = l, .stream = s};
	s->user = &user;
	s->user_ptr = t;
	if (s->events != 0)
		target_ready(s);
	return true;
}

int load_targets_begin(struct load *l)
{
	const struct net_addr any = {.family = l->target.family};
	int r = 0;

	STAILQ_INIT(&l->ready);
	STAILQ_INIT(&l->free);
	l->n_targets = load_chans_all(l) + SPARE;
	l->targets = calloc(l->n_targets, sizeof(*l->targets));
	if (l->targets == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < l->n_targets; i++)
		STAILQ_INSERT_TAIL(&l->free, &l->targets[i], link);
	for (uint16_t i = 0; r == 0 && i < LOAD_TARGET_PORTS; i++)
		r = tcp_listen(l->s.tcp, &any, LOAD_TARGET_PORT + i, LISTENER + i, BACKLOG,
			       on_accept, l);
	return r;
}

/* Its last act: nothing of it is touched afterwards, but its place. */
static void target_let_go(struct load_target *t, bool graceful)
{
	if (graceful)
		t->stream->ops->close(t->stream);
	else
		t->stream->ops->abort(t->stream);
	t->stream = NULL;
	if (t->chan != NULL)
		t->chan->has_target = false;
	STAILQ_INSERT_TAIL(&t->load->free, t, link);
}

/* The first word, however it is cut. True: it is there; *c is what follows it. */
static bool target_head(struct load_target *t, struct pkt_chain *c)
{
	uint32_t n = RTE_MIN(c->len, LOAD_HEAD - t->head_len);
	struct load *l = t->load;

	pkt_chain_read(c, 0, (uint8_t *)&t->head + t->head_len, n);
	if (pkt_chain_own(c, l->s.pools.data) < 0) {
		load_failed(l, "no buffers for a target");
		return false;
	}
	pkt_chain_trim_head(c, n);
	t->head_len += n;
	t->rx_at += n;
	if (t->head_len < LOAD_HEAD)
		return false;
	if (t->head >= load_chans_all(l) || l->chans[t->head].has_target) {
		l->wrong++;
		load_failed(l, "a target was named no channel of ours, or one that has another");
		return false;
	}
	t->chan = &l->chans[t->head];
	t->chan->has_target = true;
	return true;
}

/* Opens: one byte came, the same goes back, and that was all. */
static void target_one_byte(struct load_target *t, struct pkt_chain *c)
{
	struct load *l = t->load;

	if (c->len != 1 || t->rx_at > 0)
		l->wrong++;
	t->rx_at += c->len;
	l->count.bytes_up += c->len;
	t->tx_at += c->len;
	if (pkt_chain_own(c, l->s.pools.data) == 0)
		(void)t->stream->ops->tx(t->stream, c);
	else
		pkt_chain_free(c);
	t->stream->ops->shutdown(t->stream);
	t->shut = true;
}

static void target_bytes(struct load_target *t, struct pkt_chain *c)
{
	struct load *l = t->load;

	if (t->chan == NULL && !target_head(t, c)) {
		pkt_chain_free(c);
		return;
	}
	load_bytes_check(l, t->chan->seed, t->rx_at, c);
	t->rx_at += c->len;
	l->count.bytes_up += c->len;
	t->chan->sunk = t->rx_at;
	pkt_chain_free(c);
}

static unsigned int target_read(struct load_target *t)
{
	struct pkt_chain c = {0};

	if (t->stream->ops->rx_take(t->stream, UINT32_MAX, &c) == 0)
		return 0;
	if (t->load->conf.mode == LOAD_OPENS)
		target_one_byte(t, &c);
	else
		target_bytes(t, &c);
	return 1;
}

/* How far its bytes may have come by now. */
static uint64_t target_due(const struct load_target *t)
{
	const struct load *l = t->load;

	if (t->chan == NULL)
		return 0;
	switch (l->conf.mode) {
	case LOAD_DOWN:
	case LOAD_BOTH:
		return l->generate ? UINT64_MAX : t->tx_at;
	case LOAD_TRIPS:
	case LOAD_REQUESTS:
		return (t->rx_at - LOAD_HEAD) / l->conf.request * l->conf.response;
	default:
		return 0;
	}
}

/* Returns work; *ret_more when there could be more at once. */
static unsigned int target_write(struct load_target *t, bool *ret_more)
{
	struct load *l = t->load;
	uint32_t room = l->conf.mtu == 1500 ? FULL_SEGMENT : PKT_DATA_ROOM, made = 0;
	uint64_t due = target_due(t);
	struct pkt_chain c;

	while (t->tx_at < due && made < LOAD_QUANTUM && !t->shut) {
		uint64_t n = RTE_MIN(due - t->tx_at, (uint64_t)SOURCE_CHUNK);

		n = RTE_MIN(n, (uint64_t)t->stream->ops->tx_space(t->stream));
		if (n == 0 || !load_bytes(l, t->chan->seed, t->tx_at, (uint32_t)n, room, &c))
			break;
		if (t->stream->ops->tx(t->stream, &c) < 0)
			break;
		t->tx_at += n;
		made += (uint32_t)n;
	}
	*ret_more = made >= LOAD_QUANTUM;
	return made > 0;
}

static unsigned int target_run(struct load_target *t)
{
	struct stream *s = t->stream;
	uint8_t ev = stream_events(s);
	bool more = false;
	unsigned int work;

	if (ev & STREAM_EV_ERROR) {
		if (t->load->phase < LOAD_DRAIN && t->load->conf.mode != LOAD_OPENS)
			load_failed(t->load, "a target's connection: %s", strerror(-s->err));
		target_let_go(t, false);
		return 1;
	}
	work = target_read(t);
	work += target_write(t, &more);
	t->eof |= (ev & STREAM_EV_EOF) != 0;
	if (t->eof && s->ops->rx_len(s) == 0) {
		target_let_go(t, true);
		return 1;
	}
	if (more)
		target_ready(s);
	return work;
}

unsigned int load_targets_run(struct load *l)
{
	unsigned int work = 0;
	struct load_target *t, *next = STAILQ_FIRST(&l->ready);

	/* Those that come again stand behind the end of this turn's. */
	STAILQ_INIT(&l->ready);
	while ((t = next) != NULL) {
		next = STAILQ_NEXT(t, link);
		t->ready = false;
		work += target_run(t);
	}
	return work;
}

void load_targets_end(struct load *l)
{
	for (uint32_t i = 0; i < l->n_targets; i++)
		if (l->targets[i].stream != NULL)
			target_let_go(&l->targets[i], false);
	free(l->targets);
}
