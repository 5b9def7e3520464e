/* client/lib/stay.c - see stay.h. */
#include "client/lib/stay.h"

#include <limits.h>

/* xorshift64*: spreads agents, keeps no secret. */
static uint64_t draw(struct stay *s, uint64_t below)
{
	s->random ^= s->random >> 12;
	s->random ^= s->random << 25;
	s->random ^= s->random >> 27;
	return (s->random * 0x2545f4914f6cdd1d >> 16) % below;
}

void stay_init(struct stay *s, const struct stay_conf *conf, uint64_t seed, uint64_t now_ms)
{
	*s = (struct stay){.conf = *conf, .state = STAY_WAITING, .at_ms = now_ms};
	s->random = (seed ^ 0x9e3779b97f4a7c15) | 1;
}

enum stay_do stay_step(struct stay *s, uint64_t now_ms)
{
	if ((s->state != STAY_WAITING && s->state != STAY_TRYING) || now_ms < s->at_ms)
		return STAY_DO_NOTHING;
	if (s->state == STAY_TRYING)
		return STAY_DO_GIVE_UP;
	s->state = STAY_TRYING;
	s->at_ms = now_ms + s->conf.try_ms;
	return STAY_DO_TRY;
}

int stay_timeout_ms(const struct stay *s, uint64_t now_ms)
{
	if (s->state != STAY_WAITING && s->state != STAY_TRYING)
		return -1;
	if (s->at_ms <= now_ms)
		return 0;
	return s->at_ms - now_ms < INT_MAX ? (int)(s->at_ms - now_ms) : INT_MAX;
}

void stay_up(struct stay *s, uint64_t now_ms)
{
	s->state = STAY_UP;
	s->was_up = true;
	s->since_ms = now_ms;
}

uint64_t stay_interval_ms(const struct stay *s)
{
	uint64_t ms = s->conf.interval_ms;

	for (uint32_t i = 1; i < s->tries && ms < s->conf.interval_max_ms; i++)
		ms *= 2;
	return ms < s->conf.interval_max_ms ? ms : s->conf.interval_max_ms;
}

static bool tried_out(const struct stay *s)
{
	return s->conf.tries_max > 0 && s->tries >= s->conf.tries_max;
}

bool stay_spent(const struct stay *s)
{
	return s->state == STAY_OVER && tried_out(s);
}

/* It is tried at all, if not too often. */
static bool wanted(const struct stay *s)
{
	return s->state != STAY_OVER && s->conf.mode != STAY_NEVER &&
	       (s->conf.mode != STAY_BREAK || s->was_up);
}

/* The next one: once the server wants us, at least so long behind that, and within so long. */
static bool again(struct stay *s, uint32_t hint_s, uint64_t least_ms, uint64_t within_ms,
		  uint64_t now_ms, struct stay_attempt *ret)
{
	const struct stay_conf *c = &s->conf;
	uint64_t away_ms = (hint_s < STAY_HINT_MAX_S ? hint_s : STAY_HINT_MAX_S) * UINT64_C(1000);

	s->away_ms = now_ms + away_ms;
	ret->count = s->tries > 0 ? s->tries : 1; /* who is sent away at first has not failed */
	ret->remaining = c->tries_max > 0 ? c->tries_max - s->tries : UINT32_MAX;
	ret->wait_ms = away_ms + 1 + least_ms + draw(s, within_ms - least_ms);
	s->state = STAY_WAITING;
	s->at_ms = now_ms + ret->wait_ms;
	return true;
}

static bool over(struct stay *s)
{
	s->state = STAY_OVER;
	return false;
}

bool stay_down(struct stay *s, uint32_t hint_s, uint64_t now_ms, struct stay_attempt *ret)
{
	uint64_t ms, least;

	if (s->state == STAY_UP && now_ms - s->since_ms >= s->conf.interval_ms)
		s->tries = 0;
	if (!wanted(s) || tried_out(s))
		return over(s);
	s->tries += s->tries < UINT32_MAX;
	ms = stay_interval_ms(s);
	if (s->conf.steady > 0)
		least = ms * s->conf.steady / 100;
	else
		least = s->tries > 1 ? ms / 2 : 0;
	return again(s, hint_s, least < ms ? least : ms - 1, ms, now_ms, ret);
}

bool stay_later(struct stay *s, uint32_t hint_s, uint64_t now_ms, struct stay_attempt *ret)
{
	if (!wanted(s))
		return over(s);
	return again(s, hint_s, 0, STAY_LATER_MS, now_ms, ret);
}

void stay_soon(struct stay *s, uint64_t now_ms)
{
	uint64_t from = s->away_ms > now_ms ? s->away_ms : now_ms;
	uint64_t at = from + 1 + draw(s, s->conf.interval_ms);

	if (s->state == STAY_WAITING && at < s->at_ms)
		s->at_ms = at;
}

void stay_again(struct stay *s, uint64_t now_ms, struct stay_attempt *ret)
{
	s->state = STAY_WAITING;
	s->at_ms = now_ms;
	s->tries = 1;
	*ret = (struct stay_attempt){.count = 1,
				     .remaining = s->conf.tries_max > 0 ? s->conf.tries_max - 1
									: UINT32_MAX};
}

void stay_cancel(struct stay *s)
{
	s->state = STAY_OVER;
}

#define CONNECTIONS_BITS 20

uint64_t stay_epoch(uint64_t started_s, uint32_t connection)
{
	return started_s << CONNECTIONS_BITS | (connection & ((UINT32_C(1) << CONNECTIONS_BITS) - 1));
}
