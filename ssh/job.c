/* ssh/job.c - see job.h. */
#include "ssh/job.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/secret.h"
#include "ssh/brain.h"
#include "ssh/err.h"

struct ssh_job *ssh_job_new(enum ssh_job_kind kind, size_t store)
{
	struct ssh_job *job = calloc(1, sizeof(*job));

	if (job == NULL)
		return NULL;
	job->kind = kind;
	job->err = -EINPROGRESS;
	job->store_len = store;
	job->store = malloc(store + 1);
	if (job->store == NULL) {
		free(job);
		return NULL;
	}
	return job;
}

struct ssh_str ssh_job_keep(struct ssh_job *job, struct ssh_str s)
{
	uint8_t *to = job->store + job->store_used;

	assert(s.len <= job->store_len - job->store_used);
	if (s.len != 0)
		memcpy(to, s.p, s.len);
	job->store_used += s.len;
	return (struct ssh_str){to, s.len};
}

void ssh_job_free(struct ssh_job *job)
{
	if (job == NULL)
		return;
	kex_key_free(job->ephemeral);
	free(job->group);
	gss_free(job->gss);
	free(job->token);
	key_free(job->key);
	secret_free(job->keys, sizeof(*job->keys));
	secret_wipe(job->store, job->store_len);
	free(job->store);
	secret_wipe(job, sizeof(*job));
	free(job);
}

bool ssh_job_is_rekey(const struct ssh_job *job)
{
	return job->rekey;
}

uint32_t ssh_job_id(const struct ssh_job *job)
{
	return job->id;
}

/* What failed in the method itself, for whatever reason, is the method's error. */
static int of_method(const struct ssh_job *job, int r)
{
	return r < 0 ? ssh_exchange_failed(job->method) : 0;
}

/* And what would prove it, and does not, is nobody's we know. */
static int of_proof(int r)
{
	return r < 0 ? -SSH_E_KEX_PROOF : 0;
}

/* H and the keys from the secret, which is gone afterwards. */
static int derive(struct ssh_job *job, const uint8_t *secret, size_t secret_len)
{
	struct ssh_str session_id = job->session_id;
	uint8_t k[SSH_K_MAX];
	size_t k_len = ssh_exchange_k(job->method, secret, secret_len, k);
	int r = k_len != 0 ? 0 : -EINVAL;

	if (r == 0)
		r = ssh_exchange_hash(job->method, &job->x, k, k_len, job->h);
	if (session_id.len == 0)
		session_id = (struct ssh_str){job->h, (uint32_t)hash_len(job->method->hash)};
	if (r == 0) {
		job->keys = secret_new(sizeof(*job->keys));
		r = job->keys != NULL ? 0 : -ENOMEM;
	}
	if (r == 0)
		r = ssh_exchange_keys(job->method, k, k_len, job->h, session_id, job->suite,
				      job->keys);
	secret_wipe(k, sizeof(k));
	return r;
}

static int run_respond(struct ssh_job *job)
{
	uint8_t secret[KEX_SECRET_MAX];
	size_t len = 0;
	int r;

	r = of_method(job, kex_respond(job->method, job->group, job->x.q_c.p, job->x.q_c.len,
				       job->pub, &job->pub_len, secret, &len));
	if (r == 0) {
		job->x.q_s = (struct ssh_str){job->pub, (uint32_t)job->pub_len};
		r = derive(job, secret, len);
	}
	secret_wipe(secret, sizeof(secret));
	return r;
}

/* The signature is checked before the keys may be used for anything (S-21). */
static int run_finish(struct ssh_job *job)
{
	uint8_t secret[KEX_SECRET_MAX];
	size_t len = 0;
	int r;

	r = of_method(job, kex_finish(job->method, job->ephemeral, job->x.q_s.p, job->x.q_s.len,
				      secret, &len));
	if (r == 0)
		r = derive(job, secret, len);
	if (r == 0)
		r = of_proof(key_verify(job->key, job->sig_alg, job->signature.p,
					job->signature.len, job->h, hash_len(job->method->hash)));
	secret_wipe(secret, sizeof(secret));
	return r;
}

static int run_gss_login(struct ssh_job *job)
{
	int r = 0;

	if (job->gss == NULL)
		r = gss_acceptor_new(job->gss_strict, &job->gss);
	if (r == 0)
		r = gss_step(job->gss, job->data.p, job->data.len, &job->token, &job->token_len);
	return r;
}

/* Nobody is named before the MIC is found right. */
static int run_gss_name(struct ssh_job *job)
{
	int r = gss_mic_verify(job->gss, job->data.p, job->data.len, job->signature.p,
			       job->signature.len);

	return r == 0 ? gss_names(job->gss, job->principal, job->local_user) : r;
}

/* With the token that establishes the context the exchange is whole (RFC 4462 section 2.1). */
static int run_gss_accept(struct ssh_job *job)
{
	int r = run_gss_login(job);

	if (r < 0 || !gss_established(job->gss))
		return r;
	/* "both the mutual_state and integ_avail MUST be true" */
	if (!gss_binds(job->gss))
		return -EBADMSG;
	r = run_respond(job);
	if (r == 0)
		r = gss_mic(job->gss, job->h, hash_len(job->method->hash), job->mic, &job->mic_len);
	return r;
}

static int run_gss_open(struct ssh_job *job)
{
	int r = gss_initiator_new((const char *)job->data.p, &job->gss_client, job->gss_delegate,
				  &job->gss);

	if (r == 0)
		r = gss_step(job->gss, NULL, 0, &job->token, &job->token_len);
	return r == 0 && job->token_len == 0 ? -EIO : r;
}

static int run_kex_init(struct ssh_job *job)
{
	return of_method(job, kex_init(job->method, job->group, &job->ephemeral, job->pub,
				       &job->pub_len));
}

static int run_gss_init(struct ssh_job *job)
{
	int r = run_kex_init(job);

	return r == 0 ? run_gss_open(job) : r;
}

static int run_gss_finish(struct ssh_job *job)
{
	uint8_t secret[KEX_SECRET_MAX];
	size_t len = 0;
	int r = 0;

	if (job->data.len > 0)
		r = gss_step(job->gss, job->data.p, job->data.len, &job->token, &job->token_len);
	if (r == 0 && (!gss_binds(job->gss) || job->token_len > 0))
		r = -EBADMSG;
	if (r == 0)
		r = of_method(job, kex_finish(job->method, job->ephemeral, job->x.q_s.p,
					      job->x.q_s.len, secret, &len));
	if (r == 0)
		r = derive(job, secret, len);
	if (r == 0)
		r = of_proof(gss_mic_verify(job->gss, job->h, hash_len(job->method->hash),
					    job->signature.p, job->signature.len));
	secret_wipe(secret, sizeof(secret));
	return r;
}

void ssh_job_run(struct ssh_job *job)
{
	switch (job->kind) {
	case SSH_JOB_KEX_INIT:
		job->err = run_kex_init(job);
		break;
	case SSH_JOB_KEX_RESPOND:
		job->err = run_respond(job);
		break;
	case SSH_JOB_KEX_FINISH:
		job->err = run_finish(job);
		break;
	case SSH_JOB_GSS_ACCEPT:
		job->err = run_gss_accept(job);
		break;
	case SSH_JOB_GSS_INIT:
		job->err = run_gss_init(job);
		break;
	case SSH_JOB_GSS_STEP:
		job->err = gss_step(job->gss, job->data.p, job->data.len, &job->token,
				    &job->token_len);
		break;
	case SSH_JOB_GSS_FINISH:
		job->err = run_gss_finish(job);
		break;
	case SSH_JOB_GSS_OPEN:
		job->err = run_gss_open(job);
		break;
	case SSH_JOB_GSS_MIC:
		job->err = gss_mic(job->gss, job->data.p, job->data.len, job->mic, &job->mic_len);
		break;
	case SSH_JOB_GSS_LOGIN:
		job->err = run_gss_login(job);
		break;
	case SSH_JOB_GSS_NAME:
		job->err = run_gss_name(job);
		break;
	case SSH_JOB_VERIFY:
		job->err = key_verify_presence(job->key, job->sig_alg, job->signature.p,
					       job->signature.len, job->data.p, job->data.len,
					       &job->presence);
		break;
	}
}
