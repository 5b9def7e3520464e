/*
 * control/session/login.c - may this user? Asked by the brain, answered from files.
 *
 * A request goes through the same steps whoever it names: the files are read (pool for
 * files), a password is measured against a hash of the usual cost (pool for computing), and
 * only then is it said whether user, method and credential were right (S-32).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/auth/user.h"
#include "control/session/internal.h"
#include "crypto/secret.h"

void login_clear(struct session *s)
{
	struct login *l = &s->awake->login;

	if (l->job != NULL) /* who asked is gone: a hash is not worth its time any more */
		pool_cancel(l->job);
	if (l->password != NULL)
		secret_free(l->password, l->password_len + 1);
	policy_grant_fini(&l->grant);
	*l = (struct login){0};
}

/*
 * The one place that says yes. The grant of a key becomes the connection's only with its
 * signature, which the brain has verified when this is not a query (S-23).
 */
static void answer(struct session *s, bool accept)
{
	struct login *l = &s->awake->login;
	struct policy_grant earned = l->grant;
	uint32_t id = l->id;
	bool query = l->query;

	l->grant = (struct policy_grant){0};
	login_clear(s);
	if (accept && !query) {
		policy_grant_fini(&s->grant);
		s->grant = earned;
	} else {
		policy_grant_fini(&earned);
	}
	(void)ssh_brain_auth_answer(s->awake->brain, id, accept);
}

/* The session whose login this job works on, if it still waits for it. */
static struct session *asker(struct session_env *env, const struct conn_ref *ref, uint32_t id)
{
	struct session *s = session_find(env, ref);

	if (s == NULL || !s->awake->login.open || s->awake->login.id != id)
		return NULL;
	s->awake->login.job = NULL; /* it is done */
	return s;
}

/* --- passwords ---------------------------------------------------------------------- */

struct password_job {
	struct pool_job job;
	struct session_env *env;
	struct conn_ref ref;
	uint32_t id;
	int result;
	struct passfile_hash hash;
	char *password;
	size_t len, measured; /* what of it is put to the hash */
};

static struct password_job *password_of(struct pool_job *job)
{
	return (struct password_job *)(void *)job; /* its first member */
}

static void password_run(struct pool_job *job)
{
	struct password_job *j = password_of(job);

	j->result = passwd_check(j->hash.own, j->password, j->measured);
	/* A hash that cannot be checked (empty, locked, unknown) costs what others cost. */
	if (j->result != 0 && j->result != -EBADMSG)
		(void)!passwd_check(j->hash.decoy, j->password, j->measured);
}

static void password_done(struct pool_job *job, int err)
{
	struct password_job *j = password_of(job);
	struct session *s = asker(j->env, &j->ref, j->id);

	if (s == NULL)
		return;
	answer(s, err == 0 && j->result == 0 && s->awake->login.acceptable);
	session_pump(s);
}

static void password_free(struct pool_job *job)
{
	struct password_job *j = password_of(job);

	if (j->password != NULL)
		secret_free(j->password, j->len + 1);
	secret_wipe(&j->hash, sizeof(j->hash));
	free(j);
}

/* Measures the password; the answer counts only if the login is acceptable. */
static void password_check(struct session *s, const struct passfile_hash *hash)
{
	struct session_env *env = s->table->env;
	struct password_job *j = calloc(1, sizeof(*j));

	if (j == NULL) {
		answer(s, false);
		return;
	}
	j->job = (struct pool_job){
		.run = password_run, .done = password_done, .free = password_free};
	j->env = env;
	j->ref = s->ref;
	j->id = s->awake->login.id;
	j->hash = *hash;
	j->password = s->awake->login.password; /* handed over */
	j->len = j->measured = s->awake->login.password_len;
	s->awake->login.password = NULL;
	if (j->len > PASSWD_MAX) { /* refused, at the full cost (S-32) */
		s->awake->login.acceptable = false;
		j->measured = PASSWD_MAX;
	}
	if (pool_submit(env->compute, &j->job, POOL_AUTH, env->now_ms() + PASSWORD_MS) < 0) {
		password_free(&j->job);
		answer(s, false);
		return;
	}
	s->awake->login.job = &j->job;
}

/* --- what the files say -------------------------------------------------------------- */

struct lookup_job {
	struct pool_job job;
	struct session_env *env;
	struct conn_ref ref;
	uint32_t id;
	struct user_lookup lookup;
};

static struct lookup_job *lookup_of(struct pool_job *job)
{
	return (struct lookup_job *)(void *)job; /* its first member */
}

static void lookup_run(struct pool_job *job)
{
	user_lookup_run(&lookup_of(job)->lookup);
}

static void lookup_free(struct pool_job *job)
{
	user_lookup_fini(&lookup_of(job)->lookup);
	free(job);
}

static void invalid_user(const struct session *s)
{
	session_log(s, LOG_L_INFO, "Invalid user %.100s from %.100s port %u", session_user(s),
		    s->awake->peer_text, s->peer.port);
}

/* Whether there is such a user who may log in at all; said once in the log. */
static void judge_user(struct session *s, const struct user_lookup *l)
{
	if (s->user_judged)
		return;
	s->user_judged = true;
	if (!l->name_ok || !l->exists)
		invalid_user(s);
	else if (!conf_user_allowed(&s->awake->conf, session_user(s), s->awake->peer_addr))
		session_log(
			s, LOG_L_INFO,
			"User %.100s from %.100s not allowed because of AllowUsers or DenyUsers",
			session_user(s), s->awake->peer_text);
	else
		s->user_valid = true;
}

static void judge_password(struct session *s, const struct user_lookup *l)
{
	bool empty_hash = l->has_hash && l->hash.own[0] == '\0';

	s->awake->login.acceptable =
		s->user_valid && l->has_hash && s->awake->conf.password_authentication &&
		(s->awake->login.password_len > 0 || s->awake->conf.permit_empty_passwords);
	if (empty_hash) {
		/* crypt() has no word for it: an empty hash is an empty password. */
		if (s->awake->login.acceptable && s->awake->login.password_len == 0) {
			answer(s, true);
			return;
		}
		s->awake->login.acceptable = false;
	}
	password_check(s, &l->hash);
}

/* sshd: "none" is an empty password, for those who may have one. */
static bool none_suffices(const struct session *s, const struct user_lookup *l)
{
	return s->user_valid && l->has_hash && l->hash.own[0] == '\0' &&
	       s->awake->conf.password_authentication && s->awake->conf.permit_empty_passwords;
}

static void judge(struct session *s, struct user_lookup *l)
{
	judge_user(s, l);
	if (l->note[0] != '\0')
		session_log(s, LOG_L_INFO, "%s", l->note);
	switch (s->awake->login.method) {
	case SSH_AUTH_PUBLICKEY:
		s->awake->login.grant = l->grant;
		l->grant = (struct policy_grant){0}; /* handed over */
		answer(s, s->user_valid && l->key_found && s->awake->conf.pubkey_authentication);
		break;
	case SSH_AUTH_PASSWORD:
		s->awake->login.grant = policy_grant_full();
		judge_password(s, l);
		break;
	case SSH_AUTH_NONE:
		s->awake->login.grant = policy_grant_full();
		answer(s, none_suffices(s, l));
		break;
	default:
		answer(s, false);
	}
}

static void lookup_done(struct pool_job *job, int err)
{
	struct lookup_job *j = lookup_of(job);
	struct session *s = asker(j->env, &j->ref, j->id);

	if (s == NULL)
		return;
	if (err < 0) {
		session_log(s, LOG_L_ERROR, "files of user %.100s could not be read in time",
			    session_user(s));
		answer(s, false);
	} else {
		judge(s, &j->lookup);
	}
	session_pump(s);
}

static int lookup_fill(struct user_lookup *l, const struct session *s, const struct ssh_act *act)
{
	const struct conf_session *c = &s->awake->conf;
	const uint8_t *blob;

	/* A name with a NUL in it was cut for the log: it is no name. */
	l->name_ok = user_name_ok(act->auth.user.p, act->auth.user.len);
	strcpy(l->user, session_user(s));
	l->strict_modes = conf_global(c->conf)->strict_modes;
	l->peer = s->peer;
	l->now = (uint64_t)time(NULL);
	while (l->n_paths < USER_PATHS_MAX && l->n_paths < c->authorized_keys_files.n) {
		char *path = strdup(c->authorized_keys_files.v[l->n_paths]);

		if (path == NULL)
			return -ENOMEM;
		l->keys_path[l->n_paths++] = path;
	}
	if (c->password_hash_file != NULL) {
		l->password_path = strdup(c->password_hash_file);
		if (l->password_path == NULL)
			return -ENOMEM;
	}
	if (act->auth.method == SSH_AUTH_PUBLICKEY) {
		blob = key_blob(act->auth.key, &l->key_blob_len);
		l->key_blob = malloc(l->key_blob_len);
		if (l->key_blob == NULL)
			return -ENOMEM;
		memcpy(l->key_blob, blob, l->key_blob_len);
	}
	return 0;
}

static int lookup_start(struct session *s, const struct ssh_act *act)
{
	struct session_env *env = s->table->env;
	struct lookup_job *j = calloc(1, sizeof(*j));
	int r;

	if (j == NULL)
		return -ENOMEM;
	j->job = (struct pool_job){.run = lookup_run, .done = lookup_done, .free = lookup_free};
	j->env = env;
	j->ref = s->ref;
	j->id = act->id;
	r = lookup_fill(&j->lookup, s, act);
	if (r == 0)
		r = pool_submit(env->files, &j->job, POOL_AUTH, env->now_ms() + LOOKUP_MS);
	if (r < 0)
		lookup_free(&j->job);
	else
		s->awake->login.job = &j->job;
	return r;
}

/* --- the ask ------------------------------------------------------------------------- */

/*
 * Match User may change the rules once it is known who asks. The first keys were made under
 * the RekeyLimit of the address: where the user's is another one, new keys follow the login.
 */
static int rules_change(struct session *s)
{
	struct ssh_rekey_limit before = session_rekey_limit(s), after;
	struct conf_match_ctx ctx = {.user = s->user,
				     .addr = s->awake->peer_addr,
				     .laddr = s->awake->local_addr,
				     .lport = s->local.port};
	struct conf_session c;
	int r = conf_session_for(s->table->env->conf, &ctx, &c);

	if (r < 0)
		return r;
	conf_session_fini(&s->awake->conf);
	s->awake->conf = c;
	s->log_level = (uint8_t)c.log_level;
	after = session_rekey_limit(s);
	ssh_brain_user_rules(s->awake->brain, session_auth_methods(s), c.max_auth_tries, &after);
	if (after.bytes != before.bytes || after.seconds != before.seconds)
		r = ssh_brain_rekey(s->awake->brain);
	return r < 0 ? r : session_grace_begin(s);
}

static int user_known(struct session *s, struct ssh_str user)
{
	int r;

	free(s->user); /* of a try before, that failed here */
	s->user = strndup((const char *)user.p, user.len < SSH_USER_MAX ? user.len : SSH_USER_MAX);
	if (s->user == NULL)
		return -ENOMEM;
	r = rules_change(s);
	if (r == 0)
		s->user_known = true;
	return r;
}

static int login_keep(struct session *s, const struct ssh_act *act)
{
	struct login *l = &s->awake->login;

	l->open = true;
	l->id = act->id;
	l->method = act->auth.method;
	l->query = act->auth.query;
	if (l->method != SSH_AUTH_PASSWORD)
		return 0;
	l->password = secret_new((size_t)act->auth.password.len + 1);
	if (l->password == NULL)
		return -ENOMEM;
	l->password_len = act->auth.password.len;
	memcpy(l->password, act->auth.password.p, l->password_len);
	l->password[l->password_len] = '\0';
	return 0;
}

void login_refuse(struct session *s)
{
	session_log(s, LOG_L_INFO,
		    "administratively prohibited connection for %.100s from %.100s port %u",
		    s->user_known ? session_user(s) : "anybody", s->awake->peer_text, s->peer.port);
	s->end_logged = true;
	session_end(s, -SSH_E_REFUSED, NULL);
}

void login_begin(struct session *s, const struct ssh_act *act)
{
	int r = 0;

	if (act->auth.method != SSH_AUTH_NONE)
		s->awake->attempted = true;
	if (!s->user_known)
		r = user_known(s, act->auth.user);
	if (r == 0 && s->awake->conf.refuse_connection) {
		login_refuse(s);
		return;
	}
	if (r == 0)
		r = login_keep(s, act);
	if (r == 0)
		r = lookup_start(s, act);
	if (r < 0) {
		s->awake->login.id = act->id;
		answer(s, false);
	}
}

/*
 * A try that was refused. A name that is none the brain may have refused without asking: it is
 * an invalid user like any other.
 */
void login_failed(struct session *s, const struct ssh_act_auth *auth)
{
	if (!ssh_str_eq(auth->method_name, "none"))
		s->awake->attempted = true;
	if (!s->user_known && user_known(s, auth->user) < 0)
		return;
	if (!s->user_judged && !user_name_ok(auth->user.p, auth->user.len)) {
		s->user_judged = true;
		invalid_user(s);
	}
	words_auth(s, auth, false);
	if (auth->tries > 0) /* a first "none" only asks what there is */
		s->table->env->stats.failed_tries++;
	/* The brain had counted by what held for the address; Match User may ask for less. */
	if (auth->tries >= s->awake->conf.max_auth_tries)
		session_end(s, -SSH_E_AUTH_TRIES, NULL);
}

void login_done(struct session *s, const struct ssh_act_auth *auth)
{
	words_auth(s, auth, true);
	s->authenticated = true;
	s->table->env->stats.authenticated++;
	s->table->env->stats.logins++;
	timer_cancel(s->table->env->timers, &s->awake->grace);
	door_leave(s, 0);
	item_authenticated(s);
	item_blob(s);
}
