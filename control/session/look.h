/*
 * control/session/look.h - channels as their shards have them, for those who look.
 *
 * The state of a channel lives in its shard. A question brings some of them, and where to go on;
 * whoever asks shows them and asks again. What a shard does not answer within LOOK_MS is not there.
 * Thread  the loop's.
 */
#ifndef SLUICE_CONTROL_SESSION_LOOK_H
#define SLUICE_CONTROL_SESSION_LOOK_H

#include "control/session/session.h"

#define LOOK_MS 2000

struct look;
/*
 * r->n channels, or connections, which lie behind r; r NULL: the shard is gone, or did not answer. Nothing is under
 * way any more: it may ask again.
 */
typedef void look_came_fn(struct look *l, const struct link_look_result *r);

/* Of who asks; came is set by him, the rest is zeroed at its beginning. */
struct look {
	look_came_fn *came;
	struct session_env *env; /* NULL: nothing is under way */
	struct look *next;
	struct session_table *table; /* that is asked */
	struct timer late;
	uint32_t id, what; /* enum link_look_what, set by him, too */
};

/*
 * Asks the shard of *at, or the next there is: *at names it then. -ENOENT: there is none; -ENOMEM.
 */
int look_ask(struct session_env *env, struct look *l, struct session_cursor *at, uint32_t from)
	__attribute__((warn_unused_result));
/* It hears no more of it. Harmless when nothing is under way. */
void look_end(struct look *l);

/* What is known here of a channel; views, gone with the next event. */
struct look_view {
	struct session_view conn; /* session NULL: of a control before this one */
	const char *type;         /* as it was opened with; NULL: not known */
	const char *host;         /* as its client asked for it; NULL: not known, or none */
	uint16_t port;
};
void look_view(const struct look *l, const struct link_look_chan *c, struct look_view *ret);

/* Of LINK_LOOK_CAPPED: the number of a connection; false: it is not known here. */
bool look_uid(const struct look *l, const struct link_look_conn *c, uint64_t *ret);

/* session/event.c: an answer came; session/table.c: the shard is gone. */
void look_came(struct session_table *t, const struct link_look_result *r);
void look_gone(struct session_table *t);

#endif
