/*
 * control/session/channels.c - MaxChannelsPerConnection, MaxChannelsPerUser, MaxChannelsPerSource:
 * channels that there are at once.
 *
 * Those that are asked for are refused. What comes in by a listener is known here only once its
 * client has taken it: one too many is closed then.
 */
#include "control/count.h"
#include "control/session/internal.h"
#include "control/session/tally.h"

static const enum tally_of whose[CHANNEL_TALLIES] = {TALLY_USER_CHANNELS, TALLY_SOURCE_CHANNELS};

static const struct {
	enum control_counter count;
	const char *text;
} full[CHANNEL_TALLIES] = {
	{CONTROL_C_CHANNELS_USER, "too many channels of this user"},
	{CONTROL_C_CHANNELS_SOURCE, "too many channels from this address"},
};

void channels_limits(const struct session *s, uint32_t ret[CHANNEL_TALLIES])
{
	ret[0] = s->awake->conf.max_channels_per_user;
	ret[1] = s->awake->conf.max_channels_per_source;
}

bool channels_are_limited(const struct session *s)
{
	uint32_t max[CHANNEL_TALLIES];

	channels_limits(s, max);
	return max[0] != CONF_NO_LIMIT || max[1] != CONF_NO_LIMIT;
}

/* --- with a struct open -------------------------------------------------------------------------
 */

void channel_leave(struct session *s, struct open *o)
{
	for (unsigned int i = 0; i < CHANNEL_TALLIES; i++) {
		tally_sub(s->table->env, o->tally[i]);
		o->tally[i] = NULL;
	}
}

/* Without memory for it nobody is held off by it. */
void channel_kept(struct session *s, struct open *o)
{
	for (unsigned int i = 0; i < CHANNEL_TALLIES; i++)
		o->tally[i] = tally_add(s, whose[i]);
}

const char *channel_enter(struct session *s, struct open *o)
{
	uint32_t max[CHANNEL_TALLIES];

	if (s->n_opens >= s->awake->conf.max_channels_per_connection) {
		control_count(CONTROL_C_CHANNELS);
		return "too many channels";
	}
	channels_limits(s, max);
	for (unsigned int i = 0; i < CHANNEL_TALLIES; i++) {
		if (max[i] == CONF_NO_LIMIT || tally_n(s, whose[i]) < max[i])
			continue;
		control_count(full[i].count);
		return full[i].text;
	}
	channel_kept(s, o);
	return NULL;
}

/* --- without one --------------------------------------------------------------------------------
 */

/* All of them count for the network that the first one was of. */
void channels_up(struct session *s, struct channels *c)
{
	struct session_env *env = s->table->env;

	for (unsigned int i = 0; i < CHANNEL_TALLIES; i++) {
		if (c->n == 0)
			c->tally[i] = tally_add(s, whose[i]);
		else
			tally_more(env, c->tally[i]);
	}
	c->n++;
	s->n_up++;
	env->stats.channels++;
	most_up(&env->most_channels, (uint32_t)++s->n_opens);
}

void channels_down(struct session *s, struct channels *c)
{
	struct session_env *env = s->table->env;

	for (unsigned int i = 0; i < CHANNEL_TALLIES; i++)
		tally_sub(env, c->tally[i]);
	c->n--;
	s->n_up--;
	env->stats.channels--;
	most_down(&env->most_channels, (uint32_t)--s->n_opens);
}

void channels_over(struct session *s, struct channels *c)
{
	while (c->n > 0)
		channels_down(s, c);
}

const char *channels_too_many(const struct channels *c, const uint32_t max[CHANNEL_TALLIES])
{
	for (unsigned int i = 0; i < CHANNEL_TALLIES; i++) {
		if (max[i] == CONF_NO_LIMIT || c->tally[i] == NULL || c->tally[i]->n <= max[i])
			continue;
		control_count(full[i].count);
		return full[i].text;
	}
	return NULL;
}
