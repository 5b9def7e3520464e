/*
 * control/session/login_files.c - what files and the system say about who asks, read on the pool
 * that waits for them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/session/internal.h"

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

/* The session whose login this job works on, if it still waits for it. */
static struct session *asker(const struct lookup_job *j)
{
	struct session *s = session_find(j->env, &j->ref);

	if (s == NULL || !s->awake->login.open || s->awake->login.id != j->id)
		return NULL;
	s->awake->login.job = NULL; /* it is done */
	return s;
}

static void lookup_done(struct pool_job *job, int err)
{
	struct lookup_job *j = lookup_of(job);
	struct session *s = asker(j);

	if (s == NULL)
		return;
	if (err < 0) {
		session_log(s, LOG_L_ERROR, "files of user %.100s could not be read in time",
			    session_user(s));
		login_reject(s);
	} else {
		login_looked_up(s, &j->lookup);
	}
	session_pump(s);
}

static int text_keep(const char *text, char **ret)
{
	if (text == NULL)
		return 0;
	*ret = strdup(text);
	return *ret != NULL ? 0 : -ENOMEM;
}

static int key_keep(struct user_lookup *l, const struct key *key)
{
	const uint8_t *blob = key_blob(key, &l->key_blob_len);

	l->key_blob = malloc(l->key_blob_len);
	if (l->key_blob == NULL)
		return -ENOMEM;
	memcpy(l->key_blob, blob, l->key_blob_len);
	return 0;
}

static int lookup_fill(struct user_lookup *l, const struct session *s)
{
	const struct conf_session *c = &s->awake->conf;
	const struct ssh_act_auth *auth = &s->awake->login.auth;
	int r = 0;

	/* A name with a NUL in it was cut for the log: it is no name. */
	l->name_ok = user_name_ok(auth->user.p, auth->user.len);
	strcpy(l->user, session_user(s));
	if (!l->of_program && s->table->env->helper != NULL)
		r = text_keep(s->table->env->helper->path, &l->helper_path);
	if (r == 0)
		r = text_keep(s->awake->peer_name, &l->peer_name);
	l->accounts_exist = c->use_pam || c->hostbased_authentication;
	l->names_exist = c->authorized_keys_command.n > 0 || login_hook_judges(c);
	if (r == 0)
		r = text_keep(s->awake->version, &l->version);
	l->conf_mark = conf_mark(c->conf);
	l->local = s->local;
	strcpy(l->rdomain, s->awake->rdomain);
	l->invalid_user = s->awake->invalid_user;
	l->strict_modes = conf_global(c->conf)->strict_modes;
	l->peer = s->peer;
	l->now = session_wall(s->table->env);
	l->want_groups = s->awake->groups == NULL &&
			 (l->only_account || c->allow_groups.n > 0 || c->deny_groups.n > 0);
	for (; r == 0 && l->n_paths < USER_PATHS_MAX && l->n_paths < c->authorized_keys_files.n;
	     l->n_paths++)
		r = text_keep(c->authorized_keys_files.v[l->n_paths], &l->keys_path[l->n_paths]);
	if (r == 0)
		r = text_keep(c->password_hash_file, &l->password_path);
	if (r == 0 && !s->awake->banner_sent)
		r = text_keep(c->banner, &l->banner_path);
	if (r == 0 && auth->method == SSH_AUTH_PUBLICKEY)
		r = key_keep(l, auth->key);
	if (r == 0 && auth->method == SSH_AUTH_HOSTBASED)
		r = hostbased_new(auth, c, &l->hostbased);
	if (r == 0)
		r = keytrust_fill(&l->trust, c);
	l->signed_by_key = !auth->query;
	l->presence = auth->presence;
	return r;
}

/* Takes text, of a program; NULL: files are looked through. */
static int look_up(struct session *s, bool only_account, enum login_program who, char *text,
		   size_t len)
{
	struct session_env *env = s->table->env;
	struct lookup_job *j = calloc(1, sizeof(*j));
	int r;

	if (j == NULL) {
		free(text);
		return -ENOMEM;
	}
	j->job = (struct pool_job){.run = lookup_run,
				   .done = lookup_done,
				   .free = lookup_free,
				   .from = session_source(s),
				   .user = j->lookup.user};
	j->env = env;
	j->ref = s->ref;
	j->id = s->awake->login.id;
	j->lookup.only_account = only_account;
	j->lookup.of_program = text != NULL;
	if (who == LOGIN_KEYS) {
		j->lookup.keys_text = text;
		j->lookup.keys_text_len = len;
	}
	r = lookup_fill(&j->lookup, s);
	if (who == LOGIN_PRINCIPALS) { /* keytrust_fill() is over */
		j->lookup.trust.principals_text = text;
		j->lookup.trust.principals_len = len;
	}
	if (r == 0)
		r = pool_submit(env->files, &j->job, POOL_AUTH, env->now_ms() + LOOKUP_MS);
	if (r < 0)
		lookup_free(&j->job);
	else
		s->awake->login.job = &j->job;
	return r;
}

int login_look_up(struct session *s, bool only_account)
{
	return look_up(s, only_account, 0, NULL, 0);
}

int login_look_through(struct session *s, enum login_program who, char *text, size_t len)
{
	return look_up(s, false, who, text, len);
}
