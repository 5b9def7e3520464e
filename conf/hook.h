/*
 * conf/hook.h - PolicyHook and ChannelHandler: programs of the operator's, and what they are for.
 *
 * A line is checked when the file is read; what is found here is well formed.
 * Memory  paths lie in the struct itself.
 */
#ifndef SLUICE_CONF_HOOK_H
#define SLUICE_CONF_HOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"

#define CONF_SOCKET_MAX      108 /* bytes of a socket's path, with its end: sun_path */
#define CONF_HOOK_WAIT_MS    10000
#define CONF_HANDLER_FOR_MAX 320 /* bytes of what a ChannelHandler is for */

/* Bits: what a program is asked about, or given. */
enum conf_hook_kind {
	CONF_HOOK_CONNECTION = 1 << 0,
	CONF_HOOK_ESTABLISHED = 1 << 1,
	CONF_HOOK_SERVICE = 1 << 2,
	CONF_HOOK_AUTH = 1 << 3,
	CONF_HOOK_AUTH_SECRET = 1 << 4, /* passwords and answers are among what it is given */
	CONF_HOOK_AUTH_SIG = 1 << 5,
	CONF_HOOK_CHANNEL_OPEN = 1 << 6,
	CONF_HOOK_CHANNEL_REQUEST = 1 << 7,
	CONF_HOOK_FORWARD = 1 << 8,
	/* What it is told, and not asked. */
	CONF_HOOK_STATUS = 1 << 9,
	CONF_HOOK_AUTH_RESULT = 1 << 10,
	CONF_HOOK_CHANNEL_OPENED = 1 << 11,
	CONF_HOOK_CHANNEL_EOF = 1 << 12,
	CONF_HOOK_CHANNEL_CLOSED = 1 << 13,
	CONF_HOOK_TUNNEL_CLOSED = 1 << 14,
	CONF_HOOK_ERROR = 1 << 15,
	CONF_HOOK_CLOSED = 1 << 16,
	CONF_HOOK_NEWS = CONF_HOOK_STATUS | CONF_HOOK_AUTH_RESULT | CONF_HOOK_CHANNEL_OPENED |
			 CONF_HOOK_CHANNEL_EOF | CONF_HOOK_CHANNEL_CLOSED |
			 CONF_HOOK_TUNNEL_CLOSED | CONF_HOOK_ERROR | CONF_HOOK_CLOSED,
};

struct conf_hook {
	char path[CONF_SOCKET_MAX];
	unsigned int kinds;     /* CONF_HOOK_* */
	unsigned int authority; /* of them: what it may allow though the configuration does not */
	uint32_t timeout_ms;
	bool fail_open; /* no answer: the configuration decides; else it is refused */
};

/* The first PolicyHook that has this kind; false: none. */
bool conf_hook_for(const struct conf_session *s, enum conf_hook_kind kind, struct conf_hook *ret);
/* Is there, for anybody, one that has a kind of CONF_HOOK_NEWS? */
bool conf_hook_news(const struct conf *conf);
/* As requests name it. */
const char *conf_hook_kind_name(enum conf_hook_kind kind);

/*
 * The socket of the first ChannelHandler for this channel type, and what is asked of it ("" where
 * nothing is): one for "session/subsystem:foo", say, or for "x-echo@example.org". False: none.
 */
bool conf_handler_for(const struct conf_session *s, const char *type, const char *name,
		      char ret[CONF_SOCKET_MAX]);

/* Is there any for what begins so? */
bool conf_handler_any(const struct conf_session *s, const char *prefix);

#endif
