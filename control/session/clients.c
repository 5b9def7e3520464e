/*
 * control/session/clients.c - AllowClients, DenyClients: whose connections are wanted at all.
 *
 * By the address when a connection begins; by its name, where a list has names and UseDNS finds them,
 * when it first asks to be let in. An operator's program may overrule what the address said.
 */
#include "conf/match.h"
#include "control/session/internal.h"

enum listed { NOT_LISTED, LISTED, LISTED_MAYBE };

/* name NULL: the address has none, or, unless it is known, it may have one yet. */
static enum listed listed(const char *list, const char *name, const char *addr, bool known)
{
	if (known || !match_list_names(list))
		return match_from(name, addr, list) ? LISTED : NOT_LISTED;
	return match_addr_list(addr, list) == MATCH_NEGATED ? NOT_LISTED : LISTED_MAYBE;
}

static const char *unwanted(const struct session *s, bool known)
{
	const struct conf_global *g = conf_global(session_conf(s));
	const struct awake *a = s->awake;

	if (g->deny_clients != NULL &&
	    listed(g->deny_clients, a->peer_name, a->peer_addr, known) == LISTED)
		return "DenyClients";
	if (g->allow_clients != NULL &&
	    listed(g->allow_clients, a->peer_name, a->peer_addr, known) == NOT_LISTED)
		return "AllowClients";
	return NULL;
}

const char *clients_refuse(const struct session *s)
{
	return unwanted(s, !conf_global(session_conf(s))->use_dns);
}

const char *clients_refuse_named(const struct session *s)
{
	return s->awake->overruled ? NULL : unwanted(s, true);
}
