/*
 * control/session/login_rules.c - what holds for who asks: Match, Allow, Deny, PermitRootLogin.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/match.h"
#include "control/session/internal.h"

struct conf_match_ctx rules_ctx(const struct session *s, struct conf_strs *groups)
{
	*groups = (struct conf_strs){(const char *const *)s->awake->groups, s->awake->n_groups};
	return rules_ctx_of(s, s->awake, groups);
}

struct conf_match_ctx rules_ctx_of(const struct session *s, const struct awake *a,
				   const struct conf_strs *groups)
{
	return (struct conf_match_ctx){.user = s->user_known ? session_user(s) : NULL,
				       .host = a->peer_name,
				       .addr = a->peer_addr,
				       .laddr = a->local_addr,
				       .lport = s->local.port,
				       .rdomain = a->rdomain,
				       .client_version = a->version,
				       .groups = groups,
				       .marks = a->marks,
				       .invalid_user = a->invalid_user};
}

/*
 * What is known by now may change the rules. The first keys were made under the RekeyLimit of the
 * address: where the user's is another one, new keys follow the login.
 */
int rules_change(struct session *s, bool invalid_user)
{
	struct ssh_rekey_limit before = session_rekey_limit(s), after;
	struct awake *a = s->awake;
	struct conf_strs groups;
	struct conf_match_ctx ctx = rules_ctx(s, &groups);
	struct conf_session c;
	int r;

	ctx.invalid_user = invalid_user;
	r = conf_session_for(session_conf(s), &ctx, &c);
	if (r < 0)
		return r;
	conf_bounds_apply(&a->bounds, &c);
	conf_session_fini(&a->conf);
	a->conf = c;
	a->invalid_user = invalid_user;
	s->log_level = (uint8_t)c.log_level;
	if (s->user_known) {
		after = session_rekey_limit(s);
		chain_begin(&a->chain, &a->conf.authentication_methods, session_auth_methods(s));
		ssh_brain_user_rules(a->brain, chain_methods(&a->chain) | SSH_AUTH_NONE,
				     c.max_auth_tries, &after);
		if (after.bytes != before.bytes || after.seconds != before.seconds)
			r = ssh_brain_rekey(a->brain);
		if (chain_methods(&a->chain) == 0)
			session_log(s, LOG_L_ERROR,
				    "no AuthenticationMethods left after eliminating disabled "
				    "methods");
	}
	if (r == 0)
		r = session_silence_begin(s);
	return r < 0 ? r : session_grace_begin(s);
}

int rules_role_known(struct session *s)
{
	struct awake *a = s->awake;
	struct conf_strs groups;
	struct conf_match_ctx ctx = rules_ctx(s, &groups);
	struct conf_session c;
	int r;

	if (a->marks == NULL || !conf_matches_about(session_conf(s), CONF_ABOUT_ROLE))
		return 0;
	r = conf_session_for(session_conf(s), &ctx, &c);
	if (r < 0)
		return r;
	conf_session_fini(&a->conf);
	a->conf = c;
	s->log_level = (uint8_t)c.log_level;
	return 0;
}

bool rules_role_lets_in(const struct session *s)
{
	const struct awake *a = s->awake;

	return !a->conf.refuse_connection &&
	       (!conf_matches_about(session_conf(s), CONF_ABOUT_ROLE) ||
		conf_user_allowed(&a->conf, session_user(s), a->peer_name, a->peer_addr));
}

int rules_user_known(struct session *s, struct ssh_str user)
{
	int r;

	free(s->user); /* of a try before, that failed here */
	s->user = strndup((const char *)user.p, user.len < SSH_USER_MAX ? user.len : SSH_USER_MAX);
	if (s->user == NULL)
		return -ENOMEM;
	s->user_known = true;
	r = rules_change(s, false);
	if (r < 0)
		s->user_known = false;
	return r;
}

int rules_version_known(struct session *s, const uint8_t *line, size_t len)
{
	free(s->awake->version);
	s->awake->version = strndup((const char *)line, len);
	if (s->awake->version == NULL)
		return -SSH_E_MEMORY;
	if (match_list(s->awake->version, conf_global(session_conf(s))->version_pattern, false) !=
	    MATCH_YES)
		return -SSH_E_VERSION;
	if (!conf_matches_about(session_conf(s), CONF_ABOUT_CLIENT_VERSION))
		return 0;
	return rules_change(s, false) < 0 ? -SSH_E_MEMORY : 0;
}

void rules_invalid_user(struct session *s)
{
	s->awake->why_invalid = "no such user";
	session_log(s, LOG_L_INFO, "Invalid user %.100s from %.100s port %u", session_user(s),
		    s->awake->peer_text, s->peer.port);
	if (conf_matches_about(session_conf(s), CONF_ABOUT_INVALID_USER) &&
	    rules_change(s, true) < 0)
		session_end(s, -SSH_E_MEMORY, NULL);
}

/* sshd's: of who is there, whether the lists let him. */
static bool lists_allow(const struct session *s)
{
	const struct awake *a = s->awake;
	const struct conf_strs groups = {(const char *const *)a->groups, a->n_groups};

	if (!conf_user_allowed(&a->conf, session_user(s), a->peer_name, a->peer_addr)) {
		s->awake->why_invalid = "AllowUsers or DenyUsers";
		session_log(
			s, LOG_L_INFO,
			"User %.100s from %.100s not allowed because of AllowUsers or DenyUsers",
			session_user(s), a->peer_text);
		return false;
	}
	if (!conf_groups_allowed(&a->conf, &groups)) {
		s->awake->why_invalid = "AllowGroups or DenyGroups";
		session_log(
			s, LOG_L_INFO,
			"User %.100s from %.100s not allowed because of AllowGroups or DenyGroups",
			session_user(s), a->peer_text);
		return false;
	}
	return true;
}

/* sshd: for every method, as if there were no such user. */
static bool account_over(const struct session *s, const struct user_lookup *l)
{
	if (l->account_over) {
		s->awake->why_invalid = "account expired";
		session_log(s, LOG_L_INFO, "Account %.100s has expired", session_user(s));
	}
	return l->account_over;
}

void rules_judge_user(struct session *s, const struct user_lookup *l)
{
	if (s->user_judged)
		return;
	s->user_judged = true;
	s->awake->user_root = l->root;
	if (l->name_ok && l->exists) {
		s->user_valid = !account_over(s, l) && lists_allow(s);
		return;
	}
	rules_invalid_user(s);
}

static bool root_allowed(const struct session *s, enum ssh_auth_method method, bool forced_command)
{
	switch (s->awake->conf.permit_root_login) {
	case CONF_ROOT_YES:
		return true;
	case CONF_ROOT_KEYS:
		return method == SSH_AUTH_PUBLICKEY || method == SSH_AUTH_HOSTBASED ||
		       method == SSH_AUTH_GSSAPI_KEYEX || method == SSH_AUTH_GSSAPI_MIC;
	case CONF_ROOT_COMMANDS:
		return method == SSH_AUTH_PUBLICKEY && forced_command;
	case CONF_ROOT_NO:
		break;
	}
	return false;
}

bool rules_allow(const struct session *s, enum ssh_auth_method method, bool forced_command)
{
	if (!s->user_valid)
		return false;
	return !s->awake->user_root || root_allowed(s, method, forced_command);
}
