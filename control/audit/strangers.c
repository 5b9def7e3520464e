#include "control/audit/strangers.h"

#include <errno.h>
#include <stdlib.h>

#include "control/audit/audit.h"

#define SWEEP 4 /* places that are looked at for each record */

struct bucket {
	uint64_t milli; /* thousandths of a byte that it may write now */
	uint64_t at_ms;
	uint64_t n, bytes; /* left out, and not said yet */
	uint64_t since_ms; /* the first of those */
};

struct strangers {
	struct sources *of;
	struct bucket others;
	uint64_t rate, full_milli;
	uint32_t hand, mouth; /* where it looks next, and has spoken last */
	uint64_t unsaid;
};

int strangers_new(uint32_t rate, struct strangers **ret)
{
	struct strangers *s = calloc(1, sizeof(*s));
	int r;

	if (s == NULL)
		return -ENOMEM;
	s->rate = rate;
	s->full_milli = (uint64_t)rate * AUDIT_BURST_S * 1000;
	s->others.milli = s->full_milli;
	r = sources_new(AUDIT_NETS_MAX, sizeof(struct bucket), &s->of);
	if (r < 0) {
		free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void strangers_free(struct strangers *s)
{
	if (s == NULL)
		return;
	sources_free(s->of);
	free(s);
}

static void refill(const struct strangers *s, struct bucket *b, uint64_t now_ms)
{
	uint64_t ms = now_ms - b->at_ms;

	b->at_ms = now_ms;
	/* s->rate bytes a second are as many thousandths a millisecond. */
	b->milli =
		ms > (s->full_milli - b->milli) / s->rate ? s->full_milli : b->milli + ms * s->rate;
}

/* Who has all it may have, and of whom nothing is to be said, is as one that never came. */
static void sweep(struct strangers *s, uint64_t now_ms)
{
	for (unsigned int i = 0; i < SWEEP && sources_room(s->of) > 0; i++) {
		struct bucket *b;

		s->hand = (s->hand + 1) % sources_room(s->of);
		b = sources_value(s->of, s->hand);
		if (b == NULL)
			continue;
		refill(s, b, now_ms);
		if (b->milli == s->full_milli && b->n == 0)
			sources_remove(s->of, s->hand);
	}
}

static struct bucket *bucket_of(struct strangers *s, const struct source *from, uint64_t now_ms)
{
	uint32_t at = sources_find(s->of, from);
	struct bucket *b;

	if (at != SOURCES_NONE)
		return sources_value(s->of, at);
	if (sources_add(s->of, from, &at) < 0)
		return &s->others;
	b = sources_value(s->of, at);
	b->milli = s->full_milli;
	b->at_ms = now_ms;
	return b;
}

bool strangers_may(struct strangers *s, const struct source *from, size_t bytes, uint64_t now_ms)
{
	struct bucket *b;

	sweep(s, now_ms);
	b = bucket_of(s, from, now_ms);
	refill(s, b, now_ms);
	if (b->milli >= bytes * 1000) {
		b->milli -= bytes * 1000;
		return true;
	}
	if (b->n++ == 0)
		b->since_ms = now_ms;
	b->bytes += bytes;
	s->unsaid++;
	return false;
}

static bool say(struct strangers *s, struct bucket *b, const struct source *from,
		struct strangers_said *ret)
{
	*ret = (struct strangers_said){*from, b->n, b->bytes};
	s->unsaid -= b->n;
	b->n = b->bytes = 0;
	return true;
}

bool strangers_say(struct strangers *s, uint64_t now_ms, bool all, struct strangers_said *ret)
{
	static const struct source nobody;

	if (s->unsaid == 0)
		return false;
	for (uint32_t i = 0; i < sources_room(s->of); i++) {
		uint32_t at = s->mouth = (s->mouth + 1) % sources_room(s->of);
		struct bucket *b = sources_value(s->of, at);
		struct source from;

		if (b == NULL || b->n == 0 || (!all && now_ms < b->since_ms + AUDIT_SPEAK_MS))
			continue;
		from = sources_key(s->of, at);
		return say(s, b, &from, ret);
	}
	if (s->others.n > 0 && (all || now_ms >= s->others.since_ms + AUDIT_SPEAK_MS))
		return say(s, &s->others, &nobody, ret);
	return false;
}
