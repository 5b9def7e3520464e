/*
 * control/session/compute.c - what the brain asks to be computed.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "control/session/named.h"

/* --- key exchange ------------------------------------------------------------------ */

/*
 * A first exchange waits for its turn (turns.h) before it goes to the pool, which has as many at
 * once as there are threads; a rekey's client is known, and waits for nobody.
 */
struct kex_job {
	struct pool_job job;
	struct turn turn;
	struct session_env *env;
	struct conn_ref ref;
	uint32_t id;
	struct ssh_job *work; /* NULL: handed back */
};

static struct kex_job *kex_of(struct pool_job *job)
{
	return (struct kex_job *)(void *)job; /* its first member */
}

static void kex_run(struct pool_job *job)
{
	ssh_job_run(kex_of(job)->work);
}

static void next_turns(struct session_env *env);

static void kex_done(struct pool_job *job, int err)
{
	struct kex_job *j = kex_of(job);
	struct session *s = session_find(j->env, &j->ref);

	if (job->class == POOL_KEX) {
		j->env->kex_running--;
		next_turns(j->env);
	}
	if (s == NULL)
		return;
	if (err < 0) {
		session_end(s, -SSH_E_KEX_TIMEOUT, NULL);
	} else {
		(void)ssh_brain_job_done(s->awake->brain, j->id, j->work);
		j->work = NULL;
	}
	session_pump(s);
}

static void kex_free(struct pool_job *job)
{
	struct kex_job *j = kex_of(job);

	if (j->work != NULL)
		ssh_job_free(j->work);
	free(j);
}

/* Its time begins here; before it that of the login counts. */
static void submit(struct kex_job *j, enum pool_class class)
{
	struct session_env *env = j->env;
	struct session *s = session_find(env, &j->ref);

	if (s != NULL && pool_submit(env->compute, &j->job, class, env->now_ms() + JOB_MS) == 0) {
		env->kex_running += class == POOL_KEX;
		return;
	}
	kex_free(&j->job);
	if (s == NULL)
		return;
	session_end(s, -SSH_E_UNAVAILABLE, NULL);
	session_pump(s);
}

static struct kex_job *of_turn(struct turn *t)
{
	return (struct kex_job *)(void *)((char *)t - offsetof(struct kex_job, turn));
}

static void next_turns(struct session_env *env)
{
	unsigned int max = env->kex_threads > 0 ? env->kex_threads : 1;
	struct turn *t;

	while (env->kex_running < max && (t = turns_take(&env->turns)) != NULL)
		submit(of_turn(t), POOL_KEX);
}

static int take_turn(struct session *s, struct kex_job *j)
{
	struct session_env *env = s->table->env;
	struct source from = session_source(s);
	int r = turns_add(&env->turns, &from, &j->turn);

	if (r == 0)
		next_turns(env);
	return r;
}

void compute_job(struct session *s, struct ssh_job *work, uint32_t id)
{
	struct kex_job *j = calloc(1, sizeof(*j));

	if (j == NULL) {
		ssh_job_free(work);
		session_end(s, -SSH_E_MEMORY, NULL);
		return;
	}
	j->job = (struct pool_job){.run = kex_run, .done = kex_done, .free = kex_free};
	j->env = s->table->env;
	j->ref = s->ref;
	j->id = id;
	j->work = work;
	if (ssh_job_is_rekey(work)) {
		submit(j, POOL_REKEY);
	} else if (take_turn(s, j) < 0) {
		kex_free(&j->job);
		session_end(s, -SSH_E_INTERNAL, NULL);
	}
}

void compute_drop(struct session_env *env)
{
	struct turn *t;

	while ((t = turns_take(&env->turns)) != NULL)
		kex_free(&of_turn(t)->job);
}

/* --- signatures -------------------------------------------------------------------- */

static void sign_done(const struct signer_caller *caller, int err, const uint8_t *sig, size_t len);

/*
 * Of those who log in none holds a place with the signer for long. Who is in and changes keys waits
 * for it as for a control that is away: as long as an exchange may take, which the shard watches.
 */
static uint64_t sign_by_ms(const struct session *s)
{
	uint64_t now = s->table->env->now_ms();

	if (!s->awake->kex_done)
		return now + SIGN_MS;
	if (s->awake->conf.login_grace_time_ms == 0)
		return UINT64_MAX;
	return now + s->awake->conf.login_grace_time_ms;
}

static int sign_by(struct session *s, struct signer *signer, uint32_t id)
{
	const struct signing *w = &s->awake->signing;
	struct session_env *env = s->table->env;
	const struct signer_caller caller = {env, s->ref, id};

	return signer_sign(signer, w->key, w->sig_alg, w->hash, w->len, s->awake->kex_done,
			   sign_by_ms(s), &caller, sign_done);
}

/* Its own signer was replaced and has died since: who took its place may have the key, too. */
static int sign_again(struct session *s, uint32_t id)
{
	if (s->awake->signing.again)
		return -EPIPE;
	s->awake->signing.again = true;
	return sign_by(s, keyset_now(&s->table->env->keys)->signer, id);
}

static void signed_by(struct session *s, uint32_t id, int err, const uint8_t *sig, size_t len)
{
	if (err < 0)
		session_log(s, LOG_L_ERROR, "signing for %s port %u failed: error %d",
			    s->awake->peer_text, s->peer.port, -err);
	(void)ssh_brain_sign_answer(s->awake->brain, id, err, sig, len);
	session_pump(s);
}

static struct signer *signing_signer(const struct session *s)
{
	return s->awake->signing.again ? keyset_now(&s->table->env->keys)->signer
				       : hostkeys_signer(s);
}

/* The file may have another key by now. */
static void on_opened(const struct signer_caller *caller, int err, const char *why,
		      const struct key *pub, const struct host_chain *chain)
{
	struct session *s = session_find(caller->arg, &caller->conn);

	(void)why;
	(void)chain;
	if (s == NULL || s->awake->signing.key == NULL)
		return;
	if (err == 0 && !key_equal(pub, s->awake->signing.key))
		err = -ENOKEY;
	if (err == 0)
		err = sign_by(s, signing_signer(s), caller->id);
	if (err < 0)
		signed_by(s, caller->id, err, NULL, 0);
}

/* A signer that was started meanwhile has none of the keys that were named by their files. */
static int open_again(struct session *s, uint32_t id)
{
	struct signing *w = &s->awake->signing;
	const struct signer_caller caller = {s->table->env, s->ref, id};
	const struct named_key *k = named_find(s, w->key);

	if (k == NULL || w->opened)
		return -ENOENT;
	w->opened = true;
	return signer_open(signing_signer(s), k->file, sign_by_ms(s), &caller, on_opened);
}

/* The signer that was asked is gone, or does not have the key. 0: it is asked for once more. */
static int ask_again(struct session *s, uint32_t id, int err)
{
	if (err == -EPIPE)
		err = sign_again(s, id);
	return err == -ENOENT ? open_again(s, id) : err;
}

static void sign_done(const struct signer_caller *caller, int err, const uint8_t *sig, size_t len)
{
	struct session *s = session_find(caller->arg, &caller->conn);

	if (s == NULL ||
	    ((err == -EPIPE || err == -ENOENT) && (err = ask_again(s, caller->id, err)) == 0))
		return;
	signed_by(s, caller->id, err, sig, len);
}

void compute_sign(struct session *s, const struct ssh_act *act)
{
	struct signing *w = &s->awake->signing;
	int r = -E2BIG;

	*w = (struct signing){.key = act->sign.key, .len = act->sign.data.len};
	if (act->sign.data.len <= sizeof(w->hash) &&
	    strlen(act->sign.sig_alg) < sizeof(w->sig_alg)) {
		memcpy(w->hash, act->sign.data.p, w->len);
		strcpy(w->sig_alg, act->sign.sig_alg);
		r = sign_by(s, hostkeys_signer(s), act->id);
	}
	if (r == -EPIPE || r == -ENOENT)
		r = ask_again(s, act->id, r);
	if (r < 0)
		(void)ssh_brain_sign_answer(s->awake->brain, act->id, r, NULL, 0);
}
