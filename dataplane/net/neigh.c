/*
 * dataplane/net/neigh.c - neighbours: who has which MAC, and what waits for the answer.
 *
 * Source  RFC 1122 section 2.3.2; RFC 4861 section 7 with the limits of RFC 6583. arp.c and nd.c
 *         have the messages.
 *
 * A place in the table is taken only because we have something to send, never because of what
 * somebody else said; what is said without being asked makes us ask the MAC we know whether
 * it is still there (T-35): only when that is silent is everybody asked.
 */
#include <errno.h>
#include <stdlib.h>

#include <rte_jhash.h>

#include "dataplane/net/internal.h"

#define RETRY_US     1000000u         /* RFC 1122 2.3.2.1: at most one request per second */
#define TRIES        3                /* RFC 4861 10: MAX_MULTICAST_SOLICIT, MAX_UNICAST_SOLICIT */
#define DELAY_US     5000000u         /* RFC 4861 10: DELAY_FIRST_PROBE_TIME */
#define REACHABLE_US (30 * 1000000u)  /* then the next packet asks again */
#define UNUSED_US    (600 * 1000000u) /* then an entry goes */
#define LOOKED_AT    16u              /* entries, when the table is full */
#define ANSWER_US    100000u          /* a host of the link has answered by then */

/* New neighbours that one asker makes us look for: so many at once, and one more each ASKER_US. */
#define ASKER_BURST 64u
#define ASKER_US    20000u

int neigh_init(struct net *n, unsigned int max)
{
	uint32_t buckets = rte_align32pow2(max);

	n->neigh = calloc(max, sizeof(*n->neigh));
	n->neigh_bucket = malloc(buckets * sizeof(*n->neigh_bucket));
	if (n->neigh == NULL || n->neigh_bucket == NULL)
		return -ENOMEM; /* neigh_fini() frees the half */
	for (uint32_t i = 0; i < buckets; i++)
		n->neigh_bucket[i] = NEIGH_NONE;
	for (uint32_t i = 0; i < max; i++)
		n->neigh[i].next = i + 1 < max ? i + 1 : NEIGH_NONE;
	n->neigh_new_head = n->neigh_new_tail = NEIGH_NONE;
	n->neigh_max = max;
	n->neigh_mask = buckets - 1;
	n->neigh_due_us = UINT64_MAX;
	return 0;
}

void neigh_fini(struct net *n)
{
	for (uint32_t i = 0; n->neigh != NULL && i < n->neigh_max; i++)
		rte_pktmbuf_free_bulk(n->neigh[i].queue, n->neigh[i].queued);
	free(n->neigh);
	free(n->neigh_bucket);
}

static uint32_t hash(const struct net *n, unsigned int iface, const struct net_addr *ip)
{
	uint32_t w[4];

	memcpy(w, ip->b, sizeof(w));
	return ip->family == 4 ? rte_jhash_2words(w[0], iface, n->neigh_seed)
			       : rte_jhash_32b(w, RTE_DIM(w), n->neigh_seed ^ iface);
}

static uint32_t *bucket(struct net *n, unsigned int iface, const struct net_addr *ip)
{
	return &n->neigh_bucket[hash(n, iface, ip) & n->neigh_mask];
}

static struct neigh *find(struct net *n, unsigned int iface, const struct net_addr *ip)
{
	struct net_words w = net_words(ip);

	for (uint32_t i = *bucket(n, iface, ip); i != NEIGH_NONE; i = n->neigh[i].next) {
		struct neigh *e = &n->neigh[i];

		if (net_words_eq(net_words(&e->ip), w) && e->iface == iface &&
		    e->ip.family == ip->family)
			return e;
	}
	return NULL;
}

/* NULL when full. */
static struct neigh *add(struct net *n, unsigned int iface, const struct net_addr *ip)
{
	uint32_t *b = bucket(n, iface, ip), i = n->neigh_free;
	struct neigh *e;

	if (i == NEIGH_NONE)
		return NULL;
	e = &n->neigh[i];
	n->neigh_free = e->next;
	*e = (struct neigh){.next = *b, .ip = *ip, .iface = (uint16_t)iface, .state = NEIGH_IDLE};
	*b = i;
	return e;
}

static void new_append(struct net *n, struct neigh *e)
{
	uint32_t i = (uint32_t)(e - n->neigh);

	e->new = true;
	e->new_prev = n->neigh_new_tail;
	e->new_next = NEIGH_NONE;
	*(e->new_prev != NEIGH_NONE ? &n->neigh[e->new_prev].new_next : &n->neigh_new_head) = i;
	n->neigh_new_tail = i;
}

static void new_remove(struct net *n, struct neigh *e)
{
	e->new = false;
	*(e->new_prev != NEIGH_NONE ? &n->neigh[e->new_prev].new_next : &n->neigh_new_head) =
		e->new_next;
	*(e->new_next != NEIGH_NONE ? &n->neigh[e->new_next].new_prev : &n->neigh_new_tail) =
		e->new_prev;
}

static void set_state(struct net *n, struct neigh *e, enum neigh_state state)
{
	if (e->new)
		new_remove(n, e);
	if (state == NEIGH_INCOMPLETE && !e->gateway && e->confirmed_us == 0)
		new_append(n, e);
	n->neigh_incomplete -= e->state == NEIGH_INCOMPLETE;
	n->neigh_incomplete += state == NEIGH_INCOMPLETE;
	e->state = (uint8_t)state;
	e->asked = 0;
}

static void drop_queue(struct net *n, struct neigh *e, enum net_drop why)
{
	n->drops[why] += e->queued;
	rte_pktmbuf_free_bulk(e->queue, e->queued);
	e->queued = 0;
}

/* Forgets what it knew; a gateway keeps its place. */
static void forget(struct net *n, struct neigh *e, enum net_drop why)
{
	uint32_t i = (uint32_t)(e - n->neigh), *link;

	if (!n->follower)
		net_note_neigh(n, NET_NOTE_GONE, e->iface, &e->ip, NULL);
	drop_queue(n, e, why);
	set_state(n, e, e->gateway ? NEIGH_IDLE : NEIGH_FREE);
	if (e->gateway)
		return;
	for (link = bucket(n, e->iface, &e->ip); *link != i; link = &n->neigh[*link].next)
		;
	*link = e->next;
	e->next = n->neigh_free;
	n->neigh_free = i;
}

/* Its MAC is used. */
static bool is_known(const struct neigh *e)
{
	return e->state == NEIGH_REACHABLE || e->state == NEIGH_DELAY || e->state == NEIGH_PROBE;
}

/*
 * Forgets, of the next few known ones, who was not needed for longest: hosts of the link that
 * connect once under many addresses shall not keep others out for ten minutes (T-35).
 */
static void make_room(struct net *n)
{
	struct neigh *oldest = NULL;

	for (uint32_t i = 0; i < RTE_MIN(n->neigh_max, LOOKED_AT); i++) {
		struct neigh *e = &n->neigh[n->neigh_hand];

		n->neigh_hand = n->neigh_hand + 1 < n->neigh_max ? n->neigh_hand + 1 : 0;
		if (e->gateway || !is_known(e))
			continue;
		if (oldest == NULL || e->used_us < oldest->used_us)
			oldest = e;
	}
	if (oldest != NULL)
		forget(n, oldest, NET_DROP_NEIGH_TIMEOUT);
}

/* Who was asked for first and is silent for longer than a host that is there would be. */
static void give_way(struct net *n)
{
	struct neigh *e;

	if (n->neigh_new_head == NEIGH_NONE)
		return;
	e = &n->neigh[n->neigh_new_head];
	if (n->now_us - e->used_us >= ANSWER_US)
		forget(n, e, NET_DROP_NEIGH_GAVE_WAY);
}

int neigh_add_gateway(struct net *n, unsigned int iface, const struct net_addr *ip)
{
	struct neigh *e = find(n, iface, ip);

	if (e == NULL)
		e = add(n, iface, ip);
	if (e == NULL)
		return -ENOSPC;
	e->gateway = true;
	return 0;
}

static void due_in(struct net *n, struct neigh *e, uint64_t us)
{
	e->due_us = n->now_us + us;
	n->neigh_due_us = RTE_MIN(n->neigh_due_us, e->due_us);
}

static void ask(struct net *n, struct neigh *e)
{
	const struct rte_ether_addr *to = e->state == NEIGH_PROBE ? &e->mac : NULL;

	if (n->follower)
		net_note_neigh(n, NET_NOTE_WANT, e->iface, &e->ip, NULL);
	else if (e->ip.family == 4)
		arp_ask(n, &n->iface[e->iface], &e->ip, to);
	else
		nd_ask(n, &n->iface[e->iface], &e->ip, to);
	e->asked++;
	due_in(n, e, RETRY_US);
}

/* With the IP header in front, and the family's own type in the frame. */
static int send_to(struct net *n, const struct neigh *e, struct rte_mbuf *m)
{
	return net_eth_output(n, &n->iface[e->iface], m, &e->mac,
			      e->ip.family == 4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
}

static int enqueue(struct net *n, struct neigh *e, struct rte_mbuf *m)
{
	if (e->queued == NET_NEIGH_QUEUE) {
		/* The latest is kept (RFC 1122 2.3.2.2). */
		net_drop(n, e->queue[0], NET_DROP_NEIGH_QUEUE);
		memmove(&e->queue[0], &e->queue[1], sizeof(e->queue) - sizeof(e->queue[0]));
		e->queued--;
	}
	e->queue[e->queued++] = m;
	return 0;
}

/* RFC 4861 6.3.4: between half of it and one and a half, so that hosts do not ask in step. */
static uint64_t reachable_us(const struct net *n, const struct neigh *e)
{
	if (e->ip.family == 4)
		return REACHABLE_US;
	return REACHABLE_US / 2 + hash(n, e->iface, &e->ip) % REACHABLE_US;
}

/* It is needed, and long not heard of. */
static void doubt(struct net *n, struct neigh *e)
{
	if (n->follower) { /* whether it is still there is the first shard's to find out */
		e->confirmed_us = n->now_us;
		net_note_neigh(n, NET_NOTE_WANT, e->iface, &e->ip, NULL);
	} else if (e->ip.family == 6) {
		set_state(n, e, NEIGH_DELAY);
		due_in(n, e, DELAY_US);
	} else {
		set_state(n, e, NEIGH_PROBE);
		ask(n, e);
	}
}

/*
 * A place for somebody new. RFC 6583 section 7.1: at most half of the table waits for answers, so
 * that whoever makes us ask for a thousand hosts that are not there does not keep us from those
 * that are known; and a question that was not answered at once gives way to a new one, so that he
 * does not keep us from those that are there and not known yet (T-36).
 */
static struct neigh *new_one(struct net *n, unsigned int iface, const struct net_addr *ip)
{
	if (n->neigh_incomplete >= n->neigh_max / 2)
		give_way(n);
	if (n->neigh_incomplete >= n->neigh_max / 2)
		return NULL;
	if (unlikely(n->neigh_free == NEIGH_NONE))
		make_room(n);
	if (unlikely(n->neigh_free ==
		     NEIGH_NONE)) /* none of the few that were looked at is known */
		give_way(n);
	return add(n, iface, ip);
}

/* The entry of somebody who is needed now, asked for if it must be. */
static void need(struct net *n, struct neigh *e)
{
	if (e->state != NEIGH_INCOMPLETE)
		e->used_us = n->now_us;
	if (likely(e->state == NEIGH_REACHABLE)) {
		if (unlikely(n->now_us - e->confirmed_us > reachable_us(n, e)))
			doubt(n, e);
	} else if (e->state == NEIGH_IDLE) {
		set_state(n, e, NEIGH_INCOMPLETE);
		ask(n, e);
	}
}

/*
 * RFC 6583 section 7.1 again: each question goes to the whole link, so one user's connections
 * cause so many of them and no more.
 */
static bool may_ask(struct net *n, uint16_t asker)
{
	uint64_t *paid = &n->asker_us[asker % NET_ASKERS];

	if (asker == 0)
		return true;
	if (*paid > n->now_us + (ASKER_BURST - 1) * (uint64_t)ASKER_US)
		return false;
	*paid = RTE_MAX(*paid, n->now_us) + ASKER_US;
	return true;
}

int neigh_output(struct net *n, unsigned int iface, const struct net_addr *ip, uint16_t asker,
		 struct rte_mbuf *m)
{
	struct neigh *e = find(n, iface, ip);

	if (unlikely(e == NULL)) {
		if (!may_ask(n, asker)) {
			net_drop(n, m, NET_DROP_NEIGH_ASKER);
			return -ENOBUFS;
		}
		e = new_one(n, iface, ip);
	}
	if (unlikely(e == NULL)) {
		net_drop(n, m, NET_DROP_NEIGH_FULL);
		return -ENOBUFS;
	}
	need(n, e);
	return likely(is_known(e)) ? send_to(n, e, m) : enqueue(n, e, m);
}

void neigh_wanted(struct net *n, unsigned int iface, const struct net_addr *ip)
{
	struct neigh *e = find(n, iface, ip);

	if (e == NULL)
		e = new_one(n, iface, ip);
	if (e == NULL)
		return;
	need(n, e);
	if (is_known(e))
		net_note_neigh(n, NET_NOTE_KNOWN, iface, ip, &e->mac);
}

static void confirm(struct net *n, struct neigh *e, const struct rte_ether_addr *mac)
{
	unsigned int queued = e->queued;
	bool news = e->state != NEIGH_REACHABLE || !rte_is_same_ether_addr(&e->mac, mac);

	e->mac = *mac;
	e->confirmed_us = n->now_us;
	/* A host that says the same all day fills no ring: whose note was lost asks again. */
	if (!n->follower && news)
		net_note_neigh(n, NET_NOTE_KNOWN, e->iface, &e->ip, mac);
	set_state(n, e, NEIGH_REACHABLE);
	due_in(n, e, UNUSED_US);
	e->queued = 0;
	for (unsigned int i = 0; i < queued; i++)
		send_to(n, e, e->queue[i]);
}

/* A place is taken only for what this shard sends: what others need is nothing to it. */
void neigh_told(struct net *n, unsigned int iface, const struct net_addr *ip,
		const struct rte_ether_addr *mac)
{
	struct neigh *e = find(n, iface, ip);

	if (e == NULL || (mac == NULL && e->state == NEIGH_IDLE))
		return;
	if (mac != NULL)
		confirm(n, e, mac);
	else
		forget(n, e, NET_DROP_NEIGH_TIMEOUT);
}

bool neigh_heard(struct net *n, unsigned int iface, const struct net_addr *ip,
		 const struct rte_ether_addr *mac, bool reply)
{
	struct neigh *e = find(n, iface, ip);
	bool same;

	if (e == NULL)
		return false;
	same = is_known(e) && (mac == NULL || rte_is_same_ether_addr(&e->mac, mac));
	/* RFC 4861 7.3.1: that somebody is there is no proof that we reach it. */
	if (same && ip->family == 6 && !reply)
		return true;
	if (same || (reply && e->state == NEIGH_INCOMPLETE && mac != NULL)) {
		confirm(n, e, mac != NULL ? mac : &e->mac);
		return true;
	}
	if (e->state == NEIGH_REACHABLE || e->state == NEIGH_DELAY) {
		set_state(n, e, NEIGH_PROBE);
		ask(n, e);
	}
	return false;
}

/* One entry whose time has come. */
static void expire(struct net *n, struct neigh *e)
{
	switch (e->state) {
	case NEIGH_INCOMPLETE:
		if (e->asked < TRIES)
			ask(n, e);
		else
			forget(n, e, NET_DROP_NEIGH_TIMEOUT);
		break;
	case NEIGH_DELAY:
		set_state(n, e, NEIGH_PROBE);
		ask(n, e);
		break;
	case NEIGH_PROBE:
		if (e->asked == TRIES)
			set_state(n, e, NEIGH_INCOMPLETE);
		ask(n, e);
		break;
	case NEIGH_REACHABLE:
		if (n->now_us - e->used_us >= UNUSED_US)
			forget(n, e, NET_DROP_NEIGH_TIMEOUT);
		else
			e->due_us = e->used_us + UNUSED_US;
		break;
	default:
		break;
	}
}

unsigned int neigh_timers(struct net *n)
{
	unsigned int work = 0;

	if (n->now_us < n->neigh_due_us)
		return 0;
	n->neigh_due_us = UINT64_MAX;
	for (uint32_t i = 0; i < n->neigh_max; i++) {
		struct neigh *e = &n->neigh[i];

		if (e->state == NEIGH_FREE || e->state == NEIGH_IDLE)
			continue;
		if (e->due_us <= n->now_us) {
			expire(n, e);
			work++;
		}
		if (e->state != NEIGH_FREE && e->state != NEIGH_IDLE)
			n->neigh_due_us = RTE_MIN(n->neigh_due_us, e->due_us);
	}
	return work;
}

void neigh_link_up(struct net *n, unsigned int iface)
{
	for (uint32_t i = 0; i < n->neigh_max; i++) {
		struct neigh *e = &n->neigh[i];

		if (e->iface != iface)
			continue;
		if (e->state == NEIGH_REACHABLE) {
			e->confirmed_us = n->now_us - reachable_us(n, e) - 1;
		} else if (e->state == NEIGH_INCOMPLETE || e->state == NEIGH_PROBE) {
			e->asked = 0;
			e->due_us = n->now_us;
			n->neigh_due_us = n->now_us;
		}
	}
}
