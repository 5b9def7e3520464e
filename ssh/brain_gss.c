/*
 * ssh/brain_gss.c - a key exchange that Kerberos authenticates, both roles.
 *
 * Source  RFC 4462 section 2, RFC 8732.
 *
 * client: INIT ->      <- CONTINUE     CONTINUE -> ...      <- COMPLETE, NEWKEYS     NEWKEYS ->
 *
 * The public values are those of the method without GSS-API; where a group is exchanged first,
 * brain_gex.c has done it under other numbers. A MIC over H takes the place of the host key's
 * signature, and nobody is asked about a host key. Every step of the library is a job.
 */
#include <stdlib.h>
#include <string.h>

#include "ssh/internal.h"
#include "ssh/trans_msg.h"

/* The context goes where it is used; there is one. */
static void lend_context(struct kex *k, struct ssh_job *job)
{
	job->gss = k->gss;
	k->gss = NULL;
}

static void take_context(struct kex *k, struct ssh_job *job)
{
	gss_free(k->gss);
	k->gss = job->gss;
	job->gss = NULL;
}

static struct ssh_str token_of(const struct ssh_job *job)
{
	return (struct ssh_str){job->token, (uint32_t)job->token_len};
}

static int send_continue(struct ssh_brain *b, struct ssh_str token)
{
	struct ssh_wr w;
	int r = send_begin(b, &w, 1 + 4 + (size_t)token.len);

	if (r < 0)
		return r;
	ssh_wr_u8(&w, SSH_MSG_KEXGSS_CONTINUE);
	ssh_wr_str(&w, token);
	r = send_end(b, &w);
	b->phase.step = SSH_STEP_GSS_CONTINUE;
	return r;
}

/* Server ---------------------------------------------------------------------------- */

static int ask_accept(struct ssh_brain *b, struct ssh_str token)
{
	struct kex *k = b->kex;
	struct ssh_exchange x = kex_exchange(b);
	struct ssh_job *job;

	x.q_c = (struct ssh_str){k->gss_q, k->gss_q_len};
	job = kex_exchange_job(b, SSH_JOB_GSS_ACCEPT, &x, (struct ssh_str){0}, token);
	if (job == NULL)
		return -SSH_E_MEMORY;
	job->gss_strict = b->gss_strict;
	lend_context(k, job);
	return ask_job(b, &b->kex_ask, job);
}

static int server_init(struct ssh_brain *b, struct ssh_rd *r)
{
	struct kex *k = b->kex;
	struct ssh_str token = ssh_rd_str(r);
	struct ssh_str q = kex_is_number(k) ? ssh_rd_mpint(r) : ssh_rd_str(r);

	if (!ssh_rd_done(r))
		return -SSH_E_FORMAT;
	if (token.len == 0 || token.len > GSS_TOKEN_MAX)
		return -SSH_E_KEX;
	if (kex_public_check(k->agreed.kex, k->group, true, q.p, q.len) < 0)
		return ssh_exchange_failed(k->agreed.kex);
	memcpy(k->gss_q, q.p, q.len);
	k->gss_q_len = q.len;
	return ask_accept(b, token);
}

static int server_input(struct ssh_brain *b, uint8_t msg, struct ssh_rd *r)
{
	struct ssh_str token;

	if (msg == SSH_MSG_KEXGSS_INIT)
		return server_init(b, r);
	token = ssh_rd_str(r);
	if (!ssh_rd_done(r))
		return -SSH_E_FORMAT;
	if (token.len == 0 || token.len > GSS_TOKEN_MAX)
		return -SSH_E_KEX;
	return ask_accept(b, token);
}

static int send_complete(struct ssh_brain *b, struct ssh_job *job)
{
	struct ssh_str q = {job->pub, (uint32_t)job->pub_len}, token = token_of(job);
	struct ssh_wr w;
	int r;

	r = send_begin(b, &w, 1 + 5 + (size_t)q.len + 4 + job->mic_len + 1 + 4 + (size_t)token.len);
	if (r < 0)
		return r;
	ssh_wr_u8(&w, SSH_MSG_KEXGSS_COMPLETE);
	if (kex_is_number(b->kex))
		ssh_wr_mpint(&w, q.p, q.len);
	else
		ssh_wr_str(&w, q);
	ssh_wr_str(&w, (struct ssh_str){job->mic, (uint32_t)job->mic_len});
	ssh_wr_bool(&w, token.len > 0);
	if (token.len > 0)
		ssh_wr_str(&w, token);
	return send_end(b, &w);
}

static int accepted(struct ssh_brain *b, struct ssh_job *job)
{
	int r;

	take_context(b->kex, job);
	if (!gss_established(b->kex->gss))
		return send_continue(b, token_of(job));
	kex_take_result(b, job);
	r = send_complete(b, job);
	return r < 0 ? r : kex_send_newkeys(b);
}

/* Client ---------------------------------------------------------------------------- */

/* Whose server it is and whose tickets are meant, for a job. */
static struct ssh_str name_of(const char *name)
{
	return (struct ssh_str){(const uint8_t *)name,
				name != NULL ? (uint32_t)strlen(name) + 1 : 0};
}

size_t gss_names_len(const struct ssh_brain *b)
{
	return name_of(b->gss_server).len + name_of(b->gss_client).len +
	       name_of(b->gss_password).len;
}

static const char *keep(struct ssh_job *job, const char *name)
{
	return name != NULL ? (const char *)ssh_job_keep(job, name_of(name)).p : NULL;
}

void gss_names_keep(const struct ssh_brain *b, struct ssh_job *job)
{
	job->data = ssh_job_keep(job, name_of(b->gss_server));
	job->gss_client = (struct gss_client){keep(job, b->gss_client), keep(job, b->gss_password)};
	job->gss_delegate = b->gss_delegate;
}

int gss_begin(struct ssh_brain *b)
{
	struct ssh_job *job;

	if (b->gss_server == NULL)
		return -SSH_E_KEX;
	b->phase.step = SSH_STEP_GSS_INIT;
	job = kex_init_job(b, SSH_JOB_GSS_INIT, gss_names_len(b));
	if (job == NULL)
		return -SSH_E_MEMORY;
	gss_names_keep(b, job);
	return ask_job(b, &b->kex_ask, job);
}

static int send_init(struct ssh_brain *b, struct ssh_job *job)
{
	struct kex *k = b->kex;
	struct ssh_str q, token = token_of(job);
	struct ssh_wr w;
	int r;

	take_context(k, job);
	k->ephemeral = job->ephemeral;
	job->ephemeral = NULL;
	memcpy(k->pub, job->pub, job->pub_len);
	k->pub_len = job->pub_len;
	q = (struct ssh_str){k->pub, (uint32_t)k->pub_len};
	r = send_begin(b, &w, 1 + 4 + (size_t)token.len + 5 + q.len);
	if (r < 0)
		return r;
	ssh_wr_u8(&w, SSH_MSG_KEXGSS_INIT);
	ssh_wr_str(&w, token);
	if (kex_is_number(k))
		ssh_wr_mpint(&w, q.p, q.len);
	else
		ssh_wr_str(&w, q);
	return send_end(b, &w);
}

static int client_continue(struct ssh_brain *b, struct ssh_rd *r)
{
	struct ssh_str token = ssh_rd_str(r);
	struct ssh_job *job;

	if (!ssh_rd_done(r))
		return -SSH_E_FORMAT;
	if (token.len == 0 || token.len > GSS_TOKEN_MAX || gss_established(b->kex->gss))
		return -SSH_E_KEX;
	job = kex_init_job(b, SSH_JOB_GSS_STEP, token.len);
	if (job == NULL)
		return -SSH_E_MEMORY;
	job->data = ssh_job_keep(job, token);
	lend_context(b->kex, job);
	return ask_job(b, &b->kex_ask, job);
}

/* Section 2.1: the server may say its host key, once and first; it is hashed and not believed. */
static int client_hostkey(struct ssh_brain *b, struct ssh_rd *r)
{
	struct kex *k = b->kex;
	struct ssh_str blob = ssh_rd_str(r);

	if (!ssh_rd_done(r))
		return -SSH_E_FORMAT;
	if (k->gss_host_key != NULL || blob.len == 0 || blob.len > KEY_BLOB_MAX)
		return -SSH_E_KEX;
	k->gss_host_key = malloc(blob.len);
	if (k->gss_host_key == NULL)
		return -SSH_E_MEMORY;
	memcpy(k->gss_host_key, blob.p, blob.len);
	k->gss_host_key_len = blob.len;
	return 0;
}

static int client_complete(struct ssh_brain *b, struct ssh_rd *r)
{
	struct kex *k = b->kex;
	struct ssh_exchange x = kex_exchange(b);
	struct ssh_str q = kex_is_number(k) ? ssh_rd_mpint(r) : ssh_rd_str(r);
	struct ssh_str mic = ssh_rd_str(r);
	bool has_token = ssh_rd_bool(r);
	struct ssh_str token = has_token ? ssh_rd_str(r) : (struct ssh_str){0};
	struct ssh_job *job;

	if (!ssh_rd_done(r))
		return -SSH_E_FORMAT;
	/* A last token for a context that waits for none, or none for one that does. */
	if (kex_public_check(k->agreed.kex, k->group, false, q.p, q.len) < 0)
		return ssh_exchange_failed(k->agreed.kex);
	if (mic.len == 0 || mic.len > GSS_MIC_MAX)
		return -SSH_E_KEX_PROOF;
	if (token.len > GSS_TOKEN_MAX || has_token == gss_established(k->gss))
		return -SSH_E_KEX;
	x.k_s = (struct ssh_str){k->gss_host_key, k->gss_host_key_len};
	x.q_c = (struct ssh_str){k->pub, (uint32_t)k->pub_len};
	x.q_s = q;
	job = kex_exchange_job(b, SSH_JOB_GSS_FINISH, &x, mic, token);
	if (job == NULL)
		return -SSH_E_MEMORY;
	job->ephemeral = k->ephemeral;
	k->ephemeral = NULL;
	lend_context(k, job);
	return ask_job(b, &b->kex_ask, job);
}

static int client_input(struct ssh_brain *b, uint8_t msg, struct ssh_rd *r)
{
	switch (msg) {
	case SSH_MSG_KEXGSS_CONTINUE:
		return client_continue(b, r);
	case SSH_MSG_KEXGSS_COMPLETE:
		return client_complete(b, r);
	case SSH_MSG_KEXGSS_HOSTKEY:
		return client_hostkey(b, r);
	default: /* ERROR, and the server goes */
		return -SSH_E_KEX;
	}
}

static int stepped(struct ssh_brain *b, struct ssh_job *job)
{
	take_context(b->kex, job);
	if (job->token_len > 0)
		return send_continue(b, token_of(job));
	b->phase.step = SSH_STEP_GSS_CONTINUE;
	return gss_established(b->kex->gss) ? 0 : -SSH_E_KEX;
}

static int finished(struct ssh_brain *b, struct ssh_job *job)
{
	take_context(b->kex, job);
	kex_take_result(b, job);
	return kex_send_newkeys(b);
}

/* Both ------------------------------------------------------------------------------ */

int gss_input(struct ssh_brain *b, uint8_t msg, const uint8_t *body, size_t len)
{
	struct ssh_rd r;

	ssh_rd_init(&r, body, len);
	return brain_is_server(b) ? server_input(b, msg, &r) : client_input(b, msg, &r);
}

int gss_job_done(struct ssh_brain *b, struct ssh_job *job)
{
	switch (job->kind) {
	case SSH_JOB_GSS_ACCEPT:
		return accepted(b, job);
	case SSH_JOB_GSS_INIT:
		return send_init(b, job);
	case SSH_JOB_GSS_STEP:
		return stepped(b, job);
	case SSH_JOB_GSS_FINISH:
		return finished(b, job);
	default:
		return -SSH_E_INTERNAL;
	}
}
