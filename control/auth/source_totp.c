/*
 * control/auth/source_totp.c - time-based codes as a source: files, so on the pool that waits for
 * them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/auth/source.h"
#include "control/auth/totp.h"
#include "control/log.h"
#include "crypto/secret.h"

#define WHY_MAX 256

struct totp_job {
	struct pool_job job;
	struct auth_call *call; /* good as long as done() can be called */
	bool possible;
	int result;
	uint64_t now;
	unsigned int window;
	char user[SSH_USER_MAX + 1]; /* whose turn it is; of those who may not log in, too */
	char code[TOTP_DIGITS_MAX];
	size_t len;
	char *secrets, *state;
	char why[WHY_MAX];
};

static struct totp_job *totp_of(struct pool_job *job)
{
	return (struct totp_job *)(void *)job; /* its first member */
}

/* Who may not log in anyway uses up no code. */
static void run(struct pool_job *job)
{
	struct totp_job *j = totp_of(job);
	const struct totp_files files = {j->secrets, j->state};

	j->result = totp_use(&files, j->possible ? j->user : "", j->code, j->len, j->now, j->window,
			     j->why, sizeof(j->why));
}

static void done(struct pool_job *job, int err)
{
	struct totp_job *j = totp_of(job);
	struct auth_call *call = j->call;

	call->state = NULL; /* the pool gives it back */
	if (err == 0 && j->why[0] != '\0')
		log_line(LOG_L_ERROR, "time-based codes: %s", j->why);
	call->done(call, err == 0 && j->result == 0 && j->possible ? SOURCE_YES : SOURCE_NO);
}

static void job_free(struct pool_job *job)
{
	struct totp_job *j = totp_of(job);

	secret_wipe(j->code, sizeof(j->code));
	free(j->secrets);
	free(j->state);
	free(j);
}

static bool wanted(const struct conf_session *c)
{
	return c->totp_secret_file != NULL && c->totp_state_file != NULL;
}

/* Codes are read with blanks in them, as people type them; one with anything else is none. */
static size_t digits_of(struct ssh_str s, char *to, size_t room)
{
	size_t n = 0;

	for (uint32_t i = 0; i < s.len; i++) {
		if (s.p[i] == ' ')
			continue;
		if (s.p[i] < '0' || s.p[i] > '9' || n == room)
			return 0;
		to[n++] = (char)s.p[i];
	}
	return n;
}

static int begin(struct auth_call *call, const struct auth_try *t)
{
	struct totp_job *j = calloc(1, sizeof(*j));
	int r = -ENOMEM;

	if (j == NULL)
		return -ENOMEM;
	snprintf(j->user, sizeof(j->user), "%s", t->user);
	j->job = (struct pool_job){
		.run = run, .done = done, .free = job_free, .from = t->from, .user = j->user};
	j->call = call;
	j->now = call->env->wall();
	j->window = t->conf->totp_window;
	j->len = digits_of(t->secret, j->code, sizeof(j->code));
	j->possible = t->possible && strlen(t->user) <= SSH_USER_MAX;
	j->secrets = strdup(t->conf->totp_secret_file);
	j->state = strdup(t->conf->totp_state_file);
	if (j->secrets != NULL && j->state != NULL)
		r = pool_submit(call->env->files, &j->job, POOL_AUTH,
				call->env->now_ms() + SOURCE_FILES_MS);
	if (r < 0) {
		job_free(&j->job);
		return r;
	}
	call->state = j;
	return 0;
}

static void end(struct auth_call *call)
{
	struct totp_job *j = call->state;

	if (j != NULL)
		pool_cancel(&j->job);
}

const struct auth_source auth_source_totp = {
	.name = "totp",
	.wanted = wanted,
	.question = "Verification code: ",
	.begin = begin,
	.end = end,
};
