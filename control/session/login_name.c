/*
 * control/session/login_name.c - UseDNS: the name of the client's address, which counts when it
 * leads back to it.
 *
 * Source  sshd_config(5), UseDNS. Asked once a connection, by its first request.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/session/internal.h"

/* The login that waits for this answer, if it still does. */
static struct session *asker(const struct resolve_caller *caller)
{
	struct session *s = session_find(caller->arg, &caller->conn);

	if (s == NULL || !s->awake->login.open || s->awake->login.id != caller->token)
		return NULL;
	return s;
}

static struct resolve_caller caller_of(const struct session *s)
{
	return (struct resolve_caller){
		.arg = s->table->env, .conn = s->ref, .token = s->awake->login.id};
}

static void go_on(struct session *s)
{
	const char *list;
	int r = 0;

	if (s->awake->peer_name != NULL && conf_matches_about(session_conf(s), CONF_ABOUT_HOST))
		r = rules_change(s, false);
	if (r < 0)
		login_reject(s);
	else if (s->awake->conf.refuse_connection)
		login_refuse(s, "RefuseConnection");
	else if ((list = clients_refuse_named(s)) != NULL)
		login_refuse(s, list);
	else
		login_named(s);
	session_pump(s);
}

static void on_addrs(const struct resolve_caller *caller, int err, const struct link_addr *addr,
		     size_t n)
{
	struct session *s = asker(caller);

	if (s == NULL)
		return;
	if (err == 0 && addr_is_one_of(&s->peer, addr, n)) {
		s->awake->peer_name = s->awake->login.peer_name;
		s->awake->login.peer_name = NULL; /* handed over */
	} else {
		session_log(
			s, LOG_L_INFO,
			"Address %.100s maps to %.200s, but this does not map back to the address.",
			s->awake->peer_text, s->awake->login.peer_name);
	}
	go_on(s);
}

/* A name that is a number would be taken for an address where names and addresses are compared. */
static char *name_of(const char *name)
{
	size_t n = strlen(name);
	struct link_addr number;
	char *to;

	n -= n > 0 && name[n - 1] == '.';
	to = strndup(name, n);
	for (char *p = to; to != NULL && *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	if (to != NULL && (*to == '\0' || addr_parse(to, &number))) {
		free(to);
		return NULL;
	}
	return to;
}

static void on_name(const struct resolve_caller *caller, int err, const char *name)
{
	struct session *s = asker(caller);
	struct resolve_caller again;

	if (s == NULL)
		return;
	again = caller_of(s);
	s->awake->login.peer_name = err == 0 ? name_of(name) : NULL;
	if (s->awake->login.peer_name == NULL ||
	    resolver_ask(s->table->env->resolver, s->awake->login.peer_name,
			 s->table->env->now_ms() + RESOLVE_MS, &again, on_addrs) < 0)
		go_on(s);
}

int login_ask_name(struct session *s)
{
	struct session_env *env = s->table->env;
	struct resolve_caller caller = caller_of(s);

	if (!conf_global(session_conf(s))->use_dns || s->awake->name_asked ||
	    env->resolver == NULL) {
		login_named(s);
		return 0;
	}
	s->awake->name_asked = true;
	return resolver_name(env->resolver, &s->peer, env->now_ms() + RESOLVE_MS, &caller, on_name);
}
