/*
 * dataplane/tcp/timewait.c - TIME-WAIT, one cache line a connection.
 *
 * All last equally long, so they stand in one first-in first-out list; an entry that was
 * prolonged goes back to its end when its old time comes. A full table gives up its oldest:
 * that is a risk for a stray segment, and refusing new connections would be a certain loss.
 */
#include "dataplane/tcp/internal.h"

#include <string.h>

#define EXPIRE_TURN 1024 /* looked at in a turn: a million that end at once stop nobody */

static uint32_t to_ms(uint64_t us)
{
	return (uint32_t)(us / TCP_MS);
}

static struct tcp_key key_of(const struct tcp_tw *w)
{
	struct tcp_key k = {.ports = w->ports, .family = w->family};

	memcpy(k.local, w->local, sizeof(k.local));
	memcpy(k.peer, w->peer, sizeof(k.peer));
	return k;
}

struct tcp_tw *tcp_tw_lookup(struct tcp *t, const struct tcp_key *k, uint64_t hash)
{
	if (t->tw_n == 0)
		return NULL;
	for (uint32_t i = t->tw_buckets[hash & t->tw_mask]; i != 0; i = t->tw[i - 1].hash_next) {
		struct tcp_key have = key_of(&t->tw[i - 1]);

		if (tcp_key_eq(&have, k))
			return &t->tw[i - 1];
	}
	return NULL;
}

/* Not found any more; its place is free when the list comes to it. */
static void unhash(struct tcp *t, struct tcp_tw *w)
{
	struct tcp_key k = key_of(w);
	uint32_t *b = &t->tw_buckets[tcp_key_hash(t, &k) & t->tw_mask];
	uint32_t self = (uint32_t)(w - t->tw) + 1;

	if (!w->live)
		return;
	while (*b != self)
		b = &t->tw[*b - 1].hash_next;
	*b = w->hash_next;
	w->live = false;
	t->tw_n--;
}

static uint32_t fifo_pop(struct tcp *t)
{
	uint32_t i = t->tw_head;

	t->tw_head = t->tw[i - 1].fifo_next;
	if (t->tw_head == 0)
		t->tw_tail = 0;
	return i;
}

static void fifo_push(struct tcp *t, uint32_t i)
{
	t->tw[i - 1].fifo_next = 0;
	if (t->tw_tail != 0)
		t->tw[t->tw_tail - 1].fifo_next = i;
	else
		t->tw_head = i;
	t->tw_tail = i;
}

static uint32_t slot_get(struct tcp *t)
{
	uint32_t i = t->tw_free;

	if (i != 0) {
		t->tw_free = t->tw[i - 1].fifo_next;
		return i;
	}
	if (t->tw_fresh < t->conf.time_wait_max)
		return ++t->tw_fresh;
	if (t->tw_head == 0) /* a table of no entries */
		return 0;
	i = fifo_pop(t);
	if (t->tw[i - 1].live)
		tcp_count(t, TCP_C_TIME_WAIT_SHORT);
	unhash(t, &t->tw[i - 1]);
	return i;
}

static uint32_t expiry(const struct tcp *t, uint64_t now_us)
{
	return to_ms(now_us + 2 * (uint64_t)t->conf.msl_us);
}

void tcp_tw_add(struct tcp *t, const struct tcp_conn *c, uint64_t now_us)
{
	uint32_t i = slot_get(t);
	struct tcp_tw *w;
	uint32_t *b;

	if (i == 0)
		return;
	w = &t->tw[i - 1];
	b = &t->tw_buckets[tcp_key_hash(t, &c->key) & t->tw_mask];
	*w = (struct tcp_tw){.ports = c->key.ports,
			     .snd_nxt = c->snd_max,
			     .rcv_nxt = c->rcv_nxt,
			     .ts_recent = c->ts_recent,
			     .expires_ms = expiry(t, now_us),
			     .hash_next = *b,
			     .family = (uint8_t)c->key.family,
			     .ts_on = c->ts_on,
			     .live = true,
			     .ack_ms = (uint16_t)(to_ms(now_us) - TCP_OOW_ACK_US / TCP_MS)};
	memcpy(w->local, c->key.local, sizeof(w->local));
	memcpy(w->peer, c->key.peer, sizeof(w->peer));
	*b = i;
	t->tw_n++;
	fifo_push(t, i);
}

static void answer(struct tcp *t, struct tcp_tw *w, struct tcp_seg *g, uint64_t now_us)
{
	struct tcp_opts o = {0};

	if (w->ts_on) {
		o.has_ts = true;
		o.ts_val = tcp_ts_offset(t, g->hash) + to_ms(now_us);
		o.ts_ecr = w->ts_recent;
	}
	w->ack_ms = (uint16_t)to_ms(now_us);
	tcp_reply(t, g, RTE_TCP_ACK_FLAG, w->snd_nxt, w->rcv_nxt, 0, &o, NULL, now_us);
}

/* An ISS beyond all we sent before, however fast that was. */
static uint32_t next_iss(const struct tcp_tw *w)
{
	return w->snd_nxt + TCP_WND_RAW_MAX + 2;
}

/* RFC 9293 MAY-2, RFC 6191 section 2: a SYN that cannot be an old duplicate. */
static bool opens_again(const struct tcp_tw *w, const struct tcp_seg *g)
{
	if ((g->flags & TCP_FLAGS) != RTE_TCP_SYN_FLAG)
		return false;
	if (!w->ts_on && g->opts.has_ts) /* from now on old ones are known by having none */
		return true;
	if (w->ts_on && g->opts.has_ts && g->opts.ts_val != w->ts_recent)
		return seq_gt(g->opts.ts_val, w->ts_recent);
	return seq_gt(g->seq, w->rcv_nxt);
}

bool tcp_tw_input(struct tcp *t, struct tcp_tw *w, struct tcp_seg *g, bool can_open,
		  uint64_t now_us, uint32_t *ret_iss)
{
	if (g->flags & RTE_TCP_RST_FLAG) { /* RFC 1337: nobody is assassinated here */
		tcp_count(t, TCP_C_DROP_STATE);
		return false;
	}
	if (!(g->flags & (RTE_TCP_ACK_FLAG | RTE_TCP_SYN_FLAG))) {
		tcp_count(t, TCP_C_DROP_STATE);
		return false;
	}
	if (can_open && opens_again(w, g)) {
		*ret_iss = next_iss(w);
		unhash(t, w);
		return true;
	}
	if ((g->flags & RTE_TCP_FIN_FLAG) &&
	    g->seq + g->len + 1 == w->rcv_nxt) { /* our last ACK was lost */
		w->expires_ms = expiry(t, now_us);
		w->prolonged = true;
		answer(t, w, g, now_us);
		return false;
	}
	if (tcp_seg_space(g) == 0 && g->seq == w->rcv_nxt)
		return false; /* an acknowledgement in order has nothing to say */
	tcp_count(t, TCP_C_DROP_WINDOW);
	if ((uint16_t)((uint16_t)to_ms(now_us) - w->ack_ms) >= TCP_OOW_ACK_US / TCP_MS)
		answer(t, w, g, now_us);
	return false;
}

/*
 * For our own connect, what RFC 6191 says of the peer's. Both clocks of timestamps must have
 * moved since the last segment of before: they tick once a second or faster (RFC 7323 section 5.4).
 * A peer that missed our last ACK answers the SYN with one of its own, is reset, and takes the
 * next.
 */
bool tcp_tw_reusable(const struct tcp *t, const struct tcp_tw *w, uint64_t now_us)
{
	int32_t left = (int32_t)(w->expires_ms - to_ms(now_us));
	int64_t age = (int64_t)(2 * t->conf.msl_us / TCP_MS) - left;

	return w->ts_on && age > (int64_t)(TCP_TW_REUSE_US / TCP_MS);
}

uint32_t tcp_tw_reuse(struct tcp *t, struct tcp_tw *w)
{
	tcp_count(t, TCP_C_TIME_WAIT_REUSED);
	unhash(t, w);
	return next_iss(w);
}

static bool due(const struct tcp_tw *w, uint64_t now_us)
{
	return (int32_t)(w->expires_ms - to_ms(now_us)) <= 0;
}

unsigned int tcp_tw_expire(struct tcp *t, uint64_t now_us)
{
	unsigned int work = 0;

	for (unsigned int n = 0; n < EXPIRE_TURN && t->tw_head != 0; n++) {
		struct tcp_tw *w = &t->tw[t->tw_head - 1];
		uint32_t i;

		if (w->live && !due(w, now_us)) {
			if (!w->prolonged)
				break;
			w->prolonged = false; /* to the end: its time is to come */
			fifo_push(t, fifo_pop(t));
			continue;
		}
		i = fifo_pop(t);
		unhash(t, w);
		w->fifo_next = t->tw_free;
		t->tw_free = i;
		work++;
	}
	return work;
}

uint64_t tcp_tw_next_us(const struct tcp *t)
{
	uint32_t now_ms = to_ms(t->now_us);
	int32_t left;

	if (t->tw_head == 0)
		return TCP_NEVER;
	left = (int32_t)(t->tw[t->tw_head - 1].expires_ms - now_ms);
	return (t->now_us / TCP_MS + (uint64_t)max_u64(left, 0)) * TCP_MS;
}
