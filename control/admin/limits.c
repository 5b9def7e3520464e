/*
 * control/admin/limits.c - see limits.h.
 *
 * What refused is what control counts (count.h); what is used and what may be is looked up for
 * each. Of a limit for each user, source or connection it is what the one has that has most
 * (most.h).
 */
#include "control/admin/limits.h"

#include <string.h>

#include "control/admin/web.h"
#include "control/count.h"
#include "control/helper/client.h"
#include "control/penalties.h"
#include "control/session/internal.h"
#include "control/signer/remote.h"

static void used(struct limit_view *v, uint64_t n)
{
	v->has_used = true;
	v->used = n;
}

static void used_most(struct limit_view *v, const struct most *m)
{
	uint32_t n;

	if (most_known(m, &n))
		used(v, n);
}

static void max(struct limit_view *v, uint64_t n)
{
	v->has_max = n != CONF_NO_LIMIT;
	v->max = n;
}

static void of_penalties(struct limit_view *v, const struct session_env *e,
			 const struct conf_global *g)
{
	const struct penalties *p = e->door != NULL ? door_penalties(e->door) : NULL;

	used(v, p != NULL ? (uint64_t)penalties_count(p, 4) + penalties_count(p, 6) : 0);
	max(v, (uint64_t)g->penalties.max_sources4 + g->penalties.max_sources6);
}

static void of_sources(struct limit_view *v, const struct session_env *e,
		       const struct conf_global *g)
{
	uint32_t n;

	max(v, g->per_source_startups);
	if (e->door != NULL && door_most(e->door, &n))
		used(v, n);
}

static void of_keysets(struct limit_view *v, const struct keysets *k)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < KEYSETS_MAX; i++)
		n += k->set[i].signer != NULL;
	used(v, n);
	max(v, KEYSETS_MAX);
}

/* Those that hold for the gateway as a whole. */
static void of_gateway(enum control_counter c, struct limit_view *v, const struct admin_env *env)
{
	const struct session_env *e = env->sessions;
	const struct conf_global *g = conf_global(e->conf);

	switch (c) {
	case CONTROL_C_PENALTIES_FULL:
		of_penalties(v, e, g);
		break;
	case CONTROL_C_STARTUPS:
		used(v, e->startups.unauthenticated);
		max(v, g->startups_full);
		break;
	case CONTROL_C_SOURCE_STARTUPS:
		of_sources(v, e, g);
		break;
	case CONTROL_C_SLOW_PATH:
		max(v, g->slow_path_rate);
		break;
	case CONTROL_C_CONNECTING:
		used(v, e->connecting.n);
		max(v, g->max_connecting);
		break;
	case CONTROL_C_LISTENERS:
		used(v, e->n_listeners);
		max(v, g->max_listeners);
		break;
	case CONTROL_C_KEYSETS:
		of_keysets(v, &e->keys);
		break;
	case CONTROL_C_SIGNER_ASKED:
		max(v, SIGNER_ASKED_MAX);
		break;
	case CONTROL_C_WEB_CLIENTS:
		max(v, WEB_CLIENTS_MAX);
		break;
	case CONTROL_C_ADMIN_CLIENTS:
		max(v, ADMIN_CLIENTS_MAX);
		break;
	default:
		break;
	}
}

/* Those that a Match may change: as they are outside of every one. */
static void of_session(enum control_counter c, struct limit_view *v, const struct session_env *e)
{
	struct conf_session s = {0};

	if (conf_session_for(e->conf, NULL, &s) < 0)
		return;
	switch (c) {
	case CONTROL_C_TRIES:
		max(v, s.max_auth_tries);
		break;
	case CONTROL_C_CHANNELS:
		max(v, s.max_channels_per_connection);
		used_most(v, &e->most_channels);
		break;
	case CONTROL_C_CHANNELS_USER:
		max(v, s.max_channels_per_user);
		used_most(v, &e->most[TALLY_USER_CHANNELS]);
		break;
	case CONTROL_C_CHANNELS_SOURCE:
		max(v, s.max_channels_per_source);
		used_most(v, &e->most[TALLY_SOURCE_CHANNELS]);
		break;
	case CONTROL_C_SESSIONS:
		max(v, s.max_sessions);
		break;
	case CONTROL_C_CONNECTING_USER:
		max(v, s.max_connecting_per_user);
		used_most(v, &e->connecting.of_user);
		break;
	case CONTROL_C_LISTENERS_CONNECTION:
		max(v, s.max_listeners_per_connection);
		used_most(v, &e->most[TALLY_CONNECTION]);
		break;
	case CONTROL_C_LISTENERS_USER:
		max(v, s.max_listeners_per_user);
		used_most(v, &e->most[TALLY_USER]);
		break;
	case CONTROL_C_LISTENERS_SOURCE:
		max(v, s.max_listeners_per_source);
		used_most(v, &e->most[TALLY_SOURCE]);
		break;
	default:
		break;
	}
	conf_session_fini(&s);
}

bool limits_of_control(const struct admin_env *env, unsigned int *at, struct limit_view *ret)
{
	struct control_counter_info info;

	while (*at < CONTROL_C_COUNT &&
	       control_counter_info((enum control_counter) * at).limit[0] == '\0')
		(*at)++;
	if (*at >= CONTROL_C_COUNT)
		return false;
	info = control_counter_info((enum control_counter) * at);
	*ret = (struct limit_view){.name = info.limit,
				   .scope = "control",
				   .text = info.text,
				   .refused = control_counted((enum control_counter) * at)};
	of_gateway((enum control_counter) * at, ret, env);
	of_session((enum control_counter) * at, ret, env->sessions);
	(*at)++;
	return true;
}

/* --- of shards: three counters in a row each
 * ------------------------------------------------------ */

/* What is no number there (dataplane/shard_limits.h). */
static bool is_number(uint64_t n)
{
	return n != UINT64_MAX;
}

static bool is_limit(const struct link_stats_counter *c, const char *name)
{
	return strcmp(c->room, "limit") == 0 && strcmp(c->name, name) == 0;
}

bool limits_of_shard(const struct shards *s, size_t file, size_t *at, struct limit_view *ret)
{
	const struct shards_file *f = &s->file[file];

	for (; *at + 2 < f->n; ++*at) {
		const struct link_stats_counter *c = &s->counter[f->first + *at];

		if (!is_limit(&c[0], "USED") || !is_limit(&c[1], "MAX") ||
		    !is_limit(&c[2], "REFUSED"))
			continue;
		*at += 3;
		*ret = (struct limit_view){.name = c->object,
					   .text = c[2].text,
					   .has_used = is_number(c[0].value),
					   .used = c[0].value,
					   .has_max = is_number(c[1].value),
					   .max = c[1].value,
					   .refused = c[2].value};
		return true;
	}
	return false;
}
