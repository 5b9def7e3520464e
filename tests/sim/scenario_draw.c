/* tests/sim/scenario_draw.c - what is to happen, from a seed; see scenario.h. */
#include "tests/sim/scenario.h"
#include "tests/util/rnd.h"

#include <stdio.h>

#define MS  TCP_MS
#define SEC TCP_SEC
#define KIB UINT64_C(1024)

static uint64_t pick(struct rnd *r, const uint64_t *from, size_t n)
{
	return from[rnd_below(r, (uint32_t)n)];
}

#define PICK(r, ...) pick(r, (const uint64_t[]){__VA_ARGS__}, sizeof((uint64_t[]){__VA_ARGS__}) / 8)

static bool one_in(struct rnd *r, uint32_t n)
{
	return rnd_below(r, n) == 0;
}

/* Of any size: each power of two is as likely as another. */
static uint64_t any_size(struct rnd *r, uint64_t max)
{
	uint64_t top = UINT64_C(1) << rnd_below(r, 64 - (uint32_t)__builtin_clzll(max));

	return min_u64(top + rnd_below(r, (uint32_t)top), max);
}

/* --- stacks ---------------------------------------------------------------------------- */

static struct tcp_conf draw_conf(struct rnd *r, unsigned int flows)
{
	struct tcp_conf c = {.conns_max = 4 * SCN_FLOWS};

	c.rx_budget = (uint32_t)PICK(r, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, 1024 * KIB);
	c.tx_budget = (uint32_t)PICK(r, 4 * KIB, 64 * KIB, 256 * KIB, 1024 * KIB);
	if (flows > 2) {
		c.rx_budget = min_u64(c.rx_budget, 64 * KIB);
		c.tx_budget = min_u64(c.tx_budget, 64 * KIB);
	}
	c.rx_initial = one_in(r, 3) ? (uint32_t)(2 * KIB + rnd_below(r, 64 * KIB)) : 0;
	/* At 30 % loss a dozen tries in a row may fail, which would be the end by R2. */
	c.user_timeout_us = 5000 * SEC;
	c.connect_timeout_us = 2000 * SEC;
	c.keepalive_idle_us = 60 * SEC;
	c.keepalive_interval_us = 30 * SEC;
	c.keepalive_count = 20;
	c.cc = one_in(r, 3) ? &tcp_cc_newreno : &tcp_cc_cubic;
	c.ecn = (enum tcp_ecn)rnd_below(r, 3);
	c.no_pacing = one_in(r, 3);
	c.half_open_max = one_in(r, 6) ? 1 : 0; /* the second at once gets a cookie */
	return c;
}

/* --- the path ---------------------------------------------------------------------------- */

static void draw_chance(struct rnd *r, struct vnet_link *l)
{
	l->loss = (uint32_t)PICK(r, 0, 0, 0, 1000, 1000, 10000, 30000, 100000, 300000);
	if (one_in(r, 6)) {
		l->burst = (uint32_t)PICK(r, 500, 2000);
		l->burst_max = (uint16_t)PICK(r, 3, 16, 64);
	}
	if (one_in(r, 4)) {
		l->reorder = (uint32_t)PICK(r, 1000, 10000, 100000);
		l->reorder_max = (uint16_t)PICK(r, 1, 3, 10, 100);
		l->reorder_us = PICK(r, 1 * MS, 20 * MS, 300 * MS);
	}
	l->dup = (uint32_t)PICK(r, 0, 0, 0, 1000, 10000, 100000);
	l->corrupt = (uint32_t)PICK(r, 0, 0, 0, 1000, 10000, 50000);
	l->mark = (uint32_t)PICK(r, 0, 0, 0, 1000, 20000);
	l->mark_us = PICK(r, 0, 0, 2 * MS);
}

static struct vnet_link draw_link(struct rnd *r)
{
	struct vnet_link l = {.delay_us = PICK(r, 1, 20, 200, 1 * MS, 10 * MS, 50 * MS, 150 * MS,
					       375 * MS, 750 * MS)};

	l.jitter_us = l.delay_us * PICK(r, 0, 0, 0, 1, 10) / 10;
	l.bits_per_s = PICK(r, 0, 256000, 2000000, 20000000, 1000000000);
	if (l.bits_per_s != 0)
		l.queue_us = PICK(r, 0, 50 * MS, 200 * MS, 1 * SEC);
	if (!one_in(r, 4))
		draw_chance(r, &l);
	l.no_sack = one_in(r, 5);
	l.no_ts = one_in(r, 5);
	return l;
}

/* --- applications -------------------------------------------------------------------------- */

static struct scn_side draw_side(struct rnd *r, uint64_t most)
{
	struct scn_side s = {.bytes = one_in(r, 5) ? 0 : any_size(r, most),
			     .abort_at = UINT64_MAX,
			     .nagle = one_in(r, 2)};

	if (one_in(r, 5)) { /* tiny writes */
		s.write_max = 1 + rnd_below(r, 40);
		s.bytes = min_u64(s.bytes, 8 * KIB);
	} else if (one_in(r, 3)) {
		s.write_max = 1 + rnd_below(r, 4000);
	}
	if (one_in(r, 4)) { /* a slow reader, for twenty seconds at most */
		s.read_gap_us = 1 + rnd_below(r, 100 * MS);
		s.read_max = 1 + (uint32_t)(most * s.read_gap_us / (20 * SEC)) + rnd_below(r, 4000);
	}
	if (one_in(r, 5)) { /* pauses, of which some outlast what a busy connection holds */
		s.chunk = 1 + s.bytes / (1 + rnd_below(r, 5));
		s.gap_us = 1 + rnd_below(r, (uint32_t)PICK(r, 10 * MS, 3 * SEC, 100 * SEC));
	}
	return s;
}

/* What a path like this carries before everybody has gone home. */
static uint64_t draw_most(struct rnd *r, const struct scn *s)
{
	const struct vnet_link *l = &s->link;
	uint64_t most = PICK(r, 20 * KIB, 100 * KIB, 400 * KIB);

	if (l->loss >= 100000 || l->burst >= 2000)
		most = min_u64(most, 20 * KIB);
	if (one_in(r, 200) && l->loss < 30000)
		most = 4096 * KIB;
	return most / s->flows;
}

static void draw_flows(struct rnd *r, struct scn *s)
{
	uint64_t most = draw_most(r, s);

	for (unsigned int i = 0; i < s->flows; i++) {
		struct scn_flow *f = &s->flow[i];

		f->host[0] = rnd_below(r, s->hosts);
		f->host[1] = (f->host[0] + 1 + rnd_below(r, s->hosts - 1)) % s->hosts;
		f->family = one_in(r, 2) ? 4 : 6;
		f->scope = f->family == 6 && one_in(r, 3);
		f->start_us = i == 0 ? 0 : rnd_below(r, (uint32_t)PICK(r, 1, 1 * MS, 5 * SEC));
		f->side[0] = draw_side(r, most);
		f->side[1] = draw_side(r, most);
		/* Without SACK each loss may cost a time-out: not for every other byte. */
		if (s->link.no_sack && s->link.loss >= 100000)
			f->side[0].write_max = f->side[1].write_max = 0;
		/* A peer that has nothing to say cannot repeat that it took the SYN-ACK, and
		 * behind a cookie there is nobody to ask. */
		if (f->side[0].bytes == 0)
			f->side[0].bytes = 1;
	}
}

/* --- trouble -------------------------------------------------------------------------------- */

static struct scn_event *event(struct scn *s, uint64_t at_us, enum scn_event_kind kind)
{
	struct scn_event *e = &s->event[RTE_MIN(s->events, (unsigned int)SCN_EVENTS - 1)];

	s->events = RTE_MIN(s->events + 1, (unsigned int)SCN_EVENTS);
	*e = (struct scn_event){.at_us = at_us, .kind = kind, .link = s->link};
	return e;
}

static void links(struct scn *s, uint64_t at_us, struct vnet_link l, bool seen)
{
	for (unsigned int a = 0; a < s->hosts; a++)
		for (unsigned int b = 0; b < s->hosts; b++) {
			struct scn_event *e;

			if (a == b)
				continue;
			e = event(s, at_us, SCN_LINK);
			e->a = a;
			e->b = b;
			e->link = l;
			e->seen = seen;
		}
}

/* Silence, and afterwards all as it was. */
static uint64_t outage(struct scn *s, uint64_t at_us, uint64_t for_us, bool seen)
{
	struct vnet_link down = s->link;

	down.down = true;
	links(s, at_us, down, false);
	links(s, at_us + for_us, s->link, seen);
	return at_us + for_us;
}

/* While the applications still have something to say, as a rule. */
static uint64_t soon(struct rnd *r, const struct scn *s)
{
	uint64_t span = 20 * s->link.delay_us + 1 * MS, bytes = 0;

	for (unsigned int i = 0; i < s->flows; i++)
		bytes += s->flow[i].side[0].bytes + s->flow[i].side[1].bytes;
	if (s->link.bits_per_s != 0)
		span += bytes * 8 * SEC / s->link.bits_per_s;
	return any_size(r, span);
}

static void draw_outages(struct rnd *r, struct scn *s)
{
	unsigned int n = 1 + rnd_below(r, 4);
	bool seen = one_in(r, 2);
	uint64_t at = soon(r, s);

	for (unsigned int i = 0; i < n; i++)
		at = outage(s, at, 10 * MS + any_size(r, 60 * SEC), seen) + soon(r, s);
}

static void draw_flaps(struct rnd *r, struct scn *s)
{
	uint64_t at = soon(r, s), end = at + any_size(r, 60 * SEC);
	bool seen = one_in(r, 2);

	while (at < end && s->events < SCN_EVENTS - 20)
		at = outage(s, at, 50 * MS, seen) + 50 * MS;
}

static void draw_one_way(struct rnd *r, struct scn *s)
{
	unsigned int a = rnd_below(r, 2);
	uint64_t at = soon(r, s);
	struct scn_event *e = event(s, at, SCN_LINK);

	e->a = a;
	e->b = !a;
	e->link.down = true;
	e = event(s, at + 100 * MS + any_size(r, 60 * SEC), SCN_LINK);
	e->a = a;
	e->b = !a;
}

static void draw_on_off(struct rnd *r, struct scn *s)
{
	unsigned int n = 2 + rnd_below(r, 8);
	uint64_t at = one_in(r, 2) ? soon(r, s) : 0;

	for (unsigned int i = 0; i < n; i++)
		at = outage(s, at, 2 * SEC, false) + 5 * SEC;
}

/* The link is another every now and then: its rate, its delay, what fits through. */
static void draw_changes(struct rnd *r, struct scn *s)
{
	unsigned int n = 1 + rnd_below(r, 8);
	struct vnet_link l = s->link;
	uint64_t at = 0;

	for (unsigned int i = 0; i < n; i++) {
		at += soon(r, s);
		if (s->trouble == SCN_RATES)
			l.bits_per_s = PICK(r, 64000, 1000000, 30000000, 1000000000, 0);
		else if (s->trouble == SCN_DELAYS)
			l.delay_us = PICK(r, 10, 1 * MS, 30 * MS, 300 * MS, 750 * MS);
		else
			l.mtu = (uint16_t)PICK(r, 9000, 1500, 1400, 1280, 576);
		l.black_hole = one_in(r, 2);
		links(s, at, l, false);
	}
}

static void draw_host(struct rnd *r, struct scn *s, enum scn_event_kind from,
		      enum scn_event_kind to, uint64_t for_us)
{
	uint64_t at = soon(r, s);
	unsigned int host = rnd_below(r, s->hosts);

	event(s, at, from)->a = host;
	event(s, at + for_us, to)->a = host;
}

static void draw_aborts(struct rnd *r, struct scn *s)
{
	for (unsigned int i = 0; i < s->flows; i++) {
		struct scn_side *side = &s->flow[i].side[rnd_below(r, 2)];

		if (one_in(r, 4))
			side->abort_at = any_size(r, max_u64(side->bytes, UINT64_C(1)));
	}
	s->flow[0].side[rnd_below(r, 2)].abort_at = any_size(r, 20 * KIB) - 1;
}

static void draw_dead(struct rnd *r, struct scn *s)
{
	struct vnet_link down = s->link;

	down.down = true;
	links(s, soon(r, s), down, false);
	for (unsigned int i = 0; i < s->hosts; i++) {
		s->conf[i].user_timeout_us = (20 + rnd_below(r, 300)) * SEC;
		s->conf[i].connect_timeout_us = (20 + rnd_below(r, 300)) * SEC;
	}
}

static void draw_trouble(struct rnd *r, struct scn *s)
{
	s->trouble = one_in(r, 4) ? SCN_NONE : (enum scn_trouble)rnd_below(r, SCN_TROUBLE_COUNT);
	switch (s->trouble) {
	case SCN_OUTAGES:
		draw_outages(r, s);
		break;
	case SCN_FLAPS:
		draw_flaps(r, s);
		break;
	case SCN_ONE_WAY:
		draw_one_way(r, s);
		break;
	case SCN_ON_OFF:
		draw_on_off(r, s);
		break;
	case SCN_RATES:
	case SCN_DELAYS:
	case SCN_MTUS:
		draw_changes(r, s);
		break;
	case SCN_FROZEN:
		draw_host(r, s, SCN_FREEZE, SCN_THAW, any_size(r, 5 * SEC));
		break;
	case SCN_STOPPED:
		draw_host(r, s, SCN_STOP, SCN_GO, PICK(r, 1, 10, 60) * SEC);
		break;
	case SCN_FORGED:
		s->link.forge = 20000;
		break;
	case SCN_ABORTS:
		draw_aborts(r, s);
		break;
	case SCN_DEAD:
		draw_dead(r, s);
		break;
	case SCN_NONE:
	case SCN_TROUBLE_COUNT:
		break;
	}
}

void scn_draw(uint64_t seed, struct scn *ret)
{
	struct rnd r = {seed};

	*ret = (struct scn){.seed = seed};
	ret->hosts = one_in(&r, 5) ? 3 : 2;
	ret->flows = one_in(&r, 2) ? 1 : 1 + rnd_below(&r, SCN_FLOWS);
	for (unsigned int i = 0; i < ret->hosts; i++)
		ret->conf[i] = draw_conf(&r, ret->flows);
	ret->wraps = one_in(&r, 4);
	ret->mtu = (uint16_t)PICK(&r, 1500, 1500, 1500, 9000, 1280);
	ret->link = draw_link(&r);
	draw_flows(&r, ret);
	draw_trouble(&r, ret);
	ret->tight = one_in(&r, 8);
}

/* --- in words --------------------------------------------------------------------------------- */

const char *scn_trouble_text(enum scn_trouble t)
{
	static const char *const text[] = {
#define X(name, text) text,
		SCN_TROUBLES(X)
#undef X
	};

	return text[t];
}

void scn_print(const struct scn *s)
{
	const struct vnet_link *l = &s->link;

	printf("seed %lu: %u hosts, MTU %u, %s buffers, %s; %s\n", s->seed, s->hosts, s->mtu,
	       s->tight ? "few" : "enough",
	       s->wraps ? "sequence numbers wrap" : "any sequence numbers",
	       scn_trouble_text(s->trouble));
	printf("  link %lu+%lu us, %lu bit/s, queue %lu us, loss %u, burst %u of %u, reorder %u by "
	       "%u or %lu us, dup %u, corrupt %u, marks %u %lu us%s%s\n",
	       l->delay_us, l->jitter_us, l->bits_per_s, l->queue_us, l->loss, l->burst,
	       l->burst_max, l->reorder, l->reorder_max, l->reorder_us, l->dup, l->corrupt, l->mark,
	       l->mark_us, l->no_sack ? ", no SACK" : "", l->no_ts ? ", no timestamps" : "");
	for (unsigned int i = 0; i < s->hosts; i++)
		printf("  host %u: rx %u (%u) tx %u, %s, ECN %d%s, half-open %u\n", i,
		       s->conf[i].rx_budget, s->conf[i].rx_initial, s->conf[i].tx_budget,
		       s->conf[i].cc->name, s->conf[i].ecn,
		       s->conf[i].no_pacing ? ", no pacing" : "", s->conf[i].half_open_max);
	for (unsigned int i = 0; i < s->flows; i++)
		for (unsigned int k = 0; k < 2; k++) {
			const struct scn_flow *f = &s->flow[i];
			const struct scn_side *d = &f->side[k];

			printf("  flow %u %u->%u IPv%u at %lu: %lu bytes by %u, reads %u each %lu "
			       "us, chunks %lu each %lu us, abort at %ld%s\n",
			       i, f->host[k], f->host[!k], f->family, f->start_us, d->bytes,
			       d->write_max, d->read_max, d->read_gap_us, d->chunk, d->gap_us,
			       (long)d->abort_at, d->nagle ? ", Nagle" : "");
		}
	for (unsigned int i = 0; i < RTE_MIN(s->events, 24u); i++)
		printf("  at %lu us: %d, %u to %u: %s, %lu bit/s, %lu us, MTU %u%s\n",
		       s->event[i].at_us, s->event[i].kind, s->event[i].a, s->event[i].b,
		       s->event[i].link.down ? "down" : "up", s->event[i].link.bits_per_s,
		       s->event[i].link.delay_us, s->event[i].link.mtu,
		       s->event[i].link.black_hole ? ", silently" : "");
}
