/*
 * control/session/rates.h - ChannelRate, ConnectionRate, UserRate, RoleRate of one connection;
 * ConnectionShare, UserShare, RoleShare; MaxBytesInFlightPerConnection, ...PerUser, ...PerSource.
 */
#ifndef SLUICE_CONTROL_SESSION_RATES_H
#define SLUICE_CONTROL_SESSION_RATES_H

#include <stdbool.h>

#include "conf/conf.h"

struct session;

/*
 * To its shard: what c says of it, from here on. What it has already stays as it is, level and
 * all. Nothing is sent where there is nothing and was nothing.
 */
void rates_send(struct session *s, const struct conf_session *c);
/* Its shard has been told of some, or of none: counted in env->n_rated. */
void rates_known(struct session *s, bool has);
/* Would it have others by b than by a? */
bool rates_differ(const struct session *s, const struct conf_session *a,
		  const struct conf_session *b);

#endif
