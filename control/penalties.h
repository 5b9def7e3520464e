/*
 * control/penalties.h - PerSourcePenalties: sources that misbehave are refused for a while.
 *
 * Source  sshd_config(5) of OpenSSH 10: each offence adds its time to what is left of those before,
 *         up to max; the source is refused from the moment more than min is due. A source is a
 *         network of PerSourceNetBlockSize. IPv4 and IPv6 have tables of their own: neither
 *         crowds the other out. A full one forgets who would be free first (permissive), or
 *         everybody of its family is refused until there is room (deny-all).
 * Memory  at most max-sources4 and max-sources6 entries of some 60 bytes.
 * Thread  the loop's.
 */
#ifndef SLUICE_CONTROL_PENALTIES_H
#define SLUICE_CONTROL_PENALTIES_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"
#include "control/sources.h"

/* field of struct conf_penalties, why a connection is dropped */
#define PENALTIES(X)                                                                               \
	X(CRASH, crash_ms, "penalty: caused crash")                                                \
	X(AUTHFAIL, authfail_ms, "penalty: failed authentication")                                 \
	X(INVALIDUSER, invaliduser_ms, "penalty: attempted authentication by invalid user")        \
	X(NOAUTH, noauth_ms, "penalty: connections without attempting authentication")             \
	X(GRACE, grace_exceeded_ms, "penalty: exceeded LoginGraceTime")                            \
	X(REFUSED, refuseconnection_ms, "penalty: connection prohibited by RefuseConnection")

enum penalty {
	PENALTY_NONE = 0,
#define X(name, field, text) PENALTY_##name,
	PENALTIES(X)
#undef X
		PENALTY_COUNT
};

struct penalties;

/* Of the configuration, whose strings are borrowed. Penalties that are off refuse nobody. */
int penalties_new(const struct conf_global *g, struct penalties **ret)
	__attribute__((warn_unused_result));
void penalties_free(struct penalties *p); /* NULL is nothing */
/*
 * *p goes by another configuration. What is due stays due, unless sources are not what they were,
 * or not as many are kept: then *p begins anew. Negative: all is as it was.
 */
int penalties_renew(struct penalties **p, const struct conf_global *g)
	__attribute__((warn_unused_result));

/* NULL: it may come in; else why not, in sshd's words. */
const char *penalties_refuse(struct penalties *p, const struct link_addr *peer, uint64_t now_ms);
/* Its offence; said in the log when it begins to be refused. */
void penalties_add(struct penalties *p, const struct link_addr *peer, enum penalty why,
		   uint64_t now_ms);

/* What is shown of a penalty. */
struct penalty_view {
	char source[SOURCE_TEXT_MAX];
	const char *why;
	uint64_t left_ms;
	bool active; /* refused; else it has not come to min */
};
/*
 * The next one after *at, which begins at 0 and is moved on. False: there are no more. A walk may
 * be interrupted: what comes or goes meanwhile may be left out.
 */
bool penalties_next(struct penalties *p, uint64_t *at, uint64_t now_ms, struct penalty_view *ret);
uint32_t penalties_count(const struct penalties *p, uint8_t family); /* 4 or 6 */

#endif
