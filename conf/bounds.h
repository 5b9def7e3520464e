/*
 * conf/bounds.h - limits of one connection that a program of the operator's has named, beside those
 * of the file: the lesser of the two holds.
 *
 * They are among the marks of a login (conf/rule.h), so that whatever is found out about it later,
 * also by another control, is found out with them.
 */
#ifndef SLUICE_CONF_BOUNDS_H
#define SLUICE_CONF_BOUNDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"

#define CONF_BOUNDS_TEXT 160 /* bytes of them as a text, with its end */

/* name in an answer, what it bounds */
#define CONF_BOUNDS(X)                                                                             \
	X(MAX_CHANNELS, "max_channels", "MaxChannelsPerConnection")                                \
	X(MAX_SESSIONS, "max_sessions", "MaxSessions")                                             \
	X(MAX_LISTENERS, "max_listeners", "MaxListenersPerConnection")                             \
	X(MAX_AUTH_TRIES, "max_auth_tries", "MaxAuthTries")                                        \
	X(IDLE_TIMEOUT, "idle_timeout", "IdleTimeout, seconds")                                    \
	X(CONNECTION_RATE, "connection_rate", "ConnectionRate, bytes a second each way")           \
	X(CHANNEL_RATE, "channel_rate", "ChannelRate, bytes a second each way")                    \
	X(OPERATION_TIMEOUT, "operation_timeout", "OperationTimeout, seconds")

enum conf_bound {
#define X(name, text, keyword) CONF_BOUND_##name,
	CONF_BOUNDS(X)
#undef X
		CONF_BOUND_COUNT
};

/* 0: none; else the limit and one, so that none may be had, too. */
struct conf_bounds {
	uint64_t v[CONF_BOUND_COUNT];
};

const char *conf_bound_name(enum conf_bound b);
/* False: no such limit can be (a time of 0, a rate that the file may not name either, a number too large); *b is as it was. */
bool conf_bound_set(struct conf_bounds *b, enum conf_bound which, uint64_t limit);
bool conf_bounds_any(const struct conf_bounds *b);
/* The lesser of each. */
void conf_bounds_meet(struct conf_bounds *b, const struct conf_bounds *other);
void conf_bounds_apply(const struct conf_bounds *b, struct conf_session *s);
void conf_bounds_print(const struct conf_bounds *b, char ret[CONF_BOUNDS_TEXT]);
/* False: it is none of ours. */
bool conf_bounds_read(const char *text, struct conf_bounds *ret);

#endif
