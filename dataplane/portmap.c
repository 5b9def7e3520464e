/* dataplane/portmap.c - see portmap.h. */
#include "dataplane/portmap.h"

#include <errno.h>
#include <string.h>

enum state { HOLDING = 1, TAKING, OWNED, DROPPING, REFUSING };

#define DYNAMIC_N (UINT16_MAX + 1 - PORTMAP_DYNAMIC_MIN)

void portmap_init(struct portmap *m, unsigned int shards, uint32_t random)
{
	m->shards = shards;
	m->random = random;
}

static uint16_t number_of(const struct portmap *m, const struct portmap_entry *e)
{
	return (uint16_t)(e - m->entry + 1);
}

/* --- who has a port ---------------------------------------------------------------------------
 */

static void enlist(struct portmap *m, struct portmap_entry *e)
{
	uint16_t i = number_of(m, e), *first = &m->of[e->port];

	e->listed = true;
	e->prev = 0;
	e->next = *first;
	if (e->next != 0)
		m->entry[e->next - 1].prev = i;
	*first = i;
}

static void delist(struct portmap *m, struct portmap_entry *e)
{
	if (!e->listed)
		return;
	e->listed = false;
	if (e->prev != 0)
		m->entry[e->prev - 1].next = e->next;
	else
		m->of[e->port] = e->next;
	if (e->next != 0)
		m->entry[e->next - 1].prev = e->prev;
}

static struct portmap_entry *entry_new(struct portmap *m)
{
	uint16_t i = m->free;

	if (i != 0)
		m->free = m->entry[i - 1].next;
	else if (m->end < PORTMAP_MAX)
		i = (uint16_t)++m->end;
	return i != 0 ? &m->entry[i - 1] : NULL;
}

static void entry_free(struct portmap *m, struct portmap_entry *e)
{
	e->state = 0;
	e->next = m->free;
	m->free = number_of(m, e);
}

static bool is_any(const struct net_addr *a)
{
	static const uint8_t zero[sizeof(a->b)];

	return memcmp(a->b, zero, sizeof(a->b)) == 0;
}

/* Would who connects to one come to the other? */
static bool overlap(const struct net_addr *a, const struct net_addr *b)
{
	if (a->family != 0 && b->family != 0 && a->family != b->family)
		return false;
	return is_any(a) || is_any(b) || memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

/* Somebody has it, asks for it or gives it back; then, nobody has, nor does the first shard. */
static bool nobody_has(void *arg, const struct net_addr *addr, uint16_t port)
{
	const struct portmap *m = arg;

	for (uint16_t i = m->of[port]; i != 0; i = m->entry[i - 1].next)
		if (overlap(&m->entry[i - 1].addr, addr))
			return false;
	return m->is_free(m->arg, addr, port);
}

uint16_t portmap_choose(uint32_t *seek, bool (*is_free)(void *, const struct net_addr *, uint16_t),
			void *arg, const struct net_addr *addr)
{
	for (unsigned int i = 0; i < PORTMAP_TRIES; i++) {
		uint16_t port = (uint16_t)(PORTMAP_DYNAMIC_MIN + (*seek)++ % DYNAMIC_N);

		if (is_free(arg, addr, port))
			return port;
	}
	return 0;
}

/* --- what becomes of one ----------------------------------------------------------------------
 */

static uint64_t all_of(const struct portmap *m)
{
	return m->shards == 64 ? UINT64_MAX : (UINT64_C(1) << m->shards) - 1;
}

static void go(struct portmap *m, struct portmap_entry *e, enum state state)
{
	bool to_owner = state == OWNED || state == REFUSING;

	if (state == HOLDING)
		enlist(m, e);
	e->state = (uint8_t)state;
	e->unsaid = to_owner ? UINT64_C(1) << e->place : all_of(m);
	e->unheard = state == HOLDING || state == TAKING ? all_of(m) : 0;
}

static struct port_note note_of(const struct portmap *m, const struct portmap_entry *e)
{
	static const uint8_t kind[] = {[HOLDING] = PORT_HOLD,
				       [TAKING] = PORT_TAKE,
				       [OWNED] = PORT_ANSWER,
				       [DROPPING] = PORT_DROP,
				       [REFUSING] = PORT_ANSWER};

	return (struct port_note){.kind = kind[e->state],
				  .place = e->place,
				  .port = e->port,
				  .entry = number_of(m, e) - 1u,
				  .slot = e->slot,
				  .err = e->state == REFUSING ? e->err : 0,
				  .addr = e->addr};
}

static unsigned int say(struct portmap *m, struct portmap_entry *e)
{
	const struct port_note n = note_of(m, e);
	unsigned int said = 0;

	for (uint64_t left = e->unsaid; left != 0; left &= left - 1) {
		unsigned int to = (unsigned int)__builtin_ctzll(left);

		if (!m->tell(m->arg, to, &n))
			continue;
		e->unsaid &= ~(UINT64_C(1) << to);
		said++;
	}
	return said;
}

/* Another port, where any will do; else there is none. */
static bool next_port(struct portmap *m, struct portmap_entry *e)
{
	if (!e->any_port || e->tries == 0)
		return false;
	e->tries--;
	e->port = portmap_choose(&m->random, nobody_has, m, &e->addr);
	return e->port != 0;
}

/* All were told and have answered. False: it is where it stays. */
static bool advance(struct portmap *m, struct portmap_entry *e)
{
	switch (e->state) {
	case HOLDING:
	case TAKING:
		go(m, e, e->err < 0 ? DROPPING : e->state == HOLDING ? TAKING : OWNED);
		return true;
	case DROPPING:
		delist(m, e);
		if (e->err < 0 && next_port(m, e)) {
			e->err = 0;
			go(m, e, HOLDING);
			return true;
		}
		if (e->err < 0) {
			go(m, e, REFUSING);
			return true;
		}
		/* fall through */
	case REFUSING:
		entry_free(m, e);
		m->busy--;
		return false;
	case OWNED:
		m->busy--;
		return false;
	default:
		return false;
	}
}

static void wait_turn(struct portmap *m, struct portmap_entry *e)
{
	uint16_t i = number_of(m, e);

	if (e->waits)
		return;
	e->waits = true;
	e->queue = 0;
	if (m->last != 0)
		m->entry[m->last - 1].queue = i;
	else
		m->first = i;
	m->last = i;
}

/* As far as it goes now. */
static unsigned int step(struct portmap *m, struct portmap_entry *e)
{
	unsigned int said = 0;

	do {
		said += say(m, e);
	} while (e->unsaid == 0 && e->unheard == 0 && advance(m, e));
	if (e->unsaid != 0)
		wait_turn(m, e);
	return said;
}

static bool ask(struct portmap *m, const struct port_note *n)
{
	struct portmap_entry *e = entry_new(m);

	if (e == NULL)
		return false;
	/* The queue may not have got to what it was before. */
	*e = (struct portmap_entry){.addr = n->addr,
				    .waits = e->waits,
				    .queue = e->queue,
				    .port = n->port,
				    .place = n->place,
				    .slot = n->slot,
				    .any_port = n->port == 0,
				    .tries = PORTMAP_TRIES};
	m->busy++;
	if (e->any_port ? next_port(m, e) : nobody_has(m, &e->addr, e->port)) {
		go(m, e, HOLDING);
	} else {
		e->err = -EADDRINUSE;
		go(m, e, REFUSING);
	}
	step(m, e);
	return true;
}

static void answered(struct portmap *m, struct portmap_entry *e, const struct port_note *n)
{
	uint8_t awaited = n->kind == PORT_HELD ? HOLDING : TAKING;

	if (e->state != awaited || n->place >= m->shards)
		return;
	e->unheard &= ~(UINT64_C(1) << n->place);
	if (n->err < 0)
		e->err = n->err;
	step(m, e);
}

bool portmap_hear(struct portmap *m, const struct port_note *n)
{
	struct portmap_entry *e;

	if (n->kind == PORT_ASK)
		return ask(m, n);
	if (n->entry >= m->end)
		return true;
	e = &m->entry[n->entry];
	if (n->kind == PORT_GIVE && e->state == OWNED) {
		m->busy++;
		go(m, e, DROPPING);
		step(m, e);
	} else if (n->kind == PORT_HELD || n->kind == PORT_TAKEN) {
		answered(m, e, n);
	}
	return true;
}

unsigned int portmap_poll(struct portmap *m)
{
	unsigned int said = 0;

	for (unsigned int n = 0; n < PORTMAP_TURN && m->first != 0; n++) {
		struct portmap_entry *e = &m->entry[m->first - 1];

		m->first = e->queue;
		if (m->first == 0)
			m->last = 0;
		e->waits = false;
		if (e->unsaid != 0) /* or it was said with an answer to it */
			said += step(m, e);
	}
	return said;
}
