#include "conf/bounds.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BOUND_MAX  UINT32_MAX
#define TIME_MAX_S (UINT32_MAX / 1000)

const char *conf_bound_name(enum conf_bound b)
{
	static const char *const name[] = {
#define X(id, text, keyword) [CONF_BOUND_##id] = text,
		CONF_BOUNDS(X)
#undef X
	};

	return name[b];
}

static bool possible(enum conf_bound which, uint64_t limit)
{
	switch (which) {
	case CONF_BOUND_IDLE_TIMEOUT:
	case CONF_BOUND_OPERATION_TIMEOUT:
		return limit > 0 && limit <= TIME_MAX_S;
	case CONF_BOUND_MAX_AUTH_TRIES:
		return limit > 0 && limit <= BOUND_MAX;
	case CONF_BOUND_CONNECTION_RATE:
	case CONF_BOUND_CHANNEL_RATE:
		return conf_rate_ok(limit);
	default:
		return limit <= BOUND_MAX;
	}
}

bool conf_bound_set(struct conf_bounds *b, enum conf_bound which, uint64_t limit)
{
	if (!possible(which, limit))
		return false;
	b->v[which] = limit + 1;
	return true;
}

bool conf_bounds_any(const struct conf_bounds *b)
{
	for (unsigned int i = 0; i < CONF_BOUND_COUNT; i++)
		if (b->v[i] != 0)
			return true;
	return false;
}

void conf_bounds_meet(struct conf_bounds *b, const struct conf_bounds *other)
{
	for (unsigned int i = 0; i < CONF_BOUND_COUNT; i++)
		if (other->v[i] != 0 && (b->v[i] == 0 || other->v[i] < b->v[i]))
			b->v[i] = other->v[i];
}

static void lower(const struct conf_bounds *b, enum conf_bound which, uint32_t *field)
{
	if (b->v[which] != 0 && b->v[which] - 1 < *field)
		*field = (uint32_t)(b->v[which] - 1);
}

/* The same of seconds; where there is none, none_ms stands. */
static void sooner(const struct conf_bounds *b, enum conf_bound which, uint32_t none_ms,
		   uint32_t *field)
{
	uint64_t v = b->v[which];

	if (v != 0 && (*field == none_ms || (v - 1) * 1000 < *field))
		*field = (uint32_t)((v - 1) * 1000);
}

/* Where 0 is that there is none. */
static void slower(const struct conf_bounds *b, enum conf_bound which, uint64_t *field)
{
	if (b->v[which] != 0 && (*field == 0 || b->v[which] - 1 < *field))
		*field = b->v[which] - 1;
}

void conf_bounds_apply(const struct conf_bounds *b, struct conf_session *s)
{
	lower(b, CONF_BOUND_MAX_CHANNELS, &s->max_channels_per_connection);
	lower(b, CONF_BOUND_MAX_SESSIONS, &s->max_sessions);
	lower(b, CONF_BOUND_MAX_LISTENERS, &s->max_listeners_per_connection);
	lower(b, CONF_BOUND_MAX_AUTH_TRIES, &s->max_auth_tries);
	sooner(b, CONF_BOUND_IDLE_TIMEOUT, 0, &s->idle_timeout_ms);
	sooner(b, CONF_BOUND_OPERATION_TIMEOUT, CONF_TIME_NONE, &s->operation_timeout.ms);
	slower(b, CONF_BOUND_CONNECTION_RATE, &s->connection_rate.in);
	slower(b, CONF_BOUND_CONNECTION_RATE, &s->connection_rate.out);
	slower(b, CONF_BOUND_CHANNEL_RATE, &s->channel_rate.in);
	slower(b, CONF_BOUND_CHANNEL_RATE, &s->channel_rate.out);
}

void conf_bounds_print(const struct conf_bounds *b, char ret[CONF_BOUNDS_TEXT])
{
	size_t len = 0;

	_Static_assert(CONF_BOUND_COUNT * 13 < CONF_BOUNDS_TEXT, "each has up to twelve digits");
	for (unsigned int i = 0; i < CONF_BOUND_COUNT; i++)
		len += (size_t)snprintf(ret + len, CONF_BOUNDS_TEXT - len, "%s%" PRIu64,
					i > 0 ? " " : "", b->v[i]);
}

bool conf_bounds_read(const char *text, struct conf_bounds *ret)
{
	struct conf_bounds b = {0};

	for (unsigned int i = 0; i < CONF_BOUND_COUNT; i++) {
		char *end;
		uint64_t v = strtoull(text, &end, 10);

		if (end == text || *end != (i + 1 < CONF_BOUND_COUNT ? ' ' : '\0') ||
		    (v != 0 && !conf_bound_set(&b, (enum conf_bound)i, v - 1)))
			return false;
		text = end + 1;
	}
	*ret = b;
	return true;
}
