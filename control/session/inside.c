/*
 * control/session/inside.c - MaxConnectionsPerUser, MaxConnectionsPerSource: connections that are
 * logged in at once.
 *
 * Counted whether there is a limit or not, as a reload may bring one. What a connection counts for
 * is found again by its user and address rather than kept: it costs one at rest a bit.
 */
#include "control/count.h"
#include "control/session/internal.h"
#include "control/session/tally.h"

/* Without memory for it nobody is held off by it. */
void inside_kept(struct session *s)
{
	struct tally *user = tally_add(s, TALLY_USER_CONNECTIONS);

	if (user != NULL && tally_add(s, TALLY_SOURCE_CONNECTIONS) != NULL)
		s->inside = true;
	else
		tally_sub(s->table->env, user);
}

static bool full(const struct session *s, enum tally_of of, uint32_t max, enum control_counter count)
{
	if (max == CONF_NO_LIMIT || tally_n(s, of) < max)
		return false;
	control_count(count);
	return true;
}

const char *inside_enter(struct session *s)
{
	const struct conf_session *c = &s->awake->conf;

	if (full(s, TALLY_USER_CONNECTIONS, c->max_connections_per_user,
		 CONTROL_C_CONNECTIONS_USER))
		return "too many connections of this user";
	if (full(s, TALLY_SOURCE_CONNECTIONS, c->max_connections_per_source,
		 CONTROL_C_CONNECTIONS_SOURCE))
		return "too many connections from this address";
	inside_kept(s);
	return NULL;
}

void inside_leave(struct session *s)
{
	struct session_env *env = s->table->env;

	if (!s->inside)
		return;
	s->inside = false;
	tally_sub(env, tally_find(s, TALLY_USER_CONNECTIONS));
	tally_sub(env, tally_find(s, TALLY_SOURCE_CONNECTIONS));
}

static void source_forget(struct session *s)
{
	if (s->inside)
		tally_sub(s->table->env, tally_find(s, TALLY_SOURCE_CONNECTIONS));
}

static void source_count(struct session *s)
{
	if (!s->inside || tally_add(s, TALLY_SOURCE_CONNECTIONS) != NULL)
		return;
	tally_sub(s->table->env, tally_find(s, TALLY_USER_CONNECTIONS));
	s->inside = false;
}

static void all(struct session_env *env, void (*what)(struct session *))
{
	for (struct session_table *t = env->tables; t != NULL; t = t->next)
		for (uint32_t i = 0; i < t->max; i++)
			if (t->by_index[i] != NULL)
				what(t->by_index[i]);
}

void inside_go_by(struct session_env *env, struct conf *conf)
{
	const struct conf_global *a = conf_global(env->conf), *b = conf_global(conf);
	bool others = a->source_bits4 != b->source_bits4 || a->source_bits6 != b->source_bits6;

	if (others)
		all(env, source_forget);
	env->conf = conf;
	if (others)
		all(env, source_count);
}
