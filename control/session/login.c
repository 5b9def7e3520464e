/*
 * control/session/login.c - may this user? Asked by the brain, answered by files and sources.
 *
 * A request goes through the same steps whoever it names: the files are read, what was given is
 * measured by the sources of its method, and only then is it said whether user, method and
 * credential were right; a refusal comes after a time that depends on the name alone (S-32).
 */
#include <stdlib.h>
#include <time.h>

#include "control/session/keep.h"
#include "control/session/rates.h"
#include "control/session/report.h"
#include "control/session/review.h"
#include "crypto/secret.h"

void login_clear(struct session *s)
{
	struct login *l = &s->awake->login;

	timer_cancel(s->table->env->timers, &s->awake->delay);
	auth_call_end(&l->call);
	if (l->job != NULL) /* who asked is gone: it is not worth its time any more */
		pool_cancel(l->job);
	if (l->hash != NULL)
		secret_wipe(l->hash, sizeof(*l->hash));
	free(l->hash);
	helper_call_end(l->command);
	hook_call_end(l->hook);
	free(l->peer_name);
	policy_grant_fini(&l->grant);
	*l = (struct login){0};
}

void login_fini(struct session *s)
{
	struct awake *a = s->awake;

	login_clear(s);
	while (a->tries > 0)
		most_down(&s->table->env->most_tries, --a->tries);
	policy_grant_fini(&a->earned.grant);
	free(a->earned.blobs);
	free(a->earned.marks);
	a->earned = (struct earned){0};
}

void login_refuse(struct session *s, const char *keyword)
{
	words_refused(s, keyword);
	report_turned_away(s, keyword);
	session_end(s, -SSH_E_REFUSED, NULL);
}

static uint64_t wall_clock(void)
{
	return (uint64_t)time(NULL);
}

uint64_t session_wall(struct session_env *env)
{
	return env->sources.wall != NULL ? env->sources.wall() : wall_clock();
}

static void login_new(struct session *s, const struct ssh_act *act)
{
	struct session_env *env = s->table->env;

	login_clear(s);
	s->awake->login.open = true;
	s->awake->login.id = act->id;
	s->awake->login.auth = act->auth;
	s->awake->login.began_ms = env->now_ms();
	if (env->sources.compute == NULL)
		env->sources = (struct auth_env){env->compute, env->files, env->helper, env->now_ms,
						 env->sources.wall != NULL ? env->sources.wall
									   : wall_clock};
}

static void signature_told(struct session *s, const struct ssh_act_auth *auth, bool good)
{
	words_signature(s, auth, good);
	report_signature(s, auth, good);
}

void login_begin(struct session *s, const struct ssh_act *act)
{
	int r = 0;

	if (act->auth.method != SSH_AUTH_NONE)
		s->awake->attempted = true;
	if (act->auth.round > 0) {
		login_answered(s, act);
		return;
	}
	login_new(s, act);
	if (!s->user_known)
		r = rules_user_known(s, act->auth.user);
	if (r == 0 && s->awake->conf.refuse_connection) {
		login_refuse(s, "RefuseConnection");
		return;
	}
	if (s->awake->conf.report_signature_status && act->auth.key != NULL && !act->auth.query) {
		signature_told(s, &act->auth, true);
		login_hook_signature(s, &act->auth, true);
	}
	if (r == 0)
		r = login_ask_name(s);
	if (r < 0)
		login_reject(s);
}

void login_named(struct session *s)
{
	bool groups_first =
		s->awake->groups == NULL && conf_matches_about(session_conf(s), CONF_ABOUT_GROUP);

	if (login_look_up(s, groups_first) < 0)
		login_reject(s);
}

/*
 * A try that was refused. A name that is none the brain may have refused without asking: it is
 * an invalid user like any other.
 */
void login_failed(struct session *s, const struct ssh_act_auth *auth)
{
	if (!ssh_str_eq(auth->method_name, "none"))
		s->awake->attempted = true;
	while (s->awake->tries < auth->tries)
		most_up(&s->table->env->most_tries, ++s->awake->tries);
	login_clear(s); /* of a conversation that was given up */
	if (!s->user_known && rules_user_known(s, auth->user) < 0)
		return;
	if (!s->user_judged && !user_name_ok(auth->user.p, auth->user.len)) {
		s->user_judged = true;
		rules_invalid_user(s);
	}
	if (s->awake->conf.refuse_connection) {
		login_refuse(s, "RefuseConnection");
		return;
	}
	if (auth->bad_signature && auth->key != NULL && s->awake->conf.report_signature_status) {
		signature_told(s, auth, false);
		login_hook_signature(s, auth, false);
	}
	words_auth(s, auth, WORDS_FAILED);
	report_try(s, auth, "refused");
	report_auth(s, auth, WORDS_FAILED);
	if (auth->tries > 0) /* a first "none" only asks what there is */
		s->table->env->stats.failed_tries++;
	/* The brain had counted by what held for the address; Match User may ask for less. */
	if (auth->tries >= s->awake->conf.max_auth_tries)
		session_end(s, -SSH_E_AUTH_TRIES, NULL);
}

void login_partial(struct session *s, const struct ssh_act_auth *auth)
{
	words_auth(s, auth, WORDS_PARTIAL);
	report_try(s, auth, "partial");
	report_auth(s, auth, WORDS_PARTIAL);
}

/* With what is found out about it from now on. */
static int bounds_keep(struct awake *a)
{
	char text[CONF_BOUNDS_TEXT];

	if (!conf_bounds_any(&a->bounds))
		return 0;
	conf_bounds_print(&a->bounds, text);
	return login_mark(&a->earned, CONF_MARK_BOUNDS, text);
}

static void enter(struct session *s)
{
	const char *full = inside_enter(s);

	if (full != NULL)
		session_end(s, -SSH_E_CROWDED, full);
}

void login_done(struct session *s, const struct ssh_act_auth *auth)
{
	words_auth(s, auth, WORDS_ACCEPTED);
	report_service(s, auth->service, true);
	report_try(s, auth, "accepted");
	report_auth(s, auth, WORDS_ACCEPTED);
	s->authenticated = true;
	s->table->env->stats.authenticated++;
	s->table->env->stats.logins++;
	timer_cancel(s->table->env->timers, &s->awake->grace);
	timer_cancel(s->table->env->timers, &s->awake->silence);
	s->awake->identity = forward_identity(s->table->env, auth);
	if (bounds_keep(s->awake) < 0)
		session_end(s, -SSH_E_MEMORY, NULL);
	s->awake->marks = s->awake->earned.marks;
	s->awake->earned.marks = NULL; /* handed over */
	if (rules_role_known(s) < 0 || lapse_begin(s) < 0)
		session_end(s, -SSH_E_MEMORY, NULL);
	else if (!rules_role_lets_in(s))
		session_end(s, -SSH_E_REFUSED, NULL);
	else
		enter(s);
	login_fini(s);
	door_leave(s, 0);
	rates_send(s, &s->awake->conf); /* before it is in: nothing passes without */
	item_authenticated(s);
	keep_send(s);
	hostkeys_announce(s);
	review_late(s);
}
