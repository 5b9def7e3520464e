/*
 * control/session/compute.c - what the brain asks to be computed.
 */
#include <errno.h>
#include <stdlib.h>

#include "control/session/internal.h"

/* --- key exchange ------------------------------------------------------------------ */

struct kex_job {
	struct pool_job job;
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

static void kex_done(struct pool_job *job, int err)
{
	struct kex_job *j = kex_of(job);
	struct session *s = session_find(j->env, &j->ref);

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

void compute_job(struct session *s, struct ssh_job *work, uint32_t id)
{
	struct session_env *env = s->table->env;
	enum pool_class class = ssh_job_is_rekey(work) ? POOL_REKEY : POOL_KEX;
	struct kex_job *j = calloc(1, sizeof(*j));

	if (j == NULL) {
		ssh_job_free(work);
		session_end(s, -SSH_E_MEMORY, NULL);
		return;
	}
	j->job = (struct pool_job){.run = kex_run, .done = kex_done, .free = kex_free};
	j->env = env;
	j->ref = s->ref;
	j->id = id;
	j->work = work;
	if (pool_submit(env->compute, &j->job, class, env->now_ms() + JOB_MS) < 0) {
		kex_free(&j->job);
		session_end(s, -SSH_E_UNAVAILABLE, NULL);
	}
}

/* --- signatures -------------------------------------------------------------------- */

static void sign_done(const struct signer_caller *caller, int err, const uint8_t *sig, size_t len)
{
	struct session *s = session_find(caller->arg, &caller->conn);

	if (s == NULL)
		return;
	if (err < 0)
		session_log(s, LOG_L_ERROR, "signing for %s port %u failed: error %d",
			    s->awake->peer_text, s->peer.port, -err);
	(void)ssh_brain_sign_answer(s->awake->brain, caller->id, err, sig, len);
	session_pump(s);
}

void compute_sign(struct session *s, const struct ssh_act *act)
{
	struct session_env *env = s->table->env;
	struct signer_caller caller = {env, s->ref, act->id};
	int r;

	r = signer_sign(env->signer, act->sign.key, act->sign.sig_alg, act->sign.data.p,
			act->sign.data.len, s->awake->kex_done, env->now_ms() + SIGN_MS, &caller,
			sign_done);
	if (r < 0)
		(void)ssh_brain_sign_answer(s->awake->brain, act->id, r, NULL, 0);
}
