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
#include "control/audit/audit.h"
#include "control/count.h"
#include "control/helper/server.h"
#include "control/helper/uses.h"
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

/* Of each signer: of those whose keys are in use. */
static void of_signers(struct limit_view *v, const struct keysets *k)
{
	unsigned int n, most = 0;

	for (unsigned int i = 0; i < KEYSETS_MAX; i++) {
		n = k->set[i].remote != NULL ? signer_remote_asked(k->set[i].remote) : 0;
		most = n > most ? n : most;
	}
	used(v, most);
	max(v, SIGNER_ASKED_MAX);
}

static void of_host_keys(struct limit_view *v, const struct keysets *k)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < KEYSETS_MAX; i++)
		n += k->set[i].n_named;
	used(v, n);
	max(v, SIGNER_FILES_MAX);
}

/* Of the two pools the one in which more wait. */
static void of_pools(struct limit_view *v, const struct session_env *e)
{
	struct pool *const pool[] = {e->compute, e->files};
	unsigned int n, most;

	for (unsigned int i = 0; i < sizeof(pool) / sizeof(pool[0]); i++) {
		if (pool[i] == NULL)
			continue;
		pool_waiting(pool[i], &n, &most);
		if (!v->has_used || n > v->used)
			used(v, n);
		max(v, most);
	}
}

static void of_spool(struct limit_view *v, struct audit *audit)
{
	struct audit_status st;

	if (audit == NULL)
		return;
	st = audit_status(audit);
	used(v, st.used);
	max(v, st.size);
}

/* Those of who is asked, and of who asks. */
static void of_programs(enum control_counter c, struct limit_view *v, const struct admin_env *env)
{
	const struct session_env *e = env->sessions;

	switch (c) {
	case CONTROL_C_KEYSETS:
		of_keysets(v, &e->keys);
		break;
	case CONTROL_C_HOST_KEYS:
		of_host_keys(v, &e->keys);
		break;
	case CONTROL_C_SIGNER_ASKED:
		of_signers(v, &e->keys);
		break;
	case CONTROL_C_POOL_FULL:
		of_pools(v, e);
		break;
	case CONTROL_C_AUDIT_LOST:
		of_spool(v, e->audit);
		break;
	case CONTROL_C_HOOK_FULL:
		used(v, e->hooks != NULL ? hooks_asked(e->hooks) : 0);
		max(v, HOOK_ASKED_MAX);
		break;
	case CONTROL_C_HOOK_NEWS:
		used(v, e->hooks != NULL ? hooks_news(e->hooks) : 0);
		max(v, HOOK_NEWS_MAX);
		break;
	case CONTROL_C_WEB_CLIENTS:
		used(v, env->web != NULL ? web_clients(env->web) : 0);
		max(v, WEB_CLIENTS_MAX);
		break;
	case CONTROL_C_ADMIN_CLIENTS:
		used(v, env->admin != NULL ? admin_clients(env->admin) : 0);
		max(v, ADMIN_CLIENTS_MAX);
		break;
	default:
		break;
	}
}

/* Jobs of sluice-helper, which bounds them. */
static void of_helper(enum control_counter c, struct limit_view *v, const struct conf_global *g)
{
	const struct source_bits bits = {g->source_bits4, g->source_bits6};
	struct helper_uses u;
	uint64_t n, most;

	if (helper_uses(&bits, &u) < 0)
		return;
	switch (c) {
	case CONTROL_C_HELPER_JOBS:
		n = u.jobs, most = HELPER_JOBS_MAX;
		break;
	case CONTROL_C_HELPER_TALKS:
		n = u.talks, most = HELPER_TALKS_MAX;
		break;
	case CONTROL_C_HELPER_USER_JOBS:
		n = u.user_talks, most = HELPER_USER_JOBS_MAX;
		break;
	case CONTROL_C_HELPER_SOURCE_JOBS:
		n = u.source_jobs, most = g->per_source_helper_jobs;
		break;
	case CONTROL_C_HELPER_SESSIONS:
		n = u.sessions, most = HELPER_SESSIONS_MAX;
		break;
	case CONTROL_C_HELPER_USER_SESSIONS:
		n = u.user_sessions, most = HELPER_USER_SESSIONS_MAX;
		break;
	default:
		return;
	}
	used(v, n);
	max(v, most);
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
	case CONTROL_C_UNATTENDED:
		used(v, crowd_inside(&env->sessions->crowd, e->now_ms()));
		max(v, startups_unattended(&e->startups.limit));
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
		used_most(v, &e->most_tries);
		break;
	case CONTROL_C_CONNECTIONS_USER:
		max(v, s.max_connections_per_user);
		used_most(v, &e->most[TALLY_USER_CONNECTIONS]);
		break;
	case CONTROL_C_CONNECTIONS_SOURCE:
		max(v, s.max_connections_per_source);
		used_most(v, &e->most[TALLY_SOURCE_CONNECTIONS]);
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
		used_most(v, &e->most_sessions);
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
	enum control_counter c;

	while (*at < CONTROL_C_COUNT &&
	       control_counter_info((enum control_counter) * at).limit[0] == '\0')
		(*at)++;
	if (*at >= CONTROL_C_COUNT)
		return false;
	c = (enum control_counter) * at;
	info = control_counter_info(c);
	*ret = (struct limit_view){.name = info.limit,
				   .scope = "control",
				   .text = info.text,
				   .refused = control_counted(c)};
	of_gateway(c, ret, env);
	of_programs(c, ret, env);
	if (strcmp(info.room, "helper") == 0)
		of_helper(c, ret, conf_global(env->sessions->conf));
	of_session(c, ret, env->sessions);
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
