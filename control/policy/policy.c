#include "control/policy/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf/match.h"
#include "control/policy/addr.h"

struct policy_grant policy_grant_full(void)
{
	return (struct policy_grant){.port_forwarding = true, .session = true, .pty = true};
}

int policy_grant_permit(struct policy_grant *g, const char *entry)
{
	char **v;

	if (!match_permitopen_valid(entry))
		return -EINVAL;
	if (g->n_permitopen >= POLICY_PERMITS_MAX)
		return -E2BIG;
	v = realloc(g->permitopen, (g->n_permitopen + 1) * sizeof(*v));
	if (v == NULL)
		return -ENOMEM;
	g->permitopen = v;
	v[g->n_permitopen] = strdup(entry);
	if (v[g->n_permitopen] == NULL)
		return -ENOMEM;
	g->n_permitopen++;
	return 0;
}

void policy_grant_fini(struct policy_grant *g)
{
	for (size_t i = 0; i < g->n_permitopen; i++)
		free(g->permitopen[i]);
	free(g->permitopen);
	free(g->command);
	*g = (struct policy_grant){0};
}

static int permits_copy(const struct policy_grant *from, struct policy_grant *to)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < from->n_permitopen; i++)
		r = policy_grant_permit(to, from->permitopen[i]);
	return r;
}

int policy_grant_force(struct policy_grant *g, const char *command)
{
	if (g->command != NULL) {
		g->session &= strcmp(g->command, command) == 0;
		return 0;
	}
	g->command = strdup(command);
	g->session &= g->command != NULL;
	return g->command != NULL ? 0 : -ENOMEM;
}

/* Both commands, as far as there are any. */
static int commands_meet(const struct policy_grant *a, const struct policy_grant *b,
			 struct policy_grant *to)
{
	int r = a->command != NULL ? policy_grant_force(to, a->command) : 0;

	return r == 0 && b->command != NULL ? policy_grant_force(to, b->command) : r;
}

/* Where both have lists: every pair that allows something. */
static int permits_meet(const struct policy_grant *a, const struct policy_grant *b,
			struct policy_grant *to)
{
	char both[CONF_ADDR_TEXT + 1024];
	int r = 0;

	if ((uint64_t)a->n_permitopen * b->n_permitopen > POLICY_MEETS_MAX)
		return -E2BIG;
	for (uint32_t i = 0; i < a->n_permitopen; i++)
		for (uint32_t k = 0; r == 0 && k < b->n_permitopen; k++)
			if (match_permitopen_meet(a->permitopen[i], b->permitopen[k], both,
						  sizeof(both)))
				r = policy_grant_permit(to, both);
	if (r == 0 && to->n_permitopen == 0) /* an empty list would be no limit */
		to->port_forwarding = false;
	return r;
}

int policy_grant_meet(const struct policy_grant *a, const struct policy_grant *b,
		      struct policy_grant *ret)
{
	struct policy_grant g = {.port_forwarding = a->port_forwarding && b->port_forwarding,
				 .session = a->session && b->session,
				 .pty = a->pty && b->pty};
	int r;

	if (a->n_permitopen > 0 && b->n_permitopen > 0)
		r = permits_meet(a, b, &g);
	else
		r = permits_copy(a->n_permitopen > 0 ? a : b, &g);
	if (r == 0)
		r = commands_meet(a, b, &g);
	if (r < 0) {
		policy_grant_fini(&g);
		g = (struct policy_grant){0};
	}
	*ret = g;
	return r == -ENOMEM ? r : 0;
}

bool policy_may_ask(const struct policy_rules *r, const struct policy_grant *g, const char *host,
		    uint16_t port)
{
	struct conf_strs of_key = {(const char *const *)g->permitopen, g->n_permitopen};

	if (r->disable_forwarding || r->allow_tcp_forwarding == CONF_FORWARDING_NO ||
	    !g->port_forwarding)
		return false;
	if (!match_permitopen(&r->permit_open, host, port))
		return false;
	return of_key.n == 0 || match_permitopen(&of_key, host, port);
}

static bool is_localhost(const struct link_addr *addr)
{
	static const struct link_addr localhost[] = {{.family = 4, .addr = {127, 0, 0, 1}},
						     {.family = 6, .addr = {[15] = 1}}};

	return addr_is_one_of(addr, localhost, 2);
}

/* "address:port" or "address:*" with this address and port; "localhost" is one. */
static bool entry_names(const char *entry, const struct link_addr *addr, uint16_t port)
{
	char host[CONF_ADDR_TEXT];
	const char *colon = strrchr(entry, ':');
	struct link_addr a;
	uint16_t p;
	size_t len;

	if (colon == NULL)
		return false;
	len = (size_t)(colon - entry);
	if (len >= 2 && entry[0] == '[' && entry[len - 1] == ']') {
		entry++;
		len -= 2;
	}
	if (len >= sizeof(host))
		return false;
	memcpy(host, entry, len);
	host[len] = '\0';
	if (strcasecmp(host, "localhost") == 0) {
		if (!is_localhost(addr))
			return false;
	} else if (!addr_parse(host, &a) || !addr_equal(&a, addr)) {
		return false;
	}
	return strcmp(colon + 1, "*") == 0 || (conf_port_parse(colon + 1, &p) == 0 && p == port);
}

bool policy_may_reach(const struct policy_rules *r, const struct link_addr *addr, uint16_t port)
{
	struct link_addr a = *addr;

	addr_unmap(&a);
	if (!addr_is_special(&a) && !addr_leads_to_one_of(&a, r->own, r->n_own))
		return true;
	for (size_t i = 0; i < r->permit_open.n; i++)
		if (entry_names(r->permit_open.v[i], &a, port))
			return true;
	return false;
}

/* A key whose tunnels are listed has these alone: its list names no sockets. */
bool policy_may_open_socket(const struct conf_session *conf, const struct policy_grant *g,
			    const char *path)
{
	if (conf->disable_forwarding || !g->port_forwarding || g->n_permitopen > 0)
		return false;
	if (conf->allow_streamlocal_forwarding != CONF_FORWARDING_YES &&
	    conf->allow_streamlocal_forwarding != CONF_FORWARDING_LOCAL)
		return false;
	for (size_t i = 0; i < conf->permit_streamlocal.n; i++)
		if (match_pattern(path, conf->permit_streamlocal.v[i]))
			return true;
	return false;
}
