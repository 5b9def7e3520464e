/*
 * control/session/door.c - who may come in at all: penalties, MaxStartups, PerSourceMaxStartups.
 *
 * Decided when a shard tells of a new connection, before anything is kept of it: who is refused
 * reads one line and costs no memory here. Lines about them are counted out (S-60): a flood
 * writes LINES_PER_S of them and how many it did not.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "control/count.h"
#include "control/penalties.h"
#include "control/session/internal.h"
#include "control/session/report.h"
#include "ssh/forward.h"
#include "ssh/ident.h"

#define LINES_PER_S 5
#define LINES_SAVED 50 /* that may be written at once */
#define SPEAK_UP_MS 1000

struct door {
	struct penalties *penalties;
	struct source_bits bits;
	uint32_t per_source; /* CONF_NO_LIMIT: none */
	/* Unauthenticated connections by source, only while there is a limit. */
	struct sources *waiting;
	struct most most; /* of a source */
	/* What may be written about the refused. */
	uint64_t lines_milli, lines_at_ms;
	uint64_t unsaid, unsaid_since_ms;
};

int door_new(const struct conf_global *g, uint64_t now_ms, struct door **ret)
{
	struct door *d = calloc(1, sizeof(*d));
	int r;

	if (d == NULL)
		return -ENOMEM;
	d->bits = (struct source_bits){g->source_bits4, g->source_bits6};
	d->per_source = g->per_source_startups;
	d->lines_milli = LINES_SAVED * 1000;
	d->lines_at_ms = now_ms;
	r = penalties_new(g, &d->penalties);
	/* MaxStartups bounds how many sources there can be. */
	if (r == 0)
		r = sources_new(g->startups_full, sizeof(uint64_t), &d->waiting);
	if (r < 0) {
		door_free(d);
		return r;
	}
	*ret = d;
	return 0;
}

void door_free(struct door *d)
{
	if (d == NULL)
		return;
	penalties_free(d->penalties);
	sources_free(d->waiting);
	most_fini(&d->most);
	free(d);
}

/* Everybody who holds a place, by where he comes from. Who does not fit in is not counted. */
static void recount(struct session_env *env, struct door *d, struct sources *waiting)
{
	for (const struct session_table *t = env->tables; t != NULL; t = t->next)
		for (uint32_t i = 0; i < t->max; i++) {
			const struct session *s = t->by_index[i];
			struct source from;
			uint64_t *n;
			uint32_t at;

			if (s == NULL || !s->holds_place)
				continue;
			from = source_of(&s->peer, &d->bits);
			at = sources_find(waiting, &from);
			if (at == SOURCES_NONE && sources_add(waiting, &from, &at) < 0)
				continue;
			n = sources_value(waiting, at);
			++*n;
			most_up(&d->most, (uint32_t)*n);
		}
}

int door_renew(struct session_env *env, const struct conf_global *g)
{
	uint32_t inside = env->startups.unauthenticated;
	struct sources *waiting = NULL;
	struct door *d = env->door;
	int r;

	r = sources_new(g->startups_full > inside ? g->startups_full : inside, sizeof(uint64_t),
			&waiting);
	if (r == 0)
		r = penalties_renew(&d->penalties, g);
	if (r < 0) {
		sources_free(waiting);
		return r;
	}
	d->bits = (struct source_bits){g->source_bits4, g->source_bits6};
	d->per_source = g->per_source_startups;
	most_fini(&d->most);
	if (d->per_source != CONF_NO_LIMIT)
		recount(env, d, waiting);
	sources_free(d->waiting);
	d->waiting = waiting;
	env->startups.limit =
		(struct startups_limit){g->startups_begin, g->startups_rate, g->startups_full};
	return 0;
}

struct penalties *door_penalties(struct door *d)
{
	return d->penalties;
}

/* --- how many of one source ------------------------------------------------------------------- */

bool door_most(const struct door *d, uint32_t *ret)
{
	return d->per_source != CONF_NO_LIMIT && most_known(&d->most, ret);
}

static bool source_enter(struct door *d, const struct link_addr *peer)
{
	struct source from;
	uint64_t *n;
	uint32_t at;

	if (d->per_source == CONF_NO_LIMIT)
		return true;
	from = source_of(peer, &d->bits);
	at = sources_find(d->waiting, &from);
	if (at == SOURCES_NONE && (d->per_source == 0 || sources_add(d->waiting, &from, &at) < 0))
		return false;
	n = sources_value(d->waiting, at);
	if (*n >= d->per_source)
		return false;
	++*n;
	most_up(&d->most, (uint32_t)*n);
	return true;
}

static void source_leave(struct door *d, const struct link_addr *peer)
{
	struct source from;
	uint64_t *n;
	uint32_t at;

	if (d->per_source == CONF_NO_LIMIT)
		return;
	from = source_of(peer, &d->bits);
	at = sources_find(d->waiting, &from);
	n = sources_value(d->waiting, at);
	if (n == NULL)
		return;
	--*n;
	most_down(&d->most, (uint32_t)*n);
	if (*n == 0)
		sources_remove(d->waiting, at);
}

/* --- what is said of the refused -------------------------------------------------------------- */

static bool may_say(struct door *d, uint64_t now_ms)
{
	d->lines_milli += (now_ms - d->lines_at_ms) * LINES_PER_S;
	d->lines_at_ms = now_ms;
	if (d->lines_milli > LINES_SAVED * 1000)
		d->lines_milli = LINES_SAVED * 1000;
	if (d->lines_milli < 1000) {
		if (d->unsaid++ == 0)
			d->unsaid_since_ms = now_ms;
		return false;
	}
	d->lines_milli -= 1000;
	return true;
}

static void say_of(const struct session_env *env, const struct link_addr *from,
		   const struct link_addr *to, const char *why, enum log_level level)
{
	struct door *d = env->door;
	char peer[CONF_ZONE_TEXT], local[CONF_ZONE_TEXT];
	uint64_t now = env->now_ms();

	if (level > log_threshold())
		return;
	if (d != NULL && !may_say(d, now))
		return;
	if (d != NULL && d->unsaid > 0 && now - d->unsaid_since_ms >= SPEAK_UP_MS) {
		log_line(LOG_L_INFO, "drop connection: %llu more in the last %llu seconds",
			 (unsigned long long)d->unsaid,
			 (unsigned long long)((now - d->unsaid_since_ms) / 1000));
		d->unsaid = 0;
	}
	log_line(level, "drop connection #%u from [%s]:%u on [%s]:%u %s",
		 env->startups.unauthenticated, zoned_text(env->conf, from, peer), from->port,
		 zoned_text(env->conf, to, local), to->port, why);
}

static void say(const struct session_table *t, const struct link_conn_new *ev, const char *why,
		enum log_level level)
{
	report_refused(t, ev, why);
	say_of(t->env, &ev->peer, &ev->local, why, level);
}

/* --- the door --------------------------------------------------------------------------------- */

bool door_enter(const struct session_table *t, const struct link_conn_new *ev)
{
	struct session_env *env = t->env;
	struct door *d = env->door;
	uint64_t now = env->now_ms();
	const char *why = d != NULL ? penalties_refuse(d->penalties, &ev->peer, now) : NULL;

	if (env->draining) {
		control_count(CONTROL_C_DRAINING);
		say(t, ev, "draining", LOG_L_VERBOSE);
		return false;
	}
	if (why != NULL) {
		control_count(CONTROL_C_PENALISED);
		say(t, ev, why, LOG_L_INFO);
		return false;
	}
	if (!report_works(env)) {
		say(t, ev, "the audit log cannot be written", LOG_L_INFO);
		return false;
	}
	/* The source first: who has too many does not use up a place by asking. */
	if (d != NULL && !source_enter(d, &ev->peer)) {
		control_count(CONTROL_C_SOURCE_STARTUPS);
		say(t, ev, "past PerSourceMaxStartups", LOG_L_VERBOSE);
		return false;
	}
	if (startups_enter(&env->startups, now))
		return true;
	if (d != NULL)
		source_leave(d, &ev->peer);
	control_count(CONTROL_C_STARTUPS);
	say(t, ev, "past MaxStartups", LOG_L_VERBOSE);
	return false;
}

/* Its shard has reset it. */
void door_full(const struct session_table *t, const struct link_conn_new *ev)
{
	say(t, ev, "past MaxConnections", LOG_L_INFO);
}

/* It has cost us no key exchange yet. */
bool door_ident(struct session *s, const uint8_t *line, size_t len)
{
	struct session_env *env = s->table->env;
	const struct source from = session_source(s);
	uint64_t now = env->now_ms();
	uint32_t away_s;
	char text[64];

	if (!ssh_ident_unattended(line, len))
		return true;
	/* Who sends many from elsewhere is not before it (turns.h). */
	if (crowd_enter(&env->crowd, startups_unattended(&env->startups.limit),
			turns_ahead(&env->turns, &from), now, &away_s)) {
		s->awake->crowded_ms = now;
		return true;
	}
	control_count(CONTROL_C_UNATTENDED);
	snprintf(text, sizeof(text), "%s " SSH_RETRY_AFTER "=%u", ssh_err_text(-SSH_E_CROWDED),
		 away_s);
	say_of(env, &s->peer, &s->local, "told to come later", LOG_L_VERBOSE);
	report_error(s, -SSH_E_CROWDED);
	s->end_logged = true;
	gate_offer(s);
	session_end(s, -SSH_E_CROWDED, text);
	return false;
}

void door_give_back(struct session_env *env, const struct link_addr *peer)
{
	startups_leave(&env->startups, env->now_ms());
	if (env->door != NULL)
		source_leave(env->door, peer);
}

/* sshd: what became of a connection that did not log in. Our own troubles are no offence. */
static enum penalty offence(const struct session *s, int err)
{
	switch (-err) {
	case 0:
	case SSH_E_SHUTDOWN:
	case SSH_E_UNAVAILABLE:
	case SSH_E_CROWDED:
	case SSH_E_MEMORY:
	case SSH_E_KEX_TIMEOUT:
		return PENALTY_NONE;
	case SSH_E_INTERNAL:
		return PENALTY_CRASH;
	case SSH_E_GRACE:
		return PENALTY_GRACE;
	case SSH_E_REFUSED:
		return PENALTY_REFUSED;
	default:
		break;
	}
	if (s->awake == NULL || !s->awake->attempted)
		return PENALTY_NOAUTH;
	return s->user_judged && !s->user_valid ? PENALTY_INVALIDUSER : PENALTY_AUTHFAIL;
}

void door_leave(struct session *s, int err)
{
	struct session_env *env = s->table->env;

	if (!s->holds_place)
		return;
	s->holds_place = false;
	if (s->awake != NULL && s->awake->crowded_ms != 0) {
		crowd_leave(&env->crowd, s->awake->crowded_ms, s->authenticated, env->now_ms());
		s->awake->crowded_ms = 0;
	}
	if (err == -SSH_E_AUTH_TRIES)
		control_count(CONTROL_C_TRIES);
	else if (err == -SSH_E_REFUSED)
		control_count(CONTROL_C_REFUSED);
	door_give_back(env, &s->peer);
	if (env->door != NULL && !s->authenticated)
		penalties_add(env->door->penalties, &s->peer, offence(s, err), env->now_ms());
}
