/*
 * dataplane/portmap.h: one owner of a port over all shards, however full the rings between them
 * are and in whatever order the shards answer.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/portmap.h"
#include "tests/util/rnd.h"

#define SHARDS 4
#define RING   8 /* notes on their way to a shard */

/* What a shard would do: who holds what, who steers where, and what was answered. */
struct member {
	struct port_note ring[RING];
	unsigned int n;
	bool held[PORTMAP_MAX];
	int steers[PORTMAP_MAX]; /* -1, or the owner */
	uint16_t busy;           /* a port it has connections from; 0: none */
};

static struct portmap *m;
static struct member *shard;
static struct port_note answer[64];
static unsigned int n_answers;

static bool tell(void *arg, unsigned int to, const struct port_note *n)
{
	struct member *s = &shard[to];

	(void)arg;
	if (s->n == RING)
		return false;
	s->ring[s->n++] = *n;
	return true;
}

/* As the first shard's TCP, of what is not in the map. */
static bool is_free(void *arg, const struct net_addr *addr, uint16_t port)
{
	(void)arg;
	(void)addr;
	return port != 22;
}

static void begin(void)
{
	m = calloc(1, sizeof(*m));
	shard = calloc(SHARDS, sizeof(*shard));
	portmap_init(m, SHARDS, 0);
	m->tell = tell;
	m->is_free = is_free;
	for (unsigned int i = 0; i < SHARDS; i++)
		for (unsigned int k = 0; k < PORTMAP_MAX; k++)
			shard[i].steers[k] = -1;
}

static void end(void)
{
	free(m);
	free(shard);
}

TestSuite(portmap, .init = begin, .fini = end);

static void reply(unsigned int i, const struct port_note *n, uint8_t kind, int err)
{
	const struct port_note a = {
		.kind = kind, .place = (uint8_t)i, .entry = n->entry, .slot = n->slot, .err = err};

	cr_assert(portmap_hear(m, &a));
}

/* A shard hears its oldest note. */
static void hear(unsigned int i)
{
	struct member *s = &shard[i];
	struct port_note n = s->ring[0];

	memmove(&s->ring[0], &s->ring[1], --s->n * sizeof(s->ring[0]));
	switch (n.kind) {
	case PORT_HOLD:
		if (s->busy != n.port || n.place == i)
			s->held[n.entry] = true;
		reply(i, &n, PORT_HELD, s->held[n.entry] ? 0 : -EADDRINUSE);
		break;
	case PORT_TAKE:
		for (unsigned int k = 0; k < SHARDS; k++)
			cr_expect(shard[k].held[n.entry], "steered before shard %u held it", k);
		s->steers[n.entry] = n.place;
		reply(i, &n, PORT_TAKEN, 0);
		break;
	case PORT_DROP:
		s->held[n.entry] = false;
		s->steers[n.entry] = -1;
		break;
	case PORT_ANSWER:
		for (unsigned int k = 0; k < SHARDS && n.err == 0; k++)
			cr_expect_eq(shard[k].steers[n.entry], (int)i, "answered before all steer");
		answer[n_answers++ % 64] = n;
		break;
	default:
		cr_assert_fail("kind %u", n.kind);
	}
}

static void settle(void)
{
	bool more = true;

	while (more) {
		more = portmap_poll(m) > 0;
		for (unsigned int i = 0; i < SHARDS; i++)
			while (shard[i].n > 0) {
				hear(i);
				more = true;
			}
	}
	cr_expect_eq(m->busy, 0, "nothing is under way");
}

static struct port_note ask_of(uint8_t place, uint16_t port, uint32_t slot)
{
	return (struct port_note){.kind = PORT_ASK,
				  .place = place,
				  .port = port,
				  .slot = slot,
				  .addr = {.family = 4}};
}

static struct port_note asked(uint8_t place, uint16_t port)
{
	const struct port_note n = ask_of(place, port, 17);
	unsigned int before = n_answers;

	cr_assert(portmap_hear(m, &n));
	settle();
	cr_assert_eq(n_answers, before + 1);
	cr_expect_eq(answer[before % 64].slot, 17);
	return answer[before % 64];
}

static void give(uint32_t entry)
{
	const struct port_note n = {.kind = PORT_GIVE, .entry = entry};

	cr_assert(portmap_hear(m, &n));
	settle();
}

Test(portmap, one_owner)
{
	struct port_note a = asked(2, 8080);

	cr_expect_eq(a.err, 0);
	cr_expect_eq(a.port, 8080);
	cr_expect_eq(asked(1, 8080).err, -EADDRINUSE);
	cr_expect_eq(asked(2, 8080).err, -EADDRINUSE);
	give(a.entry);
	cr_expect_eq(asked(1, 8080).err, 0);
}

Test(portmap, the_gateways_own_is_not_free)
{
	cr_expect_eq(asked(3, 22).err, -EADDRINUSE);
	for (unsigned int i = 0; i < SHARDS; i++)
		cr_expect_not(shard[i].held[0]);
}

Test(portmap, a_port_somebody_connects_from_is_refused)
{
	shard[3].busy = 20000;
	cr_expect_eq(asked(1, 20000).err, -EADDRINUSE);
	for (unsigned int i = 0; i < SHARDS; i++) {
		cr_expect_not(shard[i].held[0], "%u lets it go", i);
		cr_expect_eq(shard[i].steers[0], -1);
	}
	cr_expect_eq(asked(3, 20000).err, 0, "but not to the shard whose it is");
}

Test(portmap, all_addresses_and_one_exclude_each_other)
{
	static const uint8_t one[4] = {192, 0, 2, 1};
	struct port_note n = ask_of(1, 8080, 17), a = asked(2, 8080);

	memcpy(n.addr.b, one, sizeof(one));
	cr_assert(portmap_hear(m, &n));
	settle();
	cr_expect_eq(answer[(n_answers - 1) % 64].err, -EADDRINUSE);
	n.addr.family = 6;
	cr_assert(portmap_hear(m, &n));
	settle();
	cr_expect_eq(answer[(n_answers - 1) % 64].err, 0, "of the other family");
	give(a.entry);
	n.addr.family = 4;
	cr_assert(portmap_hear(m, &n));
	settle();
	cr_expect_eq(answer[(n_answers - 1) % 64].err, 0);
	cr_expect_eq(asked(2, 8080).err, -EADDRINUSE);
}

Test(portmap, any_port)
{
	struct port_note a = asked(1, 0), b;

	cr_expect_eq(a.err, 0);
	cr_expect_geq(a.port, PORTMAP_DYNAMIC_MIN);
	shard[2].busy = (uint16_t)(a.port + 1);
	b = asked(1, 0);
	cr_expect_eq(b.err, 0);
	cr_expect_eq(b.port, a.port + 2, "the next was in use");
}

Test(portmap, a_full_map_refuses_and_goes_on)
{
	struct port_note n, a;

	for (unsigned int i = 0; i < PORTMAP_MAX; i++) {
		a = asked((uint8_t)(i % SHARDS), (uint16_t)(1024 + i));
		cr_assert_eq(a.err, 0, "%u", i);
	}
	n = ask_of(1, 1000, 1);
	cr_expect_not(portmap_hear(m, &n));
	give(a.entry);
	cr_expect_eq(asked(1, 1000).err, 0);
}

Test(portmap, notes_that_nobody_awaits_change_nothing)
{
	const struct port_note a = asked(1, 8080);

	for (uint8_t kind = 0; kind < 16; kind++) {
		struct port_note n = {.kind = kind, .place = 63, .entry = a.entry, .err = -EIO};

		if (kind == PORT_ASK || kind == PORT_GIVE)
			continue;
		cr_expect(portmap_hear(m, &n));
		n.entry = UINT32_MAX;
		cr_expect(portmap_hear(m, &n));
	}
	settle();
	cr_expect_eq(shard[3].steers[a.entry], 1);
}

/* Many ask and give at once, rings are small, and shards answer in any order. */
Test(portmap, s77_never_two_owners)
{
	struct rnd r = rnd_new(rnd_seed());
	unsigned int rounds = test_long() ? 200000 : 4000;
	struct port_note mine[32] = {0};
	bool pending[32] = {false};

	for (unsigned int k = 0; k < rounds; k++) {
		unsigned int slot = rnd_below(&r, 32), i = rnd_below(&r, SHARDS);
		unsigned int before = n_answers;

		if (rnd_below(&r, 8) == 0)
			shard[i].busy = (uint16_t)(4000 + rnd_below(&r, 8));
		if (!pending[slot] && mine[slot].port == 0) {
			const struct port_note n =
				ask_of((uint8_t)i, (uint16_t)(4000 + rnd_below(&r, 8)), slot);

			cr_assert(portmap_hear(m, &n));
			pending[slot] = true;
		} else if (mine[slot].port != 0 && rnd_below(&r, 4) == 0) {
			const struct port_note n = {.kind = PORT_GIVE, .entry = mine[slot].entry};

			cr_assert(portmap_hear(m, &n));
			mine[slot].port = 0;
		}
		for (unsigned int n = rnd_below(&r, 12); n > 0; n--) {
			i = rnd_below(&r, SHARDS);
			if (shard[i].n > 0)
				hear(i);
			(void)portmap_poll(m);
		}
		for (; before != n_answers; before++) {
			const struct port_note *a = &answer[before % 64];

			pending[a->slot] = false;
			if (a->err < 0)
				continue;
			for (unsigned int o = 0; o < 32; o++)
				cr_assert_neq(mine[o].port, a->port, "two own %u", a->port);
			mine[a->slot] = *a;
		}
	}
	cr_expect_gt(n_answers, rounds / 64);
	settle();
	for (unsigned int slot = 0; slot < 32; slot++)
		if (mine[slot].port != 0)
			give(mine[slot].entry);
}
