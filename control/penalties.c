#include "control/penalties.h"

#include <errno.h>
#include <stdlib.h>

#include "conf/match.h"
#include "control/count.h"
#include "control/log.h"
#include "control/policy/addr.h"

/* What stands in a table of sources. */
struct penalty_entry {
	uint64_t until_ms;
	uint32_t heap_at; /* its place in the heap */
	uint8_t why;      /* enum penalty, the last one */
	bool active;
};

/* One family: entries by source, and their numbers in a heap, the first to be free on top. */
struct side {
	const char *name;
	struct sources *by_source;
	uint32_t *heap;
	uint32_t heap_room;
	uint32_t max;
	bool deny_all;
};

struct penalties {
	const struct conf_penalties *conf;
	const char *exempt; /* NULL: nobody */
	struct source_bits bits;
	struct side v4, v6;
};

static const char *const why_text[PENALTY_COUNT] = {
#define X(name, field, text) [PENALTY_##name] = text,
	PENALTIES(X)
#undef X
};

static uint32_t price(const struct conf_penalties *c, enum penalty why)
{
	switch (why) {
#define X(name, field, text)                                                                       \
	case PENALTY_##name:                                                                       \
		return c->field;
		PENALTIES(X)
#undef X
	default:
		return 0;
	}
}

/* --- the heap --------------------------------------------------------------------------------- */

static struct penalty_entry *entry(const struct side *s, uint32_t number)
{
	return sources_value(s->by_source, number);
}

static void place(struct side *s, uint32_t at, uint32_t number)
{
	s->heap[at] = number;
	entry(s, number)->heap_at = at;
}

static bool sooner(const struct side *s, uint32_t a, uint32_t b)
{
	return entry(s, s->heap[a])->until_ms < entry(s, s->heap[b])->until_ms;
}

static void swap(struct side *s, uint32_t a, uint32_t b)
{
	uint32_t number = s->heap[a];

	place(s, a, s->heap[b]);
	place(s, b, number);
}

/* n entries are in order but for the one at this place. */
static void settle(struct side *s, uint32_t at, uint32_t n)
{
	while (at > 0 && sooner(s, at, (at - 1) / 2)) {
		swap(s, at, (at - 1) / 2);
		at = (at - 1) / 2;
	}
	for (;;) {
		uint32_t least = at, left = 2 * at + 1;

		for (uint32_t child = left; child < n && child < left + 2; child++)
			if (sooner(s, child, least))
				least = child;
		if (least == at)
			return;
		swap(s, at, least);
		at = least;
	}
}

static int heap_room(struct side *s)
{
	uint32_t n = sources_count(s->by_source), room = s->heap_room > 0 ? s->heap_room * 2 : 64;
	uint32_t *heap;

	if (n < s->heap_room)
		return 0;
	heap = realloc(s->heap, room * sizeof(*heap));
	if (heap == NULL)
		return -ENOMEM;
	s->heap = heap;
	s->heap_room = room;
	return 0;
}

static void pop(struct side *s)
{
	uint32_t number = s->heap[0], n = sources_count(s->by_source);

	if (n > 1) {
		place(s, 0, s->heap[n - 1]);
		settle(s, 0, n - 1);
	}
	sources_remove(s->by_source, number);
}

static void expire(struct side *s, uint64_t now_ms)
{
	while (sources_count(s->by_source) > 0 && entry(s, s->heap[0])->until_ms <= now_ms)
		pop(s);
}

/* --- life ------------------------------------------------------------------------------------- */

static int side_init(struct side *s, const char *name, uint32_t max, bool deny_all)
{
	*s = (struct side){.name = name, .max = max, .deny_all = deny_all};
	return sources_new(max, sizeof(struct penalty_entry), &s->by_source);
}

int penalties_new(const struct conf_global *g, struct penalties **ret)
{
	const struct conf_penalties *c = &g->penalties;
	struct penalties *p = calloc(1, sizeof(*p));
	int r;

	if (p == NULL)
		return -ENOMEM;
	p->conf = c;
	p->exempt = g->penalty_exempt;
	p->bits = (struct source_bits){g->source_bits4, g->source_bits6};
	r = side_init(&p->v4, "ipv4", c->max_sources4, c->deny_all4);
	if (r == 0)
		r = side_init(&p->v6, "ipv6", c->max_sources6, c->deny_all6);
	if (r < 0) {
		penalties_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

void penalties_free(struct penalties *p)
{
	if (p == NULL)
		return;
	sources_free(p->v4.by_source);
	sources_free(p->v6.by_source);
	free(p->v4.heap);
	free(p->v6.heap);
	free(p);
}

int penalties_renew(struct penalties **p, const struct conf_global *g)
{
	const struct conf_penalties *c = &g->penalties;
	struct penalties *old = *p;

	if (old->bits.v4 == g->source_bits4 && old->bits.v6 == g->source_bits6 &&
	    old->v4.max == c->max_sources4 && old->v6.max == c->max_sources6) {
		old->conf = c;
		old->exempt = g->penalty_exempt;
		old->v4.deny_all = c->deny_all4;
		old->v6.deny_all = c->deny_all6;
		return 0;
	}
	if (penalties_new(g, p) < 0)
		return -ENOMEM;
	penalties_free(old);
	return 0;
}

/* --- offences --------------------------------------------------------------------------------- */

static struct side *side_of(struct penalties *p, const struct source *from)
{
	return from->family == 4 ? &p->v4 : &p->v6;
}

static bool exempt(const struct penalties *p, const struct link_addr *peer)
{
	struct link_addr plain = *peer;
	char text[ADDR_TEXT_MAX];

	if (p->exempt == NULL)
		return false;
	addr_unmap(&plain);
	return match_addr_list(addr_text(&plain, text), p->exempt) == MATCH_YES;
}

const char *penalties_refuse(struct penalties *p, const struct link_addr *peer, uint64_t now_ms)
{
	struct source from = source_of(peer, &p->bits);
	struct side *s = side_of(p, &from);
	const struct penalty_entry *e;

	if (!p->conf->enabled)
		return NULL;
	expire(s, now_ms);
	if (sources_count(s->by_source) == 0 || exempt(p, peer))
		return NULL;
	if (s->deny_all && sources_count(s->by_source) >= s->max) {
		control_count(CONTROL_C_PENALTIES_FULL);
		return "too many penalised addresses";
	}
	e = entry(s, sources_find(s->by_source, &from));
	return e != NULL && e->active ? why_text[e->why] : NULL;
}

/* A first offence. False: it cannot be kept. */
static bool add_new(struct side *s, const struct source *from, uint64_t until_ms, uint32_t *ret)
{
	if (sources_count(s->by_source) >= s->max && s->max > 0) {
		control_count(CONTROL_C_PENALTIES_FULL);
		pop(s); /* permissive: deny-all was answered before */
	}
	if (heap_room(s) < 0 || sources_add(s->by_source, from, ret) < 0)
		return false;
	entry(s, *ret)->until_ms = until_ms;
	place(s, sources_count(s->by_source) - 1, *ret);
	return true;
}

/* In sshd's words. */
static void say(const struct side *s, const char *source, bool known, bool active, uint64_t left_ms,
		enum penalty why)
{
	double seconds = (double)left_ms / 1000;

	if (known)
		log_line(LOG_L_INFO,
			 "srclimit_penalise: %s: activating %s penalty of %.3f seconds for %s",
			 source, s->name, seconds, why_text[why]);
	else
		log_line(active ? LOG_L_INFO : LOG_L_VERBOSE,
			 "srclimit_penalise: %s: new %s %s penalty of %.3f seconds for %s", s->name,
			 source, active ? "active" : "deferred", seconds, why_text[why]);
}

void penalties_add(struct penalties *p, const struct link_addr *peer, enum penalty why,
		   uint64_t now_ms)
{
	struct source from = source_of(peer, &p->bits);
	struct side *s = side_of(p, &from);
	uint32_t ms = price(p->conf, why), number;
	char text[SOURCE_TEXT_MAX];
	struct penalty_entry *e;
	uint64_t left_ms;
	bool known, active;

	if (!p->conf->enabled || ms == 0 || exempt(p, peer))
		return;
	expire(s, now_ms);
	source_text(&from, text);
	if (s->deny_all && sources_count(s->by_source) >= s->max) {
		log_line(LOG_L_VERBOSE,
			 "srclimit_penalise: %s penalty table full, cannot penalise "
			 "%s for %s",
			 s->name, text, why_text[why]);
		return;
	}
	number = sources_find(s->by_source, &from);
	known = number != SOURCES_NONE;
	if (!known && !add_new(s, &from, now_ms, &number))
		return;
	e = entry(s, number);
	left_ms = e->until_ms - now_ms + ms;
	/* sshd: a first offence counts whole, whatever max says. */
	if (known && left_ms > p->conf->max_ms)
		left_ms = p->conf->max_ms;
	active = e->active || left_ms > p->conf->min_ms;
	if (!known || active != e->active)
		say(s, text, known, active, left_ms, why);
	e->until_ms = now_ms + left_ms;
	e->active = active;
	e->why = (uint8_t)why;
	settle(s, e->heap_at, sources_count(s->by_source));
}

/* --- for those who look ---------------------------------------------------------- */

static bool view(const struct side *s, uint32_t number, uint64_t now_ms, struct penalty_view *ret)
{
	const struct penalty_entry *e = entry(s, number);
	struct source key;

	if (e == NULL || e->until_ms <= now_ms)
		return false;
	key = sources_key(s->by_source, number);
	source_text(&key, ret->source);
	ret->why = why_text[e->why];
	ret->left_ms = e->until_ms - now_ms;
	ret->active = e->active;
	return true;
}

bool penalties_next(struct penalties *p, uint64_t *at, uint64_t now_ms, struct penalty_view *ret)
{
	uint64_t n4 = sources_room(p->v4.by_source), n6 = sources_room(p->v6.by_source);

	for (;;) {
		bool in_v4 = *at >> 32 == 0;
		uint32_t number = (uint32_t)*at;

		if (in_v4 && number >= n4) {
			*at = UINT64_C(1) << 32;
			continue;
		}
		if (!in_v4 && number >= n6)
			return false;
		++*at;
		if (view(in_v4 ? &p->v4 : &p->v6, number, now_ms, ret))
			return true;
	}
}

uint32_t penalties_count(const struct penalties *p, uint8_t family)
{
	return sources_count(family == 4 ? p->v4.by_source : p->v6.by_source);
}
