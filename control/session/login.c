/*
 * control/session/login.c - may this user? Asked by the brain, answered by files and sources.
 *
 * A request goes through the same steps whoever it names: the files are read, what was given is
 * measured by the sources of its method, and only then is it said whether user, method and
 * credential were right; a refusal comes after a time that depends on the name alone (S-32).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/session/internal.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

#define DELAY_MIN_MS   5 /* sshd's: 5 ms, and up to 4.2 more by the name */
#define DELAY_EXTRA_MS 5
#define DELAY_MAX_MS   5000 /* what took longer is not made longer */

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
	free(l->home);
	policy_grant_fini(&l->grant);
	*l = (struct login){0};
}

void login_fini(struct session *s)
{
	struct awake *a = s->awake;

	login_clear(s);
	policy_grant_fini(&a->earned.grant);
	a->earned = (struct earned){0};
	for (size_t i = 0; i < a->n_groups; i++)
		free(a->groups[i]);
	free(a->groups);
	a->groups = NULL;
	a->n_groups = 0;
}

/* --- the answer ----------------------------------------------------------------------------- */

static void decide(struct session *s, const struct ssh_auth_decision *d)
{
	uint32_t id = s->awake->login.id;

	login_clear(s);
	(void)ssh_brain_auth_decide(s->awake->brain, id, d);
}

/*
 * How long after its beginning a refusal comes: at least so long, and where the work took longer
 * twice that, four times, and so on, so that the moment tells of nothing but the name (sshd).
 */
static uint64_t delay_of(struct session *s, uint64_t elapsed_ms)
{
	const struct session_env *env = s->table->env;
	const struct hash_piece piece[] = {{env->delay_key, sizeof(env->delay_key)},
					   {session_user(s), strlen(session_user(s))}};
	uint8_t digest[HASH_LEN_MAX] = {0};
	uint64_t ms;

	(void)!hash_digest(HASH_SHA256, piece, 2, digest); /* without it there is the least */
	ms = DELAY_MIN_MS + digest[0] % DELAY_EXTRA_MS;
	while (ms < elapsed_ms && ms < DELAY_MAX_MS)
		ms *= 2;
	return ms;
}

void login_delay_over(struct session *s)
{
	struct ssh_auth_decision d = {.verdict = SSH_AUTH_REFUSE};

	decide(s, &d);
}

static void refuse(struct session *s)
{
	struct session_env *env = s->table->env;
	struct login *l = &s->awake->login;
	uint64_t delay = delay_of(s, env->now_ms() - l->began_ms);

	/* A list that was asked for is no secret. */
	if (l->auth.method == SSH_AUTH_NONE ||
	    timer_set(env->timers, &s->awake->delay, l->began_ms + delay) < 0)
		login_delay_over(s);
}

/* Of the key itself: who has it has every certificate of it, too. */
static int key_digest(const struct key *k, uint8_t ret[32])
{
	struct hash_piece blob;

	blob.p = key_blob(key_plain(k), &blob.len);
	return hash_digest(HASH_SHA256, &blob, 1, ret);
}

/* publickey,publickey is two keys (sshd_config(5)), whatever certificates there are of one. */
static bool key_used(const struct session *s, const struct key *k)
{
	const struct earned *e = &s->awake->earned;
	uint8_t digest[32];

	if (k == NULL || e->n_keys == 0)
		return false;
	if (key_digest(k, digest) < 0)
		return true;
	for (unsigned int i = 0; i < e->n_keys; i++)
		if (memcmp(e->key[i], digest, sizeof(digest)) == 0)
			return true;
	return false;
}

/* What this step allows and what those before it did: both hold (S-24). */
static int earn(struct session *s)
{
	struct login *l = &s->awake->login;
	struct earned *e = &s->awake->earned;
	struct policy_grant both;
	int r;

	if (l->auth.method == SSH_AUTH_PUBLICKEY &&
	    (e->n_keys == LOGIN_KEYS_MAX || key_digest(l->auth.key, e->key[e->n_keys++]) < 0))
		return -EIO;
	if (!e->any) {
		e->grant = l->grant;
		l->grant = (struct policy_grant){0}; /* handed over */
		e->any = true;
		return 0;
	}
	r = policy_grant_meet(&e->grant, &l->grant, &both);
	policy_grant_fini(&e->grant);
	e->grant = both;
	return r;
}

/* Of keyboard-interactive: what AuthenticationMethods would call it. */
static const char *device_of(const struct login *l)
{
	if (l->device != NULL)
		return l->device;
	return l->n_plan == 1 ? l->plan[0]->name : NULL;
}

/*
 * The one place that says yes. The grant of a key becomes the connection's only with its
 * signature, which the brain has verified when this is not a query (S-23).
 */
static void let_in(struct session *s)
{
	struct login *l = &s->awake->login;
	struct ssh_auth_decision d = {.verdict = SSH_AUTH_ACCEPT};
	enum chain_result step;

	if (l->auth.query) {
		decide(s, &d);
		return;
	}
	step = chain_step(&s->awake->chain, l->auth.method, device_of(l));
	if (step == CHAIN_NO || earn(s) < 0) {
		refuse(s);
		return;
	}
	if (step == CHAIN_MORE) {
		d.verdict = SSH_AUTH_PARTIAL;
		d.methods = chain_methods(&s->awake->chain);
	} else {
		policy_grant_fini(&s->grant);
		s->grant = s->awake->earned.grant;
		s->awake->earned.grant = (struct policy_grant){0}; /* handed over */
	}
	decide(s, &d);
}

static void finish(struct session *s, bool right)
{
	if (right && s->awake->login.possible)
		let_in(s);
	else
		refuse(s);
}

/* --- sources ---------------------------------------------------------------------------------- */

static void on_verdict(struct session *s, enum source_verdict verdict);

static void source_done(struct auth_call *call, enum source_verdict verdict)
{
	struct login *l = (struct login *)(void *)((char *)call - offsetof(struct login, call));
	struct awake *a = (struct awake *)(void *)((char *)l - offsetof(struct awake, login));
	struct session *s = a->session;

	on_verdict(s, verdict);
	session_pump(s);
}

static void ask_source(struct session *s, const struct auth_source *source, struct ssh_str secret)
{
	struct login *l = &s->awake->login;
	const struct auth_try t = {.conf = &s->awake->conf,
				   .user = session_user(s),
				   .peer = s->awake->peer_addr,
				   .possible = l->possible && l->right,
				   .secret = secret,
				   .new_secret = l->auth.new_password,
				   .conversation = l->auth.method == SSH_AUTH_KBDINT,
				   .change = l->auth.change,
				   .has_hash = l->has_hash,
				   .hash = l->hash};
	int r;

	l->call.env = &s->table->env->sources;
	l->call.done = source_done;
	r = auth_call_begin(&l->call, source, &t);
	if (r < 0)
		session_log(s, LOG_L_ERROR, "%s of user %.100s cannot be checked: error %d",
			    source->name, session_user(s), -r);
	if (r != 0)
		on_verdict(s, r < 0 ? SOURCE_NO : (enum source_verdict)r);
}

/* --- keyboard-interactive -----------------------------------------------------------------------
 */

/* The default device, or the one that AuthenticationMethods names. */
static void plan_make(struct session *s)
{
	struct login *l = &s->awake->login;
	const struct conf_session *c = &s->awake->conf;
	const char *device;
	size_t len;

	device = chain_device(&s->awake->chain, &len);
	l->right = true;
	if (device == NULL) {
		l->n_plan = auth_source_plan(c, l->plan);
		return;
	}
	l->plan[0] = auth_source_find(device, len, c);
	l->n_plan = l->plan[0] != NULL;
	l->device = l->n_plan > 0 ? l->plan[0]->name : NULL;
}

static struct ssh_str text_of(const char *text)
{
	return ssh_str_c(text != NULL ? text : "");
}

/*
 * One round for all that follow and do not ask themselves. The configured prompts are those of the
 * sources in their order; a prompt whose answer nobody would judge is a mistake, and lets nobody
 * in.
 */
static void ask_questions(struct session *s)
{
	struct login *l = &s->awake->login;
	const struct conf_session *c = &s->awake->conf;
	struct ssh_prompts p = {.name = text_of(c->kbdint_name),
				.instruction = text_of(c->kbdint_instruction)};
	struct ssh_auth_decision d = {.verdict = SSH_AUTH_PROMPT, .prompts = &p};
	size_t n_texts = c->kbdint_prompts.n / 2;

	if (n_texts > l->n_plan) {
		session_log(s, LOG_L_ERROR, "KbdInteractivePrompt: %zu prompts, but %u sources",
			    n_texts, l->n_plan);
		refuse(s);
		return;
	}
	l->asked_from = l->plan_at;
	for (unsigned int i = l->plan_at; i < l->n_plan && l->plan[i]->question != NULL; i++) {
		bool own = i < n_texts;

		p.prompt[p.n].text =
			ssh_str_c(own ? c->kbdint_prompts.v[2 * i] : l->plan[i]->question);
		p.prompt[p.n].echo = own ? strcmp(c->kbdint_prompts.v[2 * i + 1], "echo") == 0
					 : l->plan[i]->echo;
		p.n++;
	}
	l->open = false;
	(void)ssh_brain_auth_decide(s->awake->brain, l->id, &d);
}

static void plan_go_on(struct session *s)
{
	struct login *l = &s->awake->login;
	const struct auth_source *source;

	if (l->n_plan == 0 || l->plan_at == l->n_plan) {
		finish(s, l->n_plan > 0 && l->right);
		return;
	}
	source = l->plan[l->plan_at];
	if (source->question == NULL)
		ask_source(s, source, (struct ssh_str){(const uint8_t *)"", 0});
	else if (l->answered)
		ask_source(s, source, l->auth.response[l->plan_at - l->asked_from]);
	else
		ask_questions(s);
}

/* What one of them said; the others are asked whatever it was (S-32). */
static void plan_said(struct session *s, bool yes)
{
	struct login *l = &s->awake->login;

	l->right &= yes;
	if (l->plan[l->plan_at]->question == NULL)
		l->answered = false;
	l->plan_at++;
	plan_go_on(s);
}

static void ask_prompts(struct session *s, const struct ssh_prompts *p)
{
	struct ssh_auth_decision d = {.verdict = SSH_AUTH_PROMPT, .prompts = p};

	s->awake->login.open = false;
	(void)ssh_brain_auth_decide(s->awake->brain, s->awake->login.id, &d);
}

/* Another round was answered. */
static void answered(struct session *s, const struct ssh_act *act)
{
	struct login *l = &s->awake->login;
	int r;

	l->open = true;
	l->id = act->id;
	l->auth = act->auth;
	l->began_ms = s->table->env->now_ms();
	if (l->call.source == NULL) {
		l->answered = true;
		plan_go_on(s);
		return;
	}
	r = auth_call_answer(&l->call, act->auth.response, act->auth.n_responses);
	if (r != 0)
		on_verdict(s, r < 0 ? SOURCE_NO : (enum source_verdict)r);
}

static void on_verdict(struct session *s, enum source_verdict verdict)
{
	static const char text[] = "Your password has expired: choose a new one.";
	struct ssh_auth_decision change = {.verdict = SSH_AUTH_CHANGE, .text = ssh_str_c(text)};
	struct login *l = &s->awake->login;

	if (verdict == SOURCE_ASK) {
		ask_prompts(s, l->call.prompts);
		return;
	}
	auth_call_end(&l->call);
	if (l->auth.method == SSH_AUTH_KBDINT)
		plan_said(s, verdict == SOURCE_YES);
	else if (verdict == SOURCE_CHANGE && l->possible)
		decide(s, &change);
	else
		finish(s, verdict == SOURCE_YES);
}

/* --- what the files said
 * -------------------------------------------------------------------------- */

/* sshd: "none" is an empty password, for those who may have one. */
static bool none_suffices(const struct session *s, const struct user_lookup *l)
{
	const struct conf_session *c = &s->awake->conf;

	return l->has_hash && l->hash.own[0] == '\0' && c->password_authentication &&
	       c->permit_empty_passwords;
}

/* The brain has verified the ticket and that it was meant for this login: is it this user's? */
static bool ticket_suffices(const struct session *s)
{
	const struct ssh_act_auth *a = &s->awake->login.auth;

	return a->local_user.len > 0 && ssh_str_eq(a->local_user, session_user(s));
}

static void banner(struct session *s, const struct user_lookup *l)
{
	if (s->awake->banner_sent)
		return;
	s->awake->banner_sent = true;
	if (l->banner != NULL && l->banner_len > 0)
		(void)ssh_brain_auth_banner(s->awake->brain, l->banner, l->banner_len);
}

static void groups_take(struct session *s, struct user_lookup *l)
{
	if (l->groups == NULL || s->awake->groups != NULL)
		return;
	s->awake->groups = l->groups;
	s->awake->n_groups = l->n_groups;
	l->groups = NULL; /* handed over */
	l->n_groups = 0;
}

static int hash_keep(struct login *l, const struct passfile_hash *hash, bool has_hash)
{
	l->hash = malloc(sizeof(*l->hash));
	if (l->hash == NULL)
		return -ENOMEM;
	*l->hash = *hash;
	l->has_hash = has_hash;
	return 0;
}

static void judge_password(struct session *s)
{
	const struct auth_source *source = auth_source_of_passwords(&s->awake->conf);

	s->awake->login.right = true;
	if (source == NULL) /* the same work as if there were one */
		source = &auth_source_password;
	ask_source(s, source, s->awake->login.auth.password);
}

/* A key that is in no file a program may know; it is asked for those who may log in. */
static void judge_key(struct session *s, struct user_lookup *found)
{
	struct login *l = &s->awake->login;

	if (l->home == NULL) {
		l->home = found->home;
		l->uid = found->uid;
		found->home = NULL; /* handed over */
	}
	l->certified |= found->certified;
	if (found->key_found || !l->possible || login_ask_program(s) < 0)
		finish(s, found->key_found && !key_used(s, l->auth.key));
}

static void judge(struct session *s, struct user_lookup *found)
{
	struct login *l = &s->awake->login;

	if (found->note[0] != '\0')
		session_log(s, LOG_L_INFO, "%s", found->note);
	/* Of the first request the brain did not know yet what is offered. */
	if (l->auth.method != SSH_AUTH_NONE &&
	    !(chain_methods(&s->awake->chain) & l->auth.method)) {
		refuse(s);
		return;
	}
	l->possible = rules_allow(s, l->auth.method, found->forced_command);
	if (l->auth.method == SSH_AUTH_PUBLICKEY) {
		policy_grant_fini(&l->grant); /* what was found before a program was asked */
		l->grant = found->grant;
		found->grant = (struct policy_grant){0}; /* handed over */
	} else {
		l->grant = policy_grant_full();
	}
	switch (l->auth.method) {
	case SSH_AUTH_PUBLICKEY:
		judge_key(s, found);
		break;
	case SSH_AUTH_PASSWORD:
		judge_password(s);
		break;
	case SSH_AUTH_KBDINT:
		plan_make(s);
		plan_go_on(s);
		break;
	case SSH_AUTH_NONE:
		finish(s, none_suffices(s, found));
		break;
	case SSH_AUTH_GSSAPI_KEYEX:
	case SSH_AUTH_GSSAPI_MIC:
		finish(s, ticket_suffices(s));
		break;
	default:
		refuse(s);
	}
}

/* The account was looked up first, because groups decide about rules: now the rest. */
static void account_known(struct session *s)
{
	int r = rules_change(s, false);

	if (r == 0 && s->awake->groups == NULL) { /* none, and it is known */
		s->awake->groups = calloc(1, sizeof(*s->awake->groups));
		r = s->awake->groups != NULL ? 0 : -ENOMEM;
	}
	if (r == 0 && s->awake->conf.refuse_connection) {
		login_refuse(s);
		return;
	}
	if (r == 0)
		r = login_look_up(s, false);
	if (r < 0)
		refuse(s);
}

void login_looked_up(struct session *s, struct user_lookup *found)
{
	if (found->lost) {
		session_log(s, LOG_L_ERROR, "groups of user %.100s could not be found out",
			    session_user(s));
		refuse(s);
		return;
	}
	groups_take(s, found);
	if (found->only_account) {
		account_known(s);
		return;
	}
	if (found->of_program) {
		judge(s, found);
		return;
	}
	rules_judge_user(s, found);
	if (s->awake->conf.refuse_connection) {
		login_refuse(s);
		return;
	}
	banner(s, found);
	if (hash_keep(&s->awake->login, &found->hash, found->has_hash) < 0)
		refuse(s);
	else
		judge(s, found);
}

void login_lost(struct session *s)
{
	refuse(s);
}

/* --- the ask
 * --------------------------------------------------------------------------------------- */

void login_refuse(struct session *s)
{
	session_log(s, LOG_L_INFO,
		    "administratively prohibited connection for %.100s from %.100s port %u",
		    s->user_known ? session_user(s) : "anybody", s->awake->peer_text, s->peer.port);
	s->end_logged = true;
	session_end(s, -SSH_E_REFUSED, NULL);
}

static uint64_t wall_clock(void)
{
	return (uint64_t)time(NULL);
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
						 wall_clock};
}

void login_begin(struct session *s, const struct ssh_act *act)
{
	bool groups_first;
	int r = 0;

	if (act->auth.method != SSH_AUTH_NONE)
		s->awake->attempted = true;
	if (act->auth.round > 0) {
		answered(s, act);
		return;
	}
	login_new(s, act);
	groups_first = s->awake->groups == NULL &&
		       conf_matches_about(s->table->env->conf, CONF_ABOUT_GROUP);
	if (!s->user_known)
		r = rules_user_known(s, act->auth.user);
	if (r == 0 && s->awake->conf.refuse_connection) {
		login_refuse(s);
		return;
	}
	if (s->awake->conf.report_signature_status && act->auth.key != NULL && !act->auth.query)
		words_signature(s, &act->auth, true);
	if (r == 0)
		r = login_look_up(s, groups_first);
	if (r < 0)
		refuse(s);
}

/*
 * A try that was refused. A name that is none the brain may have refused without asking: it is
 * an invalid user like any other.
 */
void login_failed(struct session *s, const struct ssh_act_auth *auth)
{
	if (!ssh_str_eq(auth->method_name, "none"))
		s->awake->attempted = true;
	login_clear(s); /* of a conversation that was given up */
	if (!s->user_known && rules_user_known(s, auth->user) < 0)
		return;
	if (!s->user_judged && !user_name_ok(auth->user.p, auth->user.len)) {
		s->user_judged = true;
		rules_invalid_user(s);
	}
	if (s->awake->conf.refuse_connection) {
		login_refuse(s);
		return;
	}
	if (auth->bad_signature && auth->key != NULL && s->awake->conf.report_signature_status)
		words_signature(s, auth, false);
	words_auth(s, auth, WORDS_FAILED);
	if (auth->tries > 0) /* a first "none" only asks what there is */
		s->table->env->stats.failed_tries++;
	/* The brain had counted by what held for the address; Match User may ask for less. */
	if (auth->tries >= s->awake->conf.max_auth_tries)
		session_end(s, -SSH_E_AUTH_TRIES, NULL);
}

void login_partial(struct session *s, const struct ssh_act_auth *auth)
{
	words_auth(s, auth, WORDS_PARTIAL);
}

void login_done(struct session *s, const struct ssh_act_auth *auth)
{
	words_auth(s, auth, WORDS_ACCEPTED);
	s->authenticated = true;
	s->table->env->stats.authenticated++;
	s->table->env->stats.logins++;
	timer_cancel(s->table->env->timers, &s->awake->grace);
	timer_cancel(s->table->env->timers, &s->awake->silence);
	login_fini(s);
	door_leave(s, 0);
	item_authenticated(s);
	item_blob(s);
	hostkeys_announce(s);
}
