/*
 * control/session/login_judge.c - what the files said, weighed by the method that was asked for.
 */
#include <errno.h>
#include <stdlib.h>

#include "control/session/internal.h"
#include "ssh/kexinit.h"

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

/* All that decides about rules is known now: PubkeyAcceptedAlgorithms of this user. */
static void sig_algs_settle(struct session *s)
{
	const char *algs = s->awake->conf.pubkey_accepted;

	/* Without memory for it the list stays as it was, and offered() says no. */
	if (algs != NULL)
		(void)!ssh_brain_user_sig_algs(s->awake->brain, algs);
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
	if (l->hash == NULL) /* else of before a program was asked */
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
	login_ask_source(s, source, s->awake->login.auth.password);
}

/* A key that is in no file a program may know; it is asked for those who may log in. */
static void judge_key(struct session *s, struct user_lookup *found)
{
	struct login *l = &s->awake->login;

	l->certified |= found->certified;
	if (found->key_found || !l->possible || login_ask_program(s) < 0)
		login_finish(s, found->key_found && !login_key_used(s, l->auth.key));
}

/* Of the first request the brain did not know yet what is offered. */
static bool offered(const struct session *s)
{
	const struct ssh_act_auth *a = &s->awake->login.auth;
	const char *algs = NULL;

	if (a->method == SSH_AUTH_NONE)
		return true;
	if (!(chain_methods(&s->awake->chain) & a->method))
		return false;
	if (a->method == SSH_AUTH_PUBLICKEY)
		algs = s->awake->conf.pubkey_accepted;
	else if (a->method == SSH_AUTH_HOSTBASED)
		algs = s->awake->conf.hostbased_accepted;
	return algs == NULL || ssh_names_have(ssh_str_c(algs), a->sig_alg);
}

static void judge(struct session *s, struct user_lookup *found)
{
	struct login *l = &s->awake->login;

	if (found->note[0] != '\0')
		session_log(s, LOG_L_INFO, "%s", found->note);
	if (!offered(s)) {
		login_reject(s);
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
	l->expires = found->expires;
	if (l->hash != NULL && l->hash->ends.account < l->expires)
		l->expires = l->hash->ends.account;
	if (login_hook_judges(&s->awake->conf) && l->auth.method == SSH_AUTH_PUBLICKEY &&
	    !found->key_found) {
		l->grant = policy_grant_full();
		/* What a line restricts holds whoever judges: place, time, touch. */
		l->possible &= !found->key_refused || l->hook_said;
	}
	if (login_hook_instead(s))
		return;
	switch (l->auth.method) {
	case SSH_AUTH_PUBLICKEY:
		judge_key(s, found);
		break;
	case SSH_AUTH_PASSWORD:
		judge_password(s);
		break;
	case SSH_AUTH_KBDINT:
		login_plan_make(s);
		login_plan_go_on(s);
		break;
	case SSH_AUTH_NONE:
		login_finish(s, none_suffices(s, found));
		break;
	case SSH_AUTH_HOSTBASED:
		login_finish(s, found->vouched);
		break;
	case SSH_AUTH_GSSAPI_KEYEX:
	case SSH_AUTH_GSSAPI_MIC:
		login_finish(s, ticket_suffices(s));
		break;
	default:
		login_reject(s);
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
		login_refuse(s, "RefuseConnection");
		return;
	}
	if (r == 0)
		r = login_look_up(s, false);
	if (r < 0)
		login_reject(s);
}

void login_looked_up(struct session *s, struct user_lookup *found)
{
	if (found->lost) {
		session_log(s, LOG_L_ERROR,
			    "what is known of user %.100s could not be found out%s%s",
			    session_user(s), found->note[0] != '\0' ? ": " : "", found->note);
		login_reject(s);
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
		login_refuse(s, "RefuseConnection");
		return;
	}
	sig_algs_settle(s);
	banner(s, found);
	if (hash_keep(&s->awake->login, &found->hash, found->has_hash) < 0)
		login_reject(s);
	else
		judge(s, found);
}
