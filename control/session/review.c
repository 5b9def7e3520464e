#include "control/session/review.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/clock.h"
#include "control/count.h"
#include "control/session/internal.h"
#include "control/session/rates.h"

#define REVIEW_CHAINS  1024 /* a power of two */
#define REVIEW_FULL_MS 20   /* the pool takes no more users now */
#define REVIEW_KEPT_MS 1000 /* behind the last connection of a control before this one */

/* One user, whose groups are asked for, and his connections. */
struct asked {
	struct pool_job job;
	struct session_env *env;
	struct asked *prev, *next; /* of all that are under way */
	struct asked *chain;       /* of those of this review whose names have the same place */
	struct conn_ref *ref;
	size_t n, size;
	struct user_lookup lookup;
};

struct review {
	struct session_env *env;
	struct timer turn;
	struct session_cursor at;
	struct asked *first; /* of this review and those before it */
	struct asked *chain[REVIEW_CHAINS];
};

/* --- one connection -----------------------------------------------------------------------------
 */

static void out(struct session *s)
{
	control_count(CONTROL_C_REVOKED);
	session_dismiss(s, -SSH_E_DENIED);
}

/* NOT_KNOWN: by whose groups, or by what list, it would be said. */
enum verdict { STAYS, GOES, NOT_KNOWN };

/* groups: NULL: not known. */
static enum verdict judge_by(const struct session *s, const struct conf_session *c,
			     const struct awake *a, const struct conf_strs *groups)
{
	if (groups == NULL && conf_matches_about(c->conf, CONF_ABOUT_GROUP))
		return NOT_KNOWN;
	if (!c->end_revoked_sessions)
		return STAYS;
	if (c->refuse_connection ||
	    !conf_user_allowed(c, session_user(s), a->peer_name, a->peer_addr))
		return GOES;
	if (c->allow_groups.n == 0 && c->deny_groups.n == 0)
		return STAYS;
	if (groups == NULL)
		return NOT_KNOWN;
	return conf_groups_allowed(c, groups) ? STAYS : GOES;
}

/* Whose groups it is judged by: those of now, or of its login, as far as these are known. */
enum groups_of { OF_NOW, OF_LOGIN };

/*
 * found: of its user; NULL: nobody was asked yet. *ret is what the configuration says of it, for
 * conf_session_fini(); all zero where that could not be told.
 */
static enum verdict judge(struct session *s, struct conf *conf, const struct user_lookup *found,
			  enum groups_of of, struct conf_session *ret)
{
	struct awake *a = facts_get(s);
	enum verdict verdict = STAYS;
	struct conf_match_ctx ctx;
	struct conf_strs groups;

	*ret = (struct conf_session){0};
	if (a == NULL)
		return STAYS;
	groups = (struct conf_strs){(const char *const *)a->groups, a->n_groups};
	if (found != NULL)
		groups = (struct conf_strs){(const char *const *)found->groups, found->n_groups};
	ctx = rules_ctx_of(s, a, &groups);
	if (conf_session_for(conf, &ctx, ret) == 0)
		verdict = judge_by(s, ret, a,
				   found != NULL || (of == OF_LOGIN && a->groups != NULL) ? &groups
											  : NULL);
	facts_put(s, a);
	return verdict;
}

/* By the configuration of now; whom it lets stay has its rates. */
static enum verdict settle(struct session *s, const struct user_lookup *found)
{
	struct conf_session c;
	enum verdict verdict = judge(s, s->table->env->conf, found, OF_NOW, &c);

	if (verdict == GOES) {
		out(s);
	} else if (verdict == STAYS && c.conf != NULL) {
		rates_send(s, &c);
		lapse_follow(session_lapse(s), &c);
	}
	conf_session_fini(&c);
	return verdict;
}

/* It stays by all else. */
static enum verdict judge_key(const struct session *s, const struct conf_session *c,
			      const struct revoked_lists *lists)
{
	const struct lapse *l = session_lapse(s);
	const struct krl *krl;

	if (!lapse_joins(l, c))
		return STAYS;
	krl = revoked_list(lists, c->revoked_keys);
	return krl == NULL ? NOT_KNOWN : lapse_revoked(l, krl) ? GOES : STAYS;
}

int review_would(struct session *s, struct conf *conf, const struct revoked_lists *lists,
		 enum review_change *ret)
{
	struct conf_session was, is;
	enum verdict before, after;

	*ret = REVIEW_NOTHING;
	if (!s->authenticated || s->ended)
		return 0;
	before = judge(s, s->table->env->conf, NULL, OF_LOGIN, &was);
	after = judge(s, conf, NULL, OF_LOGIN, &is);
	if (after == STAYS && is.conf != NULL)
		after = judge_key(s, &is, lists);
	if (after == GOES)
		*ret = REVIEW_GOES;
	else if (was.conf != NULL && is.conf != NULL && rates_differ(s, &was, &is))
		*ret = REVIEW_RATES;
	conf_session_fini(&was);
	conf_session_fini(&is);
	return after == NOT_KNOWN || (after == STAYS && before == NOT_KNOWN) ? -EAGAIN : 0;
}

/* --- groups -------------------------------------------------------------------------------------
 */

static struct asked *asked_of(struct pool_job *job)
{
	return (struct asked *)(void *)job; /* its first member */
}

static void asked_run(struct pool_job *job)
{
	user_lookup_run(&asked_of(job)->lookup);
}

static void asked_free(struct pool_job *job)
{
	struct asked *k = asked_of(job);

	user_lookup_fini(&k->lookup);
	free(k->ref);
	free(k);
}

static struct asked **place_of(struct review *r, const char *user)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (const char *p = user; *p != '\0'; p++)
		h = (h ^ (uint8_t)*p) * 16777619u;
	return &r->chain[h % REVIEW_CHAINS];
}

static void asked_unlink(struct review *r, struct asked *k)
{
	struct asked **at = place_of(r, k->lookup.user);

	while (*at != NULL && *at != k)
		at = &(*at)->chain;
	if (*at != NULL) /* of this review */
		*at = k->chain;
	if (k->prev != NULL)
		k->prev->next = k->next;
	else
		r->first = k->next;
	if (k->next != NULL)
		k->next->prev = k->prev;
}

static struct session *still_there(struct session_env *env, const struct conn_ref *ref)
{
	for (struct session_table *t = env->tables; t != NULL; t = t->next) {
		struct session *s = session_table_find(t, &ref->conn);

		if (s != NULL)
			return s->ref.serial == ref->serial && !s->ended ? s : NULL;
	}
	return NULL;
}

static void asked_done(struct pool_job *job, int err)
{
	struct asked *k = asked_of(job);

	asked_unlink(k->env->review, k);
	/* As long as run() may be writing it, nothing of it is read. */
	if (err < 0 || k->lookup.lost) {
		log_line(LOG_L_ERROR,
			 "groups of a user could not be found out: who is in stays in");
		return;
	}
	for (size_t i = 0; i < k->n; i++) {
		struct session *s = still_there(k->env, &k->ref[i]);

		if (s != NULL)
			(void)settle(s, &k->lookup);
	}
}

static int ref_add(struct asked *k, const struct conn_ref *ref)
{
	size_t size = k->size == 0 ? 1 : 2 * k->size;
	struct conn_ref *more = k->ref;

	if (k->n == k->size) {
		more = reallocarray(k->ref, size, sizeof(*more));
		if (more == NULL)
			return -ENOMEM;
		k->ref = more;
		k->size = size;
	}
	k->ref[k->n++] = *ref;
	return 0;
}

static struct asked *asked_new(struct review *r, const struct session *s)
{
	struct asked *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return NULL;
	k->job = (struct pool_job){.run = asked_run, .done = asked_done, .free = asked_free};
	k->env = r->env;
	k->lookup.name_ok = user_name_ok(session_user(s), strlen(session_user(s)));
	k->lookup.only_account = k->lookup.want_groups = true;
	strcpy(k->lookup.user, session_user(s)); /* as long as one may be */
	return k;
}

static void asked_link(struct review *r, struct asked *k)
{
	struct asked **at = place_of(r, k->lookup.user);

	k->chain = *at;
	*at = k;
	k->next = r->first;
	if (r->first != NULL)
		r->first->prev = k;
	r->first = k;
}

/* -EBUSY: not now. What there is no memory for is left out. */
static int groups_ask(struct review *r, const struct session *s)
{
	struct asked *k = *place_of(r, session_user(s));
	int err;

	while (k != NULL && strcmp(k->lookup.user, session_user(s)) != 0)
		k = k->chain;
	if (k != NULL)
		return ref_add(k, &s->ref);
	k = asked_new(r, s);
	if (k == NULL || ref_add(k, &s->ref) < 0) {
		if (k != NULL)
			asked_free(&k->job);
		return -ENOMEM;
	}
	err = pool_submit(r->env->files, &k->job, POOL_AUTH, r->env->now_ms() + LOOKUP_MS);
	if (err < 0)
		asked_free(&k->job);
	else
		asked_link(r, k);
	return err;
}

/* --- all of them --------------------------------------------------------------------------------
 */

/* 0; -EBUSY: again, later. */
static int look(struct review *r, struct session *s)
{
	if (!s->authenticated || s->ended)
		return 0;
	return settle(s, NULL) == NOT_KNOWN ? groups_ask(r, s) : 0;
}

static void on_turn(struct timer *t)
{
	struct review *r = (struct review *)(void *)((char *)t - offsetof(struct review, turn));
	struct session_env *env = r->env;
	uint64_t turn = clock_turn(), again_ms = 0;
	int err = 0;

	do {
		struct session_cursor before = r->at;
		struct session *s;

		err = session_walk(env, &r->at, &s);
		if (err == 0 && look(r, s) == -EBUSY) {
			r->at = before;
			again_ms = REVIEW_FULL_MS;
			break;
		}
	} while (err != -ENOENT && !clock_turn_over(turn));
	if (err != -ENOENT) /* there was room for it a moment ago */
		(void)!timer_set(env->timers, t, env->now_ms() + again_ms);
}

static struct review *review_get(struct session_env *env)
{
	struct review *r = env->review;

	if (r != NULL)
		return r;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return NULL;
	r->env = env;
	r->turn.fire = on_turn;
	env->review = r;
	return r;
}

static void begin_at(struct session_env *env, uint64_t at_ms)
{
	struct review *r = review_get(env);

	if (r == NULL)
		return;
	/* What was asked before the rules changed is judged, too, and asked again. */
	memset(r->chain, 0, sizeof(r->chain));
	r->at = (struct session_cursor){0};
	(void)!timer_set(env->timers, &r->turn, at_ms);
}

void review_begin(struct session_env *env)
{
	if (env->tables != NULL)
		begin_at(env, env->now_ms());
}

void review_kept(struct session_env *env)
{
	begin_at(env, env->now_ms() + REVIEW_KEPT_MS);
}

void review_late(struct session *s)
{
	struct session_env *env = s->table->env;
	struct review *r;

	if (session_conf(s) == env->conf)
		return;
	r = review_get(env);
	if (r != NULL && look(r, s) == -EBUSY)
		review_kept(env);
}

void review_free(struct session_env *env)
{
	struct review *r = env->review;

	if (r == NULL)
		return;
	timer_cancel(env->timers, &r->turn);
	while (r->first != NULL) {
		struct asked *k = r->first;

		r->first = k->next;
		pool_cancel(&k->job);
	}
	free(r);
	env->review = NULL;
}
