/*
 * control/session/channels.c - MaxChannelsPerConnection, MaxChannelsPerUser, MaxChannelsPerSource:
 * channels that clients open and that are open at once.
 */
#include "control/count.h"
#include "control/session/internal.h"
#include "control/session/tally.h"

#define WHOSE 2

static const enum tally_of whose[WHOSE] = {TALLY_USER_CHANNELS, TALLY_SOURCE_CHANNELS};

static void limits_of(const struct session *s, uint32_t ret[WHOSE])
{
	ret[0] = s->awake->conf.max_channels_per_user;
	ret[1] = s->awake->conf.max_channels_per_source;
}

bool channels_are_limited(const struct session *s)
{
	uint32_t max[WHOSE];

	limits_of(s, max);
	return max[0] != CONF_NO_LIMIT || max[1] != CONF_NO_LIMIT;
}

void channel_leave(struct session *s, struct open *o)
{
	for (unsigned int i = 0; i < WHOSE; i++) {
		tally_sub(s->table->env, o->tally[i]);
		o->tally[i] = NULL;
	}
}

/* Without memory for it nobody is held off by it. */
void channel_kept(struct session *s, struct open *o)
{
	for (unsigned int i = 0; i < WHOSE; i++)
		o->tally[i] = tally_add(s, whose[i]);
}

const char *channel_enter(struct session *s, struct open *o)
{
	static const struct {
		enum control_counter count;
		const char *text;
	} full[WHOSE] = {
		{CONTROL_C_CHANNELS_USER, "too many channels of this user"},
		{CONTROL_C_CHANNELS_SOURCE, "too many channels from this address"},
	};
	uint32_t max[WHOSE];

	if (s->n_opens >= s->awake->conf.max_channels_per_connection) {
		control_count(CONTROL_C_CHANNELS);
		return "too many channels";
	}
	limits_of(s, max);
	for (unsigned int i = 0; i < WHOSE; i++) {
		if (max[i] == CONF_NO_LIMIT || tally_n(s, whose[i]) < max[i])
			continue;
		control_count(full[i].count);
		return full[i].text;
	}
	channel_kept(s, o);
	return NULL;
}
