/*
 * control/auth/source_password.c - PasswordHashFile as a source: a password is measured against
 * the user's hash, or against one of the usual cost, on the pool that computes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/auth/source.h"
#include "crypto/passwd.h"
#include "crypto/secret.h"

struct password_job {
	struct pool_job job;
	struct auth_call *call; /* good as long as done() can be called */
	bool possible;
	int result;
	struct passfile_hash hash;
	char user[SSH_USER_MAX + 1];
	char *password;
	size_t len, measured; /* what of it is put to the hash */
};

static struct password_job *password_of(struct pool_job *job)
{
	return (struct password_job *)(void *)job; /* its first member */
}

static void run(struct pool_job *job)
{
	struct password_job *j = password_of(job);

	j->result = passwd_check(j->hash.own, j->password, j->measured);
	/* A hash that cannot be checked (empty, locked, unknown) costs what others cost. */
	if (j->result != 0 && j->result != -EBADMSG)
		(void)!passwd_check(j->hash.decoy, j->password, j->measured);
}

static void done(struct pool_job *job, int err)
{
	struct password_job *j = password_of(job);
	struct auth_call *call = j->call;

	call->state = NULL; /* the pool gives it back */
	call->done(call, err == 0 && j->result == 0 && j->possible ? SOURCE_YES : SOURCE_NO);
}

static void job_free(struct pool_job *job)
{
	struct password_job *j = password_of(job);

	if (j->password != NULL)
		secret_free(j->password, j->len + 1);
	secret_wipe(&j->hash, sizeof(j->hash));
	free(j);
}

static bool wanted(const struct conf_session *c)
{
	return c->password_hash_file != NULL;
}

/* crypt() has no word for it: an empty hash is an empty password, for those who may have one. */
static bool empty_suffices(const struct auth_try *t)
{
	return t->possible && t->has_hash && t->hash->own[0] == '\0' && t->secret.len == 0 &&
	       t->conf->permit_empty_passwords;
}

static int begin(struct auth_call *call, const struct auth_try *t)
{
	struct password_job *j;
	int r;

	if (t->change) /* S-31: nobody changes the file's hashes here */
		return SOURCE_NO;
	if (empty_suffices(t))
		return SOURCE_YES;
	j = calloc(1, sizeof(*j));
	if (j == NULL)
		return -ENOMEM;
	snprintf(j->user, sizeof(j->user), "%s", t->user);
	j->job = (struct pool_job){
		.run = run, .done = done, .free = job_free, .from = t->from, .user = j->user};
	j->call = call;
	j->hash = *t->hash;
	j->len = t->secret.len;
	j->measured = j->len < PASSWD_MAX ? j->len : PASSWD_MAX;
	/* One that is too long is refused, at the full cost (S-32). */
	j->possible = t->possible && t->has_hash && j->len <= PASSWD_MAX &&
		      t->hash->own[0] != '\0' && (j->len > 0 || t->conf->permit_empty_passwords);
	j->password = secret_new(j->len + 1);
	if (j->password == NULL) {
		job_free(&j->job);
		return -ENOMEM;
	}
	memcpy(j->password, t->secret.p, j->len);
	j->password[j->len] = '\0';
	r = pool_submit(call->env->compute, &j->job, POOL_AUTH,
			call->env->now_ms() + SOURCE_COMPUTE_MS);
	if (r < 0) {
		job_free(&j->job);
		return r;
	}
	call->state = j;
	return 0;
}

static void end(struct auth_call *call)
{
	struct password_job *j = call->state;

	if (j != NULL) /* who asked is gone: a hash is not worth its time any more */
		pool_cancel(&j->job);
}

const struct auth_source auth_source_password = {
	.name = "password",
	.wanted = wanted,
	.question = "Password: ",
	.password = true,
	.begin = begin,
	.end = end,
};
