/*
 * dataplane/shard_drain.c - how a shard comes to its end: nobody comes in any more, who is in has
 * DrainTime to finish, who is still there then is told to go (RFC 4253 section 11.1), and how long
 * to stay away.
 *
 * The first shard does what all need, neighbours and the link among it, so no shard leaves before
 * all have come to their end.
 */
#include "conf/conf.h"
#include "dataplane/internal.h"
#include "dataplane/log.h"

/* For the last words, beyond which they are not waited for: RELAY_LINGER_MS, and a little. */
#define PART_US 3000000

static void begin(struct shard *s)
{
	unsigned int conns;

	for (uint32_t i = 0; i < SHARD_LISTENERS_MAX; i++)
		if (s->listener[i].open)
			shard_close_listener(s, i);
	shard_listen_free(s); /* the kernel accepts as long as there is a socket */
	if (s->place == 0 && s->stopping != NULL)
		s->stopping(s->stopping_arg);
	relay_drain(s->relay);
	conns = relay_conns(s->relay);
	if (conns > 0)
		dp_log("shard %u: %u connections have %u ms to end", s->index, conns,
		       s->conf->drain_ms);
	s->drain = SHARD_DRAINING;
	s->drain_us = s->now_us + (uint64_t)s->conf->drain_ms * 1000;
}

static void part(struct shard *s)
{
	relay_part(s->relay, s->retry_after_s, s->now_us);
	s->drain = SHARD_PARTING;
	s->drain_us = s->now_us + PART_US;
}

static void ended(struct shard *s)
{
	s->drain = SHARD_ENDED;
	if (s->shards_ended != NULL)
		__atomic_add_fetch(s->shards_ended, 1, __ATOMIC_RELAXED);
}

static bool all_ended(const struct shard *s)
{
	if (s->drain != SHARD_ENDED)
		return false;
	return s->shards_ended == NULL ||
	       __atomic_load_n(s->shards_ended, __ATOMIC_RELAXED) >= s->team_size;
}

bool shard_drain(struct shard *s)
{
	if (s->drain == SHARD_SERVING)
		begin(s);
	if (s->drain == SHARD_ENDED)
		return all_ended(s);
	if (relay_conns(s->relay) == 0 ||
	    (s->drain == SHARD_PARTING && s->now_us >= s->drain_us))
		ended(s);
	else if (s->drain == SHARD_DRAINING && s->now_us >= s->drain_us)
		part(s);
	return all_ended(s);
}
