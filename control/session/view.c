/*
 * control/session/view.c - a walk over all connections, for those who look.
 */
#include <errno.h>

#include "control/session/internal.h"

#define PLACES_PER_LOOK 4096 /* a table may have millions, nearly all empty */

/* Tables come and go in any order: the walk takes them by number. */
static bool table_before(const struct session_table *t, uint16_t dataplane, uint16_t shard)
{
	return t->dataplane < dataplane || (t->dataplane == dataplane && t->shard < shard);
}

static const struct session_table *table_from(const struct session_env *env, uint16_t dataplane,
					      uint16_t shard)
{
	const struct session_table *first = NULL;

	for (const struct session_table *t = env->tables; t != NULL; t = t->next)
		if (!table_before(t, dataplane, shard) &&
		    (first == NULL || table_before(t, first->dataplane, first->shard)))
			first = t;
	return first;
}

static bool strict_kex(const struct session *s)
{
	if (s->awake != NULL)
		return ssh_brain_phase(s->awake->brain)->strict;
	return s->past != NULL && past_strict(s->past);
}

static void view_fill(const struct session *s, struct session_view *ret)
{
	ret->uid = s->uid;
	ret->shard = s->ref.conn.shard;
	ret->source = session_peer_text(s, ret->text);
	ret->port = s->peer.port;
	ret->user = s->authenticated ? session_user(s) : NULL;
	ret->began_ms = s->began_ms;
	ret->channels = s->n_up;
	ret->strict_kex = strict_kex(s);
}

/* Behind the last place of a table: the next one's first. False: the numbers are used up. */
static bool cursor_next_table(struct session_cursor *at)
{
	at->index = 0;
	if (++at->shard == 0)
		return ++at->dataplane != 0;
	return true;
}

int session_next(const struct session_env *env, struct session_cursor *at, struct session_view *ret)
{
	const struct session_table *t = table_from(env, at->dataplane, at->shard);

	if (t == NULL)
		return -ENOENT;
	if (t->dataplane != at->dataplane || t->shard != at->shard)
		*at = (struct session_cursor){t->dataplane, t->shard, 0};
	for (unsigned int looked = 0; at->index < t->max; looked++) {
		const struct session *s;

		if (looked == PLACES_PER_LOOK)
			return -EAGAIN;
		s = t->by_index[at->index++];
		if (s == NULL)
			continue;
		view_fill(s, ret);
		return 0;
	}
	return cursor_next_table(at) ? -EAGAIN : -ENOENT;
}
