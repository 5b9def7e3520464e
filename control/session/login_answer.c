/*
 * control/session/login_answer.c - yes, not yet, and no: the answer to a request, and its moment.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/session/internal.h"
#include "control/session/report.h"
#include "crypto/hash.h"

#define DELAY_MIN_MS 5 /* sshd's: 5 ms, and up to 4.2 more by the name */
/* Up to four files of a home, each read by a process of its own where the home is closed. */
#define DELAY_HOSTBASED_MS 40
#define DELAY_EXTRA_MS     5
#define DELAY_MAX_MS       5000 /* what took longer is not made longer */

void login_decide(struct session *s, const struct ssh_auth_decision *d)
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
	ms = s->awake->login.auth.method == SSH_AUTH_HOSTBASED ? DELAY_HOSTBASED_MS : DELAY_MIN_MS;
	ms += digest[0] % DELAY_EXTRA_MS;
	while (ms < elapsed_ms && ms < DELAY_MAX_MS)
		ms *= 2;
	return ms;
}

void login_delay_over(struct session *s)
{
	struct ssh_auth_decision d = {.verdict = SSH_AUTH_REFUSE};

	login_decide(s, &d);
}

void login_reject(struct session *s)
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
bool login_key_used(const struct session *s, const struct key *k)
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

/* What of its key somebody may want to know when it is in already. */
static int blob_keep(struct session *s)
{
	const struct conf_session *c = &s->awake->conf;
	struct earned *e = &s->awake->earned;
	const struct key *k = s->awake->login.auth.key;
	const uint8_t *blob;
	uint8_t *more;
	struct ssh_wr w;
	size_t len;

	if (k == NULL || !lapse_keeps_keys(c))
		return 0;
	blob = key_blob(k, &len);
	more = realloc(e->blobs, e->blobs_len + 4 + len);
	if (more == NULL)
		return -ENOMEM;
	ssh_wr_init(&w, more + e->blobs_len, 4 + len);
	ssh_wr_str(&w, (struct ssh_str){blob, (uint32_t)len});
	e->blobs = more;
	e->blobs_len += ssh_wr_done(&w);
	return 0;
}

/* With an end behind it. */
int login_mark(struct earned *e, char kind, const char *text)
{
	size_t len = strlen(text) + 2;
	char *more = realloc(e->marks, e->marks_len + len + 1);

	if (more == NULL)
		return -ENOMEM;
	more[e->marks_len] = kind;
	memcpy(more + e->marks_len + 1, text, len - 1);
	more[e->marks_len + len] = '\0';
	e->marks = more;
	e->marks_len += len;
	return 0;
}

/* What rules may know a key by. */
static int marks_keep(struct earned *e, const struct key *k)
{
	const struct cert *c = key_cert(k);
	char text[64];
	int r = key_fingerprint(key_plain(k), text, sizeof(text));

	if (r == 0)
		r = login_mark(e, CONF_MARK_KEY, text);
	if (c == NULL)
		return r;
	if (r == 0)
		r = login_mark(e, CONF_MARK_KEY_ID, c->key_id);
	for (unsigned int i = 0; r == 0 && i < c->n_principals; i++)
		r = login_mark(e, CONF_MARK_PRINCIPAL, c->principals[i]);
	return r;
}

/* What this step allows and what those before it did: both hold (S-24). */
static int earn(struct session *s)
{
	struct login *l = &s->awake->login;
	struct earned *e = &s->awake->earned;
	struct policy_grant both;
	int r;

	if (l->auth.method == SSH_AUTH_PUBLICKEY &&
	    (e->n_keys == LOGIN_KEYS_MAX || key_digest(l->auth.key, e->key[e->n_keys++]) < 0 ||
	     marks_keep(e, l->auth.key) < 0))
		return -EIO;
	if (l->role[0] != '\0' && login_mark(e, CONF_MARK_ROLE, l->role) < 0)
		return -ENOMEM;
	if (blob_keep(s) < 0)
		return -ENOMEM;
	if (!e->any || l->expires < e->expires)
		e->expires = l->expires;
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

/* S-24: what the steps before this one showed is to hold when the last one is done, too. */
static bool still_holds(struct session *s)
{
	if (session_wall(s->table->env) < s->awake->earned.expires)
		return true;
	session_log(s, LOG_L_INFO,
		    "Authentication of %.100s refused: what it began with has expired",
		    session_user(s));
	return false;
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
		report_try(s, &l->auth, "acceptable");
		login_decide(s, &d);
		return;
	}
	step = chain_step(&s->awake->chain, l->auth.method, device_of(l));
	if (step == CHAIN_NO || earn(s) < 0 || !still_holds(s)) {
		login_reject(s);
		return;
	}
	if (step == CHAIN_DONE && l->more != 0) {
		static const struct conf_strs any;

		/* Whichever of them: AuthenticationMethods has been gone through. */
		chain_begin(&s->awake->chain, &any, session_auth_methods(s) & l->more);
		step = CHAIN_MORE;
	}
	if (step == CHAIN_MORE && chain_methods(&s->awake->chain) == 0) {
		login_reject(s);
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
	login_decide(s, &d);
}

void login_finish(struct session *s, bool right)
{
	bool may = right && s->awake->login.possible;

	if (login_hook(s, may))
		return;
	if (may)
		let_in(s);
	else
		login_reject(s);
}
