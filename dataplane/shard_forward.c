/*
 * dataplane/shard_forward.c - listeners of clients: the relay's wish, TCP's listener, and between
 * several shards the port map (portmap.h).
 *
 * A port is given back when its last connection is gone, since until then others have to steer
 * here. Connections that nobody holds any more have SHARD_ORPHANS_US for that: whoever lost a
 * listener with his connection may be back, on another shard, and want the port.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "crypto/secret.h"
#include "dataplane/internal.h"
#include "dataplane/portmap.h"
#include "dataplane/table.h"

/* Listeners of one shard, those that only wait for connections to end included. */
#define PLACES RELAY_FORWARDS_MAX
/* Numbers for TCP: the gateway's own, those of clients by place, what is held by entry of the map.
 */
#define LISTENER_FIRST SHARD_LISTENERS_MAX
#define HOLD_FIRST     (LISTENER_FIRST + PLACES)
/* SYNs of one listener that hold a place; beyond them there are cookies. */
#define BACKLOG 256
/* Notes of a shard to itself, and answers that had no room on a ring. */
#define OWED 512
#define NONE UINT32_MAX
/* Places that a turn looks at, and how often orphans are sought: in all connections. */
#define LOOK_PLACES    256
#define CUT_ORPHANS_US 100000

enum place_state {
	PLACE_ASKING = 1, /* PORT_ASK is to be said, or its answer awaited */
	PLACE_UP,
	PLACE_LEFT,   /* while it was asked for */
	PLACE_ENDING, /* connections that came in by it live */
	PLACE_GIVING, /* PORT_GIVE is to be said */
};

struct place {
	uint8_t state; /* 0: free */
	bool unsaid;
	uint16_t port;
	/* Index + 1: of those that wait, or are free; of those that end at this port. */
	uint16_t next, prev, ending;
	uint32_t id;    /* the relay's; NONE: it does not want it any more */
	uint32_t entry; /* of the map */
	struct net_addr addr;
	uint64_t cut_us; /* ENDING: orphans are reset then */
};

struct shard_forwards {
	struct place *place;  /* [PLACES] */
	uint32_t end;         /* behind the last that was ever used */
	uint16_t free;        /* index + 1, as the next three */
	uint16_t first, last; /* that poll() is to look at, */
	uint16_t *ending_at;  /* [SPREAD_PORTS] of a port, the first that ends */
	uint64_t poll_us;     /* not before this */
	uint64_t cut_us;      /* orphans were sought */
	uint32_t *of;         /* [RELAY_FORWARDS_MAX] */
	uint32_t seek;        /* a port for who has no other shard to ask */
	struct portmap *map;  /* the first of several shards' */
	struct port_note owed[OWED];
	uint8_t owed_to[OWED];
	uint32_t owed_put, owed_got;
};

/* --- notes ------------------------------------------------------------------------------------ */

static unsigned int owed_room(const struct shard_forwards *f)
{
	return OWED - (f->owed_put - f->owed_got);
}

static bool owe(struct shard *s, unsigned int to, const struct port_note *n)
{
	struct shard_forwards *f = s->forwards;

	if (owed_room(f) == 0)
		return false;
	f->owed[f->owed_put % OWED] = *n;
	f->owed_to[f->owed_put++ % OWED] = (uint8_t)to;
	return true;
}

/* To itself by way of what it owes: nothing is heard while something is said. */
static bool tell(void *arg, unsigned int to, const struct port_note *n)
{
	struct shard *s = arg;
	const struct team_note note = {.kind = TEAM_PORT, .port = *n};

	if (to == s->place)
		return owe(s, to, n);
	if (!team_tell(s->team, s->place, to, &note))
		return false;
	s->given |= UINT64_C(1) << to;
	return true;
}

static void answer(struct shard *s, const struct port_note *n, uint8_t kind, int err)
{
	struct port_note a = {.kind = kind,
			      .place = (uint8_t)s->place,
			      .entry = n->entry,
			      .slot = n->slot,
			      .err = err};

	/* There is room: shard_forward_room() said so before the note was heard. */
	(void)owe(s, kind == PORT_ANSWER ? n->place : 0, &a);
}

/* --- what the map says -------------------------------------------------------------------------
 */

static bool is_free(void *arg, const struct net_addr *addr, uint16_t port)
{
	const struct shard *s = arg;

	return tcp_port_is_free(s->tcp, addr, port);
}

/* A connection of ours from that port would be steered away, unless it will be ours. */
static int hold(struct shard *s, const struct port_note *n)
{
	if (n->place != s->place && tcp_port_users(s->tcp, n->port) > 0)
		return -EADDRINUSE;
	return tcp_port_hold(s->tcp, &n->addr, n->port, HOLD_FIRST + n->entry);
}

static int take(struct shard *s, const struct port_note *n)
{
	int r = spread_steer_add(team_steer(s->team, s->place), &n->addr, n->port, n->place);

	return r == -ENOSPC ? -ENOBUFS : 0;
}

static void drop(struct shard *s, const struct port_note *n)
{
	(void)spread_steer_del(team_steer(s->team, s->place), &n->addr, n->port);
	(void)tcp_listen_close(s->tcp, HOLD_FIRST + n->entry);
}

/* --- places ------------------------------------------------------------------------------------
 */

static uint32_t slot_of(const struct shard_forwards *f, const struct place *p)
{
	return (uint32_t)(p - f->place);
}

static struct place *place_new(struct shard_forwards *f, uint32_t id, const struct net_addr *addr,
			       uint16_t port)
{
	uint16_t i = f->free;
	struct place *p;

	if (i != 0)
		f->free = f->place[i - 1].next;
	else if (f->end < PLACES)
		i = (uint16_t)++f->end;
	if (i == 0)
		return NULL;
	p = &f->place[i - 1];
	*p = (struct place){.id = id, .port = port, .addr = *addr};
	f->of[id] = slot_of(f, p);
	return p;
}

static void place_free(struct shard_forwards *f, struct place *p)
{
	p->state = 0;
	p->next = f->free;
	f->free = (uint16_t)(slot_of(f, p) + 1);
}

/* At the end of those that poll() looks at. */
static void wait_turn(struct shard_forwards *f, struct place *p)
{
	uint16_t i = (uint16_t)(slot_of(f, p) + 1);

	p->next = 0;
	p->prev = f->last;
	if (f->last != 0)
		f->place[f->last - 1].next = i;
	else
		f->first = i;
	f->last = i;
}

static void wait_over(struct shard_forwards *f, struct place *p)
{
	if (p->prev != 0)
		f->place[p->prev - 1].next = p->next;
	else
		f->first = p->next;
	if (p->next != 0)
		f->place[p->next - 1].prev = p->prev;
	else
		f->last = p->prev;
}

static void end_begins(struct shard_forwards *f, struct place *p)
{
	p->state = PLACE_ENDING;
	p->ending = f->ending_at[p->port];
	f->ending_at[p->port] = (uint16_t)(slot_of(f, p) + 1);
	wait_turn(f, p);
}

static void end_over(struct shard_forwards *f, struct place *p)
{
	uint16_t *at = &f->ending_at[p->port];

	while (*at != slot_of(f, p) + 1)
		at = &f->place[*at - 1].ending;
	*at = p->ending;
	wait_over(f, p);
}

static bool accepted(void *arg, struct stream *stream, uint32_t listener,
		     const struct net_addr *local, uint16_t local_port, const struct net_addr *peer,
		     uint16_t peer_port)
{
	struct shard *s = arg;
	const struct place *p = &s->forwards->place[listener - LISTENER_FIRST];
	struct link_addr from = {.family = peer->family, .scope = peer->scope, .port = peer_port};

	(void)local;
	(void)local_port;
	memcpy(from.addr, peer->b, sizeof(from.addr));
	tcp_stream_keepalive(stream, s->conf->tcp_keepalive);
	return relay_forward(s->relay, stream, p->id, &from, s->now_us);
}

static int listen_at(struct shard *s, const struct place *p)
{
	return tcp_listen(s->tcp, &p->addr, p->port, LISTENER_FIRST + slot_of(s->forwards, p),
			  BACKLOG, accepted, s);
}

static void give(struct shard *s, struct place *p)
{
	p->state = PLACE_GIVING;
	p->unsaid = true;
	wait_turn(s->forwards, p);
}

static bool say(struct shard *s, struct place *p, uint8_t kind)
{
	const struct port_note n = {.kind = kind,
				    .place = (uint8_t)s->place,
				    .port = p->port,
				    .entry = p->entry,
				    .slot = slot_of(s->forwards, p),
				    .addr = p->addr};

	if (!tell(s, 0, &n))
		return false;
	p->unsaid = false;
	wait_over(s->forwards, p);
	return true;
}

/* What was asked for is there: the listener takes the place of what held the port for it. */
static void answered(struct shard *s, const struct port_note *n)
{
	struct place *p = n->slot < s->forwards->end ? &s->forwards->place[n->slot] : NULL;
	bool left;
	int r = n->err;

	if (p == NULL || (p->state != PLACE_ASKING && p->state != PLACE_LEFT))
		return;
	left = p->state == PLACE_LEFT;
	p->entry = n->entry;
	p->port = n->port;
	if (r == 0 && !left) {
		(void)tcp_listen_close(s->tcp, HOLD_FIRST + n->entry);
		r = listen_at(s, p);
		p->state = PLACE_UP;
	}
	if (n->err == 0 && (left || r < 0))
		give(s, p);
	else if (r < 0)
		place_free(s->forwards, p);
	if (!left)
		relay_listen_done(s->relay, p->id, r, p->port);
}

/* The same port again, whose former connections are still here: nobody need be asked. */
static struct place *find_ending(struct shard_forwards *f, const struct net_addr *addr,
				 uint16_t port)
{
	uint16_t i = f->ending_at[port];

	while (i != 0 && !net_addr_eq(&f->place[i - 1].addr, addr))
		i = f->place[i - 1].ending;
	return i != 0 ? &f->place[i - 1] : NULL;
}

static int begin_again(struct shard *s, struct place *p, uint32_t id)
{
	int r;

	(void)tcp_listen_close(s->tcp, HOLD_FIRST + p->entry);
	r = listen_at(s, p);
	if (r < 0) {
		(void)tcp_port_hold(s->tcp, &p->addr, p->port, HOLD_FIRST + p->entry);
		return r;
	}
	end_over(s->forwards, p);
	s->forwards->of[id] = slot_of(s->forwards, p);
	p->state = PLACE_UP;
	p->id = id;
	return 0;
}

static int begin_alone(struct shard *s, uint32_t id, const struct net_addr *addr, uint16_t port)
{
	struct shard_forwards *f = s->forwards;
	struct place *p;
	int r;

	if (port == 0)
		port = portmap_choose(&f->seek, is_free, s, addr);
	if (port == 0 || !tcp_port_is_free(s->tcp, addr, port))
		return -EADDRINUSE;
	p = place_new(f, id, addr, port);
	if (p == NULL)
		return -ENOBUFS;
	r = listen_at(s, p);
	if (r == 0)
		p->state = PLACE_UP;
	else
		place_free(f, p);
	return r;
}

static int begin(void *arg, uint32_t id, const struct link_addr *a, uint16_t *ret_port)
{
	struct net_addr addr = {.family = a->family, .scope = a->scope};
	struct shard *s = arg;
	struct place *p;
	int r;

	memcpy(addr.b, a->addr, addr.family == 0 ? 0 : addr.family == 4 ? 4 : 16);
	if (!shard_is_teamed(s)) {
		r = begin_alone(s, id, &addr, a->port);
		if (r == 0)
			*ret_port = s->forwards->place[s->forwards->of[id]].port;
		return r;
	}
	p = find_ending(s->forwards, &addr, a->port);
	if (p != NULL) {
		*ret_port = p->port;
		return begin_again(s, p, id);
	}
	p = place_new(s->forwards, id, &addr, a->port);
	if (p == NULL)
		return -ENOBUFS;
	p->state = PLACE_ASKING;
	p->unsaid = true;
	wait_turn(s->forwards, p);
	(void)say(s, p, PORT_ASK); /* or in a later turn */
	return -EINPROGRESS;
}

static void end(void *arg, uint32_t id)
{
	struct shard *s = arg;
	struct place *p = &s->forwards->place[s->forwards->of[id]];

	p->id = NONE;
	if (p->state == PLACE_ASKING) {
		p->state = PLACE_LEFT;
		return;
	}
	(void)tcp_listen_close(s->tcp, LISTENER_FIRST + slot_of(s->forwards, p));
	if (!shard_is_teamed(s)) {
		place_free(s->forwards, p);
		return;
	}
	(void)tcp_port_hold(s->tcp, &p->addr, p->port, HOLD_FIRST + p->entry);
	p->cut_us = s->now_us + SHARD_ORPHANS_US;
	end_begins(s->forwards, p);
}

/* --- a turn ------------------------------------------------------------------------------------
 */

/* Of a port that nobody listens on any more, and for long enough. */
static bool is_orphan(void *arg, uint16_t port)
{
	const struct shard *s = arg;
	const struct shard_forwards *f = s->forwards;

	for (uint16_t i = f->ending_at[port]; i != 0; i = f->place[i - 1].ending)
		if (s->now_us >= f->place[i - 1].cut_us)
			return true;
	return false;
}

/* One look at all connections is for all places that want it. */
static void cut_orphans(struct shard *s, struct place *p)
{
	struct shard_forwards *f = s->forwards;

	if (f->cut_us < p->cut_us && s->now_us - f->cut_us >= CUT_ORPHANS_US) {
		tcp_orphans_cut(s->tcp, is_orphan, s);
		f->cut_us = s->now_us;
	}
	if (f->cut_us >= p->cut_us) /* others hold what is left */
		p->cut_us = s->now_us + 10 * SHARD_ORPHANS_US;
}

static void ending(struct shard *s, struct place *p)
{
	if (tcp_port_users(s->tcp, p->port) > 0 && s->now_us >= p->cut_us)
		cut_orphans(s, p);
	if (tcp_port_users(s->tcp, p->port) > 0)
		return;
	end_over(s->forwards, p);
	give(s, p);
}

static unsigned int place_poll(struct shard *s, struct place *p)
{
	switch (p->state) {
	case PLACE_ASKING:
	case PLACE_LEFT:
		return p->unsaid && say(s, p, PORT_ASK);
	case PLACE_ENDING:
		ending(s, p);
		return p->state != PLACE_ENDING;
	case PLACE_GIVING:
		if (!p->unsaid || !say(s, p, PORT_GIVE))
			return 0;
		place_free(s->forwards, p);
		return 1;
	default:
		return 0;
	}
}

static void hear(struct shard *s, const struct port_note *n)
{
	switch (n->kind) {
	case PORT_HOLD:
		answer(s, n, PORT_HELD, hold(s, n));
		break;
	case PORT_TAKE:
		answer(s, n, PORT_TAKEN, take(s, n));
		break;
	case PORT_DROP:
		drop(s, n);
		break;
	case PORT_ANSWER:
		answered(s, n);
		break;
	default:
		if (s->forwards->map != NULL && !portmap_hear(s->forwards->map, n))
			answer(s, n, PORT_ANSWER, -ENOBUFS);
	}
}

bool shard_forward_room(const struct shard *s, unsigned int notes)
{
	return owed_room(s->forwards) >= 2 * notes;
}

void shard_forward_hear(struct shard *s, const struct port_note *n)
{
	hear(s, n);
}

/* What is owed goes out in order; what is owed to ourselves is heard. */
static unsigned int pay(struct shard *s)
{
	struct shard_forwards *f = s->forwards;
	uint32_t put = f->owed_put;
	unsigned int n = 0;

	while (f->owed_got != put) {
		const struct port_note note = f->owed[f->owed_got % OWED];
		unsigned int to = f->owed_to[f->owed_got % OWED];

		if (to != s->place && !tell(s, to, &note))
			break;
		f->owed_got++;
		n++;
		if (to == s->place)
			hear(s, &note);
	}
	return n;
}

unsigned int shard_forward_poll(struct shard *s)
{
	struct shard_forwards *f = s->forwards;
	unsigned int n = 0, moved = 0;

	if (f->owed_put != f->owed_got)
		n += pay(s);
	if (f->map != NULL)
		n += portmap_poll(f->map);
	if (f->first == 0 || s->now_us < f->poll_us)
		return n;
	for (unsigned int k = 0; k < LOOK_PLACES && f->first != 0; k++) {
		struct place *p = &f->place[f->first - 1];

		wait_over(f, p);
		wait_turn(f, p); /* behind the others */
		moved += place_poll(s, p);
	}
	f->poll_us = s->now_us + (moved < LOOK_PLACES ? SHARD_PLACES_US : 0);
	return n + moved;
}

uint64_t shard_forward_next_timer_us(const struct shard *s)
{
	const struct shard_forwards *f = s->forwards;

	if (f->owed_put != f->owed_got || (f->map != NULL && f->map->busy > 0))
		return s->now_us + SHARD_CARRY_US;
	return f->first != 0 ? f->poll_us : UINT64_MAX;
}

/* --- life ---------------------------------------------------------------------------------------
 */

static int make_map(struct shard *s)
{
	struct portmap *m = table_new(1, sizeof(*m));

	if (m == NULL)
		return -ENOMEM;
	portmap_init(m, s->team_size, s->forwards->seek);
	m->tell = tell;
	m->is_free = is_free;
	m->arg = s;
	s->forwards->map = m;
	return 0;
}

int shard_forward_new(struct shard *s, struct relay_listens *ret)
{
	struct shard_forwards *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -ENOMEM;
	s->forwards = f;
	f->place = table_new(PLACES, sizeof(*f->place));
	f->ending_at = table_new(SPREAD_PORTS, sizeof(*f->ending_at));
	f->of = table_new(RELAY_FORWARDS_MAX, sizeof(*f->of));
	if (f->place == NULL || f->ending_at == NULL || f->of == NULL)
		return -ENOMEM;
	if (crypto_random(&f->seek, sizeof(f->seek)) < 0)
		return -EIO;
	*ret = (struct relay_listens){.begin = begin, .end = end, .arg = s};
	return shard_is_teamed(s) && s->place == 0 ? make_map(s) : 0;
}

void shard_forward_free(struct shard *s)
{
	struct shard_forwards *f = s->forwards;

	if (f == NULL)
		return;
	table_free(f->map, 1, sizeof(*f->map));
	table_free(f->place, PLACES, sizeof(*f->place));
	table_free(f->ending_at, SPREAD_PORTS, sizeof(*f->ending_at));
	table_free(f->of, RELAY_FORWARDS_MAX, sizeof(*f->of));
	free(f);
	s->forwards = NULL;
}
